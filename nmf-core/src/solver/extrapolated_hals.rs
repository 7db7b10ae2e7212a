//! Extrapolated accelerated HALS for the Frobenius loss: the sweeps of [`super::Hals`], with Nesterov's momentum over whole
//! iterations.
//!
//! W⁺ is swept for the extrapolated Ĥ, H⁺ for W⁺ itself, and then both are extrapolated:
//! Ŵ = max(0, W⁺ + β(W⁺ − W)), Ĥ = max(0, H⁺ + β(H⁺ − H)). Only Ĥ enters a product; Ŵ is where the next sweeps start.
//! (Extrapolating between the half-steps too, as in Ang and Gillis, is unstable for β > ½ once the half-steps are
//! nearly exact: the roots of z² − βz − β = 0 leave the unit circle.) Because H⁺ was found for W⁺, the objective of the pair (W⁺, H⁺)
//! falls off as ½‖X‖² − ⟨XᵀW⁺, H⁺⟩ + ½⟨H⁺ᵀH⁺, W⁺ᵀW⁺⟩; an iteration that raises it restarts the momentum.
//!
//! References: A. M. S. Ang and N. Gillis, "Accelerating nonnegative matrix factorization algorithms using extrapolation", Neural
//! Computation 31(2), 2019; D. Mitchell, N. Ye and H. De Sterck, "Nesterov acceleration of alternating least squares for
//! canonical tensor decomposition", Numer. Linear Algebra Appl. 27, 2020; B. O'Donoghue and E. Candès, Found. Comput. Math. 15, 2015.
//!
//! Requirements: Frobenius loss, all entries observed. Not monotone: an iteration may raise the objective, the one after it
//! starts without momentum and cannot.

use super::hals::{Sweeper, before_step, zeros};
use super::{Measure, Measured, Model, Solver};
use crate::{Backend, Extrapolation, Result, Side, Snapshot, Weight};
use std::mem::swap;

/// How fast a flop of a sweep runs beside a flop of a product: sweeping longer pays more here than in A-HALS, because a
/// nearly exact half-step bears more momentum. Every row is swept equally often: a row that stops early stops at another sweep
/// once a rounding differs, and the momentum would carry that on.
const SWEEP_RATE: f64 = 1.0;
/// Scratch of extrapolated HALS.
pub struct ExtrapolatedHals<B: Backend> {
    cross_w: B::Factor,
    cross_h: B::Factor,
    gram: B::Gram,
    /// Ŵ and Ĥ between iterations, the previous W and H within.
    w_hat: B::Factor,
    h_hat: B::Factor,
    momentum: B::Momentum,
    sweeper: Sweeper,
    /// The objective of the newest pair without ½‖X‖² and penalties.
    newest: Option<B::Scalar>,
}

impl<B: Backend> ExtrapolatedHals<B> {
    /// For a rows×cols matrix at rank k; `shuffle` visits the columns in random order.
    pub fn new(b: &mut B, (rows, cols): (usize, usize), k: usize, shuffle: Option<u64>) -> Result<Self> {
        Ok(ExtrapolatedHals {
            cross_w: zeros(b, rows, k)?,
            cross_h: zeros(b, cols, k)?,
            gram: b.new_gram(k)?,
            w_hat: zeros(b, rows, k)?,
            h_hat: zeros(b, cols, k)?,
            momentum: b.new_momentum()?,
            sweeper: Sweeper { rate: Some(SWEEP_RATE), stop: 0.0, shuffle, iteration: 0 },
            newest: None,
        })
    }
}

impl<B: Backend> Solver<B> for ExtrapolatedHals<B> {
    fn name(&self) -> &'static str {
        "ehals"
    }

    fn begin(&mut self, b: &mut B, m: &mut Model<'_, B>) -> Result<()> {
        b.copy(&m.w, &mut self.w_hat)?;
        b.copy(&m.h, &mut self.h_hat)?;
        self.momentum = b.new_momentum()?;
        self.sweeper.iteration = 0;
        self.newest = None;
        Ok(())
    }

    fn save(&self, b: &mut B, out: &mut Snapshot<B::Elem>) -> Result<()> {
        out.put_matrix("w_hat", b.read(&self.w_hat)?);
        out.put_matrix("h_hat", b.read(&self.h_hat)?);
        out.put_counts("momentum", b.read_momentum(&self.momentum)?);
        out.put_counts("iteration", [self.sweeper.iteration]);
        out.put_counts("has_objective", [u64::from(self.newest.is_some())]);
        Ok(())
    }

    fn restore(&mut self, b: &mut B, m: &Model<'_, B>, from: &Snapshot<B::Elem>) -> Result<()> {
        let (w, h) = (b.dim(&self.w_hat), b.dim(&self.h_hat));
        b.write(&mut self.w_hat, from.matrix("w_hat", w)?)?;
        b.write(&mut self.h_hat, from.matrix("h_hat", h)?)?;
        b.write_momentum(&mut self.momentum, from.counts("momentum")?)?;
        self.sweeper.iteration = from.index("iteration")? as u64;
        self.newest = None;
        if from.count("has_objective")? > 0 {
            // as in the step before: the same products of the same factors
            self.newest = Some(if m.h_is_free(b) {
                b.cross(m.data, Side::Cols, &m.w, &mut self.cross_h)?;
                b.gram(&m.w, &mut self.gram)?;
                b.quadratic(&self.cross_h, &self.gram, &m.h)?
            } else {
                b.cross(m.data, Side::Rows, &self.h_hat, &mut self.cross_w)?;
                b.gram(&self.h_hat, &mut self.gram)?;
                b.quadratic(&self.cross_w, &self.gram, &m.w)?
            });
        }
        Ok(())
    }

    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>> {
        let before = before_step(b, m, measure, self.newest.take())?;
        self.sweeper.iteration += 1;
        if m.w_is_free(b) {
            b.cross(m.data, Side::Rows, &self.h_hat, &mut self.cross_w)?;
            b.gram(&self.h_hat, &mut self.gram)?;
            let sweep = self.sweeper.sweep(b, m, Side::Rows);
            b.hals_sweep(&self.cross_w, &self.gram, &mut self.w_hat, &sweep)?;
            swap(&mut m.w, &mut self.w_hat);
        }
        let objective = if m.h_is_free(b) {
            b.cross(m.data, Side::Cols, &m.w, &mut self.cross_h)?;
            b.gram(&m.w, &mut self.gram)?;
            let sweep = self.sweeper.sweep(b, m, Side::Cols);
            b.hals_sweep(&self.cross_h, &self.gram, &mut self.h_hat, &sweep)?;
            swap(&mut m.h, &mut self.h_hat);
            b.quadratic(&self.cross_h, &self.gram, &m.h)?
        } else if m.w_is_free(b) {
            b.quadratic(&self.cross_w, &self.gram, &m.w)?
        } else {
            return Ok(before);
        };
        let mut objectives = vec![objective.clone()];
        for (f, rule) in [(&m.w, &m.rule_w), (&m.h, &m.rule_h)] {
            if !rule.penalty.is_none() {
                objectives.push(b.penalty(f, &rule.penalty)?);
            }
        }
        b.advance(&mut self.momentum, &objectives)?;
        self.newest = Some(objective);
        if m.w_is_free(b) {
            b.extrapolate(&m.w, &mut self.w_hat, Extrapolation::Clamped, Weight::Of(&self.momentum))?;
        }
        if m.h_is_free(b) {
            b.extrapolate(&m.h, &mut self.h_hat, Extrapolation::Clamped, Weight::Of(&self.momentum))?;
        }
        Ok(before)
    }
}
