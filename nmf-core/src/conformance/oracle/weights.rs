use super::updates::{expected_terms, one_step};
use super::{Case, SIDES, shapes};
use crate::conformance::bounds;
use crate::conformance::failure::Outcome;
use crate::conformance::probe::{Probe, rules};
use crate::conformance::sample::{Layout, Sample, factor, weights, wide};
use crate::{Accumulate, Backend, Observed};

/// `upload_weighted`, by what it makes of `terms`, `mu_step` and `divergence`: masks and weights, dense and sparse, X
/// holding NaN where nothing counts.
pub fn weighted<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::weighted", make());
    let mut turn = 0;
    for loss in p.losses() {
        for case in cases(&p, shapes(&loss), !loss.allows_zero()) {
            let x = p.upload(&case.x)?;
            for side in SIDES {
                p.case(case.describe(format!("{loss}, {side:?}")));
                let (f, other) = case.on(side);
                let (df, dother) = (p.factor(f)?, p.factor(other)?);
                let mut acc = p.new_terms(f.dim())?;
                let (num, den) = expected_terms(&loss, &case, side);
                let mut sums = None;
                for (alpha, how) in [(0.75, Accumulate::Set), (2.5, Accumulate::Add)] {
                    let r = p.b.terms(&loss, &x, side, &df, &dother, alpha, how, &mut acc);
                    p.ok("terms", r)?;
                    let (n, d) = p.read_terms(&acc)?;
                    let (before_n, before_d) = sums.as_ref().map(|(n, d)| (n, d)).unzip();
                    let now = (num.accumulate(alpha, before_n, p.eps()), den.accumulate(alpha, before_d, p.eps()));
                    p.close_or("terms", &n, &now.0, &format!("{how:?}: the numerator is wrong"))?;
                    p.close_or("terms", &d, &now.1, &format!("{how:?}: the denominator is wrong"))?;
                    sums = Some(now);
                }
                let all = rules(&loss, case.k);
                turn += 1;
                one_step(&mut p, &loss, &case, &x, side, &all[turn % all.len()], turn % 2 == 0)?;
            }
            p.case(case.describe(&loss));
            let (dw, dh) = (p.factor(&case.w)?, p.factor(&case.h)?);
            let r = p.b.divergence(&loss, &x, &dw, &dh);
            let found = p.value("divergence", r)?;
            let (w, h) = (wide(&case.w), wide(&case.h));
            let (dense, sparse) = (case.x.dense(), case.x.layout.sparse());
            let expected = bounds::divergence::<B::Elem>(&loss, &dense, sparse, &w.view(), &h.view());
            p.close_scalar("divergence", found, expected)?;
        }
    }
    Ok(())
}

/// For every shape a mask and general weights, dense and sparse. `positive` leaves no zero that counts.
fn cases<B: Backend>(p: &Probe<B>, shapes: &[(usize, usize, usize)], positive: bool) -> Vec<Case<B::Elem>> {
    let mut all = Vec::new();
    for (number, &(m, n, k)) in shapes.iter().enumerate() {
        let seed = 5000 + number as u64;
        let dense = [Layout::RowMajor, Layout::ColMajor, Layout::Strided];
        let sparse = if number % 2 == 0 { Layout::Csr } else { Layout::Csc };
        let of = |layout: Layout, seed, zeros| {
            let x = Sample::<B::Elem>::random(seed, (m, n), zeros, layout, Observed::All);
            // without its stored zeros
            if positive && layout.sparse() { Sample::new(x.values().clone(), layout, Observed::All) } else { x }
        };
        let zeros = if positive { 0.0 } else { 0.2 };
        let inputs = [
            of(dense[number % 3], seed, zeros).weighted(weights(seed, (m, n), false)),
            of(dense[(number + 1) % 3], seed + 100, zeros).scaled(4.0).weighted(weights(seed, (m, n), true)),
            of(sparse, seed + 200, 0.5).scaled(0.5).weighted(weights(seed, (m, n), false)),
            of(sparse, seed + 300, 0.5).weighted(weights(seed, (m, n), true)),
        ];
        for x in inputs.into_iter().filter(|x| p.takes(x)) {
            let (w, h) = (factor(seed, (m, k), 0.15), factor(seed + 1, (n, k), 0.1));
            all.push(Case { x, w, h, k });
        }
    }
    all
}
