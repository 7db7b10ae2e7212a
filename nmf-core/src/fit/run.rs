//! The one loop, for one run or several side by side.
//!
//! Runs side by side are one solver on factors that have a part for each of them ([`Backend::in_batch`]). All are at the same
//! iteration; each is measured, told and ended by itself, and leaves when it has come to its end.

use super::recorder::{Post, Recorder};
use super::state::{Clock, Reached, State};
use super::{Origin, Plan, Run, Start, TracePoint, check_start, diverged, place};
use crate::observer::{Flow, Observer, Progress};
use crate::penalty::Rule;
use crate::snapshot::Keeper;
use crate::solver::{Measure, Model, Solver, TermsH};
use crate::stop::Stopped;
use crate::{Backend, Element, Error, Problem, Result, shifts};
use ndarray::Array2;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is to be run: all runs under one plan.
pub(super) struct Task<'a, 'x, B: Backend> {
    pub(super) data: &'a B::Data,
    pub(super) problem: &'a Problem<'x, B::Elem>,
    pub(super) plan: &'a Plan,
    pub(super) origins: &'a [Origin<'a, B::Elem>],
}

/// Takes over a run that has come to its end.
pub(crate) type Done<'a, B> = &'a mut dyn FnMut(&mut B, usize, Run<<B as Backend>::Elem>) -> Result<()>;

pub(super) fn run<B: Backend, S: Solver<B> + ?Sized>(
    b: &mut B,
    task: &Task<'_, '_, B>,
    solver: &mut S,
    observer: &mut dyn Observer,
    mut keeper: Option<&mut dyn Keeper<B::Elem>>,
    reached: &mut Reached,
    done: Done<'_, B>,
) -> Result<()> {
    let Task { problem, plan, origins, .. } = *task;
    let stop = &plan.stop;
    stop.check()?;
    let mut m = task.model(b)?;
    let penalties: [bool; 2] = [!plan.rule_w.penalty.is_none(), !plan.rule_h.penalty.is_none()];
    let mut post = Post::new(penalties);
    let mut recs: Vec<Recorder> = origins.iter().map(|_| Recorder::new(problem)).collect();
    let mut states: Vec<State> = origins.iter().map(|_| State::default()).collect();
    let mut active: Vec<usize> = (0..origins.len()).collect();
    let mut diagnostics = None;
    let needs_kkt = plan.kkt || stop.kkt_tol > 0.0;
    let resumed = match origins {
        [Origin::Snapshot { of_run, .. }] => Some(*of_run),
        _ => None,
    };
    match (resumed, &mut states[..], &mut recs[..]) {
        (Some(of_run), [state], [rec]) => {
            solver.restore(b, &m, &of_run.part("solver"))?;
            state.restore(of_run, rec)?;
            m.last_divergence = rec.settled();
        }
        _ => {
            solver.begin(b, &mut m)?;
            if needs_kkt {
                let start = kkt(b, &m, &active, &mut diagnostics)?;
                states.iter_mut().zip(start).for_each(|(state, kkt)| state.kkt_start = kkt);
            }
        }
    }
    b.finish()?;

    let watches_objective = stop.tol > 0.0;
    // What a solver learns of the objective must not depend on how fast the device happens to be, nor on who else asked for it
    // meanwhile: behind an asynchronous device it is as old as may be still on its way.
    let lag = if watches_objective || !b.info().asynchronous { 0 } else { stop.every.saturating_mul(2) };
    let mut unsaved = resumed.is_none();
    let mut i = states.first().map_or(0, |s| s.iterations);
    reached.iterations = Some(i);
    let mut clock = Clock::default();
    clock.start();
    let mut interrupted = false;
    loop {
        // asked between iterations, so that a run that goes on from here gets the same answer
        clock.share(&mut states, &active);
        let why = |state: &State| match state.ended {
            Some(why) => Some(why),
            None if interrupted => Some(Stopped::Interrupted),
            None if i > 0 && stop.time_limit.is_some_and(|t| state.seconds >= t.as_secs_f64()) => Some(Stopped::Time),
            None => (i >= stop.max_iter).then_some(Stopped::MaxIter),
        };
        let ended: Vec<(usize, Stopped)> = active.iter().filter_map(|&r| Some((r, why(&states[r])?))).collect();
        if !ended.is_empty() {
            b.finish()?;
            clock.share(&mut states, &active);
            let last = plan.restart.0 + 1 >= plan.restart.1 || interrupted;
            let wanted = keeper.as_deref_mut().filter(|k| unsaved && last && k.wants_the_last());
            if let (Some(keeper), [(run, _)]) = (wanted, &ended[..]) {
                states[*run].keep(b, &m, solver, (&mut post, &mut recs[*run]), keeper)?;
                reached.kept = Some(i);
            }
            post.flush(b)?;
            post.collect(b, Some(usize::MAX), &mut recs)?;
            let runs: Vec<usize> = ended.iter().map(|e| e.0).collect();
            b.members(&runs)?;
            for (run, result) in task.ends(b, &m, &ended, &states, &mut recs, &mut diagnostics)? {
                done(b, run, result)?;
            }
            active.retain(|r| !runs.contains(r));
            if active.is_empty() {
                return Ok(());
            }
            b.members(&active)?;
            clock.start();
        }
        let checking = watches_objective && i.is_multiple_of(stop.every);
        let measure = match (checking, plan.trace_every) {
            (true, _) => Measure::Exact,
            (false, 0) if i > 0 => Measure::No,
            (false, 0) => Measure::Exact,
            (false, n) if i.is_multiple_of(n) => Measure::Trace,
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
            for &run in &active {
                let extra = extra.iter().map(|s| b.scalar_of(s, run)).collect();
                let seconds = if i == 0 { 0.0 } else { states[run].seconds };
                post.push(run, measured.map(|s| b.scalar_of(s, run)), extra, i, seconds);
            }
        }
        active.iter().for_each(|&run| states[run].iterations += 1);
        i += 1;
        reached.iterations = Some(i);
        unsaved = true;
        let before = i - 1;
        if before.is_multiple_of(stop.every) {
            post.flush(b)?;
            let told = before.checked_sub(lag);
            post.collect(b, if stop.time_limit.is_some() { Some(before) } else { told }, &mut recs)?;
            // a solver decides for all runs at once: by the one that is nearest to an exact fit
            let told: Option<Vec<f64>> = active.iter().map(|&run| recs[run].settle(told)).collect();
            m.last_divergence = told.and_then(|all| all.into_iter().reduce(f64::min));
        }
        if checking {
            for &run in &active {
                let State { previous, ended, .. } = &mut states[run];
                if recs[run].has_settled_down(previous, stop.tol) {
                    *ended = Some(Stopped::Tol);
                }
            }
        }
        if stop.kkt_tol > 0.0 && i.is_multiple_of(stop.every) {
            let now = kkt(b, &m, &active, &mut diagnostics)?;
            for (&run, now) in active.iter().zip(now) {
                let State { kkt_start, ended, .. } = &mut states[run];
                if ended.is_none() && now <= stop.kkt_tol * *kkt_start {
                    *ended = Some(Stopped::Kkt);
                }
            }
        }
        let Some(&first) = active.iter().find(|r| states[**r].ended.is_none()) else { continue };
        clock.share(&mut states, &active);
        let progress = Progress {
            restart: plan.restart.0 + (origins.len() - active.len()),
            restarts: plan.restart.1,
            side_by_side: active.len(),
            iteration: i,
            max_iter: stop.max_iter,
            seconds: states[first].seconds,
            objective: recs[first].known().last().map(|p| p.objective),
        };
        if observer.progress(&progress) == Flow::Stop {
            interrupted = true;
            continue;
        }
        if let Some(keeper) = keeper.as_deref_mut()
            && keeper.due(&progress)
        {
            // the work until here is the run's own
            post.flush(b)?;
            post.collect(b, Some(usize::MAX), &mut recs)?;
            b.finish()?;
            clock.share(&mut states, &active);
            states[first].keep(b, &m, solver, (&mut post, &mut recs[first]), keeper)?;
            clock.start();
            reached.kept = Some(i);
            unsaved = false;
        }
    }
}

impl<B: Backend> Task<'_, '_, B> {
    /// W and H on the device, in its units, and what a solver asks about them.
    fn model<'s>(&'s self, b: &mut B) -> Result<Model<'s, B>> {
        let Task { problem, plan, origins, .. } = self;
        let ((rows, cols), units, stats) = (problem.dim(), problem.units(), problem.stats());
        let (w, h) = match origins {
            [only] => only.place(b, problem)?,
            many => {
                let k = many.iter().map(Origin::rank).max().unwrap_or(0);
                let empty = |n| Array2::<B::Elem>::zeros((n, k));
                let (mut w, mut h) = (b.factor(empty(rows).view())?, b.factor(empty(cols).view())?);
                for (run, origin) in many.iter().enumerate() {
                    origin.place_in(b, problem, run, (&mut w, &mut h))?;
                }
                (w, h)
            }
        };
        let shifts = shifts::count(b.dim(&w), (rows, b.dim(&h).1))?;
        let shifted = if shifts > 1 { Some(place(b, &Array2::zeros((cols, b.dim(&w).1)), 1.0)?) } else { None };
        let rule = |rule: &Rule, unit| Rule { penalty: units.penalty(rule.penalty, unit), ..*rule };
        let mut m = Model {
            data: self.data,
            loss: problem.loss(),
            w,
            h,
            shifted,
            rule_w: rule(&plan.rule_w, units.w()),
            rule_h: rule(&plan.rule_h, units.h()),
            rows,
            cols,
            stored: stats.stored,
            half_norm: 0.5 * stats.sum_squares * units.data() * units.data(),
            last_divergence: None,
        };
        m.unfold(b)?;
        Ok(m)
    }

    /// The results of these runs, the only members of their batch now; everything measured of them has arrived.
    fn ends(
        &self,
        b: &mut B,
        m: &Model<'_, B>,
        ended: &[(usize, Stopped)],
        states: &[State],
        recs: &mut [Recorder],
        diagnostics: &mut Option<(B::Terms, TermsH<B>)>,
    ) -> Result<Vec<(usize, Run<B::Elem>)>> {
        let (units, plan) = (self.problem.units(), self.plan);
        let runs: Vec<usize> = ended.iter().map(|e| e.0).collect();
        let objectives = final_objectives(b, m, &runs)?;
        let kkts = if plan.kkt || plan.stop.kkt_tol > 0.0 { Some(kkt(b, m, &runs, diagnostics)?) } else { None };
        let mut all = Vec::with_capacity(ended.len());
        for (place, (&(run, stopped), (divergence, penalty))) in ended.iter().zip(objectives).enumerate() {
            let State { iterations, seconds, kkt_start, .. } = states[run];
            let rec = &mut recs[run];
            let divergence = rec.not_below_zero(divergence) * units.divergence();
            let objective = divergence + penalty * units.divergence();
            if !objective.is_finite() {
                return Err(diverged(objective, iterations));
            }
            let kkt_end = kkts.as_ref().and_then(|kkts| kkts.get(place).copied());
            let kkt_residual = kkt_end.map(|end| if kkt_start > 0.0 { end / kkt_start } else { 0.0 });
            let (w, h) = (fetch(b, &m.w, run, units.w())?, fetch(b, &m.h, run, units.h())?);
            let mut trace = rec.take_known();
            if iterations > 0 || trace.is_empty() {
                let seconds = if iterations == 0 { 0.0 } else { seconds };
                trace.push(TracePoint { iteration: iterations, seconds, objective });
            }
            if plan.trace_every != 1 {
                // checks measured more often than was asked for
                let every = plan.trace_every;
                let wanted = |i: usize| i == 0 || i == iterations || (every > 0 && i.is_multiple_of(every));
                trace.retain(|p| wanted(p.iteration));
            }
            all.push((run, Run { w, h, trace, iterations, stopped, divergence, objective, kkt_residual, seconds }));
        }
        Ok(all)
    }
}

impl<T: Element> Origin<'_, T> {
    /// Columns of H.
    fn rank(&self) -> usize {
        match *self {
            Origin::Start(start) => start.h.ncols(),
            // of a batch alone the rank is asked
            Origin::Once(start) => lock(start).as_ref().map_or(0, |s| s.h.ncols()),
            Origin::Snapshot { rank, .. } => rank,
        }
    }

    /// W and H of a run that is alone.
    fn place<B: Backend<Elem = T>>(&self, b: &mut B, problem: &Problem<'_, T>) -> Result<(B::Factor, B::Factor)> {
        let (rows, cols) = problem.dim();
        match *self {
            Origin::Start(start) => place_start(b, start, problem),
            Origin::Once(start) => {
                let start = lock(start).take();
                let start = start.ok_or_else(|| Error::Device("a start is there for one run, not for two".into()))?;
                place_start(b, &start, problem)
            }
            // in the device's units already
            Origin::Snapshot { of_run, rank, shifts } => Ok((
                b.factor(of_run.matrix("w", (rows, rank * shifts))?)?,
                b.factor(of_run.matrix("h", (cols, rank))?)?,
            )),
        }
    }

    /// Its part of W and H of a batch.
    fn place_in<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        problem: &Problem<'_, T>,
        run: usize,
        (w, h): (&mut B::Factor, &mut B::Factor),
    ) -> Result<()> {
        let Origin::Start(start) = *self else {
            return Err(Error::Unsupported("a snapshot or a start that is freed goes alone, not in a batch".into()));
        };
        check_start(start, problem.dim(), start.h.ncols(), 1)?;
        let units = problem.units();
        for (f, values, unit) in [(w, &start.w, units.w()), (h, &start.h, units.h())] {
            let unit = T::of(1.0 / unit);
            b.write_of(f, run, values.mapv(|v| v * unit).view())?;
        }
        Ok(())
    }
}

/// A start on the device.
fn place_start<B: Backend>(
    b: &mut B,
    start: &Start<B::Elem>,
    problem: &Problem<'_, B::Elem>,
) -> Result<(B::Factor, B::Factor)> {
    let (rows, cols) = problem.dim();
    let k = start.h.ncols();
    let shifts = shifts::count(start.w.dim(), (rows, k))?;
    check_start(start, (rows, cols), k, shifts)?;
    let units = problem.units();
    Ok((place(b, &start.w, units.w())?, place(b, &start.h, units.h())?))
}

fn lock<T>(start: &Mutex<Option<Start<T>>>) -> MutexGuard<'_, Option<Start<T>>> {
    start.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a run's part of a factor back into the units of X.
fn fetch<B: Backend>(b: &mut B, f: &B::Factor, run: usize, unit: f64) -> Result<Array2<B::Elem>> {
    let unit = B::Elem::of(unit);
    let mut a = b.read_of(f, run)?;
    a.mapv_inplace(|v| v * unit);
    Ok(a)
}

/// Divergence and penalties of each of these runs, in the device's units.
fn final_objectives<B: Backend>(b: &mut B, m: &Model<'_, B>, runs: &[usize]) -> Result<Vec<(f64, f64)>> {
    let scalars = [
        b.divergence(m.loss, m.data, &m.w, m.right())?,
        b.penalty(&m.w, &m.rule_w.penalty)?,
        b.penalty(&m.h, &m.rule_h.penalty)?,
    ];
    let values = of_runs(b, &scalars, runs)?;
    Ok(values.iter().map(|v| (v.first().copied().unwrap_or(f64::NAN), v.iter().skip(1).sum())).collect())
}

/// What these numbers are for each run. Waits.
fn of_runs<B: Backend>(b: &mut B, scalars: &[B::Scalar], runs: &[usize]) -> Result<Vec<Vec<f64>>> {
    let mut all = Vec::with_capacity(runs.len() * scalars.len());
    for &run in runs {
        all.extend(scalars.iter().map(|s| b.scalar_of(s, run)));
    }
    let ticket = b.ticket(&all)?;
    let values = b.wait(&ticket)?;
    Ok((0..runs.len()).map(|r| values.iter().skip(r * scalars.len()).take(scalars.len()).copied().collect()).collect())
}

/// ‖(min(W,∇W), min(H,∇H))‖ over what is free, in the device's units, of each of these runs. `scratch` keeps the buffers between
/// calls.
fn kkt<B: Backend>(
    b: &mut B,
    m: &Model<'_, B>,
    runs: &[usize],
    scratch: &mut Option<(B::Terms, TermsH<B>)>,
) -> Result<Vec<f64>> {
    if scratch.is_none() {
        let wide = b.dim(&m.w).1;
        *scratch = Some((b.new_terms(m.rows, wide)?, TermsH::for_model(b, m)?));
    }
    let Some((tw, th)) = scratch.as_mut() else { return Ok(Vec::new()) };
    let mut parts = Vec::new();
    if m.w_is_free(b) {
        m.terms_w(b, tw)?;
        parts.push(b.kkt(tw, &m.w, &m.rule_w)?);
    }
    if m.h_is_free(b) {
        m.terms_h(b, th)?;
        parts.push(b.kkt(th.get(), &m.h, &m.rule_h)?);
    }
    let values = of_runs(b, &parts, runs)?;
    Ok(values.iter().map(|v| v.iter().sum::<f64>().sqrt()).collect())
}
