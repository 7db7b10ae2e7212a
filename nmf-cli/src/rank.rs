//! `rank`: which k, and how far to trust it.

mod archive;
mod files;
mod pages;
mod settings;

use crate::args::Global;
use crate::failure::Failure;
use crate::fit_options::{FitOptions, Method};
use crate::input::{InputOptions, keep_apart};
use crate::known::KnownOptions;
use crate::progress::{Counter, Interruptible};
use crate::report::ReportOptions;
use crate::session::{self, Engine};
use crate::text;
use archive::Folder;
use clap::{Args, ValueEnum};
use nmf_core::rank::{Archive, Nothing, Survey, Surveyed, Unit, Watch};
use nmf_core::stability::{Bootstrap, bootstrap};
use nmf_core::{Backend, Flow, Loss, MatrixRef, Nmf, Side};
use nmf_io::Table;
use settings::Settings;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Options of `rank`.
#[derive(Args, Debug)]
#[command(
    long_about = "Tries every rank k of a range and recommends one.\n\nThree curves are drawn over k: how well W·H fits X; how well it predicts \
        entries that were held out (it falls until k has what the data have and rises when more components fit noise); and how much runs \
        from different random starts agree (consensus of their clusters, silhouette of their components).",
    after_help = "Examples:\n  nmf-cli rank counts.mtx --ranks 2..12 --loss kl -o survey --report survey.html\n  \
        nmf-cli rank genes.tsv --ranks 2..8 --restarts 30 --cluster cols -o survey\n  \
        nmf-cli rank ratings.mtx --ranks 2,5,10,20 --stored-only --bootstrap 50 -o survey\n\n\
        With -o, every finished run is kept in DIR/survey: the same command continues where it was stopped or killed, and a --ranks \
        that goes on where it ended adds to what is there. Results do not depend on that, nor on --threads.\n\n\
        error: the divergence of the best start in the units of factorize's objective (fro ½Σ(x−v)²); held out: the same per held-out entry; \
        explained: 1 − ‖X−WH‖²/‖X‖², not centred.\n\n\
        The recommended k is the smallest whose held-out error is within one standard error of the lowest. Where --solver does not know \
        unknown entries (the HALS family and least squares), what is held out is fitted by one that does (mue, mu or newton)."
)]
pub(crate) struct RankArgs {
    /// X, m×n, in any format that factorize reads
    pub(crate) input: PathBuf,
    /// The ranks: A..B (both included), A..B:STEP, or a list such as 2,5,10
    #[arg(long, value_name = "A..B", value_parser = ranks)]
    pub(crate) ranks: Ranks,
    /// Folder for rank.tsv, rank.json, clusters.tsv, consensus_k*.npy, pictures, W.npy and H.npy of the recommended k, and what is kept of finished runs
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Random starts at every k
    #[arg(long, default_value_t = 10, value_name = "R")]
    pub(crate) restarts: usize,
    /// Sets of entries that are held out in turn; 0: none
    #[arg(long, default_value_t = 5, value_name = "F")]
    pub(crate) folds: usize,
    /// Share of the known entries in each of these sets, at most 1/F [default: 0.1; of a sparse matrix whose zeros count at most as many entries as
    /// it stores, and two million]
    #[arg(long, value_name = "SHARE")]
    pub(crate) holdout: Option<f64>,
    /// What the consensus clusters: rows (by W) or columns (by H) [default: the shorter side]
    #[arg(long, value_enum, value_name = "SIDE")]
    pub(crate) cluster: Option<Clustered>,
    /// Factor B resamples of the rows at the recommended k, for the uncertainty of H (to a hundredth of --tol)
    #[arg(long, default_value_t = 0, value_name = "B")]
    pub(crate) bootstrap: usize,
    /// Start anew instead of continuing what DIR/survey holds
    #[arg(long, requires = "output")]
    pub(crate) fresh: bool,
    /// Loss: fro (eu, euclidean, frobenius), kl (kullback-leibler, i-divergence), is (itakura-saito) or beta:B
    #[arg(long, default_value = "fro", value_name = "LOSS", help_heading = "Factorization")]
    pub(crate) loss: Loss,
    /// The solver.
    #[command(flatten)]
    pub(crate) method: Method,
    /// Seed of everything random
    #[arg(long, default_value_t = 0, value_name = "SEED", help_heading = "Factorization")]
    pub(crate) seed: u64,
    /// Iterations of each run at most
    #[arg(long, default_value_t = 200, value_name = "N", help_heading = "Factorization")]
    pub(crate) max_iter: usize,
    /// A run stops when its objective D falls by at most TOL·√(D at the start · D) over 10 iterations
    #[arg(long, default_value_t = 1e-4, value_name = "TOL", help_heading = "Factorization")]
    pub(crate) tol: f64,
    /// Adds L1_W·ΣW to the objective
    #[arg(long, value_name = "WEIGHT", help_heading = "Penalties")]
    pub(crate) l1_w: Option<f64>,
    /// Adds ½·L2_W·ΣW² to the objective
    #[arg(long, value_name = "WEIGHT", help_heading = "Penalties")]
    pub(crate) l2_w: Option<f64>,
    /// Adds L1_H·ΣH to the objective
    #[arg(long, value_name = "WEIGHT", help_heading = "Penalties")]
    pub(crate) l1_h: Option<f64>,
    /// Adds ½·L2_H·ΣH² to the objective
    #[arg(long, value_name = "WEIGHT", help_heading = "Penalties")]
    pub(crate) l2_h: Option<f64>,
    /// How to read X.
    #[command(flatten)]
    pub(crate) input_options: InputOptions,
    /// Which entries count.
    #[command(flatten)]
    pub(crate) known: KnownOptions,
    /// Where a report goes.
    #[command(flatten)]
    pub(crate) report: ReportOptions,
}

/// A side of X.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clustered {
    /// Rows, by their weights in W
    Rows,
    /// Columns, by their weights in H
    Cols,
}

/// Ranks in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ranks(Vec<usize>);

/// "2..8", "2..20:3" or "2,5,10".
fn ranks(s: &str) -> Result<Ranks, String> {
    let number = |s: &str| match s.trim().parse::<usize>() {
        Ok(k) if (1..=65_536).contains(&k) => Ok(k),
        _ => Err(format!("'{s}' is no rank: whole numbers from 1 to 65536 are accepted")),
    };
    let list = match s.split_once("..") {
        None => s.split(',').map(number).collect::<Result<Vec<_>, _>>()?,
        Some((from, rest)) => {
            let (to, step) = match rest.split_once(':') {
                Some((to, step)) => (to, number(step)?),
                None => (rest, 1),
            };
            let (from, to) = (number(from)?, number(to.trim_start_matches('='))?);
            (from..=to).step_by(step).collect()
        }
    };
    if list.is_empty() || list.windows(2).any(|p| p[0] >= p[1]) {
        return Err("from the smaller to the larger, such as 2..8, 2..20:3 or 2,5,10".into());
    }
    Ok(Ranks(list))
}

impl RankArgs {
    /// The factorization's options at rank k.
    fn fit(&self, k: usize) -> Result<FitOptions, Failure> {
        let base = FitOptions::from_words(&["-k", "1"])?;
        Ok(FitOptions {
            rank: k,
            loss: Some(self.loss.clone()),
            method: self.method.clone(),
            seed: self.seed,
            max_iter: self.max_iter,
            tol: self.tol,
            l1_w: self.l1_w,
            l2_w: self.l2_w,
            l1_h: self.l1_h,
            l2_h: self.l2_h,
            init: Some(crate::fit_options::InitChoice::Random),
            ..base
        })
    }

    fn check(&self) -> Result<(), Failure> {
        if self.restarts > 1_000_000 || self.folds > 10_000 {
            return Err(Failure::usage("--restarts takes at most 1,000,000, --folds at most 10,000"));
        }
        if self.restarts == 0 {
            return Err(Failure::usage("--restarts 0 is not accepted: at least one start at every k"));
        }
        if self.bootstrap == 1 {
            return Err(Failure::usage(
                "--bootstrap 1 is not accepted: one resample has no spread; at least 2, better 50",
            ));
        }
        match (self.folds, self.holdout) {
            (1, _) => return Err(Failure::usage("--folds 1 is not accepted: 0 (nothing is held out), or at least 2")),
            (0, Some(_)) => {
                return Err(Failure::usage("--holdout with --folds 0: nothing is held out then; leave one away"));
            }
            (0, None) => {}
            (folds, share) => {
                let share = share.unwrap_or(self.share());
                if !(share > 0.0 && share * folds as f64 <= 1.0 + 1e-12) {
                    let most = 1.0 / folds as f64;
                    return Err(Failure::usage(format!(
                        "--holdout {share} is not accepted: above 0, and with --folds {folds} at most {most:.4}, as no entry is held out twice"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Share of the entries in each fold.
    fn share(&self) -> f64 {
        self.holdout.unwrap_or_else(|| 0.1f64.min(1.0 / self.folds.max(1) as f64))
    }
}

/// Progress and Ctrl-C of a survey.
struct Looking<'a> {
    counter: Counter,
    finished: AtomicUsize,
    interruptible: &'a Interruptible,
}

impl Watch for Looking<'_> {
    fn stopping(&self) -> bool {
        self.interruptible.stopping()
    }
    fn done(&self, unit: &Unit) {
        self.finished.fetch_add(1, Ordering::Relaxed);
        let (Unit::Run { k, .. } | Unit::Fold { k, .. }) = unit;
        self.counter.step(&format!("k = {k}"));
    }
}

/// What a survey took, for the report.
pub(super) struct Cost {
    load_seconds: f64,
    seconds: f64,
    backend: String,
    adapter: String,
    precision: &'static str,
    threads: usize,
}

impl Cost {
    /// How many runs share the machine, in words.
    fn at_a_time(&self) -> String {
        // the runs of a GPU stand side by side as far as its work allows, which no number here would say
        if self.backend == "cpu" { format!(" ({} at a time)", self.threads) } else { String::new() }
    }
}

/// Runs the command.
pub(crate) fn run(args: &RankArgs, global: &Global) -> Result<(), Failure> {
    args.check()?;
    let precision = global.read_precision()?;
    if let Some(dir) = &args.output {
        nmf_io::Staging::new(dir)?;
    }
    if let Some(dir) = &args.output {
        if dir.join("fit.json").exists() && !dir.join("rank.json").exists() {
            return Err(Failure::file(dir, "holds a model, whose W.npy and H.npy would be replaced; name another -o"));
        }
        keep_apart(&[("the input", &args.input), ("-o W.npy", &dir.join("W.npy"))])?;
        keep_apart(&[("the input", &args.input), ("-o H.npy", &dir.join("H.npy"))])?;
    }
    let mut files: Vec<(&str, &Path)> = vec![("the input", &args.input)];
    files.extend(args.output.iter().map(|p| ("-o", p.as_path())));
    files.extend(args.report.report.iter().map(|p| ("--report", p.as_path())));
    keep_apart(&files)?;
    args.report.check_beside(args.output.as_deref())?;
    let clock = Instant::now();
    let (loaded, _) = args.input_options.load(&args.input, precision, global)?;
    let known = args.known.load(&args.input_options, &loaded, global)?;
    let load_seconds = clock.elapsed().as_secs_f64();
    let largest = args.ranks.0.last().copied().unwrap_or(1);
    let fit = args.fit(largest)?;
    let mut work = session::work(&loaded, &fit, &known);
    let units = args.ranks.0.len() * (args.restarts + args.folds);
    work.iterations = work.iterations.saturating_mul(units);
    let engine = Engine::open(global, &work)?;
    let threads = session::threads(global).min(units);
    let survey = Job { args, fit: &fit, known: &known, load_seconds, global };
    match engine {
        Engine::CpuF32(mut cpu) => {
            let mut workers = session::single_threaded::<f32>(threads)?;
            survey.run(&mut workers, Some(&mut cpu), &loaded.into_f32())
        }
        Engine::CpuF64(mut cpu) => {
            let mut workers = session::single_threaded::<f64>(threads)?;
            survey.run(&mut workers, Some(&mut cpu), &loaded.into_f64())
        }
        Engine::Gpu(mut gpu) => survey.run(std::slice::from_mut(&mut *gpu), None, &loaded.into_f32()),
        Engine::GpuF64(mut gpu) => survey.run(std::slice::from_mut(&mut *gpu), None, &loaded.into_f64()),
    }
}

struct Job<'a> {
    args: &'a RankArgs,
    fit: &'a FitOptions,
    known: &'a crate::known::Known,
    load_seconds: f64,
    global: &'a Global,
}

impl Job<'_> {
    fn blame(&self, e: nmf_core::Error) -> Failure {
        match (&e, &self.args.output) {
            (nmf_core::Error::Archive(what), Some(dir)) => {
                Failure::file(&dir.join("survey"), format!("{what}; --fresh starts anew"))
            }
            _ => self.known.blame(&self.args.input, e),
        }
    }

    /// On workers of one thread each; resamples, which are one after the other, on `many`.
    fn run<B: Backend>(&self, workers: &mut [B], many: Option<&mut B>, table: &Table<B::Elem>) -> Result<(), Failure> {
        let (args, global) = (self.args, self.global);
        let x = table.matrix.view();
        let nmf = self.fit.build::<B::Elem>(x.dim(), self.known)?.nmf.kkt(false);
        let mut survey = Survey::new(nmf.clone(), args.ranks.0.iter().copied())
            .restarts(args.restarts)
            .folds(args.folds)
            .held_out(args.share());
        if let Some(side) = args.cluster {
            survey = survey.cluster(if side == Clustered::Rows { Side::Rows } else { Side::Cols });
        }
        let weighted = nmf.weighted(&x).map_err(|e| self.blame(e))?;
        let problem = nmf.problem(x.reborrow(), weighted.as_ref()).map_err(|e| self.blame(e))?;
        let Some(worker) = workers.first() else { return Err(Failure::work("there is no backend to work on")) };
        survey.check(worker, &problem).map_err(|e| self.blame(e))?;
        let info = worker.info();
        // the adapter of a CPU is its threads, on which nothing depends
        let adapter = if info.name == "cpu" { "" } else { info.adapter.as_str() };
        let settings = Settings::new(args, &problem, (&info.name, adapter));
        let folder = match &args.output {
            Some(dir) => Some(Folder::open(&dir.join("survey"), &settings, args.restarts, args.fresh)?),
            None => None,
        };
        let archive: &dyn Archive<B::Elem> = match &folder {
            Some(folder) => folder,
            None => &Nothing,
        };
        let interruptible = Interruptible::new();
        let watch = Looking {
            counter: Counter::new(global, "surveying", survey.units()),
            finished: AtomicUsize::new(0),
            interruptible: &interruptible,
        };
        let clock = Instant::now();
        let found = survey
            .run_kept(workers, x.reborrow(), archive, &watch)
            .map_err(|e| folder.as_ref().and_then(Folder::failure).unwrap_or_else(|| self.blame(e)))?;
        let finished = watch.finished.load(Ordering::Relaxed);
        drop(watch);
        let Some(found) = found else {
            let kept = match &args.output {
                Some(_) => "the same command continues",
                None => "nothing was kept, for want of -o DIR",
            };
            let of = survey.units();
            return Err(Failure::interrupted(format!("stopped after {finished} of {of} runs; {kept}")));
        };
        let mut cost = Cost {
            load_seconds: self.load_seconds,
            seconds: clock.elapsed().as_secs_f64(),
            backend: info.name.clone(),
            adapter: adapter.to_string(),
            precision: <B::Elem as nmf_core::Element>::NAME,
            threads: workers.len(),
        };
        // a failure here must not cost the survey: it is told once everything else is saved
        let bootstrap = match found.ranks.iter().find(|s| s.k == found.recommended.rank) {
            Some(best) if args.bootstrap > 0 && !interruptible.stopping() => {
                let b = match many {
                    Some(b) => Some(b),
                    None => workers.first_mut(),
                };
                b.map(|b| self.resample(b, &x, &nmf, best, &interruptible))
            }
            _ => None,
        };
        let (bootstrap, failed) = match bootstrap.transpose() {
            Ok(done) => (done, None),
            Err(e) => (None, Some(e)),
        };
        cost.seconds = clock.elapsed().as_secs_f64();
        let output = files::Output {
            args,
            table,
            known: self.known,
            found: &found,
            bootstrap: bootstrap.as_ref(),
            cost: &cost,
            settings: &settings,
        };
        let json = output.json();
        if let Some(dir) = &args.output {
            output.save(dir, &json)?;
        }
        let page = if args.report.wanted() { Some(pages::report(&output, session::threads(global))?) } else { None };
        let reported = page.map_or(Ok(()), |page| args.report.write(page));
        // a report that cannot be written must not cost the answer
        if global.json {
            text::print_json(&json)?;
        } else {
            text::print(&output.text())?;
        }
        reported?;
        let resampled = bootstrap.as_ref().map_or(0, |b| b.resamples);
        match failed {
            Some(e) => Err(Failure::from(e).prefixed("--bootstrap")),
            None if resampled < args.bootstrap => Err(Failure::interrupted(format!(
                "stopped after {resampled} of {} resamples; the survey is complete{}",
                args.bootstrap,
                if args.output.is_some() { " and saved" } else { "" }
            ))),
            None => Ok(()),
        }
    }

    /// The bootstrap at the recommended rank.
    fn resample<B: Backend>(
        &self,
        b: &mut B,
        x: &MatrixRef<'_, B::Elem>,
        nmf: &Nmf<B::Elem>,
        best: &Surveyed<B::Elem>,
        interruptible: &Interruptible,
    ) -> nmf_core::Result<Bootstrap> {
        let resamples = self.args.bootstrap;
        let counter = Counter::new(self.global, "resampling", resamples);
        // resamples start where the data's own fit ended: what stops early has no time to move
        let start = nmf.clone().with_rank(best.k).start(best.w.clone(), best.h.clone()).tol(self.args.tol * 0.01);
        let fitted = start.clone().max_iter(0).fit(b, x.reborrow())?;
        let mut look = |done: usize| {
            counter.step(&format!("{done} of {resamples}"));
            if interruptible.stopping() { Flow::Stop } else { Flow::Continue }
        };
        bootstrap(b, x.reborrow(), &start, &fitted, resamples, self.args.seed, &mut look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_ranges_or_lists() {
        assert_eq!(ranks("2..5"), Ok(Ranks(vec![2, 3, 4, 5])));
        assert_eq!(ranks("2..=4"), Ok(Ranks(vec![2, 3, 4])));
        assert_eq!(ranks("5..5"), Ok(Ranks(vec![5])));
        assert_eq!(ranks("2..11:4"), Ok(Ranks(vec![2, 6, 10])));
        assert_eq!(ranks("2, 5,10"), Ok(Ranks(vec![2, 5, 10])));
        for bad in ["", "5..2", "0..3", "2..4:0", "3,3", "5,2", "a..b", "2..", "1..99999999"] {
            assert!(ranks(bad).is_err(), "{bad}");
        }
    }
}
