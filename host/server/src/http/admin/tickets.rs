//! `GET /api/admin/tickets`: what customers want a person for.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    http::{guard::Admin, page, problem::Problem, query::Query},
};

#[derive(Deserialize)]
pub struct TicketParameters {
    before: Option<String>,
    limit: Option<String>,
}

/// The newest tickets.
#[utoipa::path(get, path = "/api/admin/tickets", tag = "admin", operation_id = "listTickets",
    params(
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "`{tickets: [...], next}`", body = Object)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(parameters): Query<TicketParameters>,
) -> Result<Json<Value>, Problem> {
    let page = page::read(parameters.before.as_deref(), parameters.limit.as_deref())?;
    let mut found = app.store.list_tickets(principal.organization, page.before, page.limit + 1).await?;
    let more = page::cut(&mut found, page.limit);
    let next = page::next(&found, more, |ticket| (ticket.created_at, ticket.id.0));
    let tickets: Vec<Value> = found
        .iter()
        .map(|ticket| {
            json!({"id": ticket.id, "conversation": ticket.conversation, "subject": ticket.subject,
                "body": ticket.body, "status": ticket.status, "created_at": ticket.created_at})
        })
        .collect();
    Ok(Json(json!({"tickets": tickets, "next": next})))
}
