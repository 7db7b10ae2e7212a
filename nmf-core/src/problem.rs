//! Validated input: the one place where shapes, signs and finiteness of X are checked, and where its units are chosen.

use crate::fingerprint::Fingerprint;
use crate::{Backend, Element, Error, Loss, MatrixRef, Observed, Penalty, Result, Weighted};

/// Facts about X gathered while it was validated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// Rows of X.
    pub rows: usize,
    /// Columns of X.
    pub cols: usize,
    /// Stored entries (rows·cols when dense).
    pub stored: u64,
    /// Entries above zero.
    pub nonzeros: u64,
    /// Largest entry.
    pub max: f64,
    /// Sum of the entries.
    pub sum: f64,
    /// Sum of the squared entries, ‖X‖².
    pub sum_squares: f64,
}

/// X, what of it is observed, and the loss: checked once, so that nothing downstream has to.
#[derive(Debug, Clone)]
pub struct Problem<'a, T: Element> {
    x: MatrixRef<'a, T>,
    weights: Option<MatrixRef<'a, T>>,
    observed: Observed,
    loss: Loss,
    stats: Stats,
    units: Units,
}

impl<'a, T: Element> Problem<'a, T> {
    /// Checks X (rows × columns): not empty, finite, ≥ 0, not all zero, and no zero where the loss is infinite there.
    pub fn new(x: impl Into<MatrixRef<'a, T>>, loss: Loss, observed: Observed) -> Result<Self> {
        Self::checked(x.into(), None, loss, observed)
    }

    /// The same with a weight for each entry. What X holds where the weight is 0 does not matter.
    pub fn weighted(w: &'a Weighted<'_, T>, loss: Loss) -> Result<Self> {
        Self::checked(w.x(), Some(w.weights()), loss, Observed::Weighted)
    }

    fn checked(x: MatrixRef<'a, T>, weights: Option<MatrixRef<'a, T>>, loss: Loss, observed: Observed) -> Result<Self> {
        let (rows, cols) = x.dim();
        if observed == Observed::Weighted && weights.is_none() {
            return Err(Error::Unsupported(
                "a weighted problem needs its weights: Problem::weighted, Nmf::weights".into(),
            ));
        }
        let stats = Self::survey(&x, weights.as_ref())?;
        let mut total = if observed == Observed::Stored { stats.stored } else { rows as u64 * cols as u64 };
        if let Some(w) = &weights {
            total = 0;
            w.for_each(|_, _, w| total += u64::from(w > T::zero()));
        }
        // beyond these, squares and powers leave the range of the numbers; denormal data have too few digits
        let (smallest, largest) = if T::EPS > 1e-10 { (1e-36, 3.5e38) } else { (1e-100, 1e100) };
        if stats.max > 0.0 && !(smallest..=largest).contains(&stats.max) {
            return Err(Error::Unsupported(format!(
                "the largest entry is {:e}: multiply the data by a constant so that it lies between {smallest:e} and {largest:e}",
                stats.max
            )));
        }
        if stats.max == 0.0 {
            return Err(Error::AllZero);
        }
        if !loss.allows_zero() && stats.nonzeros < total {
            let (row, col) = first_zero(&x, weights.as_ref(), observed);
            return Err(Error::ZeroEntry { loss: loss.to_string(), count: total - stats.nonzeros, total, row, col });
        }
        let units = Units::new(stats.max, &loss);
        if !units.divergence().is_normal() {
            let largest = stats.max;
            return Err(Error::Unsupported(format!(
                "the {loss} loss of data up to {largest:e} leaves the range of the numbers: multiply the data by a constant that brings them near 1"
            )));
        }
        Ok(Problem { x, weights, observed, loss, stats, units })
    }

    fn survey(x: &MatrixRef<'_, T>, weights: Option<&MatrixRef<'_, T>>) -> Result<Stats> {
        let (rows, cols) = x.dim();
        if rows == 0 || cols == 0 {
            return Err(Error::Empty { rows, cols });
        }
        if rows > u32::MAX as usize || cols > u32::MAX as usize {
            return Err(Error::Unsupported(format!("{rows}×{cols} is too large: at most 2³²−1 rows and columns")));
        }
        let mut s = Stats { rows, cols, stored: x.stored(), nonzeros: 0, max: 0.0, sum: 0.0, sum_squares: 0.0 };
        let mut bad: Option<(usize, usize, f64)> = None;
        let mut count = |i: usize, j: usize, v: f64| {
            if v > 0.0 && v.is_finite() {
                s.nonzeros += 1;
                s.max = s.max.max(v);
                s.sum += v;
                s.sum_squares += v * v;
            } else if v != 0.0 && bad.is_none() {
                bad = Some((i, j, v));
            }
        };
        match (x, weights) {
            (MatrixRef::Dense(x), Some(MatrixRef::Dense(w))) => {
                let known = x.indexed_iter().zip(w).filter(|(_, w)| **w > T::zero());
                known.for_each(|(((i, j), v), _)| count(i, j, v.f64()));
            }
            // a sparse pair stores what counts
            _ => x.for_each(|i, j, v| count(i, j, v.f64())),
        }
        match bad {
            Some((row, col, value)) if value < 0.0 && value.is_finite() => {
                Err(Error::Negative { what: "the matrix", row, col, value })
            }
            Some((row, col, value)) => Err(Error::NotFinite { what: "the matrix", row, col, value }),
            None => Ok(s),
        }
    }

    /// The matrix.
    pub fn x(&self) -> MatrixRef<'a, T> {
        self.x.clone()
    }
    /// The weights, laid out like the matrix, if there are any.
    pub fn weights(&self) -> Option<MatrixRef<'a, T>> {
        self.weights.clone()
    }
    /// Σ ω·x² over the entries that count.
    pub fn sum_squares(&self) -> f64 {
        let mut sum = 0.0;
        match (&self.x, &self.weights) {
            (_, None) => sum = self.stats.sum_squares,
            (MatrixRef::Dense(x), Some(MatrixRef::Dense(w))) => {
                let known = x.iter().zip(w).filter(|(_, w)| **w > T::zero());
                known.for_each(|(x, w)| sum += w.f64() * x.f64() * x.f64());
            }
            (MatrixRef::Sparse(x), Some(MatrixRef::Sparse(w))) => {
                x.data().iter().zip(w.data()).for_each(|(x, w)| sum += w.f64() * x.f64() * x.f64());
            }
            // a pair has one layout
            (_, Some(_)) => sum = f64::NAN,
        }
        sum
    }
    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        (self.stats.rows, self.stats.cols)
    }
    /// Which entries count.
    pub fn observed(&self) -> Observed {
        self.observed
    }
    /// The loss.
    pub fn loss(&self) -> &Loss {
        &self.loss
    }
    /// What was found in X.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
    /// How the numbers on the device relate to those of X.
    pub fn units(&self) -> Units {
        self.units
    }
    /// Whether X is sparse and stores less than a quarter of its entries, so that gathering pays.
    pub fn is_sparse(&self) -> bool {
        let all = self.stats.rows as u64 * self.stats.cols as u64;
        matches!(self.x, MatrixRef::Sparse(_)) && self.stats.stored < all / 4
    }
    /// Mean of the observed entries, whatever their weights.
    pub fn mean(&self) -> f64 {
        let known = match (&self.weights, self.observed) {
            (Some(w), _) => {
                let mut n = 0u64;
                w.for_each(|_, _, w| n += u64::from(w > T::zero()));
                n as f64
            }
            (None, Observed::Stored) => self.stats.stored as f64,
            (None, _) => self.stats.rows as f64 * self.stats.cols as f64,
        };
        self.stats.sum / known
    }
    /// 64 bits that tell one X with its weights from another: the same for every layout of the same stored entries. What X holds where
    /// a dense weight is 0 does not matter.
    pub fn fingerprint(&self) -> u64 {
        let mut print = Fingerprint::new(self.x.dim());
        match (&self.x, &self.weights) {
            (MatrixRef::Dense(x), Some(MatrixRef::Dense(w))) => {
                let known = x.indexed_iter().zip(w).filter(|(_, w)| **w > T::zero());
                known.for_each(|(((i, j), x), w)| print.add(i, j, [x.f64(), w.f64()]));
            }
            (MatrixRef::Sparse(x), Some(MatrixRef::Sparse(w))) => {
                let csr = x.is_csr();
                for ((o, x), w) in x.outer_iterator().enumerate().zip(w.outer_iterator()) {
                    for ((inner, x), w) in x.iter().zip(w.data()) {
                        let (i, j) = if csr { (o, inner) } else { (inner, o) };
                        print.add(i, j, [x.f64(), w.f64()]);
                    }
                }
            }
            (x, _) => x.for_each(|i, j, v| print.add(i, j, [v.f64(), 1.0])),
        }
        print.value()
    }
    /// Puts X on the device, in the problem's units.
    pub fn upload<B: Backend<Elem = T>>(&self, b: &mut B) -> Result<B::Data> {
        self.upload_scaled(b, self.units.data())
    }
    /// Puts X on the device, multiplied by a power of two of the caller's.
    pub(crate) fn upload_scaled<B: Backend<Elem = T>>(&self, b: &mut B, scale: f64) -> Result<B::Data> {
        let scale = T::of(scale);
        match &self.weights {
            Some(w) => b.upload_weighted(self.x(), w.clone(), scale),
            None => b.upload(self.x(), scale, self.observed),
        }
    }
}

fn first_zero<T: Element>(
    x: &MatrixRef<'_, T>,
    weights: Option<&MatrixRef<'_, T>>,
    observed: Observed,
) -> (usize, usize) {
    if let (MatrixRef::Dense(x), Some(MatrixRef::Dense(w))) = (x, weights) {
        let zero = x.indexed_iter().zip(w).find(|((_, x), w)| **x == T::zero() && **w > T::zero());
        return zero.map_or((0, 0), |((at, _), _)| at);
    }
    let mut found = None;
    x.for_each(|i, j, v| {
        if v == T::zero() && found.is_none() {
            found = Some((i, j));
        }
    });
    if let (None, Observed::All, MatrixRef::Sparse(s)) = (found, observed, x) {
        let inner = s.inner_dims();
        for (o, vec) in s.outer_iterator().enumerate() {
            if vec.nnz() < inner {
                let gap = vec.indices().iter().enumerate().find(|(p, j)| **j as usize != *p);
                let j = gap.map_or(vec.nnz(), |(p, _)| p);
                return if s.is_csr() { (o, j) } else { (j, o) };
            }
        }
    }
    found.unwrap_or((0, 0))
}

/// The exact power-of-two scaling between X and what the device sees.
///
/// X is multiplied by 2^(−e) so that its largest entry lies in [1, 2): floors are then relative to the data, quiet
/// sounds are not floored away, and f32 does not overflow. W and H take up 2^(e_w) and 2^(e_h), e_w + e_h = e.
/// All conversions are exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Units {
    exponent: i32,
    beta: Option<f64>,
}

impl Units {
    fn new(max: f64, loss: &Loss) -> Units {
        // custom losses promise nothing about scaling: their data stay as they are
        let exponent = if loss.beta().is_some() { max.log2().floor() as i32 } else { 0 };
        Units { exponent, beta: loss.beta() }
    }

    /// The e of the scale 2^(−e).
    pub(crate) fn exponent(&self) -> i32 {
        self.exponent
    }
    /// What X is multiplied by on its way to the device.
    pub fn data(&self) -> f64 {
        2f64.powi(-self.exponent)
    }
    /// What W on the device is multiplied by to be W of X.
    pub fn w(&self) -> f64 {
        2f64.powi(self.exponent.div_euclid(2))
    }
    /// What H on the device is multiplied by to be H of X.
    pub fn h(&self) -> f64 {
        2f64.powi(self.exponent - self.exponent.div_euclid(2))
    }
    /// What a divergence on the device is multiplied by: 2^(eβ).
    pub fn divergence(&self) -> f64 {
        2f64.powf(f64::from(self.exponent) * self.beta.unwrap_or(0.0))
    }
    /// A gradient step on W (`factor` = [`Units::w`]) or H in the device's units: w − μ·∂D/∂w for w of X.
    pub fn step(&self, step: f64, factor: f64) -> f64 {
        step * self.divergence() / (factor * factor)
    }
    /// A penalty on W (`factor` = [`Units::w`]) or H in the device's units.
    pub fn penalty(&self, p: Penalty, factor: f64) -> Penalty {
        let d = self.divergence();
        Penalty { l1: p.l1 * factor / d, l2: p.l2 * factor * factor / d }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn bad_matrices_are_refused_with_their_place() {
        let check = |x: Array2<f64>| Problem::new(&x, Loss::KL, Observed::All).map(|_| ()).unwrap_err();
        assert_eq!(check(Array2::zeros((0, 3))), Error::Empty { rows: 0, cols: 3 });
        assert_eq!(check(Array2::zeros((2, 2))), Error::AllZero);
        assert!(matches!(check(array![[1.0, 2.0], [-3.0, 1.0]]), Error::Negative { row: 1, col: 0, value: -3.0, .. }));
        assert!(matches!(check(array![[1.0, f64::NAN]]), Error::NotFinite { row: 0, col: 1, .. }));
        assert!(matches!(check(array![[1.0], [f64::INFINITY]]), Error::NotFinite { row: 1, col: 0, .. }));
        assert!(matches!(check(array![[1.0], [f64::NEG_INFINITY]]), Error::NotFinite { row: 1, col: 0, .. }));
    }

    #[test]
    fn zeros_are_refused_under_is_only_where_they_are_observed() {
        let dense = array![[1.0f64, 2.0], [3.0, 0.0]];
        let err = Problem::new(&dense, Loss::IS, Observed::All).unwrap_err();
        assert!(matches!(err, Error::ZeroEntry { count: 1, total: 4, row: 1, col: 1, .. }));
        let sparse = crate::Sparse::<f64>::new((2, 2), vec![0, 2, 3], vec![0, 1, 0], vec![1.0, 2.0, 3.0]);
        let err = Problem::new(&sparse, Loss::IS, Observed::All).unwrap_err();
        assert!(matches!(err, Error::ZeroEntry { count: 1, row: 1, col: 1, .. }));
        assert!(Problem::new(&sparse, Loss::IS, Observed::Stored).is_ok());
        assert!(Problem::new(&sparse, Loss::KL, Observed::All).is_ok());
    }

    #[test]
    fn fingerprints_depend_on_entries_places_and_weights_but_not_on_the_layout() {
        let x = array![[1.0, 0.0, 2.0], [0.0, 5.0, 0.0]];
        let sparse = crate::Sparse::csr_from_dense(x.view(), 0.0);
        let csc = sparse.to_csc();
        let print = |x: MatrixRef<'_, f64>| Problem::new(x, Loss::KL, Observed::All).unwrap().fingerprint();
        let own = print((&x).into());
        let columns = x.t().as_standard_layout().into_owned();
        assert_eq!(own, print(columns.t().into()), "the order in memory counts");
        assert_eq!(print((&sparse).into()), print((&csc).into()));
        let others = [
            array![[2.0, 0.0, 1.0], [0.0, 5.0, 0.0]],
            array![[1.0, 0.0, 2.0], [5.0, 0.0, 0.0]],
            array![[1.0, 0.0, 2.0 + f64::EPSILON * 2.0], [0.0, 5.0, 0.0]],
            array![[1.0, 0.0], [2.0, 0.0], [5.0, 0.0]],
            array![[5.0, 0.0, 2.0], [0.0, 1.0, 0.0]],
        ];
        assert!(others.iter().all(|other| print(other.into()) != own));

        let weigh = |x: &Array2<f64>, w: &Array2<f64>| {
            let pair = Weighted::new(&x.into(), &w.into(), false).unwrap();
            Problem::weighted(&pair, Loss::KL).unwrap().fingerprint()
        };
        let w = array![[1.0, 1.0, 0.0], [0.5, 1.0, 1.0]];
        let hidden = array![[1.0, 0.0, f64::NAN], [0.0, 5.0, 0.0]];
        assert_eq!(weigh(&x, &w), weigh(&hidden, &w), "unknown entries count");
        assert_ne!(weigh(&x, &w), weigh(&x, &(&w * 2.0)));
        assert_ne!(weigh(&x, &w), own);
    }

    #[test]
    fn data_outside_the_range_of_the_numbers_are_refused() {
        for max in [1e-200, 1e200] {
            assert!(matches!(Problem::new(&array![[max]], Loss::FRO, Observed::All), Err(Error::Unsupported(_))));
        }
        assert!(matches!(Problem::new(&array![[1e90]], Loss::Beta(10.0), Observed::All), Err(Error::Unsupported(_))));
        assert!(Problem::new(&array![[1e90]], Loss::IS, Observed::All).is_ok());
        assert!(Problem::new(&array![[1e-40f32]], Loss::KL, Observed::All).is_err());
        assert!(Problem::new(&array![[3e38f32]], Loss::KL, Observed::All).is_ok());
    }

    #[test]
    fn units_multiply_back_exactly() {
        for max in [1e-30, 0.7, 1.0, 3.0, 1e5] {
            let u = Units::new(max, &Loss::KL);
            assert_eq!(u.w() * u.h() * u.data(), 1.0);
            assert!((1.0..2.0).contains(&(max * u.data())), "{max}");
        }
    }
}
