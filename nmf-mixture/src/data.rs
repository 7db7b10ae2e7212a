//! Checked rows and weights, and sums over them that do not depend on the number of threads.

use crate::{Error, Result};
use ndarray::{ArrayView1, ArrayView2};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::borrow::Cow;

/// Rows of a block: the boundaries of partial sums, fixed so that no sum depends on the number of threads.
pub(crate) const BLOCK: usize = 4096;

/// Rows×d values, all finite, and a weight ≥ 0 for each row, not all zero.
#[derive(Debug)]
pub(crate) struct Data<'a> {
    /// Row-major.
    values: Cow<'a, [f64]>,
    rows: usize,
    cols: usize,
    weights: Option<Vec<f64>>,
    /// Sum of the weights.
    pub(crate) total: f64,
    /// Rows of weight > 0.
    pub(crate) carried: usize,
}

impl<'a> Data<'a> {
    /// Checks `data` and `weights` (one per row; none: all 1).
    pub(crate) fn new(data: ArrayView2<'a, f64>, weights: Option<ArrayView1<'_, f64>>) -> Result<Self> {
        let (rows, cols) = data.dim();
        if rows == 0 || cols == 0 {
            return Err(Error::Empty { rows, cols });
        }
        if let Some(((row, col), &value)) = data.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::NotFinite { row, col, value });
        }
        let (mut total, mut carried) = (rows as f64, rows);
        if let Some(weights) = weights {
            if weights.len() != rows {
                return Err(Error::WeightCount { expected: rows, found: weights.len() });
            }
            if let Some(row) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
                return Err(Error::Weight { row, value: weights[row] });
            }
            total = weights.iter().sum();
            carried = weights.iter().filter(|w| **w > 0.0).count();
            if !total.is_finite() || (carried > 0 && total < f64::MIN_POSITIVE) {
                return Err(Error::Parameter {
                    name: "sum of the weights",
                    value: total.to_string(),
                    expected: "a normal number; scale them",
                });
            }
        }
        let values = data.to_slice().map_or_else(|| Cow::Owned(data.iter().copied().collect()), Cow::Borrowed);
        Ok(Data { values, rows, cols, weights: weights.map(|w| w.to_vec()), total, carried })
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// Row-major values.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// One row.
    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.values()[i * self.cols()..][..self.cols()]
    }

    /// The weight of a row.
    pub(crate) fn weight(&self, i: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| w[i])
    }

    /// The weights of the rows from `start`, at most [`BLOCK`]; none: all 1.
    fn block_weights(&self, start: usize) -> Option<&[f64]> {
        self.weights.as_ref().map(|w| &w[start..w.len().min(start + BLOCK)])
    }

    /// `f(first row, values, weights)` of every block, in the order of the blocks.
    pub(crate) fn map_blocks<T: Send>(&self, f: impl Fn(usize, &[f64], Option<&[f64]>) -> T + Sync) -> Vec<T> {
        let blocks = self.values().par_chunks(BLOCK * self.cols()).enumerate();
        blocks.map(|(b, values)| f(b * BLOCK, values, self.block_weights(b * BLOCK))).collect()
    }

    /// As [`Data::map_blocks`], each block with its piece of `out` (`width` entries for each row).
    pub(crate) fn map_blocks_into<O: Send, T: Send>(
        &self,
        out: &mut [O],
        width: usize,
        f: impl Fn(usize, &[f64], Option<&[f64]>, &mut [O]) -> T + Sync,
    ) -> Vec<T> {
        let blocks = self.values().par_chunks(BLOCK * self.cols()).zip(out.par_chunks_mut(BLOCK * width)).enumerate();
        blocks.map(|(b, (values, out))| f(b * BLOCK, values, self.block_weights(b * BLOCK), out)).collect()
    }

    /// Weighted mean and variance of every column.
    pub(crate) fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let d = self.cols();
        let sums = |about: &[f64], power: i32| -> Vec<f64> {
            let parts = self.map_blocks(|_, values, weights| {
                let mut part = vec![0.0; d];
                for (i, row) in values.chunks_exact(d).enumerate() {
                    let w = weights.map_or(1.0, |w| w[i]) / self.total;
                    for ((p, x), a) in part.iter_mut().zip(row).zip(about) {
                        *p += w * (x - a).powi(power);
                    }
                }
                part
            });
            let mut all = vec![0.0; d];
            parts.iter().for_each(|part| all.iter_mut().zip(part).for_each(|(a, p)| *a += p));
            all
        };
        // about a row first, so that a column of one value has exactly that mean
        let mut mean = self.row(0).to_vec();
        sums(&mean.clone(), 1).iter().zip(&mut mean).for_each(|(s, m)| *m += s);
        let variance = sums(&mean, 2);
        (mean, variance)
    }

    /// Means and variances for Gaussians: every variance a normal number > 0.
    pub(crate) fn spread(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        let (mean, variance) = self.moments();
        for col in 0..self.cols() {
            let (m, v) = (mean[col], variance[col]);
            if !v.is_finite() || !m.is_finite() {
                return Err(Error::Range { col, reason: "the squares of its values overflow".into() });
            }
            if v <= 1e-24 * m * m || v == 0.0 {
                let first = (0..self.rows()).find(|&i| self.weight(i) > 0.0).unwrap_or(0);
                let value = self.row(first)[col];
                let constant = (0..self.rows()).all(|i| self.weight(i) == 0.0 || self.row(i)[col] == value);
                if constant {
                    return Err(Error::Constant { col, value });
                }
                let reason = format!("its spread is lost in the rounding of its mean {m}, subtract that");
                return Err(Error::Range { col, reason });
            }
            if v < 1e-290 {
                return Err(Error::Range { col, reason: "the squares of its deviations underflow".into() });
            }
        }
        Ok((mean, variance))
    }

    /// Row drawn with probability ∝ weight · `share(row)`; none if all are zero. `sums` are the block sums of that.
    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng, sums: &[f64], share: impl Fn(usize) -> f64) -> Option<usize> {
        let total: f64 = sums.iter().sum();
        if total.is_nan() || total <= 0.0 {
            return None;
        }
        let mut left = rng.random::<f64>() * total;
        let mut last = None;
        for (b, sum) in sums.iter().enumerate() {
            // the last block with anything in it answers for the rounding of the total
            if left >= *sum && sums[b + 1..].iter().any(|s| *s > 0.0) {
                left -= sum;
                continue;
            }
            for i in b * BLOCK..self.rows().min((b + 1) * BLOCK) {
                let p = self.weight(i) * share(i);
                if p > 0.0 {
                    last = Some(i);
                    left -= p;
                    if left < 0.0 {
                        return last;
                    }
                }
            }
            if last.is_some() {
                return last;
            }
        }
        last
    }
}
