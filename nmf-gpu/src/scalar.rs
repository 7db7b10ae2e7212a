//! Numbers on their way to the host: partial sums, tickets.

use crate::gpu::Gpu;
use crate::memory::{Part, Scalar, quads};
use crate::number::Number;
use crate::pool::Buf;
use crate::queue::{Landing, Params};
use nmf_core::{Error, Result, Ticket};
use nmf_shaders::{Kernel, SUM_CHUNK, Term};
use std::sync::Arc;

/// Longest list of partial sums that is sent to the host as it is.
const SEND: u32 = 8192;

/// Scalars asked for: for each its parts (numbers to add, factor) and constant, in the order they were copied.
pub(crate) struct Pending {
    landing: Landing,
    scalars: Vec<(Vec<(u32, f64)>, f64)>,
}

impl<T: Number> Gpu<T> {
    /// Room for partial sums, if they are wanted.
    pub(crate) fn sums_buffer(&self, wanted: bool, count: u64) -> Result<Option<Arc<Buf>>> {
        if wanted { Ok(Some(Arc::new(self.scratch(count.div_ceil(4), 1)?))) } else { Ok(None) }
    }

    /// The scalar made of runs (start, count, factor) of a buffer.
    pub(crate) fn scalar(
        &mut self,
        sums: Option<Arc<Buf>>,
        runs: &[(u32, u32, f64)],
        constant: f64,
    ) -> Result<Option<Scalar>> {
        let Some(buf) = sums else { return Ok(None) };
        let parts =
            runs.iter().map(|&(start, count, factor)| Part { buf: Arc::clone(&buf), start, count, factor }).collect();
        self.shortened(Scalar { parts, constant }).map(Some)
    }

    /// Long lists are added up on the device first, 2048 to one, by trees.
    pub(crate) fn shortened(&mut self, mut s: Scalar) -> Result<Scalar> {
        for part in &mut s.parts {
            while part.count > SEND {
                let groups = part.count.div_ceil(SUM_CHUNK);
                let out = self.scratch(u64::from(groups).div_ceil(4), 1)?;
                let params = Params { count: part.count, sum1: part.start, ..Params::default() };
                self.stream.run(Kernel::Sum, &[&part.buf, &out], params, groups.into(), 4096.0)?;
                *part = Part { buf: Arc::new(out), start: 0, count: groups, factor: part.factor };
            }
        }
        Ok(s)
    }

    /// Σ of a term over matrices of rows × k.
    pub(crate) fn sum_term(
        &mut self,
        term: Term,
        buffers: &[&Buf],
        rows: u32,
        k: u32,
        params: Params,
        factor: f64,
    ) -> Result<Scalar> {
        let kq = quads(k as usize);
        let count = u64::from(rows) * u64::from(kq);
        let groups = count.div_ceil(u64::from(SUM_CHUNK)).max(1);
        let sums = self.scratch(groups.div_ceil(4), 1)?;
        let all: Vec<&Buf> = buffers.iter().copied().chain([&sums]).collect();
        let params = Params { p: rows, k, kq, ..params };
        self.stream.run(Kernel::Scalar(term), &all, params, groups, 32768.0)?;
        let part = Part { buf: Arc::new(sums), start: 0, count: groups as u32, factor };
        self.shortened(Scalar { parts: vec![part], constant: 0.0 })
    }

    pub(crate) fn send(&mut self, s: &[Scalar]) -> Result<Ticket> {
        let runs: Vec<(&Buf, u64, u64)> = s
            .iter()
            .flat_map(|s| &s.parts)
            .map(|p| (&*p.buf, u64::from(p.start) * T::BYTES, u64::from(p.count) * T::BYTES))
            .collect();
        let landing = self.stream.land(&runs)?;
        let scalars = s.iter().map(|s| (s.parts.iter().map(|p| (p.count, p.factor)).collect(), s.constant)).collect();
        self.next_ticket += 1;
        self.tickets.insert(self.next_ticket, Pending { landing, scalars });
        Ok(Ticket(self.next_ticket))
    }

    pub(crate) fn arrived(&mut self, t: &Ticket) -> Result<bool> {
        let pending = self.tickets.get(&t.0).ok_or_else(|| unknown(t))?;
        self.stream.landed(&pending.landing)
    }

    /// Waits if it must.
    pub(crate) fn redeem(&mut self, t: &Ticket) -> Result<Vec<f64>> {
        let Pending { landing, scalars } = self.tickets.remove(&t.0).ok_or_else(|| unknown(t))?;
        let numbers: Vec<T> = self.stream.take(landing)?;
        let mut rest = numbers.as_slice();
        Ok(scalars
            .into_iter()
            .map(|(parts, constant)| {
                parts.into_iter().fold(constant, |sum, (count, factor)| {
                    let (here, tail) = rest.split_at((count as usize).min(rest.len()));
                    rest = tail;
                    sum + factor * here.iter().map(|v| v.f64()).sum::<f64>()
                })
            })
            .collect())
    }
}

fn unknown(t: &Ticket) -> Error {
    Error::Device(format!("ticket {} is unknown or was redeemed before", t.0))
}
