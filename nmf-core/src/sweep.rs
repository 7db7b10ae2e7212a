//! Sweeps of coordinate descent: how many passes, in which order, under which rule.

use crate::Side;
use crate::penalty::Rule;

/// The sweeps of hierarchical alternating least squares: see [`crate::Backend::hals_sweep`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sweep {
    /// At most this many passes over the columns, ≥ 1.
    pub max_sweeps: usize,
    /// A row is finished once a pass moves it (in Euclidean norm) by less than this share of its first pass.
    pub stop: f64,
    /// Fixed columns and penalties; exponent and ridge do not matter here.
    pub rule: Rule,
    /// Visits the free columns in this random order ([`order`]) instead of one after the other.
    pub shuffle: Option<u64>,
}

impl Sweep {
    /// One pass in natural order.
    pub fn once(rule: Rule) -> Sweep {
        Sweep { max_sweeps: 1, stop: 0.0, rule, shuffle: None }
    }
}

/// The seed of one sweep of a run that shuffles by `seed`: another one in each iteration and for each side.
pub fn sweep_seed(seed: u64, iteration: u64, side: Side) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(2 * iteration + u64::from(side == Side::Cols))
}

/// The order in which a sweep visits the free columns, the same in each of its passes.
pub fn order(k: usize, sweep: &Sweep) -> Vec<usize> {
    let mut all: Vec<usize> = (sweep.rule.fixed.min(k)..k).collect();
    if let Some(seed) = sweep.shuffle {
        use rand::{SeedableRng, seq::SliceRandom};
        all.shuffle(&mut rand_chacha::ChaCha8Rng::seed_from_u64(seed));
    }
    all
}
