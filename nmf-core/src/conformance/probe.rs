//! A backend under test, with the words for what is being tried.

use super::bounds::Bound;
use super::failure::{Failure, Outcome};
use super::sample::{Sample, wide};
use crate::{Backend, Element, Loss, Observed, Op, Penalty, Ridge, Rule, Side, Support};
use ndarray::Array2;

pub(super) type Checked<R> = Result<R, Box<Failure>>;

/// Wraps a backend so that each call is one line and each failure says what was tried.
pub(super) struct Probe<B> {
    pub(super) b: B,
    check: &'static str,
    case: String,
}

impl<B: Backend> Probe<B> {
    pub(super) fn new(check: &'static str, b: B) -> Self {
        Probe { b, check, case: String::new() }
    }

    /// Names the case that the next calls belong to.
    pub(super) fn case(&mut self, case: impl Into<String>) {
        self.case = case.into();
    }

    pub(super) fn fail(&self, operation: &'static str, note: impl Into<String>) -> Box<Failure> {
        Box::new(Failure {
            check: self.check,
            operation,
            case: self.case.clone(),
            index: None,
            found: f64::NAN,
            expected: f64::NAN,
            tolerance: f64::NAN,
            note: note.into(),
        })
    }

    /// The result of a call that must succeed.
    pub(super) fn ok<R>(&self, operation: &'static str, r: crate::Result<R>) -> Checked<R> {
        r.map_err(|e| self.fail(operation, format!("returned an error: {e}")))
    }

    /// Fails unless `holds`.
    pub(super) fn must(&self, operation: &'static str, holds: bool, note: &str) -> Outcome {
        if holds { Ok(()) } else { Err(self.fail(operation, note)) }
    }

    /// Entry by entry within the tolerance; reports the entry that exceeds it most.
    pub(super) fn close(&self, operation: &'static str, found: &Array2<f64>, bound: &Bound) -> Outcome {
        self.close_or(operation, found, bound, "")
    }

    pub(super) fn close_or(&self, operation: &'static str, found: &Array2<f64>, bound: &Bound, note: &str) -> Outcome {
        let expected = &bound.value;
        if found.dim() != expected.dim() {
            let note = format!("the result has shape {:?}, expected {:?}", found.dim(), expected.dim());
            return Err(self.fail(operation, note));
        }
        let mut worst: Option<(f64, (usize, usize))> = None;
        for (at, &v) in found.indexed_iter() {
            let (off, tolerance) = ((v - expected[at]).abs(), bound.tolerance[at]);
            let within = off <= tolerance || (tolerance == f64::INFINITY && v.is_finite());
            let excess = if off.is_nan() || tolerance == 0.0 { f64::INFINITY } else { off / tolerance };
            if !within && worst.is_none_or(|(w, _)| excess > w) {
                worst = Some((excess, at));
            }
        }
        match worst {
            None => Ok(()),
            Some((_, at)) => Err(Box::new(Failure {
                index: Some(at),
                found: found[at],
                expected: expected[at],
                tolerance: bound.tolerance[at],
                ..*self.fail(operation, note)
            })),
        }
    }

    pub(super) fn close_scalar(&self, operation: &'static str, found: f64, bound: (f64, f64)) -> Outcome {
        self.close_scalar_or(operation, found, bound, "")
    }

    pub(super) fn close_scalar_or(
        &self,
        operation: &'static str,
        found: f64,
        (expected, tolerance): (f64, f64),
        note: &str,
    ) -> Outcome {
        if (found - expected).abs() <= tolerance {
            return Ok(());
        }
        Err(Box::new(Failure { found, expected, tolerance, ..*self.fail(operation, note) }))
    }

    /// The same bits.
    pub(super) fn same(
        &self,
        operation: &'static str,
        found: &Array2<f64>,
        expected: &Array2<f64>,
        note: &str,
    ) -> Outcome {
        let exact = Bound { value: expected.clone(), tolerance: Array2::zeros(expected.dim()) };
        self.close_or(operation, found, &exact, note)
    }

    // ---------------------------------------------------------------------------- backend calls

    pub(super) fn eps(&self) -> f64 {
        B::Elem::EPS
    }

    pub(super) fn upload(&mut self, s: &Sample<B::Elem>) -> Checked<B::Data> {
        match s.weights_view() {
            Some(w) => {
                let r = self.b.upload_weighted(s.view(), w, s.scale);
                self.ok("upload_weighted", r)
            }
            None => {
                let r = self.b.upload(s.view(), s.scale, s.observed);
                self.ok("upload", r)
            }
        }
    }

    pub(super) fn factor(&mut self, values: &Array2<B::Elem>) -> Checked<B::Factor> {
        let r = self.b.factor(values.view());
        self.ok("factor", r)
    }

    /// Room of this shape filled with NaN: an operation that reads its output before it writes it is found out.
    pub(super) fn poisoned(&mut self, dim: (usize, usize)) -> Checked<B::Factor> {
        self.factor(&Array2::from_elem(dim, num_traits::Float::nan()))
    }

    pub(super) fn read(&mut self, f: &B::Factor) -> Checked<Array2<f64>> {
        let r = self.b.read(f);
        self.ok("read", r).map(|a| wide(&a))
    }

    pub(super) fn gram(&mut self, f: &B::Factor) -> Checked<B::Gram> {
        let k = self.b.dim(f).1;
        let r = self.b.new_gram(k);
        let mut g = self.ok("new_gram", r)?;
        let r = self.b.gram(f, &mut g);
        self.ok("gram", r)?;
        Ok(g)
    }

    pub(super) fn read_gram(&mut self, g: &B::Gram) -> Checked<Array2<f64>> {
        let r = self.b.read_gram(g);
        self.ok("read_gram", r).map(|a| wide(&a))
    }

    pub(super) fn new_terms(&mut self, (rows, k): (usize, usize)) -> Checked<B::Terms> {
        let r = self.b.new_terms(rows, k);
        self.ok("new_terms", r)
    }

    pub(super) fn read_terms(&mut self, t: &B::Terms) -> Checked<(Array2<f64>, Array2<f64>)> {
        let r = self.b.read_terms(t);
        self.ok("read_terms", r).map(|(n, d)| (wide(&n), wide(&d)))
    }

    /// Any number as a scalar on the device, exactly: −⟨A, f⟩ with A = −v and f = 1.
    pub(super) fn scalar(&mut self, v: f64) -> Checked<B::Scalar> {
        let one = |v: f64| Array2::from_elem((1, 1), B::Elem::of(v));
        let (a, f, zero) = (self.factor(&one(-v))?, self.factor(&one(1.0))?, self.factor(&one(0.0))?);
        let g = self.gram(&zero)?;
        let r = self.b.quadratic(&a, &g, &f);
        self.ok("quadratic", r)
    }

    pub(super) fn value(&mut self, operation: &'static str, s: crate::Result<B::Scalar>) -> Checked<f64> {
        let s = self.ok(operation, s)?;
        let r = self.b.value(&s);
        self.ok("value", r)
    }

    /// One update in place; the divergence before it, when asked for.
    pub(super) fn step(
        &mut self,
        loss: &Loss,
        x: &B::Data,
        side: Side,
        f: &mut B::Factor,
        other: &B::Factor,
        rule: &Rule,
        measure: bool,
    ) -> Checked<Option<f64>> {
        let dim = self.b.dim(f);
        let mut scratch = self.new_terms(dim)?;
        let r = self.b.mu_step(loss, x, side, f, other, &mut scratch, rule, measure);
        match (self.ok("mu_step", r)?, measure) {
            (Some(s), true) => self.value("mu_step", Ok(s)).map(Some),
            (None, false) => Ok(None),
            (s, _) => Err(self.fail("mu_step", format!("measured: {}, asked for: {measure}", s.is_some()))),
        }
    }

    // ------------------------------------------------------------------------------ support

    pub(super) fn can(&self, op: Op) -> bool {
        self.b.supports(&op) != Support::No
    }

    /// Whether X may be uploaded that way.
    pub(super) fn takes(&self, s: &Sample<B::Elem>) -> bool {
        let counts = match s.observed {
            Observed::All => true,
            Observed::Stored => self.can(Op::StoredOnly),
            Observed::Weighted => self.can(if s.is_mask() { Op::Mask } else { Op::Weights }),
        };
        counts && (!s.layout.sparse() || self.can(Op::Sparse))
    }

    /// The losses the backend claims.
    pub(super) fn losses(&self) -> Vec<Loss> {
        super::sample::losses().into_iter().filter(|l| self.can(Op::Update(l.clone()))).collect()
    }
}

/// The rules worth trying with a loss and k components: plain; l1; l2 in the forms that descend; fixed columns;
/// exponents that are not the loss's own. `Ridge::Quadratic` with a small and a large weight: the textbook form of
/// its root loses all digits when the weight is small.
pub(super) fn rules(loss: &Loss, k: usize) -> Vec<Rule> {
    let plain = Rule { ridge: Ridge::Denominator, ..Rule::for_loss(loss) };
    let penalty = |l1, l2| Penalty { l1, l2 };
    let mut all = vec![
        plain,
        Rule { penalty: penalty(0.3, 0.0), ..plain },
        Rule { penalty: penalty(0.1, 0.7), fixed: k / 2, ..plain },
        Rule { fixed: k, ..plain },
        Rule { exponent: if plain.exponent == 1.0 { 0.5 } else { 1.0 }, ..plain },
    ];
    if loss.is_kl() {
        let ridge = Ridge::Quadratic;
        all.push(Rule { ridge, penalty: penalty(0.2, 0.5), ..plain });
        all.push(Rule { ridge, penalty: penalty(0.0, 1e-4), fixed: k / 3, ..plain });
        all.push(Rule { ridge, penalty: penalty(0.0, 30.0), ..plain });
    }
    all
}

/// In words, for a failure's case.
pub(super) fn describe_rule(r: &Rule) -> String {
    let Penalty { l1, l2 } = r.penalty;
    let ridge = if l2 > 0.0 { format!(" ({:?})", r.ridge) } else { String::new() };
    format!("γ = {}, l1 = {l1}, l2 = {l2}{ridge}, {} fixed columns", r.exponent, r.fixed)
}
