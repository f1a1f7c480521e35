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
/// Endings of files that can't be read, and what to do.
const OTHERS: [(&[&str], &str); 7] = [
    (&["doc", "dot", "rtf", "odt", "pages", "wpd", "docm"], "this format can't be read; save it as DOCX or PDF"),
    (&["xls", "xlsx", "xlsm", "ods", "numbers"], "a spreadsheet can't be read; save each of its sheets as CSV"),
    (&["ppt", "pptx", "odp", "key"], "a presentation can't be read; save it as PDF"),
    (&["epub", "mobi"], "a book can't be read; save it as PDF or HTML"),
    (
        &["png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "svg", "heic", "ico"],
        "a picture can't be read; save its text as Markdown or text",
    ),
    (&["mp3", "mp4", "m4a", "mov", "avi", "mkv", "wav", "ogg", "webm"], "sound and film can't be read"),
    (
        &["zip", "gz", "tgz", "tar", "7z", "rar", "xz", "bz2"],
        "an archive can't be read; put what is in it into the folder",
    ),
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

/// What isn't uploaded, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Skipped {
    pub path: String,
    pub why: String,
}

/// What a folder holds, in order of the paths.
#[derive(Debug, Default)]
pub struct Found {
    pub documents: Vec<Document>,
    pub skipped: Vec<Skipped>,
}

/// The documents in a folder and those in it. Links, hidden files and files of other formats are skipped.
pub fn find(folder: &Path) -> anyhow::Result<Found> {
    let mut found = Found::default();
    walk(folder, "", 0, &mut found)?;
    found.documents.sort_by(|a, b| a.path.cmp(&b.path));
    found.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(folder: &Path, above: &str, depth: usize, found: &mut Found) -> anyhow::Result<()> {
    anyhow::ensure!(depth <= DEEPEST, "{} is nested too deeply", folder.display());
    let can_not = || format!("the folder {} can't be read", folder.display());
    for entry in std::fs::read_dir(folder).with_context(can_not)? {
        let entry = entry.with_context(can_not)?;
        let kind = entry.file_type().with_context(can_not)?;
        let name = entry.file_name();
        let path = format!("{above}{}", name.to_string_lossy());
        let skipped = |why: &str| Skipped { path: path.clone(), why: why.to_owned() };
        let Some(name) = name.to_str() else {
            found.skipped.push(skipped("its name isn't UTF-8; rename it"));
            continue;
        };
        if name.starts_with('.') {
            found.skipped.push(skipped("it is hidden"));
        } else if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), depth + 1, found)?;
        } else if kind.is_symlink() {
            found.skipped.push(skipped("it is a link; put the document itself there"));
        } else if !kind.is_file() {
            found.skipped.push(skipped("it is no regular file"));
        } else {
            match content_type(name) {
                Ok(content_type) => found.documents.push(Document { file: entry.path(), path, content_type }),
                Err(why) => found.skipped.push(skipped(&why)),
            }
        }
    }
    Ok(())
}

/// The type of a file by its name, or why it isn't read.
fn content_type(name: &str) -> Result<&'static str, String> {
    if name.starts_with("~$") {
        return Err("Office makes it while a document is open".to_owned());
    }
    let Some((_, ending)) = name.rsplit_once('.') else {
        return Err("its name has no ending that tells its format".to_owned());
    };
    let ending = ending.to_ascii_lowercase();
    if let Some((_, content_type)) = TYPES.iter().find(|(known, _)| *known == ending) {
        return Ok(content_type);
    }
    let why = OTHERS.iter().find(|(endings, _)| endings.contains(&ending.as_str())).map(|(_, why)| (*why).to_owned());
    Err(why.unwrap_or_else(|| format!("files that end in .{ending} can't be read")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_type_or_why_there_is_none() {
        for (name, expected) in [
            ("a.MD", Ok("text/markdown")),
            ("Preise in $.csv", Ok("text/csv")),
            ("$a.b$.txt", Ok("text/plain")),
            ("~$Returns.docx", Err("Office makes it")),
            ("Returns.DOC", Err("DOCX")),
            ("prices.xlsx", Err("CSV")),
            ("photo.jpg", Err("picture")),
            ("all.tar.gz", Err("archive")),
            ("app.bin", Err(".bin")),
            ("LICENSE", Err("no ending")),
        ] {
            match (content_type(name), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{name}"),
                (Err(why), Err(part)) => assert!(why.contains(part), "{name}: {why}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
    }
}
