//! References to absolute URLs (RFC 3986, section 5). The crate `url` brings the tables of international domain names,
//! which the host applies anyway before it opens a URL.

use crate::document::URL_MOST;

/// The parts of an absolute URL.
#[derive(Clone, Copy)]
pub struct Base<'a> {
    scheme: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Base<'a> {
    /// Reads an `http` or `https` URL.
    pub fn parse(url: &'a str) -> Option<Self> {
        let url = url.trim();
        let (scheme, rest) = url.split_once(':')?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return None;
        }
        let rest = rest.strip_prefix("//")?;
        let rest = rest.split('#').next()?;
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        (!authority.is_empty()).then_some(Self { scheme, authority, path, query })
    }

    /// The reference's absolute URL without its fragment. `None` when it isn't `http` or `https`, or too long.
    pub fn join(&self, reference: &str) -> Option<String> {
        let reference = clean(reference);
        let reference = reference.split('#').next()?;
        if let Some((scheme, rest)) = reference.split_once(':')
            && is_scheme(scheme)
        {
            let known = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
            return if known && rest.starts_with("//") { absolute(reference) } else { None };
        }
        let origin = format!("{}://{}", self.scheme, self.authority);
        let (path, query) = reference.split_once('?').map_or((reference, None), |(path, query)| (path, Some(query)));
        if reference.starts_with("//") {
            return absolute(&format!("{}:{reference}", self.scheme));
        }
        let (path, query) = if path.is_empty() {
            (without_dots(self.path), query.or(self.query))
        } else if path.starts_with('/') {
            (without_dots(path), query)
        } else {
            let folder = self.path.rfind('/').map_or("/", |end| &self.path[..=end]);
            (without_dots(&format!("{folder}{path}")), query)
        };
        finish(&origin, &path, query)
    }
}

/// An absolute URL in the form that `join` gives; `None` when it isn't `http` or `https`, or too long.
pub fn absolute(url: &str) -> Option<String> {
    let url = clean(url);
    let base = Base::parse(&url)?;
    finish(&format!("{}://{}", base.scheme, base.authority), &without_dots(base.path), base.query)
}

fn finish(origin: &str, path: &str, query: Option<&str>) -> Option<String> {
    let mut url = origin.to_ascii_lowercase();
    // A user's name and password keep their case; the rest of an origin has none.
    if origin.contains('@') {
        url.clear();
        url.push_str(origin);
    }
    if !path.starts_with('/') {
        url.push('/');
    }
    escape(path, &mut url);
    if let Some(query) = query {
        url.push('?');
        escape(query, &mut url);
    }
    (url.len() <= URL_MOST).then_some(url)
}

/// What browsers drop of a reference: white space around it, tabs and line breaks within.
fn clean(reference: &str) -> String {
    let trimmed = reference.trim_matches(|c: char| c <= ' ');
    trimmed.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).map(|c| if c == '\\' { '/' } else { c }).collect()
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(usize::from(path.starts_with('/'))).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Escapes what no URL may hold, and leaves what is escaped already.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// A reference without a base: only what is absolute already.
pub fn resolve(base: Option<Base<'_>>, reference: &str) -> Option<String> {
    match base {
        Some(base) => base.join(reference),
        None => absolute(reference),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_absolute_as_the_rfc_says() {
        let base = Base::parse("http://a/b/c/d;p?q").unwrap();
        for (reference, absolute) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y#s", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../../../g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("HTTPS://Example.COM", "https://example.com/"),
            (" /a b\n", "http://a/a%20b"),
            ("/ä", "http://a/%C3%A4"),
        ] {
            assert_eq!(base.join(reference).as_deref(), Some(absolute), "{reference}");
        }
        for other in ["mailto:a@b.c", "javascript:alert(1)", "data:text/html,x", "http:g"] {
            assert_eq!(base.join(other), None, "{other}");
        }
    }
}
