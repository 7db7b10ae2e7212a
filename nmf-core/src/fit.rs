//! The one loop: it drives a solver, collects the objective, decides when to stop.
//!
//! The loop never waits for the device more often than [`Stop::every`] iterations. Objectives are measured by the
//! solver just before a step (where a fused pass gets them almost for free), so the value after iteration t is known
//! once iteration t+1 has been recorded, and a run that stops by `tol` has done one iteration beyond the check.

mod recorder;
mod state;

use crate::observer::{Flow, Observer, Progress};
use crate::penalty::Rule;
use crate::snapshot::{Keeper, Snapshot};
use crate::solver::{Measure, Model, Solver, TermsH};
use crate::stop::{Stop, Stopped};
use crate::{Backend, Element, Error, Loss, Problem, Result, shifts};
use ndarray::Array2;
use recorder::Recorder;
pub(crate) use recorder::diverged;
pub(crate) use recorder::{get_trace, put_trace};
use state::{Reached, State};

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
    /// Where this state of a run of that rank and number of shifts was kept.
    Snapshot { of_run: &'a Snapshot<T>, rank: usize, shifts: usize },
}

impl<T: Element> Origin<'_, T> {
    /// W and H on the device.
    fn place<B: Backend<Elem = T>>(&self, b: &mut B, problem: &Problem<'_, T>) -> Result<(B::Factor, B::Factor)> {
        let (rows, cols) = problem.dim();
        match *self {
            Origin::Start(start) => {
                let k = start.h.ncols();
                let shifts = shifts::count(start.w.dim(), (rows, k))?;
                check_start(start, (rows, cols), k, shifts)?;
                let units = problem.units();
                Ok((place(b, &start.w, units.w())?, place(b, &start.h, units.h())?))
            }
            // in the device's units already
            Origin::Snapshot { of_run, rank, shifts } => Ok((
                b.factor(of_run.matrix("w", (rows, rank * shifts))?)?,
                b.factor(of_run.matrix("h", (cols, rank))?)?,
            )),
        }
    }
}

/// Puts a start on the device, in the device's units.
fn place<B: Backend>(b: &mut B, a: &Array2<B::Elem>, unit: f64) -> Result<B::Factor> {
    let unit = B::Elem::of(1.0 / unit);
    b.factor(a.mapv(|v| v * unit).view())
}

/// Reads a factor back into the units of X.
fn fetch<B: Backend>(b: &mut B, f: &B::Factor, unit: f64) -> Result<Array2<B::Elem>> {
    let unit = B::Elem::of(unit);
    let mut a = b.read(f)?;
    a.mapv_inplace(|v| v * unit);
    Ok(a)
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
    b.scope(|b| run(b, data, problem, solver, origin, plan, observer, keeper, &mut reached))
        .map_err(|e| reached.explain(e, plan.restart))
}

fn run<B: Backend, S: Solver<B> + ?Sized>(
    b: &mut B,
    data: &B::Data,
    problem: &Problem<'_, B::Elem>,
    solver: &mut S,
    origin: Origin<'_, B::Elem>,
    plan: &Plan,
    observer: &mut dyn Observer,
    mut keeper: Option<&mut dyn Keeper<B::Elem>>,
    reached: &mut Reached,
) -> Result<Run<B::Elem>> {
    plan.stop.check()?;
    let units = problem.units();
    let (rows, cols) = problem.dim();
    let (penalty_w, penalty_h) = (plan.rule_w.penalty, plan.rule_h.penalty);
    let (w, h) = origin.place(b, problem)?;
    let shifts = shifts::count(b.dim(&w), (rows, b.dim(&h).1))?;
    let shifted = if shifts > 1 { Some(place(b, &Array2::zeros((cols, b.dim(&w).1)), 1.0)?) } else { None };
    let stats = problem.stats();
    let mut m: Model<'_, B> = Model {
        data,
        loss: problem.loss(),
        w,
        h,
        shifted,
        rule_w: Rule { penalty: units.penalty(penalty_w, units.w()), ..plan.rule_w },
        rule_h: Rule { penalty: units.penalty(penalty_h, units.h()), ..plan.rule_h },
        rows,
        cols,
        stored: stats.stored,
        half_norm: 0.5 * stats.sum_squares * units.data() * units.data(),
        last_divergence: None,
    };
    m.unfold(b)?;
    let penalties: [bool; 2] = [!penalty_w.is_none(), !penalty_h.is_none()];
    let mut at = State::new(Recorder::new(problem, penalties));
    let mut diagnostics = None;
    let needs_kkt = plan.kkt || plan.stop.kkt_tol > 0.0;
    match origin {
        Origin::Start(_) => {
            solver.begin(b, &mut m)?;
            at.kkt_start = if needs_kkt { kkt(b, &m, &mut diagnostics)? } else { 0.0 };
        }
        Origin::Snapshot { of_run, .. } => {
            solver.restore(b, &m, &of_run.part("solver"))?;
            at.restore(of_run)?;
            m.last_divergence = at.rec.settled();
        }
    }
    b.finish()?;

    let stop = &plan.stop;
    let watches_objective = stop.tol > 0.0;
    // What a solver learns of the objective must not depend on how fast the device happens to be, nor on who else asked for it
    // meanwhile: behind an asynchronous device it is as old as may be still on its way.
    let lag = if watches_objective || !b.info().asynchronous { 0 } else { stop.every.saturating_mul(2) };
    let mut unsaved = matches!(origin, Origin::Start(_));
    reached.iterations = Some(at.iterations);
    at.clock.start();
    let stopped = loop {
        // asked between iterations, so that a run that goes on from here gets the same answer
        let seconds = at.clock.seconds();
        if let Some(why) = at.ended {
            break why;
        }
        if at.iterations > 0 && stop.time_limit.is_some_and(|t| seconds >= t.as_secs_f64()) {
            break Stopped::Time;
        }
        if at.iterations >= stop.max_iter {
            break Stopped::MaxIter;
        }
        let i = at.iterations;
        let checking = watches_objective && i % stop.every == 0;
        let measure = match (checking, plan.trace_every) {
            (true, _) => Measure::Exact,
            (false, 0) if i > 0 => Measure::No,
            (false, 0) => Measure::Exact,
            (false, n) if i % n == 0 => Measure::Trace,
            _ => Measure::No,
        };
        let mut extra = Vec::new();
        if measure != Measure::No {
            if penalties[0] {
                extra.push(b.penalty(&m.w, &m.rule_w.penalty)?);
            }
            if penalties[1] {
                extra.push(b.penalty(&m.h, &m.rule_h.penalty)?);
            }
        }
        if let Some(measured) = solver.step(b, &mut m, measure)? {
            at.rec.push(measured, extra, i, if i == 0 { 0.0 } else { seconds });
        }
        at.iterations += 1;
        reached.iterations = Some(at.iterations);
        unsaved = true;
        if i % stop.every == 0 {
            at.rec.flush(b)?;
            let told = i.checked_sub(lag);
            at.rec.collect(b, if stop.time_limit.is_some() { Some(i) } else { told })?;
            m.last_divergence = at.rec.settle(told);
        }
        if checking && at.rec.has_settled_down(&mut at.previous, stop.tol) {
            at.ended = Some(Stopped::Tol);
            continue;
        }
        if stop.kkt_tol > 0.0
            && at.iterations % stop.every == 0
            && kkt(b, &m, &mut diagnostics)? <= stop.kkt_tol * at.kkt_start
        {
            at.ended = Some(Stopped::Kkt);
            continue;
        }
        let progress = Progress {
            restart: plan.restart.0,
            restarts: plan.restart.1,
            iteration: at.iterations,
            max_iter: stop.max_iter,
            seconds: at.clock.seconds(),
            objective: at.rec.known().last().map(|p| p.objective),
        };
        if observer.progress(&progress) == Flow::Stop {
            break Stopped::Interrupted;
        }
        if let Some(keeper) = keeper.as_deref_mut()
            && keeper.due(&progress)
        {
            at.keep(b, &m, solver, keeper)?;
            reached.kept = Some(at.iterations);
            unsaved = false;
        }
    };
    b.finish()?;
    let last = plan.restart.0 + 1 >= plan.restart.1 || stopped == Stopped::Interrupted;
    if let Some(keeper) = keeper.filter(|_| unsaved && last) {
        at.keep(b, &m, solver, keeper)?;
        reached.kept = Some(at.iterations);
    }
    let (iterations, seconds, mut rec) = (at.iterations, at.clock.seconds(), at.rec);

    rec.flush(b)?;
    rec.collect(b, Some(usize::MAX))?;
    let (divergence, penalty) = final_objective(b, &m)?;
    let divergence = rec.not_below_zero(divergence) * units.divergence();
    let objective = divergence + penalty * units.divergence();
    if !objective.is_finite() {
        return Err(diverged(objective, iterations));
    }
    let kkt_residual = if needs_kkt {
        let end = kkt(b, &m, &mut diagnostics)?;
        Some(if at.kkt_start > 0.0 { end / at.kkt_start } else { 0.0 })
    } else {
        None
    };
    let (wx, hx) = (fetch(b, &m.w, units.w())?, fetch(b, &m.h, units.h())?);
    let mut trace = rec.into_known();
    if iterations > 0 || trace.is_empty() {
        let seconds = if iterations == 0 { 0.0 } else { seconds };
        trace.push(TracePoint { iteration: iterations, seconds, objective });
    }
    if plan.trace_every != 1 {
        // checks measured more often than was asked for
        let every = plan.trace_every;
        trace.retain(|p| p.iteration == 0 || p.iteration == iterations || (every > 0 && p.iteration % every == 0));
    }
    Ok(Run { w: wx, h: hx, trace, iterations, stopped, divergence, objective, kkt_residual, seconds })
}

/// Divergence and penalties of the model, in the device's units.
fn final_objective<B: Backend>(b: &mut B, m: &Model<'_, B>) -> Result<(f64, f64)> {
    let scalars = [
        b.divergence(m.loss, m.data, &m.w, m.right())?,
        b.penalty(&m.w, &m.rule_w.penalty)?,
        b.penalty(&m.h, &m.rule_h.penalty)?,
    ];
    let ticket = b.ticket(&scalars)?;
    let v = b.wait(&ticket)?;
    Ok((v.first().copied().unwrap_or(f64::NAN), v.iter().skip(1).sum()))
}

/// ‖(min(W,∇W), min(H,∇H))‖ over what is free, in the device's units. `scratch` keeps the buffers between calls.
fn kkt<B: Backend>(b: &mut B, m: &Model<'_, B>, scratch: &mut Option<(B::Terms, TermsH<B>)>) -> Result<f64> {
    if scratch.is_none() {
        let wide = b.dim(&m.w).1;
        *scratch = Some((b.new_terms(m.rows, wide)?, TermsH::for_model(b, m)?));
    }
    let Some((tw, th)) = scratch.as_mut() else { return Ok(0.0) };
    let mut parts = Vec::new();
    if m.w_is_free(b) {
        m.terms_w(b, tw)?;
        parts.push(b.kkt(tw, &m.w, &m.rule_w)?);
    }
    if m.h_is_free(b) {
        m.terms_h(b, th)?;
        parts.push(b.kkt(th.get(), &m.h, &m.rule_h)?);
    }
    let ticket = b.ticket(&parts)?;
    Ok(b.wait(&ticket)?.iter().sum::<f64>().sqrt())
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
