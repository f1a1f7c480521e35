//! The fuzz targets' seeds, given to the very functions that the fuzzer calls: every input that once broke something is
//! among them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(test)]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::{fs, path::Path};

/// Gives a target all its seeds.
fn replay(target: &str, give: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut given = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::read(&path).unwrap();
        let outcome = std::panic::catch_unwind(|| give(&data));
        assert!(outcome.is_ok(), "{} breaks a promise of the target", path.display());
        given += 1;
    }
    assert!(given > 0, "{} is empty", folder.display());
}

#[test]
fn url_policy() {
    replay("url_policy", targets::url_policy);
}

#[test]
fn manifest() {
    replay("manifest", targets::manifest);
}

#[test]
fn definition() {
    replay("definition", targets::definition);
}

#[test]
fn envelope() {
    replay("envelope", targets::envelope);
}

#[test]
fn openapi() {
    replay("openapi", targets::openapi);
}

#[test]
fn component() {
    replay("component", targets::component);
}
