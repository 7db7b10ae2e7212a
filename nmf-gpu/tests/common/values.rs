//! Inputs of the tests.

use ndarray::Array2;

/// Positive numbers without a pattern, always the same.
pub(crate) fn values(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let mixed = (i * 7919 + j * 104_729 + seed * 31).wrapping_mul(2_654_435_761) >> 7;
        0.05 + (mixed % 1009) as f32 / 1009.0
    })
}
