//! Solvers: each one step of the alternation between W and H, written with the primitives of a [`Backend`].
//!
//! A solver never reads from the device (invariant 2) and never names a backend (invariant 1).

mod choice;
mod convolutive;
mod extrapolated_hals;
mod extrapolated_mu;
mod gradient;
mod hals;
mod least_squares;
mod model;
mod multiplicative;
mod newton;
mod sparse;

pub use choice::{MuExponent, SolverKind, SolverOptions, Task};
pub use convolutive::Convolutive;
pub use extrapolated_hals::ExtrapolatedHals;
pub use extrapolated_mu::ExtrapolatedMu;
pub use gradient::Gradient;
pub use hals::Hals;
pub use least_squares::LeastSquares;
pub use model::{Model, TermsH};
pub use multiplicative::Multiplicative;
pub use newton::Newton;
pub use sparse::SparseGradient;

use crate::{Backend, Result, Snapshot};

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

    /// The same of another scalar, such as one run's part of this one.
    pub(crate) fn map(&self, f: impl Fn(&S) -> S) -> Self {
        Measured { scalar: f(&self.scalar), offset: self.offset, least: self.least }
    }
}

/// One solver. Reused over restarts; holds its scratch buffers.
pub trait Solver<B: Backend>: Send {
    /// Its short name, as on the command line.
    fn name(&self) -> &'static str;

    /// Called once before the first iteration of a run, off the clock: forgets what an earlier run left, and may wait
    /// for the device or move the start to where the solver's iterates live.
    fn begin(&mut self, b: &mut B, m: &mut Model<'_, B>) -> Result<()> {
        let _ = (b, m);
        Ok(())
    }

    /// Puts in what the next step depends on beside the model, W and H: called between two steps, changes nothing. Room whose content a
    /// step overwrites is no part of it. There is no default, lest a solver forgets what it carries along.
    fn save(&self, b: &mut B, out: &mut Snapshot<B::Elem>) -> Result<()>;

    /// Goes on where [`save`](Self::save) was called, W and H being what they were: instead of [`begin`](Self::begin). The next step
    /// gives the same bits as without the interruption.
    fn restore(&mut self, b: &mut B, m: &Model<'_, B>, from: &Snapshot<B::Elem>) -> Result<()>;

    /// One iteration: W, then H (columns that are free). Returns the divergence *before* the step if asked for.
    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>>;
}
