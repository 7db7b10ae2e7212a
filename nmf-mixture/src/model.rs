//! The mixture itself: parameters, densities, responsibilities, samples.

use crate::data::Data;
use crate::em::Gaussians;
use crate::moments::cholesky;
use crate::{Error, Result};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The form of the covariances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Covariance {
    /// A variance for every column, no correlation. The default.
    #[default]
    Diagonal,
    /// Any symmetric positive definite matrix.
    Full,
}

/// Covariances of K components.
#[derive(Debug, Clone, PartialEq)]
pub enum Covariances {
    /// Variances, K×d.
    Diagonal(Array2<f64>),
    /// Matrices, K×d×d.
    Full(Array3<f64>),
}

/// p(x) = Σₖ πₖ·N(x; μₖ, Σₖ) over ℝᵈ.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    weights: Array1<f64>,
    means: Array2<f64>,
    covariances: Covariances,
}

impl GaussianMixture {
    /// A mixture of the given parameters: K weights ≥ 0 of sum 1, means K×d, covariances.
    ///
    /// # Errors
    /// Shapes that disagree, weights that are no distribution, covariances that are not symmetric positive definite.
    pub fn new(weights: Array1<f64>, means: Array2<f64>, covariances: Covariances) -> Result<Self> {
        let (k, d) = means.dim();
        if k == 0 || d == 0 {
            return Err(Error::Empty { rows: k, cols: d });
        }
        let check = |what, expected, found| match found == expected {
            true => Ok(()),
            false => Err(Error::Dimension { what, expected, found }),
        };
        check("weights of the mixture", k, weights.len())?;
        let bad = |component, reason: String| Err(Error::Component { component, reason });
        if let Some(q) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
            return bad(q, format!("its weight is {}", weights[q]));
        }
        let sum = weights.sum();
        if (sum - 1.0).abs() > 1e-6 {
            let expected = "weights of sum 1";
            return Err(Error::Parameter { name: "sum of the mixture's weights", value: sum.to_string(), expected });
        }
        if let Some(((q, j), v)) = means.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return bad(q, format!("its mean has the entry {v} in column {j}"));
        }
        match &covariances {
            Covariances::Diagonal(v) => {
                check("components of the variances", k, v.nrows())?;
                check("columns of the variances", d, v.ncols())?;
                if let Some(((q, j), v)) = v.indexed_iter().find(|(_, v)| !(v.is_normal() && **v > 0.0)) {
                    return bad(q, format!("its variance is {v} in column {j}"));
                }
            }
            Covariances::Full(c) => {
                check("components of the covariances", k, c.dim().0)?;
                check("rows of the covariances", d, c.dim().1)?;
                check("columns of the covariances", d, c.dim().2)?;
                for (q, c) in c.axis_iter(Axis(0)).enumerate() {
                    let scale = c.diag().iter().fold(0.0f64, |m, v| m.max(v.abs()));
                    let symmetric = c.indexed_iter().all(|((i, j), v)| (v - c[[j, i]]).abs() <= 1e-9 * scale);
                    let values: Vec<f64> = c.iter().copied().collect();
                    if !symmetric || cholesky(&values, d).is_none() {
                        return bad(q, "its covariance is not symmetric positive definite".into());
                    }
                }
            }
        }
        Ok(GaussianMixture { weights: weights / sum, means, covariances })
    }

    /// Parameters that came out of the fit.
    pub(crate) fn trusted(weights: Array1<f64>, means: Array2<f64>, covariances: Covariances) -> Self {
        GaussianMixture { weights, means, covariances }
    }

    /// Number of components K.
    pub fn components(&self) -> usize {
        self.means.nrows()
    }

    /// Number of columns d.
    pub fn dimension(&self) -> usize {
        self.means.ncols()
    }

    /// Weights πₖ (sum 1).
    pub fn weights(&self) -> &Array1<f64> {
        &self.weights
    }

    /// Means, K×d.
    pub fn means(&self) -> &Array2<f64> {
        &self.means
    }

    /// Covariances.
    pub fn covariances(&self) -> &Covariances {
        &self.covariances
    }

    /// The variance of component `k` in column `j`; none outside the mixture.
    pub fn variance(&self, k: usize, j: usize) -> Option<f64> {
        match &self.covariances {
            Covariances::Diagonal(v) => v.get((k, j)).copied(),
            Covariances::Full(c) => c.get((k, j, j)).copied(),
        }
    }

    /// Free parameters: K − 1 weights, K·d means, and K·d variances or K·d(d + 1)/2 covariances.
    pub fn parameters(&self) -> usize {
        let (k, d) = self.means.dim();
        let covariances = match self.covariances {
            Covariances::Diagonal(_) => k * d,
            Covariances::Full(_) => k * d * (d + 1) / 2,
        };
        k - 1 + k * d + covariances
    }

    /// Responsibilities p(k | x), rows×K, every row of sum 1.
    ///
    /// # Errors
    /// Data of another number of columns, or not finite.
    pub fn predict_proba(&self, data: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        Ok(self.posteriors(data)?.0)
    }

    /// The component of largest responsibility for every row; the lowest for ties.
    ///
    /// # Errors
    /// As [`GaussianMixture::predict_proba`].
    pub fn predict(&self, data: ArrayView2<'_, f64>) -> Result<Vec<usize>> {
        let best = |row: ndarray::ArrayView1<'_, f64>| {
            let mut best = 0;
            row.iter().enumerate().for_each(|(q, p)| best = if *p > row[best] { q } else { best });
            best
        };
        Ok(self.predict_proba(data)?.rows().into_iter().map(best).collect())
    }

    /// log p(x) of every row.
    ///
    /// # Errors
    /// As [`GaussianMixture::predict_proba`].
    pub fn score(&self, data: ArrayView2<'_, f64>) -> Result<Array1<f64>> {
        Ok(self.posteriors(data)?.1)
    }

    fn posteriors(&self, data: ArrayView2<'_, f64>) -> Result<(Array2<f64>, Array1<f64>)> {
        let (k, d) = self.means.dim();
        if data.ncols() != d {
            return Err(Error::Dimension { what: "columns of the data", expected: d, found: data.ncols() });
        }
        let gaussians = Gaussians::new(self);
        let data = Data::new(data, None)?;
        let mut rows = vec![0.0; data.rows() * (k + 1)];
        data.map_blocks_into(&mut rows, k + 1, |_, values, _, out| {
            gaussians.posteriors(values, |i, shares, log| {
                let out = &mut out[i * (k + 1)..][..k + 1];
                out[..k].copy_from_slice(shares);
                out[k] = log;
            });
        });
        let shares = Array2::from_shape_fn((data.rows(), k), |(i, q)| rows[i * (k + 1) + q]);
        let logs = Array1::from_shape_fn(data.rows(), |i| rows[i * (k + 1) + k]);
        Ok((shares, logs))
    }

    /// `n` rows drawn from the mixture and the component each came from; the same for the same seed.
    pub fn sample(&self, n: usize, seed: u64) -> (Array2<f64>, Vec<usize>) {
        let (k, d) = self.means.dim();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let roots: Vec<Vec<f64>> = (0..k).map(|q| self.root(q)).collect();
        let (mut rows, mut from) = (Array2::zeros((n, d)), Vec::with_capacity(n));
        let mut normal = vec![0.0; d];
        for mut row in rows.rows_mut() {
            let mut left = rng.random::<f64>();
            let mut q = 0;
            while q + 1 < k && left >= self.weights[q] {
                left -= self.weights[q];
                q += 1;
            }
            // Box and Muller: 1 − u lies in (0, 1]
            for z in &mut normal {
                let (u, angle) = (1.0 - rng.random::<f64>(), std::f64::consts::TAU * rng.random::<f64>());
                *z = (-2.0 * u.ln()).sqrt() * angle.cos();
            }
            for j in 0..d {
                let step: f64 = (0..=j).map(|i| roots[q][j * d + i] * normal[i]).sum();
                row[j] = self.means[[q, j]] + step;
            }
            from.push(q);
        }
        (rows, from)
    }

    /// The lower triangle L of component `q`'s covariance L·Lᵀ, row-major.
    pub(crate) fn root(&self, q: usize) -> Vec<f64> {
        let d = self.dimension();
        match &self.covariances {
            Covariances::Diagonal(v) => {
                let mut root = vec![0.0; d * d];
                (0..d).for_each(|j| root[j * d + j] = v[[q, j]].sqrt());
                root
            }
            Covariances::Full(c) => {
                let values: Vec<f64> = c.index_axis(Axis(0), q).iter().copied().collect();
                // checked by `new`, and by the floor of the fit
                cholesky(&values, d).unwrap_or(values)
            }
        }
    }
}
