use crate::conformance::bounds;
use crate::conformance::failure::{Failure, Outcome};
use crate::conformance::probe::{Probe, describe_rule, rules};
use crate::conformance::sample::{Layout, Sample, factor, uniform, wide};
use crate::{Backend, Element, Loss, Observed, Op, Penalty, RowMethod, Rule, Side, Sweep, reference};
use ndarray::Array2;

/// A zero entry of a factor stays exactly zero under multiplicative updates, and a positive one whose row of X has
/// entries stays positive.
pub fn zeros_stay<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::zeros_stay", make());
    for loss in p.losses() {
        let x = Sample::random(31, (17, 20), 0.0, Layout::RowMajor, Observed::All);
        let (w, h) = (factor(32, (17, 3), 0.3), factor(33, (20, 3), 0.2));
        let (dx, mut dw, mut dh) = (p.upload(&x)?, p.factor(&w)?, p.factor(&h)?);
        let rule = Rule::for_loss(&loss);
        p.case(format!("{}, {loss}, 5 rounds", x.describe(3)));
        for _ in 0..5 {
            p.step(&loss, &dx, Side::Rows, &mut dw, &dh, &rule, false)?;
            p.step(&loss, &dx, Side::Cols, &mut dh, &dw, &rule, false)?;
        }
        for (start, end) in [(wide(&w), p.read(&dw)?), (wide(&h), p.read(&dh)?)] {
            for (at, &v) in end.indexed_iter() {
                if (v > 0.0) != (start[at] > 0.0) {
                    let note = if v > 0.0 { "a zero became positive" } else { "a positive entry became zero" };
                    return Err(Box::new(Failure {
                        index: Some(at),
                        found: v,
                        expected: start[at],
                        tolerance: 0.0,
                        ..*p.fail("mu_step", note)
                    }));
                }
            }
        }
    }
    Ok(())
}

/// No operation leaves a negative or non-finite entry.
pub fn non_negative<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::non_negative", make());
    let check =
        |p: &Probe<B>, operation, f: &Array2<f64>| match f.indexed_iter().find(|(_, v)| !(**v >= 0.0 && v.is_finite()))
        {
            None => Ok(()),
            Some((at, &v)) => {
                let note = "an entry is negative or not finite";
                Err(Box::new(Failure {
                    index: Some(at),
                    found: v,
                    expected: 0.0,
                    tolerance: 0.0,
                    ..*p.fail(operation, note)
                }))
            }
        };
    for loss in p.losses() {
        for rule in rules(&loss, 3) {
            let x = Sample::random(34, (17, 20), 0.3, Layout::RowMajor, Observed::All);
            let (dx, mut dw, mut dh) =
                (p.upload(&x)?, p.factor(&factor(35, (17, 3), 0.1))?, p.factor(&factor(36, (20, 3), 0.1))?);
            p.case(format!("{}, {loss}, {}, 3 rounds", x.describe(3), describe_rule(&rule)));
            for _ in 0..3 {
                p.step(&loss, &dx, Side::Rows, &mut dw, &dh, &rule, false)?;
                p.step(&loss, &dx, Side::Cols, &mut dh, &dw, &rule, false)?;
            }
            for f in [p.read(&dw)?, p.read(&dh)?] {
                check(&p, "mu_step", &f)?;
            }
        }
    }
    p.case("A 33×17 with entries of both signs");
    let (a, c, mut f) = (
        p.factor(&uniform(37, (33, 17), -1.0, 1.0))?,
        p.factor(&factor(38, (40, 17), 0.2))?,
        p.factor(&factor(39, (33, 17), 0.2))?,
    );
    let g = p.gram(&c)?;
    if p.can(Op::HalsSweep) {
        let sweep = Sweep { max_sweeps: 3, stop: 0.0, rule: Rule::for_loss(&Loss::FRO), shuffle: None };
        let r = p.b.hals_sweep(&a, &g, &mut f, &sweep);
        p.ok("hals_sweep", r)?;
        let found = p.read(&f)?;
        check(&p, "hals_sweep", &found)?;
    }
    if p.can(Op::LeastSquares) {
        let r = p.b.least_squares(RowMethod::BlockPivoting, &a, &g, &mut f, &Rule::for_loss(&Loss::FRO));
        p.ok("least_squares", r)?;
        let found = p.read(&f)?;
        check(&p, "least_squares", &found)?;
    }
    Ok(())
}

/// The objective never rises over 20 updates of each factor with γ(β), with l1, and with l2 where that form descends
/// (β ≥ 2 in the denominator, β = 1 by the quadratic root). Evaluated by the oracle from the factors as read, so only
/// the rounding of the factors remains: relative to the size of the terms, as for `divergence`.
pub fn descent<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::descent", make());
    for loss in p.losses() {
        let plain = Rule::for_loss(&loss);
        let mut all = vec![plain, Rule { penalty: Penalty { l1: 0.2, l2: 0.0 }, ..plain }];
        if loss.is_kl() || loss.beta().is_some_and(|b| b >= 2.0) {
            all.push(Rule { penalty: Penalty { l1: 0.05, l2: 0.5 }, ..plain });
        }
        for rule in all {
            let zeros = if loss.allows_zero() { 0.2 } else { 0.0 };
            let x = Sample::random(41, (17, 20), zeros, Layout::RowMajor, Observed::All);
            p.case(format!("{}, {loss}, {}", x.describe(3), describe_rule(&rule)));
            let (dense, dx) = (x.dense(), p.upload(&x)?);
            let (mut dw, mut dh) = (p.factor(&factor(42, (17, 3), 0.0))?, p.factor(&factor(43, (20, 3), 0.0))?);
            let (mut w, mut h) = (p.read(&dw)?, p.read(&dh)?);
            let objective = |w: &Array2<f64>, h: &Array2<f64>| {
                let (d, tolerance) = bounds::divergence::<B::Elem>(&loss, &dense, false, &w.view(), &h.view());
                let penalties =
                    reference::penalty(&w.view(), &rule.penalty) + reference::penalty(&h.view(), &rule.penalty);
                (d + penalties, tolerance + bounds::SAFETY * B::Elem::EPS * penalties)
            };
            let mut before = objective(&w, &h);
            for step in 0..40 {
                if step % 2 == 0 {
                    p.step(&loss, &dx, Side::Rows, &mut dw, &dh, &rule, false)?;
                    w = p.read(&dw)?;
                } else {
                    p.step(&loss, &dx, Side::Cols, &mut dh, &dw, &rule, false)?;
                    h = p.read(&dh)?;
                }
                let now = objective(&w, &h);
                if now.0.is_nan() || now.0 > before.0 + before.1 {
                    let note = format!("the objective rises at update {step}");
                    return Err(Box::new(Failure {
                        found: now.0,
                        expected: before.0,
                        tolerance: before.1,
                        ..*p.fail("mu_step", note)
                    }));
                }
                before = now;
            }
        }
    }
    Ok(())
}
