//! What a request would look like on the wire, without a wire: the policy and the credential's place, and no secret.

use resly_core::outbound::{Departure, OutboundFailure, OutboundRequest, Rehearse};
use url::form_urlencoded;

use super::Session;
use crate::wire::inject::{Place, place};

/// What stands in a credential's place.
const MASK: &str = "[masked]";

impl Rehearse for Session {
    /// Nothing is resolved: that a name leads to a private address shows only when it is dialled.
    fn rehearse(&self, request: &OutboundRequest) -> Result<Departure, OutboundFailure> {
        let hop = self.first(request.clone())?;
        let (_, authenticated) = self.permit(&hop)?;
        let url = hop.target.url();
        let mut departure = Departure {
            method: hop.method.as_str().to_owned(),
            url: url.to_string(),
            // What a guest may send is ASCII.
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
            Some(Place::Header { name, prefix }) => {
                let name = name.to_ascii_lowercase();
                let value = format!("{prefix}{MASK}");
                departure.credential = Some(format!("header {name}: {value}"));
                departure.headers.push((name, value));
            }
            Some(Place::Query { name, prefix }) => {
                let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}={}{MASK}", encode(name), encode(prefix));
                let separator = if url.query().is_some() { '&' } else { '?' };
                departure.url = format!("{url}{separator}{pair}");
                departure.credential = Some(format!("query parameter {pair}"));
            }
        }
        Ok(departure)
    }
}
