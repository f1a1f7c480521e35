//! `/api/admin/invitations`: invites people to become members. The answer has the link; sending it is the caller's work.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{actor, id::InvitationId, member::Role, time::Timestamp};
use resly_service::{
    App,
    members::invitations::{self, Inviter},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::members::role_of;
use crate::{
    body,
    guard::Admin,
    openapi_enums,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationRequest {
    /// Who is invited. An open invitation of the same e-mail is replaced.
    email: String,
    #[schema(value_type = openapi_enums::MemberRole)]
    role: Role,
}

#[derive(Serialize, ToSchema)]
pub struct Invitation {
    #[schema(value_type = String, format = "uuid")]
    id: InvitationId,
    email: String,
    #[schema(value_type = openapi_enums::MemberRole)]
    role: Role,
    /// The name of the member or the key that invited.
    invited_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<invitations::Invitation> for Invitation {
    fn from(invitation: invitations::Invitation) -> Self {
        let invitations::Invitation { id, email, role, invited_by, created_at, expires_at } = invitation;
        Self { id, email, role, invited_by, created_at, expires_at }
    }
}

/// An invitation with its link, which is shown once.
#[derive(Serialize, ToSchema)]
pub struct CreatedInvitation {
    invitation: Invitation,
    /// Where the invited person becomes a member. Whoever has it can do that.
    url: String,
}

#[derive(Serialize, ToSchema)]
pub struct Invitations {
    /// Newest first.
    invitations: Vec<Invitation>,
}

/// Invites somebody, for seven days. Owners are invited with the scope `operator`, or by an owner in the console.
#[utoipa::path(post, path = "/api/admin/invitations", tag = "admin", operation_id = "createInvitation",
    request_body = InvitationRequest,
    responses((status = 201, description = "The invitation and its link", body = CreatedInvitation)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(InvitationRequest { email, role }): body::Json<InvitationRequest>,
) -> Result<(StatusCode, Json<CreatedInvitation>), Problem> {
    let public_url = app.public_url()?;
    let name = actor::current().map_or_else(|| "API key".to_owned(), |actor| actor.name.clone());
    let by = Inviter { role: role_of(&principal), name };
    let (invitation, token) = invitations::create(&app, principal.organization, by, &email, role).await?;
    let created = CreatedInvitation { invitation: invitation.into(), url: invitations::url(public_url, &token) };
    Ok((StatusCode::CREATED, Json(created)))
}

/// The invitations that are open.
#[utoipa::path(get, path = "/api/admin/invitations", tag = "admin", operation_id = "listInvitations",
    responses((status = 200, description = "The invitations", body = Invitations)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Invitations>, Problem> {
    let open = invitations::list(&app, principal.organization).await?;
    Ok(Json(Invitations { invitations: open.into_iter().map(Invitation::from).collect() }))
}

/// Revokes an invitation. Its link stops working at once.
#[utoipa::path(delete, path = "/api/admin/invitations/{id}", tag = "admin", operation_id = "revokeInvitation",
    params(("id" = String, Path, description = "The invitation's id")),
    responses((status = 204, description = "It is revoked")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let missing = || Problem::not_found("there is no such invitation");
    let id = id.parse().map_err(|_| missing())?;
    let revoked = invitations::revoke(&app, principal.organization, id).await?;
    if revoked { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}
