//! Typing mistakes: one edit in one word. The same text always gives the same mistakes.

use sha2::{Digest, Sha256};
use unicode_segmentation::UnicodeSegmentation;

/// Letters of the shortest word that gets a mistake.
const SHORTEST: usize = 4;
/// Another seed makes other mistakes.
const SEED: &str = "typos";
/// Attempts for each wanted mistake. Some edits change nothing, or repeat an earlier one.
const ATTEMPTS: usize = 20;

/// Up to `count` different versions of a text, each with one mistake: two letters swapped, one left out, doubled or
/// replaced. The first letter of a word stays. The mistake is in a word that `matters`, where there is one. None of a
/// text whose script sets no spaces between words.
pub fn mistype(text: &str, count: usize, matters: impl Fn(&str) -> bool) -> Vec<String> {
    let all: Vec<(usize, &str)> = text.unicode_word_indices().filter(|(_, word)| may_change(word)).collect();
    let mattering: Vec<(usize, &str)> = all.iter().copied().filter(|(_, word)| matters(word)).collect();
    let words = if mattering.is_empty() { all } else { mattering };
    let mut made: Vec<String> = Vec::new();
    for attempt in 0..count * ATTEMPTS {
        if words.is_empty() || made.len() == count {
            break;
        }
        let mut chance = Chance(Sha256::digest(format!("{SEED}\n{attempt}\n{text}")).into(), 0);
        let (at, word) = words[chance.below(words.len())];
        let changed = edit(word, text, &mut chance);
        if changed != word {
            let whole = format!("{}{changed}{}", &text[..at], &text[at + word.len()..]);
            if !made.contains(&whole) {
                made.push(whole);
            }
        }
    }
    made
}

fn may_change(word: &str) -> bool {
    let letters = word.graphemes(true).count();
    let spaced = |c: char| !matches!(c, '\u{e00}'..='\u{eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}');
    letters >= SHORTEST && word.graphemes(true).all(is_letter) && word.chars().all(spaced)
}

fn is_letter(grapheme: &str) -> bool {
    grapheme.chars().next().is_some_and(char::is_alphabetic)
}

fn edit(word: &str, text: &str, chance: &mut Chance) -> String {
    let mut letters: Vec<&str> = word.graphemes(true).collect();
    let kind = chance.below(4);
    // Never the first letter, which people seldom get wrong.
    let at = 1 + chance.below(letters.len() - 1);
    match kind {
        0 => {
            let at = at.min(letters.len() - 2);
            letters.swap(at, at + 1);
        }
        1 => {
            letters.remove(at);
        }
        2 => letters.insert(at, letters[at]),
        _ => {
            // A letter of the same text is of the same script.
            let others: Vec<&str> = text.graphemes(true).filter(|letter| is_letter(letter)).collect();
            letters[at] = others[chance.below(others.len())];
        }
    }
    letters.concat()
}

/// Numbers that look random, from the bytes of a hash.
struct Chance([u8; 32], usize);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        let Self(bytes, at) = self;
        let number = u16::from_be_bytes([bytes[*at], bytes[*at + 1]]);
        *at += 2;
        usize::from(number) % bound
    }
}
