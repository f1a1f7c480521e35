//! Reads the manifest and the signature out of a packed component, before any of it runs.

use std::ops::Range;

use resly_manifest::{
    Manifest, check,
    package::SECTION,
    signature::{self, PublicKey, SignatureError},
};
use wasmparser::{Parser, Payload};

use crate::error::ManifestError;

/// The most bytes of a manifest. A definition that is posted by itself has the same bound.
const MANIFEST_MOST: usize = 1 << 20;

/// The manifest that `pack` added.
pub fn read_manifest(packed: &[u8]) -> Result<Manifest, ManifestError> {
    let manifest: Manifest = match sections(packed, SECTION)?.as_slice() {
        [] => return Err(ManifestError::Missing),
        [section] if section.contents.len() > MANIFEST_MOST => {
            return Err(ManifestError::TooBig { bytes: section.contents.len(), most: MANIFEST_MOST });
        }
        [section] => serde_json::from_slice(section.contents)?,
        _ => return Err(ManifestError::Several),
    };
    let mistakes = check(&manifest);
    if mistakes.is_empty() { Ok(manifest) } else { Err(ManifestError::Violations(mistakes)) }
}

/// Verifies the file's signature and returns the signer's key. `None` when the file has no signature.
pub fn read_signature(packed: &[u8]) -> Result<Option<PublicKey>, ManifestError> {
    match sections(packed, signature::SECTION)?.as_slice() {
        [] => Ok(None),
        [section] if section.range.end != packed.len() => Err(SignatureError::NotLast.into()),
        [section] => Ok(Some(signature::verify(packed, section.contents)?)),
        _ => Err(SignatureError::Several.into()),
    }
}

struct Section<'p> {
    contents: &'p [u8],
    /// Its place in the file.
    range: Range<usize>,
}

/// The component's own custom sections of this name. Sections of nested components and modules don't count.
fn sections<'p>(packed: &'p [u8], name: &str) -> Result<Vec<Section<'p>>, ManifestError> {
    let mut depth = 0_u32;
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(packed) {
        let payload = payload
            .map_err(|error| ManifestError::Malformed(format!("this is not a WebAssembly component: {error}")))?;
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(section) if depth == 1 && section.name() == name => {
                found.push(Section { contents: section.data(), range: section.range() });
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use resly_manifest::{package::pack, signature::SigningKey};
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

    #[test]
    fn a_manifest_of_more_than_a_megabyte_is_not_read() {
        let mut manifest = manifest();
        manifest.actions[0].description = "x".repeat(MANIFEST_MOST);
        let packed = pack(&wat::parse_str("(component)").unwrap(), &manifest).unwrap();
        assert!(matches!(read_manifest(&packed), Err(ManifestError::TooBig { most: MANIFEST_MOST, .. })));
    }

    fn section(name: &str, contents: &[u8]) -> Vec<u8> {
        let size = u8::try_from(1 + name.len() + contents.len()).unwrap();
        [&[0, size, u8::try_from(name.len()).unwrap()], name.as_bytes(), contents].concat()
    }

    #[test]
    fn a_signature_counts_at_the_end_alone_and_once() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let packed = pack(&wat::parse_str("(component)").unwrap(), &manifest()).unwrap();
        assert_eq!(read_signature(&packed).unwrap(), None);
        let signed = key.sign(&packed);
        assert_eq!(read_signature(&signed).unwrap(), Some(key.public()));
        assert_eq!(read_manifest(&signed).unwrap().id, "crm");
        assert!(crate::precheck(&signed).is_ok());

        let refused = |file: Vec<u8>| match read_signature(&file) {
            Err(ManifestError::Signature(error)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(key.sign(&signed)), SignatureError::Several);
        assert_eq!(refused([signed.clone(), section("note", b"x")].concat()), SignatureError::NotLast);
        // The bytes of a signed file's end, hidden in another section's contents, are no signature of the file.
        let hidden = [signed.clone(), section("note", &signed[packed.len()..][..100])].concat();
        assert_eq!(refused(hidden), SignatureError::NotLast);
        assert!(matches!(
            refused([packed.clone(), section(signature::SECTION, b"{}")].concat()),
            SignatureError::Malformed(_)
        ));
        let mut changed = signed.clone();
        let at = packed.len() - 2;
        changed[at] ^= 0x20;
        assert_eq!(refused(changed), SignatureError::Wrong);
    }
}
