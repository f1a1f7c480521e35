//! Fonts: which text a string shows, and how wide it is.

use std::collections::HashMap;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_16BE};
use hayro_syntax::object::{Array, Dict, Name, Number, Object, Stream};

use super::{cmap::CMap, glyphs};

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
    pub fn read(font: &Dict<'_>) -> Self {
        let name = font.get::<Name<'_>>("BaseFont").map(|name| name.as_str().to_lowercase()).unwrap_or_default();
        let unicode = font.get::<Stream<'_>>("ToUnicode").and_then(|map| map.decoded_data().ok());
        let unicode = unicode.map(|map| CMap::parse(&map)).filter(|map| !map.is_empty());
        let composite = font.get::<Name<'_>>("Subtype").is_some_and(|kind| &*kind == b"Type0");
        let (kind, widths, default_width) = if composite { composite_font(font) } else { simple_font(font) };
        let bold = ["bold", "black", "heavy"].iter().any(|weight| name.contains(weight));
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
        let text = text.map(glyphs::spelled);
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

fn simple_font(font: &Dict<'_>) -> Parts {
    let first = font.get::<Number>("FirstChar").map_or(0, |first| first.as_i64().clamp(0, 255)) as u32;
    let mut widths = HashMap::new();
    let list = font.get::<Array<'_>>("Widths").unwrap_or_default();
    for (code, width) in (first..=255).zip(list.iter::<Object<'_>>()) {
        if let Object::Number(width) = width {
            widths.insert(code, width.as_f32());
        }
    }
    // A font of drawings has its own measure: usually glyphs of one unit, or of thousand.
    let matrix = font.get::<Array<'_>>("FontMatrix").unwrap_or_default();
    if let Some(scale) = matrix.iter::<Number>().next() {
        widths.values_mut().for_each(|width| *width *= scale.as_f32() * 1_000.0);
    }
    let default = (!widths.is_empty()).then(|| {
        let missing = font.get::<Dict<'_>>("FontDescriptor").and_then(|about| about.get::<Number>("MissingWidth"));
        missing.map_or(0.0, |missing| missing.as_f32())
    });
    (Kind::Simple(texts(font)), widths, default)
}

/// What each of a simple font's codes shows, without a `ToUnicode`.
fn texts(font: &Dict<'_>) -> Vec<Option<String>> {
    let encoding = font.get::<Dict<'_>>("Encoding");
    let base = match &encoding {
        Some(encoding) => encoding.get::<Name<'_>>("BaseEncoding"),
        None => font.get::<Name<'_>>("Encoding"),
    };
    let mut texts = glyphs::encoding(base.as_deref().unwrap_or_default());
    let differences = encoding.and_then(|encoding| encoding.get::<Array<'_>>("Differences")).unwrap_or_default();
    let mut code = 0_usize;
    for difference in differences.iter::<Object<'_>>() {
        match difference {
            Object::Number(next) => code = usize::try_from(next.as_i64()).unwrap_or(usize::MAX / 2),
            Object::Name(name) => {
                if let Some(text) = texts.get_mut(code) {
                    *text = glyphs::text(name.as_str());
                }
                code += 1;
            }
            _ => {}
        }
    }
    texts
}

fn composite_font(font: &Dict<'_>) -> Parts {
    let name = font.get::<Name<'_>>("Encoding").map(|name| name.as_str().to_owned()).unwrap_or_default();
    let kind = match name.as_str() {
        name if name.contains("UCS2") || name.contains("UTF16") => Kind::Charset(UTF_16BE),
        name if name.starts_with("GBK") || name.starts_with("GB-") => Kind::Charset(GBK),
        name if name.contains("RKSJ") => Kind::Charset(SHIFT_JIS),
        name if name.contains("B5") => Kind::Charset(BIG5),
        name if name.starts_with("KSC") => Kind::Charset(EUC_KR),
        name if name.starts_with("EUC-") => Kind::Charset(EUC_JP),
        _ => Kind::Composite,
    };
    let descendants = font.get::<Array<'_>>("DescendantFonts").unwrap_or_default();
    let descendant = descendants.iter::<Dict<'_>>().next().unwrap_or_default();
    let default = descendant.get::<Number>("DW").map_or(1_000.0, |default| default.as_f32());
    (kind, read_widths(&descendant.get::<Array<'_>>("W").unwrap_or_default()), Some(default))
}

/// `c [w1 w2 …]` and `c1 c2 w` (ISO 32000-2, section 9.7.4.3).
fn read_widths(list: &Array<'_>) -> HashMap<u32, f32> {
    let mut widths = HashMap::new();
    let mut held: Vec<f32> = Vec::new();
    for part in list.iter::<Object<'_>>() {
        match part {
            Object::Number(number) => held.push(number.as_f32()),
            Object::Array(each) => {
                let Some(first) = held.pop() else { return widths };
                held.clear();
                for (code, width) in (first as u32..).zip(each.iter::<Number>()) {
                    widths.insert(code, width.as_f32());
                }
            }
            _ => return widths,
        }
        if let [first, last, width] = held[..] {
            let (first, last) = (first as u32, last as u32);
            for code in first..=last.min(first.saturating_add(65_535)) {
                widths.insert(code, width);
            }
            held.clear();
        }
        if widths.len() > 200_000 {
            return widths;
        }
    }
    widths
}
