//! `couple`: several matrices over named modes, factored together.

mod load;
mod report;
mod spec;

use crate::args::Global;
use crate::estimate::{Needs, Work};
use crate::failure::Failure;
use crate::input::{convert, keep_inputs};
use crate::progress::{Interruptible, Watch};
use crate::session::Engine;
use crate::text;
use clap::Args;
use load::{Aligned, ModeEntries};
use nmf_core::coupled::{Coupled, CoupledFit, Mode, Relation};
use nmf_core::{Backend, Element, Info, Matrix, Observed, SolverKind, Stop, Stopped};
use nmf_io::Precision;
use report::Errors;
use spec::Spec;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `couple`.
#[derive(Args, Debug)]
#[command(
    long_about = "Factors several matrices at once that share modes (users, items, genres, …): X_r ≈ F_rows·F_colsᵀ, with one factor for \
        every mode and for every matrix its own loss and weight. What little one matrix knows of a user, another may tell. \
        SPEC is a TOML file; paths in it are relative to its folder.",
    after_help = "Example: nmf-cli couple spec.toml -o factors, where spec.toml is\n\n\
        k = 10\n\
        [modes.user]            # optional: penalties, and the order of the names\n\
        l2 = 1.0                # also l1; names = \"users.txt\", a name a line\n\
        [[matrix]]\n\
        name = \"ratings\"\n\
        file = \"ratings.tsv\"    # .npy .npz .mtx .csv .tsv, a 10x folder, or lines of text\n\
        format = \"triples\"      # a row, a column and a value a line; columns = [\"user\", \"item\", \"stars\"]\n\
        rows = \"user\"\n\
        cols = \"item\"\n\
        loss = \"fro\"            # fro, kl, is, beta:B\n\
        weight = 1.0            # how much it counts beside the others\n\
        stored_only = true      # entries that are not stored are unknown, not zero\n\
        holdout = 0.1           # or test = \"FILE\": measure predictions, also by this matrix alone\n\
        [[matrix]]\n\
        name = \"genres\"\n\
        file = \"genres.csv\"\n\
        rows = \"item\"\n\
        cols = \"genre\"\n\
        weight = 10.0\n\n\
        Also k, seed, restarts, max_iter and tol at the top, and separator, header, row_names, transpose and mask (a matrix, 1 = known) for each \
        matrix. Rows and columns with names meet by name; rows that a dense matrix does not have are unknown. Weights balance: a \
        divergence grows with the number and size of the entries, so a small matrix needs a weight above 1 to be heard."
)]
pub(crate) struct CoupleArgs {
    /// The TOML file
    pub(crate) spec: PathBuf,
    /// Rank: number of components [default: k of SPEC]
    #[arg(short = 'k', long, value_name = "K")]
    pub(crate) rank: Option<usize>,
    /// Folder for a factor of every mode (MODE.npy, size×k), names (MODE.txt) and couple.json
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Seed of everything random [default: seed of SPEC, else 0]
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u64>,
    /// Also tell held-out errors of the rows with at most N known entries
    #[arg(long, value_name = "N")]
    pub(crate) few: Option<usize>,
}

/// What was found, apart from the factors.
struct Found {
    info: Info,
    precision: &'static str,
    /// Of every matrix: the coupled model and the one of this matrix alone, where entries are held out.
    errors: Vec<Option<(Errors, Errors)>>,
    load_seconds: f64,
}

/// Runs the command.
pub(crate) fn run(args: &CoupleArgs, global: &Global) -> Result<(), Failure> {
    let precision = global.read_precision()?.unwrap_or(Precision::F64);
    if let Some(dir) = &args.output {
        // where nothing can be written, say so before the work, not after it
        nmf_io::Staging::new(dir)?;
    }
    let clock = Instant::now();
    let mut spec = spec::read(&args.spec)?;
    spec.seed = args.seed.unwrap_or(spec.seed);
    let Some(k) = args.rank.or(spec.k) else {
        return Err(Failure::file(&args.spec, "no rank: k = NUMBER in the file, or -k"));
    };
    if k == 0 {
        return Err(Failure::usage("-k 0 is not accepted: at least one component"));
    }
    spec.k = Some(k);
    if let Some(dir) = &args.output {
        keep_inputs(dir, &report::outputs(&spec), &spec.files().into_iter().chain([&*args.spec]).collect::<Vec<_>>())?;
    }
    let wheel = crate::progress::spinner(global, format!("reading {} matrices", spec.matrices.len()));
    let (modes, matrices) = load::load(&spec, &args.spec, global)?;
    drop(wheel);
    let load_seconds = clock.elapsed().as_secs_f64();
    let mut engine = Engine::open(global, &work(&spec, &matrices, precision))?;
    let job = Job { args, global, spec: &spec, k, modes: &modes, matrices: &matrices, load_seconds };
    match &mut engine {
        Engine::CpuF32(b) => job.run(b),
        Engine::CpuF64(b) => job.run(b),
        Engine::Gpu(b) => job.run(&mut **b),
        Engine::GpuF64(b) => job.run(&mut **b),
    }
}

/// All matrices together, for the choice of a backend.
fn work(spec: &Spec, matrices: &[Aligned], precision: Precision) -> Work {
    let largest = matrices.iter().zip(&spec.matrices).max_by_key(|(a, _)| a.x.view().stored());
    let (rows, cols) = largest.map_or((1, 1), |(a, _)| a.x.dim());
    let sparse = largest.is_some_and(|(a, _)| matches!(a.x, Matrix::Sparse(_)));
    let stored_only = largest.is_some_and(|(_, m)| m.stored_only);
    Work {
        rows,
        cols,
        stored: matrices.iter().map(|a| a.x.view().stored()).sum(),
        sparse,
        rank: spec.k.unwrap_or(1),
        iterations: spec.max_iter.saturating_mul(spec.restarts),
        loss: largest.map_or(nmf_core::Loss::FRO, |(_, m)| m.loss.clone()),
        precision,
        needs: Needs {
            solver: SolverKind::Mu,
            observed: if stored_only { Observed::Stored } else { Observed::All },
            ..Needs::default()
        },
    }
}

/// A factorization to do.
struct Job<'j> {
    args: &'j CoupleArgs,
    global: &'j Global,
    spec: &'j Spec,
    k: usize,
    modes: &'j [ModeEntries],
    matrices: &'j [Aligned],
    load_seconds: f64,
}

/// A matrix in the backend's precision, and its mask.
type Pair<T> = (Matrix<T>, Option<Matrix<T>>);

impl Job<'_> {
    fn run<B: Backend>(&self, b: &mut B) -> Result<(), Failure> {
        let pairs: Vec<Pair<B::Elem>> =
            self.matrices.iter().map(|a| (convert(&a.x.view()), a.mask.as_ref().map(|m| convert(&m.view())))).collect();
        let guard = Interruptible::new();
        let all: Vec<usize> = (0..self.matrices.len()).collect();
        let fit = self.fit(b, &pairs, &all, "all matrices", &guard)?;
        let mut errors = Vec::new();
        for r in all {
            let held = &self.matrices[r].held;
            if held.is_empty() || fit.stopped() == Stopped::Interrupted || guard.stopping() {
                errors.push(None);
                continue;
            }
            let coupled = Errors::of(&fit, self, r);
            let name = &self.spec.matrices[r].name;
            let alone = match self.matrices.len() {
                1 => coupled,
                _ => {
                    let fit = self.fit(b, &pairs, &[r], &format!("{name} alone"), &guard)?;
                    // half a fit is nothing to compare with
                    if guard.stopping() {
                        errors.push(None);
                        continue;
                    }
                    Errors::of(&fit, self, r)
                }
            };
            errors.push(Some((coupled, alone)));
        }
        self.warn(&fit);
        let found = Found { info: b.info(), precision: B::Elem::NAME, errors, load_seconds: self.load_seconds };
        if let Some(dir) = &self.args.output {
            report::save(dir, self, &fit, &found)?;
        }
        if self.global.json {
            text::print_json(&report::json(self, &fit, &found))?;
        } else {
            text::print(&report::summary(self, &fit, &found))?;
        }
        if guard.stopping() {
            let saved = self.args.output.as_ref().map_or(String::new(), |d| format!("; written to {}", d.display()));
            return Err(Failure::interrupted(format!("stopped after {} iterations{saved}", fit.iterations())));
        }
        Ok(())
    }

    /// The factorization of some of the matrices, over the modes that they have.
    fn fit<B: Backend>(
        &self,
        b: &mut B,
        pairs: &[Pair<B::Elem>],
        which: &[usize],
        title: &str,
        guard: &Interruptible,
    ) -> Result<CoupledFit<B::Elem>, Failure> {
        let spec = self.spec;
        let stop = Stop { max_iter: spec.max_iter, tol: spec.tol, ..Stop::default() };
        let mut coupled = Coupled::new(self.k).seed(spec.seed).restarts(spec.restarts).stop(stop).kkt(true);
        for (n, (mode, entries)) in spec.modes.iter().zip(self.modes).enumerate() {
            if which.iter().any(|r| spec.matrices[*r].rows == n || spec.matrices[*r].cols == n) {
                coupled = coupled.mode(Mode::new(&mode.name, entries.size).penalty(mode.penalty));
            }
        }
        for r in which {
            let (m, (x, mask)) = (&spec.matrices[*r], &pairs[*r]);
            let names = (&spec.modes[m.rows].name, &spec.modes[m.cols].name);
            let observed = if m.stored_only { Observed::Stored } else { Observed::All };
            let mut relation =
                Relation::new(&m.name, x, names.0, names.1).loss(m.loss.clone()).weight(m.weight).observed(observed);
            if let Some(mask) = mask {
                relation = relation.weights(mask);
            }
            coupled = coupled.matrix(relation);
        }
        let mut watch = Watch::new(self.global, title, Some(guard));
        coupled
            .fit_observed(b, &mut watch)
            .map_err(|e| Failure::from(e).prefixed(&self.args.spec.display().to_string()))
    }

    fn warn<T: Element>(&self, fit: &CoupledFit<T>) {
        let dead = report::dead(fit);
        if !dead.is_empty() {
            let some: Vec<String> = dead.iter().map(|(mode, n)| format!("{n} of {mode}")).collect();
            self.global.warn(format!(
                "components that are zero throughout: {}; another --seed or restarts = R, and weights that bring the matrices closer, may keep them",
                some.join(", ")
            ));
        }
    }
}
