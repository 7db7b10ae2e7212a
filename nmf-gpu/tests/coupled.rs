//! Several matrices at once: the GPU arrives where the CPU does, with sums of terms of different kinds.

use ndarray::Array2;
use nmf_core::coupled::{Coupled, Mode, Relation};
use nmf_core::{Backend, Loss, Observed, Penalty, Sparse, Stop};
use nmf_cpu::Cpu;
use nmf_gpu::{Gpu, GpuOptions};

fn numbers(m: usize, n: usize, step: usize) -> Array2<f32> {
    Array2::from_shape_fn((m, n), |(i, j)| 0.1 + ((i * 7919 + j * step) % 97) as f32 / 20.0)
}

#[test]
fn coupled_fits_agree_with_the_cpu() {
    let ratings = Sparse::csr_from_dense(numbers(40, 30, 31).mapv(|v| if v < 3.0 { 0.0 } else { v }).view(), 0.0);
    let (users, kinds) = (numbers(40, 5, 17), numbers(7, 30, 53));
    let (fro, kl, is) = (Loss::FRO, Loss::KL, Loss::IS);
    for losses in [[&fro, &kl, &kl], [&kl, &fro, &is], [&kl, &kl, &kl], [&is, &fro, &kl]] {
        for observed in
            [Observed::Stored, Observed::All].into_iter().filter(|o| losses[0].allows_zero() || *o == Observed::Stored)
        {
            let mode = |name: &str, size| Mode::new(name, size).penalty(Penalty { l1: 0.05, l2: 0.0 });
            let [a, b, c] = losses.map(Clone::clone);
            let coupled = Coupled::new(3)
                .mode(mode("user", 40))
                .mode(mode("item", 30))
                .mode(mode("group", 5))
                .mode(mode("kind", 7))
                .matrix(Relation::new("ratings", &ratings, "user", "item").loss(a).observed(observed))
                .matrix(Relation::new("users", &users, "user", "group").loss(b).weight(0.5))
                .matrix(Relation::new("kinds", &kinds, "kind", "item").loss(c).weight(2.0))
                .seed(3)
                .stop(Stop { max_iter: 40, tol: 0.0, ..Stop::default() });
            let mut gpu = Gpu::new(&GpuOptions::default()).unwrap();
            let on_gpu = coupled.fit(&mut gpu).unwrap();
            let on_cpu = coupled.fit(&mut Cpu::<f32>::with_threads(1).unwrap()).unwrap();
            let parts = on_gpu.matrices().iter().zip(on_cpu.matrices());
            for (name, found, expected) in parts.map(|(g, c)| (&g.name, g.divergence, c.divergence)) {
                let what =
                    format!("{name} of {losses:?}, {observed:?}: {found:e} on {}, {expected:e}", gpu.info().name);
                assert!((found / expected - 1.0).abs() < 0.01, "{what}");
            }
        }
    }
}
