//! Where conversations are, and what the pages of the inbox call them and their states.

use maud::Markup;
use resly_core::conversation::handover::ConversationState;

use crate::parts::{Tone, badge};

pub const PATH: &str = "/console/conversations";
/// Characters of a question in a list.
const QUESTION: usize = 120;

/// What a state is called, and how pressing it is.
pub fn state_badge(state: ConversationState) -> Markup {
    match state {
        ConversationState::Ai => badge(Tone::Quiet, "Assistant"),
        ConversationState::Waiting => badge(Tone::Warn, "Waiting"),
        ConversationState::Agent => badge(Tone::Good, "With an agent"),
        ConversationState::Closed => badge(Tone::Quiet, "Closed"),
    }
}

/// The beginning of a text, on one line.
pub fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= QUESTION {
        return line;
    }
    let cut: String = line.chars().take(QUESTION).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_shortened_by_characters() {
        assert_eq!(shortened(&"ü ".repeat(QUESTION)).chars().count(), QUESTION);
    }
}
