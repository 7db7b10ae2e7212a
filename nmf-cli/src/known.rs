//! Which entries of X count, and how much: `--stored-only`, `--mask`, `--weights`.

use crate::failure::Failure;
use crate::input::{InputOptions, convert};
use crate::{args::Global, text};
use clap::Args;
use nmf_core::{Element, Error, Matrix, MatrixRef, Nmf, Observed};
use nmf_io::{Loaded, ReadOptions};
use std::path::{Path, PathBuf};

/// Options that tell entries apart.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Input")]
pub(crate) struct KnownOptions {
    /// Which entries of X are known: a matrix of the shape of X in any format, 1 = known, 0 or not stored = unknown, whatever X
    /// holds there (NaN too)
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    /// How much each entry of X counts: a matrix of the shape of X with entries ≥ 0; 0 or not stored = unknown. The objective
    /// and the squared error are then weighted sums
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
}

/// Which entries count, and how much.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// What those options say that need no file.
    pub(crate) observed: Observed,
    /// What the files say.
    pub(crate) weights: Option<Weights>,
}

/// What --mask or --weights names, in the orientation and precision of X.
#[derive(Debug, Clone)]
pub(crate) struct Weights {
    /// Where it came from.
    pub(crate) path: PathBuf,
    /// Whether it was given by --mask.
    pub(crate) by_mask: bool,
    /// Whether there are but zeros and ones in it, however it was given.
    pub(crate) only_ones: bool,
    /// Entries above zero.
    pub(crate) positive: u64,
    loaded: Loaded,
}

impl KnownOptions {
    /// Reads and checks what the options name, for a matrix that `input` has read (and transposed).
    pub(crate) fn load(&self, input: &InputOptions, x: &Loaded, global: &Global) -> Result<Known, Failure> {
        let (path, by_mask) = match (&self.mask, &self.weights) {
            (Some(_), Some(_)) => {
                return Err(Failure::usage(
                    "--mask and --weights exclude each other: an entry of weight 0 is unknown already; multiply both into one --weights FILE",
                ));
            }
            (None, None) => return Ok(Known { observed: input.observed(), weights: None }),
            (Some(path), None) => (path, true),
            (None, Some(path)) => (path, false),
        };
        let wheel = crate::progress::spinner(global, format!("reading {}", path.display()));
        let options = ReadOptions { precision: Some(x.precision()), ..ReadOptions::default() };
        let loaded = nmf_io::read(path, &options)?;
        drop(wheel);
        // places are those in the file, before it is transposed
        let (m, n) = x.dim();
        let expected = if input.transpose { (n, m) } else { (m, n) };
        let check = Check { path, by_mask, expected };
        let survey = match &loaded {
            Loaded::F32(t) => check.survey(&t.matrix.view()),
            Loaded::F64(t) => check.survey(&t.matrix.view()),
        }?;
        for (what, n) in [("rows", survey.empty.0), ("columns", survey.empty.1)] {
            if n > 0 {
                let n = text::grouped(n as u64);
                let file = path.display();
                global.warn(format!("{file}: {what} without a known entry: {n}; nothing can be learned about them"));
            }
        }
        let loaded = if input.transpose { loaded.transpose() } else { loaded };
        let Survey { only_ones, positive, .. } = survey;
        let weights = Weights { path: path.clone(), by_mask, only_ones, positive, loaded };
        Ok(Known { observed: input.observed(), weights: Some(weights) })
    }
}

impl Known {
    /// Tells a factorization.
    pub(crate) fn apply<T: Element>(&self, nmf: Nmf<T>) -> Nmf<T> {
        let nmf = nmf.observed(self.observed);
        match &self.weights {
            Some(w) => nmf.weights(w.matrix::<T>()),
            None => nmf,
        }
    }

    /// What the library calls it.
    pub(crate) fn observed(&self) -> Observed {
        if self.weights.is_some() { Observed::Weighted } else { self.observed }
    }

    /// An error about a matrix read from `path`: as [`Failure::matrix`], and how these options could help.
    pub(crate) fn blame(&self, path: &Path, e: Error) -> Failure {
        let hint = match (&e, &self.weights) {
            (Error::NotFinite { what: "the matrix", value, .. }, None) if value.is_nan() => {
                "; --mask FILE says which entries are unknown"
            }
            (Error::NotFinite { what: "the matrix", value, .. }, Some(_)) if value.is_nan() => {
                ", and this one is known by its weight"
            }
            (Error::ZeroEntry { .. }, None) => ", or --mask FILE to leave them out",
            _ => "",
        };
        Failure::matrix(path, e).with(hint)
    }
}

impl Weights {
    /// In the precision of a backend.
    pub(crate) fn matrix<T: Element>(&self) -> Matrix<T> {
        match &self.loaded {
            Loaded::F32(t) => convert(&t.matrix.view()),
            Loaded::F64(t) => convert(&t.matrix.view()),
        }
    }

    /// Whether it is stored sparse; X is then paired with it in that form.
    pub(crate) fn is_sparse(&self) -> bool {
        self.loaded.is_sparse()
    }
}

/// What a file should be.
struct Check<'a> {
    path: &'a Path,
    by_mask: bool,
    expected: (usize, usize),
}

/// What is in it.
struct Survey {
    only_ones: bool,
    positive: u64,
    /// Rows and columns without a positive entry.
    empty: (usize, usize),
}

impl Check<'_> {
    fn survey<T: Element>(&self, m: &MatrixRef<'_, T>) -> Result<Survey, Failure> {
        let (option, accepted) = if self.by_mask {
            ("--mask", "1 (known) and 0 (unknown) are accepted")
        } else {
            ("--weights", "finite numbers ≥ 0 are accepted")
        };
        let ((r, c), (er, ec)) = (m.dim(), self.expected);
        if (r, c) != (er, ec) {
            return Err(Failure::file(self.path, format!("{option} has shape {r}×{c}, expected {er}×{ec} like X")));
        }
        let (mut bad, mut only_ones, mut positive) = (None, true, 0u64);
        let (mut rows, mut cols) = (vec![false; r], vec![false; c]);
        m.for_each(|i, j, v| {
            let binary = v == T::zero() || v == T::one();
            let fine = if self.by_mask { binary } else { v >= T::zero() && v.is_finite() };
            if !fine && bad.is_none() {
                bad = Some((i, j, v));
            }
            only_ones &= binary;
            if v > T::zero() {
                positive += 1;
                (rows[i], cols[j]) = (true, true);
            }
        });
        if let Some((i, j, v)) = bad {
            let message = format!("{option} has the entry {v} at row {i}, column {j} (counted from 0): {accepted}");
            return Err(Failure::file(self.path, message));
        }
        if positive == 0 {
            let message = format!("every entry of {option} is zero: at least one entry of X must count");
            return Err(Failure::file(self.path, message));
        }
        let without = |seen: &[bool]| seen.iter().filter(|s| !**s).count();
        Ok(Survey { only_ones, positive, empty: (without(&rows), without(&cols)) })
    }
}

/// Calls `visit(x, ω)` for the stored entries of X that count; `weights` are laid out like X, as in [`nmf_core::Weighted`].
pub(crate) fn for_each_known<T: Element>(
    x: &MatrixRef<'_, T>,
    weights: Option<&MatrixRef<'_, T>>,
    mut visit: impl FnMut(f64, f64),
) {
    match (x, weights) {
        (MatrixRef::Dense(x), Some(MatrixRef::Dense(w))) => {
            x.iter().zip(w).filter(|(_, w)| **w > T::zero()).for_each(|(x, w)| visit(x.f64(), w.f64()));
        }
        (MatrixRef::Sparse(x), Some(MatrixRef::Sparse(w))) => {
            x.data().iter().zip(w.data()).for_each(|(x, w)| visit(x.f64(), w.f64()));
        }
        _ => x.for_each(|_, _, x| visit(x.f64(), 1.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn values_are_judged_by_the_option() {
        let survey = |by_mask, a: &ndarray::Array2<f64>| {
            Check { path: Path::new("m.csv"), by_mask, expected: (2, 2) }.survey(&MatrixRef::from(a))
        };
        let half = array![[1.0, 0.5], [0.0, 0.0]];
        let found = survey(false, &half).unwrap();
        assert_eq!((found.only_ones, found.positive, found.empty), (false, 2, (1, 0)));
        for (by_mask, a, word) in [
            (true, half, "0.5 at row 0, column 1"),
            (false, array![[1.0, -1.0], [1.0, 1.0]], "-1 at row 0, column 1"),
            (false, array![[f64::NAN, 1.0], [1.0, 1.0]], "NaN at row 0, column 0"),
            (true, array![[0.0, 0.0], [0.0, 0.0]], "every entry"),
            (true, array![[1.0, 0.0]], "1×2, expected 2×2"),
        ] {
            let e = survey(by_mask, &a).err().unwrap();
            assert!(e.code() == 2 && e.message().contains(word), "{}", e.message());
        }
    }
}
