//! Coordinate descent with scalar Newton steps for the Kullback–Leibler loss.
//!
//! With v the model's entry, g = Σ (h − x·h/v) and g' = Σ x·h²/v² are the first two derivatives of the divergence along one
//! entry of W; the entry moves to max(0, w − g/g'), damped where the step to the left could overshoot
//! ([`Backend::newton_sweep`]). A pass over the entries of a row of W needs the row of X and the matching rows of H
//! only, so rows are independent and a few passes cost little more than one.
//!
//! References: C.-J. Hsieh and I. S. Dhillon, "Fast coordinate descent methods with variable selection for non-negative
//! matrix factorization", KDD 2011; L. T. K. Hien and N. Gillis, "Algorithms for nonnegative matrix factorization with the
//! Kullback–Leibler divergence", J. Sci. Comput. 87, 2021, §3.4 (the damping, and that it makes every step descend).
//!
//! Requirements: Kullback–Leibler loss; any weights; l1 and l2. Never increases the objective (but for the floor under v).
//! Zeros are not stuck.

use super::{Measure, Measured, Model, Solver};
use crate::{Backend, Result, Side, Sweep};

/// Passes over a row before the other factor has its turn.
const PASSES: usize = 2;

/// Coordinate descent for KL; it has no scratch of its own.
pub struct Newton {
    shuffle: Option<u64>,
    iteration: u64,
}

impl Newton {
    /// `shuffle` visits the components in random order.
    pub fn new(shuffle: Option<u64>) -> Self {
        Newton { shuffle, iteration: 0 }
    }
}

impl<B: Backend> Solver<B> for Newton {
    fn name(&self) -> &'static str {
        "newton"
    }

    fn begin(&mut self, _: &mut B, _: &mut Model<'_, B>) -> Result<()> {
        self.iteration = 0;
        Ok(())
    }

    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>> {
        let mut wanted = measure != Measure::No;
        let mut before = None;
        self.iteration += 1;
        let shuffle = self.shuffle.map(|seed| seed.wrapping_mul(0x9e37_79b9).wrapping_add(self.iteration));
        let sweep = |rule| Sweep { max_sweeps: PASSES, stop: 0.0, rule, shuffle };
        if m.w_is_free(b) {
            before = b.newton_sweep(m.data, Side::Rows, &mut m.w, &m.h, &sweep(m.rule_w), wanted)?;
            wanted = false;
        }
        if m.h_is_free(b) {
            let s = b.newton_sweep(m.data, Side::Cols, &mut m.h, &m.w, &sweep(m.rule_h), wanted)?;
            before = before.or(s);
        }
        Ok(before.map(Measured::direct))
    }
}
