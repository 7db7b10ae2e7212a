//! K-means: Lloyd's algorithm from k-means++ centres.
//!
//! Assigning every row to its nearest centre and moving every centre to the (weighted) mean of its rows both lower the
//! inertia Σ wᵢ‖xᵢ − c(i)‖² or leave it. A centre without rows takes over the row that lies farthest from its own centre,
//! which lowers it too. Sources: S. P. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28(2), 1982;
//! Arthur and Vassilvitskii 2007 (the starting centres).

use crate::data::Data;
use crate::{Error, Result};
use ndarray::{Array2, ArrayView1, ArrayView2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What [`kmeans`] is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeansOptions {
    /// Number of clusters.
    pub clusters: usize,
    /// Starts from different centres; the one of least inertia is kept. Default 4.
    pub restarts: usize,
    /// Most iterations of one start. Default 300.
    pub max_iter: usize,
    /// A start ends where the inertia falls by no more than this fraction of the data's total variance (or no label
    /// changes). Default 0: until no label changes.
    pub tol: f64,
    /// Seed of the starting centres. Default 0.
    pub seed: u64,
}

impl KMeansOptions {
    /// The defaults for so many clusters.
    pub fn new(clusters: usize) -> Self {
        KMeansOptions { clusters, restarts: 4, max_iter: 300, tol: 0.0, seed: 0 }
    }
}

/// What [`kmeans`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KMeans {
    /// Centres, clusters×d.
    pub centres: Array2<f64>,
    /// The cluster of every row; for ties the lowest.
    pub labels: Vec<usize>,
    /// Σ wᵢ‖xᵢ − c(i)‖² at every iteration of the best start, never rising; the last is that of `labels` and `centres`.
    pub inertia: Vec<f64>,
    /// Whether the best start ended before `max_iter`.
    pub converged: bool,
    /// Which start was best, from 0.
    pub restart: usize,
}

/// Clusters the rows of `data` (rows×d), each counted `weights` times (none: once).
///
/// # Errors
/// Empty or non-finite data, bad weights, fewer rows of weight > 0 than clusters, options outside their range.
pub fn kmeans(
    data: ArrayView2<'_, f64>,
    weights: Option<ArrayView1<'_, f64>>,
    options: &KMeansOptions,
) -> Result<KMeans> {
    let positive = |name, value: usize| match value {
        0 => Err(Error::Parameter { name, value: "0".into(), expected: "a number ≥ 1" }),
        _ => Ok(()),
    };
    positive("clusters", options.clusters)?;
    positive("restarts", options.restarts)?;
    positive("max_iter", options.max_iter)?;
    if !(options.tol.is_finite() && options.tol >= 0.0) {
        return Err(Error::Parameter {
            name: "tol", value: options.tol.to_string(), expected: "a finite number ≥ 0"
        });
    }
    let data = Data::new(data, weights)?;
    if data.carried < options.clusters {
        return Err(Error::TooFewRows { rows: data.carried, components: options.clusters });
    }
    let (_, variance) = data.moments();
    if let Some(col) = variance.iter().position(|v| !v.is_finite()) {
        return Err(Error::Range { col, reason: "the squares of its values overflow".into() });
    }
    let scale = vec![1.0; data.cols()];
    let stop = options.tol * data.total * variance.iter().sum::<f64>();
    let mut best: Option<KMeans> = None;
    for restart in 0..options.restarts {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(restart as u64);
        let found = lloyd(&data, &scale, options.clusters, options.max_iter, stop, &mut rng);
        if best.as_ref().is_none_or(|b| found.inertia.last() < b.inertia.last()) {
            best = Some(KMeans { restart, ..found });
        }
    }
    best.ok_or(Error::Empty { rows: data.rows(), cols: data.cols() })
}

/// One start: k-means++ centres, then Lloyd's iterations. Distances are Σⱼ scaleⱼ·(xⱼ − cⱼ)².
pub(crate) fn lloyd(
    data: &Data<'_>,
    scale: &[f64],
    k: usize,
    max_iter: usize,
    stop: f64,
    rng: &mut ChaCha8Rng,
) -> KMeans {
    let d = data.cols();
    let mut centres = plus_plus(data, scale, k, rng);
    let mut nearest = vec![Nearest { label: usize::MAX, distance: 0.0 }; data.rows()];
    let (mut inertia, mut converged) = (Vec::new(), false);
    for iteration in 0..=max_iter {
        let mut pass = assign(data, scale, &centres, &mut nearest);
        // rounding may raise the sum once nothing moves any more
        let total = inertia.last().map_or(pass.inertia, |last| pass.inertia.min(*last));
        let gain = inertia.last().map_or(f64::INFINITY, |last| last - total);
        inertia.push(total);
        converged = !pass.changed || (stop > 0.0 && gain <= stop);
        if converged || iteration == max_iter {
            break;
        }
        fill_empty(data, &centres, &mut nearest, &mut pass);
        for q in 0..k {
            if pass.counts[q] > 0.0 {
                (0..d).for_each(|j| centres[q * d + j] += pass.sums[q * d + j] / pass.counts[q]);
            }
        }
    }
    let centres = Array2::from_shape_fn((k, d), |(q, j)| centres[q * d + j]);
    KMeans { centres, labels: nearest.iter().map(|n| n.label).collect(), inertia, converged, restart: 0 }
}

/// Centres drawn among the rows with probability ∝ weight · squared distance to the nearest centre so far.
fn plus_plus(data: &Data<'_>, scale: &[f64], k: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut nearest = vec![f64::INFINITY; data.rows()];
    let sums = data.map_blocks(|start, values, _| {
        (start..start + values.len() / data.cols()).map(|i| data.weight(i)).sum::<f64>()
    });
    let mut chosen = data.draw(rng, &sums, |_| 1.0).unwrap_or(0);
    let mut centres = data.row(chosen).to_vec();
    for _ in 1..k {
        let centre = data.row(chosen);
        let sums = data.map_blocks_into(&mut nearest, 1, |start, values, _, nearest| {
            let rows = values.chunks_exact(data.cols()).zip(nearest).enumerate();
            rows.map(|(i, (row, nearest))| {
                *nearest = nearest.min(distance(row, centre, scale));
                data.weight(start + i) * *nearest
            })
            .sum::<f64>()
        });
        // fewer different rows than clusters: any row repeats a centre
        chosen = data.draw(rng, &sums, |i| nearest[i]).unwrap_or(chosen);
        centres.extend_from_slice(data.row(chosen));
    }
    centres
}

/// The centre nearest to a row.
#[derive(Debug, Clone, Copy)]
struct Nearest {
    label: usize,
    distance: f64,
}

/// What one pass over the rows gives.
struct Pass {
    /// Σ w(x − centre) of every cluster, k×d.
    sums: Vec<f64>,
    /// Σ w of every cluster.
    counts: Vec<f64>,
    inertia: f64,
    changed: bool,
}

impl Pass {
    fn zero(k: usize, d: usize) -> Self {
        Pass { sums: vec![0.0; k * d], counts: vec![0.0; k], inertia: 0.0, changed: false }
    }
}

/// Labels and squared distances of all rows.
fn assign(data: &Data<'_>, scale: &[f64], centres: &[f64], nearest: &mut [Nearest]) -> Pass {
    let d = data.cols();
    let k = centres.len() / d;
    let parts = data.map_blocks_into(nearest, 1, |_, values, weights, nearest| {
        let mut part = Pass::zero(k, d);
        for (i, (row, nearest)) in values.chunks_exact(d).zip(nearest).enumerate() {
            let mut best = Nearest { label: 0, distance: f64::INFINITY };
            for (label, centre) in centres.chunks_exact(d).enumerate() {
                let distance = distance(row, centre, scale);
                if distance < best.distance {
                    best = Nearest { label, distance };
                }
            }
            let w = weights.map_or(1.0, |w| w[i]);
            part.changed |= best.label != nearest.label;
            part.counts[best.label] += w;
            part.inertia += w * best.distance;
            let centre = &centres[best.label * d..][..d];
            let sums = &mut part.sums[best.label * d..][..d];
            sums.iter_mut().zip(row).zip(centre).for_each(|((s, x), c)| *s += w * (x - c));
            *nearest = best;
        }
        part
    });
    let mut all = Pass::zero(k, d);
    for part in parts {
        all.sums.iter_mut().zip(&part.sums).for_each(|(a, p)| *a += p);
        all.counts.iter_mut().zip(&part.counts).for_each(|(a, p)| *a += p);
        all.inertia += part.inertia;
        all.changed |= part.changed;
    }
    all
}

/// Gives every cluster without weight the row that costs most, if its cluster keeps others. With fewer different rows
/// than clusters nothing costs anything: such a cluster stays where it is.
fn fill_empty(data: &Data<'_>, centres: &[f64], nearest: &mut [Nearest], pass: &mut Pass) {
    let d = data.cols();
    for empty in 0..pass.counts.len() {
        if pass.counts[empty] > 0.0 {
            continue;
        }
        let mut worst: Option<(usize, f64)> = None;
        for (i, n) in nearest.iter().enumerate() {
            let cost = data.weight(i) * n.distance;
            let keeps = pass.counts[n.label] > data.weight(i);
            if keeps && cost > worst.map_or(0.0, |(_, most)| most) {
                worst = Some((i, cost));
            }
        }
        let Some((i, _)) = worst else { return };
        let (from, w) = (nearest[i].label, data.weight(i));
        for (j, x) in data.row(i).iter().enumerate() {
            pass.sums[from * d + j] -= w * (x - centres[from * d + j]);
            pass.sums[empty * d + j] = w * (x - centres[empty * d + j]);
        }
        pass.counts[from] -= w;
        pass.counts[empty] = w;
        nearest[i] = Nearest { label: empty, distance: 0.0 };
    }
}

fn distance(row: &[f64], centre: &[f64], scale: &[f64]) -> f64 {
    row.iter().zip(centre).zip(scale).map(|((x, c), s)| s * (x - c) * (x - c)).sum()
}
