//! `separate --method nmf|nmfd`: bases, what is known of them, and the masks they make.

use super::folder::Folder;
use super::mixture::{Mixture, STRETCH, read_at};
use super::output::Output;
use super::recipe::{Settings, Teacher, frame_seconds};
use super::report::Summary;
use super::{Method, SeparateArgs, scores, show};
use crate::args::{Global, PrecisionChoice};
use crate::estimate::{Needs, Work};
use crate::failure::Failure;
use crate::fit_json::Report;
use crate::progress::{Interruptible, Watch, spinner};
use crate::session::Engine;
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use nmf_audio::sources::{Guide, activations, factor, part, raise_zeros, subdivide};
use nmf_audio::{Complex32, magnitude, magnitude_of_channels, soft_masks};
use nmf_core::solver::SolverOptions;
use nmf_core::{Backend, Element, Fitted, Observed};
use nmf_io::Precision;
use std::ops::Range;
use std::time::Instant;

/// Frames that are factored together: of a longer sound, stretches spread evenly over it teach the bases, and what sounds when is
/// then found stretch by stretch.
const MOST_FRAMES: usize = 24_576;
/// Length of those stretches.
const EXCERPT: usize = 1024;

/// One factorization: its bases, and when they sound if it saw the whole sound.
pub(crate) struct Run<T> {
    /// bins × k·L.
    pub(crate) w: Array2<T>,
    /// k × frames.
    pub(crate) h: Array2<T>,
    /// The bases of each source.
    pub(crate) groups: Vec<Vec<usize>>,
}

/// Which frames of the sound the columns of X are.
pub(crate) struct Seen {
    /// In order.
    pub(crate) stretches: Vec<Range<usize>>,
    /// Whether they are all there are.
    pub(crate) whole: bool,
}

impl Seen {
    /// All frames of a sound, or excerpts of a long one.
    fn of(frames: usize, most: usize) -> Seen {
        if frames <= most {
            return Seen { stretches: std::iter::once(0..frames).collect(), whole: true };
        }
        let count = most / EXCERPT;
        let start = |i: usize| (frames - EXCERPT) * i / (count - 1).max(1);
        Seen { stretches: (0..count).map(|i| start(i)..start(i) + EXCERPT).collect(), whole: false }
    }

    /// The columns of X that are among `frames`.
    pub(crate) fn columns(&self, frames: &Range<usize>) -> Vec<Range<usize>> {
        let mut before = 0;
        let mut found = Vec::new();
        for stretch in &self.stretches {
            let (from, to) = (frames.start.max(stretch.start), frames.end.min(stretch.end));
            if from < to {
                found.push(before + from - stretch.start..before + to - stretch.start);
            }
            before += stretch.len();
        }
        found
    }
}

/// Runs the command.
pub(crate) fn run(args: &SeparateArgs, global: &Global) -> Result<(), Failure> {
    let clock = Instant::now();
    let mut mixture = Mixture::open(&args.mix, args.rate, args.frame, args.hop, frame_seconds(args))?;
    let settings = Settings::new(args, &mixture)?;
    let train = train_frames(args, &mixture)?;
    let wheel = spinner(global, format!("reading {}", args.mix.display()));
    let seen = Seen::of(mixture.frames(), MOST_FRAMES);
    let mut columns = Vec::new();
    for stretch in &seen.stretches {
        columns.push(mixture.spectrum(stretch.clone(), settings.spectrum_exponent)?);
    }
    let views: Vec<ArrayView2<'_, f32>> = columns.iter().map(|c| c.view()).collect();
    let mut x = concatenate(Axis(1), &views).map_err(|e| Failure::work(e.to_string()))?;
    drop(columns);
    if x.iter().all(|v| *v == 0.0) {
        return Err(Failure::file(&args.mix, "is silent throughout: there is nothing to separate"));
    }
    let raised = raise_zeros(&mut x, &settings.recipe.loss);
    drop(wheel);
    if raised > 0 {
        global.note(format!("{raised} of {} entries of the spectrogram, below 1e-10 of the largest, were raised to that: is takes no zeros", x.len()));
    }
    let after = args.train.map_or(0, |t| ((t.to * f64::from(mixture.rate())).round() as usize).min(mixture.len));
    let references = scores::references(args, &mixture, &settings.names(args), after)?;
    let job =
        Job { args, global, settings, seen, train, after, references, load_seconds: clock.elapsed().as_secs_f64() };
    match Engine::open(global, &job.work(&x))? {
        Engine::CpuF32(mut b) => job.run(&mut b, &mut mixture, x),
        Engine::CpuF64(mut b) => job.run(&mut b, &mut mixture, x),
        Engine::Gpu(mut b) => job.run(&mut *b, &mut mixture, x),
    }
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
    Ok(Some(frames))
}

/// All but the sound and the backend.
pub(crate) struct Job<'a> {
    pub(crate) args: &'a SeparateArgs,
    pub(crate) global: &'a Global,
    pub(crate) settings: Settings,
    pub(crate) seen: Seen,
    pub(crate) train: Option<Range<usize>>,
    /// The first sample that is scored.
    pub(crate) after: usize,
    /// What estimates are compared with.
    pub(crate) references: Vec<Vec<f32>>,
    pub(crate) load_seconds: f64,
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
            rank: bases * recipe.shifts,
            iterations: recipe.stop.max_iter.saturating_mul(*runs),
            loss: recipe.loss.clone(),
            precision,
            needs: Needs { solver: recipe.solver, options, observed: Observed::All, weights: false },
        }
    }

    fn run<B: Backend>(&self, b: &mut B, mixture: &mut Mixture, x: Array2<f32>) -> Result<(), Failure> {
        let clock = Instant::now();
        let interruptible = Interruptible::new();
        let x: Array2<B::Elem> = x.mapv(|v| B::Elem::of(f64::from(v)));
        let (runs, fitted) = self.learn(b, mixture, &x, &interruptible)?;
        let factor_seconds = clock.elapsed().as_secs_f64();

        let folder = Folder::new(self.args.output.as_deref())?;
        let mut output = Output::new(&folder, self.settings.names(self.args), mixture, self.args.samples);
        let wheel = spinner(self.global, "separating".into());
        self.masked(b, mixture, &runs, &mut output)?;
        output.finish()?;
        drop(wheel);

        let blind = self.settings.teacher == Teacher::Blind;
        let scores = scores::score(self.args, self.global, &self.references, &mut output, self.after, blind)?;
        let mut report = Report::new(&fitted, &(&x).into(), None, b.info(), self.squared_error(&x, &fitted)?);
        report.load_seconds = self.load_seconds;
        let summary = Summary::new(self, mixture, &output, &runs[0], &scores, report, factor_seconds)?;
        if self.args.output.is_some() {
            show::parts(self, mixture, &folder, &output, &runs[0])?;
            summary.files(&folder, &fitted)?;
        }
        summary.print(self.global, self.args.output.as_deref())?;
        output.rename(&folder)?;
        folder.commit()?;
        if interruptible.stopping() {
            return Err(Failure::interrupted("stopped early; what was learned until then was used"));
        }
        Ok(())
    }

    /// Bases and activations of all runs, and the best run in full.
    fn learn<B: Backend>(
        &self,
        b: &mut B,
        mixture: &mut Mixture,
        x: &Array2<B::Elem>,
        interruptible: &Interruptible,
    ) -> Result<(Vec<Run<B::Elem>>, Fitted<B::Elem>), Failure> {
        let Settings { teacher, recipe, bases, sources, .. } = &self.settings;
        let seeds: Vec<u64> = (0..self.settings.runs as u64).map(|r| self.args.seed.wrapping_add(r)).collect();
        let blame = |e| Failure::matrix(&self.args.mix, e);
        let mut watch = Watch::new(self.global, "separating", Some(interruptible));
        if *teacher == Teacher::Blind {
            let all = factor(b, x, *sources, recipe, &Guide::none(), &seeds, &mut watch).map_err(blame)?;
            let Some(best) = all.into_iter().min_by(|a, b| a.objective().total_cmp(&b.objective())) else {
                return Err(Failure::usage("--runs 0 is not accepted: at least 1"));
            };
            let (best, groups) = if bases > sources {
                subdivide(b, x, &best, *bases, recipe, &mut watch).map_err(blame)?
            } else {
                (best, (0..*sources).map(|q| vec![q]).collect())
            };
            let run = Run { w: best.w().to_owned(), h: best.h().to_owned(), groups };
            return Ok((vec![run], best));
        }
        let mut runs = Vec::new();
        let mut best: Option<Fitted<B::Elem>> = None;
        for seed in seeds {
            let (given, sizes) = self.given(b, mixture, seed, interruptible)?;
            let silent = self.train.as_ref().map_or_else(Vec::new, |t| self.seen.columns(t));
            let all_given = sizes.iter().sum::<usize>() == *bases;
            let guide = Guide { given: Some(given.view()), silent: if all_given { Vec::new() } else { silent } };
            let fitted = factor(b, x, *bases, recipe, &guide, &[seed], &mut watch).map_err(blame)?.remove(0);
            runs.push(Run { w: fitted.w().to_owned(), h: fitted.h().to_owned(), groups: groups_of(&sizes, *bases) });
            if best.as_ref().is_none_or(|old| fitted.objective() < old.objective()) {
                best = Some(fitted);
            }
            if interruptible.stopping() {
                break;
            }
        }
        let best = best.ok_or_else(|| Failure::usage("--runs 0 is not accepted: at least 1"))?;
        Ok((runs, best))
    }

    /// Bases that are learned first (bins × j·L), and how many of each source.
    fn given<B: Backend>(
        &self,
        b: &mut B,
        mixture: &mut Mixture,
        seed: u64,
        interruptible: &Interruptible,
    ) -> Result<(Array2<B::Elem>, Vec<usize>), Failure> {
        let Settings { learning, spectrum_exponent, train_bases, .. } = &self.settings;
        let mut watch = Watch::new(self.global, "learning", Some(interruptible));
        let mut learn = |mut x: Array2<f32>, bases: usize, what: &str| -> Result<Array2<B::Elem>, Failure> {
            if x.iter().all(|v| *v == 0.0) {
                return Err(Failure::usage(format!("{what} is silent: nothing can be learned from it")));
            }
            raise_zeros(&mut x, &learning.loss);
            let x = x.mapv(|v| B::Elem::of(f64::from(v)));
            let fitted = factor(b, &x, bases, learning, &Guide::none(), &[seed], &mut watch)
                .map_err(|e| Failure::from(e).prefixed(what))?;
            Ok(fitted[0].w().to_owned())
        };
        if let Some(train) = &self.train {
            let most = train.start..train.end.min(train.start + MOST_FRAMES);
            let x = mixture.spectrum(most, *spectrum_exponent)?;
            let what = format!("{}: the part of --train", self.args.mix.display());
            return Ok((learn(x, *train_bases, &what)?, vec![*train_bases]));
        }
        let mut parts = Vec::new();
        for example in &self.args.learn {
            let sound = read_at(&example.path, mixture.rate())?;
            let spectra: Vec<Array2<Complex32>> = sound.channels().iter().map(|c| mixture.stft.analyse(c)).collect();
            let x = magnitude_of_channels(&spectra, *spectrum_exponent)?;
            let most = x.ncols().min(MOST_FRAMES);
            let x = x.slice(s![.., ..most]).to_owned();
            parts.push(learn(x, example.bases, &example.path.display().to_string())?);
        }
        let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
        let given = concatenate(Axis(1), &views).map_err(|e| Failure::work(e.to_string()))?;
        Ok((given, self.args.learn.iter().map(|l| l.bases).collect()))
    }

    /// Applies the mean of the runs' masks, stretch by stretch.
    fn masked<B: Backend>(
        &self,
        b: &mut B,
        mixture: &mut Mixture,
        runs: &[Run<B::Elem>],
        output: &mut Output,
    ) -> Result<(), Failure> {
        let stft = mixture.stft.clone();
        // what earlier frames a pattern still reaches into the next stretch
        let mut recent: Option<Array2<f32>> = None;
        let masks = |frames: Range<usize>, spectra: &[Array2<Complex32>]| -> Result<Vec<Array2<f32>>, Failure> {
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
                let keep = (self.settings.recipe.shifts - 1).min(x.ncols());
                recent = Some(x.slice(s![.., x.ncols() - keep..]).to_owned());
            }
            Ok(mean)
        };
        nmf_audio::separate(&mut mixture.reader, &stft, STRETCH, masks, |estimates| output.write(estimates))
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

    /// Σ (x − v)².
    fn squared_error<T: Element>(&self, x: &Array2<T>, fitted: &Fitted<T>) -> Result<f64, Failure> {
        let all: Vec<usize> = (0..fitted.rank()).collect();
        let mut sum = 0.0;
        for from in (0..x.ncols()).step_by(STRETCH) {
            let frames = from..(from + STRETCH).min(x.ncols());
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

/// What each source's bases claim of these frames.
fn models<T: Element>(run: &Run<T>, h: ArrayView2<'_, T>, frames: Range<usize>) -> Result<Vec<Array2<f32>>, Failure> {
    let one = |bases: &Vec<usize>| part(run.w.view(), h, bases, frames.clone());
    Ok(run.groups.iter().map(one).collect::<nmf_core::Result<_>>()?)
}

/// Bases of each source when the first `sizes` are given and the others are the rest.
fn groups_of(sizes: &[usize], bases: usize) -> Vec<Vec<usize>> {
    let mut groups = Vec::new();
    let mut first = 0;
    for n in sizes {
        groups.push((first..first + n).collect());
        first += n;
    }
    groups.push((first..bases).collect());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sounds_are_seen_in_excerpts() {
        let all = Seen::of(100, 200);
        assert!(all.whole && all.columns(&(20..30)) == [20..30]);
        let some = Seen::of(100_000, 4 * EXCERPT);
        assert!(!some.whole && some.stretches.len() == 4);
        assert_eq!((some.stretches[0].start, some.stretches[3].end), (0, 100_000));
        // the first half of the first excerpt, and all of the second one
        let second = some.stretches[1].clone();
        assert_eq!(some.columns(&(0..512)), [0..512]);
        assert_eq!(some.columns(&(second.start..second.end + 5)), [EXCERPT..2 * EXCERPT]);
    }

    #[test]
    fn the_rest_is_what_nobody_taught() {
        assert_eq!(groups_of(&[2, 1], 5), [vec![0, 1], vec![2], vec![3, 4]]);
        assert_eq!(groups_of(&[2], 2), [vec![0, 1], vec![]]);
    }
}
