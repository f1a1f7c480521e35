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
        for _ in 0..ROUNDS {
            rates.push(rate(&store).await?);
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
async fn rate(store: &Store) -> Result<f64> {
    let reserved = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let end = started + STRETCH;
    try_join_all((0..AT_ONCE).map(|_| {
        let (store, reserved) = (store.clone(), Arc::clone(&reserved));
        async move {
            while Instant::now() < end {
                let id = CallId(Uuid::now_v7());
                let now = SystemClock.now();
                let until = now.plus(Duration::from_secs(60));
                store.begin_call(id, ORGANIZATION, Environment::Production, FUEL, now, until).await?;
                reserved.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        }
    }))
    .await?;
    let reserved = reserved.load(Ordering::Relaxed);
    ensure!(reserved > 0, "nothing was reserved");
    Ok(reserved as f64 / started.elapsed().as_secs_f64())
}
