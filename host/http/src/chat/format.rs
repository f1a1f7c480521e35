//! Chooses one of the three formats by `?format=` or by `Accept` (RFC 9110, section 12.5.1).

use http::{HeaderMap, header};
use resly_core::turn::Delivery;

use crate::{
    problem::Problem,
    query::{self, ParameterError},
};

/// How an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain`, streamed.
    Text,
    /// The AI SDK's UI message stream, version 1, as server-sent events.
    Ui,
    /// One object at the end.
    Json,
}

impl Format {
    pub fn delivery(self) -> Delivery {
        match self {
            Self::Text => Delivery::Text,
            Self::Ui => Delivery::Events,
            Self::Json => Delivery::Whole,
        }
    }

    pub fn choose(raw_query: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        let asked = raw_query.and_then(|query| {
            url::form_urlencoded::parse(query.as_bytes()).find_map(|(name, value)| (name == "format").then_some(value))
        });
        match asked.as_deref() {
            Some("text") => return Ok(Self::Text),
            Some("ui") => return Ok(Self::Ui),
            Some("json") => return Ok(Self::Json),
            Some(_) => {
                return Err(query::problem(vec![ParameterError::not_among("format", vec!["text", "ui", "json"])]));
            }
            None => {}
        }
        // The type with the highest weight wins, and the first of equals. Other types than ours are ignored.
        let mut best: Option<(f32, Self)> = None;
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for item in accepted.flat_map(|value| value.split(',')) {
            let mut parts = item.split(';').map(str::trim);
            let format = match parts.next().unwrap_or_default() {
                media if media.eq_ignore_ascii_case("text/event-stream") => Self::Ui,
                media if media.eq_ignore_ascii_case("application/json") => Self::Json,
                media if media.eq_ignore_ascii_case("text/plain") => Self::Text,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            if weight > 0.0 && best.is_none_or(|(best, _)| weight > best) {
                best = Some((weight, format));
            }
        }
        Ok(best.map_or(Self::Text, |(_, format)| format))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn by_accept(accept: &str) -> Format {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::try_from(accept).unwrap())]);
        Format::choose(None, &headers).unwrap()
    }

    #[test]
    fn the_query_wins_then_the_weights() {
        assert_eq!(by_accept("*/*"), Format::Text);
        assert_eq!(by_accept("text/event-stream"), Format::Ui);
        assert_eq!(by_accept("application/json, text/plain, */*"), Format::Json);
        assert_eq!(by_accept("application/json;q=0.5, text/event-stream"), Format::Ui);
        assert_eq!(by_accept("text/html, image/png"), Format::Text);
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
        assert_eq!(Format::choose(Some("a=b&format=ui"), &headers).unwrap(), Format::Ui);
        let problem = Format::choose(Some("format=xml"), &headers).unwrap_err().to_json();
        assert_eq!(problem["type"], "/docs/problems/invalid-parameter");
        assert_eq!(problem["parameter"], "format");
    }
}
