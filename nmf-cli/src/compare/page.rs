//! The report of `compare`.

use super::{CompareArgs, Entry, Verdict};
use crate::agreement::{FACTOR_TOLERANCE, OBJECTIVE_TOLERANCE, factor_difference, objective_difference};
use crate::fit_options::FitOptions;
use crate::patterns;
use crate::pictures::{Series, lines, log_pays, losses};
use crate::report::{Page, fit};
use crate::text::seconds;
use nmf_core::TracePoint;
use std::slice::from_ref;

/// Curves of all backends, how far they are apart, and whether that is agreement. `shared` are the options that all followed, `resolution` that of
/// objectives.
pub(super) fn page(args: &CompareArgs, shared: &FitOptions, entries: &[Entry], v: Verdict, resolution: f64) -> Page {
    let input = fit::file_name(&args.input);
    let mut page =
        Page::new(&format!("{input}: backends compared"), "One factorization from one start on every backend");
    page.tiles(&[
        ("verdict", if v.agree { "they agree" } else { "THEY DISAGREE" }.to_string()),
        ("backends", entries.len().to_string()),
        ("objectives differ by", format!("{:.1e}", v.objectives)),
        ("factors differ by", format!("{:.1e}", v.factors)),
        ("components", shared.rank.to_string()),
        ("loss", shared.loss().to_string()),
        ("solver", shared.method.kind().to_string()),
    ]);
    page.section(
        "Objectives",
        &format!(
            "The backends {}: objectives differ by {:.1e} relative at most ({OBJECTIVE_TOLERANCE:.0e} is accepted), factors by {:.1e} of their norm ({FACTOR_TOLERANCE:.0e}).",
            if v.agree { "agree" } else { "DISAGREE" },
            v.objectives,
            v.factors
        ),
    );
    let log = log_pays(entries.iter().flat_map(|e| e.trace.iter().map(|p| p.objective)));
    let curves = |x: &dyn Fn(&TracePoint) -> f64| -> Vec<Series> {
        entries.iter().map(|e| Series::new(e.name(), e.trace.iter().map(|p| (x(p), p.objective)))).collect()
    };
    let scale = if log { "The objective's axis is logarithmic." } else { "" };
    let picture =
        lines("Objective over iterations", "iteration", "objective", &curves(&|p| p.iteration as f64), &[], log);
    page.figure("objective-iterations", picture, &format!("Backends that agree lie on each other. {scale}"));
    let (unit, each) = fit::unit_of(entries.iter().filter_map(|e| e.trace.last()).map(|p| p.seconds));
    let picture = lines("Objective over time", unit, "objective", &curves(&|p| p.seconds / each), &[], log);
    page.figure("objective-seconds", picture, "Time spent iterating; preparing X comes before.");
    if let Some((reference, others)) = entries.split_first() {
        let apart: Vec<Series> = others.iter().map(|e| differences(reference, e, resolution)).collect();
        let title = format!("Distance from {}", reference.name());
        let picture = lines(&title, "iteration", "relative difference", &apart, &[], true);
        let caption =
            "Of the objectives, relative, on a logarithmic axis. Where they are equal there is nothing to draw.";
        page.figure("difference", picture, caption);
    }
    page.section("Results", "");
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|e| {
            let iterations = e.trace.last().map_or(0, |p| p.iteration).to_string();
            vec![e.name(), e.adapter.clone(), iterations, format!("{:.9e}", e.objective), seconds(e.seconds)]
        })
        .collect();
    page.table(&["backend", "adapter", "iterations", "objective at the end", "time"], &rows);
    let mut rows = Vec::new();
    for (i, a) in entries.iter().enumerate() {
        for b in &entries[i + 1..] {
            let of = |d: f64| if d.is_finite() { format!("{d:.1e}") } else { "not comparable".into() };
            rows.push(vec![
                format!("{} and {}", a.name(), b.name()),
                of(objective_difference(&a.trace, &b.trace, resolution)),
                of(factor_difference(&b.w.view(), &a.w.view())),
                of(factor_difference(&b.h.view(), &a.h.view())),
            ]);
        }
    }
    page.table(&["pair", "objectives, at most", "W", "H"], &rows);
    page.paragraph("Factors that f32 computed are judged among themselves: f64 goes its own way where a problem is ill-conditioned.");
    page.section("What the loss counts", "");
    page.figure("loss", losses(&shared.loss()), "");
    page.section("Settings", "");
    let mut pairs = vec![
        ("input".to_string(), input),
        ("loss".into(), shared.loss().to_string()),
        ("solver".into(), shared.method.kind().to_string()),
        ("components".into(), patterns::size(shared.rank, shared.shifts)),
        ("seed".into(), shared.seed.to_string()),
    ];
    pairs.extend(shared.stops().into_iter().map(|(name, value)| (name.to_string(), value)));
    pairs.push(("version".into(), env!("CARGO_PKG_VERSION").into()));
    page.settings(&pairs);
    page
}

/// How far the objectives are apart at each iteration, as it is judged.
fn differences(reference: &Entry, other: &Entry, resolution: f64) -> Series {
    let apart = reference
        .trace
        .iter()
        .zip(&other.trace)
        .map(|(a, b)| (a.iteration as f64, objective_difference(from_ref(a), from_ref(b), resolution)));
    Series::new(other.name(), apart)
}
