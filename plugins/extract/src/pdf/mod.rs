//! PDF (ISO 32000): lopdf reads the file, what is shown on its pages becomes lines, and lines become Markdown.

mod cmap;
mod content;
mod font;
mod layout;
mod lines;

use std::collections::HashSet;

use lopdf::{Dictionary, Document as Pdf, Error, LoadOptions, Object, ObjectId};

use crate::{
    document::{Document, Extracted, Failure, FailureKind, LINKS_MOST, TEXT_MOST, one_line},
    urls::absolute,
};

use self::{content::Reader, lines::Line};

/// Bytes of one stream, unpacked.
const STREAM_MOST: usize = 48 << 20;
const PAGES_MOST: usize = 10_000;
/// Pages that a note names.
const NAMED: usize = 20;

pub fn extract(document: Document<'_>) -> Result<Extracted, Failure> {
    let start = document.bytes.windows(5).position(|window| window == b"%PDF-").unwrap_or(0);
    let pdf = load(&document.bytes[start..])?;
    let mut reader = Reader::new(&pdf);
    let (mut pages, mut pictures): (Vec<Vec<Line>>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut links = Vec::new();
    let mut seen = HashSet::new();
    for (n, page) in pdf.page_iter().enumerate() {
        if n == PAGES_MOST {
            return Err(Failure::too_large("the PDF has more than 10000 pages"));
        }
        let shown = reader.page(page)?;
        let lines = lines::of(shown.spans);
        if lines.is_empty() && shown.pictures > 0 {
            pictures.push(n + 1);
        }
        pages.push(lines);
        for link in page_links(&pdf, page).into_iter().filter(|link| seen.insert(link.clone())) {
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
    let options = LoadOptions { max_decompressed_size: Some(STREAM_MOST), ..LoadOptions::default() };
    let pdf = match Pdf::load_mem_with_options(bytes, options) {
        Ok(pdf) => pdf,
        Err(Error::InvalidPassword | Error::Decryption(_) | Error::UnsupportedSecurityHandler(_)) => {
            return Err(encrypted());
        }
        Err(Error::Decompress(lopdf::DecompressError::MemoryLimitExceeded { .. })) => {
            return Err(Failure::too_large("a stream of the PDF has more than 48 MiB unpacked"));
        }
        Err(_) if is_protected(bytes) => return Err(encrypted()),
        Err(_) => return Err(Failure::damaged("the PDF is damaged or cut")),
    };
    if pdf.is_encrypted() && !pdf.was_encrypted() { Err(encrypted()) } else { Ok(pdf) }
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
    let info = dictionary(pdf, pdf.trailer.get(b"Info").ok()?)?;
    let title = one_line(&lopdf::decode_text_string(resolve(pdf, info.get(b"Title").ok()?)).ok()?)?;
    let lower = title.to_lowercase();
    let of_a_file = ["microsoft word", "untitled", "document", "layout 1", "slide 1"]
        .iter()
        .any(|made| lower.starts_with(made))
        || [".doc", ".docx", ".pdf", ".indd", ".odt", ".dvi", ".tex", ".qxd"].iter().any(|end| lower.ends_with(end));
    (!of_a_file && title.chars().filter(|c| c.is_alphabetic()).count() > 2).then_some(title)
}

fn page_links(pdf: &Pdf, page: ObjectId) -> Vec<String> {
    let Some(annotations) = pdf.get_dictionary(page).ok().and_then(|page| page.get(b"Annots").ok()) else {
        return Vec::new();
    };
    let Object::Array(annotations) = resolve(pdf, annotations) else { return Vec::new() };
    let link = |annotation: &Object| {
        let action = dictionary(pdf, dictionary(pdf, annotation)?.get(b"A").ok()?)?;
        let target = resolve(pdf, action.get(b"URI").ok()?).as_str().ok()?;
        absolute(&String::from_utf8_lossy(target))
    };
    annotations.iter().take(LINKS_MOST).filter_map(link).collect()
}

/// The object that a reference leads to; itself when it is none, null when there is none.
fn resolve<'a>(pdf: &'a Pdf, object: &'a Object) -> &'a Object {
    pdf.dereference(object).map_or(&Object::Null, |(_, object)| object)
}

fn dictionary<'a>(pdf: &'a Pdf, object: &'a Object) -> Option<&'a Dictionary> {
    match resolve(pdf, object) {
        Object::Dictionary(dictionary) => Some(dictionary),
        Object::Stream(stream) => Some(&stream.dict),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
