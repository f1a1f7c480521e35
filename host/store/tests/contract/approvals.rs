//! Approvals: decided once, by whom it concerns, in time; and answers that go on.

use futures::future::join_all;
use resly_core::{
    approval::{
        Approval, ApprovalState, ApprovalStore, ChatClient, Decided, Decision, LIFETIME, Outcome, Verdict,
        round::{Round, RoundCall},
    },
    connector::fault::FaultKind,
    id::{ApprovalId, ConnectionId, ConversationId, KeyId, MessageId, OrganizationId},
    model::{ProviderData, ToolCall},
    plan::Overrides,
    principal::KeyKind,
    turn::store::{BeginTurnError, ConversationRef, NewTurn, TurnStore},
};
use resly_store::{ApprovalQuery, Cursor, ListedApproval, NewKey, Store};
use serde_json::json;
use tokio::task::spawn;

use crate::{
    backend::{
        Backend, accept, answer, at, idempotency, key, organization, question, refund, refusal, successor, texts, user,
        uuid,
    },
    both,
};

/// A pending approval in a conversation of its own, asked under a key.
async fn asked(store: &Store, organization: OrganizationId, key: KeyId) -> Approval {
    let turn = accept(store, question(organization, key, vec![user("refund it")])).await;
    let approval = Approval {
        id: ApprovalId(uuid()),
        organization,
        conversation: turn.conversation,
        message: turn.answer,
        call: "call_1".to_owned(),
        key,
        visitor: Some("v".to_owned()),
        connection: ConnectionId(uuid()),
        revision: 3,
        authorized_at: Some(at(7)),
        action: "refund".to_owned(),
        input: json!({"z": 1.5, "a": "\0\u{202e}", "n": null}),
        title: "Shop: Refund".to_owned(),
        text: "Shop: Refund\n- z: 1.5".to_owned(),
        state: ApprovalState::Pending,
        decided_by: None,
        decided_at: None,
        reason: None,
        outcome: None,
        round: Round {
            calls: vec![RoundCall::new(
                "call_1".to_owned(),
                ToolCall {
                    id: "call_0".to_owned(),
                    name: "find".to_owned(),
                    arguments: "{\"a\": \"\\u0000\"}".to_owned(),
                    data: provider_data("\0 signed"),
                },
                Some("\0 found".to_owned()),
                vec![],
            )],
            data: provider_data("thought"),
        },
        created_at: at(0),
        expires_at: at(0).plus(LIFETIME),
    };
    store.create_approvals(vec![approval.clone()]).await.unwrap();
    store.finish_turn(answer(organization, turn.answer, "Sure?")).await.unwrap();
    approval
}

fn provider_data(text: &str) -> ProviderData {
    ProviderData([("extra_content".to_owned(), json!({"signature": text}))].into_iter().collect())
}

fn person(organization: OrganizationId, key: KeyId) -> ChatClient {
    ChatClient { organization, key, kind: KeyKind::Secret, visitor: Some("v".to_owned()) }
}

fn verdict(approval: &Approval, person: &ChatClient, verdict: Verdict, seconds: u64) -> Decision {
    Decision { id: approval.id, person: person.clone(), verdict, now: at(seconds) }
}

both! {
    async fn an_approval_is_kept_exactly_and_settled_once(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let asking = KeyId(uuid());
        let approval = asked(&store, org, asking).await;
        let me = person(org, asking);
        assert_eq!(store.approval(&me, approval.id).await.unwrap().unwrap(), approval);
        // Nothing came of what wasn't approved.
        let output = Outcome::Output(json!({"a": "\0"}));
        store.settle_approval(org, approval.id, output.clone()).await.unwrap();
        assert_eq!(store.approval(&me, approval.id).await.unwrap().unwrap(), approval);

        let other = person(org, KeyId(uuid()));
        let yes = verdict(&approval, &other, Verdict::Approve, 5);
        let Decided::First(decided) = store.decide_approval(yes.clone()).await.unwrap() else { panic!() };
        assert_eq!((decided.state, decided.decided_by, decided.decided_at), (ApprovalState::Approved, Some(other.key), Some(at(5))));
        // A host that dies here leaves it approved, and nobody is told to execute it again.
        let Decided::Before(again) = store.decide_approval(yes).await.unwrap() else { panic!() };
        assert_eq!(again, decided);
        store.settle_approval(org, approval.id, output.clone()).await.unwrap();
        let late = Outcome::Error { kind: FaultKind::Upstream, message: "late".to_owned(), remedy: None };
        store.settle_approval(org, approval.id, late).await.unwrap();
        let settled = store.approval(&me, approval.id).await.unwrap().unwrap();
        assert_eq!((settled.state, settled.outcome), (ApprovalState::Executed, Some(output)));
        assert_eq!(settled.input, approval.input);
    }

    async fn a_no_and_a_late_yes_are_the_end_of_it(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let asking = KeyId(uuid());
        let approval = asked(&store, org, asking).await;
        let me = person(org, asking);
        let no = Verdict::Decline { reason: Some("too\0 dear".to_owned()) };
        let Decided::First(decided) = store.decide_approval(verdict(&approval, &me, no, 5)).await.unwrap() else { panic!() };
        assert_eq!((decided.state, decided.reason.as_deref()), (ApprovalState::Declined, Some("too\u{fffd} dear")));
        let yes = store.decide_approval(verdict(&approval, &me, Verdict::Approve, 6)).await.unwrap();
        assert!(matches!(yes, Decided::Before(before) if before == decided));

        let late = asked(&store, org, asking).await;
        let yes = store.decide_approval(verdict(&late, &me, Verdict::Approve, LIFETIME.as_secs())).await.unwrap();
        assert!(matches!(yes, Decided::First(expired) if expired.state == ApprovalState::Expired));
    }

    async fn of_many_at_once_one_decides(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let asking = KeyId(uuid());
        let approval = asked(&store, org, asking).await;
        let deciding = (0..20).map(|at| {
            let said = if at % 2 == 0 { Verdict::Approve } else { Verdict::Decline { reason: None } };
            let (store, decision) = (store.clone(), verdict(&approval, &person(org, asking), said, 1));
            spawn(async move { store.decide_approval(decision).await.unwrap() })
        });
        let decided: Vec<Decided> = join_all(deciding).await.into_iter().map(Result::unwrap).collect();
        let first: Vec<&Approval> = decided.iter().filter_map(|d| if let Decided::First(a) = d { Some(a) } else { None }).collect();
        assert_eq!(first.len(), 1);
        for one in &decided {
            let (Decided::First(approval) | Decided::Before(approval)) = one else { panic!("{one:?}") };
            assert_eq!(approval, first[0]);
        }
    }

    async fn strangers_and_other_pages_see_nothing(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = NewKey { kind: KeyKind::Publishable, ..key(org) };
        let asking = new.id;
        store.create_key(new).await.unwrap();
        let approval = asked(&store, org, asking).await;
        let elsewhere = organization(&store, &[]).await;
        let page = |key| ChatClient { kind: KeyKind::Publishable, ..person(org, key) };
        for who in [person(elsewhere, asking), page(KeyId(uuid()))] {
            assert!(store.approval(&who, approval.id).await.unwrap().is_none());
            let decided = store.decide_approval(verdict(&approval, &who, Verdict::Approve, 1)).await.unwrap();
            assert!(matches!(decided, Decided::Unknown));
        }
        let unknown = Decision { id: ApprovalId(uuid()), ..verdict(&approval, &page(asking), Verdict::Approve, 1) };
        assert!(matches!(store.decide_approval(unknown).await.unwrap(), Decided::Unknown));
        assert_eq!(store.approval(&page(asking), approval.id).await.unwrap().unwrap().state, ApprovalState::Pending);
        // A key of the same lineage, and any secret one, may.
        let rotated = NewKey { kind: KeyKind::Publishable, ..key(org) };
        let next = rotated.id;
        store.rotate_key(org, asking, successor(&rotated), at(60)).await.unwrap();
        assert!(store.approval(&page(next), approval.id).await.unwrap().is_some());
        assert!(store.approval(&person(org, KeyId(uuid())), approval.id).await.unwrap().is_some());
    }

    async fn what_was_asked_of_a_visitor_is_decided_by_that_visitor(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let asking = KeyId(uuid());
        let approval = Approval { id: ApprovalId(uuid()), visitor: Some("alice".to_owned()), ..asked(&store, org, asking).await };
        store.create_approvals(vec![approval.clone()]).await.unwrap();
        let of = |visitor: Option<&str>| ChatClient { visitor: visitor.map(str::to_owned), ..person(org, asking) };
        for who in [of(None), of(Some("bob"))] {
            assert!(store.approval(&who, approval.id).await.unwrap().is_none());
            let decided = store.decide_approval(verdict(&approval, &who, Verdict::Approve, 1)).await.unwrap();
            assert!(matches!(decided, Decided::Unknown));
        }
        let decided = store.decide_approval(verdict(&approval, &of(Some("alice")), Verdict::Approve, 1)).await.unwrap();
        assert!(matches!(decided, Decided::First(_)));
    }

    /// As when a newer version of the host has written the row.
    async fn a_kind_of_fault_that_this_version_does_not_know_is_internal(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let asking = KeyId(uuid());
        let approval = asked(&store, org, asking).await;
        let of = person(org, asking);
        store.decide_approval(verdict(&approval, &of, Verdict::Approve, 1)).await.unwrap();
        let outcome = Outcome::Error { kind: FaultKind::Denied, message: "no".to_owned(), remedy: None };
        store.settle_approval(org, approval.id, outcome).await.unwrap();
        backend.execute("UPDATE approvals SET outcome = REPLACE(outcome, 'denied', 'of_tomorrow')").await;
        let found = store.approval(&of, approval.id).await.unwrap().unwrap();
        let internal = Outcome::Error { kind: FaultKind::Internal, message: "no".to_owned(), remedy: None };
        assert_eq!((found.state, found.outcome), (ApprovalState::Failed, Some(internal)));
    }

    async fn an_organization_lists_its_own_and_they_are_kept_as_long_as_its_log(backend: Backend) {
        const DAY: u64 = 86_400;
        let (store, org) = backend.with(&[]).await;
        let new = key(org);
        let (asking, name) = (new.id, new.name.clone());
        store.create_key(new).await.unwrap();
        let first = asked(&store, org, asking).await;
        let mut approvals = vec![first.clone()];
        for minute in 1..4 {
            let created_at = at(minute * 60);
            let expires_at = created_at.plus(LIFETIME);
            approvals.push(Approval { id: ApprovalId(uuid()), connection: ConnectionId(uuid()), created_at, expires_at, ..first.clone() });
        }
        store.create_approvals(approvals[1..].to_vec()).await.unwrap();
        let elsewhere = organization(&store, &[]).await;
        asked(&store, elsewhere, KeyId(uuid())).await;
        store.decide_approval(verdict(&approvals[1], &person(org, asking), Verdict::Approve, 61)).await.unwrap();
        let no = Verdict::Decline { reason: Some("no".to_owned()) };
        store.decide_approval(verdict(&approvals[2], &person(org, KeyId(uuid())), no, 121)).await.unwrap();

        let all = || ApprovalQuery { limit: 10, ..ApprovalQuery::default() };
        let list = async |query, seconds| store.approvals(org, query, at(seconds)).await.unwrap();
        let ids = |listed: &[ListedApproval]| listed.iter().map(|one| one.approval.id).collect::<Vec<_>>();
        let of = |which: &[usize]| which.iter().map(|at| approvals[*at].id).collect::<Vec<_>>();
        let listed = list(all(), 200).await;
        assert_eq!(ids(&listed), of(&[3, 2, 1, 0]));
        assert_eq!(listed[3].approval, Approval { round: Round::default(), ..first.clone() });
        assert_eq!((&listed[2].key_name, &listed[2].decided_by_name), (&Some(name.clone()), &Some(name)));
        assert_eq!((listed[1].approval.decided_at, &listed[1].decided_by_name), (Some(at(121)), &None));
        assert_eq!(listed[1].approval.reason.as_deref(), Some("no"));
        let state = |state| ApprovalQuery { state: Some(state), ..all() };
        assert_eq!(ids(&list(state(ApprovalState::Pending), 200).await), of(&[3, 0]));
        let lapsed = LIFETIME.as_secs() + 1;
        assert_eq!(ids(&list(state(ApprovalState::Pending), lapsed).await), of(&[3]));
        let expired = list(state(ApprovalState::Expired), lapsed).await;
        assert_eq!((ids(&expired), expired[0].approval.state), (of(&[0]), ApprovalState::Expired));
        let connection = Some(approvals[2].connection);
        assert_eq!(ids(&list(ApprovalQuery { connection, ..all() }, 200).await), of(&[2]));
        let page = ApprovalQuery { before: Some(Cursor::before(at(120))), limit: 1, ..ApprovalQuery::default() };
        assert_eq!(ids(&list(page, 200).await), of(&[1]));

        let days = Overrides { log_days: Some(60), ..Overrides::default() };
        store.change_plan(elsewhere, days, at(0)).await.unwrap();
        assert_eq!(store.expire_logs(at(30 * DAY - 1)).await.unwrap(), 0);
        assert_eq!(store.expire_logs(at(30 * DAY + 90)).await.unwrap(), 2);
        assert_eq!(ids(&list(all(), 200).await), of(&[3, 2]));
        assert_eq!(store.approvals(elsewhere, all(), at(200)).await.unwrap().len(), 1);
    }

    async fn an_answer_goes_on_under_the_name_its_client_knows(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let asking = KeyId(uuid());
        let first = accept(&store, question(org, asking, vec![user("refund it")])).await;
        store.finish_turn(answer(org, first.answer, "Sure?")).await.unwrap();
        let go_on = |from: MessageId, conversation: ConversationId| NewTurn {
            continues: Some(from),
            conversation: ConversationRef::Id(conversation),
            ..question(org, asking, vec![])
        };
        let second = accept(&store, go_on(first.answer, first.conversation)).await;
        assert_eq!(second.history.last().unwrap().id, first.answer);
        store.finish_turn(answer(org, second.answer, "Done.")).await.unwrap();
        assert_eq!(texts(&store, org, first.conversation).await, ["refund it", "Sure?", "Done."]);
        let name = first.answer.to_string();
        assert_eq!(store.message(org, second.answer).await.unwrap().unwrap().client_id.as_deref(), Some(name.as_str()));

        // The same again replaces what came of it; a failed one is run again under its idempotency key.
        let keyed = || NewTurn { idempotency: idempotency("k", 1), ..go_on(first.answer, first.conversation) };
        let third = accept(&store, keyed()).await;
        store.finish_turn(refund(org, third.answer)).await.unwrap();
        let fourth = accept(&store, keyed()).await;
        assert_eq!(fourth.history.last().unwrap().id, first.answer);
        store.finish_turn(answer(org, fourth.answer, "Done again.")).await.unwrap();
        assert_eq!(texts(&store, org, first.conversation).await, ["refund it", "Sure?", "Done again."]);
        assert_eq!(store.message(org, fourth.answer).await.unwrap().unwrap().client_id.as_deref(), Some(name.as_str()));

        // What goes on from a continuation goes by the first one's name, too.
        let fifth = accept(&store, go_on(fourth.answer, first.conversation)).await;
        assert_eq!(store.message(org, fifth.answer).await.unwrap().unwrap().client_id, Some(name));

        // What was replaced, or is elsewhere, can't be gone on from.
        assert!(matches!(refusal(&store, go_on(third.answer, first.conversation)).await, BeginTurnError::NoApproval));
        let other = accept(&store, question(org, asking, vec![user("hi")])).await;
        assert!(matches!(refusal(&store, go_on(first.answer, other.conversation)).await, BeginTurnError::NoApproval));
    }
}
