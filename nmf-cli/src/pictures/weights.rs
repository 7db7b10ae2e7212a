//! How much of each topic is in each document.

use super::components::colour;
use super::page::{Anchor, MARGIN, Page, WIDTH, short, width};
use ndarray::ArrayView2;

/// Shares below this are left white.
const LEAST: f64 = 0.005;
/// Between groups.
const GAP: f64 = 2.0;
/// Room of the scale on the right.
const RIGHT: f64 = 66.0;

/// One column per document, one row per topic.
pub(crate) struct Weights<'a> {
    /// Above the picture.
    pub(crate) title: &'a str,
    /// Documents × topics, each in [0, 1], in the order in which they are shown.
    pub(crate) shares: ArrayView2<'a, f64>,
    /// A name for each document.
    pub(crate) documents: &'a [String],
    /// A name for each topic.
    pub(crate) topics: &'a [String],
    /// Consecutive documents that belong together: their name and number. The numbers sum to the documents.
    pub(crate) groups: &'a [(String, usize)],
    /// Below everything: what the columns are.
    pub(crate) caption: &'a str,
}

impl Weights<'_> {
    /// The picture: the darker a cell, the larger the topic's share of the document.
    pub(crate) fn svg(&self) -> String {
        let mut page = Page::new(self.title);
        let (documents, k) = self.shares.dim();
        let topics: Vec<String> = self.topics.iter().map(|t| short(t, 26)).collect();
        let left = MARGIN + 8.0 + topics.iter().map(|t| width(t)).fold(0.0, f64::max);
        let (top, height) = (page.y + 6.0, if k > 40 { 14.0 } else { 18.0 });
        let gaps = GAP * self.groups.len().saturating_sub(1) as f64;
        let cell = ((WIDTH - left - RIGHT - gaps) / documents.max(1) as f64).clamp(1.0, 32.0);
        for (q, name) in topics.iter().enumerate() {
            page.text((left - 7.0, top + height * (q as f64 + 0.5)), Anchor::End, "quiet", name);
        }
        let (bottom, mut x, mut document) = (top + height * k as f64, left, 0);
        let mut named = Vec::new();
        for (name, n) in self.groups {
            let wide = cell * *n as f64;
            page.rect((x, top), (wide, bottom - top), "plot", name);
            for (i, shares) in self.shares.outer_iter().enumerate().skip(document).take(*n) {
                let at = x + cell * (i - document) as f64;
                for (q, share) in shares.iter().enumerate().filter(|(_, s)| **s >= LEAST) {
                    let name = self.documents.get(i).map_or("", String::as_str);
                    let hover = format!("{name}: {:.0} % {}", 100.0 * share, topics.get(q).map_or("", String::as_str));
                    let place = (at, top + height * q as f64);
                    page.shade(place, (cell, height), &format!("cell {}", colour(0)), share.min(1.0), &hover);
                }
            }
            named.push((x + wide / 2.0, wide, short(name, 26)));
            (x, document) = (x + wide + GAP, document + n);
        }
        let right = x - GAP;
        page.y = bottom + 8.0 + below(&mut page, &named, bottom + 8.0);
        scale(&mut page, (right + 14.0, top), (bottom - top).clamp(40.0, 160.0));
        page.y += 6.0;
        page.caption(self.caption);
        page.finish()
    }
}

/// The names of the groups: side by side if they fit, else upwards, as far as there is room. Returns the height they take.
fn below(page: &mut Page, named: &[(f64, f64, String)], y: f64) -> f64 {
    if named.iter().all(|(_, wide, name)| width(name) + 4.0 <= *wide) {
        named.iter().for_each(|(x, _, name)| page.text((*x, y + 6.0), Anchor::Middle, "quiet", name));
        return 18.0;
    }
    let (mut last, mut tall) = (f64::NEG_INFINITY, 0.0f64);
    for (x, _, name) in named {
        if *x >= last + 13.0 {
            page.upwards((*x, y), Anchor::End, "quiet", name);
            (last, tall) = (*x, tall.max(width(name)));
        }
    }
    tall
}

/// What the shades mean.
fn scale(page: &mut Page, (x, top): (f64, f64), height: f64) {
    const STEPS: u32 = 24;
    let step = height / f64::from(STEPS);
    page.rect((x, top), (14.0, height), "plot", "");
    for i in 0..STEPS {
        let share = 1.0 - (f64::from(i) + 0.5) / f64::from(STEPS);
        page.shade((x, top + step * f64::from(i)), (14.0, step), &format!("cell {}", colour(0)), share, "");
    }
    page.rect((x, top), (14.0, height), "frame", "");
    for (share, name) in [(1.0, "100 %"), (0.5, "50 %"), (0.0, "0 %")] {
        page.text((x + 19.0, top + height * (1.0 - share)), Anchor::Start, "quiet", name);
    }
}
