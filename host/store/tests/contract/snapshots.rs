//! Snapshots of one organization: all that REST shows of it, and nothing else.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use resly_rest::registry;
use resly_store::SnapshotError;
use sqlx::{Connection, SqliteConnection};

use crate::{
    backend::Backend,
    fill::{ROWS, Style, canary, fill, id, is_fixed, organization},
};

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn file_in(backend: &Backend, name: &str) -> PathBuf {
    backend.config().data_dir.join(name)
}

async fn open(file: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_shows_what_rest_shows_of_one_organization() {
    let backend = Backend::sqlite();
    let store = backend.open().await;
    let schema = fill(&backend, Style::Plain).await;
    let file = file_in(&backend, "acme 50%.sqlite");
    let snapshot = store.snapshot_organization(organization(0), &file, false).await.unwrap();
    let expected: Vec<_> = registry::TABLES.iter().map(|table| (table.name, 1)).collect();
    assert_eq!(snapshot.rows, expected);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let bytes = fs::read(&file).unwrap();
    let mut wrong = Vec::new();
    for (table, columns) in &schema {
        for column in columns.iter().filter(|column| ["text", "jsonb", "json", "bytea"].contains(&column.kind.as_str()))
        {
            let shown = registry::table(table).is_some_and(|table| table.column(&column.name).is_some());
            for row in (0..ROWS).filter(|_| !is_fixed(table, &column.name)) {
                let canary = canary(table, &column.name, row);
                if contains(&bytes, &canary) != (shown && row == 0) {
                    wrong.push(canary);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    for row in 1..ROWS {
        assert!(!contains(&bytes, &organization(row).to_string()), "another organization");
        assert!(!contains(&bytes, &id("messages", row).to_string()), "another organization's message");
    }
    for hidden in ["vault_keys", "host_secrets", "secret_hash", "credentials\"", "lease"] {
        assert!(!contains(&bytes, hidden), "{hidden}");
    }
    // The host goes on.
    store.schema().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_views_count_by_day() {
    let backend = Backend::sqlite();
    let store = backend.open().await;
    fill(&backend, Style::Plain).await;
    let log = |n: u32, status: &str, duration: u32| {
        format!(
            "INSERT INTO connector_logs (id, organization_id, connection_id, connector, action, environment, status, fuel,
                 http_calls, response_bytes, duration_us, log, requests, created_at)
             VALUES ('{n}', '{}', '', 'crm', 'find', 'production', '{status}', 5, 1, 1, {duration}, '[]', '[]',
                 '2026-10-10T23:59:59.000000Z');",
            organization(0)
        )
    };
    let logs = [(1, "ok", 10), (2, "ok", 1), (3, "ok", 4), (4, "ok", 2), (5, "refused", 7)];
    backend.script(&logs.map(|(n, status, duration)| log(n, status, duration)).join("\n")).await;
    let file = file_in(&backend, "views.sqlite");
    store.snapshot_organization(organization(0), &file, false).await.unwrap();

    let mut conn = open(&file).await;
    let calls: Vec<(String, String, i64, i64, i64, f64, f64)> = sqlx::query_as(
        "SELECT day, status, calls, fuel, http_calls, duration_us_p50, duration_us_p95 FROM daily_connector_calls
         WHERE connector = 'crm' ORDER BY status",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    // What `percentile_cont` of PostgreSQL gives for 1, 2, 4 and 10.
    assert_eq!(calls.len(), 2);
    let (day, status, count, fuel, http_calls, median, p95) = &calls[0];
    assert_eq!((day.as_str(), status.as_str(), *count, *fuel, *http_calls), ("2026-10-10", "ok", 4, 20, 4));
    assert!((median - 3.0).abs() < 1e-9 && (p95 - 9.1).abs() < 1e-9, "{median} {p95}");
    assert_eq!((calls[1].2, calls[1].5, calls[1].6), (1, 7.0, 7.0));
    let conversations: (String, i64, i64) =
        sqlx::query_as("SELECT day, conversations, visitors FROM daily_conversations")
            .fetch_one(&mut conn)
            .await
            .unwrap();
    assert_eq!(conversations, ("2100-01-01".to_owned(), 1, 1));
    let answers = "SELECT COUNT(*) FROM daily_answers";
    assert_eq!(sqlx::query_scalar::<_, i64>(answers).fetch_one(&mut conn).await.unwrap(), 0, "there is no answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_views_have_the_columns_of_postgresql() {
    let (sqlite, postgres) = (Backend::sqlite(), Backend::postgres().await);
    let store = sqlite.open().await;
    fill(&sqlite, Style::Plain).await;
    postgres.open().await.close().await;
    let file = file_in(&sqlite, "views.sqlite");
    store.snapshot_organization(organization(0), &file, false).await.unwrap();
    let columns = "SELECT v.name || '.' || c.name FROM sqlite_schema v, pragma_table_info(v.name) c
                   WHERE v.type = 'view' ORDER BY v.name, c.cid";
    let found: Vec<String> = sqlx::query_scalar(columns).fetch_all(&mut open(&file).await).await.unwrap();
    let columns = "SELECT table_name || '.' || column_name FROM information_schema.columns
                   WHERE table_schema = 'public' AND table_name LIKE 'daily%' ORDER BY table_name, ordinal_position";
    assert_eq!(found, postgres.texts(columns).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_replaced_only_on_demand_and_the_store_s_own_never() {
    let backend = Backend::sqlite();
    let store = backend.open().await;
    fill(&backend, Style::Plain).await;
    let file = file_in(&backend, "snapshot");
    fs::write(&file, "mine").unwrap();
    let refused = store.snapshot_organization(organization(0), &file, false).await;
    assert!(matches!(refused, Err(SnapshotError::Exists(path)) if path == file));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    // What a process of this id left when it was killed is no obstacle.
    let partial = file_in(&backend, &format!("snapshot.{}.partial", std::process::id()));
    fs::write(&partial, "half").unwrap();
    store.snapshot_organization(organization(0), &file, true).await.unwrap();
    let mut conn = open(&file).await;
    assert_eq!(sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM tickets").fetch_one(&mut conn).await.unwrap(), 1);

    for own in ["resly.db", "resly.db-wal", "resly.lock"] {
        let refused = store.snapshot_organization(organization(0), &file_in(&backend, own), true).await;
        assert!(matches!(refused, Err(SnapshotError::OfStore(_))), "{own}");
    }
    let nowhere = file_in(&backend, "nowhere/snapshot");
    let refused = store.snapshot_organization(organization(0), &nowhere, false).await;
    assert!(matches!(refused, Err(SnapshotError::File(_))));
    let mut left: Vec<_> =
        fs::read_dir(backend.config().data_dir).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.retain(|name| name.to_string_lossy().contains("snapshot"));
    assert_eq!(left, ["snapshot"], "nothing else stays behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_has_logins_instead() {
    let backend = Backend::postgres().await;
    let store = backend.open().await;
    let refused =
        store.snapshot_organization(organization(0), &file_in(&backend, "snapshot"), false).await.unwrap_err();
    assert!(matches!(refused, SnapshotError::NotSqlite) && refused.to_string().contains("resly db grant"));
}
