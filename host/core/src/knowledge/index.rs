//! The vectors of one organization in memory, and the scan that finds the nearest ones.
//!
//! A flat scan is exact and needs no upkeep: ten thousand passages take well under a millisecond. Vectors are stored as
//! bytes with a scale for each, a quarter of their size. This changes a cosine by less than 0.01.

use crate::id::PassageId;

use super::StoredVector;

/// All vectors that one embedder made for one organization, as of one knowledge version.
#[derive(Debug)]
pub struct VectorIndex {
    pub version: u64,
    dimensions: usize,
    passages: Vec<PassageId>,
    scales: Vec<f32>,
    /// One vector after the other.
    values: Vec<i8>,
}

impl VectorIndex {
    /// Vectors of another size than the first one are left out, because another embedder must have made them.
    pub fn new(version: u64, vectors: Vec<StoredVector>) -> Self {
        let dimensions = vectors.first().map_or(0, |first| first.vector.len());
        let mut index = Self {
            version,
            dimensions,
            passages: Vec::with_capacity(vectors.len()),
            scales: Vec::with_capacity(vectors.len()),
            values: Vec::with_capacity(vectors.len() * dimensions),
        };
        for StoredVector { passage, vector } in vectors {
            if vector.len() == dimensions && dimensions > 0 {
                index.passages.push(passage);
                index.scales.push(quantise(&vector, &mut index.values));
            }
        }
        index
    }

    pub fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    /// Bytes of memory that it takes, roughly.
    pub fn bytes(&self) -> usize {
        self.values.len() + self.passages.len() * (size_of::<PassageId>() + size_of::<f32>()) + size_of::<Self>()
    }

    /// The number of multiplications of a scan.
    pub fn work(&self) -> usize {
        self.values.len()
    }

    /// The passages nearest to a vector of unit length, best first, none under `floor`.
    pub fn nearest(&self, query: &[f32], floor: f32, limit: usize) -> Vec<PassageId> {
        if query.len() != self.dimensions || self.is_empty() || limit == 0 {
            return Vec::new();
        }
        let mut bytes = Vec::with_capacity(self.dimensions);
        let scale = quantise(query, &mut bytes);
        let rows = self.values.chunks_exact(self.dimensions).zip(&self.scales).enumerate();
        let mut found: Vec<(f32, usize)> = rows
            .filter_map(|(at, (row, row_scale))| {
                #[expect(clippy::cast_precision_loss, reason = "an approximation anyway")]
                let cosine = dot(&bytes, row) as f32 * scale * row_scale;
                (cosine >= floor).then_some((cosine, at))
            })
            .collect();
        let order = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if found.len() > limit {
            found.select_nth_unstable_by(limit, order);
            found.truncate(limit);
        }
        found.sort_unstable_by(order);
        found.into_iter().map(|(_, at)| self.passages[at]).collect()
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

    fn unit(angle: f32) -> Vec<f32> {
        vec![angle.cos(), angle.sin(), 0.0]
    }

    fn index(vectors: &[Vec<f32>]) -> VectorIndex {
        let stored =
            vectors.iter().enumerate().map(|(n, vector)| StoredVector { passage: id(n), vector: vector.clone() });
        VectorIndex::new(1, stored.collect())
    }

    #[test]
    fn the_nearest_come_first_and_none_is_under_the_floor() {
        let index = index(&[unit(1.5), unit(0.1), unit(0.4), unit(3.0)]);
        assert_eq!(index.nearest(&unit(0.0), 0.5, 10), [id(1), id(2)]);
        assert_eq!(index.nearest(&unit(0.0), -1.0, 3), [id(1), id(2), id(0)]);
        assert_eq!(index.nearest(&unit(0.0), 0.5, 1), [id(1)]);
        assert!(index.nearest(&unit(0.0), 0.5, 0).is_empty());
    }

    #[test]
    fn bytes_are_near_enough() {
        for step in 0..60u8 {
            let angle = f32::from(step) / 10.0;
            let index = index(&[unit(angle)]);
            assert_eq!(index.nearest(&unit(0.0), angle.cos() - 0.01, 1).len(), 1, "{angle}");
            assert_eq!(index.nearest(&unit(0.0), angle.cos() + 0.01, 1).len(), 0, "{angle}");
        }
    }

    #[test]
    fn other_sizes_and_no_vectors_find_nothing() {
        let mixed = index(&[unit(0.0), vec![1.0], unit(0.2)]);
        assert_eq!(mixed.nearest(&unit(0.0), 0.0, 9), [id(0), id(2)]);
        assert!(mixed.nearest(&[1.0], 0.0, 9).is_empty());
        assert!(index(&[]).nearest(&unit(0.0), 0.0, 9).is_empty());
        assert!(index(&[vec![0.0; 3]]).nearest(&unit(0.0), 0.1, 9).is_empty());
    }
}
