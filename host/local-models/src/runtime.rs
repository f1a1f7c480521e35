//! A model that was loaded, with the thread that computes with it.

use std::sync::Arc;

use crate::{
    error::{LoadError, RunError},
    executor::{Executor, Priority},
    folder::Folder,
};

/// A model and its thread.
pub struct Runtime<M> {
    model: Arc<M>,
    executor: Executor,
}

impl<M: Send + Sync + 'static> Runtime<M> {
    /// Computes with the model of a folder once, and starts its thread. Returns what it computed.
    pub fn start<T>(
        folder: &Folder,
        model: M,
        first: impl FnOnce(&M) -> Result<T, RunError>,
    ) -> Result<(Self, T), LoadError> {
        let broken = |reason: String| LoadError::Broken { folder: folder.path.clone(), reason };
        let computed = first(&model).map_err(|error| broken(error.to_string()))?;
        let executor = Executor::start().map_err(|error| broken(error.to_string()))?;
        Ok((Self { model: Arc::new(model), executor }, computed))
    }

    pub fn model(&self) -> &M {
        &self.model
    }

    /// Computes on the model's thread.
    pub async fn run<T: Send + 'static>(
        &self,
        priority: Priority,
        compute: impl FnOnce(&M) -> Result<T, RunError> + Send + 'static,
    ) -> Result<T, RunError> {
        let model = Arc::clone(&self.model);
        self.executor.run(priority, move || compute(&model)).await
    }
}
