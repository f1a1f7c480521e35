//! `/api/admin/analytics/questions` and `/connectors`: what the knowledge didn't answer, and how connectors did.

use std::sync::Arc;

use axum::{Json, extract::State};
use resly_core::{
    id::{ConnectionId, ConversationId, MessageId},
    outcome::Gap,
    time::Timestamp,
};
use resly_service::{
    App,
    analytics::{self, Connectors},
};
use resly_store::{CallSum, QuestionGroup as StoredGroup, StoredQuestion};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::analytics::SpanParameters;
use crate::{
    guard::Admin,
    openapi_enums,
    problem::Problem,
    query::{FromQuery, Parameters, Query},
};

/// A question that the knowledge didn't answer.
#[derive(Serialize, ToSchema)]
pub struct UnansweredQuestion {
    /// The message's.
    #[schema(value_type = String, format = "uuid")]
    id: MessageId,
    #[schema(value_type = String, format = "uuid")]
    conversation_id: ConversationId,
    /// 400 characters at most.
    text: String,
    language: String,
    /// Why it counts as unanswered.
    #[schema(value_type = openapi_enums::Gap)]
    reason: Gap,
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
}

impl From<StoredQuestion> for UnansweredQuestion {
    fn from(question: StoredQuestion) -> Self {
        let StoredQuestion { id, conversation, text, language, gap, asked_at, .. } = question;
        Self { id, conversation_id: conversation, text, language, reason: gap, asked_at }
    }
}

/// Questions that ask about the same.
#[derive(Serialize, ToSchema)]
pub struct QuestionGroup {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    /// How many of them were asked in the span.
    questions: u64,
    #[schema(value_type = String, format = DateTime)]
    last_asked_at: Timestamp,
    /// The newest ones, five at most.
    examples: Vec<UnansweredQuestion>,
}

impl From<StoredGroup> for QuestionGroup {
    fn from(StoredGroup { id, questions, last_asked_at, examples }: StoredGroup) -> Self {
        Self { id, questions, last_asked_at, examples: examples.into_iter().map(UnansweredQuestion::from).collect() }
    }
}

#[derive(Serialize, ToSchema)]
pub struct UnansweredQuestions {
    /// The first and the last day (UTC).
    from: String,
    to: String,
    /// Those first that were asked about most often, 50 at most.
    groups: Vec<QuestionGroup>,
}

/// Calls of connectors in production.
#[derive(Serialize, ToSchema)]
pub struct ConnectorCalls {
    calls: u64,
    failed: u64,
    /// On average.
    #[schema(required)]
    duration_us: Option<u64>,
}

impl From<CallSum> for ConnectorCalls {
    fn from(CallSum { calls, failed, duration_us }: CallSum) -> Self {
        Self { calls, failed, duration_us: duration_us.checked_div(calls) }
    }
}

#[derive(Serialize, ToSchema)]
pub struct DailyConnectorCalls {
    day: String,
    calls: ConnectorCalls,
}

#[derive(Serialize, ToSchema)]
pub struct CallsOfConnection {
    #[schema(value_type = String, format = "uuid")]
    connection_id: ConnectionId,
    /// Of a connection that there is.
    #[schema(required)]
    name: Option<String>,
    calls: ConnectorCalls,
}

/// How connectors did in a span of days, as the log of calls has it.
#[derive(Serialize, ToSchema)]
pub struct ConnectorReport {
    /// The first and the last day (UTC).
    from: String,
    to: String,
    total: ConnectorCalls,
    /// Of as many days right before.
    previous: ConnectorCalls,
    /// Half of the calls took at most so long, in milliseconds, rounded up to a power of two.
    #[schema(required)]
    p50_ms: Option<u64>,
    /// The same of 95 of 100.
    #[schema(required)]
    p95_ms: Option<u64>,
    days: Vec<DailyConnectorCalls>,
    connections: Vec<CallsOfConnection>,
}

pub struct DetailParameters(SpanParameters);

impl FromQuery for DetailParameters {
    fn from_query(parameters: &mut Parameters) -> Self {
        Self(SpanParameters::read(parameters))
    }
}

/// Questions that the knowledge didn't answer, grouped by what they ask about.
#[utoipa::path(get, path = "/api/admin/analytics/questions", tag = "admin", operation_id = "listUnansweredQuestions",
    params(
        ("from" = Option<String>, Query, description = "The first day (UTC), such as `2026-11-01`; 29 days before `to` by default"),
        ("to" = Option<String>, Query, description = "The last day; today by default. A span has 366 days at most")),
    responses((status = 200, description = "The groups", body = UnansweredQuestions)))]
pub async fn questions(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(DetailParameters(span)): Query<DetailParameters>,
) -> Result<Json<UnansweredQuestions>, Problem> {
    let span = span.span(&app)?;
    let groups = analytics::groups(&app, principal.organization, span).await?;
    let groups = groups.into_iter().map(QuestionGroup::from).collect();
    Ok(Json(UnansweredQuestions { from: span.first(), to: span.last(), groups }))
}

/// Calls of connectors, failures and durations, by day and connection.
#[utoipa::path(get, path = "/api/admin/analytics/connectors", tag = "admin", operation_id = "getConnectorAnalytics",
    params(
        ("from" = Option<String>, Query, description = "The first day (UTC), such as `2026-11-01`; 29 days before `to` by default"),
        ("to" = Option<String>, Query, description = "The last day; today by default. A span has 366 days at most")),
    responses((status = 200, description = "The report", body = ConnectorReport)))]
pub async fn connectors(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(DetailParameters(span)): Query<DetailParameters>,
) -> Result<Json<ConnectorReport>, Problem> {
    let span = span.span(&app)?;
    let found = analytics::connectors(&app, principal.organization, span).await?;
    let Connectors { total, previous, days, p50_ms, p95_ms, connections } = found;
    Ok(Json(ConnectorReport {
        from: span.first(),
        to: span.last(),
        total: total.into(),
        previous: previous.into(),
        p50_ms,
        p95_ms,
        days: days.into_iter().map(|(day, calls)| DailyConnectorCalls { day, calls: calls.into() }).collect(),
        connections: connections
            .into_iter()
            .map(|(connection_id, name, calls)| CallsOfConnection { connection_id, name, calls: calls.into() })
            .collect(),
    }))
}
