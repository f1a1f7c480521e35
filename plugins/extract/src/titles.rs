//! Titles among a document's properties: those that somebody gave, and not those that programs write there.

use crate::document::one_line;

/// What programs call a document that nobody named, in lower case and without numbers.
const UNNAMED: &[&str] = &[
    "anonymous",
    "unspecified",
    "untitled",
    "untitled document",
    "untitled presentation",
    "untitled spreadsheet",
    "untitled page",
    "unnamed",
    "unknown",
    "undefined",
    "none",
    "null",
    "no title",
    "title",
    "document",
    "new document",
    "new page",
    "word document",
    "microsoft word",
    "microsoft word document",
    "powerpoint presentation",
    "pdf document",
    "presentation",
    "template",
    "blank",
    "blank page",
    "print",
    "scan",
    "scanned document",
    "img",
    "image",
    "slide",
    "layout",
    "sheet",
    "page",
    "dokument",
    "unbenannt",
    "unbenanntes dokument",
    "documento",
    "documento sin título",
    "documento senza titolo",
    "sin título",
    "sem título",
    "senza titolo",
    "sans titre",
    "document sans titre",
    "naamloos",
    "namnlös",
    "bez tytułu",
    "başlıksız",
    "adsız",
    "без названия",
    "без имени",
    "документ",
    "无标题",
    "無題",
];
/// What programs write before a file's name.
const PROGRAMS: &[&str] =
    &["microsoft word - ", "microsoft powerpoint - ", "microsoft excel - ", "microsoft publisher - "];
/// How the names of files end.
const ENDINGS: &[&str] = &[
    "ai", "cdr", "csv", "doc", "docm", "docx", "dot", "dotx", "dvi", "eps", "fm", "htm", "html", "indd", "jpeg", "jpg",
    "md", "odp", "ods", "odt", "ott", "pages", "pdf", "png", "ppt", "pptx", "ps", "psd", "pub", "qxd", "qxp", "rtf",
    "tex", "tif", "tiff", "txt", "vsd", "wpd", "xls", "xlsx", "xml",
];

/// A title that somebody gave, on one line.
pub fn given(title: &str) -> Option<String> {
    let title = one_line(title)?;
    let lower = title.to_lowercase();
    let name = lower.trim_matches(|c: char| !c.is_alphabetic());
    let is_file = lower.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
    let is_path = lower.contains(":\\") || lower.contains("://") || lower.starts_with("about:");
    let made = PROGRAMS.iter().any(|program| lower.starts_with(program)) || UNNAMED.contains(&name);
    // A word of two letters is one in scripts that have no alphabet.
    let letters: usize = title.chars().filter(|c| c.is_alphabetic()).map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
    (!is_file && !is_path && !made && letters > 2).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_is_no_title() {
        for made in [
            "(anonymous)",
            "untitled",
            "Untitled-1",
            "Document3",
            "Dokument 2",
            "Word Document",
            "Microsoft Word - Returns policy",
            "Returns policy.DOCX",
            "C:\\Users\\anna\\returns",
            "file:///tmp/a b",
            "Slide 1",
            "scan_0042",
            "(unspecified)",
            "2026-05-01",
            "PowerPoint Presentation",
            "  ",
            "無題",
        ] {
            assert_eq!(given(made), None, "{made}");
        }
        for named in
            ["Document retention policy", "Returns\n policy ", "返金", "Layout of the office", "Untitled goose game"]
        {
            assert_eq!(given(named), one_line(named), "{named}");
        }
    }
}
