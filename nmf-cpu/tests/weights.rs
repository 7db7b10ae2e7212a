//! Missing entries, weights, prescribed sparseness, and what is refused.

mod samples;

use ndarray::{Array2, Axis, concatenate};
use nmf_core::solver::MuExponent;
use nmf_core::{Init, Loss, Matrix, Nmf, Observed, Penalty, SolverKind, Sparse, Sparseness};
use nmf_cpu::Cpu;
use samples::{cpu, mask, norm2, planted, sparse, thinned, uniform};

/// Recovers a hidden quarter of a matrix of rank 3 from the rest.
fn recover(loss: &Loss, kind: SolverKind, dense: bool, iterations: usize) -> f64 {
    let (w, h) = (uniform(1, (40, 3), 0.1, 1.0), uniform(2, (3, 30), 0.1, 1.0));
    let (truth, known) = (w.dot(&h), mask(3, (40, 30), 0.25));
    let nmf = Nmf::new(3).loss(loss.clone()).solver(kind).init(Init::Random).seed(4).max_iter(iterations).tol(0.0);
    let nmf = nmf.trace_every(0);
    let fitted = if dense {
        let hidden = ndarray::Zip::from(&truth).and(&known).map_collect(|x, k| if *k > 0.0 { *x } else { f64::NAN });
        nmf.weights(known.clone()).fit(&mut cpu(), &hidden)
    } else {
        nmf.observed(Observed::Stored).fit(&mut cpu(), &sparse(&(&truth * &known)))
    };
    let fitted = fitted.unwrap();
    let model = fitted.w().dot(&fitted.h());
    let unknown = known.mapv(|k| 1.0 - k);
    (norm2(&((&model - &truth) * &unknown)) / norm2(&(&truth * &unknown))).sqrt()
}

#[test]
fn hidden_entries_are_recovered() {
    for dense in [true, false] {
        for (loss, kind, iterations, error) in [
            (Loss::FRO, SolverKind::Mu, 5000, 2e-2),
            (Loss::FRO, SolverKind::Mue, 3000, 2e-3),
            (Loss::KL, SolverKind::Mue, 3000, 2e-3),
            (Loss::KL, SolverKind::Newton, 3000, 2e-3),
        ] {
            let found = recover(&loss, kind, dense, iterations);
            assert!(found < error, "{kind}, {loss}, dense {dense}: relative error {found:e} at hidden entries");
        }
    }
}

/// An integer weight on a row is that row repeated, as far as the other rows' problem (H) and its own (W) go.
#[test]
fn an_integer_weight_is_a_row_repeated() {
    let x = uniform(11, (12, 15), 0.1, 2.0);
    let (w0, h0) = (uniform(12, (12, 3), 0.1, 1.0), uniform(13, (3, 15), 0.1, 1.0));
    let mut weights = Array2::ones((12, 15));
    weights.row_mut(4).fill(3.0);
    let row = |a: &Array2<f64>| a.select(Axis(0), &[4, 4]);
    let (x3, w3) = (
        concatenate(Axis(0), &[x.view(), row(&x).view()]).unwrap(),
        concatenate(Axis(0), &[w0.view(), row(&w0).view()]).unwrap(),
    );
    for (loss, kind) in [
        (Loss::FRO, SolverKind::Mu),
        (Loss::FRO, SolverKind::Mue),
        (Loss::KL, SolverKind::Mu),
        (Loss::IS, SolverKind::Mu),
        (Loss::KL, SolverKind::Newton),
    ] {
        let nmf = Nmf::new(3).loss(loss.clone()).solver(kind).max_iter(20).tol(0.0);
        let weighted = nmf.clone().weights(weights.clone()).start(w0.clone(), h0.clone()).fit(&mut cpu(), &x).unwrap();
        let repeated = nmf.clone().start(w3.clone(), h0.clone()).fit(&mut cpu(), &x3).unwrap();
        // the damping of newton knows the weight: another path to the same minimum
        let damped = kind == SolverKind::Newton;
        let close = |a: f64, b: f64, tolerance: f64| (a - b).abs() <= tolerance * b;
        let tolerance = if damped { 0.2 } else { 1e-10 };
        assert!(close(weighted.objective(), repeated.objective(), tolerance), "{kind}, {loss}");
        if !damped {
            assert!(norm2(&(&weighted.h() - &repeated.h())) < 1e-20 * norm2(&h0), "{kind}, {loss}");
        }
        // H fixed: W has one optimum, and a weight on all of a row does not move it
        let nmf = nmf.fix_h(h0.clone()).max_iter(if damped { 500 } else { 3000 });
        let weighted = nmf.clone().weights(weights.clone()).fit(&mut cpu(), &x).unwrap();
        let plain = nmf.fit(&mut cpu(), &x).unwrap();
        let off = norm2(&(&weighted.w() - &plain.w())) / norm2(&plain.w().to_owned());
        assert!(off < 1e-8, "{kind}, {loss}: W is off by {off:e}");
    }
}

#[test]
fn a_prescribed_sparseness_is_kept_while_the_objective_falls() {
    let (w, h) = planted(21, (40, 30, 4));
    let x = w.dot(&h) + uniform(22, (40, 30), 0.0, 0.1);
    for x in [Matrix::Dense(x.clone()), sparse(&x)] {
        for (w, h) in [(Some(0.7), None), (None, Some(0.6)), (Some(0.5), Some(0.4))] {
            let nmf = Nmf::new(4).sparseness(w, h).init(Init::Random).max_iter(60).tol(0.0);
            let fitted = nmf.fit(&mut cpu(), &x).unwrap();
            let transposed = fitted.h().t().to_owned();
            for (wanted, factor) in [(w, fitted.w().to_owned()), (h, transposed)] {
                for column in factor.axis_iter(Axis(1)).filter(|_| wanted.is_some()) {
                    let measure = Sparseness::of_columns(&column.insert_axis(Axis(1))).hoyer;
                    assert!((measure - wanted.unwrap()).abs() < 1e-6, "{w:?} {h:?}: {measure}");
                }
            }
            let slack = 1e-13 * fitted.trace()[0].objective;
            for pair in fitted.trace().windows(2) {
                assert!(pair[1].objective <= pair[0].objective + slack, "{w:?} {h:?}: {pair:?}");
            }
            assert!(fitted.objective() < 0.5 * fitted.trace()[0].objective, "{w:?} {h:?} got nowhere");
        }
    }
}

/// W, H and the objectives, bit by bit.
fn bits(threads: usize, nmf: &Nmf<f32>, x: &Matrix<f32>, what: &str) -> Vec<u64> {
    let fitted = nmf.fit(&mut Cpu::with_threads(threads).unwrap(), x).unwrap_or_else(|e| panic!("{what}: {e}"));
    let factors = fitted.w().iter().chain(fitted.h().iter()).map(|v| u64::from(v.to_bits())).collect::<Vec<_>>();
    factors.into_iter().chain(fitted.trace().iter().map(|p| p.objective.to_bits())).collect()
}

#[test]
fn every_solver_gives_the_same_bits_with_any_number_of_threads() {
    // large enough for several pieces of every operation
    let dim = (530, 410);
    let narrow = |x: &Array2<f64>| x.mapv(|v| v as f32);
    let dense = narrow(&uniform(31, dim, 0.05, 2.0));
    let thin = narrow(&thinned(32, dim, 0.85));
    let sparse = Matrix::Sparse(Sparse::csr_from_dense(thin.view(), 0.0));
    let (dense, weights) = (Matrix::Dense(dense), narrow(&(mask(33, dim, 0.3) * uniform(34, dim, 0.5, 2.0))));
    for kind in SolverKind::ALL {
        let losses = match kind {
            SolverKind::Newton => vec![Loss::KL],
            SolverKind::Mu | SolverKind::Mue | SolverKind::Gd => vec![Loss::FRO, Loss::KL],
            _ => vec![Loss::FRO],
        };
        for loss in losses {
            let nmf = Nmf::<f32>::new(5).loss(loss.clone()).solver(kind).init(Init::Random).max_iter(4).tol(0.0);
            // the step it would choose is made for fro
            let nmf = if kind == SolverKind::Gd { nmf.step(1e-6) } else { nmf };
            let mut cases = vec![("dense", nmf.clone(), &dense), ("sparse", nmf.clone(), &sparse)];
            if matches!(kind, SolverKind::Mu | SolverKind::Mue | SolverKind::Newton | SolverKind::Gd) {
                cases.push(("weighted", nmf.clone().weights(weights.clone()), &dense));
                cases.push(("sparse and weighted", nmf.clone().weights(weights.clone()), &sparse));
                cases.push(("stored entries", nmf.clone().observed(Observed::Stored), &sparse));
            }
            if kind == SolverKind::Pg {
                cases.push(("with a sparseness", nmf.clone().sparseness(Some(0.6), Some(0.4)), &dense));
            }
            for (what, nmf, x) in cases {
                let what = format!("{kind}, {loss}, {what}");
                let one = bits(1, &nmf, x, &what);
                for threads in [2, 3] {
                    assert!(bits(threads, &nmf, x, &what) == one, "{what}: {threads} threads");
                }
            }
        }
    }
}

/// What is asked, and the names of which the refusal must give one.
#[test]
fn refusals_name_what_would_do() {
    let x = uniform(41, (8, 7), 0.1, 1.0);
    let weights = mask(42, (8, 7), 0.3);
    let kind = |k| Nmf::new(2).solver(k);
    let mut cases: Vec<(String, Nmf, &[&str])> = Vec::new();
    for k in
        [SolverKind::Hals, SolverKind::AHals, SolverKind::EHals, SolverKind::AnlsBpp, SolverKind::Pg, SolverKind::Als]
    {
        cases.push((format!("{k} on kl"), kind(k).loss(Loss::KL), &["mue", "mu"]));
        cases.push((format!("{k} on is"), kind(k).loss(Loss::IS), &["mu"]));
        cases.push((format!("{k} with a mask"), kind(k).weights(weights.clone()), &["mue", "mu"]));
    }
    for k in SolverKind::ALL.into_iter().filter(|k| *k != SolverKind::Pg) {
        let loss = if k == SolverKind::Newton { Loss::KL } else { Loss::FRO };
        cases.push((format!("{k} with a sparseness"), kind(k).loss(loss.clone()).sparseness(Some(0.5), None), &["pg"]));
        if k != SolverKind::Gd {
            cases.push((format!("{k} with a step"), kind(k).loss(loss.clone()).step(0.1), &["gd"]));
        }
        if k != SolverKind::Mu {
            let nmf = kind(k).loss(loss).mu_exponent(MuExponent::Fast);
            cases.push((format!("{k} with an exponent"), nmf, &["mu"]));
        }
    }
    for k in [SolverKind::Mu, SolverKind::Mue, SolverKind::AnlsBpp, SolverKind::Pg, SolverKind::Als, SolverKind::Gd] {
        cases.push((format!("{k} shuffled"), kind(k).shuffle(1), &["hals", "newton"]));
    }
    cases.push(("newton on fro".into(), kind(SolverKind::Newton), &["mue", "mu"]));
    cases.push(("newton on is".into(), kind(SolverKind::Newton).loss(Loss::IS), &["mu"]));
    cases.push(("mue on is".into(), kind(SolverKind::Mue).loss(Loss::IS), &["mu"]));
    cases.push(("mue on β = 3".into(), kind(SolverKind::Mue).loss(Loss::Beta(3.0)), &["mu"]));
    cases.push((
        "a fast exponent on β = 3".into(),
        kind(SolverKind::Mu).loss(Loss::Beta(3.0)).mu_exponent(MuExponent::Fast),
        &["proven"],
    ));
    cases.push(("a sparseness with kl".into(), Nmf::new(2).loss(Loss::KL).sparseness(Some(0.5), None), &["fro"]));
    cases.push((
        "a sparseness with a mask".into(),
        Nmf::new(2).weights(weights).sparseness(Some(0.5), None),
        &["observed"],
    ));
    let ridge = Penalty { l1: 0.0, l2: 1.0 };
    cases.push(("a ridge on is".into(), Nmf::new(2).loss(Loss::IS).penalty_w(ridge), &["l1", "kl"]));
    for (what, nmf, names) in cases {
        let message = match nmf.fit(&mut cpu(), &x) {
            Ok(_) => panic!("{what} is accepted"),
            Err(e) => e.to_string(),
        };
        let words: Vec<&str> = message.split(|c: char| !(c.is_alphanumeric() || c == '-')).collect();
        assert!(names.iter().any(|n| words.contains(n)), "{what}: {message}");
    }
}
