//! Calibration of embedders that know some languages.

use std::sync::Mutex;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::*;

/// Sees what texts of the languages that it knows are about, and in others the same everywhere.
struct Linguist {
    knows: &'static [Language],
    /// How much every text has in common with every other, from 0 to 1.
    common: f32,
    down: AtomicBool,
    panics: AtomicBool,
    gate: Semaphore,
    asked: Mutex<Vec<(usize, EmbedAs)>>,
}

impl Linguist {
    fn new(knows: &'static [Language], common: f32) -> Self {
        Self {
            knows,
            common,
            down: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            asked: Mutex::default(),
        }
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; 11];
        let place = TEXTS.iter().find_map(|(language, pairs)| {
            let topic = pairs.iter().position(|(question, passage)| *question == text || *passage == text)?;
            self.knows.contains(language).then_some(topic)
        });
        vector[10] = self.common.sqrt();
        vector[place.unwrap_or(9)] = (1.0 - self.common).sqrt();
        vector
    }
}

#[async_trait]
impl Embedder for Linguist {
    fn name(&self) -> &str {
        "linguist"
    }

    async fn embed(&self, texts: &[String], embed_as: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.asked.lock().unwrap().push((texts.len(), embed_as));
        self.gate.acquire().await.unwrap().forget();
        assert!(!self.panics.load(Ordering::Relaxed), "it panics");
        if self.down.load(Ordering::Relaxed) {
            return Err(EmbedError::Unavailable { at: "here".into(), detail: "down".into() });
        }
        Ok(texts.iter().map(|text| self.vector(text)).collect())
    }
}

#[test]
fn every_language_has_the_same_pairs_once_each() {
    let mut seen = std::collections::HashSet::new();
    for (language, pairs) in TEXTS {
        assert_eq!(pairs.len(), 10, "{}", language.code());
        for (question, passage) in *pairs {
            assert!(seen.insert(*question) && seen.insert(*passage), "{question} stands twice");
            assert!(question.len() < passage.len());
            assert_eq!(resly_analysis::detect(passage), *language, "{passage}");
        }
    }
}

#[tokio::test]
async fn cosines_are_judged_by_what_the_embedder_makes_of_unrelated_texts() {
    for common in [0.0, 0.3, 0.8] {
        let calibration = Calibration::measure(&Linguist::new(&[Language::English], common)).await.unwrap();
        let english = calibration.meaning(Language::English);
        assert!((english.nearness(common).unwrap()).abs() < 1e-3, "{english:?}");
        assert!((english.nearness(1.0).unwrap() - 1.0).abs() < 1e-3, "{english:?}");
        assert!(english.is_near(common + 0.6 * (1.0 - common)) && !english.is_near(common + 0.1 * (1.0 - common)));
        for unknown in [Language::German, Language::Thai, Language::French, Language::Unknown] {
            assert_eq!(calibration.meaning(unknown), Meaning::Nothing, "{unknown:?}");
        }
    }
    assert!(!Meaning::Nothing.is_near(1.0));
    assert!(Meaning::Floor(0.5).is_near(0.5) && !Meaning::Floor(0.5).is_near(0.4));
}

#[tokio::test]
async fn an_embedder_that_knows_most_languages_is_trusted_in_others() {
    use Language::{Arabic, Chinese, English, German, Greek, Hindi, Russian, Spanish, Thai};
    let knows = &[Arabic, Chinese, English, German, Greek, Hindi, Russian, Spanish];
    let calibration = Calibration::measure(&Linguist::new(knows, 0.8)).await.unwrap();
    assert!(calibration.meaning(Language::French).is_near(0.95));
    assert!(!calibration.meaning(Language::French).is_near(0.81));
    assert_eq!(calibration.meaning(Thai), Meaning::Nothing, "it doesn't know Thai, as was measured");
    assert_eq!(calibration.known(), "en de es ru el ar hi zh");
}

#[tokio::test]
async fn an_embedder_is_calibrated_once_and_again_after_a_failure() {
    let embedder = Arc::new(Linguist::new(&[Language::English], 0.5));
    embedder.down.store(true, Ordering::Relaxed);
    let calibrator = Calibrator::new(Arc::clone(&embedder) as _);
    let meaning = |patience| calibrator.meaning(Language::English, patience);
    assert_eq!(meaning(Duration::ZERO).await, Meaning::Nothing);
    while calibrator.0.running.load(Ordering::Acquire) {
        tokio::task::yield_now().await;
    }
    embedder.down.store(false, Ordering::Relaxed);
    let (first, second) = tokio::join!(meaning(Duration::from_secs(60)), meaning(Duration::from_secs(60)));
    assert!(first.is_near(1.0) && first == second, "{first:?} {second:?}");
    let asked = embedder.asked.lock().unwrap().clone();
    assert_eq!(asked, [(120, EmbedAs::Query), (120, EmbedAs::Query), (120, EmbedAs::Document)]);
}

#[tokio::test]
async fn a_calibration_that_panicked_is_begun_again() {
    let embedder = Arc::new(Linguist::new(&[Language::English], 0.5));
    embedder.panics.store(true, Ordering::Relaxed);
    let calibrator = Calibrator::new(Arc::clone(&embedder) as _);
    calibrator.start();
    while calibrator.0.running.load(Ordering::Acquire) {
        tokio::task::yield_now().await;
    }
    embedder.panics.store(false, Ordering::Relaxed);
    assert!(calibrator.meaning(Language::English, Duration::from_secs(60)).await.is_near(1.0));
}

#[tokio::test]
async fn a_question_does_not_wait_for_long() {
    let embedder = Arc::new(Linguist { gate: Semaphore::new(0), ..Linguist::new(&[Language::English], 0.5) });
    let calibrator = Calibrator::new(Arc::clone(&embedder) as _);
    assert_eq!(calibrator.meaning(Language::English, Duration::ZERO).await, Meaning::Nothing);
    embedder.gate.add_permits(2);
    assert!(calibrator.meaning(Language::English, Duration::from_secs(60)).await.is_near(1.0));
}
