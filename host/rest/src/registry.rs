//! The tables, columns and relations that REST knows. What isn't here can't be named in a request.
//!
//! Secrets, hashes, sealed bytes and the host's own bookkeeping are not in the registry.

use resly_core::{
    conversation::{CLIENT_NAME_BYTES, is_client_name},
    ticket::{PRIORITIES, STATUSES},
};

use crate::error::RestError;

/// The type of a column, by what PostgreSQL calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Uuid,
    Text,
    Bigint,
    Boolean,
    Timestamp,
    Jsonb,
    /// `text[]`.
    Texts,
}

impl Type {
    /// PostgreSQL's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Text => "text",
            Self::Bigint => "bigint",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp with time zone",
            Self::Jsonb => "jsonb",
            Self::Texts => "text[]",
        }
    }
}

/// When a client may write a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writable {
    No,
    /// In an insert only.
    Insert,
    /// In an update only.
    Update,
    Always,
}

impl Writable {
    pub const fn in_insert(self) -> bool {
        matches!(self, Self::Insert | Self::Always)
    }

    pub const fn in_update(self) -> bool {
        matches!(self, Self::Update | Self::Always)
    }
}

/// What an insert without a value gives a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// `NULL`; where the column isn't nullable, the value is needed.
    None,
    /// The host fills it: ids, times, and what follows from the row.
    Host,
    Text(&'static str),
}

/// A column. Two of one table are the same when their names are.
#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Type,
    pub nullable: bool,
    pub writable: Writable,
    pub default: Default,
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// A reference to the `id` of another table.
#[derive(Debug)]
pub struct ForeignKey {
    /// The constraint's name, for hints.
    pub name: &'static str,
    pub column: &'static str,
    pub target: &'static str,
}

/// What the values of a column have to be, beside their type.
#[derive(Debug)]
pub struct Check {
    pub column: &'static str,
    pub rule: Rule,
}

/// A rule of a [`Check`]. Null breaks none, as in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What chats take as a client's name of something, and not empty.
    Name,
    OneOf(&'static [&'static str]),
}

impl Rule {
    fn holds(self, text: &str) -> bool {
        match self {
            Self::Name => !text.is_empty() && is_client_name(text),
            Self::OneOf(values) => values.contains(&text),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Name => format!("has 1 to {CLIENT_NAME_BYTES} bytes, and no control characters"),
            Self::OneOf(values) => format!("is one of {}", values.join(", ")),
        }
    }
}

/// A table. Its key is `id`.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub about: &'static str,
    pub columns: &'static [Column],
    pub foreign_keys: &'static [ForeignKey],
    pub checks: &'static [Check],
    /// A column that, beside `id`, tells the organization's rows apart.
    pub unique: Option<&'static str>,
    /// What a client may do beside reading.
    pub verbs: &'static [Verb],
}

/// A way to write a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Insert,
    Update,
    Delete,
}

impl Table {
    pub fn allows(&self, verb: Verb) -> bool {
        self.verbs.contains(&verb)
    }

    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether conditions may search what belongs to a row, by the name [`SEARCH`].
    pub fn is_searched(&self) -> bool {
        self.name == "knowledge_sources"
    }

    /// Refuses a text that breaks a rule of its column, as PostgreSQL does.
    pub fn check(&self, column: &Column, text: &str) -> Result<(), RestError> {
        match self.checks.iter().find(|check| check.column == column.name && !check.rule.holds(text)) {
            None => Ok(()),
            Some(Check { column, rule }) => {
                let table = self.name;
                let constraint = format!("{table}_{column}_check");
                let message = format!("new row for relation \"{table}\" violates check constraint \"{constraint}\"");
                Err(RestError::new(400, "23514", message).details(format!("{column} {}", rule.text())))
            }
        }
    }
}

/// A name that is no column: a condition on it searches the passages of a row of `knowledge_sources`.
pub const SEARCH: &str = "search";

/// The table of this name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

macro_rules! column {
    ($name:literal $kind:ident) => { column!(@ $name, $kind, false, No, Host) };
    ($name:literal $kind:ident null) => { column!(@ $name, $kind, true, No, Host) };
    ($name:literal $kind:ident $writable:ident) => { column!(@ $name, $kind, false, $writable, None) };
    ($name:literal $kind:ident $writable:ident host) => { column!(@ $name, $kind, false, $writable, Host) };
    ($name:literal $kind:ident null $writable:ident) => { column!(@ $name, $kind, true, $writable, None) };
    ($name:literal $kind:ident $writable:ident = $default:literal) => {
        Column {
            name: $name,
            kind: Type::$kind,
            nullable: false,
            writable: Writable::$writable,
            default: Default::Text($default),
        }
    };
    (@ $name:literal, $kind:ident, $nullable:literal, $writable:ident, $default:ident) => {
        Column {
            name: $name,
            kind: Type::$kind,
            nullable: $nullable,
            writable: Writable::$writable,
            default: Default::$default,
        }
    };
}

macro_rules! tables {
    ($($name:literal, $about:literal, [$($verb:ident)*] $(unique $unique:literal)?
        { $($column:literal $kind:ident $($more:ident)* $(= $default:literal)?;)+ }
        $(refers { $($fk:literal: $fk_column:literal -> $target:literal;)+ })?
        $(checks { $($checked:literal: $rule:expr;)+ })?
    )+) => {
        /// Every table, by its name.
        pub static TABLES: &[Table] = &[$(
            Table {
                name: $name,
                about: $about,
                columns: &[$(column!($column $kind $($more)* $(= $default)?)),+],
                foreign_keys: &[$($(ForeignKey { name: $fk, column: $fk_column, target: $target }),+)?],
                checks: &[$($(Check { column: $checked, rule: $rule }),+)?],
                unique: tables!(@unique $($unique)?),
                verbs: &[$(Verb::$verb),*],
            }
        ),+];
    };
    (@unique) => { None };
    (@unique $unique:literal) => { Some($unique) };
}

tables! {
    "billing_events", "What is billed: the sum of `quantity` is what `usage` counts in production. Changes of the plan and \
                       thresholds are events with the quantity 0.", [] {
        "id" Uuid; "organization_id" Uuid; "kind" Text; "meter" Text; "quantity" Bigint; "period_start" Timestamp;
        "subject_id" Uuid null; "key_id" Uuid null; "connection_id" Uuid null; "conversation_id" Uuid null;
        "threshold" Bigint null; "detail" Jsonb null; "created_at" Timestamp; "updated_at" Timestamp;
    }
    "connections", "Connectors that are installed.", [] {
        "id" Uuid; "organization_id" Uuid; "connector" Text; "version" Text; "name" Text; "environment" Text;
        "status" Text; "settings" Jsonb; "owner" Text; "tested_at" Timestamp null;
        "credentials_expire_at" Timestamp null; "created_at" Timestamp; "updated_at" Timestamp;
    }
    "connector_logs", "Calls of connectors.", [] {
        "id" Uuid; "organization_id" Uuid; "connection_id" Uuid; "connector" Text; "version" Text; "action" Text;
        "environment" Text; "caller" Text; "conversation_id" Uuid null; "status" Text; "reason" Text null;
        "message" Text null; "cached" Boolean; "fuel" Bigint; "http_calls" Bigint; "response_bytes" Bigint;
        "duration_us" Bigint; "log" Jsonb; "requests" Jsonb; "created_at" Timestamp; "updated_at" Timestamp;
    }
    refers {
        "connector_logs_connection_id_fkey": "connection_id" -> "connections";
        "connector_logs_conversation_id_fkey": "conversation_id" -> "conversations";
    }
    "conversation_outcomes", "What became of each conversation, by the rules of Analytics.", [] {
        "id" Uuid; "organization_id" Uuid; "conversation_id" Uuid; "outcome" Text; "person" Boolean; "reopened" Boolean;
        "day" Text; "started_at" Timestamp; "key_id" Uuid; "language" Text; "tags" Texts; "messages" Bigint;
        "questions" Bigint; "answers" Bigint; "unanswered" Bigint; "rated_up" Bigint; "rated_down" Bigint;
        "first_answer_ms" Bigint null; "rules_version" Bigint; "created_at" Timestamp; "updated_at" Timestamp;
    }
    refers {
        "conversation_outcomes_conversation_id_fkey": "conversation_id" -> "conversations";
    }
    "conversations", "Conversations with the assistant.", [Update] {
        "id" Uuid; "organization_id" Uuid; "name" Text null; "visitor_id" Uuid null; "tags" Texts Update host;
        "state" Text; "assignee_id" Uuid null; "handed_over_by" Text null; "handed_over_at" Timestamp null;
        "summary" Text null; "closed_at" Timestamp null; "created_at" Timestamp; "updated_at" Timestamp;
    }
    refers {
        "conversations_visitor_id_fkey": "visitor_id" -> "visitors";
    }
    "knowledge_sources", "What the assistant knows. A source that is written is read in and metered.",
        [Insert Update Delete] {
        "id" Uuid; "organization_id" Uuid; "kind" Text; "status" Text; "title" Text Always; "url" Text null Always;
        "content_type" Text Always = "text/plain"; "text" Text Always; "chunks" Bigint; "failure_kind" Text null;
        "failure_message" Text null; "note" Text null; "refresh_every_s" Bigint null; "created_at" Timestamp;
        "updated_at" Timestamp; "checked_at" Timestamp null;
    }
    "messages", "Messages of conversations. One that an edited history replaced has `superseded_at`.", [] {
        "id" Uuid; "organization_id" Uuid; "conversation_id" Uuid; "position" Bigint; "client_id" Text null;
        "role" Text; "author_id" Uuid null; "content" Text; "status" Text; "finish_reason" Text null; "citations" Jsonb;
        "input_tokens" Bigint null; "cached_input_tokens" Bigint null; "output_tokens" Bigint null;
        "tokens_estimated" Boolean null; "superseded_at" Timestamp null; "created_at" Timestamp; "updated_at" Timestamp;
    }
    refers {
        "messages_conversation_id_fkey": "conversation_id" -> "conversations";
    }
    "ticket_comments", "What people wrote below tickets.", [Insert Delete] {
        "id" Uuid Insert host; "organization_id" Uuid; "ticket_id" Uuid Insert; "author_id" Uuid null Insert;
        "body" Text Insert; "created_at" Timestamp; "updated_at" Timestamp;
    }
    refers {
        "ticket_comments_ticket_id_fkey": "ticket_id" -> "tickets";
    }
    "tickets", "Requests of customers for a person.", [Insert Update Delete] {
        "id" Uuid Insert host; "organization_id" Uuid; "conversation_id" Uuid null Always; "subject" Text Always;
        "body" Text Always; "status" Text Always = "open"; "priority" Text Always = "normal";
        "assignee_id" Uuid null Always; "requester" Text null Always; "due_at" Timestamp null Always;
        "tags" Texts Update host; "created_at" Timestamp; "updated_at" Timestamp;
    }
    refers {
        "tickets_conversation_id_fkey": "conversation_id" -> "conversations";
    }
    checks {
        "status": Rule::OneOf(&STATUSES);
        "priority": Rule::OneOf(&PRIORITIES);
    }
    "usage", "What is counted, by month, meter and environment.", [] {
        "id" Uuid; "organization_id" Uuid; "period_start" Timestamp; "meter" Text; "environment" Text; "used" Bigint;
        "estimated" Bigint; "plan_limit" Bigint null; "created_at" Timestamp; "updated_at" Timestamp;
    }
    "visitors", "Customers, by the ids that the organization gives them.", [Insert Delete]
        unique "external_id" {
        "id" Uuid Insert host; "organization_id" Uuid; "external_id" Text Insert; "created_at" Timestamp;
        "last_seen_at" Timestamp; "updated_at" Timestamp;
    }
    checks {
        "external_id": Rule::Name;
    }
    "workflows", "When which action is called.", [] {
        "id" Uuid; "organization_id" Uuid; "name" Text; "triggers" Jsonb; "connection_id" Uuid null;
        "action" Text null; "instructions" Text null; "enabled" Boolean; "created_at" Timestamp;
        "updated_at" Timestamp;
    }
    refers {
        "workflows_connection_id_fkey": "connection_id" -> "connections";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_the_columns_that_jobs_rely_on_and_nothing_secret() {
        assert_eq!(TABLES.len(), 12);
        for table in TABLES {
            for column in ["id", "organization_id", "created_at", "updated_at"] {
                let column = table.column(column).unwrap();
                assert!(!column.nullable && !column.writable.in_update(), "{} {}", table.name, column.name);
            }
            for column in table.columns {
                for word in ["hash", "secret", "credentials", "sealed", "lease", "embedding", "steps"] {
                    let own = column.name == "credentials_expire_at";
                    assert!(own || !column.name.contains(word), "{} {}", table.name, column.name);
                }
                assert!(!column.writable.in_insert() || table.allows(Verb::Insert), "{} {}", table.name, column.name);
            }
            for check in table.checks {
                let column = table.column(check.column).unwrap();
                assert_eq!(column.kind, Type::Text, "{} {}", table.name, check.column);
                if let Default::Text(text) = column.default {
                    assert!(check.rule.holds(text), "{} {}", table.name, check.column);
                }
            }
            for key in table.foreign_keys {
                assert!(table.column(key.column).is_some() && super::table(key.target).is_some(), "{}", key.name);
            }
        }
        let writable: Vec<_> = TABLES.iter().filter(|t| !t.verbs.is_empty()).map(|t| t.name).collect();
        assert_eq!(writable, ["conversations", "knowledge_sources", "ticket_comments", "tickets", "visitors"]);
    }
    #[test]
    fn values_that_break_a_rule_are_refused_as_postgresql_refuses_them() {
        let check = |table: &str, column: &str, text: &str| {
            let table = super::table(table).unwrap();
            table.check(table.column(column).unwrap(), text)
        };
        let longest = "ü".repeat(CLIENT_NAME_BYTES / 2);
        for good in ["a", " ", "anna@example.com", &longest] {
            assert_eq!(check("visitors", "external_id", good), Ok(()), "{good}");
        }
        let long = "ü".repeat(CLIENT_NAME_BYTES / 2 + 1);
        for bad in ["", "a\nb", &long] {
            let refused = check("visitors", "external_id", bad).unwrap_err();
            assert_eq!((refused.status, refused.code.as_ref()), (400, "23514"), "{bad:?}");
        }
        assert_eq!(check("tickets", "status", "pending"), Ok(()));
        let refused = check("tickets", "status", "Open").unwrap_err();
        assert_eq!(
            (refused.message.as_str(), refused.details.as_deref()),
            (
                "new row for relation \"tickets\" violates check constraint \"tickets_status_check\"",
                Some("status is one of open, pending, resolved, closed")
            )
        );
        assert_eq!(check("tickets", "subject", ""), Ok(()));
    }
}
