//! Finds master keys that can be guessed: samples, patterns, texts. One of 10^13 random keys looks like one.

use std::{collections::BTreeSet, fmt};

/// The fewest different bytes of a key. Random keys have 30 of 32 on average; fewer than this occur once in over 10^14.
const FEWEST_BYTES: usize = 16;
/// The longest part whose repetition is recognised.
const LONGEST_PERIOD: usize = 16;

/// Why a key can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// All bytes are equal, or count up or down.
    Steps,
    /// A short part is repeated.
    Repeats,
    /// Typed letters and digits, or the text of a key instead of its bytes.
    Text,
    /// It has too few different bytes.
    Poor,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Steps => "is a sample: its bytes are all equal, or count up or down",
            Self::Repeats => "is a short pattern, repeated",
            Self::Text => "is the base64 of a text and not of random bytes",
            Self::Poor => "has few different bytes",
        })
    }
}

/// Why a key can be guessed. `None` when it looks random.
pub fn weakness(key: &[u8; 32]) -> Option<Weakness> {
    let step = key[1].wrapping_sub(key[0]);
    if key.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step) {
        return Some(Weakness::Steps);
    }
    if (1..=LONGEST_PERIOD).any(|period| key.iter().zip(&key[period..]).all(|(byte, later)| byte == later)) {
        return Some(Weakness::Repeats);
    }
    if key.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n' | 0)) {
        return Some(Weakness::Text);
    }
    let different: BTreeSet<u8> = key.iter().copied().collect();
    (different.len() < FEWEST_BYTES).then_some(Weakness::Poor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn what_people_type_is_no_key() {
        let counting = std::array::from_fn(|at| u8::try_from(at).unwrap() + 1);
        let falling = std::array::from_fn(|at| 255 - 3 * u8::try_from(at).unwrap());
        let paired = std::array::from_fn(|at| [0xde, 0xad, 0xbe, 0xef][at % 4]);
        let halves = std::array::from_fn(|at| u8::try_from(at % 16 * 7 % 251).unwrap() ^ 0x85);
        let sparse =
            std::array::from_fn(|at| [0xff_u8, 0x81, 0x93][at * at % 3].rotate_left(u32::try_from(at / 11).unwrap()));
        for (key, expected) in [
            ([0; 32], Weakness::Steps),
            ([0xa5; 32], Weakness::Steps),
            (counting, Weakness::Steps),
            (falling, Weakness::Steps),
            (paired, Weakness::Repeats),
            (halves, Weakness::Repeats),
            (text("changeme"), Weakness::Text),
            (text("0123456789abcdef0123456789abcdeX"), Weakness::Text),
            (text("my very secret master key, 2026!"), Weakness::Text),
            (sparse, Weakness::Poor),
        ] {
            assert_eq!(weakness(&key), Some(expected), "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_a_key(key: [u8; 32]) {
            // Proptest's bytes lean to small and equal ones; what a generator gives has no such leaning.
            let mut spread = [0; 32];
            let mut state = u64::from_le_bytes(key[..8].try_into().unwrap()) | 1;
            for byte in &mut spread {
                // SplitMix64 (Steele, Lea, Flood 2014).
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                *byte = (mixed >> 56) as u8;
            }
            prop_assert_eq!(weakness(&spread), None);
        }
    }
}
