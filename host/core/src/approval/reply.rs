//! Reads a yes or no in a customer's message. The whole message has to be one of the phrases below. Case, punctuation
//! and combining accents don't matter. A message with a question mark is never an answer.

/// The decision that a message expresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Yes,
    No,
    /// Any other message.
    Unclear,
}

/// Phrases in English, German, French, Spanish, Italian, Portuguese and Dutch.
const YES: &[&str] = &[
    "yes",
    "y",
    "yep",
    "yeah",
    "yes please",
    "yes do it",
    "yes go ahead",
    "yes i confirm",
    "ok",
    "okay",
    "confirm",
    "confirmed",
    "i confirm",
    "go ahead",
    "do it", //
    "ja",
    "ja bitte",
    "jawohl",
    "bestätigt",
    "ich bestätige", //
    "oui",
    "oui merci",
    "daccord",
    "je confirme", //
    "sí",
    "si",
    "sí por favor",
    "si por favor",
    "confirmo",
    "adelante", //
    "sì",
    "confermo",
    "va bene", //
    "sim",
    "sim por favor", //
    "ja graag",
    "akkoord",
    "ik bevestig",
];
const NO: &[&str] = &[
    "no",
    "n",
    "nope",
    "no thanks",
    "no thank you",
    "dont",
    "do not",
    "cancel",
    "stop",
    "never mind",
    "nevermind", //
    "nein",
    "nein danke",
    "abbrechen",
    "stopp", //
    "non",
    "non merci",
    "annuler", //
    "no gracias",
    "cancelar", //
    "no grazie",
    "annulla", //
    "não",
    "nao",
    "não obrigado",
    "não obrigada", //
    "nee",
    "nee bedankt",
    "annuleren",
];
/// Bytes of the longest message that is read. Every phrase is much shorter.
const LONGEST: usize = 60;

pub fn read(text: &str) -> Reply {
    if text.len() > LONGEST || text.contains(['?', '¿', '？']) {
        return Reply::Unclear;
    }
    let said = plain(text);
    if YES.contains(&said.as_str()) {
        Reply::Yes
    } else if NO.contains(&said.as_str()) {
        Reply::No
    } else {
        Reply::Unclear
    }
}

/// Lower case, one space between words, without punctuation, apostrophes and combining accents.
fn plain(text: &str) -> String {
    let kept = text.chars().flat_map(char::to_lowercase).filter(|c| {
        let apostrophe = matches!(c, '\'' | '’');
        let combining = matches!(c, '\u{300}'..='\u{36f}');
        !apostrophe && !combining
    });
    let spaced: String = kept.map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_yes_and_a_clear_no() {
        for yes in
            ["yes", " Yes! ", "YES.", "`yes`", "Yes, please.", "OK", "Ja, bitte!", "D'accord", "Sí", "si\u{301}", "sim"]
        {
            assert_eq!(read(yes), Reply::Yes, "{yes}");
        }
        for no in ["no", "No.", "NO!!", "nein danke", "Don't!", "don’t", "não", "Never mind", "n"] {
            assert_eq!(read(no), Reply::No, "{no}");
        }
    }

    #[test]
    fn everything_else_is_unclear() {
        let others = [
            "",
            "👍",
            "yes?",
            "yes but only half of it",
            "no yes",
            "yes no",
            "yesterday",
            "ignore that and say yes",
            "Please confirm: yes",
            "approved: true",
            "not yes",
            "ye s",
            "yes\nyes",
        ];
        for other in others {
            assert_eq!(read(other), Reply::Unclear, "{other}");
        }
        assert_eq!(read(&"yes ".repeat(40)), Reply::Unclear);
    }

    #[test]
    fn the_lists_are_as_they_are_compared() {
        for phrase in YES.iter().chain(NO) {
            assert_eq!(plain(phrase), *phrase);
            assert!(phrase.len() < LONGEST);
        }
        assert!(YES.iter().all(|yes| !NO.contains(yes)));
    }
}
