//! XᵀW for a row-major X, by rank updates.
//!
//! A matrix product would take Xᵀ apart column by column, a jump of a row's length at every step, and repack it. Here X is read
//! as it lies: a few rows at a time, out[q][j] += w[i][q]·x[i][j] over all columns, with a tile of `out` in registers. Each range of rows
//! has an `out` of its own; they are added in order. 2·m·n·k flops, X read once.

use crate::simd::{self, Kernel, Real};
use crate::storage::Factor;
use pulp::Simd;
use rayon::prelude::*;

/// Ranges of rows, each with a sum of its own: enough to balance two to a dozen threads.
const RANGES: usize = 16;
/// Rows of X whose products are added up before they join the rest: keeps the rounding of long sums down.
const LONG: usize = 4096;
/// Rows of X before the next tile of `out`: so many streams a processor still fetches ahead.
const ROWS: usize = 16;

/// Ranges into which `rows` are cut for components `k`; 0 where their sums would take more than an eighth of X's room.
fn ranges(rows: usize, k: usize) -> usize {
    RANGES.min(rows / (8 * k))
}

/// Whether rank updates suit this shape: from about a hundred components on a general product is as fast, since it packs
/// Xᵀ once for many of them.
pub(crate) fn suits(rows: usize, k: usize) -> bool {
    k < 96 && ranges(rows, k) >= 4
}

/// out = Xᵀ·w, X row-major rows×cols, w rows×k, out cols×k.
pub(crate) fn cross<T: Real>(x: &[T], (rows, cols): (usize, usize), w: &Factor<T>, out: &mut Factor<T>) {
    let (k, stride) = (w.k, w.stride);
    // they depend on the shape alone, so that results do not depend on the number of threads
    let range = rows.div_ceil(ranges(rows, k).max(1)).next_multiple_of(ROWS);
    let sums: Vec<Vec<T>> = x
        .par_chunks(range * cols)
        .zip(w.data.par_chunks(range * stride))
        .map(|(x, w)| simd::run(Range { x, cols, w, k, stride }))
        .collect();
    let width = sums.first().map_or(0, |s| s.len() / k);
    out.data.par_chunks_mut(256 * stride).enumerate().for_each(|(p, out)| {
        let columns = out.len() / stride;
        for q in 0..k {
            let mut total = [T::zero(); 256];
            for sum in &sums {
                let part = &sum[q * width + p * 256..][..columns];
                total.iter_mut().zip(part).for_each(|(t, s)| *t += *s);
            }
            out.chunks_exact_mut(stride).zip(total).for_each(|(row, t)| row[q] = t);
        }
    });
}

struct Range<'a, T> {
    x: &'a [T],
    cols: usize,
    w: &'a [T],
    k: usize,
    stride: usize,
}

impl<T: Real> Kernel for Range<'_, T> {
    /// Component by component, with room for a whole last tile.
    type Out = Vec<T>;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<T> {
        let (k, stride, cols) = (self.k, self.stride, self.cols);
        let tile = 2 * T::lanes::<S>();
        let width = cols.next_multiple_of(tile);
        let (mut acc, mut total) = (vec![T::zero(); k * width], Vec::new());
        let whole = cols - cols % tile;
        let mut last = vec![T::zero(); ROWS * tile];
        for (b, (x, w)) in self.x.chunks(ROWS * cols).zip(self.w.chunks(ROWS * stride)).enumerate() {
            let rows = x.len() / cols;
            // what the next rows hold here is asked for now: sixteen streams are too many to be foreseen
            let next = self.x.get((b + 1) * ROWS * cols..).unwrap_or(&[]);
            for at in (0..whole).step_by(tile) {
                for row in next.chunks_exact(cols).take(ROWS) {
                    simd::prefetch(&row[at..at + tile]);
                }
                update(simd, &mut acc, (width, at), w, (k, stride), &x[at..], cols, rows);
            }
            if whole < cols {
                for (row, last) in x.chunks_exact(cols).zip(last.chunks_exact_mut(tile)) {
                    last[..cols - whole].copy_from_slice(&row[whole..]);
                }
                update(simd, &mut acc, (width, whole), w, (k, stride), &last, tile, rows);
            }
            let so_far = (b + 1) * ROWS;
            if so_far.is_multiple_of(LONG) && so_far * cols < self.x.len() {
                total.resize(acc.len(), T::zero());
                add_up(&mut total, &mut acc);
            }
        }
        if !total.is_empty() {
            add_up(&mut acc, &mut total);
        }
        acc
    }
}

/// total += part; part = 0.
fn add_up<T: Real>(total: &mut [T], part: &mut [T]) {
    for (total, part) in total.iter_mut().zip(part) {
        *total += *part;
        *part = T::zero();
    }
}

/// acc[q][at..] += Σ_i w[i][q]·x[i][..] for a tile of columns and all components, as many at a time as there are registers for.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // three matrices, their strides and a place
fn update<T: Real, S: Simd>(
    simd: S,
    acc: &mut [T],
    (width, at): (usize, usize),
    w: &[T],
    (k, stride): (usize, usize),
    x: &[T],
    cols: usize,
    rows: usize,
) {
    let wide = S::REGISTER_COUNT >= 32;
    let mut q = 0;
    while q < k {
        let (acc, w) = (&mut acc[q * width + at..], &w[q..]);
        q += match k - q {
            12.. if wide => T::rank_update::<S, 12>(simd, acc, width, w, stride, x, cols, rows),
            10.. if wide => T::rank_update::<S, 10>(simd, acc, width, w, stride, x, cols, rows),
            8.. if wide => T::rank_update::<S, 8>(simd, acc, width, w, stride, x, cols, rows),
            5.. => T::rank_update::<S, 5>(simd, acc, width, w, stride, x, cols, rows),
            4 => T::rank_update::<S, 4>(simd, acc, width, w, stride, x, cols, rows),
            2.. => T::rank_update::<S, 2>(simd, acc, width, w, stride, x, cols, rows),
            _ => T::rank_update::<S, 1>(simd, acc, width, w, stride, x, cols, rows),
        };
    }
}
