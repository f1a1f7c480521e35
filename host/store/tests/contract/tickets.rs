//! Tickets: what people set of them, and the comments on them.

use resly_core::{
    id::{KeyId, RowId, TicketId},
    ticket::{TicketFields, TicketWrite},
};
use resly_store::{TicketComment, TicketQuery};

use crate::{
    backend::{Backend, accept, at, organization, question, user, uuid},
    both,
};

both! {
    async fn a_ticket_is_opened_changed_and_commented_on(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let conversation = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await.conversation;
        let (id, anna) = (TicketId(uuid()), uuid());
        let fields = TicketFields {
            subject: "Parcel".to_owned(),
            body: "It is late.".to_owned(),
            status: "open".to_owned(),
            priority: "high".to_owned(),
            assignee: Some(anna),
            requester: Some("ben@example.com".to_owned()),
            due_at: Some(at(900)),
            tags: vec!["parcel".to_owned(), "a, b".to_owned()],
        };
        let ticket = TicketWrite { organization: org, id, conversation: Some(conversation), fields: fields.clone(), now: at(1) };
        assert!(!store.open_ticket(TicketWrite { organization: stranger, ..ticket.clone() }).await.unwrap());
        assert!(store.open_ticket(ticket.clone()).await.unwrap());
        let record = store.ticket(org, id).await.unwrap().unwrap();
        assert_eq!((record.ticket.fields.clone(), record.ticket.conversation), (fields.clone(), Some(conversation)));
        assert!(store.ticket(stranger, id).await.unwrap().is_none());

        let comment = |body: &str, seconds| TicketComment {
            id: RowId(uuid()), author: Some(anna), body: body.to_owned(), created_at: at(seconds),
        };
        assert!(!store.comment_on_ticket(stranger, id, comment("no", 2)).await.unwrap());
        assert!(store.comment_on_ticket(org, id, comment("first", 2)).await.unwrap());
        assert!(store.comment_on_ticket(org, id, comment("second", 3)).await.unwrap());
        let changed = TicketFields { status: "resolved".to_owned(), due_at: None, tags: vec![], ..fields };
        let change = TicketWrite { fields: changed.clone(), conversation: None, now: at(4), ..ticket };
        assert!(!store.change_ticket(TicketWrite { organization: stranger, ..change.clone() }).await.unwrap());
        assert!(store.change_ticket(change).await.unwrap());
        let record = store.ticket(org, id).await.unwrap().unwrap();
        assert_eq!((record.ticket.fields, record.ticket.updated_at), (changed, at(4)));
        assert_eq!(record.ticket.conversation, Some(conversation), "a change keeps it");
        let said: Vec<_> = record.comments.iter().map(|comment| (comment.body.as_str(), comment.author)).collect();
        assert_eq!(said, [("first", Some(anna)), ("second", Some(anna))]);

        let find = async |wanted: TicketQuery| {
            store.find_tickets(org, TicketQuery { limit: 9, ..wanted }).await.unwrap().tickets.len()
        };
        let all = TicketQuery::default;
        assert_eq!(find(TicketQuery { status: Some("resolved".to_owned()), ..all() }).await, 1);
        assert_eq!(find(TicketQuery { status: Some("open".to_owned()), ..all() }).await, 0);
        assert_eq!(find(TicketQuery { priority: Some("high".to_owned()), assignee: Some(anna), ..all() }).await, 1);
        assert_eq!(find(TicketQuery { conversation: Some(conversation), ..all() }).await, 1);
        backend.script(&format!("DELETE FROM tickets WHERE id = '{id}'")).await;
        assert_eq!(backend.number("SELECT COUNT(*) FROM ticket_comments").await, 0, "they go with it");
    }
}
