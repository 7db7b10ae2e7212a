//! Ratings: users × items of which few entries are known, with a bias for every user and every item.
//!
//! r_ui ≈ μ + b_u + b_i + w_u·h_i with w, h ≥ 0. What is minimized over the known entries is
//!
//! ½ Σ (r_ui − r̂_ui)² + ½ Σ_u λ_u‖w_u‖² + ½ Σ_i λ_i‖h_i‖² + ½ λ_b (Σ b_u² + Σ b_i²),
//!
//! where λ_u and λ_i grow with the number of ratings of the user or item as [`Scaling`] says: a user of many ratings then does not shake off
//! the penalty (Zhou et al. 2008 take λ_u = λ·n_u; the root does better here beside biases).
//!
//! Biases make the targets r − μ − b_u − b_i of w·h signed, which multiplicative updates cannot follow; exact coordinate descent can: with
//! everything else fixed, each w_uq is a quadratic in one unknown, w_uq ← max(0, (Σ e·h_iq + w_uq·Σ h_iq²)/(Σ h_iq² + λ_u)), e the residuals
//! of the user (hierarchical ALS on the known entries), each b_u one without a sign. An iteration goes once over
//! all users, then over all items, then sets μ to its best value: no step raises the objective.
//!
//! Users are independent given the items, and the other way round; each is computed by one thread in one order, sums over all of them
//! are added in order. Results do not depend on the number of threads.
//!
//! References: Y. Koren, R. Bell and C. Volinsky, "Matrix factorization techniques for recommender systems", Computer 42(8), 2009
//! (the model); Y. Zhou, D. Wilkinson, R. Schreiber and R. Pan, "Large-scale parallel collaborative filtering for the Netflix prize",
//! AAIM 2008 (weighted-λ regularization); A. Cichocki and A. H. Phan, IEICE Trans. E92-A(3), 2009 (HALS).

use ndarray::{Array2, ArrayView2, Axis};
use nmf_core::{Error, Flow, Result};
use rayon::prelude::*;

/// Known ratings by users and by items.
#[derive(Debug, Clone)]
pub struct Ratings {
    by_user: Lines,
    by_item: Lines,
    mean: f64,
    deviation: f64,
    range: (f64, f64),
}

/// For every user its items, or the other way round: entries of line i are `offsets[i]..offsets[i+1]`.
#[derive(Debug, Clone)]
struct Lines {
    offsets: Vec<usize>,
    others: Vec<u32>,
    values: Vec<f64>,
}

impl Lines {
    fn new(lines: usize, entries: impl Iterator<Item = (u32, u32, f64)> + Clone) -> Lines {
        let mut offsets = vec![0usize; lines + 1];
        entries.clone().for_each(|(i, _, _)| offsets[i as usize + 1] += 1);
        (0..lines).for_each(|i| offsets[i + 1] += offsets[i]);
        let mut next = offsets.clone();
        let total = offsets[lines];
        let (mut others, mut values) = (vec![0u32; total], vec![0.0; total]);
        for (i, j, v) in entries {
            let at = &mut next[i as usize];
            (others[*at], values[*at]) = (j, v);
            *at += 1;
        }
        Lines { offsets, others, values }
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn line(&self, i: usize) -> (&[u32], &[f64]) {
        let range = self.offsets[i]..self.offsets[i + 1];
        (&self.others[range.clone()], &self.values[range])
    }
}

impl Ratings {
    /// From (user, item, rating), each pair once; users and items are counted from 0.
    ///
    /// # Errors
    /// No rating at all, a user or item that is out of range, a rating that is not finite.
    pub fn new(users: usize, items: usize, entries: &[(u32, u32, f64)]) -> Result<Ratings> {
        if users == 0 || items == 0 || entries.is_empty() {
            return Err(Error::Empty { rows: users, cols: items });
        }
        for &(u, i, value) in entries {
            let (row, col) = (u as usize, i as usize);
            if row >= users || col >= items {
                return Err(Error::Shape { what: "a rating", expected: (users, items), found: (row + 1, col + 1) });
            }
            if !value.is_finite() {
                return Err(Error::NotFinite { what: "the ratings", row, col, value });
            }
        }
        let count = entries.len() as f64;
        let mean = entries.iter().map(|e| e.2).sum::<f64>() / count;
        let variance = entries.iter().map(|e| (e.2 - mean).powi(2)).sum::<f64>() / count;
        let range = entries.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), e| (a.min(e.2), b.max(e.2)));
        Ok(Ratings {
            by_user: Lines::new(users, entries.iter().copied()),
            by_item: Lines::new(items, entries.iter().map(|&(u, i, v)| (i, u, v))),
            mean,
            deviation: variance.sqrt(),
            range,
        })
    }

    /// Users and items.
    pub fn dim(&self) -> (usize, usize) {
        (self.by_user.len(), self.by_item.len())
    }
    /// Known ratings.
    pub fn count(&self) -> usize {
        self.by_user.values.len()
    }
    /// Mean of the ratings.
    pub fn mean(&self) -> f64 {
        self.mean
    }
    /// Standard deviation of the ratings.
    pub fn deviation(&self) -> f64 {
        self.deviation
    }
    /// Lowest and highest rating.
    pub fn range(&self) -> (f64, f64) {
        self.range
    }
    /// Items and ratings of a user.
    pub fn of_user(&self, user: usize) -> (&[u32], &[f64]) {
        self.by_user.line(user)
    }
    /// Users and ratings of an item.
    pub fn of_item(&self, item: usize) -> (&[u32], &[f64]) {
        self.by_item.line(item)
    }
}

/// How the penalty of a user or item grows with its number n of ratings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// As √n.
    Root,
    /// As n.
    Count,
}

impl Scaling {
    fn of(self, n: usize) -> f64 {
        match self {
            Scaling::None => 1.0,
            Scaling::Root => (n as f64).sqrt(),
            Scaling::Count => n as f64,
        }
    }
}

/// What to fit.
#[derive(Debug, Clone, PartialEq)]
pub struct RatingOptions {
    /// Rank k; 0: biases alone.
    pub rank: usize,
    /// With μ, b_u and b_i; without, r ≈ w·h.
    pub biases: bool,
    /// λ, in standard deviations of the ratings (so that ratings from 0 to 100 need no other than ratings from 1 to 5).
    pub l2: f64,
    /// How λ grows with the number of ratings.
    pub scaling: Scaling,
    /// λ_b: a bias is that of a mean with so many more residuals of 0.
    pub l2_bias: f64,
    /// Iterations at most.
    pub max_iter: usize,
    /// Stop when an iteration lowers the objective by at most this share; 0: exactly `max_iter` iterations.
    pub tol: f64,
    /// Seed of the start.
    pub seed: u64,
}

/// A model of ratings.
#[derive(Debug, Clone)]
pub struct RatingModel {
    /// μ; 0 without biases.
    pub mean: f64,
    /// b_u; zeros without biases.
    pub user_bias: Vec<f64>,
    /// b_i; zeros without biases.
    pub item_bias: Vec<f64>,
    /// W, users × k.
    pub w: Array2<f64>,
    /// H transposed, items × k.
    pub h: Array2<f64>,
    /// The objective at the start and after each iteration.
    pub objectives: Vec<f64>,
    /// Whether it ended by `tol`.
    pub converged: bool,
}

impl RatingModel {
    /// μ + b_u + b_i + w_u·h_i. A user or item without ratings has a bias and factors of 0.
    pub fn predict(&self, user: usize, item: usize) -> f64 {
        let product: f64 = self.w.row(user).iter().zip(self.h.row(item)).map(|(a, b)| a * b).sum();
        self.mean + self.user_bias[user] + self.item_bias[item] + product
    }
}

/// One side's factor and biases.
struct Part {
    f: Array2<f64>,
    bias: Vec<f64>,
}

/// Fits the model. `watch` sees the iterations done and the objective after each; [`Flow::Stop`] ends the run there.
///
/// # Errors
/// Options out of their range; ratings below 0 without biases, which w·h cannot reach.
pub fn fit(
    x: &Ratings,
    options: &RatingOptions,
    watch: &mut (dyn FnMut(usize, f64) -> Flow + Send),
) -> Result<RatingModel> {
    check(x, options)?;
    let (users, items) = x.dim();
    let k = options.rank;
    // without biases the model has the ratings' mean to explain, with them a part of their spread
    let level = match (options.biases, k) {
        (_, 0) => 0.0,
        (true, _) => 0.5 * (x.deviation / k as f64).sqrt(),
        (false, _) => (x.mean / k as f64).sqrt(),
    };
    let start = |rows, which| nmf_core::init::uniform(rows, k, options.seed, which, level);
    let mut user = Part { f: start(users, 0), bias: vec![0.0; users] };
    let mut item = Part { f: start(items, 1), bias: vec![0.0; items] };
    // nobody knows the factors of what nobody rated
    for (lines, part) in [(&x.by_user, &mut user), (&x.by_item, &mut item)] {
        (0..lines.len()).filter(|i| lines.line(*i).0.is_empty()).for_each(|i| part.f.row_mut(i).fill(0.0));
    }
    let mut mean = if options.biases { x.mean } else { 0.0 };
    // where all ratings are equal the penalty still needs a scale
    let spread = if x.deviation > 0.0 { x.deviation } else { x.mean.abs().max(f64::MIN_POSITIVE) };
    let lambda = options.l2 * spread;
    let mut objective = loss(x, &user, &item, mean).1 + penalty(x, &user, &item, lambda, options);
    let (mut objectives, mut converged) = (vec![objective], false);
    for iteration in 1..=options.max_iter {
        sweep(&x.by_user, &mut user, &item, mean, lambda, options);
        sweep(&x.by_item, &mut item, &user, mean, lambda, options);
        let (sum, mut squares) = loss(x, &user, &item, mean);
        if options.biases {
            let change = sum / x.count() as f64;
            mean += change;
            squares -= 0.5 * change * sum;
        }
        let before = objective;
        objective = squares + penalty(x, &user, &item, lambda, options);
        objectives.push(objective);
        if !objective.is_finite() {
            let advice = "the ratings are too large: multiply them by a constant";
            return Err(Error::Diverged { value: objective, iteration, advice });
        }
        if watch(iteration, objective) == Flow::Stop {
            break;
        }
        if options.tol > 0.0 && before - objective <= options.tol * objective {
            converged = true;
            break;
        }
    }
    let (Part { f: w, bias: user_bias }, Part { f: h, bias: item_bias }) = (user, item);
    Ok(RatingModel { mean, user_bias, item_bias, w, h, objectives, converged })
}

fn check(x: &Ratings, o: &RatingOptions) -> Result<()> {
    let finite = |name, v: f64| match v >= 0.0 && v.is_finite() {
        true => Ok(()),
        false => Err(Error::Parameter { name, value: v.to_string(), expected: "a finite number ≥ 0" }),
    };
    finite("l2", o.l2)?;
    finite("l2_bias", o.l2_bias)?;
    finite("tol", o.tol)?;
    if o.rank > 65_536 {
        return Err(Error::Rank { rank: o.rank, reason: "at most 65536 components are supported".into() });
    }
    if !o.biases {
        if o.rank == 0 {
            return Err(Error::Rank { rank: 0, reason: "without biases at least one component is needed".into() });
        }
        let low = |u: usize| x.of_user(u).1.iter().position(|v| *v < 0.0).map(|at| (u, at));
        if let Some((row, at)) = (0..x.dim().0).find_map(low) {
            let (items, values) = x.of_user(row);
            return Err(Error::Negative { what: "the ratings", row, col: items[at] as usize, value: values[at] });
        }
    }
    Ok(())
}

/// One pass over all lines: the bias, then every component.
fn sweep(lines: &Lines, own: &mut Part, other: &Part, mean: f64, lambda: f64, o: &RatingOptions) {
    let (g, g_bias) = (other.f.view(), &other.bias);
    let rows = own.f.axis_iter_mut(Axis(0)).into_par_iter().zip(own.bias.par_iter_mut()).enumerate();
    rows.for_each_init(Vec::new, |scratch, (i, (mut f, bias))| {
        let (others, values) = lines.line(i);
        if others.is_empty() {
            return;
        }
        let f = f.as_slice_mut().unwrap_or_default();
        let penalty = lambda * o.scaling.of(others.len());
        update(others, values, f, bias, &g, g_bias, mean, penalty, o, scratch);
    });
}

/// The same for one line; `columns` is scratch.
fn update(
    others: &[u32],
    values: &[f64],
    f: &mut [f64],
    bias: &mut f64,
    g: &ArrayView2<'_, f64>,
    g_bias: &[f64],
    mean: f64,
    penalty: f64,
    o: &RatingOptions,
    columns: &mut Vec<f64>,
) {
    let (n, k) = (others.len(), f.len());
    // the rows of G that matter, by columns, behind the residuals
    columns.clear();
    columns.resize(n * (k + 1), 0.0);
    let (e, columns) = columns.split_at_mut(n);
    for (t, (&j, value)) in others.iter().zip(values).enumerate() {
        let row = g.row(j as usize);
        let mut v = mean + *bias + g_bias[j as usize];
        for (q, (a, b)) in f.iter().zip(row).enumerate() {
            v += a * b;
            columns[q * n + t] = *b;
        }
        e[t] = value - v;
    }
    if o.biases {
        let new = (e.iter().sum::<f64>() + n as f64 * *bias) / (n as f64 + o.l2_bias);
        let change = new - std::mem::replace(bias, new);
        e.iter_mut().for_each(|e| *e -= change);
    }
    for (w, column) in f.iter_mut().zip(columns.chunks_exact(n)) {
        let (mut slope, mut curvature) = (0.0, 0.0);
        for (e, h) in e.iter().zip(column) {
            slope += e * h;
            curvature += h * h;
        }
        if curvature + penalty <= 0.0 {
            continue;
        }
        let new = ((slope + curvature * *w) / (curvature + penalty)).max(0.0);
        let change = new - std::mem::replace(w, new);
        if change != 0.0 {
            e.iter_mut().zip(column).for_each(|(e, h)| *e -= change * h);
        }
    }
}

/// Sum of the residuals and half the sum of their squares.
fn loss(x: &Ratings, user: &Part, item: &Part, mean: f64) -> (f64, f64) {
    let of_line = |u: usize| {
        let (items, values) = x.of_user(u);
        let w = user.f.row(u);
        items.iter().zip(values).fold((0.0, 0.0), |(sum, squares), (&i, value)| {
            let product: f64 = w.iter().zip(item.f.row(i as usize)).map(|(a, b)| a * b).sum();
            let e = value - mean - user.bias[u] - item.bias[i as usize] - product;
            (sum + e, squares + 0.5 * e * e)
        })
    };
    // summed in the order of the users, whoever computed them
    let parts: Vec<(f64, f64)> = (0..x.dim().0).into_par_iter().map(of_line).collect();
    parts.into_iter().fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d))
}

fn penalty(x: &Ratings, user: &Part, item: &Part, lambda: f64, o: &RatingOptions) -> f64 {
    let side = |lines: &Lines, part: &Part| {
        let rows = part.f.outer_iter().zip(&part.bias).enumerate();
        rows.map(|(i, (f, b))| {
            let weight = lambda * o.scaling.of(lines.line(i).0.len());
            0.5 * (weight * f.dot(&f) + o.l2_bias * b * b)
        })
        .sum::<f64>()
    };
    side(&x.by_user, user) + side(&x.by_item, item)
}
