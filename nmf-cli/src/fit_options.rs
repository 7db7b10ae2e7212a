//! The options of a factorization, shared by `factorize`, `compare` and `topics`.

mod factors;
mod method;

pub(crate) use method::Method;

use crate::failure::Failure;
use crate::known::Known;
use clap::{Args, FromArgMatches, ValueEnum};
use factors::Given;
use nmf_core::solver::SolverOptions;
use nmf_core::{Element, Init, Loss, Nmf, Penalty, SolverKind, Start, Stop};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to factor into, and how.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Factorization")]
pub(crate) struct FitOptions {
    /// Rank: number of components
    #[arg(short = 'k', long, value_name = "K")]
    pub(crate) rank: usize,
    /// Convolutive model: patterns that last L columns of X, which begin where H says; W is m×k×L. By mu and mue (not topics)
    #[arg(long, default_value_t = 1, value_name = "L")]
    pub(crate) shifts: usize,
    /// Loss: fro (eu, euclidean, frobenius), kl (kullback-leibler, i-divergence), is (itakura-saito) or beta:B
    /// [default: fro; genes, probabilities: kl; topics: kl, with --weighting tf-idf fro]
    #[arg(long, value_name = "LOSS")]
    pub(crate) loss: Option<Loss>,
    /// The solver.
    #[command(flatten)]
    pub(crate) method: Method,
    /// Start [default: nndsvda if k ≤ min(m, n), else and with --shifts random; custom if --w0 and --h0 are given]
    #[arg(long, value_enum)]
    pub(crate) init: Option<InitChoice>,
    /// W to start from (m×k, .npy or CSV; with --shifts m×k×L, .npy), in the units of X; needs --h0
    #[arg(long, value_name = "FILE", requires = "h0")]
    pub(crate) w0: Option<PathBuf>,
    /// H to start from (k×n, .npy or CSV); needs --w0
    #[arg(long, value_name = "FILE", requires = "w0")]
    pub(crate) h0: Option<PathBuf>,
    /// Seed of everything random
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    pub(crate) seed: u64,
    /// Starts, of which the best is kept; those after the first are random
    #[arg(long, default_value_t = 1, value_name = "R")]
    pub(crate) restarts: usize,
    /// Iterations at most
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(crate) max_iter: usize,
    /// Stop when the objective D falls by at most TOL·√(D at the start · D) over 10 iterations; 0: exactly --max-iter
    #[arg(long, default_value_t = 1e-4, value_name = "TOL")]
    pub(crate) tol: f64,
    /// Stop when the KKT residual is below TOL × its value at the start; 0: never
    #[arg(long, default_value_t = 0.0, value_name = "TOL")]
    pub(crate) kkt_tol: f64,
    /// Stop after S seconds of iterating (each start)
    #[arg(long, value_name = "S")]
    pub(crate) time_limit: Option<f64>,
    /// Record the objective every N iterations; 0: at the start and the end only. Under mue and gd each record costs a pass
    /// over X, elsewhere next to nothing
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) trace_every: usize,
    /// Adds L1_W·ΣW to the objective
    #[arg(long, value_name = "WEIGHT", help_heading = "Penalties")]
    pub(crate) l1_w: Option<f64>,
    /// Adds ½·L2_W·ΣW² to the objective
    #[arg(long, value_name = "WEIGHT", help_heading = "Penalties")]
    pub(crate) l2_w: Option<f64>,
    /// Adds L1_H·ΣH to the objective
    #[arg(long, value_name = "WEIGHT", help_heading = "Penalties")]
    pub(crate) l1_h: Option<f64>,
    /// Adds ½·L2_H·ΣH² to the objective
    #[arg(long, value_name = "WEIGHT", help_heading = "Penalties")]
    pub(crate) l2_h: Option<f64>,
    /// Penalty on W in scikit-learn's scaling: times n (columns), split by --l1-ratio
    #[arg(long, value_name = "A", conflicts_with_all = ["l1_w", "l2_w", "l1_h", "l2_h"], help_heading = "Penalties")]
    pub(crate) alpha_w: Option<f64>,
    /// Penalty on H in scikit-learn's scaling: times m (rows), split by --l1-ratio [default: as --alpha-w]
    #[arg(long, value_name = "A", conflicts_with_all = ["l1_w", "l2_w", "l1_h", "l2_h"], help_heading = "Penalties")]
    pub(crate) alpha_h: Option<f64>,
    /// Share of l1 in --alpha-w and --alpha-h, 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["l1_w", "l2_w", "l1_h", "l2_h"], help_heading = "Penalties")]
    pub(crate) l1_ratio: Option<f64>,
    /// The first columns of W (m×j; with --shifts the first patterns, m×j×L) are given and stay as they are
    #[arg(long, value_name = "FILE")]
    pub(crate) fix_w: Option<PathBuf>,
    /// The first rows of H (j×n) are given and stay as they are
    #[arg(long, value_name = "FILE")]
    pub(crate) fix_h: Option<PathBuf>,
}

/// Names of the initializations.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitChoice {
    /// Uniform random
    Random,
    /// Non-negative double SVD, with its zeros
    Nndsvd,
    /// NNDSVD, zeros set to the level of a uniform start, √(mean(X)/k)
    Nndsvda,
    /// NNDSVD, zeros set to small random numbers
    Nndsvdar,
    /// --w0 and --h0
    Custom,
}

/// A factorization ready to run, and its start for those who want to repeat it.
pub(crate) struct Built<T: Element> {
    /// The factorization.
    pub(crate) nmf: Nmf<T>,
    /// Where its first run starts.
    pub(crate) init: Init<T>,
}

impl FitOptions {
    /// As if typed: the defaults, changed by `words` such as `["-k", "3"]`.
    pub(crate) fn from_words(words: &[&str]) -> Result<FitOptions, Failure> {
        let command = FitOptions::augment_args(clap::Command::new("options").no_binary_name(true));
        command
            .try_get_matches_from(words)
            .and_then(|m| FitOptions::from_arg_matches(&m))
            .map_err(|e| Failure::usage(e.to_string()))
    }

    /// The loss asked for, fro by default.
    pub(crate) fn loss(&self) -> Loss {
        self.loss.clone().unwrap_or(Loss::FRO)
    }

    /// What the solver is asked for, in the library's terms.
    pub(crate) fn options(&self) -> SolverOptions {
        SolverOptions { shifts: self.shifts, ..self.method.options(self.seed) }
    }

    /// When it stops, for a report.
    pub(crate) fn stops(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![("iterations at most", self.max_iter.to_string()), ("tolerance", self.tol.to_string())];
        if self.kkt_tol > 0.0 {
            pairs.push(("KKT tolerance", self.kkt_tol.to_string()));
        }
        pairs.extend(self.time_limit.map(|s| ("time limit", format!("{s} s"))));
        pairs
    }

    /// Refuses a number of shifts that X (`cols` columns, from `path`) is too short for.
    pub(crate) fn check_shifts(&self, path: &Path, cols: usize) -> Result<(), Failure> {
        match self.shifts {
            0 => Err(Failure::usage("--shifts 0 is not accepted: at least 1, which is the plain model")),
            l if l > cols.max(1) => Err(Failure::file(
                path,
                format!("--shifts {l}: X has {cols} columns, at most {cols} shifts are accepted"),
            )),
            _ => Ok(()),
        }
    }

    /// The same options once `auto` has become `kind`, for those who do the same on another backend.
    pub(crate) fn pinned(&self, kind: SolverKind) -> FitOptions {
        FitOptions { method: self.method.pinned(kind, &self.loss()), ..self.clone() }
    }

    /// Penalties on W and H for an m×n matrix.
    ///
    /// scikit-learn's scaling: l1_W = alpha_W·l1_ratio·n, l2_W = alpha_W·(1 − l1_ratio)·n, and the same for H with m.
    pub(crate) fn penalties(&self, (m, n): (usize, usize)) -> Result<(Penalty, Penalty), Failure> {
        let all = [
            ("--l1-w", self.l1_w),
            ("--l2-w", self.l2_w),
            ("--l1-h", self.l1_h),
            ("--l2-h", self.l2_h),
            ("--alpha-w", self.alpha_w),
            ("--alpha-h", self.alpha_h),
        ];
        for (name, value) in all {
            if let Some(v) = value.filter(|v| !(*v >= 0.0 && v.is_finite())) {
                return Err(Failure::usage(format!("{name} {v} is not accepted: a finite number ≥ 0")));
            }
        }
        let ratio = self.l1_ratio.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&ratio) {
            return Err(Failure::usage(format!("--l1-ratio {ratio} is not accepted: a number between 0 and 1")));
        }
        if self.l1_ratio.is_some() && self.alpha_w.is_none() && self.alpha_h.is_none() {
            return Err(Failure::usage("--l1-ratio divides --alpha-w and --alpha-h, and neither is given"));
        }
        if self.alpha_w.is_some() || self.alpha_h.is_some() {
            let w = self.alpha_w.unwrap_or(0.0);
            let h = self.alpha_h.unwrap_or(w);
            let split = |alpha: f64, by: usize| {
                let total = alpha * by as f64;
                Penalty { l1: total * ratio, l2: total * (1.0 - ratio) }
            };
            return Ok((split(w, n), split(h, m)));
        }
        let penalty = |l1: Option<f64>, l2: Option<f64>| Penalty { l1: l1.unwrap_or(0.0), l2: l2.unwrap_or(0.0) };
        Ok((penalty(self.l1_w, self.l2_w), penalty(self.l1_h, self.l2_h)))
    }

    /// The stopping rules.
    pub(crate) fn stop(&self) -> Result<Stop, Failure> {
        let time_limit = match self.time_limit {
            None => None,
            Some(s) => Some(Duration::try_from_secs_f64(s).map_err(|_| {
                Failure::usage(format!("--time-limit {s} is not accepted: seconds, a finite number ≥ 0"))
            })?),
        };
        Ok(Stop { max_iter: self.max_iter, tol: self.tol, kkt_tol: self.kkt_tol, time_limit, ..Stop::default() })
    }

    /// The start; reads --w0 and --h0 for an m×n matrix.
    pub(crate) fn init<T: Element>(&self, (m, n): (usize, usize)) -> Result<Init<T>, Failure> {
        Ok(match (self.init, &self.w0, &self.h0) {
            (None | Some(InitChoice::Custom), Some(w0), Some(h0)) => {
                let w = self.given(w0, "--w0", true).columns(m, self.shifts)?;
                let h: ndarray::Array2<T> = self.given(h0, "--h0", true).rows(n)?;
                // H is kept transposed, with its rows together
                let h = h.reversed_axes().as_standard_layout().into_owned();
                Init::Custom(Start { w, h })
            }
            (Some(InitChoice::Custom), ..) => {
                return Err(Failure::usage("--init custom needs --w0 FILE and --h0 FILE"));
            }
            (_, Some(_), _) | (_, _, Some(_)) => {
                return Err(Failure::usage("--w0 and --h0 are for --init custom; leave the other --init away"));
            }
            (None, ..) => Init::Auto,
            (Some(InitChoice::Random), ..) => Init::Random,
            (Some(InitChoice::Nndsvd), ..) => Init::Nndsvd,
            (Some(InitChoice::Nndsvda), ..) => Init::Nndsvda,
            (Some(InitChoice::Nndsvdar), ..) => Init::Nndsvdar,
        })
    }

    /// The factorization of an m×n matrix; reads the files the options name.
    pub(crate) fn build<T: Element>(&self, dim: (usize, usize), known: &Known) -> Result<Built<T>, Failure> {
        let init = self.init::<T>(dim)?;
        let (penalty_w, penalty_h) = self.penalties(dim)?;
        let mut nmf = Nmf::new(self.rank)
            .shifts(self.shifts)
            .loss(self.loss())
            .init(init.clone())
            .seed(self.seed)
            .restarts(self.restarts)
            .stop(self.stop()?)
            .trace_every(self.trace_every)
            .kkt(true)
            .penalty_w(penalty_w)
            .penalty_h(penalty_h);
        nmf = known.apply(self.method.apply(nmf, self.seed)?);
        if let Some(path) = &self.fix_w {
            nmf = nmf.fix_w(self.given(path, "--fix-w", false).columns(dim.0, self.shifts)?);
        }
        if let Some(path) = &self.fix_h {
            nmf = nmf.fix_h(self.given(path, "--fix-h", false).rows(dim.1)?);
        }
        Ok(Built { nmf, init })
    }

    fn given<'a>(&self, path: &'a Path, option: &'static str, all: bool) -> Given<'a> {
        Given { path, option, rank: self.rank, all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn penalties(words: &[&str]) -> (Penalty, Penalty) {
        let all: Vec<&str> = ["-k", "2"].iter().chain(words).copied().collect();
        FitOptions::from_words(&all).unwrap().penalties((10, 4)).unwrap()
    }

    #[test]
    fn alpha_is_scaled_as_in_scikit_learn() {
        let (w, h) = penalties(&["--alpha-w", "0.5", "--l1-ratio", "0.25"]);
        assert_eq!((w.l1, w.l2), (0.5 * 0.25 * 4.0, 0.5 * 0.75 * 4.0));
        assert_eq!((h.l1, h.l2), (0.5 * 0.25 * 10.0, 0.5 * 0.75 * 10.0));
        let (w, h) = penalties(&["--alpha-w", "0.5", "--alpha-h", "0"]);
        assert_eq!((w.l2, h), (2.0, Penalty::NONE));
        assert_eq!(penalties(&["--l1-h", "3"]).1, Penalty { l1: 3.0, l2: 0.0 });
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for words in
            [vec!["--alpha-w", "1", "--l1-w", "1"], vec!["--w0", "w.npy"], vec!["--loss", "l2"], vec!["--init", "pca"]]
        {
            let all: Vec<&str> = ["-k", "2"].into_iter().chain(words.clone()).collect();
            assert!(FitOptions::from_words(&all).is_err(), "{words:?}");
        }
        let build =
            |words: &[&str]| FitOptions::from_words(words).unwrap().build::<f64>((3, 3), &Known::default()).err();
        for words in [
            vec!["-k", "2", "--init", "custom"],
            vec!["-k", "2", "--init", "random", "--w0", "a", "--h0", "b"],
            vec!["-k", "2", "--l1-ratio", "0.5"],
            vec!["-k", "2", "--alpha-w", "1", "--l1-ratio", "1.5"],
            vec!["-k", "2", "--time-limit", "nan"],
            vec!["-k", "2", "--l1-w=-1"],
            vec!["-k", "2", "--sparseness-w", "1.5"],
            vec!["-k", "2", "--sparseness-h", "nan"],
            vec!["-k", "2", "--solver", "gd", "--step", "0"],
        ] {
            assert_eq!(build(&words).map(|e| e.code()), Some(2), "{words:?}");
        }
    }
}
