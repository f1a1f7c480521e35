//! Headers: which ones a guest may send, and which ones it may see.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use resly_manifest::{ApiKeyPlace, Auth};

use super::redact::Redactor;

/// The most headers of a request, and the most bytes of them.
const REQUEST_HEADERS: usize = 64;
const REQUEST_BYTES: usize = 16 << 10;
/// The most bytes of a response's headers.
const RESPONSE_BYTES: usize = 64 << 10;

/// Headers of the connection (RFC 9110, section 7.6.1), of the message's framing (RFC 9112, section 6), or that only
/// the host sets. A guest may not send them.
const REFUSED: [&str; 15] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Headers that a guest doesn't get. They describe a body that has been decoded since, or hold another secret, such as
/// a session that the credential has opened.
const WITHHELD: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why a guest's headers can't be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("a request may have {REQUEST_HEADERS} headers of {REQUEST_BYTES} bytes together")]
    TooMany,
    #[error("`{0}` is no header name")]
    Name(String),
    #[error("header `{0}` may hold printable ASCII and tabs only; encode what else it should carry")]
    Value(String),
    #[error("header `{0}` is set by the host; leave it out")]
    Refused(String),
    #[error("header `{0}` carries the connection's credential, which the host adds; leave it out")]
    Auth(String),
}

/// Checks the headers of a guest's request.
pub fn request(guest: &[(String, String)], auth: &Auth) -> Result<HeaderMap, HeaderError> {
    let bytes: usize = guest.iter().map(|(name, value)| name.len() + value.len()).sum();
    if guest.len() > REQUEST_HEADERS || bytes > REQUEST_BYTES {
        return Err(HeaderError::TooMany);
    }
    let mut headers = HeaderMap::with_capacity(guest.len() + 3);
    for (name, value) in guest {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| HeaderError::Name(name.escape_default().take(64).collect()))?;
        // Servers that pass headers on as variables (RFC 3875, section 4.1.18) can't tell `_` from `-`.
        let folded = parsed.as_str().replace('_', "-");
        if is_reserved(&folded) {
            return Err(HeaderError::Refused(parsed.to_string()));
        }
        if is_auth(&folded, auth) {
            return Err(HeaderError::Auth(parsed.to_string()));
        }
        // The host asks only for codings that it can decode within its limits.
        if parsed == header::ACCEPT_ENCODING {
            continue;
        }
        let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        let value = HeaderValue::from_str(value.trim()).ok().filter(|_| printable);
        headers.append(&parsed, value.ok_or_else(|| HeaderError::Value(parsed.to_string()))?);
    }
    Ok(headers)
}

/// Whether only the host may set this header. The name is in lower case.
pub fn is_reserved(name: &str) -> bool {
    REFUSED.contains(&name) || name.starts_with("proxy-")
}

/// Whether the credential goes into this header. `folded` is its name with `-` for `_`.
fn is_auth(folded: &str, auth: &Auth) -> bool {
    let name = match auth {
        Auth::None | Auth::ApiKey { place: ApiKeyPlace::Query, .. } => return false,
        Auth::ApiKey { place: ApiKeyPlace::Header, name, .. } => name,
        Auth::Bearer | Auth::Basic => header::AUTHORIZATION.as_str(),
        Auth::Oauth2(oauth) => &oauth.header,
    };
    name.replace('_', "-").eq_ignore_ascii_case(folded)
}

/// Removes headers that were meant for one origin only, when a redirect leads to another.
pub fn drop_private(headers: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::COOKIE] {
        headers.remove(name);
    }
}

/// Removes headers that describe a body which is no longer sent.
pub fn drop_content(headers: &mut HeaderMap) {
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_LOCATION,
        header::CONTENT_DISPOSITION,
    ] {
        headers.remove(name);
    }
}

/// The response's headers for the guest: names in lower case, values redacted. `None` when they are too large.
pub fn response(headers: &HeaderMap, redactor: Option<&Redactor>) -> Option<Vec<(String, String)>> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > RESPONSE_BYTES {
        return None;
    }
    let seen = headers.iter().filter(|(name, _)| !WITHHELD.contains(&name.as_str()));
    let shown = seen.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match redactor {
            Some(redactor) => (redactor.text(name.as_str()).into_owned(), redactor.text(&value).into_owned()),
            None => (name.as_str().to_owned(), value),
        }
    });
    Some(shown.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<HeaderMap, HeaderError> {
        request(&[(name.to_owned(), value.to_owned())], &Auth::Bearer)
    }

    #[test]
    fn every_byte_in_a_value_is_printable_or_refused() {
        for byte in 0..=255_u8 {
            let character = char::from(byte);
            let allowed = (b' '..=b'~').contains(&byte) || byte == b'\t';
            let result = one("x-test", &format!("a{character}b"));
            assert_eq!(result.is_ok(), allowed, "{byte:#04x}");
            // At the edges a CR or LF must not be trimmed into acceptance.
            for value in [format!("a{character}"), format!("{character}a")] {
                assert_eq!(one("x-test", &value).is_ok(), allowed, "{byte:#04x}");
            }
        }
    }

    #[test]
    fn every_byte_in_a_name_is_a_token_or_refused() {
        for byte in 0..=255_u8 {
            let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(one(&format!("x{}y", char::from(byte)), "v").is_ok(), token, "{byte:#04x}");
        }
        assert!(one("", "v").is_err());
        assert!(one(":authority", "v").is_err());
    }

    #[test]
    fn framing_hop_by_hop_and_the_credentials_own_are_refused() {
        for name in REFUSED.iter().chain(&[
            "Proxy-Anything",
            "HOST",
            "Transfer-Encoding",
            "Content-Length",
            "content_length",
            "Transfer_Encoding",
        ]) {
            assert!(matches!(one(name, "1"), Err(HeaderError::Refused(_))), "{name}");
        }
        assert_eq!(one("Authorization", "x"), Err(HeaderError::Auth("authorization".to_owned())));
        let key = Auth::ApiKey { place: ApiKeyPlace::Header, name: "X-Api-Key".to_owned(), prefix: String::new() };
        let header = |name: &str| vec![(name.to_owned(), "v".to_owned())];
        for name in ["x-API-key", "X_Api_Key", "x-api_key"] {
            assert!(matches!(request(&header(name), &key), Err(HeaderError::Auth(_))), "{name}");
        }
        assert!(request(&header("authorization"), &key).is_ok());
        assert!(request(&header("Accept-Encoding"), &key).unwrap().is_empty());
    }

    #[test]
    fn number_and_size_are_capped() {
        let many = vec![("a".to_owned(), "b".to_owned()); REQUEST_HEADERS + 1];
        assert_eq!(request(&many, &Auth::None), Err(HeaderError::TooMany));
        assert_eq!(one("a", &"b".repeat(REQUEST_BYTES)), Err(HeaderError::TooMany));
        let mut response_headers = HeaderMap::new();
        response_headers.insert("a", HeaderValue::from_str(&"b".repeat(RESPONSE_BYTES)).unwrap());
        assert!(response(&response_headers, None).is_none());
    }
}
