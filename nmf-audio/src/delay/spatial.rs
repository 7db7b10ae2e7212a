//! Powers and spatial covariances of the talkers in each frequency, and the filters they give.

use super::features::{Frames, power};
use super::{DelayGaussian, DelayModel};
use ndarray::Array2;
use rayon::prelude::*;
use realfft::num_complex::{Complex32, Complex64};
use std::f64::consts::TAU;

/// Part of a talker's power that arrives from its direction at the start; the rest is the same from everywhere, which
/// keeps the first covariances regular.
const DIRECT: f64 = 0.95;
/// Least power of a talker in a bin, as a fraction of the mean power of all bins.
const LEAST: f64 = 1e-10;
/// Iterations for powers alone; more change the estimates by hundredths of a decibel.
const POWERS: usize = 12;
/// A frequency is done where an iteration raises the log-likelihood of a frame by less.
const TOLERANCE: f64 = 1e-6;

/// Hermitian [[p, c], [c*, q]].
#[derive(Debug, Clone, Copy)]
pub(super) struct Hermitian {
    p: f64,
    q: f64,
    c: Complex64,
}

/// Spatial covariances of all talkers in one frequency, of trace 1.
pub(super) type Spatial = Vec<Hermitian>;

impl Hermitian {
    const ZERO: Hermitian = Hermitian { p: 0.0, q: 0.0, c: Complex64 { re: 0.0, im: 0.0 } };

    /// Of the delays of a Gaussian at a frequency in Hz: E[1, e^{−jωδ}]ᵀ[1, e^{jωδ}]/2.
    fn of(g: &DelayGaussian, frequency: f64) -> Self {
        let w = TAU * frequency;
        let coherence = DIRECT * (-0.5 * w * w * g.variance).exp();
        Hermitian { p: 0.5, q: 0.5, c: Complex64::from_polar(0.5 * coherence, w * g.mean) }
    }

    fn plus(self, other: Hermitian, factor: f64) -> Self {
        Hermitian { p: self.p + factor * other.p, q: self.q + factor * other.q, c: self.c + other.c * factor }
    }

    fn times(self, factor: f64) -> Self {
        Hermitian { p: self.p * factor, q: self.q * factor, c: self.c * factor }
    }

    fn determinant(self) -> f64 {
        self.p * self.q - self.c.norm_sqr()
    }

    fn apply(self, x: [Complex64; 2]) -> [Complex64; 2] {
        [x[0] * self.p + self.c * x[1], self.c.conj() * x[0] + x[1] * self.q]
    }

    /// xᴴ·self·x.
    fn form(self, x: [Complex64; 2]) -> f64 {
        self.p * x[0].norm_sqr() + self.q * x[1].norm_sqr() + 2.0 * (x[0].conj() * self.c * x[1]).re
    }

    /// self·a·self, Hermitian as both are.
    fn around(self, a: Hermitian) -> Self {
        let first = [a.p * self.p + a.c * self.c.conj(), self.c * a.p + a.c * self.q];
        let second = [a.c.conj() * self.p + self.c.conj() * a.q, a.c.conj() * self.c + self.q * a.q];
        Hermitian {
            p: (first[0] * self.p + second[0] * self.c).re,
            q: (self.c.conj() * first[1] + second[1] * self.q).re,
            c: first[1] * self.p + self.c * second[1],
        }
    }

    /// Trace 1, and a coherence that rounding has not raised to 1.
    fn normal(self) -> Self {
        let one = self.times(1.0 / (self.p + self.q));
        let most = (one.p * one.q).max(0.0).sqrt() * (1.0 - 1e-10);
        let size = one.c.norm();
        Hermitian { c: if size > most { one.c * (most / size) } else { one.c }, ..one }
    }
}

/// Σ v·R of all talkers and what follows for one bin.
struct Bin {
    sum: Hermitian,
    determinant: f64,
    /// (Σ vR)⁻¹·x.
    whitened: [Complex64; 2],
}

impl Bin {
    fn new(spatial: &[Hermitian], powers: impl Iterator<Item = f64>, x: [Complex64; 2]) -> Self {
        let sum = spatial.iter().zip(powers).fold(Hermitian::ZERO, |sum, (r, v)| sum.plus(*r, v));
        let determinant = sum.determinant().max(f64::MIN_POSITIVE);
        let scale = 1.0 / determinant;
        let whitened = [(x[0] * sum.q - sum.c * x[1]) * scale, (x[1] * sum.p - sum.c.conj() * x[0]) * scale];
        Bin { sum, determinant, whitened }
    }

    /// log density of x, the constant included.
    fn log_density(&self, x: [Complex64; 2]) -> f64 {
        let square = (x[0].conj() * self.whitened[0] + x[1].conj() * self.whitened[1]).re;
        -self.determinant.ln() - square - 2.0 * std::f64::consts::PI.ln()
    }

    /// uᴴRu with u the whitened bin, and tr(R(Σ vR)⁻¹): what one is against the other says whether R needs more power.
    fn demand(&self, r: Hermitian) -> (f64, f64) {
        let trace = self.sum.q * r.p + self.sum.p * r.q - 2.0 * (self.sum.c.conj() * r.c).re;
        (r.form(self.whitened).max(0.0), (trace / self.determinant).max(f64::MIN_POSITIVE))
    }
}

/// Fits powers and covariances to the frames by EM, each frequency by itself. Returns the covariances by frequency, the
/// log-likelihood at each iteration, and the least power.
pub(super) fn fit(
    model: &DelayModel,
    frames: &Frames,
    shares: &[Array2<f32>],
    iterations: usize,
) -> (Vec<Spatial>, Vec<f64>, f64) {
    let (count, bins) = frames.left.dim();
    let by_frame = |row: ndarray::ArrayView1<'_, Complex32>| row.iter().map(|x| power(*x)).sum::<f64>();
    let both = [&frames.left, &frames.right];
    let sum: f64 = both.iter().flat_map(|x| x.rows()).map(by_frame).sum();
    let least = (LEAST * sum / (count * bins).max(1) as f64).max(f64::MIN_POSITIVE.sqrt());
    let found: Vec<(Spatial, Vec<f64>)> = (0..bins)
        .into_par_iter()
        .map(|b| {
            let x: Vec<[Complex64; 2]> = (0..count).map(|t| pair(frames.left[[t, b]], frames.right[[t, b]])).collect();
            let f = model.stft.frequency(b, model.rate);
            let start: Spatial = model.talkers.iter().map(|g| Hermitian::of(g, f)).collect();
            let mut powers = Vec::with_capacity(count * start.len());
            for (t, x) in x.iter().enumerate() {
                powers.extend(shares.iter().map(|s| first_power(*x, s[[t, b]], shares.len(), least)));
            }
            fit_frequency(&x, start, powers, least, iterations)
        })
        .collect();
    let length = found.iter().map(|(_, curve)| curve.len()).max().unwrap_or(0);
    // a frequency that is done keeps its last value
    let at = |curve: &Vec<f64>, i: usize| curve.get(i).or(curve.last()).copied().unwrap_or(0.0);
    let curve = (0..length).map(|i| found.iter().map(|(_, c)| at(c, i)).sum()).collect();
    (found.into_iter().map(|(spatial, _)| spatial).collect(), curve, least)
}

/// EM of one frequency; `powers` are those of the talkers, frame by frame.
///
/// Expected covariance of talker k in a frame: S = ccᴴ + v(R − vR·Y⁻¹·R) with Y = Σ vR, c = vR·Y⁻¹·x. The M step takes
/// v ← tr(R⁻¹S)/2 = v + ½v²(uᴴRu − tr(R·Y⁻¹)), u = Y⁻¹x, at least `least`, then R ← the mean of S/v, which no power
/// times its covariance changes for another: each step raises the expected log-likelihood.
fn fit_frequency(
    x: &[[Complex64; 2]],
    start: Spatial,
    mut powers: Vec<f64>,
    least: f64,
    iterations: usize,
) -> (Spatial, Vec<f64>) {
    let k = start.len();
    let mut spatial = start;
    let mut curve: Vec<f64> = Vec::with_capacity(iterations + 1);
    let mut before = spatial.clone();
    for iteration in 0..=iterations {
        let (mut total, mut inner, mut kept) = (0.0, vec![Hermitian::ZERO; k], vec![0.0; k]);
        for (x, v) in x.iter().zip(powers.chunks_exact_mut(k)) {
            let bin = Bin::new(&spatial, v.iter().copied(), *x);
            total += bin.log_density(*x);
            let [a, b] = bin.whitened;
            // uuᴴ − Y⁻¹
            let scale = 1.0 / bin.determinant;
            let excess = Hermitian {
                p: a.norm_sqr() - bin.sum.q * scale,
                q: b.norm_sqr() - bin.sum.p * scale,
                c: a * b.conj() + bin.sum.c * scale,
            };
            for (q, v) in v.iter_mut().enumerate() {
                let (found, expected) = bin.demand(spatial[q]);
                let new = (*v + 0.5 * *v * *v * (found - expected)).max(least);
                inner[q] = inner[q].plus(excess, *v * *v / new);
                kept[q] += *v / new;
                *v = new;
            }
        }
        // EM cannot lower it: a fall is the rounding of a maximum reached
        if curve.last().is_some_and(|last| total < *last || total.is_nan()) {
            spatial = before;
            break;
        }
        let gain = curve.last().map_or(f64::INFINITY, |last| total - last);
        curve.push(total);
        if iteration == iterations || gain <= TOLERANCE * x.len() as f64 {
            break;
        }
        before.clone_from(&spatial);
        let n = x.len() as f64;
        for (r, (inner, kept)) in spatial.iter_mut().zip(inner.into_iter().zip(kept)) {
            *r = r.around(inner.times(1.0 / n)).plus(*r, kept / n);
        }
    }
    (spatial.into_iter().map(Hermitian::normal).collect(), curve)
}

fn pair(left: Complex32, right: Complex32) -> [Complex64; 2] {
    [left, right].map(|x| Complex64::new(f64::from(x.re), f64::from(x.im)))
}

/// Half the bin's power by share, half in equal parts: hard masks are starts that EM does not leave.
fn first_power(x: [Complex64; 2], share: f32, talkers: usize, least: f64) -> f64 {
    let power = x[0].norm_sqr() + x[1].norm_sqr();
    (power * 0.5 * (f64::from(share) + 1.0 / talkers as f64)).max(least)
}

/// The talkers' spectra at both microphones: powers for the given covariances by the multiplicative rule v ← v·√(uᴴRu /
/// tr(R·Y⁻¹)), which never lowers the likelihood (H. Sawada, H. Kameoka, S. Araki and N. Ueda, "Multichannel extensions
/// of non-negative matrix factorization with complex-valued data", IEEE Trans. Audio, Speech, Lang. Process. 21(5), 2013,
/// eq. 42, with a power of its own for each bin), then the Wiener filter. Each bin by itself.
pub(super) fn images(
    spatial: &[Spatial],
    least: f64,
    left: &Array2<Complex32>,
    right: &Array2<Complex32>,
    shares: Vec<Array2<f32>>,
) -> Vec<[Array2<Complex32>; 2]> {
    let (k, (count, bins)) = (shares.len(), left.dim());
    let mut all = vec![[Complex32::default(); 2]; count * bins * k];
    all.par_chunks_mut((bins * k).max(1)).enumerate().for_each(|(t, row)| {
        let mut powers = vec![0.0; k];
        for (b, out) in row.chunks_exact_mut(k).enumerate() {
            let x = pair(left[[t, b]], right[[t, b]]);
            powers.iter_mut().zip(&shares).for_each(|(v, s)| *v = first_power(x, s[[t, b]], k, least));
            let spatial = &spatial[b];
            let mut bin = Bin::new(spatial, powers.iter().copied(), x);
            for _ in 0..POWERS {
                for (v, r) in powers.iter_mut().zip(spatial) {
                    let (found, expected) = bin.demand(*r);
                    *v = (*v * (found / expected).sqrt()).max(least);
                }
                bin = Bin::new(spatial, powers.iter().copied(), x);
            }
            for ((out, v), r) in out.iter_mut().zip(&powers).zip(spatial) {
                let image = r.apply(bin.whitened);
                *out = image.map(|z| Complex32::new((v * z.re) as f32, (v * z.im) as f32));
            }
        }
    });
    let channel = |q: usize, c: usize| Array2::from_shape_fn((count, bins), |(t, b)| all[(t * bins + b) * k + q][c]);
    (0..k).map(|q| [channel(q, 0), channel(q, 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_hermitian_matrices() {
        let r = Hermitian { p: 0.7, q: 0.3, c: Complex64::new(0.2, -0.1) };
        let a = Hermitian { p: 1.5, q: -0.4, c: Complex64::new(-0.3, 0.8) };
        let product = r.around(a);
        // by columns: R·A·R·e
        for (e, expected) in [
            ([Complex64::new(1.0, 0.0), Complex64::new(0.0, 0.0)], [Complex64::new(product.p, 0.0), product.c.conj()]),
            ([Complex64::new(0.0, 0.0), Complex64::new(1.0, 0.0)], [product.c, Complex64::new(product.q, 0.0)]),
        ] {
            let found = r.apply(a.apply(r.apply(e)));
            assert!(found.iter().zip(expected).all(|(f, e)| (f - e).norm() < 1e-14), "{found:?} {expected:?}");
        }
        let x = [Complex64::new(0.3, 1.0), Complex64::new(-2.0, 0.5)];
        let form = (x[0].conj() * r.apply(x)[0] + x[1].conj() * r.apply(x)[1]).re;
        assert!((r.form(x) - form).abs() < 1e-14);
    }

    /// A fall would end the curve early: there is none before rounding, with powers at their floor and silent frames too.
    #[test]
    fn every_iteration_raises_the_likelihood() {
        let mut state = 1u64;
        let mut noise = || {
            state = (1_664_525 * state + 1_013_904_223) % (1 << 32);
            (state >> 8) as f64 / f64::from(1 << 23) - 1.0
        };
        let gaussian = |mean: f64| DelayGaussian { weight: 0.5, mean, variance: 1e-10 };
        for talkers in 1..=3usize {
            let x: Vec<[Complex64; 2]> = (0..200)
                .map(|t| {
                    let loud = if t % 9 == 0 { 0.0 } else { 1.0 };
                    [0, 1].map(|_| Complex64::new(noise(), noise()) * loud)
                })
                .collect();
            let start: Spatial = (0..talkers).map(|q| Hermitian::of(&gaussian(1e-4 * q as f64), 1000.0)).collect();
            let powers = x.iter().flat_map(|x| (0..talkers).map(|_| first_power(*x, 0.5, talkers, 1e-10))).collect();
            let (spatial, curve) = fit_frequency(&x, start, powers, 1e-10, 40);
            assert_eq!(curve.len(), 41, "{talkers}: {curve:?}");
            assert!(curve.windows(2).all(|w| w[1] >= w[0]));
            assert!(spatial.iter().all(|r| r.determinant() > 0.0 && (r.p + r.q - 1.0).abs() < 1e-12));
        }
    }
}
