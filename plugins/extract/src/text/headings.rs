//! The title of a Markdown text: that in its front matter, else its heading.

use crate::document::one_line;

/// Lines in which a heading is looked for.
const LINES_MOST: usize = 2_000;

/// The title: what the front matter says, else the first heading of the first level, else the first heading, if it stands
/// above all others. A text of sections beside each other has none.
pub fn title(text: &str) -> Option<String> {
    let (front, body) = front_matter(text.trim_start_matches('\u{feff}'));
    let set = front.lines().find_map(|line| {
        let (key, value) = line.split_once([':', '='])?;
        key.trim_end().eq_ignore_ascii_case("title").then_some(value.trim())
    });
    set.and_then(value).or_else(|| {
        let headings = headings(body);
        let first = headings.iter().find(|(level, _)| *level == 1).or_else(|| {
            let first = headings.first()?;
            headings.iter().skip(1).all(|(level, _)| *level > first.0).then_some(first)
        });
        first.and_then(|(_, heading)| one_line(&plain(heading)))
    })
}

/// What is between lines of `---` or `+++` at the start, and what follows.
fn front_matter(text: &str) -> (&str, &str) {
    let Some(mark) = ["---\n", "+++\n"].into_iter().find(|mark| text.starts_with(mark)) else { return ("", text) };
    let mut at = mark.len();
    for line in text[at..].split_inclusive('\n').take(LINES_MOST) {
        let end = line.trim_end();
        if end == mark.trim_end() || (end == "..." && mark == "---\n") {
            return (&text[mark.len()..at], &text[at + line.len()..]);
        }
        // A text may begin with a rule.
        if end.is_empty() && mark == "---\n" {
            break;
        }
        at += line.len();
    }
    ("", text)
}

/// The value of a line `title: "Refunds"`. What follows some marks is on the next lines.
fn value(line: &str) -> Option<String> {
    let quoted = |quote: char| line.strip_prefix(quote)?.strip_suffix(quote);
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(line);
    if value.starts_with(['>', '|']) { None } else { one_line(value) }
}

/// The headings outside of code, each with its level.
fn headings(text: &str) -> Vec<(usize, &str)> {
    let mut headings = Vec::new();
    let mut fence: Option<&str> = None;
    let mut before = "";
    for line in text.lines().take(LINES_MOST) {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
            (None, None) => headings.extend(heading(line).or_else(|| underlined(before, line))),
        }
        before = line;
    }
    headings
}

/// `## Refunds`, or a line of HTML such as `<h1 align="center">Refunds</h1>`.
fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    if (1..=6).contains(&level) {
        let heading = line[level..].strip_prefix([' ', '\t'])?.trim();
        let open = heading.trim_end_matches('#');
        return Some((level, if open.ends_with(' ') { open.trim_end() } else { heading }));
    }
    let (tag, rest) = line.trim_start().strip_prefix("<h")?.split_once('>')?;
    let level = tag.bytes().next().filter(u8::is_ascii_digit)? - b'0';
    Some((level.into(), rest.split("</h").next()?))
}

/// A line of `=` or `-` makes the line above it a heading.
fn underlined<'a>(above: &'a str, line: &str) -> Option<(usize, &'a str)> {
    let line = line.trim_end();
    let only = |mark: u8| line.len() > 1 && line.bytes().all(|byte| byte == mark);
    let text = !above.trim().is_empty() && !above.starts_with(['#', '-', '|', '>']);
    match (only(b'='), only(b'-')) {
        (true, _) if text => Some((1, above)),
        (_, true) if text => Some((2, above)),
        _ => None,
    }
}

/// A heading without marks: bold, code, links, pictures, tags and an anchor behind it.
fn plain(heading: &str) -> String {
    let mut rest = heading.rsplit_once(" {#").map_or(heading, |(before, _)| before);
    let mut text = String::new();
    while let Some(at) = rest.find(['[', '<']) {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        let link = || {
            let (shown, target) =
                after.strip_prefix('[')?.split_once("](").filter(|(shown, _)| !shown.contains(']'))?;
            Some((shown, target.split_once(')')?.1))
        };
        let tag = || {
            let tag = after.strip_prefix('<')?;
            tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/').then_some(())?;
            Some(("", tag.split_once('>')?.1))
        };
        let (shown, next) = link().or_else(tag).unwrap_or_else(|| after.split_at(1));
        // A picture has a `!` before its words.
        if !shown.is_empty() && shown != "[" && text.ends_with('!') {
            text.pop();
        } else {
            text.push_str(shown);
        }
        rest = next;
    }
    text.push_str(rest);
    text.replace("**", "").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_is_what_stands_above_the_text() {
        for (text, expected) in [
            ("---\ntitle: \"Refunds\"\nlayout: page\n---\n\n## When\n\nText.", Some("Refunds")),
            ("+++\ntitle = 'Refunds'\n+++\n# Other", Some("Refunds")),
            ("---\ntitle: >\n  folded\n---\n# Refunds", Some("Refunds")),
            ("---\ntitle: never closed\n\n# Refunds", Some("Refunds")),
            ("```sh\n# a comment\n```\n# Refunds #", Some("Refunds")),
            ("## Early\n\n# Refunds", Some("Refunds")),
            ("Text.\n\n## Refunds\n\n### When", Some("Refunds")),
            ("## When\n\n## How", None),
            ("Refunds\n=======\n\nText.", Some("Refunds")),
            ("A | B\n--- | ---\n1 | 2\n", None),
            ("<h1 align=\"center\"><b>Refunds</b></h1>", Some("Refunds")),
            ("# **The** `refund` [policy](https://a.example/x) {#top}", Some("The refund policy")),
            ("# An array[0] < 5", Some("An array[0] < 5")),
            ("#hashtag\n\nText.", None),
            ("# C#", Some("C#")),
            ("---\nlayout: page\n---\nText.\n", None),
            ("---\nA rule above.\n\n# Refunds", Some("Refunds")),
            ("# ![logo](a.png) Refunds!", Some("Refunds!")),
        ] {
            assert_eq!(title(text).as_deref(), expected, "{text}");
        }
    }
}
