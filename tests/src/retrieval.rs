//! The question set for retrieval, `tests/retrieval/`: one invented company's help centre in twelve languages, what its
//! customers ask, and the passages that answer. Shared by the benchmark and the gate in the end-to-end suite.

pub mod client;
pub mod score;
pub mod typo;

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use anyhow::{Context, Result};
use serde::Deserialize;
use unicode_segmentation::UnicodeSegmentation;

/// Typing mistakes made from each plain question.
const TYPOS: usize = 3;
/// A word that stands in more passages than this hardly tells which one is meant.
const COMMON: usize = 4;

/// How a question's words relate to those of the passage that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The same words.
    Plain,
    /// The same words in other grammatical forms, or as customers write them.
    Inflected,
    /// Other words.
    Paraphrase,
    /// A code, version, price or telephone number, whole or in part.
    Identifier,
    /// A compound in one text, its parts in the other.
    Compound,
    /// A plain question with one typing mistake. These are made, not written.
    #[serde(skip)]
    Typo,
    /// Off topic: nothing answers it, and nothing should be found.
    Unanswerable,
}

impl Kind {
    /// The kinds that have an answer and are written by hand.
    pub const ANSWERABLE: [Self; 5] =
        [Self::Plain, Self::Inflected, Self::Paraphrase, Self::Identifier, Self::Compound];

    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Inflected => "inflected",
            Self::Paraphrase => "paraphrase",
            Self::Identifier => "identifier",
            Self::Compound => "compound",
            Self::Typo => "typo",
            Self::Unanswerable => "unanswerable",
        }
    }
}

/// A help centre in one language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelpCentre {
    /// Its code in ISO 639-1.
    pub language: String,
    pub sources: Vec<Source>,
    /// Each question with the ids of the passages that answer it.
    questions: BTreeMap<Kind, BTreeMap<String, Vec<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub title: String,
    pub passages: Vec<Passage>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// Unique within the help centre.
    pub id: String,
    pub heading: String,
    pub text: String,
}

/// What a customer asks.
#[derive(Clone, Debug)]
pub struct Question {
    pub kind: Kind,
    pub text: String,
    /// Names of passages, as [`HelpCentre::name`] makes them. Any of them is right.
    pub answers: Vec<String>,
    /// Of a question with a typing mistake: the place of the one without it, in the same list.
    pub untyped: Option<usize>,
}

impl Passage {
    /// Its words in lower case.
    fn words(&self) -> HashSet<String> {
        let whole = format!("{}\n{}", self.heading, self.text).to_lowercase();
        whole.unicode_words().map(str::to_owned).collect()
    }
}

impl Source {
    /// The source as Markdown, each passage under a heading of its own.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n", self.title);
        for passage in &self.passages {
            text.push_str(&format!("\n## {}\n\n{}\n", passage.heading, passage.text.trim()));
        }
        text
    }
}

impl HelpCentre {
    /// Every help centre, by language.
    pub fn all() -> Result<Vec<Self>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("retrieval");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))? {
            let path = entry?.path();
            let text = std::fs::read_to_string(&path)?;
            let centre: Self = toml::from_str(&text).with_context(|| format!("{} is malformed", path.display()))?;
            found.push(centre);
        }
        found.sort_by(|a, b| a.language.cmp(&b.language));
        Ok(found)
    }

    /// The name of one of its passages, unique among all help centres.
    pub fn name(&self, passage: &str) -> String {
        format!("{}/{passage}", self.language)
    }

    pub fn passages(&self) -> impl Iterator<Item = (&Source, &Passage)> {
        self.sources.iter().flat_map(|source| source.passages.iter().map(move |passage| (source, passage)))
    }

    /// What is written, then the plain questions with typing mistakes, always in the same order.
    pub fn questions(&self) -> Vec<Question> {
        let mut questions: Vec<Question> = Vec::new();
        for (kind, asked) in &self.questions {
            questions.extend(asked.iter().map(|(text, answers)| Question {
                kind: *kind,
                text: text.clone(),
                answers: answers.iter().map(|id| self.name(id)).collect(),
                untyped: None,
            }));
        }
        let words: Vec<(String, HashSet<String>)> =
            self.passages().map(|(_, passage)| (self.name(&passage.id), passage.words())).collect();
        let mut mistyped = Vec::new();
        for (at, question) in questions.iter().enumerate().filter(|(_, question)| question.kind == Kind::Plain) {
            // A mistake in a word that tells the answer from the other passages, since others cost nothing.
            let matters = |word: &str| {
                let word = word.to_lowercase();
                let having: Vec<&String> =
                    words.iter().filter(|(_, words)| words.contains(&word)).map(|(name, _)| name).collect();
                having.len() <= COMMON && having.iter().any(|name| question.answers.contains(name))
            };
            mistyped.extend(typo::mistype(&question.text, TYPOS, matters).into_iter().map(|text| Question {
                kind: Kind::Typo,
                text,
                answers: question.answers.clone(),
                untyped: Some(at),
            }));
        }
        questions.extend(mistyped);
        questions
    }
}
