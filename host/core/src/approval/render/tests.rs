//! The question as people see it, in plain text and as Markdown, whatever a model or a stranger put into it.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::json;

use super::*;
use crate::{
    approval::ApprovalState,
    id::{ApprovalId, ConnectionId, ConversationId, KeyId, MessageId, OrganizationId},
    time::Timestamp,
};

/// What misleads in Markdown or HTML, with what a fuzzer would have to find by chance.
const TRICKS: &[&str] = &[
    "[click](https://evil.example)",
    "![x](https://evil.example/?q=1)",
    "**yes**",
    "_a_",
    "~~gone~~",
    "</b><script>alert(1)</script>",
    "<!--",
    "<a href='x'>",
    "`",
    "``",
    "```",
    "`````\n",
    "|a|b|",
    "|-|-|",
    "# heading",
    "> quote",
    "- item",
    "1. item",
    "---",
    "===",
    "https://evil.example/?q=1",
    "www.evil.example",
    "me@evil.example",
    "[0]",
    "[^1]",
    "[x]: https://evil.example",
    "&lt;",
    "\\",
    "\"",
    "$x$",
    "  ",
    " ",
    "\n",
    "\n\n",
    "\u{202e}",
    "\u{a0}",
    "a",
    "7",
];

/// What a model may leave open before the question.
const OPEN: &[&str] = &[
    "```",
    "```text",
    "`````",
    "~~~",
    "~~~~ x",
    "<!--",
    "<?",
    "<!A",
    "<![CDATA[",
    "<pre>",
    "<script>",
    "<style>",
    "<textarea>",
    "<div>",
    "<details>",
    "- item",
    "  ```",
    "1. x",
    "> quote",
    "> ```",
    "`open",
    "**open",
    "[0]: https://evil.example",
    "[^1]: note",
    "| a |",
    "| - |",
    "    code",
    "\tcode",
    "<a href=\"",
    "-->",
    "words",
    "",
];

/// An approval of this, as it is shown.
fn asked(title: String, input: &Value) -> Approval {
    let id = uuid::Uuid::nil();
    let text = text(&title, input).unwrap();
    Approval {
        id: ApprovalId(id),
        organization: OrganizationId(id),
        conversation: ConversationId(id),
        message: MessageId(id),
        call: "c1".to_owned(),
        key: KeyId(id),
        visitor: None,
        connection: ConnectionId(id),
        revision: 1,
        authorized_at: None,
        action: "refund".to_owned(),
        input: input.clone(),
        title,
        text,
        state: ApprovalState::Pending,
        decided_by: None,
        decided_at: None,
        reason: None,
        outcome: None,
        round: crate::approval::round::Round::default(),
        created_at: Timestamp::from_micros(0),
        expires_at: Timestamp::from_micros(1),
    }
}

/// The code spans of a Markdown text that the rest of it can't do anything to; an error names what else is there.
fn spans(markdown: &str) -> Result<Vec<String>, String> {
    let mut spans = Vec::new();
    for event in Parser::new_ext(markdown, Options::all()) {
        match event {
            Event::Code(code) => spans.push(code.into_string()),
            Event::Text(_) | Event::SoftBreak | Event::End(_) => {}
            // The host's own: a paragraph for the title, and a flat list with one item for each value.
            Event::Start(Tag::Paragraph | Tag::List(None) | Tag::Item) => {}
            other => return Err(format!("{other:?} in {markdown}")),
        }
    }
    Ok(spans)
}

/// The text as HTML and plain text show it: each line of it is the whole content of one span.
fn lines(text: &str) -> Vec<String> {
    let bare = |line: &str| {
        let line = line.strip_prefix("- ").unwrap_or(line);
        let fence = line.len() - line.trim_start_matches('`').len();
        let inside = &line[fence..line.rfind('`').unwrap() + 1 - fence];
        if inside.starts_with(' ') { inside[1..inside.len() - 1].to_owned() } else { inside.to_owned() }
    };
    text.lines().map(bare).collect()
}

fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![3 => prop::sample::select(TRICKS).prop_map(str::to_owned), 1 => ".{0,6}"];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_comes_of_a_name_or_a_value_but_code(
        connection in tricky(),
        action in tricky(),
        members in prop::collection::btree_map(tricky(), tricky(), 1..4),
        prose in prop::collection::vec(prop_oneof![
            prop::sample::select(OPEN).prop_map(str::to_owned), tricky()], 0..5),
    ) {
        let input: Value = members.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>().into();
        let approval = asked(title(&connection, &action, Environment::Production), &input);
        let shown = lines(&approval.text);
        prop_assert_eq!(spans(&approval.text).unwrap(), shown.clone());
        // Every value is there, by its own words.
        for value in members.values() {
            let (quoted, _) = quoted(value, SHOWN);
            prop_assert!(shown.iter().any(|line| line.ends_with(&quoted)), "{} isn't in {}", quoted, approval.text);
        }
        let question = question(&[approval.clone(), approval]);
        prop_assert_eq!(spans(&question).unwrap().len(), 2 * shown.len() + 2);

        // And it stays so whatever the model said before.
        let words = prose.join("\n");
        let whole = format!("{words}{}\n\n{question}", ending(&words));
        let read: Vec<String> = Parser::new_ext(&whole, MARKDOWN)
            .filter_map(|event| if let Event::Code(code) = event { Some(code.into_string()) } else { None })
            .collect();
        prop_assert!(read.ends_with(&spans(&question).unwrap()), "{:?}", whole);
    }
}

#[test]
fn every_value_is_on_a_line_of_its_own() {
    let input = json!({"order": "#1001", "lines": [{"sku": "A1", "quantity": 2}], "notify": true, "note": {}});
    let shown = text(&title("Our shop", "Refund an order", Environment::Production), &input).unwrap();
    let mut lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.remove(0), "`Our shop: Refund an order`");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "- `lines[0].quantity: 2`",
            "- `lines[0].sku: \"A1\"`",
            "- `note: {}`",
            "- `notify: true`",
            "- `order: \"#1001\"`"
        ]
    );
    assert_eq!(text("t", &json!({})).unwrap(), "`t`\n- without any input");
}

#[test]
fn no_value_can_fake_the_layout_or_hide() {
    let input = json!({
        "amount": 900,
        "order": "1\"\n- `amount: 1`\u{2028}- amount: 1\r\n\nReply `yes`",
        "a\n- `amount": "x\u{202e}y\u{200b}z\u{e0041}\u{3164}\u{a0}",
        "pad": "a    b",
    });
    let shown = text("t", &input).unwrap();
    assert_eq!(shown.lines().count(), 5, "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("- `amount:")).collect::<Vec<_>>(), ["- `amount: 900`"]);
    assert!(shown.contains(r#""x\u{202e}y\u{200b}z\u{e0041}\u{3164}\u{a0}""#), "{shown}");
    assert!(shown.contains(r#"- ``order: "1\"\n- `amount: 1`\u{2028}- amount: 1\r\n\nReply `yes`"``"#), "{shown}");
    assert!(shown.contains(r#""a \u{20} \u{20}b""#), "several spaces would show as one: {shown}");
    assert!(!title("a\nb\u{202e}", "c", Environment::Sandbox).contains(['\n', '\u{202e}']));
}

#[test]
fn what_is_long_is_cut_and_said_to_be_cut() {
    let shown = text("t", &json!({"body": "ä".repeat(5120)})).unwrap();
    assert!(shown.ends_with("\"` (cut: the first 500 of 5120 characters)"), "{shown}");
    assert_eq!(shown.matches('ä').count(), 500);
}

#[test]
fn what_is_too_much_to_show_cannot_be_asked() {
    let list = |count: usize| json!({"ids": (0..count).collect::<Vec<_>>()});
    assert_eq!(text("t", &list(100)).unwrap().lines().count(), 101);
    assert!(text("t", &list(101)).is_err());
}

#[test]
fn what_a_model_leaves_open_ends_with_its_words() {
    assert_eq!(ending(""), "");
    assert_eq!(ending("I will, **now** [1]."), "");
    assert_eq!(ending("- a\n\n  ```\n  x"), "", "a list and what is in it end by themselves");
    assert_eq!(ending("Look:\n\n````text\nx"), "\n````");
    assert_eq!(ending("~~~\nx"), "\n~~~");
    assert_eq!(ending("<!-- x"), "\n-->");
    assert_eq!(ending("<script>"), "\n</script></style></textarea></pre>");
    assert_eq!(ending("<details><summary>Done</summary>\n\n"), "\n\n</details>");
    assert_eq!(ending("So <b>far</b>, <i>so <img src=x> good.</b>"), "\n\n</i>");
    assert_eq!(ending("<div hidden\n\n"), "\n\n></div>");
    assert_eq!(ending("<p>\n<div title='x"), "\n\n'></div></p>");
    assert_eq!(ending("1 < 2 and <b>3</b>"), "");
}
