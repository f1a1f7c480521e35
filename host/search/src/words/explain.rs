//! Says which words of a question each of some passages has, and in which form.

use resly_analysis::Kind;
use resly_core::id::PassageId;

use super::{
    Effort, WordIndex, WordsError, Work, guarded,
    rank::{FOLDED, STEM, Scratch, share},
};
use crate::{
    synonyms::SynonymIndex,
    terms::{Question, Word},
};

/// In which form a passage has a word of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The word itself, apart from case and accents.
    Same,
    /// Another inflection of it.
    Inflected,
    /// A synonym, a part of it, or what it may be a typo of.
    Related,
}

/// A word of a question, and where it is.
#[derive(Clone, Debug)]
pub struct WordMatch {
    pub word: String,
    /// Whether it says what the question is about. A word that doesn't is only counted where another word is found.
    pub telling: bool,
    /// How much of the question it is, of 1.
    pub share: f32,
    /// How many passages have it.
    pub passages: usize,
    /// In which form each of the passages that were asked about has it, in their order.
    pub forms: Vec<Option<Form>>,
}

impl WordIndex {
    /// The words of a question, each with those of the passages that have it.
    pub fn explain(
        &self,
        question: &str,
        synonyms: &SynonymIndex,
        passages: &[PassageId],
    ) -> Result<Vec<WordMatch>, WordsError> {
        guarded(|| {
            let asked = Question::with_synonyms(question, &self.languages, |words| synonyms.apply(words));
            let mut work = Work::new(Effort::Whole);
            let mut scratch = Scratch::new(self, &mut work);
            let mut words = Vec::with_capacity(asked.words.len());
            for word in &asked.words {
                words.push(find(self, &mut scratch, word, passages)?);
            }
            let whole: f32 = words.iter().map(|word| word.share).sum();
            if whole > 0.0 {
                words.iter_mut().for_each(|word| word.share /= whole);
            }
            Ok(words)
        })
    }
}

fn find(
    index: &WordIndex,
    scratch: &mut Scratch<'_>,
    word: &Word,
    passages: &[PassageId],
) -> Result<WordMatch, WordsError> {
    let found = scratch.find_word(index, word)?;
    let mut forms = vec![None; passages.len()];
    for (segment, found) in index.segments.iter().zip(&found) {
        for (doc, matched) in found {
            if let Some(at) = passages.iter().position(|passage| *passage == segment.passage(*doc)) {
                forms[at] = Some(form(matched.form));
            }
        }
    }
    let exact = word.terms.iter().find(|term| term.kind == Kind::Exact).or(word.terms.first());
    Ok(WordMatch {
        word: exact.map(|term| term.text.clone()).unwrap_or_default(),
        telling: word.telling,
        share: if word.telling { share(index, word, &found) } else { 0.0 },
        passages: found.iter().map(Vec::len).sum(),
        forms,
    })
}

fn form(weight: f32) -> Form {
    if weight >= FOLDED {
        Form::Same
    } else if weight >= STEM {
        Form::Inflected
    } else {
        Form::Related
    }
}
