//! Building CSR matrices with little memory beyond the result.

use crate::error::{Error, Result};
use crate::table::{cast, overflow};
use nmf_core::{Element, Sparse};
use std::path::Path;

/// Rows or columns must fit 32-bit indices.
pub(crate) fn check_dim(path: &Path, what: &str, n: u64) -> Result<usize> {
    match usize::try_from(n) {
        Ok(n) if n <= u32::MAX as usize => Ok(n),
        _ => Err(Error::format(path, format!("{n} {what}: at most {} are supported", u32::MAX))),
    }
}

/// Refuses row counts whose offsets alone would fill the memory although hardly a row can have an entry.
pub(crate) fn check_rows(path: &Path, rows: usize, stored: u64) -> Result<()> {
    if rows > 1 << 27 && (rows as u64) / 64 > stored {
        return Err(Error::format(
            path,
            format!("{rows} rows are declared, but only {stored} entries: the size is wrong"),
        ));
    }
    Ok(())
}

/// Refuses row starts that are none of `stored` entries: they begin with 0, never fall, and end with their number.
pub(crate) fn check_indptr(indptr: &[u64], stored: u64) -> std::result::Result<(), String> {
    if let Some(first) = indptr.first().filter(|p| **p != 0) {
        return Err(format!("begins with {first}, expected 0"));
    }
    if let Some((at, w)) = indptr.windows(2).enumerate().find(|(_, w)| w[0] > w[1]) {
        return Err(format!("decreases from {} to {} at entry {} (counted from 0)", w[0], w[1], at + 1));
    }
    match indptr.last() {
        Some(last) if *last != stored => Err(format!("ends with {last}, expected the {stored} entries of 'data'")),
        _ => Ok(()),
    }
}

/// A vector with room for `n` values that the file says it has, as far as its size makes that plausible.
pub(crate) fn reserve<T>(path: &Path, n: u64, plausible: u64) -> Result<Vec<T>> {
    /// Where the input is a pipe, nothing is known of its size: the vector grows as values arrive.
    const UNPROVEN: u64 = 1 << 24;
    let mut v = Vec::new();
    let n = n.min(if plausible > 1 << 48 { UNPROVEN } else { plausible });
    match usize::try_from(n).ok().map(|n| v.try_reserve_exact(n)) {
        Some(Ok(())) => Ok(v),
        _ => Err(Error::format(path, format!("the {n} values it holds do not fit in memory"))),
    }
}

/// Entries in any order.
pub(crate) struct Coo<T> {
    pub(crate) rows: Vec<u32>,
    pub(crate) cols: Vec<u32>,
    pub(crate) values: Vec<T>,
}

impl<T: Element> Coo<T> {
    pub(crate) fn push(&mut self, row: u32, col: u32, value: T) {
        self.rows.push(row);
        self.cols.push(col);
        self.values.push(value);
    }

    /// Distributes the entries to their rows by counting; entries of one row keep their order.
    ///
    /// Every index must be within `shape`.
    pub(crate) fn into_csr(self, path: &Path, shape: (usize, usize)) -> Result<Sparse<T>> {
        let n = self.values.len();
        let mut indptr = vec![0u64; shape.0 + 1];
        for &r in &self.rows {
            indptr[r as usize + 1] += 1;
        }
        for r in 0..shape.0 {
            indptr[r + 1] += indptr[r];
        }
        let mut next = indptr.clone();
        let mut indices = vec![0u32; n];
        let mut data = vec![T::zero(); n];
        for ((&r, &c), &v) in self.rows.iter().zip(&self.cols).zip(&self.values) {
            let at = next[r as usize] as usize;
            next[r as usize] += 1;
            indices[at] = c;
            data[at] = v;
        }
        drop((self, next));
        finish(path, shape, indptr, indices, data)
    }
}

/// The transposed of a compressed matrix, as compressed by the other dimension: CSC in, CSR out.
///
/// `shape` is that of the result; `indptr` must be valid and every index below `shape.0`.
pub(crate) fn transpose<T: Element>(
    path: &Path,
    shape: (usize, usize),
    outer: Vec<u64>,
    inner: Vec<u32>,
    values: Vec<T>,
) -> Result<Sparse<T>> {
    let mut indptr = vec![0u64; shape.0 + 1];
    for &r in &inner {
        indptr[r as usize + 1] += 1;
    }
    for r in 0..shape.0 {
        indptr[r + 1] += indptr[r];
    }
    let mut next = indptr.clone();
    let mut indices = vec![0u32; inner.len()];
    let mut data = vec![T::zero(); inner.len()];
    for (c, ends) in outer.windows(2).enumerate() {
        for k in ends[0] as usize..ends[1] as usize {
            let at = &mut next[inner[k] as usize];
            indices[*at as usize] = c as u32;
            data[*at as usize] = values[k];
            *at += 1;
        }
    }
    drop((outer, inner, values, next));
    finish(path, shape, indptr, indices, data)
}

/// Sorts each row and sums duplicates, in place; stored zeros stay, since they are observed where only stored entries
/// count; `indptr` must be monotone and end at the number
/// of entries, every index be below `shape.1`.
pub(crate) fn finish<T: Element>(
    path: &Path,
    shape: (usize, usize),
    mut indptr: Vec<u64>,
    mut indices: Vec<u32>,
    mut data: Vec<T>,
) -> Result<Sparse<T>> {
    let mut scratch: Vec<(u32, T)> = Vec::new();
    let (mut kept, mut begin) = (0, 0);
    for row in 0..shape.0 {
        let end = indptr[row + 1] as usize;
        if indices[begin..end].windows(2).any(|w| w[0] >= w[1]) {
            scratch.clear();
            scratch.extend(indices[begin..end].iter().copied().zip(data[begin..end].iter().copied()));
            // Stable, so that duplicates are summed in the order of the file.
            scratch.sort_by_key(|e| e.0);
            for same in scratch.chunk_by(|a, b| a.0 == b.0) {
                let col = same[0].0;
                let sum: f64 = same.iter().map(|e| e.1.f64()).sum();
                let value = cast(sum).ok_or_else(|| {
                    Error::at(path, row as u64, u64::from(col), format!("the sum of its duplicates, {}", overflow(sum)))
                })?;
                keep(&mut indices, &mut data, &mut kept, col, value);
            }
        } else {
            for k in begin..end {
                let (col, value) = (indices[k], data[k]);
                keep(&mut indices, &mut data, &mut kept, col, value);
            }
        }
        begin = end;
        indptr[row + 1] = kept as u64;
    }
    indices.truncate(kept);
    data.truncate(kept);
    indices.shrink_to_fit();
    data.shrink_to_fit();
    Sparse::try_new(shape, indptr, indices, data).map_err(|(.., e)| Error::format(path, e.to_string()))
}

#[inline(always)]
fn keep<T: Element>(indices: &mut [u32], data: &mut [T], kept: &mut usize, col: u32, value: T) {
    indices[*kept] = col;
    data[*kept] = value;
    *kept += 1;
}
