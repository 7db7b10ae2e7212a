//! Penalties on a factor, and the rule by which a primitive changes it.

use crate::loss::Loss;
use crate::{Error, Result};

/// l1·Σ|w| + ½·l2·Σw² on one factor, added to the divergence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Penalty {
    /// Weight of the sum of the entries, ≥ 0.
    pub l1: f64,
    /// Weight of half the sum of squares, ≥ 0.
    pub l2: f64,
}

impl Penalty {
    /// No penalty.
    pub const NONE: Penalty = Penalty { l1: 0.0, l2: 0.0 };

    /// Whether nothing is added.
    pub fn is_none(&self) -> bool {
        *self == Penalty::NONE
    }

    /// Refuses negative or non-finite weights.
    pub fn check(&self) -> Result<()> {
        for (name, v) in [("l1", self.l1), ("l2", self.l2)] {
            if !(v >= 0.0 && v.is_finite()) {
                return Err(Error::Parameter { name, value: v.to_string(), expected: "a finite number ≥ 0" });
            }
        }
        Ok(())
    }
}

/// How the quadratic penalty enters a multiplicative update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ridge {
    /// In the denominator, D + l1 + l2·w: descends for β ≥ 2 only.
    #[default]
    Denominator,
    /// The root of the majorizer for β = 1: w = (√(d² + 4·l2·N·w̃) − d) / (2·l2) with d = D + l1 and w̃ the old value,
    /// computed as 2·N·w̃ / (d + √(d² + 4·l2·N·w̃)), which does not cancel for small l2. (With l2 in the denominator
    /// instead, KL does not descend.)
    Quadratic,
}

/// What a primitive may do to a factor: which columns it may change, the penalties, the exponent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The first `fixed` columns (components) stay as they are.
    pub fixed: usize,
    /// Penalties, in the units of the (scaled) data on the device.
    pub penalty: Penalty,
    /// Exponent γ of the multiplicative ratio.
    pub exponent: f64,
    /// Form of the l2 penalty in multiplicative updates.
    pub ridge: Ridge,
}

impl Rule {
    /// The rule of an unpenalized, free factor under `loss`, with the exponent that descends.
    pub fn for_loss(loss: &Loss) -> Rule {
        Rule {
            fixed: 0,
            penalty: Penalty::NONE,
            exponent: loss.exponent(),
            ridge: if loss.is_kl() { Ridge::Quadratic } else { Ridge::Denominator },
        }
    }
}
