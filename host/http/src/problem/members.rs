//! A problem's JSON, as it is sent.

use resly_core::{
    connector::{failure_reason::FailureReason, fault::FaultKind},
    id::ConnectionId,
    meter::{LimitLevel, LimitReached, LimitReserved, LimitWindow, Meter},
    plan::{Feature, PlanId},
    time::Timestamp,
};
use resly_manifest::Violation;
use resly_service::FieldError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{log_line::LogLine, openapi_enums, readiness::Checks};

/// RFC 9457. `type` is a path on this host, where the problem is explained.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'p> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'p str,
    #[serde(flatten)]
    members: &'p Members,
}

impl<'p> ProblemBody<'p> {
    pub fn new(kind: &'static super::Kind, detail: &'p str, members: &'p Members) -> Self {
        let (r#type, status) = (format!("/docs/problems/{}", kind.slug), kind.status.as_u16());
        Self { r#type, title: kind.title, status, detail, members }
    }
}

/// One mistake of a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvalidMember {
    /// Where it is.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl From<FieldError> for InvalidMember {
    fn from(FieldError { path, message }: FieldError) -> Self {
        Self { path, message }
    }
}

impl From<&Violation> for InvalidMember {
    fn from(Violation { path, message }: &Violation) -> Self {
        Self { path: path.clone(), message: message.clone() }
    }
}

/// The members of a problem that depend on its kind.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ProblemMembers)]
pub struct Members {
    /// The id under which the host's log has the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Every mistake of a request that is well-formed but wrong, or of its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<InvalidMember>>,
    /// The first query parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The values that this parameter allows, or the parameters that the route takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<&'static str>>,
    /// The connections that use the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<UsingConnection>>,
    /// The limit of the plan or of the key that was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<ProblemLimit>,
    /// The feature that the plan doesn't have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi_enums::Feature>)]
    pub feature: Option<Feature>,
    /// The plans that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plans: Option<Vec<ProblemPlan>>,
    /// Which rate of the key was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<ReachedRate>,
    /// Whether the same request may succeed soon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// How a connector failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<ProblemFault>,
    /// As in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi_enums::Reason>)]
    pub reason: Option<FailureReason>,
    /// What an admin does next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what_to_do: Option<&'static str>,
    /// Where in a jq filter the mistake is, in bytes; `null` when that isn't known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub offset: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_calls: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Vec<LogLine>>,
    /// Of `/readyz`: what each check found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
}

impl Members {
    /// Sets the rate that was reached, which the same request can pass soon.
    pub fn tell_rate(&mut self, rate: ReachedRate) {
        self.rate = Some(rate);
        self.retryable = Some(true);
    }
}

/// A plan that has what another one doesn't.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemPlan {
    #[schema(value_type = String)]
    pub id: PlanId,
    pub title: String,
}

/// A connection that uses something.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsingConnection {
    #[schema(value_type = String, format = "uuid")]
    pub id: ConnectionId,
    pub name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemFault {
    #[schema(value_type = openapi_enums::FaultKind)]
    pub kind: FaultKind,
    pub retryable: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemLimit {
    /// Whose limit it is. Absent when the rest of a plan's limit is set aside for running calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi_enums::LimitLevel>)]
    of: Option<LimitLevel>,
    /// The time that it counts in: a `minute`, a `day` or a `month`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi_enums::LimitWindow>)]
    per: Option<LimitWindow>,
    #[schema(value_type = openapi_enums::Meter)]
    meter: Meter,
    limit: u64,
    used: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    resets_at: Option<Timestamp>,
    /// How much is set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved: Option<u64>,
}

impl From<&LimitReached> for ProblemLimit {
    fn from(&LimitReached { of, per, meter, limit, used, resets_at }: &LimitReached) -> Self {
        Self { of: Some(of), per: Some(per), meter, limit, used, resets_at: Some(resets_at), reserved: None }
    }
}

impl From<&LimitReserved> for ProblemLimit {
    fn from(&LimitReserved { meter, limit, used, reserved }: &LimitReserved) -> Self {
        Self { of: None, per: None, meter, limit, used, resets_at: None, reserved: Some(reserved) }
    }
}

/// The rate that was reached.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReachedRate {
    /// `key`, `visitor` or `address`.
    pub subject: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resets_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams: Option<u64>,
}
