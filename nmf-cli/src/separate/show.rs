//! The pictures of a separation.

use super::folder::Folder;
use super::mixture::Mixture;
use super::output::Output;
use super::parts::{Job, Run};
use super::recipe::Teacher;
use crate::failure::Failure;
use crate::pictures::{self, Axes};
use ndarray::Array2;
use nmf_core::Element;

/// Frames in a picture; of a longer sound its beginning is shown.
const PICTURED: usize = 24_576;

/// A picture and its name, without an ending.
pub(crate) struct Picture {
    pub(crate) name: String,
    pub(crate) svg: String,
}

impl Picture {
    /// One of these.
    pub(crate) fn new(name: impl Into<String>, svg: String) -> Picture {
        Picture { name: name.into(), svg }
    }
}

/// Writes pictures as SVG.
pub(crate) fn write(folder: &Folder, pictures: &[Picture]) -> Result<(), Failure> {
    pictures.iter().try_for_each(|p| folder.bytes(&format!("{}.svg", p.name), p.svg.as_bytes()))
}

/// spectrograms (mixture and sources), bases, and activations unless only excerpts were factored.
pub(crate) fn parts<T: Element>(
    job: &Job<'_>,
    mixture: &mut Mixture,
    output: &Output,
    run: &Run<T>,
) -> Result<Vec<Picture>, Failure> {
    let mut pictures = vec![spectrograms(mixture, output)?];
    let axes = axes(mixture);
    let shifts = job.settings.recipe.shifts;
    let given = match job.settings.teacher {
        Teacher::Train => job.settings.train_bases,
        Teacher::Learn => job.args.learn.iter().map(|l| l.bases).sum(),
        Teacher::Blind => 0,
    };
    let mut names: Vec<String> = (1..=run.h.nrows()).map(|q| q.to_string()).collect();
    for (i, estimate) in output.order.iter().enumerate() {
        for q in &run.groups[*estimate] {
            names[*q] = format!("{} ({})", q + 1, output.names[i]);
        }
    }
    let w = run.w.mapv(|v| v.f64() as f32).into_shape_with_order((run.w.nrows(), run.h.nrows(), shifts));
    let w = w.map_err(|e| Failure::work(e.to_string()))?;
    let power = job.settings.spectrum_exponent;
    let bases = pictures::bases("bases: what sounds", w.view(), &names, given, &axes, power);
    pictures.push(Picture::new("bases", bases));
    if !job.seen.whole {
        // H is about excerpts, which have no common time
        return Ok(pictures);
    }
    let h = run.h.mapv(|v| v.f64() as f32);
    let marks: Vec<(f64, f64)> = job.args.train.iter().map(|t| (t.from, t.to)).collect();
    let picture = pictures::activations("activations: when it sounds", h.view(), &names, given, &marks, &axes);
    pictures.push(Picture::new("activations", picture));
    Ok(pictures)
}

/// Time and frequency of the pictures' pixels.
pub(crate) fn axes(mixture: &Mixture) -> Axes {
    let start = mixture.stft.frame_time(0, mixture.rate());
    Axes { rate: mixture.rate(), frame: mixture.stft.frame(), hop: mixture.stft.hop(), start }
}

/// spectrograms: the mixture above its sources, before and after.
pub(crate) fn spectrograms(mixture: &mut Mixture, output: &Output) -> Result<Picture, Failure> {
    let frames = 0..mixture.frames().min(PICTURED);
    let mut panels: Vec<(String, Array2<f32>)> = vec![("mixture".into(), mixture.spectrum(frames.clone(), 2.0)?)];
    let (frame, hop) = (mixture.stft.frame(), mixture.stft.hop());
    for (i, estimate) in output.order.iter().enumerate() {
        let mut source = Mixture::open(&output.paths[*estimate], None, Some(frame), Some(hop), 0.0)?;
        panels.push((output.names[i].clone(), source.spectrum(frames.clone(), 2.0)?));
    }
    let views: Vec<_> = panels.iter().map(|(name, x)| (name.clone(), x.view())).collect();
    let shown = frames.end as f64 * hop as f64 / f64::from(mixture.rate());
    let title = match frames.end < mixture.frames() {
        true => format!("spectrograms of the first {shown:.0} s of {:.0} s", mixture.seconds()),
        false => "spectrograms".into(),
    };
    Ok(Picture::new("spectrograms", pictures::spectrograms(&title, &views, &axes(mixture), 2.0)))
}
