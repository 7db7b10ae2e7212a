//! Moments and outer quantiles of many matrices, without keeping them.

use ndarray::Array2;

/// Share of the values below the lower and above the upper quantile.
const TAIL: f64 = 0.05;

/// Mean, deviation and quantiles of each entry over matrices of one shape that come one by one.
pub(super) struct Spread {
    count: usize,
    mean: Array2<f64>,
    /// Sums of squared deviations from the mean.
    squares: Array2<f64>,
    /// How many of the smallest, and of the largest, values each entry keeps.
    keep: usize,
    /// The smallest values of each entry, ascending; ∞ where there are none yet.
    smallest: Vec<f64>,
    /// The negated largest values of each entry, ascending.
    largest: Vec<f64>,
}

impl Spread {
    /// For at most `most` matrices of this shape.
    pub(super) fn new(dim: (usize, usize), most: usize) -> Self {
        let (at, _) = position(most);
        // the quantile lies between order statistic `at` and the next
        let keep = at + 2;
        let ends = vec![f64::INFINITY; dim.0 * dim.1 * keep];
        let (mean, squares) = (Array2::zeros(dim), Array2::zeros(dim));
        Spread { count: 0, mean, squares, keep, smallest: ends.clone(), largest: ends }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Takes in one more matrix (B. P. Welford, Technometrics 4(3), 1962).
    pub(super) fn add(&mut self, values: &Array2<f64>) {
        self.count += 1;
        let count = self.count as f64;
        let moments = self.mean.iter_mut().zip(&mut self.squares);
        let ends = self.smallest.chunks_exact_mut(self.keep).zip(self.largest.chunks_exact_mut(self.keep));
        for ((value, (mean, squares)), (smallest, largest)) in values.iter().zip(moments).zip(ends) {
            let before = value - *mean;
            *mean += before / count;
            *squares += before * (value - *mean);
            insert(smallest, *value);
            insert(largest, -value);
        }
    }

    pub(super) fn mean(&self) -> Array2<f64> {
        self.mean.clone()
    }

    /// Standard deviations of a sample; 0 for a single matrix.
    pub(super) fn deviation(&self) -> Array2<f64> {
        let free = self.count.saturating_sub(1).max(1) as f64;
        self.squares.mapv(|s| (s / free).max(0.0).sqrt())
    }

    /// The 5 % and the 95 % quantiles.
    pub(super) fn quantiles(&self) -> (Array2<f64>, Array2<f64>) {
        let (at, share) = position(self.count);
        let of = |kept: &[f64], sign: f64| {
            let mut ends = kept.chunks_exact(self.keep).map(|v| {
                let low = v.get(at).copied().unwrap_or(0.0);
                // beyond a single value there is none to interpolate with
                let next = v.get(at + 1).copied().filter(|_| share > 0.0).unwrap_or(low);
                sign * (low + share * (next - low))
            });
            Array2::from_shape_simple_fn(self.mean.dim(), || ends.next().unwrap_or(0.0))
        };
        (of(&self.smallest, 1.0), of(&self.largest, -1.0))
    }
}

/// Where the lower quantile of so many values lies: after how many of them, and how far towards the next.
fn position(count: usize) -> (usize, f64) {
    let at = TAIL * count.saturating_sub(1) as f64;
    (at as usize, at.fract())
}

/// Puts a value among ascending ones and drops the last.
fn insert(kept: &mut [f64], value: f64) {
    let at = kept.partition_point(|v| *v <= value);
    if let Some(behind) = kept.get_mut(at..)
        && !behind.is_empty()
    {
        behind.rotate_right(1);
        behind[0] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// Mean, deviation and quantiles of sin(1), sin(2), …, sin(n) by NumPy 2.2:
    /// `x = np.sin(np.arange(1, n + 1)); x.mean(), x.std(ddof=1), *np.quantile(x, [.05, .95])`
    const BY_NUMPY: [(usize, [f64; 4]); 5] = [
        (2, [0.8753842058167891, 0.047960537094532095, 0.8448623069087857, 0.9059061047247925]),
        (7, [0.07910467860603455, 0.7651794372466953, -0.8982877408565754, 0.8889494942203461]),
        (21, [0.08737512014075419, 0.7360977045983972, -0.9613974918795568, 0.9893582466233818]),
        (50, [-0.0019824559901591666, 0.715933915333604, -0.9760462645968746, 0.9778549594706994]),
        (200, [0.00016349841807123956, 0.7107145211980364, -0.9852905286494781, 0.9867641247696302]),
    ];

    #[test]
    fn moments_and_quantiles_are_those_of_numpy() {
        for (n, expected) in BY_NUMPY {
            // room for more makes no difference
            for most in [n, n + 1, 3 * n, 500] {
                let mut spread = Spread::new((2, 1), most);
                for i in 1..=n {
                    let v = (i as f64).sin();
                    spread.add(&Array2::from_shape_fn((2, 1), |(q, _)| if q == 0 { v } else { 1000.0 - 8.0 * v }));
                }
                let (low, high) = spread.quantiles();
                let [mean, deviation, low_1, high_1] = expected;
                let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "n = {n}: {a} for {b}");
                for (got, expected) in [
                    (spread.mean()[[0, 0]], mean),
                    (spread.deviation()[[0, 0]], deviation),
                    (low[[0, 0]], low_1),
                    (high[[0, 0]], high_1),
                    (spread.mean()[[1, 0]], 1000.0 - 8.0 * mean),
                    (spread.deviation()[[1, 0]], 8.0 * deviation),
                    (low[[1, 0]], 1000.0 - 8.0 * high_1),
                    (high[[1, 0]], 1000.0 - 8.0 * low_1),
                ] {
                    close(got, expected);
                }
            }
        }
    }

    #[test]
    fn one_matrix_has_no_spread() {
        let mut spread = Spread::new((1, 1), 50);
        spread.add(&Array2::from_elem((1, 1), 3.0));
        assert_eq!(
            (spread.deviation()[[0, 0]], spread.quantiles().0[[0, 0]], spread.quantiles().1[[0, 0]]),
            (0.0, 3.0, 3.0)
        );
    }
}
