//! Run-time choice of the instruction set, and the few numeric pieces written so that compilers vectorize them.
//!
//! One binary, built for the baseline, runs AVX2+FMA or AVX-512 code where the machine has it: a [`Kernel`] is
//! compiled once for each level, because everything it calls is `inline(always)`.

use nmf_core::Element;
use pulp::{Simd, WithSimd};
use std::sync::LazyLock;

static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// A piece of work worth compiling for every instruction set. `run` must be `#[inline(always)]`, and so must be
/// everything below it that is hot.
pub(crate) trait Kernel {
    /// Result.
    type Out;
    /// Does it.
    fn run<S: Simd>(self, simd: S) -> Self::Out;
}

struct Op<K>(K);

impl<K: Kernel> WithSimd for Op<K> {
    type Output = K::Out;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> K::Out {
        self.0.run(simd)
    }
}

/// Runs a kernel with the best instructions of this machine.
#[inline]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Out {
    ARCH.dispatch(Op(kernel))
}

/// Lanes that one block of a padded row holds: 64 bytes of `f32`, 128 of `f64`. The same for every machine, so that sums
/// have the same order everywhere on one machine whatever the instruction set that carries them out.
pub const LANES: usize = 16;

/// One block.
pub type Block<T> = [T; LANES];

/// The blocks of a padded row.
#[inline(always)]
pub(crate) fn blocks<T>(row: &[T]) -> &[Block<T>] {
    row.as_chunks::<LANES>().0
}

/// The blocks of a padded row.
#[inline(always)]
pub(crate) fn blocks_mut<T>(row: &mut [T]) -> &mut [Block<T>] {
    row.as_chunks_mut::<LANES>().0
}

/// acc + s·b.
#[inline(always)]
pub(crate) fn axpy<T: Element>(acc: &mut Block<T>, s: T, b: &Block<T>) {
    for l in 0..LANES {
        acc[l] = s.mul_add(b[l], acc[l]);
    }
}

/// Numbers with the two pieces that compilers do not vectorize well by themselves: a short inner product, and a logarithm.
pub trait Real: Element {
    /// ⟨a, b⟩ of padded rows, in explicit vectors.
    fn dot<S: Simd>(simd: S, a: &[Block<Self>], b: &[Block<Self>]) -> Self;

    /// ln(x/v) for x > 0, v > 0 normal numbers, within about three units in the last place, *relative*: near x = v it is
    /// computed from x − v, so that losses keep their digits close to a fit. Undefined (but no panic) elsewhere.
    fn ln_ratio(x: Self, v: Self) -> Self;
}

// ln(x/v) = e·ln 2 + 2·artanh(s), s = (x·2⁻ᵉ − v)/(x·2⁻ᵉ + v), with e chosen so that x·2⁻ᵉ/v ∈ [1/√2, √2): |s| ≤ 0.172.
// artanh(s) = s·(1 + s²/3 + s⁴/5 + …); the series is cut where the next term is below half a rounding of the first:
// 0.0295⁵/11 = 2e-9 (f32), 0.0295¹¹/23 = 6e-19 (f64).
impl Real for f32 {
    #[inline(always)]
    fn dot<S: Simd>(simd: S, a: &[Block<f32>], b: &[Block<f32>]) -> f32 {
        let (a, b) = (S::as_simd_f32s(a.as_flattened()).0, S::as_simd_f32s(b.as_flattened()).0);
        let mut acc = simd.splat_f32s(0.0);
        for (a, b) in a.iter().zip(b) {
            acc = simd.mul_add_e_f32s(*a, *b, acc);
        }
        simd.reduce_sum_f32s(acc)
    }

    #[inline(always)]
    fn ln_ratio(x: f32, v: f32) -> f32 {
        let bits = (x / v).to_bits() as i32;
        // adding the distance from √½ to 1 makes the exponent field round at √½ instead of at 1
        let e = (bits.wrapping_add(0x3f80_0000 - 0x3f35_04f3) >> 23) - 127;
        let scale = f32::from_bits(((127 - e) << 23) as u32);
        let xs = x * scale;
        let s = (xs - v) / (xs + v);
        let z = s * s;
        let p = z.mul_add(z.mul_add(z.mul_add(z.mul_add(1.0 / 9.0, 1.0 / 7.0), 1.0 / 5.0), 1.0 / 3.0), 1.0);
        (e as f32).mul_add(std::f32::consts::LN_2, 2.0 * s * p)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn dot<S: Simd>(simd: S, a: &[Block<f64>], b: &[Block<f64>]) -> f64 {
        let (a, b) = (S::as_simd_f64s(a.as_flattened()).0, S::as_simd_f64s(b.as_flattened()).0);
        let mut acc = simd.splat_f64s(0.0);
        for (a, b) in a.iter().zip(b) {
            acc = simd.mul_add_e_f64s(*a, *b, acc);
        }
        simd.reduce_sum_f64s(acc)
    }

    #[inline(always)]
    fn ln_ratio(x: f64, v: f64) -> f64 {
        let bits = (x / v).to_bits() as i64;
        let e = (bits.wrapping_add(0x3ff0_0000_0000_0000 - 0x3fe6_a09e_667f_3bcd) >> 52) - 1023;
        let scale = f64::from_bits(((1023 - e) << 52) as u64);
        let xs = x * scale;
        let s = (xs - v) / (xs + v);
        let z = s * s;
        let mut p = 1.0 / 21.0;
        for d in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
            p = z.mul_add(p, 1.0 / d);
        }
        (e as f64).mul_add(std::f64::consts::LN_2, 2.0 * s * p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_is_relatively_accurate_everywhere() {
        for i in 0..4000 {
            let r = 10f64.powf(f64::from(i - 2000) / 100.0);
            for v in [1e-10, 0.3, 1.7] {
                let x = r * v;
                let t = (x - v) / v;
                // the rounded quotient is off by half a unit, which near 1 is much of its logarithm
                let exact = if t.abs() < 0.5 { t.ln_1p() } else { (x / v).ln() };
                assert!((f64::ln_ratio(x, v) - exact).abs() <= 6e-16 * exact.abs() + 1e-30, "{r} {v}");
                let (xf, vf) = ((r * v) as f32, v as f32);
                if xf.is_normal() {
                    let exact = (f64::from(xf) / f64::from(vf)).ln();
                    assert!((f64::from(f32::ln_ratio(xf, vf)) - exact).abs() <= 3e-7 * exact.abs() + 1e-30, "{r} {v}");
                }
            }
        }
        // next to 1, where ln(x/v) computed from the rounded quotient would have no digit left
        let (x, v) = (1.000_000_1f32, 1.0f32);
        let exact = f64::from(x).ln();
        assert!((f64::from(f32::ln_ratio(x, v)) - exact).abs() < 3e-7 * exact);
        let (x, v) = (3.0f64, 3.0f64.next_up());
        let exact = (x - v) / v;
        assert!((f64::ln_ratio(x, v) / exact - 1.0).abs() < 1e-12);
    }
}
