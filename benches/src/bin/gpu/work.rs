//! What is measured, and the arithmetic of it: operations and bytes that each case cannot do without.

use nmf_core::Loss;
use serde::{Deserialize, Serialize};

/// X of a case: dense where every entry is stored.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) m: usize,
    pub(crate) n: usize,
    /// Stored entries of a sparse X.
    pub(crate) stored: Option<usize>,
}

impl Shape {
    pub(crate) fn dense(m: usize, n: usize) -> Shape {
        Shape { m, n, stored: None }
    }

    fn entries(&self) -> f64 {
        self.stored.map_or(self.m as f64 * self.n as f64, |s| s as f64)
    }

    /// Bytes of X read once, in the layout of one side.
    pub(crate) fn bytes(&self) -> f64 {
        // an index and a value for each stored entry
        self.entries() * if self.stored.is_some() { 8.0 } else { 4.0 }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.stored.is_some() { "sparse" } else { "dense" };
        write!(f, "{kind} {}x{}", self.m, self.n)
    }
}

/// Operations and bytes of one run of something.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Work {
    /// A multiply-add counts as two.
    pub(crate) flops: f64,
    /// Bytes that must come from or go to device memory.
    pub(crate) bytes: f64,
    /// Bytes of rows of the other factor gathered for stored entries of a sparse X; caches should serve them.
    pub(crate) gathered: f64,
}

impl Work {
    pub(crate) fn plus(self, other: Work) -> Work {
        Work {
            flops: self.flops + other.flops,
            bytes: self.bytes + other.bytes,
            gathered: self.gathered + other.gathered,
        }
    }

    /// Seconds at the ceilings: neither can be beaten.
    pub(crate) fn least_seconds(&self, flops: f64, bytes: f64) -> f64 {
        (self.flops / flops).max(self.bytes / bytes)
    }
}

/// Products of entries × k that an update of this loss consists of: XH (2), also the model (1), also a second product for
/// the denominator (others).
fn products(loss: &Loss) -> f64 {
    match loss {
        l if l.is_fro() => 1.0,
        l if l.is_kl() => 2.0,
        _ => 3.0,
    }
}

/// One product of X with a factor.
pub(crate) fn cross(x: &Shape, k: usize) -> Work {
    Work { flops: 2.0 * x.entries() * k as f64, bytes: x.bytes(), gathered: gathered(x, k) }
}

/// The Gram matrix of a factor of `rows` rows.
pub(crate) fn gram(rows: usize, k: usize) -> Work {
    let (rows, k) = (rows as f64, k as f64);
    Work { flops: 2.0 * rows * k * k, bytes: 4.0 * rows * k, gathered: 0.0 }
}

/// A HALS pass over a factor of `rows` rows: the product's result is read, the factor read and written.
pub(crate) fn hals(rows: usize, k: usize) -> Work {
    let (rows, k) = (rows as f64, k as f64);
    Work { flops: 2.0 * rows * k * k, bytes: 12.0 * rows * k, gathered: 0.0 }
}

/// The divergence: the model once.
pub(crate) fn divergence(x: &Shape, k: usize) -> Work {
    cross(x, k)
}

/// One multiplicative update of the factor with `rows` rows, the other one having `other`.
pub(crate) fn half_step(x: &Shape, rows: usize, other: usize, k: usize, loss: &Loss) -> Work {
    let kf = k as f64;
    let grams = if loss.is_fro() { 2.0 * (rows + other) as f64 * kf * kf } else { 0.0 };
    Work { flops: 2.0 * x.entries() * kf * products(loss) + grams, bytes: x.bytes(), gathered: gathered(x, k) }
}

/// An update of W and one of H.
pub(crate) fn iteration(x: &Shape, k: usize, loss: &Loss) -> Work {
    half_step(x, x.m, x.n, k, loss).plus(half_step(x, x.n, x.m, k, loss))
}

/// Each stored entry needs a row of the other factor, padded to quads.
fn gathered(x: &Shape, k: usize) -> f64 {
    x.stored.map_or(0.0, |s| s as f64 * 4.0 * k.next_multiple_of(4) as f64)
}

/// What was measured, one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// `iteration` or the name of an operation.
    pub(crate) what: String,
    /// `gpu` or `cpu`.
    pub(crate) device: String,
    pub(crate) x: Shape,
    pub(crate) k: usize,
    /// `fro`, `kl`, `is`, `beta:1.5`, or nothing where no loss is at work.
    pub(crate) loss: String,
    /// Seconds for one, the median of `samples`.
    pub(crate) seconds: f64,
    pub(crate) samples: usize,
    /// Runs between two waits.
    pub(crate) per_wait: usize,
    pub(crate) work: Work,
}

impl Record {
    pub(crate) fn name(&self) -> String {
        name(&self.what, &self.x, self.k, &self.loss)
    }

    /// Share of the nearer ceiling.
    pub(crate) fn share(&self, flops: f64, bytes: f64) -> f64 {
        self.work.least_seconds(flops, bytes) / self.seconds
    }
}

/// What `--only` looks at.
pub(crate) fn name(what: &str, x: &Shape, k: usize, loss: &str) -> String {
    let loss = if loss.is_empty() { String::new() } else { format!(" {loss}") };
    format!("{what} {x} k={k}{loss}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic_is_that_of_the_formulas() {
        let x = Shape::dense(100, 50);
        let f = |loss: Loss| iteration(&x, 8, &loss).flops;
        assert_eq!(f(Loss::KL), 2.0 * 2.0 * 2.0 * 100.0 * 50.0 * 8.0);
        assert_eq!(f(Loss::IS), 2.0 * 3.0 * 2.0 * 100.0 * 50.0 * 8.0);
        assert_eq!(f(Loss::FRO), 2.0 * 2.0 * 100.0 * 50.0 * 8.0 + 2.0 * 2.0 * 150.0 * 64.0);
        assert_eq!(iteration(&x, 8, &Loss::KL).bytes, 2.0 * 4.0 * 5000.0);
        let s = Shape { stored: Some(300), ..x };
        let work = iteration(&s, 10, &Loss::KL);
        assert_eq!((work.flops, work.bytes, work.gathered), (2.0 * 4.0 * 300.0 * 10.0, 4800.0, 2.0 * 300.0 * 48.0));
        // at 100 flop/s and 1000 B/s arithmetic is the nearer ceiling
        assert_eq!(work.least_seconds(100.0, 1000.0), 240.0);
    }
}
