//! Letters by the names of their glyphs (Adobe's glyph list), and the encodings that PDF knows by name (ISO 32000-2,
//! annex D).

use std::{collections::HashMap, sync::LazyLock};

use encoding_rs::{MACINTOSH, WINDOWS_1252};

/// Names, each with its letter behind it.
const NAMES: &str = "space   exclam ! quotedbl \" numbersign # dollar $ percent % ampersand & quotesingle ' quoteright ’ \
    parenleft ( parenright ) asterisk * plus + comma , hyphen - minus − period . slash / zero 0 one 1 two 2 three 3 four 4 \
    five 5 six 6 seven 7 eight 8 nine 9 colon : semicolon ; less < equal = greater > question ? at @ bracketleft [ \
    backslash \\ bracketright ] asciicircum ^ underscore _ grave ` quoteleft ‘ braceleft { bar | braceright } asciitilde ~ \
    exclamdown ¡ cent ¢ sterling £ fraction ⁄ yen ¥ florin ƒ section § currency ¤ quotedblleft “ guillemotleft « \
    guilsinglleft ‹ guilsinglright › endash – dagger † daggerdbl ‡ periodcentered · middot · paragraph ¶ bullet • \
    quotesinglbase ‚ quotedblbase „ quotedblright ” guillemotright » ellipsis … perthousand ‰ questiondown ¿ acute ´ \
    circumflex ˆ tilde ˜ macron ¯ breve ˘ dotaccent ˙ dieresis ¨ ring ˚ cedilla ¸ hungarumlaut ˝ ogonek ˛ caron ˇ emdash — \
    AE Æ ordfeminine ª Lslash Ł Oslash Ø OE Œ ordmasculine º ae æ dotlessi ı lslash ł oslash ø oe œ germandbls ß brokenbar ¦ \
    copyright © logicalnot ¬ registered ® degree ° plusminus ± twosuperior ² threesuperior ³ mu µ onesuperior ¹ onequarter ¼ \
    onehalf ½ threequarters ¾ multiply × divide ÷ Eth Ð eth ð Thorn Þ thorn þ Euro € trademark ™ \
    Aacute Á Acircumflex Â Adieresis Ä Agrave À Aring Å Atilde Ã Ccedilla Ç Eacute É Ecircumflex Ê Edieresis Ë Egrave È \
    Iacute Í Icircumflex Î Idieresis Ï Igrave Ì Ntilde Ñ Oacute Ó Ocircumflex Ô Odieresis Ö Ograve Ò Otilde Õ Scaron Š \
    Uacute Ú Ucircumflex Û Udieresis Ü Ugrave Ù Yacute Ý Ydieresis Ÿ Zcaron Ž aacute á acircumflex â adieresis ä agrave à \
    aring å atilde ã ccedilla ç eacute é ecircumflex ê edieresis ë egrave è iacute í icircumflex î idieresis ï igrave ì \
    ntilde ñ oacute ó ocircumflex ô odieresis ö ograve ò otilde õ scaron š uacute ú ucircumflex û udieresis ü ugrave ù \
    yacute ý ydieresis ÿ zcaron ž Abreve Ă abreve ă Amacron Ā amacron ā Aogonek Ą aogonek ą Cacute Ć cacute ć Ccaron Č \
    ccaron č Dcaron Ď dcaron ď Dcroat Đ dcroat đ Ecaron Ě ecaron ě Edotaccent Ė edotaccent ė Emacron Ē emacron ē Eogonek Ę \
    eogonek ę Gbreve Ğ gbreve ğ Gcommaaccent Ģ gcommaaccent ģ Idotaccent İ Imacron Ī imacron ī Iogonek Į iogonek į \
    Kcommaaccent Ķ kcommaaccent ķ Lacute Ĺ lacute ĺ Lcaron Ľ lcaron ľ Lcommaaccent Ļ lcommaaccent ļ Nacute Ń nacute ń \
    Ncaron Ň ncaron ň Ncommaaccent Ņ ncommaaccent ņ Ohungarumlaut Ő ohungarumlaut ő Omacron Ō omacron ō Racute Ŕ racute ŕ \
    Rcaron Ř rcaron ř Rcommaaccent Ŗ rcommaaccent ŗ Sacute Ś sacute ś Scedilla Ş scedilla ş Scommaaccent Ș scommaaccent ș \
    Tcaron Ť tcaron ť Tcommaaccent Ț tcommaaccent ț Uhungarumlaut Ű uhungarumlaut ű Umacron Ū umacron ū Uogonek Ų uogonek ų \
    Uring Ů uring ů Zacute Ź zacute ź Zdotaccent Ż zdotaccent ż \
    Alpha Α Beta Β Gamma Γ Delta Δ Epsilon Ε Zeta Ζ Eta Η Theta Θ Iota Ι Kappa Κ Lambda Λ Mu Μ Nu Ν Xi Ξ Omicron Ο Pi Π Rho Ρ \
    Sigma Σ Tau Τ Upsilon Υ Phi Φ Chi Χ Psi Ψ Omega Ω alpha α beta β gamma γ delta δ epsilon ε zeta ζ eta η theta θ iota ι \
    kappa κ lambda λ nu ν xi ξ omicron ο pi π rho ρ sigma σ sigma1 ς tau τ upsilon υ phi φ chi χ psi ψ omega ω alphatonos ά \
    epsilontonos έ etatonos ή iotatonos ί omicrontonos ό upsilontonos ύ omegatonos ώ \
    lessequal ≤ greaterequal ≥ notequal ≠ approxequal ≈ infinity ∞ partialdiff ∂ summation ∑ product ∏ integral ∫ radical √ \
    lozenge ◊ arrowleft ← arrowup ↑ arrowright → arrowdown ↓ checkmark ✓ filledcircle ● circle ○ square □ filledbox ■ \
    ff ff fi fi fl fl ffi ffi ffl ffl nbspace   softhyphen \u{ad} sfthyphen \u{ad}";

static LETTERS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let mut words = NAMES.split(' ');
    let mut letters = HashMap::new();
    while let (Some(name), Some(letter)) = (words.next(), words.next()) {
        if letter.is_empty() {
            // A space stands for itself, so it was cut in two.
            letters.insert(name, " ");
            words.next();
        } else {
            letters.insert(name, letter);
        }
    }
    letters
});

/// The upper half of Adobe's standard encoding, from 161 on; a dot where there is nothing.
const STANDARD: &str = "¡¢£⁄¥ƒ§¤'“«‹›ﬁﬂ.–†‡·.¶•‚„”»…‰.¿.`´ˆ˜¯˘˙¨.˚¸.˝˛ˇ—................Æ.ª....ŁØŒº.....æ...ı..łøœß";

/// What each code of an encoding shows. Any but MacRoman's and Adobe's standard are read as Windows' own, in which codes
/// that show nothing else show a bullet (ISO 32000-2, table D.2, note 3).
pub fn encoding(name: &[u8]) -> Vec<Option<String>> {
    let charset = if name == b"MacRomanEncoding" { MACINTOSH } else { WINDOWS_1252 };
    let mut texts: Vec<Option<String>> = (0..=255_u8)
        .map(|code| {
            let bytes = [code];
            let text = charset.decode_without_bom_handling(&bytes).0;
            (!text.chars().all(|c| c.is_control() || c == '\u{fffd}')).then(|| text.into_owned())
        })
        .collect();
    if name == b"WinAnsiEncoding" {
        texts.iter_mut().skip(0x7f).filter(|text| text.is_none()).for_each(|text| *text = Some("•".to_owned()));
    }
    if name == b"StandardEncoding" {
        texts.truncate(161);
        texts.extend(STANDARD.chars().map(|c| match c {
            '.' => None,
            'ﬁ' => Some("fi".to_owned()),
            'ﬂ' => Some("fl".to_owned()),
            other => Some(other.to_string()),
        }));
        texts.resize(256, None);
        (texts[0x27], texts[0x60]) = (Some("’".to_owned()), Some("‘".to_owned()));
    }
    texts
}

/// The text of a glyph by its name: `eacute`, `uni20AC`, `u1F600`, `f_i`, `a.alt`, `afii10017`.
pub fn text(name: &str) -> Option<String> {
    let name = name.split('.').next().unwrap_or_default();
    if name.contains('_') && name.len() < 40 {
        return name.split('_').map(text).collect();
    }
    if let Some(letter) = LETTERS.get(name) {
        return Some((*letter).to_owned());
    }
    let mut letters = name.chars();
    if let (Some(letter), None) = (letters.next(), letters.next())
        && letter.is_ascii_alphabetic()
    {
        return Some(letter.to_string());
    }
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).map(String::from);
    if let Some(digits) = name.strip_prefix("uni").filter(|digits| digits.len() == 4) {
        return hex(digits);
    }
    if let Some(number) = name.strip_prefix("afii").and_then(|number| number.parse::<u32>().ok()) {
        return cyrillic(number).and_then(char::from_u32).map(String::from);
    }
    hex(name.strip_prefix('u').filter(|digits| (4..=6).contains(&digits.len()))?)
}

/// A text with its ligatures as the letters that they stand for, which is how they are looked for.
pub fn spelled(text: String) -> String {
    const LIGATURES: [&str; 7] = ["ff", "fi", "fl", "ffi", "ffl", "st", "st"];
    if !text.contains(|c| ('\u{fb00}'..='\u{fb06}').contains(&c)) {
        return text;
    }
    let mut out = String::new();
    for c in text.chars() {
        match u32::from(c).checked_sub(0xfb00).and_then(|n| LIGATURES.get(n as usize)) {
            Some(letters) => out.push_str(letters),
            None => out.push(c),
        }
    }
    out
}

fn cyrillic(number: u32) -> Option<u32> {
    match number {
        10_017..=10_022 => Some(number - 10_017 + 0x410),
        10_023 => Some(0x401),
        10_024..=10_049 => Some(number - 10_024 + 0x416),
        10_065..=10_070 => Some(number - 10_065 + 0x430),
        10_071 => Some(0x451),
        10_072..=10_097 => Some(number - 10_072 + 0x436),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_their_letters() {
        for (name, letter) in [
            ("space", " "),
            ("exclam", "!"),
            ("A", "A"),
            ("eacute", "é"),
            ("nbspace", " "),
            ("zdotaccent", "ż"),
            ("omega", "ω"),
            ("uni20AC", "€"),
            ("u1F600", "😀"),
            ("f_f_i", "ffi"),
            ("a.alt", "a"),
            ("afii10097", "я"),
            ("ffl", "ffl"),
            ("quotedbl", "\""),
        ] {
            assert_eq!(text(name).as_deref(), Some(letter), "{name}");
        }
        assert_eq!(text("g12"), None);
        assert_eq!(spelled("ﬁre and o\u{fb03}ce".to_owned()), "fire and office");
        assert_eq!(encoding(b"WinAnsiEncoding")[0x7f].as_deref(), Some("•"));
        let standard = encoding(b"StandardEncoding");
        let shown = |code: usize| standard[code].clone().unwrap_or_default();
        assert_eq!([shown(0x27), shown(0xae), shown(0xd0), shown(0xfb), shown(0xe1)], ["’", "fi", "—", "ß", "Æ"]);
    }
}
