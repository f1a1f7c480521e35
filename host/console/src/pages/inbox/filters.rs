//! What the list of conversations can be narrowed to, in its address and in its form.

use maud::{Markup, html};
use resly_core::{conversation::handover::ConversationState, id::KeyId, time::Timestamp};
use resly_http::pagination;
use resly_store::{Assigned, ConversationQuery};
use serde::Deserialize;
use uuid::Uuid;

use super::{people::People, words::PATH};
use crate::parts::{Choice, Field, select};

/// The tab of the conversations that the member has.
pub const YOURS: &str = "yours";
/// The tab of those that rest.
pub const SNOOZED: &str = "snoozed";
/// Nobody has it, as the assignee.
const NOBODY: &str = "nobody";

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    pub state: String,
    pub text: String,
    pub visitor: String,
    pub tag: String,
    pub language: String,
    pub assignee: String,
    pub connector: String,
    pub key: String,
    pub since: String,
    pub until: String,
    pub before: String,
}

impl Parameters {
    /// The filters by their names in the address.
    fn filters(&self) -> [(&'static str, &str); 9] {
        [
            ("text", &self.text),
            ("visitor", &self.visitor),
            ("tag", &self.tag),
            ("language", &self.language),
            ("assignee", &self.assignee),
            ("connector", &self.connector),
            ("key", &self.key),
            ("since", &self.since),
            ("until", &self.until),
        ]
    }

    /// At most `limit` conversations; `own` is the member who looks.
    pub fn query(&self, own: Uuid, now: Timestamp, limit: u32) -> ConversationQuery {
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let state = match self.state.as_str() {
            YOURS => Some(ConversationState::Agent),
            state => ConversationState::ALL.into_iter().find(|known| known.name() == state),
        };
        let assigned = match self.assignee.as_str() {
            _ if self.state == YOURS => Some(Assigned::To(own)),
            NOBODY => Some(Assigned::Nobody),
            member => member.parse().ok().map(Assigned::To),
        };
        // Who waits isn't looked at while it is snoozed.
        let is_work = state.is_some_and(ConversationState::is_handed_over);
        let snoozed = (is_work || self.state == SNOOZED).then_some((self.state == SNOOZED, now));
        ConversationQuery {
            state,
            assigned,
            visitor: filled(&self.visitor),
            tag: filled(&self.tag),
            connector: filled(&self.connector),
            language: filled(&self.language).map(|language| language.to_lowercase()),
            // An id that can't be read is nobody's.
            key: filled(&self.key).map(|key| KeyId(key.parse().unwrap_or_default())),
            words: None,
            snoozed,
            since: day(&self.since, "T00:00:00Z"),
            until: day(&self.until, "T23:59:59.999999Z"),
            before: pagination::decode(&self.before),
            limit,
        }
    }

    pub fn is_filtered(&self) -> bool {
        self.filters().iter().any(|(_, text)| !text.trim().is_empty())
    }

    /// The page's address with these filters, without its cursor.
    pub fn path(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("state", self.state.as_str())].into_iter().chain(self.filters()) {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() { PATH.to_owned() } else { format!("{PATH}?{query}") }
    }
}

/// The time of a day, as a field of the kind `date` sends it.
fn day(text: &str, time: &str) -> Option<Timestamp> {
    (text.len() == 10).then(|| format!("{text}{time}").parse().ok())?
}

/// The form. What is seldom asked for stands behind a line that opens.
pub fn draw(parameters: &Parameters, people: &People) -> Markup {
    let field = |name, label, value, kind| Field { kind, name, label, value, ..Field::default() }.draw();
    let members = people.ids();
    let mut assignees =
        vec![Choice { value: "", label: "Anybody", hint: None }, Choice { value: NOBODY, label: "Nobody", hint: None }];
    assignees.extend(members.iter().map(|(id, name)| Choice { value: id, label: name, hint: None }));
    let assignee = Field { name: "assignee", label: "Agent", value: &parameters.assignee, ..Field::default() };
    let seldom = [&parameters.connector, &parameters.key, &parameters.language, &parameters.since, &parameters.until];
    let is_open = seldom.iter().any(|text| !text.is_empty());
    html! {
        form method="get" action=(PATH) class="stacked" {
            @if !parameters.state.is_empty() { input type="hidden" name="state" value=(parameters.state); }
            div class="filters" {
                (field("text", "Words", &parameters.text, "search"))
                (field("visitor", "Visitor", &parameters.visitor, "search"))
                (field("tag", "Tag", &parameters.tag, "search"))
                @if parameters.state != YOURS { (select(&assignee, &assignees)) }
                button class="button" { "Filter" }
            }
            details open[is_open] {
                summary { "More filters" }
                div class="filters" {
                    (field("language", "Language", &parameters.language, "search"))
                    (field("connector", "Connector", &parameters.connector, "search"))
                    (field("key", "Key (its id)", &parameters.key, "search"))
                    (field("since", "From", &parameters.since, "date"))
                    (field("until", "To", &parameters.until, "date"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_come_back_in_the_address() {
        let parameters = Parameters {
            state: YOURS.to_owned(),
            visitor: " anna ".to_owned(),
            until: "2026-01-31".to_owned(),
            since: "soon".to_owned(),
            text: "lost & found".to_owned(),
            ..Parameters::default()
        };
        let (own, now) = (Uuid::from_u128(7), Timestamp::from_micros(0));
        let query = parameters.query(own, now, 5);
        assert_eq!((query.state, query.assigned), (Some(ConversationState::Agent), Some(Assigned::To(own))));
        assert_eq!((query.visitor.as_deref(), query.since, query.snoozed), (Some("anna"), None, Some((false, now))));
        assert_eq!(query.until.unwrap().to_string(), "2026-01-31T23:59:59.999999Z");
        assert_eq!(
            parameters.path(),
            "/console/conversations?state=yours&text=lost+%26+found&visitor=+anna+&since=soon&until=2026-01-31"
        );
        assert!(parameters.is_filtered() && !Parameters::default().is_filtered());
        let nobodys = Parameters { assignee: NOBODY.to_owned(), state: SNOOZED.to_owned(), ..Parameters::default() };
        let query = nobodys.query(own, now, 5);
        assert_eq!((query.assigned, query.state, query.snoozed), (Some(Assigned::Nobody), None, Some((true, now))));
        let mistyped = Parameters { key: "' OR 1=1".to_owned(), ..Parameters::default() };
        assert_eq!(mistyped.query(own, now, 5).key.unwrap().0, Uuid::nil());
    }
}
