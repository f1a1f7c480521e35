//! Ranks passages by the question's words: BM25 over a passage's parts as one field ("BM25F": Robertson, Zaragoza and
//! Taylor, "Simple BM25 extension to multiple weighted fields", 2004), where a word counts by its best form.
//!
//! What is counted are the passages that are there, never those that were deleted but still lie in the files. So two
//! hosts with the same sources give the same list, whatever their indexes went through.

use resly_analysis::{Field, Kind};
use resly_core::id::{PassageId, RevisionId};
use tantivy::{DocSet, TERMINATED, postings::Postings};

use super::{
    LEAST_COVERAGE, Matches, WordIndex, WordsError,
    alternative::{Alternative, PARTIAL},
    expand::{completions, typos},
    schema::Part,
    segment::Segment,
    work::Work,
};
use crate::terms::{self, FULL, IDENTIFIER, Language, Question, Word};

/// How much a repeated word adds: BM25's `k1`.
const SATURATION: f32 = 1.2;
/// What a word in each part is worth.
const PART_WEIGHT: [f32; 3] = [2.0, 2.5, 1.0];
/// What a match in another form than the question's own is worth.
pub const FOLDED: f32 = 0.95;
pub const STEM: f32 = 0.85;
/// What a synonym is worth against the word itself.
const SYNONYM: f32 = 0.8;
/// What a stop word is worth in a passage that another word found.
const FILLER: f32 = 0.1;
/// For a passage with all the telling words that are known at all.
const ALL: f32 = 1.2;
/// For a passage in the question's language, where others have the same number or name.
const SAME_LANGUAGE: f32 = 1.2;
/// For a heading that contains the question word for word.
const PHRASE: f32 = 1.5;
/// How much more a passage covers that has a word of the question in its title or section, which say what it is about.
const ABOUT: f32 = 1.5;
/// The words of a question that may be typos. Each one costs a look at all terms with its first letter, and a question
/// with more unknown words is about something else.
const MOST_TYPOS: usize = 8;
/// With fewer passages, a word's rarity in them says little about how rare it is.
const FEW_PASSAGES: usize = 1000;

/// For each segment, the passages that a word was found in, in order, and how well.
pub type Found = Vec<InSegment>;
/// Those of one segment, in order.
pub type InSegment = Vec<(u32, Match)>;

/// How well a passage has a word.
#[derive(Clone, Copy, Default)]
pub struct Match {
    /// What it adds to the score.
    worth: f32,
    /// The weight of the best form.
    pub form: f32,
    /// Whether the title or the section has the word, or another form of it.
    heads: bool,
}

/// A passage's sum.
#[derive(Clone, Copy, Default)]
struct Sum {
    score: f32,
    telling: u32,
    /// The weight of the words that it covers.
    covered: f32,
    heads: bool,
}

/// The best passages, and how much of the question the best one covers.
pub fn search(index: &WordIndex, question: &Question, limit: usize, work: &mut Work) -> Result<Matches, WordsError> {
    let mut scratch = Scratch::new(index, work);
    let mut sums: Vec<Vec<Sum>> =
        index.segments.iter().map(|segment| vec![Sum::default(); segment.norms.len()]).collect();
    let (mut known, mut weight) = (0, 0.0);
    // Words that tell nothing count when there are no others.
    let tells = |word: &&Word| word.telling || question.words.iter().all(|word| !word.telling);
    for word in question.words.iter().filter(tells) {
        let found = scratch.find_word(index, word)?;
        let rarity = rarity(index.passages, &found);
        let share = share(index, word, &found);
        known += u32::from(found.iter().any(|found| !found.is_empty()));
        weight += share;
        for (sums, found) in sums.iter_mut().zip(&found) {
            for (doc, Match { worth, form, heads }) in found {
                let sum = &mut sums[*doc as usize];
                sum.score += rarity * worth;
                sum.telling += 1;
                sum.covered += share * form;
                sum.heads |= *heads && share > 0.0;
            }
        }
    }
    let language = match question.language {
        Language::Unknown => index.languages.first().copied().unwrap_or(Language::Unknown),
        known => known,
    };
    if known == 0 {
        return Ok(Matches { passages: Vec::new(), scores: Vec::new(), coverage: 0.0, language });
    }
    // What is being typed has no whole words yet to judge by.
    let typed = question.words.iter().any(|word| word.unfinished);
    let coverage = if typed { f32::INFINITY } else { coverage(&sums, weight) };
    if coverage < LEAST_COVERAGE {
        return Ok(Matches { passages: Vec::new(), scores: Vec::new(), coverage, language });
    }
    for word in question.words.iter().filter(|word| !tells(word)) {
        let exact = word.terms.iter().filter(|term| term.kind == Kind::Exact);
        let exact: Result<Vec<_>, _> = exact.map(|term| Alternative::new(index, &term.key(), FILLER)).collect();
        let found = scratch.find(index, &exact?)?;
        let rarity = rarity(index.passages, &found);
        for (sums, found) in sums.iter_mut().zip(&found) {
            for (doc, Match { worth, .. }) in found {
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
    let (passages, scores) = best(index, &sums, limit).into_iter().unzip();
    Ok(Matches { passages, scores, coverage, language })
}

/// How much a word tells that was found in these of so many passages.
#[expect(clippy::cast_precision_loss, reason = "an index has fewer than 16 million passages")]
fn rarity(passages: usize, found: &Found) -> f32 {
    let having = found.iter().map(Vec::len).sum::<usize>() as f32;
    (1.0 + (passages as f32 - having + 0.5) / (having + 0.5)).ln()
}

/// A word's share of the question: the more, the rarer and the longer it is. A number that no passage has is the
/// customer's own, such as that of an order.
pub fn share(index: &WordIndex, word: &Word, found: &Found) -> f32 {
    if word.letters == IDENTIFIER && found.iter().all(Vec::is_empty) {
        return 0.0;
    }
    rarity(index.passages.max(FEW_PASSAGES), found) * f32::from(word.letters) / f32::from(FULL)
}

/// How much the best passage covers of a question of this weight. One without weight has nothing to judge by.
fn coverage(sums: &[Vec<Sum>], weight: f32) -> f32 {
    let covered = |sum: &Sum| sum.covered * if sum.heads { ABOUT } else { 1.0 };
    let best = sums.iter().flatten().map(covered).fold(0.0, f32::max);
    if weight > 0.0 { best / weight } else { f32::INFINITY }
}

/// The best passages with their scores. Equal ones are in order of source and position.
fn best(index: &WordIndex, sums: &[Vec<Sum>], limit: usize) -> Vec<(PassageId, f32)> {
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
    let key = |(score, at, doc): (f32, usize, u32)| -> Option<(f32, RevisionId, u64, PassageId)> {
        let segment = index.segments.get(at)?;
        Some((score, segment.source(doc), segment.position(doc), segment.passage(doc)))
    };
    let mut ranked: Vec<_> = scored.into_iter().filter_map(key).collect();
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    ranked.truncate(limit);
    ranked.into_iter().map(|(score, .., passage)| (passage, score)).collect()
}

/// What a search needs for each passage of a segment, kept from word to word.
pub struct Scratch<'w> {
    /// How often a passage has a term, over its parts.
    counts: Vec<f32>,
    /// The best of a word's forms.
    matches: Vec<Match>,
    counted: Vec<u32>,
    /// For how many more words typos are looked for.
    typos_left: usize,
    work: &'w mut Work,
    valued: Vec<u32>,
}

impl<'w> Scratch<'w> {
    pub fn new(index: &WordIndex, work: &'w mut Work) -> Self {
        let most = index.segments.iter().map(|segment| segment.norms.len()).max().unwrap_or(0);
        Self {
            counts: vec![0.0; most],
            matches: vec![Match::default(); most],
            counted: Vec::new(),
            valued: Vec::new(),
            typos_left: MOST_TYPOS,
            work,
        }
    }

    /// The passages that have a word in any of its forms. If none has the word or its stem, those that have words which it
    /// may be a typo of.
    pub fn find_word(&mut self, index: &WordIndex, word: &Word) -> Result<Found, WordsError> {
        let mut synonyms = Found::default();
        for phrase in &word.synonyms {
            synonyms = either(synonyms, self.find_phrase(index, phrase)?);
        }
        let mut alternatives = Vec::with_capacity(word.terms.len());
        // What has a synonym is no typo.
        let mut known = synonyms.iter().any(|found| !found.is_empty());
        for term in &word.terms {
            let alternative = Alternative::new(index, &term.key(), weight(term.kind))?;
            known = known || (alternative.weight > PARTIAL && alternative.is_known(index)?);
            alternatives.push(alternative);
        }
        if !known && self.typos_left > 0 {
            self.typos_left -= 1;
            alternatives.extend(typos(index, word, self.work)?);
        }
        if word.unfinished {
            alternatives.extend(completions(index, word, self.work)?);
        }
        Ok(either(self.find(index, &alternatives)?, synonyms))
    }

    /// The passages that have all telling words of a synonym, as far as there is work left for synonyms.
    fn find_phrase(&mut self, index: &WordIndex, phrase: &[Word]) -> Result<Found, WordsError> {
        let all = phrase.iter().all(|word| !word.telling);
        let mut found: Option<Found> = None;
        for word in phrase.iter().filter(|word| all || word.telling) {
            if self.work.is_spent() {
                return Ok(Found::default());
            }
            let terms = word.terms.iter().map(|term| Alternative::new(index, &term.key(), SYNONYM * weight(term.kind)));
            let terms: Vec<Alternative<'_>> = terms.collect::<Result<_, _>>()?;
            let is_enough = self.work.spend(terms.iter().map(|term| term.cost).sum());
            self.work.check()?;
            if !is_enough {
                return Ok(Found::default());
            }
            let having = self.read(index, &terms)?;
            found = Some(match found {
                Some(found) => both(found, &having),
                None => having,
            });
        }
        Ok(found.unwrap_or_default())
    }

    fn find(&mut self, index: &WordIndex, alternatives: &[Alternative<'_>]) -> Result<Found, WordsError> {
        self.work.need(alternatives.iter().map(|alternative| alternative.cost).sum())?;
        self.read(index, alternatives)
    }

    fn read(&mut self, index: &WordIndex, alternatives: &[Alternative<'_>]) -> Result<Found, WordsError> {
        let in_segment = |(at, segment)| self.find_in(at, segment, alternatives);
        index.segments.iter().enumerate().map(in_segment).collect()
    }

    fn find_in(
        &mut self,
        at: usize,
        segment: &Segment,
        alternatives: &[Alternative<'_>],
    ) -> Result<Vec<(u32, Match)>, WordsError> {
        for Alternative { lists, weight, .. } in alternatives {
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
                    self.matches[at].heads |= part != Part::Text as usize && *weight > PARTIAL;
                })?;
            }
            for doc in self.counted.drain(..) {
                let at = doc as usize;
                let count = std::mem::take(&mut self.counts[at]);
                let worth = weight * count * (SATURATION + 1.0) / (count + SATURATION);
                let best = &mut self.matches[at];
                if best.worth == 0.0 {
                    self.valued.push(doc);
                }
                best.worth = best.worth.max(worth);
                best.form = best.form.max(*weight);
            }
        }
        self.valued.sort_unstable();
        Ok(self.valued.drain(..).map(|doc| (doc, std::mem::take(&mut self.matches[doc as usize]))).collect())
    }
}

/// What has a word by itself or by a synonym.
fn either(own: Found, synonym: Found) -> Found {
    if own.is_empty() || synonym.is_empty() {
        return if own.is_empty() { synonym } else { own };
    }
    let merge = |(mut own, synonym): (InSegment, InSegment)| {
        own.extend(synonym);
        own.sort_by_key(|(doc, _)| *doc);
        own.dedup_by(|(doc, other), (kept, best)| {
            let same = doc == kept;
            if same {
                let Match { worth, form, heads } = *best;
                *best =
                    Match { worth: worth.max(other.worth), form: form.max(other.form), heads: heads || other.heads };
            }
            same
        });
        own
    };
    own.into_iter().zip(synonym).map(merge).collect()
}

/// What has two words of a synonym: it is worth what the lesser of them is.
fn both(found: Found, having: &Found) -> Found {
    let merge = |(found, having): (InSegment, &InSegment)| {
        let lesser = |(doc, one): (u32, Match)| {
            let at = having.binary_search_by_key(&doc, |(doc, _)| *doc).ok()?;
            let (_, other) = having.get(at)?;
            let (worth, form) = (one.worth.min(other.worth), one.form.min(other.form));
            Some((doc, Match { worth, form, heads: one.heads && other.heads }))
        };
        found.into_iter().filter_map(lesser).collect()
    };
    found.into_iter().zip(having).map(merge).collect()
}

fn weight(kind: Kind) -> f32 {
    match kind {
        Kind::Exact => 1.0,
        Kind::Folded => FOLDED,
        Kind::Stem => STEM,
        Kind::Part | Kind::Gram | Kind::Compound => PARTIAL,
    }
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
