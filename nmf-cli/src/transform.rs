//! `transform`: W for new rows, by a model that `factorize` or `topics` wrote.

use crate::args::Global;
use crate::estimate::{Needs, Work};
use crate::failure::Failure;
use crate::fit_json::peak_rss_mb;
use crate::images;
use crate::input::InputOptions;
use crate::model::Model;
use crate::patterns;
use crate::session::{Engine, on_engine};
use crate::squared_error::squared_error;
use crate::text::{self, number, seconds};
use crate::topics;
use clap::Args;
use ndarray::{Array2, ArrayView2};
use nmf_core::{Backend, Element, Loss, MatrixRef, Observed, Penalty, SolverKind, Stop};
use nmf_io::{Loaded, Precision, Table, TableRef};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Options of `transform`.
#[derive(Args, Debug)]
#[command(
    long_about = "Finds W (rows × k) for new rows, with H (k×n) of the model as it is, by the model's loss and penalty: \
        exact non-negative least squares for fro, multiplicative updates for the other losses. For a model with --shifts L, W is \
        rows×k×L as .npy; other formats get its rows × k·L matrix, column q·L + τ.\n\nINPUT is a matrix with \
        the n columns of the model, in the same order and units; where both have column names, they must be the same. New \
        rows are taken as fully known, even if the model was made with --mask or --weights. For a model of topics, INPUT can \
        also be documents, which are counted by the model's vocabulary; for a model of pictures, pictures of the same size, which are scaled \
        as the model's were.",
    after_help = "Example: nmf-cli transform model new_rows.npy -o W_new.npy"
)]
pub(crate) struct TransformArgs {
    /// Folder that factorize, topics or images wrote
    pub(crate) model: PathBuf,
    /// New rows: a matrix with the model's columns, documents for a model of topics, or pictures for one of images
    pub(crate) input: PathBuf,
    /// File for W, rows × k (rows×k×L for a model with shifts): .npy, .csv, .tsv, …
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// How to read INPUT.
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
}

/// The part of a model that W depends on, apart from H.
pub(crate) struct Rule {
    pub(crate) loss: Loss,
    penalty: Penalty,
    observed: Observed,
}

/// The units of a model of `genes`, where they are not the counts themselves.
fn normalized_genes(model: &Model) -> Option<String> {
    let text = std::fs::read_to_string(model.dir.join("genes.json")).ok()?;
    let made: Value = serde_json::from_str(&text).ok()?;
    made.get("normalize").and_then(Value::as_str).filter(|units| *units != "counts").map(str::to_string)
}

/// Runs the command.
pub(crate) fn run(args: &TransformArgs, global: &Global) -> Result<(), Failure> {
    let precision = global.read_precision()?;
    nmf_io::check_output_name(&args.output)?;
    crate::input::check_output_folder(&args.output)?;
    let model = Model::load(&args.model)?;
    if model.fit.get("model").and_then(Value::as_str) == Some("ratings") {
        let message = "a model of ratings, whose biases and penalties transform does not know; models of factorize and topics are accepted";
        return Err(Failure::file(&args.model, message));
    }
    if let Some(units) = normalized_genes(&model) {
        let message = format!(
            "a model of genes in units of {units}, which transform does not make: use `genes --normalize counts`"
        );
        return Err(Failure::file(&args.model, message));
    }
    let rule = Rule::of(&model, args.input_options.stored_only)?;
    let precision = precision.or_else(|| own_precision(&model.fit));
    let clock = Instant::now();
    let loaded = match topics::read_corpus_for_model(&model, &args.input, precision, global)? {
        Some(loaded) => loaded,
        None => match images::read_pictures_for_model(&model, &args.input, precision, global)? {
            Some(loaded) => loaded,
            None => args.input_options.load(&args.input, precision, global)?.0,
        },
    };
    let load_seconds = clock.elapsed().as_secs_f64();
    check_columns(args, &model, &loaded)?;
    let rows = loaded.dim().0;
    let work = rule.work(&model, &loaded)?;
    let mut engine = Engine::open(global, &work)?;
    let result =
        on_engine!(&mut engine, loaded, |b, table| project(b, &table, &model, &rule, args, load_seconds, global))?;
    if global.json {
        return text::print_json(&result);
    }
    let get = |key: &str| result.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let shape = match model.shifts() {
        1 => format!("{rows}×{}", work.rank),
        shifts => format!("{rows}×{}×{shifts}", work.rank / shifts),
    };
    text::print(&format!(
        "{rows} rows → {shape} weights in {} (loading {})\n‖X − WH‖ = {}\nwritten to {}",
        seconds(get("seconds")),
        seconds(load_seconds),
        number(get("reconstruction_error")),
        args.output.display(),
    ))
}

fn project<B: Backend>(
    b: &mut B,
    table: &Table<B::Elem>,
    model: &Model,
    rule: &Rule,
    args: &TransformArgs,
    load_seconds: f64,
    global: &Global,
) -> Result<Value, Failure> {
    let (h, shifts) = (model.h::<B::Elem>()?, model.shifts());
    let h = patterns::right(h.view(), shifts);
    let x = table.matrix.view();
    let clock = Instant::now();
    let w = rule.weights(b, x.clone(), h.view(), &args.input)?;
    let elapsed = clock.elapsed().as_secs_f64();
    let error = squared_error(&x, &w.view(), &h.view(), rule.observed, global.threads);
    write(args, &w, shifts, table.row_names.as_deref(), global)?;
    let info = b.info();
    let adapter = (!info.adapter.is_empty()).then_some(info.adapter);
    let mut result = json!({
        "rows": x.dim().0, "cols": x.dim().1, "rank": h.nrows() / shifts, "loss": rule.loss.to_string(),
        "backend": info.name, "adapter": adapter, "precision": B::Elem::NAME, "threads": info.threads,
        "squared_error": error, "reconstruction_error": error.sqrt(), "load_seconds": load_seconds,
        "seconds": elapsed, "peak_rss_mb": peak_rss_mb(), "version": env!("CARGO_PKG_VERSION"),
    });
    if let (Value::Object(map), true) = (&mut result, shifts > 1) {
        map.insert("shifts".into(), json!(shifts));
    }
    Ok(result)
}

/// Writes W: m×k, or m × k·L, which is an m×k×L array where the format has room for one.
fn write<T: Element>(
    args: &TransformArgs,
    w: &Array2<T>,
    shifts: usize,
    row_names: Option<&[String]>,
    global: &Global,
) -> Result<(), Failure> {
    if shifts > 1 {
        if args.output.to_string_lossy().to_ascii_lowercase().ends_with(".npy") {
            return Ok(nmf_io::write_npy(&args.output, patterns::cube(&w.view(), shifts).view())?);
        }
        global.note(format!(
            "{}: a matrix of {}×{}, as this format has no third dimension: column q·{shifts} + τ (counted from 0) is shift τ of \
             component q; .npy holds {}×{}×{shifts}",
            args.output.display(),
            w.nrows(),
            w.ncols(),
            w.nrows(),
            w.ncols() / shifts
        ));
    }
    // names only where the format has room for them
    Ok(nmf_io::write(&args.output, TableRef { row_names, ..TableRef::from(w) })?)
}

/// The precision a model was made in.
pub(crate) fn own_precision(fit: &Value) -> Option<Precision> {
    match fit.get("precision").and_then(Value::as_str) {
        Some("f64") => Some(Precision::F64),
        Some("f32") => Some(Precision::F32),
        _ => None,
    }
}

impl Rule {
    /// What fit.json says; `stored_only`: of entries not stored nothing is known.
    pub(crate) fn of(model: &Model, stored_only: bool) -> Result<Rule, Failure> {
        let path = model.dir.join("fit.json");
        let loss = model
            .fit
            .get("loss")
            .and_then(Value::as_str)
            .ok_or_else(|| Failure::file(&path, "no \"loss\" is named"))?;
        let loss: Loss = loss.parse().map_err(|e| Failure::file(&path, e))?;
        let weight = |name: &str| match model.fit.get("penalty").and_then(|p| p.get(name)) {
            None => Ok(0.0),
            Some(v) => v.as_f64().ok_or_else(|| Failure::file(&path, format!("penalty \"{name}\" is not a number"))),
        };
        let penalty = Penalty { l1: weight("l1_w")?, l2: weight("l2_w")? };
        let stored = stored_only || model.fit.get("stored_only").and_then(Value::as_bool).unwrap_or(false);
        Ok(Rule { loss, penalty, observed: if stored { Observed::Stored } else { Observed::All } })
    }

    /// What finding W for these rows takes.
    pub(crate) fn work(&self, model: &Model, loaded: &Loaded) -> Result<Work, Failure> {
        let (rows, cols) = loaded.dim();
        // what nmf_core::transform does
        let exact = self.loss.is_fro() && self.observed == Observed::All;
        let solver = if exact { SolverKind::AnlsBpp } else { SolverKind::Mu };
        Ok(Work {
            rows,
            cols,
            stored: loaded.stored(),
            sparse: loaded.is_sparse(),
            // with shifts, rows of k·L weights on the shifted copies of H: to a backend a plain factor
            rank: model.rank()? * model.shifts(),
            // one pass for the exact solution; some tens for the updates
            iterations: if exact { 1 } else { 100 },
            loss: self.loss.clone(),
            precision: loaded.precision(),
            needs: Needs { solver, observed: self.observed, ..Needs::default() },
        })
    }

    /// W for the rows of `x`, which were read from `source`.
    pub(crate) fn weights<B: Backend>(
        &self,
        b: &mut B,
        x: MatrixRef<'_, B::Elem>,
        h: ArrayView2<'_, B::Elem>,
        source: &Path,
    ) -> Result<Array2<B::Elem>, Failure> {
        // as `Fitted::transform` does
        let stop = Stop { max_iter: 1000, tol: 1e-6, ..Stop::default() };
        nmf_core::transform(b, x, h, &self.loss, self.penalty, self.observed, &stop)
            .map_err(|e| Failure::matrix(source, e))
    }
}

/// The columns of the input must be those of the model.
fn check_columns(args: &TransformArgs, model: &Model, loaded: &Loaded) -> Result<(), Failure> {
    let (n, cols) = (model.cols()?, loaded.dim().1);
    if cols != n {
        let message = format!(
            "{cols} columns, but the model in {} has {n}: the same columns in the same order are needed",
            args.model.display()
        );
        return Err(Failure::file(&args.input, message));
    }
    let (Some(own), Some(new)) = (model.col_names.as_deref(), loaded.col_names()) else { return Ok(()) };
    match own.iter().zip(new).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(j) => Err(Failure::file(
            &args.input,
            format!(
                "column {j} (counted from 0) is named \"{}\", in the model \"{}\": the same columns in the same order are needed",
                new[j], own[j]
            ),
        )),
    }
}
