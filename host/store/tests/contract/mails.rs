//! Mails to send: stored with what they tell, taken by one host, sent once, and gone after a week.

use resly_core::{
    conversation::handover::{HandOver, HandoverSource},
    id::{KeyId, MemberId, OrganizationId, PersonId, RowId, SessionId, TicketId},
    mail::{MailFacts, MailKind},
    member::{Person, Role},
    ticket::{TicketFields, TicketWrite},
};
use resly_store::{
    MailAttempt, MailState, NewMail, NewPerson, NewSession, NewSignInLink, PersonChange, Recipient, SignInMethod,
    Store, TicketComment,
};

use crate::{
    backend::{Backend, accept, at, organization, question, user, uuid},
    both,
};

fn mail(to: Recipient, secret: Option<&[u8]>) -> NewMail {
    let facts = MailFacts { title: Some("A ticket".to_owned()), ..MailFacts::default() };
    NewMail { kind: MailKind::TicketAssigned, to, facts, secret: secret.map(<[u8]>::to_vec), conversation: None }
}

fn address(address: &str) -> Recipient {
    Recipient::Address(address.to_owned())
}

/// A new member with an e-mail.
async fn member(store: &Store, organization: OrganizationId, role: Role, email: &str) -> Person {
    let token_hash = [uuid().as_bytes().as_slice(), &[1; 16]].concat().try_into().unwrap();
    let link = NewSignInLink { token_hash, organization, person: None, role, now: at(0), expires_at: at(9) };
    store.create_sign_in_link(link).await.unwrap();
    let new = NewPerson { id: PersonId(uuid()), name: "Ana".to_owned(), email: None, password_hash: None };
    let session = NewSession {
        id: SessionId(uuid()),
        token_hash: [uuid().as_bytes().as_slice(), &[2; 16]].concat().try_into().unwrap(),
        method: SignInMethod::Link,
        address: "192.0.2.7".to_owned(),
        user_agent: None,
        now: at(1),
        expires_at: at(1000),
    };
    let begun = store.redeem_sign_in_link(token_hash, new, MemberId(uuid()), session).await.unwrap();
    let change = PersonChange { name: None, email: Some(email.to_owned()) };
    store.change_person(begun.person.id, change).await.unwrap()
}

both! {
    async fn a_mail_is_taken_by_one_host_until_its_lease_ends(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let id = store.enqueue_mail(org, mail(address("bo@example.com"), Some(b"sealed")), at(0)).await.unwrap().unwrap();
        let takes = (0..4).map(|_| store.take_due_mails(at(1), at(100), 8));
        let taken: Vec<_> = futures::future::join_all(takes).await.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(taken.len(), 1);
        let due = &taken[0];
        assert_eq!((due.id, due.to.as_deref(), due.secret.as_deref()), (id, Some("bo@example.com"), Some(&b"sealed"[..])));
        assert_eq!((due.kind, due.facts.title.as_deref(), due.tries), (MailKind::TicketAssigned, Some("A ticket"), 0));
        // The host that took it is gone: another one sends it.
        let again = store.take_due_mails(at(101), at(200), 8).await.unwrap();
        assert_eq!(again.len(), 1);
        let failed = MailAttempt { error: Some("busy".to_owned()), again_at: Some(at(300)) };
        store.settle_mail(due, failed.clone(), at(102)).await.unwrap();
        assert!(store.take_due_mails(at(150), at(250), 8).await.unwrap().is_empty(), "the lease is the other one's");
        store.settle_mail(&again[0], failed, at(160)).await.unwrap();
        assert!(store.take_due_mails(at(299), at(400), 8).await.unwrap().is_empty());
        let last = store.take_due_mails(at(300), at(400), 8).await.unwrap();
        assert_eq!((last[0].tries, last[0].secret.as_deref()), (1, Some(&b"sealed"[..])));
        store.settle_mail(&last[0], MailAttempt { error: None, again_at: None }, at(301)).await.unwrap();
        let listed = store.mails(org, None, 10).await.unwrap();
        assert_eq!((listed.len(), listed[0].state, listed[0].tries), (1, MailState::Sent, 2));
        assert!(store.mails(stranger, None, 10).await.unwrap().is_empty());
        assert!(store.take_due_mails(at(1000), at(2000), 8).await.unwrap().is_empty());
        assert_eq!(store.expire_mails(at(301 + 7 * 24 * 3600)).await.unwrap(), 0);
        assert_eq!(store.expire_mails(at(302 + 7 * 24 * 3600)).await.unwrap(), 1);
    }

    async fn a_mail_goes_to_what_the_member_s_e_mail_is_then(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        member(&store, org, Role::Owner, "olga@example.com").await;
        let ana = member(&store, org, Role::Agent, "ana@example.com").await;
        store.enqueue_mail(org, mail(Recipient::Person(ana.id), None), at(0)).await.unwrap();
        store.change_person(ana.id, PersonChange { name: None, email: Some("anna@example.com".to_owned()) }).await.unwrap();
        let due = store.take_due_mails(at(1), at(2), 8).await.unwrap();
        assert_eq!(due[0].to.as_deref(), Some("anna@example.com"));
        let members = store.list_members(org).await.unwrap();
        let id = members.iter().find(|member| member.person.id == ana.id).unwrap().id;
        store.remove_member(org, id, Role::Owner).await.unwrap();
        assert_eq!(store.take_due_mails(at(3), at(4), 8).await.unwrap()[0].to, None);
    }

    async fn too_many_mails_of_one_organization_are_left_out(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let other = organization(&store, &[]).await;
        for _ in 0..1000 {
            store.enqueue_mail(org, mail(address("bo@example.com"), None), at(0)).await.unwrap().unwrap();
        }
        assert_eq!(store.enqueue_mail(org, mail(address("bo@example.com"), None), at(0)).await.unwrap(), None);
        assert!(store.enqueue_mail(other, mail(address("bo@example.com"), None), at(0)).await.unwrap().is_some());
    }

    async fn changes_store_their_mails_where_a_server_is_set(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let mailing = store.clone().with_mails();
        member(&store, org, Role::Viewer, "vi@example.com").await;
        let ana = member(&store, org, Role::Agent, "ana@example.com").await;
        let bo = member(&store, org, Role::Admin, "bo@example.com").await;
        let stranger = organization(&store, &[]).await;
        let eve = member(&store, stranger, Role::Admin, "eve@example.com").await;
        let due = async |now| {
            let due = store.take_due_mails(at(now), at(now), 50).await.unwrap();
            for due in &due {
                store.settle_mail(due, MailAttempt { error: None, again_at: None }, at(now)).await.unwrap();
            }
            let mut found: Vec<_> = due.into_iter().map(|due| (due.kind, due.to.unwrap_or_default())).collect();
            found.sort_by(|a, b| a.1.cmp(&b.1));
            found
        };
        let fields = TicketFields {
            subject: "Parcel".to_owned(),
            status: "open".to_owned(),
            priority: "normal".to_owned(),
            assignee: Some(ana.id.0),
            requester: Some("cy@example.com".to_owned()),
            ..TicketFields::default()
        };
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        let id = TicketId(uuid());
        let ticket = TicketWrite { organization: org, id, conversation: Some(turn.conversation), fields: fields.clone(), now: at(20) };
        assert!(store.open_ticket(TicketWrite { id: TicketId(uuid()), ..ticket.clone() }).await.unwrap());
        assert_eq!(due(21).await, [], "no server is set");
        assert!(mailing.open_ticket(ticket.clone()).await.unwrap());
        assert_eq!(due(21).await, [(MailKind::TicketAssigned, "ana@example.com".to_owned())]);
        let change = async |fields: TicketFields| {
            mailing.change_ticket(TicketWrite { fields, conversation: None, ..ticket.clone() }).await.unwrap();
        };
        change(TicketFields { subject: "Parcel, late".to_owned(), ..fields.clone() }).await;
        assert_eq!(due(22).await, []);
        // Whoever isn't a member here gets none.
        change(TicketFields { assignee: Some(eve.id.0), ..fields.clone() }).await;
        assert_eq!(due(23).await, []);
        change(TicketFields { assignee: Some(bo.id.0), status: "resolved".to_owned(), ..fields.clone() }).await;
        let told = [(MailKind::TicketAssigned, "bo@example.com"), (MailKind::TicketStatus, "cy@example.com")];
        assert_eq!(due(24).await, told.map(|(kind, to)| (kind, to.to_owned())));
        for author in [ana.id.0, bo.id.0] {
            let comment =
                TicketComment { id: RowId(uuid()), author: Some(author), body: "Look".to_owned(), created_at: at(25) };
            mailing.comment_on_ticket(org, id, comment).await.unwrap();
        }
        assert_eq!(due(26).await, [(MailKind::TicketCommented, "bo@example.com".to_owned())], "not of one's own");

        // Who answers hears that a conversation waits, once while the mail is under way.
        mailing.set_mail_handovers(org, bo.id, false).await.unwrap();
        assert_eq!(mailing.mails_handovers(org, bo.id).await.unwrap(), Some(false));
        assert_eq!(mailing.mails_handovers(org, eve.id).await.unwrap(), None);
        let hand_over = async || {
            let turn = accept(&store, question(org, KeyId(uuid()), vec![user("a person, please")])).await;
            let by = HandoverSource::Visitor;
            let request = HandOver { organization: org, conversation: turn.conversation, by, summary: None, answer: None, now: at(30) };
            resly_core::turn::store::TurnStore::hand_over(&mailing, request).await.unwrap();
        };
        hand_over().await;
        hand_over().await;
        assert_eq!(due(31).await, [(MailKind::HandOver, "ana@example.com".to_owned())]);
        hand_over().await;
        assert_eq!(due(32).await.len(), 1);
    }
}
