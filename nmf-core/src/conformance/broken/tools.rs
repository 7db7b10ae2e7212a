//! What the spoiled operations share.

use super::Broken;
use crate::backend::Backend;
use crate::conformance::fault::Fault;
use crate::penalty::{Ridge, Rule};
use crate::{Element, Loss, Penalty, Result};
use ndarray::Array2;

impl<B: Backend> Broken<B> {
    pub(super) fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    pub(super) fn spoil(&self, rule: &Rule) -> Rule {
        let mut r = *rule;
        match self.fault {
            Fault::IgnoreFixed => r.fixed = 0,
            Fault::IgnoreL1 => r.penalty.l1 = 0.0,
            Fault::IgnoreL2 => r.penalty.l2 = 0.0,
            Fault::RidgeInDenominator => r.ridge = Ridge::Denominator,
            _ => {}
        }
        r
    }

    pub(super) fn wide(&mut self, f: &B::Factor) -> Result<Array2<f64>> {
        Ok(self.inner.read(f)?.mapv(|v| v.f64()))
    }

    pub(super) fn put(&mut self, f: &mut B::Factor, values: &Array2<f64>) -> Result<()> {
        self.inner.write(f, values.mapv(B::Elem::of).view())
    }

    /// A number ≥ 0 as a scalar on the device: the sum of a 1×1 factor.
    pub(super) fn scalar(&mut self, v: f64) -> Result<B::Scalar> {
        let f = self.inner.factor(Array2::from_elem((1, 1), B::Elem::of(v)).view())?;
        self.inner.penalty(&f, &Penalty { l1: 1.0, l2: 0.0 })
    }

    /// What happens to a factor after an operation changed it: `old` are its values before.
    pub(super) fn aftermath(&mut self, f: &mut B::Factor, old: &Array2<f64>) -> Result<()> {
        let mut new = self.wide(f)?;
        let last = new.nrows() - 1;
        match self.fault {
            Fault::TruncateRow => new.row_mut(last).assign(&old.row(last)),
            Fault::ReviveZeros => new.mapv_inplace(|v| if v == 0.0 { B::Elem::FLOOR.f64() } else { v }),
            Fault::Jitter => {
                self.updates += 1;
                if !self.updates.is_multiple_of(3) {
                    return Ok(());
                }
                new *= 1.0 + B::Elem::EPS;
            }
            _ => return Ok(()),
        }
        self.put(f, &new)
    }

    pub(super) fn shifted(&self, loss: &Loss) -> Loss {
        match loss.beta() {
            Some(b) if self.is(Fault::WrongBeta) && b.fract() != 0.0 => Loss::Beta(b + 0.05),
            _ => loss.clone(),
        }
    }
}
