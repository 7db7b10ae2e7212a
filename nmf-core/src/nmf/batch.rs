//! Restarts side by side, where a backend computes several runs at once.

use super::Nmf;
use super::kept::Past;
use crate::fit::{Done, Run, Start, fit_batch};
use crate::observer::Observer;
use crate::solver::SolverKind;
use crate::{Backend, Element, Error, Problem, Result};

impl<T: Element> Nmf<T> {
    /// Whether runs of this solver, which `check` chose, may stand side by side: those that never ask for numbers on the way.
    fn can_batch(&self, kind: SolverKind) -> bool {
        use SolverKind::{AHals, EHals, Hals, Mu, Mue, Newton};
        self.options.shifts == 1 && matches!(kind, Mu | Mue | Newton | Hals | AHals | EHals)
    }

    /// Whether runs of several ranks may: where the rank decides about nothing but the shape. (HALS counts its sweeps by it, a random order is
    /// one of its columns.)
    fn can_mix(&self, kind: SolverKind) -> bool {
        use SolverKind::{Mu, Mue, Newton};
        matches!(kind, Mu | Mue | Newton) && self.options.shuffle.is_none()
    }

    /// How many restarts `b` computes side by side, at most; 1 where they go one after the other.
    ///
    /// # Errors
    /// As [`Nmf::check`].
    pub fn side_by_side<B: Backend<Elem = T>>(&self, b: &B, data: &B::Data, problem: &Problem<'_, T>) -> Result<usize> {
        Ok(self.batch(b, data, problem)?.0.min(self.restarts))
    }

    /// Runs of this rank that `b` computes side by side with profit, and what must be equal for two of them to share a batch.
    pub(crate) fn batch<B: Backend<Elem = T>>(
        &self,
        b: &B,
        data: &B::Data,
        problem: &Problem<'_, T>,
    ) -> Result<(usize, usize)> {
        let kind = self.check(b, problem)?;
        let most = if self.can_batch(kind) { b.batch_size(data, self.rank) } else { 1 };
        Ok((most, if self.can_mix(kind) { b.batch_class(self.rank) } else { self.rank }))
    }

    /// One run from each start, of its own rank, side by side, the first of them number `first`; each goes to `done` when it has
    /// come to its end, balanced by nobody yet.
    pub(crate) fn runs<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        data: &B::Data,
        problem: &Problem<'_, T>,
        starts: &[Start<T>],
        first: usize,
        observer: &mut dyn Observer,
        done: Done<'_, B>,
    ) -> Result<()> {
        let kind = self.check(b, problem)?;
        let ranks: Vec<usize> = starts.iter().map(|s| s.h.ncols()).collect();
        let widest = ranks.iter().copied().max().unwrap_or(0);
        b.in_batch(&ranks, |b| {
            let mut solver = kind.build(b, problem.dim(), widest, &self.options, &problem.units())?;
            fit_batch(b, data, problem, &mut *solver, starts, &self.plan(first), observer, done)
        })
    }

    /// All restarts, in batches, as far as there is memory for them; what is left is for those who run one after the other.
    pub(super) fn restart_side_by_side<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        data: &B::Data,
        problem: &Problem<'_, T>,
        past: &mut Past<T>,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let (mut most, _) = self.batch(b, data, problem)?;
        while most > 1 && past.ended.len() < self.restarts && !past.interrupted() {
            let first = past.ended.len();
            let count = most.min(self.restarts - first);
            let starts = (first..first + count).map(|r| self.start_of(r, b, data, problem));
            let starts = starts.collect::<Result<Vec<_>>>()?;
            let mut runs: Vec<Option<Run<T>>> = starts.iter().map(|_| None).collect();
            let mut done = |_: &mut B, r: usize, run| {
                runs[r] = Some(run);
                Ok(())
            };
            match self.runs(b, data, problem, &starts, first, observer, &mut done) {
                // in their order, whichever ended first
                Ok(()) => runs.into_iter().flatten().for_each(|run| past.push(run)),
                Err(e) if may_do_alone(&e) => most = count / 2,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Whether fewer runs at a time may do, or say more clearly what is wrong: with less memory, or which of them diverged.
pub(crate) fn may_do_alone(e: &Error) -> bool {
    match e {
        Error::Within { source, .. } => may_do_alone(source),
        e => matches!(e, Error::OutOfMemory { .. } | Error::Diverged { .. }),
    }
}
