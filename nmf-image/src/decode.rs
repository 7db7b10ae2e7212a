//! Pictures decoded one at a time into their rows.

use crate::read::{ReadOptions, ReadReport};
use crate::{Error, Result, Shape, Stack};
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, ImageReader, Limits, Luma, Pixel};
use ndarray::Array2;
use std::io::Cursor;
use std::path::Path;

/// Bytes of a picture's file.
pub(crate) const LARGEST_FILE: u64 = 1 << 28;
/// Pixels along a side.
const LONGEST_SIDE: u32 = 1 << 15;
/// Bytes that one picture may take while it is decoded.
const MOST_DECODED: u64 = 1 << 30;

/// The matrix of pictures while it is filled.
pub(crate) struct Filler<'a> {
    path: &'a Path,
    options: &'a ReadOptions,
    names: Vec<String>,
    /// The size of all, and which picture had it first.
    first: Option<(Shape, usize)>,
    pixels: Vec<f32>,
}

impl<'a> Filler<'a> {
    /// For the pictures of these names, of the input `path`.
    pub(crate) fn new(path: &'a Path, options: &'a ReadOptions, names: Vec<String>) -> Self {
        Filler { path, options, names, first: None, pixels: Vec::new() }
    }

    /// Decodes picture `i`.
    pub(crate) fn take(&mut self, i: usize, bytes: &[u8]) -> Result<()> {
        let (shape, values) = decode(bytes, self.options).map_err(|e| self.blame(i, e))?;
        match self.first {
            None => {
                self.pixels = zeros(self.path, self.names.len(), shape, self.options)?;
                self.first = Some((shape, i));
            }
            Some((size, first)) if size != shape => {
                let (own, other) = (shape.text(), size.text());
                let message = format!(
                    "{own} pixels, but {} has {other}: pictures of one size are needed, or --resize WxH",
                    self.name(first)
                );
                return Err(Error::picture(self.path, self.name(i), message));
            }
            Some(_) => {}
        }
        if let Some(row) = self.pixels.chunks_exact_mut(shape.len().max(1)).nth(i) {
            row.copy_from_slice(&values);
        }
        Ok(())
    }

    /// All pictures, and how many files were passed over.
    pub(crate) fn finish(self, skipped: usize) -> Result<(Stack, ReadReport)> {
        let Some((shape, _)) = self.first else { return Err(crate::read::nothing(self.path)) };
        let pixels = Array2::from_shape_vec((self.names.len(), shape.len()), self.pixels)
            .map_err(|e| Error::input(self.path, e.to_string()))?;
        Ok((Stack { pixels, names: self.names, shape }, ReadReport { skipped, array: None }))
    }

    fn name(&self, i: usize) -> &str {
        self.names.get(i).map_or("", String::as_str)
    }

    fn blame(&self, i: usize, message: String) -> Error {
        Error::picture(self.path, self.name(i), message)
    }
}

/// Room for so many pictures, unless it is too much.
pub(crate) fn zeros(path: &Path, pictures: usize, shape: Shape, options: &ReadOptions) -> Result<Vec<f32>> {
    let bytes = (pictures as u64).saturating_mul(shape.len() as u64).saturating_mul(4);
    let too_much = || {
        let gib = |b: u64| b as f64 / f64::from(1 << 30);
        let (size, most) = (shape.text(), gib(options.most_bytes));
        Error::input(
            path,
            format!(
                "{pictures} pictures of {size} take {:.1} GiB, {most:.1} GiB are free for them; --resize WxH makes them smaller",
                gib(bytes)
            ),
        )
    };
    let mut out = Vec::new();
    let count = usize::try_from(bytes / 4).ok().filter(|_| bytes <= options.most_bytes).ok_or_else(too_much)?;
    out.try_reserve_exact(count).map_err(|_| too_much())?;
    out.resize(count, 0.0);
    Ok(out)
}

/// The size and the values, rows of pixels from above; what is wrong with the picture otherwise.
fn decode(bytes: &[u8], options: &ReadOptions) -> Result<(Shape, Vec<f32>), String> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    if reader.format().is_none() {
        return Err("its content is not that of a PNG, JPEG, PGM or PPM picture".into());
    }
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(LONGEST_SIDE), Some(LONGEST_SIDE));
    limits.max_alloc = Some(MOST_DECODED);
    reader.limits(limits);
    let picture = reader.decode().map_err(|e| format!("cannot be decoded ({e})"))?;
    Ok(if options.color {
        sized(picture.to_rgb32f(), options.resize)
    } else if picture.color().has_color() {
        let colours = picture.to_rgb32f();
        let grey = ImageBuffer::from_fn(colours.width(), colours.height(), |x, y| {
            Luma([luminance(&colours.get_pixel(x, y).0)])
        });
        sized::<Luma<f32>>(grey, options.resize)
    } else {
        sized(picture.to_luma32f(), options.resize)
    })
}

/// The grey of a colour: its luminance by the weights of Rec. 709.
pub(crate) fn luminance(rgb: &[f32]) -> f32 {
    rgb.iter().zip([0.2126, 0.7152, 0.0722]).map(|(v, weight)| v * weight).sum()
}

/// The values of a picture, brought to another size where that is asked for.
pub(crate) fn sized<P>(picture: ImageBuffer<P, Vec<f32>>, size: Option<(usize, usize)>) -> (Shape, Vec<f32>)
where
    P: Pixel<Subpixel = f32> + 'static,
{
    let (width, height) = picture.dimensions();
    let (w, h) = size.map_or((width, height), |(w, h)| (w as u32, h as u32));
    let channels = usize::from(P::CHANNEL_COUNT);
    let picture = if (w, h) == (width, height) { picture } else { resize(&picture, w, h, FilterType::Triangle) };
    (Shape { height: h as usize, width: w as usize, channels }, picture.into_raw())
}
