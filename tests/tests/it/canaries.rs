//! No secret anywhere: a host that logs all it can, every secret there is, every way to make it talk; then every byte that
//! it wrote is searched for each secret in each form.
//!
//! To add a secret: watch it in [`Run::start`] (or where it is made), and use it in [`drive`].

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use resly_core::{
    connector::{manifest::Manifest, pack::pack},
    time::Random,
};
use resly_server::random::OsRandom;
use resly_tests::{
    app::binary,
    canary::{Canaries, secret},
    mirror::{Mirror, WAYS},
    model::{Reply, ScriptedModel},
    wire::{self, Answer},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

const ECHO: &str = include_str!("../../bench/echo.wat");

/// A host under test, and everything that came out of it.
struct Run {
    canaries: Canaries,
    /// Where, and what.
    written: Vec<(String, Vec<u8>)>,
    address: SocketAddr,
    child: Child,
    log: Arc<Mutex<Vec<u8>>>,
    operator: String,
    model_key: String,
    model: ScriptedModel,
    mirror: Mirror,
    data: tempfile::TempDir,
}

impl Run {
    async fn start() -> Self {
        let mut canaries = Canaries::default();
        let (data, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (model, mirror) = (ScriptedModel::start().await.unwrap(), Mirror::start().await.unwrap());
        let (model_key, embedder_key) = (secret("sk-model-"), secret("sk-embedder-"));
        canaries.watch("the model's key", &model_key, &[]);
        canaries.watch("the embedder's key", &embedder_key, &[]);
        let mut master = [0; 32];
        OsRandom.fill(&mut master);
        canaries.watch_bytes("the master key", &master, &[]);
        let master = STANDARD.encode(master);
        canaries.watch_bytes("the master key's text", master.trim_end_matches('=').as_bytes(), &[]);
        let file = keys.path().join("master");
        std::fs::write(&file, format!("k1:{master}")).unwrap();

        let command = |arguments: &[&str]| {
            let mut command = Command::new(binary());
            command.args(arguments).arg("--data").arg(data.path()).current_dir(keys.path()).stdin(Stdio::null());
            command.env("RESLY_MASTER_KEY_FILE", &file).env("RESLY_LOG", "trace").env("RUST_BACKTRACE", "full");
            command.env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
            command
        };
        let init = command(&["init", "--organization", "Acme"]).output().await.unwrap();
        let made: Value = serde_json::from_slice(&init.stdout).expect("the binary is built by `make test`");
        let operator = made["admin_key"].as_str().unwrap().to_owned();
        watch_key(&mut canaries, "the first key", &operator, "init, out");

        let mut serve = command(&["serve", "--listen", "127.0.0.1:0"]);
        serve.env("RESLY_MODEL_URL", &model.url).env("RESLY_MODEL", "scripted").env("RESLY_MODEL_KEY", &model_key);
        serve.env("RESLY_EMBEDDER_URL", embedder().await).env("RESLY_EMBEDDER", "scripted");
        serve.env("RESLY_EMBEDDER_KEY", &embedder_key);
        let (private, route) = (mirror.address.to_string(), format!("example.com=http://{}", mirror.address));
        let mut child = serve.env("RESLY_EGRESS_ALLOW", private).env("RESLY_EGRESS_ROUTE", route).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).await.unwrap() > 0, "it says where it listens");
            log.lock().unwrap().extend_from_slice(line.as_bytes());
            if let Some((_, url)) = line.split_once("listening url=http://") {
                break url.split(['/', ' ']).next().unwrap().parse().unwrap();
            }
        };
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id().unwrap())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "a crash leaves no copy of the memory");
        let all = Arc::clone(&log);
        tokio::spawn(async move {
            let mut piece = vec![0; 64 << 10];
            while let Ok(read @ 1..) = lines.read(&mut piece).await {
                all.lock().unwrap().extend_from_slice(&piece[..read]);
            }
        });
        let written = vec![("init, out".to_owned(), init.stdout), ("init, log".to_owned(), init.stderr)];
        Self { canaries, written, address, child, log, operator, model_key, model, mirror, data }
    }

    /// A request under a name by which its answer may be allowed to show something.
    async fn send(&mut self, place: &str, key: &str, method: &str, target: &str, body: &[u8], media: &str) -> Answer {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", media)];
        let answer = wire::send(self.address, method, target, &headers, body).await;
        self.written.push((place.to_owned(), answer.raw.clone()));
        // As one piece, too: a secret may lie across chunks.
        self.written.push((place.to_owned(), answer.body.clone()));
        answer
    }

    async fn admin(&mut self, method: &str, target: &str, body: Value) -> Answer {
        let (place, key) = (format!("{method} {target}"), self.operator.clone());
        self.send(&place, &key, method, target, body.to_string().as_bytes(), "application/json").await
    }

    /// The same, and it has to go well.
    async fn done(&mut self, method: &str, target: &str, body: Value) -> Value {
        let answer = self.admin(method, target, body).await;
        assert!(answer.status < 300, "{method} {target}: {}: {}", answer.status, answer.text());
        answer.json()
    }

    async fn new_key(&mut self, target: &str, body: Value) -> String {
        let (place, key) = (format!("a new key of {target}"), self.operator.clone());
        let answer = self.send(&place, &key, "POST", target, body.to_string().as_bytes(), "application/json").await;
        let key = answer.json()["key"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
        watch_key(&mut self.canaries, &place, &key, &place);
        key
    }

    /// Uploads a component made of WebAssembly text, and waits until it can run.
    async fn upload(&mut self, id: &str, wat: &str) {
        let manifest: Manifest = serde_json::from_value(json!({
            "id": id, "name": id, "version": "1.0.0", "hosts": ["example.com"], "auth": {"type": "bearer"},
            "actions": [{"id": "go", "title": "Go", "description": "Goes.", "input": {"type": "object"}}],
        }))
        .unwrap();
        let packed = pack(&wat::parse_str(wat).unwrap(), &manifest).unwrap();
        let key = self.operator.clone();
        let answer = self.send("upload", &key, "POST", "/api/admin/connectors", &packed, "application/wasm").await;
        assert!(answer.status < 300, "{}", answer.text());
        let target = format!("/api/admin/connectors/{id}");
        while self.admin("GET", &target, Value::Null).await.json()["state"] == "compiling" {
            tokio::task::yield_now().await;
        }
    }

    /// Installs a connector with credentials that are watched from now on.
    async fn install(&mut self, connector: &str, credentials: &[(&str, String)]) -> String {
        let fields: serde_json::Map<String, Value> =
            credentials.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        for (name, value) in credentials.iter().filter(|(name, _)| *name != "username") {
            self.canaries.watch(&format!("{name} of {connector}"), value, &[]);
        }
        let body = json!({"connector": connector, "name": connector, "environment": "production", "settings": {},
            "policy": {"allow_writes": true, "allow_publishable": true}, "credentials": fields});
        let made = self.done("POST", "/api/admin/connections", body).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// Ends the host as an operator does, and gathers what it left.
    async fn end(mut self) -> (Canaries, Vec<(String, Vec<u8>)>) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut out = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut out).await.unwrap();
        assert!(self.child.wait().await.unwrap().success());
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        let text = String::from_utf8_lossy(&log);
        assert!(text.contains(" TRACE ") && text.contains("draining"), "it logged all it can");
        self.written.extend([("serve, out".to_owned(), out), ("serve, log".to_owned(), log)]);
        files(self.data.path(), &mut self.written);
        (self.canaries, self.written)
    }
}

fn watch_key(canaries: &mut Canaries, name: &str, key: &str, place: &str) {
    canaries.watch_bytes(name, key.rsplit('_').nth(1).unwrap().as_bytes(), &[place]);
}

/// Every file in a folder, by its path.
fn files(folder: &Path, written: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, written);
        } else {
            written.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

/// An embedder that refuses some texts, and repeats its key as it does so.
async fn embedder() -> String {
    type Refusal = (StatusCode, Json<Value>);
    async fn embed(headers: HeaderMap, State(()): State<()>, Json(body): Json<Value>) -> Result<Json<Value>, Refusal> {
        let inputs = body["input"].as_array().cloned().unwrap_or_default();
        if inputs.iter().any(|text| text.to_string().contains("unembeddable")) {
            let key = headers["authorization"].to_str().unwrap_or_default().to_owned();
            let said = json!({"error": {"message": format!("Incorrect API key provided: {key}, that is {key:?}")}});
            return Err((StatusCode::UNAUTHORIZED, Json(said)));
        }
        let data: Vec<Value> = (0..inputs.len())
            .map(|index| json!({"object": "embedding", "index": index, "embedding": [0.6, 0.8]}))
            .collect();
        Ok(Json(json!({"object": "list", "data": data, "model": "scripted"})))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/embeddings", post(embed)).with_state(());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A connector with an action for each way in which the mirror gives a credential back.
fn mirrored(id: &str, auth: Value, at: SocketAddr) -> Value {
    let action = |way: &&str| {
        json!({"id": way.replace('-', "_"), "title": way, "description": "Echoes.", "side_effect": "read",
            "input": {"type": "object", "properties": {"id": {"type": "string", "maxLength": 200}}},
            "request": {"method": "GET", "url": format!("http://{at}/{way}"), "query": {"id": "{{ input.id }}"}},
            "response": {"mapping": "."}})
    };
    let mut actions: Vec<Value> = WAYS.iter().map(action).collect();
    // Mappings that fail on what they are given, and say so.
    for (name, mapping) in
        [("raises", ".data | tostring | error"), ("mistyped", ".data + 1"), ("fromjson", ".data.raw | fromjson")]
    {
        actions.push(json!({"id": name, "title": name, "description": "Fails.", "input": {"type": "object"},
            "request": {"method": "GET", "url": format!("http://{at}/body")}, "response": {"mapping": mapping}}));
    }
    json!({"id": id, "name": id, "version": "1.0.0", "hosts": [at.to_string()], "auth": auth, "actions": actions,
        "settings": {"type": "object", "properties": {"shop": {"type": "string", "pattern": "^[a-z]{1,9}$"}}},
        "test": {"action": "body", "input": {}}})
}

/// Everything that can be done with a host, well and badly.
async fn drive(run: &mut Run) {
    let at = run.mirror.address;
    let ways: [(&str, Value, Vec<(&str, String)>); 4] = [
        (
            "by-header",
            json!({"type": "api_key", "in": "header", "name": "X-Api-Key"}),
            vec![("api_key", secret("ak+/=&\"<\\%"))],
        ),
        ("by-query", json!({"type": "api_key", "in": "query", "name": "key"}), vec![("api_key", secret("aq_"))]),
        ("by-bearer", json!({"type": "bearer"}), vec![("token", secret("tok."))]),
        ("by-basic", json!({"type": "basic"}), vec![("username", "anna".to_owned()), ("password", secret("p w:"))]),
    ];
    for (id, auth, credentials) in ways {
        run.done("POST", "/api/admin/connectors", mirrored(id, auth, at)).await;
        let connection = run.install(id, &credentials).await;
        echo(run, id, &connection).await;
        misuse(run, id, &connection, &credentials).await;
        let (_, value) = credentials.last().unwrap();
        assert!(run.mirror.was_shown(value), "{id}: the credential did go out");
    }
    guests(run).await;
    chat(run).await;
    keys(run).await;
    knowledge(run).await;
    look(run).await;
}

/// Each way of echoing, from an admin and from a chat.
async fn echo(run: &mut Run, id: &str, connection: &str) {
    let base = format!("/api/admin/connections/{connection}");
    run.done("POST", &format!("{base}/test"), json!({})).await;
    run.done("POST", &format!("{base}/enable"), json!({})).await;
    let actions = WAYS.iter().map(|way| way.replace('-', "_"));
    let actions: Vec<String> = actions.chain(["raises", "mistyped", "fromjson"].map(str::to_owned)).collect();
    for action in &actions {
        run.admin("POST", &format!("{base}/actions/{action}"), json!({"id": "7"})).await;
        // A service's refusals may have marked the connection, or opened its circuit.
        run.admin("POST", &format!("{base}/test"), json!({})).await;
        run.admin("POST", &format!("{base}/enable"), json!({})).await;
    }
    for (format, action) in [("text", "body"), ("ui", "nested"), ("json", "error")] {
        run.model.says([Reply::connector(id, action, json!({"id": "8"})), Reply::text("Done [1].")]);
        let body = json!({"messages": [{"role": "user", "content": "Look it up"}]});
        run.admin("POST", &format!("/api/chat?format={format}"), body).await;
    }
}

/// Secrets where they don't belong.
async fn misuse(run: &mut Run, id: &str, connection: &str, credentials: &[(&str, String)]) {
    let (field, value) = credentials.last().unwrap();
    let base = format!("/api/admin/connections/{connection}");
    let install = |extra: Value| {
        let mut body = json!({"connector": id, "name": "x", "environment": "production", "settings": {}});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    for extra in [
        json!({"credentials": value}),
        json!({"credentials": [value]}),
        json!({"credentials": {*field: [value]}}),
        json!({"credentials": {*field: {"value": value}}}),
        json!({"credentials": {"wrong": value}}),
        json!({"credentials": {*field: format!("{value}\u{1}")}}),
        json!({"credentials": {*field: value.repeat(2000)}}),
        json!({"environment": value}),
        json!({"auth": value}),
        json!({"owner": value}),
        json!({"policy": value}),
        json!({"mappings": {"body": [value]}}),
        json!({"settings": {"shop": value}}),
        json!({"settings": value}),
        json!({"connector": value}),
        json!({"version": value}),
    ] {
        let answer = run.admin("POST", "/api/admin/connections", install(extra.clone())).await;
        assert!(answer.status >= 400, "{extra}: {}", answer.text());
        run.admin("PATCH", &base, extra).await;
    }
    let cut = format!("{{\"credentials\": {{\"{field}\": \"{}", value.replace(['"', '\\'], ""));
    let key = run.operator.clone();
    run.send("cut", &key, "POST", "/api/admin/connections", cut.as_bytes(), "application/json").await;
    run.send("cut", &key, "POST", "/api/admin/connections", cut.as_bytes(), "text/plain").await;
    for action in ["body", "headers"] {
        let target = format!("{base}/actions/{action}");
        run.admin("POST", &target, json!({"id": value})).await;
        run.admin("POST", &target, json!({"id": value.repeat(20)})).await;
        run.admin("POST", &target, json!(value)).await;
    }
    // A credential as an API key, as an id, as a path.
    let plain = value.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    for key in [plain.clone(), format!("rsk_live_{plain}")] {
        run.send("unknown", &key, "GET", "/api/admin/keys", b"", "application/json").await;
        run.send("unknown", &key, "GET", &format!("/api/admin/keys/{plain}"), b"", "application/json").await;
        run.send("unknown", &key, "GET", &format!("/api/{plain}?api_key={plain}"), b"", "application/json").await;
    }
    for target in [
        format!("/api/admin/connections/{plain}"),
        format!("/api/{plain}"),
        format!("/{plain}"),
        format!("/docs/{plain}"),
    ] {
        run.admin("GET", &target, Value::Null).await;
    }
    run.admin("GET", &format!("/api/admin/logs?status={plain}&limit={plain}&before={plain}"), Value::Null).await;
    run.admin("GET", &format!("/console?token={plain}"), Value::Null).await;
}

/// Components that tell all they know, and that break with it in hand.
async fn guests(run: &mut Run) {
    let fetched = "(call $ok (i32.load (i32.const 528)) (i32.load (i32.const 532)))";
    let body = "(i32.load (i32.const 528)) (i32.load (i32.const 532))";
    let traps = "unreachable";
    let logs = format!("(call $emit (i32.const 3) {body}) (call $fail (i32.const 2) {body})");
    for (id, end) in [("teller", fetched), ("breaker", traps), ("logger", logs.as_str())] {
        run.upload(id, &ECHO.replace(fetched, end)).await;
        let token = secret("guest-");
        let connection = run.install(id, &[("token", token.clone())]).await;
        let base = format!("/api/admin/connections/{connection}");
        let answer = run.admin("POST", &format!("{base}/actions/go"), json!({})).await;
        assert_eq!(answer.status >= 400, id != "teller", "{id}: {}", answer.text());
        assert!(run.mirror.was_shown(&token), "{id} made its request");
        run.admin("POST", &format!("{base}/enable"), json!({})).await;
        run.model.says([Reply::connector(id, "go", json!({})), Reply::text("It broke.")]);
        run.admin("POST", "/api/chat", json!({"messages": [{"role": "user", "content": "Go"}]})).await;
        // New credentials in the place of the old.
        let renewed = secret("renewed-");
        run.canaries.watch("a renewed token", &renewed, &[]);
        run.done("PATCH", &base, json!({"credentials": {"token": renewed}})).await;
        run.admin("POST", &format!("{base}/actions/go"), json!({})).await;
        run.admin("DELETE", &base, Value::Null).await;
    }
}

/// Chats in each format, and models that repeat their key.
async fn chat(run: &mut Run) {
    let key = run.model_key.clone();
    let refused =
        |text: String| Reply::Status(401, json!({"error": {"message": text, "type": "invalid_request_error"}}));
    for format in ["text", "ui", "json"] {
        let target = format!("/api/chat?format={format}");
        for said in [
            Reply::text("All is well."),
            refused(format!("Incorrect API key provided: {key}. See the docs.")),
            refused(format!("Bearer {key}")),
            Reply::Status(400, json!({"detail": key, "headers": {"authorization": format!("Bearer {key}")}})),
            Reply::Status(500, json!(key)),
            Reply::Raw(
                vec![format!("data: {{\"error\": {{\"message\": \"key {key}\"}}}}\n\n")],
                resly_tests::model::After::End,
            ),
            Reply::Raw(vec![format!("data: not JSON {key}\n\n")], resly_tests::model::After::Cut),
        ] {
            // A status that may pass is asked again once.
            run.model.says([said.clone(), said]);
            run.admin("POST", &target, json!({"messages": [{"role": "user", "content": "Hello"}]})).await;
            while run.admin("GET", "/metrics", Value::Null).await.text().contains("resly_turns_running 1") {
                tokio::task::yield_now().await;
            }
        }
        run.admin("POST", &target, json!({"messages": [{"role": "user", "content": [7]}], "conversationId": 9})).await;
    }
}

async fn keys(run: &mut Run) {
    let made = run.new_key("/api/admin/keys", json!({"name": "web", "scopes": ["chat", "search", "admin"]})).await;
    let origin = json!({"name": "w", "kind": "publishable", "scopes": ["chat"], "origins": ["https://shop.example"]});
    let public = run.new_key("/api/admin/keys", origin).await;
    let listed = run.done("GET", "/api/admin/keys", Value::Null).await;
    let id = listed["keys"].as_array().unwrap().iter().find(|key| key["name"] == "web").unwrap()["id"].clone();
    let id = id.as_str().unwrap().to_owned();
    run.new_key(&format!("/api/admin/keys/{id}/rotate"), json!({"overlap_s": 60})).await;
    for key in [made.as_str(), public.as_str(), &made[..made.len() - 1], &public.replace("rpk", "rsk")] {
        for (method, target) in [("GET", "/api/admin/keys"), ("POST", "/api/chat"), ("DELETE", "/api/admin/plan")] {
            let place = format!("{method} {target} with a key");
            run.send(&place, key, method, target, b"{\"messages\":[]}", "application/json").await;
        }
        // Pasted where an id belongs, or into the path.
        run.admin("DELETE", &format!("/api/admin/keys/{key}"), Value::Null).await;
        run.admin("GET", &format!("/api/{key}"), Value::Null).await;
        run.send("pasted", key, "GET", &format!("/api/admin/keys/{key}/nothing?key={key}"), b"", key).await;
    }
    run.admin("DELETE", &format!("/api/admin/keys/{id}"), Value::Null).await;
    run.send("a deleted key", &made, "GET", "/api/admin/usage", b"", "application/json").await;
    run.admin("POST", "/api/admin/vault/rotate", Value::Null).await;
    run.admin("GET", "/api/admin/vault", Value::Null).await;
}

async fn knowledge(run: &mut Run) {
    let source = |text: &str| json!({"title": "Returns", "text": text, "content_type": "text/markdown"});
    run.done("POST", "/api/admin/sources", source("# Returns\n\nWithin 30 days.")).await;
    let failed = run.admin("POST", "/api/admin/sources", source("this is unembeddable")).await;
    assert_eq!(failed.status, 502, "the embedder refused: {}", failed.text());
    run.admin("POST", "/api/search", json!({"query": "returns"})).await;
    run.admin("POST", "/api/search", json!({"query": "unembeddable"})).await;
    run.admin("POST", "/api/chat", json!({"messages": [{"role": "user", "content": "unembeddable?"}]})).await;
}

/// Everything that can be read.
async fn look(run: &mut Run) {
    for target in [
        "/api/admin/connections",
        "/api/admin/connectors",
        "/api/admin/logs",
        "/api/admin/logs?status=trap",
        "/api/admin/usage",
        "/api/admin/plan",
        "/api/admin/keys",
        "/api/admin/sources",
        "/api/admin/workflows",
        "/api/admin/conversations",
        "/api/admin/tickets",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/docs/security",
        "/docs/problems",
        "/console",
    ] {
        run.admin("GET", target, Value::Null).await;
    }
    for (list, of) in [("connections", "id"), ("conversations", "id"), ("connectors", "id")] {
        let listed = run.done("GET", &format!("/api/admin/{list}"), Value::Null).await;
        for item in listed[list].as_array().cloned().unwrap_or_default() {
            let target = format!("/api/admin/{list}/{}", item[of].as_str().unwrap());
            run.admin("GET", &target, Value::Null).await;
            run.admin("GET", &format!("{target}/health"), Value::Null).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_host_writes_holds_a_secret() {
    let mut run = Run::start().await;
    drive(&mut run).await;
    let asked = run.model.asked().iter().map(Value::to_string).collect::<String>();
    run.written.push(("asked of the model".to_owned(), asked.into_bytes()));
    let (canaries, written) = run.end().await;

    let total = |of: &dyn Fn(&str) -> bool| -> usize {
        written.iter().filter(|(place, _)| of(place)).map(|(_, bytes)| bytes.len()).sum()
    };
    assert!(total(&|place| place.contains("resly.db")) > 100_000, "the database was read");
    assert!(total(&|place| place.contains("compiled")) > 100_000, "compiled code was read");
    let marked = |(_, bytes): &&(String, Vec<u8>)| bytes.windows(10).any(|window| window == b"[redacted]");
    assert!(written.iter().filter(marked).count() > 30, "echoes came back, redacted");
    let mut found: Vec<String> = written.iter().flat_map(|(place, bytes)| canaries.found_in(place, bytes)).collect();
    let count = found.len();
    found.truncate(40);
    assert!(found.is_empty(), "{count} leaks:\n{}", found.join("\n"));
}
