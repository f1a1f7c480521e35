//! The tokens of models: counted with the answer, exactly once, and limited before the next question.

use resly_core::{
    id::{KeyId, OrganizationId},
    meter::{LimitLevel, LimitReached, LimitWindow, Meter},
    model::TokenUsage,
    turn::store::{AcceptedTurn, BeginTurn, BeginTurnError, FinishedTurn, NewTurn, TurnStore},
};
use resly_store::Store;

use crate::{
    backend::{Backend, accept, answer, at, change_limits, idempotency, question, refund, refusal, used, user, uuid},
    both,
};

const USED: TokenUsage = TokenUsage { input: 100, cached_input: 64, output: 20, estimated: false };

/// A turn that ends with these tokens.
fn took(organization: OrganizationId, turn: &AcceptedTurn, usage: TokenUsage) -> FinishedTurn {
    FinishedTurn { usage, ..answer(organization, turn.answer, "ok") }
}

/// What is used of input, cached input and output.
async fn tokens(store: &Store, organization: OrganizationId) -> [u64; 3] {
    let report = store.usage(organization, at(0)).await.unwrap();
    Meter::MODEL_TOKENS.map(|meter| report.meters[&meter].used)
}

both! {
    async fn the_tokens_of_an_answer_are_counted_and_billed_with_it(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let first = accept(&store, question(org, key, vec![user("1")])).await;
        assert_eq!(tokens(&store, org).await, [0, 0, 0]);
        store.finish_turn(took(org, &first, USED)).await.unwrap();
        store.finish_turn(took(org, &first, USED)).await.unwrap();
        assert_eq!(tokens(&store, org).await, [100, 64, 20], "only the first end counts");

        let second = accept(&store, question(org, key, vec![user("2")])).await;
        let estimate = TokenUsage { input: 30, cached_input: 0, output: 5, estimated: true };
        store.finish_turn(took(org, &second, estimate)).await.unwrap();
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(tokens(&store, org).await, [130, 64, 25]);
        assert_eq!(Meter::MODEL_TOKENS.map(|meter| report.meters[&meter].estimated), [Some(30), Some(0), Some(5)]);
        assert_eq!(report.meters[&Meter::Messages].estimated, None);
        assert!(!report.sandbox.contains_key(&Meter::ModelInputTokens), "chats have no sandbox");
        backend.assert_billed(&report).await;
        let of_the_answers = "SELECT COUNT(*) FROM billing_events b JOIN messages m ON m.id = b.subject_id
            WHERE b.meter LIKE 'model%' AND b.kind = 'chat' AND m.role = 'assistant'";
        assert_eq!(backend.number(of_the_answers).await, 5, "what is zero has no entry");

        // In the month of the question.
        let asked_at = at(21 * 86_400 + 43_000);
        let late = accept(&store, NewTurn { now: asked_at, ..question(org, key, vec![user("3")]) }).await;
        let november = at(22 * 86_400);
        store.finish_turn(FinishedTurn { now: november, ..took(org, &late, USED) }).await.unwrap();
        assert_eq!(tokens(&store, org).await, [230, 128, 45]);
        assert_eq!(store.usage(org, november).await.unwrap().meters[&Meter::ModelInputTokens].used, 0);
    }

    async fn a_message_that_is_given_back_took_its_tokens_all_the_same(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("1")])).await;
        store.finish_turn(FinishedTurn { usage: USED, ..refund(org, turn.answer) }).await.unwrap();
        assert_eq!(used(&store, org, Meter::Messages).await, 0);
        assert_eq!(tokens(&store, org).await, [100, 64, 20]);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    async fn tokens_count_once_across_a_crash_and_a_repeat(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let asked = || NewTurn { idempotency: idempotency("k", 1), ..question(org, key, vec![user("hi")]) };
        let first = accept(&store, asked()).await;
        assert_eq!(store.recover(at(120)).await.unwrap().turns, 1);
        assert_eq!(tokens(&store, org).await, [0, 0, 0], "nobody saw what a dead host's answer took");

        let second = accept(&store, asked()).await;
        // The host of the first was slow, not dead. Its place is taken, and its model was asked all the same.
        for _ in 0..2 {
            store.finish_turn(took(org, &first, USED)).await.unwrap();
            assert_eq!(tokens(&store, org).await, [100, 64, 20]);
        }
        store.finish_turn(took(org, &second, USED)).await.unwrap();
        assert!(matches!(store.begin_turn(asked()).await.unwrap(), BeginTurn::Replay(_)));
        assert_eq!(tokens(&store, org).await, [200, 128, 40]);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    async fn an_interrupted_turn_that_still_ends_counts_its_tokens(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        assert_eq!(store.recover(at(500)).await.unwrap().turns, 1);
        store.finish_turn(took(org, &turn, USED)).await.unwrap();
        assert_eq!(tokens(&store, org).await, [100, 64, 20]);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    async fn a_limit_on_tokens_refuses_the_next_question(backend: Backend) {
        for (at_limit, meter) in [100, 64, 20].into_iter().zip(Meter::MODEL_TOKENS) {
            let (store, org) = backend.with(&[(meter, at_limit)]).await;
            let key = KeyId(uuid());
            let asked = |text: &str| question(org, key, vec![user(text)]);
            let repeated = || NewTurn { idempotency: idempotency("k", 1), ..asked("r") };
            let failed = accept(&store, repeated()).await;
            store.finish_turn(refund(org, failed.answer)).await.unwrap();
            let first = accept(&store, asked("1")).await;
            let beside = accept(&store, asked("2")).await;
            store.finish_turn(took(org, &first, USED)).await.unwrap();
            for turn in [asked("3"), repeated()] {
                let BeginTurnError::Limit(limit) = refusal(&store, turn).await else { panic!("no limit") };
                let resets_at = "2026-11-01T00:00:00Z".parse().unwrap();
                assert_eq!(limit, LimitReached { of: LimitLevel::Plan, per: LimitWindow::Month, meter, limit: at_limit, used: at_limit, resets_at });
                assert!(limit.to_string().contains("is finished"), "{limit}");
            }
            assert_eq!(used(&store, org, Meter::Messages).await, 2, "what is refused is not counted");

            // An answer that is running goes past it; a search asks no model.
            store.finish_turn(took(org, &beside, USED)).await.unwrap();
            assert_eq!(used(&store, org, meter).await, 2 * at_limit);
            store.count_search(org, key, None, at(0)).await.unwrap();

            // The next month is another, and so is another plan.
            accept(&store, NewTurn { now: at(30 * 86_400), ..asked("4") }).await;
            store.change_plan(org, change_limits(&[(meter, Some(2 * at_limit + 1))]), at(0)).await.unwrap();
            assert_eq!(store.plan(org).await.unwrap().terms.limits[&meter], 2 * at_limit + 1);
            let last = accept(&store, asked("5")).await;
            store.finish_turn(took(org, &last, USED)).await.unwrap();
            let again = accept(&store, NewTurn { now: at(30 * 86_400), ..repeated() }).await;
            store.finish_turn(answer(org, again.answer, "ok")).await.unwrap();
        }
    }
}
