//! Lists that a document sends as one value.

use serde_json::{Value, json};

use super::{import, imported, wanted};

#[test]
fn lists_have_their_separators() {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let in_query = |name: &str, style: &str| json!({"name": name, "in": "query", "style": style, "explode": false, "schema": list});
    let form = |encoding: Value| {
        json!({"content": {"application/x-www-form-urlencoded": {"encoding": encoding,
        "schema": {"allOf": [{"type": "object", "properties": {"a": list, "b": list, "c": {"type": "string"}}}]}}}})
    };
    let paths = json!({"/a/{ids}": {"post": {"operationId": "a", "parameters": [
            in_query("c", "form"), in_query("s", "spaceDelimited"), in_query("p", "pipeDelimited"),
            {"name": "ids", "in": "path", "required": true, "schema": list},
            {"name": "any", "in": "query", "explode": false},
            {"name": "one", "in": "query", "explode": false, "schema": {"type": "string"}},
            {"name": "many", "in": "query", "schema": list},
            {"name": "X-Ids", "in": "header", "schema": list}],
        "requestBody": form(json!({"a": {"style": "pipeDelimited"}, "b": {"explode": true}, "c": {"explode": false}}))}}});
    let request = imported(paths, &["a"]).definition["actions"][0]["request"].clone();
    assert!(request["url"].as_str().unwrap().ends_with("/a/{{ input.ids }}"), "{request:#}");
    assert_eq!(
        request["separators"],
        json!({"query": {"c": ",", "s": " ", "p": "|", "any": ","}, "headers": {"X-Ids": ","}, "form": {"a": "|"}})
    );
    assert_eq!(request["list_style"], "repeat");
}

#[test]
fn swagger_2_lists_have_their_format() {
    let list = |place: &str, name: &str, format: Value| {
        json!({"name": name, "in": place, "type": "array", "required": true,
        "items": {"type": "string"}, "collectionFormat": format})
    };
    let all = |place: &str| {
        let formats = ["csv", "ssv", "tsv", "pipes", "multi"];
        let mut all: Vec<Value> = formats.iter().map(|format| list(place, format, json!(format))).collect();
        all.push(list(place, "none", Value::Null));
        all
    };
    let swagger = json!({"swagger": "2.0", "info": {"title": "A", "version": "1.0.0"}, "host": "a.example.com", "paths": {
        "/query": {"get": {"operationId": "query", "parameters": all("query")}},
        "/form": {"post": {"operationId": "form", "consumes": ["application/x-www-form-urlencoded"], "parameters": all("formData")}},
        "/header": {"get": {"operationId": "header", "parameters": [list("header", "X-A", json!("pipes")), list("header", "X-B", Value::Null)]}},
        "/csv/{x}": {"get": {"operationId": "csv", "parameters": [list("path", "x", json!("csv"))]}},
        "/pipes/{x}": {"get": {"operationId": "pipes", "parameters": [list("path", "x", json!("pipes"))]}}}});
    let listing = super::list(swagger.clone(), None).unwrap();
    let refused: Vec<&str> = listing.operations.iter().filter_map(|one| one.reason.as_deref()).collect();
    assert!(refused.len() == 1 && refused[0].contains("`x`"), "{refused:?}");
    let made = import(swagger, &wanted(&["query", "form", "header", "csv"])).unwrap().definition;
    let of = |at: usize| made["actions"][at]["request"].clone();
    let separators = json!({"csv": ",", "ssv": " ", "tsv": "\t", "pipes": "|", "none": ","});
    assert_eq!(of(0)["separators"], json!({"query": separators}));
    assert_eq!((&of(1)["separators"], &of(1)["list_style"]), (&json!({"form": separators}), &json!("repeat")));
    assert_eq!(of(2)["separators"], json!({"headers": {"X-A": "|", "X-B": ","}}));
    assert!(of(3)["url"].as_str().unwrap().ends_with("/csv/{{ input.x }}"));
}
