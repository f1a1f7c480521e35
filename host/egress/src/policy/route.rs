//! `RESLY_EGRESS_ROUTE`: the operator sends a host's traffic elsewhere, such as to a recording proxy, a mock or a
//! corporate gateway. Grants, credentials, redaction and the `Host` header use the original name. Only the dialled
//! address and the name in the gateway's certificate are the route's.

use std::fmt;

use url::{Host, Url};

use super::authority::{self, AuthorityError};

/// The route of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    host: Host<String>,
    port: Option<u16>,
    /// Scheme, host and port; no path.
    to: Url,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum RouteEntryError {
    #[error("write `host=http://address:port`")]
    Shape,
    #[error("before the `=`: {0}")]
    From(AuthorityError),
    #[error("after the `=` a URL is expected: {0}")]
    To(url::ParseError),
    #[error("after the `=` only an http or https URL of scheme, host and port is taken")]
    Parts,
}

/// The entries that aren't `host=url`, each with its error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteError {
    entries: Vec<(String, RouteEntryError)>,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (entry, error)) in self.entries.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}`{entry}`: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RouteError {}

impl Route {
    pub(crate) fn covers(&self, host: &Host<&str>, port: u16) -> bool {
        self.port.is_none_or(|routed| routed == port) && self.host == *host
    }

    /// The URL that is really dialled for the requested one.
    pub(crate) fn rewrite(&self, asked: &Url) -> Url {
        let mut led = self.to.clone();
        led.set_path(asked.path());
        led.set_query(asked.query());
        led
    }
}

/// Parses `host[:port]=http://address:port,…`. An entry without a port means all ports of the host.
pub fn parse(text: &str) -> Result<Vec<Route>, RouteError> {
    let mut routes = Vec::new();
    let mut entries = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        match one(entry) {
            Ok(route) => routes.push(route),
            Err(mistake) => entries.push((entry.to_owned(), mistake)),
        }
    }
    if entries.is_empty() { Ok(routes) } else { Err(RouteError { entries }) }
}

fn one(entry: &str) -> Result<Route, RouteEntryError> {
    let (from, to) = entry.split_once('=').ok_or(RouteEntryError::Shape)?;
    let (host, port) = authority::parse(from.trim()).map_err(RouteEntryError::From)?;
    let to = Url::parse(to.trim()).map_err(RouteEntryError::To)?;
    let plain = matches!(to.scheme(), "http" | "https")
        && to.has_host()
        && to.path() == "/"
        && to.query().is_none()
        && to.fragment().is_none()
        && to.username().is_empty()
        && to.password().is_none();
    if plain { Ok(Route { host, port, to }) } else { Err(RouteEntryError::Parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_go_along() {
        let routes = parse("api.stripe.com=http://127.0.0.1:12111").unwrap();
        assert!(routes[0].covers(&Host::Domain("api.stripe.com"), 443));
        assert!(!routes[0].covers(&Host::Domain("stripe.com"), 443));
        let asked = Url::parse("https://api.stripe.com/v1/charges%2F1?a=b%20c").unwrap();
        assert_eq!(routes[0].rewrite(&asked).as_str(), "http://127.0.0.1:12111/v1/charges%2F1?a=b%20c");
    }

    #[test]
    fn every_bad_entry_is_named() {
        let error = parse("a.com,b.com=ftp://x,c.com=http://h/path,ok.com=http://h:1").unwrap_err().to_string();
        assert!(error.contains("`a.com`: write `host="), "{error}");
        assert!(error.contains("`b.com=ftp://x`") && error.contains("`c.com=http://h/path`"), "{error}");
        assert!(!error.contains("ok.com"), "{error}");
    }
}
