//! A backend at the pace of another one: accelerated HALS repeats its sweeps by the backend's
//! [`sweep_rate`](Backend::sweep_rate), so two backends take the same path only if they are told the same rate.
//! Everything else is passed on, but for `scope`, whose closure must see this wrapper.

use ndarray::{Array2, ArrayView2};
use nmf_core::{
    Accumulate, Backend, Info, Loss, MatrixRef, Observed, Op, Penalty, Result, Rule, Side, Support, Sweep, Ticket,
};

/// `inner` with the given sweep rate.
pub(crate) struct Paced<'b, B> {
    /// What does the work.
    pub(crate) inner: &'b mut B,
    /// What accelerated HALS is told.
    pub(crate) rate: f64,
}

impl<B: Backend> Backend for Paced<'_, B> {
    type Elem = B::Elem;
    type Data = B::Data;
    type Factor = B::Factor;
    type Gram = B::Gram;
    type Terms = B::Terms;
    type Scalar = B::Scalar;

    fn sweep_rate(&self) -> f64 {
        self.rate
    }
    fn info(&self) -> Info {
        self.inner.info()
    }
    fn supports(&self, op: &Op) -> Support {
        self.inner.supports(op)
    }
    fn upload(&mut self, x: MatrixRef<'_, B::Elem>, scale: B::Elem, observed: Observed) -> Result<B::Data> {
        self.inner.upload(x, scale, observed)
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
    fn cross(&mut self, x: &B::Data, side: Side, other: &B::Factor, out: &mut B::Factor) -> Result<()> {
        self.inner.cross(x, side, other, out)
    }
    fn terms(
        &mut self,
        loss: &Loss,
        x: &B::Data,
        side: Side,
        f: &B::Factor,
        other: &B::Factor,
        alpha: f64,
        how: Accumulate,
        acc: &mut B::Terms,
    ) -> Result<()> {
        self.inner.terms(loss, x, side, f, other, alpha, how, acc)
    }
    fn apply(&mut self, t: &B::Terms, f: &mut B::Factor, rule: &Rule) -> Result<()> {
        self.inner.apply(t, f, rule)
    }
    fn mu_step(
        &mut self,
        loss: &Loss,
        x: &B::Data,
        side: Side,
        f: &mut B::Factor,
        other: &B::Factor,
        scratch: &mut B::Terms,
        rule: &Rule,
        measure: bool,
    ) -> Result<Option<B::Scalar>> {
        self.inner.mu_step(loss, x, side, f, other, scratch, rule, measure)
    }
    fn divergence(&mut self, loss: &Loss, x: &B::Data, w: &B::Factor, h: &B::Factor) -> Result<B::Scalar> {
        self.inner.divergence(loss, x, w, h)
    }
    fn penalty(&mut self, f: &B::Factor, p: &Penalty) -> Result<B::Scalar> {
        self.inner.penalty(f, p)
    }
    fn kkt(&mut self, t: &B::Terms, f: &B::Factor, rule: &Rule) -> Result<B::Scalar> {
        self.inner.kkt(t, f, rule)
    }
    fn quadratic(&mut self, cross: &B::Factor, gram: &B::Gram, f: &B::Factor) -> Result<B::Scalar> {
        self.inner.quadratic(cross, gram, f)
    }
    fn hals_sweep(&mut self, cross: &B::Factor, gram: &B::Gram, f: &mut B::Factor, sweep: &Sweep) -> Result<()> {
        self.inner.hals_sweep(cross, gram, f, sweep)
    }
    fn nnls(&mut self, cross: &B::Factor, gram: &B::Gram, f: &mut B::Factor, penalty: &Penalty) -> Result<()> {
        self.inner.nnls(cross, gram, f, penalty)
    }
    fn ticket(&mut self, s: &[B::Scalar]) -> Result<Ticket> {
        self.inner.ticket(s)
    }
    fn poll(&mut self, t: &Ticket) -> Result<Option<Vec<f64>>> {
        self.inner.poll(t)
    }
    fn wait(&mut self, t: &Ticket) -> Result<Vec<f64>> {
        self.inner.wait(t)
    }
    fn value(&mut self, s: &B::Scalar) -> Result<f64> {
        self.inner.value(s)
    }
    fn finish(&mut self) -> Result<()> {
        self.inner.finish()
    }
}
