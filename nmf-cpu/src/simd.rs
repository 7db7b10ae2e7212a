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

/// out[q][l] = rows[l][q] for the components q that `out` has.
#[inline(always)]
pub(crate) fn transpose<T: Real>(rows: &[&[[T; 4]]; LANES], out: &mut [Block<T>]) {
    for (q, out) in out.chunks_mut(4).enumerate() {
        for l in (0..LANES).step_by(4) {
            let square = T::transpose4([rows[l][q], rows[l + 1][q], rows[l + 2][q], rows[l + 3][q]]);
            for (out, new) in out.iter_mut().zip(square) {
                out[l..l + 4].copy_from_slice(&new);
            }
        }
    }
}

/// Σ over a block as a tree: one after the other, each addition would wait for the last.
#[inline(always)]
pub(crate) fn tree<T: Element>(a: &Block<T>) -> T {
    let pairs: [T; 8] = std::array::from_fn(|l| a[l] + a[l + 8]);
    let fours: [T; 4] = std::array::from_fn(|l| pairs[l] + pairs[l + 4]);
    (fours[0] + fours[2]) + (fours[1] + fours[3])
}

/// Asks for numbers to be brought into the first cache level.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn prefetch<T>(row: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..row.len()).step_by(64 / size_of::<T>().clamp(1, 64)) {
        // SAFETY: SSE is part of every x86-64, and a prefetch reads nothing that the program could observe: any address,
        // and this one lies in a slice, is allowed.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(&row[line]).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
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

    /// acc + s·b of padded rows, in explicit vectors.
    fn axpy<S: Simd>(simd: S, acc: &mut [Block<Self>], s: Self, b: &[Block<Self>]);

    /// The rows of the transposed 4×4 square.
    #[inline(always)]
    fn transpose4(rows: [[Self; 4]; 4]) -> [[Self; 4]; 4] {
        std::array::from_fn(|i| std::array::from_fn(|j| rows[j][i]))
    }

    /// For padded lists of entries with x, v and components o (`old`) and h (`new`), each `step` blocks after the last: v ← max(v + d·o,
    /// floor), then Σ x·h/v and Σ x·h²/v².
    fn newton_sums<S: Simd>(
        simd: S,
        x: &[Block<Self>],
        v: &mut [Block<Self>],
        d: Self,
        old: &[Block<Self>],
        new: &[Block<Self>],
        step: usize,
    ) -> (Self, Self);

    /// Numbers in a vector of `S`.
    fn lanes<S: Simd>() -> usize;

    /// `acc[q][j] += Σ_i w[i][q]·x[i][j]` for NQ components q and two vectors of columns j, summed in the order of i; the rows
    /// of `acc`, `w` and `x` begin `width`, `stride` and `cols` after one another. Returns NQ.
    #[allow(clippy::too_many_arguments)] // three matrices and their strides
    fn rank_update<S: Simd, const NQ: usize>(
        simd: S,
        acc: &mut [Self],
        width: usize,
        w: &[Self],
        stride: usize,
        x: &[Self],
        cols: usize,
        rows: usize,
    ) -> usize;

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
    fn axpy<S: Simd>(simd: S, acc: &mut [Block<f32>], s: f32, b: &[Block<f32>]) {
        let (acc, b) = (S::as_mut_simd_f32s(acc.as_flattened_mut()).0, S::as_simd_f32s(b.as_flattened()).0);
        let s = simd.splat_f32s(s);
        for (acc, b) in acc.iter_mut().zip(b) {
            *acc = simd.mul_add_e_f32s(s, *b, *acc);
        }
    }

    // left to itself the compiler moves the sixteen numbers one by one
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[allow(unsafe_code)]
    fn transpose4(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
        use std::arch::x86_64::{__m128, _mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_ps, _mm_unpacklo_ps};
        let [a, b, c, d] = rows.map(pulp::cast::<[f32; 4], __m128>);
        // SAFETY: SSE, which these need and nothing else, is part of every x86-64.
        let columns = unsafe {
            let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
            let (ef, gh) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
            [_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab), _mm_movelh_ps(ef, gh), _mm_movehl_ps(gh, ef)]
        };
        columns.map(pulp::cast::<__m128, [f32; 4]>)
    }

    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        S::F32_LANES
    }

    #[inline(always)]
    fn rank_update<S: Simd, const NQ: usize>(
        simd: S,
        acc: &mut [f32],
        width: usize,
        w: &[f32],
        stride: usize,
        x: &[f32],
        cols: usize,
        rows: usize,
    ) -> usize {
        let lanes = S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); 2]; NQ];
        for (q, sums) in sums.iter_mut().enumerate() {
            sums.copy_from_slice(S::as_simd_f32s(&acc[q * width..][..2 * lanes]).0);
        }
        for i in 0..rows {
            let x = S::as_simd_f32s(&x[i * cols..][..2 * lanes]).0;
            let w = &w[i * stride..][..NQ];
            for (sums, w) in sums.iter_mut().zip(w) {
                let w = simd.splat_f32s(*w);
                sums[0] = simd.mul_add_e_f32s(w, x[0], sums[0]);
                sums[1] = simd.mul_add_e_f32s(w, x[1], sums[1]);
            }
        }
        for (q, sums) in sums.iter().enumerate() {
            S::as_mut_simd_f32s(&mut acc[q * width..][..2 * lanes]).0.copy_from_slice(sums);
        }
        NQ
    }

    #[inline(always)]
    fn newton_sums<S: Simd>(
        simd: S,
        x: &[Block<f32>],
        v: &mut [Block<f32>],
        d: f32,
        old: &[Block<f32>],
        new: &[Block<f32>],
        step: usize,
    ) -> (f32, f32) {
        let (d, floor) = (simd.splat_f32s(d), simd.splat_f32s(<f32 as Element>::FLOOR));
        let (mut s1, mut s2) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
        for (b, (v, x)) in v.iter_mut().zip(x).enumerate() {
            let (v, x) = (S::as_mut_simd_f32s(v).0, S::as_simd_f32s(x).0);
            let (old, new) = (S::as_simd_f32s(&old[b * step]).0, S::as_simd_f32s(&new[b * step]).0);
            for (((v, x), old), new) in v.iter_mut().zip(x).zip(old).zip(new) {
                *v = simd.max_f32s(simd.mul_add_e_f32s(d, *old, *v), floor);
                let r = simd.div_f32s(*new, *v);
                let xr = simd.mul_f32s(*x, r);
                s1 = simd.add_f32s(s1, xr);
                s2 = simd.mul_add_e_f32s(xr, r, s2);
            }
        }
        (simd.reduce_sum_f32s(s1), simd.reduce_sum_f32s(s2))
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
    fn axpy<S: Simd>(simd: S, acc: &mut [Block<f64>], s: f64, b: &[Block<f64>]) {
        let (acc, b) = (S::as_mut_simd_f64s(acc.as_flattened_mut()).0, S::as_simd_f64s(b.as_flattened()).0);
        let s = simd.splat_f64s(s);
        for (acc, b) in acc.iter_mut().zip(b) {
            *acc = simd.mul_add_e_f64s(s, *b, *acc);
        }
    }

    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        S::F64_LANES
    }

    #[inline(always)]
    fn rank_update<S: Simd, const NQ: usize>(
        simd: S,
        acc: &mut [f64],
        width: usize,
        w: &[f64],
        stride: usize,
        x: &[f64],
        cols: usize,
        rows: usize,
    ) -> usize {
        let lanes = S::F64_LANES;
        let mut sums = [[simd.splat_f64s(0.0); 2]; NQ];
        for (q, sums) in sums.iter_mut().enumerate() {
            sums.copy_from_slice(S::as_simd_f64s(&acc[q * width..][..2 * lanes]).0);
        }
        for i in 0..rows {
            let x = S::as_simd_f64s(&x[i * cols..][..2 * lanes]).0;
            let w = &w[i * stride..][..NQ];
            for (sums, w) in sums.iter_mut().zip(w) {
                let w = simd.splat_f64s(*w);
                sums[0] = simd.mul_add_e_f64s(w, x[0], sums[0]);
                sums[1] = simd.mul_add_e_f64s(w, x[1], sums[1]);
            }
        }
        for (q, sums) in sums.iter().enumerate() {
            S::as_mut_simd_f64s(&mut acc[q * width..][..2 * lanes]).0.copy_from_slice(sums);
        }
        NQ
    }

    #[inline(always)]
    fn newton_sums<S: Simd>(
        simd: S,
        x: &[Block<f64>],
        v: &mut [Block<f64>],
        d: f64,
        old: &[Block<f64>],
        new: &[Block<f64>],
        step: usize,
    ) -> (f64, f64) {
        let (d, floor) = (simd.splat_f64s(d), simd.splat_f64s(<f64 as Element>::FLOOR));
        let (mut s1, mut s2) = (simd.splat_f64s(0.0), simd.splat_f64s(0.0));
        for (b, (v, x)) in v.iter_mut().zip(x).enumerate() {
            let (v, x) = (S::as_mut_simd_f64s(v).0, S::as_simd_f64s(x).0);
            let (old, new) = (S::as_simd_f64s(&old[b * step]).0, S::as_simd_f64s(&new[b * step]).0);
            for (((v, x), old), new) in v.iter_mut().zip(x).zip(old).zip(new) {
                *v = simd.max_f64s(simd.mul_add_e_f64s(d, *old, *v), floor);
                let r = simd.div_f64s(*new, *v);
                let xr = simd.mul_f64s(*x, r);
                s1 = simd.add_f64s(s1, xr);
                s2 = simd.mul_add_e_f64s(xr, r, s2);
            }
        }
        (simd.reduce_sum_f64s(s1), simd.reduce_sum_f64s(s2))
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
