//! Coordinate descent with scalar Newton steps for the Kullback–Leibler loss.
//!
//! With v the model's entry, g = Σ (h − x·h/v) and g' = Σ x·h²/v² are the first two derivatives of the divergence along one
//! entry of W; the entry moves to max(0, w − g/g'), damped where the step to the left could overshoot
//! ([`Backend::newton_sweep`]). A pass over the entries of a row of W needs the row of X and the matching rows of H
//! only.
//!
//! Each pass follows a few multiplicative updates of the same factor. Those cost a division per entry of X where a pass costs
//! k of them, and move all components at once; the pass then corrects one component knowing what the others did, and takes
//! entries to zero and back. On 20 Newsgroups (k = 20) two updates and a pass reach in 10 iterations what 50 multiplicative
//! iterations reach, a pass alone in 19.
//!
//! References: C.-J. Hsieh and I. S. Dhillon, "Fast coordinate descent methods with variable selection for non-negative
//! matrix factorization", KDD 2011; L. T. K. Hien and N. Gillis, "Algorithms for nonnegative matrix factorization with the
//! Kullback–Leibler divergence", J. Sci. Comput. 87, 2021, §3.4 (the damping, and that it makes every step descend).
//!
//! Requirements: Kullback–Leibler loss; any weights; l1 and l2. Never increases the objective (but for the floor under v).
//! Zeros are not stuck.

use super::{Measure, Measured, Model, Solver};
use crate::backend::sweep_seed;
use crate::{Backend, Loss, Result, Side, Snapshot, Sweep};

/// Multiplicative updates before a pass.
const UPDATES: usize = 2;

/// Scratch of coordinate descent for KL.
pub struct Newton<B: Backend> {
    terms_w: B::Terms,
    terms_h: B::Terms,
    shuffle: Option<u64>,
    iteration: u64,
}

impl<B: Backend> Newton<B> {
    /// For a rows×cols matrix at rank k; `shuffle` visits the components in random order.
    pub fn new(b: &mut B, (rows, cols): (usize, usize), k: usize, shuffle: Option<u64>) -> Result<Self> {
        Ok(Newton { terms_w: b.new_terms(rows, k)?, terms_h: b.new_terms(cols, k)?, shuffle, iteration: 0 })
    }

    fn update(&mut self, b: &mut B, m: &mut Model<'_, B>, side: Side, measure: bool) -> Result<Option<B::Scalar>> {
        let shuffle = self.shuffle.map(|seed| sweep_seed(seed, self.iteration, side));
        let (f, other, terms, rule) = match side {
            Side::Rows => (&mut m.w, &m.h, &mut self.terms_w, m.rule_w),
            Side::Cols => (&mut m.h, &m.w, &mut self.terms_h, m.rule_h),
        };
        let before = b.mu_steps(&Loss::KL, m.data, side, f, other, terms, &rule, UPDATES, measure)?;
        b.newton_sweep(m.data, side, f, other, &Sweep { shuffle, ..Sweep::once(rule) }, false)?;
        Ok(before)
    }
}

impl<B: Backend> Solver<B> for Newton<B> {
    fn name(&self) -> &'static str {
        "newton"
    }

    fn begin(&mut self, _: &mut B, _: &mut Model<'_, B>) -> Result<()> {
        self.iteration = 0;
        Ok(())
    }

    fn save(&self, _: &mut B, out: &mut Snapshot<B::Elem>) -> Result<()> {
        out.put_counts("iteration", [self.iteration]);
        Ok(())
    }

    fn restore(&mut self, _: &mut B, _: &Model<'_, B>, from: &Snapshot<B::Elem>) -> Result<()> {
        self.iteration = from.index("iteration")? as u64;
        Ok(())
    }

    fn step(&mut self, b: &mut B, m: &mut Model<'_, B>, measure: Measure) -> Result<Option<Measured<B::Scalar>>> {
        let mut wanted = measure != Measure::No;
        let mut before = None;
        self.iteration += 1;
        if m.w_is_free(b) {
            before = self.update(b, m, Side::Rows, wanted)?;
            wanted = false;
        }
        if m.h_is_free(b) {
            let s = self.update(b, m, Side::Cols, wanted)?;
            before = before.or(s);
        }
        Ok(before.map(Measured::direct))
    }
}
