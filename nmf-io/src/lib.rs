//! Matrices in and out: NumPy's `.npy` and `.npz` (dense and SciPy's sparse), Matrix Market, 10x Genomics
//! folders, `.h5ad`, CSV and TSV; lines of text fields ([`read_fields`]); outputs that appear whole or not at all; and snapshots of a
//! factorization ([`SnapshotFile`]).
//!
//! [`read`] tells the formats apart by content, then by name, and keeps the input's precision unless told
//! otherwise. Negative, missing (NaN) and infinite values are read as they are: whether they can be factored
//! is decided later, with the place of the first that cannot. [`write()`] chooses the format by the name.
//!
//! ```
//! # fn main() -> nmf_io::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("counts.csv");
//! let x = ndarray::array![[1.0f32, 0.0, 2.0], [0.0, 3.0, 0.0]];
//! nmf_io::write(&path, &x)?;
//! let back = nmf_io::read(&path, &nmf_io::ReadOptions::default())?;
//! assert_eq!(back.dim(), (2, 3));
//! assert_eq!(back.into_f32().matrix, nmf_core::Matrix::Dense(x));
//! # Ok(())
//! # }
//! ```

mod array;
mod error;
mod fields;
mod h5ad;
mod mtx;
mod npy;
mod npz;
mod snapshot;
mod source;
mod sparse;
mod staging;
mod table;
mod tenx;
mod text;
mod write;

pub use array::{ArrayInfo, arrays, read_array};
pub use error::{Error, Result};
pub use fields::{Column, FieldOptions, read_fields};
pub use h5ad::{h5ad_annotation, h5ad_annotations, is_h5ad};
pub use npy::write_npy_to;
pub use snapshot::SnapshotFile;
pub use staging::{Staging, is_temporary};
pub use table::{Loaded, Precision, ReadOptions, Table, TableRef};
pub use write::{check_output_name, write, write_npy};

use ndarray::{Array2, Array3};
use nmf_core::{Element, Matrix};
use source::Source;
use std::any::Any;
use std::path::Path;

/// The inputs that [`read`] accepts, for messages.
pub const INPUT_FORMATS: &str =
    ".npy, .npz (one array, or scipy.sparse.save_npz), .mtx, .mtx.gz, .csv, .tsv (also .gz), 10x folders, .h5ad";
/// The outputs that [`write()`] accepts, for messages.
pub const OUTPUT_FORMATS: &str = ".npy, .npz, .mtx, .mtx.gz, .csv, .tsv";

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Npy,
    Npz,
    MatrixMarket,
    Hdf5,
    Text { tabs: bool },
}

/// Reads a matrix, dense or sparse, from a file or a 10x folder.
///
/// Of an `.h5ad` file, `FILE` is the matrix X and `FILE:PATH` another one, such as `FILE:layers/counts` or `FILE:raw/X`.
///
/// # Errors
/// [`Error`] with the place in the file, if it cannot be read, is of no known format, is damaged, or holds
/// values that the precision asked for cannot.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Loaded> {
    if path.is_dir() {
        no_text_options(path, options)?;
        return tenx::read(path, options);
    }
    if let (file, Some(part)) = h5ad::split(path) {
        if !is_h5ad(&file) {
            return Err(Error::format(&file, format!("\":{part}\" names a part of an .h5ad file, which this is not")));
        }
        no_text_options(path, options)?;
        return h5ad::read(&file, Some(&part), options);
    }
    let mut source = Source::open(path)?;
    let format = detect(path, &source.head)?;
    if !matches!(format, Format::Text { .. }) {
        no_text_options(path, options)?;
    }
    match format {
        Format::Npy => npy::read(path, &mut source.stream, source.most, options),
        Format::Npz if source.most == u64::MAX => {
            Err(Error::format(path, ".npz from a pipe: it must be a file, as it is not read from front to back"))
        }
        Format::Npz => npz::read(path, options),
        Format::Hdf5 if source.most == u64::MAX => {
            Err(Error::format(path, ".h5ad from a pipe: it must be a file, as it is not read from front to back"))
        }
        Format::Hdf5 => h5ad::read(path, None, options),
        Format::MatrixMarket => mtx::read(path, source.stream, source.most, false, options),
        Format::Text { tabs } => text::read(path, source, tabs, options),
    }
}

/// Reads a matrix that must be dense, in the precision of `T`: start values and fixed factors.
///
/// # Errors
/// As [`read`]; also if the file holds a sparse matrix.
pub fn read_dense<T: Element>(path: &Path) -> Result<Array2<T>> {
    let precision = if size_of::<T>() == 4 { Precision::F32 } else { Precision::F64 };
    let matrix = match read(path, &ReadOptions { precision: Some(precision), ..Default::default() })? {
        Loaded::F32(t) => same_type(t.matrix),
        Loaded::F64(t) => same_type(t.matrix),
    };
    matrix.ok_or_else(|| Error::format(path, "a sparse matrix: a dense one is needed"))
}

/// The dense array as what it is: `S` is `T` wherever this is called.
fn same_type<S: Element, T: Element>(matrix: Matrix<S>) -> Option<Array2<T>> {
    let Matrix::Dense(a) = matrix else { return None };
    (Box::new(a) as Box<dyn Any>).downcast().ok().map(|a| *a)
}

/// Reads an array of three dimensions from a `.npy` file, in the precision of `T`: m×k×L bases of
/// convolutive models.
///
/// # Errors
/// If the file is not `.npy`, is damaged, or has another number of dimensions.
pub fn read_npy3<T: Element>(path: &Path) -> Result<Array3<T>> {
    let mut source = Source::open(path)?;
    npy::read3(path, &mut source.stream, source.most)
}

/// Second names of the columns, where a file has them beside those that [`read`] gives: gene ids of 10x folders and `.h5ad`.
///
/// # Errors
/// If what is there cannot be read.
pub fn column_ids(path: &Path) -> Result<Option<Vec<String>>> {
    if path.is_dir() {
        return tenx::ids(path).map(Some);
    }
    if !is_h5ad(path) {
        return Ok(None);
    }
    let (file, part) = h5ad::split(path);
    h5ad::gene_ids(&file, part.as_deref())
}

fn no_text_options(path: &Path, options: &ReadOptions) -> Result<()> {
    if options.header.is_some() || options.row_names.is_some() {
        return Err(Error::format(path, "header and row names can be chosen for .csv and .tsv only"));
    }
    Ok(())
}

/// The extension in lower case, that before `.gz` where the content was compressed.
fn extension(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map_or(String::new(), |(_, e)| e.to_owned())
}

fn detect(path: &Path, head: &[u8]) -> Result<Format> {
    let refuse = |what: &str| Err(Error::format(path, format!("{what}; accepted: {INPUT_FORMATS}")));
    if head.starts_with(b"\x93NUMPY") {
        return Ok(Format::Npy);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Format::Npz);
    }
    if head.get(..14).is_some_and(|h| h.eq_ignore_ascii_case(b"%%MatrixMarket")) {
        return Ok(Format::MatrixMarket);
    }
    if head.starts_with(h5ad::SIGNATURE) {
        return Ok(Format::Hdf5);
    }
    if head.starts_with(b"PAR1") {
        return refuse("a Parquet file, which this version does not read");
    }
    match extension(path).as_str() {
        _ if head.is_empty() => refuse("the file is empty"),
        "csv" => Ok(Format::Text { tabs: false }),
        "tsv" => Ok(Format::Text { tabs: true }),
        "mtx" => Ok(Format::MatrixMarket),
        "npy" => refuse("not a .npy file: it does not begin with \\x93NUMPY"),
        "h5ad" => refuse("not an .h5ad file: it does not begin as HDF5 does"),
        "npz" => refuse("not a .npz file: it is no zip archive"),
        _ => refuse("neither its content nor its name is that of a matrix"),
    }
}
