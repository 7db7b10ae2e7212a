//! The sound to be separated: opened, brought to a rate, seen as a spectrogram.

use crate::failure::Failure;
use ndarray::{Array2, s};
use nmf_audio::{Complex32, SampleFormat, Sound, SoundReader, Stft, WavWriter, Window, magnitude_of_channels};
use std::ops::Range;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Frames whose complex spectra are in memory at once, at most.
const STRETCH: usize = 2048;

/// A sound and the grid on which it is seen.
pub(crate) struct Mixture {
    /// For those who read it stretch by stretch.
    pub(crate) reader: SoundReader,
    /// Samples per channel.
    pub(crate) len: usize,
    /// Its frames.
    pub(crate) stft: Stft,
    /// Holds the resampled copy.
    _copy: Option<TempDir>,
}

impl Mixture {
    /// Opens a sound, resampled to `rate` if that is another; a frame lasts about `frame_seconds` unless it is given.
    pub(crate) fn open(
        path: &Path,
        rate: Option<u32>,
        frame: Option<usize>,
        hop: Option<usize>,
        frame_seconds: f64,
    ) -> Result<Mixture, Failure> {
        let mut reader = SoundReader::open(path)?;
        let mut copy = None;
        if let Some(rate) = rate.filter(|r| *r != reader.rate()) {
            let (folder, at) = resampled(&mut reader, rate)?;
            reader = SoundReader::open(at)?;
            copy = Some(folder);
        }
        let len =
            usize::try_from(reader.count_frames()?).map_err(|_| Failure::file(path, "too long for this machine"))?;
        let frame = frame.unwrap_or_else(|| power_of_two(f64::from(reader.rate()) * frame_seconds));
        let hop = hop.unwrap_or((frame / 4).max(1));
        let stft = Stft::new(frame, hop, Window::Hann)?;
        Ok(Mixture { reader, len, stft, _copy: copy })
    }

    /// Samples per second.
    pub(crate) fn rate(&self) -> u32 {
        self.reader.rate()
    }

    /// Frames of the whole sound.
    pub(crate) fn frames(&self) -> usize {
        self.stft.frames(self.len)
    }

    /// Frames of a stretch when `parts` spectra of it are in memory: 2²⁵ complex numbers.
    pub(crate) fn stretch(&self, parts: usize) -> usize {
        let each = self.stft.bins() * self.reader.channels() * parts.max(1);
        ((1 << 25) / each).clamp(16, STRETCH)
    }

    /// Seconds of the whole sound.
    pub(crate) fn seconds(&self) -> f64 {
        self.len as f64 / f64::from(self.rate())
    }

    /// Spectra (frames × bins) of the channels in these frames.
    pub(crate) fn spectra(&mut self, frames: Range<usize>) -> Result<Vec<Array2<Complex32>>, Failure> {
        let needed = self.stft.samples_of(frames.clone(), self.len);
        self.reader.seek(needed.start as u64)?;
        let channels = self.reader.read_block(needed.len())?.map_or_else(Vec::new, |b| b.channels);
        let analyse = |c: &Vec<f32>| self.stft.analyse_frames(frames.clone(), c, needed.start, self.len);
        Ok(channels.iter().map(analyse).collect::<nmf_audio::Result<Vec<_>>>()?)
    }

    /// (mean over channels |S|²)^(p/2) of these frames, bins × frames.
    pub(crate) fn spectrum(&mut self, frames: Range<usize>, exponent: f32) -> Result<Array2<f32>, Failure> {
        let mut x = Array2::zeros((self.stft.bins(), frames.len()));
        let step = self.stretch(1);
        for from in frames.clone().step_by(step) {
            let these = from..(from + step).min(frames.end);
            let at = from - frames.start..these.end - frames.start;
            let spectra = self.spectra(these)?;
            x.slice_mut(s![.., at]).assign(&magnitude_of_channels(&spectra, exponent)?);
        }
        Ok(x)
    }

    /// The frames that lie whole in an interval of seconds; what the sound does not have counts as in it.
    pub(crate) fn frames_within(&self, from: f64, to: f64) -> Range<usize> {
        let rate = f64::from(self.rate());
        let inside = |t: usize| {
            let start = self.stft.frame_start(t) as f64;
            let end = start + self.stft.frame() as f64;
            (from <= 0.0 || start >= from * rate) && (end <= to * rate || to * rate >= self.len as f64)
        };
        let all = self.frames();
        let first = (0..all).find(|t| inside(*t)).unwrap_or(all);
        let end = (first..all).find(|t| !inside(*t)).unwrap_or(all);
        first..end
    }
}

/// The power of two nearest to a number of samples, 16 at least.
fn power_of_two(samples: f64) -> usize {
    1 << (samples.max(16.0).log2().round() as u32).min(24)
}

/// A copy at another rate, in a temporary folder.
fn resampled(reader: &mut SoundReader, rate: u32) -> Result<(TempDir, PathBuf), Failure> {
    let fail = |e: std::io::Error| Failure::work(format!("no temporary folder for the resampled sound: {e}"));
    let folder = tempfile::Builder::new().prefix("nmf-").tempdir().map_err(fail)?;
    let at = folder.path().join("resampled.wav");
    let mut resamplers = Vec::new();
    for _ in 0..reader.channels() {
        resamplers.push(nmf_audio::Resampler::new(reader.rate(), rate)?);
    }
    let mut out = WavWriter::create(&at, rate, reader.channels(), SampleFormat::F32)?;
    while let Some(block) = reader.read_block(1 << 16)? {
        let parts: Vec<Vec<f32>> = resamplers.iter_mut().zip(&block.channels).map(|(r, c)| r.push(c)).collect();
        out.write_block(&parts)?;
    }
    let ends: Vec<Vec<f32>> = resamplers.into_iter().map(nmf_audio::Resampler::finish).collect();
    out.write_block(&ends)?;
    out.finish()?;
    Ok((folder, at))
}

/// A whole sound at this rate, for references and examples.
pub(crate) fn read_at(path: &Path, rate: u32) -> Result<Sound, Failure> {
    let sound = nmf_audio::read(path)?;
    if sound.rate() == rate { Ok(sound) } else { Ok(nmf_audio::resample(&sound, rate)?) }
}

#[cfg(test)]
mod tests {
    use super::power_of_two;

    #[test]
    fn frames_are_powers_of_two() {
        assert_eq!(power_of_two(0.064 * 44_100.0), 2048);
        assert_eq!(power_of_two(0.064 * 16_000.0), 1024);
        assert_eq!(power_of_two(0.064 * 22_050.0), 1024);
        assert_eq!(power_of_two(0.0), 16);
        assert_eq!(power_of_two(f64::INFINITY), 1 << 24);
    }
}
