//! What a survey over ranks ([`crate::rank`]) needs of a factorization's settings.

use super::Nmf;
use crate::solver::{MuExponent, SolverKind};
use crate::{Element, Error, Init, Loss, Result};

impl<T: Element> Nmf<T> {
    pub(crate) fn loss_ref(&self) -> &Loss {
        &self.loss
    }

    pub(crate) fn seed_of(&self) -> u64 {
        self.seed
    }

    /// Refuses settings that are tied to one rank or have no meaning in a survey.
    pub(crate) fn check_surveyed(&self, held_out: bool) -> Result<()> {
        let refuse = |why: &str| Err(Error::Unsupported(format!("a survey over ranks {why}")));
        if self.fixed_w.is_some() || self.fixed_h.is_some() {
            return refuse("has no fixed components: they are tied to one rank");
        }
        if matches!(self.init, Init::Custom(_)) {
            return refuse("starts at random: given factors are tied to one rank");
        }
        if self.options.shifts > 1 {
            return refuse("is for plain models, not convolutive ones (shifts > 1)");
        }
        if held_out && self.options.sparseness != (None, None) {
            return refuse("cannot hold entries out where a sparseness is imposed: use 0 folds");
        }
        Ok(())
    }

    /// The same with a solver that knows unknown entries. `sums`: one that is made of numerators and denominators alone.
    pub(crate) fn for_masks(mut self, sums: bool) -> Self {
        let knows = match self.solver {
            SolverKind::Mu | SolverKind::Mue => true,
            SolverKind::Newton | SolverKind::Gd => !sums,
            _ => false,
        };
        if !knows {
            self.options.shuffle = None;
            self.options.step = None;
            let convex = self.loss.beta().is_some_and(|beta| (1.0..=2.0).contains(&beta));
            self.solver = match sums {
                // γ as `Auto` would have it
                true if convex && self.options.exponent == MuExponent::Auto => SolverKind::Mue,
                true => SolverKind::Mu,
                false => SolverKind::Auto,
            };
        }
        self
    }
}
