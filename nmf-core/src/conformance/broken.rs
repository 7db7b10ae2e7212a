//! A backend with one mistake in it: the suite is tested by whether it notices.

mod spoiled;
mod tools;

use super::fault::Fault;
use crate::backend::{Accumulate, Backend, Info, Observed, Op, Side, Support, Sweep, Ticket, order};
use crate::momentum::{Extrapolation, Weight};
use crate::penalty::{Ridge, Rule};
use crate::reference::{self, Dense};
use crate::rows::RowMethod;
use crate::{Element, Error, Loss, MatrixRef, Penalty, Result};
use ndarray::{Array2, ArrayView2};
use num_traits::Zero;
use spoiled::{newton_row, unclamped};

/// Another backend with one [`Fault`].
#[derive(Debug, Clone)]
pub struct Broken<B> {
    inner: B,
    fault: Fault,
    updates: usize,
}

/// X on the wrapped backend, and spread out on the host for faults that need its values.
pub struct BrokenData<D> {
    inner: D,
    dense: Dense,
}

/// Terms, and whether they were ever set, or folded into.
pub struct BrokenTerms<T> {
    inner: T,
    used: bool,
    folded: bool,
}

impl<B: Backend> Broken<B> {
    /// Spoils a backend.
    pub fn new(inner: B, fault: Fault) -> Self {
        Broken { inner, fault, updates: 0 }
    }
}

impl<B: Backend> Backend for Broken<B> {
    type Elem = B::Elem;
    type Data = BrokenData<B::Data>;
    type Factor = B::Factor;
    type Gram = B::Gram;
    type Terms = BrokenTerms<B::Terms>;
    type Scalar = B::Scalar;
    type Momentum = B::Momentum;

    fn info(&self) -> Info {
        let info = self.inner.info();
        Info { name: format!("{} with fault {:?}", info.name, self.fault), ..info }
    }

    fn supports(&self, op: &Op) -> Support {
        self.inner.supports(op)
    }

    fn upload(&mut self, x: MatrixRef<'_, B::Elem>, scale: B::Elem, observed: Observed) -> Result<Self::Data> {
        let scale = if self.is(Fault::IgnoreScale) { num_traits::One::one() } else { scale };
        let observed = if self.is(Fault::ObserveAll) { Observed::All } else { observed };
        let dense = Dense::new(&x, scale.f64(), observed);
        Ok(BrokenData { inner: self.inner.upload(x, scale, observed)?, dense })
    }

    fn upload_weighted(
        &mut self,
        x: MatrixRef<'_, B::Elem>,
        weights: MatrixRef<'_, B::Elem>,
        scale: B::Elem,
    ) -> Result<Self::Data> {
        let scale = if self.is(Fault::IgnoreScale) { num_traits::One::one() } else { scale };
        Error::check_shape("the weights", x.dim(), weights.dim())?;
        let mut dense = Dense::weighted(&x, &weights, scale.f64());
        let weigh = match self.fault {
            Fault::IgnoreWeights => |w: f64| if w > 0.0 { 1.0 } else { 0.0 },
            Fault::CountUnknown => |w: f64| if w > 0.0 { w } else { 1.0 },
            _ => return Ok(BrokenData { inner: self.inner.upload_weighted(x, weights, scale)?, dense }),
        };
        dense.weight.mapv_inplace(weigh);
        let narrow = |a: &Array2<f64>| a.mapv(B::Elem::of);
        let (x, weights) = (narrow(&dense.x), narrow(&dense.weight));
        let one = num_traits::One::one();
        Ok(BrokenData { inner: self.inner.upload_weighted((&x).into(), (&weights).into(), one)?, dense })
    }

    fn factor(&mut self, values: ArrayView2<'_, B::Elem>) -> Result<B::Factor> {
        self.inner.factor(values)
    }

    fn dim(&self, f: &B::Factor) -> (usize, usize) {
        self.inner.dim(f)
    }

    fn read(&mut self, f: &B::Factor) -> Result<Array2<B::Elem>> {
        self.inner.read(f)
    }

    fn write(&mut self, f: &mut B::Factor, values: ArrayView2<'_, B::Elem>) -> Result<()> {
        self.inner.write(f, values)
    }

    fn copy(&mut self, from: &B::Factor, to: &mut B::Factor) -> Result<()> {
        if self.is(Fault::ForgetCopy) { Ok(()) } else { self.inner.copy(from, to) }
    }

    fn new_gram(&mut self, k: usize) -> Result<B::Gram> {
        self.inner.new_gram(k)
    }

    fn read_gram(&mut self, g: &B::Gram) -> Result<Array2<B::Elem>> {
        self.inner.read_gram(g)
    }

    fn new_terms(&mut self, rows: usize, k: usize) -> Result<Self::Terms> {
        Ok(BrokenTerms { inner: self.inner.new_terms(rows, k)?, used: false, folded: false })
    }

    fn read_terms(&mut self, t: &Self::Terms) -> Result<(Array2<B::Elem>, Array2<B::Elem>)> {
        let (n, d) = self.inner.read_terms(&t.inner)?;
        Ok(if self.is(Fault::SwapTerms) { (d, n) } else { (n, d) })
    }

    fn gram(&mut self, f: &B::Factor, out: &mut B::Gram) -> Result<()> {
        self.inner.gram(f, out)
    }

    fn cross(&mut self, x: &Self::Data, side: Side, other: &B::Factor, out: &mut B::Factor) -> Result<()> {
        let flipped = if side == Side::Rows { Side::Cols } else { Side::Rows };
        if self.is(Fault::WrongSide) && self.inner.cross(&x.inner, flipped, other, out).is_ok() {
            return Ok(());
        }
        self.inner.cross(&x.inner, side, other, out)?;
        if self.is(Fault::DrownSmallRows) {
            let mut a = self.wide(out)?;
            let largest = a.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            a += 8.0 * B::Elem::EPS * largest;
            self.put(out, &a)?;
        }
        Ok(())
    }

    fn terms(
        &mut self,
        loss: &Loss,
        x: &Self::Data,
        side: Side,
        f: &B::Factor,
        other: &B::Factor,
        alpha: f64,
        how: Accumulate,
        acc: &mut Self::Terms,
    ) -> Result<()> {
        let how = match (self.fault, how) {
            (Fault::SetAdds, Accumulate::Set) if acc.used => Accumulate::Add,
            (Fault::AddSets, _) => Accumulate::Set,
            _ => how,
        };
        let alpha = if self.is(Fault::IgnoreAlpha) { 1.0 } else { alpha };
        acc.used = true;
        self.inner.terms(&self.shifted(loss), &x.inner, side, f, other, alpha, how, &mut acc.inner)
    }

    fn apply(&mut self, t: &Self::Terms, f: &mut B::Factor, rule: &Rule) -> Result<()> {
        let (rule, old) = (self.spoil(rule), self.wide(f)?);
        self.inner.apply(&t.inner, f, &rule)?;
        let (floor, tiny) = (B::Elem::FLOOR.f64(), B::Elem::TINY.f64());
        let Penalty { l1, l2 } = rule.penalty;
        let root = self.is(Fault::TextbookRoot) && rule.ridge == Ridge::Quadratic && l2 > 0.0;
        if root || self.is(Fault::KeepTiny) {
            let (n, d) = self.inner.read_terms(&t.inner)?;
            let (n, d) = (n.mapv(|v| v.f64()), d.mapv(|v| v.f64()));
            let mut new = old.clone();
            reference::apply(&n, &d, &mut new, &rule, floor, if root { tiny } else { 0.0 });
            if root {
                for ((i, q), v) in new.indexed_iter_mut().filter(|((_, q), _)| *q >= rule.fixed) {
                    let d = B::Elem::of(d[[i, q]] + l1);
                    let under = d * d + B::Elem::of(4.0 * l2 * n[[i, q]] * old[[i, q]]);
                    *v = (num_traits::Float::sqrt(under) - d).f64() / (2.0 * l2);
                }
            }
            self.put(f, &new)?;
        }
        self.aftermath(f, &old)
    }

    fn mu_step(
        &mut self,
        loss: &Loss,
        x: &Self::Data,
        side: Side,
        f: &mut B::Factor,
        other: &B::Factor,
        scratch: &mut Self::Terms,
        rule: &Rule,
        measure: bool,
    ) -> Result<Option<B::Scalar>> {
        let mut rule = *rule;
        if self.is(Fault::DropExponent) {
            rule.exponent = rule.exponent.max(1.0);
        }
        let measured = |b: &mut Self, f: &B::Factor| match (measure, side) {
            (false, _) => Ok(None),
            (true, Side::Rows) => b.divergence(loss, x, f, other).map(Some),
            (true, Side::Cols) => b.divergence(loss, x, other, f).map(Some),
        };
        let before = measured(self, f)?;
        let old = self.wide(f)?;
        self.terms(loss, x, side, f, other, 1.0, Accumulate::Set, scratch)?;
        self.apply(scratch, f, &rule)?;
        if self.is(Fault::ForgetFloor) {
            let (mut new, o) = (old, self.wide(other)?);
            let (n, d) = reference::terms(loss, &x.dense, side, &new.view(), &o.view(), 0.0);
            reference::apply(&n, &d, &mut new, &rule, 0.0, B::Elem::TINY.f64());
            self.put(f, &new)?;
        }
        if self.is(Fault::MeasureAfter) { measured(self, f) } else { Ok(before) }
    }

    fn mu_steps(
        &mut self,
        loss: &Loss,
        x: &Self::Data,
        side: Side,
        f: &mut B::Factor,
        other: &B::Factor,
        scratch: &mut Self::Terms,
        rule: &Rule,
        repeats: usize,
        measure: bool,
    ) -> Result<Option<B::Scalar>> {
        if !self.is(Fault::OneUpdate) {
            return self.inner.mu_steps(loss, &x.inner, side, f, other, &mut scratch.inner, rule, repeats, measure);
        }
        self.mu_step(loss, x, side, f, other, scratch, rule, measure)
    }

    fn divergence(&mut self, loss: &Loss, x: &Self::Data, w: &B::Factor, h: &B::Factor) -> Result<B::Scalar> {
        let honest = self.inner.divergence(&self.shifted(loss), &x.inner, w, h)?;
        if self.is(Fault::DivergenceByDifference) && loss.is_fro() && x.dense.weight.iter().all(|w| *w == 1.0) {
            let (w, h) = (self.wide(w)?, self.wide(h)?);
            let sum = |a: &Array2<f64>, b: &Array2<f64>| B::Elem::of((a * b).sum());
            let (xx, xv) = (sum(&x.dense.x, &x.dense.x), sum(&reference::cross(&x.dense, Side::Rows, &h.view()), &w));
            let vv = sum(&reference::gram(&w.view()), &reference::gram(&h.view()));
            return self.scalar((xx + vv - (xv + xv)).f64().max(0.0) / 2.0);
        }
        Ok(honest)
    }

    fn penalty(&mut self, f: &B::Factor, p: &Penalty) -> Result<B::Scalar> {
        self.inner.penalty(f, p)
    }

    fn kkt(&mut self, t: &Self::Terms, f: &B::Factor, rule: &Rule) -> Result<B::Scalar> {
        let honest = self.inner.kkt(&t.inner, f, rule)?;
        if self.is(Fault::ForgetMin) {
            let (n, d) = self.inner.read_terms(&t.inner)?;
            let big = Array2::from_elem(n.dim(), f64::MAX);
            let plain = Rule { penalty: Penalty::NONE, ..*rule };
            let v = reference::kkt(&n.mapv(|v| v.f64()), &d.mapv(|v| v.f64()), &big.view(), &plain);
            return self.scalar(v);
        }
        Ok(honest)
    }

    fn quadratic(&mut self, cross: &B::Factor, gram: &B::Gram, f: &B::Factor) -> Result<B::Scalar> {
        if self.is(Fault::ForgetCross) {
            let zero = self.inner.factor(Array2::zeros(self.inner.dim(cross)).view())?;
            return self.inner.quadratic(&zero, gram, f);
        }
        self.inner.quadratic(cross, gram, f)
    }

    fn hals_sweep(&mut self, cross: &B::Factor, gram: &B::Gram, f: &mut B::Factor, sweep: &Sweep) -> Result<()> {
        let mut sweep = Sweep { rule: self.spoil(&sweep.rule), ..*sweep };
        match self.fault {
            Fault::OneSweep => sweep.max_sweeps = 1,
            Fault::IgnoreStop => sweep.stop = 0.0,
            Fault::IgnoreShuffle => sweep.shuffle = None,
            _ => {}
        }
        let old = self.inner.read(f)?;
        self.inner.hals_sweep(cross, gram, f, &sweep)?;
        if self.is(Fault::ForgetClamp) {
            let (a, g, mut v) = (self.inner.read(cross)?, self.inner.read_gram(gram)?, old.clone());
            unclamped(&a, &g, &mut v, &sweep);
            self.inner.write(f, v.view())?;
        }
        if self.is(Fault::ForgetRefill) {
            let mut v = self.inner.read(f)?;
            for mut column in v.columns_mut().into_iter().filter(|c| c.iter().all(|v| *v == B::Elem::FLOOR)) {
                column.fill(B::Elem::zero());
            }
            self.inner.write(f, v.view())?;
        }
        self.aftermath(f, &old.mapv(|v| v.f64()))
    }

    fn least_squares(
        &mut self,
        method: RowMethod,
        cross: &B::Factor,
        gram: &B::Gram,
        f: &mut B::Factor,
        rule: &Rule,
    ) -> Result<()> {
        let rule = self.spoil(rule);
        if self.is(Fault::SweepForNnls) {
            return self.inner.hals_sweep(cross, gram, f, &Sweep::once(rule));
        }
        let method = match (self.fault, method) {
            (Fault::ClippedForExact, RowMethod::BlockPivoting) => RowMethod::Clipped,
            (Fault::ExactForClipped, RowMethod::Clipped) => RowMethod::BlockPivoting,
            (Fault::LazyGradient, RowMethod::ProjectedGradient { stop, .. }) => {
                RowMethod::ProjectedGradient { max_steps: 1, stop }
            }
            _ => method,
        };
        self.inner.least_squares(method, cross, gram, f, &rule)
    }

    fn gradient_step(&mut self, t: &Self::Terms, f: &mut B::Factor, rule: &Rule, step: f64) -> Result<()> {
        let rule = self.spoil(rule);
        let step = if self.is(Fault::HalfStep) { 0.5 * step } else { step };
        let mut new = self.wide(f)?;
        self.inner.gradient_step(&t.inner, f, &rule, step)?;
        if self.is(Fault::UncutGradient) {
            let (n, d) = self.inner.read_terms(&t.inner)?;
            let Penalty { l1, l2 } = rule.penalty;
            for (at, w) in new.indexed_iter_mut().filter(|((_, q), _)| *q >= rule.fixed) {
                *w -= step * (d[at].f64() - n[at].f64() + l1 + l2 * *w);
            }
            self.put(f, &new)?;
        }
        Ok(())
    }

    fn impose_sparseness(
        &mut self,
        cross: &B::Factor,
        gram: &B::Gram,
        f: &mut B::Factor,
        sparseness: f64,
        steps: usize,
        rule: &Rule,
    ) -> Result<()> {
        let rule = self.spoil(rule);
        let off = if self.is(Fault::DriftingSparseness) { 0.999 * sparseness } else { sparseness };
        let steps = if self.is(Fault::ProjectOnly) { 0 } else { steps };
        self.inner.impose_sparseness(cross, gram, f, off, steps, &rule)
    }

    fn newton_sweep(
        &mut self,
        x: &Self::Data,
        side: Side,
        f: &mut B::Factor,
        other: &B::Factor,
        sweep: &Sweep,
        measure: bool,
    ) -> Result<Option<B::Scalar>> {
        let mut sweep = Sweep { rule: self.spoil(&sweep.rule), ..*sweep };
        match self.fault {
            Fault::NewtonOnce => sweep.max_sweeps = 1,
            Fault::IgnoreShuffle => sweep.shuffle = None,
            _ => {}
        }
        let old = self.inner.read(f)?;
        let before = self.inner.newton_sweep(&x.inner, side, f, other, &sweep, measure)?;
        let own = [Fault::ForgetDamping, Fault::StaleModel, Fault::RidgelessCurvature, Fault::SumOverAll];
        if own.contains(&self.fault) {
            let (mut new, o) = (old.mapv(|v| v.f64()), self.wide(other)?);
            let (x, visit) = (x.dense.on(side), order(new.ncols(), &sweep));
            for (i, row) in new.outer_iter_mut().enumerate() {
                newton_row(self.fault, (x.x.row(i), x.weight.row(i)), &o, row, &sweep, &visit, B::Elem::FLOOR.f64());
            }
            self.put(f, &new)?;
        }
        Ok(before)
    }

    fn unfold(&mut self, f: &B::Factor, out: &mut B::Factor) -> Result<()> {
        self.inner.unfold(f, out)?;
        if self.is(Fault::WrapShifts) {
            let (f, mut wide) = (self.inner.read(f)?, self.inner.read(out)?);
            let (n, shifts) = (f.nrows(), wide.ncols() / f.ncols());
            for ((j, c), v) in wide.indexed_iter_mut() {
                *v = f[[(j + shifts * n - c % shifts) % n, c / shifts]];
            }
            self.inner.write(out, wide.view())?;
        }
        Ok(())
    }

    fn fold(&mut self, t: &Self::Terms, out: &mut Self::Terms) -> Result<()> {
        out.used = true;
        if self.is(Fault::ForgetFold) && out.folded {
            return Ok(());
        }
        out.folded = true;
        self.inner.fold(&t.inner, &mut out.inner)
    }

    fn new_momentum(&mut self) -> Result<B::Momentum> {
        self.inner.new_momentum()
    }

    fn advance(&mut self, m: &mut B::Momentum, objective: &[B::Scalar]) -> Result<()> {
        match self.fault {
            Fault::NeverRestart => {
                self.updates += 1;
                let falling = self.scalar(1e6 - self.updates as f64)?;
                self.inner.advance(m, &[falling])
            }
            Fault::AdvanceByFirst => self.inner.advance(m, &objective[..1]),
            _ => self.inner.advance(m, objective),
        }
    }

    fn read_momentum(&mut self, m: &B::Momentum) -> Result<Vec<u64>> {
        self.inner.read_momentum(m)
    }

    fn write_momentum(&mut self, m: &mut B::Momentum, words: &[u64]) -> Result<()> {
        if self.is(Fault::ForgetMomentum) {
            return Ok(());
        }
        self.inner.write_momentum(m, words)
    }

    fn extrapolate(
        &mut self,
        f: &B::Factor,
        previous: &mut B::Factor,
        how: Extrapolation,
        weight: Weight<'_, B::Momentum>,
    ) -> Result<()> {
        if self.is(Fault::UpwardsAsClamped) {
            return self.inner.extrapolate(f, previous, Extrapolation::Clamped, weight);
        }
        let old = self.wide(previous)?;
        self.inner.extrapolate(f, previous, how, weight)?;
        if let (true, Extrapolation::Clamped, Weight::Fixed(weight)) = (self.is(Fault::UncutExtrapolation), how, weight)
        {
            let now = self.wide(f)?;
            self.put(previous, &(&now + (&now - &old) * weight))?;
        }
        Ok(())
    }

    fn ticket(&mut self, s: &[B::Scalar]) -> Result<Ticket> {
        if self.is(Fault::ReverseTicket) {
            let reversed: Vec<B::Scalar> = s.iter().rev().cloned().collect();
            return self.inner.ticket(&reversed);
        }
        self.inner.ticket(s)
    }

    fn poll(&mut self, t: &Ticket) -> Result<Option<Vec<f64>>> {
        self.inner.poll(t)
    }

    fn wait(&mut self, t: &Ticket) -> Result<Vec<f64>> {
        self.inner.wait(t)
    }

    fn finish(&mut self) -> Result<()> {
        self.inner.finish()
    }
}
