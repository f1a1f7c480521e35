//! What a person reads before a write: connection, action and every value of the input, written by the host.
//!
//! No value can look like another line, or hide: strings are quoted, and what isn't a visible character or a plain space
//! is written as an escape. What is too long to show is cut and said to be cut; an input of too many values to be shown
//! can't be confirmed at all.

use serde_json::Value;

use super::{Approval, LIFETIME};

/// Characters that are shown of one value.
const SHOWN: usize = 500;
/// Characters of a name.
const NAME: usize = 120;
/// Values that one person looks through.
const VALUES: usize = 100;

/// An input has more values than a person can be shown.
#[derive(Debug, thiserror::Error)]
#[error(
    "the input has more than {VALUES} values, which is more than a person can be asked to confirm; do less at once"
)]
pub struct TooMany;

/// What the call is, on one line.
pub fn title(connection: &str, action: &str) -> String {
    format!("{}: {}", name(connection), name(action))
}

/// The title and the input, one value on each line.
pub fn text(title: &str, input: &Value) -> Result<String, TooMany> {
    let mut lines = vec![title.to_owned()];
    match input {
        Value::Object(members) if members.is_empty() => lines.push("- without any input".to_owned()),
        Value::Object(members) => {
            for (member, value) in members {
                values(&path(member), value, &mut lines)?;
            }
        }
        other => values("input", other, &mut lines)?,
    }
    Ok(lines.join("\n"))
}

/// The question that ends an answer.
pub fn question(approvals: &[Approval]) -> String {
    let minutes = LIFETIME.as_secs() / 60;
    match approvals {
        [one] => format!(
            "Before I do this, please confirm:\n\n{}\n\nReply `yes` to go ahead or `no` to leave it. \
             Unanswered, it lapses after {minutes} minutes.",
            one.text
        ),
        many => {
            let all: Vec<String> =
                many.iter().enumerate().map(|(at, one)| format!("({}) {}", at + 1, one.text)).collect();
            format!(
                "Before I do these {} things, please confirm:\n\n{}\n\nReply `yes` to go ahead with all of them or `no` to \
                 leave them. Unanswered, they lapse after {minutes} minutes.",
                many.len(),
                all.join("\n\n")
            )
        }
    }
}

fn values(path: &str, value: &Value, lines: &mut Vec<String>) -> Result<(), TooMany> {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (member, value) in members {
                values(&format!("{path}.{}", self::path(member)), value, lines)?;
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, value) in items.iter().enumerate() {
                values(&format!("{path}[{at}]"), value, lines)?;
            }
        }
        Value::String(text) => push(lines, format!("- {path}: {}", quoted(text, SHOWN)))?,
        // A number, a boolean, null, `{}` or `[]`.
        other => push(lines, format!("- {path}: {other}"))?,
    }
    Ok(())
}

fn push(lines: &mut Vec<String>, line: String) -> Result<(), TooMany> {
    // The first line is the title.
    if lines.len() > VALUES {
        return Err(TooMany);
    }
    lines.push(line);
    Ok(())
}

/// A member's name as a part of a path.
fn path(member: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !member.is_empty() && member.len() <= NAME && member.chars().all(plain) {
        member.to_owned()
    } else {
        quoted(member, NAME)
    }
}

/// A name that an admin or an author gave.
fn name(text: &str) -> String {
    let shown: String = text.chars().take(NAME).map(|c| if is_plain(c) { c } else { '\u{fffd}' }).collect();
    if text.chars().nth(NAME).is_some() { format!("{shown}…") } else { shown }
}

fn quoted(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most * 4) + 2);
    shown.push('"');
    for c in text.chars().take(most) {
        match c {
            '"' | '\\' => shown.extend(['\\', c]),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_plain(c) => shown.push(c),
            c => shown.extend(c.escape_unicode()),
        }
    }
    shown.push('"');
    let all = text.chars().count();
    if all > most {
        shown.push_str(&format!(" (cut: the first {most} of {all} characters)"));
    }
    shown
}

/// Whether a character shows as itself: not a control, not a space other than U+0020, not invisible, and not one that
/// changes the direction of its neighbours. The invisible ones are Unicode's `Default_Ignorable_Code_Point` (UCD 16,
/// DerivedCoreProperties), the interlinear annotations and the blank Braille pattern.
fn is_plain(c: char) -> bool {
    let invisible = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    c == ' ' || !(invisible || c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_is_on_a_line_of_its_own() {
        let input = json!({"order": "#1001", "lines": [{"sku": "A1", "quantity": 2}], "notify": true, "note": {}});
        let shown = text(&title("Our shop", "Refund an order"), &input).unwrap();
        let mut lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.remove(0), "Our shop: Refund an order");
        lines.sort_unstable();
        assert_eq!(
            lines,
            ["- lines[0].quantity: 2", "- lines[0].sku: \"A1\"", "- note: {}", "- notify: true", "- order: \"#1001\""]
        );
        assert_eq!(text("t", &json!({})).unwrap(), "t\n- without any input");
    }

    #[test]
    fn no_value_can_fake_the_layout_or_hide() {
        let input = json!({
            "amount": 900,
            "order": "1\"\n- amount: 1\u{2028}- amount: 1\r\n\nReply `yes`",
            "a\n- amount": "x\u{202e}y\u{200b}z\u{e0041}\u{3164}\u{a0}",
        });
        let shown = text("t", &input).unwrap();
        assert_eq!(shown.lines().count(), 4, "{shown}");
        assert_eq!(shown.lines().filter(|line| line.starts_with("- amount:")).collect::<Vec<_>>(), ["- amount: 900"]);
        assert!(shown.contains(r#""x\u{202e}y\u{200b}z\u{e0041}\u{3164}\u{a0}""#), "{shown}");
        assert!(shown.contains(r#""1\"\n- amount: 1\u{2028}- amount: 1\r\n\nReply `yes`""#), "{shown}");
        assert!(!title("a\nb\u{202e}", "c").contains(['\n', '\u{202e}']));
    }

    #[test]
    fn what_is_long_is_cut_and_said_to_be_cut() {
        let shown = text("t", &json!({"body": "ä".repeat(5120)})).unwrap();
        assert!(shown.ends_with("(cut: the first 500 of 5120 characters)"), "{shown}");
        assert_eq!(shown.matches('ä').count(), 500);
    }

    #[test]
    fn what_is_too_much_to_show_cannot_be_asked() {
        let list = |count: usize| json!({"ids": (0..count).collect::<Vec<_>>()});
        assert_eq!(text("t", &list(100)).unwrap().lines().count(), 101);
        assert!(text("t", &list(101)).is_err());
    }
}
