//! Changing the rate of a sound.

use crate::error::{Error, Result};
use crate::sound::Sound;
use rayon::prelude::*;
use std::f64::consts::PI;
use std::sync::Arc;

/// Zero crossings of the sinc on each side.
const CROSSINGS: f64 = 64.0;
/// The Kaiser window's β for ripples 100 dB down (Kaiser 1974: 0.1102·(100 − 8.7)).
const BETA: f64 = 10.06;
/// The middle of the transition, as a part of half the lower rate. With the lengths above, it is 0.1 of that wide.
const MIDDLE: f64 = 0.95;
/// Coefficients that are computed beforehand, at most; the filters of odder ratios are computed as they are used.
const TABLE: u64 = 1 << 21;
/// The largest ratio of two rates.
const RATIO: u64 = 4096;

/// Changes the rate of one channel, stretch by stretch.
///
/// A sinc under a Kaiser window, with 64 zero crossings on either side, is sampled at the exact ratio of the rates
/// (Smith 2002; Crochiere and Rabiner 1983). Up to 0.9 of half the lower of the two rates the response is flat
/// within 0.001 dB; from half the lower rate on it lies at least 90 dB down. The filter is symmetric: sample 0 stays
/// at time 0. Before and after the sound there are zeros. A sound of n samples becomes one of ⌈n·to/from⌉.
/// Stretches give, to the bit, what the whole sound gives.
#[derive(Clone, Debug)]
pub struct Resampler {
    up: u64,
    down: u64,
    /// Taps on each side of the output's place, and in all.
    half: usize,
    /// Frequency of the middle of the transition, in cycles per input sample, doubled.
    cutoff: f64,
    /// The filters for the places 0, 1/up, … (up − 1)/up between input samples, one after another, if not too many.
    table: Option<Arc<[f64]>>,
    /// Input from sample `first` on, which may begin with zeros before the sound.
    input: Vec<f32>,
    first: i64,
    /// Samples taken in, and given out.
    taken: u64,
    given: u64,
}

impl Resampler {
    /// From `from` Hz to `to` Hz.
    ///
    /// # Errors
    /// For a rate of 0, and for a ratio beyond 4096.
    pub fn new(from: u32, to: u32) -> Result<Resampler> {
        let (low, high) = (u64::from(from.min(to)), u64::from(from.max(to)));
        if low == 0 || high > RATIO * low {
            return Err(Error::setting(format!(
                "resampling from {from} to {to} Hz: rates must not be 0, nor one more than {RATIO} times the other"
            )));
        }
        let common = gcd(from, to);
        let (up, down) = (u64::from(to / common), u64::from(from / common));
        // Going down, the filter is as much longer as its cutoff is lower.
        let ratio = (f64::from(to) / f64::from(from)).min(1.0);
        let half = (CROSSINGS / ratio).ceil() as usize;
        let mut resampler = Resampler {
            up,
            down,
            half,
            cutoff: MIDDLE * ratio,
            table: None,
            input: vec![0.0; half],
            first: -(half as i64),
            taken: 0,
            given: 0,
        };
        if up * 2 * half as u64 <= TABLE {
            let mut table = vec![0.0; up as usize * 2 * half];
            table
                .par_chunks_mut(2 * half)
                .enumerate()
                .for_each(|(phase, taps)| resampler.filter(phase as f64 / up as f64, taps));
            resampler.table = Some(table.into());
        }
        Ok(resampler)
    }

    /// The number of samples that `len` become.
    pub fn output_len(&self, len: u64) -> u64 {
        u64::try_from((u128::from(len) * u128::from(self.up)).div_ceil(u128::from(self.down))).unwrap_or(u64::MAX)
    }

    /// The taps for an output at `place`, 0 ≤ place < 1, after an input sample: that sample is tap `half` − 1.
    fn filter(&self, place: f64, taps: &mut [f64]) {
        let middle = self.half as f64 - 1.0 + place;
        let scale = 1.0 / bessel(BETA);
        for (n, tap) in taps.iter_mut().enumerate() {
            let t = n as f64 - middle;
            let inside = 1.0 - (t / self.half as f64).powi(2);
            let x = PI * self.cutoff * t;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
            *tap = if inside > 0.0 { sinc * bessel(BETA * inside.sqrt()) * scale } else { 0.0 };
        }
        // So that a constant stays exactly what it is.
        let sum: f64 = taps.iter().sum();
        taps.iter_mut().for_each(|t| *t /= sum);
    }

    /// Takes the next samples and returns the output that is complete with them, perhaps none.
    pub fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        self.input.extend_from_slice(samples);
        self.taken += samples.len() as u64;
        // Outputs whose last tap is there: the tap `half` after the input sample before the output.
        let end = match self.taken.checked_sub(self.half as u64) {
            Some(n) => self.output_len(n),
            None => 0,
        };
        self.produce(end)
    }

    /// The output that remains at the end of the sound.
    pub fn finish(mut self) -> Vec<f32> {
        self.input.resize(self.input.len() + self.half, 0.0);
        let end = self.output_len(self.taken);
        self.produce(end)
    }

    fn produce(&mut self, end: u64) -> Vec<f32> {
        let (up, down, half) = (u128::from(self.up), u128::from(self.down), self.half);
        let count = end.saturating_sub(self.given) as usize;
        let mut out = vec![0.0; count];
        out.par_chunks_mut(1024).enumerate().for_each_init(
            || vec![0.0; if self.table.is_none() { 2 * half } else { 0 }],
            |taps, (chunk, out)| {
                for (i, y) in out.iter_mut().enumerate() {
                    let m = (self.given as u128 + (chunk * 1024 + i) as u128) * down;
                    let (at, phase) = ((m / up) as i64, (m % up) as usize);
                    let from = (at - self.first) as usize + 1 - half;
                    let x = &self.input[from..from + 2 * half];
                    *y = match &self.table {
                        Some(table) => dot(x, &table[phase * 2 * half..(phase + 1) * 2 * half]),
                        None => {
                            self.filter(phase as f64 / self.up as f64, taps);
                            dot(x, taps)
                        }
                    };
                }
            },
        );
        self.given = self.given.max(end);
        // What no later output needs.
        let next = (u128::from(self.given) * down / up) as i64 + 1 - half as i64;
        let drop = ((next - self.first).max(0) as usize).min(self.input.len());
        self.input.drain(..drop);
        self.first += drop as i64;
        out
    }
}

/// Changes the rate of a sound; the same rate returns it as it is. See [`Resampler`] for the filter, and for the
/// length.
///
/// # Errors
/// As [`Resampler::new`].
pub fn resample(sound: &Sound, to: u32) -> Result<Sound> {
    if to == sound.rate() {
        return Ok(sound.clone());
    }
    let resampler = Resampler::new(sound.rate(), to)?;
    let change = |channel: &Vec<f32>| {
        let mut r = resampler.clone();
        let mut out = r.push(channel);
        out.extend(r.finish());
        out
    };
    Sound::new(to, sound.channels().iter().map(change).collect())
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Σ x·taps in eight partial sums, always the same, which the compiler keeps in vectors.
fn dot(x: &[f32], taps: &[f64]) -> f32 {
    let mut sums = [0.0f64; 8];
    let (xs, ts) = (x.chunks_exact(8), taps.chunks_exact(8));
    let rest: f64 = xs.remainder().iter().zip(ts.remainder()).map(|(x, t)| f64::from(*x) * t).sum();
    for (x, t) in xs.zip(ts) {
        for i in 0..8 {
            sums[i] += f64::from(x[i]) * t[i];
        }
    }
    (sums.iter().sum::<f64>() + rest) as f32
}

/// The modified Bessel function I₀, by its series.
fn bessel(x: f64) -> f64 {
    let q = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > 1e-17 * sum {
        term *= q / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}
