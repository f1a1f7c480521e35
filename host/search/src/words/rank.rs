//! Ranks passages by the question's words: BM25 over a passage's parts as one field ("BM25F": Robertson, Zaragoza and
//! Taylor, "Simple BM25 extension to multiple weighted fields", 2004), where a word counts by its best form.
//!
//! What is counted are the passages that are there, never those that were deleted but still lie in the files. So two
//! hosts with the same sources give the same list, whatever their indexes went through.

use std::collections::BTreeSet;

use resly_analysis::{Field, Kind};
use resly_core::id::{PassageId, SourceId};
use tantivy::{DocSet, TERMINATED, postings::Postings};

use super::{
    WordIndex, WordsError,
    schema::Part,
    segment::{List, Segment},
    typos::{edits, forgiven},
};
use crate::terms::{self, Language, Question, Term, Word};

/// How much a repeated word adds: BM25's `k1`.
const SATURATION: f32 = 1.2;
/// What a word in each part is worth.
const PART_WEIGHT: [f32; 3] = [2.0, 2.5, 1.0];
/// What a match in another form than the question's own is worth.
const FOLDED: f32 = 0.95;
const STEM: f32 = 0.85;
const PARTIAL: f32 = 0.5;
const TYPO: [f32; 3] = [1.0, 0.6, 0.4];
/// What a stop word is worth in a passage that another word found.
const FILLER: f32 = 0.1;
/// For a passage with all the telling words that are known at all.
const ALL: f32 = 1.2;
/// For a passage in the question's language, where others have the same number or name.
const SAME_LANGUAGE: f32 = 1.2;
/// For a heading that contains the question word for word.
const PHRASE: f32 = 1.5;
/// The most words of the index that a mistyped or unfinished word may stand for.
const MOST_CANDIDATES: usize = 12;

/// One of the terms that a word is looked for by: together they count once, by the best of them.
struct Alternative<'a> {
    /// Its lists in each segment's parts.
    lists: Vec<(usize, Part, List<'a>)>,
    weight: f32,
}

impl<'a> Alternative<'a> {
    fn new(index: &'a WordIndex, term: &str, weight: f32) -> Result<Self, WordsError> {
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
    fn is_known(&self, index: &WordIndex) -> Result<bool, WordsError> {
        for (at, _, list) in &self.lists {
            if list.is_alive(&index.segments[*at])? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// For each segment, the passages that a word was found in, in order, and how well.
type Found = Vec<Vec<(u32, f32)>>;

/// A passage's sum.
#[derive(Clone, Copy, Default)]
struct Sum {
    score: f32,
    telling: u32,
}

pub fn search(index: &WordIndex, question: &Question, limit: usize) -> Result<Vec<PassageId>, WordsError> {
    let mut scratch = Scratch::new(index);
    let mut sums: Vec<Vec<Sum>> =
        index.segments.iter().map(|segment| vec![Sum::default(); segment.norms.len()]).collect();
    let mut known = 0;
    // Words that tell nothing count when there are no others.
    let tells = |word: &&Word| word.telling || question.words.iter().all(|word| !word.telling);
    for word in question.words.iter().filter(tells) {
        let found = scratch.find_word(index, word)?;
        let rarity = rarity(index, &found);
        known += u32::from(found.iter().any(|found| !found.is_empty()));
        for (sums, found) in sums.iter_mut().zip(&found) {
            for (doc, worth) in found {
                let sum = &mut sums[*doc as usize];
                sum.score += rarity * worth;
                sum.telling += 1;
            }
        }
    }
    if known == 0 {
        return Ok(Vec::new());
    }
    for word in question.words.iter().filter(|word| !tells(word)) {
        let exact = word.terms.iter().filter(|term| term.kind == Kind::Exact);
        let exact: Result<Vec<_>, _> = exact.map(|term| Alternative::new(index, &term.key(), FILLER)).collect();
        let found = scratch.find(index, &exact?)?;
        let rarity = rarity(index, &found);
        for (sums, found) in sums.iter_mut().zip(&found) {
            for (doc, worth) in found {
                let sum = &mut sums[*doc as usize];
                // In what no telling word found, nothing is added.
                if sum.telling > 0 {
                    sum.score += rarity * worth;
                }
            }
        }
    }
    if known > 1 {
        for sum in sums.iter_mut().flatten().filter(|sum| sum.telling == known) {
            sum.score *= ALL;
        }
    }
    for (sums, segment) in sums.iter_mut().zip(&index.segments) {
        if index.languages.len() > 1 && question.language != Language::Unknown {
            let same = |language: &Language| *language == question.language;
            let found = sums.iter_mut().zip(&segment.languages).filter(|(_, language)| same(language));
            found.for_each(|(sum, _)| sum.score *= SAME_LANGUAGE);
        }
        for doc in phrase(segment, &question.phrase)? {
            sums[doc as usize].score *= PHRASE;
        }
    }
    Ok(best(index, &sums, limit))
}

/// How much a word tells that was found in so many passages.
#[expect(clippy::cast_precision_loss, reason = "an index has fewer than 16 million passages")]
fn rarity(index: &WordIndex, found: &Found) -> f32 {
    let having = found.iter().map(Vec::len).sum::<usize>() as f32;
    (1.0 + (index.passages as f32 - having + 0.5) / (having + 0.5)).ln()
}

/// The best passages. Equal ones are in order of source and position.
fn best(index: &WordIndex, sums: &[Vec<Sum>], limit: usize) -> Vec<PassageId> {
    let mut scored: Vec<(f32, usize, u32)> = Vec::new();
    for (segment, sums) in sums.iter().enumerate() {
        let found = (0_u32..).zip(sums).filter(|(_, sum)| sum.telling > 0);
        scored.extend(found.map(|(doc, sum)| (sum.score, segment, doc)));
    }
    if scored.len() > limit && limit > 0 {
        let (_, (last, ..), _) = scored.select_nth_unstable_by(limit - 1, |a, b| b.0.total_cmp(&a.0));
        let last = *last;
        scored.retain(|(score, ..)| *score >= last);
    }
    let key = |(score, at, doc): (f32, usize, u32)| -> Option<(f32, SourceId, u64, PassageId)> {
        let segment = index.segments.get(at)?;
        Some((score, segment.source(doc), segment.position(doc), segment.passage(doc)))
    };
    let mut ranked: Vec<_> = scored.into_iter().filter_map(key).collect();
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    ranked.truncate(limit);
    ranked.into_iter().map(|(.., passage)| passage).collect()
}

/// What a search needs for each passage of a segment, kept from word to word.
struct Scratch {
    /// How often a passage has a term, over its parts.
    counts: Vec<f32>,
    /// The best worth of a word's forms.
    worths: Vec<f32>,
    counted: Vec<u32>,
    valued: Vec<u32>,
}

impl Scratch {
    fn new(index: &WordIndex) -> Self {
        let most = index.segments.iter().map(|segment| segment.norms.len()).max().unwrap_or(0);
        Self { counts: vec![0.0; most], worths: vec![0.0; most], counted: Vec::new(), valued: Vec::new() }
    }

    /// The passages that have a word in any of its forms. If none has the word or its stem, those that have words which it
    /// may be a typo of.
    fn find_word(&mut self, index: &WordIndex, word: &Word) -> Result<Found, WordsError> {
        let mut alternatives = Vec::with_capacity(word.terms.len());
        let mut known = false;
        for term in &word.terms {
            let alternative = Alternative::new(index, &term.key(), weight(term.kind))?;
            known = known || (alternative.weight > PARTIAL && alternative.is_known(index)?);
            alternatives.push(alternative);
        }
        if !known {
            alternatives.extend(typos(index, word)?);
        }
        if word.unfinished {
            alternatives.extend(completions(index, word)?);
        }
        self.find(index, &alternatives)
    }

    fn find(&mut self, index: &WordIndex, alternatives: &[Alternative<'_>]) -> Result<Found, WordsError> {
        let in_segment = |(at, segment)| self.find_in(at, segment, alternatives);
        index.segments.iter().enumerate().map(in_segment).collect()
    }

    fn find_in(
        &mut self,
        at: usize,
        segment: &Segment,
        alternatives: &[Alternative<'_>],
    ) -> Result<Vec<(u32, f32)>, WordsError> {
        for Alternative { lists, weight } in alternatives {
            for (_, part, list) in lists.iter().filter(|(of, ..)| *of == at) {
                let part = *part as usize;
                list.each(|doc, times| {
                    let at = doc as usize;
                    if !segment.is_alive(doc) {
                        return;
                    }
                    if self.counts[at] == 0.0 {
                        self.counted.push(doc);
                    }
                    #[expect(clippy::cast_precision_loss, reason = "a passage has few words")]
                    let times = times as f32;
                    self.counts[at] += PART_WEIGHT[part] * times / segment.norms[at][part];
                })?;
            }
            for doc in self.counted.drain(..) {
                let at = doc as usize;
                let count = std::mem::take(&mut self.counts[at]);
                let worth = weight * count * (SATURATION + 1.0) / (count + SATURATION);
                if self.worths[at] == 0.0 {
                    self.valued.push(doc);
                }
                self.worths[at] = self.worths[at].max(worth);
            }
        }
        self.valued.sort_unstable();
        Ok(self.valued.drain(..).map(|doc| (doc, std::mem::take(&mut self.worths[doc as usize]))).collect())
    }
}

fn weight(kind: Kind) -> f32 {
    match kind {
        Kind::Exact => 1.0,
        Kind::Folded => FOLDED,
        Kind::Stem => STEM,
        Kind::Part | Kind::Gram | Kind::Compound => PARTIAL,
    }
}

/// The words that a word may be a typo of: those with the fewest edits that begin with the same letter. First among
/// words, then among stems, which mend an ending at the same time.
fn typos<'a>(index: &'a WordIndex, word: &Word) -> Result<Vec<Alternative<'a>>, WordsError> {
    for kind in [Kind::Exact, Kind::Stem] {
        let mut found = Vec::new();
        for term in word.terms.iter().filter(|term| term.kind == kind) {
            found.extend(nearest(index, kind.field(), &term.text)?);
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn nearest<'a>(index: &'a WordIndex, field: Field, text: &str) -> Result<Vec<Alternative<'a>>, WordsError> {
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
                if !lengths.contains(&token.len()) {
                    return;
                }
                other.clear();
                other.extend(token.chars());
                if let Some(cost) = edits(&letters, &other, most) {
                    near.insert((cost, term.to_owned()));
                }
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
fn completions<'a>(index: &'a WordIndex, word: &Word) -> Result<Vec<Alternative<'a>>, WordsError> {
    let mut longer: BTreeSet<(usize, String)> = BTreeSet::new();
    for prefix in word.terms.iter().filter(|term| term.kind == Kind::Exact).map(Term::key) {
        for segment in &index.segments {
            for part in Part::ALL {
                segment.terms(part, &prefix, |term| {
                    longer.insert((term.len(), term.to_owned()));
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

/// The passages of a segment whose title or section has these words one after the other.
fn phrase(segment: &Segment, words: &[String]) -> Result<Vec<u32>, WordsError> {
    let mut found = Vec::new();
    if words.len() < 2 {
        return Ok(found);
    }
    for part in [Part::Title, Part::Section] {
        let mut lists = Vec::with_capacity(words.len());
        for word in words {
            match segment.list(part, &terms::key(Field::Words, word))? {
                Some(list) => lists.push(list.positions()?),
                None => break,
            }
        }
        if lists.len() < words.len() {
            continue;
        }
        let Some((first, others)) = lists.split_first_mut() else { continue };
        let (mut starts, mut places) = (Vec::new(), Vec::new());
        let mut doc = first.doc();
        while doc != TERMINATED {
            first.positions(&mut starts);
            for (offset, other) in (1_u32..).zip(others.iter_mut()) {
                if other.doc() < doc {
                    other.seek(doc);
                }
                if other.doc() != doc {
                    starts.clear();
                }
                if !starts.is_empty() {
                    other.positions(&mut places);
                    starts.retain(|start| places.contains(&(start + offset)));
                }
            }
            if !starts.is_empty() && segment.is_alive(doc) && !found.contains(&doc) {
                found.push(doc);
            }
            doc = first.advance();
        }
    }
    Ok(found)
}
