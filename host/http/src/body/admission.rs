//! Limits what a request takes of the host: memory for its body, and turns on the threads that read large bodies.

use std::sync::Arc;

use bytes::Bytes;
use http::Extensions;
use resly_core::id::OrganizationId;
use serde::de::DeserializeOwned;

use super::parse::{SMALL, WEIGHT_CAP, parse, parse_or_nothing, weight};
use crate::{
    body_memory::MemoryPermit,
    fair_pool::{FairPool, PoolError},
    problem::{Problem, kinds},
};

/// When a client that found no memory or no turn may try again, in seconds.
const RETRY_AFTER: u64 = 2;

/// The threads that parse bodies.
pub struct ParserPools {
    /// For bodies up to [`BODY_CAP`], which take a few milliseconds each.
    pub quick: FairPool,
    /// For larger bodies and slower work: definitions, components and documents. It has one thread for four processors.
    pub heavy: FairPool,
}

impl ParserPools {
    /// Heavy work has a low priority, so that answers get the processors first.
    const NICE: i32 = 10;

    pub fn start() -> std::io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            quick: FairPool::start("resly-read", processors / 2, 0)?,
            heavy: FairPool::start("resly-examine", processors / 4, Self::NICE)?,
        })
    }

    /// Runs heavy work in the organization's turn.
    pub async fn examine<T: Send + 'static>(
        &self,
        organization: OrganizationId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        self.heavy.run(organization, work).await.map_err(|error| not_run(&error))
    }
}

/// What a request takes of the host. It is in the request's extensions. The memory is given back when the response
/// begins.
#[derive(Clone)]
pub struct Admission {
    pub organization: OrganizationId,
    pub share: Arc<MemoryPermit>,
    pub readers: Arc<ParserPools>,
}

impl Admission {
    /// The admission that the guard has put into a request's extensions.
    pub fn of(extensions: &Extensions) -> Result<&Self, Problem> {
        extensions.get().ok_or_else(|| Problem::internal(&"a route that reads a body is not behind the guard"))
    }

    /// Takes memory before it is used.
    pub fn reserve(&self, bytes: usize) -> Result<(), Problem> {
        if self.share.grow_to(bytes) { Ok(()) } else { Err(busy("the memory for request bodies is taken")) }
    }

    /// Runs heavy work in the organization's turn.
    pub async fn examine<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        self.readers.examine(self.organization, work).await
    }

    /// Parses a body of a route that takes at most [`BODY_CAP`].
    pub async fn parse<T: DeserializeOwned + Send + 'static>(&self, bytes: Bytes) -> Result<T, Problem> {
        if bytes.len() <= SMALL {
            return parse_or_nothing(&bytes);
        }
        let share = Arc::clone(&self.share);
        let work = move || {
            let weight = weight(&bytes, WEIGHT_CAP)?;
            if !share.grow_to(bytes.len() + weight) {
                return Err(busy("the memory for request bodies is taken"));
            }
            parse(&bytes)
        };
        self.readers.quick.run(self.organization, work).await.map_err(|error| not_run(&error))?
    }
}

pub(super) fn busy(what: &str) -> Problem {
    Problem::new(&kinds::HOST_BUSY, format!("{what}; nothing was done, try again in {RETRY_AFTER} s"))
        .retry_after(RETRY_AFTER)
}

fn not_run(error: &PoolError) -> Problem {
    match error {
        PoolError::Full => busy(&error.to_string()),
        PoolError::Ended => Problem::internal(error),
    }
}
