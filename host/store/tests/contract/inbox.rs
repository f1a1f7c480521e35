//! The inbox beside hand-over: finding conversations by words, notes, tags, snoozing, merging, canned replies.

use std::time::Duration;

use futures::future::join_all;
use resly_core::{
    actor::{self, Actor},
    alert::Event,
    conversation::handover::{ConversationState, HandOver, HandoverSource},
    id::{ConversationId, KeyId, MessageId, OrganizationId, RowId, WebhookId},
    model::Role,
    ticket::{TicketFields, TicketWrite},
    turn::store::{BeginTurn, ConversationRef, NewTurn, TurnStore},
};
use resly_store::{
    AgentReply, Assigned, Assignment, AuditQuery, CannedReply, CannedReplyError, ConversationNote, ConversationQuery,
    HandoverError, IndexedConversation, MergeError, NoteError, Retention, Store, TagChange, Webhook,
};

use crate::{
    backend::{Backend, accept, answer, at, organization, person, question, texts, user, uuid},
    both,
};

const LEASE: Duration = Duration::from_secs(60);

/// A hash as the service makes them: of letters and digits alone. Here it is the word.
fn hashes(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Does what the job does. Returns how many conversations were read.
async fn index(store: &Store, seconds: u64) -> usize {
    let now = at(seconds);
    while store.mark_unindexed_conversations(now).await.unwrap() {}
    let mut read = 0;
    loop {
        let taken = store.take_unindexed_conversations(now, LEASE).await.unwrap();
        if taken.is_empty() {
            return read;
        }
        read += taken.len();
        let indexed = taken.into_iter().map(|of| {
            let said: Vec<_> = of.said.iter().map(|(_, text)| hashes(text)).collect();
            let again_at = of.is_unfinished.then(|| now.plus(Duration::from_secs(30)));
            IndexedConversation { words: said.join(" "), language: Some("en"), again_at, of }
        });
        store.index_conversations(indexed.collect()).await.unwrap();
    }
}

async fn find(store: &Store, org: OrganizationId, words: &str) -> Vec<ConversationId> {
    let words = words.split(' ').map(|forms| forms.split('|').map(str::to_owned).collect()).collect();
    let query = ConversationQuery { words: Some(words), limit: 9, ..ConversationQuery::default() };
    store.find_conversations(org, query).await.unwrap().into_iter().map(|found| found.id).collect()
}

/// A question of a visitor with its answer.
async fn asked(store: &Store, org: OrganizationId, visitor: &str, text: &str) -> ConversationId {
    let turn = NewTurn { visitor: Some(visitor.to_owned()), ..question(org, KeyId(uuid()), vec![user(text)]) };
    let turn = accept(store, turn).await;
    store.finish_turn(answer(org, turn.answer, "Certainly.")).await.unwrap();
    turn.conversation
}

fn more(org: OrganizationId, conversation: ConversationId, visitor: &str, text: &str) -> NewTurn {
    NewTurn {
        conversation: ConversationRef::Id(conversation),
        visitor: Some(visitor.to_owned()),
        ..question(org, KeyId(uuid()), vec![user(text)])
    }
}

async fn query(store: &Store, org: OrganizationId, wanted: ConversationQuery) -> Vec<ConversationId> {
    let wanted = ConversationQuery { limit: 9, ..wanted };
    store.find_conversations(org, wanted).await.unwrap().into_iter().map(|found| found.id).collect()
}

fn note(body: &str) -> ConversationNote {
    ConversationNote { id: RowId(uuid()), author: Some(uuid()), body: body.to_owned(), created_at: at(5) }
}

both! {
    async fn conversations_are_found_by_words_of_their_own_organization(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let parcel = asked(&store, org, "anna", "Where is my parcel?").await;
        let invoice = asked(&store, org, "ben", "Where is my invoice?").await;
        let foreign = asked(&store, stranger, "anna", "Where is my parcel?").await;
        assert_eq!(find(&store, org, "parcel").await, [], "nobody has read it yet");
        assert_eq!(index(&store, 10).await, 3);
        assert_eq!(index(&store, 11).await, 0, "nothing is new");
        assert_eq!(find(&store, org, "parcel").await, [parcel]);
        assert_eq!(find(&store, org, "where parcel").await, [parcel], "it has all words");
        assert_eq!(find(&store, org, "parcel|invoice where").await, [invoice, parcel], "or one form of each");
        assert_eq!(find(&store, org, "parcel invoice").await, []);
        assert_eq!(find(&store, org, "certainly").await, [invoice, parcel], "answers count");
        assert_eq!(find(&store, stranger, "parcel").await, [foreign]);
        // Whatever is no hash is no condition of anybody's.
        for hostile in ["", "\"", "' OR 1=1", "* | NOT", "conversation_fts:x"] {
            assert_eq!(find(&store, org, hostile).await, [], "{hostile}");
        }
        let german = ConversationQuery { language: Some("de".to_owned()), ..ConversationQuery::default() };
        assert_eq!(query(&store, org, german).await, []);
        let english = ConversationQuery { language: Some("en".to_owned()), ..ConversationQuery::default() };
        assert_eq!(query(&store, org, english).await, [invoice, parcel]);

        // What is said later is found later, and an answer that is being written is read again.
        let turn = accept(&store, more(org, parcel, "anna", "It is a bicycle.")).await;
        assert_eq!(index(&store, 20).await, 1);
        assert_eq!(find(&store, org, "parcel bicycle").await, [parcel]);
        store.finish_turn(answer(org, turn.answer, "Understood.")).await.unwrap();
        assert_eq!(index(&store, 21).await, 0, "it isn't due yet");
        assert_eq!(index(&store, 60).await, 1);
        assert_eq!(find(&store, org, "understood").await, [parcel]);
        store.close().await;
    }

    async fn the_words_of_a_deleted_conversation_are_nowhere(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let kept = asked(&store, org, "anna", "Where is my parcel?").await;
        asked(&store, org, "ben", "My zebra is lost").await;
        index(&store, 10).await;
        assert_eq!(find(&store, org, "zebra").await.len(), 1);
        store.conversation(org, kept).await.unwrap().unwrap();
        // It goes as retention deletes it, in the same transaction.
        backend.script(&format!("UPDATE conversations SET updated_at = '2200-01-01T00:00:00.000000Z' WHERE id = '{kept}'")).await;
        let of = Retention { organization: org, days: 1 };
        let now = at(3 * 24 * 3600);
        while store.expire_conversations(of, None, now).await.unwrap().next.is_some() {}
        assert_eq!(find(&store, org, "zebra").await, []);
        assert_eq!(find(&store, org, "parcel").await, [kept]);
        assert_eq!(backend.number("SELECT COUNT(*) FROM conversation_words").await, 1);
        if backend.is_sqlite() {
            assert_eq!(backend.number("SELECT COUNT(*) FROM conversation_fts WHERE conversation_fts MATCH 'zebra'").await, 0);
            // SQLite's own check compares the index with the table, and `secure-delete` leaves no word behind.
            backend.script("INSERT INTO conversation_fts (conversation_fts, rank) VALUES ('integrity-check', 1)").await;
            let blocks = backend.number("SELECT COUNT(*) FROM conversation_fts_data WHERE instr(block, 'zebra') > 0 OR instr(block, 'ebra') > 0").await;
            assert_eq!(blocks, 0);
        }
        store.close().await;
    }

    async fn two_hosts_index_at_once_and_a_late_one_changes_nothing(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        for n in 0..12 {
            asked(&store, org, "anna", &format!("question number{n}")).await;
        }
        let read: usize = join_all((0..3).map(|_| index(&store, 10))).await.into_iter().sum();
        assert_eq!(read, 12, "each is read once");
        assert_eq!(find(&store, org, "number7").await.len(), 1);

        let id = asked(&store, org, "ben", "first").await;
        store.mark_unindexed_conversations(at(20)).await.unwrap();
        let mut taken = store.take_unindexed_conversations(at(20), LEASE).await.unwrap();
        let of = taken.pop().unwrap();
        assert_eq!((of.conversation, of.said.len(), of.is_unfinished), (id, 2, false));
        let turn = accept(&store, more(org, id, "ben", "second")).await;
        store.finish_turn(answer(org, turn.answer, "ok")).await.unwrap();
        store.mark_unindexed_conversations(at(21)).await.unwrap();
        let late = IndexedConversation { of, words: "first".to_owned(), language: None, again_at: None };
        store.index_conversations(vec![late]).await.unwrap();
        assert_eq!(index(&store, 22).await, 1, "the message that came meanwhile isn't lost");
        assert_eq!(find(&store, org, "first second").await, [id]);
    }

    async fn notes_and_tags_stay_with_the_agents(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let id = asked(&store, org, "anna", "hi").await;
        let hostile = "<script>\u{202e}' OR 1=1 -- {{visitor.name}}";
        store.add_conversation_note(org, id, note(hostile)).await.unwrap();
        let refused = store.add_conversation_note(stranger, id, note("no")).await;
        assert!(matches!(refused, Err(NoteError::Missing)), "{refused:?}");
        let record = store.conversation(org, id).await.unwrap().unwrap();
        assert_eq!(record.notes.iter().map(|note| note.body.as_str()).collect::<Vec<_>>(), [hostile]);
        let heard = store.messages_after(org, id, None, 10).await.unwrap().unwrap().1;
        assert!(heard.iter().all(|message| message.content != hostile), "the visitor doesn't hear it");
        let turn = accept(&store, more(org, id, "anna", "And?")).await;
        assert!(turn.history.iter().all(|message| message.content != hostile), "nor does the model");

        let change = |organization, add: &[&str], remove: &[&str]| TagChange {
            organization,
            conversation: id,
            add: add.iter().map(|tag| (*tag).to_owned()).collect(),
            remove: remove.iter().map(|tag| (*tag).to_owned()).collect(),
            most: 3,
            now: at(6),
        };
        assert_eq!(store.tag_conversation(change(org, &["a", hostile, "a"], &[])).await.unwrap(), ["a", hostile]);
        assert_eq!(store.tag_conversation(change(org, &["b"], &["a", "x"])).await.unwrap(), [hostile, "b"]);
        let many = store.tag_conversation(change(org, &["c", "d"], &[])).await;
        assert!(matches!(many, Err(NoteError::TooManyTags { most: 3 })), "{many:?}");
        assert!(matches!(store.tag_conversation(change(stranger, &["a"], &[])).await, Err(NoteError::Missing)));
        let tagged = ConversationQuery { tag: Some(hostile.to_owned()), ..ConversationQuery::default() };
        assert_eq!(query(&store, org, tagged.clone()).await, [id]);
        assert_eq!(query(&store, stranger, tagged).await, []);
        let many = join_all((0..6).map(|n| store.tag_conversation(change(org, &[["p", "q"][n % 2]], &["b"])))).await;
        assert!(many.into_iter().all(|tags| tags.is_ok()));
        let mut tags = store.conversation(org, id).await.unwrap().unwrap().tags;
        tags.sort();
        assert_eq!(tags, [hostile, "p", "q"], "none of those that come at once is lost");
    }

    async fn a_snoozed_conversation_comes_back_by_itself_and_when_the_visitor_writes(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let id = asked(&store, org, "anna", "hi").await;
        let listed = async |snoozed: bool, seconds: u64| {
            let wanted = ConversationQuery { snoozed: Some((snoozed, at(seconds))), ..ConversationQuery::default() };
            query(&store, org, wanted).await
        };
        let refused = store.snooze_conversation(stranger, id, Some(at(100)), at(5)).await;
        assert!(matches!(refused, Err(HandoverError::Missing)), "{refused:?}");
        store.snooze_conversation(org, id, Some(at(100)), at(5)).await.unwrap();
        assert_eq!((listed(false, 10).await, listed(true, 10).await), (vec![], vec![id]));
        assert_eq!((listed(false, 100).await, listed(true, 100).await), (vec![id], vec![]));
        // The visitor's message and another snooze at once: one of them is last, and nothing is lost.
        let (turn, snoozed) = futures::join!(
            store.begin_turn(more(org, id, "anna", "Hello?")),
            store.snooze_conversation(org, id, Some(at(200)), at(6))
        );
        assert!(matches!(turn.unwrap(), BeginTurn::Accepted(_)) && snoozed.is_ok());
        accept(&store, more(org, id, "anna", "Hello??")).await;
        assert_eq!(store.conversation(org, id).await.unwrap().unwrap().handling.snoozed_until, None);
        store.snooze_conversation(org, id, Some(at(300)), at(7)).await.unwrap();
        store.snooze_conversation(org, id, None, at(8)).await.unwrap();
        assert_eq!(listed(false, 10).await, [id]);
    }

    async fn merged_conversations_go_on_in_one(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let key = KeyId(uuid());
        let named = |text: &str| NewTurn {
            conversation: ConversationRef::Named("chat".to_owned()),
            visitor: Some("anna".to_owned()),
            ..question(org, key, vec![user(text)])
        };
        let first = accept(&store, named("Where is my parcel?")).await;
        store.finish_turn(answer(org, first.answer, "On its way.")).await.unwrap();
        let (from, into) = (first.conversation, asked(&store, org, "anna", "hi").await);
        let ben = asked(&store, org, "ben", "hi").await;
        let nobody = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await.conversation;
        for (from, into) in [(from, ben), (from, nobody), (nobody, from)] {
            let refused = store.merge_conversations(org, from, into, at(10)).await;
            assert!(matches!(refused, Err(MergeError::OtherVisitor)), "{refused:?}");
        }
        assert!(matches!(store.merge_conversations(org, from, from, at(10)).await, Err(MergeError::Same)));
        assert!(matches!(store.merge_conversations(stranger, from, into, at(10)).await, Err(MergeError::Missing)));
        let waits = HandOver { organization: org, conversation: from, by: HandoverSource::Visitor, summary: None, answer: None, now: at(9) };
        store.hand_over(waits).await.unwrap();
        store.merge_conversations(org, from, into, at(10)).await.unwrap();
        let handling = store.conversation(org, from).await.unwrap().unwrap().handling;
        assert_eq!((handling.state, handling.merged_into), (ConversationState::Closed, Some(into)));
        assert_eq!(texts(&store, org, from).await, ["Where is my parcel?", "On its way."], "it stays readable");
        let target = store.conversation(org, into).await.unwrap().unwrap();
        assert_eq!((target.merged_from, target.handling.state), (vec![from], ConversationState::Waiting));
        let agent = Assignment { organization: org, conversation: from, assignee: Some(uuid()), from: None, now: at(11) };
        assert!(matches!(store.assign_conversation(agent).await, Err(HandoverError::Merged)));
        for (from, into) in [(from, into), (into, from)] {
            assert!(matches!(store.merge_conversations(org, from, into, at(12)).await, Err(MergeError::Merged)));
        }

        // By its name and by its id, the visitor reaches where it goes on; what was said before isn't said again.
        for name in ["chat", &from.to_string()] {
            let found = store.find_conversation(&person(org, key, Some("anna")), name).await.unwrap();
            assert_eq!(found, Some(into));
        }
        let history = vec![user("Where is my parcel?"), crate::backend::assistant("On its way."), user("Hello?")];
        let ids = history.iter().map(|_| MessageId(uuid())).collect();
        let again = NewTurn { messages: history, message_ids: ids, ..named("") };
        let BeginTurn::HandedOver { notice, .. } = store.begin_turn(again).await.unwrap() else { panic!("somebody waits") };
        assert_eq!(notice.conversation_id, into);
        assert_eq!(texts(&store, org, into).await, ["hi", "Certainly.", "Hello?", &notice.content]);

        // One that leads on is followed to the end; without the last one, it is its own again.
        let last = asked(&store, org, "anna", "third").await;
        store.merge_conversations(org, into, last, at(13)).await.unwrap();
        assert_eq!(store.find_conversation(&person(org, key, Some("anna")), "chat").await.unwrap(), Some(last));
        backend.script(&format!("DELETE FROM turns WHERE conversation_id = '{last}'; DELETE FROM messages WHERE conversation_id = '{last}'; DELETE FROM conversations WHERE id = '{last}'")).await;
        let turn = accept(&store, more(org, into, "anna", "Still there?")).await;
        assert_eq!(turn.conversation, into);
        let handling = store.conversation(org, into).await.unwrap().unwrap().handling;
        assert_eq!((handling.state, handling.merged_into), (ConversationState::Ai, None));
    }

    async fn a_merge_and_a_message_at_once_lose_nothing(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        for round in 0..6 {
            let from = asked(&store, org, "anna", "first").await;
            let into = asked(&store, org, "anna", "second").await;
            let said = format!("round {round}");
            let (turn, merged, back) = futures::join!(
                store.begin_turn(more(org, from, "anna", &said)),
                store.merge_conversations(org, from, into, at(10)),
                store.merge_conversations(org, into, from, at(10))
            );
            let BeginTurn::Accepted(turn) = turn.unwrap() else { panic!("the assistant has it") };
            assert!(merged.is_ok() != back.is_ok(), "one of two merges wins: {merged:?} {back:?}");
            let at_last = store.find_conversation(&person(org, KeyId(uuid()), Some("anna")), &from.to_string()).await;
            let at_last = at_last.unwrap().unwrap();
            let mut all = texts(&store, org, from).await;
            all.extend(texts(&store, org, into).await);
            assert_eq!(all.iter().filter(|text| **text == said).count(), 1, "{all:?}");
            assert!(turn.conversation == from || turn.conversation == into);
            let outcome = store.finish_turn(answer(org, turn.answer, "answered")).await.unwrap();
            let stored = texts(&store, org, at_last).await.contains(&"answered".to_owned());
            let cut = outcome != resly_core::turn::store::FinishOutcome::Stored;
            assert!(stored || cut || turn.conversation != at_last, "{outcome:?}");
        }
    }

    async fn canned_replies_have_names_of_their_own(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let reply = |name: &str, body: &str| CannedReply {
            id: RowId(uuid()), name: name.to_owned(), body: body.to_owned(), updated_at: at(1),
        };
        let hello = reply("hello", "<b>{{visitor.name}}</b>\0 '; DROP TABLE x");
        let by = Actor::key(org, KeyId(uuid()), "web".to_owned(), at(1));
        actor::within(by, async {
            store.add_canned_reply(org, hello.clone()).await.unwrap();
            assert!(matches!(store.add_canned_reply(org, reply("hello", "x")).await, Err(CannedReplyError::NameTaken)));
            store.add_canned_reply(stranger, reply("hello", "theirs")).await.unwrap();
            store.add_canned_reply(org, reply("bye", "Bye")).await.unwrap();
            let other = CannedReply { name: "bye".to_owned(), ..hello.clone() };
            assert!(matches!(store.change_canned_reply(org, other).await, Err(CannedReplyError::NameTaken)));
            let changed = CannedReply { body: "Hello!".to_owned(), ..hello.clone() };
            assert!(matches!(store.change_canned_reply(stranger, changed.clone()).await, Err(CannedReplyError::Missing)));
            store.change_canned_reply(org, changed).await.unwrap();
            let names: Vec<_> = store.canned_replies(org).await.unwrap().into_iter().map(|reply| (reply.name, reply.body)).collect();
            assert_eq!(names, [("bye".to_owned(), "Bye".to_owned()), ("hello".to_owned(), "Hello!".to_owned())]);
            assert!(matches!(store.delete_canned_reply(stranger, hello.id).await, Err(CannedReplyError::Missing)));
            store.delete_canned_reply(org, hello.id).await.unwrap();
        })
        .await;
        assert_eq!(store.canned_replies(org).await.unwrap().len(), 1);
        let wanted = AuditQuery { action: Some("canned_reply".to_owned()), limit: 9, ..AuditQuery::default() };
        let log = store.audit_log(org, wanted).await.unwrap();
        let mut actions: Vec<_> = log.iter().map(|entry| entry.action.as_str()).collect();
        actions.sort_unstable();
        assert_eq!(actions, ["canned_reply.change", "canned_reply.create", "canned_reply.create", "canned_reply.delete"]);
    }

    async fn the_webhook_hears_of_hand_overs_and_tickets(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let hook = Webhook {
            id: WebhookId(uuid()),
            url: "https://hooks.example".to_owned(),
            events: None,
            secret: vec![1],
            previous: None,
            created_at: at(0),
        };
        store.put_webhook(org, hook).await.unwrap();
        let id = asked(&store, org, "anna", "secret words").await;
        let request = HandOver { organization: org, conversation: id, by: HandoverSource::Visitor, summary: None, answer: None, now: at(2) };
        store.hand_over(request.clone()).await.unwrap();
        store.hand_over(request).await.unwrap();
        store.return_conversation(org, id, at(3)).await.unwrap();
        let fields = TicketFields {
            subject: "secret subject".to_owned(), status: "open".to_owned(), priority: "high".to_owned(), ..TicketFields::default()
        };
        let ticket = TicketWrite {
            organization: org, id: resly_core::id::TicketId(uuid()), conversation: Some(id), fields, now: at(4),
        };
        store.open_ticket(ticket.clone()).await.unwrap();
        store.change_ticket(TicketWrite { conversation: None, now: at(5), ..ticket }).await.unwrap();
        let due = store.take_due_deliveries(at(10), at(70), 9).await.unwrap();
        let mut told: Vec<_> = due.iter().map(|due| serde_json::from_str::<serde_json::Value>(&due.payload).unwrap()).collect();
        told.sort_by_key(|message| message["timestamp"].to_string());
        let events: Vec<_> = told.iter().map(|message| message["type"].as_str().unwrap()).collect();
        let expected = [Event::ConversationHandedOver, Event::ConversationReturned, Event::TicketCreated, Event::TicketUpdated];
        assert_eq!(events, expected.map(Event::name));
        assert_eq!((&told[0]["data"]["handed_over_by"], &told[0]["data"]["state"]), (&"visitor".into(), &"waiting".into()));
        assert_eq!(told[3]["data"]["conversation"], id.to_string());
        assert!(told.iter().all(|message| !message.to_string().contains("secret")), "{told:?}");
    }

    async fn filters_narrow_the_list_and_a_reply_clears_nothing(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let anna = uuid();
        let key = KeyId(uuid());
        let first = accept(&store, question(org, key, vec![user("one")])).await.conversation;
        let second = asked(&store, org, "ben", "two").await;
        let assignment = Assignment { organization: org, conversation: second, assignee: Some(anna), from: None, now: at(2) };
        store.assign_conversation(assignment).await.unwrap();
        let reply = AgentReply { organization: org, conversation: second, id: MessageId(uuid()), author: Some(anna), content: "Hi".to_owned(), now: at(3) };
        assert_eq!(store.reply_as_agent(reply).await.unwrap().role, Role::Agent);
        let all = ConversationQuery::default;
        let assigned = |assigned| ConversationQuery { assigned: Some(assigned), ..all() };
        assert_eq!(query(&store, org, assigned(Assigned::Nobody)).await, [first]);
        assert_eq!(query(&store, org, assigned(Assigned::To(anna))).await, [second]);
        assert_eq!(query(&store, org, ConversationQuery { key: Some(key), ..all() }).await, [first]);
        assert_eq!(query(&store, org, ConversationQuery { key: Some(KeyId(uuid())), ..all() }).await, []);
    }
}
