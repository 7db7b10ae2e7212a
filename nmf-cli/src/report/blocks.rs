//! X, W·H and what is between them, seen from so far that each pixel is a block of cells. W·H is never formed.
//!
//! The mean of W·H over rows I and columns J is the product of the mean rows of W and the mean columns of H, exactly. The squared residual of
//! a block of a sparse X is Σ over its stored entries of (x−v)² − v², plus Σ v² over all its cells, which is ⟨W_IᵀW_I, H_J H_Jᵀ⟩.

use crate::pictures::columns;
use ndarray::{Array2, ArrayView2, Axis, s};
use nmf_core::{Element, MatrixRef, SparseView};
use rayon::prelude::*;
use std::ops::Range;

/// Blocks along a side, at most.
const MOST: usize = 240;
/// Numbers that the Gram matrices of all row blocks hold, at most.
const GRAMS: usize = 1 << 24;
/// Rows of V that are formed at a time.
const ROWS: usize = 64;

/// What is seen of a factorization.
pub(crate) struct Blocks {
    /// Cells of the blocks' sides.
    pub(super) rows: Vec<Range<usize>>,
    pub(super) cols: Vec<Range<usize>>,
    /// Mean of X over the known cells of each block; NaN where none is known.
    pub(crate) x: Array2<f32>,
    /// Mean of W·H over all cells of each block.
    pub(crate) model: Array2<f32>,
    /// x − v where a block is one cell, else the root of the mean (x − v)² over the known cells; NaN where none is known.
    pub(super) residual: Array2<f32>,
    /// Whether cells are left out of X and the residual.
    pub(crate) gaps: bool,
}

/// Sums over the known cells of blocks.
struct Sums {
    x: Array2<f64>,
    squares: Array2<f64>,
    known: Array2<f64>,
}

impl Blocks {
    /// Of X (m×n; of a sparse one the stored entries only count with `stored_only`), with `weights` in the layout of X where those of 0 mark
    /// what is unknown, and its model: W m×k, H k×n.
    pub(super) fn of<T: Element>(
        x: &MatrixRef<'_, T>,
        weights: Option<&MatrixRef<'_, T>>,
        stored_only: bool,
        w: &ArrayView2<'_, T>,
        h: &ArrayView2<'_, T>,
    ) -> Blocks {
        let (m, n) = x.dim();
        let everything = weights.is_none() && !stored_only;
        let most = match x {
            MatrixRef::Sparse(_) if everything => (GRAMS / w.ncols().pow(2).max(1)).clamp(16, MOST),
            _ => MOST,
        };
        let (rows, cols) = (columns(m, most), columns(n, most));
        let (w, h) = (w.mapv(T::f64), h.mapv(T::f64));
        let model = means(&w, &rows).dot(&means(&h.t().to_owned(), &cols).t());
        let sums = match (x, weights) {
            (MatrixRef::Dense(x), Some(MatrixRef::Dense(weights))) => {
                dense(x, &w, &h, &rows, &cols, |i, j| weights[[i, j]] > T::zero())
            }
            (MatrixRef::Dense(x), _) => dense(x, &w, &h, &rows, &cols, |_, _| true),
            (MatrixRef::Sparse(x), _) if x.is_csr() => sparse(x, &w, &h.t().to_owned(), &rows, &cols, everything),
            (MatrixRef::Sparse(x), _) => {
                let Sums { x, squares, known } = sparse(x, &h.t().to_owned(), &w, &cols, &rows, everything);
                Sums { x: x.reversed_axes(), squares: squares.reversed_axes(), known: known.reversed_axes() }
            }
        };
        let mean = |sum: f64, known: f64| if known > 0.0 { sum / known } else { f64::NAN };
        let x = ndarray::Zip::from(&sums.x).and(&sums.known).map_collect(|s, k| mean(*s, *k));
        let residual = if rows.len() == m && cols.len() == n {
            &x - &model
        } else {
            ndarray::Zip::from(&sums.squares).and(&sums.known).map_collect(|s, k| mean(s.max(0.0), *k).sqrt())
        };
        let gaps = sums.known.sum() < m as f64 * n as f64;
        let single = |a: &Array2<f64>| a.mapv(|v| v as f32);
        Blocks { x: single(&x), model: single(&model), residual: single(&residual), rows, cols, gaps }
    }

    /// Whether a pixel is a cell.
    pub(crate) fn exact(&self) -> bool {
        self.rows.iter().chain(&self.cols).all(|r| r.len() == 1)
    }

    /// "12×7 cells": how many a pixel shows at most.
    pub(crate) fn size(&self) -> String {
        let most = |ranges: &[Range<usize>]| ranges.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let least = |ranges: &[Range<usize>]| ranges.iter().map(ExactSizeIterator::len).min().unwrap_or(0);
        let even = most(&self.rows) == least(&self.rows) && most(&self.cols) == least(&self.cols);
        let about = if even { "" } else { "up to " };
        format!("{about}{}×{} cells", most(&self.rows), most(&self.cols))
    }
}

/// The means of some rows of a matrix, a row each.
pub(super) fn means(a: &Array2<f64>, ranges: &[Range<usize>]) -> Array2<f64> {
    let mut out = Array2::zeros((ranges.len(), a.ncols()));
    for (mut row, range) in out.outer_iter_mut().zip(ranges) {
        if let Some(mean) = a.slice(s![range.clone(), ..]).mean_axis(Axis(0)) {
            row.assign(&mean);
        }
    }
    out
}

/// The block that each place lies in.
fn places(n: usize, ranges: &[Range<usize>]) -> Vec<usize> {
    let mut out = vec![0; n];
    ranges.iter().enumerate().for_each(|(b, range)| out[range.clone()].fill(b));
    out
}

/// Rows of blocks as they were computed, one below the other.
fn stacked(lines: Vec<[Vec<f64>; 3]>, columns: usize) -> Sums {
    let part = |p: usize| Array2::from_shape_fn((lines.len(), columns), |(r, c)| lines[r][p][c]);
    Sums { x: part(0), squares: part(1), known: part(2) }
}

fn dense<T: Element>(
    x: &ArrayView2<'_, T>,
    w: &Array2<f64>,
    h: &Array2<f64>,
    rows: &[Range<usize>],
    cols: &[Range<usize>],
    known: impl Fn(usize, usize) -> bool + Sync,
) -> Sums {
    let place = places(x.ncols(), cols);
    let line = |range: &Range<usize>| {
        let mut sums: [Vec<f64>; 3] = std::array::from_fn(|_| vec![0.0; cols.len()]);
        for from in range.clone().step_by(ROWS) {
            let to = (from + ROWS).min(range.end);
            let v = w.slice(s![from..to, ..]).dot(h);
            for i in from..to {
                for (j, (x, v)) in x.row(i).iter().zip(v.row(i - from)).enumerate().filter(|(j, _)| known(i, *j)) {
                    let x = x.f64();
                    sums[0][place[j]] += x;
                    sums[1][place[j]] += (x - v).powi(2);
                    sums[2][place[j]] += 1.0;
                }
            }
        }
        sums
    };
    stacked(rows.par_iter().map(line).collect(), cols.len())
}

/// `f` and `g` hold the factors of outer and inner places of X, a row each.
fn sparse<T: Element>(
    x: &SparseView<'_, T>,
    f: &Array2<f64>,
    g: &Array2<f64>,
    outer: &[Range<usize>],
    inner: &[Range<usize>],
    everything: bool,
) -> Sums {
    let place = places(g.nrows(), inner);
    let line = |range: &Range<usize>| {
        let mut sums: [Vec<f64>; 3] = std::array::from_fn(|_| vec![0.0; inner.len()]);
        for o in range.clone() {
            let (Some(line), f) = (x.outer_view(o), f.row(o)) else { continue };
            for (i, x) in line.iter() {
                let (x, v, at) = (x.f64(), f.dot(&g.row(i)), place[i]);
                sums[0][at] += x;
                sums[1][at] += (x - v).powi(2) - if everything { v * v } else { 0.0 };
                sums[2][at] += 1.0;
            }
        }
        sums
    };
    let mut sums = stacked(outer.par_iter().map(line).collect(), inner.len());
    if everything {
        sums.squares += &grams(f, outer).dot(&grams(g, inner).t());
        sums.known =
            Array2::from_shape_fn((outer.len(), inner.len()), |(a, b)| (outer[a].len() * inner[b].len()) as f64);
    }
    sums
}

/// FᵀF of each block of rows, as a row.
fn grams(f: &Array2<f64>, ranges: &[Range<usize>]) -> Array2<f64> {
    let mut out = Array2::zeros((ranges.len(), f.ncols().pow(2)));
    for (mut row, range) in out.outer_iter_mut().zip(ranges) {
        let f = f.slice(s![range.clone(), ..]);
        row.iter_mut().zip(&f.t().dot(&f)).for_each(|(o, v)| *o = *v);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use nmf_core::{Sparse, Weighted};

    /// Sizes beyond a block and beyond a pixel each; a third of X is not zero.
    fn factors() -> (Array2<f64>, Array2<f64>, Array2<f64>) {
        let (m, n) = (501, 263);
        let x = Array2::from_shape_fn((m, n), |(i, j)| if (i + j) % 3 == 0 { (i * j % 5) as f64 + 1.0 } else { 0.0 });
        let w = Array2::from_shape_fn((m, 3), |(i, q)| ((i + 2 * q) % 7) as f64 * 0.2);
        let h = Array2::from_shape_fn((3, n), |(q, j)| ((j * (q + 1)) % 5) as f64 * 0.3);
        (x, w, h)
    }

    /// By the definition, with V in full.
    fn plain(
        x: &Array2<f64>,
        v: &Array2<f64>,
        known: &dyn Fn(usize, usize) -> bool,
        b: &Blocks,
        at: (usize, usize),
    ) -> [f64; 3] {
        let (mut sum, mut squares, mut count, mut model, mut all) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for i in b.rows[at.0].clone() {
            for j in b.cols[at.1].clone() {
                model += v[[i, j]];
                all += 1.0;
                if known(i, j) {
                    (sum, squares, count) = (sum + x[[i, j]], squares + (x[[i, j]] - v[[i, j]]).powi(2), count + 1.0);
                }
            }
        }
        [sum / count, model / all, (squares / count).sqrt()]
    }

    fn check(b: &Blocks, x: &Array2<f64>, v: &Array2<f64>, known: &dyn Fn(usize, usize) -> bool) {
        assert_eq!(b.x.dim(), (240, 240));
        for at in [(0, 0), (7, 100), (239, 239), (120, 3)] {
            let expected = plain(x, v, known, b, at);
            for (got, expected) in [b.x[at], b.model[at], b.residual[at]].into_iter().zip(expected) {
                let close = (f64::from(got) - expected).abs() <= 1e-6 * expected.abs().max(1e-3);
                assert!(close || (got.is_nan() && expected.is_nan()), "{at:?}: {got} {expected}");
            }
        }
    }

    #[test]
    fn blocks_are_means_and_root_mean_squares_in_every_layout() {
        let (x, w, h) = factors();
        let v = w.dot(&h);
        let csr = Sparse::csr_from_dense(x.view(), 0.0);
        let csc = csr.to_csc();
        for m in [MatrixRef::from(&x), MatrixRef::from(&csr), MatrixRef::from(&csc)] {
            let b = Blocks::of(&m, None, false, &w.view(), &h.view());
            check(&b, &x, &v, &|_, _| true);
            assert!(!b.exact() && !b.gaps && b.size() == "up to 3×2 cells", "{}", b.size());
        }
        for m in [MatrixRef::from(&csr), MatrixRef::from(&csc)] {
            let b = Blocks::of(&m, None, true, &w.view(), &h.view());
            check(&b, &x, &v, &|i, j| x[[i, j]] != 0.0);
            assert!(b.gaps);
        }
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let (x, w, h) = factors();
        let v = w.dot(&h);
        let known = |i: usize, j: usize| (i / 40 + j / 40).is_multiple_of(2);
        let weights = Array2::from_shape_fn(x.dim(), |(i, j)| if known(i, j) { 0.5 } else { 0.0 });
        let holes = ndarray::Zip::from(&x).and(&weights).map_collect(|x, w| if *w == 0.0 { f64::NAN } else { *x });
        let sparse = Sparse::csr_from_dense(x.view(), 0.0);
        for x_ref in [MatrixRef::from(&holes), MatrixRef::from(&sparse)] {
            let weights = MatrixRef::from(&weights);
            let pair = Weighted::new(&x_ref, &weights, false).unwrap();
            let b = Blocks::of(&pair.x(), Some(&pair.weights()), false, &w.view(), &h.view());
            check(&b, &x, &v, &known);
            // a block without a known cell
            assert!(b.gaps && b.x[[2, 60]].is_nan() && b.residual[[2, 60]].is_nan() && b.model[[2, 60]].is_finite());
        }
    }

    #[test]
    fn cells_of_small_matrices_are_pixels_with_signed_residuals() {
        let (x, w, h) = factors();
        let (x, w, h) =
            (x.slice(s![..9, ..12]).to_owned(), w.slice(s![..9, ..]).to_owned(), h.slice(s![.., ..12]).to_owned());
        let expected = (&x - &w.dot(&h)).mapv(|v| v as f32);
        let csr = Sparse::csr_from_dense(x.view(), 0.0);
        for m in [MatrixRef::from(&x), MatrixRef::from(&csr)] {
            let b = Blocks::of(&m, None, false, &w.view(), &h.view());
            assert!(b.exact());
            let most = (&b.residual - &expected).iter().fold(0.0f32, |a, v| a.max(v.abs()));
            assert!(most < 1e-5, "{most}");
        }
    }
}
