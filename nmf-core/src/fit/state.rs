//! What the loop carries from one iteration to the next, and how it is kept.

use super::recorder::Recorder;
use crate::solver::{Model, Solver};
use crate::{Backend, Element, Error, Keeper, Result, Snapshot, Stopped};
use std::time::Instant;

/// Between two iterations: everything but W, H and what the solver carries along.
pub(super) struct State<S> {
    pub(super) rec: Recorder<S>,
    /// Iterations done.
    pub(super) iterations: usize,
    /// The objective at the last check.
    pub(super) previous: Option<f64>,
    /// The KKT residual at the start; 0 where nobody asked.
    pub(super) kkt_start: f64,
    /// A rule was met that more iterations or more time would not change.
    pub(super) ended: Option<Stopped>,
    pub(super) clock: Clock,
}

/// How far a run came: what to say if its device fails.
#[derive(Default)]
pub(super) struct Reached {
    /// Iterations done, once they have begun.
    pub(super) iterations: Option<usize>,
    /// Where the last snapshot was taken.
    pub(super) kept: Option<usize>,
}

impl Reached {
    /// A failure of the device with its place, and what there is to go on from; other errors as they are.
    pub(super) fn explain(&self, e: Error, (restart, restarts): (usize, usize)) -> Error {
        let (Some(done), Error::Device(_) | Error::OutOfMemory { .. }) = (self.iterations, &e) else { return e };
        let of = if restarts > 1 { format!(" of start {} of {restarts}", restart + 1) } else { String::new() };
        let kept = match self.kept {
            Some(kept) => format!(", the last checkpoint after {kept}"),
            None => String::new(),
        };
        Error::Within { what: format!("after {done} iterations{of}{kept}"), source: Box::new(e) }
    }
}

/// Seconds spent iterating, in this process and those before.
pub(super) struct Clock {
    before: f64,
    since: Option<Instant>,
}

impl Clock {
    pub(super) fn start(&mut self) {
        self.since = Some(Instant::now());
    }

    fn pause(&mut self) {
        self.before = self.seconds();
        self.since = None;
    }

    pub(super) fn seconds(&self) -> f64 {
        self.before + self.since.map_or(0.0, |t| t.elapsed().as_secs_f64())
    }
}

impl<S: Clone> State<S> {
    /// Before the first iteration, the clock not yet running.
    pub(super) fn new(rec: Recorder<S>) -> Self {
        let clock = Clock { before: 0.0, since: None };
        State { rec, iterations: 0, previous: None, kkt_start: 0.0, ended: None, clock }
    }

    /// Hands the state of the run to `keeper`, off the clock.
    ///
    /// This may happen after any iteration and does not change the run: objectives that are on their way are waited for, but the solver
    /// is told of them when it would have been anyway ([`Recorder::settle`]); factors are read back, which alters nothing.
    pub(super) fn keep<B: Backend<Scalar = S>, V: Solver<B> + ?Sized>(
        &mut self,
        b: &mut B,
        m: &Model<'_, B>,
        solver: &V,
        keeper: &mut dyn Keeper<B::Elem>,
    ) -> Result<()> {
        self.rec.flush(b)?;
        self.rec.collect(b, Some(usize::MAX))?;
        b.finish()?;
        self.clock.pause();
        let (mut out, mut own) = (Snapshot::new(), Snapshot::new());
        out.put_matrix("w", b.read(&m.w)?);
        out.put_matrix("h", b.read(&m.h)?);
        solver.save(b, &mut own)?;
        out.put_all("solver", own);
        self.rec.save(&mut out);
        out.put_counts("iteration", [self.iterations as u64]);
        out.put_numbers("previous", Vec::from_iter(self.previous));
        out.put_numbers("kkt_start", [self.kkt_start]);
        out.put_counts("ended", Vec::from_iter(self.ended.map(Stopped::code)));
        out.put_numbers("seconds", [self.clock.seconds()]);
        keeper.keep(out);
        self.clock.start();
        Ok(())
    }

    /// Takes over what was kept; the clock does not run yet.
    pub(super) fn restore<T: Element>(&mut self, from: &Snapshot<T>) -> Result<()> {
        self.rec.restore(from)?;
        self.iterations = from.index("iteration")?;
        self.previous = from.optional("previous")?;
        self.kkt_start = from.number("kkt_start")?;
        self.ended = from.counts("ended")?.first().map(|code| Stopped::of_code(*code)).transpose()?;
        self.clock.before = from.number("seconds")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_device_is_reported_with_its_place_and_other_errors_are_not() {
        let lost = || Error::Device("lost".into());
        let text = |iterations, kept, restart| Reached { iterations, kept }.explain(lost(), restart).to_string();
        assert_eq!(text(None, None, (0, 1)), lost().to_string());
        assert_eq!(text(Some(7), None, (0, 1)), "after 7 iterations: device error: lost");
        let whole = "after 7 iterations of start 2 of 3, the last checkpoint after 5: device error: lost";
        assert_eq!(text(Some(7), Some(5), (1, 3)), whole);
        let reached = Reached { iterations: Some(7), kept: None };
        assert_eq!(reached.explain(Error::AllZero, (0, 1)), Error::AllZero);
    }
}
