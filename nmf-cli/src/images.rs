//! `images`: pictures as rows, and the parts they are made of.

mod compare;
mod draw;
mod files;
mod input;
mod json;
mod page;
mod pixels;
mod told;

use crate::args::Global;
use crate::failure::Failure;
use crate::fit_options::FitOptions;
use crate::known::Known;
use crate::report::ReportOptions;
use crate::session::{self, Engine, on_engine};
use crate::solve::{Job, Solved, solve};
use crate::text;
use clap::Args;
use compare::Rival;
use nmf_core::{Backend, Element, Stopped};
use nmf_image::{Errors, LowRank, Scaling, Stored};
use nmf_io::Table;
use serde_json::Value;
use std::path::PathBuf;

pub(crate) use input::read_pictures_for_model;
use input::{Pictures, load};

/// Options of `images`.
#[derive(Args, Debug)]
#[command(
    long_about = "Factors pictures of one size: X (pictures × pixels) ≈ W·H. The rows of H are pictures too, which add up and never cancel: parts. \
        They are shown beside what principal components (PCA) and k-means make of the same pictures at the same k.\n\n\
        Pictures: a folder (with everything below it) or .tar(.gz) of PNG, JPEG, PGM or PPM, one such file, or an .npy or .npz with an array \
        of pictures × rows × columns (× 3 colours).",
    after_help = "Examples:\n  nmf-cli images faces/ -k 49 --scale lee-seung -o model\n  \
        nmf-cli images faces.npz -k 49 --ranks 5,10,25,49 --show 17 --report faces.html\n  \
        nmf-cli images photo.jpg --pixels -k 3 -o palette\n  nmf-cli images faces.npz -k 64 --ranks 8,16,32,64 --denoise 0.1\n  \
        nmf-cli transform model new_faces/ -o weights.npy\n\n\
        error: ‖X − WH‖/‖X‖; PSNR: −10·log₁₀ of the mean squared error, in dB, where 1 is full intensity; sparseness: Hoyer's measure of the bases, \
        0 for a flat picture, 1 for a single pixel; compression: m·n over (m + n)·k numbers."
)]
pub(crate) struct ImagesArgs {
    /// The pictures: a folder, .tar, .tar.gz, a picture, .npy or .npz
    pub(crate) input: PathBuf,
    /// Folder for the model (W, H), images.tsv, bases.png, reconstructions.png, comparison.png and .svg, parts.png
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Ranks at which pictures are put together again, each a factorization of its own [default: k/8, k/4, k/2 and k]
    #[arg(long, value_delimiter = ',', value_name = "K,K,…")]
    pub(crate) ranks: Option<Vec<usize>>,
    /// The picture that is taken apart: its name, the end of its path, or its number from 0 [default: the first]
    #[arg(long, value_name = "NAME|INDEX")]
    pub(crate) show: Option<String>,
    /// No principal components and no k-means beside it
    #[arg(long)]
    pub(crate) no_compare: bool,
    /// Take one colour picture apart: X is its pixels × RGB, H a palette, W how much of each colour a pixel has
    #[arg(long, conflicts_with_all = ["ranks", "show", "denoise", "scale"])]
    pub(crate) pixels: bool,
    /// Add Gaussian noise of standard deviation SIGMA (1: full intensity) before, and say how much of it each of --ranks takes away
    #[arg(long, value_name = "SIGMA")]
    pub(crate) denoise: Option<f64>,
    /// Intensities of each picture: none (as they are), unit (stretched to 0..1) or lee-seung (mean and standard deviation 0.25, clipped to
    /// 0..1; for photographs: it would light up a black background)
    #[arg(long, default_value = "none", value_name = "HOW", help_heading = "Pictures")]
    pub(crate) scale: Scaling,
    /// Keep the colours [default: grey]
    #[arg(long, help_heading = "Pictures")]
    pub(crate) color: bool,
    /// Bring every picture to W×H pixels
    #[arg(long, value_name = "WxH", value_parser = size, help_heading = "Pictures")]
    pub(crate) resize: Option<(usize, usize)>,
    /// The array of an .npz with several [default: the one that can be pictures]
    #[arg(long, value_name = "NAME", help_heading = "Pictures")]
    pub(crate) array: Option<String>,
    /// How to factor.
    #[command(flatten)]
    pub(crate) fit: FitOptions,
    /// A page about the result.
    #[command(flatten)]
    pub(crate) report: ReportOptions,
}

/// "64x48" or "64×48".
fn size(s: &str) -> Result<(usize, usize), String> {
    let sides = s.split_once(['x', 'X', '×']).and_then(|(w, h)| Some((w.trim().parse().ok()?, h.trim().parse().ok()?)));
    sides.filter(|(w, h)| *w > 0 && *h > 0).ok_or_else(|| format!("'{s}' is no size: width and height such as 64x48"))
}

/// The pictures put together again at one rank.
struct Again {
    model: LowRank,
    /// Against what was factored.
    errors: Errors,
    /// Against the pictures before the noise, with --denoise.
    clean: Option<Errors>,
}

impl Again {
    fn new<T: Element>(solved: &Solved<T>, pictures: &Pictures) -> Again {
        let (weights, bases) = (solved.fitted.w().mapv(T::f64), solved.fitted.h().mapv(T::f64));
        let model = LowRank { weights, bases, mean: None };
        let errors = model.errors(pictures.stack.pixels.view());
        let clean = pictures.clean.as_ref().map(|x| model.errors(x.view()));
        Again { model, errors, clean }
    }

    /// k.
    fn rank(&self) -> usize {
        self.model.bases.nrows()
    }
}

/// Everything that was found.
struct Found<'a> {
    args: &'a ImagesArgs,
    pictures: &'a Pictures,
    /// `fit.json`'s.
    fit: &'a crate::fit_json::Report,
    /// At k.
    own: Again,
    /// At other ranks, ascending; `own` is among them by its rank alone.
    others: Vec<Again>,
    /// Principal components and k-means, unless left out.
    rivals: Vec<Rival>,
    /// The picture that is taken apart.
    shown: usize,
}

impl Found<'_> {
    /// All ranks, ascending.
    fn ranks(&self) -> Vec<&Again> {
        let mut all: Vec<&Again> = self.others.iter().chain([&self.own]).collect();
        all.sort_by_key(|a| a.rank());
        all
    }

    /// What the factors take at rank k.
    fn stored(&self, k: usize) -> Stored {
        Stored::new(self.pictures.stack.pixels.dim(), k)
    }
}

impl ImagesArgs {
    /// Refuses what cannot be honoured, before any work.
    fn check(&self) -> Result<(), Failure> {
        let refuse = |message: String| Err(Failure::usage(message));
        if self.fit.shifts != 1 {
            return refuse(format!(
                "--shifts {} is not accepted by images: patterns over neighbouring columns need one row of them, and pixels have two directions",
                self.fit.shifts
            ));
        }
        if let Some(ranks) = &self.ranks {
            if let Some(bad) = ranks.iter().find(|k| !(1..=65_536).contains(*k)) {
                return refuse(format!("--ranks {bad} is not accepted: whole numbers from 1 to 65536"));
            }
            let given = [&self.fit.w0, &self.fit.h0, &self.fit.fix_w, &self.fit.fix_h];
            if given.iter().any(|f| f.is_some()) && ranks.iter().any(|k| *k != self.fit.rank) {
                let k = self.fit.rank;
                return refuse(format!(
                    "--ranks with --w0, --h0, --fix-w or --fix-h: these files are for k = {k} alone"
                ));
            }
        }
        if let Some(sigma) = self.denoise.filter(|s| !(s.is_finite() && *s > 0.0)) {
            return refuse(format!(
                "--denoise {sigma} is not accepted: a standard deviation, a finite number > 0 (1 is full intensity)"
            ));
        }
        if let Some(dir) = &self.output {
            // where nothing can be written, say so before the work, not after it
            nmf_io::Staging::new(dir)?;
        }
        self.report.check_beside(self.output.as_deref())?;
        self.keep_apart()
    }

    /// Refuses outputs in place of the pictures.
    fn keep_apart(&self) -> Result<(), Failure> {
        if let Some(dir) = &self.output {
            crate::model::keep_inputs(dir, &[&self.input])?;
        }
        if let Some(report) = &self.report.report {
            crate::input::keep_apart(&[("the input", &self.input), ("--report", report)])?;
        }
        if let (Some(dir), Some(plots)) = (&self.output, &self.report.plots) {
            crate::input::keep_apart(&[("-o", dir), ("--plots", plots)])?;
        }
        self.output.iter().chain(&self.report.plots).try_for_each(|dir| crate::input::keep_outside(&self.input, dir))
    }

    /// The ranks besides k.
    fn other_ranks(&self, most: usize) -> Vec<usize> {
        let k = self.fit.rank;
        let given = [&self.fit.w0, &self.fit.h0, &self.fit.fix_w, &self.fit.fix_h].iter().any(|f| f.is_some());
        let mut all = match &self.ranks {
            Some(ranks) => ranks.clone(),
            None if given => Vec::new(),
            None => [8, 4, 2].into_iter().map(|d| k / d).filter(|k| (1..=most).contains(k)).collect(),
        };
        all.retain(|r| *r != k);
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Runs the command.
pub(crate) fn run(args: &ImagesArgs, global: &Global) -> Result<(), Failure> {
    global.read_precision()?;
    args.check()?;
    if args.pixels {
        return pixels::run(args, global);
    }
    let pictures = load(args, global)?;
    if pictures.stack.names.len() < 2 {
        let message =
            "one picture: at least two are needed, which have parts in common; --pixels takes the colours of one apart";
        return Err(Failure::file(&args.input, message));
    }
    let shown = pictures.stack.find(args.show.as_deref().unwrap_or("0"), &args.input)?;
    let loaded = pictures.table(global)?;
    let known = Known::default();
    let mut work = session::work(&loaded, &args.fit, &known);
    let others = args.other_ranks(work.rows.min(work.cols));
    work.iterations = work.iterations.saturating_mul(1 + others.len());
    let mut engine = Engine::open(global, &work)?;
    on_engine!(&mut engine, loaded, |b, table| {
        let solved = factor(b, &table, args, &pictures, args.fit.rank, global)?;
        let own = Again::new(&solved, &pictures);
        let mut found = Found {
            args,
            pictures: &pictures,
            fit: &solved.report,
            own,
            others: Vec::new(),
            rivals: Vec::new(),
            shown,
        };
        // Ctrl-C skips what is left, here and in what follows; what there is gets saved
        let mut armed = Vec::new();
        for k in others {
            if solved.interruptible.stopping() {
                break;
            }
            let again = factor(b, &table, args, &pictures, k, global)?;
            if again.report.stopped != Stopped::Interrupted {
                found.others.push(Again::new(&again, &pictures));
            }
            armed.push(again.interruptible);
        }
        if !args.no_compare && !solved.interruptible.stopping() {
            found.rivals = compare::rivals(args, &pictures, global)?;
        }
        if let Some(dir) = &args.output {
            files::save(dir, &solved, &found)?;
        }
        if args.report.wanted() {
            args.report.write(page::page(&found)?)?;
        }
        if global.json {
            text::print_json(&Value::Object(json::json(&found)))?;
        } else {
            text::print(&(told::told(&found, global) + &args.report.told()))?;
        }
        solved.outcome(args.output.as_deref())
    })
}

/// One factorization of the pictures, at rank k.
fn factor<B: Backend>(
    b: &mut B,
    table: &Table<B::Elem>,
    args: &ImagesArgs,
    pictures: &Pictures,
    k: usize,
    global: &Global,
) -> Result<Solved<B::Elem>, Failure> {
    let fit = FitOptions { rank: k, ..args.fit.clone() };
    let job = Job {
        fit: &fit,
        known: &Known::default(),
        normalize: None,
        source: &args.input,
        load_seconds: pictures.load_seconds,
        checkpoint: None,
        output: None,
        global,
    };
    solve(b, table.matrix.view(), &job, None)
}
