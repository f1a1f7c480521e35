//! One vector from the states of a text's tokens.

use candle_core::{D, Result, Tensor};

/// How sentence-transformers' `1_Pooling/config.json` says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    #[default]
    Mean,
    /// The state of the first token.
    First,
    Max,
}

impl Pooling {
    /// `states` are (texts, tokens, dimensions); `mask`, (texts, tokens), is 1 for a token and 0 for padding. Gives (texts,
    /// dimensions).
    pub fn pool(self, states: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let mask = mask.to_dtype(states.dtype())?.unsqueeze(D::Minus1)?;
        match self {
            Self::Mean => states.broadcast_mul(&mask)?.sum(1)?.broadcast_div(&mask.sum(1)?),
            Self::First => states.narrow(1, 0, 1)?.squeeze(1),
            Self::Max => {
                // 0 for a token, and far below any state for padding.
                let below = mask.affine(1e9, -1e9)?;
                states.broadcast_add(&below)?.max(1)
            }
        }
    }
}

/// Scales to unit length; false when there is no direction to keep.
pub fn normalise(vector: &mut [f32]) -> bool {
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

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn padding_counts_nowhere() {
        let states = Tensor::new(&[[[1f32, -4.0], [3.0, -2.0], [90.0, 90.0]]], &Device::Cpu).unwrap();
        let mask = Tensor::new(&[[1u32, 1, 0]], &Device::Cpu).unwrap();
        let pooled = |pooling: Pooling| pooling.pool(&states, &mask).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(pooled(Pooling::Mean), [[2.0, -3.0]]);
        assert_eq!(pooled(Pooling::First), [[1.0, -4.0]]);
        assert_eq!(pooled(Pooling::Max), [[3.0, -2.0]]);
    }

    #[test]
    fn a_vector_has_unit_length_or_is_refused() {
        let mut vector = [3.0, 4.0];
        assert!(normalise(&mut vector));
        assert_eq!(vector, [0.6, 0.8]);
        assert!(!normalise(&mut [0.0, 0.0]) && !normalise(&mut [f32::NAN, 1.0]));
    }
}
