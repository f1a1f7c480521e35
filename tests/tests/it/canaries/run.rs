//! The host under test: the binary, with every secret there is, logging all it can, and a record of all it wrote.

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
use resly_core::time::Random;
use resly_manifest::{Manifest, package::pack};
use resly_service::random::OsRandom;
use resly_tests::{
    canary::{Canaries, secret},
    collector::{Collector, Manner},
    host::binary,
    mirror::Mirror,
    model::ScriptedModel,
    oauth::OauthService,
    wire::{self, Answer},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

/// A host under test, and everything that came out of it.
pub struct Run {
    pub canaries: Canaries,
    /// Where, and what.
    pub written: Vec<(String, Vec<u8>)>,
    pub address: SocketAddr,
    child: Child,
    log: Arc<Mutex<Vec<u8>>>,
    pub operator: String,
    pub model_key: String,
    pub model: ScriptedModel,
    pub mirror: Mirror,
    pub service: OauthService,
    collector: Collector,
    data: tempfile::TempDir,
}

impl Run {
    pub async fn start() -> Self {
        let mut canaries = Canaries::default();
        let (data, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (model, mirror) = (ScriptedModel::start().await.unwrap(), Mirror::start().await.unwrap());
        let service = OauthService::start().await.unwrap();
        let (model_key, embedder_key) = (secret("sk-model-"), secret("sk-embedder-"));
        let shared = secret("shared-");
        let (collector, collector_key) = (Collector::start(Manner::Accepts).await, secret("collector-"));
        canaries.watch("the collector's key", &collector_key, &[]);
        canaries.watch("the shared client's secret", &shared, &[]);
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
        serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
        serve.env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{collector_key}"));
        serve.env("RESLY_OAUTH_CLIENTS", format!("gmail=our-app:{shared}"));
        let private = format!("{},{}", mirror.address, service.address);
        let (private, route) = (private, format!("example.com=http://{}", mirror.address));
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
        Self { canaries, written, address, child, log, operator, model_key, model, mirror, service, collector, data }
    }

    /// A request under a name by which its answer may be allowed to show something.
    pub async fn send(
        &mut self,
        place: &str,
        key: &str,
        method: &str,
        target: &str,
        body: &[u8],
        media: &str,
    ) -> Answer {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", media)];
        let answer = wire::send(self.address, method, target, &headers, body).await;
        self.written.push((place.to_owned(), answer.raw.clone()));
        // As one piece, too: a secret may lie across chunks.
        self.written.push((place.to_owned(), answer.body.clone()));
        answer
    }

    pub async fn admin(&mut self, method: &str, target: &str, body: Value) -> Answer {
        let (place, key) = (format!("{method} {target}"), self.operator.clone());
        self.send(&place, &key, method, target, body.to_string().as_bytes(), "application/json").await
    }

    /// The same, and it has to go well.
    pub async fn done(&mut self, method: &str, target: &str, body: Value) -> Value {
        let answer = self.admin(method, target, body).await;
        assert!(answer.status < 300, "{method} {target}: {}: {}", answer.status, answer.text());
        answer.json()
    }

    pub async fn new_key(&mut self, target: &str, body: Value) -> String {
        let (place, key) = (format!("a new key of {target}"), self.operator.clone());
        let answer = self.send(&place, &key, "POST", target, body.to_string().as_bytes(), "application/json").await;
        assert!(answer.status < 300, "{}", answer.text());
        let key = answer.json()["key"].as_str().unwrap().to_owned();
        watch_key(&mut self.canaries, &place, &key, &place);
        key
    }

    /// Has a webhook's secret made, which its answer alone may show.
    pub async fn new_webhook_secret(&mut self, method: &str, target: &str, body: Value) -> String {
        let (place, key) = (format!("a new secret of {method} {target}"), self.operator.clone());
        let answer = self.send(&place, &key, method, target, body.to_string().as_bytes(), "application/json").await;
        assert!(answer.status < 300, "{}", answer.text());
        let secret = answer.json()["secret"].as_str().unwrap().to_owned();
        let text = secret.strip_prefix("whsec_").unwrap();
        self.canaries.watch_bytes(&place, &STANDARD.decode(text).unwrap(), &[&place]);
        self.canaries.watch_bytes(&format!("{place}, its text"), text.trim_end_matches('=').as_bytes(), &[&place]);
        secret
    }

    /// Uploads a component made of WebAssembly text, and waits until it can run.
    pub async fn upload(&mut self, id: &str, wat: &str) {
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
        self.done("POST", &format!("{target}/versions/1.0.0/approve"), json!({})).await;
    }

    /// Installs a connector with credentials that are watched from now on.
    pub async fn install(&mut self, connector: &str, credentials: &[(&str, String)]) -> String {
        let fields: serde_json::Map<String, Value> =
            credentials.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        for (name, value) in credentials.iter().filter(|(name, _)| !["username", "client_id"].contains(name)) {
            self.canaries.watch(&format!("{name} of {connector}"), value, &[]);
        }
        let body = json!({"connector": connector, "name": connector, "environment": "production", "settings": {},
            "policy": {"allow_writes": true, "allow_publishable": true}, "credentials": fields});
        let made = self.done("POST", "/api/admin/connections", body).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// Ends the host as an operator does, and gathers what it left.
    pub async fn end(mut self) -> (Canaries, Vec<(String, Vec<u8>)>) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut out = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut out).await.unwrap();
        assert!(self.child.wait().await.unwrap().success());
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        let text = String::from_utf8_lossy(&log);
        assert!(text.contains(" TRACE ") && text.contains("draining"), "it logged all it can");
        self.written.extend([("serve, out".to_owned(), out), ("serve, log".to_owned(), log)]);
        let names = self.collector.names();
        for name in ["POST /api/chat", "invoke_agent resly", "execute_tool body"] {
            assert!(names.iter().any(|have| have == name), "OpenTelemetry's collector has `{name}`");
        }
        let exports = self.collector.exports().into_iter();
        self.written.extend(exports.map(|export| (format!("telemetry, {}", export.path), export.body.to_vec())));
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
