//! Word documents (ECMA-376, WordprocessingML).

mod body;
mod package;
mod styles;

use std::collections::{HashMap, HashSet};

use quick_xml::{Reader, XmlVersion, events::Event};

use crate::{
    document::{Document, Extracted, Failure, LINKS_MOST, one_line},
    urls::absolute,
    xml,
};

use self::{
    body::{Body, Context},
    package::{Package, Relation},
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
    let Body { text, title, links, .. } =
        body::read(&text, &Context { styles: &styles, lists: &lists, links: &links, notes: &notes })?;
    let core = package.text("docProps/core.xml")?.unwrap_or_default();
    let mut seen = HashSet::new();
    let links =
        links.iter().filter_map(|link| absolute(link)).filter(|link| seen.insert(link.clone())).take(LINKS_MOST);
    let extracted =
        Extracted { title: title.or_else(|| named(&core)), links: links.collect(), text, ..Extracted::default() };
    extracted.checked("the document holds no text; if it only has pictures of text, upload the text itself")
}

/// The text of a part that the main one names by its kind; empty when there is none.
fn part(package: &mut Package<'_>, main: &str, relations: &[Relation], kind: &str) -> Result<String, Failure> {
    let Some(relation) = relations.iter().find(|relation| relation.kind.ends_with(kind)) else {
        return Ok(String::new());
    };
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
    let name = relation.target.strip_prefix('/').map_or_else(|| format!("{folder}/{}", relation.target), str::to_owned);
    Ok(package.text(&name)?.unwrap_or_default())
}

fn absolute_or_mail(target: &str) -> Option<String> {
    absolute(target).or_else(|| target.starts_with("mailto:").then(|| target.to_owned()))
}

/// The title among the document's properties.
fn named(core: &str) -> Option<String> {
    let mut reader = Reader::from_str(core);
    let (mut title, mut within) = (String::new(), false);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => within = xml::local(start.name().as_ref()) == "title",
            Ok(Event::End(_)) => within = false,
            Ok(Event::Text(piece)) if within => title.push_str(&piece.xml_content(XmlVersion::Implicit1_0)),
            Ok(Event::GeneralRef(entity)) if within => title.push_str(&xml::entity(&entity)),
            Ok(Event::Eof) | Err(_) => return one_line(&title),
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
