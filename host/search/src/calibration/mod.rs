//! What a cosine says, which differs between embedders and between the languages that one embedder knows.
//!
//! An embedder is calibrated by embedding [`texts`]: how near it sees a question and the passage that answers it, and how
//! near a question and a passage about something else. Where the two hardly differ, it doesn't know the language.

mod texts;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use resly_analysis::Language;
use resly_core::{
    error::EmbedError,
    knowledge::{EmbedAs, Embedder},
};
use tokio::sync::watch;

use self::texts::{Pair, TEXTS};

/// How many standard deviations have to lie between related and unrelated texts, or the embedder doesn't know the
/// language. A model of English has 5.8 in English and at most 1.1 in eleven other languages; a multilingual one 2.3 to 5.4.
const SEPARATE: f32 = 1.7;
/// What rounding alone makes of equal cosines is less.
const LEAST_DEVIATION: f32 = 1e-4;
/// The nearness from which texts are about the same: nearer to a question's answer than to what is unrelated.
pub const NEAR: f32 = 0.5;

/// What the cosines of an embedder say in one language.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    /// The embedder has a floor of its own.
    Floor(f32),
    /// The usual cosine of unrelated and of related texts.
    Measured { unrelated: f32, related: f32 },
    /// Nothing: the embedder doesn't know the language, or isn't calibrated yet.
    Nothing,
}

impl Meaning {
    /// How near two texts are on a scale where unrelated ones are at 0 and a question and its answer at 1. `None` where that
    /// can't be said.
    pub fn nearness(self, cosine: f32) -> Option<f32> {
        match self {
            Self::Measured { unrelated, related } => Some((cosine - unrelated) / (related - unrelated)),
            Self::Floor(_) | Self::Nothing => None,
        }
    }

    /// Whether texts with this cosine are about the same.
    pub fn is_near(self, cosine: f32) -> bool {
        match self {
            Self::Floor(floor) => cosine >= floor,
            Self::Measured { .. } => self.nearness(cosine).is_some_and(|nearness| nearness >= NEAR),
            Self::Nothing => false,
        }
    }
}

/// What was measured of an embedder.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    languages: Vec<(Language, Meaning)>,
    /// For a language without texts.
    others: Meaning,
}

/// The cosines of one language's texts.
struct Cosines {
    language: Language,
    related: Spread,
    unrelated: Spread,
}

struct Spread {
    mean: f32,
    variance: f32,
}

impl Spread {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred texts")]
    fn of(cosines: &[f32]) -> Self {
        let count = cosines.len().max(1) as f32;
        let mean = cosines.iter().sum::<f32>() / count;
        Self { mean, variance: cosines.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count }
    }
}

impl Cosines {
    /// Of the vectors of questions and of the passages that answer them, in the same order.
    fn of(language: Language, questions: &[Vec<f32>], passages: &[Vec<f32>]) -> Self {
        let (mut related, mut unrelated) = (Vec::new(), Vec::new());
        for (n, question) in questions.iter().enumerate() {
            for (m, passage) in passages.iter().enumerate() {
                let cosine: f32 = question.iter().zip(passage).map(|(x, y)| x * y).sum();
                if n == m { related.push(cosine) } else { unrelated.push(cosine) }
            }
        }
        Self { language, related: Spread::of(&related), unrelated: Spread::of(&unrelated) }
    }

    fn is_known(&self) -> bool {
        let deviation = ((self.related.variance + self.unrelated.variance) / 2.0).sqrt();
        self.related.mean - self.unrelated.mean >= SEPARATE * deviation.max(LEAST_DEVIATION)
    }
}

impl Calibration {
    /// Embeds the texts, 120 questions and as many short passages.
    pub async fn measure(embedder: &dyn Embedder) -> Result<Self, EmbedError> {
        let all = |text: fn(&Pair) -> &str| -> Vec<String> {
            TEXTS.iter().flat_map(|(_, pairs)| pairs.iter()).map(|pair| text(pair).to_owned()).collect()
        };
        let questions = embedder.embed(&all(|(question, _)| question), EmbedAs::Query).await?;
        let passages = embedder.embed(&all(|(_, passage)| passage), EmbedAs::Document).await?;
        let texts = TEXTS.iter().map(|(_, pairs)| pairs.len()).sum::<usize>();
        if questions.len() != texts || passages.len() != texts {
            let detail = format!("{} and {} vectors for {texts} texts each", questions.len(), passages.len());
            return Err(EmbedError::Invalid { at: embedder.name().to_owned(), detail });
        }
        let mut measured = Vec::with_capacity(TEXTS.len());
        let mut first = 0;
        for (language, pairs) in TEXTS {
            let own = first..first + pairs.len();
            first = own.end;
            measured.push(Cosines::of(*language, &questions[own.clone()], &passages[own]));
        }
        Ok(Self::new(&measured))
    }

    /// Ten pairs are few, so a language counts half and the mean of all known languages half.
    #[expect(clippy::cast_precision_loss, reason = "a few languages")]
    fn new(measured: &[Cosines]) -> Self {
        let known: Vec<&Cosines> = measured.iter().filter(|cosines| cosines.is_known()).collect();
        let mean = |of: fn(&Cosines) -> f32| known.iter().map(|one| of(one)).sum::<f32>() / known.len().max(1) as f32;
        let (related, unrelated) = (mean(|one| one.related.mean), mean(|one| one.unrelated.mean));
        let meaning = |one: &Cosines| match one.is_known() {
            true => Meaning::Measured {
                unrelated: (one.unrelated.mean + unrelated) / 2.0,
                related: (one.related.mean + related) / 2.0,
            },
            false => Meaning::Nothing,
        };
        // An embedder that knows most of these knows others as well.
        let multilingual = known.len() * 2 > measured.len();
        Self {
            languages: measured.iter().map(|one| (one.language, meaning(one))).collect(),
            others: if multilingual { Meaning::Measured { unrelated, related } } else { Meaning::Nothing },
        }
    }

    pub fn meaning(&self, language: Language) -> Meaning {
        let own = self.languages.iter().find(|(known, _)| *known == language);
        own.map_or(self.others, |(_, meaning)| *meaning)
    }

    /// The codes of the languages that the embedder knows, for the log.
    fn known(&self) -> String {
        let known = self.languages.iter().filter(|(_, meaning)| *meaning != Meaning::Nothing);
        known.map(|(language, _)| language.code()).collect::<Vec<_>>().join(" ")
    }
}

/// The calibration of an embedder, which is made when it is first needed. Cheap to clone.
#[derive(Clone)]
pub struct Calibrator(Arc<Inner>);

struct Inner {
    embedder: Arc<dyn Embedder>,
    made: watch::Sender<Option<Arc<Calibration>>>,
    running: AtomicBool,
}

/// A calibration that is being made. It ends with a panic as well.
struct Running(Arc<Inner>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
    }
}

impl Calibrator {
    pub fn new(embedder: Arc<dyn Embedder>) -> Self {
        Self(Arc::new(Inner { embedder, made: watch::Sender::new(None), running: AtomicBool::new(false) }))
    }

    /// Begins to calibrate the embedder unless that was done, is being done, or isn't needed. What fails is begun again by
    /// the next call.
    pub fn start(&self) {
        let inner = &self.0;
        if inner.embedder.floor().is_some()
            || inner.made.borrow().is_some()
            || inner.running.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let running = Running(Arc::clone(inner));
        tokio::spawn(async move {
            let inner = &running.0;
            match Calibration::measure(&*inner.embedder).await {
                Ok(calibration) => {
                    tracing::info!(embedder = inner.embedder.name(), known = calibration.known(), "calibrated");
                    inner.made.send_replace(Some(Arc::new(calibration)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the embedder isn't calibrated, so its vectors find nothing alone")
                }
            }
        });
    }

    /// What cosines mean in a language. Waits no longer than `patience` for a calibration that is being made.
    pub async fn meaning(&self, language: Language, patience: Duration) -> Meaning {
        if let Some(floor) = self.0.embedder.floor() {
            return Meaning::Floor(floor);
        }
        self.start();
        let mut made = self.0.made.subscribe();
        match tokio::time::timeout(patience, made.wait_for(Option::is_some)).await {
            Ok(Ok(made)) => made.as_ref().map_or(Meaning::Nothing, |made| made.meaning(language)),
            _ => Meaning::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
