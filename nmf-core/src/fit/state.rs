//! What the loop carries from one iteration to the next, and how it is kept.

use super::recorder::{Post, Recorder};
use crate::solver::{Model, Solver};
use crate::{Backend, Element, Error, Keeper, Result, Snapshot, Stopped};
use std::time::Instant;

/// Of one run between two iterations: everything but its objectives, W, H and what the solver carries along.
#[derive(Default)]
pub(super) struct State {
    /// Iterations done.
    pub(super) iterations: usize,
    /// The objective at the last check.
    pub(super) previous: Option<f64>,
    /// The KKT residual at the start; 0 where nobody asked.
    pub(super) kkt_start: f64,
    /// A rule was met that more iterations or more time would not change.
    pub(super) ended: Option<Stopped>,
    /// Seconds spent iterating, in this process and those before; of the time that runs spend side by side, its share.
    pub(super) seconds: f64,
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

/// Runs while the solver iterates.
#[derive(Default)]
pub(super) struct Clock(Option<Instant>);

impl Clock {
    pub(super) fn start(&mut self) {
        self.0 = Some(Instant::now());
    }

    /// Divides the time since the last call among those who spent it.
    pub(super) fn share(&mut self, states: &mut [State], among: &[usize]) {
        let Some(since) = self.0 else { return };
        let now = Instant::now();
        self.0 = Some(now);
        for &run in among {
            if let Some(state) = states.get_mut(run) {
                state.seconds += now.duration_since(since).as_secs_f64() / among.len() as f64;
            }
        }
    }
}

impl State {
    /// Hands the state of the only run to `keeper`, off the clock.
    ///
    /// This may happen after any iteration and does not change the run: objectives that are on their way are waited for, but the solver
    /// is told of them when it would have been anyway ([`Recorder::settle`]); factors are read back, which alters nothing.
    pub(super) fn keep<B: Backend, V: Solver<B> + ?Sized>(
        &self,
        b: &mut B,
        m: &Model<'_, B>,
        solver: &V,
        (post, rec): (&mut Post<B::Scalar>, &mut Recorder),
        keeper: &mut dyn Keeper<B::Elem>,
    ) -> Result<()> {
        post.flush(b)?;
        post.collect(b, Some(usize::MAX), std::slice::from_mut(rec))?;
        b.finish()?;
        let (mut out, mut own) = (Snapshot::new(), Snapshot::new());
        out.put_matrix("w", b.read(&m.w)?);
        out.put_matrix("h", b.read(&m.h)?);
        solver.save(b, &mut own)?;
        out.put_all("solver", own);
        rec.save(&mut out);
        out.put_counts("iteration", [self.iterations as u64]);
        out.put_numbers("previous", Vec::from_iter(self.previous));
        out.put_numbers("kkt_start", [self.kkt_start]);
        out.put_counts("ended", Vec::from_iter(self.ended.map(Stopped::code)));
        out.put_numbers("seconds", [self.seconds]);
        keeper.keep(out);
        Ok(())
    }

    /// Takes over what was kept.
    pub(super) fn restore<T: Element>(&mut self, from: &Snapshot<T>, rec: &mut Recorder) -> Result<()> {
        rec.restore(from)?;
        self.iterations = from.index("iteration")?;
        self.previous = from.optional("previous")?;
        self.kkt_start = from.number("kkt_start")?;
        self.ended = from.counts("ended")?.first().map(|code| Stopped::of_code(*code)).transpose()?;
        self.seconds = from.number("seconds")?;
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
