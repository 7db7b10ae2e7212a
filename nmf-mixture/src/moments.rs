//! The M step: weights, means and covariances from the sums, with the covariances kept above a floor.
//!
//! Without a floor a component that closes in on a single row has an unbounded likelihood. The floor asks Σₖ ⪰ D, D
//! diagonal; the covariance that maximizes the expected log-likelihood under that constraint is the moment matrix S with
//! the eigenvalues of D^{-½}·S·D^{-½} below 1 raised to 1 (for diagonal covariances: variances below the floor raised to
//! it). So EM with this floor is EM on a smaller set of parameters and its log-likelihood still cannot fall — adding a
//! constant to S, as is often done, has no such law.

use crate::em::Sums;
use crate::model::{Covariance, Covariances, GaussianMixture};
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, Array3};

/// A mixture and what the step had to mend.
pub(crate) struct Step {
    pub(crate) mixture: GaussianMixture,
    /// Components of which the floor raised a variance.
    pub(crate) floored: usize,
    /// Components whose responsibilities have vanished.
    pub(crate) empty: usize,
}

/// Maximizes the expected log-likelihood. A component without rows keeps mean and covariance at weight 0: every choice is
/// a maximizer for it.
pub(crate) fn maximize(old: &GaussianMixture, sums: &Sums, floor: &[f64]) -> Step {
    let (k, d) = old.means().dim();
    let total: f64 = sums.counts.iter().sum();
    let mut weights = Array1::zeros(k);
    let mut means = old.means().clone();
    let mut covariances = old.covariances().clone();
    let (mut floored, mut empty) = (0, 0);
    for q in 0..k {
        let n = sums.counts[q];
        // below that the moments are rounding, and a share of 1e-290 of the rows is no component
        if n <= 1e-290 * total {
            empty += 1;
            continue;
        }
        weights[q] = n / total;
        let shift: Vec<f64> = sums.first[q * d..][..d].iter().map(|s| s / n).collect();
        shift.iter().enumerate().for_each(|(j, s)| means[[q, j]] += s);
        floored += usize::from(match &mut covariances {
            Covariances::Diagonal(v) => {
                let mut raised = false;
                for j in 0..d {
                    let moment = sums.second[q * d + j] / n - shift[j] * shift[j];
                    raised |= moment < floor[j];
                    v[[q, j]] = moment.max(floor[j]);
                }
                raised
            }
            Covariances::Full(c) => {
                let mut s = vec![0.0; d * d];
                for i in 0..d {
                    for j in 0..=i {
                        let moment = sums.second[(q * d + i) * d + j] / n - shift[i] * shift[j];
                        (s[i * d + j], s[j * d + i]) = (moment, moment);
                    }
                }
                let raised = raise(&mut s, floor);
                c.index_axis_mut(ndarray::Axis(0), q).iter_mut().zip(&s).for_each(|(c, s)| *c = *s);
                raised
            }
        });
    }
    Step { mixture: GaussianMixture::trusted(weights, means, covariances), floored, empty }
}

/// Raises the eigenvalues of D^{-½}·S·D^{-½} to 1; whether any was below.
pub(crate) fn raise(s: &mut [f64], floor: &[f64]) -> bool {
    let d = floor.len();
    let unit: Vec<f64> = floor.iter().map(|f| f.sqrt()).collect();
    let mut above: Vec<f64> = (0..d * d).map(|i| s[i] / (unit[i / d] * unit[i % d])).collect();
    (0..d).for_each(|j| above[j * d + j] -= 1.0);
    if cholesky(&above, d).is_some() {
        return false;
    }
    (0..d).for_each(|j| above[j * d + j] += 1.0);
    let eigen = SymmetricEigen::new(DMatrix::from_row_slice(d, d, &above));
    for i in 0..d {
        for j in 0..=i {
            let value: f64 = (0..d)
                .map(|e| eigen.eigenvalues[e].max(1.0) * eigen.eigenvectors[(i, e)] * eigen.eigenvectors[(j, e)])
                .sum();
            (s[i * d + j], s[j * d + i]) = (value * unit[i] * unit[j], value * unit[i] * unit[j]);
        }
    }
    true
}

/// One covariance for all components: the data's variances.
pub(crate) fn spread(form: Covariance, k: usize, variance: &[f64]) -> Covariances {
    let d = variance.len();
    match form {
        Covariance::Diagonal => Covariances::Diagonal(Array2::from_shape_fn((k, d), |(_, j)| variance[j])),
        Covariance::Full => {
            let entry = |(_, i, j): (usize, usize, usize)| if i == j { variance[j] } else { 0.0 };
            Covariances::Full(Array3::from_shape_fn((k, d, d), entry))
        }
    }
}

/// Lower triangle L of S = L·Lᵀ (row-major, only the lower triangle is read); none unless S is positive definite.
pub(crate) fn cholesky(s: &[f64], d: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..=i {
            let known: f64 = (0..j).map(|e| l[i * d + e] * l[j * d + e]).sum();
            let left = s[i * d + j] - known;
            if i == j {
                if !(left.is_finite() && left > 0.0) {
                    return None;
                }
                l[i * d + i] = left.sqrt();
            } else {
                l[i * d + j] = left / l[j * d + j];
            }
        }
    }
    Some(l)
}
