//! Shifted copies of a factor and their adjoint, for convolutive models: see [`nmf_core::shifts`].

use crate::simd::Real;
use crate::storage::Factor;
use rayon::prelude::*;

/// Rows of a piece of work.
const PIECE: usize = 64;

/// out_{j, qL+τ} = f_{j−τ, q}, 0 for j < τ.
pub(crate) fn unfold<T: Real>(f: &Factor<T>, shifts: usize, out: &mut Factor<T>) {
    let (k, stride) = (f.k, out.stride);
    out.data.par_chunks_mut(PIECE * stride).enumerate().for_each(|(piece, rows)| {
        for (l, row) in rows.chunks_exact_mut(stride).enumerate() {
            let j = piece * PIECE + l;
            let (now, before) = (shifts.min(j + 1), f.row(j));
            for q in 0..k {
                let copies = &mut row[q * shifts..][..shifts];
                copies[0] = before[q];
                for (tau, copy) in copies.iter_mut().enumerate().take(now).skip(1) {
                    *copy = f.data[(j - tau) * f.stride + q];
                }
                copies[now..].fill(T::zero());
            }
        }
    });
}

/// out_{jq} = Σ_τ t_{j+τ, qL+τ} over j + τ < n, in the order of τ.
pub(crate) fn fold<T: Real>(t: &Factor<T>, shifts: usize, out: &mut Factor<T>) {
    let (n, k, stride) = (t.rows, out.k, out.stride);
    out.data.par_chunks_mut(PIECE * stride).enumerate().for_each(|(piece, rows)| {
        for (l, row) in rows.chunks_exact_mut(stride).enumerate() {
            let j = piece * PIECE + l;
            for (q, sum) in row[..k].iter_mut().enumerate() {
                *sum = T::zero();
                for tau in 0..shifts.min(n - j) {
                    *sum += t.data[(j + tau) * t.stride + q * shifts + tau];
                }
            }
        }
    });
}
