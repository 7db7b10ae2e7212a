//! Entries that count more, less or not at all: weights and masks.
//!
//! The objective of a weighted problem is Σ ωᵢⱼ·d(xᵢⱼ, vᵢⱼ) with ωᵢⱼ ≥ 0; an entry of weight 0 is unknown, whatever X
//! holds there (NaN included). A 0/1 mask is the special case of missing values.

use crate::{Element, Error, Matrix, MatrixRef, Result, Sparse};

/// X and its weights in one layout: both dense, or both sparse with the same stored entries.
#[derive(Debug, Clone)]
pub struct Weighted<'a, T: Element> {
    pair: Pair<'a, T>,
}

#[derive(Debug, Clone)]
enum Pair<'a, T: Element> {
    Dense(MatrixRef<'a, T>, MatrixRef<'a, T>),
    Sparse(Sparse<T>, Sparse<T>),
}

impl<'a, T: Element> Weighted<'a, T> {
    /// Pairs X with weights of the same shape. If either is sparse, what counts are the entries with a positive weight:
    /// X has zeros where it stores none of them. With `stored_only`, entries that a sparse X does not store do not count.
    ///
    /// Errors: another shape, a weight that is negative or not finite, no positive weight at all.
    pub fn new(x: &MatrixRef<'a, T>, weights: &MatrixRef<'a, T>, stored_only: bool) -> Result<Self> {
        Error::check_shape("the weights", x.dim(), weights.dim())?;
        let (mut bad, mut positive) = (None, false);
        weights.for_each(|row, col, w| {
            if !(w >= T::zero() && w.is_finite()) && bad.is_none() {
                bad = Some((row, col, w.f64()));
            }
            positive |= w > T::zero();
        });
        match bad {
            Some((row, col, value)) if value < 0.0 => {
                return Err(Error::Negative { what: "the weights", row, col, value });
            }
            Some((row, col, value)) => return Err(Error::NotFinite { what: "the weights", row, col, value }),
            None => {}
        }
        if !positive {
            return Err(Error::Unsupported("all weights are zero: at least one entry must count".into()));
        }
        let pair = match (x, weights) {
            (MatrixRef::Dense(_), MatrixRef::Dense(_)) => Pair::Dense(x.clone(), weights.clone()),
            _ => {
                let (values, weights) = on_pattern(x, weights, stored_only);
                if values.nnz() == 0 {
                    return Err(Error::Unsupported("no stored entry has a positive weight".into()));
                }
                Pair::Sparse(values, weights)
            }
        };
        Ok(Weighted { pair })
    }

    /// X.
    pub fn x(&self) -> MatrixRef<'_, T> {
        match &self.pair {
            Pair::Dense(x, _) => x.reborrow(),
            Pair::Sparse(x, _) => MatrixRef::Sparse(x.view()),
        }
    }

    /// The weights, in the layout of X.
    pub fn weights(&self) -> MatrixRef<'_, T> {
        match &self.pair {
            Pair::Dense(_, w) => w.reborrow(),
            Pair::Sparse(_, w) => MatrixRef::Sparse(w.view()),
        }
    }
}

/// Values and weights of the entries with positive weight, as CSR matrices with the same stored entries.
fn on_pattern<T: Element>(
    x: &MatrixRef<'_, T>,
    weights: &MatrixRef<'_, T>,
    stored_only: bool,
) -> (Sparse<T>, Sparse<T>) {
    let (rows, cols) = x.dim();
    let (x, w) = (Lines::new(x), Lines::new(weights));
    let (mut offsets, mut indices, mut values, mut factors) = (vec![0u64], Vec::new(), Vec::new(), Vec::new());
    let (mut line, mut stored, mut weight_line) = (vec![T::zero(); cols], vec![false; cols], Vec::new());
    for i in 0..rows {
        x.visit(i, |j, v| (line[j], stored[j]) = (v, true));
        weight_line.clear();
        w.visit(i, |j, v| weight_line.push((j, v)));
        for &(j, v) in &weight_line {
            if v > T::zero() && (stored[j] || !stored_only) {
                indices.push(j as u32);
                values.push(line[j]);
                factors.push(v);
            }
        }
        offsets.push(values.len() as u64);
        x.visit(i, |j, _| (line[j], stored[j]) = (T::zero(), false));
    }
    let build = |data| Sparse::new((rows, cols), offsets.clone(), indices.clone(), data);
    (build(values), build(factors))
}

/// Row access whatever the layout.
enum Lines<'a, T: Element> {
    Dense(ndarray::ArrayView2<'a, T>),
    Sparse(Sparse<T>),
}

impl<'a, T: Element> Lines<'a, T> {
    fn new(m: &MatrixRef<'a, T>) -> Self {
        match m {
            MatrixRef::Dense(a) => Lines::Dense(*a),
            MatrixRef::Sparse(s) => Lines::Sparse(s.to_csr()),
        }
    }

    fn visit(&self, i: usize, mut f: impl FnMut(usize, T)) {
        match self {
            Lines::Dense(a) => a.row(i).iter().enumerate().for_each(|(j, v)| f(j, *v)),
            Lines::Sparse(s) => {
                if let Some(row) = s.outer_view(i) {
                    row.iter().for_each(|(j, v)| f(j, *v));
                }
            }
        }
    }
}

/// The entries of weight 1 as stored entries of a sparse matrix; refuses weights other than 0 and 1.
pub fn known_entries<T: Element>(x: &MatrixRef<'_, T>, weights: &MatrixRef<'_, T>) -> Result<Matrix<T>> {
    Error::check_shape("the weights", x.dim(), weights.dim())?;
    let mut mask = true;
    weights.for_each(|_, _, w| mask &= w == T::zero() || w == T::one());
    if !mask {
        return Err(Error::Unsupported(
            "this backend takes masks, that is weights of 0 and 1, but no other weights: use the CPU".into(),
        ));
    }
    Ok(Matrix::Sparse(on_pattern(x, weights, true).0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn all_layouts_say_the_same() {
        let x = array![[1.0, 0.0, 3.0], [0.0, 5.0, 0.0]];
        let w = array![[2.0, 1.0, 0.0], [0.0, 0.5, 0.0]];
        let sparse = |a: &ndarray::Array2<f64>| Sparse::csr_from_dense(a.view(), 0.0);
        let (xs, ws) = (sparse(&x), sparse(&w));
        let wide = |m: MatrixRef<'_, f64>| m.to_dense_f64();
        for (x, w) in [((&xs).into(), (&ws).into()), ((&x).into(), (&ws).into()), ((&xs).into(), MatrixRef::from(&w))] {
            let pair = Weighted::new(&x, &w, false).unwrap();
            assert_eq!(wide(pair.x()), array![[1.0, 0.0, 0.0], [0.0, 5.0, 0.0]]);
            assert_eq!(wide(pair.weights()), array![[2.0, 1.0, 0.0], [0.0, 0.5, 0.0]]);
            assert_eq!((pair.x().stored(), pair.weights().stored()), (3, 3));
        }
        let stored = Weighted::new(&(&xs).into(), &(&w).into(), true).unwrap();
        assert_eq!(wide(stored.weights()), array![[2.0, 0.0, 0.0], [0.0, 0.5, 0.0]]);
        let transposed = xs.clone().transpose_into();
        let wt = w.t();
        let pair = Weighted::new(&(&transposed).into(), &wt.into(), false).unwrap();
        assert_eq!(wide(pair.x()), array![[1.0, 0.0], [0.0, 5.0], [0.0, 0.0]]);
    }

    #[test]
    fn bad_weights_are_refused_with_their_place() {
        let x = array![[1.0, 2.0]];
        let check = |w: ndarray::Array2<f64>| Weighted::new(&(&x).into(), &(&w).into(), false).map(|_| ()).unwrap_err();
        assert!(matches!(check(array![[1.0, -2.0]]), Error::Negative { row: 0, col: 1, .. }));
        assert!(matches!(check(array![[f64::NAN, 1.0]]), Error::NotFinite { row: 0, col: 0, .. }));
        assert!(matches!(check(array![[0.0, 0.0]]), Error::Unsupported(_)));
        assert!(matches!(check(array![[1.0], [1.0]]), Error::Shape { .. }));
    }
}
