//! Outcomes: computed from what is stored, summed up exactly, and gone with their conversation.

use std::time::Duration;

use resly_core::{
    connector::{
        call::{CallRecord, CallStatus, ConnectionStore},
        fault::FaultKind,
    },
    conversation::{
        MessageStatus,
        handover::{HandOver, HandoverSource},
    },
    id::{CallId, ConnectionId, ConversationId, KeyId, MessageId, OrganizationId},
    knowledge::Citation,
    outcome::{Gap, Outcome, Rating, judge},
    plan::Overrides,
    time::Timestamp,
    turn::store::{ConversationRef, FinishedTurn, NewTurn, TurnStore},
};
use resly_store::{
    Assignment, NewOutcome, NewQuestion, OutcomeFilter, OutcomeGrouping, OutcomeQuery, OutcomeSums, Retention, Store,
};

use crate::{
    backend::{Backend, accept, answer, at, organization, question, user, uuid},
    both,
    calls::record,
    handover::request,
};

const VERSION: u64 = 1;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Computes what is due at that time.
async fn compute(store: &Store, org: OrganizationId, now: Timestamp) -> u64 {
    let Some(mut work) = store.take_outcome_work(org, VERSION, now).await.unwrap() else { return 0 };
    let mut computed = 0;
    loop {
        let batch = store.due_outcomes(&work, now, 2).await.unwrap();
        let outcomes: Vec<NewOutcome> = batch
            .conversations
            .into_iter()
            .map(|conversation| {
                let judgement = judge(&conversation.facts, now);
                let text =
                    |id: MessageId| conversation.questions.iter().find(|(known, _)| *known == id).unwrap().1.clone();
                let unanswered = judgement.unanswered.iter().map(|question| NewQuestion {
                    id: question.question,
                    answer: question.answer,
                    text: text(question.question),
                    language: "en",
                    gap: question.gap,
                    asked_at: question.asked_at,
                });
                let unanswered = unanswered.collect();
                NewOutcome { judgement, rules_version: VERSION, language: "en", unanswered, conversation }
            })
            .collect();
        computed += outcomes.len() as u64;
        assert!(store.put_outcomes(&work, outcomes, batch.seen, now).await.unwrap());
        work.seen = batch.seen;
        if !batch.more {
            break;
        }
    }
    store.release_outcome_work(&work).await.unwrap();
    computed
}

fn all() -> OutcomeFilter {
    OutcomeFilter { from: "2026-10-01".to_owned(), to: "2026-12-31".to_owned(), ..OutcomeFilter::default() }
}

/// The conversations of each outcome, as the sums have them and as the list has them, which have to agree.
async fn outcomes(store: &Store, org: OrganizationId, filter: &OutcomeFilter) -> Vec<(Outcome, u64)> {
    let mut found = Vec::new();
    for outcome in Outcome::ALL {
        let mut sums = OutcomeSums::default();
        for sum in store.outcome_sums(org, filter, OutcomeGrouping::Day).await.unwrap() {
            if sum.outcome == outcome {
                sums.add(&sum.sums);
            }
        }
        let wanted =
            OutcomeQuery { filter: filter.clone(), outcomes: vec![outcome], limit: 100, ..OutcomeQuery::default() };
        let listed = store.list_outcomes(org, wanted.clone()).await.unwrap();
        assert_eq!(listed.len() as u64, sums.conversations, "{outcome:?}");
        assert!(listed.iter().all(|listed| listed.outcome == outcome));
        let without = OutcomeQuery { without_person: true, ..wanted.clone() };
        let without = store.list_outcomes(org, without).await.unwrap().len() as u64;
        assert_eq!(without, sums.conversations - sums.persons, "{outcome:?}");
        let rated = store.list_outcomes(org, OutcomeQuery { rated: true, ..wanted }).await.unwrap().len() as u64;
        assert_eq!(rated, sums.rated, "{outcome:?}");
        if sums.conversations > 0 {
            found.push((outcome, sums.conversations));
        }
    }
    found
}

/// A question and its whole answer, which cites something or nothing.
async fn ask(
    store: &Store,
    org: OrganizationId,
    key: KeyId,
    of: ConversationRef,
    text: &str,
    cites: bool,
    now: Timestamp,
) -> (ConversationId, MessageId) {
    let turn = NewTurn { conversation: of, now, ..question(org, key, vec![user(text)]) };
    let turn = accept(store, turn).await;
    let citation =
        Citation { n: 1, title: "t".to_owned(), url: None, source_id: "s".to_owned(), snippet: String::new() };
    let citations = if cites { vec![citation] } else { vec![] };
    let now = now.plus(Duration::from_millis(1500));
    store.finish_turn(FinishedTurn { citations, now, ..answer(org, turn.answer, "So it is. [1]") }).await.unwrap();
    (turn.conversation, turn.answer)
}

both! {
    async fn an_outcome_follows_from_what_was_said_and_from_time(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let key = KeyId(uuid());
        let (first, _) = ask(&store, org, key, ConversationRef::New, "How?", true, at(0)).await;
        let (_, unhelpful) = ask(&store, org, key, ConversationRef::New, "Why?\0", true, at(10)).await;
        ask(&store, org, KeyId(uuid()), ConversationRef::New, "What for?", false, at(20)).await;
        assert_eq!(store.organizations_with_outcome_work(VERSION, at(30)).await.unwrap(), [org]);
        assert_eq!(compute(&store, org, at(30)).await, 3);
        assert_eq!(compute(&store, org, at(31)).await, 0, "nothing has changed");
        assert_eq!(outcomes(&store, org, &all()).await, [(Outcome::Open, 3)]);
        assert_eq!(compute(&store, org, at(HOUR / 2)).await, 0);
        assert_eq!(store.organizations_with_outcome_work(VERSION, at(HOUR / 2)).await.unwrap(), [], "time changes nothing yet");

        assert_eq!(compute(&store, org, at(2 * HOUR)).await, 3);
        assert_eq!(outcomes(&store, org, &all()).await, [(Outcome::Autonomous, 2), (Outcome::Abandoned, 1)]);
        assert!(store.rate_answer(org, unhelpful, Some(Rating::Down), at(3 * HOUR)).await.unwrap());
        assert!(!store.rate_answer(stranger, unhelpful, Some(Rating::Up), at(3 * HOUR)).await.unwrap());
        assert_eq!(compute(&store, org, at(3 * HOUR)).await, 1);
        assert_eq!(outcomes(&store, org, &all()).await, [(Outcome::Autonomous, 1), (Outcome::Abandoned, 2)]);
        assert!(store.rate_answer(org, unhelpful, None, at(4 * HOUR)).await.unwrap());
        assert!(store.rate_answer(org, unhelpful, Some(Rating::Up), at(4 * HOUR)).await.unwrap());
        store.hand_over(HandOver { now: at(4 * HOUR), ..request(org, first, HandoverSource::Visitor) }).await.unwrap();
        assert_eq!(compute(&store, org, at(5 * HOUR)).await, 2);
        assert_eq!(outcomes(&store, org, &all()).await, [(Outcome::Autonomous, 1), (Outcome::Abandoned, 1), (Outcome::Open, 1)]);
        compute(&store, org, at(8 * DAY)).await;
        assert_eq!(outcomes(&store, org, &all()).await, [(Outcome::Durable, 1), (Outcome::Abandoned, 2)]);

        let of_key = OutcomeFilter { key: Some(key), ..all() };
        assert_eq!(outcomes(&store, org, &of_key).await, [(Outcome::Durable, 1), (Outcome::Abandoned, 1)]);
        let by_key = store.outcome_sums(org, &all(), OutcomeGrouping::Key).await.unwrap();
        assert!(by_key.iter().any(|sum| sum.group == key.to_string()));
        let none = OutcomeFilter { language: Some("de".to_owned()), ..all() };
        assert_eq!(outcomes(&store, org, &none).await, []);
        let early = OutcomeFilter { to: "2026-10-09".to_owned(), ..all() };
        assert_eq!(outcomes(&store, org, &early).await, []);
        assert_eq!(outcomes(&store, stranger, &all()).await, [], "another organization sees nothing");
        let listed = store.list_outcomes(org, OutcomeQuery { filter: all(), limit: 1, ..OutcomeQuery::default() }).await.unwrap();
        assert_eq!((listed.len(), listed[0].first_question.as_deref()), (1, Some("What for?")));
        let took = store.outcome_sums(org, &all(), OutcomeGrouping::Language).await.unwrap();
        let (ms, answered) = took.iter().fold((0, 0), |(ms, of), sum| (ms + sum.sums.first_answer_ms, of + sum.sums.answered));
        assert_eq!((ms, answered), (4500, 3));
    }

    async fn days_are_those_of_utc_and_tags_count_each(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let midnight: Timestamp = "2026-10-11T00:00:00Z".parse().unwrap();
        let before = midnight.minus(Duration::from_micros(1));
        for now in [before, midnight] {
            ask(&store, org, KeyId(uuid()), ConversationRef::New, "When?", true, now).await;
        }
        let tags = if backend.is_sqlite() { "'[\"vip\",\"a, b\"]'" } else { "'{vip,\"a, b\"}'" };
        backend.script(&format!("UPDATE conversations SET tags = {tags} WHERE created_at = '{before}'")).await;
        compute(&store, org, at(2 * DAY)).await;
        let by_day = store.outcome_sums(org, &all(), OutcomeGrouping::Day).await.unwrap();
        let days: Vec<_> = by_day.iter().map(|sum| (sum.group.as_str(), sum.sums.conversations)).collect();
        assert_eq!(days, [("2026-10-10", 1), ("2026-10-11", 1)]);
        let by_tag = store.outcome_sums(org, &all(), OutcomeGrouping::Tag).await.unwrap();
        let tags: Vec<_> = by_tag.iter().map(|sum| sum.group.as_str()).collect();
        assert_eq!(tags, ["a, b", "vip"]);
        for (tag, expected) in [("vip", 1), ("a, b", 1), ("other", 0)] {
            let filter = OutcomeFilter { tag: Some(tag.to_owned()), ..all() };
            let found = outcomes(&store, org, &filter).await;
            assert_eq!(found.iter().map(|(_, count)| count).sum::<u64>(), expected, "{tag}");
        }
    }

    async fn all_of_it_goes_with_its_conversation(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let change = Overrides { conversation_days: Some(Some(30)), ..Overrides::default() };
        store.change_plan(org, change, at(0)).await.unwrap();
        for now in [at(0), at(10 * DAY)] {
            let (_, answer) = ask(&store, org, KeyId(uuid()), ConversationRef::New, "Who is Anna?", false, now).await;
            store.rate_answer(org, answer, Some(Rating::Down), now.plus(Duration::from_secs(5))).await.unwrap();
        }
        compute(&store, org, at(11 * DAY)).await;
        assert_eq!(backend.number("SELECT COUNT(*) FROM unanswered_questions").await, 2);
        let retention = Retention { organization: org, days: 30 };
        let deleted = store.expire_conversations(retention, None, at(31 * DAY)).await.unwrap().deleted;
        assert_eq!(deleted.conversations, 1);
        for table in [
            "SELECT COUNT(*) FROM conversation_outcomes",
            "SELECT COUNT(*) FROM outcome_days",
            "SELECT COUNT(*) FROM unanswered_questions",
            "SELECT COUNT(*) FROM answer_ratings",
        ] {
            assert_eq!(backend.number(table).await, 1, "{table}");
        }
        assert_eq!(outcomes(&store, org, &all()).await, [(Outcome::Abandoned, 1)]);
    }

    async fn one_host_computes_and_all_can_be_computed_again(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        for n in 0..5 {
            ask(&store, org, KeyId(uuid()), ConversationRef::New, "How?", true, at(n)).await;
        }
        let work = store.take_outcome_work(org, VERSION, at(10)).await.unwrap().unwrap();
        assert!(store.take_outcome_work(org, VERSION, at(11)).await.unwrap().is_none(), "another host has it");
        assert_eq!(store.organizations_with_outcome_work(VERSION, at(11)).await.unwrap(), []);
        // The host is slow: its lease ends, and what it computed isn't stored.
        assert_eq!(compute(&store, org, at(100)).await, 5);
        let late = store.due_outcomes(&work, at(100), 9).await.unwrap();
        assert!(!store.put_outcomes(&work, vec![], late.seen, at(100)).await.unwrap());
        store.release_outcome_work(&work).await.unwrap();
        assert_eq!(compute(&store, org, at(101)).await, 0);

        store.recompute_outcomes(org, at(200)).await.unwrap();
        assert_eq!(compute(&store, org, at(201)).await, 5, "all of it again");
        assert_eq!(compute(&store, org, at(202)).await, 0, "once");
        let newer = store.take_outcome_work(org, VERSION + 1, at(300)).await.unwrap().unwrap();
        let due = store.due_outcomes(&newer, at(300), 9).await.unwrap();
        assert_eq!(due.conversations.len(), 5, "rules that changed");
        // Whoever asks for it while it is done gets all of it again.
        store.recompute_outcomes(org, at(301)).await.unwrap();
        assert!(!store.put_outcomes(&newer, vec![], due.seen, at(302)).await.unwrap());
        assert_eq!(outcomes(&store, org, &all()).await, [(Outcome::Open, 5)]);
    }

    async fn an_agent_s_conversation_is_handed_over(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (id, _) = ask(&store, org, KeyId(uuid()), ConversationRef::New, "How?", false, at(0)).await;
        let assignment = Assignment { organization: org, conversation: id, assignee: Some(uuid()), from: None, now: at(9) };
        store.assign_conversation(assignment).await.unwrap();
        store.close_conversation(org, id, at(20)).await.unwrap();
        compute(&store, org, at(30)).await;
        assert_eq!(outcomes(&store, org, &all()).await, [(Outcome::HandedOver, 1)]);
        // The visitor comes back, and the answer fails.
        let turn = NewTurn { conversation: ConversationRef::Id(id), now: at(40), ..question(org, KeyId(uuid()), vec![user("And?")]) };
        let turn = accept(&store, turn).await;
        let failed = FinishedTurn { status: MessageStatus::Failed, now: at(41), ..answer(org, turn.answer, "") };
        store.finish_turn(failed).await.unwrap();
        compute(&store, org, at(2 * HOUR)).await;
        assert_eq!(outcomes(&store, org, &all()).await, [(Outcome::Abandoned, 1)]);
    }

    async fn questions_keep_their_group(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let key = KeyId(uuid());
        let (id, rated) = ask(&store, org, key, ConversationRef::New, "How do I cancel?", false, at(0)).await;
        ask(&store, org, key, ConversationRef::New, "=cancel()", false, at(5)).await;
        compute(&store, org, at(10)).await;
        let questions = store.unanswered_questions(org, at(0), 9).await.unwrap();
        assert_eq!(questions.iter().map(|question| question.text.as_str()).collect::<Vec<_>>(), ["=cancel()", "How do I cancel?"]);
        let group = questions[1].id.0;
        let pairs = questions.iter().map(|question| (question.id, group)).collect();
        store.group_unanswered(org, pairs).await.unwrap();
        store.rate_answer(org, rated, Some(Rating::Down), at(20)).await.unwrap();
        compute(&store, org, at(30)).await;
        let groups = store.question_groups(org, at(0), at(60), 9, 1).await.unwrap();
        assert_eq!((groups.len(), groups[0].id, groups[0].questions), (1, group, 2));
        assert_eq!((groups[0].examples.len(), groups[0].last_asked_at), (1, at(5)));
        let of_group = store.group_questions(org, group, 9).await.unwrap();
        assert_eq!((of_group[1].gap, of_group[1].conversation), (Gap::RatedDown, id));
        assert_eq!(store.question_groups(stranger, at(0), at(60), 9, 1).await.unwrap(), []);
        assert_eq!(store.question_groups(org, at(6), at(60), 9, 1).await.unwrap(), []);
        // An answer that turned out well is no gap any more.
        store.rate_answer(org, rated, Some(Rating::Up), at(40)).await.unwrap();
        compute(&store, org, at(50)).await;
        assert_eq!(store.group_questions(org, group, 9).await.unwrap().len(), 1);
    }

    async fn calls_are_counted_once(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let connection = ConnectionId(uuid());
        for n in 0..4_u64 {
            let status = if n == 3 { CallStatus::Failed(FaultKind::Upstream) } else { CallStatus::Ok };
            let mut call = CallRecord { connection, status, created_at: at(n), ..record(org, CallId(uuid()), 0) };
            call.cost.duration_us = n * 10_000;
            store.log_call(call).await.unwrap();
        }
        assert_eq!(store.organizations_with_outcome_work(VERSION, at(10)).await.unwrap(), [], "some may still come");
        for _ in 0..2 {
            let work = store.take_outcome_work(org, VERSION, at(HOUR)).await.unwrap().unwrap();
            let (work, more) = store.count_logged_calls(work, at(HOUR)).await.unwrap().unwrap();
            assert!(!more);
            store.release_outcome_work(&work).await.unwrap();
        }
        let sums = store.connector_call_sums(org, "2026-10-10", "2026-10-10").await.unwrap();
        let day = sums.days["2026-10-10"];
        assert_eq!((day.calls, day.failed, day.duration_us), (4, 1, 60_000));
        assert_eq!(sums.connections, [(connection, day)]);
        assert_eq!(sums.buckets.iter().map(|(bucket, calls)| (*bucket, *calls)).collect::<Vec<_>>(), [(0, 1), (4, 1), (5, 2)]);
        let stranger = organization(&store, &[]).await;
        assert_eq!(store.connector_call_sums(stranger, "2026-10-10", "2026-10-10").await.unwrap().connections, []);
    }
}
