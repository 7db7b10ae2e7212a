//! Names with bars: words of a topic, columns of a component.

use super::components::{colour, three_digits};
use super::page::{Anchor, CARD, MARGIN, Page, width, within};
use super::scale::number;

/// Height of a bar with the gap below it.
const STEP: f64 = 18.0;
/// Room of a name.
const NAME: f64 = 152.0;
/// Room for a value behind its bar.
const VALUE: f64 = 56.0;

/// Names and values ≥ 0 in the order in which they are to be shown; the longest bar is the largest value.
pub(crate) fn bars(title: &str, list: &[(String, f64)]) -> String {
    let mut page = Page::sized(title, CARD);
    let left = MARGIN + list.iter().map(|(name, _)| width(&within(name, NAME))).fold(40.0, f64::max);
    let room = CARD - left - 8.0 - VALUE;
    let most = list.iter().map(|b| b.1).filter(|v| v.is_finite()).fold(0.0, f64::max);
    for (name, value) in list {
        let share = if most > 0.0 && value.is_finite() { (value / most).clamp(0.0, 1.0) } else { 0.0 };
        let (middle, long) = (page.y + STEP / 2.0, (room * share).max(1.0));
        page.text((left, middle), Anchor::End, "", &within(name, NAME));
        let told = if value.is_finite() { three_digits(*value) } else { "none".into() };
        let hover = format!("{name}: {}", number(*value));
        page.rect((left + 8.0, page.y + 2.0), (long, STEP - 4.0), &format!("cell {}", colour(0)), &hover);
        page.text((left + 14.0 + long, middle), Anchor::Start, "quiet", &told);
        page.y += STEP;
    }
    if list.is_empty() {
        page.caption("Nothing is above zero.");
    }
    page.finish()
}
