//! A person's verdicts on pending calls: the parts of the last message in the state `approval-responded`, as the AI SDK
//! sends them.

use resly_core::{approval::Verdict, conversation::CLIENT_NAME_BYTES, id::ApprovalId};
use resly_service::FieldError;
use serde_json::Value;

/// The most verdicts at once; an answer asks for fewer.
const VERDICTS_CAP: usize = 32;
/// The most bytes of a person's reason. The rest is cut, with a mark.
const REASON_CAP: usize = 500;

/// Reads verdicts from the assistant's parts in the state `approval-responded`: `approval: {id, approved, reason?}`.
/// Only the stored approvals decide which calls they are about.
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
        let Some(id) = approval["id"].as_str().filter(|id| id.len() <= CLIENT_NAME_BYTES) else {
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

/// Reads a person's reason, without control characters and cut to a readable length.
pub fn reason(text: &str) -> Option<String> {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match flat.trim() {
        "" => None,
        flat if flat.len() <= REASON_CAP => Some(flat.to_owned()),
        flat => Some(format!("{}…", &flat[..flat.floor_char_boundary(REASON_CAP)])),
    }
}
