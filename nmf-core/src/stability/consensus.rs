//! Consensus over runs: which items fall together, and how clear-cut that is.

use crate::Element;
use kodama::{Method, Step, linkage};
use ndarray::{Array2, ArrayView2};

/// Which component is the largest in each row of a factor (items × k), counted from 0: component q counts `scale[q]` times,
/// the size of its counterpart in the other factor, so that the scale between W and H does not decide. Ties go to the first;
/// a row without a positive entry gets `u32::MAX`. A component without a scale does not count.
pub fn memberships<T: Element>(factor: ArrayView2<'_, T>, scale: &[f64]) -> Vec<u32> {
    let of_row = |row: ndarray::ArrayView1<'_, T>| {
        let mut largest = (0.0, u32::MAX);
        for (q, (v, scale)) in (0u32..).zip(row.iter().zip(scale)) {
            let size = v.f64() * scale;
            if size > largest.0 {
                largest = (size, q);
            }
        }
        largest.1
    };
    factor.outer_iter().map(of_row).collect()
}

/// Consensus over runs (items × items): C[i, j] is the share of the runs in which the items i and j are in the same cluster.
///
/// Each run has one cluster per item; an item without one (`u32::MAX`, see [`memberships`]; or missing at the end of a run)
/// agrees with nobody but itself. Takes 8 bytes for each pair of items.
///
/// S. Monti, P. Tamayo, J. Mesirov and T. Golub, Machine Learning 52, 2003; for NMF J.-P. Brunet, P. Tamayo, T. R. Golub and
/// J. P. Mesirov, PNAS 101(12), 2004.
pub fn consensus(runs: &[Vec<u32>]) -> Array2<f64> {
    let items = runs.iter().map(Vec::len).max().unwrap_or(0);
    let mut together = Array2::<f64>::zeros((items, items));
    for run in runs {
        let mut sorted: Vec<(u32, usize)> = run.iter().copied().zip(0..).filter(|(q, _)| *q != u32::MAX).collect();
        sorted.sort_unstable();
        for cluster in sorted.chunk_by(|a, b| a.0 == b.0) {
            for (_, i) in cluster {
                let mut row = together.row_mut(*i);
                cluster.iter().for_each(|(_, j)| row[*j] += 1.0);
            }
        }
    }
    together.mapv_inplace(|count| count / runs.len() as f64);
    together.diag_mut().fill(1.0);
    together
}

/// What a consensus says: how clear-cut it is, and its clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// Cophenetic correlation, −1 to 1 and hardly ever negative: how well a tree reproduces the distances. 1 for runs that
    /// all agree.
    pub cophenetic: f64,
    /// Dispersion, 0 to 1: 0 where every C[i, j] is ½, 1 where all are 0 or 1.
    pub dispersion: f64,
    /// The items in the order of the tree's leaves, for drawing: clusters lie beside each other.
    pub order: Vec<usize>,
    /// The cluster of each item, from 0, numbered in the order of the leaves.
    pub clusters: Vec<usize>,
}

/// Hierarchical clustering of a consensus C (items × items, symmetric, in [0, 1]) by average linkage on the distances 1 − C,
/// cut into k clusters (at least 1, at most one an item).
///
/// The cophenetic correlation is Pearson's between the distances 1 − C and the cophenetic ones, over the pairs i < j (Brunet et
/// al. 2004). Where all distances are equal, and below three items, the tree reproduces them and it is 1. The dispersion is the mean of
/// 4·(C − ½)² over all i and j (H. Kim and H. Park, Bioinformatics 23(12), 2007), 1 without items.
///
/// The upper triangle is read for the tree. Entries outside [0, 1] count as the nearer end, those that are missing or NaN as 0. Takes 4 bytes for each entry of C.
pub fn agreement(consensus: ArrayView2<'_, f64>, k: usize) -> Agreement {
    let n = consensus.nrows();
    let share = |i: usize, j: usize| match consensus.get([i, j]) {
        Some(c) if !c.is_nan() => c.clamp(0.0, 1.0),
        _ => 0.0,
    };
    let mut sum = 0.0;
    for i in 0..n {
        sum += (0..n).map(|j| 4.0 * (share(i, j) - 0.5).powi(2)).sum::<f64>();
    }
    let dispersion = if n > 0 { sum / (n * n) as f64 } else { 1.0 };

    let mut distances = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    for i in 0..n {
        distances.extend((i + 1..n).map(|j| 1.0 - share(i, j)));
    }
    let spread = Spread::of(&distances);
    let tree = linkage(&mut distances, n, Method::Average);
    let (order, clusters) = cut(tree.steps(), n, k.clamp(1, n.max(1)));
    Agreement { cophenetic: spread.map_or(1.0, |s| s.correlation(tree.steps(), n)), dispersion, order, clusters }
}

/// Mean and sum of squared deviations of distances that are not all equal.
struct Spread {
    mean: f64,
    squares: f64,
}

impl Spread {
    fn of(distances: &[f64]) -> Option<Spread> {
        let (least, most) =
            distances.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), d| (a.min(*d), b.max(*d)));
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        let squares = distances.iter().map(|d| (d - mean).powi(2)).sum();
        // equal but for rounding
        (most - least > 1e-12).then_some(Spread { mean, squares })
    }

    /// Pearson's correlation of the distances with those of the tree.
    ///
    /// A merge at height d of two clusters gives |A|·|B| pairs the cophenetic distance d, which under average linkage is the
    /// mean of their distances. So both means are the same, the covariance is the variance of the cophenetic
    /// distances, and the correlation the ratio of the two standard deviations.
    fn correlation(&self, steps: &[Step<f64>], n: usize) -> f64 {
        let mut sizes = vec![1.0; n];
        let mut squares = 0.0;
        for step in steps {
            let (a, b) = (sizes[step.cluster1], sizes[step.cluster2]);
            squares += a * b * (step.dissimilarity - self.mean).powi(2);
            sizes.push(a + b);
        }
        (squares / self.squares).sqrt().min(1.0)
    }
}

/// The leaves from left to right, and the cluster of each item when all but the last k − 1 merges are done.
fn cut(steps: &[Step<f64>], n: usize, k: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut order, mut clusters, mut found) = (Vec::with_capacity(n), vec![0; n], 0);
    // the root is the cluster of the last merge; merge s makes cluster n + s
    let mut stack = if n > 0 { vec![(n + steps.len() - 1, None)] } else { Vec::new() };
    while let Some((node, cluster)) = stack.pop() {
        let cluster = cluster.or_else(|| {
            (node < n || node - n < n - k).then(|| {
                found += 1;
                found - 1
            })
        });
        match (node.checked_sub(n).and_then(|s| steps.get(s)), cluster) {
            (Some(step), _) => stack.extend([(step.cluster2, cluster), (step.cluster1, cluster)]),
            (None, cluster) => {
                order.push(node);
                clusters[node] = cluster.unwrap_or(0);
            }
        }
    }
    (order, clusters)
}
