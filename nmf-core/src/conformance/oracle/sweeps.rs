use crate::conformance::bounds;
use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{factor, separated, uniform, wide};
use crate::{Backend, Element, Loss, Op, Penalty, Rule, Sweep};
use ndarray::Array2;

/// A (p×k), the factor whose Gram matrix is G, and f (p×k): what the problems solved row by row are made of.
pub(super) struct RowProblem<T> {
    pub(super) a: Array2<T>,
    pub(super) of_gram: Array2<T>,
    pub(super) f: Array2<T>,
}

impl<T: Element> RowProblem<T> {
    /// Components that overlap little; a third of the rows' cross products are negative, so that entries are clamped.
    pub(super) fn separated(rows: usize, k: usize) -> Self {
        let seed = (rows * 100 + k) as u64;
        RowProblem {
            a: uniform(seed, (rows, k), -1.0, 2.0),
            of_gram: separated(seed, (2 * k + 3, k)),
            f: factor(seed, (rows, k), 0.2),
        }
    }

    pub(super) fn describe(&self, what: impl std::fmt::Display) -> String {
        format!("A and f {}×{}, {what}", self.f.nrows(), self.f.ncols())
    }
}

/// `quadratic`: ½⟨fᵀf, G⟩ − ⟨A, f⟩.
pub fn quadratic<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::quadratic", make());
    for (rows, k) in [(1, 1), (17, 33), (65, 17), (130, 3)] {
        let s = RowProblem::<B::Elem>::separated(rows, k);
        p.case(s.describe("signs of both kinds in A"));
        let (a, c, f) = (p.factor(&s.a)?, p.factor(&s.of_gram)?, p.factor(&s.f)?);
        let gram = p.gram(&c)?;
        let g = p.read_gram(&gram)?;
        let r = p.b.quadratic(&a, &gram, &f);
        let found = p.value("quadratic", r)?;
        p.close_scalar("quadratic", found, bounds::quadratic(&wide(&s.a), &g, &wide(&s.f), p.eps()))?;
    }
    Ok(())
}

/// `hals_sweep`: one pass exactly, several, penalties, fixed columns, the stopping rule, a component that dies
/// (refilled with FLOOR, unless fixed), a component without curvature (skipped), random order.
pub fn hals_sweep<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::hals_sweep", make());
    if !p.can(Op::HalsSweep) {
        return Ok(());
    }
    let rule = Rule::for_loss(&Loss::FRO);
    let once = Sweep::once(rule);
    let penalized = Rule { penalty: Penalty { l1: 0.2, l2: 0.5 }, ..rule };
    for (rows, k) in [(1, 1), (9, 3), (16, 17), (65, 33), (130, 3), (18, 67)] {
        let s = RowProblem::<B::Elem>::separated(rows, k);
        for sweep in [
            once,
            Sweep { max_sweeps: 4, ..once },
            Sweep { rule: penalized, ..once },
            Sweep { rule: Rule { fixed: k.div_ceil(2), ..rule }, max_sweeps: 2, ..once },
            Sweep { rule: Rule { fixed: k / 3, ..penalized }, max_sweeps: 3, ..once },
            // a first pass always moves by less than twice itself: one pass, whatever the maximum
            Sweep { max_sweeps: 5, stop: 2.0, ..once },
            Sweep { max_sweeps: 6, stop: 0.3, ..once },
            Sweep { shuffle: Some(3), max_sweeps: 2, ..once },
            Sweep { shuffle: Some(4), rule: Rule { fixed: k / 3, ..penalized }, ..once },
        ] {
            if sweep.shuffle.is_none() || p.can(Op::Shuffle) {
                check_sweep(&mut p, &s, &sweep, "")?;
            }
        }
    }

    let mut s = RowProblem::<B::Elem>::separated(9, 3);
    for q in [0, 2] {
        s.a.column_mut(q).fill(B::Elem::of(-9.0));
    }
    s.f.column_mut(0).fill(B::Elem::of(0.0));
    check_sweep(&mut p, &s, &once, "components 0 and 2 die and are refilled with FLOOR")?;
    let fixed = Sweep { rule: Rule { fixed: 1, ..rule }, ..once };
    check_sweep(&mut p, &s, &fixed, "component 0 is zero and fixed, component 2 dies")?;

    let mut s = RowProblem::<B::Elem>::separated(9, 3);
    s.of_gram.column_mut(1).fill(B::Elem::of(0.0));
    check_sweep(&mut p, &s, &once, "component 1 has no curvature and is skipped")?;
    let ridge = Sweep { rule: penalized, ..once };
    check_sweep(&mut p, &s, &ridge, "component 1 has the curvature of the ridge only")?;
    s.f.column_mut(1).fill(B::Elem::of(0.0));
    check_sweep(&mut p, &s, &once, "component 1 has no curvature, is zero, and is refilled with FLOOR")
}

fn check_sweep<B: Backend>(p: &mut Probe<B>, s: &RowProblem<B::Elem>, sweep: &Sweep, what: &str) -> Outcome {
    let Rule { fixed, penalty: Penalty { l1, l2 }, .. } = sweep.rule;
    let (max, stop) = (sweep.max_sweeps, sweep.stop);
    let order = if sweep.shuffle.is_some() { ", shuffled" } else { "" };
    let settings = format!("{max} sweeps{order}, stop = {stop}, l1 = {l1}, l2 = {l2}, {fixed} fixed columns");
    p.case(s.describe(if what.is_empty() { settings } else { format!("{settings}; {what}") }));
    let (a, c, mut f) = (p.factor(&s.a)?, p.factor(&s.of_gram)?, p.factor(&s.f)?);
    let gram = p.gram(&c)?;
    let g = p.read_gram(&gram)?;
    let r = p.b.hals_sweep(&a, &gram, &mut f, sweep);
    p.ok("hals_sweep", r)?;
    let found = p.read(&f)?;
    p.close("hals_sweep", &found, &bounds::hals::<B::Elem>(&wide(&s.a), &g, &wide(&s.f), sweep))
}
