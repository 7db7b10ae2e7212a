//! What a report shows of the matrices: X, W·H and the residual from afar, and the components one by one.

use super::Page;
use super::blocks::{Blocks, means};
use crate::failure::Failure;
use crate::known::Known;
use crate::patterns;
use crate::pictures::{bars, columns, matrix, strips};
use crate::solve::Solved;
use crate::text::{grouped, number};
use ndarray::{Array2, ArrayView1, ArrayView2, s};
use nmf_core::{Element, Observed, Weighted};
use nmf_io::Table;

/// Components shown one by one.
const MOST: usize = 40;
/// Components of which more are folded away.
const OPEN: usize = 12;
/// Rows of the picture of a pattern.
const PATTERN: usize = 120;
/// Columns shown of a component, and rows.
const TOP: usize = 8;
const TOP_ROWS: usize = 3;
/// Named columns up to which bars say it all.
const FEW: usize = 15;

/// A factorization, its data, and what their rows and columns are called.
pub(crate) struct Model<'a, T: Element> {
    /// The factorization.
    pub(crate) solved: &'a Solved<T>,
    /// X and its names.
    pub(crate) table: &'a Table<T>,
    /// Which entries count.
    pub(crate) known: &'a Known,
    /// "rows" or "documents".
    pub(crate) rows: &'a str,
    /// "columns" or "words".
    pub(crate) cols: &'a str,
    /// Threads to compute with.
    pub(crate) threads: usize,
}

/// Blocks of X, of its model W·H (m×k, k×n) and of the residual, where entries count as `known` says.
pub(crate) fn seen_from_afar<T: Element>(
    table: &Table<T>,
    known: &Known,
    (w, h): (ArrayView2<'_, T>, ArrayView2<'_, T>),
    threads: usize,
) -> Result<Blocks, Failure> {
    let stored_only = known.observed == Observed::Stored;
    let weights = known.weights.as_ref().map(|w| w.matrix::<T>());
    let x = table.matrix.view();
    let weights = weights.as_ref().map(|w| w.view());
    let pair = weights.as_ref().map(|w| Weighted::new(&x, w, stored_only)).transpose()?;
    let work = || match &pair {
        Some(pair) => Blocks::of(&pair.x(), Some(&pair.weights()), stored_only, &w, &h),
        None => Blocks::of(&x, None, stored_only, &w, &h),
    };
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => Ok(pool.install(work)),
        Err(e) => Err(Failure::work(format!("cannot start {threads} threads: {e}"))),
    }
}

impl<T: Element> Model<'_, T> {
    /// The section on X, W·H and the residual.
    pub(crate) fn heat_maps(&self, page: &mut Page) -> Result<(), Failure> {
        let blocks = self.blocks()?;
        let (m, n) = self.table.dim();
        let sides = (format!("{} {}", grouped(m as u64), self.rows), format!("{} {}", grouped(n as u64), self.cols));
        let labels = (sides.0.as_str(), sides.1.as_str());
        let pixel = if blocks.exact() {
            "A pixel is a cell.".into()
        } else {
            format!("A pixel shows the mean of {}.", blocks.size())
        };
        let order = format!("{} and {} in the order of the file.", capital(self.rows), self.cols);
        // of unknown cells the model may be anything
        let (high, largest) = match blocks.gaps {
            true => range(blocks.x.iter().copied()),
            false => range(blocks.x.iter().chain(&blocks.model).copied()),
        };
        let beyond = |high: f32, largest: f32| match largest > high {
            true => format!(" The colours end at {}; the largest pixel is {}.", brief(high), brief(largest)),
            false => String::new(),
        };
        let common = beyond(high, largest);
        page.section(
            "Data and model",
            "X is what was given, W·H what the components make of it, and the residual what they leave over.",
        );
        let unknown =
            if blocks.gaps { " What is unknown is left out; pixels without a known cell stay grey." } else { "" };
        let caption = format!("{pixel} {order}{unknown}{common}");
        page.figure("x", matrix("X", blocks.x.view(), (0.0, high), false, labels, "", &caption), "");
        let all = if blocks.gaps { " Unknown cells are filled in by the model." } else { "" };
        let caption = format!("{pixel} The colours are those of X.{all}");
        page.figure("model", matrix("W·H", blocks.model.view(), (0.0, high), false, labels, "", &caption), "");

        let sizes = blocks.residual.mapv(f32::abs);
        let (own, largest) = range(sizes.iter().copied());
        // on the colours of X, unless hardly anything would be seen
        let shared = own > 0.25 * high && own <= 4.0 * high;
        let end = if shared { high } else { own };
        let which = match shared {
            true => " The colours end where those of X do.".to_string(),
            false => {
                format!(" The colours end at {}, those of X at {}.", brief(own), brief(high))
            }
        };
        let over = if largest > end { format!(" The largest pixel is {}.", brief(largest)) } else { String::new() };
        let picture = if blocks.exact() {
            let caption = format!(
                "x − v of each cell: red where the data are above the model, blue where they are below.{which}{over}{unknown}"
            );
            matrix("Residual X − W·H", blocks.residual.view(), (-end, end), true, labels, "", &caption)
        } else {
            let caption =
                format!("A pixel shows the root mean square of x − v over {}.{which}{over}{unknown}", blocks.size());
            matrix("Residual, root mean square", blocks.residual.view(), (0.0, end), false, labels, "", &caption)
        };
        page.figure("residual", picture, "");
        Ok(())
    }

    fn blocks(&self) -> Result<Blocks, Failure> {
        let fitted = &self.solved.fitted;
        let right = patterns::right(fitted.h(), fitted.shifts());
        seen_from_afar(self.table, self.known, (fitted.w(), right.view()), self.threads)
    }

    /// The section on the components: how much each makes, its strongest columns, where it is strong.
    pub(crate) fn components(&self, page: &mut Page) {
        let (fitted, report) = (&self.solved.fitted, &self.solved.report);
        let (k, n) = fitted.h().dim();
        let shown = k.min(MOST);
        let only = if k > shown { format!(" The first {shown} of {k} are shown one by one.") } else { String::new() };
        let text = match fitted.shifts() {
            1 => format!(
                "Row q of H is component q over the {}, column q of W how much of it is in each of the {}.{only}",
                self.cols, self.rows
            ),
            l => format!(
                "Component q is a pattern of {l} {}, W[:, q, :]; row q of H says where it begins and how strong it is.{only}",
                self.cols
            ),
        };
        page.section("Components", &text);
        let h = fitted.h().mapv(|v| v.f64() as f32);
        let w = self.summed();
        self.table_of(page, &w, &h, shown);
        let (ws, hs) = &report.sparseness;
        page.paragraph(&format!(
            "Sparseness (Hoyer, from 0 for flat to 1 for a single entry): W {:.2}, {:.0} % zeros; H {:.2}, {:.0} % zeros.",
            ws.hoyer,
            100.0 * ws.zeros,
            hs.hoyer,
            100.0 * hs.zeros
        ));
        if report.dead_components > 0 {
            page.paragraph(&format!(
                "{} of {k} components contribute nothing: a smaller k would do.",
                report.dead_components
            ));
        }
        let names: Vec<String> = (1..=shown).map(|q| q.to_string()).collect();
        if fitted.shifts() == 1 {
            page.paragraph(&format!("The {TOP} largest entries of each row of H:"));
            for (q, row) in h.outer_iter().take(shown).enumerate() {
                if q == OPEN {
                    page.fold(&format!("Components {} to {shown}", q + 1));
                }
                let list: Vec<_> = top(row, TOP).into_iter().map(|j| (self.column(j), f64::from(row[j]))).collect();
                page.figure(&format!("component-{:02}", q + 1), bars(&format!("Component {}", q + 1), &list), "");
            }
            if shown > OPEN {
                page.unfold();
            }
        } else {
            self.patterns(page, shown);
        }
        if self.table.col_names.is_none() || n > FEW {
            let name = |j: usize| self.column(j);
            let title = format!("Components over the {}", self.cols);
            let caption = format!("Rows of H over the {} in the order of the file, counted from 0.", self.cols);
            page.figure("profiles", strips(&title, h.slice(s![..shown, ..]), &names, self.cols, &name, &caption), "");
        }
        let name = |i: usize| self.row(i);
        let title = format!("Weights over the {}", self.rows);
        let what = if fitted.shifts() == 1 { "Columns of W" } else { "Patterns, summed over what they last," };
        let caption = format!("{what} over the {} in the order of the file, counted from 0.", self.rows);
        page.figure("weights", strips(&title, w.t().slice(s![..shown, ..]), &names, self.rows, &name, &caption), "");
    }

    /// The patterns of a convolutive model as pictures, rows downwards.
    fn patterns(&self, page: &mut Page, shown: usize) {
        let fitted = &self.solved.fitted;
        let cube = patterns::cube(&fitted.w(), fitted.shifts());
        let blocks = columns(cube.dim().0, PATTERN);
        let (most, lasting) = (blocks.iter().map(ExactSizeIterator::len).max().unwrap_or(0), fitted.shifts());
        let caption =
            if most > 1 { format!("A pixel shows the mean of up to {most}×1 cells.") } else { String::new() };
        for q in 0..shown {
            if q == OPEN {
                page.fold(&format!("Patterns {} to {shown}", q + 1));
            }
            let values = means(&cube.slice(s![.., q, ..]).mapv(|v| v.f64()), &blocks).mapv(|v| v as f32);
            let high = values.iter().copied().fold(0.0, f32::max);
            let labels = (self.rows, &*format!("{lasting} {}", self.cols));
            let title = format!("Pattern {}", q + 1);
            let picture = matrix(&title, values.view(), (0.0, high), false, labels, "", &caption);
            page.figure(&format!("pattern-{:02}", q + 1), picture, "");
        }
        if shown > OPEN {
            page.unfold();
        }
    }

    /// W, m×k, of a convolutive model the sums over each pattern.
    fn summed(&self) -> Array2<f32> {
        let fitted = &self.solved.fitted;
        let (w, shifts) = (fitted.w(), fitted.shifts());
        Array2::from_shape_fn((w.nrows(), fitted.rank()), |(i, q)| {
            (0..shifts).map(|tau| w[[i, q * shifts + tau]].f64()).sum::<f64>() as f32
        })
    }

    /// The table of the components: how much of W·H each makes, its strongest columns and rows.
    fn table_of(&self, page: &mut Page, w: &Array2<f32>, h: &Array2<f32>, shown: usize) {
        let sum = |a: ArrayView1<'_, f32>| a.iter().map(|v| f64::from(*v)).sum::<f64>();
        let made: Vec<f64> = (0..h.nrows()).map(|q| sum(w.column(q)) * sum(h.row(q))).collect();
        let all: f64 = made.iter().sum();
        let header =
            ["component", "share of W·H", &format!("strongest {}", self.cols), &format!("strongest {}", self.rows)];
        let rows: Vec<Vec<String>> = (0..shown)
            .map(|q| {
                let share = if all > 0.0 { 100.0 * made[q] / all } else { 0.0 };
                let cols: Vec<String> = top(h.row(q), TOP_ROWS).into_iter().map(|j| self.column(j)).collect();
                let rows: Vec<String> = top(w.column(q), TOP_ROWS).into_iter().map(|i| self.row(i)).collect();
                vec![(q + 1).to_string(), format!("{share:.1} %"), cols.join(", "), rows.join(", ")]
            })
            .collect();
        page.table(&header, &rows);
    }

    fn column(&self, j: usize) -> String {
        named(self.table.col_names.as_deref(), "column", j)
    }

    fn row(&self, i: usize) -> String {
        named(self.table.row_names.as_deref(), "row", i)
    }
}

/// The name of a row or column, or its number from 0.
pub(crate) fn named(names: Option<&[String]>, what: &str, at: usize) -> String {
    match names.and_then(|n| n.get(at)).filter(|n| !n.trim().is_empty()) {
        Some(name) => name.clone(),
        None => format!("{what} {at}"),
    }
}

/// The places of the largest entries above zero, the largest first.
fn top(values: ArrayView1<'_, f32>, most: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..values.len()).filter(|i| values[*i] > 0.0).collect();
    all.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
    all.truncate(most);
    all
}

/// Where the colours end: the largest value, or where few are far above the others the least that 99.5 % do not exceed; and the largest.
pub(crate) fn range(values: impl Iterator<Item = f32>) -> (f32, f32) {
    let mut all: Vec<f32> = values.filter(|v| v.is_finite()).collect();
    let Some(last) = all.len().checked_sub(1) else { return (1.0, 0.0) };
    let at = (last as f64 * 0.995).round() as usize;
    let quantile = *all.select_nth_unstable_by(at, f32::total_cmp).1;
    let largest = all.iter().copied().fold(0.0, f32::max);
    match quantile > 0.0 && largest > 2.0 * quantile {
        true => (quantile, largest),
        false => (if largest > 0.0 { largest } else { 1.0 }, largest),
    }
}

/// A number in three digits.
fn brief(v: f32) -> String {
    number(format!("{v:.2e}").parse().unwrap_or(f64::from(v)))
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn colours_end_at_the_largest_unless_it_is_far_off() {
        assert_eq!(range([0.0, 1.0, 3.0, f32::NAN].into_iter()), (3.0, 3.0));
        let values = (0..1000).map(|i| if i == 500 { 80.0 } else { (i % 10) as f32 });
        assert_eq!(range(values), (9.0, 80.0));
        assert_eq!(range(std::iter::empty()), (1.0, 0.0));
        assert_eq!(range([0.0, 0.0].into_iter()), (1.0, 0.0));
    }

    #[test]
    fn the_strongest_come_first_and_zeros_never() {
        assert_eq!(top(array![0.0, 2.0, 5.0, 2.0, 0.0].view(), 3), [2, 1, 3]);
        assert_eq!(top(array![0.0, 0.0].view(), 3), Vec::<usize>::new());
        let names = ["a".to_string(), " ".to_string()];
        assert_eq!((named(Some(&names), "row", 0), named(Some(&names), "row", 1)), ("a".into(), "row 1".into()));
    }
}
