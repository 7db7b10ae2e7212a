use super::{expected, updated};
use crate::conformance::bounds;
use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{Layout, Sample, factor, wide};
use crate::{Accumulate, Backend, Element, Loss, Observed, Rule, Side};
use ndarray::Array2;

/// X = W·Hᵀ is a fixed point of every update: N = D. Only the rounding of X to elements moves it; and its distance
/// to the KKT conditions is nothing but rounding.
pub fn exact_fit<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::exact_fit", make());
    for loss in p.losses() {
        let rule = Rule::for_loss(&loss);
        let (w, h) = (factor::<B::Elem>(21, (20, 3), 0.0), factor(22, (17, 3), 0.0));
        let x = Sample::new(wide(&w).dot(&wide(&h).t()).mapv(B::Elem::of), Layout::RowMajor, Observed::All);
        p.case(format!("X = W·Hᵀ, {}, {loss}", x.describe(3)));
        for (side, f, other) in [(Side::Rows, &w, &h), (Side::Cols, &h, &w)] {
            let found = updated(&mut p, &loss, &x, side, f, other, &rule)?;
            let mut bound = expected(&loss, &x, side, f, other, &rule);
            bound.value = wide(f);
            bound.tolerance += &(wide(f) * (bounds::SAFETY * p.eps() * (rule.exponent + 1.0)));
            p.close_or("mu_step", &found, &bound, "an exact factorization is not a fixed point")?;

            let (dx, df, dother) = (p.upload(&x)?, p.factor(f)?, p.factor(other)?);
            let mut acc = p.new_terms(f.dim())?;
            let r = p.b.terms(&loss, &dx, side, &df, &dother, 1.0, Accumulate::Set, &mut acc);
            p.ok("terms", r)?;
            let r = p.b.kkt(&acc, &df, &rule);
            let found = p.value("kkt", r)?;
            let (num, den) = bounds::terms::<B::Elem>(&loss, &x.dense(), side, &wide(f).view(), &wide(other).view());
            let tolerance = bounds::kkt(&num, &den, &wide(f), &rule, p.eps()).1;
            p.close_scalar("kkt", found, (0.0, tolerance))?;
        }
    }
    Ok(())
}

/// k = m with W = I, H = Xᵀ, and k = n with H = I, W = X: error 0, and every update leaves both as they are. Also
/// with zeros in X, where the loss is finite.
pub fn identity_factor<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::identity_factor", make());
    for loss in p.losses() {
        let rule = Rule::for_loss(&loss);
        for (m, n) in [(3, 20), (17, 17)] {
            for zeros in if loss.allows_zero() { vec![0.0, 0.3] } else { vec![0.0] } {
                let x = Sample::<B::Elem>::random(23, (m, n), zeros, Layout::RowMajor, Observed::All);
                let (x, identity) = (Sample::new(x.values().clone(), x.layout, x.observed), Array2::eye(m));
                for (wide_x, w, h) in [
                    (x.clone(), identity.clone(), x.values().t().to_owned()),
                    (x.transposed(), x.values().t().to_owned(), identity.clone()),
                ] {
                    p.case(format!("an identity factor, {}, {loss}", wide_x.describe(m)));
                    let (dx, dw, dh) = (p.upload(&wide_x)?, p.factor(&w)?, p.factor(&h)?);
                    let r = p.b.divergence(&loss, &dx, &dw, &dh);
                    let found = p.value("divergence", r)?;
                    let (fw, fh) = (wide(&w), wide(&h));
                    let bound = bounds::divergence::<B::Elem>(&loss, &wide_x.dense(), false, &fw.view(), &fh.view());
                    p.close_scalar("divergence", found, (0.0, bound.0 + bound.1))?;
                    for (side, f, other) in [(Side::Rows, &w, &h), (Side::Cols, &h, &w)] {
                        let found = updated(&mut p, &loss, &wide_x, side, f, other, &rule)?;
                        let mut bound = expected(&loss, &wide_x, side, f, other, &rule);
                        bound.value = wide(f);
                        if zeros > 0.0 && !loss.is_fro() {
                            // where x = 0 the floored V is FLOOR instead of 0, and D keeps its share of FLOOR^(β−1)
                            continue;
                        }
                        p.close_or("mu_step", &found, &bound, "a factorization with an identity is not kept")?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Where x_ij = 0 and the fit is exact, Σ_q w_iq·h_jq = 0 with all terms ≥ 0, so the supports of w_i and h_j are
/// disjoint: an exact factorization of a block-diagonal X stays one, with its zeros; and from a positive start near
/// it the products at zeros of X vanish.
pub fn disjoint_supports<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::disjoint_supports", make());
    let part = |len: usize, first: usize, amount: f64| {
        Array2::from_shape_fn((len, 2), |(i, q)| {
            let inside = (i < first) == (q == 0);
            B::Elem::of(if inside { 0.5 + (i % 3) as f64 / 4.0 } else { amount })
        })
    };
    let (w, h) = (part(9, 4, 0.0), part(8, 5, 0.0));
    let x = Sample::new(w.dot(&h.t()), Layout::RowMajor, Observed::All);
    let products = |w: &Array2<f64>, h: &Array2<f64>| {
        let mut largest: f64 = 0.0;
        for ((i, j), _) in x.values().indexed_iter().filter(|(_, v)| **v == B::Elem::of(0.0)) {
            largest = (0..2).fold(largest, |m, q| m.max(w[[i, q]] * h[[j, q]]));
        }
        largest
    };
    for loss in [Loss::FRO, Loss::KL] {
        let rule = Rule::for_loss(&loss);
        for (amount, rounds, allowed) in [(0.0, 3, 0.0), (0.05, 60, 1e-3)] {
            p.case(format!("{}, {loss}, {rounds} rounds, entries outside the blocks {amount}", x.describe(2)));
            let (dx, mut dw, mut dh) = (p.upload(&x)?, p.factor(&part(9, 4, amount))?, p.factor(&part(8, 5, amount))?);
            for _ in 0..rounds {
                p.step(&loss, &dx, Side::Rows, &mut dw, &dh, &rule, false)?;
                p.step(&loss, &dx, Side::Cols, &mut dh, &dw, &rule, false)?;
            }
            let (w, h) = (p.read(&dw)?, p.read(&dh)?);
            let found = products(&w, &h);
            let note = "the largest w_iq·h_jq where x_ij = 0 does not vanish";
            p.close_scalar_or("mu_step", found, (0.0, allowed), note)?;
        }
    }
    Ok(())
}
