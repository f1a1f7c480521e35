//! What a page has around its content: by element, role, visibility, and by the words in classes and ids.

use std::collections::HashSet;

use super::dom::{Dom, Id};

/// Elements that never hold what a page says.
const ELEMENTS: &[&str] = &[
    "script", "style", "noscript", "template", "svg", "math", "canvas", "iframe", "object", "embed", "audio", "video",
    "input", "select", "textarea", "option", "datalist", "nav", "aside", "dialog", "head", "link", "meta", "progress",
    "meter", "map", "menu", "search", "slot", "frame", "frameset", "applet", "source", "track", "param",
];

const ROLES: &[&str] = &[
    "navigation",
    "banner",
    "contentinfo",
    "search",
    "complementary",
    "dialog",
    "alertdialog",
    "menu",
    "menubar",
    "tablist",
    "toolbar",
    "tooltip",
    "progressbar",
    "slider",
    "switch",
    "status",
    "doc-toc",
    "directory",
];

/// Words of classes and ids. A class such as `article-share` or `relatedPosts` is cut into words first.
const WORDS: &[&str] = &[
    "actions",
    "ad",
    "ads",
    "advert",
    "advertisement",
    "announcement",
    "author",
    "avatar",
    "banner",
    "basket",
    "breadcrumb",
    "breadcrumbs",
    "byline",
    "carousel",
    "cart",
    "catlinks",
    "comment",
    "comments",
    "consent",
    "cookie",
    "cookies",
    "crumb",
    "crumbs",
    "cta",
    "disqus",
    "docinfo",
    "drawer",
    "dropdown",
    "editbutton",
    "editsection",
    "feedback",
    "follow",
    "footer",
    "gdpr",
    "helpful",
    "jump",
    "launcher",
    "login",
    "masthead",
    "menu",
    "meta",
    "modal",
    "nav",
    "navbar",
    "navbox",
    "navigation",
    "newsletter",
    "noprint",
    "overlay",
    "pageid",
    "pager",
    "pagination",
    "popup",
    "printfooter",
    "promo",
    "promotion",
    "rating",
    "ratings",
    "reaction",
    "reactions",
    "recommendations",
    "recommended",
    "related",
    "relatedposts",
    "relatives",
    "search",
    "secedit",
    "share",
    "sharedaddy",
    "sharing",
    "sidebar",
    "sidenav",
    "signin",
    "signup",
    "skip",
    "slider",
    "snackbar",
    "social",
    "sponsor",
    "sponsored",
    "subscribe",
    "tags",
    "toast",
    "toc",
    "toolbar",
    "topbar",
    "upsell",
    "vote",
    "votes",
    "widget",
];

/// Words in a row, written together or apart.
const PHRASES: &[&str] = &[
    "tableofcontents",
    "backtotop",
    "returntotop",
    "skiptocontent",
    "lastupdated",
    "editthispage",
    "recentlyviewed",
    "alsolike",
    "morequestions",
    "cookiebar",
    "cookienotice",
    "sitenotice",
    "relatedarticles",
    "relatedposts",
    "versionbadge",
    "sitefooter",
    "siteheader",
    "pagefooter",
    "pagenav",
];

/// Classes of inline elements: what only screen readers say, and links to sections.
const INLINE: &[&str] = &[
    "sr-only",
    "visually-hidden",
    "screen-reader-text",
    "hash-link",
    "headerlink",
    "anchor-link",
    "mw-editsection",
    "mw-jump-link",
    "skip-link",
    "tocnumber",
    "reference",
];

pub struct Noise<'a> {
    dom: &'a Dom,
    /// The ids that buttons of this page open.
    opened: HashSet<&'a str>,
}

impl<'a> Noise<'a> {
    pub fn new(dom: &'a Dom) -> Self {
        let mut opened = HashSet::new();
        for id in dom.within(super::dom::DOCUMENT) {
            let Some(element) = dom.element(id) else { continue };
            for name in ["aria-controls", "data-target", "data-bs-target", "href"] {
                if let Some(value) = element.attribute(name)
                    && (name != "href" || value.starts_with('#'))
                {
                    opened.extend(value.split_ascii_whitespace().map(|id| id.trim_start_matches('#')));
                }
            }
        }
        Self { dom, opened }
    }

    /// Whether an element is around the content by what it is, wherever it stands.
    pub fn by_element(&self, id: Id) -> bool {
        let Some(element) = self.dom.element(id) else { return false };
        let name = element.name();
        if ELEMENTS.contains(&name) || element.attribute("role").is_some_and(|role| ROLES.contains(&role)) {
            return true;
        }
        match name {
            "button" => !self.opens(id),
            "header" | "footer" => !self.dom.ancestors(id).any(|above| {
                matches!(self.dom.name(above), "main" | "article" | "section")
                    || self.dom.attribute(above, "role") == Some("main")
            }),
            "form" => self.dom.within(id).filter(|within| self.dom.name(*within) == "p").count() < 3,
            "sup" => element.attribute("class").is_some_and(|class| class.contains("reference")),
            _ => self.is_hidden(id),
        }
    }

    /// A button that opens a part of the page, such as a question its answer.
    fn opens(&self, button: Id) -> bool {
        let heads = |id: Id| matches!(self.dom.name(id), "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "summary" | "dt");
        let opens = ["aria-expanded", "aria-controls"].iter().any(|name| self.dom.attribute(button, name).is_some());
        self.dom.ancestors(button).take(3).any(heads)
            || (opens && self.dom.attribute(button, "aria-haspopup").is_none())
    }

    /// What the page hides and no button of it opens.
    fn is_hidden(&self, id: Id) -> bool {
        let Some(element) = self.dom.element(id) else { return false };
        let style = element.attribute("style").unwrap_or_default();
        let hidden = element.attribute("hidden").is_some()
            || element.attribute("aria-hidden") == Some("true")
            || style.replace(' ', "").contains("display:none");
        let opened = element.attribute("id").is_some_and(|id| self.opened.contains(id))
            || matches!(element.attribute("role"), Some("region" | "tabpanel"))
            || element.attribute("itemprop").is_some();
        hidden && !opened
    }

    /// Whether an element's classes and id say that it is around the content.
    pub fn by_words(&self, id: Id) -> bool {
        let Some(element) = self.dom.element(id) else { return false };
        let classes = element.attribute("class").unwrap_or_default();
        let inline = matches!(element.name(), "span" | "a" | "b" | "i" | "em" | "small" | "label" | "sup");
        let skipped = matches!(
            element.name(),
            "html" | "body" | "main" | "article" | "td" | "th" | "tr" | "tbody" | "pre" | "code" | "h1" | "h2" | "h3"
        );
        if inline {
            return classes.split_ascii_whitespace().any(|class| INLINE.contains(&class))
                || (element.name() != "span" && classes.split_ascii_whitespace().any(is_named))
                || (element.name() == "a"
                    && words(classes).iter().any(|word| matches!(word.as_str(), "button" | "btn")));
        }
        let names = [element.attribute("id").unwrap_or_default(), element.attribute("data-role").unwrap_or_default()];
        let custom = element.name().contains('-').then_some(element.name());
        let names = names.into_iter().chain(classes.split_ascii_whitespace()).chain(custom);
        !skipped && names.into_iter().any(is_named)
    }
}

/// Whether a class, an id or the name of a custom element has one of the words.
fn is_named(name: &str) -> bool {
    let words = words(name);
    // `menu-item-text`, `no-comment` and the like: what a word belongs to is mostly said by the last two.
    let together = words.concat();
    PHRASES.iter().any(|phrase| together.contains(phrase))
        || (words.len() <= 5 && words.iter().any(|word| WORDS.contains(&word.as_str())))
}

fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut lower = false;
    for c in name.chars() {
        let starts = !c.is_alphanumeric() || (c.is_uppercase() && lower);
        if starts && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        lower = c.is_lowercase();
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_by_their_words() {
        for noise in ["article-share", "relatedPosts", "site_footer", "cookie-notice", "theme-back-to-top-button"] {
            assert!(is_named(noise), "{noise}");
        }
        for content in ["article-body", "header", "shadow-md", "language-python", "note", "thread", "navy"] {
            assert!(!is_named(content), "{content}");
        }
    }
}
