//! The primitives of NMF: what a device must offer so that every solver runs on it.
//!
//! X is m×n; W is m×k; H is stored transposed, n×k, so that one operation serves both factors: `Side::Rows`
//! works on W (rows of X), `Side::Cols` on H (columns of X, i.e. rows of Xᵀ). Below, for a side, *f* is the
//! factor being updated (p×k), *other* the one that is not (q×k), and X̃ = X or Xᵀ accordingly (p×q), so that
//! the model is always X̃ ≈ f·otherᵀ.
//!
//! Operations enqueue; only [`Backend::read`], [`Backend::read_gram`], [`Backend::read_terms`] and
//! [`Backend::wait`] wait for the device. Shapes are checked by [`crate::Problem`] and by [`crate::fit`]; an
//! operation called with wrong shapes returns [`Error::Shape`] or [`Error::Device`], it does not panic.
//!
//! What each operation must compute is written as plain f64 loops in [`crate::reference`], and
//! [`crate::conformance`] checks a backend against it.

use crate::penalty::Rule;
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
}

/// Whether a result replaces or adds to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accumulate {
    /// out = α·result.
    Set,
    /// out += α·result.
    Add,
}

/// The sweeps of hierarchical alternating least squares: see [`Backend::hals_sweep`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sweep {
    /// At most this many passes over the columns, ≥ 1.
    pub max_sweeps: usize,
    /// A row is finished once a pass moves it (in Euclidean norm) by less than this share of its first pass.
    pub stop: f64,
    /// Fixed columns and penalties; exponent and ridge do not matter here.
    pub rule: Rule,
}

/// How an operation is carried out by a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// On the device, without reading back.
    Native,
    /// On the host through the reference code: right, but slow, and it waits for the device.
    Host,
    /// Not at all: the call returns [`Error::Unsupported`].
    No,
}

/// Operations whose support may differ between backends.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// [`Backend::terms`] and [`Backend::mu_step`] for this loss.
    Update(Loss),
    /// [`Backend::hals_sweep`].
    HalsSweep,
    /// [`Backend::nnls`].
    Nnls,
    /// [`Backend::upload`] of a sparse matrix.
    Sparse,
    /// [`Observed::Stored`].
    StoredOnly,
}

/// What a backend says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// `"cpu"`, `"gpu"`, …
    pub name: String,
    /// Device and driver, in words.
    pub adapter: String,
    /// Threads working on the host.
    pub threads: usize,
    /// Whether operations run behind the caller's back, so that results lag.
    pub asynchronous: bool,
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

    // ------------------------------------------------------------------------------------ memory

    /// Puts `scale`·X on the device in the layouts the operations need. `scale` is a power of two.
    fn upload(&mut self, x: MatrixRef<'_, Self::Elem>, scale: Self::Elem, observed: Observed) -> Result<Self::Data>;

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

    /// The exact minimizer over f ≥ 0 of ½⟨fᵀf, G⟩ − ⟨A, f⟩ + penalties: non-negative least squares, row by row.
    /// All columns are free.
    fn nnls(&mut self, cross: &Self::Factor, gram: &Self::Gram, f: &mut Self::Factor, penalty: &Penalty) -> Result<()> {
        let (a, g, mut v) = (self.read(cross)?, self.read_gram(gram)?, self.read(f)?);
        check_normal_equations(a.dim(), g.dim(), v.dim())?;
        let solver = crate::nnls::Nnls::new(&g.view(), penalty);
        for (row, mut out) in a.outer_iter().zip(v.outer_iter_mut()) {
            solver.solve(row, &mut out);
        }
        self.write(f, v.view())
    }

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
