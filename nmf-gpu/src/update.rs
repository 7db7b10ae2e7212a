//! Which passes make up the terms and the divergence of each loss, for dense and sparse X, all or stored entries.

use crate::dense::Target;
use crate::gpu::Gpu;
use crate::memory::{Factor, Gram, Scalar, Terms, quads};
use crate::number::Number;
use crate::pool::Buf;
use crate::queue::Params;
use crate::sparse::lanes;
use crate::tune::What;
use crate::window::{Data, Layout};
use nmf_core::{Accumulate, Error, Loss, Observed, Result, Side};
use nmf_shaders::{Kernel, LossKind, Term};

/// Rows per workgroup of the column sums.
const COLSUM_ROWS: u32 = 512;

/// The text for a loss, or an error that names the CPU.
pub(crate) fn kind(loss: &Loss) -> Result<LossKind> {
    match loss.beta() {
        Some(2.0) => Ok(LossKind::Fro),
        Some(1.0) => Ok(LossKind::Kl),
        Some(0.0) => Ok(LossKind::Is),
        Some(b) if b.is_finite() => Ok(LossKind::Beta),
        _ => Err(Error::Unsupported(format!("the GPU backend has no shader for the loss {loss}: use the CPU"))),
    }
}

/// Where the denominator of an update comes from.
#[derive(Clone, Copy, PartialEq)]
enum Denominator {
    /// f·(otherᵀother).
    Gram,
    /// The column sums of other.
    Colsum,
    /// The pass that makes the numerator.
    Fused,
    /// A pass over all entries without X.
    Everywhere,
}

impl<T: Number> Gpu<T> {
    pub(crate) fn loss_params(&self, loss: &Loss, at: Params) -> Params {
        Params { beta: loss.beta().unwrap_or(0.0), inf: f64::INFINITY, ..at }
    }

    pub(crate) fn new_gram_buffer(&self, k: u32) -> Result<Gram> {
        let kq = quads(k as usize);
        Ok(Gram { buf: self.scratch(4 * u64::from(kq), kq)?, k })
    }

    /// acc row ← α·(column sums of f) (+ acc).
    pub(crate) fn colsum(&mut self, f: &Factor, to: Target<'_>) -> Result<()> {
        let kq = quads(f.k as usize);
        let chunk = COLSUM_ROWS.max(f.rows.div_ceil(1024));
        let chunks = f.rows.div_ceil(chunk).max(1);
        let part = self.scratch(chunks.into(), kq)?;
        let params = Params { kq, p: f.rows, chunk, chunks, width: lanes(kq), ..Params::default() };
        let groups = u64::from(chunks) * u64::from(kq.div_ceil(64));
        self.stream.run(Kernel::Colsum, &[&f.buf, &part], params, groups, f64::from(chunk) * 256.0)?;
        self.reduce(&part, chunks, 1, kq, to)
    }

    fn spread(&mut self, row: &Buf, acc: &Terms, alpha: f64, add: bool) -> Result<()> {
        let kq = quads(acc.k as usize);
        let params = Params { kq, p: acc.rows, alpha, flags: u32::from(add), ..Params::default() };
        let groups = (u64::from(acc.rows) * u64::from(kq)).div_ceil(64);
        self.stream.run(Kernel::Spread, &[row, &acc.den], params, groups, 512.0)
    }

    /// Brings acc.den into the form (shared row or full) that the coming addition needs.
    fn unshare(&mut self, acc: &mut Terms) -> Result<()> {
        if acc.shared {
            let kq = quads(acc.k as usize);
            let row = self.scratch(1, kq)?;
            self.stream.copy(&acc.den, &row, u64::from(kq) * T::QUAD);
            self.spread(&row, acc, 1.0, false)?;
            acc.shared = false;
        }
        Ok(())
    }

    /// N and D of the update of `f` into `acc`; on request the divergence of (f, other), from the same pass.
    pub(crate) fn record_terms(
        &mut self,
        loss: &Loss,
        x: &Data<T>,
        side: Side,
        pair: (&Factor, &Factor),
        alpha: f64,
        how: Accumulate,
        acc: &mut Terms,
        div: bool,
    ) -> Result<Option<Scalar>> {
        let kind = kind(loss)?;
        let (f, other) = pair;
        let add = how == Accumulate::Add;
        let all = x.observed == Observed::All;
        let from = match (&x.layout, kind) {
            (Layout::Dense(_), LossKind::Fro) => Denominator::Gram,
            (Layout::Dense(_), LossKind::Kl) => Denominator::Colsum,
            (Layout::Dense(_), _) => Denominator::Fused,
            (Layout::Sparse { .. }, _) if !all => Denominator::Fused,
            (Layout::Sparse { .. }, LossKind::Fro) => Denominator::Gram,
            (Layout::Sparse { .. }, LossKind::Kl) => Denominator::Colsum,
            (Layout::Sparse { .. }, _) => Denominator::Everywhere,
        };
        if add && from != Denominator::Colsum {
            self.unshare(acc)?;
        }
        let fused = from == Denominator::Fused;
        let to = Target { acc: &acc.num, row0: 0, alpha, add };
        let mut sum = match &x.layout {
            Layout::Dense(panels) if kind == LossKind::Fro && !div => {
                self.cross_dense(What::Numerator, panels, side, other, to)?;
                None
            }
            Layout::Dense(panels) => self.mu_dense(panels, kind, loss, side, pair, (alpha, add), acc, fused, div)?,
            Layout::Sparse { rows, cols, .. } => {
                let panels = if side == Side::Rows { rows } else { cols };
                if kind == LossKind::Fro && !div && !fused {
                    self.cross_sparse(panels, other, to)?;
                    None
                } else {
                    self.mu_sparse(panels, kind, loss, pair, (alpha, add), acc, fused, div)?
                }
            }
        };
        let to = Target { acc: &acc.den, ..to };
        match from {
            Denominator::Fused => {}
            Denominator::Gram => {
                let gram = self.new_gram_buffer(other.k)?;
                self.record_gram(other, &gram)?;
                self.times_gram(f, &gram, to)?;
            }
            Denominator::Colsum if add && !acc.shared => {
                let row = self.scratch(1, quads(acc.k as usize))?;
                self.colsum(other, Target { acc: &row, row0: 0, alpha: 1.0, add: false })?;
                self.spread(&row, acc, alpha, true)?;
            }
            Denominator::Colsum => self.colsum(other, to)?,
            Denominator::Everywhere => {
                let positive = div && loss.allows_zero();
                let rest = self.den_everywhere(kind, loss, pair, (alpha, add), acc, positive)?;
                if let (Some(s), Some(rest)) = (&mut sum, rest) {
                    s.parts.extend(rest.parts);
                }
            }
        }
        if !add {
            acc.shared = from == Denominator::Colsum;
        }
        if let Some(s) = &mut sum {
            let counted = from == Denominator::Everywhere;
            self.complete(x, kind, loss, f, other, s, counted)?;
        }
        Ok(sum)
    }

    /// Σ d(x, v) over the observed entries, the rows of X modelled by w.
    pub(crate) fn record_divergence(&mut self, loss: &Loss, x: &Data<T>, w: &Factor, h: &Factor) -> Result<Scalar> {
        let kind = kind(loss)?;
        let Layout::Sparse { rows, .. } = &x.layout else {
            return self.divergence_dense(x, kind, loss, w, h);
        };
        let mut sum =
            self.divergence_sparse(rows, kind, loss, w, h)?.unwrap_or(Scalar { parts: Vec::new(), constant: 0.0 });
        self.complete(x, kind, loss, w, h, &mut sum, false)?;
        Ok(sum)
    }

    /// Turns Σ d(x, v) − Σ d(0, v) over the stored entries of sparse X into the divergence, by adding Σ d(0, v) over
    /// all entries, which every loss has in a short form: KL ⟨colsum W, colsum H⟩, squares ½⟨WᵀW, HᵀH⟩, others a pass
    /// without X (`counted`: done already). Over stored entries only, the second sum is dropped.
    fn complete(
        &mut self,
        x: &Data<T>,
        kind: LossKind,
        loss: &Loss,
        w: &Factor,
        h: &Factor,
        sum: &mut Scalar,
        counted: bool,
    ) -> Result<()> {
        if matches!(x.layout, Layout::Dense(_)) {
            return Ok(());
        }
        if x.observed != Observed::All {
            sum.parts.truncate(1);
            return Ok(());
        }
        if !loss.allows_zero() {
            // d(0, v) is infinite: only the stored entries can be finite, and only where they are all
            if x.stored < x.rows as u64 * x.cols as u64 {
                sum.constant = f64::INFINITY;
            }
            sum.parts.truncate(1);
            return Ok(());
        }
        let rest = match kind {
            LossKind::Kl => {
                let kq = quads(w.k as usize);
                let (a, b) = (self.scratch(1, kq)?, self.scratch(1, kq)?);
                for (f, row) in [(w, &a), (h, &b)] {
                    self.colsum(f, Target { acc: row, row0: 0, alpha: 1.0, add: false })?;
                }
                self.sum_term(Term::Product, &[&a, &b], 1, w.k, Params::default(), 1.0)?
            }
            LossKind::Fro => {
                let (a, b) = (self.new_gram_buffer(w.k)?, self.new_gram_buffer(w.k)?);
                self.record_gram(w, &a)?;
                self.record_gram(h, &b)?;
                self.sum_term(Term::Product, &[&a.buf, &b.buf], w.k, w.k, Params::default(), 0.5)?
            }
            LossKind::Is | LossKind::Beta if counted => return Ok(()),
            LossKind::Is | LossKind::Beta => self.divergence_dense(x, kind, loss, w, h)?,
        };
        sum.parts.extend(rest.parts);
        Ok(())
    }
}
