//! Sparse X on the device: by rows, in windows, the rows of each in groups.

use crate::bins::{Bins, SEGMENT, pieces_of};
use crate::device::Device;
use crate::number::Number;
use crate::window::{Contents, Home};
use ndarray::ArrayView2;
use nmf_core::{Error, Observed, Result, SparseView};
use std::ops::Range;
use std::sync::Arc;

/// Most pieces of long rows in a window: enough to fill a device, few enough that their sums stay in its cache.
const MAX_PIECES: u64 = 1 << 16;
/// Entries of the rows worked on at once, where an operation keeps a number for each.
pub(crate) const BATCH: u64 = 1 << 22;

/// A window of sparse X or Xᵀ.
pub(crate) struct CsrPanel<T: Number> {
    pub(crate) row0: u32,
    pub(crate) rows: u32,
    /// Whether the first row began in the window before.
    pub(crate) continues: bool,
    pub(crate) entries: u64,
    /// Groups of rows, the first `pieces` of them parts of `long` rows.
    pub(crate) groups: u32,
    pub(crate) pieces: u32,
    pub(crate) long: u32,
    /// Whether a weight lies behind each number.
    pub(crate) weighted: bool,
    /// See [`CsrRows::contents`].
    pub(crate) home: Home<3, CsrRows<T>>,
}

/// The rows of a window on the host: a part of the whole matrix.
pub(crate) struct CsrRows<T> {
    x: Arc<Csr<T>>,
    index: Vec<u32>,
    entries: Range<usize>,
}

impl<T: Number> Contents<3> for CsrRows<T> {
    /// The index (first entry of each row, and the end; the groups; the long rows: see [`Bins`]); the columns; numbers, or pairs of a number and its weight.
    fn contents(&self) -> [&[u8]; 3] {
        let (Range { start, end }, per) = (self.entries.clone(), self.x.per_entry());
        [
            bytemuck::cast_slice(&self.index),
            bytemuck::cast_slice(&self.x.columns[start..end]),
            bytemuck::cast_slice(&self.x.values[start * per..end * per]),
        ]
    }
}

/// A sparse matrix by rows on the host.
pub(crate) struct Csr<T> {
    rows: u32,
    cols: u32,
    first: Vec<u64>,
    columns: Vec<u32>,
    /// Numbers, or each with its weight behind it.
    values: Vec<T>,
    weighted: bool,
}

impl<T: Number> Csr<T> {
    /// Copies a view with its (outer, inner) dimensions. Where all entries count, a stored zero is like any other
    /// zero and is left out.
    pub(crate) fn new(s: &SparseView<'_, T>, dim: (u32, u32), scale: T, observed: Observed) -> Result<Csr<T>> {
        let mut out = Csr::empty(dim, s.nnz(), false);
        for vec in s.outer_iterator() {
            for (j, &v) in vec.iter().filter(|(_, v)| observed != Observed::All || **v != T::zero()) {
                out.push(j, scale * v, T::one())?;
            }
            out.end_row();
        }
        Ok(out)
    }

    /// The entries of dense X with a positive weight, and their weights if those are to be `kept`.
    pub(crate) fn weighted_dense(
        x: &ArrayView2<'_, T>,
        weights: &ArrayView2<'_, T>,
        scale: T,
        kept: bool,
    ) -> Result<Csr<T>> {
        let positive = weights.iter().filter(|w| **w > T::zero()).count();
        let mut out = Csr::empty((x.nrows() as u32, x.ncols() as u32), positive, kept);
        for (x, weights) in x.outer_iter().zip(weights.outer_iter()) {
            for ((j, x), w) in x.iter().enumerate().zip(weights).filter(|(_, w)| **w > T::zero()) {
                out.push(j, scale * *x, *w)?;
            }
            out.end_row();
        }
        Ok(out)
    }

    /// The same for sparse X, given with its (outer, inner) dimensions, and weights of its stored entries.
    pub(crate) fn weighted_sparse(
        x: &SparseView<'_, T>,
        weights: &SparseView<'_, T>,
        dim: (u32, u32),
        scale: T,
        kept: bool,
    ) -> Result<Csr<T>> {
        let mut out = Csr::empty(dim, x.nnz(), kept);
        for (x, weights) in x.outer_iterator().zip(weights.outer_iterator()) {
            for ((j, x), w) in x.iter().zip(weights.data()).filter(|(_, w)| **w > T::zero()) {
                out.push(j, scale * *x, *w)?;
            }
            out.end_row();
        }
        Ok(out)
    }

    fn empty((rows, cols): (u32, u32), room: usize, weighted: bool) -> Csr<T> {
        Csr {
            rows,
            cols,
            first: vec![0],
            columns: Vec::with_capacity(room),
            values: Vec::with_capacity(if weighted { 2 * room } else { room }),
            weighted,
        }
    }

    fn push(&mut self, column: usize, value: T, weight: T) -> Result<()> {
        if column >= self.cols as usize {
            // the kernels rely on it
            return Err(Error::Device(format!(
                "the sparse matrix has index {column}, but only {} are valid",
                self.cols
            )));
        }
        self.columns.push(column as u32);
        self.values.push(value);
        if self.weighted {
            self.values.push(weight);
        }
        Ok(())
    }

    fn end_row(&mut self) {
        self.first.push(self.columns.len() as u64);
    }

    /// Rows and columns.
    pub(crate) fn dim(&self) -> (usize, usize) {
        (self.rows as usize, self.cols as usize)
    }

    pub(crate) fn entries(&self) -> u64 {
        self.columns.len() as u64
    }

    /// Numbers of an entry beside its column.
    fn per_entry(&self) -> usize {
        if self.weighted { 2 } else { 1 }
    }

    /// Bytes of an entry without its column.
    fn entry_bytes(&self) -> u64 {
        T::BYTES * self.per_entry() as u64
    }

    /// The same matrix by columns: a counting sort, stable, so that columns stay sorted.
    pub(crate) fn transposed(&self) -> Csr<T> {
        let mut first = vec![0u64; self.cols as usize + 1];
        for &c in &self.columns {
            first[c as usize + 1] += 1;
        }
        for i in 1..first.len() {
            first[i] += first[i - 1];
        }
        let mut next = first.clone();
        let mut columns = vec![0; self.columns.len()];
        let mut values = vec![T::zero(); self.values.len()];
        let per = self.per_entry();
        for row in 0..self.rows as usize {
            for at in self.first[row] as usize..self.first[row + 1] as usize {
                let slot = &mut next[self.columns[at] as usize];
                let to = *slot as usize;
                columns[to] = row as u32;
                values[to * per..(to + 1) * per].copy_from_slice(&self.values[at * per..(at + 1) * per]);
                *slot += 1;
            }
        }
        Csr { rows: self.cols, cols: self.rows, first, columns, values, weighted: self.weighted }
    }
}

/// A window of a matrix.
pub(crate) struct Cut {
    row0: u32,
    rows: u32,
    continues: bool,
    weighted: bool,
    /// Bytes of an entry without its column.
    entry_bytes: u64,
    /// First entry in the whole matrix, and how many.
    start: u64,
    entries: u64,
    /// Pieces of long rows, and words of the index at most.
    pieces: u64,
    words: u64,
    bins: Bins,
}

/// What a window can hold.
struct Room {
    entries: u64,
    pieces: u64,
    words: u64,
}

/// Words of the index for a row: its start, its groups, and its place among the long rows.
fn words_of(entries: u64) -> u64 {
    1 + 4 * entries.div_ceil(SEGMENT).max(1) + if entries > SEGMENT { 3 } else { 0 }
}

impl Cut {
    fn at<T: Number>(x: &Csr<T>, row0: u32, start: u64, continues: bool) -> Cut {
        let weighted = x.weighted;
        let bins = Bins::default();
        Cut {
            row0,
            rows: 0,
            continues,
            weighted,
            entry_bytes: x.entry_bytes(),
            start,
            entries: 0,
            pieces: 0,
            words: 1,
            bins,
        }
    }

    fn takes(&self, row: u64, room: &Room) -> bool {
        self.entries + row <= room.entries
            && self.pieces + pieces_of(row) <= room.pieces
            && self.words + words_of(row) <= room.words
    }

    fn add(&mut self, row: u64) {
        self.rows += 1;
        self.entries += row;
        self.pieces += pieces_of(row);
        self.words += words_of(row);
    }

    /// Bytes of the index.
    fn index_bytes(&self) -> u64 {
        4 * (u64::from(self.rows) + 1 + 4 * self.bins.groups.len() as u64 + 3 * self.bins.long.len() as u64)
    }

    /// Where a row of the window (or the one after its last) starts among its entries.
    fn row_start<T>(&self, x: &Csr<T>, row: u32) -> u64 {
        x.first[(self.row0 + row) as usize].clamp(self.start, self.start + self.entries) - self.start
    }

    fn starts<T>(&self, x: &Csr<T>) -> Vec<u32> {
        (0..=self.rows).map(|row| self.row_start(x, row) as u32).collect()
    }

    /// Bytes of each of [`CsrRows::contents`].
    pub(crate) fn sizes(&self) -> [u64; 3] {
        [self.index_bytes(), self.entries * 4, self.entries * self.entry_bytes]
    }

    pub(crate) fn of<T>(&self, x: &Arc<Csr<T>>) -> CsrRows<T> {
        let mut index = self.starts(x);
        index.extend(self.bins.groups.iter().flatten().chain(self.bins.long.iter().flatten()));
        CsrRows { x: Arc::clone(x), index, entries: self.start as usize..(self.start + self.entries) as usize }
    }

    pub(crate) fn panel<T: Number>(&self, home: Home<3, CsrRows<T>>) -> CsrPanel<T> {
        CsrPanel {
            row0: self.row0,
            rows: self.rows,
            continues: self.continues,
            entries: self.entries,
            groups: self.bins.groups.len() as u32,
            pieces: self.bins.pieces,
            long: self.bins.long.len() as u32,
            weighted: self.weighted,
            home,
        }
    }
}

/// Cuts a sparse matrix into windows, and the rows of each into groups.
pub(crate) fn cut<T: Number>(x: &Csr<T>, limit: u64, device: &Device) -> Vec<Cut> {
    let room = Room {
        entries: (limit / x.entry_bytes()).max(1),
        // their sums, of N and of D, must fit one binding, for up to 1024 components
        pieces: (device.max_binding() / (2048 * T::BYTES)).clamp(1, MAX_PIECES),
        words: (limit / 4).max(16),
    };
    // entries of a row that a window of its own can hold; only longer ones are cut
    let most = room.entries.min(room.pieces * SEGMENT).min((room.words - 5) / 4 * SEGMENT);
    let mut cuts = Vec::new();
    let mut open = Cut::at(x, 0, 0, false);
    for row in 0..x.rows {
        let (mut at, end) = (x.first[row as usize], x.first[row as usize + 1]);
        if open.rows > 0 && !open.takes(end - at, &room) {
            cuts.push(std::mem::replace(&mut open, Cut::at(x, row, at, false)));
        }
        while end - at > most {
            open.add(most);
            at += most;
            cuts.push(std::mem::replace(&mut open, Cut::at(x, row, at, true)));
        }
        open.add(end - at);
    }
    if open.rows > 0 {
        cuts.push(open);
    }
    for cut in &mut cuts {
        cut.bins = Bins::new(&cut.starts(x));
    }
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
pub(crate) fn batches<T>(x: &Csr<T>, cuts: &[Cut]) -> Vec<Batch> {
    let mut all: Vec<Batch> = Vec::new();
    let mut joinable = false;
    for (panel, cut) in cuts.iter().enumerate() {
        for row in 0..cut.rows {
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
