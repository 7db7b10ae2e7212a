//! The mathematics of `docs/derivation.md`, checked on random positive data.
//!
//! The majorizers F⁺ are written here a second time, from the paper and not from the code: Jensen's inequality with
//! weights λ on the convex part of d(x, ·), a tangent at ζ on the concave part. One row of the problem is
//! F(w) = Σⱼ d(xⱼ, vⱼ), v = H·w, with x of length n, H n×k and w of length k; rows do not interact.

use approx::assert_relative_eq;
use ndarray::{Array, Array1, Array2, ArrayView2, Axis, Dimension, array};
use nmf_core::reference::{self, Dense};
use nmf_core::{Loss, Penalty, Ridge, Rule, Side, Sweep, nnls::Nnls};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BETAS: [f64; 7] = [2.0, 1.0, 0.0, -0.5, 0.5, 1.5, 3.0];

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn random(r: &mut ChaCha8Rng, rows: usize, cols: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, cols), |_| 0.1 + 2.0 * r.random::<f64>())
}

fn dense(x: &Array2<f64>) -> Dense {
    Dense { x: x.clone(), weight: Array2::from_elem(x.dim(), 1.0) }
}

fn rule(beta: f64) -> Rule {
    Rule::for_loss(&Loss::Beta(beta))
}

fn divergence(beta: f64, x: &Array2<f64>, w: &Array2<f64>, h: &Array2<f64>) -> f64 {
    reference::divergence(&Loss::Beta(beta), &dense(x), &w.view(), &h.view(), 1e-300)
}

/// N and D for `f`; `side` says which factor that is.
fn terms(beta: f64, x: &Array2<f64>, side: Side, f: &Array2<f64>, other: &Array2<f64>) -> (Array2<f64>, Array2<f64>) {
    reference::terms(&Loss::Beta(beta), &dense(x), side, &f.view(), &other.view(), 1e-300)
}

/// One multiplicative update of `f` as the reference computes it.
fn mu(beta: f64, rule: &Rule, x: &Array2<f64>, side: Side, f: &mut Array2<f64>, other: &Array2<f64>) {
    let (n, d) = terms(beta, x, side, f, other);
    reference::apply(&n, &d, f, rule, 1e-300, 0.0);
}

/// Equal entry by entry.
fn same<D: Dimension>(a: &Array<f64, D>, b: &Array<f64, D>, tolerance: f64) {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).for_each(|(a, b)| assert_relative_eq!(*a, *b, max_relative = tolerance, epsilon = tolerance));
}

/// One row of the problem.
struct Row {
    beta: f64,
    x: Array1<f64>,
    h: Array2<f64>,
}

/// Auxiliary variables: λ (n×k, rows sum to one) and the tangent points ζ (n).
struct Auxiliary {
    lambda: Array2<f64>,
    zeta: Array1<f64>,
}

impl Row {
    fn random(beta: f64, seed: u64) -> (Row, Array1<f64>) {
        let mut r = rng(seed);
        let row = Row { beta, x: random(&mut r, 1, 7).row(0).to_owned(), h: random(&mut r, 7, 4) };
        (row, random(&mut r, 1, 4).row(0).to_owned())
    }

    fn f(&self, w: &Array1<f64>) -> f64 {
        let loss = Loss::Beta(self.beta);
        self.x.iter().zip(&self.h.dot(w)).map(|(&x, &v)| loss.value(x, v)).sum()
    }

    /// The optimum of the auxiliary variables at w̃: λ = w̃_q·h_q / ṽ and ζ = ṽ.
    fn tight(&self, w: &Array1<f64>) -> Auxiliary {
        let zeta = self.h.dot(w);
        let lambda = Array2::from_shape_fn(self.h.dim(), |(j, q)| w[q] * self.h[[j, q]] / zeta[j]);
        Auxiliary { lambda, zeta }
    }

    /// Convex part, concave part, slope of the concave part, constant, of d(x, ·) at y.
    fn split(&self, x: f64, y: f64) -> [f64; 4] {
        let b = self.beta;
        let constant = || x.powf(b) / (b * (b - 1.0));
        if b == 0.0 {
            [x / y, y.ln(), 1.0 / y, -x.ln() - 1.0]
        } else if b < 1.0 {
            [x * y.powf(b - 1.0) / (1.0 - b), y.powf(b) / b, y.powf(b - 1.0), constant()]
        } else if b <= 2.0 {
            [Loss::Beta(b).value(x, y), 0.0, 0.0, 0.0]
        } else {
            [y.powf(b) / b, -x * y.powf(b - 1.0) / (b - 1.0), -x * y.powf(b - 2.0), constant()]
        }
    }

    /// F⁺(w; λ, ζ).
    fn majorizer(&self, w: &Array1<f64>, aux: &Auxiliary) -> f64 {
        let v = self.h.dot(w);
        let mut sum = 0.0;
        for (j, &x) in self.x.iter().enumerate() {
            for (q, &l) in aux.lambda.row(j).iter().enumerate() {
                sum += l * self.split(x, w[q] * self.h[[j, q]] / l)[0];
            }
            let [_, concave, slope, constant] = self.split(x, aux.zeta[j]);
            sum += concave + slope * (v[j] - aux.zeta[j]) + constant;
        }
        sum
    }

    /// The classical forms for β = 2, 1, 0, each as it is derived on its own.
    fn classical(&self, w: &Array1<f64>, aux: &Auxiliary) -> f64 {
        let v = self.h.dot(w);
        let mut sum = 0.0;
        for (j, &x) in self.x.iter().enumerate() {
            let parts = |g: &dyn Fn(f64, f64) -> f64| -> f64 {
                (0..w.len()).map(|q| g(aux.lambda[[j, q]], w[q] * self.h[[j, q]])).sum()
            };
            sum += match self.beta {
                2.0 => 0.5 * x * x - x * v[j] + 0.5 * parts(&|l, c| c * c / l),
                1.0 => x * x.ln() - x + v[j] - x * parts(&|l, c| l * (c / l).ln()),
                0.0 => x * parts(&|l, c| l * l / c) + aux.zeta[j].ln() + v[j] / aux.zeta[j] - x.ln() - 2.0,
                _ => unreachable!(),
            };
        }
        sum
    }

    /// The multiplicative update of w with exponent γ.
    fn update(&self, w: &Array1<f64>, exponent: f64) -> Array1<f64> {
        let x = self.x.clone().insert_axis(Axis(0));
        let mut f = w.clone().insert_axis(Axis(0));
        mu(self.beta, &Rule { exponent, ..rule(self.beta) }, &x, Side::Rows, &mut f, &self.h);
        f.row(0).to_owned()
    }

    /// ∂g/∂w_q by a central difference, times w_q.
    fn slope(w: &Array1<f64>, q: usize, g: impl Fn(&Array1<f64>) -> f64) -> f64 {
        let e = 1e-5;
        let at = |s: f64| {
            let mut w = w.clone();
            w[q] *= 1.0 + s;
            g(&w)
        };
        (at(e) - at(-e)) / (2.0 * e)
    }
}

fn rows() -> impl Iterator<Item = (Row, Array1<f64>)> {
    BETAS.into_iter().flat_map(|b| (0..20).map(move |s| Row::random(b, s)))
}

#[test]
fn the_majorizer_bounds_the_objective_from_above() {
    for (row, w) in rows() {
        let mut r = rng(99);
        for _ in 0..50 {
            let mut lambda = random(&mut r, 7, 4).mapv(|v| v * v * v);
            lambda.outer_iter_mut().for_each(|mut l| {
                let s = l.sum();
                l /= s;
            });
            let aux = Auxiliary { lambda, zeta: random(&mut r, 1, 7).row(0).mapv(|v| 5.0 * v) };
            let (f, bound) = (row.f(&w), row.majorizer(&w, &aux));
            assert!(bound >= f - 1e-9 * bound.abs(), "β = {}: F⁺ {bound} < F {f}", row.beta);
            if [0.0, 1.0, 2.0].contains(&row.beta) {
                assert_relative_eq!(bound, row.classical(&w, &aux), max_relative = 1e-10);
            }
        }
    }
}

#[test]
fn its_minimum_over_the_auxiliary_variables_is_the_objective() {
    for (row, w) in rows() {
        let f = row.f(&w);
        assert_relative_eq!(row.majorizer(&w, &row.tight(&w)), f, max_relative = 1e-10);
        // and with the gradients equal there, F⁺ touches F without crossing it
        let aux = row.tight(&w);
        for q in 0..w.len() {
            let (a, b) = (Row::slope(&w, q, |w| row.f(w)), Row::slope(&w, q, |w| row.majorizer(w, &aux)));
            assert_relative_eq!(a, b, epsilon = 1e-6, max_relative = 1e-6);
        }
    }
}

#[test]
fn its_minimizer_is_the_multiplicative_update() {
    for (row, w) in rows() {
        let aux = row.tight(&w);
        let g = |w: &Array1<f64>| row.majorizer(w, &aux);
        let new = row.update(&w, Loss::Beta(row.beta).exponent());
        let least = g(&new);
        for q in 0..w.len() {
            assert!(Row::slope(&new, q, g).abs() < 1e-6 * (1.0 + least.abs()), "β = {}: slope", row.beta);
            for s in [0.5, 0.95, 1.05, 2.0] {
                let mut near = new.clone();
                near[q] *= s;
                assert!(g(&near) > least, "β = {}: F⁺ is smaller beside the update", row.beta);
            }
        }
        assert!(row.f(&new) <= least + 1e-10 * least.abs() && least <= row.f(&w), "β = {}", row.beta);
    }
}

/// Descent alone does not notice a dropped exponent for 0 ≤ β < 1, where γ = 1 descends too; the minimum does.
#[test]
fn the_exponent_matters() {
    for (row, w) in rows() {
        let exponent = Loss::Beta(row.beta).exponent();
        let (aux, plain) = (row.tight(&w), row.update(&w, 1.0));
        let (start, least) = (row.f(&w), row.majorizer(&row.update(&w, exponent), &aux));
        let without = row.majorizer(&plain, &aux);
        if exponent == 1.0 {
            assert_eq!(without, least);
        } else {
            assert!(without > least * (1.0 + 1e-9), "β = {}", row.beta);
        }
        match row.beta {
            // Itakura–Saito: γ = 1 stays on the level set of F⁺ ("majorization–equalization"), γ = ½ goes to its bottom
            0.0 => assert_relative_eq!(without, start, max_relative = 1e-10),
            b if 0.0 < b && b <= 2.0 => assert!(without <= start),
            _ => {}
        }
        if (0.0..=2.0).contains(&row.beta) {
            assert!(row.f(&plain) <= start);
        }
    }
    // outside [0, 2] γ = 1 can increase the objective itself
    for (beta, x, h, w) in [
        (5.0, array![0.4, 0.02, 3.2], array![[5.0, 0.7], [0.0, 9.5], [3.0, 4.0]], array![0.1, 0.1]),
        (-2.0, array![1.4, 4.4, 0.014], array![[2.8, 0.002], [0.03, 0.4], [0.13, 0.07]], array![0.25, 0.86]),
    ] {
        let row = Row { beta, x, h };
        let start = row.f(&w);
        assert!(row.f(&row.update(&w, 1.0)) > 1.01 * start, "β = {beta}");
        assert!(row.f(&row.update(&w, Loss::Beta(beta).exponent())) < start, "β = {beta}");
    }
}

#[test]
fn multiplicative_updates_descend() {
    for beta in BETAS {
        for penalty in [Penalty::NONE, Penalty { l1: 0.7, l2: 0.0 }, Penalty { l1: 0.3, l2: 2.0 }] {
            // l2 in the denominator is proven for β ≥ 2, the quadratic root for β = 1
            if penalty.l2 > 0.0 && beta < 2.0 && beta != 1.0 {
                continue;
            }
            let mut r = rng(5);
            let (x, mut w, mut h) = (random(&mut r, 9, 8), random(&mut r, 9, 3), random(&mut r, 8, 3));
            let rule = Rule { penalty, ..rule(beta) };
            let objective = |w: &Array2<f64>, h: &Array2<f64>| {
                divergence(beta, &x, w, h)
                    + reference::penalty(&w.view(), &penalty)
                    + reference::penalty(&h.view(), &penalty)
            };
            let mut last = objective(&w, &h);
            for i in 0..500 {
                mu(beta, &rule, &x, Side::Rows, &mut w, &h);
                let half = objective(&w, &h);
                assert!(half <= last * (1.0 + 1e-12), "β = {beta}, {penalty:?}, step {i}: {last} → {half} (W)");
                mu(beta, &rule, &x, Side::Cols, &mut h, &w);
                last = objective(&w, &h);
                assert!(last <= half * (1.0 + 1e-12), "β = {beta}, {penalty:?}, step {i}: {half} → {last} (H)");
            }
        }
    }
}

/// x = h = 1, one entry w starting at 1, l2 = 100: F(w) = d(1, w) + 50 w².
#[test]
fn l2_in_the_denominator_does_not_descend_for_kl() {
    let f = |w: f64| Loss::KL.value(1.0, w) + 50.0 * w * w;
    let penalty = Penalty { l1: 0.0, l2: 100.0 };
    let path = |ridge: Ridge| {
        let rule = Rule { penalty, ridge, ..rule(1.0) };
        let mut w = 1.0;
        let mut out = vec![f(w)];
        for _ in 0..3 {
            w = reference::apply_entry(w, 1.0 / w, 1.0, &rule, 1e-300, 0.0);
            out.push(f(w));
        }
        out
    };
    let bad = path(Ridge::Denominator);
    for (got, want) in bad.iter().zip([50.0, 3.6, 12.8, 3.0]) {
        assert_relative_eq!(*got, want, epsilon = 0.05);
    }
    let good = path(Ridge::Quadratic);
    assert!(good.windows(2).all(|p| p[1] <= p[0]));
    // F is its own majorizer here, so one step is enough: 100 w² + w = 1
    assert_relative_eq!(good[1], f((401f64.sqrt() - 1.0) / 200.0), max_relative = 1e-12);
}

#[test]
fn a_gradient_step_with_the_right_step_size_is_the_multiplicative_update() {
    let mut r = rng(7);
    let (x, w, h) = (random(&mut r, 6, 5), random(&mut r, 6, 3), random(&mut r, 5, 3));
    // Euclidean: ∇ = W·HᵀH − XH, step w / [W·HᵀH]
    let denominator = w.dot(&h.t().dot(&h));
    let gradient = &denominator - &x.dot(&h);
    let mut updated = w.clone();
    mu(2.0, &rule(2.0), &x, Side::Rows, &mut updated, &h);
    same(&(&w - &(&w / &denominator * &gradient)), &updated, 1e-12);
    // any β with γ = 1: ∇ = D − N, step w / D
    for beta in BETAS {
        let (n, d) = terms(beta, &x, Side::Rows, &w, &h);
        let mut updated = w.clone();
        mu(beta, &Rule { exponent: 1.0, ..rule(beta) }, &x, Side::Rows, &mut updated, &h);
        same(&(&w - &(&w / &d * &(&d - &n))), &updated, 1e-11);
    }
}

#[test]
fn the_gradient_is_denominator_minus_numerator() {
    for beta in BETAS {
        let mut r = rng(11);
        let (x, w, h) = (random(&mut r, 5, 4), random(&mut r, 5, 2), random(&mut r, 4, 2));
        for side in [Side::Rows, Side::Cols] {
            let (f, other) = if side == Side::Rows { (&w, &h) } else { (&h, &w) };
            let (n, d) = terms(beta, &x, side, f, other);
            for ((i, q), &value) in f.indexed_iter() {
                let at = |s: f64| {
                    let mut moved = f.clone();
                    moved[[i, q]] += s;
                    let (w, h) = if side == Side::Rows { (&moved, other) } else { (other, &moved) };
                    divergence(beta, &x, w, h)
                };
                let e = 1e-5 * value;
                let fd = (at(e) - at(-e)) / (2.0 * e);
                assert_relative_eq!(d[[i, q]] - n[[i, q]], fd, epsilon = 1e-6 * d[[i, q]], max_relative = 1e-5);
            }
        }
    }
}

fn kkt(beta: f64, x: &Array2<f64>, w: &Array2<f64>, h: &Array2<f64>) -> f64 {
    let part = |side, f: &Array2<f64>, other| {
        let (n, d) = terms(beta, x, side, f, other);
        reference::kkt(&n, &d, &f.view(), &rule(beta))
    };
    (part(Side::Rows, w, h) + part(Side::Cols, h, w)).sqrt()
}

#[test]
fn the_kkt_residual_vanishes_at_a_stationary_point() {
    let mut on_the_boundary = 0;
    for beta in BETAS {
        let mut r = rng(4);
        let x = random(&mut r, 6, 5).mapv(|v| v * v);
        let (mut w, mut h) = (random(&mut r, 6, 2), random(&mut r, 5, 2));
        let start = kkt(beta, &x, &w, &h);
        for _ in 0..40_000 {
            mu(beta, &rule(beta), &x, Side::Rows, &mut w, &h);
            mu(beta, &rule(beta), &x, Side::Cols, &mut h, &w);
        }
        let end = kkt(beta, &x, &w, &h);
        assert!(end < 1e-6 * start, "β = {beta}: {start:e} → {end:e}");
        on_the_boundary += w.iter().chain(&h).filter(|v| **v < 1e-9).count();
    }
    assert!(on_the_boundary > 0, "the case should also exercise w = 0 with ∇ > 0");
    // and it does not vanish elsewhere: interior with a slope, or at zero with a negative slope
    let one = |w: f64, gradient: f64| {
        reference::kkt(&array![[0.0]], &array![[gradient]], &array![[w]].view(), &rule(2.0)).sqrt()
    };
    assert_eq!([one(0.0, 3.0), one(2.0, 0.0), one(0.0, -3.0), one(2.0, 0.5)], [0.0, 0.0, 3.0, 0.5]);
}

#[test]
fn an_exact_factorization_is_a_fixed_point() {
    for beta in BETAS {
        let mut r = rng(2);
        let (w, h) = (random(&mut r, 7, 3), random(&mut r, 6, 3));
        let x = w.dot(&h.t());
        assert!(divergence(beta, &x, &w, &h).abs() < 1e-12);
        let (mut w2, mut h2) = (w.clone(), h.clone());
        mu(beta, &rule(beta), &x, Side::Rows, &mut w2, &h);
        mu(beta, &rule(beta), &x, Side::Cols, &mut h2, &w);
        same(&w, &w2, 1e-13);
        same(&h, &h2, 1e-13);
    }
}

#[test]
fn scale_moves_between_the_factors_and_the_divergence_is_homogeneous() {
    for beta in BETAS {
        let mut r = rng(8);
        let (x, w, h) = (random(&mut r, 5, 6), random(&mut r, 5, 3), random(&mut r, 6, 3));
        let scale = array![[0.01, 3.0, 400.0]];
        let d = divergence(beta, &x, &w, &h);
        assert_relative_eq!(divergence(beta, &x, &(&w * &scale), &(&h / &scale)), d, max_relative = 1e-12);
        // d(s·x, s·y) = s^β·d(x, y)
        assert_relative_eq!(divergence(beta, &(&x * 7.0), &(&w * 7.0), &h), 7f64.powf(beta) * d, max_relative = 1e-10);
    }
}

/// One KL update of W makes the row sums of the model those of X (EM for PLSA: probabilities stay normalized).
#[test]
fn a_kl_update_reproduces_the_row_sums() {
    let mut r = rng(13);
    let (x, mut w, h) = (random(&mut r, 6, 9), random(&mut r, 6, 3), random(&mut r, 9, 3));
    mu(1.0, &rule(1.0), &x, Side::Rows, &mut w, &h);
    same(&w.dot(&h.t()).sum_axis(Axis(1)), &x.sum_axis(Axis(1)), 1e-12);
}

fn half_squared(x: &Array2<f64>, w: &Array2<f64>, h: &Array2<f64>) -> f64 {
    0.5 * (x - &w.dot(&h.t())).mapv(|v| v * v).sum()
}

#[test]
fn hals_minimizes_over_one_column() {
    let mut r = rng(17);
    let (x, mut w, h) = (random(&mut r, 12, 8), random(&mut r, 12, 4), random(&mut r, 8, 4));
    w *= 0.4; // so that the residual has both signs
    let penalty = Penalty { l1: 1.5, l2: 0.4 };
    let (a, g) = (x.dot(&h), h.t().dot(&h));
    // with the first three columns fixed the sweep is one column, whose minimum must be exact
    let sweep = Sweep::once(Rule { fixed: 3, penalty, ..rule(2.0) });
    reference::hals_sweep(&a.view(), &g.view(), &mut w.view_mut(), &sweep);
    let gradient = w.dot(&g) - &a + penalty.l1 + &w * penalty.l2;
    let (mut zeros, mut inner) = (0, 0);
    for (&v, &slope) in w.column(3).iter().zip(gradient.column(3)) {
        if v > 0.0 {
            assert!(slope.abs() < 1e-10, "{slope}");
            inner += 1;
        } else {
            assert!(slope >= 0.0);
            zeros += 1;
        }
    }
    assert!(zeros > 0 && inner > 0, "{zeros} zeros, {inner} positive");
    // the objective from A and G alone
    let quadratic = reference::quadratic(&a.view(), &g.view(), &w.view());
    assert_relative_eq!(half_squared(&x, &w, &h), 0.5 * x.mapv(|v| v * v).sum() + quadratic, max_relative = 1e-10);
}

#[test]
fn exact_nnls_beats_every_support() {
    let mut r = rng(19);
    for _ in 0..200 {
        let h = random(&mut r, 6, 3);
        let (g, l1) = (h.t().dot(&h), r.random::<f64>());
        let a = Array1::from_shape_fn(3, |_| 12.0 * r.random::<f64>() - 2.0);
        let value = |w: &Array1<f64>| 0.5 * w.dot(&g.dot(w)) - a.dot(w) + l1 * w.sum();
        let mut w = Array1::zeros(3);
        Nnls::new(&g.view(), &Penalty { l1, l2: 0.0 }).solve(a.view(), &mut w.view_mut());
        assert!(w.iter().all(|&v| v >= 0.0));
        let best = value(&w);
        // coordinate descent to convergence, and random competitors
        let mut z = Array1::<f64>::ones(3);
        for _ in 0..5000 {
            for q in 0..3 {
                z[q] = (z[q] - (g.row(q).dot(&z) - a[q] + l1) / g[[q, q]]).max(0.0);
            }
        }
        assert_relative_eq!(best, value(&z), epsilon = 1e-9, max_relative = 1e-9);
        for _ in 0..50 {
            let other = Array1::from_shape_fn(3, |q| (w[q] + r.random::<f64>() - 0.5).max(0.0));
            assert!(value(&other) >= best - 1e-9);
        }
    }
}

/// −log p(x | v), with every constant, for the three noises.
#[test]
fn divergences_are_negative_log_likelihoods() {
    let pi = std::f64::consts::PI;
    let log_factorial = |n: u32| (1..=n).map(|i| f64::from(i).ln()).sum::<f64>();
    let mut r = rng(23);
    for _ in 0..200 {
        let mut positive = || 0.1 + 5.0 * r.random::<f64>();
        let (x, v1, v2, sigma) = (positive(), positive(), positive(), positive());
        let count = (4.0 * x).floor() as u32;
        let shape = count + 1; // the α of the gamma distribution
        let alpha = f64::from(shape);
        let gaussian = |v: f64| (x - v).powi(2) / (2.0 * sigma * sigma) + 0.5 * (2.0 * pi * sigma * sigma).ln();
        let poisson = |v: f64| v - f64::from(count) * v.ln() + log_factorial(count);
        // x = v·ε, ε ~ Gamma(α, mean 1): p(x) = (α/v)^α x^(α−1) e^(−αx/v) / Γ(α)
        let gamma =
            |v: f64| alpha * (v / alpha).ln() - (alpha - 1.0) * x.ln() + alpha * x / v + log_factorial(shape - 1);
        let d = |loss: Loss, x: f64| loss.value(x, v1) - loss.value(x, v2);
        let close = |a: f64, b: f64| assert_relative_eq!(a, b, epsilon = 1e-9, max_relative = 1e-9);
        close(gaussian(v1) - gaussian(v2), d(Loss::FRO, x) / (sigma * sigma));
        close(poisson(v1) - poisson(v2), d(Loss::KL, f64::from(count)));
        close(gamma(v1) - gamma(v2), alpha * d(Loss::IS, x));
    }
}

/// HALS to convergence from one random start; squared error and factors.
fn hals(x: &Array2<f64>, k: usize, seed: u64) -> (f64, Array2<f64>, Array2<f64>) {
    let mut r = rng(seed);
    let (mut w, mut h) = (random(&mut r, x.nrows(), k), random(&mut r, x.ncols(), k));
    let sweep = Sweep::once(rule(2.0));
    let gram = |f: &ArrayView2<'_, f64>| reference::gram(f);
    for _ in 0..1000 {
        reference::hals_sweep(&x.dot(&h).view(), &gram(&h.view()).view(), &mut w.view_mut(), &sweep);
        reference::hals_sweep(&x.t().dot(&w).view(), &gram(&w.view()).view(), &mut h.view_mut(), &sweep);
    }
    (2.0 * half_squared(x, &w, &h), w, h)
}

/// The tables of `data/small`.
#[test]
fn the_small_tables_reach_their_known_errors() {
    let exact = [
        (
            array![[2.0, 3.0], [1.0, 1.0], [1.0, 0.0], [1.0, 2.0]],
            array![[1.0, 2.0, 2.0, 0.0, 3.0], [1.0, 0.0, 2.0, 1.0, 2.0]],
        ),
        (
            array![[1.0, 1.0], [0.0, 1.0], [2.0, 0.0], [3.0, 0.0]],
            array![[1.0, 0.0, 2.0, 2.0, 0.0], [0.0, 1.0, 0.0, 1.0, 1.0]],
        ),
    ];
    for (w, h) in exact {
        let x: Array2<f64> = w.dot(&h);
        for seed in 0..5 {
            assert!(hals(&x, 2, seed).0 < 1e-12);
        }
    }
    let digits = [
        "301000000010",
        "300100000001",
        "201000000010",
        "100100000000",
        "000210100000",
        "002033200100",
        "010000012112",
        "020002001100",
        "010011011200",
    ];
    let words = Array2::from_shape_fn((9, 12), |(i, j)| f64::from(digits[i].as_bytes()[j] - b'0'));
    for seed in 0..5 {
        let (error, w, h) = hals(&words, 3, seed);
        assert_relative_eq!(error, 16.03981805, epsilon = 1e-6);
        // every word to the component where it weighs most, components scaled to the same sum over the documents
        let weight = &w * &h.sum_axis(Axis(0));
        let group = |i: usize| (0..3).max_by(|&a, &b| weight[[i, a]].total_cmp(&weight[[i, b]])).unwrap();
        for words in [&[0, 1, 2, 3][..], &[4, 5], &[6, 7, 8]] {
            assert!(words.iter().all(|&i| group(i) == group(words[0])));
        }
        assert!(group(0) != group(4) && group(4) != group(6) && group(0) != group(6));
    }
}
