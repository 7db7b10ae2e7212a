//! How long a factorization will take and what it needs, roughly: for `--backend auto` and `inspect`.
//!
//! The rule counts the multiplications and additions of the products with X, which dominate, and divides them by
//! round rates; it is meant to be right within a factor of about three.
//!
//! | operation | flops per iteration | CPU, per thread | discrete GPU | integrated GPU |
//! |---|---|---|---|---|
//! | fro, dense | 8·mnk/2 + Gram products | 25 GFLOP/s (f64: half) | 4 TFLOP/s | 300 GFLOP/s |
//! | other losses, dense | 16·mnk/2 | 6 GFLOP/s | 1 TFLOP/s | 100 GFLOP/s |
//! | sparse | 8·nnz·k | 3 GFLOP/s | 300 GFLOP/s | 40 GFLOP/s |
//!
//! A GPU also needs [`GPU_START`] seconds to open and to build its programs, and X has to be carried there at
//! [`UPLOAD`] bytes a second.

use nmf_core::Loss;
use nmf_io::Precision;

/// Seconds until a GPU does its first useful work.
pub(crate) const GPU_START: f64 = 0.8;
/// Bytes per second from the host's memory to the GPU's.
pub(crate) const UPLOAD: f64 = 5e9;

/// A factorization to come.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// Rows of X.
    pub(crate) rows: usize,
    /// Columns of X.
    pub(crate) cols: usize,
    /// Stored entries.
    pub(crate) stored: u64,
    /// Whether X is sparse.
    pub(crate) sparse: bool,
    /// Rank k.
    pub(crate) rank: usize,
    /// Iterations expected, all restarts together.
    pub(crate) iterations: usize,
    /// The loss.
    pub(crate) loss: Loss,
    /// Precision of X as it was read.
    pub(crate) precision: Precision,
}

impl Work {
    /// Floating-point operations of one iteration.
    pub(crate) fn flops(&self) -> f64 {
        let (k, stored) = (self.rank as f64, self.stored as f64);
        let sides = (self.rows + self.cols) as f64;
        match (self.sparse, self.loss.is_fro()) {
            (true, _) => 8.0 * stored * k + 4.0 * sides * k * k,
            (false, true) => 4.0 * stored * k + 4.0 * sides * k * k,
            (false, false) => 8.0 * stored * k,
        }
    }

    /// Bytes that X takes on a device, with the transposed copy of a sparse one.
    pub(crate) fn bytes(&self) -> f64 {
        let value = if self.precision == Precision::F32 { 4.0 } else { 8.0 };
        if self.sparse { 2.0 * self.stored as f64 * (value + 4.0) } else { self.stored as f64 * value }
    }

    /// Bytes of the factors with the scratch of the solvers, and of k×k matrices.
    pub(crate) fn factor_bytes(&self) -> f64 {
        let value = if self.precision == Precision::F32 { 4.0 } else { 8.0 };
        let k = self.rank.next_multiple_of(16) as f64;
        4.0 * value * k * (self.rows + self.cols) as f64 + 2.0 * value * k * k
    }

    /// Seconds on the CPU.
    pub(crate) fn cpu_seconds(&self, threads: usize) -> f64 {
        let rate = match (self.sparse, self.loss.is_fro()) {
            (true, _) => 3e9,
            (false, true) => 25e9,
            (false, false) => 6e9,
        };
        let half = if self.precision == Precision::F64 && !self.sparse { 2.0 } else { 1.0 };
        self.iterations as f64 * self.flops() * half / (rate * threads.max(1) as f64)
    }

    /// Seconds on a GPU, start and upload included.
    pub(crate) fn gpu_seconds(&self, discrete: bool) -> f64 {
        let rate = match (self.sparse, self.loss.is_fro(), discrete) {
            (true, _, true) => 300e9,
            (true, _, false) => 40e9,
            (false, true, true) => 4e12,
            (false, true, false) => 300e9,
            (false, false, true) => 1e12,
            (false, false, false) => 100e9,
        };
        GPU_START + self.bytes() / UPLOAD + self.iterations as f64 * self.flops() / rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(rows: usize, cols: usize, rank: usize, sparse: bool, stored: u64) -> Work {
        let (loss, precision) = (Loss::FRO, Precision::F32);
        Work { rows, cols, stored, sparse, rank, iterations: 100, loss, precision }
    }

    #[test]
    fn small_work_stays_on_the_cpu_and_large_dense_work_goes_to_the_gpu() {
        let small = work(500, 300, 16, false, 150_000);
        assert!(small.cpu_seconds(8) < small.gpu_seconds(true));
        let large = work(20_000, 10_000, 64, false, 200_000_000);
        assert!(large.cpu_seconds(8) > large.gpu_seconds(true));
    }
}
