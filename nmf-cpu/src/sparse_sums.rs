//! Sums over the stored entries of a sparse X for the objective, with f64 products.

use crate::simd::{self, Kernel, LANES, Real, blocks, blocks_mut};
use crate::storage::{Compressed, Factor};
use pulp::Simd;
use rayon::prelude::*;

/// Σ over the stored entries of `term(x, v)`, v in f64 from the f64 products of the stored numbers.
pub(crate) fn sum_stored<T: Real>(
    x: &Compressed<T>,
    f: &Factor<T>,
    other: &Factor<T>,
    term: impl Fn(f64, f64) -> f64 + Sync,
) -> f64 {
    let parts: Vec<f64> = x
        .chunks
        .par_windows(2)
        .map(|c| simd::run(SumChunk { x, f, other, from: c[0], to: c[1], term: &term }))
        .collect();
    parts.iter().sum()
}

struct SumChunk<'a, T, F> {
    x: &'a Compressed<T>,
    f: &'a Factor<T>,
    other: &'a Factor<T>,
    from: usize,
    to: usize,
    term: &'a F,
}

impl<T: Real, F: Fn(f64, f64) -> f64> Kernel for SumChunk<'_, T, F> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let mut total = 0.0;
        for i in self.from..self.to {
            let (indices, values) = self.x.line(i);
            let (w, weights) = (self.f.row(i), self.x.line_weights(i));
            for (e, (&j, &x)) in indices.iter().zip(values).enumerate() {
                let mut acc = [0.0f64; LANES];
                for (a, b) in blocks(w).iter().zip(blocks(self.other.row(j as usize))) {
                    for l in 0..LANES {
                        acc[l] = a[l].f64().mul_add(b[l].f64(), acc[l]);
                    }
                }
                let d = (self.term)(x.f64(), simd::tree(&acc));
                total += weights.map_or(d, |w| w[e].f64() * d);
            }
        }
        total
    }
}

/// ⟨X, f·otherᵀ⟩ over the stored entries, with f64 products and sums: Σᵢ ⟨fᵢ, Σⱼ x·otherⱼ⟩.
pub(crate) fn inner_product<T: Real>(x: &Compressed<T>, f: &Factor<T>, other: &Factor<T>) -> f64 {
    let parts: Vec<f64> =
        x.chunks.par_windows(2).map(|c| simd::run(InnerChunk { x, f, other, from: c[0], to: c[1] })).collect();
    parts.iter().sum()
}

struct InnerChunk<'a, T> {
    x: &'a Compressed<T>,
    f: &'a Factor<T>,
    other: &'a Factor<T>,
    from: usize,
    to: usize,
}

impl<T: Real> Kernel for InnerChunk<'_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let mut gathered = vec![0.0f64; self.other.stride];
        let mut lanes = [0.0f64; LANES];
        for i in self.from..self.to {
            gathered.fill(0.0);
            let (indices, values) = self.x.line(i);
            for (&j, &x) in indices.iter().zip(values) {
                let (x, row) = (x.f64(), blocks(self.other.row(j as usize)));
                for (g, h) in blocks_mut(&mut gathered).iter_mut().zip(row) {
                    for l in 0..LANES {
                        g[l] = x.mul_add(h[l].f64(), g[l]);
                    }
                }
            }
            for (g, w) in blocks(&gathered).iter().zip(blocks(self.f.row(i))) {
                for l in 0..LANES {
                    lanes[l] = g[l].mul_add(w[l].f64(), lanes[l]);
                }
            }
        }
        lanes.iter().sum()
    }
}
