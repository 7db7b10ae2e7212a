//! `unmix`: a hyperspectral cube as mixtures of a few spectra.

mod model;
mod report;
mod score;

use crate::args::Global;
use crate::estimate::{Needs, Work};
use crate::failure::Failure;
use crate::input::keep_apart;
use crate::model as model_files;
use crate::progress::{Interruptible, spinner};
use crate::report::ReportOptions;
use crate::session::{Engine, on_engine};
use crate::text;
use clap::{Args, ValueEnum};
use model::Unmixed;
use ndarray::{Array2, ArrayD, Ix3};
use nmf_core::{Element, Loss, SolverKind};
use nmf_io::{ArrayInfo, Loaded, Precision, Table};
use score::Reference;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Options of `unmix`.
#[derive(Args, Debug)]
#[command(
    long_about = "Unmixes a hyperspectral picture: finds the spectra of k pure materials (endmembers) and the share of each in every \
        pixel (abundances).\n\nCUBE is an array rows × columns × bands in .npy or .npz, entries ≥ 0. The purest pixels are found by the \
        successive projection algorithm, and a non-negative factorization of pixels × bands (fro) goes on from there for a few \
        iterations.",
    after_help = "Examples:\n  nmf-cli unmix samson.npz -k 3 --reference samson.npz -o unmixed\n  nmf-cli unmix cube.npy -k 5 --refine 0 --report unmixed.html\n\n\
        Every endmember has 1 as its largest value. With --abundances normalized each pixel has a brightness of its own, and its \
        weights are divided by their sum; constrained asks for weights that sum to 1 (fully constrained least squares), with \
        endmembers as bright as the pixels they were found in."
)]
pub(crate) struct UnmixArgs {
    /// The cube, rows × columns × bands: .npy or .npz
    pub(crate) cube: PathBuf,
    /// Number of endmembers
    #[arg(short = 'k', long, value_name = "K")]
    pub(crate) rank: usize,
    /// Folder for the model (W, H), abundances.npy, endmembers.tsv and pictures
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// The array of an .npz of several [default: the only one, the only one of three dimensions, or cube]
    #[arg(long, value_name = "NAME")]
    pub(crate) array: Option<String>,
    /// Iterations of the factorization (fro, ahals) from the purest pixels; 0 keeps them as they are. Its optimum is not unique: with
    /// many iterations the spectra drift away from those of pixels
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) refine: usize,
    /// What makes the abundances of a pixel sum to 1
    #[arg(long, value_enum, default_value = "normalized", value_name = "HOW")]
    pub(crate) abundances: Abundances,
    /// The truth to compare with: .npz with abundances (rows × columns × k) and endmembers (k × bands), or one of them
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Option<PathBuf>,
    /// A page about the result.
    #[command(flatten)]
    pub(crate) report: ReportOptions,
}

/// How weights become shares.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abundances {
    /// Weights ≥ 0 by least squares, divided by their sum
    Normalized,
    /// Least squares under weights ≥ 0 that sum to 1
    Constrained,
}

impl Abundances {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        if self == Abundances::Normalized { "normalized" } else { "constrained" }
    }
}

/// Rows, columns and bands.
pub(crate) type Shape = (usize, usize, usize);

/// Runs the command.
pub(crate) fn run(args: &UnmixArgs, global: &Global) -> Result<(), Failure> {
    let precision = global.read_precision()?;
    let mut files: Vec<(&str, &Path)> = vec![("CUBE", &args.cube)];
    files.extend(args.output.iter().map(|p| ("-o", p.as_path())));
    files.extend(args.report.report.iter().map(|p| ("--report", p.as_path())));
    keep_apart(&files)?;
    if let Some(dir) = &args.output {
        // where nothing can be written, say so before the work, not after it
        nmf_io::Staging::new(dir)?;
        let inputs: Vec<&Path> = std::iter::once(&args.cube).chain(&args.reference).map(PathBuf::as_path).collect();
        model_files::keep_inputs(dir, &inputs)?;
    }
    args.report.check_beside(args.output.as_deref())?;
    let clock = Instant::now();
    let wheel = spinner(global, format!("reading {}", args.cube.display()));
    let (name, own) = choose(&args.cube, args.array.as_deref())?;
    let (loaded, shape) = match precision.unwrap_or(own) {
        Precision::F32 => {
            let (x, shape) = pixels::<f32>(nmf_io::read_array(&args.cube, name.as_deref())?, &args.cube)?;
            (Loaded::F32(Table::new(x)), shape)
        }
        Precision::F64 => {
            let (x, shape) = pixels::<f64>(nmf_io::read_array(&args.cube, name.as_deref())?, &args.cube)?;
            (Loaded::F64(Table::new(x)), shape)
        }
    };
    let most = (shape.0 * shape.1).min(shape.2);
    if args.rank == 0 || args.rank > most {
        let message = format!(
            "-k {}: 1 to {most} endmembers can be found in {} pixels of {} bands",
            args.rank,
            shape.0 * shape.1,
            shape.2
        );
        return Err(Failure::file(&args.cube, message));
    }
    let reference = args.reference.as_deref().map(|path| Reference::read(path, shape)).transpose()?;
    drop(wheel);
    let load_seconds = clock.elapsed().as_secs_f64();
    let (rows, cols) = loaded.dim();
    let work = Work {
        rows,
        cols,
        stored: loaded.stored(),
        sparse: false,
        rank: args.rank,
        iterations: args.refine + 2,
        loss: Loss::FRO,
        precision: loaded.precision(),
        needs: Needs { solver: SolverKind::AHals, ..Needs::default() },
    };
    let mut engine = Engine::open(global, &work)?;
    on_engine!(&mut engine, loaded, |b, table| {
        let guard = Interruptible::new();
        let found = Unmixed::find(b, table.matrix.view(), shape, args, load_seconds, (global, &guard))?;
        let score = reference.as_ref().map(|r| r.score(&found));
        if let Some(dir) = &args.output {
            report::save(dir, &found)?;
        }
        if args.report.wanted() {
            args.report.write(report::page(args, &found, score.as_ref()))?;
        }
        if global.json {
            text::print_json(&Value::Object(report::json(&found, score.as_ref())))?;
        } else {
            let told = report::told(args, &found, score.as_ref(), global.verbose);
            text::print(&(told + &args.report.told()))?;
        }
        match (guard.stopping(), &args.output) {
            (false, _) => Ok(()),
            (true, Some(dir)) => Err(Failure::interrupted(format!("what there is was saved in {}", dir.display()))),
            (true, None) => Err(Failure::interrupted("nothing was saved, for want of -o DIR")),
        }
    })
}

/// The array to read: the one asked for, the one called cube, or the only one of three dimensions; and its own precision.
fn choose(path: &Path, name: Option<&str>) -> Result<(Option<String>, Precision), Failure> {
    let arrays = nmf_io::arrays(path)?;
    let cubes: Vec<&ArrayInfo> = arrays.iter().filter(|a| a.shape.len() == 3).collect();
    let called = |name: &str| arrays.iter().find(|a| a.name.as_deref() == Some(name));
    let chosen = match (name, &arrays[..], &cubes[..]) {
        (Some(name), ..) => called(name),
        (None, [one], _) => Some(one),
        (None, _, [one]) => Some(*one),
        (None, ..) => called("cube"),
    };
    let Some(chosen) = chosen else {
        let all: Vec<String> =
            arrays.iter().map(|a| format!("'{}' {:?}", a.name.as_deref().unwrap_or_default(), a.shape)).collect();
        return Err(Failure::file(path, format!("--array NAME must name one of its arrays: {}", all.join(", "))));
    };
    let precision = if chosen.kind == "f8" { Precision::F64 } else { Precision::F32 };
    Ok((chosen.name.clone(), precision))
}

/// Pixels × bands, in the order of the rows of the picture.
fn pixels<T: Element>(array: ArrayD<T>, path: &Path) -> Result<(Array2<T>, Shape), Failure> {
    let found = format!("{:?}", array.shape());
    let cube = array
        .into_dimensionality::<Ix3>()
        .map_err(|_| Failure::file(path, format!("an array of shape {found}: rows × columns × bands are needed")))?;
    let shape = cube.dim();
    if let Some(((i, j, band), v)) = cube.indexed_iter().find(|(_, v)| !(**v >= T::zero() && v.is_finite())) {
        let message =
            format!("row {i}, column {j}, band {band} (counted from 0) is {v}: finite numbers ≥ 0 are accepted");
        return Err(Failure::file(path, message));
    }
    let cube = if cube.is_standard_layout() { cube } else { cube.as_standard_layout().into_owned() };
    let x = cube.into_shape_with_order((shape.0 * shape.1, shape.2)).map_err(|e| Failure::file(path, e))?;
    Ok((x, shape))
}
