//! Running heads and feet: what stands at the edges of pages again and again, and the pages' numbers. It interrupts the
//! text, so it is taken out, and what says something is put above the text or below it, once.

use std::collections::BTreeMap;

use super::lines::{GAP, Line};

/// Lines at the top and at the bottom of a page that may be its running head or foot.
const EDGE: usize = 2;
/// Pages that a running head is on, in a document that has as many. Those of chapters are on few.
const REPEATED: usize = 3;

/// A line at the edge of a page.
struct Edge {
    page: usize,
    line: usize,
    top: bool,
}

pub fn keep_once(pages: &mut [Vec<Line>]) {
    if pages.len() < 2 {
        return;
    }
    // Lines that are the same but for their numbers, in order.
    let mut alike: BTreeMap<(bool, String), Vec<Edge>> = BTreeMap::new();
    let mut dropped: Vec<Vec<bool>> = pages.iter().map(|page| vec![false; page.len()]).collect();
    for (page, lines) in pages.iter().enumerate() {
        for (line, top) in edges(lines) {
            if is_page_number(&lines[line].text) {
                dropped[page][line] = true;
            } else {
                let key = (!top, without_numbers(&lines[line].text));
                alike.entry(key).or_default().push(Edge { page, line, top });
            }
        }
    }
    let (mut heads, mut feet) = (Vec::new(), Vec::new());
    for edges in alike.values().filter(|edges| edges.len() >= REPEATED.min(pages.len())) {
        let text = |edge: &Edge| pages[edge.page][edge.line].text.as_str();
        let same = edges.iter().all(|edge| text(edge) == text(&edges[0]));
        if !same && !is_counted(&edges.iter().map(|edge| (edge.page, text(edge))).collect::<Vec<_>>()) {
            continue;
        }
        edges.iter().for_each(|edge| dropped[edge.page][edge.line] = true);
        // A chapter's head is its heading, which is in the text.
        if edges.len() * 2 >= pages.len() {
            let line = kept(&pages[edges[0].page][edges[0].line], text(&edges[edges.len() - 1]));
            if edges[0].top { heads.extend(line) } else { feet.extend(line) }
        }
    }
    for (page, dropped) in pages.iter_mut().zip(&dropped) {
        let mut dropped = dropped.iter();
        page.retain(|_| !dropped.next().copied().unwrap_or(false));
    }
    if let Some(first) = pages.first_mut() {
        first.splice(0..0, heads);
    }
    if let Some(last) = pages.last_mut() {
        last.extend(feet);
    }
}

/// The lines at the top and at the bottom of a page. Tables are none: what differs between them may be their numbers.
fn edges(page: &[Line]) -> impl Iterator<Item = (usize, bool)> {
    let mut order: Vec<usize> = (0..page.len()).filter(|n| page[*n].table.is_none()).collect();
    order.sort_by(|one, other| page[*other].y.total_cmp(&page[*one].y));
    let top = EDGE.min(order.len());
    let tail = order.len().saturating_sub(EDGE).max(top);
    let count = order.len();
    order
        .into_iter()
        .enumerate()
        .filter_map(move |(n, line)| (n < top || (n >= tail && n < count)).then_some((line, n < top)))
}

fn without_numbers(text: &str) -> String {
    let mut key = String::new();
    for c in text.chars() {
        match c.is_numeric() {
            true if key.ends_with('0') => {}
            true => key.push('0'),
            false => key.push(c),
        }
    }
    key
}

/// Whether a number in a text goes up with the pages, as theirs does. Others, such as sums, are content.
fn is_counted(texts: &[(usize, &str)]) -> bool {
    let numbers: Vec<Vec<i64>> = texts
        .iter()
        .map(|(page, text)| {
            let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
            digits.map(|digits| digits.parse().unwrap_or(i64::MIN / 2) - *page as i64).collect()
        })
        .collect();
    let first = &numbers[0];
    (0..first.len()).any(|n| numbers.iter().all(|numbers| numbers.get(n) == Some(&first[n])))
}

/// What a line says on each page: its parts that are the same on another page.
fn kept(line: &Line, other: &str) -> Option<Line> {
    let others: Vec<&str> = other.split(GAP).collect();
    let same = line.text.split(GAP).filter(|part| others.contains(part) && part.chars().any(char::is_alphabetic));
    let text = same.collect::<Vec<_>>().join(GAP);
    (!text.is_empty()).then(|| Line { row: text.contains(GAP), text, ..line.clone() })
}

/// Digits or a Roman number alone.
fn is_page_number(text: &str) -> bool {
    let text = text.trim_matches(['-', '–', ' ', '.']);
    (1..=5).contains(&text.len())
        && (text.bytes().all(|byte| byte.is_ascii_digit()) || text.bytes().all(|byte| b"ivxlc".contains(&byte)))
}
