//! The sweeps of hierarchical alternating least squares, in natural and in random order.

use crate::dense::Target;
use crate::gpu::Gpu;
use crate::memory::{Factor, Gram, quads};
use crate::number::Number;
use crate::pool::Buf;
use crate::queue::Params;
use nmf_core::backend::order;
use nmf_core::{Error, Result, Sweep};
use nmf_shaders::{HALS_BLOCK_ROWS, HALS_CLASSES, Hals, Kernel, MAX_ROW_QUADS};

/// Quads per row of a factor, if a sweep can hold such a row.
pub(crate) fn sweepable(f: &Factor) -> Result<u32> {
    let kq = quads(f.k as usize);
    if kq > MAX_ROW_QUADS {
        return Err(Error::Unsupported(format!(
            "sweeps of the GPU backend take 1 to {} components, not {}: use the CPU",
            4 * MAX_ROW_QUADS,
            f.k
        )));
    }
    Ok(kq)
}

/// Workgroups that fill a large card: as long as there are so many, more rows share each.
const FULL: u32 = 512;

/// The kernel for `rows` rows of `kq` quads, and how many of them a workgroup takes.
fn layout(rows: u32, kq: u32) -> (Hals, u32) {
    if let Some(class) = HALS_CLASSES.into_iter().find(|c| *c >= kq) {
        return (Hals::Own(class), 64);
    }
    let [fewest, ..] = HALS_BLOCK_ROWS;
    let share = HALS_BLOCK_ROWS.into_iter().rev().find(|r| rows.div_ceil(*r) >= FULL).unwrap_or(fewest);
    (Hals::Blocks(share), share)
}

impl<T: Number> Gpu<T> {
    pub(crate) fn record_hals(&mut self, cross: &Factor, gram: &Gram, f: &mut Factor, sweep: &Sweep) -> Result<()> {
        let kq = sweepable(f)?;
        let (rows, share) = layout(f.rows, kq);
        let sweeps = sweep.max_sweeps.clamp(1, u32::MAX as usize) as u32;
        let params = Params { count: sweeps, stop: sweep.stop, ..self.rule_params(&sweep.rule, f.rows, f.k) };
        let groups = u64::from(f.rows.div_ceil(share));
        let work = f64::from(share) * f64::from(sweeps) * f64::from(f.k) * 8.0 * f64::from(kq);
        let order = self.shuffled(f.k, sweep)?;
        let kernel = Kernel::HalsSweep { rows, shuffled: order.is_some() };
        let mut buffers = vec![&cross.buf, &gram.buf, &f.buf];
        buffers.extend(&order);
        self.stream.run(kernel, &buffers, params, groups, work)?;
        let sums = self.scratch(1, kq)?;
        self.colsum(f, Target { acc: &sums, row0: 0, alpha: 1.0, add: false })?;
        self.stream.run(Kernel::Refill, &[&sums, &f.buf], params, params.quad_groups(), 512.0)
    }

    /// The random order of a sweep over k columns, if it has one.
    pub(crate) fn shuffled(&mut self, k: u32, sweep: &Sweep) -> Result<Option<Buf>> {
        if sweep.shuffle.is_none() {
            return Ok(None);
        }
        let order: Vec<u32> = order(k as usize, sweep).into_iter().map(|q| q as u32).collect();
        // a buffer of its own, which no recorded kernel knows: so the write need not wait for a submission
        let buf = self.pool.own(&self.stream.device, "the order of a sweep", order.len() as u64 * 4)?;
        self.stream.write_new(&buf, bytemuck::cast_slice(&order))?;
        Ok(Some(buf))
    }
}
