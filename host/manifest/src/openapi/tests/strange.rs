//! Documents that strangers send: large when expanded, or any JSON at all.

use super::*;

/// 2^60 places, if every reference were followed.
#[test]
fn references_that_multiply_stay_small() {
    let mut schemas = serde_json::Map::new();
    for n in 0..60 {
        let next = json!({"$ref": format!("#/components/schemas/s{}", n + 1)});
        schemas.insert(format!("s{n}"), json!({"type": "object", "properties": {"a": next, "b": next}}));
    }
    // References that lead straight to references, far more than a stack has room for.
    for n in 0..20_000 {
        schemas.insert(format!("c{n}"), json!({"allOf": [{"$ref": format!("#/components/schemas/c{}", n + 1)}]}));
        schemas.insert(format!("d{n}"), json!({"$ref": format!("#/components/schemas/d{}", n + 1)}));
    }
    for root in ["s0", "c0", "d0"] {
        let mut document = document(json!({"/a": {"post": {"operationId": "a", "requestBody": {"content": {
            "application/json": {"schema": {"$ref": format!("#/components/schemas/{root}")}}}}}}}));
        document["components"]["schemas"] = Value::Object(schemas.clone());
        let made = import(document, &wanted(&["a"])).unwrap();
        assert!(made.definition.to_string().len() < 100_000);
        assert!(made.warnings.iter().any(|warning| warning.contains("large")), "{root}: {:?}", made.warnings);
    }
}

/// Any JSON, with the words that documents are made of.
fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "$ref",
        "#/components/schemas/A",
        "#/components/schemas/B",
        "#/paths/~1a",
        "type",
        "object",
        "array",
        "string",
        "properties",
        "items",
        "allOf",
        "anyOf",
        "oneOf",
        "required",
        "enum",
        "nullable",
        "parameters",
        "name",
        "in",
        "path",
        "query",
        "header",
        "x",
        "style",
        "deepObject",
        "explode",
        "schema",
        "requestBody",
        "content",
        "application/json",
        "application/x-www-form-urlencoded",
        "responses",
        "200",
        "security",
        "key",
        "servers",
        "url",
        "https://a.example.com/{v}",
        "variables",
        "v",
        "default",
        "operationId",
        "{{ x }}",
        "}}",
        "\u{0}",
        "readOnly",
        "additionalProperties",
    ];
    let word = proptest::sample::select(words.to_vec()).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(word.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever a document holds, the answer is a sound definition or an error.
    #[test]
    fn any_document_ends_in_a_definition_or_an_error(operation in any_json(), item in any_json(), schemas in any_json(), rest in any_json(), path in "/[a-z{}/# %]{0,12}") {
        let mut document = document(json!({}));
        document["paths"] = json!({"/a": {"get": operation.clone(), "post": operation}, path: item});
        document["components"]["schemas"] = json!({"A": schemas.clone(), "B": schemas});
        document["x"] = rest.clone();
        if rest.is_array() {
            document["servers"] = rest;
        }
        let listing = list(document.clone(), None).unwrap();
        let names: Vec<&str> = listing.operations.iter().filter(|choice| choice.supported).map(|choice| choice.id.as_str()).collect();
        if !names.is_empty() {
            match import(document, &wanted(&names)) {
                Ok(_) => {}
                Err(error) => prop_assert!(!matches!(error, ImportError::Unsound(_)), "{error:?}"),
            }
        }
    }
}
