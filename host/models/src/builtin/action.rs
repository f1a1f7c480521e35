//! Which action a question asks for, if any.

use std::collections::HashSet;

use resly_core::model::{ActionSpec, ToolSpec};
use serde_json::{Map, Value};

use super::input::{self, FilledInput};
use crate::words::{spaced, stems, topic, words};

/// Actions whose input is worked out; the others match the question less.
const TRIED: usize = 12;

#[derive(Debug, PartialEq)]
pub enum ActionChoice {
    Call {
        connection: String,
        action: String,
        input: Map<String, Value>,
    },
    /// An action fits, but an input is missing: what to ask for.
    Ask(String),
    None,
}

impl ActionChoice {
    pub fn is_call(&self) -> bool {
        matches!(self, Self::Call { .. })
    }
}

/// How an action fits.
struct Fit<'a> {
    action: &'a ActionSpec,
    /// A workflow rule asks for it.
    triggered: bool,
    /// The question has one of the phrases that its description gives as examples.
    phrased: bool,
    /// The customer speaks of their own of what it is named after: "my order".
    mine: bool,
    /// Words of the question in its title or id.
    named: usize,
    /// Words of the question in its description or its connection's name, too.
    described: usize,
}

/// Chooses among the actions that the tools reach. `quoted` says that the documents have an answer, so that a question
/// that is only near an action is left to them.
pub fn choose(question: &str, tools: &[ToolSpec], quoted: bool) -> ActionChoice {
    let asked = topic(question);
    let lower = question.to_lowercase();
    let actions = tools.iter().flat_map(|tool| &tool.actions);
    let mut fits: Vec<Fit<'_>> = actions.map(|action| fit(action, &asked, &lower)).collect();
    fits.retain(|fit| fit.triggered || (!fit.action.writes && (fit.named > 0 || fit.phrased)));
    // The sort is stable: of equals, the one that was offered first.
    fits.sort_by_key(|fit| std::cmp::Reverse((fit.triggered, fit.phrased, fit.named * 2 + fit.described)));
    fits.truncate(TRIED);
    let mut filled: Vec<(Fit<'_>, FilledInput)> = fits
        .into_iter()
        .map(|fit| {
            let known = stems(&format!("{} {}", fit.action.title, spaced(&fit.action.action))).collect();
            let filled = input::fill(&fit.action.input, &known, question);
            (fit, filled)
        })
        .collect();
    filled.sort_by_key(|(fit, filled)| {
        let ready = filled.missing.is_empty();
        let matched = fit.named * 2 + fit.described + filled.sure * 3;
        std::cmp::Reverse((fit.triggered, ready && filled.sure > 0, ready && fit.triggered, fit.phrased, matched))
    });
    let Some((fit, filled)) = filled.into_iter().next() else { return ActionChoice::None };
    let how = asks_how(question);
    if !filled.missing.is_empty() {
        let asks = fit.triggered || (!how && (fit.phrased || fit.mine));
        return if asks { ActionChoice::Ask(filled.missing) } else { ActionChoice::None };
    }
    let certain = filled.sure > 0;
    let near = fit.phrased || fit.named > 1 || (fit.named > 0 && (!quoted || orders(question)));
    if !(fit.triggered || certain || (near && !(quoted && how))) {
        return ActionChoice::None;
    }
    ActionChoice::Call {
        connection: fit.action.connection.clone(),
        action: fit.action.action.clone(),
        input: filled.input,
    }
}

fn fit<'a>(action: &'a ActionSpec, asked: &HashSet<String>, question: &str) -> Fit<'a> {
    let count = |text: &str| {
        let have: HashSet<String> = stems(text).collect();
        asked.intersection(&have).count()
    };
    let name = format!("{} {}", action.title, spaced(&action.action));
    let named = count(&name);
    let described = count(&format!("{name} {} {}", action.description, spaced(&action.connection))) - named;
    let triggered = action
        .triggers
        .iter()
        .map(|trigger| trigger.trim().to_lowercase())
        .any(|trigger| !trigger.is_empty() && question.contains(&trigger));
    let phrased = phrases(&action.description).iter().any(|phrase| question.contains(phrase));
    let mine = says_mine(question, &stems(&name).collect());
    Fit { action, triggered, phrased, mine, named, described }
}

/// The examples in a description, as in "Use it for questions like: where is my order, has it shipped."
fn phrases(description: &str) -> Vec<String> {
    let examples = description.split_once("like:").map_or("", |(_, examples)| examples);
    let examples = examples.split('.').next().unwrap_or_default().to_lowercase();
    let phrases = examples.split([',', ';', '?']).map(|phrase| phrase.trim().to_owned());
    phrases.filter(|phrase| phrase.split(' ').count() > 2).collect()
}

/// The customer speaks of one of these as their own: "my order", "our last order".
fn says_mine(question: &str, named: &HashSet<String>) -> bool {
    let words: Vec<_> = words(question).collect();
    let own = |text: &str| text.eq_ignore_ascii_case("my") || text.eq_ignore_ascii_case("our");
    words
        .iter()
        .enumerate()
        .any(|(at, word)| own(word.text) && words[at + 1..].iter().take(2).any(|word| named.contains(&word.stem)))
}

/// The customer tells to do something: "show me …".
fn orders(question: &str) -> bool {
    let first = words(question).map(|word| word.text.to_lowercase()).find(|word| word != "please");
    first.is_some_and(|first| matches!(first.as_str(), "show" | "find" | "search" | "list" | "look" | "check"))
}

/// The customer asks how something is done, which is for the documents.
fn asks_how(question: &str) -> bool {
    let mut first = words(question).map(|word| word.text.to_lowercase());
    match (first.next().as_deref(), first.next().as_deref()) {
        (Some("how"), Some("many" | "much")) => false,
        (Some("how" | "why"), _) | (Some("what"), Some("does" | "do" | "can")) => true,
        (Some("can"), Some("i" | "we" | "you")) => true,
        _ => false,
    }
}
