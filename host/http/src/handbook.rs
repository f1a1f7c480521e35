//! The handbook (`docs/*.md`), which the binary carries, with the page of problems made from their table.

use std::fmt::Write;

use crate::problem::kinds;

/// One page.
pub struct Page {
    /// The file's name without `.md`.
    pub name: &'static str,
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/handbook.rs"));

impl Page {
    /// The first heading, or the name.
    pub fn title(&self) -> &'static str {
        self.text.lines().find_map(|line| line.strip_prefix("# ")).map_or(self.name, str::trim)
    }
}

pub fn page(name: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.name == name)
}

/// Every problem this host answers with, as one page.
pub fn problems() -> String {
    let mut text =
        "# Problems\n\nErrors are `application/problem+json` (RFC 9457). `type` is one of these.\n".to_owned();
    for kind in kinds::ALL {
        let _ = write!(text, "\n## {}\n\n`{}` · {}\n\n{}\n", kind.title, kind.slug, kind.status, kind.explanation);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use resly_manifest::SCHEMA;
    use serde_json::Value;

    use super::page;

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
}
