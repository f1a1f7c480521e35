//! The vectors of passages as `pgvector` has them, on a server that has it: see `make pgvector`.

use std::process::Command;

use resly_core::{
    id::OrganizationId,
    knowledge::{KnowledgeStore, NewSource},
};
use resly_store::{POSTGRES_BACKUP, POSTGRES_RESTORE, Store, StoreConfig};
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    backend::{Backend, organization, uuid},
    full_text::{login, refresh, texts},
    knowledge::source,
    postgres,
};

/// A source whose passages have these vectors.
fn embedded(organization: OrganizationId, title: &str, vectors: &[(&str, &[f32])]) -> NewSource {
    let names: Vec<&str> = vectors.iter().map(|(text, _)| *text).collect();
    let mut new = source(organization, title, &names);
    for (passage, (_, vector)) in new.passages.iter_mut().zip(vectors) {
        passage.vector = vector.to_vec();
    }
    new
}

const EMBEDDINGS: &str = "SELECT coalesce(embedding::text, 'none') FROM passages ORDER BY text";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_orders_its_own_passages_by_their_distance() {
    let backend = Backend::pgvector().await;
    let (store, own) = backend.with(&[]).await;
    let other = organization(&store, &[]).await;
    for organization in [own, other] {
        let new = embedded(organization, "A", &[("east", &[1.0, 0.0]), ("north", &[0.0, 1.0]), ("west", &[-1.0, 0.0])]);
        store.add_source(new).await.unwrap();
        let another = NewSource {
            embedder: "another".to_owned(),
            ..embedded(organization, "B", &[("of three", &[1.0, 0.0, 0.0])])
        };
        store.add_source(another).await.unwrap();
    }
    let mut bi = login(&backend, &store, own).await;
    let nearest = "SELECT text FROM passages WHERE embedder = 'test' ORDER BY embedding <=> '[0.9,0.1]'";
    assert_eq!(texts(&mut bi, nearest).await, ["east", "north", "west"], "its own alone, nearest first");
    let similar = "SELECT text FROM passages WHERE embedder = 'test' AND text <> 'west'
        ORDER BY embedding <-> (SELECT embedding FROM passages WHERE text = 'west') LIMIT 1";
    assert_eq!(texts(&mut bi, similar).await, ["north"]);

    // The index of the handbook.
    backend
        .script(
            "CREATE INDEX passages_nearest ON passages
             USING hnsw ((embedding::vector(2)) vector_cosine_ops) WHERE embedder = 'test'",
        )
        .await;
    let nearest = nearest.replace("embedding", "embedding::vector(2)");
    bi.execute("SET enable_seqscan = off; SET enable_sort = off; SET hnsw.iterative_scan = strict_order")
        .await
        .unwrap();
    let plan = texts(&mut bi, &format!("EXPLAIN {nearest}")).await.join("\n");
    assert!(plan.contains("Index Scan using passages_nearest"), "{plan}");
    assert_eq!(texts(&mut bi, &nearest).await, ["east", "north", "west"]);
}

/// The handbook's page for SQL.
const HANDBOOK: &str = include_str!("../../../../docs/dashboards.md");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queries_of_the_handbook_are_right() {
    let backend = Backend::pgvector().await;
    let (store, own) = backend.with(&[]).await;
    let mut bi = login(&backend, &store, own).await;
    let mut asked = 0;
    for block in HANDBOOK.split("```sql\n").skip(1) {
        let statements = block.split_once("```").unwrap().0.split(';').map(str::trim).filter(|text| !text.is_empty());
        for statement in statements {
            let statement = statement.replace("'[…]'", "array_fill(0.1::real, '{384}')::vector");
            match statement.split_once(' ').unwrap().0 {
                "SELECT" => {
                    asked += 1;
                    let plan = texts(&mut bi, &format!("EXPLAIN {statement}")).await;
                    assert!(!plan.is_empty());
                }
                "CREATE" if statement.contains(" EXTENSION ") => {}
                "CREATE" => backend.script(&statement).await,
                _ => drop(bi.execute(sqlx::AssertSqlSafe(statement)).await.unwrap()),
            }
        }
    }
    assert_eq!(asked, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_finite_number_arrives_as_it_is() {
    let backend = Backend::pgvector().await;
    let (store, org) = backend.with(&[]).await;
    let finite = [0.0, -0.0, 1.0, -0.1, 1e-3, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, -1.1e-40, 16_777_217.0];
    let long = vec![0.5; 1536];
    store
        .add_source(embedded(
            org,
            "A",
            &[("a", &finite), ("b", &[f32::NAN]), ("c", &[1.0, f32::INFINITY]), ("d", &[]), ("e", &long)],
        ))
        .await
        .unwrap();
    let found = backend.texts(EMBEDDINGS).await;
    let numbers: Vec<f32> =
        found[0].trim_matches(['[', ']']).split(',').map(|number| number.parse().unwrap()).collect();
    assert_eq!(bits(&numbers), bits(&finite));
    assert_eq!(found[1..4], ["none", "none", "none"], "what `pgvector` doesn't take is no reason to refuse a source");
    assert_eq!(found[4].matches("0.5").count(), 1536);
}

/// Tells `-0` from `0`.
fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_extension_may_come_and_go() {
    let backend = Backend::pgvector().await;
    let owner = format!("host_{}", uuid().simple());
    // Only a superuser may make it.
    let database = &backend.texts("SELECT current_database()::text").await[0];
    backend
        .script(&format!(
            "CREATE ROLE {owner} LOGIN CREATEROLE; ALTER DATABASE {database} OWNER TO {owner};
             ALTER SCHEMA public OWNER TO {owner}"
        ))
        .await;
    let url = backend.url().unwrap().replace("resly@", &format!("{owner}@"));
    let config = StoreConfig { database_url: Some(url), ..backend.config() };
    let store = Store::open(&config).await.unwrap();
    let org = organization(&store, &[]).await;
    store.add_source(embedded(org, "A", &[("a", &[1.0, 2.0])])).await.unwrap();
    let column =
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'passages'::regclass AND attname = 'embedding'";
    assert!(backend.texts(column).await.is_empty());
    store.close().await;

    // In a schema of its own, as some services have it.
    backend.script("CREATE SCHEMA extensions; CREATE EXTENSION vector SCHEMA extensions").await;
    // One that may not use the schema goes on without.
    Store::open(&config).await.unwrap().close().await;
    assert!(backend.texts(column).await.is_empty());
    backend.script("GRANT USAGE ON SCHEMA extensions TO PUBLIC").await;
    for _ in 0..2 {
        let store = Store::open(&config).await.unwrap();
        refresh(&store).await;
        assert_eq!(backend.texts(EMBEDDINGS).await[0], "[1,2]");
        store.close().await;
    }
    let store = Store::open(&config).await.unwrap();
    store.add_source(embedded(org, "B", &[("b", &[3.0])])).await.unwrap();
    assert_eq!(backend.texts(EMBEDDINGS).await, ["[1,2]", "[3]"]);

    // A host that serves goes on without it.
    backend.script("DROP EXTENSION vector CASCADE").await;
    assert!(backend.texts(column).await.is_empty());
    store.add_source(embedded(org, "C", &[("c", &[4.0])])).await.unwrap();
    store.close().await;
    backend.script("CREATE EXTENSION vector").await;
    let store = Store::open(&config).await.unwrap();
    refresh(&store).await;
    assert_eq!(backend.texts(EMBEDDINGS).await, ["[1,2]", "[3]", "[4]"]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_restored_with_its_vectors() {
    let backend = Backend::pgvector().await;
    let (store, org) = backend.with(&[]).await;
    store.add_source(embedded(org, "A", &[("a", &[1.0, 2.0])])).await.unwrap();
    let kept = tempfile::tempdir().unwrap();
    let empty = postgres::pgvector_database().await;
    for (command, url) in [(POSTGRES_BACKUP, backend.url().unwrap()), (POSTGRES_RESTORE, empty.as_str())] {
        let command = command.replace("FILE", kept.path().join("dump").to_str().unwrap());
        let path = format!("{}:{}", postgres::pgvector_binaries(), std::env::var("PATH").unwrap());
        let done = Command::new("sh").args(["-c", &command]).env("PATH", path).env("RESLY_DATABASE_URL", url).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let copy = Store::open(&StoreConfig { database_url: Some(empty.clone()), ..backend.config() }).await.unwrap();
    copy.add_source(embedded(org, "B", &[("b", &[3.0])])).await.unwrap();
    let mut conn = PgConnection::connect(&empty).await.unwrap();
    assert_eq!(texts(&mut conn, EMBEDDINGS).await, ["[1,2]", "[3]"]);
    let words = "SELECT text FROM passages WHERE search @@ 'billing:B' ORDER BY text";
    assert_eq!(texts(&mut conn, words).await, Vec::<String>::new(), "English has a stem");
    let words = "SELECT text FROM passages WHERE search @@ 'bill:B' ORDER BY text";
    assert_eq!(texts(&mut conn, words).await, ["a", "b"]);
}
