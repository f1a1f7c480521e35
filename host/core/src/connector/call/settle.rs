//! Settles calls even while the database can't be reached. What can't be written now is kept in memory, within bounds,
//! and written as soon as possible. When the host dies before, the lease of the call's reservation settles it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::timeout;

use super::fuel::FuelQueues;
use crate::{
    boxed,
    connector::call::{CallRecord, ConnectionStore},
    error::StoreError,
};

/// The most calls that wait to be settled, and the most bytes that they take.
const MOST: usize = 2_000;
const MOST_BYTES: usize = 16 << 20;
/// How long a caller waits for the database when the result is already there.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pauses between two attempts: the first one, and the longest.
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(2);

/// How a call ends in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettlementKind {
    /// It ran, so the fuel that it burnt is counted.
    Finish,
    /// It never ran, so its count is taken back.
    GiveBack,
    /// It was never counted, so it is only logged.
    Log,
}

/// When a call is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettlementOutcome {
    Now,
    /// As soon as the database answers.
    Later,
}

/// Writes the end of each call, now or later.
#[derive(Clone)]
pub struct Settlements {
    store: Arc<dyn ConnectionStore>,
    queues: FuelQueues,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    calls: VecDeque<(SettlementKind, CallRecord)>,
    bytes: usize,
    /// Whether a task is writing them.
    tended: bool,
}

impl Settlements {
    pub fn new(store: Arc<dyn ConnectionStore>, queues: FuelQueues) -> Self {
        Self { store, queues, waiting: Arc::default() }
    }

    /// Settles a call now or, when the database can't be reached, later. After an error, only its lease settles the
    /// call.
    #[boxed]
    pub async fn settle(&self, ending: SettlementKind, record: CallRecord) -> Result<SettlementOutcome, StoreError> {
        // An attempt that timed out may still be written. Settling the same call twice has no further effect.
        let written = match timeout(PATIENCE, self.write(ending, record.clone())).await {
            Ok(written) => written,
            Err(_) => {
                let detail = format!("it took longer than {} s", PATIENCE.as_secs());
                Err(StoreError::Unavailable { doing: "settle a connector call", detail })
            }
        };
        match written {
            Ok(()) => Ok(SettlementOutcome::Now),
            Err(error) if error.is_passing() => self.keep(ending, record, error).map(|()| SettlementOutcome::Later),
            Err(error) => Err(error),
        }
    }

    /// Tries once to settle all waiting calls. Called when the host shuts down.
    #[boxed]
    pub async fn flush(&self) {
        while let Some((ending, record)) = self.next() {
            if let Err(error) = self.write(ending, record).await {
                tracing::warn!(%error, "a call is left to its lease");
                return;
            }
        }
    }

    async fn write(&self, ending: SettlementKind, record: CallRecord) -> Result<(), StoreError> {
        let organization = record.organization;
        match ending {
            SettlementKind::Finish => self.store.finish_call(record).await?,
            SettlementKind::GiveBack => self.store.give_back_call(record).await?,
            SettlementKind::Log => self.store.log_call(record).await?,
        }
        self.queues.notify_waiters(organization);
        Ok(())
    }

    /// Keeps a call until the database answers. Returns `error` when too many wait already.
    pub fn keep(&self, ending: SettlementKind, record: CallRecord, error: StoreError) -> Result<(), StoreError> {
        let bytes = size(&record);
        let begin = {
            let mut waiting = self.lock();
            if waiting.calls.len() >= MOST || waiting.bytes + bytes > MOST_BYTES {
                return Err(error);
            }
            waiting.bytes += bytes;
            waiting.calls.push_back((ending, record));
            !std::mem::replace(&mut waiting.tended, true)
        };
        if begin {
            tracing::warn!(%error, "calls can't be settled now; they will be as soon as the database answers");
            tokio::spawn(self.clone().drain_queue());
        }
        Ok(())
    }

    /// Writes the waiting calls, oldest first, until none is left.
    async fn drain_queue(self) {
        let (mut pause, mut settled) = (SOON, 0_u64);
        while let Some((ending, record)) = self.next() {
            match self.write(ending, record.clone()).await {
                Ok(()) => {
                    settled += 1;
                    pause = SOON;
                }
                Err(error) if error.is_passing() => {
                    self.put_back(ending, record);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LATER);
                }
                Err(error) => tracing::error!(%error, "a call can't be settled and is left to its lease"),
            }
        }
        tracing::info!(settled, "settled the calls that had to wait for the database");
    }

    /// The oldest waiting call. `None` also records that no task is writing any more.
    fn next(&self) -> Option<(SettlementKind, CallRecord)> {
        let mut waiting = self.lock();
        let next = waiting.calls.pop_front();
        match &next {
            Some((_, record)) => waiting.bytes = waiting.bytes.saturating_sub(size(record)),
            None => waiting.tended = false,
        }
        next
    }

    fn put_back(&self, ending: SettlementKind, record: CallRecord) {
        let mut waiting = self.lock();
        waiting.bytes += size(&record);
        waiting.calls.push_front((ending, record));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that a record takes in memory, roughly.
fn size(record: &CallRecord) -> usize {
    let lines: usize = record.log.iter().map(|line| line.message.len() + 64).sum();
    let requests: usize = record.requests.iter().map(|request| request.to_string().len() + 64).sum();
    512 + lines + requests + record.message.as_ref().map_or(0, String::len)
}
