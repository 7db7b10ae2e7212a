use super::sweeps::RowProblem;
use crate::conformance::bounds;
use crate::conformance::failure::{Failure, Outcome};
use crate::conformance::probe::{Checked, Probe};
use crate::conformance::sample::{factor, wide};
use crate::{Backend, Element, Loss, Op, Penalty, RowMethod, Rule, reference};
use ndarray::{Array1, Array2, s};

/// `least_squares` by each method, with penalties and fixed columns: the KKT conditions where the answer is exact, also
/// for overlapping, equal and zero components; the unconstrained minimizer, cut; a descent that ends at the exact answer.
pub fn least_squares<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::least_squares", make());
    if !p.can(Op::LeastSquares) {
        return Ok(());
    }
    let rule = |l1, l2, fixed| Rule { fixed, penalty: Penalty { l1, l2 }, ..Rule::for_loss(&Loss::FRO) };
    let free = rule(0.0, 0.0, 0);
    for (rows, k) in [(1, 1), (9, 3), (16, 17), (65, 33), (130, 3)] {
        let mut s = RowProblem::<B::Elem>::separated(rows, k);
        for rule in [free, rule(0.3, 0.0, 0), rule(0.1, 0.6, 0), rule(0.0, 0.0, k.div_ceil(2)), rule(0.1, 0.6, k / 3)] {
            exact(&mut p, &s, &rule, "components apart")?;
            clipped(&mut p, &s, &rule)?;
            descent(&mut p, &s, &rule)?;
        }
        s.of_gram = factor(7, (2 * k + 9, k), 0.3);
        exact(&mut p, &s, &free, "overlapping components")?;
        exact(&mut p, &s, &rule(0.0, 0.0, k / 2), "overlapping components")?;
    }
    let mut s = RowProblem::<B::Elem>::separated(9, 3);
    for i in 0..s.of_gram.nrows() {
        s.of_gram[[i, 2]] = s.of_gram[[i, 0]];
    }
    for i in 0..9 {
        s.a[[i, 2]] = s.a[[i, 0]];
    }
    exact(&mut p, &s, &free, "component 2 equals component 0")?;
    s.of_gram.column_mut(1).fill(B::Elem::of(0.0));
    s.a.column_mut(1).fill(B::Elem::of(0.0));
    exact(&mut p, &s, &free, "component 1 is zero")?;
    exact(&mut p, &s, &rule(0.0, 0.0, 2), "component 1 is zero and fixed, component 2 equals the fixed component 0")
}

/// What `method` makes of a problem: the result and G. Fixed columns have stayed, and nothing is negative.
fn solve<B: Backend>(
    p: &mut Probe<B>,
    problem: &RowProblem<B::Elem>,
    method: RowMethod,
    rule: &Rule,
    what: &str,
) -> Checked<(Array2<f64>, Array2<f64>)> {
    let Rule { fixed, penalty: Penalty { l1, l2 }, .. } = *rule;
    p.case(problem.describe(format!("{method:?}, l1 = {l1}, l2 = {l2}, {fixed} fixed columns, {what}")));
    let (a, c, mut f) = (p.factor(&problem.a)?, p.factor(&problem.of_gram)?, p.factor(&problem.f)?);
    let gram = p.gram(&c)?;
    let g = p.read_gram(&gram)?;
    let r = p.b.least_squares(method, &a, &gram, &mut f, rule);
    p.ok("least_squares", r)?;
    let w = p.read(&f)?;
    let kept = w.slice(s![.., ..fixed]) == wide(&problem.f).slice(s![.., ..fixed]);
    p.must("least_squares", kept, "a fixed column was changed")?;
    p.must("least_squares", w.iter().all(|v| *v >= 0.0 && v.is_finite()), "an entry is negative or not finite")?;
    Ok((w, g))
}

/// Σ|terms| of a row's right-hand side once fixed columns have moved there.
fn right_side(a: &Array2<f64>, g: &Array2<f64>, w: &Array2<f64>, i: usize, fixed: usize) -> Vec<f64> {
    let moved = |q: usize| (0..fixed).map(|r| g[[q, r]].abs() * w[[i, r]]).sum::<f64>();
    (0..g.nrows()).map(|q| a[[i, q]].abs() + moved(q)).collect()
}

/// The KKT conditions of every row but for `slack`, which is added to what rounding allows.
fn optimal<B: Backend>(
    p: &Probe<B>,
    (w, g, a): (&Array2<f64>, &Array2<f64>, &Array2<f64>),
    rule: &Rule,
    slack: impl Fn(usize) -> f64,
) -> Outcome {
    let Penalty { l1, l2 } = rule.penalty;
    let gradient = w.dot(g) + w * l2 - a + l1;
    for i in 0..w.nrows() {
        let size = right_side(a, g, w, i, rule.fixed);
        let rounding = bounds::nnls_slack(g, &size, &w.row(i).to_vec(), &rule.penalty, p.eps());
        for q in rule.fixed..w.ncols() {
            // min(w·G_qq, ∇) in the units of the gradient: zero exactly when the conditions hold
            let violation = (w[[i, q]] * (g[[q, q]] + l2)).min(gradient[[i, q]]);
            let tolerance = rounding[q] + slack(i);
            if violation.abs() <= tolerance {
                continue;
            }
            let note = format!(
                "the row is not optimal: value {:e}, gradient {:e}; the smaller of value·G_qq and gradient must vanish",
                w[[i, q]],
                gradient[[i, q]]
            );
            let failure = p.fail("least_squares", note);
            return Err(Box::new(Failure {
                index: Some((i, q)),
                found: violation,
                expected: 0.0,
                tolerance,
                ..*failure
            }));
        }
    }
    Ok(())
}

fn exact<B: Backend>(p: &mut Probe<B>, problem: &RowProblem<B::Elem>, rule: &Rule, what: &str) -> Outcome {
    let (w, g) = solve(p, problem, RowMethod::BlockPivoting, rule, what)?;
    optimal(p, (&w, &g, &wide(&problem.a)), rule, |_| 0.0)
}

/// The solution z of the free block's normal equations, cut at zero. A backward error of [`bounds::nnls_slack`] moves z by
/// at most |(G + l2·I)⁻¹| times that.
fn clipped<B: Backend>(p: &mut Probe<B>, problem: &RowProblem<B::Elem>, rule: &Rule) -> Outcome {
    let (w, g) = solve(p, problem, RowMethod::Clipped, rule, "components apart")?;
    let (a, fixed, k) = (wide(&problem.a), rule.fixed, w.ncols());
    let mut block = g.slice(s![fixed.., fixed..]).to_owned();
    block.diag_mut().mapv_inplace(|v| v + rule.penalty.l2);
    let inverse = inverse(&block);
    let mut bound = bounds::Bound { value: w.clone(), tolerance: Array2::zeros(w.dim()) };
    for i in 0..w.nrows() {
        let known = w.slice(s![i, ..fixed]);
        let rhs = &a.slice(s![i, fixed..]) - &g.slice(s![fixed.., ..fixed]).dot(&known) - rule.penalty.l1;
        let z = inverse.dot(&rhs);
        let mut all = w.row(i).to_vec();
        all[fixed..].iter_mut().zip(&z).for_each(|(all, z)| *all = z.abs());
        let size = right_side(&a, &g, &w, i, fixed);
        let slack = Array1::from(bounds::nnls_slack(&g, &size, &all, &rule.penalty, p.eps()));
        let off = inverse.mapv(f64::abs).dot(&slack.slice(s![fixed..]));
        for q in fixed..k {
            bound.value[[i, q]] = z[q - fixed].max(0.0);
            bound.tolerance[[i, q]] = off[q - fixed] + bounds::SAFETY * p.eps() * z[q - fixed].abs();
        }
    }
    p.close_or("least_squares", &w, &bound, "not the unconstrained minimizer, cut at zero")
}

/// By Gauss and Jordan, without pivoting: the matrix is positive definite.
fn inverse(m: &Array2<f64>) -> Array2<f64> {
    let k = m.nrows();
    let (mut m, mut inverse) = (m.clone(), Array2::eye(k));
    for q in 0..k {
        let pivot = m[[q, q]];
        m.row_mut(q).mapv_inplace(|v| v / pivot);
        inverse.row_mut(q).mapv_inplace(|v| v / pivot);
        for r in (0..k).filter(|r| *r != q) {
            let times = m[[r, q]];
            let (row, other) = (m.row(q).to_owned(), inverse.row(q).to_owned());
            m.row_mut(r).scaled_add(-times, &row);
            inverse.row_mut(r).scaled_add(-times, &other);
        }
    }
    inverse
}

/// Projected gradient never raises a row's objective, and its projected gradient falls to the share it was asked for.
fn descent<B: Backend>(p: &mut Probe<B>, problem: &RowProblem<B::Elem>, rule: &Rule) -> Outcome {
    let (a, start) = (wide(&problem.a), wide(&problem.f));
    let objective = |g: &Array2<f64>, f: &Array2<f64>, i: usize, eps: f64| {
        let row = |m: &Array2<f64>| m.slice(s![i..=i, ..]).to_owned();
        let (value, tolerance) = bounds::quadratic(&row(&a), g, &row(f), eps);
        (value + reference::penalty(&row(f).view(), &rule.penalty), tolerance)
    };
    for max_steps in [1, 7] {
        let method = RowMethod::ProjectedGradient { max_steps, stop: 0.0 };
        let (w, g) = solve(p, problem, method, rule, "components apart")?;
        for i in 0..w.nrows() {
            let (before, now) = (objective(&g, &start, i, p.eps()), objective(&g, &w, i, p.eps()));
            if now.0 > before.0 + before.1 + now.1 {
                let failure = p.fail("least_squares", format!("the objective of row {i} rises"));
                let tolerance = before.1 + now.1;
                return Err(Box::new(Failure { found: now.0, expected: before.0, tolerance, ..*failure }));
            }
        }
    }
    let stop = 1e-3;
    let method = RowMethod::ProjectedGradient { max_steps: 10_000, stop };
    let (w, g) = solve(p, problem, method, rule, "components apart")?;
    let gradient = start.dot(&g) + &start * rule.penalty.l2 - &a + rule.penalty.l1;
    let projected = |i: usize| {
        let part = |q: usize| {
            let (w, g) = (start[[i, q]], gradient[[i, q]]);
            if w > 0.0 { g * g } else { g.min(0.0).powi(2) }
        };
        (rule.fixed..w.ncols()).map(part).sum::<f64>().sqrt()
    };
    optimal(p, (&w, &g, &a), rule, |i| stop * projected(i))
}
