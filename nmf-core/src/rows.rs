//! Least squares row by row: minimize ½ wᵀGw − aᵀw + l1·Σw + ½·l2·‖w‖² over w ≥ 0, with the first entries of w fixed.
//!
//! G = otherᵀother (k×k) is the same for every row, a is a row of A = X̃·other. A [`RowSolver`] is prepared for G
//! once; fixed entries move to the right-hand side.

use crate::nnls::Nnls;
use crate::{Element, Penalty, Rule};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, s};

/// How the rows are solved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RowMethod {
    /// Exactly, by block principal pivoting ([`crate::nnls`]).
    BlockPivoting,
    /// The unconstrained minimizer, its negative entries set to zero afterwards: alternating least squares as in M. Berry et
    /// al., Comput. Stat. Data Anal. 52, 2007. Not a minimizer of anything, and not monotone.
    Clipped,
    /// Projected gradient with Armijo's rule along the projection arc (C.-J. Lin, "Projected gradient methods for nonnegative
    /// matrix factorization", Neural Computation 19, 2007, §4), each row with a step of its own.
    ProjectedGradient {
        /// Gradient steps at most, ≥ 1.
        max_steps: usize,
        /// A row is finished when its projected gradient has fallen below this share of its first value.
        stop: f64,
    },
}

/// Solves one row after the other for one G.
#[derive(Debug, Clone)]
pub struct RowSolver {
    method: RowMethod,
    fixed: usize,
    penalty: Penalty,
    /// G between the free entries and all, f64: (k − fixed)×k.
    gram: Array2<f64>,
    free: Nnls,
}

/// σ of Armijo's rule and the factor of the step, Lin's values.
const ARMIJO: f64 = 0.01;
const STEP_FACTOR: f64 = 0.1;

impl RowSolver {
    /// Prepares for `gram` (k×k); the exponent and the ridge of `rule` do not matter.
    pub fn new<T: Element>(gram: &ArrayView2<'_, T>, rule: &Rule, method: RowMethod) -> RowSolver {
        let fixed = rule.fixed.min(gram.nrows());
        let free = Nnls::new(&gram.slice(s![fixed.., fixed..]), &rule.penalty);
        RowSolver { method, fixed, penalty: rule.penalty, gram: gram.slice(s![fixed.., ..]).mapv(|v| v.f64()), free }
    }

    /// Overwrites the free entries of `w` (length k) with the answer for `a` (length k). What is found there is where
    /// projected gradient starts, and pivoting's first guess of what is positive.
    pub fn solve<T: Element>(&self, a: ArrayView1<'_, T>, w: &mut ArrayViewMut1<'_, T>) {
        let known = w.slice(s![..self.fixed]).mapv(|v| v.f64());
        let mut rhs: Array1<f64> = a.slice(s![self.fixed..]).mapv(|v| v.f64());
        if self.fixed > 0 {
            rhs -= &self.gram.slice(s![.., ..self.fixed]).dot(&known);
        }
        let mut free = w.slice_mut(s![self.fixed..]);
        match self.method {
            RowMethod::BlockPivoting => self.free.solve(rhs.view(), &mut free),
            RowMethod::Clipped => self.free.solve_clipped(rhs.view(), &mut free),
            RowMethod::ProjectedGradient { max_steps, stop } => {
                let mut z = free.mapv(|v| v.f64());
                self.descend(&rhs, &mut z, max_steps, stop);
                free.iter_mut().zip(&z).for_each(|(w, z)| *w = T::of(*z));
            }
        }
    }

    /// Q·v with Q = G + l2·I over the free entries.
    fn times(&self, v: &Array1<f64>) -> Array1<f64> {
        self.gram.slice(s![.., self.fixed..]).dot(v) + v * self.penalty.l2
    }

    fn descend(&self, rhs: &Array1<f64>, z: &mut Array1<f64>, max_steps: usize, stop: f64) {
        let b = rhs - self.penalty.l1;
        // the inverse of a bound of the largest eigenvalue: a step that always suffices
        let norm = (0..z.len()).map(|q| self.times_row_sum(q)).fold(0.0, f64::max);
        if norm <= 0.0 {
            return;
        }
        let (safe, mut step, mut first) = (1.0 / norm, 1.0 / norm, None);
        for _ in 0..max_steps.max(1) {
            let gradient = self.times(z) - &b;
            let projected = |(g, z): (&f64, &f64)| if *z > 0.0 { g * g } else { g.min(0.0).powi(2) };
            let size: f64 = gradient.iter().zip(z.iter()).map(projected).sum();
            if size <= stop * stop * *first.get_or_insert(size) || size == 0.0 {
                return;
            }
            let trial = |step: f64| {
                let new = Array1::from_shape_fn(z.len(), |q| (z[q] - step * gradient[q]).max(0.0));
                let d = &new - &*z;
                // f(new) − f(z) ≤ σ⟨∇, d⟩, for a quadratic (1 − σ)⟨∇, d⟩ + ½⟨d, Qd⟩ ≤ 0
                let good = (1.0 - ARMIJO) * gradient.dot(&d) + 0.5 * d.dot(&self.times(&d)) <= 0.0;
                (new, good)
            };
            let (mut new, good) = trial(step);
            if good {
                // longer while that is accepted and still changes something
                while step < safe * 1e6 {
                    let (longer, good) = trial(step / STEP_FACTOR);
                    if !good || longer == new {
                        break;
                    }
                    (new, step) = (longer, step / STEP_FACTOR);
                }
            } else {
                while step > safe {
                    step = (step * STEP_FACTOR).max(safe);
                    let (shorter, good) = trial(step);
                    new = shorter;
                    if good {
                        break;
                    }
                }
            }
            *z = new;
        }
    }

    fn times_row_sum(&self, q: usize) -> f64 {
        self.gram.slice(s![q, self.fixed..]).iter().map(|v| v.abs()).sum::<f64>() + self.penalty.l2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Loss;
    use rand::{RngExt, SeedableRng};

    fn problem(k: usize) -> (Array2<f64>, Array1<f64>, Array1<f64>) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(k as u64);
        let c = Array2::from_shape_fn((2 * k + 3, k), |_| rng.random::<f64>());
        let a = Array1::from_shape_fn(k, |_| rng.random::<f64>() * 4.0 - 1.0);
        (c.t().dot(&c), a, Array1::from_shape_fn(k, |_| rng.random::<f64>()))
    }

    fn objective(g: &Array2<f64>, a: &Array1<f64>, w: &Array1<f64>, p: &Penalty) -> f64 {
        0.5 * w.dot(&g.dot(w)) - a.dot(w) + p.l1 * w.sum() + 0.5 * p.l2 * w.dot(w)
    }

    #[test]
    fn projected_gradient_descends_to_the_exact_answer() {
        for (k, fixed) in [(1, 0), (5, 0), (8, 3)] {
            for penalty in [Penalty::NONE, Penalty { l1: 0.2, l2: 0.7 }] {
                let (g, a, start) = problem(k);
                let rule = Rule { fixed, penalty, ..Rule::for_loss(&Loss::FRO) };
                let mut exact = start.clone();
                RowSolver::new(&g.view(), &rule, RowMethod::BlockPivoting).solve(a.view(), &mut exact.view_mut());
                let (mut w, mut last) = (start.clone(), objective(&g, &a, &start, &penalty));
                let one = RowMethod::ProjectedGradient { max_steps: 1, stop: 0.0 };
                let solver = RowSolver::new(&g.view(), &rule, one);
                for _ in 0..40 {
                    solver.solve(a.view(), &mut w.view_mut());
                    let now = objective(&g, &a, &w, &penalty);
                    assert!(now <= last + 1e-12, "{now} after {last}");
                    last = now;
                }
                let many = RowMethod::ProjectedGradient { max_steps: 100_000, stop: 1e-10 };
                RowSolver::new(&g.view(), &rule, many).solve(a.view(), &mut w.view_mut());
                assert!((&w - &exact).iter().all(|d| d.abs() < 1e-7), "{w} {exact}");
                assert_eq!(w.slice(s![..fixed]), start.slice(s![..fixed]), "fixed entries stay");
            }
        }
    }

    #[test]
    fn clipped_least_squares_solves_the_free_system_and_cuts() {
        let (g, mut a, start) = problem(6);
        let rule = Rule { fixed: 2, ..Rule::for_loss(&Loss::FRO) };
        a[4] = -50.0;
        let mut w = start.clone();
        RowSolver::new(&g.view(), &rule, RowMethod::Clipped).solve(a.view(), &mut w.view_mut());
        assert_eq!(w[4], 0.0);
        // with a from a known non-negative w the answer is that w
        let truth = Array1::from(vec![start[0], start[1], 0.3, 0.1, 2.0, 0.7]);
        let mut w = start.clone();
        RowSolver::new(&g.view(), &rule, RowMethod::Clipped).solve(g.dot(&truth).view(), &mut w.view_mut());
        assert!((&w - &truth).iter().all(|d| d.abs() < 1e-9), "{w}");
    }
}
