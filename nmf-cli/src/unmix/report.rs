//! What `unmix` prints and writes.

use super::UnmixArgs;
use super::model::Unmixed;
use super::score::Score;
use crate::failure::Failure;
use crate::model;
use crate::pictures::{Series, lines, matrix};
use crate::report::{Page, fit};
use crate::text::{grouped, number, seconds, table};
use ndarray::Array3;
use nmf_io::Staging;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Keys of `unmix`, then those of the factorization.
pub(super) fn json(found: &Unmixed, score: Option<&Score>) -> Map<String, Value> {
    let (rows, cols, bands) = found.shape;
    let endmembers: Vec<Value> = (0..found.pixels.len())
        .map(|q| {
            let mean = found.abundances.column(q).mean();
            let matched = score.map(|s| s.matched[q]);
            json!({ "pixel": found.pixels[q], "mean_abundance": mean, "reference": matched, "spectrum": found.endmembers.row(q).to_vec() })
        })
        .collect();
    let angles = score.and_then(|s| s.angles.clone());
    let degrees = angles.as_ref().map(|a| a.iter().map(|v| v.to_degrees()).collect::<Vec<_>>());
    let angle = score.and_then(Score::angle);
    let mut map = Map::new();
    for (key, value) in [
        ("height", json!(rows)),
        ("width", json!(cols)),
        ("bands", json!(bands)),
        ("endmembers", Value::Array(endmembers)),
        ("rmse", json!(score.and_then(Score::mean_rmse))),
        ("rmse_each", json!(score.and_then(|s| s.rmse.clone()))),
        ("spectral_angle", json!(angle)),
        ("spectral_angle_degrees", json!(angle.map(f64::to_degrees))),
        ("spectral_angle_each", json!(angles)),
        ("spectral_angle_each_degrees", json!(degrees)),
    ] {
        map.insert(key.into(), value);
    }
    for (key, value) in found.report.to_json() {
        map.entry(key).or_insert(value);
    }
    map
}

/// For people.
pub(super) fn told(args: &UnmixArgs, found: &Unmixed, score: Option<&Score>, verbose: bool) -> String {
    let (rows, cols, bands) = found.shape;
    let report = &found.report;
    let mut out = format!(
        "{rows} × {cols} pixels, {bands} bands; {} endmembers, {} iterations from the purest pixels ({} abundances)\n\n",
        found.pixels.len(),
        report.iterations,
        args.abundances.name()
    );
    let (header, lines) = summary(found, score);
    out += &format!("{}\n", table(&header, &lines, 1));
    if let Some(score) = score {
        out.push('\n');
        if let Some(a) = score.angle() {
            out += &format!("mean spectral angle {:.4} rad ({:.2}°)\n", a, a.to_degrees());
        }
        if let Some(e) = score.mean_rmse() {
            out += &format!("mean abundance RMSE {e:.4}\n");
        }
    }
    if verbose {
        out += &format!("\n{}\n", report.summary(true));
    } else {
        out += &format!(
            "\n‖X − WH‖/‖X‖ = {}; {} to read, {} to factor\n",
            number((report.squared_error / report.norm_squared.max(f64::MIN_POSITIVE)).sqrt()),
            seconds(report.load_seconds),
            seconds(report.prepare_seconds + report.seconds)
        );
    }
    match &args.output {
        Some(dir) => {
            out += &format!(
                "written to {} (the model, abundances.npy, endmembers.tsv, endmembers.svg, abundance-*.svg)",
                dir.display()
            );
        }
        None => out += "nothing was written: -o DIR saves the model, maps and spectra",
    }
    out
}

/// A line for each endmember.
fn summary(found: &Unmixed, score: Option<&Score>) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let mut header = vec!["endmember", "found in pixel (row, column)", "mean abundance"];
    if score.is_some() {
        header.extend(["reference", "angle (rad)", "RMSE"]);
    }
    let line = |q: usize| {
        let (i, j) = found.pixels[q];
        let mean = found.abundances.column(q).mean().unwrap_or(0.0);
        let mut line = vec![(q + 1).to_string(), format!("{i}, {j}"), format!("{mean:.3}")];
        if let Some(score) = score {
            // angles and errors are those of the matched, in the order of the reference
            let at = score.matched[q].map(|r| score.matched.iter().flatten().filter(|o| **o < r).count());
            let of = |list: &Option<Vec<f64>>| {
                at.zip(list.as_ref()).and_then(|(at, l)| l.get(at)).map_or("–".into(), |v| format!("{v:.4}"))
            };
            line.push(score.matched[q].map_or("–".into(), |r| (r + 1).to_string()));
            line.push(of(&score.angles));
            line.push(of(&score.rmse));
        }
        line
    };
    (header, (0..found.pixels.len()).map(line).collect())
}

/// The spectra as lines over the bands.
fn spectra(found: &Unmixed) -> String {
    let series: Vec<Series> = found
        .endmembers
        .outer_iter()
        .enumerate()
        .map(|(q, row)| {
            Series::new(format!("endmember {}", q + 1), row.iter().enumerate().map(|(b, v)| (b as f64, *v)))
        })
        .collect();
    lines("Spectra of the endmembers", "band (from 0)", "value, largest = 1", &series, &[], false)
}

/// The map of one endmember.
fn map(found: &Unmixed, q: usize) -> String {
    let title = format!("Abundance of endmember {}", q + 1);
    matrix(
        &title,
        found.map(q).view(),
        (0.0, 1.0),
        false,
        ("rows", "columns"),
        "share",
        "A pixel is a pixel of the cube.",
    )
}

/// Writes the model, abundances.npy, endmembers.tsv and the pictures.
pub(super) fn save(dir: &Path, found: &Unmixed) -> Result<(), Failure> {
    let mut out = Staging::new(dir)?;
    let fit = Value::Object(found.report.to_json());
    model::stage(&mut out, found.weights.view(), found.endmembers.view(), &fit, None, None)?;
    let (rows, cols, bands) = found.shape;
    let k = found.pixels.len();
    let cube = Array3::from_shape_fn((rows, cols, k), |(i, j, q)| found.abundances[[i * cols + j, q]] as f32);
    out.npy("abundances.npy", cube.view())?;
    let mut text = String::from("band");
    (1..=k).for_each(|q| text.push_str(&format!("\tendmember_{q}")));
    text.push('\n');
    for band in 0..bands {
        text.push_str(&band.to_string());
        found.endmembers.column(band).iter().for_each(|v| text.push_str(&format!("\t{v:.6}")));
        text.push('\n');
    }
    out.bytes("endmembers.tsv", text.as_bytes())?;
    out.bytes("endmembers.svg", spectra(found).as_bytes())?;
    for q in 0..k {
        out.bytes(&format!("abundance-{:02}.svg", q + 1), map(found, q).as_bytes())?;
    }
    model::commit(out)?;
    // maps of an older result with more endmembers
    for q in k.. {
        let path = dir.join(format!("abundance-{:02}.svg", q + 1));
        if !path.is_file() {
            return Ok(());
        }
        std::fs::remove_file(&path)
            .map_err(|e| Failure::work(format!("{}: of an older result, cannot be removed: {e}", path.display())))?;
    }
    Ok(())
}

/// The report.
pub(super) fn page(args: &UnmixArgs, found: &Unmixed, score: Option<&Score>) -> Page {
    let (rows, cols, bands) = found.shape;
    let report = &found.report;
    let mut page = Page::new(
        &format!("{}: {} endmembers", fit::file_name(&args.cube), found.pixels.len()),
        "Hyperspectral unmixing by non-negative matrix factorization of pixels × bands",
    );
    let mut tiles = vec![
        ("pixels", format!("{} × {}", grouped(rows as u64), grouped(cols as u64))),
        ("bands", grouped(bands as u64)),
        ("endmembers", found.pixels.len().to_string()),
    ];
    tiles.extend(score.and_then(Score::angle).map(|a| ("spectral angle", format!("{a:.3} rad"))));
    tiles.extend(score.and_then(Score::mean_rmse).map(|e| ("abundance RMSE", format!("{e:.3}"))));
    tiles.extend(fit::tiles(report).into_iter().filter(|(name, _)| !["matrix", "components"].contains(name)));
    page.tiles(&tiles);
    page.section("Abundances", "The share of each endmember in every pixel; the shares of a pixel sum to 1.");
    for q in 0..found.pixels.len() {
        page.figure(&format!("abundance-{:02}", q + 1), map(found, q), "");
    }
    page.section("Endmembers", "The spectra of the pure materials, the largest value of each 1.");
    page.figure("endmembers", spectra(found), "");
    let (header, lines) = summary(found, score);
    page.table(&header, &lines);
    fit::progress(&mut page, report);
    fit::loss(&mut page, report);
    let extra = [("refining iterations", args.refine.to_string()), ("abundances", args.abundances.name().to_string())];
    fit::settings(&mut page, report, &args.cube, &extra);
    page
}
