//! Where the numbers live: padded factors, dense X, compressed rows and columns.

use crate::simd::LANES;
use ndarray::{Array2, ArrayView2};
use nmf_core::{Element, Error, MatrixRef, Observed, Result, SparseView};
use rayon::prelude::*;

/// A tall factor, rows × k; each row is padded with zeros to a multiple of [`LANES`], so that kernels over k
/// have no remainder.
#[derive(Debug, Clone)]
pub struct Factor<T> {
    pub(crate) rows: usize,
    pub(crate) k: usize,
    pub(crate) stride: usize,
    pub(crate) data: Vec<T>,
}

impl<T: Element> Factor<T> {
    pub(crate) fn zeros(rows: usize, k: usize) -> Self {
        let stride = k.next_multiple_of(LANES);
        Factor { rows, k, stride, data: vec![T::zero(); rows * stride] }
    }

    pub(crate) fn from_view(a: ArrayView2<'_, T>) -> Self {
        let mut f = Factor::zeros(a.nrows(), a.ncols());
        f.set(a);
        f
    }

    pub(crate) fn set(&mut self, a: ArrayView2<'_, T>) {
        for (row, out) in a.outer_iter().zip(self.data.chunks_exact_mut(self.stride)) {
            for (v, o) in row.iter().zip(out) {
                *o = *v;
            }
        }
    }

    pub(crate) fn to_array(&self) -> Array2<T> {
        let mut a = Array2::zeros((self.rows, self.k));
        for (mut out, row) in a.outer_iter_mut().zip(self.data.chunks_exact(self.stride)) {
            for (o, v) in out.iter_mut().zip(row) {
                *o = *v;
            }
        }
        a
    }

    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> &[T] {
        &self.data[i * self.stride..][..self.stride]
    }

    /// Rows from..to, as one slice.
    pub(crate) fn span(&self, from: usize, to: usize) -> &[T] {
        &self.data[from * self.stride..to * self.stride]
    }
}

/// A k×k matrix, rows padded like a factor's.
#[derive(Debug, Clone)]
pub struct Gram<T> {
    pub(crate) k: usize,
    pub(crate) stride: usize,
    pub(crate) data: Vec<T>,
}

impl<T: Element> Gram<T> {
    pub(crate) fn zeros(k: usize) -> Self {
        let stride = k.next_multiple_of(LANES);
        Gram { k, stride, data: vec![T::zero(); k * stride] }
    }
}

/// Numerator and denominator of an update. Allocated when first used: the fused updates never do.
#[derive(Debug, Clone)]
pub struct Terms<T> {
    pub(crate) rows: usize,
    pub(crate) k: usize,
    pub(crate) parts: Option<(Factor<T>, Factor<T>)>,
}

impl<T: Element> Terms<T> {
    /// Numerator and denominator; zero if they were not there yet.
    pub(crate) fn parts(&mut self) -> &mut (Factor<T>, Factor<T>) {
        let (rows, k) = (self.rows, self.k);
        self.parts.get_or_insert_with(|| (Factor::zeros(rows, k), Factor::zeros(rows, k)))
    }
}

/// X in the layouts the kernels want.
#[derive(Debug, Clone)]
pub struct Data<T> {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Σ x.
    pub(crate) sum: f64,
    /// ½ Σ x².
    pub(crate) half_norm: f64,
    pub(crate) store: Store<T>,
}

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // there is one per matrix
pub(crate) enum Store<T> {
    /// Row-major, with weights in the same order; x is 0 where the weight is.
    Dense { x: Vec<T>, weights: Option<Vec<T>> },
    /// Rows, and the same entries by columns, so that both half-steps gather.
    Sparse { by_rows: Compressed<T>, by_cols: Compressed<T>, observed: Observed },
}

/// Compressed rows (or columns): entries of line i are `offsets[i]..offsets[i+1]`.
#[derive(Debug, Clone)]
pub(crate) struct Compressed<T> {
    pub(crate) inner: usize,
    pub(crate) offsets: Vec<usize>,
    pub(crate) indices: Vec<u32>,
    pub(crate) values: Vec<T>,
    /// Weights of the entries; empty where they are not weighted.
    pub(crate) weights: Vec<T>,
    /// Boundaries of pieces of about equal work; they depend on the matrix alone, so that results do not depend on
    /// the number of threads.
    pub(crate) chunks: Vec<usize>,
}

/// Work of a chunk, in entries; a line costs as much as `LINE_COST` entries besides its own.
const CHUNK_WORK: usize = 8192;
const LINE_COST: usize = 4;

impl<T: Element> Compressed<T> {
    fn new(inner: usize, offsets: Vec<usize>, indices: Vec<u32>, values: Vec<T>, weights: Vec<T>) -> Self {
        let lines = offsets.len() - 1;
        let mut chunks = vec![0];
        let mut work = 0;
        for i in 0..lines {
            work += offsets[i + 1] - offsets[i] + LINE_COST;
            if work >= CHUNK_WORK && i + 1 < lines {
                chunks.push(i + 1);
                work = 0;
            }
        }
        chunks.push(lines);
        Compressed { inner, offsets, indices, values, weights, chunks }
    }

    fn from_view(s: &SparseView<'_, T>, weights: Option<&SparseView<'_, T>>, scale: T) -> Self {
        let offsets = s.indptr().raw_storage().iter().map(|&o| o as usize).collect::<Vec<_>>();
        let first = offsets.first().copied().unwrap_or(0);
        let offsets: Vec<usize> = offsets.into_iter().map(|o| o - first).collect();
        let Some(weights) = weights.map(|w| w.data()) else {
            let values = s.data().iter().map(|&v| v * scale).collect();
            return Compressed::new(s.inner_dims(), offsets, s.indices().to_vec(), values, Vec::new());
        };
        // an entry of weight 0 is unknown, whatever X holds there
        let counts = |e: &usize| weights[*e] > T::zero();
        let kept: Vec<usize> = (0..weights.len()).filter(counts).collect();
        let before: Vec<usize> = offsets.iter().map(|&o| kept.partition_point(|&e| e < o)).collect();
        let indices = kept.iter().map(|&e| s.indices()[e]).collect();
        let values = kept.iter().map(|&e| s.data()[e] * scale).collect();
        Compressed::new(s.inner_dims(), before, indices, values, kept.iter().map(|&e| weights[e]).collect())
    }

    /// The same entries by the other index: a counting sort, which keeps indices ordered.
    fn transposed(&self) -> Self {
        let mut offsets = vec![0usize; self.inner + 1];
        for &j in &self.indices {
            offsets[j as usize + 1] += 1;
        }
        for j in 0..self.inner {
            offsets[j + 1] += offsets[j];
        }
        let mut next = offsets.clone();
        let (mut indices, mut values) = (vec![0u32; self.indices.len()], vec![T::zero(); self.values.len()]);
        let mut weights = vec![T::zero(); self.weights.len()];
        for i in 0..self.lines() {
            for p in self.offsets[i]..self.offsets[i + 1] {
                let at = &mut next[self.indices[p] as usize];
                indices[*at] = i as u32;
                values[*at] = self.values[p];
                if let (Some(to), Some(w)) = (weights.get_mut(*at), self.weights.get(p)) {
                    *to = *w;
                }
                *at += 1;
            }
        }
        Compressed::new(self.lines(), offsets, indices, values, weights)
    }

    pub(crate) fn lines(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Indices and values of a line.
    #[inline(always)]
    pub(crate) fn line(&self, i: usize) -> (&[u32], &[T]) {
        let (a, b) = (self.offsets[i], self.offsets[i + 1]);
        (&self.indices[a..b], &self.values[a..b])
    }

    /// Weights of a line's entries, where they are weighted.
    #[inline(always)]
    pub(crate) fn line_weights(&self, i: usize) -> Option<&[T]> {
        (!self.weights.is_empty()).then(|| &self.weights[self.offsets[i]..self.offsets[i + 1]])
    }

    /// Cuts `rows` (stride numbers each) along the chunks, for parallel work: (first line, last line + 1, rows).
    pub(crate) fn split<'a>(&self, rows: &'a mut [T], stride: usize) -> Vec<(usize, usize, &'a mut [T])> {
        let mut rest = rows;
        let mut out = Vec::with_capacity(self.chunks.len() - 1);
        for c in self.chunks.windows(2) {
            let (head, tail) = rest.split_at_mut((c[1] - c[0]) * stride);
            rest = tail;
            out.push((c[0], c[1], head));
        }
        out
    }
}

impl<T: Element> Data<T> {
    pub(crate) fn new(x: &MatrixRef<'_, T>, scale: T, observed: Observed) -> Self {
        let (rows, cols) = x.dim();
        let store = match x {
            MatrixRef::Dense(a) => {
                let mut data = vec![T::zero(); rows * cols];
                data.par_chunks_mut(cols).zip(a.outer_iter().into_par_iter()).for_each(|(out, row)| {
                    for (o, v) in out.iter_mut().zip(row) {
                        *o = *v * scale;
                    }
                });
                Store::Dense { x: data, weights: None }
            }
            MatrixRef::Sparse(s) => {
                let outer = Compressed::from_view(s, None, scale);
                let inner = outer.transposed();
                let (by_rows, by_cols) = if s.is_csr() { (outer, inner) } else { (inner, outer) };
                Store::Sparse { by_rows, by_cols, observed }
            }
        };
        Data::of(rows, cols, store)
    }

    /// X with weights in the same layout.
    pub(crate) fn weighted(x: &MatrixRef<'_, T>, weights: &MatrixRef<'_, T>, scale: T) -> Result<Self> {
        let (rows, cols) = x.dim();
        Error::check_shape("the weights", (rows, cols), weights.dim())?;
        let store = match (x, weights) {
            (MatrixRef::Dense(x), MatrixRef::Dense(w)) => {
                // what X holds where nothing counts must not reach any product
                let value = |(x, w): (&T, &T)| if *w > T::zero() { *x * scale } else { T::zero() };
                let mut values = vec![T::zero(); rows * cols];
                let lines = values.par_chunks_mut(cols.max(1)).zip(x.outer_iter().into_par_iter());
                lines.zip(w.outer_iter().into_par_iter()).for_each(|((out, x), w)| {
                    out.iter_mut().zip(x.iter().zip(w)).for_each(|(out, entry)| *out = value(entry));
                });
                Store::Dense { x: values, weights: Some(w.iter().copied().collect()) }
            }
            (MatrixRef::Sparse(x), MatrixRef::Sparse(w))
                if x.is_csr() == w.is_csr() && x.indptr() == w.indptr() && x.indices() == w.indices() =>
            {
                let outer = Compressed::from_view(x, Some(w), scale);
                let inner = outer.transposed();
                let (by_rows, by_cols) = if x.is_csr() { (outer, inner) } else { (inner, outer) };
                Store::Sparse { by_rows, by_cols, observed: Observed::Weighted }
            }
            _ => {
                return Err(Error::Unsupported("weights must be laid out like X, with the same stored entries".into()));
            }
        };
        Ok(Data::of(rows, cols, store))
    }

    fn of(rows: usize, cols: usize, store: Store<T>) -> Self {
        let values = match &store {
            Store::Dense { x, .. } => x,
            Store::Sparse { by_rows, .. } => &by_rows.values,
        };
        // in pieces of a fixed length, so that the sums do not depend on the number of threads
        let piece = |p: &[T]| p.iter().fold((0.0, 0.0), |(s, q), v| (s + v.f64(), q + v.f64() * v.f64()));
        let parts: Vec<(f64, f64)> = values.par_chunks(1 << 16).map(piece).collect();
        let (sum, squares) = parts.iter().fold((0.0, 0.0), |(s, q), p| (s + p.0, q + p.1));
        let half_norm = 0.5 * squares;
        Data { rows, cols, sum, half_norm, store }
    }
}

impl<T> Data<T> {
    /// Whether every entry counts, and all alike.
    pub(crate) fn observes_all(&self) -> bool {
        match &self.store {
            Store::Dense { weights, .. } => weights.is_none(),
            Store::Sparse { observed, .. } => *observed == Observed::All,
        }
    }
}
