//! The short-time Fourier transform: a sound to a complex matrix.

use crate::error::{Error, Result};
use crate::overlap::OverlapAdd;
use crate::spectrogram::filled;
use crate::window::Window;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use realfft::num_complex::{Complex32, Complex64};
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The longest frame, 2²⁴ samples: six minutes at 44.1 kHz.
const LONGEST: usize = 1 << 24;
/// The window's squares must sum to this part of their mean at least wherever frames overlap.
const FAINTEST: f64 = 1e-6;

/// A short-time Fourier transform and its inverse, for sounds of any length and for stretches of them.
///
/// # The grid
/// With frames of F samples and a hop of H, let R = ⌈F/H⌉ (frames that overlap) and P = (R − 1)·H. Frame t covers
/// the samples t·H − P … t·H − P + F − 1 ([`Stft::frame_start`]); samples before the first and after the last are
/// zeros. A sound of `len` samples has the frames that touch it, T = ⌊(len − 1 + P)/H⌋ + 1 of them, none if it is
/// empty ([`Stft::frames`]). So every sample lies in as many frames as one in the middle of a long sound. The
/// grid does not depend on the length. For F = 4H, say, frame 0 is centred at −H, frame 1 at sample 0.
///
/// # The transform
/// `spectrum[t, b]` = Σₙ `window[n]`·`x[t·H − P + n]`·exp(−2πi·b·n/F), b = 0 … ⌊F/2⌋, with no factor before the sum: a
/// sine of amplitude a on bin b has the absolute value a·Σwindow/2 there. Spectra have the shape (frames, bins);
/// the matrices to be factored, from [`crate::magnitude`], (bins, frames). Transforms are computed in `f64` and
/// rounded to `f32`.
///
/// # The inverse
/// The inverse transforms of the frames are multiplied by the window again, added where they overlap, and divided
/// by the sum of the squared windows there, which is the least-squares inverse (Griffin and Lim 1984). It returns
/// the sound within 10⁻⁶ of its peak where that sum is at least a twentieth of its mean, which hops of up to half a
/// frame ensure. Where it is less, rounding errors grow as one over its root; [`Stft::new`] refuses settings for
/// which it vanishes.
///
/// Frames are transformed in parallel; results do not depend on the number of threads nor on how the sound is
/// cut into stretches.
///
/// ```
/// use nmf_audio::{Stft, Window};
/// let stft = Stft::new(512, 128, Window::Hann)?;
/// let x: Vec<f32> = (0..1000).map(|n| (n as f32 * 0.1).sin()).collect();
/// let spectrum = stft.analyse(&x);
/// assert_eq!(spectrum.dim(), (stft.frames(1000), stft.bins()));
/// let back = stft.synthesise(spectrum.view(), 1000)?;
/// assert!(x.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-6));
/// # Ok::<(), nmf_audio::Error>(())
/// ```
#[derive(Clone)]
pub struct Stft {
    hop: usize,
    window: Window,
    pub(crate) values: Arc<[f64]>,
    /// One over the sum of the squared windows, by sample modulo hop, times one over the frame length, which the
    /// inverse transform leaves out.
    pub(crate) gain: Arc<[f64]>,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl fmt::Debug for Stft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stft { hop, window, .. } = self;
        write!(f, "Stft {{ frame: {}, hop: {hop}, window: {window:?} }}", self.frame())
    }
}

impl Stft {
    /// A transform with frames of `frame` samples, 2 to 2²⁴, every `hop` samples.
    ///
    /// # Errors
    /// For other frames; for a hop of 0 or longer than the frame; if the overlapping windows vanish together at
    /// some sample, as Hann windows do with a hop of the whole frame.
    pub fn new(frame: usize, hop: usize, window: Window) -> Result<Stft> {
        if !(2..=LONGEST).contains(&frame) {
            return Err(Error::setting(format!("a frame of {frame} samples: it must have 2 to {LONGEST}")));
        }
        if !(1..=frame).contains(&hop) {
            return Err(Error::setting(format!(
                "a hop of {hop} samples with frames of {frame}: it must be at least 1, at most the frame"
            )));
        }
        let values = window.values(frame);
        let mut sums = vec![0.0; hop];
        values.iter().enumerate().for_each(|(n, w)| sums[n % hop] += w * w);
        let mean = sums.iter().sum::<f64>() / hop as f64;
        if sums.iter().any(|&s| s <= FAINTEST * mean) {
            return Err(Error::setting(format!(
                "{window} windows of {frame} samples every {hop} vanish together at some samples, which could not be \
                 restored; a hop of half a frame or less avoids this"
            )));
        }
        let mut planner = RealFftPlanner::new();
        Ok(Stft {
            hop,
            window,
            values: values.into(),
            gain: sums.iter().map(|s| 1.0 / (s * frame as f64)).collect(),
            forward: planner.plan_fft_forward(frame),
            inverse: planner.plan_fft_inverse(frame),
        })
    }

    /// Samples per frame.
    pub fn frame(&self) -> usize {
        self.values.len()
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Frequencies per frame: ⌊frame/2⌋ + 1, from 0 to half the rate.
    pub fn bins(&self) -> usize {
        self.frame() / 2 + 1
    }

    /// The frequency of bin `b` in Hz, for a sound of `rate` samples per second.
    pub fn frequency(&self, b: usize, rate: u32) -> f64 {
        b as f64 * f64::from(rate) / self.frame() as f64
    }

    /// Zeros before the first sample: P of the grid.
    pub(crate) fn padding(&self) -> usize {
        (self.frame().div_ceil(self.hop) - 1) * self.hop
    }

    /// The number of frames of a sound of `len` samples.
    pub fn frames(&self, len: usize) -> usize {
        if len == 0 { 0 } else { (len - 1 + self.padding()) / self.hop + 1 }
    }

    /// The first sample of frame `t`, negative where it begins before the sound.
    pub fn frame_start(&self, t: usize) -> i64 {
        (t * self.hop) as i64 - self.padding() as i64
    }

    /// The time of the centre of frame `t` in seconds, for a sound of `rate` samples per second.
    pub fn frame_time(&self, t: usize, rate: u32) -> f64 {
        (self.frame_start(t) as f64 + self.frame() as f64 / 2.0) / f64::from(rate)
    }

    /// The samples of a sound of `len` that the frames `frames` cover.
    pub fn samples_of(&self, frames: Range<usize>, len: usize) -> Range<usize> {
        if frames.is_empty() {
            return 0..0;
        }
        let start = self.frame_start(frames.start).max(0) as usize;
        let end = (self.frame_start(frames.end - 1) + self.frame() as i64).max(0) as usize;
        start.min(len)..end.min(len)
    }

    /// The spectrum of a whole sound, frames × bins.
    pub fn analyse(&self, signal: &[f32]) -> Array2<Complex32> {
        self.transform(0..self.frames(signal.len()), signal, 0)
    }

    /// The spectrum of the frames `frames` of a sound of `len` samples, of which `samples` holds a stretch that
    /// begins with sample `first`: at least [`Stft::samples_of`] these frames.
    ///
    /// # Errors
    /// If the sound has no such frames, or samples that they cover are missing.
    pub fn analyse_frames(
        &self,
        frames: Range<usize>,
        samples: &[f32],
        first: usize,
        len: usize,
    ) -> Result<Array2<Complex32>> {
        if frames.end > self.frames(len) {
            return Err(Error::setting(format!(
                "frames {} to {} of a sound that has {} ({len} samples)",
                frames.start,
                frames.end,
                self.frames(len)
            )));
        }
        let needed = self.samples_of(frames.clone(), len);
        let end = first.saturating_add(samples.len());
        if !needed.is_empty() && (needed.start < first || needed.end > end || end > len) {
            return Err(Error::setting(format!(
                "samples {first} to {end} given for frames that cover {} to {} of {len}",
                needed.start, needed.end
            )));
        }
        Ok(self.transform(frames, samples, first))
    }

    /// The frames of a sound of which `samples`, from sample `first` on, are given; others are zero.
    pub(crate) fn transform(&self, frames: Range<usize>, samples: &[f32], first: usize) -> Array2<Complex32> {
        let bins = self.bins();
        let buffers = || {
            let (input, spectrum) = (self.forward.make_input_vec(), self.forward.make_output_vec());
            (input, spectrum, self.forward.make_scratch_vec())
        };
        filled(frames.len(), bins, |out: &mut [Complex32]| {
            out.par_chunks_mut(bins).enumerate().for_each_init(buffers, |(input, spectrum, scratch), (i, row)| {
                // Where the frame begins in `samples`.
                let at = self.frame_start(frames.start + i) - first as i64;
                let skipped = at.min(0).unsigned_abs().min(input.len() as u64) as usize;
                let from = (at.max(0) as usize).min(samples.len());
                let there = (input.len() - skipped).min(samples.len() - from);
                input.fill(0.0);
                for n in 0..there {
                    input[skipped + n] = f64::from(samples[from + n]) * self.values[skipped + n];
                }
                // The lengths are those of the plan.
                let done = self.forward.process_with_scratch(input, spectrum, scratch);
                debug_assert!(done.is_ok());
                row.iter_mut().zip(spectrum.iter()).for_each(|(o, s)| *o = Complex32::new(s.re as f32, s.im as f32));
            });
        })
    }

    /// The sound of `len` samples whose spectrum, frames × bins, is given, or that comes nearest to it.
    ///
    /// # Errors
    /// If the spectrum has not the shape ([`Stft::frames`] of `len`, [`Stft::bins`]).
    pub fn synthesise(&self, spectrum: ArrayView2<'_, Complex32>, len: usize) -> Result<Vec<f32>> {
        let expected = (self.frames(len), self.bins());
        if spectrum.dim() != expected {
            return Err(Error::setting(format!(
                "a spectrum of {:?} (frames, bins) for a sound of {len} samples, which has {expected:?}",
                spectrum.dim()
            )));
        }
        let mut adder = self.overlap_add(len);
        adder.push(spectrum)
    }

    /// The inverse transform, frame by frame, of a sound of `len` samples.
    pub fn overlap_add(&self, len: usize) -> OverlapAdd {
        OverlapAdd::new(self.clone(), len)
    }

    /// The windowed inverse transforms, times the frame length, one after another.
    pub(crate) fn inverse(&self, spectrum: ArrayView2<'_, Complex32>, out: &mut Vec<f64>) {
        let frame = self.frame();
        out.resize(spectrum.nrows() * frame, 0.0);
        let buffers = || (self.inverse.make_input_vec(), self.inverse.make_scratch_vec());
        out.par_chunks_mut(frame).enumerate().for_each_init(buffers, |(input, scratch), (i, samples)| {
            for (to, from) in input.iter_mut().zip(spectrum.row(i)) {
                *to = Complex64::new(f64::from(from.re), f64::from(from.im));
            }
            // The spectrum of a real signal is real at both ends; what masks and rounding leave there is dropped.
            input[0].im = 0.0;
            if frame.is_multiple_of(2) {
                input[frame / 2].im = 0.0;
            }
            let done = self.inverse.process_with_scratch(input, samples, scratch);
            debug_assert!(done.is_ok());
            samples.iter_mut().zip(self.values.iter()).for_each(|(s, w)| *s *= w);
        });
    }
}
