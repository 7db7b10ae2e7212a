//! `convert`: a matrix from one file format to another.

use crate::args::Global;
use crate::failure::Failure;
use crate::input::InputOptions;
use crate::text;
use clap::Args;
use nmf_core::Element;
use nmf_io::{Loaded, Table, TableRef};
use serde_json::json;
use std::path::{Path, PathBuf};

/// A sparse matrix that would take more than this in full is refused for .npy.
const MOST_DENSE_BYTES: u64 = 8 << 30;

/// Options of `convert`.
#[derive(Args, Debug)]
#[command(
    long_about = "Reads a matrix in any of the input formats and writes it in the format of OUT's name: .npy, .npz (an \
        array, or scipy.sparse CSR), .mtx, .mtx.gz, .csv, .tsv. Sparse stays sparse where the format can hold it.",
    after_help = "Examples:\n  nmf-cli convert counts.mtx.gz counts.npz\n  nmf-cli convert table.csv table.npy --precision f32"
)]
pub(crate) struct ConvertArgs {
    /// The matrix: .npy, .npz, .mtx, .mtx.gz, .csv, .tsv, .h5ad (FILE:layers/NAME for another matrix in it), or a 10x folder
    pub(crate) input: PathBuf,
    /// File to write; an existing one is replaced
    pub(crate) output: PathBuf,
    /// How to read it.
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
}

/// Runs the command.
pub(crate) fn run(args: &ConvertArgs, global: &Global) -> Result<(), Failure> {
    nmf_io::check_output_name(&args.output)?;
    crate::input::check_output_folder(&args.output)?;
    let (loaded, _) = args.input_options.load(&args.input, global.read_precision()?, global)?;
    let ((rows, cols), stored, sparse) = (loaded.dim(), loaded.stored(), loaded.is_sparse());
    let bytes =
        (rows as u64).saturating_mul(cols as u64).saturating_mul(if loaded.precision_name() == "f32" { 4 } else { 8 });
    if sparse && bytes > MOST_DENSE_BYTES && args.output.to_string_lossy().to_ascii_lowercase().ends_with(".npy") {
        let message = format!(
            "a sparse matrix of {rows}×{cols} would take {:.1} GiB as .npy; .npz and .mtx keep it sparse",
            bytes as f64 / f64::from(1 << 30)
        );
        return Err(Failure::file(&args.input, message));
    }
    let named = loaded.row_names().is_some() || loaded.col_names().is_some();
    match &loaded {
        Loaded::F32(t) => write(t, &args.output)?,
        Loaded::F64(t) => write(t, &args.output)?,
    }
    if named && !holds_names(&args.output) {
        global.warn(format!(
            "the names of rows and columns were left out: {} has no room for them",
            args.output.display()
        ));
    }
    if global.json {
        return text::print_json(&json!({
            "rows": rows, "cols": cols, "stored": stored, "sparse": sparse, "precision": loaded.precision_name(),
            "output": args.output.display().to_string(),
        }));
    }
    let kind = if sparse { format!("{} stored entries", text::grouped(stored)) } else { "dense".into() };
    text::print(&format!("{rows}×{cols}, {kind}, {} → {}", loaded.precision_name(), args.output.display()))
}

/// Whether the format of this file keeps names.
fn holds_names(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    [".csv", ".tsv", ".csv.gz", ".tsv.gz"].iter().any(|end| name.ends_with(end))
}

fn write<T: Element>(table: &Table<T>, path: &Path) -> Result<(), Failure> {
    if holds_names(path) {
        return Ok(nmf_io::write(path, table)?);
    }
    Ok(nmf_io::write(path, TableRef { row_names: None, col_names: None, ..TableRef::from(table) })?)
}
