//! PDF (ISO 32000): hayro-syntax reads the file, what is shown on its pages becomes lines, and lines become Markdown.

mod aligned;
mod cells;
mod cmap;
mod content;
mod font;
mod glyphs;
mod grid;
mod layout;
mod lines;
mod rules;
mod running;

use std::collections::HashSet;

use encoding_rs::{UTF_16BE, WINDOWS_1252};
use hayro_syntax::{
    LoadPdfError, Pdf,
    object::{Array, Dict, String as PdfString},
    page::Page,
};

use crate::{
    document::{Document, Extracted, Failure, FailureKind, LINKS_MOST, TEXT_MOST},
    titles,
    urls::absolute,
};

use self::{content::Reader, lines::Line};

const PAGES_MOST: usize = 10_000;
/// Bytes at a file's end in which its last lines are looked for.
const TAIL: usize = 2_048;
/// Pages that a note names.
const NAMED: usize = 20;

pub fn extract(document: Document<'_>) -> Result<Extracted, Failure> {
    let start = document.bytes.windows(5).position(|window| window == b"%PDF-").unwrap_or(0);
    let pdf = load(&document.bytes[start..])?;
    let mut reader = Reader::default();
    let (mut pages, mut pictures): (Vec<Vec<Line>>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut links = Vec::new();
    let mut seen = HashSet::new();
    let mut undecoded = 0;
    for (n, page) in pdf.pages().iter().enumerate() {
        if n == PAGES_MOST {
            return Err(Failure::too_large("the PDF has more than 10000 pages"));
        }
        let shown = reader.page(page)?;
        undecoded += usize::from(is_undecoded(page));
        let lines = lines::of(shown.spans, &shown.rules);
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
    let cut = is_cut(document.bytes);
    let laid_out = layout::markdown(pages);
    // What has no end lost what it showed, too.
    if cut && laid_out.text.is_empty() {
        return Err(Failure::damaged("the PDF is damaged or cut: its end is missing"));
    }
    if count == 0 {
        return Err(Failure::damaged("the PDF has no pages that can be read"));
    }
    if laid_out.text.is_empty() && undecoded > 0 {
        return Err(Failure::damaged("the PDF is damaged: what its pages show can't be read"));
    }
    let note = note(&Left { pictures: &pictures, pages: count, unreadable: reader.unreadable, undecoded, cut });
    let empty = if pictures.is_empty() {
        "the PDF holds no text that can be read; export it anew with its text, or upload the text itself"
    } else {
        "the PDF only holds pictures of pages, such as a scan; run text recognition (OCR) over it and upload the result"
    };
    let title = pdf.metadata().title.as_deref().and_then(|title| titles::given(&text_string(title)));
    let title = title.or(laid_out.title);
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

/// What of a PDF isn't in its text.
struct Left<'a> {
    /// The numbers of pages that only show pictures.
    pictures: &'a [usize],
    pages: usize,
    /// Characters whose letters aren't known.
    unreadable: usize,
    /// Pages whose content is damaged.
    undecoded: usize,
    cut: bool,
}

/// What was left out, for the admin.
fn note(left: &Left<'_>) -> Option<String> {
    let Left { pictures, pages, unreadable, undecoded, cut } = *left;
    let mut notes = Vec::new();
    if cut {
        notes.push("The end of the file is missing, so pages may be missing, too; upload the whole file.".to_owned());
    }
    if undecoded > 0 {
        notes.push(format!("{undecoded} of {pages} pages are damaged and were left out."));
    }
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

/// Whether a file ends before its end: its last lines say where its table of objects is (ISO 32000-2, section 7.5.5).
fn is_cut(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    !["%%EOF", "startxref"].iter().any(|mark| tail.windows(mark.len()).any(|window| window == mark.as_bytes()))
}

/// Whether a page names a content that can't be read.
fn is_undecoded(page: &Page<'_>) -> bool {
    page.raw().contains_key("Contents") && page.page_stream().is_none()
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
