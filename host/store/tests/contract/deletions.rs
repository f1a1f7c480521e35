//! A visitor's data, deleted on request: nothing is left of it, others keep theirs, and the record is true.

use resly_core::{
    approval::{Approval, ApprovalState, ApprovalStore, LIFETIME, round::Round},
    connector::{
        account::AccountStore,
        call::{CallRecord, CallStatus, ConnectionStore},
        fault::FaultKind,
        sandbox::StateStore,
    },
    id::{ApprovalId, CallId, ConversationId, DeletionId, KeyId, OrganizationId, TicketId},
    meter::Meter,
    time::Timestamp,
    turn::store::{BeginTurnError, ConversationRef, NewTicket, NewTurn, TurnStore},
};
use resly_store::{Deletion, DeletionQuery, DeletionState, DueDeletion, NewDeletion, Store};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    accounts::{installed, key as account_key, tokens},
    backend::{Backend, accept, answer, at, idempotency, organization, question, refusal, user, uuid},
    both,
    calls::{all, record},
};

/// What is asked of a store for this visitor.
fn new(organization: OrganizationId, visitor: &str) -> NewDeletion {
    NewDeletion {
        id: DeletionId(uuid()),
        organization,
        visitor: visitor.to_owned(),
        visitor_hash: [9; 32],
        requested_by: uuid(),
        now: at(10),
    }
}

async fn request(store: &Store, organization: OrganizationId, visitor: &str) -> Deletion {
    store.request_deletion(new(organization, visitor)).await.unwrap().unwrap()
}

async fn take(store: &Store, now: Timestamp) -> Option<DueDeletion> {
    store.take_deletion(now, now.plus(std::time::Duration::from_secs(60))).await.unwrap()
}

/// Does the rest of the work on a request, as a host does.
async fn finish(store: &Store, due: DueDeletion) {
    assert_eq!(store.cancel_answers_to_visitor(due.clone()).await.unwrap(), []);
    for (key, _) in store.visitor_accounts(&due).await.unwrap() {
        store.delete_visitor_account(due.clone(), key, false, at(70)).await.unwrap();
    }
    while store.delete_visitor_rows(due.clone(), at(70)).await.unwrap() {}
    store.complete_deletion(due, at(11)).await.unwrap();
}

fn of(organization: OrganizationId, visitor: &str, text: &str) -> NewTurn {
    NewTurn { visitor: Some(visitor.to_owned()), ..question(organization, KEY, vec![user(text)]) }
}

const KEY: KeyId = KeyId(uuid::Uuid::from_u128(77));

/// All that a visitor can leave, with `word` in each text. Returns the conversation.
async fn leaves_everything(store: &Store, org: OrganizationId, visitor: &str, word: &str) -> ConversationId {
    let by = idempotency(&format!("key {word}"), 1);
    let asked = NewTurn {
        conversation: ConversationRef::Named(format!("chat {word}")),
        idempotency: by,
        ..of(org, visitor, word)
    };
    let turn = accept(store, asked).await;
    store.finish_turn(answer(org, turn.answer, &format!("You said {word}"))).await.unwrap();
    let long = format!("{}{word}", "a long story ".repeat(2000));
    let again = NewTurn { conversation: ConversationRef::Id(turn.conversation), ..of(org, visitor, &long) };
    let again = accept(store, again).await;
    store.finish_turn(answer(org, again.answer, &long)).await.unwrap();

    let connection = installed(store, org).await;
    let ticket = NewTicket {
        id: TicketId(uuid()),
        organization: org,
        conversation: Some(turn.conversation),
        subject: format!("About {word}"),
        body: long,
        now: at(1),
    };
    store.create_ticket(ticket).await.unwrap();
    let approval = Approval {
        id: ApprovalId(uuid()),
        organization: org,
        conversation: turn.conversation,
        message: turn.answer,
        call: "call_1".to_owned(),
        key: KEY,
        visitor: Some(visitor.to_owned()),
        connection: connection.id,
        revision: 1,
        authorized_at: None,
        action: "refund".to_owned(),
        input: json!({"order": word}),
        title: "Refund".to_owned(),
        text: format!("Refund {word}"),
        state: ApprovalState::Pending,
        decided_by: None,
        decided_at: None,
        reason: None,
        outcome: None,
        round: Round::default(),
        created_at: at(0),
        expires_at: at(0).plus(LIFETIME),
    };
    store.create_approvals(vec![approval]).await.unwrap();
    let call = CallRecord {
        conversation: Some(turn.conversation),
        status: CallStatus::Failed(FaultKind::NotFound),
        message: Some(format!("no order {word}")),
        requests: vec![
            json!({"method": "GET", "host": "crm.example.com", "path": format!("/orders/{word}"), "status": 404}),
        ],
        ..record(org, CallId(uuid()), 0)
    };
    store.log_call(call).await.unwrap();
    assert!(store.put_account(account_key(&connection, Some(visitor)), 1, tokens(1), at(2)).await.unwrap());
    let scope = format!("crm/{visitor}");
    store.set_state(org, connection.id, &scope, "cart", word.as_bytes(), at(900), at(2)).await.unwrap();
    turn.conversation
}

/// Every row of every table that has the word, as the table's name.
async fn tables_with(backend: &Backend, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(url) = backend.url() {
        let mut conn = PgConnection::connect(url).await.unwrap();
        let tables = "SELECT table_name::text FROM information_schema.tables
                      WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut conn).await.unwrap();
        assert!(tables.len() > 30, "{tables:?}");
        // Bytes are written in hex.
        let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
        for table in tables {
            let count =
                format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{word}%' OR t::text LIKE '%{hex}%'");
            let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut conn).await.unwrap();
            if rows > 0 {
                found.push(table);
            }
        }
    }
    found
}

both! {
    async fn nothing_that_a_visitor_said_is_left_and_others_keep_theirs(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let elsewhere = organization(&store, &[]).await;
        let chat = leaves_everything(&store, org, "anna-CANARYNAME", "CANARYWORD").await;
        let others = [(org, "berta"), (elsewhere, "anna-CANARYNAME")];
        let mut kept = Vec::new();
        for (organization, visitor) in others {
            kept.push((organization, leaves_everything(&store, organization, visitor, "kept").await));
        }
        let before = store.usage(org, at(0)).await.unwrap();
        if !backend.is_sqlite() {
            let tables = tables_with(&backend, "CANARYWORD").await;
            for table in ["approvals", "connector_logs", "connector_state", "conversations", "messages", "tickets", "turns"] {
                assert!(tables.contains(&table.to_owned()), "{table} is not among {tables:?}");
            }
        }

        let asked = request(&store, org, "anna-CANARYNAME").await;
        assert_eq!((asked.state, asked.completed_at), (DeletionState::Pending, None));
        let due = take(&store, at(10)).await.unwrap();
        assert_eq!((due.id, due.visitor.as_str()), (asked.id, "anna-CANARYNAME"));
        finish(&store, due).await;

        let done = store.deletion(org, asked.id).await.unwrap().unwrap();
        assert_eq!((done.state, done.completed_at), (DeletionState::Done, Some(at(11))));
        let deleted = done.deleted;
        assert_eq!((deleted.conversations, deleted.messages, deleted.tickets), (1, 4, 1));
        assert_eq!((deleted.approvals, deleted.connector_calls, deleted.idempotency_results), (1, 1, 2));
        assert_eq!((done.accounts, done.unconfirmed_revocations), (1, 1));
        assert!(store.deletion(elsewhere, asked.id).await.unwrap().is_none());
        let with = |hash| DeletionQuery { visitor_hash: Some(hash), before: None, limit: 9 };
        assert_eq!(store.deletions(org, with([9; 32])).await.unwrap().len(), 1);
        assert!(store.deletions(org, with([8; 32])).await.unwrap().is_empty());
        assert!(store.conversation(org, chat).await.unwrap().is_none());

        // What is counted and billed stays, without a word of it.
        let after = store.usage(org, at(0)).await.unwrap();
        assert_eq!(before.meters[&Meter::Messages].used, after.meters[&Meter::Messages].used);
        assert_eq!(backend.number("SELECT COUNT(*) FROM billing_events").await, 6);
        for (organization, conversation) in kept {
            assert_eq!(store.conversation(organization, conversation).await.unwrap().unwrap().messages.len(), 4);
            assert_eq!(store.list_tickets(organization, None, 9).await.unwrap().tickets.len(), 1);
            assert_eq!(store.logs(organization, all()).await.unwrap().calls.len(), 1);
        }
        assert_eq!(backend.number("SELECT COUNT(*) FROM connection_accounts").await, 2);
        assert_eq!(backend.number("SELECT COUNT(*) FROM connector_state").await, 2);
        assert_eq!(backend.number("SELECT COUNT(*) FROM approvals").await, 2);

        assert_eq!(tables_with(&backend, "CANARYWORD").await, Vec::<String>::new());
        if backend.is_sqlite() {
            // Pages that were freed, and the log of writes, hold nothing of it: the ends of long texts lie in pages of their
            // own. What a page in use may keep in its gaps is gone after a vacuum.
            assert!(store.empty_write_log().await.unwrap());
            let file = backend.config().data_dir.join("resly.db");
            assert_eq!(std::fs::metadata(file.with_extension("db-wal")).unwrap().len(), 0);
            assert!(!contains(&std::fs::read(&file).unwrap(), "a long story CANARYWORD"));
            store.close().await;
            backend.execute("VACUUM").await;
            let bytes = std::fs::read(&file).unwrap();
            assert!(!contains(&bytes, "CANARYWORD"));
            assert!(contains(&bytes, "a long story kept"), "the search finds what is there");
        }
    }

    async fn a_host_that_dies_leaves_a_true_record(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        for _ in 0..120 {
            let turn = accept(&store, of(org, "anna", "hi")).await;
            store.finish_turn(answer(org, turn.answer, "hello")).await.unwrap();
        }
        let asked = request(&store, org, "anna").await;
        let due = take(&store, at(10)).await.unwrap();
        assert!(store.delete_visitor_rows(due, at(70)).await.unwrap());
        let half = store.deletion(org, asked.id).await.unwrap().unwrap().deleted;
        assert_eq!((half.conversations, half.messages), (50, 100));
        store.close().await;

        let store = backend.open().await;
        assert!(take(&store, at(69)).await.is_none(), "the host that took it may be alive");
        let due = take(&store, at(70)).await.unwrap();
        finish(&store, due).await;
        let done = store.deletion(org, asked.id).await.unwrap().unwrap();
        assert_eq!((done.state, done.deleted.conversations, done.deleted.messages), (DeletionState::Done, 120, 240));
        assert_eq!(backend.number("SELECT COUNT(*) FROM messages").await, 0);
        assert!(take(&store, at(9999)).await.is_none());
    }

    async fn a_large_conversation_takes_several_transactions(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let first = accept(&store, of(org, "anna", "hi")).await;
        store.finish_turn(answer(org, first.answer, "hello")).await.unwrap();
        for _ in 0..149 {
            let more = NewTurn { conversation: ConversationRef::Id(first.conversation), ..of(org, "anna", "and?") };
            let more = accept(&store, more).await;
            store.finish_turn(answer(org, more.answer, "so")).await.unwrap();
        }
        let asked = request(&store, org, "anna").await;
        let due = take(&store, at(10)).await.unwrap();
        assert!(store.delete_visitor_rows(due.clone(), at(70)).await.unwrap());
        let part = store.deletion(org, asked.id).await.unwrap().unwrap().deleted;
        assert_eq!((part.messages, part.conversations), (200, 0));
        finish(&store, due).await;
        let all = store.deletion(org, asked.id).await.unwrap().unwrap().deleted;
        assert_eq!((all.messages, all.conversations, all.idempotency_results), (300, 1, 150));
    }

    async fn who_chats_meanwhile_is_a_new_visitor(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let named = |conversation| NewTurn { conversation, ..of(org, "anna", "hi") };
        let old = accept(&store, named(ConversationRef::Named("support".to_owned()))).await;
        store.finish_turn(answer(org, old.answer, "hello")).await.unwrap();
        let asked = request(&store, org, "anna").await;
        assert_eq!(request(&store, org, "anna").await.id, asked.id, "nothing is new");

        let by_id = named(ConversationRef::Id(old.conversation));
        assert!(matches!(refusal(&store, by_id).await, BeginTurnError::NoConversation));
        let new = accept(&store, named(ConversationRef::Named("support".to_owned()))).await;
        assert_ne!(new.conversation, old.conversation);
        assert_eq!(new.history.len(), 1, "what was said before is not a part of it");
        store.finish_turn(answer(org, new.answer, "hello")).await.unwrap();
        let again = request(&store, org, "anna").await;
        assert_ne!(again.id, asked.id, "what was said since is another request's");

        let due = take(&store, at(10)).await.unwrap();
        finish(&store, due).await;
        assert!(store.conversation(org, old.conversation).await.unwrap().is_none());
        assert!(store.conversation(org, new.conversation).await.unwrap().is_some());
        let due = take(&store, at(10)).await.unwrap();
        finish(&store, due).await;
        assert_eq!(backend.number("SELECT COUNT(*) FROM conversations").await, 0);
        assert_eq!(backend.number("SELECT COUNT(*) FROM visitors").await, 0);
        assert!(store.request_deletion(crate::deletions::new(org, "anna")).await.unwrap().is_none(), "nothing is stored");
    }

    async fn an_answer_ends_before_its_question_goes(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let running = accept(&store, of(org, "anna", "hi")).await;
        accept(&store, of(org, "berta", "hi")).await;
        request(&store, org, "anna").await;
        let due = take(&store, at(10)).await.unwrap();
        assert_eq!(store.cancel_answers_to_visitor(due.clone()).await.unwrap(), [running.answer]);
        assert_eq!(store.cancel_requests().await.unwrap(), [running.answer]);
        store.postpone_deletion(due, at(12)).await.unwrap();
        assert!(take(&store, at(11)).await.is_none());
        store.finish_turn(answer(org, running.answer, "hel")).await.unwrap();
        let due = take(&store, at(12)).await.unwrap();
        finish(&store, due).await;
        assert_eq!(backend.number("SELECT COUNT(*) FROM billing_events").await, 1, "it was counted and is billed");
        assert_eq!(backend.number("SELECT COUNT(*) FROM turns").await, 1, "berta's");
    }

    async fn a_call_that_ends_after_its_conversation_keeps_no_word(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let call = CallRecord {
            conversation: Some(ConversationId(uuid())),
            message: Some("no order 7".to_owned()),
            ..record(org, CallId(uuid()), 5)
        };
        store.finish_call(call.clone()).await.unwrap();
        let logged = &store.logs(org, all()).await.unwrap().calls[0].call;
        assert_eq!((logged.id, logged.conversation, &logged.message), (call.id, None, &None));
        assert!(logged.log.is_empty() && logged.requests.is_empty());
        assert_eq!(logged.cost, call.cost, "what it cost is settled");
    }

    async fn a_visitor_is_found_by_either_id_and_a_stranger_by_none(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        accept(&store, of(org, "anna", "hi")).await;
        let connection = installed(&store, org).await;
        store.put_account(account_key(&connection, Some("carla")), 1, tokens(1), at(2)).await.unwrap();
        let stranger = organization(&store, &[]).await;
        assert_eq!(store.find_visitor(org, "anna").await.unwrap().as_deref(), Some("anna"));
        assert_eq!(store.find_visitor(stranger, "anna").await.unwrap(), None);
        assert!(store.request_deletion(new(stranger, "anna")).await.unwrap().is_none());
        assert!(store.request_deletion(new(org, "nobody")).await.unwrap().is_none());
        // Who only connected an account is known by it.
        assert_eq!(store.find_visitor(org, "carla").await.unwrap(), None);
        request(&store, org, "carla").await;
        let due = take(&store, at(10)).await.unwrap();
        finish(&store, due).await;
        assert!(store.account(&account_key(&connection, Some("carla"))).await.unwrap().is_none());

        // An account that was connected after the request is somebody's who came back.
        request(&store, org, "anna").await;
        store.put_account(account_key(&connection, Some("anna")), 1, tokens(1), at(11)).await.unwrap();
        let due = take(&store, at(10)).await.unwrap();
        assert_eq!(store.find_visitor(org, "anna").await.unwrap(), None, "it is being deleted");
        assert!(store.visitor_accounts(&due).await.unwrap().is_empty());
    }
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}
