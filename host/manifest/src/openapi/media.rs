//! Media types in documents.

/// A media type without its parameters, in lower case.
pub fn essence(name: &str) -> String {
    name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a type is JSON or is written as JSON (RFC 6839).
pub fn is_json(name: &str) -> bool {
    let name = essence(name);
    name == "application/json" || name == "text/json" || (name.ends_with("+json") && !name.contains('*'))
}
