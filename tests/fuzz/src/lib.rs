//! What strangers send, given to what reads it first: one function for each fuzz target. Each says what has to hold for
//! any input, and panics when it doesn't. `tests/tests/corpus.rs` gives them the kept inputs in every `make test`.

mod definition;
mod envelope;
mod openapi;
mod url_policy;

use resly_manifest::{Manifest, check};

pub use self::{definition::definition, envelope::envelope, openapi::openapi, url_policy::url_policy};

/// A manifest as JSON, and as TOML: it is refused, or it is sound and stays the same when it is written and read again.
pub fn manifest(data: &[u8]) {
    let json = serde_json::from_slice::<Manifest>(data).ok();
    let toml = std::str::from_utf8(data).ok().and_then(|text| toml::from_str::<Manifest>(text).ok());
    for manifest in json.into_iter().chain(toml) {
        let violations = check(&manifest);
        assert!(violations.iter().all(|violation| violation.path.is_empty() || violation.path.starts_with('/')));
        let written = serde_json::to_value(&manifest).expect("a manifest is JSON");
        let again: Manifest = serde_json::from_value(written.clone()).expect("what was written can be read");
        assert_eq!(serde_json::to_value(&again).expect("a manifest is JSON"), written);
        assert_eq!(check(&again), violations);
    }
}

/// A packed component: what comes before it is compiled says yes or no, and nothing else.
pub fn component(data: &[u8]) {
    if let Ok(checked) = resly_sandbox::precheck(data) {
        let known = |import: &String| import.starts_with("resly:connector/") || import.starts_with("wasi:");
        assert!(checked.imports.iter().all(known), "{:?}", checked.imports);
    }
    if let Ok(manifest) = resly_sandbox::read_manifest(data) {
        assert!(check(&manifest).is_empty());
    }
    let _ = resly_sandbox::read_signature(data);
}
