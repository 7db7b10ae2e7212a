//! Sparse kernels: each line of X gathers the rows of the other factor at its non-zeros.
//!
//! For line i with entries (j, x): v = ⟨f_i, other_j⟩, then the numerator Σ x·v^(β−2)·other_j (and, over stored entries
//! only, the denominator Σ v^(β−1)·other_j). V exists for a few dozen entries at a time. The rows of `other` that
//! were just gathered for the inner products are still in the first cache level when they are added up.
//! Per entry: 4k flops, k numbers gathered; bound by the caches that hold `other`, not by memory.

use crate::elementwise::{Map, loss_term, update_row, weighted_loss_term, x_log_term};
use crate::simd::{self, Block, Kernel, LANES, Real, axpy, blocks, blocks_mut};
use crate::storage::{Compressed, Factor};
use nmf_core::{Loss, Rule};
use pulp::Simd;
use rayon::prelude::*;

/// Entries handled together: their ratios are computed as vectors, and their rows stay in the first cache level.
const BATCH: usize = 64;

/// What one pass over the lines does.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a, T> {
    pub(crate) x: &'a Compressed<T>,
    pub(crate) other: &'a Factor<T>,
    pub(crate) loss: &'a Loss,
    pub(crate) map: Map,
    /// Σ of `other`'s rows, the denominator of KL; `None`: sum v^(β−1) over the stored entries.
    pub(crate) column_sums: Option<&'a [T]>,
    pub(crate) measure: Sum,
}

/// What is summed over the stored entries on the way.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sum {
    /// Nothing.
    No,
    /// Σ d(x, v).
    Loss,
    /// Σ x·ln(x/v): with −Σx and Σv over *all* entries it makes KL.
    XLog,
}

impl Sum {
    #[inline(always)]
    fn of<T: Real>(self, loss: &Loss, x: &[T], v: &[T], weights: Option<&[T]>) -> f64 {
        match self {
            Sum::No => 0.0,
            Sum::Loss => weights.map_or_else(|| loss_term(loss, x, v), |w| weighted_loss_term(loss, x, v, w)),
            Sum::XLog => x_log_term(x, v),
        }
    }
}

/// Updates f in place by one multiplicative step; returns the [`Sum`] of the factors before.
/// With `repeats`, each row is updated so many times while the rows it gathers are near.
pub(crate) fn update<T: Real>(p: Pass<'_, T>, f: &mut Factor<T>, rule: &Rule, repeats: usize) -> f64 {
    let (k, stride) = (f.k, f.stride);
    let parts: Vec<f64> =
        p.x.split(&mut f.data, stride)
            .into_par_iter()
            .map(|(from, to, rows)| simd::run(UpdateChunk { p, from, to, rows, k, rule, repeats }))
            .collect();
    parts.iter().sum()
}

struct UpdateChunk<'a, T> {
    p: Pass<'a, T>,
    from: usize,
    to: usize,
    rows: &'a mut [T],
    k: usize,
    rule: &'a Rule,
    repeats: usize,
}

impl<T: Real> Kernel for UpdateChunk<'_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let stride = self.p.other.stride;
        let (mut num, mut den) = (vec![T::zero(); stride], vec![T::zero(); stride]);
        let mut total = 0.0;
        for i in self.from..self.to {
            let row = &mut self.rows[(i - self.from) * stride..][..stride];
            total += accumulate(simd, &self.p, i, row, &mut num, &mut den);
            update_row(row, &num, self.p.column_sums.unwrap_or(&den), self.rule, self.k);
            let again = Pass { measure: Sum::No, ..self.p };
            for _ in 1..self.repeats {
                accumulate(simd, &again, i, row, &mut num, &mut den);
                update_row(row, &num, self.p.column_sums.unwrap_or(&den), self.rule, self.k);
            }
        }
        total
    }
}

/// Numerators and denominators of all lines, added to `num` and `den` with weight α.
pub(crate) fn terms<T: Real>(p: Pass<'_, T>, f: &Factor<T>, alpha: T, num: &mut Factor<T>, den: &mut Factor<T>) {
    let stride = f.stride;
    let nums = p.x.split(&mut num.data, stride);
    let dens = p.x.split(&mut den.data, stride);
    nums.into_par_iter().zip(dens).for_each(|((from, to, nums), (_, _, dens))| {
        simd::run(TermsChunk { p, from, to, f, alpha, nums, dens });
    });
}

struct TermsChunk<'a, T> {
    p: Pass<'a, T>,
    from: usize,
    to: usize,
    f: &'a Factor<T>,
    alpha: T,
    nums: &'a mut [T],
    dens: &'a mut [T],
}

impl<T: Real> Kernel for TermsChunk<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let stride = self.f.stride;
        let (mut num, mut den) = (vec![T::zero(); stride], vec![T::zero(); stride]);
        for i in self.from..self.to {
            accumulate(simd, &self.p, i, self.f.row(i), &mut num, &mut den);
            let den = self.p.column_sums.unwrap_or(&den);
            let at = (i - self.from) * stride;
            for l in 0..stride {
                self.nums[at + l] += self.alpha * num[l];
                self.dens[at + l] += self.alpha * den[l];
            }
        }
    }
}

/// One line: fills `num` (and `den` unless column sums serve), returns Σ d over its stored entries if measured.
#[inline(always)]
fn accumulate<T: Real, S: Simd>(simd: S, p: &Pass<'_, T>, i: usize, row: &[T], num: &mut [T], den: &mut [T]) -> f64 {
    // short rows live in registers; longer ones go through the loop over blocks
    match row.len() / LANES {
        1 => line::<T, S, 1>(simd, p, i, row, num, den),
        2 => line::<T, S, 2>(simd, p, i, row, num, den),
        3 => line::<T, S, 3>(simd, p, i, row, num, den),
        4 => line::<T, S, 4>(simd, p, i, row, num, den),
        _ => long_line(simd, p, i, row, num, den),
    }
}

#[inline(always)]
fn line<T: Real, S: Simd, const NB: usize>(
    simd: S,
    p: &Pass<'_, T>,
    i: usize,
    row: &[T],
    num: &mut [T],
    den: &mut [T],
) -> f64 {
    let (indices, values) = p.x.line(i);
    let mut w = [[T::zero(); LANES]; NB];
    w.copy_from_slice(blocks(row));
    let table: &[[Block<T>; NB]] = blocks(&p.other.data).as_chunks::<NB>().0;
    // two of each: one would wait for its own last addition at every entry
    let mut n = [[[T::zero(); LANES]; NB]; 2];
    let mut d = [[[T::zero(); LANES]; NB]; 2];
    let (mut v, mut r, mut q) = ([T::one(); BATCH], [T::zero(); BATCH], [T::zero(); BATCH]);
    let mut last = [T::zero(); BATCH];
    let floor = p.map.floor();
    let mut total = 0.0;
    let weights = p.x.line_weights(i);
    for (batch, js) in indices.chunks(BATCH).enumerate() {
        let (from, at) = (batch * BATCH, p.x.offsets[i] + batch * BATCH);
        for (e, (v, &j)) in v.iter_mut().zip(js).enumerate() {
            ahead(&p.x.indices, table, at + e);
            *v = T::dot(simd, &w, &table[j as usize]);
        }
        // whole vectors: what lies beyond the last entry is computed and not used
        let padded = js.len().next_multiple_of(LANES);
        let xs = match p.x.values.get(at..at + padded) {
            Some(xs) => xs,
            None => {
                last[..js.len()].copy_from_slice(&values[from..]);
                &last[..padded]
            }
        };
        for v in v[..padded].as_chunks_mut::<LANES>().0 {
            for v in v {
                *v = if *v > floor { *v } else { floor };
            }
        }
        p.map.apply(p.loss, xs, &v[..padded], &mut r, &mut q);
        let weights = weights.map(|w| &w[from..][..js.len()]);
        if let Some(w) = weights {
            for ((r, q), w) in r.iter_mut().zip(&mut q).zip(w) {
                *r *= *w;
                *q *= *w;
            }
        }
        total += p.measure.of(p.loss, &xs[..js.len()], &v[..js.len()], weights);
        add_rows(simd, &mut n, &r, js, table);
        if p.column_sums.is_none() {
            add_rows(simd, &mut d, &q, js, table);
        }
    }
    for (c, (num, den)) in blocks_mut(num).iter_mut().zip(blocks_mut(den)).enumerate() {
        for l in 0..LANES {
            num[l] = n[0][c][l] + n[1][c][l];
            den[l] = d[0][c][l] + d[1][c][l];
        }
    }
    total
}

/// acc += Σ s·table[j].
#[inline(always)]
fn add_rows<T: Real, S: Simd, const NB: usize>(
    simd: S,
    acc: &mut [[Block<T>; NB]; 2],
    s: &[T; BATCH],
    js: &[u32],
    table: &[[Block<T>; NB]],
) {
    let (pairs, odd) = js.as_chunks::<2>();
    for (s, j) in s.as_chunks::<2>().0.iter().zip(pairs) {
        T::axpy(simd, &mut acc[0], s[0], &table[j[0] as usize]);
        T::axpy(simd, &mut acc[1], s[1], &table[j[1] as usize]);
    }
    if let Some(&j) = odd.first() {
        T::axpy(simd, &mut acc[0], s[js.len() - 1], &table[j as usize]);
    }
}

/// Entries from asking for a gathered row to using it: enough to cover a trip to the third cache level.
const AHEAD: usize = 24;

/// Asks for the row that the entry [`AHEAD`] of this one, on this line or a later one, will gather.
#[inline(always)]
fn ahead<T: Real, const NB: usize>(indices: &[u32], table: &[[Block<T>; NB]], entry: usize) {
    if let Some(row) = indices.get(entry + AHEAD).and_then(|&j| table.get(j as usize)) {
        simd::prefetch(row.as_flattened());
    }
}

#[inline(always)]
fn long_line<T: Real, S: Simd>(simd: S, p: &Pass<'_, T>, i: usize, row: &[T], num: &mut [T], den: &mut [T]) -> f64 {
    let (indices, values) = p.x.line(i);
    num.fill(T::zero());
    den.fill(T::zero());
    let (mut v, mut r, mut q) = ([T::one(); BATCH], [T::zero(); BATCH], [T::zero(); BATCH]);
    let floor = p.map.floor();
    let mut total = 0.0;
    let weights = p.x.line_weights(i);
    for (batch, (js, xs)) in indices.chunks(BATCH).zip(values.chunks(BATCH)).enumerate() {
        for (v, &j) in v.iter_mut().zip(js) {
            *v = T::dot(simd, blocks(row), blocks(p.other.row(j as usize))).max(floor);
        }
        p.map.apply(p.loss, xs, &v[..xs.len()], &mut r, &mut q);
        let weights = weights.map(|w| &w[batch * BATCH..][..xs.len()]);
        if let Some(w) = weights {
            for ((r, q), w) in r.iter_mut().zip(&mut q).zip(w) {
                *r *= *w;
                *q *= *w;
            }
        }
        total += p.measure.of(p.loss, xs, &v[..xs.len()], weights);
        for (e, &j) in js.iter().enumerate() {
            let h = blocks(p.other.row(j as usize));
            for (a, b) in blocks_mut(num).iter_mut().zip(h) {
                axpy(a, r[e], b);
            }
            if p.column_sums.is_none() {
                for (a, b) in blocks_mut(den).iter_mut().zip(h) {
                    axpy(a, q[e], b);
                }
            }
        }
    }
    total
}

/// out = X̃·other.
pub(crate) fn cross<T: Real>(x: &Compressed<T>, other: &Factor<T>, out: &mut Factor<T>) {
    let stride = out.stride;
    x.split(&mut out.data, stride).into_par_iter().for_each(|(from, to, rows)| {
        simd::run(CrossChunk { x, other, from, to, rows });
    });
}

struct CrossChunk<'a, T> {
    x: &'a Compressed<T>,
    other: &'a Factor<T>,
    from: usize,
    to: usize,
    rows: &'a mut [T],
}

impl<T: Real> Kernel for CrossChunk<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.other.stride / LANES {
            1 => self.lines::<S, 1>(simd),
            2 => self.lines::<S, 2>(simd),
            3 => self.lines::<S, 3>(simd),
            4 => self.lines::<S, 4>(simd),
            _ => self.long_lines(),
        }
    }
}

impl<T: Real> CrossChunk<'_, T> {
    #[inline(always)]
    fn lines<S: Simd, const NB: usize>(self, simd: S) {
        let table: &[[Block<T>; NB]] = blocks(&self.other.data).as_chunks::<NB>().0;
        for (i, row) in (self.from..self.to).zip(self.rows.chunks_exact_mut(NB * LANES)) {
            let (indices, values) = self.x.line(i);
            let mut n = [[[T::zero(); LANES]; NB]; 2];
            let at = self.x.offsets[i];
            for (e, (&j, &x)) in indices.iter().zip(values).enumerate() {
                ahead(&self.x.indices, table, at + e);
                T::axpy(simd, &mut n[e % 2], x, &table[j as usize]);
            }
            for (c, out) in blocks_mut(row).iter_mut().enumerate() {
                for l in 0..LANES {
                    out[l] = n[0][c][l] + n[1][c][l];
                }
            }
        }
    }

    #[inline(always)]
    fn long_lines(self) {
        let stride = self.other.stride;
        for (i, row) in (self.from..self.to).zip(self.rows.chunks_exact_mut(stride)) {
            let (indices, values) = self.x.line(i);
            row.fill(T::zero());
            for (&j, &x) in indices.iter().zip(values) {
                for (a, b) in blocks_mut(row).iter_mut().zip(blocks(self.other.row(j as usize))) {
                    axpy(a, x, b);
                }
            }
        }
    }
}
