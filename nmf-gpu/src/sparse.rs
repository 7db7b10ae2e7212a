//! Sparse passes: rows of X̃ gathered in groups, and the pieces of long rows added.

use crate::csr::CsrPanel;
use crate::dense::Target;
use crate::gpu::Gpu;
use crate::memory::{Factor, Scalar, Terms, quads};
use crate::number::Number;
use crate::pool::Buf;
use crate::queue::Params;
use crate::window::CsrBuffers;
use nmf_core::{Loss, Result};
use nmf_shaders::{Gather, HELD_CLASSES, Kernel, LossKind};

/// Lanes side by side on the quads of a row; the rest of the 64 share the entries.
pub(crate) fn lanes(kq: u32) -> u32 {
    kq.next_power_of_two().min(64)
}

/// Flop of one workgroup, on average.
fn work<T: Number>(panel: &CsrPanel<T>, kq: u32, products: f64) -> f64 {
    let entries = panel.entries as f64 / f64::from(panel.groups.max(1));
    // gathered rows cost about four times what their flop say
    4.0 * (entries + 64.0) * (8.0 * products * f64::from(kq) + 40.0)
}

impl<T: Number> CsrPanel<T> {
    /// What all sparse kernels ask about a window: where its rows, groups and pieces are.
    fn params(&self, kq: u32) -> Params {
        Params { kq, p0: self.row0, ld: self.rows + 1, count: self.groups, chunks: self.pieces, ..Params::default() }
    }
}

/// Set or add, and whether the first row of the window is added anyway.
fn flags<T: Number>(panel: &CsrPanel<T>, add: bool) -> u32 {
    u32::from(add) | if panel.continues { 2 } else { 0 }
}

impl<T: Number> Gpu<T> {
    /// acc ← α·(sum of the pieces of each long row) (+ acc) for one window, if it has any; D as well if there is one.
    fn segment_sum(
        &mut self,
        (panel, index): (&CsrPanel<T>, &Buf),
        part: &Buf,
        kq: u32,
        den: Option<&Buf>,
        to: Target<'_>,
    ) -> Result<()> {
        let params = Params {
            p: panel.long,
            ld: panel.rows + 1 + 4 * panel.groups,
            flags: flags(panel, to.add),
            alpha: to.alpha,
            ..panel.params(kq)
        };
        let mut buffers = vec![index, part, to.acc];
        buffers.extend(den);
        let work = 2048.0 + 512.0 * f64::from(panel.pieces) / f64::from(panel.long.max(1));
        self.stream.run(Kernel::SegmentSum { den: den.is_some() }, &buffers, params, params.quad_groups(), work)
    }

    /// acc ← α·X̃·other (+ acc) for sparse X.
    pub(crate) fn cross_sparse(&mut self, panels: &[CsrPanel<T>], other: &Factor, to: Target<'_>) -> Result<()> {
        let kq = quads(other.k as usize);
        for panel in panels {
            let part = self.scratch(panel.pieces.into(), kq)?;
            let params = Params { width: lanes(kq), flags: flags(panel, to.add), alpha: to.alpha, ..panel.params(kq) };
            let CsrBuffers { index, columns, values } = self.sparse_window(panel)?;
            let buffers = [&*index, &*columns, &*values, &other.buf, to.acc, &part];
            let kernel = Kernel::CrossCsr { weighted: panel.weighted };
            let groups = u64::from(panel.groups) * u64::from(kq.div_ceil(64));
            self.stream.run(kernel, &buffers, params, groups, work(panel, kq, 1.0))?;
            self.segment_sum((panel, &index), &part, kq, None, to)?;
        }
        Ok(())
    }

    /// N, on request D over the stored entries, and on request the two sums Σ d(x, v) and Σ d(0, v) over them.
    pub(crate) fn mu_sparse(
        &mut self,
        panels: &[CsrPanel<T>],
        kind: LossKind,
        loss: &Loss,
        (f, other): (&Factor, &Factor),
        (alpha, add): (f64, bool),
        acc: &Terms,
        den: bool,
        div: bool,
    ) -> Result<Option<Scalar>> {
        let kq = quads(f.k as usize);
        let held = HELD_CLASSES.into_iter().find(|quads| kq <= *quads).map(Gather::Held);
        let gather = held.unwrap_or(if kq <= 64 { Gather::Again } else { Gather::Wide });
        let total: u32 = panels.iter().map(|p| p.groups).sum();
        let sums = self.sums_buffer(div, 2 * u64::from(total))?;
        let to = Target { acc: &acc.num, row0: 0, alpha, add };
        let mut sum0 = 0;
        for panel in panels {
            let kernel = Kernel::MuCsr { loss: kind, weighted: panel.weighted, gather, den, div };
            let words = 4 * u64::from(kq) * u64::from(panel.pieces) * if den { 2 } else { 1 };
            // with pieces the sums lie behind theirs (a ninth buffer is not to be had), and are copied
            let own;
            let (part, from, distance) = match &sums {
                Some(sums) if panel.pieces == 0 => (sums.as_ref(), sum0, total),
                _ => {
                    let sums = if div { 2 * u64::from(panel.groups) } else { 0 };
                    own = self.scratch((words + sums).div_ceil(4), 1)?;
                    (&own, words as u32, panel.groups)
                }
            };
            let params = Params {
                width: lanes(kq),
                flags: flags(panel, add),
                alpha,
                sum0: from,
                sum1: from + distance,
                ..panel.params(kq)
            };
            let CsrBuffers { index, columns, values } = self.sparse_window(panel)?;
            let mut buffers = vec![&*index, &*columns, &*values, &f.buf, &other.buf, &acc.num];
            buffers.extend(den.then_some(&acc.den));
            buffers.push(part);
            let params = self.loss_params(loss, params);
            self.stream.run(kernel, &buffers, params, panel.groups.into(), work(panel, kq, 3.0))?;
            self.segment_sum((panel, &index), part, kq, den.then_some(&acc.den), to)?;
            if let (Some(sums), true) = (&sums, panel.pieces > 0) {
                let bytes = T::BYTES * u64::from(panel.groups);
                for (at, to) in [(from, sum0), (from + distance, total + sum0)] {
                    self.stream.copy_part((part, T::BYTES * u64::from(at)), (sums, T::BYTES * u64::from(to)), bytes);
                }
            }
            sum0 += panel.groups;
        }
        self.scalar(sums, &[(0, total, 1.0), (total, total, -1.0)], 0.0)
    }

    /// Σ d(x, v) − Σ d(0, v) over the stored entries, as two parts.
    pub(crate) fn divergence_sparse(
        &mut self,
        panels: &[CsrPanel<T>],
        kind: LossKind,
        loss: &Loss,
        w: &Factor,
        h: &Factor,
    ) -> Result<Option<Scalar>> {
        let kq = quads(w.k as usize);
        let total: u32 = panels.iter().map(|p| p.groups).sum();
        let sums = self.sums_buffer(true, 2 * u64::from(total))?;
        let mut sum0 = 0;
        for panel in panels {
            let params = Params { sum0, sum1: total + sum0, ..panel.params(kq) };
            let CsrBuffers { index, columns, values } = self.sparse_window(panel)?;
            let mut buffers = vec![&*index, &*columns, &*values, &w.buf, &h.buf];
            buffers.extend(sums.as_deref());
            let params = self.loss_params(loss, params);
            let kernel = Kernel::DivergenceCsr { loss: kind, weighted: panel.weighted };
            self.stream.run(kernel, &buffers, params, panel.groups.into(), work(panel, kq, 1.0))?;
            sum0 += panel.groups;
        }
        self.scalar(sums, &[(0, total, 1.0), (total, total, -1.0)], 0.0)
    }
}
