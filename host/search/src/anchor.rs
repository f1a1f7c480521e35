//! Anchors of headings, in GitHub's form, and the address of a section.

use std::collections::HashSet;

/// The anchor of a heading: its letters, digits, `_` and `-` in lower case, with a `-` for each space.
pub fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// Gives each heading of a page a unique anchor.
#[derive(Default)]
pub struct Anchors(HashSet<String>);

impl Anchors {
    /// The heading's slug, with `-1`, `-2` and so on for headings that repeat it.
    pub fn next(&mut self, heading: &str) -> String {
        let slug = slug(heading);
        let mut anchor = slug.clone();
        let mut repeats = 0_usize;
        while !self.0.insert(anchor.clone()) {
            repeats += 1;
            anchor = format!("{slug}-{repeats}");
        }
        anchor
    }
}

/// The address of a passage. A source's `url` that ends in `#` has such anchors, so it becomes the address of the
/// passage's section, a heading path such as `Billing › Refunds`. Any other `url` is returned unchanged.
pub fn section_url(url: &str, section: &str) -> String {
    let Some(page) = url.strip_suffix('#') else {
        return url.to_owned();
    };
    let anchor = slug(section.rsplit(" › ").next().unwrap_or_default());
    if anchor.is_empty() { page.to_owned() } else { format!("{page}#{anchor}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_those_of_github() {
        for (heading, anchor) in [
            ("How do I rotate or reset an API key?", "how-do-i-rotate-or-reset-an-api-key"),
            ("401 or 403?", "401-or-403"),
            ("502, 503 and 504", "502-503-and-504"),
            ("A rule of errors", "a-rule-of-errors"),
            ("CORS: calling from a browser", "cors-calling-from-a-browser"),
            ("a - b_c", "a---b_c"),
            ("Über Straßen", "über-straßen"),
        ] {
            assert_eq!(slug(heading), anchor);
        }
    }

    #[test]
    fn a_repeated_heading_gets_an_anchor_of_its_own() {
        let mut anchors = Anchors::default();
        assert_eq!(["A", "A", "A-1", "A"].map(|heading| anchors.next(heading)), ["a", "a-1", "a-1-1", "a-2"]);
    }

    #[test]
    fn only_an_address_that_promises_anchors_gets_one() {
        assert_eq!(section_url("https://a.example/keys#", "Keys › How do I?"), "https://a.example/keys#how-do-i");
        assert_eq!(section_url("https://a.example/keys#", ""), "https://a.example/keys");
        assert_eq!(section_url("https://a.example/keys", "Keys"), "https://a.example/keys");
        assert_eq!(section_url("https://a.example/keys#part", "Keys"), "https://a.example/keys#part");
    }
}
