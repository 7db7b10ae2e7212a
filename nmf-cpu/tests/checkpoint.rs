//! A factorization that goes on from a snapshot ends where the uninterrupted one does, to the last bit.

mod samples;

use nmf_core::snapshot::Entry;
use nmf_core::{
    Error, Fitted, Flow, Init, Keeper, Loss, Matrix, Nmf, Observed, Observer, Penalty, Progress, Silent, Snapshot,
    SolverKind, Stopped,
};
use nmf_cpu::Real;
use samples::{cpu, mask, sparse, thinned, uniform};
use std::time::Duration;

/// Keeps every one, or only what it is given at the end.
struct All<T> {
    due: bool,
    kept: Vec<Snapshot<T>>,
}

impl<T: Real> Keeper<T> for All<T> {
    fn due(&mut self, _: &Progress) -> bool {
        self.due
    }
    fn keep(&mut self, snapshot: Snapshot<T>) {
        self.kept.push(snapshot);
    }
}

/// One process: a fresh backend, a fresh solver, perhaps a snapshot to go on from.
fn process<T: Real>(
    nmf: &Nmf<T>,
    x: &Matrix<T>,
    observer: &mut dyn Observer,
    due: bool,
    resume: Option<&Snapshot<T>>,
) -> nmf_core::Result<(Fitted<T>, Vec<Snapshot<T>>)> {
    let (view, mut b, mut all) = (x.view(), cpu::<T>(), All { due, kept: Vec::new() });
    let weighted = nmf.weighted(&view)?;
    let problem = nmf.problem(view.reborrow(), weighted.as_ref())?;
    let data = problem.upload(&mut b)?;
    let fitted = nmf.fit_kept(&mut b, &data, &problem, 0.0, observer, Some(&mut all), resume)?;
    Ok((fitted, all.kept))
}

/// Everything but the seconds.
fn assert_same<T: Real>(found: &Fitted<T>, expected: &Fitted<T>, what: &str) {
    let bits = |a: ndarray::ArrayView2<'_, T>| a.iter().map(|v| v.f64().to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(found.w()), bits(expected.w()), "{what}: W");
    assert_eq!(bits(found.h()), bits(expected.h()), "{what}: H");
    let trace = |f: &Fitted<T>| f.trace().iter().map(|p| (p.iteration, p.objective)).collect::<Vec<_>>();
    assert_eq!(trace(found), trace(expected), "{what}");
    assert_eq!(found.objectives(), expected.objectives(), "{what}");
    assert_eq!((found.iterations(), found.stopped()), (expected.iterations(), expected.stopped()), "{what}");
    assert_eq!(found.kkt_residual(), expected.kkt_residual(), "{what}");
    assert_eq!((found.divergence(), found.objective()), (expected.divergence(), expected.objective()), "{what}");
}

/// Resumed from every third snapshot and from the last, and cut into pieces of a few iterations: always the result of `fit`.
fn check<T: Real>(nmf: &Nmf<T>, x: &Matrix<T>, what: &str) {
    let plain = nmf.fit(&mut cpu(), x).unwrap_or_else(|e| panic!("{what}: {e}"));
    let (kept, snapshots) = process(nmf, x, &mut Silent, true, None).unwrap();
    assert_same(&kept, &plain, &format!("{what}, kept at every iteration"));
    let last = snapshots.len() - 1;
    assert!(last > 5, "{what}: {last} snapshots");
    for (i, s) in snapshots.iter().enumerate().filter(|(i, _)| i % 3 == 0 || *i == last) {
        // as a file would bring it back
        let s: Snapshot<T> = s.entries().map(|(name, e)| (name.to_string(), e.clone())).collect();
        let (resumed, _) = process(nmf, x, &mut Silent, false, Some(&s)).unwrap();
        assert_same(&resumed, &plain, &format!("{what}, resumed from snapshot {i} of {last}"));
    }
    let mut resume: Option<Snapshot<T>> = None;
    for piece in 1.. {
        let mut left = 7;
        let mut few = |_: &Progress| {
            left -= 1;
            if left == 0 { Flow::Stop } else { Flow::Continue }
        };
        let (fitted, mut kept) = process(nmf, x, &mut few, false, resume.as_ref()).unwrap();
        if fitted.stopped() != Stopped::Interrupted {
            assert_same(&fitted, &plain, &format!("{what}, in {piece} pieces"));
            break;
        }
        assert_eq!(kept.len(), 1, "{what}: an interrupted piece keeps its end");
        resume = kept.pop();
        assert!(piece < 100, "{what}: no end");
    }
}

fn losses(kind: SolverKind) -> Vec<Loss> {
    match kind {
        SolverKind::Mu => vec![Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(0.5)],
        SolverKind::Mue => vec![Loss::FRO, Loss::KL, Loss::Beta(1.5)],
        SolverKind::Newton => vec![Loss::KL],
        SolverKind::Gd => vec![Loss::FRO, Loss::KL],
        _ => vec![Loss::FRO],
    }
}

fn shuffles(kind: SolverKind) -> bool {
    use SolverKind::*;
    matches!(kind, Hals | AHals | EHals | Newton)
}

const BOTH: Penalty = Penalty { l1: 0.02, l2: 0.4 };

fn narrow<T: Real>(x: &Matrix<f64>) -> Matrix<T> {
    match x {
        Matrix::Dense(a) => Matrix::Dense(a.mapv(T::of)),
        Matrix::Sparse(s) => Matrix::Sparse(s.map(|v| T::of(*v))),
    }
}

fn every_solver<T: Real>() {
    let dim = (30, 24);
    let full = narrow::<T>(&Matrix::Dense(uniform(1, dim, 0.05, 2.0)));
    let thin = narrow::<T>(&sparse(&thinned(2, dim, 0.8)));
    let (w, h) = (uniform(3, (30, 1), 0.0, 1.0).mapv(T::of), uniform(4, (4, 24), 0.0, 1.0).mapv(T::of));
    for kind in SolverKind::ALL {
        for loss in losses(kind) {
            let mut nmf = Nmf::<T>::new(4).loss(loss.clone()).solver(kind).seed(7).max_iter(24).tol(0.0).kkt(true);
            if kind == SolverKind::Gd && loss.is_kl() {
                nmf = nmf.step(1e-4); // that of the start is too long here
            }
            let what = format!("{kind}, {loss}, {}", T::NAME);
            check(&nmf, &full, &what);
            if loss.allows_zero() {
                check(&nmf, &thin, &format!("{what}, sparse"));
            }
            check(&nmf.clone().fix_w(w.clone()), &full, &format!("{what}, a fixed column of W"));
            check(&nmf.clone().fix_h(h.clone()), &full, &format!("{what}, H fixed"));
            check(&nmf.clone().init(Init::Random).restarts(3), &full, &format!("{what}, restarts"));
            if loss.is_fro() || loss.is_kl() {
                check(&nmf.clone().penalty_w(BOTH).penalty_h(BOTH), &full, &format!("{what}, penalties"));
            }
            if shuffles(kind) {
                check(&nmf.shuffle(5), &full, &format!("{what}, shuffled"));
            }
        }
    }
}

#[test]
fn every_solver_goes_on_as_if_nothing_had_happened_in_f64() {
    every_solver::<f64>();
}

#[test]
fn every_solver_goes_on_as_if_nothing_had_happened_in_f32() {
    every_solver::<f32>();
}

#[test]
fn masks_weights_shifts_and_sparseness_go_on_too() {
    let dim = (30, 24);
    let (full, thin) = (Matrix::Dense(uniform(1, dim, 0.05, 2.0)), sparse(&thinned(2, dim, 0.7)));
    let weights = mask(5, dim, 0.3) * uniform(6, dim, 0.2, 3.0);
    let base = |kind, loss: Loss| Nmf::new(4).loss(loss).solver(kind).init(Init::Random).max_iter(24).tol(0.0);
    for (kind, loss) in [
        (SolverKind::Mu, Loss::FRO),
        (SolverKind::Mu, Loss::IS),
        (SolverKind::Mue, Loss::KL),
        (SolverKind::Newton, Loss::KL),
        (SolverKind::Gd, Loss::KL),
    ] {
        let (mut nmf, what) = (base(kind, loss.clone()), format!("{kind}, {loss}"));
        if kind == SolverKind::Gd {
            nmf = nmf.step(1e-4);
        }
        check(&nmf.clone().weights(mask(7, dim, 0.4)), &full, &format!("{what}, mask"));
        check(&nmf.clone().weights(weights.clone()), &full, &format!("{what}, weights"));
        check(&nmf.observed(Observed::Stored), &thin, &format!("{what}, stored entries"));
    }
    for (kind, loss) in [(SolverKind::Mu, Loss::IS), (SolverKind::Mu, Loss::FRO), (SolverKind::Mue, Loss::KL)] {
        let (nmf, what) = (base(kind, loss.clone()).shifts(3), format!("{kind}, {loss}, shifts"));
        check(&nmf, &full, &what);
        check(&nmf.clone().weights(weights.clone()), &full, &format!("{what}, weights"));
        check(&nmf.fix_h(uniform(4, (4, 24), 0.0, 1.0)), &full, &format!("{what}, H fixed"));
    }
    let nmf = Nmf::new(4).init(Init::Random).max_iter(24).tol(0.0);
    check(&nmf.clone().sparseness(Some(0.5), None), &full, "sparseness of W");
    check(&nmf.sparseness(Some(0.4), Some(0.6)).restarts(2), &full, "sparseness of both");
}

#[test]
fn rules_of_stopping_and_traces_survive() {
    let x = Matrix::Dense(uniform(1, (30, 24), 0.05, 2.0));
    // an almost exact fit: the momentum restarts, the trace loses its digits
    let exact = Matrix::Dense(samples::planted(11, (30, 25, 3)).0.dot(&samples::planted(11, (30, 25, 3)).1));
    for kind in [SolverKind::EHals, SolverKind::AHals, SolverKind::Mu, SolverKind::Mue, SolverKind::AnlsBpp] {
        let nmf = Nmf::new(3).solver(kind).init(Init::Random).seed(2).max_iter(300);
        for (name, nmf) in [
            ("tol", nmf.clone().tol(1e-3)),
            ("trace_every 0", nmf.clone().tol(0.0).trace_every(0).max_iter(33)),
            ("trace_every 7", nmf.clone().tol(1e-3).trace_every(7)),
            ("trace_every 7, tol 0", nmf.clone().tol(0.0).trace_every(7).max_iter(33)),
            ("kkt_tol", nmf.clone().tol(0.0).stop(stop_kkt())),
        ] {
            check(&nmf, &x, &format!("{kind}, {name}"));
        }
        check(&nmf.tol(0.0).max_iter(60), &exact, &format!("{kind}, exact"));
    }
}

fn stop_kkt() -> nmf_core::Stop {
    nmf_core::Stop { max_iter: 60, tol: 0.0, kkt_tol: 2e-3, every: 4, ..Default::default() }
}

/// A finished run can be continued, and answers at once where nothing is left to do.
#[test]
fn more_iterations_later_are_those_of_a_longer_run() {
    let x = Matrix::Dense(uniform(1, (30, 24), 0.05, 2.0));
    for kind in SolverKind::ALL {
        let loss = if kind == SolverKind::Newton { Loss::KL } else { Loss::FRO };
        let nmf = Nmf::new(3).loss(loss).solver(kind).init(Init::Random).tol(0.0).kkt(true);
        let (short, snapshots) = process(&nmf.clone().max_iter(13), &x, &mut Silent, false, None).unwrap();
        assert_eq!(snapshots.len(), 1, "the end is kept");
        let end = Some(&snapshots[0]);
        let mut steps = 0;
        let mut counting = |_: &Progress| {
            steps += 1;
            Flow::Continue
        };
        let (again, kept) = process(&nmf.clone().max_iter(13), &x, &mut counting, true, end).unwrap();
        assert_same(&again, &short, &format!("{kind}, once more"));
        assert_eq!((steps, kept.len()), (0, 0), "{kind}: nothing was left to do");
        let long = nmf.clone().max_iter(29);
        let (longer, _) = process(&long, &x, &mut Silent, false, end).unwrap();
        assert_same(&longer, &long.fit(&mut cpu(), &x).unwrap(), &format!("{kind}, longer"));
    }
    // what stopped by itself does not go on
    let nmf = Nmf::new(3).init(Init::Random).tol(1e-2).max_iter(500);
    let (fitted, snapshots) = process(&nmf, &x, &mut Silent, false, None).unwrap();
    assert_eq!(fitted.stopped(), Stopped::Tol);
    let (again, _) = process(&nmf.max_iter(1000), &x, &mut Silent, true, Some(&snapshots[0])).unwrap();
    assert_same(&again, &fitted, "stopped by tol");
}

#[test]
fn seconds_add_up_and_time_limits_can_be_extended() {
    let x = Matrix::Dense(uniform(1, (30, 24), 0.05, 2.0));
    let nmf = Nmf::new(3).init(Init::Random).tol(0.0).max_iter(1_000_000).trace_every(0);
    let limited = nmf.clone().time_limit(Duration::from_millis(20));
    let (first, snapshots) = process(&limited, &x, &mut Silent, false, None).unwrap();
    assert_eq!(first.stopped(), Stopped::Time);
    let (same, _) = process(&limited, &x, &mut Silent, false, Some(&snapshots[0])).unwrap();
    assert_eq!((same.iterations(), same.stopped()), (first.iterations(), Stopped::Time));
    let more = first.iterations() + 10;
    let (longer, _) = process(&nmf.clone().max_iter(more), &x, &mut Silent, false, Some(&snapshots[0])).unwrap();
    assert_eq!(longer.iterations(), more);
    assert!(longer.seconds() > 0.02 && longer.seconds() >= first.seconds());
}

/// The message of the refusal.
fn refusal<T: Real>(nmf: &Nmf<T>, x: &Matrix<T>, s: &Snapshot<T>) -> String {
    match process(nmf, x, &mut Silent, false, Some(s)).err() {
        Some(e @ Error::Snapshot { .. }) => e.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let a = uniform(1, (30, 24), 0.05, 2.0);
    let x = Matrix::Dense(a.clone());
    let nmf = Nmf::new(4).init(Init::Random).seed(3).max_iter(20).tol(0.0);
    let (_, snapshots) = process(&nmf, &x, &mut Silent, true, None).unwrap();
    let s = &snapshots[9];
    let n = || nmf.clone();
    let start = (uniform(8, (30, 4), 0.1, 1.0), uniform(9, (4, 24), 0.1, 1.0));
    for (other, words) in [
        (n().seed(4), "seed is 3, expected 4"),
        (n().solver(SolverKind::Mu), "solver is ehals, expected mu"),
        (n().loss(Loss::KL), "loss is fro, expected kl"),
        (n().restarts(2), "restarts is 1, expected 2"),
        (n().tol(1e-3), "tol is 0.0, expected 0.001"),
        (n().trace_every(5), "iterations between records is 1, expected 5"),
        (n().kkt(true), "kkt residual asked for is false, expected true"),
        (n().shuffle(1), "shuffle is none, expected 1"),
        (n().penalty_w(BOTH), "penalty on W is l1 0.0 l2 0.0, expected l1 0.02 l2 0.4"),
        (n().penalty_h(BOTH), "penalty on H is"),
        (n().init(Init::Nndsvda), "start is random, expected nndsvda"),
        (n().start(start.0.clone(), start.1.clone()), "start is random, expected custom"),
        (n().fix_h(start.1.clone()), "hash of the fixed H is none"),
        (n().fix_w(start.0.clone()), "hash of the fixed W is none"),
        (n().sparseness(Some(0.5), None), "solver is ehals, expected pg"),
        (n().max_iter(9), "iteration is 10, expected at most max_iter = 9"),
    ] {
        let said = refusal(&other, &x, s);
        assert!(said.contains(words), "{said} lacks {words}");
    }
    // k is seen in the options before any shape
    assert!(refusal(&Nmf::new(3).init(Init::Random).seed(3).tol(0.0), &x, s).contains("rank is 4, expected 3"));
    let mut b = a.clone();
    b[[7, 7]] += 1e-12;
    assert!(refusal(&nmf, &Matrix::Dense(b), s).contains("hash of the entries is"));
    assert!(refusal(&nmf, &Matrix::Dense(uniform(1, (30, 25), 0.05, 2.0)), s).contains("matrix is 30x24 with 720"));
    let weighted = n().loss(Loss::KL).weights(mask(7, (30, 24), 0.4));
    let (_, kept) = process(&weighted, &x, &mut Silent, true, None).unwrap();
    assert!(refusal(&n().loss(Loss::KL), &x, &kept[3]).contains("observed entries is Weighted, expected All"));
    let other = n().loss(Loss::KL).weights(mask(8, (30, 24), 0.4));
    assert!(refusal(&other, &x, &kept[3]).contains("hash of the entries"));
}

#[test]
fn limits_that_earlier_restarts_ended_by_cannot_change() {
    let x = Matrix::Dense(uniform(1, (30, 24), 0.05, 2.0));
    let nmf = Nmf::new(4).init(Init::Random).restarts(3).tol(0.0);
    let (_, snapshots) = process(&nmf.clone().max_iter(20), &x, &mut Silent, true, None).unwrap();
    let (first, second) = (&snapshots[4], &snapshots[24]);
    assert_eq!((second.restart(), second.iteration()), (Ok(1), Ok(5)));
    // in the first restart nothing has ended
    let long = nmf.clone().max_iter(30);
    let (resumed, _) = process(&long, &x, &mut Silent, false, Some(first)).unwrap();
    assert_same(&resumed, &long.fit(&mut cpu(), &x).unwrap(), "more iterations in the first restart");
    for other in [30, 15] {
        let said = refusal(&nmf.clone().max_iter(other), &x, second);
        assert!(said.contains(&format!("max_iter is 20, by which start 1 of 3 ended, expected {other}")), "{said}");
    }
    // restarts that stopped by themselves allow any limit they did not reach
    let nmf = nmf.tol(1e-2);
    let (whole, snapshots) = process(&nmf.clone().max_iter(500), &x, &mut Silent, true, None).unwrap();
    let last = snapshots.last().unwrap();
    assert_eq!(whole.stopped(), Stopped::Tol);
    let (resumed, _) = process(&nmf.clone().max_iter(1000), &x, &mut Silent, false, Some(last)).unwrap();
    assert_same(&resumed, &whole, "a higher limit");
    assert!(refusal(&nmf.max_iter(5), &x, last).contains("max_iter is at least"));
    let limited = Nmf::new(4).init(Init::Random).restarts(2).tol(0.0).max_iter(1_000_000).trace_every(0);
    let by_time = limited.clone().time_limit(Duration::from_millis(5));
    let (_, kept) = process(&by_time, &x, &mut Silent, false, None).unwrap();
    assert!(refusal(&limited, &x, &kept[0]).contains("time_limit is up after"));
    assert!(process(&by_time, &x, &mut Silent, false, Some(&kept[0])).is_ok());
}

/// Whatever is missing or of another kind is an error, never a panic or a wrong result.
#[test]
fn damaged_snapshots_are_refused() {
    let x = Matrix::Dense(uniform(1, (12, 10), 0.05, 2.0));
    for kind in SolverKind::ALL {
        let loss = if kind == SolverKind::Newton { Loss::KL } else { Loss::FRO };
        let nmf = Nmf::new(2).loss(loss).solver(kind).init(Init::Random).restarts(2).max_iter(6).tol(0.0);
        let (_, snapshots) = process(&nmf, &x, &mut Silent, true, None).unwrap();
        let good = &snapshots[8];
        let names: Vec<String> = good.entries().map(|(name, _)| name.to_string()).collect();
        for name in &names {
            let without = good.entries().filter(|(n, _)| n != name).map(|(n, e)| (n.to_string(), e.clone())).collect();
            let said = refusal(&nmf, &x, &without);
            assert!(said.contains("missing") || name.contains("best"), "{kind}, {name}: {said}");
            let mut other = good.clone();
            other.put(name.clone(), Entry::Counts(vec![u64::MAX, 1, 2, 3, 4]));
            let young = name.contains("young");
            match process(&nmf, &x, &mut Silent, false, Some(&other)) {
                Err(e) => assert!(matches!(e, Error::Snapshot { .. }), "{kind}, {name}: {e}"),
                // counts for counts: numbers that nobody can tell from others
                Ok(_) => assert!(young || name.ends_with("iteration") || name.ends_with("trace"), "{kind}, {name}"),
            }
        }
    }
}
