//! A site's rules for crawlers (RFC 9309), within bounds that hold whatever the site wrote. A rule that is over a bound is
//! never a reason to read more: one that forbids is cut and forbids more, one that allows is left out.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::knowledge::document::{Robots, RobotsRule};

/// The longest wait between two requests that a site's rules can ask for, in seconds.
const MOST_DELAY_S: u32 = 10;
/// Rules of a site that are kept.
const MOST_RULES: usize = 10_000;
/// Bytes of all rules of a site. A crawler has to read 500 KiB (RFC 9309, section 2.5).
const MOST_BYTES: usize = 512 << 10;
/// Rules with `*`. Each is searched for in a path, while the others are only compared with its beginning.
const MOST_PATTERNS: usize = 1000;
/// `*` in one rule.
const MOST_STARS: usize = 16;
/// Bytes of a rule.
const LONGEST_RULE: usize = 2048;

/// A site's rules for this host's crawler, within bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawlRules {
    rules: Vec<CrawlRule>,
    pub delay_s: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CrawlRule {
    allow: bool,
    path: String,
    /// The length of the path as the site wrote it, when it was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    written: Option<usize>,
}

impl CrawlRule {
    /// Of the rules that fit, the one with the highest rank decides (RFC 9309, section 2.2.2).
    fn rank(&self) -> (usize, bool) {
        (self.written.unwrap_or(self.path.len()), self.allow)
    }

    /// A rule that forbids, as far as `end`. It fits whatever the whole rule fits.
    fn cut(self, end: usize) -> Self {
        let written = self.written.or(Some(self.path.len()));
        // `$` at the end would be another rule.
        let path = self.path[..self.path.floor_char_boundary(end)].trim_end_matches('$').to_owned();
        Self { path, written, ..self }
    }

    /// The rule within the bounds of one rule; `None` when it can only be left out.
    fn bounded(rule: RobotsRule) -> Option<Self> {
        let RobotsRule { allow, path } = rule;
        let extra = path.match_indices('*').nth(MOST_STARS).map(|(at, _)| at);
        let end = extra.unwrap_or(usize::MAX).min(LONGEST_RULE);
        let is_over = end < path.len();
        let rule = Self { allow, path, written: None };
        match (is_over, allow) {
            (false, _) => Some(rule),
            (true, true) => None,
            (true, false) => Some(rule.cut(end)),
        }
    }
}

impl From<Robots> for CrawlRules {
    fn from(robots: Robots) -> Self {
        let delay_s = robots.crawl_delay_s.unwrap_or(0).min(MOST_DELAY_S);
        let mut written: Vec<RobotsRule> = robots.rules.into_iter().filter(|rule| !rule.path.is_empty()).collect();
        // Those that forbid are kept first.
        written.sort_by_key(|rule| rule.allow);
        let (mut rules, mut bytes, mut patterns) = (Vec::new(), 0, 0);
        for rule in written.into_iter().filter_map(CrawlRule::bounded) {
            let star = rule.path.find('*');
            let rule = match star {
                Some(_) if patterns == MOST_PATTERNS && rule.allow => continue,
                Some(at) if patterns == MOST_PATTERNS => rule.cut(at),
                _ => rule,
            };
            patterns += usize::from(rule.path.contains('*'));
            bytes += rule.path.len();
            if rules.len() == MOST_RULES || bytes > MOST_BYTES {
                if rule.allow {
                    break;
                }
                // What the rest forbids isn't known, so everything is forbidden.
                let everything = CrawlRule { allow: false, path: "/".to_owned(), written: Some(usize::MAX) };
                return Self { rules: vec![everything], delay_s };
            }
            rules.push(rule);
        }
        rules.sort_by_key(|rule| Reverse(rule.rank()));
        Self { rules, delay_s }
    }
}

impl CrawlRules {
    /// Whether the rules allow a path, with its query.
    pub fn allow(&self, path: &str) -> bool {
        let mut decides: Option<&CrawlRule> = None;
        for rule in &self.rules {
            if decides.is_none_or(|best| rule.rank() > best.rank()) && fits(&rule.path, path) {
                decides = Some(rule);
            }
        }
        decides.is_none_or(|rule| rule.allow)
    }
}

/// Whether a rule's path is a path's beginning. `*` stands for any characters, `$` at the end for the end. It takes one pass
/// over the path, since each part between two `*` is taken where it comes first.
fn fits(rule: &str, path: &str) -> bool {
    let (rule, to_end) = match rule.strip_suffix('$') {
        Some(rule) => (rule, true),
        None => (rule, false),
    };
    let Some((first, mut rule)) = rule.split_once('*') else {
        return if to_end { path == rule } else { path.starts_with(rule) };
    };
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    while let Some((part, after)) = rule.split_once('*') {
        let Some((_, found)) = rest.split_once(part) else { return false };
        (rest, rule) = (found, after);
    }
    if to_end { rest.ends_with(rule) } else { rest.contains(rule) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[(bool, &str)]) -> CrawlRules {
        let rules = rules.iter().map(|(allow, path)| RobotsRule { allow: *allow, path: (*path).to_owned() });
        Robots { rules: rules.collect(), crawl_delay_s: Some(99), ..Robots::default() }.into()
    }

    #[test]
    fn the_longest_rule_that_fits_decides() {
        let rules = rules(&[
            (false, "/private"),
            (true, "/private/help"),
            (false, "/*.pdf$"),
            (false, "/a*/b"),
            (false, "/same"),
            (true, "/same"),
            (false, "/exact$"),
            (false, ""),
            (false, "/end/*"),
            (false, "/x/**/y*$"),
        ]);
        for (path, allowed) in [
            ("/", true),
            ("/private", false),
            ("/privateer", false),
            ("/private/help/a", true),
            ("/x/y.pdf", false),
            ("/x.pdf?page=1", true),
            ("/x.pdf.pdf", false),
            ("/a/1/b/2", false),
            ("/a/1/c", true),
            ("/same", true),
            ("/exact", false),
            ("/exactly", true),
            ("/end", true),
            ("/end/", false),
            ("/x/1/2/y/3", false),
            ("/x/y", true),
        ] {
            assert_eq!(rules.allow(path), allowed, "{path}");
        }
        assert_eq!((rules.delay_s, CrawlRules::default().allow("/x")), (10, true));
        let stored = serde_json::to_string(&rules).unwrap();
        assert_eq!(serde_json::from_str::<CrawlRules>(&stored).unwrap(), rules);
    }

    #[test]
    fn a_rule_over_a_bound_forbids_more_and_allows_less() {
        let stars = format!("/s{}", "*x".repeat(MOST_STARS + 1));
        let long = format!("/l{}", "y".repeat(LONGEST_RULE));
        let over = rules(&[(false, &stars), (false, &long), (true, "/s"), (true, "/l")]);
        let fits = |path: &str| !over.allow(path);
        // Each forbids whatever it would have forbidden, before shorter rules that allow.
        assert!(fits(&format!("/s{}", "1x".repeat(MOST_STARS + 1))) && fits(&format!("{long}z")));
        assert!(fits(&format!("/s{}", "1x".repeat(MOST_STARS))), "the rest is cut");
        assert!(over.allow("/s1") && over.allow("/l"));
        let allows = rules(&[(false, "/"), (true, &stars), (true, &long)]);
        assert!(!allows.allow(&format!("/s{}", "1x".repeat(MOST_STARS + 1))) && !allows.allow(&long));
        // One cut before a `$` doesn't end there.
        let cut = rules(&[(false, &format!("/c{}$more", "z".repeat(LONGEST_RULE - 3)))]);
        assert!(!cut.allow(&format!("/c{}$more", "z".repeat(LONGEST_RULE - 3))));
    }

    #[test]
    fn rules_over_the_bounds_of_a_site_forbid_more() {
        let patterns: Vec<String> = (0..=MOST_PATTERNS).map(|n| format!("/p{n}/*/x")).collect();
        let mut written: Vec<_> = patterns.iter().map(|path| (false, path.as_str())).collect();
        written.push((true, "/p0/*/x/allowed"));
        let over = rules(&written);
        assert!(over.allow("/p0/1/y") && !over.allow("/p0/1/x/allowed"));
        assert!(!over.allow(&format!("/p{MOST_PATTERNS}/1/y")), "its pattern is cut");

        let many: Vec<String> = (0..=MOST_RULES).map(|n| format!("/m{n:05}")).collect();
        let forbidding: Vec<_> = many.iter().map(|path| (false, path.as_str())).collect();
        assert!(!rules(&forbidding).allow("/other"), "what it forbids isn't known");
        let allowing: Vec<_> = many.iter().map(|path| (true, path.as_str())).chain([(false, "/m")]).collect();
        let some = rules(&allowing);
        assert!(some.allow("/other") && some.allow("/m00000") && !some.allow("/m10000"));
        let long: Vec<String> = (0..300).map(|n| format!("/{n:03}{}", "x".repeat(2000))).collect();
        let long: Vec<_> = long.iter().map(|path| (false, path.as_str())).collect();
        assert!(!rules(&long).allow("/other"));
    }

    proptest::proptest! {
        /// The matcher agrees with one that tries every way to place the parts.
        #[test]
        fn fits_as_its_definition(rule in "/[ab*]{0,6}[$]?", path in "/[ab]{0,7}") {
            fn slow(rule: &[u8], path: &[u8]) -> bool {
                match rule {
                    [] => true,
                    b"$" => path.is_empty(),
                    [b'*', rest @ ..] => (0..=path.len()).any(|from| slow(rest, &path[from..])),
                    [first, rest @ ..] => path.first() == Some(first) && slow(rest, &path[1..]),
                }
            }
            proptest::prop_assert_eq!(fits(&rule, &path), slow(rule.as_bytes(), path.as_bytes()));
        }
    }
}
