//! The one loop: it drives a solver, collects the objective, decides when to stop.
//!
//! The loop never waits for the device more often than [`Stop::every`] iterations. Objectives are measured by the
//! solver just before a step (where a fused pass gets them almost for free), so the value after iteration t is known
//! once iteration t+1 has been recorded, and a run that stops by `tol` has done one iteration beyond the check.

use crate::observer::{Flow, Observer, Progress};
use crate::penalty::Rule;
use crate::solver::{Measure, Model, Solver, TermsH};
use crate::stop::{Stop, Stopped};
use crate::{Backend, Element, Error, Loss, Problem, Result, Ticket, shifts};
use ndarray::Array2;
use std::collections::VecDeque;
use std::time::Instant;

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

struct Pending {
    ticket: Ticket,
    /// Every objective behind the ticket.
    points: Vec<Point>,
}

/// An objective on its way: the divergence without its offset and the penalties are still on the device.
struct Point {
    iteration: usize,
    seconds: f64,
    offset: f64,
    least: f64,
}

struct Recorder<S> {
    scalars: Vec<S>,
    points: Vec<Point>,
    pending: VecDeque<Pending>,
    per_point: usize,
    to_x: f64,
    is_beta: bool,
    known: Vec<TracePoint>,
    last_divergence: Option<f64>,
}

impl<S: Clone> Recorder<S> {
    /// A β-divergence is never negative, whatever rounding says of a sum that cancels.
    fn not_below_zero(&self, d: f64) -> f64 {
        if self.is_beta && d < 0.0 { 0.0 } else { d }
    }

    fn flush<B: Backend<Scalar = S>>(&mut self, b: &mut B) -> Result<()> {
        if !self.scalars.is_empty() {
            let ticket = b.ticket(&self.scalars)?;
            self.scalars.clear();
            self.pending.push_back(Pending { ticket, points: std::mem::take(&mut self.points) });
        }
        Ok(())
    }

    /// Takes in what has arrived; waits while more than `most` tickets are outstanding.
    fn collect<B: Backend<Scalar = S>>(&mut self, b: &mut B, most: usize) -> Result<()> {
        while let Some(front) = self.pending.front() {
            let values = if self.pending.len() > most {
                b.wait(&front.ticket)?
            } else {
                match b.poll(&front.ticket)? {
                    Some(v) => v,
                    None => return Ok(()),
                }
            };
            let Some(front) = self.pending.pop_front() else { return Ok(()) };
            for (point, v) in front.points.into_iter().zip(values.chunks(self.per_point)) {
                let Point { iteration, seconds, offset, least } = point;
                let divergence = self.not_below_zero(v[0] + offset);
                self.last_divergence = Some(divergence);
                if divergence < least {
                    continue; // its digits are gone; from here on the solver measures directly
                }
                let objective = (divergence + v[1..].iter().sum::<f64>()) * self.to_x;
                if !objective.is_finite() {
                    return Err(diverged(objective, iteration));
                }
                self.known.push(TracePoint { iteration, seconds, objective });
            }
        }
        Ok(())
    }
}

fn diverged(value: f64, iteration: usize) -> Error {
    let advice = "the numbers left the range of the precision; use --precision f64, another start or a larger floor";
    Error::Diverged { value, iteration, advice }
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
    b.scope(|b| run(b, data, problem, solver, start, plan, observer))
}

fn run<B: Backend, S: Solver<B> + ?Sized>(
    b: &mut B,
    data: &B::Data,
    problem: &Problem<'_, B::Elem>,
    solver: &mut S,
    start: &Start<B::Elem>,
    plan: &Plan,
    observer: &mut dyn Observer,
) -> Result<Run<B::Elem>> {
    plan.stop.check()?;
    let units = problem.units();
    let (rows, cols) = problem.dim();
    let k = start.h.ncols();
    let shifts = shifts::count(start.w.dim(), (rows, k))?;
    check_start(start, (rows, cols), k, shifts)?;
    let (penalty_w, penalty_h) = (plan.rule_w.penalty, plan.rule_h.penalty);
    let (w, h) = (place(b, &start.w, units.w())?, place(b, &start.h, units.h())?);
    let shifted = if shifts > 1 { Some(place(b, &Array2::zeros((cols, k * shifts)), 1.0)?) } else { None };
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
    solver.begin(b, &mut m)?;
    let mut diagnostics = None;
    let needs_kkt = plan.kkt || plan.stop.kkt_tol > 0.0;
    let kkt_start = if needs_kkt { kkt(b, &m, &mut diagnostics)? } else { 0.0 };
    b.finish()?;

    let penalties: [bool; 2] = [!penalty_w.is_none(), !penalty_h.is_none()];
    let mut rec = Recorder {
        scalars: Vec::new(),
        points: Vec::new(),
        pending: VecDeque::new(),
        per_point: 1 + penalties.iter().filter(|p| **p).count(),
        to_x: units.divergence(),
        is_beta: problem.loss().beta().is_some(),
        known: Vec::new(),
        last_divergence: None,
    };
    let stop = &plan.stop;
    let watches_objective = stop.tol > 0.0;
    let mut previous: Option<f64> = None;
    let (mut iterations, mut stopped) = (0, Stopped::MaxIter);
    let clock = Instant::now();
    while iterations < stop.max_iter {
        let at = iterations;
        let checking = watches_objective && at % stop.every == 0;
        let measure = match (checking, plan.trace_every) {
            (true, _) => Measure::Exact,
            (false, 0) if at > 0 => Measure::No,
            (false, 0) => Measure::Exact,
            (false, n) if at % n == 0 => Measure::Trace,
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
        let seconds = if at == 0 { 0.0 } else { clock.elapsed().as_secs_f64() };
        if let Some(measured) = solver.step(b, &mut m, measure)? {
            rec.scalars.push(measured.scalar);
            rec.scalars.append(&mut extra);
            rec.points.push(Point { iteration: at, seconds, offset: measured.offset, least: measured.least });
        }
        iterations += 1;
        if checking || at % stop.every == 0 {
            rec.flush(b)?;
            rec.collect(b, if checking || stop.time_limit.is_some() { 0 } else { 2 })?;
            m.last_divergence = rec.last_divergence;
        }
        if checking {
            if let (Some(p), Some(first), Some(last)) = (previous, rec.known.first(), rec.known.last())
                && p - last.objective <= stop.tol * (first.objective * last.objective).max(0.0).sqrt()
            {
                stopped = Stopped::Tol;
                break;
            }
            previous = rec.known.last().map(|p| p.objective);
        }
        if stop.kkt_tol > 0.0
            && iterations % stop.every == 0
            && kkt(b, &m, &mut diagnostics)? <= stop.kkt_tol * kkt_start
        {
            stopped = Stopped::Kkt;
            break;
        }
        let seconds = clock.elapsed().as_secs_f64();
        let flow = observer.progress(&Progress {
            restart: plan.restart.0,
            restarts: plan.restart.1,
            iteration: iterations,
            max_iter: stop.max_iter,
            seconds,
            objective: rec.known.last().map(|p| p.objective),
        });
        if flow == Flow::Stop {
            stopped = Stopped::Interrupted;
            break;
        }
        if stop.time_limit.is_some_and(|t| seconds >= t.as_secs_f64()) {
            stopped = Stopped::Time;
            break;
        }
    }
    b.finish()?;
    let seconds = clock.elapsed().as_secs_f64();

    rec.flush(b)?;
    rec.collect(b, 0)?;
    let (divergence, penalty) = final_objective(b, &m)?;
    let divergence = rec.not_below_zero(divergence) * units.divergence();
    let objective = divergence + penalty * units.divergence();
    if !objective.is_finite() {
        return Err(diverged(objective, iterations));
    }
    let kkt_residual = if needs_kkt {
        let end = kkt(b, &m, &mut diagnostics)?;
        Some(if kkt_start > 0.0 { end / kkt_start } else { 0.0 })
    } else {
        None
    };
    let (wx, hx) = (fetch(b, &m.w, units.w())?, fetch(b, &m.h, units.h())?);
    if iterations > 0 || rec.known.is_empty() {
        let seconds = if iterations == 0 { 0.0 } else { seconds };
        rec.known.push(TracePoint { iteration: iterations, seconds, objective });
    }
    if plan.trace_every != 1 {
        // checks measured more often than was asked for
        let every = plan.trace_every;
        rec.known.retain(|p| p.iteration == 0 || p.iteration == iterations || (every > 0 && p.iteration % every == 0));
    }
    Ok(Run { w: wx, h: hx, trace: rec.known, iterations, stopped, divergence, objective, kkt_residual, seconds })
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
