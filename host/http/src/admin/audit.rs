//! `/api/admin/audit`: what members and keys changed, with before and after; as JSON, or as CSV for spreadsheets.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header};
use resly_core::{actor::ActorKind, id::RowId, time::Timestamp};
use resly_service::{
    App,
    audit::{self, AuditFilter},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    body,
    guard::Admin,
    negotiation, openapi_enums,
    pagination::{self, Page},
    problem::Problem,
    query::{FromQuery, NoParameters, Parameters, Query},
};

/// One change.
#[derive(Serialize, ToSchema)]
pub struct AuditEntry {
    #[schema(value_type = String, format = "uuid")]
    id: RowId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// `operator`: whoever runs the host.
    #[schema(value_type = openapi_enums::ActorKind)]
    actor_kind: ActorKind,
    /// The person's id, or the key's.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    actor_id: Option<Uuid>,
    actor_name: String,
    /// What was changed and how, such as `key.create`.
    action: String,
    subject_kind: String,
    #[schema(required)]
    subject_id: Option<String>,
    #[schema(required)]
    subject_name: Option<String>,
    /// The members that differ, as they were. `null` when it is new.
    #[schema(required)]
    before: Option<Value>,
    /// The same members, as they are. `null` when it is gone.
    #[schema(required)]
    after: Option<Value>,
}

impl From<audit::AuditEntry> for AuditEntry {
    fn from(entry: audit::AuditEntry) -> Self {
        Self {
            id: entry.id,
            created_at: entry.created_at,
            actor_kind: entry.actor_kind,
            actor_id: entry.actor_id,
            actor_name: entry.actor_name,
            action: entry.action,
            subject_kind: entry.subject_kind,
            subject_id: entry.subject_id,
            subject_name: entry.subject_name,
            before: entry.before,
            after: entry.after,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct AuditEntries {
    /// Newest first.
    entries: Vec<AuditEntry>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

/// How long the organization's entries are kept.
#[derive(Serialize, ToSchema)]
pub struct AuditRetention {
    days: u32,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditRetentionRequest {
    /// 30 to 3650. `null`: as the host does, which is 400.
    days: Option<u32>,
}

pub struct AuditParameters {
    filter: AuditFilter,
    page: Page,
}

impl FromQuery for AuditParameters {
    fn from_query(parameters: &mut Parameters) -> Self {
        let filter = AuditFilter {
            actor: parameters.id("actor"),
            action: parameters.text("action"),
            subject: parameters.text("subject"),
            from: parameters.time("from"),
            to: parameters.time("to"),
        };
        Self { filter, page: Page::from_query(parameters) }
    }
}

/// What members and keys changed. With `Accept: text/csv`, a page is CSV, and the field `X-Next` has `before` of the next one.
#[utoipa::path(get, path = "/api/admin/audit", tag = "admin", operation_id = "listAuditLog",
    params(
        ("actor" = Option<String>, Query, description = "Only changes by this person or key (an id)"),
        ("action" = Option<String>, Query, description = "An action such as `key.create`, or all of a kind such as `key`"),
        ("subject" = Option<String>, Query, description = "Only changes of this key, connection, member … (an id)"),
        ("from" = Option<String>, Query, description = "The earliest time"),
        ("to" = Option<String>, Query, description = "The time before which they were"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "A page, newest first", content(
        (AuditEntries = "application/json"),
        (String = "text/csv"),
    ))))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    headers: HeaderMap,
    Query(AuditParameters { filter, page }): Query<AuditParameters>,
) -> Result<Response, Problem> {
    let mut found = audit::list(&app, principal.organization, filter, page.before, page.limit + 1).await?;
    let more = pagination::cut(&mut found, page.limit);
    let next = pagination::next(&found, more, |entry| (entry.created_at, entry.id.0));
    if negotiation::prefers(&headers, "text/csv", "application/json") {
        let mut response = audit::to_csv(&found).into_response();
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
        fields.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"audit.csv\""));
        if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
            fields.insert("x-next", next);
        }
        return Ok(response);
    }
    let entries = found.into_iter().map(AuditEntry::from).collect();
    Ok(Json(AuditEntries { entries, next }).into_response())
}

/// How many days an entry is kept.
#[utoipa::path(get, path = "/api/admin/audit/retention", tag = "admin", operation_id = "getAuditRetention",
    responses((status = 200, description = "The days", body = AuditRetention)))]
pub async fn retention(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<AuditRetention>, Problem> {
    Ok(Json(AuditRetention { days: audit::days(&app, principal.organization).await? }))
}

/// Sets how many days an entry is kept. Older ones are deleted within the hour.
#[utoipa::path(put, path = "/api/admin/audit/retention", tag = "admin", operation_id = "setAuditRetention",
    request_body = AuditRetentionRequest, responses((status = 200, description = "The days", body = AuditRetention)))]
pub async fn set_retention(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    body::Json(AuditRetentionRequest { days }): body::Json<AuditRetentionRequest>,
) -> Result<Json<AuditRetention>, Problem> {
    audit::set_days(&app, principal.organization, days).await?;
    Ok(Json(AuditRetention { days: audit::days(&app, principal.organization).await? }))
}
