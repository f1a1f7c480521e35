//! `GET /api/admin/tickets`: the requests of customers for a person.

use std::sync::Arc;

use axum::{Json, extract::State};
use resly_core::{
    id::{ConversationId, TicketId},
    ticket::TicketFields,
    time::Timestamp,
};
use resly_service::App;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    guard::Admin,
    pagination::{self, Page},
    problem::Problem,
    query::Query,
};

#[derive(Serialize, ToSchema)]
pub struct Ticket {
    #[schema(value_type = String, format = "uuid")]
    id: TicketId,
    #[schema(required, value_type = Option<String>, format = "uuid")]
    conversation: Option<ConversationId>,
    subject: String,
    body: String,
    /// `open` until somebody changes it: `pending`, `resolved` or `closed`.
    status: String,
    /// `low`, `normal`, `high` or `urgent`.
    priority: String,
    /// The member who sees to it.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    assignee: Option<Uuid>,
    /// Who asks, as somebody wrote it.
    #[schema(required)]
    requester: Option<String>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    due_at: Option<Timestamp>,
    tags: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<resly_store::Ticket> for Ticket {
    fn from(ticket: resly_store::Ticket) -> Self {
        let resly_store::Ticket { id, conversation, fields, created_at, updated_at } = ticket;
        let TicketFields { subject, body, status, priority, assignee, requester, due_at, tags } = fields;
        Self {
            id,
            conversation,
            subject,
            body,
            status,
            priority,
            assignee,
            requester,
            due_at,
            tags,
            created_at,
            updated_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Tickets {
    tickets: Vec<Ticket>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

/// The newest tickets.
#[utoipa::path(get, path = "/api/admin/tickets", tag = "admin", operation_id = "listTickets",
    params(
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent; a page of long texts has fewer"),
    ),
    responses((status = 200, description = "A page, newest first", body = Tickets)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(page): Query<Page>,
) -> Result<Json<Tickets>, Problem> {
    let page = app.store.list_tickets(principal.organization, page.before, page.limit).await?;
    let next = pagination::next(&page.tickets, page.more, |ticket| (ticket.created_at, ticket.id.0));
    Ok(Json(Tickets { tickets: page.tickets.into_iter().map(Ticket::from).collect(), next }))
}
