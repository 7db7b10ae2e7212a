//! Times a mixture of three Gaussians on a million numbers.

use ndarray::array;
use nmf_mixture::{Covariances, GaussianMixture, MixtureOptions, Start, fit};
use std::time::Instant;

fn main() -> Result<(), nmf_mixture::Error> {
    let variances = Covariances::Diagonal(array![[1.0], [2.0], [0.5]]);
    let truth = GaussianMixture::new(array![0.3, 0.5, 0.2], array![[-2.0], [0.0], [2.5]], variances)?;
    let (x, _) = truth.sample(1_000_000, 1);
    let options = |start| MixtureOptions { start, tol: 0.0, max_iter: 100, restarts: 1, ..MixtureOptions::new(3) };
    for start in [Start::Given(truth.clone()), Start::KMeans] {
        let begin = Instant::now();
        let found = fit(x.view(), None, &options(start))?;
        println!("{} iterations in {:.2} s", found.iterations(), begin.elapsed().as_secs_f64());
    }
    Ok(())
}
