use ndarray::Array2;
use nmf_core::*;
use nmf_gpu::*;
use std::time::Instant;
fn values(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| 0.05 + ((i * 37 + j * 101 + seed * 13) % 89) as f32 / 89.0)
}
fn main() {
    let (m, n, k) = (2000, 1000, 32);
    for checked in [true, false] {
        let mut b = Gpu::new(&GpuOptions { checked, ..Default::default() }).unwrap();
        println!("{:?} checked {checked}", b.info().adapter);
        let x = values(m, n, 1);
        let sp = Sparse::csr_from_dense(x.mapv(|v| if v < 0.1 { v } else { 0.0 }).view(), 0.0);
        let t = Instant::now();
        let xd = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
        println!("upload {:?}", t.elapsed());
        let xs = b.upload(MatrixRef::from(&sp), 1.0, Observed::All).unwrap();
        for (name, x) in [("dense", &xd), ("sparse 5%", &xs)] {
            for loss in [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(1.5)] {
                if name != "dense" && loss != Loss::FRO && loss != Loss::KL { continue; }
                let (mut w, mut h) = (b.factor(values(m, k, 2).view()).unwrap(), b.factor(values(n, k, 3).view()).unwrap());
                let (mut tw, mut th) = (b.new_terms(m, k).unwrap(), b.new_terms(n, k).unwrap());
                let rule = Rule::for_loss(&loss);
                let mut go = |b: &mut Gpu, iters: u32| {
                    let t = Instant::now();
                    for _ in 0..iters {
                        b.mu_step(&loss, x, Side::Rows, &mut w, &h, &mut tw, &rule, false).unwrap();
                        b.mu_step(&loss, x, Side::Cols, &mut h, &w, &mut th, &rule, false).unwrap();
                    }
                    let e = t.elapsed();
                    b.finish().unwrap();
                    (e / iters, t.elapsed() / iters)
                };
                let cold = go(&mut b, 1);
                let warm = go(&mut b, 10);
                println!("{name} {loss}: first {:?}, then encode {:?} total {:?}", cold.1, warm.0, warm.1);
            }
        }
    }
}
