//! An incremental job on the tables: PyPI's `dlt` copies them into DuckDB while chats and tickets are written.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use reqwest::Method;
use resly_core::{principal::Scope, time::Timestamp};
use resly_tests::{
    app::TestApp,
    host::{binary, mint},
    postgres,
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

/// A ticket of a transaction that takes its time early and commits late.
const LATE: &str = "00000000-0000-4000-8000-0000000000aa";

struct Job {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    _data: tempfile::TempDir,
}

impl Job {
    fn start(app: &TestApp, key: &str) -> Self {
        let python = binary().with_file_name("../tools/dlt-1.31.0/bin/python");
        assert!(python.exists(), "{} is missing: run `make test`, which installs it", python.display());
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/dlt/load.py"))
            .env("DLT_DATA_DIR", data.path())
            .env("RUNTIME__DLTHUB_TELEMETRY", "false")
            .env("RESLY_URL", app.url(""))
            .env("RESLY_DATA_KEY", key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from, _data: data }
    }

    /// Runs the job, and returns what it says at its end.
    async fn run(mut self, line: &'static str) -> (Self, String) {
        let run = move || {
            writeln!(self.to, "{line}").unwrap();
            let mut said = String::new();
            self.from.read_line(&mut said).unwrap();
            assert!(!said.is_empty(), "the job failed; its reason is above");
            (self, said)
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn send(app: &TestApp, key: &str, method: Method, path: &str, body: Option<Value>) -> Value {
    let request = app.client.request(method, app.url(&format!("/rest/v1/{path}"))).bearer_auth(key);
    let request =
        body.iter().fold(request.header("prefer", "return=representation"), |request, body| request.json(body));
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}

/// Chats, opens tickets and closes some, until it is told to stop.
async fn write(app: &TestApp, key: &str, stop: &AtomicBool) {
    let mut before: Option<(Value, Value)> = None;
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) || count < 3 {
        count += 1;
        let mut chat = json!({"messages": [{"role": "user", "content": format!("Question {count}")}]});
        if let Some((conversation, ticket)) = before.take() {
            chat["conversationId"] = conversation;
            let path = format!("tickets?id=eq.{}", ticket.as_str().unwrap());
            send(app, key, Method::PATCH, &path, Some(json!({"status": "closed"}))).await;
        }
        let conversation = app.answer(chat).await["conversationId"].clone();
        let ticket = json!({"subject": "s", "body": "b", "conversation_id": conversation});
        let made = send(app, key, Method::POST, "tickets", Some(ticket)).await;
        if count % 3 > 0 {
            before = Some((conversation, made[0]["id"].clone()));
        }
    }
}

/// All rows of a table as the job prints them.
async fn rows(app: &TestApp, key: &str, table: &str, more: &str) -> Vec<Value> {
    let mut found = Vec::new();
    loop {
        let path = format!("{table}?select=id,updated_at,{more}&order=id&offset={}", found.len());
        let page = send(app, key, Method::GET, &path, None).await;
        let page = page.as_array().unwrap();
        found.extend(page.iter().map(|row| {
            let at: Timestamp = row["updated_at"].as_str().unwrap().parse().unwrap();
            json!([row["id"], at.micros(), row[more]])
        }));
        if page.len() < 1000 {
            return found;
        }
    }
}

async fn the_job_misses_nothing(app: TestApp, database: Option<String>) {
    let key = mint(app.host(), app.organization(), &[Scope::DataWrite]).await;
    let stop = AtomicBool::new(false);
    let load = async {
        let job = Job::start(&app, &key);
        let (job, first) = job.run("load").await;
        let late = match &database {
            None => None,
            Some(url) => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                conn.execute("BEGIN").await.unwrap();
                let insert = "INSERT INTO tickets (id, organization_id, subject, body, status, created_at, updated_at)
                              VALUES ($1::uuid, $2, 'late', 'b', 'open', now() - interval '1 minute', now() - interval '1 minute')";
                let insert = sqlx::query(insert).bind(LATE).bind(app.organization().0);
                insert.execute(&mut conn).await.unwrap();
                Some(conn)
            }
        };
        let (job, second) = job.run("load").await;
        if let Some(mut conn) = late {
            conn.execute("COMMIT").await.unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!((first.trim(), second.trim()), ("loaded", "loaded"));
        job
    };
    let (job, ..) = futures::join!(load, write(&app, &key, &stop), write(&app, &key, &stop));
    let (_job, said) = job.run("end").await;
    let loaded: Value = serde_json::from_str(&said).unwrap();
    for (table, more) in [("conversations", "organization_id"), ("tickets", "status")] {
        let there = rows(&app, &key, table, more).await;
        assert!(there.len() > 4, "{table}: {}", there.len());
        let loaded = loaded[table].as_array().unwrap();
        let missed: Vec<&Value> = there.iter().filter(|row| !loaded.contains(row)).collect();
        assert!(missed.is_empty(), "{table}: {} of {} rows are missing or old: {missed:?}", missed.len(), there.len());
        assert_eq!(loaded.len(), there.len(), "{table}: rows are there twice");
    }
    let late = loaded["tickets"].as_array().unwrap().iter().any(|row| row[0] == LATE);
    assert_eq!(late, database.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incremental_job_misses_nothing_on_sqlite() {
    the_job_misses_nothing(TestApp::start().await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incremental_job_misses_nothing_on_postgres() {
    let url = postgres::database().await;
    // No connector is called.
    let nowhere = "127.0.0.1:9".parse().unwrap();
    the_job_misses_nothing(TestApp::on_postgres(&url, nowhere).await, Some(url)).await;
}
