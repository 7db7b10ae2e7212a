//! Surveys over ranks: planted ranks are found, layouts agree, interrupted surveys end as if they had not been.

use ndarray::Array2;
use nmf_core::rank::{Archive, Fold, Found, Kept, Nothing, Survey, Surveyed, Unit, Watch};
use nmf_core::{Loss, MatrixRef, Nmf, Observed, Result, Side, Sparse};
use nmf_cpu::Cpu;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Normal, Poisson};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// X of a planted rank: factors gamma(0.6, 1); under fro with Gaussian noise of a tenth of the standard deviation, cut at zero; under kl
/// Poisson counts of three times the model.
fn planted(loss: &Loss, (m, n): (usize, usize), k: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let gamma = Gamma::new(0.6, 1.0).unwrap();
    let w = Array2::from_shape_fn((m, k), |_| gamma.sample(&mut rng));
    let h = Array2::from_shape_fn((k, n), |_| gamma.sample(&mut rng));
    let v: Array2<f64> = w.dot(&h);
    if loss.is_fro() {
        let noise = Normal::new(0.0, 0.1 * v.std(0.0)).unwrap();
        v.mapv(|v| (v + noise.sample(&mut rng)).max(0.0) as f32)
    } else {
        v.mapv(|v| Poisson::new(3.0 * v).unwrap().sample(&mut rng) as f32)
    }
}

fn workers() -> [Cpu<f32>; 2] {
    [Cpu::with_threads(1).unwrap(), Cpu::with_threads(1).unwrap()]
}

fn curve(found: &Found<f32>) -> Vec<f64> {
    found.ranks.iter().map(|s| s.held_out.unwrap().0).collect()
}

#[test]
fn planted_ranks_are_recommended_and_the_held_out_error_rises_beyond() {
    for (k, loss) in [(5, Loss::FRO), (7, Loss::KL), (12, Loss::FRO), (12, Loss::KL)] {
        for (seed, sparse) in [(0, false), (1, loss.is_kl())] {
            let x = planted(&loss, (180, 120), k, seed);
            let csr = Sparse::csr_from_dense(x.view(), 0.0);
            let input = if sparse { MatrixRef::from(&csr) } else { MatrixRef::from(&x) };
            let survey = Survey::new(Nmf::new(1).loss(loss.clone()), k - 3..=k + 3).restarts(1).folds(5);
            let found = survey.run(&mut workers(), input).unwrap();
            assert_eq!(found.recommended.rank, k, "{loss} seed {seed}: {:?}", curve(&found));
            let (low, high) = found.recommended.interval;
            assert!(low <= k && k <= high);
            let (at, beyond) = (curve(&found)[3], curve(&found)[6]);
            assert!(beyond > at, "{loss} seed {seed}: {:?}", curve(&found));
        }
    }
}
