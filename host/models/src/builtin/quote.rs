//! Answering out of passages: the sentences that say most about the question, quoted with their numbers.

use std::{borrow::Cow, collections::HashSet};

use resly_analysis::{Kind, Language, Token, analyze, detect, detect_among, is_stop, is_unspaced};
use resly_core::model::NumberedPassage;

use crate::words::sentences;

/// The most sentences of an answer.
const SENTENCES: usize = 4;
/// The most passages that are quoted.
const PASSAGES: usize = 3;
/// The most bytes that are quoted of one passage.
const QUOTE: usize = 900;
/// How much of the question's weight the best sentence and its headings must share.
const ENOUGH: f32 = 0.34;
/// The same when a heading has one of the question's words.
const ENOUGH_HEADED: f32 = 0.3;
/// How much of the best sentence's score another must have.
const NEAR: f32 = 0.6;

/// Stems of words that frame a question more than they say what it is about, sorted, and what such a word is worth.
const FRAME: &[&str] = &[
    "best", "better", "describ", "differ", "exact", "exactli", "explain", "find", "first", "go", "good", "happen",
    "help", "last", "long", "look", "make", "mani", "mean", "much", "need", "new", "possibl", "question", "show",
    "take", "thing", "time", "use", "way", "work",
];
const FRAMING: f32 = 0.3;

/// A sentence, a list item, or a whole code block.
struct Unit<'a> {
    text: Cow<'a, str>,
    code: bool,
    /// All that it can be found by.
    forms: HashSet<String>,
    /// How many words say something.
    words: usize,
}

/// A word of the question: what it can be found by, and what it is worth.
struct Asked {
    forms: Vec<String>,
    framing: bool,
}

impl Asked {
    fn is_in(&self, forms: &HashSet<String>) -> bool {
        self.forms.iter().any(|form| forms.contains(form))
    }
}

struct Scored {
    passage: usize,
    unit: usize,
    score: f32,
    /// The share of the question that it and its headings speak of.
    covers: f32,
    /// A heading has a word of the question.
    is_headed: bool,
}

impl Scored {
    fn is_enough(&self) -> bool {
        self.covers >= if self.is_headed { ENOUGH_HEADED } else { ENOUGH }
    }
}

/// The answer, or none when no passage speaks of what is asked.
pub fn answer(question: &str, passages: &[NumberedPassage]) -> Option<String> {
    let languages: Vec<Language> = passages.iter().map(language).collect();
    let asked = asked(question, &languages);
    if asked.is_empty() || passages.is_empty() {
        return None;
    }
    let units: Vec<Vec<Unit<'_>>> =
        passages.iter().zip(&languages).map(|(one, language)| units(&one.passage.text, *language, &asked)).collect();
    let weights = weights(&asked, passages, &units);
    let mut scored = score(&asked, &weights, passages, &languages, &units);
    scored.sort_by(|a, b| b.score.total_cmp(&a.score).then((a.passage, a.unit).cmp(&(b.passage, b.unit))));
    let best = scored.first().filter(|best| best.is_enough())?.score;

    let mut chosen: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut taken: Vec<&HashSet<String>> = Vec::new();
    for Scored { passage, unit, score, .. } in &scored {
        let own = &units[*passage][*unit];
        if *score < best * NEAR || taken.len() == SENTENCES {
            break;
        }
        if taken.iter().any(|other| nearly_equal(other, &own.forms)) {
            continue;
        }
        match chosen.iter().position(|(other, _)| other == passage) {
            Some(at) => chosen[at].1.push(*unit),
            None if chosen.len() < PASSAGES => chosen.push((*passage, vec![*unit])),
            None => continue,
        }
        taken.push(&own.forms);
    }
    let paragraphs = chosen.into_iter().map(|(passage, of)| quote(&passages[passage], &units[passage], of));
    Some(paragraphs.collect::<Vec<_>>().join("\n\n"))
}

/// The language of a passage. Its headings tell it, too.
fn language(one: &NumberedPassage) -> Language {
    let passage = &one.passage;
    detect(&format!("{}\n{}\n{}", passage.title, passage.section, passage.text))
}

/// The words of a question that say what it is about. Each is looked for in the languages of the passages, too, because a
/// short question seldom shows its own.
fn asked(question: &str, languages: &[Language]) -> Vec<Asked> {
    let own = detect_among(question, languages);
    let own = if own == Language::Unknown { detect(question) } else { own };
    let mut others = languages.to_vec();
    others.retain(|language| *language != own);
    others.sort_unstable();
    others.dedup();
    let mut asked: Vec<Asked> = Vec::new();
    for word in by_word(analyze(question, own)) {
        if word.iter().any(|token| is_function(token, own)) {
            continue;
        }
        let framing = word.iter().any(|token| token.kind == Kind::Stem && FRAME.binary_search(&&*token.text).is_ok());
        let mut forms: Vec<String> = Vec::new();
        for token in word {
            if !asked.iter().any(|other| other.forms.first() == Some(&token.text)) {
                forms.push(token.text);
            }
        }
        let Some(first) = forms.first().cloned() else { continue };
        for other in &others {
            forms.extend(
                analyze(&first, *other).into_iter().filter(|token| token.kind == Kind::Stem).map(|token| token.text),
            );
        }
        asked.push(Asked { forms, framing });
    }
    asked
}

/// The tokens of each word. In scripts without spaces these are the words of a dictionary, and not runs of characters.
fn by_word(tokens: Vec<Token>) -> Vec<Vec<Token>> {
    let mut words: Vec<Vec<Token>> = Vec::new();
    for token in tokens {
        let runs = is_unspaced(&token.text);
        if !token.kind.asks() || token.kind == Kind::Compound || (runs && token.kind != Kind::Stem) {
            continue;
        }
        match words.last_mut().filter(|word| word.first().is_some_and(|first| first.position == token.position)) {
            Some(word) => word.push(token),
            None => words.push(vec![token]),
        }
    }
    words
}

fn is_function(token: &Token, language: Language) -> bool {
    let whole = token.kind == Kind::Exact || is_unspaced(&token.text);
    whole && is_stop(&token.text, language)
}

/// The parts of a passage that can be quoted by themselves. Headings and the rules of tables are none.
fn units<'a>(text: &'a str, language: Language, asked: &[Asked]) -> Vec<Unit<'a>> {
    let mut units: Vec<Unit<'a>> = Vec::new();
    let mut add = |text: Cow<'a, str>, code: bool| {
        let says = code || text.chars().any(char::is_alphanumeric);
        if says && !text.starts_with('#') {
            let (forms, words) = unit_forms(&text, language, asked);
            units.push(Unit { text, code, forms, words });
        }
    };
    let mut rest = text;
    while let Some(open) = fence(rest) {
        sentences(&rest[..open]).for_each(|sentence| add(sentence, false));
        let body = rest[open..].find('\n').map_or(rest.len(), |line| open + line + 1);
        let close = rest[body..].find("\n```").map_or(rest.len(), |at| body + at + 4);
        add(Cow::Borrowed(rest[open..close].trim()), true);
        rest = &rest[close..];
    }
    sentences(rest).for_each(|sentence| add(sentence, false));
    units
}

/// What a sentence can be found by, and how many of its words say something. A name such as `RESLY_MODEL_URL` isn't about
/// each of its parts: they count when the question has two of them.
fn unit_forms(text: &str, language: Language, asked: &[Asked]) -> (HashSet<String>, usize) {
    let (names, plain): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(|token| token.contains('_'));
    let mut forms = HashSet::new();
    let mut words = names.len();
    for word in by_word(analyze(&plain.join(" "), language)) {
        words += usize::from(!word.iter().any(|token| is_function(token, language)));
        forms.extend(word.into_iter().map(|token| token.text));
    }
    for name in names {
        let mut parts = analyze(name, language).into_iter().map(|token| token.text);
        let Some(whole) = parts.next() else { continue };
        let parts: HashSet<String> = parts.collect();
        if asked.iter().filter(|word| word.is_in(&parts)).count() > 1 {
            forms.extend(parts);
        }
        forms.insert(whole);
    }
    (forms, words)
}

/// Where a fenced code block begins.
fn fence(text: &str) -> Option<usize> {
    if text.starts_with("```") { Some(0) } else { text.find("\n```").map(|at| at + 1) }
}

/// What each of the question's words is worth: the rarer it is in what was found, the more.
fn weights(asked: &[Asked], passages: &[NumberedPassage], units: &[Vec<Unit<'_>>]) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let weight = |word: &Asked| {
        let all = units.iter().map(Vec::len).sum::<usize>() + passages.len();
        let with = units.iter().flatten().filter(|unit| word.is_in(&unit.forms)).count();
        // A word that isn't there at all may be what it is about: it counts as much as the rarest that is.
        let weight = (1.0 + all as f32 / (1 + with.max(1)) as f32).ln();
        if word.framing { weight * FRAMING } else { weight }
    };
    asked.iter().map(weight).collect()
}

fn score(
    asked: &[Asked],
    weights: &[f32],
    passages: &[NumberedPassage],
    languages: &[Language],
    units: &[Vec<Unit<'_>>],
) -> Vec<Scored> {
    let total: f32 = weights.iter().sum();
    let mut scored = Vec::new();
    for (at, (one, language)) in passages.iter().zip(languages).enumerate() {
        let headings = format!("{} {}", one.passage.title, one.passage.section);
        let (headings, _) = unit_forms(&headings, *language, asked);
        let is_headed = asked.iter().any(|word| !word.framing && word.is_in(&headings));
        #[expect(clippy::cast_precision_loss, reason = "there are few passages")]
        let rank = 1.0 / (1.0 + at as f32 * 0.15);
        for (unit, own) in units[at].iter().enumerate() {
            let sum = |has: &dyn Fn(&Asked) -> bool| -> f32 {
                asked.iter().zip(weights).filter(|(word, _)| has(word)).map(|(_, weight)| weight).sum()
            };
            let said = sum(&|word| word.is_in(&own.forms));
            let headed = sum(&|word| !word.is_in(&own.forms) && word.is_in(&headings));
            if said + headed <= 0.0 {
                continue;
            }
            // A heading speaks for every sentence under it, for the first of them most.
            let lead = if unit == 0 { 0.7 } else { 0.45 };
            let score = (said + headed * lead) * rank * information(own);
            scored.push(Scored { passage: at, unit, score, covers: (said + headed) / total, is_headed });
        }
    }
    scored
}

/// How likely a part answers anything: one of two words hardly does, a long one says other things too, and code without
/// its sentence needs one.
fn information(unit: &Unit<'_>) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a sentence has few words")]
    let words = unit.words as f32;
    let brief = (0.5 + words * 0.1).min(1.0);
    let code = if unit.code { 0.6 } else { 1.0 };
    brief * code / (1.0 + words / 40.0)
}

/// Whether two sentences say nearly the same.
fn nearly_equal(a: &HashSet<String>, b: &HashSet<String>) -> bool {
    let common = a.intersection(b).count();
    let all = a.len() + b.len() - common;
    all > 0 && common * 10 >= all * 8
}

/// The chosen parts of one passage in their order, what a colon announces with them.
fn quote(one: &NumberedPassage, units: &[Unit<'_>], mut chosen: Vec<usize>) -> String {
    chosen.sort_unstable();
    let mut with: Vec<usize> = Vec::new();
    for unit in chosen {
        if with.contains(&unit) {
            continue;
        }
        with.push(unit);
        if units[unit].text.ends_with(':') {
            let listed = |at: &usize| units[*at].code || is_item(&units[*at].text);
            let follows: Vec<usize> = (unit + 1..units.len()).take_while(listed).take(8).collect();
            let code = follows.first().is_some_and(|at| units[*at].code);
            with.extend(follows.into_iter().take(if code { 1 } else { 8 }));
        }
    }
    let from = match one.passage.section.as_str() {
        "" => uncited(&one.passage.title),
        section => uncited(&format!("{} › {section}", one.passage.title)),
    };
    let mut size = 0;
    with.retain(|unit| {
        size += units[*unit].text.len();
        size <= QUOTE || size == units[*unit].text.len()
    });
    let flows = with.iter().all(|unit| !units[*unit].code && !is_item(&units[*unit].text));
    let n = one.n;
    if flows {
        let mut text = String::new();
        let mut before = None;
        for unit in with {
            text.push_str(match before {
                None => "",
                Some(before) if before + 1 == unit => " ",
                Some(_) => " … ",
            });
            text.push_str(&uncited(&units[unit].text));
            before = Some(unit);
        }
        return format!("From {from}: “{}” [{n}]", cut(&text));
    }
    let shown = |unit: &Unit<'_>| if unit.code { unit.text.to_string() } else { uncited(&unit.text) };
    let text = with.iter().map(|unit| shown(&units[*unit])).collect::<Vec<_>>().join("\n");
    format!("From {from} [{n}]:\n\n{}", cut(&text))
}

/// A text whose numbers in brackets, such as those of its own footnotes, can't be taken for citations.
fn uncited(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        let inside = after.split_once(']').map(|(inside, _)| inside);
        let numbers = inside.filter(|inside| inside.split(',').all(|one| one.trim().parse::<u32>().is_ok()));
        match numbers {
            Some(numbers) => {
                out.push_str(&format!("({numbers})"));
                rest = &after[numbers.len() + 1..];
            }
            None => {
                out.push('[');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn is_item(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    ["- ", "* ", "+ ", "|"].iter().any(|mark| text.starts_with(mark))
        || (digits > 0 && text[digits..].starts_with(". "))
}

fn cut(text: &str) -> String {
    if text.len() <= QUOTE * 2 {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(QUOTE * 2)])
}

#[cfg(test)]
mod tests;
