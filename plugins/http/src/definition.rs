//! An action's definition, as the host hands it over. The host has checked it against the same grammar when the
//! connector was posted (`host/manifest/src/manifest/check/declarative.rs`).

use std::collections::BTreeMap;

use resly_sdk::{FaultKind, serde};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
pub struct Definition {
    pub request: RequestRule,
    #[serde(default, deserialize_with = "or_default")]
    pub response: ResponseRule,
    #[serde(default)]
    pub pagination: Option<Pagination>,
    /// Whether the action's output schema lets members be null.
    #[serde(default)]
    pub nullable: bool,
}

/// Null means what absence means.
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRule {
    #[serde(default)]
    pub method: Option<String>,
    pub url: String,
    #[serde(default, deserialize_with = "or_default")]
    pub headers: Map<String, Value>,
    #[serde(default, deserialize_with = "or_default")]
    pub query: Map<String, Value>,
    /// A JSON tree whose strings are templates.
    #[serde(default)]
    pub body: Value,
    #[serde(default, deserialize_with = "or_default")]
    pub body_type: BodyType,
    /// How a form writes lists.
    #[serde(default, deserialize_with = "or_default")]
    pub list_style: ListStyle,
    /// The lists that are sent as one value.
    #[serde(default, deserialize_with = "or_default")]
    pub separators: Separators,
    #[serde(default)]
    pub timeout_ms: Option<u32>,
}

/// What stands between the items of a list that is one value, by the name of what it is the value of.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Separators {
    #[serde(deserialize_with = "or_default")]
    pub query: BTreeMap<String, Separator>,
    #[serde(deserialize_with = "or_default")]
    pub headers: BTreeMap<String, Separator>,
    /// A form's members.
    #[serde(deserialize_with = "or_default")]
    pub form: BTreeMap<String, Separator>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Separator {
    #[serde(rename = ",")]
    Comma,
    #[serde(rename = " ")]
    Space,
    #[serde(rename = "|")]
    Pipe,
    #[serde(rename = "\t")]
    Tab,
}

impl Separator {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Comma => ",",
            Self::Space => " ",
            Self::Pipe => "|",
            Self::Tab => "\t",
        }
    }
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListStyle {
    /// `a[]=1&a[]=2`; a list of objects or lists has numbers, `a[0][b]=1`.
    #[default]
    Brackets,
    /// `a=1&a=2`.
    Repeat,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseRule {
    /// jq, applied to the body (or to the items of all pages).
    pub mapping: Option<String>,
    /// What a success has to be.
    #[serde(deserialize_with = "or_default")]
    pub expect: Expected,
    /// The first that fits says what the response means; without one, its status does.
    #[serde(deserialize_with = "or_default")]
    pub errors: Vec<ErrorRule>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// JSON, or a text where the mapping reads one; no web page, and not what its mapping finds nothing in.
    #[default]
    #[serde(skip)]
    Usual,
    /// JSON and nothing else.
    Json,
    /// A text, `{"text"}`, whatever it looks like.
    Text,
    /// Whatever comes.
    Any,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    #[serde(default)]
    pub status: Option<Statuses>,
    /// jq on the body: the rule fits when it gives something else than `false` and `null`.
    #[serde(default)]
    pub when: Option<String>,
    pub fault: FaultName,
    /// A template over `status` and `body` too.
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub retryable: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Statuses {
    Several(Vec<Status>),
    One(Status),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Status {
    Code(u16),
    Class(Class),
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub enum Class {
    #[serde(rename = "1xx")]
    Information = 1,
    #[serde(rename = "2xx")]
    Success = 2,
    #[serde(rename = "3xx")]
    Redirection = 3,
    #[serde(rename = "4xx")]
    ClientError = 4,
    #[serde(rename = "5xx")]
    ServerError = 5,
}

impl Statuses {
    pub fn hold(&self, status: u16) -> bool {
        let fits = |one: &Status| match one {
            Status::Code(code) => *code == status,
            Status::Class(class) => *class as u16 == status / 100,
        };
        match self {
            Self::Several(several) => several.iter().any(fits),
            Self::One(one) => fits(one),
        }
    }
}

/// The kinds of `wit/connector.wit`, by the names that they have there.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultName {
    InvalidInput,
    NotFound,
    Upstream,
    NeedsAuth,
    RateLimited,
    Internal,
}

impl From<FaultName> for FaultKind {
    fn from(name: FaultName) -> Self {
        match name {
            FaultName::InvalidInput => Self::InvalidInput,
            FaultName::NotFound => Self::NotFound,
            FaultName::Upstream => Self::Upstream,
            FaultName::NeedsAuth => Self::NeedsAuth,
            FaultName::RateLimited => Self::RateLimited,
            FaultName::Internal => Self::Internal,
        }
    }
}

/// How to go on to the next page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pagination {
    #[serde(rename = "type")]
    pub kind: Kind,
    /// jq on the body: a page's list; the body itself when absent.
    #[serde(default)]
    pub items: Option<String>,
    #[serde(default)]
    pub max_pages: Option<usize>,
    /// `cursor`: jq on the body that gives the value of the query parameter `param`, or null on the last page.
    #[serde(default)]
    pub cursor: Option<String>,
    /// `link`: jq on the body that gives the next page's address; where services have it when absent.
    #[serde(default)]
    pub next: Option<String>,
    /// All but `link`: the query parameter that says which page.
    #[serde(default)]
    pub param: Option<String>,
    /// `page`: the first page's number.
    #[serde(default)]
    pub start: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The service gives the next page's address: in the `Link` header, `rel="next"` (RFC 8288), or in the body.
    Link,
    Cursor,
    /// Pages are numbered.
    Page,
    /// The parameter says how many items to skip.
    Offset,
}
