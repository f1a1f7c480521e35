//! Plain text and Markdown: only the charset and the title are to be found out.

mod headings;

use crate::{
    charset,
    document::{Document, Extracted, Failure, FailureKind},
};

const EMPTY: &str = "the document holds no text; check that the right file was chosen";

pub fn plain(document: Document<'_>) -> Result<Extracted, Failure> {
    let text = decode(document)?;
    // What would be Markdown's marks is meant as it stands; a search finds the words either way.
    Extracted { text, ..Extracted::default() }.checked(EMPTY)
}

pub fn markdown(document: Document<'_>) -> Result<Extracted, Failure> {
    let text = decode(document)?;
    Extracted { title: headings::title(&text), text, ..Extracted::default() }.checked(EMPTY)
}

fn decode(document: Document<'_>) -> Result<String, Failure> {
    let text = charset::decode(document.bytes, &[charset::of_content_type(document.content_type)]);
    let unreadable = text.chars().filter(|c| (c.is_control() && !c.is_whitespace()) || *c == '\u{fffd}').count();
    if unreadable * 20 > text.chars().count() {
        return Err(Failure::new(
            FailureKind::Unsupported,
            "the document is neither text nor of a format that can be read; upload it as HTML, PDF, DOCX, CSV, Markdown \
             or plain text",
        ));
    }
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}
