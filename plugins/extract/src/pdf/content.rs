//! What a page shows: its content stream's operators, as far as text is concerned (ISO 32000-2, section 9).

use std::{collections::HashMap, rc::Rc};

use hayro_syntax::{
    content::UntypedIter,
    object::{Array, Dict, Name, Number, Object, ObjectIdentifier, Stream, String as PdfString},
    page::{Page, Resources},
};

use crate::document::Failure;

use super::{
    font::Font,
    rules::{Path, Point, Rule},
    text_string,
};

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
    pub rules: Vec<Rule>,
    pub pictures: usize,
}

type Matrix = [f32; 6];
const UNIT: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

fn times(one: &Matrix, other: &Matrix) -> Matrix {
    let [a, b, c, d, e, f] = *one;
    let [g, h, i, j, k, l] = *other;
    [a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + l]
}

/// A point that a matrix moves.
fn moved(x: f32, y: f32, [a, b, c, d, e, f]: &Matrix) -> Point {
    (a * x + c * y + e, b * x + d * y + f)
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

/// Reads pages, and keeps what they share.
#[derive(Default)]
pub struct Reader {
    fonts: HashMap<ObjectIdentifier, Rc<Font>>,
    /// Bytes of all text so far.
    pub letters: usize,
    /// Characters whose text isn't known.
    pub unreadable: usize,
}

/// The name that comes first.
fn named<'s, 'a>(operands: &[&'s Object<'a>]) -> Option<&'s Name<'a>> {
    match operands.first() {
        Some(Object::Name(name)) => Some(name),
        _ => None,
    }
}

/// One page, or a form on it.
struct Walk<'r> {
    reader: &'r mut Reader,
    shown: Shown,
    forms: usize,
    marked: Vec<Marked>,
}

impl Reader {
    pub fn page(&mut self, page: &Page<'_>) -> Result<Shown, Failure> {
        let mut walk = Walk { reader: self, shown: Shown::default(), forms: 0, marked: Vec::new() };
        let content = page.page_stream().unwrap_or_default();
        walk.run(content, &[page.resources()], UNIT, 0)?;
        Ok(walk.shown)
    }
}

impl Walk<'_> {
    fn run(
        &mut self,
        content: &[u8],
        resources: &[&Resources<'_>],
        matrix: Matrix,
        depth: usize,
    ) -> Result<(), Failure> {
        let mut states: Vec<State> = Vec::new();
        let mut state =
            State { matrix, font: None, size: 0.0, letter: 0.0, word: 0.0, scale: 1.0, leading: 0.0, rise: 0.0 };
        let (mut text, mut line) = (UNIT, UNIT);
        let mut path = Path::default();
        let mut instructions = UntypedIter::new(content);
        while let Some(instruction) = instructions.next() {
            let operands: Vec<&Object<'_>> = instruction.operands().collect();
            let operands = operands.as_slice();
            let number = |n: usize| match operands.get(n) {
                Some(Object::Number(number)) => number.as_f32(),
                _ => 0.0,
            };
            let six = || [number(0), number(1), number(2), number(3), number(4), number(5)];
            let next_line = |x: f32, y: f32, line: &mut Matrix| {
                *line = times(&[1.0, 0.0, 0.0, 1.0, x, y], line);
                *line
            };
            match std::str::from_utf8(instruction.operator.as_ref()).unwrap_or_default() {
                "q" if states.len() < STATES_MOST => states.push(state.clone()),
                "Q" => state = states.pop().unwrap_or(state),
                "cm" => state.matrix = times(&six(), &state.matrix),
                "BT" => (text, line) = (UNIT, UNIT),
                "Tf" => {
                    state.size = number(1);
                    state.font = named(operands).and_then(|name| self.font(resources, name));
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
                "Tj" => self.show(operands.first().copied(), &state, &mut text)?,
                "'" => {
                    text = next_line(0.0, -state.leading, &mut line);
                    self.show(operands.first().copied(), &state, &mut text)?;
                }
                "\"" => {
                    (state.word, state.letter) = (number(0), number(1));
                    text = next_line(0.0, -state.leading, &mut line);
                    self.show(operands.get(2).copied(), &state, &mut text)?;
                }
                "TJ" => {
                    let Some(Object::Array(parts)) = operands.first() else { continue };
                    for part in parts.iter::<Object<'_>>() {
                        if let Object::Number(back) = part {
                            let by = -back.as_f32() / 1_000.0 * state.size * state.scale;
                            text = times(&[1.0, 0.0, 0.0, 1.0, by, 0.0], &text);
                        } else {
                            self.show(Some(&part), &state, &mut text)?;
                        }
                    }
                }
                "BMC" | "BDC" if self.marked.len() < STATES_MOST => self.mark(operands, resources),
                "EMC" => {
                    self.marked.pop();
                }
                "Do" => {
                    if let Some(name) = named(operands) {
                        self.object(resources, name, &state.matrix, depth)?;
                    }
                }
                "BI" => self.shown.pictures += 1,
                operator => self.draw(operator, six(), &state.matrix, &mut path),
            }
        }
        Ok(())
    }

    /// Makes a path, and paints it.
    fn draw(&mut self, operator: &str, numbers: [f32; 6], matrix: &Matrix, path: &mut Path) {
        let point = |n: usize| moved(numbers[n], numbers[n + 1], matrix);
        match operator {
            "m" => path.move_to(point(0)),
            "l" => path.line_to(point(0)),
            "c" => path.curve_to(point(4)),
            "v" | "y" => path.curve_to(point(2)),
            "re" => {
                let [x, y, wide, high, ..] = numbers;
                path.move_to(moved(x, y, matrix));
                for (x, y) in [(x + wide, y), (x + wide, y + high), (x, y + high), (x, y)] {
                    path.line_to(moved(x, y, matrix));
                }
            }
            "h" => path.close(),
            _ => {}
        }
        if matches!(operator, "s" | "b" | "b*") {
            path.close();
        }
        if matches!(operator, "S" | "s" | "B" | "B*" | "b" | "b*") {
            path.stroke(&mut self.shown.rules);
        }
        if matches!(operator, "f" | "F" | "f*" | "B" | "B*" | "b" | "b*") {
            path.fill(&mut self.shown.rules);
        }
        if matches!(operator, "S" | "s" | "f" | "F" | "f*" | "B" | "B*" | "b" | "b*" | "n") {
            path.clear();
        }
    }

    fn font(&mut self, resources: &[&Resources<'_>], name: &Name<'_>) -> Option<Rc<Font>> {
        let fonts = resources.iter().map(|resources| &resources.fonts).find(|fonts| fonts.contains_key(name))?;
        let id = fonts.get_ref(name).map(ObjectIdentifier::from);
        if let Some(font) = id.and_then(|id| self.reader.fonts.get(&id)) {
            return Some(Rc::clone(font));
        }
        let font = Rc::new(Font::read(&fonts.get::<Dict<'_>>(name)?));
        if let Some(id) = id {
            self.reader.fonts.insert(id, Rc::clone(&font));
        }
        Some(font)
    }

    fn mark(&mut self, operands: &[&Object<'_>], resources: &[&Resources<'_>]) {
        let artifact = named(operands).is_some_and(|tag| &**tag == b"Artifact");
        let text = |properties: &Dict<'_>| Some(text_string(properties.get::<PdfString<'_>>("ActualText")?.as_bytes()));
        let text = match operands.get(1) {
            Some(Object::Dict(properties)) => text(properties),
            Some(Object::Name(name)) => {
                resources.iter().find_map(|resources| text(&resources.properties.get::<Dict<'_>>(name)?))
            }
            _ => None,
        };
        self.marked.push(Marked { artifact, stands_for: text.map(Some) });
    }

    fn object(
        &mut self,
        resources: &[&Resources<'_>],
        name: &Name<'_>,
        matrix: &Matrix,
        depth: usize,
    ) -> Result<(), Failure> {
        let mut objects = resources.iter().filter_map(|resources| resources.x_objects.get::<Stream<'_>>(name));
        let Some(object) = objects.next() else { return Ok(()) };
        let kind = object.dict().get::<Name<'_>>("Subtype");
        match kind.as_deref() {
            Some(b"Image") => self.shown.pictures += 1,
            Some(b"Form") if depth < FORMS_DEEP && self.forms < FORMS_MOST => {
                self.forms += 1;
                let Ok(content) = object.decoded_data() else { return Ok(()) };
                let own: Vec<f32> = object
                    .dict()
                    .get::<Array<'_>>("Matrix")
                    .unwrap_or_default()
                    .iter::<Number>()
                    .map(|n| n.as_f32())
                    .collect();
                let own = Matrix::try_from(own).unwrap_or(UNIT);
                let within = Resources::new(object.dict().get::<Dict<'_>>("Resources").unwrap_or_default());
                let mut all = vec![&within];
                all.extend(resources);
                all.truncate(FORMS_DEEP + 2);
                self.run(&content, &all, times(&own, matrix), depth + 1)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn show(&mut self, string: Option<&Object<'_>>, state: &State, text: &mut Matrix) -> Result<(), Failure> {
        let (Some(Object::String(string)), Some(font)) = (string, &state.font) else { return Ok(()) };
        let mut said = String::new();
        let mut width = 0.0;
        for glyph in font.glyphs(string.as_bytes()) {
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
