//! What is wrong with a form that was sent, for the fields that show it.

use resly_service::FieldError;

use crate::error::sentence;

/// The mistakes of a form; none before it is sent.
#[derive(Default)]
pub struct Mistakes(Vec<(String, String)>);

impl Mistakes {
    pub fn none() -> Self {
        Self::default()
    }

    /// The mistake of a field, or of one of its values.
    pub fn of(&self, field: &str) -> Option<&str> {
        let is = |path: &str| path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('['));
        self.0.iter().find(|(path, _)| is(path)).map(|(_, message)| message.as_str())
    }

    pub fn add(&mut self, field: &str, message: &str) {
        self.0.push((field.to_owned(), sentence(message)));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<FieldError>> for Mistakes {
    fn from(errors: Vec<FieldError>) -> Self {
        Self(errors.into_iter().map(|error| (error.path, sentence(&error.message))).collect())
    }
}
