//! What `mixture` prints and writes.

use super::{CovarianceChoice, Found, InitChoice, MixtureArgs, Points};
use crate::failure::Failure;
use crate::pictures::{self, Blob};
use crate::text::{self, grouped, number};
use ndarray::Axis;
use nmf_io::Staging;
use nmf_mixture::Covariances;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Columns of the table for people.
const SHOWN: usize = 6;

impl Found {
    /// The variance of component `q` in column `j`.
    fn variance(&self, q: usize, j: usize) -> f64 {
        self.covariance(q, j, j)
    }

    fn covariance(&self, q: usize, i: usize, j: usize) -> f64 {
        match &self.covariances {
            Covariances::Diagonal(v) if i == j => v[[q, j]],
            Covariances::Diagonal(_) => 0.0,
            Covariances::Full(c) => c[[q, i, j]],
        }
    }

    /// Rows of every component, and of every cluster.
    fn sizes(&self) -> (Vec<usize>, Vec<usize>) {
        let count = |labels: &[usize]| {
            let mut sizes = vec![0; self.weights.len()];
            labels.iter().for_each(|q| sizes[*q] += 1);
            sizes
        };
        (count(&self.labels), count(&self.clusters))
    }

    fn inertia(&self) -> f64 {
        self.kmeans.inertia.last().copied().unwrap_or(0.0)
    }
}

fn covariance_name(choice: CovarianceChoice) -> &'static str {
    match choice {
        CovarianceChoice::Diagonal => "diagonal",
        CovarianceChoice::Full => "full",
    }
}

fn init_name(choice: InitChoice) -> &'static str {
    match choice {
        InitChoice::Kmeans => "kmeans",
        InitChoice::Random => "random",
    }
}

/// The object of `--json` and of mixture.json.
pub(super) fn json(args: &MixtureArgs, points: &Points, found: &Found) -> Value {
    let (rows, cols) = points.values.dim();
    let mixture: Vec<Value> = (0..args.components)
        .map(|q| {
            let (weight, mean) = (found.weights[q], found.means.row(q).to_vec());
            match &found.covariances {
                Covariances::Diagonal(v) => {
                    json!({ "weight": weight, "mean": mean, "variance": v.row(q).to_vec() })
                }
                Covariances::Full(c) => {
                    let matrix: Vec<Vec<f64>> = c.index_axis(Axis(0), q).outer_iter().map(|row| row.to_vec()).collect();
                    json!({ "weight": weight, "mean": mean, "covariance": matrix })
                }
            }
        })
        .collect();
    let (sizes, cluster_sizes) = found.sizes();
    let centers: Vec<Vec<f64>> = found.centres.outer_iter().map(|c| c.to_vec()).collect();
    json!({
        "rows": rows, "cols": cols, "components": args.components,
        "covariance": covariance_name(args.covariance), "init": init_name(args.init),
        "seed": args.seed, "restarts": args.restarts, "restart": found.fit.restart,
        "log_likelihood": found.fit.log_likelihood, "iterations": found.fit.iterations(),
        "converged": found.fit.converged, "bic": found.fit.bic(), "aic": found.fit.aic(),
        "mixture": mixture, "sizes": sizes,
        "kmeans": {
            "inertia": found.inertia(), "centers": centers, "sizes": cluster_sizes,
            "converged": found.kmeans.converged,
        },
        "agreement": found.agreement,
        "floored": found.fit.floored, "empty": found.fit.empty, "constant_columns": points.constant(),
        "backend": "cpu", "precision": "f64", "threads": found.threads,
        "load_seconds": found.load_seconds, "seconds": found.seconds, "version": env!("CARGO_PKG_VERSION"),
    })
}

/// The text for people.
pub(super) fn summary(args: &MixtureArgs, points: &Points, found: &Found) -> String {
    let mut lines = Vec::new();
    let mut line = |what: &str, text: String| lines.push(format!("{what:<15}{text}"));
    let (rows, cols) = points.values.dim();
    let columns = if cols == 1 { "1 column".to_string() } else { format!("{cols} columns") };
    line("table", format!("{} rows × {columns}", grouped(rows as u64)));
    let starts = if args.restarts == 1 { "1 start".to_string() } else { format!("{} starts", args.restarts) };
    let (covariance, init) = (covariance_name(args.covariance), init_name(args.init));
    line(
        "model",
        format!("k = {}, covariance {covariance}, init {init}, {starts}, seed {}", args.components, args.seed),
    );
    let why = if found.fit.converged { "the likelihood no longer rises: --tol" } else { "the maximum" };
    line("iterations", format!("{} ({why}) in {}", found.fit.iterations(), text::seconds(found.seconds)));
    let first = found.fit.log_likelihood.first().copied().unwrap_or(f64::NAN);
    line("log-likelihood", format!("{} (at the start {})", number(found.fit.final_log_likelihood()), number(first)));
    line("BIC, AIC", format!("{}, {} (smaller is better)", number(found.fit.bic()), number(found.fit.aic())));
    let agreement = format!("agreement with the mixture (adjusted Rand index) {:.3}", found.agreement);
    line("k-means", format!("inertia {}, {agreement}", number(found.inertia())));

    let shown = cols.min(SHOWN);
    let names: Vec<String> = (0..shown).map(|j| points.column(j)).collect();
    let mut header = vec!["component", "weight", "rows", "k-means"];
    header.extend(names.iter().map(String::as_str));
    let (sizes, cluster_sizes) = found.sizes();
    let table: Vec<Vec<String>> = (0..args.components)
        .map(|q| {
            let weight = format!("{:.4}", found.weights[q]);
            let mut row = vec![(q + 1).to_string(), weight, sizes[q].to_string(), cluster_sizes[q].to_string()];
            let cell = |j| format!("{} ± {}", four(found.means[[q, j]]), four(found.variance(q, j).max(0.0).sqrt()));
            row.extend((0..shown).map(cell));
            row
        })
        .collect();
    let mut out = format!("{}\n\n{}\n", lines.join("\n"), text::table(&header, &table, 1));
    if cols > shown {
        // writing to a string cannot fail
        let _ = writeln!(out, "{} more columns: -o DIR or --json shows them", cols - shown);
    }
    out.push_str("\nmean ± standard deviation of each column; rows of the largest responsibility, and of k-means\n");
    match &args.output {
        Some(dir) => {
            let _ = write!(out, "{:<15}{} (means.npy, mixture.json, assignments.tsv, …)", "written to", dir.display());
        }
        None => out.push_str("nothing was written: -o DIR does that"),
    }
    out
}

/// Four significant digits.
fn four(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return number(v);
    }
    let unit = 10f64.powi(3 - v.abs().log10().floor().clamp(-290.0, 290.0) as i32);
    let rounded = (v * unit).round() / unit;
    number(if rounded.is_finite() { rounded } else { v })
}

/// Writes the files of `-o DIR`.
pub(super) fn save(dir: &Path, args: &MixtureArgs, points: &Points, found: &Found) -> Result<(), Failure> {
    let mut out = Staging::new(dir)?;
    out.npy("means.npy", found.means.view())?;
    out.npy("weights.npy", found.weights.view())?;
    match &found.covariances {
        Covariances::Diagonal(v) => out.npy("covariances.npy", v.view())?,
        Covariances::Full(c) => out.npy("covariances.npy", c.view())?,
    }
    out.npy("responsibilities.npy", found.responsibilities.view())?;
    out.bytes("assignments.tsv", assignments(points, found).as_bytes())?;
    out.bytes("mixture.json", format!("{:#}\n", json(args, points, found)).as_bytes())?;
    let steps: Vec<(f64, f64)> = found.fit.log_likelihood.iter().enumerate().map(|(i, v)| (i as f64, *v)).collect();
    let title = format!("Log-likelihood of {} Gaussians", args.components);
    out.bytes("log_likelihood.svg", pictures::curve(&title, "iteration", "log-likelihood", &steps).as_bytes())?;
    out.bytes("mixture.svg", picture(points, found).as_bytes())?;
    Ok(out.commit()?)
}

/// One line per row: its name or number, its component with the responsibility of that, its cluster; all from 1.
fn assignments(points: &Points, found: &Found) -> String {
    let mut out = String::from("row\tcomponent\tresponsibility\tkmeans\n");
    for (i, (q, cluster)) in found.labels.iter().zip(&found.clusters).enumerate() {
        let name = points.row_names.as_ref().and_then(|names| names.get(i));
        let name = name.map_or_else(|| (i + 1).to_string(), |n| n.replace(['\t', '\n', '\r'], " "));
        // writing to a string cannot fail
        let _ = writeln!(out, "{name}\t{}\t{:.6}\t{}", q + 1, found.responsibilities[[i, *q]], cluster + 1);
    }
    out
}

/// A histogram of the one column that varies, or a scatter of the first two.
fn picture(points: &Points, found: &Found) -> String {
    let k = found.weights.len();
    let title = format!("{k} Gaussians in {} rows", grouped(points.values.nrows() as u64));
    let (Some(&i), second) = (points.kept.first(), points.kept.get(1)) else {
        return pictures::curve(&title, "", "", &[]);
    };
    let Some(&j) = second else {
        let mixture: Vec<(f64, f64, f64)> =
            (0..k).map(|q| (found.weights[q], found.means[[q, i]], found.variance(q, i))).collect();
        let centres: Vec<f64> = found.centres.column(i).to_vec();
        let column = points.values.column(i);
        let title = format!("{title} (dashed: centres of k-means)");
        return pictures::histogram(
            &title,
            &points.column(i),
            &counts(column.iter().copied()),
            &mixture,
            &[],
            &centres,
        );
    };
    let mixture: Vec<Blob> = (0..k)
        .map(|q| Blob {
            weight: found.weights[q],
            mean: (found.means[[q, i]], found.means[[q, j]]),
            covariance: (found.variance(q, i), found.covariance(q, i, j), found.variance(q, j)),
        })
        .collect();
    let centres: Vec<(f64, f64)> = found.centres.outer_iter().map(|c| (c[i], c[j])).collect();
    let rows = points.values.outer_iter().zip(&found.labels);
    let dots: Vec<(f64, f64, usize)> = rows.map(|(row, q)| (row[i], row[j], *q)).collect();
    let (a, b) = (points.column(i), points.column(j));
    pictures::scatter(&title, (&a, &b), &dots, &mixture, &centres)
}

/// Centres and counts of evenly spaced classes: about √n of them, 10 to 120.
fn counts(values: impl ExactSizeIterator<Item = f64> + Clone) -> Vec<(f64, f64)> {
    let n = ((values.len() as f64).sqrt().round() as usize).clamp(10, 120);
    let (low, high) = values.clone().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    let step = (high / n as f64 - low / n as f64).max(f64::MIN_POSITIVE);
    let mut out: Vec<(f64, f64)> = (0..n).map(|i| (low + (i as f64 + 0.5) * step, 0.0)).collect();
    for v in values {
        let place = ((v - low) / step).floor().max(0.0) as usize;
        out[place.min(n - 1)].1 += 1.0;
    }
    out
}
