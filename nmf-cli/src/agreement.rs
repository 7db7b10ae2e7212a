//! How far two runs from the same start are apart.

use crate::known::for_each_known;
use ndarray::{ArrayView2, Zip};
use nmf_core::{Element, Loss, MatrixRef, Observed, TracePoint, Weighted};

/// Largest relative difference of objectives that counts as agreement, at every check.
pub(crate) const OBJECTIVE_TOLERANCE: f64 = 1e-4;
/// Largest difference of factors, relative to their norm, that counts as agreement.
pub(crate) const FACTOR_TOLERANCE: f64 = 1e-2;
/// Objectives below this share of what the constant model leaves are compared relative to that share: where a model fits
/// to six digits, an objective computed in f32 has none left.
const RESOLUTION: f64 = 1e-6;

/// The smallest objective that f32 still tells apart to [`OBJECTIVE_TOLERANCE`]: a share of the divergence of X from the
/// constant model mean(X), which is the size of an objective that explains nothing.
pub(crate) fn resolution<T: Element>(
    x: &MatrixRef<'_, T>,
    weighted: Option<&Weighted<'_, T>>,
    loss: &Loss,
    observed: Observed,
) -> f64 {
    let (x, weights) = match weighted {
        Some(pair) => (pair.x(), Some(pair.weights())),
        None => (x.reborrow(), None),
    };
    let (mut sum, mut size) = (0.0, 0.0);
    for_each_known(&x, weights.as_ref(), |v, weight| {
        sum += weight * v;
        size += weight;
    });
    // zeros that are not stored
    let (rows, cols) = x.dim();
    let all_count = weights.is_none() && observed != Observed::Stored;
    let hidden = if all_count { rows as f64 * cols as f64 - size } else { 0.0 };
    let mean = sum / (size + hidden);
    let mut total = if hidden > 0.0 { hidden * loss.value(0.0, mean) } else { 0.0 };
    for_each_known(&x, weights.as_ref(), |v, weight| total += weight * loss.value(v, mean));
    total * RESOLUTION
}

/// The largest relative difference of two traces over the iterations both have.
pub(crate) fn objective_difference(a: &[TracePoint], b: &[TracePoint], resolution: f64) -> f64 {
    let mut largest: f64 = 0.0;
    let mut rest = b.iter().peekable();
    for p in a {
        while rest.next_if(|q| q.iteration < p.iteration).is_some() {}
        if let Some(q) = rest.peek().filter(|q| q.iteration == p.iteration) {
            let size = p.objective.abs().max(q.objective.abs()).max(resolution).max(f64::MIN_POSITIVE);
            let d = (p.objective - q.objective).abs() / size;
            // a NaN is no agreement
            largest = if d.is_nan() { f64::INFINITY } else { largest.max(d) };
        }
    }
    largest
}

/// ‖A − B‖ / ‖B‖.
pub(crate) fn factor_difference<T: Element, U: Element>(a: &ArrayView2<'_, T>, b: &ArrayView2<'_, U>) -> f64 {
    if a.dim() != b.dim() {
        return f64::INFINITY;
    }
    let (mut apart, mut size) = (0.0, 0.0);
    Zip::from(a).and(b).for_each(|a, b| {
        apart += (a.f64() - b.f64()).powi(2);
        size += b.f64().powi(2);
    });
    if apart == 0.0 { 0.0 } else { (apart / size).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn trace(values: &[(usize, f64)]) -> Vec<TracePoint> {
        values.iter().map(|&(iteration, objective)| TracePoint { iteration, seconds: 0.0, objective }).collect()
    }

    #[test]
    fn traces_are_compared_where_both_have_a_point() {
        let a = trace(&[(0, 10.0), (1, 5.0), (2, 4.0)]);
        let b = trace(&[(0, 10.0), (2, 4.4)]);
        assert!((objective_difference(&a, &b, 0.0) - 0.4 / 4.4).abs() < 1e-15);
        assert_eq!(objective_difference(&a, &a, 0.0), 0.0);
        assert_eq!(objective_difference(&a, &trace(&[(0, f64::NAN)]), 0.0), f64::INFINITY);
        // 1e-9 against 3e-9 where f32 resolves 1e-6: both fit exactly
        assert!(objective_difference(&trace(&[(0, 1e-9)]), &trace(&[(0, 3e-9)]), 1e-6) < 0.01);
    }

    #[test]
    fn the_resolution_is_the_same_dense_and_sparse() {
        let x = array![[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]];
        let s = nmf_core::Sparse::csr_from_dense(x.view(), 0.0);
        let d = resolution(&MatrixRef::from(&x), None, &Loss::KL, Observed::All);
        let c = resolution(&MatrixRef::from(&s), None, &Loss::KL, Observed::All);
        assert!((d - c).abs() < 1e-12 && d > 0.0);
        // a mask that knows all entries says nothing new
        let (ones, sparse) = (x.mapv(|_| 1.0), MatrixRef::from(&s));
        let ones = MatrixRef::from(&ones);
        let pair = Weighted::new(&sparse, &ones, false).unwrap();
        let m = resolution(&sparse, Some(&pair), &Loss::KL, Observed::All);
        assert!((d - m).abs() < 1e-12);
    }

    #[test]
    fn factors_differ_relative_to_their_norm() {
        let (a, b) = (array![[3.0, 4.0]], array![[3.0, 3.0]]);
        assert!((factor_difference(&a.view(), &b.view()) - 1.0 / 18f64.sqrt()).abs() < 1e-15);
        assert_eq!(factor_difference(&a.view(), &array![[1.0]].view()), f64::INFINITY);
    }
}
