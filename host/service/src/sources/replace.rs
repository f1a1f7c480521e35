//! Replaces a text, by the source's id or by its URL. The source keeps its id, and passages that stay aren't embedded again.

use resly_core::{
    boxed,
    id::{OrganizationId, SourceId},
    knowledge::{Source, SourceKind, SourceStatus},
};
use resly_search::{AddError, Progress};
use resly_store::{ChangedBy, SourceChange};

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

async fn write(
    app: &App,
    organization: OrganizationId,
    id: SourceId,
    new: &ChunkedSource,
    identity: &Identity,
) -> Result<(), SourceError> {
    let ChunkedSource { text: new, chunks } = new;
    for _ in 0..TRIES {
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
        let now = app.clock.now();
        if same_text {
            if source.url != new.url || source.identity != identity {
                let moved = app.store.move_source(organization, id, new.url.clone(), identity, now).await;
                if !moved.map_err(AddError::from)? {
                    return Err(SourceError::Missing);
                }
            }
            return Ok(());
        }
        let (base, progress) = (source.revision, Progress::default());
        let revision = app.library.revise(organization, base, new.clone(), chunks.clone(), &progress).await?;
        let content = ChangedBy::Request { url: new.url.clone(), identity };
        let change = SourceChange { organization, source: id, revision, content, now };
        match app.store.revise_source(change).await.map_err(AddError::from) {
            Err(AddError::Changed) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                app.library.changed(organization).await;
                return Ok(());
            }
        }
    }
    Err(AddError::Changed.into())
}
