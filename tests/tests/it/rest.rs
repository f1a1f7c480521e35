//! `/rest/v1` over HTTP: keys and scopes, headers and statuses, what is refused, written sources, and Supabase's client.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use resly_core::principal::Scope;
use resly_tests::{
    app::TestApp,
    demo::Demo,
    host::{binary, make_organization, mint},
};
use serde_json::{Value, json};

struct Client<'a> {
    app: &'a TestApp,
    key: String,
}

impl<'a> Client<'a> {
    async fn of(app: &'a TestApp, scope: Scope) -> Self {
        Self { app, key: mint(app.host(), app.organization(), &[scope]).await }
    }

    fn send(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.client.request(method, self.app.url(&format!("/rest/v1/{path}"))).header("apikey", &self.key)
    }

    async fn insert(&self, table: &str, rows: &Value) -> Value {
        let request = self.send(Method::POST, table).header("prefer", "return=representation").json(rows);
        let response = request.send().await.unwrap();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body
    }

    async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path).send().await.unwrap().json().await.unwrap()
    }
}

/// The status and the code of a refusal, whose body is PostgREST's.
async fn refused(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    let body: Value = response.json().await.unwrap();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["code", "message", "details", "hint"], "{body}");
    (status, body["code"].as_str().unwrap().to_owned())
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_key_reads_or_writes_and_is_sent_in_either_header() {
    let app = TestApp::start().await;
    let reader = Client::of(&app, Scope::DataRead).await;
    let writer = Client::of(&app, Scope::DataWrite).await;
    let url = app.url("/rest/v1/tickets");
    let bare = || app.client.get(&url);
    for request in [
        bare().header("apikey", &reader.key),
        bare().bearer_auth(&reader.key),
        bare().header("apikey", &reader.key).bearer_auth(&reader.key),
        bare().header("apikey", &writer.key),
    ] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(refused(bare()).await, (401, "PGRST301".to_owned()));
    assert_eq!(refused(bare().header("apikey", &reader.key).bearer_auth(&writer.key)).await.0, 401);
    assert_eq!(
        refused(bare().bearer_auth(&app.admin)).await,
        (403, "42501".to_owned()),
        "an admin's key has other scopes"
    );
    let ticket = json!({"subject": "a", "body": "b"});
    assert_eq!(refused(reader.send(Method::POST, "tickets").json(&ticket)).await, (403, "42501".to_owned()));
    let elsewhere = app.client.get(app.url("/api/admin/tickets")).header("apikey", &app.admin);
    assert_eq!(elsewhere.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "only the tables take `apikey`");
    assert_eq!(refused(writer.send(Method::GET, "nowhere/else")).await, (404, "PGRST125".to_owned()));
    assert_eq!(refused(writer.send(Method::PUT, "tickets?id=eq.1")).await, (405, "PGRST117".to_owned()));
}

#[tokio::test]
async fn answers_have_postgrests_headers() {
    let app = TestApp::start().await;
    let client = Client::of(&app, Scope::DataWrite).await;
    let rows: Vec<Value> = (0..5).map(|n| json!({"subject": format!("s{n}"), "body": "b"})).collect();
    client.insert("tickets", &json!(rows)).await;

    let get = |path: &str| client.send(Method::GET, path);
    let found = get("tickets?select=subject&order=subject").header("range", "1-2").header("prefer", "count=exact");
    let found = found.send().await.unwrap();
    assert_eq!(found.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!((header(&found, "content-range"), header(&found, "preference-applied")), ("1-2/5", "count=exact"));
    assert_eq!((header(&found, "content-profile"), header(&found, "cache-control")), ("public", "no-store"));
    assert_eq!(found.json::<Value>().await.unwrap(), json!([{"subject": "s1"}, {"subject": "s2"}]));

    let head = client.send(Method::HEAD, "tickets?limit=2").header("prefer", "count=planned").send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "content-range")), (206, "0-1/5"));
    assert!(head.bytes().await.unwrap().is_empty());

    let beyond = get("tickets?offset=10").header("prefer", "count=exact");
    assert_eq!(refused(beyond).await, (416, "PGRST103".to_owned()));
    let one = get("tickets?subject=eq.s1&select=subject").header("accept", "application/vnd.pgrst.object+json");
    assert_eq!(one.send().await.unwrap().json::<Value>().await.unwrap(), json!({"subject": "s1"}));
    let many = get("tickets").header("accept", "application/vnd.pgrst.object+json");
    assert_eq!(refused(many).await, (406, "PGRST116".to_owned()));
    let csv =
        get("tickets?select=subject,status&limit=1&order=subject").header("accept", "text/csv").send().await.unwrap();
    assert_eq!(header(&csv, "content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.text().await.unwrap(), "subject,status\ns0,open");
    assert_eq!(
        refused(get("tickets").header("accept", "application/vnd.pgrst.plan")).await,
        (406, "PGRST107".to_owned())
    );
    assert_eq!(refused(get("tickets").header("accept-profile", "auth")).await, (406, "PGRST106".to_owned()));

    let patch = |path: &str| client.send(Method::PATCH, path).json(&json!({"status": "resolved"}));
    let patched = patch("tickets?subject=in.(s0,s1)").header("prefer", "count=exact").send().await.unwrap();
    assert_eq!((patched.status().as_u16(), header(&patched, "content-range")), (204, "0-1/2"));
    let strict = patch("tickets?status=eq.resolved").header("prefer", "handling=strict, max-affected=1");
    assert_eq!(refused(strict).await, (400, "PGRST124".to_owned()));
    let single = patch("tickets?status=eq.resolved").header("accept", "application/vnd.pgrst.object+json");
    assert_eq!(refused(single).await, (406, "PGRST116".to_owned()));
    assert_eq!(refused(patch("tickets")).await, (400, "21000".to_owned()));
    assert_eq!(refused(client.send(Method::DELETE, "tickets?order=id")).await, (400, "21000".to_owned()));
    assert_eq!(refused(client.send(Method::DELETE, "messages?id=not.is.null")).await, (403, "42501".to_owned()));
    let deleted = client.send(Method::DELETE, "tickets?status=eq.resolved").send().await.unwrap();
    assert_eq!((deleted.status().as_u16(), header(&deleted, "content-range")), (204, "*/*"));
    assert_eq!(client.get("tickets?select=count()").await, json!([{"count": 3}]));
}

#[tokio::test]
async fn the_root_describes_the_tables() {
    let app = TestApp::start().await;
    let client = Client::of(&app, Scope::DataRead).await;
    let document = client.get("").await;
    assert_eq!(document["swagger"], "2.0");
    let definitions = document["definitions"].as_object().unwrap();
    assert_eq!(definitions.len(), 12);
    // What it says of a table is what the table answers.
    client.app.answer(json!({"messages": [{"role": "user", "content": "Hi"}]})).await;
    for table in ["conversations", "messages", "usage", "billing_events"] {
        let rows = client.get(table).await;
        let own: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
        let told: Vec<&String> = definitions[table]["properties"].as_object().unwrap().keys().collect();
        assert_eq!(own, told, "{table}");
    }
}

#[tokio::test]
async fn what_is_hostile_is_refused_by_name() {
    let app = TestApp::start().await;
    let client = Client::of(&app, Scope::DataWrite).await;
    let deep = format!("tickets?or={}", "(or".repeat(200));
    for (path, status) in [
        (deep.as_str(), 413),
        ("tickets?select=a(b(c(d(e))))", 413),
        ("tickets?subject=eq.%ff", 400),
        ("tickets?subject=eq.%00", 400),
        ("tickets?%22%3B%20drop%20table%20tickets%3B--%22=eq.1", 400),
        ("tickets?select=subject%22", 400),
        ("tickets?subject=match.(a%2B%2B)%2Bb", 400),
        ("tickets?subject=match.((a{99}){99}){99}", 400),
        ("tickets?subject=like.*a*a*a*a*a*a*a*a*a*a*a*b", 413),
        ("tickets?secret_hash=is.null", 400),
        ("api_keys", 404),
        ("connections?select=credentials", 400),
        ("tickets?select=*,api_keys(*)", 400),
    ] {
        let answered = refused(client.send(Method::GET, path)).await;
        assert_eq!(answered.0, status, "{path}: {}", answered.1);
    }
    let post =
        |body: String| client.send(Method::POST, "tickets").header("content-type", "application/json").body(body);
    assert_eq!(refused(post("[".repeat(200_000))).await, (400, "PGRST102".to_owned()));
    assert_eq!(refused(post(format!("\"{}\"", "a".repeat(5 << 20)))).await.0, 413);
    assert_eq!(refused(post(r#"{"subject":"a\u0000","body":"b"}"#.to_owned())).await, (400, "22P05".to_owned()));
    let form = client.send(Method::POST, "tickets").header("content-type", "text/xml").body("<a/>");
    assert_eq!(refused(form).await.0, 415);
}

#[tokio::test]
async fn a_written_source_is_read_in_metered_and_found() {
    let app = TestApp::start().await;
    let client = Client::of(&app, Scope::DataWrite).await;
    let texts = json!([{"title": "Returns", "text": "# Returns\n\nA zebrafish can be returned within 30 days."}]);
    let made = client.insert("knowledge_sources?select=id,title,status,chunks,content_type", &texts).await;
    assert_eq!((&made[0]["status"], &made[0]["content_type"]), (&json!("ready"), &json!("text/plain")));
    assert_eq!(app.used("embeddings").await, made[0]["chunks"].as_u64().unwrap());
    let search = async |query: &str| {
        let response = app.post("/api/search", &json!({"query": query})).await;
        response.json::<Value>().await.unwrap()["results"].as_array().unwrap().len()
    };
    assert_eq!(search("zebrafish").await, 1);

    let path = format!("knowledge_sources?id=eq.{}", made[0]["id"].as_str().unwrap());
    let update = client.send(Method::PATCH, &path).json(&json!({"text": "An axolotl can't be returned."}));
    assert_eq!(update.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!((search("zebrafish").await, search("axolotl").await), (0, 1));
    assert_eq!(
        client.get(&format!("{path}&select=title,text")).await,
        json!([{"title": "Returns", "text": "An axolotl can't be returned."}])
    );

    let empty = client.send(Method::POST, "knowledge_sources").json(&json!({"title": "t", "text": " "}));
    assert_eq!(refused(empty).await.0, 422);
    let columns = client.send(Method::PATCH, &path).json(&json!({"status": "ready"}));
    assert_eq!(refused(columns).await, (403, "42501".to_owned()));
    app.limit(json!({"embeddings": 1})).await;
    let over = client.send(Method::POST, "knowledge_sources").json(&json!({"title": "t", "text": "More."}));
    assert_eq!(refused(over).await.0, 429);

    let deleted = client.send(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!((search("axolotl").await, client.get("knowledge_sources").await), (0, json!([])));
}

#[tokio::test]
async fn sources_of_one_request_are_all_written_or_none() {
    let app = TestApp::start().await;
    let client = Client::of(&app, Scope::DataWrite).await;
    let found = async |query: &str| {
        let response = app.post("/api/search", &json!({"query": query})).await;
        response.json::<Value>().await.unwrap()["results"].as_array().unwrap().len()
    };
    let post = |rows: Value| client.send(Method::POST, "knowledge_sources").json(&rows);
    let long: String = (0..100).map(|n| format!("# Part {n}\n\nThe quokka eats {n} leaves.\n\n")).collect();
    let quokka = json!({"title": "Quokka", "text": long, "content_type": "text/markdown"});
    let wombat = json!({"title": "Wombat", "text": "A wombat digs.", "content_type": "text/markdown"});
    let empty = json!({"title": "Empty", "text": " ", "content_type": "text/markdown"});
    assert_eq!(refused(post(json!([wombat, empty]))).await.0, 422);
    app.limit(json!({"embeddings": 100})).await;
    assert_eq!(refused(post(json!([wombat, quokka]))).await.0, 429);
    assert_eq!((client.get("knowledge_sources").await, app.used("embeddings").await), (json!([]), 0));
    assert_eq!((found("wombat").await, found("quokka").await), (0, 0));

    app.limit(json!({"embeddings": 103})).await;
    let made = client.insert("knowledge_sources?select=title,status", &json!([wombat, quokka])).await;
    let expected = json!([{"title": "Wombat", "status": "ready"}, {"title": "Quokka", "status": "ready"}]);
    assert_eq!((made, app.used("embeddings").await), (expected, 101));
    assert_eq!(found("wombat").await, 1);

    let patch = |set: Value| client.send(Method::PATCH, "knowledge_sources?id=not.is.null").json(&set);
    assert_eq!(refused(patch(json!({"text": "# A\n\nNumbats\n\n# B\n\nBilbies"}))).await.0, 429);
    assert_eq!((found("wombat").await, found("numbats").await), (1, 0));
    let moved =
        patch(json!({"url": "https://zoo.example/"})).header("prefer", "return=headers-only").send().await.unwrap();
    assert_eq!((moved.status(), app.used("embeddings").await), (StatusCode::NO_CONTENT, 101));
    let changed = patch(json!({"text": "Numbats eat termites."})).send().await.unwrap();
    assert_eq!((changed.status(), app.used("embeddings").await), (StatusCode::NO_CONTENT, 103));
    // The titles stay.
    assert_eq!((found("digs").await, found("leaves").await, found("numbats").await), (0, 0, 2));

    let many: Vec<Value> = (0..21).map(|n| json!({"title": format!("{n}"), "text": "t"})).collect();
    assert_eq!(refused(post(json!(many))).await, (413, "54000".to_owned()));
    let deleted = client.send(Method::DELETE, "knowledge_sources?id=not.is.null").send().await.unwrap();
    assert_eq!((deleted.status(), found("numbats").await), (StatusCode::NO_CONTENT, 0));
}

#[tokio::test]
async fn the_tables_take_longer_urls_and_refuse_too_long_ones_in_their_own_form() {
    let app = TestApp::start().await;
    let client = Client::of(&app, Scope::DataRead).await;
    let list = |ids: u128| (0..ids).map(|n| uuid::Uuid::from_u128(n).to_string()).collect::<Vec<_>>().join("%2C");
    let thousand = client.send(Method::GET, &format!("tickets?id=in.%28{}%29", list(1000)));
    assert_eq!(thousand.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(refused(client.send(Method::GET, &format!("tickets?id=in.({})", list(1001)))).await.0, 413);
    let long = client.send(Method::GET, &format!("tickets?id=in.({})", list(1400)));
    assert_eq!(refused(long).await, (414, "uri-too-long".to_owned()));
    let elsewhere = app.client.get(app.url(&format!("/api/search?q={}", list(500)))).send().await.unwrap();
    let kind = elsewhere.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!((elsewhere.status().as_u16(), kind.as_str()), (414, "application/problem+json"));
}

#[tokio::test]
async fn values_that_break_a_rule_of_their_column_are_refused() {
    let app = TestApp::start().await;
    let client = Client::of(&app, Scope::DataWrite).await;
    let visitor = |id: &str| client.send(Method::POST, "visitors").json(&json!({"external_id": id}));
    for id in [String::new(), "a".repeat(201), "ü".repeat(101)] {
        assert_eq!(refused(visitor(&id)).await, (400, "23514".to_owned()), "{id}");
    }
    // Whoever can be stored can chat.
    let longest = "ü".repeat(100);
    assert_eq!(visitor(&longest).send().await.unwrap().status(), StatusCode::CREATED);
    app.answer(json!({"messages": [{"role": "user", "content": "Hi"}], "visitorId": longest})).await;
    assert_eq!(client.get("visitors?select=external_id").await, json!([{"external_id": longest}]));
    let csv = client.send(Method::POST, "visitors").header("content-type", "text/csv").body("external_id\n\"\"\n");
    assert_eq!(refused(csv).await, (400, "23514".to_owned()));
    let ticket = json!({"subject": "a", "body": "b", "status": "pending"});
    client.insert("tickets", &ticket).await;
    // What is kept by a visitor's name (accounts, counts) would be lost under another one.
    let renamed = client.send(Method::PATCH, "visitors?id=not.is.null").json(&json!({"external_id": "anna3"}));
    assert_eq!(refused(renamed).await, (403, "42501".to_owned()));
    let id = client.get("visitors?select=id").await[0]["id"].clone();
    let merged = visitor("anna3").header("prefer", "resolution=merge-duplicates");
    let merged = merged.json(&json!({"id": id, "external_id": "anna3"}));
    assert_eq!(refused(merged).await, (403, "42501".to_owned()));
    assert_eq!(client.get("visitors?select=external_id").await, json!([{"external_id": longest}]));
    let nothing = client.send(Method::PATCH, "tickets?id=not.is.null").json(&json!({}));
    assert_eq!(nothing.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let closed = client.send(Method::PATCH, "tickets?id=not.is.null").json(&json!({"status": "Closed"}));
    assert_eq!(refused(closed).await, (400, "23514".to_owned()));
    let embedded = "tickets?select=id,conversations(id)&conversations.name=imatch.x";
    assert_eq!(refused(client.send(Method::POST, embedded).json(&ticket)).await, (400, "PGRST127".to_owned()));
}

#[tokio::test]
async fn the_methods_of_a_table_are_told() {
    let app = TestApp::start().await;
    let client = Client::of(&app, Scope::DataRead).await;
    for (path, methods) in [
        ("", "OPTIONS,GET,HEAD"),
        ("tickets", "OPTIONS,GET,HEAD,POST,PATCH,DELETE"),
        ("conversations", "OPTIONS,GET,HEAD,PATCH"),
        ("usage?select=id", "OPTIONS,GET,HEAD"),
    ] {
        let told = client.send(Method::OPTIONS, path).send().await.unwrap();
        assert_eq!((told.status(), header(&told, "allow")), (StatusCode::OK, methods), "{path}");
        assert!(told.bytes().await.unwrap().is_empty());
    }
    assert_eq!(refused(client.send(Method::OPTIONS, "nothing")).await, (404, "PGRST205".to_owned()));
    let bare = app.client.request(Method::OPTIONS, app.url("/rest/v1/tickets"));
    assert_eq!(refused(bare).await.0, 401);
    let root = |path: &str| app.client.get(app.url(path)).header("apikey", &client.key);
    let with_slash = root("/rest/v1/").send().await.unwrap().text().await.unwrap();
    assert_eq!(root("/rest/v1").send().await.unwrap().text().await.unwrap(), with_slash);
    assert_eq!(refused(app.client.get(app.url("/rest/v1"))).await.0, 401);
}

#[tokio::test]
async fn an_organization_without_rows_reads_none() {
    let app = TestApp::start().await;
    app.answer(json!({"messages": [{"role": "user", "content": "Hi"}]})).await;
    let elsewhere = make_organization(app.host(), "elsewhere").await;
    let client = Client { app: &app, key: mint(app.host(), elsewhere, &[Scope::DataRead]).await };
    assert_eq!(client.get("messages").await, json!([]));
}

#[test]
fn the_client_of_pypi_works_unchanged() {
    let python = binary().with_file_name("../tools/postgrest-2.34.1/bin/python");
    assert!(python.exists(), "{} is missing: run `make test`, which installs it", python.display());
    let demo = Demo::start().unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/postgrest");
    let output = demo.command(python.to_str().unwrap()).arg("test_postgrest.py").current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn supabases_client_works_unchanged() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/postgrest");
    let modules = format!("{folder}/node_modules/@supabase/supabase-js");
    assert!(
        std::path::Path::new(&modules).exists(),
        "supabase-js is not installed: run `make test`, which installs it"
    );
    let demo = Demo::start().unwrap();
    let output = demo
        .command("node")
        .args(["--test", "read.test.mjs", "write.test.mjs"])
        .current_dir(folder)
        .env("RESLY_BINARY", binary())
        // The client looks for a WebSocket when it is made. Node 20 has one behind this flag, later versions always.
        .env("NODE_OPTIONS", "--experimental-websocket")
        .output()
        .expect("node is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
