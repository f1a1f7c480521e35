//! Full text: what a person typed, as a query that neither database can misunderstand.
//!
//! Nothing of the input is syntax. It is cut into words of letters and digits, each of which is quoted; any of them is a
//! match, and the ranking tells how good a one.

use resly_core::id::OrganizationId;

/// More of a question than this adds noise and cost, no meaning.
const WORDS: usize = 48;
const CHARS: usize = 8 << 10;
const WORD_CHARS: usize = 64;

/// Words that match nearly everything. PostgreSQL's `english` leaves out more of them by itself.
const STOP: [&str; 60] = [
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do",
    "does", "for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "me", "my", "of",
    "on", "or", "our", "s", "should", "so", "t", "that", "the", "their", "then", "there", "these", "they", "this",
    "to", "was", "we", "were", "what", "when", "which", "will", "with", "would", "you",
];

/// Best first. The organization's own word keeps the search within its posting lists; the join's condition is what
/// keeps others' passages out. `CROSS JOIN` is SQLite's way to say which table comes first ("The SQLite Query
/// Optimizer Overview"): on its own it may run the full-text search again for each of the organization's passages.
pub(super) const SQLITE: &str = "SELECT p.id FROM passages_fts CROSS JOIN passages p ON p.number = passages_fts.rowid
     WHERE passages_fts MATCH $1 AND p.organization_id = $2
     ORDER BY bm25(passages_fts, 0.0, 4.0, 2.0, 1.0), p.number LIMIT $3";

/// Best first; 1 divides the rank by the logarithm of the length, as bm25 does in its way.
pub(super) const POSTGRES: &str = "SELECT p.id FROM passages p, to_tsquery('english', $1) AS query
     WHERE p.search @@ query AND p.organization_id = $2
     ORDER BY ts_rank(p.search, query, 1) DESC, p.source_id, p.position LIMIT $3";

/// A question of so few telling words is looked for as a whole, too: "What is Resly?" asks for a heading.
const FEW: usize = 2;
/// A longer phrase is nobody's heading.
const PHRASE: usize = 8;

/// What to look for: words in lower case, each once, and for a short question the whole of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    pub words: Vec<String>,
    pub phrase: Option<String>,
}

/// Common words count only when there is nothing else.
pub(super) fn terms(query: &str) -> Terms {
    let mut said: Vec<String> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let query: String = query.chars().take(CHARS).flat_map(char::to_lowercase).collect();
    for word in query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word: String = word.chars().take(WORD_CHARS).collect();
        if said.len() <= PHRASE {
            said.push(word.clone());
        }
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let telling = words.iter().filter(|word| !STOP.contains(&word.as_str())).take(WORDS).cloned().collect::<Vec<_>>();
    let phrase = (telling.len() <= FEW && (2..=PHRASE).contains(&said.len())).then(|| said.join(" "));
    if !telling.is_empty() {
        return Terms { words: telling, phrase };
    }
    words.truncate(WORDS);
    Terms { words, phrase }
}

/// FTS5's query syntax.
pub(super) fn for_sqlite(organization: OrganizationId, terms: &Terms) -> String {
    let words = terms.words.iter().chain(&terms.phrase).map(|words| format!("\"{words}\""));
    let words = words.collect::<Vec<_>>().join(" OR ");
    format!("tenant : \"{}\" AND {{title section text}} : ({words})", organization.0.simple())
}

/// The syntax of `to_tsquery`, which drops common words from phrases too, so that a phrase would tell nothing new.
pub(super) fn for_postgres(terms: &Terms) -> String {
    terms.words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_and_digits_get_through() {
        assert_eq!(
            terms("How do I \"refund\" an order*? NEAR(x, 2) -- '; DROP").words,
            ["refund", "order", "near", "x", "2", "drop"]
        );
        assert_eq!(terms("🤷‍♀️ … \0 ()"), Terms::default());
        assert_eq!(terms("what is the").words, ["what", "is", "the"]);
        assert_eq!(terms("What is Resly?").phrase.as_deref(), Some("what is resly"));
        assert_eq!(terms("refunds?").phrase, None);
        assert_eq!(terms("refunds for orders from abroad").phrase, None);
    }

    #[test]
    fn the_longest_input_is_a_short_query() {
        let long: String = (0..20_000).map(|n| format!("w{n} ")).collect();
        assert_eq!((terms(&long).words.len(), terms(&long).phrase), (WORDS, None));
        assert_eq!(terms(&"x".repeat(100_000)).words, ["x".repeat(WORD_CHARS)]);
    }
}
