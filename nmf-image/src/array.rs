//! Pictures from a NumPy array.

use crate::decode::{luminance, sized, zeros};
use crate::read::{ReadOptions, ReadReport};
use crate::{Error, Result, Shape, Stack};
use image::{ImageBuffer, Luma, Rgb};
use ndarray::{Array2, ArrayD};
use nmf_io::ArrayInfo;
use std::path::Path;

/// Pictures, and the size of each, if an array of this shape can be a stack.
fn stack_of(shape: &[u64]) -> Option<(usize, Shape)> {
    let dim = |n: u64| usize::try_from(n).ok().filter(|n| (1..=u32::MAX as usize).contains(n));
    let side = |n: u64| dim(n).filter(|n| *n <= 1 << 15);
    Some(match *shape {
        [m, h, w] => (dim(m)?, Shape { height: side(h)?, width: side(w)?, channels: 1 }),
        [m, h, w, c @ (1 | 3)] => (dim(m)?, Shape { height: side(h)?, width: side(w)?, channels: c as usize }),
        _ => return None,
    })
}

fn describe(a: &ArrayInfo) -> String {
    let dims: Vec<String> = a.shape.iter().map(u64::to_string).collect();
    format!("'{}' {} of {}", a.name.as_deref().unwrap_or("array"), dims.join("×"), a.kind)
}

/// The array that holds the pictures.
fn choose(path: &Path, all: Vec<ArrayInfo>, name: Option<&str>) -> Result<(ArrayInfo, usize, Shape)> {
    const FORM: &str = "pictures × rows × columns (× 3 colours)";
    let told = all.iter().take(20).map(describe).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        let Some(a) = all.into_iter().find(|a| a.name.as_deref() == Some(name)) else {
            return Err(Error::input(path, format!("there is no array '{name}', but {told}")));
        };
        let found = stack_of(&a.shape);
        let refuse = || Error::input(path, format!("{}: an array of {FORM} is needed", describe(&a)));
        let (pictures, shape) = found.ok_or_else(refuse)?;
        return Ok((a, pictures, shape));
    }
    let mut stacks = all.into_iter().filter_map(|a| stack_of(&a.shape).map(|(m, shape)| (a, m, shape)));
    match (stacks.next(), stacks.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Error::input(path, format!("no array of {FORM}, but {told}"))),
        (Some(_), Some(_)) => {
            Err(Error::input(path, format!("several arrays can be pictures ({told}): name one by --array")))
        }
    }
}

/// The value that stands for full intensity, by the type and the largest value there is.
fn full_scale(path: &Path, kind: &str, largest: f32) -> Result<f32> {
    match kind {
        "u1" => Ok(255.0),
        "u2" => Ok(65535.0),
        "b1" => Ok(1.0),
        // other types say nothing: the smallest of the usual scales that holds all values
        _ => [1.0, 255.0, 65535.0].into_iter().find(|s| largest <= *s).ok_or_else(|| {
            Error::input(
                path,
                format!("values up to {largest}: 0 to 1, 0 to 255 or 0 to 65535 are accepted; divide them"),
            )
        }),
    }
}

pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<(Stack, ReadReport)> {
    let (chosen, pictures, shape) = choose(path, nmf_io::arrays(path)?, options.array.as_deref())?;
    // refused before it is read
    drop(zeros(path, pictures, shape, options)?);
    let values: ArrayD<f32> = nmf_io::read_array(path, chosen.name.as_deref())?;
    let values = Array2::from_shape_vec((pictures, shape.len()), values.into_raw_vec_and_offset().0)
        .map_err(|e| Error::input(path, e.to_string()))?;
    let title = chosen.name.clone().unwrap_or_else(|| "picture".into());
    let names: Vec<String> = (0..pictures).map(|i| format!("{title}[{i}]")).collect();
    for (row, name) in values.outer_iter().zip(&names) {
        if let Some(j) = row.iter().position(|v| !(v.is_finite() && *v >= 0.0)) {
            let (pixel, value) = (j / shape.channels, row[j]);
            let (y, x) = (pixel / shape.width, pixel % shape.width);
            let message = format!("row {y}, column {x} (counted from 0) is {value}: a number ≥ 0 is needed");
            return Err(Error::picture(path, name, message));
        }
    }
    let scale = full_scale(path, &chosen.kind, values.iter().fold(0.0, |a, v| a.max(*v)))?;
    let (values, shape) = formed(path, values / scale, shape, options)?;
    let report = ReadReport { skipped: 0, array: Some((chosen.name, f64::from(scale))) };
    Ok((Stack { pixels: values, names, shape }, report))
}

/// As `options` want them: grey or in colour, of another size.
fn formed(path: &Path, values: Array2<f32>, shape: Shape, options: &ReadOptions) -> Result<(Array2<f32>, Shape)> {
    let color = options.color;
    let new_size = options.resize.filter(|size| *size != (shape.width, shape.height));
    if new_size.is_none() && color == (shape.channels == 3) {
        return Ok((values, shape));
    }
    let channels = if color { 3 } else { 1 };
    let (width, height) = new_size.unwrap_or((shape.width, shape.height));
    let target = Shape { height, width, channels };
    let mut out = zeros(path, values.nrows(), target, options)?;
    for (row, room) in values.outer_iter().zip(out.chunks_exact_mut(target.len())) {
        let pixels: Vec<f32> = match (shape.channels, color) {
            (3, false) => row.to_vec().chunks_exact(3).map(luminance).collect(),
            (1, true) => row.iter().flat_map(|v| [*v; 3]).collect(),
            _ => row.to_vec(),
        };
        let (w, h) = (shape.width as u32, shape.height as u32);
        let mismatch = || Error::input(path, "a picture whose size is not that of its array");
        let resized = if color {
            sized(ImageBuffer::<Rgb<f32>, _>::from_raw(w, h, pixels).ok_or_else(mismatch)?, Some((width, height))).1
        } else {
            sized(ImageBuffer::<Luma<f32>, _>::from_raw(w, h, pixels).ok_or_else(mismatch)?, Some((width, height))).1
        };
        room.copy_from_slice(&resized);
    }
    let out =
        Array2::from_shape_vec((values.nrows(), target.len()), out).map_err(|e| Error::input(path, e.to_string()))?;
    Ok((out, target))
}
