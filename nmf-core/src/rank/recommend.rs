//! From the curves to one rank, its spread, and the reason in a sentence.

use super::Surveyed;

/// Which rank to take, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// The rank.
    pub rank: usize,
    /// Lowest and highest rank that the data do not tell from the best one: those whose held-out error is within one standard error.
    pub interval: (usize, usize),
    /// Why, in one sentence.
    pub reason: String,
}

/// The smallest rank whose held-out error exceeds the lowest by at most one standard error of that excess over the folds (the
/// one-standard-error rule of L. Breiman et al., "Classification and Regression Trees", 1984, on paired differences, as all ranks
/// are judged by the same entries). Without folds: the rank with the highest cophenetic correlation, then the elbow of the error.
pub(super) fn recommend<T>(all: &[Surveyed<T>], elbow: Option<usize>) -> Recommendation {
    by_held_out(all).or_else(|| by_consensus(all)).unwrap_or_else(|| by_elbow(all, elbow))
}

fn by_held_out<T>(all: &[Surveyed<T>]) -> Option<Recommendation> {
    let judged: Vec<&Surveyed<T>> = all.iter().filter(|s| s.held_out.is_some_and(|(mean, _)| mean.is_finite())).collect();
    let best = judged.iter().min_by(|a, b| mean(a).total_cmp(&mean(b)))?;
    let near = |s: &&&Surveyed<T>| {
        let (excess, error) = excess(s, best);
        excess <= error
    };
    let first = judged.iter().find(near)?;
    let last = judged.iter().rfind(near)?;
    let (lowest, se) = best.held_out?;
    let figure = |v: f64| format!("{v:.4e}");
    let (k, low) = (first.k, best.k);
    let mut reason = match first.k == best.k {
        true => format!("the held-out error is lowest at k = {k} ({} ± {})", figure(lowest), figure(se)),
        false => format!(
            "k = {k} is the smallest rank whose held-out error is within one standard error of the lowest, {} ± {} at k = {low}",
            figure(lowest),
            figure(se)
        ),
    };
    let end = judged.last().is_some_and(|s| s.k == best.k);
    match (judged.len(), end) {
        (1, _) => reason.push_str("; no other rank was tried"),
        (_, true) => reason.push_str(&format!("; it is still falling at the largest rank tried, {low}: try larger ones")),
        (_, false) => reason.push_str(if first.k == best.k { " and rises beyond" } else { "" }),
    }
    Some(Recommendation { rank: k, interval: (first.k.min(best.k), last.k.max(best.k)), reason })
}

fn mean<T>(s: &Surveyed<T>) -> f64 {
    s.held_out.map_or(f64::INFINITY, |(mean, _)| mean)
}

/// Mean and standard error over the folds of how much worse `a` is than `b`.
fn excess<T>(a: &Surveyed<T>, b: &Surveyed<T>) -> (f64, f64) {
    let differences: Vec<f64> = a.folds.iter().zip(&b.folds).map(|(a, b)| a - b).collect();
    mean_and_error(&differences)
}

/// Mean and its standard error; the error of a single value is 0.
pub(super) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, if n > 1.0 { (squares / (n - 1.0) / n).sqrt() } else { 0.0 })
}

fn by_consensus<T>(all: &[Surveyed<T>]) -> Option<Recommendation> {
    let stable = all.iter().filter_map(|s| Some((s.k, s.cophenetic?)));
    let (k, most) = stable.clone().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
    let near = || stable.clone().filter(|(_, c)| *c >= most - 0.01).map(|(k, _)| k);
    let interval = (near().min().unwrap_or(k), near().max().unwrap_or(k));
    let reason = format!(
        "nothing was held out; runs from different starts agree most at k = {k} (cophenetic correlation {most:.3}, within 0.01 of it {} to {})",
        interval.0, interval.1
    );
    Some(Recommendation { rank: k, interval, reason })
}

fn by_elbow<T>(all: &[Surveyed<T>], elbow: Option<usize>) -> Recommendation {
    let ends = (all.first().map_or(1, |s| s.k), all.last().map_or(1, |s| s.k));
    match elbow {
        Some(k) => {
            let reason = format!("nothing was held out and there is one run per rank; the error curve bends at k = {k}");
            Recommendation { rank: k, interval: ends, reason }
        }
        None => {
            let reason = "nothing was held out and the error curve has no bend: the smallest rank".to_string();
            Recommendation { rank: ends.0, interval: ends, reason }
        }
    }
}
