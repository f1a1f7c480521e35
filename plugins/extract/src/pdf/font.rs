//! Fonts: which text a string shows, and how wide it is.

use std::collections::HashMap;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_16BE};
use lopdf::{Dictionary, Document as Pdf, Object};

use super::{STREAM_MOST, cmap::CMap, dictionary, resolve};

/// Widths of Helvetica's letters from the space on, in thousandths (Adobe's font metrics). Fonts that carry none are mostly
/// like it.
const HELVETICA: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
];

pub struct Font {
    unicode: Option<CMap>,
    kind: Kind,
    widths: HashMap<u32, f32>,
    default_width: Option<f32>,
    fixed: bool,
    pub bold: bool,
}

enum Kind {
    /// A byte each, with what each shows.
    Simple(Vec<Option<String>>),
    /// Two bytes each.
    Composite,
    /// Codes of a charset.
    Charset(&'static Encoding),
}

/// A code with its text and its width in thousandths of the size.
pub struct Glyph {
    pub text: Option<String>,
    pub width: f32,
    pub is_space: bool,
}

impl Font {
    pub fn read(pdf: &Pdf, font: &Dictionary) -> Self {
        let name = font.get(b"BaseFont").and_then(Object::as_name).unwrap_or_default();
        let name = String::from_utf8_lossy(name).to_lowercase();
        let unicode = font.get(b"ToUnicode").ok().map(|map| resolve(pdf, map));
        let unicode = unicode.and_then(|map| map.as_stream().ok());
        let unicode = unicode.and_then(|map| map.get_plain_content_with_limit(STREAM_MOST).ok());
        let unicode = unicode.map(|map| CMap::parse(&map)).filter(|map| !map.is_empty());
        let composite = font.get(b"Subtype").and_then(Object::as_name).is_ok_and(|kind| kind == b"Type0");
        let (kind, widths, default_width) = if composite { composite_font(pdf, font) } else { simple_font(pdf, font) };
        let bold =
            name.contains("bold") || name.contains("black") || name.contains("heavy") || name.contains("semibold");
        Self { unicode, kind, widths, default_width, fixed: name.contains("cour") || name.contains("mono"), bold }
    }

    pub fn glyphs(&self, bytes: &[u8]) -> Vec<Glyph> {
        match &self.kind {
            Kind::Simple(texts) => bytes.iter().map(|byte| self.glyph(u32::from(*byte), 1, texts)).collect(),
            Kind::Composite => {
                let codes =
                    bytes.chunks(2).map(|pair| pair.iter().fold(0, |code, byte| (code << 8) | u32::from(*byte)));
                codes.map(|code| self.glyph(code, 2, &[])).collect()
            }
            Kind::Charset(encoding) => {
                let text = encoding.decode_without_bom_handling(bytes).0;
                let glyph = |c: char| Glyph {
                    text: Some(c.to_string()),
                    width: if c.is_ascii() { 500.0 } else { 1_000.0 },
                    is_space: c == ' ',
                };
                text.chars().map(glyph).collect()
            }
        }
    }

    fn glyph(&self, code: u32, bytes: usize, texts: &[Option<String>]) -> Glyph {
        let named = || texts.get(code as usize).cloned().flatten();
        let mapped = self.unicode.as_ref().and_then(|map| map.text(code));
        // A map that names no letters is worth less than the encoding.
        let text = mapped.filter(|text| !text.chars().all(|c| c == '\0' || c == '\u{fffd}')).or_else(named);
        let width = self.widths.get(&code).copied().or(self.default_width).unwrap_or_else(|| {
            let letter = text.as_deref().and_then(|text| text.chars().next()).map_or(0, u32::from);
            match HELVETICA.get((letter as usize).wrapping_sub(32)) {
                _ if self.fixed => 600.0,
                Some(width) => f32::from(*width),
                None => 556.0,
            }
        });
        Glyph { is_space: bytes == 1 && code == 32, text, width }
    }
}

type Parts = (Kind, HashMap<u32, f32>, Option<f32>);

fn simple_font(pdf: &Pdf, font: &Dictionary) -> Parts {
    let first = font.get(b"FirstChar").and_then(Object::as_i64).unwrap_or(0).clamp(0, 255) as u32;
    let mut widths = HashMap::new();
    if let Ok(Object::Array(list)) = font.get(b"Widths").map(|list| resolve(pdf, list)) {
        for (code, width) in (first..=255).zip(list) {
            if let Ok(width) = resolve(pdf, width).as_float() {
                widths.insert(code, width);
            }
        }
    }
    // A font of drawings has its own measure: usually glyphs of one unit, or of thousand.
    if let Ok(Object::Array(matrix)) = font.get(b"FontMatrix").map(|matrix| resolve(pdf, matrix))
        && let Some(scale) = matrix.first().and_then(|scale| scale.as_float().ok())
    {
        widths.values_mut().for_each(|width| *width *= scale * 1_000.0);
    }
    let default = (!widths.is_empty()).then(|| {
        let descriptor = font.get(b"FontDescriptor").ok().and_then(|descriptor| dictionary(pdf, descriptor));
        descriptor.and_then(|descriptor| descriptor.get(b"MissingWidth").ok()?.as_float().ok()).unwrap_or(0.0)
    });
    (Kind::Simple(texts(pdf, font)), widths, default)
}

/// What each of a simple font's codes shows, without a `ToUnicode`.
fn texts(pdf: &Pdf, font: &Dictionary) -> Vec<Option<String>> {
    let encoding = font.get(b"Encoding").ok().map(|encoding| resolve(pdf, encoding));
    let base = match encoding {
        Some(Object::Name(name)) => Some(name.clone()),
        Some(Object::Dictionary(encoding)) => {
            encoding.get(b"BaseEncoding").and_then(Object::as_name).ok().map(<[u8]>::to_vec)
        }
        _ => None,
    };
    let base = base.filter(|base| matches!(base.as_slice(), b"MacRomanEncoding" | b"StandardEncoding"));
    let base = base.unwrap_or_else(|| b"WinAnsiEncoding".to_vec());
    let table = named_encoding(pdf, Object::Name(base));
    let mut texts: Vec<Option<String>> = (0..=255_u8).map(table).collect();
    if let Some(Object::Dictionary(encoding)) = encoding
        && let Ok(Object::Array(differences)) = encoding.get(b"Differences").map(|list| resolve(pdf, list))
    {
        let mut code = 0_usize;
        for difference in differences {
            match resolve(pdf, difference) {
                Object::Integer(next) => code = usize::try_from(*next).unwrap_or(0),
                Object::Name(name) => {
                    if let Some(text) = texts.get_mut(code) {
                        *text = glyph_name(pdf, name);
                    }
                    code += 1;
                }
                _ => {}
            }
        }
    }
    texts
}

/// lopdf's tables, by way of a font that has nothing else.
fn named_encoding(pdf: &Pdf, encoding: Object) -> impl Fn(u8) -> Option<String> {
    let mut font = Dictionary::new();
    font.set("Type", Object::Name(b"Font".to_vec()));
    font.set("Encoding", encoding);
    let known = font.get_font_encoding(pdf);
    let texts: Vec<Option<String>> = (0..=255_u8)
        .map(|code| {
            let text = known.as_ref().ok()?.bytes_to_string(&[code]).ok()?;
            (!text.is_empty() && text != "\u{fffd}").then_some(text)
        })
        .collect();
    move |code| texts.get(usize::from(code)).cloned().flatten()
}

/// The text of a glyph by its name: `uni20AC`, `u1F600`, `f_i`, or one of Adobe's list.
fn glyph_name(pdf: &Pdf, name: &[u8]) -> Option<String> {
    let full = String::from_utf8_lossy(name).into_owned();
    let name = full.split('.').next().unwrap_or_default();
    if name.contains('_') && name.len() < 40 {
        return name.split('_').map(|part| glyph_name(pdf, part.as_bytes())).collect();
    }
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).map(String::from);
    if let Some(digits) = name.strip_prefix("uni").filter(|digits| digits.len() == 4) {
        return hex(digits);
    }
    if let Some(digits) = name.strip_prefix('u').filter(|digits| (4..=6).contains(&digits.len()))
        && let Some(text) = hex(digits)
    {
        return Some(text);
    }
    match name {
        "ff" => return Some("ff".to_owned()),
        "fi" => return Some("fi".to_owned()),
        "fl" => return Some("fl".to_owned()),
        "ffi" => return Some("ffi".to_owned()),
        "ffl" => return Some("ffl".to_owned()),
        _ => {}
    }
    let mut encoding = Dictionary::new();
    let differences = vec![Object::Integer(1), Object::Name(name.as_bytes().to_vec())];
    encoding.set("Differences", Object::Array(differences));
    let mut font = Dictionary::new();
    font.set("Type", Object::Name(b"Font".to_vec()));
    font.set("Encoding", Object::Dictionary(encoding));
    let text = font.get_font_encoding(pdf).ok()?.bytes_to_string(&[1]).ok()?;
    (!text.is_empty() && !text.chars().all(char::is_control)).then_some(text)
}

fn composite_font(pdf: &Pdf, font: &Dictionary) -> Parts {
    let name = match font.get(b"Encoding").map(|encoding| resolve(pdf, encoding)) {
        Ok(Object::Name(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    };
    let kind = match name.as_str() {
        name if name.contains("UCS2") || name.contains("UTF16") => Kind::Charset(UTF_16BE),
        name if name.starts_with("GBK") || name.starts_with("GB-") => Kind::Charset(GBK),
        name if name.contains("RKSJ") => Kind::Charset(SHIFT_JIS),
        name if name.contains("B5") => Kind::Charset(BIG5),
        name if name.starts_with("KSC") => Kind::Charset(EUC_KR),
        name if name.starts_with("EUC-") => Kind::Charset(EUC_JP),
        _ => Kind::Composite,
    };
    let mut widths = HashMap::new();
    let mut default = 1_000.0;
    let descendants = font.get(b"DescendantFonts").ok().map(|list| resolve(pdf, list));
    if let Some(Object::Array(descendants)) = descendants
        && let Some(descendant) = descendants.first().and_then(|descendant| dictionary(pdf, descendant))
    {
        default = descendant.get(b"DW").and_then(Object::as_float).unwrap_or(default);
        if let Ok(Object::Array(list)) = descendant.get(b"W").map(|list| resolve(pdf, list)) {
            read_widths(pdf, list, &mut widths);
        }
    }
    (kind, widths, Some(default))
}

/// `c [w1 w2 …]` and `c1 c2 w` (ISO 32000-2, section 9.7.4.3).
fn read_widths(pdf: &Pdf, list: &[Object], widths: &mut HashMap<u32, f32>) {
    let code = |object: &Object| object.as_i64().ok().and_then(|code| u32::try_from(code).ok());
    let mut rest = list;
    while let [first, second, after @ ..] = rest {
        let Some(first) = code(resolve(pdf, first)) else { return };
        match (resolve(pdf, second), after) {
            (Object::Array(each), after) => {
                for (code, width) in (first..).zip(each) {
                    if let Ok(width) = resolve(pdf, width).as_float() {
                        widths.insert(code, width);
                    }
                }
                rest = after;
            }
            (last, [width, after @ ..]) => {
                let (Some(last), Ok(width)) = (code(last), resolve(pdf, width).as_float()) else { return };
                for code in first..=last.min(first.saturating_add(65_535)) {
                    widths.insert(code, width);
                }
                rest = after;
            }
            _ => return,
        }
        if widths.len() > 200_000 {
            return;
        }
    }
}
