//! The exact small cases that ship as files under `data/small`, and other factorizations whose answer is known.

use ndarray::{Array2, array};
use nmf_core::{Init, Loss, Matrix, Nmf, Norm, Observed, Penalty, SolverKind, Start};
use nmf_cpu::Cpu;

fn exact_cases() -> [(Array2<f64>, Array2<f64>); 2] {
    [
        (
            array![[2.0, 3.0], [1.0, 1.0], [1.0, 0.0], [1.0, 2.0]],
            array![[1.0, 2.0, 2.0, 0.0, 3.0], [1.0, 0.0, 2.0, 1.0, 2.0]],
        ),
        (
            array![[1.0, 1.0], [0.0, 1.0], [2.0, 0.0], [3.0, 0.0]],
            array![[1.0, 0.0, 2.0, 2.0, 0.0], [0.0, 1.0, 0.0, 1.0, 1.0]],
        ),
    ]
}

fn cpu() -> Cpu<f64> {
    Cpu::with_threads(2).unwrap()
}

fn norm2(x: &Array2<f64>) -> f64 {
    x.iter().map(|v| v * v).sum()
}

#[test]
fn exact_factorizations_are_found_from_some_start() {
    for (w, h) in exact_cases() {
        let x = w.dot(&h);
        let reached = (0..20)
            .filter(|&seed| {
                let nmf = Nmf::new(2)
                    .solver(SolverKind::Hals)
                    .init(Init::Random)
                    .seed(seed)
                    .max_iter(20_000)
                    .tol(0.0)
                    .trace_every(0);
                let fitted = nmf.fit(&mut cpu(), &x).unwrap();
                // relative squared error of 1e-12² would be below what f64 can show for the sum itself
                let error = norm2(&(&x - &fitted.w().dot(&fitted.h())));
                (error / norm2(&x)).sqrt() <= 1e-12
            })
            .count();
        assert!(reached >= 1, "no start of 20 reached the exact factorization");
        println!("{reached} of 20 starts reached error 0");
    }
}

#[test]
fn exact_factorizations_stay_fixed() {
    for (w, h) in exact_cases() {
        let x = w.dot(&h);
        for (loss, solver) in [
            (Loss::FRO, SolverKind::Hals),
            (Loss::FRO, SolverKind::AHals),
            (Loss::FRO, SolverKind::Mu),
            (Loss::KL, SolverKind::Mu),
            (Loss::Beta(1.5), SolverKind::Mu),
        ] {
            let nmf = Nmf::new(2).loss(loss.clone()).solver(solver).start(w.clone(), h.clone()).max_iter(50).tol(0.0);
            let fitted = nmf.fit(&mut cpu(), &x).unwrap();
            let moved = norm2(&(&fitted.w() - &w)) + norm2(&(&fitted.h() - &h));
            assert!(moved < 1e-24, "{loss} {solver} moved by {moved:e}");
            // a model of 0 at a zero of X is floored at 1e-16, which is what KL and β = 1.5 then count
            assert!(fitted.divergence() < if loss.is_fro() { 1e-24 } else { 1e-14 }, "{loss} {solver}");
        }
    }
}

#[test]
fn identity_factors_are_fixed_points_of_error_zero() {
    let x = array![[1.0, 2.0, 0.5], [0.25, 3.0, 4.0], [2.0, 1.0, 1.5]];
    for (w, h) in [(Array2::eye(3), x.clone()), (x.clone(), Array2::eye(3))] {
        for loss in [Loss::FRO, Loss::KL] {
            let nmf = Nmf::new(3).loss(loss).start(w.clone(), h.clone()).max_iter(20).tol(0.0);
            let fitted = nmf.fit(&mut cpu(), &x).unwrap();
            assert!(fitted.divergence() < 1e-28);
            assert!(norm2(&(&fitted.w() - &w)) < 1e-28);
        }
    }
}

/// The 9×12 word–document table of `data/small/words.csv`.
fn words() -> Array2<f64> {
    let rows = [
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
    Array2::from_shape_fn((9, 12), |(i, j)| f64::from(rows[i].as_bytes()[j] - b'0'))
}

#[test]
fn the_word_table_has_three_topics() {
    let x = words();
    for solver in [SolverKind::Hals, SolverKind::AHals] {
        let nmf = Nmf::new(3).solver(solver).init(Init::Random).restarts(20).max_iter(2000).tol(1e-10);
        let fitted = nmf.fit(&mut cpu(), &x).unwrap().normalized(Norm::HEuclidean);
        assert!((2.0 * fitted.divergence() - 16.04).abs() < 0.005, "squared error {}", 2.0 * fitted.divergence());
        let group = |i: usize| fitted.w().row(i).iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        let groups: Vec<usize> = (0..9).map(group).collect();
        let expected = [0, 0, 0, 0, 1, 1, 2, 2, 2];
        for i in 0..9 {
            for j in 0..9 {
                assert_eq!(groups[i] == groups[j], expected[i] == expected[j], "{groups:?}");
            }
        }
    }
}

fn sparse_counts(rows: usize, cols: usize) -> nmf_core::Sparse<f32> {
    let mut indptr = vec![0u64];
    let (mut indices, mut values) = (Vec::new(), Vec::new());
    for i in 0..rows {
        for j in 0..cols {
            let hash = (i * 7919 + j * 104_729 + i * j * 31) % 97;
            if hash < 9 {
                indices.push(j as u32);
                values.push(1.0 + (hash % 4) as f32);
            }
        }
        indptr.push(indices.len() as u64);
    }
    nmf_core::Sparse::new((rows, cols), indptr, indices, values)
}

/// Every bit of W, H and the objectives (a double holds each f32 exactly).
fn bits<T: nmf_cpu::Real>(
    threads: usize,
    x: &Matrix<T>,
    loss: &Loss,
    solver: SolverKind,
    init: &Init<T>,
    observed: Observed,
) -> (Vec<u64>, Vec<u64>) {
    let mut cpu = Cpu::<T>::with_threads(threads).unwrap();
    let l1 = Penalty { l1: 1e-3, l2: 0.0 };
    let nmf = Nmf::new(7).loss(loss.clone()).solver(solver).init(init.clone()).max_iter(12).observed(observed);
    let fitted = nmf.penalty_w(l1).penalty_h(l1).fit(&mut cpu, x).unwrap();
    let factors = fitted.w().iter().chain(fitted.h().iter()).map(|v| v.f64().to_bits()).collect();
    (factors, fitted.trace().iter().map(|p| p.objective.to_bits()).collect())
}

fn compare_threads<T: nmf_cpu::Real>() {
    let value = |i: usize, j: usize| 0.1 + ((i * 37 + j * 91 + i * j) % 101) as f64 / 50.0;
    let dense = Matrix::Dense(Array2::from_shape_fn((700, 610), |(i, j)| T::of(value(i, j))));
    let sparse = Matrix::Sparse(sparse_counts(900, 1400).map(|v| T::of(f64::from(*v))));
    let (mu, all) = (SolverKind::Mu, Observed::All);
    let cases = [
        (&dense, Loss::FRO, SolverKind::AHals, all),
        (&dense, Loss::FRO, mu, all),
        (&dense, Loss::KL, mu, all),
        (&dense, Loss::IS, mu, all),
        (&dense, Loss::Beta(1.3), mu, all),
        (&sparse, Loss::FRO, SolverKind::AHals, all),
        (&sparse, Loss::FRO, mu, all),
        (&sparse, Loss::KL, mu, all),
        (&sparse, Loss::Beta(1.5), mu, all),
        (&sparse, Loss::FRO, mu, Observed::Stored),
        (&sparse, Loss::IS, mu, Observed::Stored),
    ];
    for (x, loss, solver, observed) in cases {
        for init in [Init::Random, Init::Nndsvda] {
            let one = bits(1, x, &loss, solver, &init, observed);
            for threads in [2, 8] {
                assert_eq!(one, bits(threads, x, &loss, solver, &init, observed), "{loss} {solver} {init} {threads}");
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    compare_threads::<f32>();
    compare_threads::<f64>();
}

#[test]
fn a_trace_near_an_exact_fit_is_never_negative() {
    // rank 4 and sparse: the objective falls by ten orders of magnitude within a few iterations
    let x = Array2::from_shape_fn((80, 60), |(i, j)| {
        if i % 4 == j % 4 { (1 + i % 7) as f64 * (1 + j % 5) as f64 * 0.37 } else { 0.0 }
    });
    let sparse = nmf_core::Sparse::<f64>::csr_from_dense(x.view(), 0.0);
    for x in [Matrix::Dense(x), Matrix::Sparse(sparse)] {
        for solver in [SolverKind::AHals, SolverKind::Mu] {
            let nmf = Nmf::new(4).solver(solver).init(Init::Random).seed(1).max_iter(60).tol(0.0);
            let fitted = nmf.fit(&mut cpu(), &x).unwrap();
            assert!(fitted.trace().iter().all(|p| p.objective >= 0.0));
            assert!(fitted.divergence() < 1e-6 * fitted.trace()[0].objective || solver == SolverKind::Mu);
        }
    }
}

#[test]
fn transform_solves_the_least_squares_problem_exactly() {
    let x = Array2::from_shape_fn((40, 25), |(i, j)| ((i * 7 + j * 13 + i * j) % 11) as f64);
    let fitted = Nmf::new(6).fit(&mut cpu(), &x).unwrap();
    let new = Array2::from_shape_fn((30, 25), |(i, j)| ((i * 5 + j * 3 + i * j * 2) % 13) as f64);
    let w = fitted.transform(&mut cpu(), &new).unwrap();
    // the KKT conditions of min ½‖X − WH‖² over W ≥ 0, which has one solution where H has full rank
    let gradient = (w.dot(&fitted.h()) - &new).dot(&fitted.h().t());
    let scale = new.dot(&fitted.h().t()).iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (w, g) in w.iter().zip(&gradient) {
        assert!(*w >= 0.0 && *g >= -1e-10 * scale && (w * g).abs() <= 1e-10 * scale * w.max(1.0), "{w} {g}");
    }
    assert!(fitted.transform(&mut cpu(), &Array2::zeros((3, 25))).unwrap().iter().all(|w| *w == 0.0));
}

#[test]
fn hals_and_mu_never_raise_the_objective() {
    let x = Array2::from_shape_fn((60, 45), |(i, j)| 0.05 + ((i * 13 + j * 29 + i * j * 7) % 53) as f64 / 20.0);
    let l1 = Penalty { l1: 0.02, l2: 0.0 };
    let both = Penalty { l1: 0.01, l2: 0.5 };
    let mut cases = vec![
        (Loss::FRO, SolverKind::Hals, both),
        (Loss::FRO, SolverKind::AHals, both),
        (Loss::FRO, SolverKind::Mu, both),
        (Loss::KL, SolverKind::Mu, both),
        (Loss::Beta(3.0), SolverKind::Mu, both),
    ];
    for b in [-1.0, 0.0, 0.5, 1.0, 1.5, 1.7, 2.0, 2.5] {
        cases.push((Loss::Beta(b), SolverKind::Mu, Penalty::NONE));
        cases.push((Loss::Beta(b), SolverKind::Mu, l1));
    }
    for (loss, solver, p) in cases {
        let nmf = Nmf::new(5).loss(loss.clone()).solver(solver).init(Init::Random).penalty_w(p).penalty_h(p);
        let fitted = nmf.max_iter(60).tol(0.0).fit(&mut cpu(), &x).unwrap();
        let trace = fitted.trace();
        assert_eq!(trace.len(), 61);
        for pair in trace.windows(2) {
            let slack = 1e-12 * pair[0].objective.abs();
            assert!(pair[1].objective <= pair[0].objective + slack, "{loss} {solver} {p:?}: {pair:?}");
        }
        let recomputed: f64 = x.iter().zip(fitted.w().dot(&fitted.h()).iter()).map(|(&x, &v)| loss.value(x, v)).sum();
        assert!((recomputed - fitted.divergence()).abs() <= 1e-10 * recomputed, "{loss}");
    }
}

#[test]
fn scaling_the_data_scales_the_model() {
    let x = Array2::from_shape_fn((20, 15), |(i, j)| 0.05 + ((i * 13 + j * 29) % 53) as f64 / 20.0);
    for loss in [Loss::FRO, Loss::KL, Loss::IS] {
        let nmf = Nmf::new(3).loss(loss.clone()).solver(SolverKind::Mu).init(Init::Random).max_iter(30).tol(0.0);
        let small = nmf.fit(&mut cpu(), &x.mapv(|v| v * 1e-9)).unwrap();
        let large = nmf.fit(&mut cpu(), &x.mapv(|v| v * 1e6)).unwrap();
        let a = small.w().dot(&small.h()) * 1e15;
        let b = large.w().dot(&large.h());
        assert!(norm2(&(&a - &b)) < 1e-12 * norm2(&b), "{loss}");
    }
}

#[test]
fn fixed_parts_stay_and_the_rest_moves() {
    let (w, h) = (
        Array2::from_shape_fn((30, 4), |(i, q)| ((i * 3 + q * 5) % 7) as f64),
        Array2::from_shape_fn((4, 20), |(q, j)| ((j * 5 + q * 3) % 6) as f64),
    );
    let x = w.dot(&h);
    let known = w.slice(ndarray::s![.., ..2]).to_owned();
    for (loss, solver) in [(Loss::FRO, SolverKind::AHals), (Loss::FRO, SolverKind::Mu), (Loss::KL, SolverKind::Mu)] {
        let nmf = Nmf::new(4).loss(loss).solver(solver).fix_w(known.clone()).init(Init::Random).max_iter(500).tol(0.0);
        let fitted = nmf.fit(&mut cpu(), &x).unwrap();
        assert!(norm2(&(&fitted.w().slice(ndarray::s![.., ..2]) - &known)) <= 1e-24 * norm2(&known));
        let trace = fitted.trace();
        assert!(trace.last().unwrap().objective < 1e-2 * trace[0].objective);
    }
}

#[test]
fn bad_requests_are_refused() {
    let x = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let fails = |nmf: Nmf| nmf.fit(&mut cpu(), &x).unwrap_err().to_string();
    assert!(fails(Nmf::new(0)).contains("k = 0"));
    assert!(fails(Nmf::new(3).init(Init::Nndsvd)).contains("min(m, n) = 2"));
    assert!(fails(Nmf::new(2).init(Init::Nndsvd).solver(SolverKind::Mu)).contains("nndsvda"));
    assert!(fails(Nmf::new(2).loss(Loss::KL).solver(SolverKind::Hals)).contains("mu"));
    assert!(fails(Nmf::new(2).loss(Loss::IS).penalty_w(Penalty { l1: 0.0, l2: 1.0 })).contains("l2"));
    assert!(fails(Nmf::new(2).penalty_w(Penalty { l1: -1.0, l2: 0.0 })).contains("l1"));
    assert!(fails(Nmf::new(2).restarts(0)).contains("restarts"));
    assert!(fails(Nmf::new(2).tol(f64::NAN)).contains("tol"));
    assert!(fails(Nmf::new(2).start(Array2::zeros((3, 1)), Array2::zeros((2, 2)))).contains("W0"));
    let bad = Start { w: array![[1.0, -1.0], [1.0, 1.0], [1.0, 1.0]], h: Array2::ones((2, 2)) };
    assert!(fails(Nmf::new(2).init(Init::Custom(bad))).contains("negative"));
    // more components than rows or columns: allowed, with a warning
    let fitted = Nmf::new(5).init(Init::Auto).fit(&mut cpu(), &x).unwrap();
    assert!(fitted.warnings()[0].contains("exceeds min(m, n)"));
}
