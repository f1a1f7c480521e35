//! Pages: the content that matters as Markdown, and what the page says of itself.

mod content;
mod dom;
mod markdown;
mod noise;
mod table;
mod words;

use std::collections::HashSet;

use crate::{
    charset,
    document::{Document, Extracted, Failure, LINKS_MOST, one_line},
    titles,
    urls::{Base, absolute, resolve},
};

pub use self::words::escape;

use self::{
    content::Content,
    dom::{DOCUMENT, Dom},
    markdown::Writer,
};

/// Letters of a text under which the page is read once more, whole.
const LITTLE: usize = 20;

pub fn extract(document: Document<'_>) -> Result<Extracted, Failure> {
    let within = charset::declared_within(document.bytes);
    let declared = [charset::of_content_type(document.content_type), within.as_deref()];
    let text = charset::decode(document.bytes, &declared);
    read(&text, document.name)?.checked(
        "the page holds no text; if a browser shows one, scripts write it, so upload the text itself or use another page",
    )
}

/// Reads a page that is decoded already.
pub fn read(page: &str, name: Option<&str>) -> Result<Extracted, Failure> {
    let dom = Dom::parse(page)?;
    let own = name.and_then(absolute);
    let stated = dom.within(DOCUMENT).find(|id| dom.name(*id) == "base").and_then(|id| dom.attribute(id, "href"));
    let stated = stated.and_then(|href| resolve(own.as_deref().and_then(Base::parse), href));
    let base = stated.or(own);
    let base = base.as_deref().and_then(Base::parse);
    let content = content::find(&dom);
    let mut text = write(&dom, &content, base);
    if text.len() < LITTLE {
        let whole = write(&dom, &content::whole(&dom), base);
        if whole.len() > text.len() {
            text = whole;
        }
    }
    let (noindex, nofollow) = robots(&dom);
    Ok(Extracted {
        title: title(&dom, &content),
        text,
        links: links(&dom, base),
        canonical: canonical(&dom, base),
        noindex,
        nofollow,
        note: None,
    })
}

fn write(dom: &Dom, content: &Content, base: Option<Base<'_>>) -> String {
    let writer = Writer { dom, dropped: &content.dropped, base };
    writer.blocks(content.root, 0)
}

/// The heading of the content, else what the page is called, without the name of its site.
fn title(dom: &Dom, content: &Content) -> Option<String> {
    let writer = Writer { dom, dropped: &content.dropped, base: None };
    let named = dom.within(DOCUMENT).find(|id| dom.name(*id) == "title").and_then(|id| titles::given(&dom.text(id)));
    let headings = |root: usize, deepest: usize| {
        let levels = move |id: &usize| markdown::heading(dom, *id).is_some_and(|level| level <= deepest);
        dom.within(root).filter(levels).filter_map(|id| one_line(&words::collapse(&writer.visible(id))))
    };
    let in_name = |heading: &String| named.as_ref().is_some_and(|named| named.contains(heading.as_str()));
    let own = headings(content.root, 1).next();
    // Where the content has no heading of the first level: one that the page's name has, too.
    let own = own.or_else(|| headings(content.root, 3).find(in_name));
    let own = own.or_else(|| headings(DOCUMENT, 1).filter(in_name).last());
    let title =
        own.or_else(|| headings(DOCUMENT, 1).next()).or_else(|| titles::given(&meta(dom, "og:title")?)).or_else(|| {
            let named = named.clone()?;
            let cut = [" | ", " – ", " — ", " - ", " :: ", " · "].iter().filter_map(|mark| named.rfind(mark)).max();
            Some(cut.filter(|at| *at >= named.len() / 3).map_or(named.clone(), |at| named[..at].to_owned()))
        });
    // A heading that stands above all others.
    let mut levels = dom.within(content.root).filter_map(|id| markdown::heading(dom, id));
    let alone = levels.next().is_some_and(|first| levels.all(|level| level > first));
    title.or_else(|| headings(content.root, 6).next().filter(|_| alone))
}

fn meta(dom: &Dom, name: &str) -> Option<String> {
    let metas = dom.within(DOCUMENT).filter(|id| dom.name(*id) == "meta");
    let found = metas.filter(|id| {
        let names = ["name", "property"].iter().filter_map(|attribute| dom.attribute(*id, attribute));
        names.into_iter().any(|given| given.eq_ignore_ascii_case(name))
    });
    found.filter_map(|id| one_line(dom.attribute(id, "content")?)).next()
}

fn robots(dom: &Dom) -> (bool, bool) {
    let mut words: HashSet<String> = HashSet::new();
    for id in dom.within(DOCUMENT).filter(|id| dom.name(*id) == "meta") {
        if dom.attribute(id, "name").is_some_and(|name| name.trim().eq_ignore_ascii_case("robots")) {
            let content = dom.attribute(id, "content").unwrap_or_default().to_ascii_lowercase();
            words.extend(content.split([',', ' ']).map(|word| word.trim().to_owned()));
        }
    }
    let none = words.contains("none");
    (none || words.contains("noindex"), none || words.contains("nofollow"))
}

fn canonical(dom: &Dom, base: Option<Base<'_>>) -> Option<String> {
    let links = dom.within(DOCUMENT).filter(|id| dom.name(*id) == "link");
    let named = links.filter(|id| {
        let kinds = dom.attribute(*id, "rel").unwrap_or_default();
        kinds.split_ascii_whitespace().any(|kind| kind.eq_ignore_ascii_case("canonical"))
    });
    named.filter_map(|id| resolve(base, dom.attribute(id, "href")?)).next()
}

fn links(dom: &Dom, base: Option<Base<'_>>) -> Vec<String> {
    let (mut links, mut seen) = (Vec::new(), HashSet::new());
    for id in dom.within(DOCUMENT).filter(|id| matches!(dom.name(*id), "a" | "area")) {
        let relation = dom.attribute(id, "rel").unwrap_or_default();
        if relation.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("nofollow")) {
            continue;
        }
        let href = dom.attribute(id, "href").unwrap_or_default();
        if !href.starts_with('#')
            && let Some(url) = resolve(base, href)
            && seen.insert(url.clone())
        {
            links.push(url);
        }
        if links.len() == LINKS_MOST {
            break;
        }
    }
    links
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod saved_pages;
