//! The pictures and the report of `probabilities`.

use super::{Classes, ProbabilitiesArgs, Reading, largest, names};
use crate::failure::Failure;
use crate::pictures::{bars, columns, matrix};
use crate::report::{Page, fit, range};
use crate::solve::Solved;
use crate::text::{grouped, number};
use ndarray::Array2;
use nmf_core::Element;
use nmf_io::Table;

/// Pixels of the picture, at most, downwards and to the right.
const PIXELS: (usize, usize) = (190, 220);
/// Components of which more are folded away.
const OPEN: usize = 12;

/// Means over blocks of cells of X, rows and columns in this order.
fn pixels<T: Element>(table: &Table<T>, row_order: &[usize], col_order: &[usize]) -> (Array2<f32>, bool) {
    let place = |order: &[usize], most: usize| {
        let ranges = columns(order.len(), most);
        let mut pixel = vec![0; order.len()];
        for (r, range) in ranges.iter().enumerate() {
            range.clone().for_each(|i| pixel[order[i]] = r);
        }
        (pixel, ranges.iter().map(|r| r.len() as f64).collect::<Vec<f64>>())
    };
    let ((rows, tall), (cols, wide)) = (place(row_order, PIXELS.0), place(col_order, PIXELS.1));
    let mut sums = Array2::<f64>::zeros((tall.len(), wide.len()));
    table.matrix.view().for_each(|i, j, x| sums[[rows[i], cols[j]]] += x.f64());
    let means = Array2::from_shape_fn(sums.dim(), |(r, c)| (sums[[r, c]] / (tall[r] * wide[c])) as f32);
    (means, tall.len() == row_order.len() && wide.len() == col_order.len())
}

fn picture<T: Element>(title: &str, table: &Table<T>, orders: (&[usize], &[usize]), told: &str) -> String {
    let (means, exact) = pixels(table, orders.0, orders.1);
    let (high, _) = range(means.iter().copied());
    let (m, n) = table.dim();
    let (rows, cols) = (format!("{} rows", grouped(m as u64)), format!("{} columns", grouped(n as u64)));
    let pixel = if exact { "A pixel is a cell." } else { "A pixel is the mean of several cells." };
    let caption = format!("{pixel} {told} The colours end at {}.", number(f64::from(high)));
    matrix(title, means.view(), (0.0, high), false, (&rows, &cols), "", &caption)
}

/// X with rows and columns in the order of their components.
pub(super) fn blocks<T: Element>(table: &Table<T>, classes: &Classes) -> String {
    let b = &classes.blocks;
    let told = "Rows and columns are sorted by their most probable component, the most probable component first.";
    picture("X by components", table, (&b.row_order, &b.col_order), told)
}

/// The report.
pub(super) fn page<T: Element>(
    solved: &Solved<T>,
    table: &Table<T>,
    reading: &Reading,
    classes: &Classes,
    args: &ProbabilitiesArgs,
) -> Result<Page, Failure> {
    let report = &solved.report;
    let (m, n) = table.dim();
    let mut page = Page::new(
        &format!("{}: {} latent classes", fit::file_name(&args.input), report.rank),
        "A table as probabilities, P(row, col) ≈ Σ P(q)·P(row | q)·P(col | q)",
    );
    let mut tiles = vec![
        ("sum of the table", number(reading.table.total())),
        ("mutual information", format!("{} bits", number(reading.information))),
        ("perplexity", number((-classes.log_likelihood).exp())),
    ];
    tiles.extend(fit::tiles(report));
    page.tiles(&tiles);
    page.section(
        "Blocks",
        "Each row and each column belongs to the component that is most probable for it. Sorted by that, what belongs together is a block.",
    );
    page.figure("blocks", blocks(table, classes), "");
    let (rows, cols): (Vec<usize>, Vec<usize>) = ((0..m).collect(), (0..n).collect());
    page.figure("x", picture("X", table, (&rows, &cols), "Rows and columns are in the order of the file."), "");
    page.section("Components", "The most probable first: its rows by P(row | q), its columns by P(col | q).");
    let (row, col) = names(table);
    for (place, (q, share)) in largest(classes.model.classes().iter().copied(), usize::MAX).into_iter().enumerate() {
        if place == OPEN {
            page.fold("less probable components");
        }
        let list = |values: Vec<(usize, f64)>, name: &dyn Fn(usize) -> String| -> Vec<(String, f64)> {
            values.into_iter().map(|(i, v)| (name(i), v)).collect()
        };
        let rows = list(largest(classes.model.rows().column(q).iter().copied(), args.top), &row);
        let cols = list(largest(classes.model.cols().row(q).iter().copied(), args.top), &col);
        let title = |what: &str| format!("Component {}: {what}", q + 1);
        let caption = format!("P = {share:.4}");
        page.figure(&format!("component-{:02}-rows", q + 1), bars(&title("rows"), &rows), &caption);
        page.figure(&format!("component-{:02}-columns", q + 1), bars(&title("columns"), &cols), &caption);
    }
    if classes.model.classes().iter().filter(|p| **p > 0.0).count() > OPEN {
        page.unfold();
    }
    page.section("Marginals", "How probable the rows and columns are whatever the component.");
    let heaviest = |all: Vec<f64>, name: &dyn Fn(usize) -> String| -> Vec<(String, f64)> {
        largest(all.into_iter(), args.top).into_iter().map(|(i, v)| (name(i), v)).collect()
    };
    page.figure("rows", bars("P(row), the largest", &heaviest(reading.table.rows(), &row)), "");
    page.figure("columns", bars("P(col), the largest", &heaviest(reading.table.cols(), &col)), "");
    fit::progress(&mut page, report);
    fit::loss(&mut page, report);
    fit::settings(&mut page, report, &args.input, &args.fit.stops());
    Ok(page)
}
