//! One way to find a word of a question.

use super::{WordIndex, WordsError, schema::Part, segment::List, work::Work};

/// What a match in a part of the word is worth.
pub const PARTIAL: f32 = 0.5;

/// One of the terms that a word is looked for by: together they count once, by the best of them.
pub struct Alternative<'a> {
    /// Its lists in each segment's parts.
    pub lists: Vec<(usize, Part, List<'a>)>,
    pub weight: f32,
    /// The units of [`Work`] that it takes to find its lists and to read them.
    pub cost: u64,
}

impl<'a> Alternative<'a> {
    pub fn new(index: &'a WordIndex, term: &str, weight: f32) -> Result<Self, WordsError> {
        let (mut lists, mut cost) = (Vec::new(), 0);
        for (at, segment) in index.segments.iter().enumerate() {
            for part in Part::ALL {
                let list = segment.list(part, term)?;
                cost += Work::of_passages(list.as_ref().map_or(0, List::passages));
                lists.extend(list.map(|list| (at, part, list)));
            }
        }
        Ok(Self { lists, weight, cost })
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
