//! Gradient descent with a fixed step, cut at zero: W ← max(0, W − μ·∇), for every loss.
//!
//! The textbook's first idea, kept as a baseline. It is not convergent: a step too long diverges, a step short enough crawls, and
//! no fixed step suits both factors for long. With μ = w/[W·HᵀH] instead, entry by entry, it becomes the multiplicative update.
//!
//! Requirements: none; any loss, penalty, mask and weights.

use super::{Measure, Measured, Model, Solver};
use crate::{Accumulate, Backend, Element, Result, Side, Snapshot};

/// Scratch of gradient descent.
pub struct Gradient<B: Backend> {
    terms_w: B::Terms,
    terms_h: B::Terms,
    gram: B::Gram,
    /// For W and H in the device's units, if given.
    given: Option<(f64, f64)>,
    steps: (f64, f64),
}

impl<B: Backend> Gradient<B> {
    /// For a rows×cols matrix at rank k. `steps` for W and H are in the device's units; without them, one over the trace of HᵀH and
    /// of WᵀW at the start, the inverse of a bound of the Frobenius loss's curvature there.
    pub fn new(b: &mut B, (rows, cols): (usize, usize), k: usize, steps: Option<(f64, f64)>) -> Result<Self> {
        let (terms_w, terms_h) = (b.new_terms(rows, k)?, b.new_terms(cols, k)?);
        Ok(Gradient { terms_w, terms_h, gram: b.new_gram(k)?, given: steps, steps: (0.0, 0.0) })
    }

    fn inverse_trace(&mut self, b: &mut B, f: &B::Factor) -> Result<f64> {
        b.gram(f, &mut self.gram)?;
        let trace: f64 = b.read_gram(&self.gram)?.diag().iter().map(|v| v.f64()).sum();
        Ok(if trace > 0.0 { 1.0 / trace } else { 0.0 })
    }
}

impl<B: Backend> Solver<B> for Gradient<B> {
    fn name(&self) -> &'static str {
        "gd"
    }

    fn begin(&mut self, b: &mut B, m: &mut Model<'_, B>) -> Result<()> {
        self.steps = match self.given {
            Some(steps) => steps,
            None => (self.inverse_trace(b, &m.h)?, self.inverse_trace(b, &m.w)?),
        };
        Ok(())
    }

    fn save(&self, _: &mut B, out: &mut Snapshot<B::Elem>) -> Result<()> {
        out.put_numbers("step_w", [self.steps.0]);
        out.put_numbers("step_h", [self.steps.1]);
        Ok(())
    }

    fn restore(&mut self, _: &mut B, _: &Model<'_, B>, from: &Snapshot<B::Elem>) -> Result<()> {
        self.steps = (from.number("step_w")?, from.number("step_h")?);
        Ok(())
    }

    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>> {
        let before = match measure {
            Measure::No => None,
            _ => Some(Measured::direct(b.divergence(m.loss, m.data, &m.w, &m.h)?)),
        };
        if m.w_is_free(b) {
            b.terms(m.loss, m.data, Side::Rows, &m.w, &m.h, 1.0, Accumulate::Set, &mut self.terms_w)?;
            b.gradient_step(&self.terms_w, &mut m.w, &m.rule_w, self.steps.0)?;
        }
        if m.h_is_free(b) {
            b.terms(m.loss, m.data, Side::Cols, &m.h, &m.w, 1.0, Accumulate::Set, &mut self.terms_h)?;
            b.gradient_step(&self.terms_h, &mut m.h, &m.rule_h, self.steps.1)?;
        }
        Ok(before)
    }
}
