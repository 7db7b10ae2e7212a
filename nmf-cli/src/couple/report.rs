//! What `couple` prints and writes.

use super::spec::{ModeSpec, Spec};
use super::{Found, Job};
use crate::failure::Failure;
use crate::fit_json::peak_rss_mb;
use crate::model::lines;
use crate::text::{grouped, number, seconds, table};
use nmf_core::Element;
use nmf_core::coupled::CoupledFit;
use nmf_io::Staging;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// The least value of the model that held-out losses are taken at, relative to the largest held-out value: what a row without known entries
/// gets is 0, where kl and is are infinite.
const LEAST: f64 = 1e-10;

/// Errors on held-out entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errors {
    entries: usize,
    /// Mean loss.
    loss: f64,
    /// Root of the mean squared error.
    rmse: f64,
    /// The last two over the rows with few known entries: their number and the root mean squared error.
    few: Option<(usize, f64)>,
}

impl Errors {
    /// Of a fit that has matrix `r`.
    pub(super) fn of<T: Element>(fit: &CoupledFit<T>, job: &Job<'_>, r: usize) -> Errors {
        let (spec, a) = (&job.spec.matrices[r], &job.matrices[r]);
        let largest = a.held.iter().fold(0.0f64, |m, e| m.max(e.2));
        let few = |i: usize| match (job.args.few, &a.of_row) {
            (Some(n), Some(counts)) => counts[i] <= n,
            _ => false,
        };
        let (mut loss, mut squares, mut of_few) = (0.0, 0.0, (0usize, 0.0));
        for (i, j, x) in &a.held {
            let v = fit.value(&spec.name, *i, *j).unwrap_or(0.0);
            loss += spec.loss.value(*x, v.max(LEAST * largest));
            squares += (v - x).powi(2);
            if few(*i) {
                of_few = (of_few.0 + 1, of_few.1 + (v - x).powi(2));
            }
        }
        let n = a.held.len() as f64;
        let few = (of_few.0 > 0).then(|| (of_few.0, (of_few.1 / of_few.0 as f64).sqrt()));
        Errors { entries: a.held.len(), loss: loss / n, rmse: (squares / n).sqrt(), few }
    }
}

/// Modes with components that are zero throughout, and how many.
pub(super) fn dead<T: Element>(fit: &CoupledFit<T>) -> Vec<(&str, usize)> {
    let count = |mode: &str| {
        let zero = |c: ndarray::ArrayView1<'_, T>| c.iter().all(|v| *v == T::zero());
        fit.factor(mode).map_or(0, |f| f.columns().into_iter().filter(|c| zero(*c)).count())
    };
    fit.modes().iter().map(|m| (m.as_str(), count(m))).filter(|(_, n)| *n > 0).collect()
}

/// couple.json, and what --json prints.
pub(super) fn json<T: Element>(job: &Job<'_>, fit: &CoupledFit<T>, found: &Found) -> Value {
    let mode = |n: usize| &job.spec.modes[n].name;
    let matrices: Vec<Value> = (job.spec.matrices.iter().zip(fit.matrices()).zip(job.matrices).zip(&found.errors))
        .map(|(((m, part), a), errors)| {
            let (rows, cols) = a.x.dim();
            let (coupled, alone) = (errors.map(|e| e.0), errors.map(|e| e.1));
            json!({
                "name": m.name,
                "rows": rows,
                "cols": cols,
                "modes": [mode(m.rows), mode(m.cols)],
                "nnz": part.stored,
                "loss": m.loss.to_string(),
                "weight": m.weight,
                "objective": part.objective(),
                "divergence": part.divergence,
                "heldout": coupled.map(|e| e.loss),
                "heldout_alone": alone.map(|e| e.loss),
                "heldout_rmse": coupled.map(|e| e.rmse),
                "heldout_rmse_alone": alone.map(|e| e.rmse),
                "heldout_entries": coupled.map(|e| e.entries),
                "few_rmse": coupled.and_then(|e| e.few).map(|f| f.1),
                "few_rmse_alone": alone.and_then(|e| e.few).map(|f| f.1),
                "few_entries": coupled.and_then(|e| e.few).map(|f| f.0),
            })
        })
        .collect();
    let modes: Vec<Value> = (job.spec.modes.iter().zip(job.modes))
        .map(|(m, e)| json!({ "name": m.name, "size": e.size, "l1": m.penalty.l1, "l2": m.penalty.l2 }))
        .collect();
    let trace: Vec<Value> = fit.trace().iter().map(|p| json!([p.iteration, p.seconds, p.objective])).collect();
    let dead: Map<String, Value> = dead(fit).into_iter().map(|(m, n)| (m.to_string(), json!(n))).collect();
    let pairs = [
        ("matrices", json!(matrices)),
        ("modes", json!(modes)),
        ("rank", json!(fit.rank())),
        ("solver", json!("mu")),
        ("seed", json!(job.spec.seed)),
        ("restarts", json!(job.spec.restarts)),
        ("backend", json!(found.info.name)),
        ("adapter", json!(found.info.adapter)),
        ("precision", json!(found.precision)),
        ("threads", json!(found.info.threads)),
        ("iterations", json!(fit.iterations())),
        ("stopped", json!(fit.stopped().name())),
        ("objective", json!(fit.objective())),
        ("objectives", json!(fit.objectives())),
        ("objective_trace", json!(trace)),
        ("kkt_residual", json!(fit.kkt_residual())),
        ("dead_components", json!(dead)),
        ("few", json!(job.args.few)),
        ("load_seconds", json!(found.load_seconds)),
        ("prepare_seconds", json!(fit.prepare_seconds())),
        ("seconds", json!(fit.seconds())),
        ("peak_rss_mb", json!(peak_rss_mb())),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
    ];
    Value::Object(pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
}

/// For people.
pub(super) fn summary<T: Element>(job: &Job<'_>, fit: &CoupledFit<T>, found: &Found) -> String {
    let modes: Vec<String> = (job.spec.modes.iter().zip(job.modes))
        .map(|(m, e)| format!("{} ({})", m.name, grouped(e.size as u64)))
        .collect();
    let mut out = format!(
        "modes {}; {} components; {} iterations ({}), {}\n\n",
        modes.join(", "),
        fit.rank(),
        fit.iterations(),
        fit.stopped().name(),
        seconds(fit.prepare_seconds() + fit.seconds())
    );
    let rows: Vec<Vec<String>> = (job.spec.matrices.iter().zip(fit.matrices()))
        .map(|(m, part)| {
            let over = format!("{} × {}", job.spec.modes[m.rows].name, job.spec.modes[m.cols].name);
            let entries = grouped(part.stored);
            vec![m.name.clone(), over, entries, m.loss.to_string(), number(m.weight), number(part.objective())]
        })
        .collect();
    out += &table(&["matrix", "modes", "entries", "loss", "weight", "objective"], &rows, 2);
    let mut rows = Vec::new();
    for (m, errors) in job.spec.matrices.iter().zip(&found.errors) {
        let Some((coupled, alone)) = errors else { continue };
        let gain = |a: f64, b: f64| format!("{:+.2} %", 100.0 * (b / a - 1.0));
        let n = grouped(coupled.entries as u64);
        let cells = [number(alone.rmse), number(coupled.rmse), gain(alone.rmse, coupled.rmse)];
        rows.push([vec![m.name.clone(), n], cells.to_vec()].concat());
        if let (Some((n, c)), Some((_, a)), Some(most)) = (coupled.few, alone.few, job.args.few) {
            let name = format!("  rows of at most {most}");
            rows.push(vec![name, grouped(n as u64), number(a), number(c), gain(a, c)]);
        }
    }
    if !rows.is_empty() {
        let header = ["held out", "entries", "RMSE alone", "RMSE coupled", "change"];
        let _ = write!(out, "\n\n{}", table(&header, &rows, 1));
    }
    let _ = match &job.args.output {
        Some(dir) => write!(out, "\nwritten to {} (a factor for each mode, couple.json)", dir.display()),
        None => write!(out, "\nnothing was written: -o DIR saves a factor for each mode"),
    };
    out
}

/// The files that may be written.
pub(super) fn outputs(spec: &Spec) -> Vec<String> {
    let of_mode = |m: &ModeSpec| [format!("{}.npy", m.name), format!("{}.txt", m.name)];
    spec.modes.iter().flat_map(of_mode).chain(["couple.json".to_string()]).collect()
}

/// Writes a factor for each mode.
pub(super) fn save<T: Element>(dir: &Path, job: &Job<'_>, fit: &CoupledFit<T>, found: &Found) -> Result<(), Failure> {
    let mut out = Staging::new(dir)?;
    for (mode, entries) in job.spec.modes.iter().zip(job.modes) {
        if let Some(f) = fit.factor(&mode.name) {
            out.npy(&format!("{}.npy", mode.name), f)?;
        }
        if let Some(names) = &entries.names {
            out.bytes(&format!("{}.txt", mode.name), &lines(names))?;
        }
    }
    out.bytes("couple.json", format!("{:#}\n", json(job, fit, found)).as_bytes())?;
    Ok(out.commit()?)
}
