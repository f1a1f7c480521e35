//! What a bound login can try against hosts, other organizations and its own end. PostgreSQL alone has such logins.

use std::{
    fmt::{Debug, Write},
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use futures::FutureExt;
use resly_core::connector::sandbox::StateStore;
use resly_store::{DatabaseRoleError, DatabaseRoleName, Heard, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, migrate::Migrate};
use tracing::{
    Event, Metadata,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::{
    backend::{Backend, at, host, organization},
    connections::connection,
    database_roles::{name, new, number, run},
};

/// A session of a login in a database, with nothing left of its guards.
async fn session(backend: &Backend, login: &DatabaseRoleName) -> Result<PgConnection, sqlx::Error> {
    let url = backend.url().unwrap().replace("resly@", &format!("{}@", login.as_str()));
    let mut session = PgConnection::connect(&url).await?;
    run(&mut session, "SET default_transaction_read_only = off").await.unwrap();
    Ok(session)
}

async fn owner(backend: &Backend) -> PgConnection {
    PgConnection::connect(backend.url().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_revoked_whatever_it_owns() {
    let backend = Backend::postgres().await;
    let (store, own) = backend.with(&[]).await;
    let login = name();
    store.grant_database_role(new(own, &login)).await.unwrap();
    let mut session = session(&backend, &login).await.unwrap();
    run(&mut session, "SELECT lo_create(0); CREATE TEMP TABLE own (a INT)").await.unwrap();
    assert_eq!(store.revoke_database_role(login.clone()).await.unwrap(), None);
    assert!(run(&mut session, "SELECT 1").await.is_err(), "its session is ended");
    assert!(self::session(&backend, &login).await.is_err());
    assert_eq!(number(&mut owner(&backend).await, "SELECT count(*) FROM pg_largeobject_metadata").await, 0);
    store.grant_database_role(new(own, &login)).await.unwrap();
    assert_eq!(store.revoke_database_role(login).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_owns_something_in_another_database_reads_nothing_any_more() {
    let (backend, elsewhere) = (Backend::postgres().await, Backend::postgres().await);
    let (store, own) = backend.with(&[]).await;
    let login = name();
    store.grant_database_role(new(own, &login)).await.unwrap();
    run(&mut session(&elsewhere, &login).await.unwrap(), "SELECT lo_create(0)").await.unwrap();
    let mut open = session(&backend, &login).await.unwrap();
    let why = store.revoke_database_role(login.clone()).await.unwrap().unwrap();
    let (_, database) = elsewhere.url().unwrap().split_once("localhost/").unwrap();
    let (database, _) = database.split_once('?').unwrap();
    assert!(why.contains(&format!("1 object in database {database}")), "{why}");
    assert!(run(&mut open, "SELECT 1").await.is_err(), "its session is ended");
    assert!(session(&backend, &login).await.is_err());
    assert!(matches!(store.grant_database_role(new(own, &login)).await, Err(DatabaseRoleError::Taken)));
    let role = login.as_str();
    run(&mut owner(&elsewhere).await, &format!("DROP OWNED BY {role}")).await.unwrap();
    run(&mut owner(&backend).await, &format!("DROP ROLE {role}")).await.unwrap();
}

/// As after a restored dump in another cluster, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_whose_role_is_gone_can_be_revoked_and_granted() {
    let backend = Backend::postgres().await;
    let (store, own) = backend.with(&[]).await;
    let login = name();
    let drop = format!("DROP OWNED BY {0}; DROP ROLE {0}", login.as_str());
    store.grant_database_role(new(own, &login)).await.unwrap();
    backend.script(&drop).await;
    let other = organization(&store, &[]).await;
    store.grant_database_role(new(other, &login)).await.unwrap();
    assert_eq!(backend.texts("SELECT organization_id::text FROM database_roles").await, [other.to_string()]);
    backend.script(&drop).await;
    assert_eq!(store.revoke_database_role(login.clone()).await.unwrap(), None);
    assert!(matches!(store.revoke_database_role(login).await, Err(DatabaseRoleError::Missing)));
}

/// The columns with texts of which the planner keeps statistics. None is written by a customer.
const COUNTED: [&str; 29] = [
    "billing_events.kind",
    "billing_events.meter",
    "connector_logs.action",
    "connector_logs.caller",
    "connector_logs.connector",
    "connector_logs.environment",
    "connector_logs.reason",
    "connector_logs.status",
    "connector_logs.version",
    "conversation_outcomes.day",
    "conversation_outcomes.language",
    "conversation_outcomes.outcome",
    "conversations.handed_over_by",
    "conversations.state",
    "knowledge_sources.content_type",
    "knowledge_sources.embedder",
    "knowledge_sources.failure_kind",
    "knowledge_sources.kind",
    "knowledge_sources.status",
    "messages.finish_reason",
    "messages.role",
    "messages.status",
    "passages.embedder",
    "passages.language",
    "passages.search",
    "tickets.priority",
    "tickets.status",
    "usage.environment",
    "usage.meter",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_planner_expects_tells_nothing_of_other_organizations_texts() {
    let backend = Backend::postgres().await;
    let (store, own) = backend.with(&[]).await;
    let other = organization(&store, &[]).await;
    let login = name();
    store.grant_database_role(new(own, &login)).await.unwrap();
    let fill = format!(
        "ALTER TABLE tickets ALTER subject SET STATISTICS -1;
         INSERT INTO tickets (id, organization_id, subject, body, status, created_at, updated_at)
         SELECT gen_random_uuid(), '{other}', CASE WHEN n < 100 THEN 'secret' ELSE 's' || n END, 'b', 'open', now(), now()
         FROM generate_series(1, 500) n;
         ANALYZE tickets; DELETE FROM _sqlx_migrations WHERE version = 45"
    );
    let mut session = session(&backend, &login).await.unwrap();
    let mut expected = async |subject: &str| {
        let explain = format!("EXPLAIN SELECT 1 FROM tickets WHERE subject = '{subject}'");
        let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&mut session).await.unwrap();
        lines.join("\n").replace(subject, "")
    };
    backend.script(&fill).await;
    assert_ne!(expected("secret").await, expected("nonsense").await, "of an earlier version's tables");
    backend.open().await.close().await;
    assert_eq!(expected("secret").await, expected("nonsense").await);
    backend.script("ANALYZE").await;
    assert_eq!(expected("secret").await, expected("nonsense").await);

    let counted = format!(
        "SELECT relname || '.' || attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
         WHERE relkind = 'r' AND has_table_privilege('{}', attrelid, 'SELECT') AND relnamespace = 'public'::regnamespace
           AND atttypid::regtype::text IN ('text', 'text[]', 'jsonb', 'bytea', 'tsvector')
           AND attnum > 0 AND COALESCE(attstattarget, -1) <> 0
         ORDER BY 1",
        login.as_str()
    );
    assert_eq!(
        backend.texts(&counted).await,
        COUNTED,
        "a column that a customer writes has `SET STATISTICS 0`: see migration 45"
    );
    store.revoke_database_role(login).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lock_that_a_login_may_take_keeps_hosts_waiting() {
    let backend = Backend::postgres().await;
    let (store, own) = backend.with(&[]).await;
    let login = name();
    store.grant_database_role(new(own, &login)).await.unwrap();
    let of = connection(own);
    store.create_connection(of.clone(), None).await.unwrap();
    let mut session = session(&backend, &login).await.unwrap();
    // Those that hosts of earlier versions take.
    session.lock().await.unwrap();
    let calls = format!("SELECT pg_advisory_lock(hashtextextended('{}:crm', 0))", of.id);
    for lock in ["SELECT pg_advisory_lock(7310573028190544)", &calls] {
        run(&mut session, lock).await.unwrap();
    }
    for mode in ["SHARE UPDATE EXCLUSIVE", "ACCESS SHARE"] {
        let lock = format!("BEGIN; LOCK TABLE _sqlx_migrations IN {mode} MODE");
        assert!(run(&mut session, &lock).await.is_err(), "{mode}");
        run(&mut session, "ROLLBACK").await.unwrap();
    }
    store.set_state(own, of.id, "crm", "k", b"v", at(10), at(0)).await.unwrap();
    backend.open().await.close().await;
    store.revoke_database_role(login).await.unwrap();
}

/// Keeps what the store logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        write!(self.0.lock().unwrap(), "{value:?}").unwrap();
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("resly_store")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_host_that_waits_for_another_session_tells_for_which() {
    let backend = Backend::postgres().await;
    backend.open().await.close().await;
    let mut other = owner(&backend).await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut other).await.unwrap();
    other.execute("BEGIN; LOCK TABLE _sqlx_migrations IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let config = backend.config();
    let mut opening = pin!(Store::open(&config));
    let line = poll_fn(|context| {
        assert!(opening.as_mut().poll(context).is_pending(), "it has to wait");
        let line = log.0.lock().unwrap();
        if line.is_empty() { Poll::Pending } else { Poll::Ready(line.clone()) }
    });
    let line = line.await;
    assert!(line.contains(&format!("session {pid} of the login `resly`")), "{line}");
    other.execute("ROLLBACK").await.unwrap();
    opening.await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_any_login_says_makes_a_host_forget_once() {
    let backend = Backend::postgres().await;
    let (store, own) = backend.with(&[]).await;
    let login = name();
    store.grant_database_role(new(own, &login)).await.unwrap();
    let mut listener = store.listen(host()).await.unwrap().unwrap();
    let mut session = session(&backend, &login).await.unwrap();
    for payload in ["'no host ' || n", "gen_random_uuid()::text"] {
        // The server sends as many in one packet.
        let notify = format!("SELECT pg_notify('resly_changes', {payload}) FROM generate_series(1, 100) n");
        run(&mut session, &notify).await.unwrap();
    }
    assert_eq!(listener.heard().await.unwrap(), Heard::Change);
    assert!(listener.heard().now_or_never().is_none(), "all of it is one change");
    drop(listener);
    store.revoke_database_role(login).await.unwrap();
}
