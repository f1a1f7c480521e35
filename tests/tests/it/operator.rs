//! The binary in an operator's hands: what it says when something is wrong, and how a new host begins.

use std::{path::Path, process::Stdio};

use resly_tests::{app::client, host::binary};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

/// A host that logs as JSON.
struct Host {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    url: String,
    /// What it said until it listened, and a little after.
    said: Vec<Value>,
}

impl Host {
    /// Starts a command that ends up as `resly serve`, and waits until the log says that it listens.
    async fn start(mut command: Command) -> Self {
        command.env("RESLY_LOG_FORMAT", "json").stderr(Stdio::piped()).stdin(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the binary is built by `make test`");
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut host = Self { child, log, url: String::new(), said: Vec::new() };
        let listening = host.says("listening").await;
        host.url = listening["url"].as_str().unwrap().to_owned();
        host
    }

    /// Waits for a line of the log whose message holds this.
    async fn says(&mut self, words: &str) -> Value {
        loop {
            let line = self.log.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended: {:?}", self.said));
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let found = line["message"].as_str().is_some_and(|message| message.contains(words));
            self.said.push(line.clone());
            if found {
                return line;
            }
        }
    }
}

fn serve(data: &Path) -> Command {
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command
}

/// Runs the binary to its end: whether it went well, and what it said.
async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String, String) {
    let done = Command::new(binary()).args(arguments).envs(variables.iter().copied()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.success(), text(done.stdout), text(done.stderr))
}

#[tokio::test]
async fn a_host_on_an_empty_folder_says_how_to_begin_and_that_works_beside_it() {
    let data = tempfile::tempdir().unwrap();
    let mut host = Host::start(serve(data.path())).await;
    let told = host.says("there is no organization yet").await;
    assert!(told["message"].as_str().unwrap().contains("resly init --organization NAME"), "{told}");

    let folder = data.path().to_str().unwrap();
    for name in ["", "  ", "two\nlines"] {
        let (ok, out, said) = run(&["init", "--organization", name, "--data", folder], &[]).await;
        assert!(!ok && out.is_empty() && said.contains("--organization"), "{name:?}: {said}");
    }
    let (ok, out, said) = run(&["init", "--organization", "Acme", "--data", folder], &[]).await;
    assert!(ok, "{said}");
    let made: Value = serde_json::from_str(&out).unwrap();
    let keys = client().get(format!("{}/api/admin/keys", host.url)).bearer_auth(made["admin_key"].as_str().unwrap());
    assert_eq!(keys.send().await.unwrap().status(), 200);
    let (ok, _, said) = run(&["init", "--organization", "Acme", "--data", folder], &[]).await;
    assert!(!ok && said.contains("already"), "{said}");
    host.child.kill().await.unwrap();
}

#[tokio::test]
async fn plans_and_organizations_are_kept_on_the_command_line_beside_a_host_and_without() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let (ok, _, said) = run(&["init", "--organization", "Operator", "--data", folder], &[]).await;
    assert!(ok, "{said}");
    let run = async |arguments: &[&str]| {
        let (ok, out, said) = run(&[arguments, &["--data", folder]].concat(), &[]).await;
        let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if ok { Ok(lines) } else { Err(said) }
    };
    let pro = ["plan", "create", "pro", "--title", "Pro", "--limit", "messages=5000", "--per-minute", "messages=60"];
    let made = run(&[&pro[..], &["--features", "chat,search"]].concat()).await.unwrap();
    assert_eq!((&made[0]["limits"]["messages"], &made[0]["features"]), (&json!(5000), &json!(["chat", "search"])));
    assert!(run(&["plan", "create", "pro"]).await.unwrap_err().contains("already"));
    let wrong = run(&["plan", "change", "pro", "--limit", "letters=1"]).await.unwrap_err();
    assert!(wrong.contains("--limit") && wrong.contains("connector_calls"), "{wrong}");

    let mut host = Host::start(serve(data.path())).await;
    let acme = ["organization", "create", "Acme", "--plan", "pro", "--status", "trial", "--trial-ends-at"];
    let made = run(&[&acme[..], &["2999-01-01T00:00:00Z"]].concat()).await.unwrap();
    assert_eq!(made[0]["organization"]["subscription"]["status"], "trial");
    let key = made[0]["admin_key"].as_str().unwrap();
    let ask = async |path: &str| client().get(format!("{}{path}", host.url)).bearer_auth(key).send().await.unwrap();
    let plan: Value = ask("/api/admin/plan").await.json().await.unwrap();
    assert_eq!((&plan["name"], &plan["per_minute"]["messages"]), (&json!("pro"), &json!(60)));
    assert_eq!(ask("/api/operator/plans").await.status(), 403, "a customer's key is no operator's");
    run(&["subscription", "override", "Acme", "--limit", "messages=7", "--limit", "fuel=none"]).await.unwrap();
    run(&["plan", "change", "pro", "--limit", "messages=9", "--features", "all", "--retire"]).await.unwrap();
    let plan: Value = ask("/api/admin/plan").await.json().await.unwrap();
    assert_eq!(plan["limits"]["messages"], 7);
    run(&["subscription", "override", "Acme"]).await.unwrap();
    let set = run(&["subscription", "set", "Acme", "--status", "active", "--period-ends-at", "never"]).await.unwrap();
    assert_eq!((&set[0]["subscription"]["status"], &set[0]["limits"]["messages"]), (&json!("active"), &json!(9)));
    run(&["organization", "rename", "Acme", "Acme Ltd"]).await.unwrap();
    let listed = run(&["organization", "list", "--plan", "pro"]).await.unwrap();
    assert_eq!((listed.len(), &listed[0]["name"]), (1, &json!("Acme Ltd")));
    let plans = run(&["plan", "list"]).await.unwrap();
    assert_eq!(plans.iter().map(|plan| &plan["id"]).collect::<Vec<_>>(), ["pro", "standard"]);
    assert!(!plans[0]["retired_at"].is_null(), "{plans:?}");
    host.child.kill().await.unwrap();
    assert_eq!(run(&["organization", "show", "Acme Ltd"]).await.unwrap()[0]["plan"], "pro");
}

#[tokio::test]
async fn every_mistake_in_the_settings_is_named_at_once() {
    let data = tempfile::tempdir().unwrap();
    let variables = [
        ("RESLY_LISTN", "127.0.0.1:1"),
        ("RESLY_MASTER_KEY", "k1:hunter2"),
        ("RESLY_LOG", "resly=loud"),
        ("RESLY_PUBLIC_URL", "https://chat.example\n.org"),
        ("RESLY_HEALTH_CHECK_S", "1"),
        ("RESLY_SERVICE_HOST", "10.0.0.1"),
    ];
    let (ok, _, said) = run(&["serve", "--data", data.path().to_str().unwrap()], &variables).await;
    assert!(!ok);
    for (name, _) in &variables[..5] {
        assert!(said.lines().any(|line| line.contains(&format!("{name}:"))), "{name}: {said}");
    }
    assert!(!said.contains("RESLY_SERVICE_HOST") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_passes_when_there_is_room() {
    // A disk of its own, in a namespace of its own: what is in the data folder is this test's alone. `fill` and `free` come
    // on standard input.
    const SCRIPT: &str = r#"
        set -eu
        mount -t tmpfs -o size=160m tmpfs "$1"
        exec 3<&0
        "$2" serve --listen 127.0.0.1:0 --data "$1" </dev/null &
        while read -r what <&3; do
            if [ "$what" = fill ]; then dd if=/dev/zero of="$1/filler" bs=64k 2>/dev/null || true; fi
            if [ "$what" = free ]; then rm "$1/filler"; fi
            echo "{\"message\": \"$what: done\"}" >&2
        done
        kill $!
    "#;
    let mut command = Command::new("unshare");
    let disk = tempfile::tempdir().unwrap();
    command.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]).arg(disk.path()).arg(binary());
    let mut host = Host::start(command).await;
    let key = {
        // Made beside the host, in its own namespace.
        let pid = host.child.id().unwrap().to_string();
        let mut init = Command::new("nsenter");
        init.args(["--user", "--preserve-credentials", "--mount", "--target", &pid, "--"]).arg(binary());
        init.args(["init", "--organization", "Acme", "--data"]).arg(disk.path());
        let done = init.output().await.expect("the tests need `unshare` and `nsenter` (util-linux)");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let made: Value = serde_json::from_slice(&done.stdout).unwrap();
        made["admin_key"].as_str().unwrap().to_owned()
    };
    let mut input = host.child.stdin.take().unwrap();
    let store = async |url: &str| {
        let body = json!({"title": "t", "text": "many words. ".repeat(200_000), "content_type": "text/markdown"});
        client().post(format!("{url}/api/admin/sources")).bearer_auth(&key).json(&body).send().await.unwrap()
    };
    let ready = async |url: &str| client().get(format!("{url}/readyz")).send().await.unwrap();

    input.write_all(b"fill\n").await.unwrap();
    host.says("fill: done").await;
    let url = host.url.clone();
    let response = ready(&url).await;
    assert_eq!(response.status(), 503);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/disk-full", "{problem}");
    let response = store(&url).await;
    assert_eq!(response.status(), 503);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/disk-full", "{problem}");
    assert!(!problem.to_string().contains("reached"), "{problem}");

    input.write_all(b"free\n").await.unwrap();
    host.says("free: done").await;
    assert_eq!(store(&url).await.status(), 201);
    drop(input);
    host.child.wait().await.unwrap();
}
