//! `/api/admin/conversations`: what was asked and answered.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::conversation::Message;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    http::{
        guard::Admin,
        page,
        problem::Problem,
        query::{Nothing, Query},
    },
};

#[derive(Deserialize)]
pub struct PageParameters {
    before: Option<String>,
    limit: Option<String>,
}

/// The organization's conversations, newest first, without their messages.
#[utoipa::path(get, path = "/api/admin/conversations", tag = "admin", operation_id = "listConversations",
    params(
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "`{conversations: [...], next}`", body = Object)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(parameters): Query<PageParameters>,
) -> Result<Json<Value>, Problem> {
    let page = page::read(parameters.before.as_deref(), parameters.limit.as_deref())?;
    let mut found = app.store.list_conversations(principal.organization, page.before, page.limit + 1).await?;
    let more = page::cut(&mut found, page.limit);
    let next = page::next(&found, more, |conversation| (conversation.created_at, conversation.id.0));
    let conversations: Vec<Value> = found
        .iter()
        .map(|conversation| {
            json!({"id": conversation.id, "visitor": conversation.visitor,
                "first_question": conversation.first_question, "messages": conversation.messages,
                "created_at": conversation.created_at, "updated_at": conversation.updated_at})
        })
        .collect();
    Ok(Json(json!({"conversations": conversations, "next": next})))
}

/// One conversation with its messages, oldest first. What an edit or a new answer replaced has `superseded_at`.
#[utoipa::path(get, path = "/api/admin/conversations/{id}", tag = "admin", operation_id = "getConversation",
    params(("id" = String, Path, description = "The conversation's id")),
    responses((status = 200, description = "The conversation", body = Object)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<Nothing>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let missing = || Problem::not_found("there is no such conversation");
    let id = id.parse().map_err(|_| missing())?;
    let found = app.store.conversation(principal.organization, id).await?.ok_or_else(missing)?;
    let messages: Vec<Value> = found.messages.iter().map(message).collect();
    Ok(Json(json!({"id": found.id, "visitor": found.visitor, "created_at": found.created_at, "messages": messages})))
}

fn message(message: &Message) -> Value {
    let Message { id, client_id, role, content, status, citations, steps, usage, created_at, superseded_at, .. } =
        message;
    let usage = usage.map(|usage| json!({"input_tokens": usage.input, "output_tokens": usage.output}));
    json!({"id": id, "conversation_id": message.conversation_id, "client_id": client_id, "role": role,
        "content": content, "status": status, "citations": citations, "steps": steps, "usage": usage,
        "created_at": created_at, "superseded": superseded_at.is_some(), "superseded_at": superseded_at})
}
