//! 10x Genomics folders: counts of genes × cells beside the names of both.

use crate::error::{Error, Result};
use crate::mtx;
use crate::source::{Lines, Source};
use crate::table::{Loaded, ReadOptions};
use std::path::{Path, PathBuf};

const MATRIX: [&str; 2] = ["matrix.mtx.gz", "matrix.mtx"];
const FEATURES: [&str; 4] = ["features.tsv.gz", "features.tsv", "genes.tsv.gz", "genes.tsv"];
const BARCODES: [&str; 2] = ["barcodes.tsv.gz", "barcodes.tsv"];

/// Reads a folder as cells × features: the transposed of its file.
pub(crate) fn read(folder: &Path, options: &ReadOptions) -> Result<Loaded> {
    let matrix = find(folder, &MATRIX)?;
    let (features, barcodes) = (find(folder, &FEATURES)?, find(folder, &BARCODES)?);
    let cols = names(&features, 1)?;
    let rows = names(&barcodes, 0)?;
    let source = Source::open(&matrix)?;
    let mut loaded = mtx::read(&matrix, source.stream, source.most, true, options)?;
    let dim = loaded.dim();
    for (file, what, found, expected) in
        [(&features, "features", cols.len(), dim.1), (&barcodes, "barcodes", rows.len(), dim.0)]
    {
        if found != expected {
            let message = format!("{found} {what}, but {} has {expected}", matrix.display());
            return Err(Error::format(file, message));
        }
    }
    let (row_names, col_names) = match &mut loaded {
        Loaded::F32(t) => (&mut t.row_names, &mut t.col_names),
        Loaded::F64(t) => (&mut t.row_names, &mut t.col_names),
    };
    *row_names = Some(rows);
    *col_names = Some(cols);
    Ok(loaded)
}

/// The first column of the features: ids.
pub(crate) fn ids(folder: &Path) -> Result<Vec<String>> {
    names(&find(folder, &FEATURES)?, 0)
}

fn find(folder: &Path, names: &[&str]) -> Result<PathBuf> {
    names.iter().map(|n| folder.join(n)).find(|p| p.is_file()).ok_or_else(|| {
        let message =
            format!("a folder without {}: a 10x folder holds a matrix, features and barcodes", names.join(" or "));
        Error::format(folder, message)
    })
}

/// Column `column` (from 0) of a file separated by tabs; column 0 of lines without it.
fn names(path: &Path, column: usize) -> Result<Vec<String>> {
    let mut lines = Lines::new(path, Source::open(path)?.stream);
    let mut names = Vec::new();
    while lines.advance()? {
        let mut fields = lines.line().split(|&b| b == b'\t');
        let first = fields.next().unwrap_or_default();
        let name = if column == 0 { first } else { fields.nth(column - 1).filter(|f| !f.is_empty()).unwrap_or(first) };
        if name.is_empty() {
            return Err(lines.error("the line is empty: a name is expected"));
        }
        names.push(String::from_utf8_lossy(name).into_owned());
    }
    Ok(names)
}
