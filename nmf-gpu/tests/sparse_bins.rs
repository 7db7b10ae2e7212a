//! Sparse rows of every length, and every way in which they share workgroups, against the oracle: empty ones, single entries,
//! lengths around the boundaries of the bins (64 and 512 entries, 64 rows), giants. Tolerances are relative to each entry,
//! since all terms are non-negative here; an empty row must be exactly zero.

#[path = "common/close.rs"]
mod close;
#[path = "common/values.rs"]
mod values;

use close::{close, wide};
use ndarray::Array2;
use nmf_core::reference::{self, Dense};
use nmf_core::{Accumulate, Backend, Loss, Matrix, Observed, Rule, Side, Sparse};
use nmf_gpu::{Gpu, GpuOptions};
use values::values;

/// A matrix whose rows have these lengths, the entries spread over the columns.
fn planted(lengths: &[usize], cols: usize) -> Matrix<f32> {
    let mut x = Array2::zeros((lengths.len(), cols));
    let numbers = values(lengths.len(), cols, 5);
    for (i, &n) in lengths.iter().enumerate() {
        for t in 0..n.min(cols) {
            let j = (i * 31 + t * cols / n.min(cols)) % cols;
            x[[i, j]] = numbers[[i, j]];
        }
    }
    let x = Sparse::csr_from_dense(x.view(), 0.0);
    assert!(x.outer_iterator().zip(lengths).all(|(row, n)| row.nnz() == (*n).min(cols)));
    Matrix::Sparse(x)
}

fn power_law() -> Vec<usize> {
    // in an order that mixes the lengths
    (0..300).map(|i| 700 / (1 + i * 77 % 300)).collect()
}

fn planted_cases() -> Vec<(&'static str, Matrix<f32>)> {
    let bounds = [0, 1, 63, 64, 65, 1, 127, 0, 0, 128, 129, 511, 512, 513, 3, 1023, 1024, 1025, 2, 0];
    let mut runs = vec![1; 64];
    // a full group by rows, then by entries, each to the last one and one beyond
    runs.extend([65, 32, 32, 66, 32, 33, 67, 63, 1, 68, 64, 0, 69]);
    runs.extend([1; 65]);
    runs.extend([70, 0, 0, 71]);
    runs.extend([0; 130]);
    vec![
        ("all empty", planted(&[0; 150], 9)),
        ("one giant", planted(&[0, 0, 1300, 0, 1], 1300)),
        ("single entries", planted(&[1; 200], 50)),
        ("boundaries", planted(&bounds, 1030)),
        ("runs", planted(&runs, 80)),
        ("power law", planted(&power_law(), 700)),
    ]
}

/// How entries count.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Count {
    All,
    Stored,
    Weighted,
}

/// cross, terms (set over NaN, then added to), and the divergence of both sides against the oracle.
fn check(b: &mut Gpu, name: &str, x: &Matrix<f32>, k: usize, count: Count, losses: &[Loss]) {
    let (m, n) = x.dim();
    let (w, h) = (values(m, k, 2), values(n, k, 3));
    let observed = if count == Count::All { Observed::All } else { Observed::Stored };
    let (data, dense) = if count == Count::Weighted {
        let Matrix::Sparse(weight) = x else { panic!("sparse matrices only") };
        let mut weight = weight.clone();
        weight.data_mut().iter_mut().enumerate().for_each(|(i, v)| *v = (i * 7 % 5) as f32 * 0.5);
        let weight = Matrix::Sparse(weight);
        let data = b.upload_weighted(x.view(), weight.view(), 2.0).unwrap();
        (data, Dense::weighted(&x.view(), &weight.view(), 2.0))
    } else {
        (b.upload(x.view(), 2.0, observed).unwrap(), Dense::new(&x.view(), 2.0, observed))
    };
    let (dw, dh) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
    for side in [Side::Rows, Side::Cols] {
        let (f, other, df, dother) = if side == Side::Rows { (&w, &h, &dw, &dh) } else { (&h, &w, &dh, &dw) };
        let depth = m.max(n) + 4 * k;
        let what = format!("{name}, {m}×{n}, k = {k}, {count:?}, {side:?}");
        let mut out = b.factor(Array2::from_elem(f.dim(), f32::NAN).view()).unwrap();
        b.cross(&data, side, dother, &mut out).unwrap();
        close(&what, &b.read(&out).unwrap(), &reference::cross(&dense, side, &wide(other).view()), depth);
        for loss in losses {
            let what = format!("{what}, {loss}");
            let mut t = b.new_terms(f.nrows(), k).unwrap();
            b.terms(loss, &data, side, df, dother, f64::NAN, Accumulate::Set, &mut t).unwrap();
            b.terms(loss, &data, side, df, dother, 1.0, Accumulate::Set, &mut t).unwrap();
            b.terms(loss, &data, side, df, dother, 0.5, Accumulate::Add, &mut t).unwrap();
            let (num, den) = b.read_terms(&t).unwrap();
            let (rn, rd) = reference::terms(loss, &dense, side, &wide(f).view(), &wide(other).view(), 1e-10);
            close(&format!("N, {what}"), &num, &(rn * 1.5), depth);
            close(&format!("D, {what}"), &den, &(rd * 1.5), depth);
            let mut f2 = b.factor(f.view()).unwrap();
            let rule = Rule::for_loss(loss);
            let before = b.mu_step(loss, &data, side, &mut f2, dother, &mut t, &rule, true).unwrap().unwrap();
            let direct = b.divergence(loss, &data, &dw, &dh).unwrap();
            let expected = reference::divergence(loss, &dense, &wide(&w).view(), &wide(&h).view(), 1e-10);
            for found in [b.value(&before).unwrap(), b.value(&direct).unwrap()] {
                if expected.is_finite() {
                    let error = (found - expected).abs();
                    assert!(error <= 3e-5 * expected.abs(), "{what}: {found:e}, expected {expected:e}");
                } else {
                    assert_eq!(found, expected, "{what}");
                }
            }
        }
    }
}

#[test]
fn rows_of_every_length_and_every_width() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    for (name, x) in planted_cases() {
        for k in [1, 3, 5, 17, 20, 33, 64, 70, 260] {
            check(&mut b, name, &x, k, Count::All, &[Loss::KL]);
        }
    }
}

#[test]
fn every_loss_and_count_in_each_class_of_widths() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    for (name, x) in planted_cases() {
        for (k, stored, weighted) in [
            (6, Loss::IS, Loss::FRO),
            (19, Loss::FRO, Loss::KL),
            (40, Loss::KL, Loss::IS),
            (66, Loss::IS, Loss::KL),
            (300, Loss::KL, Loss::FRO),
        ] {
            check(&mut b, name, &x, k, Count::Stored, &[stored]);
            check(&mut b, name, &x, k, Count::Weighted, &[weighted]);
        }
        check(&mut b, name, &x, 5, Count::All, &[Loss::FRO, Loss::IS, Loss::Beta(1.5), Loss::Beta(0.5)]);
    }
}

/// 64 entries to a window, 32 with weights: every longer row is cut, and goes on in the next. Or 576: what goes on is itself long.
#[test]
fn windows_cut_rows_of_every_length() {
    for (limit, checked) in [(256, false), (2304, true)] {
        let options = GpuOptions { max_binding: Some(limit), checked, ..GpuOptions::default() };
        let mut b = Gpu::new(&options).unwrap();
        for (name, x) in planted_cases() {
            for k in [3, 20, 33, 70, 270] {
                check(&mut b, name, &x, k, Count::All, &[Loss::KL]);
            }
            check(&mut b, name, &x, 18, Count::Stored, &[Loss::FRO, Loss::IS]);
            check(&mut b, name, &x, 5, Count::Weighted, &[Loss::KL]);
        }
    }
}

/// The same bits from every upload, every time.
#[test]
fn results_repeat_to_the_last_bit() {
    let (_, x) = planted_cases().pop().unwrap();
    let (m, n) = x.dim();
    for k in [5, 20, 50, 70, 260] {
        let run = || {
            let mut b = Gpu::new(&GpuOptions::default()).unwrap();
            let data = b.upload(x.view(), 1.0, Observed::Stored).unwrap();
            let (w, h) = (b.factor(values(m, k, 2).view()).unwrap(), b.factor(values(n, k, 3).view()).unwrap());
            let mut found = Vec::new();
            for _ in 0..2 {
                let mut bits = Vec::new();
                for side in [Side::Rows, Side::Cols] {
                    let (f, other) = if side == Side::Rows { (&w, &h) } else { (&h, &w) };
                    let rows = b.dim(f).0;
                    let mut t = b.new_terms(rows, k).unwrap();
                    b.terms(&Loss::IS, &data, side, f, other, 1.0, Accumulate::Set, &mut t).unwrap();
                    let (num, den) = b.read_terms(&t).unwrap();
                    bits.extend(num.iter().chain(&den).map(|v| v.to_bits()));
                    let d = b.divergence(&Loss::KL, &data, &w, &h).unwrap();
                    bits.push((b.value(&d).unwrap() as f32).to_bits());
                }
                found.push(bits);
            }
            assert_eq!(found[0], found[1], "k = {k}");
            found.swap_remove(0)
        };
        assert_eq!(run(), run(), "k = {k}");
    }
}

/// One dispatch for all rows, whatever their lengths; one more where rows are cut, for N and D together.
#[test]
fn only_long_rows_cost_a_second_pass() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    let cases = [
        (planted(&[0, 1, 512, 64, 65, 3], 600), 0),
        (planted(&[0, 1, 513, 64, 65, 600], 600), 1),
        (planted(&[1], 1), 0),
    ];
    for (x, long) in cases {
        let (m, n) = x.dim();
        let data = b.upload(x.view(), 1.0, Observed::Stored).unwrap();
        for k in [4, 20, 100, 300] {
            let (mut w, h) = (b.factor(values(m, k, 2).view()).unwrap(), b.factor(values(n, k, 3).view()).unwrap());
            let (mut out, mut t) = (b.factor(values(m, k, 2).view()).unwrap(), b.new_terms(m, k).unwrap());
            let mut last = b.dispatches();
            let mut passes = |b: &Gpu| {
                let now = b.dispatches();
                now - std::mem::replace(&mut last, now)
            };
            b.cross(&data, Side::Rows, &h, &mut out).unwrap();
            assert_eq!(passes(&b), 1 + long, "cross, k = {k}");
            b.terms(&Loss::KL, &data, Side::Rows, &w, &h, 1.0, Accumulate::Set, &mut t).unwrap();
            assert_eq!(passes(&b), 1 + long, "terms, k = {k}");
            b.divergence(&Loss::KL, &data, &w, &h).unwrap();
            assert_eq!(passes(&b), 1, "divergence, k = {k}");
            // and the update itself
            b.mu_step(&Loss::KL, &data, Side::Rows, &mut w, &h, &mut t, &Rule::for_loss(&Loss::KL), true).unwrap();
            assert_eq!(passes(&b), 2 + long, "update, k = {k}");
        }
    }
}
