//! Comparison with the oracle where all terms are non-negative: each number within a tolerance of its own.

use ndarray::Array2;

/// In f64.
pub(crate) fn wide(a: &Array2<f32>) -> Array2<f64> {
    a.mapv(f64::from)
}

/// Sums of `depth` terms: every rounding is relative to the sum.
pub(crate) fn close(what: &str, found: &Array2<f32>, expected: &Array2<f64>, depth: usize) {
    for ((at, f), e) in found.indexed_iter().zip(expected) {
        let tolerance = 2.0 * depth as f64 * f64::from(f32::EPSILON) * e.abs();
        assert!((f64::from(*f) - e).abs() <= tolerance, "{what} at {at:?}: {f:e}, expected {e:e}");
    }
}
