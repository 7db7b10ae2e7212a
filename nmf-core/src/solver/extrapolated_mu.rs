//! Extrapolated multiplicative updates, 1 ≤ β ≤ 2.
//!
//! Each factor is first extrapolated along its last increase, Ŵ = W + α·max(0, W − W_prev), then updated
//! multiplicatively from Ŵ; α = (t − 1)/t⁺ with Nesterov's t⁺ = (1 + √(1 + 4t²))/2. The second bound of the paper,
//! α ≤ c/(i^0.75·‖W − W_prev‖), serves its proof with an arbitrary c and is left out (c = ∞).
//!
//! Under Kullback–Leibler on sparse data each update is repeated while the other factor stays as it is (the accelerated
//! multiplicative updates of Gillis and Glineur): what a row gathered for one update is still near for the next.
//!
//! References: L. T. K. Hien, V. Leplat and N. Gillis, "Block majorization minimization with extrapolation and application to
//! β-NMF", 2024, Algorithm 2; N. Gillis and F. Glineur, Neural Computation 24(4), 2012, §3.
//!
//! Requirements: 1 ≤ β ≤ 2 (there the divergence is convex in each factor); any penalty, mask and weights that the
//! multiplicative update takes; a start without zeros where the solution has none. Not monotone at each step.

use super::hals::zeros;
use super::{Measure, Measured, Model, Solver};
use crate::momentum::next_t;
use crate::{Backend, Extrapolation, Result, Side, Snapshot, Weight};
use std::mem::swap;

/// Updates of a factor before the other one has its turn, for kl on sparse data.
const SPARSE_REPEATS: usize = 3;

/// Scratch of the extrapolated updates.
pub struct ExtrapolatedMu<B: Backend> {
    terms_w: B::Terms,
    terms_h: B::Terms,
    previous_w: B::Factor,
    previous_h: B::Factor,
    t: f64,
}

impl<B: Backend> ExtrapolatedMu<B> {
    /// For a rows×cols matrix at rank k.
    pub fn new(b: &mut B, (rows, cols): (usize, usize), k: usize) -> Result<Self> {
        Ok(ExtrapolatedMu {
            terms_w: b.new_terms(rows, k)?,
            terms_h: b.new_terms(cols, k)?,
            previous_w: zeros(b, rows, k)?,
            previous_h: zeros(b, cols, k)?,
            t: 1.0,
        })
    }
}

impl<B: Backend> Solver<B> for ExtrapolatedMu<B> {
    fn name(&self) -> &'static str {
        "mue"
    }

    fn begin(&mut self, b: &mut B, m: &mut Model<'_, B>) -> Result<()> {
        self.t = 1.0;
        b.copy(&m.w, &mut self.previous_w)?;
        b.copy(&m.h, &mut self.previous_h)
    }

    fn save(&self, b: &mut B, out: &mut Snapshot<B::Elem>) -> Result<()> {
        out.put_matrix("previous_w", b.read(&self.previous_w)?);
        out.put_matrix("previous_h", b.read(&self.previous_h)?);
        out.put_numbers("t", [self.t]);
        Ok(())
    }

    fn restore(&mut self, b: &mut B, _: &Model<'_, B>, from: &Snapshot<B::Elem>) -> Result<()> {
        let (w, h) = (b.dim(&self.previous_w), b.dim(&self.previous_h));
        b.write(&mut self.previous_w, from.matrix("previous_w", w)?)?;
        b.write(&mut self.previous_h, from.matrix("previous_h", h)?)?;
        self.t = from.number("t")?;
        Ok(())
    }

    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>> {
        let before = match measure {
            Measure::No => None,
            // the updates see extrapolated factors: what falls off on the way belongs to those
            _ => Some(Measured::direct(b.divergence(m.loss, m.data, &m.w, &m.h)?)),
        };
        let next = next_t(self.t);
        let alpha = (self.t - 1.0) / next;
        self.t = next;
        let repeats = if m.is_sparse() && m.loss.is_kl() { SPARSE_REPEATS } else { 1 };
        if m.w_is_free(b) {
            b.extrapolate(&m.w, &mut self.previous_w, Extrapolation::Upwards, Weight::Fixed(alpha))?;
            swap(&mut m.w, &mut self.previous_w);
            b.mu_steps(m.loss, m.data, Side::Rows, &mut m.w, &m.h, &mut self.terms_w, &m.rule_w, repeats, false)?;
        }
        if m.h_is_free(b) {
            b.extrapolate(&m.h, &mut self.previous_h, Extrapolation::Upwards, Weight::Fixed(alpha))?;
            swap(&mut m.h, &mut self.previous_h);
            b.mu_steps(m.loss, m.data, Side::Cols, &mut m.h, &m.w, &mut self.terms_h, &m.rule_h, repeats, false)?;
        }
        Ok(before)
    }
}
