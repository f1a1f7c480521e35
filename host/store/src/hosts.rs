//! The hosts that share the database. Each one renews its row while it runs, so the others know where it is and whether it
//! still runs.

use resly_core::{boxed, error::StoreError, id::HostId, time::Timestamp};

use crate::{
    RowScope, Store,
    sql::execute,
    types::{Id, Time},
};

/// How long the row of a host that gave no sign of life is kept, for people who look for it.
const KEPT_MICROS: i64 = 3600 * 1_000_000;

/// A host's sign of life.
#[derive(Clone, Debug)]
pub struct HostLease {
    pub id: HostId,
    /// Where the other hosts reach it, such as `http://10.0.0.5:8080`. `None` when it has no such address.
    pub url: Option<String>,
    /// The host's version.
    pub version: &'static str,
    pub now: Timestamp,
    /// When the others may count it as gone, unless it renews its row.
    pub lease_until: Timestamp,
}

impl Store {
    /// Adds the host's row or renews it, and deletes rows of hosts that are long gone.
    #[boxed]
    pub async fn renew_host(&self, host: HostLease) -> Result<(), StoreError> {
        self.write_passing(RowScope::Host, "renew this host's lease", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "INSERT INTO hosts (id, url, version, started_at, lease_until) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (id) DO UPDATE SET url = excluded.url, lease_until = excluded.lease_until",
                    Id(host.id.0),
                    host.url.as_deref(),
                    host.version,
                    Time(host.now),
                    Time(host.lease_until)
                )?;
                let long_ago = Timestamp::from_micros(host.now.micros().saturating_sub(KEPT_MICROS));
                execute!(db, "DELETE FROM hosts WHERE lease_until < $1", Time(long_ago))?;
                Ok(())
            })
        })
        .await
    }

    /// Deletes the host's row, because the host has ended.
    #[boxed]
    pub async fn remove_host(&self, id: HostId) -> Result<(), StoreError> {
        self.write_passing(RowScope::Host, "remove this host", move |mut db| {
            Box::pin(async move { Ok(execute!(db, "DELETE FROM hosts WHERE id = $1", Id(id.0)).map(drop)?) })
        })
        .await
    }
}
