//! Every refusal of the mixture says what was found and where.

use ndarray::{Array1, Array2, array};
use nmf_mixture::{Covariances, Error, GaussianMixture, MixtureOptions, Start, fit};

#[test]
fn errors_name_what_is_wrong() {
    let x = Array2::from_shape_fn((10, 2), |(i, j)| ((i * 7 + j * 3) % 10) as f64);
    let two = MixtureOptions::new(2);
    let with = |row: usize, col: usize, value: f64| {
        let mut x = x.clone();
        x[[row, col]] = value;
        fit(x.view(), None, &two)
    };
    assert!(matches!(with(3, 1, f64::NAN), Err(Error::NotFinite { row: 3, col: 1, .. })));
    assert!(matches!(with(0, 0, f64::INFINITY), Err(Error::NotFinite { row: 0, col: 0, .. })));
    assert_eq!(fit(Array2::zeros((0, 2)).view(), None, &two), Err(Error::Empty { rows: 0, cols: 2 }));
    assert_eq!(fit(Array2::zeros((5, 0)).view(), None, &two), Err(Error::Empty { rows: 5, cols: 0 }));
    let few = fit(x.view(), None, &MixtureOptions::new(11));
    assert_eq!(few, Err(Error::TooFewRows { rows: 10, components: 11 }));
    let constant = Array2::from_shape_fn((5, 2), |(i, j)| if j == 0 { i as f64 } else { 0.1 });
    assert_eq!(fit(constant.view(), None, &two), Err(Error::Constant { col: 1, value: 0.1 }));
    let weights = |w: &[f64]| fit(x.view(), Some(ndarray::ArrayView1::from(w)), &two);
    assert_eq!(weights(&[1.0; 9]), Err(Error::WeightCount { expected: 10, found: 9 }));
    assert!(matches!(weights(&[1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), Err(Error::Weight { row: 2, .. })));
    assert_eq!(weights(&[0.0; 10]), Err(Error::TooFewRows { rows: 0, components: 2 }));
    for bad in [
        MixtureOptions::new(0),
        MixtureOptions { restarts: 0, ..two.clone() },
        MixtureOptions { tol: f64::NAN, ..two.clone() },
        MixtureOptions { floor: 0.0, ..two.clone() },
        MixtureOptions { floor: f64::NAN, ..two.clone() },
    ] {
        assert!(matches!(fit(x.view(), None, &bad), Err(Error::Parameter { .. })), "{bad:?}");
    }
    let three = fit(x.view(), None, &MixtureOptions::new(3)).unwrap().mixture;
    let wrong = MixtureOptions { start: Start::Given(three), ..two };
    assert!(matches!(fit(x.view(), None, &wrong), Err(Error::Dimension { expected: 2, found: 3, .. })));
    let mixture = fit(x.view(), None, &MixtureOptions::new(2)).unwrap().mixture;
    assert!(matches!(mixture.predict(Array2::zeros((3, 1)).view()), Err(Error::Dimension { .. })));
    let means = || array![[0.0], [1.0]];
    let new = |w: Array1<f64>, v: Array2<f64>| GaussianMixture::new(w, means(), Covariances::Diagonal(v));
    assert!(matches!(new(array![0.5, 0.6], Array2::ones((2, 1))), Err(Error::Parameter { .. })));
    assert!(matches!(new(array![0.5, f64::NAN], Array2::ones((2, 1))), Err(Error::Component { component: 1, .. })));
    assert!(matches!(new(array![0.5, 0.5], array![[1.0], [0.0]]), Err(Error::Component { component: 1, .. })));
    let flat = Covariances::Full(array![[[1.0, 1.0], [1.0, 1.0]]]);
    assert!(matches!(GaussianMixture::new(array![1.0], array![[0.0, 0.0]], flat), Err(Error::Component { .. })));
}
