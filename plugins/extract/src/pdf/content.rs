//! What a page shows: its content stream's operators, as far as text is concerned (ISO 32000-2, section 9).

use std::{collections::HashMap, rc::Rc};

use lopdf::{Dictionary, Document as Pdf, Object, ObjectId, content::Content};

use crate::document::Failure;

use super::{STREAM_MOST, dictionary, font::Font, resolve};

/// Forms within forms.
const FORMS_DEEP: usize = 8;
/// Forms of one page.
const FORMS_MOST: usize = 2_000;
const STATES_MOST: usize = 512;
/// Spans of one page.
const SPANS_MOST: usize = 200_000;

/// A piece of text, and where it stands in the page's units.
#[derive(Clone, Debug)]
pub struct Span {
    pub text: String,
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub size: f32,
    pub bold: bool,
    /// Quarter turns from the usual direction, against the clock.
    pub turn: u8,
}

/// What a page shows.
#[derive(Default)]
pub struct Shown {
    pub spans: Vec<Span>,
    pub pictures: usize,
}

type Matrix = [f32; 6];
const UNIT: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

fn times(one: &Matrix, other: &Matrix) -> Matrix {
    let [a, b, c, d, e, f] = *one;
    let [g, h, i, j, k, l] = *other;
    [a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + l]
}

#[derive(Clone)]
struct State {
    matrix: Matrix,
    font: Option<Rc<Font>>,
    size: f32,
    letter: f32,
    word: f32,
    scale: f32,
    leading: f32,
    rise: f32,
}

/// Marked content that is open.
struct Marked {
    /// It is the page's decoration, such as a running head.
    artifact: bool,
    /// The text that it stands for, until that was shown.
    stands_for: Option<Option<String>>,
}

pub struct Reader<'a> {
    pdf: &'a Pdf,
    fonts: HashMap<ObjectId, Rc<Font>>,
    /// Bytes of all text so far.
    pub letters: usize,
    /// Characters whose text isn't known.
    pub unreadable: usize,
}

/// One page, or a form on it.
struct Walk<'a, 'r> {
    reader: &'r mut Reader<'a>,
    shown: Shown,
    forms: usize,
    marked: Vec<Marked>,
}

impl<'a> Reader<'a> {
    pub fn new(pdf: &'a Pdf) -> Self {
        Self { pdf, fonts: HashMap::new(), letters: 0, unreadable: 0 }
    }

    pub fn page(&mut self, page: ObjectId) -> Result<Shown, Failure> {
        let pdf = self.pdf;
        let content = pdf.get_page_content_with_limit(page, STREAM_MOST);
        let content = content.map_err(|_| Failure::too_large("a page of the PDF has more than 48 MiB unpacked"))?;
        let (own, others) = pdf.get_page_resources(page).unwrap_or_default();
        let others = others.iter().filter_map(|id| pdf.get_dictionary(*id).ok());
        let resources: Vec<&Dictionary> = own.into_iter().chain(others).collect();
        let mut walk = Walk { reader: self, shown: Shown::default(), forms: 0, marked: Vec::new() };
        walk.run(&content, &resources, UNIT, 0)?;
        Ok(walk.shown)
    }
}

/// What a page's resources name.
fn named<'a>(pdf: &'a Pdf, resources: &[&'a Dictionary], kind: &[u8], name: &[u8]) -> Option<&'a Object> {
    resources.iter().find_map(|resources| dictionary(pdf, resources.get(kind).ok()?)?.get(name).ok())
}

impl<'a> Walk<'a, '_> {
    fn run(
        &mut self,
        content: &[u8],
        resources: &[&'a Dictionary],
        matrix: Matrix,
        depth: usize,
    ) -> Result<(), Failure> {
        let mut states: Vec<State> = Vec::new();
        let mut state =
            State { matrix, font: None, size: 0.0, letter: 0.0, word: 0.0, scale: 1.0, leading: 0.0, rise: 0.0 };
        let (mut text, mut line) = (UNIT, UNIT);
        // What comes before a mistake was shown, too.
        for operation in Content::decode_iter(content).map_while(Result::ok) {
            let operands = &operation.operands;
            let number = |n: usize| operands.get(n).and_then(|operand| operand.as_float().ok()).unwrap_or(0.0);
            let six = || [number(0), number(1), number(2), number(3), number(4), number(5)];
            let next_line = |x: f32, y: f32, line: &mut Matrix| {
                *line = times(&[1.0, 0.0, 0.0, 1.0, x, y], line);
                *line
            };
            match operation.operator.as_str() {
                "q" if states.len() < STATES_MOST => states.push(state.clone()),
                "Q" => state = states.pop().unwrap_or(state),
                "cm" => state.matrix = times(&six(), &state.matrix),
                "BT" => (text, line) = (UNIT, UNIT),
                "Tf" => {
                    state.size = number(1);
                    let name = operands.first().and_then(|name| name.as_name().ok()).unwrap_or_default();
                    state.font = self.font(resources, name);
                }
                "Tm" => (text, line) = (six(), six()),
                "Td" => text = next_line(number(0), number(1), &mut line),
                "TD" => {
                    state.leading = -number(1);
                    text = next_line(number(0), number(1), &mut line);
                }
                "T*" => text = next_line(0.0, -state.leading, &mut line),
                "Tc" => state.letter = number(0),
                "Tw" => state.word = number(0),
                "Tz" => state.scale = number(0) / 100.0,
                "TL" => state.leading = number(0),
                "Ts" => state.rise = number(0),
                "Tj" => self.show(operands.first(), &state, &mut text)?,
                "'" => {
                    text = next_line(0.0, -state.leading, &mut line);
                    self.show(operands.first(), &state, &mut text)?;
                }
                "\"" => {
                    (state.word, state.letter) = (number(0), number(1));
                    text = next_line(0.0, -state.leading, &mut line);
                    self.show(operands.get(2), &state, &mut text)?;
                }
                "TJ" => {
                    let Some(Object::Array(parts)) = operands.first() else { continue };
                    for part in parts {
                        if let Ok(back) = part.as_float() {
                            let by = -back / 1_000.0 * state.size * state.scale;
                            text = times(&[1.0, 0.0, 0.0, 1.0, by, 0.0], &text);
                        } else {
                            self.show(Some(part), &state, &mut text)?;
                        }
                    }
                }
                "BMC" | "BDC" if self.marked.len() < STATES_MOST => self.mark(operands, resources),
                "EMC" => {
                    self.marked.pop();
                }
                "Do" => {
                    let name = operands.first().and_then(|name| name.as_name().ok()).unwrap_or_default();
                    self.object(resources, name, &state.matrix, depth)?;
                }
                "BI" => self.shown.pictures += 1,
                _ => {}
            }
        }
        Ok(())
    }

    fn font(&mut self, resources: &[&'a Dictionary], name: &[u8]) -> Option<Rc<Font>> {
        let pdf = self.reader.pdf;
        let object = named(pdf, resources, b"Font", name)?;
        let read = || Some(Rc::new(Font::read(pdf, dictionary(pdf, object)?)));
        match object {
            Object::Reference(id) => match self.reader.fonts.get(id) {
                Some(font) => Some(Rc::clone(font)),
                None => {
                    let font = read()?;
                    self.reader.fonts.insert(*id, Rc::clone(&font));
                    Some(font)
                }
            },
            _ => read(),
        }
    }

    fn mark(&mut self, operands: &[Object], resources: &[&'a Dictionary]) {
        let pdf = self.reader.pdf;
        let artifact = operands.first().and_then(|tag| tag.as_name().ok()).is_some_and(|tag| tag == b"Artifact");
        let properties = match operands.get(1) {
            Some(Object::Dictionary(properties)) => Some(properties),
            Some(Object::Name(name)) => {
                named(pdf, resources, b"Properties", name).and_then(|properties| dictionary(pdf, properties))
            }
            _ => None,
        };
        let text = properties.and_then(|properties| properties.get(b"ActualText").ok());
        let text = text.and_then(|text| lopdf::decode_text_string(resolve(pdf, text)).ok());
        self.marked.push(Marked { artifact, stands_for: text.map(Some) });
    }

    fn object(
        &mut self,
        resources: &[&'a Dictionary],
        name: &[u8],
        matrix: &Matrix,
        depth: usize,
    ) -> Result<(), Failure> {
        let pdf = self.reader.pdf;
        let Some(Object::Stream(object)) = named(pdf, resources, b"XObject", name).map(|object| resolve(pdf, object))
        else {
            return Ok(());
        };
        match object.dict.get(b"Subtype").and_then(Object::as_name) {
            Ok(b"Image") => self.shown.pictures += 1,
            Ok(b"Form") if depth < FORMS_DEEP && self.forms < FORMS_MOST => {
                self.forms += 1;
                let Ok(content) = object.get_plain_content_with_limit(STREAM_MOST) else { return Ok(()) };
                let own = match object.dict.get(b"Matrix").map(|own| resolve(pdf, own)) {
                    Ok(Object::Array(own)) if own.len() == 6 => {
                        let number = |n: usize| own[n].as_float().unwrap_or(0.0);
                        [number(0), number(1), number(2), number(3), number(4), number(5)]
                    }
                    _ => UNIT,
                };
                let within = object.dict.get(b"Resources").ok().and_then(|own| dictionary(pdf, own));
                let mut all: Vec<&Dictionary> = within.into_iter().collect();
                all.extend(resources);
                all.truncate(FORMS_DEEP + 2);
                self.run(&content, &all, times(&own, matrix), depth + 1)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn show(&mut self, string: Option<&Object>, state: &State, text: &mut Matrix) -> Result<(), Failure> {
        let (Some(Object::String(bytes, _)), Some(font)) = (string, &state.font) else { return Ok(()) };
        let mut said = String::new();
        let mut width = 0.0;
        for glyph in font.glyphs(bytes) {
            match glyph.text {
                Some(piece) => said.push_str(&piece),
                None => self.reader.unreadable += 1,
            }
            let space = if glyph.is_space { state.word } else { 0.0 };
            width += (glyph.width / 1_000.0 * state.size + state.letter + space) * state.scale;
        }
        if let Some(stands_for) = self.marked.iter_mut().rev().find_map(|marked| marked.stands_for.as_mut()) {
            said = stands_for.take().unwrap_or_default();
        }
        let place = times(&times(&[1.0, 0.0, 0.0, 1.0, 0.0, state.rise], text), &state.matrix);
        *text = times(&[1.0, 0.0, 0.0, 1.0, width, 0.0], text);
        let hidden = self.marked.iter().any(|marked| marked.artifact);
        let [a, b, c, d, x, y] = place;
        let along = a.hypot(b);
        if said.is_empty() || hidden || !(x.is_finite() && y.is_finite() && along.is_finite()) {
            return Ok(());
        }
        let turn = if a.abs() >= b.abs() {
            if a >= 0.0 { 0 } else { 2 }
        } else if b > 0.0 {
            1
        } else {
            3
        };
        let size = (state.size * c.hypot(d)).abs();
        self.reader.letters += said.len();
        if self.shown.spans.len() == SPANS_MOST {
            return Err(Failure::too_large("a page of the PDF has more than 200000 pieces of text"));
        }
        self.shown.spans.push(Span { text: said, x, y, width: width * along, size, bold: font.bold, turn });
        Ok(())
    }
}
