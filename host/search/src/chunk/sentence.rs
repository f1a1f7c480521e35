//! Where sentences end, in any script.

/// Words that end in a point and end no sentence, in lower case without the point. Words with a point within, such as
/// `z.B` and `e.g`, and single letters need no entry.
const ABBREVIATIONS: &[&str] = &[
    "abb",
    "abs",
    "abt",
    "allg",
    "apt",
    "approx",
    "aufl",
    "av",
    "avda",
    "bd",
    "bl",
    "bspw",
    "bzgl",
    "bzw",
    "ca",
    "cf",
    "dept",
    "dgl",
    "dr",
    "dra",
    "eds",
    "engl",
    "evtl",
    "exkl",
    "fig",
    "geb",
    "gegr",
    "gem",
    "ggf",
    "ggfs",
    "hr",
    "hrn",
    "hrsg",
    "incl",
    "inkl",
    "jr",
    "kap",
    "lt",
    "ltd",
    "mind",
    "mio",
    "mlle",
    "mme",
    "mr",
    "mrd",
    "mrs",
    "ms",
    "mtl",
    "mwst",
    "nr",
    "num",
    "núm",
    "pag",
    "pág",
    "pp",
    "prof",
    "resp",
    "sog",
    "sr",
    "sra",
    "srta",
    "st",
    "std",
    "str",
    "stk",
    "tab",
    "tel",
    "tlf",
    "ul",
    "urspr",
    "vgl",
    "vol",
    "vs",
    "zt",
    "zzgl",
    "zzt",
    "гл",
    "им",
    "кв",
    "млн",
    "млрд",
    "обл",
    "просп",
    "рис",
    "стр",
    "тел",
    "тыс",
    "ул",
    "σελ",
    "αρ",
    "τηλ",
];
/// Words that are abbreviations before a number, and words of their own elsewhere.
const BEFORE_NUMBERS: &[&str] =
    &["al", "art", "ch", "co", "est", "ext", "max", "min", "no", "op", "par", "pl", "pos", "ref", "см"];
/// No more signs than these close a sentence.
const CLOSERS: usize = 16;

/// The end of the last sentence of `text` that ends at or after `least`. `text` goes on with `after`.
pub(super) fn last_end(text: &str, after: &str, least: usize) -> Option<usize> {
    text.char_indices().rev().take_while(|(at, _)| at + CLOSERS >= least).find_map(|(at, c)| {
        let end = if is_end_sign(c) { end_after(text, after, at, c) } else { None };
        end.filter(|end| *end >= least)
    })
}

/// Signs that may end a sentence.
const fn is_end_sign(c: char) -> bool {
    ends_alone(c) || matches!(c, '.' | '!' | '?' | '…' | ';' | '\u{37e}')
}

/// Signs that end a sentence whatever follows: those of scripts that set no space after them, and those that mean
/// nothing else.
const fn ends_alone(c: char) -> bool {
    matches!(
        c,
        '。' | '！'
            | '？'
            | '；'
            | '｡'
            | '．'
            | '؟'
            | '۔'
            | '।'
            | '॥'
            | '።'
            | '፧'
            | '။'
            | '។'
            | '៕'
            | '༎'
            | '։'
            | '‼'
            | '⁇'
            | '⁈'
            | '⁉'
    )
}

/// Signs that belong to the sentence they close.
const fn closes(c: char) -> bool {
    matches!(
        c,
        ')' | ']'
            | '}'
            | '"'
            | '\''
            | '”'
            | '“'
            | '’'
            | '»'
            | '›'
            | '」'
            | '』'
            | '）'
            | '】'
            | '》'
            | '〉'
            | '］'
            | '*'
            | '_'
    )
}

/// The end of the sentence that the sign at `at` ends, with what closes it. `None` when it ends none.
fn end_after(text: &str, after: &str, at: usize, sign: char) -> Option<usize> {
    let start = at + sign.len_utf8();
    let rest = || text[start..].chars().chain(after.chars()).take(4 * CLOSERS);
    let closers: usize =
        text[start..].chars().take(CLOSERS).take_while(|c| closes(*c) || is_end_sign(*c)).map(char::len_utf8).sum();
    let mut next = rest().skip_while(|c| closes(*c) || is_end_sign(*c));
    let follows = next.next();
    let before = text[..at].chars().next_back();
    let wide = |c: Option<char>| c.is_some_and(|c| ('\u{2e80}'..='\u{ffef}').contains(&c));
    let spaced = follows.is_none_or(char::is_whitespace);
    // In the middle of a sentence the next word begins in lower case.
    let mut goes_on = || next.find(|c| !c.is_whitespace() && !closes(*c)).is_some_and(char::is_lowercase);
    let ends = match sign {
        sign if ends_alone(sign) => true,
        '.' => spaced && !is_abbreviation(&text[..at], rest()) && !goes_on(),
        '…' => wide(before) || (spaced && !goes_on()),
        ';' | '\u{37e}' => {
            spaced && before.is_some_and(|c| matches!(c, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}'))
        }
        _ => spaced,
    };
    // What closes the sentence belongs to it.
    let whole = start + closers < text.len() || !after.starts_with(|c| closes(c) || is_end_sign(c));
    (ends && whole).then_some(start + closers)
}

/// Whether the last word before a point is an abbreviation, an initial or an ordinal number.
fn is_abbreviation(before: &str, mut after: impl Iterator<Item = char>) -> bool {
    let start = before.rfind(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '„' | '"' | '«' | '/'));
    let word = start.map_or(before, |at| before[at..].trim_start_matches(|c: char| !c.is_alphanumeric()));
    if word.len() > 40 {
        return false;
    }
    let mut letters = word.chars();
    let first = letters.next();
    if letters.next().is_none() {
        // `z. B.`, `J. Doe`, `3. Mai`; but `Vitamin 。` and a Chinese character end sentences.
        return first.is_some_and(|c| c.is_alphanumeric() && c < '\u{2e80}');
    }
    let ordinal = word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_digit());
    let inner = word.contains('.')
        && word.split('.').all(|part| part.chars().count() <= 3 && part.chars().all(char::is_alphabetic));
    let lower = word.to_lowercase();
    // German streets: `Torstr. 1`.
    let mut before_number = || after.find(|c| !c.is_whitespace()).is_some_and(char::is_numeric);
    (BEFORE_NUMBERS.contains(&lower.as_str()) && before_number())
        || ordinal
        || inner
        || ABBREVIATIONS.contains(&lower.as_str())
        || lower.ends_with("str")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sentences of a text, as they would be cut one after the other.
    fn sentences(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = (1..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .find(|at| last_end(&rest[..*at], &rest[*at..], 1) == Some(*at))
                .unwrap_or(rest.len());
            found.push(rest[..end].trim());
            rest = &rest[end..];
        }
        found.retain(|sentence| !sentence.is_empty());
        found
    }

    #[test]
    fn sentences_end_in_every_script() {
        for (text, count) in [
            ("One. Two! Three? Four", 4),
            ("He said “no.” Then left. (Really.) Yes", 4),
            ("取消订阅。费用不退；请联系我们！好吗？“好。”他说", 6),
            ("等等……然后呢", 2),
            ("هل يمكنني الإلغاء؟ نعم. شكرا", 3),
            ("کیا یہ ممکن ہے؟ ہاں۔ ٹھیک ہے۔", 3),
            ("क्या मैं रद्द करूँ? हाँ। ठीक है॥ अच्छा", 4),
            ("Πώς ακυρώνω; Στις ρυθμίσεις. Ναι", 3),
            ("ဟုတ်ကဲ့။ မဟုတ်ပါ။", 2),
            ("បាទ។ ទេ។", 2),
            ("አዎ። አይ።", 2),
            ("Այո։ Ոչ։", 2),
            ("Wait… what? Wait… What", 3),
            ("I said no. Then yes", 2),
        ] {
            assert_eq!(sentences(text).len(), count, "{:?}", sentences(text));
        }
    }

    #[test]
    fn abbreviations_end_no_sentence() {
        for text in [
            "Wir sind in der Torstr. 1 in Berlin",
            "Das gilt z. B. Montags und z.B. Dienstags",
            "Fragen Sie Dr. Müller oder Prof. Dr. Maier",
            "Lieferung am 3. Mai oder am 12. Juni",
            "See fig. 3, i.e. The plan of J. R. Smith vs. Jones",
            "Версия 2.10.3 на ул. Ленина",
            "Version 2.10.3 or Node.js",
            "it costs approx. Ten or max. 5 or No. 7",
        ] {
            assert_eq!(sentences(text), [text]);
        }
    }
}
