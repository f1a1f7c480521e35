//! Whose rows an operation sees and changes, whatever the conditions of its statements say.
//!
//! PostgreSQL holds the host to it. For work on one organization, a transaction takes a role that row-level security binds
//! and that owns no table, and names the organization; the policies of migrations 31 and 41 do the rest. So a statement
//! without its condition finds no row of another organization, and writes none. SQLite has no row-level security.
//!
//! Forced row-level security would bind the tables' owner as well, but not a superuser, and it would take the owner's
//! `pg_dump` away. A role of its own binds the host under any login, and leaves the owner as it is: for migrations, backups
//! and copies, and for the few operations on all organizations.

use std::sync::Arc;

use resly_core::id::OrganizationId;
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};

/// Whose rows an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowScope {
    /// One organization's rows. The database hides all others.
    Organization(OrganizationId),
    /// The host's own work: what has no organization, what finds the organization of a key or a token, and what looks for
    /// due work of all of them. Nothing but the statement's conditions restricts it.
    Host,
}

impl From<OrganizationId> for RowScope {
    fn from(organization: OrganizationId) -> Self {
        Self::Organization(organization)
    }
}

/// Makes the role and grants it rights on the tables, where that isn't done yet and the login may. Hosts that start at once
/// do this one after the other, under the lock of the migrations. Roles are the server's and not a database's, so it is named after the owner of the tables: two databases
/// of one owner share it, and other owners have their own.
const PREPARE: &str = r#"
DO $do$
DECLARE
    bound NAME;
    missing TEXT;
BEGIN
    SELECT left(pg_get_userbyid(relowner), 57) || '_bound' INTO bound
        FROM pg_class WHERE oid = 'organizations'::regclass;
    PERFORM set_config('resly.bound_role', bound, false);
    BEGIN
        IF to_regrole(quote_ident(bound)) IS NULL THEN
            -- Hosts of other databases may make it at the same time.
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS',
                    bound);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        -- Who makes a role may give it away, and since PostgreSQL 16 has to give it to itself.
        BEGIN
            EXECUTE format('SET LOCAL ROLE %I', bound);
            RESET ROLE;
        EXCEPTION WHEN insufficient_privilege THEN
            EXECUTE format('GRANT %I TO %I', bound, session_user);
        END;
        IF NOT has_schema_privilege(bound, current_schema(), 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), bound);
        END IF;
        SELECT string_agg(oid::regclass::text, ', ') INTO missing FROM pg_class
            WHERE oid IN (SELECT polrelid FROM pg_policy WHERE polname = 'own_insert')
                AND relnamespace = current_schema()::regnamespace
                AND NOT (has_table_privilege(bound, oid, 'SELECT') AND has_table_privilege(bound, oid, 'INSERT')
                    AND has_table_privilege(bound, oid, 'UPDATE') AND has_table_privilege(bound, oid, 'DELETE'));
        IF missing IS NOT NULL THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', missing, bound);
        END IF;
        IF NOT has_table_privilege(bound, 'hosts', 'SELECT') THEN
            EXECUTE format('GRANT SELECT ON hosts TO %I', bound);
        END IF;
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
END
$do$"#;
const NAME: &str = "SELECT quote_ident(current_setting('resly.bound_role'))";

/// A role that row-level security binds, by its quoted name.
#[derive(Clone)]
pub(crate) struct BoundRole(Arc<str>);

impl BoundRole {
    /// Makes the role where the login of the connection, which migrated the tables, may do so.
    pub(crate) async fn prepare(conn: &mut PgConnection) -> Result<Self, sqlx::Error> {
        conn.execute(PREPARE).await?;
        let name: String = sqlx::query_scalar(NAME).fetch_one(conn).await?;
        Ok(Self(name.into()))
    }

    /// The role, when the pool's connections may take it and it is bound.
    pub(crate) async fn verified(self, pool: &PgPool) -> Result<Option<Self>, sqlx::Error> {
        let mut conn = pool.acquire().await?;
        let asked = format!("BEGIN; SET LOCAL ROLE {}", self.0);
        let taken = conn.execute(AssertSqlSafe(asked)).await;
        let bound = match taken {
            Ok(_) => {
                let sql = "SELECT row_security_active('organizations')";
                sqlx::query_scalar(sql).persistent(false).fetch_one(&mut *conn).await
            }
            Err(sqlx::Error::Database(_)) => Ok(false),
            Err(error) => Err(error),
        };
        conn.execute("ROLLBACK").await?;
        if bound? {
            return Ok(Some(self));
        }
        let (role, login) = (&self.0, "the login of the database URL");
        tracing::warn!(
            "PostgreSQL doesn't keep organizations apart for this host, because {login} may not take the role {role}: its \
             own conditions alone do. Let an administrator of the server run `CREATE ROLE {role} NOLOGIN; GRANT {role} TO` \
             the login once, or give the login CREATEROLE, and start the host again"
        );
        Ok(None)
    }
}

/// The statements that begin a transaction of the scope: one trip to the server.
pub(crate) fn begin(begin: &str, scope: RowScope, bound: Option<&BoundRole>) -> String {
    match (scope, bound) {
        (RowScope::Organization(organization), Some(BoundRole(role))) => {
            format!("{begin}; SET LOCAL ROLE {role}; SET LOCAL resly.organization = '{organization}'")
        }
        _ => begin.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    /// The operations that only their own conditions restrict, by file. Each has a reason: see [`super::RowScope::Host`].
    const HOSTS_OWN: [&str; 99] = [
        "alerts warn_of_expiry",
        "audit expire_audit_log",
        "biller apply_biller_event",
        "catalogue delete_connector",
        "catalogue put_connector",
        "components forget_unfinished_uploads",
        "components put_parts",
        "components wasm",
        "components/objects component_objects",
        "components/objects components_in_database",
        "components/objects due_component_objects",
        "components/objects move_component_to_database",
        "components/objects move_component_to_object",
        "components/objects stored_component_objects",
        "conversations/words index_conversations",
        "conversations/words mark_unindexed_conversations",
        "conversations/words take_unindexed_conversations",
        "crawls/due take_due_crawl",
        "database_roles grant_database_role",
        "database_roles revoke_database_role",
        "deletions/work take_deletion",
        "flows bind_oauth_flow",
        "flows oauth_flow",
        "flows take_oauth_flow",
        "health take_due_checks",
        "hosts remove_host",
        "hosts renew_host",
        "identity_providers delete_identity_provider",
        "identity_providers identity_provider_by_id",
        "identity_providers identity_providers_for",
        "identity_providers put_identity_provider",
        "keys has_keys",
        "keys key_by_id",
        "keys keys_used",
        "knowledge/delete delete_hidden",
        "knowledge/groups forget_unfinished_sources",
        "knowledge/queue take_due_source",
        "knowledge/refresh refresh_passages",
        "lib schema",
        "logs expire_logs",
        "mails/queue expire_mails",
        "mails/queue take_due_mails",
        "members change_member",
        "members forget_sign_ins",
        "members list_members",
        "members memberships",
        "members remove_member",
        "members/attempts count_sign_in_attempt",
        "members/identities sign_in_by_identity",
        "members/invitations accept_invitation",
        "members/invitations create_invitation",
        "members/invitations join_by_invitation",
        "members/invitations open_invitation",
        "members/links create_sign_in_link",
        "members/links redeem_sign_in_link",
        "members/people change_person",
        "members/people person",
        "members/people person_by_email",
        "members/people set_password",
        "members/sessions begin_session",
        "members/sessions end_session",
        "members/sessions end_sessions",
        "members/sessions enter_organization",
        "members/sessions list_sessions",
        "members/sessions session",
        "members/sessions session_seen",
        "members/sessions sign_in_method",
        "organizations first_organization_names",
        "organizations has_organizations",
        "organizations organization_named",
        "organizations organizations",
        "organizations organizations_called",
        "organizations subscribe_organization",
        "origins origin_allowed",
        "outcomes/work organizations_with_outcome_work",
        "plans create_plan",
        "plans plan_definition",
        "plans plans",
        "plans spread_plan",
        "plans spread_plans",
        "plans update_plan",
        "rates claim_requests",
        "rates forget_rates",
        "recover forget",
        "recover recover_all",
        "recover settle",
        "retention retentions",
        "subscriptions change_plan",
        "subscriptions change_subscription",
        "subscriptions replace_overrides",
        "turns/cancel requests",
        "uploads claim_compiling",
        "vault host_secret",
        "vault host_secrets",
        "vault put_host_secret",
        "vault rewrap",
        "vault vault_keys",
        "webhooks/deliveries expire_deliveries",
        "webhooks/deliveries take_due_deliveries",
    ];

    fn files(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }

    /// Whoever adds an operation for all organizations says so here, so that a reviewer sees it.
    #[test]
    fn these_operations_alone_see_every_organization() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut sources = Vec::new();
        files(&source, &mut sources);
        let mut found = BTreeSet::new();
        for (path, text) in sources.iter().filter(|(path, _)| !path.ends_with("/row_scope.rs")) {
            let mut function = "";
            for line in text.lines() {
                if let Some((_, name)) = line.split_once("fn ") {
                    function = name.split(['(', '<']).next().unwrap();
                }
                if line.contains("(RowScope::Host") {
                    let file = path.trim_start_matches(source.to_str().unwrap()).trim_start_matches('/');
                    found.insert(format!("{} {function}", file.trim_end_matches(".rs")));
                }
            }
        }
        assert!(found.iter().eq(HOSTS_OWN.iter()), "{found:#?}");
    }
}
