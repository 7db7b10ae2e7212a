//! Options of the input matrix, and reading it by them.

use crate::args::Global;
use crate::failure::Failure;
use clap::Args;
use ndarray::Array2;
use nmf_core::{Element, Matrix, MatrixRef, Observed};
use nmf_io::{Loaded, Precision, ReadOptions, Table};
use std::path::Path;
use std::time::Instant;

/// A floor makes a sparse matrix dense; beyond this many bytes it is refused.
const MOST_DENSE_BYTES: u64 = 2 << 30;

/// How the file of X is to be read.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputOptions {
    /// CSV and TSV: line 1 holds the column names [default: when no field of it is a number]
    #[arg(long)]
    pub(crate) header: bool,
    /// CSV and TSV: line 1 holds data
    #[arg(long, conflicts_with = "header")]
    pub(crate) no_header: bool,
    /// CSV and TSV: column 1 holds the row names [default: when it is not numeric]
    #[arg(long)]
    pub(crate) row_names: bool,
    /// CSV and TSV: column 1 holds data
    #[arg(long, conflicts_with = "row_names")]
    pub(crate) no_row_names: bool,
    /// Factor the transposed matrix: rows become columns
    #[arg(long)]
    pub(crate) transpose: bool,
    /// Raise entries below V to V, in the units of X; a sparse matrix becomes dense
    #[arg(long, value_name = "V")]
    pub(crate) floor: Option<f64>,
    /// Only stored entries of a sparse matrix count; the others are unknown, not zero
    #[arg(long)]
    pub(crate) stored_only: bool,
}

impl InputOptions {
    /// What the reader is asked for.
    pub(crate) fn read_options(&self, precision: Option<Precision>) -> ReadOptions {
        let choice = |yes: bool, no: bool| if yes { Some(true) } else { no.then_some(false) };
        ReadOptions {
            precision,
            header: choice(self.header, self.no_header),
            row_names: choice(self.row_names, self.no_row_names),
        }
    }

    /// Which entries count.
    pub(crate) fn observed(&self) -> Observed {
        if self.stored_only { Observed::Stored } else { Observed::All }
    }

    /// Reads in a precision (`None`: the file's), transposes and floors; also returns the seconds it took.
    pub(crate) fn load(
        &self,
        path: &Path,
        precision: Option<Precision>,
        global: &Global,
    ) -> Result<(Loaded, f64), Failure> {
        let clock = Instant::now();
        let spinner = crate::progress::spinner(global, format!("reading {}", path.display()));
        let mut loaded = nmf_io::read(path, &self.read_options(precision))?;
        if self.transpose {
            loaded = loaded.transpose();
        }
        if self.stored_only && !loaded.is_sparse() {
            return Err(Failure::file(
                path,
                "--stored-only needs a sparse matrix; this one is dense and stores every entry",
            ));
        }
        if let Some(floor) = self.floor {
            loaded = match loaded {
                Loaded::F32(t) => Loaded::F32(raise(t, floor, path, self.stored_only)?),
                Loaded::F64(t) => Loaded::F64(raise(t, floor, path, self.stored_only)?),
            };
        }
        drop(spinner);
        let (rows, cols) = loaded.dim();
        global.detail(format!(
            "{}: {rows}×{cols}, {} entries stored, {}, read in {}",
            path.display(),
            crate::text::grouped(loaded.stored()),
            loaded.precision_name(),
            crate::text::seconds(clock.elapsed().as_secs_f64()),
        ));
        Ok((loaded, clock.elapsed().as_secs_f64()))
    }
}

/// Raises the entries in [0, floor) to `floor`; what is negative or not finite stays, to be refused by name and place.
fn raise<T: Element>(table: Table<T>, floor: f64, path: &Path, stored_only: bool) -> Result<Table<T>, Failure> {
    let v = T::of(floor);
    if !(floor > 0.0 && v > T::zero() && v.is_finite()) {
        return Err(Failure::usage(format!("--floor {floor} is not accepted: a finite number > 0 in the units of X")));
    }
    if stored_only {
        return Err(Failure::usage("--floor and --stored-only exclude each other: a floor gives every entry a value"));
    }
    let up = |x: T| if x >= T::zero() && x < v { v } else { x };
    let matrix = match table.matrix {
        Matrix::Dense(mut a) => {
            a.mapv_inplace(up);
            Matrix::Dense(a)
        }
        Matrix::Sparse(s) => {
            let (rows, cols) = s.shape();
            let bytes = (rows as u64).saturating_mul(cols as u64).saturating_mul(size_of::<T>() as u64);
            if bytes > MOST_DENSE_BYTES {
                return Err(Failure::file(
                    path,
                    format!(
                        "--floor makes this sparse {rows}×{cols} matrix dense, which takes {:.1} GiB (at most {} GiB are accepted); use --stored-only or a loss that allows zeros, such as kl",
                        bytes as f64 / f64::from(1 << 30),
                        MOST_DENSE_BYTES >> 30,
                    ),
                ));
            }
            let mut a = Array2::from_elem((rows, cols), v);
            MatrixRef::from(&s).for_each(|i, j, x| a[[i, j]] = up(x));
            Matrix::Dense(a)
        }
    };
    Ok(Table { matrix, ..table })
}

/// Refuses paths that name the same file, which would replace one by the other: each with what it is.
pub(crate) fn keep_apart(files: &[(&str, &Path)]) -> Result<(), Failure> {
    // a file that is not there yet is known by its folder and its name
    let real = |path: &Path| {
        let folder = path.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
        std::fs::canonicalize(path).ok().or_else(|| Some(std::fs::canonicalize(folder).ok()?.join(path.file_name()?)))
    };
    for (i, (what, path)) in files.iter().enumerate() {
        for (other, second) in &files[i + 1..] {
            if real(path).is_some_and(|p| Some(p) == real(second)) {
                let message = format!("{what} and {other} are the same file, of which one would replace the other");
                return Err(Failure::file(second, message));
            }
        }
    }
    Ok(())
}

/// Refuses outputs in a folder that would replace one of the inputs.
pub(crate) fn keep_inputs(dir: &Path, outputs: &[String], inputs: &[&Path]) -> Result<(), Failure> {
    for name in outputs {
        for input in inputs {
            keep_apart(&[("an input", input), ("an output", &dir.join(name))])?;
        }
    }
    Ok(())
}

/// Refuses a folder of outputs that is the folder of the inputs or lies in it: they would be read as inputs the next time.
pub(crate) fn keep_outside(input: &Path, dir: &Path) -> Result<(), Failure> {
    // a folder that is not there yet is known by the nearest one above it
    let there = dir
        .ancestors()
        .map(|a| if a == Path::new("") { Path::new(".") } else { a })
        .find_map(|a| a.canonicalize().ok());
    match (input.is_dir(), input.canonicalize().ok(), there) {
        (true, Some(input), Some(there)) if there.starts_with(&input) => {
            Err(Failure::file(dir, "the folder of the input or one in it, which outputs would join; name another"))
        }
        _ => Ok(()),
    }
}

/// Refuses an output in a folder that does not exist, before the work instead of after it.
pub(crate) fn check_output_folder(output: &Path) -> Result<(), Failure> {
    match output.parent() {
        Some(dir) if dir != Path::new("") && !dir.is_dir() => {
            Err(Failure::work(format!("{}: cannot be written: there is no folder {}", output.display(), dir.display())))
        }
        _ => Ok(()),
    }
}

/// A copy of the matrix in another precision.
pub(crate) fn convert<T: Element, U: Element>(x: &MatrixRef<'_, T>) -> Matrix<U> {
    match x {
        MatrixRef::Dense(a) => Matrix::Dense(a.mapv(|v| U::of(v.f64()))),
        MatrixRef::Sparse(s) => Matrix::Sparse(s.map(|v| U::of(v.f64()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use nmf_core::Sparse;

    #[test]
    fn a_floor_raises_what_is_small_and_leaves_what_is_bad() {
        let table = Table::new(array![[0.0, 0.5], [-1.0, f64::NAN]]);
        let Matrix::Dense(a) = raise(table, 0.1, Path::new("x"), false).unwrap().matrix else { panic!("dense") };
        assert_eq!((a[[0, 0]], a[[0, 1]], a[[1, 0]]), (0.1, 0.5, -1.0));
        assert!(a[[1, 1]].is_nan());
    }

    #[test]
    fn a_floor_on_a_huge_sparse_matrix_is_refused() {
        let s = Sparse::<f32>::new((100_000, 50_000), vec![0; 100_001], vec![], vec![]);
        let e = raise(Table::new(s), 0.1, Path::new("x"), false).unwrap_err();
        assert_eq!(e.code(), 2);
        assert!(e.message().contains("18.6 GiB"), "{}", e.message());
    }
}
