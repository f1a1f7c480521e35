//! The definition of an action, as the host passes it. The host checked it against the same grammar when the connector
//! was posted (`host/manifest/src/manifest/check/declarative.rs`).

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
    /// Whether the action's output schema allows null for members.
    #[serde(default)]
    pub nullable: bool,
}

/// Treats null like an absent member.
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
    /// Lists that are sent as one value.
    #[serde(default, deserialize_with = "or_default")]
    pub separators: Separators,
    #[serde(default)]
    pub timeout_ms: Option<u32>,
}

/// Separators of lists that are sent as one value, by the name of the parameter.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Separators {
    #[serde(deserialize_with = "or_default")]
    pub query: BTreeMap<String, Separator>,
    #[serde(deserialize_with = "or_default")]
    pub headers: BTreeMap<String, Separator>,
    /// Members of a form.
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
    /// `application/x-www-form-urlencoded`, with nested members as `a[b]`.
    Form,
    /// A string, sent unchanged.
    Text,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListStyle {
    /// `a[]=1&a[]=2`. A list of objects or lists gets numbers: `a[0][b]=1`.
    #[default]
    Brackets,
    /// `a=1&a=2`.
    Repeat,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseRule {
    /// A jq filter for the body, or for the items of all pages.
    pub mapping: Option<String>,
    /// The kind of body that a success must have.
    #[serde(deserialize_with = "or_default")]
    pub expect: Expected,
    /// Error rules. The first one that matches gives the meaning of the response. Without a match, the status does.
    #[serde(deserialize_with = "or_default")]
    pub errors: Vec<ErrorRule>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// JSON, or a text if the mapping reads one. A web page, or a body in which the mapping finds nothing, is a fault.
    #[default]
    #[serde(skip)]
    Usual,
    /// JSON only.
    Json,
    /// A text, as `{"text"}`, whatever it looks like.
    Text,
    /// Any body.
    Any,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    #[serde(default)]
    pub status: Option<Statuses>,
    /// A jq filter for the body. The rule matches when the result is neither `false` nor `null`.
    #[serde(default)]
    pub when: Option<String>,
    pub fault: FaultName,
    /// A template, which may also use `status` and `body`.
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

/// The fault kinds of `wit/connector.wit`, with the same names.
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

/// How to find the next page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pagination {
    #[serde(rename = "type")]
    pub kind: Kind,
    /// A jq filter for the body that gives a page's list. When absent, the body is the list.
    #[serde(default)]
    pub items: Option<String>,
    #[serde(default)]
    pub max_pages: Option<usize>,
    /// `cursor`: a jq filter for the body that gives the value of the query parameter `param`, or null on the last
    /// page.
    #[serde(default)]
    pub cursor: Option<String>,
    /// `link`: a jq filter for the body that gives the next page's address. When absent, the usual places are tried.
    #[serde(default)]
    pub next: Option<String>,
    /// All but `link`: the query parameter that selects the page.
    #[serde(default)]
    pub param: Option<String>,
    /// `page`: the number of the first page.
    #[serde(default)]
    pub start: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The service gives the next page's address, in the `Link` header with `rel="next"` (RFC 8288) or in the body.
    Link,
    Cursor,
    /// Pages are numbered.
    Page,
    /// The parameter is the number of items to skip.
    Offset,
}
