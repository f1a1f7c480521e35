//! What an index holds of each passage.

use tantivy::schema::{BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};

/// The parts of a passage that are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Title = 0,
    Section = 1,
    Text = 2,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Title, Self::Section, Self::Text];

    const fn name(self) -> &'static str {
        ["title", "section", "text"][self as usize]
    }
}

/// The names of the columns: numbers of each passage. An id is two of them.
pub const SOURCE: [&str; 2] = ["source_high", "source_low"];
pub const PASSAGE: [&str; 2] = ["passage_high", "passage_low"];
pub const POSITION: &str = "position";
/// Words of the title, the section and the text.
pub const LENGTHS: [&str; 3] = ["title_words", "section_words", "text_words"];
pub const LANGUAGE: &str = "language";

/// The fields of the schema.
#[derive(Clone, Debug)]
pub struct Fields {
    /// Finds the passages of a source, to delete them, and lists the sources.
    pub source: Field,
    pub parts: [Field; 3],
    pub source_id: [Field; 2],
    pub passage_id: [Field; 2],
    pub position: Field,
    pub lengths: [Field; 3],
    pub language: Field,
}

/// The schema. A change here is another [`super::update::FORMAT`].
pub fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    // Phrases are looked for in headings only.
    let mut part = |part: Part| {
        let record = match part {
            Part::Title | Part::Section => IndexRecordOption::WithFreqsAndPositions,
            Part::Text => IndexRecordOption::WithFreqs,
        };
        let indexing = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(record).set_fieldnorms(false);
        schema.add_text_field(part.name(), TextOptions::default().set_indexing_options(indexing))
    };
    let parts = Part::ALL.map(&mut part);
    let source = schema.add_bytes_field("source", BytesOptions::default().set_indexed());
    let mut column = |name: &str| schema.add_u64_field(name, NumericOptions::default().set_fast());
    let fields = Fields {
        source,
        parts,
        source_id: SOURCE.map(&mut column),
        passage_id: PASSAGE.map(&mut column),
        position: column(POSITION),
        lengths: LENGTHS.map(&mut column),
        language: column(LANGUAGE),
    };
    (schema.build(), fields)
}
