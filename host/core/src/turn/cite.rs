//! Numbers the sources that an answer may cite, and finds the ones that it cites.

use crate::knowledge::{Citation, Passage};

const SNIPPET: usize = 240;

/// The sources that were offered to one answer.
#[derive(Default)]
pub struct Citations(Vec<Citation>);

impl Citations {
    /// Adds a passage and returns its number. A passage that was added before keeps its number.
    pub fn passage(&mut self, passage: &Passage) -> u32 {
        let title = if passage.section.is_empty() {
            passage.title.clone()
        } else {
            format!("{} › {}", passage.title, passage.section)
        };
        self.add(title, passage.url.clone(), passage.source_id.to_string(), &passage.text)
    }

    /// Adds sources of an earlier part of the answer, under the numbers that they had there.
    pub fn resume_numbers(&mut self, earlier: &[Citation]) {
        for citation in earlier {
            if self.0.iter().all(|have| have.n != citation.n) {
                self.0.push(citation.clone());
            }
        }
    }

    /// The sources with these numbers.
    pub fn by_numbers(&self, numbers: &[u32]) -> Vec<Citation> {
        self.0.iter().filter(|citation| numbers.contains(&citation.n)).cloned().collect()
    }

    pub fn add(&mut self, title: String, url: Option<String>, source_id: String, text: &str) -> u32 {
        let snippet = snippet(text);
        if let Some(same) = self.0.iter().find(|have| have.source_id == source_id && have.snippet == snippet) {
            return same.n;
        }
        let n = self.0.iter().map(|have| have.n).max().unwrap_or_default().saturating_add(1);
        self.0.push(Citation { n, title, url, source_id, snippet });
        n
    }

    pub fn offered(&self) -> &[Citation] {
        &self.0
    }

    /// The sources whose numbers `answer` names.
    pub fn cited(&self, answer: &str) -> Vec<Citation> {
        self.0.iter().filter(|citation| names(answer, citation.n)).cloned().collect()
    }
}

/// Whether a text has the citation `[n]`, alone or in a list such as `[1, 3]`.
fn names(text: &str, n: u32) -> bool {
    text.split('[').skip(1).any(|rest| {
        rest.split_once(']')
            .is_some_and(|(inside, _)| inside.len() < 40 && inside.split(',').any(|one| one.trim().parse() == Ok(n)))
    })
}

fn snippet(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.len() <= SNIPPET {
        return flat;
    }
    let cut = &flat[..flat.floor_char_boundary(SNIPPET)];
    let cut = cut.rsplit_once(' ').map_or(cut, |(head, _)| head);
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_answer_names_is_cited() {
        let mut citations = Citations::default();
        for (source, text) in [("a", "one"), ("b", "two"), ("c", "three")] {
            citations.add(source.to_owned(), None, source.to_owned(), text);
        }
        let numbers = |answer: &str| citations.cited(answer).iter().map(|c| c.n).collect::<Vec<_>>();
        assert_eq!(numbers("It is so [2]."), [2]);
        assert_eq!(numbers("Both [1, 3]."), [1, 3]);
        assert!(numbers("No number [x].").is_empty());
    }

    #[test]
    fn the_same_passage_keeps_its_number() {
        let mut citations = Citations::default();
        assert_eq!(citations.add("t".into(), None, "s".into(), "x"), 1);
        assert_eq!(citations.add("t".into(), None, "s".into(), "y"), 2);
        assert_eq!(citations.add("t".into(), None, "s".into(), "x"), 1);
    }

    #[test]
    fn what_was_offered_before_keeps_its_number() {
        let mut before = Citations::default();
        for text in ["x", "y", "z"] {
            before.add("t".into(), None, "s".into(), text);
        }
        let mut citations = Citations::default();
        citations.resume_numbers(&before.by_numbers(&[3]));
        citations.resume_numbers(&before.by_numbers(&[3]));
        assert_eq!(citations.add("t".into(), None, "s".into(), "z"), 3);
        assert_eq!(citations.add("t".into(), None, "s".into(), "w"), 4);
        assert_eq!(citations.offered().len(), 2);
    }
}
