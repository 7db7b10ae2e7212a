//! What a survey hands out: JSON, a table, and files.

use super::settings::Settings;
use super::{Cost, RankArgs, pages};
use crate::failure::Failure;
use crate::fit_json::peak_rss_mb;
use crate::known::Known;
use crate::text::{self, number, seconds};
use nmf_core::rank::{Found, Surveyed};
use nmf_core::stability::Bootstrap;
use nmf_core::{Element, Side};
use nmf_io::{Staging, Table};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Everything there is to tell.
pub(super) struct Output<'a, T: Element> {
    pub(super) args: &'a RankArgs,
    pub(super) table: &'a Table<T>,
    pub(super) known: &'a Known,
    pub(super) found: &'a Found<T>,
    pub(super) bootstrap: Option<&'a Bootstrap>,
    pub(super) cost: &'a Cost,
    pub(super) settings: &'a Settings,
}

impl<T: Element> Output<'_, T> {
    /// The rank that is recommended.
    pub(super) fn recommended(&self) -> Option<&Surveyed<T>> {
        self.found.ranks.iter().find(|s| s.k == self.found.recommended.rank)
    }

    /// Which side of X was clustered.
    pub(super) fn clustered(&self) -> Side {
        self.found.ranks.first().map_or(Side::Cols, |s| s.clustered)
    }

    /// Names of what was clustered, by its number where it has none.
    pub(super) fn item(&self, i: usize) -> String {
        let names = match self.clustered() {
            Side::Rows => self.table.row_names.as_ref(),
            Side::Cols => self.table.col_names.as_ref(),
        };
        names.and_then(|n| n.get(i)).cloned().unwrap_or_else(|| i.to_string())
    }

    /// "rows" or "columns".
    pub(super) fn side(&self) -> &'static str {
        if self.clustered() == Side::Rows { "rows" } else { "columns" }
    }

    pub(super) fn json(&self) -> Value {
        let Found { ranks, elbow, recommended, share, .. } = self.found;
        let (rows, cols) = self.table.matrix.dim();
        let list: Vec<Value> = ranks
            .iter()
            .map(|s| {
                json!({
                    "k": s.k,
                    "error": s.divergences.get(s.best),
                    "heldout": s.held_out.map(|(mean, _)| mean),
                    "cophenetic": s.cophenetic,
                    "dispersion": s.dispersion,
                    "silhouette": s.silhouette,
                    "heldout_standard_error": s.held_out.map(|(_, error)| error),
                    "heldout_folds": s.folds,
                    "errors": s.divergences,
                    "objective": s.objective,
                    "squared_error": s.squared_error,
                    "explained_variance": s.explained,
                    "compresses": s.compresses,
                    "best_seed": self.args.seed.wrapping_add(s.best as u64),
                    "stability": s.stability,
                    "silhouettes": s.silhouettes,
                })
            })
            .collect();
        let bootstrap = self.bootstrap.map(|b| {
            let (mean, spread) = (b.mean.sum(), b.deviation.sum());
            json!({
                "resamples": b.resamples, "similarity": b.similarity,
                "relative_deviation": if mean > 0.0 { spread / mean } else { 0.0 },
            })
        });
        let adapter = (!self.cost.adapter.is_empty()).then_some(&self.cost.adapter);
        json!({
            "ranks": list,
            "recommended": recommended.rank,
            "interval": [recommended.interval.0, recommended.interval.1],
            "reason": recommended.reason,
            "elbow": elbow,
            "clustered": if self.clustered() == Side::Rows { "rows" } else { "cols" },
            "clustered_items": ranks.first().map_or(0, |s| s.items.len()),
            "rows": rows,
            "cols": cols,
            "stored": self.table.matrix.view().stored(),
            "loss": self.args.loss.to_string(),
            "seed": self.args.seed,
            "restarts": self.args.restarts,
            "folds": self.args.folds,
            "holdout": (self.args.folds > 0).then_some(share),
            "bootstrap": bootstrap,
            "settings": self.settings.0,
            "backend": self.cost.backend,
            "adapter": adapter,
            "precision": self.cost.precision,
            "threads": self.cost.threads,
            "load_seconds": self.cost.load_seconds,
            "seconds": self.cost.seconds,
            "peak_rss_mb": peak_rss_mb(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    /// The header and the rows of the table over k.
    pub(super) fn rows(&self) -> (Vec<&'static str>, Vec<Vec<String>>) {
        let header = vec![
            "k",
            "error",
            "held out",
            "± se",
            "explained",
            "cophenetic",
            "dispersion",
            "silhouette",
            "least stable",
        ];
        let some = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:.3}"));
        let rows = self.found.ranks.iter().map(|s| {
            let (mean, error) = s.held_out.map_or_else(Default::default, |(m, e)| (number(m), format!("{e:.1e}")));
            let least = s.stability.iter().copied().reduce(f64::min);
            vec![
                s.k.to_string(),
                s.divergences.get(s.best).map_or_else(String::new, |v| number(*v)),
                mean,
                error,
                format!("{:.2} %", 100.0 * s.explained),
                some(s.cophenetic),
                some(s.dispersion),
                some(s.silhouette),
                some(least),
            ]
        });
        (header, rows.collect())
    }

    /// What to say about ranks that do not compress.
    pub(super) fn remark(&self) -> Option<String> {
        let first = self.found.ranks.iter().find(|s| !s.compresses)?;
        let (m, n) = self.table.matrix.dim();
        Some(format!(
            "from k = {} on, W and H have as many numbers as X or more: (m + n)·k ≥ m·n with m = {m}, n = {n}",
            first.k
        ))
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let recommended = &self.found.recommended;
        let (header, rows) = self.rows();
        let mut out = text::table(&header, &rows, 0);
        let (low, high) = recommended.interval;
        let _ = write!(out, "\n\n{:<15}k = {} (between {low} and {high})", "recommended", recommended.rank);
        let _ = write!(out, "\n{:<15}{}", "because", recommended.reason);
        if let Some(k) = self.found.elbow {
            let _ = write!(out, "\n{:<15}the error curve bends most at k = {k}", "elbow");
        }
        if let Some(remark) = self.remark() {
            let _ = write!(out, "\n{:<15}{remark}", "note");
        }
        if let Some((shown, all)) = self.sampled() {
            let _ =
                write!(out, "\n{:<15}of {all} {}, {shown} evenly spread ones were clustered", "consensus", self.side());
        }
        if let Some(b) = self.bootstrap {
            let least = b.similarity.iter().copied().fold(1.0, f64::min);
            let _ = write!(
                out,
                "\n{:<15}{} resamples of the rows; the least certain component has cosine {least:.3} to itself",
                "bootstrap", b.resamples
            );
        }
        let cost = self.cost;
        let _ = write!(
            out,
            "\n{:<15}{} on {}{}, loading {}",
            "seconds",
            seconds(cost.seconds),
            cost.backend,
            cost.at_a_time(),
            seconds(cost.load_seconds)
        );
        match &self.args.output {
            Some(dir) => {
                let _ = write!(out, "\n{:<15}{}", "written to", dir.display());
            }
            None => {
                out.push_str("\nnothing was written: -o DIR keeps the runs and writes curves, clusters and factors")
            }
        }
        out.push_str(&self.args.report.told());
        let _ = write!(out, "\n{:<15}{}", "next", self.next());
        out
    }

    /// How many items were clustered, and of how many, if not all.
    fn sampled(&self) -> Option<(usize, usize)> {
        let (m, n) = self.table.matrix.dim();
        let all = if self.clustered() == Side::Rows { m } else { n };
        let s = self.found.ranks.iter().find(|s| !s.consensus.is_empty())?;
        (s.items.len() < all).then_some((s.items.len(), all))
    }

    /// The command that repeats the best run at the recommended rank and makes a model of it.
    fn next(&self) -> String {
        let (args, best) = (self.args, self.recommended().map_or(0, |s| s.best));
        let mut words: Vec<String> = vec!["factorize".into(), args.input.display().to_string()];
        let mut add = |option: &str, value: Option<String>| {
            if let Some(value) = value {
                words.push(option.into());
                words.extend((!value.is_empty()).then_some(value));
            }
        };
        let path = |p: &Option<std::path::PathBuf>| p.as_ref().map(|p| p.display().to_string());
        let flag = |on: bool| on.then(String::new);
        let input = &args.input_options;
        add("-k", Some(self.found.recommended.rank.to_string()));
        add("--loss", Some(args.loss.to_string()));
        add("--solver", args.method.solver.map(|s| s.to_string()));
        add("--init", Some("random".into()));
        add("--seed", Some(args.seed.wrapping_add(best as u64).to_string()));
        add("--max-iter", (args.max_iter != 200).then(|| args.max_iter.to_string()));
        add("--tol", (args.tol != 1e-4).then(|| args.tol.to_string()));
        for (option, value) in
            [("--l1-w", args.l1_w), ("--l2-w", args.l2_w), ("--l1-h", args.l1_h), ("--l2-h", args.l2_h)]
        {
            add(option, value.map(|v| v.to_string()));
        }
        for (option, on) in [
            ("--header", input.header),
            ("--no-header", input.no_header),
            ("--row-names", input.row_names),
            ("--no-row-names", input.no_row_names),
            ("--transpose", input.transpose),
            ("--stored-only", input.stored_only),
        ] {
            add(option, flag(on));
        }
        add("--floor", input.floor.map(|v| v.to_string()));
        add("--mask", path(&args.known.mask));
        add("--weights", path(&args.known.weights));
        add("-o", Some("model".into()));
        crate::report::shell_line(&words)
    }

    /// rank.tsv: empty fields where there is no number.
    fn tsv(&self) -> String {
        let mut out = String::from(
            "k\terror\theldout\theldout_standard_error\texplained_variance\tcophenetic\tdispersion\tsilhouette\tleast_stability\n",
        );
        let some = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
        for s in &self.found.ranks {
            let fields = [
                s.k.to_string(),
                some(s.divergences.get(s.best).copied()),
                some(s.held_out.map(|h| h.0)),
                some(s.held_out.map(|h| h.1)),
                s.explained.to_string(),
                some(s.cophenetic),
                some(s.dispersion),
                some(s.silhouette),
                some(s.stability.iter().copied().reduce(f64::min)),
            ];
            out.push_str(&fields.join("\t"));
            out.push('\n');
        }
        out
    }

    /// clusters.tsv: the cluster of every item at every k.
    fn clusters(&self) -> String {
        let ranks = || self.found.ranks.iter().filter(|s| !s.consensus.is_empty());
        let mut out = String::from(if self.clustered() == Side::Rows { "row" } else { "column" });
        ranks().for_each(|s| out.push_str(&format!("\tk{}", s.k)));
        out.push('\n');
        for (at, item) in ranks().next().map(|s| s.items.as_slice()).unwrap_or_default().iter().enumerate() {
            out.push_str(&self.item(*item).replace(['\t', '\n', '\r'], " "));
            ranks().for_each(|s| out.push_str(&format!("\t{}", s.clusters.get(at).map_or(0, |c| c + 1))));
            out.push('\n');
        }
        out
    }

    /// Writes everything into `dir`.
    pub(super) fn save(&self, dir: &Path, json: &Value) -> Result<(), Failure> {
        let replaces = dir.join("rank.json").exists();
        let mut out = Staging::new(dir)?;
        let mut written = BTreeSet::new();
        out.bytes("rank.json", format!("{json:#}\n").as_bytes())?;
        out.bytes("rank.tsv", self.tsv().as_bytes())?;
        if self.found.ranks.iter().any(|s| !s.consensus.is_empty()) {
            out.bytes("clusters.tsv", self.clusters().as_bytes())?;
            written.insert("clusters.tsv".to_string());
        }
        for s in self.found.ranks.iter().filter(|s| !s.consensus.is_empty()) {
            let name = format!("consensus_k{}.npy", s.k);
            out.npy(&name, s.consensus.view())?;
            written.insert(name);
        }
        for (name, svg) in pages::curves(self).into_iter().chain(pages::consensus(self)) {
            let name = format!("{name}.svg");
            out.bytes(&name, svg.as_bytes())?;
            written.insert(name);
        }
        if let Some(best) = self.recommended() {
            out.npy("W.npy", best.w.view())?;
            out.npy("H.npy", best.h.view())?;
        }
        if let Some(b) = self.bootstrap {
            for (name, values) in [
                ("H_mean.npy", &b.mean),
                ("H_deviation.npy", &b.deviation),
                ("H_low.npy", &b.low),
                ("H_high.npy", &b.high),
            ] {
                out.npy(name, values.view())?;
                written.insert(name.to_string());
            }
        }
        out.commit()?;
        if replaces {
            remove_older(dir, &written)?;
        }
        Ok(())
    }
}

/// Removes what an older survey left in its folder and this one has not written.
fn remove_older(dir: &Path, written: &BTreeSet<String>) -> Result<(), Failure> {
    const OWN: [&str; 7] =
        ["clusters.tsv", "heldout.svg", "stability.svg", "H_mean.npy", "H_deviation.npy", "H_low.npy", "H_high.npy"];
    let explain =
        |path: &Path, e| Failure::work(format!("{}: of an older survey, cannot be removed: {e}", path.display()));
    for entry in std::fs::read_dir(dir).map_err(|e| explain(dir, e))?.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let map =
            name.strip_prefix("consensus_k").and_then(|rest| rest.strip_suffix(".npy").or(rest.strip_suffix(".svg")));
        let own = OWN.contains(&name.as_str()) || map.is_some_and(|k| k.parse::<usize>().is_ok());
        if own && !written.contains(&name) {
            std::fs::remove_file(entry.path()).map_err(|e| explain(&entry.path(), e))?;
        }
    }
    Ok(())
}
