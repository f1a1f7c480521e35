//! The fields of a key: for a new one and for a change.

use std::time::Duration;

use maud::{Markup, html};
use resly_core::{
    principal::{KeyKind, Scope},
    time::Timestamp,
};
use resly_store::KeySummary;

use super::words::{GRANTABLE, scope_hint, scope_name, scope_title};
use crate::{
    fields::Fields,
    mistakes::Mistakes,
    parts::{Choice, Field, area, choices, select},
};

/// What the fields show: what was typed, or what the key has.
pub struct KeyForm {
    pub name: String,
    pub scopes: Vec<Scope>,
    /// One on each line.
    pub origins: String,
    pub message_cap: String,
    pub visitor_message_cap: String,
    /// Days from now; empty is never.
    pub expires: String,
}

/// What was typed, as values.
pub struct KeyValues {
    pub name: String,
    pub scopes: Vec<Scope>,
    pub origins: Vec<String>,
    pub message_cap: Option<u64>,
    pub visitor_message_cap: Option<u64>,
    pub expires_at: Option<Timestamp>,
}

const EXPIRIES: [(&str, &str); 5] =
    [("", "Never"), ("7", "In 7 days"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year")];

impl KeyForm {
    pub fn new(scopes: &[Scope]) -> Self {
        Self {
            name: String::new(),
            scopes: scopes.to_vec(),
            origins: String::new(),
            message_cap: String::new(),
            visitor_message_cap: String::new(),
            expires: String::new(),
        }
    }

    pub fn of(key: &KeySummary) -> Self {
        let cap = |cap: Option<u64>| cap.map(|cap| cap.to_string()).unwrap_or_default();
        Self {
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            origins: key.origins.join("\n"),
            message_cap: cap(key.message_cap),
            visitor_message_cap: cap(key.visitor_message_cap),
            expires: String::new(),
        }
    }

    pub fn read(fields: &Fields) -> Self {
        let named = |name: &str| GRANTABLE.into_iter().find(|scope| scope_name(*scope) == name);
        Self {
            name: fields.text("name").to_owned(),
            scopes: fields.all("scopes").into_iter().filter_map(named).collect(),
            origins: fields.text("origins").to_owned(),
            message_cap: fields.text("message_cap").to_owned(),
            visitor_message_cap: fields.text("visitor_message_cap").to_owned(),
            expires: fields.text("expires").to_owned(),
        }
    }

    /// The values, or what can't be one.
    pub fn values(&self, now: Timestamp) -> Result<KeyValues, Mistakes> {
        let mut mistakes = Mistakes::default();
        let mut cap = |field: &str, text: &str| match text.replace([',', '_', ' '], "").parse::<u64>() {
            _ if text.is_empty() => None,
            Ok(cap) => Some(cap),
            Err(_) => {
                mistakes.add(field, "a whole number is expected, or nothing for no cap");
                None
            }
        };
        let message_cap = cap("message_cap", &self.message_cap);
        let visitor_message_cap = cap("visitor_message_cap", &self.visitor_message_cap);
        let day = |days: u64| now.plus(Duration::from_secs(days * 24 * 3600));
        let known = EXPIRIES.into_iter().any(|(value, _)| value == self.expires);
        let expires_at = self.expires.parse().ok().filter(|_| known).map(day);
        let lines = self.origins.split(['\n', ',', ' ']).map(str::trim).filter(|origin| !origin.is_empty());
        let origins = lines.map(str::to_owned).collect();
        let (name, scopes) = (self.name.clone(), self.scopes.clone());
        if mistakes.is_empty() {
            Ok(KeyValues { name, scopes, origins, message_cap, visitor_message_cap, expires_at })
        } else {
            Err(mistakes)
        }
    }

    pub fn name_field(&self, placeholder: &str, mistakes: &Mistakes) -> Markup {
        let hint = Some("For you and your colleagues: where the key is used.");
        Field {
            name: "name",
            label: "Name",
            value: &self.name,
            placeholder: Some(placeholder),
            hint,
            error: mistakes.at("name"),
            required: true,
            length: Some(100),
            ..Field::default()
        }
        .draw()
    }

    pub fn scope_fields(&self, kind: KeyKind, mistakes: &Mistakes) -> Markup {
        let allowed: &[Scope] = match kind {
            KeyKind::Secret => &GRANTABLE,
            KeyKind::Publishable => &[Scope::Chat, Scope::Search],
        };
        let choice = |scope: &Scope| Choice {
            value: scope_name(*scope),
            label: scope_title(*scope),
            hint: Some(scope_hint(*scope)),
        };
        let options: Vec<Choice<'_>> = allowed.iter().map(choice).collect();
        let chosen: Vec<&str> = self.scopes.iter().map(|scope| scope_name(*scope)).collect();
        html! {
            (choices("What it may do", "scopes", true, &chosen, &options))
            @if let Some(mistake) = mistakes.at("scopes") { p class="mistake" role="alert" { (mistake) } }
        }
    }

    pub fn origin_field(&self, mistakes: &Mistakes) -> Markup {
        let field = Field {
            name: "origins",
            label: "Allowed origins",
            value: &self.origins,
            placeholder: Some("https://shop.example"),
            hint: Some(
                "The sites whose pages may use the key, one on each line: scheme and host, without a path. Wildcards aren't allowed.",
            ),
            error: mistakes.at("origins"),
            required: true,
            ..Field::default()
        };
        area(&field, 3, false)
    }

    pub fn cap_fields(&self, mistakes: &Mistakes) -> Markup {
        let cap = |name: &str, label: &str, value: &str, hint: &str| {
            let error = mistakes.at(name);
            let field = Field { name, label, value, hint: Some(hint), error, length: Some(20), ..Field::default() };
            field.draw()
        };
        html! {
            (cap("message_cap", "Most messages in a month", &self.message_cap, "Chats and searches under this key. Nothing typed: as many as the plan has."))
            (cap("visitor_message_cap", "Most messages of one visitor in a day", &self.visitor_message_cap, "By the visitorId that your app sends."))
        }
    }

    pub fn expiry_field(&self) -> Markup {
        let options = EXPIRIES.map(|(value, label)| Choice { value, label, hint: None });
        let field =
            Field { name: "expires", label: "Expires", value: &self.expires, required: true, ..Field::default() };
        select(&field, &options)
    }
}
