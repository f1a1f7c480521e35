//! Proof that a form is from a page of ours: the browser names our origin, and the form carries a token that only a
//! page of the same session has.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use url::Url;

/// The name of the hidden field.
pub const FIELD: &str = "form_token";

/// A session's token of forms. It is derived from the session's secret, so nothing is stored.
#[derive(Clone)]
pub struct FormToken(String);

impl FormToken {
    pub fn of(session_token: &str) -> Self {
        Self(tag(session_token, b"resly console form"))
    }

    /// Proof that this session got a text from us.
    pub fn sign(&self, text: &str) -> String {
        tag(&self.0, text.as_bytes())
    }

    pub fn has_signed(&self, text: &str, signature: &str) -> bool {
        Self(self.sign(text)).matches(signature)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn matches(&self, given: &str) -> bool {
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(given.as_bytes()))
    }
}

fn tag(key: &str, text: &[u8]) -> String {
    // HMAC takes keys of every length.
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
    let tag = mac.map(|mac| mac.chain_update(text).finalize().into_bytes());
    tag.map(|tag| BASE64URL_NOPAD.encode(&tag)).unwrap_or_default()
}

/// Whether the browser says that a page of this host sent the request. Every browser of today says it of a form.
pub fn same_origin(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(header::ORIGIN.as_str()).and_then(|origin| Url::parse(origin).ok()) else { return false };
    let public = public_url.and_then(|url| Url::parse(url).ok());
    if public.is_some_and(|public| public.origin() == origin.origin()) {
        return true;
    }
    let authority = match (origin.host_str(), origin.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return false,
    };
    text(header::HOST.as_str()).is_some_and(|host| host.eq_ignore_ascii_case(&authority))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_a_page_of_ours_may_send_a_form() {
        let public = Some("https://help.example");
        for (sent, ours) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "https://help.example")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "https://help.example")], true),
            (&[("origin", "http://help.example"), ("host", "other.example")], false),
            (&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")], true),
            (&[("origin", "null"), ("host", "null")], false),
            (&[("host", "help.example")], false),
        ] {
            assert_eq!(same_origin(&headers(sent), public), ours, "{sent:?}");
        }
    }

    #[test]
    fn a_token_belongs_to_one_session() {
        let token = FormToken::of("session one");
        assert!(token.matches(FormToken::of("session one").as_str()));
        assert!(!token.matches(FormToken::of("session two").as_str()));
        assert!(!token.matches(""));
    }
}
