//! `/api/chat/approvals/{id}`: what waits for a person's yes, and the yes from outside a conversation.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::Uri;
use resly_core::{
    approval::{Approval, Outcome, Verdict},
    id::ApprovalId,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{parse, person};
use crate::{
    app::App,
    http::{body, guard::Chatter, problem::Problem},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    approved: bool,
    reason: Option<String>,
    #[serde(rename = "visitorId")]
    visitor_id: Option<String>,
}

/// A call that a person was asked to confirm, with what became of it.
#[utoipa::path(
    get, path = "/api/chat/approvals/{id}", tag = "chat", operation_id = "getApproval",
    params(
        ("id" = String, Path, description = "From the answer that asks"),
        ("visitorId" = Option<String>, Query, description = "The visitor who was asked, when one was"),
    ),
    responses(
        (status = 200, description = "The approval", body = crate::http::schema::Approval),
    ),
)]
pub async fn find(
    State(app): State<Arc<App>>,
    Chatter(principal): Chatter,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let found = app.turns.approvals.find(&person(&principal, uri.query())?, id_of(&id)?).await?;
    Ok(Json(object(&found.ok_or_else(missing)?)))
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
    request_body = crate::http::schema::Verdict,
    responses(
        (status = 200, description = "The approval as it is now", body = crate::http::schema::Approval),
    ),
)]
pub async fn decide(
    State(app): State<Arc<App>>,
    Chatter(principal): Chatter,
    Path(id): Path<String>,
    uri: Uri,
    body::Json(body): body::Json<Body>,
) -> Result<Json<Value>, Problem> {
    let verdict = if body.approved {
        Verdict::Approve
    } else {
        Verdict::Decline { reason: body.reason.as_deref().and_then(parse::reason) }
    };
    let mut person = person(&principal, uri.query())?;
    if let Some(visitor) = body.visitor_id.as_deref().filter(|visitor| !visitor.is_empty()) {
        person.visitor = Some(parse::name("visitorId", visitor)?.to_owned());
    }
    let decided = app.turns.approvals.decide(&person, id_of(&id)?, verdict).await?;
    Ok(Json(object(&decided.ok_or_else(missing)?)))
}

/// What an answer says of an approval.
pub(super) fn asked(approval: &Approval) -> Value {
    let Approval { id, title, text, expires_at, .. } = approval;
    json!({"id": id, "title": title, "text": text, "expires_at": expires_at})
}

fn object(approval: &Approval) -> Value {
    json!({
        "id": approval.id,
        "state": approval.state,
        "title": approval.title,
        "text": approval.text,
        "connection": approval.connection,
        "action": approval.action,
        "input": approval.input,
        "conversationId": approval.conversation,
        "messageId": approval.message,
        "visitorId": approval.visitor,
        "created_at": approval.created_at,
        "expires_at": approval.expires_at,
        "decided_at": approval.decided_at,
        "reason": approval.reason,
        "outcome": approval.outcome.as_ref().map(Outcome::for_customer),
    })
}

/// What is no id at all is one that never was.
fn id_of(text: &str) -> Result<ApprovalId, Problem> {
    text.parse().map_err(|_| missing())
}

fn missing() -> Problem {
    Problem::not_found("there is no such approval")
}
