//! Consensus, clusters of bases and their measures against values worked out by hand, by SciPy 1.17 and by scikit-learn 1.9.

use ndarray::{Array2, ArrayView2, array};
use nmf_core::stability::{agreement, consensus, cosines, match_runs, memberships};
use proptest::prelude::*;

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} for {b}");
}

#[test]
fn memberships_weigh_with_the_counterpart() {
    let w = array![[1.0f32, 2.0], [3.0, 1.0], [0.0, 0.0], [2.0, 4.0]];
    assert_eq!(memberships(w.view(), &[1.0, 1.0]), [1, 0, u32::MAX, 1]);
    assert_eq!(memberships(w.view(), &[2.0, 1.0]), [0, 0, u32::MAX, 0]); // ties to the first
    assert_eq!(memberships(w.view(), &[0.0, 1.0]), [1, 1, u32::MAX, 1]);
    // the scale between the factors does not decide
    let scaled = &w * &array![[8.0f32, 0.25]];
    assert_eq!(memberships(scaled.view(), &[1.0 / 8.0, 4.0]), memberships(w.view(), &[1.0, 1.0]));
    assert_eq!(memberships(w.view(), &[1.0]), [0, 0, u32::MAX, 0]);
}

#[test]
fn consensus_is_the_share_of_runs() {
    let none = u32::MAX;
    let c = consensus(&[vec![0, 0, 1, none], vec![5, 5, 5, none], vec![1, 0, 0, 1], vec![2, 3, 2, none]]);
    assert_eq!(c, array![[1.0, 0.5, 0.5, 0.25], [0.5, 1.0, 0.5, 0.0], [0.5, 0.5, 1.0, 0.0], [0.25, 0.0, 0.0, 1.0]]);
    assert_eq!(consensus(&[]), Array2::<f64>::zeros((0, 0)));
    // a run that ends early says nothing of the other items
    assert_eq!(consensus(&[vec![1, 1, 1], vec![1]])[[0, 2]], 0.5);
}

#[test]
fn agreement_by_hand() {
    // distances 0.2 (0, 1), 0.6 (0, 2) and 1 (1, 2): the tree joins {0, 1} at 0.2, and 2 at (0.6 + 1)/2 = 0.8.
    // The mean is 0.6 for both; variances (0.16 + 0 + 0.16)/3 and (0.16 + 0.04 + 0.04)/3
    let c = array![[1.0, 0.8, 0.4], [0.8, 1.0, 0.0], [0.4, 0.0, 1.0]];
    let a = agreement(c.view(), 2);
    close(a.cophenetic, (0.24f64 / 0.32).sqrt());
    // 4·(¼·3 + 2·(0.09 + 0.01 + 0.25))/9
    close(a.dispersion, 4.0 * (0.75 + 0.7) / 9.0);
    assert_eq!((a.clusters[0], a.clusters[1] != a.clusters[2], a.order.len()), (a.clusters[1], true, 3));
    assert_eq!(agreement(c.view(), 1).clusters, [0, 0, 0]);
    let mut all = agreement(c.view(), 9).clusters;
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2]);
}

/// The same clusters, whatever their numbers.
fn same_partition(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && (0..a.len()).all(|i| (0..i).all(|j| (a[i] == a[j]) == (b[i] == b[j])))
}

/// Consensus of 10 runs on 12 items, whose label in run r is (i/4 + [(7i + 5r) mod 11 < `moved`]) mod 3.
fn shaky(moved: u32) -> Array2<f64> {
    let label = |r: u32, i: u32| (i / 4 + u32::from((7 * i + 5 * r) % 11 < moved)) % 3;
    consensus(&(0..10).map(|r| (0..12).map(|i| label(r, i)).collect()).collect::<Vec<_>>())
}

/// Numbers made with
///
/// ```python
/// d = scipy.spatial.distance.squareform(1 - C)
/// z = scipy.cluster.hierarchy.average(d)
/// scipy.cluster.hierarchy.cophenet(z, d)[0], (4 * (C - .5)**2).mean(), scipy.cluster.hierarchy.fcluster(z, k, "maxclust")
/// ```
#[test]
fn agreement_is_that_of_scipy() {
    let formula = Array2::from_shape_fn((12, 12), |(i, j)| {
        if i == j { 1.0 } else { (((i + 1) * (j + 1) * 37 + (i + j) * 101) % 997) as f64 / 997.0 }
    });
    let blocks = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];
    for (c, k, cophenetic, dispersion, clusters) in [
        (formula, 4, 0.5807164110583488, 0.4058017136218641, [2, 1, 3, 3, 1, 3, 2, 3, 1, 4, 3, 1]),
        (shaky(1), 3, 0.996140489709371, 0.6366666666666667, blocks),
        (shaky(3), 3, 0.8923306837393673, 0.3572222222222223, blocks),
    ] {
        let a = agreement(c.view(), k);
        close(a.cophenetic, cophenetic);
        close(a.dispersion, dispersion);
        assert!(same_partition(&a.clusters, &clusters), "{:?}", a.clusters);
        // clusters lie beside each other and are numbered from left to right
        let drawn: Vec<usize> = a.order.iter().map(|i| a.clusters[*i]).collect();
        assert!(drawn.is_sorted() && drawn[0] == 0 && drawn[11] == k - 1, "{drawn:?}");
        let mut order = a.order.clone();
        order.sort_unstable();
        assert_eq!(order, (0..12).collect::<Vec<_>>());
    }
}

#[test]
fn extremes_of_agreement() {
    // all runs agree: three blocks, whatever the numbers of the clusters in each run
    let run = |shift: u32| (0..12).map(|i| (i % 3 + shift) % 3).collect::<Vec<u32>>();
    let c = consensus(&[run(0), run(1), run(2)]);
    let a = agreement(c.view(), 3);
    assert_eq!((a.cophenetic, a.dispersion), (1.0, 1.0));
    assert!(same_partition(&a.clusters, &(0..12).map(|i| i % 3).collect::<Vec<_>>()));
    // nothing is known at all
    let a = agreement(Array2::from_elem((6, 6), 0.5).view(), 2);
    assert_eq!((a.cophenetic, a.dispersion), (1.0, 0.0));
    // one cluster: all distances are 0
    let a = agreement(Array2::ones((5, 5)).view(), 1);
    assert_eq!((a.cophenetic, a.dispersion, a.clusters), (1.0, 1.0, vec![0; 5]));
    let a = agreement(Array2::ones((1, 1)).view(), 3);
    assert_eq!((a.cophenetic, a.order, a.clusters), (1.0, vec![0], vec![0]));
    let a = agreement(Array2::zeros((0, 0)).view(), 2);
    assert_eq!((a.cophenetic, a.dispersion, a.order, a.clusters), (1.0, 1.0, vec![], vec![]));
    // what is missing or no number counts as never together, what is beyond 1 as always
    let odd = array![[1.0, f64::NAN, 0.0], [f64::NAN, 1.0, f64::INFINITY], [0.0, 1e300, 7.0], [-1.0, 0.0, 0.0]];
    let mut even = Array2::<f64>::eye(4);
    (even[[1, 2]], even[[2, 1]], even[[3, 3]]) = (1.0, 1.0, 0.0);
    assert_eq!(agreement(odd.view(), 3), agreement(even.view(), 3));
}

proptest! {
    #[test]
    fn the_order_of_items_does_not_matter(seed in prop::collection::vec(0.0f64..1.0, 45), shuffled in Just((0..10usize).collect::<Vec<_>>()).prop_shuffle()) {
        let at = |i: usize, j: usize| if i == j { 1.0 } else { seed[i.max(j) * (i.max(j) - 1) / 2 + i.min(j)] };
        let c = Array2::from_shape_fn((10, 10), |(i, j)| at(i, j));
        let d = Array2::from_shape_fn((10, 10), |(i, j)| c[[shuffled[i], shuffled[j]]]);
        let (a, b) = (agreement(c.view(), 3), agreement(d.view(), 3));
        prop_assert!((a.cophenetic - b.cophenetic).abs() < 1e-9);
        prop_assert!((a.dispersion - b.dispersion).abs() < 1e-12);
        let back: Vec<usize> = shuffled.iter().map(|i| a.clusters[*i]).collect();
        prop_assert!(same_partition(&back, &b.clusters));
        prop_assert!((0.0..=1.0).contains(&a.cophenetic) && (0.0..=1.0).contains(&a.dispersion));
    }

    #[test]
    fn the_names_of_clusters_do_not_matter(runs in prop::collection::vec(prop::collection::vec(0u32..4, 9), 1..6)) {
        let renamed: Vec<Vec<u32>> =
            runs.iter().zip(1..).map(|(run, r)| run.iter().map(|q| (q * 3 + r) % 4 + 10 * r).collect()).collect();
        prop_assert_eq!(consensus(&runs), consensus(&renamed));
    }
}

#[test]
fn cosines_by_hand() {
    let a = array![[3.0f32, 0.0, 1.0], [4.0, 0.0, 0.0]];
    let b = array![[0.0f32, 5.0], [2.0, 0.0]];
    let c = cosines(a.view(), b.view());
    for (got, expected) in c.iter().zip([0.8, 0.6, 0.0, 0.0, 0.0, 1.0]) {
        close(*got, expected);
    }
    // longer than a block, and one longer than the other
    let long = Array2::from_shape_fn((3000, 2), |(i, q)| ((i * (q + 3)) % 17) as f64);
    let dot = |p: usize, q: usize| long.column(p).dot(&long.column(q));
    close(cosines(long.view(), long.view())[[0, 1]], dot(0, 1) / (dot(0, 0) * dot(1, 1)).sqrt());
    let short = long.slice(ndarray::s![..2, ..]);
    let mut padded = Array2::zeros((3000, 2));
    padded.slice_mut(ndarray::s![..2, ..]).assign(&short);
    assert_eq!(cosines(long.view(), short), cosines(long.view(), padded.view()));
}

/// Basis q of run r: (29(q + 2)i + 17q mod 53)/53, and noise of half its size.
fn basis(i: usize, q: usize, r: usize) -> f64 {
    ((i * (q + 2) * 29 + 17 * q) % 53) as f64 / 53.0 + 0.5 * (((i * 31 + q * 57 + r * 83) % 61) as f64 / 61.0)
}

/// Run r holds the basis (c + r) mod k at c, r + 1 times as large.
fn turned(n: usize, k: usize, runs: usize) -> Vec<Array2<f64>> {
    (0..runs).map(|r| Array2::from_shape_fn((n, k), |(i, c)| (r + 1) as f64 * basis(i, (c + r) % k, r))).collect()
}

fn views<T>(runs: &[Array2<T>]) -> Vec<ArrayView2<'_, T>> {
    runs.iter().map(|b| b.view()).collect()
}

/// Numbers made with `sklearn.metrics.silhouette_samples(bases, planted, metric="cosine")` and
/// `sklearn.metrics.pairwise.cosine_similarity`, both averaged over the members of each cluster.
#[test]
fn planted_permutations_are_found_with_the_silhouettes_of_scikit_learn() {
    let (n, k, runs) = (40, 4, 5);
    let bases = turned(n, k, runs);
    let m = match_runs(&views(&bases), 0);
    for (r, p) in m.permutations.iter().enumerate() {
        assert_eq!(*p, (0..k).map(|q| (q + k * runs - r) % k).collect::<Vec<_>>());
    }
    let stability = [0.961347286041536, 0.9599471919410203, 0.963164408843439, 0.9674225084377084];
    let silhouette = [0.7562019488130965, 0.761755258471574, 0.7650469849560664, 0.7799620281246465];
    for q in 0..k {
        close(m.stability[q], stability[q]);
        close(m.silhouette[q], silhouette[q]);
    }
    // another reference names the same clusters otherwise
    let other = match_runs(&views(&bases), 3);
    assert_eq!(other.permutations[3], [0, 1, 2, 3]);
    for q in 0..k {
        let name = m.permutations[3].iter().position(|c| *c == q).unwrap();
        close(other.silhouette[q], silhouette[name]);
        (0..runs).for_each(|r| assert_eq!(other.permutations[r][q], m.permutations[r][name]));
    }
    // neither size nor precision matter
    let single: Vec<Array2<f32>> = bases.iter().map(|b| b.mapv(|v| (1e-3 * v) as f32)).collect();
    let single = match_runs(&views(&single), 0);
    assert_eq!(single.permutations, m.permutations);
    (0..k).for_each(|q| assert!((single.silhouette[q] - silhouette[q]).abs() < 1e-6));
}

#[test]
fn silhouettes_by_hand() {
    // Two directions. The reference's bases lie near both, (1, 0.9) and (0.9, 1); all others are (1, 0) and (0, 1).
    let reference = array![[1.0, 0.9], [0.9, 1.0]];
    let (straight, crossed) = (array![[1.0, 0.0], [0.0, 1.0]], array![[0.0, 1.0], [1.0, 0.0]]);
    let runs = [straight.clone(), reference, crossed, straight];
    let m = match_runs(&views(&runs), 1);
    assert_eq!(m.permutations, [[0, 1], [0, 1], [1, 0], [0, 1]]);
    let cosine = 1.0 / (1.0f64 + 0.81).sqrt();
    m.stability.iter().for_each(|s| close(*s, cosine));
    // by hand: the three straight members are at distance (2·0 + 1 − c)/3 from their own and (3 + 1 − 0.9c)/4 from the other
    // cluster; the reference's is at 1 − c and at (3(1 − 0.9c) + 1 − 1.8/1.81)/4
    let s = |inside: f64, outside: f64| (outside - inside) / outside.max(inside);
    let straight = s((1.0 - cosine) / 3.0, (4.0 - 0.9 * cosine) / 4.0);
    let own = s(1.0 - cosine, (3.0 * (1.0 - 0.9 * cosine) + 1.0 - 1.8 / 1.81) / 4.0);
    m.silhouette.iter().for_each(|got| close(*got, (3.0 * straight + own) / 4.0));
}

#[test]
fn centres_correct_what_a_poor_reference_began() {
    // The reference's first basis leans towards the third axis, and so does the first basis of the last run: by the reference
    // alone they belong together (cosines 0.86 + 0.29 against 0.43 + 0.29). By what the other runs say they do not.
    let reference = array![[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]];
    let axes = array![[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]];
    let odd = array![[0.0, 1.0], [0.3, 0.3], [1.0, 0.0]];
    let few = match_runs(&[reference.view(), odd.view()], 0);
    assert_eq!(few.permutations, [[0, 1], [0, 1]]);
    let runs = [reference, axes.clone(), axes.clone(), axes.clone(), axes.clone(), axes, odd];
    let m = match_runs(&views(&runs), 0);
    assert_eq!(m.permutations[6], [1, 0]);
    assert!(m.permutations[..6].iter().all(|p| *p == [0, 1]));
}

#[test]
fn conventions_of_matching() {
    let one = array![[1.0, 0.0], [0.0, 2.0]];
    let m = match_runs(&[one.view()], 0);
    assert_eq!((m.permutations, m.stability, m.silhouette), (vec![vec![0, 1]], vec![1.0; 2], vec![0.0; 2]));
    // a single component has no other to be mistaken for
    let (a, b) = (array![[1.0], [0.0]], array![[1.0], [1.0]]);
    let m = match_runs(&[a.view(), b.view()], 0);
    close(m.stability[0], 0.5f64.sqrt());
    assert_eq!(m.silhouette, [1.0]);
    // runs that are all alike
    let m = match_runs(&[one.view(), one.view(), one.view()], 2);
    m.silhouette.iter().chain(&m.stability).for_each(|v| close(*v, 1.0));
    // two components that are one: nearer to neither
    let twice = array![[0.3, 0.6], [0.7, 1.4], [0.1, 0.2]];
    let m = match_runs(&[twice.view(), twice.view()], 0);
    m.stability.iter().for_each(|v| close(*v, 1.0));
    assert_eq!(m.silhouette, [0.0, 0.0]);
    // a component that is zero is like nothing, itself included
    let dead = array![[1.0, 0.0], [1.0, 0.0]];
    let m = match_runs(&[dead.view(), dead.view()], 0);
    assert_eq!(m.permutations, [[0, 1], [0, 1]]);
    close(m.stability[0], 1.0);
    assert_eq!((m.stability[1], m.silhouette[1]), (0.0, 0.0));
    // other shapes and references that are not there
    let m = match_runs(&[one.view(), a.view()], 0);
    assert_eq!((m.permutations, m.stability), (vec![vec![0, 1], vec![]], vec![1.0; 2]));
    let m = match_runs(&[one.view()], 1);
    assert_eq!((m.permutations, m.silhouette), (vec![vec![]], vec![]));
    assert_eq!(match_runs::<f64>(&[], 0).permutations.len(), 0);
}

proptest! {
    #[test]
    fn columns_may_come_in_any_order(
        shuffles in prop::collection::vec(Just(vec![0usize, 1, 2, 3]).prop_shuffle(), 4),
        scale in prop::collection::vec(0.01f64..100.0, 4),
    ) {
        let (k, plain) = (4, turned(25, 4, 5));
        let m = match_runs(&views(&plain), 0);
        let moved: Vec<Array2<f64>> = plain.iter().enumerate().map(|(r, b)| match r {
            0 => b.clone(),
            r => Array2::from_shape_fn(b.dim(), |(i, c)| scale[r - 1] * b[[i, shuffles[r - 1][c]]]),
        }).collect();
        let n = match_runs(&views(&moved), 0);
        for r in 1..5 {
            let back: Vec<usize> = n.permutations[r].iter().map(|c| shuffles[r - 1][*c]).collect();
            prop_assert_eq!(&back, &m.permutations[r]);
        }
        for q in 0..k {
            prop_assert!((m.stability[q] - n.stability[q]).abs() < 1e-12);
            prop_assert!((m.silhouette[q] - n.silhouette[q]).abs() < 1e-12);
        }
    }
}

/// Silhouettes of Rousseeuw from all pairs of unit vectors, each with the number of its cluster: means by cluster.
fn silhouettes(vectors: &[(usize, Vec<f64>)], k: usize) -> Vec<f64> {
    let distance = |a: &[f64], b: &[f64]| 1.0 - a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut means = vec![0.0; k];
    for (at, (q, v)) in vectors.iter().enumerate() {
        let to = |cluster: usize| {
            let others = vectors.iter().enumerate().filter(|(i, (c, _))| *i != at && *c == cluster);
            let d: Vec<f64> = others.map(|(_, (_, w))| distance(v, w)).collect();
            d.iter().sum::<f64>() / d.len() as f64
        };
        let nearest = (0..k).filter(|c| c != q).map(to).fold(f64::INFINITY, f64::min);
        means[*q] += (nearest - to(*q)) / nearest.max(to(*q)) / (vectors.len() / k) as f64;
    }
    means
}

proptest! {
    /// Without any structure the clusters change over several rounds, the reference's own bases included.
    #[test]
    fn the_measures_are_those_of_the_permutations(
        values in prop::collection::vec(0.0f64..1.0, 6 * 5 * 4),
        reference in 0usize..5,
    ) {
        let (n, k, runs) = (6, 4, 5);
        let bases: Vec<Array2<f64>> = (0..runs).map(|r| Array2::from_shape_fn((n, k), |(i, q)| values[(r * n + i) * k + q])).collect();
        let m = match_runs(&views(&bases), reference);
        prop_assert_eq!(&m.permutations[reference], &[0, 1, 2, 3]);
        let mut vectors = Vec::new();
        for (base, p) in bases.iter().zip(&m.permutations) {
            let mut sorted = p.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, [0, 1, 2, 3]);
            for (q, c) in p.iter().enumerate() {
                let v = base.column(*c).to_vec();
                let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
                vectors.push((q, v.iter().map(|v| v / norm).collect()));
            }
        }
        let silhouettes = silhouettes(&vectors, k);
        for q in 0..k {
            prop_assert!((m.silhouette[q] - silhouettes[q]).abs() < 1e-9, "{} for {}", m.silhouette[q], silhouettes[q]);
            let others = (0..runs).filter(|r| *r != reference);
            let cosine = |r: usize| cosines(bases[reference].view(), bases[r].view())[[q, m.permutations[r][q]]];
            let stability = others.map(cosine).sum::<f64>() / (runs - 1) as f64;
            prop_assert!((m.stability[q] - stability).abs() < 1e-12);
        }
    }
}
