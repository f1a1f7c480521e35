//! JSON in texts: what `tojson` writes and `fromjson` reads.

use crate::{
    arithmetic::{Raises, raise},
    read,
    value::Val,
    write,
};

/// A value as compact JSON.
pub fn to_text(value: &Val) -> String {
    let mut out = Vec::new();
    // As deep as there is stack for: the guest's fault is typed beyond it.
    match write::write(value, &mut out, MOST_NESTED) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(),
        Err(_) => "<skipped: too deep>".to_owned(),
    }
}

const MOST_NESTED: usize = 512;

/// `tostring`: texts are as they are.
pub fn to_string(value: &Val) -> Val {
    match value {
        Val::Text(text) => Val::Text(text.clone()),
        value => Val::from(to_text(value)),
    }
}

/// Reads JSON out of a text, with what jq's reader takes beyond it.
pub fn from_text(text: &str) -> Raises<Val> {
    // What is read lives as long as the instance.
    match read::read_loose(text.to_owned().leak(), MOST_NESTED) {
        Ok(value) => Ok(value),
        Err(error) => {
            let excerpt: String = text.chars().take(40).collect();
            raise(format!("{} at byte {} (while parsing '{excerpt}')", error.reason, error.offset))
        }
    }
}
