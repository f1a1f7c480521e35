//! The running heads and feet of a Word document. They are on every page, and once in the text: its first lines and its
//! last.

use std::collections::{HashMap, HashSet};

use crate::document::Failure;

use super::{
    body::{self, Body, Context},
    package::{Package, Relation},
    styles::{Lists, Styles},
};

/// Parts that are read. A document has up to six for each of its sections.
const PARTS_MOST: usize = 200;

#[derive(Default)]
pub struct Running {
    heads: Vec<String>,
    feet: Vec<String>,
}

impl Running {
    pub fn read(
        package: &mut Package<'_>,
        main: &str,
        relations: &[Relation],
        styles: &Styles,
        lists: &Lists,
    ) -> Result<Self, Failure> {
        let none = HashMap::new();
        let context = Context { styles, lists, links: &none, notes: &none };
        let mut running = Self::default();
        let mut seen = HashSet::new();
        for (kind, texts) in [("/header", &mut running.heads), ("/footer", &mut running.feet)] {
            for relation in relations.iter().filter(|relation| relation.kind.ends_with(kind)).take(PARTS_MOST) {
                let part = package.related(main, relation)?;
                if part.is_empty() {
                    continue;
                }
                let Body { text, .. } = body::read(&part, &context)?;
                // Those of the first page and of even pages are mostly the same.
                texts.extend(text.split("\n\n").filter(|text| seen.insert((*text).to_owned())).map(str::to_owned));
            }
        }
        Ok(running)
    }

    /// A text with what stands above and below it on every page, unless it says that itself. An empty text stays empty.
    pub fn around(&self, text: &str) -> String {
        let own = |block: &&String| block.contains(char::is_alphabetic) && !text.contains(plain(block));
        let heads = self.heads.iter().filter(own).map(String::as_str);
        let feet = self.feet.iter().filter(own).map(String::as_str);
        if text.is_empty() {
            return String::new();
        }
        heads.chain([text]).chain(feet).collect::<Vec<_>>().join("\n\n")
    }
}

/// A block without the marks around it.
fn plain(block: &str) -> &str {
    block.trim_matches(|c: char| matches!(c, '#' | '*' | ' ' | '>' | '-'))
}
