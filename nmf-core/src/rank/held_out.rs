//! Held-out error: X is factored without some of its entries, and the model is judged by them.

use super::kept::Fold;
use super::left_out::LeftOut;
use super::speckle::{Entry, Rows};
use super::{Survey, Watch};
use crate::init::uniform;
use crate::{
    Backend, Element, Error, Fitted, Flow, Init, Loss, Matrix, MatrixRef, Nmf, Observed, Progress, Result, Sparse,
};
use ndarray::{Array2, ArrayView2, concatenate, s};

/// Random starts of every factorization, beside the warm one; the best by the entries that are not held out is judged.
const RANDOM_STARTS: u64 = 2;
/// A model below this share of X's mean is judged as if it were there: under kl and is an entry x > 0 that the model gives no
/// chance would otherwise cost without limit, and one such entry would decide.
const FLOOR: f64 = 1e-3;

/// The range in which a model is judged, for X of this mean and largest entry. Beyond the largest entry there is nothing to predict, and
/// a row that has lost nearly all its entries to a fold may be given anything: one entry would decide again.
pub(super) fn range(mean: f64, largest: f64) -> (f64, f64) {
    (FLOOR * mean, largest.max(FLOOR * mean))
}

/// What is left to learn from once a fold is held out.
pub(super) enum Rest<T: Element> {
    /// X as it is, with these weights.
    Weights(Matrix<T>),
    /// X without the held-out entries, and those as stored zeros: all other entries count.
    Without(Sparse<T>, Sparse<T>),
}

impl<T: Element> Rest<T> {
    pub(super) fn new(rows: &Rows<'_, T>, held: &[Entry]) -> Rest<T> {
        let dim = rows.dim();
        match rows {
            Rows::Dense(_, weights) => {
                let mut w = match weights {
                    Some(MatrixRef::Dense(w)) => w.to_owned(),
                    _ => Array2::ones(dim),
                };
                held.iter().for_each(|e| w[[e.row as usize, e.col as usize]] = T::zero());
                Rest::Weights(Matrix::Dense(w))
            }
            Rows::Sparse { x, weights, all: false } => {
                let mut w = weights.clone().unwrap_or_else(|| x.map(|_| T::one()));
                for e in held {
                    if let Some(v) = w.get_mut(e.row as usize, e.col as usize) {
                        *v = T::zero();
                    }
                }
                Rest::Weights(Matrix::Sparse(w))
            }
            Rows::Sparse { x, .. } => {
                let (mut offsets, mut indices, mut values) = (vec![0u64], Vec::new(), Vec::new());
                let mut pattern = (vec![0u64], Vec::new());
                let mut next = held.iter().peekable();
                for (i, row) in x.outer_iterator().enumerate() {
                    let from = pattern.1.len();
                    while let Some(e) = next.next_if(|e| e.row as usize == i) {
                        pattern.1.push(e.col);
                    }
                    let out = &pattern.1[from..];
                    for (j, v) in row.iter() {
                        if out.binary_search(&(j as u32)).is_err() {
                            indices.push(j as u32);
                            values.push(*v);
                        }
                    }
                    offsets.push(indices.len() as u64);
                    pattern.0.push(pattern.1.len() as u64);
                }
                let zeros = vec![T::zero(); pattern.1.len()];
                Rest::Without(Sparse::new(dim, offsets, indices, values), Sparse::new(dim, pattern.0, pattern.1, zeros))
            }
        }
    }
}

/// One fold through all ranks, as far as it is not done.
pub(super) struct Chain<'a, T: Element> {
    pub(super) survey: &'a Survey<T>,
    /// X, in the layout of the weights.
    pub(super) x: MatrixRef<'a, T>,
    pub(super) rest: &'a Rest<T>,
    pub(super) held: &'a [Entry],
    /// What a model is held to be at least and at most where it is judged.
    pub(super) range: (f64, f64),
    pub(super) fold: usize,
    pub(super) watch: &'a dyn Watch,
}

impl<T: Element> Chain<'_, T> {
    /// Continues after what `done` holds and hands out what there is after every rank; `false` if it was asked to stop.
    pub(super) fn run<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        done: Option<Fold<T>>,
        keep: &mut (dyn FnMut(&Fold<T>) -> Result<()> + Send),
    ) -> Result<bool> {
        let base = self.survey.nmf.clone().observed(Observed::All);
        match self.rest {
            Rest::Weights(w) => {
                let base = base.for_masks(false).weights(w.clone());
                self.ranks(b, self.x.reborrow(), &base, done, keep)
            }
            Rest::Without(x, pattern) => {
                let base = base.for_masks(true);
                // operations run where the scope puts them; the wrapper needs none of its own
                b.scope(|b| self.ranks(&mut LeftOut::new(b, pattern), x.into(), &base, done, keep))
            }
        }
    }

    fn named(&self, k: usize, e: Error) -> Error {
        Error::Within { what: format!("at k = {k}, without fold {}", self.fold), source: Box::new(e) }
    }

    fn ranks<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        x: MatrixRef<'_, T>,
        base: &Nmf<T>,
        done: Option<Fold<T>>,
        keep: &mut (dyn FnMut(&Fold<T>) -> Result<()> + Send),
    ) -> Result<bool> {
        let mut fold = done.unwrap_or_default();
        let remaining = self.survey.ranks.get(fold.errors.len()..).unwrap_or_default();
        if remaining.is_empty() {
            return Ok(true);
        }
        let weighted = base.weighted(&x).map_err(|e| self.named(remaining[0], e))?;
        let problem = base.problem(x.reborrow(), weighted.as_ref()).map_err(|e| self.named(remaining[0], e))?;
        let data = problem.upload(b)?;
        for &k in remaining {
            let base = base.clone().with_rank(k).restarts(1).trace_every(0).kkt(false);
            let mut starts: Vec<Nmf<T>> = (0..RANDOM_STARTS)
                .map(|r| base.clone().init(Init::Random).seed(self.survey.fold_seed(self.fold, k, r)))
                .collect();
            if let Some((w, h)) = &fold.last {
                let seed = self.survey.fold_seed(self.fold, k, RANDOM_STARTS);
                let (w, h) = (widened(w, k, seed, 0), widened(&h.t().to_owned(), k, seed, 1));
                starts.push(base.clone().start(w, h.reversed_axes()));
            }
            let mut best: Option<Fitted<T>> = None;
            for nmf in starts {
                let mut look = |_: &Progress| if self.watch.stopping() { Flow::Stop } else { Flow::Continue };
                let fitted = nmf.fit_uploaded(b, &data, &problem, 0.0, &mut look).map_err(|e| self.named(k, e))?;
                if self.watch.stopping() {
                    return Ok(false);
                }
                if best.as_ref().is_none_or(|old| fitted.objective() < old.objective()) {
                    best = Some(fitted);
                }
            }
            let Some(best) = best else { return Ok(false) };
            let error = held_out_error(base.loss_ref(), self.held, best.w(), best.h(), self.range);
            fold.ranks.push(k);
            fold.errors.push(error);
            fold.last = Some(best.into_factors());
            keep(&fold)?;
            self.watch.done(&super::Unit::Fold { k, fold: self.fold });
        }
        Ok(true)
    }
}

/// A factor (rows × k') with random columns of the mean size of the others behind, rows × k.
fn widened<T: Element>(f: &Array2<T>, k: usize, seed: u64, which: u64) -> Array2<T> {
    let more = k.saturating_sub(f.ncols());
    let mean = f.iter().map(|v| v.f64()).sum::<f64>() / f.len().max(1) as f64;
    let new = uniform(f.nrows(), more, seed, which, 2.0 * mean);
    let old = f.slice(s![.., ..k.min(f.ncols())]);
    // both have the rows of f
    concatenate(ndarray::Axis(1), &[old, new.view()]).unwrap_or_else(|_| f.clone())
}

/// Σ ω·d(x, v) / Σ ω over held-out entries, v = w·h brought into the range.
fn held_out_error<T: Element>(
    loss: &Loss,
    held: &[Entry],
    w: ArrayView2<'_, T>,
    h: ArrayView2<'_, T>,
    (least, most): (f64, f64),
) -> f64 {
    let h = h.t();
    let (mut sum, mut total) = (0.0, 0.0);
    for e in held {
        let pairs = w.row(e.row as usize).into_iter().zip(h.row(e.col as usize));
        let v: f64 = pairs.map(|(a, b)| a.f64() * b.f64()).sum();
        sum += e.weight * loss.value(e.value, v.clamp(least, most));
        total += e.weight;
    }
    if total > 0.0 { sum / total } else { f64::NAN }
}
