//! On a device whose results lag, too: keeping snapshots changes nothing, and what goes on from one ends at the same bits.

use ndarray::Array2;
use nmf_core::{Fitted, Init, Keeper, Loss, Matrix, Nmf, Penalty, Progress, Silent, Snapshot, SolverKind, Sparse};
use nmf_gpu::{Gpu, GpuOptions};

#[derive(Default)]
struct All(Vec<Snapshot<f32>>);

impl Keeper<f32> for All {
    fn due(&mut self, _: &Progress) -> bool {
        true
    }
    fn keep(&mut self, snapshot: Snapshot<f32>) {
        self.0.push(snapshot);
    }
}

fn data(zeros: bool) -> Matrix<f32> {
    let dense = Array2::from_shape_fn((40, 31), |(i, j)| {
        let noise = ((i * 7919 + j * 104_729) % 997) as f32 / 997.0;
        if zeros && noise < 0.8 { 0.0 } else { 0.05 + noise + ((i / 10 + j / 8) % 3) as f32 }
    });
    if zeros { Matrix::Sparse(Sparse::csr_from_dense(dense.view(), 0.0)) } else { Matrix::Dense(dense) }
}

fn fresh(
    nmf: &Nmf<f32>,
    x: &Matrix<f32>,
    keeper: Option<&mut dyn Keeper<f32>>,
    resume: Option<&Snapshot<f32>>,
) -> Fitted<f32> {
    let mut gpu = Gpu::new(&GpuOptions::default()).unwrap();
    let problem = nmf.problem(x.view(), None).unwrap();
    let data = problem.upload(&mut gpu).unwrap();
    nmf.fit_kept(&mut gpu, &data, &problem, 0.0, &mut Silent, keeper, resume).unwrap()
}

fn assert_same(found: &Fitted<f32>, expected: &Fitted<f32>, what: &str) {
    let bits = |a: ndarray::ArrayView2<'_, f32>| a.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(found.w()), bits(expected.w()), "{what}: W");
    assert_eq!(bits(found.h()), bits(expected.h()), "{what}: H");
    let trace = |f: &Fitted<f32>| f.trace().iter().map(|p| (p.iteration, p.objective)).collect::<Vec<_>>();
    assert_eq!(trace(found), trace(expected), "{what}");
    assert_eq!(found.objectives(), expected.objectives(), "{what}");
    assert_eq!((found.iterations(), found.stopped()), (expected.iterations(), expected.stopped()), "{what}");
    assert_eq!(found.kkt_residual(), expected.kkt_residual(), "{what}");
}

fn check(nmf: &Nmf<f32>, x: &Matrix<f32>, what: &str) {
    let plain = fresh(nmf, x, None, None);
    let mut all = All::default();
    assert_same(&fresh(nmf, x, Some(&mut all), None), &plain, &format!("{what}, kept at every iteration"));
    let count = all.0.len();
    for i in [0, 8, count / 2, count - 1] {
        let resumed = fresh(nmf, x, None, Some(&all.0[i]));
        assert_same(&resumed, &plain, &format!("{what}, resumed from snapshot {i} of {count}"));
    }
}

#[test]
fn solvers_go_on_as_if_nothing_had_happened() {
    use SolverKind::*;
    for (kind, loss) in [
        (EHals, Loss::FRO),
        (AHals, Loss::FRO),
        (Mu, Loss::IS),
        (Mue, Loss::KL),
        (Newton, Loss::KL),
        (Gd, Loss::FRO),
        (AnlsBpp, Loss::FRO),
    ] {
        let nmf = Nmf::<f32>::new(5).loss(loss.clone()).solver(kind).seed(3).kkt(true);
        // long enough for objectives of different ages, and for a trace by the by-product
        let long = nmf.clone().max_iter(45).tol(0.0);
        let what = format!("{kind}, {loss}");
        check(&long, &data(false), &what);
        if loss.allows_zero() && kind != AnlsBpp {
            check(&long.max_iter(23), &data(true), &format!("{what}, sparse"));
        }
        check(&nmf.max_iter(60).tol(1e-3), &data(false), &format!("{what}, tol"));
    }
}

#[test]
fn restarts_shuffles_penalties_and_shifts_go_on_too() {
    let (x, both) = (data(false), Penalty { l1: 0.02, l2: 0.4 });
    let nmf = Nmf::<f32>::new(3).init(Init::Random).seed(5).max_iter(13).tol(0.0);
    check(&nmf.clone().restarts(3).shuffle(2), &x, "restarts, shuffled");
    check(&nmf.clone().penalty_w(both).penalty_h(both).max_iter(33), &x, "penalties");
    check(&nmf.clone().loss(Loss::KL).shifts(3), &x, "shifts");
    check(&nmf.sparseness(None, Some(0.5)), &x, "sparseness");
}

/// Wants none.
struct Idle;

impl Keeper<f32> for Idle {
    fn due(&mut self, _: &Progress) -> bool {
        false
    }
    fn wants_the_last(&self) -> bool {
        false
    }
    fn keep(&mut self, _: Snapshot<f32>) {
        panic!("nothing was asked for");
    }
}

#[test]
fn a_keeper_that_wants_nothing_costs_no_read() {
    let (x, nmf) = (data(false), Nmf::<f32>::new(3).loss(Loss::KL).init(Init::Random).max_iter(12).tol(0.0));
    let reads = |keeper: Option<&mut dyn Keeper<f32>>| {
        let mut gpu = Gpu::new(&GpuOptions::default()).unwrap();
        let problem = nmf.problem(x.view(), None).unwrap();
        let data = problem.upload(&mut gpu).unwrap();
        nmf.fit_kept(&mut gpu, &data, &problem, 0.0, &mut Silent, keeper, None).unwrap();
        gpu.reads()
    };
    assert_eq!(reads(Some(&mut Idle)), reads(None));
}
