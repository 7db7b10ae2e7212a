//! The normal equations of the projections: Gram matrices of delayed signals, of Toeplitz blocks.

use super::correlate::Correlations;
use rayon::prelude::*;

/// Columns factored at once.
const PANEL: usize = 64;

/// The Cholesky factor of the Gram matrix of some sources and their delayed copies.
pub(crate) struct Factor {
    /// Lower triangle, row-major.
    lower: Vec<f64>,
    n: usize,
}

impl Factor {
    /// Factors the Gram matrix of the sources `which`, each with delays 0 … taps − 1.
    pub(crate) fn new(gram: &Correlations, which: &[usize], taps: usize) -> Self {
        let n = which.len() * taps;
        let entry = |row: usize, col: usize| {
            // Σ xᵢ[m − a]·xⱼ[m − b] is the correlation at lag a − b
            let (i, a, j, b) = (which[row / taps], row % taps, which[col / taps], col % taps);
            gram.lags(i, j)[taps - 1 + a - b]
        };
        let diagonal = (0..n).map(|i| entry(i, i)).fold(0.0, f64::max);
        // signals without anything in some band have Gram matrices that rounding makes indefinite: then the smallest
        // ridge that helps. It changes the filters where the signals have nothing, the projections hardly.
        for ridge in [0.0, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-8] {
            let mut lower = vec![0.0; n * n];
            lower.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
                row[..=i].iter_mut().enumerate().for_each(|(j, v)| *v = entry(i, j));
                row[i] += ridge * diagonal;
            });
            if cholesky(&mut lower, n) {
                return Factor { lower, n };
            }
        }
        // not reached with finite signals: a ridge of 1e-8 is far above the rounding of the correlations
        let mut lower = vec![0.0; n * n];
        (0..n).for_each(|i| lower[i * n + i] = diagonal.max(f64::MIN_POSITIVE).sqrt());
        Factor { lower, n }
    }

    /// The filters for the correlations of an estimate with the delayed sources.
    pub(crate) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let (l, n) = (&self.lower, self.n);
        let mut x = right.to_vec();
        for i in 0..n {
            x[i] = (x[i] - dot(&l[i * n..][..i], &x[..i])) / l[i * n + i];
        }
        for i in (0..n).rev() {
            x[i] /= l[i * n + i];
            let value = x[i];
            x[..i].iter_mut().zip(&l[i * n..][..i]).for_each(|(x, l)| *x -= value * l);
        }
        x
    }
}

/// A = L·Lᵀ in place of A's lower triangle, by panels of columns, their rows in parallel; false unless A is positive definite.
fn cholesky(a: &mut [f64], n: usize) -> bool {
    for start in (0..n).step_by(PANEL) {
        let end = n.min(start + PANEL);
        // the diagonal block, row by row
        for i in start..end {
            for j in start..=i {
                let s = a[i * n + j] - dot(&a[i * n..][..j], &a[j * n..][..j]);
                if i == j {
                    if !(s.is_finite() && s > 0.0) {
                        return false;
                    }
                    a[i * n + i] = s.sqrt();
                } else {
                    a[i * n + j] = s / a[j * n + j];
                }
            }
        }
        let (above, below) = a.split_at_mut(end * n);
        below.par_chunks_mut(n).with_min_len(16).for_each(|row| {
            for j in start..end {
                row[j] = (row[j] - dot(&row[..j], &above[j * n..][..j])) / above[j * n + j];
            }
        });
    }
    true
}

/// Σ xᵢyᵢ in eight running sums, so that it vectorizes.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (x, y) = (&x[..x.len().min(y.len())], &y[..x.len().min(y.len())]);
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in xs.zip(ys) {
        for l in 0..8 {
            lanes[l] += x[l] * y[l];
        }
    }
    lanes.iter().sum::<f64>() + rest
}
