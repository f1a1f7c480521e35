//! Recognises an expired access token: status 401, or what the manifest's `expired_when` describes.

use resly_core::json;
use resly_manifest::ExpiredWhen;
use serde_json::Value;

/// Whether a response says that the access token has expired.
pub fn says_expired(signs: &[ExpiredWhen], status: u16, body: &[u8]) -> bool {
    if status == 401 {
        return true;
    }
    let mut read = None;
    signs.iter().filter(|sign| sign.status.is_none_or(|wanted| wanted == status)).any(|sign| {
        let contains = sign.body_contains.as_deref().is_none_or(|text| {
            // An empty text is contained in every body.
            !text.is_empty() && memchr::memmem::find(body, text.as_bytes()).is_some()
        });
        contains
            && sign.pointer.as_deref().is_none_or(|pointer| {
                let parsed = read.get_or_insert_with(|| {
                    serde_json::from_slice::<Value>(json::without_bom(body)).unwrap_or(Value::Null)
                });
                match (parsed.pointer(pointer), &sign.equals) {
                    (Some(found), Some(wanted)) => json::same(found, wanted),
                    (Some(found), None) => !found.is_null(),
                    (None, _) => false,
                }
            })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expired(signs: Value, status: u16, body: &str) -> bool {
        let signs: Vec<ExpiredWhen> = serde_json::from_value(signs).unwrap();
        says_expired(&signs, status, body.as_bytes())
    }

    #[test]
    fn what_is_named_has_to_hold_together() {
        assert!(expired(json!([]), 401, ""));
        assert!(!expired(json!([]), 403, ""));
        let slack = json!([{"status": 200, "pointer": "/error", "equals": "token_expired"}]);
        assert!(expired(slack.clone(), 200, r#"{"ok": false, "error": "token_expired"}"#));
        assert!(!expired(slack.clone(), 200, r#"{"ok": false, "error": "not_in_channel"}"#));
        assert!(!expired(slack.clone(), 403, r#"{"error": "token_expired"}"#));
        assert!(!expired(slack, 200, "token_expired"), "it is no JSON");
        let either = json!([{"status": 403, "body_contains": "expired"}, {"pointer": "/e"}]);
        assert!(expired(either.clone(), 403, "the token has expired"));
        assert!(!expired(either.clone(), 403, "you may not"));
        assert!(expired(either.clone(), 200, r#"{"e": 0}"#));
        assert!(!expired(either, 200, r#"{"e": null}"#));
    }
}
