//! `resly db snapshot` and `resly db copy` beside a host that serves, and what clients see of a database that holds a lock.

use std::path::Path;

use resly_core::principal::Scope;
use resly_tests::{
    app::TestApp,
    host::{Running, binary, make_organization, mint},
    postgres,
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use tokio::process::Command;

/// Runs the binary to its end: whether it went well, its standard output, and what it said on standard error.
async fn resly(arguments: &[&str]) -> (bool, String, String) {
    let done = Command::new(binary()).args(arguments).kill_on_drop(true).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.success(), text(done.stdout), text(done.stderr))
}

/// The subjects of an organization's tickets.
async fn subjects(base: &str, key: &str) -> Value {
    let request = resly_tests::app::client().get(format!("{base}/rest/v1/tickets?select=subject&order=subject"));
    request.bearer_auth(key).send().await.unwrap().json().await.unwrap()
}

async fn add_ticket(base: &str, key: &str, subject: &str) {
    let request = resly_tests::app::client().post(format!("{base}/rest/v1/tickets")).bearer_auth(key);
    let made = request.json(&json!({"subject": subject, "body": "x"})).send().await.unwrap();
    assert_eq!(made.status(), 201);
}

/// A host with an organization that has a ticket: the organization's id, and a key of it.
async fn host_with_ticket(data: &Path, master: &str) -> (Running, String, String) {
    let host = Running::start(data, &[("RESLY_MASTER_KEY", master)]).await.unwrap();
    let organization = make_organization(&host.app, "acme").await;
    let key = mint(&host.app, organization, &[Scope::DataRead, Scope::DataWrite]).await;
    add_ticket(&host.base, &key, "first").await;
    (host, organization.to_string(), key)
}

#[tokio::test]
async fn a_snapshot_is_written_beside_a_running_host() {
    let data = tempfile::tempdir().unwrap();
    let master = resly_tests::host::master_key();
    let (host, id, key) = host_with_ticket(data.path(), &master).await;
    let file = data.path().join("acme.sqlite");
    let (folder, to) = (data.path().to_str().unwrap(), file.to_str().unwrap());
    let snapshot = ["db", "snapshot", "--organization", &id, "--to", to, "--data", folder];
    let (ok, out, said) = resly(&snapshot).await;
    assert!(ok, "{said}");
    let line: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&line["organization"], &line["rows"]["tickets"], &line["file"]), (&json!(id), &json!(1), &json!(to)));
    let mut conn = sqlx::SqliteConnection::connect(&format!("sqlite://{to}")).await.unwrap();
    let subjects: Vec<String> = sqlx::query_scalar("SELECT subject FROM tickets").fetch_all(&mut conn).await.unwrap();
    assert_eq!(subjects, ["first"]);

    let (ok, out, said) = resly(&snapshot).await;
    assert!(!ok && out.is_empty() && said.contains("--force"), "{said}");
    assert!(resly(&[&snapshot[..], &["--force"]].concat()).await.0);
    add_ticket(&host.base, &key, "second").await;
    host.stop().await;
}

#[tokio::test]
async fn an_installation_moves_to_postgresql_and_back() {
    let data = tempfile::tempdir().unwrap();
    let (folder, database) = (data.path().to_str().unwrap(), postgres::database().await);
    let master = resly_tests::host::master_key();
    let (host, _, key) = host_with_ticket(data.path(), &master).await;
    // The host goes on answering while everything is copied.
    let copy = ["db", "copy", "--from", folder, "--to", &database];
    let ((ok, out, said), before) = tokio::join!(resly(&copy), subjects(&host.base, &key));
    assert!(ok, "{out} {said}");
    assert!(out.lines().any(|line| line.starts_with("tickets ") && line.ends_with("equal")), "{out}");
    assert!(!out.contains("DIFFERENT") && !out.contains("written since"), "{out}");
    host.stop().await;

    // The same keys and rows on another store, and on.
    let other = tempfile::tempdir().unwrap();
    let settings = [("RESLY_DATABASE_URL", database.as_str()), ("RESLY_MASTER_KEY", master.as_str())];
    let moved = Running::start(other.path(), &settings).await.unwrap();
    assert_eq!(subjects(&moved.base, &key).await, before);
    add_ticket(&moved.base, &key, "second").await;
    moved.stop().await;

    let (ok, _, said) = resly(&["db", "copy", "--from", &database, "--to", folder]).await;
    assert!(!ok && said.contains("needs an empty store"), "{said}");
    let back = tempfile::tempdir().unwrap();
    let (ok, out, said) = resly(&["db", "copy", "--from", &database, "--to", back.path().to_str().unwrap()]).await;
    assert!(ok, "{out} {said}");
    let host = Running::start(back.path(), &[("RESLY_MASTER_KEY", &master)]).await.unwrap();
    assert_eq!(subjects(&host.base, &key).await, json!([{"subject": "first"}, {"subject": "second"}]));
    host.stop().await;
}

#[tokio::test]
async fn a_lock_on_the_database_ends_in_a_503_and_not_in_silence() {
    let url = postgres::database().await;
    let impatient = format!("{url}&options=-c%20lock_timeout%3D200ms");
    let app = TestApp::on_postgres(&impatient, "127.0.0.1:9".parse().unwrap()).await;
    let mut other = PgConnection::connect(&url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE conversations").await.unwrap();
    let ask = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let response = app.chat().json(&ask).send().await.unwrap();
    assert_eq!(response.status(), 503);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/store-unavailable");
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(app.chat().json(&ask).send().await.unwrap().status(), 200);
    assert_eq!(app.used("messages").await, 1, "the refused one isn't counted");
}
