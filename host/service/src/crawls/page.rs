//! One step of a crawl: asks for a page, a sitemap or a page of a list, or reads an item, and stores what came of it.

use std::{sync::Arc, time::Duration};

use resly_core::{
    id::SourceId,
    knowledge::{
        AddSourceError, SourceKind,
        crawl::{CrawlRules, ItemContent},
        document::{Document, ExtractErrorKind, Extracted},
    },
};
use resly_egress::{PageAnswer, PageError};
use resly_search::{AddError, Library, NewText, Progress};
use resly_store::{
    CrawlStep, DueCrawl, FinishedRead, FoundPage, KnownPage, PageKind, PageResult, PageSource, PageVersion, StepError,
};
use sha2::{Digest, Sha256};

use super::{
    LEASE,
    asked::{Asked, Stop},
    links::{FORBIDDEN, follow, page as found_page, path_of, sitemap, within},
    list, store_error,
};
use crate::{
    App,
    sources::{clean_title, fetch},
};

/// How often a page is asked for in one run.
const TRIES: u32 = 3;
/// Before a page is asked for that has failed again.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest that a site can have a crawl wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Asks for a page, and stores what came of it. Returns the bytes that it fetched.
pub async fn take_step(app: &Arc<App>, crawl: &DueCrawl, rules: &CrawlRules, found: FoundPage) -> Result<u64, Stop> {
    let asked = match found.kind {
        PageKind::Sitemap => read_sitemap(app, crawl, rules, &found).await?,
        PageKind::List => match &crawl.settings.list {
            Some(list) => list::read_list(app, crawl, list, &found).await?,
            None => Asked::skipped("the crawl is one of a site now"),
        },
        PageKind::Page => match &found.content {
            Some(content) => read_item(app, crawl, rules, &found, content).await?,
            None => read_page(app, crawl, rules, &found).await?,
        },
    };
    let source = match crawl.settings.list {
        Some(_) => list::source(crawl, &found),
        None => PageSource {
            kind: SourceKind::CrawledPage,
            identity: format!("url:{}", found.url),
            url: Some(found.url.clone()),
        },
    };
    let now = app.clock.now();
    let later = match &asked.result {
        PageResult::Later { until, .. } => Some(*until),
        _ => None,
    };
    let Asked { result, own_links, links, bytes, fuel } = asked;
    let (url, kind) = (found.url, found.kind);
    let lease_until = now.plus(LEASE);
    let step = CrawlStep { url, kind, source, result, own_links, links, bytes, fuel, now, lease_until };
    let stored = match app.store.step_crawl(crawl, step.clone()).await {
        Err(StepError::Source(AddSourceError::Exists)) => {
            let reason = "another source has this URL".to_owned();
            let result = PageResult::Skipped { reason, gone: false };
            app.store.step_crawl(crawl, CrawlStep { result, ..step }).await
        }
        stored => stored,
    };
    match stored {
        Ok(()) => later.map_or(Ok(bytes), |at| Err(Stop::Later(at))),
        Err(StepError::Lost) => Err(Stop::Lost),
        // The source was changed or deleted meanwhile; the page is asked for again.
        Err(StepError::Source(AddSourceError::Changed)) => Ok(bytes),
        Err(StepError::Source(AddSourceError::Limit(limit))) => {
            Err(Stop::Over { reason: limit.to_string(), at: Some(limit.resets_at) })
        }
        Err(StepError::Source(error)) => Err(Stop::Store(store_error(error))),
    }
}

/// A page that may answer later in this run: after every other page, and not before the site wants it.
fn later(app: &App, found: &FoundPage, reason: String, wait: Option<Duration>) -> Asked {
    let tries = found.tries.saturating_add(1);
    if tries >= TRIES {
        return Asked::of(PageResult::Failed { reason: format!("{reason}; it was asked for {tries} times") });
    }
    let usual = if found.tries == 0 { Duration::ZERO } else { PAUSE };
    let until = app.clock.now().plus(wait.unwrap_or(usual).min(LONGEST_WAIT));
    Asked::of(PageResult::Later { until, reason })
}

/// Fetches within the crawl's site. The other result is why there is nothing to read.
async fn get(
    app: &Arc<App>,
    crawl: &DueCrawl,
    rules: &CrawlRules,
    found: &FoundPage,
    version: &PageVersion,
) -> Result<PageAnswer, Asked> {
    let fetched = fetch(&app.egress, &app.origins, &found.url, version, true).await;
    let answer = match fetched {
        Ok(answer) => answer,
        Err(error @ (PageError::TooLarge(_) | PageError::Elsewhere(_) | PageError::Redirects)) => {
            return Err(Asked::skipped(error.to_string()));
        }
        Err(error) if error.is_transient() => return Err(later(app, found, error.to_string(), None)),
        Err(error) => return Err(Asked::of(PageResult::Failed { reason: error.to_string() })),
    };
    match answer.status {
        200 | 304 => {}
        status @ (404 | 410) => return Err(Asked::skipped(format!("the server answered {status}"))),
        status @ (429 | 500..) => {
            let wait = answer.retry_after_s.map(Duration::from_secs);
            return Err(later(app, found, format!("the server answered {status}"), wait));
        }
        status => return Err(Asked::of(PageResult::Failed { reason: format!("the server answered {status}") })),
    }
    if found.kind == PageKind::Page && answer.url.as_str() != found.url {
        let mut moved = Asked::skipped(format!("it leads to {}", answer.url));
        if let Some(to) = within(crawl, answer.url.as_str()).filter(|to| crawl.settings.includes(to.path())) {
            moved.links.push(found_page(rules, &to, found.depth));
        }
        moved.bytes = answer.body.len() as u64;
        return Err(moved);
    }
    Ok(answer)
}

async fn read_sitemap(app: &Arc<App>, crawl: &DueCrawl, rules: &CrawlRules, found: &FoundPage) -> Result<Asked, Stop> {
    let answer = match get(app, crawl, rules, found, &PageVersion::default()).await {
        Ok(answer) => answer,
        Err(asked) => return Ok(asked),
    };
    let bytes = answer.body.len() as u64;
    let document = Document { bytes: answer.body, content_type: answer.content_type, name: Some(found.url.clone()) };
    let reading = app.extractor.sitemap(crawl.organization, document).await;
    let mut asked = match reading.result {
        Err(error) if error.kind == ExtractErrorKind::Busy => return Err(Stop::Retry(error.message)),
        Err(error) => Asked::of(PageResult::Skipped { reason: error.message, gone: false }),
        Ok(entries) => {
            let mut asked = Asked::of(PageResult::Skipped { reason: "a sitemap".to_owned(), gone: false });
            for entry in entries {
                let Some(url) = within(crawl, &entry.url) else { continue };
                if entry.is_sitemap {
                    asked.links.push(sitemap(&url));
                } else if crawl.settings.includes(url.path()) {
                    asked.links.push(found_page(rules, &url, 0));
                }
            }
            asked
        }
    };
    (asked.bytes, asked.fuel) = (bytes, reading.fuel);
    Ok(asked)
}

async fn require_fuel(app: &App, crawl: &DueCrawl) -> Result<(), Stop> {
    match app.store.fuel_left(crawl.organization, app.clock.now()).await? {
        Some((0, limit)) => Err(Stop::Over { reason: limit.to_string(), at: Some(limit.resets_at) }),
        _ => Ok(()),
    }
}

async fn read_page(app: &Arc<App>, crawl: &DueCrawl, rules: &CrawlRules, found: &FoundPage) -> Result<Asked, Stop> {
    if within(crawl, &found.url).is_none_or(|url| !rules.allow(&path_of(&url))) {
        return Ok(Asked::skipped(FORBIDDEN));
    }
    require_fuel(app, crawl).await?;
    // What was embedded by another embedder is read anew.
    let known = found.source.as_ref().filter(|source| source.embedder == app.library.embedder());
    let version = known.map(|source| source.version.clone()).unwrap_or_default();
    let answer = match get(app, crawl, rules, found, &version).await {
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
        let links = follow(crawl, rules, &found.links, found.depth + 1);
        return Ok(Asked { links, bytes, ..Asked::of(result) });
    }
    let document = Document { bytes: answer.body, content_type: answer.content_type, name: Some(found.url.clone()) };
    let asked = read_document(app, crawl, rules, found, document, answer.noindex, (content_hash, validators)).await?;
    Ok(Asked { bytes, ..asked })
}

/// Reads an item that the list gave with its content.
async fn read_item(
    app: &Arc<App>,
    crawl: &DueCrawl,
    rules: &CrawlRules,
    found: &FoundPage,
    content: &ItemContent,
) -> Result<Asked, Stop> {
    require_fuel(app, crawl).await?;
    let ItemContent { title, content_type, text, url } = content;
    let parts = [title.as_deref(), Some(content_type), Some(text), url.as_deref()];
    let mut hash = Sha256::new();
    for part in parts {
        // The lengths tell where a part ends.
        hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
        hash.update(part.unwrap_or_default());
    }
    let content_hash: [u8; 32] = hash.finalize().into();
    let known = found.source.as_ref().filter(|source| source.embedder == app.library.embedder());
    if let Some(source) = known.filter(|source| source.content_hash == Some(content_hash)) {
        let (source, version) = (source.id, PageVersion::default());
        return Ok(Asked::of(PageResult::Unchanged { source, content_hash, version }));
    }
    let (bytes, content_type) = (text.clone().into(), Some(content_type.clone()));
    let document = Document { bytes, content_type, name: url.clone() };
    read_document(app, crawl, rules, found, document, false, (content_hash, PageVersion::default())).await
}

/// Reads a document in the sandbox, and makes a source of it.
async fn read_document(
    app: &Arc<App>,
    crawl: &DueCrawl,
    rules: &CrawlRules,
    found: &FoundPage,
    document: Document,
    header_noindex: bool,
    (content_hash, validators): ([u8; 32], PageVersion),
) -> Result<Asked, Stop> {
    let reading = app.extractor.extract(crawl.organization, document).await;
    let extracted = match reading.result {
        Ok(extracted) => extracted,
        Err(error) => {
            let asked = match error.kind {
                ExtractErrorKind::Busy => return Err(Stop::Retry(error.message)),
                ExtractErrorKind::Internal => later(app, found, error.message, None),
                _ => Asked::skipped(error.message),
            };
            return Ok(Asked { fuel: reading.fuel, ..asked });
        }
    };
    let links = if extracted.nofollow { Vec::new() } else { extracted.links.clone() };
    let followed = follow(crawl, rules, &links, found.depth + 1);
    let kept = links.iter().filter_map(|link| within(crawl, link)).map(String::from).take(1000).collect();
    let mut asked = content(app, crawl, rules, found, extracted, header_noindex).await?;
    if let PageResult::Read { read, .. } = &mut asked.result {
        (read.content_hash, read.version) = (content_hash, validators);
    } else if let PageResult::Unchanged { content_hash: hash, version, .. } = &mut asked.result {
        (*hash, *version) = (content_hash, validators);
    }
    asked.links.extend(followed);
    (asked.own_links, asked.fuel) = (Some(kept), reading.fuel);
    Ok(asked)
}

/// The source that a page becomes, or why it becomes none.
async fn content(
    app: &Arc<App>,
    crawl: &DueCrawl,
    rules: &CrawlRules,
    found: &FoundPage,
    extracted: Extracted,
    noindex: bool,
) -> Result<Asked, Stop> {
    if noindex || extracted.noindex {
        return Ok(Asked::skipped("the page asks not to be indexed (`noindex`)"));
    }
    if let Some(canonical) = extracted.canonical.as_deref().and_then(|url| within(crawl, url))
        && canonical.as_str() != found.url
    {
        let mut same = Asked::skipped(format!("it says that it is {canonical}"));
        if crawl.settings.includes(canonical.path()) {
            same.links.push(found_page(rules, &canonical, found.depth));
        }
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
        Err(AddError::Embed(error)) => return Err(Stop::Retry(format!("the embedder could not answer: {error}"))),
        Err(AddError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(Stop::Retry(error.to_string())),
    };
    let read = FinishedRead {
        lease: crawl.lease,
        fuel: 0,
        content_hash: [0; 32],
        note: extracted.note,
        version: PageVersion::default(),
        next_at: None,
    };
    Ok(Asked::of(PageResult::Read { source, is_new, revision, read }))
}
