//! `factorize`: X ≈ W·H for a matrix from a file.

use crate::args::Global;
use crate::checkpoint::CheckpointOptions;
use crate::failure::Failure;
use crate::fit_options::FitOptions;
use crate::input::{InputOptions, keep_apart};
use crate::known::{Known, KnownOptions};
use crate::model;
use crate::report::{Model, Page, ReportOptions, fit};
use crate::session::{self, Engine, on_engine};
use crate::solve::{Job, Solved, solve};
use crate::text;
use clap::{Args, ValueEnum};
use nmf_core::{Element, Norm};
use nmf_io::Table;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Options of `factorize`.
#[derive(Args, Debug)]
#[command(
    long_about = "Factors a matrix: X (m×n, entries ≥ 0) ≈ W (m×k) · H (k×n).\n\nRows of X are the things \
        described (documents, cells, pictures), columns what describes them (words, genes, pixels). Row q of H is \
        part q, in the units of X; row i of W says how much of each part is in row i of X.",
    after_help = "Examples:\n  nmf-cli factorize counts.mtx.gz -k 20 --loss kl -o model\n  \
        nmf-cli factorize x.npy -k 10 --solver mu --init random --seed 3 --tol 0 --max-iter 100 --json\n  \
        nmf-cli factorize gaps.csv -k 5 --mask known.csv -o model\n  \
        nmf-cli factorize spectrogram.npy -k 30 --shifts 12 --loss is -o model\n  \
        nmf-cli factorize huge.npz -k 200 --max-iter 5000 --checkpoint huge.ckpt --resume -o model\n  \
        nmf-cli factorize table.csv -k 5 --report table.html --plots pictures\n\n\
        With --shifts L, X ≈ Σ W[:,:,τ]·(H moved τ columns to the right), τ = 0 to L−1: W[:,q,:] is a pattern of L columns of X, and \
        row q of H says where it begins and how strong it is.\n\n\
        The objective is the plain sum over the entries: fro ½Σ(x−v)², kl Σ(x ln(x/v) − x + v), is Σ(x/v − ln(x/v) − 1). With \
        --mask the sums (and the squared error Σ(x−v)²) run over the known entries, with --weights each entry's term is \
        multiplied by its weight.\n\n\
        --checkpoint FILE makes a long factorization safe: killed at any moment, the same command with --resume goes on from the last \
        checkpoint and ends at the same result, to the last bit. The input and all options must be the same, and so must the machine; \
        --max-iter and --time-limit may be raised as long as no earlier restart ended by them, and --threads, --normalize and -o are \
        free. A finished factorization leaves FILE where it is: --resume then answers at once, or does the iterations that a larger \
        --max-iter asks for."
)]
pub(crate) struct FactorizeArgs {
    /// X, m×n: .npy, .npz (an array or scipy.sparse), .mtx, .mtx.gz, .csv, .tsv, .h5ad (FILE:layers/NAME for another matrix in it), or a 10x folder
    pub(crate) input: PathBuf,
    /// Folder for W.npy (m×k; with --shifts m×k×L), H.npy (k×n), fit.json and the names of rows and columns
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// How to factor.
    #[command(flatten)]
    pub(crate) fit: FitOptions,
    /// How to read X.
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// Which entries count.
    #[command(flatten)]
    pub(crate) known: KnownOptions,
    /// Remove the scale ambiguity: components of W (with --shifts whole patterns) or H get sum 1 or Euclidean norm 1, the other
    /// factor takes the scale up
    #[arg(long, value_enum, default_value = "none", value_name = "HOW")]
    pub(crate) normalize: Normalize,
    /// Factor again on another backend from the same start; exit 1 if an objective differs by more than 1e-4 relative
    #[arg(long)]
    pub(crate) cross_check: bool,
    /// A page about the result.
    #[command(flatten)]
    pub(crate) report: ReportOptions,
    /// What is kept on the way.
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointOptions,
}

/// What to normalize.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Normalize {
    /// Factors as they come
    None,
    /// Columns of W sum to 1
    WSum,
    /// Columns of W have norm 1
    WEuclidean,
    /// Rows of H sum to 1
    HSum,
    /// Rows of H have norm 1
    HEuclidean,
}

impl Normalize {
    pub(crate) fn norm(self) -> Option<Norm> {
        match self {
            Normalize::None => None,
            Normalize::WSum => Some(Norm::WSum),
            Normalize::WEuclidean => Some(Norm::WEuclidean),
            Normalize::HSum => Some(Norm::HSum),
            Normalize::HEuclidean => Some(Norm::HEuclidean),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &FactorizeArgs, global: &Global) -> Result<(), Failure> {
    let precision = global.read_precision()?;
    if args.normalize != Normalize::None && (args.fit.fix_w.is_some() || args.fit.fix_h.is_some()) {
        return Err(Failure::usage(
            "--normalize would rescale the components that --fix-w or --fix-h keeps: leave one away",
        ));
    }
    if let Some(dir) = &args.output {
        // where nothing can be written, say so before the work, not after it
        nmf_io::Staging::new(dir)?;
    }
    let factors = args.output.as_ref().map(|dir| (dir.join("W.npy"), dir.join("H.npy")));
    let mut files: Vec<(&str, &Path)> = vec![("the input", &args.input)];
    files.extend(args.report.report.iter().map(|p| ("--report", p.as_path())));
    files.extend(args.checkpoint.file().map(|p| ("--checkpoint", p)));
    files.extend(args.output.iter().map(|p| ("-o", p.as_path())));
    files.extend(factors.iter().flat_map(|(w, h)| [("W.npy of -o", w.as_path()), ("H.npy of -o", h.as_path())]));
    keep_apart(&files)?;
    if let Some(dir) = &args.output {
        model::keep_inputs(dir, &[&args.input])?;
    }
    args.report.check_beside(args.output.as_deref())?;
    let checkpoint = args.checkpoint.open(global)?;
    let clock = Instant::now();
    let (loaded, _) = args.input_options.load(&args.input, precision, global)?;
    args.fit.check_shifts(&args.input, loaded.dim().1)?;
    let known = args.known.load(&args.input_options, &loaded, global)?;
    let load_seconds = clock.elapsed().as_secs_f64();
    let work = session::work(&loaded, &args.fit, &known);
    let mut engine = Engine::open(global, &work)?;
    let other = if args.cross_check { Some(engine.open_other(global, &work)?) } else { None };
    on_engine!(&mut engine, loaded, |b, table| {
        let job = Job {
            fit: &args.fit,
            known: &known,
            normalize: args.normalize.norm(),
            source: &args.input,
            load_seconds,
            checkpoint: checkpoint.as_ref(),
            output: args.output.as_deref(),
            global,
        };
        let solved = solve(b, table.matrix.view(), &job, other)?;
        finish(&solved, &table, args, &known, global)
    })
}

fn finish<T: Element>(
    solved: &Solved<T>,
    table: &Table<T>,
    args: &FactorizeArgs,
    known: &Known,
    global: &Global,
) -> Result<(), Failure> {
    let (json, output) = (Value::Object(solved.report.to_json()), args.output.as_deref());
    if let Some(dir) = output {
        let (w, h) = (solved.fitted.w(), solved.fitted.h());
        model::save(dir, w, h, &json, table.row_names.as_deref(), table.col_names.as_deref())?;
    }
    if args.report.wanted() {
        args.report.write(page(solved, table, args, known, global)?)?;
    }
    if global.json {
        text::print_json(&json)?;
    } else {
        let mut summary = solved.report.summary(global.verbose);
        match output {
            Some(dir) => summary.push_str(&format!("\n{:<15}{} (W.npy, H.npy, fit.json)", "written to", dir.display())),
            None => summary.push_str("\nW and H were not written: -o DIR does that"),
        }
        summary.push_str(&args.report.told());
        text::print(&summary)?;
    }
    solved.outcome(output)
}

/// The report.
fn page<T: Element>(
    solved: &Solved<T>,
    table: &Table<T>,
    args: &FactorizeArgs,
    known: &Known,
    global: &Global,
) -> Result<Page, Failure> {
    let report = &solved.report;
    let title = format!("{}: {} components", fit::file_name(&args.input), report.rank);
    let mut page = Page::new(&title, "Non-negative matrix factorization, X ≈ W·H");
    page.tiles(&fit::tiles(report));
    fit::progress(&mut page, report);
    let threads = session::threads(global);
    let model = Model { solved, table, known, rows: "rows", cols: "columns", threads };
    model.heat_maps(&mut page)?;
    model.components(&mut page);
    fit::loss(&mut page, report);
    fit::settings(&mut page, report, &args.input, &args.fit.stops());
    Ok(page)
}
