//! A few texts that are searched by their words, in memory: for what belongs to no organization, such as a handbook.

use resly_core::{
    id::{PassageId, RevisionId},
    knowledge::PassageText,
};
use uuid::Uuid;

use crate::{
    chunk::chunk,
    synonyms::SynonymIndex,
    words::{Effort, Place, Typing, WordIndex, WordsError, WordsUpdate},
};

/// Texts that don't change.
pub struct Shelf {
    words: WordIndex,
    passages: Vec<PassageText>,
    /// By each passage, the number of its text.
    texts: Vec<usize>,
}

/// A passage of one of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// The number of the text, from 0.
    pub of: usize,
    /// The heading path, such as `Billing › Refunds`.
    pub section: &'a str,
    /// Markdown.
    pub text: &'a str,
}

impl Shelf {
    /// Reads texts, each with a title and Markdown.
    pub fn new<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, WordsError> {
        let (mut passages, mut of) = (Vec::new(), Vec::new());
        for (number, (title, markdown)) in texts.into_iter().enumerate() {
            let chunks = chunk(markdown, "text/markdown").map_err(|error| WordsError::Index(error.to_string()))?;
            for (position, chunk) in (0..).zip(chunks) {
                passages.push(PassageText {
                    id: PassageId(Uuid::from_u128(passages.len() as u128)),
                    revision: RevisionId(Uuid::from_u128(number as u128)),
                    position,
                    title: title.to_owned(),
                    section: chunk.section,
                    text: chunk.text,
                });
                of.push(number);
            }
        }
        let words = WordsUpdate::open(&Place::Memory, false)?.add(&passages)?.commit()?;
        Ok(Self { words, passages, texts: of })
    }

    /// The passages that have words of the query, whose last one may be the beginning of one; the best first.
    pub fn search(&self, query: &str, limit: usize) -> Result<Vec<Hit<'_>>, WordsError> {
        let synonyms = SynonymIndex::default();
        let found = self.words.search(query, Typing::Unfinished, &synonyms, limit, Effort::Short)?;
        let numbers = found.passages.iter().filter_map(|id| usize::try_from(id.0.as_u128()).ok());
        let hit = |number: usize| {
            let passage = self.passages.get(number)?;
            Some(Hit { of: *self.texts.get(number)?, section: &passage.section, text: &passage.text })
        };
        Ok(numbers.filter_map(hit).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_words_beginnings_and_with_typos() {
        let texts = [
            ("Keys", "# Keys\n\nA key opens the API.\n\n## Rotation\n\nRotate a key with an overlap."),
            ("Plans", "# Plans\n\nA plan has limits."),
        ];
        let shelf = Shelf::new(texts).unwrap();
        for query in ["rotate", "rotat", "how do I rotaet a key?"] {
            let hits = shelf.search(query, 3).unwrap();
            assert_eq!((hits[0].of, hits[0].section), (0, "Keys › Rotation"), "{query}: {hits:?}");
        }
        assert_eq!(shelf.search("limits", 3).unwrap()[0].of, 1);
        assert_eq!(shelf.search("weather", 3).unwrap(), []);
        assert_eq!(shelf.search("", 3).unwrap(), []);
    }
}
