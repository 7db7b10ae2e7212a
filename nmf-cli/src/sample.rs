//! `nmf-cli --backend cpu|gpu` without a command: a small real sample, factored and cross-checked.
//!
//! The sample counts nine Japanese words in twelve documents (three groups of words hide in it).

use crate::args::{BackendChoice, Global, PrecisionChoice};
use crate::cross_check::Again;
use crate::failure::Failure;
use crate::fit_options::FitOptions;
use crate::known::Known;
use crate::session::{self, Engine, on_engine};
use crate::solve::{Job, Solved, solve};
use crate::text::{self, number, seconds};
use ndarray::Array2;
use nmf_core::{Backend, Element};
use nmf_io::{Loaded, Precision, Table};
use serde_json::{Value, json};
use std::path::Path;

/// Counts: a row per word, a column per document.
const WORDS: &str = include_str!("../assets/words.csv");
/// Several starts, because some end in a local minimum; to the digits shown.
const OPTIONS: [&str; 10] = ["-k", "3", "--solver", "hals", "--restarts", "10", "--max-iter", "500", "--tol", "1e-9"];

/// What the words mean, for readers of this page.
const MEANING: [(&str, &str); 9] = [
    ("教師", "teacher"),
    ("データ", "data"),
    ("学習", "learning"),
    ("モデル", "model"),
    ("円", "yen"),
    ("産業", "industry"),
    ("アフリカ", "Africa"),
    ("天然", "natural"),
    ("資源", "resources"),
];

/// Factors the sample on the backend asked for and on another one.
pub(crate) fn run(global: &Global) -> Result<(), Failure> {
    let precision = match (global.read_precision()?, global.backend()) {
        (Some(p), _) => p,
        (None, BackendChoice::Gpu) => Precision::F32,
        (None, _) if global.precision == Some(PrecisionChoice::F64) => Precision::F64,
        (None, _) => Precision::F32,
    };
    let (matrix, words) = sample()?;
    let table = Table { matrix: matrix.into(), row_names: Some(words), col_names: None };
    let loaded = match precision {
        Precision::F64 => Loaded::F64(table),
        Precision::F32 => Loaded::F32(Loaded::F64(table).into_f32()),
    };
    let fit = FitOptions::from_words(&OPTIONS)?;
    let known = Known::default();
    let work = session::work(&loaded, &fit, &known);
    let mut engine = Engine::open(global, &work)?;
    let mut other = engine.open_other(global, &work)?;
    on_engine!(&mut engine, loaded, |b, table| {
        let job = Job {
            fit: &fit,
            known: &known,
            normalize: None,
            source: Path::new("the built-in sample"),
            load_seconds: 0.0,
            checkpoint: None,
            output: None,
            global,
        };
        let mut solved = solve(b, table.matrix.view(), &job, None)?;
        let init = fit.init(table.dim())?;
        let (fitted, interruptible) = (&solved.fitted, &solved.interruptible);
        let again = Again { fit: &fit, known: &known, init: &init, fitted, interruptible };
        solved.report.cross_check = Some(again.on(b, &mut other, &table.matrix.view(), global)?);
        show(&solved, table.row_names.as_deref().unwrap_or_default(), &b.info().name, other.name(), global)?;
        solved.outcome(None)
    })
}

/// The counts and the words.
fn sample() -> Result<(Array2<f64>, Vec<String>), Failure> {
    let bad = || Failure::work("the built-in sample is damaged");
    let (mut words, mut counts, mut cols) = (Vec::new(), Vec::new(), 0);
    for line in WORDS.lines().skip(1).filter(|l| !l.is_empty()) {
        let mut fields = line.split(',');
        words.push(fields.next().ok_or_else(bad)?.to_string());
        let before = counts.len();
        for field in fields {
            counts.push(field.trim().parse().map_err(|_| bad())?);
        }
        cols = counts.len() - before;
    }
    let matrix = Array2::from_shape_vec((words.len(), cols), counts).map_err(|_| bad())?;
    Ok((matrix, words))
}

fn show<T: Element>(
    solved: &Solved<T>,
    words: &[String],
    backend: &str,
    other: &str,
    global: &Global,
) -> Result<(), Failure> {
    let (w, h, report) = (solved.fitted.w(), solved.fitted.h(), &solved.report);
    // how much of a word's counts a pattern explains: its weight times the pattern's total
    let share = |i: usize, q: usize| w[[i, q]].f64() * h.row(q).iter().map(|v| v.f64()).sum::<f64>();
    let mut groups: Vec<Vec<&str>> = vec![Vec::new(); w.ncols()];
    for (i, word) in words.iter().enumerate() {
        let best = (0..w.ncols()).max_by(|a, b| share(i, *a).total_cmp(&share(i, *b)));
        groups[best.unwrap_or(0)].push(word);
    }
    groups.sort_by_key(|g| g.first().and_then(|f| words.iter().position(|w| w == f)));
    if global.json {
        let mut json = report.to_json();
        json.insert("groups".into(), json!(groups));
        return text::print_json(&Value::Object(json));
    }
    let mut out = format!(
        "{}×{} word counts of a small corpus ≈ W ({0}×{2}) · H ({2}×{1}): the groups of words found\n",
        report.rows, report.cols, report.rank
    );
    for (q, group) in groups.iter().enumerate() {
        let named: Vec<String> = group
            .iter()
            .map(|w| MEANING.iter().find(|(jp, _)| jp == w).map_or(w.to_string(), |(jp, en)| format!("{jp} ({en})")))
            .collect();
        out.push_str(&format!("\n  {}  {}", q + 1, named.join(", ")));
    }
    let difference = report.cross_check.map_or(f64::NAN, |c| c.difference);
    out.push_str(&format!(
        "\n\n‖X − WH‖² = {} after {} iterations on the {backend}, {}\nthe {backend} and the {other} differ by {difference:.1e} (relative, over all objectives)",
        number(report.squared_error),
        report.iterations,
        seconds(report.seconds),
    ));
    text::print(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_nine_words_by_twelve_documents() {
        let (x, words) = sample().unwrap();
        assert_eq!((x.dim(), words.len()), ((9, 12), 9));
        assert!(words.iter().all(|w| MEANING.iter().any(|(jp, _)| jp == w)));
        assert_eq!(FitOptions::from_words(&OPTIONS).unwrap().rank, 3);
    }
}
