//! Points in a plane with the Gaussians fitted to them.

use super::charts::{entries, extent, frame};
use super::components::colour;
use super::page::{Anchor, At, Page};
use super::scale::number;
use std::fmt::Write;

/// Points drawn at most.
const MOST_POINTS: usize = 4000;
/// Corners of an ellipse.
const CORNERS: usize = 72;

/// A Gaussian in a plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Blob {
    /// Its share of the mixture.
    pub(crate) weight: f64,
    /// Its centre.
    pub(crate) mean: (f64, f64),
    /// Variance of the first column, covariance, variance of the second.
    pub(crate) covariance: (f64, f64, f64),
}

impl Blob {
    /// The ellipse `sigmas` standard deviations from the mean.
    fn ellipse(&self, sigmas: f64) -> impl Iterator<Item = (f64, f64)> {
        let ((x, y), (a, b, c)) = (self.mean, self.covariance);
        // the covariance is L·Lᵀ; a variance of 0 makes a line of the ellipse
        let l11 = a.max(0.0).sqrt();
        let l21 = if l11 > 0.0 { b / l11 } else { 0.0 };
        let l22 = (c - l21 * l21).max(0.0).sqrt();
        (0..CORNERS).map(move |i| {
            let (sin, cos) = (std::f64::consts::TAU * i as f64 / CORNERS as f64).sin_cos();
            (x + sigmas * l11 * cos, y + sigmas * (l21 * cos + l22 * sin))
        })
    }

    fn is_finite(&self) -> bool {
        let ((x, y), (a, b, c)) = (self.mean, self.covariance);
        [x, y, a, b, c, self.weight].iter().all(|v| v.is_finite())
    }
}

/// `points` (x, y, component) in the colours of their components, the ellipses of a Gaussian `mixture` at one and two
/// standard deviations, and crosses at other `centres`.
///
/// Of more than 4,000 points, 4,000 evenly spaced ones are drawn; the range is that of all.
pub(crate) fn scatter(
    title: &str,
    (x_label, y_label): (&str, &str),
    points: &[(f64, f64, usize)],
    mixture: &[Blob],
    centres: &[(f64, f64)],
) -> String {
    let mut page = Page::new(title);
    let finite: Vec<&(f64, f64, usize)> = points.iter().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    let blobs: Vec<(usize, &Blob)> =
        mixture.iter().enumerate().filter(|(_, b)| b.is_finite() && b.weight > 0.0).collect();
    let padded = |(low, high): (f64, f64)| {
        let pad = (high / 2.0 - low / 2.0) * 0.08;
        (low - pad, high + pad)
    };
    let x = padded(extent(finite.iter().map(|p| p.0).chain(blobs.iter().map(|b| b.1.mean.0))));
    let y = padded(extent(finite.iter().map(|p| p.1).chain(blobs.iter().map(|b| b.1.mean.1))));
    let percent = |w: f64| number((w * 1000.0).round() / 10.0);
    entries(&mut page, blobs.iter().take(8).map(|(q, b)| (*q, format!("{}: {} %", q + 1, percent(b.weight)))));
    let frame = frame(&page, x, y, 430.0);
    page.rect((frame.left, frame.top), (frame.width, frame.height), "plot", "");
    frame.axes(&mut page, Some(x_label), y_label, true);
    let below = page.y;
    let drawn = finite.len().min(MOST_POINTS);
    page.clipped((frame.left, frame.top), (frame.width, frame.height), |page| {
        let components = finite.iter().map(|p| p.2 + 1).max().unwrap_or(0);
        let mut paths = vec![String::new(); components.min(super::page::COLOURS)];
        for i in 0..drawn {
            let p = finite[i * finite.len() / drawn];
            let (x, y) = frame.at((p.0, p.1));
            if let Some(path) = paths.get_mut(p.2 % super::page::COLOURS) {
                // writing to a string cannot fail
                let _ = write!(path, "M{} {}h0", At(x), At(y));
            }
        }
        for (q, path) in paths.iter().enumerate().filter(|(_, p)| !p.is_empty()) {
            page.path(path, &format!("dots {}", colour(q)), "");
        }
        for (q, blob) in &blobs {
            let hover = format!(
                "component {}: weight {}, mean ({}, {})",
                q + 1,
                number(blob.weight),
                number(blob.mean.0),
                number(blob.mean.1)
            );
            for sigmas in [1.0, 2.0] {
                let mut d = String::new();
                for (i, corner) in blob.ellipse(sigmas).enumerate() {
                    let (x, y) = frame.at(corner);
                    let _ = write!(d, "{}{} {}", if i == 0 { "M" } else { "L" }, At(x), At(y));
                }
                page.path(&(d + "Z"), &format!("line {}", colour(*q)), &hover);
            }
        }
        for centre in centres.iter().filter(|c| c.0.is_finite() && c.1.is_finite()) {
            let (x, y) = frame.at(*centre);
            let hover = format!("centre of k-means: ({}, {})", number(centre.0), number(centre.1));
            page.path(&format!("M{} {}m-5 -5l10 10m0 -10l-10 10", At(x), At(y)), "cross", &hover);
        }
        for (q, blob) in &blobs {
            let (x, y) = frame.at(blob.mean);
            page.text((x + 8.0, y - 10.0), Anchor::Start, "head", &(q + 1).to_string());
        }
    });
    page.y = below;
    let mut caption = format!("{drawn} of {} points; ellipses at one and two standard deviations", points.len());
    if !centres.is_empty() {
        caption.push_str("; crosses: centres of k-means");
    }
    page.caption(&(caption + "."));
    page.finish()
}
