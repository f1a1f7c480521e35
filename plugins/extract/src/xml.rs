//! What the readers of XML share. No entity is defined by a document here, and none is fetched.

use quick_xml::events::{BytesRef, BytesStart};

/// A name without its prefix.
pub fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_owned()
}

/// An attribute's value, by its name without a prefix.
pub fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = start.attributes();
    let found = attributes.with_checks(false).flatten().find(|found| local(found.key.as_ref()) == name)?;
    Some(unescape(&found.value))
}

/// A reference: a character's number, or one of the five that XML knows. Any other is kept as it stands.
pub fn entity(entity: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        return character.to_string();
    }
    let name: &str = entity;
    known(name).map_or_else(|| format!("&{name};"), str::to_owned)
}

fn known(name: &str) -> Option<&'static str> {
    match name {
        "amp" => Some("&"),
        "lt" => Some("<"),
        "gt" => Some(">"),
        "quot" => Some("\""),
        "apos" => Some("'"),
        _ => None,
    }
}

fn unescape(text: &str) -> String {
    quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}
