//! Restarts side by side, where a backend computes several runs at once.

use super::Nmf;
use super::kept::Past;
use crate::fit::{Run, Start, fit_batch};
use crate::observer::Observer;
use crate::solver::SolverKind;
use crate::{Backend, Element, Error, Problem, Result, Stopped};

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

    /// One run from each start, of its own rank, side by side, the first of them number `first`; balanced by nobody yet.
    pub(crate) fn runs<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        data: &B::Data,
        problem: &Problem<'_, T>,
        starts: &[Start<T>],
        first: usize,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Run<T>>> {
        let kind = self.check(b, problem)?;
        let ranks: Vec<usize> = starts.iter().map(|s| s.h.ncols()).collect();
        let widest = ranks.iter().copied().max().unwrap_or(0);
        let mut runs: Vec<Option<Run<T>>> = starts.iter().map(|_| None).collect();
        b.in_batch(&ranks, |b| {
            let mut solver = kind.build(b, problem.dim(), widest, &self.options, &problem.units())?;
            let mut done = |r: usize, run| runs[r] = Some(run);
            fit_batch(b, data, problem, &mut *solver, starts, &self.plan(first), observer, &mut done)
        })?;
        Ok(runs.into_iter().flatten().collect())
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
        while most > 1 && past.ended.len() < self.restarts {
            let first = past.ended.len();
            let count = most.min(self.restarts - first);
            let starts = (first..first + count).map(|r| self.start_of(r, b, data, problem));
            let starts = starts.collect::<Result<Vec<_>>>()?;
            match self.runs(b, data, problem, &starts, first, observer) {
                Ok(runs) => {
                    let interrupted = runs.iter().any(|run| run.stopped == Stopped::Interrupted);
                    runs.into_iter().for_each(|run| past.push(run));
                    if interrupted {
                        break;
                    }
                }
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
