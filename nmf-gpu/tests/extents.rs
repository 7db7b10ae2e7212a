//! What the shapes of the conformance suite do not reach: many components, long sparse rows, many windows, long
//! lists of partial sums. Tolerances are relative to each entry, since all terms are non-negative here.

#[path = "common/close.rs"]
mod close;
#[path = "common/values.rs"]
mod values;

use close::{close, wide};
use ndarray::Array2;
use nmf_core::reference::{self, Dense};
use nmf_core::{Accumulate, Backend, Loss, Matrix, Observed, Op, Rule, Side, Sparse, Support, Sweep};
use nmf_gpu::{Gpu, GpuOptions};
use values::values;

fn sparse(m: usize, n: usize, share: f32) -> Matrix<f32> {
    Matrix::Sparse(Sparse::csr_from_dense(values(m, n, 9).mapv(|v| if v < share { v } else { 0.0 }).view(), 0.0))
}

/// cross, terms, mu_step and divergence of both sides against the oracle.
fn check(b: &mut Gpu, x: &Matrix<f32>, k: usize, observed: Observed, losses: &[Loss]) {
    let (m, n) = x.dim();
    let (w, h) = (values(m, k, 2), values(n, k, 3));
    let dense = Dense::new(&x.view(), 1.0, observed);
    let data = b.upload(x.view(), 1.0, observed).unwrap();
    let (dw, dh) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
    for side in [Side::Rows, Side::Cols] {
        let (f, other, df, dother) = if side == Side::Rows { (&w, &h, &dw, &dh) } else { (&h, &w, &dh, &dw) };
        let what = format!("{m}×{n}, k = {k}, {observed:?}, {side:?}");
        let mut out = b.factor(Array2::from_elem(f.dim(), f32::NAN).view()).unwrap();
        b.cross(&data, side, dother, &mut out).unwrap();
        close(&what, &b.read(&out).unwrap(), &reference::cross(&dense, side, &wide(other).view()), m + n);
        for loss in losses {
            let what = format!("{what}, {loss}");
            let mut t = b.new_terms(f.nrows(), k).unwrap();
            b.terms(loss, &data, side, df, dother, 1.0, Accumulate::Set, &mut t).unwrap();
            b.terms(loss, &data, side, df, dother, 0.5, Accumulate::Add, &mut t).unwrap();
            let (num, den) = b.read_terms(&t).unwrap();
            let (rn, rd) = reference::terms(loss, &dense, side, &wide(f).view(), &wide(other).view(), 1e-10);
            close(&format!("N, {what}"), &num, &(rn * 1.5), m + n + 4 * k);
            close(&format!("D, {what}"), &den, &(rd * 1.5), m + n + 4 * k);
            let mut f2 = b.factor(f.view()).unwrap();
            let rule = Rule::for_loss(loss);
            let before = b.mu_step(loss, &data, side, &mut f2, dother, &mut t, &rule, true).unwrap().unwrap();
            let direct = b.divergence(loss, &data, &dw, &dh).unwrap();
            let expected = reference::divergence(loss, &dense, &wide(&w).view(), &wide(&h).view(), 1e-10);
            for found in [b.value(&before).unwrap(), b.value(&direct).unwrap()] {
                if expected.is_finite() {
                    assert!((found / expected - 1.0).abs() < 3e-5, "{what}: {found:e}, expected {expected:e}");
                } else {
                    assert_eq!(found, expected, "{what}");
                }
            }
        }
    }
}

const ALL: [Loss; 5] = [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(0.5), Loss::Beta(3.0)];

#[test]
fn many_components() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    for k in [65, 130, 260] {
        check(&mut b, &Matrix::Dense(values(40, 33, 1)), k, Observed::All, &[Loss::FRO, Loss::KL, Loss::IS]);
        check(&mut b, &sparse(40, 33, 0.4), k, Observed::All, &[Loss::KL, Loss::Beta(1.5)]);
        check(&mut b, &sparse(40, 33, 0.4), k, Observed::Stored, &[Loss::FRO, Loss::IS]);
    }
}

/// As wide as the shifted copies of a factor are: both sides, and beyond what a sweep over rows can hold.
#[test]
fn the_width_of_shifted_copies() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    check(
        &mut b,
        &Matrix::Dense(values(40, 70, 1)),
        360,
        Observed::All,
        &[Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(1.5)],
    );
    check(&mut b, &Matrix::Dense(values(9, 30, 1)), 1030, Observed::All, &[Loss::FRO, Loss::KL, Loss::IS]);
    check(&mut b, &sparse(9, 30, 0.4), 1030, Observed::All, &[Loss::FRO, Loss::KL, Loss::Beta(0.5)]);
    check(&mut b, &sparse(9, 30, 0.4), 1030, Observed::Stored, &[Loss::KL]);
    let mut b = Gpu::new(&GpuOptions { max_binding: Some(256), checked: false, ..GpuOptions::default() }).unwrap();
    check(&mut b, &Matrix::Dense(values(4, 70, 1)), 360, Observed::All, &[Loss::KL, Loss::IS]);
}

#[test]
fn every_class_of_the_hals_kernel() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    for k in [32, 33, 64, 65, 257] {
        // G close to diagonal, so that errors do not spread and single precision can be compared entry by entry
        let c = Array2::from_shape_fn((k + 5, k), |(i, j)| if i == j { 2.0 } else { 0.01 * ((i + 3 * j) % 5) as f32 });
        let (a, f) = (values(70, k, 4).mapv(|v| v * 3.0), values(70, k, 5));
        let sweep =
            Sweep { max_sweeps: 2, stop: 0.0, rule: Rule { fixed: 1, ..Rule::for_loss(&Loss::FRO) }, shuffle: None };
        let (da, dc) = (b.factor(a.view()).unwrap(), b.factor(c.view()).unwrap());
        let mut g = b.new_gram(k).unwrap();
        b.gram(&dc, &mut g).unwrap();
        let gram = wide(&b.read_gram(&g).unwrap());
        close("gram", &b.read_gram(&g).unwrap(), &reference::gram(&wide(&c).view()), k + 6);
        for shuffle in [None, Some(7)] {
            let (sweep, mut df) = (Sweep { shuffle, ..sweep }, b.factor(f.view()).unwrap());
            b.hals_sweep(&da, &g, &mut df, &sweep).unwrap();
            let mut expected = wide(&f);
            reference::hals_sweep(&wide(&a).view(), &gram.view(), &mut expected.view_mut(), &sweep);
            for (found, expected) in b.read(&df).unwrap().iter().zip(&expected) {
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-5 * (1.0 + k as f64 / 64.0),
                    "k = {k}, {shuffle:?}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn windows_cut_rows_columns_and_sparse_rows() {
    // 16 quads or 64 entries to a window: single rows are cut
    for checked in [true, false] {
        let options = GpuOptions { max_binding: Some(256), checked, ..GpuOptions::default() };
        let mut b = Gpu::new(&options).unwrap();
        check(&mut b, &Matrix::Dense(values(37, 150, 1)), 5, Observed::All, &ALL);
        check(&mut b, &sparse(5, 400, 0.7), 5, Observed::All, &[Loss::FRO, Loss::KL, Loss::Beta(0.5)]);
        check(&mut b, &sparse(300, 4, 0.9), 3, Observed::Stored, &ALL);
        let x = b.upload(Matrix::Dense(values(37, 150, 1)).view(), 1.0, Observed::All).unwrap();
        assert!(x.windows() > 37, "{}", x.windows());
    }
}

#[test]
fn long_sparse_rows_are_cut_into_segments() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    check(&mut b, &sparse(3, 3000, 0.8), 4, Observed::All, &[Loss::FRO, Loss::KL, Loss::IS]);
    check(&mut b, &sparse(3, 3000, 0.8), 4, Observed::Stored, &[Loss::KL, Loss::IS]);
}

#[test]
fn long_lists_of_partial_sums_are_shortened() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    // rows just too long to share a group: a partial sum per row, more than are sent to the host as they are
    check(&mut b, &sparse(8300, 65, 2.0), 2, Observed::All, &[Loss::KL]);
    check(&mut b, &Matrix::Dense(values(9000, 3, 1)), 2, Observed::All, &[Loss::KL, Loss::IS]);
}

#[test]
fn what_is_said_to_be_supported_is_true() {
    let b = Gpu::new(&GpuOptions::default()).unwrap();
    for loss in ALL {
        assert_eq!(b.supports(&Op::Update(loss)), Support::Native);
    }
    let native = [
        Op::HalsSweep,
        Op::Shuffle,
        Op::NewtonSweep,
        Op::GradientStep,
        Op::Extrapolate,
        Op::Shifts,
        Op::Sparse,
        Op::StoredOnly,
        Op::Mask,
        Op::Weights,
    ];
    for op in native {
        assert_eq!(b.supports(&op), Support::Native, "{op:?}");
    }
    for op in [Op::LeastSquares, Op::Sparseness] {
        assert_eq!(b.supports(&op), Support::Host);
    }
}

/// A denominator that is one row for all (KL), and one that is not, meet in one sum.
#[test]
fn terms_of_different_kinds_add_up() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    let (w, h) = (values(40, 3, 2), values(33, 3, 3));
    let (dense, few) = (Matrix::Dense(values(40, 33, 1)), sparse(40, 33, 0.4));
    let (dw, dh) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
    let mut t = b.new_terms(40, 3).unwrap();
    let steps = [
        (Loss::KL, &dense, Observed::All, 0.5),
        (Loss::KL, &few, Observed::All, 2.0),
        (Loss::FRO, &dense, Observed::All, 1.0),
        (Loss::KL, &dense, Observed::All, 3.0),
        (Loss::KL, &few, Observed::Stored, 1.0),
        (Loss::Beta(1.5), &few, Observed::All, 0.5),
        (Loss::IS, &dense, Observed::All, 0.1),
    ];
    let (mut num, mut den) = (Array2::zeros((40, 3)), Array2::zeros((40, 3)));
    for (i, (loss, x, observed, alpha)) in steps.into_iter().enumerate() {
        let how = if i == 0 { Accumulate::Set } else { Accumulate::Add };
        let data = b.upload(x.view(), 1.0, observed).unwrap();
        b.terms(&loss, &data, Side::Rows, &dw, &dh, alpha, how, &mut t).unwrap();
        let x = Dense::new(&x.view(), 1.0, observed);
        let (n, d) = reference::terms(&loss, &x, Side::Rows, &wide(&w).view(), &wide(&h).view(), 1e-10);
        num += &(n * alpha);
        den += &(d * alpha);
        let (found_num, found_den) = b.read_terms(&t).unwrap();
        close(&format!("N after step {i}"), &found_num, &num, 60);
        close(&format!("D after step {i}"), &found_den, &den, 60);
    }
}
