//! How much of each topic is in each document.

use super::components::colour;
use super::page::{Anchor, MARGIN, Page, WIDTH, width, within};
use ndarray::ArrayView2;

/// Shares below this are left white.
const LEAST: f64 = 0.005;
/// Between groups.
const GAP: f64 = 2.0;
/// Room of the scale on the right.
const RIGHT: f64 = 80.0;
/// The least that a group needs for a name that reads upwards.
const UPRIGHT: f64 = 14.0;

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
        let topics: Vec<String> = self.topics.iter().map(|t| within(t, 200.0)).collect();
        let left = MARGIN + 8.0 + topics.iter().map(|t| width(t)).fold(0.0, f64::max);
        let (top, height) = (page.y + 6.0, if k > 40 { 14.0 } else { 18.0 });
        let gaps = GAP * self.groups.len().saturating_sub(1) as f64;
        let widths = widths(self.groups, documents, (WIDTH - left - RIGHT - gaps).max(100.0));
        for (q, name) in topics.iter().enumerate() {
            page.text((left - 7.0, top + height * (q as f64 + 0.5)), Anchor::End, "quiet", name);
        }
        let (bottom, mut x, mut document) = (top + height * k as f64, left, 0);
        let mut named = Vec::new();
        for ((name, n), wide) in self.groups.iter().zip(widths) {
            // a group that was widened to fit its name is filled by wider columns
            let cell = wide / (*n).max(1) as f64;
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
            named.push((x + wide / 2.0, wide, within(name, 200.0)));
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

/// The widths of the groups: as their documents, but none too narrow for its name if there is room.
fn widths(groups: &[(String, usize)], documents: usize, room: f64) -> Vec<f64> {
    let least = if UPRIGHT * groups.len() as f64 <= room { UPRIGHT } else { 0.0 };
    let of = |cell: f64| groups.iter().map(move |(_, n)| (cell * *n as f64).max(least));
    // the widest columns that fit, to a thousandth
    let (mut low, mut high) = (0.0, (room / documents.max(1) as f64).min(32.0));
    for _ in 0..16 {
        let middle = (low + high) / 2.0;
        if of(middle).sum::<f64>() <= room { low = middle } else { high = middle }
    }
    let cell = if of(high).sum::<f64>() <= room { high } else { low };
    of(cell).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn every_group_has_room_for_its_name_and_all_fit() {
        let groups = |sizes: &[usize]| sizes.iter().map(|n| (String::new(), *n)).collect::<Vec<_>>();
        let some = widths(&groups(&[1, 60, 1, 38]), 100, 400.0);
        assert!(some.iter().all(|w| *w >= UPRIGHT) && (some.iter().sum::<f64>() - 400.0).abs() < 0.1, "{some:?}");
        assert!((some[1] / some[3] - 60.0 / 38.0).abs() < 1e-6);
        let many = widths(&groups(&[1; 100]), 100, 400.0);
        assert!(many.iter().all(|w| (w - 4.0).abs() < 1e-9));
        assert_eq!(widths(&groups(&[2]), 2, 400.0), [64.0], "few documents do not fill the page");
    }

    #[test]
    fn shares_are_shades_with_names_under_the_pointer() {
        let shares = array![[1.0, 0.0], [0.25, 0.75], [0.0, f64::NAN]];
        let names = ["a&b", "c", "d"].map(String::from);
        let weights = Weights {
            title: "weights",
            shares: shares.view(),
            documents: &names,
            topics: &["1 cats".into(), "2 <stars>".into()],
            groups: &[("pets\u{0}".into(), 2), ("sky".into(), 1)],
            caption: "3 documents",
        };
        let svg = weights.svg();
        for part in
            ["a&amp;b: 100 % 1 cats", "c: 75 % 2 &lt;stars&gt;", "fill-opacity=\"0.75\"", "pets", "sky", "3 documents"]
        {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(!svg.contains("d: ") && !svg.contains("NaN"));
    }
}
