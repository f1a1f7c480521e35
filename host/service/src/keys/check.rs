//! Checks a key's scopes, its origins and its expiry.

use resly_core::{
    principal::{KeyKind, Scope},
    time::Timestamp,
};

use crate::{FieldError, origins::parse_origin};

pub(super) fn check_expiry(expires_at: Option<Timestamp>, now: Timestamp, mistakes: &mut Vec<FieldError>) {
    if expires_at.is_some_and(|at| at <= now) {
        mistakes.push(FieldError::new("expires_at", "it is over already; a time in the future is expected"));
    }
}

/// Caps beyond what both databases can hold are refused, not cut.
pub(super) fn check_caps(caps: [(&str, Option<u64>); 2], mistakes: &mut Vec<FieldError>) {
    for (member, _) in caps.into_iter().filter(|(_, cap)| cap.is_some_and(|cap| i64::try_from(cap).is_err())) {
        mistakes.push(FieldError::new(member, "at most 9223372036854775807 is expected, or null for no cap"));
    }
}

/// The scopes in their order, each once.
pub(super) fn read_scopes(kind: KeyKind, mut scopes: Vec<Scope>, mistakes: &mut Vec<FieldError>) -> Vec<Scope> {
    scopes.sort_by_key(|scope| *scope as u8);
    scopes.dedup();
    if scopes.is_empty() {
        mistakes.push(FieldError::new(
            "scopes",
            "at least one of `chat`, `search`, `admin`, `data:read`, `data:write` is expected",
        ));
    }
    let open = |scope: &Scope| matches!(scope, Scope::Chat | Scope::Search);
    if kind == KeyKind::Publishable && !scopes.iter().all(open) {
        mistakes.push(FieldError::new("scopes", "a publishable key may only have `chat` and `search`"));
    }
    scopes
}

/// The origins as browsers send them.
pub(super) fn read_origins(kind: KeyKind, origins: &[String], mistakes: &mut Vec<FieldError>) -> Vec<String> {
    match kind {
        KeyKind::Secret if !origins.is_empty() => {
            mistakes.push(FieldError::new("origins", "only a publishable key has origins"));
        }
        KeyKind::Publishable if origins.is_empty() => {
            mistakes.push(FieldError::new("origins", "a publishable key needs the origins it may be used from"));
        }
        KeyKind::Secret | KeyKind::Publishable => {}
    }
    let read = origins.iter().enumerate().filter_map(|(at, origin)| {
        parse_origin(origin).map_err(|error| mistakes.push(FieldError::new(format!("origins[{at}]"), error))).ok()
    });
    read.collect()
}
