//! Fills one organization with what its pages show, by statements that make thousands of rows each.

use anyhow::Result;
use resly_core::{
    id::OrganizationId,
    time::{Clock, SystemClock, Timestamp},
};

use super::{
    inbox, journal,
    sql::{Spread, Sql, at, both, bytes, fixed, insert, insert_where, json, when},
};
use crate::grow::Bare;

/// How much an organization has.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub conversations: u64,
    pub calls: u64,
    pub connections: u64,
    pub keys: u64,
    pub sources: u64,
    pub members: u64,
    pub changes: u64,
}

impl Size {
    /// The organization whose pages are asked for.
    pub fn large(divisor: u64) -> Self {
        Self {
            conversations: 100_000 / divisor,
            calls: 1_000_000 / divisor,
            connections: 500,
            keys: 200,
            sources: 2000,
            members: 200,
            changes: 20_000,
        }
    }

    /// One beside it.
    pub fn small() -> Self {
        Self { conversations: 300, calls: 3000, connections: 6, keys: 4, sources: 20, members: 5, changes: 100 }
    }
}

/// An organization that is filled.
pub struct Filling {
    pub organization: OrganizationId,
    pub size: Size,
    pub now: Timestamp,
    /// It makes the ids of two organizations differ.
    kinds: u32,
}

impl Filling {
    pub fn new(nth: u32, organization: OrganizationId, size: Size) -> Self {
        Self { organization, size, now: SystemClock.now(), kinds: nth * 100 }
    }

    pub fn spread(&self, days: u64, count: u64) -> Spread {
        Spread::new(self.now, days, count)
    }

    pub fn own(&self) -> (&'static str, Sql) {
        ("organization_id", fixed(self.organization.0))
    }

    pub fn kind(&self, kind: u32) -> u32 {
        self.kinds + kind
    }

    pub fn key(&self, number: &str) -> Sql {
        self.spread(300, self.size.keys).id(self.kind(1), number)
    }

    pub fn connection(&self, number: &str) -> Sql {
        self.spread(300, self.size.connections).id(self.kind(2), number)
    }

    pub fn person(&self, number: &str) -> Sql {
        self.spread(300, self.size.members).id(self.kind(3), number)
    }

    pub fn conversation(&self, number: &str) -> Sql {
        self.spread(90, self.size.conversations).id(self.kind(4), number)
    }

    /// Inserts everything.
    pub async fn insert(&self, bare: &mut Bare) -> Result<()> {
        self.keys(bare).await?;
        self.connections(bare).await?;
        self.alerts(bare).await?;
        self.members(bare).await?;
        self.audit(bare).await?;
        self.sources(bare).await?;
        self.webhook(bare).await?;
        inbox::insert_inbox(self, bare).await?;
        journal::insert_journal(self, bare).await
    }

    async fn keys(&self, bare: &mut Bare) -> Result<()> {
        let spread = self.spread(300, self.size.keys);
        let origins = "CASE WHEN i % 4 = 0 THEN '[\"https://shop-' || i || '.example\"]' ELSE '[]' END";
        let columns = [
            ("id", self.key("i")),
            self.own(),
            ("lineage", self.key("i")),
            ("name", both("'Key of team ' || i")),
            ("kind", both("CASE WHEN i % 4 = 0 THEN 'publishable' ELSE 'secret' END")),
            ("scopes", json("'[\"chat\", \"search\"]'")),
            ("origins", json(origins)),
            ("message_cap", when("i % 10 = 0", both("100000"))),
            ("secret_hash", bytes("i")),
            ("created_at", spread.at("i")),
            ("last_used_at", when("i % 3 = 0", spread.at(&format!("{}", self.size.keys)))),
        ];
        insert(bare, "api_keys", self.size.keys, &columns).await
    }

    async fn connections(&self, bare: &mut Bare) -> Result<()> {
        let spread = self.spread(300, self.size.connections);
        let connector = "CASE i % 3 WHEN 0 THEN 'shopify' WHEN 1 THEN 'stripe' ELSE 'gmail' END";
        let version = "CASE i % 3 WHEN 0 THEN '1.1.0' ELSE '1.0.0' END";
        let status =
            "CASE i % 10 WHEN 0 THEN 'needs_auth' WHEN 1 THEN 'disabled' WHEN 2 THEN 'installed' ELSE 'enabled' END";
        let columns = [
            ("id", self.connection("i")),
            self.own(),
            ("connector", both(connector)),
            ("version", both(version)),
            ("name", both("'Store of country ' || i")),
            ("environment", both("CASE WHEN i % 5 = 4 THEN 'sandbox' ELSE 'production' END")),
            ("status", both(status)),
            ("settings", json("CASE WHEN i % 3 = 0 THEN '{\"shop\": \"acme-' || i || '\"}' ELSE '{}' END")),
            ("policy", json("'{}'")),
            ("mappings", json("'{}'")),
            ("revision", both("1")),
            ("wanted", both("i % 10 > 2")),
            ("created_at", spread.at("i")),
            ("updated_at", spread.at("i")),
        ];
        insert(bare, "connections", self.size.connections, &columns).await?;
        let state = "CASE i % 10 WHEN 0 THEN 'needs_auth' WHEN 3 THEN 'failing' ELSE 'healthy' END";
        let columns = [
            ("id", self.connection("i")),
            self.own(),
            ("state", both(state)),
            ("reason", when("i % 10 IN (0, 3)", both("CASE WHEN i % 10 = 0 THEN 'needs_auth' ELSE 'upstream' END"))),
            ("message", when("i % 10 IN (0, 3)", both("'the service answered 503 Service Unavailable'"))),
            ("since", spread.at("i")),
            ("checked_at", at(self.now)),
            // Nothing is dialled while pages are measured.
            ("next_check_at", both("'2099-01-01T00:00:00.000000Z'").cast("timestamptz")),
            ("failures", both("CASE WHEN i % 10 = 3 THEN 7 ELSE 0 END")),
            ("created_at", spread.at("i")),
        ];
        insert_where(bare, "connection_health", self.size.connections, &columns, "i % 5 <> 4").await
    }

    async fn alerts(&self, bare: &mut Bare) -> Result<()> {
        let count = self.size.connections;
        let spread = self.spread(30, count);
        for (kind, state, those) in [(11, "open", "i % 10 IN (0, 3)"), (12, "resolved", "TRUE")] {
            let ended = if state == "resolved" { spread.at("i") } else { both("NULL").cast("timestamptz") };
            let columns = [
                ("id", spread.id(self.kind(kind), "i")),
                self.own(),
                ("connection_id", self.connection("i")),
                ("kind", both("CASE WHEN i % 10 = 0 THEN 'needs_auth' ELSE 'connection_failing' END")),
                ("severity", both("'critical'")),
                ("cause", both(format!("'{state} ' || i"))),
                ("state", both(format!("'{state}'"))),
                ("title", both("'Store of country ' || i || ' has failed three times in a row'")),
                ("message", both("'the service answered 503 Service Unavailable'")),
                ("reason", both("'upstream'")),
                ("created_at", spread.at("i")),
                ("resolved_at", ended),
            ];
            insert_where(bare, "alerts", count, &columns, those).await?;
        }
        Ok(())
    }

    async fn members(&self, bare: &mut Bare) -> Result<()> {
        let count = self.size.members;
        let spread = self.spread(300, count);
        let email = |name: &str| both(format!("'{name}-' || i || '-of-{}@example.com'", self.kinds));
        let columns = [
            ("id", self.person("i")),
            ("name", both("'Member Number ' || i")),
            ("email", email("member")),
            ("created_at", spread.at("i")),
        ];
        insert(bare, "people", count, &columns).await?;
        let role = "CASE WHEN i % 20 = 0 THEN 'admin' WHEN i % 2 = 0 THEN 'agent' ELSE 'viewer' END";
        let columns = [
            ("id", spread.id(self.kind(13), "i")),
            self.own(),
            ("person_id", self.person("i")),
            ("role", both(role)),
            ("created_at", spread.at("i")),
        ];
        insert(bare, "members", count, &columns).await?;
        let columns = [
            ("id", spread.id(self.kind(14), "i")),
            self.own(),
            ("email", email("invited")),
            ("role", both("'agent'")),
            ("token_hash", bytes(&format!("i + {}", self.kinds * 1_000_000))),
            ("invited_by", both("'Member Number 1'")),
            ("created_at", at(self.now)),
            ("expires_at", both("'2099-01-01T00:00:00.000000Z'").cast("timestamptz")),
        ];
        insert(bare, "invitations", count.min(30), &columns).await
    }

    async fn audit(&self, bare: &mut Bare) -> Result<()> {
        let spread = self.spread(200, self.size.changes);
        let kind = "CASE i % 4 WHEN 0 THEN 'key' WHEN 1 THEN 'connection' WHEN 2 THEN 'member' ELSE 'workflow' END";
        let who = format!("i % {}", self.size.members);
        let columns = [
            ("id", spread.id(self.kind(15), "i")),
            self.own(),
            ("created_at", spread.at("i")),
            ("actor_kind", both("'member'")),
            ("actor_id", self.person(&who)),
            ("actor_name", both(format!("'Member Number ' || ({who})"))),
            ("action", both(format!("{kind} || CASE WHEN i % 8 < 4 THEN '.change' ELSE '.create' END"))),
            ("subject_kind", both(kind)),
            ("subject_id", both("'subject-' || (i % 700)")),
            ("subject_name", both("'Name of subject ' || (i % 700)")),
            ("before", when("i % 8 < 4", json("'{\"name\": \"as it was\", \"message_cap\": 1000}'"))),
            ("after", json("'{\"name\": \"as it is\", \"message_cap\": 2000}'")),
        ];
        insert(bare, "audit_log", self.size.changes, &columns).await
    }

    async fn sources(&self, bare: &mut Bare) -> Result<()> {
        let spread = self.spread(200, self.size.sources);
        let id = spread.id(self.kind(16), "i");
        let text = "substr(replace(printf('%0300d', i), '0', 'Orders are sent on the day. '), 1, 4000)";
        let text = Sql([text.to_owned(), "repeat('Orders are sent on the day. ', 140)".to_owned()]);
        let columns = [
            ("id", id.clone()),
            self.own(),
            ("title", both("'How orders are sent, part ' || i")),
            ("url", both("'https://help.example.com/orders/' || i")),
            ("identity", both("'url:https://help.example.com/orders/' || i")),
            ("content_type", both("'text/html'")),
            ("kind", both("'page'")),
            ("status", both("CASE WHEN i % 50 = 0 THEN 'failed' ELSE 'ready' END")),
            ("failure_kind", when("i % 50 = 0", both("'unreachable'"))),
            ("failure_message", when("i % 50 = 0", both("'the site answered 500 Internal Server Error'"))),
            ("text", text),
            ("embedder", both("'builtin'")),
            ("chunks", both("0")),
            ("revision", id),
            ("created_at", spread.at("i")),
            ("updated_at", spread.at("i")),
        ];
        insert(bare, "knowledge_sources", self.size.sources, &columns).await?;
        let crawl = self.spread(100, 3).id(self.kind(17), "i");
        let settings = r#"'{"depth": 2, "most_pages": 5000, "most_bytes": 1000000, "include": [], "exclude": [], "sitemap": null, "refresh_every_s": null}'"#;
        let columns = [
            ("id", crawl),
            self.own(),
            ("url", both("'https://site-' || i || '.example.com/'")),
            ("settings", json(settings)),
            ("status", both("'done'")),
            ("run", both("1")),
            ("found", both("500")),
            ("created_at", at(self.now)),
            ("started_at", at(self.now)),
            ("ended_at", at(self.now)),
        ];
        insert(bare, "crawls", 3, &columns).await?;
        let columns = [
            ("crawl_id", self.spread(100, 3).id(self.kind(17), "i % 3")),
            self.own(),
            ("kind", both("'page'")),
            ("url", both("'https://site.example.com/page/' || i")),
            ("depth", both("1")),
            ("run", both("1")),
            ("state", both("CASE WHEN i % 2 = 0 THEN 'ready' ELSE 'skipped' END")),
            ("reason", when("i % 2 = 1", both("'the site asks that it isn''t indexed'"))),
        ];
        insert(bare, "crawl_pages", 1500, &columns).await
    }

    async fn webhook(&self, bare: &mut Bare) -> Result<()> {
        let spread = self.spread(20, 2000);
        let columns = [
            ("id", spread.id(self.kind(18), "i")),
            self.own(),
            ("event", both("'connection.failing'")),
            ("payload", both("'{\"type\": \"connection.failing\"}'")),
            ("state", both("CASE WHEN i % 20 = 0 THEN 'failed' ELSE 'delivered' END")),
            ("tries", both("1")),
            ("next_try_at", spread.at("i")),
            ("last_status", both("CASE WHEN i % 20 = 0 THEN 500 ELSE 200 END")),
            ("created_at", spread.at("i")),
            ("ended_at", spread.at("i")),
        ];
        insert(bare, "webhook_deliveries", 2000, &columns).await?;
        let spread = self.spread(100, 300);
        let columns = [
            ("id", spread.id(self.kind(19), "i")),
            self.own(),
            ("key_id", self.key("0")),
            ("visitor_hash", bytes("i")),
            ("state", both("'done'")),
            ("conversations", both("3")),
            ("messages", both("12")),
            ("lease_until", spread.at("i")),
            ("created_at", spread.at("i")),
            ("completed_at", spread.at("i")),
        ];
        insert(bare, "deletion_requests", 300, &columns).await
    }
}
