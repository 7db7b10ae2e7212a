//! Principal components of pictures: what bases are best in squared error when they may be negative.
//!
//! The mean picture is taken off, and the leading right singular vectors of what is left are found by the randomized range finder with power
//! iterations (N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM Review 53(2), 2011, algorithms 4.4
//! and 5.1); orthonormal bases and the small decomposition are nalgebra's.

use crate::{Error, LowRank, Result};
use nalgebra::DMatrix;
use ndarray::{Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Directions beyond those asked for, and power iterations: with these, squared errors are those of the exact decomposition to five digits
/// on pictures.
const OVERSAMPLING: usize = 10;
const POWER_ITERATIONS: usize = 8;

/// The k leading principal components of the rows of X (m×n) with their scores and the mean: orthonormal bases in falling order of their
/// variance, the largest number of each positive. The same for one seed always.
///
/// # Errors
/// If k is not within 1..=min(m, n).
pub fn pca(x: ArrayView2<'_, f32>, k: usize, seed: u64) -> Result<LowRank> {
    let (m, n) = x.dim();
    let most = m.min(n);
    let Some(mean) = x.mapv(f64::from).mean_axis(Axis(0)).filter(|_| (1..=most).contains(&k)) else {
        let expected = format!("1 to {most}, as X is {m}×{n}");
        return Err(Error::Parameter { name: "principal components", value: k.to_string(), expected });
    };
    let centred = x.mapv(f64::from) - &mean;
    let l = (k + OVERSAMPLING).min(most);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let draw = Array2::from_shape_simple_fn((n, l), || StandardNormal.sample(&mut rng));
    let mut left = orthonormal(&centred.dot(&draw));
    for _ in 0..POWER_ITERATIONS {
        let right = orthonormal(&centred.t().dot(&left));
        left = orthonormal(&centred.dot(&right));
    }
    // X ≈ Q·QᵀX, whose right vectors are the left ones of XᵀQ (n×l)
    let small = to_nalgebra(&centred.t().dot(&left)).svd(true, false);
    let failed = || Error::Parameter {
        name: "principal components",
        value: k.to_string(),
        expected: "pictures whose singular value decomposition can be computed".into(),
    };
    let vectors = small.u.ok_or_else(failed)?;
    let mut bases = Array2::from_shape_fn((k, n), |(q, j)| vectors[(j, q)]);
    for mut basis in bases.outer_iter_mut() {
        let largest = basis.iter().fold(0.0f64, |a, v| if v.abs() > a.abs() { *v } else { a });
        if largest < 0.0 {
            basis.mapv_inplace(|v| -v);
        }
    }
    let scores = centred.dot(&bases.t());
    Ok(LowRank { weights: scores, bases, mean: Some(mean) })
}

/// An orthonormal basis of the columns.
fn orthonormal(a: &Array2<f64>) -> Array2<f64> {
    let q = to_nalgebra(a).qr().q();
    Array2::from_shape_fn((q.nrows(), q.ncols()), |(i, j)| q[(i, j)])
}

fn to_nalgebra(a: &Array2<f64>) -> DMatrix<f64> {
    DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| a[[i, j]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Singular values that fall slowly, as those of pictures do.
    fn sample(m: usize, n: usize) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut draw = |r, c| {
            Array2::from_shape_simple_fn((r, c), || {
                let v: f64 = StandardNormal.sample(&mut rng);
                v
            })
        };
        let (a, b) = (draw(m, n), draw(n, n));
        let scaled = Array2::from_shape_fn((m, n), |(i, j)| a[[i, j]] / (1.0 + j as f64));
        scaled.dot(&b).mapv(|v| v as f32) + 3.0
    }

    fn residual(x: &Array2<f32>, p: &LowRank) -> f64 {
        p.errors(x.view()).squared.iter().sum()
    }

    #[test]
    fn the_error_is_that_of_the_exact_decomposition() {
        let x = sample(60, 40);
        let centred = x.mapv(f64::from) - x.mapv(f64::from).mean_axis(Axis(0)).unwrap();
        let values = to_nalgebra(&centred).singular_values();
        for k in [1, 5, 20, 40] {
            let p = pca(x.view(), k, 0).unwrap();
            let exact: f64 = values.iter().skip(k).map(|s| s * s).sum();
            let total: f64 = values.iter().map(|s| s * s).sum();
            assert!((residual(&x, &p) - exact).abs() < 1e-5 * total, "{k}: {} {exact}", residual(&x, &p));
            let gram = p.bases.dot(&p.bases.t()) - Array2::<f64>::eye(k);
            assert!(gram.iter().all(|v| v.abs() < 1e-10));
        }
        assert_eq!(pca(x.view(), 5, 7).unwrap(), pca(x.view(), 5, 7).unwrap());
        assert!(pca(x.view(), 0, 0).is_err() && pca(x.view(), 41, 0).is_err());
    }

    #[test]
    fn equal_pictures_have_their_mean_and_nothing_else() {
        let x = Array2::from_shape_fn((5, 7), |(_, j)| j as f32);
        let p = pca(x.view(), 3, 0).unwrap();
        assert!(residual(&x, &p) < 1e-20 && p.bases.iter().all(|v| v.is_finite()));
    }
}
