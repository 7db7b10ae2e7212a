//! Estimates stretch by stretch.

use super::DelayModel;
use super::features::check_channels;
use crate::error::{Error, Result};
use crate::reader::SoundReader;
use crate::separate::separate_spectra;

/// Reads a recording from its beginning and hands out the talkers' sounds at both microphones, in the order of
/// [`DelayModel::talkers`]; they add up to the mixture, sample by sample, as [`crate::add_up`] defines it.
///
/// Memory holds a stretch of at most `stretch` frames. `output` is given what is complete: `estimates[s][c]` are the
/// next samples of channel c of talker s. The samples do not depend on `stretch`.
///
/// # Errors
/// Those of reading and of `output`; a sound of another rate than the model's, or that has not two channels.
pub fn separate_talkers<E, O>(reader: &mut SoundReader, model: &DelayModel, stretch: usize, output: O) -> Result<(), E>
where
    E: From<Error>,
    O: FnMut(&[Vec<Vec<f32>>]) -> Result<(), E>,
{
    check_channels(reader)?;
    if reader.rate() != model.rate {
        let message = format!("it has {} samples per second, the model {}", reader.rate(), model.rate);
        return Err(Error::format(reader.path(), message).into());
    }
    separate_spectra(
        reader,
        &model.stft,
        stretch,
        |_, spectra| Ok(model.images(spectra)?.into_iter().map(Vec::from).collect()),
        output,
    )
}
