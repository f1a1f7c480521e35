//! Query parameters: those that a route knows, each with a value that it can use. Anything else is refused, because a
//! filter that was misspelt would show everything. A refusal tells every mistake of the query.

use std::{collections::BTreeSet, str::FromStr};

use axum::extract::FromRequestParts;
use http::request::Parts;
use resly_manifest::mask;

use super::problem::{Problem, kinds, members::InvalidMember};

/// The most mistakes that a refusal tells.
const MOST_TOLD: usize = 50;

/// Extracts the parameters of a route.
pub struct Query<T>(pub T);

/// What a route takes. It reads every parameter in every case: one that isn't read counts as unknown.
pub trait FromQuery: Sized {
    fn from_query(parameters: &mut Parameters) -> Self;
}

/// What a route without parameters takes.
pub struct NoParameters;

impl FromQuery for NoParameters {
    fn from_query(_: &mut Parameters) -> Self {
        Self
    }
}

impl<S: Send + Sync, T: FromQuery> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

pub fn read<T: FromQuery>(query: &str) -> Result<T, Problem> {
    let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut parameters = Parameters { pairs, known: Vec::new(), errors: Vec::new() };
    let read = T::from_query(&mut parameters);
    parameters.refuse_unknown();
    if parameters.errors.is_empty() { Ok(read) } else { Err(problem(parameters.errors)) }
}

/// The parameters of one request. A parameter that can't be used reads as absent, and its mistake is kept.
pub struct Parameters {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<ParameterError>,
}

impl Parameters {
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut given = self.pairs.iter().filter(|(given, _)| given == name);
        let (first, more) = (given.next().map(|(_, text)| text.clone()), given.next().is_some());
        if more {
            self.errors.push(ParameterError::new(name, "it is there more than once"));
            return None;
        }
        first
    }

    /// What `parse` makes of the text; where that is nothing, `expected` says what would be right.
    pub fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        let parsed = parse(&self.text(name)?);
        if parsed.is_none() {
            self.errors.push(ParameterError::new(name, format!("{expected} is expected")));
        }
        parsed
    }

    pub fn id<T: FromStr>(&mut self, name: &'static str) -> Option<T> {
        self.parsed(name, |text| text.parse().ok(), "an id (a UUID)")
    }

    pub fn time<T: FromStr>(&mut self, name: &'static str) -> Option<T> {
        self.parsed(name, |text| text.parse().ok(), "a time such as 2026-01-31T12:00:00Z")
    }

    /// One of a few names.
    pub fn choice<T: Copy>(&mut self, name: &'static str, all: &[T], name_of: impl Fn(T) -> &'static str) -> Option<T> {
        let text = self.text(name)?;
        let found = all.iter().copied().find(|one| name_of(*one) == text);
        if found.is_none() {
            let allowed = all.iter().map(|one| name_of(*one)).collect();
            self.errors.push(ParameterError::not_among(name, allowed));
        }
        found
    }

    fn refuse_unknown(&mut self) {
        let takes = if self.known.is_empty() { "no parameters".to_owned() } else { listed(&self.known) };
        let mut seen = BTreeSet::new();
        for (name, _) in &self.pairs {
            if self.errors.len() == MOST_TOLD {
                break;
            }
            if !self.known.contains(&name.as_str()) && seen.insert(name) {
                let message = format!("there is no such parameter; this route takes {takes}");
                let error = ParameterError::new(name, message);
                self.errors.push(ParameterError { allowed: Some(self.known.clone()), ..error });
            }
        }
    }
}

/// What is wrong with one parameter. Its value isn't repeated.
pub struct ParameterError {
    name: String,
    /// What would be right.
    message: String,
    /// The values, or the parameters, that are allowed.
    allowed: Option<Vec<&'static str>>,
}

impl ParameterError {
    fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: mask::secrets(name).chars().take(100).collect(), message: message.into(), allowed: None }
    }

    /// The value isn't one of those `allowed`.
    pub fn not_among(name: &str, allowed: Vec<&'static str>) -> Self {
        let message = format!("one of {} is expected", listed(&allowed));
        Self { allowed: Some(allowed), ..Self::new(name, message) }
    }
}

/// The problem of a query with these mistakes.
pub fn problem(errors: Vec<ParameterError>) -> Problem {
    let count = errors.len();
    let (first, allowed) = errors.first().map(|first| (first.name.clone(), first.allowed.clone())).unwrap_or_default();
    let errors: Vec<InvalidMember> =
        errors.into_iter().map(|ParameterError { name: path, message, .. }| InvalidMember { path, message }).collect();
    let message = errors.first().map(|first| first.message.as_str()).unwrap_or_default();
    let detail = match count {
        1 => format!("query parameter `{first}`: {message}"),
        _ => format!("{count} query parameters are wrong; the first is `{first}`: {message}"),
    };
    Problem::new(&kinds::INVALID_PARAMETER, detail).with(|members| {
        members.errors = Some(errors);
        members.parameter = Some(first);
        members.allowed = allowed;
    })
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use resly_core::{id::ConnectionId, time::Timestamp};
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Filter {
        state: Option<&'static str>,
        connection: Option<ConnectionId>,
        from: Option<Timestamp>,
    }

    impl FromQuery for Filter {
        fn from_query(parameters: &mut Parameters) -> Self {
            Self {
                state: parameters.choice("state", &["open", "closed"], |name| name),
                connection: parameters.id("connection"),
                from: parameters.time("from"),
            }
        }
    }

    fn refused(query: &str) -> Value {
        read::<Filter>(query).unwrap_err().to_json()
    }

    #[test]
    fn values_are_read_and_absent_ones_are_none() {
        let read = read::<Filter>;
        assert_eq!(read("").unwrap(), Filter { state: None, connection: None, from: None });
        let filter = read("from=2026-01-31T12%3A00%3A00Z&state=closed").unwrap();
        assert_eq!((filter.state, filter.from), (Some("closed"), "2026-01-31T12:00:00Z".parse().ok()));
        assert!(super::read::<NoParameters>("").is_ok());
    }

    #[test]
    fn one_mistake_is_told_with_what_is_allowed() {
        let problem = refused("state=ajar");
        assert_eq!((&problem["type"], &problem["status"]), (&json!("/docs/problems/invalid-parameter"), &json!(400)));
        assert_eq!(problem["detail"], "query parameter `state`: one of `open`, `closed` is expected");
        assert_eq!((&problem["parameter"], &problem["allowed"]), (&json!("state"), &json!(["open", "closed"])));
        let errors = json!([{"path": "state", "message": "one of `open`, `closed` is expected"}]);
        assert_eq!(problem["errors"], errors, "the value isn't repeated");

        let twice = refused("from=2026-01-31T12:00:00Z&from=yesterday");
        assert_eq!(twice["errors"], json!([{"path": "from", "message": "it is there more than once"}]));
        let unknown = refused("stat=open");
        assert_eq!(
            (&unknown["parameter"], &unknown["allowed"]),
            (&json!("stat"), &json!(["state", "connection", "from"]))
        );
        let takes = "there is no such parameter; this route takes `state`, `connection`, `from`";
        assert_eq!(unknown["detail"], format!("query parameter `stat`: {takes}"));
        let none = read::<NoParameters>("all=1").err().unwrap().to_json();
        assert_eq!(none["detail"], "query parameter `all`: there is no such parameter; this route takes no parameters");
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let problem = refused("stat=open&state=ajar&connection=1&from=now&from=then&stat=closed&x=1");
        let paths: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|error| &error["path"]).collect();
        assert_eq!(paths, ["state", "connection", "from", "stat", "x"]);
        let detail = "5 query parameters are wrong; the first is `state`: one of `open`, `closed` is expected";
        assert_eq!((&problem["detail"], &problem["parameter"]), (&json!(detail), &json!("state")));
        let many: String = (0..1000).map(|n| format!("p{n}=1&")).collect();
        assert_eq!(refused(&many)["errors"].as_array().unwrap().len(), MOST_TOLD);
    }
}
