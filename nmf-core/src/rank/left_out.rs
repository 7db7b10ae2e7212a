//! A backend for a sparse matrix of which a few entries are unknown.
//!
//! Where all entries count, those that a sparse X does not store are zeros, and a mask over them would store nearly all of the
//! matrix. But every sum of a multiplicative update runs over entries, so the sum over all but a few is the sum over all less the sum
//! over the few: with X' = X without its left-out entries, and Z = those entries, stored as zeros,
//! N, D and the divergence are those of X' (all entries) minus those of Z (stored entries only). `Backend::terms` adds such sums up.

use crate::backend::{Accumulate, Info, Observed, Op, Side, Support, Ticket};
use crate::{Backend, Element, Error, Extrapolation, Loss, MatrixRef, Penalty, Result, Rule, Sparse, Weight};
use ndarray::{Array2, ArrayView2};
use std::collections::HashMap;

/// `inner`, with the entries of `pattern` (stored zeros, the shape of X) unknown in what is uploaded.
pub(super) struct LeftOut<'a, B: Backend> {
    inner: &'a mut B,
    pattern: &'a Sparse<B::Elem>,
    /// Which of a ticket's numbers are to be subtracted from the one before.
    tickets: HashMap<Ticket, Vec<bool>>,
}

/// X without the entries left out, and these.
pub(super) struct Data<D> {
    rest: D,
    left_out: D,
}

/// How much of the entries left out is taken out of the sums: all but a thousand roundings. A denominator that consists of them alone (a
/// component of one column, whose entry is left out) would otherwise come out at or below zero, and its factor without bounds.
fn taken<T: Element>() -> f64 {
    1.0 - 1024.0 * T::EPS
}

/// A sum, and what is to be subtracted from it.
#[derive(Clone)]
pub(super) struct Scalar<S> {
    sum: S,
    minus: Option<S>,
}

impl<'a, B: Backend> LeftOut<'a, B> {
    pub(super) fn new(inner: &'a mut B, pattern: &'a Sparse<B::Elem>) -> Self {
        LeftOut { inner, pattern, tickets: HashMap::new() }
    }

    fn plain<S>(sum: S) -> Scalar<S> {
        Scalar { sum, minus: None }
    }

    /// Numbers of a ticket, differences taken.
    fn combine(&mut self, t: &Ticket, values: Vec<f64>) -> Vec<f64> {
        let mut out: Vec<f64> = Vec::with_capacity(values.len());
        for (v, minus) in values.into_iter().zip(self.tickets.remove(t).unwrap_or_default()) {
            match (out.last_mut(), minus) {
                (Some(last), true) => *last -= v * taken::<B::Elem>(),
                _ => out.push(v),
            }
        }
        out
    }
}

impl<B: Backend> Backend for LeftOut<'_, B> {
    type Elem = B::Elem;
    type Data = Data<B::Data>;
    type Factor = B::Factor;
    type Gram = B::Gram;
    type Terms = B::Terms;
    type Scalar = Scalar<B::Scalar>;
    type Momentum = B::Momentum;

    fn info(&self) -> Info {
        self.inner.info()
    }

    fn supports(&self, op: &Op) -> Support {
        match op {
            Op::Update(_) | Op::Extrapolate | Op::Sparse => self.inner.supports(op),
            // products and sweeps over X would take what is unknown for zeros
            _ => Support::No,
        }
    }

    fn upload(&mut self, x: MatrixRef<'_, B::Elem>, scale: B::Elem, observed: Observed) -> Result<Self::Data> {
        let rest = self.inner.upload(x, scale, observed)?;
        let left_out = self.inner.upload(MatrixRef::Sparse(self.pattern.view()), scale, Observed::Stored)?;
        Ok(Data { rest, left_out })
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
        self.inner.copy(from, to)
    }

    fn new_gram(&mut self, k: usize) -> Result<B::Gram> {
        self.inner.new_gram(k)
    }

    fn read_gram(&mut self, g: &B::Gram) -> Result<Array2<B::Elem>> {
        self.inner.read_gram(g)
    }

    fn new_terms(&mut self, rows: usize, k: usize) -> Result<B::Terms> {
        self.inner.new_terms(rows, k)
    }

    fn read_terms(&mut self, t: &B::Terms) -> Result<(Array2<B::Elem>, Array2<B::Elem>)> {
        self.inner.read_terms(t)
    }

    fn gram(&mut self, f: &B::Factor, out: &mut B::Gram) -> Result<()> {
        self.inner.gram(f, out)
    }

    fn cross(&mut self, x: &Self::Data, side: Side, other: &B::Factor, out: &mut B::Factor) -> Result<()> {
        self.inner.cross(&x.rest, side, other, out)
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
        acc: &mut B::Terms,
    ) -> Result<()> {
        self.inner.terms(loss, &x.rest, side, f, other, alpha, how, acc)?;
        self.inner.terms(loss, &x.left_out, side, f, other, -alpha * taken::<B::Elem>(), Accumulate::Add, acc)
    }

    fn apply(&mut self, t: &B::Terms, f: &mut B::Factor, rule: &Rule) -> Result<()> {
        self.inner.apply(t, f, rule)
    }

    fn divergence(&mut self, loss: &Loss, x: &Self::Data, w: &B::Factor, h: &B::Factor) -> Result<Self::Scalar> {
        let sum = self.inner.divergence(loss, &x.rest, w, h)?;
        Ok(Scalar { sum, minus: Some(self.inner.divergence(loss, &x.left_out, w, h)?) })
    }

    fn penalty(&mut self, f: &B::Factor, p: &Penalty) -> Result<Self::Scalar> {
        self.inner.penalty(f, p).map(Self::plain)
    }

    fn kkt(&mut self, t: &B::Terms, f: &B::Factor, rule: &Rule) -> Result<Self::Scalar> {
        self.inner.kkt(t, f, rule).map(Self::plain)
    }

    fn quadratic(&mut self, cross: &B::Factor, gram: &B::Gram, f: &B::Factor) -> Result<Self::Scalar> {
        self.inner.quadratic(cross, gram, f).map(Self::plain)
    }

    fn new_momentum(&mut self) -> Result<B::Momentum> {
        self.inner.new_momentum()
    }

    fn advance(&mut self, m: &mut B::Momentum, objective: &[Self::Scalar]) -> Result<()> {
        if objective.iter().any(|s| s.minus.is_some()) {
            return Err(Error::Unsupported(
                "a momentum cannot follow a difference of sums: use solver mue or mu".into(),
            ));
        }
        let sums: Vec<B::Scalar> = objective.iter().map(|s| s.sum.clone()).collect();
        self.inner.advance(m, &sums)
    }

    fn read_momentum(&mut self, m: &B::Momentum) -> Result<Vec<u64>> {
        self.inner.read_momentum(m)
    }

    fn write_momentum(&mut self, m: &mut B::Momentum, words: &[u64]) -> Result<()> {
        self.inner.write_momentum(m, words)
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

    fn ticket(&mut self, s: &[Self::Scalar]) -> Result<Ticket> {
        let (mut sums, mut minus) = (Vec::new(), Vec::new());
        for one in s {
            for (value, subtract) in [(Some(&one.sum), false), (one.minus.as_ref(), true)] {
                if let Some(value) = value {
                    sums.push(value.clone());
                    minus.push(subtract);
                }
            }
        }
        let ticket = self.inner.ticket(&sums)?;
        self.tickets.insert(ticket.clone(), minus);
        Ok(ticket)
    }

    fn poll(&mut self, t: &Ticket) -> Result<Option<Vec<f64>>> {
        Ok(self.inner.poll(t)?.map(|v| self.combine(t, v)))
    }

    fn wait(&mut self, t: &Ticket) -> Result<Vec<f64>> {
        let values = self.inner.wait(t)?;
        Ok(self.combine(t, values))
    }

    fn finish(&mut self) -> Result<()> {
        self.inner.finish()
    }
}
