//! Complex spectra to the non-negative matrices that are factored.

use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use realfft::num_complex::Complex32;

/// |S|^p of a spectrum, transposed: from frames × bins to bins × frames.
///
/// p = 1 is the magnitude, 2 the power. As 0⁰ = 1, p = 0 gives ones.
pub fn magnitude(spectrum: ArrayView2<'_, Complex32>, exponent: f32) -> Array2<f32> {
    mean_power(&[spectrum], exponent)
}

/// (mean over channels of |S|²)^(p/2) of the spectra of a sound's channels: from frames × bins to bins × frames.
///
/// Unlike the spectrum of a mix of the channels, it loses nothing that is in opposite phase in them. For one
/// channel it is [`magnitude`].
///
/// # Errors
/// For no channels, and for spectra of different shapes.
pub fn magnitude_of_channels(spectra: &[Array2<Complex32>], exponent: f32) -> Result<Array2<f32>> {
    let Some(first) = spectra.first() else { return Err(Error::setting("the magnitude of no channels")) };
    if let Some(other) = spectra.iter().find(|s| s.dim() != first.dim()) {
        return Err(Error::setting(format!(
            "channels with spectra of {:?} and {:?} (frames, bins)",
            first.dim(),
            other.dim()
        )));
    }
    Ok(mean_power(&spectra.iter().map(|s| s.view()).collect::<Vec<_>>(), exponent))
}

fn mean_power(spectra: &[ArrayView2<'_, Complex32>], exponent: f32) -> Array2<f32> {
    /// Bins that are gathered from every frame at once, a few cache lines.
    const BAND: usize = 32;
    let (frames, bins) = spectra[0].dim();
    let scale = 1.0 / spectra.len() as f64;
    let half = f64::from(exponent) / 2.0;
    let raise = |power: f64| match exponent {
        2.0 => power,
        1.0 => power.sqrt(),
        _ => power.powf(half),
    };
    filled(bins, frames, |out: &mut [f32]| {
        out.par_chunks_mut((BAND * frames).max(1)).enumerate().for_each(|(band, rows)| {
            for t in 0..frames {
                for (i, b) in (band * BAND..bins.min((band + 1) * BAND)).enumerate() {
                    // In f64: squares of f32 neither overflow nor vanish there.
                    let square = |s: &ArrayView2<'_, Complex32>| {
                        let z = s[[t, b]];
                        f64::from(z.re) * f64::from(z.re) + f64::from(z.im) * f64::from(z.im)
                    };
                    rows[i * frames + t] = raise(spectra.iter().map(square).sum::<f64>() * scale) as f32;
                }
            }
        });
    })
}

/// A matrix whose values, row after row, are filled in by `fill`.
pub(crate) fn filled<T: Clone + Default>(rows: usize, cols: usize, fill: impl FnOnce(&mut [T])) -> Array2<T> {
    let mut matrix = Array2::default((rows, cols));
    // A new array always has its values in this order.
    if let Some(values) = matrix.as_slice_mut() {
        fill(values);
    }
    matrix
}
