//! Coordinate descent for Kullback–Leibler, row by row.
//!
//! The rows of `other` that a row of X meets are laid out component by component in blocks of [`LANES`] entries, so that
//! the two derivatives along one component, the division included, run over whole vectors; the patch of v for one
//! component is done while the next one is evaluated. Per entry and component: one division, 7 flops. Dense X shares
//! one such layout among all rows; columns of a dense X are taken [`LANES`] at a time. A line of a sparse X is laid out whole:
//! k numbers for each of its entries and each thread, the one buffer here that is not a small constant.

mod group;

use crate::simd::{self, Block, Kernel, LANES, Real};
use crate::storage::{Compressed, Data, Factor, Store};
use crate::{dense, plan};
use group::Group;
use nmf_core::backend::order;
use nmf_core::{Side, Sweep};
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
