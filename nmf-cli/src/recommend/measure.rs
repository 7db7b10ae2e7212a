//! Errors on held-out ratings, and how well items are ranked.

use super::rank::best;
use super::read::{Entry, Known};
use super::{RecommendArgs, dim};
use crate::failure::Failure;
use crate::progress::Interruptible;
use nmf_core::Flow;
use nmf_cpu::ratings::{self, RatingModel, RatingOptions, Ratings};
use rayon::prelude::*;

/// Items looked at by the ranking measures.
const PLACES: usize = 10;

/// How good the model is on held-out ratings.
pub(super) struct Measures {
    pub(super) ratings: usize,
    pub(super) rmse: f64,
    pub(super) mae: f64,
    /// Of the mean of the item's training ratings.
    pub(super) baseline_rmse: f64,
    /// Of μ + b_user + b_item fitted without factors; `None` without biases.
    pub(super) biases_rmse: Option<f64>,
    /// Held-out ratings whose user or item has no training rating.
    pub(super) cold: usize,
    pub(super) ranking: Option<Ranking>,
    /// Of the items rated by most, the same for every user.
    pub(super) popular: Option<Ranking>,
}

/// Means over the users with a relevant held-out item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranking {
    pub(super) users: usize,
    pub(super) precision: f64,
    pub(super) ndcg: f64,
}

/// Measures the model, where ratings are held out.
pub(super) fn measures(
    args: &RecommendArgs,
    known: &Known,
    model: &RatingModel,
    options: &RatingOptions,
    guard: &Interruptible,
) -> Result<Option<Measures>, Failure> {
    let Some(test) = &known.test else { return Ok(None) };
    let train = &known.train;
    let (low, high) = train.range();
    let clamped = |m: &RatingModel, e: &Entry| m.predict(e.0 as usize, e.1 as usize).clamp(low, high);
    let (rmse, mae) = errors(test, |e| clamped(model, e));
    let means: Vec<f64> = (0..dim(train).1).map(|i| mean(train.of_item(i).1).unwrap_or(train.mean())).collect();
    let biases_rmse = if options.biases && options.rank > 0 {
        let alone = RatingOptions { rank: 0, ..options.clone() };
        let mut watch = |_: usize, _: f64| if guard.stopping() { Flow::Stop } else { Flow::Continue };
        let fitted = ratings::fit(train, &alone, &mut watch)?;
        // half a fit is nothing to compare with
        (!guard.stopping()).then(|| errors(test, |e| clamped(&fitted, e)).0)
    } else {
        None
    };
    let unknown = |e: &&Entry| train.of_user(e.0 as usize).0.is_empty() || train.of_item(e.1 as usize).0.is_empty();
    let mut popular: Vec<usize> = (0..dim(train).1).collect();
    popular.sort_by_key(|i| (std::cmp::Reverse(train.of_item(*i).0.len()), *i));
    let by_popularity = |u: usize| {
        let own = train.of_user(u).0;
        popular.iter().copied().filter(|i| !own.contains(&(*i as u32))).take(PLACES).collect()
    };
    let by_model = |u: usize| best(model, train, u, PLACES).into_iter().map(|(i, _)| i).collect();
    Ok(Some(Measures {
        ratings: test.len(),
        rmse,
        mae,
        baseline_rmse: errors(test, |e| means[e.1 as usize]).0,
        biases_rmse,
        cold: test.iter().filter(unknown).count(),
        ranking: ranking(train, test, args.relevant, by_model),
        popular: ranking(train, test, args.relevant, by_popularity),
    }))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Root of the mean squared error, and the mean absolute error.
fn errors(test: &[Entry], predict: impl Fn(&Entry) -> f64) -> (f64, f64) {
    let (mut squares, mut absolute) = (0.0, 0.0);
    for e in test {
        let difference = predict(e) - e.2;
        squares += difference * difference;
        absolute += difference.abs();
    }
    let n = test.len() as f64;
    ((squares / n).sqrt(), absolute / n)
}

/// precision@10 and NDCG@10 of the items that `first` puts first, `None` if no user has a relevant one. What is in training too is not asked for.
fn ranking(
    train: &Ratings,
    test: &[Entry],
    relevant: f64,
    first: impl Fn(usize) -> Vec<usize> + Sync,
) -> Option<Ranking> {
    let mut wanted = vec![Vec::new(); dim(train).0];
    for e in test.iter().filter(|e| e.2 >= relevant && !train.of_user(e.0 as usize).0.contains(&e.1)) {
        wanted[e.0 as usize].push(e.1 as usize);
    }
    let users: Vec<usize> = (0..wanted.len()).filter(|u| !wanted[*u].is_empty()).collect();
    let of_user = |u: &usize| {
        let (hits, gain) = gains(&first(*u), &wanted[*u]);
        let ideal: f64 = (0..wanted[*u].len().min(PLACES)).map(discount).sum();
        (hits as f64 / PLACES as f64, gain / ideal)
    };
    // summed in the order of the users, whoever computed them
    let parts: Vec<(f64, f64)> = users.par_iter().map(of_user).collect();
    let sums = parts.iter().fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
    let n = users.len();
    (n > 0).then(|| Ranking { users: n, precision: sums.0 / n as f64, ndcg: sums.1 / n as f64 })
}

fn discount(place: usize) -> f64 {
    1.0 / (place as f64 + 2.0).log2()
}

/// Relevant items among those listed, and their discounted gain.
fn gains(listed: &[usize], wanted: &[usize]) -> (usize, f64) {
    let hits = listed.iter().enumerate().filter(|(_, i)| wanted.contains(i));
    hits.fold((0, 0.0), |(n, gain), (place, _)| (n + 1, gain + discount(place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranking_measures_are_those_of_the_definition() {
        let train = Ratings::new(3, 30, &[(0, 0, 5.0), (1, 1, 3.0), (2, 2, 3.0)]).unwrap();
        // user 0 wants 5 and 7, user 1 wants 9, user 2 liked nothing; item 0 is in training
        let test = [(0, 5, 4.0), (0, 7, 5.0), (0, 8, 3.0), (0, 0, 5.0), (1, 9, 4.0), (2, 9, 1.0)];
        let order = |u: usize| if u == 0 { vec![5, 6, 8, 7] } else { (10..20).collect() };
        let r = ranking(&train, &test, 4.0, order).unwrap();
        // user 0: places 1 and 4 of 10, ideal 1 and 2; user 1: nothing
        let ndcg = (1.0 + 1.0 / 5f64.log2()) / (1.0 + 1.0 / 3f64.log2());
        assert_eq!((r.users, r.precision), (2, (0.2 + 0.0) / 2.0));
        assert!((r.ndcg - ndcg / 2.0).abs() < 1e-15, "{r:?}");
        assert_eq!(ranking(&train, &test, 6.0, order), None);
        let perfect = ranking(&train, &test, 4.0, |u| if u == 0 { vec![7, 5] } else { vec![9] }).unwrap();
        assert_eq!(perfect.ndcg, 1.0);
    }

    #[test]
    fn errors_are_means() {
        let test = [(0, 0, 1.0), (0, 1, 5.0)];
        assert_eq!(errors(&test, |_| 4.0), (5f64.sqrt(), 2.0));
    }
}
