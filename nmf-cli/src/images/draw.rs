//! Sheets of bases, pictures put together again, one picture taken apart.

use super::{Again, Found};
use crate::failure::Failure;
use crate::pictures::{Photo, gallery};
use crate::text::number;
use ndarray::{Array1, ArrayView1};
use nmf_image::{Look, LowRank, RgbImage, Shape, enlarged, grid, montage, png, shrunk, tile};

/// Pictures that are put together again.
const EXAMPLES: usize = 6;
/// Pixels of a picture's longer side in galleries.
const SIDE: u32 = 240;
/// Pixels of a sheet, about, where its tiles are small.
const SHEET: u32 = 700;
/// Width of the rectangle that stands for a weight, in pixels.
const WEIGHT: usize = 8;

/// Tiles beside each other, so that the sheet is about as wide as it is high.
fn columns(count: usize, shape: Shape) -> usize {
    let square = (count as f64 * shape.height as f64 / shape.width.max(1) as f64).sqrt();
    (square.ceil() as usize).clamp(1, count.max(1))
}

/// All bases of a model; those that may be negative in two colours.
fn sheet(model: &LowRank, shape: Shape, side: u32) -> Result<RgbImage, Failure> {
    let bases = model.bases.mapv(|v| v as f32);
    let look = if model.mean.is_some() { Look::Signed } else { Look::Ink };
    Ok(montage(bases.view(), shape, columns(bases.nrows(), shape), look, side)?)
}

/// The bases of the factorization as a file of their own, large enough to be looked at.
pub(super) fn bases_png(found: &Found) -> Result<Vec<u8>, Failure> {
    let sheet = sheet(&found.own.model, found.pictures.stack.shape, SIDE)?;
    let factor = (SHEET / sheet.width().max(sheet.height()).max(1)).max(1);
    Ok(png(&enlarged(&sheet, factor))?)
}

pub(super) fn photo(picture: &RgbImage, told: String) -> Result<Option<Photo>, Failure> {
    Ok(Some(Photo { png: png(picture)?, size: picture.dimensions(), told }))
}

/// A picture as it is seen; `top` is white.
pub(super) fn seen(numbers: ArrayView1<'_, f32>, shape: Shape, top: f32, told: &str) -> Result<Option<Photo>, Failure> {
    photo(&shrunk(tile(numbers, shape, Look::Light, top)?, SIDE), told.into())
}

/// NMF and its rivals: key, name and model of each.
fn all<'a>(found: &'a Found) -> Vec<(String, &'a LowRank, f64)> {
    let own = ("NMF".to_string(), &found.own.model, found.own.errors.relative());
    let rivals = found.rivals.iter().map(|r| (r.name.to_string(), &r.model, r.errors.relative()));
    std::iter::once(own).chain(rivals).collect()
}

/// The bases of all methods beside each other.
pub(super) fn comparison(found: &Found) -> Result<String, Failure> {
    let shape = found.pictures.stack.shape;
    let (mut headings, mut photos) = (Vec::new(), Vec::new());
    for (name, model, _) in all(found) {
        let told = format!("{name}: {} bases, sparseness {}", model.bases.nrows(), number(model.sparseness()));
        headings.push(format!("{name} · {:.2}", model.sparseness()));
        photos.push(photo(&sheet(model, shape, SIDE / 2)?, told)?);
    }
    let inks = if shape.channels == 3 { "" } else { " White is 0, black the largest number of the basis." };
    let signed = match found.rivals.is_empty() {
        true => "",
        false if shape.channels == 3 => " Of PCA, grey is 0.",
        false => " Of PCA, blue is negative and red positive.",
    };
    let caption =
        format!("The number behind each name is the mean sparseness (Hoyer) of the bases, from 0 to 1.{inks}{signed}");
    let title = if found.rivals.is_empty() { "Bases" } else { "Bases of three methods" };
    Ok(gallery(title, &headings, &[(String::new(), photos)], &caption))
}

/// Pictures evenly spread over all, and the one that is shown.
fn examples(found: &Found) -> Vec<usize> {
    let m = found.pictures.stack.names.len();
    let count = EXAMPLES.min(m);
    let mut all: Vec<usize> = (0..count).map(|i| i * m / count.max(1)).collect();
    if !all.contains(&found.shown)
        && let Some(first) = all.first_mut()
    {
        *first = found.shown;
    }
    all
}

/// Original, at every rank, and by the other methods.
pub(super) fn reconstructions(found: &Found) -> Result<String, Failure> {
    let (stack, ranks) = (&found.pictures.stack, found.ranks());
    let mut headings = vec!["original".to_string()];
    if found.pictures.clean.is_some() {
        headings.push("noisy".into());
    }
    headings.extend(ranks.iter().map(|a| format!("k = {}", a.rank())));
    headings.extend(found.rivals.iter().map(|r| r.name.to_string()));
    let mut rows = Vec::new();
    for i in examples(found) {
        let (noisy, name) = (stack.pixels.row(i), &stack.names[i]);
        let original = found.pictures.clean.as_ref().map_or(noisy, |c| c.row(i));
        let top = original.iter().fold(0.0f32, |a, v| a.max(*v));
        let mut photos = vec![seen(original, stack.shape, top, name)?];
        if found.pictures.clean.is_some() {
            photos.push(seen(noisy, stack.shape, top, "with noise")?);
        }
        let models = ranks.iter().map(|a| (format!("k = {}", a.rank()), &a.model));
        for (what, model) in models.chain(found.rivals.iter().map(|r| (r.name.to_string(), &r.model))) {
            photos.push(seen(one(model, i).view(), stack.shape, top, &what)?);
        }
        rows.push((name.clone(), photos));
    }
    let rivals =
        if found.rivals.is_empty() { String::new() } else { format!(" PCA and k-means: at k = {}.", found.own.rank()) };
    let caption = format!(
        "W·H at several k, a factorization each.{rivals} White is the brightest pixel of the original in its row."
    );
    Ok(gallery("Pictures put together again", &headings, &rows, &caption))
}

/// The model of one picture.
fn one(model: &LowRank, i: usize) -> Array1<f32> {
    model.pictures(i, i + 1).iter().map(|v| *v as f32).collect()
}

/// One picture as bases × weights, by every method.
pub(super) fn parts(found: &Found) -> Result<String, Failure> {
    let (stack, i) = (&found.pictures.stack, found.shown);
    let original = stack.pixels.row(i);
    let top = original.iter().fold(0.0f32, |a, v| a.max(*v));
    let own = found.own.errors.each().get(i).copied().unwrap_or(f64::NAN);
    let errors =
        std::iter::once(own).chain(found.rivals.iter().map(|r| r.errors.each().get(i).copied().unwrap_or(f64::NAN)));
    let mut rows = Vec::new();
    for ((name, model, _), error) in all(found).into_iter().zip(errors) {
        let mean = if model.mean.is_some() { ", with the mean picture" } else { "" };
        let photos = vec![
            photo(&sheet(model, stack.shape, SIDE / 2)?, format!("bases of {name}"))?,
            photo(&weights(model, i, stack.shape)?, format!("weights of {name}"))?,
            seen(one(model, i).view(), stack.shape, top, "bases times weights")?,
            seen(original, stack.shape, top, &stack.names[i])?,
        ];
        rows.push((format!("{name}{mean} · error {error:.3}"), photos));
    }
    let headings = ["bases", "× weights", "= picture", "original"].map(String::from);
    let caption = format!(
        "{}: each weight stands where its basis stands in the sheet; the darker, the more of it (red: more, blue: less). \
         NMF adds parts, PCA adds and takes away, k-means takes one whole.",
        stack.names[i]
    );
    Ok(gallery("One picture taken apart", &headings, &rows, &caption))
}

/// The weights of picture `i` as rectangles in the order of the sheet. A basis is drawn relative to its largest number, so that number belongs to
/// the weight.
fn weights(model: &LowRank, i: usize, shape: Shape) -> Result<RgbImage, Failure> {
    let largest = model.bases.outer_iter().map(|b| b.iter().fold(0.0f64, |a, v| a.max(v.abs())));
    let w: Vec<f32> = model.weights.row(i).iter().zip(largest).map(|(w, most)| (w * most) as f32).collect();
    let top = w.iter().fold(0.0f32, |a, v| a.max(v.abs()));
    let look = if model.mean.is_some() { Look::Signed } else { Look::Ink };
    // of the proportions of a basis, so that both sheets are alike
    let height = (WEIGHT * shape.height / shape.width.max(1)).clamp(1, 16 * WEIGHT);
    let cell = Shape { height, width: WEIGHT, channels: 1 };
    let draw = |v: &f32| Ok(tile(Array1::from_elem(cell.len(), *v).view(), cell, look, top)?);
    let tiles = w.iter().map(draw).collect::<Result<Vec<_>, Failure>>()?;
    Ok(grid(&tiles, columns(w.len(), shape))?)
}

/// The PSNR over k.
pub(super) fn curve(found: &Found) -> String {
    let psnr = |a: &&Again| a.clean.as_ref().unwrap_or(&a.errors).psnr();
    let points = found.ranks().iter().map(|a| (a.rank() as f64, psnr(a))).collect::<Vec<_>>();
    let series = crate::pictures::Series::new("NMF", points);
    let y = if found.pictures.clean.is_some() { "PSNR against the pictures without noise, dB" } else { "PSNR, dB" };
    crate::pictures::lines("How near the pictures come", "k", y, &[series], &[], false)
}
