//! What a key may do and in which state it is, in words.

use maud::{Markup, html};
use resly_core::{
    principal::{KeyKind, Scope},
    time::Timestamp,
};
use resly_store::KeySummary;

use crate::parts::{Tone, badge, countdown};

/// The scopes that a member may grant.
pub const GRANTABLE: [Scope; 5] = [Scope::Chat, Scope::Search, Scope::Admin, Scope::DataRead, Scope::DataWrite];

/// The name in the API and in forms.
pub fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Chat => "chat",
        Scope::Search => "search",
        Scope::Admin => "admin",
        Scope::Operator => "operator",
        Scope::DataRead => "data:read",
        Scope::DataWrite => "data:write",
    }
}

/// What a scope allows, in a few words.
pub fn scope_title(scope: Scope) -> &'static str {
    match scope {
        Scope::Chat => "Ask questions",
        Scope::Search => "Search the knowledge",
        Scope::Admin => "Administer the organization",
        Scope::Operator => "Operate the host",
        Scope::DataRead => "Read the tables",
        Scope::DataWrite => "Read and write the tables",
    }
}

/// What a scope allows, in a sentence.
pub fn scope_hint(scope: Scope) -> &'static str {
    match scope {
        Scope::Chat => "/api/chat, and the conversations that come of it",
        Scope::Search => "/api/search",
        Scope::Admin => "/api/admin: everything that this console does, for your own scripts",
        Scope::Operator => "All organizations and plans of this host",
        Scope::DataRead => "/rest/v1, for dashboards and data tools",
        Scope::DataWrite => "/rest/v1, for tools that change tickets and conversations",
    }
}

pub fn kind(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Secret => "Secret, for servers",
        KeyKind::Publishable => "Publishable, for web pages",
    }
}

/// What a key may do, as a list.
pub fn scopes(key: &KeySummary) -> Markup {
    html! { @for (at, scope) in key.scopes.iter().enumerate() { @if at > 0 { ", " } (scope_title(*scope)) } }
}

/// How a key's text begins. The id in it tells which key a program has.
pub fn beginning(key: &KeySummary) -> String {
    let prefix = match key.kind {
        KeyKind::Secret => "rsk",
        KeyKind::Publishable => "rpk",
    };
    format!("{prefix}_live_{}_…", key.id.0.simple())
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Works,
    /// It was rotated: another key is in its place, and it still works until then.
    Replaced(Timestamp),
    Ends(Timestamp),
    Over,
}

impl State {
    /// `others` are keys of the organization.
    pub fn of<'k>(key: &KeySummary, others: impl IntoIterator<Item = &'k KeySummary>, now: Timestamp) -> Self {
        let newer = |other: &KeySummary| {
            other.lineage == key.lineage && (other.created_at, other.id) > (key.created_at, key.id)
        };
        match key.expires_at {
            None => Self::Works,
            Some(at) if at <= now => Self::Over,
            Some(at) if others.into_iter().any(newer) => Self::Replaced(at),
            Some(at) => Self::Ends(at),
        }
    }

    pub fn draw(self, now: Timestamp) -> Markup {
        match self {
            Self::Works => badge(Tone::Good, "Works"),
            Self::Replaced(until) => html! { (badge(Tone::Warn, "Replaced")) " ends in " (countdown(now, until)) },
            Self::Ends(at) => html! { (badge(Tone::Good, "Works")) " ends in " (countdown(now, at)) },
            Self::Over => badge(Tone::Quiet, "Expired"),
        }
    }
}
