//! The members of an organization: who they are, another role, and their end.

use resly_core::{
    boxed,
    error::StoreError,
    id::{MemberId, OrganizationId},
    member::Role,
};
use resly_store::{Member, MemberError};

use crate::App;

/// The members, oldest first.
#[boxed]
pub async fn list(app: &App, organization: OrganizationId) -> Result<Vec<Member>, StoreError> {
    app.store.list_members(organization).await
}

/// Gives a member another role, on behalf of a member or a key with the role `by`. The last owner stays one.
#[boxed]
pub async fn change_role(
    app: &App,
    organization: OrganizationId,
    by: Role,
    member: MemberId,
    role: Role,
) -> Result<Member, MemberError> {
    app.store.change_member(organization, member, role, by).await
}

/// Removes a member. The person's sessions in the organization end at once; the person and other memberships stay.
#[boxed]
pub async fn remove(app: &App, organization: OrganizationId, by: Role, member: MemberId) -> Result<(), MemberError> {
    app.store.remove_member(organization, member, by).await
}
