//! What each solver promises: descent, the same minimum as the others, a fresh state for each run.

mod samples;

use ndarray::{Array2, s};
use nmf_core::solver::MuExponent;
use nmf_core::{Init, Loss, Matrix, Nmf, Observed, Penalty, SolverKind};
use samples::{cpu, mask, norm2, planted, sparse, thinned, uniform};

const NONE: Penalty = Penalty::NONE;
const L1: Penalty = Penalty { l1: 0.05, l2: 0.0 };
const BOTH: Penalty = Penalty { l1: 0.02, l2: 0.4 };

/// The objective after each iteration never exceeds the one before, but for rounding of sums of the start's size.
fn assert_descends<T: nmf_cpu::Real>(nmf: &Nmf<T>, x: &Matrix<T>, what: &str) {
    let fitted = nmf.fit(&mut cpu(), x).unwrap_or_else(|e| panic!("{what}: {e}"));
    let trace = fitted.trace();
    assert!(trace.len() > 20, "{what}: {} objectives", trace.len());
    let slack = 16.0 * T::EPS * trace[0].objective;
    for pair in trace.windows(2) {
        assert!(pair[1].objective <= pair[0].objective + slack, "{what}: {pair:?}");
    }
}

/// What a monotone solver minimizes.
fn losses(kind: SolverKind) -> Vec<Loss> {
    match kind {
        SolverKind::Mu => [2.0, 1.0, 0.0, 0.5, 1.5, 3.0].map(Loss::Beta).to_vec(),
        SolverKind::Newton => vec![Loss::KL],
        _ => vec![Loss::FRO],
    }
}

fn penalties(loss: &Loss, kind: SolverKind) -> Vec<Penalty> {
    let ridge = kind != SolverKind::Mu || loss.is_kl() || loss.beta().is_some_and(|b| b >= 2.0);
    if ridge { vec![NONE, L1, BOTH] } else { vec![NONE, L1] }
}

#[test]
fn monotone_solvers_never_raise_the_objective() {
    let full = Matrix::Dense(uniform(1, (30, 24), 0.05, 2.0));
    let thin = sparse(&thinned(2, (30, 24), 0.7));
    let fixed = uniform(3, (30, 1), 0.0, 1.0);
    for kind in SolverKind::ALL.into_iter().filter(|k| k.is_monotone()) {
        for loss in losses(kind) {
            for p in penalties(&loss, kind) {
                let nmf = Nmf::new(4).loss(loss.clone()).solver(kind).init(Init::Random).penalty_w(p).penalty_h(p);
                let nmf = nmf.max_iter(40).tol(0.0);
                let what = format!("{kind}, {loss}, {p:?}");
                assert_descends(&nmf, &full, &what);
                assert_descends(&nmf.clone().fix_w(fixed.clone()), &full, &format!("{what}, fixed W"));
                let h = fixed.slice(s![..24, ..]).t().to_owned();
                assert_descends(&nmf.clone().fix_h(h), &full, &format!("{what}, fixed H"));
                if loss.allows_zero() {
                    assert_descends(&nmf, &thin, &format!("{what}, sparse"));
                }
            }
        }
    }
}

#[test]
fn monotone_solvers_descend_in_f32_as_well() {
    let x = Matrix::Dense(uniform(1, (30, 24), 0.05, 2.0).mapv(|v| v as f32));
    for kind in SolverKind::ALL.into_iter().filter(|k| k.is_monotone()) {
        for loss in losses(kind) {
            let nmf = Nmf::<f32>::new(4).loss(loss.clone()).solver(kind).init(Init::Random).max_iter(40).tol(0.0);
            assert_descends(&nmf, &x, &format!("{kind}, {loss}, f32"));
        }
    }
}

#[test]
fn monotone_solvers_never_raise_a_weighted_objective() {
    let dim = (30, 24);
    let weights = mask(5, dim, 0.3) * uniform(6, dim, 0.2, 3.0);
    for (kind, losses) in
        [(SolverKind::Mu, vec![Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(0.5)]), (SolverKind::Newton, vec![Loss::KL])]
    {
        for loss in losses {
            for p in penalties(&loss, kind) {
                let nmf = Nmf::new(4).loss(loss.clone()).solver(kind).init(Init::Random).penalty_w(p).penalty_h(p);
                let nmf = nmf.max_iter(40).tol(0.0);
                let what = format!("{kind}, {loss}, {p:?}");
                let full = Matrix::Dense(uniform(1, dim, 0.05, 2.0));
                let thin = sparse(&thinned(2, dim, 0.6));
                assert_descends(&nmf.clone().weights(mask(7, dim, 0.4)), &full, &format!("{what}, mask"));
                assert_descends(&nmf.clone().weights(weights.clone()), &full, &format!("{what}, weights"));
                let stored = nmf.clone().observed(Observed::Stored);
                assert_descends(&stored, &thin, &format!("{what}, stored entries"));
                assert_descends(&stored.weights(weights.clone()), &thin, &format!("{what}, stored and weighted"));
                let shuffled = if kind == SolverKind::Newton { nmf.shuffle(3) } else { nmf };
                let zeros = loss.allows_zero();
                if zeros {
                    assert_descends(&shuffled.weights(weights.clone()), &thin, &format!("{what}, sparse and weighted"));
                }
            }
        }
    }
}

#[test]
fn clipped_least_squares_can_rise_where_the_exact_one_does_not() {
    let mut rises = 0;
    for seed in 0..10 {
        let x = Matrix::Dense(thinned(40 + seed, (25, 20), 0.5));
        let nmf = |kind| Nmf::new(6).solver(kind).init(Init::Random).seed(seed).max_iter(30).tol(0.0);
        let als = nmf(SolverKind::Als).fit(&mut cpu(), &x).unwrap();
        let slack = 1e-9 * als.trace()[0].objective;
        rises += usize::from(als.trace().windows(2).any(|p| p[1].objective > p[0].objective + slack));
        assert_descends(&nmf(SolverKind::AnlsBpp), &x, "anls-bpp");
    }
    assert!(rises > 0, "als did not rise on any of ten matrices: its description is too harsh");
}

#[test]
fn fro_solvers_meet_at_an_exact_factorization() {
    let (w, h) = planted(11, (30, 25, 3));
    let truth = w.dot(&h);
    for x in [Matrix::Dense(truth.clone()), sparse(&truth)] {
        for (kind, iterations) in [
            (SolverKind::Hals, 3000),
            (SolverKind::AHals, 3000),
            (SolverKind::EHals, 1000),
            (SolverKind::AnlsBpp, 3000),
            (SolverKind::Pg, 3000),
        ] {
            let nmf = Nmf::new(3).solver(kind).init(Init::Random).seed(2).max_iter(iterations).tol(0.0).trace_every(0);
            let fitted = nmf.kkt(true).fit(&mut cpu(), &x).unwrap();
            // summed here: on sparse data the divergence is a difference of large sums
            let error = norm2(&(&truth - &fitted.w().dot(&fitted.h()))) / norm2(&truth);
            let kkt = fitted.kkt_residual().unwrap();
            assert!(error < 1e-20, "{kind}: relative squared error {error:e}");
            assert!(kkt < 1e-9, "{kind}: KKT residual {kkt:e}");
        }
    }
}

#[test]
fn fro_solvers_meet_where_one_factor_is_fixed() {
    // convex in W: one minimum
    let (x, h) = (thinned(21, (30, 25), 0.3), uniform(22, (4, 25), 0.0, 1.0));
    for p in [NONE, L1, BOTH] {
        let fit = |kind, iterations| {
            let nmf = Nmf::new(4).solver(kind).init(Init::Random).fix_h(h.clone()).penalty_w(p);
            nmf.max_iter(iterations).tol(0.0).trace_every(0).fit(&mut cpu(), &x).unwrap().objective()
        };
        // exact in one iteration
        let exact = fit(SolverKind::AnlsBpp, 1);
        for kind in [SolverKind::Hals, SolverKind::AHals, SolverKind::EHals, SolverKind::Pg] {
            let found = fit(kind, 500);
            assert!((found - exact).abs() <= 1e-12 * exact, "{kind}, {p:?}: {found} and {exact}");
        }
        for kind in [SolverKind::Mu, SolverKind::Mue] {
            let found = fit(kind, 20_000);
            assert!((found - exact).abs() <= 1e-6 * exact, "{kind}, {p:?}: {found} and {exact}");
        }
    }
}

#[test]
fn kl_solvers_meet_where_one_factor_is_fixed() {
    let (x, h) = (thinned(31, (30, 25), 0.4), uniform(32, (4, 25), 0.05, 1.0));
    for x in [Matrix::Dense(x.clone()), sparse(&x)] {
        for p in [NONE, L1, BOTH] {
            let fit = |kind, iterations| {
                let nmf = Nmf::new(4).loss(Loss::KL).solver(kind).init(Init::Random).fix_h(h.clone()).penalty_w(p);
                let nmf = nmf.max_iter(iterations).tol(0.0).trace_every(0).kkt(true);
                nmf.fit(&mut cpu(), &x).unwrap()
            };
            let newton = fit(SolverKind::Newton, 400);
            assert!(newton.kkt_residual().unwrap() < 1e-10, "{p:?}: {:?}", newton.kkt_residual());
            for kind in [SolverKind::Mu, SolverKind::Mue] {
                let found = fit(kind, 10_000).objective();
                let off = (found - newton.objective()) / found;
                // what is zero at the minimum is left at a pace of 1/iterations by multiplicative updates
                assert!((-1e-12..1e-6).contains(&off), "{kind}, {p:?}: {found} and {}", newton.objective());
            }
        }
    }
}

/// A solver serves all restarts of a fit: each must be what a fit of its own gives.
#[test]
fn restarts_are_the_same_as_fresh_fits() {
    let x = thinned(51, (26, 22), 0.2);
    for kind in SolverKind::ALL {
        let loss = if kind == SolverKind::Newton { Loss::KL } else { Loss::FRO };
        let mut nmf = Nmf::new(3).loss(loss).solver(kind).init(Init::Random).seed(7).max_iter(15).tol(0.0);
        if matches!(kind, SolverKind::Hals | SolverKind::EHals | SolverKind::Newton) {
            nmf = nmf.shuffle(9);
        }
        let together = nmf.clone().restarts(3).fit(&mut cpu(), &x).unwrap();
        let alone = |seed| nmf.clone().seed(seed).fit(&mut cpu(), &x).unwrap().objective();
        assert_eq!(together.objectives(), [alone(7), alone(8), alone(9)], "{kind}");
    }
    let nmf = Nmf::new(3).sparseness(Some(0.5), None).init(Init::Random).seed(7).max_iter(15).tol(0.0);
    let together = nmf.clone().restarts(2).fit(&mut cpu(), &x).unwrap();
    let alone = |seed| nmf.clone().seed(seed).fit(&mut cpu(), &x).unwrap().objective();
    assert_eq!(together.objectives(), [alone(7), alone(8)], "with a sparseness");
}

#[test]
fn gradient_descent_descends_by_tiny_steps_and_fails_politely_by_huge_ones() {
    let x = Matrix::Dense(uniform(61, (20, 15), 0.1, 2.0));
    for loss in [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(1.5)] {
        let nmf = Nmf::new(3).loss(loss.clone()).solver(SolverKind::Gd).init(Init::Random).max_iter(50).tol(0.0);
        assert_descends(&nmf.clone().step(1e-6), &x, &format!("gd, {loss}"));
        for step in [1e3, 1e150, 1e300] {
            if let Ok(fitted) = nmf.clone().step(step).fit(&mut cpu(), &x) {
                let rises = fitted.trace().windows(2).any(|p| p[1].objective > p[0].objective);
                assert!(rises && fitted.objective().is_finite(), "{loss}, step {step}");
            }
        }
    }
}

#[test]
fn the_fast_exponent_descends_and_takes_no_more_iterations() {
    let x = Matrix::Dense(uniform(71, (30, 24), 0.05, 2.0));
    for loss in [Loss::IS, Loss::Beta(0.5)] {
        let nmf = |exponent| {
            let nmf = Nmf::new(4).loss(loss.clone()).solver(SolverKind::Mu).mu_exponent(exponent).init(Init::Random);
            nmf.max_iter(300).tol(0.0)
        };
        assert_descends(&nmf(MuExponent::Fast), &x, &format!("{loss}, γ = 1"));
        let objectives = |exponent| nmf(exponent).fit(&mut cpu(), &x).unwrap();
        let (fast, proven) = (objectives(MuExponent::Fast), objectives(MuExponent::Proven));
        // iterations until the proven exponent's objective after 100 is reached
        let goal = proven.trace()[100].objective;
        let needed = fast.trace().iter().position(|p| p.objective <= goal);
        assert!(needed.is_some_and(|n| n <= 100), "{loss}: {needed:?} iterations instead of 100");
    }
}

#[test]
fn the_start_of_a_factor_does_not_leak_into_fixed_parts() {
    let x = thinned(81, (26, 22), 0.2);
    let (w, h) = (uniform(82, (26, 2), 0.1, 1.0), uniform(83, (1, 22), 0.1, 1.0));
    for kind in SolverKind::ALL {
        let loss = if kind == SolverKind::Newton { Loss::KL } else { Loss::FRO };
        let nmf = Nmf::new(4).loss(loss).solver(kind).init(Init::Random).max_iter(12).tol(0.0);
        let fitted = nmf.clone().fix_w(w.clone()).fix_h(h.clone()).fit(&mut cpu(), &x).unwrap();
        let close = |a: Array2<f64>, b: &Array2<f64>| norm2(&(&a - b)) <= 1e-28 * norm2(b);
        assert!(close(fitted.w().slice(s![.., ..2]).to_owned(), &w), "{kind}: W");
        assert!(close(fitted.h().slice(s![..1, ..]).to_owned(), &h), "{kind}: H");
    }
}
