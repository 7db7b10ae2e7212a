//! What each operation must give, and how far rounding may move it.
//!
//! The unit is ε = [`Element::EPS`], the distance from 1 to the next number: every +, −, × errs by at most ε/2 where
//! the device rounds correctly and by at most ε where it may round either way (WGSL), so a bound counted in ε holds
//! for both, for every order of summation and with or without fused multiply–add. A sum of *d* terms errs by at
//! most (d−1)·ε·Σ|terms|; its products add one more: *depth·ε·Σ|terms|*, entry by entry. Everything is doubled
//! ([`SAFETY`]), because the oracle itself is rounded (to f64, which counts when the elements are f64) and because
//! only first-order terms are kept.
//!
//! Other operations, in ε: division 3 (WGSL: 2.5 ulp), square root 4, and y^p = 2^(p·log₂y) by [`pow_error`].

mod newton;

pub(super) use newton::newton;

use crate::backend::order;
use crate::reference::{self, Dense};
use crate::{Element, Extrapolation, Loss, Penalty, Ridge, Rule, Side, Sweep};
use ndarray::{Array2, ArrayView2, Axis, Zip};

/// See the module's documentation.
pub(super) const SAFETY: f64 = 2.0;

/// Expected values with the tolerance of each.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) value: Array2<f64>,
    pub(super) tolerance: Array2<f64>,
}

impl Bound {
    /// |terms|-sums times `depth`·ε.
    fn of_sum(value: Array2<f64>, magnitude: Array2<f64>, depth: usize, eps: f64) -> Bound {
        Bound { value, tolerance: magnitude * (SAFETY * depth as f64 * eps) }
    }

    /// α·self for `Set`, added to what was there for `Add`: a product, a rounded α and a sum more.
    pub(super) fn accumulate(&self, alpha: f64, before: Option<&Bound>, eps: f64) -> Bound {
        let mut value = &self.value * alpha;
        let mut tolerance = (&self.tolerance + &self.value.mapv(|v| SAFETY * 2.0 * eps * v.abs())) * alpha;
        if let Some(b) = before {
            value += &b.value;
            tolerance += &b.tolerance;
            tolerance += &value.mapv(|v| SAFETY * eps * v.abs());
        }
        Bound { value, tolerance }
    }

    /// The entries in another order along an axis.
    pub(super) fn select(&self, axis: usize, order: &[usize]) -> Bound {
        let pick = |a: &Array2<f64>| a.select(Axis(axis), order);
        Bound { value: pick(&self.value), tolerance: pick(&self.tolerance) }
    }

    /// Exactly these values.
    pub(super) fn exact(value: Array2<f64>) -> Bound {
        Bound { tolerance: Array2::zeros(value.dim()), value }
    }

    /// These values as they came back from the backend: within one rounding of what it holds.
    pub(super) fn read_back(value: Array2<f64>, eps: f64) -> Bound {
        let tolerance = value.mapv(|v| SAFETY * eps * v.abs());
        Bound { value, tolerance }
    }
}

/// Error of y^p in ε. WGSL: log₂ has an absolute error of 2⁻²¹ = 4ε on [0.5, 2] and 3 ulp elsewhere, exp₂ 3 + 2|x|
/// ulp; with x = p·log₂y, rounded once, the relative error of the power is ln2·|p|·(4 + 4|log₂y|) + 3 + 2|p·log₂y|.
/// Host libraries stay well below. Whole powers are products and at most one division.
fn pow_error(p: f64, y: f64) -> f64 {
    if p == 0.0 || y <= 0.0 || p == 1.0 {
        return 0.0;
    }
    3.0 + p.abs() * (3.0 + 5.0 * y.log2().abs())
}

/// |∂ln N/∂ln v| and |∂ln P/∂ln v|: by how much a relative error of v is amplified in the two parts of the gradient.
/// The one custom loss of the suite has N = √(x/v), P = 1.
fn powers(loss: &Loss) -> (f64, f64) {
    loss.beta().map_or((-0.5, 0.0), |b| (b - 2.0, b - 1.0))
}

/// fᵀf: p products.
pub(super) fn gram(f: &ArrayView2<'_, f64>, eps: f64) -> Bound {
    let size = f.mapv(f64::abs);
    Bound::of_sum(reference::gram(f), size.t().dot(&size), f.nrows() + 1, eps)
}

/// X̃·other: q products of non-negative numbers, so Σ|terms| is the value itself.
pub(super) fn cross(x: &Dense, side: Side, other: &ArrayView2<'_, f64>, eps: f64) -> Bound {
    let c = reference::cross(x, side, other);
    Bound::of_sum(c.clone(), c, other.nrows() + 1, eps)
}

/// N and D. v is a sum of k products (k·ε, relative, since all are ≥ 0; the floor only shrinks an error), amplified
/// by the power; the power or quotient itself errs by [`pow_error`] + 4; then q products are summed. All terms are
/// ≥ 0, so every bound is relative to the entry. For β = 2, D is a product with a Gram matrix: q + k terms deep.
pub(super) fn terms<T: Element>(
    loss: &Loss,
    x: &Dense,
    side: Side,
    f: &ArrayView2<'_, f64>,
    other: &ArrayView2<'_, f64>,
) -> (Bound, Bound) {
    let (floor, k, q) = (T::FLOOR.f64(), f.ncols(), other.nrows());
    let (num, den) = reference::terms(loss, x, side, f, other, floor);
    // the product with a weight
    let weighing = usize::from(x.weight.iter().any(|w| *w != 0.0 && *w != 1.0));
    if loss.is_fro() {
        let n = Bound::of_sum(num.clone(), num, q + 1 + weighing, T::EPS);
        return (n, Bound::of_sum(den.clone(), den, q + k + 2 + weighing, T::EPS));
    }
    let (pn, pd) = powers(loss);
    let x = x.on(side);
    let mut r = reference::model(loss, f, other, floor);
    let mut p = r.clone();
    Zip::from(&mut r).and(&mut p).and(&x.x).and(&x.weight).for_each(|r, p, &x, &weight| {
        let v = *r;
        let error = |power: f64| power.abs() * (k + 1) as f64 + pow_error(power, v) + 4.0;
        (*r, *p) = if weight > 0.0 {
            (weight * loss.negative(x, v) * error(pn), weight * loss.positive(x, v) * error(pd))
        } else {
            (0.0, 0.0)
        };
    });
    let depth = (q + 1 + weighing) as f64;
    let wrap = |value: Array2<f64>, entries: Array2<f64>| Bound {
        tolerance: (entries.dot(other) + &value * depth) * (SAFETY * T::EPS),
        value,
    };
    (wrap(num, r), wrap(den, p))
}

/// The update from given terms. In the plain form the relative errors of N and of the denominator are multiplied
/// by γ, next to three sums, two roundings of parameters and a division (8ε) and the power. In the quadratic form
/// w' = 2Nw/(d + √(d² + 4·l2·N·w)) is at most as sensitive as N and d are wrong, since ∂ln w'/∂ln(Nw) ∈ [½, 1] and
/// |∂ln w'/∂ln d| ≤ 1, with a dozen roundings. An entry within that error of TINY may or may not be zeroed.
pub(super) fn apply<T: Element>(num: &Bound, den: &Bound, f: &Array2<f64>, rule: &Rule) -> Bound {
    let (floor, tiny) = (T::FLOOR.f64(), T::TINY.f64());
    let mut value = f.clone();
    reference::apply(&num.value, &den.value, &mut value, rule, floor, tiny);
    let Penalty { l1, l2 } = rule.penalty;
    let tolerance = Array2::from_shape_fn(f.dim(), |at| {
        let (n, d, w) = (num.value[at], den.value[at] + l1, f[at]);
        if at.1 < rule.fixed || w == 0.0 || n == 0.0 {
            return 0.0;
        }
        let rn = num.tolerance[at] / n;
        let relative = if l2 > 0.0 && rule.ridge == Ridge::Quadratic {
            rn + den.tolerance[at] / d.max(floor) + SAFETY * 14.0 * T::EPS
        } else {
            let d = (d + l2 * w).max(floor);
            let power = pow_error(rule.exponent, n / d) + 2.0;
            rule.exponent * (rn + den.tolerance[at] / d + SAFETY * 8.0 * T::EPS) + SAFETY * power * T::EPS
        };
        value[at] * relative + if value[at] <= 2.0 * tiny { 2.0 * tiny } else { 0.0 }
    });
    Bound { value, tolerance }
}

/// Several updates. Relative errors of a row that are at most δ before an update are at most δ·(1 + γ(|p_N| + |p_D|)) after
/// it, with the powers of v in N and D, besides those of the update itself.
pub(super) fn mu_steps<T: Element>(
    loss: &Loss,
    x: &Dense,
    side: Side,
    f: &Array2<f64>,
    other: &Array2<f64>,
    rule: &Rule,
    repeats: usize,
) -> Bound {
    let (pn, pd) = powers(loss);
    let growth = 1.0 + rule.exponent * (pn.abs() + pd.abs());
    let mut now = Bound::exact(f.clone());
    for _ in 0..repeats {
        let before = now;
        let (num, den) = terms::<T>(loss, x, side, &before.value.view(), &other.view());
        now = apply::<T>(&num, &den, &before.value, rule);
        for (i, mut row) in now.tolerance.outer_iter_mut().enumerate() {
            let relative = |(v, t): (&f64, &f64)| if *v > 0.0 { t / v } else { 0.0 };
            let delta = before.value.row(i).iter().zip(before.tolerance.row(i)).map(relative).fold(0.0, f64::max);
            for (q, t) in row.iter_mut().enumerate().skip(rule.fixed) {
                *t += now.value[[i, q]] * growth * delta;
            }
        }
    }
    now
}

/// D(X, W·Hᵀ) and its tolerance: per entry |P − N|·δv + ½d''·δv² with δv = (k+1)·ε·v (the conditioning), plus the
/// evaluation of d as written in its definition, plus a sum that is m + n deep (rows first, or better). For β = 2 the
/// evaluation errs relative to (x−v)² and nothing cancels; other losses may cancel within one entry.
///
/// Sparse data may use ½‖X‖² − ⟨X,V⟩ + ½‖V‖² (β = 2) and Σ_nz + Σ colsum·colsum (β = 1): errors relative to those
/// terms, and zeros that meet V = 0 may miss their FLOOR.
pub(super) fn divergence<T: Element>(
    loss: &Loss,
    x: &Dense,
    sparse: bool,
    w: &ArrayView2<'_, f64>,
    h: &ArrayView2<'_, f64>,
) -> (f64, f64) {
    let (floor, k) = (T::FLOOR.f64(), w.ncols() as f64);
    let v = reference::model(loss, w, h, floor);
    // + 3 with the product with a weight
    let depth = (v.nrows() + v.ncols() + 3) as f64;
    let (mut sum, mut tolerance) = (0.0, 0.0);
    let (pn, pd) = powers(loss);
    Zip::from(&v).and(&x.x).and(&x.weight).for_each(|&v, &x, &weight| {
        if weight == 0.0 {
            return;
        }
        let d = loss.value(x, v);
        let (n, p) = (loss.negative(x, v), loss.positive(x, v));
        let dv = (k + 1.0) * T::EPS * v;
        let curvature = if v > 0.0 { (p * pd.abs() + n * pn.abs()) / v } else { 1.0 };
        let ratio = if x > 0.0 && v > 0.0 { (x / v).ln().abs() } else { 0.0 };
        let whole = match loss.beta() {
            Some(2.0) if sparse => (k + depth) * (x * x + x * v + v * v),
            Some(2.0) => 4.0 * d,
            Some(1.0) => 4.0 * (x * (1.0 + ratio) + v) + if sparse { depth * v } else { 0.0 },
            Some(0.0) => 4.0 * (x / v + ratio + 1.0),
            Some(b) => {
                let (px, pv) = (x.powf(b), v.powf(b));
                let each = px * (1.0 + pow_error(b, x)) + (b - 1.0).abs() * pv * (1.0 + pow_error(b, v));
                (each + b.abs() * n * v * (1.0 + pow_error(b - 1.0, v))) / (b * (b - 1.0)).abs() * 2.0
            }
            None => 8.0 * (x + v),
        };
        sum += weight * d;
        let each = (p - n).abs() * dv + 0.5 * curvature * dv * dv + T::EPS * (whole + depth * d);
        tolerance += weight * each;
        if sparse && x == 0.0 {
            tolerance += floor;
        }
    });
    (sum, SAFETY * tolerance)
}

/// HALS with a running error bound. Written as w' = max(0, (A_q − Σ_{r≠q} w_r·G_rq − l1)/(G_qq + l2)), the old w_q
/// drops out, so the errors of the other entries enter with |G_rq|/(G_qq + l2) and the roundings of the k + 4 terms
/// of the step with their magnitude; max(0, ·) does not enlarge an error. `stop` is decided per row; a row whose
/// decision is closer than 5 % gets an infinite tolerance.
pub(super) fn hals<T: Element>(a: &Array2<f64>, g: &Array2<f64>, f: &Array2<f64>, sweep: &Sweep) -> Bound {
    let (mut w, mut e) = (f.clone(), Array2::<f64>::zeros(f.dim()));
    let (p, k) = w.dim();
    let Rule { fixed, penalty: Penalty { l1, l2 }, .. } = sweep.rule;
    let visit = order(k, sweep);
    for i in 0..p {
        let (mut first, mut decided) = (0.0, true);
        for pass in 0..sweep.max_sweeps {
            let mut moved = 0.0;
            for &q in &visit {
                let c = g[[q, q]] + l2;
                if c <= 0.0 {
                    continue;
                }
                let (mut dot, mut size, mut inherited) = (0.0, a[[i, q]].abs() + l1 + l2 * w[[i, q]], 0.0);
                for r in 0..k {
                    dot += w[[i, r]] * g[[r, q]];
                    size += (w[[i, r]] * g[[r, q]]).abs();
                    inherited += if r == q { 0.0 } else { e[[i, r]] * g[[r, q]].abs() };
                }
                let old = w[[i, q]];
                let step = (a[[i, q]] - dot - l1 - l2 * old) / c;
                let new = (old + step).max(0.0);
                // k + 6: the products and sums of the step, and G as the backend holds it, one rounding off
                e[[i, q]] = (inherited + T::EPS * (k + 6) as f64 * size) / c + T::EPS * (4.0 * step.abs() + new);
                w[[i, q]] = new;
                moved += (new - old) * (new - old);
            }
            if pass == 0 {
                first = moved;
            }
            let limit = sweep.stop * sweep.stop * first;
            let last = pass + 1 == sweep.max_sweeps;
            decided &= last || limit == 0.0 || (moved / limit - 1.0).abs() > 0.1;
            if moved <= limit {
                break;
            }
        }
        if !decided {
            e.row_mut(i).fill(f64::INFINITY);
        }
    }
    for q in fixed..k {
        if w.column(q).iter().all(|v| *v == 0.0) {
            w.column_mut(q).fill(T::FLOOR.f64());
            // exactly FLOOR, unless an entry was within its error of being positive
            e.column_mut(q).iter_mut().filter(|e| e.is_finite()).for_each(|e| *e = 0.0);
        }
    }
    Bound { value: w, tolerance: e * SAFETY }
}

/// l1·Σ|f| + ½·l2·Σf².
pub(super) fn penalty(f: &Array2<f64>, p: &Penalty, eps: f64) -> (f64, f64) {
    let value = reference::penalty(&f.view(), p);
    (value, SAFETY * eps * (f.nrows() + f.ncols() + 5) as f64 * value)
}

/// ‖min(f, ∇f)‖²: the gradient errs by δ = 4ε·(D + N + l1 + l2·f) plus what N and D err, min does not enlarge it,
/// and the square errs by 2|s|δ + δ².
pub(super) fn kkt(num: &Bound, den: &Bound, f: &Array2<f64>, rule: &Rule, eps: f64) -> (f64, f64) {
    let Penalty { l1, l2 } = rule.penalty;
    let (n, d) = (&num.value, &den.value);
    let value = reference::kkt(n, d, &f.view(), rule);
    let depth = (f.nrows() + f.ncols() + 2) as f64;
    let mut tolerance = depth * eps * value;
    for ((i, q), &w) in f.indexed_iter().filter(|((_, q), _)| *q >= rule.fixed) {
        let at = [i, q];
        let delta = 4.0 * eps * (d[at] + n[at] + l1 + l2 * w) + num.tolerance[at] + den.tolerance[at];
        let s = w.min(d[at] - n[at] + l1 + l2 * w);
        tolerance += 2.0 * s.abs() * delta + delta * delta;
    }
    (value, SAFETY * tolerance)
}

/// ½⟨fᵀf, G⟩ − ⟨A, f⟩, relative to the terms of both sums: p + 2k deep.
pub(super) fn quadratic(a: &Array2<f64>, g: &Array2<f64>, f: &Array2<f64>, eps: f64) -> (f64, f64) {
    let value = reference::quadratic(&a.view(), &g.view(), &f.view());
    let size = 0.5 * (f.t().dot(f) * g.mapv(f64::abs)).sum() + (a * f).mapv(f64::abs).sum();
    (value, SAFETY * eps * (f.nrows() + 2 * f.ncols() + 4) as f64 * size)
}

/// max(0, f − step·(D − N + l1 + l2·f)): five roundings and that of the step, relative to the terms of the step.
pub(super) fn gradient_step(num: &Bound, den: &Bound, f: &Array2<f64>, rule: &Rule, step: f64, eps: f64) -> Bound {
    let Penalty { l1, l2 } = rule.penalty;
    let mut value = f.clone();
    reference::gradient_step(&num.value, &den.value, &mut value, rule, step);
    let tolerance = Array2::from_shape_fn(f.dim(), |at| {
        if at.1 < rule.fixed {
            return 0.0;
        }
        let size = den.value[at] + num.value[at] + l1 + l2 * f[at];
        step * (den.tolerance[at] + num.tolerance[at]) + SAFETY * eps * (6.0 * step * size + f[at])
    });
    Bound { value, tolerance }
}

/// f + β(f − p), both ways: three roundings and that of β relative to the step, one to the sum. `weight_off` is by how
/// much β may differ.
pub(super) fn extrapolate(f: &Array2<f64>, p: &Array2<f64>, how: Extrapolation, weight: (f64, f64), eps: f64) -> Bound {
    let value = Zip::from(f).and(p).map_collect(|f, p| reference::extrapolate_entry(*f, *p, how, weight.0));
    let tolerance = Array2::from_shape_fn(f.dim(), |at| {
        let d = (f[at] - p[at]).abs();
        SAFETY * eps * (4.0 * weight.0 * d + value[at] + f[at]) + weight.1 * d
    });
    Bound { value, tolerance }
}

/// Largest admissible violation of the KKT conditions of a non-negative least-squares row, per entry. Cholesky is
/// backward stable: its answer solves (G + ΔG)z = b with |ΔG_qr| ≤ (k+1)·ε·√(G_qq·G_rr), and a relative ridge of
/// 16ε of the largest diagonal entry may be added against dependent components.
pub(super) fn nnls_slack(g: &Array2<f64>, a: &[f64], w: &[f64], p: &Penalty, eps: f64) -> Vec<f64> {
    let k = w.len();
    let diagonal = |q: usize| g[[q, q]] + p.l2;
    let largest = (0..k).map(diagonal).fold(0.0, f64::max);
    // [`crate::nnls`] lets a gradient count as zero below this share of the right-hand side
    let zero = 1e-13 * a.iter().fold(p.l1, |m, v| m.max(v.abs() + p.l1));
    (0..k)
        .map(|q| {
            let size: f64 = (0..k).map(|r| (diagonal(q) * diagonal(r)).sqrt() * w[r]).sum();
            let rounding = eps * ((4 * (k + 2)) as f64 * (size + a[q].abs() + p.l1) + 16.0 * largest * w[q]);
            SAFETY * rounding.max(zero)
        })
        .collect()
}
