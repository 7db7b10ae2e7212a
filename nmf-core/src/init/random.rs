//! Uniform random factors, seeded row by row so that no result depends on who drew first.

use crate::fit::Start;
use crate::{Element, Problem};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Uniform in (0, 1] times √(mean(X)/(k·L)).
pub(super) fn start<T: Element>(problem: &Problem<'_, T>, k: usize, shifts: usize, seed: u64) -> Start<T> {
    let scale = (problem.mean() / (k * shifts) as f64).sqrt();
    let (m, n) = problem.dim();
    Start { w: uniform(m, k * shifts, seed, 0, scale), h: uniform(n, k, seed, 1, scale) }
}

/// A rows×k matrix, uniform in (0, scale]; row i of matrix `which` (below 2²⁴) has a random stream of its own, so that no row depends on how
/// many there are or who drew first.
pub fn uniform<T: Element>(rows: usize, k: usize, seed: u64, which: u64, scale: f64) -> Array2<T> {
    let base = ChaCha8Rng::seed_from_u64(seed);
    let mut out = Array2::zeros((rows, k));
    for (i, mut row) in out.outer_iter_mut().enumerate() {
        let mut rng = base.clone();
        rng.set_stream((which << 40) | i as u64);
        // 1 − [0, 1) lies in (0, 1]: multiplicative updates could never leave an exact zero
        row.map_inplace(|v| *v = T::of(scale * (1.0 - unit(&mut rng))));
    }
    out
}

/// Uniform in [0, 1) with 53 bits.
pub(crate) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// Standard normal by Box and Muller's transform; for the test matrix of a randomized SVD, where nothing but its
/// rotation invariance matters.
pub(super) fn normal<T: Element>(rows: usize, k: usize, seed: u64) -> Array2<T> {
    let base = ChaCha8Rng::seed_from_u64(seed);
    let mut out = Array2::zeros((rows, k));
    for (i, mut row) in out.outer_iter_mut().enumerate() {
        let mut rng = base.clone();
        rng.set_stream((2 << 40) | i as u64);
        row.map_inplace(|v| {
            let r = (-2.0 * (1.0 - unit(&mut rng)).ln()).sqrt();
            *v = T::of(r * (std::f64::consts::TAU * unit(&mut rng)).cos());
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_do_not_depend_on_how_many_there_are() {
        let (a, b) = (uniform::<f64>(5, 3, 7, 0, 1.0), uniform::<f64>(9, 3, 7, 0, 1.0));
        assert_eq!(a, b.slice(ndarray::s![..5, ..]));
        assert_ne!(uniform::<f64>(5, 3, 8, 0, 1.0), a);
        assert_ne!(uniform::<f64>(5, 3, 7, 1, 1.0), a);
        assert!(a.iter().all(|v| *v > 0.0 && *v <= 1.0));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let n = 20_000.0;
        let u = uniform::<f64>(2000, 10, 1, 0, 1.0);
        assert!((u.sum() / n - 0.5).abs() < 4.0 / (12.0f64 * n).sqrt());
        let g = normal::<f64>(2000, 10, 1);
        assert!((g.sum() / n).abs() < 4.0 / n.sqrt());
        assert!(((&g * &g).sum() / n - 1.0).abs() < 4.0 * (2.0 / n).sqrt());
    }
}
