//! Writes passages with their vectors.

use resly_core::{
    id::{OrganizationId, SourceId},
    knowledge::{NewPassage, NewSource},
};

use crate::{
    sql::{Conn, execute},
    types::{Id, Text},
};

/// What the passages of one revision share.
#[derive(Clone, Copy)]
pub(super) struct PassagePlace<'s> {
    pub organization: OrganizationId,
    pub source: SourceId,
    pub title: &'s str,
    pub language: &'s str,
    pub embedder: &'s str,
}

impl<'s> PassagePlace<'s> {
    pub fn of(source: &'s NewSource) -> Self {
        let NewSource { organization, id, title, language, embedder, .. } = source;
        Self { organization: *organization, source: *id, title, language, embedder }
    }
}

pub(super) async fn insert_passage(
    db: &mut Conn<'_>,
    at: PassagePlace<'_>,
    position: i64,
    passage: &NewPassage,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO passages
             (id, organization_id, source_id, position, title, section, text, language, embedder, vector)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        Id(passage.id.0),
        Id(at.organization.0),
        Id(at.source.0),
        position,
        Text(at.title),
        Text(&passage.section),
        Text(&passage.text),
        at.language,
        at.embedder,
        to_bytes(&passage.vector)
    )
    .map(drop)
}

pub(super) fn passage_bytes(passage: &NewPassage) -> usize {
    passage.text.len() + passage.section.len() + 4 * passage.vector.len()
}

/// Little-endian, whatever machine wrote it.
fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub(super) fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|value| f32::from_le_bytes(*value)).collect()
}
