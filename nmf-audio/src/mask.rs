//! Soft masks: the parts of a mixture's spectrum that belong to each source.

use crate::error::{Error, Result};
use crate::spectrogram::filled;
use ndarray::{Array2, ArrayView2, Zip};
use rayon::prelude::*;
use realfft::num_complex::Complex32;

/// The masks V_s^p ⊘ Σᵣ V_r^p of the sources whose estimated spectrograms V_s (bins × frames) are given.
///
/// p = 2 for magnitudes and 1 for powers make it Wiener's filter. Where every estimate is 0, the S sources share
/// evenly, 1/S each. The estimates are divided by the largest of them before the power, so that nothing overflows.
/// Masks lie in [0, 1]; they sum to 1 within S/2 units in the last place of 1 (S·2⁻²⁴).
///
/// # Errors
/// For no sources or different shapes; for an exponent that is not positive and finite; for an entry that is
/// negative or not finite, with its place.
pub fn soft_masks(models: &[Array2<f32>], exponent: f32) -> Result<Vec<Array2<f32>>> {
    let Some(first) = models.first() else { return Err(Error::setting("masks of no sources")) };
    if !(exponent > 0.0 && exponent.is_finite()) {
        return Err(Error::setting(format!("masks with the exponent {exponent}: it must be positive and finite")));
    }
    for (s, model) in models.iter().enumerate() {
        if model.dim() != first.dim() {
            return Err(Error::setting(format!(
                "source {s} has an estimate of {:?} (bins, frames), source 0 of {:?}",
                model.dim(),
                first.dim()
            )));
        }
        let bad = |v: &f32| !(v.is_finite() && *v >= 0.0);
        if model.iter().any(bad)
            && let Some(((b, t), v)) = model.indexed_iter().find(|(_, v)| bad(v))
        {
            return Err(Error::setting(format!(
                "the estimate of source {s} is {v} at bin {b}, frame {t}: it must be finite and not negative"
            )));
        }
    }
    let part = |v: f32, largest: f32| {
        if largest == 0.0 {
            return 1.0;
        }
        let ratio = f64::from(v) / f64::from(largest);
        match exponent {
            1.0 => ratio,
            2.0 => ratio * ratio,
            _ => ratio.powf(f64::from(exponent)),
        }
    };
    let (bins, frames) = first.dim();
    // Of each entry the largest estimate, and the sum of the powers, in which that one is 1.
    let (mut largest, mut sums) = (vec![0.0f32; bins * frames], vec![0.0f64; bins * frames]);
    let row = frames.max(1);
    largest.par_chunks_mut(row).zip(sums.par_chunks_mut(row)).enumerate().for_each(|(b, (largest, sums))| {
        for model in models {
            largest.iter_mut().zip(model.row(b)).for_each(|(l, v)| *l = l.max(*v));
        }
        for model in models {
            sums.iter_mut().zip(&*largest).zip(model.row(b)).for_each(|((sum, l), v)| *sum += part(*v, *l));
        }
    });
    let mask = |model: &Array2<f32>| {
        filled(bins, frames, |mask| {
            mask.par_chunks_mut(row).enumerate().for_each(|(b, mask)| {
                let known = largest[b * row..].iter().zip(&sums[b * row..]);
                for ((m, v), (l, sum)) in mask.iter_mut().zip(model.row(b)).zip(known) {
                    *m = (part(*v, *l) / sum) as f32;
                }
            });
        })
    };
    Ok(models.iter().map(mask).collect())
}

/// A spectrum (frames × bins) times a mask (bins × frames); the phase stays.
///
/// The same mask on both channels of a stereo sound keeps each source where it was heard.
///
/// # Errors
/// If the mask is not of the spectrum's shape, transposed.
pub fn apply_mask(spectrum: ArrayView2<'_, Complex32>, mask: ArrayView2<'_, f32>) -> Result<Array2<Complex32>> {
    let mask = mask.reversed_axes();
    if mask.dim() != spectrum.dim() {
        return Err(Error::setting(format!(
            "a mask for a spectrum of {:?} (frames, bins), applied to one of {:?}",
            mask.dim(),
            spectrum.dim()
        )));
    }
    Ok(Zip::from(spectrum).and(mask).map_collect(|s, m| s * m))
}

/// Makes estimates of one channel add up to the mixture, sample by sample.
///
/// Masks and transforms round, so that the sums of estimates differ from the mixture by some 10⁻⁷ of its peak.
/// At every sample that difference is added to the estimate with the largest absolute value there, the first of
/// these if several have it: where one source is silent, it stays silent. After that, the exact sum of the estimates
/// differs from the mixture by at most half a unit in the last place of that largest estimate; where it is not larger
/// than the mixture, that is half a unit of the mixture's. (In `f32`, adding S numbers rounds S − 1 times more.)
///
/// Samples do not depend on each other: stretches give what the whole sound gives. Returns the largest absolute
/// difference that was added, a measure of how well the estimates summed up before.
///
/// # Errors
/// For no estimates, and for other lengths than that of the mixture.
pub fn add_up(mixture: &[f32], estimates: &mut [&mut [f32]]) -> Result<f32> {
    if estimates.is_empty() {
        return Err(Error::setting("no estimates to add up"));
    }
    if let Some(e) = estimates.iter().find(|e| e.len() != mixture.len()) {
        return Err(Error::setting(format!("an estimate of {} samples of a mixture of {}", e.len(), mixture.len())));
    }
    let mut most = 0.0f64;
    for (n, &x) in mixture.iter().enumerate() {
        let mut largest = 0;
        let mut rest = f64::from(x);
        for s in 0..estimates.len() {
            rest -= f64::from(estimates[s][n]);
            if estimates[s][n].abs() > estimates[largest][n].abs() {
                largest = s;
            }
        }
        most = most.max(rest.abs());
        let e = &mut estimates[largest][n];
        *e = (f64::from(*e) + rest) as f32;
    }
    Ok(most as f32)
}
