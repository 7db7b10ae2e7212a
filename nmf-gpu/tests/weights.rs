//! Weights, dense and sparse, in one window and in many, against the oracle. Tolerances are relative to each entry: all terms
//! are non-negative here.

use ndarray::Array2;
use nmf_core::reference::{self, Dense};
use nmf_core::{Accumulate, Backend, Error, Loss, Matrix, MatrixRef, Op, Rule, Side, Sparse, Support};
use nmf_gpu::{Gpu, GpuOptions, Streaming};

fn values(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let mixed = (i * 7919 + j * 104_729 + seed * 31).wrapping_mul(2_654_435_761) >> 7;
        0.05 + (mixed % 1009) as f32 / 1009.0
    })
}

/// Weights in [0, 3], a third of them zero.
fn weights(rows: usize, cols: usize) -> Array2<f32> {
    values(rows, cols, 4).mapv(|v| if v < 0.38 { 0.0 } else { 3.0 * (v - 0.37) })
}

fn wide(a: &Array2<f32>) -> Array2<f64> {
    a.mapv(f64::from)
}

fn close(what: &str, found: &Array2<f32>, expected: &Array2<f64>) {
    for ((at, f), e) in found.indexed_iter().zip(expected) {
        assert!((f64::from(*f) - e).abs() <= 3e-5 * e.abs(), "{what} at {at:?}: {f:e}, expected {e:e}");
    }
}

fn check(b: &mut Gpu, what: &str, x: &Matrix<f32>, weight: &Matrix<f32>, losses: &[Loss]) {
    let ((m, n), k) = (x.dim(), 5);
    let (w, h) = (values(m, k, 2), values(n, k, 3));
    let dense = Dense::weighted(&x.view(), &weight.view(), 2.0);
    let data = b.upload_weighted(x.view(), weight.view(), 2.0).unwrap();
    let (dw, dh) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
    for side in [Side::Rows, Side::Cols] {
        let (f, other, df, dother) = if side == Side::Rows { (&w, &h, &dw, &dh) } else { (&h, &w, &dh, &dw) };
        let mut out = b.factor(Array2::zeros(f.dim()).view()).unwrap();
        b.cross(&data, side, dother, &mut out).unwrap();
        close(what, &b.read(&out).unwrap(), &reference::cross(&dense, side, &wide(other).view()));
        for loss in losses {
            let what = format!("{what}, {side:?}, {loss}");
            let mut t = b.new_terms(f.nrows(), k).unwrap();
            b.terms(loss, &data, side, df, dother, 1.0, Accumulate::Set, &mut t).unwrap();
            b.terms(loss, &data, side, df, dother, 0.5, Accumulate::Add, &mut t).unwrap();
            let (num, den) = b.read_terms(&t).unwrap();
            let (rn, rd) = reference::terms(loss, &dense, side, &wide(f).view(), &wide(other).view(), 1e-10);
            close(&format!("N, {what}"), &num, &(rn * 1.5));
            close(&format!("D, {what}"), &den, &(rd * 1.5));
            let mut f2 = b.factor(f.view()).unwrap();
            let rule = Rule::for_loss(loss);
            let before = b.mu_step(loss, &data, side, &mut f2, dother, &mut t, &rule, true).unwrap().unwrap();
            let direct = b.divergence(loss, &data, &dw, &dh).unwrap();
            let expected = reference::divergence(loss, &dense, &wide(&w).view(), &wide(&h).view(), 1e-10);
            for found in [b.value(&before).unwrap(), b.value(&direct).unwrap()] {
                assert!((found / expected - 1.0).abs() < 3e-5, "{what}: {found:e}, expected {expected:e}");
            }
        }
    }
}

const ALL: [Loss; 5] = [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(0.5), Loss::Beta(3.0)];

#[test]
fn weighted_terms_are_those_of_the_oracle() {
    let mut x = values(45, 38, 1);
    let w = weights(45, 38);
    // what has no weight is not looked at
    x.zip_mut_with(&w, |x, w| *x = if *w == 0.0 { f32::NAN } else { *x });
    let sparse = |a: &Array2<f32>| Sparse::csr_from_dense(a.view(), 0.0);
    let (sx, sw) = (sparse(&x.mapv(|v| if v.is_nan() { 0.0 } else { v })), sparse(&w));
    for (limit, checked) in [(None, true), (Some(256), false)] {
        let mut b = Gpu::new(&GpuOptions { max_binding: limit, checked, ..GpuOptions::default() }).unwrap();
        assert_eq!(b.supports(&Op::Weights), Support::Native);
        check(&mut b, "dense", &Matrix::Dense(x.clone()), &Matrix::Dense(w.clone()), &ALL);
        check(&mut b, "sparse", &Matrix::Sparse(sx.clone()), &Matrix::Sparse(sw.clone()), &ALL[..3]);
        let (tx, tw) = (sx.clone().transpose_into(), sw.clone().transpose_into());
        check(&mut b, "by columns", &Matrix::Sparse(tx), &Matrix::Sparse(tw), &[Loss::KL]);
        // stored entries of weight 0, and one of the two dense
        let all = sparse(&values(45, 38, 6).mapv(|v| v + 1.0));
        let mut with_zeros = all.clone();
        with_zeros.data_mut().iter_mut().for_each(|v| *v = if *v < 1.4 { 0.0 } else { *v });
        check(&mut b, "zeros", &Matrix::Sparse(all), &Matrix::Sparse(with_zeros), &[Loss::KL]);
        check(&mut b, "mixed", &Matrix::Dense(x.clone()), &Matrix::Sparse(sw.clone()), &[Loss::KL]);
        let mask = w.mapv(|v| f32::from(v > 0.0));
        check(&mut b, "mask", &Matrix::Dense(x.clone()), &Matrix::Dense(mask), &[Loss::KL, Loss::Beta(1.5)]);
    }
}

#[test]
fn weights_of_one_are_no_weights_and_bad_ones_are_refused() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    let x = values(7, 9, 1);
    let before = b.memory_in_use();
    let mask = b.upload_weighted(MatrixRef::from(&x), MatrixRef::from(&Array2::ones((7, 9))), 1.0).unwrap();
    assert!(b.memory_in_use() > before && mask.dim() == (7, 9));
    for bad in [Array2::ones((9, 7)), Array2::from_elem((7, 9), -1.0), Array2::from_elem((7, 9), f32::INFINITY)] {
        assert!(b.upload_weighted(MatrixRef::from(&x), MatrixRef::from(&bad), 1.0).is_err());
    }
    let options = GpuOptions { memory: Some(10_000), stream: Streaming::Never, ..GpuOptions::default() };
    let mut small = Gpu::new(&options).unwrap();
    let (x, w) = (values(40, 40, 1), values(40, 40, 2));
    match small.upload_weighted(MatrixRef::from(&x), MatrixRef::from(&w), 1.0) {
        // twice 12 bytes per entry, and the rows
        Err(Error::OutOfMemory { needed, available, .. }) => assert!(needed >= 24 * 1600 && available == 10_000),
        _ => panic!("more than the memory was uploaded"),
    }
    assert_eq!((small.uploads(), small.memory_in_use()), (0, 0));
}
