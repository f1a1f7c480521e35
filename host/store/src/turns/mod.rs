//! Turns: a question is accepted in one transaction, its answer is stored in another.
//!
//! A turn is counted when it begins and billed when it ends. `counted` and `billed` in its row say what was done. So
//! neither happens twice, whatever happens between: a crash, a repeat under the same idempotency key, a host that comes
//! back late.

mod begin;
mod cancel;
mod finish;
mod idempotency;
mod open;
mod rows;
mod writer;

use async_trait::async_trait;
use resly_core::{
    approval::ChatClient,
    conversation::{
        Message,
        handover::{HandOver, HandedOver},
    },
    error::StoreError,
    id::{ConversationId, HostId, KeyId, MessageId, OrganizationId},
    meter::{Meter, Remaining},
    time::{Period, Timestamp},
    turn::store::{
        AnswerInProgress, AnswerWriter, BeginTurn, BeginTurnError, FinishOutcome, FinishedTurn, NewTicket, NewTurn,
        TurnStore,
    },
};

use crate::{
    Store,
    billing::{self, Kind, Origin},
    error::OperationError,
    handover,
    sql::execute,
    tickets,
    types::{Id, Time},
    usage::{self, Caps, Refusal},
};

/// A plan's refusal as a turn's error.
fn refused(refusal: Refusal) -> BeginTurnError {
    match refusal {
        Refusal::Limit(limit) => BeginTurnError::Limit(limit),
        Refusal::SubscriptionEnded => BeginTurnError::SubscriptionEnded,
    }
}

#[async_trait]
impl TurnStore for Store {
    async fn begin_turn(&self, turn: NewTurn) -> Result<BeginTurn, BeginTurnError> {
        let detect = self.language;
        self.write(turn.organization, "accept a question", move |mut db| {
            Box::pin(async move { begin::begin(&mut db, turn, detect).await })
        })
        .await
    }

    /// Also stores the end of a turn that [`Store::recover`] settled as interrupted, as long as no other turn replaced it:
    /// its host was slow, not dead. A turn that was ended for its host has another host, so its old one stores nothing.
    async fn finish_turn(&self, turn: FinishedTurn) -> Result<FinishOutcome, StoreError> {
        self.write(turn.organization, "store an answer", move |mut db| {
            Box::pin(async move { Ok(finish::finish(&mut db, &turn).await?) })
        })
        .await
    }

    async fn renew_turn(
        &self,
        organization: OrganizationId,
        answer: MessageId,
        lease_until: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(organization, "renew a turn's lease", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE turns SET lease_until = $3
                     WHERE id = $1 AND organization_id = $2 AND status = 'streaming'",
                    Id(answer.0),
                    Id(organization.0),
                    Time(lease_until)
                )?;
                Ok(())
            })
        })
        .await
    }

    async fn count_search(
        &self,
        organization: OrganizationId,
        key: KeyId,
        key_cap: Option<u64>,
        now: Timestamp,
    ) -> Result<Option<Remaining>, BeginTurnError> {
        self.write(organization, "count a search", move |mut db| {
            Box::pin(async move {
                let caps = Caps { key, key_cap, visitor: None };
                let counted = usage::count_message(&mut db, organization, caps, now).await;
                let remaining = counted.map_err(|halt| halt.refused_as(refused))?;
                let period = Time(Period::containing(now).start);
                let (kind, meter) = (Kind::Search, Meter::Messages);
                let of = Origin { key: Some(key), ..Origin::default() };
                billing::enter(&mut db, organization, kind, meter, 1, None, of, period, now).await?;
                Ok::<_, OperationError<BeginTurnError>>(remaining)
            })
        })
        .await
    }

    async fn message(&self, organization: OrganizationId, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.read_message(organization, id).await
    }

    async fn find_conversation(&self, person: &ChatClient, name: &str) -> Result<Option<ConversationId>, StoreError> {
        self.look_up_conversation(person, name).await
    }

    async fn answer_in_progress(
        &self,
        organization: OrganizationId,
        conversation: ConversationId,
        now: Timestamp,
    ) -> Result<Option<AnswerInProgress>, StoreError> {
        writer::in_progress(self, organization, conversation, now).await
    }

    async fn answer_writer(
        &self,
        organization: OrganizationId,
        answer: MessageId,
        now: Timestamp,
    ) -> Result<Option<AnswerWriter>, StoreError> {
        writer::of(self, organization, answer, now).await
    }

    async fn end_for_gone_host(
        &self,
        organization: OrganizationId,
        answer: MessageId,
        gone: HostId,
        by: HostId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(organization, "end an answer of a host that is gone", move |mut db| {
            Box::pin(async move { Ok(writer::end(&mut db, organization, answer, gone, by, now).await?) })
        })
        .await
    }

    async fn request_cancel(&self, organization: OrganizationId, answer: MessageId) -> Result<(), StoreError> {
        cancel::request(self, organization, answer).await
    }

    async fn cancel_requests(&self) -> Result<Vec<MessageId>, StoreError> {
        cancel::requests(self).await
    }

    async fn create_ticket(&self, ticket: NewTicket) -> Result<(), StoreError> {
        self.write(ticket.organization, "open a ticket", move |mut db| {
            Box::pin(async move { Ok(tickets::open(&mut db, &ticket).await?) })
        })
        .await
    }

    async fn hand_over(&self, request: HandOver) -> Result<Option<HandedOver>, StoreError> {
        let (detect, mails) = (self.language, self.mails);
        self.write(request.organization, "hand a conversation over", move |mut db| {
            Box::pin(async move { Ok(handover::hand_over(&mut db, request, detect, mails).await?) })
        })
        .await
    }
}
