//! What a device can do at best: multiply-adds in registers, and a copy from memory to memory.
//!
//! Both are measured by wall clock around submission and wait, less what a submission of nearly nothing takes. A
//! sample lasts tens of milliseconds, so that the clock's error is far below a percent; no dispatch comes near the
//! half second at which drivers step in.

use crate::gpu::Gpu;
use crate::pool::Buf;
use crate::queue::Params;
use nmf_core::{Error, Result};
use nmf_shaders::{FMA_CHAINS, FMA_STEPS, Kernel, WORKGROUP};
use std::time::Instant;

/// A sample lasts at least this long.
const SAMPLE: f64 = 0.02;
/// Samples, of which the median counts.
const SAMPLES: usize = 7;
/// The longest dispatch aimed at.
const DISPATCH: f64 = 0.1;
/// x ← a·x + b, with the fixed point 2: as good as any value between start and overflow.
const A: f32 = 1.0 - 1.0 / 1024.0;
const B: f32 = 2.0 / 1024.0;

/// The ceilings of a device, measured; see [`Gpu::ceilings`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceilings {
    /// f32 operations per second, a multiply-add counted as two.
    pub fma_flops: f64,
    /// Bytes per second of a copy within device memory, read and written bytes both counted.
    pub copy_bytes: f64,
    /// Bytes that were copied at a time, far more than caches hold (where device memory allows).
    pub copied: u64,
}

impl Gpu {
    /// Measures the ceilings of this device: f32 multiply-adds by a shader that does nothing else, and a copy by a shader
    /// from one buffer to another. About half a second. Each is the median of several samples, by wall clock.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where not even two small buffers fit, [`Error::Device`] where the device fails.
    pub fn ceilings(&mut self) -> Result<Ceilings> {
        self.stream.finish()?;
        let mut fma_flops = 0.0f64;
        for chains in FMA_CHAINS {
            fma_flops = fma_flops.max(self.fma_rate(chains)?);
        }
        let (copy_bytes, copied) = self.copy_rate()?;
        Ok(Ceilings { fma_flops, copy_bytes, copied })
    }

    /// Seconds from recording to the end of the work.
    fn timed(&mut self, record: impl FnOnce(&mut Gpu) -> Result<()>) -> Result<f64> {
        let clock = Instant::now();
        record(self)?;
        self.stream.finish()?;
        Ok(clock.elapsed().as_secs_f64())
    }

    /// The median time of `repeats` units of work per sample, for so many repeats that a sample is long enough. `most`
    /// bounds the seconds that a sample is aimed at.
    fn seconds_of(&mut self, most: f64, mut record: impl FnMut(&mut Gpu, u32) -> Result<()>) -> Result<(u32, f64)> {
        record(self, 1)?; // compiles
        self.stream.finish()?;
        let mut repeats = 1u32;
        let mut last = self.timed(|b| record(b, repeats))?;
        while last < SAMPLE && repeats < 1 << 24 {
            // never more than eightfold, and never aiming beyond `most`: the first samples are mostly overhead
            let factor = (1.5 * SAMPLE / last.max(1e-9)).min(most / last.max(1e-9)).clamp(2.0, 8.0);
            repeats = (f64::from(repeats) * factor) as u32;
            last = self.timed(|b| record(b, repeats))?;
        }
        let mut all = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            all.push(self.timed(|b| record(b, repeats))?);
        }
        Ok((repeats, median(all)))
    }

    /// What submitting and waiting cost by themselves.
    fn overhead(&mut self, out: &Buf) -> Result<f64> {
        let mut all = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            all.push(self.timed(|b| b.record_fma(FMA_CHAINS[0], 0, 1, out))?);
        }
        Ok(median(all))
    }

    fn record_fma(&mut self, chains: u32, rounds: u32, groups: u32, out: &Buf) -> Result<()> {
        let params = Params { count: rounds, alpha: f64::from(A), beta: f64::from(B), ..Params::default() };
        // no work is named, so that the dispatch stays in one piece: its length is watched here
        self.stream.run(Kernel::Fma { chains }, &[out], params, groups.into(), 0.0)
    }

    fn fma_rate(&mut self, chains: u32) -> Result<f64> {
        // several rounds of threads even for the largest cards (300,000 at a time)
        let groups: u32 = if self.is_software() { 256 } else { 32768 };
        let out = self.scratch(u64::from(groups) * u64::from(WORKGROUP), 1)?;
        let (rounds, s) = self.seconds_of(DISPATCH, |b, rounds| b.record_fma(chains, rounds, groups, &out))?;
        let overhead = self.overhead(&out)?;
        // two operations on each of four lanes
        let flops = f64::from(groups) * f64::from(WORKGROUP) * f64::from(rounds * FMA_STEPS * chains) * 8.0;
        Ok(flops / (s - overhead).max(0.5 * s))
    }

    fn record_copy(&mut self, from: &Buf, to: &Buf, bytes: u64, fill: bool) -> Result<()> {
        let quads = bytes / 16;
        let params = Params { count: quads as u32, flags: fill.into(), ..Params::default() };
        self.stream.run(Kernel::Copy, &[from, to], params, quads.div_ceil(256), 0.0)
    }

    /// Two buffers as large as the device gives, from a size far beyond every cache downwards.
    fn copy_buffers(&mut self) -> Result<(Buf, Buf, u64)> {
        let largest: u64 = if self.is_software() { 64 << 20 } else { 1 << 30 };
        let mut bytes = largest.min(self.stream.device.max_binding());
        loop {
            let (pool, device) = (self.pool.clone(), self.stream.device.clone());
            let buffer = || pool.own(&device, "a buffer to measure copies", bytes);
            match buffer().and_then(|from| Ok((from, buffer()?))) {
                Ok((from, to)) => return Ok((from, to, bytes)),
                Err(Error::OutOfMemory { .. }) if bytes > 1 << 16 => bytes = bytes / 2 / 256 * 256,
                Err(e) => return Err(e),
            }
        }
    }

    fn copy_rate(&mut self) -> Result<(f64, u64)> {
        let (from, to, bytes) = self.copy_buffers()?;
        self.record_copy(&to, &from, bytes, true)?;
        let (repeats, s) =
            self.seconds_of(1.0, |b, repeats| (0..repeats).try_for_each(|_| b.record_copy(&from, &to, bytes, false)))?;
        let overhead = self.overhead(&to)?;
        Ok((f64::from(repeats) * 2.0 * bytes as f64 / (s - overhead).max(0.5 * s), bytes))
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GpuOptions;

    /// The value after all steps tells that none was left out.
    #[test]
    fn the_loop_of_multiply_adds_runs_to_its_end() {
        for checked in [true, false] {
            let mut b = Gpu::new(&GpuOptions { checked, ..GpuOptions::default() }).unwrap();
            for chains in FMA_CHAINS {
                let out = b.scratch(128, 1).unwrap();
                for rounds in [0, 1, 100] {
                    b.record_fma(chains, rounds, 2, &out).unwrap();
                    let got = b.fetch(&out, 128, 4).unwrap();
                    let shrunk = f64::from(A).powi((rounds * FMA_STEPS) as i32);
                    for ((thread, lane), got) in got.indexed_iter() {
                        let start = 1.0 + 0.25 * lane as f64 + (thread % 64) as f64 / 64.0;
                        let sum: f64 = (0..chains).map(|c| 2.0 + (start + f64::from(c) - 2.0) * shrunk).sum();
                        assert!((f64::from(*got) - sum).abs() < 1e-4 * sum, "{chains} {rounds}: {got} {sum}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_copy_copies_every_word() {
        let mut b = Gpu::new(&GpuOptions { checked: false, ..GpuOptions::default() }).unwrap();
        for quads in [1u64, 255, 256, 257, 1000, 4096] {
            let (from, to) = (b.scratch(quads, 1).unwrap(), b.scratch(quads, 1).unwrap());
            b.record_copy(&to, &from, quads * 16, true).unwrap();
            b.record_copy(&from, &to, quads * 16, false).unwrap();
            let words = |b: &mut Gpu, buf: &Buf| -> Vec<u32> {
                let landing = b.stream.land(&[(buf, 0, quads * 16)]).unwrap();
                b.stream.take(landing).unwrap()
            };
            let (given, copied) = (words(&mut b, &from), words(&mut b, &to));
            assert_eq!(given, copied, "{quads} quads");
            let distinct: std::collections::HashSet<u32> = given.iter().copied().collect();
            assert!(distinct.len() as u64 == quads * 4, "the hash is one to one");
        }
    }

    #[test]
    fn ceilings_are_numbers_and_leave_no_memory_behind() {
        let mut b = Gpu::new(&GpuOptions { memory: Some(40 << 20), ..GpuOptions::default() }).unwrap();
        let c = b.ceilings().unwrap();
        assert!(
            c.fma_flops > 1e6 && c.fma_flops.is_finite() && c.copy_bytes > 1e6 && c.copy_bytes.is_finite(),
            "{c:?}"
        );
        assert!(2 * c.copied <= 40 << 20 && c.copied >= 1 << 20, "{c:?}");
        assert_eq!(b.memory_in_use(), 0);
    }
}
