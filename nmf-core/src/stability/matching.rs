//! Components of several runs brought into one order.

use super::assign;
use crate::Element;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, s};

/// Rows that are widened to f64 and multiplied at a time.
const BLOCK: usize = 1024;

/// Rounds of clustering at most; two or three are usual.
const ROUNDS: usize = 50;

/// Distances below this are roundings of 0.
const ROUNDING: f64 = 1e-12;

/// aᵀ·b (p×q) in f64 of a (n×p) and b (n×q), block by block, so that neither is copied as a whole.
fn products<T: Element, U: Element>(a: ArrayView2<'_, T>, b: ArrayView2<'_, U>) -> Array2<f64> {
    let rows = a.nrows().min(b.nrows());
    let mut out = Array2::zeros((a.ncols(), b.ncols()));
    for start in (0..rows).step_by(BLOCK) {
        let block = s![start..rows.min(start + BLOCK), ..];
        let (a, b) = (a.slice(block).mapv(T::f64), b.slice(block).mapv(U::f64));
        general_mat_mul(1.0, &a.t(), &b, 1.0, &mut out);
    }
    out
}

/// 1 over the Euclidean norm of each column, 0 for a column without one.
fn inverse_norms<T: Element>(a: ArrayView2<'_, T>) -> Vec<f64> {
    let mut squares = vec![0.0; a.ncols()];
    for row in a.outer_iter() {
        squares.iter_mut().zip(row).for_each(|(sum, v)| *sum += v.f64() * v.f64());
    }
    squares.into_iter().map(|s: f64| if s > 0.0 && s.is_finite() { 1.0 / s.sqrt() } else { 0.0 }).collect()
}

/// Cosine similarities of the columns of a (n×p) and b (n×q): p×q. A column of zeros is similar to nothing (0). Rows that only
/// one of them has count as zeros of the other.
pub fn cosines<T: Element>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>) -> Array2<f64> {
    let (of_a, of_b) = (inverse_norms(a), inverse_norms(b));
    let mut out = products(a, b);
    out.indexed_iter_mut().for_each(|((p, q), c)| {
        let scale = of_a[p] * of_b[q];
        *c = if scale > 0.0 { (*c * scale).clamp(-1.0, 1.0) } else { 0.0 };
    });
    out
}

/// Bases of several runs in the order of a reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// For each run: which of its bases belongs to the reference's basis q. The reference has 0, 1, ….
    pub permutations: Vec<Vec<usize>>,
    /// For each q: mean cosine of the bases of the other runs to the reference's basis q; 1 for a single run.
    pub stability: Vec<f64>,
    /// For each q: mean silhouette of the cluster's members by cosine distance, −1 to 1.
    pub silhouette: Vec<f64>,
}

/// A run that takes part.
struct Run<'a, T> {
    number: usize,
    bases: ArrayView2<'a, T>,
    /// 1 over the norms of the bases.
    inverse: Vec<f64>,
    /// Cosines of the reference's bases (rows) with this run's.
    to_reference: Array2<f64>,
    /// Which basis is in each cluster.
    members: Vec<usize>,
    /// Inner products of the clusters' sums of unit vectors (rows) with this run's unit vectors.
    to_sums: Array2<f64>,
}

/// Clusters the bases of all runs (each n×k: W, or Hᵀ) into k clusters with exactly one basis of each run in every
/// cluster, and names the clusters after the bases of the run `reference`.
///
/// The reference's bases are the first centres. Each run is assigned by the sum of its cosines with the centres ([`assign`]), the
/// centres become the means of their members' unit vectors, and so on until nothing changes, at most 50 times: spherical k-means under the constraint
/// of one member a run (B. S. Alexandrov et al., "Deciphering signatures of mutational processes operative in human cancer",
/// Cell Reports 3(1), 2013; the method known as NMFk).
///
/// Silhouettes (P. J. Rousseeuw, J. Comput. Appl. Math. 20, 1987) are those of one minus the cosine, and 0 for a single run, as for
/// every cluster with one member. With k = 1 there is no other cluster to be mistaken for and the silhouette is 1, as in the programs
/// of the method's authors.
///
/// A run of another shape than the reference takes no part, its permutation is empty. Without a reference (a number that no
/// run has) everything is empty.
pub fn match_runs<T: Element>(bases: &[ArrayView2<'_, T>], reference: usize) -> Matched {
    let mut permutations = vec![Vec::new(); bases.len()];
    let Some(first) = bases.get(reference) else {
        return Matched { permutations, stability: Vec::new(), silhouette: Vec::new() };
    };
    let ((n, k), mut runs) = (first.dim(), Vec::with_capacity(bases.len()));
    for (number, bases) in bases.iter().enumerate().filter(|(_, b)| b.dim() == first.dim()) {
        let to_reference = cosines(*first, *bases);
        let members = assign(to_reference.view());
        let inverse = inverse_norms(*bases);
        runs.push(Run { number, bases: *bases, inverse, to_reference, members, to_sums: Array2::zeros((0, 0)) });
    }
    for round in 1..=ROUNDS {
        let mut sums = Array2::<f64>::zeros((n, k));
        runs.iter().for_each(|run| run.add_to(&mut sums));
        let centres = inverse_norms(sums.view());
        let mut changed = false;
        let mut next = Vec::with_capacity(runs.len());
        for run in &mut runs {
            run.to_sums = products(sums.view(), run.bases);
            run.to_sums.indexed_iter_mut().for_each(|((_, c), v)| *v *= run.inverse[c]);
            let mut cosines = run.to_sums.clone();
            cosines.indexed_iter_mut().for_each(|((q, _), v)| *v *= centres[q]);
            next.push(assign(cosines.view()));
            changed |= next.last() != Some(&run.members);
        }
        // the sums must stay those of the members
        if !changed || round == ROUNDS {
            break;
        }
        runs.iter_mut().zip(next).for_each(|(run, members)| run.members = members);
    }

    // centres move: the reference's basis may have ended in the cluster that another one began
    let names = runs.iter().find(|r| r.number == reference).map(|r| r.members.clone()).unwrap_or_default();
    let (mut stability, mut silhouette) = (vec![0.0; k], vec![0.0; k]);
    for run in &runs {
        let mut order = vec![0; k];
        for (q, name) in names.iter().enumerate() {
            let member = run.members[q];
            order[*name] = member;
            silhouette[*name] += run.silhouette(q, runs.len()) / runs.len() as f64;
            if run.number != reference {
                stability[*name] += run.to_reference[[*name, member]] / (runs.len() - 1) as f64;
            }
        }
        permutations[run.number] = order;
    }
    if runs.len() == 1 {
        stability.fill(1.0);
    }
    Matched { permutations, stability, silhouette }
}

impl<T: Element> Run<'_, T> {
    /// Adds the unit vector of each cluster's member to the cluster's column.
    fn add_to(&self, sums: &mut Array2<f64>) {
        let scales: Vec<f64> = self.members.iter().map(|c| self.inverse[*c]).collect();
        for (mut out, row) in sums.outer_iter_mut().zip(self.bases.outer_iter()) {
            for ((out, member), scale) in out.iter_mut().zip(&self.members).zip(&scales) {
                *out += row[*member].f64() * scale;
            }
        }
    }

    /// Silhouette of the member of cluster q among `runs` runs. The mean distance to a cluster's members is 1 minus the inner
    /// product with the sum of their unit vectors over their number, so that no pair has to be looked at.
    fn silhouette(&self, q: usize, runs: usize) -> f64 {
        if self.to_sums.nrows() == 1 {
            return 1.0;
        }
        if runs == 1 {
            return 0.0;
        }
        let (member, runs) = (self.members[q], runs as f64);
        let to = self.to_sums.column(member);
        // a unit vector's product with itself; a basis of zeros has none
        let own = if self.inverse[member] > 0.0 { 1.0 } else { 0.0 };
        let distance = |cosine: f64| if 1.0 - cosine < ROUNDING { 0.0 } else { 1.0 - cosine };
        let inside = distance((to[q] - own) / (runs - 1.0));
        let outside = to.iter().enumerate().filter(|(other, _)| *other != q).map(|(_, sum)| distance(sum / runs));
        let nearest = outside.fold(f64::INFINITY, f64::min);
        let larger = inside.max(nearest);
        if larger > 0.0 { (nearest - inside) / larger } else { 0.0 }
    }
}
