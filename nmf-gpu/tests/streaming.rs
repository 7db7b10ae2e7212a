//! Dense X that stays on the host and is sent panel by panel: the bits of resident X in the same windows, within the memory given.

mod common;

use common::{everything, same, values};
use ndarray::Array2;
use nmf_core::{Backend, Error, Loss, MatrixRef, Nmf, Observed, Rule, Side, SolverKind, Stop};
use nmf_gpu::{Data, Gpu, GpuOptions, Streaming, XStorage};

fn gpu(stream: Streaming, max_binding: Option<u64>, memory: Option<u64>) -> Gpu {
    Gpu::new(&GpuOptions { stream, max_binding, memory, ..GpuOptions::default() }).unwrap()
}

#[test]
fn results_are_those_of_resident_x_to_the_last_bit() {
    let x = values(37, 150, 1);
    // panels of some rows; of one row each; of parts of rows
    for window in [6000, 700, 256] {
        for x_storage in [XStorage::F32, XStorage::F16] {
            let options = GpuOptions { max_binding: Some(window), x_storage, ..GpuOptions::default() };
            let mut resident = Gpu::new(&options).unwrap();
            let mut streamed = Gpu::new(&GpuOptions { stream: Streaming::Always, ..options }).unwrap();
            let [a, b] = [&mut resident, &mut streamed].map(|b| {
                let data = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
                everything(b, &data, 5)
            });
            same(&a, &b, &format!("windows of {window} bytes, {x_storage:?}"));
            assert_eq!(resident.counters().streamed_bytes, 0);
            assert!(streamed.counters().streamed_bytes > 0);
        }
    }
}

#[test]
fn whole_fits_are_the_same() {
    let x = values(60, 50, 1);
    for (solver, loss) in [
        (SolverKind::Mu, Loss::KL),
        (SolverKind::Mu, Loss::Beta(0.5)),
        (SolverKind::EHals, Loss::FRO),
        (SolverKind::Newton, Loss::KL),
    ] {
        let [a, b] = [Streaming::Auto, Streaming::Always].map(|stream| {
            let stop = Stop { max_iter: 12, tol: 0.0, ..Stop::default() };
            let nmf = Nmf::new(4).loss(loss.clone()).solver(solver).seed(3).stop(stop);
            nmf.fit(&mut gpu(stream, Some(3000), None), MatrixRef::from(&x)).unwrap()
        });
        assert_eq!((a.w(), a.h(), a.objective()), (b.w(), b.h(), b.objective()), "{solver}, {loss}");
    }
}

#[test]
fn a_pass_sends_x_once_and_what_fits_is_never_sent_again() {
    let x = values(64, 40, 1);
    for (stream, window, per_pass) in [
        (Streaming::Auto, 2560, 0),
        (Streaming::Always, 2560, 64 * 40 * 4),
        // all panels have a buffer of their own
        (Streaming::Always, 6000, 0),
    ] {
        let mut b = gpu(stream, Some(window), None);
        let data = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
        assert_eq!(data.streamed(), stream == Streaming::Always);
        let other = b.factor(values(40, 3, 2).view()).unwrap();
        let mut out = b.factor(values(64, 3, 2).view()).unwrap();
        b.cross(&data, Side::Rows, &other, &mut out).unwrap();
        for _ in 0..5 {
            let before = b.counters();
            b.cross(&data, Side::Rows, &other, &mut out).unwrap();
            let after = b.counters();
            assert_eq!(after.streamed_bytes - before.streamed_bytes, per_pass, "{stream:?}, {window}");
            assert_eq!((after.reads, after.uploads), (before.reads, 1));
        }
    }
}

#[test]
fn the_memory_given_is_enough_and_given_back() {
    const BUDGET: u64 = 150_000;
    let x = values(400, 300, 1);
    let mut b = gpu(Streaming::Auto, None, Some(BUDGET));
    let mut same_windows = gpu(Streaming::Auto, Some(BUDGET / 8), None);
    let mut found = Vec::new();
    for b in [&mut b, &mut same_windows] {
        let data = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
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
    assert!(found[0] == found[1] && found[0].2 > 20);
    // X alone would fit here, but nothing beside it
    let mut tight = gpu(Streaming::Auto, None, Some(490_000));
    let data = tight.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (mut w, h) = (tight.factor(values(400, 4, 2).view()).unwrap(), tight.factor(values(300, 4, 3).view()).unwrap());
    let mut terms = tight.new_terms(400, 4).unwrap();
    let rule = Rule::for_loss(&Loss::KL);
    tight.mu_step(&Loss::KL, &data, Side::Rows, &mut w, &h, &mut terms, &rule, false).unwrap();
    assert!(tight.read(&w).unwrap().iter().all(|v| v.is_finite()) && tight.memory_in_use() <= 490_000);
}

#[test]
fn what_fits_beside_the_factors_stays_until_they_need_the_room() {
    const BUDGET: u64 = 300_000;
    let x = values(400, 300, 1);
    let (mut b, mut same_windows) =
        (gpu(Streaming::Auto, None, Some(BUDGET)), gpu(Streaming::Auto, Some(BUDGET / 8), None));
    let [data, all] = [&mut b, &mut same_windows].map(|b| b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap());
    let cross = |b: &mut Gpu, data: &Data, side, f: &Array2<f32>, rows| {
        let before = b.counters().streamed_bytes;
        let (f, mut out) = (b.factor(f.view()).unwrap(), b.factor(Array2::zeros((rows, f.ncols())).view()).unwrap());
        b.cross(data, side, &f, &mut out).unwrap();
        assert!(b.memory_in_use() <= BUDGET || b.counters().streamed_bytes == 0, "{}", b.memory_in_use());
        (b.read(&out).unwrap(), b.counters().streamed_bytes - before)
    };
    let mut sent = Vec::new();
    for k in [2, 2, 24, 2] {
        for (side, rows, f) in [(Side::Rows, 400, values(300, k, 2)), (Side::Cols, 300, values(400, k, 2))] {
            let (found, bytes) = cross(&mut b, &data, side, &f, rows);
            assert_eq!(found, cross(&mut same_windows, &all, side, &f, rows).0, "k = {k}, {side:?}");
            sent.push(bytes);
        }
    }
    // nearly half of X stays, then less, and not again
    assert!(sent[1] == sent[2] && (200_000..350_000).contains(&sent[1]), "{sent:?}");
    assert!(sent[4] > sent[2] && sent[7] >= sent[4], "{sent:?}");
    drop((data, all));
    assert_eq!((b.memory_in_use(), same_windows.memory_in_use()), (0, 0));
}

#[test]
fn too_little_memory_is_refused_with_the_numbers() {
    let x = values(400, 300, 1);
    let upload = |b: &mut Gpu| b.upload(MatrixRef::from(&x), 1.0, Observed::All).err();
    // W, H and their terms alone: 3·16·700 bytes
    let mut b = gpu(Streaming::Auto, None, Some(30_000));
    match upload(&mut b) {
        Some(Error::OutOfMemory { what, needed, available: 30_000 }) => {
            assert!(what.contains("panels") && (33_600 + 2 * 1200..50_000).contains(&needed), "{what}: {needed}");
        }
        other => panic!("{other:?}"),
    }
    let mut never = gpu(Streaming::Never, None, Some(150_000));
    let whole = upload(&mut never);
    assert!(matches!(whole, Some(Error::OutOfMemory { needed: 480_000, available: 150_000, .. })), "{whole:?}");
    // what does not fit beside the panels is refused as ever
    let mut many = gpu(Streaming::Auto, None, Some(150_000));
    let data = many.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let panels = many.memory_in_use();
    match many.factor(Array2::ones((400, 100)).view()) {
        // what was only kept has gone first
        Err(Error::OutOfMemory { available, .. }) => {
            assert!(available == 150_000 - many.memory_in_use() && many.memory_in_use() < panels);
        }
        _ => panic!("more than the memory was given"),
    }
    drop(data);
    for b in [b, never, many] {
        assert_eq!(b.memory_in_use(), 0);
    }
}

/// Whatever the memory: a result, or a refusal with the numbers (all that a fit needs is taken by its first iteration, so none
/// ends later; a device that fails in the middle is tested in `faults.rs`); and all is given back.
#[test]
fn too_little_memory_for_a_fit_is_an_error_and_all_is_given_back() {
    let x = values(100, 80, 1);
    let nmf = Nmf::new(6).loss(Loss::KL).seed(3).kkt(true).stop(Stop { max_iter: 5, tol: 0.0, ..Stop::default() });
    let mut outcomes = [0; 2];
    for memory in (4_000..100_000).step_by(4_000) {
        let mut b = gpu(Streaming::Auto, Some(1280), Some(memory));
        match nmf.fit(&mut b, MatrixRef::from(&x)).map(|f| f.objective()) {
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
    assert!(outcomes[0] > 2 && outcomes[1] > 1, "{outcomes:?}");
}
