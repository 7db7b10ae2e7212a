//! Convolutive models: the operations at widths that the conformance suite does not reach, whole fits against the CPU, and
//! steps that never wait.

use ndarray::Array2;
use nmf_core::conformance::Traced;
use nmf_core::solver::{Convolutive, Measure, Model, Solver};
use nmf_core::{Accumulate, Backend, Loss, Matrix, MatrixRef, Nmf, Observed, Rule, Side, SolverKind, Sparse, shifts};
use nmf_cpu::Cpu;
use nmf_gpu::{Gpu, GpuOptions};

fn gpu(max_binding: Option<u64>, checked: bool) -> Gpu {
    Gpu::new(&GpuOptions { max_binding, checked, ..GpuOptions::default() }).unwrap()
}

/// Numbers in [0.05, 1.05), always the same.
fn values(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let mixed = (i * 7919 + j * 104_729 + seed * 31).wrapping_mul(2_654_435_761) >> 7;
        0.05 + (mixed % 1009) as f32 / 1009.0
    })
}

/// Three patterns of five columns that come and go, with noise and, where `zeros`, many exact zeros.
fn data(zeros: bool) -> Array2<f32> {
    Array2::from_shape_fn((45, 70), |(i, j)| {
        let pattern = |q: usize, tau: usize| (-((i as f64 - 12.0 * q as f64 - 3.0 * tau as f64) / 4.0).powi(2)).exp();
        let begins = |q: usize, j: usize| [11, 17, 23][q] * (j / [11, 17, 23][q]) == j;
        let sum: f64 = (0..3)
            .flat_map(|q| (0..5.min(j + 1)).map(move |tau| (q, tau)))
            .filter(|(q, tau)| begins(*q, j - tau))
            .map(|(q, tau)| pattern(q, tau))
            .sum();
        let noise = ((i * 7919 + j * 104_729) % 997) as f64 / 997.0;
        if zeros && sum < 0.05 { 0.0 } else { (sum + 0.02 * noise) as f32 + 0.01 }
    })
}

#[test]
fn copies_and_their_sums_at_the_widest() {
    for (options, shapes) in [
        ((None, true), [(5, 64, 1024), (3, 1, 5000), (300, 3, 7)]),
        ((Some(256), false), [(2, 65_536, 1), (1100, 2, 900), (70, 9, 40)]),
    ] {
        let mut b = gpu(options.0, options.1);
        for (n, k, l) in shapes {
            let what = format!("{n}×{k}, {l} shifts");
            let h = values(n, k, 1);
            let dh = b.factor(h.view()).unwrap();
            let mut wide = b.factor(Array2::from_elem((n, k * l), f32::NAN).view()).unwrap();
            b.unfold(&dh, &mut wide).unwrap();
            let copies = shifts::unfold(&h.view(), l);
            assert_eq!(b.read(&wide).unwrap(), copies, "{what}");
            // one entry in each row of X̃, so that the terms are cheap
            let x = Matrix::Sparse(Sparse::csr_from_dense(values(1, n, 2).view(), 0.0));
            let w = b.factor(values(1, k * l, 3).view()).unwrap();
            let (mut t, mut out) = (b.new_terms(n, k * l).unwrap(), b.new_terms(n, k).unwrap());
            // over all entries the denominator of KL is one row for all, over stored ones it is not
            for observed in [Observed::All, Observed::Stored] {
                let x = b.upload(x.view(), 1.0, observed).unwrap();
                b.terms(&Loss::KL, &x, Side::Cols, &wide, &w, 1.0, Accumulate::Set, &mut t).unwrap();
                b.fold(&t, &mut out).unwrap();
                let (terms, found) = (b.read_terms(&t).unwrap(), b.read_terms(&out).unwrap());
                // added in the same order: to the last digit
                assert_eq!(found.0, shifts::fold(&terms.0.view(), l), "N, {observed:?}, {what}");
                assert_eq!(found.1, shifts::fold(&terms.1.view(), l), "D, {observed:?}, {what}");
            }
        }
    }
}

#[test]
fn a_folded_denominator_serves_whatever_comes_next() {
    // one shared row, then one folded into the same room, then sums of both kinds
    let mut b = gpu(None, true);
    let (n, k, l) = (37, 3, 4);
    let (x, h, w) = (values(20, n, 1), values(n, k, 2), values(20, k * l, 3));
    let x = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (dh, dw, narrow) =
        (b.factor(h.view()).unwrap(), b.factor(w.view()).unwrap(), b.factor(w.slice(ndarray::s![.., ..k])).unwrap());
    let mut wide = b.factor(Array2::zeros((n, k * l)).view()).unwrap();
    b.unfold(&dh, &mut wide).unwrap();
    let (mut t, mut out) = (b.new_terms(n, k * l).unwrap(), b.new_terms(n, k).unwrap());
    b.terms(&Loss::KL, &x, Side::Cols, &dh, &narrow, 1.0, Accumulate::Set, &mut out).unwrap();
    b.terms(&Loss::KL, &x, Side::Cols, &wide, &dw, 1.0, Accumulate::Set, &mut t).unwrap();
    b.fold(&t, &mut out).unwrap();
    let first = b.read_terms(&out).unwrap();
    assert!(first.1[[n - 1, 0]] < first.1[[0, 0]]);
    b.terms(&Loss::KL, &x, Side::Cols, &dh, &narrow, 2.0, Accumulate::Add, &mut out).unwrap();
    let sum = b.read_terms(&out).unwrap();
    b.terms(&Loss::KL, &x, Side::Cols, &dh, &narrow, 2.0, Accumulate::Set, &mut out).unwrap();
    let second = b.read_terms(&out).unwrap();
    for (first, second, sum) in [(&first.0, &second.0, &sum.0), (&first.1, &second.1, &sum.1)] {
        assert!((first + second - sum).iter().zip(sum).all(|(d, s)| d.abs() <= 1e-6 * s));
    }
}

#[test]
fn fits_agree_with_the_cpu() {
    let (k, l) = (4, 5);
    let cases = [
        (Loss::FRO, SolverKind::Mu, false, Observed::All),
        (Loss::FRO, SolverKind::Mue, false, Observed::All),
        (Loss::KL, SolverKind::Mu, false, Observed::All),
        (Loss::KL, SolverKind::Mue, false, Observed::All),
        (Loss::IS, SolverKind::Mu, false, Observed::All),
        (Loss::KL, SolverKind::Mue, true, Observed::All),
        (Loss::FRO, SolverKind::Mu, true, Observed::Stored),
        (Loss::Beta(0.5), SolverKind::Mu, true, Observed::All),
    ];
    for (loss, solver, zeros, observed) in cases {
        let dense = data(zeros);
        let start = (values(45, k * l, 4), values(k, 70, 5));
        let sparse = Matrix::Sparse(Sparse::csr_from_dense(dense.view(), 0.0));
        let x = if zeros { sparse } else { Matrix::Dense(dense) };
        let nmf = Nmf::new(k).shifts(l).loss(loss.clone()).solver(solver).observed(observed).start(start.0, start.1);
        // few iterations part by rounding only; many part slightly, and a wrong operation would part them at once
        for (iterations, near) in [(3, 1e-4), (50, 0.02)] {
            let nmf = nmf.clone().max_iter(iterations).tol(0.0);
            let mut gpu = gpu(None, true);
            let on_gpu = nmf.fit(&mut gpu, x.view()).unwrap();
            let on_cpu = nmf.fit(&mut Cpu::<f32>::with_threads(1).unwrap(), x.view()).unwrap();
            let (found, expected) = (on_gpu.divergence(), on_cpu.divergence());
            let what = format!("{loss}, {solver}, {observed:?}: {found:e} on the GPU, {expected:e} on the CPU");
            assert!((found / expected - 1.0).abs() < near, "{what}");
            if iterations == 3 {
                for (found, expected) in [(on_gpu.w(), on_cpu.w()), (on_gpu.h(), on_cpu.h())] {
                    let top = expected.iter().copied().fold(0.0, f32::max);
                    assert!((&found - &expected).iter().all(|d| d.abs() <= 1e-4 * top), "{what}");
                }
            }
            assert_eq!(gpu.uploads(), 1, "{what}");
            assert!(gpu.submits() <= 25, "{what}: {:?}", gpu.counters());
        }
    }
}

#[test]
fn steps_never_wait() {
    const STEPS: u64 = 30;
    let (k, l) = (3, 4);
    for zeros in [false, true] {
        let dense = data(zeros);
        let (m, n) = dense.dim();
        let x = if zeros { Matrix::Sparse(Sparse::csr_from_dense(dense.view(), 0.0)) } else { Matrix::Dense(dense) };
        for loss in [Loss::FRO, Loss::KL, Loss::IS] {
            if zeros && !loss.allows_zero() {
                continue;
            }
            for extrapolated in [false, true] {
                if extrapolated && loss == Loss::IS {
                    continue;
                }
                let what = format!("{loss}, zeros {zeros}, extrapolated {extrapolated}");
                let mut b = Traced::new(gpu(None, true));
                let data = b.upload(x.view(), 1.0, Observed::All).unwrap();
                let (w, h) = (b.factor(values(m, k * l, 1).view()).unwrap(), b.factor(values(n, k, 2).view()).unwrap());
                let shifted = b.factor(Array2::zeros((n, k * l)).view()).unwrap();
                let rule = Rule::for_loss(&loss);
                let mut model = Model {
                    data: &data,
                    loss: &loss,
                    w,
                    h,
                    shifted: Some(shifted),
                    rule_w: rule,
                    rule_h: rule,
                    rows: m,
                    cols: n,
                    stored: x.view().stored(),
                    half_norm: 0.0,
                    last_divergence: None,
                };
                model.unfold(&mut b).unwrap();
                let mut solver = Convolutive::new(&mut b, (m, n), k, l, extrapolated).unwrap();
                solver.begin(&mut b, &mut model).unwrap();
                b.reset();
                let before = b.inner().counters();
                for step in 0..STEPS {
                    let measure = if step % 10 == 0 { Measure::Exact } else { Measure::No };
                    solver.step(&mut b, &mut model, measure).unwrap();
                }
                let (counts, after) = (b.counts(), b.inner().counters());
                assert_eq!((counts.blocking(), counts.writes, counts.rooms, counts.uploads), (0, 0, 0, 0), "{what}");
                assert_eq!((after.reads, after.writes), (before.reads, before.writes), "{what}");
                assert!(after.submits - before.submits <= STEPS / 5, "{what}: {before:?} {after:?}");
                let h = b.read(&model.h).unwrap();
                assert!(h.iter().all(|v| v.is_finite() && *v >= 0.0), "{what}");
                assert_eq!(b.read(model.right()).unwrap(), shifts::unfold(&h.view(), l), "{what}");
            }
        }
    }
}
