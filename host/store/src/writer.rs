//! SQLite's one writer: a thread that owns the write connection and commits what has queued up as one group.
//!
//! A commit syncs the disk, which costs more than all the statements before it. So the writer takes all waiting
//! operations, runs each in a savepoint of its own, commits once, and then answers their callers. An operation that
//! fails is undone alone. A commit that fails undoes its whole group, and every caller gets the error.
//!
//! Between groups an empty transaction is open. It holds no lock. With it, the commit of one group and the begin of the
//! next are one trip to SQLite's thread.
//!
//! The writer is a thread and not a task, so that each trip to SQLite's thread and back waits only for the kernel,
//! however busy the host's tasks are.

use std::{
    mem,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use resly_core::{
    boxed,
    error::StoreError,
    metrics::{Metrics, names},
};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use crate::{
    error::{CommitFailure, OperationError, unexpected},
    sql::Conn,
};

/// How long a connection waits for another one's lock.
pub(crate) const BUSY: Duration = Duration::from_secs(10);
/// Operations that the queue holds. Callers beyond them wait until there is room.
const QUEUE: usize = 4096;
/// The most operations in one commit. The first of them waits for the last.
const GROUP: usize = 128;
/// How long a group may take new operations. So large operations make small groups, and a caller who comes later
/// doesn't wait for all that was queued at once.
const GROUP_TIME: Duration = Duration::from_millis(5);

/// An operation with its types erased.
trait Job: Send {
    /// Runs the operation. Returns whether its changes are kept.
    fn run<'c>(&'c mut self, conn: &'c mut SqliteConnection) -> BoxFuture<'c, bool>;
    /// Answers the caller after the group's commit. `failure` is why the commit failed.
    fn answer(self: Box<Self>, failure: Option<&CommitFailure>);
}

struct Task<T, E, F> {
    state: TaskState<T, E, F>,
    reply: oneshot::Sender<Result<T, OperationError<E>>>,
}

enum TaskState<T, E, F> {
    /// The operation waits. It stays so when its group fails before its turn.
    Queued(F),
    Running,
    Done(Result<T, OperationError<E>>),
}

impl<T, E, F> Job for Task<T, E, F>
where
    T: Send,
    E: Send,
    F: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<T, OperationError<E>>> + Send,
{
    fn run<'c>(&'c mut self, conn: &'c mut SqliteConnection) -> BoxFuture<'c, bool> {
        let state = mem::replace(&mut self.state, TaskState::Running);
        Box::pin(async move {
            let TaskState::Queued(operation) = state else { return false };
            let result = AssertUnwindSafe(async { operation(Conn::Sqlite(conn)).await }).catch_unwind().await;
            let result = result.unwrap_or_else(|_| Err(OperationError::Database(unexpected("the operation panicked"))));
            let keep = result.is_ok();
            self.state = TaskState::Done(result);
            keep
        })
    }

    fn answer(self: Box<Self>, failure: Option<&CommitFailure>) {
        let result = match (self.state, failure) {
            (TaskState::Done(Ok(_)), Some(failure)) => Err(OperationError::CommitFailure(failure.clone())),
            (TaskState::Done(result), _) => result,
            (TaskState::Queued(_) | TaskState::Running, failure) => {
                Err(OperationError::CommitFailure(failure.cloned().unwrap_or_else(|| "it was not run".into())))
            }
        };
        // A caller who went away doesn't undo what was committed.
        self.reply.send(result).ok();
    }
}

enum Message {
    Run(Box<dyn Job>),
    /// Answers whether the log of writes was emptied.
    Checkpoint(oneshot::Sender<Result<bool, sqlx::Error>>),
    Close(oneshot::Sender<()>),
}

/// A handle of the writer. The thread ends when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    /// Where commits are measured, once the host says it.
    metrics: Arc<OnceLock<Metrics>>,
}

impl Writer {
    /// Starts the thread. It drops `guard` when the connection is closed, before [`Self::close`] returns.
    pub fn start(conn: SqliteConnection, guard: impl Send + 'static) -> std::io::Result<Self> {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let metrics = Arc::default();
        let measured = Arc::clone(&metrics);
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        thread::Builder::new().name("resly-writer".to_owned()).spawn(move || {
            let closing = runtime.block_on(serve(conn, receiver, &measured));
            drop(guard);
            if let Some(done) = closing {
                // The caller may have gone away.
                done.send(()).ok();
            }
        })?;
        Ok(Self { queue, metrics })
    }

    /// Measures commits from now on. The first call counts.
    pub fn measure(&self, metrics: Metrics) {
        self.metrics.get_or_init(|| metrics);
    }

    /// Operations that wait.
    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Runs one operation in the next group. Returns when it is on the disk.
    #[boxed]
    pub async fn write<T, E, F>(&self, operation: F) -> Result<T, OperationError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<T, OperationError<E>>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task { state: TaskState::Queued(operation), reply };
        self.queue
            .send(Message::Run(Box::new(task)))
            .await
            .map_err(|_| OperationError::CommitFailure("the store is closed".into()))?;
        answer.await.unwrap_or_else(|_| Err(OperationError::CommitFailure("the writer ended".into())))
    }

    /// Moves all that was written into the database's file and empties the log of writes (the WAL), so that neither holds
    /// what was deleted. Returns false when a reader still needs the log.
    #[boxed]
    pub async fn checkpoint(&self) -> Result<bool, OperationError<StoreError>> {
        let (reply, answer) = oneshot::channel();
        let closed = || OperationError::CommitFailure("the store is closed".into());
        self.queue.send(Message::Checkpoint(reply)).await.map_err(|_| closed())?;
        Ok(answer.await.map_err(|_| closed())??)
    }

    /// Runs the queued operations and ends the thread. Returns when the file is closed and its folder free.
    #[boxed]
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            closed.await.ok();
        }
    }
}

/// Serves until the queue is closed. Returns the request to close, if one came.
async fn serve(
    mut conn: SqliteConnection,
    mut queue: mpsc::Receiver<Message>,
    metrics: &OnceLock<Metrics>,
) -> Option<oneshot::Sender<()>> {
    let mut closing = None;
    if let Err(error) = execute(&mut conn, "BEGIN").await {
        tracing::error!(%error, "the first transaction could not be begun");
    }
    while closing.is_none() {
        match queue.recv().await {
            Some(Message::Run(job)) => closing = group(&mut conn, job, &mut queue, metrics).await,
            // The caller may have gone away.
            Some(Message::Checkpoint(reply)) => drop(reply.send(checkpoint(&mut conn).await)),
            Some(Message::Close(done)) => closing = Some(done),
            None => break,
        }
    }
    queue.close();
    if let Err(error) = conn.close().await {
        tracing::warn!(%error, "the database file was not closed cleanly; nothing that was committed is lost");
    }
    closing
}

/// Runs `first` and other waiting operations in one transaction. Returns the request to close, if one came.
async fn group(
    conn: &mut SqliteConnection,
    first: Box<dyn Job>,
    queue: &mut mpsc::Receiver<Message>,
    metrics: &OnceLock<Metrics>,
) -> Option<oneshot::Sender<()>> {
    let mut jobs: Vec<Box<dyn Job>> = Vec::new();
    let mut checkpoints = Vec::new();
    let mut closing = None;
    let mut next = Some(first);
    let mut result = Ok(());
    let started = Instant::now();
    while let Some(mut job) = next.take() {
        if result.is_ok() {
            result = run(conn, job.as_mut(), jobs.is_empty()).await;
        }
        jobs.push(job);
        if jobs.len() < GROUP && started.elapsed() < GROUP_TIME {
            match queue.try_recv() {
                Ok(Message::Run(job)) => next = Some(job),
                Ok(Message::Close(done)) => closing = Some(done),
                // It has to wait for the commit.
                Ok(Message::Checkpoint(reply)) => checkpoints.push(reply),
                Err(_) => {}
            }
        }
    }
    if result.is_ok() {
        result = execute(conn, "COMMIT; BEGIN").await;
    }
    let failure = result.err().map(|error| {
        tracing::error!(%error, operations = jobs.len(), "a group of writes could not be committed");
        CommitFailure::from(&error)
    });
    if failure.is_some() {
        // SQLite may have rolled back already, and then there is nothing to roll back.
        execute(conn, "ROLLBACK").await.ok();
        execute(conn, "BEGIN").await.ok();
    }
    if let Some(metrics) = metrics.get() {
        metrics.time(&names::COMMIT_DURATION, [], started.elapsed());
        metrics.record(&names::COMMIT_OPERATIONS, [], jobs.len() as f64);
    }
    for job in jobs {
        job.answer(failure.as_ref());
    }
    for reply in checkpoints {
        drop(reply.send(checkpoint(conn).await));
    }
    closing
}

/// Runs one job so that it can be undone alone. The first of a group needs no savepoint, because nothing before it has
/// to be kept. Savepoints of the same name nest, and the commit releases them all.
async fn run(conn: &mut SqliteConnection, job: &mut dyn Job, first: bool) -> Result<(), sqlx::Error> {
    if !first {
        execute(conn, "SAVEPOINT operation").await?;
    }
    if job.run(conn).await {
        return Ok(());
    }
    if first { execute(conn, "ROLLBACK; BEGIN").await } else { execute(conn, "ROLLBACK TO operation").await }
}

/// Between groups no lock is held, so that a checkpoint can run. It doesn't wait for readers, since all writes would wait
/// with it.
async fn checkpoint(conn: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    execute(conn, "PRAGMA busy_timeout = 0").await?;
    let done = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *conn).await;
    let patience = format!("PRAGMA busy_timeout = {}", BUSY.as_millis());
    sqlx::query(sqlx::AssertSqlSafe(patience)).execute(conn).await?;
    let (busy, _, _): (i64, i64, i64) = done?;
    Ok(busy == 0)
}

async fn execute(conn: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(conn).await.map(drop)
}
