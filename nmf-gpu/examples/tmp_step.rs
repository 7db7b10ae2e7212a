//! temporary
use ndarray::Array2;
use nmf_core::*;
use nmf_gpu::*;
use std::time::Instant;
fn values(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| { let z = (i * 7919 + j * 104_729 + seed * 31).wrapping_mul(2_654_435_761) >> 7; 0.05 + (z % 1009) as f32 / 1009.0 })
}
fn main() {
    let (m, n, k) = (2000, 1000, 32);
    for checked in [true, false] {
        let mut b = Gpu::new(&GpuOptions { checked, ..Default::default() }).unwrap();
        let x = values(m, n, 1);
        let sp = Sparse::csr_from_dense(x.mapv(|v| if v < 0.1 { v } else { 0.0 }).view(), 0.0);
        let xd = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
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
                    b.finish().unwrap();
                    t.elapsed() / iters
                };
                go(&mut b, 1);
                let warm = go(&mut b, 5);
                println!("checked {checked} {name} {loss}: total {:?}", warm);
            }
        }
    }
    // accuracy against f64
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    let mut c = nmf_cpu::Cpu::<f64>::with_threads(2).unwrap();
    let (w, h) = (values(m, k, 2), values(n, k, 3));
    let noise = values(m, n, 7);
    for scale in [1.0f64, 1e-2, 1e-4, 1e-6] {
        let v = w.mapv(f64::from).dot(&h.mapv(f64::from).t());
        let x = ndarray::Zip::from(&v).and(&noise).map_collect(|v, e| (v * (1.0 + scale * (f64::from(*e) - 0.55))) as f32);
        let x64 = x.mapv(f64::from);
        let (xg, xc) = (b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap(), c.upload(MatrixRef::from(&x64), 1.0, Observed::All).unwrap());
        let (wg, hg) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
        let (wc, hc) = (c.factor(w.mapv(f64::from).view()).unwrap(), c.factor(h.mapv(f64::from).view()).unwrap());
        for loss in [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(0.5), Loss::Beta(1.3), Loss::Beta(3.0)] {
            let s = b.divergence(&loss, &xg, &wg, &hg).unwrap();
            let g = b.value(&s).unwrap();
            let s = c.divergence(&loss, &xc, &wc, &hc).unwrap();
            let e = c.value(&s).unwrap();
            let (mut tg, mut tc) = (b.new_terms(m, k).unwrap(), c.new_terms(m, k).unwrap());
            b.terms(&loss, &xg, Side::Rows, &wg, &hg, 1.0, Accumulate::Set, &mut tg).unwrap();
            c.terms(&loss, &xc, Side::Rows, &wc, &hc, 1.0, Accumulate::Set, &mut tc).unwrap();
            let ((ng, dg), (nc, dc)) = (b.read_terms(&tg).unwrap(), c.read_terms(&tc).unwrap());
            let err = |a: &Array2<f32>, b: &Array2<f64>| a.iter().zip(b).map(|(a, b)| (f64::from(*a) / b - 1.0).abs()).fold(0.0, f64::max);
            println!("noise {scale:e} {loss}: divergence {e:.4e} rel.err {:.1e}; N {:.1e} D {:.1e}", (g / e - 1.0).abs(), err(&ng, &nc), err(&dg, &dc));
        }
    }
}
