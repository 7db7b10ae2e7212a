//! Sparse X by rows and by columns: its windows on the device, or taking turns there.

use super::ring::{Contents, Home, claimed, rounded};
use super::turns::{Budget, factors, place};
use super::{Claim, Keeping, Layout, put};
use crate::csr::{Csr, CsrPanel, CsrRows, Cut, batches, cut};
use crate::gpu::Gpu;
use crate::number::Number;
use crate::pool::{Buf, Pool};
use crate::queue::Stream;
use nmf_core::Result;
use std::sync::Arc;

/// A window of sparse X on the device.
pub(crate) struct CsrBuffers {
    pub(crate) index: Arc<Buf>,
    pub(crate) columns: Arc<Buf>,
    pub(crate) values: Arc<Buf>,
}

impl<T: Number> Gpu<T> {
    /// A window on the device, for kernels and copies that are recorded before the next one is asked for.
    pub(crate) fn sparse_window(&mut self, panel: &CsrPanel<T>) -> Result<CsrBuffers> {
        let [index, columns, values] = panel.home.bring(&mut self.stream)?;
        Ok(CsrBuffers { index, columns, values })
    }
}

/// X or Xᵀ by its rows, and where these are cut into windows.
struct Half<T> {
    x: Arc<Csr<T>>,
    cuts: Vec<Cut>,
}

/// X, then Xᵀ.
type Halves<T> = [Half<T>; 2];

fn halves<T: Number>([x, transposed]: [&Arc<Csr<T>>; 2], limit: u64, stream: &Stream) -> Halves<T> {
    [x, transposed].map(|x| Half { x: Arc::clone(x), cuts: cut(x, limit, &stream.device) })
}

fn windows<T>(halves: &Halves<T>) -> impl Iterator<Item = (&Arc<Csr<T>>, &Cut)> {
    halves.iter().flat_map(|half| half.cuts.iter().map(|cut| (&half.x, cut)))
}

/// X in both ways, made from its rows or (not `by_rows`) from its columns.
pub(super) fn upload<T: Number>(
    stream: &mut Stream,
    pool: &Pool,
    outer: Csr<T>,
    by_rows: bool,
    how: &Keeping,
) -> Result<Layout<T>> {
    let (inner, outer) = (Arc::new(outer.transposed()), Arc::new(outer));
    let (x, transposed) = if by_rows { (&outer, &inner) } else { (&inner, &outer) };
    let all = halves([x, transposed], how.window, stream);
    let whole = windows(&all).flat_map(|(_, cut)| cut.sizes()).sum();
    place(
        stream,
        pool,
        how.stream,
        (factors::<T>(x.dim()), whole),
        |stream| resident(stream, pool, &all, whole),
        |stream, available| streamed(stream, pool, [x, transposed], how.window, available),
    )
}

/// Everything on the device.
fn resident<T: Number>(stream: &mut Stream, pool: &Pool, all: &Halves<T>, whole: u64) -> Result<Layout<T>> {
    // all memory first, so that a matrix that does not fit is refused before anything is sent
    let mut claim = Claim::new(stream, pool, "the sparse matrix X", whole)?;
    let buffers = windows(all).map(|(_, cut)| claimed(&mut claim, cut.sizes())).collect::<Result<Vec<_>>>()?;
    for ((x, cut), buffers) in windows(all).zip(&buffers) {
        let rows = cut.of(x);
        for (buf, part) in buffers.iter().zip(rows.contents()) {
            put(&stream.device, buf, 0, part)?;
        }
        stream.flush_writes()?;
    }
    Ok(layout(all, buffers.into_iter().map(Home::Device).collect()))
}

/// Everything on the host, and a ring on the device in which windows of both halves take turns.
fn streamed<T: Number>(
    stream: &mut Stream,
    pool: &Pool,
    both: [&Arc<Csr<T>>; 2],
    limit: u64,
    available: Option<u64>,
) -> Result<Layout<T>> {
    // rows can be cut down to a few entries, but three buffers in two places are needed
    let budget = Budget::new(pool, factors::<T>(both[0].dim()), 6 * rounded(0))?;
    // each of the three parts is as long as the limit at most
    let all = halves(both, limit.min(rounded(budget.panel() / 3)), stream);
    let mut largest = [0; 3];
    for (_, cut) in windows(&all) {
        largest.iter_mut().zip(cut.sizes()).for_each(|(most, size)| *most = size.max(*most));
    }
    let mut turns = budget.turns(stream, pool, (windows(&all).count(), largest), available)?;
    let homes = windows(&all).map(|(x, cut)| turns.add(stream, cut.of(x))).collect::<Result<_>>()?;
    turns.done(pool);
    Ok(layout(&all, homes))
}

/// All windows, each with its place.
fn layout<T: Number>(all: &Halves<T>, homes: Vec<Home<3, CsrRows<T>>>) -> Layout<T> {
    let mut homes = homes.into_iter();
    let [rows, cols] =
        all.each_ref().map(|half| half.cuts.iter().zip(homes.by_ref()).map(|(c, home)| c.panel(home)).collect());
    let [row_batches, col_batches] = all.each_ref().map(|half| batches(&half.x, &half.cuts));
    Layout::Sparse { rows, cols, row_batches, col_batches }
}
