//! The oracle: every backend operation as plain f64 loops, slow and obvious.
//!
//! Nothing here is fast, and nothing here is used on the hot path of a tuned backend; [`crate::conformance`]
//! compares backends with it, and it serves as the host fallback of provided methods.

mod naive;

pub use naive::Naive;

use crate::backend::{Observed, Side, Sweep, order};
use crate::momentum::Extrapolation;
use crate::penalty::{Ridge, Rule};
use crate::{Element, Loss, MatrixRef, Penalty};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip};

/// X as plain numbers: values and which entries are observed.
#[derive(Debug, Clone)]
pub struct Dense {
    /// Values, rows × columns; 0 where nothing is stored.
    pub x: Array2<f64>,
    /// What an entry counts: 0 where it is unknown.
    pub weight: Array2<f64>,
}

impl Dense {
    /// Spreads a matrix out.
    pub fn new<T: Element>(m: &MatrixRef<'_, T>, scale: f64, observed: Observed) -> Dense {
        let all = matches!(m, MatrixRef::Dense(_)) || observed == Observed::All;
        let mut d = Dense { x: Array2::zeros(m.dim()), weight: Array2::from_elem(m.dim(), f64::from(u8::from(all))) };
        m.for_each(|i, j, v| {
            d.x[[i, j]] = scale * v.f64();
            d.weight[[i, j]] = 1.0;
        });
        d
    }

    /// Spreads a weighted matrix out; see [`crate::Backend::upload_weighted`].
    pub fn weighted<T: Element>(m: &MatrixRef<'_, T>, weights: &MatrixRef<'_, T>, scale: f64) -> Dense {
        let mut d = Dense { x: Array2::zeros(m.dim()), weight: weights.to_dense_f64() };
        m.for_each(|i, j, v| {
            if d.weight[[i, j]] > 0.0 {
                d.x[[i, j]] = scale * v.f64();
            }
        });
        d
    }

    /// X or Xᵀ.
    pub fn on(&self, side: Side) -> Dense {
        match side {
            Side::Rows => self.clone(),
            Side::Cols => Dense { x: self.x.t().to_owned(), weight: self.weight.t().to_owned() },
        }
    }
}

/// fᵀf.
pub fn gram(f: &ArrayView2<'_, f64>) -> Array2<f64> {
    f.t().dot(f)
}

/// X̃·other, unobserved entries as zeros.
pub fn cross(x: &Dense, side: Side, other: &ArrayView2<'_, f64>) -> Array2<f64> {
    x.on(side).x.dot(other)
}

/// V = f·otherᵀ; floored unless the loss is β = 2.
pub fn model(loss: &Loss, f: &ArrayView2<'_, f64>, other: &ArrayView2<'_, f64>, floor: f64) -> Array2<f64> {
    let v = f.dot(&other.t());
    if loss.is_fro() { v } else { v.mapv(|v| v.max(floor)) }
}

/// N and D of the multiplicative update, see [`crate::Backend::terms`].
pub fn terms(
    loss: &Loss,
    x: &Dense,
    side: Side,
    f: &ArrayView2<'_, f64>,
    other: &ArrayView2<'_, f64>,
    floor: f64,
) -> (Array2<f64>, Array2<f64>) {
    let x = x.on(side);
    let mut r = model(loss, f, other, floor);
    let mut p = r.clone();
    Zip::from(&mut r).and(&mut p).and(&x.x).and(&x.weight).for_each(|r, p, &x, &weight| {
        let v = *r;
        (*r, *p) = if weight > 0.0 { (weight * loss.negative(x, v), weight * loss.positive(x, v)) } else { (0.0, 0.0) };
    });
    (r.dot(other), p.dot(other))
}

/// One entry of [`crate::Backend::apply`].
#[inline]
pub fn apply_entry(w: f64, num: f64, den: f64, rule: &Rule, floor: f64, tiny: f64) -> f64 {
    let Penalty { l1, l2 } = rule.penalty;
    let d = den + l1;
    let new = if l2 > 0.0 && rule.ridge == Ridge::Quadratic {
        // the positive root of l2·w² + d·w − N·w̃ = 0, in the form that does not cancel
        let nw = num * w;
        let s = (d * d + 4.0 * l2 * nw).sqrt();
        if d + s > 0.0 { 2.0 * nw / (d + s) } else { 0.0 }
    } else {
        w * (num / (d + l2 * w).max(floor)).powf(rule.exponent)
    };
    if new < tiny { 0.0 } else { new }
}

/// [`crate::Backend::apply`].
pub fn apply(num: &Array2<f64>, den: &Array2<f64>, f: &mut Array2<f64>, rule: &Rule, floor: f64, tiny: f64) {
    for ((i, q), w) in f.indexed_iter_mut() {
        if q >= rule.fixed {
            *w = apply_entry(*w, num[[i, q]], den[[i, q]], rule, floor, tiny);
        }
    }
}

/// Σ d(x, v) over the observed entries.
pub fn divergence(loss: &Loss, x: &Dense, w: &ArrayView2<'_, f64>, h: &ArrayView2<'_, f64>, floor: f64) -> f64 {
    let v = model(loss, w, h, floor);
    let mut sum = 0.0;
    Zip::from(&v).and(&x.x).and(&x.weight).for_each(|&v, &x, &weight| {
        if weight > 0.0 {
            sum += weight * loss.value(x, v);
        }
    });
    sum
}

/// l1·Σ|f| + ½·l2·Σf².
pub fn penalty(f: &ArrayView2<'_, f64>, p: &Penalty) -> f64 {
    f.iter().map(|&v| p.l1 * v.abs() + 0.5 * p.l2 * v * v).sum()
}

/// ‖min(f, ∇f)‖² over the free columns.
pub fn kkt(num: &Array2<f64>, den: &Array2<f64>, f: &ArrayView2<'_, f64>, rule: &Rule) -> f64 {
    f.indexed_iter()
        .filter(|((_, q), _)| *q >= rule.fixed)
        .map(|((i, q), &w)| {
            let grad = den[[i, q]] - num[[i, q]] + rule.penalty.l1 + rule.penalty.l2 * w;
            w.min(grad).powi(2)
        })
        .sum()
}

/// ½⟨fᵀf, G⟩ − ⟨A, f⟩.
pub fn quadratic(cross: &ArrayView2<'_, f64>, gram: &ArrayView2<'_, f64>, f: &ArrayView2<'_, f64>) -> f64 {
    let ff = f.t().dot(f);
    0.5 * (&ff * gram).sum() - (cross * f).sum()
}

/// [`crate::Backend::hals_sweep`], in the element's own precision. Source: A. Cichocki and A.-H. Phan, "Fast
/// local algorithms for large scale nonnegative matrix and tensor factorizations", IEICE Trans. E92-A, 2009,
/// with the repeated passes of N. Gillis and F. Glineur, Neural Computation 24(4), 2012 (their global stopping
/// rule is applied to each row here: rows are independent given A and G, and nothing has to be summed).
pub fn hals_sweep<T: Element>(
    cross: &ArrayView2<'_, T>,
    gram: &ArrayView2<'_, T>,
    f: &mut ArrayViewMut2<'_, T>,
    sweep: &Sweep,
) {
    let k = f.ncols();
    let Rule { fixed, penalty: Penalty { l1, l2 }, .. } = sweep.rule;
    let visit = order(k, sweep);
    for (i, mut w) in f.outer_iter_mut().enumerate() {
        let mut first = 0.0;
        for pass in 0..sweep.max_sweeps.max(1) {
            let mut moved = 0.0;
            for &q in &visit {
                let curvature = gram[[q, q]].f64() + l2;
                if curvature <= 0.0 {
                    continue;
                }
                let dot: f64 = (0..k).map(|r| w[r].f64() * gram[[r, q]].f64()).sum();
                let old = w[q].f64();
                let new = (old + (cross[[i, q]].f64() - dot - l1 - l2 * old) / curvature).max(0.0);
                w[q] = T::of(new);
                moved += (new - old) * (new - old);
            }
            if pass == 0 {
                first = moved;
            }
            if moved <= sweep.stop * sweep.stop * first {
                break;
            }
        }
    }
    for q in fixed..k {
        if f.column(q).iter().all(|v| *v == T::zero()) {
            f.column_mut(q).fill(T::FLOOR);
        }
    }
}

/// [`crate::Backend::gradient_step`].
pub fn gradient_step<T: Element>(num: &Array2<T>, den: &Array2<T>, f: &mut Array2<T>, rule: &Rule, step: f64) {
    let Penalty { l1, l2 } = rule.penalty;
    for ((i, q), w) in f.indexed_iter_mut() {
        if q >= rule.fixed {
            let old = w.f64();
            *w = T::of((old - step * (den[[i, q]].f64() - num[[i, q]].f64() + l1 + l2 * old)).max(0.0));
        }
    }
}

/// One entry of [`crate::Backend::extrapolate`].
#[inline]
pub fn extrapolate_entry(now: f64, previous: f64, how: Extrapolation, weight: f64) -> f64 {
    match how {
        Extrapolation::Clamped => (now + weight * (now - previous)).max(0.0),
        Extrapolation::Upwards => now + weight * (now - previous).max(0.0),
    }
}

/// Above this λ, Newton's step for a self-concordant function may overshoot (L. T. K. Hien and N. Gillis,
/// "Algorithms for nonnegative matrix factorization with the Kullback–Leibler divergence", J. Sci. Comput. 87, 2021, §3.4).
pub const DAMPING: f64 = 0.683802;

/// [`crate::Backend::newton_sweep`], one row: x and the weights ω of its entries, `other` (q×k), f (k entries).
///
/// Source: C.-J. Hsieh and I. S. Dhillon, "Fast coordinate descent methods with variable selection for non-negative
/// matrix factorization", KDD 2011 (the scalar Newton step); Hien and Gillis 2021 (its damping, which makes it
/// descend: a gradient below zero cannot overshoot because the second derivative falls).
pub fn newton_row(
    x: &[f64],
    weight: &[f64],
    other: &ArrayView2<'_, f64>,
    f: &mut [f64],
    sweep: &Sweep,
    visit: &[usize],
    floor: f64,
) {
    let Penalty { l1, l2 } = sweep.rule.penalty;
    let seen = || (0..x.len()).filter(|&j| weight[j] > 0.0);
    // of the self-concordant function Σ ωx·ln v
    let c = seen().filter(|&j| x[j] > 0.0).map(|j| (weight[j] * x[j]).sqrt().recip()).fold(0.0, f64::max);
    let mut v: Vec<f64> =
        (0..x.len()).map(|j| (0..f.len()).map(|q| f[q] * other[[j, q]]).sum::<f64>().max(floor)).collect();
    let mut first = 0.0;
    for pass in 0..sweep.max_sweeps.max(1) {
        let mut moved = 0.0;
        for &q in visit {
            let (mut g, mut h) = (l1 + l2 * f[q], l2);
            for j in seen() {
                let (o, r) = (other[[j, q]], other[[j, q]] / v[j]);
                g += weight[j] * (o - x[j] * r);
                h += weight[j] * x[j] * r * r;
            }
            let new = newton_entry(f[q], g, h, c);
            let d = new - f[q];
            f[q] = new;
            moved += d * d;
            for j in seen() {
                v[j] = (v[j] + d * other[[j, q]]).max(floor);
            }
        }
        if pass == 0 {
            first = moved;
        }
        if moved <= sweep.stop * sweep.stop * first {
            break;
        }
    }
}

/// The new value of an entry w with gradient g and curvature h, c the constant of self-concordance.
#[inline]
pub fn newton_entry(w: f64, g: f64, h: f64, c: f64) -> f64 {
    if h <= 0.0 {
        // linear: down to zero, or nothing to decide
        return if g > 0.0 { 0.0 } else { w };
    }
    let d = g / h;
    let lambda = c * h.sqrt() * d;
    let d = if lambda > DAMPING { d / (1.0 + lambda) } else { d };
    (w - d).max(0.0)
}

/// [`crate::Backend::newton_sweep`].
pub fn newton_sweep(
    x: &Dense,
    side: Side,
    f: &mut Array2<f64>,
    other: &ArrayView2<'_, f64>,
    sweep: &Sweep,
    floor: f64,
) {
    let x = x.on(side);
    let visit = order(f.ncols(), sweep);
    for (i, mut row) in f.outer_iter_mut().enumerate() {
        let mut values = row.to_vec();
        newton_row(&x.x.row(i).to_vec(), &x.weight.row(i).to_vec(), other, &mut values, sweep, &visit, floor);
        row.iter_mut().zip(values).for_each(|(w, v)| *w = v);
    }
}
