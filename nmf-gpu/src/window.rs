//! X on the device, in windows that one binding can hold.
//!
//! Dense X lies there once, row-major: both sides read it along its rows (the kernels transpose a tile in
//! registers), so no transposed copy is kept. Its windows are row panels; only where a single row is too long are
//! the columns cut as well. Sparse X lies there twice, by rows and by columns, so that both sides gather; its
//! windows are runs of rows, and a row may continue in the next window.

use crate::device::Device;
use crate::pool::{Buf, Pool};
use crate::queue::Stream;
use nmf_core::{Error, MatrixRef, Observed, Result};
use nmf_shaders::TILE;

/// Most entries of a row in one workgroup of the sparse kernels.
const SEGMENT: u64 = 512;
/// Most segments in a window: enough to fill a device, few enough that their partial results stay in its cache.
const MAX_SEGMENTS: u64 = 1 << 16;
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

/// A window of sparse X or Xᵀ.
pub(crate) struct CsrPanel {
    pub(crate) row0: u32,
    pub(crate) rows: u32,
    /// Whether the first row began in the window before.
    pub(crate) continues: bool,
    pub(crate) entries: u64,
    pub(crate) segment_count: u32,
    pub(crate) segments: Buf,
    pub(crate) first: Buf,
    pub(crate) columns: Buf,
    pub(crate) values: Buf,
}

/// How X is stored.
pub(crate) enum Layout {
    Dense(Vec<DensePanel>),
    Sparse { rows: Vec<CsrPanel>, cols: Vec<CsrPanel> },
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
            Layout::Sparse { rows, cols } => rows.len() + cols.len(),
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
            let by_rows = Csr::new(s, if s.is_csr() { (m, n) } else { (n, m) }, scale, observed)?;
            stored = by_rows.values.len() as u64;
            let other = by_rows.transposed();
            let (by_rows, by_cols) = if s.is_csr() { (by_rows, other) } else { (other, by_rows) };
            let (cut_rows, cut_cols) = (cut(&by_rows, limit, &stream.device), cut(&by_cols, limit, &stream.device));
            let total = cut_rows.iter().chain(&cut_cols).map(Cut::bytes).sum();
            // all memory first, so that a matrix that does not fit is refused before anything is sent
            let mut claim = Claim::new(stream, pool, "the sparse matrix X", total)?;
            let rows = cut_rows.iter().map(|c| c.allocate(&mut claim)).collect::<Result<Vec<_>>>()?;
            let cols = cut_cols.iter().map(|c| c.allocate(&mut claim)).collect::<Result<Vec<_>>>()?;
            send_csr(stream, &by_rows, &cut_rows, &rows)?;
            send_csr(stream, &by_cols, &cut_cols, &cols)?;
            Layout::Sparse { rows, cols }
        }
    };
    stream.flush_writes()?;
    Ok(Data { rows, cols, stored, observed, layout })
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
struct Claim<'a> {
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

    fn get(&mut self, bytes: u64) -> Result<Buf> {
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
fn put<T: bytemuck::Pod>(device: &Device, to: &Buf, at: u64, values: &[T]) -> Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    device.scoped("uploading", |_| device.queue.write_buffer(to.raw(), at, bytemuck::cast_slice(values)))
}

/// A sparse matrix by rows on the host.
struct Csr {
    rows: u32,
    cols: u32,
    first: Vec<u64>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Csr {
    /// Copies a view with its (outer, inner) dimensions. Where all entries count, a stored zero is like any other
    /// zero and is left out.
    fn new(s: &nmf_core::SparseView<'_, f32>, dim: (u32, u32), scale: f32, observed: Observed) -> Result<Csr> {
        let mut out = Csr { rows: dim.0, cols: dim.1, first: vec![0], columns: Vec::new(), values: Vec::new() };
        out.columns.reserve(s.nnz());
        out.values.reserve(s.nnz());
        for vec in s.outer_iterator() {
            for (j, &v) in vec.iter().filter(|(_, v)| observed != Observed::All || **v != 0.0) {
                if j >= dim.1 as usize {
                    // the kernels rely on it
                    return Err(Error::Device(format!(
                        "the sparse matrix has index {j}, but only {} are valid",
                        dim.1
                    )));
                }
                out.columns.push(j as u32);
                out.values.push(scale * v);
            }
            out.first.push(out.columns.len() as u64);
        }
        Ok(out)
    }

    /// The same matrix by columns: a counting sort, stable, so that columns stay sorted.
    fn transposed(&self) -> Csr {
        let mut first = vec![0u64; self.cols as usize + 1];
        for &c in &self.columns {
            first[c as usize + 1] += 1;
        }
        for i in 1..first.len() {
            first[i] += first[i - 1];
        }
        let mut next = first.clone();
        let mut columns = vec![0; self.columns.len()];
        let mut values = vec![0.0; self.values.len()];
        for row in 0..self.rows as usize {
            for at in self.first[row] as usize..self.first[row + 1] as usize {
                let slot = &mut next[self.columns[at] as usize];
                columns[*slot as usize] = row as u32;
                values[*slot as usize] = self.values[at];
                *slot += 1;
            }
        }
        Csr { rows: self.cols, cols: self.rows, first, columns, values }
    }
}

/// A window being cut.
struct Cut {
    row0: u32,
    continues: bool,
    /// First entry in the whole matrix.
    start: u64,
    segments: Vec<[u32; 4]>,
    /// Segments before each row of the window.
    first: Vec<u32>,
}

impl Cut {
    fn at(row0: u32, start: u64, continues: bool) -> Cut {
        Cut { row0, continues, start, segments: Vec::new(), first: vec![0] }
    }

    fn entries(&self) -> u64 {
        self.segments.last().map_or(0, |s| u64::from(s[2]))
    }

    fn bytes(&self) -> u64 {
        self.entries() * 8 + self.segments.len() as u64 * 16 + self.first.len() as u64 * 4
    }

    fn allocate(&self, claim: &mut Claim<'_>) -> Result<CsrPanel> {
        Ok(CsrPanel {
            row0: self.row0,
            rows: self.first.len() as u32 - 1,
            continues: self.continues,
            entries: self.entries(),
            segment_count: self.segments.len() as u32,
            segments: claim.get(self.segments.len() as u64 * 16)?,
            first: claim.get(self.first.len() as u64 * 4)?,
            columns: claim.get(self.entries() * 4)?,
            values: claim.get(self.entries() * 4)?,
        })
    }
}

/// Cuts a sparse matrix into windows and their rows into segments.
fn cut(x: &Csr, limit: u64, device: &Device) -> Vec<Cut> {
    let max_entries = (limit / 4).max(1);
    // a segment's partial result has up to 1024 components, and those of a window must fit one binding
    let max_segments = (limit / 16).min(device.max_binding() / 4096).clamp(1, MAX_SEGMENTS) as usize;
    let max_rows = (limit / 4).max(2) as usize - 1;
    let mut cuts = Vec::new();
    let mut cut = Cut::at(0, 0, false);
    for row in 0..x.rows {
        if cut.first.len() > max_rows {
            cuts.push(std::mem::replace(&mut cut, Cut::at(row, x.first[row as usize], false)));
        }
        let (mut at, end) = (x.first[row as usize], x.first[row as usize + 1]);
        while at < end {
            let len = (end - at).min(SEGMENT).min(max_entries);
            if cut.entries() + len > max_entries || cut.segments.len() >= max_segments {
                let begun = cut.segments.last().is_some_and(|s| cut.row0 + s[0] == row);
                if begun {
                    cut.first.push(cut.segments.len() as u32);
                }
                let next = Cut::at(row, at, begun || (cut.continues && cut.row0 == row));
                cuts.push(std::mem::replace(&mut cut, next));
            }
            let from = (at - cut.start) as u32;
            cut.segments.push([row - cut.row0, from, from + len as u32, 0]);
            at += len;
        }
        cut.first.push(cut.segments.len() as u32);
    }
    cuts.push(cut);
    cuts.retain(|c| c.first.len() > 1);
    cuts
}

/// Fills the windows.
fn send_csr(stream: &mut Stream, x: &Csr, cuts: &[Cut], panels: &[CsrPanel]) -> Result<()> {
    for (cut, panel) in cuts.iter().zip(panels) {
        let range = cut.start as usize..(cut.start + cut.entries()) as usize;
        let device = &stream.device;
        put(device, &panel.segments, 0, &cut.segments)?;
        put(device, &panel.first, 0, &cut.first)?;
        put(device, &panel.columns, 0, &x.columns[range.clone()])?;
        put(device, &panel.values, 0, &x.values[range])?;
        stream.flush_writes()?;
    }
    Ok(())
}
