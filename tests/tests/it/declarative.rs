//! What an admin sees before anything is sent or stored: a definition's mistakes, and a call's request.

use resly_tests::{app::TestApp, model::Reply, service::ScriptedService};
use serde_json::{Value, json};

const SECRET: &str = "declare-canary-0a4d55a8d778e5022fab701977c5d840";

pub fn definition(host: &str) -> Value {
    json!({
        "id": "notes", "name": "Notes", "version": "1.0.0", "hosts": [host],
        "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key", "prefix": "Key "},
        "auth_alternatives": [{"type": "basic"}],
        "settings": {"type": "object", "properties": {"team": {"type": "string", "default": "blue"}}},
        "actions": [
            {"id": "list", "title": "List notes", "description": "Lists notes.",
                "input": {"type": "object", "properties": {"tag": {"type": "string"}}},
                "request": {"url": format!("http://{host}/{{{{ settings.team }}}}/notes"), "query": {"tag": "{{ input.tag }}"}},
                "response": {"mapping": ".notes"}},
            {"id": "add", "title": "Add a note", "description": "Adds a note.", "side_effect": "write",
                "input": {"type": "object", "properties": {"text": {"type": "string"}, "n": {"type": "integer"}}, "required": ["text"]},
                "request": {"method": "POST", "url": format!("http://{host}/{{{{ settings.team }}}}/notes"),
                    "body": {"text": "{{ input.text }}", "n": "{{ input.n }}"}}}],
        "test": {"action": "list"},
        "fixtures": [{"match": {"path": "/blue/notes"},
            "response": {"json": {"notes": [{"id": 1, "text": "one"}, {"id": 2, "text": "two"}]}}}],
    })
}

pub async fn problem(app: &TestApp, path: &str, body: &Value) -> (u16, Value) {
    let response = app.post_as(&app.admin, path, body).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

pub async fn connect(app: &TestApp, environment: &str) -> String {
    let body = json!({"connector": "notes", "environment": environment, "credentials": {"api_key": SECRET}});
    app.admin_post("/api/admin/connections", &body).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_mistake_of_a_definition_is_told_at_once() {
    let app = TestApp::start().await;
    let mut wrong = definition("notes.example.com");
    wrong["nmae"] = json!("x");
    wrong["version"] = json!(1);
    wrong["actions"][0]["request"]["url"] = json!("https://elsewhere.example.com/{{ input.tag | }}");
    wrong["actions"][0]["response"] = json!({"mapping": ".notes | [", "errors": [
        {"when": "foo(.a)", "fault": "upstream", "message": "{{ status"}, {"status": 404, "fault": "gone"}]});
    wrong["actions"][1].as_object_mut().unwrap().remove("request");
    let expected = [
        "/actions/0/request/url",
        "/actions/0/response/errors/0/message",
        "/actions/0/response/errors/0/when",
        "/actions/0/response/errors/1/fault",
        "/actions/0/response/mapping",
        "/actions/1/request",
        "/nmae",
        "/version",
    ];
    let paths = |errors: &Value| {
        let mut paths: Vec<String> =
            errors.as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap().to_owned()).collect();
        paths.sort();
        paths
    };
    let told = app.admin_post("/api/admin/connectors/check", &wrong).await;
    assert_eq!(
        (&told["ok"], paths(&told["errors"])),
        (&json!(false), expected.map(str::to_owned).to_vec()),
        "{told:#}"
    );
    let mapping = told["errors"].as_array().unwrap().iter().find(|error| error["path"] == expected[4]).unwrap();
    assert!(mapping["message"].as_str().unwrap().contains("at byte"), "{mapping}");
    let (status, refused) = problem(&app, "/api/admin/connectors", &wrong).await;
    assert_eq!((status, &refused["type"]), (422, &json!("/docs/problems/invalid-connector")));
    assert_eq!(paths(&refused["errors"]), expected);

    // A template that can't be read, alone.
    let mut template = definition("notes.example.com");
    template["actions"][1]["request"]["body"]["text"] = json!("{{ input.text | }}");
    template["actions"][0]["request"]["url"] = json!("https://notes.example.com/");
    template["actions"][1]["request"]["url"] = json!("https://notes.example.com/");
    let told = app.admin_post("/api/admin/connectors/check", &template).await;
    assert_eq!(paths(&told["errors"]), ["/actions/1/request/body/text"], "{told}");

    // The same as TOML, and one without a mistake; neither is stored.
    let toml = async |text: &'static str| {
        let request = app.client.post(app.url("/api/admin/connectors/check")).bearer_auth(&app.admin);
        request
            .header("content-type", "application/toml")
            .body(text)
            .send()
            .await
            .unwrap()
            .json::<Value>()
            .await
            .unwrap()
    };
    assert_eq!(
        paths(&toml("id = \"x\"\nname = 7\nversion = \"1.0.0\"\nactions = []").await["errors"]),
        ["/actions", "/name"]
    );
    let whole = definition("notes.example.com:8443");
    assert_eq!(app.admin_post("/api/admin/connectors/check", &whole).await, json!({"ok": true, "errors": []}));
    let listed = app.send_as(&app.admin, "GET", "/api/admin/connectors").await.text().await.unwrap();
    assert!(!listed.contains("Notes"), "nothing was stored");
    assert_eq!(problem(&app, "/api/admin/connectors/check", &json!("x")).await.1["errors"][0]["path"], "");

    let schema: Value = app.client.get(app.url("/schemas/connector.json")).send().await.unwrap().json().await.unwrap();
    assert_eq!(schema["title"], "A connector's definition");
}

#[tokio::test]
async fn a_dry_run_shows_the_request_and_sends_nothing() {
    let service = ScriptedService::start().await.unwrap();
    let host = service.address.to_string();
    let app = TestApp::with_egress_to(&service).await;
    app.limit(json!({"connector_calls": 0, "fuel": 0})).await;
    app.admin_post("/api/admin/connectors", &definition(&host)).await;
    let id = connect(&app, "production").await;
    let path = format!("/api/admin/connections/{id}/actions/add/dry-run");
    let shown = app.admin_post(&path, &json!({"text": "Grüße", "n": 3})).await;
    assert_eq!(shown["allowed"], true, "{shown:#}");
    assert_eq!(shown["request"]["method"], "POST");
    assert_eq!(shown["request"]["url"], format!("http://{host}/blue/notes"));
    assert_eq!(shown["request"]["body"], "{\"text\":\"Grüße\",\"n\":3}");
    let headers = shown["request"]["headers"].as_array().unwrap();
    assert!(headers.contains(&json!({"name": "x-api-key", "value": "Key [masked]"})), "{headers:?}");
    assert!(headers.contains(&json!({"name": "content-type", "value": "application/json"})), "{headers:?}");
    assert_eq!(shown["credential"], "header x-api-key: Key [masked]");
    assert_eq!(shown["would_send_to"], format!("http://{host}"));
    assert!(!shown.to_string().contains(SECRET) && shown["fuel"].as_u64().unwrap() > 0);

    // Nothing was dialled, counted or logged; the fuel is told beside.
    assert_eq!(service.received().len(), 0);
    assert_eq!((app.used("connector_calls").await, app.used("fuel").await), (0, 0));
    assert_eq!(app.logs().await.len(), 0);
    let usage: Value = app.send_as(&app.admin, "GET", "/api/admin/usage").await.json().await.unwrap();
    assert!(usage["sandbox"]["fuel"].as_u64().unwrap() > 0, "{usage}");

    // What stops a call before its request stops this too; whose connection it isn't gets nothing.
    let (status, told) = problem(&app, &path, &json!({"n": "three"})).await;
    assert_eq!((status, &told["type"]), (422, &json!("/docs/problems/connector-invalid-input")));
    assert_eq!(problem(&app, &path.replace("/add/", "/drop/"), &json!({})).await.0, 404);
    let stranger = app.stranger_admin().await;
    assert_eq!(app.post_as(&stranger, &path, &json!({"text": "x"})).await.status(), 404);
}

#[tokio::test]
async fn a_dry_run_needs_no_stored_definition() {
    let app = TestApp::start().await;
    let mut definition = definition("notes.example.com");
    definition["auth"] = json!({"type": "api_key", "in": "query", "name": "key"});
    definition["auth_alternatives"] = json!([]);
    for action in 0..2 {
        definition["actions"][action]["request"]["url"] = json!("https://notes.example.com/{{ settings.team }}/notes");
    }
    let run = |definition: &Value, input: Value| json!({"definition": definition, "settings": {"team": "red/1"}, "action": "list", "input": input});
    let path = "/api/admin/connectors/dry-run";
    let shown = app.admin_post(path, &run(&definition, json!({"tag": "a&b"}))).await;
    assert_eq!(shown["request"]["url"], "https://notes.example.com/red%2F1/notes?tag=a%26b&key=[masked]");
    assert_eq!(shown["would_send_to"], "https://notes.example.com:443");
    assert_eq!(shown["credential"], "query parameter key=[masked]");

    // What policy would refuse is shown, with why.
    definition["actions"][0]["request"]["url"] = json!("http://notes.example.com/x");
    let shown = app.admin_post(path, &run(&definition, json!({}))).await;
    assert_eq!((&shown["allowed"], &shown["refused"]["reason"]), (&json!(false), &json!("denied")), "{shown:#}");
    assert_eq!(shown["request"]["url"], "http://notes.example.com/x");
    assert!(shown.get("credential").is_none());

    definition["hosts"] = json!(["notes.example.com", "169.254.169.254"]);
    definition["actions"][0]["request"]["url"] = json!("https://169.254.169.254/latest");
    let shown = app.admin_post(path, &run(&definition, json!({}))).await;
    assert_eq!((&shown["allowed"], &shown["refused"]["reason"]), (&json!(false), &json!("denied")), "{shown:#}");

    definition["actions"][0]["request"]["url"] = json!(1);
    let (status, told) = problem(&app, path, &run(&definition, json!({}))).await;
    assert_eq!((status, &told["errors"][0]["path"]), (422, &json!("/actions/0/request/url")), "{told}");
}

#[tokio::test]
async fn a_bundled_component_runs_dry_too() {
    let app = TestApp::start().await;
    let body = json!({"connector": "shopify", "environment": "production", "settings": {"shop": "acme", "verify_email": false}});
    let id = app.admin_post("/api/admin/connections", &body).await["id"].as_str().unwrap().to_owned();
    let shown = app
        .admin_post(&format!("/api/admin/connections/{id}/actions/find_order/dry-run"), &json!({"number": "#1001"}))
        .await;
    assert_eq!(shown["allowed"], true, "{shown:#}");
    assert_eq!(shown["would_send_to"], "https://acme.myshopify.com:443");
    assert!(shown["request"]["body"].as_str().unwrap().contains("1001"));
    assert!(shown["credential"].as_str().unwrap().contains("[masked]"));
}

/// The handbook's example is posted, tried and dry_run as the page says, and gives what the page shows.
#[tokio::test]
async fn the_handbook_s_example_does_what_it_says() {
    let page = include_str!("../../../docs/declarative-connectors.md");
    let blocks = || page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let definition: Value = serde_json::from_str(blocks().next().unwrap()).unwrap();
    let shown: Value = serde_json::from_str(blocks().find(|block| block.contains("would_send_to")).unwrap()).unwrap();

    let app = TestApp::start().await;
    let told = app.admin_post("/api/admin/connectors/check", &definition).await;
    assert_eq!(told, json!({"ok": true, "errors": []}));
    let asked = json!({"definition": definition, "settings": {}, "action": "get_account", "input": {"id": "1"}});
    let mut dry_run = app.admin_post("/api/admin/connectors/dry-run", &asked).await;
    // Fuel is as many instructions as this build of the runner takes: the page's number only has to be near.
    let (fuel, on_page) = (dry_run["fuel"].as_u64().unwrap(), shown["fuel"].as_u64().unwrap());
    assert!(fuel < 2 * on_page && on_page < 2 * fuel, "{fuel} is not the page's {on_page}");
    dry_run["fuel"] = shown["fuel"].clone();
    assert_eq!(dry_run, shown);

    app.admin_post("/api/admin/connectors", &definition).await;
    let made = app.admin_post("/api/admin/connections", &json!({"connector": "crm", "environment": "sandbox"})).await;
    let test = format!("/api/admin/connections/{}/test", made["id"].as_str().unwrap());
    assert_eq!(app.admin_post(&test, &json!({})).await["ok"], true);
}

/// From a model's arguments to the service, and from its answer to the model, an admin, the sample and the mapping.
#[tokio::test]
async fn digits_and_order_are_kept_all_the_way() {
    let service = ScriptedService::start().await.unwrap();
    let host = service.address.to_string();
    let app = TestApp::with_egress_to(&service).await;
    let text = r#"{"z":123456789012345678901234567890,"a":{"y":1.10,"b":0.12345678901234567890123},"m":[18446744073709551616,-0.0]}"#;
    let exact: Value = serde_json::from_str(text).unwrap();
    let mut definition = definition(&host);
    definition["actions"][0]["input"] =
        json!({"type": "object", "properties": {"data": {"type": "object"}, "id": {"type": "integer"}}});
    definition["actions"][0]["request"] = json!({"method": "POST", "url": format!("http://{host}/blue/notes"),
        "query": {"z": "{{ input.id }}", "a": "1"},
        "body": {"z": 1, "data": "{{ input.data }}", "a": "id {{ input.id }}"}});
    definition["actions"][0]["response"] = json!({});
    definition["test"]["input"] = json!({"id": 1, "data": {}});
    app.admin_post("/api/admin/connectors", &definition).await;
    let id = connect(&app, "production").await;
    service.answers("/blue/notes", 200, exact.clone());
    app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;

    let number = "123456789012345678901234567890";
    let arguments: Value = serde_json::from_str(&format!("{{\"data\": {text}, \"id\": {number}}}")).unwrap();
    app.model.says([Reply::connector("notes", "list", arguments.clone()), Reply::text("Done [1].")]);
    app.answer(json!({"messages": [{"role": "user", "content": "What notes are there?"}]})).await;
    let received = service.received();
    let sent = received.last().unwrap();
    assert_eq!(
        String::from_utf8(sent.body.clone()).unwrap(),
        format!("{{\"z\":1,\"data\":{text},\"a\":\"id {number}\"}}")
    );
    assert_eq!(sent.target, format!("/blue/notes?z={number}&a=1"));
    let told = app.model.asked()[1]["messages"].to_string();
    assert!(told.contains(&text.replace('"', "\\\"")), "{told}");

    let action = format!("/api/admin/connections/{id}/actions/list");
    let answer = app.post_as(&app.admin, &action, &arguments).await.text().await.unwrap();
    assert!(answer.contains(&format!("\"output\":{text}")), "{answer}");
    let sample = app.send_as(&app.admin, "GET", &format!("{action}/sample")).await.text().await.unwrap();
    assert!(sample.contains(text), "{sample}");
    let preview = json!({"filter": ".a"});
    let shown = app.post_as(&app.admin, &format!("{action}/mapping/preview"), &preview).await.text().await.unwrap();
    assert!(shown.contains(text) && shown.contains("0.12345678901234567890123"), "{shown}");
    // A fixture answers as it is written.
    definition["version"] = json!("1.0.1");
    definition["fixtures"] =
        json!([{"match": {"path": "/blue/notes", "json": {"z": 1.0}}, "response": {"json": exact}}]);
    app.admin_post("/api/admin/connectors", &definition).await;
    let sandbox = connect(&app, "sandbox").await;
    let path = format!("/api/admin/connections/{sandbox}/actions/list");
    let answer = app.post_as(&app.admin, &path, &arguments).await.text().await.unwrap();
    assert!(answer.contains(text), "{answer}");
}

#[tokio::test]
async fn a_body_is_read_by_its_charset_and_a_page_is_no_answer() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let mut definition = definition(&service.address.to_string());
    definition["actions"][0]["response"] = json!({"mapping": "{name}"});
    // A byte order mark before a definition is no mistake.
    let text = format!("\u{feff}{definition}");
    let request = app.client.post(app.url("/api/admin/connectors")).bearer_auth(&app.admin);
    assert!(request.header("content-type", "application/json").body(text).send().await.unwrap().status().is_success());
    let id = connect(&app, "production").await;
    let action = format!("/api/admin/connections/{id}/actions/list");
    for (kind, body) in [
        ("application/json; charset=iso-8859-1", b"{\"name\": \"M\xfcller\"}".to_vec()),
        ("application/json", "\u{feff}{\"name\": \"M\u{fc}ller\"}".into()),
        (
            "application/json; charset=utf-16",
            "\u{feff}{\"name\": \"M\u{fc}ller\"}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
    ] {
        service.answers_bytes("/blue/notes", kind, &body);
        assert_eq!(app.admin_post(&action, &json!({})).await["output"], json!({"name": "M\u{fc}ller"}), "{kind}");
    }
    // A secret that is echoed in UTF-16 is found too.
    let echo = format!("{{\"name\": \"{SECRET}\"}}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    service.answers_bytes("/blue/notes", "application/json; charset=utf-16le", &echo);
    let (_, told) = problem(&app, &action, &json!({})).await;
    assert!(!told.to_string().contains(SECRET), "{told}");
    for (kind, body) in [
        ("text/html", "<!doctype html><title>Sign in</title>"),
        ("application/json", "<html>down</html>"),
        ("text/plain", "down"),
        ("application/json", "{\"error\": \"maintenance\"}"),
        ("application/json", ""),
    ] {
        service.answers_bytes("/blue/notes", kind, body.as_bytes());
        let (status, told) = problem(&app, &action, &json!({})).await;
        assert_eq!((status, &told["fault"]["kind"]), (502, &json!("unexpected_answer")), "{body}: {told}");
        assert_eq!(told["reason"], "mapping", "{told}");
    }
}
