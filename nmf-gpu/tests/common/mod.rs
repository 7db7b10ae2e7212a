//! Every operation that reads X, with its results down to the bits.

mod values;

use ndarray::Array2;
use nmf_core::{Accumulate, Backend, Loss, Penalty, Rule, Side, Sweep};
use nmf_gpu::{Data, Gpu};
pub(crate) use values::values;

fn bits(a: &Array2<f32>) -> Vec<u64> {
    a.iter().map(|v| v.to_bits().into()).collect()
}

/// Names and bits of the results of all operations on X.
pub(crate) fn everything(b: &mut Gpu, data: &Data, k: usize) -> Vec<(String, Vec<u64>)> {
    let (m, n) = data.dim();
    let (w, h) = (b.factor(values(m, k, 2).view()).unwrap(), b.factor(values(n, k, 3).view()).unwrap());
    let mut out = Vec::new();
    for side in [Side::Rows, Side::Cols] {
        let (rows, other) = if side == Side::Rows { (m, &h) } else { (n, &w) };
        let f = if side == Side::Rows { &w } else { &h };
        let mut cross = b.factor(Array2::zeros((rows, k)).view()).unwrap();
        b.cross(data, side, other, &mut cross).unwrap();
        out.push((format!("cross, {side:?}"), bits(&b.read(&cross).unwrap())));
        for loss in [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(1.5)] {
            let what = format!("{loss}, {side:?}");
            let mut t = b.new_terms(rows, k).unwrap();
            b.terms(&loss, data, side, f, other, 0.5, Accumulate::Set, &mut t).unwrap();
            b.terms(&loss, data, side, f, other, 2.0, Accumulate::Add, &mut t).unwrap();
            let (num, den) = b.read_terms(&t).unwrap();
            out.extend([(format!("N, {what}"), bits(&num)), (format!("D, {what}"), bits(&den))]);
            let mut f2 = b.factor(values(rows, k, if side == Side::Rows { 2 } else { 3 }).view()).unwrap();
            let rule = Rule { penalty: Penalty { l1: 0.1, l2: 0.1 }, ..Rule::for_loss(&loss) };
            let before = b.mu_step(&loss, data, side, &mut f2, other, &mut t, &rule, true).unwrap().unwrap();
            out.push((format!("update, {what}"), bits(&b.read(&f2).unwrap())));
            let after = b.divergence(&loss, data, &w, &h).unwrap();
            let sums = [b.value(&before).unwrap().to_bits(), b.value(&after).unwrap().to_bits()];
            out.push((format!("divergence, {what}"), sums.to_vec()));
        }
        let mut f2 = b.factor(values(rows, k, 4).view()).unwrap();
        let sweep = Sweep { max_sweeps: 2, ..Sweep::once(Rule::for_loss(&Loss::KL)) };
        b.newton_sweep(data, side, &mut f2, other, &sweep, true).unwrap();
        out.push((format!("newton, {side:?}"), bits(&b.read(&f2).unwrap())));
    }
    out
}

/// Where two such lists differ first.
pub(crate) fn same(a: &[(String, Vec<u64>)], b: &[(String, Vec<u64>)], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    for ((name, a), (_, b)) in a.iter().zip(b) {
        assert!(a == b, "{what}: {name} differs");
    }
}
