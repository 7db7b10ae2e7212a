use crate::conformance::bounds;
use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{Layout, Sample, factor, separated, wide};
use crate::{Accumulate, Backend, Element, Error, Loss, Observed, Op, Penalty, Rule, Side, Sweep};
use ndarray::Array2;
use num_traits::{Float, Zero};

/// X, W and H, each checked on both sides with every loss.
fn check_updates<B: Backend>(
    p: &mut Probe<B>,
    x: &Sample<B::Elem>,
    w: &Array2<B::Elem>,
    h: &Array2<B::Elem>,
    what: &str,
) -> Outcome {
    if !p.takes(x) {
        return Ok(());
    }
    let (dx, dw, dh) = (p.upload(x)?, p.factor(w)?, p.factor(h)?);
    for loss in p.losses() {
        let rule = Rule::for_loss(&loss);
        for (side, f, df, other, dother) in [(Side::Rows, w, &dw, h, &dh), (Side::Cols, h, &dh, w, &dw)] {
            p.case(format!("{what}: {}, {loss}, {side:?}", x.describe(w.ncols())));
            let mut scratch = p.new_terms(f.dim())?;
            let mut out = p.poisoned(f.dim())?;
            let r = p.b.copy(df, &mut out);
            p.ok("copy", r)?;
            let r = p.b.mu_step(&loss, &dx, side, &mut out, dother, &mut scratch, &rule, false);
            if x.layout.sparse() && x.observed == Observed::All && matches!(r, Err(Error::Unsupported(_))) {
                continue;
            }
            p.ok("mu_step", r)?;
            let found = p.read(&out)?;
            let (num, den) = bounds::terms::<B::Elem>(&loss, &x.dense(), side, &wide(f).view(), &wide(other).view());
            p.close("mu_step", &found, &bounds::apply::<B::Elem>(&num, &den, &wide(f), &rule))?;
        }
        if loss.allows_zero() {
            p.case(format!("{what}: {}, {loss}", x.describe(w.ncols())));
            let r = p.b.divergence(&loss, &dx, &dw, &dh);
            if x.layout.sparse() && matches!(r, Err(Error::Unsupported(_))) {
                continue;
            }
            let found = p.value("divergence", r)?;
            let (w, h) = (wide(w), wide(h));
            let sparse = x.layout.sparse();
            let expected = bounds::divergence::<B::Elem>(&loss, &x.dense(), sparse, &w.view(), &h.view());
            p.close_scalar("divergence", found, expected)?;
        }
    }
    for (side, other, dother) in [(Side::Rows, h, &dh), (Side::Cols, w, &dw)] {
        p.case(format!("{what}: {}, {side:?}", x.describe(w.ncols())));
        let mut out = p.poisoned((x.on(side).0, w.ncols()))?;
        let r = p.b.cross(&dx, side, dother, &mut out);
        p.ok("cross", r)?;
        let found = p.read(&out)?;
        p.close("cross", &found, &bounds::cross(&x.dense(), side, &wide(other).view(), p.eps()))?;
    }
    Ok(())
}

const INPUTS: [(Layout, Observed); 4] = [
    (Layout::RowMajor, Observed::All),
    (Layout::Csr, Observed::All),
    (Layout::Csc, Observed::All),
    (Layout::Csr, Observed::Stored),
];

/// First, last and neighbouring rows and columns of X without an entry, and factors with a zero row and column.
pub fn empty_lines<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("hostile::empty_lines", make());
    let mut values = Sample::random(51, (17, 20), 0.2, Layout::RowMajor, Observed::All).values().clone();
    for i in [0, 7, 8, 16] {
        values.row_mut(i).fill(B::Elem::zero());
    }
    for j in [0, 12, 13, 19] {
        values.column_mut(j).fill(B::Elem::zero());
    }
    let (w, mut h) = (factor(52, (17, 3), 0.1), factor(53, (20, 3), 0.1));
    for (layout, observed) in INPUTS {
        let x = Sample::new(values.clone(), layout, observed);
        check_updates(&mut p, &x, &w, &h, "empty rows and columns")?;
    }
    h.row_mut(4).fill(B::Elem::zero());
    h.column_mut(1).fill(B::Elem::zero());
    let x = Sample::new(values, Layout::RowMajor, Observed::All);
    check_updates(&mut p, &x, &w, &h, "empty rows and columns, and a zero component in H")
}

/// X = 0, alone and with zero factors: results are 0 or finite, never 0/0.
pub fn all_zero<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("hostile::all_zero", make());
    let (w, h) = (factor::<B::Elem>(54, (9, 3), 0.0), factor::<B::Elem>(55, (7, 3), 0.0));
    for (layout, observed) in INPUTS {
        let x = Sample::new(Array2::zeros((9, 7)), layout, observed);
        check_updates(&mut p, &x, &w, &h, "X = 0")?;
    }
    let zeros = Sample::new(Array2::zeros((9, 7)), Layout::RowMajor, Observed::All);
    check_updates(&mut p, &zeros, &Array2::zeros((9, 3)), &Array2::zeros((7, 3)), "X = 0, W = 0, H = 0")?;
    let x = Sample::random(56, (9, 7), 0.0, Layout::RowMajor, Observed::All);
    check_updates(&mut p, &x, &Array2::zeros((9, 3)), &h, "W = 0")?;
    if !p.can(Op::HalsSweep) {
        return Ok(());
    }
    p.case("A = 0: every component dies");
    let (a, c, mut f) = (p.factor(&Array2::zeros((9, 3)))?, p.factor(&separated(57, (9, 3)))?, p.factor(&w)?);
    let g = p.gram(&c)?;
    let values = p.read_gram(&g)?;
    // a ridge of its own weight: without it a component leaves only as far as the others let it
    let rule = Rule { penalty: Penalty { l1: 9.0, l2: 0.0 }, ..Rule::for_loss(&Loss::FRO) };
    let sweep = Sweep { max_sweeps: 2, stop: 0.0, rule, shuffle: None };
    let r = p.b.hals_sweep(&a, &g, &mut f, &sweep);
    p.ok("hals_sweep", r)?;
    let found = p.read(&f)?;
    p.close("hals_sweep", &found, &bounds::hals::<B::Elem>(&Array2::zeros((9, 3)), &values, &wide(&w), &sweep))
}

/// Models around FLOOR and factors around TINY: floors are applied where the oracle applies them, entries below TINY
/// become exactly zero, nothing overflows.
pub fn near_floor<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("hostile::near_floor", make());
    let (floor, tiny) = (B::Elem::FLOOR, B::Elem::TINY);
    let (w, h) = (factor::<B::Elem>(61, (16, 3), 0.1), factor::<B::Elem>(62, (9, 3), 0.1));
    for exponent in [-1, 0, 2] {
        // rows of W from FLOOR·10^exponent on, so that V = W·Hᵀ lies on both sides of the floor
        let ten = B::Elem::of(10.0);
        let small = w.mapv(|v| v * floor * ten.powi(exponent));
        let x = Sample::random(63, (16, 9), 0.2, Layout::RowMajor, Observed::All);
        check_updates(&mut p, &x, &small, &h, "V near FLOOR")?;
        let faint = Sample::new(x.values().mapv(|v| v * floor), Layout::RowMajor, Observed::All);
        check_updates(&mut p, &faint, &small, &h, "X and V near FLOOR")?;
        let x = Sample::random(64, (16, 9), 0.5, Layout::Csr, Observed::All);
        check_updates(&mut p, &x, &small, &h, "V near FLOOR")?;
    }
    // the ratio is about x, far below 1: entries a little above TINY fall below it
    let x = Sample::new(Array2::from_elem((16, 9), B::Elem::of(1e-3)), Layout::RowMajor, Observed::All);
    let mut faint = Array2::from_elem((16, 3), B::Elem::of(1.0));
    faint.column_mut(1).fill(tiny * B::Elem::of(4.0));
    p.case(format!("{}, fro, an entry that falls below TINY", x.describe(3)));
    let (dx, mut dw, dh) = (p.upload(&x)?, p.factor(&faint)?, p.factor(&factor(65, (9, 3), 0.0))?);
    p.step(&Loss::FRO, &dx, Side::Rows, &mut dw, &dh, &Rule::for_loss(&Loss::FRO), false)?;
    let found = p.read(&dw)?;
    p.must("mu_step", found.column(1).iter().all(|v| *v == 0.0), "an entry below TINY is not set to zero")
}

/// What lies in an output before does not matter: NaN factors, Gram matrices and terms made from NaN, terms of
/// another loss; and inputs are left alone.
pub fn poisoned_memory<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("hostile::poisoned_memory", make());
    let x = Sample::random(71, (17, 20), 0.2, Layout::RowMajor, Observed::All);
    let (w, h) = (factor::<B::Elem>(72, (17, 3), 0.0), factor::<B::Elem>(73, (20, 3), 0.0));
    let (dx, dw, dh) = (p.upload(&x)?, p.factor(&w)?, p.factor(&h)?);
    let nan = p.poisoned((17, 3))?;

    p.case("a Gram matrix that was NaN");
    let mut g = p.gram(&nan)?;
    let r = p.b.gram(&dw, &mut g);
    p.ok("gram", r)?;
    let found = p.read_gram(&g)?;
    p.close("gram", &found, &bounds::gram(&wide(&w).view(), p.eps()))?;

    p.case("terms that were NaN, then those of kl, then set for fro");
    let mut acc = p.new_terms((17, 3))?;
    for (loss, f) in [(Loss::FRO, &nan), (Loss::KL, &dw), (Loss::FRO, &dw), (Loss::KL, &dw)] {
        let r = p.b.terms(&loss, &dx, Side::Rows, f, &dh, 1.0, Accumulate::Set, &mut acc);
        p.ok("terms", r)?;
        if std::ptr::eq(f, &nan) {
            continue;
        }
        let (n, d) = p.read_terms(&acc)?;
        let (num, den) = bounds::terms::<B::Elem>(&loss, &x.dense(), Side::Rows, &wide(&w).view(), &wide(&h).view());
        p.close_or("terms", &n, &num, "the numerator depends on what was there")?;
        p.close_or("terms", &d, &den, "the denominator depends on what was there")?;
    }

    p.case("kl terms with fro terms added");
    let r = p.b.terms(&Loss::FRO, &dx, Side::Rows, &dw, &dh, 0.5, Accumulate::Add, &mut acc);
    p.ok("terms", r)?;
    let (n, d) = p.read_terms(&acc)?;
    let of = |loss| bounds::terms::<B::Elem>(&loss, &x.dense(), Side::Rows, &wide(&w).view(), &wide(&h).view());
    let ((kn, kd), (fn_, fd)) = (of(Loss::KL), of(Loss::FRO));
    p.close_or("terms", &n, &fn_.accumulate(0.5, Some(&kn), p.eps()), "numerators of two losses do not add")?;
    p.close_or("terms", &d, &fd.accumulate(0.5, Some(&kd), p.eps()), "denominators of two losses do not add")?;

    p.case("inputs after all this");
    let (w2, h2) = (p.read(&dw)?, p.read(&dh)?);
    p.same("terms", &w2, &wide(&w), "an operation changed its input")?;
    p.same("terms", &h2, &wide(&h), "an operation changed its input")?;

    // a write over NaN, then an update in place
    let mut f = nan;
    let r = p.b.write(&mut f, w.view());
    p.ok("write", r)?;
    let rule = Rule::for_loss(&Loss::KL);
    p.step(&Loss::KL, &dx, Side::Rows, &mut f, &dh, &rule, false)?;
    let found = p.read(&f)?;
    p.close("mu_step", &found, &bounds::apply::<B::Elem>(&kn, &kd, &wide(&w), &rule))
}
