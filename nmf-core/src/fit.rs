//! What a run is, and the ways to start one. The loop itself is in `run.rs`: it drives a solver, collects the objective, decides when to stop.
//!
//! The loop never waits for the device more often than [`Stop::every`] iterations. Objectives are measured by the
//! solver just before a step (where a fused pass gets them almost for free), so the value after iteration t is known
//! once iteration t+1 has been recorded, and a run that stops by `tol` has done one iteration beyond the check.

mod recorder;
mod run;
mod state;

use crate::observer::Observer;
use crate::penalty::Rule;
use crate::snapshot::{Keeper, Snapshot};
use crate::solver::Solver;
use crate::stop::{Stop, Stopped};
use crate::{Backend, Element, Error, Loss, Problem, Result, shifts};
use ndarray::Array2;
pub(crate) use recorder::diverged;
pub(crate) use recorder::{get_trace, put_trace};
pub(crate) use run::Done;
use run::{Task, run};
use state::Reached;
use std::sync::Mutex;

/// W (m×k) and H (n×k, transposed) to start from, in the units of X.
#[derive(Debug, Clone, PartialEq)]
pub struct Start<T> {
    /// W, m×k; m × k·L for a convolutive model with L shifts ([`crate::shifts`]).
    pub w: Array2<T>,
    /// H, n×k.
    pub h: Array2<T>,
}

/// One row of the objective trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TracePoint {
    /// Iterations done.
    pub iteration: usize,
    /// Seconds spent until then (0 for the start).
    pub seconds: f64,
    /// Divergence plus penalties, in the units of X.
    pub objective: f64,
}

/// What a run is about, apart from X: who may change, how, and what is recorded.
#[derive(Debug, Clone)]
pub struct Plan {
    /// For W, in the units of X.
    pub rule_w: Rule,
    /// For H, in the units of X.
    pub rule_h: Rule,
    /// When to stop.
    pub stop: Stop,
    /// Record the objective every so many iterations; 0: only at the start and the end.
    pub trace_every: usize,
    /// Also compute the KKT residual at the start and the end.
    pub kkt: bool,
    /// This run's number and how many there will be, for observers.
    pub restart: (usize, usize),
}

/// What came out of one run, in the units of X.
#[derive(Debug, Clone)]
pub struct Run<T> {
    /// W, m×k, or m × k·L.
    pub w: Array2<T>,
    /// H transposed, n×k.
    pub h: Array2<T>,
    /// Objective over the iterations; the first row is the start, the last one the result.
    pub trace: Vec<TracePoint>,
    /// Iterations done.
    pub iterations: usize,
    /// Why it ended.
    pub stopped: Stopped,
    /// Σ d(x, v) at the end.
    pub divergence: f64,
    /// Divergence plus penalties at the end.
    pub objective: f64,
    /// ‖(min(W,∇W), min(H,∇H))‖ at the end over its value at the start; `None` unless asked for.
    pub kkt_residual: Option<f64>,
    /// Seconds spent iterating (diagnostics before and after are not counted).
    pub seconds: f64,
}

/// Where a run begins.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a, T> {
    /// At its first iteration.
    Start(&'a Start<T>),
    /// The same for a run that is alone: what is taken from here is freed as soon as the device has it, since large factors weigh
    /// as much as X.
    Once(&'a Mutex<Option<Start<T>>>),
    /// Where this state of a run of that rank and number of shifts was kept.
    Snapshot { of_run: &'a Snapshot<T>, rank: usize, shifts: usize },
}

/// Puts a start on the device, in the device's units.
fn place<B: Backend>(b: &mut B, a: &Array2<B::Elem>, unit: f64) -> Result<B::Factor> {
    let unit = B::Elem::of(1.0 / unit);
    b.factor(a.mapv(|v| v * unit).view())
}

/// Refuses starts of the wrong shape and with entries that are negative or not finite. `shifts` is L, 1 for a plain model.
pub fn check_start<T: Element>(start: &Start<T>, dim: (usize, usize), k: usize, shifts: usize) -> Result<()> {
    for (what, a, dim) in [("W0", &start.w, (dim.0, k * shifts)), ("H0 (transposed)", &start.h, (dim.1, k))] {
        Error::check_shape(what, dim, a.dim())?;
        for ((row, col), v) in a.indexed_iter() {
            if !v.is_finite() {
                return Err(Error::NotFinite { what, row, col, value: v.f64() });
            }
            if *v < T::zero() {
                return Err(Error::Negative { what, row, col, value: v.f64() });
            }
        }
    }
    Ok(())
}

/// Runs `solver` from `start` until a rule of `plan.stop` is met.
///
/// `data` is X as uploaded with [`Problem::units`]; `problem` is what it was uploaded from.
pub fn fit<B: Backend, S: Solver<B> + ?Sized>(
    b: &mut B,
    data: &B::Data,
    problem: &Problem<'_, B::Elem>,
    solver: &mut S,
    start: &Start<B::Elem>,
    plan: &Plan,
    observer: &mut dyn Observer,
) -> Result<Run<B::Elem>> {
    fit_kept(b, data, problem, solver, Origin::Start(start), plan, observer, None)
}

/// The same from anywhere; snapshots of the run go to `keeper`, if there is one.
pub(crate) fn fit_kept<B: Backend, S: Solver<B> + ?Sized>(
    b: &mut B,
    data: &B::Data,
    problem: &Problem<'_, B::Elem>,
    solver: &mut S,
    origin: Origin<'_, B::Elem>,
    plan: &Plan,
    observer: &mut dyn Observer,
    keeper: Option<&mut dyn Keeper<B::Elem>>,
) -> Result<Run<B::Elem>> {
    let mut reached = Reached::default();
    let mut only = None;
    let mut done = |_: &mut B, _, run| {
        only = Some(run);
        Ok(())
    };
    let task = Task { data, problem, plan, origins: &[origin] };
    b.scope(|b| run(b, &task, solver, observer, keeper, &mut reached, &mut done))
        .map_err(|e| reached.explain(e, plan.restart))?;
    only.ok_or_else(|| Error::Device("a run came to no end".into()))
}

/// Runs one solver from several starts side by side, in a batch that `b` is in already ([`Backend::in_batch`]); `plan.restart` counts from the
/// first of them. Each run that has come to its end goes to `done` with its number. Runs do not know of each other: each is what
/// it would be alone, but that the objectives between checks may be summed directly for all where one needs it.
pub(crate) fn fit_batch<B: Backend, S: Solver<B> + ?Sized>(
    b: &mut B,
    data: &B::Data,
    problem: &Problem<'_, B::Elem>,
    solver: &mut S,
    starts: &[Start<B::Elem>],
    plan: &Plan,
    observer: &mut dyn Observer,
    done: Done<'_, B>,
) -> Result<()> {
    let mut reached = Reached::default();
    let origins: Vec<_> = starts.iter().map(Origin::Start).collect();
    let task = Task { data, problem, plan, origins: &origins };
    run(b, &task, solver, observer, None, &mut reached, done).map_err(|e| reached.explain(e, plan.restart))
}

/// The divergence of given factors (W m×k, H n×k, in the units of X; or W m × k·L, see [`crate::shifts`]) under any loss, X already uploaded.
pub fn divergence<B: Backend>(
    b: &mut B,
    data: &B::Data,
    problem: &Problem<'_, B::Elem>,
    loss: &Loss,
    start: &Start<B::Elem>,
) -> Result<f64> {
    let units = problem.units();
    let shifts = shifts::count(start.w.dim(), (start.w.nrows(), start.h.ncols()))?;
    let (w, h) = (place(b, &start.w, units.w())?, place(b, &shifts::unfold(&start.h.view(), shifts), units.h())?);
    let s = b.divergence(loss, data, &w, &h)?;
    let scale = loss.scaling(1.0 / units.data()).unwrap_or(1.0);
    Ok(b.value(&s)? * scale)
}
