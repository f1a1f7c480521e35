//! The parts of an Office document: files in a ZIP archive, within bounds.

use std::io::{Cursor, Read};

use quick_xml::{Reader, events::Event};
use zip::{ZipArchive, result::ZipError};

use crate::{
    charset,
    document::{Failure, FailureKind, UNPACKED_MOST},
    xml,
};

/// Files of one archive. A document has some dozens, and one for each of its pictures.
const FILES_MOST: usize = 20_000;

pub struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes that may still be unpacked, of all parts together.
    left: usize,
}

/// What one part says of another.
pub struct Relation {
    pub id: String,
    pub kind: String,
    pub target: String,
}

impl<'a> Package<'a> {
    pub fn open(bytes: &'a [u8]) -> Result<Self, Failure> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged())?;
        if archive.len() > FILES_MOST {
            return Err(Failure::too_large("the archive has more than 20000 files"));
        }
        Ok(Self { archive, left: UNPACKED_MOST })
    }

    pub fn has(&self, name: &str) -> bool {
        self.archive.file_names().flatten().any(|other| other == name)
    }

    /// A part's text; `None` when there is no such part.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let file = match self.archive.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                let message = "the document needs a password; save it without one";
                return Err(Failure::new(FailureKind::Encrypted, message));
            }
            Err(_) => return Err(damaged()),
        };
        let mut bytes = Vec::new();
        let read = file.take(self.left as u64 + 1).read_to_end(&mut bytes);
        if bytes.len() > self.left {
            return Err(Failure::too_large("the document has more than 64 MiB unpacked"));
        }
        self.left -= bytes.len();
        read.map_err(|_| damaged())?;
        let declared = charset::declared_within(&bytes);
        Ok(Some(charset::decode(&bytes, &[declared.as_deref()])))
    }

    /// The text of a part that another one names; empty when there is no such part.
    pub fn related(&mut self, part: &str, relation: &Relation) -> Result<String, Failure> {
        let folder = part.rsplit_once('/').map_or("", |(folder, _)| folder);
        let name =
            relation.target.strip_prefix('/').map_or_else(|| format!("{folder}/{}", relation.target), str::to_owned);
        Ok(self.text(&name)?.unwrap_or_default())
    }

    /// What the file of relations beside a part names.
    pub fn relations(&mut self, part: &str) -> Result<Vec<Relation>, Failure> {
        let (folder, name) = part.rsplit_once('/').map_or(("", part), |(folder, name)| (folder, name));
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let Some(text) = self.text(&format!("{folder}_rels/{name}.rels"))? else { return Ok(Vec::new()) };
        let mut relations = Vec::new();
        let mut reader = Reader::from_str(&text);
        loop {
            match reader.read_event() {
                Ok(Event::Start(start) | Event::Empty(start))
                    if xml::local(start.name().as_ref()) == "Relationship" =>
                {
                    let value = |name| xml::attribute(&start, name).unwrap_or_default();
                    relations.push(Relation { id: value("Id"), kind: value("Type"), target: value("Target") });
                }
                Ok(Event::Eof) | Err(_) => return Ok(relations),
                Ok(_) => {}
            }
        }
    }

    /// What the archive is, when it is no Word document.
    pub fn other(&mut self) -> Failure {
        let mimetype = self.text("mimetype").ok().flatten().unwrap_or_default();
        let what = if self.has("xl/workbook.xml") || mimetype.contains("opendocument.spreadsheet") {
            "a spreadsheet can't be read; save each of its sheets as CSV"
        } else if self.has("ppt/presentation.xml") || mimetype.contains("opendocument.presentation") {
            "a presentation can't be read; save it as PDF"
        } else if mimetype.contains("opendocument") {
            "an OpenDocument text can't be read; save it as DOCX or PDF"
        } else if mimetype.contains("epub") {
            "an EPUB can't be read; save it as PDF or HTML"
        } else {
            "an archive can't be read; upload the documents in it one by one"
        };
        Failure::new(FailureKind::Unsupported, what)
    }
}

fn damaged() -> Failure {
    Failure::damaged("the document is an archive that is damaged or cut")
}
