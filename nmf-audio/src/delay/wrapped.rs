//! Responsibilities for the phases of all frequencies.

use super::features::delay;
use super::{DelayGaussian, DelayModel};
use ndarray::Array2;
use rayon::prelude::*;
use realfft::num_complex::Complex32;

/// Shares of the talkers in every bin, frames × bins, of sum 1. With `background` each has an equal part of the
/// background's responsibility, without it that is left out.
pub(super) fn shares(
    model: &DelayModel,
    left: &Array2<Complex32>,
    right: &Array2<Complex32>,
    background: bool,
) -> Vec<Array2<f32>> {
    let (k, (frames, bins)) = (model.sources(), left.dim());
    let mut all = vec![0.0f32; frames * bins * k];
    all.par_chunks_mut((bins * k).max(1)).enumerate().for_each(|(t, row)| {
        let mut densities = vec![0.0; k];
        for (b, out) in row.chunks_exact_mut(k).enumerate() {
            let f = model.stft.frequency(b, model.rate);
            match delay(left[[t, b]], right[[t, b]], f) {
                Some(delay) => posterior(model, delay, 1.0 / f, background, &mut densities),
                None => densities.fill(1.0 / k as f64),
            }
            out.iter_mut().zip(&densities).for_each(|(o, d)| *o = *d as f32);
        }
    });
    (0..k).map(|q| Array2::from_shape_fn((frames, bins), |(t, b)| all[(t * bins + b) * k + q])).collect()
}

/// The talkers' responsibilities for a delay known up to multiples of `period`.
fn posterior(model: &DelayModel, delay: f64, period: f64, background: bool, out: &mut [f64]) {
    let k = out.len() as f64;
    // logarithms, less the largest: far from every talker all densities underflow
    out.iter_mut().zip(&model.talkers).for_each(|(o, g)| *o = log_density(g, delay, period));
    let rest = log_density(&model.background, delay, period);
    let top = out.iter().copied().fold(if background { rest } else { f64::NEG_INFINITY }, f64::max);
    if top == f64::NEG_INFINITY {
        out.fill(1.0 / k);
        return;
    }
    // a mask that is nothing anywhere would leave a talker silent; a part in 10⁹ is inaudible
    out.iter_mut().for_each(|o| *o = (*o - top).exp() + 1e-9);
    let rest = if background { (rest - top).exp() } else { 0.0 };
    let total = out.iter().sum::<f64>() + rest;
    out.iter_mut().for_each(|o| *o = (*o + rest / k) / total);
}

/// log of weight times Σⱼ N(delay + j·period), up to a constant that all components share.
fn log_density(g: &DelayGaussian, delay: f64, period: f64) -> f64 {
    let deviation = g.variance.sqrt();
    // from half a period on a wrapped Gaussian is uniform to one per cent
    if deviation > 0.5 * period {
        return (g.weight / period).ln();
    }
    let from_mean = delay - g.mean;
    let nearest = from_mean - (from_mean / period).round() * period;
    let exponent = |j: f64| -0.5 * ((nearest + j * period) / deviation).powi(2);
    let here = exponent(0.0);
    let around: f64 = [-2.0, -1.0, 0.0, 1.0, 2.0].iter().map(|j| (exponent(*j) - here).exp()).sum();
    g.weight.ln() - (std::f64::consts::TAU * g.variance).ln() * 0.5 + here + around.ln()
}
