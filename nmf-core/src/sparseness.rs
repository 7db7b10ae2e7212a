//! Factors of a given sparseness.
//!
//! Hoyer's measure of a vector of length n is (√n − ‖v‖₁/‖v‖₂)/(√n − 1): 0 where all entries are equal, 1 where one is
//! not zero. The vectors of a given measure form a cone, and gradient steps of length 1/L followed by the projection
//! onto it never increase a quadratic whose curvature is at most L: the step minimizes the quadratic's upper bound
//! ⟨∇, d⟩ + ½L‖d‖² over the cone.
//!
//! Reference: P. O. Hoyer, "Non-negative matrix factorization with sparseness constraints", JMLR 5, 2004 (the
//! projection, §3.2; his line search is replaced by the step that needs none).

use crate::{Element, Rule};
use ndarray::{Array2, ArrayView2};

/// Replaces `x` by the nearest vector ≥ 0 whose Hoyer measure is `sparseness` ∈ [0, 1].
///
/// The direction u with ‖u‖₂ = 1 and ‖u‖₁ = √n − s(√n − 1) that is nearest to x is found by Hoyer's alternation: onto
/// the hyperplane of the sum, away from its centre onto the sphere, negative entries to zero. Its length is ⟨x, u⟩. Where
/// that is not positive, nothing of this sparseness lies in x's direction and the result is zero.
pub fn project(x: &mut [f64], sparseness: f64) {
    let n = x.len() as f64;
    let largest = x.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if x.len() < 2 || largest == 0.0 {
        x.iter_mut().for_each(|v| *v = v.max(0.0));
        return;
    }
    let sum = n.sqrt() - sparseness.clamp(0.0, 1.0) * (n.sqrt() - 1.0);
    // the direction of x decides, however short x is
    let mut u: Vec<f64> = x.iter().map(|v| v / largest).collect();
    let mut zero = vec![false; x.len()];
    loop {
        to_sphere(&mut u, &zero, sum);
        let mut negative = false;
        for (u, z) in u.iter_mut().zip(&mut zero).filter(|(u, _)| **u < 0.0) {
            (*u, *z, negative) = (0.0, true, true);
        }
        if !negative {
            break;
        }
    }
    let length = x.iter().zip(&u).map(|(x, u)| x * u).sum::<f64>().max(0.0);
    x.iter_mut().zip(&u).for_each(|(x, u)| *x = length * u);
}

/// Moves the entries that are not `zero` to the nearest ones with this sum and ‖u‖₂ = 1.
fn to_sphere(u: &mut [f64], zero: &[bool], sum: f64) {
    let left = zero.iter().filter(|z| !**z).count() as f64;
    let (mean, centre) = (u.iter().sum::<f64>() / left, sum / left);
    let mut away = |f: &dyn Fn(usize, f64) -> f64| {
        u.iter_mut().enumerate().zip(zero).filter(|(_, z)| !**z).for_each(|((i, u), _)| *u = f(i, *u));
        u.iter().zip(zero).filter(|(_, z)| !**z).map(|(u, _)| u * u).sum::<f64>()
    };
    let mut squares = away(&|_, u| u - mean);
    if squares == 0.0 {
        // all equal: the first of them leads, within the hyperplane
        let first = zero.iter().position(|z| !z);
        squares = away(&|i, _| if Some(i) == first { 1.0 - 1.0 / left } else { -1.0 / left });
    }
    // ‖u‖² = ‖centre‖² + α²·squares; where nothing is left for α, the sphere touches the hyperplane at the centre alone
    let room = 1.0 - sum * sum / left;
    let alpha = if room > 4.0 * f64::EPSILON && squares > 0.0 { (room / squares).sqrt() } else { 0.0 };
    away(&|_, u| centre + alpha * u);
}

/// [`crate::Backend::impose_sparseness`] on the host.
pub fn descend<T: Element>(
    cross: &ArrayView2<'_, T>,
    gram: &ArrayView2<'_, T>,
    f: &mut Array2<T>,
    sparseness: f64,
    steps: usize,
    rule: &Rule,
) {
    let fixed = rule.fixed.min(f.ncols());
    let (l1, l2) = (rule.penalty.l1, rule.penalty.l2);
    let (a, g) = (cross.mapv(|v| v.f64()), gram.mapv(|v| v.f64()));
    let mut w = f.mapv(|v| v.f64());
    let curvature = g.rows().into_iter().map(|r| r.iter().map(|v| v.abs()).sum::<f64>()).fold(0.0, f64::max) + l2;
    for step in 0..=steps {
        if step > 0 && curvature > 0.0 {
            let gradient = w.dot(&g) - &a + l1 + &w * l2;
            w.scaled_add(-1.0 / curvature, &gradient);
        }
        for (q, mut column) in w.columns_mut().into_iter().enumerate() {
            if q < fixed {
                column.iter_mut().zip(f.column(q)).for_each(|(w, old)| *w = old.f64());
            } else if step > 0 || steps == 0 {
                let mut values = column.to_vec();
                project(&mut values, sparseness);
                // a component that died keeps a place to come back from, of the right shape
                if values.iter().all(|v| *v == 0.0) {
                    values = column.iter().map(|v| v - column.iter().fold(0.0f64, |m, v| m.min(*v)) + 1.0).collect();
                    project(&mut values, sparseness);
                    values.iter_mut().for_each(|v| *v *= T::FLOOR.f64());
                }
                column.iter_mut().zip(values).for_each(|(w, v)| *w = v);
            }
        }
    }
    *f = w.mapv(T::of);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Loss, Sparseness};
    use rand::{RngExt, SeedableRng};

    fn measure(v: &[f64]) -> f64 {
        Sparseness::of_columns(&ArrayView2::from_shape((v.len(), 1), v).unwrap()).hoyer
    }

    #[test]
    fn projections_have_the_sparseness_and_stay_put() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for n in [2, 3, 10, 500] {
            for s in [0.0, 0.1, 0.5, 0.8, 0.99, 1.0] {
                let mut x: Vec<f64> = (0..n).map(|_| rng.random::<f64>() * 3.0 - 0.5).collect();
                project(&mut x, s);
                assert!(x.iter().all(|v| *v >= 0.0));
                assert!((measure(&x) - s).abs() < 1e-9, "n = {n}, s = {s}: {}", measure(&x));
                let once = x.clone();
                project(&mut x, s);
                assert!(x.iter().zip(&once).all(|(a, b)| (a - b).abs() < 1e-9 * (1.0 + b.abs())));
            }
        }
        // equal entries have no nearest direction: any will do
        for s in [0.0, 0.3, 0.7, 1.0] {
            for mut flat in [vec![1.0; 9], vec![0.1; 7], vec![1.0, 1.0, -3.0, 1.0]] {
                project(&mut flat, s);
                assert!((measure(&flat) - s).abs() < 1e-9, "s = {s}: {}", measure(&flat));
            }
        }
    }

    #[test]
    fn projections_scale_with_their_argument() {
        let x = [3.0, -1.0, 2.5, 0.25, 1.0];
        let mut one = x;
        project(&mut one, 0.6);
        for scale in [1e-40, 1e-16, 1e20] {
            let mut other = x.map(|v| v * scale);
            project(&mut other, 0.6);
            assert!(one.iter().zip(&other).all(|(a, b)| (a * scale - b).abs() <= 1e-14 * scale), "{one:?} {other:?}");
        }
    }

    #[test]
    fn no_other_vector_of_that_sparseness_is_nearer() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let x: Vec<f64> = (0..6).map(|_| rng.random::<f64>() * 2.0 - 0.3).collect();
        let mut best = x.clone();
        project(&mut best, 0.6);
        let distance = |v: &[f64]| v.iter().zip(&x).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        for _ in 0..20_000 {
            let mut other: Vec<f64> = best.iter().map(|v| v + 0.6 * (rng.random::<f64>() - 0.5)).collect();
            project(&mut other, 0.6);
            assert!(distance(&other) >= distance(&best) - 1e-9);
        }
    }

    #[test]
    fn steps_descend() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let mut random = |m, n| Array2::from_shape_fn((m, n), |_| rng.random::<f64>());
        let (x, h, mut w) = (random(20, 15), random(15, 4), random(20, 4));
        let (a, g) = (x.dot(&h), h.t().dot(&h));
        let rule = Rule { fixed: 1, ..Rule::for_loss(&Loss::FRO) };
        let fixed = w.column(0).to_owned();
        descend(&a.view(), &g.view(), &mut w, 0.6, 0, &rule);
        let error = |w: &Array2<f64>| (&x - w.dot(&h.t())).mapv(|v| v * v).sum();
        let mut last = error(&w);
        for _ in 0..50 {
            descend(&a.view(), &g.view(), &mut w, 0.6, 1, &rule);
            assert!(error(&w) <= last * (1.0 + 1e-12), "{} after {last}", error(&w));
            last = error(&w);
        }
        assert_eq!(w.column(0), fixed);
        assert!((1..4).all(|q| (measure(&w.column(q).to_vec()) - 0.6).abs() < 1e-9));
    }
}
