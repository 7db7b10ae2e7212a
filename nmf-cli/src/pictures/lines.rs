//! Several lines over one axis.

use super::charts::{entries, extent, polyline, thinned};
use super::components::colour;
use super::page::{Anchor, At, COLOURS, NARROW, Page, width};
use super::scale::{Frame, Scale, left_of, number};
use std::fmt::Write;

/// Points of a line up to which each is marked; of more, about as many are told under the pointer.
const MARKED: usize = 60;
const HEIGHT: f64 = 260.0;

/// x, y, and the band around y.
pub(crate) type Point = (f64, f64, Option<(f64, f64)>);

/// One line of a chart: points (x, y, optional band low..high), in order of x; not-finite y are gaps.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Series {
    /// What the legend and the hover texts call it.
    pub(crate) name: String,
    /// x, y and what lies around y.
    pub(crate) points: Vec<Point>,
}

impl Series {
    /// A line without bands.
    pub(crate) fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Series {
        Series { name: name.into(), points: points.into_iter().map(|(x, y)| (x, y, None)).collect() }
    }
}

/// Lines over one x axis with a legend (of two or more), bands, and a text under the pointer: at every point, marked, up to
/// 60 points, else at about 60 of them. `marks` are vertical dashed lines (x, text).
///
/// `log_y` is honoured where every drawn value is above zero and they span more than a factor of 1.5. Points whose x or y is not a
/// finite number (on a logarithmic axis: or not above zero) are gaps; the caption says how many. Of long lines, neighbours are drawn by
/// the least and the largest of them.
pub(crate) fn lines(
    title: &str,
    x_label: &str,
    y_label: &str,
    series: &[Series],
    marks: &[(f64, String)],
    log_y: bool,
) -> String {
    let mut page = Page::sized(title, NARROW);
    page.y += 2.0;
    if series.len() > 1 {
        entries(&mut page, series.iter().enumerate().map(|(i, s)| (i, s.name.clone())));
    }
    let shown = |p: &Point| p.0.is_finite() && p.1.is_finite() && !(log_y && p.1 <= 0.0);
    let all = || series.iter().flat_map(|s| s.points.iter().filter(|p| shown(p)));
    let bands = || all().filter_map(|p| p.2).flat_map(|(low, high)| [low, high]);
    let fits = |v: &f64| v.is_finite() && !(log_y && *v <= 0.0);
    let (low, high) = extent(all().map(|p| p.1).chain(bands().filter(fits)));
    let log = log_y && low > 0.0 && high / low > 1.5;
    let marks: Vec<&(f64, String)> = marks.iter().filter(|m| m.0.is_finite()).collect();
    let x_range = extent(all().map(|p| p.0).chain(marks.iter().map(|m| m.0)));
    let frame = frame(&page, x_range, (low, high), log);
    page.rect((frame.left, frame.top), (frame.width, frame.height), "plot", "");
    frame.axes(&mut page, Some(x_label), y_label, true);
    let below = page.y;
    for (i, s) in series.iter().enumerate() {
        for run in s.points.split(|p| !shown(p)).filter(|run| !run.is_empty()) {
            band(&mut page, &frame, run, i);
        }
    }
    for (x, text) in &marks {
        let at = frame.x.at(*x);
        page.path(&format!("M{0} {1}V{2}", At(at), At(frame.top), At(frame.top + frame.height)), "mark", text);
        let (anchor, by) = if at > frame.left + frame.width / 2.0 { (Anchor::End, -5.0) } else { (Anchor::Start, 5.0) };
        page.text((at + by, frame.top + 10.0), anchor, "quiet", text);
    }
    for (i, s) in series.iter().enumerate() {
        let broken = if (i / COLOURS) % 2 == 1 { " broken" } else { "" };
        for run in s.points.split(|p| !shown(p)).filter(|run| !run.is_empty()) {
            let points: Vec<(f64, f64)> = run.iter().map(|p| (p.0, p.1)).collect();
            let class = format!("line {}{broken}", colour(i));
            page.path(&polyline(&frame, thinned(&points).into_iter()), &class, &s.name);
        }
        points(&mut page, &frame, s, i, shown);
    }
    page.y = below;
    let (count, total) = (all().count(), series.iter().map(|s| s.points.len()).sum::<usize>());
    if count == 0 {
        page.caption("There is no point to draw.");
    } else if count < total {
        let why = if log_y { "not a finite number above zero" } else { "not a finite number" };
        page.caption(&format!("Gaps: {} of {total} points are {why}.", total - count));
    }
    page.finish()
}

/// Whether a logarithmic axis shows these values better: all above zero, and more than a factor of 20 apart.
pub(crate) fn log_pays(values: impl Iterator<Item = f64>) -> bool {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    low > 0.0 && high.is_finite() && high / low > 20.0
}

/// A frame over the rest of the page's width whose upper edge is `page.y`, a little higher than the values.
fn frame(page: &Page, x: (f64, f64), (low, high): (f64, f64), log: bool) -> Frame {
    let (top, bottom) = (page.y, page.y + HEIGHT);
    let (y, left) = if log {
        let pad = (high / low).powf(0.05);
        let scale = Scale::log((low / pad, high * pad), (bottom, top));
        let widest = scale.ticks(7).iter().map(|t| width(&t.1)).fold(0.0, f64::max);
        (scale, (32.0 + widest).clamp(48.0, 160.0))
    } else {
        // a curve that comes near zero is seen from zero
        let zero = low >= 0.0 && low < 0.4 * high;
        let pad = (high / 2.0 - low / 2.0) * 0.12;
        let (low, high) = (if zero { 0.0 } else { low - pad }, high + pad);
        (Scale::linear((low, high), (bottom, top)), left_of(low, high, HEIGHT))
    };
    let wide = page.width - left - 22.0;
    Frame { x: Scale::linear(x, (left + 8.0, left + wide - 8.0)), y, left, top, width: wide, height: HEIGHT }
}

/// The area between the bands of consecutive points.
fn band(page: &mut Page, frame: &Frame, run: &[Point], i: usize) {
    let within = |p: &Point| p.2.is_some_and(|(a, b)| a.is_finite() && b.is_finite() && b >= a);
    for run in run.split(|p| !within(p)).filter(|run| run.len() > 1) {
        let mut d = String::new();
        let sides = run.iter().map(|p| (p.0, p.2.map_or(p.1, |b| b.1)));
        let back = run.iter().rev().map(|p| (p.0, p.2.map_or(p.1, |b| b.0)));
        for (n, (x, y)) in sides.chain(back).enumerate() {
            let bottom = frame.top + frame.height;
            // on a logarithmic axis what reaches down to zero ends at the frame
            let y = frame.y.at(y).clamp(frame.top, bottom);
            // writing to a string cannot fail
            let _ = write!(d, "{}{} {}", if n == 0 { "M" } else { "L" }, At(frame.x.at(x)), At(y));
        }
        page.path(&(d + "Z"), &format!("band {}", colour(i)), "");
    }
}

/// Marks, or places that only the pointer finds, with the numbers of their points.
fn points(page: &mut Page, frame: &Frame, s: &Series, i: usize, shown: impl Fn(&Point) -> bool) {
    let drawn: Vec<_> = s.points.iter().filter(|p| shown(p)).collect();
    let marked = drawn.len() <= MARKED;
    let step = drawn.len().div_ceil(MARKED).max(1);
    let (class, r) = if marked { ("area", 3.0) } else { ("touch", 5.0) };
    for (n, p) in drawn.iter().enumerate() {
        if n % step != 0 && n + 1 != drawn.len() {
            continue;
        }
        let (x, y) = frame.at((p.0, p.1));
        let d = format!("M{} {}m-{r} 0a{r} {r} 0 1 0 {w} 0a{r} {r} 0 1 0 -{w} 0", At(x), At(y), w = 2.0 * r);
        let name = if s.name.is_empty() { String::new() } else { format!("{}: ", s.name) };
        let band = p.2.map_or(String::new(), |(a, b)| format!(" ({} to {})", number(a), number(b)));
        page.path(&d, &format!("{class} {}", colour(i)), &format!("{name}{}, {}{band}", number(p.0), number(p.1)));
    }
}
