//! Correlations at short lags and short filters, by transforms of pieces: memory does not grow with the sound.

use rayon::prelude::*;
use realfft::num_complex::Complex64;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// Transforms for filters of some taps.
pub(crate) struct Plan {
    taps: usize,
    /// Samples of a piece; a transform has these and 2(taps − 1) more.
    piece: usize,
    frame: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

/// Σₙ x[n]·y[n + l] for l = −(taps − 1) … taps − 1.
pub(crate) struct Correlations {
    /// By x, then y.
    values: Vec<Vec<f64>>,
    second: usize,
}

impl Correlations {
    pub(crate) fn lags(&self, x: usize, y: usize) -> &[f64] {
        &self.values[x * self.second + y]
    }
}

impl Plan {
    pub(crate) fn new(taps: usize) -> Self {
        let frame = (16 * taps).next_power_of_two().max(1024);
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(frame), planner.plan_fft_inverse(frame));
        Plan { taps, piece: frame - 2 * (taps - 1), frame, forward, inverse }
    }

    /// The spectrum of the samples from `start`, `count` of them, zero outside the signal.
    fn spectrum(&self, signal: &[f64], start: i64, count: usize) -> Vec<Complex64> {
        let (mut input, mut out) = (self.forward.make_input_vec(), self.forward.make_output_vec());
        let skipped = (-start).max(0) as usize;
        let from = (start.max(0) as usize).min(signal.len());
        if skipped < count {
            let there = (count - skipped).min(signal.len() - from);
            input[skipped..skipped + there].copy_from_slice(&signal[from..from + there]);
        }
        // the lengths are those of the plan
        let done = self.forward.process(&mut input, &mut out);
        debug_assert!(done.is_ok());
        out
    }

    /// The signal of a spectrum.
    fn signal(&self, mut spectrum: Vec<Complex64>) -> Vec<f64> {
        let mut out = self.inverse.make_output_vec();
        spectrum[0].im = 0.0;
        let last = spectrum.len() - 1;
        spectrum[last].im = 0.0;
        let done = self.inverse.process(&mut spectrum, &mut out);
        debug_assert!(done.is_ok());
        let scale = 1.0 / self.frame as f64;
        out.iter_mut().for_each(|x| *x *= scale);
        out
    }

    /// All correlations of `first` with `second`, signals of one length.
    pub(crate) fn correlations(&self, first: &[Vec<f64>], second: &[Vec<f64>]) -> Correlations {
        let len = first.first().map_or(0, Vec::len);
        let pieces = len.div_ceil(self.piece);
        let reach = self.taps - 1;
        let pairs = first.len() * second.len();
        let empty = || vec![vec![Complex64::default(); self.frame / 2 + 1]; pairs];
        // groups of 16 pieces: fixed boundaries, so that no sum depends on the number of threads
        let groups: Vec<Vec<Vec<Complex64>>> = (0..pieces.div_ceil(16))
            .into_par_iter()
            .map(|group| {
                let mut sums = empty();
                for p in group * 16..pieces.min(group * 16 + 16) {
                    let start = (p * self.piece) as i64;
                    let x: Vec<_> = first.iter().map(|s| self.spectrum(s, start, self.piece)).collect();
                    let y: Vec<_> = second.iter().map(|s| self.spectrum(s, start - reach as i64, self.frame)).collect();
                    for (i, x) in x.iter().enumerate() {
                        for (j, y) in y.iter().enumerate() {
                            let sum = &mut sums[i * second.len() + j];
                            sum.iter_mut().zip(x).zip(y).for_each(|((s, x), y)| *s += x.conj() * y);
                        }
                    }
                }
                sums
            })
            .collect();
        let total = groups.into_iter().fold(empty(), |mut total, group| {
            for (t, g) in total.iter_mut().flatten().zip(group.iter().flatten()) {
                *t += g;
            }
            total
        });
        let values = total
            .into_iter()
            .map(|sum| {
                let mut lags = self.signal(sum);
                lags.truncate(2 * reach + 1);
                lags
            })
            .collect();
        Correlations { values, second: second.len() }
    }

    /// Σ p² and Σ (e − p)² of p = Σᵢ filterᵢ ∗ sourceᵢ over the length of the estimate e and the `taps − 1` samples after.
    pub(crate) fn energies(&self, sources: &[Vec<f64>], filters: &[f64], estimate: &[f64]) -> (f64, f64) {
        let filters: Vec<_> = filters.chunks(self.taps).map(|f| self.spectrum(f, 0, self.taps)).collect();
        let reach = self.taps - 1;
        let end = estimate.len() + reach;
        let parts: Vec<(f64, f64)> = (0..end.div_ceil(self.piece))
            .into_par_iter()
            .map(|p| {
                let start = p * self.piece;
                let mut sum = vec![Complex64::default(); self.frame / 2 + 1];
                for (source, filter) in sources.iter().zip(&filters) {
                    let x = self.spectrum(source, start as i64 - reach as i64, self.piece + reach);
                    sum.iter_mut().zip(&x).zip(filter).for_each(|((s, x), f)| *s += x * f);
                }
                let projected = self.signal(sum);
                let (mut energy, mut error) = (0.0, 0.0);
                for n in start..end.min(start + self.piece) {
                    let (p, e) = (projected[n - start + reach], estimate.get(n).copied().unwrap_or(0.0));
                    energy += p * p;
                    error += (e - p) * (e - p);
                }
                (energy, error)
            })
            .collect();
        parts.iter().fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d))
    }
}
