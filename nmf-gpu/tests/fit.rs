//! Whole fits through the front door: the GPU arrives where the CPU does, in few submissions.

use ndarray::Array2;
use nmf_core::{Loss, Matrix, Nmf, Observed, SolverKind, Sparse};
use nmf_cpu::Cpu;
use nmf_gpu::{Gpu, GpuOptions};

/// Four overlapping bumps with noise and, where `zeros`, many exact zeros.
fn data(zeros: bool) -> Array2<f32> {
    Array2::from_shape_fn((70, 48), |(i, j)| {
        let bump = |c: f64, d: f64| (-((i as f64 - c) / 9.0).powi(2) - ((j as f64 - d) / 7.0).powi(2)).exp();
        let noise = ((i * 7919 + j * 104_729) % 997) as f64 / 997.0;
        let v = bump(10.0, 8.0) + 2.0 * bump(30.0, 30.0) + bump(50.0, 15.0) + bump(60.0, 40.0) + 0.05 * noise;
        if zeros && v < 0.1 { 0.0 } else { v as f32 + 0.01 }
    })
}

#[test]
fn fits_agree_with_the_cpu() {
    let cases = [
        (Loss::FRO, SolverKind::AHals, true, Observed::All),
        (Loss::FRO, SolverKind::Hals, false, Observed::All),
        (Loss::FRO, SolverKind::Mu, true, Observed::Stored),
        (Loss::KL, SolverKind::Mu, true, Observed::All),
        (Loss::IS, SolverKind::Mu, false, Observed::All),
        (Loss::Beta(1.5), SolverKind::Mu, true, Observed::All),
        (Loss::FRO, SolverKind::EHals, true, Observed::All),
        (Loss::KL, SolverKind::Mue, false, Observed::All),
        (Loss::KL, SolverKind::Newton, true, Observed::All),
        (Loss::FRO, SolverKind::Gd, false, Observed::All),
    ];
    for (loss, solver, zeros, observed) in cases {
        let dense = data(zeros);
        let sparse = Matrix::Sparse(Sparse::csr_from_dense(dense.view(), 0.0));
        let x = if zeros { sparse } else { Matrix::Dense(dense) };
        let nmf = Nmf::new(4).loss(loss.clone()).solver(solver).observed(observed).seed(3).max_iter(50).tol(0.0);
        let mut gpu = Gpu::new(&GpuOptions::default()).unwrap();
        let on_gpu = nmf.fit(&mut gpu, x.view()).unwrap();
        let on_cpu = nmf.fit(&mut Cpu::<f32>::with_threads(1).unwrap(), x.view()).unwrap();
        let (found, expected) = (on_gpu.divergence(), on_cpu.divergence());
        let what = format!("{loss}, {solver}, {observed:?}: {found:e} on the GPU, {expected:e} on the CPU");
        // rounding differs, so paths part slightly; a wrong operation would part them at once
        assert!((found / expected - 1.0).abs() < 0.02, "{what}");
        assert_eq!(gpu.uploads(), 1, "{what}");
        // one per check of the objective, a few for the start and the end; not one per iteration
        assert!(gpu.submits() <= 25, "{what}: {:?}", gpu.counters());
    }
}
