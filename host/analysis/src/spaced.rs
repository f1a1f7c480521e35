//! Words of scripts that set spaces between them, and all that is written like a word: identifiers, versions, prices,
//! hosts, mail addresses.
//!
//! White space and most punctuation end a chunk. A chunk such as `(https://docs.example.com/a/b),` has, without the
//! punctuation around it, three levels: the whole, the segments between signs that separate (`docs.example.com`), and
//! the words between signs that join (`docs`). All are found.

use std::ops::Range;

use super::{
    Kind, LONGEST_WORD, Language, MOST_PARTS, Tokens,
    chars::{is_apostrophe, is_currency, is_hyphen, is_ignored},
    compound,
    fold::{exact, folded, plain_number, transliterated},
    parts::{Apostrophes, apostrophes, cased, dotted},
    stem::stems,
};

/// A longer whole is nobody's identifier. Its segments and words are found.
const WHOLE: usize = 160;

/// Adds the tokens of a chunk.
pub(super) fn add(tokens: &mut Tokens<'_>, chunk: Range<usize>) {
    let text = tokens.text;
    let Some(core) = core(text, chunk) else { return };
    let words = words(text, &core);
    let first = tokens.position;
    let position = |n: usize| first + u32::try_from(n).unwrap_or(u32::MAX);
    if let [word] = &words[..]
        && *word == core
    {
        let form = exact(&text[word.clone()]);
        add_spaced(tokens, &form, word, first);
        add_word(tokens, word.clone(), first, Kind::Exact);
        tokens.position = position(1);
        return;
    }
    add_whole(tokens, core.clone(), first);
    // Not those of a price or a version.
    let telephone = text[core.clone()].contains(['/', '-']);
    if telephone && all_digits(text, &words) {
        let joined: String = words.iter().take(MOST_PARTS).map(|word| &text[word.clone()]).collect();
        if joined.len() <= DIGITS {
            tokens.add(joined, first, core.clone(), Kind::Part);
        }
    }
    let mut from = 0;
    while from < words.len() {
        // A segment ends before a sign that separates.
        let joins = |n: usize| text[words[n].end..words[n + 1].start].chars().all(joins_words);
        let numbers = |n: usize| text[words[n].end..words[n + 1].start] == *"," && all_digits(text, &words[n..=n + 1]);
        let mut to = from + 1;
        while to < words.len() && (joins(to - 1) || numbers(to - 1)) {
            to += 1;
        }
        add_segment(tokens, &words[from..to], position(from));
        from = to;
    }
    tokens.position = position(words.len());
}

/// Adds the tokens of a chunk that is one word of ASCII letters in one case, or of digits.
pub(super) fn add_plain(tokens: &mut Tokens<'_>, word: Range<usize>) {
    let raw = &tokens.text[word.clone()];
    let position = tokens.position;
    tokens.position = position.saturating_add(1);
    let form = raw.to_ascii_lowercase();
    add_spaced(tokens, &form, &word, position);
    add_stems(tokens, &form, raw, word.clone(), position, Kind::Stem);
    tokens.add(form, position, word, Kind::Exact);
}

/// A word that may be one with the next.
pub(super) struct Before {
    text: String,
    range: Range<usize>,
    position: u32,
}

/// The most digits of a number that is written in groups. An IBAN's have 32, cards and telephones fewer.
const DIGITS: usize = 20;
/// The most letters of a word that is written with a space by some, such as `wi fi`, `log in` and `check out`.
const SHORT: usize = 5;

/// Function words that English writes after a verb, and joined to it where it is a noun.
const PARTICLES: &[&str] = &["in", "off", "on", "out", "up"];

/// Adds what a word is with the one before it, where people write the two as one: a number in groups, two short words.
fn add_spaced(tokens: &mut Tokens<'_>, form: &str, word: &Range<usize>, position: u32) {
    let digits = form.bytes().all(|byte| byte.is_ascii_digit());
    let short = form.len() <= SHORT && form.bytes().all(|byte| byte.is_ascii_lowercase());
    let before = tokens.before.take();
    if !digits && !short {
        return;
    }
    let near = |before: &Before| {
        matches!(tokens.text.get(before.range.end..word.start), Some(" " | "\u{a0}" | "\u{202f}" | "\u{2009}"))
    };
    let mut next = Before { text: form.to_owned(), range: word.clone(), position };
    if let Some(before) = before.filter(near) {
        let numbers = before.text.as_bytes()[0].is_ascii_digit();
        let length = before.text.len() + form.len();
        let joins = match (numbers, digits) {
            (true, true) => length <= DIGITS,
            // A function word before a short word is most of English.
            (false, false) => {
                let stop = |word: &str| super::is_stop(word, tokens.language);
                length >= 4 && !stop(&before.text) && (!stop(form) || PARTICLES.contains(&form))
            }
            _ => false,
        };
        if joins {
            let joined =
                Before { text: before.text + form, range: before.range.start..word.end, position: before.position };
            tokens.add(joined.text.clone(), joined.position, joined.range.clone(), Kind::Part);
            if numbers {
                next = joined;
            }
        }
    }
    tokens.before = Some(next);
}

/// A chunk without the punctuation around it. What distinguishes `.NET`, `C++`, `C#`, `€5`, `5€` and `5%` stays.
fn core(text: &str, chunk: Range<usize>) -> Option<Range<usize>> {
    let whole = &text[chunk.clone()];
    let word = |c: char| !is_joiner(c) && !is_ignored(c);
    let first = whole.find(word)?;
    let (last, last_char) = whole.char_indices().rev().find(|(_, c)| word(*c))?;
    let mut core = chunk.start + first..chunk.start + last + last_char.len_utf8();
    let before = whole[..first].chars().next_back();
    let letter = whole[first..].starts_with(char::is_alphabetic);
    if let Some(sign) = before
        && ((sign == '.' && first == 1 && letter) || (is_currency(sign) && !letter))
    {
        core.start -= sign.len_utf8();
    }
    let after = &text[core.end..chunk.end];
    let kept = match last_char.is_alphabetic() {
        true => after.find(|c| !matches!(c, '+' | '#')).unwrap_or(after.len()).min(2),
        false => after.chars().next().filter(|c| *c == '%' || is_currency(*c)).map_or(0, char::len_utf8),
    };
    core.end += kept;
    Some(core)
}

fn is_joiner(c: char) -> bool {
    super::chars::class(c) == super::chars::Class::Joiner
}

/// Signs that join words into one thing. An apostrophe is a part of its word.
fn joins_words(c: char) -> bool {
    matches!(c, '.' | '_') || is_hyphen(c)
}

/// The words of a chunk: all that stands between joiners, apostrophes within included.
fn words(text: &str, core: &Range<usize>) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut open: Option<Range<usize>> = None;
    let chunk = &text[core.clone()];
    for (at, c) in chunk.char_indices() {
        let (at, end) = (core.start + at, core.start + at + c.len_utf8());
        let inside = !is_joiner(c)
            || (is_apostrophe(c)
                && open.as_ref().is_some_and(|open| open.end == at)
                && text[end..core.end].starts_with(char::is_alphanumeric));
        match (&mut open, inside) {
            (Some(word), true) => word.end = end,
            (None, true) => open = Some(at..end),
            (Some(_), false) => words.extend(open.take()),
            (None, false) => {}
        }
    }
    words.extend(open);
    words
}

fn all_digits(text: &str, words: &[Range<usize>]) -> bool {
    words.iter().all(|word| text[word.clone()].bytes().all(|byte| byte.is_ascii_digit()))
}

/// Adds what consists of several words.
fn add_whole(tokens: &mut Tokens<'_>, range: Range<usize>, position: u32) {
    if range.len() > WHOLE {
        return;
    }
    let form = exact(&tokens.text[range.clone()]);
    for form in [folded(&form), plain_number(&form)].into_iter().flatten() {
        tokens.add(form, position, range.clone(), Kind::Folded);
    }
    tokens.add(form, position, range, Kind::Exact);
}

/// Adds words that are one thing, such as a host, a version or a hyphenated word.
fn add_segment(tokens: &mut Tokens<'_>, words: &[Range<usize>], position: u32) {
    let text = tokens.text;
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return };
    let range = first.start..last.end;
    let at = |n: usize| position + u32::try_from(n).unwrap_or(u32::MAX);
    // `en` and `42` say little about `en-42`; `sign` and `in` say as much as `sign-in`.
    let prose = words.windows(2).all(|pair| text[pair[0].end..pair[1].start].chars().all(is_hyphen))
        && !text[range.clone()].contains(char::is_numeric);
    if words.len() > 1 {
        add_whole(tokens, range.clone(), position);
        if words.len() <= 4 && range.len() <= LONGEST_WORD {
            add_joined(tokens, words, position, prose);
        }
        if !prose && range.len() <= WHOLE {
            // Its parts, such as `4` and `90` of a price, share nothing with other texts that have them.
            let form = exact(&text[range.clone()]);
            let stem = plain_number(&form).or_else(|| folded(&form)).unwrap_or(form);
            tokens.add(stem, position, range.clone(), Kind::Stem);
        }
        for part in dotted(text, words) {
            let n = words.partition_point(|word| word.end <= part.start);
            tokens.add(exact(&text[part.clone()]), at(n), part, Kind::Part);
        }
    }
    let kind = if words.len() == 1 || prose { Kind::Exact } else { Kind::Part };
    for (n, word) in words.iter().enumerate() {
        add_word(tokens, word.clone(), at(n), kind);
    }
}

/// Adds words as one, because `wi-fi` is also written `wifi`.
fn add_joined(tokens: &mut Tokens<'_>, words: &[Range<usize>], position: u32, prose: bool) {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return };
    let range = first.start..last.end;
    let joined: String = words.iter().map(|word| exact(&tokens.text[word.clone()])).collect();
    if prose {
        add_stems(tokens, &joined, &joined, range.clone(), position, Kind::Stem);
    }
    if let Some(folded) = folded(&joined) {
        tokens.add(folded, position, range.clone(), Kind::Part);
    }
    tokens.add(joined, position, range, Kind::Part);
}

/// Adds one word.
fn add_word(tokens: &mut Tokens<'_>, range: Range<usize>, position: u32, kind: Kind) {
    let text = tokens.text;
    let raw = &text[range.clone()];
    let cut = raw.char_indices().nth(LONGEST_WORD).map(|(end, _)| &raw[..end]);
    if let Some(start) = cut {
        // No word of a language, and nothing to take apart.
        let form = exact(start);
        tokens.add(folded(&form).unwrap_or_else(|| form.clone()), position, range.clone(), Kind::Stem);
        add_form(tokens, form, range, position, kind);
        return;
    }
    match apostrophes(raw) {
        None => {
            let form = exact(raw);
            if kind == Kind::Exact || form.len() > 2 && !form.contains(char::is_numeric) {
                add_stems(tokens, &form, raw, range.clone(), position, Kind::Stem);
            }
            add_form(tokens, form, range.clone(), position, kind);
        }
        Some(Apostrophes { base, rest }) => {
            let within = |part: Range<usize>| range.start + part.start..range.start + part.end;
            add_form(tokens, exact(raw), range.clone(), position, kind);
            add_word(tokens, within(base), position, kind);
            for part in rest.into_iter().filter(|part| part.len() > 1) {
                tokens.add(exact(&raw[part.clone()]), position, within(part), Kind::Part);
            }
        }
    }
    // A number tells an identifier from those that share its letters: they are a part of it, and no other form.
    let kind = if raw.contains(char::is_numeric) { Kind::Compound } else { Kind::Stem };
    for (n, part) in cased(raw).into_iter().enumerate() {
        let offset = range.start + part.start..range.start + part.end;
        let at = position + u32::try_from(n).unwrap_or(0);
        let form = exact(&raw[part.clone()]);
        if form.len() > 2 && form.contains(char::is_alphabetic) {
            add_stems(tokens, &form, &raw[part], offset.clone(), at, kind);
        }
        tokens.add(form, at, offset, Kind::Part);
    }
}

/// Adds a word's exact form and what is folded.
fn add_form(tokens: &mut Tokens<'_>, form: String, range: Range<usize>, position: u32, kind: Kind) {
    let language = tokens.language;
    if let Some(folded) = folded(&form) {
        if has_umlauts(language)
            && let Some(other) = transliterated(&form)
        {
            tokens.add(other, position, range.clone(), Kind::Folded);
        }
        tokens.add(folded, position, range.clone(), Kind::Folded);
    }
    add_pieces(tokens, &form, &range, position);
    tokens.add(form, position, range, kind);
}

/// Adds what is written with a word in its script: the syllables of a Korean compound in pairs, and an Arabic noun
/// without its article.
fn add_pieces(tokens: &mut Tokens<'_>, form: &str, range: &Range<usize>, position: u32) {
    match form.chars().next() {
        Some('\u{ac00}'..='\u{d7a3}') => {
            let syllables: Vec<(usize, char)> = form.char_indices().collect();
            for pair in syllables.windows(2).take(2 * MOST_PARTS).filter(|_| syllables.len() > 2) {
                let text = &form[pair[0].0..pair[1].0 + pair[1].1.len_utf8()];
                tokens.add(text.to_owned(), position, range.clone(), Kind::Part);
            }
        }
        Some('ا' | 'و' | 'ب' | 'ل' | 'ك' | 'ف') => {
            let rest = ["وال", "بال", "كال", "فال", "ال", "لل"].iter().find_map(|start| form.strip_prefix(start));
            if let Some(rest) = rest.filter(|rest| rest.chars().count() >= 3) {
                let rest = folded(rest).unwrap_or_else(|| rest.to_owned());
                tokens.add(rest, position, range.clone(), Kind::Part);
            }
        }
        _ => {}
    }
}

/// Adds a word's stems as this kind, and those of its possible parts.
fn add_stems(tokens: &mut Tokens<'_>, form: &str, raw: &str, range: Range<usize>, position: u32, kind: Kind) {
    let language = tokens.language;
    stems(form, raw, language, |stem| tokens.add(stem, position, range.clone(), kind));
    compound::parts(form, language, |part| {
        stems(part, part, language, |stem| {
            // Every text has those, and no compound is about one.
            if !super::is_stop(&stem, language) {
                tokens.add(stem, position, range.clone(), Kind::Compound);
            }
        });
    });
}

/// Whether people write `ae` for `ä` in a language.
const fn has_umlauts(language: Language) -> bool {
    matches!(
        language,
        Language::German | Language::Swedish | Language::Danish | Language::Norwegian | Language::Unknown
    )
}
