//! Stems: the form that the inflections of a word share.
//!
//! Snowball where it has the language, by the script of the word: a Russian text has English words, too. Small
//! rules of our own ([`super::light`]) where it has not. A stem is folded, so that a
//! stem of a word without its accents is the same one.

use rust_stemmers::{Algorithm, Stemmer};

use super::{
    fold::folded,
    language::{Language, Script},
    light,
};

/// Nothing longer is a word of a language. It bounds what a stemmer may cost.
const LONGEST: usize = 120;

/// Calls `found` with each stem of a word, at least one. `exact` is its exact form, `raw` the word as it stands in the
/// text.
pub(super) fn stems(exact: &str, raw: &str, language: Language, mut found: impl FnMut(String)) {
    if exact.len() > LONGEST || exact.bytes().any(|byte| byte.is_ascii_digit()) {
        return found(folded(exact).unwrap_or_else(|| exact.to_owned()));
    }
    let script = script(exact);
    let Some(algorithm) = algorithm(exact, script, language) else {
        let base = folded(exact).unwrap_or_else(|| exact.to_owned());
        match script {
            Script::Devanagari => found(light::hindi(base)),
            Script::Hangul => found(light::korean(base)),
            Script::Hebrew => light::hebrew(base, found),
            Script::Arabic => found(light::arabic(base, language)),
            Script::Latin | Script::Cyrillic if script == language.script() => found(light::slavic(base, language)),
            _ => found(base),
        }
        return;
    };
    let stemmer = Stemmer::create(algorithm);
    let careful = match language {
        Language::Turkish if raw.contains(['I', 'İ']) => repeated(&stemmer, turkish_lower(raw)),
        _ if repeats(language) => repeated(&stemmer, exact.to_owned()),
        Language::Romanian if exact.contains(['ș', 'ț']) => {
            // The algorithm has the letters that Romanian was written with before Unicode had its own.
            stemmer.stem(&exact.replace('ș', "ş").replace('ț', "ţ")).into_owned()
        }
        _ => stemmer.stem(exact).into_owned(),
    };
    let careful = folded(&careful).unwrap_or(careful);
    let careful = if is_scrap(&careful, exact) { folded(exact).unwrap_or_else(|| exact.to_owned()) } else { careful };
    // A stemmer may miss an ending without its accents, and so would who types without them.
    let bare = match language {
        Language::German => folded(exact).or_else(|| contracted(exact)),
        _ => folded(exact),
    };
    let bare = bare.map(|bare| match language {
        _ if repeats(language) => repeated(&stemmer, bare),
        _ => stemmer.stem(&bare).into_owned(),
    });
    let bare = bare.filter(|bare| *bare != careful);
    let bare = bare.filter(|bare| !is_scrap(bare, exact));
    found(careful);
    if let Some(bare) = bare {
        found(folded(&bare).unwrap_or(bare));
    }
}

/// A German word with `a`, `o` and `u` for `ae`, `oe` and `ue`, if it has any. A word that has them by nature, such as
/// `aktuell`, gets one more stem, which nothing else has.
fn contracted(word: &str) -> Option<String> {
    let mut out = String::with_capacity(word.len());
    let mut before = [' ', ' '];
    for c in word.chars() {
        // `Steuer` and `Quelle` have a `ue` that is no umlaut.
        let umlaut =
            c == 'e' && matches!(before[1], 'a' | 'o' | 'u') && !matches!(before[0], 'a' | 'e' | 'o' | 'u' | 'q');
        if !umlaut {
            out.push(c);
        }
        before = [before[1], c];
    }
    (out.len() < word.len()).then_some(out)
}

/// Whether a stem is too short to say what a word was.
fn is_scrap(stem: &str, word: &str) -> bool {
    stem.chars().nth(2).is_none() && word.chars().nth(3).is_some()
}

/// The script of the first letter.
fn script(word: &str) -> Script {
    match word.chars().next().unwrap_or_default() {
        'a'..='z' | '\u{aa}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Script::Latin,
        '\u{400}'..='\u{52f}' => Script::Cyrillic,
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Script::Greek,
        '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' => Script::Arabic,
        '\u{590}'..='\u{5ff}' => Script::Hebrew,
        '\u{900}'..='\u{97f}' => Script::Devanagari,
        '\u{b80}'..='\u{bff}' => Script::Tamil,
        '\u{ac00}'..='\u{d7a3}' => Script::Hangul,
        _ => Script::Other,
    }
}

/// The algorithm for a word: that of the text's language if it has the word's script, else that of the language which
/// such words most often are of.
fn algorithm(word: &str, script: Script, language: Language) -> Option<Algorithm> {
    if language.script() == script {
        return language.snowball();
    }
    match script {
        Script::Latin if word.is_ascii() => Some(Algorithm::English),
        Script::Cyrillic => Some(Algorithm::Russian),
        Script::Greek => Some(Algorithm::Greek),
        Script::Tamil => Some(Algorithm::Tamil),
        _ => None,
    }
}

/// The languages whose algorithms take one ending of several, or a whole word's last letters for one: `fatura` and
/// `faturalar` meet only at `fatur`, `kostnad` and `kostnader` at `kostn`.
const fn repeats(language: Language) -> bool {
    matches!(language, Language::Turkish | Language::Swedish | Language::Danish | Language::Norwegian)
}

/// Takes endings off until none is left.
fn repeated(stemmer: &Stemmer, mut word: String) -> String {
    for _ in 0..3 {
        let stem = stemmer.stem(&word).into_owned();
        if stem == word || is_scrap(&stem, &word) {
            break;
        }
        word = stem;
    }
    word
}

/// Lower case as Turkish has it, with two letters i.
fn turkish_lower(raw: &str) -> String {
    super::fold::exact(&raw.replace('I', "ı").replace('İ', "i"))
}

#[cfg(test)]
mod tests {
    use super::{super::fold::exact, *};

    fn of(word: &str, language: Language) -> Vec<String> {
        let mut found = Vec::new();
        stems(&exact(word), word, language, |stem| found.push(stem));
        found
    }

    #[track_caller]
    fn meet(a: &str, b: &str, language: Language) {
        let (of_a, of_b) = (of(a, language), of(b, language));
        assert!(of_a.iter().any(|stem| of_b.contains(stem)), "{a}: {of_a:?}, {b}: {of_b:?}");
    }

    #[test]
    fn inflections_meet() {
        use Language::*;
        for (language, a, b) in [
            (English, "cancellations", "cancellation"),
            (Unknown, "refunds", "refund"),
            (German, "Kündigungen", "Kündigung"),
            (German, "kundigungen", "Kündigung"),
            (German, "Kuendigungen", "Kündigung"),
            (German, "Steuern", "Steuer"),
            (Spanish, "suscripciones", "suscripcion"),
            (French, "réclamations", "reclamation"),
            (Russian, "возвраты", "возврат"),
            (Unknown, "возвраты", "возврат"),
            (Greek, "συνδρομές", "συνδρομη"),
            (Greek, "ΣΥΝΔΡΟΜΕΣ", "συνδρομή"),
            (Turkish, "iadeler", "iade"),
            (Turkish, "FATURALARIM", "fatura"),
            (Arabic, "الاشتراكات", "اشتراك"),
            (Romanian, "comenzilor", "comenzile"),
            (Romanian, "soluțiile", "solutie"),
            (Hindi, "कीमतों", "कीमत"),
            (Hindi, "क़ीमतें", "कीमत"),
            (Polish, "zamówień", "zamówienie"),
            (Polish, "subskrypcję", "subskrypcja"),
            (Czech, "objednávku", "objednavka"),
            (Ukrainian, "підписку", "підписка"),
            (Persian, "سفارش‌ها", "سفارش"),
            (Korean, "환불은", "환불을"),
            (Hebrew, "המנוי", "מנוי"),
            (Russian, "servers", "server"),
        ] {
            meet(a, b, language);
        }
    }

    #[test]
    fn words_that_nobody_inflects_stay() {
        assert_eq!(of("E42s", Language::English), ["e42s"]);
        assert_eq!(of("รายการ", Language::Thai), ["รายการ"]);
        assert_eq!(of("Zażółć", Language::Polish), ["zazolc"]);
    }
}
