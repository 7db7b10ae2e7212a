//! Rows of numbers as strips below each other.

use super::components::{colour, outline, three_digits};
use super::page::{Anchor, MARGIN, NARROW, Page, width, within};
use super::sample::{columns, peak};
use super::scale::{Frame, Scale, number};
use ndarray::{ArrayView2, Axis};

/// Steps of a strip.
const STEPS: usize = 560;

/// Rows of `values` (rows × places) as strips in their order, each from 0 to its own maximum, which stands beside it.
///
/// `label` names the places, counted from 0; `place` is what one of them is called. Of more than 560 places a step shows the largest of those
/// it covers, which the caption says; `more` ends the caption.
pub(crate) fn strips(
    title: &str,
    values: ArrayView2<'_, f32>,
    names: &[String],
    label: &str,
    place: &dyn Fn(usize) -> String,
    more: &str,
) -> String {
    let mut page = Page::sized(title, NARROW);
    let (k, n) = values.dim();
    let height = match k {
        0..=8 => 40.0,
        9..=16 => 30.0,
        _ => 22.0,
    };
    let names: Vec<String> = names.iter().map(|name| within(name, 130.0)).collect();
    let left = MARGIN + 10.0 + names.iter().map(|name| width(name)).fold(0.0, f64::max);
    let wide = page.width - left - 76.0;
    page.y += 14.0;
    let (top, tall) = (page.y, height * k.max(1) as f64);
    page.rect((left, top), (wide, tall), "plot", "");
    page.text((left + wide + 8.0, top - 9.0), Anchor::Start, "quiet", "maximum");
    let steps = columns(n, STEPS);
    for (q, row) in values.outer_iter().enumerate() {
        let y = top + height * (q + 1) as f64;
        let part = values.slice_axis(Axis(0), (q..q + 1).into());
        let own = peak(part);
        let d = outline(&part, &steps, (left, wide), (y, height - 3.0));
        let name = names.get(q).map_or("", String::as_str);
        if let (false, Some(at)) = (d.is_empty(), row.iter().position(|v| *v == own)) {
            let hover = format!("{name}: at most {}, at {}", number(f64::from(own)), place(at));
            page.path(&d, &format!("area {}", colour(0)), &hover);
        }
        page.line((left, y), (left + wide, y), "grid");
        page.text((left - 8.0, y - height / 2.0), Anchor::End, "quiet", name);
        page.text((left + wide + 8.0, y - height / 2.0), Anchor::Start, "quiet", &three_digits(f64::from(own)));
    }
    let frame = Frame {
        x: Scale::linear((0.0, n.max(1) as f64), (left, left + wide)),
        y: Scale::linear((0.0, 0.0), (top, top)),
        left,
        top,
        width: wide,
        height: tall,
    };
    let bottom = top + tall;
    for (v, text) in frame.x.ticks(7).into_iter().filter(|(v, _)| v.fract() == 0.0) {
        let x = frame.x.at(v);
        page.line((x, bottom), (x, bottom + 4.0), "frame");
        page.text((x, bottom + 14.0), Anchor::Middle, "quiet", &text);
    }
    page.rect((left, top), (wide, tall), "frame", "");
    page.text((left + wide / 2.0, bottom + 33.0), Anchor::Middle, "", label);
    page.y = bottom + 46.0;
    let covers =
        if n > STEPS { format!(" a step shows the largest of {} neighbours.", neighbours(n)) } else { String::new() };
    let ends = if covers.is_empty() { "." } else { ";" };
    page.caption(&format!("Each strip runs from 0 to its own maximum{ends}{covers} {more}"));
    page.finish()
}

/// How many places a step covers.
fn neighbours(n: usize) -> String {
    let (low, high) = (n / STEPS, n.div_ceil(STEPS));
    if low == high { low.to_string() } else { format!("{low} or {high}") }
}
