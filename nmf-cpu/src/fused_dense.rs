//! Fused dense kernels for every loss: a product, an elementwise map, a second product, tile by tile.
//!
//! For a block of rows of the factor being updated: for each block of the other one, V = f·otherᵀ for that tile only
//! (it stays in the second cache level), R = X∘V^(β−2) and Q = V^(β−1) in its place, and numerator += R·other,
//! denominator += Q·other. V never exists for the whole matrix. A sparse X is spread out one tile at a time.
//! Flops per half-step: 4·m·n·k for KL (its denominator is a vector), 6·m·n·k otherwise; X is read once.

use crate::elementwise::{Map, loss_term, update_row, weighted_loss_term};
use crate::gemm::{Mat, MatMut, matmul};
use crate::simd::{self, Kernel, Real};
use crate::storage::{Compressed, Factor};
use nmf_core::{Loss, Rule, Side};
use pulp::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// Rows of f in a tile.
const OUTER: usize = 128;
/// Rows of the other factor in a tile: 128×512 f32 are a quarter of a megabyte, half of a common second-level cache
/// when R and Q are both there.
const INNER: usize = 512;

/// Where the entries of X come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a, T> {
    /// Row-major, with its number of columns and the weights of its entries.
    Dense(&'a [T], usize, Option<&'a [T]>),
    /// Lines of the side that is updated; what is not stored is zero.
    Sparse(&'a Compressed<T>),
}

/// What one pass over the tiles does.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a, T> {
    pub(crate) x: Source<'a, T>,
    pub(crate) side: Side,
    pub(crate) other: &'a Factor<T>,
    pub(crate) loss: &'a Loss,
    pub(crate) map: Map,
    /// Denominator of KL; `None`: it is summed.
    pub(crate) column_sums: Option<&'a [T]>,
    pub(crate) measure: bool,
}

/// Buffers of one block of rows.
struct Scratch<T> {
    v: Vec<T>,
    q: Vec<T>,
    x: Vec<T>,
    num: Vec<T>,
    den: Vec<T>,
}

impl<T: Real> Pass<'_, T> {
    /// Numerators and denominators of rows `o` of f (`rows` holds them), and the divergence of that part.
    fn block(&self, o: Range<usize>, rows: &[T], k: usize, work: Work, s: &mut Scratch<T>) -> f64 {
        let stride = self.other.stride;
        let lines = o.len();
        s.num[..lines * stride].fill(T::zero());
        s.den[..lines * stride].fill(T::zero());
        let floor = self.map.floor();
        let mut total = 0.0;
        for from in (0..self.other.rows).step_by(INNER) {
            let i = from..(from + INNER).min(self.other.rows);
            let other = self.other.span(i.start, i.end);
            // a tile keeps the orientation of X, so that its lines are contiguous in both
            let along = matches!((self.x, self.side), (Source::Dense(..), Side::Cols));
            let (rs, cs) = if along { (1, lines) } else { (i.len(), 1) };
            let size = lines * i.len();
            let f = Mat::new(rows, lines, k, stride);
            let h = Mat::new(other, i.len(), k, stride);
            matmul(MatMut { data: &mut s.v[..size], rows: lines, cols: i.len(), rs, cs }, false, f, h.t());
            total += simd::run(MapTile { p: self, o: o.clone(), i: i.clone(), along, floor, work, s });
            if !work.terms {
                continue;
            }
            let tile = |data| Mat { data, rows: lines, cols: i.len(), rs, cs };
            matmul(MatMut::new(&mut s.num, lines, k, stride), true, tile(&s.v[..size]), h);
            if self.column_sums.is_none() {
                matmul(MatMut::new(&mut s.den, lines, k, stride), true, tile(&s.q[..size]), h);
            }
        }
        total
    }

    fn scratch(&self, work: Work) -> Scratch<T> {
        let stride = self.other.stride;
        let tile = OUTER * INNER.min(self.other.rows);
        let q = if work.terms && self.column_sums.is_none() { tile } else { INNER.max(OUTER) };
        let zeros = |n| vec![T::zero(); n];
        Scratch { v: zeros(tile), q: zeros(q), x: zeros(INNER), num: zeros(OUTER * stride), den: zeros(OUTER * stride) }
    }
}

/// Which results are wanted.
#[derive(Clone, Copy)]
struct Work {
    terms: bool,
    measure: bool,
}

struct MapTile<'a, 'b, T> {
    p: &'a Pass<'b, T>,
    o: Range<usize>,
    i: Range<usize>,
    along: bool,
    floor: T,
    work: Work,
    s: &'a mut Scratch<T>,
}

impl<T: Real> MapTile<'_, '_, T> {
    /// Where a line of this tile begins in a row-major X; 0 if X is sparse.
    #[inline(always)]
    fn at(&self, line: usize) -> usize {
        match self.p.x {
            Source::Dense(_, cols, _) if self.along => (self.i.start + line) * cols + self.o.start,
            Source::Dense(_, cols, _) => (self.o.start + line) * cols + self.i.start,
            Source::Sparse(_) => 0,
        }
    }
}

impl<T: Real> Kernel for MapTile<'_, '_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let (lines, len) = if self.along { (self.i.len(), self.o.len()) } else { (self.o.len(), self.i.len()) };
        let has_q = self.work.terms && self.p.column_sums.is_none();
        let mut ignored = [T::zero(); if OUTER > INNER { OUTER } else { INNER }];
        let mut total = 0.0;
        for line in 0..lines {
            let at = self.at(line);
            let x: &[T] = match self.p.x {
                Source::Dense(x, ..) => &x[at..][..len],
                Source::Sparse(c) => {
                    let (js, xs) = c.line(self.o.start + line);
                    let from = js.partition_point(|&j| (j as usize) < self.i.start);
                    let to = js.partition_point(|&j| (j as usize) < self.i.end);
                    let x = &mut self.s.x[..len];
                    x.fill(T::zero());
                    for (&j, &v) in js[from..to].iter().zip(&xs[from..to]) {
                        x[j as usize - self.i.start] = v;
                    }
                    x
                }
            };
            let v = &mut self.s.v[line * len..][..len];
            for v in v.iter_mut() {
                *v = v.max(self.floor);
            }
            if let Source::Dense(all, cols, _) = self.p.x {
                // the line that the next tile will want while this one is computed
                let next = at + if self.along { INNER * cols } else { INNER };
                simd::prefetch(all.get(next..next + len).unwrap_or(&[]));
            }
            let weights = match self.p.x {
                Source::Dense(.., Some(w)) => Some(&w[at..][..len]),
                _ => None,
            };
            if self.work.measure {
                total += match weights {
                    None => loss_term(self.p.loss, x, v),
                    Some(w) => weighted_loss_term(self.p.loss, x, v, w),
                };
            }
            if self.work.terms {
                // r replaces v in place: the map reads v[e] before it writes r[e]
                let q = if has_q { &mut self.s.q[line * len..][..len] } else { &mut ignored[..len] };
                self.p.map.apply_in_place(self.p.loss, x, v, q);
                if let Some(w) = weights {
                    if self.p.map == Map::Kl {
                        q.fill(T::one());
                    }
                    for ((r, q), w) in v.iter_mut().zip(q).zip(w) {
                        // not 0·r: r and q may be infinite where nothing is known
                        let known = *w > T::zero();
                        *r = if known { *r * *w } else { T::zero() };
                        *q = if known { *q * *w } else { T::zero() };
                    }
                }
            }
        }
        total
    }
}

/// One multiplicative step on f in place; returns the divergence before it (0 unless measured).
pub(crate) fn update<T: Real>(p: Pass<'_, T>, f: &mut Factor<T>, rule: &Rule) -> f64 {
    let (k, stride) = (f.k, f.stride);
    let work = Work { terms: true, measure: p.measure };
    let parts: Vec<f64> = f
        .data
        .par_chunks_mut(OUTER * stride)
        .enumerate()
        .map_init(
            || p.scratch(work),
            |s, (b, rows)| {
                let lines = rows.len() / stride;
                let total = p.block(b * OUTER..b * OUTER + lines, rows, k, work, s);
                for l in 0..lines {
                    let den = p.column_sums.unwrap_or(&s.den[l * stride..][..stride]);
                    update_row(&mut rows[l * stride..][..stride], &s.num[l * stride..][..stride], den, rule, k);
                }
                total
            },
        )
        .collect();
    parts.iter().sum()
}

/// num += α·numerators, den += α·denominators.
pub(crate) fn terms<T: Real>(p: Pass<'_, T>, f: &Factor<T>, alpha: T, num: &mut Factor<T>, den: &mut Factor<T>) {
    let (k, stride) = (f.k, f.stride);
    let work = Work { terms: true, measure: false };
    let chunk = OUTER * stride;
    num.data.par_chunks_mut(chunk).zip(den.data.par_chunks_mut(chunk)).enumerate().for_each_init(
        || p.scratch(work),
        |s, (b, (num, den))| {
            let lines = num.len() / stride;
            p.block(b * OUTER..b * OUTER + lines, f.span(b * OUTER, b * OUTER + lines), k, work, s);
            for l in 0..lines {
                let d = p.column_sums.unwrap_or(&s.den[l * stride..][..stride]);
                for e in 0..stride {
                    num[l * stride + e] += alpha * s.num[l * stride + e];
                    den[l * stride + e] += alpha * d[e];
                }
            }
        },
    );
}

/// Σ d(x, v) over all entries.
pub(crate) fn divergence<T: Real>(p: Pass<'_, T>, f: &Factor<T>) -> f64 {
    let work = Work { terms: false, measure: true };
    let parts: Vec<f64> = f
        .data
        .par_chunks(OUTER * f.stride)
        .enumerate()
        .map_init(
            || p.scratch(work),
            |s, (b, rows)| {
                let lines = rows.len() / f.stride;
                p.block(b * OUTER..b * OUTER + lines, rows, f.k, work, s)
            },
        )
        .collect();
    parts.iter().sum()
}
