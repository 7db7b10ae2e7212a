//! Convolutive models: the updates against the papers' formulas, their laws, and planted patterns.

mod samples;

use ndarray::{Array2, Array3, Axis, s};
use nmf_core::fit::{Plan, fit};
use nmf_core::solver::{Convolutive, Multiplicative, Solver};
use nmf_core::{Backend, Error, Init, Loss, Matrix, Nmf, Norm, Observed, Penalty, Problem, Rule, SolverKind, Start};
use nmf_core::{Silent, Stop};
use nmf_cpu::Cpu;
use samples::{cpu, mask, norm2, sparse, uniform};

/// X ≈ Σ_τ W_τ·H^{→τ}, as it is written in the papers: W m×k×L, H k×n.
fn model(w: &Array3<f64>, h: &Array2<f64>) -> Array2<f64> {
    let (m, k, shifts) = w.dim();
    let n = h.ncols();
    let mut v = Array2::zeros((m, n));
    for i in 0..m {
        for j in 0..n {
            for tau in 0..shifts.min(j + 1) {
                for q in 0..k {
                    v[[i, j]] += w[[i, q, tau]] * h[[q, j - tau]];
                }
            }
        }
    }
    v
}

/// One iteration of Smaragdis' updates for a β-divergence: W with the model before, H with the model after.
fn papers_step(x: &Array2<f64>, w: &mut Array3<f64>, h: &mut Array2<f64>, loss: &Loss) {
    let beta = loss.beta().unwrap();
    let parts = |v: &Array2<f64>| (x * &v.mapv(|v| v.powf(beta - 2.0)), v.mapv(|v| v.powf(beta - 1.0)));
    let (m, k, shifts) = w.dim();
    let n = h.ncols();
    let (r, p) = parts(&model(w, h));
    let old = w.clone();
    for i in 0..m {
        for q in 0..k {
            for tau in 0..shifts {
                let sum = |r: &Array2<f64>| (tau..n).map(|j| r[[i, j]] * h[[q, j - tau]]).sum::<f64>();
                w[[i, q, tau]] = old[[i, q, tau]] * (sum(&r) / sum(&p)).powf(loss.exponent());
            }
        }
    }
    let (r, p) = parts(&model(w, h));
    let old = h.clone();
    for q in 0..k {
        for j in 0..n {
            let sum = |r: &Array2<f64>| {
                let term = |tau: usize| (0..m).map(|i| w[[i, q, tau]] * r[[i, j + tau]]).sum::<f64>();
                (0..shifts.min(n - j)).map(term).sum::<f64>()
            };
            h[[q, j]] = old[[q, j]] * (sum(&r) / sum(&p)).powf(loss.exponent());
        }
    }
}

fn start(seed: u64, (m, n, k): (usize, usize, usize), shifts: usize) -> (Array2<f64>, Array2<f64>) {
    (uniform(seed, (m, k * shifts), 0.1, 1.0), uniform(seed + 1, (k, n), 0.1, 1.0))
}

/// Patterns (m × k·L) with values on a third of their places, and rare onsets.
fn planted(seed: u64, (m, n, k): (usize, usize, usize), shifts: usize) -> (Array2<f64>, Array2<f64>) {
    let thin = |seed, dim, keep: f64| {
        let (draw, value) = (uniform(seed, dim, 0.0, 1.0), uniform(seed + 1, dim, 0.3, 1.3));
        Array2::from_shape_fn(dim, |at| if draw[at] < keep { value[at] } else { 0.0 })
    };
    (thin(seed, (m, k * shifts), 0.33), thin(seed + 2, (k, n), 0.08))
}

fn cube(w: &Array2<f64>, k: usize, shifts: usize) -> Array3<f64> {
    w.clone().into_shape_with_order((w.nrows(), k, shifts)).unwrap()
}

#[test]
fn an_iteration_is_that_of_the_papers() {
    let (m, n, k, shifts) = (13, 17, 3, 4);
    let x = uniform(1, (m, n), 0.05, 2.0);
    for beta in [2.0, 1.0, 0.0, 0.5, 1.5, 3.0] {
        let loss = Loss::Beta(beta);
        let (w0, h0) = start(2, (m, n, k), shifts);
        let (mut w, mut h) = (cube(&w0, k, shifts), h0.clone());
        for _ in 0..3 {
            papers_step(&x, &mut w, &mut h, &loss);
        }
        let nmf =
            Nmf::new(k).shifts(shifts).loss(loss.clone()).solver(SolverKind::Mu).start(w0, h0).tol(0.0).max_iter(3);
        let fitted = nmf.fit(&mut cpu(), &x).unwrap();
        assert!((fitted.patterns() - &w).iter().all(|d| d.abs() < 1e-11), "{loss}: W");
        assert!((&fitted.h() - &h).iter().all(|d| d.abs() < 1e-11), "{loss}: H");
        let d: f64 = x.iter().zip(&model(&w, &h)).map(|(x, v)| loss.value(*x, *v)).sum();
        assert!((fitted.divergence() - d).abs() < 1e-9 * d, "{loss}: {} for {d}", fitted.divergence());
    }
}

#[test]
fn one_shift_is_the_plain_update() {
    let (m, n, k) = (21, 30, 4);
    let x = uniform(3, (m, n), 0.05, 2.0);
    let (w, h) = start(4, (m, n, k), 1);
    let start = Start { w, h: h.reversed_axes() };
    for loss in [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(0.5)] {
        let mut b: Cpu<f64> = cpu();
        let problem = Problem::new(&x, loss.clone(), Observed::All).unwrap();
        let data = problem.upload(&mut b).unwrap();
        let rule = Rule::for_loss(&loss);
        let stop = Stop { max_iter: 10, tol: 0.0, ..Stop::default() };
        let plan = Plan { rule_w: rule, rule_h: rule, stop, trace_every: 1, kkt: true, restart: (0, 1) };
        let plain: Box<dyn Solver<Cpu<f64>>> = Box::new(Multiplicative::new(&mut b, (m, n), k).unwrap());
        let shifted: Box<dyn Solver<Cpu<f64>>> = Box::new(Convolutive::new(&mut b, (m, n), k, 1, false).unwrap());
        let [a, c] = [plain, shifted]
            .map(|mut solver| fit(&mut b, &data, &problem, &mut *solver, &start, &plan, &mut Silent).unwrap());
        for (a, c) in [(&a.w, &c.w), (&a.h, &c.h)] {
            assert!((a - c).iter().zip(a).all(|(d, a)| d.abs() <= 1e-13 * a.abs()), "{loss}");
        }
        assert!((a.kkt_residual.unwrap() - c.kkt_residual.unwrap()).abs() < 1e-12);
    }
}

#[test]
fn the_objective_never_rises() {
    let full = Matrix::Dense(uniform(5, (30, 40), 0.05, 2.0));
    let thin = sparse(&samples::thinned(6, (30, 40), 0.7));
    let fixed = uniform(7, (30, 4), 0.0, 1.0);
    let known = mask(8, (30, 40), 0.2);
    let l1 = Penalty { l1: 0.05, l2: 0.0 };
    let check = |nmf: &Nmf<f64>, x: &Matrix<f64>, what: &str| {
        let fitted = nmf.fit(&mut cpu(), x).unwrap_or_else(|e| panic!("{what}: {e}"));
        let slack = 1e-14 * fitted.trace()[0].objective;
        for pair in fitted.trace().windows(2) {
            assert!(pair[1].objective <= pair[0].objective + slack, "{what}: {pair:?}");
        }
        assert!(fitted.objective() < 0.9 * fitted.trace()[0].objective, "{what}");
    };
    for beta in [2.0, 1.0, 0.0, 0.5, 1.5, 3.0] {
        let loss = Loss::Beta(beta);
        let nmf = Nmf::new(3).shifts(4).loss(loss.clone()).solver(SolverKind::Mu).max_iter(40).tol(0.0);
        check(&nmf, &full, &format!("{loss}"));
        check(&nmf.clone().penalty_w(l1).penalty_h(l1), &full, &format!("{loss}, l1"));
        check(&nmf.clone().fix_w(fixed.clone()), &full, &format!("{loss}, a fixed pattern"));
        check(&nmf.clone().weights(known.clone()), &full, &format!("{loss}, masked"));
        if loss.allows_zero() {
            check(&nmf, &thin, &format!("{loss}, sparse"));
        }
        // the exponent that auto takes for 0 ≤ β < 1
        check(&nmf.solver(SolverKind::Auto).trace_every(1), &full, &format!("{loss}, auto"));
    }
}

#[test]
fn planted_patterns_are_found() {
    let (dim, shifts) = ((20, 300, 3), 5);
    let (w, h) = planted(20, dim, shifts);
    let x = model(&cube(&w, dim.2, shifts), &h);
    let nmf = Nmf::new(dim.2).shifts(shifts).loss(Loss::KL).restarts(4).max_iter(1500).tol(0.0).trace_every(0);
    let fitted = nmf.fit(&mut Cpu::new().unwrap(), &x).unwrap();
    assert!(fitted.divergence() < 1e-6 * x.sum(), "{} of {}", fitted.divergence(), x.sum());
    // each planted pattern has its copy, up to scale, order and a delay that an onset takes back
    let unit = |p: &Array2<f64>| p / norm2(p).sqrt();
    let truth = cube(&w, dim.2, shifts);
    for q in 0..dim.2 {
        let wanted = unit(&truth.slice(s![.., q, ..]).to_owned());
        let best =
            fitted.patterns().axis_iter(Axis(1)).map(|p| (unit(&p.to_owned()) * &wanted).sum()).fold(0.0, f64::max);
        assert!(best > 0.999, "pattern {q}: cosine {best}");
    }
}

#[test]
fn fixed_patterns_stay_and_their_onsets_move() {
    let (dim, shifts) = ((20, 120, 3), 4);
    let (w, h) = planted(30, dim, shifts);
    let x = model(&cube(&w, dim.2, shifts), &h) + 1e-3;
    let given = w.slice(s![.., ..2 * shifts]).to_owned();
    let nmf = Nmf::new(dim.2).shifts(shifts).loss(Loss::KL).max_iter(300).tol(0.0).fix_w(given.clone());
    let fitted = nmf.fit(&mut cpu(), &x).unwrap();
    assert_eq!(fitted.w().slice(s![.., ..2 * shifts]), given);
    for q in 0..2 {
        let (found, truth) = (fitted.h().row(q).to_owned(), h.row(q).to_owned());
        let cosine = found.dot(&truth) / (found.dot(&found) * truth.dot(&truth)).sqrt();
        assert!(cosine > 0.98, "onsets of pattern {q}: cosine {cosine}");
    }
}

#[test]
fn h_has_the_gradient_of_its_finite_differences() {
    let (m, n, k, shifts) = (6, 9, 2, 3);
    let x = uniform(40, (m, n), 0.5, 2.0);
    for loss in [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(1.5)] {
        let (w, h) = start(41, (m, n, k), shifts);
        let value = |h: &Array2<f64>| -> f64 {
            x.iter().zip(&model(&cube(&w, k, shifts), h)).map(|(x, v)| loss.value(*x, *v)).sum()
        };
        let mut b: Cpu<f64> = cpu();
        let data = b.upload((&x).into(), 1.0, Observed::All).unwrap();
        let (dw, dh) = (b.factor(w.view()).unwrap(), b.factor(h.t()).unwrap());
        let mut shifted = b.factor(Array2::zeros((n, k * shifts)).view()).unwrap();
        b.unfold(&dh, &mut shifted).unwrap();
        let (mut wide, mut t) = (b.new_terms(n, k * shifts).unwrap(), b.new_terms(n, k).unwrap());
        let set = nmf_core::Accumulate::Set;
        b.terms(&loss, &data, nmf_core::Side::Cols, &shifted, &dw, 1.0, set, &mut wide).unwrap();
        b.fold(&wide, &mut t).unwrap();
        let (num, den) = b.read_terms(&t).unwrap();
        for q in 0..k {
            for j in 0..n {
                let moved = |by: f64| {
                    let mut h = h.clone();
                    h[[q, j]] += by;
                    value(&h)
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let gradient = den[[j, q]] - num[[j, q]];
                assert!((slope - gradient).abs() < 1e-6 * (1.0 + gradient.abs()), "{loss}: {slope} {gradient}");
            }
        }
    }
}

#[test]
fn the_scale_can_move_between_patterns_and_onsets() {
    let (m, n, k, shifts) = (12, 25, 3, 4);
    let x = uniform(50, (m, n), 0.05, 2.0);
    let fitted = Nmf::new(k).shifts(shifts).loss(Loss::KL).fit(&mut cpu(), &x).unwrap();
    let before = model(&fitted.patterns(), &fitted.h().to_owned());
    assert_eq!((fitted.rank(), fitted.shifts(), fitted.w().dim()), (k, shifts, (m, k * shifts)));
    assert!((&fitted.inverse_transform(fitted.w()).unwrap() - &before).iter().all(|d| d.abs() < 1e-12));
    let fitted = fitted.normalized(Norm::WSum);
    for p in fitted.patterns().axis_iter(Axis(1)) {
        assert!((p.sum() - 1.0).abs() < 1e-12);
    }
    assert!((model(&fitted.patterns(), &fitted.h().to_owned()) - before).iter().all(|d| d.abs() < 1e-12));
    // rows of X seen again get the rows of W they had, to the tolerance of the iteration
    let w = fitted.transform(&mut cpu(), &x).unwrap();
    let (again, then) = (fitted.inverse_transform(w.view()).unwrap(), fitted.inverse_transform(fitted.w()).unwrap());
    let d = |v: &Array2<f64>| -> f64 { x.iter().zip(v).map(|(x, v)| Loss::KL.value(*x, *v)).sum() };
    assert!(d(&again) <= d(&then) * 1.0001, "{} {}", d(&again), d(&then));
}

#[test]
fn what_has_no_convolutive_form_is_refused() {
    let x = uniform(60, (12, 25), 0.05, 2.0);
    let fit = |nmf: Nmf<f64>| nmf.fit(&mut cpu(), &x).map(|_| ()).unwrap_err();
    let nmf = Nmf::new(2).shifts(3);
    for kind in SolverKind::ALL.into_iter().filter(|k| !matches!(k, SolverKind::Mu | SolverKind::Mue)) {
        let loss = if kind == SolverKind::Newton { Loss::KL } else { Loss::FRO };
        assert!(matches!(fit(nmf.clone().loss(loss).solver(kind)), Error::Unsupported(_)), "{kind}");
    }
    assert!(matches!(fit(nmf.clone().init(Init::Nndsvda)), Error::Unsupported(_)));
    assert!(matches!(fit(nmf.clone().shifts(0)), Error::Parameter { name: "shifts", .. }));
    assert!(matches!(fit(nmf.clone().shifts(26)), Error::Parameter { name: "shifts", .. }));
    assert!(matches!(fit(nmf.clone().fix_w(Array2::ones((12, 4)))), Error::Rank { .. }));
    assert!(matches!(fit(nmf.clone().start(Array2::ones((12, 2)), Array2::ones((2, 25)))), Error::Shape { .. }));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let x = uniform(70, (150, 200), 0.05, 2.0).mapv(|v| v as f32);
    for loss in [Loss::FRO, Loss::KL, Loss::IS] {
        let nmf = Nmf::<f32>::new(5).shifts(6).loss(loss).max_iter(10).tol(0.0);
        let [one, three] = [1, 3].map(|n| nmf.fit(&mut Cpu::with_threads(n).unwrap(), &x).unwrap());
        assert_eq!((one.w(), one.h()), (three.w(), three.h()));
    }
}
