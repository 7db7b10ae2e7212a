//! The primitives of the CPU backend: `cargo bench -p nmf-bench --bench primitives`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nmf_bench::{counts, dense, factor};
use nmf_core::{Backend, Loss, Matrix, Observed, Rule, Side, Sweep};
use nmf_cpu::Cpu;
use std::hint::black_box;

fn primitives(c: &mut Criterion) {
    let inputs = [
        ("dense2000x1000", Matrix::from(dense::<f32>(2000, 1000, 40))),
        ("sparse6000x6000", Matrix::from(counts::<f32>(6000, 6000, 120))),
    ];
    for (name, x) in &inputs {
        let (m, n) = x.dim();
        for k in [10, 32, 100] {
            let mut cpu = Cpu::<f32>::new().expect("threads");
            let data = cpu.upload(x.view(), 1.0, Observed::All).expect("upload");
            let mut w = cpu.factor(factor(m, k, 1).view()).expect("factor");
            let h = cpu.factor(factor(n, k, 2).view()).expect("factor");
            let mut a = cpu.factor(factor(m, k, 3).view()).expect("factor");
            let mut b = cpu.factor(factor(n, k, 3).view()).expect("factor");
            let mut g = cpu.new_gram(k).expect("gram");
            let mut t = cpu.new_terms(m, k).expect("terms");
            let mut group = c.benchmark_group(*name);
            group.sample_size(20);
            // flops of one product with X
            group.throughput(Throughput::Elements(2 * x.view().stored() * k as u64));
            group.bench_function(BenchmarkId::new("XH", k), |bench| {
                bench.iter(|| cpu.cross(&data, Side::Rows, black_box(&h), &mut a));
            });
            group.bench_function(BenchmarkId::new("XtW", k), |bench| {
                bench.iter(|| cpu.cross(&data, Side::Cols, black_box(&w), &mut b));
            });
            group.bench_function(BenchmarkId::new("gram", k), |bench| bench.iter(|| cpu.gram(black_box(&w), &mut g)));
            let sweep = Sweep::once(Rule::for_loss(&Loss::FRO));
            group.bench_function(BenchmarkId::new("hals_sweep", k), |bench| {
                bench.iter(|| cpu.hals_sweep(&a, &g, &mut w, &sweep));
            });
            for loss in [Loss::FRO, Loss::KL, Loss::IS] {
                if loss == Loss::IS && matches!(x, Matrix::Sparse(_)) {
                    continue; // zeros
                }
                let rule = Rule::for_loss(&loss);
                group.bench_function(BenchmarkId::new(format!("mu_step_{loss}"), k), |bench| {
                    bench.iter(|| cpu.mu_step(&loss, &data, Side::Rows, &mut w, &h, &mut t, &rule, false));
                });
                group.bench_function(BenchmarkId::new(format!("divergence_{loss}"), k), |bench| {
                    bench.iter(|| cpu.divergence(&loss, &data, &w, &h));
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, primitives);
criterion_main!(benches);
