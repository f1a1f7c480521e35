//! What comes in, what goes out, and the guest's own bounds.

/// Bytes of the text. The host has the same bound; here it ends the work early.
pub const TEXT_MOST: usize = 8 << 20;
/// Bytes of a file within a document, or of a stream, once it is unpacked.
pub const UNPACKED_MOST: usize = 64 << 20;
pub const LINKS_MOST: usize = 10_000;
/// Bytes of a URL that is kept.
pub const URL_MOST: usize = 2_048;
/// Bytes of a title that is kept.
pub const TITLE_MOST: usize = 500;

/// A document as it was uploaded or fetched.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    pub bytes: &'a [u8],
    pub content_type: Option<&'a str>,
    /// A file name or a URL.
    pub name: Option<&'a str>,
}

/// What a document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    pub title: Option<String>,
    pub text: String,
    pub links: Vec<String>,
    pub canonical: Option<String>,
    pub noindex: bool,
    pub nofollow: bool,
    pub note: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    Unsupported,
    Damaged,
    Encrypted,
    Empty,
    TooLarge,
}

/// Why a document can't be read. The message is for the admin: what it is, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    pub message: String,
}

impl Failure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub fn damaged(what: &str) -> Self {
        Self::new(FailureKind::Damaged, format!("{what}; open it in the program that made it and save it anew"))
    }

    pub fn too_large(what: &str) -> Self {
        Self::new(FailureKind::TooLarge, format!("{what}; split it or save it in a simpler form"))
    }

    pub fn empty(what: &str) -> Self {
        Self::new(FailureKind::Empty, what)
    }
}

impl Extracted {
    /// The document, if it has a text and the text is within its bound.
    pub fn checked(mut self, empty: &str) -> Result<Self, Failure> {
        if self.text.len() > TEXT_MOST {
            return Err(Failure::too_large("the document's text has more than 8 MiB"));
        }
        if self.text.trim().is_empty() {
            return Err(Failure::empty(empty));
        }
        self.title = self.title.and_then(|title| one_line(&title));
        Ok(self)
    }
}

/// A title on one line and within its bound; `None` when nothing is left of it.
pub fn one_line(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = &line[..line.floor_char_boundary(TITLE_MOST)];
    (!line.is_empty()).then(|| line.to_owned())
}
