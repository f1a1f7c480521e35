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

/// A title on one line, without characters that change how the text around it is shown.
pub fn clean_title(title: &str) -> String {
    let words: Vec<String> = title
        .split_whitespace()
        .map(|word| word.chars().filter(|c| !c.is_control() && !is_bidi(*c)).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// Marks of direction (Unicode Standard Annex 9, section 2). They can make a text look like another one.
const fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Citations show the URL as it is, so what a parser would mend or a page take for markup is refused.
pub fn url(text: &str, mistakes: &mut Vec<FieldError>) {
    let is_web =
        |url: Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    let parsed = Url::parse(text).is_ok_and(is_web);
    let rest = text.split_once(':').map(|(_, rest)| rest).unwrap_or_default();
    let odd = |c: char| c.is_control() || c.is_whitespace() || is_bidi(c) || "\\\"<>`{}|^".contains(c);
    if !parsed || !rest.starts_with("//") || text.chars().any(odd) {
        let expected = "an http or https URL is expected, without a user name, spaces, quotes, backslashes or brackets";
        mistakes.push(FieldError::new("url", expected));
    } else if text.len() > LONGEST {
        mistakes.push(FieldError::new("url", format!("at most {LONGEST} bytes")));
    }
}

pub fn key(text: &str, mistakes: &mut Vec<FieldError>) {
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        mistakes.push(FieldError::new("key", format!("1 to {LONGEST} bytes without control characters are expected")));
    }
}

/// A URL as people are shown it: its host as a program calls it. Letters of other alphabets can look like another host's,
/// so they are written in the ASCII form of international names (RFC 3492). All else stays as it was given.
pub fn shown_url(text: &str) -> String {
    let (Some((scheme, rest)), Ok(url)) = (text.split_once("://"), Url::parse(text)) else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = url.host_str().unwrap_or_default();
    let port = authority.to_ascii_lowercase().strip_prefix(host).map(str::to_owned);
    if port.is_some_and(|port| port.is_empty() || port.starts_with(':')) {
        return text.to_owned();
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{path}")
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
    fn a_url_is_what_it_looks_like() {
        for (text, good) in [
            ("https://shop.example/a?b=c#", true),
            ("http://en.example/wiki/Rust_(language)", true),
            ("https://bücher.example/ü", true),
            ("http:evil.example", false),
            ("https:\\\\evil.example", false),
            (" http://a.example/", false),
            ("https://user:pass@a.example/", false),
            ("https://a.example/\u{202e}gnp.exe", false),
            ("https://a.example/) [x](javascript:alert(1)", false),
            ("https://a.example/\"><script>", false),
            ("javascript:alert(1)", false),
            ("https://a.example/\r\nx", false),
        ] {
            let mut mistakes = Vec::new();
            url(text, &mut mistakes);
            assert_eq!(mistakes.is_empty(), good, "{text:?}");
        }
    }

    #[test]
    fn a_host_is_shown_as_it_is_called() {
        for (given, shown) in [
            // The first letter is Cyrillic; all are; they are of another width; they are escaped.
            ("https://\u{430}pple.com/a#", "https://xn--pple-43d.com/a#"),
            ("https://\u{440}\u{430}\u{443}.example:8443/?a=ü", "https://xn--80a5ak.example:8443/?a=ü"),
            ("https://\u{ff41}pple.com", "https://apple.com"),
            ("https://b%C3%BCcher.example/x", "https://xn--bcher-kva.example/x"),
            ("https://bücher.example/ü", "https://xn--bcher-kva.example/ü"),
            ("https://0x7f.1/", "https://127.0.0.1/"),
            ("HTTPS://Shop.example:443/Hilfe?a=ü#", "HTTPS://Shop.example:443/Hilfe?a=ü#"),
            ("https://[::1]:8080/", "https://[::1]:8080/"),
            ("https://xn--pple-43d.com", "https://xn--pple-43d.com"),
        ] {
            assert_eq!(shown_url(given), shown, "{given}");
        }
    }

    #[test]
    fn a_title_is_one_line() {
        assert_eq!(clean_title(" Refunds\r\n and \u{1b}[31m\u{202e}returns\t"), "Refunds and [31mreturns");
        assert_eq!(clean_title("返金 ポリシー"), "返金 ポリシー");
    }

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
