//! `probabilities`: a table of counts as a joint distribution, and a factorization of it as latent classes.

mod files;
mod page;
mod show;

use crate::args::Global;
use crate::failure::Failure;
use crate::fit_options::FitOptions;
use crate::input::{InputOptions, keep_apart};
use crate::known::Known;
use crate::model;
use crate::report::{ReportOptions, named};
use crate::session::{self, Engine, on_engine};
use crate::solve::{Job, Solved, solve};
use crate::text;
use clap::builder::ArgPredicate;
use clap::{Arg, Args};
use nmf_core::probability::{Blocks, Contingency, LatentClasses};
use nmf_core::{Element, Loss, Matrix};
use nmf_io::{Loaded, Staging, Table};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Options of `probabilities`.
#[derive(Args, Debug)]
#[command(
    long_about = "Reads a table of counts or amounts (users × products, words × documents) as a joint distribution P(row, col) = X / ΣX: prints the \
        marginals P(row) and P(col), the conditionals P(col | row) and P(row | col), and the mutual information of both.\n\nWith -k also factors it under kl \
        and reads X / ΣX ≈ Σ P(q)·P(row | q)·P(col | q): latent classes q within which row and column are independent (PLSA), and so clusters of rows and \
        columns together.",
    after_help = "Examples:\n  nmf-cli probabilities purchases.csv\n  nmf-cli probabilities purchases.csv -k 3 -o classes --report classes.html\n  \
        nmf-cli probabilities counts.mtx.gz -k 10 --restarts 5 --json\n\n\
        --json holds whole tables of up to 100,000 numbers (null beyond); the files of -o always hold all. An empty row or column has no conditionals (null, or an \
        empty field)."
)]
pub(crate) struct ProbabilitiesArgs {
    /// X, m×n: .npy, .npz (an array or scipy.sparse), .mtx, .mtx.gz, .csv, .tsv, .h5ad (FILE:layers/NAME for another matrix in it), or a 10x folder
    pub(crate) input: PathBuf,
    /// Folder for rows.tsv, cols.tsv and joint.tsv; with -k also for the model (W.npy, H.npy, fit.json), components.tsv, the distributions of and
    /// over components (row_given_component.tsv, component_given_row.tsv, and so for columns) and blocks.svg
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Rows and columns printed of large tables, and for each component
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(crate) top: usize,
    /// How to factor.
    #[command(flatten)]
    pub(crate) fit: FitOptions,
    /// How to read X.
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// A page about the result.
    #[command(flatten)]
    pub(crate) report: ReportOptions,
}

/// What works without -k; everything else asks for it.
const WITHOUT_RANK: [&str; 12] = [
    "input",
    "output",
    "top",
    "header",
    "no_header",
    "row_names",
    "no_row_names",
    "transpose",
    "floor",
    "stored_only",
    "rank",
    "help",
];
/// Stands for no -k: more components than any table has rows or columns, and not 0, which is a mistake to be told.
const NO_RANK: (&str, usize) = ("4294967295", 4_294_967_295);

/// Makes -k optional, and options of the factorization and the report an error without it.
pub(crate) fn rank_optional(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "rank" => arg.required(false).default_value(NO_RANK.0).hide_default_value(true),
        id if WITHOUT_RANK.contains(&id) => arg,
        _ => arg.requires_if(ArgPredicate::IsPresent, "rank"),
    }
}

/// A table as probabilities, and its names.
struct Reading {
    table: Contingency,
    information: f64,
}

/// What a factorization adds.
struct Classes {
    model: LatentClasses,
    blocks: Blocks,
    /// Mean log-likelihood of a count, in nats.
    log_likelihood: f64,
    /// Half the sum of |P(i) of the model − P(i) of X| over the rows, and over the columns.
    off: (f64, f64),
}

/// Runs the command.
pub(crate) fn run(args: &ProbabilitiesArgs, global: &Global) -> Result<(), Failure> {
    let precision = global.read_precision()?;
    check(args)?;
    if let Some(dir) = &args.output {
        Staging::new(dir)?;
        model::keep_inputs(dir, &[&args.input])?;
        if args.fit.rank == NO_RANK.1 && dir.join("fit.json").exists() {
            let message = "holds a model, which the tables of another run would not fit; name another folder";
            return Err(Failure::file(dir, message));
        }
    }
    let mut files: Vec<(&str, &Path)> = vec![("the input", &args.input)];
    files.extend(args.report.report.iter().map(|p| ("--report", p.as_path())));
    files.extend(args.output.iter().map(|p| ("-o", p.as_path())));
    keep_apart(&files)?;
    args.report.check_beside(args.output.as_deref())?;
    let clock = Instant::now();
    let (loaded, _) = args.input_options.load(&args.input, precision, global)?;
    let load_seconds = clock.elapsed().as_secs_f64();
    if args.fit.rank == NO_RANK.1 {
        return match loaded {
            Loaded::F32(t) => alone(&t, args, global),
            Loaded::F64(t) => alone(&t, args, global),
        };
    }
    let mut fit = args.fit.clone();
    fit.loss = Some(Loss::KL);
    let known = Known::default();
    let mut engine = Engine::open(global, &session::work(&loaded, &fit, &known))?;
    on_engine!(&mut engine, loaded, |b, table| {
        let job = Job {
            fit: &fit,
            known: &known,
            normalize: None,
            source: &args.input,
            load_seconds,
            checkpoint: None,
            output: None,
            global,
        };
        let reading = read(&table, &args.input)?;
        let solved = solve(b, table.matrix.view(), &job, None)?;
        let classes = classify(&solved, &table, &reading)?;
        finish(&solved, &table, &reading, &classes, args, global)
    })
}

fn check(args: &ProbabilitiesArgs) -> Result<(), Failure> {
    if args.top == 0 {
        return Err(Failure::usage("--top 0 is not accepted: at least one row and column"));
    }
    if let Some(loss) = args.fit.loss.as_ref().filter(|l| **l != Loss::KL) {
        return Err(Failure::usage(format!(
            "--loss {loss}: only kl has the reading as probabilities (it maximizes the likelihood of the counts)"
        )));
    }
    if args.fit.shifts != 1 {
        return Err(Failure::usage("--shifts: the classes are those of X ≈ W·H without shifts; `factorize` has them"));
    }
    if args.input_options.stored_only {
        return Err(Failure::usage(
            "--stored-only: in a table of counts, what is not stored was not seen, and that is zero",
        ));
    }
    Ok(())
}

fn read<T: Element>(table: &Table<T>, source: &Path) -> Result<Reading, Failure> {
    let x = table.matrix.view();
    let read = Contingency::of(x.reborrow()).map_err(|e| Failure::matrix(source, e))?;
    let information = read.mutual_information(x);
    Ok(Reading { table: read, information })
}

fn classify<T: Element>(solved: &Solved<T>, table: &Table<T>, reading: &Reading) -> Result<Classes, Failure> {
    let model = LatentClasses::of(solved.fitted.w(), solved.fitted.h())?;
    let log_likelihood = model.log_likelihood(table.matrix.view())?;
    let apart = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0;
    let off = (apart(model.row_marginals(), reading.table.rows()), apart(model.col_marginals(), reading.table.cols()));
    Ok(Classes { blocks: Blocks::of(&model), model, log_likelihood, off })
}

/// Without -k.
fn alone<T: Element>(table: &Table<T>, args: &ProbabilitiesArgs, global: &Global) -> Result<(), Failure> {
    if global.backend.is_some_and(|b| b == crate::args::BackendChoice::Gpu) {
        return Err(Failure::usage(
            "--backend gpu: without -k nothing is factored, and the tables are made on the CPU",
        ));
    }
    let reading = read(table, &args.input)?;
    if let Some(dir) = &args.output {
        let mut out = Staging::new(dir)?;
        files::tables(&mut out, table, &reading, None)?;
        out.commit()?;
    }
    if global.json {
        return text::print_json(&show::json(table, &reading, None).into());
    }
    let mut out = show::tables(table, &reading, args.top);
    match &args.output {
        Some(dir) => out += &format!("written to {} (rows.tsv, cols.tsv, joint.tsv)", dir.display()),
        None => out += "nothing was written: -o DIR saves the tables; -k K finds latent classes",
    }
    text::print(&out)
}

fn finish<T: Element>(
    solved: &Solved<T>,
    table: &Table<T>,
    reading: &Reading,
    classes: &Classes,
    args: &ProbabilitiesArgs,
    global: &Global,
) -> Result<(), Failure> {
    let output = args.output.as_deref();
    if let Some(dir) = output {
        files::save(dir, solved, table, reading, classes)?;
    }
    if args.report.wanted() {
        args.report.write(page::page(solved, table, reading, classes, args)?)?;
    }
    if global.json {
        let mut map = show::json(table, reading, Some(classes));
        for (key, value) in solved.report.to_json() {
            map.entry(key).or_insert(value);
        }
        text::print_json(&map.into())?;
    } else {
        let mut out = show::tables(table, reading, args.top);
        out += &show::classes(table, classes, args.top);
        out += &solved.report.summary(global.verbose);
        match output {
            Some(dir) => out += &format!("\n{:<15}{} (the model, tables and blocks.svg)", "written to", dir.display()),
            None => out += "\nnothing was written: -o DIR saves the model, tables and a picture",
        }
        out += &args.report.told();
        text::print(&out)?;
    }
    solved.outcome(output)
}

/// Rows, then columns of a table by name.
fn names<T: Element>(table: &Table<T>) -> (impl Fn(usize) -> String, impl Fn(usize) -> String) {
    let (rows, cols) = (table.row_names.as_deref(), table.col_names.as_deref());
    (move |i| named(rows, "row", i), move |j| named(cols, "column", j))
}

/// The places of the `most` largest numbers above zero, the largest first.
fn largest(values: impl Iterator<Item = f64>, most: usize) -> Vec<(usize, f64)> {
    let mut all: Vec<(usize, f64)> = values.enumerate().filter(|(_, v)| *v > 0.0).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(most);
    all
}

/// Entries of X in f64, row by row, of a table small enough to be shown whole.
fn dense<T: Element>(matrix: &Matrix<T>) -> ndarray::Array2<f64> {
    matrix.view().to_dense_f64()
}
