//! A source with its passages and the answers that cite it; and why a search finds what it does.

use resly_core::{
    boxed,
    id::{OrganizationId, SourceId},
    knowledge::{PassageText, RetrieveError},
};
use resly_search::Explanation;
use resly_store::{CitingAnswers, Cursor, StoredSource};

use super::{SourceError, find};
use crate::App;

/// Passages of a page of them.
pub const PASSAGES_SHOWN: u32 = 20;
/// Messages among which answers that cite it are looked for at once.
pub const CITING_READ: u32 = 2000;

/// A source as an admin looks at it.
pub struct SourceDetails {
    pub stored: StoredSource,
    /// At most [`PASSAGES_SHOWN`].
    pub passages: Vec<PassageText>,
    pub cited: CitingAnswers,
}

/// A source with its passages from `from` on, and the answers before `before` that cite it.
#[boxed]
pub async fn details(
    app: &App,
    organization: OrganizationId,
    id: SourceId,
    from: u64,
    before: Option<Cursor>,
) -> Result<SourceDetails, SourceError> {
    let stored = find(app, organization, id).await?;
    let passages = app.store.source_passages(organization, id, from, PASSAGES_SHOWN).await?;
    let cited = app.store.citing_answers(organization, id, before, CITING_READ).await?;
    Ok(SourceDetails { stored, passages, cited })
}

/// What a search finds for a question, and why. It isn't counted: nobody is answered.
#[boxed]
pub async fn explain(
    app: &App,
    organization: OrganizationId,
    query: &str,
    limit: usize,
) -> Result<Explanation, RetrieveError> {
    app.library.explain(organization, query, limit).await
}
