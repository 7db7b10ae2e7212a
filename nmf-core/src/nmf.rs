//! The front door: a builder, and what it returns.

pub(crate) mod batch;
pub(crate) mod bootstrap;
pub(crate) mod check;
mod fitted;
mod kept;
mod surveyed;
mod transform;

pub use fitted::{Fitted, Norm, Sparseness};
pub use transform::transform;

use crate::fit::{Origin, Plan, Run, Start, fit_kept};
use crate::init::Init;
use crate::observer::{Observer, Silent};
use crate::penalty::Ridge;
use crate::snapshot::{Keeper, Snapshot};
use crate::solver::{MuExponent, SolverKind, SolverOptions};
use crate::stop::{Stop, Stopped};
use crate::{Backend, Element, Error, Loss, Matrix, MatrixRef, Observed, Penalty, Problem, Result, Rule, Weighted};
use kept::{Book, Page, Past};
use ndarray::{Array2, s};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What to factor X (m×n) into, and how: X ≈ W·H with W m×k, H k×n.
///
/// ```
/// use nmf_core::{Loss, Nmf};
/// use nmf_cpu::Cpu;
///
/// let x = ndarray::array![[1.0, 2.0, 2.0, 0.0, 3.0], [1.0, 0.0, 2.0, 1.0, 2.0], [0.0, 2.0, 0.0, 0.0, 1.0]];
/// let fitted = Nmf::new(2).loss(Loss::KL).seed(1).fit(&mut Cpu::<f64>::new()?, &x)?;
/// println!("W = {:?}\nH = {:?}\nobjective {}", fitted.w(), fitted.h(), fitted.objective());
/// # assert_eq!((fitted.w().dim(), fitted.h().dim()), ((3, 2), (2, 5)));
/// # Ok::<(), nmf_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Nmf<T: Element = f64> {
    rank: usize,
    loss: Loss,
    solver: SolverKind,
    options: SolverOptions,
    weights: Option<Arc<Matrix<T>>>,
    init: Init<T>,
    seed: u64,
    restarts: usize,
    stop: Stop,
    trace_every: usize,
    kkt: bool,
    penalty_w: Penalty,
    penalty_h: Penalty,
    fixed_w: Option<Array2<T>>,
    fixed_h: Option<Array2<T>>,
    observed: Observed,
}

impl<T: Element> Nmf<T> {
    /// A factorization of rank `k` with the defaults: Frobenius loss, [`SolverKind::Auto`], [`Init::Auto`], seed 0, one
    /// start, at most 200 iterations, tolerance 1e-4.
    pub fn new(k: usize) -> Self {
        Nmf {
            rank: k,
            loss: Loss::FRO,
            solver: SolverKind::Auto,
            options: SolverOptions::default(),
            weights: None,
            init: Init::Auto,
            seed: 0,
            restarts: 1,
            stop: Stop::default(),
            trace_every: 1,
            kkt: false,
            penalty_w: Penalty::NONE,
            penalty_h: Penalty::NONE,
            fixed_w: None,
            fixed_h: None,
            observed: Observed::All,
        }
    }

    /// The same settings at another rank.
    #[must_use]
    pub fn with_rank(mut self, k: usize) -> Self {
        self.rank = k;
        self
    }
    /// The loss.
    #[must_use]
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }
    /// The solver.
    #[must_use]
    pub fn solver(mut self, solver: SolverKind) -> Self {
        self.solver = solver;
        self
    }
    /// Exponent of multiplicative updates.
    #[must_use]
    pub fn mu_exponent(mut self, exponent: MuExponent) -> Self {
        self.options.exponent = exponent;
        self
    }
    /// Step of [`SolverKind::Gd`], in the units of X.
    #[must_use]
    pub fn step(mut self, step: f64) -> Self {
        self.options.step = Some(step);
        self
    }
    /// Visits the components in a random order of this seed, another one in each iteration.
    #[must_use]
    pub fn shuffle(mut self, seed: u64) -> Self {
        self.options.shuffle = Some(seed);
        self
    }
    /// Imposes Hoyer's sparseness, in [0, 1], on each column of W and on each row of H: [`SolverKind::Pg`].
    #[must_use]
    pub fn sparseness(mut self, w: Option<f64>, h: Option<f64>) -> Self {
        self.options.sparseness = (w, h);
        self
    }
    /// Weights ≥ 0 of the entries (m×n): the objective is Σ ωᵢⱼ·d(xᵢⱼ, vᵢⱼ), and an entry of weight 0 is unknown,
    /// whatever X holds there. A mask has weights 0 and 1. See [`Weighted::new`] for sparse matrices.
    #[must_use]
    pub fn weights(mut self, weights: impl Into<Matrix<T>>) -> Self {
        self.weights = Some(Arc::new(weights.into()));
        self
    }
    /// The start.
    #[must_use]
    pub fn init(mut self, init: Init<T>) -> Self {
        self.init = init;
        self
    }
    /// A convolutive model: patterns that last `shifts` = L ≥ 1 columns of X, which begin where H says ([`crate::shifts`]). W
    /// is then m × k·L everywhere, column q·L + τ for (q, τ): an m×k×L array in standard order.
    #[must_use]
    pub fn shifts(mut self, shifts: usize) -> Self {
        self.options.shifts = shifts;
        self
    }
    /// Starts from given factors: W m×k (m × k·L with [`shifts`](Self::shifts)) and H k×n, in the units of X.
    #[must_use]
    pub fn start(self, w: Array2<T>, h: Array2<T>) -> Self {
        self.init(Init::Custom(Start { w, h: h.reversed_axes() }))
    }
    /// Seed of everything random.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
    /// Number of starts, of which the one with the lowest objective is kept. The first uses the chosen
    /// initialization, the others are random (seed + 1, seed + 2, …).
    #[must_use]
    pub fn restarts(mut self, restarts: usize) -> Self {
        self.restarts = restarts;
        self
    }
    /// All stopping rules at once.
    #[must_use]
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }
    /// At most this many iterations.
    #[must_use]
    pub fn max_iter(mut self, n: usize) -> Self {
        self.stop.max_iter = n;
        self
    }
    /// Relative tolerance of the objective, see [`Stop::tol`].
    #[must_use]
    pub fn tol(mut self, tol: f64) -> Self {
        self.stop.tol = tol;
        self
    }
    /// Time limit for each start.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.stop.time_limit = Some(limit);
        self
    }
    /// Record the objective every `n` iterations (0: start and end only). Default 1. Under [`Loss::FRO`] a point is left out where
    /// only a difference of large sums is known of it and its digits are gone: a few, where a fit falls fast to nearly nothing.
    #[must_use]
    pub fn trace_every(mut self, n: usize) -> Self {
        self.trace_every = n;
        self
    }
    /// Also compute the KKT residual.
    #[must_use]
    pub fn kkt(mut self, on: bool) -> Self {
        self.kkt = on;
        self
    }
    /// Penalty on W, in the units of X.
    #[must_use]
    pub fn penalty_w(mut self, p: Penalty) -> Self {
        self.penalty_w = p;
        self
    }
    /// Penalty on H, in the units of X.
    #[must_use]
    pub fn penalty_h(mut self, p: Penalty) -> Self {
        self.penalty_h = p;
        self
    }
    /// The first columns of W (m×j; m × j·L with [`shifts`](Self::shifts)) are given and stay as they are.
    #[must_use]
    pub fn fix_w(mut self, w: Array2<T>) -> Self {
        self.fixed_w = Some(w);
        self
    }
    /// The first rows of H (j×n) are given and stay as they are.
    #[must_use]
    pub fn fix_h(mut self, h: Array2<T>) -> Self {
        self.fixed_h = Some(h);
        self
    }
    /// Which entries of X count.
    #[must_use]
    pub fn observed(mut self, observed: Observed) -> Self {
        self.observed = observed;
        self
    }

    /// Factors X (m×n).
    pub fn fit<'a, B: Backend<Elem = T>>(&self, b: &mut B, x: impl Into<MatrixRef<'a, T>>) -> Result<Fitted<T>> {
        self.fit_observed(b, x, &mut Silent)
    }

    /// Factors X (m×n) under the eyes of an observer.
    pub fn fit_observed<'a, B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        x: impl Into<MatrixRef<'a, T>>,
        observer: &mut dyn Observer,
    ) -> Result<Fitted<T>> {
        let (x, prepare) = (x.into(), Instant::now());
        let weighted = self.weighted(&x)?;
        let problem = self.problem(x.reborrow(), weighted.as_ref())?;
        self.check(b, &problem)?;
        let data = problem.upload(b)?;
        b.finish()?;
        let prepare = prepare.elapsed().as_secs_f64();
        self.fit_uploaded(b, &data, &problem, prepare, observer)
    }

    /// X beside its weights, if there are any: what [`problem`](Self::problem) borrows from.
    pub fn weighted<'x>(&'x self, x: &'x MatrixRef<'_, T>) -> Result<Option<Weighted<'x, T>>> {
        let stored_only = self.observed == Observed::Stored;
        self.weights.as_ref().map(|w| Weighted::new(&x.reborrow(), &w.view(), stored_only)).transpose()
    }

    /// X, its weights and the loss, checked: what is uploaded.
    pub fn problem<'x>(
        &self,
        x: impl Into<MatrixRef<'x, T>>,
        weighted: Option<&'x Weighted<'x, T>>,
    ) -> Result<Problem<'x, T>> {
        match weighted {
            Some(w) => Problem::weighted(w, self.loss.clone()),
            None if self.weights.is_some() => {
                Err(Error::Unsupported("weights were given: pass what Nmf::weighted makes of them and X".into()))
            }
            None => Problem::new(x, self.loss.clone(), self.observed),
        }
    }

    /// Factors a matrix that is on the device already, uploaded with the problem's units: for several
    /// factorizations of one X.
    pub fn fit_uploaded<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        data: &B::Data,
        problem: &Problem<'_, T>,
        prepare_seconds: f64,
        observer: &mut dyn Observer,
    ) -> Result<Fitted<T>> {
        self.fit_from(b, data, problem, prepare_seconds, observer, None, Past::default(), None)
    }

    /// The restarts that follow those of `past`; the first of them from `of_run` on, if that is given. Snapshots go into `book`.
    fn fit_from<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        data: &B::Data,
        problem: &Problem<'_, T>,
        prepare_seconds: f64,
        observer: &mut dyn Observer,
        book: Option<&mut Book<'_, T>>,
        mut past: Past<T>,
        of_run: Option<&Snapshot<T>>,
    ) -> Result<Fitted<T>> {
        let kind = self.check(b, problem)?;
        if self.restarts > 1 && book.is_none() && of_run.is_none() {
            self.restart_side_by_side(b, data, problem, &mut past, observer)?;
        }
        self.restart_one_by_one(kind, b, data, problem, &mut past, observer, book, of_run)?;
        let (objectives, seconds) =
            (past.ended.iter().map(|e| e.objective).collect(), past.ended.iter().map(|e| e.seconds).sum());
        let interrupted = past.interrupted();
        let Some(mut run) = past.best else {
            return Err(Error::Parameter { name: "restarts", value: "0".into(), expected: "at least 1" });
        };
        // the best run so far, if not the one that was interrupted
        if interrupted {
            run.stopped = Stopped::Interrupted;
        }
        Ok(Fitted { objectives, prepare_seconds, seconds, ..self.fitted(problem, kind, run) })
    }

    /// The restarts that `past` lacks, until one is interrupted.
    fn restart_one_by_one<B: Backend<Elem = T>>(
        &self,
        kind: SolverKind,
        b: &mut B,
        data: &B::Data,
        problem: &Problem<'_, T>,
        past: &mut Past<T>,
        observer: &mut dyn Observer,
        mut book: Option<&mut Book<'_, T>>,
        mut of_run: Option<&Snapshot<T>>,
    ) -> Result<()> {
        let (rank, shifts) = (self.rank, self.options.shifts);
        if past.interrupted() || past.ended.len() >= self.restarts {
            return Ok(());
        }
        let mut solver = kind.build(b, problem.dim(), rank, &self.options, &problem.units())?;
        while past.ended.len() < self.restarts && !past.interrupted() {
            let r = past.ended.len();
            let start;
            let origin = match of_run.take() {
                Some(of_run) => Origin::Snapshot { of_run, rank, shifts },
                None => {
                    start = Mutex::new(Some(self.start_of(r, b, data, problem)?));
                    Origin::Once(&start)
                }
            };
            let mut page = book.as_deref_mut().map(|book| Page { book, past: past.to_snapshot() });
            let keeper = page.as_mut().map(|page| page as &mut dyn Keeper<T>);
            let run = fit_kept(b, data, problem, &mut *solver, origin, &self.plan(r), observer, keeper)?;
            past.push(run);
        }
        Ok(())
    }

    /// A run of one start as the result, balanced.
    pub(crate) fn fitted(&self, problem: &Problem<'_, T>, kind: SolverKind, mut run: Run<T>) -> Fitted<T> {
        let fixed = self.fixed_w.is_some() || self.fixed_h.is_some();
        if self.penalty_w.is_none() && self.penalty_h.is_none() && !fixed {
            fitted::balance(&mut run);
        }
        Fitted {
            loss: self.loss.clone(),
            solver: kind,
            init: self.init.resolve(self.rank, problem.dim(), self.options.shifts).to_string(),
            seed: self.seed,
            penalty_w: self.penalty_w,
            observed: problem.observed(),
            objectives: vec![run.objective],
            prepare_seconds: 0.0,
            seconds: run.seconds,
            warnings: self.warnings(problem),
            run,
        }
    }

    fn plan(&self, restart: usize) -> Plan {
        let ridge = if self.loss.is_kl() { Ridge::Quadratic } else { Ridge::Denominator };
        let rule = |fixed: Option<usize>, penalty| Rule {
            fixed: fixed.unwrap_or(0),
            penalty,
            exponent: self.options.gamma(&self.loss, self.solver),
            ridge,
        };
        Plan {
            rule_w: rule(self.fixed_w.as_ref().map(|f| f.ncols()), self.penalty_w),
            rule_h: rule(self.fixed_h.as_ref().map(|f| f.nrows()), self.penalty_h),
            stop: self.stop.clone(),
            trace_every: self.trace_every,
            kkt: self.kkt,
            restart: (restart, self.restarts),
        }
    }

    /// Where restart `r` starts, with the fixed parts in their places.
    pub(crate) fn start_of<B: Backend<Elem = T>>(
        &self,
        r: usize,
        b: &mut B,
        data: &B::Data,
        problem: &Problem<'_, T>,
    ) -> Result<Start<T>> {
        let init = if r == 0 { &self.init } else { &Init::Random };
        let seed = self.seed.wrapping_add(r as u64);
        let mut start = init.make(b, data, problem, self.rank, self.options.shifts, seed)?;
        if let Some(f) = &self.fixed_w {
            start.w.slice_mut(s![.., ..f.ncols()]).assign(f);
        }
        if let Some(f) = &self.fixed_h {
            start.h.slice_mut(s![.., ..f.nrows()]).assign(&f.t());
        }
        Ok(start)
    }
}
