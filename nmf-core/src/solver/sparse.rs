//! Factors of a given sparseness, for the Frobenius loss (P. O. Hoyer, JMLR 5, 2004).
//!
//! A factor with a prescribed sparseness takes projected gradient steps ([`Backend::impose_sparseness`]), the other one HALS
//! sweeps. The start is projected first; from then on the objective never rises.
//!
//! Requirements: Frobenius loss, all entries observed.

use super::hals::{Sweeper, zeros};
use super::{Measure, Measured, Model, Solver};
use crate::{Backend, Result, Side, Snapshot};

/// Gradient steps of a half-step: the products are formed once for all of them.
const STEPS: usize = 10;

/// Scratch.
pub struct SparseGradient<B: Backend> {
    cross_w: B::Factor,
    cross_h: B::Factor,
    gram: B::Gram,
    sparseness: (Option<f64>, Option<f64>),
    sweeper: Sweeper,
}

impl<B: Backend> SparseGradient<B> {
    /// For a rows×cols matrix at rank k; Hoyer's measure that the columns of W and of H (transposed) shall have.
    pub fn new(
        b: &mut B,
        (rows, cols): (usize, usize),
        k: usize,
        sparseness: (Option<f64>, Option<f64>),
    ) -> Result<Self> {
        let (cross_w, cross_h) = (zeros(b, rows, k)?, zeros(b, cols, k)?);
        Ok(SparseGradient { cross_w, cross_h, gram: b.new_gram(k)?, sparseness, sweeper: Sweeper::accelerated(None) })
    }

    fn update(&mut self, b: &mut B, m: &mut Model<'_, B>, side: Side, steps: usize) -> Result<()> {
        let sweep = self.sweeper.sweep(b, m, side);
        let (cross, sparseness, f, other, rule) = match side {
            Side::Rows => (&mut self.cross_w, self.sparseness.0, &mut m.w, &m.h, &m.rule_w),
            Side::Cols => (&mut self.cross_h, self.sparseness.1, &mut m.h, &m.w, &m.rule_h),
        };
        b.gram(other, &mut self.gram)?;
        b.cross(m.data, side, other, cross)?;
        match sparseness {
            Some(s) => b.impose_sparseness(cross, &self.gram, f, s, steps, rule),
            None if steps > 0 => b.hals_sweep(cross, &self.gram, f, &sweep),
            None => Ok(()),
        }
    }
}

impl<B: Backend> Solver<B> for SparseGradient<B> {
    fn name(&self) -> &'static str {
        "pg"
    }

    fn begin(&mut self, b: &mut B, m: &mut Model<'_, B>) -> Result<()> {
        self.update(b, m, Side::Rows, 0)?;
        self.update(b, m, Side::Cols, 0)
    }

    fn save(&self, _: &mut B, _: &mut Snapshot<B::Elem>) -> Result<()> {
        Ok(()) // W and H alone decide, once the start has been projected
    }

    fn restore(&mut self, _: &mut B, _: &Model<'_, B>, _: &Snapshot<B::Elem>) -> Result<()> {
        Ok(())
    }

    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>> {
        let before = match measure {
            Measure::No => None,
            _ => Some(Measured::direct(b.divergence(m.loss, m.data, &m.w, &m.h)?)),
        };
        if m.w_is_free(b) {
            self.update(b, m, Side::Rows, STEPS)?;
        }
        if m.h_is_free(b) {
            self.update(b, m, Side::Cols, STEPS)?;
        }
        Ok(before)
    }
}
