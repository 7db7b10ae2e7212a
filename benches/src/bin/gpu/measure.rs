//! The clock: many runs between two waits, the median of many samples, and a budget of time for everything.

use crate::work::{Record, Shape, Work, name};
use nmf_core::Result;
use std::time::{Duration, Instant};

/// How much time a case may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Samples wanted.
    pub(crate) samples: usize,
    /// Seconds after which a case ends with what it has, if that is at least three.
    pub(crate) limit: f64,
    /// A case whose single run takes longer (or is sure to) is left out.
    pub(crate) longest: f64,
}

/// The median time of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) seconds: f64,
    pub(crate) samples: usize,
    pub(crate) per_wait: usize,
}

fn timed(run: &mut impl FnMut(usize) -> Result<()>, n: usize) -> Result<f64> {
    let clock = Instant::now();
    run(n)?;
    Ok(clock.elapsed().as_secs_f64())
}

impl Effort {
    /// `run(n)` does n of what is measured and waits. `Err(seconds)` inside: one run takes too long.
    pub(crate) fn time(&self, mut run: impl FnMut(usize) -> Result<()>) -> Result<std::result::Result<Timing, f64>> {
        run(1)?; // compiles, allocates
        let mut one = timed(&mut run, 1)?;
        if one > self.longest {
            return Ok(Err(one));
        }
        // shorter ones are found better by several
        while one < 1e-3 {
            let n = ((2e-3 / one) as usize).clamp(2, 1000);
            let better = timed(&mut run, n)? / n as f64;
            let settled = better * n as f64 > 1e-3 || n == 1000;
            one = better.max(1e-9);
            if settled {
                break;
            }
        }
        let per_wait = ((self.limit / self.samples as f64 / one) as usize).clamp(1, 100_000);
        let clock = Instant::now();
        let mut all = Vec::with_capacity(self.samples);
        while all.len() < self.samples && (all.len() < 3 || clock.elapsed().as_secs_f64() < self.limit) {
            all.push(timed(&mut run, per_wait)? / per_wait as f64);
        }
        all.sort_by(f64::total_cmp);
        Ok(Ok(Timing { seconds: all[all.len() / 2], samples: all.len(), per_wait }))
    }
}

/// The whole run: what is wanted, what was measured, what was left out.
pub(crate) struct Session {
    clock: Instant,
    budget: Duration,
    only: Option<String>,
    pub(crate) records: Vec<Record>,
    /// Names and reasons.
    pub(crate) left_out: Vec<(String, String)>,
}

impl Session {
    pub(crate) fn new(budget: f64, only: Option<String>) -> Session {
        Session {
            clock: Instant::now(),
            budget: Duration::from_secs_f64(budget),
            only,
            records: Vec::new(),
            left_out: Vec::new(),
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }

    fn left(&self) -> f64 {
        self.budget.as_secs_f64() - self.seconds()
    }

    /// Whether the time is up.
    pub(crate) fn is_over(&self) -> bool {
        self.left() <= 0.0
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|p| name.contains(p.as_str()))
    }

    /// Whether cases were asked for by this word.
    pub(crate) fn names(&self, word: &str) -> bool {
        self.only.as_ref().is_some_and(|p| p.contains(word))
    }

    pub(crate) fn leave_out(&mut self, name: String, why: impl Into<String>) {
        let why = why.into();
        println!("  left out: {name}: {why}");
        self.left_out.push((name, why));
    }

    /// Whether a case is wanted and has a chance: `seconds` of one run are foretold.
    pub(crate) fn admits(&mut self, name: &str, effort: &Effort, foretold: f64) -> bool {
        if !self.wants(name) {
            return false;
        }
        if self.left() < effort.limit {
            self.leave_out(name.into(), "the time is up (--budget)");
        } else if foretold > effort.longest {
            self.leave_out(name.into(), format!("one run would take about {foretold:.0} s"));
        } else {
            return true;
        }
        false
    }

    /// Measures a case that was admitted.
    pub(crate) fn measure(
        &mut self,
        (what, device): (&str, &str),
        (x, k, loss): (&Shape, usize, &str),
        work: Work,
        effort: &Effort,
        run: impl FnMut(usize) -> Result<()>,
    ) -> Result<Option<&Record>> {
        match effort.time(run)? {
            Err(one) => {
                self.leave_out(format!("{} ({device})", name(what, x, k, loss)), format!("one run takes {one:.1} s"));
                Ok(None)
            }
            Ok(Timing { seconds, samples, per_wait }) => {
                let (what, device, loss) = (what.to_string(), device.to_string(), loss.to_string());
                self.records.push(Record { what, device, x: *x, k, loss, seconds, samples, per_wait, work });
                Ok(self.records.last())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_per_run_and_what_is_too_long_is_said() {
        let effort = Effort { samples: 5, limit: 0.05, longest: 1.0 };
        let nap = |n: usize| {
            std::thread::sleep(Duration::from_millis(2 * n as u64));
            Ok(())
        };
        let t = effort.time(nap).unwrap().unwrap();
        assert!(t.samples >= 3 && t.per_wait >= 1 && t.seconds >= 0.002);
        let impatient = Effort { longest: 1e-3, ..effort };
        assert!(impatient.time(nap).unwrap().is_err());
    }

    #[test]
    fn cases_are_chosen_by_name_and_budget() {
        let effort = Effort { samples: 5, limit: 0.5, longest: 1.0 };
        let mut s = Session::new(1e6, Some("k=8 kl".into()));
        assert!(s.admits("iteration dense 10x10 k=8 kl", &effort, 0.1));
        assert!(!s.admits("iteration dense 10x10 k=16 kl", &effort, 0.1) && s.left_out.is_empty());
        assert!(!s.admits("iteration dense 10x10 k=8 kl", &effort, 2.0) && s.left_out.len() == 1);
        assert!(!Session::new(0.1, None).admits("x", &effort, 0.0));
    }
}
