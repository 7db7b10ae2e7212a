//! Small matrices that are always the same.
#![allow(dead_code)] // each test file uses some of it

use ndarray::Array2;
use nmf_core::{Matrix, Sparse};
use nmf_cpu::{Cpu, Real};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) fn cpu<T: Real>() -> Cpu<T> {
    // what is this small costs less on one thread, also where others are busy
    Cpu::with_threads(1).unwrap()
}

/// Entries in [lo, hi).
pub(crate) fn uniform(seed: u64, dim: (usize, usize), lo: f64, hi: f64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_fn(dim, |_| lo + (hi - lo) * rng.random::<f64>())
}

/// W (m×k) and H (k×n) with a third of their entries zero and a row or column of its own for each component, which makes the
/// factorization of W·H unique.
pub(crate) fn planted(seed: u64, (m, n, k): (usize, usize, usize)) -> (Array2<f64>, Array2<f64>) {
    let part = |seed, rows| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_fn((rows, k), |(i, q)| {
            let (draw, value): (f64, f64) = (rng.random(), rng.random());
            let keep = if i < k { i == q } else { draw > 0.33 };
            if keep { 0.2 + value } else { 0.0 }
        })
    };
    (part(seed, m), part(seed + 1, n).reversed_axes())
}

/// The same matrix, sparse.
pub(crate) fn sparse(x: &Array2<f64>) -> Matrix<f64> {
    Matrix::Sparse(Sparse::csr_from_dense(x.view(), 0.0))
}

/// A matrix with a share of zeros.
pub(crate) fn thinned(seed: u64, dim: (usize, usize), zeros: f64) -> Array2<f64> {
    let keep = uniform(seed + 1, dim, 0.0, 1.0);
    let mut x = uniform(seed, dim, 0.05, 2.0);
    x.zip_mut_with(&keep, |x, k| *x = if *k < zeros { 0.0 } else { *x });
    x
}

/// 0 with this probability, else 1.
pub(crate) fn mask(seed: u64, dim: (usize, usize), hidden: f64) -> Array2<f64> {
    uniform(seed, dim, 0.0, 1.0).mapv(|v| if v < hidden { 0.0 } else { 1.0 })
}

pub(crate) fn norm2(x: &Array2<f64>) -> f64 {
    x.iter().map(|v| v * v).sum()
}
