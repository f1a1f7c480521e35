//! The passages of a source, the answers that cite it, and what waits for a person.

use resly_core::{
    id::{KeyId, MessageId, OrganizationId, SourceId, TicketId},
    knowledge::{Citation, KnowledgeStore},
    turn::store::{FinishedTurn, NewTicket, TurnStore},
};
use resly_store::{Cursor, Store, WaitingWork};

use crate::{
    backend::{Backend, accept, answer, at, organization, question, user, uuid},
    both,
    knowledge::source,
};

/// An answer that cites a source, or none.
async fn answered(store: &Store, org: OrganizationId, text: &str, cites: Option<SourceId>) -> MessageId {
    let turn = accept(store, question(org, KeyId(uuid()), vec![user("hi")])).await;
    let cite = |id: SourceId| {
        let (title, snippet) = ("Guide".to_owned(), "one".to_owned());
        Citation { n: 1, title, url: None, source_id: id.to_string(), snippet }
    };
    let citations = cites.map(cite).into_iter().collect();
    store.finish_turn(FinishedTurn { citations, ..answer(org, turn.answer, text) }).await.unwrap();
    turn.answer
}

both! {
    async fn the_answers_that_cite_a_source_are_found(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let known = source(org, "Guide", &["one", "two", "three"]);
        let id = known.id;
        store.add_source(known).await.unwrap();
        let first = answered(&store, org, "One [1].", Some(id)).await;
        answered(&store, org, "Nothing.", None).await;
        answered(&store, org, "Another [1].", Some(SourceId(uuid()))).await;
        let last = answered(&store, org, &"x".repeat(300), Some(id)).await;

        let all = store.citing_answers(org, id, None, 100).await.unwrap();
        let messages: Vec<_> = all.answers.iter().map(|answer| answer.message).collect();
        assert_eq!((messages, all.older), (vec![last, first], None));
        assert_eq!((all.answers[0].excerpt.len(), all.answers[1].excerpt.as_str()), (240, "One [1]."));

        // Two messages at a time: a question and its answer.
        let (mut found, mut before, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = store.citing_answers(org, id, before, 2).await.unwrap();
            found.extend(page.answers.iter().map(|answer| answer.message));
            pages += 1;
            if page.older.is_none() {
                break;
            }
            before = page.older;
        }
        assert_eq!((found, pages), (vec![last, first], 5), "all messages were read, two at a time");
        let none = store.citing_answers(org, id, Some(Cursor::before(at(0))), 100).await.unwrap();
        assert!(none.answers.is_empty() && none.older.is_none());
        assert!(store.citing_answers(stranger, id, None, 100).await.unwrap().answers.is_empty());
    }

    async fn the_passages_of_a_source_are_read_in_parts(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let known = source(org, "Guide", &["one", "two", "three"]);
        let id = known.id;
        store.add_source(known).await.unwrap();
        let texts = async |org, from| {
            let found = store.source_passages(org, id, from, 2).await.unwrap();
            found.into_iter().map(|passage| (passage.position, passage.text)).collect::<Vec<_>>()
        };
        assert_eq!(texts(org, 0).await, [(0, "one".to_owned()), (1, "two".to_owned())]);
        assert_eq!(texts(org, 2).await, [(2, "three".to_owned())]);
        assert!(texts(org, 3).await.is_empty() && texts(stranger, 0).await.is_empty());
        assert!(store.delete_source(org, id, at(1)).await.unwrap());
        assert!(texts(org, 0).await.is_empty(), "it is deleted");
    }

    async fn open_tickets_wait_for_a_person(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        assert_eq!(store.waiting_work(org, at(0)).await.unwrap(), WaitingWork::default());
        for now in [at(0), at(1)] {
            let (subject, body) = ("Help".to_owned(), "Please.".to_owned());
            let new = NewTicket { id: TicketId(uuid()), organization: org, conversation: None, subject, body, now };
            store.create_ticket(new).await.unwrap();
        }
        assert_eq!(store.waiting_work(org, at(0)).await.unwrap().open_tickets, 2);
        backend.execute("UPDATE tickets SET status = 'solved' WHERE created_at = (SELECT MAX(created_at) FROM tickets)").await;
        assert_eq!(store.waiting_work(org, at(0)).await.unwrap().open_tickets, 1);
        assert_eq!(store.waiting_work(stranger, at(0)).await.unwrap(), WaitingWork::default());
    }
}
