//! `robots.txt` (RFC 9309): the rules for one crawler.

use crate::urls::absolute;

/// What is read of a file; RFC 9309, section 2.5, asks for at least 500 KiB.
const BYTES_MOST: usize = 512 << 10;
const RULES_MOST: usize = 10_000;
const PATH_MOST: usize = 2_048;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub allow: bool,
    pub path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Robots {
    pub rules: Vec<Rule>,
    pub sitemaps: Vec<String>,
    pub crawl_delay_s: Option<u32>,
}

/// A group: the crawlers that it is for, and what it tells them.
#[derive(Default)]
struct Group {
    agents: Vec<String>,
    rules: Vec<Rule>,
    delay: Option<u32>,
    /// Rules have begun, so the next `user-agent` starts another group.
    closed: bool,
}

/// Reads the rules for `agent`. All groups that name it are one; without any, all groups for `*` are.
pub fn read(bytes: &[u8], agent: &str) -> Robots {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(BYTES_MOST)]);
    let mut groups = vec![Group::default()];
    let mut sitemaps = Vec::new();
    for line in text.trim_start_matches('\u{feff}').split(['\n', '\r']) {
        let line = line.split('#').next().unwrap_or_default();
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "sitemap" {
            // It belongs to no group.
            sitemaps.extend(absolute(value).filter(|_| sitemaps.len() < RULES_MOST));
            continue;
        }
        if matches!(name.as_str(), "user-agent" | "useragent" | "user agent") {
            if groups.last().is_some_and(|group| group.closed) {
                groups.push(Group::default());
            }
            if let Some(group) = groups.last_mut() {
                group.agents.push(product(value));
            }
            continue;
        }
        let Some(group) = groups.last_mut() else { continue };
        match name.as_str() {
            "allow" | "disallow" => {
                group.closed = true;
                // An empty path matches nothing.
                if !value.is_empty() && value.len() <= PATH_MOST && group.rules.len() < RULES_MOST {
                    group.rules.push(Rule { allow: name == "allow", path: value.to_owned() });
                }
            }
            "crawl-delay" => {
                group.closed = true;
                group.delay =
                    value.parse::<f64>().ok().filter(|s| (0.0..=86_400.0).contains(s)).map(|s| s.ceil() as u32);
            }
            _ => {}
        }
    }
    let agent = product(agent);
    let named = groups.iter().any(|group| group.agents.contains(&agent));
    let wanted = if named { agent } else { "*".to_owned() };
    let mut robots = Robots { sitemaps, ..Robots::default() };
    for group in groups.into_iter().filter(|group| group.agents.contains(&wanted)) {
        robots.rules.extend(group.rules);
        robots.crawl_delay_s = robots.crawl_delay_s.max(group.delay);
    }
    robots.rules.truncate(RULES_MOST);
    robots
}

/// A crawler's product token, which has letters, `_` and `-`, in lower case; `*` stays.
fn product(agent: &str) -> String {
    if agent.starts_with('*') {
        return "*".to_owned();
    }
    agent.chars().take_while(|c| c.is_ascii_alphabetic() || "_-".contains(*c)).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str, agent: &str) -> Vec<String> {
        let sign = |rule: &Rule| format!("{}{}", if rule.allow { '+' } else { '-' }, rule.path);
        read(text.as_bytes(), agent).rules.iter().map(sign).collect()
    }

    #[test]
    fn groups_of_one_crawler_are_one_and_others_are_for_everybody() {
        let text = "User-agent: *\nDisallow: /all\n\nUser-Agent: ResLy/1.0\nuser-agent: other\nDisallow: /a # why\n\
                    Sitemap: https://a.example/s.xml\nAllow: /a/b$\n\nUser-agent: resly\nDisallow:\nDisallow: /c*d\n\
                    Crawl-delay: 1.5";
        assert_eq!(paths(text, "Resly"), ["-/a", "+/a/b$", "-/c*d"]);
        assert_eq!(paths(text, "other"), ["-/a", "+/a/b$"]);
        assert_eq!(paths(text, "third"), ["-/all"]);
        let robots = read(text.as_bytes(), "resly");
        assert_eq!((robots.sitemaps, robots.crawl_delay_s), (vec!["https://a.example/s.xml".to_owned()], Some(2)));
    }

    #[test]
    fn what_is_no_robots_txt_allows_everything() {
        assert_eq!(read(b"<!doctype html><p>Not found: sorry", "resly"), Robots::default());
        assert_eq!(read(b"\xff\xfe\0:\0", "resly"), Robots::default());
        assert_eq!(paths("Disallow: /before any crawler", "resly"), Vec::<String>::new());
    }
}
