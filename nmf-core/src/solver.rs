//! Solvers: each one step of the alternation between W and H, written with the primitives of a [`Backend`].
//!
//! A solver never reads from the device (invariant 2) and never names a backend (invariant 1).

mod hals;
mod multiplicative;

pub use hals::Hals;
pub use multiplicative::Multiplicative;

use crate::{Backend, Error, Loss, Result, Rule};
use std::fmt;
use std::str::FromStr;

/// W and H on the device, with everything a step needs to know.
pub struct Model<'a, B: Backend> {
    /// X.
    pub data: &'a B::Data,
    /// The loss.
    pub loss: &'a Loss,
    /// W, m×k.
    pub w: B::Factor,
    /// H, n×k.
    pub h: B::Factor,
    /// What may be changed in W and how.
    pub rule_w: Rule,
    /// What may be changed in H and how.
    pub rule_h: Rule,
    /// Rows of X.
    pub rows: usize,
    /// Columns of X.
    pub cols: usize,
    /// Entries that a product with X visits.
    pub stored: u64,
    /// ½‖X‖² in the device's units.
    pub half_norm: f64,
    /// The newest divergence known on the host, in the device's units.
    pub last_divergence: Option<f64>,
}

impl<B: Backend> Model<'_, B> {
    /// Rank k.
    pub fn rank(&self, b: &B) -> usize {
        b.dim(&self.w).1
    }
    /// Whether any column of W may change.
    pub fn w_is_free(&self, b: &B) -> bool {
        self.rule_w.fixed < self.rank(b)
    }
    /// Whether any column of H may change.
    pub fn h_is_free(&self, b: &B) -> bool {
        self.rule_h.fixed < self.rank(b)
    }
}

/// How well the divergence before a step has to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Not at all.
    No,
    /// For the trace: a by-product is welcome if it has enough digits.
    Trace,
    /// To decide about convergence: summed directly, never a difference of large sums.
    Exact,
}

/// A divergence that is `scalar + offset` once the scalar has arrived.
pub struct Measured<S> {
    /// On the device.
    pub scalar: S,
    /// Known on the host.
    pub offset: f64,
    /// A sum below this has lost its digits to cancellation and must not be shown.
    pub least: f64,
}

impl<S> Measured<S> {
    /// A divergence that was summed directly.
    pub fn direct(scalar: S) -> Self {
        Measured { scalar, offset: 0.0, least: f64::NEG_INFINITY }
    }
}

/// One solver. Reused over restarts; holds its scratch buffers.
pub trait Solver<B: Backend>: Send {
    /// Its short name, as on the command line.
    fn name(&self) -> &'static str;

    /// One iteration: W, then H (columns that are free). Returns the divergence *before* the step if asked for.
    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>>;
}

/// The solvers by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SolverKind {
    /// A-HALS for the Frobenius loss on fully observed data, multiplicative updates otherwise.
    #[default]
    Auto,
    /// Multiplicative updates, any loss.
    Mu,
    /// Hierarchical alternating least squares, Frobenius only.
    Hals,
    /// Accelerated HALS, Frobenius only.
    AHals,
}

impl SolverKind {
    /// The solver that `Auto` stands for, or an error naming one that can do the job.
    pub fn resolve(self, loss: &Loss, observed: crate::Observed) -> Result<SolverKind> {
        let all = observed == crate::Observed::All;
        match self {
            SolverKind::Auto if loss.is_fro() && all => Ok(SolverKind::AHals),
            SolverKind::Auto => Ok(SolverKind::Mu),
            SolverKind::Hals | SolverKind::AHals if !loss.is_fro() => {
                Err(Error::Unsupported(format!("solver {self} minimizes the fro loss only; for {loss} use solver mu")))
            }
            SolverKind::Hals | SolverKind::AHals if !all => Err(Error::Unsupported(format!(
                "solver {self} needs every entry observed; with stored entries only use solver mu"
            ))),
            kind => Ok(kind),
        }
    }

    /// Scratch and state for a model of `rows`×`cols` at rank `k`.
    pub fn build<'s, B: Backend + 's>(
        self,
        b: &mut B,
        rows: usize,
        cols: usize,
        k: usize,
    ) -> Result<Box<dyn Solver<B> + 's>> {
        Ok(match self {
            SolverKind::Mu => Box::new(Multiplicative::new(b, rows, cols, k)?),
            SolverKind::Hals => Box::new(Hals::new(b, rows, cols, k, false)?),
            SolverKind::Auto | SolverKind::AHals => Box::new(Hals::new(b, rows, cols, k, true)?),
        })
    }
}

impl fmt::Display for SolverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SolverKind::Auto => "auto",
            SolverKind::Mu => "mu",
            SolverKind::Hals => "hals",
            SolverKind::AHals => "ahals",
        })
    }
}

impl FromStr for SolverKind {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        Ok(match s {
            "auto" => SolverKind::Auto,
            "mu" => SolverKind::Mu,
            "hals" => SolverKind::Hals,
            "ahals" => SolverKind::AHals,
            _ => return Err(Error::Parameter { name: "solver", value: s.into(), expected: "auto, mu, hals or ahals" }),
        })
    }
}
