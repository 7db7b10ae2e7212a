//! Factorizations that are kept on the way, and go on later.

use super::{Fitted, Nmf};
use crate::fingerprint::Fingerprint;
use crate::fit::{Run, get_trace, put_trace};
use crate::snapshot::{Entry, Keeper, Snapshot};
use crate::stop::{Stop, Stopped};
use crate::{Backend, Element, Error, Info, Init, Observer, Problem, Progress, Result, SolverKind};
use std::cell::OnceCell;
use std::fmt::Debug;

impl<T: Element> Nmf<T> {
    /// Like [`fit_uploaded`](Self::fit_uploaded), with snapshots of the state for `keeper`, and from a snapshot on if there is one.
    ///
    /// Taking snapshots does not change the result, and what goes on from one gets the same result as what was never interrupted, to the
    /// last bit: factors, objectives, trace; seconds add up. The snapshot must be of the same matrix, the same options and the same
    /// backend on the same machine (a loss of one's own is known by its name alone); [`Stop::max_iter`] and [`Stop::time_limit`] may differ where no earlier restart ended by them.
    ///
    /// ```
    /// use nmf_core::{Keeper, Nmf, Observed, Progress, Silent, Snapshot};
    /// use nmf_cpu::Cpu;
    ///
    /// /// Keeps every tenth iteration.
    /// #[derive(Default)]
    /// struct Tenth(Vec<Snapshot<f64>>);
    /// impl Keeper<f64> for Tenth {
    ///     fn due(&mut self, p: &Progress) -> bool {
    ///         p.iteration % 10 == 0
    ///     }
    ///     fn keep(&mut self, snapshot: Snapshot<f64>) {
    ///         self.0.push(snapshot);
    ///     }
    /// }
    ///
    /// let x = ndarray::array![[1.0, 2.0, 2.0, 0.0, 3.0], [1.0, 0.0, 2.0, 1.0, 2.0], [0.0, 2.0, 0.0, 0.0, 1.0]];
    /// let (mut cpu, nmf) = (Cpu::<f64>::new()?, Nmf::new(2).max_iter(50).tol(0.0));
    /// let problem = nmf.problem(&x, None)?;
    /// let data = problem.upload(&mut cpu)?;
    /// let mut kept = Tenth::default();
    /// let whole = nmf.fit_kept(&mut cpu, &data, &problem, 0.0, &mut Silent, Some(&mut kept), None)?;
    ///
    /// let third = &kept.0[2];
    /// assert_eq!((third.restart()?, third.iteration()?), (0, 30));
    /// let resumed = nmf.fit_kept(&mut cpu, &data, &problem, 0.0, &mut Silent, None, Some(third))?;
    /// assert_eq!((resumed.w(), resumed.h(), resumed.iterations()), (whole.w(), whole.h(), 50));
    /// # Ok::<(), nmf_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Snapshot`] names what does not fit; otherwise as `fit_uploaded`.
    pub fn fit_kept<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        data: &B::Data,
        problem: &Problem<'_, T>,
        prepare_seconds: f64,
        observer: &mut dyn Observer,
        keeper: Option<&mut dyn Keeper<T>>,
        resume: Option<&Snapshot<T>>,
    ) -> Result<Fitted<T>> {
        if keeper.is_none() && resume.is_none() {
            return self.fit_uploaded(b, data, problem, prepare_seconds, observer);
        }
        let kind = self.check(b, problem)?;
        let info = b.info();
        let identity = OnceCell::new();
        let mut past = Past::default();
        if let Some(snapshot) = resume {
            check_identity(snapshot, identity.get_or_init(|| self.identity(problem, kind, &info)))?;
            let ((m, n), k) = (problem.dim(), self.rank);
            past = Past::of(snapshot, ((m, k * self.options.shifts), (n, k)))?;
            past.check(self.restarts, &self.stop, snapshot.iteration()?)?;
        }
        let about = Box::new(move || self.identity(problem, kind, &info));
        let mut book = keeper.map(|keeper| Book { keeper, identity, about });
        let of_run = resume.map(|s| s.part("run"));
        self.fit_from(b, data, problem, prepare_seconds, observer, book.as_mut(), past, of_run.as_ref())
    }

    /// Everything that decides about the path of a factorization, in words: what a snapshot must agree with.
    fn identity(&self, problem: &Problem<'_, T>, kind: SolverKind, info: &Info) -> Identity {
        let (rows, cols) = problem.dim();
        let (stats, options, stop) = (problem.stats(), &self.options, &self.stop);
        let hash = |value: u64| format!("{value:016x}");
        let dense = |a: Option<_>| a.map_or("none".into(), |a| hash(Fingerprint::of::<T>(a)));
        // results do not depend on the number of threads, which is all that such an adapter says
        let threads = format!("{} threads", info.threads);
        let device = if info.adapter == threads { String::new() } else { format!(", {}", info.adapter) };
        let numerics = if info.numerics.is_empty() { String::new() } else { format!(", {}", info.numerics) };
        let init = self.init.resolve(self.rank, (rows, cols), options.shifts);
        let start = match &init {
            Init::Custom(s) => {
                let (w, h) = (Fingerprint::of(s.w.view()), Fingerprint::of(s.h.view()));
                format!("custom with the hashes {} and {}", hash(w), hash(h))
            }
            other => other.to_string(),
        };
        fn say(v: impl Debug) -> String {
            format!("{v:?}")
        }
        fn given(v: Option<impl Debug>) -> String {
            v.map_or("none".into(), say)
        }
        vec![
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("precision", T::NAME.into()),
            ("backend", format!("{}{device}{numerics}", info.name)),
            ("matrix", format!("{rows}x{cols} with {} stored entries", stats.stored)),
            ("observed_entries", say(problem.observed())),
            ("hash_of_the_entries", hash(problem.fingerprint())),
            ("rank", say(self.rank)),
            ("shifts", say(options.shifts)),
            ("loss", self.loss.to_string()),
            ("solver", kind.to_string()),
            ("exponent", say(options.gamma(&self.loss, self.solver))),
            ("step", given(options.step)),
            ("shuffle", given(options.shuffle)),
            ("sparseness_of_W", given(options.sparseness.0)),
            ("sparseness_of_H", given(options.sparseness.1)),
            ("start", start),
            ("seed", say(self.seed)),
            ("restarts", say(self.restarts)),
            ("penalty_on_W", format!("l1 {:?} l2 {:?}", self.penalty_w.l1, self.penalty_w.l2)),
            ("penalty_on_H", format!("l1 {:?} l2 {:?}", self.penalty_h.l1, self.penalty_h.l2)),
            ("hash_of_the_fixed_W", dense(self.fixed_w.as_ref().map(|f| f.view()))),
            ("hash_of_the_fixed_H", dense(self.fixed_h.as_ref().map(|f| f.view()))),
            ("tol", say(stop.tol)),
            ("kkt_tol", say(stop.kkt_tol)),
            ("iterations_between_checks", say(stop.every)),
            ("iterations_between_records", say(self.trace_every)),
            ("kkt_residual_asked_for", say(self.kkt)),
        ]
    }
}

fn check_identity<T: Element>(snapshot: &Snapshot<T>, identity: &[(&'static str, String)]) -> Result<()> {
    for (name, expected) in identity {
        let found = snapshot.text(&format!("about.{name}"))?;
        if found != expected {
            let what = name.replace('_', " ");
            return Err(Error::Snapshot { what, found: found.into(), expected: expected.clone() });
        }
    }
    Ok(())
}

/// Completes the snapshots of a run and passes them on.
pub(super) struct Book<'a, T> {
    keeper: &'a mut dyn Keeper<T>,
    /// Made for the first snapshot: it reads all of X.
    identity: OnceCell<Identity>,
    about: Box<dyn Fn() -> Identity + Send + 'a>,
}

/// What a snapshot must agree with: names and words.
type Identity = Vec<(&'static str, String)>;

/// A run's view of the book: what went before it goes with its snapshots.
pub(super) struct Page<'p, 'a, T> {
    pub(super) book: &'p mut Book<'a, T>,
    pub(super) past: Snapshot<T>,
}

impl<T: Element> Keeper<T> for Page<'_, '_, T> {
    fn due(&mut self, p: &Progress) -> bool {
        self.book.keeper.due(p)
    }

    fn wants_the_last(&self) -> bool {
        self.book.keeper.wants_the_last()
    }

    fn keep(&mut self, run: Snapshot<T>) {
        let mut whole = self.past.clone();
        for (name, value) in self.book.identity.get_or_init(&self.book.about) {
            whole.put(format!("about.{name}"), Entry::Text(value.clone()));
        }
        whole.put_all("run", run);
        self.book.keeper.keep(whole);
    }
}

/// The restarts before the one that runs.
#[derive(Debug)]
pub(super) struct Past<T> {
    /// Of each: iterations done, why it ended, seconds, final objective.
    pub(super) ended: Vec<Ended>,
    /// The one with the lowest objective.
    pub(super) best: Option<Run<T>>,
}

impl<T> Default for Past<T> {
    fn default() -> Self {
        Past { ended: Vec::new(), best: None }
    }
}

/// How a restart ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    iterations: usize,
    stopped: Stopped,
    pub(super) seconds: f64,
    pub(super) objective: f64,
}

impl<T: Element> Past<T> {
    /// Adds a run.
    pub(super) fn push(&mut self, run: Run<T>) {
        let Run { iterations, stopped, seconds, objective, .. } = run;
        self.ended.push(Ended { iterations, stopped, seconds, objective });
        if self.best.as_ref().is_none_or(|old| objective < old.objective) {
            self.best = Some(run);
        }
    }

    /// Whether a run was interrupted; the last one, if so.
    pub(super) fn interrupted(&self) -> bool {
        self.ended.iter().any(|e| e.stopped == Stopped::Interrupted)
    }

    /// As entries of a snapshot.
    pub(super) fn to_snapshot(&self) -> Snapshot<T> {
        let mut out = Snapshot::new();
        out.put_counts("restart", [self.ended.len() as u64]);
        out.put_counts("past.iterations", self.ended.iter().map(|e| e.iterations as u64).collect::<Vec<_>>());
        out.put_counts("past.stopped", self.ended.iter().map(|e| e.stopped.code()).collect::<Vec<_>>());
        out.put_numbers("past.seconds", self.ended.iter().map(|e| e.seconds).collect::<Vec<_>>());
        out.put_numbers("past.objective", self.ended.iter().map(|e| e.objective).collect::<Vec<_>>());
        if let Some(best) = &self.best {
            let mut part = Snapshot::new();
            part.put_matrix("w", best.w.clone());
            part.put_matrix("h", best.h.clone());
            put_trace(&mut part, &best.trace);
            part.put_counts("iterations", [best.iterations as u64]);
            part.put_counts("stopped", [best.stopped.code()]);
            part.put_numbers("divergence", [best.divergence]);
            part.put_numbers("objective", [best.objective]);
            part.put_numbers("kkt_residual", Vec::from_iter(best.kkt_residual));
            part.put_numbers("seconds", [best.seconds]);
            out.put_all("best", part);
        }
        out
    }

    /// What [`to_snapshot`](Self::to_snapshot) put in; W and H of the best run have these shapes.
    fn of(from: &Snapshot<T>, (w, h): (Dim, Dim)) -> Result<Past<T>> {
        let (iterations, stopped) = (from.counts("past.iterations")?, from.counts("past.stopped")?);
        let (seconds, objectives) = (from.numbers("past.seconds")?, from.numbers("past.objective")?);
        let restart = from.restart()?;
        if [iterations.len(), stopped.len(), seconds.len(), objectives.len()] != [restart; 4] {
            return Err(Snapshot::<T>::unfit("past", "of another length", format!("{restart} restarts")));
        }
        let mut past = Past::default();
        for r in 0..restart {
            let (iterations, stopped) = (iterations[r] as usize, Stopped::of_code(stopped[r])?);
            past.ended.push(Ended { iterations, stopped, seconds: seconds[r], objective: objectives[r] });
        }
        if restart > 0 {
            let part = from.part("best");
            past.best = Some(Run {
                w: part.matrix("w", w)?.to_owned(),
                h: part.matrix("h", h)?.to_owned(),
                trace: get_trace(&part)?,
                iterations: part.index("iterations")?,
                stopped: Stopped::of_code(part.count("stopped")?)?,
                divergence: part.number("divergence")?,
                objective: part.number("objective")?,
                kkt_residual: part.optional("kkt_residual")?,
                seconds: part.number("seconds")?,
            });
        }
        Ok(past)
    }

    /// Refuses limits under which an earlier restart would have ended otherwise, or this one before where it is.
    fn check(&self, restarts: usize, stop: &Stop, iteration: usize) -> Result<()> {
        let refuse =
            |what: &str, found: String, expected: String| Err(Error::Snapshot { what: what.into(), found, expected });
        if self.ended.len() >= restarts {
            return refuse("restart", self.ended.len().to_string(), format!("a number below {restarts}"));
        }
        for (r, Ended { iterations, stopped, seconds, .. }) in self.ended.iter().enumerate() {
            let (run, limit) = (r + 1, stop.time_limit.map(|t| t.as_secs_f64()));
            match stopped {
                Stopped::MaxIter if stop.max_iter != *iterations => {
                    let found = format!("{iterations}, by which start {run} of {restarts} ended");
                    return refuse("max_iter", found, stop.max_iter.to_string());
                }
                Stopped::Time if limit.is_none_or(|limit| limit > *seconds) => {
                    let found = format!("up after {seconds:.3} s in start {run} of {restarts}");
                    return refuse("time_limit", found, limit.map_or("none".into(), |s| format!("{s} s")));
                }
                _ if stop.max_iter < *iterations => {
                    let found = format!("at least {iterations}, the iterations of start {run} of {restarts}");
                    return refuse("max_iter", found, stop.max_iter.to_string());
                }
                _ => {}
            }
        }
        if stop.max_iter < iteration {
            return refuse("iteration", iteration.to_string(), format!("at most max_iter = {}", stop.max_iter));
        }
        Ok(())
    }
}

/// Rows and columns.
type Dim = (usize, usize);
