//! `separate --method nmf|nmfd`: bases, what is known of them, and the masks they make.

use super::folder::Folder;
use super::learn::Learned;
use super::mixture::Mixture;
use super::options::{self, Learn};
use super::output::Output;
use super::recipe::{Settings, Teacher, frame_seconds};
use super::report::Summary;
use super::seen::{EXCERPT, Seen, most_frames};
use super::{Method, SeparateArgs, page, scores, show};
use crate::args::{Global, PrecisionChoice};
use crate::estimate::{Needs, Work};
use crate::failure::Failure;
use crate::fit_json::Report;
use crate::progress::{Interruptible, spinner};
use crate::session::Engine;
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use nmf_audio::sources::{part, raise_zeros};
use nmf_core::solver::SolverOptions;
use nmf_core::{Backend, Element, Fitted, Observed, Stopped};
use nmf_io::Precision;
use std::ops::Range;
use std::time::Instant;

/// One factorization: its bases, and when they sound if it saw the whole sound.
pub(crate) struct Run<T> {
    /// bins × k·L.
    pub(crate) w: Array2<T>,
    /// k × frames.
    pub(crate) h: Array2<T>,
    /// The bases of each source.
    pub(crate) groups: Vec<Vec<usize>>,
}

/// Runs the command.
pub(crate) fn run(
    args: &SeparateArgs,
    folder: Folder,
    interruptible: &Interruptible,
    global: &Global,
) -> Result<(), Failure> {
    let clock = Instant::now();
    let mut mixture = Mixture::open(&args.mix, args.rate, args.frame, args.hop, frame_seconds(args))?;
    let mut settings = Settings::new(args, &mixture)?;
    let names = settings.names(args);
    options::protect(args, &names, global)?;
    let train = train_frames(args, &mixture)?;
    let after = args.train.map_or(0, |t| ((t.to * f64::from(mixture.rate())).round() as usize).min(mixture.len));
    let references = scores::references(args, &mixture, &names, after)?;
    let wheel = spinner(global, format!("reading {}", args.mix.display()));
    let examples = examples(args, &mixture, &settings, global)?;
    let shortest =
        examples.iter().map(Array2::ncols).chain(train.iter().map(Range::len)).chain([mixture.frames()]).min();
    settings.fit_shifts(args, shortest.unwrap_or(1))?;
    let seen = Seen::of(mixture.frames(), most_frames(&mixture));
    let mut columns = Vec::new();
    for stretch in &seen.stretches {
        columns.push(mixture.spectrum(stretch.clone(), settings.spectrum_exponent)?);
    }
    let mut x = joined(&columns)?;
    drop(columns);
    if x.iter().all(|v| *v == 0.0) {
        return Err(Failure::file(&args.mix, "is silent throughout: there is nothing to separate"));
    }
    let raised = raise_zeros(&mut x, &settings.recipe.loss);
    drop(wheel);
    if raised > 0 {
        let loss = &settings.recipe.loss;
        global.note(format!(
            "{raised} of {} entries of the spectrogram, below 1e-10 of the largest, were raised to that: {loss} takes no zeros",
            x.len()
        ));
    }
    if interruptible.stopping() {
        return Err(Failure::interrupted("stopped while reading; nothing was written"));
    }
    let load_seconds = clock.elapsed().as_secs_f64();
    let job = Job {
        args,
        global,
        interruptible,
        settings,
        seen,
        train,
        after,
        references,
        examples,
        load_seconds,
        began: clock,
    };
    match Engine::open(global, &job.work(&x))? {
        Engine::CpuF32(mut b) => job.run(&mut b, &mut mixture, folder, x),
        Engine::CpuF64(mut b) => job.run(&mut b, &mut mixture, folder, x),
        Engine::Gpu(mut b) => job.run(&mut *b, &mut mixture, folder, x),
        Engine::GpuF64(mut b) => job.run(&mut *b, &mut mixture, folder, x),
    }
}

/// Spectrograms side by side.
fn joined(parts: &[Array2<f32>]) -> Result<Array2<f32>, Failure> {
    let views: Vec<ArrayView2<'_, f32>> = parts.iter().map(|p| p.view()).collect();
    concatenate(Axis(1), &views).map_err(|e| Failure::work(e.to_string()))
}

/// The spectrograms of --learn.
fn examples(
    args: &SeparateArgs,
    mixture: &Mixture,
    settings: &Settings,
    global: &Global,
) -> Result<Vec<Array2<f32>>, Failure> {
    let (rate, frame, hop) = (mixture.rate(), mixture.stft.frame(), mixture.stft.hop());
    let mut all = Vec::new();
    for Learn { path, .. } in &args.learn {
        let mut example = Mixture::open(path, Some(rate), Some(frame), Some(hop), 0.0)?;
        let (frames, most) = (example.frames(), most_frames(mixture));
        if frames > most {
            let seconds = most as f64 * hop as f64 / f64::from(rate);
            global.note(format!("{}: its first {seconds:.0} s are learned from", path.display()));
        }
        let x = example.spectrum(0..frames.min(most), settings.spectrum_exponent)?;
        if x.iter().all(|v| *v == 0.0) {
            return Err(Failure::file(path, "is silent: nothing can be learned from it"));
        }
        all.push(x);
    }
    Ok(all)
}

/// The frames of --train.
fn train_frames(args: &SeparateArgs, mixture: &Mixture) -> Result<Option<Range<usize>>, Failure> {
    let Some(part) = args.train else { return Ok(None) };
    let seconds = mixture.seconds();
    if part.to > seconds + 0.5e-3 {
        let message = format!("--train {}:{} goes beyond its end, {seconds:.3} s", part.from, part.to);
        return Err(Failure::file(&args.mix, message));
    }
    let frames = mixture.frames_within(part.from, part.to);
    if frames.is_empty() {
        let least = mixture.stft.frame() as f64 / f64::from(mixture.rate());
        let message = format!("--train {}:{} holds no whole frame: at least {least:.3} s", part.from, part.to);
        return Err(Failure::file(&args.mix, message));
    }
    if frames.len() == mixture.frames() {
        let message = format!("--train {}:{} is all of it: nothing is left to separate", part.from, part.to);
        return Err(Failure::file(&args.mix, message));
    }
    Ok(Some(frames))
}

/// All but the sound and the backend.
pub(crate) struct Job<'a> {
    pub(crate) args: &'a SeparateArgs,
    pub(crate) global: &'a Global,
    pub(crate) interruptible: &'a Interruptible,
    pub(crate) settings: Settings,
    pub(crate) seen: Seen,
    pub(crate) train: Option<Range<usize>>,
    /// The first sample that is scored.
    pub(crate) after: usize,
    /// What estimates are compared with.
    pub(crate) references: Vec<Vec<f32>>,
    /// Spectrograms of --learn.
    pub(crate) examples: Vec<Array2<f32>>,
    pub(crate) load_seconds: f64,
    pub(crate) began: Instant,
}

impl Job<'_> {
    /// For the choice of a backend.
    fn work(&self, x: &Array2<f32>) -> Work {
        let Settings { recipe, bases, runs, .. } = &self.settings;
        let options = SolverOptions { shifts: recipe.shifts, ..SolverOptions::default() };
        let precision =
            if self.global.precision == Some(PrecisionChoice::F64) { Precision::F64 } else { Precision::F32 };
        Work {
            rows: x.nrows(),
            cols: x.ncols(),
            stored: x.len() as u64,
            sparse: false,
            rank: *bases,
            iterations: recipe.stop.max_iter.saturating_mul(*runs),
            loss: recipe.loss.clone(),
            precision,
            needs: Needs { solver: recipe.solver, options, observed: Observed::All, weights: false },
        }
    }

    fn run<B: Backend>(
        &self,
        b: &mut B,
        mixture: &mut Mixture,
        folder: Folder,
        spectrogram: Array2<f32>,
    ) -> Result<(), Failure> {
        let clock = Instant::now();
        let x: Array2<B::Elem> = spectrogram.mapv(|v| B::Elem::of(f64::from(v)));
        drop(spectrogram);
        let Learned { runs, best, fitted, made } = self.learn(b, mixture, &x)?;
        let factor_seconds = clock.elapsed().as_secs_f64();
        let stopped = self.interruptible.stopping();

        let mut output = Output::new(&folder, self.settings.names(self.args), mixture, self.args.samples)?;
        let wheel = spinner(self.global, "separating".into());
        self.masked(b, mixture, &runs, &mut output, stopped)?;
        output.finish()?;
        drop(wheel);

        let blind = self.settings.teacher == Teacher::Blind;
        let scores = scores::score(self.args, self.global, &self.references, &mut output, self.after, blind)?;
        let mut report = Report::new(&fitted, &(&x).into(), None, b.info(), self.squared_error(&x, &fitted)?);
        drop(x);
        report.load_seconds = self.load_seconds;
        report.init = "flat".into();
        // what was asked for, not the best run's own
        report.seed = self.args.seed.unwrap_or(0);
        if stopped {
            report.stopped = Stopped::Interrupted;
        }
        let wanted = self.args.output.is_some() || self.args.report.wanted();
        let pictures = if wanted { show::parts(self, mixture, &output, &runs[best])? } else { Vec::new() };
        let seconds = (factor_seconds, self.began.elapsed().as_secs_f64());
        let summary = Summary::new(self, mixture, &output, (&runs, best, made), &scores, report, seconds)?;
        if self.args.output.is_some() {
            summary.files(&folder, &fitted)?;
            show::write(&folder, &pictures)?;
        }
        let page = match self.args.report.wanted() {
            true => Some(page::parts(self, &summary, mixture, &output, &folder, pictures)?),
            false => None,
        };
        output.rename(&folder)?;
        folder.commit()?;
        page.map_or(Ok(()), |page| self.args.report.write(page))?;
        summary.print(self.global, self.args)?;
        if stopped || self.interruptible.stopping() {
            return Err(Failure::interrupted("stopped early; what was learned until then was used"));
        }
        Ok(())
    }

    /// Σ (x − v)².
    fn squared_error<T: Element>(&self, x: &Array2<T>, fitted: &Fitted<T>) -> Result<f64, Failure> {
        let all: Vec<usize> = (0..fitted.rank()).collect();
        let mut sum = 0.0;
        for from in (0..x.ncols()).step_by(EXCERPT) {
            let frames = from..(from + EXCERPT).min(x.ncols());
            let v = part(fitted.w(), fitted.h(), &all, frames.clone())?;
            let pairs = x.slice(s![.., frames]).into_iter().zip(v);
            sum += pairs.map(|(x, v)| (x.f64() - f64::from(v)).powi(2)).sum::<f64>();
        }
        Ok(sum)
    }

    /// Whether bases last several frames.
    pub(crate) fn method(&self) -> &'static str {
        if self.args.method == Method::Nmfd { "nmfd" } else { "nmf" }
    }
}
