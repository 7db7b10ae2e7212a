//! Convolutive models: patterns that last L columns of X.
//!
//! X ≈ Σ_τ W_τ·H^{→τ}, τ = 0 … L−1, where "→τ" moves the columns of H (k×n) by τ to the right and fills up with zeros. A pattern
//! q is the m×L matrix of its W_τ; H says when it begins and how loud it is.
//!
//! W is kept as one matrix m × k·L with column q·L + τ for (q, τ), which is an m×k×L array in standard order. With the
//! shifted copies of H beside each other, H̃ (n × k·L) with H̃_{j, qL+τ} = H_{j−τ, q} ([`unfold`]), the model is the plain
//! product W·H̃ᵀ: the update of W is that of any factor, and the terms of H are those of H̃ folded back ([`fold`], the adjoint).
//!
//! References: P. Smaragdis, "Non-negative matrix factor deconvolution", ICA 2004; P. Smaragdis, "Convolutive speech bases and
//! their application to supervised speech separation", IEEE TASLP 15(1), 2007.

use crate::{Error, Result};
use ndarray::{Array2, ArrayView2};
use num_traits::Zero;
use std::ops::AddAssign;

/// H̃ (n × k·L) of H (n×k, transposed as in [`crate::Backend`]): H̃_{j, qL+τ} = H_{j−τ, q}, 0 for j < τ; L = `shifts` counts as 1 if it is 0.
pub fn unfold<T: Copy + Zero>(h: &ArrayView2<'_, T>, shifts: usize) -> Array2<T> {
    let ((n, k), shifts) = (h.dim(), shifts.max(1));
    Array2::from_shape_fn((n, k * shifts), |(j, c)| {
        let (q, tau) = (c / shifts, c % shifts);
        if j < tau { T::zero() } else { h[[j - tau, q]] }
    })
}

/// The adjoint: out_{jq} = Σ_τ t_{j+τ, qL+τ} over j + τ < n, for t n × k·L. The terms are added in the order of τ.
pub fn fold<T: Copy + Zero + AddAssign>(t: &ArrayView2<'_, T>, shifts: usize) -> Array2<T> {
    let ((n, wide), shifts) = (t.dim(), shifts.max(1));
    Array2::from_shape_fn((n, wide / shifts), |(j, q)| {
        let mut sum = T::zero();
        for tau in 0..shifts.min(n - j) {
            sum += t[[j + tau, q * shifts + tau]];
        }
        sum
    })
}

/// L of shifted copies: `wide` (rows, k·L) for a factor `narrow` (rows, k).
pub fn count(wide: (usize, usize), narrow: (usize, usize)) -> Result<usize> {
    let shifts = wide.1.checked_div(narrow.1).unwrap_or(0).max(1);
    Error::check_shape("the shifted copies", (narrow.0, narrow.1 * shifts), wide)?;
    Ok(shifts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn copies_move_to_the_right() {
        // two components, three columns of X
        let h = array![[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]];
        let expected = array![[1.0, 0.0, 10.0, 0.0], [2.0, 1.0, 20.0, 10.0], [3.0, 2.0, 30.0, 20.0]];
        assert_eq!(unfold(&h.view(), 2), expected);
        assert_eq!(unfold(&h.view(), 1), h);
    }

    #[test]
    fn folding_is_the_adjoint() {
        // ⟨unfold(h), t⟩ = ⟨h, fold(t)⟩ for whole numbers, exactly; also with more shifts than columns
        for (n, k, shifts) in [(5, 2, 3), (3, 1, 7), (1, 4, 1)] {
            let h = Array2::from_shape_fn((n, k), |(i, q)| ((7 * i + 3 * q) % 11) as f64);
            let t = Array2::from_shape_fn((n, k * shifts), |(i, c)| ((5 * i + 2 * c) % 13) as f64);
            assert_eq!((unfold(&h.view(), shifts) * &t).sum(), (&h * fold(&t.view(), shifts)).sum());
        }
    }

    #[test]
    fn widths_that_do_not_fit_are_refused() {
        assert_eq!(count((9, 6), (9, 2)).unwrap(), 3);
        assert!(count((9, 7), (9, 2)).is_err());
        assert!(count((8, 6), (9, 2)).is_err());
        assert!(count((9, 1), (9, 2)).is_err());
        assert!(count((9, 2), (9, 0)).is_err());
    }
}
