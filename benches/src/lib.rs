//! Inputs shared by the benchmarks: deterministic, strictly positive where a loss needs it.

/// The library example of the README, compiled and run with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// That of `docs/ranks.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/ranks.md")]
struct Ranks;

use ndarray::Array2;
use nmf_core::{Element, Sparse};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// rows×cols of rank `rank` plus a tenth of noise, every entry > 0.
pub fn dense<T: Element>(rows: usize, cols: usize, rank: usize) -> Array2<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let w = Array2::from_shape_simple_fn((rows, rank), || unit(&mut rng).powi(2));
    let h = Array2::from_shape_simple_fn((rank, cols), || unit(&mut rng).powi(2));
    w.dot(&h).mapv(|v| T::of(v + 0.1 * unit(&mut rng) + 1e-3))
}

/// Counts with Zipf-distributed columns: rows×cols, about `per_row` stored entries a row.
pub fn counts<T: Element>(rows: usize, cols: usize, per_row: usize) -> Sparse<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let (mut indptr, mut indices, mut values) = (vec![0u64], Vec::new(), Vec::new());
    for _ in 0..rows {
        // u ↦ cols^u − 1 has a density ∝ 1/rank
        let mut line: Vec<u32> = (0..per_row).map(|_| ((cols as f64).powf(unit(&mut rng)) - 1.0) as u32).collect();
        line.sort_unstable();
        line.dedup();
        for j in line {
            indices.push(j.min(cols as u32 - 1));
            values.push(T::of(1.0 + (4.0 * unit(&mut rng).powi(3)).floor()));
        }
        indptr.push(indices.len() as u64);
    }
    Sparse::new((rows, cols), indptr, indices, values)
}

/// A factor, rows×k, uniform in (0, 1].
pub fn factor<T: Element>(rows: usize, k: usize, seed: u64) -> Array2<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, k), || T::of(1.0 - unit(&mut rng)))
}
