//! Laws of k-means and scikit-learn's figures.

use ndarray::{Array1, Array2, array};
use nmf_mixture::{Error, KMeansOptions, kmeans};
use rand::{RngExt, SeedableRng};

fn points(n: usize, d: usize, seed: u64) -> Array2<f64> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_fn((n, d), |_| rng.random::<f64>())
}

/// scikit-learn 1.9.1, `KMeans(3, tol=0)` on these sequences of fractional parts (three clusters far apart, so that every
/// start ends in the same place), without and with the weights 1 + i mod 4.
#[test]
fn figures_of_scikit_learn() {
    let (centre, width) = ([[0.0, 1.0], [4.0, -2.0], [-3.0, 5.0]], [[1.0, 0.8], [0.5, -0.9], [2.0, 0.1]]);
    let x = Array2::from_shape_fn((300, 2), |(i, j)| {
        let u = ((i + 1) as f64 * 0.6180339887498949) % 1.0 - 0.5;
        let w = ((i + 1) as f64 * 0.41421356237309515) % 1.0 - 0.5;
        centre[i % 3][j] + width[i % 3][j] * u * 2.0 + [0.3, 3.0][j] * w
    });
    let check = |weights: Option<Array1<f64>>, inertia: f64, expected: [[f64; 2]; 3]| {
        let found = kmeans(x.view(), weights.as_ref().map(|w| w.view()), &KMeansOptions::new(3)).unwrap();
        assert!(found.converged);
        assert!((found.inertia.last().unwrap() / inertia - 1.0).abs() < 1e-12, "{:?}", found.inertia);
        for e in expected {
            let near = |c: ndarray::ArrayView1<'_, f64>| (c[0] - e[0]).abs() + (c[1] - e[1]).abs() < 1e-9;
            assert!(found.centres.rows().into_iter().any(near), "{} lacks {e:?}", found.centres);
        }
    };
    check(
        None,
        445.7485861431596,
        [
            [-0.00935909134810686, 0.9785128333080333],
            [3.9968576480044287, -1.9619841408940706],
            [-2.9533964077065162, 4.982493957693559],
        ],
    );
    check(
        Some(Array1::from_shape_fn(300, |i| (1 + i % 4) as f64)),
        1089.9500028382618,
        [
            [-0.002659477484591666, 0.9459613540437677],
            [4.001125899720069, -2.0164225842615444],
            [-2.935676400593064, 5.103568203154339],
        ],
    );
}

#[test]
fn the_inertia_never_rises_and_is_that_of_the_result() {
    for seed in 0..10 {
        let x = points(500, 1 + seed as usize % 4, seed);
        let w = Array1::from_shape_fn(500, |i| (i % 7) as f64);
        let found = kmeans(x.view(), Some(w.view()), &KMeansOptions { seed, ..KMeansOptions::new(12) }).unwrap();
        assert!(found.inertia.windows(2).all(|w| w[1] <= w[0]), "{:?}", found.inertia);
        let mut inertia = 0.0;
        for (i, row) in x.rows().into_iter().enumerate() {
            let to = |q: usize| (&row - &found.centres.row(q)).mapv(|v| v * v).sum();
            assert!((0..12).all(|q| to(q) >= to(found.labels[i])));
            inertia += w[i] * to(found.labels[i]);
        }
        assert!((found.inertia.last().unwrap() - inertia).abs() < 1e-9);
    }
}

#[test]
fn clusters_are_never_empty_while_rows_differ() {
    // more clusters than clumps, far apart: starts leave some without rows
    let x = Array2::from_shape_fn((60, 1), |(i, _)| 1000.0 * (i % 3) as f64 + (i / 3) as f64 * 1e-3);
    for seed in 0..50 {
        let options = KMeansOptions { seed, restarts: 1, ..KMeansOptions::new(20) };
        let found = kmeans(x.view(), None, &options).unwrap();
        let mut counts = [0; 20];
        found.labels.iter().for_each(|l| counts[*l] += 1);
        assert!(counts.iter().all(|c| *c > 0), "{counts:?}");
    }
    let same = Array2::ones((5, 2));
    let found = kmeans(same.view(), None, &KMeansOptions::new(3)).unwrap();
    assert_eq!(found.inertia.last(), Some(&0.0));
    assert!(found.converged && found.centres.iter().all(|c| *c == 1.0));
}

#[test]
fn the_result_depends_on_the_seed_alone() {
    let x = points(20_000, 3, 4);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| kmeans(x.view(), None, &KMeansOptions { max_iter: 10, ..KMeansOptions::new(5) }).unwrap())
    };
    let one = run(1);
    assert!([2, 5].into_iter().all(|threads| run(threads) == one));
}

#[test]
fn errors_name_what_is_wrong() {
    let x = points(4, 2, 0);
    assert_eq!(kmeans(x.view(), None, &KMeansOptions::new(5)), Err(Error::TooFewRows { rows: 4, components: 5 }));
    for bad in [
        KMeansOptions::new(0),
        KMeansOptions { restarts: 0, ..KMeansOptions::new(2) },
        KMeansOptions { max_iter: 0, ..KMeansOptions::new(2) },
        KMeansOptions { tol: -1.0, ..KMeansOptions::new(2) },
    ] {
        assert!(matches!(kmeans(x.view(), None, &bad), Err(Error::Parameter { .. })));
    }
    let nan = array![[0.0], [f64::NAN]];
    assert!(matches!(kmeans(nan.view(), None, &KMeansOptions::new(1)), Err(Error::NotFinite { row: 1, col: 0, .. })));
    let huge = array![[1e200], [-1e200]];
    assert!(matches!(kmeans(huge.view(), None, &KMeansOptions::new(1)), Err(Error::Range { .. })));
}
