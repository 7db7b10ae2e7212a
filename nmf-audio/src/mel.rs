//! Triangular filters that are evenly spaced on a scale of perceived pitch.

use crate::error::{Error, Result};
use ndarray::Array2;

/// The scale on which filters are evenly spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MelScale {
    /// Slaney's (Auditory Toolbox, 1998): linear to 1000 Hz, 3f/200; above, 15 + 27·ln(f/1000)/ln 6.4.
    #[default]
    Slaney,
    /// That of HTK (O'Shaughnessy 1987): 2595·log₁₀(1 + f/700).
    Htk,
}

impl MelScale {
    /// The place of a frequency in Hz on the scale.
    pub fn from_hz(self, hz: f64) -> f64 {
        match self {
            MelScale::Slaney if hz < 1000.0 => 3.0 * hz / 200.0,
            MelScale::Slaney => 15.0 + 27.0 * (hz / 1000.0).ln() / 6.4f64.ln(),
            MelScale::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
        }
    }

    /// The frequency in Hz at a place on the scale.
    pub fn to_hz(self, mel: f64) -> f64 {
        match self {
            MelScale::Slaney if mel < 15.0 => 200.0 * mel / 3.0,
            MelScale::Slaney => 1000.0 * (6.4f64.ln() * (mel - 15.0) / 27.0).exp(),
            MelScale::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
        }
    }
}

/// The height of the filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MelNorm {
    /// 1 at the centre, as in HTK: between the first and the last centre, the filters sum to 1 at every frequency,
    /// so the columns do.
    #[default]
    Peak,
    /// 2 / (width in Hz), as Slaney has it: every triangle has the area 1, so every row sums to about frame / rate,
    /// one over the distance of bins in Hz, the more nearly the more bins it holds.
    Area,
}

/// A bank of triangular filters, to go from bins to mels: filters × bins, so that `bank.dot(&x)` turns a spectrogram
/// x (bins × frames) into filters × frames.
///
/// The n + 2 points that are evenly spaced on `scale` from `low` to `high` Hz are the corners: filter i rises from
/// point i to point i + 1 and falls to point i + 2. `frame` is the frame length of the transform, `rate` that of the
/// sound.
///
/// # Errors
/// For no filters; for a range that is not within 0 … rate/2; for so many filters that one of them lies
/// between two bins and would be empty.
pub fn mel_filters(
    rate: u32,
    frame: usize,
    filters: usize,
    low: f64,
    high: f64,
    scale: MelScale,
    norm: MelNorm,
) -> Result<Array2<f32>> {
    let half = f64::from(rate) / 2.0;
    if !(low >= 0.0 && low < high && high <= half) {
        return Err(Error::setting(format!(
            "mel filters from {low} to {high} Hz: the range must lie within 0 … {half} Hz, half the rate"
        )));
    }
    let bins = frame / 2 + 1;
    // Each filter needs a bin of its own, or nearly.
    if filters == 0 || filters > 2 * bins || frame < 2 {
        return Err(Error::setting(format!("{filters} mel filters for frames of {frame} samples")));
    }
    let (from, to) = (scale.from_hz(low), scale.from_hz(high));
    let point = |i: usize| scale.to_hz(from + (to - from) * i as f64 / (filters + 1) as f64);
    let mut bank = Array2::zeros((filters, bins));
    for i in 0..filters {
        let (left, centre, right) = (point(i), point(i + 1), point(i + 2));
        let height = if norm == MelNorm::Area { 2.0 / (right - left) } else { 1.0 };
        let mut any = false;
        for b in 0..bins {
            let hz = b as f64 * f64::from(rate) / frame as f64;
            let value = ((hz - left) / (centre - left)).min((right - hz) / (right - centre)).max(0.0) * height;
            bank[[i, b]] = value as f32;
            any |= value > 0.0;
        }
        if !any {
            return Err(Error::setting(format!(
                "mel filter {i} of {filters} ({left:.1} to {right:.1} Hz) lies between two bins: take fewer filters or \
                 longer frames than {frame} samples"
            )));
        }
    }
    Ok(bank)
}
