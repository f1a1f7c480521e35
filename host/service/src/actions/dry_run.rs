//! Shows the first request that a call would send, with the credential masked. Nothing is dialled or counted toward a limit.

use bytes::Bytes;
use resly_core::{
    connector::{
        call::{CallReport, CallRequest, Caller, ConnectorSchemas},
        connection::Connection,
        outbound::OutboundReason,
        sandbox::LogLine,
        trial::{DryRunReport, UnsentRequest},
    },
    id::ConnectionId,
};
use serde::Serialize;
use serde_json::Value;

use super::{ActionError, ManualCaller};
use crate::{App, connections};

/// What a call would send first.
#[derive(Debug, Serialize)]
pub struct DryRun {
    pub fuel: u64,
    pub log: Vec<LogLine>,
    /// As it would leave, with `[masked]` in the credential's place; `None` when the action ended without a request.
    pub request: Option<RequestShown>,
    /// False when policy refuses the request, which is then as the connector wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// Such as `https://api.example.com:443`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_send_to: Option<String>,
    /// Where the credential goes, such as `header x-api-key: [masked]`; `Some(None)` when none would go along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Option<String>>,
    /// Why it isn't allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedRequest>,
    /// What the action gave without a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'static str>,
}

/// A request that wasn't sent.
#[derive(Debug, Serialize)]
pub struct RequestShown {
    pub method: String,
    pub url: String,
    pub headers: Vec<Header>,
    pub body: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Header {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Serialize)]
pub struct RefusedRequest {
    /// `denied`, `needs_auth`, `quota`, `timeout`, `too_large`, `network` or `invalid`.
    pub reason: &'static str,
    pub message: String,
}

/// Runs an action of a connection as far as its first request.
///
/// # Errors
/// Also when the action failed before it sent anything.
pub async fn dry_run(
    app: &App,
    by: ManualCaller,
    connection: ConnectionId,
    action: String,
    input: Value,
) -> Result<DryRun, ActionError> {
    let connection = connections::find(app, by.organization, connection).await?;
    let prepared = app.connectors.prepare(&connection).await?;
    dry_run_draft(app, by, &connection, &prepared, action, input).await
}

/// The same for a connection that needn't be stored.
pub(crate) async fn dry_run_draft(
    app: &App,
    by: ManualCaller,
    connection: &Connection,
    prepared: &ConnectorSchemas,
    action: String,
    input: Value,
) -> Result<DryRun, ActionError> {
    let request = CallRequest {
        organization: by.organization,
        connection: connection.id,
        action,
        input,
        caller: Caller::Admin { key: by.key },
        visitor: by.visitor,
    };
    DryRun::new(app.connectors.dry_run(connection, prepared, request).await?)
}

impl DryRun {
    fn new(report: DryRunReport) -> Result<Self, ActionError> {
        let DryRunReport { request, result, cost, log } = report;
        let ended = Self {
            fuel: cost.fuel,
            log: Vec::new(),
            request: None,
            allowed: None,
            would_send_to: None,
            credential: None,
            refused: None,
            output: None,
            message: None,
        };
        match (request, result) {
            (Some(staged), _) => Ok(Self { log, ..ended.with_request(staged) }),
            (None, Ok(output)) => {
                let message = Some("the action ended without a request");
                Ok(Self { log, output: Some(output), message, ..ended })
            }
            (None, Err(fault)) => {
                let result = Err(fault.clone());
                let report = CallReport { result, limit: None, set_aside: None, cached: false, cost, log };
                Err(ActionError::Failed(Box::new(fault), Box::new(report)))
            }
        }
    }

    fn with_request(self, UnsentRequest { asked, staged }: UnsentRequest) -> Self {
        match staged {
            Ok(leaving) => Self {
                request: Some(RequestShown::new(leaving.method, leaving.url, leaving.headers, leaving.body)),
                allowed: Some(true),
                would_send_to: Some(leaving.to),
                credential: Some(leaving.credential),
                ..self
            },
            Err(failure) => Self {
                request: Some(RequestShown::new(asked.method, asked.url, asked.headers, asked.body)),
                allowed: Some(false),
                refused: Some(RefusedRequest { reason: reason(failure.reason), message: failure.message }),
                ..self
            },
        }
    }
}

impl RequestShown {
    fn new(method: String, url: String, headers: Vec<(String, String)>, body: Option<Bytes>) -> Self {
        let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
        Self { method, url, headers, body: body.map(|body| String::from_utf8_lossy(&body).into_owned()) }
    }
}

fn reason(reason: OutboundReason) -> &'static str {
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
