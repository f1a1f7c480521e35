//! Query parameters: those a route knows, each with a value that it can use. Whatever else comes is refused, since a filter
//! that was misspelt would show everything.

use std::{collections::BTreeSet, str::FromStr};

use axum::extract::FromRequestParts;
use http::request::Parts;
use resly_manifest::mask;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Visitor},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

use super::problem::{Problem, kinds};

/// The parameters of a route: the fields of a type, which are optional texts. [`id_or_time`] and [`choice`] make of them
/// what they mean.
pub struct Query<T>(pub T);

/// What a route without parameters takes.
#[derive(Deserialize)]
pub struct NoParameters {}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut known: &[&str] = &[];
    let texts = pairs.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect();
    let read = T::deserialize(Texts { texts, known: &mut known });
    let mut seen = BTreeSet::new();
    for (name, _) in &pairs {
        if !known.contains(&name.as_str()) {
            let known_are = if known.is_empty() { "no parameters".to_owned() } else { listed(known) };
            let unknown = wrong(name, &format!("is unknown; this route takes {known_are}"));
            return Err(unknown.with(|members| members.allowed = Some(known.to_vec())));
        }
        if !seen.insert(name) {
            return Err(wrong(name, "is there more than once"));
        }
    }
    read.map_err(|error| Problem::new(&kinds::INVALID_HEADER, format!("the query can't be read: {error}")))
}

/// The pairs, which tell what fields were asked for.
struct Texts<'k> {
    texts: Map<String, Value>,
    known: &'k mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for Texts<'_> {
    type Error = serde_json::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.known = fields;
        Value::Object(self.texts).deserialize_struct(name, fields, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        Value::Object(self.texts).deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The problem of one parameter. What it was set to isn't repeated.
pub fn wrong(name: &str, what: &str) -> Problem {
    let name: String = mask::secrets(name).chars().take(100).collect();
    let detail = format!("the query parameter `{name}` {what}");
    Problem::new(&kinds::INVALID_HEADER, detail).with(|members| members.parameter = Some(name))
}

/// An id or a time.
pub fn id_or_time<T: FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let bad = |_| wrong(name, "can't be read: ids are UUIDs, times RFC 3339, such as 2026-01-31T12:00:00Z");
    text.map(str::parse).transpose().map_err(bad)
}

/// One of a few names.
pub fn choice<T: Copy>(
    name: &str,
    text: Option<&str>,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let found = all.iter().copied().find(|one| name_of(*one) == text);
    found.map(Some).ok_or_else(|| {
        let allowed: Vec<&'static str> = all.iter().map(|one| name_of(*one)).collect();
        wrong(name, &format!("is one of {}", listed(&allowed))).with(|members| members.allowed = Some(allowed))
    })
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Two {
        state: Option<String>,
        limit: Option<String>,
    }

    #[test]
    fn what_is_unknown_or_there_twice_is_refused_by_name() {
        let well: Two = read("state=open%20&limit=1").unwrap();
        assert_eq!((well.state.as_deref(), well.limit.as_deref()), (Some("open "), Some("1")));
        assert!(read::<Two>("").unwrap().state.is_none() && read::<NoParameters>("").is_ok());

        let problem = read::<Two>("stat=open").unwrap_err().to_json();
        assert_eq!((&problem["status"], &problem["parameter"]), (&json!(400), &json!("stat")), "{problem}");
        assert_eq!(problem["allowed"], json!(["state", "limit"]));
        let said = "the query parameter `stat` is unknown; this route takes `state`, `limit`";
        assert_eq!(problem["detail"], said, "what it was set to isn't repeated");
        let twice = read::<Two>("limit=1&limit=2").unwrap_err().to_json();
        assert_eq!((&twice["parameter"], &twice["status"]), (&json!("limit"), &json!(400)), "{twice}");
        let none = read::<NoParameters>("all=1").err().unwrap().to_json();
        assert_eq!(none["detail"], "the query parameter `all` is unknown; this route takes no parameters");
    }

    #[test]
    fn a_choice_tells_what_there_is() {
        let all = ["open", "closed"];
        assert_eq!(choice("state", Some("closed"), &all, |name| name).unwrap(), Some("closed"));
        assert_eq!(choice("state", None, &all, |name| name).unwrap(), None);
        let problem = choice("state", Some("ajar"), &all, |name| name).unwrap_err().to_json();
        assert_eq!(problem["detail"], "the query parameter `state` is one of `open`, `closed`");
        assert_eq!((&problem["parameter"], &problem["allowed"]), (&json!("state"), &json!(["open", "closed"])));
        assert_eq!(id_or_time::<u32>("n", Some("x")).unwrap_err().to_json()["parameter"], "n");
    }
}
