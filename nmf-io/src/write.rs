//! Writing matrices, the format chosen by the name of the file.

use crate::error::{Error, Result};
use crate::staging::write_file;
use crate::table::TableRef;
use crate::{mtx, npy, npz, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::{ArrayView, Dimension};
use nmf_core::{Element, MatrixRef};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

enum Output {
    Npy,
    Npz,
    Mtx,
    MtxGz,
    Text(u8),
}

fn output(path: &Path) -> Result<Output> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let known = [
        (".npy", Output::Npy),
        (".npz", Output::Npz),
        (".mtx", Output::Mtx),
        (".mtx.gz", Output::MtxGz),
        (".csv", Output::Text(b',')),
        (".tsv", Output::Text(b'\t')),
    ];
    let found = known.into_iter().find(|(extension, _)| name.ends_with(extension)).map(|(_, o)| o);
    found.ok_or_else(|| Error::OutputFormat { path: path.into() })
}

/// Says whether [`write()`] knows the format of this name, before the work is done.
///
/// # Errors
/// [`Error::OutputFormat`], which lists the names that are accepted.
pub fn check_output_name(path: &Path) -> Result<()> {
    output(path).map(|_| ())
}

/// Writes a matrix in the format that the name stands for; the file appears, or is replaced, whole.
///
/// Sparse matrices stay sparse in `.npz` (as `scipy.sparse.save_npz` has them, CSR or CSC) and `.mtx`, and are
/// written in full elsewhere. Names of rows and columns are written to `.csv` and `.tsv` only.
///
/// # Errors
/// [`Error::OutputFormat`] for other names; [`Error::Write`] if the file cannot be written to its end, which
/// leaves the one that was there before.
pub fn write<'a, T: Element>(path: &Path, table: impl Into<TableRef<'a, T>>) -> Result<()> {
    let table = table.into();
    let (rows, cols) = table.matrix.dim();
    for (names, n, what) in [(table.row_names, rows, "rows"), (table.col_names, cols, "columns")] {
        if let Some(found) = names.map(<[_]>::len).filter(|&found| found != n) {
            return Err(Error::format(path, format!("{found} names for {n} {what}")));
        }
    }
    match output(path)? {
        Output::Npy => match &table.matrix {
            MatrixRef::Dense(a) => write_npy(path, a.view()),
            MatrixRef::Sparse(s) => write_npy(path, s.to_dense().view()),
        },
        Output::Npz => write_file(path, |file| npz::write(file, &table.matrix)),
        Output::Mtx => buffered(path, |w| mtx::write(w, &table.matrix)),
        Output::MtxGz => buffered(path, |w| {
            let mut gz = GzEncoder::new(w, Compression::default());
            mtx::write(&mut gz, &table.matrix)?;
            gz.finish().map(|_| ())
        }),
        Output::Text(separator) => buffered(path, |w| text::write(w, &table, separator)),
    }
}

/// Writes an array of any number of dimensions as `.npy`, C order, little-endian, whatever the name.
///
/// # Errors
/// [`Error::Write`] if the file cannot be written to its end, which leaves the one that was there before.
pub fn write_npy<T: Element, D: Dimension>(path: &Path, array: ArrayView<'_, T, D>) -> Result<()> {
    buffered(path, |w| npy::write_npy_to(w, array))
}

fn buffered(path: &Path, fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>) -> Result<()> {
    write_file(path, |file| {
        let mut w = BufWriter::with_capacity(128 << 10, file);
        fill(&mut w)?;
        w.flush()
    })
}
