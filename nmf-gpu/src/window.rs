//! X on the device, in windows that one binding can hold.
//!
//! Dense X lies there once, row-major: both sides read it along its rows (the kernels transpose a tile in
//! registers), so no transposed copy is kept (on processors it has a texture beside it, `window/image.rs`). Its windows are row panels; only where a single row is too long are
//! the columns cut as well. Sparse X lies there twice, by rows and by columns, so that both sides gather; its
//! windows are runs of rows, and a row may continue in the next window. X that is too large stays on the host, and its panels take
//! turns on the device.

mod dense;
mod image;
mod ring;
mod sparse;
mod turns;

use crate::csr::{Batch, Csr, CsrPanel};
use crate::device::Device;
use crate::number::Number;
use crate::pool::{Buf, Pool};
use crate::queue::Stream;
use nmf_core::{Error, MatrixRef, Observed, Result, SparseView, Weighted};

pub(crate) use dense::{DensePanel, gathered};
pub(crate) use ring::{Contents, Home};
pub(crate) use sparse::CsrBuffers;

/// How the numbers of dense X are stored on the device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum XStorage {
    /// As they are: 4 bytes each, 8 in f64.
    #[default]
    F32,
    /// As halves in units of a power of two, chosen from the largest entry, 2 bytes each: half the memory and half the traffic. Each
    /// entry is rounded to the nearest, wrong by at most 2⁻¹¹ of itself; what is positive and below 2⁻²⁸ of the largest is
    /// replaced by a number up to that, never by zero. Sums and factors are f32 as ever. For dense X only: sparse X, weights and f64 are refused.
    F16,
}

/// Whether X may stay on the host, to be sent to the device panel by panel in every pass over it.
///
/// Results do not depend on it, except that panels may be smaller than windows on the device would be. The host keeps a copy of X (of sparse X one by
/// rows and one by columns), and beside it up to three panels on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Streaming {
    /// X that does not fit the memory together with factors of about 32 components ([`crate::GpuOptions::memory`], or what the driver gives) is streamed, less what fits beside
    /// everything else.
    #[default]
    Auto,
    /// X that does not fit is refused.
    Never,
    /// All of X is streamed even if it would fit: where factors need the memory, and for tests.
    Always,
}

/// How X is to be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    /// Bytes per window.
    pub(crate) window: u64,
    pub(crate) storage: XStorage,
    pub(crate) stream: Streaming,
}

impl Keeping {
    /// Halves are made of dense X alone.
    fn halves_refused(&self) -> Result<()> {
        match self.storage {
            XStorage::F32 => Ok(()),
            XStorage::F16 => Err(Error::Unsupported(
                "X stored in f16 must be dense and without weights or mask: for this X take f32 storage".into(),
            )),
        }
    }
}

/// How X is stored.
pub(crate) enum Layout<T: Number> {
    Dense(Vec<DensePanel>),
    Sparse { rows: Vec<CsrPanel<T>>, cols: Vec<CsrPanel<T>>, row_batches: Vec<Batch>, col_batches: Vec<Batch> },
}

/// X on the device.
pub struct Data<T: Number = f32> {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Entries on the device.
    pub(crate) stored: u64,
    pub(crate) observed: Observed,
    pub(crate) layout: Layout<T>,
}

impl<T: Number> Data<T> {
    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// Whether X is stored as halves.
    pub(crate) fn halves(&self) -> bool {
        matches!(&self.layout, Layout::Dense(panels) if panels.iter().any(|p| p.unit != 0.0))
    }

    /// Whether X stays on the host and is sent in panels.
    pub fn streamed(&self) -> bool {
        match &self.layout {
            Layout::Dense(panels) => panels.iter().any(DensePanel::streamed),
            Layout::Sparse { rows, cols, .. } => rows.iter().chain(cols).any(|panel| panel.home.streamed()),
        }
    }

    /// In how many windows X (and, if sparse, its transposed copy) is held.
    pub fn windows(&self) -> usize {
        match &self.layout {
            Layout::Dense(p) => p.len(),
            Layout::Sparse { rows, cols, .. } => rows.len() + cols.len(),
        }
    }
}

/// Extents are 32-bit on the device.
pub(crate) fn extent(n: usize) -> Result<u32> {
    u32::try_from(n).ok().filter(|n| *n <= u32::MAX / 2).ok_or_else(|| {
        Error::Unsupported(format!("{n} rows or columns are more than the GPU backend can count; use the CPU"))
    })
}

/// Puts scale·X on the device.
pub(crate) fn upload<T: Number>(
    stream: &mut Stream,
    pool: &Pool,
    x: &MatrixRef<'_, T>,
    scale: T,
    observed: Observed,
    how: &Keeping,
) -> Result<Data<T>> {
    let (rows, cols) = x.dim();
    let (m, n) = (extent(rows)?, extent(cols)?);
    let mut stored = x.stored();
    let layout = match x {
        MatrixRef::Dense(a) => Layout::Dense(dense::upload(stream, pool, a, scale, how)?),
        MatrixRef::Sparse(s) => {
            how.halves_refused()?;
            let outer = Csr::new(s, if s.is_csr() { (m, n) } else { (n, m) }, scale, observed)?;
            stored = outer.entries();
            sparse::upload(stream, pool, outer, s.is_csr(), how)?
        }
    };
    stream.flush_writes()?;
    Ok(Data { rows, cols, stored, observed, layout })
}

/// Puts scale·X on the device with the weights of its entries, by entries whether dense or not. Weights that are all 0 or 1 are
/// not kept: which entries are stored says it all.
pub(crate) fn upload_weighted<T: Number>(
    stream: &mut Stream,
    pool: &Pool,
    x: &MatrixRef<'_, T>,
    weights: &MatrixRef<'_, T>,
    scale: T,
    how: &Keeping,
) -> Result<Data<T>> {
    how.halves_refused()?;
    let (rows, cols) = x.dim();
    let dim = (extent(rows)?, extent(cols)?);
    Error::check_shape("the weights", x.dim(), weights.dim())?;
    let (mut bad, mut mask) = (None, true);
    weights.for_each(|row, col, w| {
        if !(w >= T::zero() && w.is_finite()) && bad.is_none() {
            bad = Some((row, col, w.f64()));
        }
        mask &= w == T::zero() || w == T::one();
    });
    match bad {
        Some((row, col, value)) if value < 0.0 => return Err(Error::Negative { what: "the weights", row, col, value }),
        Some((row, col, value)) => return Err(Error::NotFinite { what: "the weights", row, col, value }),
        None => {}
    }
    let (outer, by_rows) = match (x, weights) {
        (MatrixRef::Dense(x), MatrixRef::Dense(w)) => (Csr::weighted_dense(x, w, scale, !mask)?, true),
        (MatrixRef::Sparse(x), MatrixRef::Sparse(w)) if x.is_csr() == w.is_csr() && same_entries(x, w) => {
            let dim = if x.is_csr() { dim } else { (dim.1, dim.0) };
            (Csr::weighted_sparse(x, w, dim, scale, !mask)?, x.is_csr())
        }
        _ => {
            let pair = Weighted::new(&x.reborrow(), &weights.reborrow(), true)?;
            return upload_weighted(stream, pool, &pair.x(), &pair.weights(), scale, how);
        }
    };
    let observed = if mask { Observed::Stored } else { Observed::Weighted };
    let stored = outer.entries();
    let layout = sparse::upload(stream, pool, outer, by_rows, how)?;
    stream.flush_writes()?;
    Ok(Data { rows, cols, stored, observed, layout })
}

fn same_entries<T: Number>(a: &SparseView<'_, T>, b: &SparseView<'_, T>) -> bool {
    a.nnz() == b.nnz() && a.outer_iterator().zip(b.outer_iterator()).all(|(a, b)| a.indices() == b.indices())
}

/// Memory being taken for one matrix; a refusal speaks of the whole of it.
pub(crate) struct Claim<'a> {
    device: Device,
    pool: &'a Pool,
    what: &'static str,
    total: u64,
    got: u64,
}

impl<'a> Claim<'a> {
    fn new(stream: &Stream, pool: &'a Pool, what: &'static str, total: u64) -> Result<Claim<'a>> {
        pool.check(what, total)?;
        Ok(Claim { device: stream.device.clone(), pool, what, total, got: 0 })
    }

    fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn get(&mut self, bytes: u64) -> Result<Buf> {
        let buf = self.pool.own(&self.device, self.what, bytes).map_err(|e| match e {
            // the driver does not say how much is left; what it gave until here is a lower bound
            Error::OutOfMemory { what, .. } => Error::OutOfMemory { what, needed: self.total, available: self.got },
            other => other,
        })?;
        self.got += bytes;
        Ok(buf)
    }
}

/// Writes to a buffer that no recorded work touches.
pub(crate) fn put(device: &Device, to: &Buf, at: u64, values: &[u8]) -> Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    device.scoped("uploading", |_| device.queue.write_buffer(to.raw(), at, values))
}
