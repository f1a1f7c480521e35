//! A dry run of a request: applies the policy and shows where the credential would go, without network or secret.

use resly_core::connector::outbound::{DryRunPolicy, OutboundFailure, OutboundRequest, StagedRequest};
use url::form_urlencoded;

use super::Session;
use crate::wire::inject::{CredentialPlace, place};

/// Stands in the credential's place.
const MASK: &str = "[masked]";

impl DryRunPolicy for Session {
    /// Resolves no name, so a name that leads to a private address is only noticed when it is really dialled.
    fn dry_run(&self, request: &OutboundRequest) -> Result<StagedRequest, OutboundFailure> {
        let hop = self.first(request.clone())?;
        let (_, authenticated) = self.permit(&hop)?;
        let url = hop.target.url();
        let mut staged = StagedRequest {
            method: hop.method.as_str().to_owned(),
            url: url.to_string(),
            // The header check has allowed ASCII only.
            headers: hop
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            body: hop.body.clone(),
            to: format!(
                "{}://{}:{}",
                url.scheme(),
                hop.target.host_text(),
                url.port_or_known_default().unwrap_or_default()
            ),
            credential: None,
        };
        match place(&self.spec.auth).filter(|_| authenticated) {
            None => {}
            Some(CredentialPlace::Header { name, prefix }) => {
                let name = name.to_ascii_lowercase();
                let value = format!("{prefix}{MASK}");
                staged.credential = Some(format!("header {name}: {value}"));
                staged.headers.push((name, value));
            }
            Some(CredentialPlace::Query { name, prefix }) => {
                let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}={}{MASK}", encode(name), encode(prefix));
                let separator = if url.query().is_some() { '&' } else { '?' };
                staged.url = format!("{url}{separator}{pair}");
                staged.credential = Some(format!("query parameter {pair}"));
            }
        }
        Ok(staged)
    }
}
