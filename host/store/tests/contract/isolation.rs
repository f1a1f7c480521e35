//! What PostgreSQL itself keeps apart, for a host that forgot to: see `store/src/row_scope.rs`.

use resly_rest::registry;
use resly_store::{Store, StoreConfig};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    backend::{Backend, uuid},
    fill::{ROWS, Style, fill, id, organization},
    forgetful::{self, Forgets},
    rest::data::rows,
};

/// What begins the host's work for an organization.
fn begin(role: &str, row: usize) -> String {
    format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL resly.organization = '{}'", organization(row))
}

async fn run(conn: &mut PgConnection, sql: &str) -> Result<u64, sqlx::Error> {
    conn.execute(AssertSqlSafe(sql.to_owned())).await.map(|done| done.rows_affected())
}

async fn texts(conn: &mut PgConnection, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(conn).await.unwrap()
}

/// How many rows a read of every table of REST gives the first organization, at most.
async fn most_rows(store: &Store) -> usize {
    let mut most = 0;
    for table in registry::TABLES {
        most = most.max(rows(store, organization(0), table.name).await.unwrap().rows.len());
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_s_role_sees_and_changes_one_organization_in_every_table() {
    let backend = Backend::postgres().await;
    backend.open().await.close().await;
    let schema = fill(&backend, Style::Plain).await;
    let mut conn = PgConnection::connect(backend.url().unwrap()).await.unwrap();
    for (table, columns) in &schema {
        let column = match columns.iter().find(|column| column.name == "organization_id") {
            Some(column) if table != "database_roles" => column.name.as_str(),
            None if table == "organizations" => "id",
            _ => {
                // Tables without an organization are closed, but for the hosts, who write the answers.
                run(&mut conn, &begin("resly_bound", 0)).await.unwrap();
                let read = run(&mut conn, &format!("SELECT * FROM \"{table}\"")).await;
                assert_eq!(read.is_ok(), table == "hosts", "{table}");
                run(&mut conn, "ROLLBACK").await.unwrap();
                continue;
            }
        };
        let names: Vec<_> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let (names, table) = (names.join(", "), format!("\"{table}\""));
        let other = organization(1);
        // A row of another organization, to be written by the role.
        let copy = format!(
            "BEGIN; CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT * FROM {table} WHERE {column} = '{other}';
             GRANT SELECT ON copied TO resly_bound; {}",
            begin("resly_bound", 0).trim_start_matches("BEGIN; ")
        );
        let mut refused = Vec::new();
        for write in [
            format!("INSERT INTO {table} ({names}) SELECT {names} FROM copied"),
            format!("UPDATE {table} SET {column} = '{other}'"),
        ] {
            run(&mut conn, &copy).await.unwrap();
            let seen = texts(&mut conn, &format!("SELECT {column}::text FROM {table}")).await;
            assert_eq!(seen, [organization(0).to_string()], "{table}");
            let changed = run(&mut conn, &format!("UPDATE {table} SET {column} = {column}")).await.unwrap();
            assert_eq!(changed, 1, "{table}");
            refused.push(run(&mut conn, &write).await.unwrap_err().to_string());
            run(&mut conn, "ROLLBACK").await.unwrap();
        }
        assert!(refused.iter().all(|error| error.contains("row-level security")), "{table}: {refused:?}");

        run(&mut conn, &begin("resly_bound", 0)).await.unwrap();
        // A row that others refer to stays for that reason.
        if let Ok(deleted) = run(&mut conn, &format!("DELETE FROM {table}")).await {
            assert_eq!(deleted, 1, "{table}");
        }
        run(&mut conn, "ROLLBACK").await.unwrap();

        // Without an organization there is nothing.
        run(&mut conn, "BEGIN; SET LOCAL ROLE resly_bound").await.unwrap();
        assert!(texts(&mut conn, &format!("SELECT {column}::text FROM {table}")).await.is_empty(), "{table}");
        run(&mut conn, "ROLLBACK").await.unwrap();
    }
    conn.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_forgot_the_organization_find_no_row_of_another() {
    let backend = Backend::forgetful(Forgets::WhenBound).await;
    backend.open().await.close().await;
    fill(&backend, Style::Plain).await;
    let store = backend.open().await;
    for row in 0..ROWS {
        for table in registry::TABLES {
            let found = rows(&store, organization(row), table.name).await.unwrap();
            assert_eq!(found.rows.len(), 1, "{}", table.name);
        }
    }
    // Another organization's row isn't there, by its id either.
    let foreign = format!("conversations?id=eq.{}", id("conversations", 1));
    assert!(rows(&store, organization(0), &foreign).await.unwrap().rows.is_empty());
    store.close().await;
}

/// A login that owns the tables, and is no superuser. Returns its name, and how a host reaches the database with it: straight,
/// and by a way that forgets.
async fn login(backend: &Backend, rights: &str, forgets: Forgets) -> (String, StoreConfig, StoreConfig) {
    let login = format!("host_{}", uuid().simple());
    let database = &backend.texts("SELECT current_database()::text").await[0];
    backend
        .script(&format!(
            "CREATE ROLE {login} LOGIN {rights}; ALTER DATABASE {database} OWNER TO {login};
             ALTER SCHEMA public OWNER TO {login}"
        ))
        .await;
    let url = backend.url().unwrap().replace("resly@", &format!("{login}@"));
    let straight = StoreConfig { database_url: Some(url.clone()), ..backend.config() };
    let by_way = Some(forgetful::url(&url, forgets));
    let forgetful = StoreConfig { database_url: by_way, direct_url: Some(url), ..backend.config() };
    (login, straight, forgetful)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_may_make_roles_binds_itself() {
    let backend = Backend::postgres().await;
    let (login, straight, forgetful) = login(&backend, "CREATEROLE", Forgets::Always).await;
    Store::open(&straight).await.unwrap().close().await;
    fill(&backend, Style::Plain).await;
    // Hosts that start later find it done.
    for _ in 0..2 {
        let store = Store::open(&forgetful).await.unwrap();
        assert_eq!(most_rows(&store).await, 1);
        store.close().await;
    }
    backend.script(&format!("DROP OWNED BY {login}_bound; DROP ROLE {login}_bound")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_may_not_make_roles_works_and_is_bound_once_it_has_one() {
    let backend = Backend::postgres().await;
    let (login, straight, forgetful) = login(&backend, "", Forgets::Always).await;
    Store::open(&straight).await.unwrap().close().await;
    fill(&backend, Style::Plain).await;
    let store = Store::open(&straight).await.unwrap();
    assert_eq!(most_rows(&store).await, 1, "its own conditions hold");
    store.close().await;
    // What is tested everywhere else here would be seen.
    let store = Store::open(&forgetful).await.unwrap();
    assert_eq!(most_rows(&store).await, ROWS, "nothing else does");
    store.close().await;
    // What the log tells an administrator to do.
    backend.script(&format!("CREATE ROLE {login}_bound NOLOGIN; GRANT {login}_bound TO {login}")).await;
    let store = Store::open(&forgetful).await.unwrap();
    assert_eq!(most_rows(&store).await, 1);
    store.close().await;
    backend.script(&format!("DROP OWNED BY {login}_bound; DROP ROLE {login}_bound")).await;
}

/// A role of the right name that policies don't bind is no use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_bypasses_policies_is_not_taken_for_a_bound_one() {
    let backend = Backend::postgres().await;
    let (login, straight, forgetful) = login(&backend, "", Forgets::WhenBound).await;
    backend.script(&format!("CREATE ROLE {login}_bound NOLOGIN BYPASSRLS; GRANT {login}_bound TO {login}")).await;
    Store::open(&straight).await.unwrap().close().await;
    fill(&backend, Style::Plain).await;
    let store = Store::open(&forgetful).await.unwrap();
    assert_eq!(most_rows(&store).await, 1, "statements under the role would show more");
    store.close().await;
    backend.script(&format!("DROP OWNED BY {login}_bound; DROP ROLE {login}_bound")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_asked_once_for_a_statement_and_keeps_its_index() {
    let backend = Backend::postgres().await;
    backend.open().await.close().await;
    fill(&backend, Style::Plain).await;
    let mut conn = PgConnection::connect(backend.url().unwrap()).await.unwrap();
    let own = organization(0);
    for statement in [
        format!(
            "SELECT * FROM conversations WHERE organization_id = '{own}' ORDER BY created_at DESC, id DESC LIMIT 50"
        ),
        format!("SELECT * FROM conversations WHERE id = '{}' AND organization_id = '{own}'", id("conversations", 0)),
        format!(
            "SELECT * FROM messages WHERE organization_id = '{own}' AND conversation_id = '{}' ORDER BY position",
            id("conversations", 0)
        ),
        format!(
            "SELECT p.id FROM passages p JOIN knowledge_sources s ON s.id = p.source_id AND s.organization_id = '{own}'
             WHERE p.organization_id = '{own}'"
        ),
        format!(
            "SELECT * FROM connector_logs WHERE organization_id = '{own}' ORDER BY created_at DESC, id DESC LIMIT 50"
        ),
        format!("UPDATE usage SET used = used + 1 WHERE organization_id = '{own}'"),
        format!("UPDATE turns SET lease_until = now() WHERE id = '{}' AND organization_id = '{own}'", id("turns", 0)),
        // Without its condition the policy's own finds the rows.
        "SELECT * FROM conversations ORDER BY created_at DESC, id DESC LIMIT 50".to_owned(),
    ] {
        run(&mut conn, &format!("{}; SET LOCAL enable_seqscan = off", begin("resly_bound", 0))).await.unwrap();
        let plan = texts(&mut conn, &format!("EXPLAIN {statement}")).await.join("\n");
        assert!(plan.contains("InitPlan") && !plan.contains("SubPlan"), "{statement}\n{plan}");
        assert!(!plan.contains("Seq Scan") && plan.contains("Index Cond"), "{statement}\n{plan}");
        // A policy's function that is called for each row would be in the conditions.
        assert!(!plan.contains("resly_"), "{statement}\n{plan}");
        run(&mut conn, "ROLLBACK").await.unwrap();
    }
    conn.close().await.unwrap();
}
