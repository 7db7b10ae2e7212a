//! Against a reference: spectral angles and errors of abundances.

use super::Shape;
use super::model::Unmixed;
use crate::failure::Failure;
use ndarray::{Array2, ArrayView1, Ix2, Ix3};
use nmf_core::stability::assign;
use std::path::Path;

/// What is known of a picture.
pub(super) struct Reference {
    /// Pixels × k.
    abundances: Option<Array2<f64>>,
    /// k × bands.
    endmembers: Option<Array2<f64>>,
}

/// How far the result is from a reference.
pub(super) struct Score {
    /// For each endmember found, its counterpart in the reference; `None` where that has fewer.
    pub(super) matched: Vec<Option<usize>>,
    /// For each endmember of the reference that has a counterpart, the angle between the two spectra in radians.
    pub(super) angles: Option<Vec<f64>>,
    /// The same for the root of the mean square difference of abundances.
    pub(super) rmse: Option<Vec<f64>>,
}

impl Score {
    /// The mean of the angles, in radians.
    pub(super) fn angle(&self) -> Option<f64> {
        self.angles.as_deref().map(mean)
    }

    /// The mean of the errors.
    pub(super) fn mean_rmse(&self) -> Option<f64> {
        self.rmse.as_deref().map(mean)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

impl Reference {
    /// Reads and checks a file for a cube of this shape.
    pub(super) fn read(path: &Path, shape: Shape) -> Result<Reference, Failure> {
        let (rows, cols, bands) = shape;
        let names: Vec<Option<String>> = nmf_io::arrays(path)?.into_iter().map(|a| a.name).collect();
        let array = |name: &str| match names.iter().any(|n| n.as_deref() == Some(name)) {
            true => Ok(Some(nmf_io::read_array::<f64>(path, Some(name))?)),
            false => Ok::<_, Failure>(None),
        };
        let refuse = |name: &str, found: &[usize], expected: String| {
            Failure::file(path, format!("{name} has shape {found:?}, expected {expected}"))
        };
        let abundances = array("abundances")?
            .map(|a| {
                let found = a.shape().to_vec();
                let expected = || refuse("abundances", &found, format!("{rows} × {cols} × endmembers"));
                let cube = a.into_dimensionality::<Ix3>().map_err(|_| expected())?;
                if (cube.dim().0, cube.dim().1) != (rows, cols) {
                    return Err(expected());
                }
                Ok(Array2::from_shape_fn((rows * cols, cube.dim().2), |(p, q)| cube[[p / cols, p % cols, q]]))
            })
            .transpose()?;
        let endmembers = array("endmembers")?
            .map(|a| {
                let found = a.shape().to_vec();
                let expected = || refuse("endmembers", &found, format!("endmembers × {bands}"));
                a.into_dimensionality::<Ix2>().ok().filter(|m| m.ncols() == bands).ok_or_else(expected)
            })
            .transpose()?;
        match (&abundances, &endmembers) {
            (None, None) => Err(Failure::file(path, "neither an array abundances nor endmembers in it")),
            (Some(a), Some(e)) if a.ncols() != e.nrows() => Err(Failure::file(
                path,
                format!("abundances of {} endmembers, but {} endmembers", a.ncols(), e.nrows()),
            )),
            _ => Ok(Reference { abundances, endmembers }),
        }
    }

    /// Matches by spectra, or by abundances where there are no spectra, so that the sum of cosines is largest.
    pub(super) fn score(&self, found: &Unmixed) -> Score {
        let own = found.abundances.t();
        let k = found.endmembers.nrows();
        let theirs =
            self.endmembers.as_ref().map_or_else(|| self.abundances.as_ref().map_or(0, Array2::ncols), Array2::nrows);
        let similarity = Array2::from_shape_fn((k, theirs), |(q, r)| match (&self.endmembers, &self.abundances) {
            (Some(e), _) => cosine(found.endmembers.row(q), e.row(r)),
            (None, Some(a)) => cosine(own.row(q), a.column(r)),
            (None, None) => 0.0,
        });
        let matched: Vec<Option<usize>> =
            assign(similarity.view()).into_iter().map(|r| (r < theirs).then_some(r)).collect();
        let pairs: Vec<(usize, usize)> =
            (0..theirs).filter_map(|r| Some((matched.iter().position(|m| *m == Some(r))?, r))).collect();
        let angle =
            |e: &Array2<f64>, (q, r): (usize, usize)| cosine(found.endmembers.row(q), e.row(r)).clamp(-1.0, 1.0).acos();
        let rmse = |a: &Array2<f64>, (q, r): (usize, usize)| {
            let square: f64 = own.row(q).iter().zip(a.column(r)).map(|(x, y)| (x - y).powi(2)).sum();
            (square / own.ncols().max(1) as f64).sqrt()
        };
        Score {
            angles: self.endmembers.as_ref().map(|e| pairs.iter().map(|p| angle(e, *p)).collect()),
            rmse: self.abundances.as_ref().map(|a| pairs.iter().map(|p| rmse(a, *p)).collect()),
            matched,
        }
    }
}

fn cosine(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    let size = (a.dot(&a) * b.dot(&b)).sqrt();
    if size > 0.0 { a.dot(&b) / size } else { 0.0 }
}
