//! The result of a coupled factorization.

use crate::fit::TracePoint;
use crate::{Element, Loss, Stopped};
use ndarray::{Array2, ArrayView2};

/// What became of one matrix.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its loss.
    pub loss: Loss,
    /// How much it counts, α.
    pub weight: f64,
    /// Σ d(x, v) over its observed entries, in its units.
    pub divergence: f64,
    /// Entries that its updates visit: those stored, or all of a dense matrix.
    pub stored: u64,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl Part {
    /// What it adds to the objective, α·divergence.
    pub fn objective(&self) -> f64 {
        self.weight * self.divergence
    }
}

/// One start.
pub(super) struct Run<T> {
    pub(super) factors: Vec<Array2<T>>,
    pub(super) divergences: Vec<f64>,
    pub(super) objective: f64,
    pub(super) trace: Vec<TracePoint>,
    pub(super) iterations: usize,
    pub(super) stopped: Stopped,
    pub(super) kkt_residual: Option<f64>,
    pub(super) seconds: f64,
}

/// A factor per mode, and how they came about.
#[derive(Debug, Clone)]
pub struct CoupledFit<T> {
    pub(super) modes: Vec<String>,
    pub(super) factors: Vec<Array2<T>>,
    pub(super) parts: Vec<Part>,
    pub(super) objective: f64,
    pub(super) trace: Vec<TracePoint>,
    pub(super) iterations: usize,
    pub(super) stopped: Stopped,
    pub(super) kkt_residual: Option<f64>,
    pub(super) objectives: Vec<f64>,
    pub(super) prepare_seconds: f64,
    pub(super) seconds: f64,
}

impl<T: Element> CoupledFit<T> {
    /// Names of the modes.
    pub fn modes(&self) -> &[String] {
        &self.modes
    }
    /// The factor of a mode, size×k; `None` if there is no such mode.
    pub fn factor(&self, mode: &str) -> Option<ArrayView2<'_, T>> {
        let at = self.modes.iter().position(|m| m == mode)?;
        self.factors.get(at).map(|f| f.view())
    }
    /// The matrices, in the order they were given.
    pub fn matrices(&self) -> &[Part] {
        &self.parts
    }
    /// The model's value of entry (i, j) of a matrix, row i of one factor times row j of the other; `None` if there is no such matrix or entry.
    pub fn value(&self, matrix: &str, i: usize, j: usize) -> Option<f64> {
        let part = self.parts.iter().find(|p| p.name == matrix)?;
        let (a, b) = (self.factors.get(part.rows)?, self.factors.get(part.cols)?);
        if i >= a.nrows() || j >= b.nrows() {
            return None;
        }
        Some(a.row(i).iter().zip(b.row(j)).map(|(x, y)| x.f64() * y.f64()).sum())
    }
    /// Rank k.
    pub fn rank(&self) -> usize {
        self.factors.first().map_or(0, Array2::ncols)
    }
    /// Σ α·divergence plus penalties.
    pub fn objective(&self) -> f64 {
        self.objective
    }
    /// The objective over the iterations: the start, every check, the end.
    pub fn trace(&self) -> &[TracePoint] {
        &self.trace
    }
    /// Iterations of the run that was kept.
    pub fn iterations(&self) -> usize {
        self.iterations
    }
    /// Why it ended.
    pub fn stopped(&self) -> Stopped {
        self.stopped
    }
    /// ‖min(F, ∇F)‖ over all modes at the end over its value at the start; `None` unless asked for.
    pub fn kkt_residual(&self) -> Option<f64> {
        self.kkt_residual
    }
    /// The final objective of every start.
    pub fn objectives(&self) -> &[f64] {
        &self.objectives
    }
    /// Seconds until the matrices were on the device.
    pub fn prepare_seconds(&self) -> f64 {
        self.prepare_seconds
    }
    /// Seconds spent iterating, over all starts.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}
