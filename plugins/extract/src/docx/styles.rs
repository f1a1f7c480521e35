//! What the styles and lists of a Word document are: headings by level, lists with numbers or without.

use std::collections::HashMap;

use quick_xml::{Reader, events::Event};

use crate::xml;

#[derive(Clone, Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    /// Nought for the first level.
    outline: Option<usize>,
    list: Option<(String, usize)>,
}

#[derive(Default)]
pub struct Styles(HashMap<String, Style>);

/// What a paragraph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Title,
    Heading(usize),
    /// A line of a table of contents.
    Contents,
    Code,
    Quote,
    Body,
}

/// Styles that one may be based on, one after the other.
const CHAIN_MOST: usize = 16;

impl Styles {
    pub fn read(text: &str) -> Self {
        let mut styles = HashMap::new();
        let (mut id, mut style, mut level) = (None, Style::default(), 0);
        let mut reader = Reader::from_str(text);
        loop {
            match reader.read_event() {
                Ok(Event::Start(start) | Event::Empty(start)) => {
                    let value = || xml::attribute(&start, "val").unwrap_or_default();
                    match xml::local(start.name().as_ref()).as_str() {
                        "style" => {
                            id = xml::attribute(&start, "styleId");
                            style = Style::default();
                            level = 0;
                        }
                        "name" => style.name = value().to_lowercase(),
                        "basedOn" => style.based_on = Some(value()),
                        "outlineLvl" => style.outline = value().parse().ok(),
                        "ilvl" => level = value().parse().unwrap_or(0),
                        "numId" => style.list = Some((value(), level)),
                        _ => {}
                    }
                }
                Ok(Event::End(end)) if xml::local(end.name().as_ref()) == "style" => {
                    if let Some(id) = id.take() {
                        styles.insert(id, std::mem::take(&mut style));
                    }
                }
                Ok(Event::Eof) | Err(_) => return Self(styles),
                Ok(_) => {}
            }
        }
    }

    fn chain<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Style> + 'a {
        let based_on = |style: &&'a Style| self.0.get(style.based_on.as_deref()?);
        std::iter::successors(self.0.get(id), based_on).take(CHAIN_MOST)
    }

    pub fn role(&self, id: &str) -> Role {
        for Style { name, outline, .. } in self.chain(id) {
            if let Some(level) = outline {
                return if *level < 9 { Role::Heading(level + 1) } else { Role::Body };
            }
            if let Some(level) = name.strip_prefix("heading ").and_then(|level| level.trim().parse::<usize>().ok()) {
                return Role::Heading(level);
            }
            match name.as_str() {
                "title" => return Role::Title,
                "quote" | "intense quote" => return Role::Quote,
                name if name.starts_with("toc ") || name == "table of figures" => return Role::Contents,
                name if name.contains("code") || name == "html preformatted" || name == "plain text" => {
                    return Role::Code;
                }
                _ => {}
            }
        }
        // Without a part for styles, the ids of the usual ones still tell.
        let lower = id.to_lowercase();
        match lower.strip_prefix("heading").map(str::parse::<usize>) {
            Some(Ok(level)) => Role::Heading(level),
            _ if lower == "title" => Role::Title,
            _ => Role::Body,
        }
    }

    /// The list, by its number's id, and the level that a style puts its paragraphs into.
    pub fn list(&self, id: &str) -> Option<(String, usize)> {
        self.chain(id).find_map(|style| style.list.clone())
    }
}

/// Which levels of which lists have numbers.
#[derive(Default)]
pub struct Lists {
    abstracts: HashMap<String, HashMap<usize, bool>>,
    numbers: HashMap<String, String>,
}

impl Lists {
    pub fn read(text: &str) -> Self {
        let mut lists = Self::default();
        let (mut list, mut number, mut level) = (String::new(), String::new(), 0);
        let mut reader = Reader::from_str(text);
        loop {
            match reader.read_event() {
                Ok(Event::Start(start) | Event::Empty(start)) => {
                    let value = |name| xml::attribute(&start, name).unwrap_or_default();
                    match xml::local(start.name().as_ref()).as_str() {
                        "abstractNum" => list = value("abstractNumId"),
                        "lvl" => level = value("ilvl").parse().unwrap_or(0),
                        "numFmt" => {
                            let numbered = !matches!(value("val").as_str(), "bullet" | "none");
                            lists.abstracts.entry(list.clone()).or_default().insert(level, numbered);
                        }
                        "num" => number = value("numId"),
                        "abstractNumId" => {
                            lists.numbers.insert(number.clone(), value("val"));
                        }
                        _ => {}
                    }
                }
                Ok(Event::Eof) | Err(_) => return lists,
                Ok(_) => {}
            }
        }
    }

    pub fn is_numbered(&self, number: &str, level: usize) -> bool {
        let list = self.numbers.get(number).and_then(|list| self.abstracts.get(list));
        list.and_then(|levels| levels.get(&level)).copied().unwrap_or(false)
    }
}
