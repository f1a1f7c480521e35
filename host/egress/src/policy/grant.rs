//! Grants: the hosts of a manifest with a connection's settings filled in. Decides whether a URL is within them.
//!
//! A host is `name[:port][/path/prefix]`. One whole label of the name may be `{{ settings.x }}`. Its value must be one
//! DNS label, so a setting can choose among a service's own hosts but can't lead to another service. Without a port,
//! the scheme's default port is meant. A prefix matches whole segments of the normalised path.

use percent_encoding::percent_decode_str;
use resly_manifest::Manifest;
use serde_json::Value;
use url::Host;

use super::{
    authority::{self, AuthorityError},
    target::{self, Target},
};

/// How often a path is percent-decoded to look for `..`. Each time reads the whole path, so there is a limit.
const READINGS: usize = 8;

/// A host that a connection may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedHost {
    host: Host<String>,
    port: Option<u16>,
    /// Empty, or a path that starts with `/` and doesn't end with it.
    prefix: String,
}

/// Why a manifest's host can't be granted with these settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    #[error("host `{pattern}`: {error}")]
    Authority { pattern: String, error: AuthorityError },
    #[error(
        "host `{pattern}`: a setting stands for one whole label with two or more after it, as in \
         `{{{{ settings.shop }}}}.example.com`"
    )]
    Template { pattern: String },
    #[error("host `{pattern}`: its path may hold no `{{`, `?`, `#`, `%`, backslash or dot segment")]
    Path { pattern: String },
    #[error("setting `{setting}` is missing; the connector's host `{pattern}` is made of it")]
    Missing { pattern: String, setting: String },
    #[error(
        "setting `{setting}` must be one part of a host name: letters, digits and dashes, at most 63, such as `acme` \
         for `acme.example.com`; the connector's host is `{pattern}`"
    )]
    Label { pattern: String, setting: String },
    #[error("`{pattern}` is among auth_hosts and not among hosts")]
    AuthHost { pattern: String },
}

impl GrantedHost {
    fn resolve(pattern: &str, settings: &Value) -> Result<Self, GrantError> {
        let (authority, path) = pattern.find('/').map_or((pattern, ""), |at| pattern.split_at(at));
        let is_template = authority.contains("{{");
        let filled = if is_template { fill(pattern, authority, settings)? } else { authority.to_owned() };
        let malformed = |error| GrantError::Authority { pattern: pattern.to_owned(), error };
        // The slash of a scheme would be taken for the start of the path.
        if pattern.contains("://") {
            return Err(malformed(AuthorityError::Scheme));
        }
        let (host, port) = authority::parse(&filled).map_err(malformed)?;
        if is_template && !matches!(host, Host::Domain(_)) {
            // A label of digits among digits would turn a name into an address.
            return Err(GrantError::Template { pattern: pattern.to_owned() });
        }
        Ok(Self { host, port, prefix: prefix(pattern, path)? })
    }

    /// Whether a URL is within this grant.
    pub fn allows(&self, target: &Target) -> bool {
        self.host == target.host()
            && self.port.map_or_else(|| target.has_default_port(), |port| port == target.port())
            && within(target.url().path(), &self.prefix)
    }

    /// The host as text for people.
    pub fn text(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}{}", self.host, self.prefix)
    }
}

/// Replaces the label that names a setting by the setting's value.
pub(crate) fn fill(pattern: &str, authority: &str, settings: &Value) -> Result<String, GrantError> {
    let misplaced = || GrantError::Template { pattern: pattern.to_owned() };
    let (before, rest) = authority.split_once("{{").ok_or_else(misplaced)?;
    let (inside, after) = rest.split_once("}}").ok_or_else(misplaced)?;
    let name = inside.trim().strip_prefix("settings.").ok_or_else(misplaced)?;
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    // With only one label after it, a setting could choose any domain below a public suffix.
    let among_one_service = after.split(':').next().is_some_and(|labels| labels.matches('.').count() >= 2);
    let whole = (before.is_empty() || before.ends_with('.')) && after.starts_with('.') && among_one_service;
    if !plain(name) || !whole || before.contains("}}") || after.contains(['{', '}']) {
        return Err(misplaced());
    }
    let setting = name.to_owned();
    let value = match settings.get(name) {
        None | Some(Value::Null) => return Err(GrantError::Missing { pattern: pattern.to_owned(), setting }),
        Some(value) => value.as_str().filter(|text| is_label(text)),
    };
    let label = value.ok_or(GrantError::Label { pattern: pattern.to_owned(), setting })?;
    Ok(format!("{before}{}{after}", label.to_ascii_lowercase()))
}

/// Whether a setting may be this label. An encoded international label is refused, because an admin can't see what it
/// spells.
fn is_label(text: &str) -> bool {
    let encoded = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    target::is_label(text) && !text.contains('_') && !encoded
}

fn prefix(pattern: &str, path: &str) -> Result<String, GrantError> {
    let path = path.trim_end_matches('/');
    let dotted = path.split('/').any(|segment| segment == "." || segment == "..");
    let bad = |c: char| "{}?#%\\".contains(c) || c.is_whitespace() || c.is_control() || !c.is_ascii();
    if dotted || path.contains(bad) || path.contains("//") {
        return Err(GrantError::Path { pattern: pattern.to_owned() });
    }
    Ok(path.to_owned())
}

/// Whether a normalised path is within a prefix, even for a service that decodes percent signs and then resolves `..`.
fn within(path: &str, prefix: &str) -> bool {
    if prefix.is_empty() {
        return true;
    }
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) && !climbs(path)
}

/// Whether any reading of the path contains `..`. Readings are decoded once or several times, split at backslashes,
/// too, and without the matrix parameters that some servers ignore. A path that is still encoded after [`READINGS`]
/// counts as one that does.
fn climbs(path: &str) -> bool {
    let mut reading = path.to_owned();
    for _ in 0..READINGS {
        let mut segments =
            reading.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap_or_default().trim());
        if segments.any(|segment| segment == "..") || reading.contains('\0') {
            return true;
        }
        let decoded = percent_decode_str(&reading).decode_utf8_lossy().into_owned();
        if decoded == reading {
            return false;
        }
        reading = decoded;
    }
    true
}

/// The hosts that one connection may call, and those that get its credential.
#[derive(Clone, Debug)]
pub(crate) struct Grants {
    hosts: Vec<GrantedHost>,
    /// Empty when every host gets the credential.
    auth: Vec<GrantedHost>,
}

impl Grants {
    pub fn resolve(manifest: &Manifest, settings: &Value) -> Result<Self, GrantError> {
        let all = |patterns: &[String]| -> Result<Vec<_>, _> {
            patterns.iter().map(|pattern| GrantedHost::resolve(pattern, settings)).collect()
        };
        let hosts = all(&manifest.hosts)?;
        let auth = all(&manifest.auth_hosts)?;
        let known = |host: &GrantedHost| hosts.iter().any(|known| known.host == host.host && known.port == host.port);
        match auth.iter().position(|host| !known(host)) {
            Some(at) => Err(GrantError::AuthHost { pattern: manifest.auth_hosts[at].clone() }),
            None => Ok(Self { hosts, auth }),
        }
    }

    pub fn allow(&self, target: &Target) -> bool {
        self.hosts.iter().any(|host| host.allows(target))
    }

    /// Whether a request to this target carries the credential.
    pub fn authenticate(&self, target: &Target) -> bool {
        self.auth.is_empty() || self.auth.iter().any(|host| host.allows(target))
    }

    /// The granted hosts as text for people.
    pub fn text(&self) -> String {
        match self.hosts.as_slice() {
            [] => "none".to_owned(),
            hosts => hosts.iter().map(GrantedHost::text).collect::<Vec<_>>().join(", "),
        }
    }
}

/// The hosts of a manifest with these settings. The error names the setting to correct. Two equal results mean that the
/// credential goes to the same places.
pub fn check_settings(manifest: &Manifest, settings: &Value) -> Result<Vec<GrantedHost>, GrantError> {
    Grants::resolve(manifest, settings).map(|grants| grants.hosts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn granted(pattern: &str, settings: &Value, url: &str) -> bool {
        GrantedHost::resolve(pattern, settings).unwrap().allows(&Target::parse(url).unwrap())
    }

    #[test]
    fn host_port_and_scheme_must_fit() {
        let none = json!({});
        assert!(granted("api.example.com", &none, "https://API.example.com/x"));
        assert!(granted("api.example.com", &none, "https://api.example.com:443/x"));
        assert!(!granted("api.example.com", &none, "https://api.example.com:8443/x"));
        assert!(granted("api.example.com:8443", &none, "https://api.example.com:8443/x"));
        assert!(!granted("api.example.com:8443", &none, "https://api.example.com/x"));
        for other in ["https://xapi.example.com", "https://example.com", "https://api.example.com.evil.net"] {
            assert!(!granted("api.example.com", &none, other), "{other}");
        }
        assert!(granted("127.0.0.1:9000", &none, "http://0x7f.1:9000/"));
    }

    #[test]
    fn a_prefix_holds_on_whole_segments_and_cannot_be_climbed_out_of() {
        let none = json!({});
        let ok = |path: &str| granted("a.example/admin/api/", &none, &format!("https://a.example{path}"));
        for path in ["/admin/api", "/admin/api/", "/admin/api/x/y", "/admin/api?x=../..", "/admin/x/../api/y"] {
            assert!(ok(path), "{path}");
        }
        assert!(ok("/admin/api/group%2Fproject"));
        for path in [
            "/admin",
            "/admin/apix",
            "/Admin/api",
            "//admin/api",
            "/admin//api",
            "/admin/api/../x",
            "/admin/api/%2e%2e/x",
            "/admin/api/..%2fx",
            "/admin/api/%2e%2e%2fx",
            "/admin/api/%252e%252e/x",
            "/admin/api/..%5cx",
            "/admin/api/..;/x",
            "/admin/api/..;a=b/x",
            "/admin/api/%25252e%25252e%25252fx",
            &format!("/admin/api/%{}2e", "25".repeat(1000)),
        ] {
            assert!(!ok(path), "{path}");
        }
    }

    #[test]
    fn a_setting_is_one_label() {
        let settings = |shop: Value| json!({ "shop": shop });
        let pattern = "{{ settings.shop }}.myshopify.com/admin";
        assert!(granted(pattern, &settings(json!("Acme-1")), "https://acme-1.myshopify.com/admin/x"));
        assert!(granted("{{settings.shop}}.a.com:81", &settings(json!("x")), "https://x.a.com:81/"));
        let bad = [
            json!("acme.myshopify.com"),
            json!("evil.com/"),
            json!("evil.com#"),
            json!("evil.com?"),
            json!("a@b"),
            json!("a:1"),
            json!(""),
            json!("-a"),
            json!("a-"),
            json!("a b"),
            json!("a\n"),
            json!("ä"),
            json!("xn--bcher-kva"),
            json!("x".repeat(64)),
            json!(7),
            json!(["a"]),
        ];
        for value in bad {
            let error = GrantedHost::resolve(pattern, &settings(value.clone())).unwrap_err();
            assert!(matches!(error, GrantError::Label { .. }), "{value}: {error}");
        }
        assert!(matches!(GrantedHost::resolve(pattern, &json!({})), Err(GrantError::Missing { .. })));
    }

    #[test]
    fn a_template_is_a_whole_label_and_never_the_last() {
        let settings = json!({"a": "1"});
        for pattern in [
            "x{{ settings.a }}.com",
            "{{ settings.a }}x.com",
            "example.{{ settings.a }}",
            "{{ settings.a }}",
            "{{ settings.a }}:80",
            "{{ settings.a }}.com",
            "{{ settings.a }}.",
            "{{ settings.a }}.{{ settings.a }}.com",
            "{{ secrets.a }}.com",
            "{{ settings.a",
            "{{ settings.a }}.0.0.1",
        ] {
            assert!(GrantedHost::resolve(pattern, &settings).is_err(), "{pattern}");
        }
        for pattern in
            ["https://a.com", "a.com/{{ settings.a }}", "a.com/../x", "a.com/x?y", "*.a.com", "u@a.com", "a.com."]
        {
            assert!(GrantedHost::resolve(pattern, &settings).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn any_setting_stays_under_its_domain(value in ".{0,70}") {
            let settings = json!({"s": value});
            if let Ok(granted) = GrantedHost::resolve("{{ settings.s }}.example.com", &settings) {
                let Host::Domain(name) = &granted.host else { panic!("{granted:?}") };
                let label = name.strip_suffix(".example.com").unwrap();
                prop_assert!(is_label(label));
            }
        }

        #[test]
        fn any_path_that_is_granted_starts_with_the_prefix(path in "[a-z./%25eEfF;\\\\]{0,24}") {
            let Ok(target) = Target::parse(&format!("https://a.example/{path}")) else { return Ok(()) };
            let grant = GrantedHost::resolve("a.example/api", &json!({})).unwrap();
            if grant.allows(&target) {
                let served = percent_decode_str(target.url().path()).decode_utf8_lossy().into_owned();
                prop_assert!(served == "/api" || served.starts_with("/api/"));
                prop_assert!(!served.split('/').any(|segment| segment == ".."));
            }
        }
    }
}
