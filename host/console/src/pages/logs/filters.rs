//! Which calls are listed: what the form asks for, as it was typed and as it is understood.

use resly_core::connector::{
    connection::{CallerKind, Environment},
    failure_reason::FailureReason,
};
use resly_http::{pagination, query};
use resly_store::LogQuery;
use url::form_urlencoded::{Serializer, parse};

use super::words;

/// The page's parameters but its cursors.
const NAMES: [&str; 10] =
    ["connection", "connector", "action", "result", "environment", "caller", "conversation", "from", "to", "q"];

/// The filters of a page.
pub struct Filters {
    given: Vec<(String, String)>,
    /// `None` when there are mistakes.
    pub query: Option<LogQuery>,
    /// Each with the parameter's name.
    mistakes: Vec<(String, String)>,
}

impl Filters {
    pub fn read(raw: &str) -> Self {
        let pairs: Vec<(String, String)> =
            parse(raw.as_bytes()).into_owned().filter(|(_, value)| !value.trim().is_empty()).collect();
        let cursor = |name: &str| {
            let given = pairs.iter().find(|(given, _)| given == name);
            given.map(|(_, value)| pagination::decode(value).ok_or_else(|| name.to_owned()))
        };
        let (before, after) = (cursor("before").transpose(), cursor("after").transpose());
        let given: Vec<_> = pairs.iter().filter(|(name, _)| NAMES.contains(&name.as_str())).cloned().collect();
        let read = query::read::<LogQuery>(&understood(&given)).map_err(|problem| {
            let errors = problem.errors().iter();
            errors.map(|error| (error.path.clone(), error.message.clone())).collect::<Vec<_>>()
        });
        let outdated = |name: String| vec![(name, "the page's address is cut off".to_owned())];
        let query = read.and_then(|query| {
            let failed = given.iter().any(|(name, value)| name == "result" && value == "failed");
            Ok(LogQuery { before: before.map_err(outdated)?, after: after.map_err(outdated)?, failed, ..query })
        });
        match query {
            Ok(query) => Self { given, query: Some(query), mistakes: Vec::new() },
            Err(mistakes) => Self { given, query: None, mistakes },
        }
    }

    /// What was typed for a parameter.
    pub fn value(&self, name: &str) -> &str {
        self.given.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// What is wrong with a parameter.
    pub fn mistake(&self, name: &str) -> Option<&str> {
        let of = |path: &str| path == name || (name == "result" && matches!(path, "status" | "reason"));
        self.mistakes.iter().find(|(path, _)| of(path)).map(|(_, message)| message.as_str())
    }

    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// The page with these filters.
    pub fn path(&self) -> String {
        if self.given.is_empty() {
            return "/console/logs".to_owned();
        }
        format!("/console/logs?{}", Serializer::new(String::new()).extend_pairs(&self.given).finish())
    }

    /// The same page, with the calls that follow a cursor.
    pub fn path_after(&self, cursor: &str) -> String {
        let pairs = self.given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs = pairs.chain([("after", cursor)]);
        format!("/console/logs?{}", Serializer::new(String::new()).extend_pairs(pairs).finish())
    }
}

/// The query of the API that asks for the same.
fn understood(given: &[(String, String)]) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in given {
        match (name.as_str(), value.as_str()) {
            ("result", "failed") => {}
            ("result", "ok") => drop(query.append_pair("status", "ok")),
            ("result", reason) => drop(query.append_pair("reason", reason)),
            ("from" | "to", time) => drop(query.append_pair(name, &utc(time))),
            (_, value) => drop(query.append_pair(name, value)),
        }
    }
    query.finish()
}

/// A form's time, which has no zone and often no seconds (HTML, "Local dates and times"), as one of UTC.
fn utc(time: &str) -> String {
    match time.len() {
        16 => format!("{time}:00Z"),
        19 => format!("{time}Z"),
        _ => time.to_owned(),
    }
}

/// The choices of the field `result`: value and label.
pub fn results() -> Vec<(&'static str, &'static str)> {
    let reasons = FailureReason::ALL.map(|reason| (reason.name(), words::reason(reason)));
    [("", "All"), ("ok", "Answered"), ("failed", "Failed")].into_iter().chain(reasons).collect()
}

pub fn environments() -> Vec<(&'static str, &'static str)> {
    let word = |environment| match environment {
        Environment::Sandbox => "Sandbox",
        Environment::Production => "Production",
    };
    let all = Environment::ALL.map(|environment| (environment.name(), word(environment)));
    [("", "All")].into_iter().chain(all).collect()
}

pub fn callers() -> Vec<(&'static str, &'static str)> {
    let all = CallerKind::ALL.map(|caller| (caller.name(), words::caller(caller)));
    [("", "All")].into_iter().chain(all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_sends_is_understood() {
        let filters = Filters::read("connection=&action=get&result=failed&from=2026-11-29T10%3A00&q=+&before=");
        let query = filters.query.as_ref().unwrap();
        assert_eq!((query.action.as_deref(), query.failed, query.connection), (Some("get"), true, None));
        assert_eq!(query.from, "2026-11-29T10:00:00Z".parse().ok());
        assert!(query.text.is_none() && query.before.is_none() && query.limit == 50);
        assert_eq!(filters.path(), "/console/logs?action=get&result=failed&from=2026-11-29T10%3A00");
        let by_reason = Filters::read("result=needs_auth").query.unwrap();
        assert_eq!((by_reason.reason, by_reason.failed), (Some(FailureReason::NeedsAuth), false));
    }

    #[test]
    fn a_mistake_is_told_at_its_field() {
        let filters = Filters::read("result=bad&from=yesterday");
        assert!(filters.query.is_none());
        assert!(filters.mistake("result").unwrap().contains("is expected"));
        assert!(filters.mistake("from").unwrap().contains("a time"));
        assert_eq!(filters.mistake("q"), None);
        assert!(Filters::read("after=x").query.is_none());
    }
}
