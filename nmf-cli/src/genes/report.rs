//! What `genes` prints.

use super::Source;
use super::programs::Programs;
use crate::fit_json::Report;
use crate::text::{grouped, number, seconds, table};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Genes of a program on the screen that are named by their weight.
const HEAVIEST: usize = 5;

impl Programs {
    /// The keys of `genes`, then those of the factorization.
    pub(crate) fn to_json(&self, fit: &Report, source: &Source) -> Map<String, Value> {
        let name = |j: usize| self.gene(j);
        let programs: Vec<Value> = self
            .programs
            .iter()
            .map(|p| {
                json!({
                    "genes": p.genes.iter().map(|g| name(g.0)).collect::<Vec<_>>(),
                    "weights": p.genes.iter().map(|g| g.1).collect::<Vec<_>>(),
                    "scores": p.genes.iter().map(|g| g.2).collect::<Vec<_>>(),
                    "by_weight": p.heaviest.iter().map(|j| name(*j)).collect::<Vec<_>>(),
                    "cells": p.cells, "share": p.share, "types": p.types,
                })
            })
            .collect();
        let types: Vec<Value> = self
            .kinds
            .iter()
            .map(|t| {
                json!({
                    "type": t.name, "cells": t.cells, "program": t.program + 1,
                    "usage": t.usage, "strongest": t.strongest,
                })
            })
            .collect();
        let agreement = self.agreement.as_ref();
        let mut map = Map::new();
        map.insert("cells".into(), json!(self.strongest.len()));
        map.insert("genes".into(), json!(self.genes.len()));
        map.insert("genes_of_file".into(), json!(source.genes));
        map.insert("normalize".into(), json!(source.normalize.name()));
        map.insert("programs".into(), Value::Array(programs));
        map.insert("types".into(), self.types.as_ref().map_or(Value::Null, |_| Value::Array(types)));
        map.insert("nmi".into(), json!(agreement.map(|a| a.nmi)));
        map.insert("ari".into(), json!(agreement.map(|a| a.ari)));
        map.insert("purity".into(), json!(agreement.map(|a| a.purity)));
        for (key, value) in fit.to_json() {
            map.entry(key).or_insert(value);
        }
        map
    }

    /// For people: the programs that most cells use first, numbered as the columns of W from 1.
    pub(crate) fn to_text(&self, fit: &Report, source: &Source, saved: Option<&Path>, verbose: bool) -> String {
        let mut out = format!(
            "{} cells, {} of {} genes, {}; {} programs by {} ({})\n",
            grouped(self.strongest.len() as u64),
            grouped(self.genes.len() as u64),
            grouped(source.genes as u64),
            source.normalize.name(),
            self.programs.len(),
            fit.solver,
            fit.loss
        );
        for q in self.largest_first() {
            let p = &self.programs[q];
            let plural = if p.cells == 1 { "cell" } else { "cells" };
            out += &format!(
                "\nprogram {} · strongest in {} {plural} · {:.1} % of all counts",
                q + 1,
                grouped(p.cells as u64),
                100.0 * p.share
            );
            if !p.types.is_empty() {
                out += &format!(" · most used by {}", p.types.join(", "));
            }
            let genes: Vec<&str> = p.genes.iter().map(|g| self.gene(g.0)).collect();
            let heaviest: Vec<&str> = p.heaviest.iter().take(HEAVIEST).map(|j| self.gene(*j)).collect();
            out += &format!("\n  {}\n  largest weights: {}\n", genes.join(", "), heaviest.join(", "));
        }
        if !self.kinds.is_empty() {
            let (header, rows) = self.usage_by_type();
            let header: Vec<&str> = header.iter().map(String::as_str).collect();
            out += &format!("\nmean usage in % of the programs by type\n{}\n", table(&header, &rows, 1));
        }
        if let Some(a) = &self.agreement {
            out += &format!(
                "\nagreement of the strongest programs with the types: NMI {:.3}, ARI {:.3}, purity {:.3} ({} cells)\n",
                a.nmi, a.ari, a.purity, a.documents
            );
        }
        if verbose {
            out += &format!("\n{}\n", fit.summary(true));
        } else {
            out += &format!(
                "\nobjective {} after {} iterations; {} to read, {} to factor\n",
                number(fit.objective),
                fit.iterations,
                seconds(fit.load_seconds),
                seconds(fit.prepare_seconds + fit.seconds)
            );
        }
        match saved {
            Some(dir) => {
                out +=
                    &format!("written to {} (the model, programs.tsv, usage.tsv, usage.svg, genes.svg)", dir.display());
            }
            None => out += "nothing was written: -o DIR saves the model, tables and pictures",
        }
        out
    }

    /// Programs in the order of the cells that use them most.
    pub(crate) fn largest_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.programs.len()).collect();
        order.sort_by_key(|&q| std::cmp::Reverse(self.programs[q].cells));
        order
    }

    /// Types × programs in percent, with the number of cells; a star at the largest of each row.
    pub(crate) fn usage_by_type(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let mut header = vec!["type".to_string(), "cells".into()];
        header.extend((1..=self.programs.len()).map(|q| q.to_string()));
        let row = |t: &super::programs::Kind| {
            let mut row = vec![t.name.clone(), t.cells.to_string()];
            let cell = |(q, v): (usize, &f64)| format!("{:.0}{}", 100.0 * v, if q == t.program { "*" } else { "" });
            row.extend(t.usage.iter().enumerate().map(cell));
            row
        };
        (header, self.kinds.iter().map(row).collect())
    }
}
