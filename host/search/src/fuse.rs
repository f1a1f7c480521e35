//! Reciprocal rank fusion: one ranking out of several whose scores can't be compared (Cormack, Clarke and Büttcher,
//! "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", 2009).

use std::{collections::HashMap, hash::Hash};

/// Reduces the weight of the first ranks against the next ones. It is the paper's value.
const K: f32 = 60.0;

/// Fuses rankings. Each is sorted best first, names an item once, and has a weight. Every list adds
/// `weight / (60 + rank)` to its items. Items with equal sums keep the order in which the lists first named them.
pub fn fuse<T: Copy + Eq + Hash>(rankings: &[(&[T], f32)]) -> Vec<(T, f32)> {
    let mut at: HashMap<T, usize> = HashMap::new();
    let mut fused: Vec<(T, f32)> = Vec::new();
    for (ranking, weight) in rankings {
        let mut divisor = K;
        for item in *ranking {
            divisor += 1.0;
            let place = *at.entry(*item).or_insert(fused.len());
            match fused.get_mut(place) {
                Some((_, score)) => *score += weight / divisor,
                None => fused.push((*item, weight / divisor)),
            }
        }
    }
    fused.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(rankings: &[&[u8]]) -> Vec<u8> {
        let rankings: Vec<_> = rankings.iter().map(|ranking| (*ranking, 1.0)).collect();
        fuse(&rankings).into_iter().map(|(item, _)| item).collect()
    }

    #[test]
    fn a_ranking_counts_by_its_weight() {
        let order = |weight| fuse(&[(&[1u8, 2][..], 1.0), (&[2, 1], weight)])[0].0;
        assert_eq!((order(0.5), order(1.5)), (1, 2));
    }

    #[test]
    fn what_both_name_comes_first() {
        assert_eq!(order(&[&[1, 2, 3], &[4, 3, 5]]), [3, 1, 4, 2, 5]);
    }

    #[test]
    fn one_list_keeps_its_order_and_none_gives_nothing() {
        assert_eq!(order(&[&[3, 1, 2], &[]]), [3, 1, 2]);
        assert!(order(&[&[], &[]]).is_empty());
        assert!(order(&[]).is_empty());
    }

    #[test]
    fn the_score_is_the_sum_of_reciprocal_ranks() {
        let fused = fuse(&[(&[7u8][..], 1.0), (&[8, 7], 1.0)]);
        assert_eq!(fused[0].0, 7);
        assert!((fused[0].1 - (1.0 / 61.0 + 1.0 / 62.0)).abs() < 1e-7);
    }
}
