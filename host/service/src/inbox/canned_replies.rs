//! Canned replies: texts that agents use again and again. An agent chooses one, and the text comes into the reply with its
//! placeholders filled.

use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, RowId},
};
use resly_store::{CannedReply, CannedReplyError as StoredError};

use crate::{App, FieldError};

/// Bytes of a text.
pub const BODY_BYTES: usize = 4_000;
/// Characters of a name.
pub const NAME_CHARACTERS: usize = 40;
/// What a text may name, with what it stands for. A placeholder without a value becomes nothing.
pub const PLACEHOLDERS: [(&str, &str); 2] =
    [("{{visitor.name}}", "your own id of the visitor"), ("{{agent.name}}", "the name of the agent")];

/// Why a canned reply isn't kept.
#[derive(Debug, thiserror::Error)]
pub enum CannedReplyError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Stored(#[from] StoredError),
}

/// The organization's canned replies, by their names.
#[boxed]
pub async fn list(app: &App, organization: OrganizationId) -> Result<Vec<CannedReply>, StoreError> {
    app.store.canned_replies(organization).await
}

/// Keeps a new canned reply, or replaces the one of this id. Returns it.
#[boxed]
pub async fn put(
    app: &App,
    organization: OrganizationId,
    id: Option<RowId>,
    name: &str,
    body: &str,
) -> Result<CannedReply, CannedReplyError> {
    let name = name.trim().trim_start_matches('/').to_lowercase();
    let mistakes = mistakes(&name, body);
    if !mistakes.is_empty() {
        return Err(CannedReplyError::Invalid(mistakes));
    }
    let now = app.clock.now();
    let kept = |id| CannedReply { id, name, body: body.to_owned(), updated_at: now };
    let stored = match id {
        Some(id) => {
            let reply = kept(id);
            app.store.change_canned_reply(organization, reply.clone()).await.map(|()| reply)
        }
        None => {
            let reply = kept(RowId(app.random.uuid(now)));
            app.store.add_canned_reply(organization, reply.clone()).await.map(|()| reply)
        }
    };
    stored.map_err(|error| match error {
        StoredError::NameTaken => CannedReplyError::Invalid(vec![FieldError::new("name", error.to_string())]),
        other => other.into(),
    })
}

/// Deletes a canned reply.
#[boxed]
pub async fn delete(app: &App, organization: OrganizationId, id: RowId) -> Result<(), CannedReplyError> {
    Ok(app.store.delete_canned_reply(organization, id).await?)
}

fn mistakes(name: &str, body: &str) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    let is_plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.chars().count() > NAME_CHARACTERS || !name.chars().all(is_plain) {
        let message = format!("1 to {NAME_CHARACTERS} letters, digits, `-` and `_` are expected");
        mistakes.push(FieldError::new("name", message));
    }
    if body.trim().is_empty() || body.len() > BODY_BYTES {
        mistakes.push(FieldError::new("body", format!("1 to {BODY_BYTES} bytes are expected")));
    }
    // A placeholder that is misspelt would reach the visitor.
    if let Some(unknown) = unknown_placeholder(body) {
        let known: Vec<_> = PLACEHOLDERS.iter().map(|(name, _)| *name).collect();
        let message = format!("`{unknown}` is no placeholder; there are {}", known.join(" and "));
        mistakes.push(FieldError::new("body", message));
    }
    mistakes
}

fn unknown_placeholder(body: &str) -> Option<&str> {
    let known = |text: &str| PLACEHOLDERS.iter().any(|(name, _)| text.starts_with(name));
    let at = body.match_indices("{{").find(|(at, _)| !known(&body[*at..]))?.0;
    let end = body[at..].find("}}").map_or(body.len(), |end| at + end + 2);
    let end = body.floor_char_boundary(end.min(at + 60));
    Some(&body[at..end])
}

/// The text with its placeholders filled. What is filled in is text, and never a placeholder itself.
pub fn fill(body: &str, visitor: Option<&str>, agent: &str) -> String {
    let mut filled = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find("{{") {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let [(for_visitor, _), (for_agent, _)] = PLACEHOLDERS;
        rest = if let Some(after) = rest.strip_prefix(for_visitor) {
            filled.push_str(visitor.unwrap_or_default());
            after
        } else if let Some(after) = rest.strip_prefix(for_agent) {
            filled.push_str(agent);
            after
        } else {
            filled.push_str("{{");
            &rest[2..]
        };
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once() {
        let body = "Hello {{visitor.name}}, {{agent.name}} here. {{visitor.name}}{{";
        assert_eq!(fill(body, Some("{{agent.name}}"), "Ann"), "Hello {{agent.name}}, Ann here. {{agent.name}}{{");
        assert_eq!(fill("{{visitor.name}}!", None, "Ann"), "!");
    }

    #[test]
    fn every_mistake_is_told_with_its_field() {
        let paths = |name: &str, body: &str| -> Vec<String> {
            mistakes(name, body).into_iter().map(|mistake| mistake.path).collect()
        };
        assert!(paths("grüße_1", "Hello {{visitor.name}}").is_empty());
        assert_eq!(paths("two words", " "), ["name", "body"]);
        assert_eq!(paths(&"n".repeat(NAME_CHARACTERS + 1), "ok {{visitor.mail}} é{{"), ["name", "body"]);
        assert_eq!(unknown_placeholder("{{agent.name}} {{x}} y"), Some("{{x}}"));
        assert_eq!(unknown_placeholder("{{é"), Some("{{é"));
    }
}
