//! The E step: responsibilities, log-likelihood and the sums the M step needs, in one pass over the rows.

use crate::data::Data;
use crate::exp::{LogSum, exp_negative};
use crate::model::{Covariances, GaussianMixture};
use pulp::{Simd, WithSimd};
use std::sync::LazyLock;

/// Rows whose densities are held at once: K·64 numbers stay in the first-level cache.
const STRIP: usize = 64;

static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Gaussians ready for evaluation.
#[derive(Debug)]
pub(crate) struct Gaussians {
    k: usize,
    d: usize,
    means: Vec<f64>,
    /// log πₖ − ½ d log 2π − ½ log |Σₖ|; −∞ for a component of weight zero.
    constants: Vec<f64>,
    precision: Precision,
}

#[derive(Debug)]
enum Precision {
    /// 1/variance, k×d.
    Diagonal(Vec<f64>),
    /// L⁻¹ of Σ = L·Lᵀ, k×d×d, lower triangles.
    Full(Vec<f64>),
}

/// Sums over the rows, relative to the means they were computed with.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    /// Σ w log p(x).
    pub(crate) log_likelihood: f64,
    /// Nₖ = Σ w γₖ.
    pub(crate) counts: Vec<f64>,
    /// Σ w γₖ (x − μₖ), k×d.
    pub(crate) first: Vec<f64>,
    /// Σ w γₖ (x − μₖ)(x − μₖ)ᵀ: diagonals k×d, or lower triangles k×d×d.
    pub(crate) second: Vec<f64>,
}

impl Sums {
    /// The sums of both sets of rows.
    pub(crate) fn plus(mut self, other: &Sums) -> Sums {
        self.log_likelihood += other.log_likelihood;
        for (mine, theirs) in
            [(&mut self.counts, &other.counts), (&mut self.first, &other.first), (&mut self.second, &other.second)]
        {
            mine.iter_mut().zip(theirs).for_each(|(a, p)| *a += p);
        }
        self
    }
}

impl Gaussians {
    pub(crate) fn new(mixture: &GaussianMixture) -> Self {
        let (k, d) = mixture.means().dim();
        let mut constants: Vec<f64> =
            mixture.weights().iter().map(|w| w.ln() - 0.5 * d as f64 * std::f64::consts::TAU.ln()).collect();
        let precision = match mixture.covariances() {
            Covariances::Diagonal(v) => {
                for (c, v) in constants.iter_mut().zip(v.rows()) {
                    *c -= 0.5 * v.iter().map(|v| v.ln()).sum::<f64>();
                }
                Precision::Diagonal(v.iter().map(|v| v.recip()).collect())
            }
            Covariances::Full(_) => {
                let mut inverses = Vec::with_capacity(k * d * d);
                for (q, c) in constants.iter_mut().enumerate() {
                    let root = mixture.root(q);
                    *c -= (0..d).map(|j| root[j * d + j].ln()).sum::<f64>();
                    inverses.extend(inverse(&root, d));
                }
                Precision::Full(inverses)
            }
        };
        Gaussians { k, d, means: mixture.means().iter().copied().collect(), constants, precision }
    }

    /// Entries of [`Sums::second`] for each component.
    fn second_width(&self) -> usize {
        match self.precision {
            Precision::Diagonal(_) => self.d,
            Precision::Full(_) => self.d * self.d,
        }
    }

    /// One pass over the rows; the same bits for every number of threads.
    pub(crate) fn sums(&self, data: &Data<'_>) -> Sums {
        let zero = Sums {
            log_likelihood: 0.0,
            counts: vec![0.0; self.k],
            first: vec![0.0; self.k * self.d],
            second: vec![0.0; self.k * self.second_width()],
        };
        let parts = data.map_blocks(|_, values, weights| {
            let mut part = zero.clone();
            ARCH.dispatch(Block { gaussians: self, values, weights, sums: &mut part });
            part
        });
        parts.iter().fold(zero, |all, part| all.plus(part))
    }

    /// Calls `f(row, responsibilities, log p)` for every row of row-major `values`.
    pub(crate) fn posteriors(&self, values: &[f64], mut f: impl FnMut(usize, &[f64], f64)) {
        let mut strip = Strip::new(self.k);
        let mut shares = vec![0.0; self.k];
        for (s, values) in values.chunks(STRIP * self.d).enumerate() {
            let rows = values.len() / self.d;
            strip.fill(self, values, rows);
            for i in 0..rows {
                shares.iter_mut().enumerate().for_each(|(q, g)| *g = strip.shares[q * STRIP + i] / strip.total[i]);
                f(s * STRIP + i, &shares, strip.top[i] + strip.total[i].ln());
            }
        }
    }

    /// log πₖ N(x) of every row of a strip.
    #[inline(always)]
    fn log_densities(&self, q: usize, values: &[f64], out: &mut [f64]) {
        let d = self.d;
        let (constant, mean) = (self.constants[q], &self.means[q * d..][..d]);
        match &self.precision {
            Precision::Diagonal(p) if d == 1 => {
                let (mean, half) = (mean[0], -0.5 * p[q]);
                out.iter_mut().zip(values).for_each(|(o, x)| *o = constant + half * (x - mean) * (x - mean));
            }
            Precision::Diagonal(p) => {
                let p = &p[q * d..][..d];
                for (o, row) in out.iter_mut().zip(values.chunks_exact(d)) {
                    let squares = row.iter().zip(mean).zip(p).map(|((x, m), p)| p * (x - m) * (x - m));
                    *o = constant - 0.5 * squares.sum::<f64>();
                }
            }
            Precision::Full(l) => {
                let l = &l[q * d * d..][..d * d];
                for (o, row) in out.iter_mut().zip(values.chunks_exact(d)) {
                    let mut squares = 0.0;
                    for i in 0..d {
                        let y: f64 = (0..=i).map(|j| l[i * d + j] * (row[j] - mean[j])).sum();
                        squares += y * y;
                    }
                    *o = constant - 0.5 * squares;
                }
            }
        }
    }
}

/// Densities of up to [`STRIP`] rows, by components.
struct Strip {
    /// exp(log density − top), K×STRIP.
    shares: Vec<f64>,
    /// The largest log density of each row.
    top: [f64; STRIP],
    /// Sum of the shares of each row, in [1, K].
    total: [f64; STRIP],
}

impl Strip {
    fn new(k: usize) -> Self {
        Strip { shares: vec![0.0; k * STRIP], top: [0.0; STRIP], total: [0.0; STRIP] }
    }

    #[inline(always)]
    fn fill(&mut self, gaussians: &Gaussians, values: &[f64], rows: usize) {
        self.top = [f64::NEG_INFINITY; STRIP];
        self.total = [0.0; STRIP];
        for (q, out) in self.shares.chunks_exact_mut(STRIP).enumerate() {
            gaussians.log_densities(q, values, &mut out[..rows]);
            self.top.iter_mut().zip(&*out).for_each(|(t, o)| *t = if *o > *t { *o } else { *t });
        }
        // a row so far from everything that every square overflows has −∞ everywhere
        self.top.iter_mut().for_each(|t| *t = if *t > f64::MIN { *t } else { f64::MIN });
        for out in self.shares.chunks_exact_mut(STRIP) {
            for ((o, t), sum) in out.iter_mut().zip(&self.top).zip(&mut self.total) {
                *o = exp_negative(*o - *t);
                *sum += *o;
            }
        }
        if self.total[..rows].iter().any(|t| *t < 0.5) {
            self.share_lost_rows(gaussians, rows);
        }
    }

    /// Rows whose squares overflow belong to all components of weight > 0 alike.
    #[cold]
    fn share_lost_rows(&mut self, gaussians: &Gaussians, rows: usize) {
        for i in 0..rows {
            if self.total[i] >= 0.5 {
                continue;
            }
            for (out, c) in self.shares.chunks_exact_mut(STRIP).zip(&gaussians.constants) {
                out[i] = if *c > f64::NEG_INFINITY { 1.0 } else { 0.0 };
                self.total[i] += out[i];
            }
        }
    }
}

/// A block of rows, compiled for every instruction set.
struct Block<'a> {
    gaussians: &'a Gaussians,
    values: &'a [f64],
    weights: Option<&'a [f64]>,
    sums: &'a mut Sums,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Block { gaussians, values, weights, sums } = self;
        let d = gaussians.d;
        let mut strip = Strip::new(gaussians.k);
        let mut logs = LogSum::ZERO;
        for (s, values) in values.chunks(STRIP * d).enumerate() {
            let rows = values.len() / d;
            strip.fill(gaussians, values, rows);
            match weights.map(|w| &w[s * STRIP..][..rows]) {
                Some(w) => {
                    for i in 0..rows {
                        sums.log_likelihood += w[i] * (strip.top[i] + strip.total[i].ln());
                        strip.total[i] = w[i] / strip.total[i];
                    }
                }
                None => {
                    for i in 0..rows {
                        logs.add(strip.total[i]);
                        strip.total[i] = strip.total[i].recip();
                    }
                    sums.log_likelihood += strip.top[..rows].iter().sum::<f64>();
                }
            }
            for (q, shares) in strip.shares.chunks_exact_mut(STRIP).enumerate() {
                shares[..rows].iter_mut().zip(&strip.total).for_each(|(g, t)| *g *= t);
                accumulate(gaussians, q, values, &shares[..rows], sums);
            }
        }
        sums.log_likelihood += logs.value();
    }
}

/// Adds a strip's rows to the sums of component `q`.
#[inline(always)]
fn accumulate(gaussians: &Gaussians, q: usize, values: &[f64], shares: &[f64], sums: &mut Sums) {
    let d = gaussians.d;
    let mean = &gaussians.means[q * d..][..d];
    sums.counts[q] += in_lanes(shares.len(), |i| shares[i]);
    if d == 1 {
        let mean = mean[0];
        sums.first[q] += in_lanes(shares.len(), |i| shares[i] * (values[i] - mean));
        sums.second[q] += in_lanes(shares.len(), |i| shares[i] * (values[i] - mean) * (values[i] - mean));
        return;
    }
    let first = &mut sums.first[q * d..][..d];
    match gaussians.precision {
        Precision::Diagonal(_) => {
            let second = &mut sums.second[q * d..][..d];
            for (row, g) in values.chunks_exact(d).zip(shares) {
                for j in 0..d {
                    let (x, step) = (row[j] - mean[j], g * (row[j] - mean[j]));
                    first[j] += step;
                    second[j] += step * x;
                }
            }
        }
        Precision::Full(_) => {
            let second = &mut sums.second[q * d * d..][..d * d];
            for (row, g) in values.chunks_exact(d).zip(shares) {
                for i in 0..d {
                    let step = g * (row[i] - mean[i]);
                    first[i] += step;
                    for j in 0..=i {
                        second[i * d + j] += step * (row[j] - mean[j]);
                    }
                }
            }
        }
    }
}

/// Σ f(i) in eight running sums, so that it vectorizes; the order is the same for every instruction set.
#[inline(always)]
fn in_lanes(n: usize, f: impl Fn(usize) -> f64) -> f64 {
    let mut lanes = [0.0; 8];
    let whole = n - n % 8;
    for start in (0..whole).step_by(8) {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += f(start + l);
        }
    }
    let rest: f64 = (whole..n).map(&f).sum();
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h)) + rest
}

/// Inverse of a lower triangle.
fn inverse(l: &[f64], d: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; d * d];
    for col in 0..d {
        for i in col..d {
            let known: f64 = (col..i).map(|j| l[i * d + j] * inverse[j * d + col]).sum();
            let unit = if i == col { 1.0 } else { 0.0 };
            inverse[i * d + col] = (unit - known) / l[i * d + i];
        }
    }
    inverse
}
