//! The sources as WAV files.

use super::Samples;
use super::folder::Folder;
use super::mixture::Mixture;
use crate::failure::Failure;
use nmf_audio::{SampleFormat, WavWriter};
use std::path::PathBuf;

/// The files of the sources, in the order in which they were separated.
pub(crate) struct Output {
    /// Names of the outputs.
    pub(crate) names: Vec<String>,
    /// For output i the estimate that it shows: not i where references said so.
    pub(crate) order: Vec<usize>,
    /// Where the estimates lie until they are renamed.
    pub(crate) paths: Vec<PathBuf>,
    writers: Vec<WavWriter>,
    rate: u32,
    format: SampleFormat,
    /// Σ of squared samples of each estimate.
    pub(crate) energy: Vec<f64>,
}

impl Output {
    /// Files for sources of these names.
    pub(crate) fn new(
        folder: &Folder,
        names: Vec<String>,
        mixture: &Mixture,
        samples: Samples,
    ) -> Result<Output, Failure> {
        let paths = (0..names.len()).map(|i| folder.scratch(i)).collect::<Result<_, _>>()?;
        let format = match samples {
            Samples::I16 => SampleFormat::I16,
            Samples::I24 => SampleFormat::I24,
            Samples::I32 => SampleFormat::I32,
            Samples::Float => SampleFormat::F32,
        };
        let energy = vec![0.0; names.len()];
        Ok(Output {
            order: (0..names.len()).collect(),
            names,
            paths,
            writers: Vec::new(),
            rate: mixture.rate(),
            format,
            energy,
        })
    }

    /// Appends the next samples: `estimates[source][channel]`.
    pub(crate) fn write(&mut self, estimates: &[Vec<Vec<f32>>]) -> Result<(), Failure> {
        for (i, channels) in estimates.iter().enumerate() {
            if self.writers.len() == i {
                self.writers.push(WavWriter::create(&self.paths[i], self.rate, channels.len(), self.format)?);
            }
            if let Err(e) = self.writers[i].write_block(channels) {
                // the user knows the file by the name it will have
                let hint = if e.sample().is_some() { "; --samples float never clips" } else { "" };
                return Err(Failure::from(e).about(&self.paths[i], &self.file(i)).with(hint));
            }
            let squares = |c: &Vec<f32>| c.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>();
            self.energy[i] += channels.iter().map(squares).sum::<f64>();
        }
        Ok(())
    }

    /// Completes the files.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        for writer in self.writers.drain(..) {
            writer.finish()?;
        }
        Ok(())
    }

    /// The file of output i.
    pub(crate) fn file(&self, i: usize) -> String {
        format!("{}.wav", self.names[i])
    }

    /// Gives the files their names, in the order that the references asked for.
    pub(crate) fn rename(&self, folder: &Folder) -> Result<(), Failure> {
        for (i, estimate) in self.order.iter().enumerate() {
            let to = folder.path(&self.file(i));
            std::fs::rename(&self.paths[*estimate], &to)
                .map_err(|e| Failure::work(format!("{}: cannot be written: {e}", self.file(i))))?;
        }
        Ok(())
    }
}
