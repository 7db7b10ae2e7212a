//! CPU against GPU, ten multiplicative iterations from one start: `cargo bench -p nmf-bench --bench cpu_gpu`.
//!
//! The criterion counterpart of `nmf-cli bench`. Without an adapter only the CPU rows appear, and it says so. On a
//! software adapter the GPU rows say nothing about a graphics card.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nmf_bench::{dense, factor};
use nmf_core::{Backend, Loss, Nmf, SolverKind};
use nmf_cpu::Cpu;
use nmf_gpu::{Gpu, GpuOptions};

fn ten<B: Backend<Elem = f32>>(c: &mut Criterion, name: &str, backend: &mut B) {
    let mut group = c.benchmark_group("ten_iterations");
    group.sample_size(10);
    for (m, n, k) in [(500, 300, 16), (2000, 1000, 32)] {
        let x = dense::<f32>(m, n, 40);
        let (w, h) = (factor::<f32>(m, k, 1), factor::<f32>(k, n, 2));
        for loss in [Loss::FRO, Loss::KL, Loss::IS] {
            let nmf = Nmf::new(k).loss(loss.clone()).solver(SolverKind::Mu).start(w.clone(), h.clone());
            let nmf = nmf.max_iter(10).tol(0.0).trace_every(0);
            let id = BenchmarkId::new(format!("{name}_{loss}"), format!("{m}x{n}x{k}"));
            group.bench_function(id, |bench| bench.iter(|| nmf.fit(backend, &x).map(|f| f.objective())));
        }
    }
    group.finish();
}

fn cpu_gpu(c: &mut Criterion) {
    ten(c, "cpu", &mut Cpu::<f32>::new().expect("threads"));
    match Gpu::new(&GpuOptions::default()) {
        Ok(mut gpu) => {
            println!("GPU: {}", gpu.info().adapter);
            ten(c, "gpu", &mut gpu);
        }
        Err(e) => println!("no GPU rows: {e}"),
    }
}

criterion_group!(benches, cpu_gpu);
criterion_main!(benches);
