//! The primitives of NMF: what a device must offer so that every solver runs on it.
//!
//! X is m×n; W is m×k; H is stored transposed, n×k, so that one operation serves both factors: `Side::Rows`
//! works on W (rows of X), `Side::Cols` on H (columns of X, i.e. rows of Xᵀ). Below, for a side, *f* is the
//! factor being updated (p×k), *other* the one that is not (q×k), and X̃ = X or Xᵀ accordingly (p×q), so that
//! the model is always X̃ ≈ f·otherᵀ.
//!
//! Operations enqueue; only [`Backend::read`], [`Backend::read_gram`], [`Backend::read_terms`], [`Backend::read_momentum`] and
//! [`Backend::wait`] wait for the device. Shapes are checked by [`crate::Problem`] and by [`crate::fit`]; an
//! operation called with wrong shapes returns [`Error::Shape`] or [`Error::Device`], it does not panic.
//!
//! What each operation must compute is written as plain f64 loops in [`crate::reference`], and
//! [`crate::conformance`] checks a backend against it.

mod about;

pub use about::{Info, Op, Support};

use crate::momentum::{Extrapolation, Weight};
use crate::penalty::Rule;
use crate::rows::{RowMethod, RowSolver};
pub use crate::sweep::{Sweep, order, sweep_seed};
use crate::{Element, Error, Loss, MatrixRef, Penalty, Result};
use ndarray::{Array2, ArrayView2};

/// Which factor an operation works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// W, the rows of X.
    Rows,
    /// H, the columns of X.
    Cols,
}

/// Which entries of X count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Observed {
    /// All entries; those that a sparse matrix does not store are zeros.
    #[default]
    All,
    /// Only the stored entries of a sparse matrix; the others are unknown. A dense matrix stores all.
    Stored,
    /// Each entry counts with a weight ≥ 0 of its own, see [`crate::Weighted`]; entries of weight 0 are unknown.
    Weighted,
}

/// Whether a result replaces or adds to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accumulate {
    /// out = α·result.
    Set,
    /// out += α·result.
    Add,
}

/// A promise of scalars that are still on the device; see [`Backend::ticket`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// One in-order stream of NMF primitives on one device.
pub trait Backend: Send {
    /// Number type of X and the factors.
    type Elem: Element;
    /// X on the device.
    type Data: Send + Sync;
    /// A tall factor, rows × k.
    type Factor: Send;
    /// A k × k matrix.
    type Gram: Send;
    /// Numerator and denominator of an update, each rows × k (a denominator may be kept as one row).
    type Terms: Send;
    /// A number that is still on the device.
    type Scalar: Send + Clone;
    /// The state of a momentum; [`crate::Momentum`] where the objective is known on the host at once.
    type Momentum: Send;

    /// Name, device, threads.
    fn info(&self) -> Info;

    /// How an operation is carried out.
    fn supports(&self, op: &Op) -> Support;

    /// Runs `f` where this backend's operations cost least to call: a thread pool runs it on one of its own
    /// threads, so that no operation has to be handed over.
    fn scope<R: Send>(&mut self, f: impl FnOnce(&mut Self) -> R + Send) -> R
    where
        Self: Sized,
    {
        f(self)
    }

    // ----------------------------------------------------------------------------------- batches

    /// How many runs at rank k are computed side by side with profit ([`in_batch`](Self::in_batch)): as many as keep the device busy
    /// with this X, within its memory. 1: this X, or this backend, is busy with one.
    fn batch_size(&self, x: &Self::Data, k: usize) -> usize {
        let _ = (x, k);
        1
    }

    /// Ranks of one class may stand in one batch. Provided: each rank is its own.
    fn batch_class(&self, k: usize) -> usize {
        k
    }

    /// Runs `f` with operations that work on several runs at once, so that many small ones fill the device. What `f` makes (factors,
    /// Gram matrices, terms, momenta, scalars) has a part for each run, of `ranks[r]` columns; shapes are those of the widest, and
    /// what lies beyond a run's columns is zero. It must not leave `f`. An operation does for each [member](Self::members) what it does
    /// for a run alone, in the same order; values written go to all runs, and what is read is the first member's ([`read_of`](Self::read_of)).
    ///
    /// # Errors
    /// [`Error::Unsupported`] where a backend has no batches (provided), for no ranks, too many of them, or ranks of different classes.
    fn in_batch<R>(&mut self, ranks: &[usize], f: impl FnOnce(&mut Self) -> Result<R>) -> Result<R>
    where
        Self: Sized,
    {
        let _ = (ranks, f);
        Err(Error::Unsupported(format!("the backend {} computes one run at a time", self.info().name)))
    }

    /// Runs `f` as if outside of the batch; what the batch made is not for it.
    fn out_of_batch<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R>) -> Result<R>
    where
        Self: Sized,
    {
        f(self)
    }

    /// From now on operations work on these runs of the batch; the parts of the others stay as they are. All, at its start.
    fn members(&mut self, runs: &[usize]) -> Result<()> {
        let _ = runs;
        Ok(())
    }

    /// A run's part of a factor; run 0 outside of a batch. Waits.
    fn read_of(&mut self, f: &Self::Factor, run: usize) -> Result<Array2<Self::Elem>> {
        let _ = run;
        self.read(f)
    }

    /// Overwrites a run's part of a factor; run 0 outside of a batch.
    fn write_of(&mut self, f: &mut Self::Factor, run: usize, values: ArrayView2<'_, Self::Elem>) -> Result<()> {
        let _ = run;
        self.write(f, values)
    }

    /// A run's part of a number, to ask for.
    fn scalar_of(&self, s: &Self::Scalar, run: usize) -> Self::Scalar {
        let _ = run;
        s.clone()
    }

    // ------------------------------------------------------------------------------------ memory

    /// Puts `scale`·X on the device in the layouts the operations need. `scale` is a power of two.
    fn upload(&mut self, x: MatrixRef<'_, Self::Elem>, scale: Self::Elem, observed: Observed) -> Result<Self::Data>;

    /// Puts `scale`·X on the device, each entry with its weight ≥ 0: N, D and divergences are then weighted sums, and an
    /// entry of weight 0 is unknown. `weights` has the shape of X and, where X is sparse, exactly its stored entries;
    /// what is not stored is unknown. Products ([`cross`](Self::cross)) do not know weights.
    ///
    /// Provided for weights that are all 0 or 1: the entries of weight 1 are uploaded as stored entries.
    fn upload_weighted(
        &mut self,
        x: MatrixRef<'_, Self::Elem>,
        weights: MatrixRef<'_, Self::Elem>,
        scale: Self::Elem,
    ) -> Result<Self::Data> {
        let known = crate::weights::known_entries(&x, &weights)?;
        self.upload(known.view(), scale, Observed::Stored)
    }

    /// A factor with these values (rows × k).
    fn factor(&mut self, values: ArrayView2<'_, Self::Elem>) -> Result<Self::Factor>;

    /// Rows and columns of a factor.
    fn dim(&self, f: &Self::Factor) -> (usize, usize);

    /// The values of a factor (rows × k). Waits.
    fn read(&mut self, f: &Self::Factor) -> Result<Array2<Self::Elem>>;

    /// Overwrites a factor with values of the same shape.
    fn write(&mut self, f: &mut Self::Factor, values: ArrayView2<'_, Self::Elem>) -> Result<()>;

    /// Copies one factor over another of the same shape, on the device.
    fn copy(&mut self, from: &Self::Factor, to: &mut Self::Factor) -> Result<()>;

    /// Room for a k×k matrix; its content is undefined.
    fn new_gram(&mut self, k: usize) -> Result<Self::Gram>;

    /// The values of a k×k matrix. Waits.
    fn read_gram(&mut self, g: &Self::Gram) -> Result<Array2<Self::Elem>>;

    /// Room for the terms of an update of a rows×k factor; its content is undefined.
    fn new_terms(&mut self, rows: usize, k: usize) -> Result<Self::Terms>;

    /// Numerator and denominator, both rows × k. Waits.
    #[allow(clippy::type_complexity)] // a pair of arrays needs no name
    fn read_terms(&mut self, t: &Self::Terms) -> Result<(Array2<Self::Elem>, Array2<Self::Elem>)>;

    // -------------------------------------------------------------------------------- primitives

    /// out = fᵀf (k×k).
    fn gram(&mut self, f: &Self::Factor, out: &mut Self::Gram) -> Result<()>;

    /// out = X̃·other (p×k): XH for `Rows`, XᵀW for `Cols`. Unobserved entries count as zeros.
    fn cross(&mut self, x: &Self::Data, side: Side, other: &Self::Factor, out: &mut Self::Factor) -> Result<()>;

    /// Numerator N and denominator D of the multiplicative update of f, without penalties, with
    /// V = max(f·otherᵀ, FLOOR) over the observed entries:
    /// N = (X̃ ∘ V^(β−2))·other, D = (V^(β−1))·other; for β = 2 V is not floored (N = X̃·other, D = f·(otherᵀother)).
    /// acc ← α·(N, D) or acc ← acc + α·(N, D): sums over several matrices happen here.
    fn terms(
        &mut self,
        loss: &Loss,
        x: &Self::Data,
        side: Side,
        f: &Self::Factor,
        other: &Self::Factor,
        alpha: f64,
        how: Accumulate,
        acc: &mut Self::Terms,
    ) -> Result<()>;

    /// f ← f ∘ (N ⊘ max(D + l1 + …, FLOOR))^γ in the free columns, by `rule`; entries that fall below TINY
    /// become 0, and a zero stays zero.
    fn apply(&mut self, t: &Self::Terms, f: &mut Self::Factor, rule: &Rule) -> Result<()>;

    /// One multiplicative update of f in place: [`terms`](Self::terms) then [`apply`](Self::apply), fused where
    /// a backend can do better. V is never stored for the whole matrix. With `measure`, also the divergence of
    /// the factors *before* the update, which a fused pass gets almost for free.
    fn mu_step(
        &mut self,
        loss: &Loss,
        x: &Self::Data,
        side: Side,
        f: &mut Self::Factor,
        other: &Self::Factor,
        scratch: &mut Self::Terms,
        rule: &Rule,
        measure: bool,
    ) -> Result<Option<Self::Scalar>> {
        let before = match (measure, side) {
            (false, _) => None,
            (true, Side::Rows) => Some(self.divergence(loss, x, f, other)?),
            (true, Side::Cols) => Some(self.divergence(loss, x, other, f)?),
        };
        self.terms(loss, x, side, f, other, 1.0, Accumulate::Set, scratch)?;
        self.apply(scratch, f, rule)?;
        Ok(before)
    }

    /// [`mu_step`](Self::mu_step) `repeats` ≥ 1 times with `other` as it is; `measure` is about the first. What a backend gathers
    /// for one update of a row can serve the next (N. Gillis and F. Glineur, Neural Computation 24(4), 2012, §3).
    fn mu_steps(
        &mut self,
        loss: &Loss,
        x: &Self::Data,
        side: Side,
        f: &mut Self::Factor,
        other: &Self::Factor,
        scratch: &mut Self::Terms,
        rule: &Rule,
        repeats: usize,
        measure: bool,
    ) -> Result<Option<Self::Scalar>> {
        let before = self.mu_step(loss, x, side, f, other, scratch, rule, measure)?;
        for _ in 1..repeats {
            self.mu_step(loss, x, side, f, other, scratch, rule, false)?;
        }
        Ok(before)
    }

    /// [`mu_step`](Self::mu_step) of the Frobenius loss with its divergence before, which may be the difference ½‖X‖² − ⟨N, f⟩ + ½⟨D, f⟩ where all
    /// entries count: N and D are at hand, a model is not. The caller knows ½‖X̃‖² (`half_norm`), and that the divergence is far enough
    /// above zero for that. With the scalar: whether it is that difference. The factor is the same, bit for bit, either way.
    fn mu_step_by_difference(
        &mut self,
        x: &Self::Data,
        side: Side,
        f: &mut Self::Factor,
        other: &Self::Factor,
        scratch: &mut Self::Terms,
        rule: &Rule,
        half_norm: f64,
    ) -> Result<Option<(Self::Scalar, bool)>> {
        let _ = half_norm;
        Ok(self.mu_step(&Loss::FRO, x, side, f, other, scratch, rule, true)?.map(|s| (s, false)))
    }

    /// Σ d(xᵢⱼ, vᵢⱼ) over the observed entries, V = W·Hᵀ floored as in [`terms`](Self::terms). Never formed as a
    /// difference of large sums for dense data (ALGORITHMS: that loses all digits near an exact fit).
    fn divergence(&mut self, loss: &Loss, x: &Self::Data, w: &Self::Factor, h: &Self::Factor) -> Result<Self::Scalar>;

    /// l1·Σ|f| + ½·l2·Σf².
    fn penalty(&mut self, f: &Self::Factor, p: &Penalty) -> Result<Self::Scalar>;

    /// ‖min(f, ∇f)‖² over the free columns, ∇f = D − N + l1 + l2·f: zero exactly at a KKT point.
    fn kkt(&mut self, t: &Self::Terms, f: &Self::Factor, rule: &Rule) -> Result<Self::Scalar>;

    /// ½⟨fᵀf, G⟩ − ⟨A, f⟩ with A = X̃·other and G = otherᵀother, both exact: ½‖X̃ − f·otherᵀ‖² − ½‖X‖².
    fn quadratic(&mut self, cross: &Self::Factor, gram: &Self::Gram, f: &Self::Factor) -> Result<Self::Scalar>;

    /// HALS for f given A = X̃·other (`cross`) and G = otherᵀother (`gram`). Rows are independent. A pass goes
    /// over the free columns q in order:
    /// f_q ← max(0, f_q + (A_q − f·G_q − l1 − l2·f_q) / (G_qq + l2)), skipped where G_qq + l2 = 0.
    /// Passes are repeated for a row by [`Sweep`]. A free column that ends all zero is set to FLOOR throughout,
    /// so that it can come back.
    fn hals_sweep(
        &mut self,
        cross: &Self::Factor,
        gram: &Self::Gram,
        f: &mut Self::Factor,
        sweep: &Sweep,
    ) -> Result<()> {
        let (a, g, mut v) = (self.read(cross)?, self.read_gram(gram)?, self.read(f)?);
        check_normal_equations(a.dim(), g.dim(), v.dim())?;
        crate::reference::hals_sweep(&a.view(), &g.view(), &mut v.view_mut(), sweep);
        self.write(f, v.view())
    }

    /// Minimizes ½⟨fᵀf, G⟩ − ⟨A, f⟩ + penalties over the free columns of f ≥ 0, row by row: exactly by block principal
    /// pivoting, or approximately, see [`RowMethod`].
    fn least_squares(
        &mut self,
        method: RowMethod,
        cross: &Self::Factor,
        gram: &Self::Gram,
        f: &mut Self::Factor,
        rule: &Rule,
    ) -> Result<()> {
        let (a, g, mut v) = (self.read(cross)?, self.read_gram(gram)?, self.read(f)?);
        check_normal_equations(a.dim(), g.dim(), v.dim())?;
        let solver = RowSolver::new(&g.view(), rule, method);
        for (row, mut out) in a.outer_iter().zip(v.outer_iter_mut()) {
            solver.solve(row, &mut out);
        }
        self.write(f, v.view())
    }

    /// f ← max(0, f − step·(D − N + l1 + l2·f)) in the free columns: a step against the gradient, cut at zero.
    fn gradient_step(&mut self, t: &Self::Terms, f: &mut Self::Factor, rule: &Rule, step: f64) -> Result<()> {
        let ((n, d), mut v) = (self.read_terms(t)?, self.read(f)?);
        Error::check_shape("the terms", v.dim(), n.dim())?;
        crate::reference::gradient_step(&n, &d, &mut v, rule, step);
        self.write(f, v.view())
    }

    /// A descending step of f among factors whose free columns have Hoyer's sparseness `sparseness` (P. O. Hoyer, "Non-negative
    /// matrix factorization with sparseness constraints", JMLR 5, 2004), given A = X̃·other and G = otherᵀother:
    /// `steps` times a gradient step of length 1/‖G + l2·I‖∞, each followed by the projection onto those factors
    /// ([`crate::sparseness::project`]); with `steps` = 0 the projection alone.
    fn impose_sparseness(
        &mut self,
        cross: &Self::Factor,
        gram: &Self::Gram,
        f: &mut Self::Factor,
        sparseness: f64,
        steps: usize,
        rule: &Rule,
    ) -> Result<()> {
        let (a, g, mut v) = (self.read(cross)?, self.read_gram(gram)?, self.read(f)?);
        check_normal_equations(a.dim(), g.dim(), v.dim())?;
        crate::sparseness::descend(&a.view(), &g.view(), &mut v, sparseness, steps, rule);
        self.write(f, v.view())
    }

    /// Coordinate descent for the Kullback–Leibler loss (β = 1). Rows are independent. A pass goes over the free columns q;
    /// with v = the row of f·otherᵀ floored and ω the weights, g = Σ ω(o_q − x·o_q/v) + l1 + l2·f_q and
    /// h = Σ ωx·o_q²/v² + l2 over the observed entries, f_q ← max(0, f_q − g/h), shortened to f_q − g/(h·(1 + λ)) where g > 0
    /// and λ = c·√h·|g/h| > 0.683802 with c = max 1/√(ωx) over the row's positive entries; f_q ← 0 where h = 0 < g.
    /// Passes are repeated by [`Sweep`]; with `measure`, also the divergence before.
    ///
    /// Not provided: it needs X.
    fn newton_sweep(
        &mut self,
        x: &Self::Data,
        side: Side,
        f: &mut Self::Factor,
        other: &Self::Factor,
        sweep: &Sweep,
        measure: bool,
    ) -> Result<Option<Self::Scalar>> {
        let _ = (x, side, f, other, sweep, measure);
        Err(Error::Unsupported("this backend has no coordinate descent for kl (solver newton): use solver mue".into()))
    }

    // ------------------------------------------------------------------------ convolutive models

    /// The shifted copies of f (n×k) that a convolutive model multiplies its patterns with, see [`crate::shifts`]:
    /// out (n × k·L), out_{j, qL+τ} = f_{j−τ, q}, and 0 for j < τ. L follows from the widths.
    ///
    /// Not provided, as a device without it can still do everything else.
    fn unfold(&mut self, f: &Self::Factor, out: &mut Self::Factor) -> Result<()> {
        let _ = (f, out);
        Err(Error::Unsupported("this backend has no convolutive models".into()))
    }

    /// The adjoint of [`unfold`](Self::unfold), on numerator and denominator alike: from those of the shifted copies (n × k·L)
    /// to those of f (n×k), out_{jq} = Σ_τ t_{j+τ, qL+τ} over j + τ < n.
    fn fold(&mut self, t: &Self::Terms, out: &mut Self::Terms) -> Result<()> {
        let _ = (t, out);
        Err(Error::Unsupported("this backend has no convolutive models".into()))
    }

    // ---------------------------------------------------------------------------------- momentum

    /// A momentum at rest.
    fn new_momentum(&mut self) -> Result<Self::Momentum>;

    /// Takes in the objective after an iteration, the sum of these scalars up to a constant: [`crate::Momentum::advance`].
    fn advance(&mut self, m: &mut Self::Momentum, objective: &[Self::Scalar]) -> Result<()>;

    /// The state of a momentum as words that only [`write_momentum`](Self::write_momentum) of the same kind of backend understands. Waits.
    fn read_momentum(&mut self, m: &Self::Momentum) -> Result<Vec<u64>>;

    /// Puts a momentum into a state that was read: from there on it does what the one it was read from did, to the last bit.
    fn write_momentum(&mut self, m: &mut Self::Momentum, words: &[u64]) -> Result<()>;

    /// previous ← f extrapolated away from previous, see [`Extrapolation`].
    fn extrapolate(
        &mut self,
        f: &Self::Factor,
        previous: &mut Self::Factor,
        how: Extrapolation,
        weight: Weight<'_, Self::Momentum>,
    ) -> Result<()>;

    // ----------------------------------------------------------------------------------- results

    /// Asks for these scalars; work recorded so far is submitted. Does not wait.
    fn ticket(&mut self, s: &[Self::Scalar]) -> Result<Ticket>;

    /// The values behind a ticket, in order, if they have arrived; a ticket can be redeemed once. Does not wait.
    fn poll(&mut self, t: &Ticket) -> Result<Option<Vec<f64>>>;

    /// The values behind a ticket. Waits.
    fn wait(&mut self, t: &Ticket) -> Result<Vec<f64>>;

    /// One scalar, now. Waits.
    fn value(&mut self, s: &Self::Scalar) -> Result<f64> {
        let t = self.ticket(std::slice::from_ref(s))?;
        self.wait(&t)?.first().copied().ok_or_else(|| Error::Device("a ticket came back empty".into()))
    }

    /// Waits until everything recorded so far is done: for timing.
    fn finish(&mut self) -> Result<()>;
}

/// Shapes of A (p×k) and G (k×k) for a factor p×k.
fn check_normal_equations(a: (usize, usize), g: (usize, usize), f: (usize, usize)) -> Result<()> {
    Error::check_shape("the cross product", f, a)?;
    Error::check_shape("the Gram matrix", (f.1, f.1), g)
}
