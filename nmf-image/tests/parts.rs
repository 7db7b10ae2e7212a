//! What the bases of factorizations are, where the parts are known.

use ndarray::{Array2, ArrayView2};
use nmf_core::Nmf;
use nmf_cpu::Cpu;
use nmf_image::{LowRank, pca, swimmer};
use nmf_mixture::{KMeansOptions, kmeans};

/// For every part, the largest cosine with a basis (either sign), and which basis that is.
fn matched(parts: ArrayView2<'_, f32>, bases: ArrayView2<'_, f64>) -> Vec<(f64, usize)> {
    let unit = |a: Array2<f64>| {
        let norms = a.map_axis(ndarray::Axis(1), |r| r.dot(&r).sqrt().max(1e-300));
        a / norms.insert_axis(ndarray::Axis(1))
    };
    let cosines = unit(parts.mapv(f64::from)).dot(&unit(bases.to_owned()).t()).mapv(f64::abs);
    let best = |row: ndarray::ArrayView1<'_, f64>| {
        row.iter().enumerate().fold((0.0, 0), |best, (q, c)| if *c > best.0 { (*c, q) } else { best })
    };
    cosines.outer_iter().map(best).collect()
}

fn worst(matched: &[(f64, usize)]) -> f64 {
    matched.iter().fold(1.0, |a, m| a.min(m.0))
}

#[test]
fn the_parts_of_a_swimmer_are_disjoint_and_make_it_up() {
    let parts = swimmer::parts();
    assert_eq!(parts.sum_axis(ndarray::Axis(0)).iter().fold(0.0f32, |a, v| a.max(*v)), 1.0);
    let sizes: Vec<f32> = parts.sum_axis(ndarray::Axis(1)).to_vec();
    assert_eq!(sizes[0], 20.0);
    assert!(sizes[1..].iter().all(|s| *s == 8.0), "{sizes:?}");
    let stack = swimmer::swimmers(40, 1);
    let torsos = stack.pixels.outer_iter().filter(|r| r[15 * 32 + 15] > 0.0).count();
    assert!((10..=30).contains(&torsos), "{torsos}");
    // a torso, or none, and a position of each limb
    for row in stack.pixels.outer_iter() {
        let lit = row.iter().filter(|v| **v > 0.0).count();
        assert!(lit == 32 || lit == 52, "{lit}");
        assert!(row.iter().all(|v| *v == 0.0 || (0.4..=1.0).contains(v)));
    }
}

#[test]
fn nmf_finds_the_17_parts_of_swimmers_and_pca_and_k_means_do_not() {
    let stack = swimmer::swimmers(256, 0);
    let parts = swimmer::parts();
    // a single start may end with two parts in one basis: the best of several does not
    let nmf = Nmf::new(17).restarts(20).max_iter(1000).tol(1e-6);
    let fitted = nmf.fit(&mut Cpu::<f32>::new().unwrap(), &stack.pixels).unwrap();
    let nmf = matched(parts.view(), fitted.h().mapv(f64::from).view());
    assert!(worst(&nmf) > 0.99, "{nmf:?}");
    let mut own: Vec<usize> = nmf.iter().map(|m| m.1).collect();
    own.sort_unstable();
    assert_eq!(own, (0..17).collect::<Vec<_>>(), "each part has a basis of its own");
    let (weights, bases) = (fitted.w().mapv(f64::from), fitted.h().mapv(f64::from));
    let model = LowRank { weights, bases, mean: None };
    assert!(model.errors(stack.pixels.view()).relative() < 0.05);

    let p = pca(stack.pixels.view(), 17, 0).unwrap();
    let found = matched(parts.view(), p.bases.view());
    let mean = found.iter().map(|m| m.0).sum::<f64>() / 17.0;
    assert!(mean < 0.8, "{mean}");
    let data = stack.pixels.mapv(f64::from);
    let found = kmeans(data.view(), None, &KMeansOptions::new(17)).unwrap();
    let clusters = LowRank::of_clusters(found.centres, &found.labels);
    let found = matched(parts.view(), clusters.bases.view());
    assert!(worst(&found) < 0.8, "{found:?}");

    let (n, p, c) = (model.sparseness(), p.sparseness(), clusters.sparseness());
    // a limb of 8 equal pixels among 1024 has (32 − √8)/31 = 0.941
    assert!(n > 0.92 && n > p + 0.1 && n > c + 0.1, "{n} {p} {c}");
}
