//! Inputs made on the spot: random everywhere (zeros would compress), the same in every run, on all threads.

use ndarray::Array2;
use nmf_core::Sparse;
use rayon::prelude::*;

/// Rows, columns and stored entries of 20 Newsgroups as words × documents are usually counted.
pub(crate) const NEWS: (usize, usize, usize) = (18_810, 49_562, 1_580_000);

/// The finalizer of SplitMix64: numbers without a pattern from positions.
fn mixed(i: u64) -> u64 {
    let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// In (0, 1].
fn unit(i: u64) -> f64 {
    ((mixed(i) >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// rows×cols, uniform in (low, low + 1].
pub(crate) fn uniform(rows: usize, cols: usize, low: f32, seed: u64) -> Array2<f32> {
    const PIECE: usize = 1 << 16;
    let mut all = vec![0f32; rows * cols];
    all.par_chunks_mut(PIECE).enumerate().for_each(|(piece, part)| {
        for (i, v) in part.iter_mut().enumerate() {
            *v = low + unit(seed << 40 | (piece * PIECE + i) as u64) as f32;
        }
    });
    Array2::from_shape_vec((rows, cols), all).expect("as many numbers as rows × cols")
}

/// X for a dense case: mean 0.55, every entry > 0.
pub(crate) fn dense(rows: usize, cols: usize) -> Array2<f32> {
    uniform(rows, cols, 0.05, 1)
}

/// A factor whose products with another one have mean `mean`.
pub(crate) fn factor(rows: usize, k: usize, mean: f64, seed: u64) -> Array2<f32> {
    // two factors of mean u give k·u²
    let level = (mean / k as f64).sqrt();
    uniform(rows, k, 0.5, seed).mapv_into(|v| v * level as f32)
}

/// Counts like those of a text corpus: lengths of rows log-normal, words by Zipf's law and in no order, about
/// `stored` entries.
pub(crate) fn counts(rows: usize, cols: usize, stored: usize) -> Sparse<f32> {
    let mean = stored as f64 / rows as f64;
    let lines: Vec<Vec<u32>> = (0..rows as u64)
        .into_par_iter()
        .map(|row| {
            let at = |j: u64| unit(7 << 50 | row << 20 | j);
            // a normal number from two uniform ones; with σ = 1 the mean is e^½ times the median
            let normal = (-2.0 * at(0).ln()).sqrt() * (std::f64::consts::TAU * at(1)).cos();
            let length = (mean * (normal - 0.5).exp()).round().clamp(1.0, cols as f64 / 4.0) as usize;
            let mut line = Vec::with_capacity(length);
            let mut next = 2u64;
            // words come again; what is missing is drawn again, a bounded number of times
            while line.len() < length && next < 60_000 {
                for _ in line.len()..length {
                    line.push(word(at(next), cols));
                    next += 1;
                }
                line.sort_unstable();
                line.dedup();
            }
            line
        })
        .collect();
    let mut indptr = vec![0u64];
    let mut indices = Vec::with_capacity(stored + stored / 8);
    for line in lines {
        indices.extend(line);
        indptr.push(indices.len() as u64);
    }
    let values = (0..indices.len() as u64).map(|i| 1.0 + (4.0 * unit(8 << 50 | i).powi(4)).floor() as f32).collect();
    Sparse::new((rows, cols), indptr, indices, values)
}

/// Density ∝ 1/(rank + 20) (Zipf and Mandelbrot), then a column that has nothing to do with the rank.
fn word(u: f64, cols: usize) -> u32 {
    let rank = (20.0 * ((cols as f64 + 20.0) / 20.0).powf(u) - 20.0).floor().clamp(0.0, cols as f64 - 1.0) as usize;
    // one to one where the step shares no divisor with the number of columns
    let mut step = cols / 2 + cols / 8;
    while step > 1 && divisor(step, cols) != 1 {
        step -= 1;
    }
    ((rank * step.max(1)) % cols) as u32
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_look_alike_has_the_size_and_the_shape_of_a_corpus() {
        let x = counts(2000, 5000, 168_000);
        assert_eq!(x.shape(), (2000, 5000));
        assert!((x.nnz() as f64 / 168_000.0 - 1.0).abs() < 0.1, "{}", x.nnz());
        assert!(x.data().iter().all(|v| (1.0..=5.0).contains(v)));
        let mut of_column = vec![0usize; 5000];
        x.indices().iter().for_each(|j| of_column[*j as usize] += 1);
        of_column.sort_unstable();
        // most words are rare, a few are nearly everywhere
        assert!(of_column[2500] < 40 && of_column[4999] > 500, "{} {}", of_column[2500], of_column[4999]);
    }

    #[test]
    fn dense_inputs_are_positive_and_never_repeat_a_piece() {
        let x = uniform(300, 1000, 0.05, 1);
        assert!(x.iter().all(|v| *v > 0.05 && *v <= 1.051));
        let mean = x.sum() / 300_000.0;
        assert!((mean - 0.55).abs() < 0.01, "{mean}");
        assert_ne!(x.row(0), x.row(1));
        let f = factor(1000, 8, 0.55, 3);
        assert!((f.dot(&f.t()).mean().unwrap_or(0.0) - 0.55).abs() < 0.05);
    }
}
