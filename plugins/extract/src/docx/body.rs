//! The text of a Word document's part as Markdown. Events of the XML come one by one; what is open is on lists, so depth
//! needs no recursion.

use std::collections::HashMap;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use crate::{
    document::{Failure, TEXT_MOST},
    html::escape,
    xml,
};

use super::{
    fields::Fields,
    styles::{Lists, Role, Styles},
    table::Table,
};

const DEPTH_MOST: usize = 512;
/// Headings that are kept beside the text. The first says what it is called, the second that it has parts.
const HEADINGS_MOST: usize = 2;
/// Words beside a page's number that only say what it is, such as "page" and "of".
const PAGE_WORDS: usize = 3;

/// What a part is read with.
pub struct Context<'a> {
    pub styles: &'a Styles,
    pub lists: &'a Lists,
    /// Targets of links by their id.
    pub links: &'a HashMap<String, String>,
    /// Texts of footnotes and endnotes by their id.
    pub notes: &'a HashMap<String, String>,
}

/// A part's text.
#[derive(Default)]
pub struct Body {
    pub text: String,
    /// What a paragraph of the style for it says.
    pub title: Option<String>,
    /// The headings of the first level.
    pub headings: Vec<String>,
    pub links: Vec<String>,
    /// The texts of a part of notes, by their id.
    pub notes: HashMap<String, String>,
}

#[derive(Default)]
struct Paragraph {
    text: String,
    style: String,
    outline: Option<usize>,
    list: Option<String>,
    level: usize,
    /// Where the open link's text begins, and its target.
    link: Option<(usize, String)>,
    bold: bool,
    hidden: bool,
    /// It shows the page's number, which is left out.
    paged: bool,
    notes: Vec<String>,
}

struct Walk<'a> {
    context: &'a Context<'a>,
    body: Body,
    /// Text of the document, or of the cells and notes that are open.
    open: Vec<String>,
    tables: Vec<Table>,
    paragraphs: Vec<Paragraph>,
    numbers: HashMap<(String, usize), usize>,
    in_list: bool,
    note: Option<String>,
    fields: Fields,
}

pub fn read(text: &str, context: &Context<'_>) -> Result<Body, Failure> {
    let mut walk = Walk {
        context,
        body: Body::default(),
        open: vec![String::new()],
        tables: Vec::new(),
        paragraphs: Vec::new(),
        numbers: HashMap::new(),
        in_list: false,
        note: None,
        fields: Fields::default(),
    };
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    // The depth of an element that is left out.
    let mut skipped: Option<usize> = None;
    // Text comes in pieces, with references between them.
    let mut words = String::new();
    loop {
        let event = reader.read_event().map_err(|_| Failure::damaged("the document's XML is broken"))?;
        match event {
            Event::Start(start) => {
                let name = xml::local(start.name().as_ref());
                if skipped.is_none() && is_skipped(&name) {
                    skipped = Some(path.len());
                }
                if skipped.is_none() {
                    walk.start(&name, &start);
                }
                path.push(name);
                if path.len() > DEPTH_MOST {
                    return Err(Failure::too_large("the document nests its parts too deep"));
                }
            }
            Event::Empty(start) if skipped.is_none() => {
                let name = xml::local(start.name().as_ref());
                if !is_skipped(&name) {
                    walk.start(&name, &start);
                    walk.end(&name)?;
                }
            }
            Event::End(_) => {
                let name = path.pop().unwrap_or_default();
                match skipped {
                    Some(depth) if depth == path.len() => skipped = None,
                    Some(_) => {}
                    None => {
                        match name.as_str() {
                            "t" => walk.text(&std::mem::take(&mut words)),
                            "instrText" => walk.fields.instruction(&std::mem::take(&mut words)),
                            _ => {}
                        }
                        walk.end(&name)?;
                    }
                }
            }
            Event::Text(piece) if skipped.is_none() && has_words(&path) => {
                words.push_str(&piece.xml_content(XmlVersion::Implicit1_0));
            }
            Event::CData(piece) if skipped.is_none() && has_words(&path) => {
                words.push_str(&piece);
            }
            Event::GeneralRef(entity) if skipped.is_none() && has_words(&path) => {
                words.push_str(&xml::entity(&entity));
            }
            Event::Eof if path.is_empty() => break,
            Event::Eof => return Err(Failure::damaged("the document's XML is cut")),
            _ => {}
        }
    }
    walk.body.text = walk.open.swap_remove(0);
    Ok(walk.body)
}

fn has_words(path: &[String]) -> bool {
    path.last().is_some_and(|name| name == "t" || name == "instrText")
}

/// What was deleted or moved away, and the older form of what is there in a newer one.
fn is_skipped(name: &str) -> bool {
    matches!(name, "del" | "moveFrom" | "Fallback" | "delText" | "sectPr" | "sdtPr" | "rPrChange" | "pPrChange")
}

impl Walk<'_> {
    fn start(&mut self, name: &str, start: &BytesStart<'_>) {
        let value = |name| xml::attribute(start, name);
        let is_off = || matches!(value("val").as_deref(), Some("0" | "false" | "off" | "none"));
        match name {
            "p" => self.paragraphs.push(Paragraph::default()),
            "tbl" => self.tables.push(Table::default()),
            "tr" => self.tables.last_mut().into_iter().for_each(Table::begin_row),
            "tc" => {
                self.open.push(String::new());
                self.tables.last_mut().into_iter().for_each(Table::begin_cell);
            }
            "gridSpan" => {
                let span = value("val").and_then(|span| span.parse().ok()).unwrap_or(1);
                self.tables.last_mut().into_iter().for_each(|table| table.span(span));
            }
            "vMerge" => {
                let continued = value("val").is_none_or(|merge| merge == "continue");
                self.tables.last_mut().into_iter().for_each(|table| table.continued = continued);
            }
            "footnote" | "endnote" => {
                self.note = value("id");
                self.open.push(String::new());
            }
            "fldSimple" => self.fields.simple(&value("instr").unwrap_or_default()),
            "fldChar" => self.fields.mark(&value("fldCharType").unwrap_or_default()),
            _ => {}
        }
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        match name {
            "pStyle" => paragraph.style = value("val").unwrap_or_default(),
            "outlineLvl" => paragraph.outline = value("val").and_then(|level| level.parse().ok()),
            "numId" => paragraph.list = value("val"),
            "ilvl" => paragraph.level = value("val").and_then(|level| level.parse().ok()).unwrap_or(0).min(8),
            "r" => (paragraph.bold, paragraph.hidden) = (false, false),
            "b" => paragraph.bold = !is_off(),
            "vanish" => paragraph.hidden = !is_off(),
            "tab" | "ptab" => paragraph.text.push(' '),
            "br" | "cr" => paragraph.text.push('\n'),
            "noBreakHyphen" => paragraph.text.push('-'),
            "hyperlink" => {
                let target = value("id").and_then(|id| self.context.links.get(&id).cloned());
                paragraph.link = target.map(|target| (paragraph.text.len(), target));
            }
            "footnoteReference" | "endnoteReference" => {
                if let Some(note) = value("id").and_then(|id| self.context.notes.get(&format!("{name}{id}"))) {
                    paragraph.text.push('*');
                    paragraph.notes.push(note.clone());
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut()
            && !paragraph.hidden
        {
            if self.fields.is_page() {
                paragraph.paged = true;
                return;
            }
            let text = escape(text);
            if paragraph.bold && !text.trim().is_empty() {
                let words = text.trim();
                let start = text.len() - text.trim_start().len();
                // One pair of marks for neighbours that are bold.
                if let Some(before) = paragraph.text.strip_suffix("**").map(str::len) {
                    paragraph.text.truncate(before);
                    paragraph.text.push_str(&text[..start]);
                } else {
                    paragraph.text.push_str(&text[..start]);
                    paragraph.text.push_str("**");
                }
                paragraph.text.push_str(words);
                paragraph.text.push_str("**");
                paragraph.text.push_str(&text[start + words.len()..]);
                return;
            }
            paragraph.text.push_str(&text);
        }
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        match name {
            "p" => {
                self.fields.leave_paragraph();
                if let Some(paragraph) = self.paragraphs.pop() {
                    self.paragraph(paragraph);
                }
            }
            "fldSimple" => self.fields.mark("end"),
            "hyperlink" => {
                if let Some(paragraph) = self.paragraphs.last_mut()
                    && let Some((at, target)) = paragraph.link.take()
                {
                    let shown = paragraph.text.split_off(at.min(paragraph.text.len()));
                    paragraph.text.push_str(&linked(&shown, &target));
                    self.body.links.push(target);
                }
            }
            "tc" => {
                if let (Some(text), Some(table)) = (self.open.pop(), self.tables.last_mut()) {
                    self.in_list = false;
                    table.end_cell(text);
                }
            }
            "tbl" => {
                if let Some(table) = self.tables.pop() {
                    let text = table.write();
                    self.block(&text, false);
                }
            }
            "footnote" | "endnote" => {
                if let (Some(text), Some(id)) = (self.open.pop(), self.note.take()) {
                    self.body.notes.insert(id, text);
                }
            }
            _ => {}
        }
        if self.open.iter().map(String::len).sum::<usize>() > TEXT_MOST {
            return Err(Failure::too_large("the document's text has more than 8 MiB"));
        }
        Ok(())
    }

    fn paragraph(&mut self, paragraph: Paragraph) {
        let Paragraph { text, style, outline, list, level, paged, notes, .. } = paragraph;
        let text = text.trim();
        if paged && text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count() <= PAGE_WORDS {
            return;
        }
        let role = outline
            .filter(|level| *level < 9)
            .map_or_else(|| self.context.styles.role(&style), |level| Role::Heading(level + 1));
        if text.is_empty() || role == Role::Contents {
            return;
        }
        let plain = || text.replace("**", "").replace('\n', " ");
        let unescaped = |title: &str| {
            ["\\<", "\\&", "\\`"].iter().fold(title.to_owned(), |title, mark| title.replace(mark, &mark[1..]))
        };
        let from_style = self.context.styles.list(&style);
        let list = list.map(|list| (list, level)).or(from_style).filter(|(list, _)| list != "0");
        match (role, list) {
            (Role::Title, _) => {
                let title = plain();
                self.block(&format!("# {title}"), false);
                self.body.title.get_or_insert(unescaped(&title));
            }
            (Role::Heading(depth), _) => {
                let title = plain();
                self.block(&format!("{} {title}", "#".repeat(depth.clamp(1, 6))), false);
                if depth == 1 && self.body.headings.len() < HEADINGS_MOST {
                    self.body.headings.push(unescaped(&title));
                }
            }
            (_, Some((list, level))) => self.item(text, &list, level),
            (Role::Code, None) => self.code(&unescaped(&text.replace("**", ""))),
            (Role::Quote, None) => self.block(&format!("> {}", text.replace('\n', "\n> ")), false),
            _ => self.block(&text.replace('\n', "  \n"), false),
        }
        for note in notes {
            let note = note.trim().to_owned();
            self.block(&format!("\\* {note}"), false);
        }
    }

    fn item(&mut self, text: &str, list: &str, level: usize) {
        // A number on one level starts those below anew.
        self.numbers.retain(|(other, below), _| other != list || *below <= level);
        let marker = if self.context.lists.is_numbered(list, level) {
            let number = self.numbers.entry((list.to_owned(), level)).or_insert(0);
            *number += 1;
            format!("{number}. ")
        } else {
            "- ".to_owned()
        };
        let indent = "   ".repeat(level);
        let within = " ".repeat(indent.len() + marker.len());
        self.block(&format!("{indent}{marker}{}", text.replace('\n', &format!("  \n{within}"))), true);
    }

    /// Adds a block. An item follows another one without an empty line.
    fn block(&mut self, text: &str, item: bool) {
        let Some(open) = self.open.last_mut() else { return };
        if text.trim().is_empty() {
            return;
        }
        if !open.is_empty() {
            open.push_str(if item && self.in_list { "\n" } else { "\n\n" });
        }
        open.push_str(text);
        self.in_list = item;
    }

    /// Adds a line of code. Each line is a paragraph, so lines in a row are one block.
    fn code(&mut self, text: &str) {
        let Some(open) = self.open.last_mut() else { return };
        if let Some(before) = open.strip_suffix("\n```").filter(|_| !self.in_list) {
            open.truncate(before.len());
            open.push_str(&format!("\n{text}\n```"));
        } else {
            self.block(&format!("```\n{text}\n```"), false);
        }
    }
}

fn linked(shown: &str, target: &str) -> String {
    let text = shown.trim();
    if text.is_empty() || text.contains('\n') || text == target || target.len() > 500 {
        return shown.to_owned();
    }
    let (before, after) = (&shown[..shown.len() - shown.trim_start().len()], &shown[shown.trim_end().len()..]);
    format!("{before}[{text}]({}){after}", target.replace('(', "%28").replace(')', "%29").replace(' ', "%20"))
}
