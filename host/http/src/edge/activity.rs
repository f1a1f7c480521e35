//! Tracks what a connection is doing, and when it is overdue. Its socket, its requests and its responses report here.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::{sync::Notify, time::Instant};

use super::{Limits, head::HeadScan};

#[derive(Debug)]
pub struct Activity {
    state: Mutex<State>,
    /// An answer that ends with its connection (HTTP/1.0) isn't whole yet, so a close has to be a reset.
    reset: AtomicBool,
    /// The last request's body wasn't read to its end.
    unread: AtomicBool,
    /// The host needs the connection's descriptor.
    pub evicted: Notify,
}

#[derive(Debug)]
struct State {
    /// Many requests at a time (HTTP/2), so incoming bytes don't mean that a request begins.
    multiplexed: bool,
    /// Requests whose response isn't over.
    exchanges: usize,
    /// The open requests that wait for the host, and not for the client.
    host_busy: usize,
    /// When the connection last made progress.
    since: Instant,
    /// When a request began whose head isn't whole yet.
    head_started: bool,
    /// Since when the socket has taken no byte.
    blocked: Option<Instant>,
    scan: HeadScan,
    /// Requests that hyper has given out.
    requests: u64,
}

/// What a connection's heads say about the framing of the current request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingCheck {
    Clear,
    /// The request has both a length and a transfer coding.
    Conflict,
    /// The head came amid a body, so its fields aren't known.
    Unknown,
}

impl Activity {
    #[expect(clippy::new_without_default, reason = "it begins now, which a default does not say")]
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                multiplexed: false,
                exchanges: 0,
                host_busy: 0,
                since: Instant::now(),
                head_started: true,
                blocked: None,
                scan: HeadScan::default(),
                requests: 0,
            }),
            reset: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            evicted: Notify::new(),
        }
    }

    pub fn multiplex(&self) {
        let mut state = self.state();
        state.multiplexed = true;
        state.head_started = false;
        state.since = Instant::now();
    }

    pub fn bytes_read(&self, bytes: &[u8]) {
        let mut state = self.state();
        if state.multiplexed || bytes.is_empty() {
            return;
        }
        if state.exchanges == 0 && !state.head_started {
            state.head_started = true;
            state.since = Instant::now();
        }
        state.scan.read(bytes);
    }

    pub fn bytes_written(&self) {
        let mut state = self.state();
        let was_blocked = state.blocked.take().is_some();
        // A response may be over for hyper long before its client has read it. On an idle HTTP/2 connection the host only
        // asks whether the client is still there.
        let asks = state.multiplexed && state.exchanges == 0 && !was_blocked;
        if !state.head_started && !asks {
            state.since = Instant::now();
        }
    }

    pub fn write_blocked(&self) {
        self.state().blocked.get_or_insert_with(Instant::now);
    }

    pub fn request_started(&self) -> FramingCheck {
        let mut state = self.state();
        state.exchanges += 1;
        state.host_busy += 1;
        state.head_started = false;
        state.since = Instant::now();
        state.requests += 1;
        if state.scan.conflict() {
            FramingCheck::Conflict
        } else if !state.multiplexed && state.requests > state.scan.heads() {
            FramingCheck::Unknown
        } else {
            FramingCheck::Clear
        }
    }

    pub fn host_waits_for_client(&self) {
        let mut state = self.state();
        state.host_busy = state.host_busy.saturating_sub(1);
        state.since = Instant::now();
    }

    pub fn client_waits_for_host(&self) {
        self.state().host_busy += 1;
    }

    pub fn request_ended(&self) {
        let mut state = self.state();
        state.exchanges = state.exchanges.saturating_sub(1);
        state.since = Instant::now();
        if state.exchanges == 0 && !state.multiplexed {
            state.scan.next_request();
        }
    }

    /// Since when the connection could be closed without loss of an answer. `None` when it can't.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.exchanges == 0 && state.blocked.is_none()).then_some(state.since)
    }

    /// When the connection will be overdue if nothing happens. `None` while the host itself is working.
    pub fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let state = self.state();
        if let Some(blocked) = state.blocked {
            return Some(blocked + limits.idle_time);
        }
        match (state.host_busy, state.head_started) {
            (0, true) => Some(state.since + limits.head_time),
            (0, false) => Some(state.since + limits.idle_time),
            _ => None,
        }
    }

    /// Whether the client was still sending the request line.
    pub fn in_request_line(&self) -> bool {
        self.state().scan.in_request_line()
    }

    pub fn needs_reset(&self) -> bool {
        self.reset.load(Relaxed)
    }

    pub fn set_reset(&self, reset: bool) {
        self.reset.store(reset, Relaxed);
    }

    pub fn has_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    pub fn set_unread(&self, unread: bool) {
        self.unread.store(unread, Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic can't leave this plain data half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_overdue_by_what_it_does() {
        let limits = Limits::default();
        let activity = Activity::new();
        let due = |activity: &Activity| {
            activity.deadline(&limits).map(|at| (at - Instant::now()).as_secs_f64().round() as u64)
        };
        assert_eq!(due(&activity), Some(10), "nothing was sent");
        activity.bytes_read(b"GET / HT");
        assert_eq!(due(&activity), Some(10), "the time of the first head begins with the connection");
        activity.bytes_read(b"TP/1.1\r\n\r\n");
        assert_eq!(activity.request_started(), FramingCheck::Clear);
        assert_eq!(due(&activity), None, "the host is at work");
        activity.host_waits_for_client();
        assert_eq!(due(&activity), Some(75), "the client doesn't take its answer");
        activity.client_waits_for_host();
        activity.write_blocked();
        assert_eq!(due(&activity), Some(75), "the client doesn't read");
        activity.bytes_written();
        assert_eq!(due(&activity), None);
        activity.host_waits_for_client();
        activity.request_ended();
        assert_eq!(due(&activity), Some(75), "idle");
        activity.bytes_read(b"G");
        assert_eq!(due(&activity), Some(10), "the next head has begun");
    }

    #[test]
    fn an_idle_connection_of_http_2_isnt_kept_by_the_hosts_own_pings() {
        let activity = Activity::new();
        activity.multiplex();
        let idle = activity.idle_since();
        activity.bytes_written();
        assert_eq!(activity.idle_since(), idle);
        activity.write_blocked();
        activity.bytes_written();
        assert!(activity.idle_since() > idle, "it took the rest of an answer");
        assert_eq!(activity.request_started(), FramingCheck::Clear);
        activity.request_ended();
        assert!(activity.idle_since() > idle);
    }
}
