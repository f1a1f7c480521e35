//! Languages that the analysis knows, by their BCP-47 codes.

use std::fmt;

use rust_stemmers::Algorithm;

/// A script, as far as the analysis tells scripts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Script {
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    Hebrew,
    Devanagari,
    Tamil,
    Hangul,
    Other,
}

macro_rules! languages {
    ($($name:ident $code:literal $english:literal $script:ident $stemmer:expr;)*) => {
        /// The language of a text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Language {
            $(#[doc = $english] $name,)*
        }

        impl Language {
            /// Every language, [`Language::Unknown`] first.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The BCP-47 code, such as `de`; `und` for the unknown language.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The English name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $english),* }
            }

            pub(super) const fn script(self) -> Script {
                match self { $(Self::$name => Script::$script),* }
            }

            /// The Snowball algorithm of the language, or of one that inflects alike.
            pub(super) const fn snowball(self) -> Option<Algorithm> {
                match self { $(Self::$name => $stemmer),* }
            }
        }
    };
}

// At most 64, because `stop` keeps a bit for each.
languages! {
    Unknown "und" "Unknown" Other None;
    Afrikaans "af" "Afrikaans" Latin Some(Algorithm::Dutch);
    Amharic "am" "Amharic" Other None;
    Arabic "ar" "Arabic" Arabic None;
    Armenian "hy" "Armenian" Other None;
    Basque "eu" "Basque" Latin None;
    Belarusian "be" "Belarusian" Cyrillic None;
    Bengali "bn" "Bengali" Other None;
    Bulgarian "bg" "Bulgarian" Cyrillic None;
    Burmese "my" "Burmese" Other None;
    Catalan "ca" "Catalan" Latin None;
    Chinese "zh" "Chinese" Other None;
    Croatian "hr" "Croatian" Latin None;
    Czech "cs" "Czech" Latin None;
    Danish "da" "Danish" Latin Some(Algorithm::Danish);
    Dutch "nl" "Dutch" Latin Some(Algorithm::Dutch);
    English "en" "English" Latin Some(Algorithm::English);
    Estonian "et" "Estonian" Latin None;
    Finnish "fi" "Finnish" Latin Some(Algorithm::Finnish);
    French "fr" "French" Latin Some(Algorithm::French);
    Galician "gl" "Galician" Latin None;
    Georgian "ka" "Georgian" Other None;
    German "de" "German" Latin Some(Algorithm::German);
    Greek "el" "Greek" Greek Some(Algorithm::Greek);
    Gujarati "gu" "Gujarati" Other None;
    Hebrew "he" "Hebrew" Hebrew None;
    Hindi "hi" "Hindi" Devanagari None;
    Hungarian "hu" "Hungarian" Latin Some(Algorithm::Hungarian);
    Indonesian "id" "Indonesian" Latin None;
    Irish "ga" "Irish" Latin None;
    Italian "it" "Italian" Latin Some(Algorithm::Italian);
    Japanese "ja" "Japanese" Other None;
    Kannada "kn" "Kannada" Other None;
    Khmer "km" "Khmer" Other None;
    Korean "ko" "Korean" Hangul None;
    Lao "lo" "Lao" Other None;
    Latvian "lv" "Latvian" Latin None;
    Lithuanian "lt" "Lithuanian" Latin None;
    Malay "ms" "Malay" Latin None;
    Malayalam "ml" "Malayalam" Other None;
    Marathi "mr" "Marathi" Devanagari None;
    Norwegian "no" "Norwegian" Latin Some(Algorithm::Norwegian);
    Persian "fa" "Persian" Arabic None;
    Polish "pl" "Polish" Latin None;
    Portuguese "pt" "Portuguese" Latin Some(Algorithm::Portuguese);
    Punjabi "pa" "Punjabi" Other None;
    Romanian "ro" "Romanian" Latin Some(Algorithm::Romanian);
    Russian "ru" "Russian" Cyrillic Some(Algorithm::Russian);
    Serbian "sr" "Serbian" Cyrillic None;
    Sinhala "si" "Sinhala" Other None;
    Slovak "sk" "Slovak" Latin None;
    Slovenian "sl" "Slovenian" Latin None;
    Spanish "es" "Spanish" Latin Some(Algorithm::Spanish);
    Swahili "sw" "Swahili" Latin None;
    Swedish "sv" "Swedish" Latin Some(Algorithm::Swedish);
    Tagalog "tl" "Tagalog" Latin None;
    Tamil "ta" "Tamil" Tamil Some(Algorithm::Tamil);
    Telugu "te" "Telugu" Other None;
    Thai "th" "Thai" Other None;
    Turkish "tr" "Turkish" Latin Some(Algorithm::Turkish);
    Ukrainian "uk" "Ukrainian" Cyrillic None;
    Urdu "ur" "Urdu" Arabic None;
    Vietnamese "vi" "Vietnamese" Latin None;
}

impl Language {
    /// The language of a BCP-47 tag, such as `de`, `pt-BR` or `zh_Hant`. `None` when the analysis doesn't know it.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        // Older codes, and languages that are analyzed as another one.
        let code = match primary.as_str() {
            "iw" => "he",
            "in" => "id",
            "nb" | "nn" => "no",
            "fil" => "tl",
            "bs" | "sh" => "hr",
            "cmn" | "yue" => "zh",
            other => other,
        };
        Self::ALL.iter().copied().find(|language| language.code() == code)
    }

    pub(super) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_languages() {
        for (tag, language) in [
            ("de", Some(Language::German)),
            ("pt-BR", Some(Language::Portuguese)),
            ("zh_Hant", Some(Language::Chinese)),
            (" NB ", Some(Language::Norwegian)),
            ("und", Some(Language::Unknown)),
            ("tlh", None),
            ("", None),
        ] {
            assert_eq!(Language::from_tag(tag), language, "{tag}");
        }
    }

    #[test]
    fn each_language_has_its_own_code_and_bit() {
        assert!(Language::ALL.len() <= 64);
        for language in Language::ALL {
            assert_eq!(Language::from_tag(language.code()), Some(*language));
        }
    }
}
