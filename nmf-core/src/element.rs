//! The two number types a factorization is computed in.

use std::fmt::{Debug, Display};
use std::iter::Sum;

/// A real number type: `f32` or `f64`.
///
/// Everything numeric that depends on the precision is a constant here, relative to data scaled
/// so that its largest entry lies in [1, 2) (see [`crate::Problem`]).
pub trait Element:
    num_traits::Float
    + num_traits::FloatConst
    + num_traits::NumAssign
    + ndarray::ScalarOperand
    + Default
    + Debug
    + Display
    + Sum
    + Send
    + Sync
    + 'static
{
    /// Smallest value a model entry V = (WH)ᵢⱼ or a denominator may take in a division: 1e-10 or 1e-16.
    const FLOOR: Self;
    /// Factor entries below this are set to zero: far above the denormals that some GPUs flush, far below
    /// anything a sum could notice.
    const TINY: Self;
    /// Unit roundoff times two, as `f64`.
    const EPS: f64;
    /// `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// Rounds a double to this type.
    fn of(x: f64) -> Self;
    /// Widens to a double, exactly.
    fn f64(self) -> f64;
}

impl Element for f32 {
    const FLOOR: f32 = 1e-10;
    const TINY: f32 = 1e-30;
    const EPS: f64 = f32::EPSILON as f64;
    const NAME: &'static str = "f32";

    #[inline(always)]
    fn of(x: f64) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }
}

impl Element for f64 {
    const FLOOR: f64 = 1e-16;
    const TINY: f64 = 1e-150;
    const EPS: f64 = f64::EPSILON;
    const NAME: &'static str = "f64";

    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        self
    }
}
