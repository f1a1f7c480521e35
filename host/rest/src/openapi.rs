//! The root's description of itself: OpenAPI 2.0 as PostgREST writes it, from which clients generate types.

use resly_core::conversation::CLIENT_NAME_BYTES;
use serde_json::{Map, Value, json};

use crate::registry::{Column, Rule, SEARCH, TABLES, Table, Type, Verb};

/// The description, for a host of this version at this base path.
pub fn document(version: &str) -> Value {
    let mut paths = Map::new();
    let root = json!({"get": {
        "tags": ["Introspection"], "summary": "OpenAPI description (this document)",
        "produces": ["application/openapi+json", "application/json"], "responses": {"200": {"description": "OK"}},
    }});
    paths.insert("/".to_owned(), root);
    let mut definitions = Map::new();
    for table in TABLES {
        paths.insert(format!("/{}", table.name), operations(table));
        definitions.insert(table.name.to_owned(), definition(table));
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Resly's tables", "version": version,
            "description": "PostgREST's dialect over the organization's own rows. See docs/rest.md."},
        "basePath": "/rest/v1",
        "schemes": ["https", "http"],
        "consumes": ["application/json", "application/vnd.pgrst.object+json", "text/csv"],
        "produces": ["application/json", "application/vnd.pgrst.object+json", "text/csv"],
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {
            "apikey": {"type": "apiKey", "in": "header", "name": "apikey"},
            "bearer": {"type": "apiKey", "in": "header", "name": "Authorization"},
        },
        "security": [{"apikey": []}, {"bearer": []}],
    })
}

fn query(name: &str, about: &str) -> Value {
    json!({"name": name, "in": "query", "required": false, "type": "string", "description": about})
}

fn operations(table: &Table) -> Value {
    let filters: Vec<Value> = table
        .columns
        .iter()
        .map(|column| query(column.name, &format!("a condition, such as `eq.…`; the column is {}", column.kind.name())))
        .chain(table.is_searched().then(|| query(SEARCH, "a text search in the passages, such as `wfts(german).…`")))
        .collect();
    let prefer = |about: &str| json!({"name": "Prefer", "in": "header", "required": false, "type": "string", "description": about});
    let select = query("select", "columns, renames, casts, aggregates and embedded relations");
    let body = json!({"name": "body", "in": "body", "required": false,
        "schema": {"$ref": format!("#/definitions/{}", table.name)}});
    let with = |more: Vec<Value>| -> Vec<Value> { filters.iter().cloned().chain(more).collect() };
    let rows = json!({"type": "array", "items": {"$ref": format!("#/definitions/{}", table.name)}});
    let mut found = Map::new();
    let get = json!({
        "tags": [table.name], "summary": table.about,
        "parameters": with(vec![
            select.clone(), query("order", "columns with `.asc`, `.desc`, `.nullsfirst`, `.nullslast`"),
            query("limit", "at most 1000"), query("offset", "rows to skip"),
            prefer("count=exact, count=planned, count=estimated"),
        ]),
        "responses": {"200": {"description": "OK", "schema": rows}, "206": {"description": "Partial Content"}},
    });
    found.insert("get".to_owned(), get);
    let about = "return=representation, return=minimal, return=headers-only";
    if table.allows(Verb::Insert) {
        let parameters = vec![
            body.clone(),
            select.clone(),
            query("columns", "the body's columns"),
            query("on_conflict", "`id` or a unique column"),
            prefer(about),
        ];
        found.insert(
            "post".to_owned(),
            json!({"tags": [table.name], "summary": table.about, "parameters": parameters,
            "responses": {"201": {"description": "Created"}}}),
        );
    }
    if table.allows(Verb::Update) {
        found.insert(
            "patch".to_owned(),
            json!({"tags": [table.name], "summary": table.about,
            "parameters": with(vec![body, prefer(about)]), "responses": {"204": {"description": "No Content"}}}),
        );
    }
    if table.allows(Verb::Delete) {
        found.insert(
            "delete".to_owned(),
            json!({"tags": [table.name], "summary": table.about,
            "parameters": with(vec![prefer(about)]), "responses": {"204": {"description": "No Content"}}}),
        );
    }
    Value::Object(found)
}

fn definition(table: &Table) -> Value {
    let mut properties = Map::new();
    for column in table.columns {
        properties.insert(column.name.to_owned(), property(table, column));
    }
    let required: Vec<&str> =
        table.columns.iter().filter(|column| !column.nullable).map(|column| column.name).collect();
    json!({"description": table.about, "required": required, "type": "object", "properties": properties})
}

/// Types, formats and notes are as PostgREST writes them, since generators read them.
fn property(table: &Table, column: &Column) -> Value {
    let mut property = match column.kind {
        Type::Bigint => json!({"type": "integer", "format": "bigint"}),
        Type::Boolean => json!({"type": "boolean", "format": "boolean"}),
        Type::Jsonb => json!({"format": "jsonb"}),
        Type::Texts => json!({"type": "array", "format": "text[]", "items": {"type": "string"}}),
        kind => json!({"type": "string", "format": kind.name()}),
    };
    let key = table.foreign_keys.iter().find(|key| key.column == column.name);
    let note = match key {
        _ if column.name == "id" => Some("Note:\nThis is a Primary Key.<pk/>".to_owned()),
        Some(key) => {
            let target = key.target;
            Some(format!("Note:\nThis is a Foreign Key to `{target}.id`.<fk table='{target}' column='id'/>"))
        }
        None => None,
    };
    let rule = table.checks.iter().find(|check| check.column == column.name).map(|check| check.rule);
    if let Some(object) = property.as_object_mut() {
        match rule {
            Some(Rule::OneOf(values)) => drop(object.insert("enum".to_owned(), json!(values))),
            Some(Rule::Name) => drop(object.insert("maxLength".to_owned(), json!(CLIENT_NAME_BYTES))),
            None => {}
        }
        object.extend(note.map(|note| ("description".to_owned(), Value::String(note))));
        if !column.writable.in_insert() && !column.writable.in_update() {
            object.insert("readOnly".to_owned(), Value::Bool(true));
        }
    }
    property
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_every_table_and_only_what_may_be_done() {
        let document = document("1");
        for table in TABLES {
            let path = &document["paths"][format!("/{}", table.name)];
            assert!(path["get"].is_object());
            assert_eq!(path["post"].is_object(), table.allows(Verb::Insert), "{}", table.name);
            assert_eq!(path["delete"].is_object(), table.allows(Verb::Delete), "{}", table.name);
        }
        let messages = &document["definitions"]["messages"]["properties"];
        assert_eq!(
            messages["conversation_id"]["description"].as_str().unwrap().split('<').nth(1).unwrap(),
            "fk table='conversations' column='id'/>"
        );
        assert_eq!(messages["citations"]["format"], "jsonb");
        let status = &document["definitions"]["tickets"]["properties"]["status"];
        assert_eq!(status["enum"], json!(["open", "pending", "resolved", "closed"]));
    }
}
