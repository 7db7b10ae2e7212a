//! Bases and pictures side by side.

use crate::{Error, Result, Shape};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage, imageops};
use ndarray::{ArrayView1, ArrayView2};

/// Between tiles, and around them.
const GAP: Rgb<u8> = Rgb([208, 215, 222]);

/// How numbers become colours. Pictures in colour show their own, relative to the largest number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// 0 white, the largest black, as Lee and Seung show bases.
    Ink,
    /// 0 black, the largest white, as pictures are seen.
    Light,
    /// Negative numbers blue, 0 white, positive ones red.
    Signed,
}

/// One picture, `numbers` long as `shape` says; `top` is the (absolute) number that gets the full colour.
///
/// # Errors
/// If `numbers` has another length, or the picture is too large for a PNG.
pub fn tile(numbers: ArrayView1<'_, f32>, shape: Shape, look: Look, top: f32) -> Result<RgbImage> {
    let wrong = || Error::Parameter {
        name: "picture",
        value: format!("of {} numbers", numbers.len()),
        expected: format!("{} numbers for {} pixels", shape.len(), shape.text()),
    };
    let (Ok(width), Ok(height)) = (u32::try_from(shape.width), u32::try_from(shape.height)) else {
        return Err(wrong());
    };
    if numbers.len() != shape.len() {
        return Err(wrong());
    }
    // a row of H may lie in memory with gaps
    let numbers = numbers.to_vec();
    let share = |v: f32| if top > 0.0 && v.is_finite() { v / top } else { 0.0 };
    let mut out = RgbImage::new(width, height);
    for (pixel, channels) in out.pixels_mut().zip(numbers.chunks_exact(shape.channels.max(1))) {
        *pixel = match (channels, look) {
            (&[r, g, b], Look::Signed) => Rgb([r, g, b].map(|v| byte(0.5 + 0.5 * share(v)))),
            (&[r, g, b], _) => Rgb([r, g, b].map(|v| byte(share(v)))),
            (&[v, ..], Look::Ink) => Rgb([byte(1.0 - share(v)); 3]),
            (&[v, ..], Look::Light) => Rgb([byte(share(v)); 3]),
            (&[v, ..], Look::Signed) => signed(share(v)),
            ([], _) => GAP,
        };
    }
    Ok(out)
}

fn byte(share: f32) -> u8 {
    (share.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// White at 0, red at 1, blue at −1.
fn signed(share: f32) -> Rgb<u8> {
    let end = if share < 0.0 { [5.0, 48.0, 97.0] } else { [103.0, 0.0, 31.0] };
    let t = share.abs().min(1.0);
    Rgb(end.map(|c: f32| byte((255.0 + (c - 255.0) * t) / 255.0)))
}

/// A contact sheet: every row of `bases` (k × numbers) a tile, `columns` beside each other, each relative to its own largest absolute number, so
/// that the scale between W and H does not matter. Tiles longer than `side` pixels are made smaller.
///
/// # Errors
/// As [`tile`]; also for no column.
pub fn montage(bases: ArrayView2<'_, f32>, shape: Shape, columns: usize, look: Look, side: u32) -> Result<RgbImage> {
    let own = |row: ArrayView1<'_, f32>| {
        let top = row.iter().fold(0.0f32, |a, v| a.max(v.abs()));
        Ok(shrunk(tile(row, shape, look, top)?, side))
    };
    grid(&bases.outer_iter().map(own).collect::<Result<Vec<_>>>()?, columns)
}

/// Tiles of one size in rows of `columns`, a pixel between them.
///
/// # Errors
/// For no column or no tile, and where the sheet would be too large.
pub fn grid(tiles: &[RgbImage], columns: usize) -> Result<RgbImage> {
    let refuse = |expected: &str| Error::Parameter {
        name: "sheet",
        value: format!("of {} tiles in {columns} columns", tiles.len()),
        expected: expected.into(),
    };
    let Some((width, height)) = tiles.first().map(RgbImage::dimensions) else {
        return Err(refuse("at least one tile"));
    };
    if columns == 0 || tiles.iter().any(|t| t.dimensions() != (width, height)) {
        return Err(refuse("at least one column, and tiles of one size"));
    }
    let (across, down) = (columns.min(tiles.len()) as u64, tiles.len().div_ceil(columns) as u64);
    let size = |n: u64, each: u32| n * (u64::from(each) + 1) + 1;
    let (wide, tall) = (size(across, width), size(down, height));
    if wide.max(tall) > 1 << 16 || wide * tall > 1 << 28 {
        return Err(refuse("a sheet of at most 65,536 pixels a side and 2²⁸ in all"));
    }
    let mut out = RgbImage::from_pixel(wide as u32, tall as u32, GAP);
    for (i, tile) in tiles.iter().enumerate() {
        let (x, y) = ((i % columns) as i64, (i / columns) as i64);
        imageops::replace(&mut out, tile, x * i64::from(width + 1) + 1, y * i64::from(height + 1) + 1);
    }
    Ok(out)
}

/// A picture as PNG.
///
/// # Errors
/// If the encoder refuses it, as it does without pixels.
pub fn png(picture: &RgbImage) -> Result<Vec<u8>> {
    let (width, height) = picture.dimensions();
    let mut out = Vec::new();
    PngEncoder::new_with_quality(&mut out, CompressionType::Best, FilterType::Adaptive)
        .write_image(picture.as_raw(), width, height, ExtendedColorType::Rgb8)
        .map_err(|e| Error::Encode { width, height, reason: e.to_string() })?;
    Ok(out)
}

/// The same picture with no side longer than `side` pixels.
pub fn shrunk(picture: RgbImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= side.max(1) {
        return picture;
    }
    let scaled = |n: u32| (u64::from(n) * u64::from(side.max(1))).div_ceil(u64::from(longest)) as u32;
    imageops::resize(&picture, scaled(width), scaled(height), imageops::FilterType::Triangle)
}

/// The same picture with every pixel a square of `factor` × `factor`.
pub fn enlarged(picture: &RgbImage, factor: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let (wide, tall) = (width.saturating_mul(factor.max(1)), height.saturating_mul(factor.max(1)));
    imageops::resize(picture, wide, tall, imageops::FilterType::Nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    const PAIR: Shape = Shape { height: 1, width: 2, channels: 1 };

    #[test]
    fn numbers_become_the_colours_of_their_look() {
        let at = |look| {
            let t = tile(array![-2.0f32, 4.0].view(), PAIR, look, 4.0).unwrap();
            [t.get_pixel(0, 0).0, t.get_pixel(1, 0).0]
        };
        assert_eq!(at(Look::Ink), [[255; 3], [0; 3]]);
        assert_eq!(at(Look::Light), [[0; 3], [255; 3]]);
        let [negative, positive] = at(Look::Signed);
        assert!(negative[2] > negative[0] && positive == [103, 0, 31]);
        let colour = Shape { height: 1, width: 1, channels: 3 };
        let t = tile(array![1.0f32, 0.5, 0.0].view(), colour, Look::Light, 1.0).unwrap();
        assert_eq!(t.get_pixel(0, 0).0, [255, 128, 0]);
        assert!(tile(array![1.0f32].view(), PAIR, Look::Ink, 1.0).is_err());
        // rows of a transposed matrix
        let h = array![[1.0f32, 0.0], [0.5, 2.0]];
        let t = tile(h.t().row(1), PAIR, Look::Light, 2.0).unwrap();
        assert_eq!((t.get_pixel(0, 0).0[0], t.get_pixel(1, 0).0[0]), (0, 255));
    }

    #[test]
    fn sheets_scale_every_basis_to_itself_and_stand_in_rows() {
        let bases = array![[1.0f32, 0.0], [0.0, 100.0], [0.0, 0.0]];
        let sheet = montage(bases.view(), PAIR, 2, Look::Ink, 9).unwrap();
        assert_eq!(sheet.dimensions(), (7, 5));
        let at = |x, y| sheet.get_pixel(x, y).0[0];
        assert_eq!((at(1, 1), at(2, 1), at(4, 1), at(5, 1), at(1, 3)), (0, 255, 255, 0, 255));
        assert_eq!(sheet.get_pixel(0, 0), &GAP);
        assert_eq!((enlarged(&sheet, 3).dimensions(), shrunk(sheet.clone(), 4).dimensions()), ((21, 15), (4, 3)));
        assert_eq!(montage(bases.view(), PAIR, 2, Look::Ink, 1).unwrap().dimensions(), (5, 5));
        assert!(montage(bases.view(), PAIR, 0, Look::Ink, 9).is_err() && grid(&[], 1).is_err());
        assert!(png(&RgbImage::new(0, 0)).is_err());
    }
}
