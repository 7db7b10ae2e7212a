//! Ceilings of this machine, and how close each kernel of the CPU backend comes: `cargo run --release -p nmf-bench --bin roofline`.
//!
//! Ceilings, measured in the same run: a square product of 1536³ by the `gemm` crate on every thread at once (arithmetic), and the sum
//! of a 512 MiB array (memory). For each kernel: its flops and the bytes it must move at least (X, and what it gathers), the
//! rates reached, and the share of the nearer ceiling. What `flops` counts is written beside each kernel in `benches/README.md`.

use nmf_bench::{counts, dense, factor};
use nmf_core::{Backend, Element, Loss, Matrix, Observed, Rule, Side, Sweep};
use nmf_cpu::{Cpu, Real};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;

/// The fastest of several runs that take about half a second together.
fn seconds(mut run: impl FnMut()) -> f64 {
    run();
    let (mut best, mut spent) = (f64::INFINITY, 0.0);
    while spent < 0.5 {
        let clock = Instant::now();
        run();
        let s = clock.elapsed().as_secs_f64();
        best = best.min(s);
        spent += s;
    }
    best
}

struct Ceilings {
    flops: f64,
    bytes: f64,
}

fn ceilings<T: Real>() -> Ceilings {
    let n = 1536;
    let threads = rayon::current_num_threads();
    let (a, b) = (factor::<T>(n, n, 1), factor::<T>(n, n, 2));
    let mut cpu = Cpu::<T>::new().expect("threads");
    let x = cpu.upload((&a).into(), T::one(), Observed::All).expect("upload");
    let (h, mut out) = (cpu.factor(b.view()).expect("factor"), cpu.factor(b.view()).expect("factor"));
    let s = seconds(|| cpu.cross(&x, Side::Rows, &h, &mut out).expect("product"));
    // f64 for either: what is measured is reading, not adding
    let big = vec![1.0f64; (512 << 20) / size_of::<f64>()];
    let sum = |c: &[f64]| {
        let mut a = [0.0; 32];
        for v in c.as_chunks::<32>().0 {
            for l in 0..32 {
                a[l] += v[l];
            }
        }
        a.iter().sum::<f64>()
    };
    let m = seconds(|| {
        black_box(big.par_chunks(big.len() / (16 * threads)).map(sum).collect::<Vec<_>>());
    });
    Ceilings { flops: 2.0 * (n as f64).powi(3) / s, bytes: size_of_val(&big[..]) as f64 / m }
}

struct Row {
    name: String,
    k: usize,
    flops: f64,
    bytes: f64,
    seconds: f64,
}

fn print(title: &str, c: &Ceilings, rows: &[Row]) {
    println!(
        "\n### {title}\n\nCeilings: {:.0} GFLOP/s (gemm 1536³), {:.1} GB/s (sum of 512 MiB)\n",
        c.flops / 1e9,
        c.bytes / 1e9
    );
    println!("| kernel | k | ms | GFLOP/s | of gemm | GB/s | of memory |\n|---|---|---|---|---|---|---|");
    for r in rows {
        let (f, b) = (r.flops / r.seconds, r.bytes / r.seconds);
        println!(
            "| {} | {} | {:.2} | {:.0} | {:.0} % | {:.1} | {:.0} % |",
            r.name,
            r.k,
            r.seconds * 1e3,
            f / 1e9,
            100.0 * f / c.flops,
            b / 1e9,
            100.0 * b / c.bytes
        );
    }
}

fn dense_kernels<T: Real>(rows: usize, cols: usize, out: &mut Vec<Row>) {
    let x = Matrix::from(dense::<T>(rows, cols, 40));
    let mut cpu = Cpu::<T>::new().expect("threads");
    let data = cpu.upload(x.view(), T::one(), Observed::All).expect("upload");
    let entries = (rows * cols) as f64;
    let size = size_of::<T>() as f64;
    for k in [10, 32, 100] {
        let mut w = cpu.factor(factor(rows, k, 1).view()).expect("factor");
        let mut h = cpu.factor(factor(cols, k, 2).view()).expect("factor");
        let mut a = cpu.factor(factor(rows, k, 3).view()).expect("factor");
        let mut b = cpu.factor(factor(cols, k, 3).view()).expect("factor");
        let (mut tw, mut th) = (cpu.new_terms(rows, k).expect("terms"), cpu.new_terms(cols, k).expect("terms"));
        let mut g = cpu.new_gram(k).expect("gram");
        let kf = k as f64;
        let mut add =
            |name: String, flops: f64, bytes: f64, seconds: f64| out.push(Row { name, k, flops, bytes, seconds });
        let s = seconds(|| cpu.cross(&data, Side::Rows, &h, &mut a).expect("cross"));
        add("XH".into(), 2.0 * entries * kf, entries * size, s);
        let s = seconds(|| cpu.cross(&data, Side::Cols, &w, &mut b).expect("cross"));
        add("XᵀW".into(), 2.0 * entries * kf, entries * size, s);
        let s = seconds(|| cpu.gram(&w, &mut g).expect("gram"));
        add("WᵀW".into(), 2.0 * rows as f64 * kf * kf, rows as f64 * kf * size, s);
        let sweep = Sweep::once(Rule::for_loss(&Loss::FRO));
        let s = seconds(|| cpu.hals_sweep(&a, &g, &mut w, &sweep).expect("sweep"));
        add("HALS sweep of W".into(), 2.0 * rows as f64 * kf * kf, 2.0 * rows as f64 * kf * size, s);
        for (loss, per_entry) in [(Loss::KL, 4.0), (Loss::IS, 6.0)] {
            let rule = Rule::for_loss(&loss);
            let s = seconds(|| {
                cpu.mu_step(&loss, &data, Side::Rows, &mut w, &h, &mut tw, &rule, false).expect("step");
            });
            add(format!("{loss} update of W"), per_entry * entries * kf, entries * size, s);
            let s = seconds(|| {
                cpu.mu_step(&loss, &data, Side::Cols, &mut h, &w, &mut th, &rule, false).expect("step");
            });
            add(format!("{loss} update of H"), per_entry * entries * kf, entries * size, s);
        }
    }
}

fn sparse_kernels<T: Real>(out: &mut Vec<Row>) {
    let (rows, cols) = (18_000, 50_000);
    let x = Matrix::from(counts::<T>(rows, cols, 100));
    let stored = x.view().stored() as f64;
    let mut cpu = Cpu::<T>::new().expect("threads");
    let data = cpu.upload(x.view(), T::one(), Observed::All).expect("upload");
    for k in [20, 64] {
        let mut w = cpu.factor(factor(rows, k, 1).view()).expect("factor");
        let h = cpu.factor(factor(cols, k, 2).view()).expect("factor");
        let mut a = cpu.factor(factor(rows, k, 3).view()).expect("factor");
        let mut t = cpu.new_terms(rows, k).expect("terms");
        let (kf, rule) = (k as f64, Rule::for_loss(&Loss::KL));
        let gathered = stored * ((k.next_multiple_of(16) * size_of::<T>()) as f64 + 8.0);
        let mut add = |name: &str, flops: f64, seconds: f64| {
            out.push(Row { name: name.into(), k, flops, bytes: gathered, seconds });
        };
        let s = seconds(|| cpu.cross(&data, Side::Rows, &h, &mut a).expect("cross"));
        add("XH, sparse", 2.0 * stored * kf, s);
        for repeats in [1, 3] {
            let s = seconds(|| {
                cpu.mu_steps(&Loss::KL, &data, Side::Rows, &mut w, &h, &mut t, &rule, repeats, false).expect("step");
            });
            add(&format!("kl update of W, {repeats}×"), 4.0 * stored * kf * repeats as f64, s);
        }
        let s = seconds(|| {
            cpu.newton_sweep(&data, Side::Rows, &mut w, &h, &Sweep::once(rule), false).expect("sweep");
        });
        add("kl Newton pass over W", 10.0 * stored * kf, s);
    }
}

fn all<T: Real + Element>() {
    let c = ceilings::<T>();
    let mut rows = Vec::new();
    dense_kernels::<T>(10_000, 2_000, &mut rows);
    print(&format!("{}, dense 10000×2000", T::NAME), &c, &rows);
    let mut rows = Vec::new();
    sparse_kernels::<T>(&mut rows);
    print(&format!("{}, counts 18000×50000, about 100 a row", T::NAME), &c, &rows);
}

fn main() {
    println!("{} threads", rayon::current_num_threads());
    all::<f32>();
    all::<f64>();
}
