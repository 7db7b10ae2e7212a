use super::{Bound, SAFETY};
use crate::backend::order;
use crate::reference::{self, DAMPING, Dense};
use crate::{Element, Penalty, Rule, Side, Sweep};
use ndarray::Array2;

/// Coordinate descent for KL with a running error bound, to first order.
///
/// The error of an entry f_r reaches the step along f_q through v: with w' = f_q − s(g, h),
/// δg = Σ ωx·o_q·o_r/v², δh = −2Σ ωx·o_q²·o_r/v³, and for r = q the old value nearly drops out (1 − δg/h = 0 but for
/// the change of h), as in every Newton step. Besides those, v has an error ρ of its own from its k products and
/// from each patch. A row gets an infinite tolerance where first order says little (v off by more than 5 %), where the
/// damping sets in within the error of λ, or where `stop` is decided within 10 %.
pub(in crate::conformance) fn newton<T: Element>(
    x: &Dense,
    side: Side,
    f: &Array2<f64>,
    other: &Array2<f64>,
    sweep: &Sweep,
) -> Bound {
    let x = x.on(side);
    let (mut value, mut tolerance) = (f.clone(), Array2::zeros(f.dim()));
    let visit = order(f.ncols(), sweep);
    for i in 0..f.nrows() {
        let seen: Vec<usize> = (0..other.nrows()).filter(|&j| x.weight[[i, j]] > 0.0).collect();
        let entries: Vec<f64> = seen.iter().map(|&j| x.weight[[i, j]] * x.x[[i, j]]).collect();
        let mut row = Row {
            v: Vec::new(),
            rho: Vec::new(),
            w: f.row(i).to_vec(),
            e: vec![0.0; f.ncols()],
            c: entries.iter().filter(|x| **x > 0.0).map(|x| x.sqrt().recip()).fold(0.0, f64::max),
            weight: seen.iter().map(|&j| x.weight[[i, j]]).collect(),
            o: seen.iter().map(|&j| other.row(j).to_vec()).collect(),
            x: entries,
        };
        let known = row.sweep::<T>(sweep, &visit);
        for q in 0..f.ncols() {
            value[[i, q]] = row.w[q];
            let tiny = if row.e[q] > 0.0 { 2.0 * T::TINY.f64() } else { 0.0 };
            tolerance[[i, q]] = match (q < sweep.rule.fixed, known) {
                (true, _) => 0.0,
                (false, true) => SAFETY * row.e[q] + tiny,
                (false, false) => f64::INFINITY,
            };
        }
    }
    Bound { value, tolerance }
}

/// One row: ω·x and ω of the entries that count, their rows of `other`, v and its own error, f and its errors.
struct Row {
    x: Vec<f64>,
    weight: Vec<f64>,
    o: Vec<Vec<f64>>,
    v: Vec<f64>,
    rho: Vec<f64>,
    w: Vec<f64>,
    e: Vec<f64>,
    c: f64,
}

/// g and h along one component, what ρ and roundings make of them, and by how much they change with each entry of f.
struct Slope {
    g: f64,
    h: f64,
    g_off: f64,
    h_off: f64,
    along: Vec<(f64, f64)>,
}

impl Row {
    /// All passes; false where the errors are not known.
    fn sweep<T: Element>(&mut self, sweep: &Sweep, visit: &[usize]) -> bool {
        let (floor, k) = (T::FLOOR.f64(), self.w.len());
        let model = |o: &Vec<f64>| (0..k).map(|q| self.w[q] * o[q]).sum::<f64>().max(floor);
        self.v = self.o.iter().map(model).collect();
        self.rho = self.v.iter().map(|v| (k + 1) as f64 * T::EPS * v).collect();
        let (mut first, mut known) = (0.0, true);
        for pass in 0..sweep.max_sweeps.max(1) {
            let mut moved = 0.0;
            for &q in visit {
                let old = self.w[q];
                known &= self.step::<T>(q, &sweep.rule);
                let d = self.w[q] - old;
                moved += d * d;
                for ((v, rho), o) in self.v.iter_mut().zip(&mut self.rho).zip(&self.o) {
                    *v = (*v + d * o[q]).max(floor);
                    *rho += T::EPS * (*v + 2.0 * (d * o[q]).abs());
                }
            }
            if pass == 0 {
                first = moved;
            }
            let limit = sweep.stop * sweep.stop * first;
            let last = pass + 1 == sweep.max_sweeps;
            known &= last || limit == 0.0 || (moved / limit - 1.0).abs() > 0.1;
            if moved <= limit {
                break;
            }
        }
        known
    }

    fn slope<T: Element>(&self, q: usize, rule: &Rule) -> (Slope, bool) {
        let Penalty { l1, l2 } = rule.penalty;
        let (mut size, mut known) = (l1 + l2 * self.w[q], true);
        let mut s = Slope { g: size, h: l2, g_off: 0.0, h_off: 0.0, along: vec![(0.0, 0.0); self.w.len()] };
        s.along[q].0 = l2;
        for (j, o) in self.o.iter().enumerate() {
            let (x, weight, v) = (self.x[j], self.weight[j], self.v[j]);
            let r = o[q] / v;
            s.g += weight * o[q] - x * r;
            s.h += x * r * r;
            size += weight * o[q] + x * r;
            s.g_off += x * r * self.rho[j] / v;
            s.h_off += 2.0 * x * r * r * self.rho[j] / v;
            let inherited: f64 = self.e.iter().zip(o).map(|(e, o)| e * o).sum();
            known &= x * o[q] == 0.0 || self.rho[j] + inherited <= 0.05 * v;
            for (along, o) in s.along.iter_mut().zip(o) {
                along.0 += x * r * o / v;
                along.1 -= 2.0 * x * r * r * o / v;
            }
        }
        // a division, two products and the weight for each term of g, one product more and the square for h
        let depth = self.o.len() as f64;
        s.g_off += T::EPS * (depth + 8.0) * size;
        s.h_off += T::EPS * (depth + 12.0) * s.h;
        (s, known)
    }

    /// The step along component q and its error.
    fn step<T: Element>(&mut self, q: usize, rule: &Rule) -> bool {
        let (Slope { g, h, g_off, h_off, along }, mut known) = self.slope::<T>(q, rule);
        let old = self.w[q];
        self.w[q] = reference::newton_entry(old, g, h, self.c);
        if h <= 0.0 {
            // linear: exact
            self.e[q] = if g > 0.0 { 0.0 } else { self.e[q] };
            return known;
        }
        let d = g / h;
        let lambda = self.c * h.sqrt() * d;
        let both = |of: &dyn Fn(f64, f64) -> f64| {
            let inherited: f64 = self.e.iter().zip(&along).map(|(e, a)| e * of(a.0, a.1).abs()).sum();
            inherited + of(g_off, 0.0).abs() + of(0.0, h_off).abs()
        };
        let change_of_d = |g: f64, h_change: f64| (g - d * h_change) / h;
        let lambda_off = both(&|g, hc| self.c * h.sqrt() * change_of_d(g, hc) + lambda * hc / (2.0 * h));
        known &= (lambda - DAMPING).abs() > SAFETY * (lambda_off + 12.0 * T::EPS * lambda.abs());
        let damped = lambda > DAMPING;
        let shrink = if damped { (1.0 + lambda).powi(2) } else { 1.0 };
        let change = |g: f64, hc: f64| {
            let more = if damped { d * lambda * hc / (2.0 * h) } else { 0.0 };
            (change_of_d(g, hc) - more) / shrink
        };
        // the old value itself: what is left of 1 − ∂s/∂f_q
        let own = self.e[q] * ((1.0 - change(along[q].0, along[q].1)).abs() - change(along[q].0, along[q].1).abs());
        let step = if damped { d / (1.0 + lambda) } else { d };
        let c_off = if damped { 8.0 * d * lambda / shrink } else { 0.0 };
        let e = both(&change) + own + T::EPS * (8.0 * step.abs() + c_off + self.w[q]);
        // further below zero than the error: cut to exactly zero
        self.e[q] = if old - step < -SAFETY * e { 0.0 } else { e };
        known
    }
}
