//! The result of a factorization.

use crate::fit::{Run, TracePoint};
use crate::stop::{Stop, Stopped};
use crate::{Backend, Element, Loss, MatrixRef, Observed, Penalty, Result, SolverKind};
use ndarray::{Array2, Array3, ArrayView2, Axis, CowArray, Ix2, s};

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

/// Which factor gets unit-norm components (a convolutive model: whole patterns); the other takes up their scale. W·H does not change.
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
    for q in 0..run.h.ncols() {
        let excess = (norm(pattern(&run.w, &run.h, q)) / norm(run.h.slice(s![.., q..q + 1]))).log2();
        if excess.is_finite() && excess.abs() > 20.0 {
            let (to_w, to_h) = (T::of((-0.5 * excess).round().exp2()), T::of((0.5 * excess).round().exp2()));
            let shifts = run.w.ncols() / run.h.ncols();
            run.w.slice_mut(s![.., q * shifts..(q + 1) * shifts]).mapv_inplace(|v| v * to_w);
            run.h.column_mut(q).mapv_inplace(|v| v * to_h);
        }
    }
}

/// Component q of W: a column, or the L columns of a convolutive model.
fn pattern<'a, T>(w: &'a Array2<T>, h: &Array2<T>, q: usize) -> ArrayView2<'a, T> {
    let shifts = w.ncols() / h.ncols();
    w.slice(s![.., q * shifts..(q + 1) * shifts])
}

fn norm<T: Element>(f: ArrayView2<'_, T>) -> f64 {
    f.iter().map(|v| v.f64() * v.f64()).sum::<f64>().sqrt()
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
    /// W, m×k; m × k·L of a convolutive model.
    pub fn w(&self) -> ArrayView2<'_, T> {
        self.run.w.view()
    }
    /// L of a convolutive model, 1 of a plain one.
    pub fn shifts(&self) -> usize {
        self.run.w.ncols() / self.run.h.ncols()
    }
    /// W as m×k×L: pattern q is `patterns().slice(s![.., q, ..])`.
    pub fn patterns(&self) -> Array3<T> {
        let shifts = self.shifts();
        Array3::from_shape_fn((self.run.w.nrows(), self.rank(), shifts), |(i, q, tau)| {
            self.run.w[[i, q * shifts + tau]]
        })
    }
    /// H, k×n.
    pub fn h(&self) -> ArrayView2<'_, T> {
        self.run.h.t()
    }
    /// Rank k.
    pub fn rank(&self) -> usize {
        self.run.h.ncols()
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
        let Run { w, h, .. } = &self.run;
        let size = |q: usize| norm(pattern(w, h, q)) * norm(h.slice(s![.., q..q + 1]));
        let sizes: Vec<f64> = (0..self.rank()).map(size).collect();
        let largest = sizes.iter().fold(0.0f64, |a, b| a.max(*b));
        sizes.iter().filter(|s| **s <= T::EPS * largest).count()
    }
    /// Sparseness of W's columns (of a convolutive model's patterns) and of H's rows.
    pub fn sparseness(&self) -> (Sparseness, Sparseness) {
        let of_h = Sparseness::of_columns(&self.run.h.view());
        let shifts = self.shifts();
        if shifts == 1 {
            return (Sparseness::of_columns(&self.run.w.view()), of_h);
        }
        let long = Array2::from_shape_fn((self.run.w.nrows() * shifts, self.rank()), |(at, q)| {
            self.run.w[[at / shifts, q * shifts + at % shifts]]
        });
        (Sparseness::of_columns(&long.view()), of_h)
    }

    /// Removes the scale ambiguity: W·D·D⁻¹·H is the same model for every positive diagonal D.
    #[must_use]
    pub fn normalized(mut self, norm: Norm) -> Self {
        let shifts = self.shifts();
        for q in 0..self.rank() {
            let of_w = matches!(norm, Norm::WSum | Norm::WEuclidean);
            let Run { w, h, .. } = &self.run;
            let c = if of_w { pattern(w, h, q) } else { h.slice(s![.., q..q + 1]) };
            let size = match norm {
                Norm::WSum | Norm::HSum => c.iter().map(|v| v.f64()).sum::<f64>(),
                Norm::WEuclidean | Norm::HEuclidean => c.iter().map(|v| v.f64().powi(2)).sum::<f64>().sqrt(),
            };
            if size > 0.0 && size.is_finite() {
                let to_w = if of_w { 1.0 / size } else { size };
                let mut w = self.run.w.slice_mut(s![.., q * shifts..(q + 1) * shifts]);
                w.mapv_inplace(|v| T::of(v.f64() * to_w));
                self.run.h.column_mut(q).mapv_inplace(|v| T::of(v.f64() / to_w));
            }
        }
        self
    }

    /// W (rows × k, or rows × k·L) of new rows X (rows × n), H as it is: exact for the Frobenius loss, by the model's loss otherwise
    /// (multiplicative updates with [`Stop::tol`] 1e-6, at most 1000 iterations). The penalty on W is as in the fit, and so is what
    /// is observed, except that new rows have no weights: they are fully known.
    pub fn transform<'a, B: Backend<Elem = T>>(&self, b: &mut B, x: impl Into<MatrixRef<'a, T>>) -> Result<Array2<T>> {
        let stop = Stop { max_iter: 1000, tol: 1e-6, ..Stop::default() };
        super::transform(b, x, self.right().t(), &self.loss, self.penalty_w, self.observed, &stop)
    }

    /// W·H for given rows of W: the model's version of X (rows × n).
    pub fn inverse_transform(&self, w: ArrayView2<'_, T>) -> Result<Array2<T>> {
        crate::Error::check_shape("W", (w.nrows(), self.run.w.ncols()), w.dim())?;
        Ok(w.dot(&self.right().t()))
    }

    /// What W is multiplied by, transposed: H (n×k), or its shifted copies (n × k·L).
    fn right(&self) -> CowArray<'_, T, Ix2> {
        match self.shifts() {
            1 => CowArray::from(self.run.h.view()),
            shifts => CowArray::from(crate::shifts::unfold(&self.run.h.view(), shifts)),
        }
    }

    /// W and H, taken out.
    pub fn into_factors(self) -> (Array2<T>, Array2<T>) {
        (self.run.w, self.run.h.reversed_axes())
    }
}
