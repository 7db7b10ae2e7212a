//! `bench`: seconds per iteration of CPU and GPU over shapes, ranks and losses.
//!
//! The matrices are random and always the same: entries uniform in (0, 1], for sparse ones small counts at random
//! places. Every case runs with multiplicative updates from a random start and without stopping early, once for
//! warming up and then `--repeat` times, of which the fastest counts.

use crate::args::{BackendChoice, Global};
use crate::bench_plot;
use crate::estimate::{Needs, Work};
use crate::failure::Failure;
use crate::gpu;
use crate::input::convert;
use crate::progress::Watch;
use crate::session;
use crate::text::{self, number};
use clap::Args;
use ndarray::Array2;
use nmf_core::{Backend, Element, Init, Loss, Matrix, Nmf, SolverKind, Sparse};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::str::FromStr;

/// Options of `bench`.
#[derive(Args, Debug)]
#[command(
    long_about = "Measures milliseconds per iteration (one update of W and one of H) of the CPU backend in f32 and of the GPU, \
        if there is one, over shapes, ranks and losses.",
    after_help = "Examples:\n  nmf-cli bench\n  nmf-cli bench --shapes 4000x2000,20000x50000:0.002 --ranks 16,64 --losses kl --csv bench.csv --plot bench.svg"
)]
pub(crate) struct BenchArgs {
    /// Shapes MxN (dense) or MxN:DENSITY (sparse, 0 < DENSITY ≤ 1), separated by commas
    #[arg(long, value_delimiter = ',', default_value = "500x300,2000x1000,5000x4000:0.01", value_name = "SHAPES")]
    pub(crate) shapes: Vec<Shape>,
    /// Ranks
    #[arg(long, value_delimiter = ',', default_value = "16,64", value_name = "RANKS")]
    pub(crate) ranks: Vec<usize>,
    /// Losses
    #[arg(long, value_delimiter = ',', default_value = "fro,kl", value_name = "LOSSES")]
    pub(crate) losses: Vec<Loss>,
    /// Iterations of each measurement
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) iterations: u32,
    /// Measurements, of which the fastest counts
    #[arg(long, default_value_t = 2, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// Also write the table as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Also draw it, as SVG
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
}

/// Rows, columns and for sparse matrices the share of entries stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shape {
    rows: usize,
    cols: usize,
    density: Option<f64>,
}

impl FromStr for Shape {
    type Err = String;
    fn from_str(s: &str) -> Result<Shape, String> {
        let bad = || format!("\"{s}\" is no shape: MxN, or MxN:DENSITY with 0 < DENSITY ≤ 1");
        let (dim, density) = s.split_once(':').map_or((s, None), |(d, p)| (d, Some(p)));
        let (rows, cols) = dim.split_once(['x', '×']).ok_or_else(bad)?;
        let whole = |t: &str| t.parse().ok().filter(|n| (1..=u32::MAX as usize).contains(n)).ok_or_else(bad);
        let density = match density {
            None => None,
            Some(p) => Some(p.parse().ok().filter(|d| *d > 0.0 && *d <= 1.0).ok_or_else(bad)?),
        };
        Ok(Shape { rows: whole(rows)?, cols: whole(cols)?, density })
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}", self.rows, self.cols)?;
        self.density.map_or(Ok(()), |d| write!(f, ":{d}"))
    }
}

/// Milliseconds per iteration of one case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// "500×300 k=16 fro".
    pub(crate) name: String,
    shape: Shape,
    rank: usize,
    loss: Loss,
    /// On the CPU; `None` if it did not run there.
    pub(crate) cpu: Option<f64>,
    /// On the GPU.
    pub(crate) gpu: Option<f64>,
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs, global: &Global) -> Result<(), Failure> {
    if global.read_precision()? == Some(nmf_io::Precision::F64) {
        return Err(Failure::usage(
            "bench compares in f32, the precision that GPUs are fast in; leave --precision away",
        ));
    }
    if args.ranks.contains(&0) {
        return Err(Failure::usage("--ranks 0: at least one component is needed"));
    }
    for path in [&args.csv, &args.plot].into_iter().flatten() {
        if path.parent().is_some_and(|p| p != std::path::Path::new("") && !p.is_dir()) {
            return Err(Failure::work(format!("{}: cannot be written: there is no such folder", path.display())));
        }
    }
    let wanted = global.backend();
    let adapters = if wanted == BackendChoice::Cpu { Vec::new() } else { gpu::adapters() };
    let mut cpu = if wanted == BackendChoice::Gpu { None } else { Some(session::cpu::<f32>(global)?) };
    let (mut device, mut adapter) = (None, None);
    if wanted == BackendChoice::Gpu || global.adapter.is_some() || !adapters.is_empty() {
        let a = gpu::choose(&adapters, global.adapter.as_deref())?;
        if a.software {
            global.warn(format!("{} is a software adapter: its times say nothing about a GPU", a.name));
        }
        device = Some(gpu::open::<f32>(a, global)?);
        adapter = Some(a.name.clone());
    } else if wanted == BackendChoice::Auto {
        global.note(format!("{}; measuring the CPU alone", gpu::INSTALL));
    }
    let mut cases = Vec::new();
    check(args)?;
    for shape in &args.shapes {
        let x = shape.matrix();
        for rank in &args.ranks {
            for loss in &args.losses {
                let name = format!("{shape} k={rank} {loss}");
                let time = |ms: Result<f64, nmf_core::Error>| ms.map_err(|e| Failure::from(e).prefixed(&name));
                let on_cpu = cpu.as_mut().map(|b| time(measure(b, &x, *rank, loss, args, global))).transpose()?;
                let on_gpu = device.as_mut().map(|b| time(measure(b, &x, *rank, loss, args, global))).transpose()?;
                cases.push(Case { name, shape: *shape, rank: *rank, loss: loss.clone(), cpu: on_cpu, gpu: on_gpu });
            }
        }
    }
    report(args, global, &cases, adapter.as_deref())
}

/// Refuses what cannot run before anything is measured: zeros under IS and β ≤ 0, more than the memory holds.
fn check(args: &BenchArgs) -> Result<(), Failure> {
    for shape in &args.shapes {
        if let Some(loss) = args.losses.iter().find(|l| shape.density.is_some() && !l.allows_zero()) {
            let message = format!("{shape} is sparse, and {loss} is infinite at zero: leave one of them away");
            return Err(Failure::usage(message));
        }
        for rank in &args.ranks {
            let stored = shape.rows as f64 * shape.cols as f64 * shape.density.unwrap_or(1.0);
            session::check_memory(&Work {
                rows: shape.rows,
                cols: shape.cols,
                stored: stored as u64,
                sparse: shape.density.is_some(),
                rank: *rank,
                iterations: 1,
                loss: Loss::FRO,
                precision: nmf_io::Precision::F32,
                needs: Needs { solver: SolverKind::Mu, ..Needs::default() },
            })?;
        }
    }
    Ok(())
}

/// Milliseconds per iteration.
fn measure<B: Backend>(
    b: &mut B,
    x: &Matrix<f32>,
    rank: usize,
    loss: &Loss,
    args: &BenchArgs,
    global: &Global,
) -> Result<f64, nmf_core::Error> {
    let x: Matrix<B::Elem> = convert(&x.view());
    let nmf =
        Nmf::<B::Elem>::new(rank).loss(loss.clone()).solver(SolverKind::Mu).init(Init::Random).tol(0.0).trace_every(0);
    let mut watch = Watch::new(global, &format!("{} {}", b.info().name, B::Elem::NAME), None);
    nmf.clone().max_iter(1).fit_observed(b, &x, &mut watch)?;
    let mut fastest = f64::INFINITY;
    for _ in 0..args.repeat {
        let fitted = nmf.clone().max_iter(args.iterations as usize).fit_observed(b, &x, &mut watch)?;
        fastest = fastest.min(1e3 * fitted.seconds() / f64::from(args.iterations));
    }
    Ok(fastest)
}

fn report(args: &BenchArgs, global: &Global, cases: &[Case], adapter: Option<&str>) -> Result<(), Failure> {
    let folder = |p: &PathBuf| -> (PathBuf, String) {
        let name = p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        (p.parent().map(PathBuf::from).filter(|d| d.as_os_str() != "").unwrap_or_else(|| ".".into()), name)
    };
    let write = |path: &PathBuf, bytes: &[u8]| -> Result<(), Failure> {
        let (dir, name) = folder(path);
        let mut out = nmf_io::Staging::new(dir)?;
        out.bytes(&name, bytes)?;
        Ok(out.commit()?)
    };
    if let Some(path) = &args.csv {
        let cell = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.4}"));
        let mut csv = String::from("rows,cols,density,rank,loss,cpu_ms,gpu_ms\n");
        for c in cases {
            let density = c.shape.density.unwrap_or(1.0);
            csv.push_str(&format!(
                "{},{},{density},{},{},{},{}\n",
                c.shape.rows,
                c.shape.cols,
                c.rank,
                c.loss,
                cell(c.cpu),
                cell(c.gpu)
            ));
        }
        write(path, csv.as_bytes())?;
    }
    if let Some(path) = &args.plot {
        let svg = bench_plot::bars(cases, adapter)
            .map_err(|e| Failure::work(format!("{}: cannot be drawn: {e}", path.display())))?;
        write(path, svg.as_bytes())?;
    }
    if global.json {
        let list: Vec<Value> = cases
            .iter()
            .map(|c| {
                json!({
                    "rows": c.shape.rows, "cols": c.shape.cols, "density": c.shape.density.unwrap_or(1.0), "rank": c.rank,
                    "loss": c.loss.to_string(), "cpu_ms": c.cpu, "gpu_ms": c.gpu,
                })
            })
            .collect();
        return text::print_json(&json!({"adapter": adapter, "threads": session::threads(global), "cases": list}));
    }
    let ms = |v: Option<f64>| v.map_or("–".into(), number);
    let rows: Vec<Vec<String>> = cases
        .iter()
        .map(|c| {
            let ratio = c.cpu.zip(c.gpu).map_or("–".into(), |(cpu, gpu)| format!("{:.2}", cpu / gpu));
            vec![c.shape.to_string(), c.loss.to_string(), c.rank.to_string(), ms(c.cpu), ms(c.gpu), ratio]
        })
        .collect();
    let table = text::table(&["X", "loss", "k", "CPU ms/iteration", "GPU ms/iteration", "CPU ÷ GPU"], &rows, 2);
    let on = adapter.map_or(String::new(), |a| format!(", GPU {a}"));
    text::print(&format!("{table}\n\nmultiplicative updates, f32, CPU {} threads{on}", session::threads(global)))
}

impl Shape {
    fn matrix(&self) -> Matrix<f32> {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let Some(density) = self.density else {
            return Matrix::Dense(Array2::from_shape_simple_fn((self.rows, self.cols), || 1.0 - random.unit() as f32));
        };
        // gaps between stored entries are geometric: every entry is stored with the same probability
        let (mut start, mut index, mut data) = (vec![0u64], Vec::new(), Vec::new());
        let scale = (1.0 - density).ln();
        for _ in 0..self.rows {
            let mut j = 0.0;
            loop {
                if density < 1.0 {
                    j += ((1.0 - random.unit()).ln() / scale).floor();
                }
                if j >= self.cols as f64 {
                    break;
                }
                index.push(j as u32);
                data.push((1.0 + 4.0 * random.unit() * random.unit()).floor() as f32);
                j += 1.0;
            }
            start.push(data.len() as u64);
        }
        if data.is_empty() {
            // one entry, so that there is something to factor
            (start[self.rows], index, data) = (1, vec![0], vec![1.0]);
        }
        Matrix::Sparse(Sparse::new((self.rows, self.cols), start, index, data))
    }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): enough for matrices nobody interprets.
struct Random(u64);

impl Random {
    /// Uniform in [0, 1).
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_or_refused() {
        assert_eq!("20x30".parse(), Ok(Shape { rows: 20, cols: 30, density: None }));
        assert_eq!("20x30:0.5".parse(), Ok(Shape { rows: 20, cols: 30, density: Some(0.5) }));
        for bad in ["", "20", "0x3", "2x3:0", "2x3:1.5", "2x3:nan", "ax3"] {
            assert!(bad.parse::<Shape>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sparse_matrices_have_about_the_density_asked_for() {
        let shape: Shape = "400x500:0.05".parse().unwrap();
        let stored = shape.matrix().view().stored() as f64;
        assert!((stored / 200_000.0 - 0.05).abs() < 0.003, "{stored}");
        assert_eq!("7x5:1".parse::<Shape>().unwrap().matrix().view().stored(), 35);
        assert_eq!("2x2:0.0000001".parse::<Shape>().unwrap().matrix().view().stored(), 1);
    }
}
