//! From the curves to one rank, its spread, and the reason in a sentence.

use super::Surveyed;

/// Which rank to take, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// The rank.
    pub rank: usize,
    /// Lowest and highest rank that the data do not tell from the best one: those whose held-out error is within one standard error;
    /// without folds those whose dispersion is within 0.01 of the highest; without both all ranks.
    pub interval: (usize, usize),
    /// Why, in one sentence.
    pub reason: String,
}

/// The smallest rank whose held-out error exceeds the lowest by at most one standard error of that excess over the folds (the
/// one-standard-error rule of L. Breiman et al., "Classification and Regression Trees", 1984, on paired differences, as all ranks
/// are judged by the same entries). Without folds: where the dispersion of the consensus begins to fall, or without that the elbow of the error.
pub(super) fn recommend<T>(all: &[Surveyed<T>], elbow: Option<usize>) -> Recommendation {
    by_held_out(all).or_else(|| by_consensus(all)).unwrap_or_else(|| by_elbow(all, elbow))
}

fn by_held_out<T>(all: &[Surveyed<T>]) -> Option<Recommendation> {
    let judged: Vec<&Surveyed<T>> =
        all.iter().filter(|s| s.held_out.is_some_and(|(mean, _)| mean.is_finite())).collect();
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
        (_, true) => {
            reason.push_str(&format!("; it is still falling at the largest rank tried, {low}: try larger ones"))
        }
        (_, false) if first.k != best.k => {}
        (_, false) if last.k > best.k => reason.push_str(&format!("; up to k = {} it is hardly higher", last.k)),
        (_, false) => reason.push_str(" and rises beyond"),
    }
    if k > 1 && judged.len() > 1 && judged.first().is_some_and(|s| s.k == k) {
        reason.push_str("; it is the smallest rank tried: try smaller ones");
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

/// The rank with the highest dispersion of the consensus, or a larger one behind it as long as that does not fall: Brunet et al. take the
/// rank where agreement begins to. (They judge by the cophenetic correlation, which stays near 1 for consensus matrices that are far
/// from 0 and 1; H. Kim and H. Park, Bioinformatics 23(12), 2007, therefore introduced the dispersion.)
fn by_consensus<T>(all: &[Surveyed<T>]) -> Option<Recommendation> {
    const FALL: f64 = 0.001;
    let stable: Vec<(usize, f64)> = all.iter().filter_map(|s| Some((s.k, s.dispersion?))).collect();
    let most = stable.iter().map(|(_, d)| *d).reduce(f64::max)?;
    let top = stable.iter().position(|(_, d)| *d == most)?;
    let steps = stable.get(top..)?.windows(2).take_while(|p| p[1].1 >= p[0].1 - FALL).count();
    let (k, here) = *stable.get(top + steps)?;
    let near = || stable.iter().filter(|(_, d)| *d >= most - 10.0 * FALL).map(|(k, _)| *k);
    let interval = (near().min().unwrap_or(k).min(k), near().max().unwrap_or(k).max(k));
    let last = stable.last().is_some_and(|s| s.0 == k);
    let beyond = if last { "the largest rank tried" } else { "less beyond" };
    let reason = format!(
        "nothing was held out; runs from different starts agree best up to k = {k} (dispersion of the consensus {here:.3}; {beyond})"
    );
    Some(Recommendation { rank: k, interval, reason })
}

fn by_elbow<T>(all: &[Surveyed<T>], elbow: Option<usize>) -> Recommendation {
    let ends = (all.first().map_or(1, |s| s.k), all.last().map_or(1, |s| s.k));
    match elbow {
        Some(k) => {
            let reason =
                format!("nothing was held out and there is one run per rank; the error curve bends at k = {k}");
            Recommendation { rank: k, interval: ends, reason }
        }
        None => {
            let reason = "nothing was held out and the error curve has no bend: the smallest rank".to_string();
            Recommendation { rank: ends.0, interval: ends, reason }
        }
    }
}
