//! The frames that are learned from, and the delays in them.

use crate::error::{Error, Result};
use crate::reader::SoundReader;
use crate::stft::Stft;
use ndarray::{Array2, s};
use realfft::num_complex::{Complex32, Complex64};

/// Exponent of a bin's power in its weight.
pub(super) const POWER: f64 = 0.25;
/// Frames transformed at once.
const STRETCH: usize = 256;

/// Spectra of some frames of both channels, frames × bins.
pub(super) struct Frames {
    pub(super) left: Array2<Complex32>,
    pub(super) right: Array2<Complex32>,
    /// Every n-th frame of the sound was taken.
    pub(super) every: usize,
}

/// Arrival at microphone 2 less that at 1, in seconds; none where the channels have no phase or no power.
pub(super) fn delay(left: Complex32, right: Complex32, frequency: f64) -> Option<f64> {
    let product = cross(left, right);
    (product.norm_sqr() > 0.0 && frequency > 0.0).then(|| product.arg() / (std::f64::consts::TAU * frequency))
}

/// X₁·X₂*, whose phase is 2πfδ for a delay δ; in `f64`, where faint sounds do not underflow.
pub(super) fn cross(left: Complex32, right: Complex32) -> Complex64 {
    let wide = |x: Complex32| Complex64::new(f64::from(x.re), f64::from(x.im));
    wide(left) * wide(right).conj()
}

/// |x|² in `f64`.
pub(super) fn power(x: Complex32) -> f64 {
    f64::from(x.re).powi(2) + f64::from(x.im).powi(2)
}

/// Refuses anything but two channels.
pub(super) fn check_channels(reader: &SoundReader) -> Result<()> {
    match reader.channels() {
        2 => Ok(()),
        n => Err(Error::format(
            reader.path(),
            format!("it has {n} channel{}: delays need two, one of each microphone", if n == 1 { "" } else { "s" }),
        )),
    }
}

/// Reads samples `samples` of the sound, or its whole, and keeps at most `most` frames, evenly spread.
pub(super) fn collect(
    reader: &mut SoundReader,
    stft: &Stft,
    samples: std::ops::Range<u64>,
    most: usize,
) -> Result<Frames> {
    let len = usize::try_from(samples.end.saturating_sub(samples.start))
        .map_err(|_| Error::setting("a sound too long for this machine's addresses"))?;
    reader.seek(samples.start)?;
    let all = stft.frames(len);
    let every = all.div_ceil(most).max(1);
    let kept = all.div_ceil(every);
    let mut found = [0, 1].map(|_| Array2::<Complex32>::zeros((kept, stft.bins())));
    let (mut first, mut pending) = (0usize, [Vec::new(), Vec::new()]);
    for start in (0..all).step_by(STRETCH) {
        let frames = start..(start + STRETCH).min(all);
        let needed = stft.samples_of(frames.clone(), len);
        while first + pending[0].len() < needed.end {
            let Some(block) = reader.read_block(needed.end - first - pending[0].len())? else {
                return Err(Error::format(reader.path(), "it ends before its length"));
            };
            pending.iter_mut().zip(block.channels).for_each(|(p, b)| p.extend(b));
        }
        for (found, channel) in found.iter_mut().zip(&pending) {
            // single frames where most are left out, the whole stretch otherwise
            let wanted = frames.clone().filter(|t| t % every == 0);
            if every > 4 {
                for t in wanted {
                    let one = stft.analyse_frames(t..t + 1, channel, first, len)?;
                    found.row_mut(t / every).assign(&one.row(0));
                }
            } else {
                let spectra = stft.analyse_frames(frames.clone(), channel, first, len)?;
                for t in wanted {
                    found.row_mut(t / every).assign(&spectra.slice(s![t - frames.start, ..]));
                }
            }
        }
        let next = stft.samples_of(frames.end..(frames.end + 1).min(all).max(frames.end), len);
        let keep = if next.is_empty() { needed.end } else { next.start };
        pending.iter_mut().for_each(|p| drop(p.drain(..(keep - first).min(p.len()))));
        first = keep;
    }
    let [left, right] = found;
    Ok(Frames { left, right, every })
}

/// The delays of the bins from `low` to `high` Hz, frame by frame, and their weights (power^¼, mean 1, zero where there is
/// no delay); bins without weight are left out.
pub(super) fn trusted(frames: &Frames, stft: &Stft, rate: u32, low: f64, high: f64) -> (Vec<f64>, Vec<f64>) {
    let inside: Vec<usize> = (1..stft.bins()).filter(|&b| (low..=high).contains(&stft.frequency(b, rate))).collect();
    let (mut delays, mut weights) = (Vec::new(), Vec::new());
    for (left, right) in frames.left.rows().into_iter().zip(frames.right.rows()) {
        for &b in &inside {
            if let Some(d) = delay(left[b], right[b], stft.frequency(b, rate)) {
                delays.push(d);
                weights.push((power(left[b]) + power(right[b])).powf(POWER));
            }
        }
    }
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    weights.iter_mut().for_each(|w| *w /= mean);
    (delays, weights)
}
