//! From values to places: scales, their ticks, and frames with axes.

use super::page::{Anchor, Page};

/// Values along an axis.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    /// Value at `from`.
    pub(super) low: f64,
    /// Value at `to`.
    pub(super) high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// Equal steps of the value are equal steps of the place. A range without extent is widened.
    pub(super) fn linear((low, high): (f64, f64), (from, to): (f64, f64)) -> Scale {
        let (low, high) = match (low.is_finite() && high.is_finite(), high > low) {
            (false, _) => (0.0, 1.0),
            (true, true) => (low, high),
            (true, false) => {
                let pad = (low.abs() * 0.05).max(0.5);
                (low - pad, low + pad)
            }
        };
        Scale { low, high, from, to, log: false }
    }

    /// Equal ratios are equal steps.
    pub(super) fn log((low, high): (f64, f64), (from, to): (f64, f64)) -> Scale {
        if low > 0.0 && high > low && high.is_finite() {
            Scale { low, high, from, to, log: true }
        } else {
            Scale::linear((low, high), (from, to))
        }
    }

    /// The place of a value.
    pub(super) fn at(&self, v: f64) -> f64 {
        let share = if self.log {
            (v.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            // halves, as the difference of huge numbers may overflow
            (v / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
        };
        self.from + (self.to - self.from) * share
    }

    /// About `most` round values within the range, and their texts.
    pub(super) fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        if self.log { self.log_ticks(most) } else { ticks(self.low, self.high, most) }
    }

    /// 1, 2 and 5 times powers of ten; over many decades only powers, not all of them; within less than one what is round.
    fn log_ticks(&self, most: usize) -> Vec<(f64, String)> {
        let decades = (self.high / self.low).log10();
        if decades < 0.7 {
            return ticks(self.low, self.high, most);
        }
        let (digits, step): (&[f64], i32) = match decades {
            d if d <= 3.0 => (&[1.0, 2.0, 5.0], 1),
            d => (&[1.0], (d / 8.0).ceil() as i32),
        };
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let mut out = Vec::new();
        for power in (first..=last).filter(|p| p % step == 0) {
            for digit in digits {
                let v = digit * 10f64.powi(power);
                if v >= self.low * 0.999 && v <= self.high * 1.001 {
                    out.push((v, written(v, 10f64.powi(power), v)));
                }
            }
        }
        out
    }
}

/// Multiples of 1, 2 or 5 times a power of ten in [low, high].
pub(super) fn ticks(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let raw = (high / 2.0 - low / 2.0) * 2.0 / most.max(1) as f64;
    if !(raw.is_finite() && raw > 1e-300) {
        return Vec::new();
    }
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|d| d * power).find(|s| *s >= raw * 0.999).unwrap_or(raw);
    let first = (low / step - 1e-6).ceil();
    let values = (0..=2 * most).map(|i| (first + i as f64) * step).take_while(|v| *v <= high + step * 1e-6);
    let size = low.abs().max(high.abs());
    values.map(|v| (v, written(if v.abs() < step * 1e-6 { 0.0 } else { v }, step, size))).collect()
}

/// A value with the digits that tell it from its neighbours a `step` away.
fn written(v: f64, step: f64, size: f64) -> String {
    let text = if v == 0.0 {
        "0".into()
    } else if !(1e-4..1e7).contains(&size) {
        let digits = (size / step).log10().ceil().clamp(0.0, 12.0) as usize;
        let text = format!("{v:.digits$e}");
        match text.split_once('e') {
            Some((m, e)) if m.contains('.') => format!("{}e{e}", m.trim_end_matches('0').trim_end_matches('.')),
            _ => text,
        }
    } else {
        let digits = (-(step * 1.001).log10().floor()).clamp(0.0, 9.0) as usize;
        format!("{v:.digits$}")
    };
    text.replace('-', "−")
}

/// A number for a hover text or a legend.
pub(super) fn number(v: f64) -> String {
    if v.is_finite() { crate::text::number(v).replace('-', "−") } else { "none".into() }
}

/// A rectangle with an axis below and one on the left.
pub(super) struct Frame {
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Frame {
    /// Ticks and names of both axes; `grid` lines where nothing dense covers them.
    pub(super) fn axes(&self, page: &mut Page, x_label: Option<&str>, y_label: &str, grid: bool) {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        let mut last = f64::NEG_INFINITY;
        for (v, text) in self.x.ticks(7) {
            let x = self.x.at(v);
            if grid {
                page.line((x, self.top), (x, bottom), "grid");
            }
            page.line((x, bottom), (x, bottom + 4.0), "frame");
            let half = super::page::width(&text) / 2.0;
            if x_label.is_some() && x - half > last + 6.0 {
                page.text((x, bottom + 14.0), Anchor::Middle, "quiet", &text);
                last = x + half;
            }
        }
        let mut last = f64::INFINITY;
        for (v, text) in self.y.ticks((self.height / 42.0).ceil() as usize) {
            let y = self.y.at(v);
            if grid {
                page.line((self.left, y), (right, y), "grid");
            }
            page.line((self.left - 4.0, y), (self.left, y), "frame");
            if y < last - 13.0 {
                page.text((self.left - 7.0, y), Anchor::End, "quiet", &text);
                last = y;
            }
        }
        page.rect((self.left, self.top), (self.width, self.height), "frame", "");
        page.upwards((MARGIN_OF_NAME, self.top + self.height / 2.0), Anchor::Middle, "", y_label);
        page.y = bottom + 8.0;
        if let Some(label) = x_label {
            page.text((self.left + self.width / 2.0, bottom + 33.0), Anchor::Middle, "", label);
            page.y = bottom + 46.0;
        }
    }

    /// The place of a point.
    pub(super) fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.at(x), self.y.at(y))
    }
}

/// Where the name of the vertical axis runs upwards.
const MARGIN_OF_NAME: f64 = 14.0;

/// The room that ticks and name of a vertical axis of these values need.
pub(super) fn left_of(low: f64, high: f64, height: f64) -> f64 {
    let scale = Scale::linear((low, high), (0.0, height));
    let texts = scale.ticks((height / 42.0).ceil() as usize);
    let widest = texts.iter().map(|(_, t)| super::page::width(t)).fold(0.0, f64::max);
    (MARGIN_OF_NAME + 18.0 + widest).clamp(48.0, 160.0)
}
