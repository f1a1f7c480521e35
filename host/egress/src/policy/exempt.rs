//! `RESLY_EGRESS_ALLOW`: the operator's list of hosts that may be reached although they are private or use plain http.

use std::fmt;

use url::Host;

use super::authority::{self, AuthorityError};

/// A host, with one port or with all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExemptHost {
    host: Host<String>,
    port: Option<u16>,
}

/// The entries that aren't `host[:port]`, each with its error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowError {
    pub entries: Vec<(String, AuthorityError)>,
}

impl fmt::Display for AllowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (entry, error)) in self.entries.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}`{entry}`: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for AllowError {}

impl ExemptHost {
    pub(crate) fn covers(&self, host: &Host<&str>, port: u16) -> bool {
        self.port.is_none_or(|allowed| allowed == port) && self.host == *host
    }
}

/// Parses `host[:port],…`. An entry without a port means all ports of the host.
pub fn parse(text: &str) -> Result<Vec<ExemptHost>, AllowError> {
    let mut allowed = Vec::new();
    let mut entries = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        match authority::parse(entry) {
            Ok((host, port)) => allowed.push(ExemptHost { host, port }),
            Err(error) => entries.push((entry.to_owned(), error)),
        }
    }
    if entries.is_empty() { Ok(allowed) } else { Err(AllowError { entries }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_narrows_and_no_port_does_not() {
        let allowed = parse("127.0.0.1:9000, intranet.example ,").unwrap();
        let loopback = Host::Ipv4(std::net::Ipv4Addr::LOCALHOST);
        assert!(allowed[0].covers(&loopback, 9000));
        assert!(!allowed[0].covers(&loopback, 9001));
        assert!(allowed[1].covers(&Host::Domain("intranet.example"), 1));
        assert!(!allowed[1].covers(&Host::Domain("x.intranet.example"), 1));
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn every_bad_entry_is_named() {
        let error = parse("ok.example,http://a,b:0").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`http://a`: leave out the scheme: write `host` or `host:port`; `b:0`: `0` is no port: use 1 to 65535"
        );
    }
}
