//! JSON within texts: `tojson` and `fromjson`.

use crate::{
    arithmetic::{Raises, raise},
    read,
    value::Val,
    write,
};

/// A value as compact JSON.
pub fn to_text(value: &Val) -> String {
    let mut out = Vec::new();
    // The stack limits the depth. A note replaces a deeper value.
    match write::write(value, &mut out, MOST_NESTED) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(),
        Err(_) => "<skipped: too deep>".to_owned(),
    }
}

const MOST_NESTED: usize = 512;

/// `tostring`: texts are unchanged.
pub fn to_string(value: &Val) -> Val {
    match value {
        Val::Text(text) => Val::Text(text.clone()),
        value => Val::from(to_text(value)),
    }
}

/// Parses JSON in a text, including the forms that only jq's reader accepts.
pub fn from_text(text: &str) -> Raises<Val> {
    // Leaked: the value borrows from it until the instance ends.
    match read::read_loose(text.to_owned().leak(), MOST_NESTED) {
        Ok(value) => Ok(value),
        Err(error) => {
            let excerpt: String = text.chars().take(40).collect();
            raise(format!("{} at byte {} (while parsing '{excerpt}')", error.reason, error.offset))
        }
    }
}
