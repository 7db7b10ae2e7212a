//! What holds for every right implementation, whatever its arithmetic.

mod batches;
mod equivariance;
mod fixed_points;
mod momentum;
mod monotone;
mod weights;

pub use batches::batches;
pub use equivariance::{layouts_agree, permutation, scaling, transpose};
pub use fixed_points::{disjoint_supports, exact_fit, identity_factor};
pub use momentum::momentum_goes_on;
pub use monotone::{descent, non_negative, zeros_stay};
pub use weights::{masks_are_patterns, weights_of_one, weights_scale};

use super::bounds::{self, Bound};
use super::probe::{Checked, Probe};
use super::sample::{Sample, wide};
use crate::{Backend, Element, Loss, Rule, Side};
use ndarray::Array2;

/// f after one update on a freshly uploaded X.
fn updated<B: Backend>(
    p: &mut Probe<B>,
    loss: &Loss,
    x: &Sample<B::Elem>,
    side: Side,
    f: &Array2<B::Elem>,
    other: &Array2<B::Elem>,
    rule: &Rule,
) -> Checked<Array2<f64>> {
    let (x, mut f, other) = (p.upload(x)?, p.factor(f)?, p.factor(other)?);
    p.step(loss, &x, side, &mut f, &other, rule, false)?;
    p.read(&f)
}

/// What the oracle says it is, with tolerances.
fn expected<T: Element>(
    loss: &Loss,
    x: &Sample<T>,
    side: Side,
    f: &Array2<T>,
    other: &Array2<T>,
    rule: &Rule,
) -> Bound {
    let (num, den) = bounds::terms::<T>(loss, &x.dense(), side, &wide(f).view(), &wide(other).view());
    bounds::apply::<T>(&num, &den, &wide(f), rule)
}

/// The tolerance between two results that are both within `bound` of the oracle.
fn between(value: Array2<f64>, bound: &Bound) -> Bound {
    Bound { value, tolerance: &bound.tolerance * 2.0 }
}
