//! Multiplicative updates for every loss.
//!
//! W ← W ∘ ((V^(β−2) ∘ X)·H ⊘ (V^(β−1)·H + penalties))^γ, then H the same way on Xᵀ. Never increases the
//! objective with γ = [`Loss::exponent`](crate::Loss::exponent).
//!
//! References: D. D. Lee and H. S. Seung, "Algorithms for non-negative matrix factorization", NIPS 2000 (β = 2, 1);
//! C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
//! Computation 23(9), 2011 (every β, and the γ). Derivation: `docs/derivation.md`.
//!
//! Requirements: a start without zeros where the solution has none, since a zero stays zero.

use super::hals::{is_far, least_share};
use super::{Measure, Measured, Model, Solver};
use crate::{Backend, Result, Side, Snapshot};

/// Scratch of the multiplicative updates.
pub struct Multiplicative<B: Backend> {
    terms_w: B::Terms,
    terms_h: B::Terms,
}

impl<B: Backend> Multiplicative<B> {
    /// For a rows×cols matrix at rank k.
    pub fn new(b: &mut B, (rows, cols): (usize, usize), k: usize) -> Result<Self> {
        Ok(Multiplicative { terms_w: b.new_terms(rows, k)?, terms_h: b.new_terms(cols, k)? })
    }
}

impl<B: Backend> Solver<B> for Multiplicative<B> {
    fn name(&self) -> &'static str {
        "mu"
    }

    fn save(&self, _: &mut B, _: &mut Snapshot<B::Elem>) -> Result<()> {
        Ok(()) // each update starts from W and H alone
    }

    fn restore(&mut self, _: &mut B, _: &Model<'_, B>, _: &Snapshot<B::Elem>) -> Result<()> {
        Ok(())
    }

    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>> {
        let mut wanted = measure != Measure::No;
        let mut before = None;
        if measure == Measure::Exact && m.loss.is_fro() {
            // the by-product of the fro update is a difference of large sums: good for a trace only
            before = Some(b.divergence(m.loss, m.data, &m.w, &m.h)?);
            wanted = false;
        }
        // what is a difference of large sums is hidden where its digits are gone
        let (far, mut least) = (least_share::<B::Elem>() * m.half_norm, f64::NEG_INFINITY);
        if m.w_is_free(b) {
            let t = &mut self.terms_w;
            let s = if wanted && m.loss.is_fro() && is_far(m, far) {
                let s = b.mu_step_by_difference(m.data, Side::Rows, &mut m.w, &m.h, t, &m.rule_w, m.half_norm)?;
                s.map(|(s, is_difference)| {
                    least = if is_difference { far } else { least };
                    s
                })
            } else {
                b.mu_step(m.loss, m.data, Side::Rows, &mut m.w, &m.h, t, &m.rule_w, wanted)?
            };
            before = before.or(s);
            wanted = false;
        }
        if m.h_is_free(b) {
            let s = b.mu_step(m.loss, m.data, Side::Cols, &mut m.h, &m.w, &mut self.terms_h, &m.rule_h, wanted)?;
            before = before.or(s);
        }
        Ok(before.map(|scalar| Measured { scalar, offset: 0.0, least }))
    }
}
