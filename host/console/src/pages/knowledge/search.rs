//! `/console/knowledge/search`: what a search finds, and why each passage ranked where it did.

use axum::extract::{Query, State};
use maud::{Markup, html};
use resly_core::knowledge::Passage;
use resly_http::{Api, problem::Problem};
use resly_service::sources::{self, ExplainedPassage, Explanation, Form, WordMatch};
use serde::Deserialize;

use super::framed;
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    numbers::thousands,
    parts::{Table, Tone, badge, empty, icon},
};

/// Passages that are shown.
const SHOWN: usize = 10;

#[derive(Deserialize)]
pub struct SearchParameters {
    #[serde(default)]
    q: String,
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(SearchParameters { q }): Query<SearchParameters>,
) -> Result<Page, PageError> {
    let found = match q.trim() {
        "" => None,
        query => {
            Some(sources::explain(&api.app, member.session.organization, query, SHOWN).await.map_err(Problem::from)?)
        }
    };
    let body = html! {
        form class="filters" method="get" action="/console/knowledge/search" role="search" {
            div class="field wide" {
                label for="f-q" { "Question or words" }
                input type="search" id="f-q" name="q" value=(q) maxlength="2000" placeholder="How do I get a refund?";
            }
            button class="button primary" { (icon("search")) "Search" }
        }
        @match &found {
            None => (empty("Try what customers ask", "You see the passages that an answer would be given, in their order, and what put them there. A search here isn't counted.", &Markup::default())),
            Some(found) => { (passages(found)) (words(&found.words)) (judged(found)) }
        }
    };
    Ok(framed(member, body))
}

/// The passages, best first, each with its reasons.
pub fn passages(found: &Explanation) -> Markup {
    html! {
        section class="panel" {
            h2 { "Passages" }
            @if found.passages.is_empty() { p class="quiet" { "Nothing is found. An answer would have to do without your knowledge." } }
            @for (at, one) in found.passages.iter().enumerate() { (passage(at, one, &found.words, found.reranked)) }
        }
    }
}

fn passage(at: usize, one: &ExplainedPassage, words: &[WordMatch], reranked: bool) -> Markup {
    let Passage { source_id, title, section, text, score, .. } = &one.passage;
    let matched =
        words.iter().filter(|word| word.telling).filter_map(|word| Some((&word.word, (*word.forms.get(at)?)?)));
    html! {
        article class="passage" {
            h3 {
                span class="number" { (at + 1) } " "
                a href={ "/console/knowledge/" (source_id) } { (title) }
                @if !section.is_empty() { " › " (section) }
            }
            p class="row why" {
                @for (word, form) in matched { (matched_word(word, form)) }
            }
            p class="quiet number" {
                "Score " (format!("{score:.4}"))
                @match one.by_words { Some((rank, score)) => { " · by words " (ordinal(rank)) " (" (format!("{score:.2}")) ")" }, None => " · not by words" }
                @match one.by_vector { Some(rank) => { " · by meaning " (ordinal(rank)) }, None => " · not by meaning" }
                @if let Some(cosine) = one.cosine { " (cosine " (format!("{cosine:.3}")) ")" }
                @if reranked { " · " (ordinal(one.fused)) " before the reranker" }
            }
            p { (excerpt(text)) }
        }
    }
}

fn matched_word(word: &str, form: Form) -> Markup {
    match form {
        Form::Same => badge(Tone::Good, word),
        Form::Inflected => badge(Tone::Good, &format!("{word} (another form)")),
        Form::Related => badge(Tone::Quiet, &format!("{word} (synonym, part or typo)")),
    }
}

/// `1st`, `2nd`, `3rd`, `4th`.
fn ordinal(rank: usize) -> String {
    let ending = match (rank % 10, rank % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{rank}{ending}")
}

fn excerpt(text: &str) -> Markup {
    let shown = &text[..text.floor_char_boundary(600)];
    html! { (shown) @if shown.len() < text.len() { "…" } }
}

fn words(words: &[WordMatch]) -> Markup {
    let mut table =
        Table::new("Words", &["Word", "Says what it is about", "#Share of the question", "#Passages that have it"]);
    for word in words {
        table.row(vec![
            html! { (word.word) },
            html! { @if word.telling { "yes" } @else { "no" } },
            html! { (format!("{:.0} %", word.share * 100.0)) },
            html! { (thousands(word.passages as u64)) },
        ]);
    }
    html! { @if !table.is_empty() { section class="panel" { h2 { "Words" } (table.draw()) } } }
}

/// Whether words and vectors were believed.
fn judged(found: &Explanation) -> Markup {
    let percent = |share: f32| format!("{:.0} %", share * 100.0);
    html! {
        section class="panel" {
            h2 { "How it was judged" }
            ul class="plain" {
                @match found.coverage {
                    None => li { "There is no index of words to search, or nothing is known yet." },
                    Some(coverage) if coverage.is_finite() => li {
                        "The words of the best passage cover " (percent(coverage)) " of the question; at least "
                        (percent(found.least_coverage)) " is needed, and more the farther the nearest meaning is. "
                        @if found.words_count { "So words count." } @else { "So words found nothing that counts." }
                    },
                    Some(_) => li { "The question has no word to judge by, so every passage with one of its words counts." },
                }
                @if let Some(nearest) = found.nearest {
                    li { "The nearest passage by meaning has the cosine " (format!("{nearest:.3}")) ". A place by meaning counts " (format!("{:.1}", found.vector_weight)) " times as much as one by words." }
                } @else { li { "Meaning wasn't compared: there are no vectors, or the embedder didn't answer in time." } }
                li { "Both orders are joined by reciprocal rank fusion: each adds 1 / (60 + place) to a passage's score." }
                @if found.reranked { li { "A reranker then read the best passages beside the question, and set the order and the scores." } }
                li { "The question's language: " code { (found.language) } "." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_as_people_say_them() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal),
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]
        );
    }
}
