//! Reads the sources that wait: a file as it was uploaded, or a page as it is now. A reading ends with the new content, or
//! with why there is none; when its host dies, its lease ends and it is made again, a bounded number of times.

mod document;

use std::{sync::Arc, time::Duration};

use resly_core::{
    alert::wait_after,
    boxed,
    error::StoreError,
    id::{LeaseId, RevisionId},
    knowledge::{
        FailureKind, SourceFailure, SourceKind,
        document::{ExtractError, ExtractErrorKind, Extracted},
    },
    meter::LimitReached,
    time::Timestamp,
};
use resly_search::{AddError, Library, NewText, Progress};
use resly_store::{ChangedBy, DueSource, FinishedRead, PageVersion, ReadQueue, ReadResult, SourceChange};

use self::document::{Got, current_document};
use super::{DEADLINE, LEASE, check};
use crate::{
    App,
    places::Places,
    readings::{Reader, ReadingError},
};

/// Tries to read a source.
const TRIES: u32 = 5;
/// The time of one try.
const TRY: Duration = Duration::from_secs(600);
/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(15);

/// Why a reading gave no new content.
pub(super) enum Ended {
    Unchanged {
        content_hash: [u8; 32],
        version: PageVersion,
    },
    /// Another try may succeed. The server may say when.
    Passing(SourceFailure, Option<Duration>),
    Failed {
        failure: SourceFailure,
        forget: bool,
        misses: u32,
    },
    Limit(LimitReached),
    /// Somebody else changed the source, or has it now.
    Superseded,
    Store(StoreError),
}

impl Ended {
    pub fn failed(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Failed { failure: SourceFailure::new(kind, message), forget: false, misses: 0 }
    }

    pub fn passing(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Passing(SourceFailure::new(kind, message), None)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<AddError> for Ended {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Empty => Self::failed(FailureKind::Empty, "it has no text to know"),
            AddError::TooLarge { .. } | AddError::TooMuchMarkup(_) => {
                Self::failed(FailureKind::TooLarge, error.to_string())
            }
            AddError::Exists | AddError::Changed => Self::Superseded,
            AddError::Limit(limit) if limit.passes_soon() => {
                Self::passing(FailureKind::LimitReached, limit.to_string())
            }
            AddError::Limit(limit) => Self::Limit(limit),
            AddError::Embed(error) => {
                tracing::warn!(%error, "a source could not be embedded; it is tried again");
                Self::passing(FailureKind::Embedder, error.for_tenants())
            }
            AddError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ReadingError> for Ended {
    fn from(error: ReadingError) -> Self {
        match error {
            ReadingError::Extract(error) => error.into(),
            ReadingError::Limit(limit) => Self::Limit(limit),
            ReadingError::Reserved(reserved) => Self::passing(FailureKind::LimitReached, reserved.to_string()),
            ReadingError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ExtractError> for Ended {
    fn from(error: ExtractError) -> Self {
        let kind = match error.kind {
            ExtractErrorKind::Unsupported => FailureKind::UnsupportedFormat,
            ExtractErrorKind::Damaged => FailureKind::Damaged,
            ExtractErrorKind::Encrypted => FailureKind::Encrypted,
            ExtractErrorKind::Empty => FailureKind::Empty,
            ExtractErrorKind::TooLarge => FailureKind::TooLarge,
            ExtractErrorKind::Busy | ExtractErrorKind::Internal => {
                return Self::passing(FailureKind::Internal, error.message);
            }
        };
        Self::failed(kind, error.message)
    }
}

/// Reads the files that are due, a few at a time. Organizations take turns. Returns how many were taken.
#[boxed]
pub async fn read_files(app: &Arc<App>) -> Result<usize, StoreError> {
    read_due(app, ReadQueue::Files, &app.file_places).await
}

/// Reads the pages that are due, a few at a time, and of a site one of each organization. Organizations take turns. Returns
/// how many were taken.
#[boxed]
pub async fn read_pages(app: &Arc<App>) -> Result<usize, StoreError> {
    read_due(app, ReadQueue::Pages, &app.page_places).await
}

async fn read_due(app: &Arc<App>, queue: ReadQueue, places: &Places) -> Result<usize, StoreError> {
    let take = |excluded| async move {
        let now = app.clock.now();
        let lease = LeaseId(app.random.uuid(now));
        app.store.take_due_source(queue, lease, excluded, now, now.plus(LEASE), now.plus(DEADLINE)).await
    };
    let run = |due| {
        let app = Arc::clone(app);
        async move { read(&app, due).await }
    };
    places.work_off(take, run).await
}

/// The places of what is read of this kind.
pub(super) fn places(app: &App, kind: SourceKind) -> &Places {
    if kind == SourceKind::File { &app.file_places } else { &app.page_places }
}

/// Reads one source, and stores how that ended.
pub(super) async fn read(app: &Arc<App>, due: DueSource) {
    let (id, organization) = (due.id, due.organization);
    let settled = match attempt(app, &due).await {
        Ok(()) => return,
        Err(ended) => settle(app, due, ended).await,
    };
    if let Err(error) = settled {
        tracing::warn!(%organization, source = %id, %error, "a reading could not be stored; it is made again later");
    }
}

/// Makes a try within its time, and holds the lease meanwhile.
async fn attempt(app: &Arc<App>, due: &DueSource) -> Result<(), Ended> {
    if due.tries > TRIES || app.clock.now() > due.deadline_at {
        let message = "every try to read it ended with its host or took too long; send it again, or in smaller parts";
        return Err(Ended::failed(FailureKind::Interrupted, message));
    }
    let progress = Progress::default();
    let reading = content(app, due, &progress);
    tokio::pin!(reading);
    let over = tokio::time::sleep(TRY);
    tokio::pin!(over);
    loop {
        tokio::select! {
            ended = &mut reading => return ended,
            () = &mut over => {
                return Err(Ended::passing(FailureKind::Interrupted, "it could not be read within ten minutes"));
            }
            () = tokio::time::sleep(RENEW_EVERY) => {
                let until = app.clock.now().plus(LEASE);
                if !app.store.renew_source(due, progress.read(), until).await? {
                    return Err(Ended::Superseded);
                }
            }
        }
    }
}

/// Gets the document, reads it in the sandbox, embeds what is new of it, and stores that.
async fn content(app: &Arc<App>, due: &DueSource, progress: &Progress) -> Result<(), Ended> {
    let organization = due.organization;
    let reader = Reader { organization, subject: due.id };
    reader.require_fuel(app).await?;
    let Got { document, content_hash, version } = current_document(app, due).await?;
    // A page that is slow to come stops nobody else's.
    let _work = places(app, due.kind).work().await;
    let name = document.name.clone();
    let Extracted { title, text, noindex, note, .. } = reader.extract(app, document).await?;
    if noindex && due.kind != SourceKind::File {
        return Err(document::not_indexable());
    }
    let titles = [due.given_title.clone(), title, name].into_iter().flatten();
    let title = titles.map(|title| check::clean_title(&title)).find(|title| !title.is_empty());
    let title = title.unwrap_or_else(|| due.title.clone());
    let known = app.store.find_source(organization, due.id).await?.ok_or(Ended::Superseded)?;
    if due.chunks > 0 && due.embedder == app.library.embedder() && known.source.title == title && known.text == text {
        return Err(Ended::Unchanged { content_hash, version });
    }
    let new = NewText { title, text, content_type: "text/markdown".to_owned(), url: None, identity: None };
    let cut = tokio::task::spawn_blocking(move || (Library::cut(&new), new)).await;
    let (chunks, new) = cut.map_err(|error| Ended::passing(FailureKind::Internal, error.to_string()))?;
    let chunks = chunks?;
    let revision = app.library.revise(organization, due.revision, new, chunks, progress).await?;
    let now = app.clock.now();
    let read = FinishedRead { lease: due.lease, content_hash, note, version, next_at: next_at(due, now) };
    let change = SourceChange { organization, source: due.id, revision, content: ChangedBy::Read(read), now };
    app.store.revise_source(change).await.map_err(AddError::from)?;
    app.library.changed(organization).await;
    Ok(())
}

/// Stores how a reading ended that gave no new content.
async fn settle(app: &Arc<App>, due: DueSource, ended: Ended) -> Result<(), StoreError> {
    let now = app.clock.now();
    let next_at = next_at(&due, now);
    let result = match ended {
        Ended::Unchanged { content_hash, version } => ReadResult::Unchanged { content_hash, version, next_at },
        Ended::Failed { failure, forget, misses } => {
            let forget = forget.then(|| RevisionId(app.random.uuid(now)));
            ReadResult::Failed { failure, forget, misses, next_at }
        }
        Ended::Limit(limit) => {
            // A page is read again when the plan counts anew.
            let next_at = next_at.map(|at| at.max(limit.resets_at));
            let failure = SourceFailure::new(FailureKind::LimitReached, limit.to_string());
            ReadResult::Failed { failure, forget: None, misses: due.misses, next_at }
        }
        Ended::Passing(failure, wait) => {
            let mut chance = [0];
            app.random.fill(&mut chance);
            let wait = wait_after(due.tries, chance[0]).map(|least| least.max(wait.unwrap_or_default()));
            match wait.map(|wait| now.plus(wait)).filter(|at| due.tries < TRIES && *at < due.deadline_at) {
                Some(at) => ReadResult::Retry { failure, at },
                None => {
                    let SourceFailure { kind, message } = failure;
                    let message = format!("{message}; it was tried {} times", due.tries);
                    let failure = SourceFailure { kind, message };
                    ReadResult::Failed { failure, forget: None, misses: due.misses, next_at }
                }
            }
        }
        Ended::Superseded => return Ok(()),
        Ended::Store(error) => return Err(error),
    };
    let organization = due.organization;
    let forgets = matches!(result, ReadResult::Failed { forget: Some(_), .. });
    app.store.settle_source(due, result, now).await?;
    if forgets {
        app.library.changed(organization).await;
    }
    Ok(())
}

/// When a page is read again.
fn next_at(due: &DueSource, now: Timestamp) -> Option<Timestamp> {
    Some(now.plus(Duration::from_secs(due.refresh_every_s?.into())))
}
