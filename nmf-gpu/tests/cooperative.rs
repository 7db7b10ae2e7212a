//! Cooperative matrices: what must hold of every arithmetic with them, how far results may be off, and where they are not
//! used. On an adapter that has none, everything is done without, and the first test below says so.

use ndarray::Array2;
use nmf_core::{Accumulate, Backend, Error, Loss, MatrixRef, Observed, Rule, Side};
use nmf_gpu::{Features, Gpu, GpuOptions, Switch, XStorage};

fn options(cooperative: Switch) -> GpuOptions {
    let features = Features { cooperative, ..Features::default() };
    GpuOptions { checked: false, features, ..GpuOptions::default() }
}

fn state(b: &Gpu) -> (bool, String) {
    let state = b.features().iter().find(|f| f.name == "cooperative").unwrap();
    (state.used, state.why.clone())
}

/// Pairs of halves are not quite f32. What must hold of every arithmetic does; the tests below say how far results may be off.
mod conformance {
    use super::*;
    use nmf_core::conformance::{hostile, laws, oracle};

    macro_rules! checks {
        ($($group:ident::$check:ident),+) => {
            $(#[test]
            fn $check() {
                let options = GpuOptions { max_binding: Some(1024), ..options(Switch::Auto) };
                if let Err(failure) = $group::$check(|| Gpu::new(&options).unwrap()) {
                    panic!("{failure}");
                }
            })+
        };
    }

    checks!(
        oracle::quadratic,
        oracle::divergence,
        laws::zeros_stay,
        laws::non_negative,
        laws::descent,
        hostile::all_zero,
        hostile::many_operations,
        hostile::repeatable
    );
}

#[test]
fn they_are_used_only_where_asked_for() {
    let b = Gpu::new(&GpuOptions::default()).unwrap();
    assert_eq!(state(&b), (false, "off unless asked for".into()));
    let (used, why) = state(&Gpu::new(&options(Switch::Auto)).unwrap());
    println!("{}: {used} ({why})", b.adapter().name);
    assert_eq!(used, why.starts_with("matrices of "), "{why}");
    match Gpu::new(&options(Switch::Force)) {
        Ok(b) => assert!(used && state(&b).0),
        Err(Error::Unsupported(text)) => assert!(!used && text.contains("cooperative"), "{text}"),
        Err(e) => panic!("{e}"),
    }
    // they need subgroups
    let mut without = options(Switch::Auto);
    without.features.subgroups = Switch::Off;
    assert_eq!(state(&Gpu::new(&without).unwrap()), (false, "they need subgroups".into()));
    // nothing offers them that does not offer what they are made of
    let offered = nmf_gpu::adapters().unwrap()[b.adapter().index].features.iter().any(|f| f.contains("COOPERATIVE"));
    assert!(offered || !used);
    if let Ok(wanted) = std::env::var("NMF_TEST_COOPERATIVE") {
        assert_eq!(why, wanted, "another adapter than the one wanted");
    }
}

fn values(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| 0.05 + ((i * 37 + j * 101 + seed * 13) % 89) as f32 / 89.0)
}

/// Numerators, divergence and factors after an update of each side.
fn work(b: &mut Gpu, x: &Array2<f32>, k: usize, loss: &Loss) -> (Vec<Array2<f32>>, f64) {
    let ((m, n), all) = (x.dim(), Observed::All);
    let x = b.upload(MatrixRef::from(x), 1.0, all).unwrap();
    let (mut w, mut h) = (b.factor(values(m, k, 2).view()).unwrap(), b.factor(values(n, k, 3).view()).unwrap());
    let (mut tw, mut th) = (b.new_terms(m, k).unwrap(), b.new_terms(n, k).unwrap());
    let mut found = Vec::new();
    for (side, f, other) in [(Side::Rows, &w, &h), (Side::Cols, &h, &w)] {
        let mut out = b.factor(values(f_rows(side, m, n), k, 4).view()).unwrap();
        b.cross(&x, side, other, &mut out).unwrap();
        found.push(b.read(&out).unwrap());
        let mut terms = b.new_terms(f_rows(side, m, n), k).unwrap();
        b.terms(loss, &x, side, f, other, 0.5, Accumulate::Set, &mut terms).unwrap();
        b.terms(loss, &x, side, f, other, 2.0, Accumulate::Add, &mut terms).unwrap();
        found.push(b.read_terms(&terms).unwrap().0);
    }
    let rule = Rule::for_loss(loss);
    for _ in 0..2 {
        b.mu_step(loss, &x, Side::Rows, &mut w, &h, &mut tw, &rule, true).unwrap();
        b.mu_step(loss, &x, Side::Cols, &mut h, &w, &mut th, &rule, false).unwrap();
    }
    let d = b.divergence(loss, &x, &w, &h).unwrap();
    found.extend([b.read(&w).unwrap(), b.read(&h).unwrap()]);
    (found, b.value(&d).unwrap())
}

fn f_rows(side: Side, m: usize, n: usize) -> usize {
    if side == Side::Rows { m } else { n }
}

#[test]
fn wide_factors_come_out_as_without_them() {
    let mut with = Gpu::new(&options(Switch::Auto)).unwrap();
    let mut again = Gpu::new(&options(Switch::Auto)).unwrap();
    let mut without = Gpu::new(&options(Switch::Off)).unwrap();
    println!("{:?}", state(&with));
    let (m, n, k) = (33, 70, 66);
    let x = values(m, n, 1).mapv(|v| if v < 0.4 { 0.0 } else { v });
    for loss in [Loss::KL, Loss::FRO] {
        let (expected, d) = work(&mut without, &x, k, &loss);
        let found = work(&mut with, &x, k, &loss);
        assert_eq!(found, work(&mut again, &x, k, &loss), "{loss}");
        assert!((found.1 / d - 1.0).abs() < 1e-5, "{loss}: {} {d}", found.1);
        for (a, b) in found.0.iter().flatten().zip(expected.iter().flatten()) {
            assert!((a - b).abs() <= 1e-5 * b.abs(), "{loss}: {a} {b}");
        }
    }
}

#[test]
fn x_may_be_stored_as_halves_in_windows_and_kernels_may_check() {
    let open = |cooperative, checked| {
        let halves = GpuOptions { x_storage: XStorage::F16, max_binding: Some(2048), checked, ..options(cooperative) };
        Gpu::new(&halves).unwrap()
    };
    let x = values(70, 90, 1);
    let (expected, d) = work(&mut open(Switch::Off, false), &x, 70, &Loss::KL);
    let found = work(&mut open(Switch::Auto, true), &x, 70, &Loss::KL);
    assert!((found.1 / d - 1.0).abs() < 1e-5, "{} {d}", found.1);
    for (a, b) in found.0.iter().flatten().zip(expected.iter().flatten()) {
        assert!((a - b).abs() <= 1e-5 * b.abs(), "{a} {b}");
    }
}

/// Each 32×32 tile has one power of two for all of its numbers: what is far smaller than the largest of them must not be lost.
#[test]
fn rows_and_columns_of_very_different_sizes_keep_their_digits() {
    let (m, n, k) = (40, 64, 72);
    let size = |i: usize| 2.0f32.powi([0, -8, 6, -20, 3][i % 5]);
    let x = Array2::from_shape_fn((m, n), |(i, j)| size(i) * values(m, n, 1)[(i, j)]);
    let h = Array2::from_shape_fn((n, k), |(j, q)| size(q) * values(n, k, 2)[(j, q)]);
    let (w, hd) = (values(m, k, 3), h.mapv(f64::from));
    let wd = w.mapv(f64::from);
    let exact = &wd * &x.mapv(f64::from).dot(&hd) / &wd.dot(&hd.t().dot(&hd));
    let mut b = Gpu::new(&options(Switch::Auto)).unwrap();
    let xs = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (mut w, h) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
    let mut terms = b.new_terms(m, k).unwrap();
    b.mu_step(&Loss::FRO, &xs, Side::Rows, &mut w, &h, &mut terms, &Rule::for_loss(&Loss::FRO), false).unwrap();
    for ((i, q), v) in b.read(&w).unwrap().indexed_iter() {
        // 2⁻¹⁹ for the numerator, and the denominator's rounding
        let bound = exact[(i, q)] / f64::from(1 << 18);
        assert!((f64::from(*v) - exact[(i, q)]).abs() <= bound, "row {i}, column {q}: {v} {}", exact[(i, q)]);
    }
}

/// The worst for β = 1: where the model of an entry is zero, its ratio is 10¹⁰ times that of its neighbours in the tile.
#[test]
fn ratios_beside_a_model_of_zero_keep_fourteen_bits() {
    let (m, n, k) = (31, 40, 72);
    // X and its model are of one size, so are ratios elsewhere
    let (x, mut w, h) = (values(m, n, 1), values(m, k, 2) / 36.0, values(n, k, 3));
    w.row_mut(3).fill(0.0);
    let (wd, hd) = (w.mapv(f64::from), h.mapv(f64::from));
    let ratio = x.mapv(f64::from) / wd.dot(&hd.t()).mapv(|v| v.max(1e-10));
    let exact = &wd * &ratio.dot(&hd) / &hd.sum_axis(ndarray::Axis(0));
    let mut b = Gpu::new(&options(Switch::Auto)).unwrap();
    let xs = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (mut w, h) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
    let mut terms = b.new_terms(m, k).unwrap();
    b.mu_step(&Loss::KL, &xs, Side::Rows, &mut w, &h, &mut terms, &Rule::for_loss(&Loss::KL), false).unwrap();
    for ((i, q), v) in b.read(&w).unwrap().indexed_iter() {
        let bound = exact[(i, q)] / f64::from(1 << 14);
        assert!((f64::from(*v) - exact[(i, q)]).abs() <= bound, "row {i}, column {q}: {v} {}", exact[(i, q)]);
    }
}

/// Columns of a factor may be 2³² times larger than others (HALS does not mind): Gram matrices and products that its objective is a
/// small difference of must keep every digit, and do without matrices of halves.
#[test]
fn objectives_of_products_keep_their_digits() {
    let (m, n, k) = (150, 120, 70);
    let size = |q: usize| if q == 3 { 2.0f32.powi(32) } else { 1.0 };
    let w = Array2::from_shape_fn((m, k), |(i, q)| values(m, k, 1)[(i, q)] / size(q));
    let h = Array2::from_shape_fn((n, k), |(j, q)| values(n, k, 2)[(j, q)] * size(q));
    let x = w.dot(&h.t()).mapv(|v| v * 1.01);
    let (wd, hd, xd) = (w.mapv(f64::from), h.mapv(f64::from), x.mapv(f64::from));
    let exact = (&wd * &(0.5 * wd.dot(&hd.t().dot(&hd)) - xd.dot(&hd))).sum();
    let mut b = Gpu::new(&options(Switch::Auto)).unwrap();
    let xs = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (w, h) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
    let (mut cross, mut gram) = (b.factor(values(m, k, 4).view()).unwrap(), b.new_gram(k).unwrap());
    b.cross(&xs, Side::Rows, &h, &mut cross).unwrap();
    b.gram(&h, &mut gram).unwrap();
    let found = b.quadratic(&cross, &gram, &w).unwrap();
    let found = b.value(&found).unwrap();
    assert!((found / exact - 1.0).abs() < 1e-6, "{found} {exact}");
}
