//! Choosing the rank k: one survey over a range of k.
//!
//! Three questions are put to every k:
//! * *How well does it fit?* The best of several random starts gives the error curve.
//! * *Does it fit what it has not seen?* Scattered entries are held out ("speckles", S. Wold, Technometrics 20(4), 1978; A. Owen and
//!   P. Perry, Annals of Applied Statistics 3(2), 2009, discuss when this is right) and predicted: the error on them falls until k
//!   has what the data have, and rises when more components fit noise. Any loss, dense and sparse, with masks and weights.
//! * *Do different starts find the same?* Consensus clustering (S. Monti et al., Machine Learning 52, 2003; J.-P. Brunet et al.,
//!   PNAS 101(12), 2004), and the components of all runs matched to each other ([`crate::stability`]).
//!
//! Every run is small work of its own, so that the survey runs one per worker, all on one upload of X, and what an [`Archive`] has
//! kept is not done again. Results do not depend on the number of workers or on what was interrupted.
//!
//! ```
//! use nmf_core::{Loss, Nmf, rank::Survey};
//! use nmf_cpu::Cpu;
//!
//! // two groups of rows that share nothing
//! let x = ndarray::Array2::from_shape_fn((30, 24), |(i, j)| {
//!     if (i < 15) == (j < 12) { 1.0 + ((7 * i + 3 * j) % 5) as f64 } else { 0.1 }
//! });
//! let survey = Survey::new(Nmf::new(1).loss(Loss::KL), [1, 2, 3]).restarts(5).folds(5);
//! let mut workers = [Cpu::<f64>::with_threads(1)?, Cpu::with_threads(1)?];
//! let found = survey.run(&mut workers, &x)?;
//! println!("{}", found.recommended.reason);
//! # assert_eq!(found.recommended.rank, 2);
//! # Ok::<(), nmf_core::Error>(())
//! ```

mod held_out;
mod kept;
mod left_out;
mod recommend;
mod run;
mod speckle;
mod summary;

pub use recommend::Recommendation;

use crate::{Backend, Element, Error, Init, MatrixRef, Nmf, Problem, Result, Side, Snapshot};
use ndarray::Array2;
use std::fmt;

/// What to survey, and how closely.
#[derive(Debug, Clone)]
pub struct Survey<T: Element> {
    nmf: Nmf<T>,
    ranks: Vec<usize>,
    restarts: usize,
    folds: usize,
    share: f64,
    cluster: Option<Side>,
}

/// One piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// A factorization of all of X from random start number `restart`.
    Run {
        /// Rank.
        k: usize,
        /// Which start, from 0.
        restart: usize,
    },
    /// The factorizations without fold number `fold`.
    Fold {
        /// Rank.
        k: usize,
        /// Which fold, from 0.
        fold: usize,
    },
}

/// What was found at one rank.
#[derive(Debug, Clone, PartialEq)]
pub struct Surveyed<T> {
    /// Rank.
    pub k: usize,
    /// Divergence of every run, by its number.
    pub divergences: Vec<f64>,
    /// The run with the lowest objective.
    pub best: usize,
    /// Its divergence plus penalties.
    pub objective: f64,
    /// Its ‖X − WH‖².
    pub squared_error: f64,
    /// 1 − ‖X − WH‖²/‖X‖², of the best run.
    pub explained: f64,
    /// Whether W and H have fewer numbers than X: (m + n)·k < m·n.
    pub compresses: bool,
    /// Held-out error per entry: mean and standard error over the folds.
    pub held_out: Option<(f64, f64)>,
    /// Held-out error of every fold.
    pub folds: Vec<f64>,
    /// Cophenetic correlation of the consensus, for k ≥ 2 and at least two runs.
    pub cophenetic: Option<f64>,
    /// Dispersion of the consensus, 0 (arbitrary) to 1 (all runs agree).
    pub dispersion: Option<f64>,
    /// Mean silhouette of the clustered bases.
    pub silhouette: Option<f64>,
    /// Of every component of the best run: mean cosine to its counterparts in the other runs.
    pub stability: Vec<f64>,
    /// Of every component of the best run: mean silhouette of its cluster of bases.
    pub silhouettes: Vec<f64>,
    /// Rows (by W) or columns (by H) of X were clustered.
    pub clustered: Side,
    /// Those that were: all, or [`MOST_ITEMS`] evenly spread ones.
    pub items: Vec<usize>,
    /// Share of the runs in which two items are in one cluster (items × items).
    pub consensus: Array2<f64>,
    /// Positions in `items` in the order in which like ones are neighbours.
    pub order: Vec<usize>,
    /// Cluster of every item by the consensus, cut into k.
    pub clusters: Vec<usize>,
    /// W of the best run, m×k.
    pub w: Array2<T>,
    /// H of the best run, k×n.
    pub h: Array2<T>,
}

/// Items that are clustered at most: the consensus has as many rows and columns.
pub const MOST_ITEMS: usize = 1000;

/// A survey done.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// One entry per rank, in their order.
    pub ranks: Vec<Surveyed<T>>,
    /// Where the error curve bends most, if it does.
    pub elbow: Option<usize>,
    /// Which rank to take.
    pub recommended: Recommendation,
    /// Share of the entries held out in each fold; smaller than asked for where a sparse X has too few stored entries.
    pub share: f64,
}

/// What of a survey is kept, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A finished run.
    Run {
        /// Rank.
        k: usize,
        /// Which start, from 0.
        restart: usize,
    },
    /// A fold, as far as it is done.
    Fold(usize),
    /// What all runs of a rank came to; the runs are then no longer needed.
    Rank(usize),
}

impl fmt::Display for Key {
    /// A name that is fit for a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Run { k, restart } => write!(f, "run_k{k}_{restart}"),
            Key::Fold(fold) => write!(f, "fold_{fold}"),
            Key::Rank(k) => write!(f, "k{k}"),
        }
    }
}

/// Where finished work is kept, so that it is not done again. Called from all workers.
pub trait Archive<T>: Sync {
    /// What was kept under this name.
    fn load(&self, key: Key) -> Result<Option<Snapshot<T>>>;
    /// Keeps this, replacing what was there.
    fn keep(&self, key: Key, state: Snapshot<T>) -> Result<()>;
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl<T> Archive<T> for Nothing {
    fn load(&self, _: Key) -> Result<Option<Snapshot<T>>> {
        Ok(None)
    }
    fn keep(&self, _: Key, _: Snapshot<T>) -> Result<()> {
        Ok(())
    }
}

/// Looks on while a survey runs; called from its workers.
pub trait Watch: Sync {
    /// Whether to stop: asked after every iteration. What is finished by then has been kept.
    fn stopping(&self) -> bool {
        false
    }
    /// A unit is done.
    fn done(&self, unit: &Unit) {
        let _ = unit;
    }
}

impl Watch for Nothing {}

impl<T: Element> Survey<T> {
    /// Surveys these ranks with the settings of `nmf` (loss, solver, stopping rules, penalties, weights, seed; its rank, start and
    /// restarts do not matter): 10 restarts, 5 folds of a tenth of the entries each, the shorter side of X is clustered.
    pub fn new(nmf: Nmf<T>, ranks: impl IntoIterator<Item = usize>) -> Self {
        Survey { nmf, ranks: ranks.into_iter().collect(), restarts: 10, folds: 5, share: 0.1, cluster: None }
    }

    /// Random starts at every rank.
    #[must_use]
    pub fn restarts(mut self, restarts: usize) -> Self {
        self.restarts = restarts;
        self
    }

    /// Number of sets of entries that are held out in turn; 0: nothing is held out.
    #[must_use]
    pub fn folds(mut self, folds: usize) -> Self {
        self.folds = folds;
        self
    }

    /// Share of the entries in each of these sets, at most 1/folds. Of a sparse X whose zeros count, at most as many as it
    /// stores, and two million.
    #[must_use]
    pub fn held_out(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Clusters the rows (by W) or columns (by H) of X.
    #[must_use]
    pub fn cluster(mut self, side: Side) -> Self {
        self.cluster = Some(side);
        self
    }

    /// The ranks, in their order.
    pub fn ranks(&self) -> &[usize] {
        &self.ranks
    }

    /// How many units there are in all.
    pub fn units(&self) -> usize {
        self.ranks.len() * (self.restarts + self.folds)
    }

    /// Surveys X (m×n), one run at a time on each worker.
    pub fn run<'a, B: Backend<Elem = T>>(&self, workers: &mut [B], x: impl Into<MatrixRef<'a, T>>) -> Result<Found<T>> {
        let found = self.run_kept(workers, x, &Nothing, &Nothing)?;
        found.ok_or_else(|| Error::Unsupported("the survey was stopped".into()))
    }

    /// The same with an archive of what is done, and somebody who looks on; `None` if they asked to stop.
    pub fn run_kept<'a, B: Backend<Elem = T>>(
        &self,
        workers: &mut [B],
        x: impl Into<MatrixRef<'a, T>>,
        archive: &dyn Archive<T>,
        watch: &dyn Watch,
    ) -> Result<Option<Found<T>>> {
        run::run(self, workers, x.into(), archive, watch)
    }

    /// Refuses, before any work, settings that cannot be honoured for X on this backend.
    pub fn check<B: Backend<Elem = T>>(&self, b: &B, problem: &Problem<'_, T>) -> Result<()> {
        self.check_numbers()?;
        for k in &self.ranks {
            self.nmf.clone().with_rank(*k).init(Init::Random).check(b, problem)?;
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<()> {
        let refuse = |name, value: String, expected| Err(Error::Parameter { name, value, expected });
        if self.ranks.is_empty() || self.ranks.windows(2).any(|p| p[0] >= p[1]) {
            return refuse("ranks", format!("{:?}", self.ranks), "at least one, each larger than the one before");
        }
        if self.restarts == 0 {
            return refuse("restarts", "0".into(), "at least 1");
        }
        if self.folds == 1 {
            return refuse("folds", "1".into(), "0 (nothing is held out), or at least 2");
        }
        let all = self.share * self.folds as f64;
        if self.folds > 0 && !(self.share > 0.0 && all <= 1.0 + 1e-12) {
            return refuse("the share held out", self.share.to_string(), "above 0, at most 1/folds");
        }
        self.nmf.check_surveyed(self.folds > 0)
    }

    /// Seed of a random start of a fold: apart from those of the runs, and the same whatever ranks and folds there are.
    fn fold_seed(&self, fold: usize, k: usize, start: u64) -> u64 {
        let mix = (fold as u64 + 1) << 40 | (k as u64) << 8 | start;
        self.nmf.seed_of().wrapping_add(mix)
    }
}
