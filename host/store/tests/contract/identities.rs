//! Sign-in with a company: who an account of a provider is, and what its sessions open.

use resly_core::{
    id::{IdentityProviderId, InvitationId, MemberId, OrganizationId, PersonId, SessionId},
    member::Role,
};
use resly_store::{
    BeginSessionError, IdentityError, IdentityProvider, IdentityProviderError, NewInvitation, NewPerson, NewSession,
    NewSignInLink, PersonChange, ProvenIdentity, SignInMethod, Store, StoredSession,
};

use crate::{
    backend::{Backend, at, organization, uuid},
    both,
};

const ISSUER: &str = "https://login.example.com";

fn hash(of: u8) -> [u8; 32] {
    [uuid().as_bytes().as_slice(), &[of; 16]].concat().try_into().unwrap()
}

fn session(method: SignInMethod) -> NewSession {
    NewSession {
        id: SessionId(uuid()),
        token_hash: hash(2),
        method,
        address: "192.0.2.7".to_owned(),
        user_agent: None,
        now: at(10),
        expires_at: at(1000),
    }
}

fn provider(organization: OrganizationId, new_role: Option<Role>) -> IdentityProvider {
    IdentityProvider {
        id: IdentityProviderId(uuid()),
        organization,
        issuer: ISSUER.to_owned(),
        client_id: "resly".to_owned(),
        client_secret: b"sealed".to_vec(),
        domains: vec!["example.com".to_owned(), "example.org".to_owned()],
        new_role,
        required: false,
        created_at: at(0),
    }
}

fn identity(provider: &IdentityProvider, subject: &str, email: &str) -> ProvenIdentity {
    ProvenIdentity {
        provider: provider.id,
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        subject: subject.to_owned(),
        email: email.to_owned(),
        name: "Ana".to_owned(),
        signed_in: None,
        person: PersonId(uuid()),
        member: MemberId(uuid()),
    }
}

/// A member who signed in by a link, with an e-mail.
async fn member(store: &Store, organization: OrganizationId, person: Option<PersonId>, role: Role) -> StoredSession {
    let token_hash = hash(1);
    let link = NewSignInLink { token_hash, organization, person, role, now: at(0), expires_at: at(900) };
    store.create_sign_in_link(link).await.unwrap();
    let new = NewPerson { id: PersonId(uuid()), name: "Olga".to_owned(), email: None, password_hash: None };
    store.redeem_sign_in_link(token_hash, new, MemberId(uuid()), session(SignInMethod::Link)).await.unwrap()
}

async fn with_email(store: &Store, organization: OrganizationId, role: Role, email: &str) -> StoredSession {
    let found = member(store, organization, None, role).await;
    let change = PersonChange { name: None, email: Some(email.to_owned()) };
    store.change_person(found.person.id, change).await.unwrap();
    found
}

async fn sign_in(store: &Store, identity: ProvenIdentity) -> Result<StoredSession, IdentityError> {
    store.sign_in_by_identity(identity, session(SignInMethod::Oidc)).await
}

async fn invite(store: &Store, organization: OrganizationId, email: &str, role: Role) -> [u8; 32] {
    let token_hash = hash(3);
    let new = NewInvitation {
        id: InvitationId(uuid()),
        email: email.to_owned(),
        role,
        token_hash,
        invited_by: "Olga".to_owned(),
        now: at(0),
        expires_at: at(500),
        mail: None,
    };
    store.create_invitation(organization, new, Role::Owner).await.unwrap();
    token_hash
}

both! {
    async fn an_account_is_one_person_in_one_organization(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let other = organization(&store, &[]).await;
        let own = store.put_identity_provider(provider(org, Some(Role::Agent))).await.unwrap();
        let foreign = store.put_identity_provider(provider(other, Some(Role::Viewer))).await.unwrap();
        let first = sign_in(&store, identity(&own, "1", "ana@example.com")).await.unwrap();
        assert_eq!((first.organization, first.role, first.method), (org, Role::Agent, SignInMethod::Oidc));
        let again = sign_in(&store, identity(&own, "1", "anna@example.com")).await.unwrap();
        assert_eq!(again.person.id, first.person.id);
        assert_eq!(store.list_members(org).await.unwrap()[0].person.email.as_deref(), Some("anna@example.com"));
        assert_eq!(first.person.email, None, "an e-mail of their own is for who signs in by it");
        // The same issuer and subject in another organization are somebody else.
        let elsewhere = sign_in(&store, identity(&foreign, "1", "ana@example.com")).await.unwrap();
        assert_ne!(elsewhere.person.id, first.person.id);
        assert!(!store.enter_organization(first.id, other).await.unwrap());
        let changed = ProvenIdentity { client_id: "another".to_owned(), ..identity(&own, "2", "bo@example.com") };
        assert!(matches!(sign_in(&store, changed).await, Err(IdentityError::Changed)));
        let unknown = ProvenIdentity { provider: IdentityProviderId(uuid()), ..identity(&own, "2", "bo@example.com") };
        assert!(matches!(sign_in(&store, unknown).await, Err(IdentityError::Changed)));
        let at_once = (0..6).map(|_| sign_in(&store, identity(&own, "3", "cy@example.com")));
        let at_once: Vec<_> = futures::future::join_all(at_once).await.into_iter().map(Result::unwrap).collect();
        assert!(at_once.iter().all(|session| session.person.id == at_once[0].person.id));
        assert_eq!(store.list_members(org).await.unwrap().len(), 2);
    }

    async fn an_e_mail_alone_makes_nobody_a_member_s_account(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let own = store.put_identity_provider(provider(org, Some(Role::Viewer))).await.unwrap();
        let ana = with_email(&store, org, Role::Admin, "ana@example.com").await;
        let bo = with_email(&store, org, Role::Owner, "bo@example.com").await;
        assert!(matches!(sign_in(&store, identity(&own, "1", "ana@example.com")).await, Err(IdentityError::SignInFirst)));
        let as_bo = ProvenIdentity { signed_in: Some(bo.person.id), ..identity(&own, "1", "ana@example.com") };
        assert!(matches!(sign_in(&store, as_bo).await, Err(IdentityError::SignInFirst)));
        let as_ana = ProvenIdentity { signed_in: Some(ana.person.id), ..identity(&own, "1", "ana@example.com") };
        let linked = sign_in(&store, as_ana.clone()).await.unwrap();
        assert_eq!((linked.person.id, linked.role), (ana.person.id, Role::Admin));
        let second = ProvenIdentity { subject: "2".to_owned(), ..as_ana };
        assert!(matches!(sign_in(&store, second).await, Err(IdentityError::SignInFirst)), "one account for each member");
        // Somebody of another organization with the e-mail stays who they are.
        let other = organization(&store, &[]).await;
        let foreign = store.put_identity_provider(provider(other, Some(Role::Viewer))).await.unwrap();
        let new = ProvenIdentity { signed_in: Some(ana.person.id), ..identity(&foreign, "1", "ana@example.com") };
        assert_ne!(sign_in(&store, new).await.unwrap().person.id, ana.person.id);
        assert_eq!(store.memberships(ana.person.id).await.unwrap().len(), 1);
    }

    async fn without_a_role_for_new_people_only_who_is_invited_comes_in(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let own = store.put_identity_provider(provider(org, None)).await.unwrap();
        member(&store, org, None, Role::Owner).await;
        assert!(matches!(sign_in(&store, identity(&own, "1", "ana@example.com")).await, Err(IdentityError::NotInvited)));
        invite(&store, org, "ana@example.com", Role::Admin).await;
        let ana = sign_in(&store, identity(&own, "1", "ana@example.com")).await.unwrap();
        assert_eq!(ana.role, Role::Admin);
        assert!(store.list_invitations(org, at(11)).await.unwrap().is_empty());
        let members = store.list_members(org).await.unwrap();
        let id = members.iter().find(|member| member.person.id == ana.person.id).unwrap().id;
        store.remove_member(org, id, Role::Owner).await.unwrap();
        let own = store.put_identity_provider(IdentityProvider { new_role: Some(Role::Agent), ..own }).await.unwrap();
        assert!(matches!(sign_in(&store, identity(&own, "1", "ana@example.com")).await, Err(IdentityError::Removed)));
        invite(&store, org, "ana@example.com", Role::Viewer).await;
        let back = sign_in(&store, identity(&own, "1", "ana@example.com")).await.unwrap();
        assert_eq!((back.person.id, back.role), (ana.person.id, Role::Viewer));
    }

    async fn an_organization_that_requires_it_is_closed_to_other_sessions(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let other = organization(&store, &[]).await;
        let own = store.put_identity_provider(provider(org, Some(Role::Viewer))).await.unwrap();
        let owner = with_email(&store, org, Role::Owner, "olga@example.com").await;
        let required = IdentityProvider { required: true, ..own.clone() };
        let untried = store.put_identity_provider(required.clone()).await;
        assert!(matches!(untried, Err(IdentityProviderError::Untried)));
        let tried = ProvenIdentity { signed_in: Some(owner.person.id), ..identity(&own, "1", "olga@example.com") };
        sign_in(&store, tried).await.unwrap();
        let ana = with_email(&store, org, Role::Admin, "ana@example.com").await.person.id;
        let password = async || {
            let new = session(SignInMethod::Password);
            let token = new.token_hash;
            store.begin_session(ana, new, uuid(), uuid()).await.map(|begun| (begun, token))
        };
        let (begun, token) = password().await.unwrap();
        store.put_identity_provider(required).await.unwrap();
        assert!(store.session(token, at(11), at(0)).await.unwrap().is_none());
        assert!(matches!(password().await, Err(BeginSessionError::CompanyOnly)));
        let token = invite(&store, other, "ana@example.com", Role::Viewer).await;
        store.join_by_invitation(token, ana, MemberId(uuid()), at(10)).await.unwrap();
        let (elsewhere, _) = password().await.unwrap();
        assert_eq!(elsewhere.organization, other);
        assert!(!store.enter_organization(begun.id, org).await.unwrap());
        // Passwords don't open it, so the e-mail is enough to know the member.
        let linked = sign_in(&store, identity(&own, "2", "ana@example.com")).await.unwrap();
        assert_eq!((linked.person.id, linked.role), (ana, Role::Admin));
        assert!(store.list_sessions(ana, Some(org), at(11), at(0)).await.unwrap().len() == 1);
        assert!(store.delete_identity_provider(org).await.unwrap() && !store.delete_identity_provider(org).await.unwrap());
        assert!(store.list_sessions(ana, Some(org), at(11), at(0)).await.unwrap().is_empty());
        assert_eq!(password().await.unwrap().0.organization, org);
    }

    async fn a_provider_is_found_by_its_organization_its_id_and_its_domains(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let other = organization(&store, &[]).await;
        let own = store.put_identity_provider(provider(org, None)).await.unwrap();
        let again = store.put_identity_provider(IdentityProvider { id: IdentityProviderId(uuid()), ..own.clone() }).await;
        assert_eq!(again.unwrap().id, own.id, "an organization has one");
        assert_eq!(store.identity_provider(org).await.unwrap().unwrap().domains, own.domains);
        assert!(store.identity_provider(other).await.unwrap().is_none());
        assert_eq!(store.identity_provider_by_id(own.id).await.unwrap().unwrap().organization, org);
        for (domain, found) in [("example.com", 1), ("example.org", 1), ("example", 0), ("xexample.com", 0), ("\"", 0)] {
            assert_eq!(store.identity_providers_for(domain, 5).await.unwrap().len(), found, "{domain}");
        }
    }
}
