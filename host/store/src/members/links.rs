//! Sign-in links: each is used once, whichever host it is used at.

use resly_core::{
    boxed,
    error::StoreError,
    id::{MemberId, OrganizationId, PersonId},
    member::Role,
    time::Timestamp,
};

use super::{
    people::{self, NewPerson},
    sessions::{self, NewSession, StoredSession},
};
use crate::{
    RowScope, Store,
    error::OperationError,
    sql::{execute, row},
    types::{Id, Time, named},
};

/// A link for one person, or for a new one.
#[derive(Clone, Debug)]
pub struct NewSignInLink {
    pub token_hash: [u8; 32],
    pub organization: OrganizationId,
    /// A member of the organization. `None` makes a person with the role.
    pub person: Option<PersonId>,
    pub role: Role,
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

/// Why a link signs nobody in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    #[error("this sign-in link was used already, or has expired")]
    Ended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    #[boxed]
    pub async fn create_sign_in_link(&self, new: NewSignInLink) -> Result<(), StoreError> {
        self.write(RowScope::Host, "make a sign-in link", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "INSERT INTO sign_in_links (token_hash, organization, person_id, role, created_at, expires_at)
                     VALUES ($1, $2, $3, $4, $5, $6)",
                    new.token_hash.as_slice(),
                    Id(new.organization.0),
                    new.person.map(|person| Id(person.0)),
                    new.role.name(),
                    Time(new.now),
                    Time(new.expires_at)
                )?;
                Ok(())
            })
        })
        .await
    }

    /// Uses a link up and begins a session. A link for nobody yet makes `new` a member. One for a person who was removed
    /// since is refused.
    #[boxed]
    pub async fn redeem_sign_in_link(
        &self,
        token_hash: [u8; 32],
        new: NewPerson,
        member: MemberId,
        session: NewSession,
    ) -> Result<StoredSession, LinkError> {
        self.write(RowScope::Host, "use a sign-in link", move |mut db| {
            Box::pin(async move {
                let now = session.now;
                let taken = row!(
                    db,
                    (Id, Option<Id>, String),
                    "DELETE FROM sign_in_links WHERE token_hash = $1 AND expires_at > $2
                     RETURNING organization, person_id, role",
                    token_hash.as_slice(),
                    Time(now)
                )?;
                let (organization, person, role) = taken.ok_or(OperationError::Refused(LinkError::Ended))?;
                let organization = OrganizationId(organization.0);
                let person = match person {
                    Some(person) => PersonId(person.0),
                    None => {
                        let person = people::insert(&mut db, &new, now).await?;
                        super::insert(&mut db, organization, member, &person, named(role)?, now).await?;
                        person.id
                    }
                };
                sessions::insert(&mut db, person, organization, &session).await?;
                let begun = sessions::read(&mut db, session.token_hash, now, None).await?;
                begun.ok_or(OperationError::Refused(LinkError::Ended))
            })
        })
        .await
    }
}
