//! exp and Σ log written so that compilers vectorize them; the same bits with every instruction set, because products
//! and sums are never fused.

/// 1.5·2⁵²: adding it rounds to an integer that stands in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two pieces, the first with trailing zeros so that n·LN2_HIGH is exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// eˣ for x ≤ 0, zero below −700 (where e⁻⁷⁰⁰ = 1e-304 no longer counts beside 1). Relative error below 4e-16.
///
/// x = n·ln 2 + r with |r| ≤ ½ ln 2; eʳ by Taylor's series up to r¹³/13! (the next term is below 5e-18).
#[inline(always)]
pub(crate) fn exp_negative(x: f64) -> f64 {
    let inside = x.max(-700.0);
    let shifted = inside * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (inside - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.0 / 6_227_020_800.0;
    for c in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
    ] {
        p = p * r + c;
    }
    let p = r * (p * r + 1.0) + 1.0;
    // n + 1023 in the exponent: 2ⁿ is a normal number because n ≥ −1010
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52));
    if x < -700.0 { 0.0 } else { p * power }
}

/// Σ log of factors in [1, 2³²]: thirty of them multiplied for each logarithm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogSum {
    product: f64,
    factors: u32,
    sum: f64,
}

impl LogSum {
    pub(crate) const ZERO: LogSum = LogSum { product: 1.0, factors: 0, sum: 0.0 };

    /// Adds log(factor).
    #[inline(always)]
    pub(crate) fn add(&mut self, factor: f64) {
        self.product *= factor;
        self.factors += 1;
        if self.factors == 30 {
            *self = LogSum { product: 1.0, factors: 0, sum: self.sum + self.product.ln() };
        }
    }

    pub(crate) fn value(self) -> f64 {
        self.sum + self.product.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exp() {
        for i in 0..=700_000 {
            let x = f64::from(-i) * 1e-3 - f64::from(i % 97) * 1e-5;
            if x >= -700.0 {
                let (mine, theirs) = (exp_negative(x), x.exp());
                assert!((mine - theirs).abs() <= 4e-16 * theirs, "exp({x}) = {theirs}, found {mine}");
            }
        }
        assert_eq!(exp_negative(0.0), 1.0);
        assert_eq!(exp_negative(-701.0), 0.0);
        assert_eq!(exp_negative(f64::NEG_INFINITY), 0.0);
    }

    #[test]
    fn logarithms_of_products_are_sums() {
        let mut sum = LogSum::ZERO;
        let mut expected = 0.0;
        for i in 0..1000u32 {
            let factor = 1.0 + f64::from(i) * 4.0e6;
            sum.add(factor);
            expected += factor.ln();
        }
        assert!((sum.value() - expected).abs() < 1e-12 * expected);
    }
}
