use super::SIDES;
use crate::conformance::bounds;
use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{Layout, SHAPES, Sample, factor, separated, weights, wide};
use crate::{Backend, Element, Loss, Observed, Op, Penalty, Rule, Side, Sweep};
use ndarray::Array2;

/// `newton_sweep`: one pass and several, penalties, fixed columns, the stopping rule, random order, and the divergence
/// before; in every layout, with stored entries only, masks and weights; empty rows, zero factors and components.
pub fn newton_sweep<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::newton_sweep", make());
    if !p.can(Op::NewtonSweep) {
        return Ok(());
    }
    let (mut turn, mut decided) = (0, (0, 0));
    let d = &mut decided;
    for (number, &(m, n, k)) in SHAPES.iter().enumerate() {
        let seed = 4000 + number as u64;
        for x in inputs(&p, seed, (m, n), number) {
            let on_device = p.upload(&x)?;
            for side in SIDES {
                let (rows, others) = x.on(side);
                let (f, other) = (factor(seed, (rows, k), 0.15), separated(seed, (others, k)));
                let all = sweeps(&p, k);
                // every sweep on small k, one after the other elsewhere
                turn += 1;
                let chosen = if (m, n, k) == (9, 7, 3) { all } else { vec![all[turn % all.len()]] };
                for sweep in chosen {
                    turn += 1;
                    one_sweep(&mut p, &x, &on_device, side, (&f, &other), &sweep, turn % 3 == 0, d)?;
                }
            }
        }
    }
    let once = Sweep::once(Rule::for_loss(&Loss::KL));
    let (f, mut other) = (factor(71, (9, 3), 0.0), factor(72, (7, 3), 0.0));
    for observed in [Observed::All, Observed::Stored] {
        let mut values = Sample::<B::Elem>::random(70, (9, 7), 0.3, Layout::RowMajor, observed).values().clone();
        values.row_mut(0).fill(B::Elem::of(0.0));
        values.row_mut(8).fill(B::Elem::of(0.0));
        let layout = if observed == Observed::All { Layout::RowMajor } else { Layout::Csr };
        let x = Sample::new(values, layout, observed);
        if !p.takes(&x) {
            continue;
        }
        let on_device = p.upload(&x)?;
        // overlapping components, rows of X without an entry
        one_sweep(&mut p, &x, &on_device, Side::Rows, (&f, &other), &once, true, d)?;
        let zero = Array2::zeros((9, 3));
        one_sweep(&mut p, &x, &on_device, Side::Rows, (&zero, &other), &once, true, d)?;
        other.column_mut(1).fill(B::Elem::of(0.0));
        one_sweep(&mut p, &x, &on_device, Side::Rows, (&f, &other), &Sweep { max_sweeps: 2, ..once }, false, d)?;
    }
    // a bound that decides nothing would let everything pass: a mistake of this suite
    let (known, all) = decided;
    p.must("newton_sweep", 10 * known >= 9 * all, &format!("the bound decides {known} of {all} entries only"))
}

/// One X of every kind: all entries, stored ones, a mask and weights, dense and sparse, the memory orders in turn.
fn inputs<B: Backend>(p: &Probe<B>, seed: u64, dim: (usize, usize), number: usize) -> Vec<Sample<B::Elem>> {
    let dense = [Layout::RowMajor, Layout::ColMajor, Layout::Strided][number % 3];
    let sparse = [Layout::Csr, Layout::Csc][number % 2];
    let full = |seed, layout, observed| Sample::<B::Elem>::random(seed, dim, 0.3, layout, observed);
    let all = Observed::All;
    let inputs = [
        full(seed, dense, all),
        full(seed + 100, sparse, all).scaled(4.0),
        full(seed + 200, sparse, Observed::Stored),
        full(seed + 300, dense, all).weighted(weights(seed, dim, true)),
        full(seed + 400, dense, all).scaled(0.5).weighted(weights(seed, dim, false)),
        full(seed + 500, sparse, all).weighted(weights(seed, dim, true)),
        full(seed + 600, sparse, all).weighted(weights(seed, dim, false)),
    ];
    inputs.into_iter().filter(|x| p.takes(x)).collect()
}

fn sweeps<B: Backend>(p: &Probe<B>, k: usize) -> Vec<Sweep> {
    let rule = Rule::for_loss(&Loss::KL);
    let penalty = |l1, l2| Rule { penalty: Penalty { l1, l2 }, ..rule };
    let once = Sweep::once(rule);
    let mut all = vec![
        once,
        Sweep { max_sweeps: 2, ..once },
        Sweep { rule: penalty(0.4, 0.0), ..once },
        Sweep { rule: penalty(0.0, 1.5), ..once },
        Sweep { rule: Rule { fixed: k.div_ceil(2), ..penalty(0.1, 0.3) }, max_sweeps: 3, ..once },
        Sweep { rule: Rule { fixed: k, ..rule }, ..once },
        // a first pass always moves by less than twice itself: one pass, whatever the maximum
        Sweep { max_sweeps: 5, stop: 2.0, ..once },
        Sweep { max_sweeps: 4, stop: 0.3, rule: penalty(0.0, 0.2), ..once },
    ];
    if p.can(Op::Shuffle) {
        all.push(Sweep { shuffle: Some(5), ..once });
        let rule = Rule { fixed: k / 3, ..rule };
        all.push(Sweep { shuffle: Some(6), max_sweeps: 2, rule, ..once });
    }
    all
}

fn one_sweep<B: Backend>(
    p: &mut Probe<B>,
    x: &Sample<B::Elem>,
    on_device: &B::Data,
    side: Side,
    (f, other): (&Array2<B::Elem>, &Array2<B::Elem>),
    sweep: &Sweep,
    measure: bool,
    decided: &mut (usize, usize),
) -> Outcome {
    let Rule { fixed, penalty: Penalty { l1, l2 }, .. } = sweep.rule;
    let Sweep { max_sweeps, stop, shuffle, .. } = sweep;
    p.case(format!(
        "{}, {side:?}, {max_sweeps} sweeps, stop = {stop}, shuffle {shuffle:?}, l1 = {l1}, l2 = {l2}, {fixed} fixed columns",
        x.describe(f.ncols())
    ));
    let (mut df, dother) = (p.factor(f)?, p.factor(other)?);
    let r = p.b.newton_sweep(on_device, side, &mut df, &dother, sweep, measure);
    let measured = p.ok("newton_sweep", r)?;
    let (f, other, dense) = (wide(f), wide(other), x.dense());
    let bound = bounds::newton::<B::Elem>(&dense, side, &f, &other, sweep);
    decided.0 += bound.tolerance.iter().filter(|t| t.is_finite()).count();
    decided.1 += bound.tolerance.len();
    let found = p.read(&df)?;
    p.close("newton_sweep", &found, &bound)?;
    p.must("newton_sweep", measured.is_some() == measure, "measured without being asked, or not although asked")?;
    if let Some(s) = measured {
        let (w, h) = if side == Side::Rows { (&f, &other) } else { (&other, &f) };
        // Σv may be a product of column sums, as on sparse data
        let before = bounds::divergence::<B::Elem>(&Loss::KL, &dense, true, &w.view(), &h.view());
        let found = p.value("newton_sweep", Ok(s))?;
        p.close_scalar_or("newton_sweep", found, before, "the measured divergence is not that before the sweep")?;
    }
    Ok(())
}
