//! Pictures read and prepared, and those that a saved model is to explain.

use super::ImagesArgs;
use crate::args::{Global, PrecisionChoice};
use crate::failure::Failure;
use crate::model::Model;
use crate::progress::spinner;
use crate::text::grouped;
use ndarray::Array2;
use nmf_image::{ReadOptions, Scaling, Stack};
use nmf_io::{Loaded, Precision, Table};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Part of the free memory that the pictures themselves may take: the backend, models and drawings need the rest.
const SHARE: f64 = 0.2;

/// The pictures, as they are factored.
pub(super) struct Pictures {
    /// Scaled, and with noise where --denoise adds some.
    pub(super) stack: Stack,
    /// Without the noise.
    pub(super) clean: Option<Array2<f32>>,
    /// Seconds to read and prepare them.
    pub(super) load_seconds: f64,
}

/// What the reader is told.
pub(super) fn reading(args: &ImagesArgs) -> ReadOptions {
    ReadOptions {
        color: args.color || args.pixels,
        resize: args.resize,
        array: args.array.clone(),
        most_bytes: most_bytes(),
    }
}

/// Bytes that pictures may take on this machine now.
fn most_bytes() -> u64 {
    let free = crate::session::available_bytes().map(|b| (b * SHARE) as u64);
    free.unwrap_or(ReadOptions::default().most_bytes)
}

/// Reads, scales and adds noise, as the options say.
pub(super) fn load(args: &ImagesArgs, global: &Global) -> Result<Pictures, Failure> {
    let clock = Instant::now();
    let mut stack = read(&args.input, &reading(args), global)?;
    args.scale.apply(&mut stack.pixels);
    let clean = match args.denoise {
        None => None,
        Some(sigma) => {
            let noisy = nmf_image::noisy(stack.pixels.view(), sigma, args.fit.seed)?;
            Some(std::mem::replace(&mut stack.pixels, noisy))
        }
    };
    Ok(Pictures { stack, clean, load_seconds: clock.elapsed().as_secs_f64() })
}

fn read(path: &Path, options: &ReadOptions, global: &Global) -> Result<Stack, Failure> {
    let wheel = spinner(global, format!("reading {}", path.display()));
    let (stack, report) = nmf_image::read(path, options)?;
    drop(wheel);
    if report.skipped > 0 {
        let skipped = grouped(report.skipped as u64);
        global.note(format!("{}: files that are no pictures by their names, passed over: {skipped}", path.display()));
    }
    if let Some((name, scale)) = &report.array {
        let name = name.as_ref().map_or(String::new(), |n| format!("array '{n}', "));
        global.detail(format!("{}: {name}full intensity is {scale}", path.display()));
    }
    Ok(stack)
}

impl Pictures {
    /// As the matrix that is factored.
    pub(super) fn table(&self, global: &Global) -> Result<Loaded, Failure> {
        let precision = global.precision == Some(PrecisionChoice::F64);
        Ok(loaded(self.stack.pixels.clone(), Some(self.stack.names.clone()), precision))
    }
}

/// A matrix with names of its rows, in f32 unless f64 is asked for: pictures have 8 or 16 bits.
pub(super) fn loaded(pixels: Array2<f32>, row_names: Option<Vec<String>>, double: bool) -> Loaded {
    let loaded = Loaded::F32(Table { matrix: pixels.into(), row_names, col_names: None });
    if double { Loaded::F64(loaded.into_f64()) } else { loaded }
}

/// images.json: how pictures become rows, for those that come later.
pub(super) fn manner(args: &ImagesArgs, stack: &Stack) -> Value {
    let shape = stack.shape;
    let resized = args.resize.is_some();
    json!({
        "height": shape.height, "width": shape.width, "channels": shape.channels, "resized": resized,
        "scale": args.scale.name(),
    })
}

/// Pictures as rows as the model's own were; `None` if the model is not of pictures or `input` is a matrix.
pub(crate) fn read_pictures_for_model(
    model: &Model,
    input: &Path,
    precision: Option<Precision>,
    global: &Global,
) -> Result<Option<Loaded>, Failure> {
    let path = model.dir.join("images.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Failure::file(&path, e)),
    };
    if is_matrix(input) {
        return Ok(None);
    }
    let value: Value = serde_json::from_str(&text).map_err(|e| Failure::file(&path, e))?;
    let number = |key: &str| {
        let n = value.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        n.ok_or_else(|| Failure::file(&path, format!("no number \"{key}\" in it")))
    };
    let (height, width, channels) = (number("height")?, number("width")?, number("channels")?);
    let scale: Scaling = match value.get("scale").and_then(Value::as_str) {
        Some(name) => name.parse().map_err(|e: nmf_image::Error| Failure::file(&path, e))?,
        None => return Err(Failure::file(&path, "no \"scale\" in it")),
    };
    let resized = value.get("resized").and_then(Value::as_bool).unwrap_or(false);
    let options = ReadOptions {
        color: channels == 3,
        resize: resized.then_some((width, height)),
        most_bytes: most_bytes(),
        ..ReadOptions::default()
    };
    let mut stack = read(input, &options, global)?;
    if (stack.shape.height, stack.shape.width) != (height, width) {
        let message = format!(
            "pictures of {}, but the model in {} has {width}×{height}",
            stack.shape.text(),
            model.dir.display()
        );
        return Err(Failure::file(input, message));
    }
    scale.apply(&mut stack.pixels);
    Ok(Some(loaded(stack.pixels, Some(stack.names), precision == Some(Precision::F64))))
}

/// Whether a path is surely a matrix of pixels, not pictures.
fn is_matrix(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    if [".csv", ".tsv", ".csv.gz", ".tsv.gz", ".mtx", ".mtx.gz"].iter().any(|end| name.ends_with(end)) {
        return true;
    }
    let arrays = nmf_io::arrays(path);
    path.is_file() && arrays.is_ok_and(|all| all.iter().all(|a| a.shape.len() < 3))
}
