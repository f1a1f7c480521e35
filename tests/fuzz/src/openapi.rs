//! An OpenAPI document, as JSON or YAML: it is refused, or its operations are listed, and what is said to be supported
//! becomes a definition without a mistake.

use resly_manifest::{
    from_value,
    openapi::{ImportError, ImportOptions, Imported, import, list, read},
};

pub fn openapi(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(document) = read(text) else { return };
    let Ok(listing) = list(document.clone(), None) else { return };
    let supported = listing.operations.iter().filter(|choice| choice.supported);
    let operations: Vec<String> = supported.map(|choice| choice.id.clone()).take(20).collect();
    if operations.is_empty() {
        return;
    }
    let named = operations.len();
    match import(document, &ImportOptions { operations, ..ImportOptions::default() }) {
        Ok(Imported { definition, .. }) => {
            let manifest = from_value(definition).into_manifest().expect("an import is a sound definition");
            assert!((1..=named).contains(&manifest.actions.len()));
            assert!(manifest.fixtures.len() <= named);
        }
        // Another operation may have the same name, and not be supported.
        Err(ImportError::Asked(violations)) => {
            assert!(violations.iter().all(|violation| violation.path.starts_with("/operations/")), "{violations:?}");
        }
        Err(ImportError::TooLarge { .. } | ImportError::OverBudget { .. }) => {}
        Err(error) => panic!("{error}: {error:?}"),
    }
}
