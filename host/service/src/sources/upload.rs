//! Takes a file. It is stored before the answer and read by a job; when the host has room, at once.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use resly_core::{
    boxed,
    id::{LeaseId, OrganizationId, SourceId},
    knowledge::SourceKind,
};
use resly_store::{Enqueued, NewDocument, StoredDocument};
use sha2::{Digest, Sha256};

use super::{DEADLINE, LEASE, SourceError, Taken, WAITING, check, find, read};
use crate::{App, FieldError};

/// The most bytes of a file.
pub const FILE_MOST: usize = 16 << 20;
/// How long an answer waits for the file to be read.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a file's name.
const LONGEST_NAME: usize = 1000;

/// A file to know.
pub struct NewFile {
    pub bytes: Bytes,
    pub content_type: Option<String>,
    pub filename: Option<String>,
    /// Wins over the document's own title.
    pub title: Option<String>,
    /// Where people read it. The source with the same URL is replaced.
    pub url: Option<String>,
    /// The sender's own name for it. The source with the same key is replaced.
    pub key: Option<String>,
}

impl NewFile {
    fn check(&self) -> Result<Option<String>, SourceError> {
        let mut mistakes = Vec::new();
        if let Some(title) = &self.title {
            check::title(title, &mut mistakes);
        }
        if let Some(url) = &self.url {
            check::url(url, &mut mistakes);
        }
        if let Some(key) = &self.key {
            check::key(key, &mut mistakes);
        }
        if let Some(name) = &self.filename
            && (name.trim().is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control))
        {
            let expected = format!("1 to {LONGEST_NAME} bytes without control characters are expected");
            mistakes.push(FieldError::new("filename", expected));
        }
        if self.bytes.is_empty() {
            mistakes.push(FieldError::new("$", "the file is empty"));
        }
        if !mistakes.is_empty() {
            return Err(SourceError::Invalid(mistakes));
        }
        let of_url = || self.url.as_deref().and_then(check::url_identity);
        Ok(self.key.as_deref().map(check::key_identity).or_else(of_url))
    }
}

/// Stores a file and has it read. Returns the source as it is after two seconds at most.
#[boxed]
pub async fn upload(app: &Arc<App>, organization: OrganizationId, file: NewFile) -> Result<Taken, SourceError> {
    let identity = file.check()?;
    let NewFile { bytes, content_type, filename, title, url, key: _ } = file;
    let url = url.as_deref().map(check::shown_url);
    let hashed = bytes.clone();
    let hash = tokio::task::spawn_blocking(move || <[u8; 32]>::from(Sha256::digest(&hashed))).await;
    let hash = hash.unwrap_or_else(|_| Sha256::digest(&bytes).into());
    let now = app.clock.now();
    let id = SourceId(app.random.uuid(now));
    let named = filename.as_deref().map(|name| name.rsplit('/').next().unwrap_or(name).to_owned());
    let new = NewDocument {
        id,
        organization,
        kind: SourceKind::File,
        identity,
        title: title.clone().or(named).or_else(|| url.clone()).unwrap_or_else(|| "Untitled".to_owned()),
        given_title: title,
        url,
        site: None,
        file: Some(StoredDocument { content_type, name: filename, bytes, hash }),
        refresh_every_s: None,
        lease: None,
        lease_until: now.plus(LEASE),
        now,
    };
    enqueue(app, new).await
}

/// Stores a document. When the host has room it is read at once, and the answer waits for that for a short time.
pub(super) async fn enqueue(app: &Arc<App>, mut new: NewDocument) -> Result<Taken, SourceError> {
    let organization = new.organization;
    let place = read::places(app, new.kind).try_enter(organization, new.site.as_deref());
    new.lease = place.as_ref().map(|_| LeaseId(app.random.uuid(new.now)));
    let (lease, deadline) = (new.lease, new.now.plus(DEADLINE));
    let embedder = app.library.embedder().to_owned();
    let taken = app.store.enqueue_source(new, WAITING, embedder, deadline).await?;
    let id = taken.id();
    if let (Some(place), Some(lease), Enqueued::New(_) | Enqueued::Replaced(_)) = (place, lease, &taken)
        && let Some(due) = app.store.leased_source(organization, id, lease).await?
    {
        let app = Arc::clone(app);
        let reading = tokio::spawn(async move {
            read::read(&app, due).await;
            drop(place);
        });
        // It goes on when it takes longer.
        drop(tokio::time::timeout(PATIENCE, reading).await);
    }
    let source = find(app, organization, id).await?.source;
    Ok(Taken { source, is_new: matches!(taken, Enqueued::New(_)) })
}
