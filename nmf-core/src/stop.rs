//! When to stop.

use crate::{Error, Result};
use std::time::Duration;

/// Stopping rules; whichever is met first ends the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// At most this many iterations (one update of W and one of H each). Default 200.
    pub max_iter: usize,
    /// Stop when the objective D fell by at most `tol`·√(D_start·D) since the last check; 0 switches the rule off.
    /// Default 1e-4. As long as D is near D_start this is relative to the start; once D is far below it, the root keeps
    /// the rule from stopping a fit that still halves its error (scikit-learn compares √D for the same reason).
    pub tol: f64,
    /// Stop when the KKT residual ‖(min(W, ∇W), min(H, ∇H))‖ fell below `kkt_tol` × its value at the start
    /// (the projected-gradient criterion of Lin 2007). 0 (the default) switches the rule off.
    pub kkt_tol: f64,
    /// Stop after this much time spent iterating.
    pub time_limit: Option<Duration>,
    /// Iterations between checks. Default 10.
    pub every: usize,
}

impl Default for Stop {
    fn default() -> Self {
        Stop { max_iter: 200, tol: 1e-4, kkt_tol: 0.0, time_limit: None, every: 10 }
    }
}

impl Stop {
    pub(crate) fn check(&self) -> Result<()> {
        for (name, v) in [("tol", self.tol), ("kkt_tol", self.kkt_tol)] {
            if !(v >= 0.0 && v.is_finite()) {
                return Err(Error::Parameter { name, value: v.to_string(), expected: "a finite number ≥ 0" });
            }
        }
        if self.every == 0 {
            return Err(Error::Parameter { name: "every", value: "0".into(), expected: "at least 1" });
        }
        Ok(())
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stopped {
    /// The iterations were used up.
    MaxIter,
    /// The objective no longer fell.
    Tol,
    /// The KKT residual was small enough.
    Kkt,
    /// Out of time.
    Time,
    /// An observer asked for it.
    Interrupted,
}

impl Stopped {
    const ALL: [Stopped; 5] = [Stopped::MaxIter, Stopped::Tol, Stopped::Kkt, Stopped::Time, Stopped::Interrupted];

    /// Its number in a snapshot.
    pub(crate) fn code(self) -> u64 {
        Stopped::ALL.iter().position(|s| *s == self).unwrap_or(Stopped::ALL.len()) as u64
    }

    /// The reason of that number.
    pub(crate) fn of_code(code: u64) -> Result<Stopped> {
        let known = usize::try_from(code).ok().and_then(|i| Stopped::ALL.get(i));
        known.copied().ok_or_else(|| Error::Snapshot {
            what: "the reason why a run ended".into(),
            found: code.to_string(),
            expected: format!("a number below {}", Stopped::ALL.len()),
        })
    }

    /// `max_iter`, `tol`, `kkt`, `time` or `interrupted`.
    pub fn name(self) -> &'static str {
        match self {
            Stopped::MaxIter => "max_iter",
            Stopped::Tol => "tol",
            Stopped::Kkt => "kkt",
            Stopped::Time => "time",
            Stopped::Interrupted => "interrupted",
        }
    }
}
