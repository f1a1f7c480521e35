//! How a connector's requests authenticate, as its manifest says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How requests authenticate at the service. The host adds the credential after a request has left the guest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth {
    #[default]
    None,
    /// `credentials.api_key`, in a header or in the query.
    ApiKey {
        #[serde(rename = "in", default)]
        place: ApiKeyPlace,
        name: String,
        #[serde(default)]
        prefix: String,
    },
    /// `credentials.token` as `Authorization: Bearer …` (RFC 6750).
    Bearer,
    /// `credentials.username` and `credentials.password` (RFC 7617).
    Basic,
    /// OAuth 2.0 (RFC 6749): the access token goes into `header`, after `prefix`.
    Oauth2(Box<OAuth>),
}

/// How a service implements OAuth 2.0. One whole label of a URL's host may be a setting, as in `hosts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OAuth {
    /// Where a person agrees (RFC 6749, section 3.1). The grant `client_credentials` doesn't need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize_url: Option<String>,
    pub token_url: String,
    /// The endpoint that revokes tokens (RFC 7009).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_url: Option<String>,
    /// The required `iss` of the authorization response (RFC 9207), when the service sends one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// How the service signs its answer to an authorization. With this, an answer without a valid signature is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_hmac: Option<CallbackHmac>,
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The separator of scopes: a space, unless the service wants a comma.
    #[serde(default = "space")]
    pub scope_separator: String,
    /// Whether to use PKCE with S256 (RFC 7636).
    #[serde(default = "yes")]
    pub pkce: bool,
    #[serde(default)]
    pub grant: Grant,
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// Further parameters that the service needs, such as `access_type`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authorize_params: BTreeMap<String, String>,
    /// Further parameters of every request to `token_url`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub token_params: BTreeMap<String, String>,
    /// Values of `token_type` that are accepted besides `Bearer` and the prefix, such as Slack's `bot`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_types: Vec<String>,
    /// Where the tokens are in the answer of `token_url`, when they aren't in the standard's place.
    #[serde(default, skip_serializing_if = "TokenPointers::is_empty")]
    pub token_pointers: TokenPointers,
    #[serde(default = "authorization")]
    pub header: String,
    #[serde(default = "bearer")]
    pub prefix: String,
    /// Signs of an expired access token besides status 401. One of them is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub expired_when: Vec<ExpiredWhen>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    #[default]
    AuthorizationCode,
    ClientCredentials,
}

/// The service whose way of signing is used. The signature covers the answer's query, under the app's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackHmac {
    Shopify,
}

/// How the app's client authenticates to `token_url` (OpenID Connect Core, section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    #[default]
    ClientSecretPost,
    ClientSecretBasic,
}

/// JSON Pointers (RFC 6901) into the answer of `token_url`. A member without a pointer is expected under its usual name
/// beside the access token. When a renewal's answer has no token at `access_token`, it is read in the standard's place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenPointers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_in: Option<String>,
}

impl TokenPointers {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each pointer that is set, with its member's name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("access_token", &self.access_token),
            ("refresh_token", &self.refresh_token),
            ("token_type", &self.token_type),
            ("scope", &self.scope),
            ("expires_in", &self.expires_in),
            ("refresh_expires_in", &self.refresh_expires_in),
        ];
        all.into_iter().filter_map(|(name, pointer)| Some((name, pointer.as_deref()?)))
    }
}

/// A response that means that the access token has expired. All given members have to match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpiredWhen {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A JSON Pointer (RFC 6901) into the body. The value there has to be `equals` or, when that is absent, anything
    /// but null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<ExpiredWhen>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(ExpiredWhen),
        Many(Vec<ExpiredWhen>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

fn yes() -> bool {
    true
}

fn space() -> String {
    " ".to_owned()
}

fn authorization() -> String {
    "authorization".to_owned()
}

fn bearer() -> String {
    "Bearer ".to_owned()
}

/// The type of an [`Auth`], by which a connection chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    None,
    ApiKey,
    Bearer,
    Basic,
    Oauth2,
}

impl AuthType {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ApiKey => "api_key",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Oauth2 => "oauth2",
        }
    }
}

impl Auth {
    /// The members of `credentials` that this kind needs.
    pub fn fields(&self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::ApiKey { .. } => &["api_key"],
            Self::Bearer => &["token"],
            Self::Basic => &["username", "password"],
            Self::Oauth2(_) => &["client_id", "client_secret"],
        }
    }

    /// Whether a person has to agree at the service before there is an account.
    pub fn requires_user_consent(&self) -> bool {
        matches!(self, Self::Oauth2(oauth) if oauth.grant == Grant::AuthorizationCode)
    }

    pub fn kind(&self) -> AuthType {
        match self {
            Self::None => AuthType::None,
            Self::ApiKey { .. } => AuthType::ApiKey,
            Self::Bearer => AuthType::Bearer,
            Self::Basic => AuthType::Basic,
            Self::Oauth2(_) => AuthType::Oauth2,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiKeyPlace {
    #[default]
    Header,
    Query,
}
