//! Which entries of X are held out: single entries, scattered evenly ("speckles").
//!
//! S. Wold, "Cross-validatory estimation of the number of components in factor and principal components models", Technometrics
//! 20(4), 1978. Whole rows or columns cannot be held out, since their part of a factor could then not be learned.

use crate::init::unit;
use crate::{Element, MatrixRef, Sparse};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A held-out entry: what X holds there, and how much it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    pub(super) row: u32,
    pub(super) col: u32,
    pub(super) value: f64,
    pub(super) weight: f64,
}

/// X and its weights in one layout, row by row.
pub(super) enum Rows<'a, T: Element> {
    /// Every entry is a candidate, or those with a positive weight.
    Dense(MatrixRef<'a, T>, Option<MatrixRef<'a, T>>),
    /// Stored entries are candidates; with `all` the zeros that are not stored too.
    Sparse { x: Sparse<T>, weights: Option<Sparse<T>>, all: bool },
}

impl<'a, T: Element> Rows<'a, T> {
    /// Of X and weights laid out like it; `all`: entries that a sparse X does not store are zeros (else unknown).
    pub(super) fn new(x: MatrixRef<'a, T>, weights: Option<MatrixRef<'a, T>>, all: bool) -> Self {
        match (x, weights) {
            (MatrixRef::Sparse(x), weights) => {
                let weights = match weights {
                    Some(MatrixRef::Sparse(w)) => Some(w.to_csr()),
                    _ => None,
                };
                Rows::Sparse { x: x.to_csr(), all: all && weights.is_none(), weights }
            }
            (x, weights) => Rows::Dense(x, weights),
        }
    }

    pub(super) fn dim(&self) -> (usize, usize) {
        match self {
            Rows::Dense(x, _) => x.dim(),
            Rows::Sparse { x, .. } => x.shape(),
        }
    }

    /// How many candidates row i has.
    fn candidates(&self, i: usize) -> usize {
        match self {
            Rows::Sparse { x, all: false, .. } => x.outer_view(i).map_or(0, |row| row.nnz()),
            _ => self.dim().1,
        }
    }

    /// Candidate t of row i, unless its weight is zero.
    fn entry(&self, i: usize, t: usize) -> Option<Entry> {
        let at = |col: usize, value: f64, weight: f64| {
            (weight > 0.0).then_some(Entry { row: i as u32, col: col as u32, value, weight })
        };
        match self {
            Rows::Dense(MatrixRef::Dense(x), weights) => {
                let weight = match weights {
                    Some(MatrixRef::Dense(w)) => w.get((i, t))?.f64(),
                    _ => 1.0,
                };
                at(t, x.get((i, t))?.f64(), weight)
            }
            Rows::Dense(..) => None,
            Rows::Sparse { x, all: true, .. } => at(t, x.get(i, t).map_or(0.0, |v| v.f64()), 1.0),
            Rows::Sparse { x, weights, .. } => {
                let row = x.outer_view(i)?;
                let (col, value) = (*row.indices().get(t)? as usize, row.data().get(t)?.f64());
                let weight = match weights {
                    Some(w) => w.outer_view(i).and_then(|w| w.data().get(t).copied()).map_or(0.0, |v| v.f64()),
                    None => 1.0,
                };
                at(col, value, weight)
            }
        }
    }

    /// Known entries of every row and of every column.
    fn known(&self) -> (Vec<usize>, Vec<usize>) {
        let (m, n) = self.dim();
        if matches!(self, Rows::Dense(_, None) | Rows::Sparse { all: true, .. }) {
            return (vec![n; m], vec![m; n]);
        }
        let (mut rows, mut cols) = (vec![0; m], vec![0; n]);
        for i in 0..m {
            for t in 0..self.candidates(i) {
                if let Some(e) = self.entry(i, t) {
                    rows[i] += 1;
                    cols[e.col as usize] += 1;
                }
            }
        }
        (rows, cols)
    }
}

/// `folds` disjoint sets of known entries, each with about `share` of them (`share`·`folds` ≤ 1), in order of rows and columns. In
/// none of them is the last known entry of a row or a column.
pub(super) fn speckles<T: Element>(rows: &Rows<'_, T>, share: f64, folds: usize, seed: u64) -> Vec<Vec<Entry>> {
    let (row_known, col_known) = rows.known();
    let mut out = vec![Vec::new(); folds];
    let mut left: Vec<Vec<usize>> = vec![col_known; folds];
    let all = (share * folds as f64).min(1.0);
    let base = ChaCha8Rng::seed_from_u64(seed);
    for i in 0..rows.dim().0 {
        let mut rng = base.clone();
        // apart from the streams of random starts
        rng.set_stream((3 << 40) | i as u64);
        let mut row_left = vec![row_known[i]; folds];
        let (count, mut t) = (rows.candidates(i), 0usize);
        loop {
            // gaps between successes of probability `all` are geometric
            let gap = ((1.0 - unit(&mut rng)).ln() / (-all).ln_1p()).floor();
            t = t.saturating_add(gap.min(usize::MAX as f64) as usize);
            if t >= count {
                break;
            }
            let fold = ((unit(&mut rng) * folds as f64) as usize).min(folds - 1);
            if let Some(e) = rows.entry(i, t) {
                let col_left = &mut left[fold][e.col as usize];
                if row_left[fold] > 1 && *col_left > 1 {
                    row_left[fold] -= 1;
                    *col_left -= 1;
                    out[fold].push(e);
                }
            }
            t += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn folds_are_disjoint_even_and_reproducible() {
        let x = Array2::from_shape_fn((60, 50), |(i, j)| (i * 50 + j) as f64);
        let rows = || Rows::new(MatrixRef::from(&x), None, true);
        let folds = speckles(&rows(), 0.1, 5, 7);
        assert_eq!(folds, speckles(&rows(), 0.1, 5, 7));
        let mut seen = std::collections::BTreeSet::new();
        for fold in &folds {
            // 3000 entries at 0.1: 300 ± 16 (one standard deviation)
            assert!((300 - 66..300 + 66).contains(&fold.len()), "{}", fold.len());
            for e in fold {
                assert_eq!(e.value, f64::from(e.row * 50 + e.col));
                assert!(seen.insert((e.row, e.col)), "twice");
            }
        }
        // every column has its share: 300 entries in 50 columns and 5 folds
        for j in 0..50 {
            let n = folds.iter().flatten().filter(|e| e.col == j).count();
            assert!((10..=50).contains(&n), "column {j}: {n} of 60");
        }
    }

    #[test]
    fn dense_and_sparse_layouts_hold_out_the_same_entries() {
        let x = Array2::from_shape_fn((40, 30), |(i, j)| if (i * 7 + j * 3) % 4 == 0 { 1.0 + i as f64 } else { 0.0 });
        let sparse = Sparse::csr_from_dense(x.view(), 0.0);
        let dense = speckles(&Rows::new(MatrixRef::from(&x), None, true), 0.1, 3, 1);
        assert_eq!(dense, speckles(&Rows::new(MatrixRef::from(&sparse), None, true), 0.1, 3, 1));
        let csc = sparse.to_csc();
        assert_eq!(dense, speckles(&Rows::new(MatrixRef::from(&csc), None, true), 0.1, 3, 1));
        let stored = speckles(&Rows::new(MatrixRef::from(&sparse), None, false), 0.2, 3, 1);
        assert!(stored.iter().flatten().all(|e| e.value > 0.0));
        assert!(stored.iter().all(|f| !f.is_empty()));
    }

    #[test]
    fn the_last_known_entry_of_a_row_or_column_stays() {
        let x = Array2::from_elem((6, 5), 1.0);
        // row 2 and column 3 have one known entry each
        let w =
            Array2::from_shape_fn((6, 5), |(i, j)| if (i == 2 && j != 0) || (j == 3 && i != 5) { 0.0 } else { 2.0 });
        for seed in 0..20 {
            let rows = Rows::new(MatrixRef::from(&x), Some(MatrixRef::from(&w)), true);
            for e in speckles(&rows, 0.5, 2, seed).iter().flatten() {
                assert!(e.row != 2 && e.col != 3 && e.weight == 2.0, "{e:?}");
            }
        }
    }
}
