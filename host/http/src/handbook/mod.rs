//! The handbook: the files `docs/*.md`, which the binary carries, and the pages of problems, which are made from their
//! table.

pub mod render;

use std::{borrow::Cow, fmt::Write};

use crate::problem::{Kind, kinds};

/// One page.
pub struct Page {
    /// The file's name without `.md`.
    pub name: &'static str,
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/handbook.rs"));

/// The order in which the pages are listed.
pub const GROUPS: [(&str, &[&str]); 4] = [
    ("Start", &["getting-started", "troubleshooting", "roadmap"]),
    (
        "Build on it",
        &[
            "chat-api",
            "search",
            "api-keys",
            "console-deploy",
            "rest",
            "usage-and-limits",
            "knowledge",
            "models",
            "inbox",
            "analytics",
            "console-answers",
        ],
    ),
    (
        "Connect services",
        &[
            "connectors",
            "console-integrations",
            "shopify",
            "stripe",
            "gmail",
            "declarative-connectors",
            "declarative-grammar",
            "openapi-import",
            "oauth",
            "visitor-accounts",
            "writing-a-connector",
            "alerts",
        ],
    ),
    ("Run it", &["members", "operating", "growing", "plans", "dashboards", "telemetry", "security", "visitor-data"]),
];

/// A summary ends with the first sentence after so many bytes.
const SUMMARY: usize = 20;

impl Page {
    /// The first sentence of its first paragraph, or some when that is short.
    pub fn summary(&self) -> String {
        let after = self.text.lines().skip_while(|line| !line.starts_with("# ")).skip(1);
        let paragraph: Vec<&str> = after
            .skip_while(|line| line.trim().is_empty() || line.starts_with('#'))
            .take_while(|line| !line.trim().is_empty())
            .collect();
        let text = render::words(&paragraph.join("\n"));
        let mut summary = String::new();
        for sentence in text.split_inclusive(". ") {
            summary.push_str(sentence);
            if summary.len() > SUMMARY {
                break;
            }
        }
        summary.trim_end().to_owned()
    }

    /// The first heading, or the name.
    pub fn title(&self) -> &'static str {
        self.text.lines().find_map(|line| line.strip_prefix("# ")).map_or(self.name, str::trim)
    }
}

/// The pages for language models, in the format of llmstxt.org: a title, a summary, and lists of links.
pub fn for_models() -> String {
    let mut text =
        "# Resly\n\n> A server that answers customers from what a company knows, with citations, and from its \
                    live systems through sandboxed connectors. `/openapi.json` describes its API.\n"
            .to_owned();
    for (group, names) in GROUPS {
        let _ = write!(text, "\n## {group}\n\n");
        for page in names.iter().filter_map(|name| page(name)) {
            let _ = writeln!(text, "- [{}](/docs/{}.md): {}", page.title(), page.name, page.summary());
        }
    }
    text.push_str("\n## Errors\n\n- [Problems](/docs/problems.md): Every error, what it means and what to do next.\n");
    text
}

pub fn page(name: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.name == name)
}

/// The Markdown at `/docs/<path>`: the list of pages at the empty path, a page, all problems, or one problem.
pub fn markdown(path: &str) -> Option<Cow<'static, str>> {
    match path {
        "" => Some(index().into()),
        "problems" => Some(problems().into()),
        path => match path.strip_prefix("problems/") {
            Some(slug) => kinds::ALL.iter().find(|kind| kind.slug == slug).map(|kind| problem(kind).into()),
            None => page(path).map(|page| page.text.into()),
        },
    }
}

/// The paths of everything under `/docs`, as [`markdown`] takes them.
pub fn paths() -> impl Iterator<Item = String> {
    let pages = PAGES.iter().map(|page| page.name.to_owned());
    let problems = kinds::ALL.iter().map(|kind| format!("problems/{}", kind.slug));
    ["", "problems"].map(str::to_owned).into_iter().chain(pages).chain(problems)
}

fn index() -> String {
    let mut text = "# Handbook\n".to_owned();
    for (group, names) in GROUPS {
        let _ = write!(text, "\n## {group}\n\n");
        for page in names.iter().filter_map(|name| page(name)) {
            let _ = writeln!(text, "- [{}](/docs/{}.md)", page.title(), page.name);
        }
    }
    text.push_str("\n## Errors\n\n- [Problems](/docs/problems.md)\n");
    text
}

fn problems() -> String {
    let mut text =
        "# Problems\n\nErrors are `application/problem+json` (RFC 9457). `type` is one of these.\n".to_owned();
    for kind in kinds::ALL {
        let _ = write!(text, "\n## {}\n\n`{}` · {}\n\n{}\n", kind.title, kind.slug, kind.status, kind.explanation);
    }
    text
}

fn problem(kind: &Kind) -> String {
    format!(
        "# {}\n\n`{}` · {}\n\n{}\n\nSee also [all problems](/docs/problems.md).\n",
        kind.title, kind.slug, kind.status, kind.explanation
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use resly_manifest::SCHEMA;
    use serde_json::Value;

    use super::{GROUPS, PAGES, markdown, page, paths, render::render};

    /// The members that the tables between a heading and the next name in their first column, under the head `member`.
    fn members(text: &str, heading: &str) -> BTreeSet<String> {
        let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
        let rows = section.lines().take_while(|line| !line.starts_with('#'));
        let rows =
            rows.skip_while(|line| !line.starts_with("| member |")).skip(2).take_while(|line| line.starts_with('|'));
        rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
    }

    #[test]
    fn the_page_and_the_schema_have_the_same_grammar() {
        let text = page("declarative-grammar").unwrap().text;
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        for (heading, name) in [
            ("## `request`", "request"),
            ("## `response`", "response"),
            ("### A rule of `errors`", "error_rule"),
            ("## `pagination`", "pagination"),
        ] {
            let rule = &schema["$defs"][name];
            let known: BTreeSet<String> = rule["properties"].as_object().unwrap().keys().cloned().collect();
            assert!(!known.is_empty());
            assert_eq!(members(text, heading), known, "{heading}");
            // What is required is said to be, and each word that a member may be is on the page.
            for member in rule["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()) {
                assert!(text.contains(&format!("| `{member}` | required: ")), "{member}");
            }
            for words in rule["properties"].as_object().unwrap().values().filter_map(|member| member["enum"].as_array())
            {
                for word in words.iter().filter_map(Value::as_str) {
                    assert!(text.contains(&format!("`{word}`")), "{word}");
                }
            }
        }
    }

    #[test]
    fn each_page_is_listed_once() {
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        listed.sort_unstable();
        assert_eq!(listed, PAGES.iter().map(|page| page.name).collect::<Vec<_>>());
    }

    /// So that a citation, which knows a heading's words only, leads to the right one.
    #[test]
    fn no_page_has_a_heading_twice() {
        for path in paths() {
            let headings = render(&markdown(&path).unwrap()).headings;
            let distinct: BTreeSet<&str> = headings.iter().map(|heading| heading.text.as_str()).collect();
            assert_eq!(distinct.len(), headings.len(), "/docs/{path}");
        }
    }
}
