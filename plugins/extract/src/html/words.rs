//! Text within Markdown: what of it would be a mark, and lines with a prefix.

/// White space as one space each.
pub fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = true;
        } else if !matches!(c, '\u{200b}' | '\u{feff}' | '\u{ad}') && !c.is_control() {
            if space {
                out.push(' ');
            }
            space = false;
            out.push(c);
        }
    }
    if space {
        out.push(' ');
    }
    out
}

/// Escapes what would be a tag or an entity in Markdown. Other marks read well as they are, and a search finds them.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&', '`']) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let next = after[1..].chars().next();
        let special = match after.as_bytes()[0] {
            b'<' => next.is_some_and(|c| c.is_ascii_alphabetic() || "/!?".contains(c)),
            b'&' => next.is_some_and(|c| c.is_ascii_alphabetic() || c == '#'),
            _ => true,
        };
        if special {
            out.push('\\');
        }
        out.push_str(&after[..1]);
        rest = &after[1..];
    }
    out.push_str(rest);
    out
}

/// A line of text that Markdown doesn't take for a heading, a list, a quote or a rule.
pub fn unmarked(line: &str) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let numbered =
        (1..=9).contains(&digits) && line[digits..].starts_with(['.', ')']) && line[digits + 1..].starts_with(' ');
    if numbered {
        return format!("{}\\{}", &line[..digits], &line[digits..]);
    }
    let marked = line.starts_with('>')
        || ["- ", "+ ", "* ", "~~~", "==="].iter().any(|mark| line.starts_with(mark))
        || (line.starts_with('#') && line.trim_start_matches('#').starts_with(' '))
        || (line.len() > 2 && line.bytes().all(|byte| matches!(byte, b'-' | b'=' | b'_' | b'*')))
        || line == "-";
    if marked { format!("\\{line}") } else { line.to_owned() }
}

pub fn wrapped(text: &str, mark: &str) -> String {
    let inner = text.trim();
    if inner.is_empty() || inner.contains('\n') || inner.starts_with(mark) {
        return text.to_owned();
    }
    let (before, after) = (&text[..text.len() - text.trim_start().len()], &text[text.trim_end().len()..]);
    format!("{before}{mark}{inner}{mark}{after}")
}

/// The first line with one prefix and the others with another.
pub fn prefixed(text: &str, first: &str, others: &str) -> String {
    let mut out = String::with_capacity(text.len() + first.len());
    for (n, line) in text.lines().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        let prefix = if n == 0 { first } else { others };
        out.push_str(if line.is_empty() { prefix.trim_end() } else { prefix });
        out.push_str(line);
    }
    out
}

/// An item of one paragraph and a list, without the empty line between them.
pub fn tight(item: &str) -> String {
    match item.split_once("\n\n") {
        Some((first, rest)) if !rest.contains("\n\n") && rest.starts_with(['-', '1']) && !first.contains("```") => {
            format!("{first}\n{rest}")
        }
        _ => item.to_owned(),
    }
}
