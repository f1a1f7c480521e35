//! What PostgreSQL has for those who search passages in SQL: words by language, without accents where it has `unaccent`.

use resly_core::{
    id::OrganizationId,
    knowledge::{KnowledgeStore, NewSource},
};
use resly_store::{CopyLimits, CopyPlace, DatabaseRoleName, NewDatabaseRole, Store, StoreConfig, copy_store};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    backend::{Backend, at, organization, uuid},
    both,
    knowledge::source,
};

/// A login that sees an organization, and its connection.
pub async fn login(backend: &Backend, store: &Store, organization: OrganizationId) -> PgConnection {
    let name = DatabaseRoleName::parse(&format!("bi_{}", uuid().simple())).unwrap();
    let new = NewDatabaseRole { organization, name: name.clone(), verifier: "secret".to_owned(), now: at(0) };
    store.grant_database_role(new).await.unwrap();
    let url = backend.url().unwrap().replace("resly@", &format!("{}@", name.as_str()));
    PgConnection::connect(&url).await.unwrap()
}

pub async fn texts(conn: &mut PgConnection, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(conn).await.unwrap()
}

async fn number(conn: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(conn).await.unwrap()
}

/// Until nothing is left.
pub async fn refresh(store: &Store) {
    while store.refresh_passages(resly_search::language).await.unwrap() {}
}

pub fn written_in(language: &'static str, organization: OrganizationId, title: &str, texts: &[&str]) -> NewSource {
    NewSource { language, ..source(organization, title, texts) }
}

pub const GERMAN: [&str; 2] = ["Die Rückgaben sind kostenlos.", "Der Versand dauert drei Tage."];

/// The texts of the passages that have a word of a language.
async fn having(backend: &Backend, language: &str, word: &str) -> Vec<String> {
    let query = format!("websearch_to_tsquery(resly_text_config('{language}'), '{word}')");
    backend.texts(&format!("SELECT text FROM passages WHERE search @@ {query} ORDER BY position")).await
}

both! {
    async fn passages_have_the_words_of_their_language(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        for new in [
            written_in("de", org, "Rückgabe", &GERMAN),
            written_in("en", org, "Shipping", &["Orders are shipped daily."]),
            // Serbian has a configuration since PostgreSQL 13, Japanese has none.
            written_in("ja", org, "返品", &["Refunds 返品"]),
        ] {
            store.add_source(new).await.unwrap();
        }
        if backend.is_sqlite() {
            assert!(!store.refresh_passages(resly_search::language).await.unwrap(), "SQLite derives nothing");
            return;
        }
        assert_eq!(having(&backend, "de", "rückgabe kostenlose").await, GERMAN[..1]);
        assert_eq!(having(&backend, "german", "RUCKGABE").await, GERMAN, "the title counts, and accents don't");
        assert_eq!(having(&backend, "en", "ordering ship").await, ["Orders are shipped daily."]);
        assert_eq!(having(&backend, "ja", "refunds").await, ["Refunds 返品"]);
        assert!(having(&backend, "ja", "refund").await.is_empty(), "a language without a configuration has no stems");
        // A title, a section and a text have weights of their own.
        for (weight, expected) in [("A", 2), ("B", 0), ("C", 1)] {
            let found = backend.texts(&format!("SELECT text FROM passages WHERE search @@ 'ruckgab:{weight}'")).await;
            assert_eq!(found.len(), expected, "{weight}");
        }
    }

    async fn older_passages_are_brought_up_to_date_some_at_a_time(backend: Backend) {
        if backend.is_sqlite() {
            return;
        }
        let (store, org) = backend.with(&[]).await;
        let many: Vec<&str> = (0..130).map(|n| GERMAN[n % 2]).collect();
        store.add_source(written_in("de", org, "Hilfe", &many)).await.unwrap();
        store.add_source(written_in("en", org, "Help", &["Orders are shipped to the address of the customer."])).await.unwrap();
        refresh(&store).await;
        let refreshing = "SELECT next_id::text FROM passage_refresh";
        assert!(backend.texts(refreshing).await.is_empty(), "there is nothing to do");
        // As an older host writes them.
        backend.script("UPDATE passages SET language = NULL").await;
        assert!(having(&backend, "de", "Rückgabe").await.is_empty());
        let (mut runs, mut places) = (1, backend.texts(refreshing).await);
        while store.refresh_passages(resly_search::language).await.unwrap() {
            runs += 1;
            places.extend(backend.texts(refreshing).await);
        }
        assert_eq!((runs, places.len()), (2, 2));
        assert!(places[0] < places[1], "{places:?}");
        assert!(backend.texts(refreshing).await.is_empty());
        assert_eq!(having(&backend, "de", "Rückgabe").await.len(), 65);
        let languages = "SELECT language || count(*) FROM passages GROUP BY language ORDER BY language";
        assert_eq!(backend.texts(languages).await, ["de130", "en1"]);
    }

    async fn a_login_finds_its_own_passages_by_the_index(backend: Backend) {
        if backend.is_sqlite() {
            return;
        }
        let (store, own) = backend.with(&[]).await;
        let other = organization(&store, &[]).await;
        for organization in [own, other] {
            store.add_source(written_in("de", organization, "Hilfe", &GERMAN)).await.unwrap();
            // Enough that a plan without an index is a bad one.
            backend
                .script(&format!(
                    "INSERT INTO passages (id, organization_id, source_id, position, title, section, text, language, embedder, vector)
                     SELECT gen_random_uuid(), organization_id, id, n, '', '', 'number ' || n, 'en', 'test', ''
                     FROM knowledge_sources, generate_series(10, 3000) AS n WHERE organization_id = '{organization}';
                     ANALYZE passages"
                ))
                .await;
        }
        let deleted = written_in("de", own, "Weg", &["Rückgaben gibt es nicht."]);
        store.add_source(deleted.clone()).await.unwrap();
        store.delete_sources(own, &[deleted.id]).await.unwrap();
        let mut bi = login(&backend, &store, own).await;
        let query = "websearch_to_tsquery(resly_text_config('de'), 'Rückgaben')";
        let condition = format!("SELECT text FROM passages WHERE search @@ {query} AND text LIKE 'Die %'");
        let scans = "SELECT pg_stat_get_xact_numscans('passages_search'::regclass)";
        bi.execute("BEGIN").await.unwrap();
        assert_eq!(texts(&mut bi, &condition).await, GERMAN[..1]);
        assert_eq!(number(&mut bi, scans).await, 0, "a condition of its own uses no index under row-level security");
        bi.execute("ROLLBACK").await.unwrap();
        for organization in [own, other] {
            bi.execute("BEGIN").await.unwrap();
            let found = format!(
                "SELECT p.text FROM resly_search({query}, '{organization}') f JOIN passages p ON p.id = f.passage_id ORDER BY f.rank DESC"
            );
            assert_eq!(texts(&mut bi, &found).await, GERMAN[..1], "whatever organization it names");
            assert!(number(&mut bi, scans).await > 0);
            bi.execute("ROLLBACK").await.unwrap();
        }
        // Who sees all rows names one organization.
        let mut owner = PgConnection::connect(backend.url().unwrap()).await.unwrap();
        let count = |arguments: &str| format!("SELECT count(*) FROM resly_search({query}{arguments})");
        assert_eq!(number(&mut owner, &count("")).await, 0);
        assert_eq!(number(&mut owner, &count(&format!(", '{other}'"))).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unaccent_may_come_and_go() {
    let backend = Backend::postgres().await;
    let owner = format!("host_{}", uuid().simple());
    // It may not make an extension in this database.
    backend.script(&format!("CREATE ROLE {owner} LOGIN; ALTER SCHEMA public OWNER TO {owner}")).await;
    let url = backend.url().unwrap().replace("resly@", &format!("{owner}@"));
    let config = StoreConfig { database_url: Some(url), ..backend.config() };
    let store = Store::open(&config).await.unwrap();
    let org = organization(&store, &[]).await;
    store.add_source(written_in("fr", org, "Aide", &["L'hôtel est fermé."])).await.unwrap();
    assert_eq!(having(&backend, "fr", "hôtel").await.len(), 1);
    assert!(having(&backend, "fr", "hotel").await.is_empty());
    store.close().await;

    // What the log tells an administrator to do.
    backend.script("CREATE EXTENSION unaccent").await;
    let store = Store::open(&config).await.unwrap();
    refresh(&store).await;
    for word in ["hôtel", "hotel", "HOTELS"] {
        assert_eq!(having(&backend, "fr", word).await.len(), 1, "{word}");
    }
    store.close().await;

    // The configurations go with it, and come back.
    backend.script("DROP EXTENSION unaccent CASCADE").await;
    let store = Store::open(&config).await.unwrap();
    refresh(&store).await;
    store.add_source(written_in("fr", org, "Aide", &["L'hôtel est ouvert."])).await.unwrap();
    assert_eq!(having(&backend, "fr", "hôtel").await.len(), 2);
    assert!(having(&backend, "fr", "hotel").await.is_empty());
    store.close().await;
    backend.script(&format!("REASSIGN OWNED BY {owner} TO resly; DROP OWNED BY {owner}; DROP ROLE {owner}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_has_the_words_of_its_passages() {
    let (from, to) = (Backend::sqlite(), Backend::postgres().await);
    let (store, org) = from.with(&[]).await;
    store.add_source(written_in("de", org, "Hilfe", &GERMAN)).await.unwrap();
    store.close().await;
    let places = (CopyPlace::Folder(from.config().data_dir), CopyPlace::Postgres(to.url().unwrap().to_owned()));
    copy_store(&places.0, &places.1, CopyLimits::default()).await.unwrap();
    assert_eq!(having(&to, "de", "ruckgabe").await, GERMAN[..1]);
}
