//! Near-separable factorization: rows of X that all others are mixtures of, such as the pure pixels of a hyperspectral picture.

use crate::{Element, Error, Result};
use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

/// Rows that are converted to f64 at a time.
const BLOCK: usize = 4096;
/// Rows whose sum is below this share of the largest are no candidates: divided by it, their noise would stand out.
const FAINT: f64 = 1e-3;

/// Rows that the others are mixtures of.
#[derive(Debug, Clone, PartialEq)]
pub struct PureRows {
    /// The rows of X, in the order in which they were found.
    pub rows: Vec<usize>,
    /// Those rows within the subspace of the largest singular values, negative entries cut: k×n, in the units of X.
    pub h: Array2<f64>,
}

/// The k rows of X (m×n, entries ≥ 0) that the successive projection algorithm finds: the row of largest norm, then again the
/// one of largest norm in the complement of those found.
///
/// Rows are taken within the span of the k right singular vectors of the largest singular values, which removes most of the noise
/// (as vertex component analysis does: J. M. P. Nascimento and J. M. Bioucas Dias, IEEE TGRS 43(4), 2005), and divided by
/// their sums, so that brightness does not count. If every row is a mixture of k rows of X with weights ≥ 0, exactly those
/// are found (or multiples of them). Rows with a sum below 1/1000 of the largest are not taken.
///
/// M. C. U. Araújo et al., "The successive projections algorithm for variable selection in spectroscopic multicomponent
/// analysis", Chemometrics and Intelligent Laboratory Systems 57(2), 2001; bounds under noise: N. Gillis and S. A. Vavasis,
/// "Fast and robust recursive algorithms for separable nonnegative matrix factorization", IEEE TPAMI 36(4), 2014. One pass
/// over X for its n×n Gram matrix and one for the coordinates, in f64 on the calling thread.
///
/// # Errors
/// [`Error::Rank`] if k is 0, or larger than the number of rows that differ.
pub fn pure_rows<T: Element>(x: ArrayView2<'_, T>, k: usize) -> Result<PureRows> {
    let (m, n) = x.dim();
    let refuse = |reason: String| Err(Error::Rank { rank: k, reason });
    if k == 0 || k > m.min(n) {
        return refuse(format!("1 to min(m, n) = {} rows can be chosen", m.min(n)));
    }
    let basis = leading(&x, k);
    let sum_of = basis.sum_axis(Axis(0));
    let mut coordinates = Array2::zeros((m, k));
    for (block, mut out) in x.axis_chunks_iter(Axis(0), BLOCK).zip(coordinates.axis_chunks_iter_mut(Axis(0), BLOCK)) {
        out.assign(&block.mapv(|v| v.f64()).dot(&basis));
    }
    let sums: Array1<f64> = coordinates.dot(&sum_of);
    let least = FAINT * sums.iter().copied().fold(0.0, f64::max);
    // what is left of the rows over their sums, outside the span of those chosen
    let mut rest = coordinates.clone();
    for (mut row, sum) in rest.outer_iter_mut().zip(&sums) {
        let scale = if *sum > least { 1.0 / sum } else { 0.0 };
        row.mapv_inplace(|v| v * scale);
    }
    let square = |rest: &Array2<f64>, i: usize| rest.row(i).dot(&rest.row(i));
    let first = (0..m).map(|i| square(&rest, i)).fold(0.0, f64::max);
    let mut rows = Vec::with_capacity(k);
    for found in 0..k {
        let mut best = (0, 0.0);
        for i in 0..m {
            let size = square(&rest, i);
            if size > best.1 {
                best = (i, size);
            }
        }
        // beyond rounding, no other direction is left
        if best.1 <= first * 1e-24 {
            return refuse(format!("all rows are mixtures of {found} rows, so no more can be chosen"));
        }
        let direction = &rest.row(best.0) / best.1.sqrt();
        for mut row in rest.outer_iter_mut() {
            let along = row.dot(&direction);
            row.scaled_add(-along, &direction);
        }
        rows.push(best.0);
    }
    let h = coordinates.select(Axis(0), &rows).dot(&basis.t()).mapv(|v| v.max(0.0));
    Ok(PureRows { rows, h })
}

/// The right singular vectors of the k largest singular values, n×k, from the Gram matrix XᵀX.
fn leading<T: Element>(x: &ArrayView2<'_, T>, k: usize) -> Array2<f64> {
    let n = x.ncols();
    let mut gram = Array2::<f64>::zeros((n, n));
    for block in x.axis_chunks_iter(Axis(0), BLOCK) {
        let block = block.mapv(|v| v.f64());
        gram += &block.t().dot(&block);
    }
    let eigen = DMatrix::from_fn(n, n, |i, j| gram[[i, j]]).symmetric_eigen();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    Array2::from_shape_fn((n, n), |(i, q)| eigen.eigenvectors[(i, order[q])]).slice(s![.., ..k]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    fn next(state: &mut u64) -> f64 {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*state >> 11) as f64 / (1u64 << 53) as f64
    }

    proptest! {
        #[test]
        fn planted_rows_are_found_whatever_the_brightness(seed in 1u64..1000, k in 1usize..6) {
            let (m, n, mut state) = (60, 9, seed);
            let pure = Array2::from_shape_fn((k, n), |(q, j)| next(&mut state) + if j == q { 2.0 } else { 0.0 });
            // rows 7, 14, … are pure, the others have at most 80 % of one
            let mut planted = Vec::new();
            let mut w = Array2::zeros((m, k));
            for i in 0..m {
                if i % 7 == 0 && planted.len() < k {
                    w[[i, planted.len()]] = 1.0;
                    planted.push(i);
                } else {
                    let parts: Vec<f64> = (0..k).map(|_| 0.2 + next(&mut state)).collect();
                    let sum: f64 = parts.iter().sum();
                    parts.iter().enumerate().for_each(|(q, v)| w[[i, q]] = v / sum);
                }
                let brightness = 0.1 + 3.0 * next(&mut state);
                w.row_mut(i).mapv_inplace(|v: f64| v * brightness);
            }
            let x = w.dot(&pure);
            let found = pure_rows(x.view(), k).unwrap();
            let mut rows = found.rows.clone();
            rows.sort_unstable();
            // of one endmember all rows are multiples, and any is right
            if k > 1 {
                prop_assert_eq!(rows, planted);
            }
            for (q, i) in found.rows.iter().enumerate() {
                prop_assert!((&found.h.row(q) - &x.row(*i)).iter().all(|d| d.abs() < 1e-9));
            }
        }
    }

    #[test]
    fn noise_is_projected_away_and_faint_rows_are_not_taken() {
        let mut state = 3;
        let pure = array![[5.0, 1.0, 0.0, 2.0, 1.0, 3.0], [0.0, 2.0, 4.0, 1.0, 5.0, 1.0]];
        let w =
            Array2::from_shape_fn((400, 2), |(i, q)| if q == 0 { i as f64 / 399.0 } else { 1.0 - i as f64 / 399.0 });
        let clean = w.dot(&pure);
        let mut x = clean.mapv(|v| (v + 0.1 * (next(&mut state) - 0.5)).max(0.0));
        x.row_mut(200).assign(&array![1e-3, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let found = pure_rows(x.view(), 2).unwrap();
        assert!(!found.rows.contains(&200));
        for (q, i) in found.rows.iter().enumerate() {
            let near = |row: ndarray::ArrayView1<'_, f64>| (&row - &clean.row(*i)).mapv(|d| d * d).sum();
            assert!(near(found.h.row(q)) < near(x.row(*i)), "the projected row is nearer to the truth");
            assert!(*i < 20 || *i > 379, "{:?}", found.rows);
        }
        assert_eq!(pure_rows(x.mapv(|v| v as f32).view(), 2).unwrap().rows, found.rows);
    }

    #[test]
    fn more_rows_than_directions_are_refused() {
        let x = array![[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 0.0, 0.0]];
        assert_eq!(pure_rows(x.view(), 2).unwrap().rows.len(), 2);
        for k in [0, 3, 4] {
            assert!(matches!(pure_rows(x.view(), k), Err(Error::Rank { .. })), "{k}");
        }
        assert!(pure_rows(Array2::<f64>::zeros((3, 3)).view(), 1).is_err());
    }
}
