//! ‖X − W·H‖² in f64, without forming W·H for the whole matrix.
//!
//! Dense: summed directly, a block of rows at a time; the difference ‖X‖² − 2⟨XHᵀ,W⟩ + ⟨WᵀW,HHᵀ⟩ would cancel badly
//! near an exact fit. Sparse: Σ over the stored entries of (x−v)², plus Σv² over the others, which is
//! ⟨WᵀW,HHᵀ⟩ − Σ_stored v². With weights: Σ ω(x−v)², which for a mask is the sum over the known entries. Results depend
//! neither on the number of threads nor on the clock.

use ndarray::{Array2, ArrayView2, Axis, s};
use nmf_core::{Element, MatrixRef, Observed, SparseView, Weighted};
use std::num::NonZeroUsize;

/// Rows of a block of V that is formed at a time.
const BLOCK: usize = 64;
/// Outer vectors of a sparse matrix summed as one piece.
const PIECE: usize = 1024;

/// ‖X − W·H‖² over the observed entries: W m×k, H k×n, X m×n.
pub(crate) fn squared_error<T: Element>(
    x: &MatrixRef<'_, T>,
    w: &ArrayView2<'_, T>,
    h: &ArrayView2<'_, T>,
    observed: Observed,
    threads: Option<NonZeroUsize>,
) -> f64 {
    let threads = usable(threads);
    match x {
        MatrixRef::Dense(x) => {
            let h = h.mapv(T::f64);
            pieces(x.nrows(), BLOCK, threads, |rows| {
                let v = w.slice(s![rows.clone(), ..]).mapv(T::f64).dot(&h);
                let x = x.slice(s![rows, ..]);
                x.iter().zip(&v).map(|(x, v)| (x.f64() - v).powi(2)).sum()
            })
        }
        MatrixRef::Sparse(x) => {
            // f_o·g_i is the model of the entry (outer o, inner i); both factors with their components together
            let (f, g) =
                if x.is_csr() { (together(w.view()), together(h.t())) } else { (together(h.t()), together(w.view())) };
            let outers = x.outer_dims();
            let direct =
                pieces(outers, PIECE, threads, |range| stored(x, range, &f.view(), &g.view(), |x, v| (x - v).powi(2)));
            if observed == Observed::Stored {
                return direct;
            }
            let covered = pieces(outers, PIECE, threads, |range| stored(x, range, &f.view(), &g.view(), |_, v| v * v));
            let all = (gram(&w.view()) * gram(&h.t())).sum();
            direct + (all - covered).max(0.0)
        }
    }
}

/// The same matrix with each row contiguous; copies only where it has to.
fn together<T: Element>(a: ArrayView2<'_, T>) -> ndarray::CowArray<'_, T, ndarray::Ix2> {
    if a.is_standard_layout() { a.into() } else { a.as_standard_layout().into_owned().into() }
}

/// Σ term(x, v) over the stored entries of some outer vectors of X.
fn stored<T: Element>(
    x: &SparseView<'_, T>,
    range: std::ops::Range<usize>,
    f: &ArrayView2<'_, T>,
    g: &ArrayView2<'_, T>,
    term: impl Fn(f64, f64) -> f64,
) -> f64 {
    let mut sum = 0.0;
    for o in range {
        let (Some(row), Some(f)) = (x.outer_view(o), f.row(o).to_slice()) else { continue };
        for (i, x) in row.iter() {
            if let Some(g) = g.row(i).to_slice() {
                sum += term(x.f64(), dot(f, g));
            }
        }
    }
    sum
}

fn dot<T: Element>(f: &[T], g: &[T]) -> f64 {
    f.iter().zip(g).map(|(a, b)| a.f64() * b.f64()).sum()
}

/// Σ ω(x−v)² for X and its weights; entries of weight 0 may hold anything.
pub(crate) fn weighted_squared_error<T: Element>(
    pair: &Weighted<'_, T>,
    w: &ArrayView2<'_, T>,
    h: &ArrayView2<'_, T>,
    threads: Option<NonZeroUsize>,
) -> f64 {
    let threads = usable(threads);
    match (pair.x(), pair.weights()) {
        (MatrixRef::Dense(x), MatrixRef::Dense(weights)) => {
            let h = h.mapv(T::f64);
            pieces(x.nrows(), BLOCK, threads, |rows| {
                let v = w.slice(s![rows.clone(), ..]).mapv(T::f64).dot(&h);
                let (x, weights) = (x.slice(s![rows.clone(), ..]), weights.slice(s![rows, ..]));
                let known = x.iter().zip(&weights).zip(&v).filter(|((_, weight), _)| **weight > T::zero());
                known.map(|((x, weight), v)| weight.f64() * (x.f64() - v).powi(2)).sum()
            })
        }
        (MatrixRef::Sparse(x), MatrixRef::Sparse(weights)) => {
            let (f, g) =
                if x.is_csr() { (together(w.view()), together(h.t())) } else { (together(h.t()), together(w.view())) };
            pieces(x.outer_dims(), PIECE, threads, |range| {
                let mut sum = 0.0;
                for o in range {
                    let (Some(x), Some(weights)) = (x.outer_view(o), weights.outer_view(o)) else { continue };
                    for ((i, x), weight) in x.iter().zip(weights.data()) {
                        if let (Some(f), Some(g)) = (f.row(o).to_slice(), g.row(i).to_slice()) {
                            sum += weight.f64() * (x.f64() - dot(f, g)).powi(2);
                        }
                    }
                }
                sum
            })
        }
        // a pair has one layout
        _ => f64::NAN,
    }
}

fn usable(threads: Option<NonZeroUsize>) -> usize {
    threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

/// aᵀa in f64.
fn gram<T: Element>(a: &ArrayView2<'_, T>) -> Array2<f64> {
    let mut sum = Array2::zeros((a.ncols(), a.ncols()));
    for block in a.axis_chunks_iter(Axis(0), PIECE) {
        let block = block.mapv(T::f64);
        sum += &block.t().dot(&block);
    }
    sum
}

/// Σ part(range) over the ranges of `piece` that make up 0..n, computed by several threads, added in order.
fn pieces(n: usize, piece: usize, threads: usize, part: impl Fn(std::ops::Range<usize>) -> f64 + Sync) -> f64 {
    let count = n.div_ceil(piece);
    let mut sums = vec![0.0; count];
    let share = count.div_ceil(threads.max(1)).max(1);
    let part = &part;
    std::thread::scope(|scope| {
        for (t, chunk) in sums.chunks_mut(share).enumerate() {
            scope.spawn(move || {
                for (c, sum) in chunk.iter_mut().enumerate() {
                    let start = (t * share + c) * piece;
                    *sum = part(start..(start + piece).min(n));
                }
            });
        }
    });
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use nmf_core::Sparse;

    #[test]
    fn dense_csr_and_csc_agree_with_the_definition() {
        let x = Array2::from_shape_fn((150, 7), |(i, j)| if (i + j) % 3 == 0 { (i % 5) as f64 + 1.0 } else { 0.0 });
        let w = Array2::from_shape_fn((150, 2), |(i, q)| ((i + q) % 4) as f64 * 0.3);
        let h = Array2::from_shape_fn((2, 7), |(q, j)| ((j + 2 * q) % 3) as f64 * 0.7);
        let expected = (&x - &w.dot(&h)).mapv(|v| v * v).sum();
        let csr = Sparse::csr_from_dense(x.view(), 0.0);
        let csc = csr.to_csc();
        let stored: f64 = x.iter().zip(w.dot(&h)).filter(|(x, _)| **x != 0.0).map(|(x, v)| (x - v).powi(2)).sum();
        for threads in [1, 3] {
            let of = |x: MatrixRef<'_, f64>, o| squared_error(&x, &w.view(), &h.view(), o, NonZeroUsize::new(threads));
            for m in [MatrixRef::from(&x), MatrixRef::from(&csr), MatrixRef::from(&csc)] {
                let got = of(m, Observed::All);
                assert!((got - expected).abs() < 1e-11 * expected, "{got} {expected}");
            }
            let got = of(MatrixRef::from(&csr), Observed::Stored);
            assert!((got - stored).abs() < 1e-12 * stored);
        }
    }

    #[test]
    fn weights_count_in_every_layout_and_what_is_unknown_may_be_nan() {
        let w = Array2::from_shape_fn((90, 2), |(i, q)| ((i + q) % 4) as f64 * 0.3);
        let h = Array2::from_shape_fn((2, 7), |(q, j)| ((j + 2 * q) % 3) as f64 * 0.7);
        let x = Array2::from_shape_fn((90, 7), |(i, j)| if (i + j) % 3 == 0 { (i % 5) as f64 + 1.0 } else { 0.0 });
        let weights = Array2::from_shape_fn((90, 7), |(i, j)| ((i * j) % 4) as f64 * 0.5);
        let expected = (&weights * &(&x - &w.dot(&h)).mapv(|v| v * v)).sum();
        let holes = ndarray::Zip::from(&x).and(&weights).map_collect(|x, w| if *w == 0.0 { f64::NAN } else { *x });
        let (sx, sw) = (Sparse::csr_from_dense(x.view(), 0.0), Sparse::csr_from_dense(weights.view(), 0.0));
        let (x, holes, weights) = (MatrixRef::from(&x), MatrixRef::from(&holes), MatrixRef::from(&weights));
        let (sx, sw) = (MatrixRef::from(&sx), MatrixRef::from(&sw));
        for (x, weights) in [(&x, &weights), (&holes, &weights), (&sx, &weights), (&x, &sw), (&sx, &sw)] {
            let pair = Weighted::new(x, weights, false).unwrap();
            let got = weighted_squared_error(&pair, &w.view(), &h.view(), NonZeroUsize::new(2));
            assert!((got - expected).abs() < 1e-12 * expected, "{got} {expected}");
        }
    }

    #[test]
    fn an_exact_fit_has_error_zero() {
        let (w, h) = (array![[1.0, 0.0], [0.0, 2.0]], array![[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]]);
        let x = w.dot(&h);
        let sparse = Sparse::csr_from_dense(x.view(), 0.0);
        for m in [MatrixRef::from(&x), MatrixRef::from(&sparse)] {
            assert_eq!(squared_error(&m, &w.view(), &h.view(), Observed::All, None), 0.0);
        }
    }
}
