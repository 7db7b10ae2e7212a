//! The result of a factorization.

use crate::fit::{Run, TracePoint};
use crate::stop::{Stop, Stopped};
use crate::{Backend, Element, Loss, MatrixRef, Observed, Penalty, Result, SolverKind};
use ndarray::{Array2, ArrayView2, Axis};

/// W (m×k), H (k×n) and how they came about.
#[derive(Debug, Clone)]
pub struct Fitted<T: Element> {
    pub(super) loss: Loss,
    pub(super) solver: SolverKind,
    pub(super) init: String,
    pub(super) seed: u64,
    pub(super) penalty_w: Penalty,
    pub(super) observed: Observed,
    pub(super) objectives: Vec<f64>,
    pub(super) prepare_seconds: f64,
    pub(super) seconds: f64,
    pub(super) warnings: Vec<String>,
    pub(super) run: Run<T>,
}

/// Which factor gets unit-norm components; the other takes up their scale. W·H does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Norm {
    /// Columns of W sum to 1.
    WSum,
    /// Columns of W have Euclidean norm 1.
    WEuclidean,
    /// Rows of H sum to 1.
    HSum,
    /// Rows of H have Euclidean norm 1.
    HEuclidean,
}

/// Brings components back whose scale ran away (one revived from zero leaves W at 1e-16 and H at 1e16, say): an exact
/// power of two moves between w_q and h_q, so that the model stays the same to the last bit.
pub(super) fn balance<T: Element>(run: &mut Run<T>) {
    for q in 0..run.w.ncols() {
        let norm = |f: &Array2<T>| f.column(q).iter().map(|v| v.f64() * v.f64()).sum::<f64>().sqrt();
        let excess = (norm(&run.w) / norm(&run.h)).log2();
        if excess.is_finite() && excess.abs() > 20.0 {
            let (to_w, to_h) = (T::of((-0.5 * excess).round().exp2()), T::of((0.5 * excess).round().exp2()));
            run.w.column_mut(q).mapv_inplace(|v| v * to_w);
            run.h.column_mut(q).mapv_inplace(|v| v * to_h);
        }
    }
}

/// Sparseness of a factor's components.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sparseness {
    /// Mean over the components of Hoyer's measure (√n − ‖v‖₁/‖v‖₂)/(√n − 1): 0 for a flat vector, 1 for a single
    /// non-zero (P. O. Hoyer, "Non-negative matrix factorization with sparseness constraints", JMLR 5, 2004).
    pub hoyer: f64,
    /// Share of entries that are zero.
    pub zeros: f64,
}

impl Sparseness {
    /// Over the columns of `f`; all-zero columns are left out of the mean.
    pub fn of_columns<T: Element>(f: &ArrayView2<'_, T>) -> Sparseness {
        let n = f.nrows() as f64;
        let mut sum = 0.0;
        let mut columns = 0;
        for c in f.axis_iter(Axis(1)) {
            let l1: f64 = c.iter().map(|v| v.f64().abs()).sum();
            let l2: f64 = c.iter().map(|v| v.f64() * v.f64()).sum::<f64>().sqrt();
            if l2 > 0.0 {
                columns += 1;
                sum += if n > 1.0 { (n.sqrt() - l1 / l2) / (n.sqrt() - 1.0) } else { 0.0 };
            }
        }
        let zeros = f.iter().filter(|v| **v == T::zero()).count() as f64 / f.len().max(1) as f64;
        Sparseness { hoyer: if columns > 0 { sum / f64::from(columns) } else { 0.0 }, zeros }
    }
}

impl<T: Element> Fitted<T> {
    /// W, m×k.
    pub fn w(&self) -> ArrayView2<'_, T> {
        self.run.w.view()
    }
    /// H, k×n.
    pub fn h(&self) -> ArrayView2<'_, T> {
        self.run.h.t()
    }
    /// Rank k.
    pub fn rank(&self) -> usize {
        self.run.w.ncols()
    }
    /// The loss that was minimized.
    pub fn loss(&self) -> &Loss {
        &self.loss
    }
    /// The solver that was used.
    pub fn solver(&self) -> SolverKind {
        self.solver
    }
    /// Name of the initialization of the first start.
    pub fn init(&self) -> &str {
        &self.init
    }
    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }
    /// Σ d(x, v).
    pub fn divergence(&self) -> f64 {
        self.run.divergence
    }
    /// Divergence plus penalties.
    pub fn objective(&self) -> f64 {
        self.run.objective
    }
    /// Objective over the iterations: start first, result last.
    pub fn trace(&self) -> &[TracePoint] {
        &self.run.trace
    }
    /// Iterations of the start that was kept.
    pub fn iterations(&self) -> usize {
        self.run.iterations
    }
    /// Why it stopped.
    pub fn stopped(&self) -> Stopped {
        self.run.stopped
    }
    /// Final objective of every start.
    pub fn objectives(&self) -> &[f64] {
        &self.objectives
    }
    /// ‖(min(W,∇W), min(H,∇H))‖ over its value at the start, if it was asked for.
    pub fn kkt_residual(&self) -> Option<f64> {
        self.run.kkt_residual
    }
    /// Seconds to put X on the device.
    pub fn prepare_seconds(&self) -> f64 {
        self.prepare_seconds
    }
    /// Seconds spent iterating, all starts together.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
    /// What a careful user should know.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
    /// Components that contribute nothing: ‖w_q‖·‖h_q‖ is below a rounding of the largest such product.
    pub fn dead_components(&self) -> usize {
        let norm = |f: &Array2<T>, q: usize| f.column(q).iter().map(|v| v.f64() * v.f64()).sum::<f64>().sqrt();
        let sizes: Vec<f64> = (0..self.rank()).map(|q| norm(&self.run.w, q) * norm(&self.run.h, q)).collect();
        let largest = sizes.iter().fold(0.0f64, |a, b| a.max(*b));
        sizes.iter().filter(|s| **s <= T::EPS * largest).count()
    }
    /// Sparseness of W's columns and of H's rows.
    pub fn sparseness(&self) -> (Sparseness, Sparseness) {
        (Sparseness::of_columns(&self.run.w.view()), Sparseness::of_columns(&self.run.h.view()))
    }

    /// Removes the scale ambiguity: W·D·D⁻¹·H is the same model for every positive diagonal D.
    #[must_use]
    pub fn normalized(mut self, norm: Norm) -> Self {
        for q in 0..self.rank() {
            let c = match norm {
                Norm::WSum | Norm::WEuclidean => self.run.w.column(q),
                Norm::HSum | Norm::HEuclidean => self.run.h.column(q),
            };
            let size = match norm {
                Norm::WSum | Norm::HSum => c.iter().map(|v| v.f64()).sum::<f64>(),
                Norm::WEuclidean | Norm::HEuclidean => c.iter().map(|v| v.f64().powi(2)).sum::<f64>().sqrt(),
            };
            if size > 0.0 && size.is_finite() {
                let to_w = if matches!(norm, Norm::WSum | Norm::WEuclidean) { 1.0 / size } else { size };
                self.run.w.column_mut(q).mapv_inplace(|v| T::of(v.f64() * to_w));
                self.run.h.column_mut(q).mapv_inplace(|v| T::of(v.f64() / to_w));
            }
        }
        self
    }

    /// W (rows × k) of new rows X (rows × n), H as it is: exact for the Frobenius loss, by the model's loss otherwise
    /// (multiplicative updates with [`Stop::tol`] 1e-6, at most 1000 iterations). The penalty on W is as in the fit, and so is what
    /// is observed, except that new rows have no weights: they are fully known.
    pub fn transform<'a, B: Backend<Elem = T>>(&self, b: &mut B, x: impl Into<MatrixRef<'a, T>>) -> Result<Array2<T>> {
        let stop = Stop { max_iter: 1000, tol: 1e-6, ..Stop::default() };
        super::transform(b, x, self.h(), &self.loss, self.penalty_w, self.observed, &stop)
    }

    /// W·H for given rows of W: the model's version of X (rows × n).
    pub fn inverse_transform(&self, w: ArrayView2<'_, T>) -> Result<Array2<T>> {
        crate::Error::check_shape("W", (w.nrows(), self.rank()), w.dim())?;
        Ok(w.dot(&self.h()))
    }

    /// W and H, taken out.
    pub fn into_factors(self) -> (Array2<T>, Array2<T>) {
        (self.run.w, self.run.h.reversed_axes())
    }
}
