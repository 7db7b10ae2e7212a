//! A backend with one mistake in it: the suite is tested by whether it notices.

use super::fault::Fault;
use crate::backend::{Accumulate, Backend, Info, Observed, Op, Side, Support, Sweep, Ticket};
use crate::momentum::{Extrapolation, Weight};
use crate::penalty::{Ridge, Rule};
use crate::reference::{self, Dense};
use crate::rows::RowMethod;
use crate::{Element, Loss, MatrixRef, Penalty, Result};
use ndarray::{Array2, ArrayView2};
use num_traits::Zero;

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

/// Terms, and whether they were ever set.
pub struct BrokenTerms<T> {
    inner: T,
    used: bool,
}

impl<B: Backend> Broken<B> {
    /// Spoils a backend.
    pub fn new(inner: B, fault: Fault) -> Self {
        Broken { inner, fault, updates: 0 }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn spoil(&self, rule: &Rule) -> Rule {
        let mut r = *rule;
        match self.fault {
            Fault::IgnoreFixed => r.fixed = 0,
            Fault::IgnoreL1 => r.penalty.l1 = 0.0,
            Fault::IgnoreL2 => r.penalty.l2 = 0.0,
            Fault::RidgeInDenominator => r.ridge = Ridge::Denominator,
            _ => {}
        }
        r
    }

    fn wide(&mut self, f: &B::Factor) -> Result<Array2<f64>> {
        Ok(self.inner.read(f)?.mapv(|v| v.f64()))
    }

    fn put(&mut self, f: &mut B::Factor, values: &Array2<f64>) -> Result<()> {
        self.inner.write(f, values.mapv(B::Elem::of).view())
    }

    /// A number ≥ 0 as a scalar on the device: the sum of a 1×1 factor.
    fn scalar(&mut self, v: f64) -> Result<B::Scalar> {
        let f = self.inner.factor(Array2::from_elem((1, 1), B::Elem::of(v)).view())?;
        self.inner.penalty(&f, &Penalty { l1: 1.0, l2: 0.0 })
    }

    /// What happens to a factor after an operation changed it: `old` are its values before.
    fn aftermath(&mut self, f: &mut B::Factor, old: &Array2<f64>) -> Result<()> {
        let mut new = self.wide(f)?;
        let last = new.nrows() - 1;
        match self.fault {
            Fault::TruncateRow => new.row_mut(last).assign(&old.row(last)),
            Fault::ReviveZeros => new.mapv_inplace(|v| if v == 0.0 { B::Elem::FLOOR.f64() } else { v }),
            Fault::Jitter => {
                self.updates += 1;
                if !self.updates.is_multiple_of(3) {
                    return Ok(());
                }
                new *= 1.0 + B::Elem::EPS;
            }
            _ => return Ok(()),
        }
        self.put(f, &new)
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
        let dense = Dense::weighted(&x, &weights, scale.f64());
        Ok(BrokenData { inner: self.inner.upload_weighted(x, weights, scale)?, dense })
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
        Ok(BrokenTerms { inner: self.inner.new_terms(rows, k)?, used: false })
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
        self.inner.least_squares(method, cross, gram, f, &rule)
    }

    fn gradient_step(&mut self, t: &Self::Terms, f: &mut B::Factor, rule: &Rule, step: f64) -> Result<()> {
        let rule = self.spoil(rule);
        self.inner.gradient_step(&t.inner, f, &rule, step)
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
        self.inner.impose_sparseness(cross, gram, f, sparseness, steps, &rule)
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
        let sweep = Sweep { rule: self.spoil(&sweep.rule), ..*sweep };
        self.inner.newton_sweep(&x.inner, side, f, other, &sweep, measure)
    }

    fn new_momentum(&mut self) -> Result<B::Momentum> {
        self.inner.new_momentum()
    }

    fn advance(&mut self, m: &mut B::Momentum, objective: &[B::Scalar]) -> Result<()> {
        self.inner.advance(m, objective)
    }

    fn extrapolate(
        &mut self,
        f: &B::Factor,
        previous: &mut B::Factor,
        how: Extrapolation,
        weight: Weight<'_, B::Momentum>,
    ) -> Result<()> {
        self.inner.extrapolate(f, previous, how, weight)
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

impl<B: Backend> Broken<B> {
    fn shifted(&self, loss: &Loss) -> Loss {
        match loss.beta() {
            Some(b) if self.is(Fault::WrongBeta) && b.fract() != 0.0 => Loss::Beta(b + 0.05),
            _ => loss.clone(),
        }
    }
}

/// [`reference::hals_sweep`] without max(0, ·).
fn unclamped<T: Element>(a: &Array2<T>, g: &Array2<T>, f: &mut Array2<T>, sweep: &Sweep) {
    let Rule { fixed, penalty: Penalty { l1, l2 }, .. } = sweep.rule;
    for _ in 0..sweep.max_sweeps {
        for i in 0..f.nrows() {
            for q in fixed..f.ncols() {
                let c = g[[q, q]].f64() + l2;
                if c > 0.0 {
                    let dot: f64 = (0..f.ncols()).map(|r| f[[i, r]].f64() * g[[r, q]].f64()).sum();
                    let old = f[[i, q]].f64();
                    f[[i, q]] = T::of(old + (a[[i, q]].f64() - dot - l1 - l2 * old) / c);
                }
            }
        }
    }
}
