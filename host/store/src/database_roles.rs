//! Logins of PostgreSQL that are bound to one organization and only read: a dashboard's own way in. What such a login sees
//! is decided by the policies of migration 31, not by what it asks.

use resly_core::{boxed, error::StoreError, id::OrganizationId, time::Timestamp};
use sqlx::{AssertSqlSafe, Executor, postgres::PgDatabaseError};

use crate::{
    RowScope, Store,
    error::{OperationError, describe},
    sql::{Conn, execute, row},
    types::{Count, Id, Time},
};

/// What a bound login may read: the tables that DESIGN names for users, but no credentials, and the views for dashboards.
const READABLE: &str = "conversations, conversation_outcomes, messages, tickets, ticket_comments, knowledge_sources, \
                        passages, billing_events, \"usage\", connector_logs, workflows, visitors, daily_conversations, \
                        daily_answers, daily_connector_calls";
/// What holds for each session of a bound login, unless it sets something else itself: against accidents, not attacks.
const BOUNDS: [&str; 4] = [
    "default_transaction_read_only = on",
    "statement_timeout = '60s'",
    "lock_timeout = '5s'",
    "idle_in_transaction_session_timeout = '60s'",
];
/// Connections that one login may hold open.
const CONNECTIONS: u32 = 8;
/// Ends the sessions of a login, and waits up to five seconds for each: their temporary tables keep a role.
const TERMINATE: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1";

/// A login to make.
#[derive(Clone, Debug)]
pub struct NewDatabaseRole {
    pub organization: OrganizationId,
    pub name: DatabaseRoleName,
    /// As `SCRAM-SHA-256$…`, so that no log of statements has the password.
    pub verifier: String,
    pub now: Timestamp,
}

/// A name that needs no quotes: a letter or `_`, then letters, digits and `_`, in lower case, at most 63 bytes. It isn't one
/// of PostgreSQL's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseRoleName(String);

impl DatabaseRoleName {
    pub fn parse(name: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        // These have other meanings in statements about roles.
        let word = ["public", "none", "current_role", "current_user", "session_user", "user"].contains(&name);
        let good = starts && name.len() <= 63 && name.chars().all(plain) && !name.starts_with("pg_") && !word;
        good.then(|| Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a login was not made or removed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseRoleError {
    #[error("logins of a database are PostgreSQL's; this host's store is SQLite")]
    NotPostgres,
    #[error("the database has a role of this name; choose another, or revoke it first if Resly made it")]
    Taken,
    #[error("Resly made no role of this name")]
    Missing,
    #[error(
        "the host's own login may not make roles; let it (`ALTER ROLE … CREATEROLE`), or use another DATABASE_URL here"
    )]
    Forbidden,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Makes a login that reads the rows of one organization.
    #[boxed]
    pub async fn grant_database_role(&self, new: NewDatabaseRole) -> Result<(), DatabaseRoleError> {
        self.write(RowScope::Host, "make a login of the database", move |mut db| {
            Box::pin(async move {
                let NewDatabaseRole { organization, name, verifier, now } = new;
                let Conn::Postgres { .. } = db else {
                    return Err(OperationError::Refused(DatabaseRoleError::NotPostgres));
                };
                // A role that somebody dropped, or that is in the cluster of a restored dump, leaves its name free.
                let dropped = "DELETE FROM database_roles
                               WHERE role_name = $1 AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
                execute!(db, dropped, name.as_str())?;
                let insert = "INSERT INTO database_roles (role_name, organization_id, created_at) VALUES ($1, $2, $3)";
                let role = quoted(&name);
                let made = execute!(db, insert, name.as_str(), Id(organization.0), Time(now));
                made.map_err(refused)?;
                let mut statements = vec![format!(
                    "CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS \
                     CONNECTION LIMIT {CONNECTIONS} PASSWORD '{}'",
                    verifier.replace('\'', "''")
                )];
                statements.extend(BOUNDS.map(|bound| format!("ALTER ROLE {role} SET {bound}")));
                statements.push(format!("GRANT SELECT ON {READABLE} TO {role}"));
                statements.push(places("GRANT", "TO", &role));
                for statement in statements {
                    run(&mut db, statement).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Removes a login that [`Store::grant_database_role`] made. It can't log in and reads nothing from the first
    /// commit on, whatever it owns. Then its sessions are ended, and the role is dropped with what it owns in this
    /// database. Returns why the role remains, if it does.
    #[boxed]
    pub async fn revoke_database_role(&self, name: DatabaseRoleName) -> Result<Option<String>, DatabaseRoleError> {
        let closed = name.clone();
        let exists = self.write(RowScope::Host, "close a login of the database", move |mut db| {
            Box::pin(async move {
                let Conn::Postgres { .. } = db else {
                    return Err(OperationError::Refused(DatabaseRoleError::NotPostgres));
                };
                let known = execute!(db, "DELETE FROM database_roles WHERE role_name = $1", closed.as_str())?;
                if known == 0 {
                    return Err(OperationError::Refused(DatabaseRoleError::Missing));
                }
                let exists = "SELECT count(*) FROM pg_roles WHERE rolname = $1";
                let exists = row!(db, (Count,), exists, closed.as_str())?.is_some_and(|(count,)| count.0 > 0);
                if exists {
                    let role = quoted(&closed);
                    run(&mut db, format!("REVOKE SELECT ON {READABLE} FROM {role}")).await?;
                    run(&mut db, places("REVOKE", "FROM", &role)).await?;
                    run(&mut db, format!("ALTER ROLE {role} NOLOGIN")).await?;
                }
                Ok(exists)
            })
        });
        if !exists.await? {
            return Ok(None);
        }
        let dropped = self.write(RowScope::Host, "drop a role of the database", move |mut db| {
            Box::pin(async move {
                let role = quoted(&name);
                // Only a member may end its sessions and drop what it owns.
                try_run(&mut db, format!("GRANT {role} TO CURRENT_USER")).await.map_err(|error| remains(&error))?;
                execute!(db, TERMINATE, name.as_str()).map_err(|error| remains(&error))?;
                try_run(&mut db, format!("DROP OWNED BY {role}")).await.map_err(|error| remains(&error))?;
                try_run(&mut db, format!("DROP ROLE {role}")).await.map_err(|error| remains(&error))
            })
        });
        Ok(dropped.await.err().map(|Remains(why)| why))
    }
}

/// Why a role is still there.
struct Remains(String);

impl From<StoreError> for Remains {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// With the detail, which says what keeps the role.
fn remains(error: &sqlx::Error) -> OperationError<Remains> {
    let database = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    let detail = database.and_then(PgDatabaseError::detail).map(|detail| format!(" ({detail})")).unwrap_or_default();
    OperationError::Refused(Remains(describe(error) + &detail))
}

/// Lets a login into the database and the schema, or doesn't any more. Their names can't be bound as values.
fn places(verb: &str, to: &str, role: &str) -> String {
    format!(
        "DO $$ BEGIN
             EXECUTE format('{verb} CONNECT ON DATABASE %I {to} {role}', current_database());
             EXECUTE format('{verb} USAGE ON SCHEMA %I {to} {role}', current_schema());
         END $$"
    )
}

/// Quotes the name. It has no quotes itself.
fn quoted(name: &DatabaseRoleName) -> String {
    format!("\"{}\"", name.as_str())
}

async fn run(db: &mut Conn<'_>, statement: String) -> Result<(), OperationError<DatabaseRoleError>> {
    try_run(db, statement).await.map_err(refused)
}

async fn try_run(db: &mut Conn<'_>, statement: String) -> Result<(), sqlx::Error> {
    if let Conn::Postgres { conn, .. } = db {
        // Made of names that `DatabaseRoleName` checked, and of a verifier without quotes.
        conn.execute(AssertSqlSafe(statement)).await?;
    }
    Ok(())
}

/// PostgreSQL's `insufficient_privilege`, `duplicate_object` and `unique_violation`.
fn refused(error: sqlx::Error) -> OperationError<DatabaseRoleError> {
    match error.as_database_error().and_then(|error| error.code()).as_deref() {
        Some("42501") => OperationError::Refused(DatabaseRoleError::Forbidden),
        Some("42710" | "23505") => OperationError::Refused(DatabaseRoleError::Taken),
        _ => OperationError::Database(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_s_name_needs_no_quotes() {
        for good in ["acme_bi", "_x", "a1"] {
            assert_eq!(DatabaseRoleName::parse(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(64);
        for bad in ["", "1a", "Acme", "a-b", "a\"b", "a;b", "pg_x", "public", "none", "ä", &long] {
            assert_eq!(DatabaseRoleName::parse(bad), None, "{bad}");
        }
    }
}
