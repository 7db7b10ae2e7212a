//! Everything about a graphics card in one call: `cargo run --release -p nmf-bench --bin gpu -- [OPTIONS]`; see
//! `benches/gpu/README.md`.

mod batches;
mod cases;
mod correct;
mod inputs;
mod measure;
mod merge;
mod picture;
mod report;
mod ways;
mod work;

use measure::{Effort, Session};
use nmf_core::{Backend, Loss, Matrix, Observed};
use nmf_cpu::Cpu;
use nmf_gpu::{AdapterChoice, Gpu, GpuOptions, Streaming, Tuned};
use report::{Report, digits};
use std::path::{Path, PathBuf};
use work::Shape;

pub(crate) type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: gpu [OPTIONS]
  --quick            a few small cases and comparisons: about a minute on a software adapter
  --only TEXT        only cases whose name contains TEXT, such as \"k=32 kl\", \"mu W\", \"sparse\", \"20000x10000\", \"ways\"
  --out DIR          results.json, results.md, results.svg (default gpu-out)
  --adapter A        number or part of the name
  --budget S         seconds for everything (default 420); what does not fit is named
  --sparse FILE      a sparse matrix of counts (.npz of SciPy, .mtx) instead of the look-alike of 20 Newsgroups
  --write-sparse FILE  writes the look-alike, and does nothing else
  --checked          keeps the shaders' bounds checks
  --no-cpu           leaves the CPU path away
  --merge OURS PEERS   puts results.json and what peers.py wrote into DIR/summary.md, and does nothing else";

#[derive(Default)]
struct Options {
    quick: bool,
    only: Option<String>,
    out: PathBuf,
    adapter: Option<AdapterChoice>,
    budget: Option<f64>,
    sparse: Option<PathBuf>,
    write_sparse: Option<PathBuf>,
    checked: bool,
    no_cpu: bool,
    merge: Option<(PathBuf, PathBuf)>,
}

fn options() -> Result<Options, Failure> {
    let mut words = std::env::args().skip(1);
    let mut o = Options { out: "gpu-out".into(), ..Options::default() };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--help" => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            "--quick" => o.quick = true,
            "--checked" => o.checked = true,
            "--no-cpu" => o.no_cpu = true,
            "--only" => o.only = Some(value()?),
            "--out" => o.out = value()?.into(),
            "--adapter" => {
                let text = value()?;
                o.adapter = Some(text.parse().map(AdapterChoice::Index).unwrap_or(AdapterChoice::Name(text)));
            }
            "--budget" => {
                let text = value()?;
                let seconds = text.parse().ok().filter(|s: &f64| *s > 0.0 && *s < 1e6);
                o.budget = Some(seconds.ok_or_else(|| format!("--budget {text}: a number of seconds"))?);
            }
            "--sparse" => o.sparse = Some(value()?.into()),
            "--write-sparse" => o.write_sparse = Some(value()?.into()),
            "--merge" => o.merge = Some((value()?.into(), value()?.into())),
            _ => return Err(format!("{word}?\n{USAGE}").into()),
        }
    }
    Ok(o)
}

fn main() {
    let done = options().and_then(|o| match (&o.merge, &o.write_sparse) {
        (Some((ours, peers)), _) => merged(ours, peers, &o.out),
        (None, Some(path)) => {
            let (m, n, stored) = inputs::NEWS;
            Ok(nmf_io::write(path, &Matrix::from(inputs::counts(m, n, stored)))?)
        }
        (None, None) => run(&o),
    });
    if let Err(e) = done {
        eprintln!("{e}");
        std::process::exit(1);
    }
}

fn merged(ours: &Path, peers: &Path, out: &Path) -> Result<(), Failure> {
    let read = |path: &Path| -> Result<serde_json::Value, Failure> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?)
    };
    // the peers may be missing altogether
    let theirs = if peers.exists() { Some(read(peers)?) } else { None };
    let (page, short) = merge::summary(&read(ours)?, theirs.as_ref())?;
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join("summary.md"), page)?;
    print!("{short}");
    Ok(())
}

/// What is measured, most important first.
struct Plan {
    dense: Vec<(Shape, Vec<usize>)>,
    sparse_ks: Vec<usize>,
    losses: Vec<Loss>,
    /// X of the single operations, and their ranks.
    operations: (Shape, Vec<usize>),
    effort: Effort,
    per_operation: Effort,
    on_cpu: Effort,
    budget: f64,
}

impl Plan {
    fn new(quick: bool) -> Plan {
        let losses = vec![Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(1.5)];
        if quick {
            let effort = Effort { samples: 5, limit: 0.25, longest: 2.0 };
            return Plan {
                dense: vec![(Shape::dense(2000, 1000), vec![32]), (Shape::dense(500, 300), vec![8, 32])],
                sparse_ks: vec![20],
                losses,
                operations: (Shape::dense(500, 300), vec![16]),
                effort,
                per_operation: effort,
                on_cpu: effort,
                budget: 60.0,
            };
        }
        let effort = Effort { samples: 25, limit: 1.2, longest: 5.0 };
        Plan {
            dense: [(10_000, 5_000), (20_000, 10_000), (2_000, 1_000), (100_000, 20_000)]
                .map(|(m, n)| (Shape::dense(m, n), vec![8, 16, 32, 64, 128, 256]))
                .into(),
            sparse_ks: vec![20, 64],
            losses,
            operations: (Shape::dense(10_000, 5_000), vec![8, 32, 128]),
            effort,
            per_operation: Effort { samples: 20, limit: 0.5, ..effort },
            on_cpu: Effort { samples: 3, limit: 1.0, longest: 3.0 },
            budget: 420.0,
        }
    }
}

fn run(o: &Options) -> Result<(), Failure> {
    let plan = Plan::new(o.quick);
    let mut s = Session::new(o.budget.unwrap_or(plan.budget), o.only.clone());
    std::fs::create_dir_all(&o.out)?;
    let options = GpuOptions {
        adapter: o.adapter.clone(),
        checked: o.checked,
        stream: Streaming::Never,
        ..GpuOptions::default()
    };
    let mut gpu = Gpu::new(&options)?;
    let adapter = gpu.adapter().clone();
    println!("{} ({}, {}), driver {}", adapter.name, adapter.backend, adapter.device_type, adapter.driver);
    for (name, value) in &adapter.limits {
        println!("  {name} {value}");
    }
    println!("  features: {}", adapter.features.join(" "));
    let ceilings = gpu.ceilings()?;
    println!(
        "ceilings: {} TFLOP/s (multiply-adds), {} GB/s (copy of {} MiB, read and written)",
        digits(ceilings.fma_flops / 1e12),
        digits(ceilings.copy_bytes / 1e9),
        ceilings.copied >> 20
    );
    let checks = correct::all(&mut gpu, &plan.losses, o.quick)?;
    let wrong: Vec<String> = checks
        .iter()
        .filter(|c| !c.right())
        .map(|c| format!("WRONG: {}: objective off by {:.1e}, its own sum by {:.1e}", c.name, c.reached, c.measured))
        .collect();
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    let largest = checks.iter().map(|c| c.reached.max(c.measured)).fold(0.0, f64::max);
    println!("right: {} comparisons with the CPU in f64, the largest difference {largest:.1e}", checks.len());
    let mut cpu = Cpu::<f32>::new()?;
    let threads = cpu.info().threads;
    let batches = batches::all(&mut s, &options, if o.quick { (16, 20) } else { (32, 100) });
    let save = |s: &Session, ways: &[Tuned]| -> Result<Vec<report::Target>, Failure> {
        let (checks, batches) = (&checks[..], &batches[..]);
        let report =
            Report { adapter: &adapter, checked: o.checked, threads, ceilings, checks, batches, ways, session: s };
        std::fs::write(o.out.join("results.json"), serde_json::to_string_pretty(&report.json())?)?;
        std::fs::write(o.out.join("results.md"), report.markdown())?;
        std::fs::write(o.out.join("results.svg"), picture::roofline(&s.records, &ceilings, &adapter.name)?)?;
        Ok(report.targets())
    };
    let mut nonsense = Vec::new();

    let counted = sparse(o)?;
    let counted_shape =
        Shape { m: counted.dim().0, n: counted.dim().1, stored: Some(counted.view().stored() as usize) };
    // other losses are infinite at zero, or need all entries
    let sparse_losses = [Loss::KL, Loss::FRO];
    if plan.wants(&s, &counted_shape, &plan.sparse_ks, &sparse_losses) {
        let data = gpu.upload(counted.view(), 1.0, Observed::All)?;
        let (x, ks) = ((&counted_shape, &data), (&plan.sparse_ks[..], &sparse_losses[..]));
        nonsense.extend(cases::iterations(&mut s, &mut gpu, &ceilings, x, ks, &plan.effort));
    }
    for (x, ks) in &plan.dense {
        let operations = *x == plan.operations.0 && cases::wants_operations(&s, x, (&plan.operations.1, &plan.losses));
        if !plan.wants(&s, x, ks, &plan.losses) && !operations {
            continue;
        }
        let least = work::iteration(x, ks[0], &plan.losses[0]);
        let foretold = 2.0 * least.least_seconds(ceilings.fma_flops, ceilings.copy_bytes);
        if foretold > plan.effort.longest {
            s.leave_out(x.to_string(), format!("one iteration would take about {foretold:.0} s"));
            continue;
        }
        let Some(data) = cases::upload_dense(&mut s, &mut gpu, x) else { continue };
        let pair = (x, &data);
        nonsense.extend(cases::iterations(&mut s, &mut gpu, &ceilings, pair, (ks, &plan.losses), &plan.effort));
        if operations {
            let ks = (&plan.operations.1[..], &plan.losses[..]);
            cases::operations(&mut s, &mut gpu, &ceilings, pair, ks, &plan.per_operation)?;
        }
        save(&s, &[])?;
    }
    let ks: &[usize] = if o.quick { &[32] } else { &[128, 32, 16, 8, 64, 256] };
    let ways = ways::all(&mut s, &options, ks, &plan.losses, adapter.software);
    if !o.no_cpu {
        // what one thread does at least; corrected by what is measured
        let mut rate = 1e10 * threads as f64;
        let x = (&counted_shape, counted.view());
        cases::on_cpu(&mut s, &mut cpu, x, (&plan.sparse_ks, &sparse_losses), &mut rate, &plan.on_cpu)?;
        for (x, ks) in plan.dense.iter().filter(|(x, _)| x.bytes() < 2e9) {
            if s.records.iter().any(|r| r.what == "iteration" && r.x == *x) {
                let matrix = Matrix::from(inputs::dense(x.m, x.n));
                let ks = (&ks[..], &plan.losses[..]);
                cases::on_cpu(&mut s, &mut cpu, (x, matrix.view()), ks, &mut rate, &plan.on_cpu)?;
            }
        }
    }
    let targets = save(&s, &ways)?;
    for t in &targets {
        println!("{} {}: {} ({})", if t.met { "met   " } else { "missed" }, t.what, t.found, t.wanted);
    }
    println!(
        "{} measurements, {} left out, {:.0} s; {}",
        s.records.len(),
        s.left_out.len(),
        s.seconds(),
        o.out.join("results.md").display()
    );
    if !nonsense.is_empty() {
        return Err(format!("WRONG: factors that are no numbers after {}", nonsense.join(", ")).into());
    }
    Ok(())
}

impl Plan {
    /// Whether any iteration of this X is asked for.
    fn wants(&self, s: &Session, x: &Shape, ks: &[usize], losses: &[Loss]) -> bool {
        ks.iter().any(|k| losses.iter().any(|l| s.wants(&work::name("iteration", x, *k, &l.to_string()))))
    }
}

/// The file of counts, or the look-alike (a smaller one where `--quick`).
fn sparse(o: &Options) -> Result<Matrix<f32>, Failure> {
    let Some(path) = &o.sparse else {
        let (m, n, stored) = if o.quick { (1000, 2500, 60_000) } else { inputs::NEWS };
        return Ok(inputs::counts(m, n, stored).into());
    };
    let read = nmf_io::ReadOptions { precision: Some(nmf_io::Precision::F32), ..Default::default() };
    match nmf_io::read(path, &read)?.into_f32().matrix {
        Matrix::Dense(_) => Err(format!("{}: a sparse matrix is wanted", path.display()).into()),
        sparse => Ok(sparse),
    }
}
