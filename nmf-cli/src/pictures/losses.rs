//! What a loss counts.

use super::charts::{entries, polyline};
use super::components::colour;
use super::page::{Anchor, NARROW, Page};
use super::scale::{Frame, Scale, number};
use nmf_core::Loss;

/// Where the curves begin: d_IS(1, y) has no end at 0.
const FIRST: f64 = 0.05;
/// Where they end, and the largest loss shown.
const LAST: f64 = 4.0;
const STEPS: u32 = 300;
const HEIGHT: f64 = 260.0;

/// d(1, y) over y from 0.05 to 4 for the three classical losses and `chosen`, which stands out.
pub(crate) fn losses(chosen: &Loss) -> String {
    let mut all = vec![
        (Loss::FRO, "fro: ½(1 − y)²".to_string()),
        (Loss::KL, "kl: y − ln y − 1".to_string()),
        (Loss::IS, "is: 1/y + ln y − 1".to_string()),
    ];
    if !all.iter().any(|(loss, _)| loss == chosen) {
        all.push((chosen.clone(), chosen.to_string()));
    }
    let mut page = Page::sized("The loss d(1, y) of a model y of 1", NARROW);
    entries(&mut page, all.iter().enumerate().map(|(i, (_, name))| (i, name.clone())));
    let (left, top) = (54.0, page.y);
    let wide = page.width - left - 22.0;
    let x = Scale::linear((0.0, LAST), (left, left + wide));
    let y = Scale::linear((0.0, LAST), (top + HEIGHT, top));
    let frame = Frame { x, y, left, top, width: wide, height: HEIGHT };
    page.rect((left, top), (wide, HEIGHT), "plot", "");
    frame.axes(&mut page, Some("y"), "d(1, y)", true);
    let below = page.y;
    page.clipped((left, top), (wide, HEIGHT), |page| {
        for (i, (loss, name)) in all.iter().enumerate() {
            let ys = (0..=STEPS).map(|s| FIRST + (LAST - FIRST) * f64::from(s) / f64::from(STEPS));
            // far beyond the frame nothing is seen
            let points = ys.map(|y| (y, loss.value(1.0, y))).filter(|(_, d)| *d <= 2.0 * LAST);
            let d = polyline(&frame, points);
            let stands_out = if loss == chosen { "strong" } else { "faint" };
            page.path(&d, &format!("line {} {stands_out}", colour(i)), name);
        }
    });
    let at = |y: f64| chosen.value(1.0, y);
    let (half, double) = (at(0.5), at(2.0));
    page.y = below;
    page.text((frame.x.at(1.0), frame.y.at(0.55)), Anchor::Middle, "quiet", "y = 1: no loss");
    page.caption(&format!(
        "Thick: {chosen}. A model of half the data costs {}, one of twice the data {}.",
        number(half),
        number(double)
    ));
    page.finish()
}
