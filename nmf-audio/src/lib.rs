//! Sounds to matrices and back: audio files, short-time Fourier transforms, masks, resampling.
//!
//! [`SoundReader`] reads WAV, FLAC, Ogg Vorbis and MP3 block by block, [`read`] whole; [`Stft`] turns a channel into
//! a complex matrix and back, whole or by stretches; [`magnitude`] makes of it the non-negative matrix (bins ×
//! frames) that is factored; [`soft_masks`] divide the mixture among the sources that the factors model;
//! [`WavWriter`] and [`write()`] write WAV files that appear whole or not at all. [`separate`] does all this
//! with memory for a stretch of the sound only.
//!
//! [`sources`] learns bases with `nmf-core` and says what part of the sound each makes; [`delay`] tells talkers apart by two
//! microphones; [`bss`] scores estimates against true sources.
//!
//! A sound into two, each the part that one model claims:
//!
//! ```
//! use nmf_audio::{SampleFormat, Sound, Stft, Window, add_up, apply_mask, magnitude, soft_masks};
//! # fn main() -> nmf_audio::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("mixture.wav");
//! # let tone = |f: f32| (0..8000).map(move |n| 0.3 * (n as f32 * f).sin());
//! # let mixed = Sound::new(8000, vec![tone(0.2).zip(tone(1.7)).map(|(a, b)| a + b).collect()])?;
//! # nmf_audio::write(&path, &mixed, SampleFormat::F32)?;
//! let mixture = nmf_audio::read(&path)?;
//! let channel = &mixture.channels()[0];
//! let stft = Stft::new(512, 128, Window::Hann)?;
//! let spectrum = stft.analyse(channel);
//!
//! // X, bins × frames, is what would be factored; here the models are the low and the high half of it.
//! let x = magnitude(spectrum.view(), 1.0);
//! let (mut low, mut high) = (x.clone(), x);
//! low.slice_mut(ndarray::s![64.., ..]).fill(0.0);
//! high.slice_mut(ndarray::s![..64, ..]).fill(0.0);
//!
//! let mut estimates = Vec::new();
//! for mask in soft_masks(&[low, high], 2.0)? {
//!     let masked = apply_mask(spectrum.view(), mask.view())?;
//!     estimates.push(stft.synthesise(masked.view(), channel.len())?);
//! }
//! add_up(channel, &mut estimates.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>())?;
//! for (name, estimate) in ["low.wav", "high.wav"].iter().zip(estimates) {
//!     let sound = Sound::new(mixture.rate(), vec![estimate])?;
//!     assert!(sound.peak() > 0.25);
//!     nmf_audio::write(folder.path().join(name), &sound, SampleFormat::F32)?;
//! }
//! # Ok(())
//! # }
//! ```

pub mod bss;
mod coded;
pub mod delay;
mod error;
mod mask;
mod mel;
mod overlap;
mod pending;
mod reader;
mod resample;
mod separate;
mod sound;
pub mod sources;
mod spectrogram;
mod stft;
mod wav;
mod window;
mod writer;

pub use error::{Error, Result};
pub use mask::{add_up, apply_mask, soft_masks};
pub use mel::{MelNorm, MelScale, mel_filters};
pub use overlap::{Analyser, OverlapAdd};
pub use reader::{Block, INPUT_FORMATS, SoundReader, SourceFormat, read};
/// The complex numbers of spectra.
pub use realfft::num_complex::Complex32;
pub use resample::{Resampler, resample};
pub use separate::{separate, separate_spectra};
pub use sound::Sound;
pub use spectrogram::{magnitude, magnitude_of_channels};
pub use stft::Stft;
pub use window::Window;
pub use writer::{SampleFormat, WavWriter, write};
