//! `/api/admin/members`: who may use the organization's console, and in which role.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{
    id::{MemberId, PersonId},
    member::Role,
    principal::{Principal, Scope},
    time::Timestamp,
};
use resly_service::{
    App,
    members::{self, MemberError},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    body,
    guard::Admin,
    openapi_enums,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Serialize, ToSchema)]
pub struct Member {
    #[schema(value_type = String, format = "uuid")]
    id: MemberId,
    /// The person, who may be a member of other organizations as well.
    #[schema(value_type = String, format = "uuid")]
    person: PersonId,
    name: String,
    /// `null` for a person who signs in by link only.
    #[schema(required)]
    email: Option<String>,
    #[schema(value_type = openapi_enums::MemberRole)]
    role: Role,
    /// Whether the member answers visitors now.
    available: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<members::Member> for Member {
    fn from(member: members::Member) -> Self {
        let members::Member { id, person, role, available, created_at } = member;
        Self { id, person: person.id, name: person.name, email: person.email, role, available, created_at }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Members {
    /// Oldest first.
    members: Vec<Member>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    #[schema(value_type = openapi_enums::MemberRole)]
    role: Role,
}

/// A key administers as an admin does; one with the scope `operator` as an owner.
pub(super) fn role_of(principal: &Principal) -> Role {
    if principal.may(Scope::Operator) { Role::Owner } else { Role::Admin }
}

/// The members of the organization.
#[utoipa::path(get, path = "/api/admin/members", tag = "admin", operation_id = "listMembers",
    responses((status = 200, description = "The members", body = Members)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Members>, Problem> {
    let members = members::list(&app, principal.organization).await?;
    Ok(Json(Members { members: members.into_iter().map(Member::from).collect() }))
}

/// Gives a member another role. Owners are made and changed with the scope `operator`, or by an owner in the console; the last
/// owner stays one.
#[utoipa::path(patch, path = "/api/admin/members/{id}", tag = "admin", operation_id = "changeMember",
    params(("id" = String, Path, description = "The member's id")), request_body = MemberPatch,
    responses((status = 200, description = "The member", body = Member)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    body::Json(patch): body::Json<MemberPatch>,
) -> Result<Json<Member>, Problem> {
    let id = id.parse().map_err(|_| MemberError::Missing)?;
    let by = role_of(&principal);
    Ok(Json(members::change_role(&app, principal.organization, by, id, patch.role).await?.into()))
}

/// Removes a member. The person's sessions in the organization end at once.
#[utoipa::path(delete, path = "/api/admin/members/{id}", tag = "admin", operation_id = "removeMember",
    params(("id" = String, Path, description = "The member's id")),
    responses((status = 204, description = "The person is no member any more")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| MemberError::Missing)?;
    members::remove(&app, principal.organization, role_of(&principal), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
