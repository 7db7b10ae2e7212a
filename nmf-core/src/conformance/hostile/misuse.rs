use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{Layout, Sample, factor, losses, weights};
use crate::momentum::{Extrapolation, Weight};
use crate::{Accumulate, Backend, Error, Loss, Observed, Op, RowMethod, Rule, Side, Support, Sweep};

/// Shapes that do not match are refused by an error, not by a panic and not by a number. X is 9×7, k = 3.
pub fn wrong_shapes<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("hostile::wrong_shapes", make());
    let x = p.upload(&Sample::random(91, (9, 7), 0.2, Layout::RowMajor, Observed::All))?;
    let (mut w, h) = (p.factor(&factor(92, (9, 3), 0.0))?, p.factor(&factor(93, (7, 3), 0.0))?);
    // one row too few, one component too many
    let (mut short, mut broad) = (p.factor(&factor(94, (8, 3), 0.0))?, p.factor(&factor(95, (9, 4), 0.0))?);
    let broad_other = p.factor(&factor(96, (7, 4), 0.0))?;
    let (r3, r4) = (p.b.new_gram(3), p.b.new_gram(4));
    let (mut g3, mut g4) = (p.ok("new_gram", r3)?, p.ok("new_gram", r4)?);
    let r = p.b.gram(&h, &mut g3);
    p.ok("gram", r)?;
    let r = p.b.gram(&broad, &mut g4);
    p.ok("gram", r)?;
    let (mut t, mut t_short, mut t_broad) = (p.new_terms((9, 3))?, p.new_terms((8, 3))?, p.new_terms((9, 4))?);
    let (loss, rule) = (Loss::KL, Rule::for_loss(&Loss::KL));
    let set = Accumulate::Set;
    for (f, acc) in [(&w, &mut t), (&broad, &mut t_broad)] {
        let other = if std::ptr::eq(f, &w) { &h } else { &broad_other };
        let r = p.b.terms(&loss, &x, Side::Rows, f, other, 1.0, set, acc);
        p.ok("terms", r)?;
    }
    let sweep = Sweep::once(rule);
    let exact = RowMethod::BlockPivoting;
    let values = factor(97, (8, 3), 0.0);
    let dense = Sample::<B::Elem>::random(91, (9, 7), 0.2, Layout::RowMajor, Observed::All);
    let ones = ndarray::Array2::ones((9, 6));
    let r = p.b.new_momentum();
    let momentum = p.ok("new_momentum", r)?;

    let b = &mut p.b;
    let mut calls: Vec<(&'static str, &str, crate::Result<()>)> = vec![
        ("write", "8×3 values over a 9×3 factor", b.write(&mut w, values.view())),
        ("copy", "9×4 over 9×3", b.copy(&broad, &mut w)),
        ("copy", "9×3 over 8×3", b.copy(&w, &mut short)),
        ("gram", "a 9×3 factor into 4×4", b.gram(&w, &mut g4)),
        ("cross", "other with 9 rows for 7 columns", b.cross(&x, Side::Rows, &w, &mut short)),
        ("cross", "an output of 8 rows for 9", b.cross(&x, Side::Rows, &h, &mut short)),
        ("cross", "an output of 4 columns for 3", b.cross(&x, Side::Rows, &h, &mut broad)),
        ("cross", "an output of Side::Rows for Side::Cols", b.cross(&x, Side::Cols, &h, &mut w)),
        ("terms", "8 rows for 9", b.terms(&loss, &x, Side::Rows, &short, &h, 1.0, set, &mut t_short)),
        ("terms", "k = 4 and k = 3", b.terms(&loss, &x, Side::Rows, &broad, &h, 1.0, set, &mut t_broad)),
        ("terms", "terms of 8 rows for 9", b.terms(&loss, &x, Side::Rows, &w, &h, 1.0, set, &mut t_short)),
        ("terms", "factors exchanged", b.terms(&loss, &x, Side::Rows, &h, &w, 1.0, set, &mut t)),
        ("apply", "terms 9×3 to a factor 8×3", b.apply(&t, &mut short, &rule)),
        ("apply", "terms 9×4 to a factor 9×3", b.apply(&t_broad, &mut w, &rule)),
        ("divergence", "W and H exchanged", b.divergence(&loss, &x, &h, &w).map(drop)),
        ("divergence", "k = 4 and k = 3", b.divergence(&loss, &x, &broad, &h).map(drop)),
        ("kkt", "terms 9×3 and a factor 8×3", b.kkt(&t, &short, &rule).map(drop)),
        ("quadratic", "A 9×3 and f 8×3", b.quadratic(&w, &g3, &short).map(drop)),
        ("quadratic", "G 4×4 for k = 3", b.quadratic(&w, &g4, &w).map(drop)),
        ("mu_step", "8 rows for 9", {
            b.mu_step(&loss, &x, Side::Rows, &mut short, &h, &mut t_short, &rule, false).map(drop)
        }),
        ("mu_step", "k = 4 and k = 3, measured", {
            b.mu_step(&loss, &x, Side::Rows, &mut w, &broad_other, &mut t, &rule, true).map(drop)
        }),
    ];
    if b.supports(&Op::HalsSweep) != Support::No {
        calls.push(("hals_sweep", "A 9×4 and f 9×3", b.hals_sweep(&broad, &g3, &mut w, &sweep)));
        calls.push(("hals_sweep", "A 9×3 and f 8×3", b.hals_sweep(&w, &g3, &mut short, &sweep)));
        calls.push(("hals_sweep", "G 4×4 for k = 3", b.hals_sweep(&h, &g4, &mut short, &sweep)));
    }
    if b.supports(&Op::LeastSquares) != Support::No {
        calls.push(("least_squares", "A 9×4 and f 9×3", b.least_squares(exact, &broad, &g3, &mut w, &rule)));
        calls.push(("least_squares", "A 9×3 and f 8×3", b.least_squares(exact, &w, &g3, &mut short, &rule)));
        calls.push(("least_squares", "G 4×4 for k = 3", b.least_squares(exact, &h, &g4, &mut short, &rule)));
    }
    if b.supports(&Op::GradientStep) != Support::No {
        calls.push(("gradient_step", "terms 9×3 to a factor 8×3", b.gradient_step(&t, &mut short, &rule, 0.1)));
        calls.push(("gradient_step", "terms 9×4 to a factor 9×3", b.gradient_step(&t_broad, &mut w, &rule, 0.1)));
    }
    if b.supports(&Op::Extrapolate) != Support::No {
        let (how, given, of) = (Extrapolation::Clamped, Weight::Fixed(0.5), Weight::Of(&momentum));
        calls.push(("extrapolate", "9×3 from 8×3", b.extrapolate(&w, &mut short, how, given)));
        calls.push(("extrapolate", "9×3 from 9×4", b.extrapolate(&w, &mut broad, how, of)));
    }
    if b.supports(&Op::Sparseness) != Support::No {
        let mut impose = |a: &B::Factor, g: &B::Gram, f: &mut B::Factor| b.impose_sparseness(a, g, f, 0.5, 1, &rule);
        calls.push(("impose_sparseness", "A 9×4 and f 9×3", impose(&broad, &g3, &mut w)));
        calls.push(("impose_sparseness", "A 9×3 and f 8×3", impose(&w, &g3, &mut short)));
        calls.push(("impose_sparseness", "G 4×4 for k = 3", impose(&h, &g4, &mut short)));
    }
    if b.supports(&Op::NewtonSweep) != Support::No {
        let mut newton = |side, f: &mut B::Factor, other: &B::Factor, measure| {
            b.newton_sweep(&x, side, f, other, &sweep, measure).map(drop)
        };
        calls.push(("newton_sweep", "8 rows for 9", newton(Side::Rows, &mut short, &h, false)));
        calls.push(("newton_sweep", "k = 4 and k = 3, measured", newton(Side::Rows, &mut w, &broad_other, true)));
        calls.push(("newton_sweep", "other with 9 rows for 7", newton(Side::Rows, &mut broad, &w, false)));
        calls.push(("newton_sweep", "W for Side::Cols", newton(Side::Cols, &mut w, &h, true)));
    }
    if b.supports(&Op::Mask) != Support::No {
        let r = b.upload_weighted(dense.view(), (&ones).into(), num_traits::One::one()).map(drop);
        calls.push(("upload_weighted", "weights 9×6 for 9×7", r));
    }
    if b.supports(&Op::Shifts) != Support::No {
        calls.push(("unfold", "9×3 into 9×4", b.unfold(&w, &mut broad)));
        calls.push(("unfold", "9×3 into 8×3", b.unfold(&w, &mut short)));
        calls.push(("fold", "terms 9×4 into 9×3", b.fold(&t_broad, &mut t)));
        calls.push(("fold", "terms 9×3 into 8×3", b.fold(&t, &mut t_short)));
    }
    calls.push(("mu_steps", "8 rows for 9, twice", {
        b.mu_steps(&loss, &x, Side::Rows, &mut short, &h, &mut t_short, &rule, 2, false).map(drop)
    }));
    for (operation, what, r) in calls {
        p.case(what);
        p.must(operation, r.is_err(), "shapes that do not match are accepted")?;
    }
    // and the backend still works
    p.case("right shapes after many refusals");
    let r = p.b.gram(&w, &mut g3);
    p.ok("gram", r)?;
    p.read_gram(&g3).map(drop)
}

/// What is declared as not supported is refused by an error that says so, not computed some other way.
pub fn unsupported<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("hostile::unsupported", make());
    let sample = Sample::random(98, (9, 7), 0.0, Layout::RowMajor, Observed::All);
    let (x, w, h) = (p.upload(&sample)?, p.factor(&factor(99, (9, 3), 0.0))?, p.factor(&factor(98, (7, 3), 0.0))?);
    let mut t = p.new_terms((9, 3))?;
    for loss in losses() {
        if p.can(Op::Update(loss.clone())) {
            continue;
        }
        p.case(format!("{loss}, declared as unsupported"));
        let r = p.b.terms(&loss, &x, Side::Rows, &w, &h, 1.0, Accumulate::Set, &mut t);
        p.must("terms", matches!(r, Err(Error::Unsupported(_))), "must return Error::Unsupported")?;
    }
    for (op, observed) in [(Op::Sparse, Observed::All), (Op::StoredOnly, Observed::Stored)] {
        if p.can(op.clone()) {
            continue;
        }
        p.case(format!("{op:?}, declared as unsupported"));
        let sparse = Sample::<B::Elem>::random(97, (9, 7), 0.5, Layout::Csr, observed);
        let r = p.b.upload(sparse.view(), sparse.scale, observed);
        p.must("upload", matches!(r, Err(Error::Unsupported(_))), "must return Error::Unsupported")?;
    }
    for mask in [true, false] {
        let op = if mask { Op::Mask } else { Op::Weights };
        if p.can(op.clone()) {
            continue;
        }
        p.case(format!("{op:?}, declared as unsupported"));
        let s = sample.weighted(weights(96, (9, 7), mask));
        let r = s.weights_view().map(|w| p.b.upload_weighted(s.view(), w, s.scale));
        let refused = r.is_none_or(|r| matches!(r, Err(Error::Unsupported(_))));
        p.must("upload_weighted", refused, "must return Error::Unsupported")?;
    }
    let g = p.gram(&h)?;
    let (mut f, plain) = (p.factor(&factor(95, (9, 3), 0.0))?, Rule::for_loss(&Loss::FRO));
    let (once, shuffled) = (Sweep::once(plain), Sweep { shuffle: Some(1), ..Sweep::once(plain) });
    for op in
        [Op::HalsSweep, Op::Shuffle, Op::LeastSquares, Op::NewtonSweep, Op::Extrapolate, Op::Sparseness, Op::Shifts]
    {
        if p.can(op.clone()) {
            continue;
        }
        p.case(format!("{op:?}, declared as unsupported"));
        let b = &mut p.b;
        let (operation, r) = match op {
            Op::HalsSweep => ("hals_sweep", b.hals_sweep(&w, &g, &mut f, &once)),
            Op::Shuffle => ("hals_sweep", b.hals_sweep(&w, &g, &mut f, &shuffled)),
            Op::LeastSquares => ("least_squares", b.least_squares(RowMethod::BlockPivoting, &w, &g, &mut f, &plain)),
            Op::NewtonSweep => {
                let kl = Sweep::once(Rule::for_loss(&Loss::KL));
                ("newton_sweep", b.newton_sweep(&x, Side::Rows, &mut f, &h, &kl, false).map(drop))
            }
            Op::Extrapolate => ("extrapolate", b.extrapolate(&w, &mut f, Extrapolation::Clamped, Weight::Fixed(0.5))),
            Op::Shifts => ("unfold", b.unfold(&w, &mut f)),
            _ => ("impose_sparseness", b.impose_sparseness(&w, &g, &mut f, 0.5, 1, &plain)),
        };
        p.must(operation, matches!(r, Err(Error::Unsupported(_))), "must return Error::Unsupported")?;
    }
    if !p.can(Op::GradientStep) && p.can(Op::Update(Loss::FRO)) {
        p.case("GradientStep, declared as unsupported");
        let r = p.b.terms(&Loss::FRO, &x, Side::Rows, &w, &h, 1.0, Accumulate::Set, &mut t);
        p.ok("terms", r)?;
        let r = p.b.gradient_step(&t, &mut f, &plain, 0.1);
        p.must("gradient_step", matches!(r, Err(Error::Unsupported(_))), "must return Error::Unsupported")?;
    }
    Ok(())
}
