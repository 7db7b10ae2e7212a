//! Items in the order in which a user would like them, and items like each other.

use super::Found;
use nmf_cpu::ratings::{RatingModel, Ratings};

/// The `n` items of highest score that the user has not rated in training, with their predictions; ties by number.
pub(super) fn best(model: &RatingModel, train: &Ratings, user: usize, n: usize) -> Vec<(usize, f64)> {
    let mut known = vec![false; train.dim().1];
    train.of_user(user).0.iter().for_each(|i| known[*i as usize] = true);
    let rest = known.iter().enumerate().filter(|(_, known)| !**known);
    let mut all: Vec<(usize, f64)> = rest.map(|(i, _)| (i, model.predict(user, i))).collect();
    let order = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if n < all.len() {
        all.select_nth_unstable_by(n, order);
        all.truncate(n);
    }
    all.sort_unstable_by(order);
    all
}

/// The same, predictions clamped to the range of the training ratings.
pub(super) fn top(found: &Found, user: usize, n: usize) -> Vec<(usize, f64)> {
    let (low, high) = found.known.train.range();
    let all = best(&found.model, &found.known.train, user, n);
    all.into_iter().map(|(i, v)| (i, v.clamp(low, high))).collect()
}

/// The `n` items with at least `least` training ratings whose factors have the highest cosine with those of `item`.
pub(super) fn similar(found: &Found, item: usize, n: usize, least: usize) -> Vec<(usize, f64)> {
    let (h, train) = (&found.model.h, &found.known.train);
    let norm = |i: usize| h.row(i).dot(&h.row(i)).sqrt();
    let own = norm(item);
    let others = (0..h.nrows()).filter(|i| *i != item && train.of_item(*i).0.len() >= least);
    let cosine = |i: usize| (i, h.row(item).dot(&h.row(i)) / (own * norm(i)));
    let mut all: Vec<(usize, f64)> = others.map(cosine).filter(|(_, c)| c.is_finite()).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(n);
    all
}
