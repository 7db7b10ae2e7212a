//! Factors from files: where to start (--w0, --h0) and what stays as it is (--fix-w, --fix-h).

use crate::failure::Failure;
use ndarray::{Array, Array2, Dimension};
use nmf_core::Element;
use std::path::Path;

/// The file of a factor, and what it must hold.
pub(super) struct Given<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// The option that named it.
    pub(super) option: &'static str,
    /// k.
    pub(super) rank: usize,
    /// All k components, or the first of them, at least one.
    pub(super) all: bool,
}

impl Given<'_> {
    /// Columns of W for `rows` rows: a matrix, or with L = `shifts` > 1 an array of three dimensions, whose last two become one.
    pub(super) fn columns<T: Element>(&self, rows: usize, shifts: usize) -> Result<Array2<T>, Failure> {
        if shifts == 1 {
            let a = nmf_io::read_dense::<T>(self.path).map_err(|e| self.explain(e, &[rows, self.rank], 1))?;
            self.check(&a, &[rows, self.rank], 1)?;
            return Ok(a);
        }
        let expected = [rows, self.rank, shifts];
        let a = nmf_io::read_npy3::<T>(self.path).map_err(|e| self.explain(e, &expected, 1))?;
        self.check(&a, &expected, 1)?;
        let wide = (rows, a.dim().1 * shifts);
        let a = a.as_standard_layout().into_owned().into_shape_with_order(wide);
        a.map_err(|e| Failure::file(self.path, format!("{}: {e}", self.option)))
    }

    /// Rows of H for `cols` columns.
    pub(super) fn rows<T: Element>(&self, cols: usize) -> Result<Array2<T>, Failure> {
        let a = nmf_io::read_dense::<T>(self.path).map_err(|e| self.explain(e, &[self.rank, cols], 0))?;
        self.check(&a, &[self.rank, cols], 0)?;
        Ok(a)
    }

    /// The shape that is needed, in letters and numbers; the components lie along `axis`.
    fn needed(&self, expected: &[usize], axis: usize) -> String {
        let mut numbers: Vec<String> = expected.iter().map(usize::to_string).collect();
        let mut letters = if axis == 0 { vec!["k", "n"] } else { vec!["m", "k", "L"] };
        letters.truncate(expected.len());
        let mut limits = String::new();
        if !self.all {
            (letters[axis], numbers[axis]) = ("j", "j".into());
            limits = format!(" with j from 1 to {}", self.rank);
        }
        format!("{} ({}){limits}", numbers.join("×"), letters.join("×"))
    }

    /// An error of the reader; where the file is of another kind than needed, what would be accepted.
    fn explain(&self, e: nmf_io::Error, expected: &[usize], axis: usize) -> Failure {
        let hint = match (&e, expected) {
            (nmf_io::Error::Format { .. }, [_, _, shifts]) => {
                let needed = self.needed(expected, axis);
                format!("; with --shifts {shifts}, {} is a .npy array {needed}", self.option)
            }
            (nmf_io::Error::Format { .. }, _) => {
                format!("; expected for {} is {}", self.option, self.needed(expected, axis))
            }
            _ => String::new(),
        };
        Failure::from(e).with(&hint)
    }

    fn check<T: Element, D: Dimension>(&self, a: &Array<T, D>, expected: &[usize], axis: usize) -> Result<(), Failure> {
        let (option, found) = (self.option, a.shape());
        let mut accepted = expected.to_vec();
        if !self.all {
            if found[axis] == 0 || found[axis] > self.rank {
                let message = format!("{option} holds {} components, accepted are 1 to k = {}", found[axis], self.rank);
                return Err(Failure::file(self.path, message));
            }
            accepted[axis] = found[axis];
        }
        if found != accepted {
            let shape: Vec<String> = found.iter().map(usize::to_string).collect();
            let needed = self.needed(expected, axis);
            return Err(Failure::file(self.path, format!("{option} has shape {}, expected {needed}", shape.join("×"))));
        }
        let bad = a.iter().enumerate().find(|(_, v)| !(v.is_finite() && **v >= T::zero()));
        let Some((mut at, v)) = bad else { return Ok(()) };
        let mut index: Vec<usize> = found.iter().rev().map(|n| (at % n, at /= n).0).collect();
        index.reverse();
        let place = match index[..] {
            [row, col] => format!("row {row}, column {col}"),
            _ => format!("{index:?}"),
        };
        let message =
            format!("{option} has the entry {v} at {place} (counted from 0): finite numbers ≥ 0 are accepted");
        Err(Failure::file(self.path, message))
    }
}
