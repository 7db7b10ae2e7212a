//! Coordinate descent for the Kullback–Leibler loss: one row of a factor per workgroup, which needs the row of X̃ in one piece.
//!
//! Rows of sparse X lie so, but for those that no window can hold, which are put together first. Rows of dense X̃ are copied out of
//! X a strip at a time, so that both sides read along memory. The model exists for the rows at hand, at most
//! [`BATCH`] entries of it or one row.

use crate::csr::{BATCH, Batch, CsrPanel};
use crate::dense::{Target, extents};
use crate::gpu::Gpu;
use crate::hals::sweepable;
use crate::memory::{Factor, quads};
use crate::number::Number;
use crate::pool::Buf;
use crate::queue::Params;
use crate::window::{CsrBuffers, Data, DensePanel, Layout, gathered};
use nmf_core::{Error, Observed, Result, Side, Sweep};
use nmf_shaders::{Kernel, Over};
use std::sync::Arc;

/// Flop that a step of a row costs besides its entries: the tree.
const TREE: f64 = 4000.0;

/// What all batches of a sweep share.
struct Plan<'a> {
    f: &'a Factor,
    other: &'a Factor,
    order: Option<Buf>,
    params: Params,
}

impl Plan<'_> {
    /// Flop of a row with so many entries; gathered ones cost more than their flop say.
    fn work(&self, entries: f64) -> f64 {
        let Params { k, count, .. } = self.params;
        f64::from(count) * f64::from(k) * (40.0 * (entries + 64.0) + TREE)
    }
}

impl<T: Number> Gpu<T> {
    pub(crate) fn record_newton(
        &mut self,
        x: &Data<T>,
        side: Side,
        f: &Factor,
        other: &Factor,
        sweep: &Sweep,
    ) -> Result<()> {
        sweepable(f)?;
        let order = self.shuffled(f.k, sweep)?;
        let params = Params {
            count: sweep.max_sweeps.clamp(1, u32::MAX as usize) as u32,
            stop: sweep.stop,
            inf: f64::INFINITY,
            ..self.rule_params(&sweep.rule, f.rows, f.k)
        };
        let plan = Plan { f, other, order, params };
        match (&x.layout, side) {
            (Layout::Dense(panels), _) => self.newton_dense(panels, side, &plan),
            (Layout::Sparse { rows, row_batches, .. }, Side::Rows) => {
                self.newton_sparse(rows, row_batches, x.observed, &plan)
            }
            (Layout::Sparse { cols, col_batches, .. }, Side::Cols) => {
                self.newton_sparse(cols, col_batches, x.observed, &plan)
            }
        }
    }

    /// Scratch for one number per entry, which a kernel must see in one piece.
    fn per_entry(&self, entries: u64, bytes: u64) -> Result<Buf> {
        let needed = entries * bytes;
        self.fits_one_binding(needed)?;
        self.scratch(needed.div_ceil(T::QUAD), 1)
    }

    fn fits_one_binding(&self, needed: u64) -> Result<()> {
        let available = self.stream.device.max_binding();
        if needed > available {
            return Err(Error::OutOfMemory { what: "a row of X (in one piece)".into(), needed, available });
        }
        Ok(())
    }

    fn newton_sparse(
        &mut self,
        panels: &[CsrPanel<T>],
        batches: &[Batch],
        observed: Observed,
        plan: &Plan<'_>,
    ) -> Result<()> {
        let (over, colsum) = match observed {
            Observed::All => {
                let sums = self.scratch(1, quads(plan.other.k as usize))?;
                self.colsum(plan.other, Target { acc: &sums, row0: 0, alpha: 1.0, add: false })?;
                (Over::All, Some(sums))
            }
            Observed::Weighted if panels.iter().any(|p| p.weighted) => (Over::Weighted, None),
            _ => (Over::Stored, None),
        };
        let kernel = Kernel::Newton { over, shuffled: plan.order.is_some() };
        for Batch { pieces } in batches {
            let (Some(piece), entries) = (pieces.first(), pieces.iter().map(|p| p.entries).sum::<u64>()) else {
                continue;
            };
            let panel = &panels[piece.panel];
            let model = self.per_entry(entries, T::BYTES)?;
            let mut params = Params { p0: panel.row0, q0: piece.row, sum0: piece.entry as u32, ..plan.params };
            let window = if pieces.len() == 1 {
                self.sparse_window(panel)?
            } else {
                (params.sum0, params.flags, params.chunk) = (0, 1, entries as u32);
                let bytes = if panel.weighted { 2 * T::BYTES } else { T::BYTES };
                self.fits_one_binding(entries * bytes)?;
                // entries of X, which runs of a batch share
                let [columns, values] =
                    [4, bytes].map(|size| self.pool.get(&self.stream.device, "a row of X", entries * size));
                let (columns, values) = (columns?, values?);
                let (mut at, mut window) = (0, self.sparse_window(panel)?);
                for p in pieces {
                    window = self.sparse_window(&panels[p.panel])?;
                    self.stream.copy_part((&window.columns, p.entry * 4), (&columns, at * 4), p.entries * 4);
                    let from = (&*window.values, p.entry * bytes);
                    self.stream.copy_part(from, (&values, at * bytes), p.entries * bytes);
                    at += p.entries;
                }
                // the index, which is not read for a row that comes alone, stays that of the last piece
                CsrBuffers { columns: Arc::new(columns), values: Arc::new(values), ..window }
            };
            let CsrBuffers { index, columns, values } = &window;
            let mut buffers = vec![&**index, &**columns, &**values, &plan.f.buf, &plan.other.buf];
            buffers.extend(&colsum);
            buffers.push(&model);
            buffers.extend(&plan.order);
            let work = plan.work(entries as f64 / f64::from(piece.rows));
            self.stream.run(kernel, &buffers, params, piece.rows.into(), work)?;
        }
        Ok(())
    }

    /// Copies `at.p` rows of X̃ from a window to `out`.
    fn strip(&mut self, x: &Buf, side: Side, at: Params, out: &Buf) -> Result<()> {
        let groups = (u64::from(at.p) * u64::from(at.q)).div_ceil(64);
        self.stream.run(Kernel::Strip { cols: side == Side::Cols, half: at.half() }, &[x, out], at, groups, 512.0)
    }

    fn newton_dense(&mut self, panels: &[DensePanel], side: Side, plan: &Plan<'_>) -> Result<()> {
        let (p, q) = (plan.f.rows, plan.other.rows);
        // runs side by side share the room
        let room = BATCH / self.runs() as u64;
        let at_once = (room / u64::from(q.max(1))).clamp(1, u64::from(p.max(1))) as u32;
        for row0 in (0..p).step_by(at_once as usize) {
            let rows = at_once.min(p - row0);
            let entries = u64::from(rows) * u64::from(q);
            let (strip, model) = (self.per_entry(entries, T::BYTES)?, self.per_entry(entries, T::BYTES)?);
            if let Some(first) = panels.first().filter(|p| p.streamed()) {
                // rows of X̃ alone, so that each number is sent once whichever side it is
                let (of_x, quads_of_x) = match side {
                    Side::Rows => (row0..row0 + rows, 0..q.div_ceil(4)),
                    Side::Cols => (0..q, row0 / 4..(row0 + rows).div_ceil(4)),
                };
                let p0 = if side == Side::Cols { row0 % 4 } else { 0 };
                let ld = quads_of_x.end - quads_of_x.start;
                let bytes = gathered::<T>(panels, of_x, quads_of_x);
                // rows of X, which runs of a batch share
                let x = self.pool.get(&self.stream.device, "rows of X", bytes.len() as u64)?;
                self.stream.send(&x, &bytes)?;
                let params =
                    Params { p: rows, q, p0, chunk: q, ld, x_unit: f64::from(first.unit), ..Params::default() };
                self.strip(&x, side, params, &strip)?;
            }
            for panel in panels.iter().filter(|p| !p.streamed()) {
                let at = extents(panel, side);
                let (from, to) = (row0.max(at.p0), (row0 + rows).min(at.p0 + at.p));
                if from >= to {
                    continue;
                }
                let params = Params { p: to - from, p0: from - at.p0, out0: from - row0, chunk: q, ..at };
                let x = self.window(panel)?;
                self.strip(&x, side, params, &strip)?;
            }
            let params = Params { p0: row0, q, ..plan.params };
            let mut buffers = vec![&strip, &plan.f.buf, &plan.other.buf, &model];
            buffers.extend(&plan.order);
            let kernel = Kernel::Newton { over: Over::Strip, shuffled: plan.order.is_some() };
            self.stream.run(kernel, &buffers, params, rows.into(), plan.work(q.into()))?;
        }
        Ok(())
    }
}
