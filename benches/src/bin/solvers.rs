//! Every solver from the same start: `cargo run --release -p nmf-bench --bin solvers -- [FILE K LOSS] [--seconds S] [-o DIR]`.
//!
//! Writes to DIR (default `solvers-out`) a table (`solvers.tsv`: solver, iterations, seconds to within 10, 1 and 0.1 % of the best objective that
//! any of them reached, last excess) and a picture (`LOSS.svg`: excess over the best objective against seconds, both logarithmic), and prints the
//! table. Without FILE: a dense 2000×1000 matrix of rank 40 and a sparse 6000×6000 one of counts, under every loss that has more than one
//! solver. Objectives are those of the trace; the clock of a solver that measures them at a pass of its own (mue, gd) includes every tenth
//! iteration's.

use ndarray::Array2;
use nmf_bench::{counts, dense, factor};
use nmf_core::{Error, Loss, Matrix, Nmf, SolverKind, TracePoint};
use nmf_cpu::Cpu;
use plotters::prelude::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

struct Case {
    name: String,
    x: Matrix<f32>,
    k: usize,
    loss: Loss,
}

struct Line {
    solver: SolverKind,
    trace: Vec<TracePoint>,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str| -> Result<Option<String>, Failure> {
        let Some(at) = words.iter().position(|w| w == name) else { return Ok(None) };
        if at + 1 >= words.len() {
            return Err(format!("{name} needs a value").into());
        }
        words.remove(at);
        Ok(Some(words.remove(at)))
    };
    let limit: f64 = option("--seconds")?.map_or(Ok(5.0), |s| s.parse())?;
    let out = PathBuf::from(option("-o")?.unwrap_or_else(|| "solvers-out".into()));
    let cases = match &words[..] {
        [] => synthetic(),
        [file, k, loss] => {
            let read = nmf_io::ReadOptions { precision: Some(nmf_io::Precision::F32), ..Default::default() };
            let x = nmf_io::read(Path::new(file), &read)?.into_f32().matrix;
            vec![Case { name: file.clone(), x, k: k.parse()?, loss: loss.parse()? }]
        }
        _ => return Err("usage: solvers [FILE K LOSS] [--seconds S] [-o DIR]".into()),
    };
    std::fs::create_dir_all(&out)?;
    let mut table = String::from("case\tloss\tk\tsolver\titerations\tto 10 %\tto 1 %\tto 0.1 %\tlast excess\n");
    for (i, case) in cases.iter().enumerate() {
        let lines = run(case, limit)?;
        let best = lines.iter().flat_map(|l| &l.trace).map(|p| p.objective).fold(f64::INFINITY, f64::min);
        describe(case, &lines, best, &mut table)?;
        draw(case, &lines, best, &out.join(format!("{i}-{}.svg", case.loss)))?;
    }
    std::fs::write(out.join("solvers.tsv"), &table)?;
    print!("{table}");
    Ok(())
}

fn synthetic() -> Vec<Case> {
    let (x, counted) = (Matrix::from(dense::<f32>(2000, 1000, 40)), Matrix::from(counts::<f32>(6000, 6000, 120)));
    let case = |name: &str, x: &Matrix<f32>, k, loss| Case { name: name.into(), x: x.clone(), k, loss };
    vec![
        case("dense 2000×1000", &x, 32, Loss::FRO),
        case("dense 2000×1000", &x, 32, Loss::KL),
        case("dense 2000×1000", &x, 32, Loss::IS),
        case("counts 6000×6000", &counted, 20, Loss::FRO),
        case("counts 6000×6000", &counted, 20, Loss::KL),
    ]
}

fn run(case: &Case, limit: f64) -> Result<Vec<Line>, Failure> {
    let (m, n) = case.x.dim();
    let mut sum = 0.0;
    case.x.view().for_each(|_, _, v| sum += f64::from(v));
    let level = (sum / (m as f64 * n as f64 * case.k as f64)).sqrt() as f32;
    let (w, h): (Array2<f32>, Array2<f32>) = (factor(m, case.k, 1) * level, factor(case.k, n, 2) * level);
    let mut cpu = Cpu::<f32>::new()?;
    let mut lines = Vec::new();
    for solver in SolverKind::ALL {
        let every = if solver.traces_at_a_cost() { 10 } else { 1 };
        let nmf = Nmf::new(case.k).loss(case.loss.clone()).solver(solver).start(w.clone(), h.clone()).tol(0.0);
        let nmf = nmf.max_iter(1_000_000).trace_every(every).time_limit(Duration::from_secs_f64(limit));
        match nmf.fit(&mut cpu, &case.x) {
            Ok(f) => lines.push(Line { solver, trace: f.trace().to_vec() }),
            // another loss's solver
            Err(Error::Unsupported(_)) => {}
            Err(Error::Diverged { .. }) => eprintln!("{solver} diverged on {} under {}", case.name, case.loss),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(lines)
}

fn describe(case: &Case, lines: &[Line], best: f64, table: &mut String) -> Result<(), Failure> {
    for l in lines {
        let within = |share: f64| {
            let hit = l.trace.iter().find(|p| p.objective <= best * (1.0 + share));
            hit.map_or_else(|| "-".into(), |p| format!("{:.3}", p.seconds))
        };
        let last = l.trace.last();
        writeln!(
            table,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{:.2e}",
            case.name,
            case.loss,
            case.k,
            l.solver,
            last.map_or(0, |p| p.iteration),
            within(0.1),
            within(0.01),
            within(0.001),
            last.map_or(f64::NAN, |p| p.objective / best - 1.0),
        )?;
    }
    Ok(())
}

/// Distinct where colours are not: the order of [`SolverKind::ALL`].
const COLOURS: [RGBColor; 10] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(127, 127, 127),
    RGBColor(188, 189, 34),
    RGBColor(23, 190, 207),
];

fn draw(case: &Case, lines: &[Line], best: f64, path: &Path) -> Result<(), Failure> {
    let points = |l: &Line| -> Vec<(f64, f64)> {
        let mut lowest = f64::INFINITY;
        let excess = |p: &TracePoint| (p.seconds.max(1e-3), (p.objective / best - 1.0).max(1e-6));
        l.trace
            .iter()
            .filter(|p| p.iteration > 0)
            .map(excess)
            .filter(|p| {
                let lower = p.1 < lowest;
                lowest = lowest.min(p.1);
                lower
            })
            .collect()
    };
    let end = lines.iter().filter_map(|l| l.trace.last()).map(|p| p.seconds).fold(0.1, f64::max);
    let area = SVGBackend::new(path, (800, 500)).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!("{}, {}, k = {}: excess over the best objective", case.name, case.loss, case.k);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d((1e-3..end).log_scale(), (1e-6..10.0).log_scale())?;
    let label = |v: &f64| format!("{v:.0e}");
    chart
        .configure_mesh()
        .x_desc("seconds")
        .y_desc("D / best − 1")
        .y_label_formatter(&label)
        .light_line_style(WHITE)
        .draw()?;
    for l in lines {
        let at = SolverKind::ALL.iter().position(|s| *s == l.solver).unwrap_or(0);
        let colour = COLOURS[at];
        chart
            .draw_series(LineSeries::new(points(l), colour.stroke_width(2)))?
            .label(l.solver.to_string())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .border_style(BLACK.mix(0.3))
        .background_style(WHITE.mix(0.8))
        .draw()?;
    area.present()?;
    Ok(())
}
