//! Each operation against f64 loops on the values as the backend rounds them.

mod least_squares;
mod memory;
mod momentum;
mod newton;
mod products;
mod shifts;
mod sparse;
mod sweeps;
mod updates;
mod weights;

pub use least_squares::least_squares;
pub use memory::{memory, scalars};
pub use momentum::{advance, extrapolate};
pub use newton::newton_sweep;
pub use products::{cross, divergence, divergence_near_fit, gram, penalty};
pub use shifts::{fold, unfold};
pub use sparse::impose_sparseness;
pub use sweeps::{hals_sweep, quadratic};
pub use updates::{apply, gradient_step, kkt, mu_step, mu_steps, terms};
pub use weights::weighted;

use super::probe::Probe;
use super::sample::{FEW, Layout, SHAPES, Sample, factor};
use crate::{Backend, Element, Error, Loss, Observed, Side};
use ndarray::Array2;

const SIDES: [Side; 2] = [Side::Rows, Side::Cols];

/// What an operation on X, W and H is tried on.
struct Case<T> {
    x: Sample<T>,
    w: Array2<T>,
    h: Array2<T>,
    k: usize,
}

impl<T: Element> Case<T> {
    /// (f, other) of a side.
    fn on(&self, side: Side) -> (&Array2<T>, &Array2<T>) {
        if side == Side::Rows { (&self.w, &self.h) } else { (&self.h, &self.w) }
    }

    fn describe(&self, what: impl std::fmt::Display) -> String {
        format!("{}, {what}", self.x.describe(self.k))
    }
}

/// For every shape a dense row-major X, and in turn the other layouts, stored entries only, and a scale. `positive`
/// leaves no observed zero, for losses that are infinite there.
fn cases<B: Backend>(p: &Probe<B>, shapes: &[(usize, usize, usize)], positive: bool) -> Vec<Case<B::Elem>> {
    let mut all = Vec::new();
    for (number, &(m, n, k)) in shapes.iter().enumerate() {
        let seed = 1000 + number as u64;
        let other = Layout::ALL[1 + number % 4];
        let sparse = if number % 2 == 0 { Layout::Csr } else { Layout::Csc };
        let zeros = if positive { 0.0 } else { 0.2 };
        let mut inputs = vec![Sample::random(seed, (m, n), zeros, Layout::RowMajor, Observed::All)];
        if !(positive && other.sparse()) {
            inputs.push(Sample::random(seed + 100, (m, n), zeros, other, Observed::All).scaled(4.0));
        }
        let stored = Sample::random(seed + 200, (m, n), 0.6, sparse, Observed::Stored).scaled(0.5);
        // without its stored zeros
        inputs.push(if positive { Sample::new(stored.values().clone(), sparse, Observed::Stored) } else { stored });
        if number == 0 {
            inputs.push(Sample::random(seed + 300, (m, n), zeros, Layout::RowMajor, Observed::Stored));
        }
        for x in inputs.into_iter().filter(|x| p.takes(x)) {
            // some exact zeros, among them whole rows of W when k is small: V = 0 meets its floor
            let (w, h) = (factor(seed, (m, k), 0.15), factor(seed + 1, (n, k), 0.1));
            all.push(Case { x, w, h, k });
        }
    }
    all
}

/// The shapes a loss is tried on: all where it has kernels of its own, a few where only its formula differs.
fn shapes(loss: &Loss) -> &'static [(usize, usize, usize)] {
    match loss.beta() {
        Some(b) if b == 0.0 || b == 1.0 || b == 2.0 => &SHAPES,
        _ => &FEW,
    }
}

/// Whether this error may be forgiven: a loss that is neither β = 2 nor β = 1 visits every entry of a sparse X when
/// all count, which a backend may refuse (`Op` has no word for it), but only by [`Error::Unsupported`].
fn refusable<T: Element, R>(x: &Sample<T>, loss: &Loss, r: &crate::Result<R>) -> bool {
    let dense_walk = x.layout.sparse() && x.observed == Observed::All && !loss.is_fro() && !loss.is_kl();
    dense_walk && matches!(r, Err(Error::Unsupported(_)))
}
