//! Credentials in the clear. They have no `Debug` and no `Serialize`, and are zeroized when dropped.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use resly_manifest::{ApiKeyPlace, Auth};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The fewest bytes of a secret that is redacted. A shorter one would be found in every text.
pub const SHORTEST_SECRET: usize = 4;
/// The most bytes of a credential.
const BYTES: usize = 16 << 10;

/// Fields that identify somebody and aren't secret.
const PUBLIC: [&str; 2] = ["username", "client_id"];

/// Why credentials are invalid. The values are never repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    #[error("a credential has at most {BYTES} bytes")]
    TooLong,
    #[error("credential `{0}` is missing")]
    Missing(&'static str),
    #[error("credential `{0}` holds a line break or another character that can't be sent; paste it again")]
    Character(&'static str),
    #[error("a user name for Basic authentication holds no colon")]
    Colon,
}

impl CredentialsError {
    /// The field that it is about, if it is about one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::TooLong => None,
            Self::Missing(field) | Self::Character(field) => Some(field),
            Self::Colon => Some("username"),
        }
    }
}

/// The credentials of one connection, as an admin entered them: `api_key`, `token`, `username` and `password`, or
/// `client_id` and `client_secret`.
pub struct Credentials {
    fields: BTreeMap<String, SecretString>,
}

impl Credentials {
    /// From names and values. White space around keys and tokens is removed, because pasting often adds it. User names
    /// and passwords are kept as they are.
    pub fn new(fields: BTreeMap<String, String>) -> Self {
        let fields = fields.into_iter().map(|(name, value)| {
            let value = Zeroizing::new(value);
            let kept = if name == "password" || name == "username" { value.as_str() } else { value.trim() };
            let secret = SecretString::from(kept);
            (name, secret)
        });
        Self { fields: fields.collect() }
    }

    /// Checks that these are the credentials for this kind of authentication, and that they can be sent.
    pub fn check(&self, auth: &Auth) -> Result<(), CredentialsError> {
        if self.fields.values().any(|value| value.expose_secret().len() > BYTES) {
            return Err(CredentialsError::TooLong);
        }
        // Basic encodes its pair, and a query encodes everything.
        let in_header = matches!(auth, Auth::Bearer | Auth::ApiKey { place: ApiKeyPlace::Header, .. });
        for name in auth.fields() {
            let value = self.get(name).filter(|value| !value.is_empty() || *name == "password");
            let value = value.ok_or(CredentialsError::Missing(name))?;
            if value.contains(|c: char| c.is_control()) || (in_header && !value.is_ascii()) {
                return Err(CredentialsError::Character(name));
            }
            if *name == "username" && value.contains(':') {
                return Err(CredentialsError::Colon);
            }
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(ExposeSecret::expose_secret)
    }

    /// User name and password in the form of Basic authentication (RFC 7617).
    pub fn basic(&self) -> Option<Zeroizing<String>> {
        let pair = Zeroizing::new(format!("{}:{}", self.get("username")?, self.get("password")?));
        Some(Zeroizing::new(STANDARD.encode(pair.as_bytes())))
    }

    /// From secrets, unchanged.
    pub fn of_secrets(fields: BTreeMap<String, SecretString>) -> Self {
        Self { fields }
    }

    /// All secrets in them.
    pub fn secrets(&self) -> Vec<Zeroizing<Vec<u8>>> {
        let proof = self.get("password").is_some_and(|password| password.len() >= SHORTEST_SECRET);
        let secret = |name: &str| match name {
            // Some services take a key as the user name and no password.
            "username" => !proof,
            name => !PUBLIC.contains(&name),
        };
        let basic = self.basic();
        let fields = self.fields.iter().filter(|(name, _)| secret(name));
        let values = fields.map(|(_, value)| value.expose_secret().as_bytes());
        let all = values.chain(basic.as_ref().map(|basic| basic.as_bytes()));
        all.map(|secret| Zeroizing::new(secret.to_vec())).collect()
    }

    /// JSON text for the vault only.
    pub(crate) fn to_plain(&self) -> Zeroizing<Vec<u8>> {
        // JSON is at most six times as long as the text, so the buffer never moves and leaves no copy in memory.
        let longest: usize =
            self.fields.iter().map(|(name, value)| 6 * (name.len() + value.expose_secret().len()) + 6).sum();
        let mut plain = Zeroizing::new(Vec::with_capacity(longest + 2));
        let fields: BTreeMap<&str, &str> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        // Writing a string to memory can't fail.
        if serde_json::to_writer(&mut *plain, &fields).is_err() {
            plain.clear();
        }
        plain
    }

    /// Parses the text that [`Self::to_plain`] writes. `None` for any other text.
    pub(crate) fn from_plain(plain: &[u8]) -> Option<Self> {
        let fields: BTreeMap<String, String> = serde_json::from_slice(plain).ok()?;
        let fields = fields.into_iter().map(|(name, value)| (name, SecretString::from(value)));
        Some(Self { fields: fields.collect() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(value: Value) -> Credentials {
        Credentials::new(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn what_is_missing_or_unsendable_is_named_without_its_value() {
        let basic = Auth::Basic;
        assert!(of(json!({"username": "u", "password": ""})).check(&basic).is_ok());
        assert_eq!(of(json!({"username": "u"})).check(&basic), Err(CredentialsError::Missing("password")));
        assert_eq!(of(json!({"username": "a:b", "password": "p"})).check(&basic), Err(CredentialsError::Colon));
        assert_eq!(of(json!({"token": "a\r\nb"})).check(&Auth::Bearer), Err(CredentialsError::Character("token")));
        assert!(of(json!({"token": " pasted\n"})).check(&Auth::Bearer).is_ok());
        let key = |place| Auth::ApiKey { place, name: "key".to_owned(), prefix: String::new() };
        let curly = of(json!({"api_key": "“pasted”"}));
        assert_eq!(curly.check(&key(ApiKeyPlace::Header)), Err(CredentialsError::Character("api_key")));
        assert!(curly.check(&key(ApiKeyPlace::Query)).is_ok());
        assert_eq!(of(json!({"token": " pasted\n"})).get("token"), Some("pasted"));
        let long = of(json!({"token": "x".repeat(BYTES + 1)}));
        assert_eq!(long.check(&Auth::Bearer), Err(CredentialsError::TooLong));
    }

    #[test]
    fn a_user_name_is_a_secret_only_where_it_proves_something() {
        let secrets = |value| -> Vec<String> {
            let secrets = of(value).secrets();
            secrets.iter().map(|secret| String::from_utf8(secret.to_vec()).unwrap()).collect()
        };
        let pair = STANDARD.encode("anna@example.com:correct horse");
        let named = secrets(json!({"username": "anna@example.com", "password": "correct horse"}));
        assert_eq!(named, ["correct horse", pair.as_str()]);
        let keyed = secrets(json!({"username": "sk_live_12345678", "password": ""}));
        assert!(keyed.contains(&"sk_live_12345678".to_owned()), "{keyed:?}");
    }

    #[test]
    fn plain_text_goes_round() {
        let credentials = of(json!({"api_key": "k\"ü\\", "password": " p "}));
        let back = Credentials::from_plain(&credentials.to_plain()).unwrap();
        assert_eq!((back.get("api_key"), back.get("password")), (Some("k\"ü\\"), Some(" p ")));
        assert!(Credentials::from_plain(b"[]").is_none());
    }
}
