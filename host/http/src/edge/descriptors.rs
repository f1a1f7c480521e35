//! The process's limit of open files, and failures of `accept` when it is reached.

use std::{io, time::Duration};

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// The limit that is in force; `None` when there is none.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Raises the limit of open files as far as the system allows. The usual soft limits are made for programs that use
/// `select`, and are far too low for a server.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, current, maximum, "the limit of open files can't be raised");
    }
}

/// How many connections fit: a quarter of the open files is kept for the database, models, connectors and files.
pub fn connections_within(limit: Option<u64>, wanted: usize) -> usize {
    let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return wanted };
    wanted.min(limit / 4 * 3).max(1)
}

/// What a failed `accept` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptFault {
    /// The connection was gone before it was accepted. The next one may be fine.
    Connection,
    /// The process or the system has no more descriptors or memory. Accepting again at once would fail, too.
    Exhausted,
}

pub fn accept_fault(error: &io::Error) -> AcceptFault {
    match Errno::from_io_error(error) {
        Some(
            Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::INTR
            | Errno::AGAIN
            | Errno::PERM
            | Errno::PROTO
            | Errno::NETDOWN
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NETUNREACH
            | Errno::OPNOTSUPP,
        ) => AcceptFault::Connection,
        _ => AcceptFault::Exhausted,
    }
}

/// How long to wait before the next `accept`, after so many that failed in a row.
pub fn back_off(failures: u32) -> Duration {
    Duration::from_millis(10 << failures.saturating_sub(1).min(7)).min(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_open_files_is_not_for_connections() {
        assert_eq!(connections_within(Some(1024), 10_000), 768);
        assert_eq!(connections_within(Some(1 << 20), 10_000), 10_000);
        assert_eq!(connections_within(None, 10_000), 10_000);
        assert_eq!(connections_within(Some(1), 10), 1);
    }

    #[test]
    fn only_a_lack_of_descriptors_is_waited_for() {
        let fault = |errno: Errno| accept_fault(&io::Error::from(errno));
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert_eq!(fault(errno), AcceptFault::Exhausted);
        }
        assert_eq!(fault(Errno::CONNABORTED), AcceptFault::Connection);
        let waits: Vec<u64> = (1..10).map(|failures| back_off(failures).as_millis() as u64).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }
}
