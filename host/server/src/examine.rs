//! Looking at what an admin hands in: work of up to a second, off the async workers, and one piece at a time, so that
//! however many hand something in at once, chats keep the other processors.

use tokio::sync::Semaphore;

use crate::http::problem::Problem;

pub struct Examiner(Semaphore);

impl Default for Examiner {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Examiner {
    /// Runs `look` on a blocking thread once the pieces before it are done.
    pub async fn examine<T: Send + 'static>(&self, look: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let _turn = self.0.acquire().await.map_err(|closed| Problem::internal(&closed))?;
        tokio::task::spawn_blocking(look).await.map_err(|panicked| Problem::internal(&panicked))
    }
}
