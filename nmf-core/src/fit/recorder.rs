//! The objectives of a run: on their way from the device, and known.

use super::TracePoint;
use crate::solver::Measured;
use crate::{Backend, Element, Error, Problem, Result, Snapshot, Ticket};
use std::collections::VecDeque;

struct Pending {
    ticket: Ticket,
    /// Every objective behind the ticket.
    points: Vec<Point>,
}

/// An objective of a run on its way: the divergence without its offset and the penalties are still on the device.
struct Point {
    run: usize,
    iteration: usize,
    seconds: f64,
    offset: f64,
    least: f64,
}

/// Objectives of all runs side by side that are on their way: one ticket serves them all.
pub(super) struct Post<S> {
    scalars: Vec<S>,
    points: Vec<Point>,
    pending: VecDeque<Pending>,
    per_point: usize,
}

impl<S: Clone> Post<S> {
    /// `penalties`: whether W and H have one, whose scalars follow that of the divergence.
    pub(super) fn new(penalties: [bool; 2]) -> Self {
        let per_point = 1 + penalties.iter().filter(|p| **p).count();
        Post { scalars: Vec::new(), points: Vec::new(), pending: VecDeque::new(), per_point }
    }

    /// Notes what was measured of a run before `iteration`, and the penalties there.
    pub(super) fn push(
        &mut self,
        run: usize,
        measured: Measured<S>,
        penalties: Vec<S>,
        iteration: usize,
        seconds: f64,
    ) {
        self.scalars.push(measured.scalar);
        self.scalars.extend(penalties);
        self.points.push(Point { run, iteration, seconds, offset: measured.offset, least: measured.least });
    }

    /// Asks for what was noted since the last time.
    pub(super) fn flush<B: Backend<Scalar = S>>(&mut self, b: &mut B) -> Result<()> {
        if !self.scalars.is_empty() {
            let ticket = b.ticket(&self.scalars)?;
            self.scalars.clear();
            self.pending.push_back(Pending { ticket, points: std::mem::take(&mut self.points) });
        }
        Ok(())
    }

    /// Hands what has arrived to the runs it is of; waits for what was measured before iteration `until` or earlier. `None`:
    /// nothing yet.
    pub(super) fn collect<B: Backend<Scalar = S>>(
        &mut self,
        b: &mut B,
        until: Option<usize>,
        runs: &mut [Recorder],
    ) -> Result<()> {
        let Some(until) = until else { return Ok(()) };
        while let Some(front) = self.pending.front() {
            let values = if front.points.first().is_some_and(|p| p.iteration <= until) {
                b.wait(&front.ticket)?
            } else {
                match b.poll(&front.ticket)? {
                    Some(v) => v,
                    None => return Ok(()),
                }
            };
            let Some(front) = self.pending.pop_front() else { return Ok(()) };
            for (point, v) in front.points.into_iter().zip(values.chunks(self.per_point)) {
                if let Some(run) = runs.get_mut(point.run) {
                    run.take(&point, v)?;
                }
            }
        }
        Ok(())
    }
}

/// The objectives of a run that are known.
pub(super) struct Recorder {
    to_x: f64,
    is_beta: bool,
    known: Vec<TracePoint>,
    /// Divergences that have arrived, with their iterations, but are too young for the solver to be told.
    young: VecDeque<(usize, f64)>,
    settled: Option<f64>,
}

impl Recorder {
    pub(super) fn new<T: Element>(problem: &Problem<'_, T>) -> Self {
        Recorder {
            to_x: problem.units().divergence(),
            is_beta: problem.loss().beta().is_some(),
            known: Vec::new(),
            young: VecDeque::new(),
            settled: None,
        }
    }

    /// A β-divergence is never negative, whatever rounding says of a sum that cancels.
    pub(super) fn not_below_zero(&self, d: f64) -> f64 {
        if self.is_beta && d < 0.0 { 0.0 } else { d }
    }

    /// Takes in an objective: the divergence, then the penalties.
    fn take(&mut self, point: &Point, v: &[f64]) -> Result<()> {
        let Point { iteration, seconds, offset, least, .. } = *point;
        let divergence = self.not_below_zero(v[0] + offset);
        self.young.push_back((iteration, divergence));
        if divergence < least {
            return Ok(()); // its digits are gone; from here on the solver measures directly
        }
        let objective = (divergence + v[1..].iter().sum::<f64>()) * self.to_x;
        if !objective.is_finite() {
            return Err(diverged(objective, iteration));
        }
        self.known.push(TracePoint { iteration, seconds, objective });
        Ok(())
    }

    /// The newest divergence that was measured before iteration `until` or earlier, the one to tell the solver: a function of the
    /// iteration alone, as all those have been waited for.
    pub(super) fn settle(&mut self, until: Option<usize>) -> Option<f64> {
        while let Some((_, divergence)) = self.young.front().filter(|(i, _)| until.is_some_and(|until| *i <= until)) {
            self.settled = Some(*divergence);
            self.young.pop_front();
        }
        self.settled
    }

    /// What [`settle`](Self::settle) said the last time.
    pub(super) fn settled(&self) -> Option<f64> {
        self.settled
    }

    /// Whether the newest objective fell by no more than `tol`·√(D_start·D) since the check before, which `previous` is from.
    pub(super) fn has_settled_down(&self, previous: &mut Option<f64>, tol: f64) -> bool {
        let before = std::mem::replace(previous, self.known.last().map(|p| p.objective));
        match (before, self.known.first(), self.known.last()) {
            (Some(p), Some(first), Some(last)) => {
                p - last.objective <= tol * (first.objective * last.objective).max(0.0).sqrt()
            }
            _ => false,
        }
    }

    /// The objectives known so far.
    pub(super) fn known(&self) -> &[TracePoint] {
        &self.known
    }

    /// The objectives known, in order.
    pub(super) fn take_known(&mut self) -> Vec<TracePoint> {
        std::mem::take(&mut self.known)
    }

    /// Everything, once nothing is on its way any more.
    pub(super) fn save<T: Element>(&self, out: &mut Snapshot<T>) {
        put_trace(out, &self.known);
        out.put_counts("young.iteration", self.young.iter().map(|y| y.0 as u64).collect::<Vec<_>>());
        out.put_numbers("young.divergence", self.young.iter().map(|y| y.1).collect::<Vec<_>>());
        out.put_numbers("settled", Vec::from_iter(self.settled));
    }

    pub(super) fn restore<T: Element>(&mut self, from: &Snapshot<T>) -> Result<()> {
        self.known = get_trace(from)?;
        let young = from.counts("young.iteration")?.iter().map(|i| *i as usize);
        self.young = young.zip(from.numbers("young.divergence")?.iter().copied()).collect();
        self.settled = from.optional("settled")?;
        Ok(())
    }
}

/// A trace, in three columns.
pub(crate) fn put_trace<T: Element>(out: &mut Snapshot<T>, trace: &[TracePoint]) {
    out.put_counts("trace.iteration", trace.iter().map(|p| p.iteration as u64).collect::<Vec<_>>());
    out.put_numbers("trace.seconds", trace.iter().map(|p| p.seconds).collect::<Vec<_>>());
    out.put_numbers("trace.objective", trace.iter().map(|p| p.objective).collect::<Vec<_>>());
}

/// What [`put_trace`] put in.
pub(crate) fn get_trace<T: Element>(from: &Snapshot<T>) -> Result<Vec<TracePoint>> {
    let (seconds, objectives) = (from.numbers("trace.seconds")?, from.numbers("trace.objective")?);
    let points = from.counts("trace.iteration")?.iter().zip(seconds).zip(objectives);
    Ok(points
        .map(|((i, seconds), objective)| TracePoint {
            iteration: *i as usize,
            seconds: *seconds,
            objective: *objective,
        })
        .collect())
}

pub(crate) fn diverged(value: f64, iteration: usize) -> Error {
    let advice = "the numbers left the range of the precision; use --precision f64, another start or a larger floor";
    Error::Diverged { value, iteration, advice }
}
