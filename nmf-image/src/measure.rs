//! Pictures as sums of bases: how near they come, what they take to store, and noise to take away.

use crate::{Error, Result};
use ndarray::{Array1, Array2, ArrayView2, s};
use nmf_core::Sparseness;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// Pictures whose model is formed at a time.
const BLOCK: usize = 64;

/// X ≈ weights·bases, plus a mean picture where there is one: what NMF, principal components and k-means (one weight of 1 a picture) have in
/// common.
#[derive(Debug, Clone, PartialEq)]
pub struct LowRank {
    /// m×k.
    pub weights: Array2<f64>,
    /// k×n, a picture each.
    pub bases: Array2<f64>,
    /// n numbers, added to every picture.
    pub mean: Option<Array1<f64>>,
}

impl LowRank {
    /// Every picture is the centre of its cluster: `labels` says which row of `centres` (k×n).
    pub fn of_clusters(centres: Array2<f64>, labels: &[usize]) -> LowRank {
        let mut weights = Array2::zeros((labels.len(), centres.nrows()));
        for (mut row, label) in weights.outer_iter_mut().zip(labels) {
            if let Some(w) = row.get_mut(*label) {
                *w = 1.0;
            }
        }
        LowRank { weights, bases: centres, mean: None }
    }

    /// The model of pictures `from..to`, at most all.
    pub fn pictures(&self, from: usize, to: usize) -> Array2<f64> {
        let m = self.weights.nrows();
        let v = self.weights.slice(s![from.min(m)..to.min(m), ..]).dot(&self.bases);
        match &self.mean {
            Some(mean) => v + mean,
            None => v,
        }
    }

    /// How far it is from the pictures `x` (m×n).
    pub fn errors(&self, x: ArrayView2<'_, f32>) -> Errors {
        let mut out = Errors { squared: Vec::new(), norms: Vec::new(), numbers: x.len() };
        for from in (0..x.nrows()).step_by(BLOCK) {
            let model = self.pictures(from, from + BLOCK);
            for (x, v) in x.slice(s![from.., ..]).outer_iter().zip(model.outer_iter()) {
                out.squared.push(x.iter().zip(v).map(|(x, v)| (f64::from(*x) - v).powi(2)).sum());
                out.norms.push(x.iter().map(|x| f64::from(*x).powi(2)).sum());
            }
        }
        out
    }

    /// Hoyer's sparseness of the bases, the mean over them: 0 for a flat picture, 1 for a single pixel. Of signed bases the absolute values count.
    pub fn sparseness(&self) -> f64 {
        Sparseness::of_columns(&self.bases.t()).hoyer
    }
}

/// Squared errors of pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Errors {
    /// ‖x − v‖² of every picture.
    pub squared: Vec<f64>,
    /// ‖x‖² of every picture.
    pub norms: Vec<f64>,
    numbers: usize,
}

impl Errors {
    /// ‖X − V‖/‖X‖ over all pictures.
    pub fn relative(&self) -> f64 {
        ratio(self.squared.iter().sum(), self.norms.iter().sum())
    }

    /// ‖x − v‖/‖x‖ of every picture.
    pub fn each(&self) -> Vec<f64> {
        self.squared.iter().zip(&self.norms).map(|(e, n)| ratio(*e, *n)).collect()
    }

    /// Peak signal-to-noise ratio −10·log₁₀(mean (x − v)²) in dB over all pictures, where full intensity is 1; infinite for equal ones.
    pub fn psnr(&self) -> f64 {
        -10.0 * (self.squared.iter().sum::<f64>() / self.numbers.max(1) as f64).log10()
    }
}

/// The root of a quotient; of nothing, that of the error alone.
fn ratio(error: f64, norm: f64) -> f64 {
    if norm > 0.0 { (error / norm).sqrt() } else { error.sqrt() }
}

/// Numbers that pictures and their factors consist of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stored {
    /// (m + n)·k: W and H.
    pub factors: u64,
    /// m·n: the pictures.
    pub pictures: u64,
}

impl Stored {
    /// Of m×n pictures at rank k.
    pub fn new((m, n): (usize, usize), k: usize) -> Stored {
        let (m, n, k) = (m as u64, n as u64, k as u64);
        Stored { factors: m.saturating_add(n).saturating_mul(k), pictures: m.saturating_mul(n) }
    }

    /// m·n / ((m + n)·k): above 1 the factors are the smaller ones.
    pub fn ratio(&self) -> f64 {
        self.pictures as f64 / (self.factors as f64).max(1.0)
    }
}

/// Pictures with Gaussian noise of standard deviation `sigma` (in shares of full intensity), clipped to 0..1 as a camera would; the same for
/// one seed always.
///
/// # Errors
/// If sigma is not a finite number > 0.
pub fn noisy(pixels: ArrayView2<'_, f32>, sigma: f64, seed: u64) -> Result<Array2<f32>> {
    let refuse = || Error::Parameter {
        name: "noise",
        value: sigma.to_string(),
        expected: "a standard deviation, a finite number > 0 (1 is full intensity)".into(),
    };
    let noise = Normal::new(0.0, sigma).ok().filter(|_| sigma.is_finite() && sigma > 0.0).ok_or_else(refuse)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Ok(pixels.map(|v| (f64::from(*v) + noise.sample(&mut rng)).clamp(0.0, 1.0) as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_their_definitions() {
        let x = ndarray::array![[0.0f32, 0.5], [1.0, 0.5]];
        let exact = LowRank { weights: Array2::eye(2), bases: x.mapv(f64::from), mean: None };
        let mut near = exact.clone();
        near.bases[[0, 0]] = 0.1;
        let errors = near.errors(x.view());
        assert!((errors.relative() - 0.1 / 1.5f64.sqrt()).abs() < 1e-12);
        assert!((errors.psnr() - 10.0 * 400f64.log10()).abs() < 1e-9);
        assert!((errors.each()[0] - 0.2).abs() < 1e-12 && errors.each()[1] == 0.0);
        assert_eq!(exact.errors(x.view()).psnr(), f64::INFINITY);
        // one pixel of two in each of two bases would be 1; a flat one is 0
        let bases = ndarray::array![[0.0, -3.0], [1.0, 1.0]];
        assert!((LowRank { bases, ..exact }.sparseness() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn clusters_give_every_picture_its_centre_and_a_mean_is_added() {
        let centres = ndarray::array![[1.0, 2.0], [3.0, 4.0]];
        let mut model = LowRank::of_clusters(centres, &[1, 0, 1]);
        assert_eq!(model.pictures(0, 9), ndarray::array![[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]);
        model.mean = Some(ndarray::array![10.0, 20.0]);
        assert_eq!(model.pictures(1, 2), ndarray::array![[11.0, 22.0]]);
    }

    #[test]
    fn factors_are_counted() {
        let stored = Stored::new((2429, 361), 49);
        assert_eq!((stored.factors, stored.pictures), (136_710, 876_869));
        assert!((stored.ratio() - 6.414).abs() < 1e-3);
    }

    #[test]
    fn noise_has_the_deviation_asked_for_and_a_seed() {
        let grey = Array2::from_elem((50, 400), 0.5f32);
        let a = noisy(grey.view(), 0.05, 3).unwrap();
        // 20,000 draws know it to half a per cent
        let deviation = (a.iter().map(|v| (v - 0.5).powi(2)).sum::<f32>() / 20_000.0).sqrt();
        assert!((deviation - 0.05).abs() < 0.001, "{deviation}");
        assert_eq!(a, noisy(grey.view(), 0.05, 3).unwrap());
        assert_ne!(a, noisy(grey.view(), 0.05, 4).unwrap());
        assert!(noisy(grey.view(), 5.0, 3).unwrap().iter().all(|v| (0.0..=1.0).contains(v)));
        assert!(noisy(grey.view(), 0.0, 3).is_err() && noisy(grey.view(), f64::NAN, 3).is_err());
    }
}
