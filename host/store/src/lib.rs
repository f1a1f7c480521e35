//! The store: everything that outlives a request, on SQLite or PostgreSQL.
//!
//! # How it is made
//! Each file holds one aggregate, as functions over [`sql::Conn`], a connection to either database. Each public method
//! is one atomic unit. Both databases get the same SQL text where both understand it. [`types`] has values that they
//! hold differently, and [`sql::Conn::pick`] chooses between two texts in the few places that differ. Columns that
//! several statements read are in [`columns`]. A new table needs a migration in *both* folders of `migrations/`, a file
//! here, and a test in `tests/contract`, which both databases must pass.
//!
//! - **SQLite**: WAL, `synchronous=FULL`, one writer that commits in groups ([`writer`]), a pool of readers. One process
//!   owns the folder (`resly.lock`). So whatever is unfinished when the folder is opened belongs to a dead process, and is
//!   recovered.
//! - **PostgreSQL**: one transaction for each write ([`transaction`]). Work for one organization runs under a role that sees
//!   that organization alone ([`row_scope`]). Many hosts may write at once: counts are conditional upserts, the statement
//!   that takes a conversation's next positions locks it, and leases show what a dead host left. Locks are taken in one
//!   order: an existing turn, the conversation, messages, the key's count, the organization's count.
//!
//! # The tables
//! | table | what |
//! |---|---|
//! | `plans` | what an operator sells: limits by month and by minute, features, how much is logged |
//! | `organizations` | a company: the terms of its plan with its own overrides, its subscription, the version of its knowledge |
//! | `usage`, `key_usage`, `visitor_usage` | what is counted: by month, minute and meter, by key, by a key's visitor and day |
//! | `usage_days` | the journal's sums by day, for pages and reports |
//! | `billing_events` | the journal for bills, with changes of plans and subscriptions, and thresholds that were reached |
//! | `biller_events`, `biller_subscriptions` | what the operator's biller sent, so that nothing is applied twice or too late |
//! | `api_keys` | hashes of keys. `lineage` is the first key of a chain of rotations: its caps and names go on |
//! | `people`, `sessions`, `sign_in_links`, `sign_in_attempts` | who signs in at the console, in any organization; what keeps them signed in |
//! | `members`, `invitations` | whose console a person uses, and in which role |
//! | `identity_providers`, `identities` | how an organization's people sign in with their company, and who they are there |
//! | `mails` | what is to be mailed, and for a week what became of it |
//! | `audit_log` | what members and keys changed, with before and after |
//! | `rate_windows` | requests of a key, visitor or address in this minute, over all hosts |
//! | `visitors`, `conversations`, `messages` | what was said. A message that an edited history replaced has `superseded_at` |
//! | `conversation_words` | hashes of the words of each conversation, for people who look for one; SQLite's index is `conversation_fts` |
//! | `conversation_notes`, `canned_replies` | what agents tell each other, and what they often tell visitors |
//! | `conversation_outcomes`, `outcome_days`, `outcome_progress` | what became of each conversation, its sums by day, and how far the job is |
//! | `answer_ratings`, `unanswered_questions`, `connector_call_days` | what visitors say of answers; what the knowledge didn't answer; calls by day |
//! | `hosts` | the hosts that share the database: where the others reach each, and until when it counts as running |
//! | `turns` | answers being written, by host and lease; and, for two days, what became of them, by idempotency key |
//! | `tickets`, `ticket_comments`, `workflows` | as named |
//! | `knowledge_sources`, `passages`, `passage_refresh` | what a company knows, with its vectors; PostgreSQL's own full text and where a job goes on with it |
//! | `source_documents` | files that wait to be read |
//! | `crawls`, `crawl_pages` | sites and lists whose pages and items are sources; what a run found |
//! | `connector_versions`, `components`, `component_parts`, `component_objects` | the catalogue's own connectors; uploaded code by its digest, or where it is |
//! | `publishers` | whose signatures of uploads an organization trusts |
//! | `connections`, `connector_state`, `connector_logs` | connectors installed, what they remember, what they did |
//! | `connection_accounts` | what authorizing a connection obtained, sealed: the organization's own (visitor '') and each visitor's |
//! | `oauth_flows` | authorizations that a person was sent to give and hasn't yet, for ten minutes |
//! | `deletion_requests` | whose data is being deleted on request, and the record that it was done, by a keyed hash |
//! | `approvals` | writes that a person was asked to confirm, what they said, and what came of it; kept as long as logs |
//! | `action_samples` | the last output of each action, for trying mappings on |
//! | `connection_health`, `alerts` | how each connection is and when to look again; what an admin has to hear of |
//! | `webhooks`, `webhook_deliveries` | where an organization is told of alerts; what is to be told, and what became of it |
//! | `stored_bytes` | what connectors made the host keep, by day; of it, what the log took and what it left out |
//! | `call_reservations` | calls that are counted and not yet settled; fuel that is reserved for reading documents |
//! | `vault_keys`, `host_secrets` | what the master key wraps: each organization's key; the host's own secrets, by name |

mod accounts;
mod alerts;
mod approvals;
mod attention;
mod audit;
mod backup;
mod biller;
mod billing;
mod calls;
mod canned_replies;
mod catalogue;
mod changes;
mod columns;
mod components;
mod connections;
mod conversations;
mod copy;
mod crawls;
mod database_roles;
mod deletions;
mod due;
mod error;
mod flows;
mod handover;
mod health;
mod history;
mod hosts;
mod identity_providers;
mod keys;
mod knowledge;
mod log_budget;
mod logs;
mod mails;
mod members;
mod messages;
mod notes;
mod open;
mod operation;
mod organizations;
mod origins;
mod outcomes;
mod page;
mod plans;
mod publishers;
mod purge;
mod query;
#[cfg(test)]
mod query_plans;
mod rates;
mod recover;
mod rest;
mod restore;
mod retention;
mod row_id;
mod row_scope;
mod snapshot;
mod sql;
mod state;
mod subscriptions;
mod terms;
pub mod testing;
mod thresholds;
mod tickets;
mod transaction;
mod trials;
mod turns;
mod types;
mod uploads;
mod usage;
mod usage_days;
mod vault;
mod webhooks;
mod workflows;
mod writer;

use std::sync::Arc;

use resly_core::{boxed, conversation::notice::DetectLanguage, error::StoreError, metrics::Metrics};
use sqlx::{PgPool, SqlitePool};
use tokio::sync::Mutex;

pub use self::{
    alerts::{Alert, AlertQuery},
    approvals::{ApprovalQuery, ListedApproval},
    attention::{QUESTIONS_READ, SetupState, TICKETS_READ, WaitingWork},
    audit::{AUDIT_DAYS, AuditEntry, AuditQuery},
    backup::{Backup, BackupError, POSTGRES_BACKUP, POSTGRES_RESTORE, back_up},
    biller::{BillerEvent, BillerNews, BillerOutcome},
    canned_replies::{CANNED_REPLIES_MOST, CannedReply, CannedReplyError},
    catalogue::{
        COMPILING_MOST, LEASE, MANIFESTS_MOST, NewConnectorVersion, SavedVersion, StoredConnector, UPLOADS_MOST,
        VERSIONS_MOST, VersionRemoval, VersionState,
    },
    changes::{ChangeListener, Heard},
    connections::{ConnectionChange, CredentialsExpiry},
    conversations::{
        Assigned, ConversationQuery, ConversationRecord, ConversationSummary, Handling, IndexedConversation,
        MergeError, UnindexedConversation, WordGroups,
    },
    copy::{BadPlace, ComparedTable, CopyError, CopyLimits, CopyPlace, CopyReport, Verdict, copy_store},
    crawls::{
        AddCrawlError, CRAWLS_MOST, CrawlBegin, CrawlStep, DueCrawl, FoundLink, FoundPage, KnownPage, PageKind,
        PageResult, PageSource, SITEMAPS_MOST, StepError,
    },
    database_roles::{DatabaseRoleError, DatabaseRoleName, NewDatabaseRole},
    deletions::{Deletion, DeletionQuery, DeletionState, DueDeletion, NewDeletion},
    due::Exclusions,
    flows::OauthFlow,
    handover::{AgentReply, Assignment, HandoverError},
    history::{BillingEvent, KeyUsageQuery, UsageGrouping, UsageHistoryQuery, UsageSum},
    hosts::HostLease,
    identity_providers::{IdentityProvider, IdentityProviderError, OfferedProvider},
    keys::{KeyChange, KeyChangeError, KeySummary, NewKey, StoredKey, Successor},
    knowledge::{
        BurntFuel, ChangedBy, CitingAnswer, CitingAnswers, DueSource, EnqueueError, Enqueued, FAILURES_MOST,
        FinishedRead, LanguageOf, NewDocument, PageVersion, ReadQueue, ReadResult, SourceChange, SourceMove,
        SourceQuery, SourceWrite, StoredDocument, StoredSource, WaitingLimits,
    },
    log_budget::LogDay,
    logs::{LogPage, LogQuery, LoggedCall},
    mails::{DueMail, MailAttempt, MailRecord, MailState, NewMail, Recipient},
    members::{
        AcceptError, AttemptError, AttemptLimit, BeginSessionError, IdentityError, Invitation, InviteError, LinkError,
        Member, MemberError, Membership, NewInvitation, NewPerson, NewSession, NewSignInLink, OpenInvitation,
        PersonChange, PersonError, ProvenIdentity, SessionSummary, SignInMethod, StoredPerson, StoredSession,
    },
    notes::{ConversationNote, NOTES_MOST, NoteError, TagChange},
    open::{OpenError, StoreConfig},
    organizations::{NewOrganization, Organization, OrganizationQuery},
    outcomes::{
        CallSum, CallSums, DueConversation, ListedOutcome, NewOutcome, NewQuestion, OutcomeBatch, OutcomeFilter,
        OutcomeGrouping, OutcomeQuery, OutcomeSum, OutcomeSums, OutcomeWork, QuestionGroup, StoredQuestion,
    },
    page::Cursor,
    plans::{NewPlan, PlanDefinition, PlanDefinitionError, PlanUpdate},
    publishers::{AddPublisherError, PUBLISHERS_MOST, Publisher, Trust},
    purge::DeletedRows,
    rates::{RateClaim, RateGrant},
    recover::Recovered,
    rest::{FoundRows, RestChange, RestInsert, RestRead, RestRow, RestRows, RestStoreError},
    restore::{Restored, give_to_owner, restore},
    retention::{ExpiredBatch, Retention},
    snapshot::{Snapshot, SnapshotError},
    subscriptions::{Plan, Resubscription, SubscribeError},
    tickets::{Ticket, TicketComment, TicketPage, TicketQuery, TicketRecord},
    uploads::{CompileJob, Decided, Decision},
    vault::{NewWrapping, WrappedFor},
    webhooks::{Delivery, DeliveryAttempt, DeliveryState, DueDelivery, Webhook},
};
use self::{
    calls::CallQueues,
    error::failed,
    row_scope::{BoundRole, RowScope},
    sql::row,
    writer::Writer,
};

/// The store. It is cheap to clone, because clones share everything.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    /// Connections for REST's reads: see [`rest`].
    rest: rest::RestPool,
    /// Held by the upload that writes a part of a component: see [`components`].
    parts: Arc<Mutex<()>>,
    /// How much the log may still take today: see [`log_budget`].
    log_budget: Arc<log_budget::LogBudget>,
    /// Calls that wait to begin: see [`calls`].
    calls: Arc<CallQueues>,
    read_only: bool,
    /// Finds out in which language to tell visitors something.
    language: DetectLanguage,
    /// Whether mails are stored: see [`Store::with_mails`].
    mails: bool,
}

/// Connections to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUsage {
    pub open: u32,
    pub in_use: u32,
    /// Operations that wait for SQLite's writer. PostgreSQL has none.
    pub writer_queue: usize,
}

/// The version of the database's tables: the number of the newest migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaVersion {
    pub found: i64,
    /// What this program knows.
    pub expected: i64,
}

#[derive(Clone)]
enum Backend {
    Sqlite {
        readers: SqlitePool,
        writer: Writer,
    },
    Postgres {
        pool: PgPool,
        /// Connections past a pooler, for notifications.
        direct: PgPool,
        /// Whether the server behind a connection stays the same between transactions.
        own_server: bool,
        /// For work on one organization. `None` where the login may not have it.
        bound: Option<BoundRole>,
    },
}

impl Store {
    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite { .. } => "sqlite",
            Backend::Postgres { .. } => "postgres",
        }
    }

    /// The same store, which refuses to write. Only what hosts write by themselves while nobody changes anything goes on:
    /// when keys were used, requests of this minute, and that this host runs. Copies of a store leave these out.
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// The same store, which tells visitors who answers in their language.
    pub fn detect_languages(self, language: DetectLanguage) -> Self {
        Self { language, ..self }
    }

    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Asks the database which version its tables have.
    #[boxed]
    pub async fn schema(&self) -> Result<SchemaVersion, StoreError> {
        let doing = "see which version the tables have";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = row!(db, (Option<i64>,), "SELECT MAX(version) FROM _sqlx_migrations WHERE success");
        let found = found.map_err(failed(doing))?.and_then(|(found,)| found).unwrap_or(0);
        Ok(SchemaVersion { found, expected: open::newest_schema(self.kind()) })
    }

    /// Measures what the store does itself, from now on.
    pub fn measure(&self, metrics: Metrics) {
        if let Backend::Sqlite { writer, .. } = &self.backend {
            writer.measure(metrics);
        }
    }

    /// Removes what was deleted from SQLite's log of writes. Returns false when a reader still needs the log, and true on
    /// PostgreSQL, whose vacuum and archive are the operator's.
    #[boxed]
    pub async fn empty_write_log(&self) -> Result<bool, StoreError> {
        match &self.backend {
            Backend::Sqlite { writer, .. } => {
                writer.checkpoint().await.map_err(|halt| halt.into_port_error("empty the log of writes"))
            }
            Backend::Postgres { .. } => Ok(true),
        }
    }

    /// Finishes the queued operations and closes every connection. Later operations fail as unavailable.
    #[boxed]
    pub async fn close(&self) {
        self.rest.close().await;
        match &self.backend {
            Backend::Sqlite { readers, writer } => {
                readers.close().await;
                writer.close().await;
            }
            Backend::Postgres { pool, direct, .. } => {
                direct.close().await;
                pool.close().await;
            }
        }
    }

    /// The connections of the pool that answers reads; on PostgreSQL, writes as well.
    pub fn pool_usage(&self) -> PoolUsage {
        let of = |open: u32, idle: usize, writer_queue| PoolUsage {
            open,
            in_use: open.saturating_sub(u32::try_from(idle).unwrap_or(open)),
            writer_queue,
        };
        match &self.backend {
            Backend::Sqlite { readers, writer } => of(readers.size(), readers.num_idle(), writer.queued()),
            Backend::Postgres { pool, .. } => of(pool.size(), pool.num_idle(), 0),
        }
    }
}
