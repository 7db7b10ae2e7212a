//! The loop of a coupled factorization.

use super::check::{self, Edge};
use super::fitted::{CoupledFit, Part, Run};
use super::layout::Scales;
use super::{Coupled, rule};
use crate::fit::{TracePoint, diverged};
use crate::init::uniform;
use crate::observer::{Flow, Observer, Progress};
use crate::{Accumulate, Backend, Element, Error, Loss, Penalty, Problem, Result, Rule, Side, Stopped};
use ndarray::{Array2, s};
use std::time::Instant;

/// A matrix on the device.
struct OnDevice<D> {
    data: D,
    loss: Loss,
    edge: Edge,
    /// What its terms count, in the device's units.
    alpha: f64,
    /// What its divergence on the device is multiplied by to be that of X.
    to_x: f64,
}

/// Everything but the factors.
struct Task<'c, 'a, T: Element, B: Backend<Elem = T>> {
    given: &'c Coupled<'a, T>,
    matrices: Vec<OnDevice<B::Data>>,
    /// For every mode, its matrices by number.
    of_mode: Vec<Vec<usize>>,
    rules: Vec<Rule>,
    scales: Scales,
    /// The objective of X over that of the device.
    unit: f64,
}

pub(super) fn fit<T: Element, B: Backend<Elem = T>>(
    given: &Coupled<'_, T>,
    b: &mut B,
    observer: &mut dyn Observer,
) -> Result<CoupledFit<T>> {
    let clock = Instant::now();
    let edges = check::edges(given)?;
    let weighted = given.matrices.iter().map(check::weighted).collect::<Result<Vec<_>>>()?;
    let problems: Vec<Problem<'_, T>> =
        (given.matrices.iter().zip(&weighted)).map(|(r, w)| check::problem(b, r, w.as_ref())).collect::<Result<_>>()?;
    let task = Task::new(given, b, &edges, &problems)?;
    b.finish()?;
    let prepare_seconds = clock.elapsed().as_secs_f64();

    let (mut best, mut objectives, mut seconds): (Option<Run<T>>, _, _) = (None, Vec::new(), 0.0);
    for restart in 0..given.restarts {
        let run = b.scope(|b| task.run(b, restart, observer))?;
        objectives.push(run.objective);
        seconds += run.seconds;
        let stopped = run.stopped;
        if best.as_ref().is_none_or(|best| run.objective < best.objective) {
            best = Some(run);
        }
        if stopped == Stopped::Interrupted {
            break;
        }
    }
    let Some(best) = best else {
        return Err(Error::Parameter { name: "restarts", value: "0".into(), expected: "at least 1" });
    };
    let parts = given.matrices.iter().zip(&problems).zip(&edges).zip(&best.divergences);
    Ok(CoupledFit {
        modes: given.modes.iter().map(|m| m.name.clone()).collect(),
        parts: parts
            .map(|(((r, p), e), divergence)| Part {
                name: r.name.clone(),
                loss: r.loss.clone(),
                weight: r.weight,
                divergence: *divergence,
                stored: p.stats().stored,
                rows: e.rows,
                cols: e.cols,
            })
            .collect(),
        factors: best.factors,
        objective: best.objective,
        trace: best.trace,
        iterations: best.iterations,
        stopped: best.stopped,
        kkt_residual: best.kkt_residual,
        objectives,
        prepare_seconds,
        seconds,
    })
}

impl<'c, 'a, T: Element, B: Backend<Elem = T>> Task<'c, 'a, T, B> {
    fn new(given: &'c Coupled<'a, T>, b: &mut B, edges: &[Edge], problems: &[Problem<'_, T>]) -> Result<Self> {
        let names: Vec<&str> = given.matrices.iter().map(|r| r.name.as_str()).collect();
        let facts: Vec<(i32, f64)> = problems.iter().map(|p| (p.units().exponent(), p.mean())).collect();
        let scales = Scales::new(given.modes.len(), edges, &facts, given.rank, &names)?;
        let to_x = |edge: Edge, loss: &Loss| {
            let beta = loss.beta().unwrap_or(0.0);
            2f64.powf(f64::from(scales.of_matrix(edge)) * beta)
        };
        // the heaviest matrix gets terms of weight 1, so that floors mean what they mean elsewhere
        let heaviest = |(r, e): (&super::Relation<'_, T>, &Edge)| r.weight * to_x(*e, &r.loss);
        let unit = given.matrices.iter().zip(edges).map(heaviest).fold(0.0, f64::max);
        let mut matrices = Vec::new();
        for ((r, problem), edge) in given.matrices.iter().zip(problems).zip(edges) {
            let to_x = to_x(*edge, &r.loss);
            let alpha = r.weight * to_x / unit;
            if !(unit.is_normal() && alpha > T::TINY.f64()) {
                let why = "its weight is out of the range of the numbers beside that of the others";
                return Err(Error::Unsupported(format!("matrix \"{}\": {why}", r.name)));
            }
            let scale = 2f64.powi(-scales.of_matrix(*edge));
            let data = check::within("matrix", &r.name, problem.upload_scaled(b, scale))?;
            matrices.push(OnDevice { data, loss: r.loss.clone(), edge: *edge, alpha, to_x });
        }
        let of_mode: Vec<Vec<usize>> = (0..given.modes.len())
            .map(|m| (0..edges.len()).filter(|r| edges[*r].rows == m || edges[*r].cols == m).collect())
            .collect();
        let rules = given.modes.iter().zip(&of_mode).enumerate().map(|(m, (mode, own))| {
            let betas: Vec<f64> = own.iter().filter_map(|r| matrices[*r].loss.beta()).collect();
            let (p, f) = (mode.penalty, scales.unit(m));
            let penalty = Penalty { l1: p.l1 * f / unit, l2: p.l2 * f * f / unit };
            rule(&betas, penalty, mode.fixed.as_ref().map_or(0, Array2::ncols))
        });
        Ok(Task { given, rules: rules.collect(), matrices, of_mode, scales, unit })
    }

    /// The start of every mode, in the units of X: random streams of their own, the given columns first.
    fn start(&self, restart: usize) -> Vec<Array2<T>> {
        let seed = self.given.seed.wrapping_add(restart as u64);
        let modes = self.given.modes.iter().enumerate();
        modes
            .map(|(m, mode)| {
                let random = || uniform(mode.size, self.given.rank, seed, m as u64, self.scales.levels[m]);
                let mut f = mode.start.clone().unwrap_or_else(random);
                if let Some(fixed) = &mode.fixed {
                    f.slice_mut(s![.., ..fixed.ncols()]).assign(fixed);
                }
                f
            })
            .collect()
    }

    fn run(&self, b: &mut B, restart: usize, observer: &mut dyn Observer) -> Result<Run<T>> {
        let (stop, k) = (&self.given.stop, self.given.rank);
        let mut factors = Vec::new();
        for (m, f) in self.start(restart).into_iter().enumerate() {
            let unit = T::of(1.0 / self.scales.unit(m));
            factors.push(b.factor(f.mapv(|v| v * unit).view())?);
        }
        let mut terms = Vec::new();
        for mode in &self.given.modes {
            terms.push(b.new_terms(mode.size, k)?);
        }
        let wants_kkt = self.given.kkt || stop.kkt_tol > 0.0;
        let kkt_start = if wants_kkt { self.kkt(b, &factors, &mut terms)? } else { 0.0 };
        let (mut trace, mut iterations): (Vec<TracePoint>, usize) = (Vec::new(), 0);
        let clock = Instant::now();
        let stopped = loop {
            let seconds = clock.elapsed().as_secs_f64();
            if iterations > 0 && stop.time_limit.is_some_and(|t| seconds >= t.as_secs_f64()) {
                break Stopped::Time;
            }
            if iterations >= stop.max_iter {
                break Stopped::MaxIter;
            }
            if iterations % stop.every == 0 {
                let objective = self.objective(b, &factors)?.1;
                if !objective.is_finite() {
                    return Err(diverged(objective, iterations));
                }
                let first = trace.first().map_or(objective, |p| p.objective);
                let before = trace.last().map(|p| p.objective);
                let seconds = if iterations == 0 { 0.0 } else { seconds };
                trace.push(TracePoint { iteration: iterations, seconds, objective });
                let least = stop.tol * (first * objective).max(0.0).sqrt();
                if stop.tol > 0.0 && before.is_some_and(|before| before - objective <= least) {
                    break Stopped::Tol;
                }
                if stop.kkt_tol > 0.0
                    && iterations > 0
                    && self.kkt(b, &factors, &mut terms)? <= stop.kkt_tol * kkt_start
                {
                    break Stopped::Kkt;
                }
            }
            self.step(b, &mut factors, &mut terms)?;
            iterations += 1;
            let progress = Progress {
                restart,
                restarts: self.given.restarts,
                side_by_side: 1,
                iteration: iterations,
                max_iter: stop.max_iter,
                seconds,
                objective: trace.last().map(|p| p.objective),
            };
            if observer.progress(&progress) == Flow::Stop {
                break Stopped::Interrupted;
            }
        };
        b.finish()?;
        let seconds = clock.elapsed().as_secs_f64();
        let (divergences, objective) = self.objective(b, &factors)?;
        if !objective.is_finite() {
            return Err(diverged(objective, iterations));
        }
        if trace.last().is_none_or(|p| p.iteration < iterations) {
            trace.push(TracePoint { iteration: iterations, seconds, objective });
        }
        let kkt_residual = if wants_kkt {
            let end = self.kkt(b, &factors, &mut terms)?;
            Some(if kkt_start > 0.0 { end / kkt_start } else { 0.0 })
        } else {
            None
        };
        let mut out = Vec::new();
        for (m, f) in factors.iter().enumerate() {
            let unit = T::of(self.scales.unit(m));
            out.push(b.read(f)?.mapv(|v| v * unit));
        }
        Ok(Run { factors: out, divergences, objective, trace, iterations, stopped, kkt_residual, seconds })
    }

    /// Whether any column of a mode's factor may change.
    fn is_free(&self, mode: usize) -> bool {
        self.rules[mode].fixed < self.given.rank
    }

    /// One update of every mode, in order.
    fn step(&self, b: &mut B, factors: &mut [B::Factor], terms: &mut [B::Terms]) -> Result<()> {
        for m in (0..self.rules.len()).filter(|m| self.is_free(*m)) {
            self.terms(b, m, factors, &mut terms[m])?;
            b.apply(&terms[m], &mut factors[m], &self.rules[m])?;
        }
        Ok(())
    }

    /// N and D of a mode, summed over its matrices.
    fn terms(&self, b: &mut B, mode: usize, factors: &[B::Factor], out: &mut B::Terms) -> Result<()> {
        let mut how = Accumulate::Set;
        for x in self.of_mode[mode].iter().map(|r| &self.matrices[*r]) {
            let side = if x.edge.rows == mode { Side::Rows } else { Side::Cols };
            let other = &factors[x.edge.other(mode)];
            b.terms(&x.loss, &x.data, side, &factors[mode], other, x.alpha, how, out)?;
            how = Accumulate::Add;
        }
        Ok(())
    }

    /// The divergence of every matrix and the objective, in the units of X.
    fn objective(&self, b: &mut B, factors: &[B::Factor]) -> Result<(Vec<f64>, f64)> {
        let mut scalars = Vec::new();
        for x in &self.matrices {
            scalars.push(b.divergence(&x.loss, &x.data, &factors[x.edge.rows], &factors[x.edge.cols])?);
        }
        for (f, rule) in factors.iter().zip(&self.rules).filter(|(_, r)| !r.penalty.is_none()) {
            scalars.push(b.penalty(f, &rule.penalty)?);
        }
        let ticket = b.ticket(&scalars)?;
        let values = b.wait(&ticket)?;
        let (sums, penalties) = values.split_at(self.matrices.len().min(values.len()));
        // a β-divergence is never negative, whatever rounding says of a sum that cancels
        let divergences: Vec<f64> =
            sums.iter().zip(&self.matrices).map(|(v, x)| if *v < 0.0 { 0.0 } else { v * x.to_x }).collect();
        let weights = self.given.matrices.iter().map(|r| r.weight);
        let of_data: f64 = divergences.iter().zip(weights).map(|(d, w)| w * d).sum();
        Ok((divergences, of_data + self.unit * penalties.iter().sum::<f64>()))
    }

    /// ‖min(F, ∇F)‖ over all free columns of all modes, in the device's units.
    fn kkt(&self, b: &mut B, factors: &[B::Factor], terms: &mut [B::Terms]) -> Result<f64> {
        let mut parts = Vec::new();
        for m in (0..self.rules.len()).filter(|m| self.is_free(*m)) {
            self.terms(b, m, factors, &mut terms[m])?;
            parts.push(b.kkt(&terms[m], &factors[m], &self.rules[m])?);
        }
        let ticket = b.ticket(&parts)?;
        Ok(b.wait(&ticket)?.iter().sum::<f64>().sqrt())
    }
}
