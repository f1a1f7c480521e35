//! PDF (ISO 32000): hayro-syntax reads the file, what is shown on its pages becomes lines, and lines become Markdown.

mod cmap;
mod content;
mod font;
mod glyphs;
mod layout;
mod lines;

use std::collections::HashSet;

use encoding_rs::{UTF_16BE, WINDOWS_1252};
use hayro_syntax::{
    LoadPdfError, Pdf,
    object::{Array, Dict, String as PdfString},
    page::Page,
};

use crate::{
    document::{Document, Extracted, Failure, FailureKind, LINKS_MOST, TEXT_MOST, one_line},
    urls::absolute,
};

use self::{content::Reader, lines::Line};

const PAGES_MOST: usize = 10_000;
/// Pages that a note names.
const NAMED: usize = 20;

pub fn extract(document: Document<'_>) -> Result<Extracted, Failure> {
    let start = document.bytes.windows(5).position(|window| window == b"%PDF-").unwrap_or(0);
    let pdf = load(&document.bytes[start..])?;
    let mut reader = Reader::default();
    let (mut pages, mut pictures): (Vec<Vec<Line>>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut links = Vec::new();
    let mut seen = HashSet::new();
    for (n, page) in pdf.pages().iter().enumerate() {
        if n == PAGES_MOST {
            return Err(Failure::too_large("the PDF has more than 10000 pages"));
        }
        let shown = reader.page(page)?;
        let lines = lines::of(shown.spans);
        if lines.is_empty() && shown.pictures > 0 {
            pictures.push(n + 1);
        }
        pages.push(lines);
        for link in page_links(page).into_iter().filter(|link| seen.insert(link.clone())) {
            if links.len() < LINKS_MOST {
                links.push(link);
            }
        }
        if reader.letters > TEXT_MOST {
            return Err(Failure::too_large("the PDF's text has more than 8 MiB"));
        }
    }
    let count = pages.len();
    if count == 0 && is_protected(document.bytes) {
        return Err(encrypted());
    }
    if count == 0 {
        return Err(Failure::damaged("the PDF has no pages that can be read"));
    }
    let laid_out = layout::markdown(pages);
    let note = note(&pictures, count, reader.unreadable);
    let empty = if pictures.is_empty() {
        "the PDF holds no text that can be read; export it anew with its text, or upload the text itself"
    } else {
        "the PDF only holds pictures of pages, such as a scan; run text recognition (OCR) over it and upload the result"
    };
    let title = title(&pdf).or(laid_out.title);
    Extracted { title, text: laid_out.text, links, note, ..Extracted::default() }.checked(empty)
}

fn load(bytes: &[u8]) -> Result<Pdf, Failure> {
    Pdf::new(bytes.to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(_) => encrypted(),
        LoadPdfError::Invalid if is_protected(bytes) => encrypted(),
        LoadPdfError::Invalid => Failure::damaged("the PDF is damaged or cut"),
    })
}

/// Whether the file says that it is protected, be it in another way than by a password.
fn is_protected(bytes: &[u8]) -> bool {
    bytes.windows(8).any(|window| window == b"/Encrypt")
}

fn encrypted() -> Failure {
    Failure::new(FailureKind::Encrypted, "the PDF is protected by a password or a certificate; save it without")
}

/// What was left out.
fn note(pictures: &[usize], pages: usize, unreadable: usize) -> Option<String> {
    let mut notes = Vec::new();
    if !pictures.is_empty() {
        let named: Vec<String> = pictures.iter().take(NAMED).map(usize::to_string).collect();
        let more = if pictures.len() > NAMED { ", …" } else { "" };
        notes.push(format!(
            "{} of {pages} pages only hold pictures and were left out (pages {}{more}); text recognition (OCR) would make \
             them readable.",
            pictures.len(),
            named.join(", ")
        ));
    }
    if unreadable > 20 {
        notes.push(format!(
            "{unreadable} characters are set in fonts that don't say which letters they show, and were left out."
        ));
    }
    (!notes.is_empty()).then(|| notes.join(" "))
}

/// The title among the document's properties, unless a program made it of the file's name.
fn title(pdf: &Pdf) -> Option<String> {
    let title = one_line(&text_string(pdf.metadata().title.as_deref()?))?;
    let lower = title.to_lowercase();
    let of_a_file = ["microsoft word", "untitled", "document", "layout 1", "slide 1"]
        .iter()
        .any(|made| lower.starts_with(made))
        || [".doc", ".docx", ".pdf", ".indd", ".odt", ".dvi", ".tex", ".qxd"].iter().any(|end| lower.ends_with(end));
    (!of_a_file && title.chars().filter(|c| c.is_alphabetic()).count() > 2).then_some(title)
}

fn page_links(page: &Page<'_>) -> Vec<String> {
    let annotations = page.raw().get::<Array<'_>>("Annots").unwrap_or_default();
    let link = |annotation: Dict<'_>| {
        let target = annotation.get::<Dict<'_>>("A")?.get::<PdfString<'_>>("URI")?;
        absolute(&String::from_utf8_lossy(target.as_bytes()))
    };
    annotations.iter::<Dict<'_>>().take(LINKS_MOST).filter_map(link).collect()
}

/// A text for people: UTF-16 or UTF-8 by their marks, else an encoding that is nearly Windows' own.
fn text_string(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, text @ ..] => UTF_16BE.decode_without_bom_handling(text).0.into_owned(),
        [0xef, 0xbb, 0xbf, text @ ..] => String::from_utf8_lossy(text).into_owned(),
        text => WINDOWS_1252.decode_without_bom_handling(text).0.into_owned(),
    }
}

#[cfg(test)]
mod tests;
