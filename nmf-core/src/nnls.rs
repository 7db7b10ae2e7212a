//! Exact non-negative least squares by block principal pivoting.
//!
//! For one row: minimize ½ wᵀGw − aᵀw + l1·Σw + ½·l2·‖w‖² over w ≥ 0, with G = otherᵀother (k×k, positive
//! semidefinite) and a one row of A = X̃·other. The optimum is characterized by w ≥ 0, y = (G + l2·I)w − a + l1 ≥ 0,
//! wᵀy = 0; the method guesses which entries are positive and exchanges all violating ones at once, falling back to
//! one at a time so that it must end.
//!
//! Reference: J. Kim and H. Park, "Fast nonnegative matrix factorization: an active-set-like method and
//! comparisons", SIAM J. Sci. Comput. 33(6), 2011, Algorithm 2 (and Júdice & Pires 1994 for the backup rule).

use crate::{Element, Penalty};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1};
use std::sync::OnceLock;

/// The solver for one Gram matrix; reused over the rows of A.
#[derive(Debug, Clone)]
pub struct Nnls {
    k: usize,
    /// D⁻¹(G + l2·I)D⁻¹ with D² the diagonal, so that components of any scale are treated alike, and a ridge of a few
    /// roundings of the numbers it was given on its unit diagonal, so that linearly dependent or zero components still give a unique, finite
    /// answer. Row-major, f64.
    g: Vec<f64>,
    /// D⁻¹; the unknowns are D·w.
    unit: Vec<f64>,
    l1: f64,
    /// The components with curvature and the Cholesky factor of their block, for the unconstrained problem.
    whole: OnceLock<(Vec<usize>, Vec<f64>)>,
}

impl Nnls {
    /// Prepares for `gram` (k×k).
    pub fn new<T: Element>(gram: &ArrayView2<'_, T>, penalty: &Penalty) -> Nnls {
        let k = gram.nrows();
        let mut g: Vec<f64> = gram.iter().map(|v| v.f64()).collect();
        (0..k).for_each(|q| g[q * k + q] += penalty.l2);
        let inverse_root = |d: f64| if d > 0.0 { d.sqrt().recip() } else { 0.0 };
        // rounded entries move the smallest eigenvalue of the unit-diagonal matrix by up to k·ε/2: a G of deficient rank
        // stays definite
        let ridge = (16.0 * f64::EPSILON).max(if T::EPS > 1e-10 { k as f64 * T::EPS } else { 0.0 });
        let unit: Vec<f64> = (0..k).map(|q| inverse_root(g[q * k + q])).collect();
        for i in 0..k {
            for j in 0..k {
                g[i * k + j] = if i == j { 1.0 + ridge } else { g[i * k + j] * unit[i] * unit[j] };
            }
        }
        Nnls { k, g, unit, l1: penalty.l1, whole: OnceLock::new() }
    }

    /// Overwrites `w` (length k) with the minimizer for `a` (length k). The values found in `w` only decide
    /// which entries are guessed positive first.
    pub fn solve<A: Element, T: Element>(&self, a: ArrayView1<'_, A>, w: &mut ArrayViewMut1<'_, T>) {
        let k = self.k;
        let b: Vec<f64> = a.iter().zip(&self.unit).map(|(a, u)| (a.f64() - self.l1) * u).collect();
        let scale = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let mut passive: Vec<bool> = w.iter().map(|v| *v > T::zero()).collect();
        let mut z = vec![0.0; k];
        let mut y = vec![0.0; k];
        // Exchange everything while that reduces the number of violations, three times grace, then one by one.
        let (mut best, mut grace, mut settled) = (k + 1, 3, false);
        for _ in 0..10 * k + 20 {
            self.solve_passive(&b, &passive, &mut z);
            for q in 0..k {
                y[q] = if passive[q] { 0.0 } else { dot(&self.g[q * k..][..k], &z) - b[q] };
            }
            // y is a difference of sums of size `scale`: below its rounding it counts as zero
            let violates = |q: usize| if passive[q] { z[q] < 0.0 || z[q].is_nan() } else { y[q] < -1e-13 * scale };
            let count = (0..k).filter(|&q| violates(q)).count();
            if count == 0 {
                settled = true;
                break;
            }
            let all = if count < best {
                best = count;
                grace = 3;
                true
            } else {
                grace -= 1;
                grace >= 0
            };
            if all {
                let flip: Vec<usize> = (0..k).filter(|&q| violates(q)).collect();
                flip.into_iter().for_each(|q| passive[q] = !passive[q]);
            } else if let Some(q) = (0..k).rev().find(|&q| violates(q)) {
                passive[q] = !passive[q];
            }
        }
        z.iter_mut().for_each(|z| *z = z.max(0.0));
        if !settled {
            self.descend(&b, &mut z);
        }
        for ((out, z), u) in w.iter_mut().zip(&z).zip(&self.unit) {
            *out = T::of(z * u);
        }
    }

    /// Overwrites `w` with the unconstrained minimizer for `a`, negative entries set to zero.
    pub fn solve_clipped<A: Element, T: Element>(&self, a: ArrayView1<'_, A>, w: &mut ArrayViewMut1<'_, T>) {
        let b: Vec<f64> = a.iter().zip(&self.unit).map(|(a, u)| (a.f64() - self.l1) * u).collect();
        let mut z = vec![0.0; self.k];
        let (set, l) = self.whole.get_or_init(|| {
            // a component without curvature has no minimizer: it stays out
            let set: Vec<usize> = (0..self.k).filter(|&q| self.unit[q] > 0.0).collect();
            let l = self.cholesky(&set);
            (set, l)
        });
        substitute(l, set, &b, &mut z);
        for ((out, z), u) in w.iter_mut().zip(&z).zip(&self.unit) {
            *out = T::of((z * u).max(0.0));
        }
    }

    /// Cyclic coordinate descent, which cannot cycle: only for a G so ill-conditioned that rounding kept the
    /// exchanges from ending.
    fn descend(&self, b: &[f64], z: &mut [f64]) {
        for _ in 0..1000 {
            let mut moved = 0.0f64;
            for q in 0..self.k {
                let g = &self.g[q * self.k..][..self.k];
                let new = (z[q] + (b[q] - dot(g, z)) / g[q]).max(0.0);
                moved = moved.max((new - z[q]).abs() / new.max(f64::MIN_POSITIVE));
                z[q] = new;
            }
            if moved < 1e-12 {
                break;
            }
        }
    }

    /// z over the passive set from G_PP·z_P = b_P by Cholesky; zero elsewhere.
    fn solve_passive(&self, b: &[f64], passive: &[bool], z: &mut [f64]) {
        let set: Vec<usize> = (0..self.k).filter(|&q| passive[q]).collect();
        substitute(&self.cholesky(&set), &set, b, z);
    }

    /// The lower triangle L of G over `set` = L·Lᵀ, row-major.
    fn cholesky(&self, set: &[usize]) -> Vec<f64> {
        let p = set.len();
        let mut l = vec![0.0; p * p];
        for i in 0..p {
            for j in 0..=i {
                let s = self.g[set[i] * self.k + set[j]] - dot(&l[i * p..][..j], &l[j * p..][..j]);
                l[i * p + j] = if i == j { s.max(f64::MIN_POSITIVE).sqrt() } else { s / l[j * p + j] };
            }
        }
        l
    }
}

/// z over `set` from L·Lᵀ·z = b; zero elsewhere.
fn substitute(l: &[f64], set: &[usize], b: &[f64], z: &mut [f64]) {
    let p = set.len();
    let mut t = vec![0.0; p];
    for i in 0..p {
        t[i] = (b[set[i]] - dot(&l[i * p..][..i], &t[..i])) / l[i * p + i];
    }
    for i in (0..p).rev() {
        for j in i + 1..p {
            t[i] -= l[j * p + i] * t[j];
        }
        t[i] /= l[i * p + i];
    }
    z.fill(0.0);
    for (&q, t) in set.iter().zip(t) {
        z[q] = t;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, array};
    use rand::{Rng, RngExt, SeedableRng};

    /// KKT conditions of the row problem, the definition of the answer.
    fn check_kkt(g: &Array2<f64>, a: &Array1<f64>, w: &Array1<f64>, tol: f64) {
        let y = g.dot(w) - a;
        for q in 0..a.len() {
            assert!(w[q] >= 0.0);
            assert!(y[q] >= -tol, "gradient {} at {q}", y[q]);
            assert!((w[q] * y[q]).abs() <= tol, "complementarity {} at {q}", w[q] * y[q]);
        }
    }

    #[test]
    fn random_problems_satisfy_the_kkt_conditions() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        for k in [1, 2, 5, 20, 50] {
            let c = Array2::from_shape_fn((2 * k + 3, k), |_| rng.random::<f64>());
            let g = c.t().dot(&c);
            for _ in 0..20 {
                let a = Array1::from_shape_fn(k, |_| rng.random::<f64>() * 4.0 - 1.5);
                let mut w = Array1::from_shape_fn(k, |_| f64::from(rng.next_u32() % 2));
                Nnls::new(&g.view(), &Penalty::NONE).solve(a.view(), &mut w.view_mut());
                check_kkt(&g, &a, &w, 1e-9);
            }
        }
    }

    #[test]
    fn the_scale_of_components_does_not_matter() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let c = Array2::from_shape_fn((20, 6), |_| rng.random::<f64>());
        let x = Array1::from_shape_fn(20, |_| rng.random::<f64>());
        let solve = |c: &Array2<f64>| {
            let mut w = Array1::<f64>::zeros(6);
            Nnls::new(&c.t().dot(c).view(), &Penalty::NONE).solve(c.t().dot(&x).view(), &mut w.view_mut());
            w
        };
        let mut scaled = c.clone();
        scaled.column_mut(2).mapv_inplace(|v| v * 2f64.powi(50));
        scaled.column_mut(4).mapv_inplace(|v| v * 2f64.powi(-50));
        let (w, mut ws) = (solve(&c), solve(&scaled));
        ws[2] *= 2f64.powi(50);
        ws[4] *= 2f64.powi(-50);
        assert!((&w - &ws).iter().all(|d| d.abs() < 1e-12), "{w} {ws}");
    }

    /// G of k components made from fewer rows, rounded to f32: its smallest eigenvalues are rounding noise of either sign.
    #[test]
    fn a_rounded_gram_matrix_of_deficient_rank_gives_finite_answers() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(9);
        for k in [6, 16, 40] {
            let c = Array2::from_shape_fn((k / 2 + 1, k), |_| rng.random::<f64>());
            let g = c.t().dot(&c).mapv(|v| v as f32);
            let x = Array1::from_shape_fn(k / 2 + 1, |_| rng.random::<f64>());
            let a = c.t().dot(&x).mapv(|v| v as f32);
            let solver = Nnls::new(&g.view(), &Penalty::NONE);
            let (mut exact, mut cut) = (Array1::<f32>::zeros(k), Array1::<f32>::zeros(k));
            solver.solve(a.view(), &mut exact.view_mut());
            solver.solve_clipped(a.view(), &mut cut.view_mut());
            assert!(exact.iter().chain(&cut).all(|v| v.is_finite()), "k = {k}: {exact} {cut}");
            // as good as its first-order conditions say, at the precision of G
            let wide = |v: &Array1<f32>| v.mapv(f64::from);
            let y = g.mapv(f64::from).dot(&wide(&exact)) - wide(&a);
            let scale = a.iter().fold(0.0f64, |m, v| m.max(f64::from(*v)));
            for q in 0..k {
                let slack = 1e-5 * k as f64 * scale;
                assert!(y[q] >= -slack && (f64::from(exact[q]) * y[q]).abs() <= slack, "k = {k}: {y}");
            }
        }
    }

    #[test]
    fn dependent_and_zero_components_stay_finite() {
        let g = array![[2.0, 2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]];
        let a = array![3.0, 3.0, 0.0];
        let mut w = array![0.0, 0.0, 0.0];
        Nnls::new(&g.view(), &Penalty::NONE).solve(a.view(), &mut w.view_mut());
        check_kkt(&g, &a, &w, 1e-9);
        let zero = Array2::<f64>::zeros((2, 2));
        let mut w = array![1.0, 1.0];
        Nnls::new(&zero.view(), &Penalty::NONE).solve(array![0.0, 0.0].view(), &mut w.view_mut());
        assert_eq!(w, array![0.0, 0.0]);
    }
}
