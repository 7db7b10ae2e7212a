//! Frames and bins as seconds and hertz, and which cells a pixel shows.

use super::page::Page;
use super::raster::{Colours, Raster};
use super::scale::ticks;
use ndarray::{Array2, ArrayView2};
use std::ops::Range;

/// Lowest frequency on the logarithmic axis, in Hz.
const LOWEST: f64 = 50.0;

/// What frames and bins are in seconds and hertz.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axes {
    /// Samples per second.
    pub(crate) rate: u32,
    /// Samples of a frame.
    pub(crate) frame: usize,
    /// Samples between frames.
    pub(crate) hop: usize,
    /// Seconds of the centre of frame 0.
    pub(crate) start: f64,
}

impl Axes {
    /// Seconds between frames.
    pub(super) fn hop_seconds(&self) -> f64 {
        self.hop.max(1) as f64 / f64::from(self.rate.max(1))
    }

    /// Where `frames` frames begin and end, in seconds: each is shown half a hop to both sides of its centre.
    pub(super) fn seconds(&self, frames: usize) -> (f64, f64) {
        let start = if self.start.is_finite() { self.start } else { 0.0 } - self.hop_seconds() / 2.0;
        (start, start + frames.max(1) as f64 * self.hop_seconds())
    }

    /// Hertz between bins.
    fn bin_hertz(&self) -> f64 {
        f64::from(self.rate.max(1)) / self.frame.max(1) as f64
    }

    /// Lowest and highest frequency of a picture of `bins` bins.
    pub(super) fn hertz(&self, bins: usize) -> (f64, f64) {
        let top = (bins.max(2) - 1) as f64 * self.bin_hertz();
        (LOWEST.min(top / 20.0), top)
    }

    /// The frequency of a bin.
    pub(super) fn hertz_of(&self, bin: usize) -> f64 {
        bin as f64 * self.bin_hertz()
    }

    /// The bins that each of `rows` rows of equal ratio touches, the highest first.
    pub(super) fn rows(&self, bins: usize, rows: usize) -> Vec<Range<usize>> {
        let (low, top) = self.hertz(bins);
        let edge = |r: usize| top * (low / top).powf(r as f64 / rows.max(1) as f64);
        let bin = |hertz: f64| ((hertz / self.bin_hertz() + 0.5).floor() as usize).min(bins.saturating_sub(1));
        (0..rows).map(|r| bin(edge(r + 1))..bins.min(bin(edge(r)) + 1)).collect()
    }
}

/// `n` frames in at most `most` columns.
pub(crate) fn columns(n: usize, most: usize) -> Vec<Range<usize>> {
    let w = n.min(most);
    (0..w)
        .map(|c| (c as u128 * n as u128 / w as u128) as usize..((c + 1) as u128 * n as u128 / w as u128) as usize)
        .collect()
}

/// The largest finite value of the cells of every pixel; NaN where there is none.
pub(super) fn loudest(values: ArrayView2<'_, f32>, rows: &[Range<usize>], columns: &[Range<usize>]) -> Array2<f32> {
    // a NaN on the left of `max` gives way
    let larger = |a: f32, b: f32| if b.is_finite() { a.max(b) } else { a };
    let mut narrow = Array2::from_elem((values.nrows(), columns.len()), f32::NAN);
    for (mut out, row) in narrow.outer_iter_mut().zip(values.outer_iter()) {
        for (o, c) in out.iter_mut().zip(columns) {
            *o = c.clone().filter_map(|t| row.get(t)).fold(f32::NAN, |a, b| larger(a, *b));
        }
    }
    Array2::from_shape_fn((rows.len(), columns.len()), |(r, c)| {
        rows[r].clone().filter_map(|b| narrow.get((b, c))).fold(f32::NAN, |a, b| larger(a, *b))
    })
}

/// The median (the lower of two) of the finite cells of every pixel: always a value that occurs; NaN where there is none.
pub(super) fn median(values: ArrayView2<'_, f32>, rows: &[Range<usize>], columns: &[Range<usize>]) -> Array2<f32> {
    let mut cells = Vec::new();
    Array2::from_shape_fn((rows.len(), columns.len()), |(r, c)| {
        cells.clear();
        for b in rows[r].clone() {
            cells.extend(columns[c].clone().filter_map(|t| values.get((b, t)).copied()).filter(|v| v.is_finite()));
        }
        if cells.is_empty() {
            return f32::NAN;
        }
        let middle = (cells.len() - 1) / 2;
        *cells.select_nth_unstable_by(middle, f32::total_cmp).1
    })
}

/// Decibels of |S|^power below `reference`, as shares of a range: 1 at the reference, 0 at `range` dB below and less.
pub(super) fn decibels(values: &mut Array2<f32>, reference: f32, power: f32, range: f32) {
    let power = if power.is_finite() && power > 0.0 { power } else { 1.0 };
    values.mapv_inplace(|v| match v.is_nan() {
        true => f32::NAN,
        // log10(0) is −∞, which is below every range; so is everything where there is nothing to compare with
        false if v > 0.0 && reference > 0.0 => (1.0 + 20.0 / power * (v / reference).log10() / range).clamp(0.0, 1.0),
        false => 0.0,
    });
}

/// The largest finite value, at least 0.
pub(super) fn peak(values: ArrayView2<'_, f32>) -> f32 {
    values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f32::max)
}

/// A colour bar with ticks on its right and a name above.
pub(super) fn colour_bar(
    page: &mut Page,
    (x, y, height): (f64, f64, f64),
    colours: Colours,
    (low, high): (f64, f64),
    name: &str,
) {
    use super::page::Anchor;
    let width = 14.0;
    page.image((x, y), (width, height), &Raster::bar(colours), &format!("{low} to {high} {name}"));
    page.rect((x, y), (width, height), "frame", "");
    for (v, text) in ticks(low, high, 5) {
        let at = y + height * (high - v) / (high - low);
        page.line((x + width, at), (x + width + 4.0, at), "frame");
        page.text((x + width + 7.0, at), Anchor::Start, "quiet", &text);
    }
    page.text((x, y - 11.0), Anchor::Start, "quiet", name);
}
