//! Coordinate descent for KL against the oracle: all layouts, rows longer than a window, long rows, many components, weights.

use ndarray::Array2;
use nmf_core::reference::{self, Dense};
use nmf_core::{Backend, Loss, Matrix, MatrixRef, Observed, Op, Penalty, Rule, Side, Sparse, Support, Sweep};
use nmf_gpu::{Data, Gpu, GpuOptions};

fn values(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let mixed = (i * 7919 + j * 104_729 + seed * 31).wrapping_mul(2_654_435_761) >> 7;
        0.05 + (mixed % 1009) as f32 / 1009.0
    })
}

fn sparse(x: &Array2<f32>) -> Matrix<f32> {
    Matrix::Sparse(Sparse::csr_from_dense(x.view(), 0.0))
}

fn wide(a: &Array2<f32>) -> Array2<f64> {
    a.mapv(f64::from)
}

/// One and several passes, penalties, fixed columns, random order, both sides.
fn check(b: &mut Gpu, what: &str, data: &Data, x: &Dense, k: usize) {
    let (m, n) = x.x.dim();
    let plain = Rule::for_loss(&Loss::KL);
    let bound = Rule { fixed: k.min(1), penalty: Penalty { l1: 0.3, l2: 0.2 }, ..plain };
    let sweeps = [
        Sweep::once(plain),
        Sweep { max_sweeps: 3, stop: 0.0, rule: bound, shuffle: Some(5) },
        Sweep { max_sweeps: 9, stop: 0.3, rule: plain, shuffle: None },
    ];
    let (mut w, h) = (values(m, k, 2), values(n, k, 3));
    // a zero is not stuck
    w[[m / 2, k / 2]] = 0.0;
    for side in [Side::Rows, Side::Cols] {
        let (f, other) = if side == Side::Rows { (&w, &h) } else { (&h, &w) };
        let dother = b.factor(other.view()).unwrap();
        for sweep in &sweeps {
            let what = format!("{what}, {side:?}, k = {k}, {sweep:?}");
            let mut df = b.factor(f.view()).unwrap();
            let before = b.newton_sweep(data, side, &mut df, &dother, sweep, true).unwrap().unwrap();
            let expected = reference::divergence(&Loss::KL, x, &wide(&w).view(), &wide(&h).view(), 1e-10);
            let measured = b.value(&before).unwrap();
            assert!((measured / expected - 1.0).abs() < 3e-5, "{what}: {measured:e}, expected {expected:e}");
            let mut expected = wide(f);
            reference::newton_sweep(x, side, &mut expected, &wide(other).view(), sweep, 1e-10);
            let found = b.read(&df).unwrap();
            for ((at, found), expected) in found.indexed_iter().zip(&expected) {
                let error = (f64::from(*found) - expected).abs();
                assert!(error < 2e-4 * (1.0 + expected), "{what} at {at:?}: {found:e}, expected {expected:e}");
            }
        }
    }
}

#[test]
fn every_layout_in_one_window_and_in_many() {
    let x = values(41, 90, 1);
    let few = x.mapv(|v| if v < 0.5 { v } else { 0.0 });
    let weight = values(41, 90, 4).mapv(|v| if v < 0.3 { 0.0 } else { 3.0 * v });
    // 64 entries to a window (32 with weights): rows are shared by windows; 16 quads: columns of dense X are, too
    for (limit, checked) in [(None, true), (Some(256), false)] {
        let mut b = Gpu::new(&GpuOptions { max_binding: limit, checked, ..GpuOptions::default() }).unwrap();
        assert_eq!(b.supports(&Op::NewtonSweep), Support::Native);
        let dense = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
        check(&mut b, "dense", &dense, &Dense::new(&MatrixRef::from(&x), 1.0, Observed::All), 4);
        let m = sparse(&few);
        for observed in [Observed::All, Observed::Stored] {
            let data = b.upload(m.view(), 2.0, observed).unwrap();
            check(&mut b, "sparse", &data, &Dense::new(&m.view(), 2.0, observed), 5);
        }
        let (xr, wr) = (MatrixRef::from(&x), MatrixRef::from(&weight));
        let data = b.upload_weighted(xr.reborrow(), wr.reborrow(), 1.0).unwrap();
        check(&mut b, "weighted", &data, &Dense::weighted(&xr, &wr, 1.0), 3);
    }
}

#[test]
fn long_rows_empty_rows_and_many_components() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    let long = values(3, 3000, 9).mapv(|v| if v < 0.8 { v } else { 0.0 });
    let m = sparse(&long);
    let data = b.upload(m.view(), 1.0, Observed::All).unwrap();
    check(&mut b, "long", &data, &Dense::new(&m.view(), 1.0, Observed::All), 4);
    let data = b.upload(MatrixRef::from(&long), 1.0, Observed::All).unwrap();
    check(&mut b, "long, dense", &data, &Dense::new(&MatrixRef::from(&long), 1.0, Observed::All), 4);
    // no window holds a row of these
    let mut windows =
        Gpu::new(&GpuOptions { max_binding: Some(256), checked: false, ..GpuOptions::default() }).unwrap();
    let m = sparse(&long.slice(ndarray::s![.., ..400]).to_owned());
    for observed in [Observed::All, Observed::Stored] {
        let data = windows.upload(m.view(), 1.0, observed).unwrap();
        check(&mut windows, "long, in windows", &data, &Dense::new(&m.view(), 1.0, observed), 4);
    }
    let mut few = values(30, 40, 1).mapv(|v| if v < 0.2 { v } else { 0.0 });
    few.row_mut(0).fill(0.0);
    few.row_mut(17).fill(0.0);
    few.column_mut(39).fill(0.0);
    let m = sparse(&few);
    for observed in [Observed::All, Observed::Stored] {
        let data = b.upload(m.view(), 1.0, observed).unwrap();
        for k in [1, 33, 130] {
            check(&mut b, "few", &data, &Dense::new(&m.view(), 1.0, observed), k);
        }
    }
}

#[test]
fn passes_descend_and_stay_on_the_device() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    let m = sparse(&values(60, 45, 1).mapv(|v| if v < 0.6 { v } else { 0.0 }));
    for (x, observed) in [(m, Observed::All), (Matrix::Dense(values(60, 45, 1)), Observed::All)] {
        let data = b.upload(x.view(), 1.0, observed).unwrap();
        let (mut w, mut h) = (b.factor(values(60, 8, 2).view()).unwrap(), b.factor(values(45, 8, 3).view()).unwrap());
        let sweep = Sweep { shuffle: Some(1), ..Sweep::once(Rule::for_loss(&Loss::KL)) };
        let before = b.counters();
        let mut trace = Vec::new();
        for _ in 0..50 {
            trace.extend(b.newton_sweep(&data, Side::Rows, &mut w, &h, &sweep, true).unwrap());
            b.newton_sweep(&data, Side::Cols, &mut h, &w, &sweep, false).unwrap();
        }
        let after = b.counters();
        assert_eq!((after.reads, after.writes), (before.reads, before.writes));
        assert!(after.submits - before.submits <= 8, "{before:?} {after:?}");
        let ticket = b.ticket(&trace).unwrap();
        let trace = b.wait(&ticket).unwrap();
        assert!(trace.windows(2).all(|v| v[1] <= v[0] * (1.0 + 1e-6)), "{trace:?}");
        assert!(trace[49] < 0.8 * trace[0]);
    }
}
