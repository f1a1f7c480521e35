//! Packing: a component and its manifest as one file, the manifest in a custom section at the end
//! (WebAssembly Core Specification, "Custom Section": id 0, size, name, contents).

use super::manifest::Manifest;

/// The custom section's name. Its contents are the manifest as JSON.
pub const SECTION: &str = "resly:manifest";

/// Appends the manifest to a component.
pub fn pack(component: &[u8], manifest: &Manifest) -> Result<Vec<u8>, serde_json::Error> {
    let contents = serde_json::to_vec(manifest)?;
    let mut section = Vec::with_capacity(contents.len() + SECTION.len() + 8);
    leb128(&mut section, SECTION.len());
    section.extend_from_slice(SECTION.as_bytes());
    section.extend_from_slice(&contents);

    let mut packed = Vec::with_capacity(component.len() + section.len() + 8);
    packed.extend_from_slice(component);
    packed.push(0);
    leb128(&mut packed, section.len());
    packed.extend_from_slice(&section);
    Ok(packed)
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
