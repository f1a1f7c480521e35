//! Adds the credential to a request, as a header or a query parameter, after the request has left the guest.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use resly_manifest::{ApiKeyPlace, Auth};
use resly_vault::Credentials;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use zeroize::Zeroizing;

use super::headers;

/// Why a connection's credential can't be used. The text is for the admin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    #[error("the connection has no `{0}`; an admin has to enter its credentials")]
    Missing(&'static str),
    #[error("the connection is not authorized yet; an admin has to connect the account")]
    NotAuthorized,
    #[error("the connection's `{0}` holds characters that can't be sent; an admin has to enter it again")]
    Unsendable(&'static str),
    #[error("the connector's manifest names an impossible header for its credential: its author has to mend that")]
    Header,
}

/// A credential in the form in which it is sent.
pub enum Injection {
    Header(HeaderName, HeaderValue),
    Query(String, SecretString),
}

impl Injection {
    /// `None` when the connection needs no credential.
    pub fn new(auth: &Auth, credentials: &Credentials) -> Result<Option<Self>, InjectError> {
        let field = |name: &'static str| {
            credentials.get(name).filter(|value| !value.is_empty()).ok_or(InjectError::Missing(name))
        };
        Ok(Some(match auth {
            Auth::None => return Ok(None),
            Auth::ApiKey { place: ApiKeyPlace::Header, name, prefix } => {
                header(name, prefix, field("api_key")?, "api_key")?
            }
            Auth::ApiKey { place: ApiKeyPlace::Query, name, prefix } => {
                let key = Zeroizing::new(format!("{prefix}{}", field("api_key")?));
                Self::Query(name.clone(), SecretString::from(key.as_str()))
            }
            Auth::Bearer => header("authorization", "Bearer ", field("token")?, "token")?,
            Auth::Basic => {
                field("username")?;
                let pair = credentials.basic().ok_or(InjectError::Missing("password"))?;
                let value = Zeroizing::new(format!("Basic {}", *pair));
                Self::Header(header::AUTHORIZATION, sensitive(&value, "password")?)
            }
            // The account's token. Before an authorization, the connection has only the app's client.
            Auth::Oauth2(oauth) => {
                let token = field("access_token").map_err(|_| InjectError::NotAuthorized)?;
                header(&oauth.header, &oauth.prefix, token, "access_token")?
            }
        }))
    }

    /// Adds the credential to a request.
    pub fn apply(&self, url: &mut Url, headers: &mut HeaderMap) {
        match self {
            Self::Header(name, value) => {
                headers.insert(name.clone(), value.clone());
            }
            Self::Query(name, value) => {
                strip(url, name);
                url.query_pairs_mut().append_pair(name, value.expose_secret());
            }
        }
    }
}

/// Where a credential goes, and the prefix before it.
pub enum CredentialPlace<'a> {
    Header { name: &'a str, prefix: &'a str },
    Query { name: &'a str, prefix: &'a str },
}

pub fn place(auth: &Auth) -> Option<CredentialPlace<'_>> {
    let authorization = |prefix| CredentialPlace::Header { name: "authorization", prefix };
    Some(match auth {
        Auth::None => return None,
        Auth::ApiKey { place: ApiKeyPlace::Header, name, prefix } => CredentialPlace::Header { name, prefix },
        Auth::ApiKey { place: ApiKeyPlace::Query, name, prefix } => CredentialPlace::Query { name, prefix },
        Auth::Bearer => authorization("Bearer "),
        Auth::Basic => authorization("Basic "),
        Auth::Oauth2(oauth) => CredentialPlace::Header { name: &oauth.header, prefix: &oauth.prefix },
    })
}

/// The query parameter that carries the credential. A guest may not set it.
pub fn query_parameter(auth: &Auth) -> Option<&str> {
    match auth {
        Auth::ApiKey { place: ApiKeyPlace::Query, name, .. } => Some(name),
        _ => None,
    }
}

pub fn has_parameter(url: &Url, name: &str) -> bool {
    url.query_pairs().any(|(have, _)| have.eq_ignore_ascii_case(name))
}

/// Removes a parameter from a query. A redirect to the same origin may have brought it back.
fn strip(url: &mut Url, name: &str) {
    if !has_parameter(url, name) {
        return;
    }
    let kept: Vec<_> = url.query_pairs().filter(|(have, _)| !have.eq_ignore_ascii_case(name)).collect();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    url.set_query(Some(&query).filter(|query| !query.is_empty()).map(String::as_str));
}

fn header(name: &str, prefix: &str, secret: &str, field: &'static str) -> Result<Injection, InjectError> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok();
    let name = name.filter(|name| !headers::is_reserved(name.as_str())).ok_or(InjectError::Header)?;
    let value = Zeroizing::new(format!("{prefix}{secret}"));
    Ok(Injection::Header(name, sensitive(&value, field)?))
}

fn sensitive(value: &str, field: &'static str) -> Result<HeaderValue, InjectError> {
    // RFC 9110, section 5.5, allows bytes beyond ASCII, but servers read them differently.
    let value = HeaderValue::from_str(value).ok().filter(|_| value.is_ascii());
    let mut value = value.ok_or(InjectError::Unsendable(field))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn credentials(fields: Value) -> Credentials {
        Credentials::new(serde_json::from_value(fields).unwrap())
    }

    fn applied(auth: Value, fields: Value, url: &str) -> (String, HeaderMap) {
        let auth: Auth = serde_json::from_value(auth).unwrap();
        let credentials = credentials(fields);
        let injection = Injection::new(&auth, &credentials).unwrap().unwrap();
        let (mut url, mut headers) = (Url::parse(url).unwrap(), HeaderMap::new());
        injection.apply(&mut url, &mut headers);
        (url.to_string(), headers)
    }

    #[test]
    fn each_kind_goes_where_it_says() {
        let (_, headers) = applied(
            json!({"type": "api_key", "name": "X-Api-Key", "prefix": "Key "}),
            json!({"api_key": "k1"}),
            "https://a.example/",
        );
        assert_eq!(headers["x-api-key"], "Key k1");
        assert!(headers["x-api-key"].is_sensitive());
        let (_, headers) = applied(json!({"type": "bearer"}), json!({"token": "t"}), "https://a.example/");
        assert_eq!(headers["authorization"], "Bearer t");
        let pair = json!({"username": "Aladdin", "password": "open sesame"});
        let (_, headers) = applied(json!({"type": "basic"}), pair, "https://a.example/");
        assert_eq!(headers["authorization"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn a_key_in_the_query_is_there_once() {
        let auth = json!({"type": "api_key", "in": "query", "name": "key"});
        let (url, _) = applied(auth.clone(), json!({"api_key": "a&b c"}), "https://a.example/x?q=%20y");
        assert_eq!(url, "https://a.example/x?q=%20y&key=a%26b+c");
        let (url, _) = applied(auth, json!({"api_key": "k"}), "https://a.example/x?KEY=echo&q=1&key=2");
        assert_eq!(url, "https://a.example/x?q=1&key=k");
    }

    #[test]
    fn no_credential_goes_into_the_framing() {
        for name in ["Host", "content-length", "Transfer-Encoding", "bad name", ""] {
            let auth: Auth = serde_json::from_value(json!({"type": "api_key", "name": name})).unwrap();
            let key = credentials(json!({"api_key": "k"}));
            assert_eq!(Injection::new(&auth, &key).err(), Some(InjectError::Header), "{name}");
        }
    }

    #[test]
    fn oauth_without_a_token_says_so() {
        let auth: Auth = serde_json::from_value(json!({"type": "oauth2", "token_url": "https://a.example/t"})).unwrap();
        let client = credentials(json!({"client_id": "c", "client_secret": "s"}));
        assert_eq!(Injection::new(&auth, &client).err(), Some(InjectError::NotAuthorized));
        let none = credentials(json!({}));
        assert_eq!(Injection::new(&Auth::Bearer, &none).err(), Some(InjectError::Missing("token")));
    }
}
