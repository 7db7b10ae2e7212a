//! What all runs at one rank come to.

use super::kept::Kept;
use super::{MOST_ITEMS, Surveyed};
use crate::stability::{agreement, consensus, match_runs, memberships};
use crate::{Element, Problem, Side};
use ndarray::{Array2, ArrayView2, Axis};

/// The factor of the items and that of the bases: (items × k, other side × k).
fn sides<T>(run: &Kept<T>, side: Side) -> (ArrayView2<'_, T>, ArrayView2<'_, T>) {
    match side {
        Side::Rows => (run.w.view(), run.h.t()),
        Side::Cols => (run.h.t(), run.w.view()),
    }
}

/// At most [`MOST_ITEMS`] of n items, evenly spread.
pub(super) fn items(n: usize) -> Vec<usize> {
    let shown = n.min(MOST_ITEMS);
    (0..shown).map(|i| (i as u128 * n as u128 / shown as u128) as usize).collect()
}

/// Of all runs at one rank, in the order of their numbers; `None` for no runs.
pub(super) fn summarize<T: Element>(
    mut runs: Vec<Kept<T>>,
    side: Side,
    problem: &Problem<'_, T>,
) -> Option<Surveyed<T>> {
    let best = (0..runs.len()).min_by(|a, b| runs[*a].objective.total_cmp(&runs[*b].objective))?;
    let k = runs[best].k;
    let (m, n) = problem.dim();
    let items = items(if side == Side::Rows { m } else { n });
    // one run agrees with itself, and one component with everything: that says nothing
    let telling = runs.len() > 1 && k > 1;
    let labels: Vec<Vec<u32>> = runs
        .iter()
        .map(|run| {
            let (factor, bases) = sides(run, side);
            let scale: Vec<f64> = bases.axis_iter(Axis(1)).map(|c| c.iter().map(|v| v.f64()).sum()).collect();
            memberships(factor.select(Axis(0), &items).view(), &scale)
        })
        .collect();
    let shared = consensus(&labels);
    let agree = telling.then(|| agreement(shared.view(), k));
    let matched = (runs.len() > 1).then(|| {
        let bases: Vec<ArrayView2<'_, T>> = runs.iter().map(|run| sides(run, side).1).collect();
        match_runs(&bases, best)
    });
    let silhouettes = matched.as_ref().filter(|_| telling).map_or(Vec::new(), |m| m.silhouette.clone());
    let silhouette = (!silhouettes.is_empty()).then(|| silhouettes.iter().sum::<f64>() / silhouettes.len() as f64);
    let divergences = runs.iter().map(|run| run.divergence).collect();
    let norm = problem.sum_squares();
    let Kept { objective, squared_error, w, h, .. } = runs.swap_remove(best);
    Some(Surveyed {
        k,
        divergences,
        best,
        objective,
        squared_error,
        explained: if norm > 0.0 { 1.0 - squared_error / norm } else { 0.0 },
        compresses: (m as f64 + n as f64) * (k as f64) < m as f64 * n as f64,
        held_out: None,
        folds: Vec::new(),
        cophenetic: agree.as_ref().map(|a| a.cophenetic),
        dispersion: agree.as_ref().map(|a| a.dispersion),
        silhouette,
        stability: matched.map_or(Vec::new(), |m| m.stability),
        silhouettes,
        clustered: side,
        order: agree.as_ref().map_or_else(|| (0..items.len()).collect(), |a| a.order.clone()),
        clusters: agree.map_or_else(|| vec![0; items.len()], |a| a.clusters),
        items,
        consensus: if telling { shared } else { Array2::zeros((0, 0)) },
        w,
        h,
    })
}
