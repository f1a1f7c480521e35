//! The `Link` header (RFC 8288), as far as pagination needs it, and where its targets lead.

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

/// Where the parameters of one link end: at the first comma outside quotes.
fn end_of_link(text: &str) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// Whether the relation types, which are separated by spaces, name `next`. Only the first `rel` counts.
fn is_next(parameters: &str) -> bool {
    parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("rel"))
        .is_some_and(|(_, value)| {
            value
                .trim()
                .trim_matches('"')
                .split_ascii_whitespace()
                .any(|relation| relation.eq_ignore_ascii_case("next"))
        })
}

/// Scheme, host and port of a URL.
pub fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find(['/', '?', '#']).map_or(url, |end| &url[..host + end])
}

/// Where a target leads from a URL (RFC 3986, section 5.2, without dot segments, which a URL's parser removes); nothing
/// when it leads to another origin.
pub fn resolve(base: &str, target: &str) -> Option<String> {
    let origin = origin(base);
    let base = base.split('#').next().unwrap_or(base);
    let path = base.split('?').next().unwrap_or(base);
    let joined = if target.contains("://") {
        target.to_owned()
    } else if target.starts_with("//") {
        format!("{}{target}", origin.split("//").next().unwrap_or_default())
    } else if target.starts_with('/') {
        format!("{origin}{target}")
    } else if target.starts_with('?') {
        format!("{path}{target}")
    } else if target.is_empty() {
        base.to_owned()
    } else {
        let folder = path.rfind('/').filter(|at| *at >= origin.len()).map_or(origin, |at| &path[..at]);
        format!("{folder}/{target}")
    };
    self::origin(&joined).eq_ignore_ascii_case(origin).then_some(joined)
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
        for other in [
            "https://b.example/y",
            "http://a.example/y",
            "//b.example/",
            "https://a.example:8443/",
            "https://a.example@b.example/",
        ] {
            assert_eq!(resolves(other), None, "{other}");
        }
    }
}
