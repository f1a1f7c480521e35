//! Logins that are bound to one organization, and the policies behind them. PostgreSQL alone has them.

use resly_core::id::OrganizationId;
use resly_store::{DatabaseRoleError, DatabaseRoleName, NewDatabaseRole, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    backend::{Backend, at, organization, uuid},
    both,
};

/// A name that no other test of the cluster has.
pub fn name() -> DatabaseRoleName {
    DatabaseRoleName::parse(&format!("bi_{}", uuid().simple())).unwrap()
}

pub fn new(organization: OrganizationId, name: &DatabaseRoleName) -> NewDatabaseRole {
    NewDatabaseRole { organization, name: name.clone(), verifier: "secret".to_owned(), now: at(0) }
}

pub async fn run(conn: &mut PgConnection, sql: &str) -> Result<(), String> {
    conn.execute(AssertSqlSafe(sql.to_owned())).await.map(drop).map_err(|error| error.to_string())
}

pub async fn number(conn: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(conn).await.unwrap()
}

/// Two organizations, each with one row in the tables of a dashboard.
async fn filled(backend: &Backend) -> (Store, [OrganizationId; 2], PgConnection) {
    let store = backend.open().await;
    let organizations = [organization(&store, &[]).await, organization(&store, &[]).await];
    let mut owner = PgConnection::connect(backend.url().unwrap()).await.unwrap();
    for OrganizationId(id) in organizations {
        let values = format!("gen_random_uuid(), '{id}'");
        for statement in [
            format!(
                "INSERT INTO visitors (id, organization_id, external_id, created_at, last_seen_at) VALUES ({values}, 'v', now(), now())"
            ),
            format!(
                "INSERT INTO billing_events (id, organization_id, kind, meter, quantity, period_start, created_at) VALUES ({values}, 'usage', 'messages', 1, now(), now())"
            ),
            format!(
                "INSERT INTO connector_logs (id, organization_id, connection_id, connector, action, environment, status, fuel, http_calls, response_bytes, duration_us, log, requests, created_at, version, caller, cached, bytes) VALUES ({values}, gen_random_uuid(), 'c', 'a', 'live', 'ok', 1, 1, 1, 1, '[]', '[]', now(), '1.0.0', 'chat', false, 0)"
            ),
        ] {
            run(&mut owner, &statement).await.unwrap();
        }
    }
    (store, organizations, owner)
}

const READ: [&str; 4] = ["visitors", "billing_events", "connector_logs", "daily_connector_calls"];

both! {
    async fn a_bound_login_sees_its_organization_whatever_it_sets(backend: Backend) {
        if backend.is_sqlite() {
            let store = backend.open().await;
            let refused = store.grant_database_role(new(OrganizationId(Uuid::nil()), &name())).await;
            assert!(matches!(refused, Err(DatabaseRoleError::NotPostgres)));
            return;
        }
        let (store, [own, other], mut owner) = filled(&backend).await;
        let name = name();
        store.grant_database_role(new(own, &name)).await.unwrap();
        assert!(matches!(store.grant_database_role(new(other, &name)).await, Err(DatabaseRoleError::Taken)));
        let url = backend.url().unwrap().replace("resly@", &format!("{}@", name.as_str()));
        let mut bi = PgConnection::connect(&url).await.unwrap();
        let claims = format!("SET request.jwt.claims = '{{\"organization_id\": \"{other}\"}}'");
        // What the host sets for itself.
        let host_scope = format!("SET resly.organization = '{other}'");
        // Nothing that a session may set widens what it sees.
        for attempt in [
            "SELECT 1",
            &claims,
            "SET search_path = pg_temp, public",
            "SET default_transaction_read_only = off; CREATE TEMP TABLE database_roles (role_name TEXT, organization_id UUID)",
            "SET row_security = on",
            &host_scope,
        ] {
            // What it may not set changes nothing either.
            let _ = run(&mut bi, attempt).await;
            for table in READ {
                let of = |id: OrganizationId| format!("SELECT count(*) FROM {table} WHERE organization_id = '{id}'");
                let seen = (number(&mut bi, &of(own)).await, number(&mut bi, &of(other)).await);
                assert_eq!(seen, (1, 0), "{table} after {attempt}");
            }
        }
        for refused in [
            "SELECT * FROM api_keys",
            "SELECT * FROM passage_refresh",
            "SELECT * FROM connections",
            "SELECT * FROM vault_keys",
            "SELECT * FROM database_roles",
            "INSERT INTO visitors SELECT * FROM visitors",
            "DELETE FROM visitors",
            "SET row_security = off; SELECT * FROM visitors",
            "SET ROLE resly",
            "SET ROLE resly_bound",
            "CREATE TABLE own (a INT)",
        ] {
            run(&mut bi, "RESET ALL; SET default_transaction_read_only = off; SET search_path = public").await.unwrap();
            assert!(run(&mut bi, refused).await.is_err(), "{refused}");
        }

        // The policy asks for the organization once for a statement, and the index finds its rows.
        run(&mut bi, "RESET ALL; SET enable_seqscan = off").await.unwrap();
        let plan: Vec<String> =
            sqlx::query_scalar("EXPLAIN SELECT * FROM connector_logs").fetch_all(&mut bi).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("InitPlan") && plan.contains("Index Cond: (organization_id = "), "{plan}");

        // Without its organization it sees nothing, and claims nothing.
        run(&mut owner, &format!("UPDATE database_roles SET organization_id = NULL WHERE role_name = '{}'", name.as_str()))
            .await
            .unwrap();
        run(&mut bi, &claims).await.unwrap();
        assert_eq!(number(&mut bi, "SELECT count(*) FROM visitors").await, 0);

        assert_eq!(store.revoke_database_role(name.clone()).await.unwrap(), None);
        assert!(run(&mut bi, "SELECT * FROM visitors").await.is_err(), "an open session");
        assert!(PgConnection::connect(&url).await.is_err());
        assert!(matches!(store.revoke_database_role(name).await, Err(DatabaseRoleError::Missing)));
        let foreign = DatabaseRoleName::parse("resly").unwrap();
        assert!(matches!(store.revoke_database_role(foreign.clone()).await, Err(DatabaseRoleError::Missing)));
        assert!(matches!(store.grant_database_role(new(own, &foreign)).await, Err(DatabaseRoleError::Taken)));
    }

    async fn claims_choose_the_organization_of_supabase_s_roles(backend: Backend) {
        if backend.is_sqlite() {
            return;
        }
        let (_store, [own, _], mut owner) = filled(&backend).await;
        // As Supabase has it: a role without a login that is given every table.
        let role = name();
        let role = role.as_str();
        run(&mut owner, &format!("CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; SET ROLE {role}"))
            .await
            .unwrap();
        assert_eq!(number(&mut owner, "SELECT count(*) FROM visitors").await, 0, "without claims");
        run(&mut owner, &format!("SET request.jwt.claims = '{{\"organization_id\": \"{own}\"}}'")).await.unwrap();
        for table in READ {
            assert_eq!(number(&mut owner, &format!("SELECT count(*) FROM {table}")).await, 1, "{table}");
        }
        assert_eq!(number(&mut owner, "SELECT count(*) FROM organizations").await, 1);
        assert_eq!(number(&mut owner, "SELECT count(*) FROM vault_keys").await, 0);
        assert!(run(&mut owner, "INSERT INTO visitors SELECT gen_random_uuid(), organization_id, 'w', created_at, last_seen_at FROM visitors").await.is_err());
        run(&mut owner, "DELETE FROM visitors").await.unwrap();
        run(&mut owner, &format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
        assert_eq!(number(&mut owner, "SELECT count(*) FROM visitors").await, 2, "no policy lets it delete");
    }

    async fn the_host_s_claim_is_nothing_in_the_session_of_another_login(backend: Backend) {
        if backend.is_sqlite() {
            return;
        }
        let (_store, [own, other], mut owner) = filled(&backend).await;
        // As the login is with which Supabase's REST comes.
        let login = name();
        let login = login.as_str();
        run(&mut owner, &format!("CREATE ROLE {login} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {login}")).await.unwrap();
        let url = backend.url().unwrap().replace("resly@", &format!("{login}@"));
        let mut session = PgConnection::connect(&url).await.unwrap();
        run(&mut session, &format!("SET resly.organization = '{other}'")).await.unwrap();
        let claims = format!("SET request.jwt.claims = '{{\"organization_id\": \"{own}\"}}'");
        for (claims, expected) in [("SELECT 1", 0), (claims.as_str(), 1)] {
            run(&mut session, claims).await.unwrap();
            for table in READ {
                let theirs = format!("SELECT count(*) FROM {table} WHERE organization_id = '{other}'");
                let seen = number(&mut session, &format!("SELECT count(*) FROM {table}")).await;
                assert_eq!((seen, number(&mut session, &theirs).await), (expected, 0), "{table}");
            }
            let insert = format!(
                "INSERT INTO visitors (id, organization_id, external_id, created_at, last_seen_at)
                 VALUES (gen_random_uuid(), '{other}', 'w', now(), now())"
            );
            assert!(run(&mut session, &insert).await.is_err());
            run(&mut session, "UPDATE visitors SET external_id = 'changed'; DELETE FROM visitors").await.unwrap();
        }
        assert_eq!(number(&mut owner, "SELECT count(*) FROM visitors WHERE external_id = 'v'").await, 2);
        session.close().await.unwrap();
        run(&mut owner, &format!("DROP OWNED BY {login}; DROP ROLE {login}")).await.unwrap();
    }

    async fn every_table_is_closed_to_all_but_its_owner(backend: Backend) {
        if backend.is_sqlite() {
            return;
        }
        let _store = backend.open().await;
        let mut owner = PgConnection::connect(backend.url().unwrap()).await.unwrap();
        let open: Vec<String> = sqlx::query_scalar(
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
             AND NOT relrowsecurity AND relname <> '_sqlx_migrations'",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        assert!(open.is_empty(), "{open:?}: the migration that makes a table enables row-level security on it");
        let unbound: Vec<String> = sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'
             WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'database_roles'
               AND (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid
                    AND polname IN ('own_organization', 'own_insert', 'own_update', 'own_delete')) < 4",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        assert!(unbound.is_empty(), "{unbound:?}: the migration that makes a table calls `resly_bind('TABLE')`");
    }
}
