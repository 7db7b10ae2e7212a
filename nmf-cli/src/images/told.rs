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
    out += &table(&["method", "error", "PSNR dB", "sparseness of bases"], &method_rows(found), 1);
    out += "\n\n";
    let mut header = vec!["k", "error", "PSNR dB", "stored", "m·n over it"];
    header.extend(found.pictures.clean.as_ref().map(|_| "PSNR dB without noise"));
    out += &table(&header, &rank_rows(found), 0);
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

/// Name, error, PSNR and sparseness of NMF and its rivals.
pub(super) fn method_rows(found: &Found) -> Vec<Vec<String>> {
    let own = ("NMF", &found.own.errors, found.own.model.sparseness());
    let rivals = found.rivals.iter().map(|r| (r.name, &r.errors, r.model.sparseness()));
    let line = |(name, errors, sparse): (&str, &nmf_image::Errors, f64)| {
        vec![name.into(), format!("{:.4}", errors.relative()), decibels(errors.psnr()), format!("{sparse:.3}")]
    };
    std::iter::once(own).chain(rivals).map(line).collect()
}

/// k, error, PSNR, what it takes to store, and with --denoise the PSNR against what was there before the noise.
pub(super) fn rank_rows(found: &Found) -> Vec<Vec<String>> {
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
    found.ranks().into_iter().map(line).collect()
}

/// A PSNR in two decimals.
pub(super) fn decibels(v: f64) -> String {
    if v.is_finite() { format!("{v:.2}") } else { "∞".into() }
}
