//! Time–frequency pictures: spectrograms, and maps of a value per cell.

use super::page::{Page, WIDTH, short};
use super::raster::{Colours, Raster};
use super::sample::{Axes, colour_bar, columns, decibels, loudest, median, peak};
use super::scale::{Frame, Scale, number};
use crate::text::grouped;
use ndarray::ArrayView2;

/// Decibels below the maximum that are told apart.
const RANGE: f32 = 80.0;
/// Pixels of all panels together.
const PIXELS: usize = 1200 * 400;
/// Panels of one picture.
const MOST_PANELS: usize = 12;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 70.0;

/// Rows and columns of the rasters of `panels` panels.
fn raster_size(panels: usize) -> (usize, usize) {
    let rows = if panels == 1 { 400 } else { 240 };
    (rows, (PIXELS / panels.max(1) / rows).clamp(240, 1200))
}

fn height_of_panel(panels: usize) -> f64 {
    match panels {
        0 | 1 => 300.0,
        2 => 210.0,
        _ => 160.0,
    }
}

/// Cells of a matrix for a hover text.
fn cells((bins, frames): (usize, usize)) -> String {
    format!("{} bins × {} frames", grouped(bins as u64), grouped(frames as u64))
}

/// Axes and name of a panel whose upper edge is `page.y`; `draw` fills it.
fn panel(
    page: &mut Page,
    name: &str,
    axes: &Axes,
    (bins, frames): (usize, usize),
    (height, last): (f64, bool),
    draw: impl FnOnce(&mut Page, &Frame),
) {
    if !name.is_empty() {
        page.text((LEFT, page.y + 8.0), super::page::Anchor::Start, "head", &short(name, 60));
        page.y += 21.0;
    }
    let (low, top) = axes.hertz(bins);
    let (left, width, y) = (LEFT, WIDTH - LEFT - RIGHT, page.y);
    let x = Scale::linear(axes.seconds(frames), (left, left + width));
    let y_scale = Scale::log((low / 1000.0, top / 1000.0), (y + height, y));
    let frame = Frame { x, y: y_scale, left, top: y, width, height };
    page.rect((left, y), (width, height), "void", "");
    draw(page, &frame);
    frame.axes(page, last.then_some("time (s)"), "frequency (kHz)", false);
}

/// Spectrograms below each other: |S|^`power` (bins × frames) in dB below the largest value of all panels, over time and
/// the logarithm of the frequency.
///
/// A pixel shows the loudest of the cells it touches (never a mean), so that a single loud cell stays visible; the caption
/// says so. Values that are no finite number are left blank; of more than 12 panels the first 12 are drawn.
pub(crate) fn spectrograms(title: &str, panels: &[(String, ArrayView2<'_, f32>)], axes: &Axes, power: f32) -> String {
    let mut page = Page::new(title);
    let shown = &panels[..panels.len().min(MOST_PANELS)];
    let reference = shown.iter().map(|(_, v)| peak(v.view())).fold(0.0, f32::max);
    let (rows, most) = raster_size(shown.len());
    let height = height_of_panel(shown.len());
    page.y += 12.0;
    for (i, (name, values)) in shown.iter().enumerate() {
        let (bins, frames) = values.dim();
        let mut shares = loudest(values.view(), &axes.rows(bins, rows), &columns(frames, most));
        decibels(&mut shares, reference, power, RANGE);
        let raster = Raster::of(shares.view(), Colours::Rising);
        let own = peak(values.view());
        let hover = match own > 0.0 {
            true => {
                let below = 20.0 / f64::from(power) * f64::from(own / reference).log10();
                format!("{name}: {}, at most {} dB", cells((bins, frames)), number(below))
            }
            false => format!("{name}: {}, silent", cells((bins, frames))),
        };
        let place = (bins, frames);
        panel(&mut page, name, axes, place, (height, i + 1 == shown.len()), |page, frame| {
            if bins > 0 && frames > 0 {
                page.image((frame.left, frame.top), (frame.width, frame.height), &raster, &hover);
            }
            if i == 0 {
                let bar = (frame.left + frame.width + 12.0, frame.top, frame.height);
                colour_bar(page, bar, Colours::Rising, (-f64::from(RANGE), 0.0), "dB");
            }
        });
    }
    let (bins, frames) = shown.iter().fold((0, 0), |(b, f), (_, v)| (b.max(v.nrows()), f.max(v.ncols())));
    let mut caption = match reference > 0.0 {
        true => "Power in dB below the loudest cell of all panels. ".to_string(),
        false => "Silence: no cell is above zero. ".to_string(),
    };
    caption.push_str(&format!(
        "{}, drawn in at most {rows} rows × {} columns: a pixel shows the loudest of the cells it touches.",
        cells((bins, frames)),
        most.min(frames),
    ));
    caption.push_str(&format!(" Below {} Hz nothing is shown.", number(axes.hertz(bins).0.round())));
    if panels.len() > shown.len() {
        caption.push_str(&format!(" {} more panels are not drawn.", panels.len() - shown.len()));
    }
    page.caption(&caption);
    page.finish()
}

/// A value per cell (bins × frames; NaN: nothing to show) in colours from blue over white to red, over time and the
/// logarithm of the frequency: delays, or masks with the range (0, 1). Values beyond the range get the colour of its end.
///
/// A pixel shows the median of the values it touches (of an even number the lower of the two in the middle), which is
/// always one that occurs: a mean of delays would be nobody's delay, and the largest would draw outliers only.
pub(crate) fn map(title: &str, values: ArrayView2<'_, f32>, range: (f32, f32), unit: &str, axes: &Axes) -> String {
    let mut page = Page::new(title);
    page.y += 16.0;
    let (bins, frames) = values.dim();
    let (rows, most) = raster_size(1);
    let (low, high) = match range.0.is_finite() && range.1.is_finite() && range.1 > range.0 {
        true => range,
        false => (0.0, 1.0),
    };
    let mut shares = median(values.view(), &axes.rows(bins, rows), &columns(frames, most));
    let (from, extent) = (f64::from(low), f64::from(high) - f64::from(low));
    shares.mapv_inplace(|v| ((f64::from(v) - from) / extent) as f32);
    let raster = Raster::of(shares.view(), Colours::Diverging);
    let known = values.iter().filter(|v| v.is_finite()).count();
    let beyond = values.iter().filter(|v| v.is_finite() && (**v < low || **v > high)).count();
    panel(&mut page, "", axes, (bins, frames), (height_of_panel(1), true), |page, frame| {
        if known > 0 {
            let hover = format!("{}, {} with a value", cells((bins, frames)), grouped(known as u64));
            page.image((frame.left, frame.top), (frame.width, frame.height), &raster, &hover);
        }
        let bar = (frame.left + frame.width + 12.0, frame.top, frame.height);
        colour_bar(page, bar, Colours::Diverging, (f64::from(low), f64::from(high)), unit);
    });
    let mut caption = format!(
        "{}, {} of them with a value (grey: none), drawn in {rows} rows × {} columns: a pixel shows the median of the cells it touches.",
        cells((bins, frames)),
        grouped(known as u64),
        most.min(frames),
    );
    if beyond > 0 {
        caption.push_str(&format!(" {} beyond the range have the colours of its ends.", grouped(beyond as u64)));
    }
    page.caption(&caption);
    page.finish()
}
