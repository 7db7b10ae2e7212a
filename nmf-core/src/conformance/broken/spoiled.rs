use super::Fault;
use crate::reference::newton_entry;
use crate::{Element, Penalty, Rule, Sweep};
use ndarray::{Array2, ArrayView1, ArrayViewMut1};

/// [`reference::hals_sweep`] without max(0, ·).
pub(super) fn unclamped<T: Element>(a: &Array2<T>, g: &Array2<T>, f: &mut Array2<T>, sweep: &Sweep) {
    let Rule { fixed, penalty: Penalty { l1, l2 }, .. } = sweep.rule;
    for _ in 0..sweep.max_sweeps {
        for i in 0..f.nrows() {
            for q in fixed..f.ncols() {
                let c = g[[q, q]].f64() + l2;
                if c > 0.0 {
                    let dot: f64 = (0..f.ncols()).map(|r| f[[i, r]].f64() * g[[r, q]].f64()).sum();
                    let old = f[[i, q]].f64();
                    f[[i, q]] = T::of(old + (a[[i, q]].f64() - dot - l1 - l2 * old) / c);
                }
            }
        }
    }
}

/// [`crate::reference::newton_row`] with a fault: x and the weights of its entries, `other` (q×k), f (k entries).
pub(super) fn newton_row(
    fault: Fault,
    (x, weight): (ArrayView1<'_, f64>, ArrayView1<'_, f64>),
    other: &Array2<f64>,
    mut f: ArrayViewMut1<'_, f64>,
    sweep: &Sweep,
    visit: &[usize],
    floor: f64,
) {
    let Penalty { l1, l2 } = sweep.rule.penalty;
    let seen: Vec<usize> = (0..x.len()).filter(|&j| weight[j] > 0.0).collect();
    let inverse_root = |&j: &usize| if x[j] > 0.0 { (weight[j] * x[j]).sqrt().recip() } else { 0.0 };
    let c = seen.iter().map(inverse_root).fold(0.0, f64::max);
    let mut v: Vec<f64> = other.outer_iter().map(|o| o.dot(&f).max(floor)).collect();
    let mut first = 0.0;
    for pass in 0..sweep.max_sweeps {
        let mut moved = 0.0;
        for &q in visit {
            let (mut g, mut h) = (l1 + l2 * f[q], if fault == Fault::RidgelessCurvature { 0.0 } else { l2 });
            for &j in &seen {
                let r = other[[j, q]] / v[j];
                g -= weight[j] * x[j] * r;
                h += weight[j] * x[j] * r * r;
            }
            g += match fault {
                Fault::SumOverAll => other.column(q).sum(),
                _ => seen.iter().map(|&j| weight[j] * other[[j, q]]).sum(),
            };
            let new = newton_entry(f[q], g, h, if fault == Fault::ForgetDamping { 0.0 } else { c });
            let d = new - f[q];
            f[q] = new;
            moved += d * d;
            if fault != Fault::StaleModel {
                v.iter_mut().zip(other.column(q)).for_each(|(v, o)| *v = (*v + d * o).max(floor));
            }
        }
        if pass == 0 {
            first = moved;
        }
        if moved <= sweep.stop * sweep.stop * first {
            break;
        }
    }
}
