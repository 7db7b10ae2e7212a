//! The matrices, factors and losses the checks run on: random but always the same.

use crate::reference::Dense;
use crate::{Element, ElementwiseLoss, Loss, Matrix, MatrixRef, Observed, Side, Sparse};
use ndarray::{Array2, Zip, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// (m, n, k): single entries, one off the usual tile edges 8, 16 and 64, tall, wide, k > min(m, n). Only four
/// different k, because a device may have to build a program for each.
pub(super) const SHAPES: [(usize, usize, usize); 12] = [
    (1, 1, 1),
    (1, 9, 3),
    (7, 8, 17),
    (9, 7, 3),
    (8, 8, 3),
    (15, 17, 1),
    (16, 16, 17),
    (17, 15, 33),
    (63, 65, 3),
    (64, 64, 33),
    (130, 5, 3),
    (5, 130, 17),
];

/// Those that suffice where the kernel is known from [`SHAPES`] already and only a formula changes.
pub(super) const FEW: [(usize, usize, usize); 3] = [(9, 7, 3), (17, 20, 17), (65, 33, 3)];

/// The β-divergences tried: the three with a form of their own first.
pub(super) const BETAS: [f64; 6] = [2.0, 1.0, 0.0, 0.5, 1.5, 3.0];

/// (√x − √y)², the squared Hellinger distance: a loss that no backend has built in.
///
/// ∂d/∂y = 1 − √(x/y). The exponent is not its best one (2), but lies between 0 and that, so it descends; an
/// unusual value shows whether the rule's exponent is really used.
#[derive(Debug)]
struct Hellinger;

impl ElementwiseLoss for Hellinger {
    fn name(&self) -> String {
        "hellinger".into()
    }
    fn value(&self, x: f64, y: f64) -> f64 {
        let r = x.sqrt() - y.sqrt();
        r * r
    }
    fn negative(&self, x: f64, y: f64) -> f64 {
        (x / y).sqrt()
    }
    fn positive(&self, _: f64, _: f64) -> f64 {
        1.0
    }
    fn exponent(&self) -> f64 {
        0.75
    }
}

/// All losses: [`BETAS`] and a custom one.
pub(super) fn losses() -> Vec<Loss> {
    let mut all: Vec<Loss> = BETAS.iter().map(|&b| Loss::Beta(b)).collect();
    all.push(Loss::Custom(Arc::new(Hellinger)));
    all
}

/// How X lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    RowMajor,
    ColMajor,
    /// A window of a larger array, rows bottom up, every second one: strides that no shortcut fits. What lies
    /// between is NaN.
    Strided,
    Csr,
    Csc,
}

impl Layout {
    pub(super) const ALL: [Layout; 5] = [Layout::RowMajor, Layout::ColMajor, Layout::Strided, Layout::Csr, Layout::Csc];

    pub(super) fn sparse(self) -> bool {
        matches!(self, Layout::Csr | Layout::Csc)
    }
}

/// One X: its values, which of them are stored, and how it is handed to a backend.
#[derive(Debug, Clone)]
pub(super) struct Sample<T> {
    pub(super) layout: Layout,
    pub(super) observed: Observed,
    pub(super) scale: T,
    values: Array2<T>,
    stored: Array2<bool>,
    memory: Matrix<T>,
    /// How much each entry counts, and how that lies in memory; empty where nothing is weighted.
    weights: Option<(Array2<T>, Matrix<T>)>,
}

impl<T: Element> Sample<T> {
    /// X with these values; a sparse layout leaves out the zeros.
    pub(super) fn new(values: Array2<T>, layout: Layout, observed: Observed) -> Self {
        let stored = values.mapv(|v| v != T::zero());
        Sample::with_stored(values, stored, layout, observed)
    }

    /// X with these values, `stored` where a sparse layout keeps an entry, be it a zero.
    pub(super) fn with_stored(values: Array2<T>, stored: Array2<bool>, layout: Layout, observed: Observed) -> Self {
        let memory = lay_out(&values, &stored, layout);
        Sample { layout, observed, scale: T::one(), values, stored, memory, weights: None }
    }

    /// The same with weights, in another dense memory order than X or with its stored entries. X becomes NaN where the
    /// weight is 0; a sparse X stores all its entries of weight 0 with the others.
    pub(super) fn weighted(&self, weights: Array2<T>) -> Self {
        let values =
            Zip::from(&self.values).and(&weights).map_collect(|x, w| if *w > T::zero() { *x } else { T::nan() });
        let mut new = Sample::with_stored(values, self.stored.clone(), self.layout, Observed::Weighted);
        let layout = if self.layout == Layout::RowMajor { Layout::ColMajor } else { Layout::RowMajor };
        let memory = lay_out(&weights, &self.stored, if self.layout.sparse() { self.layout } else { layout });
        new.scale = self.scale;
        new.weights = Some((weights, memory));
        new
    }

    /// Whether every weight is 0 or 1.
    pub(super) fn is_mask(&self) -> bool {
        self.weights.as_ref().is_none_or(|(w, _)| w.iter().all(|w| *w == T::zero() || *w == T::one()))
    }

    /// What [`crate::Backend::upload_weighted`] gets beside X.
    pub(super) fn weights_view(&self) -> Option<MatrixRef<'_, T>> {
        self.weights.as_ref().map(|(_, m)| m.view())
    }

    /// Random entries in [0.05, 1.9), each zero with probability `zeros`; rows and columns graded in size, so that
    /// an error relative to the largest entry would drown the small ones. Some stored zeros.
    pub(super) fn random(seed: u64, (m, n): (usize, usize), zeros: f64, layout: Layout, observed: Observed) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Array2::zeros((m, n));
        let mut stored = Array2::from_elem((m, n), false);
        for ((i, j), v) in values.indexed_iter_mut() {
            let draw: f64 = rng.random();
            let size = 0.25f64.powi((i % 3 + j % 2) as i32);
            let entry = size * (0.05 + 1.85 * rng.random::<f64>());
            *v = if draw < zeros { T::zero() } else { T::of(entry) };
            // one zero in ten is stored all the same
            stored[[i, j]] = draw >= zeros * 0.9;
        }
        Sample::with_stored(values, stored, layout, observed)
    }

    pub(super) fn scaled(mut self, scale: f64) -> Self {
        self.scale = T::of(scale);
        self
    }

    pub(super) fn with_observed(&self, observed: Observed) -> Self {
        Sample { observed, ..self.clone() }
    }

    /// The same values in another layout.
    pub(super) fn laid_out(&self, layout: Layout) -> Self {
        let mut new = Sample::with_stored(self.values.clone(), self.stored.clone(), layout, self.observed);
        new.scale = self.scale;
        new
    }

    /// X times a number, with the same stored entries.
    pub(super) fn times(&self, factor: T) -> Self {
        Sample::with_stored(self.values.mapv(|v| v * factor), self.stored.clone(), self.layout, self.observed)
    }

    /// Xᵀ, in the same layout.
    pub(super) fn transposed(&self) -> Self {
        let (values, stored) = (self.values.t().to_owned(), self.stored.t().to_owned());
        Sample { scale: self.scale, ..Sample::with_stored(values, stored, self.layout, self.observed) }
    }

    pub(super) fn values(&self) -> &Array2<T> {
        &self.values
    }

    pub(super) fn dim(&self) -> (usize, usize) {
        self.values.dim()
    }

    /// (p, q) of X̃.
    pub(super) fn on(&self, side: Side) -> (usize, usize) {
        let (m, n) = self.dim();
        if side == Side::Rows { (m, n) } else { (n, m) }
    }

    /// What [`crate::Backend::upload`] gets.
    pub(super) fn view(&self) -> MatrixRef<'_, T> {
        match (&self.memory, self.layout) {
            (Matrix::Dense(a), Layout::Strided) => {
                let n = self.values.ncols() as isize;
                MatrixRef::Dense(a.slice(s![..;-2, 2..2 + n]))
            }
            (m, _) => m.view(),
        }
    }

    /// The same as plain numbers.
    pub(super) fn dense(&self) -> Dense {
        match self.weights_view() {
            Some(w) => Dense::weighted(&self.view(), &w, self.scale.f64()),
            None => Dense::new(&self.view(), self.scale.f64(), self.observed),
        }
    }

    pub(super) fn describe(&self, k: usize) -> String {
        let (m, n) = self.dim();
        let seen = match self.observed {
            Observed::All => "",
            Observed::Stored => ", stored entries only",
            Observed::Weighted if self.is_mask() => ", masked",
            Observed::Weighted => ", weighted",
        };
        let scale = if self.scale == T::one() { String::new() } else { format!(", scale {}", self.scale) };
        format!("X {m}×{n} {:?}{seen}{scale}, k = {k}", self.layout)
    }
}

fn lay_out<T: Element>(values: &Array2<T>, stored: &Array2<bool>, layout: Layout) -> Matrix<T> {
    let (m, n) = values.dim();
    match layout {
        Layout::RowMajor => Matrix::Dense(values.as_standard_layout().into_owned()),
        Layout::ColMajor => Matrix::Dense(values.t().as_standard_layout().into_owned().reversed_axes()),
        Layout::Strided => {
            let mut room = Array2::from_elem((2 * m, n + 5), T::nan());
            room.slice_mut(s![..;-2, 2..2 + n as isize]).assign(values);
            Matrix::Dense(room)
        }
        Layout::Csr => {
            let (start, index, data) = compress(m, n, |i, j| stored[[i, j]].then(|| values[[i, j]]));
            Matrix::Sparse(Sparse::new((m, n), start, index, data))
        }
        Layout::Csc => {
            let (start, index, data) = compress(n, m, |j, i| stored[[i, j]].then(|| values[[i, j]]));
            Matrix::Sparse(Sparse::new_csc((m, n), start, index, data))
        }
    }
}

/// Offsets, indices and values of the compressed rows of an outer×inner matrix.
fn compress<T>(outer: usize, inner: usize, at: impl Fn(usize, usize) -> Option<T>) -> (Vec<u64>, Vec<u32>, Vec<T>) {
    let (mut start, mut index, mut data) = (vec![0], Vec::new(), Vec::new());
    for o in 0..outer {
        for i in 0..inner {
            if let Some(v) = at(o, i) {
                index.push(i as u32);
                data.push(v);
            }
        }
        start.push(data.len() as u64);
    }
    (start, index, data)
}

/// A rows×k factor: entries in [0.1, 1.1), rows graded over four sizes, about `zeros` of them exactly 0.
pub(super) fn factor<T: Element>(seed: u64, (rows, k): (usize, usize), zeros: f64) -> Array2<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    Array2::from_shape_fn((rows, k), |(i, _)| {
        let (draw, value): (f64, f64) = (rng.random(), rng.random());
        if draw < zeros { T::zero() } else { T::of(0.5f64.powi((i % 4) as i32) * (0.1 + value)) }
    })
}

/// A factor whose columns overlap little, so that the Gram matrix is dominated by its diagonal: then the error
/// bound of sequential sweeps, which multiplies by Σ_{r<q}|G_rq|/G_qq at each column, stays small.
pub(super) fn separated<T: Element>(seed: u64, (rows, k): (usize, usize)) -> Array2<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x0ff5e7);
    Array2::from_shape_fn((rows, k), |(i, q)| {
        let noise: f64 = rng.random();
        T::of(if i % k == q { 0.5 + noise } else { 0.1 * noise / k as f64 })
    })
}

/// Weights of which one in four is 0, the others 1 (a mask) or graded in [1/8, 3).
pub(super) fn weights<T: Element>(seed: u64, dim: (usize, usize), mask: bool) -> Array2<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x3e1f);
    Array2::from_shape_fn(dim, |(i, j)| {
        let (draw, value): (f64, f64) = (rng.random(), rng.random());
        match (draw < 0.25, mask) {
            (true, _) => T::zero(),
            (false, true) => T::one(),
            (false, false) => T::of(0.5f64.powi(((i + j) % 3) as i32) * (0.5 + 2.5 * value)),
        }
    })
}

/// Any numbers in [lo, hi): for cross products given by hand.
pub(super) fn uniform<T: Element>(seed: u64, dim: (usize, usize), lo: f64, hi: f64) -> Array2<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xa11);
    Array2::from_shape_fn(dim, |_| T::of(lo + (hi - lo) * rng.random::<f64>()))
}

/// Widens exactly.
pub(super) fn wide<T: Element>(a: &Array2<T>) -> Array2<f64> {
    a.mapv(T::f64)
}
