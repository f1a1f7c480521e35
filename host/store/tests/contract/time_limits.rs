//! What bounds a statement of the host's own on PostgreSQL.

use std::{pin::pin, time::Instant};

use resly_core::error::StoreError;
use resly_store::{Store, StoreConfig, SubscribeError};
use sqlx::{Connection, Executor, PgConnection};

use crate::backend::{Backend, at, change_limits, organization};

/// Tells in a table which bounds the session has that makes an organization.
const SPY: &str = "CREATE TABLE spied (bounds TEXT);
    CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO spied SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('statement_timeout'),
            current_setting('idle_in_transaction_session_timeout'));
        RETURN NEW;
    END $$;
    CREATE TRIGGER spy BEFORE INSERT ON organizations FOR EACH ROW EXECUTE FUNCTION spy()";

fn with_options(backend: &Backend, options: &str) -> StoreConfig {
    let config = backend.config();
    let url = config.database_url.as_deref().unwrap();
    StoreConfig { database_url: Some(format!("{url}&options={options}")), ..config }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_the_host_has_bounds_unless_somebody_set_others() {
    let backend = Backend::postgres().await;
    backend.open().await.close().await;
    backend.script(SPY).await;
    let store = backend.open().await;
    organization(&store, &[]).await;
    store.close().await;
    let store = Store::open(&with_options(&backend, "-c%20lock_timeout%3D3s")).await.unwrap();
    organization(&store, &[]).await;
    store.close().await;
    // The database's own settings are for sessions that come after them.
    let name = backend.texts("SELECT current_database()::text").await;
    backend.script(&format!("ALTER DATABASE {} SET statement_timeout = '7s'", name[0])).await;
    let store = backend.open().await;
    organization(&store, &[]).await;
    store.close().await;
    assert_eq!(backend.texts("SELECT bounds FROM spied").await, ["10s 1min 1min", "3s 1min 1min", "10s 7s 1min"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_somebody_holds_ends_in_an_error_that_passes() {
    let backend = Backend::postgres().await;
    let store = Store::open(&with_options(&backend, "-c%20lock_timeout%3D100ms")).await.unwrap();
    let org = organization(&store, &[]).await;
    let mut other = PgConnection::connect(backend.url().unwrap()).await.unwrap();
    other.execute("BEGIN; LOCK TABLE organizations").await.unwrap();
    let started = Instant::now();
    let refused = store.change_plan(org, change_limits(&[]), at(0)).await.unwrap_err();
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    assert!(matches!(refused, SubscribeError::Store(StoreError::Unavailable { .. })), "{refused}");
    other.execute("ROLLBACK").await.unwrap();
    store.change_plan(org, change_limits(&[]), at(0)).await.unwrap();
}

/// A host that starts waits for another one's migrations, whatever bounds its login has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_waits_for_migrations_longer_than_for_a_lock() {
    let backend = Backend::postgres().await;
    backend.open().await.close().await;
    let name = backend.texts("SELECT current_database()::text").await;
    backend.script(&format!("ALTER DATABASE {} SET lock_timeout = '1ms'", name[0])).await;
    let mut other = PgConnection::connect(backend.url().unwrap()).await.unwrap();
    other.execute("BEGIN; LOCK TABLE _sqlx_migrations IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
    let config = backend.config();
    let mut opening = pin!(Store::open(&config));
    // It waits once the server says so.
    let waits = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'relation' AND NOT granted
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    loop {
        tokio::select! {
            opened = &mut opening => panic!("it has to wait: {:?}", opened.err()),
            waiting = backend.number(waits) => if waiting > 0 { break },
        }
    }
    other.execute("ROLLBACK").await.unwrap();
    opening.await.unwrap().close().await;
}
