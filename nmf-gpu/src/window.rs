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
/// Most segments in a window: their partial results (k ≤ 256 values each) must fit a binding and stay moderate.
const MAX_SEGMENTS: u64 = 1 << 18;
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
            // values, columns and segments, twice
            pool.check("the sparse matrix X", 2 * by_rows.values.len() as u64 * 9 + 20 * (rows + cols) as u64)?;
            let device = stream.device.clone();
            let rows = upload_csr(stream, pool, &device, &by_rows, limit)?;
            let cols = upload_csr(stream, pool, &device, &by_cols, limit)?;
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
    pool.check("the matrix X", (m * n.div_ceil(width.max(1)) * ld * 16) as u64)?;
    // all memory first, so that a matrix that does not fit is refused before anything is sent
    let mut panels = Vec::new();
    for row0 in (0..m).step_by(height) {
        for col0 in (0..n).step_by(width.max(1)) {
            let (rows, cols) = (height.min(m - row0), width.min(n - col0));
            let ld = cols.div_ceil(4);
            panels.push(DensePanel {
                buf: pool.own(&stream.device, "the matrix X", (rows * ld * 16) as u64)?,
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
                let row = a.row(panel.row0 as usize + i);
                piece.extend((0..panel.cols as usize).map(|j| scale * row[panel.col0 as usize + j]));
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
                    return Err(Error::Device(format!("the sparse matrix has index {j}, but only {} are valid", dim.1)));
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
}

fn upload_csr(stream: &mut Stream, pool: &Pool, device: &Device, x: &Csr, limit: u64) -> Result<Vec<CsrPanel>> {
    let max_entries = (limit / 4).max(1);
    let max_segments = (limit / 16).min(device.max_binding() / 1024).clamp(1, MAX_SEGMENTS) as usize;
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
    let mut panels = Vec::new();
    for cut in cuts.iter().filter(|c| c.first.len() > 1) {
        let range = cut.start as usize..(cut.start + cut.entries()) as usize;
        let get = |bytes: usize| pool.own(device, "the sparse matrix X", bytes as u64);
        let panel = CsrPanel {
            row0: cut.row0,
            rows: cut.first.len() as u32 - 1,
            continues: cut.continues,
            entries: cut.entries(),
            segment_count: cut.segments.len() as u32,
            segments: get(cut.segments.len() * 16)?,
            first: get(cut.first.len() * 4)?,
            columns: get(range.len() * 4)?,
            values: get(range.len() * 4)?,
        };
        put(device, &panel.segments, 0, &cut.segments)?;
        put(device, &panel.first, 0, &cut.first)?;
        put(device, &panel.columns, 0, &x.columns[range.clone()])?;
        put(device, &panel.values, 0, &x.values[range])?;
        stream.flush_writes()?;
        panels.push(panel);
    }
    Ok(panels)
}
