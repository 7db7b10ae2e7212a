//! Convolutive models (`--shifts L`): W as files hold it, and what it is multiplied by. See [`nmf_core::shifts`].

use ndarray::{Array3, ArrayView2, CowArray, Ix2};
use nmf_core::{Element, shifts::unfold};

/// The right factor of the product that the model is: H (k×n), or with L > 1 its shifted copies (k·L × n).
pub(crate) fn right<T: Element>(h: ArrayView2<'_, T>, shifts: usize) -> CowArray<'_, T, Ix2> {
    if shifts == 1 { h.into() } else { unfold(&h.t(), shifts).reversed_axes().into() }
}

/// W (m × k·L, column q·L + τ) as an m×k×L array.
pub(crate) fn cube<T: Element>(w: &ArrayView2<'_, T>, shifts: usize) -> Array3<T> {
    let components = w.ncols() / shifts.max(1);
    Array3::from_shape_fn((w.nrows(), components, shifts), |(i, q, tau)| w[[i, q * shifts + tau]])
}

/// "k = 3", or "k = 3, 12 shifts".
pub(crate) fn size(rank: usize, shifts: usize) -> String {
    if shifts == 1 { format!("k = {rank}") } else { format!("k = {rank}, {shifts} shifts") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn patterns_and_shifted_copies_make_the_model() {
        let (w, h) = (array![[1.0, 10.0], [2.0, 20.0]], array![[1.0, 0.0, 3.0]]);
        assert_eq!(right(h.view(), 1), h);
        let model = w.dot(&right(h.view(), 2));
        assert_eq!(model, array![[1.0, 10.0, 3.0], [2.0, 20.0, 6.0]]);
        let w = Array2::from_shape_fn((2, 6), |(i, c)| (10 * i + c) as f64);
        let patterns = cube(&w.view(), 3);
        assert_eq!((patterns.dim(), patterns[[1, 1, 2]]), ((2, 2, 3), 15.0));
    }
}
