//! The mistakes of a definition, each at the field that has it; what no field has is listed.

use std::cell::Cell;

use maud::{Markup, html};

use crate::{error::sentence, parts::icon};

/// The mistakes of one page.
#[derive(Default)]
pub struct Mistakes(Vec<Mistake>);

struct Mistake {
    /// A JSON Pointer (RFC 6901) into the definition.
    path: String,
    message: String,
    /// Whether a field shows it.
    shown: Cell<bool>,
}

impl Mistakes {
    pub fn new(mistakes: impl IntoIterator<Item = (String, String)>) -> Self {
        let mistake = |(path, message)| Mistake { path, message, shown: Cell::new(false) };
        Self(mistakes.into_iter().map(mistake).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong at this place of the definition or below of it, for the field that writes it. Ask for the innermost
    /// places first.
    pub fn at(&self, path: &str) -> Option<String> {
        let within = |mistake: &&Mistake| {
            let rest = mistake.path.strip_prefix(path);
            !mistake.shown.get() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let found: Vec<&Mistake> = self.0.iter().filter(within).collect();
        for mistake in &found {
            mistake.shown.set(true);
        }
        let told: Vec<String> = found.iter().map(|mistake| sentence(&mistake.message)).collect();
        (!told.is_empty()).then(|| told.join(" "))
    }

    /// How many there are, and those that no field shows. Draw it after the fields.
    pub fn summary(&self) -> Markup {
        if self.is_empty() {
            return Markup::default();
        }
        let many = match self.0.len() {
            1 => "There is a mistake".to_owned(),
            many => format!("There are {many} mistakes"),
        };
        let left: Vec<&Mistake> = self.0.iter().filter(|mistake| !mistake.shown.get()).collect();
        html! {
            div class="notice bad" role="alert" {
                (icon("warn"))
                div {
                    p { (many) @if left.is_empty() { ", told at the field." } @else if left.len() < self.0.len() { ", told at the field, and:" } @else { ":" } }
                    @if !left.is_empty() {
                        ul { @for mistake in left { li { @if !mistake.path.is_empty() { code { (mistake.path) } ": " } (sentence(&mistake.message)) } } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_once_and_what_no_field_has_is_listed() {
        let all = [("/id", "too long"), ("/actions/0/request/url", "no <b>host</b>"), ("/actions/0/x", "unknown")];
        let mistakes = Mistakes::new(all.map(|(path, message)| (path.to_owned(), message.to_owned())));
        assert_eq!(mistakes.at("/id").unwrap(), "Too long.");
        assert_eq!(mistakes.at("/actions/0/request").unwrap(), "No <b>host</b>.");
        assert!(mistakes.at("/actions/0/request").is_none() && mistakes.at("/act").is_none());
        let told = mistakes.summary().into_string();
        assert!(told.contains("There are 3 mistakes, told at the field, and:"), "{told}");
        assert!(told.contains("/actions/0/x") && !told.contains("<b>") && !told.contains("Too long"), "{told}");
        assert!(Mistakes::default().summary().into_string().is_empty());
    }
}
