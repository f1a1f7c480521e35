//! Checks what is sent with a source. Every mistake is told at once.

use url::Url;

use crate::FieldError;

/// Characters of a title.
const TITLE: usize = 300;
/// Bytes of a URL or key.
const LONGEST: usize = 2048;
/// What an identity begins with.
pub const KEY: &str = "key:";
const URL: &str = "url:";

pub fn title(title: &str, mistakes: &mut Vec<FieldError>) {
    if title.trim().is_empty() || title.chars().count() > TITLE {
        mistakes.push(FieldError::new("title", format!("1 to {TITLE} characters are expected")));
    }
}

/// The parser takes line breaks out; citations show the text as it is.
pub fn url(text: &str, mistakes: &mut Vec<FieldError>) {
    let parsed = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !parsed || text.chars().any(char::is_control) {
        mistakes.push(FieldError::new("url", "an http or https URL without control characters is expected"));
    } else if text.len() > LONGEST {
        mistakes.push(FieldError::new("url", format!("at most {LONGEST} bytes")));
    }
}

pub fn key(text: &str, mistakes: &mut Vec<FieldError>) {
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        mistakes.push(FieldError::new("key", format!("1 to {LONGEST} bytes without control characters are expected")));
    }
}

/// A URL without its fragment, as the parser writes it.
pub fn canonical_url(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    url.set_fragment(None);
    Some(url.into())
}

/// The identity of a source that has a URL.
pub fn url_identity(text: &str) -> Option<String> {
    canonical_url(text).map(|url| format!("{URL}{url}"))
}

pub fn key_identity(key: &str) -> String {
    format!("{KEY}{key}")
}

/// The identity of a source that is moved to another URL.
pub fn moved(identity: Option<&str>, url: Option<&str>) -> Option<String> {
    match identity {
        Some(key) if key.starts_with(KEY) => Some(key.to_owned()),
        Some(_) => url.and_then(url_identity),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_ignores_how_a_url_is_written() {
        let identity = Some("url:https://shop.example/help?a=1".to_owned());
        for same in [
            "https://shop.example/help?a=1",
            "HTTPS://Shop.example:443/help?a=1#x",
            "https://shop.example/x/../help?a=1#",
        ] {
            assert_eq!(url_identity(same), identity, "{same}");
        }
        assert_ne!(url_identity("https://shop.example/help/?a=1"), identity);
        assert_eq!(moved(Some("key:a"), Some("https://b.example/")).as_deref(), Some("key:a"));
        assert_eq!(
            moved(Some("url:https://a.example/"), Some("https://b.example")).as_deref(),
            Some("url:https://b.example/")
        );
        assert_eq!((moved(Some("url:https://a.example/"), None), moved(None, Some("https://b.example"))), (None, None));
    }
}
