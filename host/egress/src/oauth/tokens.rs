//! Tokens as a token endpoint returns them (RFC 6749, section 5.1), and as the vault stores them.

use std::{collections::BTreeMap, time::Duration};

use resly_core::{connector::account::AccountTerms, time::Timestamp};
use resly_manifest::OAuth;
use resly_vault::Credentials;
use secrecy::SecretString;
use serde_json::Value;

use super::answer::{Answer, Member};

/// How long before its expiry an access token is renewed. A shorter-lived one is renewed in the last quarter of its
/// life.
const AHEAD: Duration = Duration::from_secs(60);
/// The most bytes of a token, which has to fit into a header.
const LONGEST: usize = 12 << 10;

/// Tokens in the clear.
pub struct Tokens {
    pub access: SecretString,
    pub refresh: Option<SecretString>,
    pub scope: Option<String>,
    expires_in: Option<Duration>,
    refresh_expires_in: Option<Duration>,
}

impl Tokens {
    /// Reads a successful answer. `renewal` says that the request carried a refresh token.
    pub fn read(answer: &Answer, oauth: &OAuth, renewal: bool) -> Result<Self, &'static str> {
        let pointers = &oauth.token_pointers;
        let member = |member| answer.member(member, pointers, renewal);
        let missing = match pointers.access_token {
            None => "it holds no access_token",
            Some(_) => "it holds no token where the connector's `token_pointers` says",
        };
        let access = answer.access_token(pointers, renewal).ok_or(missing)?;
        let refresh = member(Member::RefreshToken).and_then(Value::as_str).filter(|token| !token.is_empty());
        if [Some(access), refresh].into_iter().flatten().any(|token| token.len() > LONGEST) {
            return Err("a token in it is too long to be sent");
        }
        let kind = member(Member::TokenType).and_then(Value::as_str).unwrap_or_default().trim();
        let known = ["", "bearer", oauth.prefix.trim()].into_iter().chain(oauth.token_types.iter().map(String::as_str));
        // Some services leave the type out or empty. How to send a token of another type isn't known.
        if !known.into_iter().any(|known| known.eq_ignore_ascii_case(kind)) {
            return Err("its token_type is not `Bearer`, and not among the connector's `token_types`");
        }
        let seconds = |value: Option<&Value>| value.and_then(lifetime);
        Ok(Self {
            access: SecretString::from(access),
            refresh: refresh.map(SecretString::from),
            scope: member(Member::Scope).map(scopes).filter(|scope| !scope.is_empty()),
            expires_in: seconds(member(Member::ExpiresIn)),
            refresh_expires_in: seconds(member(Member::RefreshExpiresIn)),
        })
    }

    /// Fills in what a renewal's answer leaves out: it is unchanged (RFC 6749, section 6).
    pub fn merge_previous(self, refresh: Option<&str>, terms: &AccountTerms) -> (Self, Option<Timestamp>) {
        let kept = self.refresh.is_none().then_some(terms.refresh_expires_at).flatten();
        let refresh = self.refresh.or_else(|| refresh.map(SecretString::from));
        let scope = self.scope.or_else(|| terms.scope.clone());
        (Self { refresh, scope, ..self }, kept)
    }

    /// The part that isn't secret. `alone` says that the client gets new tokens without a person.
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

    /// The record for the vault.
    pub fn to_credentials(&self) -> Credentials {
        let refresh = self.refresh.clone().map(|refresh| ("refresh_token".to_owned(), refresh));
        let access = ("access_token".to_owned(), self.access.clone());
        Credentials::of_secrets(std::iter::once(access).chain(refresh).collect::<BTreeMap<_, _>>())
    }
}

/// The granted scopes with spaces between them, as the standard writes them. Some services send a list, or use commas.
fn scopes(value: &Value) -> String {
    let texts: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let each = texts.into_iter().flat_map(|text| text.split([' ', ','])).filter(|scope| !scope.is_empty());
    printable(&each.collect::<Vec<_>>().join(" "))
}

/// Parses a number of seconds. Some services write it as a text or with decimals. 0 means that the token doesn't expire
/// or that its expiry isn't known.
fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    seconds.filter(|seconds| *seconds > 0.0 && *seconds <= 1e10).map(Duration::from_secs_f64)
}

/// At most 1,000 printable ASCII characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(1000).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at() -> Timestamp {
        "2026-10-10T12:00:00Z".parse().unwrap()
    }

    fn read(oauth: Value, body: &str, renewal: bool) -> Result<Tokens, &'static str> {
        let mut whole = json!({"token_url": "https://a.example/token"});
        whole.as_object_mut().unwrap().extend(oauth.as_object().unwrap().clone());
        let oauth: OAuth = serde_json::from_value(whole).unwrap();
        Tokens::read(&Answer::parse(body.as_bytes()).ok_or("unreadable")?, &oauth, renewal)
    }

    fn plain(body: &str) -> Result<Tokens, &'static str> {
        read(json!({}), body, false)
    }

    #[test]
    fn lifetimes_are_read_however_they_are_written() {
        for (written, seconds) in [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("3600.0", Some(3600)),
            ("null", None),
            ("0", None),
            ("\"0\"", None),
            ("-1", None),
            ("\"\"", None),
            ("\"soon\"", None),
        ] {
            let body = format!(r#"{{"access_token": "a", "token_type": "bEaReR", "expires_in": {written}}}"#);
            let terms = plain(&body).ok().unwrap().terms(true, None, at());
            assert_eq!(terms.expires_at, seconds.map(|s| at().plus(Duration::from_secs(s))), "{written}");
            assert_eq!(terms.renew_at, seconds.map(|s| at().plus(Duration::from_secs(s - 60))), "{written}");
        }
        let short = plain(r#"{"access_token": "a", "expires_in": 40}"#).ok().unwrap();
        assert_eq!(short.terms(true, None, at()).renew_at, Some(at().plus(Duration::from_secs(30))));
        assert_eq!(short.terms(false, None, at()).renew_at, None, "nobody can renew it");
    }

    #[test]
    fn what_is_no_token_answer_is_refused() {
        for body in ["", "[]", "access_token=", r#"{"token_type": "bearer"}"#, r#"{"access_token": ""}"#] {
            assert!(plain(body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_type_is_bearer_or_what_the_connector_names() {
        let typed = |kind: &str| format!(r#"{{"access_token": "a", "token_type": {kind}}}"#);
        for taken in ["\"Bearer\"", "\"\"", "null", "\" bearer \""] {
            assert!(plain(&typed(taken)).is_ok(), "{taken}");
        }
        assert!(plain(&typed("\"mac\"")).is_err() && plain(&typed("\"bot\"")).is_err());
        let slack = json!({"token_types": ["bot", "user"]});
        assert!(read(slack.clone(), &typed("\"Bot\""), false).is_ok());
        assert!(read(slack, &typed("\"mac\""), false).is_err());
        assert!(read(json!({"prefix": "Token "}), &typed("\"token\""), false).is_ok());
    }

    #[test]
    fn scopes_are_a_text_a_list_or_have_commas() {
        for written in [r#""repo gist""#, r#""repo,gist""#, r#"["repo", "gist"]"#, r#""repo, gist""#] {
            let tokens = plain(&format!(r#"{{"access_token": "a", "scope": {written}}}"#)).ok().unwrap();
            assert_eq!(tokens.scope.as_deref(), Some("repo gist"), "{written}");
        }
        assert_eq!(plain(r#"{"access_token": "a", "scope": 7}"#).ok().unwrap().scope, None);
    }

    #[test]
    fn a_renewal_keeps_what_it_leaves_out() {
        let renewed = plain(r#"{"access_token": "b"}"#).ok().unwrap();
        let end = at().plus(Duration::from_secs(9));
        let terms =
            AccountTerms { scope: Some("read".to_owned()), refresh_expires_at: Some(end), ..AccountTerms::default() };
        let (renewed, kept) = renewed.merge_previous(Some("r1"), &terms);
        let after = renewed.terms(false, kept, at());
        assert_eq!((after.scope.as_deref(), after.refresh_expires_at), (Some("read"), Some(end)));
        assert_eq!(renewed.to_credentials().get("refresh_token"), Some("r1"));
    }
}
