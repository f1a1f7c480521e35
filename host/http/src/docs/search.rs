//! The search in the handbook, by the engine that searches an organization's knowledge.

use std::{fmt::Write, sync::LazyLock};

use resly_search::{
    anchor::slug,
    shelf::{Hit, Shelf},
};

use crate::handbook::{PAGES, render::words};

/// The most characters of a query that are read.
const QUERY: usize = 200;
const RESULTS: usize = 12;
/// The most passages of one page.
const OF_A_PAGE: usize = 3;
/// Characters of a passage that are shown.
const EXCERPT: usize = 220;

/// A place in the handbook.
pub struct Place {
    /// The page's name, and the anchor of the section when it has one.
    pub page: &'static str,
    pub anchor: String,
    /// The heading path.
    pub section: String,
    /// Words of it, without markup.
    pub excerpt: String,
}

/// What the handbook says about something, the best first.
pub fn find(query: &str) -> Vec<Place> {
    static SHELF: LazyLock<Option<Shelf>> = LazyLock::new(|| {
        let shelf = Shelf::new(PAGES.iter().map(|page| (page.title(), page.text)));
        shelf.inspect_err(|error| tracing::error!(%error, "the handbook can't be searched")).ok()
    });
    let query: String = query.chars().take(QUERY).collect();
    // Words that would take long to look for are found by nobody else either.
    let hits = SHELF.as_ref().map(|shelf| shelf.search(&query, RESULTS * 3).unwrap_or_default()).unwrap_or_default();
    let mut shown = vec![0; PAGES.len()];
    let some = hits.into_iter().filter(|hit| {
        shown[hit.of] += 1;
        shown[hit.of] <= OF_A_PAGE
    });
    some.take(RESULTS).map(|hit| place(&hit, &query)).collect()
}

/// The places as a list of links.
pub fn markdown(places: &[Place]) -> String {
    let mut text = "# Handbook\n\n".to_owned();
    if places.is_empty() {
        text.push_str("Nothing in it has these words. `/docs` lists its pages.\n");
    }
    for Place { page, section, excerpt, .. } in places {
        let _ = writeln!(text, "- [{section}](/docs/{page}.md): {excerpt}");
    }
    text
}

fn place(hit: &Hit<'_>, query: &str) -> Place {
    let anchor = slug(hit.section.rsplit(" › ").next().unwrap_or_default());
    Place { page: PAGES[hit.of].name, anchor, section: hit.section.to_owned(), excerpt: excerpt(hit.text, query) }
}

/// The part of a text that begins shortly before a word of the query.
fn excerpt(markdown: &str, query: &str) -> String {
    let words = words(markdown);
    let words: Vec<&str> = words.split_whitespace().collect();
    let sought: Vec<String> = query.split_whitespace().filter(|word| word.len() > 2).map(str::to_lowercase).collect();
    let has = |word: &&str| {
        let word = word.to_lowercase();
        sought.iter().any(|sought| word.contains(sought.as_str()))
    };
    let from = words.iter().position(has).unwrap_or_default().saturating_sub(8);
    let mut text = if from > 0 { "… ".to_owned() } else { String::new() };
    for (at, word) in words.iter().enumerate().skip(from) {
        if text.chars().count() + word.chars().count() > EXCERPT {
            text.push('…');
            break;
        }
        text.push_str(word);
        if at + 1 < words.len() {
            text.push(' ');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_asks_is_found() {
        for (query, page) in [
            ("rotate a key", "api-keys"),
            ("idempotency", "chat-api"),
            ("restore a backup", "operating"),
            ("supabase", "rest"),
            ("how do I write a connector in rust", "writing-a-connector"),
        ] {
            let found = find(query);
            let pages: Vec<_> = found.iter().take(4).map(|place| place.page).collect();
            assert!(pages.contains(&page), "{query}: {pages:?}");
            assert!(found.iter().all(|place| place.excerpt.chars().count() <= EXCERPT + 8), "{query}");
        }
        assert!(find("").is_empty() && find(&"x".repeat(1_000_000)).is_empty());
    }

    #[test]
    fn an_excerpt_begins_shortly_before_a_word_and_has_no_markup() {
        assert_eq!(excerpt("A **key** opens `it`.", "key"), "A key opens it.");
        let text = excerpt(&format!("{} the needle {}", "before ".repeat(40), "after ".repeat(80)), "needle");
        assert!(text.starts_with("… before") && text.contains("the needle") && text.ends_with('…'), "{text}");
        assert_eq!(excerpt("<b>", "b"), "<b>");
    }
}
