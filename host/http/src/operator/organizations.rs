//! `/api/operator/organizations`: the organizations of this host.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{id::KeyId, plan::PlanId};
use resly_service::{App, organizations};
use resly_store::OrganizationQuery;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{organization_id, subscription::SubscriptionUpdate, view::Organization};
use crate::{
    body,
    guard::Operator,
    pagination::{self, Page},
    problem::Problem,
    query::{FromQuery, NoParameters, Parameters, Query},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganizationRequest {
    /// 1 to 100 characters on one line. No other organization has it.
    name: String,
    /// The plan `standard`, active, when absent.
    #[serde(default)]
    subscription: SubscriptionUpdate,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationUpdate {
    name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantKeyRequest {
    /// 1 to 100 characters, for people.
    name: String,
}

/// An organization with its first key.
#[derive(Serialize, ToSchema)]
pub struct CreatedOrganization {
    organization: Organization,
    /// Shown this once. It has the scopes `chat`, `search`, `admin` and `data:write`.
    admin_key: String,
}

/// A key with which a customer administers the organization.
#[derive(Serialize, ToSchema)]
pub struct TenantKey {
    #[schema(value_type = String, format = "uuid")]
    id: KeyId,
    /// Shown this once. It has the scopes `chat`, `search`, `admin` and `data:write`.
    key: String,
}

#[derive(Serialize, ToSchema)]
pub struct Organizations {
    organizations: Vec<Organization>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

pub struct ListQuery {
    plan: Option<PlanId>,
    page: Page,
}

impl FromQuery for ListQuery {
    fn from_query(parameters: &mut Parameters) -> Self {
        let plan = parameters.parsed("plan", |text| PlanId::parse(text).ok(), "a plan's id");
        Self { plan, page: Page::from_query(parameters) }
    }
}

/// Makes an organization with its first key, which can make all others but none with the scope `operator`.
#[utoipa::path(post, path = "/api/operator/organizations", tag = "operator", operation_id = "createOrganization",
    request_body = NewOrganizationRequest,
    responses((status = 201, description = "The organization and its key", body = CreatedOrganization)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    body::Json(request): body::Json<NewOrganizationRequest>,
) -> Result<(StatusCode, Json<CreatedOrganization>), Problem> {
    let NewOrganizationRequest { name, subscription } = request;
    let tenant = organizations::Tenant { name, subscription: subscription.into() };
    let (organization, key) =
        organizations::create_tenant(&app.store, &app.keyring, &*app.random, &*app.clock, tenant).await?;
    let organization = Organization::at(organization, app.clock.now());
    Ok((StatusCode::CREATED, Json(CreatedOrganization { organization, admin_key: key.expose().to_owned() })))
}

/// The organizations, newest first.
#[utoipa::path(get, path = "/api/operator/organizations", tag = "operator", operation_id = "listOrganizations",
    params(
        ("plan" = Option<String>, Query, description = "Only those with this plan"),
        ("before" = Option<String>, Query, description = "`next` of the page before, or a time (RFC 3339)"),
        ("limit" = Option<u32>, Query, description = "1 to 200, 50 by default")),
    responses((status = 200, description = "The organizations", body = Organizations)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    Query(ListQuery { plan, page }): Query<ListQuery>,
) -> Result<Json<Organizations>, Problem> {
    let query = OrganizationQuery { plan, before: page.before, limit: page.limit + 1 };
    let mut found = app.store.organizations(query).await?;
    let more = pagination::cut(&mut found, page.limit);
    let next = pagination::next(&found, more, |organization| (organization.created_at, organization.id.0));
    let now = app.clock.now();
    let organizations = found.into_iter().map(|organization| Organization::at(organization, now)).collect();
    Ok(Json(Organizations { organizations, next }))
}

/// One organization.
#[utoipa::path(get, path = "/api/operator/organizations/{id}", tag = "operator", operation_id = "getOrganization",
    params(("id" = String, Path, description = "The organization's id")),
    responses((status = 200, description = "The organization", body = Organization)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    _: Query<NoParameters>,
    Path(id): Path<String>,
) -> Result<Json<Organization>, Problem> {
    let organization = organizations::get(&app.store, organization_id(&id)?).await?;
    Ok(Json(Organization::at(organization, app.clock.now())))
}

/// Renames an organization.
#[utoipa::path(patch, path = "/api/operator/organizations/{id}", tag = "operator", operation_id = "renameOrganization",
    params(("id" = String, Path, description = "The organization's id")),
    request_body = OrganizationUpdate,
    responses((status = 200, description = "The organization as it is now", body = Organization)))]
pub async fn rename(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    Path(id): Path<String>,
    body::Json(OrganizationUpdate { name }): body::Json<OrganizationUpdate>,
) -> Result<Json<Organization>, Problem> {
    let organization = organizations::rename(&app.store, organization_id(&id)?, &name).await?;
    Ok(Json(Organization::at(organization, app.clock.now())))
}

/// Makes a key with which a customer administers the organization, for instance when all were lost.
#[utoipa::path(post, path = "/api/operator/organizations/{id}/keys", tag = "operator", operation_id = "createTenantKey",
    params(("id" = String, Path, description = "The organization's id")),
    request_body = TenantKeyRequest,
    responses((status = 201, description = "The key", body = TenantKey)))]
pub async fn create_key(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    Path(id): Path<String>,
    body::Json(TenantKeyRequest { name }): body::Json<TenantKeyRequest>,
) -> Result<(StatusCode, Json<TenantKey>), Problem> {
    let key = organizations::create_tenant_key(&app.store, &app.keyring, organization_id(&id)?, name).await?;
    Ok((StatusCode::CREATED, Json(TenantKey { id: key.id, key: key.expose().to_owned() })))
}
