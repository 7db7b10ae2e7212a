//! The files of `images -o DIR`.

use super::{Found, draw, input};
use crate::failure::Failure;
use crate::model;
use crate::report::Painter;
use crate::solve::Solved;
use crate::text::field;
use nmf_core::Element;
use nmf_io::Staging;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Writes the model, the table and the pictures.
pub(super) fn save<T: Element>(dir: &Path, solved: &Solved<T>, found: &Found) -> Result<(), Failure> {
    let mut out = Staging::new(dir)?;
    let fit = Value::Object(solved.report.to_json());
    let stack = &found.pictures.stack;
    model::stage(&mut out, solved.fitted.w(), solved.fitted.h(), &fit, Some(&stack.names), None)?;
    out.bytes("images.json", format!("{:#}\n", input::manner(found.args, stack)).as_bytes())?;
    out.bytes("images.tsv", table(found).as_bytes())?;
    out.bytes("bases.png", &draw::bases_png(found)?)?;
    let painter = Painter::new();
    let mut paint = |name: &'static str, svg: &str| -> Result<(), Failure> {
        let png = painter.png(svg).map_err(|e| Failure::work(format!("{name} cannot be drawn: {e}")))?;
        Ok(out.bytes(name, &png)?)
    };
    paint("reconstructions.png", &draw::reconstructions(found)?)?;
    paint("parts.png", &draw::parts(found)?)?;
    if !found.rivals.is_empty() {
        let svg = draw::comparison(found)?;
        paint("comparison.png", &svg)?;
        out.bytes("comparison.svg", svg.as_bytes())?;
    }
    model::commit(out)
}

/// One line per picture: its name, ‖x − v‖/‖x‖, and its PSNR.
fn table(found: &Found) -> String {
    let mut out = String::from("image\terror\tpsnr\n");
    let errors = &found.own.errors;
    let numbers = found.pictures.stack.shape.len().max(1) as f64;
    for ((name, error), squared) in found.pictures.stack.names.iter().zip(errors.each()).zip(&errors.squared) {
        // writing to a string cannot fail
        let _ = writeln!(out, "{}\t{error:.6}\t{:.3}", field(name), -10.0 * (squared / numbers).log10());
    }
    out
}
