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
    mut output: O,
) -> Result<(), E>
where
    E: From<Error>,
    M: FnMut(Range<usize>, &[Array2<Complex32>]) -> Result<Vec<Array2<f32>>, E>,
    O: FnMut(&[Vec<Vec<f32>>]) -> Result<(), E>,
{
    let len = usize::try_from(reader.count_frames()?)
        .map_err(|_| Error::setting("a sound too long for this machine's addresses"))?;
    reader.rewind()?;
    let (channels, all) = (reader.channels(), stft.frames(len));
    // The stretch of the mixture that is needed: for frames to come, and for sums still to be made.
    let (mut first, mut mixture) = (0, vec![Vec::new(); channels]);
    let mut adders: Vec<Vec<OverlapAdd>> = Vec::new();
    for start in (0..all).step_by(stretch.max(1)) {
        let frames = start..(start + stretch.max(1)).min(all);
        let needed = stft.samples_of(frames.clone(), len);
        let have = first + mixture[0].len();
        if needed.end > have
            && let Some(block) = reader.read_block(needed.end - have)?
        {
            mixture.iter_mut().zip(block.channels).for_each(|(m, b)| m.extend(b));
        }
        let analyse = |channel: &Vec<f32>| stft.analyse_frames(frames.clone(), channel, first, len);
        let spectra = mixture.iter().map(analyse).collect::<Result<Vec<_>>>()?;
        let masks = masks(frames.clone(), &spectra)?;
        if adders.is_empty() {
            adders = vec![vec![stft.overlap_add(len); channels]; masks.len()];
        }
        if masks.is_empty() || masks.len() != adders.len() {
            return Err(Error::setting(format!("{} masks, after {} before", masks.len(), adders.len())).into());
        }
        let from = adders[0][0].position();
        let mut estimates = Vec::with_capacity(masks.len());
        for (mask, adders) in masks.iter().zip(&mut adders) {
            let one = |(spectrum, adder): (&Array2<Complex32>, &mut OverlapAdd)| {
                adder.push(apply_mask(spectrum.view(), mask.view())?.view())
            };
            estimates.push(spectra.iter().zip(adders).map(one).collect::<Result<Vec<_>>>()?);
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
