use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{Layout, Sample, factor, wide};
use crate::{
    Accumulate, Backend, Element, Error, Extrapolation, Loss, Observed, Op, Penalty, Result, Ridge, Rule, Side,
    Support, Sweep, Weight,
};
use ndarray::{Array2, s};

/// W and H of a run.
type Pair<T> = (Array2<T>, Array2<T>);

/// What operations left on the device, by name.
struct Made<B: Backend> {
    factors: Vec<(String, B::Factor)>,
    terms: Vec<(String, B::Terms)>,
    scalars: Vec<(String, B::Scalar)>,
    gram: B::Gram,
}

/// Every operation that solvers call between two reads, on a model with these W and H (rank k; several in a batch).
fn everything<B: Backend>(b: &mut B, x: &B::Data, (w, h): (B::Factor, B::Factor), k: usize) -> Result<Made<B>> {
    let can = |b: &B, op: Op| b.supports(&op) == Support::Native;
    let (m, n) = (b.dim(&w).0, b.dim(&h).0);
    let mut gram = b.new_gram(k)?;
    b.gram(&h, &mut gram)?;
    let zeros = |rows| Array2::<B::Elem>::zeros((rows, k));
    let mut made = Made { factors: Vec::new(), terms: Vec::new(), scalars: Vec::new(), gram };
    for (side, rows) in [(Side::Rows, m), (Side::Cols, n)] {
        let (f, other) = if side == Side::Rows { (&w, &h) } else { (&h, &w) };
        let copy = |b: &mut B| -> Result<B::Factor> {
            let mut to = b.factor(zeros(rows).view())?;
            b.copy(f, &mut to)?;
            Ok(to)
        };
        for loss in [Loss::FRO, Loss::KL, Loss::Beta(1.5)] {
            if !can(b, Op::Update(loss.clone())) {
                continue;
            }
            let name = |what: &str| format!("{what}, {loss}, {side:?}");
            let mut t = b.new_terms(rows, k)?;
            b.terms(&loss, x, side, f, other, 0.5, Accumulate::Set, &mut t)?;
            b.terms(&loss, x, side, f, other, 2.0, Accumulate::Add, &mut t)?;
            let rule = Rule { penalty: Penalty { l1: 0.1, l2: 0.2 }, fixed: 1, ..Rule::for_loss(&loss) };
            made.scalars.push((name("kkt"), b.kkt(&t, f, &rule)?));
            if can(b, Op::GradientStep) {
                let mut stepped = copy(b)?;
                b.gradient_step(&t, &mut stepped, &rule, 0.125)?;
                made.factors.push((name("gradient_step"), stepped));
            }
            made.terms.push((name("terms"), t));
            let rule = if loss.is_kl() { Rule { ridge: Ridge::Quadratic, ..rule } } else { rule };
            for repeats in [1, 2] {
                let (mut updated, mut t) = (copy(b)?, b.new_terms(rows, k)?);
                let before = b.mu_steps(&loss, x, side, &mut updated, other, &mut t, &rule, repeats, true)?;
                made.factors.push((name("mu_steps"), updated));
                made.scalars.extend(before.map(|s| (name("the divergence before mu_steps"), s)));
            }
            if loss.is_fro() {
                let (mut updated, mut t) = (copy(b)?, b.new_terms(rows, k)?);
                let before = b.mu_step_by_difference(x, side, &mut updated, other, &mut t, &rule, 1e3)?;
                made.factors.push((name("mu_step_by_difference"), updated));
                made.scalars.extend(before.map(|s| (name("the divergence before mu_step_by_difference"), s.0)));
            }
            if side == Side::Rows {
                made.scalars.push((name("divergence"), b.divergence(&loss, x, &w, &h)?));
            }
        }
        made.scalars.push((format!("penalty, {side:?}"), b.penalty(f, &Penalty { l1: 0.5, l2: 2.0 })?));
        let (mut cross, mut gram) = (b.factor(zeros(rows).view())?, b.new_gram(k)?);
        b.cross(x, side, other, &mut cross)?;
        b.gram(other, &mut gram)?;
        let objective = b.quadratic(&cross, &gram, f)?;
        // not in random order, which is one of the columns: all runs would have to have as many
        let rule = Rule { fixed: 1, ..Rule::for_loss(&Loss::FRO) };
        let sweep = Sweep { max_sweeps: 2, stop: 0.1, rule, shuffle: None };
        if can(b, Op::HalsSweep) {
            let mut swept = copy(b)?;
            b.hals_sweep(&cross, &gram, &mut swept, &sweep)?;
            made.factors.push((format!("hals_sweep, {side:?}"), swept));
        }
        if can(b, Op::NewtonSweep) {
            let mut swept = copy(b)?;
            let before = b.newton_sweep(x, side, &mut swept, other, &sweep, true)?;
            made.factors.push((format!("newton_sweep, {side:?}"), swept));
            made.scalars.extend(before.map(|s| (format!("the divergence before newton_sweep, {side:?}"), s)));
        }
        if can(b, Op::Extrapolate) {
            let mut m = b.new_momentum()?;
            for (how, twice) in [(Extrapolation::Upwards, false), (Extrapolation::Clamped, true)] {
                let mut previous = b.factor(zeros(rows).view())?;
                b.extrapolate(f, &mut previous, how, Weight::Fixed(0.5))?;
                let again = [objective.clone(), objective.clone()];
                // an objective that falls, and one that rises in those runs where it is positive
                b.advance(&mut m, &again[..1])?;
                b.advance(&mut m, if twice { &again } else { &again[..1] })?;
                b.extrapolate(f, &mut previous, how, Weight::Of(&m))?;
                made.factors.push((format!("extrapolate {how:?}, {side:?}"), previous));
            }
        }
        made.scalars.push((format!("quadratic, {side:?}"), objective));
        made.factors.push((format!("cross, {side:?}"), cross));
    }
    Ok(made)
}

/// Everything of a run, the only member of its batch, in its own width.
fn read<B: Backend>(b: &mut B, made: &Made<B>, run: usize, k: usize) -> Result<Vec<(String, Array2<f64>)>> {
    let mut all = Vec::new();
    for (name, f) in &made.factors {
        all.push((name.clone(), wide(&b.read_of(f, run)?)));
    }
    for (name, t) in &made.terms {
        let (num, den) = b.read_terms(t)?;
        all.push((format!("N of {name}"), wide(&num.slice(s![.., ..k]).to_owned())));
        all.push((format!("D of {name}"), wide(&den.slice(s![.., ..k]).to_owned())));
    }
    all.push(("gram".into(), wide(&b.read_gram(&made.gram)?.slice(s![..k, ..k]).to_owned())));
    for (name, scalar) in &made.scalars {
        let part = b.scalar_of(scalar, run);
        all.push((name.clone(), Array2::from_elem((1, 1), b.value(&part)?)));
    }
    Ok(all)
}

/// In a batch ([`Backend::in_batch`]) each member has the results it has alone, to the last bit, whatever its rank and whoever else takes part;
/// what others hold stays as it is. Nothing is asked of a backend without batches.
pub fn batches<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::batches", make());
    if let Err(Error::Unsupported(_)) = p.b.in_batch(&[1], |_| Ok(())) {
        return Ok(());
    }
    for (dim, k, layout) in
        [((33, 20), 7, Layout::RowMajor), ((33, 20), 7, Layout::Csr), ((70, 130), 66, Layout::RowMajor)]
    {
        let x = Sample::<B::Elem>::random(7, dim, 0.3, layout, Observed::All);
        if !p.takes(&x) {
            continue;
        }
        let class = p.b.batch_class(k);
        let mut ranks: Vec<usize> =
            [k, k - 1, k + 1, k - 2, k].into_iter().filter(|k| p.b.batch_class(*k) == class).collect();
        ranks.push(k);
        p.case(x.describe(k) + &format!(", runs of ranks {ranks:?}"));
        let data = p.upload(&x)?;
        let start = |run: usize, k| -> Pair<B::Elem> {
            let seed = 50 + 2 * run as u64;
            (factor(seed, (dim.0, k), 0.1), factor(seed + 1, (dim.1, k), 0.1))
        };
        let starts: Vec<_> = ranks.iter().enumerate().map(|(run, k)| start(run, *k)).collect();
        let left_out = 1;
        let together = p.b.in_batch(&ranks, |b| {
            let widest = ranks.iter().copied().max().unwrap_or(0);
            let room = |rows| Array2::<B::Elem>::zeros((rows, widest));
            let (mut w, mut h) = (b.factor(room(dim.0).view())?, b.factor(room(dim.1).view())?);
            for (run, (w0, h0)) in starts.iter().enumerate() {
                b.write_of(&mut w, run, w0.view())?;
                b.write_of(&mut h, run, h0.view())?;
            }
            let others: Vec<usize> = (0..ranks.len()).rev().filter(|r| *r != left_out).collect();
            b.members(&others)?;
            let mut kept = b.factor(room(dim.0).view())?;
            b.write_of(&mut kept, left_out, starts[left_out].0.view())?;
            let ones = b.factor(Array2::from_elem((dim.0, widest), B::Elem::of(1.0)).view())?;
            b.copy(&ones, &mut kept)?;
            let made = everything(b, &data, (w, h), widest)?;
            let mut found = Vec::new();
            for (run, k) in ranks.iter().enumerate().filter(|(run, _)| *run != left_out) {
                b.members(&[run])?;
                found.push((run, read(b, &made, run, *k)?));
            }
            Ok((found, wide(&b.read_of(&kept, left_out)?)))
        });
        let (found, kept) = p.ok("in_batch", together)?;
        p.same("members", &kept, &wide(&starts[left_out].0), "what a run holds that takes no part has changed")?;
        for (run, found) in found {
            let (w, h) = &starts[run];
            let (w, h) = (p.factor(w)?, p.factor(h)?);
            let alone =
                everything(&mut p.b, &data, (w, h), ranks[run]).and_then(|made| read(&mut p.b, &made, 0, ranks[run]));
            let alone = p.ok("an operation outside of a batch", alone)?;
            p.must("in_batch", alone.len() == found.len(), "a batch gave another number of results")?;
            for ((name, expected), (_, found)) in alone.iter().zip(&found) {
                let case = x.describe(ranks[run]);
                p.case(format!("{case}, run {run} of a batch of ranks {ranks:?}: {name}"));
                p.same("in_batch", found, expected, "a run in a batch is not what it is alone")?;
            }
        }
    }
    Ok(())
}
