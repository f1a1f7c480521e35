//! What was wrong with a form: mistakes beside their fields, and what belongs to no field.

use maud::{Markup, html};
use resly_http::problem::Problem;
use resly_service::FieldError;

use crate::{
    error::{PageError, sentence},
    parts::alert,
};

/// The mistakes of a form that is shown again.
#[derive(Default)]
pub struct Mistakes {
    /// By the path of the member, with what would be right.
    by_path: Vec<(String, String)>,
    /// Why it couldn't be done, when no field is to blame.
    general: Option<String>,
}

impl Mistakes {
    /// The mistakes that a problem tells. One that is the host's is a page of its own.
    pub fn of(problem: Problem) -> Result<Self, PageError> {
        if problem.kind().status.is_server_error() {
            return Err(problem.into());
        }
        let by_path: Vec<_> =
            problem.errors().iter().map(|mistake| (mistake.path.clone(), sentence(&mistake.message))).collect();
        let general = by_path.is_empty().then(|| sentence(problem.detail()));
        Ok(Self { by_path, general })
    }

    pub fn add(&mut self, path: &str, message: &str) {
        self.by_path.push((path.to_owned(), sentence(message)));
    }

    pub fn is_empty(&self) -> bool {
        self.by_path.is_empty() && self.general.is_none()
    }

    pub fn only(path: &str, message: &str) -> Self {
        Self { by_path: vec![(path.to_owned(), message.to_owned())], general: None }
    }

    /// The mistake of a field, also one of its parts as in `include[2]`.
    pub fn at(&self, name: &str) -> Option<&str> {
        let of_it =
            |path: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']));
        self.by_path.iter().find(|(path, _)| of_it(path)).map(|(_, message)| message.as_str())
    }

    /// A notice with what stands beside none of these fields.
    pub fn notice(&self, fields: &[&str]) -> Markup {
        let beside = |path: &str| fields.iter().any(|name| Self::only(path, "").at(name).is_some());
        let rest: Vec<String> = self
            .by_path
            .iter()
            .filter(|(path, _)| !beside(path))
            .map(|(path, message)| format!("{path}: {message}"))
            .chain(self.general.clone())
            .collect();
        html! {
            @for text in &rest { (alert(text)) }
        }
    }
}

impl From<Vec<FieldError>> for Mistakes {
    fn from(errors: Vec<FieldError>) -> Self {
        let by_path = errors.into_iter().map(|error| (error.path, sentence(&error.message))).collect();
        Self { by_path, general: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_stands_beside_its_field_or_above_all() {
        let told = vec![FieldError::new("include[1]", "a path"), FieldError::new("$", "<b>nothing</b>")];
        let Ok(mistakes) = Mistakes::of(Problem::invalid(told)) else { panic!("a page in its place") };
        assert_eq!((mistakes.at("include"), mistakes.at("in"), mistakes.at("url")), (Some("A path."), None, None));
        let above = mistakes.notice(&["include", "url"]).into_string();
        assert!(above.contains("&lt;b&gt;nothing") && !above.contains("A path"), "{above}");
    }
}
