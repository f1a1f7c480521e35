//! How many edits turn one word into another.

/// Letters from which one edit is forgiven, and two.
const ONE: usize = 4;
const TWO: usize = 8;
/// A longer word is no word.
const LONGEST: usize = 40;

/// How many edits are forgiven in a word. None in what isn't made of letters alone, since `v2.1` is not a typo of
/// `v2.2`, and none where a character is a word of its own.
pub fn forgiven(word: &[char]) -> usize {
    let letters = |c: &char| c.is_alphabetic() && !is_ideographic(*c);
    // Marks of Indic scripts and Thai are no letters to Unicode, but stand in words like them.
    let plain = word.iter().all(|c| letters(c) || (!c.is_ascii() && !c.is_numeric() && !is_ideographic(*c)));
    match word.len() {
        _ if !plain => 0,
        ONE..TWO => 1,
        TWO..=LONGEST => 2,
        _ => 0,
    }
}

fn is_ideographic(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// The number of edits from one word to another, when it is at most `most`, which is 2 or less. An edit inserts, deletes or replaces a
/// letter, or swaps two neighbours (the optimal string alignment distance).
pub fn edits(from: &[char], to: &[char], most: usize) -> Option<usize> {
    if from.len().abs_diff(to.len()) > most {
        return None;
    }
    if to.len() > LONGEST + 2 {
        return None;
    }
    // What both begin with costs nothing.
    let same = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let (from, to) = (&from[same..], &to[same..]);
    let mut rows = [[0_usize; LONGEST + 3]; 3];
    rows[1].iter_mut().enumerate().for_each(|(j, cost)| *cost = j);
    for (i, a) in from.iter().enumerate() {
        let [before, last, row] = &mut rows;
        row[0] = i + 1;
        let mut least = row[0];
        for (j, b) in to.iter().enumerate() {
            let mut cost = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                cost = cost.min(before[j - 1] + 1);
            }
            row[j + 1] = cost;
            least = least.min(cost);
        }
        if least > most {
            return None;
        }
        rows.rotate_left(1);
    }
    Some(rows[1][to.len()]).filter(|cost| *cost <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(word: &str) -> Vec<char> {
        word.chars().collect()
    }

    #[test]
    fn edits_are_counted_up_to_the_most() {
        for (from, to, expected) in [
            ("refund", "refund", Some(0)),
            ("refnud", "refund", Some(1)),
            ("refnd", "refund", Some(1)),
            ("reefund", "refund", Some(1)),
            ("refumd", "refund", Some(1)),
            ("rfenud", "refund", Some(2)),
            ("subscribtions", "subscription", Some(2)),
            ("refund", "reform", None),
            ("a", "abcd", None),
            ("", "ab", Some(2)),
            ("grüße", "grüsse", Some(2)),
        ] {
            assert_eq!(edits(&chars(from), &chars(to), 2), expected, "{from} {to}");
        }
        assert_eq!(edits(&chars("rfenud"), &chars("refund"), 1), None);
    }

    #[test]
    fn short_words_numbers_and_ideographs_are_taken_as_they_are() {
        for (word, expected) in [
            ("api", 0),
            ("card", 1),
            ("refunds", 1),
            ("delivery", 2),
            ("v2.10.3", 0),
            ("order1001", 0),
            ("退款政策说明书", 0),
            ("возврат", 1),
            ("การจัดส่ง", 2),
        ] {
            assert_eq!(forgiven(&chars(word)), expected, "{word}");
        }
        assert_eq!(forgiven(&['x'; 100]), 0);
    }
}
