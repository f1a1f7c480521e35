//! Everything that can be done with a host, well and badly.

use std::net::SocketAddr;

use resly_tests::{
    canary::secret,
    mirror::WAYS,
    model::{After, Reply},
};
use serde_json::{Value, json};

use super::{oauth, run::Run};

/// Credentials as an admin enters them.
type Fields = Vec<(&'static str, String)>;

const ECHO: &str = include_str!("../../../bench/echo.wat");

/// A connector with an action for each way in which the mirror gives a credential back.
pub fn mirrored(id: &str, auth: Value, at: SocketAddr) -> Value {
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

/// Drives a host through everything.
pub async fn drive(run: &mut Run) {
    let at = run.mirror.address;
    let ways: [(&str, Value, Fields); 4] = [
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
        visitor(run, id, &credentials).await;
        let (_, value) = credentials.last().unwrap();
        assert!(run.mirror.was_shown(value), "{id}: the credential did go out");
    }
    oauth::drive(run).await;
    guests(run).await;
    chat(run).await;
    keys(run).await;
    webhook(run).await;
    knowledge(run).await;
    inspect(run).await;
}

/// Each way of echoing, from an admin and from a chat.
pub async fn echo(run: &mut Run, id: &str, connection: &str) {
    let base = format!("/api/admin/connections/{connection}");
    // The first call may spend its time waiting for the compiler.
    let mut tested = Value::Null;
    for _ in 0..5 {
        if tested["ok"] != true {
            tested = run.done("POST", &format!("{base}/test"), json!({})).await;
        }
    }
    assert_eq!(tested["ok"], true, "{id}: {tested}");
    run.done("POST", &format!("{base}/enable"), json!({})).await;
    let actions = WAYS.iter().map(|way| way.replace('-', "_"));
    let actions: Vec<String> = actions.chain(["raises", "mistyped", "fromjson"].map(str::to_owned)).collect();
    for action in &actions {
        run.admin("POST", &format!("{base}/actions/{action}"), json!({"id": "7"})).await;
        run.admin("POST", &format!("{base}/actions/{action}/dry-run"), json!({"id": "7"})).await;
        run.admin("GET", &format!("{base}/actions/{action}/sample"), Value::Null).await;
        for filter in [".", ".data", ".data | tostring | error", "tojson | @base64"] {
            let target = format!("{base}/actions/{action}/mapping/preview");
            run.admin("POST", &target, json!({"filter": filter})).await;
        }
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

/// A visitor's own account, of the same kind.
async fn visitor(run: &mut Run, id: &str, like: &Fields) {
    let body =
        json!({"connector": id, "name": "each", "environment": "production", "settings": {}, "owner": "visitor"});
    let made = run.done("POST", "/api/admin/connections", body).await;
    let base = format!("/api/admin/connections/{}", made["id"].as_str().unwrap());
    let theirs: Fields = like.iter().map(|(name, _)| (*name, secret("visitor-"))).collect();
    for (name, value) in theirs.iter().filter(|(name, _)| *name != "username") {
        run.canaries.watch(&format!("a visitor's {name} of {id}"), value, &[]);
    }
    let fields: serde_json::Map<String, Value> =
        theirs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let target = format!("{base}/visitors/anna/credentials");
    run.done("PUT", &target, Value::Object(fields.clone())).await;
    run.admin("PUT", &target, json!({"credentials": fields})).await;
    run.admin("PUT", &target, json!([theirs.last().unwrap().1])).await;
    for action in ["body", "denied", "nested"] {
        run.model.says([Reply::connector("each", action, json!({"id": "9"})), Reply::text("Done.")]);
        let body = json!({"messages": [{"role": "user", "content": "Mine"}], "visitorId": "anna"});
        run.admin("POST", "/api/chat?format=json", body).await;
        run.admin("POST", &format!("{base}/enable"), json!({})).await;
    }
    run.admin("GET", &format!("{base}/visitors/anna"), Value::Null).await;
    run.admin("DELETE", &format!("{base}/visitors/anna"), Value::Null).await;
    run.admin("DELETE", &base, Value::Null).await;
}

/// Secrets where they don't belong.
pub async fn misuse(run: &mut Run, id: &str, connection: &str, credentials: &[(&str, String)]) {
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
        // A dry run shows its caller the request that the caller's own input makes, and a preview names what the caller's own
        // filter calls: no secret is put into either.
        run.admin("POST", &format!("{target}/dry-run"), json!(value)).await;
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
            Reply::Raw(vec![format!("data: {{\"error\": {{\"message\": \"key {key}\"}}}}\n\n")], After::End),
            Reply::Raw(vec![format!("data: not JSON {key}\n\n")], After::Cut),
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

/// What a webhook's messages are signed with.
async fn webhook(run: &mut Run) {
    let at = |run: &Run, way: &str| json!({"url": format!("http://{}/{way}", run.mirror.address)});
    let body = at(run, "body");
    let first = run.new_webhook_secret("PUT", "/api/admin/webhook", body).await;
    let tested = run.done("POST", "/api/admin/webhook/test", Value::Null).await;
    assert_eq!(tested["ok"], true, "it was signed and sent: {tested}");
    let second = run.new_webhook_secret("POST", "/api/admin/webhook/rotate", json!({"overlap_s": 3600})).await;
    for way in ["body", "error", "denied", "redirect", "cut"] {
        let body = at(run, way);
        run.done("PUT", "/api/admin/webhook", body).await;
        run.done("POST", "/api/admin/webhook/test", Value::Null).await;
    }
    for secret in [first, second] {
        for wrong in [
            json!({"url": secret}),
            json!({"url": [secret]}),
            json!({"url": format!("https://user:{secret}@hooks.example.com/")}),
            json!({"url": "https://hooks.example.com/", "events": [secret]}),
            json!({"url": "https://hooks.example.com/", "secret": secret}),
            json!(secret),
        ] {
            let answer = run.admin("PUT", "/api/admin/webhook", wrong.clone()).await;
            assert!(answer.status >= 400, "{wrong}: {}", answer.text());
        }
        run.admin("POST", "/api/admin/webhook/rotate", json!({"overlap_s": secret})).await;
    }
    for target in ["/api/admin/webhook", "/api/admin/webhook/deliveries", "/api/admin/alerts"] {
        run.done("GET", target, Value::Null).await;
    }
    run.admin("DELETE", "/api/admin/webhook", Value::Null).await;
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
async fn inspect(run: &mut Run) {
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
