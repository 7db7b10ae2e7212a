//! The files of `probabilities -o DIR`.

use super::page::blocks;
use super::show::sizes;
use super::{Classes, Reading, largest, names};
use crate::failure::Failure;
use crate::model;
use crate::solve::Solved;
use crate::text::field;
use ndarray::{ArrayView1, ArrayView2};
use nmf_core::Element;
use nmf_io::{Staging, Table};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Names in a line of components.tsv.
const NAMED: usize = 10;

/// rows.tsv, cols.tsv (name, sum, probability; with classes the most probable and its probability) and joint.tsv (what is not zero).
pub(super) fn tables<T: Element>(
    out: &mut Staging,
    table: &Table<T>,
    reading: &Reading,
    classes: Option<&Classes>,
) -> Result<(), Failure> {
    let ((row, col), p) = (names(table), &reading.table);
    let side = |what: &str,
                all: Vec<f64>,
                name: &dyn Fn(usize) -> String,
                of: Option<(&[Option<usize>], ArrayView2<'_, f64>)>| {
        let mut text = format!("{what}\tsum\tprobability");
        text += if of.is_some() { "\tcomponent\tcomponent_probability\n" } else { "\n" };
        for (i, v) in all.into_iter().enumerate() {
            // writing to a string cannot fail
            let _ = write!(text, "{}\t{}\t{v}", field(&name(i)), v * p.total());
            if let Some((class, given)) = &of {
                let _ = match class.get(i).copied().flatten() {
                    Some(q) => write!(text, "\t{}\t{}", q + 1, given[[i, q]]),
                    None => write!(text, "\t\t"),
                };
            }
            text.push('\n');
        }
        text
    };
    let given = classes.map(|c| (c.model.given_rows(), c.model.given_cols()));
    let both = classes.zip(given.as_ref());
    let of_rows = both.map(|(c, g)| (c.blocks.rows.as_slice(), g.0.view()));
    let of_cols = both.map(|(c, g)| (c.blocks.cols.as_slice(), g.1.view()));
    out.bytes("rows.tsv", side("row", p.rows(), &row, of_rows).as_bytes())?;
    out.bytes("cols.tsv", side("column", p.cols(), &col, of_cols).as_bytes())?;
    let mut joint = String::from("row\tcolumn\tcount\tjoint\tcol_given_row\trow_given_col\n");
    table.matrix.view().for_each(|i, j, x| {
        let x = x.f64();
        if x > 0.0 {
            let (a, b) = (p.given_row(i, x).unwrap_or(0.0), p.given_col(j, x).unwrap_or(0.0));
            let _ = writeln!(joint, "{}\t{}\t{x}\t{}\t{a}\t{b}", field(&row(i)), field(&col(j)), p.joint(x));
        }
    });
    out.bytes("joint.tsv", joint.as_bytes())?;
    Ok(())
}

/// A line for every item: its name and its numbers.
fn by_item<'a>(
    what: &str,
    k: usize,
    name: &dyn Fn(usize) -> String,
    lines: impl Iterator<Item = ArrayView1<'a, f64>>,
) -> String {
    let mut text = what.to_string();
    (1..=k).for_each(|q| text += &format!("\t{q}"));
    text.push('\n');
    for (i, line) in lines.enumerate() {
        text += &field(&name(i));
        line.iter().for_each(|v| {
            let _ = write!(text, "\t{v}");
        });
        text.push('\n');
    }
    text
}

/// The model, the tables, the distributions and the picture.
pub(super) fn save<T: Element>(
    dir: &Path,
    solved: &Solved<T>,
    table: &Table<T>,
    reading: &Reading,
    classes: &Classes,
) -> Result<(), Failure> {
    let mut out = Staging::new(dir)?;
    let fit = Value::Object(solved.report.to_json());
    let (rows, cols) = (table.row_names.as_deref(), table.col_names.as_deref());
    model::stage(&mut out, solved.fitted.w(), solved.fitted.h(), &fit, rows, cols)?;
    tables(&mut out, table, reading, Some(classes))?;
    let ((row, col), model) = (names(table), &classes.model);
    let k = model.classes().len();
    let (given_rows, given_cols) = (model.given_rows(), model.given_cols());
    let mut stage = |name: &str, text: String| out.bytes(name, text.as_bytes());
    stage("row_given_component.tsv", by_item("row", k, &row, model.rows().outer_iter()))?;
    stage("col_given_component.tsv", by_item("column", k, &col, model.cols().t().outer_iter()))?;
    stage("component_given_row.tsv", by_item("row", k, &row, given_rows.outer_iter()))?;
    stage("component_given_col.tsv", by_item("column", k, &col, given_cols.outer_iter()))?;
    let (in_rows, in_cols) = (sizes(&classes.blocks.rows), sizes(&classes.blocks.cols));
    let mut text = String::from("component\tprobability\trows\tcolumns\ttop_rows\ttop_columns\n");
    for (q, share) in model.classes().iter().enumerate() {
        let list = |values: ArrayView1<'_, f64>, name: &dyn Fn(usize) -> String| {
            let most = largest(values.iter().copied(), NAMED);
            most.into_iter().map(|(i, _)| field(&name(i))).collect::<Vec<_>>().join(", ")
        };
        let n = |sizes: &std::collections::BTreeMap<usize, usize>| sizes.get(&q).copied().unwrap_or(0);
        let (top_rows, top_cols) = (list(model.rows().column(q), &row), list(model.cols().row(q), &col));
        let _ = writeln!(text, "{}\t{share}\t{}\t{}\t{top_rows}\t{top_cols}", q + 1, n(&in_rows), n(&in_cols));
    }
    stage("components.tsv", text)?;
    stage("blocks.svg", blocks(table, classes))?;
    model::commit(out)
}
