//! The hosts that share a database. Each one tells the others where it is ([`renew`]), and each can follow and cancel the
//! answers that the others write ([`follow`]), answers in the place of one that is gone ([`takeover`]), and hears when they
//! change something ([`changes`]).
//!
//! The row of a turn names the host that writes it. Any other host asks that host for the turn's events, over HTTP, with
//! requests that both can sign ([`signature`]). When the writer can't be reached, the row tells how the answer ended.

pub mod changes;
mod client;
pub mod follow;
pub mod signature;
pub mod takeover;

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use resly_core::{
    boxed,
    error::StoreError,
    id::{HostId, MessageId, OrganizationId},
    time::{Clock, Random},
};
use resly_store::{HostLease, Store};

use self::signature::{HostKey, Signature, SignatureVerifier};

/// How often a host renews its row.
pub const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long a host counts as running after it last renewed its row. It is several periods, so that a slow database makes no
/// host look dead.
pub const LEASE: Duration = Duration::from_secs(5);
/// The first part of the paths that only other hosts ask for.
const ROOT: &str = "/internal";

/// This host, as the other hosts of its database know it.
pub struct Cluster {
    pub id: HostId,
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Where the others reach this host. Unset until the host listens; `None` when there is no such address.
    url: OnceLock<Option<String>>,
    /// `None` when the database has no other hosts.
    verifier: Option<SignatureVerifier>,
    client: reqwest::Client,
}

/// Why the client for requests to other hosts can't be built.
#[derive(Debug, thiserror::Error)]
#[error("the client for requests to other hosts can't be built: {0}")]
pub struct ClusterError(#[from] reqwest::Error);

impl Cluster {
    /// `url` is the configured address for the other hosts. `key` is what all of them sign with; without it, this host
    /// has its database for itself.
    pub fn new(
        store: Store,
        key: Option<HostKey>,
        url: Option<String>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, ClusterError> {
        Ok(Self {
            id: HostId(random.uuid(clock.now())),
            store,
            clock,
            random,
            url: url.map_or_else(OnceLock::new, |url| Some(url).into()),
            verifier: key.map(SignatureVerifier::new),
            client: client::build()?,
        })
    }

    /// Sets where the others reach this host, unless that was configured. `None` when there is no such address.
    pub fn listening_on(&self, url: Option<String>) {
        let url = self.url.get_or_init(|| url);
        if self.store.is_shared() && url.is_none() {
            tracing::warn!(
                "the other hosts of this database can't reach this one, because it listens on all addresses: they can't \
                 stream the answers that it writes; set RESLY_INTERNAL_URL"
            );
        }
    }

    /// Tells the other hosts that this one runs.
    #[boxed]
    pub async fn renew(&self) -> Result<(), StoreError> {
        if !self.store.is_shared() {
            return Ok(());
        }
        let now = self.clock.now();
        let url = self.url.get().cloned().flatten();
        let version = env!("CARGO_PKG_VERSION");
        self.store.renew_host(HostLease { id: self.id, url, version, now, lease_until: now.plus(LEASE) }).await
    }

    /// Tells the other hosts that this one has ended.
    #[boxed]
    pub async fn leave(&self) {
        if !self.store.is_shared() {
            return;
        }
        if let Err(error) = self.store.remove_host(self.id).await {
            tracing::warn!(%error, "this host's row could not be deleted: the others find out when its lease is over");
        }
    }

    /// The turn that a request of another host is about. `None` unless the request is signed by a host of this database,
    /// now, for the first time, and means this host.
    pub fn accept(&self, method: &str, path: &str, signature: Option<&str>) -> Option<TurnAddress> {
        let signature: Signature = signature?.parse().ok()?;
        if !self.verifier.as_ref()?.verify(&signature, method, path, self.clock.now()) {
            return None;
        }
        let turn: TurnAddress = path.parse().ok()?;
        (turn.host == self.id).then_some(turn)
    }
}

/// A turn of one host: what requests between hosts are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnAddress {
    pub host: HostId,
    pub organization: OrganizationId,
    pub answer: MessageId,
}

/// The path under which the host has the turn.
impl fmt::Display for TurnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, organization, answer } = self;
        write!(f, "{ROOT}/hosts/{host}/organizations/{organization}/turns/{answer}")
    }
}

/// The text is no path of a turn.
#[derive(Debug, thiserror::Error)]
#[error("it is no path of a turn")]
pub struct NoTurnAddress;

impl FromStr for TurnAddress {
    type Err = NoTurnAddress;

    fn from_str(path: &str) -> Result<Self, NoTurnAddress> {
        let parts: Vec<&str> = path.strip_prefix(ROOT).ok_or(NoTurnAddress)?.split('/').collect();
        let ["", "hosts", host, "organizations", organization, "turns", answer] = parts[..] else {
            return Err(NoTurnAddress);
        };
        Ok(Self {
            host: host.parse().map_err(|_| NoTurnAddress)?,
            organization: organization.parse().map_err(|_| NoTurnAddress)?,
            answer: answer.parse().map_err(|_| NoTurnAddress)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_turns_path_is_read_back() {
        let id = Uuid::from_u128;
        let turn = TurnAddress { host: HostId(id(1)), organization: OrganizationId(id(2)), answer: MessageId(id(3)) };
        let path = turn.to_string();
        assert_eq!(path.parse::<TurnAddress>().unwrap(), turn);
        for wrong in [path.trim_start_matches('/'), &format!("{path}/"), &path[..path.len() - 1], "/internal", ""] {
            assert!(wrong.parse::<TurnAddress>().is_err(), "{wrong}");
        }
    }
}
