//! Surveys over ranks: planted ranks are found, layouts agree, interrupted surveys end as if they had not been.

use ndarray::Array2;
use nmf_core::rank::{Archive, Found, Key, Survey, Surveyed, Unit, Watch};
use nmf_core::{Loss, MatrixRef, Nmf, Observed, Result, Side, Snapshot, Sparse};
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

/// Labels, starts and held-out entries do not depend on the layout or the number of workers.
#[test]
fn workers_and_layouts_agree() {
    let x = planted(&Loss::KL, (60, 40), 3, 5);
    let csr = Sparse::csr_from_dense(x.view(), 0.0);
    // a solver that takes the same path on dense and sparse data, but for rounding
    let nmf = || Nmf::new(1).loss(Loss::KL).solver(nmf_core::SolverKind::Mu).max_iter(60).seed(4);
    let survey = || Survey::new(nmf(), [2, 3, 4]).restarts(3).folds(2);
    let one = survey().run(&mut [Cpu::with_threads(1).unwrap()], &x).unwrap();
    let two = survey().run(&mut [Cpu::with_threads(2).unwrap(), Cpu::with_threads(1).unwrap()], &x).unwrap();
    assert_eq!(one.ranks, two.ranks);
    assert_eq!(one.recommended, two.recommended);
    let sparse = survey().run(&mut workers(), &csr).unwrap();
    for (a, b) in curve(&one).iter().zip(curve(&sparse)) {
        assert!((a - b).abs() < 2e-3 * a, "{a} {b}");
    }
    let stored = |s: &Surveyed<f32>| (s.clusters.clone(), s.cophenetic.map(|c| (c * 1e3).round()));
    assert_eq!(one.ranks.iter().map(stored).collect::<Vec<_>>(), sparse.ranks.iter().map(stored).collect::<Vec<_>>());
}

/// Where zeros count, leaving entries out of a sparse matrix is the same as a dense mask over it: the same starts, the same updates,
/// and so the same held-out errors up to rounding. In f64, so that rounding is far below what a wrong sum would do.
#[test]
fn entries_left_out_of_a_sparse_matrix_are_masked_entries() {
    for loss in [Loss::KL, Loss::FRO, Loss::Beta(1.5)] {
        let counts = planted(&Loss::KL, (50, 30), 3, 9).mapv(|v| if v > 4.0 { f64::from(v) } else { 0.0 });
        let csr = Sparse::csr_from_dense(counts.view(), 0.0);
        let nmf = Nmf::new(1).loss(loss.clone()).solver(nmf_core::SolverKind::Mu).max_iter(40).tol(0.0);
        let survey = Survey::new(nmf, [1, 2, 3, 5]).restarts(1).folds(3);
        let mut workers = [Cpu::<f64>::with_threads(1).unwrap()];
        let dense = survey.run(&mut workers, &counts).unwrap();
        let sparse = survey.run(&mut workers, &csr).unwrap();
        for (a, b) in dense.ranks.iter().zip(&sparse.ranks) {
            for (a, b) in a.folds.iter().zip(&b.folds) {
                assert!((a - b).abs() < 1e-9 * a, "{loss}: {a} {b}");
            }
        }
    }
}

/// The held-out error is the mean divergence of the model at the held-out entries: with one fold too small to matter to the fit and
/// an exactly low-rank matrix it vanishes from the true rank on, whatever counts.
#[test]
fn exact_data_are_predicted_with_masks_weights_and_stored_entries() {
    let gamma = |seed: u64, m: usize, n: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let g = Gamma::new(2.0, 1.0).unwrap();
        Array2::from_shape_fn((m, n), |_| g.sample(&mut rng))
    };
    let x: Array2<f64> = gamma(1, 40, 2).dot(&gamma(2, 2, 30));
    let mask = Array2::from_shape_fn((40, 30), |(i, j)| f64::from(u8::from((i * 3 + j * 7) % 5 != 0)));
    let weights = &mask * &gamma(3, 40, 30);
    let spoiled = Array2::from_shape_fn((40, 30), |at| if mask[at] > 0.0 { x[at] } else { 1e3 });
    let stored = Sparse::csr_from_dense((&x * &mask).view(), 0.0);
    let base = Nmf::new(1).tol(1e-9).max_iter(3000);
    let cases = [
        ("all", base.clone(), MatrixRef::from(&x)),
        ("mask", base.clone().weights(mask.clone()), MatrixRef::from(&spoiled)),
        ("weights", base.clone().weights(weights.clone()), MatrixRef::from(&spoiled)),
        ("stored", base.clone().observed(Observed::Stored), MatrixRef::from(&stored)),
        ("sparse mask", base.clone().weights(Sparse::csr_from_dense(mask.view(), 0.0)), MatrixRef::from(&spoiled)),
    ];
    for (name, nmf, x) in cases {
        let survey = Survey::new(nmf, [1, 2]).restarts(1).folds(3).held_out(0.05);
        let found = survey.run(&mut [Cpu::with_threads(2).unwrap()], x).unwrap();
        let (one, two) = (found.ranks[0].held_out.unwrap().0, found.ranks[1].held_out.unwrap().0);
        assert!(two < 1e-5 * one, "{name}: {one} {two}");
        assert_eq!(found.recommended.rank, 2, "{name}");
    }
}

/// An archive in memory that stops the survey after some units, and counts what is done.
#[derive(Default)]
struct Memory {
    kept: Mutex<BTreeMap<Key, Snapshot<f32>>>,
    left: AtomicUsize,
    computed: AtomicUsize,
}

impl Archive<f32> for Memory {
    fn load(&self, key: Key) -> Result<Option<Snapshot<f32>>> {
        Ok(self.kept.lock().unwrap().get(&key).cloned())
    }
    fn keep(&self, key: Key, state: Snapshot<f32>) -> Result<()> {
        if !matches!(key, Key::Rank(_)) {
            self.computed.fetch_add(1, Ordering::Relaxed);
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).ok();
        }
        self.kept.lock().unwrap().insert(key, state);
        Ok(())
    }
}

impl Watch for Memory {
    fn stopping(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
    fn done(&self, _: &Unit) {}
}

#[test]
fn a_stopped_survey_continues_to_the_same_result_and_does_nothing_twice() {
    let x = planted(&Loss::FRO, (40, 30), 3, 2);
    let survey = Survey::new(Nmf::new(1).max_iter(50), 1..=4).restarts(3).folds(2);
    let whole = survey.run(&mut workers(), &x).unwrap();
    let memory = Memory::default();
    let mut stops = 0;
    let found = loop {
        memory.left.store(2, Ordering::Relaxed);
        match survey.run_kept(&mut workers(), &x, &memory, &memory).unwrap() {
            Some(found) => break found,
            None => stops += 1,
        }
        assert!(stops < 50, "no progress");
    };
    assert!(stops >= 4, "{stops}");
    assert_eq!(found.ranks, whole.ranks);
    assert_eq!(found.recommended, whole.recommended);
    // two workers may finish a unit each after the last one that counted; none is done twice
    assert_eq!(memory.computed.load(Ordering::Relaxed), survey.units());
    // more ranks: what is there is taken over
    memory.left.store(usize::MAX, Ordering::Relaxed);
    memory.computed.store(0, Ordering::Relaxed);
    let longer = Survey::new(Nmf::new(1).max_iter(50), 1..=5).restarts(3).folds(2);
    let found = longer.run_kept(&mut workers(), &x, &memory, &memory).unwrap().unwrap();
    assert_eq!(memory.computed.load(Ordering::Relaxed), 5);
    assert_eq!(found.ranks, longer.run(&mut workers(), &x).unwrap().ranks);
}

#[test]
fn kept_states_that_do_not_fit_are_named() {
    let x = planted(&Loss::FRO, (20, 12), 2, 2);
    let survey = Survey::new(Nmf::new(1).max_iter(20), 1..=2).restarts(2).folds(2);
    for (key, entry) in [(Key::Rank(2), "order"), (Key::Rank(1), "W"), (Key::Fold(0), "errors"), (Key::Rank(2), "best")]
    {
        let memory = Memory { left: AtomicUsize::new(usize::MAX), ..Memory::default() };
        survey.run_kept(&mut workers(), &x, &memory, &memory).unwrap();
        let mut kept = memory.kept.lock().unwrap();
        kept.get_mut(&key).unwrap().put_counts(entry, [77]);
        drop(kept);
        let said = survey.run_kept(&mut workers(), &x, &memory, &memory).err().unwrap().to_string();
        assert!(said.starts_with(&format!("{key}: ")) && said.contains(entry), "{said}");
    }
}

#[test]
fn consensus_tells_stable_ranks_from_others_and_clusters_the_planted_groups() {
    // three groups of columns with parts of their own, and noise
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let noise = Gamma::new(1.0, 0.05).unwrap();
    let x = Array2::from_shape_fn((60, 45), |(i, j)| {
        (if i % 3 == j / 15 { 1.0 + ((i * j) % 4) as f64 } else { 0.0 } + noise.sample(&mut rng)) as f32
    });
    let survey = Survey::new(Nmf::new(1).loss(Loss::KL), 2..=5).restarts(8).folds(0).cluster(Side::Cols);
    let found = survey.run(&mut workers(), &x).unwrap();
    assert_eq!(found.recommended.rank, 3, "{:?}", found.recommended);
    let at = |k: usize| found.ranks.iter().find(|s| s.k == k).unwrap();
    assert!(at(3).cophenetic.unwrap() > 0.999 && at(3).dispersion.unwrap() > 0.999);
    assert!(at(5).dispersion.unwrap() < 0.95);
    assert!(at(3).stability.iter().all(|s| *s > 0.99) && at(3).silhouette.unwrap() > 0.95);
    for j in 0..45 {
        assert_eq!(at(3).clusters[j], at(3).clusters[j / 15 * 15]);
    }
    assert_eq!(at(3).consensus.dim(), (45, 45));
    assert!(found.ranks.iter().all(|s| s.held_out.is_none() && s.compresses));
    // the error curve of the best of eight starts does not rise
    assert!(found.ranks.windows(2).all(|p| p[1].objective <= p[0].objective));
}

#[test]
fn settings_that_cannot_be_honoured_are_refused() {
    let x = planted(&Loss::FRO, (10, 8), 2, 0);
    let refused = |survey: Survey<f32>| survey.run(&mut workers(), &x).err().map(|e| e.to_string());
    let nmf = || Nmf::new(1);
    for (survey, word) in [
        (Survey::new(nmf(), []), "at least one"),
        (Survey::new(nmf(), [3, 2]), "each larger"),
        (Survey::new(nmf(), [2]).restarts(0), "at least 1"),
        (Survey::new(nmf(), [2]).folds(1), "at least 2"),
        (Survey::new(nmf(), [2]).folds(5).held_out(0.3), "1/folds"),
        (Survey::new(nmf().fix_w(Array2::ones((10, 1))), [2]), "fixed components"),
        (Survey::new(nmf().shifts(2), [2]), "convolutive"),
        (Survey::new(nmf().sparseness(Some(0.5), None), [2]), "sparseness"),
        (Survey::new(nmf(), [2, 70_000]), "65536"),
    ] {
        let message = refused(survey).expect("accepted");
        assert!(message.contains(word), "{message}");
    }
    let none: Result<Found<f32>> = Survey::new(nmf(), [2]).run(&mut Vec::<Cpu<f32>>::new(), &x);
    assert!(none.is_err());
}
