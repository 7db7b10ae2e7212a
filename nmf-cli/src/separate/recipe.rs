//! The settings of nmf and nmfd: what was asked for, and the defaults for the rest.
//!
//! The defaults for learning (40 bases, 16 free ones, few iterations, masks of V itself, the mean of three runs) were chosen on the three
//! songs of docs/sounds.md and thirteen other mixtures.

use super::mixture::Mixture;
use super::options::Learn;
use super::{Method, SeparateArgs};
use crate::failure::Failure;
use nmf_audio::sources::Recipe;
use nmf_core::{Loss, SolverKind, Stop};

/// Seconds of a frame, before it is rounded to a power of two: learned bases, blind spectra (long enough to tell neighbouring notes
/// apart), patterns (short enough for the onset of a drum).
const FRAME_SECONDS: (f64, f64, f64) = (0.055, 0.09, 0.046);
/// Seconds that a pattern of nmfd lasts. Longer ones fit better and separate worse.
const PATTERN_SECONDS: f64 = 0.12;
/// Bases learned from the training part.
const TRAIN_BASES: usize = 40;
/// Bases beside those learned from the training part, or from one example; examples of two sources or more are taken for all there are.
const FREE_BASES: usize = 16;
/// Iterations of learning, and after it: given more, what is free soon explains what the given bases leave over, too.
const GUIDED_ITERATIONS: usize = 50;
/// Iterations of blind separation, and each time after bases were subdivided.
const ITERATIONS: usize = 100;
/// Runs that are averaged, or of which the best is taken.
const RUNS: usize = 3;

/// Seconds of a frame.
pub(crate) fn frame_seconds(args: &SeparateArgs) -> f64 {
    match args.method {
        Method::Nmfd => FRAME_SECONDS.2,
        _ if args.train.is_some() || !args.learn.is_empty() => FRAME_SECONDS.0,
        _ => FRAME_SECONDS.1,
    }
}

/// What tells the sources apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Teacher {
    /// A part of the sound.
    Train,
    /// Examples.
    Learn,
    /// Nothing.
    Blind,
}

/// Everything that is settled before the sound is factored.
pub(crate) struct Settings {
    /// What tells the sources apart.
    pub(crate) teacher: Teacher,
    /// How the mixture is factored.
    pub(crate) recipe: Recipe,
    /// How bases are learned.
    pub(crate) learning: Recipe,
    /// Bases learned from the training part.
    pub(crate) train_bases: usize,
    /// All bases.
    pub(crate) bases: usize,
    /// Sources, blind.
    pub(crate) sources: usize,
    /// p of |S|^p.
    pub(crate) spectrum_exponent: f32,
    /// p of the masks.
    pub(crate) mask_exponent: f32,
    /// Runs.
    pub(crate) runs: usize,
}

impl Settings {
    /// For this sound.
    pub(crate) fn new(args: &SeparateArgs, mixture: &Mixture) -> Result<Settings, Failure> {
        let teacher = match (args.train.is_some(), args.learn.is_empty()) {
            (true, _) => Teacher::Train,
            (false, false) => Teacher::Learn,
            (false, true) => Teacher::Blind,
        };
        let shifts = args.shifts.unwrap_or_else(|| match args.method {
            Method::Nmfd => {
                let frames = PATTERN_SECONDS * f64::from(mixture.rate()) / mixture.stft.hop() as f64;
                (frames.round() as usize).max(2)
            }
            _ => 1,
        });
        let loss = args.loss.clone().unwrap_or(Loss::KL);
        let is_power = loss.beta() == Some(0.0);
        let learned = args.learn.iter().fold(0usize, |sum, l| sum.saturating_add(l.bases));
        let train_bases = match args.bases {
            // all bases are given: leave room for free ones
            Some(k) if args.train_bases.is_none() => TRAIN_BASES.min((k * 2 / 3).max(1)),
            _ => args.train_bases.unwrap_or(TRAIN_BASES),
        };
        let (sources, bases) = match teacher {
            Teacher::Train => (2, args.bases.unwrap_or(train_bases + FREE_BASES)),
            Teacher::Learn => (
                args.learn.len() + 1,
                args.bases.unwrap_or(learned + if args.learn.len() == 1 { FREE_BASES } else { 0 }),
            ),
            Teacher::Blind => {
                let sources = args.sources.or(args.bases).unwrap_or(2);
                (sources, args.bases.unwrap_or(sources))
            }
        };
        let guided = if teacher == Teacher::Blind { ITERATIONS } else { GUIDED_ITERATIONS };
        // what guided separation wants is not the best fit: momentum would only overshoot where it should end
        let solver = if teacher == Teacher::Blind && shifts == 1 { SolverKind::Auto } else { SolverKind::Mu };
        let stop = |n: usize| Stop { max_iter: n, tol: 0.0, ..Stop::default() };
        let recipe = Recipe { loss, solver, shifts, stop: stop(args.max_iter.unwrap_or(guided)), trace_every: 10 };
        let learning = Recipe { trace_every: 0, ..recipe.clone() };
        let runs = args.runs.unwrap_or(RUNS);
        Ok(Settings {
            teacher,
            recipe,
            learning,
            train_bases,
            bases,
            sources,
            spectrum_exponent: args.spectrum_exponent.unwrap_or(if is_power { 2.0 } else { 1.0 }),
            mask_exponent: args.mask_exponent.unwrap_or(if teacher == Teacher::Learn { 2.0 } else { 1.0 }),
            runs,
        })
    }

    /// Makes the default pattern no longer than `frames`, what it is learned from; refuses a longer one that was asked for.
    pub(crate) fn fit_shifts(&mut self, args: &SeparateArgs, frames: usize) -> Result<(), Failure> {
        if let Some(asked) = args.shifts.filter(|l| *l > frames) {
            return Err(Failure::usage(format!(
                "--shifts {asked}: there are {frames} frames (in the sound, the part of --train or an example), a pattern lasts no longer"
            )));
        }
        let shifts = self.recipe.shifts.min(frames.max(1));
        (self.recipe.shifts, self.learning.shifts) = (shifts, shifts);
        Ok(())
    }

    /// The names of the sources.
    pub(crate) fn names(&self, args: &SeparateArgs) -> Vec<String> {
        match self.teacher {
            Teacher::Train => vec!["trained".into(), "rest".into()],
            Teacher::Learn => args.learn.iter().map(Learn::name).chain(std::iter::once("rest".into())).collect(),
            Teacher::Blind => numbered(self.sources),
        }
    }
}

/// source1, source2, …
pub(crate) fn numbered(sources: usize) -> Vec<String> {
    (1..=sources).map(|s| format!("source{s}")).collect()
}
