//! The thread that computes. There is one for each model, so that a model's memory is that of one batch, and a question
//! waits for one batch of documents at most. `candle` spreads a batch over the processors.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use tokio::sync::{Semaphore, oneshot};

use crate::error::RunError;

/// Questions that may wait. More are refused at once, since they would wait longer than a search does.
const MOST_QUESTIONS: usize = 64;
/// Batches of documents that may wait. More wait before they are queued.
const MOST_BATCHES: usize = 4;

/// Whether somebody waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// It goes before everything that isn't running yet.
    Question,
    Documents,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queues {
    questions: VecDeque<Job>,
    documents: VecDeque<Job>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queues: Mutex<Queues>,
    changed: Condvar,
}

/// A thread with a queue.
pub struct Executor {
    shared: Arc<Shared>,
    questions: Arc<Semaphore>,
    documents: Arc<Semaphore>,
}

impl Executor {
    pub fn start() -> Result<Self, std::io::Error> {
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        std::thread::Builder::new().name("resly-model".to_owned()).spawn(move || own.work())?;
        let permits = |most| Arc::new(Semaphore::new(most));
        Ok(Self { shared, questions: permits(MOST_QUESTIONS), documents: permits(MOST_BATCHES) })
    }

    /// Computes on the thread. What nobody waits for any more when its turn comes is left out.
    pub async fn run<T: Send + 'static>(
        &self,
        priority: Priority,
        compute: impl FnOnce() -> Result<T, RunError> + Send + 'static,
    ) -> Result<T, RunError> {
        let permit = match priority {
            Priority::Question => {
                Arc::clone(&self.questions).try_acquire_owned().map_err(|_| RunError::Busy(MOST_QUESTIONS))?
            }
            Priority::Documents => Arc::clone(&self.documents).acquire_owned().await.map_err(|_| RunError::Stopped)?,
        };
        let (sender, result) = oneshot::channel();
        self.shared.push(
            priority,
            Box::new(move || {
                if !sender.is_closed() {
                    let computed = catch_unwind(AssertUnwindSafe(compute));
                    let computed = computed.unwrap_or_else(|panic| Err(RunError::Panicked(message(&*panic))));
                    drop(sender.send(computed));
                }
                drop(permit);
            }),
        );
        result.await.map_err(|_| RunError::Stopped)?
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queues> {
        // Nothing panics while it holds the lock.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, priority: Priority, job: Job) {
        let mut queues = self.lock();
        match priority {
            Priority::Question => queues.questions.push_back(job),
            Priority::Documents => queues.documents.push_back(job),
        }
        self.changed.notify_one();
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    /// The next job, questions first; `None` when the executor is gone.
    fn next(&self) -> Option<Job> {
        let mut queues = self.lock();
        loop {
            if queues.closed {
                return None;
            }
            if let Some(job) = queues.questions.pop_front() {
                return Some(job);
            }
            if let Some(job) = queues.documents.pop_front() {
                return Some(job);
            }
            queues = self.changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// An executor whose thread waits until the sender is used or dropped.
    async fn held() -> (Arc<Executor>, mpsc::Sender<()>) {
        let executor = Arc::new(Executor::start().unwrap());
        let (release, gate) = mpsc::channel::<()>();
        let (running, started) = oneshot::channel();
        let held = Arc::clone(&executor);
        tokio::spawn(async move {
            held.run(Priority::Documents, move || {
                running.send(()).unwrap();
                gate.recv().ok();
                Ok(())
            })
            .await
        });
        started.await.unwrap();
        (executor, release)
    }

    #[tokio::test]
    async fn a_question_goes_before_documents_that_wait() {
        let (executor, release) = held().await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |priority| {
            let (executor, order) = (Arc::clone(&executor), Arc::clone(&order));
            let note = move || {
                order.lock().unwrap().push(priority);
                Ok(())
            };
            async move { executor.run(priority, note).await }
        };
        let documents = tokio::spawn(note(Priority::Documents));
        while executor.shared.lock().documents.is_empty() {
            tokio::task::yield_now().await;
        }
        let question = tokio::spawn(note(Priority::Question));
        while executor.shared.lock().questions.is_empty() {
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        documents.await.unwrap().unwrap();
        question.await.unwrap().unwrap();
        assert_eq!(*order.lock().unwrap(), [Priority::Question, Priority::Documents]);
    }

    #[tokio::test]
    async fn questions_beyond_the_bound_are_refused_and_given_up_ones_are_skipped() {
        let (executor, release) = held().await;
        let computed = Arc::new(Mutex::new(0));
        let mut waiting = Vec::new();
        for _ in 0..MOST_QUESTIONS {
            let (executor, counter) = (Arc::clone(&executor), Arc::clone(&computed));
            let count = move || {
                *counter.lock().unwrap() += 1;
                Ok(())
            };
            waiting.push(tokio::spawn(async move { executor.run(Priority::Question, count).await }));
        }
        while executor.shared.lock().questions.len() < MOST_QUESTIONS {
            tokio::task::yield_now().await;
        }
        let refused = executor.run(Priority::Question, || Ok(())).await;
        assert!(matches!(refused, Err(RunError::Busy(MOST_QUESTIONS))), "{refused:?}");
        for given_up in waiting.drain(1..) {
            given_up.abort();
            assert!(given_up.await.unwrap_err().is_cancelled());
        }
        release.send(()).unwrap();
        waiting.remove(0).await.unwrap().unwrap();
        executor.run(Priority::Documents, || Ok(())).await.unwrap();
        assert_eq!(*computed.lock().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_goes_on() {
        let executor = Executor::start().unwrap();
        let broken: Result<(), _> = executor.run(Priority::Question, || panic!("out of shape")).await;
        assert!(matches!(&broken, Err(RunError::Panicked(text)) if text == "out of shape"), "{broken:?}");
        assert_eq!(executor.run(Priority::Question, || Ok(7)).await.unwrap(), 7);
    }
}
