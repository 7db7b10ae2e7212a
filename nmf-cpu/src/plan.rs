//! Which kernel serves which loss on which X, and the steps put together from several kernels.

use crate::elementwise::{Map, update_row};
use crate::fused_sparse::{self, Sum};
use crate::simd::{self, Kernel, Real};
use crate::storage::{Compressed, Data, Factor, Gram, Store, Terms};
use crate::{dense, fused_dense, sparse_sums};
use nmf_core::{Extrapolation, Loss, Observed, Rule, Side};
use pulp::Simd;
use rayon::prelude::*;

/// Rows of a piece of elementwise work.
pub(crate) const PIECE: usize = 1024;

/// How a loss is computed on this X.
#[derive(Clone, Copy)]
pub(crate) enum Plan<'a, T> {
    /// β = 2 with all entries observed: products only.
    Products,
    /// Stored entries only, gathered.
    Gather(&'a Compressed<T>),
    /// KL over all entries of a sparse matrix: stored entries gathered, the rest by column sums.
    GatherAll(&'a Compressed<T>),
    /// Tiles of V.
    Tiles(fused_dense::Source<'a, T>),
}

pub(crate) fn plan<'a, T: Real>(x: &'a Data<T>, side: Side, loss: &Loss) -> Plan<'a, T> {
    match &x.store {
        Store::Dense { weights: None, .. } if loss.is_fro() => Plan::Products,
        Store::Dense { x: d, weights } => Plan::Tiles(fused_dense::Source::Dense(d, x.cols, weights.as_deref())),
        Store::Sparse { by_rows, by_cols, observed } => {
            let c = if side == Side::Rows { by_rows } else { by_cols };
            match observed {
                Observed::All if loss.is_fro() => Plan::Products,
                Observed::All if loss.is_kl() => Plan::GatherAll(c),
                Observed::All => Plan::Tiles(fused_dense::Source::Sparse(c)),
                _ => Plan::Gather(c),
            }
        }
    }
}

/// The denominator of KL where every entry counts: the column sums of the other factor.
pub(crate) fn sums<T: Real>(loss: &Loss, x: &Data<T>, other: &Factor<T>) -> Option<(Vec<f64>, Vec<T>)> {
    (loss.is_kl() && x.observes_all()).then(|| {
        let wide = dense::column_sums(other);
        let narrow = wide.iter().map(|v| T::of(*v)).collect();
        (wide, narrow)
    })
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

pub(crate) fn cross_into<T: Real>(x: &Data<T>, side: Side, other: &Factor<T>, out: &mut Factor<T>) {
    match &x.store {
        Store::Dense { x: d, .. } => dense::cross(d, (x.rows, x.cols), side, other, out),
        Store::Sparse { by_rows, by_cols, .. } => {
            fused_sparse::cross(if side == Side::Rows { by_rows } else { by_cols }, other, out);
        }
    }
}

/// Σ d over the observed entries, with f64 products where the formula takes differences.
pub(crate) fn divergence_of<T: Real>(loss: &Loss, x: &Data<T>, w: &Factor<T>, h: &Factor<T>) -> f64 {
    let floor = T::FLOOR.f64();
    match (plan(x, Side::Rows, loss), &x.store) {
        (Plan::Products, Store::Sparse { by_rows, .. }) => {
            // ½‖X‖² − ⟨X, V⟩ + ½‖V‖², all products and sums in f64
            let everywhere = 0.5 * dot(&dense::gram_exact(w), &dense::gram_exact(h));
            x.half_norm - sparse_sums::inner_product(by_rows, w, h) + everywhere
        }
        (Plan::Products, Store::Dense { x: d, .. }) => {
            let source = fused_dense::Source::Dense(d, x.cols, None);
            fused_dense::divergence(tiles(source, Side::Rows, h, loss, None, true), w)
        }
        (Plan::Gather(c), _) => {
            let fro = loss.is_fro();
            sparse_sums::sum_stored(c, w, h, |x, v| loss.value(x, if fro { v } else { v.max(floor) }))
        }
        (Plan::GatherAll(c), _) => {
            let stored =
                sparse_sums::sum_stored(c, w, h, |x, v| if x > 0.0 { x * (x / v.max(floor)).ln() - x } else { 0.0 });
            stored + dot(&dense::column_sums(w), &dense::column_sums(h))
        }
        (Plan::Tiles(source), _) => fused_dense::divergence(tiles(source, Side::Rows, h, loss, None, true), w),
    }
}

/// Multiplicative updates; returns the divergence before the first (0 unless measured).
#[allow(clippy::too_many_arguments)] // those of the trait's method
pub(crate) fn mu_steps<T: Real>(
    loss: &Loss,
    x: &Data<T>,
    side: Side,
    f: &mut Factor<T>,
    other: &Factor<T>,
    scratch: &mut Terms<T>,
    rule: &Rule,
    repeats: usize,
    measure: bool,
) -> f64 {
    let chosen = plan(x, side, loss);
    let column_sums = sums(loss, x, other);
    let narrow = column_sums.as_ref().map(|(_, n)| n.as_slice());
    let mut before = 0.0;
    // gathered rows serve all repeats at once; a product or a pass over tiles is made anew
    let once = if matches!(chosen, Plan::Gather(_) | Plan::GatherAll(_)) { 1 } else { repeats };
    for repeat in 0..once {
        let measure = measure && repeat == 0;
        let found = match chosen {
            Plan::Products => fro_step(x, side, f, other, scratch, rule, measure),
            Plan::Gather(c) => {
                let sum = if measure { Sum::Loss } else { Sum::No };
                fused_sparse::update(gather(c, other, loss, narrow, sum), f, rule, repeats)
            }
            Plan::GatherAll(c) => {
                let sum = if measure { Sum::XLog } else { Sum::No };
                let everywhere = match &column_sums {
                    Some((wide, _)) if measure => dot(&dense::column_sums(f), wide),
                    _ => 0.0,
                };
                fused_sparse::update(gather(c, other, loss, narrow, sum), f, rule, repeats) - x.sum + everywhere
            }
            Plan::Tiles(source) => fused_dense::update(tiles(source, side, other, loss, narrow, measure), f, rule),
        };
        if repeat == 0 {
            before = found;
        }
    }
    before
}

pub(crate) fn tiles<'a, T: Real>(
    x: fused_dense::Source<'a, T>,
    side: Side,
    other: &'a Factor<T>,
    loss: &'a Loss,
    column_sums: Option<&'a [T]>,
    measure: bool,
) -> fused_dense::Pass<'a, T> {
    fused_dense::Pass { x, side, other, loss, map: Map::of(loss), column_sums, measure }
}

pub(crate) fn gather<'a, T: Real>(
    x: &'a Compressed<T>,
    other: &'a Factor<T>,
    loss: &'a Loss,
    column_sums: Option<&'a [T]>,
    measure: Sum,
) -> fused_sparse::Pass<'a, T> {
    fused_sparse::Pass { x, other, loss, map: Map::of(loss), column_sums, measure }
}

/// ½⟨fᵀf, G⟩ − ⟨A, f⟩ given D = f·G: one pass, summed in f64.
pub(crate) fn quadratic_of<T: Real>(cross: &Factor<T>, den: &Factor<T>, f: &Factor<T>) -> f64 {
    let step = PIECE * f.stride;
    let parts: Vec<f64> = (f.data.par_chunks(step), den.data.par_chunks(step), cross.data.par_chunks(step))
        .into_par_iter()
        .map(|(w, d, a)| simd::run(QuadraticPiece(w, d, a)))
        .collect();
    parts.iter().sum()
}

/// The multiplicative step of the Frobenius loss by products, and its divergence before.
pub(crate) fn fro_step<T: Real>(
    x: &Data<T>,
    side: Side,
    f: &mut Factor<T>,
    other: &Factor<T>,
    t: &mut Terms<T>,
    rule: &Rule,
    measure: bool,
) -> f64 {
    let mut g = Gram::zeros(f.k);
    dense::gram(other, &mut g);
    let (num, den) = t.parts();
    cross_into(x, side, other, num);
    dense::times_gram(f, &g, T::one(), false, den);
    let mut before = 0.0;
    if measure {
        // the by-product ½‖X‖² − ⟨A,W⟩ + ½⟨W·G,W⟩ loses digits near a fit: then the residual is summed directly
        before = x.half_norm + quadratic_of(num, den, f);
        let least = if T::EPS > 1e-10 { 0.01 } else { 1e-4 };
        if before < least * x.half_norm {
            before = match side {
                Side::Rows => divergence_of(&Loss::FRO, x, f, other),
                Side::Cols => divergence_of(&Loss::FRO, x, other, f),
            };
        }
    }
    apply_rows(num, den, f, rule);
    before
}

pub(crate) fn apply_rows<T: Real>(num: &Factor<T>, den: &Factor<T>, f: &mut Factor<T>, rule: &Rule) {
    let (k, stride) = (f.k, f.stride);
    let step = PIECE * stride;
    (f.data.par_chunks_mut(step), num.data.par_chunks(step), den.data.par_chunks(step))
        .into_par_iter()
        .for_each(|(w, n, d)| simd::run(ApplyPiece { w, n, d, k, stride, rule }));
}

/// [`nmf_core::Backend::gradient_step`].
pub(crate) fn gradient_rows<T: Real>(num: &Factor<T>, den: &Factor<T>, f: &mut Factor<T>, rule: &Rule, step: f64) {
    let (k, stride) = (f.k, f.stride);
    let (l1, l2, step) = (T::of(rule.penalty.l1), T::of(rule.penalty.l2), T::of(step));
    let rows = f.data.par_chunks_mut(stride).zip(num.data.par_chunks(stride)).zip(den.data.par_chunks(stride));
    rows.for_each(|((w, n), d)| {
        for q in rule.fixed.min(k)..k {
            w[q] = (w[q] - step * (d[q] - n[q] + l1 + l2 * w[q])).max(T::zero());
        }
    });
}

/// [`nmf_core::Backend::extrapolate`].
pub(crate) fn extrapolate<T: Real>(f: &Factor<T>, previous: &mut Factor<T>, how: Extrapolation, weight: T) {
    let step = PIECE * f.stride;
    previous.data.par_chunks_mut(step).zip(f.data.par_chunks(step)).for_each(|(p, f)| {
        simd::run(ExtrapolatePiece { p, f, how, weight });
    });
}

struct ExtrapolatePiece<'a, T> {
    p: &'a mut [T],
    f: &'a [T],
    how: Extrapolation,
    weight: T,
}

impl<T: Real> Kernel for ExtrapolatePiece<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        match self.how {
            Extrapolation::Clamped => {
                for (p, f) in self.p.iter_mut().zip(self.f) {
                    *p = self.weight.mul_add(*f - *p, *f).max(T::zero());
                }
            }
            Extrapolation::Upwards => {
                for (p, f) in self.p.iter_mut().zip(self.f) {
                    *p = self.weight.mul_add((*f - *p).max(T::zero()), *f);
                }
            }
        }
    }
}

struct ApplyPiece<'a, T> {
    w: &'a mut [T],
    n: &'a [T],
    d: &'a [T],
    k: usize,
    stride: usize,
    rule: &'a Rule,
}

impl<T: Real> Kernel for ApplyPiece<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (k, stride) = (self.k, self.stride);
        let rows = self.w.chunks_exact_mut(stride).zip(self.n.chunks_exact(stride)).zip(self.d.chunks_exact(stride));
        for ((w, n), d) in rows {
            update_row(w, n, d, self.rule, k);
        }
    }
}

struct QuadraticPiece<'a, T>(&'a [T], &'a [T], &'a [T]);

impl<T: Real> Kernel for QuadraticPiece<'_, T> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let mut acc = [0.0f64; 16];
        let (w, d, a) = (self.0.as_chunks::<16>().0, self.1.as_chunks::<16>().0, self.2.as_chunks::<16>().0);
        for ((w, d), a) in w.iter().zip(d).zip(a) {
            for l in 0..16 {
                acc[l] += w[l].f64() * (0.5 * d[l].f64() - a[l].f64());
            }
        }
        acc.iter().sum()
    }
}
