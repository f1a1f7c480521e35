//! Reading a yes or a no. A message decides only when it is, as a whole, one of the phrases of this list; case,
//! punctuation and accents that are sent apart don't matter, and a question is never an answer.

/// What a message says about what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Yes,
    No,
    /// Anything else.
    Unclear,
}

/// English, German, French, Spanish, Italian, Portuguese, Dutch.
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
/// No phrase is nearly as long, in bytes.
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

/// Lower case, words apart by one space, nothing else.
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
