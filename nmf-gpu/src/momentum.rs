//! Momentum that never leaves the device: the objective is summed, compared and turned into a weight there.
//!
//! The partial sums that the host would add in f64 are added exactly instead, in fixed point (`common/exact.wgsl`): f32
//! alone would compare objectives to seven digits, and drivers may undo compensated sums. What is compared is therefore as
//! precise as the partial sums themselves. Nesterov's t is an f32 (the weight is good to about 1e-6), or an f64 where all is.

use crate::gpu::Gpu;
use crate::memory::{Factor, Scalar, quads};
use crate::number::Number;
use crate::pool::Buf;
use crate::queue::Params;
use nmf_core::momentum::wrong_words;
use nmf_core::{Error, Extrapolation, Result, Weight};
use nmf_shaders::Kernel;

/// [`nmf_core::Momentum`] on the device.
pub struct Momentum {
    state: Buf,
}

/// Whether x is ±2^e with an exponent that the exact sum takes.
fn is_power_of_two(x: f64) -> bool {
    let x = x.abs();
    x.to_bits() << 12 == 0 && (f64::from(f32::MIN_POSITIVE)..=127f64.exp2()).contains(&x)
}

impl<T: Number> Gpu<T> {
    pub(crate) fn momentum_at_rest(&mut self) -> Result<Momentum> {
        let (runs, ladder) = (self.runs(), self.stream.device.ladder);
        let bytes = ladder.momentum_words() as u64 * 4;
        let state = self.pool.own(&self.stream.device, "a momentum", bytes * runs as u64)?;
        let state = if self.stream.batch.is_some() { state.in_parts(bytes) } else { state };
        let mut words = ladder.momentum_at_rest().to_vec();
        words.resize(ladder.momentum_words(), 0);
        self.stream.write_new(&state, bytemuck::cast_slice(&words.repeat(runs)))?;
        Ok(Momentum { state })
    }

    /// All words of the state, each in a word of its own.
    pub(crate) fn fetch_momentum(&mut self, m: &Momentum) -> Result<Vec<u64>> {
        let bytes = self.stream.device.ladder.momentum_words() as u64 * 4;
        let landing = self.stream.land(&[(&m.state, 0, bytes)])?;
        self.stream.counters.reads += 1;
        let words: Vec<u32> = self.stream.take(landing)?;
        Ok(words.into_iter().map(u64::from).collect())
    }

    pub(crate) fn put_momentum(&mut self, m: &Momentum, words: &[u64]) -> Result<()> {
        let narrow: Vec<u32> = words.iter().filter_map(|w| u32::try_from(*w).ok()).collect();
        let expected = self.stream.device.ladder.momentum_words();
        if narrow.len() != expected || narrow.len() != words.len() {
            return Err(wrong_words(words.len(), expected));
        }
        self.stream.counters.writes += 1;
        self.stream.write(&m.state, 0, bytemuck::cast_slice(&narrow))
    }

    pub(crate) fn record_advance(&mut self, m: &mut Momentum, objective: &[Scalar]) -> Result<()> {
        for scalar in objective {
            // where nothing was summed, the constant is all there is
            let mut constant = scalar.constant;
            if scalar.parts.is_empty() {
                let nothing = self.scratch(1, 1)?;
                let params = Params { alpha: 1.0, beta: constant, ..Params::default() };
                self.stream.run(Kernel::Accumulate, &[&nothing, &m.state], params, 1, 4096.0)?;
            }
            for part in &scalar.parts {
                if !is_power_of_two(part.factor) {
                    return Err(Error::Device(format!("partial sums times {} cannot be added exactly", part.factor)));
                }
                let params = Params {
                    count: part.count,
                    sum0: part.start,
                    alpha: part.factor,
                    beta: std::mem::take(&mut constant),
                    ..Params::default()
                };
                let work = 16.0 * f64::from(part.count) + 4096.0;
                self.stream.run(Kernel::Accumulate, &[&part.buf, &m.state], params, 1, work)?;
            }
        }
        self.stream.run(Kernel::Advance, &[&m.state], Params::default(), 1, 1024.0)
    }

    pub(crate) fn record_extrapolation(
        &mut self,
        f: &Factor,
        previous: &Factor,
        how: Extrapolation,
        weight: Weight<'_, Momentum>,
    ) -> Result<()> {
        let mut params = Params {
            p: f.rows,
            k: f.k,
            kq: quads(f.k as usize),
            flags: u32::from(how == Extrapolation::Upwards),
            ..Params::default()
        };
        let mut buffers = vec![&f.buf, &previous.buf];
        match weight {
            Weight::Fixed(beta) => params.alpha = beta,
            Weight::Of(m) => buffers.push(&m.state),
        }
        let kernel = Kernel::Extrapolate { of_state: buffers.len() > 2 };
        self.stream.run(kernel, &buffers, params, params.quad_groups(), 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::GpuOptions;
    use crate::memory::Part;
    use nmf_core::Backend;
    use std::sync::Arc;

    /// Partial sums with their factors, a constant, what the host takes in instead.
    type Line<'a> = (&'a [(&'a [f64], f64)], f64, f64);

    /// A scalar made of these partial sums, scaled.
    fn scalar<T: Number>(b: &mut Gpu<T>, parts: &[(&[f64], f64)], constant: f64) -> Scalar {
        let mut made = Vec::new();
        for (numbers, factor) in parts {
            let buf = Arc::new(b.scratch(numbers.len() as u64, 1).unwrap());
            // from the second number on: a run need not start at the front
            let bytes: Vec<T> = [f64::NAN].iter().chain(*numbers).map(|v| T::of(*v)).collect();
            b.stream.write(&buf, 0, bytemuck::cast_slice(&bytes)).unwrap();
            made.push(Part { buf, start: 1, count: numbers.len() as u32, factor: *factor });
        }
        Scalar { parts: made, constant }
    }

    /// t and the weight on the device.
    fn state<T: Number>(b: &mut Gpu<T>, m: &Momentum) -> (f64, f64) {
        let landing = b.stream.land(&[(&m.state, 0, 2 * T::BYTES)]).unwrap();
        let words: Vec<T> = b.stream.take(landing).unwrap();
        (words[0].f64(), words[1].f64())
    }

    #[test]
    fn the_weight_is_that_of_the_host() {
        follows_the_host(Gpu::<f32>::open(&GpuOptions::default()).unwrap(), 1e-6);
    }

    #[test]
    fn the_weight_is_that_of_the_host_in_f64() {
        follows_the_host(Gpu::<f64>::open(&crate::number::with_double()).unwrap(), 1e-15);
    }

    fn follows_the_host<T: Number>(mut b: Gpu<T>, tolerance: f64) {
        let inf = f64::INFINITY;
        let (mut m, mut host) = (b.new_momentum().unwrap(), nmf_core::Momentum::default());
        let many: Vec<f64> = (0..8192).map(|i| 1e-3 * (f64::from(i) - 4000.0)).collect();
        let (tiny, huge) = (T::min_positive_value().f64() / 1024.0, 0.9 * T::max_value().f64());
        // an objective per line: parts with their factors, a constant, and a number in the same order for the host
        let big = 80f64.exp2();
        let lines: &[Line<'_>] = &[
            (&[(&[inf], 1.0)], 0.0, f64::INFINITY),
            (&[(&[1.0, 2.0], 1.0)], f64::INFINITY, f64::INFINITY),
            (&[(&[huge, huge], 1.0), (&[huge], 127f64.exp2())], 0.0, f64::MAX),
            (&[(&many, 1.0)], 0.0, 782.0),
            (&[(&[4000.0], -1.0)], 0.0, -4000.0),
            (&[(&[4000.0], -1.0), (&[tiny], 1.0), (&[tiny, tiny], -1.0)], 0.0, -4001.0),
            (&[(&[-8000.0, -tiny, -tiny], 0.5)], 0.0, -4001.0),
            // up by less than the smallest number there is
            (&[(&[-8000.0, -tiny], 0.5)], 0.0, -4000.5),
            (&[(&[-8001.0], 0.5), (&[-1e-30, 1.0, -1.0], big)], 0.0, -4002.0),
            (&[(&[-8001.0], 0.5), (&[-1e-30, 1.0, -1.0], big)], 0.0, -4002.0),
            // down by what neither f32 nor f64 would notice
            (&[(&[-8001.0, -1e30, 1e30, -1e-20], 0.5), (&[-1e-30], big)], 0.0, -4003.0),
            (&[(&[-9001.0], 1.0)], 0.0, -9001.0),
            (&[(&[-9000.0, -1.0], 1.0)], 0.0, -9001.0),
            (&[(&[-9003.0, f64::NAN], 1.0)], 0.0, f64::NAN),
            (&[(&[-9004.0], 1.0)], 0.0, -9004.0),
            (&[(&[-9004.0], 1.0)], 0.0, -9004.0),
            (&[(&[-9005.0], 1.0)], f64::NEG_INFINITY, f64::NEG_INFINITY),
            (&[(&[-inf], 1.0)], 0.0, f64::NEG_INFINITY),
            (&[(&[-inf], -1.0)], f64::NEG_INFINITY, f64::NAN),
            (&[], 0.0, 0.0),
            (&[], -2.0, -2.0),
            (&[(&[-3.0], 1.0)], 0.0, -3.0),
            (&[(&[inf], 1.0)], 0.0, f64::INFINITY),
        ];
        for (i, (parts, constant, order)) in lines.iter().enumerate() {
            let s = scalar(&mut b, parts, *constant);
            b.advance(&mut m, &[s]).unwrap();
            host.advance(*order);
            let (t, weight) = state(&mut b, &m);
            assert!((weight - host.weight()).abs() < tolerance, "line {i}: {weight} instead of {}", host.weight());
            assert!(t >= 1.0);
        }
    }

    #[test]
    fn the_weight_grows_as_on_the_host_over_many_iterations() {
        let mut b = Gpu::new(&GpuOptions::default()).unwrap();
        let (mut m, mut host) = (b.new_momentum().unwrap(), nmf_core::Momentum::default());
        let s = scalar(&mut b, &[(&[1.0], 1.0)], 0.0);
        for i in 0..2000 {
            b.advance(&mut m, std::slice::from_ref(&s)).unwrap();
            host.advance(1.0);
            if i % 500 == 499 {
                let (_, weight) = state(&mut b, &m);
                assert!((weight - host.weight()).abs() < 2e-6, "{i}: {weight} {}", host.weight());
            }
        }
        // several scalars are one objective
        let (a, up) = (scalar(&mut b, &[(&[0.5], 1.0)], 0.0), scalar(&mut b, &[(&[0.500_000_06], 1.0)], 0.0));
        b.advance(&mut m, &[a.clone(), a.clone()]).unwrap();
        assert!(state(&mut b, &m).1 > 0.9);
        b.advance(&mut m, &[a, up]).unwrap();
        assert_eq!(state(&mut b, &m), (1.0, 0.0));
    }
}
