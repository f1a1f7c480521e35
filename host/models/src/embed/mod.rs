//! Embedders: texts to vectors of unit length.

pub mod builtin;
pub mod openai;

/// Scales to unit length; false when there is no direction to keep.
fn normalise(vector: &mut [f32]) -> bool {
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if !length.is_finite() || length < 1e-12 {
        return false;
    }
    for x in vector {
        #[expect(clippy::cast_possible_truncation, reason = "the quotient is at most 1")]
        {
            *x = (f64::from(*x) / length) as f32;
        }
    }
    true
}
