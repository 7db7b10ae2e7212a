//! `probabilities` for people and as JSON.

use super::{Classes, Reading, dense, largest, names};
use crate::text::{grouped, number, table as columns};
use ndarray::ArrayView2;
use nmf_core::Element;
use nmf_io::Table;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Rows and columns up to which a table is printed whole.
const WHOLE: (usize, usize) = (20, 12);
/// Numbers in one table of --json.
const MOST: usize = 100_000;

/// The keys of X, then those of its classes.
pub(super) fn json<T: Element>(table: &Table<T>, reading: &Reading, classes: Option<&Classes>) -> Map<String, Value> {
    let (m, n) = table.dim();
    let (p, mut map) = (&reading.table, Map::new());
    map.insert("rows".into(), json!(m));
    map.insert("cols".into(), json!(n));
    map.insert("total".into(), json!(p.total()));
    map.insert("row_names".into(), json!(table.row_names));
    map.insert("col_names".into(), json!(table.col_names));
    map.insert("row_marginal".into(), json!(p.rows()));
    map.insert("col_marginal".into(), json!(p.cols()));
    map.insert("mutual_information_bits".into(), json!(reading.information));
    let x = (m.saturating_mul(n) <= MOST).then(|| dense(&table.matrix));
    let nested = |value: &dyn Fn(usize, usize, f64) -> Value| {
        x.as_ref().map(|x| {
            let row = |i: usize| (0..n).map(|j| value(i, j, x[[i, j]])).collect::<Vec<Value>>();
            (0..m).map(row).collect::<Vec<_>>()
        })
    };
    map.insert("joint".into(), json!(nested(&|_, _, x| json!(p.joint(x)))));
    map.insert("col_given_row".into(), json!(nested(&|i, _, x| json!(p.given_row(i, x)))));
    map.insert("row_given_col".into(), json!(nested(&|_, j, x| json!(p.given_col(j, x)))));
    let Some(c) = classes else { return map };
    let whole =
        |a: ArrayView2<'_, f64>| (a.len() <= MOST).then(|| a.outer_iter().map(|row| row.to_vec()).collect::<Vec<_>>());
    map.insert("component_probability".into(), json!(c.model.classes()));
    map.insert("row_given_component".into(), json!(whole(c.model.rows())));
    map.insert("col_given_component".into(), json!(whole(c.model.cols())));
    map.insert("component_given_row".into(), json!(whole(c.model.given_rows().view())));
    map.insert("component_given_col".into(), json!(whole(c.model.given_cols().view())));
    map.insert("row_component".into(), json!(c.blocks.rows));
    map.insert("col_component".into(), json!(c.blocks.cols));
    map.insert("log_likelihood".into(), json!(c.log_likelihood));
    map.insert("perplexity".into(), json!((-c.log_likelihood).exp()));
    map.insert("marginal_difference".into(), json!({ "rows": c.off.0, "cols": c.off.1 }));
    map
}

/// A probability: four digits after the point.
fn p(v: f64) -> String {
    format!("{v:.4}")
}

/// The table itself: whole if it is small, its heaviest rows and columns otherwise.
pub(super) fn tables<T: Element>(table: &Table<T>, reading: &Reading, top: usize) -> String {
    let ((m, n), (row, col), c) = (table.dim(), names(table), &reading.table);
    let mut out = format!(
        "{}×{}, sum {}; mutual information of row and column {} bits\n\n",
        grouped(m as u64),
        grouped(n as u64),
        number(c.total()),
        number(reading.information)
    );
    if m > WHOLE.0 || n > WHOLE.1 {
        let list = |what: &str, all: Vec<f64>, name: &dyn Fn(usize) -> String| {
            let most: Vec<String> =
                largest(all.into_iter(), top).into_iter().map(|(i, v)| format!("{} {}", name(i), p(v))).collect();
            format!("{what}  {}\n", most.join(", "))
        };
        out += &list("P(row)", c.rows(), &row);
        out += &list("P(col)", c.cols(), &col);
        return out + "(the largest; the tables are too large to be printed)\n\n";
    }
    let x = dense(&table.matrix);
    let names: Vec<String> = (0..n).map(&col).collect();
    let mut one = |title: &str,
                   last: Option<(&str, Vec<f64>)>,
                   foot: Option<Vec<f64>>,
                   value: &dyn Fn(usize, usize, f64) -> Option<f64>| {
        let mut header = vec![title];
        header.extend(names.iter().map(String::as_str));
        header.extend(last.as_ref().map(|(name, _)| *name));
        let cell = |v: Option<f64>| v.map_or("–".to_string(), p);
        let line = |i: usize| {
            let mut cells = vec![row(i)];
            cells.extend((0..n).map(|j| cell(value(i, j, x[[i, j]]))));
            cells.extend(last.as_ref().map(|(_, all)| p(all[i])));
            cells
        };
        let mut rows: Vec<Vec<String>> = (0..m).map(line).collect();
        if let Some(foot) = foot {
            let mut cells = vec!["P(col)".to_string()];
            cells.extend(foot.into_iter().map(p));
            cells.push(p(1.0));
            rows.push(cells);
        }
        out += &columns(&header, &rows, 1);
        out += "\n\n";
    };
    one("P(row, col)", Some(("P(row)", c.rows())), Some(c.cols()), &|_, _, x| Some(c.joint(x)));
    one("P(col | row)", None, None, &|i, _, x| c.given_row(i, x));
    one("P(row | col)", None, None, &|_, j, x| c.given_col(j, x));
    out
}

/// How many of each class.
pub(super) fn sizes(of: &[Option<usize>]) -> BTreeMap<usize, usize> {
    let mut sizes = BTreeMap::new();
    of.iter().flatten().for_each(|q| *sizes.entry(*q).or_default() += 1);
    sizes
}

/// The classes, the most probable first, numbered as the columns of W from 1.
pub(super) fn classes<T: Element>(table: &Table<T>, c: &Classes, top: usize) -> String {
    let ((row, col), mut out) = (names(table), String::new());
    let (rows, cols) = (sizes(&c.blocks.rows), sizes(&c.blocks.cols));
    let n = |sizes: &BTreeMap<usize, usize>, q: usize, what: &str| {
        let n = sizes.get(&q).copied().unwrap_or(0);
        format!("{} {what}{}", grouped(n as u64), if n == 1 { "" } else { "s" })
    };
    for (q, share) in largest(c.model.classes().iter().copied(), usize::MAX) {
        out += &format!(
            "component {}  P {}  most probable for {} and {}\n",
            q + 1,
            p(share),
            n(&rows, q, "row"),
            n(&cols, q, "column")
        );
        let list = |values: Vec<(usize, f64)>, name: &dyn Fn(usize) -> String| {
            // what would be printed as 0 is not worth a place
            let told = values.into_iter().filter(|(_, v)| *v >= 5e-5);
            told.map(|(i, v)| format!("{} {}", name(i), p(v))).collect::<Vec<_>>().join(", ")
        };
        out += &format!("  rows     {}\n", list(largest(c.model.rows().column(q).iter().copied(), top), &row));
        out += &format!("  columns  {}\n", list(largest(c.model.cols().row(q).iter().copied(), top), &col));
    }
    let empty = c.model.classes().iter().filter(|p| **p == 0.0).count();
    if empty > 0 {
        out += &format!("{empty} of the {} components are empty\n", c.model.classes().len());
    }
    out + &format!(
        "\nlog-likelihood {} nats a count (perplexity {}); marginals of the model off by {:.1e} (rows) and {:.1e} (columns)\n",
        number(c.log_likelihood),
        number((-c.log_likelihood).exp()),
        c.off.0,
        c.off.1
    )
}
