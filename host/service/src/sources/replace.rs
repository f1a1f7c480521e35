//! Replaces a text, by the source's id or by its URL. The source keeps its id, and passages that stay aren't embedded again.

use resly_core::{
    boxed,
    id::{OrganizationId, SourceId},
    knowledge::{Source, SourceKind, SourceStatus},
};
use resly_search::{AddError, Progress};
use resly_store::{ChangedBy, SourceChange, SourceMove, SourceWrite};

use super::{SourceError, Taken, add::ChunkedSource, check, find};
use crate::{App, FieldError};

/// How often a change is based on the newest revision anew, when others change the source at the same time.
const TRIES: usize = 4;

/// The identity that a source is to have.
enum Identity {
    /// Its key stays; a URL follows the source's new URL.
    Follow,
    Set(String),
}

/// Replaces the title, the text and the URL of a source.
#[boxed]
pub async fn replace(
    app: &App,
    organization: OrganizationId,
    id: SourceId,
    new: ChunkedSource,
) -> Result<Source, SourceError> {
    write(app, organization, id, &new, &Identity::Follow).await?;
    Ok(find(app, organization, id).await?.source)
}

/// What a source was put as.
pub type Put = Taken;

/// Adds a text, or replaces that of the source with the same URL.
#[boxed]
pub async fn put(app: &App, organization: OrganizationId, mut new: ChunkedSource) -> Result<Put, SourceError> {
    let Some((url, identity)) =
        new.text.url.as_deref().and_then(|url| Some((url.to_owned(), check::url_identity(url)?)))
    else {
        let mistake = "it is needed: it tells which source to replace; POST adds one without it";
        return Err(SourceError::Invalid(vec![FieldError::new("url", mistake)]));
    };
    new.text.identity = Some(identity.clone());
    for _ in 0..TRIES {
        if let Some(id) = app.store.identify_source(organization, &identity, &url).await? {
            match write(app, organization, id, &new, &Identity::Set(identity.clone())).await {
                // It was deleted, or another one got the URL, in between.
                Err(SourceError::Missing | SourceError::Add(AddError::Exists)) => continue,
                Err(error) => return Err(error),
                Ok(()) => return Ok(Put { source: find(app, organization, id).await?.source, is_new: false }),
            }
        }
        match app.library.add_cut(organization, new.text.clone(), new.chunks.clone()).await {
            Err(AddError::Exists) => {}
            Err(error) => return Err(error.into()),
            Ok(added) => return Ok(Put { source: find(app, organization, added.id).await?.source, is_new: true }),
        }
    }
    Err(AddError::Changed.into())
}

/// Replaces sources, all of them or none.
#[boxed]
pub async fn replace_all(
    app: &App,
    organization: OrganizationId,
    sources: &[(SourceId, ChunkedSource)],
) -> Result<(), SourceError> {
    write_all(app, organization, sources, &Identity::Follow).await
}

async fn write(
    app: &App,
    organization: OrganizationId,
    id: SourceId,
    new: &ChunkedSource,
    identity: &Identity,
) -> Result<(), SourceError> {
    write_all(app, organization, &[(id, new.clone())], identity).await
}

async fn write_all(
    app: &App,
    organization: OrganizationId,
    sources: &[(SourceId, ChunkedSource)],
    identity: &Identity,
) -> Result<(), SourceError> {
    for _ in 0..TRIES {
        let mut writes = Vec::with_capacity(sources.len());
        for (id, new) in sources {
            writes.extend(prepare(app, organization, *id, new, identity).await?);
        }
        if writes.is_empty() {
            return Ok(());
        }
        let revises = writes.iter().any(|write| matches!(write, SourceWrite::Revise(_)));
        match app.store.write_sources(writes).await.map_err(AddError::from) {
            Err(AddError::Changed) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                if revises {
                    app.library.changed(organization).await;
                }
                return Ok(());
            }
        }
    }
    Err(AddError::Changed.into())
}

/// What is to be written so that a source is the new one; `None` when it is already. What is new of it is embedded.
async fn prepare(
    app: &App,
    organization: OrganizationId,
    id: SourceId,
    new: &ChunkedSource,
    identity: &Identity,
) -> Result<Option<SourceWrite>, SourceError> {
    let ChunkedSource { text: new, chunks } = new;
    let known = find(app, organization, id).await?;
    let identity = match identity {
        Identity::Follow => check::moved(known.source.identity.as_deref(), new.url.as_deref()),
        Identity::Set(identity) => Some(identity.clone()),
    };
    let source = &known.source;
    let same_text = source.kind == SourceKind::Text
        && source.status == SourceStatus::Ready
        && source.title == new.title.replace('\0', "")
        && source.content_type == new.content_type
        && source.embedder == app.library.embedder()
        && known.text == new.text.replace('\0', "");
    let (url, now) = (new.url.clone(), app.clock.now());
    if same_text {
        let moves = source.url != url || source.identity != identity;
        return Ok(moves.then_some(SourceWrite::Move(SourceMove { organization, source: id, url, identity, now })));
    }
    let progress = Progress::default();
    let revision = app.library.revise(organization, source.revision, new.clone(), chunks.clone(), &progress).await?;
    let content = ChangedBy::Request { url, identity };
    Ok(Some(SourceWrite::Revise(Box::new(SourceChange { organization, source: id, revision, content, now }))))
}
