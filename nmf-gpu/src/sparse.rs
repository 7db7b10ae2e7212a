//! Sparse passes: rows of X̃ gathered in segments, then the segments of each row added.

use crate::backend::Gpu;
use crate::csr::CsrPanel;
use crate::dense::Target;
use crate::memory::{Factor, Scalar, Terms, quads};
use crate::pool::Buf;
use crate::queue::Params;
use nmf_core::{Loss, Result};
use nmf_shaders::{Kernel, LossKind};

/// Lanes side by side on the quads of a row; the rest of the 64 share the entries.
pub(crate) fn lanes(kq: u32) -> u32 {
    kq.next_power_of_two().min(64)
}

/// Flop of one workgroup, on average.
fn work(panel: &CsrPanel, kq: u32, products: f64) -> f64 {
    let entries = panel.entries as f64 / f64::from(panel.segment_count.max(1));
    // gathered rows cost about four times what their flop say
    4.0 * (entries + 64.0) * (8.0 * products * f64::from(kq) + 40.0)
}

impl Gpu {
    /// acc ← α·(sum of the segments of each row) (+ acc) for one window.
    fn segment_sum(&mut self, panel: &CsrPanel, part: &Buf, kq: u32, to: Target<'_>) -> Result<()> {
        let params = Params {
            kq,
            p: panel.rows,
            p0: panel.row0,
            flags: u32::from(to.add) | if panel.continues { 2 } else { 0 },
            alpha: to.alpha as f32,
            ..Params::default()
        };
        let groups = (u64::from(panel.rows) * u64::from(kq)).div_ceil(64);
        self.stream.run(Kernel::SegmentSum, &[&panel.first, part, to.acc], params, groups, 2048.0)
    }

    /// acc ← α·X̃·other (+ acc) for sparse X.
    pub(crate) fn cross_sparse(&mut self, panels: &[CsrPanel], other: &Factor, to: Target<'_>) -> Result<()> {
        let kq = quads(other.k as usize);
        for panel in panels {
            let part = self.scratch(panel.segment_count.into(), kq)?;
            let params = Params { kq, count: panel.segment_count, width: lanes(kq), ..Params::default() };
            let groups = u64::from(panel.segment_count) * u64::from(kq.div_ceil(64));
            let buffers = [&panel.segments, &panel.columns, &panel.values, &other.buf, &part];
            self.stream.run(
                Kernel::CrossCsr { weighted: panel.weighted },
                &buffers,
                params,
                groups,
                work(panel, kq, 1.0),
            )?;
            self.segment_sum(panel, &part, kq, to)?;
        }
        Ok(())
    }

    /// N, on request D over the stored entries, and on request the two sums Σ d(x, v) and Σ d(0, v) over them.
    pub(crate) fn mu_sparse(
        &mut self,
        panels: &[CsrPanel],
        kind: LossKind,
        loss: &Loss,
        (f, other): (&Factor, &Factor),
        (alpha, add): (f64, bool),
        acc: &Terms,
        den: bool,
        div: bool,
    ) -> Result<Option<Scalar>> {
        let kq = quads(f.k as usize);
        let total: u32 = panels.iter().map(|p| p.segment_count).sum();
        let sums = self.sums_buffer(div, 2 * u64::from(total))?;
        let num_to = Target { acc: &acc.num, row0: 0, alpha, add };
        let mut sum0 = 0;
        for panel in panels {
            let kernel = Kernel::MuCsr { loss: kind, weighted: panel.weighted, den, div };
            let num_part = self.scratch(panel.segment_count.into(), kq)?;
            let den_part = if den { Some(self.scratch(panel.segment_count.into(), kq)?) } else { None };
            let at = Params {
                kq,
                p0: panel.row0,
                count: panel.segment_count,
                width: lanes(kq),
                sum0,
                sum1: total + sum0,
                ..Params::default()
            };
            let mut buffers = vec![&panel.segments, &panel.columns, &panel.values, &f.buf, &other.buf, &num_part];
            buffers.extend(den_part.as_ref());
            buffers.extend(sums.as_deref());
            let groups = u64::from(panel.segment_count) * u64::from(kq.div_ceil(64));
            let params = self.loss_params(loss, at);
            self.stream.run(kernel, &buffers, params, groups, work(panel, kq, 3.0))?;
            self.segment_sum(panel, &num_part, kq, num_to)?;
            if let Some(part) = &den_part {
                self.segment_sum(panel, part, kq, Target { acc: &acc.den, ..num_to })?;
            }
            sum0 += panel.segment_count;
        }
        self.scalar(sums, &[(0, total, 1.0), (total, total, -1.0)], 0.0)
    }

    /// Σ d(x, v) − Σ d(0, v) over the stored entries, as two parts.
    pub(crate) fn divergence_sparse(
        &mut self,
        panels: &[CsrPanel],
        kind: LossKind,
        loss: &Loss,
        w: &Factor,
        h: &Factor,
    ) -> Result<Option<Scalar>> {
        let kq = quads(w.k as usize);
        let total: u32 = panels.iter().map(|p| p.segment_count).sum();
        let sums = self.sums_buffer(true, 2 * u64::from(total))?;
        let mut sum0 = 0;
        for panel in panels {
            let at = Params { kq, p0: panel.row0, sum0, sum1: total + sum0, ..Params::default() };
            let mut buffers = vec![&panel.segments, &panel.columns, &panel.values, &w.buf, &h.buf];
            buffers.extend(sums.as_deref());
            let params = self.loss_params(loss, at);
            let groups = panel.segment_count.into();
            let kernel = Kernel::DivergenceCsr { loss: kind, weighted: panel.weighted };
            self.stream.run(kernel, &buffers, params, groups, work(panel, kq, 1.0))?;
            sum0 += panel.segment_count;
        }
        self.scalar(sums, &[(0, total, 1.0), (total, total, -1.0)], 0.0)
    }
}
