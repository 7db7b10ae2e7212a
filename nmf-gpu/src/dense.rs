//! Dense passes: products with tall factors, the fused pass of the multiplicative update, the divergence.

use crate::gpu::Gpu;
use crate::memory::{Factor, Gram, Part, Scalar, Terms, quads};
use crate::number::Number;
use crate::plan::{Pass, Plan, Way};
use crate::pool::Buf;
use crate::queue::Params;
use crate::tune::What;
use crate::window::{Data, DensePanel, Layout};
use nmf_core::{Error, Loss, Result, Side};
use nmf_shaders::{Kernel, LossKind, MatrixPass, Reads};
use std::sync::Arc;

/// Where a product goes: acc ← α·result or acc + α·result, from row `row0` on.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) acc: &'a Buf,
    pub(crate) row0: u32,
    pub(crate) alpha: f64,
    pub(crate) add: bool,
}

impl Target<'_> {
    fn direct(&self, chunks: u32) -> bool {
        chunks == 1 && !self.add && self.alpha == 1.0
    }
}

/// A window as a side sees it: p rows and q summed entries, with their offsets.
pub(crate) fn extents(panel: &DensePanel, side: Side) -> Params {
    let (p, p0, q, q0) = match side {
        Side::Rows => (panel.rows, panel.row0, panel.cols, panel.col0),
        Side::Cols => (panel.cols, panel.col0, panel.rows, panel.row0),
    };
    Params { p, p0, q, q0, ld: panel.ld, x_unit: f64::from(panel.unit), ..Params::default() }
}

impl<T: Number> Gpu<T> {
    /// Scratch for `rows` × `kq` quads, of each run of a batch.
    pub(crate) fn scratch(&self, rows: u64, kq: u32) -> Result<Buf> {
        let part = rows.max(1) * u64::from(kq) * T::QUAD;
        let (what, needed) = ("intermediate results", part * self.runs() as u64);
        let available = self.stream.device.max_binding();
        if needed > available {
            return Err(Error::OutOfMemory { what: format!("{what} (in one piece)"), needed, available });
        }
        let buf = self.pool.get(&self.stream.device, what, needed)?;
        Ok(if self.stream.batch.is_some() { buf.in_parts(part) } else { buf })
    }

    /// acc_i ← α·Σ_s part_s,i (+ acc_i) over `chunks` slabs of `rows` rows.
    pub(crate) fn reduce(&mut self, part: &Buf, chunks: u32, rows: u32, kq: u32, to: Target<'_>) -> Result<()> {
        let count = rows * kq;
        // lanes share the slabs where there are many slabs and few quads
        let parts = (chunks / 2).clamp(1, 64).next_power_of_two().min(64);
        let width = if u64::from(count) >= 1 << 16 { 64 } else { 64 / parts };
        let params = Params {
            kq,
            count,
            chunks,
            width,
            out0: to.row0,
            flags: u32::from(to.add),
            alpha: to.alpha,
            ..Params::default()
        };
        let groups = u64::from(count.div_ceil(width));
        self.stream.run(Kernel::Reduce, &[part, to.acc], params, groups, 512.0 * f64::from(chunks))
    }

    /// How a pass is made. Where the other factor cannot be read as a texture, the same way reads buffers.
    fn plan_to_read(&mut self, what: What, pass: Pass, other: &Buf) -> Result<Plan> {
        let mut plan = self.plan(what, pass);
        if let Way::Lanes(lanes) = &mut plan.way
            && lanes.reads == Reads::Texture
            && !self.stream.has_picture(other)?
        {
            lanes.reads = Pass { image: false, ..pass }.reads(self.sharing());
        }
        Ok(plan)
    }

    /// acc ← α·X̃·other (+ acc) for one window: `at` holds its extents, `other` has `kq` quads per row.
    pub(crate) fn product(
        &mut self,
        what: What,
        x: &Buf,
        cols: bool,
        at: Params,
        other: &Buf,
        kq: u32,
        to: Target<'_>,
    ) -> Result<()> {
        let pass = Pass {
            p: at.p,
            q: at.q,
            kq,
            cols,
            half: at.half(),
            image: x.image().is_some(),
            double: T::DOUBLE,
            arrays: 1,
        };
        let plan = self.plan_to_read(what, pass, other)?;
        let kernel = match plan.way {
            Way::Lanes(lanes) => Kernel::CrossLanes(lanes),
            Way::Tiles { tall } => Kernel::CrossDense { cols, blocks: plan.blocks, tall, half: at.half() },
            Way::Matrices(matrices) => {
                let (blocks, half) = (plan.blocks, at.half());
                Kernel::Matrices(MatrixPass { matrices, update: None, div: false, cols, blocks, half })
            }
        };
        let mut params = Params { kq, chunk: plan.chunk, chunks: plan.chunks, ..at };
        let work = plan.work(kq, 0.0);
        if to.direct(plan.chunks) {
            params.out0 = to.row0;
            return self.stream.run(kernel, &[x, other, to.acc], params, plan.groups(), work);
        }
        let part = self.scratch(u64::from(plan.chunks) * u64::from(at.p), kq)?;
        self.stream.run(kernel, &[x, other, &part], params, plan.groups(), work)?;
        self.reduce(&part, plan.chunks, at.p, kq, to)
    }

    /// out ← fᵀf.
    pub(crate) fn record_gram(&mut self, f: &Factor, out: &Gram) -> Result<()> {
        let kq = quads(f.k as usize);
        let at = Params { p: 4 * kq, q: f.rows, ld: kq, ..Params::default() };
        self.product(
            What::Product,
            &f.buf,
            true,
            at,
            &f.buf,
            kq,
            Target { acc: &out.buf, row0: 0, alpha: 1.0, add: false },
        )
    }

    /// acc ← α·f·G (+ acc).
    pub(crate) fn times_gram(&mut self, f: &Factor, gram: &Gram, to: Target<'_>) -> Result<()> {
        let kq = quads(f.k as usize);
        let at = Params { p: f.rows, q: 4 * kq, ld: kq, ..Params::default() };
        self.product(What::Product, &f.buf, false, at, &gram.buf, kq, to)
    }

    /// acc ← α·X̃·other (+ acc), window by window.
    pub(crate) fn cross_dense(
        &mut self,
        what: What,
        panels: &[DensePanel],
        side: Side,
        other: &Factor,
        to: Target<'_>,
    ) -> Result<()> {
        for panel in panels {
            let at = extents(panel, side);
            let here = Target { row0: at.p0, add: to.add || at.q0 > 0, ..to };
            let x = self.window(panel)?;
            self.product(what, &x, side == Side::Cols, at, &other.buf, quads(other.k as usize), here)?;
        }
        Ok(())
    }

    /// The fused pass: N and D of every window into `acc`, and the divergence on request. Without `den`, D is left alone.
    pub(crate) fn mu_dense(
        &mut self,
        panels: &[DensePanel],
        kind: LossKind,
        loss: &Loss,
        side: Side,
        (f, other): (&Factor, &Factor),
        (alpha, add): (f64, bool),
        acc: &Terms,
        den: bool,
        div: bool,
    ) -> Result<Option<Scalar>> {
        let kq = quads(f.k as usize);
        let (cols, arrays) = (side == Side::Cols, 2 + u32::from(den));
        let plan = |panel: &DensePanel| -> Result<(Params, Plan)> {
            let at = extents(panel, side);
            let pass =
                Pass { p: at.p, q: at.q, kq, cols, half: at.half(), image: panel.image(), double: T::DOUBLE, arrays };
            Ok((at, self.plan_to_read(What::Update(kind), pass, &other.buf)?))
        };
        let plans = panels.iter().map(plan).collect::<Result<Vec<_>>>()?;
        let sums = self.sums_buffer(div, plans.iter().map(|(_, plan)| u64::from(plan.sums())).sum())?;
        let mut sum0 = 0;
        for (panel, (at, plan)) in panels.iter().zip(plans) {
            let half = at.half();
            let kernel = match plan.way {
                Way::Lanes(lanes) => Kernel::MuLanes { loss: kind, lanes, den, div },
                Way::Tiles { tall } => {
                    let blocks = plan.blocks;
                    Kernel::MuDense { loss: kind, cols, blocks, tall, num: true, den, div, half }
                }
                Way::Matrices(matrices) => {
                    let (update, blocks) = (Some(kind), plan.blocks);
                    Kernel::Matrices(MatrixPass { matrices, update, div, cols, blocks, half })
                }
            };
            let x = self.window(panel)?;
            let add = add || at.q0 > 0;
            let num_to = Target { acc: &acc.num, row0: at.p0, alpha, add };
            let den_to = Target { acc: &acc.den, ..num_to };
            let direct = num_to.direct(plan.chunks);
            let rows = u64::from(plan.chunks) * u64::from(at.p);
            let num_part = if direct { None } else { Some(self.scratch(rows, kq)?) };
            let den_part = if direct || !den { None } else { Some(self.scratch(rows, kq)?) };
            let params = Params {
                out0: if direct { at.p0 } else { 0 },
                sum0,
                ..self.loss_params(loss, Params { kq, chunk: plan.chunk, chunks: plan.chunks, ..at })
            };
            let mut buffers = vec![&*x, &f.buf, &other.buf, num_part.as_ref().unwrap_or(&acc.num)];
            if den {
                buffers.push(den_part.as_ref().unwrap_or(&acc.den));
            }
            buffers.extend(sums.as_deref());
            let work = plan.work(kq, if div { 60.0 } else { 20.0 });
            self.stream.run(kernel, &buffers, params, plan.groups(), work)?;
            for (part, to) in [(&num_part, num_to), (&den_part, den_to)] {
                if let Some(part) = part {
                    self.reduce(part, plan.chunks, at.p, kq, to)?;
                }
            }
            sum0 += plan.sums();
        }
        self.scalar(sums, &[(0, sum0, 1.0)], 0.0)
    }

    /// D over all entries where X stores none (general β on sparse X): acc.den ← α·V^(β−1)·other (+ acc.den), and
    /// Σ d(0, v) on request.
    pub(crate) fn den_everywhere(
        &mut self,
        kind: LossKind,
        loss: &Loss,
        (f, other): (&Factor, &Factor),
        (alpha, add): (f64, bool),
        acc: &Terms,
        div: bool,
    ) -> Result<Option<Scalar>> {
        let kq = quads(f.k as usize);
        let pass =
            Pass { p: f.rows, q: other.rows, kq, cols: false, half: false, image: false, double: T::DOUBLE, arrays: 2 };
        let plan = Plan::new(pass, Way::Tiles { tall: false }, self.sharing());
        let sums = self.sums_buffer(div, plan.sums().into())?;
        let to = Target { acc: &acc.den, row0: 0, alpha, add };
        let direct = to.direct(plan.chunks);
        let part = if direct { None } else { Some(self.scratch(u64::from(plan.chunks) * u64::from(f.rows), kq)?) };
        let at = Params { kq, p: f.rows, q: other.rows, chunk: plan.chunk, chunks: plan.chunks, ..Params::default() };
        let (blocks, tall) = (plan.blocks, false);
        let kernel = Kernel::MuDense { loss: kind, cols: false, blocks, tall, num: false, den: true, div, half: false };
        let mut buffers = vec![&f.buf, &other.buf, part.as_ref().unwrap_or(&acc.den)];
        buffers.extend(sums.as_deref());
        let params = self.loss_params(loss, at);
        self.stream.run(kernel, &buffers, params, plan.groups(), plan.work(kq, 40.0))?;
        if let Some(part) = &part {
            self.reduce(part, plan.chunks, f.rows, kq, to)?;
        }
        self.scalar(sums, &[(0, plan.sums(), 1.0)], 0.0)
    }

    /// Σ d(x, v) over dense X; over nothing but zeros without panels.
    pub(crate) fn divergence_dense(
        &mut self,
        x: &Data<T>,
        kind: LossKind,
        loss: &Loss,
        w: &Factor,
        h: &Factor,
    ) -> Result<Scalar> {
        let kq = quads(w.k as usize);
        let windows: Vec<(Option<&DensePanel>, Params)> = match &x.layout {
            Layout::Dense(panels) => panels.iter().map(|p| (Some(p), extents(p, Side::Rows))).collect(),
            Layout::Sparse { .. } => vec![(None, Params { p: w.rows, q: h.rows, ..Params::default() })],
        };
        let pass = |at: &Params| Pass {
            p: at.p,
            q: at.q,
            kq: 0,
            cols: false,
            half: false,
            image: false,
            double: T::DOUBLE,
            arrays: 0,
        };
        let plans: Vec<Plan> =
            windows.iter().map(|(_, at)| Plan::new(pass(at), Way::Tiles { tall: false }, self.sharing())).collect();
        let total = plans.iter().map(|p| u64::from(p.sums())).sum();
        let sums = Arc::new(self.scratch(total, 1)?);
        let mut sum0 = 0;
        for ((panel, at), plan) in windows.iter().zip(&plans) {
            let x = panel.map(|panel| self.window(panel)).transpose()?;
            let kernel = Kernel::DivergenceDense { loss: kind, stored: x.is_some(), half: at.half() };
            let params = self.loss_params(loss, Params { kq, chunk: plan.chunk, chunks: plan.chunks, sum0, ..*at });
            let buffers: Vec<&Buf> = x.as_deref().into_iter().chain([&w.buf, &h.buf, &*sums]).collect();
            self.stream.run(kernel, &buffers, params, plan.groups(), plan.work(kq, 60.0 + 8.0 * f64::from(kq)))?;
            sum0 += plan.sums();
        }
        let part = Part { buf: sums, start: 0, count: sum0, factor: 1.0 };
        self.shortened(Scalar { parts: vec![part], constant: 0.0 })
    }
}
