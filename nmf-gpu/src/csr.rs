//! Sparse X on the device: by rows, in windows, each row in segments.

use crate::device::Device;
use crate::pool::Buf;
use crate::queue::Stream;
use crate::window::{Claim, put};
use ndarray::ArrayView2;
use nmf_core::{Error, Observed, Result, SparseView};

/// Most entries of a row in one workgroup of the sparse kernels.
const SEGMENT: u64 = 512;
/// Most segments in a window: enough to fill a device, few enough that their partial results stay in its cache.
const MAX_SEGMENTS: u64 = 1 << 16;
/// Entries of the rows worked on at once, where an operation keeps a number for each.
pub(crate) const BATCH: u64 = 1 << 22;
/// Entries with weights sent at once.
const PAIRS: usize = 1 << 20;

/// A window of sparse X or Xᵀ.
pub(crate) struct CsrPanel {
    pub(crate) row0: u32,
    pub(crate) rows: u32,
    /// Whether the first row began in the window before.
    pub(crate) continues: bool,
    pub(crate) entries: u64,
    pub(crate) segment_count: u32,
    pub(crate) segments: Buf,
    /// First segment and first entry of each row, and of one more.
    pub(crate) first: Buf,
    pub(crate) columns: Buf,
    /// Numbers, or pairs of a number and its weight.
    pub(crate) values: Buf,
    pub(crate) weighted: bool,
}

/// A sparse matrix by rows on the host.
pub(crate) struct Csr {
    rows: u32,
    cols: u32,
    first: Vec<u64>,
    columns: Vec<u32>,
    values: Vec<f32>,
    /// A weight per entry, or none at all.
    weights: Option<Vec<f32>>,
}

impl Csr {
    /// Copies a view with its (outer, inner) dimensions. Where all entries count, a stored zero is like any other
    /// zero and is left out.
    pub(crate) fn new(s: &SparseView<'_, f32>, dim: (u32, u32), scale: f32, observed: Observed) -> Result<Csr> {
        let mut out = Csr::empty(dim, s.nnz(), false);
        for vec in s.outer_iterator() {
            for (j, &v) in vec.iter().filter(|(_, v)| observed != Observed::All || **v != 0.0) {
                out.push(j, scale * v, 1.0)?;
            }
            out.end_row();
        }
        Ok(out)
    }

    /// The entries of dense X with a positive weight, and their weights if those are to be `kept`.
    pub(crate) fn weighted_dense(
        x: &ArrayView2<'_, f32>,
        weights: &ArrayView2<'_, f32>,
        scale: f32,
        kept: bool,
    ) -> Result<Csr> {
        let positive = weights.iter().filter(|w| **w > 0.0).count();
        let mut out = Csr::empty((x.nrows() as u32, x.ncols() as u32), positive, kept);
        for (x, weights) in x.outer_iter().zip(weights.outer_iter()) {
            for ((j, x), w) in x.iter().enumerate().zip(weights).filter(|(_, w)| **w > 0.0) {
                out.push(j, scale * x, *w)?;
            }
            out.end_row();
        }
        Ok(out)
    }

    /// The same for sparse X, given with its (outer, inner) dimensions, and weights of its stored entries.
    pub(crate) fn weighted_sparse(
        x: &SparseView<'_, f32>,
        weights: &SparseView<'_, f32>,
        dim: (u32, u32),
        scale: f32,
        kept: bool,
    ) -> Result<Csr> {
        let mut out = Csr::empty(dim, x.nnz(), kept);
        for (x, weights) in x.outer_iterator().zip(weights.outer_iterator()) {
            for ((j, x), w) in x.iter().zip(weights.data()).filter(|(_, w)| **w > 0.0) {
                out.push(j, scale * x, *w)?;
            }
            out.end_row();
        }
        Ok(out)
    }

    fn empty((rows, cols): (u32, u32), room: usize, weighted: bool) -> Csr {
        Csr {
            rows,
            cols,
            first: vec![0],
            columns: Vec::with_capacity(room),
            values: Vec::with_capacity(room),
            weights: weighted.then(|| Vec::with_capacity(room)),
        }
    }

    fn push(&mut self, column: usize, value: f32, weight: f32) -> Result<()> {
        if column >= self.cols as usize {
            // the kernels rely on it
            return Err(Error::Device(format!(
                "the sparse matrix has index {column}, but only {} are valid",
                self.cols
            )));
        }
        self.columns.push(column as u32);
        self.values.push(value);
        if let Some(w) = &mut self.weights {
            w.push(weight);
        }
        Ok(())
    }

    fn end_row(&mut self) {
        self.first.push(self.columns.len() as u64);
    }

    pub(crate) fn entries(&self) -> u64 {
        self.columns.len() as u64
    }

    /// Bytes of an entry without its column.
    fn entry_bytes(&self) -> u64 {
        if self.weights.is_some() { 8 } else { 4 }
    }

    /// The same matrix by columns: a counting sort, stable, so that columns stay sorted.
    pub(crate) fn transposed(&self) -> Csr {
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
        let mut weights = self.weights.as_ref().map(|w| vec![0.0; w.len()]);
        for row in 0..self.rows as usize {
            for at in self.first[row] as usize..self.first[row + 1] as usize {
                let slot = &mut next[self.columns[at] as usize];
                columns[*slot as usize] = row as u32;
                values[*slot as usize] = self.values[at];
                if let (Some(to), Some(from)) = (&mut weights, &self.weights) {
                    to[*slot as usize] = from[at];
                }
                *slot += 1;
            }
        }
        Csr { rows: self.cols, cols: self.rows, first, columns, values, weights }
    }
}

/// A window being cut.
pub(crate) struct Cut {
    row0: u32,
    continues: bool,
    weighted: bool,
    /// First entry in the whole matrix.
    start: u64,
    segments: Vec<[u32; 4]>,
    /// Segments before each row of the window.
    first: Vec<u32>,
}

impl Cut {
    fn at(x: &Csr, row0: u32, start: u64, continues: bool) -> Cut {
        Cut { row0, continues, weighted: x.weights.is_some(), start, segments: Vec::new(), first: vec![0] }
    }

    fn entries(&self) -> u64 {
        self.segments.last().map_or(0, |s| u64::from(s[2]))
    }

    fn entry_bytes(&self) -> u64 {
        if self.weighted { 8 } else { 4 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entries() * (4 + self.entry_bytes()) + self.segments.len() as u64 * 16 + self.first.len() as u64 * 8
    }

    /// Where a row of the window (or the one after its last) starts among its entries.
    fn row_start(&self, x: &Csr, row: u32) -> u64 {
        x.first[(self.row0 + row) as usize].clamp(self.start, self.start + self.entries()) - self.start
    }

    pub(crate) fn allocate(&self, claim: &mut Claim<'_>) -> Result<CsrPanel> {
        Ok(CsrPanel {
            row0: self.row0,
            rows: self.first.len() as u32 - 1,
            continues: self.continues,
            entries: self.entries(),
            segment_count: self.segments.len() as u32,
            segments: claim.get(self.segments.len() as u64 * 16)?,
            first: claim.get(self.first.len() as u64 * 8)?,
            columns: claim.get(self.entries() * 4)?,
            values: claim.get(self.entries() * self.entry_bytes())?,
            weighted: self.weighted,
        })
    }
}

/// Cuts a sparse matrix into windows and their rows into segments.
pub(crate) fn cut(x: &Csr, limit: u64, device: &Device) -> Vec<Cut> {
    let max_entries = (limit / x.entry_bytes()).max(1);
    // the partial results of a window's segments must fit one binding, for up to 1024 components each
    let max_segments = (limit / 16).min(device.max_binding() / 4096).clamp(1, MAX_SEGMENTS) as usize;
    let max_rows = (limit / 8).max(2) as usize - 1;
    let mut cuts = Vec::new();
    let mut cut = Cut::at(x, 0, 0, false);
    for row in 0..x.rows {
        if cut.first.len() > max_rows {
            cuts.push(std::mem::replace(&mut cut, Cut::at(x, row, x.first[row as usize], false)));
        }
        let (mut at, end) = (x.first[row as usize], x.first[row as usize + 1]);
        // a row that a window of its own can hold is not cut
        let (len, parts) = (end - at, (end - at).div_ceil(SEGMENT) as usize);
        let full = cut.entries() + len > max_entries || cut.segments.len() + parts > max_segments;
        if full && len <= max_entries && parts <= max_segments && !cut.segments.is_empty() {
            cuts.push(std::mem::replace(&mut cut, Cut::at(x, row, at, false)));
        }
        while at < end {
            let len = (end - at).min(SEGMENT).min(max_entries);
            if cut.entries() + len > max_entries || cut.segments.len() >= max_segments {
                let begun = cut.segments.last().is_some_and(|s| cut.row0 + s[0] == row);
                if begun {
                    cut.first.push(cut.segments.len() as u32);
                }
                let next = Cut::at(x, row, at, begun || (cut.continues && cut.row0 == row));
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

/// Rows of one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) panel: usize,
    /// First row in the window, and how many.
    pub(crate) row: u32,
    pub(crate) rows: u32,
    /// First entry in the window, and how many.
    pub(crate) entry: u64,
    pub(crate) entries: u64,
}

/// Whole rows that are worked on at once: some of one window, or a single one that several windows share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) pieces: Vec<Piece>,
}

/// All rows in order, in batches of at most [`BATCH`] entries or one row.
pub(crate) fn batches(x: &Csr, cuts: &[Cut]) -> Vec<Batch> {
    let mut all: Vec<Batch> = Vec::new();
    let mut joinable = false;
    for (panel, cut) in cuts.iter().enumerate() {
        for row in 0..cut.first.len() as u32 - 1 {
            let (from, to) = (cut.row_start(x, row), cut.row_start(x, row + 1));
            let global = (cut.row0 + row) as usize;
            let whole = to - from == x.first[global + 1] - x.first[global];
            let piece = Piece { panel, row, rows: 1, entry: from, entries: to - from };
            match all.last_mut() {
                // a row that began in the window before
                Some(batch) if !whole && cut.start + from > x.first[global] => batch.pieces.push(piece),
                Some(batch)
                    if whole
                        && joinable
                        && batch.pieces[0].panel == panel
                        && batch.pieces[0].entries + piece.entries <= BATCH =>
                {
                    batch.pieces[0].rows += 1;
                    batch.pieces[0].entries += piece.entries;
                }
                _ => all.push(Batch { pieces: vec![piece] }),
            }
            joinable = whole;
        }
    }
    all
}

/// Fills the windows.
pub(crate) fn send_csr(stream: &mut Stream, x: &Csr, cuts: &[Cut], panels: &[CsrPanel]) -> Result<()> {
    for (cut, panel) in cuts.iter().zip(panels) {
        let range = cut.start as usize..(cut.start + cut.entries()) as usize;
        let device = &stream.device;
        put(device, &panel.segments, 0, &cut.segments)?;
        let first: Vec<[u32; 2]> =
            (0..).zip(&cut.first).map(|(row, segment)| [*segment, cut.row_start(x, row) as u32]).collect();
        put(device, &panel.first, 0, &first)?;
        put(device, &panel.columns, 0, &x.columns[range.clone()])?;
        match &x.weights {
            None => put(device, &panel.values, 0, &x.values[range])?,
            Some(weights) => {
                // in pieces: pairs exist nowhere else on the host
                for at in range.clone().step_by(PAIRS) {
                    let end = (at + PAIRS).min(range.end);
                    let pairs: Vec<[f32; 2]> =
                        x.values[at..end].iter().zip(&weights[at..end]).map(|(x, w)| [*x, *w]).collect();
                    put(device, &panel.values, (at - range.start) as u64 * 8, &pairs)?;
                }
            }
        }
        stream.flush_writes()?;
    }
    Ok(())
}
