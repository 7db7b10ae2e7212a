//! Matrices as pictures.

use super::page::{Anchor, MARGIN, NARROW, Page, width};
use super::raster::{Colours, Raster};
use super::sample::colour_bar;
use super::scale::{number, ticks};
use ndarray::ArrayView2;

/// Height of the picture itself, at most.
const TALL: f64 = 380.0;
/// Cells up to which each has a text of its own.
const TOLD: usize = 400;

/// A matrix as a picture: rows downwards, columns to the right; colours rising from low to high, or diverging from low over the middle to
/// high; `unit` names the numbers; `labels` name rows and columns; `caption` says how cells became pixels ("a pixel shows the mean of 12×7 cells").
///
/// Pixels are square unless the picture would be too narrow or too flat. NaN is drawn as nothing; values beyond the range get the
/// colour of its end. Up to 400 values can be read under the pointer, with the row and column of the pixel from 0.
pub(crate) fn matrix(
    title: &str,
    values: ArrayView2<'_, f32>,
    range: (f32, f32),
    diverging: bool,
    (rows, columns): (&str, &str),
    unit: &str,
    caption: &str,
) -> String {
    let mut page = Page::sized(title, NARROW);
    page.y += 14.0;
    let (m, n) = values.dim();
    let (low, high) = match range.0.is_finite() && range.1.is_finite() && range.1 > range.0 {
        true => (f64::from(range.0), f64::from(range.1)),
        false if range.0.is_finite() => (f64::from(range.0), f64::from(range.0) + 1.0),
        false => (0.0, 1.0),
    };
    let colours = if diverging { Colours::Diverging } else { Colours::Rising };
    let shares = values.mapv(|v| ((f64::from(v) - low) / (high - low)) as f32);
    let (left, top) = (MARGIN + 26.0, page.y);
    let numbers = ticks(low, high, 5).iter().map(|t| width(&t.1)).fold(width(unit) - 21.0, f64::max);
    let room = (NARROW - left - numbers - 41.0).max(160.0);
    let square = (room / n.max(1) as f64).min(TALL / m.max(1) as f64).min(40.0);
    let (wide, tall) = ((square * n as f64).clamp(160.0, room), (square * m as f64).clamp(90.0, TALL));
    page.rect((left, top), (wide, tall), "void", "");
    if m > 0 && n > 0 {
        page.image((left, top), (wide, tall), &Raster::of(shares.view(), colours), "");
    }
    page.rect((left, top), (wide, tall), "frame", "");
    if values.len() <= TOLD {
        let cell = (wide / n.max(1) as f64, tall / m.max(1) as f64);
        for ((i, j), v) in values.indexed_iter() {
            let what = if v.is_nan() { "unknown".into() } else { number(f64::from(*v)) };
            let place = (left + cell.0 * j as f64, top + cell.1 * i as f64);
            page.rect(place, cell, "touch", &format!("pixel in row {i}, column {j}: {what}"));
        }
    }
    page.upwards((MARGIN + 4.0, top + tall / 2.0), Anchor::Middle, "", rows);
    page.text((left + wide / 2.0, top + tall + 15.0), Anchor::Middle, "", columns);
    let at = left + wide + 14.0;
    colour_bar(&mut page, (at, top, tall), colours, (low, high), unit);
    page.y = top + tall + 30.0;
    if !caption.is_empty() {
        page.caption(caption);
    }
    page.finish()
}
