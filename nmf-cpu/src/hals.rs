//! The HALS sweep, many rows at a time.
//!
//! Rows are independent given A = X̃·other and G = otherᵀother, so a block of [`LANES`] rows is transposed and each
//! vector lane follows one row: the inner product ⟨w, G_q⟩ then costs k fused multiply-adds for 16 rows, with G read from
//! the first cache level. 2k² flops per row and sweep.

use crate::simd::{self, Block, Kernel, LANES, Real, axpy};
use crate::storage::{Factor, Gram};
use nmf_core::Sweep;
use nmf_core::backend::order;
use pulp::Simd;
use rayon::prelude::*;

/// Rows of a piece of work.
const PIECE: usize = 16 * LANES;

/// [`nmf_core::Backend::hals_sweep`].
pub(crate) fn sweep<T: Real>(cross: &Factor<T>, gram: &Gram<T>, f: &mut Factor<T>, sweep: &Sweep) {
    let (k, stride) = (f.k, f.stride);
    let visit = order(k, sweep);
    let alive: Vec<Vec<bool>> = f
        .data
        .par_chunks_mut(PIECE * stride)
        .zip(cross.data.par_chunks(PIECE * stride))
        .map(|(w, a)| simd::run(Piece { w, a, gram, k, stride, sweep, visit: &visit }))
        .collect();
    for q in sweep.rule.fixed..k {
        if !alive.iter().any(|a| a[q]) {
            f.data.chunks_exact_mut(stride).for_each(|row| row[q] = T::FLOOR);
        }
    }
}

struct Piece<'a, T> {
    w: &'a mut [T],
    a: &'a [T],
    gram: &'a Gram<T>,
    k: usize,
    stride: usize,
    sweep: &'a Sweep,
    visit: &'a [usize],
}

impl<T: Real> Kernel for Piece<'_, T> {
    /// Which columns hold something other than zero.
    type Out = Vec<bool>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Vec<bool> {
        let (k, stride) = (self.k, self.stride);
        let mut alive = vec![false; k];
        let mut w = vec![[T::zero(); LANES]; k];
        let mut a = vec![[T::zero(); LANES]; k];
        for (w_rows, a_rows) in self.w.chunks_mut(LANES * stride).zip(self.a.chunks(LANES * stride)) {
            let rows = w_rows.len() / stride;
            // lanes beyond the last row stay zero: they cost nothing and change nothing
            for q in 0..k {
                for l in 0..LANES {
                    let there = l < rows;
                    w[q][l] = if there { w_rows[l * stride + q] } else { T::zero() };
                    a[q][l] = if there { a_rows[l * stride + q] } else { T::zero() };
                }
            }
            sweep_block(&mut w, &a, self.gram, self.sweep, self.visit);
            for q in 0..k {
                for l in 0..rows {
                    w_rows[l * stride + q] = w[q][l];
                    alive[q] |= w[q][l] != T::zero();
                }
            }
        }
        alive
    }
}

/// All sweeps over LANES rows, held as columns.
#[inline(always)]
fn sweep_block<T: Real>(w: &mut [Block<T>], a: &[Block<T>], gram: &Gram<T>, sweep: &Sweep, visit: &[usize]) {
    let k = w.len();
    let (l1, l2) = (T::of(sweep.rule.penalty.l1), T::of(sweep.rule.penalty.l2));
    let stop = T::of(sweep.stop * sweep.stop);
    let mut active = [true; LANES];
    let mut first = [T::zero(); LANES];
    for pass in 0..sweep.max_sweeps.max(1) {
        let mut moved = [T::zero(); LANES];
        for &q in visit {
            let g = &gram.data[q * gram.stride..][..k];
            let curvature = g[q] + l2;
            if curvature <= T::zero() {
                continue;
            }
            // four sums: one would wait for its own last addition at every step
            let mut s = [[T::zero(); LANES]; 4];
            let (w4, w_rest) = w.as_chunks::<4>();
            let (g4, g_rest) = g.as_chunks::<4>();
            for (w, g) in w4.iter().zip(g4) {
                for c in 0..4 {
                    axpy(&mut s[c], g[c], &w[c]);
                }
            }
            for (w, &g) in w_rest.iter().zip(g_rest) {
                axpy(&mut s[0], g, w);
            }
            let step = curvature.recip();
            for l in 0..LANES {
                let dot = (s[0][l] + s[1][l]) + (s[2][l] + s[3][l]);
                let old = w[q][l];
                let new = (old + (a[q][l] - dot - l1 - l2 * old) * step).max(T::zero());
                let new = if active[l] { new } else { old };
                moved[l] += (new - old) * (new - old);
                w[q][l] = new;
            }
        }
        if pass == 0 {
            first = moved;
        }
        let mut any = false;
        for l in 0..LANES {
            active[l] = active[l] && moved[l] > stop * first[l];
            any |= active[l];
        }
        if !any {
            break;
        }
    }
}
