//! What comes out: `results.json`, `results.md`, and the targets that the kernels were designed for.

use crate::batches::Batched;
use crate::correct::Check;
use crate::measure::Session;
use crate::work::Record;
use nmf_gpu::{AdapterInfo, Ceilings, Tuned};
use serde_json::{Value, json};
use std::fmt::Write;

/// Everything about one run.
pub(crate) struct Report<'a> {
    pub(crate) adapter: &'a AdapterInfo,
    pub(crate) checked: bool,
    pub(crate) threads: usize,
    pub(crate) ceilings: Ceilings,
    pub(crate) checks: &'a [Check],
    pub(crate) batches: &'a [Batched],
    pub(crate) ways: &'a [Tuned],
    pub(crate) session: &'a Session,
}

impl Report<'_> {
    fn share(&self, r: &Record) -> f64 {
        r.share(self.ceilings.fma_flops, self.ceilings.copy_bytes)
    }

    /// All as JSON.
    pub(crate) fn json(&self) -> Value {
        let records: Vec<Value> = self.session.records.iter().map(|r| self.record_json(r)).collect();
        let checks = self.checks.iter().map(|c| {
            json!({"name": c.name, "right": c.right(), "objective_difference": c.reached, "own_objective_difference": c.measured})
        });
        let limits: serde_json::Map<String, Value> =
            self.adapter.limits.iter().map(|(name, v)| ((*name).to_string(), json!(v))).collect();
        json!({
            "adapter": {
                "name": self.adapter.name, "backend": self.adapter.backend, "driver": self.adapter.driver,
                "device_type": self.adapter.device_type, "software": self.adapter.software,
                "limits": limits, "features": self.adapter.features,
            },
            "shader_checks": self.checked,
            "cpu_threads": self.threads,
            "clock": "wall clock around many runs and one wait",
            "ceilings": {
                "fma_flops": self.ceilings.fma_flops, "copy_bytes": self.ceilings.copy_bytes, "copied": self.ceilings.copied,
            },
            "checks": checks.collect::<Vec<Value>>(),
            "records": records,
            "batches": self.batches.iter().map(|b| {
                json!({"name": b.name, "runs": b.runs, "at_once": b.at_once, "iterations": b.iterations,
                    "seconds": b.together, "seconds_one_after_the_other": b.alone, "same_objectives": b.same})
            }).collect::<Vec<Value>>(),
            "ways": self.ways.iter().map(|t| {
                json!({"class": t.class, "fastest": Tuned::words(t.choice), "by_rule": Tuned::words(t.default),
                    "seconds": t.seconds.0, "seconds_by_rule": t.seconds.1})
            }).collect::<Vec<Value>>(),
            "targets": self.targets().iter().map(|t| {
                json!({"what": t.what, "wanted": t.wanted, "found": t.found, "met": t.met})
            }).collect::<Vec<Value>>(),
            "left_out": self.session.left_out.iter().map(|(name, why)| json!({"name": name, "why": why})).collect::<Vec<Value>>(),
            "seconds": self.session.seconds(),
        })
    }

    fn record_json(&self, r: &Record) -> Value {
        let mut v = json!({
            "what": r.what, "device": r.device, "m": r.x.m, "n": r.x.n, "stored": r.x.stored, "k": r.k, "loss": r.loss,
            "seconds": r.seconds, "samples": r.samples, "runs_per_wait": r.per_wait,
            "flops": r.work.flops, "bytes": r.work.bytes, "gathered_bytes": r.work.gathered,
            "bytes_per_second": r.work.bytes / r.seconds, "flops_per_second": r.work.flops / r.seconds,
        });
        if r.device == "gpu" {
            v["share_of_ceiling"] = json!(self.share(r));
        }
        v
    }

    /// All as a page of tables.
    pub(crate) fn markdown(&self) -> String {
        let (a, c) = (self.adapter, &self.ceilings);
        let mut out = format!(
            "# {}\n\n{} ({}), driver {}; shader checks {}; CPU path on {} threads.\n\n",
            a.name,
            a.backend,
            a.device_type,
            a.driver,
            if self.checked { "on" } else { "off" },
            self.threads
        );
        if a.software {
            out.push_str("**A software adapter: these times say nothing about a graphics card.**\n\n");
        }
        let _ = writeln!(
            out,
            "Ceilings, measured in this run: {} TFLOP/s (multiply-adds in registers), {} GB/s (copy of {} MiB, read and \
             written bytes).\n",
            digits(c.fma_flops / 1e12),
            digits(c.copy_bytes / 1e9),
            c.copied >> 20
        );
        let wrong = self.checks.iter().filter(|c| !c.right()).count();
        let _ = writeln!(
            out,
            "Correctness: {} of {} comparisons with the CPU in f64 hold (relative difference below 1e-4).\n",
            self.checks.len() - wrong,
            self.checks.len()
        );
        self.iterations(&mut out);
        self.operations(&mut out);
        self.side_by_side(&mut out);
        self.fastest_ways(&mut out);
        let targets = self.targets();
        if !targets.is_empty() {
            out.push_str("## Targets\n\n| what | wanted | found | |\n|---|---|---|---|\n");
            for t in targets {
                let mark = if t.met { "met" } else { "**missed**" };
                let _ = writeln!(out, "| {} | {} | {} | {mark} |", t.what, t.wanted, t.found);
            }
            out.push('\n');
        }
        if !self.session.left_out.is_empty() {
            out.push_str("## Left out\n\n");
            for (name, why) in &self.session.left_out {
                let _ = writeln!(out, "- {name}: {why}");
            }
        }
        out
    }

    fn iterations(&self, out: &mut String) {
        let of = |device: &str| {
            let device = device.to_string();
            self.session.records.iter().filter(move |r| r.what == "iteration" && r.device == device)
        };
        if of("gpu").next().is_none() {
            return;
        }
        out.push_str(
            "## Iterations (an update of W and one of H)\n\n| X | k | loss | ms | GB/s of X | TFLOP/s | of the nearer ceiling | \
             gathered GB/s | CPU ms | CPU : GPU |\n|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for r in of("gpu") {
            let cpu = of("cpu").find(|c| c.name() == r.name());
            let gathered = if r.work.gathered > 0.0 { digits(r.work.gathered / r.seconds / 1e9) } else { "".into() };
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {:.0} % | {gathered} | {} | {} |",
                r.x,
                r.k,
                r.loss,
                digits(r.seconds * 1e3),
                digits(r.work.bytes / r.seconds / 1e9),
                digits(r.work.flops / r.seconds / 1e12),
                100.0 * self.share(r),
                cpu.map_or(String::new(), |c| digits(c.seconds * 1e3)),
                cpu.map_or(String::new(), |c| digits(c.seconds / r.seconds)),
            );
        }
        out.push('\n');
    }

    fn operations(&self, out: &mut String) {
        let mut all = self.session.records.iter().filter(|r| r.what != "iteration").peekable();
        if all.peek().is_none() {
            return;
        }
        out.push_str(
            "## Operations\n\n| operation | X | k | loss | ms | GB/s | TFLOP/s | of the nearer ceiling |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        for r in all {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {:.0} % |",
                r.what,
                r.x,
                r.k,
                r.loss,
                digits(r.seconds * 1e3),
                digits(r.work.bytes / r.seconds / 1e9),
                digits(r.work.flops / r.seconds / 1e12),
                100.0 * self.share(r)
            );
        }
        out.push('\n');
    }

    fn side_by_side(&self, out: &mut String) {
        if self.batches.is_empty() {
            return;
        }
        out.push_str("## Restarts side by side\n\n| case | runs × iterations | at once | s | s, one after the other | ratio | same objectives |\n|---|---|---|---|---|---|---|\n");
        for b in self.batches {
            let _ = writeln!(
                out,
                "| {} | {} × {} | {} | {} | {} | {:.1} | {} |",
                b.name,
                b.runs,
                b.iterations,
                b.at_once,
                digits(b.together),
                digits(b.alone),
                b.alone / b.together,
                if b.same { "yes" } else { "**no**" }
            );
        }
        out.push('\n');
    }

    fn fastest_ways(&self, out: &mut String) {
        if self.ways.is_empty() {
            return;
        }
        out.push_str("## Ways of the dense passes\n\n| class | the fastest | ms | by the rule | ms | ratio |\n|---|---|---|---|---|---|\n");
        for t in self.ways {
            let (best, default) = t.seconds;
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {:.2} |",
                t.class,
                Tuned::words(t.choice),
                digits(best * 1e3),
                Tuned::words(t.default),
                digits(default * 1e3),
                default / best
            );
        }
        out.push('\n');
    }

    /// The targets of the design, as far as they were measured.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let c = &self.ceilings;
        let mut all = Vec::new();
        for r in self.session.records.iter().filter(|r| r.what == "iteration" && r.device == "gpu") {
            if r.x.stored.is_some() {
                if r.loss == "kl" && r.k == 20 && r.x.stored > Some(1_000_000) && !self.adapter.software {
                    let s = 50.0 * r.seconds;
                    let found = format!("{s:.4} s");
                    all.push(Target {
                        what: format!("{}: 50 iterations", r.name()),
                        wanted: "< 0.03 s on an H100".into(),
                        found,
                        met: s < 0.03,
                    });
                }
                continue;
            }
            if self.adapter.software {
                if (r.x.m, r.x.n, r.k) == (2000, 1000, 32) {
                    let share = r.work.flops / r.seconds / c.fma_flops;
                    all.push(Target::new(r.name(), "of the multiply-adds", share, 0.4));
                }
                continue;
            }
            // what fits the second-level cache says little about either ceiling
            if r.x.bytes() < 150e6 {
                continue;
            }
            let most = match r.loss.as_str() {
                "fro" => 32,
                "kl" => 12,
                _ => 8,
            };
            let (share, wanted, what) = if r.k <= most {
                (r.work.bytes / r.seconds / c.copy_bytes, 0.7, "of the copy")
            } else {
                (r.work.flops / r.seconds / c.fma_flops, 0.5, "of the multiply-adds")
            };
            all.push(Target::new(r.name(), what, share, wanted));
        }
        all
    }
}

/// A target and what was found.
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) wanted: String,
    pub(crate) found: String,
    pub(crate) met: bool,
}

impl Target {
    fn new(name: String, of: &str, share: f64, wanted: f64) -> Target {
        Target {
            what: name,
            wanted: format!("≥ {:.0} % {of}", 100.0 * wanted),
            found: format!("{:.0} %", 100.0 * share),
            met: share >= wanted,
        }
    }
}

/// Three digits that count.
pub(crate) fn digits(v: f64) -> String {
    let before = if v > 0.0 { v.log10().floor() as i32 } else { 0 };
    format!("{v:.*}", (2 - before).clamp(0, 9) as usize)
}

#[cfg(test)]
mod tests {
    #[test]
    fn three_digits() {
        let shown = [0.012345, 1.0, 45.678, 3210.9, 0.0].map(super::digits);
        assert_eq!(shown, ["0.0123", "1.00", "45.7", "3211", "0.00"]);
    }
}
