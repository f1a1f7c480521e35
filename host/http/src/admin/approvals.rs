//! `GET /api/admin/approvals`: the calls that people were asked to confirm, who decided, and the results, newest first.

use std::sync::Arc;

use axum::{Json, extract::State};
use resly_core::{
    approval::{ApprovalState, Outcome},
    id::{ApprovalId, ConnectionId, ConversationId, KeyId, MessageId},
    time::Timestamp,
};
use resly_service::App;
use resly_store::ApprovalQuery;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    chat::approvals::ApprovalOutcome,
    guard::Admin,
    openapi_enums,
    pagination::{self, Page},
    problem::Problem,
    query::{FromQuery, Parameters, Query},
};

/// The most bytes of an output in the list.
const SHOWN_BYTES: usize = 4 << 10;

pub struct ApprovalParameters {
    state: Option<ApprovalState>,
    connection: Option<ConnectionId>,
    page: Page,
}

impl FromQuery for ApprovalParameters {
    fn from_query(parameters: &mut Parameters) -> Self {
        Self {
            state: parameters.choice("state", &ApprovalState::ALL, ApprovalState::name),
            connection: parameters.id("connection"),
            page: Page::from_query(parameters),
        }
    }
}

/// A call that a person was asked to confirm. Its members have the names that they have in the chat's API, in snake case.
#[derive(Serialize, ToSchema)]
pub struct ListedApproval {
    #[schema(value_type = String, format = "uuid")]
    id: ApprovalId,
    /// `approved`: the call is being made, or its host died meanwhile.
    #[schema(value_type = openapi_enums::ApprovalState)]
    state: ApprovalState,
    title: String,
    /// What the person saw.
    text: String,
    #[schema(value_type = String, format = "uuid")]
    connection: ConnectionId,
    action: String,
    #[schema(value_type = String, format = "uuid")]
    conversation_id: ConversationId,
    /// The answer that asks.
    #[schema(value_type = String, format = "uuid")]
    message_id: MessageId,
    #[schema(required)]
    visitor_id: Option<String>,
    /// The key under which the model was asked.
    #[schema(value_type = String, format = "uuid")]
    key: KeyId,
    /// Also when the key has been deleted.
    #[schema(required)]
    key_name: Option<String>,
    /// The key that decided.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    decided_by: Option<KeyId>,
    #[schema(required)]
    decided_by_name: Option<String>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
    /// Why it was declined.
    #[schema(required)]
    reason: Option<String>,
    /// What came of the call, without an output that is long.
    #[schema(required)]
    outcome: Option<ApprovalOutcome>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<resly_store::ListedApproval> for ListedApproval {
    fn from(listed: resly_store::ListedApproval) -> Self {
        let resly_store::ListedApproval { approval, key_name, decided_by_name } = listed;
        Self {
            id: approval.id,
            state: approval.state,
            title: approval.title,
            text: approval.text,
            connection: approval.connection,
            action: approval.action,
            conversation_id: approval.conversation,
            message_id: approval.message,
            visitor_id: approval.visitor,
            key: approval.key,
            key_name,
            decided_by: approval.decided_by,
            decided_by_name,
            decided_at: approval.decided_at,
            reason: approval.reason,
            outcome: approval.outcome.map(|outcome| ApprovalOutcome::for_admin(shortened(outcome))),
            created_at: approval.created_at,
            expires_at: approval.expires_at,
        }
    }
}

/// An outcome, without an output that is long.
fn shortened(outcome: Outcome) -> Outcome {
    let Outcome::Output(output) = &outcome else { return outcome };
    let bytes = output.to_string().len();
    if bytes <= SHOWN_BYTES {
        return outcome;
    }
    Outcome::Output(json!({"cut": format!("the output has {bytes} bytes; GET /api/chat/approvals/{{id}} has it")}))
}

#[derive(Serialize, ToSchema)]
pub struct ListedApprovals {
    approvals: Vec<ListedApproval>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

/// The approvals: the text that a person saw, the keys under which they were asked and decided, and the call's outcome.
#[utoipa::path(get, path = "/api/admin/approvals", tag = "admin", operation_id = "listApprovals",
    params(
        ("state" = Option<String>, Query, description = "`pending`, `approved`, `declined`, `expired`, `executed` or `failed`"),
        ("connection" = Option<String>, Query, description = "Only this connection's"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "A page, newest first", body = ListedApprovals)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(ApprovalParameters { state, connection, page }): Query<ApprovalParameters>,
) -> Result<Json<ListedApprovals>, Problem> {
    let query = ApprovalQuery { state, connection, before: page.before, limit: page.limit + 1 };
    let mut found = app.store.approvals(principal.organization, query, app.clock.now()).await?;
    let more = pagination::cut(&mut found, page.limit);
    let next = pagination::next(&found, more, |listed| (listed.approval.created_at, listed.approval.id.0));
    Ok(Json(ListedApprovals { approvals: found.into_iter().map(ListedApproval::from).collect(), next }))
}
