//! Steps along a gradient and extrapolations against the oracle, on more than one window's worth of entries.

use ndarray::Array2;
use nmf_core::reference;
use nmf_core::{Accumulate, Backend, Extrapolation, Loss, MatrixRef, Observed, Penalty, Rule, Side, Weight};
use nmf_gpu::{Gpu, GpuOptions};

fn gpu() -> Gpu {
    Gpu::new(&GpuOptions { max_binding: Some(256), checked: false, ..GpuOptions::default() }).unwrap()
}

/// Numbers in [−0.5, 1.5), zeros among them.
fn mixed(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let v = ((i * 7919 + j * 104_729 + seed * 31).wrapping_mul(2_654_435_761) >> 7) % 1009;
        if v < 100 { 0.0 } else { v as f32 / 504.5 - 0.5 }
    })
}

fn close(what: &str, found: &Array2<f32>, expected: &Array2<f64>) {
    for ((at, f), e) in found.indexed_iter().zip(expected) {
        assert!((f64::from(*f) - e).abs() <= 2e-6 * (1.0 + e.abs()), "{what} at {at:?}: {f:e}, expected {e:e}");
    }
}

#[test]
fn extrapolations_are_those_of_the_oracle() {
    let mut b = gpu();
    for (rows, k) in [(1, 1), (70, 3), (130, 9), (3, 130)] {
        let (now, before) = (mixed(rows, k, 1).mapv(|v| v.max(0.0)), mixed(rows, k, 2).mapv(|v| v.max(0.0)));
        let (f, scalar) = (b.factor(now.view()).unwrap(), {
            let f = b.factor(now.view()).unwrap();
            b.penalty(&f, &Penalty { l1: 1.0, l2: 0.0 }).unwrap()
        });
        let (mut m, mut host) = (b.new_momentum().unwrap(), nmf_core::Momentum::default());
        for _ in 0..7 {
            b.advance(&mut m, std::slice::from_ref(&scalar)).unwrap();
            host.advance(1.0);
        }
        for how in [Extrapolation::Clamped, Extrapolation::Upwards] {
            for (weight, value) in
                [(Weight::Fixed(0.7), 0.7), (Weight::Fixed(0.0), 0.0), (Weight::Of(&m), host.weight())]
            {
                let mut previous = b.factor(before.view()).unwrap();
                b.extrapolate(&f, &mut previous, how, weight).unwrap();
                let expected = Array2::from_shape_fn((rows, k), |at| {
                    reference::extrapolate_entry(now[at].into(), before[at].into(), how, value)
                });
                close(&format!("{rows}×{k}, {how:?}, {value}"), &b.read(&previous).unwrap(), &expected);
            }
        }
    }
    let (f, mut other) =
        (b.factor(Array2::ones((3, 2)).view()).unwrap(), b.factor(Array2::ones((3, 3)).view()).unwrap());
    assert!(b.extrapolate(&f, &mut other, Extrapolation::Clamped, Weight::Fixed(0.5)).is_err());
}

#[test]
fn steps_go_against_the_gradient_and_stop_at_zero() {
    let mut b = gpu();
    let (m, n, k) = (61, 47, 6);
    let positive = |rows, seed| mixed(rows, k, seed).mapv(|v| 0.3 * v.abs());
    let (x, w, h) = (mixed(m, n, 5).mapv(f32::abs), positive(m, 6), positive(n, 7));
    let data = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (dw, dh) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
    // the denominator of KL is one row for all
    for loss in [Loss::FRO, Loss::KL, Loss::Beta(1.5)] {
        for (fixed, l1, l2, step) in [(0, 0.0, 0.0, 1e-2), (2, 0.5, 0.25, 1e-1), (k, 1.0, 1.0, 1.0)] {
            for side in [Side::Rows, Side::Cols] {
                let (f, df, dother) = if side == Side::Rows { (&w, &dw, &dh) } else { (&h, &dh, &dw) };
                let mut t = b.new_terms(f.nrows(), k).unwrap();
                b.terms(&loss, &data, side, df, dother, 1.0, Accumulate::Set, &mut t).unwrap();
                let rule = Rule { fixed, penalty: Penalty { l1, l2 }, ..Rule::for_loss(&loss) };
                let (num, den) = b.read_terms(&t).unwrap();
                let mut expected = f.mapv(f64::from);
                reference::gradient_step(&num.mapv(f64::from), &den.mapv(f64::from), &mut expected, &rule, step);
                let mut stepped = b.factor(f.view()).unwrap();
                b.gradient_step(&t, &mut stepped, &rule, step).unwrap();
                let found = b.read(&stepped).unwrap();
                close(&format!("{loss}, {side:?}, fixed {fixed}"), &found, &expected);
                assert_eq!(found.slice(ndarray::s![.., ..fixed]), f.slice(ndarray::s![.., ..fixed]));
            }
        }
    }
}
