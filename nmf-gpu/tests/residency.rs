//! Nothing is read back and many iterations share one submission, as long as nobody asks for a number.

use ndarray::Array2;
use nmf_core::{Backend, Loss, Matrix, MatrixRef, Nmf, Observed, Rule, Side, SolverKind, Sparse, Stop, Sweep};
use nmf_gpu::{Gpu, GpuOptions};

fn gpu() -> Gpu {
    Gpu::new(&GpuOptions::default()).unwrap()
}

/// Smooth positive numbers, always the same.
fn values(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| 0.05 + ((i * 37 + j * 101 + seed * 13) % 89) as f32 / 89.0)
}

fn inputs() -> [Matrix<f32>; 2] {
    let dense = values(60, 45, 1).mapv(|v| if v < 0.6 { 0.0 } else { v });
    let sparse = Sparse::csr_from_dense(dense.view(), 0.0);
    [Matrix::Dense(dense), Matrix::Sparse(sparse)]
}

const ITERATIONS: u64 = 50;

#[test]
fn multiplicative_updates_stay_on_the_device() {
    for x in inputs() {
        for loss in [Loss::FRO, Loss::KL] {
            let mut b = gpu();
            let x = b.upload(x.view(), 1.0, Observed::All).unwrap();
            let (mut w, mut h) =
                (b.factor(values(60, 8, 2).view()).unwrap(), b.factor(values(45, 8, 3).view()).unwrap());
            let (mut tw, mut th) = (b.new_terms(60, 8).unwrap(), b.new_terms(45, 8).unwrap());
            let rule = Rule::for_loss(&loss);
            let before = b.counters();
            for _ in 0..ITERATIONS {
                b.mu_step(&loss, &x, Side::Rows, &mut w, &h, &mut tw, &rule, false).unwrap();
                b.mu_step(&loss, &x, Side::Cols, &mut h, &w, &mut th, &rule, false).unwrap();
            }
            let after = b.counters();
            assert_eq!(after.reads, before.reads, "{loss}");
            assert_eq!(after.uploads, 1, "{loss}");
            assert_eq!(after.writes, before.writes, "{loss}");
            assert!(after.submits - before.submits <= ITERATIONS / 10, "{loss}: {after:?}");
            assert!(b.read(&w).unwrap().iter().all(|v| v.is_finite() && *v >= 0.0), "{loss}");
        }
    }
}

#[test]
fn hals_stays_on_the_device() {
    for x in inputs() {
        let mut b = gpu();
        let x = b.upload(x.view(), 1.0, Observed::All).unwrap();
        let (mut w, mut h) = (b.factor(values(60, 8, 2).view()).unwrap(), b.factor(values(45, 8, 3).view()).unwrap());
        let (mut a, mut c, mut g) = (
            b.factor(values(60, 8, 0).view()).unwrap(),
            b.factor(values(45, 8, 0).view()).unwrap(),
            b.new_gram(8).unwrap(),
        );
        let sweep = Sweep { max_sweeps: 2, stop: 0.1, rule: Rule::for_loss(&Loss::FRO), shuffle: None };
        let start = b.divergence(&Loss::FRO, &x, &w, &h).unwrap();
        let start = b.value(&start).unwrap();
        let before = b.counters();
        for _ in 0..ITERATIONS {
            b.gram(&h, &mut g).unwrap();
            b.cross(&x, Side::Rows, &h, &mut a).unwrap();
            b.hals_sweep(&a, &g, &mut w, &sweep).unwrap();
            b.gram(&w, &mut g).unwrap();
            b.cross(&x, Side::Cols, &w, &mut c).unwrap();
            b.hals_sweep(&c, &g, &mut h, &sweep).unwrap();
        }
        let after = b.counters();
        assert_eq!((after.reads, after.uploads, after.writes), (before.reads, 1, before.writes));
        assert!(after.submits - before.submits <= ITERATIONS / 10, "{after:?}");
        let end = b.divergence(&Loss::FRO, &x, &w, &h).unwrap();
        assert!(b.value(&end).unwrap() < 0.7 * start);
    }
}

/// Whole fits through the front door, whose solvers hold momenta, random orders and steps: what the end and the few checks of the
/// objective read is all that is read.
#[test]
fn solvers_read_no_more_in_a_hundred_iterations_than_in_fifty() {
    for x in inputs() {
        for (solver, loss) in [
            (SolverKind::EHals, Loss::FRO),
            (SolverKind::Mue, Loss::KL),
            (SolverKind::Gd, Loss::KL),
            (SolverKind::Newton, Loss::KL),
            (SolverKind::Mu, Loss::KL),
        ] {
            let done = |iterations| {
                let mut b = gpu();
                let stop = Stop { max_iter: iterations, tol: 0.0, every: 1000, ..Stop::default() };
                let mut nmf = Nmf::new(4).loss(loss.clone()).solver(solver).seed(3).trace_every(0).stop(stop);
                if matches!(solver, SolverKind::EHals | SolverKind::Newton) {
                    nmf = nmf.shuffle(5);
                }
                nmf.fit(&mut b, x.view()).unwrap();
                b.counters()
            };
            let (half, all) = (done(50), done(100));
            assert_eq!(all.reads, half.reads, "{solver}: {half:?} {all:?}");
            assert_eq!(all.writes, half.writes, "{solver}: {half:?} {all:?}");
            assert!(all.submits - half.submits <= ITERATIONS / 3, "{solver}: {half:?} {all:?}");
        }
    }
}

#[test]
fn a_ticket_submits_without_waiting_and_is_redeemed_once() {
    let mut b = gpu();
    let x = values(30, 20, 1);
    let x = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (w, h) = (b.factor(values(30, 3, 2).view()).unwrap(), b.factor(values(20, 3, 3).view()).unwrap());
    let d = b.divergence(&Loss::KL, &x, &w, &h).unwrap();
    let before = b.counters();
    let (first, second) = (b.ticket(&[d.clone(), d.clone()]).unwrap(), b.ticket(std::slice::from_ref(&d)).unwrap());
    assert_eq!(b.reads(), before.reads);
    assert!(b.submits() > before.submits);
    let late = b.wait(&second).unwrap();
    let early = loop {
        if let Some(v) = b.poll(&first).unwrap() {
            break v;
        }
    };
    assert_eq!(early, [late[0], late[0]]);
    assert!(b.poll(&first).is_err() && b.wait(&second).is_err());
}

#[test]
fn memory_is_reused_and_given_back() {
    let mut b = gpu();
    let x = values(100, 80, 1);
    let x = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (mut w, h) = (b.factor(values(100, 5, 2).view()).unwrap(), b.factor(values(80, 5, 3).view()).unwrap());
    let mut t = b.new_terms(100, 5).unwrap();
    let rule = Rule::for_loss(&Loss::KL);
    let mut step = |b: &mut Gpu| {
        b.mu_step(&Loss::KL, &x, Side::Rows, &mut w, &h, &mut t, &rule, true).unwrap();
        b.memory_in_use()
    };
    let first = step(&mut b);
    for _ in 0..20 {
        assert_eq!(step(&mut b), first);
    }
    drop(x);
    assert!(b.memory_in_use() + 100 * 80 * 4 <= first);
}
