//! A survey over ranks on the GPU: the curves of the CPU, from one upload of X for all runs and one for each fold.

use ndarray::Array2;
use nmf_core::rank::{Found, Survey};
use nmf_core::{Backend, Loss, MatrixRef, Nmf, Observed, Side, SolverKind, Sparse};
use nmf_cpu::Cpu;
use nmf_gpu::{Gpu, GpuOptions};

const FOLDS: usize = 2;
const RESTARTS: usize = 3;

/// Three overlapping blocks of counts, 44×36, and a few counts everywhere: about half of the entries are zero.
fn counts() -> Array2<f32> {
    Array2::from_shape_fn((44, 36), |(i, j)| {
        let block = |rows: std::ops::Range<usize>, cols: std::ops::Range<usize>| {
            if rows.contains(&i) && cols.contains(&j) { 1.0 + ((i * 5 + j * 3) % 4) as f32 } else { 0.0 }
        };
        let noise = if (i * 7919 + j * 104_729) % 11 == 0 { 1.0 } else { 0.0 };
        block(0..18, 0..14) + 2.0 * block(14..32, 11..26) + block(29..44, 22..36) + noise
    })
}

/// Two figures of one model in f32, after the same updates with sums in another order. A rounding is 6·10⁻⁸ of an entry; forty updates
/// make of it 10⁻⁷ to 5·10⁻⁶, here and there. What is not rounding is far larger: dense and sparse layouts of the same X, which
/// differ only in how often a kl update is repeated, are 3·10⁻⁴ apart.
fn close(what: &str, gpu: f64, cpu: f64) {
    assert!((gpu - cpu).abs() <= 5e-5 * cpu.abs(), "{what}: {gpu:e} on the GPU, {cpu:e} on the CPU");
}

fn on<B: Backend<Elem = f32>>(b: &mut B, nmf: &Nmf<f32>, x: &MatrixRef<'_, f32>) -> Found<f32> {
    let survey = Survey::new(nmf.clone(), 1..=4).restarts(RESTARTS).folds(FOLDS).cluster(Side::Cols);
    survey.run(std::slice::from_mut(b), x.reborrow()).unwrap()
}

#[test]
fn surveys_agree_with_the_cpu() {
    let counts = counts();
    let csr = Sparse::csr_from_dense(counts.view(), 0.0);
    let mask = Array2::from_shape_fn(counts.dim(), |(i, j)| f32::from(u8::from((i * 3 + j * 7) % 6 != 0)));
    // what is unknown must not be looked at
    let mut masked = counts.clone();
    masked.zip_mut_with(&mask, |x, known| *x = if *known > 0.0 { *x } else { f32::NAN });
    let mut gpu = Gpu::new(&GpuOptions::default()).unwrap();
    for loss in [Loss::KL, Loss::FRO] {
        // the solver of the folds, so that no other path is taken where a default would differ; a fixed number of updates
        let nmf = || Nmf::new(1).loss(loss.clone()).solver(SolverKind::Mue).max_iter(40).tol(0.0).seed(2);
        // uploads of a fold: X with weights; or X without the entries left out, and these
        let cases = [
            ("dense", nmf(), MatrixRef::from(&counts), 1),
            ("dense with a mask", nmf().weights(mask.clone()), MatrixRef::from(&masked), 1),
            ("sparse, zeros count", nmf(), MatrixRef::from(&csr), 2),
            ("sparse, stored only", nmf().observed(Observed::Stored), MatrixRef::from(&csr), 1),
        ];
        for (name, nmf, x, per_fold) in cases {
            let before = gpu.uploads();
            let found = on(&mut gpu, &nmf, &x);
            assert_eq!(gpu.uploads() - before, 1 + (FOLDS * per_fold) as u64, "{loss}, {name}");
            let expected = on(&mut Cpu::<f32>::with_threads(1).unwrap(), &nmf, &x);
            assert_eq!(found.share, expected.share);
            for (found, expected) in found.ranks.iter().zip(&expected.ranks) {
                let what = format!("{loss}, {name}, k = {}", expected.k);
                assert_eq!((found.folds.len(), found.divergences.len()), (FOLDS, RESTARTS), "{what}");
                for (a, b) in found.folds.iter().zip(&expected.folds) {
                    close(&format!("held-out error, {what}"), *a, *b);
                }
                for (a, b) in found.divergences.iter().zip(&expected.divergences) {
                    close(&format!("divergence, {what}"), *a, *b);
                }
                close(&format!("squared error, {what}"), found.squared_error, expected.squared_error);
                // of runs that agree so well the largest weights are the same, and so is all that follows from them
                assert_eq!(found.clusters, expected.clusters, "{what}");
                assert_eq!(found.consensus, expected.consensus, "{what}");
                assert_eq!((found.cophenetic, found.dispersion), (expected.cophenetic, expected.dispersion), "{what}");
                for (a, b) in found.stability.iter().zip(&expected.stability) {
                    close(&format!("stability, {what}"), *a, *b);
                }
            }
            assert_eq!(found.recommended.rank, expected.recommended.rank, "{loss}, {name}");
            assert_eq!(found.recommended.interval, expected.recommended.interval, "{loss}, {name}");
        }
    }
}
