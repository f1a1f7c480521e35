//! From small documents to definitions, and from hostile ones to nothing worse than an error.

mod budget;
mod lists;
mod strange;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ImportError, ImportOptions, Imported, import, list, read};

fn document(paths: Value) -> Value {
    json!({"openapi": "3.0.3", "info": {"title": "Pet <b>Shop</b>", "version": "2.1.0", "description": "All pets."},
        "servers": [{"url": "https://{region}.pets.example.com/v1", "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}}}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "login": {"type": "oauth2", "flows": {"authorizationCode": {"authorizationUrl": "https://pets.example.com/a",
                    "tokenUrl": "https://pets.example.com/t", "scopes": {"read": "", "write": "", "admin": ""}}}},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "s"}},
            "schemas": {
                "Pet": {"type": "object", "required": ["name", "id"], "properties": {
                    "id": {"type": "integer", "readOnly": true}, "name": {"type": "string", "nullable": true, "pattern": "(?<x>["},
                    "kind": {"type": "string", "enum": ["cat", "dog"]}, "parent": {"$ref": "#/components/schemas/Pet"}}}}},
        "security": [{"key": []}]})
}

fn wanted(operations: &[&str]) -> ImportOptions {
    ImportOptions { operations: operations.iter().map(|&name| name.to_owned()).collect(), ..ImportOptions::default() }
}

#[track_caller]
fn imported(paths: Value, operations: &[&str]) -> Imported {
    import(document(paths), &wanted(operations)).unwrap()
}

#[test]
fn operations_become_actions() {
    let paths = json!({
        "/pets/{petId}": {
            "parameters": [{"name": "petId", "in": "path", "required": true, "schema": {"type": "string"}}],
            "get": {"operationId": "getPet", "summary": "One pet", "description": "<p>Finds <b>one</b>.</p>",
                "parameters": [
                    {"name": "per-page", "in": "query", "schema": {"type": "integer"}},
                    {"name": "tags", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "ids", "in": "query", "explode": false, "schema": {"type": "array", "items": {"type": "integer"}}},
                    {"name": "born", "in": "query", "style": "deepObject", "explode": true,
                        "schema": {"type": "object", "properties": {"gt": {"type": "integer"}, "lt": {"type": "integer"}}}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    {"name": "X-Api-Key", "in": "header", "required": true, "schema": {"type": "string"}},
                    {"name": "session", "in": "cookie", "schema": {"type": "string"}}],
                "responses": {"200": {"content": {"application/vnd.pets+json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}},
            "put": {"summary": "Change a pet", "requestBody": {"required": true, "content": {
                "application/xml": {}, "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}},
        "/pets": {
            "get": {"operationId": "list_pets", "deprecated": true},
            "post": {"operationId": "addPet", "requestBody": {"content": {"application/x-www-form-urlencoded": {
                "schema": {"type": "object", "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}}}}}}}}});
    let Imported { definition, warnings } = imported(paths, &["getPet", "PUT /pets/{petId}", "list_pets", "addPet"]);
    assert_eq!(
        (&definition["id"], &definition["name"], &definition["version"]),
        (&json!("pet-shop"), &json!("Pet Shop"), &json!("2.1.0"))
    );
    assert_eq!(definition["hosts"], json!(["{{ settings.region }}.pets.example.com"]));
    assert_eq!(
        definition["settings"]["properties"]["region"],
        json!({"type": "string", "default": "eu", "enum": ["eu", "us"]})
    );
    assert_eq!(definition["auth"], json!({"type": "api_key", "in": "header", "name": "X-Api-Key"}));
    assert_eq!(definition["test"], json!({"action": "list_pets", "input": {}}));

    let get = &definition["actions"][0];
    assert_eq!(
        (&get["id"], &get["title"], &get["side_effect"]),
        (&json!("get_pet"), &json!("One pet"), &json!("read"))
    );
    assert_eq!(get["description"], "One pet. Finds one.");
    assert_eq!(
        get["request"],
        json!({"method": "GET",
        "url": "https://{{ settings.region }}.pets.example.com/v1/pets/{{ input.petId }}",
        "query": {"per-page": "{{ input.per_page }}", "tags": "{{ input.tags }}", "ids": "{{ input.ids }}",
            "born[gt]": "{{ input.born.gt }}", "born[lt]": "{{ input.born.lt }}"},
        "separators": {"query": {"ids": ","}},
        "headers": {"X-Trace": "{{ input.X_Trace }}", "accept": "application/vnd.pets+json"}})
    );
    assert_eq!(get["input"]["required"], json!(["petId"]));
    assert_eq!(get["output"]["type"], json!(["object", "null"]));
    assert!(get["output"]["properties"].get("id").is_some(), "an answer has what only answers have");

    let put = &definition["actions"][1];
    assert_eq!(
        (&put["id"], &put["idempotent"], &put["side_effect"]),
        (&json!("put_pets_pet_id"), &json!(true), &json!("write"))
    );
    assert_eq!(put["request"]["body"], "{{ input.body }}");
    let body = &put["input"]["properties"]["body"];
    assert_eq!(body["required"], json!(["name"]));
    assert_eq!(body["properties"]["name"], json!({"type": ["string", "null"]}));
    assert!(body["properties"].get("id").is_none());
    assert_eq!(body["properties"]["parent"], json!({}), "a schema within itself is cut");
    assert_eq!(put["input"]["required"], json!(["petId", "body"]));
    assert!(definition["actions"][2]["description"].as_str().unwrap().starts_with("Deprecated"));
    let post = &definition["actions"][3]["request"];
    assert_eq!((&post["body_type"], &post["list_style"]), (&json!("form"), &json!("repeat")));
    assert!(warnings.iter().any(|warning| warning.contains("cookie") && warning.contains("get_pet")), "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("contains itself")), "{warnings:?}");
}

#[test]
fn what_cannot_be_asked_is_refused_plainly() {
    let paths = json!({
        "/upload": {"post": {"operationId": "upload", "requestBody": {"content": {"multipart/form-data": {}}}}},
        "/form": {"post": {"operationId": "form", "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "string"}}}}}},
        "/nameless": {"post": {"operationId": "nameless", "requestBody": {"content": {"": {}}}}},
        "/matrix/{x}": {"get": {"operationId": "matrix", "parameters": [{"name": "x", "in": "path", "style": "matrix", "schema": {"type": "string"}}]}},
        "/cookie": {"get": {"operationId": "cookie", "parameters": [{"name": "s", "in": "cookie", "required": true}]}},
        "/far": {"get": {"operationId": "far", "parameters": [{"$ref": "https://evil.example/p.json"}]}},
        "/#frag": {"get": {"operationId": "fragment"}},
        "/elsewhere": {"servers": [{"url": "ftp://a.example"}], "get": {"operationId": "elsewhere"}},
        "/options": {"options": {"operationId": "options"}},
        "/fine": {"get": {"operationId": "fine", "summary": "All <i>fine</i>"}}});
    let listing = list(document(paths.clone()), None).unwrap();
    let reason =
        |id: &str| listing.operations.iter().find(|choice| choice.id == id).unwrap().reason.clone().unwrap_or_default();
    for (id, part) in [
        ("upload", "multipart/form-data"),
        ("form", "no object"),
        ("nameless", "without a name"),
        ("matrix", "`x`"),
        ("cookie", "cookie"),
        ("far", "outside the document"),
        ("fragment", "`#`"),
        ("elsewhere", "`ftp`"),
        ("options", "OPTIONS"),
    ] {
        assert!(reason(id).contains(part), "{id}: {}", reason(id));
        let Err(ImportError::Asked(violations)) = import(document(paths.clone()), &wanted(&["fine", id])) else {
            panic!("{id}")
        };
        assert_eq!((violations.len(), violations[0].path.as_str()), (1, "/operations/1"));
        assert!(violations[0].message.starts_with(&format!("`{id}`: ")), "{}", violations[0].message);
    }
    let fine = listing.operations.iter().find(|choice| choice.id == "fine").unwrap();
    assert_eq!((fine.supported, fine.summary.as_str(), fine.method.as_str()), (true, "All fine", "GET"));
    for nothing in [vec![], vec!["nope"], vec!["GET /nope"]] {
        assert!(matches!(import(document(paths.clone()), &wanted(&nothing)), Err(ImportError::Asked(_))));
    }
    // A server that is given takes the place of any other.
    let there = ImportOptions { server: Some("http://127.0.0.1:9000/api".to_owned()), ..wanted(&["elsewhere"]) };
    let definition = import(document(paths), &there).unwrap().definition;
    assert_eq!(definition["actions"][0]["request"]["url"], "http://127.0.0.1:9000/api/elsewhere");
}

#[test]
fn everything_that_is_in_the_way_is_told_at_once() {
    let paths = json!({
        "/upload": {"post": {"operationId": "upload", "requestBody": {"content": {"multipart/form-data": {}}}}},
        "/cookie": {"get": {"operationId": "cookie", "parameters": [{"name": "s", "in": "cookie", "required": true}]}},
        "/fine": {"get": {"operationId": "fine"}}});
    let asked = ImportOptions {
        id: Some("Not an id".to_owned()),
        version: Some("one".to_owned()),
        server: Some("ftp://a.example".to_owned()),
        // One is named twice: the others keep the place that they were asked for at.
        ..wanted(&["fine", "nope", "fine", "upload", "GET /nope", "cookie"])
    };
    let Err(ImportError::Asked(violations)) = import(document(paths.clone()), &asked) else { panic!() };
    let mut told: Vec<(&str, bool)> =
        violations.iter().map(|one| (one.path.as_str(), one.message.starts_with('`'))).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("/id", false),
            ("/operations/1", false),
            ("/operations/3", true),
            ("/operations/4", false),
            ("/operations/5", true),
            ("/server", false),
            ("/version", false)
        ],
        "{violations:#?}"
    );
    assert!(matches!(list(document(paths), Some("ftp://a.example")), Err(ImportError::Asked(_))));
}

#[test]
fn examples_become_fixtures_and_what_has_none_is_told() {
    let answer = |media: Value| json!({"200": {"content": {"application/json": media}}});
    let paths = json!({
        "/pets/{id}": {"get": {"operationId": "getPet", "responses": answer(json!({"example": {"id": 7}}))}},
        "/pets/mine": {"get": {"operationId": "mine", "responses": answer(json!({"schema": {"type": "object", "properties": {
            "id": {"type": "integer", "example": 1}}}}))}},
        "/pets": {"post": {"operationId": "add", "responses": {"204": {"description": "made"}}},
            "get": {"operationId": "list", "responses": answer(json!({"schema": {"$ref": "#/components/schemas/Pet"}}))}}});
    let made = imported(paths, &["getPet", "mine", "add", "list"]);
    assert_eq!(
        made.definition["fixtures"],
        json!([
            {"match": {"method": "GET", "path": "/v1/pets/mine"}, "response": {"status": 200, "json": {"id": 1}}},
            {"match": {"method": "POST", "path": "/v1/pets"}, "response": {"status": 204}},
            {"match": {"method": "GET", "path": "/v1/pets/*"}, "response": {"status": 200, "json": {"id": 7}}},
        ])
    );
    let about: Vec<&String> = made.warnings.iter().filter(|warning| warning.contains("fixture")).collect();
    assert!(about.len() == 1 && about[0].contains("no fixture for `list`:"), "{about:?}");
}

#[test]
fn a_document_is_read_from_json_and_from_yaml() {
    let json = document(json!({"/a": {"get": {"operationId": "a"}}}));
    assert_eq!(read(&format!("\u{feff}\n {json}")).unwrap(), json);
    let yaml =
        read("openapi: 3.1.0\ninfo: {title: A, version: 1.0.0}\npaths:\n  /a:\n    get: {operationId: a}\n").unwrap();
    assert_eq!(list(yaml, None).unwrap().operations[0].id, "a");
    let told = |text: &str| read(text).unwrap_err().to_string();
    assert!(told("{\"openapi\": ").contains("not valid JSON"), "{}", told("{\"openapi\": "));
    assert!(told("openapi: 3.0.0\npaths: [").contains("not valid YAML: line "), "{}", told("openapi: 3.0.0\npaths: ["));
}

#[test]
fn schemes_become_ways_and_scopes_are_narrow() {
    let secured = |security: Value| {
        imported(
            json!({
                "/a": {"get": {"operationId": "a", "security": security}},
                "/b": {"get": {"operationId": "b", "security": [{"login": ["write"]}, {"login": ["admin"]}]}},
                "/c": {"get": {"operationId": "c", "security": [{"login": ["admin"]}]}}}),
            &["a"],
        )
    };
    let made = secured(json!([{"login": ["admin"]}, {"login": ["write"]}, {"key": []}]));
    assert_eq!(made.definition["auth"]["scopes"], json!(["write"]), "fewer operations take it");
    assert_eq!(made.definition["auth"]["authorize_url"], "https://pets.example.com/a");
    assert_eq!(made.definition["auth_alternatives"][0]["type"], "api_key");
    let made = secured(json!([{"cookie": []}]));
    assert_eq!(made.definition["auth"], json!({"type": "none"}));
    assert!(made.warnings.iter().any(|warning| warning.contains("`cookie`")), "{:?}", made.warnings);
    let made = secured(json!([{"key": [], "cookie": []}]));
    assert!(made.warnings.iter().any(|warning| warning.contains("together")), "{:?}", made.warnings);
    assert_eq!(secured(json!([])).definition["auth"], json!({"type": "none"}));
}

#[test]
fn a_get_that_needs_a_body_is_not_supported() {
    let body =
        |required: bool| json!({"required": required, "content": {"application/json": {"schema": {"type": "object"}}}});
    let paths = json!({
        "/needs": {"get": {"operationId": "needs", "requestBody": body(true)}, "head": {"operationId": "head", "requestBody": body(true)}},
        "/may": {"get": {"operationId": "may", "requestBody": body(false)}}});
    let listing = list(document(paths.clone()), None).unwrap();
    for choice in &listing.operations {
        assert_eq!(choice.supported, choice.id == "may", "{choice:?}");
    }
    let made = imported(paths, &["may"]);
    assert!(made.warnings.iter().any(|warning| warning.contains("body is left out")), "{:?}", made.warnings);
}

#[test]
fn a_text_of_any_type_is_sent_as_it_is() {
    let body =
        |kind: &str, schema: Value| json!({"requestBody": {"required": true, "content": {kind: {"schema": schema}}}});
    let paths = json!({"/csv": {"post": body("text/csv", json!({"type": "string"}))}, "/html": {"post": body("text/html", json!({}))},
        "/xml": {"post": body("text/xml", json!({"type": "object", "properties": {"a": {}}}))}});
    let listing = list(document(paths.clone()), None).unwrap();
    let supported: Vec<bool> = listing.operations.iter().map(|choice| choice.supported).collect();
    assert_eq!(supported, [true, true, false]);
    let request = imported(paths, &["POST /csv"]).definition["actions"][0]["request"].clone();
    assert_eq!((&request["body_type"], &request["headers"]["content-type"]), (&json!("text"), &json!("text/csv")));
}

#[test]
fn an_empty_list_of_servers_is_the_document_s() {
    let paths = json!({"/a": {"servers": [], "get": {"operationId": "a", "servers": []}},
        "/b": {"servers": [{"url": "https://b.example.com"}], "get": {"operationId": "b", "servers": []}}});
    let url = |name: &str| imported(paths.clone(), &[name]).definition["actions"][0]["request"]["url"].clone();
    assert_eq!(url("a"), "https://{{ settings.region }}.pets.example.com/v1/a");
    assert_eq!(url("b"), "https://b.example.com/b");
}

#[test]
fn openapi_3_2_is_read() {
    let mut document = document(json!({"/a": {"get": {"operationId": "a"}, "query": {"operationId": "q"},
        "additionalOperations": {"COPY": {"operationId": "c"}}}}));
    document["openapi"] = json!("3.2.0");
    let listing = list(document, None).unwrap();
    let told: Vec<(&str, bool)> =
        listing.operations.iter().map(|choice| (choice.id.as_str(), choice.supported)).collect();
    assert_eq!(told, [("a", true), ("q", false), ("c", false)]);
}

#[test]
fn swagger_2_is_read_by_converting_it() {
    let pet = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"},
        "parent": {"$ref": "#/definitions/Pet"}}});
    let swagger = json!({"swagger": "2.0", "info": {"title": "Pets", "version": "1.0.0"}, "host": "pets.example.com",
        "basePath": "/v2", "schemes": ["http", "https"], "consumes": ["application/json"], "produces": ["application/json"],
        "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "login": {"type": "oauth2", "flow": "accessCode", "authorizationUrl": "https://pets.example.com/a",
                "tokenUrl": "https://pets.example.com/t", "scopes": {"read": ""}}},
        "security": [{"key": []}], "definitions": {"Pet": pet},
        "parameters": {"Body": {"name": "pet", "in": "body", "required": true, "schema": {"$ref": "#/definitions/Pet"}},
            "Limit": {"name": "limit", "in": "query", "type": "integer", "maximum": 50}},
        "responses": {"One": {"description": "", "schema": {"$ref": "#/definitions/Pet"}}},
        "paths": {
            "/pets/{id}": {"parameters": [{"name": "id", "in": "path", "required": true, "type": "string"}],
                "get": {"operationId": "getPet", "responses": {"200": {"$ref": "#/responses/One"}}},
                "put": {"operationId": "putPet", "parameters": [{"$ref": "#/parameters/Body"}]}},
            "/pets": {"get": {"operationId": "listPets", "security": [{"login": ["read"]}], "parameters": [{"$ref": "#/parameters/Limit"},
                {"name": "tags", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"}],
                "responses": {"200": {"description": "", "schema": {"type": "array", "items": {"$ref": "#/definitions/Pet"}},
                    "examples": {"application/json": [{"name": "Rex"}]}}}},
                "post": {"operationId": "formPet", "consumes": ["application/x-www-form-urlencoded"], "parameters": [
                    {"name": "name", "in": "formData", "required": true, "type": "string"}]}},
            "/photo": {"post": {"operationId": "photo", "consumes": ["multipart/form-data"], "parameters": [
                {"name": "file", "in": "formData", "required": true, "type": "file"}]}}}});
    let listing = list(swagger.clone(), None).unwrap();
    let refused: Vec<&str> =
        listing.operations.iter().filter(|one| !one.supported).map(|one| one.id.as_str()).collect();
    assert_eq!(refused, ["photo"], "{listing:#?}");
    let made = import(swagger, &wanted(&["getPet", "putPet", "listPets", "formPet"])).unwrap().definition;
    assert_eq!(made["hosts"], json!(["pets.example.com/v2"]));
    assert_eq!(made["auth"], json!({"type": "api_key", "in": "header", "name": "X-Key"}));
    assert_eq!(made["auth_alternatives"][0]["authorize_url"], "https://pets.example.com/a");
    let (get, put, all, form) = (&made["actions"][0], &made["actions"][1], &made["actions"][2], &made["actions"][3]);
    assert_eq!(get["request"]["url"], "https://pets.example.com/v2/pets/{{ input.id }}");
    assert!(get["output"]["properties"].get("name").is_some());
    assert_eq!(put["input"]["required"], json!(["id", "body"]));
    assert_eq!(put["input"]["properties"]["body"]["required"], json!(["name"]));
    assert_eq!(all["input"]["properties"]["limit"]["maximum"], 50);
    assert_eq!(all["request"]["query"]["tags"], "{{ input.tags }}");
    assert_eq!(form["request"]["body_type"], "form");
    assert_eq!(form["input"]["properties"]["body"]["required"], json!(["name"]));
    assert!(made["fixtures"].to_string().contains("Rex"), "{}", made["fixtures"]);
}
