//! Factors, Gram matrices, terms and scalars on the device.

use crate::gpu::Gpu;
use crate::number::Number;
use crate::pool::Buf;
use crate::window::extent;
use ndarray::{Array2, ArrayView2};
use nmf_core::{Error, Result};
use nmf_shaders::MAX_QUADS;
use std::sync::Arc;

/// Quads per row of a factor with k columns.
pub(crate) fn quads(k: usize) -> u32 {
    k.div_ceil(4).max(1) as u32
}

/// A tall factor, rows × k, row-major, k padded to whole quads with zeros.
pub struct Factor {
    pub(crate) buf: Buf,
    pub(crate) rows: u32,
    pub(crate) k: u32,
}

/// A k × k matrix, padded to whole quads in both directions with zeros.
pub struct Gram {
    pub(crate) buf: Buf,
    pub(crate) k: u32,
}

/// Numerator and denominator of an update, each laid out like a factor.
pub struct Terms {
    pub(crate) num: Buf,
    pub(crate) den: Buf,
    pub(crate) rows: u32,
    pub(crate) k: u32,
    /// The denominator is the same for all rows (KL): only its first row is there.
    pub(crate) shared: bool,
}

/// A run of partial sums, to be multiplied by `factor`.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) buf: Arc<Buf>,
    pub(crate) start: u32,
    pub(crate) count: u32,
    pub(crate) factor: f64,
}

/// A number that is still on the device: partial sums that the host adds in f64 when they arrive.
#[derive(Clone)]
pub struct Scalar {
    pub(crate) parts: Vec<Part>,
    pub(crate) constant: f64,
}

impl<T: Number> Gpu<T> {
    /// Room for rows × k on the device.
    pub(crate) fn room(&self, what: &str, rows: usize, k: usize) -> Result<Buf> {
        let kq = quads(k);
        if k == 0 || kq > MAX_QUADS {
            return Err(Error::Unsupported(format!(
                "the GPU backend takes 1 to {} components, not {k}: use the CPU",
                4 * MAX_QUADS
            )));
        }
        let bytes = u64::from(extent(rows)?) * u64::from(kq) * T::QUAD;
        let most = self.stream.device.max_binding();
        if bytes > most {
            return Err(Error::OutOfMemory {
                what: format!("{what} of {rows}×{k} (in one piece)"),
                needed: bytes,
                available: most,
            });
        }
        self.scratch(rows as u64, kq)
    }

    /// Writes a factor, of every run of a batch.
    pub(crate) fn put(&mut self, f: &Factor, values: ArrayView2<'_, T>) -> Result<()> {
        Error::check_shape("the values of a factor", (f.rows as usize, f.k as usize), values.dim())?;
        (0..self.runs()).try_for_each(|run| self.put_padded(f, run, values))
    }

    /// Writes the part of a run, as wide as its rank.
    pub(crate) fn put_of(&mut self, f: &Factor, run: usize, values: ArrayView2<'_, T>) -> Result<()> {
        Error::check_shape("a run's values of a factor", (f.rows as usize, self.rank_of(f, run)?), values.dim())?;
        self.put_padded(f, run, values)
    }

    fn put_padded(&mut self, f: &Factor, run: usize, values: ArrayView2<'_, T>) -> Result<()> {
        let width = 4 * quads(f.k as usize) as usize;
        let mut padded = vec![T::zero(); values.nrows() * width];
        for (row, out) in values.outer_iter().zip(padded.chunks_exact_mut(width)) {
            row.iter().zip(out).for_each(|(v, o)| *o = *v);
        }
        self.stream.counters.writes += 1;
        self.stream.write(&f.buf, f.buf.part(run), bytemuck::cast_slice(&padded))
    }

    /// Reads rows × k, of the first member of a batch.
    pub(crate) fn fetch(&mut self, buf: &Buf, rows: usize, k: usize) -> Result<Array2<T>> {
        let first = self.stream.batch.as_ref().and_then(|b| b.members().first());
        let first = first.map_or(0, |run| *run as usize);
        self.fetch_of(buf, first, rows, k)
    }

    /// Reads rows × k of a run.
    pub(crate) fn fetch_of(&mut self, buf: &Buf, run: usize, rows: usize, k: usize) -> Result<Array2<T>> {
        let width = 4 * quads(k) as usize;
        let landing = self.stream.land(&[(buf, buf.part(run), (rows * width) as u64 * T::BYTES)])?;
        self.stream.counters.reads += 1;
        let values: Vec<T> = self.stream.take(landing)?;
        Ok(Array2::from_shape_fn((rows, k), |(i, q)| values.get(i * width + q).copied().unwrap_or(T::nan())))
    }
}
