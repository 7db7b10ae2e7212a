//! Multiplicative updates of convolutive models, for every loss, plain or extrapolated.
//!
//! With the shifted copies H̃ of H ([`crate::shifts`]), R = V^(β−2) ∘ X and P = V^(β−1):
//! W_τ ← W_τ ∘ (R·(H^{→τ})ᵀ ⊘ P·(H^{→τ})ᵀ)^γ for all τ at once, which is the update of W in X ≈ W·H̃ᵀ, then
//! H ← H ∘ (Σ_τ W_τᵀ·R^{←τ} ⊘ Σ_τ W_τᵀ·P^{←τ})^γ, whose two sums are N and D of H̃ folded back. Both descend for the reason that
//! the updates of the plain model do: V is linear in each factor with coefficients ≥ 0.
//!
//! Extrapolated, each factor first moves on along its last increase as in [`super::ExtrapolatedMu`], with the same
//! references and 1 ≤ β ≤ 2.
//!
//! References: P. Smaragdis, "Non-negative matrix factor deconvolution", ICA 2004 (β = 1); P. D. O'Grady and
//! B. A. Pearlmutter, "Convolutive non-negative matrix factorisation with a sparseness constraint", MLSP 2006 (β = 2); C. Févotte
//! and J. Idier, Neural Computation 23(9), 2011 (every β, and γ); H. Sawada, "Non-negative matrix factorization and its applications", 2012
//! (β = 0).
//!
//! Requirements: a start without zeros where the solution has none, since a zero stays zero.

use super::hals::zeros;
use super::{Measure, Measured, Model, Solver, TermsH};
use crate::momentum::next_t;
use crate::{Backend, Extrapolation, Result, Side, Snapshot, Weight};
use std::mem::swap;

/// Scratch of the updates.
pub struct Convolutive<B: Backend> {
    terms_w: B::Terms,
    terms_h: TermsH<B>,
    extrapolated: Option<Previous<B>>,
}

/// Factors of the iteration before, and how far the extrapolation has come.
struct Previous<B: Backend> {
    w: B::Factor,
    h: B::Factor,
    t: f64,
}

impl<B: Backend> Convolutive<B> {
    /// For a rows×cols matrix at rank k with L = `shifts`.
    pub fn new(b: &mut B, (rows, cols): (usize, usize), k: usize, shifts: usize, extrapolated: bool) -> Result<Self> {
        let previous = |b: &mut B| Ok(Previous { w: zeros(b, rows, k * shifts)?, h: zeros(b, cols, k)?, t: 1.0 });
        Ok(Convolutive {
            terms_w: b.new_terms(rows, k * shifts)?,
            terms_h: TermsH::new(b, cols, k, shifts)?,
            extrapolated: if extrapolated { Some(previous(b)?) } else { None },
        })
    }
}

impl<B: Backend> Solver<B> for Convolutive<B> {
    fn name(&self) -> &'static str {
        if self.extrapolated.is_some() { "mue" } else { "mu" }
    }

    fn begin(&mut self, b: &mut B, m: &mut Model<'_, B>) -> Result<()> {
        if let Some(previous) = &mut self.extrapolated {
            previous.t = 1.0;
            b.copy(&m.w, &mut previous.w)?;
            b.copy(&m.h, &mut previous.h)?;
        }
        Ok(())
    }

    fn save(&self, b: &mut B, out: &mut Snapshot<B::Elem>) -> Result<()> {
        if let Some(previous) = &self.extrapolated {
            out.put_matrix("previous_w", b.read(&previous.w)?);
            out.put_matrix("previous_h", b.read(&previous.h)?);
            out.put_numbers("t", [previous.t]);
        }
        Ok(()) // the shifted copies are those of H
    }

    fn restore(&mut self, b: &mut B, _: &Model<'_, B>, from: &Snapshot<B::Elem>) -> Result<()> {
        if let Some(previous) = &mut self.extrapolated {
            let (w, h) = (b.dim(&previous.w), b.dim(&previous.h));
            b.write(&mut previous.w, from.matrix("previous_w", w)?)?;
            b.write(&mut previous.h, from.matrix("previous_h", h)?)?;
            previous.t = from.number("t")?;
        }
        Ok(())
    }

    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>> {
        let mut wanted = measure != Measure::No;
        let mut before = None;
        // an extrapolated update sees other factors than those of the iteration, and what falls off an update by products or
        // one of H alone is a difference of large sums, or nothing
        let apart = self.extrapolated.is_some() || m.loss.is_fro() || !m.w_is_free(b);
        if wanted && apart {
            before = Some(b.divergence(m.loss, m.data, &m.w, m.right())?);
            wanted = false;
        }
        let alpha = self.extrapolated.as_mut().map_or(0.0, |previous| {
            let next = next_t(previous.t);
            let alpha = (previous.t - 1.0) / next;
            previous.t = next;
            alpha
        });
        if m.w_is_free(b) {
            if let Some(previous) = &mut self.extrapolated {
                b.extrapolate(&m.w, &mut previous.w, Extrapolation::Upwards, Weight::Fixed(alpha))?;
                swap(&mut m.w, &mut previous.w);
            }
            let right = m.shifted.as_ref().unwrap_or(&m.h);
            let t = &mut self.terms_w;
            let s = b.mu_step(m.loss, m.data, Side::Rows, &mut m.w, right, t, &m.rule_w, wanted)?;
            before = before.or(s);
        }
        if m.h_is_free(b) {
            if let Some(previous) = &mut self.extrapolated {
                b.extrapolate(&m.h, &mut previous.h, Extrapolation::Upwards, Weight::Fixed(alpha))?;
                swap(&mut m.h, &mut previous.h);
                m.unfold(b)?;
            }
            m.terms_h(b, &mut self.terms_h)?;
            b.apply(self.terms_h.get(), &mut m.h, &m.rule_h)?;
            m.unfold(b)?;
        }
        Ok(before.map(Measured::direct))
    }
}
