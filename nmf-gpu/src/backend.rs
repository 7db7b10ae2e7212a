//! The primitives of [`nmf_core::Backend`] on a GPU.

use crate::dense::Target;
use crate::gpu::Gpu;
use crate::memory::{Factor, Gram, Scalar, Terms, quads};
use crate::momentum::Momentum;
use crate::number::Number;
use crate::queue::Params;
use crate::tune::What;
use crate::update::kind;
use crate::window::{self, Data, Layout, XStorage};
use ndarray::{Array2, ArrayView2};
use nmf_core::{
    Accumulate, Backend, Error, Extrapolation, Info, Loss, MatrixRef, Observed, Op, Penalty, Result, Ridge, Rule, Side,
    Support, Sweep, Ticket, Weight, shifts,
};
use nmf_shaders::{Kernel, Power, Term};

pub(crate) fn same_terms(t: &Terms, f: &Factor) -> Result<()> {
    Error::check_shape("the terms of an update", (f.rows as usize, f.k as usize), (t.rows as usize, t.k as usize))
}

pub(crate) fn same_gram(g: &Gram, f: &Factor) -> Result<()> {
    Error::check_shape("the Gram matrix", (f.k as usize, f.k as usize), (g.k as usize, g.k as usize))
}

impl<T: Number> Backend for Gpu<T> {
    type Elem = T;
    type Data = Data<T>;
    type Factor = Factor;
    type Gram = Gram;
    type Terms = Terms;
    type Scalar = Scalar;
    type Momentum = Momentum;

    fn info(&self) -> Info {
        let a = self.adapter();
        Info {
            name: "gpu".into(),
            adapter: format!("{} ({}, {})", a.name, a.backend, a.driver),
            threads: 1,
            asynchronous: true,
            numerics: self.numerics(),
        }
    }

    fn supports(&self, op: &Op) -> Support {
        match op {
            Op::Update(loss) if kind(loss).is_ok() => Support::Native,
            Op::HalsSweep | Op::Shuffle | Op::NewtonSweep | Op::GradientStep | Op::Extrapolate => Support::Native,
            Op::Shifts => Support::Native,
            // halves are made of dense X alone
            Op::Sparse | Op::StoredOnly | Op::Mask | Op::Weights if self.keeping.storage == XStorage::F16 => {
                Support::No
            }
            Op::Sparse | Op::StoredOnly | Op::Mask | Op::Weights => Support::Native,
            Op::LeastSquares | Op::Sparseness => Support::Host,
            _ => Support::No,
        }
    }

    fn batch_size(&self, x: &Data<T>, k: usize) -> usize {
        self.side_by_side(x, k)
    }

    fn batch_class(&self, k: usize) -> usize {
        quads(k) as usize
    }

    fn in_batch<R>(&mut self, ranks: &[usize], f: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        self.with_batch(ranks, f)
    }

    fn out_of_batch<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let batch = self.stream.batch.take();
        let result = f(self);
        self.stream.batch = batch;
        result
    }

    fn members(&mut self, runs: &[usize]) -> Result<()> {
        self.stream.batch.as_mut().map_or(Ok(()), |batch| batch.choose(runs))
    }

    fn read_of(&mut self, f: &Factor, run: usize) -> Result<Array2<T>> {
        let k = self.rank_of(f, run)?;
        self.fetch_of(&f.buf, run, f.rows as usize, k)
    }

    fn write_of(&mut self, f: &mut Factor, run: usize, values: ArrayView2<'_, T>) -> Result<()> {
        self.put_of(f, run, values)
    }

    fn scalar_of(&self, s: &Scalar, run: usize) -> Scalar {
        s.of_run(run, T::BYTES)
    }

    fn upload(&mut self, x: MatrixRef<'_, T>, scale: T, observed: Observed) -> Result<Data<T>> {
        let data = window::upload(&mut self.stream, &self.pool, &x, scale, observed, &self.keeping)?;
        self.stream.counters.uploads += 1;
        Ok(data)
    }

    fn upload_weighted(&mut self, x: MatrixRef<'_, T>, weights: MatrixRef<'_, T>, scale: T) -> Result<Data<T>> {
        let data = window::upload_weighted(&mut self.stream, &self.pool, &x, &weights, scale, &self.keeping)?;
        self.stream.counters.uploads += 1;
        Ok(data)
    }

    fn factor(&mut self, values: ArrayView2<'_, T>) -> Result<Factor> {
        let (rows, k) = values.dim();
        let f = Factor { buf: self.room("a factor", rows, k)?, rows: rows as u32, k: k as u32 };
        self.put(&f, values)?;
        Ok(f)
    }

    fn dim(&self, f: &Factor) -> (usize, usize) {
        (f.rows as usize, f.k as usize)
    }

    fn read(&mut self, f: &Factor) -> Result<Array2<T>> {
        self.fetch(&f.buf, f.rows as usize, f.k as usize)
    }

    fn write(&mut self, f: &mut Factor, values: ArrayView2<'_, T>) -> Result<()> {
        self.put(f, values)
    }

    fn copy(&mut self, from: &Factor, to: &mut Factor) -> Result<()> {
        Error::check_shape("the factor to copy over", self.dim(from), self.dim(to))?;
        self.stream.copy(&from.buf, &to.buf, u64::from(from.rows) * u64::from(quads(from.k as usize)) * T::QUAD);
        Ok(())
    }

    fn new_gram(&mut self, k: usize) -> Result<Gram> {
        self.room("a Gram matrix", 4 * quads(k) as usize, k)?;
        self.new_gram_buffer(k as u32)
    }

    fn read_gram(&mut self, g: &Gram) -> Result<Array2<T>> {
        self.fetch(&g.buf, g.k as usize, g.k as usize)
    }

    fn new_terms(&mut self, rows: usize, k: usize) -> Result<Terms> {
        let num = self.room("the terms of an update", rows, k)?;
        let den = self.room("the terms of an update", rows, k)?;
        Ok(Terms { num, den, rows: rows as u32, k: k as u32, shared: false })
    }

    fn read_terms(&mut self, t: &Terms) -> Result<(Array2<T>, Array2<T>)> {
        let (rows, k) = (t.rows as usize, t.k as usize);
        let num = self.fetch(&t.num, rows, k)?;
        let den = self.fetch(&t.den, if t.shared { 1 } else { rows }, k)?;
        let den = den.broadcast((rows, k)).map(|d| d.to_owned()).unwrap_or(den);
        Ok((num, den))
    }

    fn gram(&mut self, f: &Factor, out: &mut Gram) -> Result<()> {
        same_gram(out, f)?;
        self.record_gram(f, out)
    }

    fn cross(&mut self, x: &Data<T>, side: Side, other: &Factor, out: &mut Factor) -> Result<()> {
        self.check_pair(x, side, out, other)?;
        let to = Target { acc: &out.buf, row0: 0, alpha: 1.0, add: false };
        match (&x.layout, side) {
            (Layout::Dense(panels), _) => self.cross_dense(What::Product, panels, side, other, to),
            (Layout::Sparse { rows, .. }, Side::Rows) => self.cross_sparse(rows, other, to),
            (Layout::Sparse { cols, .. }, Side::Cols) => self.cross_sparse(cols, other, to),
        }
    }

    fn terms(
        &mut self,
        loss: &Loss,
        x: &Data<T>,
        side: Side,
        f: &Factor,
        other: &Factor,
        alpha: f64,
        how: Accumulate,
        acc: &mut Terms,
    ) -> Result<()> {
        self.check_pair(x, side, f, other)?;
        same_terms(acc, f)?;
        self.record_terms(loss, x, side, (f, other), alpha, how, acc, false).map(|_| ())
    }

    fn apply(&mut self, t: &Terms, f: &mut Factor, rule: &Rule) -> Result<()> {
        same_terms(t, f)?;
        let params =
            Params { stride: if t.shared { 0 } else { quads(f.k as usize) }, ..self.rule_params(rule, f.rows, f.k) };
        let power = match params.gamma {
            _ if rule.ridge == Ridge::Quadratic && params.l2 > 0.0 => Power::Quadratic,
            1.0 => Power::One,
            0.5 => Power::Half,
            _ => Power::Any,
        };
        self.stream.run(Kernel::Apply(power), &[&t.num, &t.den, &f.buf], params, params.quad_groups(), 4096.0)
    }

    fn mu_step(
        &mut self,
        loss: &Loss,
        x: &Data<T>,
        side: Side,
        f: &mut Factor,
        other: &Factor,
        scratch: &mut Terms,
        rule: &Rule,
        measure: bool,
    ) -> Result<Option<Scalar>> {
        self.check_pair(x, side, f, other)?;
        same_terms(scratch, f)?;
        // the product of fro is another pass, with other roundings, than the one that makes the model, too: what a run of a batch
        // computes must not depend on how the others are measured.
        let apart = measure && loss.is_fro() && x.observed == Observed::All;
        let before = match (apart, side) {
            (false, _) => None,
            (true, Side::Rows) => Some(self.record_divergence(loss, x, f, other)?),
            (true, Side::Cols) => Some(self.record_divergence(loss, x, other, f)?),
        };
        let at_once = measure && !apart;
        let with = self.record_terms(loss, x, side, (f, other), 1.0, Accumulate::Set, scratch, at_once)?;
        self.apply(scratch, f, rule)?;
        Ok(before.or(with))
    }

    fn mu_step_by_difference(
        &mut self,
        x: &Data<T>,
        side: Side,
        f: &mut Factor,
        other: &Factor,
        scratch: &mut Terms,
        rule: &Rule,
        half_norm: f64,
    ) -> Result<Option<(Scalar, bool)>> {
        // halves are another X than that of ½‖X‖², and pairs of halves lose digits that a difference needs
        if x.observed != Observed::All || x.halves() || self.stream.device.matrices.is_some() {
            let before = self.mu_step(&Loss::FRO, x, side, f, other, scratch, rule, true)?;
            return Ok(before.map(|s| (s, false)));
        }
        self.check_pair(x, side, f, other)?;
        same_terms(scratch, f)?;
        self.record_terms(&Loss::FRO, x, side, (f, other), 1.0, Accumulate::Set, scratch, false)?;
        let buffers = [&f.buf, &scratch.den, &scratch.num];
        let sum = self.sum_term(Term::Quadratic, &buffers, f.rows, f.k, Params::default(), 1.0)?;
        self.apply(scratch, f, rule)?;
        Ok(Some((Scalar { constant: half_norm, ..sum }, true)))
    }

    fn divergence(&mut self, loss: &Loss, x: &Data<T>, w: &Factor, h: &Factor) -> Result<Scalar> {
        self.check_pair(x, Side::Rows, w, h)?;
        self.record_divergence(loss, x, w, h)
    }

    fn penalty(&mut self, f: &Factor, p: &Penalty) -> Result<Scalar> {
        let params = Params { l1: p.l1, l2: p.l2, ..Params::default() };
        self.sum_term(Term::Penalty, &[&f.buf], f.rows, f.k, params, 1.0)
    }

    fn kkt(&mut self, t: &Terms, f: &Factor, rule: &Rule) -> Result<Scalar> {
        same_terms(t, f)?;
        let stride = if t.shared { 0 } else { quads(f.k as usize) };
        let params = Params { stride, ..self.rule_params(rule, f.rows, f.k) };
        let buffers = [&f.buf, &t.num, &t.den];
        let mut sum = self.sum_term(Term::Kkt, &buffers, f.rows, f.k, params, 1.0)?;
        // squares beyond f32, as 2^-80 of themselves: see scalar/kkt.wgsl
        let params = Params { flags: 1, ..params };
        sum.parts.extend(self.sum_term(Term::Kkt, &buffers, f.rows, f.k, params, 80f64.exp2())?.parts);
        Ok(sum)
    }

    fn quadratic(&mut self, cross: &Factor, gram: &Gram, f: &Factor) -> Result<Scalar> {
        Error::check_shape("the product X̃·other", self.dim(f), self.dim(cross))?;
        same_gram(gram, f)?;
        let fg = self.scratch(f.rows.into(), quads(f.k as usize))?;
        self.times_gram(f, gram, Target { acc: &fg, row0: 0, alpha: 1.0, add: false })?;
        self.sum_term(Term::Quadratic, &[&f.buf, &fg, &cross.buf], f.rows, f.k, Params::default(), 1.0)
    }

    fn hals_sweep(&mut self, cross: &Factor, gram: &Gram, f: &mut Factor, sweep: &Sweep) -> Result<()> {
        Error::check_shape("the product X̃·other", self.dim(f), self.dim(cross))?;
        same_gram(gram, f)?;
        self.record_hals(cross, gram, f, sweep)
    }

    fn newton_sweep(
        &mut self,
        x: &Data<T>,
        side: Side,
        f: &mut Factor,
        other: &Factor,
        sweep: &Sweep,
        measure: bool,
    ) -> Result<Option<Scalar>> {
        self.check_pair(x, side, f, other)?;
        let before = match (measure, side) {
            (false, _) => None,
            (true, Side::Rows) => Some(self.record_divergence(&Loss::KL, x, f, other)?),
            (true, Side::Cols) => Some(self.record_divergence(&Loss::KL, x, other, f)?),
        };
        self.record_newton(x, side, f, other, sweep)?;
        Ok(before)
    }

    fn gradient_step(&mut self, t: &Terms, f: &mut Factor, rule: &Rule, step: f64) -> Result<()> {
        same_terms(t, f)?;
        let stride = if t.shared { 0 } else { quads(f.k as usize) };
        let params = Params { stride, alpha: step, ..self.rule_params(rule, f.rows, f.k) };
        self.stream.run(Kernel::GradientStep, &[&t.num, &t.den, &f.buf], params, params.quad_groups(), 4096.0)
    }

    fn unfold(&mut self, f: &Factor, out: &mut Factor) -> Result<()> {
        let shifts = shifts::count(self.dim(out), self.dim(f))?;
        self.record_unfold(f, shifts as u32, out)
    }

    fn fold(&mut self, t: &Terms, out: &mut Terms) -> Result<()> {
        let shifts = shifts::count((t.rows as usize, t.k as usize), (out.rows as usize, out.k as usize))?;
        self.record_fold(t, shifts as u32, out)
    }

    fn new_momentum(&mut self) -> Result<Momentum> {
        self.momentum_at_rest()
    }

    fn advance(&mut self, m: &mut Momentum, objective: &[Scalar]) -> Result<()> {
        self.record_advance(m, objective)
    }

    fn read_momentum(&mut self, m: &Momentum) -> Result<Vec<u64>> {
        self.fetch_momentum(m)
    }

    fn write_momentum(&mut self, m: &mut Momentum, words: &[u64]) -> Result<()> {
        self.put_momentum(m, words)
    }

    fn extrapolate(
        &mut self,
        f: &Factor,
        previous: &mut Factor,
        how: Extrapolation,
        weight: Weight<'_, Momentum>,
    ) -> Result<()> {
        Error::check_shape("the previous factor", self.dim(f), self.dim(previous))?;
        self.record_extrapolation(f, previous, how, weight)
    }

    fn ticket(&mut self, s: &[Scalar]) -> Result<Ticket> {
        self.send(s)
    }

    fn poll(&mut self, t: &Ticket) -> Result<Option<Vec<f64>>> {
        if self.arrived(t)? { self.redeem(t).map(Some) } else { Ok(None) }
    }

    fn wait(&mut self, t: &Ticket) -> Result<Vec<f64>> {
        self.stream.counters.reads += 1;
        self.redeem(t)
    }

    fn finish(&mut self) -> Result<()> {
        self.stream.finish()
    }
}
