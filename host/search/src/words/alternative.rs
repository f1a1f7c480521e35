//! One way to find a word of a question.

use super::{WordIndex, WordsError, schema::Part, segment::List};

/// What a match in a part of the word is worth.
pub const PARTIAL: f32 = 0.5;

/// One of the terms that a word is looked for by: together they count once, by the best of them.
pub struct Alternative<'a> {
    /// Its lists in each segment's parts.
    pub lists: Vec<(usize, Part, List<'a>)>,
    pub weight: f32,
}

impl<'a> Alternative<'a> {
    pub fn new(index: &'a WordIndex, term: &str, weight: f32) -> Result<Self, WordsError> {
        let mut lists = Vec::new();
        for (at, segment) in index.segments.iter().enumerate() {
            for part in Part::ALL {
                if let Some(list) = segment.list(part, term)? {
                    lists.push((at, part, list));
                }
            }
        }
        Ok(Self { lists, weight })
    }

    /// Whether any passage has the term. The files may still hold terms of deleted passages alone; no result may depend
    /// on them.
    pub fn is_known(&self, index: &WordIndex) -> Result<bool, WordsError> {
        for (at, _, list) in &self.lists {
            if list.is_alive(&index.segments[*at])? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
