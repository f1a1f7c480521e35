//! Calls of one organization that begin at the same time begin together.
//!
//! Each changes the same rows of its organization's usage, so their transactions come one after the other, and each takes
//! several statements and a commit. So a host has one such transaction of an organization at a time. Calls that come
//! meanwhile wait for it, and the next one begins all of them: it counts and reserves what they take together.
//!
//! When the limits leave less than that, nothing of it is kept, and each of them begins alone. So a limit lets exactly as
//! many pass as it would one after the other, and each call is told what refused it.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use resly_core::{
    connector::{
        call::{BeginCallError, FuelGrant},
        connection::Environment,
    },
    error::StoreError,
    id::OrganizationId,
    meter::Meter,
    time::Period,
};
use tokio::sync::oneshot;

use super::{MOST_FUEL, NewCall, begin, reserve_fuel};
use crate::{
    Store,
    error::OperationError,
    sql::{Conn, execute},
    types::{Id, Json, Time},
    usage,
};

const DOING: &str = "begin a connector call";

/// What became of a call. `None`: it has to begin alone.
type Answer = Result<Option<FuelGrant>, BeginCallError>;

struct QueuedCall {
    call: NewCall,
    reply: oneshot::Sender<Answer>,
}

impl QueuedCall {
    fn answer(self, answer: Answer) {
        // The caller may have gone away. Then the call's lease ends.
        self.reply.send(answer).ok();
    }
}

/// The calls that wait, by organization. An organization is in here while a task begins its calls.
#[derive(Default)]
pub(crate) struct CallQueues(Mutex<HashMap<OrganizationId, Vec<QueuedCall>>>);

impl CallQueues {
    fn queues(&self) -> MutexGuard<'_, HashMap<OrganizationId, Vec<QueuedCall>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call. Returns true when no task begins the organization's calls: then the caller has to start one.
    fn add(&self, queued: QueuedCall) -> bool {
        match self.queues().entry(queued.call.organization) {
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push(queued);
                false
            }
            Entry::Vacant(none) => {
                none.insert(vec![queued]);
                true
            }
        }
    }
}

/// A task's right to begin an organization's calls.
struct Turn<'q> {
    queues: &'q CallQueues,
    organization: OrganizationId,
    ended: bool,
}

impl<'q> Turn<'q> {
    fn new(queues: &'q CallQueues, organization: OrganizationId) -> Self {
        Self { queues, organization, ended: false }
    }

    /// The calls that wait. When there are none, the turn ends.
    fn take_waiting(&mut self) -> Option<Vec<QueuedCall>> {
        let mut queues = self.queues.queues();
        let waiting = queues.get_mut(&self.organization).map(mem::take).filter(|waiting| !waiting.is_empty());
        if waiting.is_none() {
            queues.remove(&self.organization);
            self.ended = true;
        }
        waiting
    }
}

impl Drop for Turn<'_> {
    /// After a panic, those that wait are told so, and the next call starts another task.
    fn drop(&mut self) {
        if !self.ended {
            self.queues.queues().remove(&self.organization);
        }
    }
}

/// Why calls can't begin together.
#[derive(Debug)]
enum GroupError {
    /// The limits don't leave enough for all of them.
    TooMuch,
    Store(StoreError),
}

impl From<StoreError> for GroupError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Store {
    /// Counts a call and reserves its fuel. It does both or neither.
    pub(crate) async fn begin_counted(&self, call: NewCall) -> Result<FuelGrant, BeginCallError> {
        // Only production has limits and reservations.
        if call.environment == Environment::Sandbox {
            return self.begin_alone(call).await;
        }
        let (reply, answer) = oneshot::channel();
        if self.calls.add(QueuedCall { call, reply }) {
            // A task of its own, since the first caller may go away while others wait.
            tokio::spawn(begin_queued(self.clone(), call.organization));
        }
        let ended = |_| StoreError::Unavailable { doing: DOING, detail: "the task that begins calls ended".to_owned() };
        match answer.await.map_err(ended)?? {
            Some(grant) => Ok(grant),
            None => self.begin_alone(call).await,
        }
    }

    async fn begin_alone(&self, call: NewCall) -> Result<FuelGrant, BeginCallError> {
        self.write(call.organization, DOING, move |mut db| Box::pin(async move { begin(&mut db, &call).await })).await
    }
}

/// Begins the organization's calls until none waits.
async fn begin_queued(store: Store, organization: OrganizationId) {
    let mut turn = Turn::new(&store.calls, organization);
    while let Some(mut queued) = turn.take_waiting() {
        // Nobody waits for the others any more.
        queued.retain(|queued| !queued.reply.is_closed());
        begin_group(&store, queued).await;
    }
}

/// Begins calls of one organization and answers them.
async fn begin_group(store: &Store, queued: Vec<QueuedCall>) {
    let Some(first) = queued.first().map(|queued| queued.call) else { return };
    // What is counted at once counts for one month and one minute.
    let minute = usage::minute_of(first.now);
    let (mut queued, others): (Vec<_>, Vec<_>) =
        queued.into_iter().partition(|queued| usage::minute_of(queued.call.now) == minute);
    for other in others {
        other.answer(Ok(None));
    }
    if queued.len() == 1
        && let Some(only) = queued.pop()
    {
        only.answer(store.begin_alone(first).await.map(Some));
        return;
    }
    let calls: Vec<NewCall> = queued.iter().map(|queued| queued.call).collect();
    let begun = store
        .write(first.organization, DOING, move |mut db| Box::pin(async move { begin_together(&mut db, &calls).await }))
        .await;
    for queued in queued {
        let answer = match &begun {
            Ok(limited) => Ok(Some(FuelGrant { fuel: queued.call.fuel, limited: *limited })),
            // They may have begun although the answer was lost. So they don't begin again, and each caller gives its own back.
            Err(GroupError::Store(error)) if error.is_passing() => Err(error.clone().into()),
            // One call's mistake isn't the others'.
            Err(GroupError::Store(_) | GroupError::TooMuch) => Ok(None),
        };
        queued.answer(answer);
    }
}

/// Counts several calls of one organization and minute, and reserves the fuel of each. Returns whether fuel is limited.
async fn begin_together(db: &mut Conn<'_>, calls: &[NewCall]) -> Result<bool, OperationError<GroupError>> {
    let too_much = || OperationError::Refused(GroupError::TooMuch);
    let Some(&NewCall { organization, now, .. }) = calls.first() else { return Ok(false) };
    let fuel = calls.iter().fold(0_u64, |sum, call| sum.saturating_add(call.fuel));
    if fuel > MOST_FUEL {
        return Err(too_much());
    }
    if !usage::count_units(db, organization, Meter::ConnectorCalls, calls.len() as u64, now).await? {
        return Err(too_much());
    }
    let reserved = reserve_fuel(db, organization, fuel, false, now).await?;
    let (_, limit) = reserved.filter(|(granted, _)| granted.0 == fuel).ok_or_else(too_much)?;
    let rows: Vec<_> =
        calls.iter().map(|call| (call.id.0, call.fuel, call.lease_until.to_string(), call.now.to_string())).collect();
    let sql = db.pick(
        "INSERT INTO call_reservations
             (id, organization_id, period_start, fuel, released, lease_until, created_at, reading)
         SELECT value->>0, $1, $2, value->>1, $3, value->>2, value->>3, $3 FROM json_each($4)",
        "INSERT INTO call_reservations
             (id, organization_id, period_start, fuel, released, lease_until, created_at, reading)
         SELECT CAST(value->>0 AS UUID), $1, $2, CAST(value->>1 AS BIGINT), $3, CAST(value->>2 AS TIMESTAMPTZ),
                CAST(value->>3 AS TIMESTAMPTZ), $3
         FROM jsonb_array_elements($4) AS call(value)",
    );
    execute!(db, sql, Id(organization.0), Time(Period::containing(now).start), false, Json(rows))?;
    Ok(limit.is_some())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use resly_core::{id::CallId, time::Timestamp};
    use uuid::Uuid;

    use super::*;

    const ONE: OrganizationId = OrganizationId(Uuid::from_u128(1));
    const OTHER: OrganizationId = OrganizationId(Uuid::from_u128(2));

    fn queued(organization: OrganizationId) -> (QueuedCall, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        let now = Timestamp::from_micros(0);
        let lease_until = now.plus(Duration::from_secs(60));
        let environment = Environment::Production;
        let call = NewCall { id: CallId(Uuid::nil()), organization, environment, fuel: 1, now, lease_until };
        (QueuedCall { call, reply }, answer)
    }

    #[test]
    fn one_task_at_a_time_begins_an_organization_s_calls() {
        let queues = CallQueues::default();
        assert!(queues.add(queued(ONE).0), "the first starts a task");
        assert!(queues.add(queued(OTHER).0), "each organization has its own");
        let mut turn = Turn::new(&queues, ONE);
        assert!(!queues.add(queued(ONE).0));
        assert_eq!(turn.take_waiting().unwrap().len(), 2);
        assert!(!queues.add(queued(ONE).0), "it waits while those begin");
        assert_eq!(turn.take_waiting().unwrap().len(), 1);
        assert!(turn.take_waiting().is_none());
        assert!(queues.add(queued(ONE).0), "the turn has ended");
        drop(turn);
        assert!(!queues.add(queued(ONE).0), "and ends nobody else's");
    }

    #[test]
    fn a_task_that_panics_leaves_nobody_waiting() {
        let queues = CallQueues::default();
        let (call, mut answer) = queued(ONE);
        queues.add(call);
        drop(Turn::new(&queues, ONE));
        assert!(matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(queues.add(queued(ONE).0), "the next starts another task");
    }
}
