use super::{FEW, SIDES, cases, refusable};
use crate::conformance::bounds::Bound;
use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{Layout, factor, wide};
use crate::{Accumulate, Backend, Observed, Op, shifts};
use ndarray::Array2;

/// `unfold`: exactly the shifted copies, also with more shifts than rows and over what another factor left.
pub fn unfold<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::unfold", make());
    if !p.can(Op::Shifts) {
        return Ok(());
    }
    for (n, k, l) in [(1, 1, 1), (1, 3, 4), (9, 3, 1), (17, 5, 3), (65, 7, 12), (130, 1, 33), (11, 2, 20)] {
        let mut out = p.poisoned((n, k * l))?;
        for seed in [11, 12] {
            p.case(format!("a factor {n}×{k}, {l} shifts"));
            let f = factor::<B::Elem>(seed, (n, k), 0.2);
            let df = p.factor(&f)?;
            let r = p.b.unfold(&df, &mut out);
            p.ok("unfold", r)?;
            let (found, kept) = (p.read(&out)?, p.read(&df)?);
            p.close("unfold", &found, &Bound::exact(shifts::unfold(&wide(&f).view(), l)))?;
            p.same("unfold", &kept, &wide(&f), "the factor itself was changed")?;
        }
    }
    Ok(())
}

/// `fold`: the terms of a wide factor as read back, summed along the shifts; twice into the same room, and of
/// denominators that a backend may keep as one row.
pub fn fold<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::fold", make());
    if !p.can(Op::Shifts) {
        return Ok(());
    }
    for loss in p.losses() {
        for case in cases(&p, &FEW, !loss.allows_zero()) {
            if case.x.layout != Layout::RowMajor && case.x.observed != Observed::Stored {
                continue;
            }
            let x = p.upload(&case.x)?;
            for side in SIDES {
                let (f, other) = case.on(side);
                // as many shifts as fit the columns; k = 3 and 17 are prime, so one component or no shift
                for shifts in [1, case.k] {
                    p.case(case.describe(format!("{loss}, {side:?}, {shifts} shifts")));
                    let narrow = (f.nrows(), case.k / shifts);
                    let (df, dother) = (p.factor(f)?, p.factor(other)?);
                    let (mut t, mut out) = (p.new_terms(f.dim())?, p.new_terms(narrow)?);
                    for alpha in [1.0, 0.75] {
                        let r = p.b.terms(&loss, &x, side, &df, &dother, alpha, Accumulate::Set, &mut t);
                        if refusable(&case.x, &loss, &r) {
                            break;
                        }
                        p.ok("terms", r)?;
                        let r = p.b.fold(&t, &mut out);
                        p.ok("fold", r)?;
                        let (wide_terms, found) = (p.read_terms(&t)?, p.read_terms(&out)?);
                        let expected = |t: &Array2<f64>| {
                            let value = shifts::fold(&t.view(), shifts);
                            let mut bound = Bound::read_back(value, p.eps());
                            // a sum of that many terms ≥ 0
                            bound.tolerance *= shifts as f64;
                            bound
                        };
                        p.close_or("fold", &found.0, &expected(&wide_terms.0), "the numerator is wrong")?;
                        p.close_or("fold", &found.1, &expected(&wide_terms.1), "the denominator is wrong")?;
                    }
                }
            }
        }
    }
    Ok(())
}
