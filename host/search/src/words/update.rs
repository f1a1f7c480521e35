//! Brings an index up to date. One update at a time has a folder's lock, in all processes that share it.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::Path,
    time::Duration,
};

use resly_core::{id::RevisionId, knowledge::PassageText};
use tantivy::{
    Index, IndexSettings, IndexWriter, TantivyDocument, Term,
    directory::{Directory, RamDirectory},
    indexer::IndexWriterOptions,
    merge_policy::LogMergePolicy,
    schema::Schema,
    tokenizer::PreTokenizedString,
};

use super::{
    Place, WordIndex, WordsError,
    directory::Unsynced,
    schema::{Fields, Part, schema},
    segment,
};
use crate::terms;

/// Says how passages are cut into words and written. It is raised with every change of either, which makes every index
/// anew.
pub const FORMAT: &str = "resly-words-1";
/// One process at a time has it while it writes.
const LOCK: &str = "update.lock";
/// How long an update waits for another process, and how often it looks.
const LOCK_PATIENCE: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(2) };
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// The least that tantivy writes with; a batch of passages needs less.
const WRITER_BYTES: usize = 15_000_000;
/// Segments of fewer passages are merged whenever there are two of them, so that most indexes are one segment.
const SMALL_SEGMENT: u32 = 2000;

/// An index that is open for writing.
pub struct WordsUpdate {
    index: Index,
    fields: Fields,
    sources: Vec<RevisionId>,
    writer: Option<IndexWriter>,
    in_memory: Option<RamDirectory>,
    /// Held until the index is written and read again.
    _lock: Option<File>,
}

impl WordsUpdate {
    /// Opens an index, or makes an empty one. `wipe` deletes what is there.
    pub fn open(place: &Place, wipe: bool) -> Result<Self, WordsError> {
        Self::open_since(place, wipe, None)
    }

    /// As [`WordsUpdate::open`], where `have` is an earlier state of the index: the files that it was read from are whole
    /// and never change, so only those that came since are checked.
    pub fn open_since(place: &Place, wipe: bool, have: Option<&WordIndex>) -> Result<Self, WordsError> {
        let (schema, fields) = schema();
        let folder = match place {
            Place::Memory => {
                let memory = RamDirectory::create();
                let index = create(Box::new(memory.clone()), schema)?;
                let in_memory = Some(memory);
                return Ok(Self { index, fields, sources: Vec::new(), writer: None, in_memory, _lock: None });
            }
            Place::Folder(folder) => folder,
        };
        make_own(folder)?;
        let lock = lock(folder, LOCK_PATIENCE)?;
        if wipe {
            self::wipe(folder)?;
        }
        let directory = Unsynced::open(folder)?;
        let exists = Index::exists(&directory).map_err(|error| WordsError::Index(error.to_string()))?;
        let (index, sources) = if exists {
            let index = Index::open(directory)?;
            check(&index, &schema, have)?;
            let sources = segment::sources(&index, &fields)?;
            (index, sources)
        } else {
            (create(Box::new(directory), schema)?, Vec::new())
        };
        Ok(Self { index, fields, sources, writer: None, in_memory: None, _lock: Some(lock) })
    }

    /// The sources that the index holds, in order.
    pub fn sources(&self) -> &[RevisionId] {
        &self.sources
    }

    /// Deletes sources.
    pub fn delete(mut self, sources: &[RevisionId]) -> Result<Self, WordsError> {
        let field = self.fields.source;
        let writer = self.writer()?;
        for source in sources {
            writer.delete_term(Term::from_field_bytes(field, source.0.as_bytes()));
        }
        Ok(self)
    }

    /// Adds passages, which are in order of their sources.
    pub fn add(mut self, texts: &[PassageText]) -> Result<Self, WordsError> {
        let fields = self.fields.clone();
        let writer = self.writer()?;
        for source in texts.chunk_by(|a, b| a.revision == b.revision) {
            let parts = source.iter().map(|PassageText { title, section, text, .. }| [title, section, text]);
            let language = terms::language(parts.map(|parts| parts.map(String::as_str)));
            for passage in source {
                writer.add_document(document(&fields, passage, language))?;
            }
        }
        Ok(self)
    }

    /// Writes what was changed, and reads the whole.
    pub fn commit(mut self) -> Result<WordIndex, WordsError> {
        if let Some(mut writer) = self.writer.take() {
            let mut commit = writer.prepare_commit()?;
            commit.set_payload(FORMAT);
            commit.commit()?;
            writer.wait_merging_threads()?;
        }
        let memory = self.in_memory.map_or(0, |memory| memory.total_mem_usage());
        WordIndex::read(&self.index, &self.fields, memory)
    }

    fn writer(&mut self) -> Result<&mut IndexWriter, WordsError> {
        if self.writer.is_none() {
            let options = IndexWriterOptions::builder()
                .num_worker_threads(1)
                .num_merge_threads(1)
                .memory_budget_per_thread(WRITER_BYTES)
                .build();
            let writer: IndexWriter = self.index.writer_with_options(options)?;
            let mut policy = LogMergePolicy::default();
            policy.set_min_num_segments(2);
            policy.set_min_layer_size(SMALL_SEGMENT);
            policy.set_del_docs_ratio_before_merge(0.2);
            writer.set_merge_policy(Box::new(policy));
            self.writer = Some(writer);
        }
        self.writer.as_mut().ok_or_else(|| WordsError::Index("there is no writer".to_owned()))
    }
}

fn create(directory: Box<dyn Directory>, schema: Schema) -> Result<Index, WordsError> {
    // Nothing is stored beside the columns, so a thread for compressing it would do nothing.
    let settings = IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
    Ok(Index::create(directory, schema, settings)?)
}

/// Whether an index is what this program writes, and whole.
fn check(index: &Index, schema: &Schema, have: Option<&WordIndex>) -> Result<(), WordsError> {
    let metas = index.load_metas()?;
    let written = !metas.segments.is_empty() || metas.payload.is_some();
    let found = metas.payload.unwrap_or_default();
    if written && (found != FORMAT || index.schema() != *schema) {
        return Err(WordsError::Format { found, expected: FORMAT });
    }
    let directory = index.directory();
    let written = directory.list_managed_files();
    let mut damaged = Vec::new();
    for file in segment::files(index)? {
        // Of the files that a segment may have, few are written.
        let unchecked = written.contains(&file) && have.is_none_or(|have| !have.files.contains(&file));
        if unchecked && !directory.validate_checksum(&file).map_err(tantivy::TantivyError::from)? {
            damaged.push(file.display().to_string());
        }
    }
    if damaged.is_empty() {
        return Ok(());
    }
    damaged.sort();
    Err(WordsError::Damaged(damaged.join(", ")))
}

/// The lock of a folder, which the system gives back when this process ends, however it ends.
/// Makes the folder, readable for its owner alone. A link to another folder is refused, because the host would delete what
/// is in it.
fn make_own(folder: &Path) -> Result<(), WordsError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for path in [folder.to_owned(), folder.join(LOCK)] {
        let kind = match fs::symlink_metadata(&path) {
            Ok(found) => found.file_type(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if !(kind.is_dir() || kind.is_file()) {
            return Err(WordsError::Index(format!("{} is a link or no file; delete it", path.display())));
        }
    }
    Ok(())
}

fn lock(folder: &Path, patience: Duration) -> Result<File, WordsError> {
    let file = File::options().create(true).append(true).open(folder.join(LOCK))?;
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if waited < patience => {
                std::thread::sleep(LOCK_PAUSE);
                waited += LOCK_PAUSE;
            }
            Err(TryLockError::WouldBlock) => return Err(WordsError::Busy(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

/// Deletes all but the lock. Who has files of it mapped keeps them until they are unmapped.
fn wipe(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn document(fields: &Fields, passage: &PassageText, language: terms::Language) -> TantivyDocument {
    let mut document = TantivyDocument::default();
    document.add_bytes(fields.source, passage.revision.0.as_bytes());
    let ids = [(fields.source_id, passage.revision.0), (fields.passage_id, passage.id.0)];
    for ([high, low], id) in ids {
        let (high_bits, low_bits) = id.as_u64_pair();
        document.add_u64(high, high_bits);
        document.add_u64(low, low_bits);
    }
    document.add_u64(fields.position, passage.position);
    document.add_u64(fields.language, terms::number(language));
    for part in Part::ALL {
        let text = match part {
            Part::Title => &passage.title,
            Part::Section => &passage.section,
            Part::Text => &passage.text,
        };
        let terms = terms::of_passage(text, language);
        document.add_u64(fields.lengths[part as usize], terms.words);
        let tokens = PreTokenizedString { text: String::new(), tokens: terms.tokens };
        document.add_pre_tokenized_text(fields.parts[part as usize], tokens);
    }
    document
}
