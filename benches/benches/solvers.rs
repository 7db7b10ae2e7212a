//! One iteration of every solver, 20 at a time: `cargo bench -p nmf-bench --bench solvers`.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nmf_bench::{counts, dense, factor};
use nmf_core::{Loss, Matrix, Nmf, SolverKind};
use nmf_cpu::Cpu;

const ITERATIONS: usize = 20;

fn solvers(c: &mut Criterion) {
    use SolverKind::*;
    let (x, counted) = (Matrix::from(dense::<f32>(2000, 1000, 40)), Matrix::from(counts::<f32>(6000, 6000, 120)));
    let fro = [Mu, Mue, Hals, AHals, EHals, AnlsBpp, Pg, Als, Gd];
    for (name, x, k, loss, kinds) in [
        ("dense2000x1000_fro", &x, 32, Loss::FRO, &fro[..]),
        ("dense2000x1000_kl", &x, 32, Loss::KL, &[Mu, Mue, Newton, Gd]),
        ("dense2000x1000_is", &x, 32, Loss::IS, &[Mu, Gd]),
        ("sparse6000x6000_fro", &counted, 20, Loss::FRO, &fro),
        ("sparse6000x6000_kl", &counted, 20, Loss::KL, &[Mu, Mue, Newton, Gd]),
    ] {
        let (m, n) = x.dim();
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        for kind in kinds {
            let mut cpu = Cpu::<f32>::new().expect("threads");
            let nmf = Nmf::new(k).loss(loss.clone()).solver(*kind).start(factor(m, k, 1), factor(k, n, 2));
            let nmf = nmf.max_iter(ITERATIONS).tol(0.0).trace_every(0);
            let problem = nmf.problem(x, None).expect("problem");
            let data = problem.upload(&mut cpu).expect("upload");
            group.bench_function(BenchmarkId::new(kind.to_string(), k), |bench| {
                bench.iter(|| nmf.fit_uploaded(&mut cpu, &data, &problem, 0.0, &mut nmf_core::Silent));
            });
        }
        group.finish();
    }
}

/// The convolutive model of a spectrogram's size: 513×1247, k = 30, patterns of 12 columns.
fn convolutive(c: &mut Criterion) {
    let (m, n, k, shifts) = (513, 1247, 30, 12);
    let x = Matrix::from(dense::<f32>(m, n, 40));
    let mut group = c.benchmark_group("convolutive513x1247x12");
    group.sample_size(10);
    for (loss, kind) in [(Loss::IS, SolverKind::Mu), (Loss::KL, SolverKind::Mu), (Loss::KL, SolverKind::Mue)] {
        let mut cpu = Cpu::<f32>::new().expect("threads");
        let nmf = Nmf::new(k).shifts(shifts).loss(loss.clone()).solver(kind);
        let nmf = nmf.start(factor(m, k * shifts, 1), factor(k, n, 2)).max_iter(ITERATIONS).tol(0.0).trace_every(0);
        let problem = nmf.problem(&x, None).expect("problem");
        let data = problem.upload(&mut cpu).expect("upload");
        group.bench_function(BenchmarkId::new(format!("{loss}_{kind}"), k), |bench| {
            bench.iter(|| nmf.fit_uploaded(&mut cpu, &data, &problem, 0.0, &mut nmf_core::Silent));
        });
    }
    group.finish();
}

criterion_group!(benches, solvers, convolutive);
criterion_main!(benches);
