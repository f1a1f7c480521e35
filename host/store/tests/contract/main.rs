//! The contract: what every method of the store promises, on SQLite and on PostgreSQL.
//!
//! `both!` makes three tests of one function: PostgreSQL is tested behind PgBouncer as well. It is a throw-away cluster that
//! the first test starts (`postgres.rs`, `pooler.rs`).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod backend;
mod fill;
mod forgetful;
mod pooler;
mod postgres;

mod accounts;
mod approvals;
mod audit;
mod backup;
mod billing;
mod calls;
mod calls_together;
mod catalogue;
mod component_objects;
mod concurrency;
mod connections;
mod copies;
mod crawl_runs;
mod crawls;
mod database_roles;
mod deletions;
mod full_text;
mod handover;
mod health;
mod histories;
mod hostile_logins;
mod hosts;
mod idempotency;
mod identities;
mod inbox;
mod isolation;
mod keys;
mod knowledge;
mod logs;
mod lost_connections;
mod mails;
mod members;
mod migrations;
mod organizations;
mod outcomes;
mod plans;
mod rates;
mod read_queues;
mod recovery;
mod rest;
mod retention;
mod scopes;
mod snapshots;
mod source_batches;
mod source_deletes;
mod sources;
mod state;
mod tickets;
mod time_limits;
mod tls;
mod tokens;
mod trials;
mod turns;
mod uses;
mod vault;
mod vectors;

/// Runs each function against both databases, and behind a pooler.
macro_rules! both {
    ($($(#[doc = $doc:literal])* async fn $name:ident($backend:ident: Backend) $body:block)+) => {$(
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn check($backend: Backend) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                check(Backend::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                check(Backend::postgres().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn pooled() {
                check(Backend::pooled().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn forgetful() {
                check(Backend::forgetful(crate::forgetful::Forgets::WhenBound).await).await;
            }
        }
    )+};
}
pub(crate) use both;
