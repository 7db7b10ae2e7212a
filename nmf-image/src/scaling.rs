//! Intensities of pictures, so that bright and dark photographs of one thing become alike.

use crate::{Error, Result};
use ndarray::{Array2, ArrayViewMut1};
use std::str::FromStr;

/// Mean and standard deviation of a picture under [`Scaling::LeeSeung`].
const LEVEL: f64 = 0.25;

/// What is done to each picture, all its pixels and channels together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scaling {
    /// Nothing: 0 is black, 1 the full intensity.
    #[default]
    None,
    /// Stretched so that its darkest pixel is 0 and its brightest 1; a picture of one value becomes 0.
    Unit,
    /// Mean 0.25 and standard deviation 0.25, then clipped to 0..1; a picture of one value becomes 0.25. D. D. Lee and H. S. Seung,
    /// "Learning the parts of objects by non-negative matrix factorization", Nature 401, 1999 (the caption of its figure 1).
    LeeSeung,
}

impl Scaling {
    /// Its name as an option.
    pub fn name(self) -> &'static str {
        match self {
            Scaling::None => "none",
            Scaling::Unit => "unit",
            Scaling::LeeSeung => "lee-seung",
        }
    }

    /// Scales every row, a picture each.
    pub fn apply(self, pixels: &mut Array2<f32>) {
        match self {
            Scaling::None => {}
            Scaling::Unit => pixels.outer_iter_mut().for_each(unit),
            Scaling::LeeSeung => pixels.outer_iter_mut().for_each(lee_seung),
        }
    }
}

impl FromStr for Scaling {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let all = [Scaling::None, Scaling::Unit, Scaling::LeeSeung];
        all.into_iter().find(|k| k.name() == s).ok_or_else(|| Error::Parameter {
            name: "scale",
            value: s.into(),
            expected: "none, unit or lee-seung".into(),
        })
    }
}

fn unit(mut row: ArrayViewMut1<'_, f32>) {
    let (low, high) = row.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    row.mapv_inplace(|v| if high > low { (v - low) / (high - low) } else { 0.0 });
}

fn lee_seung(mut row: ArrayViewMut1<'_, f32>) {
    let n = row.len() as f64;
    let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let deviation = (row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt();
    // rounding leaves a little of a picture of one value, which must not become its contrast
    let factor = if deviation > 1e-6 * mean.abs() { LEVEL / deviation } else { 0.0 };
    row.mapv_inplace(|v| (LEVEL + (f64::from(v) - mean) * factor).clamp(0.0, 1.0) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn lee_and_seung_give_every_picture_one_mean_and_contrast() {
        let mut a = array![[0.1f32, 0.2, 0.3, 0.2, 0.3, 0.2], [0.8, 0.9, 1.0, 0.9, 1.0, 0.9], [0.5; 6]];
        let wide = array![[0.0f32, 0.1, 0.2, 0.1], [0.5, 0.7, 0.9, 0.7]];
        Scaling::LeeSeung.apply(&mut a);
        // bright and dark pictures of one thing become the same, apart from rounding
        assert!((&a.row(0) - &a.row(1)).iter().all(|v| v.abs() < 1e-5), "{a}");
        assert_eq!(a.row(2), array![0.25f32, 0.25, 0.25, 0.25, 0.25, 0.25]);
        // the first pixel is √2 deviations below the mean, which is below 0 and clipped; the third as far above
        let mut b = wide;
        Scaling::LeeSeung.apply(&mut b);
        for row in b.outer_iter() {
            assert!(row[0] == 0.0 && (row[1] - 0.25).abs() < 1e-5, "{row}");
            assert!((row[2] - (0.25 + 0.25 * 2f32.sqrt())).abs() < 1e-5, "{row}");
        }
        // nothing is clipped here: mean and deviation are exactly those asked for
        let mut c = array![[0.2f32, 0.4, 0.2, 0.4]];
        Scaling::LeeSeung.apply(&mut c);
        assert!((c[[0, 0]] - 0.0).abs() < 1e-6 && (c[[0, 1]] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn unit_stretches_and_none_leaves() {
        let mut a = array![[0.2f32, 0.4, 0.6], [0.3, 0.3, 0.3]];
        let before = a.clone();
        Scaling::None.apply(&mut a);
        assert_eq!(a, before);
        Scaling::Unit.apply(&mut a);
        assert!((a[[0, 1]] - 0.5).abs() < 1e-6);
        assert_eq!((a[[0, 0]], a[[0, 2]], a[[1, 1]]), (0.0, 1.0, 0.0));
        assert!("lee".parse::<Scaling>().is_err() && "lee-seung".parse::<Scaling>().is_ok());
    }
}
