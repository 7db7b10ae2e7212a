use super::sweeps::RowProblem;
use crate::conformance::bounds::{self, SAFETY};
use crate::conformance::failure::{Failure, Outcome};
use crate::conformance::probe::Probe;
use crate::conformance::sample::wide;
use crate::{Backend, Element, Loss, Op, Penalty, Rule, sparseness};
use ndarray::{Array2, ArrayView1};

/// `impose_sparseness`: every free column is ≥ 0 and has Hoyer's measure, fixed ones stay, no vector of that measure is
/// nearer to where the gradient step led, and steps descend from a start that has the measure.
pub fn impose_sparseness<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::impose_sparseness", make());
    if !p.can(Op::Sparseness) {
        return Ok(());
    }
    let rule = Rule::for_loss(&Loss::FRO);
    let penalized = Rule { penalty: Penalty { l1: 0.2, l2: 0.5 }, ..rule };
    for (rows, k) in [(2, 1), (9, 3), (65, 17), (130, 3usize)] {
        for (s, rule) in [
            (0.0, rule),
            (0.3, rule),
            (0.7, penalized),
            (0.7, Rule { fixed: k.div_ceil(2), ..rule }),
            (0.95, Rule { fixed: k / 3, ..penalized }),
            (1.0, rule),
        ] {
            let problem = RowProblem::<B::Elem>::separated(rows, k);
            let start = one(&mut p, &problem, &problem.f, s, 0, &rule)?;
            for steps in [1, 5] {
                one(&mut p, &problem, &start, s, steps, &rule)?;
            }
        }
    }
    Ok(())
}

fn one<B: Backend>(
    p: &mut Probe<B>,
    problem: &RowProblem<B::Elem>,
    from: &Array2<B::Elem>,
    s: f64,
    steps: usize,
    rule: &Rule,
) -> crate::conformance::probe::Checked<Array2<B::Elem>> {
    const NAME: &str = "impose_sparseness";
    let Rule { fixed, penalty: Penalty { l1, l2 }, .. } = *rule;
    p.case(problem.describe(format!("sparseness {s}, {steps} steps, l1 = {l1}, l2 = {l2}, {fixed} fixed columns")));
    let (a, c, mut f) = (p.factor(&problem.a)?, p.factor(&problem.of_gram)?, p.factor(from)?);
    let gram = p.gram(&c)?;
    let g = p.read_gram(&gram)?;
    let r = p.b.impose_sparseness(&a, &gram, &mut f, s, steps, rule);
    p.ok(NAME, r)?;
    let (start, a, found) = (wide(from), wide(&problem.a), p.read(&f)?);
    let (n, k) = found.dim();
    let eps = p.eps();
    for q in 0..k {
        let column = found.column(q);
        if q < fixed {
            p.must(NAME, column == start.column(q), "a fixed column was changed")?;
            continue;
        }
        p.must(NAME, column.iter().all(|v| *v >= 0.0 && v.is_finite()), "an entry is negative or not finite")?;
        // entries are off by n + 8 roundings of their own, ‖v‖₁/‖v‖₂ by twice that
        let (ratio, root) = (ratio(column), (n as f64).sqrt());
        let tolerance = SAFETY * 2.0 * (n + 8) as f64 * eps * ratio / (root - 1.0);
        let note = format!("Hoyer's measure of column {q}");
        p.close_scalar_or(NAME, (root - ratio) / (root - 1.0), (s, tolerance), &note)?;
    }
    if steps <= 1 {
        nearest(p, &a, &g, &start, &found, s, steps, rule)?;
    }
    if steps > 0 {
        let objective = |f: &Array2<f64>| {
            let (value, tolerance) = bounds::quadratic(&a, &g, f, eps);
            let (penalty, more) = bounds::penalty(f, &rule.penalty, eps);
            (value + penalty, tolerance + more)
        };
        let (before, now) = (objective(&start), objective(&found));
        // a component that dies comes back with entries of FLOOR
        let revived = B::Elem::FLOOR.f64() * (a.mapv(f64::abs).sum() + l1 * (n * k) as f64);
        if now.0 > before.0 + before.1 + now.1 + revived {
            let failure = p.fail(NAME, "the objective rises although the start has the sparseness");
            return Err(Box::new(Failure { found: now.0, expected: before.0, tolerance: before.1, ..*failure }));
        }
    }
    let r = p.b.read(&f);
    p.ok("read", r)
}

fn ratio(v: ArrayView1<'_, f64>) -> f64 {
    v.sum() / v.dot(&v).sqrt()
}

/// No vector of that measure is nearer to f − ∇/L (or to f, without a step) than the result. What decides is the
/// distance, not the entries: several vectors may be equally near.
fn nearest<B: Backend>(
    p: &Probe<B>,
    a: &Array2<f64>,
    g: &Array2<f64>,
    start: &Array2<f64>,
    found: &Array2<f64>,
    s: f64,
    steps: usize,
    rule: &Rule,
) -> Outcome {
    let (n, k) = start.dim();
    let Penalty { l1, l2 } = rule.penalty;
    let curvature = g.rows().into_iter().map(|r| r.mapv(f64::abs).sum()).fold(0.0, f64::max) + l2;
    let (mut y, mut size) = (start.clone(), start.clone());
    if steps > 0 {
        y.scaled_add(-1.0 / curvature, &(start.dot(g) - a + l1 + start * l2));
        size.scaled_add(1.0 / curvature, &(start.dot(&g.mapv(f64::abs)) + a.mapv(f64::abs) + l1 + start * l2));
    }
    for q in rule.fixed..k {
        let mut best = y.column(q).to_vec();
        sparseness::project(&mut best, s);
        let distance = |v: ArrayView1<'_, f64>| (&v - &y.column(q)).mapv(|d| d * d).sum();
        let tolerance = SAFETY * (n + k + 12) as f64 * p.eps() * size.column(q).dot(&size.column(q));
        let (now, least) = (distance(found.column(q)), distance(ArrayView1::from(&best)));
        if now > least + tolerance {
            let note = format!("a vector of that sparseness is nearer to where column {q} was led");
            let failure = p.fail("impose_sparseness", note);
            return Err(Box::new(Failure { found: now, expected: least, tolerance, ..*failure }));
        }
    }
    Ok(())
}
