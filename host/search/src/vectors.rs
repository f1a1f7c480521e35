//! The vectors of one organization in memory, and the scan that finds the nearest ones.
//!
//! A flat scan is exact and needs no upkeep: ten thousand passages take well under a millisecond. Vectors are stored as
//! bytes with a scale for each, a quarter of their size. This changes a cosine by less than 0.01.

use std::{collections::HashSet, sync::Arc};

use resly_core::{
    id::{PassageId, RevisionId},
    knowledge::StoredVector,
};

/// The vectors that one embedder made of one source. Like the source, they never change.
#[derive(Debug)]
struct SourceVectors {
    source: RevisionId,
    dimensions: usize,
    passages: Vec<PassageId>,
    scales: Vec<f32>,
    /// One vector after the other.
    values: Vec<i8>,
}

/// All vectors that one embedder made for one organization. A newer index shares what didn't change.
#[derive(Clone, Debug, Default)]
pub struct VectorIndex {
    /// In order of the ids, so that equal cosines have the same order on every host. A source may have no vectors.
    sources: Vec<Arc<SourceVectors>>,
}

impl VectorIndex {
    /// Whether the index has read this source.
    pub fn contains(&self, source: RevisionId) -> bool {
        self.sources.binary_search_by_key(&source, |known| known.source).is_ok()
    }

    /// Leaves out every other source.
    pub fn retain(&mut self, sources: &HashSet<RevisionId>) {
        self.sources.retain(|known| sources.contains(&known.source));
    }

    /// Leaves out the sources without vectors, so that they are read again.
    pub fn forget_empty(&mut self) {
        self.sources.retain(|known| !known.passages.is_empty());
    }

    /// Adds sources with their vectors, which are in order of source and position.
    pub fn add(&mut self, sources: &[RevisionId], vectors: &[StoredVector]) {
        for id in sources {
            let start = vectors.partition_point(|vector| vector.revision < *id);
            let end = vectors.partition_point(|vector| vector.revision <= *id);
            let own = vectors.get(start..end).unwrap_or_default();
            let added = Arc::new(SourceVectors::new(*id, own));
            match self.sources.binary_search_by_key(id, |known| known.source) {
                Ok(at) => self.sources[at] = added,
                Err(at) => self.sources.insert(at, added),
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.sources.iter().all(|source| source.passages.is_empty())
    }

    /// Bytes of memory that it takes, roughly.
    pub fn bytes(&self) -> usize {
        self.sources.iter().map(|source| source.bytes()).sum::<usize>() + size_of::<Self>()
    }

    /// The number of multiplications of a scan.
    pub fn work(&self) -> usize {
        self.sources.iter().map(|source| source.values.len()).sum()
    }

    /// The passages nearest to a vector of unit length with their cosines, best first.
    pub fn nearest(&self, query: &[f32], limit: usize) -> Vec<(PassageId, f32)> {
        if query.is_empty() || limit == 0 {
            return Vec::new();
        }
        let mut bytes = Vec::with_capacity(query.len());
        let scale = quantise(query, &mut bytes);
        let mut found: Vec<(f32, usize, usize)> = Vec::new();
        for (at, source) in self.sources.iter().enumerate().filter(|(_, source)| source.dimensions == query.len()) {
            let rows = source.values.chunks_exact(source.dimensions).zip(&source.scales).enumerate();
            found.extend(rows.map(|(row, (values, row_scale))| {
                #[expect(clippy::cast_precision_loss, reason = "an approximation anyway")]
                let cosine = dot(&bytes, values) as f32 * scale * row_scale;
                (cosine, at, row)
            }));
        }
        let order =
            |a: &(f32, usize, usize), b: &(f32, usize, usize)| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2)));
        if found.len() > limit {
            found.select_nth_unstable_by(limit, order);
            found.truncate(limit);
        }
        found.sort_unstable_by(order);
        let passage =
            |(cosine, at, row): (f32, usize, usize)| Some((self.sources.get(at)?.passages.get(row).copied()?, cosine));
        found.into_iter().filter_map(passage).collect()
    }
}

impl SourceVectors {
    /// Vectors of another size than the first one are left out, because another embedder must have made them.
    fn new(source: RevisionId, vectors: &[StoredVector]) -> Self {
        let dimensions = vectors.first().map_or(0, |first| first.vector.len());
        let mut made = Self {
            source,
            dimensions,
            passages: Vec::with_capacity(vectors.len()),
            scales: Vec::with_capacity(vectors.len()),
            values: Vec::with_capacity(vectors.len() * dimensions),
        };
        for StoredVector { passage, vector, .. } in vectors {
            if vector.len() == dimensions && dimensions > 0 {
                made.passages.push(*passage);
                made.scales.push(quantise(vector, &mut made.values));
            }
        }
        made
    }

    fn bytes(&self) -> usize {
        self.values.len() + self.passages.len() * (size_of::<PassageId>() + size_of::<f32>()) + size_of::<Self>()
    }
}

/// Appends a vector as bytes. Returns the value of one step of these bytes.
fn quantise(vector: &[f32], bytes: &mut Vec<i8>) -> f32 {
    let largest = vector.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    if largest <= 0.0 || !largest.is_finite() {
        bytes.resize(bytes.len() + vector.len(), 0);
        return 0.0;
    }
    let scale = largest / 127.0;
    #[expect(clippy::cast_possible_truncation, reason = "the quotient is within -127 and 127, and a cast saturates")]
    bytes.extend(vector.iter().map(|x| (x / scale).round() as i8));
    scale
}

/// The sum wraps so that the compiler may vectorise it; it can't overflow below 130,000 dimensions.
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).fold(0i32, |sum, (a, b)| sum.wrapping_add(i32::from(*a) * i32::from(*b)))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(n: usize) -> PassageId {
        PassageId(Uuid::from_u128(n as u128))
    }

    fn source(n: u128) -> RevisionId {
        RevisionId(Uuid::from_u128(n))
    }

    fn unit(angle: f32) -> Vec<f32> {
        vec![angle.cos(), angle.sin(), 0.0]
    }

    fn stored(of: RevisionId, first: usize, vectors: &[Vec<f32>]) -> Vec<StoredVector> {
        let stored = |(n, vector): (usize, &Vec<f32>)| StoredVector {
            revision: of,
            passage: id(first + n),
            vector: vector.clone(),
        };
        vectors.iter().enumerate().map(stored).collect()
    }

    fn index(vectors: &[Vec<f32>]) -> VectorIndex {
        let mut index = VectorIndex::default();
        index.add(&[source(1)], &stored(source(1), 0, vectors));
        index
    }

    /// The nearest to the angle 0.
    fn nearest(index: &VectorIndex, limit: usize) -> Vec<PassageId> {
        index.nearest(&unit(0.0), limit).into_iter().map(|(passage, _)| passage).collect()
    }

    #[test]
    fn the_nearest_come_first() {
        let index = index(&[unit(1.5), unit(0.1), unit(0.4), unit(3.0)]);
        assert_eq!(nearest(&index, 10), [id(1), id(2), id(0), id(3)]);
        assert_eq!(nearest(&index, 1), [id(1)]);
        assert!(nearest(&index, 0).is_empty());
    }

    #[test]
    fn equal_cosines_come_in_order_of_source_and_position_whenever_they_were_added() {
        let mut index = VectorIndex::default();
        index.add(&[source(2)], &stored(source(2), 20, &[unit(0.1), unit(0.1)]));
        index.add(&[source(1), source(3)], &stored(source(1), 10, &[unit(0.1)]));
        assert_eq!(nearest(&index, 10), [id(10), id(20), id(21)]);
        assert!(index.contains(source(3)) && !index.contains(source(4)), "a source without vectors was read, too");
        let older = index.clone();
        index.retain(&HashSet::from([source(2)]));
        assert_eq!(nearest(&index, 10), [id(20), id(21)]);
        assert_eq!(nearest(&older, 10).len(), 3);
        assert!(index.bytes() < older.bytes() && index.work() < older.work());
    }

    #[test]
    fn bytes_are_near_enough() {
        for step in 0..60u8 {
            let angle = f32::from(step) / 10.0;
            let index = index(&[unit(angle)]);
            let (_, cosine) = index.nearest(&unit(0.0), 1)[0];
            assert!((cosine - angle.cos()).abs() < 0.01, "{angle}: {cosine}");
        }
    }

    #[test]
    fn other_sizes_and_no_vectors_find_nothing() {
        let mixed = index(&[unit(0.0), vec![1.0], unit(0.2)]);
        assert_eq!(nearest(&mixed, 9), [id(0), id(2)]);
        assert!(mixed.nearest(&[1.0], 9).is_empty());
        assert!(nearest(&index(&[]), 9).is_empty());
        assert!(index(&[]).is_empty());
        assert_eq!(index(&[vec![0.0; 3]]).nearest(&unit(0.0), 9)[0].1, 0.0, "no direction is near nothing");
    }
}
