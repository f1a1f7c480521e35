//! A part of a page as Markdown.

use crate::urls::{Base, resolve};

use super::{
    dom::{Data, Dom, Id},
    table,
    words::{collapse, escape, prefixed, tight, unmarked, wrapped},
};

/// Elements within elements that keep their structure. Below, only their text is kept.
const DEPTH_MOST: usize = 128;

const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "html",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
    "caption",
];

pub fn is_block(name: &str) -> bool {
    BLOCKS.contains(&name)
}

/// A heading's level.
pub fn heading(dom: &Dom, id: Id) -> Option<usize> {
    let element = dom.element(id)?;
    match element.name() {
        "h1" => Some(1),
        "h2" => Some(2),
        "h3" => Some(3),
        "h4" => Some(4),
        "h5" => Some(5),
        "h6" => Some(6),
        // Word's name for a title when it saves a page.
        "p" if element.attribute("class") == Some("MsoTitle") => Some(1),
        _ if element.attribute("role") == Some("heading") => {
            let level = element.attribute("aria-level").and_then(|level| level.trim().parse().ok());
            Some(level.unwrap_or(2_usize).clamp(1, 6))
        }
        _ => None,
    }
}

/// Writes parts of a page.
pub struct Writer<'a> {
    pub dom: &'a Dom,
    /// Nodes that are left out, by their index.
    pub dropped: &'a [bool],
    pub base: Option<Base<'a>>,
}

impl Writer<'_> {
    /// The blocks within a node.
    pub fn blocks(&self, root: Id, depth: usize) -> String {
        let mut out = String::new();
        let mut line = String::new();
        for child in self.dom.children(root) {
            self.add(child, depth, &mut out, &mut line);
        }
        flush(&mut out, &mut line);
        out
    }

    /// Adds a node: a block to the blocks, anything else to the open paragraph.
    pub fn add(&self, id: Id, depth: usize, out: &mut String, line: &mut String) {
        if self.dropped[id] {
            return;
        }
        let name = self.dom.name(id);
        if depth > DEPTH_MOST {
            line.push_str(&collapse(&self.visible(id)));
            return;
        }
        let has_blocks = || self.dom.children(id).any(|child| self.is_blockish(child));
        if is_block(name) || self.heading(id).is_some() {
            flush(out, line);
            let block = self.block(id, name, depth);
            join(out, &block);
        } else if !name.is_empty() && has_blocks() {
            // An inline element around blocks, such as a link around a card.
            flush(out, line);
            let block = self.blocks(id, depth + 1);
            join(out, &block);
        } else {
            self.inline(id, depth, line);
        }
    }

    fn is_blockish(&self, id: Id) -> bool {
        let name = self.dom.name(id);
        is_block(name) && !self.dropped[id]
    }

    pub fn heading(&self, id: Id) -> Option<usize> {
        heading(self.dom, id)
    }

    fn block(&self, id: Id, name: &str, depth: usize) -> String {
        if let Some(level) = self.heading(id) {
            let title = self.line(id, depth);
            let title = title.trim_matches(['*', ' ']);
            return if title.is_empty() { String::new() } else { format!("{} {title}", "#".repeat(level)) };
        }
        match name {
            "ul" | "ol" | "menu" | "dir" => self.list(id, name, depth),
            "pre" => self.code(id),
            "blockquote" => prefixed(&self.blocks(id, depth + 1), "> ", "> "),
            "table" => table::write(self, id, depth),
            "hr" => String::new(),
            "dt" | "summary" | "legend" | "caption" => {
                let line = self.line(id, depth);
                let line = line.trim_matches('*').trim();
                if line.is_empty() { String::new() } else { format!("**{line}**") }
            }
            "li" => prefixed(&self.blocks(id, depth + 1), "- ", "  "),
            _ => self.blocks(id, depth + 1),
        }
    }

    fn list(&self, id: Id, name: &str, depth: usize) -> String {
        let start = self.dom.attribute(id, "start").and_then(|start| start.trim().parse::<u32>().ok()).unwrap_or(1);
        let mut number = start.min(1_000_000);
        let mut out = String::new();
        let mut loose = String::new();
        let is_item = |child: &Id| self.dom.name(*child) == "li";
        // Old pages open a font between a list and its items.
        let parts = self.dom.children(id).flat_map(|child| {
            let wraps = !is_block(self.dom.name(child)) && self.dom.children(child).any(|within| is_item(&within));
            if wraps { self.dom.children(child).collect() } else { vec![child] }
        });
        for child in parts {
            if self.dropped[child] {
                continue;
            }
            if !is_item(&child) {
                // What isn't an item belongs to the one before, as a list within a list that forgot its item.
                let mut line = String::new();
                loose.clear();
                self.add(child, depth + 1, &mut loose, &mut line);
                flush(&mut loose, &mut line);
                if !loose.is_empty() {
                    out.push_str(&prefixed(&loose, "  ", "  "));
                    out.push('\n');
                }
                continue;
            }
            let item = self.blocks(child, depth + 1);
            if item.is_empty() {
                continue;
            }
            let marker = if name == "ol" { format!("{number}. ") } else { "- ".to_owned() };
            number += 1;
            out.push_str(&prefixed(&tight(&item), &marker, &" ".repeat(marker.len())));
            out.push('\n');
        }
        out.truncate(out.trim_end().len());
        out
    }

    fn code(&self, id: Id) -> String {
        let mut text = String::new();
        let mut language = "";
        let mut next = Some(id);
        while let Some(at) = next {
            if self.dropped[at] {
                next = self.dom.following(id, at, false);
                continue;
            }
            match &self.dom.node(at).data {
                Data::Text(piece) => text.push_str(piece),
                Data::Element(element) => {
                    if element.name() == "br" || (is_block(element.name()) && !text.is_empty() && at != id) {
                        text.push('\n');
                    }
                    let classes = element.attribute("class").unwrap_or_default().split_ascii_whitespace();
                    let named =
                        classes.filter_map(|class| class.strip_prefix("language-").or(class.strip_prefix("lang-")));
                    language = named.fold(language, |_, named| named);
                }
                Data::Other => {}
            }
            next = self.dom.following(id, at, true);
        }
        let text = text.trim_matches('\n').trim_end();
        if text.trim().is_empty() {
            return String::new();
        }
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        let known = language.chars().all(|c| c.is_ascii_alphanumeric() || "+-#_".contains(c));
        format!("{fence}{}\n{text}\n{fence}", if known { language } else { "" })
    }

    /// A node's content on one line.
    pub fn line(&self, id: Id, depth: usize) -> String {
        let mut line = String::new();
        for child in self.dom.children(id) {
            self.inline(child, depth + 1, &mut line);
        }
        line.replace('\n', " ").trim().to_owned()
    }

    fn inline(&self, id: Id, depth: usize, line: &mut String) {
        if self.dropped[id] {
            return;
        }
        let element = match &self.dom.node(id).data {
            Data::Text(text) => return push(line, &escape(&collapse(text))),
            Data::Element(element) => element,
            Data::Other => return,
        };
        if depth > DEPTH_MOST {
            return push(line, &escape(&collapse(&self.visible(id))));
        }
        let inner = |within: &mut String| {
            for child in self.dom.children(id) {
                self.inline(child, depth + 1, within);
            }
        };
        match element.name() {
            "br" => {
                line.truncate(line.trim_end_matches(' ').len());
                line.push('\n');
            }
            "wbr" | "img" => {}
            "b" | "strong" => {
                let mut within = String::new();
                inner(&mut within);
                push(line, &wrapped(&within, "**"));
            }
            "code" | "kbd" | "samp" | "tt" => {
                let text = collapse(&self.visible(id));
                let fence = if text.contains('`') { "``" } else { "`" };
                push(line, &wrapped(&text, fence));
            }
            "a" => {
                let mut within = String::new();
                inner(&mut within);
                push(line, &self.link(element.attribute("href"), &within));
            }
            "li" | "td" | "th" | "p" | "div" | "tr" | "dd" | "dt" => {
                push(line, " ");
                inner(line);
                push(line, " ");
            }
            _ => inner(line),
        }
    }

    fn link(&self, href: Option<&str>, text: &str) -> String {
        let href = href.unwrap_or_default().trim();
        let shown = text.trim();
        if shown.is_empty() || href.is_empty() || href.starts_with('#') || shown.contains('\n') {
            return text.to_owned();
        }
        let own = ["mailto:", "tel:"].iter().any(|scheme| href.starts_with(scheme));
        let url = if own { Some(href.replace([' ', '(', ')', '<', '>', '\n'], "")) } else { resolve(self.base, href) };
        match url {
            Some(url) if shown != url && url.len() <= 500 => {
                let url = url.replace('(', "%28").replace(')', "%29");
                let (before, after) = (&text[..text.len() - text.trim_start().len()], &text[text.trim_end().len()..]);
                format!("{before}[{shown}]({url}){after}")
            }
            _ => text.to_owned(),
        }
    }

    /// The text within that isn't left out.
    pub fn visible(&self, root: Id) -> String {
        let mut text = String::new();
        let mut next = Some(root);
        while let Some(id) = next {
            let keep = !self.dropped[id];
            if keep {
                match &self.dom.node(id).data {
                    Data::Text(piece) => text.push_str(piece),
                    Data::Element(element) if is_block(element.name()) || element.name() == "br" => text.push(' '),
                    _ => {}
                }
            }
            next = self.dom.following(root, id, keep);
        }
        text
    }
}

/// Ends the open paragraph.
pub fn flush(out: &mut String, line: &mut String) {
    let mut paragraph = String::new();
    for piece in line.split('\n').map(str::trim).filter(|piece| !piece.is_empty()) {
        if !paragraph.is_empty() {
            paragraph.push_str("  \n");
        }
        paragraph.push_str(&unmarked(piece));
    }
    line.clear();
    join(out, &paragraph);
}

pub fn join(out: &mut String, block: &str) {
    if block.trim().is_empty() {
        return;
    }
    if !out.is_empty() {
        out.push_str("\n\n");
    }
    out.push_str(block);
}

/// Adds text to a line, with one space where both have one.
fn push(line: &mut String, text: &str) {
    if line.is_empty() || line.ends_with([' ', '\n']) {
        line.push_str(text.trim_start_matches(' '));
    } else {
        line.push_str(text);
    }
}
