//! Parses the answer of a token endpoint: JSON (RFC 6749, section 5.1) or a form, with its members in the standard
//! place or where the manifest's pointers say.

use resly_manifest::TokenPointers;
use serde_json::{Map, Value};
use url::form_urlencoded;

/// A member of the answer.
#[derive(Clone, Copy)]
pub enum Member {
    RefreshToken,
    TokenType,
    Scope,
    ExpiresIn,
    RefreshExpiresIn,
}

impl Member {
    fn pointer(self, pointers: &TokenPointers) -> Option<&str> {
        match self {
            Self::RefreshToken => pointers.refresh_token.as_deref(),
            Self::TokenType => pointers.token_type.as_deref(),
            Self::Scope => pointers.scope.as_deref(),
            Self::ExpiresIn => pointers.expires_in.as_deref(),
            Self::RefreshExpiresIn => pointers.refresh_expires_in.as_deref(),
        }
    }

    /// The names that services use. The last one in each list may be beyond the standard.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::RefreshToken => &["refresh_token"],
            Self::TokenType => &["token_type"],
            Self::Scope => &["scope", "scopes"],
            Self::ExpiresIn => &["expires_in"],
            Self::RefreshExpiresIn => &["refresh_token_expires_in", "refresh_expires_in"],
        }
    }
}

/// A parsed answer.
pub struct Answer {
    root: Value,
}

impl Answer {
    /// Parses JSON or, if it isn't JSON, a form, which GitHub sends by default. `None` when it is neither.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        match serde_json::from_slice::<Value>(body) {
            Ok(root) => root.is_object().then_some(Self { root }),
            Err(_) => form(body).map(|root| Self { root }),
        }
    }

    /// The error's code and description. `None` when there is none or when the answer has a token.
    pub fn error(&self, pointers: &TokenPointers, renewal: bool) -> Option<(&str, &str)> {
        let error = self.root.get("error").filter(|error| !matches!(error, Value::Null | Value::Bool(false)))?;
        if self.access_token(pointers, renewal).is_some() {
            return None;
        }
        // Some services use an object instead of the standard's code.
        let code = error.as_str().or_else(|| error.get("code")?.as_str()).unwrap_or("error");
        let described = self.root.get("error_description").or_else(|| error.get("message"));
        Some((code, described.and_then(Value::as_str).unwrap_or_default()))
    }

    pub fn access_token(&self, pointers: &TokenPointers, renewal: bool) -> Option<&str> {
        let (parent, name) = self.access_place(pointers, renewal)?;
        parent.get(&name)?.as_str().filter(|token| !token.is_empty())
    }

    /// A member at its pointer, or else under its usual name beside the access token.
    pub fn member(&self, member: Member, pointers: &TokenPointers, renewal: bool) -> Option<&Value> {
        let pointed = member.pointer(pointers).and_then(|pointer| self.root.pointer(pointer));
        let beside = || {
            let (parent, _) = self.access_place(pointers, renewal)?;
            member.names().iter().find_map(|name| parent.get(*name))
        };
        // A pointer without a target means that the member is missing. A renewal's answer may be in another place,
        // though.
        let found = match member.pointer(pointers) {
            Some(_) if !renewal => pointed,
            _ => pointed.or_else(beside),
        };
        found.filter(|value| !value.is_null())
    }

    /// The object that holds the access token, and the token's name in it.
    fn access_place(&self, pointers: &TokenPointers, renewal: bool) -> Option<(&Map<String, Value>, String)> {
        let usual = || self.root.as_object().map(|root| (root, "access_token".to_owned()));
        let Some(pointer) = pointers.access_token.as_deref() else { return usual() };
        let (parent, name) = pointer.rsplit_once('/')?;
        let name = name.replace("~1", "/").replace("~0", "~");
        let holder = self.root.pointer(parent).and_then(Value::as_object).filter(|holder| holder.contains_key(&name));
        match holder {
            Some(holder) => Some((holder, name)),
            None if renewal => usual(),
            None => None,
        }
    }
}

/// Parses a form into an object of texts. `None` for HTML or a sentence.
fn form(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?.trim();
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '{')) {
        return None;
    }
    let members: Map<String, Value> = form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    ["access_token", "error"].iter().any(|name| members.contains_key(*name)).then_some(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(body: &str) -> Answer {
        Answer::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn an_answer_is_json_or_a_form() {
        let standard = TokenPointers::default();
        let form = parsed("access_token=gho_16C7%2B&scope=repo%2Cgist&token_type=bearer&expires_in=28800\n");
        assert_eq!(form.access_token(&standard, false), Some("gho_16C7+"));
        assert_eq!(form.member(Member::Scope, &standard, false), Some(&json!("repo,gist")));
        let refused = parsed("error=bad_verification_code&error_description=The+code+is+incorrect");
        assert_eq!(refused.error(&standard, false), Some(("bad_verification_code", "The code is incorrect")));
        assert_eq!(parsed("\u{feff}{\"access_token\": \"a\"}").access_token(&standard, false), Some("a"));
        for none in ["", "[]", "\"a\"", "<html>access_token=a</html>", "no tokens today", "a=b", "access_token"] {
            let token = Answer::parse(none.as_bytes())
                .and_then(|answer| Some(answer.access_token(&standard, false)?.to_owned()));
            assert_eq!(token, None, "{none}");
        }
    }

    #[test]
    fn pointers_lead_to_nested_tokens() {
        let pointers: TokenPointers =
            serde_json::from_value(json!({"access_token": "/authed_user/access_token"})).unwrap();
        let both = parsed(
            r#"{"ok": true, "access_token": "bot", "refresh_token": "bots", "expires_in": 1,
                "authed_user": {"access_token": "user", "refresh_token": "users", "scope": ["a", "b"]}}"#,
        );
        assert_eq!(both.access_token(&pointers, false), Some("user"));
        assert_eq!(both.member(Member::RefreshToken, &pointers, false), Some(&json!("users")));
        assert_eq!(both.member(Member::ExpiresIn, &pointers, false), None, "that is the other token's");
        // An agreement without the wanted token must not give another one.
        let bot_alone = parsed(r#"{"access_token": "bot", "authed_user": {"id": "U1"}}"#);
        assert_eq!(bot_alone.access_token(&pointers, false), None);
        // A renewal answers in the standard's place.
        assert_eq!(bot_alone.access_token(&pointers, true), Some("bot"));
        let apart: TokenPointers =
            serde_json::from_value(json!({"access_token": "/data/tokens/0/t", "expires_in": "/meta/ttl"})).unwrap();
        let nested = parsed(r#"{"data": {"tokens": [{"t": "x"}]}, "meta": {"ttl": "60"}}"#);
        assert_eq!(nested.access_token(&apart, false), Some("x"));
        assert_eq!(nested.member(Member::ExpiresIn, &apart, false), Some(&json!("60")));
    }

    #[test]
    fn an_error_is_one_unless_there_is_a_token() {
        let standard = TokenPointers::default();
        let error =
            |body: &str| parsed(body).error(&standard, false).map(|(code, told)| (code.to_owned(), told.to_owned()));
        assert_eq!(error(r#"{"access_token": "a", "error": ""}"#), None);
        assert_eq!(error(r#"{"error": null}"#), None);
        let told = |code: &str, text: &str| Some((code.to_owned(), text.to_owned()));
        assert_eq!(error(r#"{"ok": false, "error": "invalid_code"}"#), told("invalid_code", ""));
        assert_eq!(error(r#"{"error": {"code": "x", "message": "y"}}"#), told("x", "y"));
        assert_eq!(error(r#"{"error": {"message": "y"}}"#), told("error", "y"));
    }
}
