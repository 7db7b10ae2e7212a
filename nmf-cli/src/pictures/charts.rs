//! Curves and histograms.

use super::components::colour;
use super::page::{Anchor, At, COLOURS, MARGIN, Page, width, within};
use super::scale::{Frame, Scale, left_of, number};
use std::fmt::Write;

/// Points of a curve beyond which only the extremes of neighbours are drawn.
const MOST_POINTS: usize = 1600;
/// Points of a curve up to which each is marked.
const MARKED: usize = 60;
/// Places at which densities are drawn.
const PLACES: usize = 320;
/// Bars of a histogram at most.
const MOST_BARS: usize = 2000;
const HEIGHT: f64 = 300.0;

/// Smallest and largest of some numbers; (0, 1) if there are none.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    // beyond that not even differences are numbers
    let within = |v: f64| v.clamp(-1e300, 1e300);
    if low <= high { (within(low), within(high)) } else { (0.0, 1.0) }
}

/// A frame over the rest of the page's width whose upper edge is `page.y`.
pub(super) fn frame(page: &Page, x: (f64, f64), y: (f64, f64), height: f64) -> Frame {
    let left = left_of(y.0, y.1, height);
    let (top, wide) = (page.y, page.width - left - 22.0);
    Frame {
        x: Scale::linear(x, (left, left + wide)),
        y: Scale::linear(y, (top + height, top)),
        left,
        top,
        width: wide,
        height,
    }
}

/// The path of a line through points.
pub(super) fn polyline(frame: &Frame, points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut d = String::new();
    for (i, point) in points.enumerate() {
        let (x, y) = frame.at(point);
        // writing to a string cannot fail
        let _ = write!(d, "{}{} {}", if i == 0 { "M" } else { "L" }, At(x), At(y));
    }
    d
}

/// One curve through `values` (x, y) in their order. Points that are not finite are left out.
///
/// Of more than 1,600 points, neighbours are drawn by the least and the largest of them.
pub(crate) fn curve(title: &str, x_label: &str, y_label: &str, values: &[(f64, f64)]) -> String {
    let mut page = Page::new(title);
    page.y += 6.0;
    let points: Vec<(f64, f64)> = values.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let (low, high) = extent(points.iter().map(|p| p.1));
    let pad = (high / 2.0 - low / 2.0) * 0.08;
    let frame = frame(&page, extent(points.iter().map(|p| p.0)), (low - pad, high + pad), HEIGHT);
    page.rect((frame.left, frame.top), (frame.width, frame.height), "plot", "");
    frame.axes(&mut page, Some(x_label), y_label, true);
    let drawn = thinned(&points);
    page.path(&polyline(&frame, drawn.iter().copied()), "line c0", "");
    if points.len() <= MARKED {
        for point in &points {
            let (x, y) = frame.at(*point);
            let d = format!("M{} {}m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0", At(x), At(y));
            page.path(&d, "area c0", &format!("{}: {}", number(point.0), number(point.1)));
        }
    }
    match points.last() {
        None => page.caption("There is no point to draw."),
        Some((x, y)) => {
            let left_out = values.len() - points.len();
            let more = if left_out > 0 { format!(" {left_out} points are not finite.") } else { String::new() };
            page.caption(&format!("Last: {} at {}.{more}", number(*y), number(*x)));
        }
    }
    page.finish()
}

/// The least and the largest of so many neighbours that at most [`MOST_POINTS`] remain, in their order.
pub(super) fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(MOST_POINTS / 2);
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let mut out = Vec::new();
    for chunk in points.chunks(size) {
        let by = |a: &(usize, &(f64, f64)), b: &(usize, &(f64, f64))| a.1.1.total_cmp(&b.1.1);
        let (least, most) = (chunk.iter().enumerate().min_by(by), chunk.iter().enumerate().max_by(by));
        if let (Some((a, p)), Some((b, q))) = (least, most) {
            out.extend(if a <= b { [*p, *q] } else { [*q, *p] });
        }
    }
    out
}

/// Bars of evenly spaced `counts` (centre, weight) and the density of a Gaussian `mixture` (weight, mean, variance) in the
/// same units: each component, named or by its number, and their sum. `marks` are vertical lines.
pub(crate) fn histogram(
    title: &str,
    x_label: &str,
    counts: &[(f64, f64)],
    mixture: &[(f64, f64, f64)],
    names: &[String],
    marks: &[f64],
) -> String {
    let mut page = Page::new(title);
    let mut bars: Vec<(f64, f64)> =
        counts.iter().copied().filter(|(x, w)| x.is_finite() && w.is_finite() && *w >= 0.0).collect();
    bars.sort_by(|a, b| a.0.total_cmp(&b.0));
    let merged = bars.len().div_ceil(MOST_BARS).max(1);
    let mut bars: Vec<(f64, f64)> = bars
        .chunks(merged)
        .map(|c| (c.iter().map(|b| b.0 / c.len() as f64).sum(), c.iter().map(|b| b.1).sum::<f64>()))
        .collect();
    bars.dedup_by(|b, a| {
        a.0 == b.0 && {
            a.1 += b.1;
            true
        }
    });
    let (first, last) = extent(bars.iter().map(|b| b.0));
    let step = if bars.len() > 1 { (last / 2.0 - first / 2.0) * 2.0 / (bars.len() - 1) as f64 } else { 1.0 };
    let total: f64 = bars.iter().map(|b| b.1).sum();
    let parts: Vec<(usize, (f64, f64, f64))> = mixture
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, (w, m, v))| w.is_finite() && m.is_finite() && v.is_finite() && *v > 0.0 && *w > 0.0)
        .collect();
    let density = |(w, m, v): (f64, f64, f64), x: f64| {
        total * step * w * (-(x - m).powi(2) / (2.0 * v)).exp() / (std::f64::consts::TAU * v).sqrt()
    };
    let range =
        if bars.is_empty() { extent(parts.iter().map(|p| p.1.1)) } else { (first - step / 2.0, last + step / 2.0) };
    let places = places(range, &parts);
    let sum = |x: f64| parts.iter().map(|p| density(p.1, x)).filter(|d| d.is_finite()).sum::<f64>();
    let tallest = bars.iter().map(|b| b.1).fold(0.0, f64::max);
    let peak = places.iter().map(|x| sum(*x)).fold(0.0, f64::max);
    // a component far narrower than a bar runs out of the picture
    let high = if tallest > 0.0 { tallest.max(peak.min(tallest * 1.6)) } else { 1.0 };
    legend(&mut page, &parts, names);
    let frame = frame(&page, range, (0.0, high * 1.06), HEIGHT);
    page.rect((frame.left, frame.top), (frame.width, frame.height), "plot", "");
    frame.axes(&mut page, Some(x_label), "count", true);
    let below = page.y;
    page.clipped((frame.left, frame.top), (frame.width, frame.height), |page| {
        for (x, w) in &bars {
            let (a, b) = (frame.x.at(x - step / 2.0), frame.x.at(x + step / 2.0));
            let (y, base) = (frame.y.at(*w), frame.y.at(0.0));
            if *w > 0.0 {
                let hover = format!("{}: {}", number(*x), number(*w));
                page.rect((a, y), ((b - a - 0.4).max(0.6), base - y), "bar", &hover);
            }
        }
        if total > 0.0 {
            // below the components, which lie on it where they are alone
            if parts.len() > 1 {
                page.path(&polyline(&frame, places.iter().map(|x| (*x, sum(*x)))), "sum", "sum of the components");
            }
            for (q, part) in &parts {
                let d = polyline(&frame, places.iter().map(|x| (*x, density(*part, *x))));
                let (weight, mean, variance) = *part;
                let hover = format!(
                    "component {}: weight {}, mean {}, variance {}",
                    q + 1,
                    number(weight),
                    number(mean),
                    number(variance)
                );
                page.path(&d, &format!("line {}", colour(*q)), &hover);
            }
        }
        for mark in marks.iter().filter(|m| m.is_finite()) {
            let (x, top) = (frame.x.at(*mark), frame.top);
            page.path(&format!("M{0} {1}V{2}", At(x), At(top), At(top + frame.height)), "mark", &number(*mark));
        }
    });
    page.y = below;
    let shown: Vec<String> = marks.iter().filter(|m| m.is_finite()).take(8).map(|m| number(*m)).collect();
    let mut caption = format!("{} in {} bars", number(total), bars.len());
    if !parts.is_empty() {
        caption.push_str("; the curves are the mixture's density in the same units");
        caption.push_str(if parts.len() > 1 { ", wide and grey that of all components" } else { "" });
    }
    if !shown.is_empty() {
        caption.push_str(&format!("; dashed: {}{}", shown.join(", "), if marks.len() > 8 { ", …" } else { "" }));
    }
    page.caption(&(caption + "."));
    page.finish()
}

/// Where densities are evaluated: evenly, and closely about the means.
fn places((low, high): (f64, f64), parts: &[(usize, (f64, f64, f64))]) -> Vec<f64> {
    let even = (0..=PLACES).map(|i| low + (high - low) * i as f64 / PLACES as f64);
    let close =
        parts.iter().take(60).flat_map(|(_, (_, m, v))| (-16..=16).map(move |i| m + v.sqrt() * f64::from(i) / 4.0));
    let mut all: Vec<f64> = even.chain(close).filter(|x| *x >= low && *x <= high).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// The colours of up to eight components with their weights.
fn legend(page: &mut Page, parts: &[(usize, (f64, f64, f64))], names: &[String]) {
    let name = |q: usize| names.get(q).cloned().unwrap_or_else(|| (q + 1).to_string());
    entries(
        page,
        parts
            .iter()
            .take(8)
            .map(|(q, (w, _, _))| (*q, format!("{}: {} %", name(*q), number((w * 1000.0).round() / 10.0)))),
    );
}

/// Colours and what they stand for, over as many lines as they need; long names are cut.
pub(super) fn entries(page: &mut Page, list: impl Iterator<Item = (usize, String)>) {
    let (mut x, mut y) = (MARGIN, page.y + 8.0);
    for (q, text) in list {
        let text = within(&text, page.width - 70.0);
        let wide = width(&text) + 34.0;
        if x > MARGIN && x + wide > page.width {
            (x, y) = (MARGIN, y + 18.0);
        }
        let broken = if (q / COLOURS) % 2 == 1 { " broken" } else { "" };
        page.path(&format!("M{} {}h18", At(x), At(y)), &format!("line {}{broken}", colour(q)), "");
        page.text((x + 23.0, y), Anchor::Start, "quiet", &text);
        x += wide;
    }
    page.y = if x > MARGIN { y + 16.0 } else { page.y + 6.0 };
}
