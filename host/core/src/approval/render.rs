//! Renders the text that a person reads before a write: connection, action, and every value of the input.
//!
//! Chat clients show answers as Markdown, so the text reads the same as plain text and as Markdown. Each line with a
//! name or value that others chose is one code span (CommonMark 0.31.2, section 6.1), fenced by more backticks than it
//! holds. No name or value can so become a link, image, HTML, heading or emphasis. [`ending`] closes what the model's
//! own text before it leaves open.
//!
//! No value can look like another line, or hide. Strings are quoted, and anything but visible characters and single
//! plain spaces is escaped. A long value is cut, with a note. An input with too many values can't be confirmed at all.

use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;

use super::{Approval, LIFETIME};
use crate::connector::connection::Environment;

/// Characters that are shown of one value.
const SHOWN: usize = 500;
/// Characters that are shown of a name.
const NAME: usize = 120;
/// The most values that one person is asked to check.
const VALUES: usize = 100;
/// The Markdown that chat clients read: CommonMark with GitHub's extensions.
const MARKDOWN: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_GFM);

/// The input has more values than a person can be asked to check.
#[derive(Debug, thiserror::Error)]
#[error(
    "the input has more than {VALUES} values, which is more than a person can be asked to confirm; do less at once"
)]
pub struct TooMany;

/// The note to a model about an answer from the connector's fixtures.
pub const SAMPLE_DATA: &str = "sample data of the connector's sandbox: it is nobody's own; say so";

/// The call in one line of plain text. Sandbox data belongs to no customer, so it is marked wherever the call is named:
/// in citations, steps, answers and questions.
pub fn title(connection: &str, action: &str, environment: Environment) -> String {
    let mark = if environment == Environment::Sandbox { " (sandbox)" } else { "" };
    format!("{}: {}{mark}", name(connection), name(action))
}

/// The title and the input, one value in each line. It is plain text that is also valid Markdown.
pub fn text(title: &str, input: &Value) -> Result<String, TooMany> {
    let mut lines = vec![code(title)];
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

/// The question at the end of an answer.
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

/// The text that closes what a model's text leaves open: a code block, a comment or other HTML. Any of these would hide
/// the question that follows, or turn its values into HTML. Empty when nothing is open.
pub fn ending(words: &str) -> String {
    let longest = |of: char| words.split(|c| c != of).map(str::len).max().unwrap_or_default().max(3);
    let ends = [
        String::new(),
        "`".repeat(longest('`')),
        "~".repeat(longest('~')),
        // These end the blocks of HTML that continue over blank lines (CommonMark 0.31.2, section 4.6).
        "-->".to_owned(),
        "?>".to_owned(),
        "]]>".to_owned(),
        "</script></style></textarea></pre>".to_owned(),
    ];
    let found = ends.into_iter().find(|end| is_read(&format!("{words}\n{end}\n\n")));
    let block = found.filter(|end| !end.is_empty()).map(|end| format!("\n{end}")).unwrap_or_default();
    let elements = open_elements(&format!("{words}{block}"));
    if elements.is_empty() { block } else { format!("{block}\n\n{elements}") }
}

/// Elements without an end tag (HTML Living Standard, "Void elements").
const VOID: [&str; 13] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];

/// The end tags of HTML elements that a model's text leaves open. A blank line ends Markdown's block of HTML, but an
/// open `<details>` would still enclose and hide the question.
fn open_elements(words: &str) -> String {
    let html = Parser::new_ext(words, MARKDOWN).filter_map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(html.into_string()),
        _ => None,
    });
    let html: String = html.collect();
    let (mut open, mut unfinished) = (Vec::new(), String::new());
    let mut rest = html.as_str();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let closes = rest.starts_with('/');
        let name = rest.trim_start_matches('/').chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-');
        let name = name.collect::<String>().to_ascii_lowercase();
        if name.is_empty() {
            continue;
        }
        let mut quote = None;
        let end = rest.find(|c| match (quote, c) {
            (None, '>') => true,
            (None, '"' | '\'') => {
                quote = Some(c);
                false
            }
            (Some(begun), c) if begun == c => {
                quote = None;
                false
            }
            _ => false,
        });
        match end {
            Some(end) => rest = &rest[end + 1..],
            // The text ends within the tag.
            None => {
                unfinished = quote.map(String::from).unwrap_or_default() + ">";
                rest = "";
            }
        }
        if closes {
            let at = open.iter().rposition(|other| *other == name);
            open.truncate(at.unwrap_or(open.len()));
        } else if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    open.iter().rev().fold(unfinished, |ends, name| ends + &format!("</{name}>"))
}

/// Whether text after `before` is read as a paragraph of its own.
fn is_read(before: &str) -> bool {
    const PROBE: &str = "probe";
    let whole = format!("{before}{PROBE}");
    let events: Vec<Event<'_>> = Parser::new_ext(&whole, MARKDOWN).collect();
    let Some((earlier, [Event::Start(Tag::Paragraph), Event::Text(probe), _])) = events.split_last_chunk() else {
        return false;
    };
    let open = |event: &Event<'_>| matches!(event, Event::Start(_));
    let close = |event: &Event<'_>| matches!(event, Event::End(_));
    let count = |of: &dyn Fn(&Event<'_>) -> bool| earlier.iter().filter(|event| of(event)).count();
    **probe == *PROBE && count(&open) == count(&close)
}

/// One line as a code span.
fn code(line: &str) -> String {
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A backtick at an edge would join the fence, and CommonMark strips one space from both edges.
    let edges = |at: char| line.starts_with(at) || line.ends_with(at);
    let pad = if edges('`') || edges(' ') { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
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
        Value::String(text) => {
            let (shown, cut) = quoted(text, SHOWN);
            push(lines, format!("- {}{cut}", code(&format!("{path}: {shown}"))))?;
        }
        // A number, a boolean, null, `{}` or `[]`.
        other => push(lines, format!("- {}", code(&format!("{path}: {other}"))))?,
    }
    Ok(())
}

fn push(lines: &mut Vec<String>, line: String) -> Result<(), TooMany> {
    // The first line is the title, not a value.
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
        let (shown, cut) = quoted(member, NAME);
        shown + &cut
    }
}

/// A name that an admin or a connector's author chose.
fn name(text: &str) -> String {
    let shown: String = text.chars().take(NAME).map(|c| if is_plain(c) { c } else { '\u{fffd}' }).collect();
    let shown = shown.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if text.chars().nth(NAME).is_some() { format!("{shown}…") } else { shown }
}

/// A text in quotes, and a note when it is cut.
fn quoted(text: &str, most: usize) -> (String, String) {
    let mut shown = String::with_capacity(text.len().min(most * 4) + 2);
    shown.push('"');
    for c in text.chars().take(most) {
        match c {
            '"' | '\\' => shown.extend(['\\', c]),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // HTML shows several spaces as one.
            ' ' if shown.ends_with(' ') => shown.extend(c.escape_unicode()),
            c if is_plain(c) => shown.push(c),
            c => shown.extend(c.escape_unicode()),
        }
    }
    shown.push('"');
    let all = text.chars().count();
    let cut = if all > most { format!(" (cut: the first {most} of {all} characters)") } else { String::new() };
    (shown, cut)
}

/// Whether a character is visible as itself. Excluded are controls, spaces other than U+0020, invisible characters, and
/// those that change the direction of their neighbours. Invisible are Unicode's `Default_Ignorable_Code_Point` (UCD 16,
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
mod tests;
