//! Coordinate descent for Kullback–Leibler, row by row.
//!
//! The rows of `other` that a row of X meets are laid out component by component in blocks of [`LANES`] entries, so that
//! the two derivatives along one component, the division included, run over whole vectors; the patch of v for one
//! component is done while the next one is evaluated. Per entry and component: one division, 7 flops. Dense X shares
//! one such layout among all rows; columns of a dense X are taken [`LANES`] at a time.

use crate::elementwise::x_log_term;
use crate::simd::{self, Block, Kernel, LANES, Real};
use crate::storage::{Compressed, Data, Factor, Store};
use crate::{dense, plan};
use nmf_core::backend::order;
use nmf_core::reference::DAMPING;
use nmf_core::{Penalty, Side, Sweep};
use pulp::Simd;
use rayon::prelude::*;

/// [`nmf_core::Backend::newton_sweep`]; returns the divergence before if it is measured.
pub(crate) fn sweep<T: Real>(
    x: &Data<T>,
    side: Side,
    f: &mut Factor<T>,
    other: &Factor<T>,
    sweep: &Sweep,
    measure: bool,
) -> f64 {
    let visit = order(f.k, sweep);
    let sums = dense::column_sums(other);
    let narrow: Vec<T> = sums.iter().map(|v| T::of(*v)).collect();
    let all = x.observes_all();
    // Σv over all entries; where only some count, it is summed with them
    let everywhere = if measure && all { plan::dot(&dense::column_sums(f), &sums) - x.sum } else { 0.0 };
    let pass = Pass { other, sums: all.then_some(&narrow), sweep, visit: &visit, measure };
    let parts: Vec<f64> = match &x.store {
        Store::Sparse { by_rows, by_cols, .. } => {
            let lines = if side == Side::Rows { by_rows } else { by_cols };
            let chunks = lines.split(&mut f.data, other.stride);
            chunks
                .into_par_iter()
                .map(|(from, to, rows)| simd::run(SparseChunk { pass, lines, from, to, rows }))
                .collect()
        }
        Store::Dense { x: values, weights } => {
            let layout = columns_in_blocks(other);
            let chunks = f.data.par_chunks_mut(LANES * other.stride).enumerate();
            let weights = weights.as_deref();
            chunks
                .map(|(p, rows)| {
                    simd::run(DenseChunk {
                        pass,
                        x: values,
                        weights,
                        cols: x.cols,
                        side,
                        first: p * LANES,
                        layout: &layout,
                        rows,
                    })
                })
                .collect()
        }
    };
    parts.iter().sum::<f64>() + everywhere
}

#[derive(Clone, Copy)]
struct Pass<'a, T> {
    other: &'a Factor<T>,
    /// Σ over `other`'s rows, where every entry counts.
    sums: Option<&'a Vec<T>>,
    sweep: &'a Sweep,
    visit: &'a [usize],
    measure: bool,
}

/// `other` as blocks of LANES rows: component q of block b is at b·k + q.
fn columns_in_blocks<T: Real>(other: &Factor<T>) -> Vec<Block<T>> {
    let k = other.k;
    let mut out = vec![[T::zero(); LANES]; other.rows.div_ceil(LANES) * k];
    for (j, row) in other.data.chunks_exact(other.stride).enumerate() {
        for q in 0..k {
            out[j / LANES * k + q][j % LANES] = row[q];
        }
    }
    out
}

/// Bytes of gathered rows that a group may hold: they are read once per component and should stay near.
const GROUP_BYTES: usize = 32 << 10;

/// Up to LANES rows of X that are worked on together, so that the chain from one component of a row to the next, a
/// division and two sums over lanes long, is waited for once for all of them.
///
/// Row r has the blocks `start[r]..start[r + 1]`; entries beyond its last have x = 0 and h = 0.
struct Group<T> {
    rows: usize,
    start: [usize; LANES + 1],
    /// ω·x.
    x: Vec<Block<T>>,
    v: Vec<Block<T>>,
    /// ω, where entries are weighted.
    weight: Vec<Block<T>>,
    /// The factor's entries, component by component.
    w: Vec<Block<T>>,
    /// Σ ω·h over the entries that count, component by component.
    den: Vec<Block<T>>,
}

impl<T: Real> Group<T> {
    fn new(k: usize) -> Self {
        let zeros = || vec![[T::zero(); LANES]; k];
        let (x, v, weight) = (Vec::new(), Vec::new(), Vec::new());
        Group { rows: 0, start: [0; LANES + 1], x, v, weight, w: zeros(), den: zeros() }
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.x.clear();
        self.weight.clear();
    }

    /// Room for one more row; returns its blocks.
    fn push(&mut self, entries: usize) -> std::ops::Range<usize> {
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
    fn solve<'h, S: Simd>(
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
            self.den[q][r] = tree(&sum);
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

#[inline(always)]
fn tree<T: Real>(a: &Block<T>) -> T {
    let pairs: [T; 8] = std::array::from_fn(|l| a[l] + a[l + 8]);
    let fours: [T; 4] = std::array::from_fn(|l| pairs[l] + pairs[l + 4]);
    (fours[0] + fours[2]) + (fours[1] + fours[3])
}

struct SparseChunk<'a, T> {
    pass: Pass<'a, T>,
    lines: &'a Compressed<T>,
    from: usize,
    to: usize,
    rows: &'a mut [T],
}

impl<T: Real> Kernel for SparseChunk<'_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let (k, stride) = (self.pass.other.k, self.pass.other.stride);
        let most = (GROUP_BYTES / (k * size_of::<Block<T>>())).max(1);
        let mut group = Group::new(k);
        let mut gathered = Vec::new();
        let zeros = vec![[T::zero(); 4]; stride / 4];
        let mut total = 0.0;
        let mut i = self.from;
        while i < self.to {
            group.clear();
            let first = i;
            while i < self.to && group.rows < LANES {
                let entries = self.lines.line(i).0.len();
                if group.rows > 0 && group.start[group.rows] + entries.div_ceil(LANES) > most {
                    break;
                }
                let blocks = group.push(entries);
                // every block is written whole: what was there before may stay
                if gathered.len() < blocks.end * k {
                    gathered.resize(blocks.end * k, [T::zero(); LANES]);
                }
                self.gather(i, blocks, &mut group, &mut gathered, &zeros);
                i += 1;
            }
            let rows = &mut self.rows[(first - self.from) * stride..(i - self.from) * stride];
            total += group.solve(simd, &self.pass, |start, _| &gathered[start * k..], rows);
        }
        total
    }
}

impl<T: Real> SparseChunk<'_, T> {
    /// Lays out the entries of line i.
    #[inline(always)]
    fn gather(
        &self,
        i: usize,
        blocks: std::ops::Range<usize>,
        group: &mut Group<T>,
        gathered: &mut [Block<T>],
        zeros: &[[T; 4]],
    ) {
        let k = self.pass.other.k;
        let (indices, values) = self.lines.line(i);
        let x = group.x[blocks.clone()].as_flattened_mut();
        x[..values.len()].copy_from_slice(values);
        let at = self.lines.offsets[i];
        for (b, (block, js)) in gathered[blocks.start * k..].chunks_exact_mut(k).zip(indices.chunks(LANES)).enumerate()
        {
            // the rows that the next block but one will want
            let next = (at + (b + 2) * LANES).min(self.lines.indices.len());
            for &j in self.lines.indices[next..].iter().take(LANES) {
                simd::prefetch(self.pass.other.row(j as usize));
            }
            let mut rows = [zeros; LANES];
            for (row, &j) in rows.iter_mut().zip(js) {
                *row = self.pass.other.row(j as usize).as_chunks().0;
            }
            simd::transpose(&rows, block);
        }
        if let Some(weights) = self.lines.line_weights(i) {
            group.weight.resize(blocks.end, [T::zero(); LANES]);
            group.weight[blocks].as_flattened_mut()[..weights.len()].copy_from_slice(weights);
            x.iter_mut().zip(weights).for_each(|(x, w)| *x *= *w);
        }
    }
}

struct DenseChunk<'a, T> {
    pass: Pass<'a, T>,
    x: &'a [T],
    weights: Option<&'a [T]>,
    cols: usize,
    side: Side,
    first: usize,
    layout: &'a [Block<T>],
    rows: &'a mut [T],
}

impl<T: Real> DenseChunk<'_, T> {
    /// The lines from `first` on of `from` (X or the weights), one after the other, `blocks` blocks each.
    #[inline(always)]
    fn lines(&self, from: &[T], lines: usize, blocks: usize, out: &mut [Block<T>]) {
        let (entries, out) = (self.pass.other.rows, out.as_flattened_mut());
        let length = blocks * LANES;
        match self.side {
            Side::Rows => {
                for (l, out) in out.chunks_exact_mut(length).take(lines).enumerate() {
                    out[..entries].copy_from_slice(&from[(self.first + l) * self.cols..][..entries]);
                }
            }
            Side::Cols => {
                for e in 0..entries {
                    let line = &from[e * self.cols + self.first..][..lines];
                    for (l, v) in line.iter().enumerate() {
                        out[l * length + e] = *v;
                    }
                }
            }
        }
    }
}

impl<T: Real> Kernel for DenseChunk<'_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let (k, stride) = (self.pass.other.k, self.pass.other.stride);
        let lines = self.rows.len() / stride;
        let mut group = Group::new(k);
        group.clear();
        let mut blocks = 0;
        for _ in 0..lines {
            blocks = group.push(self.pass.other.rows).len();
        }
        self.lines(self.x, lines, blocks, &mut group.x);
        if let Some(w) = self.weights {
            group.weight.resize(lines * blocks, [T::zero(); LANES]);
            self.lines(w, lines, blocks, &mut group.weight);
            let weights = group.weight.as_flattened();
            group.x.as_flattened_mut().iter_mut().zip(weights).for_each(|(x, w)| *x *= *w);
        }
        group.solve(simd, &self.pass, |_, _| self.layout, self.rows)
    }
}
