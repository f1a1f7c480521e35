//! Parses hosts as a manifest writes them, `name[:port][/path/prefix]`, and the authorities of its URLs.
//!
//! One whole label of the name may be `{{ settings.x }}`. At least two labels must follow it, so that a setting chooses
//! among one service's hosts and not among other companies' domains.

use url::{Host, Url};

use super::names::is_member;

/// A host pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    authority: Authority,
    /// Empty, or a path that starts with `/` and doesn't end with it.
    prefix: String,
}

/// A host and its port. A setting may stand for one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// In the form that a URL parser gives. The label of a setting is [`LABEL`].
    host: String,
    port: Option<u16>,
    setting: Option<String>,
}

/// Stands for the label of a setting. No host name contains it.
const LABEL: &str = "*";
/// Stands for that label while the rest of the host is parsed.
const STAND_IN: &str = "resly-stand-in";

impl HostPattern {
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err("leave out the scheme: write `host`, `host:port` or `host/path`".to_owned());
        }
        let (authority, path) = text.find('/').map_or((text, ""), |at| text.split_at(at));
        Ok(Self { authority: Authority::parse(authority)?, prefix: prefix(path)? })
    }

    pub fn setting(&self) -> Option<&str> {
        self.authority.setting.as_deref()
    }

    pub fn same_authority(&self, other: &Self) -> bool {
        self.authority == other.authority
    }

    /// Whether every URL within the other pattern is also within this one.
    pub fn covers(&self, other: &Self) -> bool {
        let rest = other.prefix.strip_prefix(self.prefix.as_str());
        self.same_authority(other) && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether a URL with this scheme and authority, whose path begins with `literal`, could be within this pattern.
    /// `whole` says that the path ends there; otherwise a template follows.
    pub fn may_hold(&self, scheme: &str, authority: &Authority, literal: &str, whole: bool) -> bool {
        self.authority.may_be(scheme, authority) && {
            let Self { prefix, .. } = self;
            match literal.strip_prefix(prefix.as_str()) {
                Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.is_empty(),
                None => !whole && prefix.starts_with(literal),
            }
        }
    }
}

impl Authority {
    pub fn parse(text: &str) -> Result<Self, String> {
        let (text, setting) = match text.split_once("{{") {
            None => (text.to_owned(), None),
            Some((before, rest)) => {
                let misplaced = "a setting stands for one whole label, as in `{{ settings.shop }}.example.com`";
                let (inside, after) = rest.split_once("}}").ok_or(misplaced)?;
                let name = inside.trim().strip_prefix("settings.").filter(|name| is_member(name)).ok_or(misplaced)?;
                let whole = (before.is_empty() || before.ends_with('.')) && after.starts_with('.');
                if !whole || after.contains("{{") {
                    return Err(misplaced.to_owned());
                }
                (format!("{before}{STAND_IN}{after}"), Some(name.to_owned()))
            }
        };
        if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control() || "/\\?#@*{}%".contains(*c)) {
            return Err(match bad {
                '@' => "a host holds no user name; credentials are the connection's".to_owned(),
                '*' => "there are no wildcards: name each host, or make one label a setting".to_owned(),
                bad => format!("a host name has no `{bad}`"),
            });
        }
        let after_host = text.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match text[after_host..].find(':') {
            None => (text.as_str(), None),
            Some(at) => {
                let (host, port) = text.split_at(after_host + at);
                let port = port[1..].parse::<u16>().ok().filter(|port| *port != 0);
                (host, Some(port.ok_or("a port is 1 to 65535; an IPv6 address is written in brackets")?))
            }
        };
        if host.is_empty() || host.ends_with('.') {
            return Err("a host name is needed, without a dot at its end".to_owned());
        }
        if host.split('.').any(str::is_empty) {
            return Err("a host name has no empty part between its dots".to_owned());
        }
        let host = Host::parse(host).map_err(|error| format!("it is no host name: {error}"))?;
        if setting.is_some() {
            let Host::Domain(name) = &host else { return Err("a setting can't be a part of an address".to_owned()) };
            let fixed = name.split('.').skip_while(|label| *label != STAND_IN).skip(1);
            if fixed.count() < 2 {
                return Err(
                    "two labels at least have to follow the setting, as in `{{ settings.shop }}.example.com`: \
                            else it could name any domain"
                        .to_owned(),
                );
            }
        }
        let host = host.to_string();
        let host = if setting.is_some() { host.replacen(STAND_IN, LABEL, 1) } else { host };
        Ok(Self { host, port, setting })
    }

    pub fn setting(&self) -> Option<&str> {
        self.setting.as_deref()
    }

    /// Whether an authority in a URL could be one that this pattern grants. A label from a setting may become any label
    /// of the pattern. A label that the pattern leaves open must be the same setting.
    fn may_be(&self, scheme: &str, asked: &Self) -> bool {
        // A pattern without a port grants the scheme's default port.
        let own = if scheme == "http" { 80 } else { 443 };
        let same_port = self.port.unwrap_or(own) == asked.port.unwrap_or(own);
        let fits = |granted: &str, asked_label: &str| match (granted, asked_label) {
            (LABEL, LABEL) => self.setting == asked.setting,
            (_, LABEL) => true,
            (granted, asked_label) => granted == asked_label,
        };
        same_port
            && self.host.split('.').count() == asked.host.split('.').count()
            && self.host.split('.').zip(asked.host.split('.')).all(|(granted, asked)| fits(granted, asked))
    }
}

fn prefix(path: &str) -> Result<String, String> {
    let path = path.trim_end_matches('/');
    let climbs = path.split('/').any(|segment| segment == "." || segment == "..");
    let bad = |c: char| "{}?#%\\".contains(c) || c.is_whitespace() || c.is_control() || !c.is_ascii();
    if climbs || path.contains(bad) || path.contains("//") {
        return Err(
            "a path prefix is plain segments, without `{{`, `?`, `#`, `%`, backslashes and dot segments".to_owned()
        );
    }
    Ok(path.to_owned())
}

/// Checks the URL of an OAuth endpoint. Returns the setting in its host. Plain http is only for loopback.
pub fn endpoint(text: &str) -> Result<Option<String>, String> {
    let (scheme, rest) = text.split_once("://").ok_or("an address begins with `https://`")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = Authority::parse(authority)?;
    let loopback = matches!(authority.host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    if scheme != "https" && !(scheme == "http" && loopback) {
        return Err("an address that gets credentials begins with `https://`".to_owned());
    }
    if path.contains(['#', '{', '}']) {
        return Err("an address has no fragment, and a template only in its host".to_owned());
    }
    let whole = format!("{scheme}://{}{path}", authority.host.replacen(LABEL, STAND_IN, 1));
    Url::parse(&whole).map_err(|error| format!("it is no URL: {error}"))?;
    Ok(authority.setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_hosts_and_no_more() {
        for good in [
            "crm.example.com",
            "crm.example.com:8443/api/v1/",
            "127.0.0.1:9000",
            "[::1]:9000",
            "localhost:80",
            "{{ settings.shop }}.myshopify.com/admin/api",
            "api.{{settings.region}}.example.com",
        ] {
            assert!(HostPattern::parse(good).is_ok(), "{good}: {:?}", HostPattern::parse(good));
        }
        for bad in [
            "",
            "https://a.com",
            "a.com.",
            "u@a.com",
            "*.a.com",
            "a b.com",
            "a.com:0",
            "a.com:x",
            "a.com/../x",
            "a.com/x?y",
            "a.com/{{ settings.a }}",
            "a.com/%2e%2e",
            "a.com//b",
            "::1",
            "x{{ settings.a }}.a.com",
            "{{ settings.a }}",
            "{{ settings.a }}.com",
            "{{ settings.a }}.0.0.1",
            "{{ input.a }}.a.com",
            "{{ settings.a }}.{{ settings.b }}.a.com",
            "{{ settings.a.b.com",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}: {:?}", HostPattern::parse(bad));
        }
    }

    #[test]
    fn an_authority_is_held_by_its_pattern_alone() {
        let holds = |pattern: &str, authority: &str, scheme: &str, path: &str, whole: bool| {
            let authority = Authority::parse(authority).unwrap();
            HostPattern::parse(pattern).unwrap().may_hold(scheme, &authority, path, whole)
        };
        assert!(holds("a.example", "A.example:443", "https", "/x", true));
        assert!(holds("127.0.0.1:9000", "127.0.0.1:9000", "http", "/", true));
        assert!(!holds("a.example", "a.example:8443", "https", "/x", true));
        assert!(!holds("a.example", "b.a.example", "https", "/x", true));
        assert!(holds("{{ settings.s }}.a.example", "{{settings.s}}.a.example", "https", "/", true));
        assert!(!holds("{{ settings.s }}.a.example", "{{ settings.t }}.a.example", "https", "/", true));
        assert!(!holds("{{ settings.s }}.a.example", "eu.a.example", "https", "/", true));
        assert!(holds("eu.a.example", "{{ settings.region }}.a.example", "https", "/", true));
        assert!(holds("a.example:80", "a.example", "http", "/", true));
        assert!(!holds("a.example:443", "a.example", "http", "/", true));
        assert!(holds("a.example/api", "a.example", "https", "/api/x", true));
        assert!(holds("a.example/api", "a.example", "https", "/", false));
        assert!(!holds("a.example/api", "a.example", "https", "/apix", true));
        assert!(!holds("a.example/api", "a.example", "https", "/", true));
    }

    #[test]
    fn endpoints_are_https() {
        assert_eq!(endpoint("https://a.example/token"), Ok(None));
        assert_eq!(endpoint("http://127.0.0.1:8000/token"), Ok(None));
        assert_eq!(
            endpoint("https://{{ settings.shop }}.myshopify.com/admin/oauth/access_token"),
            Ok(Some("shop".to_owned()))
        );
        for bad in [
            "http://a.example/token",
            "ftp://a.example",
            "a.example/token",
            "https://u:p@a.example/",
            "https://a.example/#x",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }
}
