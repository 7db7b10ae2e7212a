//! Estimates stretch by stretch.

use super::DelayModel;
use super::features::check_channels;
use crate::error::{Error, Result};
use crate::mask::add_up;
use crate::overlap::OverlapAdd;
use crate::reader::SoundReader;

/// Reads a recording from its beginning and hands out the talkers' sounds at both microphones, in the order of
/// [`DelayModel::talkers`]; they add up to the mixture, sample by sample, as [`add_up`] defines it.
///
/// Memory holds a stretch of at most `stretch` frames. `output` is given what is complete: `estimates[s][c]` are the
/// next samples of channel c of talker s. The samples do not depend on `stretch`.
///
/// # Errors
/// Those of reading and of `output`; a sound of another rate than the model's, or that has not two channels.
pub fn separate_talkers<E, O>(
    reader: &mut SoundReader,
    model: &DelayModel,
    stretch: usize,
    mut output: O,
) -> Result<(), E>
where
    E: From<Error>,
    O: FnMut(&[Vec<Vec<f32>>]) -> Result<(), E>,
{
    check_channels(reader)?;
    if reader.rate() != model.rate {
        let message = format!("it has {} samples per second, the model {}", reader.rate(), model.rate);
        return Err(Error::format(reader.path(), message).into());
    }
    let len = usize::try_from(reader.count_frames()?)
        .map_err(|_| Error::setting("a sound too long for this machine's addresses"))?;
    reader.rewind()?;
    let stft = &model.stft;
    let (all, step) = (stft.frames(len), stretch.max(1));
    // the stretch of the mixture that is needed: for frames to come, and for sums still to be made
    let (mut first, mut mixture) = (0, [Vec::new(), Vec::new()]);
    let mut adders: Vec<[OverlapAdd; 2]> =
        (0..model.sources()).map(|_| [stft.overlap_add(len), stft.overlap_add(len)]).collect();
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
        let from = adders[0][0].position();
        let mut estimates = Vec::with_capacity(adders.len());
        for (images, adders) in model.images(&spectra)?.iter().zip(&mut adders) {
            let one = |(image, adder): (&ndarray::Array2<_>, &mut OverlapAdd)| adder.push(image.view());
            estimates.push(images.iter().zip(adders).map(one).collect::<Result<Vec<_>>>()?);
        }
        let to = adders[0][0].position();
        for (c, channel) in mixture.iter().enumerate() {
            let mut parts: Vec<&mut [f32]> = estimates.iter_mut().map(|e| e[c].as_mut_slice()).collect();
            add_up(&channel[from - first..to - first], &mut parts)?;
        }
        if to > from {
            output(&estimates)?;
        }
        // frames reach back at most as far as the samples that are not complete
        mixture.iter_mut().for_each(|m| drop(m.drain(..to - first)));
        first = to;
    }
    Ok(())
}
