//! The rows that are worked on together, and the passes over their components.

use super::Pass;
use crate::elementwise::x_log_term;
use crate::simd::{self, Block, LANES, Real};
use nmf_core::Penalty;
use nmf_core::reference::DAMPING;
use pulp::Simd;

/// Up to LANES rows of X that are worked on together, so that the chain from one component of a row to the next, a
/// division and two sums over lanes long, is waited for once for all of them.
///
/// Row r has the blocks `start[r]..start[r + 1]`; entries beyond its last have x = 0 and h = 0.
pub(super) struct Group<T> {
    pub(super) rows: usize,
    pub(super) start: [usize; LANES + 1],
    /// ω·x.
    pub(super) x: Vec<Block<T>>,
    v: Vec<Block<T>>,
    /// ω, where entries are weighted.
    pub(super) weight: Vec<Block<T>>,
    /// The factor's entries, component by component.
    w: Vec<Block<T>>,
    /// Σ ω·h over the entries that count, component by component.
    den: Vec<Block<T>>,
}

impl<T: Real> Group<T> {
    pub(super) fn new(k: usize) -> Self {
        let zeros = || vec![[T::zero(); LANES]; k];
        let (x, v, weight) = (Vec::new(), Vec::new(), Vec::new());
        Group { rows: 0, start: [0; LANES + 1], x, v, weight, w: zeros(), den: zeros() }
    }

    pub(super) fn clear(&mut self) {
        self.rows = 0;
        self.x.clear();
        self.weight.clear();
    }

    /// Room for one more row; returns its blocks.
    pub(super) fn push(&mut self, entries: usize) -> std::ops::Range<usize> {
        let (from, to) = (self.start[self.rows], self.start[self.rows] + entries.div_ceil(LANES));
        self.rows += 1;
        self.start[self.rows] = to;
        self.x.resize(to, [T::zero(); LANES]);
        from..to
    }

    fn blocks(&self, r: usize) -> std::ops::Range<usize> {
        self.start[r]..self.start[r + 1]
    }

    /// Solves the rows, whose values are in `rows` (stride numbers each) and whose blocks of `other` are `h(row)`. Returns
    /// their part of the divergence before.
    #[inline(always)]
    pub(super) fn solve<'h, S: Simd>(
        &mut self,
        simd: S,
        p: &Pass<'_, T>,
        h: impl Fn(usize, usize) -> &'h [Block<T>],
        rows: &mut [T],
    ) -> f64
    where
        T: 'h,
    {
        let (k, stride) = (p.other.k, p.other.stride);
        for q in 0..k {
            self.w[q] = [T::zero(); LANES];
            for (r, row) in rows.chunks_exact(stride).enumerate() {
                self.w[q][r] = row[q];
            }
        }
        self.v.resize(self.start[self.rows], [T::one(); LANES]);
        let mut squared_c = [T::zero(); LANES];
        let mut before = 0.0;
        for r in 0..self.rows {
            let h = h(self.start[r], r);
            self.model(simd, r, h, k);
            let smallest = self.smallest(r);
            squared_c[r] = if smallest.is_finite() { smallest.recip() } else { T::zero() };
            if p.measure {
                before += self.measure(p, r);
            }
            self.denominators(p, r, h, k);
        }
        self.descend(simd, p, &h, &squared_c, k);
        for (r, row) in rows.chunks_exact_mut(stride).enumerate() {
            (0..k).for_each(|q| row[q] = self.w[q][r]);
        }
        before
    }

    /// v of a row, floored.
    #[inline(always)]
    fn model<S: Simd>(&mut self, simd: S, r: usize, h: &[Block<T>], k: usize) {
        let blocks = self.blocks(r);
        // by index: chunks and steps of a length known at run time only would divide for each row
        for (b, v) in self.v[blocks].iter_mut().enumerate() {
            let mut sum = [[T::zero(); LANES]; 2];
            for (q, (h, w)) in h[b * k..][..k].iter().zip(&self.w).enumerate() {
                T::axpy(simd, &mut sum[q % 2..][..1], w[r], std::slice::from_ref(h));
            }
            for l in 0..LANES {
                let new = sum[0][l] + sum[1][l];
                v[l] = if new > T::FLOOR { new } else { T::FLOOR };
            }
        }
    }

    /// The smallest positive ωx of a row.
    #[inline(always)]
    fn smallest(&self, r: usize) -> T {
        let mut smallest = [T::infinity(); LANES];
        for x in &self.x[self.blocks(r)] {
            for l in 0..LANES {
                smallest[l] = if x[l] > T::zero() && x[l] < smallest[l] { x[l] } else { smallest[l] };
            }
        }
        smallest.into_iter().fold(T::infinity(), T::min)
    }

    #[inline(always)]
    fn denominators(&mut self, p: &Pass<'_, T>, r: usize, h: &[Block<T>], k: usize) {
        if let Some(sums) = p.sums {
            (0..k).for_each(|q| self.den[q][r] = sums[q]);
            return;
        }
        let blocks = self.blocks(r);
        for q in 0..k {
            let mut sum = [T::zero(); LANES];
            for (b, h) in blocks.clone().zip(h.chunks_exact(k)) {
                for l in 0..LANES {
                    // where entries are not weighted, h is zero beyond the last
                    sum[l] += if self.weight.is_empty() { h[q][l] } else { self.weight[b][l] * h[q][l] };
                }
            }
            self.den[q][r] = simd::tree(&sum);
        }
    }

    /// All passes over the components.
    #[inline(always)]
    fn descend<'h, S: Simd>(
        &mut self,
        simd: S,
        p: &Pass<'_, T>,
        h: &impl Fn(usize, usize) -> &'h [Block<T>],
        squared_c: &Block<T>,
        k: usize,
    ) where
        T: 'h,
    {
        let Penalty { l1, l2 } = p.sweep.rule.penalty;
        let (l1, l2) = (T::of(l1), T::of(l2));
        let stop = T::of(p.sweep.stop * p.sweep.stop);
        // the last moves, still to be patched into v
        let (mut d, mut from) = ([T::zero(); LANES], p.visit.first().copied().unwrap_or(0));
        let (mut active, mut first) = ([true; LANES], [T::zero(); LANES]);
        for pass in 0..p.sweep.max_sweeps.max(1) {
            let mut moved = [T::zero(); LANES];
            for &q in p.visit {
                let (mut s1, mut s2) = ([T::zero(); LANES], [T::zero(); LANES]);
                for r in 0..self.rows {
                    let (blocks, h) = (self.blocks(r), h(self.start[r], r));
                    if blocks.is_empty() {
                        continue;
                    }
                    // the last move is patched into v while the next component is looked at
                    let (x, v) = (&self.x[blocks.clone()], &mut self.v[blocks]);
                    (s1[r], s2[r]) = T::newton_sums(simd, x, v, d[r], &h[from..], &h[q..], k);
                }
                let (w, den) = (&mut self.w[q], &self.den[q]);
                for l in 0..LANES {
                    let new = newton_entry(w[l], den[l] - s1[l] + l1 + l2 * w[l], s2[l] + l2, squared_c[l]);
                    let new = if active[l] { new } else { w[l] };
                    d[l] = new - w[l];
                    moved[l] += d[l] * d[l];
                    w[l] = new;
                }
                from = q;
            }
            if pass == 0 {
                first = moved;
            }
            let mut any = false;
            for l in 0..self.rows {
                active[l] = active[l] && moved[l] > stop * first[l];
                any |= active[l];
            }
            if !any {
                break;
            }
        }
    }

    /// A row's part of the divergence, up to −Σx + Σv over all entries where all count.
    #[inline(always)]
    fn measure(&self, p: &Pass<'_, T>, r: usize) -> f64 {
        let blocks = self.blocks(r);
        let (x, v) = (self.x[blocks.clone()].as_flattened(), self.v[blocks.clone()].as_flattened());
        if self.weight.is_empty() {
            let logs = x_log_term(x, v);
            // v beyond the last entry is the floor: nothing
            let gap = |(x, v): (&T, &T)| if *v > T::FLOOR || *x > T::zero() { v.f64() - x.f64() } else { 0.0 };
            return if p.sums.is_some() { logs } else { logs + x.iter().zip(v).map(gap).sum::<f64>() };
        }
        let weights = self.weight[blocks].as_flattened();
        let term = |((x, v), w): ((&T, &T), &T)| {
            // x holds ω·x
            let log = if *x > T::zero() { x.f64() * T::ln_ratio(*x / *w, *v).f64() } else { 0.0 };
            if *w > T::zero() { log - x.f64() + w.f64() * v.f64() } else { 0.0 }
        };
        x.iter().zip(v).zip(weights).map(term).sum()
    }
}

/// [`nmf_core::reference::newton_entry`] with c² instead of c.
#[inline(always)]
fn newton_entry<T: Real>(w: T, g: T, h: T, squared_c: T) -> T {
    let d = g / h;
    // the root first: c²·d²·h leaves f32 where the other factor is tiny
    let lambda = (squared_c * h).sqrt() * d;
    let d = if lambda > T::of(DAMPING) { d / (T::one() + lambda) } else { d };
    let new = w - d;
    let new = if new > T::zero() { new } else { T::zero() };
    let new = if new < T::TINY { T::zero() } else { new };
    // without curvature: down to zero, or nothing to decide
    let linear = if g > T::zero() { T::zero() } else { w };
    if h > T::zero() { new } else { linear }
}
