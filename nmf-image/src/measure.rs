//! How near a model of pictures comes, what it takes to store, and noise to take away.

use crate::{Error, Result};
use ndarray::{Array2, ArrayView2, Zip};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// ‖X − V‖ / ‖X‖ of a model V of the pictures X, both pictures × numbers; 0 where both are zero.
pub fn relative_error(x: ArrayView2<'_, f32>, model: ArrayView2<'_, f64>) -> f64 {
    let norm: f64 = x.iter().map(|v| f64::from(*v).powi(2)).sum();
    if norm > 0.0 { (squares(x, model) / norm).sqrt() } else { squares(x, model).sqrt() }
}

/// Peak signal-to-noise ratio −10·log₁₀(mean (x − v)²) in dB, where full intensity is 1; infinite for equal pictures.
pub fn psnr(x: ArrayView2<'_, f32>, model: ArrayView2<'_, f64>) -> f64 {
    -10.0 * (squares(x, model) / x.len().max(1) as f64).log10()
}

fn squares(x: ArrayView2<'_, f32>, model: ArrayView2<'_, f64>) -> f64 {
    Zip::from(x).and(model).fold(0.0, |sum, x, v| sum + (f64::from(*x) - v).powi(2))
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
        let v = ndarray::array![[0.1, 0.5], [1.0, 0.5]];
        assert!((relative_error(x.view(), v.view()) - 0.1 / 1.5f64.sqrt()).abs() < 1e-12);
        assert!((psnr(x.view(), v.view()) - 10.0 * 400f64.log10()).abs() < 1e-6);
        assert_eq!(psnr(x.view(), x.mapv(f64::from).view()), f64::INFINITY);
        let stored = Stored::new((2429, 361), 49);
        assert_eq!((stored.factors, stored.pictures), (136_710, 876_869));
        assert!((stored.ratio() - 6.414).abs() < 1e-3);
    }

    #[test]
    fn noise_has_the_deviation_asked_for_and_a_seed() {
        let grey = Array2::from_elem((50, 400), 0.5f32);
        let a = noisy(grey.view(), 0.05, 3).unwrap();
        // −20·log₁₀ 0.05 = 26.02 dB; 20,000 draws know it to ±0.05 dB
        assert!((psnr(grey.view(), a.mapv(f64::from).view()) - 26.02).abs() < 0.2);
        assert_eq!(a, noisy(grey.view(), 0.05, 3).unwrap());
        assert_ne!(a, noisy(grey.view(), 0.05, 4).unwrap());
        assert!(noisy(grey.view(), 5.0, 3).unwrap().iter().all(|v| (0.0..=1.0).contains(v)));
        assert!(noisy(grey.view(), 0.0, 3).is_err() && noisy(grey.view(), f64::NAN, 3).is_err());
    }
}
