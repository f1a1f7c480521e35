//! Has the sandbox read what strangers wrote, and counts the fuel that a reading burnt: once, when it ends, whatever becomes
//! of what was read. Where the plan limits the fuel, a reading burns no more than was reserved for it.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use resly_core::{
    connector::{
        call::{BeginCallError, ConnectionStore},
        fuel::{FuelReserve, FuelSource},
    },
    error::StoreError,
    id::{CallId, OrganizationId, SourceId},
    knowledge::document::{Document, ExtractError, Extracted, Reading, ReadingBudget, Robots, SitemapEntry},
    meter::{LimitReached, LimitReserved},
    time::Clock,
};
use resly_egress::CRAWLER;
use resly_store::{BurntFuel, Store};

use crate::App;

/// Fuel that is reserved when a reading begins, about a tenth of a second's. It gets more while it runs.
const FIRST: u64 = 1_000_000_000;
/// When the fuel of a host that died is free again. It is longer than a reading takes.
const LEASE: Duration = Duration::from_secs(600);

/// Who a reading is for.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    pub organization: OrganizationId,
    /// The source or the crawl, on the bill.
    pub subject: SourceId,
}

/// Why a reading gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    #[error(transparent)]
    Extract(#[from] ExtractError),
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// Another try succeeds when what is running has given fuel back.
    #[error(transparent)]
    Reserved(#[from] LimitReserved),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<BeginCallError> for ReadingError {
    fn from(error: BeginCallError) -> Self {
        match error {
            BeginCallError::Limit(limit) => Self::Limit(limit),
            BeginCallError::LimitReserved(reserved) => Self::Reserved(reserved),
            BeginCallError::Store(error) => Self::Store(error),
        }
    }
}

/// Reserves more fuel for a reading.
struct ReadingFuel {
    store: Store,
    clock: Arc<dyn Clock>,
    organization: OrganizationId,
    reading: CallId,
    /// Why no more was reserved.
    refused: Mutex<Option<ReadingError>>,
}

#[async_trait]
impl FuelSource for ReadingFuel {
    async fn extend(&self, more: u64) -> u64 {
        let now = self.clock.now();
        let (granted, refused) = match self.store.extend_call(self.reading, self.organization, more, now).await {
            Ok(granted) if granted >= more => return granted,
            // It is the last of the plan's fuel.
            Ok(granted) => match self.store.fuel_left(self.organization, now).await {
                Ok(left) => (granted, left.map(|(_, limit)| limit.into())),
                Err(error) => (granted, Some(error.into())),
            },
            Err(refused) => (0, Some(refused.into())),
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        granted
    }
}

impl Reader {
    /// Refuses when the plan has no fuel left.
    pub async fn require_fuel(self, app: &App) -> Result<(), ReadingError> {
        self.is_limited(app).await.map(drop)
    }

    async fn is_limited(self, app: &App) -> Result<bool, ReadingError> {
        match app.store.fuel_left(self.organization, app.clock.now()).await? {
            Some((0, limit)) => Err(limit.into()),
            left => Ok(left.is_some()),
        }
    }

    /// Reads a document.
    pub async fn extract(self, app: &App, document: Document) -> Result<Extracted, ReadingError> {
        self.read(app, |budget| app.extractor.extract(budget, document)).await
    }

    /// Reads a sitemap.
    pub async fn sitemap(self, app: &App, document: Document) -> Result<Vec<SitemapEntry>, ReadingError> {
        self.read(app, |budget| app.extractor.sitemap(budget, document)).await
    }

    /// Reads a site's rules for this host's crawler.
    pub async fn robots(self, app: &App, text: Bytes) -> Result<Robots, ReadingError> {
        self.read(app, |budget| app.extractor.robots(budget, text, CRAWLER)).await
    }

    async fn read<T, F>(self, app: &App, ask: impl FnOnce(ReadingBudget) -> F) -> Result<T, ReadingError>
    where
        F: Future<Output = Reading<T>>,
    {
        let (organization, subject) = (self.organization, self.subject);
        let burnt = |fuel| BurntFuel { organization, subject, fuel, now: app.clock.now() };
        if !self.is_limited(app).await? {
            let Reading { result, fuel } = ask(organization.into()).await;
            app.store.count_reading(burnt(fuel)).await?;
            return Ok(result?);
        }
        let now = app.clock.now();
        let reading = CallId(app.random.uuid(now));
        let grant = app.store.reserve_reading(reading, organization, FIRST, now, now.plus(LEASE)).await?;
        let (store, clock) = (app.store.clone(), Arc::clone(&app.clock));
        let source = Arc::new(ReadingFuel { store, clock, organization, reading, refused: Mutex::default() });
        let reserve = Arc::new(FuelReserve::new(grant.fuel, u64::MAX, Arc::clone(&source) as _));
        let Reading { result, fuel } = ask(ReadingBudget { organization, fuel: Some(reserve) }).await;
        app.store.settle_reading(reading, burnt(fuel)).await?;
        let refused = source.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (result, refused) {
            (Ok(read), _) => Ok(read),
            (Err(_), Some(refused)) => Err(refused),
            (Err(error), None) => Err(error.into()),
        }
    }
}
