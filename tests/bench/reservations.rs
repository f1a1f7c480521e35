//! Calls of one organization that are reserved as fast as a store takes them: all change the same rows of its usage.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use resly_core::{
    connector::{call::ConnectionStore, connection::Environment},
    id::{CallId, OrganizationId},
    meter::Meter,
    time::{Clock, SystemClock},
};
use resly_store::{NewOrganization, Store, StoreConfig};
use resly_tests::postgres;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{median, table::Table};

const ROUNDS: usize = 3;
const STRETCH: Duration = Duration::from_secs(3);
/// Calls that begin at the same time.
const AT_ONCE: usize = 64;
const FUEL: u64 = 1000;
const ORGANIZATION: OrganizationId = OrganizationId(Uuid::from_u128(0xb));

pub async fn run(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (name, url) in [("SQLite", None), ("PostgreSQL", Some(postgres::database().await))] {
        let config = StoreConfig {
            database_url: url,
            direct_url: None,
            data_dir: folder.path().to_owned(),
            read_connections: 4,
        };
        let store = Store::open(&config).await?;
        let limits = [(Meter::ConnectorCalls, u64::from(u32::MAX)), (Meter::Fuel, u64::MAX >> 2)].into();
        let new = NewOrganization { id: ORGANIZATION, name: "bench".to_owned(), limits, now: SystemClock.now() };
        store.create_organization(new).await?;
        let mut rates = Vec::new();
        let ids = Arc::new(AtomicU64::new(1));
        for _ in 0..ROUNDS {
            rates.push(rate(&store, &ids).await?);
        }
        table.row(
            &format!("reservations on {name}"),
            &format!("one organization, {AT_ONCE} at once"),
            format!("{:.0} reserved/s", median(&mut rates)),
        );
        store.close().await;
    }
    Ok(())
}

/// Reservations a second. None is settled, so each adds to what is reserved.
async fn rate(store: &Store, ids: &Arc<AtomicU64>) -> Result<f64> {
    let before = ids.load(Ordering::Relaxed);
    let started = Instant::now();
    let end = started + STRETCH;
    try_join_all((0..AT_ONCE).map(|_| {
        let (store, ids) = (store.clone(), Arc::clone(ids));
        async move {
            while Instant::now() < end {
                let id = CallId(Uuid::from_u128(u128::from(ids.fetch_add(1, Ordering::Relaxed))));
                let now = SystemClock.now();
                let until = now.plus(Duration::from_secs(60));
                store.begin_call(id, ORGANIZATION, Environment::Production, FUEL, now, until).await?;
            }
            anyhow::Ok(())
        }
    }))
    .await?;
    let reserved = ids.load(Ordering::Relaxed) - before;
    ensure!(reserved > 0, "nothing was reserved");
    Ok(reserved as f64 / started.elapsed().as_secs_f64())
}
