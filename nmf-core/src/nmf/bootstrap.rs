//! How much H varies with the rows of X: the bootstrap.

mod spread;

use super::{Fitted, Nmf};
use crate::fit::{Run, Start};
use crate::init::Init;
use crate::observer::Flow;
use crate::solver::SolverKind;
use crate::stability::{assign, cosines};
use crate::{Backend, Element, Error, Matrix, MatrixRef, Problem, Result, Weighted};
use ndarray::{Array2, ArrayView2, Axis, s};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spread::Spread;
use std::sync::Arc;

/// H over resamples of the rows of X, entry by entry (each k×n, in the scale of the reference's H), and how well its components were found again.
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    /// Means.
    pub mean: Array2<f64>,
    /// Standard deviations (of a sample: the divisor is one less than the number of resamples); 0 after a single resample.
    pub deviation: Array2<f64>,
    /// 5 % quantiles, interpolated linearly between the order statistics (type 7 of R. J. Hyndman and Y. Fan, The American Statistician
    /// 50(4), 1996; NumPy's default).
    pub low: Array2<f64>,
    /// 95 % quantiles.
    pub high: Array2<f64>,
    /// For each component: mean cosine between its row of H in the resamples and in the reference.
    pub similarity: Vec<f64>,
    /// Resamples done.
    pub resamples: usize,
}

/// Stream of the random numbers of resample 0; initializations use the streams below.
const STREAM: u64 = 5 << 40;

/// Multiplicative updates cannot leave a zero and leave its neighbourhood slowly: their starts are at least this, relative to
/// the mean of the component.
const LEAST: f64 = 1e-3;

/// Bootstrap over the rows of X (B. Efron, Annals of Statistics 7, 1979): `resamples` ≥ 2 times, m of the m rows of X (m×n) are drawn with
/// replacement and factored with the settings of `nmf`, from the reference `fitted`, which is what `nmf` made of X. The start is
/// the reference's H and the drawn rows of its W; weights, masks and fixed columns of W are drawn with the rows.
///
/// The spread is that around the reference, which the runs start from: what other starts would find is the business of
/// [`match_runs`](crate::stability::match_runs). A run that stops early has not left the reference, so that a coarse tolerance makes the spread too
/// small. Entries of H at 0, the bound, cannot spread downwards.
///
/// Components are matched by the cosines of their rows of H ([`assign`]), fixed ones keep their places. A row of H is known up
/// to its scale only, which is no part of the spread: each row is scaled to be as near to the reference's row as it can be
/// (Procrustes; M. E. Timmerman, H. A. L. Kiers and A. K. Smilde, Br. J. Math. Stat. Psychol. 60(2), 2007, for principal components). A model
/// that holds exactly has no spread then, and a component that a resample lacks comes out small. Where columns of W are fixed, the scale of
/// their rows of H is not free and is left as it is.
///
/// Resample r draws from a ChaCha8 stream of its own, so that it does not depend on how many there are. A draw without anything
/// to factor (only rows that are zero or unknown) is drawn again. `progress` learns how many resamples are done after each of them; when it answers
/// [`Flow::Stop`], the result is that of these. Memory: a copy of X and of W, and about (6 + B/10)·8 bytes for each entry
/// of H, because only the order statistics that the quantiles need are kept.
///
/// Errors: those of [`Nmf::fit`]; fewer than two resamples; factors that are not of the shape of X and `nmf`.
pub fn bootstrap<B: Backend>(
    b: &mut B,
    x: MatrixRef<'_, B::Elem>,
    nmf: &Nmf<B::Elem>,
    fitted: &Fitted<B::Elem>,
    resamples: usize,
    seed: u64,
    progress: &mut dyn FnMut(usize) -> Flow,
) -> Result<Bootstrap> {
    if resamples < 2 {
        return Err(Error::Parameter { name: "resamples", value: resamples.to_string(), expected: "at least 2" });
    }
    let (kind, useful) = {
        let weighted = nmf.weighted(&x)?;
        let problem = nmf.problem(x.reborrow(), weighted.as_ref())?;
        (nmf.check(b, &problem)?, useful_rows(&problem, weighted.as_ref()))
    };
    let ((m, n), run) = (x.dim(), &fitted.run);
    Error::check_shape("W of the reference", (m, nmf.rank * nmf.options.shifts), run.w.dim())?;
    Error::check_shape("H of the reference", (nmf.rank, n), fitted.h().dim())?;

    let mut again = Nmf { restarts: 1, trace_every: 0, kkt: false, ..nmf.clone() };
    if kind != SolverKind::Mu {
        // `Auto` must not choose otherwise because the drawn rows are less sparse; mu is never chosen for that, and its exponent
        // depends on who chose
        again.solver = kind;
    }
    let least = if kind.keeps_zeros() { LEAST } else { 0.0 };
    let start = Start { w: raised(&run.w, least), h: raised(&run.h, least) };
    let (x_rows, weight_rows) = (by_rows(&x), nmf.weights.as_ref().and_then(|w| by_rows(&w.view())));
    let x = x_rows.as_ref().map_or(x.reborrow(), Matrix::view);
    let weights = nmf.weights.as_ref().map(|w| weight_rows.as_ref().unwrap_or(w));

    let (mut spread, mut similarity) = (Spread::new((nmf.rank, n), resamples), vec![0.0; nmf.rank]);
    for resample in 0..resamples {
        let rows = draw(seed, resample, &useful);
        again.init = Init::Custom(Start { w: start.w.select(Axis(0), &rows), h: start.h.clone() });
        again.weights = weights.map(|w| Arc::new(w.select_rows(&rows)));
        again.fixed_w = nmf.fixed_w.as_ref().map(|f| f.select(Axis(0), &rows));
        let fit = again.fit(b, &x.select_rows(&rows))?;
        let (h, found) = nmf.aligned(run, &fit.run);
        spread.add(&h);
        similarity.iter_mut().zip(found).for_each(|(sum, cosine)| *sum += cosine);
        if progress(resample + 1) == Flow::Stop {
            break;
        }
    }
    let done = spread.count();
    similarity.iter_mut().for_each(|sum| *sum /= done as f64);
    let (low, high) = spread.quantiles();
    Ok(Bootstrap { mean: spread.mean(), deviation: spread.deviation(), low, high, similarity, resamples: done })
}

impl<T: Element> Nmf<T> {
    /// H of a resample (k×n) in the order and the scale of the reference, and the cosine of each row with the reference's.
    fn aligned(&self, reference: &Run<T>, run: &Run<T>) -> (Array2<f64>, Vec<f64>) {
        let shifts = self.options.shifts;
        let fixed_w = self.fixed_w.as_ref().map_or(0, |f| f.ncols() / shifts);
        let fixed_h = self.fixed_h.as_ref().map_or(0, |f| f.nrows());
        let fixed = fixed_w.max(fixed_h);
        let cosine = cosines(reference.h.view(), run.h.view());
        let mut order: Vec<usize> = (0..fixed).collect();
        order.extend(assign(cosine.slice(s![fixed.., fixed..])).into_iter().map(|c| fixed + c));

        let mut h = Array2::zeros((order.len(), run.h.nrows()));
        for (q, (mut out, c)) in h.outer_iter_mut().zip(&order).enumerate() {
            if q < fixed_h {
                // given: no spread, whatever scale the reference was normalized to
                out.assign(&reference.h.column(q).mapv(T::f64));
                continue;
            }
            let scale = match &self.fixed_w {
                Some(given) if q < fixed_w => {
                    let columns = s![.., q * shifts..(q + 1) * shifts];
                    // 1 unless the reference was normalized
                    ratio(sum(given.slice(columns)), sum(reference.w.slice(columns)))
                }
                _ => {
                    let norm = |h: &Array2<T>, q| h.column(q).iter().map(|v| v.f64() * v.f64()).sum::<f64>().sqrt();
                    cosine[[q, *c]] * ratio(norm(&reference.h, q), norm(&run.h, *c))
                }
            };
            out.assign(&run.h.column(*c).mapv(|v| scale * v.f64()));
        }
        (h, order.iter().enumerate().map(|(q, c)| cosine[[q, *c]]).collect())
    }
}

/// a/b; 0 where that is no number.
fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 && (a / b).is_finite() { a / b } else { 0.0 }
}

fn sum<T: Element>(a: ArrayView2<'_, T>) -> f64 {
    a.iter().map(|v| v.f64()).sum()
}

/// The factor with every entry at least `least` times the mean of its column.
fn raised<T: Element>(factor: &Array2<T>, least: f64) -> Array2<T> {
    let mut out = factor.clone();
    for mut column in out.columns_mut() {
        let floor = T::of(least * column.iter().map(|v| v.f64()).sum::<f64>() / column.len().max(1) as f64);
        column.mapv_inplace(|v| v.max(floor));
    }
    out
}

/// The same matrix in CSR if it is in CSC, from which rows are slow to take.
fn by_rows<T: Element>(x: &MatrixRef<'_, T>) -> Option<Matrix<T>> {
    match x {
        MatrixRef::Sparse(s) if s.is_csc() => Some(Matrix::Sparse(s.to_csr())),
        _ => None,
    }
}

/// Which rows have a positive entry that counts.
fn useful_rows<T: Element>(problem: &Problem<'_, T>, weighted: Option<&Weighted<'_, T>>) -> Vec<bool> {
    let (x, mut useful) = (problem.x(), vec![false; problem.dim().0]);
    match (&x, weighted.map(Weighted::weights)) {
        (MatrixRef::Dense(x), Some(MatrixRef::Dense(weights))) => {
            let known = x.indexed_iter().zip(weights).filter(|(_, weight)| **weight > T::zero());
            known.for_each(|(((i, _), v), _)| useful[i] |= *v > T::zero());
        }
        // a sparse pair stores what counts
        _ => x.for_each(|i, _, v| useful[i] |= v > T::zero()),
    }
    useful
}

/// As many rows as there are, with replacement; at least one of them is useful.
fn draw(seed: u64, resample: usize, useful: &[bool]) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(STREAM | resample as u64);
    // the upper half of 64 bits times m: uniform but for 2⁻³² at most
    let mut row = || ((u128::from(rng.next_u64()) * useful.len() as u128) >> 64) as usize;
    loop {
        let rows: Vec<usize> = useful.iter().map(|_| row()).collect();
        if rows.iter().any(|i| useful[*i]) {
            return rows;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::Stopped;
    use ndarray::array;

    fn run(w: Array2<f64>, h: Array2<f64>) -> Run<f64> {
        let h = h.reversed_axes();
        let (divergence, objective, kkt_residual, seconds) = (0.0, 0.0, None, 0.0);
        Run { w, h, trace: vec![], iterations: 0, stopped: Stopped::Tol, divergence, objective, kkt_residual, seconds }
    }

    #[test]
    fn rows_come_back_in_order_and_to_scale() {
        let w = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let h = array![[1.0, 0.0, 2.0, 0.0], [0.0, 3.0, 0.0, 0.0], [1.0, 1.0, 1.0, 5.0]];
        let reference = run(w.clone(), h.clone());
        // component c of the resample is component [2, 0, 1][c] of the reference, at another scale
        let moved = array![[8.0, 8.0, 8.0, 40.0], [0.25, 0.0, 0.5, 0.0], [0.0, 1.5, 0.0, 0.0]];
        let (back, cosines) = Nmf::new(3).aligned(&reference, &run(w.clone(), moved.clone()));
        assert!((&back - &h).iter().all(|d| d.abs() < 1e-14), "{back}");
        assert!(cosines.iter().all(|c| (c - 1.0).abs() < 1e-14));
        // what is fixed keeps its place, and where W is fixed the scale
        let nmf = Nmf::new(3).fix_w(w.slice(s![.., ..1]).to_owned());
        let (back, cosines) = nmf.aligned(&reference, &run(w.clone(), moved.clone()));
        assert_eq!(back.row(0), moved.row(0));
        assert!((cosines[0] - 3.0 / (5.0f64 * 28.0).sqrt()).abs() < 1e-14);
        // a reference normalized to half of W
        let halved = run(&w * 0.5, &h * 2.0);
        assert_eq!(nmf.aligned(&halved, &run(w.clone(), moved.clone())).0.row(0), &moved.row(0) * 2.0);
        // given rows of H
        let nmf = Nmf::new(3).fix_h(h.slice(s![..2, ..]).to_owned());
        let (back, _) = nmf.aligned(&halved, &run(w, h.clone()));
        assert_eq!(back.slice(s![..2, ..]), &h.slice(s![..2, ..]) * 2.0);
        assert!((&back.row(2) - &(&h.row(2) * 2.0)).iter().all(|d| d.abs() < 1e-14));
    }

    #[test]
    fn what_is_nearest_to_the_reference_can_be_nothing() {
        let reference = run(array![[1.0]], array![[1.0, 1.0, 0.0]]);
        // halfway: the projection of (1, 1, 0) on (1, 0, 0)
        let (h, cosines) = Nmf::new(1).aligned(&reference, &run(array![[1.0]], array![[1e9, 0.0, 0.0]]));
        assert!((&h - &array![[1.0, 0.0, 0.0]]).iter().all(|d| d.abs() < 1e-14));
        assert!((cosines[0] - 0.5f64.sqrt()).abs() < 1e-14);
        for other in [array![[0.0, 0.0, 1e-9]], array![[0.0, 0.0, 0.0]]] {
            let (h, cosines) = Nmf::new(1).aligned(&reference, &run(array![[1.0]], other));
            assert_eq!((h, cosines), (Array2::zeros((1, 3)), vec![0.0]));
        }
    }

    #[test]
    fn draws_are_uniform_and_hold_something() {
        let all = vec![true; 50];
        let mut counts = [0.0; 50];
        (0..400).for_each(|r| draw(3, r, &all).into_iter().for_each(|i| counts[i] += 1.0));
        // χ² with 49 degrees of freedom: 49 ± 9.9
        let chi2: f64 = counts.iter().map(|c| (c - 400.0f64).powi(2) / 400.0).sum();
        assert!((20.0..90.0).contains(&chi2), "{chi2}");
        assert_ne!(draw(3, 0, &all), draw(3, 1, &all));
        assert_ne!(draw(3, 0, &all), draw(4, 0, &all));
        let one = [false, false, true, false];
        (0..100).for_each(|r| assert!(draw(1, r, &one).contains(&2)));
    }
}
