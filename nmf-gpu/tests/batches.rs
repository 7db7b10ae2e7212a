//! Runs side by side: each is what it is alone, to the last bit, and many cost as many dispatches as one.

use ndarray::Array2;
use nmf_core::rank::{Found, Survey};
use nmf_core::{
    Backend, Flow, Init, Loss, Matrix, MatrixRef, Nmf, Observed, Observer, Penalty, Progress, SolverKind, Sparse, Stop,
    Stopped,
};
use nmf_gpu::{Gpu, GpuOptions};
use std::time::Duration;

/// Runs side by side at most.
fn gpu(batch: Option<usize>) -> Gpu {
    Gpu::new(&GpuOptions { batch, ..GpuOptions::default() }).unwrap()
}

/// Groups of counts that overlap, and noise: fits take different numbers of iterations from different starts.
fn counts(rows: usize, cols: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let group = if i * 5 / rows == (j * 4 / cols + i % 2) % 5 { 3.0 } else { 0.0 };
        let noise = ((i * 7919 + j * 104_729 + i * j * 31) % 13) as f32 / 12.0;
        if group + noise < 0.55 { 0.0 } else { group + noise }
    })
}

fn sparse(x: &Array2<f32>) -> Matrix<f32> {
    Matrix::Sparse(Sparse::csr_from_dense(x.view(), 0.0))
}

/// Everything that a fit says but the time it took.
#[derive(Debug, PartialEq)]
struct Said {
    w: Vec<u32>,
    h: Vec<u32>,
    objectives: Vec<u64>,
    iterations: usize,
    kkt: Option<u64>,
    trace: Vec<(usize, u64)>,
}

fn said(b: &mut Gpu, nmf: &Nmf<f32>, x: &Matrix<f32>) -> Said {
    let fitted = nmf.fit(b, x.view()).unwrap();
    let bits = |a: &Array2<f32>| a.iter().map(|v| v.to_bits()).collect();
    Said {
        w: bits(&fitted.w().to_owned()),
        h: bits(&fitted.h().to_owned()),
        objectives: fitted.objectives().iter().map(|o| o.to_bits()).collect(),
        iterations: fitted.iterations(),
        kkt: fitted.kkt_residual().map(f64::to_bits),
        trace: fitted.trace().iter().map(|p| (p.iteration, p.objective.to_bits())).collect(),
    }
}

/// The same in batches and one after the other, and in fewer dispatches.
fn same(nmf: &Nmf<f32>, x: &Matrix<f32>, what: &str) {
    let (mut many, mut one) = (gpu(None), gpu(Some(1)));
    let (together, alone) = (said(&mut many, nmf, x), said(&mut one, nmf, x));
    assert_eq!(together, alone, "{what}");
    assert!(2 * many.dispatches() < one.dispatches(), "{what}: {} and {}", many.dispatches(), one.dispatches());
}

/// The objective at the checks alone: those in between may be summed directly for all where one run needs it.
fn restarts(k: usize, loss: &Loss, solver: SolverKind) -> Nmf<f32> {
    Nmf::new(k).loss(loss.clone()).solver(solver).restarts(5).seed(3).max_iter(12).tol(0.0).trace_every(0)
}

#[test]
fn restarts_side_by_side_are_those_one_after_the_other() {
    let x = counts(61, 45);
    for (solver, loss) in [
        (SolverKind::Mu, Loss::FRO),
        (SolverKind::Mu, Loss::KL),
        (SolverKind::Mu, Loss::Beta(1.5)),
        (SolverKind::Mue, Loss::KL),
        (SolverKind::Mue, Loss::FRO),
        (SolverKind::Hals, Loss::FRO),
        (SolverKind::AHals, Loss::FRO),
        (SolverKind::EHals, Loss::FRO),
        (SolverKind::Newton, Loss::KL),
    ] {
        for k in [3, 10, 70] {
            for x in [Matrix::Dense(x.clone()), sparse(&x)] {
                let layout = if matches!(x, Matrix::Sparse(_)) { "sparse" } else { "dense" };
                same(&restarts(k, &loss, solver), &x, &format!("{solver}, {loss}, k = {k}, {layout}"));
            }
        }
    }
    // on an adapter that is a processor: tiles of 64 rows
    let large = Matrix::Dense(counts(128, 250));
    for loss in [Loss::KL, Loss::FRO] {
        same(&restarts(70, &loss, SolverKind::Mu).max_iter(3), &large, &format!("large, {loss}"));
    }
    let positive = Matrix::Dense(x.mapv(|v| v + 0.1));
    same(&restarts(5, &Loss::IS, SolverKind::Mu), &positive, "is");
}

#[test]
fn settings_of_a_run_are_those_of_each_in_a_batch() {
    let x = counts(61, 45);
    let dense = Matrix::Dense(x.clone());
    let penalty = Penalty { l1: 0.05, l2: 0.1 };
    for (solver, loss) in [(SolverKind::Mu, Loss::KL), (SolverKind::EHals, Loss::FRO), (SolverKind::Newton, Loss::KL)] {
        let plain = restarts(6, &loss, solver);
        same(&plain.clone().penalty_w(penalty).penalty_h(penalty), &dense, "penalties");
        same(&plain.clone().fix_w(x.slice(ndarray::s![.., ..2]).mapv(|v| v + 0.1)), &dense, "fixed columns of W");
        same(&plain.clone().kkt(true), &dense, "with the KKT residual");
        // from the second run on the first, cheaper way to measure may be open to some runs and not to others; here to all
        same(
            &plain.clone().trace_every(4).stop(Stop { max_iter: 20, tol: 1e-9, every: 4, ..Stop::default() }),
            &dense,
            "traced",
        );
        if solver != SolverKind::Mu {
            same(&plain.clone().shuffle(7), &dense, "in random order");
        }
    }
    let mask = Array2::from_shape_fn(x.dim(), |(i, j)| f32::from(u8::from((i * 3 + j * 7) % 6 != 0)));
    let weights = mask.mapv(|v| if v > 0.0 { 0.5 } else { 2.0 });
    for loss in [Loss::KL, Loss::FRO] {
        same(&restarts(6, &loss, SolverKind::Mue).weights(Matrix::Dense(mask.clone())), &dense, "masked");
        same(&restarts(6, &loss, SolverKind::Mu).weights(Matrix::Dense(weights.clone())), &dense, "weighted");
        same(&restarts(6, &loss, SolverKind::Mu).observed(Observed::Stored), &sparse(&x), "stored entries");
    }
    // the factors of a convolutive model differ in width: one run after the other
    let convolutive = restarts(2, &Loss::Beta(1.5), SolverKind::Mue).shifts(3);
    assert_eq!(said(&mut gpu(None), &convolutive, &dense), said(&mut gpu(Some(1)), &convolutive, &dense));
}

#[test]
fn each_run_stops_by_itself() {
    let x = Matrix::Dense(counts(80, 50));
    for (solver, loss, tol) in
        [(SolverKind::Mu, Loss::KL, 3e-4), (SolverKind::EHals, Loss::FRO, 1e-3), (SolverKind::Newton, Loss::KL, 1e-3)]
    {
        let one = |seed| {
            let stop = Stop { max_iter: 400, tol, every: 3, ..Stop::default() };
            Nmf::new(4).loss(loss.clone()).solver(solver).init(Init::Random).seed(seed).stop(stop).trace_every(0)
        };
        let alone: Vec<usize> =
            (3..11).map(|s| one(s).fit(&mut gpu(Some(1)), x.view()).unwrap().iterations()).collect();
        assert!(alone.iter().any(|n| n != &alone[0]), "{solver}: all starts end together: {alone:?}");
        assert!(alone.iter().all(|n| *n < 400), "{solver}: {alone:?}");
        let (mut many, nmf) = (gpu(None), one(3).restarts(8));
        assert_eq!(said(&mut many, &nmf, &x), said(&mut gpu(Some(1)), &nmf, &x), "{solver}");
        let kkt = one(3).restarts(8).tol(0.0).stop(Stop {
            kkt_tol: 0.05,
            max_iter: 100,
            tol: 0.0,
            every: 5,
            ..Stop::default()
        });
        assert_eq!(said(&mut many, &kkt, &x), said(&mut gpu(Some(1)), &kkt, &x), "{solver}");
    }
}

#[test]
fn many_runs_cost_as_many_dispatches_as_two() {
    let x = Matrix::Dense(counts(64, 48));
    let cost = |restarts, iterations| {
        let mut b = gpu(None);
        let nmf = Nmf::new(5)
            .loss(Loss::KL)
            .solver(SolverKind::Mu)
            .restarts(restarts)
            .max_iter(iterations)
            .tol(0.0)
            .trace_every(0);
        nmf.fit(&mut b, x.view()).unwrap();
        (b.dispatches(), b.submits())
    };
    let per_iteration = |restarts| {
        let ((d1, s1), (d2, s2)) = (cost(restarts, 20), cost(restarts, 120));
        (d2 - d1, s2 - s1)
    };
    assert_eq!(per_iteration(2), per_iteration(40));
    let (dispatches, submits) = per_iteration(40);
    assert!(
        dispatches <= 100 * 10 && submits <= 100 / 10,
        "{dispatches} dispatches, {submits} submits in 100 iterations"
    );
}

/// Ranks 1 to 8 make two numbers of quads: two batches for all restarts of all ranks.
#[test]
fn a_survey_is_the_same_in_batches_and_ranks_share_them() {
    let x = counts(61, 45);
    for (solver, loss, x) in [
        (SolverKind::Mu, Loss::KL, Matrix::Dense(x.clone())),
        (SolverKind::Auto, Loss::KL, sparse(&x)),
        (SolverKind::Auto, Loss::FRO, Matrix::Dense(x.clone())),
        (SolverKind::Auto, Loss::KL, Matrix::Dense(x.clone())),
    ] {
        let survey = |batch| {
            let mut workers = [gpu(batch)];
            let nmf = Nmf::new(1).loss(loss.clone()).solver(solver).max_iter(30).tol(1e-3).seed(2);
            let found = Survey::new(nmf, 1..=8).restarts(4).folds(0).run(&mut workers, x.view()).unwrap();
            let [b] = workers;
            (found, b.dispatches())
        };
        let ((many, fewer), (one, more)) = (survey(None), survey(Some(1)));
        let all = |found: &Found<f32>| -> Vec<_> {
            found
                .ranks
                .iter()
                .map(|r| (r.k, r.divergences.clone(), r.w.clone(), r.h.clone(), r.squared_error))
                .collect()
        };
        assert!(all(&many) == all(&one), "{solver}, {loss}");
        let least = if solver == SolverKind::Auto && loss == Loss::FRO { 2 } else { 4 };
        assert!(least * fewer < more, "{solver}, {loss}: {fewer} and {more} dispatches");
    }
}

struct After(usize);
impl Observer for After {
    fn progress(&mut self, p: &Progress) -> Flow {
        if p.iteration >= self.0 { Flow::Stop } else { Flow::Continue }
    }
}

#[test]
fn an_interruption_keeps_the_best_of_a_batch_and_time_is_shared() {
    let x = Matrix::Dense(counts(64, 48));
    let mut b = gpu(None);
    let nmf = restarts(5, &Loss::KL, SolverKind::Mu).max_iter(1000);
    let stopped = nmf.fit_observed(&mut b, x.view(), &mut After(7)).unwrap();
    assert_eq!((stopped.stopped(), stopped.iterations(), stopped.objectives().len()), (Stopped::Interrupted, 7, 5));
    let least = stopped.objectives().iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(stopped.objective(), least);
    let begun = std::time::Instant::now();
    let limited = nmf.time_limit(Duration::from_millis(20)).max_iter(1_000_000).fit(&mut b, x.view()).unwrap();
    assert_eq!(limited.stopped(), Stopped::Time);
    // five runs of 20 ms each, and no more time than has passed
    assert!(limited.seconds() >= 0.1 && limited.seconds() <= begun.elapsed().as_secs_f64());
}

#[test]
fn batches_that_find_no_room_get_smaller_and_then_none_is_made() {
    let x = counts(64, 48);
    let nmf = restarts(5, &Loss::KL, SolverKind::Mu);
    let expected = said(&mut gpu(Some(1)), &nmf, &Matrix::Dense(x.clone()));
    for memory in [400_000, 150_000, 80_000] {
        let mut b = Gpu::new(&GpuOptions { memory: Some(memory), ..GpuOptions::default() }).unwrap();
        assert_eq!(said(&mut b, &nmf, &Matrix::Dense(x.clone())), expected, "{memory} bytes");
    }
}

#[test]
fn what_makes_no_batch_is_refused() {
    let mut b = gpu(None);
    let refused = |e: nmf_core::Result<()>| matches!(e, Err(nmf_core::Error::Unsupported(_)));
    assert!(refused(b.in_batch(&[], |_| Ok(()))));
    assert!(refused(b.in_batch(&[4, 5], |_| Ok(()))));
    assert!(refused(b.in_batch(&[4; 65], |_| Ok(()))));
    assert!(refused(b.in_batch(&[4, 3], |b| b.in_batch(&[4], |_| Ok(())))));
    b.in_batch(&[4, 3], |b| {
        assert!(b.members(&[2]).is_err());
        let f = b.factor(Array2::<f32>::ones((5, 4)).view())?;
        assert!(b.read_of(&f, 2).is_err());
        assert_eq!((b.read_of(&f, 0)?.dim(), b.read_of(&f, 1)?.dim()), ((5, 4), (5, 3)));
        Ok(())
    })
    .unwrap();
    // and afterwards it is a backend for one run again
    let x = b.upload(MatrixRef::from(&counts(9, 7)), 1.0, Observed::All).unwrap();
    assert_eq!(x.dim(), (9, 7));
    let f = b.factor(Array2::<f32>::ones((5, 4)).view()).unwrap();
    assert!(b.read_of(&f, 1).is_err() && b.read(&f).is_ok());
    assert!(b.batch_size(&x, 4) > 1 && gpu(Some(1)).batch_size(&x, 4) == 1);
}

#[test]
fn runs_that_fill_several_rows_of_a_texture_are_what_they_are_alone() {
    // W's parts are 183 quads each, so that the 23rd begins in one row of 4,096 and ends in the next; some end early
    let x = Matrix::Dense(counts(61, 45));
    for loss in [Loss::FRO, Loss::KL] {
        let stop = Stop { max_iter: 12, tol: 3e-3, every: 3, ..Stop::default() };
        let nmf = Nmf::new(10).loss(loss.clone()).solver(SolverKind::Mu).restarts(40).seed(5).stop(stop).trace_every(0);
        same(&nmf, &x, &format!("{loss}"));
    }
}

#[test]
fn factors_do_not_depend_on_how_others_are_measured() {
    // one start at the fit itself, whose objective is summed directly, and one far from it, alone traced by difference;
    // the product of so many columns and the pass that makes the model, too, divide their sums in different places
    let (w, h) = (counts(300, 64).mapv(|v| v + 0.1), counts(64, 400).mapv(|v| v + 0.1));
    let x = w.dot(&h);
    let far = (counts(64, 300).reversed_axes().mapv(|v| v + 0.5), counts(400, 64).reversed_axes().mapv(|v| v + 0.2));
    let nmf = |trace| {
        let stop = Stop { max_iter: 4, tol: 0.0, every: 1, ..Stop::default() };
        Nmf::new(64).loss(Loss::FRO).solver(SolverKind::Mu).stop(stop).trace_every(trace)
    };
    let bits = |start: &(Array2<f32>, Array2<f32>), trace| {
        let fitted =
            nmf(trace).start(start.0.clone(), start.1.clone()).fit(&mut gpu(None), MatrixRef::from(&x)).unwrap();
        fitted.w().iter().chain(fitted.h().iter()).map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    for start in [(w, h), far] {
        assert_eq!(bits(&start, 1), bits(&start, 0));
    }
}
