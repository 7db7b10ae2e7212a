//! `genes`: from counts of cells × genes to programs, groups of genes that go together, and the cells that use them.

mod files;
mod page;
mod prepare;
mod programs;
mod report;
mod types;

use crate::args::Global;
use crate::checkpoint::CheckpointOptions;
use crate::failure::Failure;
use crate::fit_options::FitOptions;
use crate::input::InputOptions;
use crate::known::Known;
use crate::model;
use crate::report::ReportOptions;
use crate::session::{self, Engine, on_engine};
use crate::solve::{Job, solve};
use crate::text;
use clap::Args;
use nmf_core::Loss;
use nmf_io::Loaded;
use prepare::{Choice, Normalize};
use programs::Programs;
use regex::Regex;
use serde_json::Value;
use std::path::PathBuf;

/// Options of `genes`.
#[derive(Args, Debug)]
#[command(
    long_about = "Factors the counts of single-cell experiments (cells × genes) and prints the programs: which genes set each \
        apart, how many cells use it most, and how that agrees with known types of cells.\n\nINPUT: a 10x folder, an .h5ad file, \
        or any matrix with cells as rows and genes as columns (--transpose for the other way round).",
    after_help = "Examples:\n  nmf-cli genes filtered_feature_bc_matrix/ -k 10 -o model\n  nmf-cli genes pbmc.h5ad -k 10 --variable 2000 --types pbmc.h5ad:cell_type\n  \
        nmf-cli genes counts.csv --transpose -k 8 --types celltypes.tsv --json\n\n\
        The usage of program q by a cell is W[i,q] times the sum of H[q,·] (the counts expected from that program), divided by the \
        cell's total. Genes are ordered by p(g|q)·ln(p(g|q)/p(g)): how much a gene sets a program apart from the average cell."
)]
pub(crate) struct GenesArgs {
    /// Cells × genes: a 10x folder, .h5ad, or a matrix file
    pub(crate) input: PathBuf,
    /// Folder for the model (W, H, names), programs.tsv, usage.tsv and pictures
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Genes shown per program
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) top: usize,
    /// Known types of cells: TSV or CSV (cell, type) or .h5ad; FILE:COLUMN names the column
    #[arg(long, value_name = "FILE[:COLUMN]")]
    pub(crate) types: Option<String>,
    /// Which genes.
    #[command(flatten)]
    pub(crate) choice: GeneOptions,
    /// How to factor.
    #[command(flatten)]
    pub(crate) fit: FitOptions,
    /// How to read INPUT.
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// A page about the result.
    #[command(flatten)]
    pub(crate) report: ReportOptions,
    /// What is kept on the way.
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointOptions,
}

/// From the file to the matrix that is factored.
#[derive(Args, Debug)]
#[command(next_help_heading = "Cells and genes")]
pub(crate) struct GeneOptions {
    /// Keep only genes whose id or name matches this regular expression, such as ^ENSG
    #[arg(long, value_name = "RE")]
    pub(crate) genes: Option<Regex>,
    /// Leave out genes seen in fewer cells
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) min_cells: usize,
    /// Keep only the N genes that vary most (largest variance of Pearson residuals; needs counts)
    #[arg(long, value_name = "N")]
    pub(crate) variable: Option<usize>,
    /// Units to factor in: counts, cp10k (counts per 10,000 of the cell) or log1p (ln(1 + cp10k))
    #[arg(long, value_enum, default_value = "counts", value_name = "UNITS")]
    pub(crate) normalize: Normalize,
}

/// What became of the columns of the file.
pub(crate) struct Source {
    /// Genes of the file.
    pub(crate) genes: usize,
    /// Those that were kept, from 0.
    pub(crate) kept: Vec<usize>,
    /// Units.
    pub(crate) normalize: Normalize,
}

/// Runs the command.
pub(crate) fn run(args: &GenesArgs, global: &Global) -> Result<(), Failure> {
    let precision = global.read_precision()?;
    if args.top == 0 {
        return Err(Failure::usage("--top 0 is not accepted: at least one gene per program"));
    }
    if args.choice.variable == Some(0) {
        return Err(Failure::usage("--variable 0 is not accepted: at least one gene"));
    }
    if args.fit.shifts != 1 {
        return Err(Failure::usage(format!(
            "--shifts {} is not accepted by genes: patterns over neighbouring columns need columns in an order, and genes have none",
            args.fit.shifts
        )));
    }
    if let Some(dir) = &args.output {
        // where nothing can be written, say so before the work, not after it
        nmf_io::Staging::new(dir)?;
        model::keep_inputs(dir, &[&args.input])?;
    }
    if args.input_options.floor.is_some() {
        return Err(Failure::usage("--floor: with it every gene would be on in every cell; leave it out"));
    }
    args.report.check_beside(args.output.as_deref())?;
    let checkpoint = args.checkpoint.open(global)?;
    let (loaded, load_seconds) = args.input_options.load(&args.input, precision, global)?;
    let ids = match args.input_options.transpose {
        true => None,
        false => nmf_io::column_ids(&args.input)?,
    };
    let choice = Choice {
        pattern: args.choice.genes.as_ref(),
        min_cells: args.choice.min_cells,
        variable: args.choice.variable,
        normalize: args.choice.normalize,
    };
    let (loaded, source) = match loaded {
        Loaded::F32(t) => {
            let kept = prepare::choose(&t, ids.as_deref(), &choice, &args.input)?;
            let source = Source { genes: t.dim().1, kept, normalize: choice.normalize };
            (Loaded::F32(prepare::reduce(t, &source.kept, choice.normalize)), source)
        }
        Loaded::F64(t) => {
            let kept = prepare::choose(&t, ids.as_deref(), &choice, &args.input)?;
            let source = Source { genes: t.dim().1, kept, normalize: choice.normalize };
            (Loaded::F64(prepare::reduce(t, &source.kept, choice.normalize)), source)
        }
    };
    let types = match (&args.types, loaded.row_names()) {
        (None, _) => None,
        (Some(from), Some(cells)) => Some(types::read(from, cells)?),
        (Some(_), None) => {
            return Err(Failure::file(&args.input, "--types finds cells by their names, and this file has none"));
        }
    };
    let mut fit = args.fit.clone();
    fit.loss.get_or_insert(Loss::KL);
    let known = Known { observed: args.input_options.observed(), weights: None };
    let mut engine = Engine::open(global, &session::work(&loaded, &fit, &known))?;
    on_engine!(&mut engine, loaded, |b, table| {
        let job = Job {
            fit: &fit,
            known: &known,
            normalize: None,
            source: &args.input,
            load_seconds,
            checkpoint: checkpoint.as_ref(),
            output: args.output.as_deref(),
            global,
        };
        let solved = solve(b, table.matrix.view(), &job, None)?;
        let programs = Programs::of(&solved, &table, types, args.top)?;
        if let Some(dir) = &args.output {
            files::save(dir, &solved, &table, &programs, &source)?;
        }
        if args.report.wanted() {
            args.report.write(page::page(args, &solved, &table, &programs, &source, &known, global)?)?;
        }
        if global.json {
            text::print_json(&Value::Object(programs.to_json(&solved.report, &source)))?;
        } else {
            let told = programs.to_text(&solved.report, &source, args.output.as_deref(), global.verbose);
            text::print(&(told + &args.report.told()))?;
        }
        solved.outcome(args.output.as_deref())
    })
}
