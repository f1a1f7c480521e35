//! Reads a page, or an item of a list: asks for it, has the sandbox read it, and makes a source of it.

use std::sync::Arc;

use resly_core::{
    id::SourceId,
    knowledge::{
        crawl::ItemContent,
        document::{Document, ExtractErrorKind, Extracted},
    },
};
use resly_search::{AddError, Library, NewText, Progress};
use resly_store::{FinishedRead, FoundPage, KnownPage, PageResult, PageVersion};
use sha2::{Digest, Sha256};

use super::{
    asked::{Asked, Run, Stop, unread},
    fetched::{fetch_found, later},
    links::{PageLinks, page, path_of},
};
use crate::sources::clean_title;

/// Why a page isn't asked for that the site's rules forbid.
const FORBIDDEN: &str = "the site's robots.txt forbids it";

/// Asks for a page, unless the site's rules forbid it.
pub async fn read_page(run: &Run<'_>, found: &FoundPage) -> Result<Asked, Stop> {
    let Run { app, rules, .. } = run;
    if run.scope.within(&found.url).is_none_or(|url| !rules.allow(&path_of(&url))) {
        return Ok(Asked::skipped(FORBIDDEN));
    }
    run.reader().require_fuel(run.app).await.or_else(|error| unread(error).map(drop))?;
    // What was embedded by another embedder is read anew.
    let known = found.source.as_ref().filter(|source| source.embedder == app.library.embedder());
    let version = known.map(|source| source.version.clone()).unwrap_or_default();
    let answer = match fetch_found(run, found, &version).await {
        Ok(answer) => answer,
        Err(asked) => return Ok(asked),
    };
    let bytes = answer.body.len() as u64;
    let content_hash: [u8; 32] = Sha256::digest(&answer.body).into();
    let validators = PageVersion { etag: answer.etag.clone(), last_modified: answer.last_modified.clone() };
    let not_modified = answer.status == 304;
    if let Some(source) = known
        && !answer.noindex
        && (not_modified || source.content_hash == Some(content_hash))
    {
        let content_hash = if not_modified { source.content_hash.unwrap_or_default() } else { content_hash };
        let version = if not_modified { version } else { validators };
        let result = PageResult::Unchanged { source: source.id, content_hash, version };
        let links = run.scope.follow(&found.links, found.depth + 1);
        return Ok(Asked { links, bytes, requested: true, ..Asked::of(result) });
    }
    let document = Document { bytes: answer.body, content_type: answer.content_type, name: Some(found.url.clone()) };
    let asked = read_document(run, found, document, answer.noindex, (content_hash, validators)).await?;
    Ok(Asked { bytes, requested: true, ..asked })
}

/// Reads an item that the list gave with its content.
pub async fn read_item(run: &Run<'_>, found: &FoundPage, content: &ItemContent) -> Result<Asked, Stop> {
    run.reader().require_fuel(run.app).await.or_else(|error| unread(error).map(drop))?;
    let ItemContent { title, content_type, text, url } = content;
    let parts = [title.as_deref(), Some(content_type), Some(text), url.as_deref()];
    let mut hash = Sha256::new();
    for part in parts {
        // The lengths tell where a part ends.
        hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    let content_hash: [u8; 32] = hash.finalize().into();
    let known = found.source.as_ref().filter(|source| source.embedder == run.app.library.embedder());
    if let Some(source) = known.filter(|source| source.content_hash == Some(content_hash)) {
        let (source, version) = (source.id, PageVersion::default());
        return Ok(Asked::of(PageResult::Unchanged { source, content_hash, version }));
    }
    let (bytes, content_type) = (text.clone().into(), Some(content_type.clone()));
    let document = Document { bytes, content_type, name: url.clone() };
    read_document(run, found, document, false, (content_hash, PageVersion::default())).await
}

/// Reads a document in the sandbox, and makes a source of it.
async fn read_document(
    run: &Run<'_>,
    found: &FoundPage,
    document: Document,
    header_noindex: bool,
    (content_hash, validators): ([u8; 32], PageVersion),
) -> Result<Asked, Stop> {
    // A site that is slow to answer stops nobody else's.
    let _work = run.app.crawl_places.work().await;
    let mut extracted = match run.reader().extract(run.app, document).await.map_err(unread) {
        Ok(extracted) => extracted,
        Err(unread) => {
            let error = unread?;
            return Ok(match error.kind {
                ExtractErrorKind::Internal => later(run, found, error.message, None),
                _ => Asked::skipped(error.message),
            });
        }
    };
    let links = if extracted.nofollow { Vec::new() } else { std::mem::take(&mut extracted.links) };
    let (scope, depth) = (Arc::clone(&run.scope), found.depth + 1);
    let links = tokio::task::spawn_blocking(move || scope.links(&links, depth)).await;
    let PageLinks { own, followed } = links.map_err(|error| Stop::Retry(error.to_string()))?;
    let mut asked = content(run, found, extracted, header_noindex).await?;
    if let PageResult::Read { read, .. } = &mut asked.result {
        (read.content_hash, read.version) = (content_hash, validators);
    } else if let PageResult::Unchanged { content_hash: hash, version, .. } = &mut asked.result {
        (*hash, *version) = (content_hash, validators);
    }
    asked.links.extend(followed);
    asked.own_links = Some(own);
    Ok(asked)
}

/// The source that a page becomes, or why it becomes none.
async fn content(run: &Run<'_>, found: &FoundPage, extracted: Extracted, noindex: bool) -> Result<Asked, Stop> {
    let Run { app, crawl, scope, .. } = run;
    if noindex || extracted.noindex {
        return Ok(Asked::skipped("the page asks not to be indexed (`noindex`)"));
    }
    if let Some(canonical) = extracted.canonical.as_deref().and_then(|url| scope.within(url))
        && canonical.as_str() != found.url
    {
        let mut same = Asked::skipped(format!("it says that it is {canonical}"));
        same.links.extend(scope.included(canonical.as_str()).map(|canonical| page(&canonical, found.depth)));
        return Ok(same);
    }
    let given = found.content.as_ref().and_then(|content| content.title.clone());
    let titles = [given, extracted.title].into_iter().flatten().map(|title| clean_title(&title));
    let title = titles.into_iter().find(|title| !title.is_empty()).unwrap_or_else(|| found.url.clone());
    let same = |known: &&KnownPage| {
        known.embedder == app.library.embedder() && known.title == title && known.text == extracted.text
    };
    if let Some(known) = found.source.as_ref().filter(same) {
        let (content_hash, version) = ([0; 32], PageVersion::default());
        return Ok(Asked::of(PageResult::Unchanged { source: known.id, content_hash, version }));
    }
    let content_type = "text/markdown".to_owned();
    let new = NewText { title, text: extracted.text, content_type, url: None, identity: None };
    let cut = tokio::task::spawn_blocking(move || (Library::cut(&new), new)).await;
    let (chunks, new) = cut.map_err(|error| Stop::Retry(error.to_string()))?;
    let now = app.clock.now();
    let (source, is_new, base) = match &found.source {
        Some(known) => (known.id, false, known.revision),
        None => {
            let id = app.random.uuid(now);
            (SourceId(id), true, id.into())
        }
    };
    let revised = match chunks {
        Ok(chunks) => app.library.revise(crawl.organization, base, new, chunks, &Progress::default()).await,
        Err(error) => Err(error),
    };
    let revision = match revised {
        Ok(revision) => Box::new(revision),
        Err(error @ (AddError::Empty | AddError::TooLarge { .. } | AddError::TooMuchMarkup(_))) => {
            return Ok(Asked::skipped(error.to_string()));
        }
        Err(AddError::Embed(error)) => {
            tracing::warn!(%error, crawl = %crawl.id, "a page could not be embedded; it is tried again");
            return Err(Stop::Retry(error.for_tenants().to_owned()));
        }
        Err(AddError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(Stop::Retry(error.to_string())),
    };
    let read = FinishedRead {
        lease: crawl.lease,
        content_hash: [0; 32],
        note: extracted.note,
        version: PageVersion::default(),
        next_at: None,
    };
    Ok(Asked::of(PageResult::Read { source, is_new, revision, read }))
}
