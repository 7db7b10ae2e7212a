//! The state of a factorization between two iterations: what it takes to go on later as if nothing had happened.
//!
//! [`crate::Nmf::fit_kept`] hands [`Snapshot`]s to a [`Keeper`] and goes on from one. A resumed factorization takes the same path to
//! the last bit: a snapshot holds the numbers as they are on the device, and everything that a solver, the loop and the restarts carry along.

use crate::{Element, Error, Progress, Result};
use ndarray::{ArcArray2, Array2, ArrayView2};
use std::collections::BTreeMap;

/// One thing in a [`Snapshot`].
#[derive(Debug, Clone, PartialEq)]
pub enum Entry<T> {
    /// A matrix in the precision of the factorization; copies share their numbers.
    Matrix(ArcArray2<T>),
    /// Real numbers; NaN and infinities are allowed.
    Numbers(Vec<f64>),
    /// Whole numbers.
    Counts(Vec<u64>),
    /// A short text.
    Text(String),
}

impl<T> Entry<T> {
    fn kind(&self) -> &'static str {
        match self {
            Entry::Matrix(_) => "a matrix",
            Entry::Numbers(_) => "numbers",
            Entry::Counts(_) => "whole numbers",
            Entry::Text(_) => "a text",
        }
    }
}

/// Named matrices, numbers and texts: the state of a factorization, or that of a solver within it.
///
/// Plain data, so that it can be kept anywhere: [`entries`](Self::entries) takes it apart, `collect` puts it together again. Names
/// consist of ASCII letters, digits, `_` and `.`. What is in it belongs to the version of this crate that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot<T> {
    entries: BTreeMap<String, Entry<T>>,
}

impl<T> Default for Snapshot<T> {
    fn default() -> Self {
        Snapshot { entries: BTreeMap::new() }
    }
}

impl<T> FromIterator<(String, Entry<T>)> for Snapshot<T> {
    fn from_iter<I: IntoIterator<Item = (String, Entry<T>)>>(entries: I) -> Self {
        Snapshot { entries: entries.into_iter().collect() }
    }
}

impl<T: Element> Snapshot<T> {
    /// Without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// All entries by name, in the order of the names.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry<T>)> {
        self.entries.iter().map(|(name, e)| (name.as_str(), e))
    }

    /// Which restart it was taken in, from 0.
    ///
    /// # Errors
    /// If it is not the snapshot of a factorization.
    pub fn restart(&self) -> Result<usize> {
        self.index("restart")
    }

    /// Iterations of that restart done.
    ///
    /// # Errors
    /// If it is not the snapshot of a factorization.
    pub fn iteration(&self) -> Result<usize> {
        self.index("run.iteration")
    }

    // ------------------------------------------------------------------------------------ filling

    /// Puts an entry in; one of that name is replaced.
    pub fn put(&mut self, name: impl Into<String>, entry: Entry<T>) {
        self.entries.insert(name.into(), entry);
    }

    /// Puts a matrix in.
    pub fn put_matrix(&mut self, name: &str, values: Array2<T>) {
        self.put(name, Entry::Matrix(values.into_shared()));
    }

    /// Puts numbers in.
    pub fn put_numbers(&mut self, name: &str, values: impl Into<Vec<f64>>) {
        self.put(name, Entry::Numbers(values.into()));
    }

    /// Puts whole numbers in.
    pub fn put_counts(&mut self, name: &str, values: impl Into<Vec<u64>>) {
        self.put(name, Entry::Counts(values.into()));
    }

    /// Puts everything of another one in, behind `prefix` and a dot.
    pub fn put_all(&mut self, prefix: &str, part: Snapshot<T>) {
        self.entries.extend(part.entries.into_iter().map(|(name, e)| (format!("{prefix}.{name}"), e)));
    }

    // ------------------------------------------------------------------------------------ reading

    /// What [`put_all`](Self::put_all) put in.
    #[must_use]
    pub fn part(&self, prefix: &str) -> Self {
        let named = |(name, e): (&String, &Entry<T>)| {
            Some((name.strip_prefix(prefix)?.strip_prefix('.')?.to_string(), e.clone()))
        };
        self.entries.iter().filter_map(named).collect()
    }

    /// A matrix of this shape.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there is none of that name and shape.
    pub fn matrix(&self, name: &str, dim: (usize, usize)) -> Result<ArrayView2<'_, T>> {
        let expected = || format!("a {}×{} matrix", dim.0, dim.1);
        match self.entries.get(name) {
            Some(Entry::Matrix(a)) if a.dim() == dim => Ok(a.view()),
            Some(Entry::Matrix(a)) => {
                Err(Self::unfit(name, format!("a {}×{} matrix", a.nrows(), a.ncols()), expected()))
            }
            other => Err(Self::unfit(name, other.map_or("missing", Entry::kind), expected())),
        }
    }

    /// Numbers, however many.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there are none of that name.
    pub fn numbers(&self, name: &str) -> Result<&[f64]> {
        match self.entries.get(name) {
            Some(Entry::Numbers(v)) => Ok(v),
            other => Err(Self::unfit(name, other.map_or("missing", Entry::kind), "numbers")),
        }
    }

    /// One number.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there is none of that name, or more than one.
    pub fn number(&self, name: &str) -> Result<f64> {
        let one = self.optional(name)?;
        one.ok_or_else(|| Self::unfit(name, "empty", "one number"))
    }

    /// One number or none.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there is no entry of that name, or more than one number in it.
    pub fn optional(&self, name: &str) -> Result<Option<f64>> {
        match self.numbers(name)? {
            [] => Ok(None),
            [v] => Ok(Some(*v)),
            many => Err(Self::unfit(name, format!("{} numbers", many.len()), "one number")),
        }
    }

    /// Whole numbers, however many.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there are none of that name.
    pub fn counts(&self, name: &str) -> Result<&[u64]> {
        match self.entries.get(name) {
            Some(Entry::Counts(v)) => Ok(v),
            other => Err(Self::unfit(name, other.map_or("missing", Entry::kind), "whole numbers")),
        }
    }

    /// One whole number.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there is none of that name, or more than one.
    pub fn count(&self, name: &str) -> Result<u64> {
        match self.counts(name)? {
            [v] => Ok(*v),
            other => Err(Self::unfit(name, format!("{} whole numbers", other.len()), "one whole number")),
        }
    }

    /// One whole number as an index or a number of iterations, far from the end of the integers.
    pub(crate) fn index(&self, name: &str) -> Result<usize> {
        let v = self.count(name)?;
        let fits = usize::try_from(v).ok().filter(|v| *v <= usize::MAX / 4);
        fits.ok_or_else(|| Self::unfit(name, v.to_string(), format!("at most {}", usize::MAX / 4)))
    }

    /// A text.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there is none of that name.
    pub fn text(&self, name: &str) -> Result<&str> {
        match self.entries.get(name) {
            Some(Entry::Text(v)) => Ok(v),
            other => Err(Self::unfit(name, other.map_or("missing", Entry::kind), "a text")),
        }
    }

    /// An entry that is not what it must be.
    pub(crate) fn unfit(name: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        Error::Snapshot { what: format!("entry {name}"), found: found.into(), expected: expected.into() }
    }
}

/// Keeps snapshots of a factorization: see [`crate::Nmf::fit_kept`].
pub trait Keeper<T>: Send {
    /// Whether one is wanted now; asked after every iteration, so keep it cheap. A snapshot waits for the device and reads the factors back.
    fn due(&mut self, p: &Progress) -> bool;

    /// Whether one is wanted at the end of the last run, finished or interrupted, where the result itself will be at hand.
    fn wants_the_last(&self) -> bool {
        true
    }

    /// Takes one: when [`due`](Self::due) said so, and at the end of the last run ([`wants_the_last`](Self::wants_the_last)). A keeper that fails says so
    /// by its own means; the factorization goes on.
    fn keep(&mut self, snapshot: Snapshot<T>);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn parts_come_out_as_they_went_in() {
        let mut part = Snapshot::new();
        part.put_matrix("w", array![[1.0, f64::MIN_POSITIVE], [-0.0, 3.0]]);
        part.put_numbers("t", [0.1 + 0.2, f64::INFINITY]);
        part.put_counts("iteration", [u64::MAX]);
        part.put("name", Entry::Text("ü".into()));
        let mut whole = Snapshot::new();
        whole.put_counts("restart", [2]);
        whole.put_all("run", part.clone());
        whole.put_counts("runs.iteration", [1]);
        assert_eq!(whole.part("run"), part);
        assert_eq!(whole.entries().map(|(name, e)| (name.to_string(), e.clone())).collect::<Snapshot<f64>>(), whole);
        assert_eq!((whole.restart(), part.text("name")), (Ok(2), Ok("ü")));
        assert_eq!(part.matrix("w", (2, 2)).unwrap()[[0, 1]], f64::MIN_POSITIVE);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let mut s = Snapshot::<f32>::new();
        s.put_matrix("w", array![[1.0, 2.0]]);
        s.put_numbers("two", [1.0, 2.0]);
        for (e, words) in [
            (s.matrix("w", (2, 1)).err(), "entry w is a 1×2 matrix, expected a 2×1 matrix"),
            (s.matrix("h", (2, 1)).err(), "entry h is missing, expected a 2×1 matrix"),
            (s.number("two").err(), "entry two is 2 numbers, expected one number"),
            (s.count("two").err(), "entry two is numbers, expected whole numbers"),
            (s.text("w").err(), "entry w is a matrix, expected a text"),
            (s.iteration().err(), "entry run.iteration is missing"),
        ] {
            let said = e.unwrap().to_string();
            assert!(said.contains(words), "{said}");
        }
    }
}
