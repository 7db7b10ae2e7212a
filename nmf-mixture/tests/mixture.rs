//! Laws of EM, planted truths, and scikit-learn's figures.

use ndarray::{Array1, Array2, Array3, array, s};
use nmf_mixture::{Covariance, Covariances, Error, GaussianMixture, MixtureOptions, Start, fit};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The data of the figures: sequences of fractional parts, to be had in any language.
fn weyl() -> Array2<f64> {
    let (centre, width) = ([[0.0, 1.0], [4.0, -2.0], [-3.0, 5.0]], [[1.0, 0.8], [0.5, -0.9], [2.0, 0.1]]);
    Array2::from_shape_fn((300, 2), |(i, j)| {
        let u = ((i + 1) as f64 * 0.6180339887498949) % 1.0 - 0.5;
        let w = ((i + 1) as f64 * 0.41421356237309515) % 1.0 - 0.5;
        centre[i % 3][j] + width[i % 3][j] * u * 2.0 + [0.3, 3.0][j] * w
    })
}

fn given(form: Covariance) -> Start {
    let covariances = match form {
        Covariance::Diagonal => Covariances::Diagonal(Array2::ones((3, 2))),
        Covariance::Full => {
            Covariances::Full(Array3::from_shape_fn((3, 2, 2), |(_, i, j)| if i == j { 1.0 } else { 0.0 }))
        }
    };
    let means = array![[0.5, 0.5], [3.0, -1.0], [-2.0, 4.0]];
    Start::Given(GaussianMixture::new(Array1::from_elem(3, 1.0 / 3.0), means, covariances).unwrap())
}

fn close(a: &[f64], b: &[f64], tol: f64) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tol * (1.0 + b.abs()), "{a} found, {b} expected");
    }
}

fn values(c: &Covariances) -> Vec<f64> {
    match c {
        Covariances::Diagonal(v) => v.iter().copied().collect(),
        Covariances::Full(c) => c.iter().copied().collect(),
    }
}

/// `count` points about K random centres, d columns.
fn clouds(k: usize, d: usize, count: usize, spread: f64, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centres = Array2::from_shape_fn((k, d), |_| spread * (rng.random::<f64>() - 0.5));
    let mut points = Array2::zeros((count, d));
    for (i, mut p) in points.rows_mut().into_iter().enumerate() {
        let common = rng.random::<f64>() - 0.5;
        for (j, p) in p.iter_mut().enumerate() {
            let noise: f64 = (0..6).map(|_| rng.random::<f64>() - 0.5).sum();
            *p = centres[[i % k, j]] + noise + common * j as f64;
        }
    }
    points
}

/// scikit-learn 1.9.1, `GaussianMixture(3, reg_covar=0, tol=1e-12, weights_init, means_init, precisions_init)` on the data
/// of [`weyl`]: total score, AIC, BIC, weights, means, covariances, the first responsibilities and densities.
#[test]
fn figures_of_scikit_learn() {
    let x = weyl();
    assert!((x.sum() - 503.31247990573286).abs() < 1e-9, "the data differ: {}", x.sum());
    let options = |covariance| MixtureOptions {
        covariance,
        start: given(covariance),
        tol: 0.0,
        max_iter: 2000,
        ..MixtureOptions::new(3)
    };
    let found = fit(x.view(), None, &options(Covariance::Diagonal)).unwrap();
    assert!(found.converged && found.floored == 0 && found.empty == 0);
    close(
        &[found.final_log_likelihood(), found.bic(), found.aic()],
        &[-1004.8780632595019, 2089.6090811641907, 2037.7561265190038],
        1e-9,
    );
    close(&found.mixture.weights().to_vec(), &[0.33340933652495247, 0.33333333321975706, 0.33325733025529036], 1e-9);
    let means = [
        -0.00991102791546578,
        0.9793249087268129,
        3.9968576481327607,
        -1.9619841414386592,
        -2.953515638935203,
        4.982594664288155,
    ];
    close(&found.mixture.means().iter().copied().collect::<Vec<_>>(), &means, 1e-8);
    let variances = [
        0.33386886685889483,
        0.9557969649293196,
        0.09325233031708713,
        1.0195346446948874,
        1.3122656981721033,
        0.7470653600239281,
    ];
    close(&values(found.mixture.covariances()), &variances, 1e-8);
    let shares = found.mixture.predict_proba(x.slice(s![..3, ..])).unwrap();
    close(&shares.column(0).to_vec(), &[0.999_999_770_119_398_6, 1.2363751827847883e-10, 2.4008298584914187e-04], 1e-9);
    close(
        &[shares[[0, 1]].ln(), shares[[2, 1]].ln()],
        &[1.3329486405959275e-35f64.ln(), 1.0824860576839982e-82f64.ln()],
        1e-6,
    );
    close(
        &found.mixture.score(x.slice(s![..2, ..])).unwrap().to_vec(),
        &[-2.4389933234102488, -2.893257829916926],
        1e-9,
    );

    let found = fit(x.view(), None, &options(Covariance::Full)).unwrap();
    close(
        &[found.final_log_likelihood(), found.bic(), found.aic()],
        &[-979.0435688429475, 2055.0514397550505, 1992.087137685895],
        1e-9,
    );
    close(&found.mixture.weights().to_vec(), &[0.3333260819134478, 0.3333333333333333, 0.3333405847532189], 1e-9);
    let covariances = [
        0.3333909476527806,
        0.33607223190008845,
        0.33607223190008845,
        0.9533765085023179,
        0.09325233033547944,
        -0.0757124467988508,
        -0.0757124467988508,
        1.019534645310234,
        1.3114351813506557,
        0.12594546563687267,
        0.12594546563687267,
        0.7468053290441671,
    ];
    close(&values(found.mixture.covariances()), &covariances, 1e-7);
    close(
        &found.mixture.score(x.slice(s![..2, ..])).unwrap().to_vec(),
        &[-2.2749147831210474, -2.739296202006899],
        1e-8,
    );
    assert_eq!(found.mixture.predict(x.slice(s![..3, ..])).unwrap(), [0, 1, 2]);
}

#[test]
fn one_component_is_the_moments() {
    let x = clouds(3, 3, 500, 4.0, 1);
    let w = Array1::from_shape_fn(500, |i| (i % 5) as f64 / 3.0);
    for covariance in [Covariance::Diagonal, Covariance::Full] {
        let found = fit(x.view(), Some(w.view()), &MixtureOptions { covariance, ..MixtureOptions::new(1) }).unwrap();
        assert!(found.converged && found.iterations() == 0);
        for i in 0..3 {
            let mean = (&x.column(i) * &w).sum() / w.sum();
            assert!((found.mixture.means()[[0, i]] - mean).abs() < 1e-12);
            let variance = ((&x.column(i) - mean).mapv(|v| v * v) * &w).sum() / w.sum();
            assert!((found.mixture.variance(0, i).unwrap() - variance).abs() < 1e-11);
        }
        // moving the only mean by EM changes nothing
        let again = MixtureOptions { start: Start::Given(found.mixture.clone()), covariance, ..MixtureOptions::new(1) };
        let again = fit(x.view(), Some(w.view()), &again).unwrap();
        close(&[again.final_log_likelihood()], &[found.final_log_likelihood()], 1e-12);
    }
}

#[test]
fn the_log_likelihood_never_falls() {
    for seed in 0..8 {
        let (k, d) = (2 + seed as usize % 4, 1 + seed as usize % 3);
        let x = clouds(k, d, 400, 3.0, seed);
        let w = Array1::from_shape_fn(400, |i| ((i * 7919) % 13) as f64);
        for covariance in [Covariance::Diagonal, Covariance::Full] {
            for start in [Start::KMeans, Start::Random] {
                // a floor of a tenth of the variance binds: the law must hold all the same
                for floor in [1e-9, 0.1] {
                    let options = MixtureOptions {
                        covariance,
                        start: start.clone(),
                        restarts: 1,
                        floor,
                        tol: 0.0,
                        seed,
                        ..MixtureOptions::new(k + 1)
                    };
                    for weights in [None, Some(w.view())] {
                        let found = fit(x.view(), weights, &options).unwrap();
                        let curve = &found.log_likelihood;
                        assert!(curve.windows(2).all(|w| w[1] >= w[0]), "{curve:?}");
                        assert!(found.iterations() > 2);
                        // the last is that of the mixture returned
                        let rows = found.mixture.score(x.view()).unwrap();
                        let total = weights.map_or(rows.sum(), |w| (&rows * &w).sum());
                        close(&[total], &[found.final_log_likelihood()], 1e-12);
                    }
                }
            }
        }
    }
}

#[test]
fn a_floor_that_binds_is_reported_and_kept() {
    let x = array![[0.0, 0.0], [0.0, 1.0], [0.0, 2.0], [5.0, 0.5], [6.0, 1.5], [7.0, 4.0], [5.5, 2.0]];
    for covariance in [Covariance::Diagonal, Covariance::Full] {
        let options = MixtureOptions { covariance, floor: 1e-3, ..MixtureOptions::new(2) };
        let found = fit(x.view(), None, &options).unwrap();
        assert!(found.floored >= 1);
        let variance = x.column(0).mapv(|v| v * v).mean().unwrap() - x.column(0).mean().unwrap().powi(2);
        let least = (0..2).map(|k| found.mixture.variance(k, 0).unwrap()).fold(f64::INFINITY, f64::min);
        assert!((least / (1e-3 * variance) - 1.0).abs() < 1e-6, "{least}");
        assert!(found.iterations() >= 1 && found.converged);
    }
}

#[test]
fn a_planted_mixture_is_found() {
    let weights = array![0.5, 0.3, 0.2];
    let means = array![[0.0, 0.0], [4.0, 1.0], [-3.0, 3.0]];
    let full = array![[[1.0, 0.6], [0.6, 1.0]], [[0.5, -0.2], [-0.2, 0.4]], [[1.0, 0.0], [0.0, 2.0]]];
    let truth = GaussianMixture::new(weights, means, Covariances::Full(full)).unwrap();
    let (x, from) = truth.sample(20_000, 5);
    for start in [Start::KMeans, Start::Random] {
        let options = MixtureOptions { covariance: Covariance::Full, start, ..MixtureOptions::new(3) };
        let found = fit(x.view(), None, &options).unwrap();
        let nearest = |q: usize| {
            let distance =
                |p: usize| (0..2).map(|j| (found.mixture.means()[[p, j]] - truth.means()[[q, j]]).powi(2)).sum::<f64>();
            (0..3).min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap()
        };
        let order: Vec<usize> = (0..3).map(nearest).collect();
        for (q, &p) in order.iter().enumerate() {
            assert!((found.mixture.weights()[p] - truth.weights()[q]).abs() < 0.02);
            for j in 0..2 {
                assert!((found.mixture.means()[[p, j]] - truth.means()[[q, j]]).abs() < 0.06);
                let (a, b) = (found.mixture.variance(p, j).unwrap(), truth.variance(q, j).unwrap());
                assert!((a / b - 1.0).abs() < 0.1, "{a} {b}");
            }
        }
        let labels = found.mixture.predict(x.view()).unwrap();
        let right = labels.iter().zip(&from).filter(|(l, f)| **l == order[**f]).count();
        assert!(right > 19_000, "{right}");
    }
}

#[test]
fn multiplicities_are_weights() {
    let x = clouds(3, 2, 120, 5.0, 3);
    let counts: Vec<usize> = (0..120).map(|i| i % 3).collect();
    let rows: Vec<usize> = counts.iter().enumerate().flat_map(|(i, c)| std::iter::repeat_n(i, *c)).collect();
    let repeated = x.select(ndarray::Axis(0), &rows);
    let w = Array1::from_iter(counts.iter().map(|c| *c as f64));
    for covariance in [Covariance::Diagonal, Covariance::Full] {
        let start = fit(x.view(), None, &MixtureOptions { covariance, ..MixtureOptions::new(3) }).unwrap().mixture;
        let options =
            MixtureOptions { covariance, start: Start::Given(start), max_iter: 20, tol: 0.0, ..MixtureOptions::new(3) };
        let a = fit(x.view(), Some(w.view()), &options).unwrap();
        let b = fit(repeated.view(), None, &options).unwrap();
        close(&[a.final_log_likelihood(), a.bic()], &[b.final_log_likelihood(), b.bic()], 1e-10);
        close(&values(a.mixture.covariances()), &values(b.mixture.covariances()), 1e-8);
        // the scale of the weights changes the likelihood alone
        let scaled = fit(x.view(), Some((&w * 1e-30).view()), &options).unwrap();
        close(&values(a.mixture.covariances()), &values(scaled.mixture.covariances()), 1e-8);
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let x = clouds(3, 2, 300, 4.0, 8);
    let rows: Vec<usize> = (0..300).map(|i| (i * 101) % 300).collect();
    let options =
        MixtureOptions { start: given(Covariance::Diagonal), max_iter: 30, tol: 0.0, ..MixtureOptions::new(3) };
    let a = fit(x.view(), None, &options).unwrap();
    let b = fit(x.select(ndarray::Axis(0), &rows).view(), None, &options).unwrap();
    close(&values(a.mixture.covariances()), &values(b.mixture.covariances()), 1e-9);
    // any memory layout will do
    let c = fit(x.t().as_standard_layout().t(), None, &options).unwrap();
    assert_eq!(a, c);
}

/// x → A·x + b turns means and covariances along, and the likelihood by n·log |A|: with any A for full covariances,
/// with a diagonal one for diagonal covariances, there even through the k-means start.
#[test]
fn affine_maps_go_through() {
    let x = clouds(3, 2, 300, 6.0, 4);
    let diagonal = array![[3.0e4, 0.0], [0.0, 1e-3]];
    let any = array![[1.0, 0.7], [-0.4, 2.0]];
    let shift = array![10.0, -3.0];
    let map = |a: &Array2<f64>| x.dot(&a.t()) + &shift;

    let options = MixtureOptions { tol: 1e-9, ..MixtureOptions::new(3) };
    let (one, two) = (fit(x.view(), None, &options).unwrap(), fit(map(&diagonal).view(), None, &options).unwrap());
    close(&[one.final_log_likelihood() - 300.0 * 30f64.ln()], &[two.final_log_likelihood()], 1e-9);
    close(&one.mixture.weights().to_vec(), &two.mixture.weights().to_vec(), 1e-8);

    let start =
        fit(x.view(), None, &MixtureOptions { covariance: Covariance::Full, ..options.clone() }).unwrap().mixture;
    let Covariances::Full(c) = start.covariances() else { panic!() };
    let mut turned = c.clone();
    for (mut t, c) in turned.outer_iter_mut().zip(c.outer_iter()) {
        t.assign(&any.dot(&c).dot(&any.t()));
    }
    let means = start.means().dot(&any.t()) + &shift;
    let other = GaussianMixture::new(start.weights().clone(), means, Covariances::Full(turned)).unwrap();
    let run = |x: &Array2<f64>, start| {
        let options = MixtureOptions {
            covariance: Covariance::Full,
            start: Start::Given(start),
            max_iter: 10,
            tol: 0.0,
            ..MixtureOptions::new(3)
        };
        fit(x.view(), None, &options).unwrap()
    };
    let (one, two) = (run(&x, start), run(&map(&any), other));
    let determinant: f64 = 1.0 * 2.0 + 0.7 * 0.4;
    close(&[one.final_log_likelihood() - 300.0 * determinant.ln()], &[two.final_log_likelihood()], 1e-8);
    close(
        &two.mixture.means().iter().copied().collect::<Vec<_>>(),
        &(one.mixture.means().dot(&any.t()) + &shift).iter().copied().collect::<Vec<_>>(),
        1e-6,
    );
}

#[test]
fn every_number_of_threads_gives_the_same_bits() {
    let x = clouds(3, 2, 30_000, 4.0, 6);
    let w = Array1::from_shape_fn(30_000, |i| (i % 11) as f64);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options =
            MixtureOptions { covariance: Covariance::Full, restarts: 2, max_iter: 15, ..MixtureOptions::new(3) };
        pool.install(|| fit(x.view(), Some(w.view()), &options).unwrap())
    };
    let one = run(1);
    assert!([2, 3, 8].into_iter().all(|threads| run(threads) == one));
}

#[test]
fn scales_far_from_one_are_the_same_problem() {
    let x = clouds(2, 1, 200, 8.0, 2);
    let one = fit(x.view(), None, &MixtureOptions::new(2)).unwrap();
    for scale in [1e-100, 1e-6, 1e100] {
        let other = fit((&x * scale).view(), None, &MixtureOptions::new(2)).unwrap();
        close(&(other.mixture.means() / scale).column(0).to_vec(), &one.mixture.means().column(0).to_vec(), 1e-9);
    }
    for scale in [1e-160, 1e160] {
        assert!(matches!(fit((&x * scale).view(), None, &MixtureOptions::new(2)), Err(Error::Range { col: 0, .. })));
    }
    let far = (&x * 1e-9) + 1e6;
    assert!(matches!(fit(far.view(), None, &MixtureOptions::new(2)), Err(Error::Range { .. })));
}

#[test]
fn components_without_rows_stay_at_weight_zero() {
    let x = clouds(2, 1, 100, 4.0, 1);
    let start = GaussianMixture::new(
        array![0.5, 0.4, 0.1],
        array![[-1.0], [1.0], [1e6]],
        Covariances::Diagonal(array![[1.0], [1.0], [1e-3]]),
    );
    let found =
        fit(x.view(), None, &MixtureOptions { start: Start::Given(start.unwrap()), ..MixtureOptions::new(3) }).unwrap();
    assert_eq!((found.empty, found.mixture.weights()[2]), (1, 0.0));
    assert!(found.log_likelihood.windows(2).all(|w| w[1] >= w[0]));
    assert!(found.mixture.predict_proba(x.view()).unwrap().iter().all(|p| p.is_finite()));
    // a row far from everything belongs to somebody
    let far = found.mixture.predict_proba(array![[1e200]].view()).unwrap();
    assert!((far.sum() - 1.0).abs() < 1e-12);
}

#[test]
fn repeated_rows_do_not_break_it() {
    let x = array![[1.0], [1.0], [1.0], [2.0], [2.0], [2.0]];
    for start in [Start::KMeans, Start::Random] {
        for k in 1..=6 {
            let found =
                fit(x.view(), None, &MixtureOptions { start: start.clone(), ..MixtureOptions::new(k) }).unwrap();
            assert!(found.final_log_likelihood().is_finite());
            assert!((found.mixture.weights().sum() - 1.0).abs() < 1e-12);
        }
    }
}
