//! Reads the manifest out of a packed component, before any of it runs.

use resly_core::connector::{
    manifest::{Manifest, check},
    pack::SECTION,
};
use wasmparser::{Parser, Payload};

use crate::error::ManifestError;

/// The manifest that `pack` put there. Sections within nested components and modules don't count.
pub fn read_manifest(packed: &[u8]) -> Result<Manifest, ManifestError> {
    let mut depth = 0_u32;
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(packed) {
        let payload = payload
            .map_err(|error| ManifestError::Malformed(format!("this is not a WebAssembly component: {error}")))?;
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(section) if depth == 1 && section.name() == SECTION => {
                found.push(section.data());
            }
            _ => {}
        }
    }
    let manifest: Manifest = match found.as_slice() {
        [] => return Err(ManifestError::Missing),
        [manifest] => serde_json::from_slice(manifest)?,
        _ => return Err(ManifestError::Several),
    };
    let mistakes = check(&manifest);
    if mistakes.is_empty() { Ok(manifest) } else { Err(ManifestError::Mistakes(mistakes)) }
}

#[cfg(test)]
mod tests {
    use resly_core::connector::pack::pack;
    use serde_json::json;

    use super::*;

    fn manifest() -> Manifest {
        serde_json::from_value(json!({
            "id": "crm", "name": "CRM", "version": "1.0.0", "hosts": ["crm.example.com"],
            "actions": [{"id": "find", "title": "Find", "description": "Finds an account."}],
        }))
        .unwrap()
    }

    #[test]
    fn what_was_packed_is_read() {
        let component = wat::parse_str("(component (component (core module)))").unwrap();
        let packed = pack(&component, &manifest()).unwrap();
        assert_eq!(read_manifest(&packed).unwrap().id, "crm");
        assert!(crate::precheck(&packed).is_ok());
    }

    #[test]
    fn none_and_two_are_refused() {
        let component = wat::parse_str("(component)").unwrap();
        assert!(matches!(read_manifest(&component), Err(ManifestError::Missing)));
        let twice = pack(&pack(&component, &manifest()).unwrap(), &manifest()).unwrap();
        assert!(matches!(read_manifest(&twice), Err(ManifestError::Several)));
    }
}
