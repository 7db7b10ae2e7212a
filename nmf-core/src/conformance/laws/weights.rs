use super::{between, expected, updated};
use crate::conformance::bounds;
use crate::conformance::failure::Outcome;
use crate::conformance::probe::{Checked, Probe};
use crate::conformance::sample::{Layout, Sample, factor, separated, weights, wide};
use crate::{Accumulate, Backend, Element, Loss, Observed, Op, Rule, Side, Sweep};
use ndarray::Array2;

fn losses<B: Backend>(p: &Probe<B>) -> Vec<Loss> {
    [Loss::FRO, Loss::KL, Loss::IS].into_iter().filter(|l| p.can(Op::Update(l.clone()))).collect()
}

/// One update and the divergence of two X that are the same problem, and a Newton sweep where there is one.
fn same_problem<B: Backend>(p: &mut Probe<B>, one: &Sample<B::Elem>, two: &Sample<B::Elem>, note: &str) -> Outcome {
    let (m, n) = one.dim();
    let (w, h) = (factor(101, (m, 3), 0.1), separated(102, (n, 3)));
    for loss in losses(p) {
        let rule = Rule::for_loss(&loss);
        for (side, f, other) in [(Side::Rows, &w, &h), (Side::Cols, &h, &w)] {
            p.case(format!("{} and {}, {loss}, {side:?}", two.describe(3), one.describe(3)));
            let reference = updated(p, &loss, one, side, f, other, &rule)?;
            let found = updated(p, &loss, two, side, f, other, &rule)?;
            let bound = between(reference, &expected(&loss, one, side, f, other, &rule));
            p.close_or("mu_step", &found, &bound, note)?;
        }
        let (reference, found) = (divergence(p, &loss, one, &w, &h)?, divergence(p, &loss, two, &w, &h)?);
        let (w, h) = (wide(&w), wide(&h));
        let off = bounds::divergence::<B::Elem>(&loss, &one.dense(), true, &w.view(), &h.view()).1;
        p.close_scalar_or("divergence", found, (reference, 2.0 * off), note)?;
    }
    if p.can(Op::NewtonSweep) {
        p.case(format!("{} and {}", two.describe(3), one.describe(3)));
        let sweep = Sweep::once(Rule::for_loss(&Loss::KL));
        let reference = swept(p, one, &w, &h, &sweep)?;
        let found = swept(p, two, &w, &h, &sweep)?;
        let bound = bounds::newton::<B::Elem>(&one.dense(), Side::Rows, &wide(&w), &wide(&h), &sweep);
        p.close_or("newton_sweep", &found, &between(reference, &bound), note)?;
    }
    Ok(())
}

fn divergence<B: Backend>(
    p: &mut Probe<B>,
    loss: &Loss,
    x: &Sample<B::Elem>,
    w: &Array2<B::Elem>,
    h: &Array2<B::Elem>,
) -> Checked<f64> {
    let (x, w, h) = (p.upload(x)?, p.factor(w)?, p.factor(h)?);
    let r = p.b.divergence(loss, &x, &w, &h);
    p.value("divergence", r)
}

fn swept<B: Backend>(
    p: &mut Probe<B>,
    x: &Sample<B::Elem>,
    f: &Array2<B::Elem>,
    other: &Array2<B::Elem>,
    sweep: &Sweep,
) -> Checked<Array2<f64>> {
    let (x, mut f, other) = (p.upload(x)?, p.factor(f)?, p.factor(other)?);
    let r = p.b.newton_sweep(&x, Side::Rows, &mut f, &other, sweep, false);
    p.ok("newton_sweep", r)?;
    p.read(&f)
}

/// Weights that are all 1 say nothing: dense as without them, sparse as with stored entries only.
pub fn weights_of_one<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::weights_of_one", make());
    let ones = Array2::ones((17, 20));
    for (layout, observed, zeros) in [
        (Layout::RowMajor, Observed::All, 0.0),
        (Layout::Strided, Observed::All, 0.0),
        (Layout::Csr, Observed::Stored, 0.5),
    ] {
        let x = Sample::random(103, (17, 20), zeros, layout, observed);
        // without its stored zeros
        let x = Sample::new(x.values().clone(), layout, observed);
        let weighted = x.weighted(ones.clone());
        if p.takes(&x) && p.takes(&weighted) {
            same_problem(&mut p, &x, &weighted, "weights of 1 make a difference")?;
        }
    }
    Ok(())
}

/// A mask on a dense X is the sparse X that stores what the mask leaves, of which only stored entries count.
pub fn masks_are_patterns<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::masks_are_patterns", make());
    let mask = weights::<B::Elem>(104, (17, 20), true);
    for dense in [Layout::RowMajor, Layout::ColMajor] {
        let x = Sample::random(105, (17, 20), 0.0, dense, Observed::All);
        let stored = mask.mapv(|w| w == B::Elem::of(1.0));
        for sparse in [Layout::Csr, Layout::Csc] {
            let pattern = Sample::with_stored(x.values().clone(), stored.clone(), sparse, Observed::Stored);
            let masked = x.weighted(mask.clone());
            if p.takes(&pattern) && p.takes(&masked) {
                same_problem(&mut p, &pattern, &masked, "a mask differs from the stored entries it leaves")?;
            }
        }
    }
    Ok(())
}

/// Weights times 4, a power of two: exactly 4 times N, D and the divergence.
pub fn weights_scale<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::weights_scale", make());
    let (w, h) = (factor(106, (17, 3), 0.0), factor(107, (20, 3), 0.0));
    let small = weights::<B::Elem>(108, (17, 20), false);
    for layout in [Layout::RowMajor, Layout::Csr] {
        let x = Sample::random(109, (17, 20), 0.0, layout, Observed::All);
        let (one, four) = (x.weighted(small.clone()), x.weighted(small.mapv(|v| v * B::Elem::of(4.0))));
        if !p.takes(&one) {
            continue;
        }
        for loss in losses(&p) {
            p.case(format!("{}, {loss}", one.describe(3)));
            let mut results = Vec::new();
            for x in [&one, &four] {
                let d = divergence(&mut p, &loss, x, &w, &h)?;
                let (x, f, other) = (p.upload(x)?, p.factor(&w)?, p.factor(&h)?);
                let mut acc = p.new_terms((17, 3))?;
                let r = p.b.terms(&loss, &x, Side::Rows, &f, &other, 1.0, Accumulate::Set, &mut acc);
                p.ok("terms", r)?;
                results.push((p.read_terms(&acc)?, d));
            }
            let ((n, d), divergence) = &results[0];
            let ((n4, d4), divergence4) = &results[1];
            p.same("terms", n4, &(n * 4.0), "4 times the weights is not 4 times the numerator")?;
            p.same("terms", d4, &(d * 4.0), "4 times the weights is not 4 times the denominator")?;
            let note = "4 times the weights is not 4 times the divergence";
            p.close_scalar_or("divergence", *divergence4, (4.0 * divergence, 0.0), note)?;
        }
    }
    Ok(())
}
