//! Runs of scripts that set no spaces between words: Chinese, Japanese, Thai, Lao, Burmese and Khmer.
//!
//! A dictionary cuts a run into words, but it cuts the same words in another way in another sentence, so its
//! words can't be what a search rests on. They are the stems. The exact tokens are overlapping runs of characters, each
//! with its marks: two in Chinese and Japanese, three in the others. Whatever a query cuts out of a run, its exact
//! tokens are tokens of the run.

use std::{ops::Range, sync::LazyLock};

use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed, options::WordBreakInvariantOptions};

use super::{
    Kind, Tokens,
    chars::{Unspaced, continues_unit},
    fold::exact,
};

/// The segmenter needs the words around, not the whole of a book.
const PIECE: usize = 1 << 11;
/// The most bytes of one unit. More marks on one character mean nothing.
const UNIT: usize = 32;

/// The dictionaries for all of them. The models for Thai, Lao, Burmese and Khmer take fifty times as long, a millisecond
/// for a question, and what they cut better doesn't make up for it where the exact tokens don't depend on it.
static SEGMENTER: LazyLock<WordSegmenterBorrowed<'static>> =
    LazyLock::new(|| WordSegmenter::new_dictionary(WordBreakInvariantOptions::default()));

/// The most units of a word. The dictionary takes a long run of the same character for one.
const WORD: usize = 20;

/// A character with its marks.
struct Unit {
    form: String,
    range: Range<usize>,
}

/// Adds the tokens of a run, which starts at `start` in the text. Returns how many positions it takes.
pub(super) fn add(tokens: &mut Tokens<'_>, run: &str, start: usize, script: Unspaced) {
    let units = units(run);
    let first = tokens.position;
    let position = |n: usize| first + u32::try_from(n).unwrap_or(u32::MAX);
    let offset = |range: Range<usize>| start + range.start..start + range.end;
    let length = match script {
        Unspaced::Han => 2,
        _ => 3,
    }
    .min(units.len());
    let mut words = words(run, &units).into_iter().peekable();
    for n in 0..units.len() {
        for size in 1..=length {
            let Some(gram) = units.get(n..n + size) else { break };
            let text: String = gram.iter().map(|unit| unit.form.as_str()).collect();
            let range = gram[0].range.start..gram[size - 1].range.end;
            let kind = if size == length { Kind::Exact } else { Kind::Gram };
            tokens.add(text, position(n), offset(range), kind);
        }
        if let Some(word) = words.next_if(|word| word.start == n) {
            let range = units[word.start].range.start..units[word.end - 1].range.end;
            let text: String = units[word].iter().take(WORD).map(|unit| unit.form.as_str()).collect();
            tokens.add(text, position(n), offset(range), Kind::Stem);
        }
    }
    tokens.position = position(units.len());
}

fn units(run: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::with_capacity(run.len() / 3);
    let mut start = 0;
    let mut chars = run.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        if chars.peek().is_some_and(|(_, next)| continues_unit(*next)) {
            continue;
        }
        let kept = run[start..end].len().min(UNIT);
        let form = exact(&run[start..run.floor_char_boundary(start + kept)]);
        if !form.is_empty() {
            units.push(Unit { form, range: start..end });
        }
        start = end;
    }
    units
}

/// The words of a run, as ranges of its units.
fn words(run: &str, units: &[Unit]) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut piece = 0;
    while piece < units.len() {
        // A piece of whole units.
        let from = units[piece].range.start;
        let count = units[piece..].iter().take_while(|unit| unit.range.end <= from + PIECE).count().max(1);
        let in_piece = &units[piece..piece + count];
        let mut word = 0;
        if count == 1 {
            words.push(piece..piece + 1);
            piece += 1;
            continue;
        }
        let text = &run[from..in_piece[count - 1].range.end];
        for end in SEGMENTER.segment_str(text) {
            // Where the segmenter cuts between a character and its marks, the word goes on.
            let next = in_piece.partition_point(|unit| unit.range.start - from < end);
            if next > word && (next == count || in_piece[next].range.start - from == end) {
                words.push(piece + word..piece + next);
                word = next;
            }
        }
        piece += count;
    }
    words
}
