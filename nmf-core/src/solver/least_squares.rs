//! Alternating least squares for the Frobenius loss: W from its normal equations with H as it is, then H.
//!
//! With A = X·H and G = HᵀH, each row of W minimizes ½ wᵀGw − aᵀw over w ≥ 0. How that is done tells the solvers apart
//! ([`RowMethod`]):
//! - `anls-bpp` exactly, by block principal pivoting (J. Kim and H. Park, SIAM J. Sci. Comput. 33(6), 2011). Never increases the objective.
//! - `pg` by projected gradient with Armijo's rule (C.-J. Lin, Neural Computation 19, 2007). Never increases the objective.
//! - `als` without the constraint, negative entries cut to zero afterwards (M. Berry et al., Comput. Stat. Data Anal. 52, 2007).
//!   Not monotone and not convergent; offered because it is expected. `anls-bpp` is the one that keeps its promise.
//!
//! Requirements: Frobenius loss, all entries observed.

use super::hals::{before_step, zeros};
use super::{Measure, Measured, Model, Solver};
use crate::{Backend, Result, RowMethod, Side, Snapshot};

/// Gradient steps of a half-step of `pg`, and the share of its first projected gradient at which a row is finished: a
/// few rough steps pay more than an exact answer to a question that changes right away.
const PROJECTED_GRADIENT: RowMethod = RowMethod::ProjectedGradient { max_steps: 20, stop: 0.1 };

/// Scratch of alternating least squares.
pub struct LeastSquares<B: Backend> {
    name: &'static str,
    method: RowMethod,
    cross_w: B::Factor,
    cross_h: B::Factor,
    gram: B::Gram,
    newest: Option<B::Scalar>,
}

impl<B: Backend> LeastSquares<B> {
    /// For a rows×cols matrix at rank k.
    fn new(name: &'static str, method: RowMethod, b: &mut B, (rows, cols): (usize, usize), k: usize) -> Result<Self> {
        let (cross_w, cross_h) = (zeros(b, rows, k)?, zeros(b, cols, k)?);
        Ok(LeastSquares { name, method, cross_w, cross_h, gram: b.new_gram(k)?, newest: None })
    }
    /// Exact alternating non-negative least squares.
    pub fn exact(b: &mut B, dim: (usize, usize), k: usize) -> Result<Self> {
        Self::new("anls-bpp", RowMethod::BlockPivoting, b, dim, k)
    }
    /// Projected gradient.
    pub fn projected_gradient(b: &mut B, dim: (usize, usize), k: usize) -> Result<Self> {
        Self::new("pg", PROJECTED_GRADIENT, b, dim, k)
    }
    /// Clipped alternating least squares.
    pub fn clipped(b: &mut B, dim: (usize, usize), k: usize) -> Result<Self> {
        Self::new("als", RowMethod::Clipped, b, dim, k)
    }
}

impl<B: Backend> Solver<B> for LeastSquares<B> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn begin(&mut self, _: &mut B, _: &mut Model<'_, B>) -> Result<()> {
        self.newest = None;
        Ok(())
    }

    fn save(&self, _: &mut B, out: &mut Snapshot<B::Elem>) -> Result<()> {
        out.put_counts("has_objective", [u64::from(self.newest.is_some())]);
        Ok(())
    }

    fn restore(&mut self, b: &mut B, m: &Model<'_, B>, from: &Snapshot<B::Elem>) -> Result<()> {
        self.newest = None;
        if from.count("has_objective")? > 0 {
            // as at the end of the step before
            b.cross(m.data, Side::Cols, &m.w, &mut self.cross_h)?;
            b.gram(&m.w, &mut self.gram)?;
            self.newest = Some(b.quadratic(&self.cross_h, &self.gram, &m.h)?);
        }
        Ok(())
    }

    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>> {
        let before = before_step(b, m, measure, self.newest.take())?;
        if m.w_is_free(b) {
            b.cross(m.data, Side::Rows, &m.h, &mut self.cross_w)?;
            b.gram(&m.h, &mut self.gram)?;
            b.least_squares(self.method, &self.cross_w, &self.gram, &mut m.w, &m.rule_w)?;
        }
        if m.h_is_free(b) {
            b.cross(m.data, Side::Cols, &m.w, &mut self.cross_h)?;
            b.gram(&m.w, &mut self.gram)?;
            b.least_squares(self.method, &self.cross_h, &self.gram, &mut m.h, &m.rule_h)?;
            self.newest = Some(b.quadratic(&self.cross_h, &self.gram, &m.h)?);
        }
        Ok(before)
    }
}
