//! NNDSVD on a randomized truncated SVD that never densifies X.
//!
//! X ≈ Σ_q σ_q u_q v_qᵀ; each pair is split into positive and negative parts, and the pair of parts with the larger
//! product of norms becomes component q: w_q = √(σ_q·‖u±‖‖v±‖)·u±/‖u±‖ and h_q likewise.
//!
//! References: C. Boutsidis and E. Gallopoulos, "SVD based initialization: a head start for nonnegative matrix
//! factorization", Pattern Recognition 41, 2008; the range finder with power iterations is Algorithm 4.4 of
//! N. Halko, P.-G. Martinsson and J. A. Tropp, SIAM Review 53(2), 2011.

use super::random;
use crate::fit::Start;
use crate::{Backend, Element, Problem, Result, Side};
use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView1, Axis, s};

/// What becomes of the zeros.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Zeros {
    Keep,
    Mean,
    Random,
}

/// Extra columns of the range finder, and its power iterations: with these the start no longer differs visibly from
/// one made with the exact SVD.
const OVERSAMPLING: usize = 10;
const POWER_ITERATIONS: usize = 4;

pub(super) fn start<B: Backend>(
    b: &mut B,
    data: &B::Data,
    problem: &Problem<'_, B::Elem>,
    k: usize,
    seed: u64,
    zeros: Zeros,
) -> Result<Start<B::Elem>> {
    let (m, n) = problem.dim();
    let Svd { u, sigma, v } = truncated_svd(b, data, (m, n), k, seed)?;
    // the device holds X times a power of two; σ is brought back here, U and V have no unit
    let unit = 1.0 / problem.units().data();
    let (mut w, mut h) = (Array2::zeros((m, k)), Array2::zeros((n, k)));
    for q in 0..k.min(sigma.len()) {
        let (wq, hq) = component(u.column(q), v.column(q), sigma[q] * unit, q == 0);
        w.column_mut(q).assign(&wq);
        h.column_mut(q).assign(&hq);
    }
    // The paper fills with mean(X), which has the unit of X, while a factor has its root: on data far from 1 the fill
    // would drown the components or vanish. √(mean(X)/k), the level of a uniform start, scales as the factors do.
    let level = (problem.mean() / k as f64).sqrt();
    for (which, a) in [&mut w, &mut h].into_iter().enumerate() {
        let noise = (zeros == Zeros::Random)
            .then(|| random::uniform::<f64>(a.nrows(), k, seed, 3 + which as u64, level / 100.0));
        let small = 1e-6 * a.iter().fold(0.0f64, |m, x| m.max(*x));
        a.indexed_iter_mut().filter(|(_, x)| **x <= small).for_each(|(at, x)| {
            *x = match (&noise, zeros) {
                (Some(noise), _) => noise[at],
                (None, Zeros::Mean) => level,
                _ => 0.0,
            };
        });
    }
    Ok(Start { w: w.mapv(B::Elem::of), h: h.mapv(B::Elem::of) })
}

/// The non-negative component of one singular triplet. The leading pair has one sign (Perron–Frobenius).
fn component(u: ArrayView1<'_, f64>, v: ArrayView1<'_, f64>, sigma: f64, leading: bool) -> (Array1<f64>, Array1<f64>) {
    if leading {
        let s = sigma.max(0.0).sqrt();
        return (u.mapv(|x| s * x.abs()), v.mapv(|x| s * x.abs()));
    }
    let part = |a: &ArrayView1<'_, f64>, sign: f64| a.mapv(|x| (sign * x).max(0.0));
    let norm = |a: &Array1<f64>| a.dot(a).sqrt();
    let (up, vp, un, vn) = (part(&u, 1.0), part(&v, 1.0), part(&u, -1.0), part(&v, -1.0));
    let (positive, negative) = (norm(&up) * norm(&vp), norm(&un) * norm(&vn));
    let (a, c, product) = if positive >= negative { (up, vp, positive) } else { (un, vn, negative) };
    let (na, nc) = (norm(&a), norm(&c));
    if na == 0.0 || nc == 0.0 {
        return (Array1::zeros(u.len()), Array1::zeros(v.len()));
    }
    let s = (sigma.max(0.0) * product).sqrt();
    (a * (s / na), c * (s / nc))
}

struct Svd {
    u: Array2<f64>,
    sigma: Vec<f64>,
    v: Array2<f64>,
}

/// The k leading singular triplets of the matrix on the device.
fn truncated_svd<B: Backend>(b: &mut B, data: &B::Data, dim: (usize, usize), k: usize, seed: u64) -> Result<Svd> {
    let (m, n) = dim;
    let l = (k + OVERSAMPLING).min(m).min(n);
    let mut right = b.factor(random::normal::<B::Elem>(n, l, seed).view())?;
    let mut left = b.factor(Array2::<B::Elem>::zeros((m, l)).view())?;
    for _ in 0..POWER_ITERATIONS {
        b.cross(data, Side::Rows, &right, &mut left)?;
        orthonormalize(b, &mut left)?;
        b.cross(data, Side::Cols, &left, &mut right)?;
        orthonormalize(b, &mut right)?;
    }
    b.cross(data, Side::Rows, &right, &mut left)?;
    let q = orthonormalize(b, &mut left)?;
    b.cross(data, Side::Cols, &left, &mut right)?;
    // X ≈ Q·Bᵀ with B = XᵀQ = Q₂R, and R = U_r Σ V_rᵀ: left vectors Q·V_r, right vectors Q₂·U_r
    let (q2, r) = orthonormal(b.read(&right)?.mapv(|x| x.f64()));
    let small = DMatrix::from_fn(l, l, |i, j| r[[i, j]]).svd(true, true);
    let (Some(ur), Some(vrt)) = (small.u, small.v_t) else {
        return Err(crate::Error::Unsupported("the singular value decomposition failed; use init random".into()));
    };
    let ur = Array2::from_shape_fn((l, k.min(l)), |(i, j)| ur[(i, j)]);
    let vr = Array2::from_shape_fn((l, k.min(l)), |(i, j)| vrt[(j, i)]);
    Ok(Svd { u: q.dot(&vr), sigma: small.singular_values.iter().copied().take(k).collect(), v: q2.dot(&ur) })
}

/// Replaces a factor by an orthonormal basis of its columns, and returns it.
fn orthonormalize<B: Backend>(b: &mut B, f: &mut B::Factor) -> Result<Array2<f64>> {
    let q = orthonormal(b.read(f)?.mapv(|x| x.f64())).0;
    b.write(f, q.mapv(B::Elem::of).view())?;
    Ok(q)
}

/// Q with orthonormal columns (zero where the rank is exhausted) and R with A = Q·R, by two rounds of Cholesky QR.
fn orthonormal(a: Array2<f64>) -> (Array2<f64>, Array2<f64>) {
    let (q, r1) = cholesky_qr(a);
    let (q, r2) = cholesky_qr(q);
    (q, r2.dot(&r1))
}

/// One round: R = chol(AᵀA), Q = A·R⁻¹; a pivot lost to rounding makes its column zero.
fn cholesky_qr(mut a: Array2<f64>) -> (Array2<f64>, Array2<f64>) {
    let l = a.ncols();
    let g = a.t().dot(&a);
    let mut r = Array2::<f64>::zeros((l, l));
    let mut inverse = Array2::<f64>::zeros((l, l));
    for j in 0..l {
        for i in 0..j {
            let sum = g[[i, j]] - r.slice(s![..i, i]).dot(&r.slice(s![..i, j]));
            r[[i, j]] = if r[[i, i]] > 0.0 { sum / r[[i, i]] } else { 0.0 };
        }
        let pivot = g[[j, j]] - r.slice(s![..j, j]).dot(&r.slice(s![..j, j]));
        if pivot > 1e-14 * g[[j, j]].max(f64::MIN_POSITIVE) {
            r[[j, j]] = pivot.sqrt();
            inverse[[j, j]] = 1.0 / r[[j, j]];
            for i in (0..j).rev() {
                // column j of R⁻¹ by back substitution: R·x = e_j
                let rest: f64 = (i + 1..=j).map(|p| r[[i, p]] * inverse[[p, j]]).sum();
                inverse[[i, j]] = if r[[i, i]] > 0.0 { -rest / r[[i, i]] } else { 0.0 };
            }
        }
    }
    // in place, a piece at a time: a tall matrix is among the largest things in memory
    for mut rows in a.axis_chunks_iter_mut(Axis(0), 1024) {
        let product = rows.dot(&inverse);
        rows.assign(&product);
    }
    (a, r)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cholesky_qr_factors() {
        let a: Array2<f64> = random::normal(40, 7, 5);
        let (q, r) = orthonormal(a.clone());
        let eye = q.t().dot(&q) - Array2::<f64>::eye(7);
        assert!(eye.iter().all(|x| x.abs() < 1e-13));
        assert!((q.dot(&r) - &a).iter().all(|x| x.abs() < 1e-12));
    }

    #[test]
    fn exhausted_rank_gives_zero_columns() {
        let mut a: Array2<f64> = random::normal(30, 4, 5);
        let twice = 2.0 * &a.column(0);
        a.column_mut(2).assign(&twice);
        let (q, _) = orthonormal(a);
        assert!(q.iter().all(|x| x.is_finite()));
        assert!(q.column(2).iter().all(|x| x.abs() < 1e-6));
    }

    #[test]
    fn the_larger_part_wins() {
        let u = ndarray::array![3.0, -4.0];
        let v = ndarray::array![-0.1, 5.0];
        // positive parts: 3·5 = 15; negative parts: 4·0.1
        let (w, h) = component(u.view(), v.view(), 2.0, false);
        assert_eq!((w[1], h[0]), (0.0, 0.0));
        assert!((w[0] * h[1] - 2.0 * 15.0).abs() < 1e-12);
    }
}
