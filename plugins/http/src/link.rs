//! Parses the `Link` header (RFC 8288) as far as pagination needs it, and resolves its targets.

/// The target of the first link with the relation `next`.
pub fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (target, after) = rest.split_once('<')?.1.split_once('>')?;
        let end = end_of_link(after);
        let (parameters, after) = after.split_at(end);
        if is_next(parameters) {
            return Some(target.trim());
        }
        rest = after;
    }
}

/// The end of one link's parameters: the first comma outside quotes.
fn end_of_link(text: &str) -> usize {
    end(text, b',')
}

/// Whether the relation types include `next`. They are separated by spaces, and only the first `rel` counts (section
/// 3.3).
fn is_next(parameters: &str) -> bool {
    let mut rest = parameters;
    loop {
        let Some(start) = rest.find(';') else { return false };
        rest = &rest[start + 1..];
        let end = end_of_parameter(rest);
        let parameter = &rest[..end];
        rest = &rest[end..];
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("rel") {
            let relations = value.trim().trim_matches('"').split_ascii_whitespace();
            return relations.into_iter().any(|relation| relation.eq_ignore_ascii_case("next"));
        }
    }
}

/// The end of a parameter: the first semicolon outside quotes.
fn end_of_parameter(text: &str) -> usize {
    end(text, b';')
}

fn end(text: &str, mark: u8) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if byte == mark && !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// Scheme, host and port of a URL, in lower case and without the scheme's default port.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: String,
}

fn origin(url: &str) -> Option<Origin> {
    let (scheme, _) = url.split_once("://")?;
    let authority = authority(url);
    // The colon of a port comes after the brackets of an IPv6 address.
    let colon = authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'));
    let (host, port) = colon.map_or((authority, ""), |colon| (&authority[..colon], &authority[colon + 1..]));
    let scheme = scheme.to_ascii_lowercase();
    let port = if port == usual_port(&scheme) { "" } else { port };
    Some(Origin { host: host.to_ascii_lowercase(), port: port.to_owned(), scheme })
}

fn usual_port(scheme: &str) -> &'static str {
    match scheme {
        "https" => "443",
        "http" => "80",
        _ => "",
    }
}

/// The part between the scheme and the path.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Whether a reference starts with a scheme (RFC 3986, section 3.1).
fn is_absolute(target: &str) -> bool {
    target.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    })
}

/// Resolves a target against a URL (RFC 3986, section 5.2; a URL's parser removes dot segments). `None` when it leads
/// to another origin. A service behind a proxy may not know that it is called by https, so its own address with `http`
/// is taken for the one with `https`.
pub fn resolve(base: &str, target: &str) -> Option<String> {
    let (scheme, _) = base.split_once("://")?;
    let root = format!("{scheme}://{}", authority(base));
    let base = base.split('#').next().unwrap_or(base);
    let path = base.split('?').next().unwrap_or(base);
    let joined = if is_absolute(target) {
        target.to_owned()
    } else if target.starts_with("//") {
        format!("{scheme}:{target}")
    } else if target.starts_with('/') {
        format!("{root}{target}")
    } else if target.starts_with('?') {
        format!("{path}{target}")
    } else if target.is_empty() {
        base.to_owned()
    } else {
        let folder = path.rfind('/').filter(|at| *at >= root.len()).map_or(root.as_str(), |at| &path[..at]);
        format!("{folder}/{target}")
    };
    let (from, to) = (origin(base)?, origin(&joined)?);
    if from == to {
        return Some(joined);
    }
    let downgraded = from.scheme == "https" && to.scheme == "http" && from.host == to.host && from.port == to.port;
    downgraded.then(|| {
        let (_, rest) = joined.split_once("://").unwrap_or_default();
        let rest = rest.strip_prefix(authority(&joined)).unwrap_or_default();
        format!("{root}{rest}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found() {
        let github = "<https://a.example/x?page=1>; rel=\"prev\", <https://a.example/x?page=3>; rel=\"next\"";
        assert_eq!(next(github), Some("https://a.example/x?page=3"));
        assert_eq!(next("</x?a=1,2>; title=\"a, <b>; rel=next\"; rel=\"last Next\""), Some("/x?a=1,2"));
        assert_eq!(next("</x>;REL=next"), Some("/x"));
        assert_eq!(next("</x>; rel=prev; rel=next"), None);
        assert_eq!(next("</x>; rel=nextish, nonsense"), None);
        assert_eq!(next(""), None);
        // A title may say anything.
        assert_eq!(next("</x>; title=\"a; rel=next\"; rel=prev"), None);
        assert_eq!(next("</x>; title=\"rel=\\\"prev\\\"; rel=prev\"; rel=\"next\""), Some("/x"));
        assert_eq!(
            next("</a>; title=\"x, </b>; rel=next\"; rel=prev, </c>; title=\"; rel=last\" ; rel = next"),
            Some("/c")
        );
    }

    #[test]
    fn targets_are_resolved_on_their_origin() {
        let base = "https://a.example/v1/items?page=1#x";
        let resolves = |target: &str| resolve(base, target);
        assert_eq!(resolves("https://a.example/y").unwrap(), "https://a.example/y");
        assert_eq!(resolves("/y?page=2").unwrap(), "https://a.example/y?page=2");
        assert_eq!(resolves("?page=2").unwrap(), "https://a.example/v1/items?page=2");
        assert_eq!(resolves("more").unwrap(), "https://a.example/v1/more");
        assert_eq!(resolves("//a.example/y").unwrap(), "https://a.example/y");
        // The scheme's own port, the host's case, and an address in the query.
        assert_eq!(resolves("https://a.example:443/y").unwrap(), "https://a.example:443/y");
        assert_eq!(resolves("HTTPS://A.Example/y").unwrap(), "HTTPS://A.Example/y");
        assert_eq!(resolve("https://a.example:443/x", "https://a.example/y").unwrap(), "https://a.example/y");
        assert_eq!(resolve("http://[::1]:80/x", "http://[::1]/y").unwrap(), "http://[::1]/y");
        assert_eq!(resolves("/y?from=http://b.example/").unwrap(), "https://a.example/y?from=http://b.example/");
        // A service that doesn't know that it is called by https.
        assert_eq!(resolves("http://a.example/y?page=2").unwrap(), "https://a.example/y?page=2");
        assert_eq!(resolves("http://a.example:80/y").unwrap(), "https://a.example/y");
        assert_eq!(resolve("https://a.example:8443/x", "http://a.example:8443/y").unwrap(), "https://a.example:8443/y");
        assert_eq!(resolve("https://a.example:8443/x", "http://a.example/y"), None);
        assert_eq!(resolve("http://a.example/x", "https://a.example/y"), None);
        for other in [
            "https://b.example/y",
            "http://b.example/y",
            "http://a.example:8080/y",
            "http://user@a.example/y",
            "//b.example/",
            "https://a.example:8443/",
            "https://a.example@b.example/",
        ] {
            assert_eq!(resolves(other), None, "{other}");
        }
    }
}
