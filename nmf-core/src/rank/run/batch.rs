//! Runs of a survey side by side, where a worker computes several at once: restarts, and ranks that may share a batch.

use super::{Done, Job, Kept, Piece, Shared, keep, one, within};
use crate::fit::Run;
use crate::nmf::batch::may_do_alone;
use crate::rank::{Survey, Watch};
use crate::{Backend, Element, Error, Flow, Init, Nmf, Problem, Progress, Result, Stopped};
use std::collections::BTreeSet;

impl<T: Element> Survey<T> {
    /// The factorization behind a run.
    pub(super) fn one_run(&self, k: usize, restart: usize) -> Nmf<T> {
        let seed = self.nmf.seed_of().wrapping_add(restart as u64);
        self.nmf.clone().with_rank(k).init(Init::Random).seed(seed).restarts(1).trace_every(0).kkt(false)
    }
}

/// Jobs as they go to workers. A run that could share a batch gets one even if it is alone in it, so that no result depends on which
/// others were done before.
pub(super) fn pieces<T: Element, B: Backend<Elem = T>>(
    survey: &Survey<T>,
    jobs: Vec<Job>,
    worker: &B,
    data: Option<&B::Data>,
    problem: &Problem<'_, T>,
) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    // what the runs of the last piece have in common, and for how many more there is room
    let mut open = None;
    for job in jobs {
        let (Job::Run { k, restart }, Some(data)) = (job, data) else {
            pieces.push(Piece::One(job));
            continue;
        };
        let (most, class) = survey.one_run(k, restart).batch(worker, data, problem)?;
        match (&mut open, pieces.last_mut()) {
            (Some((of, room)), Some(Piece::Batch(runs))) if *of == class && *room > 0 && most > 1 => {
                *room -= 1;
                runs.push((k, restart));
            }
            _ if most > 1 => {
                open = Some((class, most - 1));
                pieces.push(Piece::Batch(vec![(k, restart)]));
            }
            _ => pieces.push(Piece::One(job)),
        }
    }
    Ok(pieces)
}

/// Does these runs (rank, number) side by side; fewer at a time where memory is short. Each is kept when it has come to its end, whatever
/// becomes of the others.
pub(super) fn run<T: Element, B: Backend<Elem = T>>(
    b: &mut B,
    runs: &[(usize, usize)],
    shared: &Shared<'_, '_, T, B::Data>,
) -> Result<Option<Done<T>>> {
    let Some(data) = &shared.data else { return Ok(None) };
    let problem = shared.problem;
    let mut look = |_: &Progress| if shared.stopping() { Flow::Stop } else { Flow::Continue };
    let each: Vec<Nmf<T>> = runs.iter().map(|&(k, restart)| shared.survey.one_run(k, restart)).collect();
    let Some(nmf) = each.first() else { return Ok(Some(Done::Runs(Vec::new()))) };
    let kind = nmf.check(b, problem)?;
    let mut starts = Vec::with_capacity(runs.len());
    for (nmf, &(k, restart)) in each.iter().zip(runs) {
        starts.push(nmf.start_of(0, b, data, problem).map_err(|e| within(k, restart, e))?);
    }
    let mut all: Vec<Kept<T>> = Vec::new();
    let mut done = |b: &mut B, r: usize, run: Run<T>| {
        if run.stopped != Stopped::Interrupted {
            let fitted = each[r].fitted(problem, kind, run);
            all.push(b.out_of_batch(|b| keep(b, data, runs[r], fitted, shared))?);
        }
        Ok(())
    };
    match nmf.runs(b, data, problem, &starts, 0, &mut look, &mut done) {
        Ok(()) => {}
        Err(e) if may_do_alone(&e) => {
            let is_missing = |run: &&(usize, usize)| all.iter().all(|kept| (kept.k, kept.restart) != **run);
            let missing: Vec<_> = runs.iter().filter(is_missing).copied().collect();
            let (front, back) = missing.split_at(missing.len() / 2);
            for part in [front, back].into_iter().filter(|part| !part.is_empty()) {
                let done = match part {
                    [(k, restart)] => one(b, Job::Run { k: *k, restart: *restart }, shared)?,
                    _ => self::run(b, part, shared)?,
                };
                match done {
                    Some(Done::Runs(done)) => all.extend(done),
                    _ => return Ok(None),
                }
            }
        }
        Err(e) => {
            let ranks: BTreeSet<usize> = runs.iter().map(|r| r.0).collect();
            let ranks: Vec<String> = ranks.iter().map(usize::to_string).collect();
            let what = format!("in a batch of {} runs at k = {}", runs.len(), ranks.join(", "));
            return Err(Error::Within { what, source: Box::new(e) });
        }
    }
    Ok((all.len() == runs.len()).then_some(Done::Runs(all)))
}
