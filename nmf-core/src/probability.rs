//! A table of counts as probabilities, and a factorization under the Kullback–Leibler loss read as a latent class model.
//!
//! Divided by its sum, a non-negative table is a joint distribution P(i, j) of its rows and columns. X ≈ W·H, divided by *its* sum, is
//! P(i, j) ≈ Σ_q P(q)·P(i | q)·P(j | q): given the class q, row and column are independent (latent class analysis; T. Hofmann,
//! Probabilistic latent semantic indexing, SIGIR 1999). Minimizing the generalized KL divergence of the one from the other is maximizing
//! the likelihood of the counts (E. Gaussier and C. Goutte, Relation between PLSA and NMF and implications, SIGIR 2005), and at a stationary
//! point the model has the table's own marginals (N.-D. Ho and P. Van Dooren, Non-negative matrix factorization with fixed row and
//! column sums, Linear Algebra and its Applications 429, 2008).
//!
//! ```
//! use nmf_core::probability::Contingency;
//!
//! let bought = ndarray::array![[2.0, 0.0, 0.0], [0.0, 3.0, 1.0], [1.0, 1.0, 2.0]]; // users × products
//! let table = Contingency::of((&bought).into())?;
//! assert_eq!(table.rows(), [0.2, 0.4, 0.4]);
//! assert_eq!(table.cols(), [0.3, 0.4, 0.3]);
//! # Ok::<(), nmf_core::Error>(())
//! ```

use crate::{Element, Error, MatrixRef, Result};
use ndarray::{Array2, ArrayView2, Axis};

/// The sum and the marginal distributions of a non-negative table.
#[derive(Debug, Clone, PartialEq)]
pub struct Contingency {
    total: f64,
    row_sums: Vec<f64>,
    col_sums: Vec<f64>,
}

impl Contingency {
    /// Sums the table (m×n, sparse: what is not stored is zero).
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotFinite`], [`Error::Negative`] with the place of the entry, [`Error::AllZero`].
    pub fn of<T: Element>(x: MatrixRef<'_, T>) -> Result<Self> {
        let (rows, cols) = x.dim();
        if rows == 0 || cols == 0 {
            return Err(Error::Empty { rows, cols });
        }
        let (mut row_sums, mut col_sums) = (vec![0.0; rows], vec![0.0; cols]);
        let mut bad = None;
        x.for_each(|i, j, v| {
            let v = v.f64();
            if !(v.is_finite() && v >= 0.0) {
                bad.get_or_insert((i, j, v));
            }
            row_sums[i] += v;
            col_sums[j] += v;
        });
        let what = "the matrix";
        match bad {
            Some((row, col, value)) if value.is_finite() => return Err(Error::Negative { what, row, col, value }),
            Some((row, col, value)) => return Err(Error::NotFinite { what, row, col, value }),
            None => {}
        }
        let total: f64 = row_sums.iter().sum();
        if total == 0.0 {
            return Err(Error::AllZero);
        }
        if !total.is_finite() {
            return Err(Error::Unsupported("the sum of the table leaves the range of the numbers".into()));
        }
        Ok(Contingency { total, row_sums, col_sums })
    }

    /// The sum of all entries, in the units of X.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// P(i), one for each of the m rows; they sum to 1.
    pub fn rows(&self) -> Vec<f64> {
        self.row_sums.iter().map(|s| s / self.total).collect()
    }

    /// P(j), one for each of the n columns; they sum to 1.
    pub fn cols(&self) -> Vec<f64> {
        self.col_sums.iter().map(|s| s / self.total).collect()
    }

    /// P(i, j) of an entry x of this table.
    pub fn joint(&self, x: f64) -> f64 {
        x / self.total
    }

    /// P(j | i) of the entry x in row i; `None` for an empty row, or one that the table does not have.
    pub fn given_row(&self, i: usize, x: f64) -> Option<f64> {
        self.row_sums.get(i).filter(|s| **s > 0.0).map(|s| x / s)
    }

    /// P(i | j) of the entry x in column j; `None` for an empty column, or one that the table does not have.
    pub fn given_col(&self, j: usize, x: f64) -> Option<f64> {
        self.col_sums.get(j).filter(|s| **s > 0.0).map(|s| x / s)
    }

    /// The mutual information of row and column Σ P(i,j) log₂ (P(i,j) / (P(i)·P(j))), in bits: 0 where they are independent. `x` is the
    /// table that was summed.
    pub fn mutual_information<T: Element>(&self, x: MatrixRef<'_, T>) -> f64 {
        let mut sum = 0.0;
        x.for_each(|i, j, v| {
            let v = v.f64();
            if v > 0.0 {
                // P(i,j) / (P(i) P(j)) = x·N / (row·col), in logarithms lest the product overflows
                sum += v * (v.log2() + self.total.log2() - self.row_sums[i].log2() - self.col_sums[j].log2());
            }
        });
        (sum / self.total).max(0.0)
    }
}

/// W·H read as P(i, j) ≈ Σ_q P(q)·P(i | q)·P(j | q).
#[derive(Debug, Clone, PartialEq)]
pub struct LatentClasses {
    classes: Vec<f64>,
    rows: Array2<f64>,
    cols: Array2<f64>,
}

impl LatentClasses {
    /// Reads the factors W (m×k) and H (k×n), both ≥ 0. A class without mass has the probability 0 and zeros for distributions.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Negative`], [`Error::NotFinite`], and [`Error::AllZero`] if W·H is zero.
    pub fn of<T: Element>(w: ArrayView2<'_, T>, h: ArrayView2<'_, T>) -> Result<Self> {
        if w.ncols() != h.nrows() {
            return Err(Error::Shape { what: "H", expected: (w.ncols(), h.ncols()), found: h.dim() });
        }
        for (what, factor) in [("W", &w), ("H", &h)] {
            for ((row, col), v) in factor.indexed_iter() {
                let value = v.f64();
                if !value.is_finite() {
                    return Err(Error::NotFinite { what, row, col, value });
                }
                if value < 0.0 {
                    return Err(Error::Negative { what, row, col, value });
                }
            }
        }
        let (mut rows, mut cols) = (w.mapv(Element::f64), h.mapv(Element::f64));
        let (a, b) = (rows.sum_axis(Axis(0)), cols.sum_axis(Axis(1)));
        let mass: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a * b).collect();
        let total: f64 = mass.iter().sum();
        if !(total > 0.0 && total.is_finite()) {
            return Err(Error::AllZero);
        }
        for (q, m) in mass.iter().enumerate() {
            let (a, b) = if *m > 0.0 { (a[q], b[q]) } else { (f64::INFINITY, f64::INFINITY) };
            rows.column_mut(q).mapv_inplace(|v| v / a);
            cols.row_mut(q).mapv_inplace(|v| v / b);
        }
        Ok(LatentClasses { classes: mass.iter().map(|m| m / total).collect(), rows, cols })
    }

    /// P(q), k numbers that sum to 1.
    pub fn classes(&self) -> &[f64] {
        &self.classes
    }

    /// P(i | q), m×k; every column with mass sums to 1.
    pub fn rows(&self) -> ArrayView2<'_, f64> {
        self.rows.view()
    }

    /// P(j | q), k×n; every row with mass sums to 1.
    pub fn cols(&self) -> ArrayView2<'_, f64> {
        self.cols.view()
    }

    /// The model's P(i), m numbers.
    pub fn row_marginals(&self) -> Vec<f64> {
        self.rows.outer_iter().map(|row| row.iter().zip(&self.classes).map(|(p, c)| p * c).sum()).collect()
    }

    /// The model's P(j), n numbers.
    pub fn col_marginals(&self) -> Vec<f64> {
        self.cols.axis_iter(Axis(1)).map(|col| col.iter().zip(&self.classes).map(|(p, c)| p * c).sum()).collect()
    }

    /// P(q | i), m×k; a row of zeros where the model gives the row no mass.
    pub fn given_rows(&self) -> Array2<f64> {
        posterior(self.rows.clone(), &self.classes)
    }

    /// P(q | j), n×k; a row of zeros where the model gives the column no mass.
    pub fn given_cols(&self) -> Array2<f64> {
        posterior(self.cols.t().to_owned(), &self.classes)
    }

    /// P(i, j) of the model; 0 outside the table.
    pub fn joint(&self, i: usize, j: usize) -> f64 {
        if i >= self.rows.nrows() || j >= self.cols.ncols() {
            return 0.0;
        }
        let classes = self.rows.row(i).into_iter().zip(self.cols.column(j)).zip(&self.classes);
        classes.map(|((r, c), p)| p * r * c).sum()
    }

    /// The mean log-likelihood of a count, Σ x ln P(i, j) / Σ x, in nats; −∞ if the model excludes one that was seen. exp(−it) is the
    /// perplexity. X must have as many rows and columns as the model.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::AllZero`] if nothing was counted.
    pub fn log_likelihood<T: Element>(&self, x: MatrixRef<'_, T>) -> Result<f64> {
        let (expected, found) = ((self.rows.nrows(), self.cols.ncols()), x.dim());
        if expected != found {
            return Err(Error::Shape { what: "X", expected, found });
        }
        let (mut sum, mut total) = (0.0, 0.0);
        x.for_each(|i, j, v| {
            let v = v.f64();
            if v > 0.0 {
                sum += v * self.joint(i, j).ln();
                total += v;
            }
        });
        if total > 0.0 { Ok(sum / total) } else { Err(Error::AllZero) }
    }
}

/// Of P(· | q) in the columns, P(q | ·) in the rows.
fn posterior(mut given: Array2<f64>, classes: &[f64]) -> Array2<f64> {
    for mut row in given.outer_iter_mut() {
        row.iter_mut().zip(classes).for_each(|(p, c)| *p *= c);
        let sum = row.sum();
        if sum > 0.0 {
            row.mapv_inplace(|p| p / sum);
        }
    }
    given
}

/// Two-way clusters: each row and each column belongs to its most probable class, and an order of both in which the classes are blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// The class of each row; none for a row without mass.
    pub rows: Vec<Option<usize>>,
    /// The class of each column; none for a column without mass.
    pub cols: Vec<Option<usize>>,
    /// The rows, class by class (the most probable class first), within a class by falling P(i | q); those without mass last.
    pub row_order: Vec<usize>,
    /// The columns, likewise.
    pub col_order: Vec<usize>,
}

impl Blocks {
    /// Reads them from a model.
    pub fn of(model: &LatentClasses) -> Self {
        let mut place = vec![0; model.classes.len()];
        let mut by_mass: Vec<usize> = (0..place.len()).collect();
        by_mass.sort_by(|a, b| model.classes[*b].total_cmp(&model.classes[*a]).then(a.cmp(b)));
        by_mass.iter().enumerate().for_each(|(n, q)| place[*q] = n);
        let (rows, row_order) = arrange(&model.given_rows(), &place, |i, q| model.rows[[i, q]]);
        let (cols, col_order) = arrange(&model.given_cols(), &place, |j, q| model.cols[[q, j]]);
        Blocks { rows, cols, row_order, col_order }
    }
}

/// The most probable class of every item (ties: the first), and the items in the order of classes.
fn arrange(
    posterior: &Array2<f64>,
    place: &[usize],
    weight: impl Fn(usize, usize) -> f64,
) -> (Vec<Option<usize>>, Vec<usize>) {
    let strongest = |row: ndarray::ArrayView1<'_, f64>| {
        let best = row.iter().enumerate().fold((None, 0.0), |(q, most), (r, &p)| match p > most {
            true => (Some(r), p),
            false => (q, most),
        });
        best.0
    };
    let classes: Vec<Option<usize>> = posterior.outer_iter().map(strongest).collect();
    let mut order: Vec<usize> = (0..classes.len()).collect();
    let key = |i: usize| classes[i].map_or((usize::MAX, 0.0), |q| (place[q], -weight(i, q)));
    order.sort_by(|a, b| {
        let ((p, u), (q, v)) = (key(*a), key(*b));
        p.cmp(&q).then(u.total_cmp(&v)).then(a.cmp(b))
    });
    (classes, order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} and {b}");
    }

    #[test]
    fn the_table_of_purchases() {
        let x = array![[2.0f32, 0.0, 0.0], [0.0, 3.0, 1.0], [1.0, 1.0, 2.0]];
        let table = Contingency::of((&x).into()).unwrap();
        assert_eq!((table.total(), table.rows(), table.cols()), (10.0, vec![0.2, 0.4, 0.4], vec![0.3, 0.4, 0.3]));
        let third: Vec<f64> = (0..3).map(|j| table.given_row(2, f64::from(x[[2, j]])).unwrap()).collect();
        assert_eq!(third, [0.25, 0.25, 0.5]);
        assert_eq!((table.given_col(1, 3.0), table.joint(3.0)), (Some(0.75), 0.3));
        assert_eq!((table.given_row(3, 1.0), table.given_col(9, 1.0)), (None, None));
        // Σ P(i,j) log₂ of it over the product of marginals, by hand
        let by_hand: f64 =
            [(0.2, 0.2, 0.3), (0.3, 0.4, 0.4), (0.1, 0.4, 0.3), (0.1, 0.4, 0.3), (0.1, 0.4, 0.4), (0.2, 0.4, 0.3)]
                .iter()
                .map(|(p, r, c): &(f64, f64, f64)| p * (p / (r * c)).log2())
                .sum();
        close(table.mutual_information((&x).into()), by_hand);
        // independent: no information
        let x = array![[1.0, 2.0], [3.0, 6.0], [0.0, 0.0]];
        let table = Contingency::of((&x).into()).unwrap();
        close(table.mutual_information((&x).into()), 0.0);
        assert_eq!(table.given_row(2, 0.0), None);
    }

    #[test]
    fn bad_tables_are_refused_with_the_place() {
        let of = |x: Array2<f64>| Contingency::of((&x).into()).unwrap_err();
        assert!(matches!(of(array![[1.0, -2.0]]), Error::Negative { row: 0, col: 1, .. }));
        assert!(matches!(of(array![[1.0], [f64::NAN]]), Error::NotFinite { row: 1, col: 0, .. }));
        assert!(matches!(of(array![[0.0, 0.0]]), Error::AllZero));
        assert!(matches!(of(Array2::zeros((0, 3))), Error::Empty { .. }));
        assert!(matches!(of(array![[1e308, 1e308]]), Error::Unsupported(_)));
        let h = array![[1.0, 1.0]];
        assert!(matches!(LatentClasses::of(array![[1.0, 1.0]].view(), h.view()), Err(Error::Shape { .. })));
        assert!(matches!(LatentClasses::of(array![[0.0]].view(), h.view()), Err(Error::AllZero)));
        assert!(matches!(LatentClasses::of(array![[-1.0]].view(), h.view()), Err(Error::Negative { .. })));
        let model = LatentClasses::of(array![[1.0]].view(), h.view()).unwrap();
        assert!(matches!(model.log_likelihood((&array![[1.0]]).into()), Err(Error::Shape { .. })));
    }

    #[test]
    fn classes_are_distributions_whatever_the_scale() {
        let w = array![[1.0, 0.0, 2.0], [3.0, 0.0, 0.0], [0.0, 0.0, 6.0], [0.0, 0.0, 0.0]];
        let h = array![[2.0, 2.0], [5.0, 5.0], [0.0, 1.0]];
        let model = LatentClasses::of(w.view(), h.view()).unwrap();
        // masses 4·4, 0·10, 8·1
        assert_eq!(model.classes(), [16.0 / 24.0, 0.0, 8.0 / 24.0]);
        assert_eq!(model.rows().column(0).to_vec(), [0.25, 0.75, 0.0, 0.0]);
        assert!(model.rows().column(1).iter().chain(model.cols().row(1)).all(|p| *p == 0.0));
        let v = w.dot(&h);
        for ((i, j), v) in v.indexed_iter() {
            close(model.joint(i, j), v / v_sum(&w, &h));
        }
        model.row_marginals().iter().zip(v.sum_axis(Axis(1))).for_each(|(p, s)| close(*p, s / v.sum()));
        model.col_marginals().iter().zip(v.sum_axis(Axis(0))).for_each(|(p, s)| close(*p, s / v.sum()));
        let given = model.given_rows();
        close(given[[0, 0]], 4.0 / 6.0);
        assert_eq!(given.row(3).sum(), 0.0);
        close(model.given_cols()[[1, 2]], 8.0 / 16.0);
        assert_eq!(model.joint(4, 0), 0.0);
        let scale = array![8.0, 0.5, 4.0];
        let other = LatentClasses::of((&w * &scale).view(), (&h / &scale.insert_axis(Axis(1))).view()).unwrap();
        assert_eq!(other, model);
        // the likelihood of the model's own table is minus its entropy
        let entropy: f64 = v.iter().filter(|v| **v > 0.0).map(|x| x / v.sum() * (x / v.sum()).ln()).sum();
        close(model.log_likelihood((&v).into()).unwrap(), entropy);
        assert_eq!(model.log_likelihood((&Array2::<f64>::ones((4, 2))).into()).unwrap(), f64::NEG_INFINITY);
    }

    fn v_sum(w: &Array2<f64>, h: &Array2<f64>) -> f64 {
        w.dot(h).sum()
    }

    #[test]
    fn blocks_put_classes_beside_each_other() {
        let w = array![[0.0, 1.0], [5.0, 0.0], [0.0, 2.0], [0.0, 0.0], [7.0, 1.0]];
        let h = array![[0.0, 3.0, 1.0], [1.0, 0.0, 0.0]];
        let blocks = Blocks::of(&LatentClasses::of(w.view(), h.view()).unwrap());
        assert_eq!(blocks.rows, [Some(1), Some(0), Some(1), None, Some(0)]);
        assert_eq!(blocks.cols, [Some(1), Some(0), Some(0)]);
        assert_eq!((blocks.row_order, blocks.col_order), (vec![4, 1, 2, 0, 3], vec![1, 2, 0]));
    }
}
