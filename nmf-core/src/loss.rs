//! Losses d(x, y) between an entry x of X and the model's y = (WH)ᵢⱼ.
//!
//! The divergence of a factorization is the plain sum of d over all entries (no mean, no square root).

mod beta;

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A loss. [`Loss::FRO`], [`Loss::KL`] and [`Loss::IS`] are the three classical ones.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Loss {
    /// The β-divergence (Févotte & Idier 2011): β = 2 is ½(x−y)², β = 1 generalized Kullback–Leibler,
    /// β = 0 Itakura–Saito.
    Beta(f64),
    /// Any other elementwise loss. Backends that need its text in another language refuse it.
    Custom(Arc<dyn ElementwiseLoss>),
}

/// An elementwise loss of your own, with the split of its gradient that a multiplicative update needs.
///
/// With ∂d/∂y = `positive` − `negative`, both ≥ 0, the update is
/// W ← W ∘ (negative·H ⊘ positive·H)^`exponent`. Descent is yours to prove; it holds for every convex–concave
/// split by the auxiliary function of Févotte & Idier (2011, §4).
pub trait ElementwiseLoss: Send + Sync + fmt::Debug {
    /// A short name for messages.
    fn name(&self) -> String;
    /// d(x, y) for x ≥ 0 and y > 0.
    fn value(&self, x: f64, y: f64) -> f64;
    /// The negative part N(x, y) ≥ 0 of ∂d/∂y.
    fn negative(&self, x: f64, y: f64) -> f64;
    /// The positive part P(x, y) ≥ 0 of ∂d/∂y.
    fn positive(&self, x: f64, y: f64) -> f64;
    /// The exponent γ of the multiplicative update for which it descends.
    fn exponent(&self) -> f64 {
        1.0
    }
    /// Whether d(0, y) is finite.
    fn allows_zero(&self) -> bool {
        true
    }
}

impl Loss {
    /// Half the squared Euclidean distance, ½(x−y)².
    pub const FRO: Loss = Loss::Beta(2.0);
    /// Generalized Kullback–Leibler divergence, x ln(x/y) − x + y.
    pub const KL: Loss = Loss::Beta(1.0);
    /// Itakura–Saito divergence, x/y − ln(x/y) − 1.
    pub const IS: Loss = Loss::Beta(0.0);

    /// The β of a β-divergence.
    pub fn beta(&self) -> Option<f64> {
        match self {
            Loss::Beta(b) => Some(*b),
            Loss::Custom(_) => None,
        }
    }

    /// Whether this is β = 2, where only XH and HᵀH are needed.
    pub fn is_fro(&self) -> bool {
        self.beta() == Some(2.0)
    }

    /// Whether this is β = 1, where only non-zeros and column sums are needed.
    pub fn is_kl(&self) -> bool {
        self.beta() == Some(1.0)
    }

    /// d(x, y) for x ≥ 0, y > 0; the limit at x = 0 where it is finite, +∞ where it is not.
    pub fn value(&self, x: f64, y: f64) -> f64 {
        match self {
            Loss::Beta(b) => beta::value(*b, x, y),
            Loss::Custom(l) => l.value(x, y),
        }
    }

    /// The negative part of ∂d/∂y, x·y^(β−2).
    pub fn negative(&self, x: f64, y: f64) -> f64 {
        match self {
            Loss::Beta(b) => x * beta::pow(y, b - 2.0),
            Loss::Custom(l) => l.negative(x, y),
        }
    }

    /// The positive part of ∂d/∂y, y^(β−1).
    pub fn positive(&self, x: f64, y: f64) -> f64 {
        match self {
            Loss::Beta(b) => beta::pow(y, b - 1.0),
            Loss::Custom(l) => l.positive(x, y),
        }
    }

    /// The exponent γ(β) with which the multiplicative update never increases the divergence
    /// (Févotte & Idier 2011, Table 2): 1/(2−β) for β < 1, 1 for 1 ≤ β ≤ 2, 1/(β−1) for β > 2.
    pub fn exponent(&self) -> f64 {
        match self {
            Loss::Beta(b) => beta::exponent(*b),
            Loss::Custom(l) => l.exponent(),
        }
    }

    /// Whether d(0, y) is finite: β > 0.
    pub fn allows_zero(&self) -> bool {
        match self {
            Loss::Beta(b) => *b > 0.0,
            Loss::Custom(l) => l.allows_zero(),
        }
    }

    /// The factor by which D(sX, sY) differs from D(X, Y): s^β. `None` for custom losses, whose data are
    /// therefore never rescaled.
    pub fn scaling(&self, s: f64) -> Option<f64> {
        self.beta().map(|b| beta::pow(s, b))
    }
}

impl PartialEq for Loss {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Loss::Beta(a), Loss::Beta(b)) => a == b,
            (Loss::Custom(a), Loss::Custom(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Beta(2.0) => f.write_str("fro"),
            Loss::Beta(1.0) => f.write_str("kl"),
            Loss::Beta(0.0) => f.write_str("is"),
            Loss::Beta(b) => write!(f, "beta:{b}"),
            Loss::Custom(l) => f.write_str(&l.name()),
        }
    }
}

impl FromStr for Loss {
    type Err = Error;

    /// Reads `fro`, `kl`, `is`, `beta:B` and the aliases eu, euclidean, frobenius, kullback-leibler,
    /// i-divergence, itakura-saito.
    fn from_str(s: &str) -> Result<Loss> {
        let bad = || Error::Parameter {
            name: "loss",
            value: s.to_string(),
            expected: "fro, kl, is or beta:B with a number B in [-10, 10]",
        };
        Ok(match s.to_ascii_lowercase().as_str() {
            "fro" | "eu" | "euclidean" | "frobenius" => Loss::FRO,
            "kl" | "kullback-leibler" | "i-divergence" => Loss::KL,
            "is" | "itakura-saito" => Loss::IS,
            other => {
                let b: f64 = other.strip_prefix("beta:").ok_or_else(bad)?.parse().map_err(|_| bad())?;
                if !(-10.0..=10.0).contains(&b) {
                    return Err(bad());
                }
                Loss::Beta(b)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn itakura_saito_is_scale_invariant() {
        assert_relative_eq!(Loss::IS.value(9.0, 10.0), Loss::IS.value(900.0, 1000.0), max_relative = 1e-14);
        // the closed form 9/10 − ln(9/10) − 1
        assert_relative_eq!(Loss::IS.value(9.0, 10.0), 0.9 - 0.9f64.ln() - 1.0, max_relative = 1e-12);
    }

    #[test]
    fn kl_and_is_are_asymmetric_and_fro_is_not() {
        assert!((Loss::KL.value(1.0, 3.0) - Loss::KL.value(3.0, 1.0)).abs() > 0.1);
        assert!((Loss::IS.value(1.0, 3.0) - Loss::IS.value(3.0, 1.0)).abs() > 0.1);
        assert_eq!(Loss::FRO.value(1.0, 3.0), Loss::FRO.value(3.0, 1.0));
        // IS punishes a model that is too small far more than one that is too large
        assert!(Loss::IS.value(1.0, 0.1) > Loss::IS.value(1.0, 10.0));
    }

    #[test]
    fn gradient_parts_match_finite_differences() {
        for b in [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0] {
            let loss = Loss::Beta(b);
            for (x, y) in [(0.3, 0.7), (2.0, 0.5), (1.0, 1.0), (5.0, 4.9)] {
                let h = 1e-5 * y;
                let fd = (loss.value(x, y + h) - loss.value(x, y - h)) / (2.0 * h);
                assert_relative_eq!(loss.positive(x, y) - loss.negative(x, y), fd, epsilon = 1e-8, max_relative = 1e-6);
            }
        }
    }

    #[test]
    fn entries_far_below_the_model_keep_their_logarithm() {
        // x/y − ln(x/y) − 1 and x ln(x/y) − x + y at x/y = 5e-17, where (x − y)/y rounds to −1
        let (x, y) = (1e-16, 2.0);
        assert_relative_eq!(Loss::IS.value(x, y), 2f64.ln() + 16.0 * 10f64.ln() - 1.0, max_relative = 1e-14);
        assert_relative_eq!(Loss::KL.value(x, y), 2.0, max_relative = 1e-14);
    }

    #[test]
    fn the_family_is_continuous_in_beta() {
        for (x, y) in [(0.3, 0.7), (2.0, 0.5)] {
            for b in [0.0, 1.0] {
                assert_relative_eq!(Loss::Beta(b).value(x, y), Loss::Beta(b + 1e-7).value(x, y), epsilon = 1e-6);
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for l in [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(1.5), Loss::Beta(-0.5)] {
            assert_eq!(l.to_string().parse::<Loss>().unwrap(), l);
        }
        for bad in ["", "beta", "beta:", "beta:x", "beta:nan", "beta:inf", "l2"] {
            assert!(bad.parse::<Loss>().is_err(), "{bad}");
        }
    }
}
