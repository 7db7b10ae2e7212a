//! What `images` prints for people.

use super::Found;
use super::json::Noise;
use crate::args::Global;
use crate::text::{grouped, number, seconds, table};

/// Methods, ranks, and where things are.
pub(super) fn told(found: &Found, global: &Global) -> String {
    let (stack, fit) = (&found.pictures.stack, found.fit);
    let count = stack.names.len();
    let mut out = format!(
        "{} {} of {}, scale {}; {} bases by {} ({})\n\n",
        grouped(count as u64),
        if count == 1 { "picture" } else { "pictures" },
        stack.shape.text(),
        found.args.scale.name(),
        found.own.rank(),
        fit.solver,
        fit.loss
    );
    out += &methods(found);
    out += "\n\n";
    out += &ranks(found);
    if let Some(noise) = Noise::of(found) {
        let (k, psnr) = noise.best;
        let change = if psnr > noise.before { "nearer to" } else { "no nearer to" };
        out += &format!(
            "\n\nnoise of {}: PSNR {:.2} dB before; k = {k} comes {change} the pictures without it: {psnr:.2} dB",
            noise.sigma, noise.before
        );
    }
    if global.verbose {
        out += &format!("\n\n{}", fit.summary(true));
    } else {
        out += &format!(
            "\n\nobjective {} after {} iterations; {} to read, {} to factor\n",
            number(fit.objective),
            fit.iterations,
            seconds(fit.load_seconds),
            seconds(fit.prepare_seconds + fit.seconds)
        );
    }
    match &found.args.output {
        Some(dir) => {
            let compared = if found.rivals.is_empty() { "" } else { "comparison.png and .svg, " };
            out + &format!(
                "written to {} (the model, images.tsv, bases.png, reconstructions.png, {compared}parts.png)",
                dir.display()
            )
        }
        None => out + "nothing was written: -o DIR saves the model, a table and pictures",
    }
}

/// Error and sparseness of NMF and its rivals.
fn methods(found: &Found) -> String {
    let own = ("NMF", &found.own.errors, found.own.model.sparseness());
    let rivals = found.rivals.iter().map(|r| (r.name, &r.errors, r.model.sparseness()));
    let line = |(name, errors, sparse): (&str, &nmf_image::Errors, f64)| {
        vec![name.into(), format!("{:.4}", errors.relative()), decibels(errors.psnr()), format!("{sparse:.3}")]
    };
    let rows: Vec<Vec<String>> = std::iter::once(own).chain(rivals).map(line).collect();
    table(&["method", "error", "PSNR dB", "sparseness of bases"], &rows, 1)
}

/// Every rank.
fn ranks(found: &Found) -> String {
    let mut header = vec!["k", "error", "PSNR dB", "stored", "m·n over it"];
    if found.pictures.clean.is_some() {
        header.push("PSNR dB without noise");
    }
    let line = |a: &super::Again| {
        let stored = found.stored(a.rank());
        let mut cells = vec![
            a.rank().to_string(),
            format!("{:.4}", a.errors.relative()),
            decibels(a.errors.psnr()),
            grouped(stored.factors),
            format!("{:.2}", stored.ratio()),
        ];
        cells.extend(a.clean.as_ref().map(|c| decibels(c.psnr())));
        cells
    };
    let rows: Vec<Vec<String>> = found.ranks().into_iter().map(line).collect();
    table(&header, &rows, 0)
}

pub(super) fn decibels(v: f64) -> String {
    if v.is_finite() { format!("{v:.2}") } else { "∞".into() }
}
