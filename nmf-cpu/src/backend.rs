//! The primitives of [`Backend`], each a few lines over the kernels.

use crate::fused_sparse::{self, Sum};
use crate::plan::{self, PIECE, Plan};
use crate::simd::Real;
use crate::storage::{Data, Factor, Gram, Terms};
use crate::{dense, fused_dense, hals, newton, shifted};
use ndarray::{Array2, ArrayView2};
use nmf_core::{Accumulate, Backend, Error, Info, Loss, MatrixRef, Observed, Op, Penalty, Result, Rule, Side, Support};
use nmf_core::{Extrapolation, Momentum, RowMethod, RowSolver, Sweep, Ticket, Weight, shifts};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// The CPU: `Cpu<f32>` or `Cpu<f64>`.
#[derive(Debug)]
pub struct Cpu<T> {
    pool: Arc<rayon::ThreadPool>,
    tickets: HashMap<u64, Vec<f64>>,
    next: u64,
    element: std::marker::PhantomData<T>,
}

impl<T: Real> Cpu<T> {
    /// With one thread per core that this process may use.
    pub fn new() -> Result<Self> {
        Self::with_threads(std::thread::available_parallelism().map_or(1, usize::from).min(1024))
    }

    /// With this many threads, 1 to 1024. Results do not depend on it.
    pub fn with_threads(threads: usize) -> Result<Self> {
        if !(1..=1024).contains(&threads) {
            let value = threads.to_string();
            return Err(Error::Parameter { name: "threads", value, expected: "1 to 1024" });
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("nmf-{i}"))
            .build()
            .map_err(|e| Error::Device(format!("cannot start {threads} threads: {e}")))?;
        Ok(Cpu { pool: Arc::new(pool), tickets: HashMap::new(), next: 0, element: std::marker::PhantomData })
    }
}

fn same<T>(what: &'static str, f: &Factor<T>, expected: (usize, usize)) -> Result<()> {
    Error::check_shape(what, expected, (f.rows, f.k))
}

/// Shapes of f and other for a side of X.
fn check_pair<T>(x: &Data<T>, side: Side, f: &Factor<T>, other: &Factor<T>) -> Result<()> {
    let (p, q) = match side {
        Side::Rows => (x.rows, x.cols),
        Side::Cols => (x.cols, x.rows),
    };
    same("the factor", f, (p, f.k))?;
    same("the other factor", other, (q, f.k))
}

impl<T: Real> Backend for Cpu<T> {
    type Elem = T;
    type Data = Data<T>;
    type Factor = Factor<T>;
    type Gram = Gram<T>;
    type Terms = Terms<T>;
    type Scalar = f64;
    type Momentum = Momentum;

    fn info(&self) -> Info {
        let threads = self.pool.current_num_threads();
        Info {
            name: "cpu".into(),
            adapter: format!("{} threads", threads),
            threads,
            asynchronous: false,
            numerics: String::new(),
        }
    }

    fn supports(&self, op: &Op) -> Support {
        if *op == Op::Sparseness { Support::Host } else { Support::Native }
    }

    fn scope<R: Send>(&mut self, f: impl FnOnce(&mut Self) -> R + Send) -> R {
        let pool = Arc::clone(&self.pool);
        pool.install(|| f(self))
    }

    fn upload(&mut self, x: MatrixRef<'_, T>, scale: T, observed: Observed) -> Result<Data<T>> {
        Ok(self.pool.install(|| Data::new(&x, scale, observed)))
    }

    fn upload_weighted(&mut self, x: MatrixRef<'_, T>, weights: MatrixRef<'_, T>, scale: T) -> Result<Data<T>> {
        self.pool.install(|| Data::weighted(&x, &weights, scale))
    }

    fn factor(&mut self, values: ArrayView2<'_, T>) -> Result<Factor<T>> {
        Ok(Factor::from_view(values))
    }

    fn dim(&self, f: &Factor<T>) -> (usize, usize) {
        (f.rows, f.k)
    }

    fn read(&mut self, f: &Factor<T>) -> Result<Array2<T>> {
        Ok(f.to_array())
    }

    fn write(&mut self, f: &mut Factor<T>, values: ArrayView2<'_, T>) -> Result<()> {
        Error::check_shape("the values", (f.rows, f.k), values.dim())?;
        f.set(values);
        Ok(())
    }

    fn copy(&mut self, from: &Factor<T>, to: &mut Factor<T>) -> Result<()> {
        same("the copy", to, (from.rows, from.k))?;
        to.data.copy_from_slice(&from.data);
        Ok(())
    }

    fn new_gram(&mut self, k: usize) -> Result<Gram<T>> {
        Ok(Gram::zeros(k))
    }

    fn read_gram(&mut self, g: &Gram<T>) -> Result<Array2<T>> {
        Ok(Array2::from_shape_fn((g.k, g.k), |(i, j)| g.data[i * g.stride + j]))
    }

    fn new_terms(&mut self, rows: usize, k: usize) -> Result<Terms<T>> {
        Ok(Terms { rows, k, parts: None })
    }

    fn read_terms(&mut self, t: &Terms<T>) -> Result<(Array2<T>, Array2<T>)> {
        let zeros = || Array2::zeros((t.rows, t.k));
        Ok(t.parts.as_ref().map_or_else(|| (zeros(), zeros()), |(n, d)| (n.to_array(), d.to_array())))
    }

    fn gram(&mut self, f: &Factor<T>, out: &mut Gram<T>) -> Result<()> {
        Error::check_shape("the Gram matrix", (f.k, f.k), (out.k, out.k))?;
        self.pool.install(|| dense::gram(f, out));
        Ok(())
    }

    fn cross(&mut self, x: &Data<T>, side: Side, other: &Factor<T>, out: &mut Factor<T>) -> Result<()> {
        check_pair(x, side, out, other)?;
        self.pool.install(|| plan::cross_into(x, side, other, out));
        Ok(())
    }

    fn terms(
        &mut self,
        loss: &Loss,
        x: &Data<T>,
        side: Side,
        f: &Factor<T>,
        other: &Factor<T>,
        alpha: f64,
        how: Accumulate,
        acc: &mut Terms<T>,
    ) -> Result<()> {
        check_pair(x, side, f, other)?;
        Error::check_shape("the terms", (f.rows, f.k), (acc.rows, acc.k))?;
        let a = T::of(alpha);
        let (num, den) = acc.parts();
        self.pool.install(|| {
            if how == Accumulate::Set {
                num.data.fill(T::zero());
                den.data.fill(T::zero());
            }
            let chosen = plan::plan(x, side, loss);
            let column_sums = plan::sums(loss, x, other);
            let narrow = column_sums.as_ref().map(|(_, n)| n.as_slice());
            match chosen {
                Plan::Products => {
                    let mut cross = Factor::zeros(f.rows, f.k);
                    plan::cross_into(x, side, other, &mut cross);
                    num.data.par_iter_mut().zip(&cross.data).for_each(|(n, c)| *n += a * *c);
                    let mut g = Gram::zeros(f.k);
                    dense::gram(other, &mut g);
                    dense::times_gram(f, &g, a, true, den);
                }
                Plan::Gather(c) | Plan::GatherAll(c) => {
                    fused_sparse::terms(plan::gather(c, other, loss, narrow, Sum::No), f, a, num, den);
                }
                Plan::Tiles(source) => {
                    fused_dense::terms(plan::tiles(source, side, other, loss, narrow, false), f, a, num, den);
                }
            }
        });
        Ok(())
    }

    fn apply(&mut self, t: &Terms<T>, f: &mut Factor<T>, rule: &Rule) -> Result<()> {
        same("the factor", f, (t.rows, t.k))?;
        let Some((num, den)) = &t.parts else {
            return Err(Error::Unsupported("terms must be computed before they are applied".into()));
        };
        self.pool.install(|| plan::apply_rows(num, den, f, rule));
        Ok(())
    }

    fn mu_step(
        &mut self,
        loss: &Loss,
        x: &Data<T>,
        side: Side,
        f: &mut Factor<T>,
        other: &Factor<T>,
        scratch: &mut Terms<T>,
        rule: &Rule,
        measure: bool,
    ) -> Result<Option<f64>> {
        self.mu_steps(loss, x, side, f, other, scratch, rule, 1, measure)
    }

    fn mu_steps(
        &mut self,
        loss: &Loss,
        x: &Data<T>,
        side: Side,
        f: &mut Factor<T>,
        other: &Factor<T>,
        scratch: &mut Terms<T>,
        rule: &Rule,
        repeats: usize,
        measure: bool,
    ) -> Result<Option<f64>> {
        check_pair(x, side, f, other)?;
        Error::check_shape("the terms", (f.rows, f.k), (scratch.rows, scratch.k))?;
        let before = self.pool.install(|| plan::mu_steps(loss, x, side, f, other, scratch, rule, repeats, measure));
        Ok(measure.then_some(before))
    }

    fn divergence(&mut self, loss: &Loss, x: &Data<T>, w: &Factor<T>, h: &Factor<T>) -> Result<f64> {
        check_pair(x, Side::Rows, w, h)?;
        Ok(self.pool.install(|| plan::divergence_of(loss, x, w, h)))
    }

    fn penalty(&mut self, f: &Factor<T>, p: &Penalty) -> Result<f64> {
        if p.is_none() {
            return Ok(0.0);
        }
        let parts: Vec<f64> = self.pool.install(|| {
            let term = |v: &T| p.l1 * v.f64() + 0.5 * p.l2 * v.f64() * v.f64();
            f.data.par_chunks(PIECE * f.stride).map(|rows| rows.iter().map(term).sum()).collect()
        });
        Ok(parts.iter().sum())
    }

    fn kkt(&mut self, t: &Terms<T>, f: &Factor<T>, rule: &Rule) -> Result<f64> {
        same("the factor", f, (t.rows, t.k))?;
        let Some((num, den)) = &t.parts else {
            return Err(Error::Unsupported("terms must be computed before their KKT residual".into()));
        };
        let Penalty { l1, l2 } = rule.penalty;
        let (k, stride) = (f.k, f.stride);
        let row = |i: usize| -> f64 {
            let (w, n, d) = (f.row(i), num.row(i), den.row(i));
            let term = |q: usize| {
                let w = w[q].f64();
                w.min(d[q].f64() - n[q].f64() + l1 + l2 * w).powi(2)
            };
            (rule.fixed.min(k)..k).map(term).sum()
        };
        let pieces = f.data.par_chunks(PIECE * stride).enumerate();
        let parts: Vec<f64> = self
            .pool
            .install(|| pieces.map(|(p, rows)| (0..rows.len() / stride).map(|i| row(p * PIECE + i)).sum()).collect());
        Ok(parts.iter().sum())
    }

    fn quadratic(&mut self, cross: &Factor<T>, gram: &Gram<T>, f: &Factor<T>) -> Result<f64> {
        same("the cross product", cross, (f.rows, f.k))?;
        Error::check_shape("the Gram matrix", (f.k, f.k), (gram.k, gram.k))?;
        Ok(self.pool.install(|| {
            let mut den = Factor::zeros(f.rows, f.k);
            dense::times_gram(f, gram, T::one(), false, &mut den);
            plan::quadratic_of(cross, &den, f)
        }))
    }

    fn hals_sweep(&mut self, cross: &Factor<T>, gram: &Gram<T>, f: &mut Factor<T>, sweep: &Sweep) -> Result<()> {
        same("the cross product", cross, (f.rows, f.k))?;
        Error::check_shape("the Gram matrix", (f.k, f.k), (gram.k, gram.k))?;
        self.pool.install(|| hals::sweep(cross, gram, f, sweep));
        Ok(())
    }

    fn least_squares(
        &mut self,
        method: RowMethod,
        cross: &Factor<T>,
        gram: &Gram<T>,
        f: &mut Factor<T>,
        rule: &Rule,
    ) -> Result<()> {
        same("the cross product", cross, (f.rows, f.k))?;
        Error::check_shape("the Gram matrix", (f.k, f.k), (gram.k, gram.k))?;
        let g = self.read_gram(gram)?;
        let solver = RowSolver::new(&g.view(), rule, method);
        let (k, stride) = (f.k, f.stride);
        self.pool.install(|| {
            f.data.par_chunks_mut(stride).zip(cross.data.par_chunks(stride)).for_each(|(w, a)| {
                let (a, w) = (ndarray::aview1(&a[..k]), &mut w[..k]);
                solver.solve(a, &mut ndarray::aview_mut1(w));
            });
        });
        Ok(())
    }

    fn gradient_step(&mut self, t: &Terms<T>, f: &mut Factor<T>, rule: &Rule, step: f64) -> Result<()> {
        same("the factor", f, (t.rows, t.k))?;
        let Some((num, den)) = &t.parts else {
            return Err(Error::Unsupported("terms must be computed before a step along them".into()));
        };
        self.pool.install(|| plan::gradient_rows(num, den, f, rule, step));
        Ok(())
    }

    fn newton_sweep(
        &mut self,
        x: &Data<T>,
        side: Side,
        f: &mut Factor<T>,
        other: &Factor<T>,
        sweep: &Sweep,
        measure: bool,
    ) -> Result<Option<f64>> {
        check_pair(x, side, f, other)?;
        let before = self.pool.install(|| newton::sweep(x, side, f, other, sweep, measure));
        Ok(measure.then_some(before))
    }

    fn unfold(&mut self, f: &Factor<T>, out: &mut Factor<T>) -> Result<()> {
        let shifts = shifts::count((out.rows, out.k), (f.rows, f.k))?;
        self.pool.install(|| shifted::unfold(f, shifts, out));
        Ok(())
    }

    fn fold(&mut self, t: &Terms<T>, out: &mut Terms<T>) -> Result<()> {
        let shifts = shifts::count((t.rows, t.k), (out.rows, out.k))?;
        let Some((num, den)) = &t.parts else {
            return Err(Error::Unsupported("terms must be computed before they are folded".into()));
        };
        let (to_num, to_den) = out.parts();
        self.pool.install(|| {
            shifted::fold(num, shifts, to_num);
            shifted::fold(den, shifts, to_den);
        });
        Ok(())
    }

    fn new_momentum(&mut self) -> Result<Momentum> {
        Ok(Momentum::default())
    }

    fn advance(&mut self, m: &mut Momentum, objective: &[f64]) -> Result<()> {
        m.advance(objective.iter().sum());
        Ok(())
    }

    fn read_momentum(&mut self, m: &Momentum) -> Result<Vec<u64>> {
        Ok(m.to_words().to_vec())
    }

    fn write_momentum(&mut self, m: &mut Momentum, words: &[u64]) -> Result<()> {
        *m = Momentum::from_words(words)?;
        Ok(())
    }

    fn extrapolate(
        &mut self,
        f: &Factor<T>,
        previous: &mut Factor<T>,
        how: Extrapolation,
        weight: Weight<'_, Momentum>,
    ) -> Result<()> {
        same("the previous factor", previous, (f.rows, f.k))?;
        let weight = weight.value();
        self.pool.install(|| plan::extrapolate(f, previous, how, T::of(weight)));
        Ok(())
    }

    fn ticket(&mut self, s: &[f64]) -> Result<Ticket> {
        self.next += 1;
        self.tickets.insert(self.next, s.to_vec());
        Ok(Ticket(self.next))
    }

    fn poll(&mut self, t: &Ticket) -> Result<Option<Vec<f64>>> {
        let values = self.tickets.remove(&t.0);
        values.map(Some).ok_or_else(|| Error::Device("this ticket was redeemed already".into()))
    }

    fn wait(&mut self, t: &Ticket) -> Result<Vec<f64>> {
        self.poll(t)?.ok_or_else(|| Error::Device("a ticket came back empty".into()))
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
