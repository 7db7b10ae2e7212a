//! Photographs in rows and columns, with what they are.

use super::page::{Anchor, MARGIN, Page, within};
use super::raster::base64;

/// Between photographs.
const GAP: f64 = 10.0;
/// Height of a photograph, at most.
const TALL: f64 = 330.0;
/// Width of a photograph, at most.
const WIDE: f64 = 330.0;

/// A picture as PNG, and its pixels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Photo {
    /// The file.
    pub(crate) png: Vec<u8>,
    /// Width and height.
    pub(crate) size: (u32, u32),
    /// What the pointer reads.
    pub(crate) told: String,
}

/// Photographs in columns with a heading each; every row has a name above it. Where a row has no photograph for a column, the place stays empty.
pub(crate) fn gallery(title: &str, columns: &[String], rows: &[(String, Vec<Option<Photo>>)], caption: &str) -> String {
    let mut page = Page::new(title);
    let count = columns.len().max(1) as f64;
    let wide = ((page.width - 2.0 * MARGIN - GAP * (count - 1.0)) / count).min(WIDE);
    let left = |c: usize| MARGIN + c as f64 * (wide + GAP);
    page.y += 4.0;
    for (c, heading) in columns.iter().enumerate() {
        page.text((left(c), page.y), Anchor::Start, "head", &within(heading, wide + GAP));
    }
    page.y += 14.0;
    for (name, photos) in rows {
        if !name.is_empty() {
            let room = page.width - 2.0 * MARGIN;
            page.text((MARGIN, page.y + 4.0), Anchor::Start, "quiet", &within(name, room));
            page.y += 16.0;
        }
        let mut bottom = page.y;
        for (c, photo) in photos.iter().enumerate() {
            let Some(photo) = photo else { continue };
            let (w, h) = (f64::from(photo.size.0.max(1)), f64::from(photo.size.1.max(1)));
            let scale = (wide / w).min(TALL / h);
            let (at, size) = ((left(c), page.y), (w * scale, h * scale));
            page.photo(at, size, &format!("data:image/png;base64,{}", base64(&photo.png)), scale > 1.0, &photo.told);
            bottom = bottom.max(page.y + h * scale);
        }
        page.y = bottom + GAP;
    }
    if !caption.is_empty() {
        page.y += 4.0;
        page.caption(caption);
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photographs_keep_their_proportions_and_gaps_stay_empty() {
        let photo = |size| Some(Photo { png: vec![1, 2, 3], size, told: "<b>".into() });
        let headings = ["a".to_string(), "b".to_string()];
        let rows = [("one".to_string(), vec![photo((10, 20)), None]), (String::new(), vec![None, photo((4000, 10))])];
        let svg = gallery("Faces & parts", &headings, &rows, "");
        assert_eq!(svg.matches("<image ").count(), 2);
        // half as wide as high, at most 330 high; the second is as wide as its column
        assert!(svg.contains("width=\"165\" height=\"330\"") && svg.contains("width=\"321\" height=\"0.8\""), "{svg}");
        // pixels that are enlarged stay pixels
        assert_eq!(svg.matches("pixelated").count(), 1);
        assert!(
            svg.contains("Faces &amp; parts")
                && svg.contains("<title>&lt;b&gt;</title>")
                && svg.contains("base64,AQID")
        );
        assert!(gallery("", &[], &[], "").starts_with("<svg "));
    }
}
