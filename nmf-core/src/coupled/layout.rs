//! Units and starting scales of the factors.
//!
//! A plain factorization splits the power of two that X is scaled by between W and H ([`crate::Units`]). Here every matrix asks that the exponents of its
//! two modes add up to its own, which can be had exactly along the edges of a forest that spans the modes. A matrix off
//! the forest is scaled by the exponents that its modes have.

use super::check::Edge;
use crate::{Error, Result};

/// How far the scale of a matrix may be from what its modes have, in powers of two, before floors and rounding show.
const FARTHEST: i32 = 20;

/// The power of two of every mode's factor, and the level that random numbers start from.
pub(super) struct Scales {
    /// F of X = 2^u · F on the device.
    pub(super) exponents: Vec<i32>,
    /// Random starts are uniform in (0, level], in the units of X.
    pub(super) levels: Vec<f64>,
}

impl Scales {
    /// For matrices with these exponents of their scale and means of their entries.
    pub(super) fn new(
        modes: usize,
        edges: &[Edge],
        matrices: &[(i32, f64)],
        rank: usize,
        names: &[&str],
    ) -> Result<Self> {
        let mut placed: Vec<Option<(i32, f64)>> = vec![None; modes];
        loop {
            // across the edge that leads on, the first of them in the order of the matrices
            let mut next = None;
            for (edge, scale) in edges.iter().zip(matrices) {
                match (placed[edge.rows], placed[edge.cols]) {
                    (Some(at), None) => next = Some((edge.cols, at, scale)),
                    (None, Some(at)) => next = Some((edge.rows, at, scale)),
                    _ => continue,
                }
                break;
            }
            if let Some((mode, (exponent, level), (of_x, mean))) = next {
                placed[mode] = Some((of_x - exponent, mean / (rank as f64 * level)));
                continue;
            }
            // another part of the graph: the rows of its first matrix take half
            let Some(first) = edges.iter().position(|e| placed[e.rows].is_none()) else { break };
            let (of_x, mean) = matrices[first];
            placed[edges[first].rows] = Some((of_x.div_euclid(2), (mean / rank as f64).sqrt()));
        }
        let all: Vec<(i32, f64)> = placed.into_iter().map(|p| p.unwrap_or((0, 1.0))).collect();
        for ((edge, (of_x, _)), name) in edges.iter().zip(matrices).zip(names) {
            let off = of_x - all[edge.rows].0 - all[edge.cols].0;
            if off.abs() > FARTHEST {
                return Err(Error::Unsupported(format!(
                    "matrix \"{name}\" is about 2^{off} times the scale that the other matrices give its two factors: multiply it by a constant that brings them together"
                )));
            }
        }
        Ok(Scales { exponents: all.iter().map(|s| s.0).collect(), levels: all.iter().map(|s| s.1).collect() })
    }

    /// What a mode's factor on the device is multiplied by to be that of X.
    pub(super) fn unit(&self, mode: usize) -> f64 {
        2f64.powi(self.exponents[mode])
    }

    /// The exponent of 2 by which a matrix is divided on its way to the device.
    pub(super) fn of_matrix(&self, edge: Edge) -> i32 {
        self.exponents[edge.rows] + self.exponents[edge.cols]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: [Edge; 3] = [Edge { rows: 0, cols: 1 }, Edge { rows: 2, cols: 1 }, Edge { rows: 2, cols: 3 }];

    #[test]
    fn along_a_tree_every_matrix_has_its_own_scale() {
        let matrices = [(3, 0.5), (-7, 2.0), (0, 10.0)];
        let s = Scales::new(4, &CHAIN, &matrices, 5, &["a", "b", "c"]).unwrap();
        for (edge, (exponent, mean)) in CHAIN.iter().zip(matrices) {
            assert_eq!(s.of_matrix(*edge), exponent);
            let model = 5.0 * s.levels[edge.rows] * s.levels[edge.cols];
            assert!((model - mean).abs() < 1e-12 * mean);
        }
    }

    #[test]
    fn parts_that_nothing_couples_are_scaled_apart() {
        let edges = [Edge { rows: 0, cols: 1 }, Edge { rows: 3, cols: 2 }];
        let s = Scales::new(4, &edges, &[(5, 1.0), (40, 1.0)], 2, &["a", "b"]).unwrap();
        assert_eq!(s.exponents, [2, 3, 20, 20]);
    }

    #[test]
    fn a_cycle_takes_what_its_modes_have_unless_that_is_far_off() {
        let edges = [Edge { rows: 0, cols: 1 }, Edge { rows: 0, cols: 1 }];
        let s = Scales::new(2, &edges, &[(4, 1.0), (1, 1.0)], 2, &["a", "b"]).unwrap();
        assert_eq!(s.of_matrix(edges[1]), 4);
        let e = Scales::new(2, &edges, &[(4, 1.0), (-30, 1.0)], 2, &["a", "b"]).err().unwrap();
        assert!(e.to_string().contains("\"b\""), "{e}");
    }
}
