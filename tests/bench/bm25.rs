//! Plain BM25 over the passages with the language's own analysis: what any search should at least be as good as.
//!
//! A passage is found when it has any word of the question, so off-topic questions find something, too.

use std::collections::{HashMap, HashSet};

use resly_analysis::{self as analysis, Kind, Language};
use resly_tests::retrieval::HelpCentre;
use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

/// How fast a word's repetitions stop to count.
const K1: f64 = 1.2;
/// How much a passage's length counts.
const B: f64 = 0.75;
/// As many as a host is asked for.
const LIMIT: usize = 10;

/// Cuts a text of a language, by its code, into terms.
pub type Analysis = fn(&str, &str) -> Vec<String>;

/// An index of passages.
pub struct Bm25 {
    analysis: Analysis,
    names: Vec<String>,
    lengths: Vec<f64>,
    /// For each term the passages that have it, and how often.
    postings: HashMap<String, HashMap<usize, f64>>,
}

impl Bm25 {
    pub fn new(analysis: Analysis) -> Self {
        Self { analysis, names: Vec::new(), lengths: Vec::new(), postings: HashMap::new() }
    }

    pub fn add(&mut self, centre: &HelpCentre) {
        for (source, passage) in centre.passages() {
            let at = self.names.len();
            let whole = format!("{}\n{}\n{}", source.title, passage.heading, passage.text);
            let terms = (self.analysis)(&centre.language, &whole);
            self.names.push(centre.name(&passage.id));
            self.lengths.push(terms.len() as f64);
            for term in terms {
                *self.postings.entry(term).or_default().entry(at).or_default() += 1.0;
            }
        }
    }

    /// The names of the best passages, best first.
    pub fn search(&self, language: &str, question: &str) -> Vec<String> {
        let count = self.names.len() as f64;
        let average = self.lengths.iter().sum::<f64>() / count;
        let mut scores = vec![0.0; self.names.len()];
        for term in (self.analysis)(language, question).into_iter().collect::<HashSet<_>>() {
            let Some(passages) = self.postings.get(&term) else { continue };
            let having = passages.len() as f64;
            let rarity = (1.0 + (count - having + 0.5) / (having + 0.5)).ln();
            for (at, times) in passages {
                let length = K1 * (1.0 - B + B * self.lengths[*at] / average);
                scores[*at] += rarity * times * (K1 + 1.0) / (times + length);
            }
        }
        let mut ranked: Vec<usize> = (0..scores.len()).filter(|at| scores[*at] > 0.0).collect();
        ranked.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        ranked.into_iter().take(LIMIT).map(|at| self.names[at].clone()).collect()
    }
}

/// Unicode's words in lower case, with Snowball's stems where there is a stemmer. Scripts that set no spaces between words
/// give pairs of characters. No function word is left out.
pub fn plain(language: &str, text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let mut terms = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_unspaced(c) != is_unspaced(first)).unwrap_or(rest.len());
        let (run, more) = rest.split_at(end);
        rest = more;
        if is_unspaced(first) {
            terms.extend(pairs(run));
        } else {
            terms.extend(run.unicode_words().map(|word| stem(language, word)));
        }
    }
    terms
}

/// What the host's own analysis takes for stems, or in scripts without spaces for words, without function words.
pub fn segmented(language: &str, text: &str) -> Vec<String> {
    let language = Language::ALL.iter().copied().find(|known| known.code() == language).unwrap_or(Language::Unknown);
    let tokens = analysis::analyze(text, language);
    let function_words: HashSet<u32> = tokens
        .iter()
        .filter(|token| token.kind == Kind::Exact && analysis::is_stop(&token.text, language))
        .map(|token| token.position)
        .collect();
    let topical = tokens.into_iter().filter(|token| !function_words.contains(&token.position));
    topical.filter(|token| token.kind == Kind::Stem).map(|token| token.text).collect()
}

/// Thai and Chinese.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{e7f}' | '\u{3400}'..='\u{9fff}')
}

fn pairs(run: &str) -> Vec<String> {
    let characters: Vec<char> = run.chars().collect();
    if characters.len() == 1 {
        return vec![run.to_owned()];
    }
    characters.windows(2).map(|pair| pair.iter().collect()).collect()
}

fn stem(language: &str, word: &str) -> String {
    let algorithm = match language {
        "ar" => Algorithm::Arabic,
        "de" => Algorithm::German,
        "el" => Algorithm::Greek,
        "en" => Algorithm::English,
        "es" => Algorithm::Spanish,
        "ro" => Algorithm::Romanian,
        "ru" => Algorithm::Russian,
        "tr" => Algorithm::Turkish,
        _ => return word.to_owned(),
    };
    Stemmer::create(algorithm).stem(word).into_owned()
}
