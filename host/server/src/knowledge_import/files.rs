//! Finds a folder's documents.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Endings of files that a host can read, and their types.
const TYPES: [(&str, &str); 10] = [
    ("md", "text/markdown"),
    ("markdown", "text/markdown"),
    ("txt", "text/plain"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("xhtml", "application/xhtml+xml"),
    ("pdf", "application/pdf"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("csv", "text/csv"),
    ("tsv", "text/tab-separated-values"),
];
/// How deep folders may be nested.
const DEEPEST: usize = 32;

/// A document of the folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    pub file: PathBuf,
    /// From the folder, with slashes.
    pub path: String,
    pub content_type: &'static str,
}

/// The documents in a folder and those in it, in order of their paths. Links and hidden files are left out.
pub fn find(folder: &Path) -> anyhow::Result<Vec<Document>> {
    let mut found = Vec::new();
    walk(folder, "", 0, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(folder: &Path, above: &str, depth: usize, found: &mut Vec<Document>) -> anyhow::Result<()> {
    anyhow::ensure!(depth <= DEEPEST, "{} is nested too deeply", folder.display());
    let can_not = || format!("the folder {} can't be read", folder.display());
    for entry in std::fs::read_dir(folder).with_context(can_not)? {
        let entry = entry.with_context(can_not)?;
        let kind = entry.file_type().with_context(can_not)?;
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{} has a name that isn't UTF-8", entry.path().display()))?;
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{above}{name}");
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), depth + 1, found)?;
        } else if kind.is_file()
            && let Some(content_type) = content_type(name)
        {
            found.push(Document { file: entry.path(), path, content_type });
        }
    }
    Ok(())
}

fn content_type(name: &str) -> Option<&'static str> {
    let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
    TYPES.iter().find(|(known, _)| *known == ending).map(|(_, content_type)| *content_type)
}
