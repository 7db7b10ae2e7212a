//! Several matrices at once: matrices over named modes (users, items, occupations, …) that share a factor per mode.
//!
//! Matrix r lies over two modes, a(r) and b(r), and X_r ≈ F_a·F_bᵀ with one factor F_m (size×k) ≥ 0 for each mode. What is minimized is
//! J = Σ_r α_r·D_r(X_r, F_a·F_bᵀ) + Σ_m penalty_m(F_m), each matrix with its own β-divergence D_r and weight α_r > 0 ([`Relation`]). The
//! weights say how much the matrices count against each other: a divergence grows with the number of entries and with their scale, so a
//! large matrix drowns a small one that has weight 1 like itself.
//!
//! A factor is updated with the numerators and denominators of all matrices it appears in,
//!
//! F_m ← F_m ∘ (Σ_r α_r·N_r ⊘ (Σ_r α_r·D_r + penalties))^γ,
//!
//! which are sums by [`Backend::terms`], so that every backend, loss, mask and layout serves. J never rises with
//! γ = 1/(p + n), p = max_r max(β_r − 1, 0), at least 1 with an l2 penalty, and n = max_r max(2 − β_r, 0) over the matrices of the mode
//! ([`exponent`]).
//!
//! The reason: the auxiliary functions of Févotte & Idier (2011) add up. With t = f/f̃, the new value over the old one, the slope of
//! their sum is Σ_r α_r·(D_r·t^{p_r} − N_r·t^{−n_r}) with p_r = max(β_r − 1, 0) and n_r = max(2 − β_r, 0); an l1 penalty
//! adds a D with p = 0, an l2 penalty one with p = 1. Where t ≥ 1 it is at most (ΣαD)·t^p − (ΣαN)·t^{−n}, where t ≤ 1 at least that, and
//! this bound vanishes at t = (ΣαN/ΣαD)^{1/(p+n)}. The step therefore ends before the minimum of the sum, or at it. For a single loss γ is that of
//! [`crate::Loss::exponent`]. For mixed losses it is smaller than each of theirs: kl with fro needs ½, although either alone descends
//! with 1. (A mode that only kl matrices have takes its l2 penalty by the root of the majorizer, [`crate::Ridge::Quadratic`], with γ = 1.)
//!
//! A mode cannot be coupled with itself: X ≈ F·Fᵀ is of degree four in F, and these updates need not descend.
//!
//! References: K. Takeuchi, K. Ishiguro, A. Kimura and H. Sawada, "Non-negative multiple matrix factorization", IJCAI 2013 (kl; here each matrix has
//! its own loss); C. Févotte and J. Idier, Neural Computation 23(9), 2011.

mod check;
mod fitted;
mod layout;
mod run;

pub use fitted::{CoupledFit, Part};

use crate::observer::{Observer, Silent};
use crate::{Backend, Element, Loss, MatrixRef, Observed, Penalty, Result, Ridge, Rule, Stop};
use ndarray::Array2;

/// A mode: what the rows or columns of matrices stand for. It has one factor, size×k.
#[derive(Debug, Clone)]
pub struct Mode<T> {
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) penalty: Penalty,
    pub(crate) start: Option<Array2<T>>,
    pub(crate) fixed: Option<Array2<T>>,
}

impl<T: Element> Mode<T> {
    /// A mode of `size` entries, without a penalty.
    pub fn new(name: impl Into<String>, size: usize) -> Self {
        Mode { name: name.into(), size, penalty: Penalty::NONE, start: None, fixed: None }
    }
    /// A penalty on its factor, in the units of the factor that comes out.
    #[must_use]
    pub fn penalty(mut self, p: Penalty) -> Self {
        self.penalty = p;
        self
    }
    /// A factor (size×k) to start from instead of random numbers; the same in every restart. A zero stays zero.
    #[must_use]
    pub fn start(mut self, f: Array2<T>) -> Self {
        self.start = Some(f);
        self
    }
    /// The first columns of the factor (size×j, 1 ≤ j ≤ k) are given and stay as they are.
    #[must_use]
    pub fn fixed(mut self, f: Array2<T>) -> Self {
        self.fixed = Some(f);
        self
    }
}

/// A matrix over two modes.
#[derive(Debug, Clone)]
pub struct Relation<'a, T: Element> {
    pub(crate) name: String,
    pub(crate) x: MatrixRef<'a, T>,
    pub(crate) rows: String,
    pub(crate) cols: String,
    pub(crate) loss: Loss,
    pub(crate) weight: f64,
    pub(crate) observed: Observed,
    pub(crate) weights: Option<MatrixRef<'a, T>>,
}

impl<'a, T: Element> Relation<'a, T> {
    /// X whose rows are the entries of mode `rows`, and whose columns those of mode `cols`; Frobenius loss, weight 1, every entry observed.
    pub fn new(
        name: impl Into<String>,
        x: impl Into<MatrixRef<'a, T>>,
        rows: impl Into<String>,
        cols: impl Into<String>,
    ) -> Self {
        Relation {
            name: name.into(),
            x: x.into(),
            rows: rows.into(),
            cols: cols.into(),
            loss: Loss::FRO,
            weight: 1.0,
            observed: Observed::All,
            weights: None,
        }
    }
    /// The loss, a β-divergence.
    #[must_use]
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }
    /// How much its divergence counts, > 0.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }
    /// Which entries count.
    #[must_use]
    pub fn observed(mut self, observed: Observed) -> Self {
        self.observed = observed;
        self
    }
    /// Weights ≥ 0 of its entries, see [`crate::Weighted`]; 0 is unknown.
    #[must_use]
    pub fn weights(mut self, weights: impl Into<MatrixRef<'a, T>>) -> Self {
        self.weights = Some(weights.into());
        self
    }
}

/// A factorization of several matrices: a builder whose [`fit`](Coupled::fit) returns a [`CoupledFit`].
///
/// ```
/// use nmf_core::coupled::{Coupled, Mode, Relation};
/// use nmf_core::Loss;
///
/// let bought = ndarray::array![[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]];
/// let kind = ndarray::array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
/// let fitted = Coupled::new(2)
///     .mode(Mode::new("user", 2))
///     .mode(Mode::new("item", 3))
///     .mode(Mode::new("kind", 2))
///     .matrix(Relation::new("bought", &bought, "user", "item").loss(Loss::KL))
///     .matrix(Relation::new("kinds", &kind, "item", "kind").loss(Loss::KL).weight(0.5))
///     .fit(&mut nmf_cpu::Cpu::<f64>::new()?)?;
/// assert_eq!(fitted.factor("item").map(|f| f.dim()), Some((3, 2)));
/// # Ok::<(), nmf_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Coupled<'a, T: Element> {
    pub(crate) rank: usize,
    pub(crate) modes: Vec<Mode<T>>,
    pub(crate) matrices: Vec<Relation<'a, T>>,
    pub(crate) seed: u64,
    pub(crate) restarts: usize,
    pub(crate) stop: Stop,
    pub(crate) kkt: bool,
}

impl<'a, T: Element> Coupled<'a, T> {
    /// Rank k, nothing to factor yet; seed 0, one start, the stopping rules of [`Stop`].
    pub fn new(k: usize) -> Self {
        Coupled {
            rank: k,
            modes: Vec::new(),
            matrices: Vec::new(),
            seed: 0,
            restarts: 1,
            stop: Stop::default(),
            kkt: false,
        }
    }
    /// Adds a mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode<T>) -> Self {
        self.modes.push(mode);
        self
    }
    /// Adds a matrix.
    #[must_use]
    pub fn matrix(mut self, matrix: Relation<'a, T>) -> Self {
        self.matrices.push(matrix);
        self
    }
    /// Seed of the random start.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
    /// Number of starts (seed, seed + 1, …), of which the one with the lowest objective is kept.
    #[must_use]
    pub fn restarts(mut self, restarts: usize) -> Self {
        self.restarts = restarts;
        self
    }
    /// The stopping rules; the objective is recorded at the start, at every check and at the end.
    #[must_use]
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }
    /// Also compute the KKT residual.
    #[must_use]
    pub fn kkt(mut self, on: bool) -> Self {
        self.kkt = on;
        self
    }

    /// Factors the matrices.
    ///
    /// # Errors
    /// Modes or matrices that do not fit together, each named; what [`crate::Problem`] refuses, with the name of the matrix; losses or
    /// layouts that the backend does not have.
    pub fn fit<B: Backend<Elem = T>>(&self, b: &mut B) -> Result<CoupledFit<T>> {
        self.fit_observed(b, &mut Silent)
    }

    /// Factors the matrices under the eyes of an observer; when it stops a run, the best so far is kept.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_observed<B: Backend<Elem = T>>(&self, b: &mut B, observer: &mut dyn Observer) -> Result<CoupledFit<T>> {
        run::fit(self, b, observer)
    }
}

/// The exponent γ with which the update of a factor under matrices of these β never raises the objective, and how an l2 penalty
/// enters: see the module's text.
pub fn exponent(betas: &[f64], l2: bool) -> (f64, Ridge) {
    if betas.iter().all(|b| *b == 1.0) {
        return (1.0, Ridge::Quadratic);
    }
    let largest = |f: &dyn Fn(f64) -> f64| betas.iter().fold(0.0f64, |a, b| a.max(f(*b)));
    let p = largest(&|b| b - 1.0).max(if l2 { 1.0 } else { 0.0 });
    (1.0 / (p + largest(&|b| 2.0 - b)), Ridge::Denominator)
}

/// The rule of a factor under these losses, penalty in the device's units.
fn rule(betas: &[f64], penalty: Penalty, fixed: usize) -> Rule {
    let (exponent, ridge) = exponent(betas, penalty.l2 > 0.0);
    Rule { fixed, penalty, exponent, ridge }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_loss_has_its_own_exponent() {
        for b in [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0] {
            assert_eq!(exponent(&[b, b], false).0, Loss::Beta(b).exponent(), "{b}");
        }
        assert_eq!(exponent(&[1.0], true), (1.0, Ridge::Quadratic));
        assert_eq!(exponent(&[2.0], true), (1.0, Ridge::Denominator));
    }

    #[test]
    fn mixed_losses_need_a_smaller_one() {
        assert_eq!(exponent(&[1.0, 2.0], false).0, 0.5);
        assert_eq!(exponent(&[0.0, 2.0], false).0, 1.0 / 3.0);
        assert_eq!(exponent(&[0.0], true).0, 1.0 / 3.0);
        assert_eq!(exponent(&[3.0, 0.0], false).0, 0.25);
        // ½f² + f − 100·ln f, the numbers 0 (fro) and 100 (kl) against f: from f = 1 the exponent 1 jumps to 50, ½ goes to √50
        let objective = |f: f64| Loss::FRO.value(0.0, f) + Loss::KL.value(100.0, f);
        let step = |gamma: f64| (100.0f64 / 2.0).powf(gamma);
        assert!(objective(step(1.0)) > objective(1.0));
        assert!(objective(step(0.5)) < objective(1.0));
    }
}
