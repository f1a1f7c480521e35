//! An action's definition, as the host hands it over.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub struct Definition {
    pub request: RequestRule,
    #[serde(default, deserialize_with = "or_default")]
    pub response: ResponseRule,
    #[serde(default)]
    pub pagination: Option<Pagination>,
}

fn or_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ResponseRule, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRule {
    #[serde(default = "get")]
    pub method: String,
    pub url: String,
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    #[serde(default)]
    pub query: BTreeMap<String, Value>,
    /// A JSON tree whose strings are templates.
    #[serde(default)]
    pub body: Value,
    #[serde(default)]
    pub body_type: BodyType,
    #[serde(default)]
    pub timeout_ms: Option<u32>,
}

fn get() -> String {
    "GET".to_owned()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyType {
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`; nested members as `a[b]`.
    Form,
    /// A string as it is.
    Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseRule {
    /// jq, applied to the body (or to the items of all pages).
    pub mapping: Option<String>,
    /// The first that fits says what the response means; without one, its status does.
    pub errors: Vec<ErrorRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    #[serde(default)]
    pub status: Option<u16>,
    /// jq on the body: the rule fits when it gives something else than `false` and `null`.
    #[serde(default)]
    pub when: Option<String>,
    /// A fault's kind in `wit/connector.wit`, such as `not-found`.
    pub fault: String,
    #[serde(default)]
    pub message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Pagination {
    /// The next page's address is in the `Link` header, `rel="next"` (RFC 8288).
    Link {
        #[serde(default)]
        items: Option<String>,
        #[serde(default = "five")]
        max_pages: usize,
    },
    /// `cursor` (jq on the body) gives the value of the query parameter `param`, or null on the last page.
    Cursor {
        cursor: String,
        param: String,
        #[serde(default)]
        items: Option<String>,
        #[serde(default = "five")]
        max_pages: usize,
    },
    /// Pages are numbered in the query parameter `param`.
    Page {
        param: String,
        #[serde(default = "one")]
        start: u64,
        #[serde(default)]
        items: Option<String>,
        #[serde(default = "five")]
        max_pages: usize,
    },
    /// The query parameter `param` says how many items to skip.
    Offset {
        param: String,
        #[serde(default)]
        items: Option<String>,
        #[serde(default = "five")]
        max_pages: usize,
    },
}

fn five() -> usize {
    5
}

fn one() -> u64 {
    1
}
