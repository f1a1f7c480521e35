//! A dry run, as the API and the command line show it.

use bytes::Bytes;
use resly_core::connector::{
    outbound::{self, OutboundFailure, OutboundReason, StagedRequest},
    trial::UnsentRequest,
};
use resly_service::actions::{self, DryRunOutcome};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::log_line::LogLine;

/// What a call would send first.
#[derive(Default, Serialize, ToSchema)]
pub struct DryRun {
    fuel: u64,
    log: Vec<LogLine>,
    /// As it would leave, with `[masked]` in the credential's place; `null` when the action ended without a request.
    #[schema(required)]
    request: Option<OutboundRequest>,
    /// False when policy refuses the request, which is then as the connector wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<bool>,
    /// Such as `https://api.example.com:443`.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_send_to: Option<String>,
    /// Where the credential goes, such as `header x-api-key: [masked]`; `null` when none would go along.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    credential: Option<Option<String>>,
    /// Why it isn't allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<RefusedRequest>,
    /// What the action gave without a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

#[derive(Serialize, ToSchema)]
pub struct OutboundRequest {
    method: String,
    url: String,
    headers: Vec<Header>,
    #[schema(required)]
    body: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Header {
    name: String,
    value: String,
}

#[derive(Serialize, ToSchema)]
pub struct RefusedRequest {
    /// `denied`, `needs_auth`, `quota`, `timeout`, `too_large`, `network` or `invalid`.
    reason: &'static str,
    message: String,
}

impl From<actions::DryRun> for DryRun {
    fn from(actions::DryRun { fuel, log, outcome }: actions::DryRun) -> Self {
        let shown = match outcome {
            DryRunOutcome::Request(UnsentRequest { staged: Ok(staged), .. }) => Self::allowed(staged),
            DryRunOutcome::Request(UnsentRequest { asked, staged: Err(failure) }) => Self::refused(asked, failure),
            DryRunOutcome::Output(output) => {
                let message = Some("the action ended without a request");
                Self { output: Some(output), message, ..Self::default() }
            }
        };
        Self { fuel, log: LogLine::all(log), ..shown }
    }
}

impl DryRun {
    fn allowed(StagedRequest { method, url, headers, body, to, credential }: StagedRequest) -> Self {
        Self {
            request: Some(OutboundRequest::new(method, url, headers, body)),
            allowed: Some(true),
            would_send_to: Some(to),
            credential: Some(credential),
            ..Self::default()
        }
    }

    fn refused(asked: outbound::OutboundRequest, failure: OutboundFailure) -> Self {
        Self {
            request: Some(OutboundRequest::new(asked.method, asked.url, asked.headers, asked.body)),
            allowed: Some(false),
            refused: Some(RefusedRequest { reason: reason_name(failure.reason), message: failure.message }),
            ..Self::default()
        }
    }
}

impl OutboundRequest {
    fn new(method: String, url: String, headers: Vec<(String, String)>, body: Option<Bytes>) -> Self {
        let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
        Self { method, url, headers, body: body.map(|body| String::from_utf8_lossy(&body).into_owned()) }
    }
}

/// The names of the WIT's `http.error`.
fn reason_name(reason: OutboundReason) -> &'static str {
    match reason {
        OutboundReason::Denied => "denied",
        OutboundReason::NeedsAuth => "needs_auth",
        OutboundReason::Quota => "quota",
        OutboundReason::Timeout => "timeout",
        OutboundReason::TooLarge => "too_large",
        OutboundReason::Network | OutboundReason::CircuitOpen => "network",
        OutboundReason::Invalid => "invalid",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(outcome: DryRunOutcome) -> Value {
        json!(DryRun::from(actions::DryRun { fuel: 7, log: Vec::new(), outcome }))
    }

    fn asked() -> outbound::OutboundRequest {
        outbound::OutboundRequest {
            method: "GET".to_owned(),
            url: "https://api.example.com/".to_owned(),
            headers: vec![("accept".to_owned(), "*/*".to_owned())],
            body: None,
            timeout: None,
        }
    }

    #[test]
    fn a_request_that_would_leave_is_shown_with_its_credentials_place() {
        let outbound::OutboundRequest { method, url, headers, body, .. } = asked();
        let to = "https://api.example.com:443".to_owned();
        let staged = StagedRequest { method, url, headers, body, to, credential: None };
        let outcome = DryRunOutcome::Request(UnsentRequest { asked: asked(), staged: Ok(staged) });
        let headers = [json!({"name": "accept", "value": "*/*"})];
        let request = json!({"method": "GET", "url": "https://api.example.com/", "headers": headers, "body": null});
        let expected = json!({
            "fuel": 7, "log": [], "request": request, "allowed": true,
            "would_send_to": "https://api.example.com:443", "credential": null,
        });
        assert_eq!(shown(outcome), expected);
    }

    #[test]
    fn a_refused_request_is_shown_as_it_was_written_with_the_reason() {
        let staged = Err(OutboundFailure::refused(OutboundReason::CircuitOpen, "no".to_owned()));
        let shown = shown(DryRunOutcome::Request(UnsentRequest { asked: asked(), staged }));
        assert_eq!((&shown["allowed"], &shown["request"]["method"]), (&json!(false), &json!("GET")));
        assert_eq!(shown["refused"], json!({"reason": "network", "message": "no"}));
        assert!(shown.get("credential").is_none() && shown.get("would_send_to").is_none(), "{shown}");
    }

    #[test]
    fn an_output_without_a_request_is_shown() {
        let message = "the action ended without a request";
        let expected = json!({"fuel": 7, "log": [], "request": null, "output": {"a": 1}, "message": message});
        assert_eq!(shown(DryRunOutcome::Output(json!({"a": 1}))), expected);
    }
}
