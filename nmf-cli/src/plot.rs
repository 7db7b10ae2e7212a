//! Pictures as SVG text: nothing but shapes and text, so that no font is needed to write them.

use ndarray::ArrayView2;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A picture, or why it could not be drawn.
pub(crate) type Drawn<T = ()> = Result<T, String>;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const INK: RGBColor = RGBColor(38, 38, 38);
const QUIET: RGBColor = RGBColor(120, 120, 120);
const FRAME: RGBColor = RGBColor(200, 200, 200);
const TEXT: i32 = 12;

/// A heat map of weights: one column per document, one row per topic.
pub(crate) struct Weights<'a> {
    /// Above the picture.
    pub(crate) title: &'a str,
    /// Documents × topics, each in [0, 1], in the order in which they are shown.
    pub(crate) shares: ArrayView2<'a, f64>,
    /// A name for each topic.
    pub(crate) topics: &'a [String],
    /// Consecutive documents that belong together: their name and number. The numbers sum to the documents.
    pub(crate) groups: &'a [(String, usize)],
    /// Below the groups' names: what the columns are.
    pub(crate) caption: &'a str,
}

/// Where everything of a [`Weights`] picture lies, in pixels.
struct Layout {
    left: i32,
    top: i32,
    cell: (i32, i32),
    /// Left edge and width of every group.
    groups: Vec<(i32, i32)>,
    right: i32,
    bottom: i32,
    /// Group names are written upwards where they do not fit side by side.
    upright: bool,
    size: (u32, u32),
}

impl Layout {
    fn of(p: &Weights<'_>, topics: &[String], groups: &[String]) -> Layout {
        let (documents, k) = p.shares.dim();
        let widest = |names: &[String]| names.iter().map(|n| width(n)).max().unwrap_or(0);
        let cell = ((900 / documents.max(1) as i32).clamp(4, 36), if k > 40 { 14 } else { 20 });
        let upright = groups.iter().zip(p.groups).any(|(name, (_, n))| width(name) + 6 > *n as i32 * cell.0);
        let narrowest = if upright { TEXT + 3 } else { cell.0 };
        let left = widest(topics) + 22;
        let mut at = left;
        let mut places = Vec::new();
        for (_, n) in p.groups {
            let width = (*n as i32 * cell.0).max(narrowest);
            places.push((at, width));
            at += width + 3;
        }
        let (top, right) = (46, at - 3);
        let bottom = top + k as i32 * cell.1;
        let names = if upright { widest(groups) } else { TEXT };
        let title = width(p.title) * 13 / 10 + 30;
        let caption = (left + width(p.caption) + 20).max(title);
        Layout {
            left,
            top,
            cell,
            groups: places,
            right,
            bottom,
            upright,
            size: ((right + 90).max(caption) as u32, (bottom + 14 + names + 34) as u32),
        }
    }
}

impl Weights<'_> {
    /// The picture as SVG.
    pub(crate) fn svg(&self) -> Drawn<String> {
        let topics: Vec<String> = self.topics.iter().map(|t| short(t, 34)).collect();
        let groups: Vec<String> = self.groups.iter().map(|(name, _)| short(name, 30)).collect();
        let at = Layout::of(self, &topics, &groups);
        svg(at.size, |canvas| {
            text(canvas, self.title, (at.left, 18), (HPos::Left, VPos::Center), 15, &INK)?;
            for (q, name) in topics.iter().enumerate() {
                let y = at.top + q as i32 * at.cell.1 + at.cell.1 / 2;
                text(canvas, name, (at.left - 8, y), (HPos::Right, VPos::Center), TEXT, &INK)?;
            }
            let mut document = 0;
            for ((x, wide), (_, n)) in at.groups.iter().zip(self.groups) {
                // a group that was widened to fit its name is filled by wider columns
                let edge = |i: usize| x + (wide * i as i32) / (*n).max(1) as i32;
                for i in 0..*n {
                    let Some(shares) = self.shares.outer_iter().nth(document) else { break };
                    for (q, &share) in shares.iter().enumerate() {
                        let y = at.top + q as i32 * at.cell.1;
                        if share >= 0.005 {
                            rectangle(canvas, (edge(i), y), (edge(i + 1), y + at.cell.1), &ramp(share), true)?;
                        }
                    }
                    document += 1;
                }
                rectangle(canvas, (*x, at.top), (x + wide, at.bottom), &FRAME, false)?;
            }
            self.below(canvas, &at, &groups)?;
            scale(canvas, (at.right + 18, at.top), at.bottom - at.top)
        })
    }

    fn below(&self, canvas: &Canvas<'_>, at: &Layout, groups: &[String]) -> Drawn {
        for ((x, wide), name) in at.groups.iter().zip(groups) {
            let place = (x + wide / 2, at.bottom + 8);
            if at.upright {
                upwards(canvas, name, place)?;
            } else {
                text(canvas, name, place, (HPos::Center, VPos::Top), TEXT, &INK)?;
            }
        }
        text(canvas, self.caption, (at.left, at.size.1 as i32 - 14), (HPos::Left, VPos::Center), TEXT, &QUIET)
    }
}

/// The legend of [`ramp`]: a bar from 0 (below) to 1 (above).
fn scale(canvas: &Canvas<'_>, (x, top): (i32, i32), height: i32) -> Drawn {
    let height = height.clamp(40, 200);
    for y in 0..height {
        let colour = ramp(1.0 - f64::from(y) / f64::from(height));
        rectangle(canvas, (x, top + y), (x + 14, top + y + 1), &colour, true)?;
    }
    rectangle(canvas, (x, top), (x + 14, top + height), &FRAME, false)?;
    for (share, name) in [(1.0, "100 %"), (0.5, "50 %"), (0.0, "0 %")] {
        let y = top + (f64::from(height) * (1.0 - share)) as i32;
        text(canvas, name, (x + 20, y), (HPos::Left, VPos::Center), TEXT - 1, &QUIET)?;
    }
    Ok(())
}

/// White at 0, through blue, to a dark blue at 1; equal steps look about equal.
fn ramp(share: f64) -> RGBColor {
    const STOPS: [(f64, f64, f64); 5] =
        [(255.0, 255.0, 255.0), (198.0, 219.0, 239.0), (107.0, 174.0, 214.0), (33.0, 113.0, 181.0), (8.0, 40.0, 95.0)];
    // a NaN counts as 0
    let at = if share > 0.0 { share.min(1.0) } else { 0.0 } * (STOPS.len() - 1) as f64;
    let low = (at as usize).min(STOPS.len() - 2);
    let (a, b, t) = (STOPS[low], STOPS[low + 1], at - low as f64);
    let mix = |a: f64, b: f64| (a + (b - a) * t) as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// Draws on a white canvas of this size, in pixels.
fn svg(size: (u32, u32), draw: impl FnOnce(&Canvas<'_>) -> Drawn) -> Drawn<String> {
    let mut out = String::new();
    {
        let canvas = SVGBackend::with_string(&mut out, size).into_drawing_area();
        canvas.fill(&WHITE).map_err(|e| e.to_string())?;
        draw(&canvas)?;
        canvas.present().map_err(|e| e.to_string())?;
    }
    Ok(out)
}

fn rectangle(canvas: &Canvas<'_>, from: (i32, i32), to: (i32, i32), colour: &RGBColor, filled: bool) -> Drawn {
    let style = if filled { colour.filled() } else { colour.stroke_width(1) };
    canvas.draw(&Rectangle::new([from, to], style)).map_err(|e| e.to_string())
}

fn text(canvas: &Canvas<'_>, s: &str, at: (i32, i32), to: (HPos, VPos), size: i32, colour: &RGBColor) -> Drawn {
    let style = ("sans-serif", size).into_font().color(colour).pos(Pos::new(to.0, to.1));
    canvas.draw(&Text::new(s.to_string(), at, style)).map_err(|e| e.to_string())
}

/// Text that reads upwards and ends at `at`.
fn upwards(canvas: &Canvas<'_>, s: &str, at: (i32, i32)) -> Drawn {
    let font = ("sans-serif", TEXT).into_font().transform(FontTransform::Rotate270);
    let style = font.color(&INK).pos(Pos::new(HPos::Right, VPos::Center));
    canvas.draw(&Text::new(s.to_string(), at, style)).map_err(|e| e.to_string())
}

/// About how wide a text of ordinary size is, in pixels; no font is at hand to measure with.
fn width(s: &str) -> i32 {
    s.chars().map(|c| if u32::from(c) >= 0x1100 { TEXT } else { TEXT * 6 / 10 }).sum()
}

/// At most `most` characters, none of which XML forbids.
fn short(s: &str, most: usize) -> String {
    let mut out: String = s.chars().filter(|c| !c.is_control()).take(most).collect();
    if s.chars().count() > most {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn a_picture_holds_every_name_and_escapes_it() {
        let shares = Array2::from_shape_fn((4, 2), |(i, q)| if i % 2 == q { 1.0 } else { 0.0 });
        let p = Weights {
            title: "weights",
            shares: shares.view(),
            topics: &["1 cats & dogs".into(), "2 <stars>".into()],
            groups: &[("pets\u{0}".into(), 2), ("sky".into(), 2)],
            caption: "4 documents",
        };
        let svg = p.svg().unwrap();
        for needle in ["cats &amp; dogs", "&lt;stars&gt;", "pets", "sky", "4 documents", "100 %", "</svg>"] {
            assert!(svg.contains(needle), "{needle}: {svg}");
        }
        assert!(!svg.contains('\u{0}'));
        assert!(svg.matches("#08285F").count() >= 4);
    }

    #[test]
    fn colours_run_from_white_to_dark() {
        assert_eq!(ramp(0.0), RGBColor(255, 255, 255));
        assert_eq!(ramp(1.0), RGBColor(8, 40, 95));
        assert_eq!(ramp(f64::NAN), ramp(0.0));
    }
}
