//! Parses `host[:port]` as operators and manifests write it. The host is parsed as in URLs, so every notation of an
//! address or name gives the same [`Host`].

use url::Host;

/// Why a text isn't `host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    #[error("a host is missing")]
    Empty,
    #[error("leave out the scheme: write `host` or `host:port`")]
    Scheme,
    #[error("a host name has no `{0}`")]
    Character(char),
    #[error("an IPv6 address is written in brackets, as in `[2001:db8::1]:8443`")]
    Brackets,
    #[error("`{0}` is no port: use 1 to 65535")]
    Port(String),
    #[error("a host name is written without a dot at its end")]
    TrailingDot,
    #[error("it is no host name: {0}")]
    Host(url::ParseError),
}

/// Parses `host`, `host:port`, `[v6]` or `[v6]:port`.
pub fn parse(text: &str) -> Result<(Host<String>, Option<u16>), AuthorityError> {
    if text.contains("://") {
        return Err(AuthorityError::Scheme);
    }
    let bad = |c: &char| c.is_whitespace() || c.is_control() || "/\\?#@*{}%".contains(*c);
    if let Some(character) = text.chars().find(bad) {
        return Err(AuthorityError::Character(character));
    }
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']').ok_or(AuthorityError::Brackets)?;
        let (host, rest) = text.split_at(end + 1);
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(AuthorityError::Brackets),
        }
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(AuthorityError::Brackets),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host.is_empty() {
        return Err(AuthorityError::Empty);
    }
    if host.ends_with('.') {
        return Err(AuthorityError::TrailingDot);
    }
    let port = match port {
        None => None,
        // `parse` alone would accept `+80`.
        Some(text) if !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(AuthorityError::Port(text.to_owned()));
        }
        Some(text) => match text.parse() {
            Ok(port) if port != 0 => Some(port),
            _ => return Err(AuthorityError::Port(text.to_owned())),
        },
    };
    Ok((Host::parse(host).map_err(AuthorityError::Host)?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_form() {
        let loopback = Host::Ipv4(std::net::Ipv4Addr::LOCALHOST);
        for text in ["127.0.0.1", "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001"] {
            assert_eq!(parse(text), Ok((loopback.clone(), None)), "{text}");
        }
        assert_eq!(parse("API.Example.COM:8443"), Ok((Host::Domain("api.example.com".to_owned()), Some(8443))));
        assert_eq!(parse("[::1]:80"), Ok((Host::Ipv6(std::net::Ipv6Addr::LOCALHOST), Some(80))));
    }

    #[test]
    fn what_is_no_authority_says_why() {
        for text in
            ["", "https://a.com", "a.com/x", "u@a.com", "a b", "::1", "a:b:c", "[::1", "[::1]x", "[fe80::1%25lo]"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in ["a.com:", "a.com:0", "a.com:+80", "a.com:65536", "a.com:x", "a.com.", "*.a.com", ":80"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
