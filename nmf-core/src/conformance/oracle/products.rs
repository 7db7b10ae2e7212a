use super::{SIDES, cases, refusable, shapes};
use crate::conformance::bounds;
use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{Layout, SHAPES, Sample, factor, uniform, wide};
use crate::{Backend, Element, Loss, Observed, Penalty};
use ndarray::Array2;

/// `gram`: fᵀf, signs included.
pub fn gram<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::gram", make());
    for (rows, k) in [(1, 1), (7, 3), (8, 17), (16, 1), (17, 33), (64, 3), (65, 17), (130, 3), (5, 17)] {
        p.case(format!("a factor {rows}×{k}"));
        for f in [factor::<B::Elem>(rows as u64, (rows, k), 0.1), uniform(3, (rows, k), -1.0, 1.0)] {
            let on_device = p.factor(&f)?;
            let g = p.gram(&on_device)?;
            let found = p.read_gram(&g)?;
            p.close("gram", &found, &bounds::gram(&wide(&f).view(), p.eps()))?;
        }
    }
    Ok(())
}

/// `cross`: XH and XᵀW for every layout, scale and set of observed entries.
pub fn cross<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::cross", make());
    for case in cases(&p, &SHAPES, false) {
        let x = p.upload(&case.x)?;
        for side in SIDES {
            p.case(case.describe(format!("{side:?}")));
            let other = case.on(side).1;
            let o = p.factor(other)?;
            let mut out = p.poisoned((case.x.on(side).0, case.k))?;
            let r = p.b.cross(&x, side, &o, &mut out);
            p.ok("cross", r)?;
            let found = p.read(&out)?;
            p.close("cross", &found, &bounds::cross(&case.x.dense(), side, &wide(other).view(), p.eps()))?;
        }
    }
    Ok(())
}

/// `divergence` for every loss.
pub fn divergence<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::divergence", make());
    for loss in p.losses() {
        for case in cases(&p, shapes(&loss), !loss.allows_zero()) {
            p.case(case.describe(&loss));
            let (x, w, h) = (p.upload(&case.x)?, p.factor(&case.w)?, p.factor(&case.h)?);
            let r = p.b.divergence(&loss, &x, &w, &h);
            if refusable(&case.x, &loss, &r) {
                continue;
            }
            let found = p.value("divergence", r)?;
            let (dense, sparse) = (case.x.dense(), case.x.layout.sparse());
            let (w, h) = (wide(&case.w), wide(&case.h));
            let expected = bounds::divergence::<B::Elem>(&loss, &dense, sparse, &w.view(), &h.view());
            p.close_scalar("divergence", found, expected)?;
        }
    }
    Ok(())
}

/// ½‖X − V‖² near an exact fit, where a difference of large sums has no digit left: every residual is 0.3·√ε of its
/// entry, so the result is about ε/20 of ‖X‖², while the bound of the direct sum is some √ε·100 of the result itself.
pub fn divergence_near_fit<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::divergence_near_fit", make());
    for (m, n, k) in [(17, 20, 3), (65, 33, 3)] {
        let (w, h) = (factor::<B::Elem>(5, (m, k), 0.0), factor::<B::Elem>(6, (n, k), 0.0));
        let v = wide(&w).dot(&wide(&h).t());
        let step = 0.3 * B::Elem::EPS.sqrt();
        let x = Array2::from_shape_fn((m, n), |at| {
            B::Elem::of(v[at] * if (at.0 + at.1) % 2 == 0 { 1.0 + step } else { 1.0 - step })
        });
        let x = Sample::new(x, Layout::RowMajor, Observed::All);
        p.case(x.describe(k));
        let (on_device, dw, dh) = (p.upload(&x)?, p.factor(&w)?, p.factor(&h)?);
        let r = p.b.divergence(&Loss::FRO, &on_device, &dw, &dh);
        let found = p.value("divergence", r)?;
        let (w, h) = (wide(&w), wide(&h));
        let expected = bounds::divergence::<B::Elem>(&Loss::FRO, &x.dense(), false, &w.view(), &h.view());
        p.close_scalar("divergence", found, expected)?;
    }
    Ok(())
}

/// `penalty`: l1·Σ|f| + ½·l2·Σf².
pub fn penalty<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::penalty", make());
    for (rows, k) in [(1, 1), (17, 33), (130, 3)] {
        let f = factor::<B::Elem>(9, (rows, k), 0.1);
        let on_device = p.factor(&f)?;
        for (l1, l2) in [(0.0, 0.0), (0.3, 0.0), (0.0, 1.7), (0.2, 0.4)] {
            p.case(format!("a factor {rows}×{k}, l1 = {l1}, l2 = {l2}"));
            let penalty = Penalty { l1, l2 };
            let r = p.b.penalty(&on_device, &penalty);
            let found = p.value("penalty", r)?;
            p.close_scalar("penalty", found, bounds::penalty(&wide(&f), &penalty, p.eps()))?;
        }
    }
    Ok(())
}
