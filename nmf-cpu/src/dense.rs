//! Dense products: XH, XᵀW and Gram matrices, by `gemm` on fixed pieces.
//!
//! The pieces depend on the shapes alone and each is computed by one thread, so results do not depend on how many
//! threads there are. Per half-step of the Frobenius loss: 2·m·n·k flops, m·n numbers read once.

use crate::gemm::{Mat, MatMut, matmul};
use crate::simd::Real;
use crate::storage::{Factor, Gram};
use crate::transposed;
use nmf_core::{Element, Side};
use rayon::prelude::*;

/// Rows of a piece of W (or of H): enough to amortize packing the other operand, few enough to balance two to dozens of threads.
fn piece(lines: usize) -> usize {
    (lines / 16).next_multiple_of(16).clamp(16, 512)
}

/// out = X·other or Xᵀ·other, X row-major rows×cols.
pub(crate) fn cross<T: Real>(
    x: &[T],
    (rows, cols): (usize, usize),
    side: Side,
    other: &Factor<T>,
    out: &mut Factor<T>,
) {
    let (k, stride) = (out.k, out.stride);
    if side == Side::Cols && transposed::suits(rows, k) {
        return transposed::cross(x, (rows, cols), other, out);
    }
    let step = piece(out.rows);
    out.data.par_chunks_mut(step * stride).enumerate().for_each(|(p, dst)| {
        let from = p * step;
        let lines = dst.len() / stride;
        let a = match side {
            Side::Rows => Mat::new(&x[from * cols..][..lines * cols], lines, cols, cols),
            Side::Cols => Mat { data: &x[from..], rows: lines, cols: rows, rs: 1, cs: cols },
        };
        let b = Mat::new(&other.data, other.rows, k, stride);
        matmul(MatMut::new(dst, lines, k, stride), false, a, b);
    });
}

/// Rows of one partial sum of a Gram matrix.
const GRAM_ROWS: usize = 1024;

/// fᵀf: partial sums over fixed row ranges in T, added in f64.
pub(crate) fn gram_f64<T: Element>(f: &Factor<T>) -> Vec<f64> {
    let (k, stride) = (f.k, f.stride);
    let parts: Vec<Vec<T>> = f
        .data
        .par_chunks(GRAM_ROWS * stride)
        .map(|rows| {
            let a = Mat::new(rows, rows.len() / stride, k, stride);
            let mut g = vec![T::zero(); k * k];
            matmul(MatMut::new(&mut g, k, k, k), false, a.t(), a);
            g
        })
        .collect();
    let mut out = vec![0.0; k * k];
    for part in parts {
        for (o, v) in out.iter_mut().zip(part) {
            *o += v.f64();
        }
    }
    out
}

/// fᵀf.
pub(crate) fn gram<T: Element>(f: &Factor<T>, out: &mut Gram<T>) {
    let k = f.k;
    let g = gram_f64(f);
    for i in 0..k {
        for j in 0..k {
            // exactly symmetric, whatever order the product summed in
            out.data[i * out.stride + j] = T::of(0.5 * (g[i * k + j] + g[j * k + i]));
        }
    }
}

/// fᵀf with products and sums in f64: for differences of large sums.
pub(crate) fn gram_exact<T: Element>(f: &Factor<T>) -> Vec<f64> {
    let (k, stride) = (f.k, f.stride);
    let parts: Vec<Vec<f64>> = f
        .data
        .par_chunks(GRAM_ROWS * stride)
        .map(|rows| {
            let wide: Vec<f64> = rows.iter().map(|v| v.f64()).collect();
            let a = Mat::new(&wide, rows.len() / stride, k, stride);
            let mut g = vec![0.0; k * k];
            matmul(MatMut::new(&mut g, k, k, k), false, a.t(), a);
            g
        })
        .collect();
    let mut out = vec![0.0; k * k];
    for part in parts {
        for (o, v) in out.iter_mut().zip(part) {
            *o += v;
        }
    }
    out
}

/// Σ over the rows of f, in f64.
pub(crate) fn column_sums<T: Element>(f: &Factor<T>) -> Vec<f64> {
    let parts: Vec<Vec<f64>> = f
        .data
        .par_chunks(GRAM_ROWS * f.stride)
        .map(|rows| {
            let mut s = vec![0.0; f.stride];
            for row in rows.chunks_exact(f.stride) {
                for (s, v) in s.iter_mut().zip(row) {
                    *s += v.f64();
                }
            }
            s
        })
        .collect();
    let mut out = vec![0.0; f.stride];
    for part in parts {
        for (o, v) in out.iter_mut().zip(part) {
            *o += v;
        }
    }
    out
}

/// out = α·f·G, or out += α·f·G with `add`: the denominator of the Frobenius update.
pub(crate) fn times_gram<T: Element>(f: &Factor<T>, g: &Gram<T>, alpha: T, add: bool, out: &mut Factor<T>) {
    let (k, stride) = (f.k, f.stride);
    let mut scaled = g.clone();
    scaled.data.iter_mut().for_each(|v| *v *= alpha);
    let step = 256;
    out.data.par_chunks_mut(step * stride).zip(f.data.par_chunks(step * stride)).for_each(|(dst, rows)| {
        let lines = rows.len() / stride;
        let (a, b) = (Mat::new(rows, lines, k, stride), Mat::new(&scaled.data, k, k, stride));
        matmul(MatMut::new(dst, lines, k, stride), add, a, b);
    });
}
