//! What happens to one number at a time: the ratio inside an update, the update itself, the loss.

use crate::simd::Real;
use nmf_core::penalty::Ridge;
use nmf_core::{Loss, Rule};

/// Which formula turns (x, v) into the two weights r = x·v^(β−2) and q = v^(β−1); chosen once, outside the loops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Map {
    /// β = 2: r = x, q = v.
    Fro,
    /// β = 1: r = x/v, q = 1.
    Kl,
    /// β = 0: r = x/v², q = 1/v.
    Is,
    /// β = ½: with square roots instead of powers.
    Half,
    /// β = 3/2: with square roots instead of powers.
    ThreeHalves,
    /// β = 3.
    Three,
    /// Any other β, or a custom loss.
    General,
}

impl Map {
    pub(crate) fn of(loss: &Loss) -> Map {
        match loss.beta() {
            Some(2.0) => Map::Fro,
            Some(1.0) => Map::Kl,
            Some(0.0) => Map::Is,
            Some(0.5) => Map::Half,
            Some(1.5) => Map::ThreeHalves,
            Some(3.0) => Map::Three,
            _ => Map::General,
        }
    }

    /// What the model's entries are raised to: nothing for β = 2, which does not divide.
    #[inline(always)]
    pub(crate) fn floor<T: Real>(self) -> T {
        if self == Map::Fro { T::neg_infinity() } else { T::FLOOR }
    }

    /// r and q for a run of entries; v is floored already.
    #[inline(always)]
    pub(crate) fn apply<T: Real>(self, loss: &Loss, x: &[T], v: &[T], r: &mut [T], q: &mut [T]) {
        let (r, v) = (&mut r[..x.len()], &v[..x.len()]);
        if self == Map::Kl {
            for e in 0..x.len() {
                r[e] = x[e] / v[e];
            }
            q[..x.len()].fill(T::one());
            return;
        }
        r.copy_from_slice(v);
        self.apply_in_place(loss, x, r, q);
    }

    /// [`Map::apply`] with r written over v; for KL, where q is 1, it is not written.
    #[inline(always)]
    pub(crate) fn apply_in_place<T: Real>(self, loss: &Loss, x: &[T], v: &mut [T], q: &mut [T]) {
        let n = x.len();
        let (v, q) = (&mut v[..n], &mut q[..n]);
        match self {
            Map::Fro => {
                q.copy_from_slice(v);
                v.copy_from_slice(x);
            }
            Map::Kl => {
                for e in 0..n {
                    v[e] = x[e] / v[e];
                }
            }
            Map::Is => {
                for e in 0..n {
                    q[e] = v[e].recip();
                    v[e] = x[e] * q[e] * q[e];
                }
            }
            Map::Half => {
                for e in 0..n {
                    q[e] = v[e].sqrt().recip();
                    v[e] = x[e] * q[e] / v[e];
                }
            }
            Map::ThreeHalves => {
                for e in 0..n {
                    q[e] = v[e].sqrt();
                    v[e] = x[e] / q[e];
                }
            }
            Map::Three => {
                for e in 0..n {
                    q[e] = v[e] * v[e];
                    v[e] *= x[e];
                }
            }
            Map::General => {
                for e in 0..n {
                    let (x, y) = (x[e].f64(), v[e].f64());
                    v[e] = T::of(loss.negative(x, y));
                    q[e] = T::of(loss.positive(x, y));
                }
            }
        }
    }
}

/// Σ x·ln(x/v) over a run of entries, in f64: the part of KL that only non-zeros have.
#[inline(always)]
pub(crate) fn x_log_term<T: Real>(x: &[T], v: &[T]) -> f64 {
    let v = &v[..x.len()];
    let mut acc = [0.0f64; 16];
    lanes(x, v, &mut acc, |x, v| {
        let safe = if x > T::zero() { x } else { v };
        x.f64() * T::ln_ratio(safe, v).f64()
    });
    acc.iter().sum()
}

/// Σ d(x, v) over a run of entries, v floored already; summed in f64.
#[inline(always)]
pub(crate) fn loss_term<T: Real>(loss: &Loss, x: &[T], v: &[T]) -> f64 {
    let v = &v[..x.len()];
    // Enough accumulators for the widest vectors; x = 0 has no logarithm but a limit.
    let mut acc = [0.0f64; 16];
    match loss.beta() {
        Some(2.0) => lanes(x, v, &mut acc, |x, v| {
            let d = (x - v).f64();
            0.5 * d * d
        }),
        Some(1.0) => lanes(x, v, &mut acc, |x, v| {
            let safe = if x > T::zero() { x } else { v };
            (x * T::ln_ratio(safe, v) - (x - v)).f64()
        }),
        Some(0.0) => lanes(x, v, &mut acc, |x, v| ((x - v) / v - T::ln_ratio(x, v)).f64()),
        _ => lanes(x, v, &mut acc, |x, v| loss.value(x.f64(), v.f64())),
    }
    acc.iter().sum()
}

/// Σ ω·d(x, v) over a run of entries; what is unknown (ω = 0) adds nothing.
#[inline(always)]
pub(crate) fn weighted_loss_term<T: Real>(loss: &Loss, x: &[T], v: &[T], weights: &[T]) -> f64 {
    let mut sum = 0.0;
    for ((x, v), w) in x.iter().zip(v).zip(weights) {
        if *w > T::zero() {
            sum += w.f64() * loss_term(loss, std::slice::from_ref(x), std::slice::from_ref(v));
        }
    }
    sum
}

#[inline(always)]
fn lanes<T: Real>(x: &[T], v: &[T], acc: &mut [f64; 16], term: impl Fn(T, T) -> f64) {
    let (xs, x_rest) = x.as_chunks::<16>();
    let (vs, v_rest) = v.as_chunks::<16>();
    for (x, v) in xs.iter().zip(vs) {
        for l in 0..16 {
            acc[l] += term(x[l], v[l]);
        }
    }
    for (l, (x, v)) in x_rest.iter().zip(v_rest).enumerate() {
        acc[l] += term(*x, *v);
    }
}

/// One row of [`nmf_core::Backend::apply`].
#[inline(always)]
pub(crate) fn update_row<T: Real>(row: &mut [T], num: &[T], den: &[T], rule: &Rule, k: usize) {
    let (l1, l2) = (T::of(rule.penalty.l1), T::of(rule.penalty.l2));
    let span = rule.fixed.min(k)..k;
    let (row, num, den) = (&mut row[span.clone()], &num[span.clone()], &den[span]);
    let n = row.len();
    let (num, den) = (&num[..n], &den[..n]);
    if l2 > T::zero() && rule.ridge == Ridge::Quadratic {
        let four = T::of(4.0);
        for e in 0..n {
            // the positive root of l2·w² + d·w − N·w̃ = 0, in the form that does not cancel
            let (d, nw) = (den[e] + l1, num[e] * row[e]);
            let s = d + (d * d + four * l2 * nw).sqrt();
            let new = if s > T::zero() { (nw + nw) / s } else { T::zero() };
            row[e] = if new < T::TINY { T::zero() } else { new };
        }
        return;
    }
    // the three exponents that occur without a power: γ = 1, IS's ½, and the rest
    let ratio = |num: T, den: T, w: T| num / (den + l1 + l2 * w).max(T::FLOOR);
    let keep = |new: T| if new < T::TINY { T::zero() } else { new };
    if rule.exponent == 1.0 {
        for e in 0..n {
            row[e] = keep(row[e] * ratio(num[e], den[e], row[e]));
        }
    } else if rule.exponent == 0.5 {
        for e in 0..n {
            row[e] = keep(row[e] * ratio(num[e], den[e], row[e]).sqrt());
        }
    } else {
        let gamma = T::of(rule.exponent);
        for e in 0..n {
            row[e] = keep(row[e] * ratio(num[e], den[e], row[e]).powf(gamma));
        }
    }
}
