//! Coupled factorization: descent with mixed losses, agreement with the plain model, planted factors, gradients, refusals.

use ndarray::{Array2, s};
use nmf_core::coupled::{Coupled, CoupledFit, Mode, Relation};
use nmf_core::{Flow, Init, Loss, Matrix, Nmf, Observed, Penalty, Progress, SolverKind, Sparse, Stop, Stopped};
use nmf_cpu::Cpu;

fn cpu() -> Cpu<f64> {
    Cpu::with_threads(2).unwrap()
}

/// Uniform in [0, 1), the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    fn matrix(&mut self, (m, n): (usize, usize), low: f64, high: f64) -> Array2<f64> {
        Array2::from_shape_fn((m, n), |_| low + (high - low) * self.next())
    }
    /// The entries that come up, each with this probability, stored.
    fn keep(&mut self, x: &Array2<f64>, share: f64) -> Sparse<f64> {
        self.split(x, share).0
    }
    /// The same, and the other entries.
    fn split(&mut self, x: &Array2<f64>, share: f64) -> (Sparse<f64>, Vec<(usize, usize, f64)>) {
        let (mut offsets, mut indices, mut values, mut rest) = (vec![0u64], Vec::new(), Vec::new(), Vec::new());
        for (i, row) in x.outer_iter().enumerate() {
            for (j, v) in row.iter().enumerate() {
                if self.next() < share {
                    indices.push(j as u32);
                    values.push(*v);
                } else {
                    rest.push((i, j, *v));
                }
            }
            offsets.push(values.len() as u64);
        }
        (Sparse::new(x.dim(), offsets, indices, values), rest)
    }
}

fn exactly(n: usize) -> Stop {
    Stop { max_iter: n, tol: 0.0, every: 1, ..Stop::default() }
}

#[test]
fn one_matrix_is_the_plain_model() {
    let mut random = Random(1);
    let dense = random.matrix((30, 20), 0.1, 700.0);
    let sparse = random.keep(&dense, 0.3);
    let mask = random.matrix((30, 20), 0.0, 1.0).mapv(|v| f64::from(v > 0.3));
    let penalty = Penalty { l1: 0.3, l2: 0.0 };
    type Case<'m> = (Loss, Matrix<f64>, Observed, Option<&'m Array2<f64>>);
    let cases: [Case<'_>; 6] = [
        (Loss::FRO, dense.clone().into(), Observed::All, None),
        (Loss::KL, dense.clone().into(), Observed::All, None),
        (Loss::IS, dense.clone().into(), Observed::All, Some(&mask)),
        (Loss::Beta(3.0), dense.clone().into(), Observed::All, None),
        (Loss::FRO, sparse.clone().into(), Observed::Stored, None),
        (Loss::KL, sparse.into(), Observed::All, None),
    ];
    for (loss, x, observed, mask) in cases {
        let mut plain = Nmf::new(4).loss(loss.clone()).solver(SolverKind::Mu).init(Init::Random).seed(7);
        plain = plain.observed(observed).penalty_w(penalty).penalty_h(penalty).stop(exactly(30)).kkt(true);
        let mut relation = Relation::new("x", &x, "row", "col").loss(loss.clone()).observed(observed);
        if let Some(mask) = mask {
            plain = plain.weights(mask.clone());
            relation = relation.weights(mask);
        }
        let plain = plain.fit(&mut cpu(), &x).unwrap();
        let coupled = Coupled::new(4)
            .mode(Mode::new("row", 30).penalty(penalty))
            .mode(Mode::new("col", 20).penalty(penalty))
            .matrix(relation)
            .seed(7)
            .stop(exactly(30))
            .kkt(true)
            .fit(&mut cpu())
            .unwrap();
        let near = |a: f64, b: f64, what: &str| assert!((a - b).abs() <= 1e-10 * b.abs(), "{loss} {what}: {a} {b}");
        near(coupled.objective(), plain.objective(), "objective");
        near(coupled.matrices()[0].divergence, plain.divergence(), "divergence");
        near(coupled.kkt_residual().unwrap(), plain.kkt_residual().unwrap(), "kkt");
        for (a, b) in
            [(coupled.factor("row").unwrap(), plain.w()), (coupled.factor("col").unwrap(), plain.h().reversed_axes())]
        {
            let scale = b.iter().fold(0.0f64, |m, v| m.max(*v));
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * scale), "{loss}");
        }
        assert_eq!(coupled.trace().len(), 31);
    }
}

/// Four modes, five matrices of different losses, sizes, scales and layouts, with a cycle.
struct Example {
    ratings: Sparse<f64>,
    users: Array2<f64>,
    kinds: Array2<f64>,
    visits: Array2<f64>,
    mask: Array2<f64>,
    twice: Array2<f64>,
}

impl Example {
    fn new() -> Example {
        let mut random = Random(3);
        let all = random.matrix((25, 15), 1.0, 5.0);
        Example {
            ratings: random.keep(&all, 0.4),
            users: random.matrix((25, 6), 0.0, 1.0).mapv(|v| if v < 0.6 { 0.0 } else { v }),
            kinds: random.matrix((4, 15), 0.5, 900.0),
            visits: random.matrix((4, 6), 0.01, 0.02),
            mask: random.matrix((4, 6), 0.0, 1.0).mapv(|v| f64::from(v > 0.3)),
            twice: random.matrix((25, 15), 0.5, 2.0),
        }
    }

    fn coupled(&self, losses: [Loss; 5], penalty: Penalty) -> Coupled<'_, f64> {
        let [a, b, c, d, e] = losses;
        let mode = |name: &str, size| Mode::new(name, size).penalty(penalty);
        Coupled::new(3)
            .mode(mode("user", 25))
            .mode(mode("item", 15))
            .mode(mode("group", 6))
            .mode(mode("kind", 4))
            .matrix(Relation::new("ratings", &self.ratings, "user", "item").observed(Observed::Stored).loss(a))
            .matrix(Relation::new("users", &self.users, "user", "group").loss(b).weight(3.0))
            .matrix(Relation::new("kinds", &self.kinds, "kind", "item").loss(c).weight(0.01))
            .matrix(Relation::new("visits", &self.visits, "kind", "group").loss(d).weights(&self.mask).weight(50.0))
            .matrix(Relation::new("twice", &self.twice, "user", "item").loss(e).weight(0.5))
            .seed(5)
    }

    /// The objective as plain loops.
    fn objective(&self, losses: &[Loss; 5], penalty: Penalty, f: &[Array2<f64>]) -> f64 {
        let mut sum = 0.0;
        let mut add =
            |loss: &Loss, weight: f64, x: f64, a: ndarray::ArrayView1<'_, f64>, b: ndarray::ArrayView1<'_, f64>| {
                sum += weight * loss.value(x, a.dot(&b));
            };
        for (i, row) in self.ratings.outer_iterator().enumerate() {
            row.iter().for_each(|(j, v)| add(&losses[0], 1.0, *v, f[0].row(i), f[1].row(j)));
        }
        for ((i, j), v) in self.users.indexed_iter() {
            add(&losses[1], 3.0, *v, f[0].row(i), f[2].row(j));
        }
        for ((i, j), v) in self.kinds.indexed_iter() {
            add(&losses[2], 0.01, *v, f[3].row(i), f[1].row(j));
        }
        for ((i, j), v) in self.visits.indexed_iter().filter(|(at, _)| self.mask[*at] > 0.0) {
            add(&losses[3], 50.0, *v, f[3].row(i), f[2].row(j));
        }
        for ((i, j), v) in self.twice.indexed_iter() {
            add(&losses[4], 0.5, *v, f[0].row(i), f[1].row(j));
        }
        let entries = f.iter().flatten();
        sum + entries.map(|v| penalty.l1 * v + 0.5 * penalty.l2 * v * v).sum::<f64>()
    }
}

const MODES: [&str; 4] = ["user", "item", "group", "kind"];

fn factors(fit: &CoupledFit<f64>) -> Vec<Array2<f64>> {
    MODES.iter().map(|m| fit.factor(m).unwrap().to_owned()).collect()
}

fn mixtures() -> [[Loss; 5]; 4] {
    let b = Loss::Beta;
    [
        [Loss::FRO, Loss::KL, Loss::KL, Loss::IS, Loss::FRO],
        [Loss::KL, Loss::FRO, Loss::IS, b(3.0), b(1.5)],
        [b(0.5), b(0.5), b(-0.5), Loss::IS, b(4.0)],
        [Loss::KL, Loss::KL, Loss::KL, Loss::KL, Loss::KL],
    ]
}

#[test]
fn mixed_losses_descend_and_the_objective_is_the_sum() {
    let example = Example::new();
    for losses in mixtures() {
        for penalty in [Penalty::NONE, Penalty { l1: 0.2, l2: 0.0 }, Penalty { l1: 0.1, l2: 5.0 }] {
            let fit = example.coupled(losses.clone(), penalty).stop(exactly(60)).fit(&mut cpu()).unwrap();
            let steps: Vec<f64> = fit.trace().iter().map(|p| p.objective).collect();
            assert_eq!(steps.len(), 61);
            assert!(steps.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-12)), "{losses:?} {penalty:?}: {steps:?}");
            assert!(steps[60] < 0.9 * steps[0], "{losses:?}: {steps:?}");
            let plain = example.objective(&losses, penalty, &factors(&fit));
            assert!((plain - fit.objective()).abs() < 1e-9 * plain, "{losses:?}: {plain} {}", fit.objective());
        }
    }
}

#[test]
fn the_end_is_a_stationary_point_by_finite_differences() {
    let example = Example::new();
    let penalty = Penalty { l1: 0.1, l2: 0.5 };
    let losses = [Loss::FRO, Loss::KL, Loss::KL, Loss::FRO, Loss::KL];
    let stop = Stop { max_iter: 10_000, tol: 0.0, every: 100, ..Stop::default() };
    // (with one start in three a component dies on the way, and a zero stays zero)
    let coupled = example.coupled(losses.clone(), penalty).seed(1);
    let start = coupled.clone().stop(exactly(0)).fit(&mut cpu()).unwrap();
    let fit = coupled.stop(stop).fit(&mut cpu()).unwrap();
    // of every mode: Σ |f·∂J/∂f|, which no choice of units changes, the steepest fall −∂J/∂f, and the steepest slope
    let slopes = |fit: &CoupledFit<f64>| -> Vec<(f64, f64, f64)> {
        let mut f = factors(fit);
        let mut out = Vec::new();
        for m in 0..f.len() {
            let (mut products, mut fall, mut steepest) = (0.0, 0.0f64, 0.0f64);
            for at in ndarray::indices(f[m].dim()) {
                let old = f[m][at];
                let h = 1e-6 * old.max(1e-3);
                f[m][at] = old + h;
                let up = example.objective(&losses, penalty, &f);
                f[m][at] = old - h;
                let down = example.objective(&losses, penalty, &f);
                f[m][at] = old;
                let slope = (up - down) / (2.0 * h);
                products += (old * slope).abs();
                fall = fall.max(-slope);
                steepest = steepest.max(slope.abs());
            }
            out.push((products, fall, steepest));
        }
        out
    };
    for ((before, _, steepest), (after, fall, _)) in slopes(&start).into_iter().zip(slopes(&fit)) {
        assert!(after < 2e-4 * before, "{before} {after}");
        assert!(fall < 2e-4 * steepest, "{fall} {steepest}");
    }
}

#[test]
fn planted_factors_are_found_and_a_side_matrix_helps_where_data_are_few() {
    let mut random = Random(11);
    let sparse_part = |random: &mut Random, m| random.matrix((m, 3), -0.6, 1.0).mapv(|v: f64| v.max(0.0) + 0.02);
    let (user, item, group) =
        (sparse_part(&mut random, 60), sparse_part(&mut random, 50), sparse_part(&mut random, 40));
    let (all, side) = (user.dot(&item.t()), user.dot(&group.t()));
    // three or four entries of a row, three numbers to learn from them
    let (few, rest) = random.split(&all, 0.08);
    let ratings = || Relation::new("ratings", &few, "user", "item").observed(Observed::Stored).loss(Loss::KL);
    let stop = Stop { max_iter: 3000, tol: 1e-9, ..Stop::default() };
    let penalty = Penalty { l1: 1e-4, l2: 0.0 };
    let mode = |name: &str, size| Mode::new(name, size).penalty(penalty);
    let users_and_items = || Coupled::new(3).mode(mode("user", 60)).mode(mode("item", 50)).stop(stop.clone()).seed(2);
    let alone = users_and_items().matrix(ratings()).fit(&mut cpu()).unwrap();
    let with = users_and_items()
        .mode(mode("group", 40))
        .matrix(ratings())
        .matrix(Relation::new("side", &side, "user", "group").loss(Loss::KL))
        .fit(&mut cpu())
        .unwrap();
    let error = |fit: &CoupledFit<f64>| {
        let squares = rest.iter().map(|(i, j, v)| (fit.value("ratings", *i, *j).unwrap() - v).powi(2));
        (squares.sum::<f64>() / rest.len() as f64).sqrt()
    };
    let (single, coupled) = (error(&alone), error(&with));
    assert!(coupled < 0.5 * single, "coupled {coupled}, alone {single}");
    // every planted column has a found one of its direction
    for q in 0..3 {
        let cosine = |p: usize| {
            let found = with.factor("user").unwrap();
            let (a, b) = (user.column(q), found.column(p));
            a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt()
        };
        let best = (0..3).map(cosine).fold(0.0, f64::max);
        assert!(best > 0.97, "column {q}: {best}");
    }
}

#[test]
fn given_columns_stay_and_starts_are_taken() {
    let example = Example::new();
    let x = &example.twice;
    let mut random = Random(9);
    let (fixed, start) = (random.matrix((25, 2), 0.0, 1.0), random.matrix((15, 3), 0.5, 1.0));
    let coupled = |iterations| {
        Coupled::new(3)
            .mode(Mode::new("user", 25).fixed(fixed.clone()))
            .mode(Mode::new("item", 15).start(start.clone()))
            .matrix(Relation::new("x", x, "user", "item").loss(Loss::KL))
            .stop(exactly(iterations))
            .fit(&mut cpu())
            .unwrap()
    };
    let (none, some) = (coupled(0), coupled(20));
    assert_eq!(none.factor("item").unwrap(), start);
    for fit in [&none, &some] {
        let found = fit.factor("user").unwrap();
        let difference = &found.slice(s![.., ..2]) - &fixed;
        assert!(difference.iter().all(|d| d.abs() < 1e-15));
    }
    assert!(some.objective() < none.objective());
    assert_ne!(some.factor("user").unwrap().column(2), none.factor("user").unwrap().column(2));
}

#[test]
fn restarts_keep_the_best_and_threads_change_nothing() {
    let example = Example::new();
    let coupled = example.coupled(mixtures()[0].clone(), Penalty::NONE).restarts(4).stop(exactly(20));
    let fit = coupled.fit(&mut cpu()).unwrap();
    assert_eq!(fit.objectives().len(), 4);
    assert_eq!(fit.objective(), fit.objectives().iter().copied().fold(f64::INFINITY, f64::min));
    assert!(fit.objectives().windows(2).any(|w| w[0] != w[1]));
    let single = coupled.fit(&mut Cpu::with_threads(1).unwrap()).unwrap();
    assert_eq!(factors(&single), factors(&fit));
    assert_ne!(factors(&coupled.clone().seed(99).fit(&mut cpu()).unwrap()), factors(&fit));
    let mut stop_at_three = |p: &Progress| if p.iteration == 3 { Flow::Stop } else { Flow::Continue };
    let stopped = coupled.fit_observed(&mut cpu(), &mut stop_at_three).unwrap();
    assert_eq!((stopped.stopped(), stopped.iterations(), stopped.objectives().len()), (Stopped::Interrupted, 3, 1));
}

#[test]
fn what_does_not_fit_together_is_refused_by_name() {
    let x = Array2::from_elem((3, 2), 1.0);
    let zero = Array2::from_shape_fn((3, 2), |(i, _)| i as f64);
    let refused = |change: &dyn Fn(Coupled<'static, f64>) -> Coupled<'static, f64>| {
        let base = Coupled::new(2).mode(Mode::new("a", 3)).mode(Mode::new("b", 2));
        change(base).fit(&mut cpu()).expect_err("accepted").to_string()
    };
    let leak = |x: &Array2<f64>| -> &'static Array2<f64> { Box::leak(Box::new(x.clone())) };
    let (x, zero) = (leak(&x), leak(&zero));
    let ab = || Relation::new("x", x, "a", "b");
    type Change<'f> = &'f dyn Fn(Coupled<'static, f64>) -> Coupled<'static, f64>;
    let cases: [(Change<'_>, &[&str]); 13] = [
        (&|c| c, &["no matrices"]),
        (&|c| c.matrix(Relation::new("x", x, "a", "c")), &["\"x\"", "\"c\"", "a, b"]),
        (&|c| c.matrix(Relation::new("x", x, "a", "a")), &["\"x\"", "same mode \"a\""]),
        (&|c| c.matrix(Relation::new("x", x, "b", "a")), &["\"x\"", "3×2", "2×3"]),
        (&|c| c.matrix(ab()).matrix(ab()), &["two matrices", "\"x\""]),
        (&|c| c.matrix(ab()).mode(Mode::new("a", 3)), &["two modes", "\"a\""]),
        (&|c| c.matrix(ab()).mode(Mode::new("c", 3)), &["\"c\"", "no matrix"]),
        (&|c| c.matrix(ab().weight(0.0)), &["\"x\"", "weight = 0"]),
        (&|c| c.matrix(Relation::new("zero", zero, "a", "b").loss(Loss::IS)), &["\"zero\"", "row 0, column 0"]),
        (&|c| c.matrix(ab()).restarts(0), &["restarts"]),
        (
            &|c| c.matrix(ab()).mode(Mode::new("d", 1).start(x.clone())).matrix(Relation::new("y", x, "a", "d")),
            &["\"y\"", "3×1"],
        ),
        (
            &|_| Coupled::new(2).mode(Mode::new("a", 3).start(x.mapv(|v| -v))).mode(Mode::new("b", 2)).matrix(ab()),
            &["\"a\"", "negative"],
        ),
        (&|c| c.matrix(ab()).matrix(Relation::new("far", leak(&x.mapv(|v| v * 1e12)), "a", "b")), &["\"far\"", "2^39"]),
    ];
    for (change, words) in cases {
        let message = refused(change);
        words.iter().for_each(|w| assert!(message.contains(w), "\"{w}\" is not in: {message}"));
    }
}
