//! Accepts a question, also in the place of a host that is gone.
//!
//! A request that is repeated under its idempotency key is refused while a host writes its answer. When that host is gone,
//! its turn is ended for it, and the repeat is answered. A host is gone when its lease is over, it doesn't answer, and both
//! stay so for a while: a running host renews its lease meanwhile, even if the database was out of reach before.

use std::{sync::Arc, time::Duration};

use resly_core::{
    boxed,
    error::StoreError,
    id::{MessageId, OrganizationId},
    turn::{
        Start, TurnRequest,
        store::{AnswerWriter, BeginTurnError},
    },
};
use tokio::time::{Instant, sleep};

use super::{RENEW_EVERY, TurnAddress};
use crate::App;

/// How long to wait before the turn's row is read again, and its host asked again.
pub(super) const RETRY: Duration = Duration::from_millis(250);
/// How long a host without a valid lease must stay away before its turn is ended for it.
const GONE_AFTER: Duration = RENEW_EVERY.saturating_mul(2);

/// Accepts a question and starts its turn, as [`resly_core::turn::Turns::start`] does. Takes over a request that is in flight
/// on a host that is gone.
#[boxed]
pub async fn start(app: &App, request: TurnRequest) -> Result<Start, BeginTurnError> {
    let request = Arc::new(request);
    let error = match app.turns.start(Arc::clone(&request)).await {
        Err(error) => error,
        started => return started,
    };
    let BeginTurnError::InFlight { answer: Some(answer), .. } = error else { return Err(error) };
    let elsewhere = app.store.is_shared() && !app.turns.live.writes(answer);
    if elsewhere && end_unless_written(app, request.principal.organization, answer).await? {
        app.turns.start(request).await
    } else {
        Err(error)
    }
}

/// Ends the turn of an answer that no running host writes. Returns false when a host writes it.
async fn end_unless_written(app: &App, organization: OrganizationId, answer: MessageId) -> Result<bool, StoreError> {
    let mut absence = Absence::default();
    loop {
        let Some(writer) = app.turns.store.answer_writer(organization, answer, app.clock.now()).await? else {
            return Ok(true);
        };
        // Turns of earlier versions name no host: only their own lease tells, and the next attempt asks for it.
        let Some(host) = writer.host else { return Ok(!writer.alive) };
        if writer.alive || host == app.cluster.id {
            return Ok(false);
        }
        let turn = TurnAddress { host, organization, answer };
        if let Some(url) = &writer.url
            && app.cluster.follow_turn(url, &turn).await.is_ok()
        {
            return Ok(false);
        }
        if absence.makes_gone(&writer) {
            end(app, &turn).await?;
            return Ok(true);
        }
        sleep(RETRY).await;
    }
}

/// How long a host has had no valid lease and didn't answer.
#[derive(Default)]
pub(super) struct Absence {
    since: Option<Instant>,
}

impl Absence {
    /// Notes that the host answered.
    pub fn end(&mut self) {
        self.since = None;
    }

    /// Notes that the host didn't answer. Returns whether it is gone.
    pub fn makes_gone(&mut self, writer: &AnswerWriter) -> bool {
        if writer.alive {
            self.end();
            return false;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() >= GONE_AFTER
    }
}

/// Ends the turn of a host that is gone.
pub(super) async fn end(app: &App, turn: &TurnAddress) -> Result<(), StoreError> {
    let TurnAddress { host, organization, answer } = *turn;
    tracing::warn!(%host, %answer, "a host is gone: the answer that it wrote is marked as interrupted");
    let (by, now) = (app.cluster.id, app.clock.now());
    app.turns.store.end_for_gone_host(organization, answer, host, by, now).await
}
