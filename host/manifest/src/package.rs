//! Packs a component and its manifest into one file. The manifest is in a custom section at the end
//! (WebAssembly Core Specification, "Custom Section": id 0, size, name, contents).

use crate::manifest::Manifest;

/// The name of the custom section. Its contents are the manifest as JSON.
pub const SECTION: &str = "resly:manifest";

/// Appends the manifest to a component.
pub fn pack(component: &[u8], manifest: &Manifest) -> Result<Vec<u8>, serde_json::Error> {
    let contents = serde_json::to_vec(manifest)?;
    let mut packed = Vec::with_capacity(component.len() + contents.len() + SECTION.len() + 16);
    packed.extend_from_slice(component);
    append_section(&mut packed, SECTION, &contents);
    Ok(packed)
}

/// Appends a custom section, with its sizes in the fewest bytes.
pub(super) fn append_section(file: &mut Vec<u8>, name: &str, contents: &[u8]) {
    let mut head = Vec::with_capacity(name.len() + 8);
    leb128(&mut head, name.len());
    head.extend_from_slice(name.as_bytes());
    file.push(0);
    leb128(file, head.len() + contents.len());
    file.extend_from_slice(&head);
    file.extend_from_slice(contents);
}

fn leb128(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}
