//! Retention: what a plan keeps no longer goes, and nothing else.

use std::time::Duration;

use resly_core::{
    id::{ConversationId, KeyId, OrganizationId, TicketId},
    plan::Overrides,
    time::Timestamp,
    turn::store::{NewTicket, NewTurn, TurnStore},
};
use resly_store::{DeletedRows, Retention, Store};

use crate::{
    backend::{Backend, accept, answer, at, organization, question, user, uuid},
    both,
};

fn day(days: u64) -> Timestamp {
    at(0).plus(Duration::from_secs(days * 86_400))
}

async fn keep(store: &Store, org: OrganizationId, days: Option<u32>) {
    let change = Overrides { conversation_days: Some(days), ..Overrides::default() };
    assert_eq!(store.change_plan(org, change, at(0)).await.unwrap().terms.conversation_days, days);
}

/// A conversation of one question, with its answer, on that day.
async fn asked(store: &Store, org: OrganizationId, visitor: &str, on: u64) -> ConversationId {
    let visitor = Some(visitor.to_owned());
    let turn = NewTurn { visitor, now: day(on), ..question(org, KeyId(uuid()), vec![user("hi")]) };
    let turn = accept(store, turn).await;
    store.finish_turn(answer(org, turn.answer, "hello")).await.unwrap();
    turn.conversation
}

async fn ticket(store: &Store, org: OrganizationId, conversation: ConversationId) {
    let (subject, body) = ("Help".to_owned(), "It broke".to_owned());
    let id = TicketId(uuid());
    let new = NewTicket { id, organization: org, conversation: Some(conversation), subject, body, now: day(0) };
    store.create_ticket(new).await.unwrap();
}

/// Deletes all that is due on that day. Returns what it was, and in how many parts.
async fn expire(store: &Store, on: u64) -> (DeletedRows, u64, usize) {
    let (mut deleted, mut visitors, mut parts) = (DeletedRows::default(), 0, 0);
    for retention in store.retentions().await.unwrap() {
        let mut after = None;
        loop {
            let batch = store.expire_conversations(retention, after, day(on)).await.unwrap();
            deleted.add(batch.deleted);
            after = batch.next;
            if after.is_none() {
                break;
            }
            parts += 1;
        }
        loop {
            let (gone, more) = store.expire_visitors(retention, day(on)).await.unwrap();
            visitors += gone;
            if !more {
                break;
            }
        }
    }
    (deleted, visitors, parts)
}

both! {
    async fn what_a_plan_keeps_no_longer_is_deleted(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let for_ever = organization(&store, &[]).await;
        keep(&store, org, Some(30)).await;
        let [old, recent] = [asked(&store, org, "anna", 0).await, asked(&store, org, "berta", 2).await];
        let other = asked(&store, for_ever, "anna", 0).await;
        assert_eq!(store.retentions().await.unwrap(), [Retention { organization: org, days: 30 }]);

        assert_eq!(expire(&store, 30).await.0, DeletedRows::default(), "it is kept for whole days");
        let (deleted, visitors, _) = expire(&store, 31).await;
        assert_eq!((deleted.conversations, deleted.messages, visitors), (1, 2, 1));
        assert!(store.conversation(org, old).await.unwrap().is_none());
        for (org, kept) in [(org, recent), (for_ever, other)] {
            assert_eq!(store.conversation(org, kept).await.unwrap().unwrap().messages.len(), 2);
        }
        assert_eq!(backend.number("SELECT COUNT(*) FROM visitors").await, 2);
        assert_eq!(backend.number("SELECT COUNT(*) FROM billing_events WHERE quantity <> 0").await, 3, "what was counted stays");

        keep(&store, org, None).await;
        assert_eq!(store.retentions().await.unwrap(), []);
        let unchanged = store.change_plan(org, Overrides::default(), at(0)).await.unwrap();
        assert_eq!(unchanged.terms.conversation_days, None);
    }

    async fn a_conversation_outlives_what_somebody_works_on(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        keep(&store, org, Some(30)).await;
        let open = asked(&store, org, "anna", 0).await;
        ticket(&store, org, open).await;
        assert_eq!(expire(&store, 60).await.0, DeletedRows::default(), "its ticket is open");
        let closed = |sqlite: &'static str, postgres: &'static str| if backend.is_sqlite() { sqlite } else { postgres };
        backend
            .execute(closed(
                "UPDATE tickets SET status = 'closed', updated_at = '2026-11-20T12:00:00.000000Z'",
                "UPDATE tickets SET status = 'closed', updated_at = '2026-11-20T12:00:00Z'",
            ))
            .await;
        // 41 days after it was asked.
        assert_eq!(expire(&store, 60).await.0, DeletedRows::default(), "it was closed within the days");
        let deleted = expire(&store, 72).await.0;
        assert_eq!((deleted.conversations, deleted.tickets), (1, 1));
        assert!(store.list_tickets(org, None, 9).await.unwrap().tickets.is_empty());
    }

    async fn many_go_in_short_transactions_and_what_stays_is_passed_over_once(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        keep(&store, org, Some(1)).await;
        for n in 0..130 {
            let conversation = asked(&store, org, &format!("v{n}"), 0).await;
            if n % 13 == 0 {
                ticket(&store, org, conversation).await;
            }
        }
        let (deleted, visitors, parts) = expire(&store, 9).await;
        assert_eq!((deleted.conversations, visitors, parts), (120, 120, 3));
        assert_eq!(backend.number("SELECT COUNT(*) FROM conversations").await, 10);
    }
}
