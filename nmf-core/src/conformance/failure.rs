//! What a check found.

use std::fmt;

/// One thing a backend does not do as it must: which check found it, in which operation, on which input, where, and
/// by how much.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The check that failed, such as `oracle::gram`.
    pub check: &'static str,
    /// The backend operation.
    pub operation: &'static str,
    /// Shapes, memory layout, loss, rule: the case.
    pub case: String,
    /// Row and column of the worst entry, where the result is a matrix.
    pub index: Option<(usize, usize)>,
    /// What the backend gave; NaN where it is not a number that failed.
    pub found: f64,
    /// What the oracle gives.
    pub expected: f64,
    /// By how much the two may differ.
    pub tolerance: f64,
    /// What was violated, in words, where the numbers do not say it.
    pub note: String,
}

/// The result of one check. Boxed, because a failure is large and rare.
pub type Outcome = Result<(), Box<Failure>>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conformance check {}: operation `{}`", self.check, self.operation)?;
        if !self.case.is_empty() {
            write!(f, " on {}", self.case)?;
        }
        if let Some((i, j)) = self.index {
            write!(f, ", entry ({i}, {j})")?;
        }
        if !self.note.is_empty() {
            write!(f, ": {}", self.note)?;
        }
        if self.found.is_nan() && self.expected.is_nan() {
            return Ok(());
        }
        let off = (self.found - self.expected).abs();
        write!(f, ": found {:e}, expected {:e} within {:e}, off by {off:e}", self.found, self.expected, self.tolerance)
    }
}

impl std::error::Error for Failure {}

/// What [`crate::conformance::run_all`] found, check by check.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The backend, as it names itself.
    pub backend: String,
    /// Name and outcome of every check, in order.
    pub outcomes: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// Whether every check passed.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The failures, in order.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.outcomes.iter().filter_map(|(_, o)| o.as_ref().err().map(|f| &**f))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failures().count();
        writeln!(f, "{}: {} checks, {failed} failed", self.backend, self.outcomes.len())?;
        for (name, outcome) in &self.outcomes {
            match outcome {
                Ok(()) => writeln!(f, "  ok      {name}")?,
                Err(failure) => writeln!(f, "  FAILED  {name}\n          {failure}")?,
            }
        }
        Ok(())
    }
}
