//! How the time of 10 iterations grows with m, n, k, the stored entries and the threads: `cargo bench -p nmf-bench --bench scaling`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nmf_bench::{counts, dense, factor};
use nmf_core::{Loss, Matrix, Nmf, SolverKind};
use nmf_cpu::Cpu;

/// 10 iterations; the throughput is entries of X visited by one product, times k.
fn one(c: &mut Criterion, group: &str, label: String, x: &Matrix<f32>, k: usize, loss: Loss, threads: usize) {
    let (m, n) = x.dim();
    let solver = if loss.is_fro() { SolverKind::EHals } else { SolverKind::Mu };
    let mut cpu = Cpu::<f32>::with_threads(threads).expect("threads");
    let nmf = Nmf::new(k).loss(loss).solver(solver).start(factor(m, k, 1), factor(k, n, 2));
    let nmf = nmf.max_iter(10).tol(0.0).trace_every(0);
    let problem = nmf.problem(x, None).expect("problem");
    let data = problem.upload(&mut cpu).expect("upload");
    let mut g = c.benchmark_group(group);
    g.sample_size(10);
    g.throughput(Throughput::Elements(x.view().stored() * k as u64));
    g.bench_function(BenchmarkId::from_parameter(label), |bench| {
        bench.iter(|| nmf.fit_uploaded(&mut cpu, &data, &problem, 0.0, &mut nmf_core::Silent));
    });
    g.finish();
}

fn scaling(c: &mut Criterion) {
    for loss in [Loss::FRO, Loss::KL] {
        for m in [500, 2000, 8000] {
            one(c, &format!("{loss}_rows"), m.to_string(), &dense::<f32>(m, 1000, 20).into(), 32, loss.clone(), 2);
        }
        for n in [250, 1000, 4000] {
            one(c, &format!("{loss}_columns"), n.to_string(), &dense::<f32>(2000, n, 20).into(), 32, loss.clone(), 2);
        }
        let x = dense::<f32>(2000, 1000, 20).into();
        for k in [4, 8, 16, 32, 64, 128] {
            one(c, &format!("{loss}_rank"), k.to_string(), &x, k, loss.clone(), 2);
        }
        for threads in [1, 2] {
            one(c, &format!("{loss}_threads_dense"), threads.to_string(), &x, 32, loss.clone(), threads);
        }
        for stored in [20, 80, 320] {
            let x = counts::<f32>(5000, 20_000, stored).into();
            one(c, &format!("{loss}_stored_per_row"), stored.to_string(), &x, 20, loss.clone(), 2);
        }
        let x = counts::<f32>(5000, 20_000, 80).into();
        for threads in [1, 2] {
            one(c, &format!("{loss}_threads_sparse"), threads.to_string(), &x, 20, loss.clone(), threads);
        }
    }
}

criterion_group!(benches, scaling);
criterion_main!(benches);
