//! Reads an index: its posting lists, and the columns that say which passage is which.

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use resly_core::id::{PassageId, RevisionId};
use tantivy::{
    DocSet, Index, InvertedIndexReader, SegmentReader, TERMINATED,
    columnar::Column,
    fastfield::AliveBitSet,
    postings::{Postings, SegmentPostings, TermInfo},
    schema::IndexRecordOption,
};
use uuid::Uuid;

use super::{
    WordsError,
    schema::{Fields, LANGUAGE, LENGTHS, PASSAGE, POSITION, Part, SOURCE},
};
use crate::terms::{self, Language};

/// How much a part's length weighs against its words: a long text mentions much in passing, a long heading less.
const LENGTH_WEIGHT: [f32; 3] = [0.3, 0.4, 0.75];

/// A state of an index, which stays while others write.
pub struct WordIndex {
    pub(super) segments: Vec<Segment>,
    pub(super) passages: usize,
    /// In order.
    pub(super) sources: Vec<RevisionId>,
    /// The languages of the passages, the most frequent first.
    pub(super) languages: Vec<Language>,
    /// The files that it was read from.
    pub(super) files: HashSet<PathBuf>,
    /// Bytes of it that are in no file.
    pub(super) memory: usize,
}

pub struct Segment {
    parts: [Arc<InvertedIndexReader>; 3],
    alive: Option<AliveBitSet>,
    /// For each passage and part, what a count of words is divided by: 1 for one of average length.
    pub norms: Vec<[f32; 3]>,
    /// The language of each passage.
    pub languages: Vec<Language>,
    source: [Column<u64>; 2],
    passage: [Column<u64>; 2],
    position: Column<u64>,
}

/// Where a term's passages are listed.
pub struct List<'a> {
    reader: &'a InvertedIndexReader,
    info: TermInfo,
}

impl WordIndex {
    /// Reads all of an index but its posting lists. `memory` is what it takes if it isn't in files.
    pub(super) fn read(index: &Index, fields: &Fields, memory: usize) -> Result<Self, WordsError> {
        let mut segments = Vec::new();
        let mut totals = [0_u64; 3];
        let mut passages = 0_usize;
        let mut found_sources = Vec::new();
        let mut languages: Vec<(usize, Language)> = Vec::new();
        for segment in index.searchable_segments()? {
            let reader = SegmentReader::open(&segment)?;
            add_sources(&reader, fields, &mut found_sources)?;
            let columns = reader.fast_fields();
            let pair = |names: [&str; 2]| Ok::<_, WordsError>([columns.u64(names[0])?, columns.u64(names[1])?]);
            let lengths = [columns.u64(LENGTHS[0])?, columns.u64(LENGTHS[1])?, columns.u64(LENGTHS[2])?];
            let spoken = columns.u64(LANGUAGE)?;
            let part = |part: Part| reader.inverted_index(fields.parts[part as usize]);
            let mut opened = Segment {
                parts: [part(Part::Title)?, part(Part::Section)?, part(Part::Text)?],
                alive: reader.alive_bitset().cloned(),
                norms: Vec::with_capacity(reader.max_doc() as usize),
                languages: Vec::with_capacity(reader.max_doc() as usize),
                source: pair(SOURCE)?,
                passage: pair(PASSAGE)?,
                position: columns.u64(POSITION)?,
            };
            for doc in 0..reader.max_doc() {
                let words = lengths.each_ref().map(|column| column.first(doc).unwrap_or(0));
                #[expect(clippy::cast_precision_loss, reason = "a passage has few words")]
                opened.norms.push(words.map(|words| words as f32));
                let number = spoken.first(doc).unwrap_or(0);
                let language = terms::from_number(number).unwrap_or(Language::Unknown);
                opened.languages.push(language);
                if opened.is_alive(doc) {
                    passages += 1;
                    totals.iter_mut().zip(words).for_each(|(total, words)| *total += words);
                    match languages.iter_mut().find(|(_, known)| *known == language) {
                        Some((count, _)) => *count += 1,
                        None => languages.push((1, language)),
                    }
                }
            }
            segments.push(opened);
        }
        normalise(&mut segments, totals, passages);
        languages.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let languages = languages.into_iter().map(|(_, language)| language).collect();
        let files = files(index)?;
        Ok(Self { segments, passages, sources: in_order(found_sources), languages, files, memory })
    }

    /// Bytes of memory that it takes, roughly.
    pub fn bytes(&self) -> usize {
        let norms: usize = self.segments.iter().map(|segment| segment.norms.len() * size_of::<[f32; 3]>()).sum();
        self.memory + norms + self.sources.len() * size_of::<RevisionId>()
    }
}

/// Turns numbers of words into what counts are divided by, as BM25 does. Only passages that are alive count, so that an
/// index ranks alike whatever was deleted from it.
fn normalise(segments: &mut [Segment], totals: [u64; 3], passages: usize) {
    #[expect(clippy::cast_precision_loss, reason = "an average")]
    let averages = totals.map(|total| (total as f32 / passages.max(1) as f32).max(1.0));
    for norm in segments.iter_mut().flat_map(|segment| &mut segment.norms) {
        for part in 0..3 {
            norm[part] = 1.0 - LENGTH_WEIGHT[part] + LENGTH_WEIGHT[part] * norm[part] / averages[part];
        }
    }
}

/// The names of the files that the segments of an index may have.
pub fn files(index: &Index) -> Result<HashSet<PathBuf>, WordsError> {
    Ok(index.searchable_segment_metas()?.iter().flat_map(|segment| segment.list_files()).collect())
}

/// The sources that an index holds, in order.
pub fn sources(index: &Index, fields: &Fields) -> Result<Vec<RevisionId>, WordsError> {
    let mut found = Vec::new();
    for segment in index.searchable_segments()? {
        add_sources(&SegmentReader::open(&segment)?, fields, &mut found)?;
    }
    Ok(in_order(found))
}

/// Adds the sources of one segment.
fn add_sources(reader: &SegmentReader, fields: &Fields, found: &mut Vec<RevisionId>) -> Result<(), WordsError> {
    let terms = reader.inverted_index(fields.source)?;
    let mut stream = terms.terms().stream()?;
    while let Some((key, info)) = stream.next() {
        // A source is deleted whole, so its first passage tells.
        let first = terms.read_postings_from_terminfo(info, IndexRecordOption::Basic)?.doc();
        if first != TERMINATED
            && !reader.is_deleted(first)
            && let Ok(id) = Uuid::from_slice(key)
        {
            found.push(RevisionId(id));
        }
    }
    Ok(())
}

/// Each source once, though several segments may have some of its passages.
fn in_order(mut sources: Vec<RevisionId>) -> Vec<RevisionId> {
    sources.sort_unstable();
    sources.dedup();
    sources
}

impl Segment {
    pub fn is_alive(&self, doc: u32) -> bool {
        self.alive.as_ref().is_none_or(|alive| alive.is_alive(doc))
    }

    /// The list of a term in a part of the passages.
    pub fn list(&self, part: Part, term: &str) -> Result<Option<List<'_>>, WordsError> {
        let reader = &*self.parts[part as usize];
        Ok(reader.terms().get(term)?.map(|info| List { reader, info }))
    }

    /// Calls `each` with every term of a part that begins with `prefix`, in order, until it returns false.
    pub fn terms(&self, part: Part, prefix: &str, mut each: impl FnMut(&str) -> bool) -> Result<(), WordsError> {
        let mut stream = self.parts[part as usize].terms().range().ge(prefix).into_stream()?;
        while stream.advance() {
            let Ok(term) = std::str::from_utf8(stream.key()) else { continue };
            if !term.starts_with(prefix) || !each(term) {
                break;
            }
        }
        Ok(())
    }

    pub fn source(&self, doc: u32) -> RevisionId {
        RevisionId(id(&self.source, doc))
    }

    pub fn passage(&self, doc: u32) -> PassageId {
        PassageId(id(&self.passage, doc))
    }

    pub fn position(&self, doc: u32) -> u64 {
        self.position.first(doc).unwrap_or(0)
    }
}

fn id(columns: &[Column<u64>; 2], doc: u32) -> Uuid {
    let [high, low] = columns;
    Uuid::from_u64_pair(high.first(doc).unwrap_or(0), low.first(doc).unwrap_or(0))
}

impl List<'_> {
    /// How many passages it has, with those that were deleted and still lie in the files.
    pub fn passages(&self) -> u64 {
        self.info.doc_freq.into()
    }

    /// Calls `each` with every passage and how often it has the term.
    pub fn each(&self, mut each: impl FnMut(u32, u32)) -> Result<(), WordsError> {
        let mut postings = self.reader.read_postings_from_terminfo(&self.info, IndexRecordOption::WithFreqs)?;
        let mut doc = postings.doc();
        while doc != TERMINATED {
            each(doc, postings.term_freq());
            doc = postings.advance();
        }
        Ok(())
    }

    /// Whether a passage that is alive has the term.
    pub fn is_alive(&self, segment: &Segment) -> Result<bool, WordsError> {
        let mut postings = self.reader.read_postings_from_terminfo(&self.info, IndexRecordOption::Basic)?;
        let mut doc = postings.doc();
        while doc != TERMINATED && !segment.is_alive(doc) {
            doc = postings.advance();
        }
        Ok(doc != TERMINATED)
    }

    /// The list with the term's places in each passage.
    pub fn positions(&self) -> Result<SegmentPostings, WordsError> {
        let option = IndexRecordOption::WithFreqsAndPositions;
        Ok(self.reader.read_postings_from_terminfo(&self.info, option)?)
    }
}
