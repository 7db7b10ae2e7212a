//! Nesterov's momentum for an alternating solver, restarted when the objective rises.
//!
//! The weight of the next extrapolation is β = (t − 1)/t⁺ with t⁺ = (1 + √(1 + 4t²))/2 (Y. Nesterov, Soviet Math.
//! Doklady 27, 1983); once an iteration raises the objective, t starts at 1 again and nothing is extrapolated (the function
//! scheme of B. O'Donoghue and E. Candès, Found. Comput. Math. 15, 2015). Alternating least squares with
//! this momentum over whole iterations: D. Mitchell, N. Ye and H. De Sterck, Numer. Linear Algebra Appl. 27, 2020.

use crate::{Error, Result};

/// The state, for backends that keep it on the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Momentum {
    t: f64,
    weight: f64,
    last: f64,
}

impl Default for Momentum {
    fn default() -> Self {
        Momentum { t: 1.0, weight: 0.0, last: f64::INFINITY }
    }
}

impl Momentum {
    /// Takes in the objective after an iteration, up to a constant.
    pub fn advance(&mut self, objective: f64) {
        if objective <= self.last {
            let next = next_t(self.t);
            self.weight = (self.t - 1.0) / next;
            self.t = next;
        } else {
            (self.t, self.weight) = (1.0, 0.0);
        }
        self.last = objective;
    }

    /// t, the weight and the last objective, as bits.
    pub fn to_words(&self) -> [u64; 3] {
        [self.t, self.weight, self.last].map(f64::to_bits)
    }

    /// What [`to_words`](Self::to_words) took apart.
    ///
    /// # Errors
    /// If these are not its words.
    pub fn from_words(words: &[u64]) -> Result<Self> {
        match words {
            [t, weight, last] => {
                let [t, weight, last] = [t, weight, last].map(|w| f64::from_bits(*w));
                Ok(Momentum { t, weight, last })
            }
            _ => Err(wrong_words(words.len(), 3)),
        }
    }

    /// β, in [0, 1).
    pub fn weight(&self) -> f64 {
        self.weight
    }
}

/// The error of a momentum that is given `found` words of state instead of `expected`.
pub fn wrong_words(found: usize, expected: usize) -> Error {
    let (found, expected) = (format!("{found} words"), format!("{expected} words"));
    Error::Snapshot { what: "the state of a momentum".into(), found, expected }
}

/// t⁺ = (1 + √(1 + 4t²))/2.
pub fn next_t(t: f64) -> f64 {
    0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt())
}

/// Which way a factor is extrapolated from its previous value p.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extrapolation {
    /// max(0, f + β(f − p)).
    Clamped,
    /// f + β·max(0, f − p): never below f, so that no entry is lost to multiplicative updates
    /// (L. T. K. Hien, V. Leplat and N. Gillis, "Block majorization minimization with extrapolation", 2024).
    Upwards,
}

/// β of an extrapolation: known on the host, or kept with the momentum on the device.
#[derive(Debug)]
pub enum Weight<'a, M> {
    /// This number.
    Fixed(f64),
    /// The weight that [`crate::Backend::advance`] left in this state.
    Of(&'a M),
}

impl Weight<'_, Momentum> {
    /// β.
    pub fn value(self) -> f64 {
        match self {
            Weight::Fixed(w) => w,
            Weight::Of(m) => m.weight(),
        }
    }
}

// a derive would ask for M: Clone
impl<M> Clone for Weight<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M> Copy for Weight<'_, M> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_grows_until_the_objective_rises() {
        let mut m = Momentum::default();
        let weights: Vec<f64> = (0..200).map(|i| (m.advance(-f64::from(i)), m.weight()).1).collect();
        // t = 1, (1+√5)/2, …: β = 0, 0.2817…, …, → 1 − 3/i
        assert_eq!(weights[0], 0.0);
        let golden = 0.5 * (1.0 + 5f64.sqrt());
        assert!((weights[1] - (golden - 1.0) / next_t(golden)).abs() < 1e-15);
        assert!(weights.windows(2).all(|w| w[0] < w[1] && w[1] < 1.0));
        assert!((weights[199] - (1.0 - 3.0 / 200.0)).abs() < 1e-3);
        m.advance(0.0);
        assert_eq!(m.weight(), 0.0);
        m.advance(f64::NAN);
        assert_eq!(m.weight(), 0.0, "a number that is none never extrapolates");
    }
}
