//! Names with bars: words of topics, columns of components.

use super::components::{colour, three_digits};
use super::page::{Anchor, MARGIN, Page, WIDTH, short, width};
use super::scale::number;

/// Things with their values under one heading.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Bars {
    /// Above them.
    pub(crate) heading: String,
    /// Names and values ≥ 0, in the order in which they are shown.
    pub(crate) bars: Vec<(String, f64)>,
}

/// Height of a bar with the gap below it.
const STEP: f64 = 18.0;
/// Widest name.
const NAME: f64 = 168.0;

/// Groups of bars, two abreast; each group's bars are relative to its own largest.
pub(crate) fn bars(title: &str, groups: &[Bars], caption: &str) -> String {
    let mut page = Page::new(title);
    let abreast = if groups.len() > 1 { 2 } else { 1 };
    let wide = (WIDTH - MARGIN) / f64::from(abreast) - MARGIN;
    let names = groups.iter().flat_map(|g| &g.bars).map(|(name, _)| width(&short(name, 22)));
    let left = names.fold(40.0, f64::max).min(NAME);
    for line in groups.chunks(abreast as usize) {
        let top = page.y;
        let longest = line.iter().map(|g| g.bars.len()).max().unwrap_or(0);
        for (place, group) in line.iter().enumerate() {
            let x = MARGIN + place as f64 * (wide + MARGIN);
            let letters = (wide / 7.4) as usize;
            page.text((x, top + 10.0), Anchor::Start, "head", &short(&group.heading, letters));
            let most = group.bars.iter().map(|b| b.1).filter(|v| v.is_finite()).fold(0.0, f64::max);
            let room = wide - left - 8.0 - 62.0;
            for (i, (name, value)) in group.bars.iter().enumerate() {
                let y = top + 24.0 + STEP * i as f64;
                let share = if most > 0.0 && value.is_finite() { (value / most).clamp(0.0, 1.0) } else { 0.0 };
                page.text((x + left, y + 7.0), Anchor::End, "", &short(name, 22));
                let hover = format!("{name}: {}", number(*value));
                let size = ((room * share).max(1.0), STEP - 5.0);
                page.rect((x + left + 8.0, y), size, &format!("cell {}", colour(0)), &hover);
                page.text((x + left + 14.0 + size.0, y + 7.0), Anchor::Start, "quiet", &three_digits(*value));
            }
            if group.bars.is_empty() {
                page.text((x, top + 30.0), Anchor::Start, "quiet", "nothing above zero");
            }
        }
        page.y = top + 24.0 + STEP * longest.max(1) as f64 + 14.0;
    }
    page.caption(caption);
    page.finish()
}
