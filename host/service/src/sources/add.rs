//! Adds a text.

use resly_core::{boxed, id::OrganizationId};
use resly_search::{Added, Library, NewText, chunk::Chunk};

use super::{SourceError, check};
use crate::{App, FieldError};

/// A text to know.
pub struct NewSource {
    pub title: String,
    pub text: String,
    /// `text/plain` when absent, or `text/markdown`.
    pub content_type: Option<String>,
    /// Where people read it. When it ends in `#`, citations link to the section by its heading's anchor.
    pub url: Option<String>,
}

/// A source that was checked and cut into passages.
#[derive(Clone)]
pub struct ChunkedSource {
    pub(super) text: NewText,
    pub(super) chunks: Vec<Chunk>,
}

impl ChunkedSource {
    /// The number of its passages.
    pub fn passages(&self) -> usize {
        self.chunks.len()
    }
}

impl NewSource {
    /// Checks the source and cuts it. Of a large text that is work for a thread that may block.
    pub fn cut(self) -> Result<ChunkedSource, SourceError> {
        let text = self.check()?;
        let chunks = Library::cut(&text)?;
        Ok(ChunkedSource { text, chunks })
    }

    fn check(self) -> Result<NewText, SourceError> {
        let Self { title, text, content_type, url } = self;
        let mut mistakes = Vec::new();
        check::title(&title, &mut mistakes);
        if text.trim().is_empty() {
            mistakes.push(FieldError::new("text", "it is empty"));
        }
        let content_type = content_type.as_deref().unwrap_or("text/plain");
        let media = content_type.split(';').next().unwrap_or_default().trim();
        if !matches!(media, "text/plain" | "text/markdown") {
            mistakes.push(FieldError::new("content_type", "`text/plain` or `text/markdown` is expected"));
        }
        if let Some(url) = &url {
            check::url(url, &mut mistakes);
        }
        if !mistakes.is_empty() {
            return Err(SourceError::Invalid(mistakes));
        }
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let url = url.as_deref().map(check::shown_url);
        Ok(NewText { title: check::clean_title(&title), text, content_type: media.to_owned(), url, identity: None })
    }
}

/// Embeds and stores a source.
#[boxed]
pub async fn add(app: &App, organization: OrganizationId, source: ChunkedSource) -> Result<Added, SourceError> {
    Ok(app.library.add_cut(organization, source.text, source.chunks).await?)
}

/// Embeds and stores sources, all of them or none.
#[boxed]
pub async fn add_all(
    app: &App,
    organization: OrganizationId,
    sources: Vec<ChunkedSource>,
) -> Result<Vec<Added>, SourceError> {
    let texts = sources.into_iter().map(|source| (source.text, source.chunks)).collect();
    Ok(app.library.add_all(organization, texts).await?)
}
