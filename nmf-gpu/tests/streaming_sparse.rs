//! Sparse X that stays on the host, by rows and by columns, and is sent window by window: the bits of resident X in the same windows, within
//! the memory given.

mod common;

use common::{everything, same, values};
use ndarray::Array2;
use nmf_core::{Backend, Error, Loss, Matrix, MatrixRef, Nmf, Observed, Rule, Side, SolverKind, Sparse, Stop};
use nmf_gpu::{Data, Gpu, GpuOptions, Streaming};

fn gpu(stream: Streaming, max_binding: Option<u64>, memory: Option<u64>) -> Gpu {
    Gpu::new(&GpuOptions { stream, max_binding, memory, ..GpuOptions::default() }).unwrap()
}

fn sparse(x: &Array2<f32>) -> Matrix<f32> {
    Matrix::Sparse(Sparse::csr_from_dense(x.view(), 0.0))
}

/// A tenth of the entries.
fn tenth(rows: usize, cols: usize) -> Matrix<f32> {
    sparse(&values(rows, cols, 1).mapv(|v| if v < 0.15 { v } else { 0.0 }))
}

/// Short rows, empty ones, and two that are longer than a workgroup takes at once.
fn mixed() -> Array2<f32> {
    let mut x = values(40, 700, 1).mapv(|v| if v < 0.09 { v } else { 0.0 });
    for row in [3, 39] {
        x.row_mut(row).assign(&values(1, 700, row).row(0));
    }
    (20..25).for_each(|row| x.row_mut(row).fill(0.0));
    x
}

/// How entries count.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Count {
    All,
    Stored,
    Weighted,
}

fn upload(b: &mut Gpu, x: &Matrix<f32>, count: Count) -> Data {
    match count {
        Count::All => b.upload(x.view(), 1.0, Observed::All).unwrap(),
        Count::Stored => b.upload(x.view(), 1.0, Observed::Stored).unwrap(),
        Count::Weighted => {
            let Matrix::Sparse(mut weights) = x.clone() else { panic!("sparse matrices only") };
            weights.data_mut().iter_mut().enumerate().for_each(|(i, v)| *v = (i * 7 % 5) as f32 * 0.5);
            b.upload_weighted(x.view(), Matrix::Sparse(weights).view(), 1.0).unwrap()
        }
    }
}

#[test]
fn results_are_those_of_resident_x_to_the_last_bit() {
    let x = sparse(&mixed());
    // a window holds some rows; the long rows lie in two; in many
    for (window, k) in [(6000, 5), (6000, 70), (2500, 5), (256, 3)] {
        for count in [Count::All, Count::Stored, Count::Weighted] {
            let (mut resident, mut streamed) =
                (gpu(Streaming::Never, Some(window), None), gpu(Streaming::Always, Some(window), None));
            let [a, b] = [&mut resident, &mut streamed].map(|b| {
                let data = upload(b, &x, count);
                (data.windows(), everything(b, &data, k))
            });
            assert_eq!(a.0, b.0);
            same(&a.1, &b.1, &format!("{} windows of {window} bytes, k = {k}, {count:?}", a.0));
            assert_eq!(resident.counters().streamed_bytes, 0);
            assert!(streamed.counters().streamed_bytes > 0);
        }
    }
}

#[test]
fn whole_fits_are_the_same() {
    let x = tenth(80, 60);
    for (solver, loss) in [
        (SolverKind::Mu, Loss::KL),
        (SolverKind::Mu, Loss::Beta(1.5)),
        (SolverKind::Mue, Loss::KL),
        (SolverKind::EHals, Loss::FRO),
        (SolverKind::Hals, Loss::FRO),
        (SolverKind::Newton, Loss::KL),
    ] {
        let [a, b] = [Streaming::Auto, Streaming::Always].map(|stream| {
            let stop = Stop { max_iter: 12, tol: 0.0, ..Stop::default() };
            let nmf = Nmf::new(4).loss(loss.clone()).solver(solver).seed(3).stop(stop);
            let mut b = gpu(stream, Some(500), None);
            let fit = nmf.fit(&mut b, x.view()).unwrap();
            assert_eq!(b.counters().streamed_bytes > 0, stream == Streaming::Always);
            fit
        });
        assert_eq!((a.w(), a.h(), a.objective()), (b.w(), b.h(), b.objective()), "{solver}, {loss}");
    }
}

#[test]
fn a_pass_sends_its_half_of_x_once_and_what_fits_is_never_sent_again() {
    let x = tenth(120, 90);
    let entries = x.view().stored();
    for (stream, window, again) in [
        (Streaming::Auto, 700, false),
        (Streaming::Always, 700, true),
        // each half has a place of its own
        (Streaming::Always, 1 << 20, false),
    ] {
        let mut b = gpu(stream, Some(window), None);
        let data = b.upload(x.view(), 1.0, Observed::All).unwrap();
        assert_eq!(data.streamed(), stream == Streaming::Always);
        let (w, h) = (values(120, 3, 2), values(90, 3, 3));
        let (mut w, mut h) = (b.factor(w.view()).unwrap(), b.factor(h.view()).unwrap());
        b.cross(&data, Side::Rows, &h, &mut w).unwrap();
        b.cross(&data, Side::Cols, &w, &mut h).unwrap();
        for _ in 0..5 {
            for side in [Side::Rows, Side::Cols] {
                let before = b.counters();
                match side {
                    Side::Rows => b.cross(&data, side, &h, &mut w).unwrap(),
                    Side::Cols => b.cross(&data, side, &w, &mut h).unwrap(),
                }
                let after = b.counters();
                let sent = after.streamed_bytes - before.streamed_bytes;
                // a column and a number for each entry; at most a third as much to say where rows and groups begin
                let expected = if again { 8 * entries..8 * entries * 4 / 3 } else { 0..1 };
                assert!(expected.contains(&sent), "{stream:?}, {window}, {side:?}: {sent}, {expected:?}");
                assert_eq!((after.reads, after.uploads), (before.reads, 1));
            }
        }
    }
}

#[test]
fn the_memory_given_is_enough_and_given_back() {
    const BUDGET: u64 = 120_000;
    let x = tenth(400, 300);
    // three parts to a window
    let same_windows = Some((BUDGET / 8 / 3).next_multiple_of(256));
    let (mut b, mut resident) = (gpu(Streaming::Auto, None, Some(BUDGET)), gpu(Streaming::Auto, same_windows, None));
    let mut found = Vec::new();
    for b in [&mut b, &mut resident] {
        let data = b.upload(x.view(), 1.0, Observed::All).unwrap();
        let (mut w, mut h) = (b.factor(values(400, 4, 2).view()).unwrap(), b.factor(values(300, 4, 3).view()).unwrap());
        let (mut tw, mut th) = (b.new_terms(400, 4).unwrap(), b.new_terms(300, 4).unwrap());
        let mut most = 0;
        let rule = Rule::for_loss(&Loss::KL);
        for _ in 0..20 {
            b.mu_step(&Loss::KL, &data, Side::Rows, &mut w, &h, &mut tw, &rule, true).unwrap();
            most = most.max(b.memory_in_use());
            b.mu_step(&Loss::KL, &data, Side::Cols, &mut h, &w, &mut th, &rule, false).unwrap();
            most = most.max(b.memory_in_use());
        }
        found.push((b.read(&w).unwrap(), b.read(&h).unwrap(), data.windows()));
        if found.len() == 1 {
            assert!(data.streamed() && most <= BUDGET, "{most} bytes");
        } else {
            assert!(!data.streamed() && most > BUDGET, "{most} bytes");
        }
        drop((data, w, h, tw, th));
        assert_eq!(b.memory_in_use(), 0);
    }
    assert!(found[0] == found[1] && found[0].2 >= 20, "{} windows", found[0].2);
}

#[test]
fn what_fits_beside_the_factors_stays_until_they_need_the_room() {
    const BUDGET: u64 = 200_000;
    let x = tenth(400, 300);
    let same_windows = Some((BUDGET / 8 / 3).next_multiple_of(256));
    let (mut b, mut resident) = (gpu(Streaming::Auto, None, Some(BUDGET)), gpu(Streaming::Auto, same_windows, None));
    let [data, all] = [&mut b, &mut resident].map(|b| b.upload(x.view(), 1.0, Observed::All).unwrap());
    assert!(data.streamed() && !all.streamed());
    let cross = |b: &mut Gpu, data: &Data, side, f: &Array2<f32>, rows| {
        let before = b.counters().streamed_bytes;
        let (f, mut out) = (b.factor(f.view()).unwrap(), b.factor(Array2::zeros((rows, f.ncols())).view()).unwrap());
        b.cross(data, side, &f, &mut out).unwrap();
        assert!(b.memory_in_use() <= BUDGET || b.counters().streamed_bytes == 0, "{}", b.memory_in_use());
        (b.read(&out).unwrap(), b.counters().streamed_bytes - before)
    };
    let mut sent = Vec::new();
    for k in [2, 2, 32, 2] {
        let mut bytes = 0;
        for (side, rows, f) in [(Side::Rows, 400, values(300, k, 2)), (Side::Cols, 300, values(400, k, 2))] {
            let (found, sent) = cross(&mut b, &data, side, &f, rows);
            assert_eq!(found, cross(&mut resident, &all, side, &f, rows).0, "k = {k}, {side:?}");
            bytes += sent;
        }
        sent.push(bytes);
    }
    // part of X stays, then less, and not again
    let whole = 2 * 8 * x.view().stored();
    assert!(sent[0] == sent[1] && (1..whole).contains(&sent[1]), "{sent:?} of {whole}");
    assert!(sent[2] > sent[1] && sent[3] >= sent[2], "{sent:?}");
    drop((data, all));
    assert_eq!((b.memory_in_use(), resident.memory_in_use()), (0, 0));
}

#[test]
fn too_little_memory_is_refused_with_the_numbers() {
    let x = tenth(400, 300);
    // W, H and their terms alone: 3·16·700 bytes
    let mut b = gpu(Streaming::Auto, None, Some(30_000));
    for observed in [Observed::All, Observed::Stored] {
        match b.upload(x.view(), 1.0, observed).err() {
            Some(Error::OutOfMemory { what, needed, available: 30_000 }) => {
                assert!(
                    what.contains("panels") && (33_600..40_000).contains(&needed),
                    "{observed:?}: {what}: {needed}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    let weights = values(400, 300, 4);
    let refused = b.upload_weighted(MatrixRef::from(&values(400, 300, 1)), MatrixRef::from(&weights), 1.0).err();
    assert!(matches!(refused, Some(Error::OutOfMemory { available: 30_000, .. })), "{refused:?}");
    let mut never = gpu(Streaming::Never, None, Some(100_000));
    let whole = 16 * x.view().stored();
    match never.upload(x.view(), 1.0, Observed::All).err() {
        Some(Error::OutOfMemory { needed, available: 100_000, .. }) => {
            assert!((whole..whole * 4 / 3).contains(&needed), "{needed}, entries take {whole}");
        }
        other => panic!("{other:?}"),
    }
    // what does not fit beside the windows is refused as ever
    let mut many = gpu(Streaming::Auto, None, Some(100_000));
    let data = many.upload(x.view(), 1.0, Observed::All).unwrap();
    assert!(data.streamed());
    let windows = many.memory_in_use();
    match many.factor(Array2::ones((400, 100)).view()) {
        // what was only kept has gone first
        Err(Error::OutOfMemory { available, .. }) => {
            assert!(available == 100_000 - many.memory_in_use() && many.memory_in_use() < windows);
        }
        _ => panic!("more than the memory was given"),
    }
    drop(data);
    for b in [b, never, many] {
        assert_eq!(b.memory_in_use(), 0);
    }
}

/// Whatever the memory: a result, the same each time, or a refusal with the numbers; and all is given back.
#[test]
fn too_little_memory_for_a_fit_is_an_error_and_all_is_given_back() {
    let x = tenth(100, 80);
    for (solver, loss) in [(SolverKind::Mu, Loss::KL), (SolverKind::Newton, Loss::KL), (SolverKind::EHals, Loss::FRO)] {
        let stop = Stop { max_iter: 4, tol: 0.0, ..Stop::default() };
        let nmf = Nmf::new(6).loss(loss).solver(solver).seed(3).stop(stop);
        let mut outcomes = [0; 2];
        for memory in (4_000..80_000).step_by(6_000) {
            let mut b = gpu(Streaming::Auto, None, Some(memory));
            match nmf.fit(&mut b, x.view()).map(|f| f.objective()) {
                Ok(objective) => {
                    outcomes[0] += 1;
                    assert!(objective.is_finite());
                }
                Err(Error::OutOfMemory { needed, available, .. }) => {
                    outcomes[1] += 1;
                    assert!(needed > available && available <= memory, "{memory}: {needed} of {available}");
                }
                Err(other) => panic!("{memory}: {other}"),
            }
            assert_eq!(b.memory_in_use(), 0, "{memory}");
        }
        assert!(outcomes[0] > 2 && outcomes[1] > 1, "{solver}: {outcomes:?}");
    }
}
