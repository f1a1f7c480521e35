//! `/api/chat/approvals/{id}`: reads an approval, and decides it from outside its conversation.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
};
use http::{Extensions, Uri};
use resly_core::{
    approval::{self, ApprovalState, Outcome, Verdict},
    connector::{fault, tool_error::ToolErrorKind},
    id::{ApprovalId, ConnectionId, ConversationId, MessageId},
    time::Timestamp,
};
use resly_service::App;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{parse, person};
use crate::{body, guard::ChatKey, openapi_enums, problem::Problem, rates::RateGate};

/// A person's decision.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerdictRequest {
    approved: bool,
    /// The model is told this when the call is declined.
    reason: Option<String>,
    /// The visitor who was asked, if the conversation has one.
    visitor_id: Option<String>,
}

/// A call that an answer asks a person to confirm.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestedApproval {
    #[schema(value_type = String, format = "uuid")]
    id: ApprovalId,
    /// Connection and action.
    title: String,
    /// Everything that the person has to know. The host wrote it from the call's own input.
    text: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<&approval::Approval> for RequestedApproval {
    fn from(approval: &approval::Approval) -> Self {
        let (title, text) = (approval.title.clone(), approval.text.clone());
        Self { id: approval.id, title, text, expires_at: approval.expires_at }
    }
}

/// A call that a person was asked to confirm.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    #[schema(value_type = String, format = "uuid")]
    id: ApprovalId,
    /// `approved`: the call is being made, or its host died meanwhile.
    #[schema(value_type = openapi_enums::ApprovalState)]
    state: ApprovalState,
    title: String,
    text: String,
    #[schema(value_type = String, format = "uuid")]
    connection: ConnectionId,
    action: String,
    /// The whole input of the action.
    input: Value,
    #[schema(value_type = String, format = "uuid")]
    conversation_id: ConversationId,
    /// The answer that asks for the confirmation.
    #[schema(value_type = String, format = "uuid")]
    message_id: MessageId,
    /// Your own id for the person who was asked.
    #[schema(required)]
    visitor_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
    /// Why it was declined.
    #[schema(required)]
    reason: Option<String>,
    /// What came of the call.
    #[schema(required)]
    outcome: Option<ApprovalOutcome>,
}

impl From<approval::Approval> for Approval {
    fn from(approval: approval::Approval) -> Self {
        Self {
            id: approval.id,
            state: approval.state,
            title: approval.title,
            text: approval.text,
            connection: approval.connection,
            action: approval.action,
            input: approval.input,
            conversation_id: approval.conversation,
            message_id: approval.message,
            visitor_id: approval.visitor,
            created_at: approval.created_at,
            expires_at: approval.expires_at,
            decided_at: approval.decided_at,
            reason: approval.reason,
            outcome: approval.outcome.map(ApprovalOutcome::for_customer),
        }
    }
}

/// What came of a call that was confirmed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalOutcome {
    Output(Value),
    Error(ApprovalError),
}

#[derive(Serialize, ToSchema)]
pub struct ApprovalError {
    /// The fault's.
    kind: String,
    message: String,
}

impl ApprovalOutcome {
    /// As a customer reads it.
    pub fn for_customer(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Output(output) => Self::Output(output),
            Outcome::Error { kind, .. } => {
                let message = ToolErrorKind::Fault(kind).write_for_customer().to_owned();
                Self::Error(ApprovalError { kind: kind.name().to_owned(), message })
            }
        }
    }

    /// As an admin reads it.
    pub fn for_admin(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Output(output) => Self::Output(output),
            Outcome::Error { kind, message, remedy } => {
                let message = fault::for_admin(&message, remedy);
                Self::Error(ApprovalError { kind: kind.name().to_owned(), message })
            }
        }
    }
}

/// A call that a person was asked to confirm, with what became of it.
#[utoipa::path(
    get, path = "/api/chat/approvals/{id}", tag = "chat", operation_id = "getApproval",
    params(
        ("id" = String, Path, description = "From the answer that asks"),
        ("visitorId" = Option<String>, Query, description = "The visitor who was asked, when one was"),
    ),
    responses(
        (status = 200, description = "The approval", body = Approval),
    ),
)]
pub async fn find(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Approval>, Problem> {
    let person = person(&principal, request.uri().query())?;
    RateGate::pass_visitor(request.extensions(), person.visitor.as_deref()).await?;
    let found = app.turns.approvals.find(&person, id_of(&id)?).await?;
    Ok(Json(found.ok_or_else(missing)?.into()))
}

/// Confirms a call, which is then made, or declines it.
///
/// The answer comes when the call has ended. A repeat changes nothing and tells the approval as it is: a call is made once.
#[utoipa::path(
    post, path = "/api/chat/approvals/{id}", tag = "chat", operation_id = "decideApproval",
    params(
        ("id" = String, Path, description = "From the answer that asks"),
        ("visitorId" = Option<String>, Query, description = "The visitor who was asked, when one was"),
    ),
    request_body = VerdictRequest,
    responses(
        (status = 200, description = "The approval as it is now", body = Approval),
    ),
)]
pub async fn decide(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    Path(id): Path<String>,
    uri: Uri,
    extensions: Extensions,
    body::Json(body): body::Json<VerdictRequest>,
) -> Result<Json<Approval>, Problem> {
    let verdict = if body.approved {
        Verdict::Approve
    } else {
        Verdict::Decline { reason: body.reason.as_deref().and_then(parse::reason) }
    };
    let mut person = person(&principal, uri.query())?;
    if let Some(visitor) = body.visitor_id.as_deref().filter(|visitor| !visitor.is_empty()) {
        person.visitor = Some(parse::name("visitorId", visitor)?.to_owned());
    }
    RateGate::pass_visitor(&extensions, person.visitor.as_deref()).await?;
    let decided = app.turns.approvals.decide(&person, id_of(&id)?, verdict).await?;
    Ok(Json(decided.ok_or_else(missing)?.into()))
}

/// A text that is no id looks like an id that doesn't exist.
fn id_of(text: &str) -> Result<ApprovalId, Problem> {
    text.parse().map_err(|_| missing())
}

fn missing() -> Problem {
    Problem::not_found("there is no such approval")
}
