//! What a token endpoint answers: tokens (RFC 6749, section 5.1) or an error (section 5.2), and how tokens rest.

use std::{collections::BTreeMap, time::Duration};

use resly_core::{connector::account::AccountTerms, time::Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::credentials::Credentials;

/// An access token is renewed this long before it ends, or in the last quarter of a shorter life.
const AHEAD: Duration = Duration::from_secs(60);
/// The longest token, in bytes: it has to fit into a header.
const LONGEST: usize = 12 << 10;

/// Tokens, in the clear.
pub struct Tokens {
    pub access: SecretString,
    pub refresh: Option<SecretString>,
    pub scope: Option<String>,
    expires_in: Option<Duration>,
    refresh_expires_in: Option<Duration>,
}

/// The answer as it is read. Members of the wrong type are mended where services are known for them.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    refresh_token: Option<String>,
    token_type: Option<String>,
    scope: Option<Value>,
    expires_in: Option<Value>,
    /// Beyond the standard, as several services send it.
    refresh_token_expires_in: Option<Value>,
}

impl Tokens {
    /// Reads a good answer. `prefix` is what the connector writes before the token, which names its type too.
    pub fn read(body: &[u8], prefix: &str) -> Result<Self, &'static str> {
        let answer: Answer = serde_json::from_slice(body).map_err(|_| "it is not the JSON object of RFC 6749")?;
        let secret = |token: Option<String>| token.filter(|token| !token.is_empty()).map(SecretString::from);
        let (access, refresh) = (secret(answer.access_token), secret(answer.refresh_token));
        let access = access.ok_or("it holds no access_token")?;
        if [Some(&access), refresh.as_ref()].into_iter().flatten().any(|token| token.expose_secret().len() > LONGEST) {
            return Err("a token in it is too long to be sent");
        }
        // Some services leave the type out; what another type wants on the wire isn't known.
        if let Some(kind) = answer.token_type
            && !kind.eq_ignore_ascii_case("bearer")
            && !kind.eq_ignore_ascii_case(prefix.trim())
        {
            return Err("its token_type is not `Bearer`");
        }
        let scope = answer.scope.as_ref().and_then(Value::as_str).map(printable);
        let seconds = |value: Option<Value>| value.as_ref().and_then(lifetime);
        Ok(Self {
            access,
            refresh,
            scope: scope.filter(|scope| !scope.is_empty()),
            expires_in: seconds(answer.expires_in),
            refresh_expires_in: seconds(answer.refresh_token_expires_in),
        })
    }

    /// What a renewal leaves out stays as it was (section 6).
    pub fn after(self, refresh: Option<&str>, terms: &AccountTerms) -> (Self, Option<Timestamp>) {
        let kept = self.refresh.is_none().then_some(terms.refresh_expires_at).flatten();
        let refresh = self.refresh.or_else(|| refresh.map(SecretString::from));
        let scope = self.scope.or_else(|| terms.scope.clone());
        (Self { refresh, scope, ..self }, kept)
    }

    /// What is known of them in the clear. `alone` says that the host can get new ones by the client alone.
    pub fn terms(&self, alone: bool, kept: Option<Timestamp>, now: Timestamp) -> AccountTerms {
        let refreshable = alone || self.refresh.is_some();
        let expires_at = self.expires_in.map(|lifetime| now.plus(lifetime));
        let renew_at = self.expires_in.map(|lifetime| now.plus(lifetime.saturating_sub(AHEAD.min(lifetime / 4))));
        AccountTerms {
            scope: self.scope.clone(),
            expires_at,
            renew_at: renew_at.filter(|_| refreshable),
            refreshable,
            refresh_expires_at: self.refresh_expires_in.map(|lifetime| now.plus(lifetime)).or(kept),
        }
    }

    /// As the vault keeps them.
    pub fn to_credentials(&self) -> Credentials {
        let refresh = self.refresh.clone().map(|refresh| ("refresh_token".to_owned(), refresh));
        let access = ("access_token".to_owned(), self.access.clone());
        Credentials::of_secrets(std::iter::once(access).chain(refresh).collect::<BTreeMap<_, _>>())
    }
}

/// A number of seconds, which some services write as a text or with decimals.
fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    seconds.filter(|seconds| (0.0..=1e10).contains(seconds)).map(Duration::from_secs_f64)
}

/// At most 1,000 printable ASCII characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(1000).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-10-10T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn lifetimes_are_read_however_they_are_written() {
        for (written, seconds) in
            [("3600", Some(3600)), ("\"3600\"", Some(3600)), ("3600.0", Some(3600)), ("null", None)]
        {
            let body = format!(r#"{{"access_token": "a", "token_type": "bEaReR", "expires_in": {written}}}"#);
            let terms = Tokens::read(body.as_bytes(), "Bearer ").ok().unwrap().terms(true, None, at());
            assert_eq!(terms.expires_at, seconds.map(|s| at().plus(Duration::from_secs(s))), "{written}");
            assert_eq!(terms.renew_at, seconds.map(|s| at().plus(Duration::from_secs(s - 60))), "{written}");
        }
        let short = Tokens::read(br#"{"access_token": "a", "expires_in": 40}"#, "Bearer ").ok().unwrap();
        assert_eq!(short.terms(true, None, at()).renew_at, Some(at().plus(Duration::from_secs(30))));
        assert_eq!(short.terms(false, None, at()).renew_at, None, "nobody can renew it");
    }

    #[test]
    fn what_is_no_token_answer_is_refused() {
        for body in ["", "[]", "access_token=a", r#"{"token_type": "bearer"}"#, r#"{"access_token": ""}"#] {
            assert!(Tokens::read(body.as_bytes(), "Bearer ").is_err(), "{body}");
        }
        assert!(Tokens::read(br#"{"access_token": "a", "token_type": "mac"}"#, "Bearer ").is_err());
        assert!(Tokens::read(br#"{"access_token": "a", "token_type": "token"}"#, "Token ").is_ok());
    }

    #[test]
    fn a_renewal_keeps_what_it_leaves_out() {
        let renewed = Tokens::read(br#"{"access_token": "b"}"#, "Bearer ").ok().unwrap();
        let end = at().plus(Duration::from_secs(9));
        let terms =
            AccountTerms { scope: Some("read".to_owned()), refresh_expires_at: Some(end), ..AccountTerms::default() };
        let (renewed, kept) = renewed.after(Some("r1"), &terms);
        let after = renewed.terms(false, kept, at());
        assert_eq!((after.scope.as_deref(), after.refresh_expires_at), (Some("read"), Some(end)));
        assert_eq!(renewed.to_credentials().get("refresh_token"), Some("r1"));
    }
}
