//! How many tokens a text is, without a model's vocabulary: each character counts a share of a token, by its script.
//!
//! The shares are fitted to two current vocabularies, OpenAI's `o200k_base` and Mistral's Tekken, on the help centres of
//! `tests/retrieval` in twelve languages, on prose in Markdown and on JSON. The estimate is within 20% of both for each
//! language (`tests/tests/it/token_estimates.rs` holds it to that). Older vocabularies cut non-Latin scripts into up to
//! three times as many tokens. Scripts that the corpus lacks have the share of a similar one.

use super::{ModelMessage, ModelRequest};

/// Tokens that frame a message: its role and separators.
const PER_MESSAGE: u64 = 4;
/// Tokens that frame a passage or a tool.
const PER_ITEM: u64 = 16;
/// Tokens of the prompt's fixed texts.
const PER_REQUEST: u64 = 64;

/// A sum of shares, so that a text gives the same in one piece or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenEstimate {
    hundredths: u64,
}

impl TokenEstimate {
    pub fn add(&mut self, text: &str) {
        self.hundredths += text.chars().map(share).sum::<u64>();
    }

    /// Adds what was estimated elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.hundredths += other.hundredths;
    }

    pub fn is_zero(self) -> bool {
        self.hundredths == 0
    }

    /// Whole tokens, rounded up.
    pub fn tokens(self) -> u64 {
        self.hundredths.div_ceil(100)
    }
}

/// The tokens of a text.
pub fn estimate(text: &str) -> u64 {
    let mut estimate = TokenEstimate::default();
    estimate.add(text);
    estimate.tokens()
}

/// The tokens of all that a model is sent.
pub fn estimate_request(request: &ModelRequest) -> u64 {
    let mut texts = TokenEstimate::default();
    texts.add(&request.instructions);
    for numbered in &request.passages {
        let passage = &numbered.passage;
        [&passage.title, &passage.section, &passage.text].into_iter().for_each(|text| texts.add(text));
    }
    for message in &request.messages {
        match message {
            ModelMessage::Text { text, .. } => texts.add(text),
            ModelMessage::ToolCalls { text, calls, .. } => {
                texts.add(text);
                for call in calls {
                    texts.add(&call.name);
                    texts.add(&call.arguments);
                }
            }
            ModelMessage::ToolResult { content, .. } => texts.add(content),
        }
    }
    for tool in &request.tools {
        [&tool.name, &tool.description, &tool.parameters.to_string()].into_iter().for_each(|text| texts.add(text));
    }
    let count = |items: usize, each: u64| each.saturating_mul(items as u64);
    texts.tokens()
        + count(request.messages.len(), PER_MESSAGE)
        + count(request.passages.len() + request.tools.len(), PER_ITEM)
        + PER_REQUEST
}

/// The share of a token that a character counts, in hundredths.
fn share(character: char) -> u64 {
    match character {
        // Letters and spaces make words, of which a vocabulary has the frequent ones whole.
        'a'..='z' | 'A'..='Z' | ' ' => 21,
        '\0'..='\x7f' => 50,
        // Greek, Armenian and Georgian.
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' | '\u{530}'..='\u{58f}' | '\u{10a0}'..='\u{10ff}' => 41,
        // Cyrillic.
        '\u{400}'..='\u{52f}' => 31,
        // Hebrew and Arabic.
        '\u{590}'..='\u{8ff}' => 36,
        // Devanagari and the other scripts of India.
        '\u{900}'..='\u{dff}' => 37,
        // Thai, Lao, Tibetan and Burmese.
        '\u{e00}'..='\u{109f}' => 48,
        // Hangul.
        '\u{ac00}'..='\u{d7af}' => 70,
        // Punctuation of Chinese and Japanese, and kana.
        '\u{3000}'..='\u{30ff}' | '\u{ff00}'..='\u{ffef}' => 70,
        // Latin letters with marks, general punctuation, and Chinese characters.
        '\u{80}'..='\u{36f}'
        | '\u{1e00}'..='\u{1eff}'
        | '\u{2000}'..='\u{206f}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' => 80,
        _ => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_in_one_piece_and_in_many() {
        let text = "Where is my parcel? Wo ist mein Päckchen? 我的包裹在哪里？ Где посылка? 🙂";
        let mut pieces = TokenEstimate::default();
        text.chars().for_each(|character| pieces.add(character.encode_utf8(&mut [0; 4])));
        assert_eq!(pieces.tokens(), estimate(text));
        assert_eq!(estimate(""), 0);
        assert_eq!(estimate("a"), 1, "rounded up");
        assert_eq!(estimate(&"word ".repeat(100)), 105);
    }
}
