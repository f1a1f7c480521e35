//! A database of either kind for one test, and the data that tests begin with.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use resly_core::{
    approval::ChatClient,
    conversation::{ClientMessage, MessageStatus},
    id::{ConversationId, HostId, KeyId, MessageId, OrganizationId},
    meter::{Limits, Meter, UsageReport},
    model::{FinishReason, Role, TokenUsage},
    plan::Overrides,
    principal::{KeyKind, Scope},
    time::Timestamp,
    turn::store::{
        AcceptedTurn, BeginTurn, BeginTurnError, ConversationRef, FinishedTurn, Idempotency, NewTurn, TurnStore,
    },
};
use resly_store::{NewKey, NewOrganization, Store, StoreConfig, Successor};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::{
    forgetful::{self, Forgets},
    pooler, postgres,
};

/// Where a test's data is: it can be opened again after a store was dropped.
pub struct Backend {
    folder: tempfile::TempDir,
    url: Option<String>,
    /// The same database through a pooler, or by another way.
    pooler_url: Option<String>,
    forgets: bool,
}

/// How many sums of the journal by day and meter the days don't have.
macro_rules! missing_of_days {
    ($dimension:literal, $entries:literal) => {
        concat!(
            "SELECT COUNT(*) FROM (SELECT organization_id, meter, substr(CAST(created_at AS TEXT), 1, 10) AS day,
                    CAST(SUM(quantity) AS BIGINT) AS quantity FROM billing_events WHERE ",
            $entries,
            " GROUP BY organization_id, meter, substr(CAST(created_at AS TEXT), 1, 10)) b
             WHERE b.quantity <> (SELECT CAST(COALESCE(SUM(d.quantity), 0) AS BIGINT) FROM usage_days d
                 WHERE d.dimension = '",
            $dimension,
            "' AND d.organization_id = b.organization_id AND d.meter = b.meter
                   AND substr(CAST(d.day AS TEXT), 1, 10) = b.day)"
        )
    };
}

impl Backend {
    pub fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url: None, pooler_url: None, forgets: false }
    }

    pub async fn postgres() -> Self {
        Self { url: Some(postgres::database().await), ..Self::sqlite() }
    }

    /// A server that has `pgvector`.
    pub async fn pgvector() -> Self {
        Self { url: Some(postgres::pgvector_database().await), ..Self::sqlite() }
    }

    /// PostgreSQL behind PgBouncer, which gives each transaction another server.
    pub async fn pooled() -> Self {
        let direct = Self::postgres().await;
        Self { pooler_url: Some(pooler::url(direct.url.as_deref().unwrap()).await), ..direct }
    }

    /// PostgreSQL by a way on which statements forget the organization: see [`forgetful`].
    pub async fn forgetful(forgets: Forgets) -> Self {
        let direct = Self::postgres().await;
        let url = forgetful::url(direct.url.as_deref().unwrap(), forgets);
        Self { pooler_url: Some(url), forgets: true, ..direct }
    }

    /// Whether statements lose each condition on the organization, one that a request itself asks for as well.
    pub fn forgets(&self) -> bool {
        self.forgets
    }

    pub fn is_sqlite(&self) -> bool {
        self.url.is_none()
    }

    /// Of PostgreSQL, past a pooler.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    pub fn config(&self) -> StoreConfig {
        StoreConfig {
            database_url: self.pooler_url.clone().or_else(|| self.url.clone()),
            direct_url: self.pooler_url.as_ref().and(self.url.clone()),
            data_dir: self.folder.path().to_owned(),
            read_connections: 4,
        }
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.config()).await.unwrap()
    }

    /// A store with one organization of those limits.
    pub async fn with(&self, limits: &[(Meter, u64)]) -> (Store, OrganizationId) {
        let store = self.open().await;
        let organization = organization(&store, limits).await;
        (store, organization)
    }

    pub async fn sqlite_connection(&self) -> SqliteConnection {
        let url = format!("sqlite://{}?mode=rwc", self.folder.path().join("resly.db").display());
        SqliteConnection::connect(&url).await.unwrap()
    }

    /// Runs a statement, past the store.
    ///
    /// Here and below the connection is closed, not dropped: one of SQLite that is dropped closes later, on a thread of
    /// its own, and deletes the log beside the database while a test goes on.
    pub async fn execute(&self, sqlite_and_postgres: &'static str) {
        match &self.url {
            None => {
                let mut conn = self.sqlite_connection().await;
                sqlx::query(sqlite_and_postgres).execute(&mut conn).await.unwrap();
                conn.close().await.unwrap();
            }
            Some(url) => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                sqlx::query(sqlite_and_postgres).execute(&mut conn).await.unwrap();
                conn.close().await.unwrap();
            }
        }
    }

    /// Runs statements, past the store.
    pub async fn script(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.url {
            None => {
                let mut conn = self.sqlite_connection().await;
                conn.execute(sql).await.unwrap();
                conn.close().await.unwrap();
            }
            Some(url) => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                conn.execute(sql).await.unwrap();
                conn.close().await.unwrap();
            }
        }
    }

    /// The first column of a query's rows, past the store.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.url {
            None => {
                let mut conn = self.sqlite_connection().await;
                let texts = sqlx::query_scalar(sql).fetch_all(&mut conn).await.unwrap();
                conn.close().await.unwrap();
                texts
            }
            Some(url) => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                let texts = sqlx::query_scalar(sql).fetch_all(&mut conn).await.unwrap();
                conn.close().await.unwrap();
                texts
            }
        }
    }

    /// A number that a query gives, past the store.
    pub async fn number(&self, sqlite_and_postgres: &'static str) -> i64 {
        match &self.url {
            None => {
                let mut conn = self.sqlite_connection().await;
                let number = sqlx::query_scalar(sqlite_and_postgres).fetch_one(&mut conn).await.unwrap();
                conn.close().await.unwrap();
                number
            }
            Some(url) => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                let number = sqlx::query_scalar(sqlite_and_postgres).fetch_one(&mut conn).await.unwrap();
                conn.close().await.unwrap();
                number
            }
        }
    }

    /// What was billed, by meter; it must be what is reported as used.
    pub async fn assert_billed(&self, report: &UsageReport) {
        const BILLED: [&str; 7] = [
            "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM billing_events WHERE meter = 'messages'",
            "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM billing_events WHERE meter = 'embeddings'",
            "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM billing_events WHERE meter = 'connector_calls'",
            "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM billing_events WHERE meter = 'fuel'",
            "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM billing_events WHERE meter = 'model_input_tokens'",
            "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM billing_events WHERE meter = 'model_cached_input_tokens'",
            "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM billing_events WHERE meter = 'model_output_tokens'",
        ];
        for (meter, sql) in Meter::ALL.into_iter().zip(BILLED) {
            let billed = self.number(sql).await;
            assert_eq!(billed, i64::try_from(report.meters[&meter].used).unwrap(), "{}", meter.name());
        }
        for sql in [
            missing_of_days!("key", "quantity <> 0"),
            missing_of_days!("connection", "connection_id IS NOT NULL"),
            missing_of_days!("outside", "conversation_id IS NULL"),
        ] {
            assert_eq!(self.number(sql).await, 0, "the sums of days are those of the journal: {sql}");
        }
    }
}

/// Ids that never repeat within a run.
pub fn uuid() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    uuid::Builder::from_unix_timestamp_millis(1_790_000_000_000 + n, &[7; 10]).into_uuid()
}

/// Noon on 10 October 2026, and so many seconds more.
pub fn at(seconds: u64) -> Timestamp {
    let noon: Timestamp = "2026-10-10T12:00:00Z".parse().unwrap();
    noon.plus(Duration::from_secs(seconds))
}

pub fn limits(limits: &[(Meter, u64)]) -> Limits {
    limits.iter().copied().collect::<BTreeMap<_, _>>()
}

/// A change of these limits alone; `None` lifts one.
pub fn change_limits(limits: &[(Meter, Option<u64>)]) -> Overrides {
    Overrides { limits: limits.iter().copied().collect(), ..Overrides::default() }
}

pub async fn organization(store: &Store, of: &[(Meter, u64)]) -> OrganizationId {
    let id = OrganizationId(uuid());
    let new = NewOrganization { id, name: format!("org {id}"), limits: limits(of), now: at(0) };
    store.create_organization(new).await.unwrap();
    id
}

pub fn key(organization: OrganizationId) -> NewKey {
    NewKey {
        id: KeyId(uuid()),
        organization,
        name: "web".to_owned(),
        kind: KeyKind::Secret,
        scopes: vec![Scope::Chat, Scope::Search],
        origins: vec![],
        message_cap: None,
        visitor_message_cap: None,
        rate_limits: None,
        expires_at: None,
        secret_hash: [7; 32],
        now: at(0),
    }
}

/// What of a key is new when it takes another one's place.
pub fn successor(key: &NewKey) -> Successor {
    Successor { id: key.id, secret_hash: key.secret_hash, now: key.now }
}

pub fn user(text: &str) -> ClientMessage {
    ClientMessage { id: None, role: Role::User, text: text.to_owned() }
}

pub fn assistant(text: &str) -> ClientMessage {
    ClientMessage { id: None, role: Role::Assistant, text: text.to_owned() }
}

/// The host under test.
pub fn host() -> HostId {
    HostId(Uuid::from_u128(7))
}

/// A question in a conversation of its own, at noon, with a lease of two minutes.
pub fn question(organization: OrganizationId, key: KeyId, messages: Vec<ClientMessage>) -> NewTurn {
    NewTurn {
        host: host(),
        organization,
        key,
        key_cap: None,
        visitor_cap: None,
        conversation: ConversationRef::New,
        new_conversation: ConversationId(uuid()),
        visitor: None,
        message_ids: messages.iter().map(|_| MessageId(uuid())).collect(),
        messages,
        continues: None,
        answer: MessageId(uuid()),
        idempotency: None,
        now: at(0),
        lease_until: at(120),
    }
}

pub fn idempotency(key: &str, of: u8) -> Option<Idempotency> {
    Some(Idempotency { key: key.to_owned(), fingerprint: [of; 32] })
}

pub fn answer(organization: OrganizationId, answer: MessageId, text: &str) -> FinishedTurn {
    FinishedTurn {
        host: host(),
        organization,
        answer,
        content: text.to_owned(),
        status: MessageStatus::Complete,
        finish: Some(FinishReason::Length),
        citations: vec![],
        steps: vec![],
        usage: TokenUsage::default(),
        refund: false,
        now: at(1),
    }
}

/// A turn that failed before its first byte.
pub fn refund(organization: OrganizationId, id: MessageId) -> FinishedTurn {
    FinishedTurn { status: MessageStatus::Failed, refund: true, ..answer(organization, id, "") }
}

pub async fn accept(store: &Store, turn: NewTurn) -> AcceptedTurn {
    match store.begin_turn(turn).await.unwrap() {
        BeginTurn::Accepted(accepted) => accepted,
        BeginTurn::Replay(message) => panic!("a replay of {message:?}"),
        BeginTurn::HandedOver { notice, .. } => panic!("a person has it: {notice:?}"),
    }
}

pub async fn refusal(store: &Store, turn: NewTurn) -> BeginTurnError {
    store.begin_turn(turn).await.unwrap_err()
}

pub async fn used(store: &Store, organization: OrganizationId, meter: Meter) -> u64 {
    store.usage(organization, at(0)).await.unwrap().meters[&meter].used
}

/// The texts of a conversation, as its readers see them.
pub async fn texts(store: &Store, organization: OrganizationId, id: ConversationId) -> Vec<String> {
    let conversation = store.conversation(organization, id).await.unwrap().unwrap();
    let live = conversation.messages.into_iter().filter(|message| message.superseded_at.is_none());
    live.map(|message| message.content).collect()
}

/// Whoever holds a secret key, for a visitor.
pub fn person(organization: OrganizationId, key: KeyId, visitor: Option<&str>) -> ChatClient {
    ChatClient { organization, key, kind: KeyKind::Secret, visitor: visitor.map(str::to_owned) }
}
