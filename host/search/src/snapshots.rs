//! What is searched of each organization: read from the store and the data folder, shared by all searches, brought up to
//! date once for all who wait, and forgotten when nobody asks.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicI64},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use moka::{future::Cache, policy::EvictionPolicy};
use resly_core::{
    error::StoreError,
    id::{OrganizationId, RevisionId},
    knowledge::{Embedder, KnowledgeStore, RevisionSize},
    time::{Clock, Timestamp},
};
use tokio::time::Instant;

use crate::{
    passages::Passages,
    synonyms::SynonymIndex,
    vectors::VectorIndex,
    words::{Place, WordIndex, WordsError, WordsUpdate},
};

/// How long a search waits for an update when it has an older snapshot.
const UPDATE_PATIENCE: Duration = Duration::from_millis(500);
/// How long a search waits for the first snapshot.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
/// Passages that are loaded from the store at once.
const BATCH: u32 = 2000;
/// How long a snapshot is used that doesn't hold all that it should, or that isn't in the data folder, before that is tried
/// again.
pub(crate) const RETRY: Duration = Duration::from_secs(5);
/// How long a snapshot stays after its last use.
const IDLE: Duration = Duration::from_secs(1800);
/// What a snapshot weighs at least. Its memory is less; but each has some ten mapped files, of which a process may have
/// 65,530 on Linux.
const LEAST_WEIGHT: u64 = 256 << 10;

/// The words and vectors of one organization as of one knowledge version.
pub struct Snapshot {
    pub version: u64,
    /// `None` when no index can be made, which the log tells.
    pub words: Option<Arc<WordIndex>>,
    pub vectors: VectorIndex,
    pub passages: Passages,
    pub synonyms: Arc<SynonymIndex>,
    /// Microseconds since 1970 of the last search, 0 before the first.
    pub searched_at: AtomicI64,
    /// When it is made again, though nothing has changed.
    retry_at: Option<Timestamp>,
}

impl Snapshot {
    /// Whether it is of this version or a later one, as whole as it could be made.
    fn is_current(&self, version: u64, now: Timestamp) -> bool {
        self.version >= version && self.retry_at.is_none_or(|at| now < at)
    }
}

/// The snapshots in memory. It is cheap to clone.
#[derive(Clone)]
pub struct Snapshots(Arc<Inner>);

struct Inner {
    store: Arc<dyn KnowledgeStore>,
    embedder: Arc<dyn Embedder>,
    clock: Arc<dyn Clock>,
    /// A folder for each organization is in here.
    folder: PathBuf,
    open: Cache<OrganizationId, Arc<Snapshot>>,
    running: Mutex<HashMap<OrganizationId, Running>>,
}

/// An update that is on its way.
#[derive(Clone)]
struct Running {
    started: Instant,
    done: Shared<BoxFuture<'static, Result<Arc<Snapshot>, StoreError>>>,
}

impl Snapshots {
    /// `bytes` is the most that all snapshots together weigh.
    pub fn new(
        store: Arc<dyn KnowledgeStore>,
        embedder: Arc<dyn Embedder>,
        clock: Arc<dyn Clock>,
        folder: PathBuf,
        bytes: u64,
    ) -> Self {
        // One that weighed more than the whole would never be kept.
        let heaviest = (bytes / 2).max(1);
        let weight = move |_: &OrganizationId, snapshot: &Arc<Snapshot>| {
            let words = snapshot.words.as_ref().map_or(0, |words| words.bytes());
            let weight =
                u64::try_from(snapshot.vectors.bytes() + words + snapshot.synonyms.bytes()).unwrap_or(u64::MAX);
            u32::try_from(weight.max(LEAST_WEIGHT).min(heaviest)).unwrap_or(u32::MAX)
        };
        let open = Cache::builder()
            .max_capacity(bytes)
            .weigher(weight)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(IDLE)
            .build();
        Self(Arc::new(Inner { store, embedder, clock, folder, open, running: Mutex::default() }))
    }

    /// A snapshot of `version` or later. An older one, or none, when an update takes too long for a search.
    pub async fn get(&self, organization: OrganizationId, version: u64) -> Result<Option<Arc<Snapshot>>, StoreError> {
        loop {
            let have = self.0.open.get(&organization).await;
            if have.as_ref().is_some_and(|have| have.is_current(version, self.0.clock.now())) {
                return Ok(have);
            }
            let patience = if have.is_some() { UPDATE_PATIENCE } else { FIRST_PATIENCE };
            let update = self.join(organization, version);
            match tokio::time::timeout_at(update.started + patience, update.done).await {
                Ok(Ok(made)) if made.version >= version => return Ok(Some(made)),
                // It began before the change that this search must see.
                Ok(Ok(_)) => {}
                Ok(Err(error)) if have.is_none() => return Err(error),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "searching an older state of the knowledge");
                    return Ok(have);
                }
                Err(_) => return Ok(have),
            }
        }
    }

    /// Waits until there is a snapshot of `version` or later.
    pub async fn update(&self, organization: OrganizationId, version: u64) -> Result<(), StoreError> {
        while self.0.open.get(&organization).await.is_none_or(|have| have.version < version) {
            if self.join(organization, version).done.await?.version >= version {
                break;
            }
        }
        Ok(())
    }

    /// Forgets a snapshot that can't be searched, and deletes its files.
    pub async fn discard(&self, organization: OrganizationId, broken: &Arc<Snapshot>) {
        let same = self.0.open.get(&organization).await.is_some_and(|have| Arc::ptr_eq(&have, broken));
        if !same {
            return;
        }
        self.0.open.invalidate(&organization).await;
        let place = self.0.place(organization);
        let wiped = blocking(move || WordsUpdate::open(&place, true).map(drop)).await;
        if let Err(error) = wiped {
            tracing::warn!(%organization, %error, "a broken search index can't be deleted");
        }
    }

    /// Joins the update that is running, or starts one.
    fn join(&self, organization: OrganizationId, version: u64) -> Running {
        let mut running = self.0.running();
        if let Some(running) = running.get(&organization) {
            return running.clone();
        }
        // A task of its own, so that a search that is given up doesn't end it for the others.
        let ended = Ended { inner: Arc::clone(&self.0), organization };
        let task = tokio::spawn(async move { ended.inner.make(organization, version).await });
        let done = async move {
            task.await.unwrap_or_else(|error| {
                Err(StoreError::Broken { doing: "index the knowledge", detail: error.to_string() })
            })
        };
        let started = Running { started: Instant::now(), done: done.boxed().shared() };
        running.insert(organization, started.clone());
        started
    }

    /// How many snapshots are in memory, once what is due is done.
    #[cfg(test)]
    pub async fn count(&self) -> u64 {
        self.0.open.run_pending_tasks().await;
        self.0.open.entry_count()
    }
}

/// How an index of words is made. Each attempt goes further than the one before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Open,
    Wipe,
    Memory,
}

/// Takes an update from the list of running ones, however it ends.
struct Ended {
    inner: Arc<Inner>,
    organization: OrganizationId,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.inner.running().remove(&self.organization);
    }
}

impl Inner {
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<OrganizationId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, organization: OrganizationId) -> Place {
        Place::Folder(self.folder.join(organization.0.to_string()))
    }

    /// Reads what changed since the last snapshot, or since the index in the data folder was written.
    async fn make(&self, organization: OrganizationId, version: u64) -> Result<Arc<Snapshot>, StoreError> {
        let have = self.open.get(&organization).await;
        // Read after `version`, so it may be newer, never older. A source without passages has neither words nor vectors.
        let mut sources = self.store.revisions(organization).await?;
        sources.retain(|source| source.passages > 0);
        let mut vectors = have.as_ref().map(|have| have.vectors.clone()).unwrap_or_default();
        if have.as_ref().is_some_and(|have| have.retry_at.is_some()) {
            vectors.forget_empty();
        }
        let vectors = self.update_vectors(organization, vectors, &sources).await?;
        let known_synonyms = have.as_ref().map(|have| Arc::clone(&have.synonyms));
        let words = have.and_then(|have| have.words.clone());
        let words = self.update_words(organization, words, &sources).await?;
        let synonyms = self.store.synonyms(organization).await?;
        let languages = words.as_ref().map(|words| words.languages().to_vec()).unwrap_or_default();
        let synonyms = match known_synonyms.filter(|known| known.is_of(&synonyms, &languages)) {
            Some(known) => known,
            None => {
                let made = tokio::task::spawn_blocking(move || SynonymIndex::new(synonyms, &languages)).await;
                // Without them after a panic, which the log tells.
                Arc::new(made.unwrap_or_default())
            }
        };
        let settled = words.as_ref().is_some_and(|words| !words.is_in_memory() && words.has_exactly(&ids(&sources)));
        let made = Arc::new(Snapshot {
            version,
            words,
            vectors,
            passages: Passages::default(),
            synonyms,
            searched_at: AtomicI64::new(0),
            retry_at: (!settled).then(|| self.clock.now().plus(RETRY)),
        });
        self.open.insert(organization, Arc::clone(&made)).await;
        Ok(made)
    }

    async fn update_vectors(
        &self,
        organization: OrganizationId,
        mut vectors: VectorIndex,
        sources: &[RevisionSize],
    ) -> Result<VectorIndex, StoreError> {
        vectors.retain(&ids(sources));
        let missing: Vec<RevisionSize> =
            sources.iter().filter(|source| !vectors.contains(source.id)).copied().collect();
        for batch in batches(&missing) {
            let loaded = self.store.load_vectors(organization, self.embedder.name(), &batch).await?;
            vectors = blocking(move || {
                vectors.add(&batch, &loaded);
                Ok::<_, WordsError>(vectors)
            })
            .await
            .map_err(|error| StoreError::Broken { doing: "index the vectors", detail: error.to_string() })?;
        }
        Ok(vectors)
    }

    /// The index of words, first from the data folder; from scratch when that is broken; in memory when the folder can't
    /// be used, as when its disk is full.
    async fn update_words(
        &self,
        organization: OrganizationId,
        have: Option<Arc<WordIndex>>,
        sources: &[RevisionSize],
    ) -> Result<Option<Arc<WordIndex>>, StoreError> {
        let wanted = ids(sources);
        let whole = have.clone().filter(|have| have.has_exactly(&wanted));
        if let Some(have) = &whole
            && !have.is_in_memory()
        {
            return Ok(whole);
        }
        let mut attempt = Attempt::Open;
        loop {
            if attempt == Attempt::Memory && whole.is_some() {
                return Ok(whole);
            }
            let place = if attempt == Attempt::Memory { Place::Memory } else { self.place(organization) };
            let wipe = attempt == Attempt::Wipe;
            let error = match self.write_words(organization, place, wipe, have.clone(), sources, &wanted).await {
                Ok(words) => return Ok(Some(Arc::new(words))),
                Err(WordsError::Store(error)) => return Err(error),
                Err(error) => error,
            };
            attempt = match (attempt, &error) {
                (Attempt::Memory, _) => {
                    tracing::error!(%organization, %error, "no search index can be made; vectors alone are searched");
                    return Ok(None);
                }
                // What another process is writing isn't broken.
                (Attempt::Wipe, _) | (_, WordsError::Busy(_)) => {
                    tracing::warn!(%organization, %error, "the search index is kept in memory");
                    Attempt::Memory
                }
                (Attempt::Open, _) => {
                    tracing::warn!(%organization, %error, "the search index is made anew");
                    Attempt::Wipe
                }
            };
        }
    }

    async fn write_words(
        &self,
        organization: OrganizationId,
        place: Place,
        wipe: bool,
        have: Option<Arc<WordIndex>>,
        sources: &[RevisionSize],
        wanted: &HashSet<RevisionId>,
    ) -> Result<WordIndex, WordsError> {
        let mut update = blocking(move || WordsUpdate::open_since(&place, wipe, have.as_deref())).await?;
        let gone = update.sources().iter().filter(|source| !wanted.contains(source)).copied().collect::<Vec<_>>();
        let known: HashSet<RevisionId> = update.sources().iter().copied().collect();
        let missing: Vec<RevisionSize> = sources.iter().filter(|source| !known.contains(&source.id)).copied().collect();
        if !gone.is_empty() {
            update = blocking(move || update.delete(&gone)).await?;
        }
        let mut written: HashSet<RevisionId> = known.intersection(wanted).copied().collect();
        for batch in batches(&missing) {
            let texts = self.store.load_texts(organization, &batch).await.map_err(WordsError::Store)?;
            written.extend(texts.iter().map(|text| text.revision));
            update = blocking(move || update.add(&texts)).await?;
        }
        let words = blocking(move || update.commit()).await?;
        if words.has_exactly(&written) { Ok(words) } else { Err(WordsError::Incomplete) }
    }
}

fn ids(sources: &[RevisionSize]) -> HashSet<RevisionId> {
    sources.iter().map(|source| source.id).collect()
}

/// The ids of sources, in batches of some [`BATCH`] passages.
fn batches(sources: &[RevisionSize]) -> Vec<Vec<RevisionId>> {
    let mut batches: Vec<Vec<RevisionId>> = Vec::new();
    let mut passages = BATCH;
    for source in sources {
        passages = passages.saturating_add(source.passages.max(1));
        match batches.last_mut() {
            Some(batch) if passages <= BATCH => batch.push(source.id),
            _ => {
                batches.push(vec![source.id]);
                passages = source.passages;
            }
        }
    }
    batches
}

/// Runs on a thread that may block. A panic there, which a broken file may cause, is an error here.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WordsError> + Send + 'static,
) -> Result<T, WordsError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(WordsError::Index(error.to_string())))
}
