//! `inspect`: what is in a matrix file, and what factoring it would cost.

use crate::args::{Global, PrecisionChoice};
use crate::estimate::{Needs, Work};
use crate::failure::Failure;
use crate::input::InputOptions;
use crate::session;
use crate::text::{self, grouped, number, seconds};
use clap::Args;
use nmf_core::{Element, Loss, MatrixRef};
use nmf_io::{Loaded, Precision};
use serde_json::json;
use std::path::PathBuf;

/// Options of `inspect`.
#[derive(Args, Debug)]
#[command(
    long_about = "Reads a matrix and reports its shape, density and range, counts what cannot be factored (negative, NaN and \
        infinite entries), and estimates memory and time of a factorization.",
    after_help = "Example: nmf-cli inspect counts.npz -k 20 --loss kl"
)]
pub(crate) struct InspectArgs {
    /// The matrix: .npy, .npz, .mtx, .mtx.gz, .csv, .tsv, .h5ad (FILE:layers/NAME for another matrix in it), or a 10x folder
    pub(crate) input: PathBuf,
    /// Rank the estimates are for
    #[arg(short = 'k', long, value_name = "K", default_value_t = 10)]
    pub(crate) rank: usize,
    /// Loss the estimates are for
    #[arg(long, value_name = "LOSS", default_value = "fro")]
    pub(crate) loss: Loss,
    /// How to read it.
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
}

/// What the entries are like.
#[derive(Default)]
struct Survey {
    nonzeros: u64,
    negative: u64,
    nan: u64,
    infinite: u64,
    min: f64,
    max: f64,
    sum: f64,
}

impl Survey {
    fn of<T: Element>(x: &MatrixRef<'_, T>) -> Survey {
        let mut s = Survey { min: f64::INFINITY, max: f64::NEG_INFINITY, ..Survey::default() };
        x.for_each(|_, _, v| {
            let v = v.f64();
            s.nonzeros += u64::from(v != 0.0);
            s.negative += u64::from(v < 0.0);
            s.nan += u64::from(v.is_nan());
            s.infinite += u64::from(v.is_infinite());
            if v.is_finite() {
                (s.min, s.max, s.sum) = (s.min.min(v), s.max.max(v), s.sum + v);
            }
        });
        let (rows, cols) = x.dim();
        if x.stored() < rows as u64 * cols as u64 {
            // what is not stored is zero
            (s.min, s.max) = (s.min.min(0.0), s.max.max(0.0));
        }
        s
    }
}

/// Runs the command.
pub(crate) fn run(args: &InspectArgs, global: &Global) -> Result<(), Failure> {
    if args.rank == 0 {
        return Err(Failure::usage("-k 0 is not accepted: at least one component"));
    }
    let (loaded, load_seconds) = args.input_options.load(&args.input, global.read_precision()?, global)?;
    let survey = match &loaded {
        Loaded::F32(t) => Survey::of(&t.matrix.view()),
        Loaded::F64(t) => Survey::of(&t.matrix.view()),
    };
    let (rows, cols) = loaded.dim();
    let entries = rows as f64 * cols as f64;
    // sums over the finite entries; of an empty matrix there are none
    let finite = entries - (survey.nan + survey.infinite) as f64;
    let known = |v: f64| v.is_finite().then_some(v);
    let mean = known(survey.sum / finite);
    let density = known(survey.nonzeros as f64 / entries);
    let value = if loaded.precision_name() == "f32" { 4 } else { 8 };
    let matrix = loaded.stored() * (value + if loaded.is_sparse() { 4 } else { 0 });
    let work = Work {
        rows,
        cols,
        stored: loaded.stored(),
        sparse: loaded.is_sparse(),
        rank: args.rank,
        iterations: 100,
        loss: args.loss.clone(),
        precision: loaded.precision(),
        needs: Needs::default(),
    };
    // the CPU works on a copy of X (two, by rows and by columns, of a sparse one) beside the one that was read
    let cpu = matrix as f64 + work.bytes() + work.factor_bytes();
    // a GPU computes in f64 only where it is asked to
    let double = global.precision == Some(PrecisionChoice::F64);
    let on_gpu = Work { precision: if double { Precision::F64 } else { Precision::F32 }, ..work.clone() };
    let gpu = on_gpu.bytes() + on_gpu.factor_bytes();
    let threads = session::threads(global);
    let (cpu_time, gpu_time) = (work.cpu_seconds(threads), on_gpu.gpu_seconds(true));
    if global.json {
        return text::print_json(&json!({
            "rows": rows, "cols": cols, "nnz": survey.nonzeros, "density": density,
            "min": known(survey.min), "max": known(survey.max), "mean": mean,
            "negative": survey.negative, "nan": survey.nan, "infinite": survey.infinite,
            "memory": { "matrix_bytes": matrix, "cpu_bytes": cpu as u64, "gpu_bytes": gpu as u64 },
            "seconds": { "cpu_100_iterations": cpu_time, "gpu_100_iterations": gpu_time },
            "stored": loaded.stored(), "sparse": loaded.is_sparse(), "precision": loaded.precision_name(),
            "row_names": loaded.row_names().is_some(), "col_names": loaded.col_names().is_some(),
            "load_seconds": load_seconds,
        }));
    }
    let kind = if loaded.is_sparse() { "sparse" } else { "dense" };
    let show = |v: Option<f64>| v.map_or("none".to_string(), number);
    let names = match (loaded.row_names().is_some(), loaded.col_names().is_some()) {
        (true, true) => ", rows and columns named",
        (true, false) => ", rows named",
        (false, true) => ", columns named",
        (false, false) => "",
    };
    let mib = |b: f64| format!("{:.1} MiB", b / f64::from(1 << 20));
    let bad = survey.negative + survey.nan + survey.infinite;
    let verdict = match bad {
        0 if rows == 0 || cols == 0 => "none, but it is empty: there is nothing to factor".to_string(),
        0 if survey.nonzeros == 0 => "none, but every entry is zero: there is nothing to factor".to_string(),
        0 if !args.loss.allows_zero() && (survey.nonzeros as f64) < entries => {
            format!("none, but {} needs entries > 0: --floor V or --stored-only", args.loss)
        }
        0 => "none: it can be factored".to_string(),
        n if n == survey.nan => {
            format!("{} NaN: it can be factored with --mask FILE, which says that they are unknown", grouped(n))
        }
        _ => format!(
            "{} negative, {} NaN, {} infinite: it cannot be factored as it is",
            grouped(survey.negative),
            grouped(survey.nan),
            grouped(survey.infinite)
        ),
    };
    let percent = density.map_or("none".into(), |d| format!("{:.4} %", 100.0 * d));
    text::print(&format!(
        "{:<15}{rows}×{cols}, {kind}, {}{names}\n{:<15}{} ({percent})\n{:<15}{} to {}, mean {}\n{:<15}{verdict}\n\
         {:<15}{} for X; factoring at k = {}: {} on the CPU, {} on a GPU\n{:<15}100 iterations of {}: about {} on the CPU ({threads} threads), {} on a discrete GPU (rough)",
        "matrix",
        loaded.precision_name(),
        "non-zeros",
        grouped(survey.nonzeros),
        "range",
        show(known(survey.min)),
        show(known(survey.max)),
        show(mean),
        "bad entries",
        "memory",
        mib(matrix as f64),
        work.rank,
        mib(cpu),
        mib(gpu),
        "time",
        work.loss,
        seconds(cpu_time),
        seconds(gpu_time),
    ))
}
