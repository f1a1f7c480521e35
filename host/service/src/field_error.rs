//! The mistakes of a request, each with the path of its member.

use resly_manifest::mask;
use serde::Serialize;

/// One mistake of a request. What looks like a secret is masked in both members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where it is, as `settings.shop`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl FieldError {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        let masked = |text: String| mask::secrets(&text).into_owned();
        Self { path: masked(path.into()), message: masked(message.into()) }
    }
}

/// The longest name, in characters.
const NAME: usize = 100;

/// Checks the member `name` of a request.
pub fn check_name(name: &str) -> Option<FieldError> {
    let fits = !name.trim().is_empty() && name.chars().count() <= NAME;
    (!fits).then(|| FieldError::new("name", "1 to 100 characters are expected"))
}
