//! The URL of one request, parsed once. Policy, DNS, SNI, `Host` and the connection all use this one result.

use std::net::IpAddr;

use url::{Host, Url};

/// The most bytes of a guest's URL.
pub const LONGEST: usize = 8 << 10;

/// Why a text isn't a URL that can be requested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("the URL is over {LONGEST} bytes; send the data in the body")]
    TooLong,
    #[error("the URL holds a space, a control character or a backslash; percent-encode it")]
    Character,
    #[error("the URL must start with `https://` and a host")]
    Scheme,
    #[error("a URL may not carry a user or password; the host adds the credential itself")]
    Userinfo,
    #[error("the URL's host can't be read: {0}")]
    Malformed(url::ParseError),
    #[error("the URL has no host, or an impossible port")]
    Host,
    #[error("the URL's host ends in a dot; write it without")]
    TrailingDot,
    #[error(
        "a host name has at most 253 bytes and, between its dots, 1 to 63 letters, digits, underscores and dashes, these \
         neither first nor last"
    )]
    Name,
    #[error("the URL holds what can't be sent as it is; percent-encode it")]
    Unsendable,
}

/// An absolute http or https URL with a host, without user and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: Url,
    port: u16,
}

impl Target {
    /// Parses a guest's URL. Text that parsers read differently (backslashes, tabs, missing slashes, a user) is refused
    /// instead of corrected.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        check_characters(text)?;
        let after = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let authority = after.and_then(|after| after.split(['/', '?', '#']).next()).unwrap_or_default();
        if authority.is_empty() {
            return Err(TargetError::Scheme);
        }
        if authority.contains('@') {
            return Err(TargetError::Userinfo);
        }
        Self::new(Url::parse(text).map_err(TargetError::Malformed)?)
    }

    /// The target that a `Location` header leads to.
    pub fn join(&self, location: &str) -> Result<Self, TargetError> {
        check_characters(location)?;
        Self::new(self.url.join(location).map_err(TargetError::Malformed)?)
    }

    fn new(mut url: Url) -> Result<Self, TargetError> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Userinfo);
        }
        if let Some(Host::Domain(name)) = url.host() {
            if name.ends_with('.') {
                return Err(TargetError::TrailingDot);
            }
            if name.len() > 253 || !name.split('.').all(is_label) {
                return Err(TargetError::Name);
            }
        }
        url.set_fragment(None);
        // The HTTP client parses the URL again, with another parser.
        let sent: http::Uri = url.as_str().parse().map_err(|_| TargetError::Unsendable)?;
        if sent.host() != url.host_str() {
            return Err(TargetError::Unsendable);
        }
        match url.port_or_known_default() {
            Some(port) if port != 0 && url.has_host() => Ok(Self { url, port }),
            _ => Err(TargetError::Host),
        }
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    pub fn host(&self) -> Host<&str> {
        // `new` refuses a URL without a host.
        self.url.host().unwrap_or(Host::Domain(""))
    }

    /// The address, when the host is an address and not a name.
    pub fn literal(&self) -> Option<IpAddr> {
        match self.host() {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    pub fn host_text(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub fn has_default_port(&self) -> bool {
        self.url.port().is_none()
    }

    /// Whether scheme, host and port are the same (RFC 6454).
    pub fn same_origin(&self, other: &Self) -> bool {
        self.url.scheme() == other.url.scheme() && self.url.host() == other.url.host() && self.port == other.port
    }
}

/// Whether a text is a label of a name (RFC 1123, section 2.1). Underscores are allowed, because some services use
/// them.
pub(super) fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn check_characters(text: &str) -> Result<(), TargetError> {
    if text.len() > LONGEST {
        return Err(TargetError::TooLong);
    }
    let bad = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.contains(bad) { Err(TargetError::Character) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parsers_disagree_on_is_refused() {
        for text in [
            "https:/good.example/x",
            "https:good.example",
            "https:///good.example",
            "https:\\\\good.example",
            "https://good.example\\@evil.example/",
            "https://good.example@evil.example/",
            "https://@evil.example/",
            "https://:@evil.example/",
            "https://user:pass@good.example/",
            "https://good\t.example/",
            "https://good.example/\r\nx",
            " https://good.example/",
            "https://good.example/\u{2028}",
            "https://good.example./",
            "https://good.example\u{3002}/",
            "https://good.example:0/",
            "https://good..example/",
            "https://.good.example/",
            "https://good.example,evil.example/",
            "https://good;evil.example/",
            "https://good.example&evil/",
            "https://*.good.example/",
            "https://-good.example/",
            "https://good-.example/",
            &format!("https://{}.example/", "x".repeat(64)),
            &format!("https://{}example/", "x.".repeat(124)),
            "https://[fe80::1%25eth0]/",
            "https://[::1/",
            "ftp://good.example/",
            "file:///etc/passwd",
            "HTTPS://good.example/",
            "//good.example/",
            "/x",
            "",
            "data:,x",
        ] {
            assert!(Target::parse(text).is_err(), "{text:?} became {:?}", Target::parse(text));
        }
        assert_eq!(Target::parse(&format!("https://a.example/{}", "x".repeat(LONGEST))), Err(TargetError::TooLong));
    }

    #[test]
    fn what_is_taken_has_one_form() {
        for (text, expected) in [
            ("https://Good.Example:443/a/../b#@evil.example", "https://good.example/b"),
            ("https://good.example#@evil.example/", "https://good.example/"),
            ("https://good.example?@evil.example/", "https://good.example/?@evil.example/"),
            ("https://good\u{3002}example/%2e%2E/x", "https://good.example/x"),
            ("https://\u{ff11}\u{ff12}\u{ff17}.0.0.1/", "https://127.0.0.1/"),
            ("https://2130706433/", "https://127.0.0.1/"),
            ("https://0x7f.1/", "https://127.0.0.1/"),
            ("https://0177.0.0.1/", "https://127.0.0.1/"),
            ("https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/"),
            ("https://%31%32%37.0.0.1/", "https://127.0.0.1/"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ] {
            assert_eq!(Target::parse(text).unwrap().url().as_str(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_location_is_joined_and_judged_anew() {
        let here = Target::parse("https://a.example/x/y?q=1").unwrap();
        assert_eq!(here.join("../z").unwrap().url().as_str(), "https://a.example/z");
        assert!(!here.join("//b.example/z").unwrap().same_origin(&here));
        assert!(!here.join("http://a.example/z").unwrap().same_origin(&here));
        assert!(here.join("https://a.example:443/z").unwrap().same_origin(&here));
        assert!(here.join("javascript:alert(1)").is_err());
        assert!(here.join("https://u:p@a.example/").is_err());
        assert!(here.join("\\\\b.example").is_err());
    }
}
