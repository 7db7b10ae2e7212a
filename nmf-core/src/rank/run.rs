//! Who does what when: units of work over workers, results gathered in a fixed order.

mod batch;

use super::held_out::{Chain, Rest};
use super::kept::{Fold, Kept, State, load};
use super::recommend::{mean_and_error, recommend};
use super::speckle::{Rows, speckles};
use super::summary::summarize;
use super::{Archive, Found, Key, Survey, Surveyed, Unit, Watch};
use crate::fit::{Start, divergence};
use crate::stability::elbow;
use crate::{Backend, Element, Error, Fitted, Flow, Loss, MatrixRef, Observed, Problem, Progress, Result, Side};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

/// What a worker does in one go: a fold goes through all ranks, as each starts from the one before.
#[derive(Clone, Copy)]
enum Job {
    Fold(usize),
    Run { k: usize, restart: usize },
}

/// What goes to a worker in one piece: a job, or runs that it does side by side.
enum Piece {
    One(Job),
    Batch(Vec<(usize, usize)>),
}

enum Done<T> {
    Fold(usize, Fold<T>),
    Runs(Vec<Kept<T>>),
}

/// What all workers share.
struct Shared<'a, 'x, T: Element, D> {
    survey: &'a Survey<T>,
    problem: &'a Problem<'x, T>,
    data: Option<D>,
    rows: Option<Rows<'x, T>>,
    held: Vec<Vec<super::speckle::Entry>>,
    folds: Mutex<BTreeMap<usize, Fold<T>>>,
    archive: &'a dyn Archive<T>,
    watch: &'a dyn Watch,
    /// Set when something failed, so that the others stop too.
    failed: AtomicBool,
}

impl<T: Element, D> Watch for Shared<'_, '_, T, D>
where
    D: Send + Sync,
{
    fn stopping(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.watch.stopping()
    }
    fn done(&self, unit: &Unit) {
        self.watch.done(unit);
    }
}

pub(super) fn run<T: Element, B: Backend<Elem = T>>(
    survey: &Survey<T>,
    workers: &mut [B],
    x: MatrixRef<'_, T>,
    archive: &dyn Archive<T>,
    watch: &dyn Watch,
) -> Result<Option<Found<T>>> {
    let Some(first) = workers.first_mut() else {
        return Err(Error::Parameter { name: "workers", value: "none".into(), expected: "at least one backend" });
    };
    let weighted = survey.nmf.weighted(&x)?;
    let problem = survey.nmf.problem(x.reborrow(), weighted.as_ref())?;
    survey.check(first, &problem)?;
    let (m, n) = problem.dim();
    let side = survey.cluster.unwrap_or(if m < n { Side::Rows } else { Side::Cols });

    // what is there already
    let mut ranks: BTreeMap<usize, Surveyed<T>> = BTreeMap::new();
    let mut runs: BTreeMap<usize, Vec<Option<Kept<T>>>> = BTreeMap::new();
    let mut jobs = Vec::new();
    let mut folds = BTreeMap::new();
    for fold in 0..survey.folds {
        let kept: Option<Fold<T>> = load(archive, Key::Fold(fold), (m, n))?;
        let state = kept.filter(|f| f.fits(&survey.ranks)).unwrap_or_default();
        if state.errors.len() < survey.ranks.len() {
            jobs.push(Job::Fold(fold));
        }
        folds.insert(fold, state);
    }
    let folding = !jobs.is_empty();
    // the largest first, so that no worker is left alone with a long one
    for &k in survey.ranks.iter().rev() {
        if let Some(rank) = load(archive, Key::Rank(k), (m, n))? {
            ranks.insert(k, rank);
            continue;
        }
        let mut of_rank = Vec::new();
        for restart in 0..survey.restarts {
            let kept = load(archive, Key::Run { k, restart }, (m, n))?;
            if kept.is_none() {
                jobs.push(Job::Run { k, restart });
            }
            of_rank.push(kept);
        }
        runs.insert(k, of_rank);
    }
    tell_what_is_done(survey, watch, &folds, &runs);

    let uses_zeros = leaves_out(&problem);
    let rows = folding.then(|| Rows::new(problem.x(), problem.weights(), uses_zeros));
    let share = share(survey, &problem);
    let held = match &rows {
        Some(rows) => speckles(rows, share, survey.folds, survey.nmf.seed_of()),
        None => Vec::new(),
    };
    if let Some(empty) = held.iter().position(Vec::is_empty).filter(|_| folding) {
        let few = "has too few known entries for these folds: take fewer folds, a larger share, or 0 folds";
        return Err(Error::Unsupported(format!("no entry fell into fold {empty} of {}: X {few}", survey.folds)));
    }
    let any_run = jobs.iter().any(|j| matches!(j, Job::Run { .. }));
    let data = if any_run { Some(problem.upload(first)?) } else { None };
    first.finish()?;
    let pieces = batch::pieces(survey, jobs, first, data.as_ref(), &problem)?;
    let shared = Shared {
        survey,
        problem: &problem,
        data,
        rows,
        held,
        folds: Mutex::new(folds),
        archive,
        watch,
        failed: AtomicBool::new(false),
    };
    let mut gather = |done: Done<T>, shared: &Shared<'_, '_, T, B::Data>| -> Result<()> {
        match done {
            Done::Fold(fold, state) => {
                lock(&shared.folds).insert(fold, state);
            }
            Done::Runs(all) => {
                for kept in all {
                    let k = kept.k;
                    if let Some(slot) = runs.get_mut(&k).and_then(|all| all.get_mut(kept.restart)) {
                        *slot = Some(kept);
                    }
                    close(k, &mut runs, &mut ranks, side, shared.problem, archive)?;
                }
            }
        }
        Ok(())
    };
    let complete = work(workers, &pieces, &shared, &mut gather)?;
    for k in survey.ranks.iter().copied() {
        close(k, &mut runs, &mut ranks, side, &problem, archive)?;
    }
    if !complete || ranks.len() < survey.ranks.len() {
        return Ok(None);
    }
    let folds = shared.folds.into_inner().unwrap_or_else(|e| e.into_inner());
    Ok(Some(found(survey, ranks, &folds, share)))
}

/// Summarizes a rank whose runs are all there.
fn close<T: Element>(
    k: usize,
    runs: &mut BTreeMap<usize, Vec<Option<Kept<T>>>>,
    ranks: &mut BTreeMap<usize, Surveyed<T>>,
    side: Side,
    problem: &Problem<'_, T>,
    archive: &dyn Archive<T>,
) -> Result<()> {
    if !runs.get(&k).is_some_and(|all| all.iter().all(Option::is_some)) {
        return Ok(());
    }
    let all: Vec<Kept<T>> = runs.remove(&k).into_iter().flatten().flatten().collect();
    if let Some(rank) = summarize(all, side, problem) {
        archive.keep(Key::Rank(k), rank.snapshot())?;
        ranks.insert(k, rank);
    }
    Ok(())
}

/// What an earlier survey left counts as done.
fn tell_what_is_done<T: Element>(
    survey: &Survey<T>,
    watch: &dyn Watch,
    folds: &BTreeMap<usize, Fold<T>>,
    runs: &BTreeMap<usize, Vec<Option<Kept<T>>>>,
) {
    for (i, &k) in survey.ranks.iter().enumerate() {
        for (&fold, state) in folds {
            if i < state.errors.len() {
                watch.done(&Unit::Fold { k, fold });
            }
        }
        for restart in 0..survey.restarts {
            let missing = runs.get(&k).is_some_and(|all| all.get(restart).is_some_and(Option::is_none));
            if !missing {
                watch.done(&Unit::Run { k, restart });
            }
        }
    }
}

/// Whether zeros that a sparse X does not store may be held out.
fn leaves_out<T: Element>(problem: &Problem<'_, T>) -> bool {
    let stats = problem.stats();
    let gaps = stats.stored < stats.rows as u64 * stats.cols as u64;
    matches!(problem.x(), MatrixRef::Sparse(_)) && problem.observed() == Observed::All && gaps
}

/// Takes in what a worker has done.
type Gather<'g, T, D> = &'g mut dyn FnMut(Done<T>, &Shared<'_, '_, T, D>) -> Result<()>;

/// Entries of a sparse X whose zeros count that are left out of a fold at most.
const MOST_LEFT_OUT: f64 = 2e6;

/// The share that is held out. Where a sparse X has zeros that count, the few entries left out cost as much as stored ones.
fn share<T: Element>(survey: &Survey<T>, problem: &Problem<'_, T>) -> f64 {
    let stats = problem.stats();
    let all = stats.rows as f64 * stats.cols as f64;
    let most = (stats.stored as f64).min(MOST_LEFT_OUT);
    if leaves_out(problem) { survey.share.min(most / all) } else { survey.share }
}

/// Lets the workers do the jobs; `false` if somebody asked to stop.
fn work<T: Element, B: Backend<Elem = T>>(
    workers: &mut [B],
    pieces: &[Piece],
    shared: &Shared<'_, '_, T, B::Data>,
    gather: Gather<'_, T, B::Data>,
) -> Result<bool> {
    let next = AtomicUsize::new(0);
    let mut outcome = Ok(());
    let mut finished = 0;
    thread::scope(|s| {
        let (send, receive) = mpsc::channel();
        for b in workers.iter_mut() {
            let (send, next): (Sender<Result<Done<T>>>, _) = (send.clone(), &next);
            s.spawn(move || {
                while !shared.stopping() {
                    let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    let done = match piece {
                        Piece::One(job) => one(b, *job, shared),
                        Piece::Batch(runs) => batch::run(b, runs, shared),
                    };
                    match done {
                        Ok(Some(done)) => drop(send.send(Ok(done))),
                        Ok(None) => break,
                        Err(e) => {
                            shared.failed.store(true, Ordering::Relaxed);
                            drop(send.send(Err(e)));
                        }
                    }
                }
            });
        }
        drop(send);
        for done in receive {
            let result = done.and_then(|done| {
                finished += 1;
                gather(done, shared)
            });
            if result.is_err() && outcome.is_ok() {
                shared.failed.store(true, Ordering::Relaxed);
                outcome = result;
            }
        }
    });
    outcome.map(|()| finished == pieces.len())
}

/// One job; `None` if it was asked to stop.
fn one<T: Element, B: Backend<Elem = T>>(
    b: &mut B,
    job: Job,
    shared: &Shared<'_, '_, T, B::Data>,
) -> Result<Option<Done<T>>> {
    let survey = shared.survey;
    match job {
        Job::Fold(fold) => {
            let (Some(rows), Some(held)) = (&shared.rows, shared.held.get(fold)) else { return Ok(None) };
            let rest = Rest::new(rows, held);
            let (x, mean) = (shared.problem.x(), shared.problem.mean());
            let chain = Chain { survey, x: x.reborrow(), rest: &rest, held, mean, fold, watch: shared };
            let mut state = lock(&shared.folds).get(&fold).cloned().unwrap_or_default();
            let from = state.clone();
            let complete = chain.run(b, Some(from), &mut |now| {
                state = now.clone();
                shared.archive.keep(Key::Fold(fold), now.snapshot())
            })?;
            Ok(complete.then_some(Done::Fold(fold, state)))
        }
        Job::Run { k, restart } => {
            let Some(data) = &shared.data else { return Ok(None) };
            let mut look = |_: &Progress| if shared.stopping() { Flow::Stop } else { Flow::Continue };
            let nmf = survey.one_run(k, restart);
            let fitted =
                nmf.fit_uploaded(b, data, shared.problem, 0.0, &mut look).map_err(|e| within(k, restart, e))?;
            if shared.stopping() {
                return Ok(None);
            }
            Ok(Some(Done::Runs(vec![keep(b, data, (k, restart), fitted, shared)?])))
        }
    }
}

/// A failure with its place.
fn within(k: usize, restart: usize, e: Error) -> Error {
    Error::Within { what: format!("at k = {k}, start {restart}"), source: Box::new(e) }
}

/// Puts a finished run where it is kept.
fn keep<T: Element, B: Backend<Elem = T>>(
    b: &mut B,
    data: &B::Data,
    (k, restart): (usize, usize),
    fitted: Fitted<T>,
    shared: &Shared<'_, '_, T, B::Data>,
) -> Result<Kept<T>> {
    let (objective, lost) = (fitted.objective(), fitted.divergence());
    let (w, h) = fitted.into_factors();
    let squared_error = if shared.survey.nmf.loss_ref().is_fro() {
        2.0 * lost
    } else {
        let start = Start { w: w.clone(), h: h.t().as_standard_layout().into_owned() };
        2.0 * divergence(b, data, shared.problem, &Loss::FRO, &start)?
    };
    let kept = Kept { k, restart, objective, divergence: lost, squared_error, w, h };
    shared.archive.keep(Key::Run { k, restart }, kept.snapshot())?;
    shared.done(&Unit::Run { k, restart });
    Ok(kept)
}

fn found<T: Element>(
    survey: &Survey<T>,
    mut ranks: BTreeMap<usize, Surveyed<T>>,
    folds: &BTreeMap<usize, Fold<T>>,
    share: f64,
) -> Found<T> {
    let mut all = Vec::with_capacity(survey.ranks.len());
    for (i, k) in survey.ranks.iter().enumerate() {
        if let Some(mut rank) = ranks.remove(k) {
            rank.folds = folds.values().filter_map(|f| f.errors.get(i).copied()).collect();
            rank.held_out = (!rank.folds.is_empty()).then(|| mean_and_error(&rank.folds));
            all.push(rank);
        }
    }
    let curve: Vec<(f64, f64)> = all.iter().map(|s| (s.k as f64, s.divergences[s.best])).collect();
    let bend = elbow(&curve).and_then(|i| all.get(i)).map(|s| s.k);
    let recommended = recommend(&all, bend);
    Found { ranks: all, elbow: bend, recommended, share }
}

fn lock<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // a poisoned map is still a map: its writers leave whole entries
    m.lock().unwrap_or_else(|e| e.into_inner())
}
