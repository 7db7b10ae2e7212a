//! How often a survey recommends the rank that was planted: `cargo run --release -p nmf-bench --bin ranks -- [--seeds N] [--small]`.
//!
//! Ranks 5, 7 and 12 are planted in matrices of 180×120 and 600×300 (`--small`: the former only): factors gamma(0.6, 1); under fro with
//! Gaussian noise of a tenth of the standard deviation, cut at zero; under kl as Poisson counts of three times the model, dense and as CSR with
//! zeros that count. For each setting and seed (of the data and of the survey) the nine ranks from k − 4 to k + 4 are surveyed with the defaults but one start at each.
//!
//! `--golub FILE [--loss LOSS] [--restarts R]` surveys k = 2..8 of that matrix instead, 30 starts and 5 folds under kl unless told otherwise: the
//! study of J.-P. Brunet et al., PNAS 101(12), 2004, is on such a file. Prints Markdown tables and writes nothing. Each core is a worker of its own.

use ndarray::Array2;
use nmf_core::rank::{Found, Survey};
use nmf_core::{Loss, MatrixRef, Nmf, Side, Sparse};
use nmf_cpu::Cpu;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Normal, Poisson};
use std::path::Path;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;
const USAGE: &str = "usage: ranks [--seeds N] [--small], or ranks --golub FILE [--loss LOSS] [--restarts R]";

fn main() -> Result<(), Failure> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let small = words.iter().position(|w| w == "--small").map(|at| words.remove(at)).is_some();
    let mut option = |name: &str| -> Result<Option<String>, Failure> {
        let Some(at) = words.iter().position(|w| w == name) else { return Ok(None) };
        if at + 1 >= words.len() {
            return Err(format!("{name} needs a value").into());
        }
        words.remove(at);
        Ok(Some(words.remove(at)))
    };
    let (seeds, file) = (option("--seeds")?, option("--golub")?);
    let (loss, restarts) = (option("--loss")?, option("--restarts")?);
    let planted = small || seeds.is_some();
    let mut workers = workers()?;
    match (file, planted, words.is_empty()) {
        (Some(file), false, true) => {
            let loss = loss.map_or(Ok(Loss::KL), |l| l.parse())?;
            golub(&mut workers, Path::new(&file), loss, restarts.map_or(Ok(30), |r| r.parse())?)
        }
        (None, _, true) if loss.is_none() && restarts.is_none() => {
            let seeds = seeds.map_or(Ok(20), |s| s.parse())?;
            if seeds == 0 {
                return Err("--seeds 0: at least one is needed".into());
            }
            study(&mut workers, seeds, small)
        }
        _ => Err(USAGE.into()),
    }
}

fn workers() -> Result<Vec<Cpu<f32>>, Failure> {
    let cores = std::thread::available_parallelism()?.get();
    Ok((0..cores).map(|_| Cpu::with_threads(1)).collect::<Result<_, _>>()?)
}

/// X of rank k but for the noise.
fn plant(loss: &Loss, (m, n): (usize, usize), k: usize, seed: u64) -> Result<Array2<f32>, Failure> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let gamma = Gamma::new(0.6, 1.0)?;
    let w = Array2::from_shape_fn((m, k), |_| gamma.sample(&mut rng));
    let h = Array2::from_shape_fn((k, n), |_| gamma.sample(&mut rng));
    let mut v: Array2<f64> = w.dot(&h);
    if loss.is_fro() {
        let noise = Normal::new(0.0, 0.1 * v.std(0.0))?;
        v.mapv_inplace(|v| (v + noise.sample(&mut rng)).max(0.0));
    } else {
        for v in &mut v {
            // there is no Poisson distribution of mean 0, but its counts would be 0
            *v = if *v > 0.0 { Poisson::new(3.0 * *v)?.sample(&mut rng) } else { 0.0 };
        }
    }
    Ok(v.mapv(|v| v as f32))
}

/// What became of the surveys of one setting.
#[derive(Default)]
struct Tally {
    right: usize,
    within: usize,
    rises: usize,
    recommended: Vec<usize>,
    seconds: f64,
}

impl Tally {
    fn add(&mut self, found: &Found<f32>, k: usize, seconds: f64) {
        let best = &found.recommended;
        let held_out = |k: usize| found.ranks.iter().find(|s| s.k == k).and_then(|s| s.held_out).map(|(mean, _)| mean);
        let last = found.ranks.last().map_or(k, |s| s.k);
        self.right += usize::from(best.rank == k);
        self.within += usize::from((best.interval.0..=best.interval.1).contains(&k));
        self.rises += usize::from(held_out(last).zip(held_out(k)).is_some_and(|(last, at)| last > at));
        self.recommended.push(best.rank);
        self.seconds += seconds;
    }

    /// "4 ×1, 5 ×19".
    fn recommended(&self) -> String {
        let mut sorted = self.recommended.clone();
        sorted.sort_unstable();
        let groups = sorted.chunk_by(|a, b| a == b).filter_map(|g| Some(format!("{} ×{}", g.first()?, g.len())));
        groups.collect::<Vec<_>>().join(", ")
    }
}

fn study(workers: &mut [Cpu<f32>], seeds: u64, small: bool) -> Result<(), Failure> {
    println!("{seeds} seeds for each setting, {} single-threaded workers\n", workers.len());
    println!(
        "| loss | X | rank k | recommended right | k within the interval | recommended | error held out higher at k + 4 than at k | s per survey |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let shapes: &[(usize, usize)] = if small { &[(180, 120)] } else { &[(180, 120), (600, 300)] };
    let mut all = Tally::default();
    for (loss, sparse) in [(Loss::FRO, false), (Loss::KL, false), (Loss::KL, true)] {
        for &(m, n) in shapes {
            for k in [5, 7, 12] {
                let mut tally = Tally::default();
                for seed in 0..seeds {
                    let x = plant(&loss, (m, n), k, seed)?;
                    let csr = sparse.then(|| Sparse::csr_from_dense(x.view(), 0.0));
                    let x = csr.as_ref().map_or(MatrixRef::from(&x), MatrixRef::from);
                    let nmf = Nmf::new(1).loss(loss.clone()).seed(seed);
                    let survey = Survey::new(nmf, k.saturating_sub(4).max(1)..=k + 4).restarts(1);
                    let clock = Instant::now();
                    let found = survey.run(workers, x)?;
                    tally.add(&found, k, clock.elapsed().as_secs_f64());
                }
                println!(
                    "| {loss} | {m}×{n} {} | {k} | {} of {seeds} | {} | {} | {} | {:.2} |",
                    if sparse { "CSR" } else { "dense" },
                    tally.right,
                    tally.within,
                    tally.recommended(),
                    tally.rises,
                    tally.seconds / seeds as f64
                );
                all.right += tally.right;
                all.within += tally.within;
                all.rises += tally.rises;
                all.recommended.extend(tally.recommended);
                all.seconds += tally.seconds;
            }
        }
    }
    let surveys = all.recommended.len();
    println!(
        "\nof {surveys} surveys: right {}, k within the interval {}, error held out higher at k + 4 than at k {}; {:.1} s in all",
        all.right, all.within, all.rises, all.seconds
    );
    Ok(())
}

fn golub(workers: &mut [Cpu<f32>], file: &Path, loss: Loss, restarts: usize) -> Result<(), Failure> {
    let read = nmf_io::ReadOptions { precision: Some(nmf_io::Precision::F32), ..Default::default() };
    let x = nmf_io::read(file, &read)?.into_f32().matrix;
    let (m, n) = x.dim();
    let survey = Survey::new(Nmf::new(1).loss(loss.clone()), 2..=8).restarts(restarts);
    let clock = Instant::now();
    let found = survey.run(workers, &x)?;
    let seconds = clock.elapsed().as_secs_f64();
    let side = if found.ranks.first().is_some_and(|s| s.clustered == Side::Rows) { "rows" } else { "columns" };
    println!(
        "{m}×{n}, {loss}, k = 2..8, {restarts} starts, 5 folds of {:.1} %, {side} clustered: {seconds:.2} s with {} single-threaded workers\n",
        100.0 * found.share,
        workers.len()
    );
    println!("| k | divergence | explained | held out ± se | cophenetic | dispersion | silhouette | least stable |");
    println!("|---|---|---|---|---|---|---|---|");
    let some = |v: Option<f64>| v.map_or_else(|| "–".into(), |v| format!("{v:.4}"));
    for s in &found.ranks {
        println!(
            "| {} | {:.5e} | {:.2} % | {} | {} | {} | {} | {} |",
            s.k,
            s.divergences.get(s.best).copied().unwrap_or(f64::NAN),
            100.0 * s.explained,
            s.held_out.map_or_else(|| "–".into(), |(mean, error)| format!("{mean:.5} ± {error:.5}")),
            some(s.cophenetic),
            some(s.dispersion),
            some(s.silhouette),
            some(s.stability.iter().copied().reduce(f64::min)),
        );
    }
    let (best, (low, high)) = (&found.recommended, found.recommended.interval);
    println!("\nrecommended: k = {} ({low} to {high}): {}", best.rank, best.reason);
    if let Some(k) = found.elbow {
        println!("elbow of the error: k = {k}");
    }
    Ok(())
}
