//! The oracle as a backend: what every other one is measured by.

use super::Dense;
use crate::backend::{Accumulate, Backend, Info, Observed, Op, Side, Support, Sweep, Ticket};
use crate::momentum::{Extrapolation, Momentum, Weight};
use crate::penalty::Rule;
use crate::{Element, Error, Loss, MatrixRef, Penalty, Result};
use ndarray::{Array2, ArrayView2};
use std::collections::HashMap;
use std::marker::PhantomData;

/// Every operation through the plain f64 loops of [`crate::reference`], rounded to `T` where a result is stored.
///
/// Slow on purpose: one thread, X spread out, V stored. It is what the conformance suite is tested with, and the
/// baseline that shows what a tuned backend gains. Room whose content is undefined is filled with NaN, so that a
/// solver that relies on it is found out.
#[derive(Debug, Clone, Default)]
pub struct Naive<T> {
    tickets: HashMap<u64, Vec<f64>>,
    issued: u64,
    element: PhantomData<T>,
}

impl<T: Element> Naive<T> {
    /// A backend on host memory.
    pub fn new() -> Self {
        Self::default()
    }
}

fn wide<T: Element>(a: &Array2<T>) -> Array2<f64> {
    a.mapv(T::f64)
}

fn round<T: Element>(a: &Array2<f64>) -> Array2<T> {
    a.mapv(T::of)
}

/// Checks f (p×k) and other (q×k) against X̃ (p×q).
fn check_model(x: &Dense, side: Side, f: (usize, usize), other: (usize, usize)) -> Result<()> {
    let (m, n) = x.x.dim();
    let (p, q) = match side {
        Side::Rows => (m, n),
        Side::Cols => (n, m),
    };
    Error::check_shape("the factor", (p, other.1), f)?;
    Error::check_shape("the other factor", (q, f.1), other)
}

impl<T: Element> Backend for Naive<T> {
    type Elem = T;
    type Data = Dense;
    type Factor = Array2<T>;
    type Gram = Array2<T>;
    type Terms = (Array2<T>, Array2<T>);
    type Scalar = f64;
    type Momentum = Momentum;

    fn info(&self) -> Info {
        Info {
            name: "naive".into(),
            adapter: "plain loops on the host".into(),
            threads: 1,
            asynchronous: false,
            numerics: String::new(),
        }
    }

    fn supports(&self, _: &Op) -> Support {
        Support::Native
    }

    fn upload(&mut self, x: MatrixRef<'_, T>, scale: T, observed: Observed) -> Result<Dense> {
        Ok(Dense::new(&x, scale.f64(), observed))
    }

    fn upload_weighted(&mut self, x: MatrixRef<'_, T>, weights: MatrixRef<'_, T>, scale: T) -> Result<Dense> {
        Error::check_shape("the weights", x.dim(), weights.dim())?;
        Ok(Dense::weighted(&x, &weights, scale.f64()))
    }

    fn factor(&mut self, values: ArrayView2<'_, T>) -> Result<Array2<T>> {
        // in standard order whatever the view's strides are, so that sums run the same way
        Ok(Array2::from_shape_fn(values.dim(), |at| values[at]))
    }

    fn dim(&self, f: &Array2<T>) -> (usize, usize) {
        f.dim()
    }

    fn read(&mut self, f: &Array2<T>) -> Result<Array2<T>> {
        Ok(f.clone())
    }

    fn write(&mut self, f: &mut Array2<T>, values: ArrayView2<'_, T>) -> Result<()> {
        Error::check_shape("the written values", f.dim(), values.dim())?;
        f.assign(&values);
        Ok(())
    }

    fn copy(&mut self, from: &Array2<T>, to: &mut Array2<T>) -> Result<()> {
        Error::check_shape("the copied factor", to.dim(), from.dim())?;
        to.assign(from);
        Ok(())
    }

    fn new_gram(&mut self, k: usize) -> Result<Array2<T>> {
        Ok(Array2::from_elem((k, k), T::nan()))
    }

    fn read_gram(&mut self, g: &Array2<T>) -> Result<Array2<T>> {
        Ok(g.clone())
    }

    fn new_terms(&mut self, rows: usize, k: usize) -> Result<Self::Terms> {
        let room = Array2::from_elem((rows, k), T::nan());
        Ok((room.clone(), room))
    }

    fn read_terms(&mut self, t: &Self::Terms) -> Result<(Array2<T>, Array2<T>)> {
        Ok(t.clone())
    }

    fn gram(&mut self, f: &Array2<T>, out: &mut Array2<T>) -> Result<()> {
        Error::check_shape("the Gram matrix", (f.ncols(), f.ncols()), out.dim())?;
        *out = round(&super::gram(&wide(f).view()));
        Ok(())
    }

    fn cross(&mut self, x: &Dense, side: Side, other: &Array2<T>, out: &mut Array2<T>) -> Result<()> {
        check_model(x, side, out.dim(), other.dim())?;
        *out = round(&super::cross(x, side, &wide(other).view()));
        Ok(())
    }

    fn terms(
        &mut self,
        loss: &Loss,
        x: &Dense,
        side: Side,
        f: &Array2<T>,
        other: &Array2<T>,
        alpha: f64,
        how: Accumulate,
        acc: &mut Self::Terms,
    ) -> Result<()> {
        check_model(x, side, f.dim(), other.dim())?;
        Error::check_shape("the terms", f.dim(), acc.0.dim())?;
        let (n, d) = super::terms(loss, x, side, &wide(f).view(), &wide(other).view(), T::FLOOR.f64());
        for (out, new) in [(&mut acc.0, n), (&mut acc.1, d)] {
            *out = match how {
                Accumulate::Set => round(&(new * alpha)),
                Accumulate::Add => round(&(wide(out) + new * alpha)),
            };
        }
        Ok(())
    }

    fn apply(&mut self, t: &Self::Terms, f: &mut Array2<T>, rule: &Rule) -> Result<()> {
        Error::check_shape("the factor", t.0.dim(), f.dim())?;
        let mut v = wide(f);
        super::apply(&wide(&t.0), &wide(&t.1), &mut v, rule, T::FLOOR.f64(), T::TINY.f64());
        *f = round(&v);
        Ok(())
    }

    fn divergence(&mut self, loss: &Loss, x: &Dense, w: &Array2<T>, h: &Array2<T>) -> Result<f64> {
        check_model(x, Side::Rows, w.dim(), h.dim())?;
        Ok(super::divergence(loss, x, &wide(w).view(), &wide(h).view(), T::FLOOR.f64()))
    }

    fn penalty(&mut self, f: &Array2<T>, p: &Penalty) -> Result<f64> {
        Ok(super::penalty(&wide(f).view(), p))
    }

    fn kkt(&mut self, t: &Self::Terms, f: &Array2<T>, rule: &Rule) -> Result<f64> {
        Error::check_shape("the factor", t.0.dim(), f.dim())?;
        Ok(super::kkt(&wide(&t.0), &wide(&t.1), &wide(f).view(), rule))
    }

    fn quadratic(&mut self, cross: &Array2<T>, gram: &Array2<T>, f: &Array2<T>) -> Result<f64> {
        check_row_problem(cross, gram, f)?;
        Ok(super::quadratic(&wide(cross).view(), &wide(gram).view(), &wide(f).view()))
    }

    fn hals_sweep(&mut self, cross: &Array2<T>, gram: &Array2<T>, f: &mut Array2<T>, sweep: &Sweep) -> Result<()> {
        check_row_problem(cross, gram, f)?;
        super::hals_sweep(&cross.view(), &gram.view(), &mut f.view_mut(), sweep);
        Ok(())
    }

    fn newton_sweep(
        &mut self,
        x: &Dense,
        side: Side,
        f: &mut Array2<T>,
        other: &Array2<T>,
        sweep: &Sweep,
        measure: bool,
    ) -> Result<Option<f64>> {
        check_model(x, side, f.dim(), other.dim())?;
        let (mut v, o) = (wide(f), wide(other));
        let (w, h) = if side == Side::Rows { (&v, &o) } else { (&o, &v) };
        let before = measure.then(|| super::divergence(&Loss::KL, x, &w.view(), &h.view(), T::FLOOR.f64()));
        super::newton_sweep(x, side, &mut v, &o.view(), sweep, T::FLOOR.f64());
        *f = round(&v);
        Ok(before)
    }

    fn unfold(&mut self, f: &Array2<T>, out: &mut Array2<T>) -> Result<()> {
        let shifts = crate::shifts::count(out.dim(), f.dim())?;
        *out = crate::shifts::unfold(&f.view(), shifts);
        Ok(())
    }

    fn fold(&mut self, t: &Self::Terms, out: &mut Self::Terms) -> Result<()> {
        let shifts = crate::shifts::count(t.0.dim(), out.0.dim())?;
        let folded = |t: &Array2<T>| round(&crate::shifts::fold(&wide(t).view(), shifts));
        *out = (folded(&t.0), folded(&t.1));
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
        f: &Array2<T>,
        previous: &mut Array2<T>,
        how: Extrapolation,
        weight: Weight<'_, Momentum>,
    ) -> Result<()> {
        Error::check_shape("the previous factor", f.dim(), previous.dim())?;
        let weight = weight.value();
        previous.zip_mut_with(f, |p, f| *p = T::of(super::extrapolate_entry(f.f64(), p.f64(), how, weight)));
        Ok(())
    }

    fn ticket(&mut self, s: &[f64]) -> Result<Ticket> {
        self.issued += 1;
        self.tickets.insert(self.issued, s.to_vec());
        Ok(Ticket(self.issued))
    }

    fn poll(&mut self, t: &Ticket) -> Result<Option<Vec<f64>>> {
        self.wait(t).map(Some)
    }

    fn wait(&mut self, t: &Ticket) -> Result<Vec<f64>> {
        let unknown = || Error::Device(format!("ticket {} was never issued or is already redeemed", t.0));
        self.tickets.remove(&t.0).ok_or_else(unknown)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A (p×k), G (k×k) and f (p×k) of the problems that are solved row by row.
fn check_row_problem<T>(cross: &Array2<T>, gram: &Array2<T>, f: &Array2<T>) -> Result<()> {
    Error::check_shape("the Gram matrix", (f.ncols(), f.ncols()), gram.dim())?;
    Error::check_shape("the cross product", f.dim(), cross.dim())
}
