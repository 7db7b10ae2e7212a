//! `compare`: every backend from the same start, and how far they end up apart.
//!
//! The start is made once in f64 and rounded to f32, so that all begin with the same numbers. The CPU in f64 is the
//! reference: it decides how many iterations there are, the others do as many.

mod page;

use crate::agreement::{FACTOR_TOLERANCE, OBJECTIVE_TOLERANCE, factor_difference, objective_difference, resolution};
use crate::args::{BackendChoice, Global};
use crate::failure::Failure;
use crate::fit_options::FitOptions;
use crate::gpu;
use crate::input::{InputOptions, convert};
use crate::known::{Known, KnownOptions};
use crate::progress::{Interruptible, Watch};
use crate::report::ReportOptions;
use crate::session;
use crate::text::{self, number, seconds};
use clap::Args;
use ndarray::Array2;
use nmf_core::{Backend, Element, Init, MatrixRef, SolverKind, Start, Stop, Stopped, TracePoint};
use nmf_io::Precision;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Options of `compare`.
#[derive(Args, Debug)]
#[command(
    long_about = "Factors X (m×n) on every backend from the same start (made once in f64, rounded to f32): the CPU in f64 \
        and in f32, and a GPU in f32 if there is one.\n\nThey agree if the objectives differ by at most 1e-4 relative at every \
        check and the factors computed in f32 by at most 1e-2 of their norm; otherwise the exit code is 1.",
    after_help = "Examples:\n  nmf-cli compare x.npy -k 16 --loss kl --init random --tol 0 --max-iter 100\n  \
        nmf-cli compare counts.mtx -k 20 --loss kl --json\n  \
        nmf-cli compare spectrogram.npy -k 5 --shifts 12 --loss is\n\n--backend cpu leaves the GPU out, --backend gpu insists on one."
)]
pub(crate) struct CompareArgs {
    /// X, m×n, in any format that factorize reads
    pub(crate) input: PathBuf,
    /// How to factor.
    #[command(flatten)]
    pub(crate) fit: FitOptions,
    /// How to read X.
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// Which entries count.
    #[command(flatten)]
    pub(crate) known: KnownOptions,
    /// A page about the result.
    #[command(flatten)]
    pub(crate) report: ReportOptions,
}

/// One backend's result.
struct Entry {
    backend: String,
    adapter: String,
    precision: &'static str,
    seconds: f64,
    objective: f64,
    trace: Vec<TracePoint>,
    w: Array2<f64>,
    h: Array2<f64>,
}

impl Entry {
    /// "cpu, 2 threads f64".
    fn name(&self) -> String {
        format!("{} {}", self.backend, self.precision)
    }
}

/// What all backends are given.
struct Contest<'a> {
    /// With the solver that `auto` is in f64 on the CPU: all do the same.
    fit: FitOptions,
    known: &'a Known,
    source: &'a Path,
    global: &'a Global,
    /// In the units of X, exact in f32.
    start: Start<f64>,
    /// As many iterations as the reference did; `None` for the reference itself.
    iterations: Option<usize>,
}

/// How far the entries are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Verdict {
    objectives: f64,
    factors: f64,
    agree: bool,
}

/// Runs the command.
pub(crate) fn run(args: &CompareArgs, global: &Global) -> Result<(), Failure> {
    if global.precision.is_some() {
        return Err(Failure::usage("compare runs every precision; leave --precision away"));
    }
    if args.fit.restarts != 1 {
        return Err(Failure::usage("compare runs every backend from one start; leave --restarts away"));
    }
    let adapters = if global.backend() == BackendChoice::Cpu { Vec::new() } else { gpu::adapters() };
    let adapter = match global.backend() {
        BackendChoice::Auto if adapters.is_empty() && global.adapter.is_none() => None,
        BackendChoice::Cpu => None,
        _ => Some(gpu::choose(&adapters, global.adapter.as_deref())?),
    };
    args.report.check()?;
    let mut fit = args.fit.clone();
    fit.method.solver.get_or_insert(SolverKind::Mu);

    let (loaded, _) = args.input_options.load(&args.input, Some(Precision::F64), global)?;
    args.fit.check_shifts(&args.input, loaded.dim().1)?;
    let known = args.known.load(&args.input_options, &loaded, global)?;
    let mut work = session::work(&loaded, &fit, &known);
    let x = loaded.into_f64().matrix;
    let mut cpu64 = session::cpu::<f64>(global)?;
    let (mut contest, base) = Contest::new(&mut cpu64, &x.view(), &fit, &known, &args.input, global)?;
    work.needs.solver = contest.fit.method.kind();
    let mut entries = vec![contest.enter(&mut cpu64, x.view())?];
    contest.iterations = entries[0].trace.last().map(|p| p.iteration);
    let x = convert::<f64, f32>(&x.view());
    entries.push(contest.enter(&mut session::cpu::<f32>(global)?, x.view())?);
    match adapter {
        Some(a) => {
            if a.software {
                global.warn(format!("{} is a software adapter: its seconds say nothing about a GPU", a.name));
            }
            let mut gpu = gpu::open::<f32>(a, global)?;
            // asked for, the GPU says itself what it cannot do
            let asked = global.backend() == BackendChoice::Gpu || global.adapter.is_some();
            match work.refused_by(&gpu).filter(|_| !asked) {
                Some(why) => global.warn(format!("the GPU is left out: {why}")),
                None => entries.push(contest.enter(&mut gpu, x.view())?),
            }
        }
        None if global.backend() == BackendChoice::Auto => {
            global.note(format!("{}; comparing the CPU's precisions", gpu::INSTALL))
        }
        None => {}
    }
    let verdict = judge(&entries, base);
    if args.report.wanted() {
        args.report.write(page::page(args, &contest.fit, &entries, verdict, base))?;
    }
    if global.json {
        text::print_json(&to_json(&entries, verdict))?;
    } else {
        text::print(&(to_table(&entries, verdict) + &args.report.told()))?;
    }
    verdict.outcome()
}

impl<'a> Contest<'a> {
    /// Checks the options and makes the start; also returns the resolution of objectives.
    fn new<B: Backend<Elem = f64>>(
        b: &mut B,
        x: &MatrixRef<'_, f64>,
        fit: &FitOptions,
        known: &'a Known,
        source: &'a Path,
        global: &'a Global,
    ) -> Result<(Contest<'a>, f64), Failure> {
        let crate::fit_options::Built { nmf, init } = fit.build::<f64>(x.dim(), known)?;
        let weighted = nmf.weighted(x).map_err(|e| known.blame(source, e))?;
        let problem = nmf.problem(x.reborrow(), weighted.as_ref()).map_err(|e| known.blame(source, e))?;
        let fit = fit.pinned(nmf.check(b, &problem)?);
        let data = problem.upload(b)?;
        let start = init.make(b, &data, &problem, fit.rank, fit.shifts, fit.seed)?;
        let round = |a: Array2<f64>| a.mapv(|v| f64::from(v as f32));
        let start = Start { w: round(start.w), h: round(start.h) };
        let base = resolution(x, weighted.as_ref(), &fit.loss(), known.observed);
        Ok((Contest { fit, known, source, global, start, iterations: None }, base))
    }

    /// Lets one backend run.
    fn enter<B: Backend>(&self, b: &mut B, x: MatrixRef<'_, B::Elem>) -> Result<Entry, Failure> {
        let to = |a: &Array2<f64>| a.mapv(B::Elem::of);
        let info = b.info();
        let interruptible = Interruptible::new();
        let mut nmf = self.fit.build::<B::Elem>(x.dim(), self.known)?.nmf;
        nmf = nmf.init(Init::Custom(Start { w: to(&self.start.w), h: to(&self.start.h) })).kkt(self.fit.kkt_tol > 0.0);
        if let Some(max_iter) = self.iterations {
            nmf = nmf.stop(Stop { max_iter, tol: 0.0, ..Stop::default() });
        }
        let title = format!("{} {}", info.name, B::Elem::NAME);
        let mut watch = Watch::new(self.global, &title, Some(&interruptible));
        let fitted = nmf.fit_observed(b, x, &mut watch).map_err(|e| self.known.blame(self.source, e))?;
        drop(watch);
        if fitted.stopped() == Stopped::Interrupted {
            return Err(Failure::interrupted(format!(
                "{title} stopped at iteration {}; nothing to compare",
                fitted.iterations()
            )));
        }
        Ok(Entry {
            backend: info.name,
            adapter: info.adapter,
            precision: B::Elem::NAME,
            seconds: fitted.seconds(),
            objective: fitted.objective(),
            trace: fitted.trace().to_vec(),
            w: fitted.w().mapv(Element::f64),
            h: fitted.h().mapv(Element::f64),
        })
    }
}

/// Objectives of all pairs, factors of those in f32 (of the first two where there is but one in f32).
fn judge(entries: &[Entry], resolution: f64) -> Verdict {
    let pairs = |all: &[&Entry], apart: &dyn Fn(&Entry, &Entry) -> f64| {
        let mut most: f64 = 0.0;
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                let d = apart(a, b);
                // a NaN is no agreement
                most = if d.is_nan() { f64::INFINITY } else { most.max(d) };
            }
        }
        most
    };
    let all: Vec<&Entry> = entries.iter().collect();
    let single: Vec<&Entry> = entries.iter().filter(|e| e.precision == "f32").collect();
    let objectives = pairs(&all, &|a, b| objective_difference(&a.trace, &b.trace, resolution));
    let factors = pairs(if single.len() > 1 { &single } else { &all }, &|a, b| {
        let (w, h) = (factor_difference(&b.w.view(), &a.w.view()), factor_difference(&b.h.view(), &a.h.view()));
        if w.is_nan() || h.is_nan() { f64::NAN } else { w.max(h) }
    });
    Verdict { objectives, factors, agree: objectives <= OBJECTIVE_TOLERANCE && factors <= FACTOR_TOLERANCE }
}

impl Verdict {
    fn outcome(&self) -> Result<(), Failure> {
        if self.agree {
            return Ok(());
        }
        Err(Failure::work(format!(
            "the backends disagree: objectives by {:.1e} (at most {OBJECTIVE_TOLERANCE:.0e} is accepted), factors by {:.1e} (at most {FACTOR_TOLERANCE:.0e})",
            self.objectives, self.factors,
        )))
    }
}

fn to_json(entries: &[Entry], v: Verdict) -> Value {
    let backends: Vec<Value> = entries
        .iter()
        .map(|e| {
            let trace: Vec<_> = e.trace.iter().map(|p| (p.iteration, p.seconds, p.objective)).collect();
            let adapter = (!e.adapter.is_empty()).then_some(&e.adapter);
            json!({
                "backend": e.backend, "adapter": adapter, "precision": e.precision, "seconds": e.seconds,
                "objective": e.objective, "objective_trace": trace,
            })
        })
        .collect();
    json!({
        "backends": backends,
        "max_relative_objective_difference": v.objectives,
        "max_relative_factor_difference": v.factors,
        "agree": v.agree,
    })
}

fn to_table(entries: &[Entry], v: Verdict) -> String {
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|e| {
            let iterations = e.trace.last().map_or(0, |p| p.iteration);
            let first = e.trace.first().map_or(e.objective, |p| p.objective);
            let (from, to) = (number(first), format!("{:.9e}", e.objective));
            vec![
                e.backend.clone(),
                e.precision.into(),
                e.adapter.clone(),
                iterations.to_string(),
                from,
                to,
                seconds(e.seconds),
            ]
        })
        .collect();
    let table = text::table(
        &["backend", "precision", "adapter", "iterations", "objective at start", "at the end", "time"],
        &rows,
        3,
    );
    let verdict = if v.agree { "the backends agree" } else { "THE BACKENDS DISAGREE" };
    format!(
        "{table}\n\n{verdict}: objectives differ by {:.1e} at most (tolerance {OBJECTIVE_TOLERANCE:.0e}), factors by {:.1e} (tolerance {FACTOR_TOLERANCE:.0e})",
        v.objectives, v.factors,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use nmf_core::conformance::{Broken, Fault};
    use nmf_cpu::Cpu;

    /// Three backends from one start; the third with `fault`, if any.
    fn verdict(loss: &str, fault: Option<Fault>) -> Verdict {
        let x = Array2::from_shape_fn((30, 20), |(i, j)| 0.1 + ((7 * i + 11 * j) % 13) as f64 + ((i * j) % 5) as f64);
        let single = x.mapv(|v| v as f32);
        let fit = FitOptions::from_words(&[
            "-k",
            "4",
            "--loss",
            loss,
            "--init",
            "random",
            "--solver",
            "mu",
            "--max-iter",
            "30",
        ])
        .unwrap();
        let (global, source) = (Global { quiet: true, ..Global::default() }, Path::new("x"));
        let (mut cpu, known) = (Cpu::<f64>::new().unwrap(), Known::default());
        let (mut contest, base) = Contest::new(&mut cpu, &MatrixRef::from(&x), &fit, &known, source, &global).unwrap();
        let mut entries = vec![contest.enter(&mut cpu, MatrixRef::from(&x)).unwrap()];
        contest.iterations = entries[0].trace.last().map(|p| p.iteration);
        entries.push(contest.enter(&mut Cpu::<f32>::new().unwrap(), MatrixRef::from(&single)).unwrap());
        let third = Cpu::<f32>::new().unwrap();
        entries.push(match fault {
            Some(fault) => contest.enter(&mut Broken::new(third, fault), MatrixRef::from(&single)).unwrap(),
            None => contest.enter(&mut { third }, MatrixRef::from(&single)).unwrap(),
        });
        judge(&entries, base)
    }

    #[test]
    fn sound_backends_agree_and_broken_ones_exit_with_1() {
        for (loss, fault) in [("kl", Fault::TruncateRow), ("is", Fault::DropExponent), ("fro", Fault::MeasureAfter)] {
            let sound = verdict(loss, None);
            assert!(sound.agree && sound.outcome().is_ok(), "{loss}: {sound:?}");
            let broken = verdict(loss, Some(fault));
            assert_eq!(broken.outcome().map_err(|e| e.code()), Err(1), "{loss}: {broken:?}");
        }
    }
}
