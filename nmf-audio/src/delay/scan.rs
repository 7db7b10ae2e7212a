//! Directions from the phases of all frequencies.

use super::features::{Frames, POWER, cross};
use crate::stft::Stft;
use rayon::prelude::*;
use std::f64::consts::TAU;

/// Phases of a frequency are counted in so many classes: the cost of a direction does not grow with the sound.
const CLASSES: usize = 256;
/// Sharpness of the score of a phase.
const SHARPNESS: f64 = 2.0;

/// A local maximum of the angular spectrum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peak {
    /// Delay in seconds.
    pub(super) delay: f64,
    /// Mean score of all bins, 0 to 1.
    pub(super) height: f64,
}

/// The maxima of the angular spectrum over |τ| ≤ `most` seconds, the highest first.
pub(super) fn peaks(frames: &Frames, stft: &Stft, rate: u32, low: f64, most: f64) -> Vec<Peak> {
    let top = 0.5 * f64::from(rate);
    let bins: Vec<usize> = (1..stft.bins()).filter(|&b| stft.frequency(b, rate) >= low).collect();
    let counted: Vec<Vec<f64>> = bins.par_iter().map(|&b| phases(frames, b)).collect();
    let total: f64 = counted.iter().flatten().sum();
    // a fortieth of the shortest period, and not fewer than 64 places
    let steps = ((most * 2.0 * top * 20.0).ceil() as usize).clamp(32, 20_000);
    let delay = |i: usize| most * (i as f64 - steps as f64) / steps as f64;
    let table: Vec<f64> = (0..CLASSES)
        .map(|c| {
            let distance = 2.0 * (0.5 * TAU * c as f64 / CLASSES as f64).sin().abs();
            1.0 - (SHARPNESS * distance).tanh()
        })
        .collect();
    let spectrum: Vec<f64> = (0..=2 * steps)
        .into_par_iter()
        .map(|i| {
            let mut sum = 0.0;
            for (counts, &b) in counted.iter().zip(&bins) {
                // the phase of X₁X₂* is 2πfτ for a delay τ
                let phase = stft.frequency(b, rate) * delay(i);
                let shift = ((phase - phase.floor()) * CLASSES as f64).round() as usize;
                sum +=
                    counts.iter().enumerate().map(|(c, n)| n * table[(c + 2 * CLASSES - shift) % CLASSES]).sum::<f64>();
            }
            if total > 0.0 { sum / total } else { 0.0 }
        })
        .collect();
    let mut peaks: Vec<Peak> = (1..2 * steps)
        .filter(|&i| spectrum[i] > spectrum[i - 1] && spectrum[i] >= spectrum[i + 1])
        .map(|i| Peak { delay: delay(i), height: spectrum[i] })
        .collect();
    peaks.sort_by(|a, b| b.height.total_cmp(&a.height));
    peaks
}

/// Weight of each class of phases of X₁X₂* at one frequency.
fn phases(frames: &Frames, b: usize) -> Vec<f64> {
    let mut counts = vec![0.0; CLASSES];
    for (l, r) in frames.left.column(b).iter().zip(frames.right.column(b)) {
        let product = cross(*l, *r);
        let size = product.norm();
        if size > 0.0 {
            let turns = product.arg() / TAU;
            counts[((turns + 1.0) * CLASSES as f64).round() as usize % CLASSES] += size.powf(POWER);
        }
    }
    counts
}
