//! What a report says of any factorization: how it went, how good it is, what its loss counts, its settings.

use super::Page;
use crate::fit_json::Report;
use crate::pictures::{Series, lines, log_pays, losses};
use crate::text::{grouped, number, seconds};
use nmf_core::{Observed, Penalty, Stopped};
use std::path::Path;

/// The key figures.
pub(crate) fn tiles(report: &Report) -> Vec<(&'static str, String)> {
    let mut tiles = vec![
        ("matrix", format!("{} × {}", grouped(report.rows as u64), grouped(report.cols as u64))),
        ("components", crate::patterns::size(report.rank, report.shifts).trim_start_matches("k = ").to_string()),
        ("loss", report.loss.to_string()),
        ("solver", report.solver.clone()),
        ("objective", number(report.objective)),
        ("relative error", number(relative_error(report))),
    ];
    if let Some(kkt) = report.kkt_residual {
        tiles.push(("KKT residual", share(kkt)));
    }
    tiles.push(("iterations", report.iterations.to_string()));
    let starts = if report.objectives.len() > 1 { "time, all starts" } else { "time" };
    tiles.push((starts, seconds(report.seconds)));
    tiles
}

/// A share in two digits.
fn share(v: f64) -> String {
    if v >= 0.01 { format!("{v:.2}") } else { format!("{v:.1e}") }
}

/// ‖X − WH‖ over ‖X‖, both over the entries that count.
fn relative_error(report: &Report) -> f64 {
    report.reconstruction_error() / report.norm_squared.sqrt()
}

/// The section on how the objective fell and where it ended.
pub(crate) fn progress(page: &mut Page, report: &Report) {
    let why = match report.stopped {
        Stopped::MaxIter => "It stopped at the iterations asked for (--max-iter).",
        Stopped::Tol => "It stopped because the objective no longer fell (--tol).",
        Stopped::Kkt => "It stopped because the KKT residual was small (--kkt-tol).",
        Stopped::Time => "It stopped because its time was over (--time-limit).",
        Stopped::Interrupted => "It was interrupted: this is what there was by then.",
        _ => "",
    };
    let first = report.trace.first().map_or(report.objective, |p| p.2);
    let took = report.trace.last().map_or(report.seconds, |p| p.1);
    let over = match &report.weights {
        Some(("mask", _)) => " over the known entries",
        Some(_) => " with the weights",
        None if report.observed == Observed::Stored => " over the stored entries",
        None => "",
    };
    let text = format!(
        "The objective fell from {} to {} in {} iterations and {}. {why}",
        number(first),
        number(report.objective),
        report.iterations,
        seconds(took)
    );
    page.section("Progress", &text);
    let log = log_pays(report.trace.iter().map(|p| p.2));
    let scale = if log { "The objective's axis is logarithmic." } else { "" };
    let curve =
        |x: &dyn Fn(&(usize, f64, f64)) -> f64| Series::new("objective", report.trace.iter().map(|p| (x(p), p.2)));
    let picture = lines("Objective over iterations", "iteration", "objective", &[curve(&|p| p.0 as f64)], &[], log);
    page.figure("objective-iterations", picture, scale);
    let (unit, each) = unit_of(report.trace.iter().map(|p| p.1));
    let picture = lines("Objective over time", unit, "objective", &[curve(&|p| p.1 / each)], &[], log);
    page.figure("objective-seconds", picture, "Time spent iterating; reading and preparing X comes before.");
    page.paragraph(&format!(
        "‖X − WH‖ = {}{over}, {} of ‖X‖.",
        number(report.reconstruction_error()),
        number(relative_error(report))
    ));
    match report.kkt_residual {
        Some(r) => page.paragraph(&format!(
            "KKT residual: {} times its value at the start. It is ‖(min(W, ∇W), min(H, ∇H))‖, which is 0 exactly where no small change of W and H \
             that keeps them ≥ 0 lowers the objective to first order. (A small one is a sign of such a point, not of the best one.)",
            share(r)
        )),
        None => page.paragraph("The KKT residual was not computed."),
    }
    if let Some(c) = report.cross_check {
        let verdict = if c.agree { "agrees" } else { "DISAGREES" };
        page.paragraph(&format!(
            "Cross-check: another backend, run from the same start, {verdict}; objectives differ by {:.1e} relative at most.",
            c.difference
        ));
    }
    restarts(page, &report.objectives);
}

/// The unit in which the longest of some durations is a handy number, and its seconds.
pub(crate) fn unit_of(durations: impl Iterator<Item = f64>) -> (&'static str, f64) {
    match durations.fold(0.0, f64::max) {
        s if s < 1e-3 => ("microseconds", 1e-6),
        s if s < 1.0 => ("milliseconds", 1e-3),
        _ => ("seconds", 1.0),
    }
}

/// Where all starts ended.
fn restarts(page: &mut Page, objectives: &[f64]) {
    let mut sorted = objectives.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(best), Some(worst), true) = (sorted.first(), sorted.last(), sorted.len() > 1) else { return };
    if worst - best <= 1e-4 * best.abs() {
        // a picture would only show where rounding ended
        let apart = if *best == 0.0 { 0.0 } else { (worst - best) / best.abs() };
        page.paragraph(&format!("All {} starts ended within {apart:.0e} of the best, relative.", sorted.len()));
        return;
    }
    let ends = Series::new("start", sorted.iter().enumerate().map(|(i, v)| ((i + 1) as f64, *v)));
    let picture = lines("Where the starts ended", "starts, the best first", "objective", &[ends], &[], false);
    let caption =
        format!("Final objectives of {} starts. The best is the one that this report is about.", sorted.len());
    page.figure("restarts", picture, &caption);
}

/// The section on the loss.
pub(crate) fn loss(page: &mut Page, report: &Report) {
    let noise = match report.loss.beta() {
        Some(2.0) => {
            "fro counts absolute differences: what is large weighs most. It fits noise of one size everywhere (Gaussian)."
        }
        Some(1.0) => {
            "kl counts differences relative to √x: it fits counts (Poisson), and a model too small by some amount costs more than one too large by as much."
        }
        Some(0.0) => {
            "is counts ratios only, d(sx, sy) = d(x, y): the soft weighs as much as the loud. It fits powers of sounds (Gamma noise)."
        }
        Some(_) => {
            "The β-divergences lead from is (β = 0) over kl (1) to fro (2): the larger β, the more the large entries weigh."
        }
        None => "",
    };
    page.section("What the loss counts", noise);
    page.figure("loss", losses(&report.loss), "");
}

/// The section on settings; `extra` are those of the command, shown first.
pub(crate) fn settings(page: &mut Page, report: &Report, input: &Path, extra: &[(&str, String)]) {
    page.section("Settings", "");
    let mut pairs = vec![("input".to_string(), file_name(input))];
    let mut add = |name: &str, value: String| pairs.push((name.into(), value));
    extra.iter().for_each(|(name, value)| add(name, value.clone()));
    add("loss", report.loss.to_string());
    add("solver", report.solver.clone());
    add("components", crate::patterns::size(report.rank, report.shifts));
    add("start", format!("{}, seed {}", report.init, report.seed));
    if report.objectives.len() > 1 {
        add("starts", report.objectives.len().to_string());
    }
    for (name, p) in [("penalty on W", report.penalties.0), ("penalty on H", report.penalties.1)] {
        if p != Penalty::NONE {
            add(name, format!("l1 {}, l2 {}", number(p.l1), number(p.l2)));
        }
    }
    if report.observed == Observed::Stored {
        add("what counts", "stored entries".into());
    }
    if let Some((option, path)) = &report.weights {
        add(option, file_name(Path::new(path)));
    }
    let method = &report.method;
    for (name, value) in
        [("sparseness of W", method.sparseness_w), ("sparseness of H", method.sparseness_h), ("step", method.step)]
    {
        if let Some(v) = value {
            add(name, number(v));
        }
    }
    if let Some(exponent) = method.to_json().get("mu_exponent").and_then(|v| v.as_str()) {
        add("exponent of mu", exponent.into());
    }
    if method.shuffle {
        add("order of components", "random".into());
    }
    add(
        "backend",
        if report.adapter.is_empty() {
            report.backend.clone()
        } else {
            format!("{}, {}", report.backend, report.adapter)
        },
    );
    add("precision", report.precision.to_string());
    add("threads", report.threads.to_string());
    add("reading", seconds(report.load_seconds));
    add("preparing", seconds(report.prepare_seconds));
    add("version", env!("CARGO_PKG_VERSION").into());
    page.settings(&pairs);
}

/// The last part of a path, which is no secret.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}
