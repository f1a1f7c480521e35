//! What a word of a question may stand for when the index doesn't have it: a typo of another word, or the beginning of one.

use std::collections::BTreeSet;

use resly_analysis::{Field, Kind};

use super::{
    WordIndex, WordsError,
    alternative::{Alternative, PARTIAL},
    schema::Part,
    typos::{edits, forgiven},
    work::Work,
};
use crate::terms::{self, Term, Word};

/// What a match with so many edits is worth.
const TYPO: [f32; 3] = [1.0, 0.6, 0.4];
/// The most words of the index that a mistyped or unfinished word may stand for.
const MOST_CANDIDATES: usize = 12;

/// The words that a word may be a typo of: those with the fewest edits that begin with the same letter. First among
/// words, then among stems, which mend an ending at the same time.
pub fn typos<'a>(index: &'a WordIndex, word: &Word, work: &mut Work) -> Result<Vec<Alternative<'a>>, WordsError> {
    // Another run of characters is near to any short one; the other runs of a mistyped word still fit.
    if word.unspaced {
        return Ok(Vec::new());
    }
    for kind in [Kind::Exact, Kind::Stem] {
        let mut found = Vec::new();
        for term in word.terms.iter().filter(|term| term.kind == kind) {
            found.extend(nearest(index, kind.field(), &term.text, work)?);
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn nearest<'a>(
    index: &'a WordIndex,
    field: Field,
    text: &str,
    work: &mut Work,
) -> Result<Vec<Alternative<'a>>, WordsError> {
    let letters: Vec<char> = text.chars().collect();
    let most = forgiven(&letters);
    let Some(first) = letters.first().filter(|_| most > 0) else { return Ok(Vec::new()) };
    let prefix = terms::key(field, first.encode_utf8(&mut [0; 4]));
    let mut near: BTreeSet<(usize, String)> = BTreeSet::new();
    // A letter has one to four bytes.
    let lengths = letters.len().saturating_sub(most)..=4 * (letters.len() + most);
    let mut other: Vec<char> = Vec::with_capacity(letters.len() + most);
    for segment in &index.segments {
        for part in Part::ALL {
            segment.terms(part, &prefix, |term| {
                let token = terms::token(term);
                if lengths.contains(&token.len()) {
                    other.clear();
                    other.extend(token.chars());
                    if let Some(cost) = edits(&letters, &other, most) {
                        near.insert((cost, term.to_owned()));
                    }
                }
                work.spend(1)
            })?;
        }
    }
    let mut found: Vec<Alternative<'_>> = Vec::new();
    let mut least = most;
    for (cost, term) in near {
        if cost > least || found.len() == MOST_CANDIDATES {
            break;
        }
        let alternative = Alternative::new(index, &term, TYPO.get(cost).copied().unwrap_or(0.0))?;
        if alternative.is_known(index)? {
            least = cost;
            found.push(alternative);
        }
    }
    Ok(found)
}

/// The words that an unfinished word may become, the shortest first.
pub fn completions<'a>(index: &'a WordIndex, word: &Word, work: &mut Work) -> Result<Vec<Alternative<'a>>, WordsError> {
    let mut longer: BTreeSet<(usize, String)> = BTreeSet::new();
    for prefix in word.terms.iter().filter(|term| term.kind == Kind::Exact).map(Term::key) {
        for segment in &index.segments {
            for part in Part::ALL {
                segment.terms(part, &prefix, |term| {
                    longer.insert((term.len(), term.to_owned()));
                    work.spend(1)
                })?;
            }
        }
    }
    let mut found = Vec::new();
    for (_, term) in longer {
        if found.len() == MOST_CANDIDATES {
            break;
        }
        let alternative = Alternative::new(index, &term, PARTIAL)?;
        if alternative.is_known(index)? {
            found.push(alternative);
        }
    }
    Ok(found)
}
