//! What a person said about the calls that wait for them: parts of the last message in the state `approval-responded`, as
//! the AI SDK sends them by itself.

use resly_core::{approval::Verdict, id::ApprovalId};
use resly_service::FieldError;
use serde_json::Value;

use super::NAME_CAP;

/// The most verdicts at once; an answer asks for fewer.
const VERDICTS_CAP: usize = 32;
/// Bytes of a person's reason; the rest is cut, with a mark.
const REASON_CAP: usize = 500;

/// What a person said in the AI SDK's client: `approval: {id, approved, reason?}` of the assistant's parts whose `state` is
/// `approval-responded`. Which calls these are about, only the stored approvals tell.
pub(super) fn verdicts_of(
    at: usize,
    item: &Value,
    mistakes: &mut Vec<FieldError>,
) -> Vec<(Result<ApprovalId, String>, Verdict)> {
    let assistants = item.get("role").and_then(Value::as_str) == Some("assistant");
    let parts = item.get("parts").and_then(Value::as_array).filter(|_| assistants);
    let mut verdicts = Vec::new();
    for (part_at, part) in parts.into_iter().flatten().enumerate() {
        if part.get("state").and_then(Value::as_str) != Some("approval-responded") {
            continue;
        }
        let approval = &part["approval"];
        let path = |field: &str| format!("messages[{at}].parts[{part_at}].approval.{field}");
        let Some(id) = approval["id"].as_str().filter(|id| id.len() <= NAME_CAP) else {
            mistakes.push(FieldError::new(path("id"), "the approval's id is expected"));
            continue;
        };
        let verdict = match approval["approved"].as_bool() {
            Some(true) => Verdict::Approve,
            Some(false) => Verdict::Decline { reason: approval["reason"].as_str().and_then(reason) },
            None => {
                mistakes.push(FieldError::new(path("approved"), "true or false is expected"));
                continue;
            }
        };
        verdicts.push((id.parse().map_err(|_| id.to_owned()), verdict));
    }
    if verdicts.len() > VERDICTS_CAP {
        mistakes.push(FieldError::new(
            format!("messages[{at}].parts"),
            format!("at most {VERDICTS_CAP} approvals at once"),
        ));
    }
    verdicts
}

/// A person's reason for a no, without what isn't text, and not longer than anybody reads.
pub fn reason(text: &str) -> Option<String> {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match flat.trim() {
        "" => None,
        flat if flat.len() <= REASON_CAP => Some(flat.to_owned()),
        flat => Some(format!("{}…", &flat[..flat.floor_char_boundary(REASON_CAP)])),
    }
}
