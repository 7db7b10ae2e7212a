//! The files of `genes -o DIR`, and its pictures.

use super::Source;
use super::programs::Programs;
use crate::failure::Failure;
use crate::model;
use crate::pictures::Weights;
use crate::solve::Solved;
use crate::text::{field, grouped};
use ndarray::{Array2, Axis};
use nmf_core::Element;
use nmf_io::{Staging, Table};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Cells in the picture, at most.
const PICTURED: usize = 200;
/// Genes of each program in the picture.
const GENES: usize = 4;

/// Writes the model, genes.json, the two tables and the two pictures.
pub(super) fn save<T: Element>(
    dir: &Path,
    solved: &Solved<T>,
    table: &Table<T>,
    programs: &Programs,
    source: &Source,
) -> Result<(), Failure> {
    let mut out = Staging::new(dir)?;
    let fit = Value::Object(solved.report.to_json());
    let (rows, cols) = (table.row_names.as_deref(), table.col_names.as_deref());
    model::stage(&mut out, solved.fitted.w(), solved.fitted.h(), &fit, rows, cols)?;
    let made = json!({ "normalize": source.normalize.name(), "genes_of_file": source.genes, "columns": source.kept });
    out.bytes("genes.json", format!("{made}\n").as_bytes())?;
    out.bytes("programs.tsv", programs_table(programs).as_bytes())?;
    out.bytes("usage.tsv", usage_table(programs).as_bytes())?;
    out.bytes("usage.svg", usage_picture(programs).as_bytes())?;
    out.bytes("genes.svg", genes_picture(programs).as_bytes())?;
    model::commit(out)
}

/// One line per program and gene: program (from 1), rank, gene, weight in H, score.
fn programs_table(programs: &Programs) -> String {
    let mut out = String::from("program\trank\tgene\tweight\tscore\tshare_of_gene\n");
    for (q, p) in programs.programs.iter().enumerate() {
        for (rank, (j, weight, score)) in p.genes.iter().enumerate() {
            let share = programs.share_of_gene[[q, *j]];
            let name = field(programs.gene(*j));
            // writing to a string cannot fail
            let _ = writeln!(out, "{}\t{}\t{name}\t{weight}\t{score}\t{share:.6}", q + 1, rank + 1);
        }
    }
    out
}

/// One line per cell: its strongest program (from 1; empty for a cell without counts), its type, the share of every program.
fn usage_table(programs: &Programs) -> String {
    let mut out = String::from("cell\tprogram\ttype");
    for q in 1..=programs.programs.len() {
        let _ = write!(out, "\tusage_{q}");
    }
    out.push('\n');
    for (i, row) in programs.usage.outer_iter().enumerate() {
        let name = programs.cells.get(i).map_or("", String::as_str);
        let strongest = programs.strongest[i].map_or(String::new(), |q| (q + 1).to_string());
        let kind = programs.types.as_ref().map_or("", |t| t[i].as_str());
        let _ = write!(out, "{}\t{strongest}\t{}", field(name), field(kind));
        row.iter().for_each(|v| {
            let _ = write!(out, "\t{v:.6}");
        });
        out.push('\n');
    }
    out
}

/// Usage of every program by some cells, grouped by type, or by strongest program where there are no types.
pub(super) fn usage_picture(programs: &Programs) -> String {
    let names: Vec<String> = (0..programs.programs.len()).map(|q| programs.label(q, 3)).collect();
    let group = |i: usize| match (&programs.types, programs.strongest[i]) {
        (Some(types), _) if types[i].is_empty() => "no type".to_string(),
        (Some(types), _) => types[i].clone(),
        (None, Some(q)) => format!("program {}", q + 1),
        (None, None) => "no counts".into(),
    };
    // every so many of the sorted cells, so that groups keep their sizes
    let order = programs.order();
    let step = order.len().div_ceil(PICTURED).max(1);
    let cells: Vec<usize> = order.into_iter().skip(step / 2).step_by(step).collect();
    let mut groups: Vec<(String, usize)> = Vec::new();
    for &i in &cells {
        let name = group(i);
        match groups.last_mut().filter(|(last, _)| *last == name) {
            Some((_, n)) => *n += 1,
            None => groups.push((name, 1)),
        }
    }
    let shown: Vec<String> = cells.iter().map(|i| programs.cells.get(*i).cloned().unwrap_or_default()).collect();
    let all = programs.strongest.len();
    let which = match step {
        1 => format!("{} cells", grouped(all as u64)),
        _ => format!("{} of {} cells, one in {step} of each group", cells.len(), grouped(all as u64)),
    };
    Weights {
        title: "Usage of programs by cells",
        shares: programs.usage.select(Axis(0), &cells).view(),
        documents: &shown,
        topics: &names,
        groups: &groups,
        caption: &format!(
            "{which}, a column each: the darker a cell of the picture, the larger the program's share of the counts."
        ),
    }
    .svg()
}

/// The first genes of every program, a row each: which programs expect their counts.
pub(super) fn genes_picture(programs: &Programs) -> String {
    let mut genes: Vec<usize> = Vec::new();
    for p in &programs.programs {
        for (j, ..) in p.genes.iter().take(GENES) {
            if !genes.contains(j) {
                genes.push(*j);
            }
        }
    }
    let k = programs.programs.len();
    let names: Vec<String> = genes.iter().map(|j| programs.gene(*j).to_string()).collect();
    let columns: Vec<String> = (1..=k).map(|q| format!("program {q}")).collect();
    let groups: Vec<(String, usize)> = columns.iter().map(|c| (c.clone(), 1)).collect();
    let shares = Array2::from_shape_fn((k, genes.len()), |(q, g)| programs.share_of_gene[[q, genes[g]]]);
    Weights {
        title: "Top genes and the programs that use them",
        shares: shares.view(),
        documents: &columns,
        topics: &names,
        groups: &groups,
        caption: &format!("The first {GENES} genes of every program by score: the darker, the larger the share of the gene's counts that the program expects."),
    }
    .svg()
}
