//! Models of ratings: they descend, find what was planted, do not depend on threads, and refuse what cannot be.

use ndarray::Array2;
use nmf_core::{Error, Flow};
use nmf_cpu::ratings::{RatingModel, RatingOptions, Ratings, Scaling, fit};

/// Uniform in [0, 1), the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn options(rank: usize) -> RatingOptions {
    RatingOptions { rank, biases: true, l2: 0.7, scaling: Scaling::Root, l2_bias: 5.0, max_iter: 60, tol: 0.0, seed: 1 }
}

type Entries = Vec<(u32, u32, f64)>;

/// 3 + b_u + b_i + w_u·h_i for 80 users and 60 items of rank 2: known entries and the others.
fn planted(share: f64, noise: f64) -> (Entries, Entries) {
    let mut r = Random(5);
    let mut part = |m: usize, k: usize| Array2::from_shape_fn((m, k), |_| r.next());
    let (user_bias, item_bias) = (part(80, 1), part(60, 1));
    let (w, h) = (part(80, 2).mapv(|v| 2.0 * (v - 0.4).max(0.0)), part(60, 2).mapv(|v| 2.0 * (v - 0.4).max(0.0)));
    let (mut known, mut rest) = (Vec::new(), Vec::new());
    for u in 0..80 {
        for i in 0..60 {
            let v = 3.0 + user_bias[[u, 0]] - item_bias[[i, 0]] + w.row(u).dot(&h.row(i)) + noise * (r.next() - 0.5);
            let to = if r.next() < share { &mut known } else { &mut rest };
            to.push((u as u32, i as u32, v));
        }
    }
    (known, rest)
}

fn run(entries: &[(u32, u32, f64)], o: &RatingOptions) -> RatingModel {
    fit(&Ratings::new(80, 60, entries).unwrap(), o, &mut |_, _| Flow::Continue).unwrap()
}

fn rmse(model: &RatingModel, entries: &[(u32, u32, f64)]) -> f64 {
    let squares = entries.iter().map(|(u, i, v)| (model.predict(*u as usize, *i as usize) - v).powi(2));
    (squares.sum::<f64>() / entries.len() as f64).sqrt()
}

/// The objective as plain loops over the entries.
fn objective(model: &RatingModel, entries: &[(u32, u32, f64)], o: &RatingOptions) -> f64 {
    let x = Ratings::new(80, 60, entries).unwrap();
    let data: f64 = entries.iter().map(|(u, i, v)| 0.5 * (model.predict(*u as usize, *i as usize) - v).powi(2)).sum();
    let mut penalty = 0.0;
    let sides = [(&model.w, &model.user_bias, 0), (&model.h, &model.item_bias, 1)];
    for (f, bias, side) in sides {
        for (i, row) in f.outer_iter().enumerate() {
            let n = if side == 0 { x.of_user(i).0.len() } else { x.of_item(i).0.len() } as f64;
            let weight = match o.scaling {
                Scaling::None => 1.0,
                Scaling::Root => n.sqrt(),
                Scaling::Count => n,
            };
            penalty += 0.5 * o.l2 * x.deviation() * weight * row.dot(&row) + 0.5 * o.l2_bias * bias[i] * bias[i];
        }
    }
    data + penalty
}

#[test]
fn the_objective_is_that_of_the_formula_and_never_rises() {
    let (known, _) = planted(0.3, 1.0);
    for biases in [true, false] {
        for scaling in [Scaling::None, Scaling::Root, Scaling::Count] {
            let o = RatingOptions { biases, scaling, ..options(4) };
            let model = run(&known, &o);
            let steps = &model.objectives;
            assert_eq!(steps.len(), 61);
            assert!(steps.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-13)), "{biases} {scaling:?}: {steps:?}");
            let plain = objective(&model, &known, &o);
            assert!((plain - steps[60]).abs() < 1e-10 * plain, "{plain} {}", steps[60]);
            assert!(model.w.iter().chain(&model.h).all(|v| *v >= 0.0));
            let without = model.mean == 0.0 && model.user_bias.iter().chain(&model.item_bias).all(|b| *b == 0.0);
            assert_eq!(without, !biases);
        }
    }
}

#[test]
fn the_end_is_a_minimum_along_every_coordinate() {
    let (known, _) = planted(0.3, 1.0);
    let o = RatingOptions { max_iter: 5000, ..options(2) };
    let mut model = run(&known, &o);
    let found_there = model.clone();
    let mut slope = |change: &dyn Fn(&mut RatingModel, f64)| {
        change(&mut model, 1e-4);
        let up = objective(&model, &known, &o);
        change(&mut model, -2e-4);
        let down = objective(&model, &known, &o);
        change(&mut model, 1e-4);
        (up - down) / 2e-4
    };
    for at in [3, 17, 42] {
        for found in
            [slope(&|m, d| m.user_bias[at] += d), slope(&|m, d| m.item_bias[at] += d), slope(&|m, d| m.mean += d)]
        {
            assert!(found.abs() < 1e-4, "{found}");
        }
        for q in 0..2 {
            let values = [found_there.w[[at, q]], found_there.h[[at, q]]];
            let slopes = [slope(&|m, d| m.w[[at, q]] += d), slope(&|m, d| m.h[[at, q]] += d)];
            for (value, s) in values.into_iter().zip(slopes) {
                // inside: flat; at the bound: uphill
                assert!(if value > 0.0 { s.abs() < 1e-4 } else { s > -1e-4 }, "{value} {s}");
            }
        }
    }
}

#[test]
fn planted_ratings_are_predicted() {
    let (known, rest) = planted(0.5, 0.0);
    let weak = RatingOptions { l2: 1e-3, l2_bias: 1e-3, scaling: Scaling::None, max_iter: 3000, ..options(2) };
    assert!(rmse(&run(&known, &weak), &rest) < 0.02, "{}", rmse(&run(&known, &weak), &rest));
    // with noise and the defaults, factors still tell more than biases alone
    let (known, rest) = planted(0.5, 0.4);
    let (all, biases) = (rmse(&run(&known, &options(4)), &rest), rmse(&run(&known, &options(0)), &rest));
    assert!(all < 0.8 * biases, "{all} {biases}");
}

#[test]
fn a_scale_of_the_ratings_changes_nothing_but_the_scale() {
    let (known, _) = planted(0.3, 1.0);
    let large: Entries = known.iter().map(|(u, i, v)| (*u, *i, 16.0 * v)).collect();
    for biases in [true, false] {
        let o = RatingOptions { biases, ..options(3) };
        let (a, b) = (run(&known, &o), run(&large, &o));
        for (u, i) in [(0, 0), (20, 50), (79, 59)] {
            let (a, b) = (16.0 * a.predict(u, i), b.predict(u, i));
            assert!((a - b).abs() < 1e-9 * b, "{a} {b}");
        }
    }
}

#[test]
fn threads_change_nothing_and_seeds_do() {
    let (known, _) = planted(0.3, 1.0);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&known, &options(5)))
    };
    let (one, three) = (on(1), on(3));
    assert_eq!(
        (&one.w, &one.h, &one.user_bias, &one.item_bias),
        (&three.w, &three.h, &three.user_bias, &three.item_bias)
    );
    assert_eq!(one.objectives, three.objectives);
    assert_ne!(run(&known, &RatingOptions { seed: 2, ..options(5) }).w, one.w);
}

#[test]
fn users_and_items_without_ratings_are_average() {
    let entries = [(0, 0, 5.0), (0, 1, 3.0), (1, 0, 4.0)];
    let x = Ratings::new(3, 3, &entries).unwrap();
    let model = fit(&x, &options(2), &mut |_, _| Flow::Continue).unwrap();
    assert_eq!(model.predict(2, 2), model.mean);
    assert_eq!(model.predict(2, 0), model.mean + model.item_bias[0]);
    assert!(model.user_bias[0].is_finite() && model.mean > 3.0);
    // equal ratings have no spread to scale by
    let equal = Ratings::new(2, 2, &[(0, 0, 4.0), (1, 1, 4.0)]).unwrap();
    let model = fit(&equal, &options(2), &mut |_, _| Flow::Continue).unwrap();
    assert!((model.predict(0, 0) - 4.0).abs() < 1e-6);
}

#[test]
fn runs_stop_when_asked_or_done() {
    let (known, _) = planted(0.3, 1.0);
    let x = Ratings::new(80, 60, &known).unwrap();
    let model = fit(&x, &options(2), &mut |i, _| if i == 4 { Flow::Stop } else { Flow::Continue }).unwrap();
    assert_eq!((model.objectives.len(), model.converged), (5, false));
    let model = fit(&x, &RatingOptions { tol: 1e-3, ..options(2) }, &mut |_, _| Flow::Continue).unwrap();
    assert!(model.converged && model.objectives.len() < 60);
}

#[test]
fn what_cannot_be_is_refused() {
    assert!(matches!(Ratings::new(2, 2, &[]), Err(Error::Empty { .. })));
    assert!(matches!(Ratings::new(2, 2, &[(2, 0, 1.0)]), Err(Error::Shape { .. })));
    assert!(matches!(Ratings::new(2, 2, &[(0, 1, f64::NAN)]), Err(Error::NotFinite { row: 0, col: 1, .. })));
    let x = Ratings::new(2, 2, &[(0, 1, -1.0), (1, 1, 2.0)]).unwrap();
    let refused = |o: RatingOptions| fit(&x, &o, &mut |_, _| Flow::Continue).unwrap_err();
    assert!(matches!(refused(RatingOptions { biases: false, ..options(2) }), Error::Negative { row: 0, col: 1, .. }));
    assert!(matches!(refused(RatingOptions { l2: -1.0, ..options(2) }), Error::Parameter { name: "l2", .. }));
    assert!(matches!(refused(RatingOptions { biases: false, ..options(0) }), Error::Rank { .. }));
    assert!(fit(&x, &options(2), &mut |_, _| Flow::Continue).is_ok());
}
