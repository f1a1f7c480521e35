//! The handbook (`docs/*.md`), which the binary carries, with the page of problems made from their table.

use std::fmt::Write;

use crate::http::problem::kinds;

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
