//! Dense X in panels: how it is cut, in which form its numbers are stored, where they lie.

use super::image::Image;
use super::ring::Home;
use super::turns::{Budget, factors, place};
use super::{Claim, Keeping, XStorage, put};
use crate::gpu::Gpu;
use crate::number::Number;
use crate::pool::{Buf, Pool};
use crate::queue::Stream;
use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::ArrayView2;
use nmf_core::{Error, Result};
use nmf_shaders::TILE;
use std::ops::Range;
use std::sync::Arc;

/// Host memory for one piece of an upload.
const PIECE: usize = 4 << 20;
/// The largest entry, in units, lies between 2 to this power and twice that: below 65,504, the largest half.
const TOP: i32 = 14;

/// A window of dense X.
pub(crate) struct DensePanel {
    home: Home<1, Vec<u8>>,
    pub(crate) row0: u32,
    pub(crate) rows: u32,
    pub(crate) col0: u32,
    pub(crate) cols: u32,
    /// Quads per row.
    pub(crate) ld: u32,
    /// What stored halves are to be multiplied with, a power of two; 0 where numbers are stored as they are.
    pub(crate) unit: f32,
}

impl DensePanel {
    pub(crate) fn streamed(&self) -> bool {
        self.home.streamed()
    }

    /// Whether it lies on the device as a texture, too.
    pub(crate) fn image(&self) -> bool {
        matches!(&self.home, Home::Device([numbers]) if numbers.image().is_some())
    }
}

impl<T: Number> Gpu<T> {
    /// The numbers of a panel on the device, for kernels that are recorded before the next panel is asked for.
    pub(crate) fn window(&mut self, panel: &DensePanel) -> Result<Arc<Buf>> {
        let [numbers] = panel.home.bring(&mut self.stream)?;
        Ok(numbers)
    }
}

/// The form in which numbers are stored.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// As in [`DensePanel`].
    pub(super) unit: f32,
    /// Bytes of a number as it is.
    number: u64,
}

impl Form {
    fn of<T: Number>(a: &ArrayView2<'_, T>, scale: T, storage: XStorage) -> Form {
        let number = T::BYTES;
        if storage == XStorage::F32 {
            return Form { unit: 0.0, number };
        }
        let sizes = a.iter().map(|v| (scale * *v).abs()).filter(|v| v.is_finite());
        let largest = sizes.fold(T::zero(), T::max).f64() as f32;
        let exponent = if largest > 0.0 { (largest.to_bits() >> 23) as i32 - 127 } else { TOP };
        // the unit and its inverse must be normal numbers
        Form { unit: f32::from_bits(((exponent - TOP).max(-126) + 127).cast_unsigned() << 23), number }
    }

    fn entry_bytes(self) -> u64 {
        if self.unit == 0.0 { self.number } else { 2 }
    }

    pub(super) fn quad_bytes(self) -> u64 {
        4 * self.entry_bytes()
    }

    /// Appends numbers as they will lie on the device.
    fn store<T: Number>(self, values: &[T], halves: &mut Vec<f16>, out: &mut Vec<u8>) {
        if self.unit == 0.0 {
            out.extend_from_slice(bytemuck::cast_slice(values));
            return;
        }
        let (inverse, least) = (1.0 / self.unit, f16::MIN_POSITIVE.to_f32());
        let scaled = values.iter().map(|v| v.f64() as f32 * inverse);
        // No positive entry becomes zero, where some losses are infinite, nor a subnormal half, which drivers may take for zero.
        let scaled: Vec<f32> = scaled.map(|v| if v > 0.0 { v.max(least) } else { v }).collect();
        halves.clear();
        halves.resize(values.len(), f16::ZERO);
        halves.convert_from_f32_slice(&scaled);
        out.extend_from_slice(bytemuck::cast_slice(halves.reinterpret_cast()));
    }
}

/// Where panels begin, and their sizes.
pub(super) struct Cut {
    pub(super) rows: Range<usize>,
    cols: Range<usize>,
}

impl Cut {
    /// Quads per row.
    pub(super) fn ld(&self) -> usize {
        self.cols.len().div_ceil(4)
    }

    pub(super) fn bytes(&self, form: Form) -> u64 {
        (self.rows.len() * self.ld()) as u64 * form.quad_bytes()
    }

    fn panel(&self, home: Home<1, Vec<u8>>, form: Form) -> DensePanel {
        DensePanel {
            home,
            row0: self.rows.start as u32,
            rows: self.rows.len() as u32,
            col0: self.cols.start as u32,
            cols: self.cols.len() as u32,
            ld: self.ld() as u32,
            unit: form.unit,
        }
    }
}

/// Row panels of at most `limit` bytes; where a single row is longer, its columns are cut as well.
fn cuts((m, n): (usize, usize), limit: u64, form: Form) -> Vec<Cut> {
    let quads = (limit / form.quad_bytes()).max(u64::from(TILE) / 4) as usize;
    let width = if n.div_ceil(4) <= quads { n } else { quads * 4 / TILE as usize * TILE as usize }.max(1);
    let mut height = (quads / width.div_ceil(4)).max(1);
    if height > TILE as usize {
        height -= height % TILE as usize;
    }
    let columns = |row0: usize| {
        (0..n)
            .step_by(width)
            .map(move |col0| Cut { rows: row0..(row0 + height).min(m), cols: col0..(col0 + width).min(n) })
    };
    (0..m).step_by(height).flat_map(columns).collect()
}

/// The part of scale·X that is to lie in a panel, padded, handed out in pieces with their places in bytes.
fn pieces<T: Number>(
    a: &ArrayView2<'_, T>,
    scale: T,
    form: Form,
    cut: &Cut,
    mut take: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let stride = cut.ld() * 4;
    let at_once = (PIECE / stride.max(1)).max(1);
    let (mut piece, mut halves, mut bytes, mut at) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for first in cut.rows.clone().step_by(at_once) {
        piece.clear();
        bytes.clear();
        for i in first..(first + at_once).min(cut.rows.end) {
            let row = a.slice(ndarray::s![i, cut.cols.clone()]);
            match row.as_slice() {
                Some(row) => piece.extend(row.iter().map(|v| scale * *v)),
                None => piece.extend(row.iter().map(|v| scale * *v)),
            }
            piece.resize(piece.len().next_multiple_of(stride), T::zero());
        }
        form.store(&piece, &mut halves, &mut bytes);
        take(at, &bytes)?;
        at += bytes.len() as u64;
    }
    Ok(())
}

pub(super) fn upload<T: Number>(
    stream: &mut Stream,
    pool: &Pool,
    a: &ArrayView2<'_, T>,
    scale: T,
    how: &Keeping,
) -> Result<Vec<DensePanel>> {
    let form = Form::of(a, scale, how.storage);
    place(
        stream,
        pool,
        how.stream,
        (factors::<T>(a.dim()), whole(a, form)),
        |stream| resident(stream, pool, a, scale, how.window, form),
        |stream, available| streamed(stream, pool, a, scale, how.window, form, available),
    )
}

/// Bytes of all of X on the device, less what the ends of rows are padded with.
fn whole<T>(a: &ArrayView2<'_, T>, form: Form) -> u64 {
    let (m, n) = a.dim();
    m as u64 * n as u64 * form.entry_bytes()
}

/// Everything on the device.
fn resident<T: Number>(
    stream: &mut Stream,
    pool: &Pool,
    a: &ArrayView2<'_, T>,
    scale: T,
    limit: u64,
    form: Form,
) -> Result<Vec<DensePanel>> {
    let cuts = cuts(a.dim(), limit, form);
    let mut claim = Claim::new(stream, pool, "the matrix X", cuts.iter().map(|c| c.bytes(form)).sum())?;
    // all memory first, so that a matrix that does not fit is refused before anything is sent
    let buffers = cuts.iter().map(|c| claim.get(c.bytes(form))).collect::<Result<Vec<_>>>()?;
    let images = Image::of_all(&stream.device, pool, &cuts, form)?;
    let mut sent = 0;
    for (i, (cut, buf)) in cuts.iter().zip(&buffers).enumerate() {
        pieces(a, scale, form, cut, |at, bytes| {
            put(&stream.device, buf, at, bytes)?;
            sent += bytes.len();
            if let Some(image) = images.get(i) {
                image.put(&stream.device, at, bytes)?;
                sent += bytes.len();
            }
            if sent > 16 * PIECE {
                stream.flush_writes()?;
                sent = 0;
            }
            Ok(())
        })?;
    }
    let mut images = images.into_iter();
    let panel = |(cut, buf): (&Cut, Buf)| {
        let buf = match images.next() {
            Some(image) => buf.with_image(image.view()),
            None => buf,
        };
        cut.panel(Home::Device([Arc::new(buf)]), form)
    };
    Ok(cuts.iter().zip(buffers).map(panel).collect())
}

/// Everything on the host, a ring of buffers on the device, and the first panels there as well if it is known what is `available`.
fn streamed<T: Number>(
    stream: &mut Stream,
    pool: &Pool,
    a: &ArrayView2<'_, T>,
    scale: T,
    limit: u64,
    form: Form,
    available: Option<u64>,
) -> Result<Vec<DensePanel>> {
    // with panels of one row each
    let least = 2 * form.entry_bytes() * (a.ncols() as u64).next_multiple_of(4);
    let budget = Budget::new(pool, factors::<T>(a.dim()), least)?;
    let cuts = cuts(a.dim(), limit.min(budget.panel()), form);
    let largest = cuts.iter().map(|c| c.bytes(form)).max().unwrap_or(0);
    let mut turns = budget.turns(stream, pool, (cuts.len(), [largest]), available)?;
    let mut panels = Vec::with_capacity(cuts.len());
    for cut in &cuts {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(cut.bytes(form) as usize).map_err(|_| {
            Error::Device(format!(
                "the matrix X does not fit the device, and the host has no {} bytes for the panels to be sent by turns",
                cuts.iter().map(|c| c.bytes(form)).sum::<u64>()
            ))
        })?;
        pieces(a, scale, form, cut, |_, piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        panels.push(cut.panel(turns.add(stream, bytes)?, form));
    }
    turns.done(pool);
    Ok(panels)
}

/// Some rows of X, and some quads of each, as stored, one row after the other: of X that is streamed.
pub(crate) fn gathered<T: Number>(panels: &[DensePanel], rows: Range<u32>, quads: Range<u32>) -> Vec<u8> {
    let bytes_per_quad =
        panels.first().map_or(T::QUAD, |p| Form { unit: p.unit, number: T::BYTES }.quad_bytes()) as usize;
    let width = quads.len() * bytes_per_quad;
    let mut out = vec![0; rows.len() * width];
    for panel in panels {
        let Home::Host { contents: bytes, .. } = &panel.home else { continue };
        let quad0 = panel.col0 / 4;
        let (top, bottom) = (rows.start.max(panel.row0), rows.end.min(panel.row0 + panel.rows));
        let (left, right) = (quads.start.max(quad0), quads.end.min(quad0 + panel.ld));
        if top >= bottom || left >= right {
            continue;
        }
        let (offset, wanted) = ((left - quad0) as usize, (right - left) as usize * bytes_per_quad);
        let into = (left - quads.start) as usize * bytes_per_quad;
        for row in top..bottom {
            let from = ((row - panel.row0) as usize * panel.ld as usize + offset) * bytes_per_quad;
            let to = (row - rows.start) as usize * width + into;
            out[to..to + wanted].copy_from_slice(&bytes[from..from + wanted]);
        }
    }
    out
}
