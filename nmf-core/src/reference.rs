//! The oracle: every backend operation as plain f64 loops, slow and obvious.
//!
//! Nothing here is fast, and nothing here is used on the hot path of a tuned backend; [`crate::conformance`]
//! compares backends with it, and it serves as the host fallback of provided methods.

mod naive;

pub use naive::Naive;

use crate::backend::{Observed, Side, Sweep};
use crate::penalty::{Ridge, Rule};
use crate::{Element, Loss, MatrixRef, Penalty};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip};

/// X as plain numbers: values and which entries are observed.
#[derive(Debug, Clone)]
pub struct Dense {
    /// Values, rows × columns; 0 where nothing is stored.
    pub x: Array2<f64>,
    /// Whether an entry counts.
    pub seen: Array2<bool>,
}

impl Dense {
    /// Spreads a matrix out.
    pub fn new<T: Element>(m: &MatrixRef<'_, T>, scale: f64, observed: Observed) -> Dense {
        let all = matches!(m, MatrixRef::Dense(_)) || observed == Observed::All;
        let mut d = Dense { x: Array2::zeros(m.dim()), seen: Array2::from_elem(m.dim(), all) };
        m.for_each(|i, j, v| {
            d.x[[i, j]] = scale * v.f64();
            d.seen[[i, j]] = true;
        });
        d
    }

    /// X or Xᵀ.
    pub fn on(&self, side: Side) -> Dense {
        match side {
            Side::Rows => self.clone(),
            Side::Cols => Dense { x: self.x.t().to_owned(), seen: self.seen.t().to_owned() },
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
    Zip::from(&mut r).and(&mut p).and(&x.x).and(&x.seen).for_each(|r, p, &x, &seen| {
        let v = *r;
        (*r, *p) = if seen { (loss.negative(x, v), loss.positive(x, v)) } else { (0.0, 0.0) };
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
    Zip::from(&v).and(&x.x).and(&x.seen).for_each(|&v, &x, &seen| {
        if seen {
            sum += loss.value(x, v);
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
    for (i, mut w) in f.outer_iter_mut().enumerate() {
        let mut first = 0.0;
        for pass in 0..sweep.max_sweeps.max(1) {
            let mut moved = 0.0;
            for q in fixed..k {
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
