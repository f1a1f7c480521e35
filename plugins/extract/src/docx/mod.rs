//! Word documents (ECMA-376, WordprocessingML).

mod body;
mod bold;
mod fields;
mod package;
mod running;
mod styles;
mod table;

use std::collections::{HashMap, HashSet};

use quick_xml::{Reader, XmlVersion, events::Event};

use crate::{
    document::{Document, Extracted, Failure, LINKS_MOST},
    titles,
    urls::absolute,
    xml,
};

use self::{
    body::{Body, Context},
    package::{Package, Relation},
    running::Running,
    styles::{Lists, Styles},
};

pub fn extract(document: Document<'_>) -> Result<Extracted, Failure> {
    let mut package = Package::open(document.bytes)?;
    let roots = package.relations("")?;
    let main = roots.iter().find(|relation| relation.kind.ends_with("/officeDocument"));
    let main = main.map_or("word/document.xml", |relation| relation.target.trim_start_matches('/')).to_owned();
    if !main.starts_with("word/") || !package.has(&main) {
        return Err(package.other());
    }
    let relations = package.relations(&main)?;
    let mut part = |kind: &str| part(&mut package, &main, &relations, kind);
    let styles = Styles::read(&part("/styles")?);
    let lists = Lists::read(&part("/numbering")?);
    let (footnotes, endnotes) = (part("/footnotes")?, part("/endnotes")?);
    let links = relations.iter().filter(|relation| relation.kind.ends_with("/hyperlink"));
    let links = links.filter_map(|relation| Some((relation.id.clone(), absolute_or_mail(&relation.target)?))).collect();
    let running = Running::read(&mut package, &main, &relations, &styles, &lists)?;
    let none = HashMap::new();
    let mut notes = HashMap::new();
    for (text, reference) in [(footnotes, "footnoteReference"), (endnotes, "endnoteReference")] {
        if !text.is_empty() {
            let context = Context { styles: &styles, lists: &lists, links: &none, notes: &none };
            let Body { notes: found, .. } = body::read(&text, &context)?;
            notes.extend(found.into_iter().map(|(id, text)| (format!("{reference}{id}"), text)));
        }
    }
    let text = package.text(&main)?.unwrap_or_default();
    let Body { text, title, headings, links, .. } =
        body::read(&text, &Context { styles: &styles, lists: &lists, links: &links, notes: &notes })?;
    let named = titles::given(&named(&package.text("docProps/core.xml")?.unwrap_or_default()));
    // A heading that is alone on the first level is the document's. Of several, the first is that of a part.
    let (alone, first) = (headings.first().filter(|_| headings.len() == 1), headings.first());
    let (text, bold) = bold::headed(text);
    let title = title.or_else(|| alone.cloned()).or(named).or_else(|| first.cloned()).or(bold);
    let text = running.around(&text);
    let mut seen = HashSet::new();
    let links =
        links.iter().filter_map(|link| absolute(link)).filter(|link| seen.insert(link.clone())).take(LINKS_MOST);
    let extracted = Extracted { title, links: links.collect(), text, ..Extracted::default() };
    extracted.checked("the document holds no text; if it only has pictures of text, upload the text itself")
}

/// The text of a part that the main one names by its kind; empty when there is none.
fn part(package: &mut Package<'_>, main: &str, relations: &[Relation], kind: &str) -> Result<String, Failure> {
    let relation = relations.iter().find(|relation| relation.kind.ends_with(kind));
    relation.map_or_else(|| Ok(String::new()), |relation| package.related(main, relation))
}

fn absolute_or_mail(target: &str) -> Option<String> {
    absolute(target).or_else(|| target.starts_with("mailto:").then(|| target.to_owned()))
}

/// The title among the document's properties.
fn named(core: &str) -> String {
    let mut reader = Reader::from_str(core);
    let (mut title, mut within) = (String::new(), false);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => within = xml::local(start.name().as_ref()) == "title",
            Ok(Event::End(_)) => within = false,
            Ok(Event::Text(piece)) if within => title.push_str(&piece.xml_content(XmlVersion::Implicit1_0)),
            Ok(Event::GeneralRef(entity)) if within => title.push_str(&xml::entity(&entity)),
            Ok(Event::Eof) | Err(_) => return title,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
