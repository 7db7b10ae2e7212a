//! The order of components and clusters, and their parameters over all columns.

use super::Points;
use ndarray::{Array2, Array3, ArrayView2};
use nmf_mixture::Covariances;

/// The place of the largest number, the first of equal ones.
pub(super) fn largest<'a>(values: impl Iterator<Item = &'a f64>) -> usize {
    let (mut best, mut most) = (0, f64::NEG_INFINITY);
    for (q, v) in values.enumerate() {
        if *v > most {
            (best, most) = (q, *v);
        }
    }
    best
}

/// A number for every cluster: that of the component it shares most rows with, the largest overlaps first, each number
/// once.
pub(super) fn matching(components: &[usize], clusters: &[usize], k: usize) -> Vec<usize> {
    let mut shared = std::collections::BTreeMap::new();
    for pair in components.iter().zip(clusters) {
        *shared.entry(pair).or_insert(0u64) += 1;
    }
    let mut pairs: Vec<_> = shared.into_iter().collect();
    pairs.sort_by_key(|(pair, n)| (std::cmp::Reverse(*n), *pair));
    let (mut number, mut taken) = (vec![None; k], vec![false; k]);
    for ((component, cluster), _) in pairs {
        if number[*cluster].is_none() && !taken[*component] {
            number[*cluster] = Some(*component);
            taken[*component] = true;
        }
    }
    let mut free = (0..k).filter(|q| !taken[*q]);
    number.iter().map(|n| n.or_else(|| free.next()).unwrap_or(0)).collect()
}

/// Means over all columns: constant ones have their value.
pub(super) fn widened(means: ArrayView2<'_, f64>, points: &Points) -> Array2<f64> {
    let mut out = Array2::from_shape_fn((means.nrows(), points.values.ncols()), |(_, j)| points.values[[0, j]]);
    for (column, j) in points.kept.iter().enumerate() {
        out.column_mut(*j).assign(&means.column(column));
    }
    out
}

/// Covariances over all columns: those of constant ones are 0.
pub(super) fn widened_covariances(covariances: &Covariances, order: &[usize], points: &Points) -> Covariances {
    let (k, d) = (order.len(), points.values.ncols());
    match covariances {
        Covariances::Diagonal(v) => {
            let mut out = Array2::zeros((k, d));
            for (q, from) in order.iter().enumerate() {
                points.kept.iter().enumerate().for_each(|(column, j)| out[[q, *j]] = v[[*from, column]]);
            }
            Covariances::Diagonal(out)
        }
        Covariances::Full(c) => {
            let mut out = Array3::zeros((k, d, d));
            for (q, from) in order.iter().enumerate() {
                for (a, i) in points.kept.iter().enumerate() {
                    points.kept.iter().enumerate().for_each(|(b, j)| out[[q, *i, *j]] = c[[*from, a, b]]);
                }
            }
            Covariances::Full(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_get_the_numbers_of_their_components() {
        let (components, clusters) = ([0, 0, 0, 1, 1, 2], [2, 2, 2, 0, 0, 0]);
        // cluster 2 is component 0, cluster 0 component 1; cluster 1 is empty and takes what is left
        assert_eq!(matching(&components, &clusters, 3), [1, 2, 0]);
        assert_eq!(matching(&[], &[], 2), [0, 1]);
    }

    #[test]
    fn the_first_of_equal_numbers_counts() {
        assert_eq!(largest([0.2, 0.4, 0.4].iter()), 1);
        assert_eq!(largest([f64::NAN].iter()), 0);
    }
}
