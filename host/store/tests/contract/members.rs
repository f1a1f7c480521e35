//! Members, their sessions and links, invitations, and attempts to sign in.

use resly_core::{
    id::{InvitationId, MemberId, OrganizationId, PersonId, SessionId},
    member::Role,
    time::Timestamp,
};
use resly_store::{
    AcceptError, AttemptError, AttemptLimit, BeginSessionError, Invitation, InviteError, LinkError, MemberError,
    NewInvitation, NewPerson, NewSession, NewSignInLink, PersonChange, PersonError, SignInMethod, Store, StoredSession,
};
use uuid::Uuid;

use crate::{
    backend::{Backend, at, organization, uuid},
    both,
};

const DAY: u64 = 24 * 3600;

fn hash(of: u8) -> [u8; 32] {
    let mut hash = [of; 32];
    hash[..16].copy_from_slice(uuid().as_bytes());
    hash
}

fn new_session(token_hash: [u8; 32], now: Timestamp) -> NewSession {
    NewSession {
        id: SessionId(uuid()),
        token_hash,
        method: SignInMethod::Link,
        address: "192.0.2.7".to_owned(),
        user_agent: Some("a browser".to_owned()),
        now,
        expires_at: now.plus(std::time::Duration::from_secs(14 * DAY)),
    }
}

fn new_person(email: Option<&str>) -> NewPerson {
    NewPerson {
        id: PersonId(uuid()),
        name: "Ana".to_owned(),
        email: email.map(str::to_owned),
        password_hash: email.map(|_| "a hash".to_owned()),
    }
}

async fn link(store: &Store, organization: OrganizationId, person: Option<PersonId>, role: Role) -> [u8; 32] {
    let token_hash = hash(1);
    let link = NewSignInLink { token_hash, organization, person, role, now: at(0), expires_at: at(DAY) };
    store.create_sign_in_link(link).await.unwrap();
    token_hash
}

async fn redeem(store: &Store, link: [u8; 32], now: Timestamp) -> Result<(StoredSession, [u8; 32]), LinkError> {
    let token = hash(2);
    let session = new_session(token, now);
    let begun = store.redeem_sign_in_link(link, new_person(None), MemberId(uuid()), session).await?;
    Ok((begun, token))
}

/// A new member of this role, who is signed in.
async fn member(store: &Store, organization: OrganizationId, role: Role) -> (StoredSession, [u8; 32]) {
    let link = link(store, organization, None, role).await;
    redeem(store, link, at(0)).await.unwrap()
}

async fn member_id(store: &Store, organization: OrganizationId, person: PersonId) -> MemberId {
    let members = store.list_members(organization).await.unwrap();
    members.into_iter().find(|member| member.person.id == person).unwrap().id
}

async fn found(store: &Store, token: [u8; 32], now: u64) -> Option<StoredSession> {
    store.session(token, at(now), at(now).minus(std::time::Duration::from_secs(DAY / 2))).await.unwrap()
}

fn invitation(email: &str, role: Role, token_hash: [u8; 32], now: u64) -> NewInvitation {
    NewInvitation {
        id: InvitationId(uuid()),
        email: email.to_owned(),
        role,
        token_hash,
        invited_by: "Ana".to_owned(),
        now: at(now),
        expires_at: at(now + 7 * DAY),
        mail: None,
    }
}

async fn accept(
    store: &Store,
    invitation: [u8; 32],
    email: &str,
    now: u64,
) -> Result<(StoredSession, [u8; 32]), AcceptError> {
    let token = hash(3);
    let session = NewSession { method: SignInMethod::Invitation, ..new_session(token, at(now)) };
    let begun = store.accept_invitation(invitation, new_person(Some(email)), MemberId(uuid()), session).await?;
    Ok((begun, token))
}

fn emails(invitations: &[Invitation]) -> Vec<(&str, Role)> {
    invitations.iter().map(|invitation| (invitation.email.as_str(), invitation.role)).collect()
}

fn limits(email: Uuid, address: Uuid) -> [AttemptLimit; 2] {
    [AttemptLimit { subject: email, most: 3 }, AttemptLimit { subject: address, most: 5 }]
}

both! {
    async fn a_link_makes_an_owner_and_works_once(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let made = link(&store, org, None, Role::Owner).await;
        assert!(matches!(redeem(&store, made, at(DAY)).await, Err(LinkError::Ended)), "it has expired");
        let (session, token) = redeem(&store, made, at(10)).await.unwrap();
        assert_eq!((session.organization, session.role, session.person.name.as_str()), (org, Role::Owner, "Ana"));
        assert!(matches!(redeem(&store, made, at(11)).await, Err(LinkError::Ended)));
        let again = found(&store, token, 20).await.unwrap();
        assert_eq!((again.id, again.method, again.last_seen_at), (session.id, SignInMethod::Link, at(10)));
        assert_eq!(store.sign_in_method(session.id).await.unwrap(), Some(SignInMethod::Link));
        assert!(found(&store, hash(9), 20).await.is_none());
        let memberships = store.memberships(session.person.id).await.unwrap();
        assert_eq!((memberships.len(), memberships[0].organization, memberships[0].role), (1, org, Role::Owner));

        // A link for somebody who is a member already, and for somebody who isn't any more.
        let person = session.person.id;
        let own = link(&store, org, Some(person), Role::Viewer).await;
        let late = link(&store, org, Some(person), Role::Owner).await;
        let (again, _) = redeem(&store, own, at(12)).await.unwrap();
        assert_eq!((again.person.id, again.role), (person, Role::Owner), "the link gives no role");
        assert_eq!(store.list_members(org).await.unwrap().len(), 1);
        let (second, _) = member(&store, org, Role::Owner).await;
        store.remove_member(org, member_id(&store, org, person).await, Role::Owner).await.unwrap();
        assert!(matches!(redeem(&store, late, at(13)).await, Err(LinkError::Ended)));
        assert_eq!(store.list_members(org).await.unwrap()[0].person.id, second.person.id);
    }

    async fn of_hosts_that_use_a_link_at_once_one_wins(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let made = link(&store, org, None, Role::Owner).await;
        let all = futures::future::join_all((0..8).map(|_| redeem(&store, made, at(1)))).await;
        assert_eq!(all.iter().filter(|used| used.is_ok()).count(), 1);
        assert_eq!(store.list_members(org).await.unwrap().len(), 1);
    }

    async fn a_session_ends_without_use_and_at_its_end(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (session, token) = member(&store, org, Role::Agent).await;
        let half = DAY / 2;
        assert!(found(&store, token, half - 1).await.is_some());
        assert!(found(&store, token, half).await.is_none(), "it wasn't used for twelve hours");
        for hours in 1..=14 * 3 {
            let now = hours * 8 * 3600;
            assert_eq!(found(&store, token, now).await.is_some(), now < 14 * DAY, "{hours}");
            store.session_seen(session.id, at(now)).await.unwrap();
        }
        let (other, other_token) = member(&store, org, Role::Agent).await;
        let summaries = store.list_sessions(other.person.id, None, at(1), at(0)).await.unwrap();
        assert!(summaries.is_empty(), "used last at the very moment");
        let seconds_before = Timestamp::from_micros(at(0).micros() - 1);
        let summaries = store.list_sessions(other.person.id, None, at(1), seconds_before).await.unwrap();
        assert_eq!((summaries.len(), summaries[0].address.as_str()), (1, "192.0.2.7"));
        store.end_session(other_token).await.unwrap();
        assert!(found(&store, other_token, 1).await.is_none());
        let attempts = store.count_sign_in_attempt(limits(uuid(), uuid()), at(0), at(1)).await;
        attempts.unwrap();
        let forgotten = store.forget_sign_ins(at(14 * DAY), at(0), at(1)).await.unwrap();
        assert_eq!(forgotten, 3, "a session and two windows");
    }

    async fn a_session_shows_organizations_of_its_person(backend: Backend) {
        let (store, first) = backend.with(&[]).await;
        let second = organization(&store, &[]).await;
        let (session, token) = member(&store, first, Role::Viewer).await;
        assert!(!store.enter_organization(session.id, second).await.unwrap());
        let person = session.person.id;
        let email = "ana@example.com";
        let change = PersonChange { email: Some(email.to_owned()), ..PersonChange::default() };
        store.change_person(person, change).await.unwrap();
        let token_hash = hash(4);
        store.create_invitation(second, invitation(email, Role::Admin, token_hash, 0), Role::Owner).await.unwrap();
        assert!(matches!(accept(&store, token_hash, email, 1).await, Err(AcceptError::OtherPerson)), "they sign in");
        let stranger = member(&store, first, Role::Viewer).await.0.person.id;
        let joined = store.join_by_invitation(token_hash, stranger, MemberId(uuid()), at(1)).await;
        assert!(matches!(joined, Err(AcceptError::OtherPerson)));
        let joined = store.join_by_invitation(token_hash, person, MemberId(uuid()), at(1)).await.unwrap();
        assert_eq!(joined, second);
        assert!(store.enter_organization(session.id, second).await.unwrap());
        let shown = found(&store, token, 2).await.unwrap();
        assert_eq!((shown.organization, shown.role), (second, Role::Admin));

        // Who is removed is out, there alone.
        let (owner, _) = member(&store, second, Role::Owner).await;
        store.remove_member(second, member_id(&store, second, person).await, owner.role).await.unwrap();
        assert!(found(&store, token, 3).await.is_none());
        assert_eq!(store.memberships(person).await.unwrap().len(), 1);
    }

    async fn an_owner_is_left_and_admins_make_none(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (owner, _) = member(&store, org, Role::Owner).await;
        let (admin, _) = member(&store, org, Role::Admin).await;
        let (owner, admin) = (member_id(&store, org, owner.person.id).await, member_id(&store, org, admin.person.id).await);
        let change = async |id, role, by| store.change_member(org, id, role, by).await;
        assert!(matches!(change(owner, Role::Viewer, Role::Owner).await, Err(MemberError::LastOwner)));
        assert!(matches!(store.remove_member(org, owner, Role::Owner).await, Err(MemberError::LastOwner)));
        assert!(matches!(change(admin, Role::Owner, Role::Admin).await, Err(MemberError::OwnersOnly)));
        assert!(matches!(change(owner, Role::Admin, Role::Admin).await, Err(MemberError::OwnersOnly)));
        assert!(matches!(change(admin, Role::Viewer, Role::Agent).await, Err(MemberError::NotAllowed)));
        assert_eq!(change(admin, Role::Agent, Role::Admin).await.unwrap().role, Role::Agent);
        change(admin, Role::Owner, Role::Owner).await.unwrap();
        let other = organization(&store, &[]).await;
        assert!(matches!(store.remove_member(other, owner, Role::Owner).await, Err(MemberError::Missing)));

        // Two owners remove each other at once.
        let removals = [owner, admin].map(|id| store.remove_member(org, id, Role::Owner));
        let removed = futures::future::join_all(removals).await;
        assert_eq!(removed.iter().filter(|removed| removed.is_ok()).count(), 1);
        assert_eq!(store.list_members(org).await.unwrap().len(), 1);
    }

    async fn an_invitation_is_one_for_each_email(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let invite = async |email, role, token, by| store.create_invitation(org, invitation(email, role, token, 0), by).await;
        let (first, second) = (hash(5), hash(6));
        assert!(matches!(invite("bo@example.com", Role::Owner, first, Role::Admin).await, Err(InviteError::OwnersOnly)));
        assert!(matches!(invite("bo@example.com", Role::Viewer, first, Role::Agent).await, Err(InviteError::NotAllowed)));
        invite("bo@example.com", Role::Owner, first, Role::Owner).await.unwrap();
        assert!(matches!(invite("bo@example.com", Role::Viewer, second, Role::Admin).await, Err(InviteError::OwnersOnly)));
        invite("bo@example.com", Role::Agent, second, Role::Owner).await.unwrap();
        let open = store.list_invitations(org, at(1)).await.unwrap();
        assert_eq!(emails(&open), [("bo@example.com", Role::Agent)]);
        assert!(store.open_invitation(first, at(1)).await.unwrap().is_none(), "it was replaced");
        let shown = store.open_invitation(second, at(1)).await.unwrap().unwrap();
        assert_eq!((shown.organization, shown.known, shown.invited_by.as_str()), (org, false, "Ana"));
        assert!(store.list_invitations(org, at(7 * DAY)).await.unwrap().is_empty());
        assert!(matches!(accept(&store, second, "bo@example.com", 7 * DAY).await, Err(AcceptError::Ended)));
        let (session, _) = accept(&store, second, "bo@example.com", 2).await.unwrap();
        assert_eq!((session.organization, session.role, session.method), (org, Role::Agent, SignInMethod::Invitation));
        assert!(matches!(accept(&store, second, "bo@example.com", 3).await, Err(AcceptError::Ended)));
        assert!(matches!(invite("bo@example.com", Role::Viewer, first, Role::Owner).await, Err(InviteError::Member)));

        let revoked = invite("cy@example.com", Role::Viewer, first, Role::Admin).await.unwrap();
        let other = organization(&store, &[]).await;
        assert!(!store.revoke_invitation(other, revoked.id).await.unwrap());
        assert!(store.revoke_invitation(org, revoked.id).await.unwrap());
        assert!(matches!(accept(&store, first, "cy@example.com", 4).await, Err(AcceptError::Ended)));
    }

    async fn a_person_has_an_email_alone_and_a_password(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (ana, ana_token) = member(&store, org, Role::Owner).await;
        let (bo, _) = member(&store, org, Role::Viewer).await;
        let email = |email: &str| PersonChange { email: Some(email.to_owned()), ..PersonChange::default() };
        store.change_person(ana.person.id, email("ana@example.com")).await.unwrap();
        let taken = store.change_person(bo.person.id, email("ana@example.com")).await;
        assert!(matches!(taken, Err(PersonError::EmailTaken)));
        let renamed = PersonChange { name: Some("Ana B.".to_owned()), ..PersonChange::default() };
        let renamed = store.change_person(ana.person.id, renamed).await.unwrap();
        assert_eq!((renamed.name.as_str(), renamed.email.as_deref()), ("Ana B.", Some("ana@example.com")));
        let nobody = store.change_person(PersonId(uuid()), email("eve@example.com")).await;
        assert!(matches!(nobody, Err(PersonError::Missing)));

        let own = link(&store, org, Some(ana.person.id), Role::Owner).await;
        let (other, other_token) = redeem(&store, own, at(0)).await.unwrap();
        let set = async |expected: Option<&str>, hash: &str| {
            let (expected, hash) = (expected.map(str::to_owned), hash.to_owned());
            store.set_password(ana.person.id, expected, hash, other.id, (org, at(0))).await.unwrap()
        };
        assert!(!set(Some("another"), "first").await, "it has none");
        assert!(found(&store, ana_token, 1).await.is_some());
        assert!(set(None, "first").await);
        assert!(found(&store, ana_token, 1).await.is_none() && found(&store, other_token, 1).await.is_some());
        assert!(!set(None, "second").await && set(Some("first"), "second").await);
        let stored = store.person_by_email("ana@example.com").await.unwrap().unwrap();
        assert_eq!((stored.person.id, stored.password_hash.as_deref()), (ana.person.id, Some("second")));
        assert!(store.person_by_email("eve@example.com").await.unwrap().is_none());
        assert_eq!(store.end_sessions(ana.person.id, Some(bo.id), None).await.unwrap(), 0, "it is another person's");
        assert_eq!(store.end_sessions(ana.person.id, None, None).await.unwrap(), 1);
    }

    async fn attempts_are_counted_over_all_hosts(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (email, address) = (uuid(), uuid());
        let attempt = async |email, now: u64| {
            store.count_sign_in_attempt(limits(email, address), at(now.saturating_sub(900)), at(now)).await
        };
        let at_once = futures::future::join_all((0..9).map(|_| attempt(email, 1))).await;
        assert_eq!(at_once.iter().filter(|counted| counted.is_ok()).count(), 3);
        let Err(AttemptError::TooMany { since }) = attempt(email, 2).await else { panic!("a fourth attempt") };
        assert_eq!(since, at(1));
        // What was refused for the e-mail didn't count for the address.
        attempt(uuid(), 3).await.unwrap();
        attempt(uuid(), 3).await.unwrap();
        assert!(attempt(uuid(), 3).await.is_err(), "the address had five");

        // A right password gives its attempt back.
        let (person, _) = member(&store, org, Role::Owner).await;
        let token = hash(7);
        let session = NewSession { method: SignInMethod::Password, ..new_session(token, at(4)) };
        let begun = store.begin_session(person.person.id, session, email, address).await.unwrap();
        assert_eq!((begun.organization, begun.method), (org, SignInMethod::Password));
        attempt(email, 5).await.unwrap();
        assert!(attempt(email, 6).await.is_err(), "the address has five again");
        attempt(email, 901).await.unwrap();

        let nobody = store.begin_session(PersonId(uuid()), new_session(hash(8), at(4)), email, address).await;
        assert!(matches!(nobody, Err(BeginSessionError::NoOrganization)));
    }
}
