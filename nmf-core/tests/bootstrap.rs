//! The bootstrap: exact models, known spreads, layouts, masks, fixed parts.

use ndarray::{Array2, Axis, s};
use nmf_core::stability::{Bootstrap, bootstrap, cosines};
use nmf_core::{Error, Fitted, Flow, Loss, Matrix, Nmf, Norm, Observed, SolverKind, Sparse};
use nmf_cpu::Cpu;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn cpu() -> Cpu<f64> {
    Cpu::with_threads(1).unwrap()
}

/// Uniform in [lo, hi), a share of the entries zero.
fn part(seed: u64, dim: (usize, usize), (lo, hi): (f64, f64), zeros: f64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_fn(dim, |_| {
        let (draw, value): (f64, f64) = (rng.random(), rng.random());
        if draw < zeros { 0.0 } else { lo + (hi - lo) * value }
    })
}

fn normal(seed: u64, dim: (usize, usize)) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_fn(dim, |_| {
        let r = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        r * (std::f64::consts::TAU * rng.random::<f64>()).cos()
    })
}

/// W (m×3) with rows of one component alone, H (3×n) with columns of one component alone, which makes W·H unique.
fn unique(seed: u64, m: usize, n: usize) -> (Array2<f64>, Array2<f64>) {
    let (mut w, mut h) = (part(seed, (m, 3), (0.5, 1.5), 0.4), part(seed + 1, (3, n), (0.5, 1.5), 0.2));
    for i in 0..6 {
        for q in (0..3).filter(|q| *q != i % 3) {
            w[[i, q]] = 0.0;
            h[[q, i]] = 0.0;
        }
        w[[i, i % 3]] = 1.0;
        h[[i % 3, i]] = 1.0;
    }
    (w, h)
}

fn run(nmf: &Nmf<f64>, x: &Matrix<f64>, resamples: usize, seed: u64) -> (Fitted<f64>, Bootstrap) {
    let fitted = nmf.fit(&mut cpu(), x).unwrap();
    let found = bootstrap(&mut cpu(), x.view(), nmf, &fitted, resamples, seed, &mut |_| Flow::Continue).unwrap();
    assert_eq!(found.resamples, resamples);
    (fitted, found)
}

/// The spread is nothing but rounding, relative to the largest entry, and the mean is the reference's H.
fn assert_exact(fitted: &Fitted<f64>, found: &Bootstrap, tolerance: f64) {
    let largest = fitted.h().iter().fold(0.0f64, |a, b| a.max(*b));
    let worst = |a: &Array2<f64>| a.iter().fold(0.0f64, |a, b| a.max(b.abs())) / largest;
    for d in [found.deviation.clone(), &found.mean - &fitted.h(), &found.low - &fitted.h(), &found.high - &fitted.h()] {
        assert!(worst(&d) < tolerance, "{:e}", worst(&d));
    }
    assert!(found.similarity.iter().all(|c| (c - 1.0).abs() < tolerance), "{:?}", found.similarity);
}

#[test]
fn an_exact_model_has_no_spread() {
    let (w, h) = unique(1, 40, 25);
    let x = Matrix::Dense(w.dot(&h));
    for (loss, solver, tolerance) in [
        (Loss::FRO, SolverKind::EHals, 1e-12),
        (Loss::FRO, SolverKind::AnlsBpp, 1e-12),
        (Loss::KL, SolverKind::Newton, 1e-9),
    ] {
        let nmf = Nmf::new(3).loss(loss).solver(solver).start(w.clone(), h.clone());
        let (fitted, found) = run(&nmf, &x, 10, 5);
        assert_exact(&fitted, &found, tolerance);
        // the scale of the reference does not matter
        let fitted = fitted.normalized(Norm::WSum);
        let found = bootstrap(&mut cpu(), x.view(), &nmf, &fitted, 10, 5, &mut |_| Flow::Continue).unwrap();
        assert_exact(&fitted, &found, tolerance);
    }
    // Multiplicative updates start a thousandth of the mean above zero. Under kl they come down again as fast as a power, under fro
    // as slowly as 1/t.
    for (loss, solver, tolerance) in
        [(Loss::KL, SolverKind::Mue, 1e-9), (Loss::KL, SolverKind::Mu, 1e-9), (Loss::FRO, SolverKind::Mu, 1e-3)]
    {
        let nmf = Nmf::new(3).loss(loss).solver(solver).start(w.clone(), h.clone()).tol(0.0).max_iter(200);
        let (fitted, found) = run(&nmf, &x, 4, 5);
        assert_exact(&fitted, &found, tolerance);
    }
}

/// X = whᵀ + σE. To first order ĥ − h at the scale nearest to h is the part of Eᵀw/‖w‖² that is orthogonal to h, so that entry j has
/// the variance σ²/‖w‖²·(1 − hⱼ²/‖h‖²).
#[test]
fn the_deviation_of_one_component_is_that_of_theory() {
    let (m, n, sigma) = (300, 20, 0.05);
    let (w, h) = (part(2, (m, 1), (1.0, 2.0), 0.0), part(3, (1, n), (1.0, 2.0), 0.0));
    let x = w.dot(&h) + sigma * normal(4, (m, n));
    let (fitted, found) = run(&Nmf::new(1).tol(1e-12).max_iter(500), &Matrix::Dense(x), 400, 1);
    let h = fitted.h();
    let (w2, h2) = (fitted.w().iter().map(|v| v * v).sum::<f64>(), h.iter().map(|v| v * v).sum::<f64>());
    let expected = h.mapv(|v| sigma * sigma / w2 * (1.0 - v * v / h2));
    let got = found.deviation.mapv(|d| d * d);
    // 400 resamples know a deviation to 1/√800 = 3.5 %, 300 rows to 1/√600 = 4 %: together 5.4 % for an entry
    let overall = (got.sum() / expected.sum()).sqrt();
    assert!((0.95..1.05).contains(&overall), "{overall}");
    for (got, expected) in got.iter().zip(&expected) {
        let ratio = (got / expected).sqrt();
        assert!((0.8..1.2).contains(&ratio), "{ratio}");
    }
    // and normal: 5 % and 95 % lie 1.645 deviations from the mean
    let width = (&found.high - &found.low).sum() / found.deviation.sum();
    assert!((width / (2.0 * 1.645) - 1.0).abs() < 0.05, "{width}");
    assert!(((&found.mean - &h) / &found.deviation).iter().all(|z| z.abs() < 0.5));
}

/// Three components and noise, new rows of W and new noise in each data set: what the bootstrap of one data set says of the spread
/// of H is within a factor of 1.25 of that over fresh data sets.
#[test]
fn the_deviation_is_that_over_fresh_data() {
    let (m, n) = (150, 18);
    let h = unique(11, m, n).1;
    let nmf = |w: &Array2<f64>| Nmf::new(3).start(w.clone(), h.clone()).tol(1e-9).max_iter(300);
    let fresh = |seed: u64| {
        let w = part(1000 + seed, (m, 3), (0.2, 1.5), 0.35);
        let x = (w.dot(&h) + 0.05 * normal(2000 + seed, (m, n))).mapv(|v| v.max(0.0));
        (w, x)
    };
    let sets = 80;
    let mut found: Vec<Array2<f64>> = Vec::new();
    for seed in 0..sets {
        let (w, x) = fresh(seed);
        let fitted = nmf(&w).fit(&mut cpu(), &x).unwrap();
        // at the scale nearest to the truth, as the bootstrap's to its reference
        let cosine = cosines(h.t(), fitted.h().reversed_axes());
        let mut out = fitted.h().to_owned();
        for (q, mut row) in out.outer_iter_mut().enumerate() {
            let norm = |v: ndarray::ArrayView1<f64>| v.dot(&v).sqrt();
            row *= cosine[[q, q]] * norm(h.row(q)) / norm(row.view());
        }
        found.push(out);
    }
    let stacked = ndarray::stack(Axis(0), &found.iter().map(|a| a.view()).collect::<Vec<_>>()).unwrap();
    let spread = stacked.var_axis(Axis(0), 1.0);
    let mut resampled = Array2::<f64>::zeros(h.dim());
    for seed in 0..4 {
        let (w, x) = fresh(500 + seed);
        let (_, found) = run(&nmf(&w), &Matrix::Dense(x), 60, seed);
        assert!(found.similarity.iter().all(|c| *c > 0.99), "{:?}", found.similarity);
        resampled += &found.deviation.mapv(|d| d * d / 4.0);
    }
    let ratio = (resampled.sum() / spread.sum()).sqrt();
    println!("bootstrap over fresh data: {ratio}");
    assert!((0.8..1.25).contains(&ratio), "{ratio}");
}

/// Multiplicative updates keep a zero, whether it belongs there or not; resamples must be free to say that it does not.
#[test]
fn zeros_of_the_reference_are_not_final() {
    let (w, h) = unique(81, 40, 20);
    let x = Matrix::Dense((w.dot(&h) + 0.02 * normal(82, (40, 20))).mapv(|v| v.max(0.0)));
    let truth = h[[0, 9]].max(h[[0, 10]]);
    let at = [0, if h[[0, 9]] == truth { 9 } else { 10 }];
    let mut wrong = h.clone();
    wrong[at] = 0.0;
    for solver in [SolverKind::Mu, SolverKind::Mue] {
        let nmf = Nmf::new(3).loss(Loss::KL).solver(solver).start(w.clone(), wrong.clone()).tol(0.0).max_iter(200);
        let (fitted, found) = run(&nmf, &x, 4, 1);
        assert_eq!(fitted.h()[at], 0.0);
        // the truth has a 1 at the row's first place
        let ratio = found.mean[at] / found.mean[[0, 0]];
        assert!((ratio / truth - 1.0).abs() < 0.1, "{ratio} for {truth}");
    }
}

#[test]
fn layouts_do_not_matter() {
    let (w, h) = unique(21, 30, 20);
    let x = (w.dot(&h) + 0.1 * normal(22, (30, 20))).mapv(|v| if v > 0.3 { v } else { 0.0 });
    let csr = Sparse::csr_from_dense(x.view(), 0.0);
    let layouts = [Matrix::Dense(x), Matrix::Sparse(csr.clone()), Matrix::Sparse(csr.to_csc())];
    // ahals sweeps as often as a product costs, which is another number for sparse data
    for (loss, solver) in [(Loss::FRO, SolverKind::Hals), (Loss::KL, SolverKind::Mu)] {
        let nmf = Nmf::new(3).loss(loss).solver(solver).start(w.clone(), h.clone()).tol(0.0).max_iter(30);
        let fitted = nmf.fit(&mut cpu(), &layouts[0]).unwrap();
        let of =
            |x: &Matrix<f64>| bootstrap(&mut cpu(), x.view(), &nmf, &fitted, 6, 3, &mut |_| Flow::Continue).unwrap();
        let found: Vec<Bootstrap> = layouts.iter().map(of).collect();
        assert_eq!(found[1], found[2]);
        let (a, b) = (&found[0], &found[1]);
        for (a, b) in [(&a.mean, &b.mean), (&a.deviation, &b.deviation), (&a.low, &b.low), (&a.high, &b.high)] {
            assert!((a - b).iter().all(|d| d.abs() < 1e-9), "{}", a - b);
        }
        assert!(a.deviation.iter().any(|d| *d > 1e-3));
    }
}

/// Unknown entries hold nonsense: were a mask's rows not drawn with those of X, the spread would tell.
#[test]
fn masks_and_weights_are_drawn_with_the_rows() {
    let (w, h) = unique(31, 40, 20);
    let mut x = w.dot(&h) + 0.1;
    let mask = part(32, x.dim(), (1.0, 1.0), 0.2);
    // an exact model with a component that is 0.1 everywhere
    let w = ndarray::concatenate![Axis(1), w, Array2::ones((40, 1))];
    let h = ndarray::concatenate![Axis(0), h, Array2::from_elem((1, 20), 0.1)];
    x.zip_mut_with(&mask, |x, known| *x = if *known == 0.0 { 1e6 } else { *x });
    let sparse = |a: &Array2<f64>| Sparse::csr_from_dense(a.view(), 0.0);
    let known = &x * &mask;
    for weights in [mask.clone(), &mask * &part(33, mask.dim(), (0.5, 2.0), 0.0)] {
        let nmf = Nmf::new(4).start(w.clone(), h.clone()).solver(SolverKind::Gd).tol(0.0).max_iter(20);
        let dense = nmf.clone().weights(weights.clone());
        let (fitted, found) = run(&dense, &Matrix::Dense(x.clone()), 8, 2);
        assert_exact(&fitted, &found, 1e-9);
        for weights in [sparse(&weights), sparse(&weights).to_csc()] {
            let (fitted, found) = run(&nmf.clone().weights(weights), &Matrix::Sparse(sparse(&known).to_csc()), 8, 2);
            assert_exact(&fitted, &found, 1e-9);
        }
    }
    let stored = Nmf::new(4).start(w, h).solver(SolverKind::Gd).tol(0.0).max_iter(20).observed(Observed::Stored);
    for known in [sparse(&known), sparse(&known).to_csc()] {
        let (fitted, found) = run(&stored, &Matrix::Sparse(known), 8, 2);
        assert_exact(&fitted, &found, 1e-9);
    }
}

#[test]
fn fixed_parts_are_drawn_or_stay() {
    let (w, h) = unique(41, 40, 20);
    let x = w.dot(&h);
    // a fixed W is right for the drawn rows only, and it pins the scale
    let nmf = Nmf::new(3).fix_w(w.clone()).start(w.clone(), part(42, h.dim(), (0.1, 1.0), 0.0)).tol(0.0).max_iter(300);
    let (fitted, found) = run(&nmf, &Matrix::Dense(x.clone()), 8, 2);
    assert!((&fitted.h() - &h).iter().all(|d| d.abs() < 1e-9));
    assert_exact(&fitted, &found, 1e-9);
    // fixed rows of H have no spread, also where the others do
    let noisy = Matrix::Dense((x + 0.1 * normal(43, (40, 20))).mapv(|v| v.max(0.0)));
    let nmf = Nmf::new(3).fix_h(h.slice(s![..2, ..]).to_owned()).tol(1e-6);
    let (_, found) = run(&nmf, &noisy, 8, 2);
    for fixed in [&found.mean, &found.low, &found.high] {
        assert!((&fixed.slice(s![..2, ..]) - &h.slice(s![..2, ..])).iter().all(|d| d.abs() < 1e-15));
    }
    assert!(found.deviation.slice(s![..2, ..]).iter().all(|d| *d == 0.0));
    assert!(found.deviation.row(2).iter().any(|d| *d > 1e-3));
    assert!(found.similarity[..2].iter().all(|c| (c - 1.0).abs() < 1e-15));
}

#[test]
fn convolutive_models_too() {
    let (m, n, k, shifts) = (30, 40, 2, 3);
    let (w, h) = (part(51, (m, k * shifts), (0.5, 1.5), 0.5), part(52, (k, n), (0.5, 1.5), 0.7));
    let model = |h: &Array2<f64>| w.dot(&nmf_core::shifts::unfold(&h.t(), shifts).t());
    let nmf = Nmf::new(k).shifts(shifts).loss(Loss::KL).start(w.clone(), h.clone()).tol(1e-12).max_iter(3000);
    let (fitted, found) = run(&nmf, &Matrix::Dense(model(&h)), 4, 2);
    assert_exact(&fitted, &found, 1e-3);
    // the patterns of the drawn rows are what H is scaled and started with
    let fixed = nmf.fix_w(w.slice(s![.., ..shifts]).to_owned());
    let (fitted, found) = run(&fixed, &Matrix::Dense(model(&h)), 4, 2);
    assert_exact(&fitted, &found, 1e-3);
}

#[test]
fn resamples_are_the_same_however_many_there_are() {
    let (w, h) = unique(61, 30, 15);
    let x = Matrix::Dense((w.dot(&h) + 0.1 * normal(62, (30, 15))).mapv(|v| v.max(0.0)));
    let nmf = Nmf::new(3).seed(1);
    let fitted = nmf.fit(&mut cpu(), &x).unwrap();
    let mut told = Vec::new();
    let mut until = |resamples: usize, last: usize, seed: u64| {
        let mut progress = |done: usize| {
            told.push(done);
            if done == last { Flow::Stop } else { Flow::Continue }
        };
        bootstrap(&mut cpu(), x.view(), &nmf, &fitted, resamples, seed, &mut progress).unwrap()
    };
    let (all, stopped) = (until(5, 99, 7), until(200, 5, 7));
    assert_eq!(all, stopped);
    assert_eq!((all.resamples, until(5, 1, 7).deviation.sum()), (5, 0.0));
    assert_ne!(all, until(5, 99, 8));
    assert_eq!(told, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 1, 2, 3, 4, 5]);
    assert!(all.low.iter().zip(&all.high).all(|(low, high)| low <= high && *low >= 0.0));
}

#[test]
fn what_cannot_be_done_is_refused() {
    let (w, h) = unique(71, 30, 15);
    let x = w.dot(&h);
    let nmf = Nmf::new(3);
    let fitted = nmf.fit(&mut cpu(), &x).unwrap();
    let refuse = |x: &Array2<f64>, nmf: &Nmf<f64>, resamples: usize| {
        bootstrap(&mut cpu(), x.into(), nmf, &fitted, resamples, 1, &mut |_| Flow::Continue).unwrap_err()
    };
    assert!(matches!(refuse(&x, &nmf, 1), Error::Parameter { name: "resamples", .. }));
    assert!(matches!(refuse(&x, &Nmf::new(2), 5), Error::Shape { what: "W of the reference", .. }));
    assert!(matches!(refuse(&x, &Nmf::new(3).shifts(2), 5), Error::Shape { .. }));
    assert!(matches!(
        refuse(&x.slice(s![.., ..9]).to_owned(), &nmf, 5),
        Error::Shape { what: "H of the reference", .. }
    ));
    assert!(matches!(
        refuse(&x.slice(s![..9, ..]).to_owned(), &nmf, 5),
        Error::Shape { what: "W of the reference", .. }
    ));
    assert!(matches!(refuse(&(&x - 1.0), &nmf, 5), Error::Negative { .. }));
    assert!(matches!(refuse(&x, &Nmf::new(3).solver(SolverKind::Hals).loss(Loss::KL), 5), Error::Unsupported(_)));
    // a single row that holds anything: every resample has it
    let mut lonely = Array2::<f64>::zeros((6, 4));
    lonely.row_mut(4).assign(&ndarray::array![1.0, 2.0, 3.0, 4.0]);
    let (fitted, found) = run(&Nmf::new(1), &Matrix::Dense(lonely), 30, 1);
    assert_exact(&fitted, &found, 1e-9);
}
