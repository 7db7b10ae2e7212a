//! `separate`: a sound into its sources.

mod folder;
mod learn;
mod masks;
mod mixture;
mod options;
mod output;
mod page;
mod parts;
mod recipe;
mod report;
mod scores;
mod seen;
mod show;
mod sounds;
mod two_microphones;

use crate::args::Global;
use crate::failure::Failure;
use crate::progress::Interruptible;
use crate::report::ReportOptions;
use clap::{Args, ValueEnum};
use folder::Folder;
use nmf_core::Loss;
use options::{Interval, Learn};
use std::path::PathBuf;

/// Options of `separate`.
#[derive(Args, Debug)]
#[command(
    long_about = "Separates a sound into its sources, which add up to it sample by sample.\n\n\
        nmf (the default) and nmfd factor the spectrogram into bases and when they sound. What tells the sources apart:\n  \
        --train 0:10     a part of the sound in which only the accompaniment plays: trained.wav and rest.wav\n  \
        --learn a.wav=8  examples of the sources: one file for each, and rest.wav\n  \
        --sources 3      nothing: a basis each (blind), or several that begin as one (--bases)\n\
        nmfd has bases that last --shifts frames, for drums and other sounds that run the same course each time.\n\n\
        gmm takes a sound of two microphones: every source has a direction, seen as the delay between the microphones. A Gaussian \
        mixture of these delays starts filters, which are refined in every frequency.",
    after_help = "Examples:\n  nmf-cli separate song.wav --train 0:10 -o stems\n  \
        nmf-cli separate song.wav --train 0:10 --train-bases 10 --bases 30 --loss is --shifts 12 -o stems\n  \
        nmf-cli separate drums.wav --method nmfd --sources 3 -o stems\n  \
        nmf-cli separate piano.wav --sources 3 --reference c.wav ds.wav fs.wav --json\n  \
        nmf-cli separate talkers.wav --method gmm --sources 2 --mic-distance 0.05 -o talkers"
)]
pub(crate) struct SeparateArgs {
    /// The sound: WAV, FLAC, Ogg Vorbis or MP3
    pub(crate) mix: PathBuf,
    /// Folder for the sources (WAV), pictures (SVG), bases and activations (.npy) and separate.json
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// How to separate
    #[arg(long, value_enum, default_value = "nmf")]
    pub(crate) method: Method,
    /// Seconds of the sound in which only what is to become trained.wav plays, such as 0:10
    #[arg(long, value_name = "FROM:TO")]
    pub(crate) train: Option<Interval>,
    /// Bases learned there, which stay as they are [default: 40]
    #[arg(long, value_name = "N", requires = "train")]
    pub(crate) train_bases: Option<usize>,
    /// Learn N bases from this sound of one source (8 without =N); repeat it for each source
    #[arg(long, value_name = "FILE=N", conflicts_with = "train", num_args = 1..)]
    pub(crate) learn: Vec<Learn>,
    /// All bases, those learned included [default: blind, --sources; with --train and with one --learn, 16 more than are learned; else those]
    #[arg(long, value_name = "K")]
    pub(crate) bases: Option<usize>,
    /// Sources to tell apart, blind or by microphones [default: --bases, or 2]
    #[arg(long, value_name = "S", conflicts_with_all = ["train", "learn"])]
    pub(crate) sources: Option<usize>,
    /// Frames that a basis lasts [default: nmf 1; nmfd as many as last 0.12 s]
    #[arg(long, value_name = "L")]
    pub(crate) shifts: Option<usize>,
    /// Loss: kl, is, fro or beta:B [default: kl]
    #[arg(long, value_name = "LOSS")]
    pub(crate) loss: Option<Loss>,
    /// What is factored is |S|^P: 1 magnitudes, 2 powers [default: 1; is: 2]
    #[arg(long, value_name = "P")]
    pub(crate) spectrum_exponent: Option<f32>,
    /// The masks are V^P over its sum [default: 1, with --learn 2; 2 makes it Wiener's filter of magnitudes]
    #[arg(long, value_name = "P")]
    pub(crate) mask_exponent: Option<f32>,
    /// Distance of the two microphones in metres; without it the limit of spatial aliasing is estimated
    #[arg(long, value_name = "METRES")]
    pub(crate) mic_distance: Option<f64>,
    /// Seconds in which one talker speaks alone (gmm): prints the Gaussian of those delays, the closed form of a mixture of one;
    /// repeat it for others
    #[arg(long, value_name = "FROM:TO", num_args = 1..)]
    pub(crate) alone: Vec<Interval>,
    /// Work at this sampling rate, which the sources then have [default: the sound's]
    #[arg(long, value_name = "HZ")]
    pub(crate) rate: Option<u32>,
    /// Samples of a frame [default: the power of two nearest to 55 ms with --train and --learn, 90 ms blind, 46 ms for nmfd, 128 ms for gmm]
    #[arg(long, value_name = "N")]
    pub(crate) frame: Option<usize>,
    /// Samples between frames [default: a quarter of a frame]
    #[arg(long, value_name = "N")]
    pub(crate) hop: Option<usize>,
    /// The true sources, in the order of the outputs (blind and gmm: any; the outputs are put in their order): prints SDR,
    /// SIR and SAR (BSS Eval, dB) after the --train part; of stereo sounds nmf scores the mean of the channels, gmm the first
    #[arg(long, value_name = "FILES", num_args = 1..)]
    pub(crate) reference: Vec<PathBuf>,
    /// Iterations at most; gmm: of the mixture of delays [default: 50 with --train and --learn, blind 100, gmm 200]
    #[arg(long, value_name = "N")]
    pub(crate) max_iter: Option<usize>,
    /// Factorizations from different starts: with --train and --learn their masks are averaged, blind the best is kept
    /// [default: 3]
    #[arg(long, value_name = "R")]
    pub(crate) runs: Option<usize>,
    /// Seed of everything random (gmm has nothing) [default: 0]
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u64>,
    /// Samples of the outputs
    #[arg(long, value_enum, default_value = "float")]
    pub(crate) samples: Samples,
    /// A page about the result.
    #[command(flatten)]
    pub(crate) report: ReportOptions,
}

/// How to separate.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Spectra and when they sound
    Nmf,
    /// Patterns of several frames and when they begin
    Nmfd,
    /// Directions, by two microphones
    Gmm,
}

/// How outputs are stored.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Samples {
    /// 16-bit integers; refused where they would clip
    #[value(name = "16")]
    I16,
    /// 24-bit integers; refused where they would clip
    #[value(name = "24")]
    I24,
    /// 32-bit integers; refused where they would clip
    #[value(name = "32")]
    I32,
    /// 32-bit floats, which never clip
    Float,
}

/// Runs the command.
pub(crate) fn run(args: &SeparateArgs, global: &Global) -> Result<(), Failure> {
    options::check(args)?;
    args.report.check_beside(args.output.as_deref())?;
    // where nothing can be written, say so before the work, not after it
    let folder = Folder::new(args.output.as_deref())?;
    // from here on Ctrl-C leaves nothing lying about
    let interruptible = Interruptible::new();
    let work = || match args.method {
        Method::Gmm => two_microphones::run(args, folder, &interruptible, global),
        _ => parts::run(args, folder, &interruptible, global),
    };
    // transforms and masks run on rayon's threads, wherever the factorization runs
    match global.threads {
        None => work(),
        Some(n) => match rayon::ThreadPoolBuilder::new().num_threads(n.get()).build() {
            Ok(pool) => pool.install(work),
            Err(e) => Err(Failure::work(format!("cannot start {n} threads: {e}"))),
        },
    }
}
