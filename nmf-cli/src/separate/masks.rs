//! From bases and activations to the sources, stretch by stretch.

use super::mixture::Mixture;
use super::output::Output;
use super::parts::{Job, Run};
use crate::failure::Failure;
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use nmf_audio::sources::{Guide, activations, part, raise_zeros};
use nmf_audio::{Complex32, magnitude, magnitude_of_channels, soft_masks};
use nmf_core::{Backend, Element};
use std::ops::Range;

impl Job<'_> {
    /// Applies the mean of the runs' masks, stretch by stretch.
    pub(super) fn masked<B: Backend>(
        &self,
        b: &mut B,
        mixture: &mut Mixture,
        runs: &[Run<B::Elem>],
        output: &mut Output,
        stopped: bool,
    ) -> Result<(), Failure> {
        let stft = mixture.stft.clone();
        // what earlier frames a pattern still reaches into the next stretch
        let mut recent: Option<Array2<f32>> = None;
        let masks = |frames: Range<usize>, spectra: &[Array2<Complex32>]| -> Result<Vec<Array2<f32>>, Failure> {
            if self.interruptible.stopping() && !stopped {
                return Err(Failure::interrupted("stopped while separating; nothing was written"));
            }
            let mut sum: Option<Vec<Array2<f32>>> = None;
            let x = match (self.seen.whole, spectra) {
                (true, _) => None,
                (false, [one]) => Some(magnitude(one.view(), self.settings.spectrum_exponent)),
                (false, all) => Some(magnitude_of_channels(all, self.settings.spectrum_exponent)?),
            };
            for run in runs {
                let models = match &x {
                    None => models(run, run.h.view(), frames.clone())?,
                    Some(x) => {
                        let h = self.follow(b, x, recent.as_ref(), run, &frames)?;
                        let before = h.ncols() - frames.len();
                        models(run, h.view(), before..h.ncols())?
                    }
                };
                let masks = soft_masks(&models, self.settings.mask_exponent)?;
                match &mut sum {
                    None => sum = Some(masks),
                    Some(sum) => sum.iter_mut().zip(masks).for_each(|(s, m)| *s += &m),
                }
            }
            let mut mean = sum.unwrap_or_default();
            mean.iter_mut().for_each(|m| *m /= runs.len() as f32);
            if let Some(x) = x {
                let known = match &recent {
                    Some(r) => concatenate(Axis(1), &[r.view(), x.view()]).map_err(|e| Failure::work(e.to_string()))?,
                    None => x,
                };
                let keep = (self.settings.recipe.shifts - 1).min(known.ncols());
                recent = Some(known.slice(s![.., known.ncols() - keep..]).to_owned());
            }
            Ok(mean)
        };
        let stretch = mixture.stretch(2 * self.settings.sources + 1);
        nmf_audio::separate(&mut mixture.reader, &stft, stretch, masks, |estimates| output.write(estimates))
    }

    /// When the bases of a run sound in a stretch of a long sound, with the frames of `recent` before it.
    fn follow<B: Backend>(
        &self,
        b: &mut B,
        x: &Array2<f32>,
        recent: Option<&Array2<f32>>,
        run: &Run<B::Elem>,
        frames: &Range<usize>,
    ) -> Result<Array2<B::Elem>, Failure> {
        let mut with = match recent {
            Some(r) => concatenate(Axis(1), &[r.view(), x.view()]).map_err(|e| Failure::work(e.to_string()))?,
            None => x.clone(),
        };
        raise_zeros(&mut with, &self.settings.recipe.loss);
        let before = with.ncols() - x.ncols();
        let first = frames.start - before;
        let silent = self.train.iter().filter_map(|t| {
            let (from, to) = (t.start.max(first), t.end.min(frames.end));
            (from < to).then(|| from - first..to - first)
        });
        let fixed = self.settings.train_bases * self.settings.recipe.shifts;
        let given = self.train.as_ref().map(|_| run.w.slice(s![.., ..fixed]));
        let guide = Guide { given, silent: silent.collect() };
        let with = with.mapv(|v| B::Elem::of(f64::from(v)));
        Ok(activations(b, &with, run.w.view(), &self.settings.recipe, &guide, &mut nmf_core::Silent)?)
    }
}

/// What each source's bases claim of these frames.
fn models<T: Element>(run: &Run<T>, h: ArrayView2<'_, T>, frames: Range<usize>) -> Result<Vec<Array2<f32>>, Failure> {
    let one = |bases: &Vec<usize>| part(run.w.view(), h, bases, frames.clone());
    Ok(run.groups.iter().map(one).collect::<nmf_core::Result<_>>()?)
}
