//! What is read from files of each format, and what is refused with which words.

mod h5ad;
mod matrix_market;
mod numpy;
mod outputs;
mod robustness;
mod snapshots;
mod tables;
mod ten_x;

use ndarray::{Array2, array};
use nmf_core::{Element, Matrix};
use nmf_io::{Error, Loaded, Precision, ReadOptions, Table};
use std::path::{Path, PathBuf};

/// The matrix that the files under `tests/data` hold.
fn x() -> Array2<f64> {
    array![[0.0, 1.5, 0.0, 2.0, 0.0], [3.0, 0.0, 0.0, 0.0, 0.0], [0.0; 5], [4.0, 0.0, 5.0, 0.0, 6.25]]
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn read(path: &Path) -> Result<Loaded, Error> {
    nmf_io::read(path, &ReadOptions::default())
}

fn forced(path: &Path, precision: Precision) -> Result<Loaded, Error> {
    nmf_io::read(path, &ReadOptions { precision: Some(precision), ..Default::default() })
}

/// Reads `content` as a file of this name.
fn read_as(name: &str, content: impl AsRef<[u8]>) -> Result<Loaded, Error> {
    read_with(name, content, &ReadOptions::default())
}

fn read_with(name: &str, content: impl AsRef<[u8]>, options: &ReadOptions) -> Result<Loaded, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    nmf_io::read(&path, options)
}

/// The values, dense and in double precision.
fn values(loaded: &Loaded) -> Array2<f64> {
    match loaded {
        Loaded::F32(t) => t.matrix.view().to_dense_f64(),
        Loaded::F64(t) => t.matrix.view().to_dense_f64(),
    }
}

/// Fails unless the matrix is sparse, CSR, sorted, and without stored zeros.
fn assert_clean_csr(loaded: &Loaded) {
    fn check<T: Element>(t: &Table<T>) {
        let Matrix::Sparse(s) = &t.matrix else { panic!("dense") };
        assert!(s.is_csr());
        assert!(s.check_compressed_structure().is_ok());
    }
    match loaded {
        Loaded::F32(t) => check(t),
        Loaded::F64(t) => check(t),
    }
}

/// Asserts that an error names the file and says each of `parts`, and that it is the input's fault.
#[track_caller]
fn refused(result: Result<Loaded, Error>, parts: &[&str]) -> Error {
    let error = result.expect_err("must be refused");
    let message = error.to_string();
    assert!(!error.is_output(), "{message}");
    assert!(message.starts_with(&*error.path().to_string_lossy()), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    error
}
