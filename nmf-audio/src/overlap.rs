//! The inverse transform by stretches, and the transform of a sound that comes in stretches.

use crate::error::{Error, Result};
use crate::stft::Stft;
use ndarray::{Array2, ArrayView2, s};
use realfft::num_complex::Complex32;

/// The inverse of [`Stft`] by stretches: frames in, in their order, samples out as soon as they are complete.
///
/// It holds less than a frame of samples between calls. The samples are the same, to the bit, however the frames
/// are cut into stretches.
///
/// ```
/// use nmf_audio::{Stft, Window};
/// use ndarray::s;
/// let stft = Stft::new(256, 64, Window::Hann)?;
/// let x = vec![0.5; 5000];
/// let spectrum = stft.analyse(&x);
/// let mut adder = stft.overlap_add(5000);
/// let mut y = adder.push(spectrum.slice(s![..10, ..]))?;
/// y.extend(adder.push(spectrum.slice(s![10.., ..]))?);
/// assert_eq!(y, stft.synthesise(spectrum.view(), 5000)?);
/// # Ok::<(), nmf_audio::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OverlapAdd {
    stft: Stft,
    len: usize,
    /// The next frame.
    frame: usize,
    /// Sums of the frames so far, from where the next frame begins: less than a frame of samples.
    tail: Vec<f64>,
    frames: Vec<f64>,
}

impl OverlapAdd {
    pub(crate) fn new(stft: Stft, len: usize) -> OverlapAdd {
        OverlapAdd { stft, len, frame: 0, tail: Vec::new(), frames: Vec::new() }
    }

    /// The next frame that [`OverlapAdd::push`] expects.
    pub fn frame(&self) -> usize {
        self.frame
    }

    /// The samples returned so far.
    pub fn position(&self) -> usize {
        (self.stft.frame_start(self.frame).max(0) as usize).min(self.len)
    }

    /// Adds frames, as many as wanted × bins, and returns the samples that are complete with them; with the last
    /// frame, all up to the end.
    ///
    /// # Errors
    /// For another number of bins, and for more frames than the sound has.
    pub fn push(&mut self, spectrum: ArrayView2<'_, Complex32>) -> Result<Vec<f32>> {
        let all = self.stft.frames(self.len);
        if spectrum.ncols() != self.stft.bins() || spectrum.nrows() > all - self.frame {
            return Err(Error::setting(format!(
                "a spectrum of {:?} (frames, bins), for at most {} frames of {} bins",
                spectrum.dim(),
                all - self.frame,
                self.stft.bins()
            )));
        }
        let mut out = Vec::with_capacity((spectrum.nrows() * self.stft.hop()).min(self.len - self.position()));
        // A few frames at a time, so that the f64 between need little room.
        let most = ((1 << 19) / self.stft.frame()).max(16);
        for start in (0..spectrum.nrows()).step_by(most) {
            let end = (start + most).min(spectrum.nrows());
            self.add(spectrum.slice(s![start..end, ..]), &mut out);
        }
        Ok(out)
    }

    fn add(&mut self, spectrum: ArrayView2<'_, Complex32>, out: &mut Vec<f32>) {
        let (frame, hop) = (self.stft.frame(), self.stft.hop());
        let mut frames = std::mem::take(&mut self.frames);
        self.stft.inverse(spectrum, &mut frames);
        for samples in frames.chunks(frame) {
            self.tail.resize(frame, 0.0);
            self.tail.iter_mut().zip(samples).for_each(|(t, s)| *t += s);
            // Frames begin at multiples of the hop, less the padding, which is one too.
            let start = self.stft.frame_start(self.frame);
            for (n, (t, g)) in self.tail.iter().zip(self.stft.gain.iter()).enumerate() {
                let at = start + n as i64;
                if at >= 0 && (at as usize) < self.len {
                    out.push((t * g) as f32);
                }
            }
            self.tail.drain(..hop);
            self.frame += 1;
        }
        self.frames = frames;
    }
}

/// The transform of a sound that comes in stretches of any lengths, its length not known before the end.
///
/// Its frames are those of [`Stft::analyse`], to the bit.
#[derive(Clone, Debug)]
pub struct Analyser {
    stft: Stft,
    /// The next frame.
    frame: usize,
    /// Samples that the next frame or later ones need.
    samples: Vec<f32>,
    /// Where they begin in the sound.
    first: usize,
}

impl Analyser {
    /// An analyser that has seen nothing.
    pub fn new(stft: Stft) -> Analyser {
        Analyser { stft, frame: 0, samples: Vec::new(), first: 0 }
    }

    /// The next frame to be returned.
    pub fn frame(&self) -> usize {
        self.frame
    }

    /// Takes the next samples and returns the frames that are complete with them, frames × bins, perhaps none.
    pub fn push(&mut self, samples: &[f32]) -> Array2<Complex32> {
        self.samples.extend_from_slice(samples);
        let have = (self.first + self.samples.len()) as i64;
        // Frames that end with the last sample or before it.
        let room = have - self.stft.frame() as i64 - self.stft.frame_start(0);
        let complete = if room < 0 { 0 } else { room as usize / self.stft.hop() + 1 };
        self.take(complete.max(self.frame))
    }

    /// The frames that remain at the end of the sound.
    pub fn finish(mut self) -> Array2<Complex32> {
        let all = self.stft.frames(self.first + self.samples.len());
        self.take(all.max(self.frame))
    }

    fn take(&mut self, end: usize) -> Array2<Complex32> {
        let spectrum = self.stft.transform(self.frame..end, &self.samples, self.first);
        self.frame = end;
        let keep = (self.stft.frame_start(end).max(0) as usize).saturating_sub(self.first);
        let keep = keep.min(self.samples.len());
        self.samples.drain(..keep);
        self.first += keep;
        spectrum
    }
}
