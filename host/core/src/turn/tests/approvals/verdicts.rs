//! Verdicts that a client sends beside its message.

use super::*;

#[tokio::test]
async fn a_verdict_is_bound_to_its_conversation() {
    let harness = harness();
    says(&harness, "Refund order 7").await;
    let verdicts = vec![(only(&harness).id, Verdict::Approve)];
    let elsewhere = ConversationId(uuid::Uuid::from_u128(6));
    for conversation in [ConversationRef::Id(elsewhere), ConversationRef::Named("another".to_owned())] {
        let request = TurnRequest { conversation, verdicts: verdicts.clone(), ..harness.request(Delivery::Events) };
        assert!(matches!(harness.turns.start(request.into()).await, Err(BeginTurnError::NoApproval)));
    }
    assert_eq!(only(&harness).state, ApprovalState::Pending);
    assert!(harness.sandbox.calls().is_empty());
}

#[tokio::test]
async fn a_client_s_verdicts_go_on_with_the_answer() {
    for (verdict, made) in [(Verdict::Approve, 1), (Verdict::Decline { reason: Some("too dear".to_owned()) }, 0)] {
        let harness = harness();
        says(&harness, "Refund order 7").await;
        let approval = only(&harness);
        let go_on = |id| TurnRequest { verdicts: vec![(id, verdict.clone())], ..harness.request(Delivery::Events) };
        let unknown = harness.turns.start(go_on(ApprovalId(uuid::Uuid::nil())).into()).await;
        assert!(matches!(unknown, Err(BeginTurnError::NoApproval)));
        let Ok(Start::Running(started)) = harness.turns.start(go_on(approval.id).into()).await else { panic!() };
        assert_eq!(started.live.continues, Some(approval.message.to_string()));
        let events: Vec<_> = started.live.follow().collect().await;
        assert_eq!(answer(&events), "Then.");
        assert_eq!(harness.sandbox.calls().len(), made);
        let shown = events.iter().any(|event| match event {
            TurnEvent::ToolFinished { id, ok, .. } => made == 1 && *ok && *id == approval.call,
            TurnEvent::ToolDenied { id, .. } => made == 0 && *id == approval.call,
            _ => false,
        });
        assert!(shown, "{events:?}");
        assert_eq!(render_result(&harness).contains("too dear"), made == 0);
        let last = harness.model.asked().pop().unwrap().messages;
        assert!(
            matches!(&last[1], ModelMessage::ToolCalls { text, .. } if text.contains("please confirm")),
            "{last:?}"
        );
    }
}

#[tokio::test]
async fn what_was_decided_elsewhere_is_told_and_not_done_again() {
    let harness = harness();
    says(&harness, "Refund order 7").await;
    let id = only(&harness).id;
    let person = person(&harness);
    let deciding = (0..20).map(|_| harness.turns.approvals.decide(&person, id, Verdict::Approve));
    for decided in futures::future::join_all(deciding).await {
        let state = decided.unwrap().unwrap().state;
        assert!(matches!(state, ApprovalState::Approved | ApprovalState::Executed), "{state:?}");
    }
    assert_eq!(harness.sandbox.calls().len(), 1);
    says(&harness, "yes").await;
    assert_eq!(harness.sandbox.calls().len(), 1);
    assert!(render_result(&harness).contains("shipped"));
}
