//! What a reader of analytics chooses: the days, and which conversations.

use maud::{Markup, html};
use resly_core::time::Timestamp;
use resly_service::analytics::{Card, Group, Interval, ReportQuery, Span};
use serde::Deserialize;

use super::words;
use crate::parts::{Choice, Field, select};

/// Spans to choose, in days.
const SPANS: [i64; 3] = [7, 30, 90];
const USUAL: i64 = 30;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    days: String,
    from: String,
    to: String,
    key: String,
    language: String,
    tag: String,
    by: String,
    card: String,
    pub before: String,
}

/// What was chosen. What can't be read is the usual.
pub struct Choices {
    parameters: Parameters,
    pub query: ReportQuery,
    pub by: Interval,
    pub card: Card,
    /// Why the days that were typed aren't those that are shown.
    pub mistake: Option<String>,
}

impl Choices {
    pub fn read(mut parameters: Parameters, now: Timestamp) -> Self {
        let days = parameters.days.parse().ok().filter(|days| SPANS.contains(days));
        let typed = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let (from, to) = (typed(&parameters.from), typed(&parameters.to));
        let usual = Span::until(now, days.unwrap_or(USUAL));
        let chosen = match (&from, &to) {
            (None, None) => Ok(usual),
            _ => Span::parse(from.as_deref(), to.as_deref(), now),
        };
        let mistake = chosen.as_ref().err().map(ToString::to_string);
        let span = chosen.unwrap_or(usual);
        parameters.days = days.map(|days| days.to_string()).unwrap_or_default();
        let query = ReportQuery {
            span,
            key: parameters.key.parse().ok(),
            language: typed(&parameters.language),
            tag: typed(&parameters.tag),
        };
        let by = Interval::ALL.into_iter().find(|by| by.name() == parameters.by);
        let card = Card::ALL.into_iter().find(|card| card.name() == parameters.card).unwrap_or(Card::Conversations);
        Self { parameters, query, by: by.unwrap_or(Interval::Day), card, mistake }
    }

    /// An address with these choices, without a cursor.
    pub fn address(&self, path: &str, card: Option<Card>) -> String {
        self.address_with(path, &[("card", card.map_or("", Card::name))])
    }

    fn address_with(&self, path: &str, others: &[(&str, &str)]) -> String {
        let Parameters { days, from, to, key, language, tag, by, .. } = &self.parameters;
        let own = [
            ("days", days),
            ("from", from),
            ("to", to),
            ("key", key),
            ("language", language),
            ("tag", tag),
            ("by", by),
        ];
        let own = own.map(|(name, value)| (name, value.as_str()));
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let set = |name: &str| others.iter().any(|(other, _)| *other == name);
        for (name, value) in own.iter().filter(|(name, _)| !set(name)).chain(others) {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// `2026-11-01 to 2026-11-30 (UTC)`.
    pub fn days(&self) -> String {
        format!("{} to {} (UTC)", self.query.span.first(), self.query.span.last())
    }

    /// Links to the usual spans.
    pub fn spans(&self, path: &str) -> Markup {
        let is_typed = !self.parameters.from.is_empty() || !self.parameters.to.is_empty();
        html! {
            nav class="tabs" aria-label="Days" {
                @for days in SPANS {
                    @let text = days.to_string();
                    @let address = self.address_with(path, &[("days", text.as_str()), ("from", ""), ("to", "")]);
                    @let current = !is_typed && self.query.span.days() == days;
                    a href=(address) aria-current=[current.then_some("page")] { (days) " days" }
                }
            }
        }
    }

    /// The form that chooses the days, and nothing else.
    pub fn days_form(&self, path: &str) -> Markup {
        html! {
            (self.spans(path))
            form method="get" action=(path) class="filters" { (self.day_fields()) button class="button" { "Show" } }
        }
    }

    /// The form that chooses the days and the conversations.
    pub fn form(&self, path: &str, keys: &[Group], languages: &[Group]) -> Markup {
        let Parameters { key, language, tag, days, .. } = &self.parameters;
        let field = |name, label, value| Field { name, label, value, ..Field::default() };
        let any = |label| Choice { value: "", label, hint: None };
        let names: Vec<String> =
            keys.iter().map(|key| key.name.clone().unwrap_or_else(|| "Deleted key".to_owned())).collect();
        let mut of_keys = vec![any("All but the playground")];
        of_keys.extend(keys.iter().zip(&names).map(|(key, name)| Choice { value: &key.id, label: name, hint: None }));
        let names: Vec<String> = languages.iter().map(|group| words::language(&group.id)).collect();
        let mut of_languages = vec![any("All")];
        of_languages.extend(languages.iter().zip(&names).map(|(group, name)| Choice {
            value: &group.id,
            label: name,
            hint: None,
        }));
        let intervals = [("day", "Day"), ("week", "Week")].map(|(value, label)| Choice { value, label, hint: None });
        html! {
            (self.spans(path))
            form method="get" action=(path) class="filters" {
                @if !days.is_empty() { input type="hidden" name="days" value=(days); }
                (self.day_fields())
                (select(&field("key", "Key", key), &of_keys))
                (select(&field("language", "Language", language), &of_languages))
                (Field { kind: "search", ..field("tag", "Tag", tag) }.draw())
                (select(&field("by", "By", self.by.name()), &intervals))
                button class="button" { "Show" }
            }
        }
    }

    fn day_fields(&self) -> Markup {
        let Parameters { from, to, .. } = &self.parameters;
        let field =
            |name, label, value, error| Field { kind: "date", name, label, value, error, ..Field::default() }.draw();
        html! { (field("from", "From", from, self.mistake.as_deref())) (field("to", "To", to, None)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(parameters: Parameters) -> Choices {
        Choices::read(parameters, "2026-11-30T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn days_are_chosen_by_number_or_typed() {
        let usual = choices(Parameters::default());
        assert_eq!((usual.query.span.days(), usual.days().as_str()), (30, "2026-11-01 to 2026-11-30 (UTC)"));
        let week = choices(Parameters { days: "7".to_owned(), tag: " vip ".to_owned(), ..Parameters::default() });
        assert_eq!((week.query.span.days(), week.query.tag.as_deref()), (7, Some("vip")));
        assert_eq!(week.address("/p", Some(Card::Open)), "/p?days=7&tag=+vip+&card=open");
        let typed = Parameters {
            days: "7".to_owned(),
            from: "2026-01-01".to_owned(),
            to: "2026-01-31".to_owned(),
            ..Parameters::default()
        };
        assert_eq!(choices(typed).query.span.days(), 31);
        let wrong =
            choices(Parameters { from: "2026-12-31".to_owned(), days: "8".to_owned(), ..Parameters::default() });
        assert_eq!((wrong.query.span.days(), wrong.mistake.is_some()), (30, true));
    }
}
