//! Pictures of what a factorization of a spectrogram found: patterns and activations.

use super::page::{Anchor, At, COLOURS, MARGIN, Page, WIDTH, short, width};
use super::raster::{Colours, Raster};
use super::sample::{Axes, colour_bar, columns, decibels, loudest, peak};
use super::scale::{Frame, Scale, number};
use ndarray::{ArrayView2, ArrayView3, Axis, s};
use std::fmt::Write;
use std::ops::Range;

/// Components drawn one by one.
const MOST: usize = 60;
/// Patterns side by side.
const ABREAST: usize = 30;
/// Decibels below the maximum of a pattern that are told apart.
const RANGE: f32 = 60.0;
/// Rows of the raster of a pattern.
const ROWS: usize = 220;
/// Columns of all patterns of a row together.
const COLUMNS: usize = 1200;
/// Height of patterns.
const HEIGHT: f64 = 220.0;
/// Steps of an activation.
const STEPS: usize = 560;

/// The name of a component, by default its number from 1.
fn name_of(names: &[String], q: usize) -> String {
    names.get(q).filter(|n| !n.trim().is_empty()).map_or_else(|| (q + 1).to_string(), Clone::clone)
}

/// The spectral patterns of a model side by side: `w` is bins × components × L, of values |S|^`power`; the first `fixed`
/// components were given, not learned.
///
/// Each pattern is in dB below its own maximum. A pixel shows the loudest of the cells it touches. Of more than 60
/// components the first 60 are drawn.
pub(crate) fn bases(
    title: &str,
    w: ArrayView3<'_, f32>,
    names: &[String],
    fixed: usize,
    axes: &Axes,
    power: f32,
) -> String {
    let mut page = Page::new(title);
    let (bins, k, shifts) = w.dim();
    let shown = k.min(MOST);
    let lines = shown.div_ceil(ABREAST).max(1);
    let abreast = shown.div_ceil(lines).max(1);
    let (left, room) = (62.0, WIDTH - 62.0 - 70.0);
    let cell = (room / abreast as f64).min(120.0);
    let gap = if cell > 14.0 { 3.0 } else { 1.0 };
    let names: Vec<String> = (0..k).map(|q| name_of(names, q)).collect();
    let labels: Vec<String> = names.iter().take(shown).map(|n| short(n, 16)).collect();
    let upright = labels.iter().any(|n| width(n) > cell - 2.0);
    let below = if upright { labels.iter().map(|n| width(n)).fold(0.0, f64::max) + 10.0 } else { 20.0 };
    let most = (COLUMNS / abreast).max(1);
    for line in 0..lines {
        let range = line * abreast..shown.min((line + 1) * abreast);
        page.y += 24.0;
        let top = page.y;
        let (low, high) = axes.hertz(bins);
        let y = Scale::log((low / 1000.0, high / 1000.0), (top + HEIGHT, top));
        let frame =
            Frame { x: Scale::linear((0.0, 1.0), (left, left + 1.0)), y, left, top, width: 0.0, height: HEIGHT };
        frame.axes(&mut page, None, "frequency (kHz)", false);
        for (place, q) in range.clone().enumerate() {
            let (x, pattern) = (left + place as f64 * cell, w.index_axis(Axis(1), q));
            let own = peak(pattern.view());
            let mut shares = loudest(pattern.view(), &axes.rows(bins, ROWS), &columns(shifts, most));
            decibels(&mut shares, own, power, RANGE);
            let loudest_bin = pattern.outer_iter().position(|row| own > 0.0 && row.iter().any(|v| *v == own));
            let given = if q < fixed { " (fixed)" } else { "" };
            let hover = match loudest_bin {
                Some(bin) => {
                    let hertz = number(axes.hertz_of(bin));
                    format!("{}{given}: at most {}, at {hertz} Hz", names[q], number(f64::from(own)))
                }
                None => format!("{}{given}: nothing above zero", names[q]),
            };
            page.rect((x, top), (cell - gap, HEIGHT), "void", "");
            if bins > 0 && shifts > 0 {
                let raster = Raster::of(shares.view(), Colours::Rising);
                page.image((x, top), (cell - gap, HEIGHT), &raster, &hover);
            }
            let middle = x + (cell - gap) / 2.0;
            if upright {
                page.upwards((middle, top + HEIGHT + 7.0), Anchor::End, "quiet", &labels[q]);
            } else {
                page.text((middle, top + HEIGHT + 12.0), Anchor::Middle, "quiet", &labels[q]);
            }
        }
        let end = |n: usize| left + n as f64 * cell - gap;
        let given = fixed.clamp(range.start, range.end) - range.start;
        if given > 0 {
            bracket(&mut page, (left, end(given)), top - 6.0, "c1", "fixed");
        }
        if given < range.len() && fixed > 0 {
            bracket(&mut page, (left + given as f64 * cell, end(range.len())), top - 6.0, "c0", "free");
        }
        if line == 0 {
            let bar = (left + abreast as f64 * cell + 9.0, top, HEIGHT);
            colour_bar(&mut page, bar, Colours::Rising, (-f64::from(RANGE), 0.0), "dB");
        }
        page.y = top + HEIGHT + below;
    }
    page.y += 8.0;
    let mut caption = String::from(
        "Power in dB below the loudest cell of each pattern; a pixel shows the loudest of the cells it touches.",
    );
    if shifts > 1 {
        let seconds = three_digits(shifts as f64 * axes.hop_seconds());
        caption.push_str(&format!(" Each pattern lasts {shifts} frames ({seconds} s), from left to right."));
    }
    if k > shown {
        caption.push_str(&format!(" The first {shown} of {k} components are drawn."));
    }
    page.caption(&caption);
    page.finish()
}

/// A line over or beside things that belong together, with their common name as far as there is room.
fn bracket(page: &mut Page, (from, to): (f64, f64), y: f64, class: &str, name: &str) {
    let d = format!("M{} {}H{}", At(from), At(y), At(to));
    page.path(&d, &format!("line {class}"), name);
    if width(name) <= (to - from).max(64.0) {
        page.text((from, y - 9.0), Anchor::Start, "quiet", name);
    }
}

/// The activations of a model over time, a strip for each component: `h` is components × frames, the first `fixed`
/// components were given, not learned. Intervals of `marks` (seconds) are shaded.
///
/// Each strip runs from 0 to its own maximum, which stands beside it; a step shows the largest of the frames it covers.
/// More than 60 components are drawn in groups of neighbours: the largest of the group, each relative to its own maximum.
pub(crate) fn activations(
    title: &str,
    h: ArrayView2<'_, f32>,
    names: &[String],
    fixed: usize,
    marks: &[(f64, f64)],
    axes: &Axes,
) -> String {
    let mut page = Page::new(title);
    let (k, frames) = h.dim();
    let (size, groups) = groups(k, fixed.min(k));
    let name = |g: &Range<usize>| match g.len() {
        1 => name_of(names, g.start),
        _ => format!("{}–{}", short(&name_of(names, g.start), 7), short(&name_of(names, g.end - 1), 7)),
    };
    let labels: Vec<String> = groups.iter().map(|g| short(&name(g), 16)).collect();
    let strip = match groups.len() {
        0..=8 => 40.0,
        9..=16 => 30.0,
        17..=30 => 22.0,
        _ => 17.0,
    };
    let left = MARGIN + 28.0 + labels.iter().map(|n| width(n)).fold(0.0, f64::max);
    let wide = WIDTH - left - 82.0;
    page.y += 14.0;
    let (top, height) = (page.y, strip * groups.len().max(1) as f64);
    let x = Scale::linear(axes.seconds(frames), (left, left + wide));
    page.rect((left, top), (wide, height), "plot", "");
    let mut intervals = Vec::new();
    for (from, to) in marks {
        let (a, b) = (x.at(from.max(x.low)), x.at(to.min(x.high)));
        if from.is_finite() && to.is_finite() && b > a {
            intervals.push(format!("{} s to {} s", number(*from), number(*to)));
            page.rect((a, top), (b - a, height), "shade", intervals.last().map_or("", String::as_str));
        }
    }
    page.text((left + wide + 8.0, top - 9.0), Anchor::Start, "quiet", "maximum");
    let steps = columns(frames, STEPS);
    for (i, g) in groups.iter().enumerate() {
        let (y, class) = (top + strip * (i + 1) as f64, if g.start < fixed { "c1" } else { "c0" });
        let part = h.slice(s![g.clone(), ..]);
        let own = peak(part.view());
        let d = outline(&part, &steps, (left, wide), (y, strip - 3.0));
        let given = if g.start < fixed { " (fixed)" } else { "" };
        let hover = format!("{}{given}: at most {}", labels[i], number(f64::from(own)));
        if !d.is_empty() {
            page.path(&d, &format!("area {class}"), &hover);
        }
        page.line((left, y), (left + wide, y), "grid");
        page.text((left - 8.0, y - strip / 2.0), Anchor::End, "quiet", &labels[i]);
        page.text((left + wide + 8.0, y - strip / 2.0), Anchor::Start, "quiet", &three_digits(f64::from(own)));
    }
    let y = Scale::linear((0.0, 0.0), (top, top));
    let frame = Frame { x, y, left, top, width: wide, height };
    time_axis(&mut page, &frame);
    let given = groups.iter().filter(|g| g.start < fixed).count();
    for (from, to, class, name) in [(0, given, "c1", "fixed"), (given, groups.len(), "c0", "free")] {
        if to > from && fixed > 0 {
            let (a, b) = (top + strip * from as f64 + 2.0, top + strip * to as f64 - 2.0);
            let d = format!("M{} {}V{}", At(MARGIN + 12.0), At(a), At(b));
            page.path(&d, &format!("line {class}"), name);
            if width(name) <= b - a {
                page.upwards((MARGIN, (a + b) / 2.0), Anchor::Middle, "quiet", name);
            }
        }
    }
    let mut caption =
        String::from("Each strip runs from 0 to its own maximum; a step shows the largest of the frames it covers.");
    if size > 1 {
        let each = format!(
            " {k} components in groups of {size} neighbours: the largest of each group at every time, each component relative to its own maximum."
        );
        caption.push_str(&each);
    }
    if !intervals.is_empty() {
        let more = if intervals.len() > 4 { ", …" } else { "" };
        intervals.truncate(4);
        caption.push_str(&format!(" Shaded: {}{more}.", intervals.join(", ")));
    }
    page.caption(&caption);
    page.finish()
}

/// Components in at most [`MOST`] groups of neighbours of one size; no group holds given and learned ones.
fn groups(k: usize, fixed: usize) -> (usize, Vec<Range<usize>>) {
    let mut size = k.div_ceil(MOST).max(1);
    while fixed.div_ceil(size) + (k - fixed).div_ceil(size) > MOST {
        size += 1;
    }
    let split = |from: usize, to: usize| (from..to).step_by(size).map(move |a| a..to.min(a + size));
    (size, split(0, fixed).chain(split(fixed, k)).collect())
}

/// The area under the largest of some rows, each relative to its maximum; empty if nothing is above zero.
pub(super) fn outline(
    part: &ArrayView2<'_, f32>,
    steps: &[Range<usize>],
    (left, wide): (f64, f64),
    (base, high): (f64, f64),
) -> String {
    let mut shares = vec![0.0f32; steps.len()];
    for row in part.outer_iter() {
        let own = row.iter().copied().filter(|v| v.is_finite()).fold(0.0, f32::max);
        if own > 0.0 {
            for (share, step) in shares.iter_mut().zip(steps) {
                let most = row.slice(s![step.clone()]).iter().copied().filter(|v| v.is_finite()).fold(0.0, f32::max);
                *share = share.max(most / own);
            }
        }
    }
    if shares.iter().all(|s| *s == 0.0) {
        return String::new();
    }
    // steps of a tenth of a unit; equal neighbours are one step
    let level = |s: f32| At(base - high * f64::from(s)).to_string();
    let x = |i: usize| At(left + wide * i as f64 / steps.len() as f64);
    let mut d = format!("M{} {}", x(0), At(base));
    let mut last = String::new();
    for (i, share) in shares.iter().enumerate() {
        let y = level(*share);
        if y != last {
            // writing to a string cannot fail
            let _ = write!(d, "H{}V{y}", x(i));
            last = y;
        }
    }
    let _ = write!(d, "H{}V{}Z", x(steps.len()), At(base));
    d
}

/// Ticks and name of a time axis below a frame without vertical axis.
fn time_axis(page: &mut Page, frame: &Frame) {
    let bottom = frame.top + frame.height;
    for (v, text) in frame.x.ticks(7) {
        let x = frame.x.at(v);
        page.line((x, bottom), (x, bottom + 4.0), "frame");
        page.text((x, bottom + 14.0), Anchor::Middle, "quiet", &text);
    }
    page.rect((frame.left, frame.top), (frame.width, frame.height), "frame", "");
    page.text((frame.left + frame.width / 2.0, bottom + 33.0), Anchor::Middle, "", "time (s)");
    page.y = bottom + 46.0;
}

/// A number ≥ 0 in three digits.
pub(super) fn three_digits(v: f64) -> String {
    if v == 0.0 {
        return "0".into();
    }
    let size = v.abs().log10().floor();
    if (-3.0..5.0).contains(&size) {
        let text = format!("{v:.*}", (2.0 - size).max(0.0) as usize);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
    } else {
        format!("{v:.1e}")
    }
}

/// The class of the colour of thing `i`.
pub(super) fn colour(i: usize) -> String {
    format!("c{}", i % COLOURS)
}
