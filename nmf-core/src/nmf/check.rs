//! What a factorization refuses before any work, and what a careful user should know.

use super::Nmf;
use crate::solver::{SolverKind, Task};
use crate::{Backend, Element, Error, Loss, Penalty, Problem, Result};
use ndarray::ArrayView2;

impl<T: Element> Nmf<T> {
    /// Refuses what cannot be done on `b`, before any work; otherwise the solver that will do it.
    pub fn check<B: Backend<Elem = T>>(&self, b: &B, problem: &Problem<'_, T>) -> Result<SolverKind> {
        let (m, n) = problem.dim();
        let k = self.rank;
        if k == 0 {
            return Err(Error::Rank { rank: 0, reason: "at least one component is needed".into() });
        }
        if k > 65_536 {
            return Err(Error::Rank { rank: k, reason: "at most 65536 components are supported".into() });
        }
        if self.restarts == 0 {
            return Err(Error::Parameter { name: "restarts", value: "0".into(), expected: "at least 1" });
        }
        let shifts = self.options.shifts;
        if shifts == 0 || shifts > n {
            let value = shifts.to_string();
            return Err(Error::Parameter { name: "shifts", value, expected: "1 to the number of columns" });
        }
        if k * shifts > 65_536 {
            let reason = format!("with {shifts} shifts at most {} components are supported", 65_536 / shifts);
            return Err(Error::Rank { rank: k, reason });
        }
        self.stop.check()?;
        let sparse = problem.is_sparse();
        let task = Task { loss: &self.loss, observed: problem.observed(), sparse, options: self.options };
        let kind = self.solver.resolve(b, &task)?;
        self.init.check(k, (m, n), shifts, kind)?;
        for p in [self.penalty_w, self.penalty_h] {
            check_penalty(&p, kind, &self.loss)?;
        }
        let fixed =
            [self.fixed_w.as_ref().map_or(0, |f| f.ncols() / shifts), self.fixed_h.as_ref().map_or(0, |f| f.nrows())];
        let wanted = [self.options.sparseness.0, self.options.sparseness.1];
        for ((name, long), (fixed, wanted)) in [("W", m), ("H", n)].into_iter().zip(fixed.into_iter().zip(wanted)) {
            if wanted.is_some() && (fixed >= k || long < 2) {
                return Err(Error::Unsupported(format!(
                    "no sparseness can be imposed on {name}: {}",
                    if long < 2 { "its components have one entry" } else { "all of it is fixed" }
                )));
            }
        }
        if let Some(f) = &self.fixed_w {
            check_fixed("the fixed columns of W", &f.view(), m, k, shifts)?;
        }
        if let Some(f) = &self.fixed_h {
            check_fixed("the fixed rows of H (transposed)", &f.t(), n, k, 1)?;
        }
        Ok(kind)
    }

    pub(super) fn warnings(&self, problem: &Problem<'_, T>) -> Vec<String> {
        let (m, n) = problem.dim();
        let mut out = Vec::new();
        if self.rank > m.min(n) {
            out.push(format!(
                "k = {} exceeds min(m, n) = {}: X can be reproduced exactly in many ways",
                self.rank,
                m.min(n)
            ));
        }
        if self.penalty_w.is_none() != self.penalty_h.is_none() && self.fixed_w.is_none() && self.fixed_h.is_none() {
            out.push("only one factor is penalized: its scale can shrink at the other's expense without changing W·H; penalize both to pin the scale".into());
        }
        out
    }
}

/// Refuses weights of penalties that are none, and an l2 penalty that solver `kind` has no descending step for.
pub(super) fn check_penalty(p: &Penalty, kind: SolverKind, loss: &Loss) -> Result<()> {
    p.check()?;
    if p.l2 > 0.0 && kind.keeps_zeros() && !loss.is_kl() && loss.beta().is_none_or(|b| b < 2.0) {
        return Err(Error::Unsupported(format!(
            "an l2 penalty has no descending multiplicative update under {loss}; it has one under kl, fro and β ≥ 2 (an l1 penalty under every loss), and solver gd takes it under every loss"
        )));
    }
    Ok(())
}

pub(crate) fn check_fixed<T: Element>(
    what: &'static str,
    f: &ArrayView2<'_, T>,
    rows: usize,
    k: usize,
    shifts: usize,
) -> Result<()> {
    if f.ncols() > k * shifts || f.ncols() == 0 {
        let given = f.ncols() as f64 / shifts as f64;
        return Err(Error::Rank { rank: k, reason: format!("{what}: {given} are given, 1 to k can be fixed") });
    }
    if !f.ncols().is_multiple_of(shifts) {
        let reason = format!("{what}: {} columns are no multiple of the {shifts} shifts", f.ncols());
        return Err(Error::Rank { rank: k, reason });
    }
    Error::check_shape(what, (rows, f.ncols()), f.dim())?;
    for ((row, col), v) in f.indexed_iter() {
        if !v.is_finite() {
            return Err(Error::NotFinite { what, row, col, value: v.f64() });
        }
        if *v < T::zero() {
            return Err(Error::Negative { what, row, col, value: v.f64() });
        }
    }
    Ok(())
}
