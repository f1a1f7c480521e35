//! What one call looks at, counted: small documents that would grow large in every operation.

use serde_json::{Map, Value, json};

use super::{
    super::{
        Document, ImportError, ImportOptions, NOT_LOOKED_AT, budget, import_operations, list_operations,
        servers::loopback_only,
    },
    document, wanted,
};

/// Objects of eight members, each of which is the next of them.
fn chain(depth: usize) -> Map<String, Value> {
    let object = |n: usize| {
        let next = json!({"$ref": format!("#/components/schemas/s{}", n + 1)});
        let members: Map<String, Value> = (0..8).map(|member| (format!("m{member}"), next.clone())).collect();
        json!({"type": "object", "properties": members})
    };
    let mut chain: Map<String, Value> = (0..depth).map(|n| (format!("s{n}"), object(n))).collect();
    chain.insert(format!("s{depth}"), json!({"type": "string"}));
    chain
}

/// Operations whose hundred parameters all have one schema.
fn multiplied(operations: usize, schema: &Value, style: &str, schemas: Map<String, Value>) -> Value {
    let parameters: Vec<Value> =
        (0..100).map(|n| json!({"name": format!("p{n}"), "in": "query", "style": style, "schema": schema})).collect();
    let item = |n: usize| json!({"get": {"operationId": format!("get{n}"), "parameters": parameters}});
    let mut document = document((0..operations).map(|n| (format!("/{n}"), item(n))).collect());
    document["components"]["schemas"] = Value::Object(schemas);
    document
}

fn all(operations: usize) -> ImportOptions {
    let names: Vec<String> = (0..operations).map(|n| format!("get{n}")).collect();
    wanted(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn first() -> Value {
    json!({"$ref": "#/components/schemas/s0"})
}

#[test]
fn an_import_ends_where_its_operations_have_more_than_a_definition_holds() {
    // A description beside the reference makes another schema of each, which isn't remembered.
    for schema in [first(), json!({"$ref": "#/components/schemas/s0", "description": "One of many."})] {
        let document = Document::new(multiplied(20, &schema, "form", chain(30))).unwrap();
        let error = import_operations(&document, &all(20), &loopback_only).unwrap_err();
        assert!(matches!(&error, ImportError::OverBudget { operation } if operation.starts_with("get")), "{error:?}");
        assert!(error.to_string().contains("choose fewer operations"), "{error}");
        assert!(document.budget().spent() <= budget::IMPORT_PLACES);
    }
}

#[test]
fn one_schema_of_many_parameters_is_inlined_once() {
    let spent = |operations| {
        let document = Document::new(multiplied(operations, &first(), "form", chain(3))).unwrap();
        // What it ends in doesn't matter here.
        let _ = import_operations(&document, &all(operations), &loopback_only);
        document.budget().spent()
    };
    let (one, two) = (spent(1), spent(2));
    assert!(two - one < 10_000, "{one} {two}");
}

#[test]
fn a_listing_looks_at_no_more_than_its_budget_and_lists_the_rest() {
    // Of what needs no inlining, nothing is.
    let document = Document::to_list(multiplied(20, &first(), "form", chain(30))).unwrap();
    let listing = list_operations(&document, None, &loopback_only).unwrap();
    assert!(listing.operations.iter().all(|choice| choice.supported), "{listing:?}");
    assert!(document.budget().spent() < budget::LISTING_PLACES / 10, "{}", document.budget().spent());

    // Members of members of members, none of which can be sent.
    let wide = |next: &str| {
        let members: Map<String, Value> =
            (0..200).map(|n| (format!("m{n}"), json!({"$ref": format!("#/components/schemas/{next}")}))).collect();
        json!({"type": "object", "properties": members})
    };
    let schemas = [("s0", "s1"), ("s1", "s2"), ("s2", "s3"), ("s3", "s0")];
    let schemas = schemas.into_iter().map(|(name, next)| (name.to_owned(), wide(next))).collect();
    let document = Document::to_list(multiplied(20, &first(), "deepObject", schemas)).unwrap();
    let listing = list_operations(&document, None, &loopback_only).unwrap();
    assert!(document.budget().spent() <= budget::LISTING_PLACES);
    assert_eq!(listing.operations.len(), 20);
    let last = listing.operations.last().unwrap();
    assert_eq!((last.supported, last.reason.as_deref()), (false, Some(NOT_LOOKED_AT)));
}

#[test]
fn what_one_schema_holds_is_bounded_while_it_is_made() {
    // Three thousand places of twenty kilobytes each would be sixty megabytes.
    let options: Vec<String> = (0..200).map(|n| format!("{}{n}", "x".repeat(100))).collect();
    let mut schemas = chain(30);
    schemas.insert("s4".to_owned(), json!({"type": "string", "enum": options}));
    let document = Document::new(multiplied(1, &first(), "form", schemas)).unwrap();
    // What it ends in doesn't matter here.
    let _ = import_operations(&document, &all(1), &loopback_only);
    assert!(document.budget().spent() < 6_000, "{}", document.budget().spent());
}
