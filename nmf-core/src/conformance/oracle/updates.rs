use super::{Case, FEW, SIDES, cases, refusable, shapes};
use crate::conformance::bounds::{self, Bound};
use crate::conformance::failure::Outcome;
use crate::conformance::probe::{Probe, describe_rule, rules};
use crate::conformance::sample::{Layout, Sample, factor, wide};
use crate::{Accumulate, Backend, Element, Loss, Observed, Op};

pub(super) fn expected_terms<T: Element>(loss: &Loss, case: &Case<T>, side: crate::Side) -> (Bound, Bound) {
    let (f, other) = case.on(side);
    bounds::terms::<T>(loss, &case.x.dense(), side, &wide(f).view(), &wide(other).view())
}

/// `terms`: N and D for every loss and side; set with α ≠ 1, then the terms of a second matrix of another width and
/// layout added, as coupled factorizations do.
pub fn terms<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::terms", make());
    for loss in p.losses() {
        for case in cases(&p, shapes(&loss), false) {
            let x = p.upload(&case.x)?;
            for side in SIDES {
                p.case(case.describe(format!("{loss}, {side:?}, set")));
                let (f, other) = case.on(side);
                let (df, dother) = (p.factor(f)?, p.factor(other)?);
                let mut acc = p.new_terms(f.dim())?;
                let r = p.b.terms(&loss, &x, side, &df, &dother, 0.75, Accumulate::Set, &mut acc);
                if refusable(&case.x, &loss, &r) {
                    continue;
                }
                p.ok("terms", r)?;
                let (num, den) = expected_terms(&loss, &case, side);
                let first = (num.accumulate(0.75, None, p.eps()), den.accumulate(0.75, None, p.eps()));
                let (n, d) = p.read_terms(&acc)?;
                p.close_or("terms", &n, &first.0, "the numerator is wrong")?;
                p.close_or("terms", &d, &first.1, "the denominator is wrong")?;

                let second = beside(&case, side);
                if case.k > 3 || !p.takes(&second.x) {
                    continue;
                }
                p.case(second.describe(format!("{loss}, {side:?}, added to the terms of {}", case.x.describe(case.k))));
                let (x2, dother) = (p.upload(&second.x)?, p.factor(second.on(side).1)?);
                let r = p.b.terms(&loss, &x2, side, &df, &dother, 2.5, Accumulate::Add, &mut acc);
                p.ok("terms", r)?;
                let (num, den) = expected_terms(&loss, &second, side);
                let (n, d) = p.read_terms(&acc)?;
                let note = "after adding the terms of a second matrix, the numerator is wrong";
                p.close_or("terms", &n, &num.accumulate(2.5, Some(&first.0), p.eps()), note)?;
                let note = "after adding the terms of a second matrix, the denominator is wrong";
                p.close_or("terms", &d, &den.accumulate(2.5, Some(&first.1), p.eps()), note)?;
            }
        }
    }
    Ok(())
}

/// Another X that shares the factor of this side; sparse with stored entries only where the first one was dense, so
/// that a denominator kept as one row has to become a matrix.
fn beside<T: Element>(case: &Case<T>, side: crate::Side) -> Case<T> {
    let (rows, other) = (case.x.on(side).0, 11);
    let dim = if side == crate::Side::Rows { (rows, other) } else { (other, rows) };
    let (layout, observed) =
        if case.x.layout.sparse() { (Layout::RowMajor, Observed::All) } else { (Layout::Csr, Observed::Stored) };
    let x = Sample::random(77, dim, 0.3, layout, observed);
    let (f, o) = (case.on(side).0.clone(), factor(78, (other, case.k), 0.0));
    let (w, h) = if side == crate::Side::Rows { (f, o) } else { (o, f) };
    Case { x, w, h, k: case.k }
}

/// `apply`, from the terms as read back: all rules, tightly, since nothing was summed in between.
pub fn apply<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::apply", make());
    for loss in p.losses() {
        for case in cases(&p, &FEW, false) {
            if case.x.layout != Layout::RowMajor {
                continue;
            }
            let x = p.upload(&case.x)?;
            for side in SIDES {
                let (f, other) = case.on(side);
                let (df, dother) = (p.factor(f)?, p.factor(other)?);
                let mut acc = p.new_terms(f.dim())?;
                let r = p.b.terms(&loss, &x, side, &df, &dother, 1.0, Accumulate::Set, &mut acc);
                p.ok("terms", r)?;
                let (n, d) = p.read_terms(&acc)?;
                let (n, d) = (Bound::read_back(n, p.eps()), Bound::read_back(d, p.eps()));
                for rule in rules(&loss, case.k) {
                    p.case(case.describe(format!("{loss}, {side:?}, {}", describe_rule(&rule))));
                    let mut new = p.factor(f)?;
                    let r = p.b.apply(&acc, &mut new, &rule);
                    p.ok("apply", r)?;
                    let found = p.read(&new)?;
                    p.close("apply", &found, &bounds::apply::<B::Elem>(&n, &d, &wide(f), &rule))?;
                }
            }
        }
    }
    Ok(())
}

/// `mu_step` equals `terms` + `apply` of the oracle for every loss, side, layout and rule, and measures the
/// divergence before the update, not after.
pub fn mu_step<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::mu_step", make());
    let mut turn = 0;
    for loss in p.losses() {
        for positive in [false, true] {
            // a second round without zeros, for what is infinite there
            if positive && loss.allows_zero() {
                continue;
            }
            for case in cases(&p, shapes(&loss), positive) {
                let x = p.upload(&case.x)?;
                for side in SIDES {
                    let all = rules(&loss, case.k);
                    // every rule on small k, one after the other elsewhere
                    let chosen = if case.k == 3 && case.x.dim().0 < 20 {
                        all
                    } else {
                        turn += 1;
                        vec![all[turn % all.len()]]
                    };
                    for rule in chosen {
                        turn += 1;
                        let measure = turn % 2 == 0 && (positive || loss.allows_zero());
                        p.case(case.describe(format!("{loss}, {side:?}, {}", describe_rule(&rule))));
                        one_step(&mut p, &loss, &case, &x, side, &rule, measure)?;
                    }
                }
            }
        }
    }
    Ok(())
}

pub(super) fn one_step<B: Backend>(
    p: &mut Probe<B>,
    loss: &Loss,
    case: &Case<B::Elem>,
    x: &B::Data,
    side: crate::Side,
    rule: &crate::Rule,
    measure: bool,
) -> Outcome {
    let (f, other) = case.on(side);
    let (mut df, dother) = (p.factor(f)?, p.factor(other)?);
    let mut scratch = p.new_terms(f.dim())?;
    let r = p.b.mu_step(loss, x, side, &mut df, &dother, &mut scratch, rule, measure);
    if refusable(&case.x, loss, &r) {
        return Ok(());
    }
    let measured = p.ok("mu_step", r)?;
    let (num, den) = expected_terms(loss, case, side);
    if measure && loss.is_fro() {
        let half_norm = 0.5 * case.x.dense().x.iter().map(|x| x * x).sum::<f64>();
        let mut df = p.factor(f)?;
        let r = p.b.mu_step_by_difference(x, side, &mut df, &dother, &mut scratch, rule, half_norm);
        let measured = p.ok("mu_step_by_difference", r)?;
        let found = p.read(&df)?;
        p.close("mu_step_by_difference", &found, &bounds::apply::<B::Elem>(&num, &den, &wide(f), rule))?;
        let Some((s, _)) = measured else {
            return Err(p.fail("mu_step_by_difference", "measured nothing"));
        };
        let (w, h) = (wide(&case.w), wide(&case.h));
        // the tolerance of sparse X is that of a difference
        let before = bounds::divergence::<B::Elem>(loss, &case.x.dense(), true, &w.view(), &h.view());
        let found = p.value("mu_step_by_difference", Ok(s))?;
        p.close_scalar_or("mu_step_by_difference", found, before, "the divergence is not that before the update")?;
    }
    let found = p.read(&df)?;
    p.close("mu_step", &found, &bounds::apply::<B::Elem>(&num, &den, &wide(f), rule))?;
    p.must("mu_step", measured.is_some() == measure, "measured without being asked, or not although asked")?;
    if let Some(s) = measured {
        let (w, h) = (wide(&case.w), wide(&case.h));
        let sparse = case.x.layout.sparse();
        let before = bounds::divergence::<B::Elem>(loss, &case.x.dense(), sparse, &w.view(), &h.view());
        let found = p.value("mu_step", Ok(s))?;
        p.close_scalar_or("mu_step", found, before, "the measured divergence is not that before the update")?;
    }
    Ok(())
}

/// `mu_steps`: the same as that many `mu_step`s, and the divergence before the first of them.
pub fn mu_steps<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::mu_steps", make());
    for loss in [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(1.5)] {
        if !p.can(Op::Update(loss.clone())) {
            continue;
        }
        for case in cases(&p, &FEW, !loss.allows_zero()) {
            let x = p.upload(&case.x)?;
            for side in SIDES {
                let (f, other) = case.on(side);
                for (rule, repeats) in rules(&loss, case.k).into_iter().zip([3, 2, 1, 2].into_iter().cycle()) {
                    p.case(case.describe(format!("{loss}, {side:?}, {repeats} times, {}", describe_rule(&rule))));
                    let (mut df, dother) = (p.factor(f)?, p.factor(other)?);
                    let mut scratch = p.new_terms(f.dim())?;
                    let r = p.b.mu_steps(&loss, &x, side, &mut df, &dother, &mut scratch, &rule, repeats, true);
                    if refusable(&case.x, &loss, &r) {
                        continue;
                    }
                    let Some(measured) = p.ok("mu_steps", r)? else {
                        return Err(p.fail("mu_steps", "measured nothing although asked"));
                    };
                    let dense = case.x.dense();
                    let now = bounds::mu_steps::<B::Elem>(&loss, &dense, side, &wide(f), &wide(other), &rule, repeats);
                    let found = p.read(&df)?;
                    p.close("mu_steps", &found, &now)?;
                    let (w, h) = (wide(&case.w), wide(&case.h));
                    let sparse = case.x.layout.sparse();
                    let before = bounds::divergence::<B::Elem>(&loss, &dense, sparse, &w.view(), &h.view());
                    let found = p.value("mu_steps", Ok(measured))?;
                    let note = "the measured divergence is not that before the first update";
                    p.close_scalar_or("mu_steps", found, before, note)?;
                }
            }
        }
    }
    Ok(())
}

/// `kkt`: ‖min(f, ∇f)‖² over the free columns, from the terms as read back.
pub fn kkt<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::kkt", make());
    for loss in p.losses() {
        for case in cases(&p, &FEW, !loss.allows_zero()) {
            if case.x.layout != Layout::RowMajor {
                continue;
            }
            let x = p.upload(&case.x)?;
            for side in SIDES {
                let (f, other) = case.on(side);
                let (df, dother) = (p.factor(f)?, p.factor(other)?);
                let mut acc = p.new_terms(f.dim())?;
                let r = p.b.terms(&loss, &x, side, &df, &dother, 1.0, Accumulate::Set, &mut acc);
                p.ok("terms", r)?;
                let (n, d) = p.read_terms(&acc)?;
                let (n, d) = (Bound::read_back(n, p.eps()), Bound::read_back(d, p.eps()));
                for rule in rules(&loss, case.k) {
                    p.case(case.describe(format!("{loss}, {side:?}, {}", describe_rule(&rule))));
                    let r = p.b.kkt(&acc, &df, &rule);
                    let found = p.value("kkt", r)?;
                    p.close_scalar("kkt", found, bounds::kkt(&n, &d, &wide(f), &rule, p.eps()))?;
                }
            }
        }
    }
    Ok(())
}

/// `gradient_step`, from the terms as read back: steps that stay positive and steps that are cut.
pub fn gradient_step<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::gradient_step", make());
    if !p.can(Op::GradientStep) {
        return Ok(());
    }
    for loss in p.losses() {
        for case in cases(&p, &FEW, false) {
            if case.x.layout != Layout::RowMajor {
                continue;
            }
            let x = p.upload(&case.x)?;
            for side in SIDES {
                let (f, other) = case.on(side);
                let (df, dother) = (p.factor(f)?, p.factor(other)?);
                let mut acc = p.new_terms(f.dim())?;
                let r = p.b.terms(&loss, &x, side, &df, &dother, 1.0, Accumulate::Set, &mut acc);
                p.ok("terms", r)?;
                let (n, d) = p.read_terms(&acc)?;
                let (n, d) = (Bound::read_back(n, p.eps()), Bound::read_back(d, p.eps()));
                for (rule, step) in rules(&loss, case.k).into_iter().zip([1e-3, 0.1, 0.02, 1.0].into_iter().cycle()) {
                    p.case(case.describe(format!("{loss}, {side:?}, step {step}, {}", describe_rule(&rule))));
                    let mut new = p.factor(f)?;
                    let r = p.b.gradient_step(&acc, &mut new, &rule, step);
                    p.ok("gradient_step", r)?;
                    let found = p.read(&new)?;
                    p.close("gradient_step", &found, &bounds::gradient_step(&n, &d, &wide(f), &rule, step, p.eps()))?;
                }
            }
        }
    }
    Ok(())
}
