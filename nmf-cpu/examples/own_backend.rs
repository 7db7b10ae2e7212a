//! A backend of your own: plain loops, checked against the oracle.
//!
//! Right first, fast later: what the trait provides (fused updates, HALS, exact least squares, …) is left as it is.
//! Replace a method, run this again, and the suite tells whether it is still right:
//! `cargo run --example own_backend`.

use ndarray::{Array2, ArrayView2};
use nmf_core::reference::{apply_entry, extrapolate_entry};
use nmf_core::{
    Accumulate, Backend, Element, Error, Extrapolation, Info, Loss, MatrixRef, Momentum, Observed, Op, Penalty, Result,
    Rule, Side, Support, Ticket, Weight, conformance,
};
use std::collections::HashMap;

type Factor = Array2<f64>;
type Terms = (Factor, Factor);

/// X as a list of its observed entries, zeros among them.
struct Data {
    dim: (usize, usize),
    entries: Vec<(usize, usize, f64)>,
}

impl Data {
    /// The entries of X̃: X for the rows, Xᵀ for the columns.
    fn on(&self, side: Side) -> impl Iterator<Item = (usize, usize, f64)> {
        self.entries.iter().map(move |&(i, j, x)| if side == Side::Rows { (i, j, x) } else { (j, i, x) })
    }

    /// Checks f (p×k) and other (q×k) against X̃ (p×q).
    fn check(&self, side: Side, f: (usize, usize), other: (usize, usize)) -> Result<()> {
        let (p, q) = if side == Side::Rows { self.dim } else { (self.dim.1, self.dim.0) };
        Error::check_shape("the factor", (p, other.1), f)?;
        Error::check_shape("the other factor", (q, f.1), other)
    }
}

/// v_ij = Σ_q f_iq·o_jq, floored as `Backend::terms` says.
fn model(loss: &Loss, f: &Factor, o: &Factor, i: usize, j: usize) -> f64 {
    let v = (0..f.ncols()).map(|q| f[[i, q]] * o[[j, q]]).sum::<f64>();
    if loss.is_fro() { v } else { v.max(f64::FLOOR) }
}

#[derive(Default)]
struct Plain {
    tickets: HashMap<u64, Vec<f64>>,
    issued: u64,
}

impl Backend for Plain {
    type Elem = f64;
    type Data = Data;
    type Factor = Factor;
    type Gram = Factor;
    type Terms = Terms;
    type Scalar = f64;
    type Momentum = Momentum;

    fn info(&self) -> Info {
        Info {
            name: "plain".into(),
            adapter: "loops on the host".into(),
            threads: 1,
            asynchronous: false,
            numerics: String::new(),
        }
    }

    fn supports(&self, op: &Op) -> Support {
        match op {
            Op::NewtonSweep | Op::Weights | Op::Shifts => Support::No, // not provided
            _ => Support::Native, // everything is on the host, where the provided methods are, too
        }
    }

    fn upload(&mut self, x: MatrixRef<'_, f64>, scale: f64, observed: Observed) -> Result<Data> {
        let mut entries = Vec::new();
        match observed {
            Observed::Stored => x.for_each(|i, j, v| entries.push((i, j, scale * v))),
            _ => entries.extend(x.to_dense_f64().indexed_iter().map(|((i, j), v)| (i, j, scale * v))),
        }
        Ok(Data { dim: x.dim(), entries })
    }

    fn factor(&mut self, values: ArrayView2<'_, f64>) -> Result<Factor> {
        Ok(values.to_owned())
    }

    fn dim(&self, f: &Factor) -> (usize, usize) {
        f.dim()
    }

    fn read(&mut self, f: &Factor) -> Result<Array2<f64>> {
        Ok(f.clone())
    }

    fn write(&mut self, f: &mut Factor, values: ArrayView2<'_, f64>) -> Result<()> {
        Error::check_shape("the written values", f.dim(), values.dim())?;
        f.assign(&values);
        Ok(())
    }

    fn copy(&mut self, from: &Factor, to: &mut Factor) -> Result<()> {
        self.write(to, from.view())
    }

    fn new_gram(&mut self, k: usize) -> Result<Factor> {
        Ok(Array2::zeros((k, k)))
    }

    fn read_gram(&mut self, g: &Factor) -> Result<Array2<f64>> {
        Ok(g.clone())
    }

    fn new_terms(&mut self, rows: usize, k: usize) -> Result<Terms> {
        Ok((Array2::zeros((rows, k)), Array2::zeros((rows, k))))
    }

    fn read_terms(&mut self, t: &Terms) -> Result<(Array2<f64>, Array2<f64>)> {
        Ok(t.clone())
    }

    fn gram(&mut self, f: &Factor, out: &mut Factor) -> Result<()> {
        Error::check_shape("the Gram matrix", (f.ncols(), f.ncols()), out.dim())?;
        out.indexed_iter_mut().for_each(|((q, r), g)| *g = (0..f.nrows()).map(|i| f[[i, q]] * f[[i, r]]).sum());
        Ok(())
    }

    fn cross(&mut self, x: &Data, side: Side, other: &Factor, out: &mut Factor) -> Result<()> {
        x.check(side, out.dim(), other.dim())?;
        out.fill(0.0);
        for (i, j, x) in x.on(side) {
            (0..out.ncols()).for_each(|q| out[[i, q]] += x * other[[j, q]]);
        }
        Ok(())
    }

    fn terms(
        &mut self,
        loss: &Loss,
        x: &Data,
        side: Side,
        f: &Factor,
        other: &Factor,
        alpha: f64,
        how: Accumulate,
        (num, den): &mut Terms,
    ) -> Result<()> {
        x.check(side, f.dim(), other.dim())?;
        Error::check_shape("the terms", f.dim(), num.dim())?;
        if how == Accumulate::Set {
            num.fill(0.0);
            den.fill(0.0);
        }
        for (i, j, x) in x.on(side) {
            let v = model(loss, f, other, i, j);
            for q in 0..f.ncols() {
                num[[i, q]] += alpha * loss.negative(x, v) * other[[j, q]];
                den[[i, q]] += alpha * loss.positive(x, v) * other[[j, q]];
            }
        }
        Ok(())
    }

    fn apply(&mut self, (num, den): &Terms, f: &mut Factor, rule: &Rule) -> Result<()> {
        Error::check_shape("the factor", num.dim(), f.dim())?;
        for (at, w) in f.indexed_iter_mut().filter(|((_, q), _)| *q >= rule.fixed) {
            *w = apply_entry(*w, num[at], den[at], rule, f64::FLOOR, f64::TINY);
        }
        Ok(())
    }

    fn divergence(&mut self, loss: &Loss, x: &Data, w: &Factor, h: &Factor) -> Result<f64> {
        x.check(Side::Rows, w.dim(), h.dim())?;
        Ok(x.on(Side::Rows).map(|(i, j, x)| loss.value(x, model(loss, w, h, i, j))).sum())
    }

    fn penalty(&mut self, f: &Factor, p: &Penalty) -> Result<f64> {
        Ok(f.iter().map(|v| p.l1 * v.abs() + 0.5 * p.l2 * v * v).sum())
    }

    fn kkt(&mut self, (num, den): &Terms, f: &Factor, rule: &Rule) -> Result<f64> {
        Error::check_shape("the factor", num.dim(), f.dim())?;
        let free = f.indexed_iter().filter(|((_, q), _)| *q >= rule.fixed);
        let Penalty { l1, l2 } = rule.penalty;
        Ok(free.map(|(at, w)| w.min(den[at] - num[at] + l1 + l2 * w).powi(2)).sum())
    }

    fn quadratic(&mut self, cross: &Factor, gram: &Factor, f: &Factor) -> Result<f64> {
        Error::check_shape("the cross product", f.dim(), cross.dim())?;
        let mut own = Array2::zeros(gram.dim());
        self.gram(f, &mut own)?;
        Ok(0.5 * (own * gram).sum() - (cross * f).sum())
    }

    // nothing runs behind the caller's back: a ticket is the values themselves

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
        f: &Factor,
        previous: &mut Factor,
        how: Extrapolation,
        weight: Weight<'_, Momentum>,
    ) -> Result<()> {
        Error::check_shape("the previous factor", f.dim(), previous.dim())?;
        let weight = weight.value();
        previous.zip_mut_with(f, |p, f| *p = extrapolate_entry(*f, *p, how, weight));
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
        self.tickets.remove(&t.0).ok_or_else(|| Error::Device("a ticket can be redeemed once".into()))
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

fn main() {
    // in a test file this is one line: nmf_core::conformance_tests!(plain, || Plain::default());
    let report = conformance::run_all(Plain::default);
    print!("{report}");
    std::process::exit(i32::from(!report.passed()));
}
