//! Cuts a block that is too long for one passage.

use super::{Block, ENOUGH, FULL, Kind, WHOLE, sentence::last_end};

/// The most bytes that a piece repeats of what stands before it.
const LEAD: usize = FULL - ENOUGH;
/// The most bytes of an item that the pieces under it repeat, and of the line before a list.
const PARENT: usize = 120;
/// An item that stands more bytes above isn't looked for.
const PARENT_REACH: usize = 32 << 10;

/// The pieces of a block. Each but the first begins with what it can't be understood without: the header of its table,
/// the items that it stands under, and `intro`, the line before a list. A piece of code has fences of its own.
pub(super) fn pieces(block: &Block<'_>, intro: &str) -> Vec<String> {
    let text = block.text;
    let mut pieces: Vec<String> = Vec::new();
    let mut at = 0;
    let fence = if block.kind == Kind::Code { fence(text) } else { "" };
    while at < text.len() {
        let lead = if pieces.is_empty() { String::new() } else { lead(block, at, intro) };
        let room = FULL - lead.len() - fence.len() - 1;
        let end = if text.len() - at <= room { text.len() } else { at + cut(block, at, room) };
        let piece = &text[at..end];
        let piece = if block.kind == Kind::Prose { piece.trim() } else { piece.trim_end().trim_start_matches('\n') };
        // The piece before has a fence at its end already.
        let closed = !fence.is_empty() && piece.trim() == fence && !pieces.is_empty();
        if !piece.trim().is_empty() && !closed {
            let close = if fence.is_empty() || end == text.len() { String::new() } else { format!("\n{fence}") };
            pieces.push(format!("{lead}{piece}{close}"));
        }
        at = end;
    }
    pieces
}

/// The line before a list, when it says what the list is of.
pub(super) fn intro<'a>(block: &Block<'a>) -> &'a str {
    let line = block.text.rsplit('\n').next().unwrap_or_default().trim();
    let announces = block.kind == Kind::Prose && line.ends_with([':', '：']);
    if announces && line.len() <= PARENT { line } else { "" }
}

/// What a piece that begins at `at` repeats, with a line break at its end.
fn lead(block: &Block<'_>, at: usize, intro: &str) -> String {
    let text = block.text;
    let mut lead = String::new();
    if block.kind == Kind::Code && !fence(text).is_empty() {
        lead.push_str(text.lines().next().unwrap_or_default());
        lead.push('\n');
    }
    if block.kind == Kind::List {
        if !intro.is_empty() {
            lead.push_str(intro);
            lead.push_str("\n\n");
        }
        for parent in parents(text, at) {
            lead.push_str(parent);
            lead.push('\n');
        }
    }
    let table = match block.kind {
        Kind::Table => Some(0),
        _ => inner(block, at, Kind::Table).map(|range| range.start),
    };
    if let Some(start) = table {
        // The header and the line under it, as they stand, in a quote too. A line beyond the bound isn't repeated.
        let bound = text.floor_char_boundary(at.min(start + LEAD));
        let header: Vec<&str> = text[start..bound].split_inclusive('\n').take(2).collect();
        if header.last().is_some_and(|line| line.ends_with('\n')) {
            header.into_iter().for_each(|line| lead.push_str(line));
        }
    }
    if lead.len() < LEAD { lead } else { String::new() }
}

/// The fence that a block of code begins with, which also ends it; empty for indented code.
fn fence(text: &str) -> &str {
    let end = text.find(|c| !matches!(c, '`' | '~')).unwrap_or(text.len());
    // More is no fence that people write.
    let repeats = (3..=16).contains(&end) && text.find('\n').is_some_and(|line| line <= PARENT);
    if repeats { &text[..end] } else { "" }
}

/// The inner table or code that begins before `at` and ends after it.
fn inner<'a>(block: &'a Block<'_>, at: usize, kind: Kind) -> Option<&'a std::ops::Range<usize>> {
    // They come in order, and none is within another.
    let before = block.inner.partition_point(|(range, _)| range.start < at);
    let (range, other) = block.inner.get(before.checked_sub(1)?)?;
    (*other == kind && at < range.end).then_some(range)
}

/// The lines of the items that the line at `at` stands under, outermost first.
fn parents(text: &str, at: usize) -> Vec<&str> {
    let window = text.floor_char_boundary(at.saturating_sub(PARENT_REACH));
    let after = &text[at..text.floor_char_boundary(at + PARENT_REACH)];
    let line = after.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut indent = indentation(line);
    let mut parents = Vec::new();
    for above in text[window..at].lines().rev() {
        if indent == 0 {
            break;
        }
        if indentation(above) < indent && is_item(above) {
            indent = indentation(above);
            parents.push(&above[..above.floor_char_boundary(PARENT)]);
        }
    }
    parents.reverse();
    parents
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a line begins an item of a list.
fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let ordered =
        (1..=9).contains(&digits) && line[digits..].starts_with([')', '.']) && line[digits + 1..].starts_with(' ');
    ordered || ["- ", "* ", "+ "].iter().any(|mark| line.starts_with(mark))
}

/// How many bytes of the block the piece at `at` gets: up to a line or sentence if one ends late enough, else up to a
/// word, else up to a character. Never 0.
fn cut(block: &Block<'_>, at: usize, room: usize) -> usize {
    let text = &block.text[at..];
    let window = &text[..text.floor_char_boundary(room)];
    let least = ENOUGH.min(room / 2);
    let late = |end: &usize| *end >= least;
    let line = || window.rfind('\n').map(|end| end + 1).filter(late);
    // Inner code isn't cut if it fits whole. `before` it, or after it.
    if let Some(code) = inner(block, at + window.len(), Kind::Code)
        && code.len() <= WHOLE - FULL
    {
        let before = code.start.saturating_sub(at);
        if before >= least {
            return before;
        }
        return code.end - at;
    }
    let lines = block.kind != Kind::Prose || inner(block, at + window.len(), Kind::Table).is_some();
    let sentence = || last_end(window, &text[window.len()..], least);
    let item = || {
        let mut starts = window.rmatch_indices('\n').map(|(end, _)| end + 1);
        starts.find(|start| late(start) && is_item(text[*start..].lines().next().unwrap_or_default()))
    };
    let word = || {
        let (end, c) = window.char_indices().rev().find(|(_, c)| c.is_whitespace())?;
        Some(end + c.len_utf8()).filter(|end| *end > room / 4)
    };
    let found = match block.kind {
        Kind::List => item().or_else(line).or_else(sentence),
        _ if lines => line().or_else(sentence),
        _ => sentence().or_else(line),
    };
    // `room` is far above the four bytes of the longest character, so the window is not empty.
    found.or_else(word).unwrap_or(window.len()).max(1)
}
