//! Every released version of the tables, filled, becomes the newest one; and what was released stays as it is.

use std::{collections::BTreeMap, fmt::Write};

use resly_rest::registry;
use resly_store::Store;
use sqlx::{
    Connection, Executor, PgConnection,
    migrate::{Migration, Migrator},
};

use crate::{
    backend::Backend,
    fill::{ROWS, Style, dump, fill, organization},
    rest::data::rows,
};

static SQLITE: Migrator = sqlx_macros::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx_macros::migrate!("migrations/postgres");
/// As `sha384sum` writes it.
const CHECKSUMS: &str = include_str!("../../migrations/checksums.txt");

/// The tables as they were after so many migrations.
async fn released(backend: &Backend, migrator: &Migrator, count: usize) {
    let first: Vec<Migration> = migrator.iter().take(count).cloned().collect();
    let migrator = Migrator::with_migrations(first);
    match backend.url() {
        None => {
            let mut conn = backend.sqlite_connection().await;
            // Nothing here has to survive a power cut.
            conn.execute("PRAGMA synchronous = OFF").await.unwrap();
            migrator.run(&mut conn).await.unwrap();
            conn.close().await.unwrap();
        }
        Some(url) => {
            let mut conn = PgConnection::connect(url).await.unwrap();
            migrator.run(&mut conn).await.unwrap();
            conn.close().await.unwrap();
        }
    }
}

/// Tables that REST shows and that the first version didn't have, with the version that made them.
const LATER: [(&str, i64); 2] = [("conversation_outcomes", 50), ("ticket_comments", 49)];

/// Whether the store reads the rows that REST shows.
async fn assert_answers(store: &Store, version: i64) {
    store.schema().await.unwrap();
    for table in registry::TABLES {
        for row in 0..ROWS {
            let found = rows(store, organization(row), table.name).await.unwrap();
            let made = LATER.iter().find(|(name, _)| *name == table.name).map_or(0, |(_, made)| *made);
            assert_eq!(found.rows.len(), usize::from(version >= made), "{} of version {version}", table.name);
        }
    }
}

async fn assert_migrates(backend: Backend, migrator: &Migrator, count: usize) {
    let version = migrator.iter().nth(count - 1).unwrap().version;
    released(&backend, migrator, count).await;
    let schema = fill(&backend, Style::Plain).await;
    let before = dump(&backend, &schema).await;
    assert!(before.iter().all(|(table, rows)| rows.len() == ROWS || table == "database_roles"), "version {version}");

    let store = backend.open().await;
    assert_answers(&store, version).await;
    store.close().await;
    let after = dump(&backend, &schema).await;
    for (table, rows) in before {
        assert_eq!(rows, after[&table], "{table} of version {version}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_released_version_of_sqlite_migrates_with_all_its_rows() {
    for count in 1..=SQLITE.iter().count() {
        assert_migrates(Backend::sqlite(), &SQLITE, count).await;
    }
}

/// Every third version and the last five: each takes a second of a busy machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn released_versions_of_postgres_migrate_with_all_their_rows() {
    let all = POSTGRES.iter().count();
    for count in (1..=all).filter(|count| count % 3 == 1 || count + 5 > all) {
        assert_migrates(Backend::postgres().await, &POSTGRES, count).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_start_at_once_migrate_once() {
    for count in [0, 1, POSTGRES.iter().count() - 1] {
        let backend = Backend::postgres().await;
        if count > 0 {
            released(&backend, &POSTGRES, count).await;
            fill(&backend, Style::Plain).await;
        }
        let config = backend.config();
        for host in futures::future::join_all((0..8).map(|_| Store::open(&config))).await {
            let store = host.unwrap();
            let schema = store.schema().await.unwrap();
            assert_eq!(schema.found, schema.expected);
            store.close().await;
        }
        let applied = backend.number("SELECT COUNT(*) FROM _sqlx_migrations WHERE success").await;
        assert_eq!(applied, i64::try_from(POSTGRES.iter().count()).unwrap(), "after version {count}");
    }
}

#[test]
fn a_released_migration_stays_as_it_is() {
    let mut listed: BTreeMap<&str, &str> = CHECKSUMS
        .lines()
        .map(|line| line.split_once("  ").expect("a line of checksums.txt is a checksum, two spaces and a file"))
        .map(|(sum, file)| (file, sum))
        .collect();
    let mut wrong = String::new();
    for (folder, migrator) in [("postgres", &POSTGRES), ("sqlite", &SQLITE)] {
        for migration in migrator.iter() {
            let file = format!("{folder}/{:04}_{}.sql", migration.version, migration.description.replace(' ', "_"));
            let sum: String = migration.checksum.iter().map(|byte| format!("{byte:02x}")).collect();
            match listed.remove(file.as_str()) {
                Some(listed) if listed == sum => {}
                Some(_) => writeln!(
                    wrong,
                    "{file} was changed. Databases that have it refuse to start then: take the change back, and make \
                     it in a migration of the next number."
                )
                .unwrap(),
                None => {
                    writeln!(wrong, "{file} is new: add this line to migrations/checksums.txt\n{sum}  {file}").unwrap()
                }
            }
        }
    }
    for file in listed.keys() {
        writeln!(wrong, "{file} is gone. Databases that have it refuse to start then: put it back.").unwrap();
    }
    assert!(wrong.is_empty(), "{wrong}");
}
