//! Counts what is asked of a backend: proof that a solver's step does not wait for the device.

use crate::backend::{Accumulate, Backend, Info, Observed, Op, Side, Support, Sweep, Ticket};
use crate::momentum::{Extrapolation, Weight};
use crate::penalty::Rule;
use crate::rows::RowMethod;
use crate::{Loss, MatrixRef, Penalty, Result};
use ndarray::{Array2, ArrayView2};

/// How often a backend was asked for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// `upload`.
    pub uploads: usize,
    /// Values that went to the device: `factor`, `write`, `write_momentum`.
    pub writes: usize,
    /// Room asked for: `new_gram`, `new_terms`.
    pub rooms: usize,
    /// Values that came back: `read`, `read_gram`, `read_terms`, `read_momentum`. Each waits.
    pub reads: usize,
    /// `wait`, `value`, `finish`. Each waits.
    pub waits: usize,
    /// `ticket`.
    pub tickets: usize,
    /// `poll`.
    pub polls: usize,
    /// The primitives, and `copy`: work on the device.
    pub operations: usize,
}

impl Counts {
    /// Calls that make the caller wait for the device.
    pub fn blocking(&self) -> usize {
        self.reads + self.waits
    }
}

/// Forwards everything to another backend, fused methods included, and counts.
///
/// `scope` is not forwarded: its closure must see this wrapper, so it runs on the caller's thread.
/// A fallback on the host inside the wrapped backend ([`Support::Host`]) is its own affair and not counted.
#[derive(Debug, Clone, Default)]
pub struct Traced<B> {
    inner: B,
    counts: Counts,
}

impl<B: Backend> Traced<B> {
    /// Wraps a backend, with all counts 0.
    pub fn new(inner: B) -> Self {
        Traced { inner, counts: Counts::default() }
    }

    /// What was asked since the start or the last [`reset`](Self::reset).
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Starts counting anew.
    pub fn reset(&mut self) {
        self.counts = Counts::default();
    }

    /// The wrapped backend.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// Unwraps.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: Backend> Backend for Traced<B> {
    type Elem = B::Elem;
    type Data = B::Data;
    type Factor = B::Factor;
    type Gram = B::Gram;
    type Terms = B::Terms;
    type Scalar = B::Scalar;
    type Momentum = B::Momentum;

    fn info(&self) -> Info {
        self.inner.info()
    }

    fn supports(&self, op: &Op) -> Support {
        self.inner.supports(op)
    }

    fn upload(&mut self, x: MatrixRef<'_, B::Elem>, scale: B::Elem, observed: Observed) -> Result<B::Data> {
        self.counts.uploads += 1;
        self.inner.upload(x, scale, observed)
    }

    fn upload_weighted(
        &mut self,
        x: MatrixRef<'_, B::Elem>,
        weights: MatrixRef<'_, B::Elem>,
        scale: B::Elem,
    ) -> Result<B::Data> {
        self.counts.uploads += 1;
        self.inner.upload_weighted(x, weights, scale)
    }

    fn factor(&mut self, values: ArrayView2<'_, B::Elem>) -> Result<B::Factor> {
        self.counts.writes += 1;
        self.inner.factor(values)
    }

    fn dim(&self, f: &B::Factor) -> (usize, usize) {
        self.inner.dim(f)
    }

    fn read(&mut self, f: &B::Factor) -> Result<Array2<B::Elem>> {
        self.counts.reads += 1;
        self.inner.read(f)
    }

    fn write(&mut self, f: &mut B::Factor, values: ArrayView2<'_, B::Elem>) -> Result<()> {
        self.counts.writes += 1;
        self.inner.write(f, values)
    }

    fn copy(&mut self, from: &B::Factor, to: &mut B::Factor) -> Result<()> {
        self.counts.operations += 1;
        self.inner.copy(from, to)
    }

    fn new_gram(&mut self, k: usize) -> Result<B::Gram> {
        self.counts.rooms += 1;
        self.inner.new_gram(k)
    }

    fn read_gram(&mut self, g: &B::Gram) -> Result<Array2<B::Elem>> {
        self.counts.reads += 1;
        self.inner.read_gram(g)
    }

    fn new_terms(&mut self, rows: usize, k: usize) -> Result<B::Terms> {
        self.counts.rooms += 1;
        self.inner.new_terms(rows, k)
    }

    fn read_terms(&mut self, t: &B::Terms) -> Result<(Array2<B::Elem>, Array2<B::Elem>)> {
        self.counts.reads += 1;
        self.inner.read_terms(t)
    }

    fn gram(&mut self, f: &B::Factor, out: &mut B::Gram) -> Result<()> {
        self.counts.operations += 1;
        self.inner.gram(f, out)
    }

    fn cross(&mut self, x: &B::Data, side: Side, other: &B::Factor, out: &mut B::Factor) -> Result<()> {
        self.counts.operations += 1;
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
        self.counts.operations += 1;
        self.inner.terms(loss, x, side, f, other, alpha, how, acc)
    }

    fn apply(&mut self, t: &B::Terms, f: &mut B::Factor, rule: &Rule) -> Result<()> {
        self.counts.operations += 1;
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
        self.counts.operations += 1;
        self.inner.mu_step(loss, x, side, f, other, scratch, rule, measure)
    }

    fn mu_step_by_difference(
        &mut self,
        x: &B::Data,
        side: Side,
        f: &mut B::Factor,
        other: &B::Factor,
        scratch: &mut B::Terms,
        rule: &Rule,
        half_norm: f64,
    ) -> Result<Option<(B::Scalar, bool)>> {
        self.counts.operations += 1;
        self.inner.mu_step_by_difference(x, side, f, other, scratch, rule, half_norm)
    }

    fn mu_steps(
        &mut self,
        loss: &Loss,
        x: &B::Data,
        side: Side,
        f: &mut B::Factor,
        other: &B::Factor,
        scratch: &mut B::Terms,
        rule: &Rule,
        repeats: usize,
        measure: bool,
    ) -> Result<Option<B::Scalar>> {
        self.counts.operations += 1;
        self.inner.mu_steps(loss, x, side, f, other, scratch, rule, repeats, measure)
    }

    fn divergence(&mut self, loss: &Loss, x: &B::Data, w: &B::Factor, h: &B::Factor) -> Result<B::Scalar> {
        self.counts.operations += 1;
        self.inner.divergence(loss, x, w, h)
    }

    fn penalty(&mut self, f: &B::Factor, p: &Penalty) -> Result<B::Scalar> {
        self.counts.operations += 1;
        self.inner.penalty(f, p)
    }

    fn kkt(&mut self, t: &B::Terms, f: &B::Factor, rule: &Rule) -> Result<B::Scalar> {
        self.counts.operations += 1;
        self.inner.kkt(t, f, rule)
    }

    fn quadratic(&mut self, cross: &B::Factor, gram: &B::Gram, f: &B::Factor) -> Result<B::Scalar> {
        self.counts.operations += 1;
        self.inner.quadratic(cross, gram, f)
    }

    fn hals_sweep(&mut self, cross: &B::Factor, gram: &B::Gram, f: &mut B::Factor, sweep: &Sweep) -> Result<()> {
        self.counts.operations += 1;
        self.inner.hals_sweep(cross, gram, f, sweep)
    }

    fn least_squares(
        &mut self,
        method: RowMethod,
        cross: &B::Factor,
        gram: &B::Gram,
        f: &mut B::Factor,
        rule: &Rule,
    ) -> Result<()> {
        self.counts.operations += 1;
        self.inner.least_squares(method, cross, gram, f, rule)
    }

    fn gradient_step(&mut self, t: &B::Terms, f: &mut B::Factor, rule: &Rule, step: f64) -> Result<()> {
        self.counts.operations += 1;
        self.inner.gradient_step(t, f, rule, step)
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
        self.counts.operations += 1;
        self.inner.impose_sparseness(cross, gram, f, sparseness, steps, rule)
    }

    fn newton_sweep(
        &mut self,
        x: &B::Data,
        side: Side,
        f: &mut B::Factor,
        other: &B::Factor,
        sweep: &Sweep,
        measure: bool,
    ) -> Result<Option<B::Scalar>> {
        self.counts.operations += 1;
        self.inner.newton_sweep(x, side, f, other, sweep, measure)
    }

    fn new_momentum(&mut self) -> Result<B::Momentum> {
        self.counts.rooms += 1;
        self.inner.new_momentum()
    }

    fn advance(&mut self, m: &mut B::Momentum, objective: &[B::Scalar]) -> Result<()> {
        self.counts.operations += 1;
        self.inner.advance(m, objective)
    }

    fn read_momentum(&mut self, m: &B::Momentum) -> Result<Vec<u64>> {
        self.counts.reads += 1;
        self.inner.read_momentum(m)
    }

    fn write_momentum(&mut self, m: &mut B::Momentum, words: &[u64]) -> Result<()> {
        self.counts.writes += 1;
        self.inner.write_momentum(m, words)
    }

    fn unfold(&mut self, f: &B::Factor, out: &mut B::Factor) -> Result<()> {
        self.counts.operations += 1;
        self.inner.unfold(f, out)
    }

    fn fold(&mut self, t: &B::Terms, out: &mut B::Terms) -> Result<()> {
        self.counts.operations += 1;
        self.inner.fold(t, out)
    }

    fn extrapolate(
        &mut self,
        f: &B::Factor,
        previous: &mut B::Factor,
        how: Extrapolation,
        weight: Weight<'_, B::Momentum>,
    ) -> Result<()> {
        self.counts.operations += 1;
        self.inner.extrapolate(f, previous, how, weight)
    }

    fn ticket(&mut self, s: &[B::Scalar]) -> Result<Ticket> {
        self.counts.tickets += 1;
        self.inner.ticket(s)
    }

    fn poll(&mut self, t: &Ticket) -> Result<Option<Vec<f64>>> {
        self.counts.polls += 1;
        self.inner.poll(t)
    }

    fn wait(&mut self, t: &Ticket) -> Result<Vec<f64>> {
        self.counts.waits += 1;
        self.inner.wait(t)
    }

    fn value(&mut self, s: &B::Scalar) -> Result<f64> {
        self.counts.waits += 1;
        self.inner.value(s)
    }

    fn finish(&mut self) -> Result<()> {
        self.counts.waits += 1;
        self.inner.finish()
    }
}
