//! From a file to its separated sources, with memory for a stretch of it only.

use crate::error::{Error, Result};
use crate::mask::{add_up, apply_mask};
use crate::overlap::OverlapAdd;
use crate::reader::SoundReader;
use crate::stft::Stft;
use ndarray::Array2;
use realfft::num_complex::Complex32;
use std::ops::Range;

/// Reads a sound from its beginning, stretch by stretch, and hands out estimates of its sources that add up to it
/// sample by sample, as [`add_up`] defines it.
///
/// For every stretch of at most `stretch` frames of `stft`'s grid, `masks` is given the frames' numbers and the
/// spectra of the channels (frames × bins each), and returns as many masks (bins × frames) as there are sources,
/// which must sum to 1. Each is applied to every channel. `output` is given what is complete: `estimates[s][c]` are
/// the next samples of channel c of source s. The results do not depend on `stretch`.
///
/// # Errors
/// Those of reading, of `masks` and of `output`; also if the number of masks changes, or one has another shape.
pub fn separate<E, M, O>(
    reader: &mut SoundReader,
    stft: &Stft,
    stretch: usize,
    mut masks: M,
    output: O,
) -> Result<(), E>
where
    E: From<Error>,
    M: FnMut(Range<usize>, &[Array2<Complex32>]) -> Result<Vec<Array2<f32>>, E>,
    O: FnMut(&[Vec<Vec<f32>>]) -> Result<(), E>,
{
    let images = |frames: Range<usize>, spectra: &[Array2<Complex32>]| -> Result<Vec<Vec<Array2<Complex32>>>, E> {
        let mut sources = Vec::new();
        for mask in masks(frames, spectra)? {
            let one = |spectrum: &Array2<Complex32>| apply_mask(spectrum.view(), mask.view());
            sources.push(spectra.iter().map(one).collect::<Result<Vec<_>>>()?);
        }
        Ok(sources)
    };
    separate_spectra(reader, stft, stretch, images, output)
}

/// The same from the spectra that each source has in each channel: `images(…)[s][c]`, frames × bins, which must sum to those of the
/// mixture over the sources.
///
/// # Errors
/// Those of reading, of `images` and of `output`; also if the number of sources changes, or a spectrum has another shape.
pub fn separate_spectra<E, M, O>(
    reader: &mut SoundReader,
    stft: &Stft,
    stretch: usize,
    mut images: M,
    mut output: O,
) -> Result<(), E>
where
    E: From<Error>,
    M: FnMut(Range<usize>, &[Array2<Complex32>]) -> Result<Vec<Vec<Array2<Complex32>>>, E>,
    O: FnMut(&[Vec<Vec<f32>>]) -> Result<(), E>,
{
    let len = usize::try_from(reader.count_frames()?)
        .map_err(|_| Error::setting("a sound too long for this machine's addresses"))?;
    reader.rewind()?;
    let (channels, all, step) = (reader.channels(), stft.frames(len), stretch.max(1));
    // The stretch of the mixture that is needed: for frames to come, and for sums still to be made.
    let (mut first, mut mixture) = (0, vec![Vec::new(); channels]);
    let mut adders: Vec<Vec<OverlapAdd>> = Vec::new();
    for start in (0..all).step_by(step) {
        let frames = start..(start + step).min(all);
        let needed = stft.samples_of(frames.clone(), len);
        while first + mixture[0].len() < needed.end {
            let Some(block) = reader.read_block(needed.end - first - mixture[0].len())? else {
                return Err(Error::format(reader.path(), "it ends before its length").into());
            };
            mixture.iter_mut().zip(block.channels).for_each(|(m, b)| m.extend(b));
        }
        let analyse = |channel: &Vec<f32>| stft.analyse_frames(frames.clone(), channel, first, len);
        let spectra = mixture.iter().map(analyse).collect::<Result<Vec<_>>>()?;
        let images = images(frames.clone(), &spectra)?;
        if adders.is_empty() {
            adders = vec![vec![stft.overlap_add(len); channels]; images.len()];
        }
        if images.is_empty() || images.len() != adders.len() || images.iter().any(|i| i.len() != channels) {
            return Err(Error::setting(format!("{} sources, after {} before", images.len(), adders.len())).into());
        }
        let from = adders[0][0].position();
        let mut estimates = Vec::with_capacity(images.len());
        for (image, adders) in images.iter().zip(&mut adders) {
            if let Some(other) = image.iter().find(|s| s.nrows() != frames.len()) {
                return Err(
                    Error::setting(format!("a spectrum of {} frames for {}", other.nrows(), frames.len())).into()
                );
            }
            let one = |(spectrum, adder): (&Array2<Complex32>, &mut OverlapAdd)| adder.push(spectrum.view());
            estimates.push(image.iter().zip(adders).map(one).collect::<Result<Vec<_>>>()?);
        }
        let to = adders[0][0].position();
        for (c, channel) in mixture.iter().enumerate() {
            let mut parts: Vec<&mut [f32]> = estimates.iter_mut().map(|e| e[c].as_mut_slice()).collect();
            add_up(&channel[from - first..to - first], &mut parts)?;
        }
        if to > from {
            output(&estimates)?;
        }
        // Frames reach back at most as far as the samples that are not complete.
        mixture.iter_mut().for_each(|m| drop(m.drain(..to - first)));
        first = to;
    }
    Ok(())
}
