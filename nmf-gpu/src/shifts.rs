//! Shifted copies of a factor and their adjoint, for convolutive models: see [`nmf_core::shifts`].

use crate::gpu::Gpu;
use crate::memory::{Factor, Terms, quads};
use crate::number::Number;
use crate::queue::Params;
use nmf_core::Result;
use nmf_shaders::Kernel;

impl<T: Number> Gpu<T> {
    /// out ← the `shifts` shifted copies of f.
    pub(crate) fn record_unfold(&mut self, f: &Factor, shifts: u32, out: &Factor) -> Result<()> {
        let params = Params {
            p: out.rows,
            k: f.k,
            kq: quads(out.k as usize),
            stride: quads(f.k as usize),
            count: shifts,
            ..Params::default()
        };
        self.stream.run(Kernel::Unfold, &[&f.buf, &out.buf], params, params.quad_groups(), 2048.0)
    }

    /// N and D of the shifted copies into those of the factor; its D is never one shared row, as the last rows have fewer
    /// terms.
    pub(crate) fn record_fold(&mut self, t: &Terms, shifts: u32, out: &mut Terms) -> Result<()> {
        let ld = quads(t.k as usize);
        let params = Params {
            p: out.rows,
            k: out.k,
            kq: quads(out.k as usize),
            ld,
            stride: if t.shared { 0 } else { ld },
            count: shifts,
            ..Params::default()
        };
        // one thread per number
        let groups = (u64::from(out.rows) * u64::from(params.kq) * 4).div_ceil(64);
        // each term is gathered, which costs more than its flop say
        let work = 64.0 * 16.0 * f64::from(shifts);
        let buffers = [&t.num, &t.den, &out.num, &out.den];
        self.stream.run(Kernel::Fold, &buffers, params, groups, work)?;
        out.shared = false;
        Ok(())
    }
}
