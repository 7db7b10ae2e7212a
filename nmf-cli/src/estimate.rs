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
//! With L shifts the products are with k·L columns instead of k.
//!
//! On top of the products come what the solver does to each of the m+n rows of length k: sweeps or gradient steps (k² each),
//! factorizations of k×k systems (k³). Newton's coordinate descent visits each entry k times with a division each: about
//! three times the work of a multiplicative update.
//!
//! A GPU also needs [`GPU_START`] seconds to open and to build its programs, and X has to be carried there at
//! [`UPLOAD`] bytes a second.

use nmf_core::solver::{SolverOptions, Task};
use nmf_core::{Backend, Loss, Observed, Op, SolverKind, Support};
use nmf_io::Precision;

/// Seconds until a GPU does its first useful work.
pub(crate) const GPU_START: f64 = 0.8;
/// Bytes per second from the host's memory to the GPU's.
pub(crate) const UPLOAD: f64 = 5e9;

/// What a factorization asks of a backend.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    /// The solver.
    pub(crate) solver: SolverKind,
    /// What it was asked for.
    pub(crate) options: SolverOptions,
    /// Which entries count.
    pub(crate) observed: Observed,
    /// Whether there are weights other than 0 and 1.
    pub(crate) weights: bool,
}

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
    /// Rank k; the shifts beside it are among the options of the solver.
    pub(crate) rank: usize,
    /// Iterations expected, all restarts together.
    pub(crate) iterations: usize,
    /// The loss.
    pub(crate) loss: Loss,
    /// Precision of X as it was read.
    pub(crate) precision: Precision,
    /// What it takes.
    pub(crate) needs: Needs,
}

impl Work {
    fn task(&self) -> Task<'_> {
        let Needs { options, observed, .. } = self.needs;
        Task { loss: &self.loss, observed, sparse: self.gathers(), options }
    }

    /// Columns of W: k, or k·L with L shifts.
    fn width(&self) -> f64 {
        self.rank as f64 * self.needs.options.shifts as f64
    }

    /// The solver on this backend; what cannot be done is left to be refused later, with everything known.
    pub(crate) fn solver_on<B: Backend>(&self, b: &B) -> SolverKind {
        self.needs.solver.resolve(b, &self.task()).unwrap_or(self.needs.solver)
    }

    /// Why this backend cannot do it, if it cannot.
    pub(crate) fn refused_by<B: Backend>(&self, b: &B) -> Option<String> {
        let missing = |op: Op| b.supports(&op) == Support::No;
        if self.needs.weights && missing(Op::Weights) {
            return Some("it takes masks, but no other weights".into());
        }
        if self.needs.observed == Observed::Weighted && missing(Op::Mask) {
            return Some("it takes no masks".into());
        }
        let refused = self.needs.solver.resolve(b, &self.task()).err()?;
        Some(crate::failure::Failure::from(refused).message().to_string())
    }

    /// Why it had better be done elsewhere although this backend can do it.
    pub(crate) fn unfit_for<B: Backend>(&self, b: &B) -> Option<String> {
        let kind = self.solver_on(b);
        let op = match kind {
            SolverKind::Pg if self.needs.options.sparseness != (None, None) => Op::Sparseness,
            SolverKind::Pg | SolverKind::AnlsBpp | SolverKind::Als => Op::LeastSquares,
            SolverKind::Mu | SolverKind::Mue if self.needs.options.shifts > 1 => Op::Shifts,
            _ => return None,
        };
        (b.supports(&op) != Support::Native).then(|| format!("solver {kind} would work on the host there"))
    }

    /// What `auto` most likely stands for, without asking a backend.
    fn solver(&self) -> SolverKind {
        match self.needs.solver {
            SolverKind::Auto if self.needs.options.sparseness != (None, None) => SolverKind::Pg,
            SolverKind::Auto if self.needs.options.shifts > 1 => SolverKind::Mu,
            SolverKind::Auto if self.loss.is_fro() && self.needs.observed == Observed::All => SolverKind::EHals,
            SolverKind::Auto if self.loss.is_kl() && self.gathers() => SolverKind::Newton,
            SolverKind::Auto => SolverKind::Mu,
            kind => kind,
        }
    }

    /// Floating-point operations of one iteration.
    pub(crate) fn flops(&self) -> f64 {
        let (k, stored) = (self.width(), self.stored as f64);
        let sides = (self.rows + self.cols) as f64;
        let products = match (self.sparse, self.loss.is_fro()) {
            (true, _) => 8.0 * stored * k + 4.0 * sides * k * k,
            // unknown entries take the fused pass of the other losses
            (false, true) if self.needs.observed == Observed::All => 4.0 * stored * k + 4.0 * sides * k * k,
            (false, _) => 8.0 * stored * k,
        };
        products
            + match self.solver() {
                SolverKind::AHals | SolverKind::EHals => 6.0 * sides * k * k,
                SolverKind::Pg => 40.0 * sides * k * k,
                SolverKind::AnlsBpp => sides * k * k * k,
                SolverKind::Newton => 2.0 * products,
                _ => 0.0,
            }
    }

    /// [`nmf_core::Problem::is_sparse`].
    fn gathers(&self) -> bool {
        self.sparse && self.stored < self.rows as u64 * self.cols as u64 / 4
    }

    /// Bytes that X and its weights take on a device, with the transposed copy of a sparse one.
    pub(crate) fn bytes(&self) -> f64 {
        let one = if self.precision == Precision::F32 { 4.0 } else { 8.0 };
        let value = if self.needs.observed == Observed::Weighted { 2.0 * one } else { one };
        if self.sparse { 2.0 * self.stored as f64 * (value + 4.0) } else { self.stored as f64 * value }
    }

    /// Bytes of the factors with the scratch of the solvers, and of k×k matrices.
    pub(crate) fn factor_bytes(&self) -> f64 {
        let value = if self.precision == Precision::F32 { 4.0 } else { 8.0 };
        let k = (self.width() / 16.0).ceil() * 16.0;
        // shifted copies meet Gram matrices in products only
        let grams = if self.needs.options.shifts == 1 || self.loss.is_fro() { 2.0 * value * k * k } else { 0.0 };
        6.0 * value * k * (self.rows + self.cols) as f64 + grams
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
        // consumer cards have a unit for f64 beside 32 or 64 for f32; their memory is as fast
        let slower = if self.precision == Precision::F64 { 32.0 } else { 1.0 };
        GPU_START + self.bytes() / UPLOAD + self.iterations as f64 * self.flops() * slower / rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(rows: usize, cols: usize, rank: usize, sparse: bool, stored: u64) -> Work {
        let (loss, precision) = (Loss::FRO, Precision::F32);
        Work { rows, cols, stored, sparse, rank, iterations: 100, loss, precision, needs: Needs::default() }
    }

    #[test]
    fn solvers_differ_in_what_they_take_and_what_they_need() {
        let mut dear = work(500, 300, 64, false, 150_000);
        dear.needs.solver = SolverKind::AnlsBpp;
        assert!(dear.flops() > 2.0 * work(500, 300, 64, false, 150_000).flops());
        let cpu = nmf_cpu::Cpu::<f32>::new().unwrap();
        assert_eq!((dear.refused_by(&cpu), dear.unfit_for(&cpu)), (None, None));
        dear.needs.solver = SolverKind::Newton;
        assert!(dear.refused_by(&cpu).unwrap().contains("--solver newton minimizes the kl loss only"));
    }

    #[test]
    fn shifts_count_like_components() {
        let (plain, mut shifted) = (work(500, 300, 48, false, 150_000), work(500, 300, 4, false, 150_000));
        shifted.needs.options.shifts = 12;
        assert_eq!(shifted.factor_bytes(), plain.factor_bytes());
        let ratio = shifted.flops() / plain.flops();
        assert!(ratio > 0.5 && ratio <= 1.0, "{ratio}");
        let cpu = nmf_cpu::Cpu::<f32>::new().unwrap();
        assert_eq!((shifted.refused_by(&cpu), shifted.solver_on(&cpu)), (None, SolverKind::Mue));
        shifted.needs.solver = SolverKind::Hals;
        assert!(shifted.refused_by(&cpu).unwrap().contains("--solver hals has no convolutive form"));
        // numbers that no machine can hold are large, not an overflow
        (shifted.rank, shifted.needs.options.shifts) = (usize::MAX, usize::MAX);
        assert!(shifted.factor_bytes() > 1e40);
    }

    #[test]
    fn small_work_stays_on_the_cpu_and_large_dense_work_goes_to_the_gpu() {
        let small = work(500, 300, 16, false, 150_000);
        assert!(small.cpu_seconds(8) < small.gpu_seconds(true));
        let large = work(20_000, 10_000, 64, false, 200_000_000);
        assert!(large.cpu_seconds(8) > large.gpu_seconds(true));
    }
}
