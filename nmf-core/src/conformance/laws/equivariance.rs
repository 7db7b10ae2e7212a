use super::{between, expected, updated};
use crate::conformance::bounds;
use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{Layout, Sample, factor, wide};
use crate::{Accumulate, Backend, Element, Loss, Observed, Rule, Side};
use ndarray::{Array2, Axis};

/// Dense ≡ CSR ≡ CSC in every memory order; a sparse X that stores every entry, of which only the stored ones count,
/// is the dense one again.
pub fn layouts_agree<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::layouts_agree", make());
    for loss in [Loss::FRO, Loss::KL, Loss::IS] {
        let rule = Rule::for_loss(&loss);
        let zeros = Sample::random(1, (17, 20), 0.5, Layout::RowMajor, Observed::All);
        let full = Sample::<B::Elem>::random(2, (17, 20), 0.0, Layout::RowMajor, Observed::All);
        let stored = full.with_observed(Observed::Stored);
        for (base, others) in [
            // what is not stored is zero; for is, a walk over all entries may be refused
            (&zeros, if loss.allows_zero() { vec![zeros.clone()] } else { vec![] }),
            (&full, vec![full.clone(), stored]),
        ] {
            let (w, h) = (factor(3, (17, 3), 0.1), factor(4, (20, 3), 0.1));
            for side in [Side::Rows, Side::Cols] {
                let (f, other) = if side == Side::Rows { (&w, &h) } else { (&h, &w) };
                p.case(format!("{}, {loss}, {side:?}", base.describe(3)));
                let reference = updated(&mut p, &loss, base, side, f, other, &rule)?;
                let bound = between(reference, &expected(&loss, base, side, f, other, &rule));
                for x in others.iter().flat_map(|o| Layout::ALL.map(|l| o.laid_out(l))) {
                    let refusable = x.layout.sparse() && x.observed == Observed::All && loss == Loss::IS;
                    if refusable || !p.takes(&x) {
                        continue;
                    }
                    p.case(format!("{}, {loss}, {side:?}", x.describe(3)));
                    let found = updated(&mut p, &loss, &x, side, f, other, &rule)?;
                    p.close_or("mu_step", &found, &bound, "differs from the dense row-major X")?;
                }
            }
        }
    }
    Ok(())
}

/// `Side::Cols` on X is `Side::Rows` on Xᵀ.
pub fn transpose<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::transpose", make());
    for loss in p.losses() {
        let rule = Rule::for_loss(&loss);
        for (layout, observed) in [(Layout::RowMajor, Observed::All), (Layout::Csr, Observed::Stored)] {
            let x = Sample::random(5, (33, 16), 0.3, layout, observed);
            if !p.takes(&x) {
                continue;
            }
            let (w, h) = (factor(6, (33, 3), 0.1), factor(7, (16, 3), 0.1));
            p.case(format!("{}, {loss}", x.describe(3)));
            let cols = updated(&mut p, &loss, &x, Side::Cols, &h, &w, &rule)?;
            let rows = updated(&mut p, &loss, &x.transposed(), Side::Rows, &h, &w, &rule)?;
            let bound = between(rows, &expected(&loss, &x, Side::Cols, &h, &w, &rule));
            p.close_or("mu_step", &cols, &bound, "Side::Cols on X differs from Side::Rows on Xᵀ")?;
        }
    }
    Ok(())
}

/// Permuting rows of X and W permutes the result; permuting columns of X and rows of H changes nothing; permuting
/// components permutes columns.
pub fn permutation<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::permutation", make());
    for loss in p.losses() {
        let rule = Rule::for_loss(&loss);
        let x = Sample::random(8, (17, 20), 0.2, Layout::RowMajor, Observed::All);
        let (w, h) = (factor(9, (17, 3), 0.1), factor(10, (20, 3), 0.1));
        p.case(format!("{}, {loss}", x.describe(3)));
        // steps without a common divisor with the length visit every index once, far from their neighbours
        let order = |len: usize, step: usize| (0..len).map(|i| (i * step + 2) % len).collect::<Vec<_>>();
        let (rows, cols, parts) = (order(17, 5), order(20, 7), order(3, 2));
        let plain = updated(&mut p, &loss, &x, Side::Rows, &w, &h, &rule)?;
        let bound = between(plain, &expected(&loss, &x, Side::Rows, &w, &h, &rule));

        let permuted = |a: &Array2<B::Elem>, axis, order: &[usize]| a.select(Axis(axis), order);
        let x2 = Sample::new(permuted(x.values(), 0, &rows), Layout::RowMajor, Observed::All);
        let found = updated(&mut p, &loss, &x2, Side::Rows, &permuted(&w, 0, &rows), &h, &rule)?;
        p.close_or(
            "mu_step",
            &found,
            &bound.select(0, &rows),
            "permuting rows of X and W does not permute the result",
        )?;

        let x2 = Sample::new(permuted(x.values(), 1, &cols), Layout::RowMajor, Observed::All);
        let found = updated(&mut p, &loss, &x2, Side::Rows, &w, &permuted(&h, 0, &cols), &rule)?;
        p.close_or("mu_step", &found, &bound, "permuting columns of X and rows of H changes W")?;

        let (w2, h2) = (permuted(&w, 1, &parts), permuted(&h, 1, &parts));
        let found = updated(&mut p, &loss, &x, Side::Rows, &w2, &h2, &rule)?;
        p.close_or("mu_step", &found, &bound.select(1, &parts), "permuting components does not permute the columns")?;
    }
    Ok(())
}

/// Powers of two pass through without a rounding: `upload` with a scale is `upload` of the scaled X, `cross` is
/// linear, and for β ∈ {2, 1, 0} (sX, sW, H) updates to exactly s times what (X, W, H) does.
pub fn scaling<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::scaling", make());
    let s = 8.0;
    for layout in [Layout::RowMajor, Layout::Csr] {
        let x = Sample::random(11, (17, 20), 0.3, layout, Observed::All);
        if !p.takes(&x) {
            continue;
        }
        let (w, h) = (factor::<B::Elem>(12, (17, 3), 0.1), factor(13, (20, 3), 0.1));
        let up = B::Elem::of(s);
        let (sw, by_hand) = (w.mapv(|v| v * up), x.times(up));
        let by_upload = x.clone().scaled(s);
        p.case(by_upload.describe(3));
        let dh = p.factor(&h)?;
        let mut products = Vec::new();
        for x in [&x, &by_hand, &by_upload] {
            let x = p.upload(x)?;
            let mut out = p.poisoned((17, 3))?;
            let r = p.b.cross(&x, Side::Rows, &dh, &mut out);
            p.ok("cross", r)?;
            products.push(p.read(&out)?);
        }
        p.same("upload", &products[2], &products[1], "uploading with a scale differs from uploading the scaled X")?;
        p.same("cross", &products[1], &(&products[0] * s), "(8X)·H is not exactly 8·(X·H)")?;
        for loss in [Loss::FRO, Loss::KL, Loss::IS] {
            if layout.sparse() && loss == Loss::IS {
                continue;
            }
            p.case(format!("{}, {loss}", by_upload.describe(3)));
            let rule = Rule::for_loss(&loss);
            let small = updated(&mut p, &loss, &x, Side::Rows, &w, &h, &rule)?;
            let large = updated(&mut p, &loss, &by_upload, Side::Rows, &sw, &h, &rule)?;
            // entries whose denominator meets its floor do not scale; here none does, zeros stay zero
            p.same(
                "mu_step",
                &large,
                &(small * s),
                "the update of (8X, 8W, H) is not exactly 8 times that of (X, W, H)",
            )?;
        }
    }
    // α of the terms likewise
    let x = Sample::random(14, (17, 20), 0.2, Layout::RowMajor, Observed::All);
    let (w, h) = (factor(15, (17, 3), 0.1), factor(16, (20, 3), 0.1));
    let (dx, dw, dh) = (p.upload(&x)?, p.factor(&w)?, p.factor(&h)?);
    p.case(format!("{}, α = 4", x.describe(3)));
    let mut once = p.new_terms((17, 3))?;
    let r = p.b.terms(&Loss::KL, &dx, Side::Rows, &dw, &dh, 4.0, Accumulate::Set, &mut once);
    p.ok("terms", r)?;
    let (n, d) = p.read_terms(&once)?;
    let (num, den) = bounds::terms::<B::Elem>(&Loss::KL, &x.dense(), Side::Rows, &wide(&w).view(), &wide(&h).view());
    let eps = p.eps();
    p.close("terms", &n, &num.accumulate(4.0, None, eps))?;
    p.close("terms", &d, &den.accumulate(4.0, None, eps))
}
