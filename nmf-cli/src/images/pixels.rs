//! `images PICTURE --pixels`: one colour picture as a palette and how much of each colour every pixel has.

use super::ImagesArgs;
use super::draw::{photo, seen};
use super::input::{loaded, reading};
use super::json::finite;
use super::told::decibels;
use crate::args::{Global, PrecisionChoice};
use crate::failure::Failure;
use crate::known::Known;
use crate::model;
use crate::pictures::gallery;
use crate::report::{Page, Painter, fit};
use crate::session::{self, Engine, on_engine};
use crate::solve::{Job, Solved, solve};
use crate::text::{self, grouped, number, seconds};
use ndarray::Array1;
use nmf_core::Element;
use nmf_image::{Errors, Look, LowRank, Shape, Stack, Stored, enlarged, grid, png, tile};
use nmf_io::Staging;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::Instant;

/// One picture taken apart.
struct Mixed<'a> {
    args: &'a ImagesArgs,
    fit: &'a crate::fit_json::Report,
    /// The picture: one row.
    stack: &'a Stack,
    /// Pixels × k, k × 3; the largest channel of every colour is 1.
    model: LowRank,
    errors: Errors,
}

/// Runs the command.
pub(super) fn run(args: &ImagesArgs, global: &Global) -> Result<(), Failure> {
    let clock = Instant::now();
    let (stack, _) = nmf_image::read(&args.input, &reading(args))?;
    if stack.names.len() != 1 {
        let message = format!("{} pictures: --pixels takes one", grouped(stack.names.len() as u64));
        return Err(Failure::file(&args.input, message));
    }
    let pixels = stack.pixels.clone().into_shape_with_order((stack.shape.height * stack.shape.width, 3));
    let pixels = pixels.map_err(|e| Failure::file(&args.input, format!("a colour picture is needed ({e})")))?;
    let load_seconds = clock.elapsed().as_secs_f64();
    let table = loaded(pixels.clone(), None, global.precision == Some(PrecisionChoice::F64));
    let known = Known::default();
    let mut engine = Engine::open(global, &session::work(&table, &args.fit, &known))?;
    on_engine!(&mut engine, table, |b, table| {
        let source = &args.input;
        let job = Job {
            fit: &args.fit,
            known: &known,
            normalize: None,
            source,
            load_seconds,
            checkpoint: None,
            output: None,
            global,
        };
        let solved = solve(b, table.matrix.view(), &job, None)?;
        let model = brightened(&solved);
        let errors = model.errors(pixels.view());
        let mixed = Mixed { args, fit: &solved.report, stack: &stack, model, errors };
        if let Some(dir) = &args.output {
            save(dir, &solved, &mixed)?;
        }
        if args.report.wanted() {
            args.report.write(page(&mixed)?)?;
        }
        if global.json {
            text::print_json(&Value::Object(to_json(&mixed)))?;
        } else {
            text::print(&(told(&mixed) + &args.report.told()))?;
        }
        solved.outcome(args.output.as_deref())
    })
}

/// The factors with every colour at its brightest; the weights take up the scale.
fn brightened<T: Element>(solved: &Solved<T>) -> LowRank {
    let (mut weights, mut bases) = (solved.fitted.w().mapv(T::f64), solved.fitted.h().mapv(T::f64));
    for (mut colour, mut weight) in bases.outer_iter_mut().zip(weights.columns_mut()) {
        let most = colour.iter().fold(0.0f64, |a, v| a.max(*v));
        if most > 0.0 {
            colour.mapv_inplace(|v| v / most);
            weight.mapv_inplace(|v| v * most);
        }
    }
    LowRank { weights, bases, mean: None }
}

impl Mixed<'_> {
    /// Red, green and blue of every colour, 0 to 255.
    fn palette(&self) -> Vec<[u8; 3]> {
        let byte = |v: f64| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
        self.model.bases.outer_iter().map(|c| std::array::from_fn(|j| byte(c.get(j).copied().unwrap_or(0.0)))).collect()
    }

    /// A square of every colour beside each other.
    fn swatches(&self) -> Result<nmf_image::RgbImage, Failure> {
        let one = Shape { height: 1, width: 1, channels: 3 };
        let draw = |c: ndarray::ArrayView1<'_, f64>| Ok(tile(c.mapv(|v| v as f32).view(), one, Look::Light, 1.0)?);
        let tiles = self.model.bases.outer_iter().map(draw).collect::<Result<Vec<_>, Failure>>()?;
        let large: Vec<_> = tiles.iter().map(|t| enlarged(t, 96)).collect();
        Ok(grid(&large, large.len())?)
    }

    /// The picture, the sum of its colours, and where each of them is.
    fn maps(&self) -> Result<String, Failure> {
        let shape = self.stack.shape;
        let grey = Shape { channels: 1, ..shape };
        let again: Array1<f32> = self.model.pictures(0, usize::MAX).iter().map(|v| *v as f32).collect();
        let mut photos =
            vec![seen(self.stack.pixels.row(0), shape, 1.0, "the picture")?, seen(again.view(), shape, 1.0, "W·H")?];
        let mut headings = vec!["original".to_string(), "W·H".into()];
        let top = self.model.weights.iter().fold(0.0f64, |a, v| a.max(*v)) as f32;
        for (q, (w, [r, g, b])) in self.model.weights.columns().into_iter().zip(self.palette()).enumerate() {
            let hex = format!("#{r:02x}{g:02x}{b:02x}");
            let w: Array1<f32> = w.iter().map(|v| *v as f32).collect();
            photos.push(seen(w.view(), grey, top, &format!("weights of {hex}"))?);
            headings.push(format!("{}: {hex}", q + 1));
        }
        let palette = photo(&self.swatches()?, "the palette".into())?;
        let rows = [(String::new(), photos), ("palette".to_string(), vec![palette])];
        Ok(gallery("A picture and its colours", &headings, &rows, "Maps: white is the largest weight of all."))
    }
}

fn save<T: Element>(dir: &Path, solved: &Solved<T>, mixed: &Mixed<'_>) -> Result<(), Failure> {
    let mut out = Staging::new(dir)?;
    let fit = Value::Object(solved.report.to_json());
    model::stage(&mut out, solved.fitted.w(), solved.fitted.h(), &fit, None, None)?;
    out.bytes("palette.png", &png(&mixed.swatches()?)?)?;
    let drawn = Painter::new().png(&mixed.maps()?);
    out.bytes("abundances.png", &drawn.map_err(|e| Failure::work(format!("abundances.png cannot be drawn: {e}")))?)?;
    model::commit(out)
}

fn to_json(mixed: &Mixed<'_>) -> Map<String, Value> {
    let shape = mixed.stack.shape;
    let k = mixed.model.bases.nrows();
    let stored = Stored::new((shape.height * shape.width, 3), k);
    let pairs = [
        ("images", json!(1)),
        ("height", json!(shape.height)),
        ("width", json!(shape.width)),
        ("channels", json!(3)),
        ("palette", json!(mixed.palette())),
        ("error", json!({ "nmf": mixed.errors.relative(), "pca": null, "kmeans": null })),
        (
            "compression",
            json!({ "stored": stored.factors, "mn": stored.pictures, "ratio": stored.ratio(), "psnr": finite(mixed.errors.psnr()) }),
        ),
    ];
    let mut map: Map<String, Value> = pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
    for (key, value) in mixed.fit.to_json() {
        map.entry(key).or_insert(value);
    }
    map
}

fn told(mixed: &Mixed<'_>) -> String {
    let fit = mixed.fit;
    let mut out = format!(
        "one picture of {}; {} colours by {} ({})\n\n",
        mixed.stack.shape.text(),
        fit.rank,
        fit.solver,
        fit.loss
    );
    let total: f64 = mixed.model.weights.sum();
    let sums = mixed.model.weights.columns().into_iter().map(|w| w.sum() / total.max(f64::MIN_POSITIVE));
    let rows: Vec<Vec<String>> = mixed
        .palette()
        .iter()
        .zip(sums)
        .enumerate()
        .map(|(q, ([r, g, b], share))| {
            vec![(q + 1).to_string(), format!("#{r:02x}{g:02x}{b:02x}"), format!("{:.1}", 100.0 * share)]
        })
        .collect();
    out += &text::table(&["colour", "RGB", "share of weights, %"], &rows, 2);
    out += &format!(
        "\n\nerror {:.4}, PSNR {} dB; objective {} after {} iterations, {} to factor\n",
        mixed.errors.relative(),
        decibels(mixed.errors.psnr()),
        number(fit.objective),
        fit.iterations,
        seconds(fit.prepare_seconds + fit.seconds)
    );
    match &mixed.args.output {
        Some(dir) => out + &format!("written to {} (the model, palette.png, abundances.png)", dir.display()),
        None => out + "nothing was written: -o DIR saves the model and pictures",
    }
}

fn page(mixed: &Mixed<'_>) -> Result<Page, Failure> {
    let name = fit::file_name(&mixed.args.input);
    let mut page = Page::new(
        &format!("{name}: {} colours", mixed.fit.rank),
        "Colours of a picture by non-negative matrix factorization",
    );
    let mut tiles =
        vec![("pixels", mixed.stack.shape.text()), ("PSNR", format!("{} dB", decibels(mixed.errors.psnr())))];
    tiles.extend(fit::tiles(mixed.fit));
    page.tiles(&tiles);
    page.section("Colours", "Every pixel is a sum of the colours, each times its weight there.");
    page.figure("colours", mixed.maps()?, "");
    fit::progress(&mut page, mixed.fit);
    fit::loss(&mut page, mixed.fit);
    fit::settings(&mut page, mixed.fit, &mixed.args.input, &mixed.args.fit.stops());
    Ok(page)
}
