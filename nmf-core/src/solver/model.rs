//! What a solver works on.

use crate::backend::Accumulate;
use crate::{Backend, Loss, Result, Rule, Side, shifts};

/// W and H on the device, with everything a step needs to know.
pub struct Model<'a, B: Backend> {
    /// X.
    pub data: &'a B::Data,
    /// The loss.
    pub loss: &'a Loss,
    /// W, m×k; m × k·L for a convolutive model.
    pub w: B::Factor,
    /// H, n×k.
    pub h: B::Factor,
    /// The shifted copies of H, n × k·L, of a convolutive model; a solver that changes H brings them up to date by
    /// [`unfold`](Self::unfold).
    pub shifted: Option<B::Factor>,
    /// What may be changed in W and how.
    pub rule_w: Rule,
    /// What may be changed in H and how.
    pub rule_h: Rule,
    /// Rows of X.
    pub rows: usize,
    /// Columns of X.
    pub cols: usize,
    /// Entries that a product with X visits.
    pub stored: u64,
    /// ½‖X‖² in the device's units.
    pub half_norm: f64,
    /// The newest divergence known on the host, in the device's units.
    pub last_divergence: Option<f64>,
}

impl<B: Backend> Model<'_, B> {
    /// Whether a product with X visits less than a quarter of its entries.
    pub fn is_sparse(&self) -> bool {
        self.stored < self.rows as u64 * self.cols as u64 / 4
    }
    /// Rank k.
    pub fn rank(&self, b: &B) -> usize {
        b.dim(&self.h).1
    }
    /// Whether any column of W may change.
    pub fn w_is_free(&self, b: &B) -> bool {
        self.rule_w.fixed < b.dim(&self.w).1
    }
    /// Whether any column of H may change.
    pub fn h_is_free(&self, b: &B) -> bool {
        self.rule_h.fixed < self.rank(b)
    }
    /// What W is multiplied by: H, or its shifted copies.
    pub fn right(&self) -> &B::Factor {
        self.shifted.as_ref().unwrap_or(&self.h)
    }
    /// Brings the shifted copies of H up to date, if there are any.
    pub fn unfold(&mut self, b: &mut B) -> Result<()> {
        self.shifted.as_mut().map_or(Ok(()), |shifted| b.unfold(&self.h, shifted))
    }
    /// N and D of the update of W.
    pub fn terms_w(&self, b: &mut B, t: &mut B::Terms) -> Result<()> {
        b.terms(self.loss, self.data, Side::Rows, &self.w, self.right(), 1.0, Accumulate::Set, t)
    }
    /// N and D of the update of H.
    pub fn terms_h(&self, b: &mut B, t: &mut TermsH<B>) -> Result<()> {
        let of_copies = t.of_copies.as_mut().unwrap_or(&mut t.of_h);
        b.terms(self.loss, self.data, Side::Cols, self.right(), &self.w, 1.0, Accumulate::Set, of_copies)?;
        t.of_copies.as_ref().map_or(Ok(()), |copies| b.fold(copies, &mut t.of_h))
    }
}

/// Room for the terms of the update of H.
pub struct TermsH<B: Backend> {
    /// Those of its shifted copies, n × k·L, of a convolutive model.
    of_copies: Option<B::Terms>,
    of_h: B::Terms,
}

impl<B: Backend> TermsH<B> {
    /// For H with n = `cols` rows and k columns, and L = `shifts` (1: not convolutive).
    pub fn new(b: &mut B, cols: usize, k: usize, shifts: usize) -> Result<Self> {
        let of_copies = if shifts > 1 { Some(b.new_terms(cols, k * shifts)?) } else { None };
        Ok(TermsH { of_copies, of_h: b.new_terms(cols, k)? })
    }
    /// For this model.
    pub fn for_model(b: &mut B, m: &Model<'_, B>) -> Result<Self> {
        let shifts = shifts::count(b.dim(&m.w), (m.rows, m.rank(b)))?;
        Self::new(b, m.cols, m.rank(b), shifts)
    }
    /// N and D, n×k.
    pub fn get(&self) -> &B::Terms {
        &self.of_h
    }
}
