//! Weights of new rows under a given H.

use super::Nmf;
use super::check::{check_fixed, check_penalty};
use crate::fit::{Plan, Start, fit};
use crate::observer::Silent;
use crate::solver::{SolverKind, SolverOptions};
use crate::stop::Stop;
use crate::{Backend, Element, Error, Loss, MatrixRef, Observed, Penalty, Problem, Result, RowMethod, Rule};
use ndarray::{Array2, ArrayView2};

/// W (rows × k) for new rows X given H (k×n) and a loss: the half of a factorization that has one optimum.
///
/// For the Frobenius loss the exact non-negative least-squares solution; for the others multiplicative updates
/// from a flat start until the objective no longer falls by `tol`, at most `max_iter` times.
pub fn transform<'a, B: Backend>(
    b: &mut B,
    x: impl Into<MatrixRef<'a, B::Elem>>,
    h: ArrayView2<'_, B::Elem>,
    loss: &Loss,
    penalty: Penalty,
    observed: Observed,
    stop: &Stop,
) -> Result<Array2<B::Elem>> {
    let x = x.into();
    // the weights were those of the rows of the fit: new rows are fully known
    let observed = if observed == Observed::Weighted { Observed::All } else { observed };
    let rows = x.dim().0;
    let problem = match Problem::new(x, loss.clone(), observed) {
        // rows of zeros need no part at all
        Err(Error::AllZero) if loss.allows_zero() => return Ok(Array2::zeros((rows, h.nrows()))),
        other => other?,
    };
    let (m, n) = problem.dim();
    let k = h.nrows();
    check_penalty(&penalty, if loss.is_fro() { SolverKind::EHals } else { SolverKind::Mu }, loss)?;
    check_fixed("H (transposed)", &h.t(), n, k, 1)?;
    let units = problem.units();
    let data = problem.upload(b)?;
    if loss.is_fro() && observed == Observed::All {
        // W of the device = W of X / units.w, H of the device = H of X / units.h
        let to_h = B::Elem::of(1.0 / units.h());
        let other = b.factor(h.t().mapv(|v| v * to_h).view())?;
        let mut w = b.factor(Array2::<B::Elem>::zeros((m, k)).view())?;
        let mut a = b.factor(Array2::<B::Elem>::zeros((m, k)).view())?;
        let mut g = b.new_gram(k)?;
        b.cross(&data, crate::Side::Rows, &other, &mut a)?;
        b.gram(&other, &mut g)?;
        let rule = Rule { penalty: units.penalty(penalty, units.w()), ..Rule::for_loss(loss) };
        b.least_squares(RowMethod::BlockPivoting, &a, &g, &mut w, &rule)?;
        let unit = B::Elem::of(units.w());
        let mut out = b.read(&w)?;
        out.mapv_inplace(|v| v * unit);
        return Ok(out);
    }
    // a flat start at the right level: every row's model sums to about the row's mean
    let level = problem.mean() / (h.iter().map(|v| v.f64()).sum::<f64>() / n as f64).max(f64::MIN_POSITIVE);
    let start = Start { w: Array2::from_elem((m, k), B::Elem::of(level)), h: h.t().to_owned() };
    let nmf =
        Nmf::new(k).loss(loss.clone()).penalty_w(penalty).fix_h(h.to_owned()).observed(observed).stop(stop.clone());
    let mut solver = SolverKind::Mu.build(b, (m, n), k, &SolverOptions::default(), &units)?;
    let plan = Plan { trace_every: 0, ..nmf.plan(0) };
    Ok(fit(b, &data, &problem, &mut *solver, &start, &plan, &mut Silent)?.w)
}
