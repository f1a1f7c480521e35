//! Search in an organization's knowledge: by words in every language and by vectors, the same on every store.
//!
//! [`Library`] is the way in. What it searches are [`snapshots`] of an organization's knowledge: an index of
//! [`words`] in the data folder, and [`vectors`] in memory, both derived from the store.

pub mod anchor;
mod calibration;
pub mod chunk;
mod fuse;
mod library;
mod passages;
mod relevance;
mod rerank;
pub mod shelf;
mod snapshots;
mod synonyms;
mod terms;
mod vectors;
mod words;

pub use library::{AddError, Added, ExplainedPassage, Explanation, Library, NewText, Progress, telling_words};
pub use words::{Form, WordMatch, WordsError};

/// The BCP-47 code of the language of a source, by its title and its text or the beginning of that; `und` where it isn't
/// known.
pub fn language(title: &str, text: &str) -> &'static str {
    terms::language([[title, "", text]]).code()
}
