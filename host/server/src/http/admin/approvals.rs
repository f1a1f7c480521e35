//! `GET /api/admin/approvals`: what people were asked to confirm, who decided it, and what came of it, newest first.

use std::sync::Arc;

use axum::{Json, extract::State};
use resly_core::approval::{ApprovalState, Outcome};
use resly_store::{ApprovalQuery, ListedApproval};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    http::{
        guard::Admin,
        page,
        problem::Problem,
        query::{self, Query},
    },
};

/// Bytes of an output that a list shows.
const SHOWN_BYTES: usize = 4 << 10;

#[derive(Deserialize)]
pub struct ApprovalParameters {
    state: Option<String>,
    connection: Option<String>,
    before: Option<String>,
    limit: Option<String>,
}

/// The approvals: what a person saw (`text`), under which key they were asked and decided, and what came of it.
#[utoipa::path(get, path = "/api/admin/approvals", tag = "admin", operation_id = "listApprovals",
    params(
        ("state" = Option<String>, Query, description = "`pending`, `approved`, `declined`, `expired`, `executed` or `failed`"),
        ("connection" = Option<String>, Query, description = "Only this connection's"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "`{approvals: [...], next}`", body = Object)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(parameters): Query<ApprovalParameters>,
) -> Result<Json<Value>, Problem> {
    let page = page::read(parameters.before.as_deref(), parameters.limit.as_deref())?;
    let query = ApprovalQuery {
        state: query::choice("state", parameters.state.as_deref(), &ApprovalState::ALL, ApprovalState::name)?,
        connection: query::id_or_time("connection", parameters.connection.as_deref())?,
        before: page.before,
        limit: page.limit + 1,
    };
    let mut found = app.store.approvals(principal.organization, query, app.clock.now()).await?;
    let more = page::cut(&mut found, page.limit);
    let next = page::next(&found, more, |listed| (listed.approval.created_at, listed.approval.id.0));
    let approvals: Vec<Value> = found.iter().map(view).collect();
    Ok(Json(json!({"approvals": approvals, "next": next})))
}

fn view(ListedApproval { approval, key_name, decided_by_name }: &ListedApproval) -> Value {
    json!({
        "id": approval.id, "state": approval.state, "title": approval.title, "text": approval.text,
        "connection": approval.connection, "action": approval.action, "conversation": approval.conversation,
        "message": approval.message, "visitor": approval.visitor, "key": approval.key, "key_name": key_name,
        "decided_by": approval.decided_by, "decided_by_name": decided_by_name, "decided_at": approval.decided_at,
        "reason": approval.reason, "outcome": approval.outcome.as_ref().map(shown),
        "created_at": approval.created_at, "expires_at": approval.expires_at,
    })
}

/// An outcome, without an output that is long.
fn shown(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Output(output) => {
            let bytes = output.to_string().len();
            if bytes <= SHOWN_BYTES {
                return json!(outcome);
            }
            json!({"output": {"cut": format!("the output has {bytes} bytes; GET /api/chat/approvals/{{id}} has it")}})
        }
        Outcome::Error { .. } => outcome.for_admin(),
    }
}
