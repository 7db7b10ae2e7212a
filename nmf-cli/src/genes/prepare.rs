//! From counts to the matrix that is factored: which genes are kept, and in what units.

use crate::failure::Failure;
use clap::ValueEnum;
use ndarray::Axis;
use nmf_core::{Element, Matrix, MatrixRef, Sparse};
use nmf_io::Table;
use regex::Regex;
use std::path::Path;

/// Overdispersion θ of the negative binomial that Pearson residuals are taken of.
const THETA: f64 = 100.0;
/// Counts per cell after the size of the cells has been divided out.
const PER_CELL: f64 = 1e4;

/// Units of the matrix that is factored.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Normalize {
    /// The counts as they are
    Counts,
    /// Counts per 10,000 of each cell (over all genes of the file)
    Cp10k,
    /// ln(1 + cp10k)
    Log1p,
}

impl Normalize {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Normalize::Counts => "counts",
            Normalize::Cp10k => "cp10k",
            Normalize::Log1p => "log1p",
        }
    }

    fn of(self, x: f64, total: f64) -> f64 {
        let scaled = if total > 0.0 { x * PER_CELL / total } else { 0.0 };
        match self {
            Normalize::Counts => x,
            Normalize::Cp10k => scaled,
            Normalize::Log1p => scaled.ln_1p(),
        }
    }
}

/// Which genes are kept.
pub(crate) struct Choice<'a> {
    /// Those whose id or name matches.
    pub(crate) pattern: Option<&'a Regex>,
    /// Those with an entry above zero in at least so many cells.
    pub(crate) min_cells: usize,
    /// Of these the N that vary most.
    pub(crate) variable: Option<usize>,
    /// Units of the result.
    pub(crate) normalize: Normalize,
}

/// Sums over all genes and cells of the file.
struct Sums {
    cells: Vec<f64>,
    genes: Vec<f64>,
    /// Cells in which a gene is above zero.
    seen: Vec<usize>,
}

impl Sums {
    fn of<T: Element>(x: &MatrixRef<'_, T>) -> Sums {
        let (m, n) = x.dim();
        let mut sums = Sums { cells: vec![0.0; m], genes: vec![0.0; n], seen: vec![0; n] };
        x.for_each(|i, j, v| {
            sums.cells[i] += v.f64();
            sums.genes[j] += v.f64();
            sums.seen[j] += usize::from(v > T::zero());
        });
        sums
    }
}

/// The columns to keep, in their order; `ids` are second names of the columns.
pub(crate) fn choose<T: Element>(
    table: &Table<T>,
    ids: Option<&[String]>,
    choice: &Choice<'_>,
    path: &Path,
) -> Result<Vec<usize>, Failure> {
    let x = table.matrix.view();
    check(&x, path)?;
    let sums = Sums::of(&x);
    let names = table.col_names.as_deref();
    if choice.pattern.is_some() && names.is_none() {
        return Err(Failure::file(path, "--genes chooses genes by their names, and this file has none"));
    }
    let named = |j: usize| {
        let Some(pattern) = choice.pattern else { return true };
        let matches = |list: Option<&[String]>| list.and_then(|l| l.get(j)).is_some_and(|name| pattern.is_match(name));
        matches(ids) || matches(names)
    };
    let matching: Vec<usize> = (0..x.dim().1).filter(|j| named(*j)).collect();
    if matching.is_empty() {
        let first = ids.or(names).and_then(|l| l.first()).map_or("", String::as_str);
        return Err(Failure::file(path, format!("--genes matches no gene; the first is called \"{first}\"")));
    }
    let mut kept: Vec<usize> = matching.into_iter().filter(|j| sums.seen[*j] >= choice.min_cells.max(1)).collect();
    if kept.is_empty() {
        let message = format!("no gene is above zero in {} cells: take a smaller --min-cells", choice.min_cells);
        return Err(Failure::file(path, message));
    }
    if let Some(n) = choice.variable.filter(|n| *n < kept.len()) {
        check_counts(&x, path)?;
        let variances = residual_variances(&x, &kept, &sums);
        let mut order: Vec<usize> = (0..kept.len()).collect();
        order.sort_by(|a, b| variances[*b].total_cmp(&variances[*a]).then(a.cmp(b)));
        order.truncate(n);
        order.sort_unstable();
        kept = order.into_iter().map(|at| kept[at]).collect();
    }
    Ok(kept)
}

/// The matrix with these columns only, in the units asked for; totals of cells are over all columns.
pub(crate) fn reduce<T: Element>(table: Table<T>, kept: &[usize], normalize: Normalize) -> Table<T> {
    let totals = Sums::of(&table.matrix.view()).cells;
    let matrix = match table.matrix {
        Matrix::Dense(a) => {
            let mut a = a.select(Axis(1), kept);
            for (mut row, total) in a.outer_iter_mut().zip(&totals) {
                row.mapv_inplace(|v| T::of(normalize.of(v.f64(), *total)));
            }
            Matrix::Dense(a)
        }
        Matrix::Sparse(s) => {
            let s = if s.is_csr() { s } else { s.to_csr() };
            let (rows, cols) = s.shape();
            let mut place = vec![u32::MAX; cols];
            // columns are indexed by 32 bits already
            kept.iter().zip(0..).for_each(|(j, new)| place[*j] = new);
            let (mut indptr, mut indices, mut data) = (vec![0u64], Vec::new(), Vec::new());
            for (row, total) in s.outer_iterator().zip(&totals) {
                for (j, v) in row.iter() {
                    if place[j] != u32::MAX {
                        indices.push(place[j]);
                        data.push(T::of(normalize.of(v.f64(), *total)));
                    }
                }
                indptr.push(indices.len() as u64);
            }
            // kept columns stay in order, so rows stay sorted
            Matrix::Sparse(Sparse::new((rows, kept.len()), indptr, indices, data))
        }
    };
    let pick = |names: Vec<String>| kept.iter().filter_map(|j| names.get(*j).cloned()).collect();
    Table { matrix, row_names: table.row_names, col_names: table.col_names.map(pick) }
}

/// Refuses what no expression is, by its place.
fn check<T: Element>(x: &MatrixRef<'_, T>, path: &Path) -> Result<(), Failure> {
    let mut bad = None;
    x.for_each(|i, j, v| {
        if !(v >= T::zero() && v.is_finite()) && bad.is_none() {
            bad = Some((i, j, v.f64()));
        }
    });
    match bad {
        Some((i, j, v)) => {
            let message = format!("row {i}, column {j} (counted from 0) is {v}: finite numbers ≥ 0 are accepted");
            Err(Failure::file(path, message))
        }
        None => Ok(()),
    }
}

/// Pearson residuals are those of counts.
fn check_counts<T: Element>(x: &MatrixRef<'_, T>, path: &Path) -> Result<(), Failure> {
    let mut bad = None;
    x.for_each(|i, j, v| {
        if v.f64().fract() != 0.0 && bad.is_none() {
            bad = Some((i, j, v.f64()));
        }
    });
    match bad {
        Some((i, j, v)) => Err(Failure::file(
            path,
            format!("--variable needs counts, and row {i}, column {j} (counted from 0) is {v}"),
        )),
        None => Ok(()),
    }
}

/// Variance over the cells of the Pearson residuals (x − μ)/√(μ + μ²/θ), μ = total of the cell × total of the gene / total,
/// clipped to ±√cells: J. Lause, P. Berens, D. Kobak, "Analytic Pearson residuals for normalization of single-cell RNA-seq
/// UMI data", Genome Biology 22:258, 2021 (θ = 100 as there).
fn residual_variances<T: Element>(x: &MatrixRef<'_, T>, kept: &[usize], sums: &Sums) -> Vec<f64> {
    let (m, n) = x.dim();
    let total: f64 = sums.genes.iter().sum();
    let clip = (m as f64).sqrt();
    let mut entries: Vec<Vec<(usize, f64)>> = vec![Vec::new(); n];
    let mut wanted = vec![false; n];
    kept.iter().for_each(|j| wanted[*j] = true);
    x.for_each(|i, j, v| {
        if wanted[j] && v > T::zero() {
            entries[j].push((i, v.f64()));
        }
    });
    let mut column = vec![0.0; m];
    kept.iter()
        .map(|&j| {
            entries[j].iter().for_each(|(i, v)| column[*i] = *v);
            let (mut first, mut second) = (0.0, 0.0);
            for (v, cell) in column.iter().zip(&sums.cells) {
                let mean = cell * sums.genes[j] / total;
                // a cell without counts has no residual
                let z = if mean > 0.0 {
                    ((v - mean) / (mean + mean * mean / THETA).sqrt()).clamp(-clip, clip)
                } else {
                    0.0
                };
                first += z;
                second += z * z;
            }
            entries[j].iter().for_each(|(i, _)| column[*i] = 0.0);
            second / m as f64 - (first / m as f64).powi(2)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn counts() -> Array2<f64> {
        array![[4.0, 1.0, 0.0, 5.0], [4.0, 0.0, 3.0, 3.0], [0.0, 1.0, 0.0, 9.0], [0.0, 0.0, 0.0, 0.0]]
    }

    fn tables() -> [Table<f64>; 2] {
        let named = |t: Table<f64>| Table { col_names: Some(["a", "b", "c", "d"].map(String::from).into()), ..t };
        [named(Table::new(counts())), named(Table::new(Sparse::csr_from_dense(counts().view(), 0.0)))]
    }

    fn all() -> Choice<'static> {
        Choice { pattern: None, min_cells: 1, variable: None, normalize: Normalize::Counts }
    }

    #[test]
    fn genes_are_chosen_by_name_or_id_by_cells_and_by_variance() {
        let path = Path::new("x");
        let ids: Vec<String> = ["E1", "E2", "R3", "E4"].map(String::from).into();
        let [both, ids_alone, none] = ["^E|^c$", "^E", "zz"].map(|re| Regex::new(re).unwrap());
        for t in tables() {
            let chosen = |c: &Choice<'_>| choose(&t, Some(&ids), c, path).unwrap();
            assert_eq!(chosen(&all()), [0, 1, 2, 3]);
            assert_eq!(chosen(&Choice { min_cells: 2, ..all() }), [0, 1, 3]);
            assert_eq!(chosen(&Choice { pattern: Some(&both), ..all() }), [0, 1, 2, 3]);
            assert_eq!(chosen(&Choice { pattern: Some(&ids_alone), ..all() }), [0, 1, 3]);
            let e = choose(&t, Some(&ids), &Choice { pattern: Some(&none), ..all() }, path).unwrap_err();
            assert!(e.code() == 2 && e.message().contains("\"E1\""), "{}", e.message());
            assert!(choose(&t, None, &Choice { min_cells: 9, ..all() }, path).is_err());
        }
    }

    #[test]
    fn pearson_residuals_are_those_of_the_definition() {
        let x = counts();
        let (rows, cols, total) = (x.sum_axis(Axis(1)), x.sum_axis(Axis(0)), x.sum());
        let expected: Vec<f64> = (0..4)
            .map(|j| {
                let z: Vec<f64> = (0..4)
                    .map(|i| {
                        let mu: f64 = rows[i] * cols[j] / total;
                        if mu == 0.0 {
                            0.0
                        } else {
                            ((x[[i, j]] - mu) / (mu + mu * mu / 100.0).sqrt()).clamp(-2.0, 2.0)
                        }
                    })
                    .collect();
                let mean = z.iter().sum::<f64>() / 4.0;
                z.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4.0
            })
            .collect();
        for t in tables() {
            let view = t.matrix.view();
            let got = residual_variances(&view, &[0, 1, 2, 3], &Sums::of(&view));
            assert!(got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?} {expected:?}");
            let most = choose(&t, None, &Choice { variable: Some(1), ..all() }, Path::new("x")).unwrap();
            let largest = (0..4).max_by(|a, b| expected[*a].total_cmp(&expected[*b])).unwrap();
            assert_eq!(most, [largest]);
        }
    }

    #[test]
    fn cells_are_scaled_by_all_their_counts() {
        for t in tables() {
            let t = reduce(t, &[0, 2], Normalize::Cp10k);
            assert_eq!(t.col_names.as_deref(), Some(&["a".to_string(), "c".to_string()][..]));
            let a = t.matrix.view().to_dense_f64();
            assert_eq!(a, array![[4000.0, 0.0], [4000.0, 3000.0], [0.0, 0.0], [0.0, 0.0]]);
        }
        for t in tables() {
            let a = reduce(t, &[1, 3], Normalize::Log1p).matrix.view().to_dense_f64();
            assert!((a[[2, 1]] - 9001f64.ln()).abs() < 1e-12 && a[[1, 0]] == 0.0);
        }
    }

    #[test]
    fn what_is_no_count_is_refused_by_its_place() {
        let t = Table::new(array![[1.0, 0.5], [2.0, 1.0]]);
        let e = choose(&t, None, &Choice { variable: Some(1), ..all() }, Path::new("x")).unwrap_err();
        assert!(e.message().contains("row 0, column 1"), "{}", e.message());
        let t = Table::new(array![[1.0, -0.5], [2.0, 1.0]]);
        assert_eq!(choose(&t, None, &all(), Path::new("x")).unwrap_err().code(), 2);
    }
}
