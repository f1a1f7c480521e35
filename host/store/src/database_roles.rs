//! Logins of PostgreSQL that are bound to one organization and only read: a dashboard's own way in. What such a login sees
//! is decided by the policies of migration 31, not by what it asks.

use resly_core::{boxed, error::StoreError, id::OrganizationId, time::Timestamp};
use sqlx::{AssertSqlSafe, Executor};

use crate::{
    RowScope, Store,
    error::OperationError,
    sql::{Conn, execute},
    types::{Id, Time},
};

/// What a bound login may read: the tables that DESIGN names for users, but no credentials, and the views for dashboards.
const READABLE: &str = "conversations, messages, tickets, knowledge_sources, passages, billing_events, \"usage\", \
                        connector_logs, workflows, visitors, daily_conversations, daily_answers, daily_connector_calls";
/// What holds for each session of a bound login, unless it sets something else itself: against accidents, not attacks.
const BOUNDS: [&str; 4] = [
    "default_transaction_read_only = on",
    "statement_timeout = '60s'",
    "lock_timeout = '5s'",
    "idle_in_transaction_session_timeout = '60s'",
];
/// Connections that one login may hold open.
const CONNECTIONS: u32 = 8;

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

    /// Removes a login that [`Store::grant_database_role`] made. Its open sessions read nothing any more.
    #[boxed]
    pub async fn revoke_database_role(&self, name: DatabaseRoleName) -> Result<(), DatabaseRoleError> {
        self.write(RowScope::Host, "remove a login of the database", move |mut db| {
            Box::pin(async move {
                let Conn::Postgres { .. } = db else {
                    return Err(OperationError::Refused(DatabaseRoleError::NotPostgres));
                };
                let known = execute!(db, "DELETE FROM database_roles WHERE role_name = $1", name.as_str())?;
                if known == 0 {
                    return Err(OperationError::Refused(DatabaseRoleError::Missing));
                }
                let role = quoted(&name);
                // An open session of it has no rights from then on.
                run(&mut db, format!("REVOKE SELECT ON {READABLE} FROM {role}")).await?;
                run(&mut db, places("REVOKE", "FROM", &role)).await?;
                run(&mut db, format!("DROP ROLE {role}")).await
            })
        })
        .await
    }
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
    if let Conn::Postgres { conn, .. } = db {
        // Made of names that `DatabaseRoleName` checked, and of a verifier without quotes.
        conn.execute(AssertSqlSafe(statement)).await.map_err(refused)?;
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
