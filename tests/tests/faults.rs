//! Faults under load, in a short form with a fixed seed. `make soak` runs the same scenarios in full.
//!
//! They have a program of their own, since they crowd the machine and restart PostgreSQL under whoever uses it.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use resly_tests::soak::{Database, Extent, Report, cap, disk, hung, ledger, overload, restarts, slow};
use tokio::sync::{Mutex, MutexGuard};

/// One scenario at a time.
async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

fn passed(report: anyhow::Result<Report>) {
    let report = report.unwrap_or_else(|error| panic!("{error:?}"));
    assert!(report.passed(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_on_sqlite_leave_everything_exactly_once() {
    let _alone = alone().await;
    passed(ledger::run(Database::Sqlite, Extent::SHORT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_on_postgres_leave_everything_exactly_once() {
    let _alone = alone().await;
    passed(ledger::run(Database::Postgres { hosts: 2 }, Extent::SHORT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_lets_exactly_as_many_through() {
    let _alone = alone().await;
    passed(cap::run(Extent::SHORT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_postgres_loses_no_answer() {
    let _alone = alone().await;
    passed(restarts::run(Extent::SHORT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_writes_only() {
    let _alone = alone().await;
    passed(disk::run(disk::Fault::Library, Extent::SHORT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn hung_calls_leave_others_alone() {
    let _alone = alone().await;
    passed(hung::run(Extent::SHORT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_leave_others_alone() {
    let _alone = alone().await;
    passed(slow::run(Extent::SHORT).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_refused_and_passes() {
    let _alone = alone().await;
    passed(overload::run(Extent::SHORT).await);
}
