//! Who somebody is at an organization's provider, and the sign-in by it.
//!
//! A person is known by the issuer and its subject, in one organization. An e-mail alone never makes an account the one of a
//! person: whoever runs a provider says which e-mails its accounts have.

use resly_core::{
    actor::Actor,
    boxed,
    error::StoreError,
    id::{IdentityProviderId, MemberId, OrganizationId, PersonId},
    mail::{MailFacts, MailKind},
    member::{Person, Role},
};
use serde::Serialize;

use super::{
    people::{self, NewPerson},
    sessions::{self, NewSession, StoredSession},
};
use crate::{
    RowScope, Store,
    audit::{Author, Subject, view},
    error::OperationError,
    identity_providers,
    mails::{self, NewMail, Recipient},
    sql::{Conn, execute, row},
    types::{Id, Text, Time, named},
};

/// What a provider has said and the host has verified.
#[derive(Clone, Debug)]
pub struct ProvenIdentity {
    pub provider: IdentityProviderId,
    pub issuer: String,
    /// The client for which the provider said it.
    pub client_id: String,
    pub subject: String,
    /// In lower case, of a domain that the organization allows.
    pub email: String,
    /// What somebody new is called.
    pub name: String,
    /// Who is signed in already in this browser.
    pub signed_in: Option<PersonId>,
    /// The ids of a new person and a new member.
    pub person: PersonId,
    pub member: MemberId,
}

/// Why an identity opens nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("the organization's company sign-in was changed meanwhile; start again")]
    Changed,
    #[error("a member with your e-mail signs in another way; sign in that way first, then with your company")]
    SignInFirst,
    #[error("this organization takes in only who is invited; ask an admin for an invitation to your e-mail")]
    NotInvited,
    #[error("you are no member of this organization any more; ask an admin for an invitation")]
    Removed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the audit log shows of an identity.
#[derive(Serialize)]
struct IdentityView<'i> {
    issuer: &'i str,
    subject: &'i str,
    email: &'i str,
}

type Outcome<T> = Result<T, OperationError<IdentityError>>;

fn refused<T>(error: IdentityError) -> Outcome<T> {
    Err(OperationError::Refused(error))
}

/// The role of an open invitation for the e-mail, which is used up by it.
async fn take_invitation(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    identity: &ProvenIdentity,
    session: &NewSession,
) -> Result<Option<Role>, sqlx::Error> {
    let taken = row!(
        db,
        (String,),
        "DELETE FROM invitations WHERE organization_id = $1 AND email = $2 AND expires_at > $3 RETURNING role",
        Id(organization.0),
        Text(&identity.email),
        Time(session.now)
    )?;
    taken.map(|(role,)| named(role)).transpose()
}

async fn is_linked(db: &mut Conn<'_>, organization: OrganizationId, person: PersonId) -> Result<bool, sqlx::Error> {
    let sql = "SELECT 1 FROM identities WHERE organization = $1 AND person_id = $2 LIMIT 1";
    Ok(row!(db, (i32,), sql, Id(organization.0), Id(person.0))?.is_some())
}

/// The person of an identity that is new here: a member with its e-mail, who has proved to be that member or whose password
/// opens the organization no more; or somebody new.
async fn admit(
    db: &mut Conn<'_>,
    provider: &identity_providers::IdentityProvider,
    identity: &ProvenIdentity,
    session: &NewSession,
) -> Outcome<(Person, bool)> {
    let organization = provider.organization;
    let namesake = people::by_email(db, &identity.email).await?.map(|found| found.person);
    if let Some(member) = namesake
        && mails::is_member(db, organization, member.id.0).await?
    {
        let proven = identity.signed_in == Some(member.id) || provider.required;
        // A company that gives an e-mail to somebody else makes another account of it.
        if !proven || is_linked(db, organization, member.id).await? {
            return refused(IdentityError::SignInFirst);
        }
        return Ok((member, true));
    }
    let invited = take_invitation(db, organization, identity, session).await?;
    let Some(role) = invited.or(provider.new_role) else { return refused(IdentityError::NotInvited) };
    // Without an e-mail of its own: that belongs to those who sign in by it, in any organization.
    let new = NewPerson { id: identity.person, name: identity.name.clone(), email: None, password_hash: None };
    let person = people::insert(db, &new, session.now).await?;
    super::insert(db, organization, identity.member, &person, role, session.now).await?;
    Ok((person, false))
}

async fn link(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    identity: &ProvenIdentity,
    person: &Person,
    session: &NewSession,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO identities (organization, issuer, subject, person_id, email, created_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)",
        Id(organization.0),
        Text(&identity.issuer),
        Text(&identity.subject),
        Id(person.id.0),
        Text(&identity.email),
        Time(session.now)
    )?;
    let ProvenIdentity { issuer, subject, email, .. } = identity;
    let after = view(&IdentityView { issuer, subject, email })?;
    let by = Author::of(Actor::member(organization, person, session.now));
    by.created(db, organization, "identity.link", Subject::new(person.id, &person.name), after).await
}

/// The person of an identity that was here before, when they still are a member or are invited again.
async fn known(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    identity: &ProvenIdentity,
    session: &NewSession,
) -> Outcome<Option<PersonId>> {
    let found = row!(
        db,
        (Id, String),
        "UPDATE identities SET email = $4, last_used_at = $5
         WHERE organization = $1 AND issuer = $2 AND subject = $3
         RETURNING person_id, (SELECT p.name FROM people p WHERE p.id = identities.person_id)",
        Id(organization.0),
        Text(&identity.issuer),
        Text(&identity.subject),
        Text(&identity.email),
        Time(session.now)
    )?;
    let Some((person, name)) = found else { return Ok(None) };
    if !mails::is_member(db, organization, person.0).await? {
        let Some(role) = take_invitation(db, organization, identity, session).await? else {
            return refused(IdentityError::Removed);
        };
        let person = Person { id: PersonId(person.0), name, email: None };
        super::insert(db, organization, identity.member, &person, role, session.now).await?;
    }
    Ok(Some(PersonId(person.0)))
}

async fn sign_in(
    db: &mut Conn<'_>,
    identity: &ProvenIdentity,
    session: &NewSession,
    mails_are_sent: bool,
) -> Outcome<StoredSession> {
    let provider = identity_providers::by_id(db, identity.provider).await?;
    let same = |provider: &identity_providers::IdentityProvider| {
        (&provider.issuer, &provider.client_id) == (&identity.issuer, &identity.client_id)
    };
    let Some(provider) = provider.filter(same) else { return refused(IdentityError::Changed) };
    let organization = provider.organization;
    super::lock(db, organization).await?;
    let person = match known(db, organization, identity, session).await? {
        Some(person) => person,
        None => {
            let (person, was_member) = admit(db, &provider, identity, session).await?;
            link(db, organization, identity, &person, session).await?;
            if was_member && mails_are_sent {
                let facts = MailFacts { title: Some(identity.issuer.clone()), ..MailFacts::default() };
                let to = Recipient::Person(person.id);
                let mail = NewMail { kind: MailKind::SignInLinked, to, facts, secret: None, conversation: None };
                mails::enqueue(db, organization, &mail, session.now).await?;
            }
            person.id
        }
    };
    sessions::insert(db, person, organization, session).await?;
    let begun = sessions::read(db, session.token_hash, session.now, None).await?;
    begun.ok_or(OperationError::Refused(IdentityError::Removed))
}

impl Store {
    /// Signs somebody in whom an organization's provider vouches for. The session shows that organization alone.
    #[boxed]
    pub async fn sign_in_by_identity(
        &self,
        identity: ProvenIdentity,
        session: NewSession,
    ) -> Result<StoredSession, IdentityError> {
        let mails = self.mails;
        self.write(RowScope::Host, "sign in with a company", move |mut db| {
            Box::pin(async move { sign_in(&mut db, &identity, &session, mails).await })
        })
        .await
    }
}
