//! Coordinate descent for Kullback–Leibler, row by row.
//!
//! The rows of `other` that a row of X meets are laid out component by component in blocks of [`LANES`] entries, so that
//! the two derivatives along one component, the division included, run over whole vectors; the patch of v for one
//! component is done while the next one is evaluated. Per entry and component: one division, 7 flops. Dense X shares
//! one such layout among all rows; columns of a dense X are taken [`LANES`] at a time.

use crate::elementwise::x_log_term;
use crate::simd::{self, Block, Kernel, LANES, Real, axpy};
use crate::storage::{Compressed, Data, Factor, Store};
use crate::{dense, plan};
use nmf_core::backend::order;
use nmf_core::reference::newton_entry;
use nmf_core::{Observed, Penalty, Side, Sweep};
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

/// What one row of X needs while it is worked on, in blocks of LANES entries; entries beyond the last have x = 0, h = 0.
struct Row<T> {
    /// ω·x.
    x: Vec<Block<T>>,
    v: Vec<Block<T>>,
    /// ω, where entries are weighted.
    weight: Vec<Block<T>>,
    /// Σ ω·h over the entries that count.
    den: Vec<T>,
}

impl<T: Real> Row<T> {
    fn new() -> Self {
        Row { x: Vec::new(), v: Vec::new(), weight: Vec::new(), den: Vec::new() }
    }

    fn resize(&mut self, entries: usize) -> usize {
        let blocks = entries.div_ceil(LANES);
        self.x.clear();
        self.x.resize(blocks, [T::zero(); LANES]);
        self.v.resize(blocks, [T::one(); LANES]);
        self.weight.clear();
        blocks
    }
}

/// One row: `h` are its blocks of `other`. Returns the row's part of the divergence before.
#[inline(always)]
fn solve_row<T: Real>(p: &Pass<'_, T>, row: &mut Row<T>, h: &[Block<T>], k: usize, w: &mut [T]) -> f64 {
    let blocks = row.x.len();
    let (x, v, h) = (&row.x[..], &mut row.v[..blocks], &h[..blocks * k]);
    let floor = T::FLOOR;
    let mut smallest = T::infinity();
    for (b, v) in v.iter_mut().enumerate() {
        let mut sum = [[T::zero(); LANES]; 2];
        let (pairs, last) = h[b * k..][..k].as_chunks::<2>();
        for (q, h) in pairs.iter().enumerate() {
            axpy(&mut sum[0], w[2 * q], &h[0]);
            axpy(&mut sum[1], w[2 * q + 1], &h[1]);
        }
        if let Some(h) = last.first() {
            axpy(&mut sum[0], w[k - 1], h);
        }
        for l in 0..LANES {
            v[l] = (sum[0][l] + sum[1][l]).max(floor);
            let x = x[b][l];
            smallest = if x > T::zero() && x < smallest { x } else { smallest };
        }
    }
    let c = if smallest.is_finite() { smallest.sqrt().recip().f64() } else { 0.0 };
    let mut before = 0.0;
    if p.measure {
        before = measure(p, row, blocks);
    }
    let (x, v) = (&row.x[..], &mut row.v[..blocks]);
    let den: &[T] = match p.sums {
        Some(sums) => sums,
        None => {
            row.den.clear();
            row.den.resize(k, T::zero());
            for q in 0..k {
                let mut sum = [T::zero(); LANES];
                for b in 0..blocks {
                    let h = &h[b * k + q];
                    for l in 0..LANES {
                        // where only stored entries count and none is weighted, h is zero beyond the last
                        sum[l] += if row.weight.is_empty() { h[l] } else { row.weight[b][l] * h[l] };
                    }
                }
                row.den[q] = sum.iter().copied().sum();
            }
            &row.den
        }
    };
    let Penalty { l1, l2 } = p.sweep.rule.penalty;
    let (stop, passes) = (p.sweep.stop * p.sweep.stop, p.sweep.max_sweeps.max(1));
    // the last move, still to be patched into v
    let (mut d, mut from) = (T::zero(), p.visit.first().copied().unwrap_or(0));
    let mut first = 0.0;
    for pass in 0..passes {
        let mut moved = 0.0;
        for &q in p.visit {
            let (mut s1, mut s2) = ([T::zero(); LANES], [T::zero(); LANES]);
            for ((v, x), h) in v.iter_mut().zip(x).zip(h.chunks_exact(k)) {
                let (old, new) = (&h[from], &h[q]);
                for l in 0..LANES {
                    v[l] = d.mul_add(old[l], v[l]).max(floor);
                    let r = new[l] / v[l];
                    let xr = x[l] * r;
                    s1[l] += xr;
                    s2[l] = xr.mul_add(r, s2[l]);
                }
            }
            let (s1, s2) = (tree(&s1), tree(&s2));
            let old = w[q].f64();
            let g = (den[q] - s1).f64() + l1 + l2 * old;
            let new = T::of(newton_entry(old, g, s2.f64() + l2, c));
            let new = if new < T::TINY { T::zero() } else { new };
            (d, from) = (new - w[q], q);
            moved += d.f64() * d.f64();
            w[q] = new;
        }
        if pass == 0 {
            first = moved;
        }
        if moved <= stop * first {
            break;
        }
    }
    before
}

#[inline(always)]
fn tree<T: Real>(a: &Block<T>) -> T {
    let pairs: [T; 8] = std::array::from_fn(|l| a[l] + a[l + 8]);
    let fours: [T; 4] = std::array::from_fn(|l| pairs[l] + pairs[l + 4]);
    (fours[0] + fours[2]) + (fours[1] + fours[3])
}

/// Σ x·ln(x/v), and Σ ω(v − x) besides where not every entry counts.
#[inline(always)]
fn measure<T: Real>(p: &Pass<'_, T>, row: &Row<T>, blocks: usize) -> f64 {
    let (x, v) = (row.x.as_flattened(), row.v[..blocks].as_flattened());
    if row.weight.is_empty() {
        let logs = x_log_term(x, v);
        if p.sums.is_some() {
            return logs;
        }
        // v beyond the last entry is the floor: nothing
        let mut rest = 0.0;
        for (x, v) in x.iter().zip(v) {
            rest += if *v > T::FLOOR || *x > T::zero() { v.f64() - x.f64() } else { 0.0 };
        }
        return logs + rest;
    }
    let mut sum = 0.0;
    for ((x, v), w) in x.iter().zip(v).zip(row.weight.as_flattened()) {
        if *w > T::zero() {
            // x holds ω·x
            let log = if *x > T::zero() { x.f64() * T::ln_ratio(*x / *w, *v).f64() } else { 0.0 };
            sum += log - x.f64() + w.f64() * v.f64();
        }
    }
    sum
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
    fn run<S: Simd>(self, _: S) -> f64 {
        let (k, stride) = (self.pass.other.k, self.pass.other.stride);
        let mut row = Row::new();
        let mut gathered = Vec::new();
        let mut total = 0.0;
        for i in self.from..self.to {
            let (indices, values) = self.lines.line(i);
            let blocks = row.resize(indices.len());
            gathered.clear();
            gathered.resize(blocks * k, [T::zero(); LANES]);
            for (e, (&j, &x)) in indices.iter().zip(values).enumerate() {
                let (b, l) = (e / LANES, e % LANES);
                row.x[b][l] = x;
                let block = &mut gathered[b * k..][..k];
                for (out, h) in block.iter_mut().zip(self.pass.other.row(j as usize)) {
                    out[l] = *h;
                }
            }
            if let Some(weights) = self.lines.line_weights(i) {
                row.weight.resize(blocks, [T::zero(); LANES]);
                for (e, &weight) in weights.iter().enumerate() {
                    row.weight[e / LANES][e % LANES] = weight;
                    row.x[e / LANES][e % LANES] *= weight;
                }
            }
            let w = &mut self.rows[(i - self.from) * stride..][..stride];
            total += solve_row(&self.pass, &mut row, &gathered, k, w);
        }
        total
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
    /// Line `first + l` of `from` (X or the weights) for each l, as blocks.
    #[inline(always)]
    fn lines(&self, from: &[T], lines: usize, out: &mut [Vec<Block<T>>]) {
        let entries = self.pass.other.rows;
        for l in 0..lines {
            out[l].clear();
            out[l].resize(entries.div_ceil(LANES), [T::zero(); LANES]);
        }
        match self.side {
            Side::Rows => {
                for l in 0..lines {
                    let line = &from[(self.first + l) * self.cols..][..entries];
                    out[l].as_flattened_mut()[..entries].copy_from_slice(line);
                }
            }
            Side::Cols => {
                for e in 0..entries {
                    let line = &from[e * self.cols + self.first..][..lines];
                    for (l, v) in line.iter().enumerate() {
                        out[l][e / LANES][e % LANES] = *v;
                    }
                }
            }
        }
    }
}

impl<T: Real> Kernel for DenseChunk<'_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let (k, stride) = (self.pass.other.k, self.pass.other.stride);
        let lines = self.rows.len() / stride;
        let room = || (0..LANES).map(|_| Vec::new()).collect::<Vec<_>>();
        let (mut xs, mut weights) = (room(), room());
        self.lines(self.x, lines, &mut xs);
        if let Some(w) = self.weights {
            self.lines(w, lines, &mut weights);
        }
        let mut row = Row::new();
        let mut total = 0.0;
        for l in 0..lines {
            row.resize(self.pass.other.rows);
            std::mem::swap(&mut row.x, &mut xs[l]);
            if self.weights.is_some() {
                std::mem::swap(&mut row.weight, &mut weights[l]);
                for (x, w) in row.x.as_flattened_mut().iter_mut().zip(row.weight.as_flattened()) {
                    *x *= *w;
                }
            }
            let w = &mut self.rows[l * stride..][..stride];
            total += solve_row(&self.pass, &mut row, self.layout, k, w);
        }
        total
    }
}

impl<T> Data<T> {
    /// Whether every entry counts, and all alike.
    pub(crate) fn observes_all(&self) -> bool {
        match &self.store {
            Store::Dense { weights, .. } => weights.is_none(),
            Store::Sparse { observed, .. } => *observed == Observed::All,
        }
    }
}
