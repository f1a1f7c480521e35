//! What the letters of a text say about its language.

use super::language::Language;

/// How many letters a text has of each script, and the languages whose own letters it has.
#[derive(Default)]
pub(super) struct Letters {
    pub latin: u32,
    pub cyrillic: u32,
    pub arabic: u32,
    pub devanagari: u32,
    han: u32,
    kana: u32,
    /// Scripts of one language each.
    others: Vec<(Language, u32)>,
    /// Letters that few languages have, each once.
    pub special: Vec<char>,
}

impl Letters {
    pub fn count(&mut self, c: char) {
        match c {
            'a'..='z' | 'A'..='Z' => self.latin += 1,
            '\0'..='\x7f' => {}
            '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => {
                self.latin += 1;
                self.note(c);
            }
            '\u{400}'..='\u{52f}' => {
                self.cyrillic += 1;
                self.note(c);
            }
            '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' if c.is_alphabetic() => {
                self.arabic += 1;
                self.note(c);
            }
            '\u{900}'..='\u{97f}' => {
                self.devanagari += 1;
                self.note(c);
            }
            '\u{3041}'..='\u{30ff}' | '\u{ff66}'..='\u{ff9f}' => self.kana += 1,
            '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => self.han += 1,
            _ => {
                if let Some(language) = by_script(c) {
                    match self.others.iter_mut().find(|(other, _)| *other == language) {
                        Some((_, count)) => *count += 1,
                        None => self.others.push((language, 1)),
                    }
                }
            }
        }
    }

    fn note(&mut self, c: char) {
        if self.special.len() < 48 && !self.special.contains(&c) {
            self.special.push(c);
        }
    }

    /// The languages that a text with these letters may be in.
    pub fn languages(&self) -> u64 {
        let bits = |languages: &[Language]| languages.iter().fold(0, |bits, language| bits | language.bit());
        // A Chinese character says as much as some letters, and words in Latin letters stand in texts of every script.
        let mut counts = vec![
            (self.latin, bits(LATIN)),
            (3 * self.cyrillic, bits(CYRILLIC)),
            (3 * self.arabic, bits(ARABIC)),
            (3 * self.devanagari, bits(DEVANAGARI)),
            match 20 * self.kana > self.han {
                true => (4 * (self.kana + self.han), Language::Japanese.bit()),
                false => (8 * self.han, Language::Chinese.bit() | Language::Japanese.bit()),
            },
        ];
        counts.extend(self.others.iter().map(|(language, count)| (3 * count, language.bit())));
        counts.iter().filter(|(count, _)| *count > 0).max_by_key(|(count, _)| *count).map_or(0, |(_, bits)| *bits)
    }
}

const LATIN: &[Language] = &[
    Language::Afrikaans,
    Language::Basque,
    Language::Catalan,
    Language::Croatian,
    Language::Czech,
    Language::Danish,
    Language::Dutch,
    Language::English,
    Language::Estonian,
    Language::Finnish,
    Language::French,
    Language::Galician,
    Language::German,
    Language::Hungarian,
    Language::Indonesian,
    Language::Irish,
    Language::Italian,
    Language::Latvian,
    Language::Lithuanian,
    Language::Malay,
    Language::Norwegian,
    Language::Polish,
    Language::Portuguese,
    Language::Romanian,
    Language::Slovak,
    Language::Slovenian,
    Language::Spanish,
    Language::Swahili,
    Language::Swedish,
    Language::Tagalog,
    Language::Turkish,
    Language::Vietnamese,
];
const CYRILLIC: &[Language] =
    &[Language::Belarusian, Language::Bulgarian, Language::Russian, Language::Serbian, Language::Ukrainian];
const ARABIC: &[Language] = &[Language::Arabic, Language::Persian, Language::Urdu];
const DEVANAGARI: &[Language] = &[Language::Hindi, Language::Marathi];

/// The language of a letter that no other language of the analysis has.
fn by_script(c: char) -> Option<Language> {
    Some(match c {
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Language::Greek,
        '\u{530}'..='\u{58f}' => Language::Armenian,
        '\u{590}'..='\u{5ff}' => Language::Hebrew,
        '\u{980}'..='\u{9ff}' => Language::Bengali,
        '\u{a00}'..='\u{a7f}' => Language::Punjabi,
        '\u{a80}'..='\u{aff}' => Language::Gujarati,
        '\u{b80}'..='\u{bff}' => Language::Tamil,
        '\u{c00}'..='\u{c7f}' => Language::Telugu,
        '\u{c80}'..='\u{cff}' => Language::Kannada,
        '\u{d00}'..='\u{d7f}' => Language::Malayalam,
        '\u{d80}'..='\u{dff}' => Language::Sinhala,
        '\u{e00}'..='\u{e7f}' => Language::Thai,
        '\u{e80}'..='\u{eff}' => Language::Lao,
        '\u{1000}'..='\u{109f}' => Language::Burmese,
        '\u{10a0}'..='\u{10ff}' => Language::Georgian,
        '\u{1200}'..='\u{139f}' => Language::Amharic,
        '\u{1780}'..='\u{17ff}' => Language::Khmer,
        '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => Language::Korean,
        _ => return None,
    })
}

/// Letters that few languages write.
pub(super) fn by_letter(c: char) -> &'static [Language] {
    use Language::*;
    match c {
        'ß' => &[German],
        'ä' | 'ö' => &[German, Swedish, Finnish, Estonian, Turkish, Hungarian],
        'ü' => &[German, Turkish, Hungarian, Estonian],
        'ñ' => &[Spanish, Galician],
        '¿' | '¡' => &[Spanish],
        'ã' => &[Portuguese],
        'õ' => &[Portuguese, Estonian, Vietnamese],
        'ç' => &[French, Portuguese, Turkish, Catalan],
        'è' | 'ê' | 'ù' | 'œ' => &[French, Italian],
        'ò' | 'ì' => &[Italian],
        'ă' => &[Romanian, Vietnamese],
        'ș' | 'ț' | 'ţ' => &[Romanian],
        'ş' => &[Turkish, Romanian],
        'ğ' | 'ı' => &[Turkish],
        'ą' | 'ę' | 'ł' | 'ż' | 'ź' | 'ś' | 'ń' => &[Polish],
        'ř' | 'ě' | 'ů' => &[Czech],
        'ľ' | 'ĺ' | 'ŕ' | 'ô' => &[Slovak],
        'č' | 'š' | 'ž' => &[Czech, Slovak, Croatian, Slovenian, Lithuanian, Latvian],
        'ő' | 'ű' => &[Hungarian],
        'å' => &[Swedish, Danish, Norwegian],
        'æ' | 'ø' => &[Danish, Norwegian],
        'ķ' | 'ļ' | 'ņ' | 'ģ' | 'ā' | 'ī' => &[Latvian],
        'ė' | 'į' | 'ų' => &[Lithuanian],
        'đ' => &[Vietnamese, Croatian],
        'ơ' | 'ư' | '\u{1ea0}'..='\u{1ef9}' => &[Vietnamese],
        'ы' | 'э' | 'ё' => &[Russian, Belarusian],
        'і' | 'ї' | 'є' | 'ґ' => &[Ukrainian],
        'ў' => &[Belarusian],
        'ђ' | 'ћ' | 'љ' | 'њ' | 'џ' | 'ј' => &[Serbian],
        'پ' | 'چ' | 'ژ' | 'گ' => &[Persian, Urdu],
        'ک' | 'ی' => &[Persian, Urdu],
        'ٹ' | 'ڈ' | 'ڑ' | 'ں' | 'ے' | 'ہ' => &[Urdu],
        'ة' | 'ك' | 'ي' | 'إ' | 'أ' => &[Arabic],
        'ळ' => &[Marathi],
        _ => &[],
    }
}
