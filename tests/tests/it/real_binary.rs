//! The binary as an operator runs it: its line of JSON, a crash in the middle of an answer, and a clean stop.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use resly_tests::{
    host::binary,
    model::{After, Reply, ScriptedModel, event},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

/// A demo host in a process of its own, which ends with this.
pub struct Demo {
    pub child: Child,
    pub url: String,
    pub key: String,
    pub admin: String,
}

pub async fn demo(data: &Path, model: Option<&ScriptedModel>) -> Demo {
    start(Command::new(binary()), data, model).await
}

/// With a limit of open files, and settings by the names of their variables.
async fn limited_demo(data: &Path, open_files: &str, settings: &[(&str, &str)]) -> Demo {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "sh", open_files]).arg(binary());
    command.envs(settings.iter().copied());
    start(command, data, None).await
}

async fn start(mut command: Command, data: &Path, model: Option<&ScriptedModel>) -> Demo {
    command.args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    if let Some(model) = model {
        command.env("RESLY_MODEL_URL", &model.url).env("RESLY_MODEL", "scripted");
    }
    let mut child = command.spawn().expect("the binary is built by `make test`");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| ready[name].as_str().unwrap().to_owned();
    assert!(text("console_url").starts_with("http"));
    Demo { url: text("url"), key: text("api_key"), admin: text("admin_key"), child }
}

impl Demo {
    pub fn chat(&self, body: &Value) -> reqwest::RequestBuilder {
        client().post(format!("{}/api/chat", self.url)).bearer_auth(&self.key).json(body)
    }

    async fn messages_used(&self) -> u64 {
        let usage = client().get(format!("{}/api/admin/usage", self.url)).bearer_auth(&self.admin).send();
        let usage: Value = usage.await.unwrap().json().await.unwrap();
        usage["meters"]["messages"]["used"].as_u64().unwrap()
    }
}

pub fn client() -> reqwest::Client {
    resly_tests::app::client()
}

pub fn ask(question: &str) -> Value {
    json!({"messages": [{"role": "user", "content": question}]})
}

#[tokio::test]
async fn the_demo_answers_from_the_handbook_and_through_shopify() {
    let data = tempfile::tempdir().unwrap();
    let demo = demo(data.path(), None).await;
    let docs = demo.chat(&ask("How do I rotate an API key?")).send().await.unwrap();
    assert_eq!(docs.status(), 200);
    let citations: Value = serde_json::from_str(docs.headers()["x-citations"].to_str().unwrap()).unwrap();
    assert!(!citations.as_array().unwrap().is_empty());
    assert!(docs.text().await.unwrap().to_lowercase().contains("rotate"));

    let order = demo.chat(&ask("Where is my order #1001?")).send().await.unwrap().text().await.unwrap();
    assert!(order.contains("1001"), "{order}");
}

#[tokio::test]
async fn usage_is_exactly_right_after_a_crash() {
    let data = tempfile::tempdir().unwrap();
    let model = ScriptedModel::start().await.unwrap();
    let mut first = demo(data.path(), Some(&model)).await;
    let before = first.messages_used().await;
    assert_eq!(first.chat(&ask("Hi")).send().await.unwrap().text().await.unwrap(), "ok");

    // Killed in the middle of an answer, a question with an idempotency key.
    let half = event(&json!({"content": "Half of it. \n And "}), Value::Null);
    model.says([Reply::Raw(vec![half], After::Stall)]);
    let mut answer = first.chat(&ask("Tell me")).header("idempotency-key", "crash").send().await.unwrap();
    let message = answer.headers()["x-message-id"].to_str().unwrap().to_owned();
    assert!(answer.chunk().await.unwrap().is_some());
    first.child.kill().await.unwrap();
    assert!(answer.text().await.is_err(), "a cut answer doesn't look like success");

    let second = demo(data.path(), Some(&model)).await;
    assert_eq!(second.messages_used().await, before + 2, "the accepted question stays counted, once");
    let path = format!("{}/api/messages/{message}", second.url);
    let stored: Value = client().get(path).bearer_auth(&second.admin).send().await.unwrap().json().await.unwrap();
    assert_eq!(stored["status"], "interrupted", "{stored}");
}

#[tokio::test]
async fn an_upload_is_compiled_by_the_next_host_when_one_dies_over_it() {
    let data = tempfile::tempdir().unwrap();
    let mut first = demo(data.path(), None).await;
    let seen = async |demo: &Demo| -> Value {
        let path = format!("{}/api/admin/connectors/slow?version=1.0.0", demo.url);
        client().get(path).bearer_auth(&demo.admin).send().await.unwrap().json().await.unwrap()
    };
    let upload = client()
        .post(format!("{}/api/admin/connectors", first.url))
        .bearer_auth(&first.admin)
        .header("content-type", "application/wasm")
        .body(crate::bombs::honest("slow", 60_000));
    let upload = tokio::spawn(upload.send());
    while seen(&first).await["state"] != "compiling" {
        tokio::task::yield_now().await;
    }
    first.child.kill().await.unwrap();
    drop(upload.await);

    let second = demo(data.path(), None).await;
    loop {
        let slow = seen(&second).await;
        if slow["state"] != "compiling" {
            assert_eq!((&slow["state"], &slow["approval"]), (&json!("ready"), &json!("pending")), "{slow}");
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Runs the binary to its end: whether it went well, its standard output, and what it said on standard error.
pub async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String, String) {
    let mut command = Command::new(binary());
    let done = command.args(arguments).envs(variables.iter().copied()).kill_on_drop(true).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.success(), text(done.stdout), text(done.stderr))
}

#[tokio::test]
async fn a_key_is_made_beside_a_running_host_on_sqlite() {
    let data = tempfile::tempdir().unwrap();
    let demo = demo(data.path(), None).await;
    let folder = data.path().to_str().unwrap();
    let create = ["key", "create", "--organization", "demo", "--data", folder];
    let (ok, out, said) = run(&create, &[]).await;
    assert!(ok, "{said}");
    let made: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&made["name"], &made["scopes"]), (&json!("demo"), &json!(["chat", "search", "admin"])), "{out}");
    let keys = client().get(format!("{}/api/admin/keys", demo.url)).bearer_auth(made["key"].as_str().unwrap());
    let listed: Value = keys.send().await.unwrap().json().await.unwrap();
    assert!(listed["keys"].as_array().unwrap().iter().any(|key| key["id"] == made["id"]), "{listed}");
    assert_eq!(demo.chat(&ask("Hi")).send().await.unwrap().status(), 200, "the host goes on");

    let of_demo = ["--organization", "demo", "--data", folder];
    let listed: Value = serde_json::from_str(&run(&[&["key", "list"], &of_demo[..]].concat(), &[]).await.1).unwrap();
    let ids: Vec<&Value> = listed["keys"].as_array().unwrap().iter().map(|key| &key["id"]).collect();
    assert!(ids.contains(&&made["id"]) && !listed.to_string().contains("secret_hash"), "{listed}");
    let delete = [&["key", "delete", "--id", made["id"].as_str().unwrap()], &of_demo[..]].concat();
    let (ok, out, said) = run(&delete, &[]).await;
    assert!(ok && out.contains("\"deleted\""), "{said}");
    let gone = async || client().get(format!("{}/api/admin/keys", demo.url)).bearer_auth(made["key"].as_str().unwrap());
    while gone().await.send().await.unwrap().status() != 401 {
        tokio::task::yield_now().await;
    }
    let (ok, _, said) = run(&delete, &[]).await;
    assert!(!ok && said.contains("there is no such key"), "{said}");

    let chat = [&create[..], &["--scopes", "chat", "--name", "shop"]].concat();
    let made: Value = serde_json::from_str(&run(&chat, &[]).await.1).unwrap();
    let keys = client().get(format!("{}/api/admin/keys", demo.url)).bearer_auth(made["key"].as_str().unwrap());
    assert_eq!(keys.send().await.unwrap().status(), 403);

    let (ok, out, said) = run(&["key", "create", "--organization", "nobody", "--data", folder], &[]).await;
    assert!(!ok && out.is_empty() && said.contains("there is no organization `nobody`; there are `demo`"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    let nothing = ["key", "create", "--organization", "demo", "--data", empty.path().to_str().unwrap()];
    let (ok, _, said) = run(&nothing, &[]).await;
    assert!(!ok && said.contains("resly init"), "{said}");
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[tokio::test]
async fn a_key_is_made_beside_running_hosts_on_postgres() {
    let database = resly_tests::postgres::database().await;
    let master = resly_tests::host::master_key();
    let settings = [("RESLY_DATABASE_URL", database.as_str()), ("RESLY_MASTER_KEY", master.as_str())];
    let data = tempfile::tempdir().unwrap();
    let host = resly_tests::host::Running::start(data.path(), &settings).await.unwrap();
    let id = resly_tests::host::make_organization(&host.app, "acme").await.to_string();
    let own = tempfile::tempdir().unwrap();
    let create = ["key", "create", "--organization", id.as_str(), "--data", own.path().to_str().unwrap()];
    let (ok, out, said) = run(&create, &settings).await;
    assert!(ok, "{said}");
    let made: Value = serde_json::from_str(&out).unwrap();
    let keys = client().get(format!("{}/api/admin/keys", host.base)).bearer_auth(made["key"].as_str().unwrap());
    assert_eq!(keys.send().await.unwrap().status(), 200);
    let own_folder = own.path().to_str().unwrap();
    let of = ["--organization", id.as_str(), "--data", own_folder];
    let (ok, out, said) = run(&[&["key", "list"], &of[..]].concat(), &settings).await;
    assert!(ok && out.contains(made["id"].as_str().unwrap()), "{said}");
    let delete = [&["key", "delete", "--id", made["id"].as_str().unwrap()], &of[..]].concat();
    let (ok, _, said) = run(&delete, &settings).await;
    assert!(!ok && said.contains("last key"), "the last key that may administer stays: {said}");
    for verb in [&["backup", "--to", "copy"][..], &["restore", "--from", "copy"]] {
        let (ok, _, said) = run(&[&["db"], verb, &["--data", own_folder]].concat(), &settings).await;
        assert!(!ok && said.contains("pg_dump") | said.contains("pg_restore"), "{said}");
        assert!(!said.contains(&database), "the URL may hold a password: {said}");
    }
    host.stop().await;
}

fn signal(demo: &Demo) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(demo.child.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

async fn ended(demo: &mut Demo) -> std::process::ExitStatus {
    tokio::time::timeout(Duration::from_secs(15), demo.child.wait()).await.unwrap().unwrap()
}

#[tokio::test]
async fn sigterm_ends_an_idle_host_at_once() {
    let data = tempfile::tempdir().unwrap();
    let mut demo = demo(data.path(), None).await;
    let address = demo.url.trim_start_matches("http://").to_owned();
    let kept = client().get(format!("{}/healthz", demo.url)).send().await.unwrap();
    let _silent = tokio::net::TcpStream::connect(&address).await.unwrap();
    let mut partial = tokio::net::TcpStream::connect(&address).await.unwrap();
    partial.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let started = Instant::now();
    signal(&demo);
    assert!(ended(&mut demo).await.success());
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    drop(kept);
}

#[tokio::test]
async fn sigterm_cuts_what_does_not_end_within_nine_seconds_and_says_so() {
    let data = tempfile::tempdir().unwrap();
    let model = ScriptedModel::start().await.unwrap();
    let mut demo = demo(data.path(), Some(&model)).await;
    let half = event(&json!({"content": "Half of it. "}), Value::Null);
    model.says([Reply::Raw(vec![half.clone()], After::Stall), Reply::Raw(vec![half], After::Stall)]);
    let mut answers = Vec::new();
    for format in ["ui", "text"] {
        let request = client().post(format!("{}/api/chat?format={format}", demo.url)).bearer_auth(&demo.key);
        let mut answer = request.json(&ask("Tell me")).send().await.unwrap();
        let mut seen = String::new();
        while !seen.contains("Half of it.") {
            seen.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
        }
        answers.push(answer);
    }
    let started = Instant::now();
    signal(&demo);
    let text = answers.pop().unwrap();
    let ui = answers.pop().unwrap();
    let message = text.headers()["x-message-id"].to_str().unwrap().to_owned();
    let ui = ui.text().await.unwrap();
    assert!(ui.contains(r#""type":"error""#) && ui.contains("this host is stopping"), "{ui}");
    assert!(text.text().await.is_err(), "a cut answer doesn't look like success");
    assert!(ended(&mut demo).await.success());
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());

    let second = self::demo(data.path(), Some(&model)).await;
    let path = format!("{}/api/messages/{message}", second.url);
    let stored: Value = client().get(path).bearer_auth(&second.admin).send().await.unwrap().json().await.unwrap();
    assert_eq!((&stored["status"], &stored["content"]), (&json!("interrupted"), &json!("Half of it. ")), "{stored}");
}

#[tokio::test]
async fn a_second_signal_ends_now() {
    let data = tempfile::tempdir().unwrap();
    let model = ScriptedModel::start().await.unwrap();
    let mut demo = demo(data.path(), Some(&model)).await;
    model.says([Reply::Raw(vec![event(&json!({"content": "Half of it. \n And "}), Value::Null)], After::Stall)]);
    let mut answer = demo.chat(&ask("Tell me")).send().await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some());
    let started = Instant::now();
    signal(&demo);
    // It has taken the first one once nobody can connect any more.
    while tokio::net::TcpStream::connect(demo.url.trim_start_matches("http://")).await.is_ok() {
        tokio::task::yield_now().await;
    }
    signal(&demo);
    assert_eq!(ended(&mut demo).await.code(), Some(143));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn more_silent_connections_than_descriptors_do_not_keep_out_health_checks() {
    let data = tempfile::tempdir().unwrap();
    let settings = [("RESLY_HEAD_TIMEOUT_S", "3")];
    let demo = limited_demo(data.path(), "256", &settings).await;
    let address = demo.url.trim_start_matches("http://").to_owned();
    let mut silent = Vec::new();
    for _ in 0..400 {
        silent.push(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    for _ in 0..3 {
        let health = client().get(format!("{}/healthz", demo.url)).timeout(Duration::from_secs(5)).send().await;
        assert_eq!(health.unwrap().status(), 200);
    }
    for stream in &mut silent {
        // By an end or a reset: each of them is closed.
        let mut said = Vec::new();
        let ended = stream.read_to_end(&mut said);
        assert!(tokio::time::timeout(Duration::from_secs(15), ended).await.is_ok());
    }
    assert_eq!(demo.chat(&ask("Hi")).send().await.unwrap().status(), 200);
}
