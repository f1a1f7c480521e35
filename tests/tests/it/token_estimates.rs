//! The host's estimate of tokens against two vocabularies.

use resly_core::model::estimate::estimate;
use resly_tests::retrieval::HelpCentre;

/// By language, the tokens of its help centre in `tests/retrieval` (titles, headings and texts of the passages, each apart
/// from the next by a blank line): with OpenAI's `o200k_base` (js-tiktoken 1.0) and with Mistral's Tekken (`tekken_240911` of
/// mistral-common 1.13). A change of those texts needs new counts.
const COUNTED: [(&str, u64, u64); 12] = [
    ("ar", 1775, 1755),
    ("de", 1645, 1834),
    ("el", 2352, 2522),
    ("en", 1394, 1471),
    ("es", 1507, 1676),
    ("hi", 1756, 2190),
    ("ro", 1904, 2023),
    ("ru", 1708, 2009),
    ("th", 1984, 2730),
    ("tr", 1917, 2199),
    ("vi", 1737, 1825),
    ("zh", 1449, 1927),
];
/// How far the estimate may be off, in percent.
const OFF: i64 = 20;

#[test]
fn an_estimate_is_near_what_current_models_count() {
    let centres = HelpCentre::all().unwrap();
    assert_eq!(centres.len(), COUNTED.len());
    for (language, o200k, tekken) in COUNTED {
        let centre = centres.iter().find(|centre| centre.language == language).unwrap();
        let texts = centre.sources.iter().flat_map(|source| {
            let passages = source.passages.iter().flat_map(|passage| [passage.heading.as_str(), passage.text.trim()]);
            std::iter::once(source.title.as_str()).chain(passages)
        });
        let estimated = estimate(&texts.collect::<Vec<_>>().join("\n\n"));
        for (vocabulary, counted) in [("o200k_base", o200k), ("Tekken", tekken)] {
            let off = (100 * estimated.cast_signed() - 100 * counted.cast_signed()) / counted.cast_signed();
            assert!(off.abs() <= OFF, "{language}: {estimated} in place of {counted} with {vocabulary}, {off}%");
        }
    }
}
