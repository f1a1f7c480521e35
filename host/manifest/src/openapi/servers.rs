//! The servers of a document: turns an address into a host to grant and the start of a URL.
//!
//! A variable that is one whole label of the host, or a part of the path, becomes a setting of the connection. Any
//! other variable is replaced by its default.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::names::{line, member};
use crate::manifest::{HostPattern, endpoint, is_member};

/// A server in the form that URLs need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// In the form of `hosts`.
    pub host: String,
    /// Scheme, authority and the start of the path, without a `/` at the end. Settings are templates.
    pub base: String,
    /// The settings in it, with their schemas.
    pub settings: BTreeMap<String, Value>,
}

impl Server {
    /// Replaces an invalid server of the request, so that the rest can still be checked.
    pub fn placeholder() -> Self {
        Self { host: "x.example".to_owned(), base: "https://x.example".to_owned(), settings: BTreeMap::new() }
    }
}

/// Says why a plain `http` address can't be called. `None` when it can.
pub type PlainHttp<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Allows plain http to loopback only, as for the OAuth addresses of a definition. A host with its own settings may
/// decide otherwise.
pub fn loopback_only(url: &str) -> Option<String> {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    endpoint(&format!("http://{host}/")).err().map(|_| "plain http is refused".to_owned())
}

/// The first usable server of a list. One with `https` comes before one with `http`.
///
/// # Errors
/// Why none is usable.
pub fn choose(servers: Option<&Value>, plain_http: PlainHttp<'_>) -> Result<Server, String> {
    let servers = servers.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut why = "the document names no server: give `server`, such as `https://api.example.com/v1`".to_owned();
    let mut plain: Option<Server> = None;
    for server in servers.iter().take(50) {
        match read(server, plain_http) {
            Ok(server) if server.base.starts_with("https://") => return Ok(server),
            Ok(server) => plain = plain.or(Some(server)),
            Err(message) => why = message,
        }
    }
    plain.ok_or(why)
}

/// A server from its address alone.
///
/// # Errors
/// Why it isn't usable.
pub fn of(url: &str, plain_http: PlainHttp<'_>) -> Result<Server, String> {
    read(&json!({"url": url}), plain_http)
}

fn read(server: &Value, plain_http: PlainHttp<'_>) -> Result<Server, String> {
    let url = server.get("url").and_then(Value::as_str).unwrap_or_default();
    let nothing = Map::new();
    let variables = server.get("variables").and_then(Value::as_object).unwrap_or(&nothing);
    let shown: String = url.chars().take(200).collect();
    let Some((scheme, rest)) = filled(url, variables, &|_| false)?
        .0
        .split_once("://")
        .map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest.to_owned()))
    else {
        return Err(format!(
            "the server `{shown}` is no absolute address: give `server`, such as `https://api.example.com/v1`"
        ));
    };
    if scheme != "https" && scheme != "http" {
        return Err(format!("the server `{shown}` is reached by `{scheme}`, and connectors speak https"));
    }
    // As it is written, with variables: first the host's labels, then the path.
    let written = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = written.find('/').map_or((written, ""), |at| written.split_at(at));
    let (host, mut settings) = match label_setting(authority, variables) {
        Some(found) => found,
        None => {
            let plain = rest.split('/').next().unwrap_or_default();
            (plain.to_owned(), BTreeMap::new())
        }
    };
    let host = match HostPattern::parse(&host) {
        Ok(_) => host,
        Err(message) => return Err(format!("the server `{shown}` has no host that can be granted: {message}")),
    };
    if scheme == "http"
        && let Some(why) = plain_http(&format!("http://{rest}"))
    {
        if let Some(url) = over_https(url, variables) {
            return read(&json!({"url": url, "variables": variables}), plain_http);
        }
        return Err(format!("the server `{shown}`: {why}; give `server` with an address that begins with `https://`"));
    }
    let in_path = |name: &str| variables.get(name).is_some_and(is_segment);
    let plain = filled(path, variables, &|_| false)?.0;
    let (path, used) = filled(path, variables, &in_path)?;
    let path = path.trim_end_matches('/');
    if plain.contains(|c: char| "?#\\".contains(c) || c.is_whitespace() || c.is_control()) {
        return Err(format!("the server `{shown}` has a path that URLs can't begin with"));
    }
    for name in used {
        settings.insert(member(&name), setting(variables.get(&name)));
    }
    let prefix = if settings.is_empty() && HostPattern::parse(&format!("{host}{path}")).is_ok() { path } else { "" };
    Ok(Server { host: format!("{host}{prefix}"), base: format!("{scheme}://{host}{path}"), settings })
}

/// The address with https, when its scheme is a variable that may be `https` but isn't by default.
fn over_https(url: &str, variables: &Map<String, Value>) -> Option<String> {
    let (name, rest) = url.strip_prefix('{')?.split_once("}://")?;
    let options = variables.get(name)?.get("enum").and_then(Value::as_array);
    options.is_none_or(|options| options.iter().any(|option| option == "https")).then(|| format!("https://{rest}"))
}

/// A host pattern with a setting, of a host with a variable for one whole label and at least two labels after it.
fn label_setting(authority: &str, variables: &Map<String, Value>) -> Option<(String, BTreeMap<String, Value>)> {
    let (before, rest) = authority.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    let whole = (before.is_empty() || before.ends_with('.')) && after.starts_with('.');
    if !whole || after.contains('{') {
        return None;
    }
    let spelled = member(name);
    let pattern = format!("{before}{{{{ settings.{spelled} }}}}{after}");
    HostPattern::parse(&pattern).ok()?;
    Some((pattern, BTreeMap::from([(spelled, setting(variables.get(name)))])))
}

/// Replaces variables: those that `keeps` accepts become settings in templates, the others their defaults. Also returns
/// the kept ones.
fn filled(
    text: &str,
    variables: &Map<String, Value>,
    keeps: &dyn Fn(&str) -> bool,
) -> Result<(String, Vec<String>), String> {
    let (mut made, mut kept) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("a server's address has a `{` without its `}`")?;
        made.push_str(before);
        if keeps(name) && is_member(&member(name)) {
            made.push_str(&format!("{{{{ settings.{} }}}}", member(name)));
            kept.push(name.to_owned());
        } else {
            let default = variables.get(name).and_then(|variable| variable.get("default")).and_then(Value::as_str);
            made.push_str(default.filter(|default| !default.contains(['{', '}'])).ok_or_else(|| {
                let name: String = name.chars().take(60).collect();
                format!("the server's variable `{name}` has no default: give `server` with it filled in")
            })?);
        }
        rest = after;
    }
    made.push_str(rest);
    Ok((made, kept))
}

/// Whether a variable's values are single segments, which a template doesn't change by encoding.
fn is_segment(variable: &Value) -> bool {
    let plain = |value: &Value| {
        value.as_str().is_some_and(|text| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        })
    };
    let options = variable.get("enum").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    variable.get("default").is_some_and(plain) && options.iter().all(plain)
}

fn setting(variable: Option<&Value>) -> Value {
    let mut schema = json!({"type": "string"});
    let text = |name: &str| variable.and_then(|variable| variable.get(name)?.as_str());
    if let Some(default) = text("default") {
        schema["default"] = json!(default);
    }
    if let Some(description) = text("description").map(|text| line(text, 200)).filter(|text| !text.is_empty()) {
        schema["description"] = json!(description);
    }
    let options = variable.and_then(|variable| variable.get("enum")?.as_array());
    let options: Vec<&str> = options.into_iter().flatten().take(100).filter_map(Value::as_str).collect();
    if !options.is_empty() && text("default").is_none_or(|default| options.contains(&default)) {
        schema["enum"] = json!(options);
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(server: Value) -> Server {
        choose(Some(&json!([server])), &loopback_only).unwrap()
    }

    #[test]
    fn an_address_is_a_host_and_a_beginning() {
        let server = one(json!({"url": "https://api.stripe.com/"}));
        assert_eq!((server.host.as_str(), server.base.as_str()), ("api.stripe.com", "https://api.stripe.com"));
        let server = one(json!({"url": "https://api.example.com:8443/v1/x/"}));
        assert_eq!(server.host, "api.example.com:8443/v1/x");
        assert_eq!(server.base, "https://api.example.com:8443/v1/x");
        // An https server is preferred to an http one.
        let both = json!([{"url": "http://a.example.com"}, {"url": "/x"}, {"url": "https://b.example.com"}]);
        assert_eq!(choose(Some(&both), &loopback_only).unwrap().host, "b.example.com");
        assert_eq!(of("http://127.0.0.1:9000/v1", &loopback_only).unwrap().base, "http://127.0.0.1:9000/v1");
    }

    #[test]
    fn plain_http_is_refused_where_it_is_written() {
        for server in [
            json!({"url": "http://a.example.com/v1"}),
            json!({"url": "HTTP://a.example.com"}),
            json!({"url": "http://a.example.com:8080"}),
            json!({"url": "http://{shop}.example.com", "variables": {"shop": {"default": "demo"}}}),
            json!({"url": "{scheme}://a.example.com", "variables": {"scheme": {"default": "http", "enum": ["http"]}}}),
        ] {
            let why = choose(Some(&json!([server])), &loopback_only).unwrap_err();
            let url = server["url"].as_str().unwrap();
            assert!(why.contains(&format!("`{url}`: plain http is refused")) && why.contains("`https://`"), "{why}");
            assert!(choose(Some(&json!([server])), &|_| None).is_ok(), "a host may allow it");
        }
        let both = json!([{"url": "http://a.example.com"}, {"url": "https://b.example.com"}]);
        assert_eq!(choose(Some(&both), &loopback_only).unwrap().base, "https://b.example.com");
        // The scheme may be https, if the host refuses what it is by default.
        for scheme in [json!({"default": "http"}), json!({"default": "http", "enum": ["http", "https"]})] {
            let server = json!([{"url": "{scheme}://a.example.com/v1", "variables": {"scheme": scheme}}]);
            assert_eq!(choose(Some(&server), &loopback_only).unwrap().base, "https://a.example.com/v1");
            assert_eq!(choose(Some(&server), &|_| None).unwrap().base, "http://a.example.com/v1");
        }
        let seen = std::cell::RefCell::new(Vec::new());
        let listed = |url: &str| {
            seen.borrow_mut().push(url.to_owned());
            None
        };
        of("http://{x}.a.example/v1", &listed).unwrap_err();
        assert!(
            choose(Some(&json!([{"url": "http://{x}.a.example/v1", "variables": {"x": {"default": "eu"}}}])), &listed)
                .is_ok()
        );
        assert_eq!(*seen.borrow(), ["http://eu.a.example/v1"], "asked with its defaults");
        for local in ["http://127.0.0.1:9000/v1", "http://localhost/v1", "http://[::1]:80"] {
            assert_eq!(loopback_only(local), None, "{local}");
        }
    }

    #[test]
    fn variables_become_settings_where_they_can() {
        let server = one(json!({"url": "https://{shop}.example.com/{version}/x", "variables": {
            "shop": {"default": "demo", "description": "Your <b>shop</b>"}, "version": {"default": "v1", "enum": ["v1", "v2"]}}}));
        assert_eq!(server.host, "{{ settings.shop }}.example.com");
        assert_eq!(server.base, "https://{{ settings.shop }}.example.com/{{ settings.version }}/x");
        assert_eq!(server.settings["shop"], json!({"type": "string", "default": "demo", "description": "Your shop"}));
        assert_eq!(server.settings["version"]["enum"], json!(["v1", "v2"]));
        // A part of a label, a port, a scheme and a path of several segments can't be settings.
        let server = one(json!({"url": "{scheme}://eu-{n}.example.com:{port}/{base}", "variables": {
            "scheme": {"default": "https"}, "n": {"default": "1"}, "port": {"default": "8443"}, "base": {"default": "a/b"}}}));
        assert_eq!((server.host.as_str(), server.settings.len()), ("eu-1.example.com:8443/a/b", 0));
    }

    #[test]
    fn what_is_no_address_says_so() {
        for (server, part) in [
            (json!({"url": "/v1"}), "no absolute address"),
            (json!({"url": "wss://a.example.com"}), "`wss`"),
            (json!({"url": "https://{x}/"}), "no default"),
            (json!({"url": "https://a b/"}), "no host"),
            (json!({"url": "https://{x"}), "without its"),
            (json!({}), "no absolute address"),
        ] {
            let why = choose(Some(&json!([server])), &loopback_only).unwrap_err();
            assert!(why.contains(part), "{server}: {why}");
        }
        assert!(choose(None, &loopback_only).unwrap_err().contains("names no server"));
    }
}
