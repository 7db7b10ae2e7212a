//! Hierarchical alternating least squares, plain and accelerated, for the Frobenius loss.
//!
//! With A = X·H and G = HᵀH, column q of W has the closed-form minimizer
//! w_q ← max(0, w_q + (A_q − W·G_q − l1 − l2·w_q) / (G_qq + l2)); a sweep goes over all columns. Accelerated HALS
//! repeats the sweep while A and G stay as they are, because forming them costs far more than a sweep:
//! up to ⌊1 + αρ⌋ times with ρ = 1 + (nnz + nk)/(m(k+1)) and α = ½.
//!
//! References: A. Cichocki and A.-H. Phan, IEICE Trans. Fundamentals E92-A(3), 2009; N. Gillis and F. Glineur,
//! "Accelerated multiplicative updates and hierarchical ALS algorithms for nonnegative matrix factorization",
//! Neural Computation 24(4), 2012, §4 (stop of the inner sweeps at a tenth of the first one's movement).
//!
//! Requirements: Frobenius loss, all entries observed. Never increases the objective.

use super::{Measure, Measured, Model, Solver};
use crate::backend::sweep_seed;
use crate::{Backend, Element, Result, Side, Snapshot, Sweep};

/// An iteration never sweeps more often than this.
const MOST_SWEEPS: f64 = 32.0;
/// How fast a flop of a sweep runs beside a flop of a product with X: ρ counts flops, but products run faster. One
/// constant for every backend, so that all of them take the same path and can be compared.
const SWEEP_RATE: f64 = 0.5;
/// A row is left alone once a sweep moves it by less than this share of the first sweep.
const INNER_STOP: f64 = 0.1;

/// How often, how long and in which order an iteration sweeps.
pub(super) struct Sweeper {
    /// [`SWEEP_RATE`]; `None`: one sweep.
    pub(super) rate: Option<f64>,
    pub(super) stop: f64,
    pub(super) shuffle: Option<u64>,
    pub(super) iteration: u64,
}

impl Sweeper {
    pub(super) fn accelerated(shuffle: Option<u64>) -> Self {
        Sweeper { rate: Some(SWEEP_RATE), stop: INNER_STOP, shuffle, iteration: 0 }
    }

    pub(super) fn sweep<B: Backend>(&self, b: &B, m: &Model<'_, B>, side: Side) -> Sweep {
        let k = m.rank(b) as f64;
        let (rows, others, rule) = match side {
            Side::Rows => (m.rows, m.cols, m.rule_w),
            Side::Cols => (m.cols, m.rows, m.rule_h),
        };
        let rho = 1.0 + (m.stored as f64 + others as f64 * k) / (rows as f64 * (k + 1.0));
        let repeats = self.rate.map_or(1.0, |rate| (1.0 + 0.5 * rho * rate).floor());
        let shuffle = self.shuffle.map(|seed| sweep_seed(seed, self.iteration, side));
        Sweep { max_sweeps: repeats.clamp(1.0, MOST_SWEEPS) as usize, stop: self.stop, rule, shuffle }
    }
}

/// Room for a factor.
pub(super) fn zeros<B: Backend>(b: &mut B, rows: usize, k: usize) -> Result<B::Factor> {
    b.factor(ndarray::Array2::<B::Elem>::zeros((rows, k)).view())
}

/// The divergence before a step, from the by-product of the step before where that keeps enough digits: `newest` is the
/// objective of the current pair without ½‖X‖² and penalties.
pub(super) fn before_step<B: Backend>(
    b: &mut B,
    m: &Model<'_, B>,
    measure: Measure,
    newest: Option<B::Scalar>,
) -> Result<Option<Measured<B::Scalar>>> {
    let least = least_share::<B::Elem>() * m.half_norm;
    match (measure, newest) {
        (Measure::No, _) => Ok(None),
        (Measure::Trace, Some(scalar)) if is_far(m, least) => Ok(Some(Measured { scalar, offset: m.half_norm, least })),
        _ => Ok(Some(Measured::direct(b.divergence(m.loss, m.data, &m.w, &m.h)?))),
    }
}

/// Whether the divergence is far above `least`: the newest one known is some iterations old, and a factor of ten lets it fall
/// in the meantime.
pub(super) fn is_far<B: Backend>(m: &Model<'_, B>, least: f64) -> bool {
    m.last_divergence.is_some_and(|d| d > 10.0 * least)
}

/// Scratch of HALS.
pub struct Hals<B: Backend> {
    accelerated: bool,
    sweeper: Sweeper,
    cross_w: B::Factor,
    cross_h: B::Factor,
    gram: B::Gram,
}

impl<B: Backend> Hals<B> {
    /// For a rows×cols matrix at rank k; `accelerated` repeats sweeps, `shuffle` visits the columns in random order.
    pub fn new(
        b: &mut B,
        (rows, cols): (usize, usize),
        k: usize,
        accelerated: bool,
        shuffle: Option<u64>,
    ) -> Result<Self> {
        let rate = accelerated.then_some(SWEEP_RATE);
        Ok(Hals {
            accelerated,
            sweeper: Sweeper { rate, ..Sweeper::accelerated(shuffle) },
            cross_w: zeros(b, rows, k)?,
            cross_h: zeros(b, cols, k)?,
            gram: b.new_gram(k)?,
        })
    }
}

/// The share of ½‖X‖² above which ½‖X‖² − ⟨A, W⟩ + ½⟨WᵀW, G⟩ keeps enough digits. Rounding each of the mk entries of A
/// independently leaves an error of about ε/√(mk) of ½‖X‖² (measured on 800×600, k = 16, f32: 2e-9), so that at a
/// thousandth of ½‖X‖² about five digits are right in f32, and more in f64 at a millionth.
pub(super) fn least_share<T: Element>() -> f64 {
    if T::EPS > 1e-10 { 1e-3 } else { 1e-6 }
}

impl<B: Backend> Solver<B> for Hals<B> {
    fn name(&self) -> &'static str {
        if self.accelerated { "ahals" } else { "hals" }
    }

    fn begin(&mut self, _: &mut B, _: &mut Model<'_, B>) -> Result<()> {
        self.sweeper.iteration = 0;
        Ok(())
    }

    fn save(&self, _: &mut B, out: &mut Snapshot<B::Elem>) -> Result<()> {
        out.put_counts("iteration", [self.sweeper.iteration]);
        Ok(())
    }

    fn restore(&mut self, _: &mut B, _: &Model<'_, B>, from: &Snapshot<B::Elem>) -> Result<()> {
        self.sweeper.iteration = from.index("iteration")? as u64;
        Ok(())
    }

    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>> {
        self.sweeper.iteration += 1;
        let least = least_share::<B::Elem>() * m.half_norm;
        let cheap = measure == Measure::Trace && m.w_is_free(b) && is_far(m, least);
        let mut before = None;
        if measure != Measure::No && !cheap {
            before = Some(Measured::direct(b.divergence(m.loss, m.data, &m.w, &m.h)?));
        }
        if m.w_is_free(b) {
            b.cross(m.data, Side::Rows, &m.h, &mut self.cross_w)?;
            b.gram(&m.h, &mut self.gram)?;
            if cheap {
                let scalar = b.quadratic(&self.cross_w, &self.gram, &m.w)?;
                before = Some(Measured { scalar, offset: m.half_norm, least });
            }
            let sweep = self.sweeper.sweep(b, m, Side::Rows);
            b.hals_sweep(&self.cross_w, &self.gram, &mut m.w, &sweep)?;
        }
        if m.h_is_free(b) {
            b.cross(m.data, Side::Cols, &m.w, &mut self.cross_h)?;
            b.gram(&m.w, &mut self.gram)?;
            let sweep = self.sweeper.sweep(b, m, Side::Cols);
            b.hals_sweep(&self.cross_h, &self.gram, &mut m.h, &sweep)?;
        }
        Ok(before)
    }
}
