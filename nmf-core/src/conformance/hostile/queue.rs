use crate::conformance::failure::Outcome;
use crate::conformance::probe::{Checked, Probe};
use crate::conformance::sample::{Layout, Sample, factor};
use crate::{Backend, Element, Loss, Observed, Op, Penalty, Rule, Side, Sweep};
use ndarray::Array2;

/// The state after many rounds and the divergence before each; `patient` reads after every operation.
fn rounds<B: Backend>(p: &mut Probe<B>, count: usize, patient: bool) -> Checked<(Array2<f64>, Array2<f64>, Vec<f64>)> {
    let x = Sample::random(81, (17, 20), 0.3, Layout::RowMajor, Observed::All);
    let (dx, mut w, mut h) =
        (p.upload(&x)?, p.factor(&factor(82, (17, 3), 0.1))?, p.factor(&factor(83, (20, 3), 0.1))?);
    let (mut a, mut kept) = (p.poisoned((17, 3))?, p.poisoned((17, 3))?);
    let r = p.b.new_gram(3);
    let mut g = p.ok("new_gram", r)?;
    let (mut tw, mut th) = (p.new_terms((17, 3))?, p.new_terms((20, 3))?);
    let (mut scalars, mut values) = (Vec::new(), Vec::new());
    let sweep = Sweep { max_sweeps: 2, stop: 0.0, rule: Rule::for_loss(&Loss::FRO), shuffle: None };
    for round in 0..count {
        let loss = if round % 3 == 0 { Loss::KL } else { Loss::FRO };
        let rule = Rule::for_loss(&loss);
        let r = p.b.mu_step(&loss, &dx, Side::Rows, &mut w, &h, &mut tw, &rule, true);
        let Some(s) = p.ok("mu_step", r)? else {
            return Err(p.fail("mu_step", "measured nothing although asked"));
        };
        let r = p.b.mu_step(&loss, &dx, Side::Cols, &mut h, &w, &mut th, &rule, false);
        p.ok("mu_step", r)?;
        if p.can(Op::HalsSweep) {
            let r = p.b.gram(&h, &mut g);
            p.ok("gram", r)?;
            let r = p.b.cross(&dx, Side::Rows, &h, &mut a);
            p.ok("cross", r)?;
            let r = p.b.copy(&w, &mut kept);
            p.ok("copy", r)?;
            let r = p.b.hals_sweep(&a, &g, &mut kept, &sweep);
            p.ok("hals_sweep", r)?;
            let r = p.b.copy(&kept, &mut w);
            p.ok("copy", r)?;
        }
        if patient {
            values.push(p.value("mu_step", Ok(s))?);
            p.read(&w)?;
            p.read(&h)?;
        } else {
            scalars.push(s);
        }
    }
    for s in scalars {
        values.push(p.value("mu_step", Ok(s))?);
    }
    Ok((p.read(&w)?, p.read(&h)?, values))
}

fn same_values<B: Backend>(p: &Probe<B>, found: &[f64], expected: &[f64], note: &str) -> Outcome {
    let column = |v: &[f64]| Array2::from_shape_fn((v.len(), 1), |(i, _)| v[i]);
    p.same("divergence", &column(found), &column(expected), note)
}

/// Some 300 operations before the first read give the same bits as reading after every one: nothing is dropped,
/// reordered or overwritten in the queue.
pub fn many_operations<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("hostile::many_operations", make());
    p.case("X 17×20, k = 3, 45 rounds of 7 operations");
    let (w, h, values) = rounds(&mut p, 45, true)?;
    let (w2, h2, values2) = rounds(&mut p, 45, false)?;
    p.same("mu_step", &w2, &w, "W differs from the run that read after every operation")?;
    p.same("mu_step", &h2, &h, "H differs from the run that read after every operation")?;
    same_values(&p, &values2, &values, "differs from the run that read after every operation")
}

/// The same calls give the same bits, on the same backend and on a fresh one, for every primitive.
pub fn repeatable<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("hostile::repeatable", make());
    p.case("X 17×20, k = 3, 6 rounds of 7 operations");
    let (w, h, values) = rounds(&mut p, 6, false)?;
    for again in ["the same backend", "a fresh backend"] {
        if again == "a fresh backend" {
            p = Probe::new("hostile::repeatable", make());
            p.case("X 17×20, k = 3, 6 rounds of 7 operations");
        }
        let (w2, h2, values2) = rounds(&mut p, 6, false)?;
        let note = format!("the same calls on {again} give other bits");
        p.same("mu_step", &w2, &w, &note)?;
        p.same("mu_step", &h2, &h, &note)?;
        same_values(&p, &values2, &values, &note)?;
    }
    // a matrix large enough for several tiles and partial sums
    let x = Sample::random(84, (130, 65), 0.3, Layout::RowMajor, Observed::All);
    let (dx, w, h) = (p.upload(&x)?, p.factor(&factor(85, (130, 17), 0.0))?, p.factor(&factor(86, (65, 17), 0.0))?);
    for loss in p.losses() {
        p.case(format!("{}, {loss}", x.describe(17)));
        let mut results = Vec::new();
        for _ in 0..2 {
            let mut f = p.poisoned((65, 17))?;
            let r = p.b.copy(&h, &mut f);
            p.ok("copy", r)?;
            p.step(&loss, &dx, Side::Cols, &mut f, &w, &Rule::for_loss(&loss), false)?;
            let r = p.b.penalty(&f, &Penalty { l1: 1.0, l2: 1.0 });
            let sum = p.value("penalty", r)?;
            let d = if loss.allows_zero() {
                let r = p.b.divergence(&loss, &dx, &w, &f);
                p.value("divergence", r)?
            } else {
                0.0
            };
            results.push((p.read(&f)?, vec![sum, d]));
        }
        let note = "the same calls give other bits";
        p.same("mu_step", &results[1].0, &results[0].0, note)?;
        same_values(&p, &results[1].1, &results[0].1, note)?;
    }
    Ok(())
}

/// Two hundred tickets drawn before the first is redeemed, redeemed from the last to the first, with other work in
/// between: each has its own value.
pub fn tickets<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("hostile::tickets", make());
    p.case("200 tickets, redeemed backwards");
    let mut issued = Vec::new();
    for number in 0..200u32 {
        let f = p.factor(&Array2::from_elem((1, 1), B::Elem::of(f64::from(number))))?;
        let r = p.b.penalty(&f, &Penalty { l1: 1.0, l2: 0.0 });
        let s = p.ok("penalty", r)?;
        let r = p.b.ticket(&[s.clone(), s]);
        issued.push((p.ok("ticket", r)?, f64::from(number)));
    }
    for (ticket, number) in issued.iter().rev() {
        let r = p.b.poll(ticket);
        let values = match p.ok("poll", r)? {
            Some(values) => values,
            None => {
                let r = p.b.wait(ticket);
                p.ok("wait", r)?
            }
        };
        p.must("wait", values == [*number, *number], &format!("ticket of {number} gave {values:?}"))?;
    }
    Ok(())
}
