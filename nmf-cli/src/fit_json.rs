//! What is reported about a factorization: `fit.json`, and the summary for people.

use crate::fit_options::Method;
use crate::known::{Known, for_each_known};
use crate::patterns;
use crate::text::{grouped, number, seconds};
use nmf_core::{Element, Fitted, Info, Loss, MatrixRef, Observed, Penalty, Stopped};
use serde_json::{Map, Value, json};

/// How far two backends were apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CrossCheck {
    /// Largest relative difference of the objectives over all checks.
    pub(crate) difference: f64,
    /// Whether it is within tolerance.
    pub(crate) agree: bool,
}

/// Everything that `fit.json` says.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) nnz: u64,
    pub(crate) rank: usize,
    /// L of a convolutive model, else 1.
    pub(crate) shifts: usize,
    pub(crate) loss: Loss,
    pub(crate) solver: String,
    pub(crate) init: String,
    pub(crate) seed: u64,
    pub(crate) backend: String,
    pub(crate) adapter: String,
    pub(crate) precision: &'static str,
    pub(crate) threads: usize,
    pub(crate) iterations: usize,
    pub(crate) stopped: Stopped,
    pub(crate) divergence: f64,
    pub(crate) objective: f64,
    pub(crate) squared_error: f64,
    pub(crate) trace: Vec<(usize, f64, f64)>,
    pub(crate) kkt_residual: Option<f64>,
    pub(crate) sparseness: (nmf_core::Sparseness, nmf_core::Sparseness),
    pub(crate) dead_components: usize,
    pub(crate) cross_check: Option<CrossCheck>,
    pub(crate) load_seconds: f64,
    pub(crate) prepare_seconds: f64,
    pub(crate) seconds: f64,
    /// ‖X‖² over the entries that count, each with its weight: for people, not in the file.
    pub(crate) norm_squared: f64,
    /// With --mask or --weights: how many entries count.
    pub(crate) known: Option<u64>,
    /// What was asked of the solver.
    pub(crate) method: Method,
    /// The option --mask or --weights and its file.
    pub(crate) weights: Option<(&'static str, String)>,
    /// Penalties on W and H.
    pub(crate) penalties: (Penalty, Penalty),
    /// Which entries counted.
    pub(crate) observed: Observed,
    /// Final objectives of all starts.
    pub(crate) objectives: Vec<f64>,
}

impl Report {
    /// About `fitted`, a factorization of `x` (with weights laid out like it, if any) by the backend that `info` describes.
    pub(crate) fn new<T: Element>(
        fitted: &Fitted<T>,
        x: &MatrixRef<'_, T>,
        weights: Option<&MatrixRef<'_, T>>,
        info: Info,
        squared_error: f64,
    ) -> Report {
        let (rows, cols) = x.dim();
        let (mut nnz, mut norm_squared, mut known) = (0, 0.0, 0);
        for_each_known(x, weights, |v, weight| {
            known += 1;
            nnz += u64::from(v != 0.0);
            norm_squared += weight * v * v;
        });
        Report {
            rows,
            cols,
            nnz,
            rank: fitted.rank(),
            shifts: fitted.shifts(),
            loss: fitted.loss().clone(),
            solver: fitted.solver().to_string(),
            init: fitted.init().to_string(),
            seed: fitted.seed(),
            backend: info.name,
            adapter: info.adapter,
            precision: T::NAME,
            threads: info.threads,
            iterations: fitted.iterations(),
            stopped: fitted.stopped(),
            divergence: fitted.divergence(),
            objective: fitted.objective(),
            squared_error,
            trace: fitted.trace().iter().map(|p| (p.iteration, p.seconds, p.objective)).collect(),
            kkt_residual: fitted.kkt_residual(),
            sparseness: fitted.sparseness(),
            dead_components: fitted.dead_components(),
            cross_check: None,
            load_seconds: 0.0,
            prepare_seconds: fitted.prepare_seconds(),
            seconds: fitted.seconds(),
            norm_squared,
            known: weights.map(|_| known),
            method: Method::default(),
            weights: None,
            penalties: (Penalty::NONE, Penalty::NONE),
            observed: Observed::All,
            objectives: fitted.objectives().to_vec(),
        }
    }

    /// Takes over what says which entries counted.
    pub(crate) fn counted(&mut self, known: &Known) {
        self.observed = known.observed;
        let named =
            |w: &crate::known::Weights| (if w.by_mask { "mask" } else { "weights" }, w.path.display().to_string());
        self.weights = known.weights.as_ref().map(named);
    }

    /// ‖X − WH‖ over the entries that count.
    pub(crate) fn reconstruction_error(&self) -> f64 {
        self.squared_error.sqrt()
    }

    /// `fit.json`: the keys of every factorization in their order; behind them what only some have: `shifts`,
    /// `penalty`, `stored_only`, `mask` or `weights` (the file) with `known` (how many entries count), `imposed_sparseness`,
    /// `mu_exponent`, `shuffle`, `step` and `restarts` (the final objective of every start).
    ///
    /// With a mask, `nnz`, `squared_error` and what follows from it are about the known entries; with weights,
    /// `squared_error` is Σ ω(x−v)².
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let (w, h) = &self.sparseness;
        let check =
            self.cross_check.map(|c| json!({"max_relative_objective_difference": c.difference, "agree": c.agree}));
        let adapter = (!self.adapter.is_empty()).then_some(&self.adapter);
        let pairs = [
            ("rows", json!(self.rows)),
            ("cols", json!(self.cols)),
            ("nnz", json!(self.nnz)),
            ("rank", json!(self.rank)),
            ("loss", json!(self.loss.to_string())),
            ("solver", json!(self.solver)),
            ("init", json!(self.init)),
            ("seed", json!(self.seed)),
            ("backend", json!(self.backend)),
            ("adapter", json!(adapter)),
            ("precision", json!(self.precision)),
            ("threads", json!(self.threads)),
            ("iterations", json!(self.iterations)),
            ("stopped", json!(self.stopped.name())),
            ("divergence", json!(self.divergence)),
            ("objective", json!(self.objective)),
            ("squared_error", json!(self.squared_error)),
            ("reconstruction_error", json!(self.reconstruction_error())),
            ("objective_trace", json!(self.trace)),
            ("kkt_residual", json!(self.kkt_residual)),
            ("sparseness", json!({"w": w.hoyer, "h": h.hoyer, "zeros_w": w.zeros, "zeros_h": h.zeros})),
            ("dead_components", json!(self.dead_components)),
            ("cross_check", json!(check)),
            ("load_seconds", json!(self.load_seconds)),
            ("prepare_seconds", json!(self.prepare_seconds)),
            ("seconds", json!(self.seconds)),
            ("peak_rss_mb", json!(peak_rss_mb())),
            ("version", json!(env!("CARGO_PKG_VERSION"))),
        ];
        let mut map: Map<String, Value> = pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
        if self.shifts > 1 {
            map.insert("shifts".into(), json!(self.shifts));
        }
        let (pw, ph) = self.penalties;
        if !(pw.is_none() && ph.is_none()) {
            map.insert("penalty".into(), json!({"l1_w": pw.l1, "l2_w": pw.l2, "l1_h": ph.l1, "l2_h": ph.l2}));
        }
        if self.observed == Observed::Stored {
            map.insert("stored_only".into(), json!(true));
        }
        if let Some((option, path)) = &self.weights {
            map.insert((*option).into(), json!(path));
            map.insert("known".into(), json!(self.known));
        }
        map.extend(self.method.to_json());
        if self.objectives.len() > 1 {
            map.insert("restarts".into(), json!(self.objectives));
        }
        map
    }

    /// The summary for people; `verbose` adds the trace and the timing.
    pub(crate) fn summary(&self, verbose: bool) -> String {
        let mut lines = Vec::new();
        let mut line = |what: &str, text: String| lines.push(format!("{what:<15}{text}"));
        let total = self.rows as f64 * self.cols as f64;
        let density = 100.0 * self.nnz as f64 / total;
        line("matrix", format!("{}×{}, {} non-zeros ({} %)", self.rows, self.cols, grouped(self.nnz), number(density)));
        if let Some(known) = self.known {
            line("known", format!("{} entries ({} %)", grouped(known), number(100.0 * known as f64 / total)));
        }
        let size = patterns::size(self.rank, self.shifts);
        line(
            "model",
            format!("{size}, loss {}, solver {}, init {}, seed {}", self.loss, self.solver, self.init, self.seed),
        );
        let on = if self.adapter.is_empty() { String::new() } else { format!(", {}", self.adapter) };
        line("backend", format!("{}, {}{on}", self.backend, self.precision));
        let why = match self.stopped {
            Stopped::MaxIter => "the maximum",
            Stopped::Tol => "the objective no longer falls: --tol",
            Stopped::Kkt => "the KKT residual is small: --kkt-tol",
            Stopped::Time => "out of time: --time-limit",
            Stopped::Interrupted => "interrupted",
            _ => "stopped",
        };
        line("iterations", format!("{} ({why})", self.iterations));
        let first = self.trace.first().map_or(self.objective, |p| p.2);
        line("objective", format!("{} (at the start {})", number(self.objective), number(first)));
        if self.objective != self.divergence {
            line("divergence", format!("{} without penalties", number(self.divergence)));
        }
        let norm = self.norm_squared.sqrt();
        let error = self.reconstruction_error();
        let over = match &self.weights {
            Some(("mask", _)) => " over the known entries",
            Some(_) => " with the weights",
            None => "",
        };
        line("error", format!("‖X − WH‖ = {}{over}, relative {}", number(error), number(error / norm)));
        let (w, h) = &self.sparseness;
        line(
            "sparseness",
            format!(
                "W {:.2} ({:.0} % zeros), H {:.2} ({:.0} % zeros)",
                w.hoyer,
                100.0 * w.zeros,
                h.hoyer,
                100.0 * h.zeros
            ),
        );
        if self.dead_components > 0 {
            line("dead", format!("{} of {} components contribute nothing", self.dead_components, self.rank));
        }
        if self.objectives.len() > 1 {
            let (low, high) = self.objectives.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            line("restarts", format!("{}, objectives {} to {}", self.objectives.len(), number(low), number(high)));
        }
        if let Some(c) = self.cross_check {
            let verdict = if c.agree { "agree" } else { "DISAGREE" };
            line("cross-check", format!("the backends {verdict}: objectives differ by {:.1e} at most", c.difference));
        }
        line(
            "seconds",
            format!(
                "{} (loading {}, preparing {})",
                seconds(self.seconds),
                seconds(self.load_seconds),
                seconds(self.prepare_seconds)
            ),
        );
        if verbose {
            if let Some(r) = self.kkt_residual {
                line("KKT residual", format!("{} of its value at the start", number(r)));
            }
            if let Some(mb) = peak_rss_mb() {
                line("peak memory", format!("{mb:.0} MB"));
            }
            let step = self.trace.len().div_ceil(20).max(1);
            for (i, (iteration, at, objective)) in self.trace.iter().enumerate() {
                if i % step == 0 || i + 1 == self.trace.len() {
                    line("", format!("{iteration:>6}  {:>9}  {}", seconds(*at), number(*objective)));
                }
            }
        }
        lines.join("\n")
    }
}

/// The largest memory this process has had, in MB (2²⁰ bytes), where the system tells.
pub(crate) fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kb: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kb / 1024.0)
}
