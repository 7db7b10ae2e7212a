//! Expectation–maximization: starts, iterations, restarts.

use crate::data::Data;
use crate::em::{Gaussians, Sums};
use crate::kmeans::lloyd;
use crate::model::{Covariance, Covariances, GaussianMixture};
use crate::moments::{maximize, raise, spread};
use crate::{Error, Result};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Where EM starts.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Start {
    /// Weights, means and covariances of the clusters of k-means (k-means++ centres, at most 20 of Lloyd's iterations) on
    /// columns scaled to variance 1. The default.
    #[default]
    KMeans,
    /// Means at rows drawn with probability ∝ weight, the data's variances, equal weights.
    Random,
    /// This mixture; covariances below the floor are raised to it.
    Given(GaussianMixture),
}

/// What [`fit`] is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct MixtureOptions {
    /// Number of components K. One needs no iteration: its parameters are the moments of the data.
    pub components: usize,
    /// Form of the covariances. Default diagonal.
    pub covariance: Covariance,
    /// Where to start. Default k-means.
    pub start: Start,
    /// Starts with different random numbers; the one of largest log-likelihood is kept. Default 4; a given start and
    /// K = 1 are run once.
    pub restarts: usize,
    /// Most M steps of one start. Default 200.
    pub max_iter: usize,
    /// A start ends where the log-likelihood rises by no more than `tol` per unit of weight. Default 1e-7.
    pub tol: f64,
    /// Floor of every covariance, as a fraction of the data's variance in each column. Default 1e-9.
    pub floor: f64,
    /// Seed of the random numbers. Default 0.
    pub seed: u64,
}

impl MixtureOptions {
    /// The defaults for so many components.
    pub fn new(components: usize) -> Self {
        MixtureOptions {
            components,
            covariance: Covariance::Diagonal,
            start: Start::KMeans,
            restarts: 4,
            max_iter: 200,
            tol: 1e-7,
            floor: 1e-9,
            seed: 0,
        }
    }
}

/// What [`fit`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MixtureFit {
    /// The mixture. Components are in no particular order.
    pub mixture: GaussianMixture,
    /// Σ w log p(x) (natural logarithm) before each M step of the best start and after the last, never falling; the last is that of
    /// `mixture`.
    pub log_likelihood: Vec<f64>,
    /// Whether the best start ended before `max_iter`.
    pub converged: bool,
    /// Components that the floor keeps from a smaller variance: their likelihood says little.
    pub floored: usize,
    /// Components that lost all their rows: they stay where they were at weight 0.
    pub empty: usize,
    /// Which start was best, from 0.
    pub restart: usize,
    /// Σ w, the number of rows if there are no weights.
    pub total_weight: f64,
}

impl MixtureFit {
    /// Σ w log p(x) of the mixture found.
    pub fn final_log_likelihood(&self) -> f64 {
        self.log_likelihood.last().copied().unwrap_or(f64::NAN)
    }

    /// M steps of the best start.
    pub fn iterations(&self) -> usize {
        self.log_likelihood.len().saturating_sub(1)
    }

    /// Akaike's criterion 2p − 2L with p free parameters; the smaller the better. Weights count as multiplicities.
    pub fn aic(&self) -> f64 {
        2.0 * self.mixture.parameters() as f64 - 2.0 * self.final_log_likelihood()
    }

    /// Schwarz's criterion p·ln Σw − 2L with p free parameters; the smaller the better. Weights count as multiplicities.
    pub fn bic(&self) -> f64 {
        self.mixture.parameters() as f64 * self.total_weight.ln() - 2.0 * self.final_log_likelihood()
    }
}

/// Fits a Gaussian mixture to the rows of `data` (rows×d), each counted `weights` times (none: once).
///
/// Bishop 2006, §9.2.2: responsibilities by eq. 9.23 as exp(log density − largest) over their sum, weights, means and
/// covariances by eqs. 9.24–9.26 with every row's responsibility times its weight. Covariances stay above `floor`·(the
/// data's variance) as the exact M step under that constraint, so the log-likelihood cannot fall on its account.
///
/// # Errors
/// Empty or non-finite data, a column of one value, bad weights, fewer rows of weight > 0 than components, options
/// outside their range, a given start of other shape.
pub fn fit(
    data: ArrayView2<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
    options: &MixtureOptions,
) -> Result<MixtureFit> {
    check(options, data.ncols())?;
    let data = Data::new(data, weights)?;
    let k = options.components;
    if data.carried < k {
        return Err(Error::TooFewRows { rows: data.carried, components: k });
    }
    let (mean, variance) = data.spread()?;
    let floor: Vec<f64> = variance.iter().map(|v| (v * options.floor).max(f64::MIN_POSITIVE)).collect();
    let single = k == 1 && !matches!(options.start, Start::Given(_));
    let restarts = if single || matches!(options.start, Start::Given(_)) { 1 } else { options.restarts };
    let mut best: Option<MixtureFit> = None;
    for restart in 0..restarts {
        let start = if single {
            let means = Array2::from_shape_fn((1, data.cols()), |(_, j)| mean[j]);
            let wide = GaussianMixture::trusted(Array1::ones(1), means, spread(options.covariance, 1, &variance));
            // the responsibilities of a single component are 1: one M step is the closed form
            maximize(&wide, &Gaussians::new(&wide).sums(&data), &floor).mixture
        } else {
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            rng.set_stream(restart as u64);
            begin(&data, options, &variance, &floor, &mut rng)?
        };
        let max_iter = if single { 0 } else { options.max_iter };
        let found = iterate(&data, start, &floor, max_iter, options.tol, single);
        if best.as_ref().is_none_or(|b| found.final_log_likelihood() > b.final_log_likelihood()) {
            best = Some(MixtureFit { restart, ..found });
        }
    }
    best.ok_or(Error::Empty { rows: data.rows(), cols: data.cols() })
}

fn check(options: &MixtureOptions, cols: usize) -> Result<()> {
    for (name, value) in [("components", options.components), ("restarts", options.restarts)] {
        if value == 0 {
            return Err(Error::Parameter { name, value: "0".into(), expected: "a number ≥ 1" });
        }
    }
    if !(options.tol.is_finite() && options.tol >= 0.0) {
        return Err(Error::Parameter {
            name: "tol", value: options.tol.to_string(), expected: "a finite number ≥ 0"
        });
    }
    if !(options.floor >= 1e-12 && options.floor <= 1.0) {
        let value = options.floor.to_string();
        return Err(Error::Parameter { name: "floor", value, expected: "a fraction of the variance, 1e-12 to 1" });
    }
    if let Start::Given(mixture) = &options.start {
        let (expected, found) = (options.components, mixture.components());
        if expected != found {
            return Err(Error::Dimension { what: "components of the given start", expected, found });
        }
        if cols != mixture.dimension() {
            let what = "columns of the given start";
            return Err(Error::Dimension { what, expected: cols, found: mixture.dimension() });
        }
    }
    Ok(())
}

/// The mixture EM starts from, above the floor.
fn begin(
    data: &Data<'_>,
    options: &MixtureOptions,
    variance: &[f64],
    floor: &[f64],
    rng: &mut ChaCha8Rng,
) -> Result<GaussianMixture> {
    let (k, d) = (options.components, data.cols());
    let wide = spread(options.covariance, k, variance);
    match &options.start {
        Start::Random => {
            let sums = data
                .map_blocks(|start, values, _| (start..start + values.len() / d).map(|i| data.weight(i)).sum::<f64>());
            let mut means = Array2::zeros((k, d));
            let mut taken: Vec<usize> = Vec::new();
            for mut mean in means.rows_mut() {
                // different rows where chance finds them; equal ones would never part
                let mut row = data.draw(rng, &sums, |_| 1.0).unwrap_or(0);
                for _ in 0..100 {
                    if taken.iter().all(|t| data.row(*t) != data.row(row)) {
                        break;
                    }
                    row = data.draw(rng, &sums, |_| 1.0).unwrap_or(0);
                }
                taken.push(row);
                mean.iter_mut().zip(data.row(row)).for_each(|(m, x)| *m = *x);
            }
            Ok(GaussianMixture::trusted(Array1::from_elem(k, 1.0 / k as f64), means, wide))
        }
        Start::KMeans => {
            let scale: Vec<f64> = variance.iter().map(|v| v.recip()).collect();
            let clusters = lloyd(data, &scale, k, 20, 0.0, rng);
            let start = GaussianMixture::trusted(Array1::from_elem(k, 1.0 / k as f64), clusters.centres.clone(), wide);
            Ok(maximize(&start, &hard_sums(data, options.covariance, &clusters.centres, &clusters.labels), floor)
                .mixture)
        }
        Start::Given(mixture) => {
            let covariances = convert(mixture.covariances(), options.covariance, floor);
            Ok(GaussianMixture::trusted(mixture.weights().clone(), mixture.means().clone(), covariances))
        }
    }
}

/// Covariances in the form asked for, above the floor. Diagonal from full drops the correlations.
fn convert(given: &Covariances, form: Covariance, floor: &[f64]) -> Covariances {
    let d = floor.len();
    match (given, form) {
        (Covariances::Diagonal(v), Covariance::Diagonal) => {
            Covariances::Diagonal(Array2::from_shape_fn(v.dim(), |(q, j)| v[[q, j]].max(floor[j])))
        }
        (Covariances::Full(c), Covariance::Diagonal) => {
            let k = c.dim().0;
            Covariances::Diagonal(Array2::from_shape_fn((k, d), |(q, j)| c[[q, j, j]].max(floor[j])))
        }
        (Covariances::Diagonal(v), Covariance::Full) => {
            let entry = |(q, i, j): (usize, usize, usize)| if i == j { v[[q, j]].max(floor[j]) } else { 0.0 };
            Covariances::Full(ndarray::Array3::from_shape_fn((v.nrows(), d, d), entry))
        }
        (Covariances::Full(c), Covariance::Full) => {
            let mut c = c.clone();
            for mut c in c.axis_iter_mut(Axis(0)) {
                let mut values: Vec<f64> = c.iter().copied().collect();
                raise(&mut values, floor);
                c.iter_mut().zip(values).for_each(|(c, v)| *c = v);
            }
            Covariances::Full(c)
        }
    }
}

/// The sums of the M step for responsibilities 0 and 1.
fn hard_sums(data: &Data<'_>, form: Covariance, centres: &Array2<f64>, labels: &[usize]) -> Sums {
    let (k, d) = centres.dim();
    let width = if form == Covariance::Diagonal { d } else { d * d };
    let zero =
        || Sums { log_likelihood: 0.0, counts: vec![0.0; k], first: vec![0.0; k * d], second: vec![0.0; k * width] };
    let parts = data.map_blocks(|start, values, weights| {
        let mut part = zero();
        for (i, row) in values.chunks_exact(d).enumerate() {
            let (q, w) = (labels[start + i], weights.map_or(1.0, |w| w[i]));
            part.counts[q] += w;
            for a in 0..d {
                let x = row[a] - centres[[q, a]];
                part.first[q * d + a] += w * x;
                match form {
                    Covariance::Diagonal => part.second[q * d + a] += w * x * x,
                    Covariance::Full => {
                        (0..=a).for_each(|b| part.second[(q * d + a) * d + b] += w * x * (row[b] - centres[[q, b]]));
                    }
                }
            }
        }
        part
    });
    parts.into_iter().fold(zero(), |all, part| all.plus(&part))
}

/// EM from `start`, which lies above the floor.
fn iterate(
    data: &Data<'_>,
    start: GaussianMixture,
    floor: &[f64],
    max_iter: usize,
    tol: f64,
    single: bool,
) -> MixtureFit {
    let mut mixture = start;
    let mut sums = Gaussians::new(&mixture).sums(data);
    let mut log_likelihood = vec![sums.log_likelihood];
    let mut converged = single;
    let (mut floored, mut empty) = (0, 0);
    for _ in 0..max_iter {
        let step = maximize(&mixture, &sums, floor);
        let next = Gaussians::new(&step.mixture).sums(data);
        let gain = next.log_likelihood - sums.log_likelihood;
        // EM cannot lower it: a fall (or no number) is the rounding of a maximum reached
        if gain.is_nan() || gain < 0.0 {
            converged = true;
            break;
        }
        (mixture, sums, floored, empty) = (step.mixture, next, step.floored, step.empty);
        log_likelihood.push(sums.log_likelihood);
        if gain <= tol * data.total {
            converged = true;
            break;
        }
    }
    MixtureFit { mixture, log_likelihood, converged, floored, empty, restart: 0, total_weight: data.total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// [`iterate`] takes a fall for rounding and stops. It is: M steps one after another, whatever they do, never lower
    /// the log-likelihood by more, with floors that bind and with components that lose their rows.
    #[test]
    fn steps_rise_but_for_rounding() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (form, share) in [(Covariance::Diagonal, 1e-9), (Covariance::Diagonal, 0.2), (Covariance::Full, 0.2)] {
            let x =
                Array2::from_shape_fn((300, 3), |(i, j)| rng.random::<f64>() * (1.0 + j as f64) + (i % 4 * j) as f64);
            let w = Array1::from_shape_fn(300, |_| rng.random::<f64>());
            let data = Data::new(x.view(), Some(w.view())).unwrap();
            let (_, variance) = data.moments();
            let floor: Vec<f64> = variance.iter().map(|v| v * share).collect();
            let options = MixtureOptions { covariance: form, start: Start::Random, ..MixtureOptions::new(6) };
            let mut mixture = begin(&data, &options, &variance, &floor, &mut rng).unwrap();
            let (mut last, mut floored) = (f64::NEG_INFINITY, 0);
            for _ in 0..150 {
                let sums = Gaussians::new(&mixture).sums(&data);
                assert!(sums.log_likelihood >= last - 1e-11 * last.abs(), "{} after {last}", sums.log_likelihood);
                last = sums.log_likelihood;
                let step = maximize(&mixture, &sums, &floor);
                floored += step.floored;
                mixture = step.mixture;
            }
            assert!(share < 0.1 || floored > 0);
        }
    }
}
