//! X on the device, in windows that one binding can hold.
//!
//! Dense X lies there once, row-major: both sides read it along its rows (the kernels transpose a tile in
//! registers), so no transposed copy is kept. Its windows are row panels; only where a single row is too long are
//! the columns cut as well. Sparse X lies there twice, by rows and by columns, so that both sides gather; its
//! windows are runs of rows, and a row may continue in the next window.

use crate::csr::{Batch, Csr, CsrPanel, Cut, batches, cut, send_csr};
use crate::device::Device;
use crate::pool::{Buf, Pool};
use crate::queue::Stream;
use nmf_core::{Error, MatrixRef, Observed, Result, SparseView, Weighted};
use nmf_shaders::TILE;

/// Host memory for one piece of an upload.
const PIECE: usize = 4 << 20;

/// A window of dense X.
pub(crate) struct DensePanel {
    pub(crate) buf: Buf,
    pub(crate) row0: u32,
    pub(crate) rows: u32,
    pub(crate) col0: u32,
    pub(crate) cols: u32,
    /// Quads per row.
    pub(crate) ld: u32,
}

/// How X is stored.
pub(crate) enum Layout {
    Dense(Vec<DensePanel>),
    Sparse { rows: Vec<CsrPanel>, cols: Vec<CsrPanel>, row_batches: Vec<Batch>, col_batches: Vec<Batch> },
}

/// X on the device.
pub struct Data {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Entries on the device.
    pub(crate) stored: u64,
    pub(crate) observed: Observed,
    pub(crate) layout: Layout,
}

impl Data {
    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        (self.rows, self.cols)
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

/// Puts scale·X on the device. `limit`: bytes per window.
pub(crate) fn upload(
    stream: &mut Stream,
    pool: &Pool,
    x: &MatrixRef<'_, f32>,
    scale: f32,
    observed: Observed,
    limit: u64,
) -> Result<Data> {
    let (rows, cols) = x.dim();
    let (m, n) = (extent(rows)?, extent(cols)?);
    let mut stored = x.stored();
    let layout = match x {
        MatrixRef::Dense(a) => Layout::Dense(upload_dense(stream, pool, a, scale, limit)?),
        MatrixRef::Sparse(s) => {
            let outer = Csr::new(s, if s.is_csr() { (m, n) } else { (n, m) }, scale, observed)?;
            stored = outer.entries();
            send_sparse(stream, pool, outer, s.is_csr(), limit)?
        }
    };
    stream.flush_writes()?;
    Ok(Data { rows, cols, stored, observed, layout })
}

/// Puts scale·X on the device with the weights of its entries, by entries whether dense or not. Weights that are all 0 or 1 are
/// not kept: which entries are stored says it all.
pub(crate) fn upload_weighted(
    stream: &mut Stream,
    pool: &Pool,
    x: &MatrixRef<'_, f32>,
    weights: &MatrixRef<'_, f32>,
    scale: f32,
    limit: u64,
) -> Result<Data> {
    let (rows, cols) = x.dim();
    let dim = (extent(rows)?, extent(cols)?);
    Error::check_shape("the weights", x.dim(), weights.dim())?;
    let (mut bad, mut mask) = (None, true);
    weights.for_each(|row, col, w| {
        if !(w >= 0.0 && w.is_finite()) && bad.is_none() {
            bad = Some((row, col, f64::from(w)));
        }
        mask &= w == 0.0 || w == 1.0;
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
            return upload_weighted(stream, pool, &pair.x(), &pair.weights(), scale, limit);
        }
    };
    let observed = if mask { Observed::Stored } else { Observed::Weighted };
    let stored = outer.entries();
    let layout = send_sparse(stream, pool, outer, by_rows, limit)?;
    stream.flush_writes()?;
    Ok(Data { rows, cols, stored, observed, layout })
}

fn same_entries(a: &SparseView<'_, f32>, b: &SparseView<'_, f32>) -> bool {
    a.nnz() == b.nnz() && a.outer_iterator().zip(b.outer_iterator()).all(|(a, b)| a.indices() == b.indices())
}

/// Sparse X by rows and by columns, made from one of them.
fn send_sparse(stream: &mut Stream, pool: &Pool, outer: Csr, by_rows: bool, limit: u64) -> Result<Layout> {
    let inner = outer.transposed();
    let (by_rows, by_cols) = if by_rows { (outer, inner) } else { (inner, outer) };
    let (cut_rows, cut_cols) = (cut(&by_rows, limit, &stream.device), cut(&by_cols, limit, &stream.device));
    let total = cut_rows.iter().chain(&cut_cols).map(Cut::bytes).sum();
    // all memory first, so that a matrix that does not fit is refused before anything is sent
    let mut claim = Claim::new(stream, pool, "the sparse matrix X", total)?;
    let rows = cut_rows.iter().map(|c| c.allocate(&mut claim)).collect::<Result<Vec<_>>>()?;
    let cols = cut_cols.iter().map(|c| c.allocate(&mut claim)).collect::<Result<Vec<_>>>()?;
    send_csr(stream, &by_rows, &cut_rows, &rows)?;
    send_csr(stream, &by_cols, &cut_cols, &cols)?;
    let (row_batches, col_batches) = (batches(&by_rows, &cut_rows), batches(&by_cols, &cut_cols));
    Ok(Layout::Sparse { rows, cols, row_batches, col_batches })
}

fn upload_dense(
    stream: &mut Stream,
    pool: &Pool,
    a: &ndarray::ArrayView2<'_, f32>,
    scale: f32,
    limit: u64,
) -> Result<Vec<DensePanel>> {
    let (m, n) = a.dim();
    let quads = (limit / 16).max(u64::from(TILE) / 4) as usize;
    let width = if n.div_ceil(4) <= quads { n } else { quads * 4 / TILE as usize * TILE as usize };
    let ld = width.div_ceil(4).max(1);
    let mut height = (quads / ld).max(1);
    if height > TILE as usize {
        height -= height % TILE as usize;
    }
    let total = (m as u64) * 16 * (n / width.max(1) * ld + (n % width.max(1)).div_ceil(4)) as u64;
    let mut claim = Claim::new(stream, pool, "the matrix X", total)?;
    // all memory first, so that a matrix that does not fit is refused before anything is sent
    let mut panels = Vec::new();
    for row0 in (0..m).step_by(height) {
        for col0 in (0..n).step_by(width.max(1)) {
            let (rows, cols) = (height.min(m - row0), width.min(n - col0));
            let ld = cols.div_ceil(4);
            panels.push(DensePanel {
                buf: claim.get((rows * ld * 16) as u64)?,
                row0: row0 as u32,
                rows: rows as u32,
                col0: col0 as u32,
                cols: cols as u32,
                ld: ld as u32,
            });
        }
    }
    let mut piece: Vec<f32> = Vec::new();
    let mut sent = 0;
    for panel in &panels {
        let stride = panel.ld as usize * 4;
        let at_once = (PIECE / stride).max(1);
        for first in (0..panel.rows as usize).step_by(at_once) {
            piece.clear();
            for i in first..(first + at_once).min(panel.rows as usize) {
                let (from, to) = (panel.col0 as usize, (panel.col0 + panel.cols) as usize);
                let row = a.slice(ndarray::s![panel.row0 as usize + i, from..to]);
                match row.as_slice() {
                    Some(row) => piece.extend(row.iter().map(|v| scale * v)),
                    None => piece.extend(row.iter().map(|v| scale * v)),
                }
                piece.resize(piece.len().next_multiple_of(stride), 0.0);
            }
            put(&stream.device, &panel.buf, (first * stride * 4) as u64, &piece)?;
            sent += piece.len();
            if sent > 4 * PIECE {
                stream.flush_writes()?;
                sent = 0;
            }
        }
    }
    Ok(panels)
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
pub(crate) fn put<T: bytemuck::Pod>(device: &Device, to: &Buf, at: u64, values: &[T]) -> Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    device.scoped("uploading", |_| device.queue.write_buffer(to.raw(), at, bytemuck::cast_slice(values)))
}
