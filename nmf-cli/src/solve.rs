//! One factorization from a matrix in memory to its report: what `factorize` and `topics` have in common.
//!
//! ```text
//! let loaded: nmf_io::Loaded = …;
//! let work = session::work(&loaded, &fit, &known);
//! let mut engine = Engine::open(global, &work)?;
//! let other = if cross_check { Some(engine.open_other(global, &work)?) } else { None };
//! on_engine!(&mut engine, loaded, |b, table| {
//!     let solved = solve(b, table.matrix.view(), &Job { … }, other)?;
//!     model::save(…)?;
//!     solved.outcome(…)
//! })
//! ```

use crate::args::{Global, GpuExtra};
use crate::checkpoint::Checkpoint;
use crate::cross_check;
use crate::failure::Failure;
use crate::fit_json::Report;
use crate::fit_options::FitOptions;
use crate::gpu;
use crate::known::Known;
use crate::patterns;
use crate::progress::{Interruptible, Watch};
use crate::rescue::Rescue;
use crate::session::Engine;
use crate::squared_error::{squared_error, weighted_squared_error};
use crate::text::number;
use nmf_core::{Backend, Element, Error, Fitted, Keeper, MatrixRef, Norm, Observed, SolverKind, Stopped};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A factorization to do.
pub(crate) struct Job<'a> {
    /// The options.
    pub(crate) fit: &'a FitOptions,
    /// Which entries count.
    pub(crate) known: &'a Known,
    /// Removes the scale ambiguity afterwards.
    pub(crate) normalize: Option<Norm>,
    /// Where X came from, for messages.
    pub(crate) source: &'a Path,
    /// Seconds it took to read X.
    pub(crate) load_seconds: f64,
    /// Where its state is kept on the way.
    pub(crate) checkpoint: Option<&'a Checkpoint>,
    /// Where results will be, of a command that can resume: beside it the state is saved should a device fail.
    pub(crate) output: Option<&'a Path>,
    /// The global options.
    pub(crate) global: &'a Global,
}

/// A factorization done.
pub(crate) struct Solved<T: Element> {
    /// W, H and the trace.
    pub(crate) fitted: Fitted<T>,
    /// What `fit.json` says.
    pub(crate) report: Report,
    /// The file from which an interrupted one can go on.
    pub(crate) checkpoint: Option<PathBuf>,
    /// Keeps Ctrl-C from ending the program before everything is saved.
    pub(crate) interruptible: Interruptible,
}

impl<T: Element> Solved<T> {
    /// What the exit code depends on, once everything is saved: interrupted, or a cross-check that failed.
    pub(crate) fn outcome(&self, saved_in: Option<&Path>) -> Result<(), Failure> {
        if self.report.stopped == Stopped::Interrupted || self.interruptible.stopping() {
            let saved = match saved_in {
                Some(dir) => format!("what there is was saved in {}", dir.display()),
                None => "nothing was saved, for want of -o DIR".into(),
            };
            let resume = match &self.checkpoint {
                Some(file) => format!("; --resume goes on from {}", file.display()),
                None => String::new(),
            };
            let iterations = self.report.iterations;
            return Err(Failure::interrupted(format!("stopped after iteration {iterations}; {saved}{resume}")));
        }
        match self.report.cross_check {
            Some(c) if !c.agree => Err(Failure::work(format!(
                "the cross-check disagrees: objectives differ by {:.1e} relative, at most {:.0e} is accepted",
                c.difference,
                crate::agreement::OBJECTIVE_TOLERANCE,
            ))),
            _ => Ok(()),
        }
    }
}

/// Factors `x` on `b`; with `other`, a second time there to compare.
pub(crate) fn solve<B: Backend>(
    b: &mut B,
    x: MatrixRef<'_, B::Elem>,
    job: &Job<'_>,
    other: Option<Engine>,
) -> Result<Solved<B::Elem>, Failure> {
    let (global, dim) = (job.global, x.dim());
    let built = job.fit.build::<B::Elem>(dim, job.known)?;
    let blame = |e| job.known.blame(job.source, e);
    let prepare = Instant::now();
    let weighted = built.nmf.weighted(&x).map_err(blame)?;
    let problem = built.nmf.problem(x.reborrow(), weighted.as_ref()).map_err(blame)?;
    let kind = built.nmf.check(b, &problem).map_err(blame)?;
    let asked = global.gpu_on.contains(&GpuExtra::Cooperative) && b.info().asynchronous;
    // a convolutive model's factors have as many columns as components times shifts
    let sparse = matches!(x, MatrixRef::Sparse(_)) || problem.observed() != Observed::All;
    if let Some(why) =
        gpu::idle_matrices(kind, &job.fit.loss(), sparse, dim, job.fit.rank * job.fit.shifts).filter(|_| asked)
    {
        global.warn(format!("--gpu-on cooperative serves no update here: {why}"));
    }
    let data = problem.upload(b)?;
    b.finish()?;
    let prepare = prepare.elapsed().as_secs_f64();
    let nmf = &built.nmf;
    let interruptible = Interruptible::new();
    let size = patterns::size(job.fit.rank, job.fit.shifts);
    global.detail(format!("factoring {}×{} at {size} by {kind}; Ctrl-C stops and saves", dim.0, dim.1));
    let resume = job.checkpoint.map(|c| c.read::<B::Elem>(global)).transpose()?.flatten();
    let mut watch = Watch::new(global, "factoring", Some(&interruptible));
    let mut writer = job.checkpoint.map(|c| c.writer(global));
    // runs side by side have no state of their own to go on from
    let alone = nmf.side_by_side(b, &data, &problem).map_err(blame)? == 1;
    let rescued = job.output.filter(|_| writer.is_none() && alone && b.info().asynchronous);
    let mut rescue = rescued.map(|output| (Rescue::new(), output));
    let keeper = match (&mut writer, &mut rescue) {
        (Some(writer), _) => Some(writer as &mut dyn Keeper<B::Elem>),
        (None, Some((rescue, _))) => Some(rescue as &mut dyn Keeper<B::Elem>),
        (None, None) => None,
    };
    let fitted = nmf.fit_kept(b, &data, &problem, prepare, &mut watch, keeper, resume.as_ref());
    let fitted = fitted.map_err(|e| match e {
        Error::Snapshot { .. } => job.checkpoint.map_or_else(|| Failure::from(e.clone()), |c| c.blame(&e)),
        Error::Diverged { .. } if kind == SolverKind::Gd => blame(e).with("; or a smaller --step"),
        e => match &rescue {
            Some((rescue, output)) => rescue.explain(&e, blame(e.clone()), output),
            None => blame(e),
        },
    })?;
    drop((watch, data, resume));
    for w in fitted.warnings() {
        global.warn(w);
    }
    let start = fitted.trace().first().map_or(f64::INFINITY, |p| p.objective);
    if !kind.is_monotone() && fitted.objective() > start * (1.0 + 1e-6) {
        let advice = if kind == SolverKind::Gd { "take a smaller --step" } else { "take another --solver or start" };
        let (end, start) = (number(fitted.objective()), number(start));
        global.warn(format!("the objective ended at {end}, above its start {start}: {advice}"));
    }
    let (penalty_w, penalty_h) = job.fit.penalties(dim)?;
    if job.normalize.is_some() && !(penalty_w.is_none() && penalty_h.is_none()) {
        global.warn("--normalize moves the scale between W and H after the fit: the penalties in `objective` are those before it");
    }
    let check = match other {
        Some(mut engine) if fitted.stopped() != Stopped::Interrupted => {
            let (fit, known, init) = (&job.fit.pinned(kind), job.known, &built.init);
            let again = cross_check::Again { fit, known, init, fitted: &fitted, interruptible: &interruptible };
            Some(again.on(b, &mut engine, &x, global)?).filter(|_| !interruptible.stopping())
        }
        _ => None,
    };
    let fitted = match job.normalize {
        Some(norm) => fitted.normalized(norm),
        None => fitted,
    };
    let right = patterns::right(fitted.h(), fitted.shifts());
    let (w, h) = (fitted.w(), right.view());
    let error = match &weighted {
        Some(pair) => weighted_squared_error(pair, &w, &h, global.threads),
        None => squared_error(&x, &w, &h, job.known.observed, global.threads),
    };
    let weights = weighted.as_ref().map(|pair| pair.weights());
    let mut report = Report::new(&fitted, &problem.x(), weights.as_ref(), b.info(), error);
    report.load_seconds = job.load_seconds;
    report.penalties = (penalty_w, penalty_h);
    report.method = job.fit.method.clone();
    report.counted(job.known);
    report.cross_check = check;
    let checkpoint = job.checkpoint.map(|c| c.path().to_path_buf());
    Ok(Solved { fitted, report, checkpoint, interruptible })
}
